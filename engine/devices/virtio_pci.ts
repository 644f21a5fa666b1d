// virtio over PCI, device side (virtio-v1.2 §4.1): capabilities, doorbells, device configuration window, interrupts; modern, transitional or legacy.
import { PCI_CAP_ID, VIRTIO_PCI_CAP, VirtioPciCap, VirtioPciCfgCap, VirtioPciNotifyCap } from '../pci/capabilities.ts';
import { PCI_VENDOR_ID, QEMU_SUBSYSTEM, VIRTIO_PCI_MODERN_BASE } from '../pci/ids.ts';
import type { MasterPort, MmioTarget } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { F } from '../virtio/features.ts';
import { VirtioPciLegacy, VirtioPciLegacyMsix } from '../virtio/legacy.ts';
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_BAR_LAYOUT as LAYOUT } from '../virtio/pci_cfg.ts';
import { Msix } from './msix.ts';
import { PciFunction, type PciFunctionHooks, ROM_BAR } from './pci_function.ts';
import { readCommon, writeCommon } from './virtio_common_cfg.ts';
import { VirtioCore, type VirtioInterfaces } from './virtio_core.ts';
import type { VirtioDevice } from './virtio_device.ts';
import { VirtioPciLegacyBar } from './virtio_pci_legacy.ts';

/** QEMU's offsets of the capabilities in configuration space, last added first in the list. */
const CAP_AT = { COMMON: 0x40, ISR: 0x50, DEVICE: 0x60, NOTIFY: 0x70, PCI_CFG: 0x84, MSIX: 0x98 } as const;
/** Where the window's data lies in configuration space. */
const WINDOW = CAP_AT.PCI_CFG + VirtioPciCfgCap.pci_cfg_data.offset;
const MSIX_BAR = 1;
const LEGACY_IO_BAR = 0;
const ROM_SIZE = 0x40000;
/** QEMU: VIRTIO_QUEUE_MAX, so many doorbells there are. */
const DOORBELLS = 1024;
const PAGE_PER_VQ = 4096;

export interface VirtioPciSpec {
  /** For traces: 'virtio-net-pci 00:01.0'. */
  readonly name: string;
  readonly interfaces: VirtioInterfaces;
  /** PCI class code, 24 bits. */
  readonly classCode: number;
  /** Transitional device id, 0x1000 … */
  readonly transitionalId: number;
  /** 0: no MSI-X capability, the function interrupts by INTA# only. */
  readonly msixVectors: number;
  /** QEMU's page-per-vq: each doorbell in a page of its own. */
  readonly pagePerVq?: boolean;
  /** Transport features beyond those every device has. */
  readonly offer?: bigint;
}

export class VirtioPci extends VirtioCore implements MmioTarget, PciFunctionHooks {
  readonly fn: PciFunction;
  readonly msix: Msix;
  declare readonly port: MasterPort;
  private readonly multiplier: number;

  constructor(
    platform: Platform,
    readonly spec: VirtioPciSpec,
    model: VirtioDevice,
  ) {
    // QEMU's iommu_platform: not for devices that show a legacy interface, whose drivers know nothing of bus addresses
    const translated = platform.iommu !== undefined && !spec.interfaces.legacy;
    super(
      platform,
      spec.name,
      model,
      spec.interfaces,
      platform.dmaPort(),
      (spec.offer ?? 0n) | (translated ? F.VIRTIO_F_ACCESS_PLATFORM : 0n),
    );
    this.port.translated = translated;
    this.multiplier = spec.pagePerVq === true ? PAGE_PER_VQ : LAYOUT.NOTIFY_MULTIPLIER;
    this.msix = new Msix(spec.name, spec.msixVectors, this.port, platform.scope);
    this.fn = this.buildFunction();
    model.attach(this);
  }

  /** virtio-v1.2 §4.1.5.1.2: a vector the device does not have is not kept, so that the driver reads back VIRTIO_MSI_NO_VECTOR. */
  vectorOrNone(vector: number): number {
    return vector < this.msix.vectors ? vector : VIRTIO_MSI_NO_VECTOR;
  }

  mmioRead(offset: number, size: number): number {
    if (offset < LAYOUT.ISR) return readCommon(this, offset, size);
    if (offset < LAYOUT.DEVICE) return offset === LAYOUT.ISR ? this.readIsr() : 0;
    if (offset < LAYOUT.NOTIFY) return this.readConfig(offset - LAYOUT.DEVICE, size);
    return 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (offset >= LAYOUT.NOTIFY) this.doorbell(Math.floor((offset - LAYOUT.NOTIFY) / this.multiplier), value);
    else if (offset < LAYOUT.ISR) writeCommon(this, offset, size, value);
    else if (offset >= LAYOUT.DEVICE) this.writeConfig(offset - LAYOUT.DEVICE, size, value, false);
  }

  /** virtio-v1.2 §4.1.4.9: the window shows the BAR bytes that the capability's other fields choose. */
  configReading(offset: number, size: number): void {
    if (!this.windowTouched(offset, size)) return;
    const length = VirtioPciCap.length.get(this.fn.config, CAP_AT.PCI_CFG);
    this.fn.config.setU32(WINDOW, this.mmioRead(VirtioPciCap.offset.get(this.fn.config, CAP_AT.PCI_CFG), length));
  }

  configWritten(offset: number, size: number): void {
    // PCI 3.0 §6.8.3.2: a function that uses MSI-X keeps its line silent
    if (this.msix.enabled) this.fn.setInterrupt(false);
    if (!this.windowTouched(offset, size)) return;
    const length = VirtioPciCap.length.get(this.fn.config, CAP_AT.PCI_CFG);
    const data = this.fn.config.u32(WINDOW);
    this.mmioWrite(VirtioPciCap.offset.get(this.fn.config, CAP_AT.PCI_CFG), length, length === 4 ? data : data & ((1 << (8 * length)) - 1));
  }

  unplugged(): void {
    this.reset();
  }

  /** virtio-v1.2 §4.1.5.3, §4.1.5.4: a message when MSI-X is on and there is a vector, INTA# when it is off. */
  protected signal(_queue: number, vector: number): boolean {
    if (this.msix.enabled) return vector !== VIRTIO_MSI_NO_VECTOR && this.msix.notify(vector);
    this.updateLine();
    return true;
  }

  protected isrCleared(): void {
    this.updateLine();
  }

  protected override masters(): boolean {
    return this.port.busMaster;
  }

  private updateLine(): void {
    this.fn.setInterrupt(this.isr !== 0 && !this.msix.enabled);
  }

  /** An access meets the window's data, and the window lies on bytes of the BAR. */
  private windowTouched(offset: number, size: number): boolean {
    if (!this.interfaces.modern || offset >= WINDOW + 4 || offset + size <= WINDOW) return false;
    const c = this.fn.config;
    const length = VirtioPciCap.length.get(c, CAP_AT.PCI_CFG);
    const at = VirtioPciCap.offset.get(c, CAP_AT.PCI_CFG);
    return (
      VirtioPciCap.bar.get(c, CAP_AT.PCI_CFG) === LAYOUT.BAR &&
      (length === 1 || length === 2 || length === 4) &&
      at % length === 0 &&
      at + length <= LAYOUT.NOTIFY + this.multiplier * DOORBELLS
    );
  }

  private buildFunction(): PciFunction {
    const { spec, model } = this;
    const { legacy, modern } = spec.interfaces;
    const fn = new PciFunction(
      spec.name,
      {
        vendor: PCI_VENDOR_ID.REDHAT_QUMRANET,
        device: legacy ? spec.transitionalId : VIRTIO_PCI_MODERN_BASE + model.deviceId,
        // virtio-v1.2 §4.1.2.3: a transitional device has revision 0 and the virtio device type as subsystem id
        revision: legacy ? 0 : 1,
        subsystemVendor: PCI_VENDOR_ID.REDHAT_QUMRANET,
        subsystemId: legacy ? model.deviceId : QEMU_SUBSYSTEM.DEVICE,
        classCode: spec.classCode,
        interruptPin: 1,
      },
      this.port,
    );
    if (legacy) {
      const header = VirtioPciLegacy.$size + (spec.msixVectors > 0 ? VirtioPciLegacyMsix.$size : 0);
      fn.addBar(LEGACY_IO_BAR, 'io', powerOfTwo(header + this.configLength), new VirtioPciLegacyBar(this));
    }
    if (modern) this.addModern(fn);
    fn.addBar(ROM_BAR, 'mem32', ROM_SIZE, undefined, true);
    if (spec.msixVectors > 0) fn.addMsix(CAP_AT.MSIX, MSIX_BAR, this.msix);
    fn.hooks = this;
    return fn;
  }

  /** The structures of virtio-v1.2 §4.1.4 in one BAR, and the capabilities that tell where. */
  private addModern(fn: PciFunction): void {
    const doorbells = this.multiplier * DOORBELLS;
    fn.addBar(LAYOUT.BAR, 'mem64', powerOfTwo(LAYOUT.NOTIFY + doorbells), this, true);
    const cap = (at: number, type: number, length: number, offset: number, size: number): void => {
      const c = fn.config;
      fn.addCapability(PCI_CAP_ID.VNDR, at);
      VirtioPciCap.cap_len.set(c, at, length);
      VirtioPciCap.cfg_type.set(c, at, type);
      if (type === VIRTIO_PCI_CAP.PCI_CFG) return;
      VirtioPciCap.bar.set(c, at, LAYOUT.BAR);
      VirtioPciCap.offset.set(c, at, offset);
      VirtioPciCap.length.set(c, at, size);
    };
    cap(CAP_AT.COMMON, VIRTIO_PCI_CAP.COMMON_CFG, VirtioPciCap.$size, LAYOUT.COMMON, LAYOUT.EACH);
    cap(CAP_AT.ISR, VIRTIO_PCI_CAP.ISR_CFG, VirtioPciCap.$size, LAYOUT.ISR, LAYOUT.EACH);
    cap(CAP_AT.DEVICE, VIRTIO_PCI_CAP.DEVICE_CFG, VirtioPciCap.$size, LAYOUT.DEVICE, LAYOUT.EACH);
    cap(CAP_AT.NOTIFY, VIRTIO_PCI_CAP.NOTIFY_CFG, VirtioPciNotifyCap.$size, LAYOUT.NOTIFY, doorbells);
    VirtioPciNotifyCap.notify_off_multiplier.set(fn.config, CAP_AT.NOTIFY, this.multiplier);
    cap(CAP_AT.PCI_CFG, VIRTIO_PCI_CAP.PCI_CFG, VirtioPciCfgCap.$size, 0, 0);
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.bar.offset, 1, 'rw');
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.offset.offset, 4, 'rw');
    fn.allow(CAP_AT.PCI_CFG + VirtioPciCap.length.offset, 4, 'rw');
    fn.allow(WINDOW, 4, 'rw');
  }
}

const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));
