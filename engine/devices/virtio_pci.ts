// virtio over PCI, device side (virtio-v1.2 §4.1): capabilities, common configuration, doorbells, ISR, device configuration, interrupts.
import { invariant } from '../base/ops.ts';
import { PCI_CAP_ID, VIRTIO_PCI_CAP, VirtioPciCap, VirtioPciCfgCap, VirtioPciNotifyCap } from '../pci/capabilities.ts';
import { PCI_VENDOR_ID, QEMU_SUBSYSTEM, VIRTIO_PCI_MODERN_BASE } from '../pci/ids.ts';
import type { MasterPort, MmioTarget } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import type { TracePoint } from '../trace/trace.ts';
import { F, missingPrerequisites } from '../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_BAR_LAYOUT as LAYOUT, VIRTIO_PCI_ISR } from '../virtio/pci_cfg.ts';
import { statusNames, VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { Msix } from './msix.ts';
import { PciFunction, type PciFunctionHooks, ROM_BAR } from './pci_function.ts';
import { VirtioFault, VirtioInterrupt, VirtioNotify, VirtioStatus } from './trace.ts';
import { readCommon, writeCommon } from './virtio_common_cfg.ts';
import type { VirtioDevice, VirtioTransport } from './virtio_device.ts';
import { Virtqueue } from './virtqueue.ts';

/** QEMU's offsets of the capabilities in configuration space, last added first in the list. */
const CAP_AT = { COMMON: 0x40, ISR: 0x50, DEVICE: 0x60, NOTIFY: 0x70, PCI_CFG: 0x84, MSIX: 0x98 } as const;
const MSIX_BAR = 1;
const LEGACY_IO_BAR = 0;
const LEGACY_IO_SIZE = 64;
const ROM_SIZE = 0x40000;

export interface VirtioPciSpec {
  /** For traces: 'virtio-net-pci 00:01.0'. */
  readonly name: string;
  /** QEMU's disable-legacy=off: transitional ids and the legacy I/O BAR. */
  readonly transitional: boolean;
  /** PCI class code, 24 bits. */
  readonly classCode: number;
  /** Transitional device id, 0x1000 … */
  readonly transitionalId: number;
  readonly msixVectors: number;
}

/** What every virtio-pci device adds to its model's features, as QEMU 7.2 offers them to a modern driver. */
const TRANSPORT_FEATURES = F.VIRTIO_F_RING_INDIRECT_DESC | F.VIRTIO_F_RING_EVENT_IDX | F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_RESET;

export class VirtioPci implements VirtioTransport, MmioTarget, PciFunctionHooks {
  readonly fn: PciFunction;
  readonly msix: Msix;
  readonly queues: Virtqueue[] = [];
  readonly port: MasterPort;
  readonly offered: bigint;
  /** Registers of the common configuration that have state of their own. */
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  driverFeatures = 0n;
  configVector = VIRTIO_MSI_NO_VECTOR;
  queueSelect = 0;
  status = 0;
  generation = 0;
  private isr = 0;
  configInterrupts = 0;
  lastConfigInterrupt = -1;
  private readonly tpNotify: TracePoint;
  private readonly tpInterrupt: TracePoint;
  private readonly tpFault: TracePoint;
  private readonly tpStatus: TracePoint;

  constructor(
    private readonly platform: Platform,
    readonly spec: VirtioPciSpec,
    readonly model: VirtioDevice,
  ) {
    const { scope, sim } = platform;
    this.tpNotify = scope.point(VirtioNotify);
    this.tpInterrupt = scope.point(VirtioInterrupt);
    this.tpFault = scope.point(VirtioFault);
    this.tpStatus = scope.point(VirtioStatus);
    this.port = platform.dmaPort();
    this.offered = model.features | TRANSPORT_FEATURES;
    invariant(missingPrerequisites(this.offered).length === 0, `${spec.name} offers features without their prerequisites`);
    model.queueSizes.forEach((size, i) => this.queues.push(new Virtqueue(spec.name, i, size, this.port, sim, scope)));
    this.msix = new Msix(spec.name, spec.msixVectors, this.port, scope);
    this.fn = this.buildFunction();
    model.attach(this);
  }

  get running(): boolean {
    return (this.status & (S.DRIVER_OK | S.NEEDS_RESET)) === S.DRIVER_OK;
  }

  flush(queue: Virtqueue): void {
    if (!queue.publish()) return;
    this.isr |= VIRTIO_PCI_ISR.QUEUE;
    if (!this.interrupt(queue.index, queue.vector)) return;
    queue.interrupts++;
    queue.lastInterrupt = this.platform.sim.now;
  }

  configChanged(): void {
    this.generation = (this.generation + 1) & 0xff;
    if ((this.status & S.DRIVER_OK) !== 0) this.configInterrupt();
  }

  faulted(queue: Virtqueue): void {
    const { fault } = queue;
    if (fault === undefined || (this.status & S.NEEDS_RESET) !== 0) return;
    if (this.tpFault.enabled) this.tpFault.emit(this.spec.name, queue.index, fault.kind, fault.text);
    this.setStatus(this.status | S.NEEDS_RESET);
    if ((this.status & S.DRIVER_OK) !== 0) this.configInterrupt();
  }

  /** The driver wrote device_status (virtio-v1.2 §2.1, §3.1.1). */
  writeStatus(value: number): void {
    if (value === 0) return this.reset();
    let next = value | (this.status & S.NEEDS_RESET);
    if ((next & S.FEATURES_OK) !== 0 && (this.status & S.FEATURES_OK) === 0) {
      if (this.acceptable()) this.model.negotiated(this.driverFeatures);
      else next &= ~S.FEATURES_OK;
    }
    const starts = (next & S.DRIVER_OK) !== 0 && (this.status & S.DRIVER_OK) === 0;
    this.setStatus(next);
    if (starts) this.start();
  }

  /** virtio-v1.2 §2.4; also what a PCI reset or unplug does. */
  reset(): void {
    this.deviceFeatureSelect = this.driverFeatureSelect = 0;
    this.driverFeatures = 0n;
    this.configVector = VIRTIO_MSI_NO_VECTOR;
    this.queueSelect = this.isr = 0;
    for (const q of this.queues) this.resetQueue(q);
    this.model.reset();
    this.setStatus(0);
  }

  /** virtio-v1.2 §2.6.1 */
  resetQueue(q: Virtqueue): void {
    q.reset();
    q.vector = VIRTIO_MSI_NO_VECTOR;
    this.model.queueReset(q.index);
  }

  enableQueue(q: Virtqueue): void {
    q.eventIdx = (this.driverFeatures & F.VIRTIO_F_RING_EVENT_IDX) !== 0n;
    q.indirect = (this.driverFeatures & F.VIRTIO_F_RING_INDIRECT_DESC) !== 0n;
    if (!q.enable() && this.port.busMaster) this.faulted(q);
    else q.fault = undefined;
    if (this.running) this.model.queueReset(q.index);
  }

  mmioRead(offset: number, size: number): number {
    if (offset < LAYOUT.ISR) return readCommon(this, offset, size);
    if (offset < LAYOUT.DEVICE) {
      const value = offset === LAYOUT.ISR ? this.isr : 0;
      if (offset === LAYOUT.ISR) this.isr = 0;
      return value;
    }
    if (offset < LAYOUT.NOTIFY) return this.readConfig(offset - LAYOUT.DEVICE, size);
    return 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (offset >= LAYOUT.NOTIFY) this.doorbell(Math.floor((offset - LAYOUT.NOTIFY) / LAYOUT.NOTIFY_MULTIPLIER));
    else if (offset < LAYOUT.ISR) writeCommon(this, offset, size, value);
    // virtio-v1.2 §5.1.4.1: a modern driver does not write virtio-net's configuration; the ISR is read-only
  }

  /** virtio-v1.2 §4.1.4.9: the window shows the BAR bytes that the capability's other fields choose. */
  configReading(offset: number, size: number): void {
    const at = CAP_AT.PCI_CFG + VirtioPciCfgCap.pci_cfg_data.offset;
    if (offset >= at + 4 || offset + size <= at || !this.windowValid()) return;
    const length = VirtioPciCap.length.get(this.fn.config, CAP_AT.PCI_CFG);
    this.fn.config.setU32(at, this.mmioRead(VirtioPciCap.offset.get(this.fn.config, CAP_AT.PCI_CFG), length));
  }

  configWritten(offset: number, size: number): void {
    const at = CAP_AT.PCI_CFG + VirtioPciCfgCap.pci_cfg_data.offset;
    if (offset >= at + 4 || offset + size <= at || !this.windowValid()) return;
    const length = VirtioPciCap.length.get(this.fn.config, CAP_AT.PCI_CFG);
    const data = this.fn.config.u32(at);
    this.mmioWrite(VirtioPciCap.offset.get(this.fn.config, CAP_AT.PCI_CFG), length, length === 4 ? data : data & ((1 << (8 * length)) - 1));
  }

  unplugged(): void {
    this.reset();
  }

  private windowValid(): boolean {
    const c = this.fn.config;
    const length = VirtioPciCap.length.get(c, CAP_AT.PCI_CFG);
    const offset = VirtioPciCap.offset.get(c, CAP_AT.PCI_CFG);
    return (
      VirtioPciCap.bar.get(c, CAP_AT.PCI_CFG) === LAYOUT.BAR &&
      (length === 1 || length === 2 || length === 4) &&
      offset + length <= LAYOUT.SIZE
    );
  }

  private doorbell(index: number): void {
    const q = this.queues[index];
    if (q === undefined) return;
    q.notifications++;
    q.lastNotification = this.platform.cpus.now();
    if (this.tpNotify.enabled) this.tpNotify.emit(this.spec.name, index);
    // virtio-v1.2 §3.1.1: nothing is processed before DRIVER_OK
    if (this.running && q.enabled) this.model.queueNotify(index);
  }

  /** virtio-v1.2 §2.2.2, §6.1: only what was offered, with prerequisites, and a modern driver must take VERSION_1. */
  private acceptable(): boolean {
    return (
      (this.driverFeatures & ~this.offered) === 0n &&
      (this.driverFeatures & F.VIRTIO_F_VERSION_1) !== 0n &&
      missingPrerequisites(this.driverFeatures).length === 0
    );
  }

  private start(): void {
    for (const q of this.queues) if (q.enabled && !q.checkRing()) this.faulted(q);
    if (this.running) this.model.driverOk();
  }

  private setStatus(status: number): void {
    this.status = status;
    if (this.tpStatus.enabled) this.tpStatus.emit(this.spec.name, status, statusNames(status).join(' '));
  }

  private configInterrupt(): void {
    this.isr |= VIRTIO_PCI_ISR.CONFIG;
    if (!this.interrupt(-1, this.configVector)) return;
    this.configInterrupts++;
    this.lastConfigInterrupt = this.platform.sim.now;
  }

  /** virtio-v1.2 §4.1.5.3, §4.1.5.4. With MSI-X off the interrupt would be INTA#, which this platform does not route: the ISR bit stays for a polling driver. False when nothing was sent. */
  private interrupt(queue: number, vector: number): boolean {
    const sent = vector !== VIRTIO_MSI_NO_VECTOR && this.msix.notify(vector);
    if (this.tpInterrupt.enabled) this.tpInterrupt.emit(this.spec.name, queue, vector, sent);
    return sent;
  }

  /** The model's bytes; a read across the end, or beyond it, gives ones (QEMU: virtio_config_modern_readl). */
  private readConfig(offset: number, size: number): number {
    const { config } = this.model;
    if (offset + size > config.bytes.length) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
    return size === 1 ? config.u8(offset) : size === 2 ? config.u16(offset) : config.u32(offset);
  }

  private buildFunction(): PciFunction {
    const { spec, model } = this;
    const fn = new PciFunction(
      spec.name,
      {
        vendor: PCI_VENDOR_ID.REDHAT_QUMRANET,
        device: spec.transitional ? spec.transitionalId : VIRTIO_PCI_MODERN_BASE + model.deviceId,
        // virtio-v1.2 §4.1.2.3: a transitional device has revision 0 and the virtio device type as subsystem id
        revision: spec.transitional ? 0 : 1,
        subsystemVendor: PCI_VENDOR_ID.REDHAT_QUMRANET,
        subsystemId: spec.transitional ? model.deviceId : QEMU_SUBSYSTEM.DEVICE,
        classCode: spec.classCode,
        interruptPin: 1,
      },
      this.port,
    );
    // The legacy interface is not modelled: the I/O BAR is there, as a driver of the transitional device expects, and reads as ones,
    // which no legacy driver takes for a device (its queues would all have size 0xffff).
    if (spec.transitional) fn.addBar(LEGACY_IO_BAR, 'io', LEGACY_IO_SIZE, undefined);
    fn.addBar(LAYOUT.BAR, 'mem64', LAYOUT.SIZE, this, true);
    fn.addBar(ROM_BAR, 'mem32', ROM_SIZE, undefined, true);
    const cap = (at: number, type: number, length: number, offset: number): void => {
      const c = fn.config;
      fn.addCapability(PCI_CAP_ID.VNDR, at);
      VirtioPciCap.cap_len.set(c, at, length);
      VirtioPciCap.cfg_type.set(c, at, type);
      if (type === VIRTIO_PCI_CAP.PCI_CFG) return;
      VirtioPciCap.bar.set(c, at, LAYOUT.BAR);
      VirtioPciCap.offset.set(c, at, offset);
      VirtioPciCap.length.set(c, at, LAYOUT.EACH);
    };
    cap(CAP_AT.COMMON, VIRTIO_PCI_CAP.COMMON_CFG, VirtioPciCap.$size, LAYOUT.COMMON);
    cap(CAP_AT.ISR, VIRTIO_PCI_CAP.ISR_CFG, VirtioPciCap.$size, LAYOUT.ISR);
    cap(CAP_AT.DEVICE, VIRTIO_PCI_CAP.DEVICE_CFG, VirtioPciCap.$size, LAYOUT.DEVICE);
    cap(CAP_AT.NOTIFY, VIRTIO_PCI_CAP.NOTIFY_CFG, VirtioPciNotifyCap.$size, LAYOUT.NOTIFY);
    VirtioPciNotifyCap.notify_off_multiplier.set(fn.config, CAP_AT.NOTIFY, LAYOUT.NOTIFY_MULTIPLIER);
    cap(CAP_AT.PCI_CFG, VIRTIO_PCI_CAP.PCI_CFG, VirtioPciCfgCap.$size, 0);
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.bar.offset, 1, 'rw');
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.offset.offset, 4, 'rw');
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.length.offset, 4, 'rw');
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCfgCap.pci_cfg_data.offset, 4, 'rw');
    fn.addMsix(CAP_AT.MSIX, MSIX_BAR, this.msix);
    fn.hooks = this;
    return fn;
  }
}
