// What every virtio transport has, device side (virtio-v1.2 §2, §3.1): status machine, features, queues, ISR, faults. PCI and MMIO stand on it.
import { invariant } from '../base/ops.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import type { Actor } from '../sim/sim.ts';
import type { TracePoint } from '../trace/trace.ts';
import { F, featureWord, missingPrerequisites } from '../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_ISR } from '../virtio/pci_cfg.ts';
import { statusNames, VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { VirtioFault, VirtioInterrupt, VirtioNotify, VirtioStatus } from './trace.ts';
import type { VirtioDevice, VirtioTransport } from './virtio_device.ts';
import { type VirtqFault, virtqFault, type VirtqFaultKind } from './virtq_fault.ts';
import { Virtqueue } from './virtqueue.ts';

/** The interfaces a device shows: QEMU's disable-legacy and disable-modern. */
export interface VirtioInterfaces {
  readonly legacy: boolean;
  readonly modern: boolean;
}

/** What every transport adds to its model's features, as QEMU 7.2 offers them. */
const RING_FEATURES = F.VIRTIO_F_RING_INDIRECT_DESC | F.VIRTIO_F_RING_EVENT_IDX;
/** Only to a modern driver. */
const MODERN_FEATURES = F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_RESET;
/** Only to a legacy driver (virtio-v1.2 §6.3; QEMU: VIRTIO_LEGACY_FEATURES). */
const LEGACY_FEATURES = featureWord('VIRTIO_F_NOTIFY_ON_EMPTY', 'VIRTIO_F_ANY_LAYOUT');
const LOW_32 = 0xffffffffn;

/** Status bits a driver may set; the others are the device's. */
const DRIVER_STATUS = S.ACKNOWLEDGE | S.DRIVER | S.DRIVER_OK | S.FEATURES_OK | S.FAILED;

export abstract class VirtioCore implements VirtioTransport, Actor {
  readonly queues: Virtqueue[] = [];
  /** Features shown to a modern driver, and to a legacy one. */
  readonly offered: bigint;
  readonly offeredLegacy: bigint;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  driverFeatures = 0n;
  queueSelect = 0;
  status = 0;
  generation = 0;
  /** MSI-X vector for configuration changes; a transport without vectors leaves it alone. */
  configVector = VIRTIO_MSI_NO_VECTOR;
  /** What the driver did wrong first since the last reset. */
  fault: VirtqFault | undefined;
  configInterrupts = 0;
  lastConfigInterrupt = -1;
  /** Bits of the ISR status (virtio-v1.2 §4.1.4.5, §4.2.2 InterruptStatus). */
  protected isr = 0;
  /** The driver uses the legacy interface, since the last reset. */
  private legacyDriver = false;
  /** It took VIRTIO_F_NOTIFY_ON_EMPTY. */
  private notifyOnEmpty = false;
  private readonly tpNotify: TracePoint;
  private readonly tpInterrupt: TracePoint;
  private readonly tpFault: TracePoint;
  private readonly tpStatus: TracePoint;

  constructor(
    protected readonly platform: Platform,
    /** For traces: 'virtio-net-pci 00:01.0'. */
    readonly name: string,
    readonly model: VirtioDevice,
    readonly interfaces: VirtioInterfaces,
    readonly port: DmaPort,
    /** Transport features beyond those every device has. */
    offer = 0n,
  ) {
    const { scope, sim } = platform;
    this.tpNotify = scope.point(VirtioNotify);
    this.tpInterrupt = scope.point(VirtioInterrupt);
    this.tpFault = scope.point(VirtioFault);
    this.tpStatus = scope.point(VirtioStatus);
    const { withheld = 0n } = model;
    this.offered = (model.features | RING_FEATURES | MODERN_FEATURES | offer) & ~withheld;
    this.offeredLegacy = (model.features | RING_FEATURES | LEGACY_FEATURES | (model.legacyFeatures ?? 0n)) & LOW_32 & ~withheld;
    invariant(missingPrerequisites(this.offered).length === 0, `${name} offers features without their prerequisites`);
    model.queueSizes.forEach((size, i) => this.queues.push(new Virtqueue(name, i, size, port, sim, scope, model.ringFormats)));
  }

  /** The transport's part of an interrupt: `queue` is -1 for a configuration change. False when nothing was sent. */
  protected abstract signal(queue: number, vector: number): boolean;
  /** The ISR was read, or acknowledged, and is 0. */
  protected abstract isrCleared(): void;

  get running(): boolean {
    return (this.status & (S.DRIVER_OK | S.NEEDS_RESET)) === S.DRIVER_OK;
  }

  flush(queue: Virtqueue): void {
    if (queue.publish() || this.ranEmpty(queue)) this.interruptQueue(queue);
  }

  /** virtio-v1.2 §6.3 NOTIFY_ON_EMPTY: a legacy driver that took it hears when a queue has nothing left, whatever it suppresses. */
  private ranEmpty(queue: Virtqueue): boolean {
    return this.notifyOnEmpty && queue.state().inUse === 0 && !queue.hasWork();
  }

  interruptQueue(queue: Virtqueue): void {
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
    if (queue.fault !== undefined) this.needsReset(queue.fault);
  }

  /** virtio-v1.2 §2.1.2 */
  private needsReset(fault: VirtqFault): void {
    if ((this.status & S.NEEDS_RESET) !== 0) return;
    this.fault ??= fault;
    if (this.tpFault.enabled) this.tpFault.emit(this.name, fault.queue, fault.kind, fault.text);
    this.setStatus(this.status | S.NEEDS_RESET);
    // virtio-v1.2 §2.1.2: the driver hears of it only once it has set DRIVER_OK; a legacy driver knows no such bit (QEMU: virtio_error())
    if ((this.status & S.DRIVER_OK) !== 0 && !this.legacyDriver) this.configInterrupt();
  }

  /** A modern driver wrote the status (virtio-v1.2 §2.1, §3.1.1). */
  writeStatus(value: number): void {
    if (value === 0) return this.reset();
    const cleared = this.status & ~value & DRIVER_STATUS;
    // virtio-v1.2 §2.1.1: only a reset clears bits; the device goes on with those it knows
    if (cleared !== 0) this.note('status bit cleared', `0x${cleared.toString(16)}`);
    let next = (value & DRIVER_STATUS) | this.status;
    if ((next & S.FEATURES_OK) !== 0 && (this.status & S.FEATURES_OK) === 0) {
      if (this.acceptable()) this.model.negotiated(this.driverFeatures);
      else next &= ~S.FEATURES_OK;
    }
    this.moveTo(next);
  }

  /** A legacy driver wrote the status (virtio-v1.2 §3.1.2): it knows no FEATURES_OK. */
  writeLegacyStatus(value: number): void {
    if (value === 0) return this.reset();
    this.legacyDriver = true;
    this.moveTo((value & DRIVER_STATUS & ~S.FEATURES_OK) | (this.status & S.NEEDS_RESET));
  }

  /** The status as the legacy interface shows it. */
  get legacyStatus(): number {
    return this.status & ~S.NEEDS_RESET;
  }

  /** A legacy driver wrote its features: 32 bits, in force at once, what was not offered is ignored (QEMU: virtio_set_features()). */
  writeLegacyFeatures(value: number): void {
    if ((this.status & S.DRIVER_OK) !== 0) return;
    this.driverFeatures = BigInt(value >>> 0) & this.offeredLegacy;
    this.notifyOnEmpty = (this.driverFeatures & F.VIRTIO_F_NOTIFY_ON_EMPTY) !== 0n;
    this.model.negotiated(this.driverFeatures);
  }

  /** virtio-v1.2 §2.4; also what a PCI reset or unplug does. */
  reset(): void {
    this.deviceFeatureSelect = this.driverFeatureSelect = 0;
    this.driverFeatures = 0n;
    this.configVector = VIRTIO_MSI_NO_VECTOR;
    this.queueSelect = 0;
    this.legacyDriver = this.notifyOnEmpty = false;
    this.fault = undefined;
    this.clearIsr();
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
    q.configure(this.driverFeatures);
    if (!q.enable() && !this.masters()) q.fault = undefined;
    if (!this.agreed()) q.fail('enabled too early', -1, '');
    this.faulted(q);
    if (this.running) this.model.queueReset(q.index);
  }

  /** A doorbell rang for a queue, with a value whose upper half means something with NOTIFICATION_DATA (virtio-v1.2 §2.9). */
  doorbell(index: number, value: number): void {
    const q = this.queues[index];
    if (q === undefined) return;
    if (this.port.faults?.strike('lost-doorbell', index, `q${index}`) !== undefined) return;
    q.notifications++;
    q.lastNotification = this.platform.cpus.now();
    if ((this.driverFeatures & F.VIRTIO_F_NOTIFICATION_DATA) !== 0n) q.notificationData = value >>> 16;
    if (this.tpNotify.enabled) this.tpNotify.emit(this.name, index);
    // virtio-v1.2 §3.1.1: nothing is processed before DRIVER_OK
    if (this.running && q.enabled) this.model.queueNotify(index);
  }

  /** The model's bytes; a read across the end, or beyond it, gives ones (QEMU: virtio_config_readl()). */
  readConfig(offset: number, size: number): number {
    const { config } = this.model;
    if (offset + size > this.configLength) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
    return size === 1 ? config.u8(offset) : size === 2 ? config.u16(offset) : config.u32(offset);
  }

  get configLength(): number {
    return this.model.configLength ?? this.model.config.bytes.length;
  }

  /** Only what the model lets a driver change is taken (virtio-v1.2 §5.1.4.1, §5.1.4.3). */
  writeConfig(offset: number, size: number, value: number, legacy: boolean): void {
    this.model.configWritten?.(offset, size, value, legacy);
  }

  /** The bits since the last look; reading clears them (virtio-v1.2 §4.1.4.5). */
  readIsr(): number {
    const value = this.isr;
    this.clearIsr();
    return value;
  }

  /** Whether the device reaches memory now; a PCI function does once its driver lets it. */
  protected masters(): boolean {
    return true;
  }

  protected clearIsr(bits = 0xff): void {
    this.isr &= ~bits;
    if (this.isr === 0) this.isrCleared();
  }

  /** The driver broke a rule, and the device can go on. */
  private note(kind: VirtqFaultKind, detail: string): void {
    const fault = this.deviceFault(kind, detail);
    this.fault ??= fault;
    if (this.tpFault.enabled) this.tpFault.emit(this.name, -1, fault.kind, fault.text);
  }

  private deviceFault(kind: VirtqFaultKind, detail: string): VirtqFault {
    return virtqFault({ time: this.platform.sim.now, queue: -1, packed: false }, kind, -1, detail);
  }

  private moveTo(next: number): void {
    const starts = (next & S.DRIVER_OK) !== 0 && (this.status & S.DRIVER_OK) === 0;
    this.setStatus(next);
    if (starts) this.start();
  }

  /** virtio-v1.2 §2.2.2, §6.2: only what was offered, with prerequisites; VERSION_1, and bus addresses where there is an IOMMU, the device cannot do without. */
  private acceptable(): boolean {
    const needed = F.VIRTIO_F_VERSION_1 | (this.offered & F.VIRTIO_F_ACCESS_PLATFORM);
    return (
      (this.driverFeatures & ~this.offered) === 0n &&
      (this.driverFeatures & needed) === needed &&
      missingPrerequisites(this.driverFeatures).length === 0
    );
  }

  /** Features are settled: a legacy driver has no step for it (virtio-v1.2 §3.1.2). */
  private agreed(): boolean {
    return this.legacyDriver || (this.status & S.FEATURES_OK) !== 0;
  }

  private start(): void {
    if (!this.agreed()) return this.needsReset(this.deviceFault('started too early', ''));
    for (const q of this.queues) if (q.enabled && !q.checkRing()) this.faulted(q);
    if (this.running) this.model.driverOk();
  }

  private setStatus(status: number): void {
    this.status = status;
    if (this.tpStatus.enabled) this.tpStatus.emit(this.name, status, statusNames(status).join(' '));
  }

  private configInterrupt(): void {
    this.isr |= VIRTIO_PCI_ISR.CONFIG;
    if (!this.interrupt(-1, this.configVector)) return;
    this.configInterrupts++;
    this.lastConfigInterrupt = this.platform.sim.now;
  }

  /** An interrupt that an injected fault held back. */
  onEvent(queue: number, vector: unknown): void {
    this.signal(queue, vector as number);
  }

  private interrupt(queue: number, vector: number): boolean {
    const { faults } = this.port;
    if (faults !== undefined) {
      if (faults.strike('lost-interrupt', queue, `q${queue}`) !== undefined) return false;
      const late = faults.strike('late-interrupt', queue, `q${queue}`);
      if (late !== undefined) {
        this.platform.sim.after(late.on.value, this, queue, vector);
        return true;
      }
    }
    const sent = this.signal(queue, vector);
    if (this.tpInterrupt.enabled) this.tpInterrupt.emit(this.name, queue, vector, sent);
    return sent;
  }
}
