// virtio over MMIO, device side (virtio-v1.2 §4.2): one block of registers, one interrupt line; version 2, or 1 for legacy drivers.
import { TOO_LARGE } from '../base/memory.ts';
import type { MasterPort, MmioTarget } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { F, featureHalf, withFeatureHalf } from '../virtio/features.ts';
import { legacyRing } from '../virtio/legacy.ts';
import {
  VIRTIO_MMIO as R,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_SIZE,
  VIRTIO_MMIO_VENDOR_QEMU,
  VIRTIO_MMIO_VERSION as VERSION,
} from '../virtio/mmio.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { VirtioCore } from './virtio_core.ts';
import type { VirtioDevice } from './virtio_device.ts';
import type { Virtqueue } from './virtqueue.ts';

export interface VirtioMmioSpec {
  /** For traces: 'virtio-net-device mmio.0'. */
  readonly name: string;
  /** Version 1, the legacy interface, instead of 2. */
  readonly legacy: boolean;
  /** Physical address of the registers. */
  readonly base: number;
  /** Pin of the I/O APIC. */
  readonly gsi: number;
  /** Transport features beyond those every device has. */
  readonly offer?: bigint;
}

type AddressKey = 'desc' | 'driver' | 'device';
/** Registers of a queue's addresses: low half at the offset, high half four bytes on. */
const ADDRESSES: ReadonlyMap<number, AddressKey> = new Map([
  [R.QUEUE_DESC_LOW, 'desc'],
  [R.QUEUE_DRIVER_LOW, 'driver'],
  [R.QUEUE_DEVICE_LOW, 'device'],
]);
const ONES = 0xffffffff;

export class VirtioMmio extends VirtioCore implements MmioTarget {
  declare readonly port: MasterPort;
  private asserted = false;
  /** Legacy: unit of QUEUE_PFN, and alignment of the selected queue, as last written. */
  private pageSize = 0;
  private readonly align: Uint32Array;
  private plugged = false;

  constructor(
    platform: Platform,
    readonly spec: VirtioMmioSpec,
    model: VirtioDevice,
  ) {
    super(platform, spec.name, model, { legacy: spec.legacy, modern: !spec.legacy }, platform.dmaPort(), spec.offer);
    // no switch stands between this device and memory
    this.port.busMaster = true;
    this.align = new Uint32Array(this.queues.length);
    model.attach(this);
  }

  /** Puts the registers on the machine's bus, or takes them off. */
  plug(on: boolean): void {
    if (on === this.plugged) return;
    this.plugged = on;
    const { base, name } = this.spec;
    if (on) this.platform.bus.map({ base, size: VIRTIO_MMIO_SIZE, target: this, name });
    else {
      this.reset();
      this.platform.bus.unmap(this, base);
    }
  }

  /** A pulse of the line without a cause. */
  strayInterrupt(): void {
    if (this.asserted) return;
    this.platform.ioapic.setPin(this.spec.gsi, true);
    this.platform.ioapic.setPin(this.spec.gsi, false);
  }

  /** GUEST_PAGE_SIZE stays: a legacy driver writes it once, before its first reset (QEMU: virtio_mmio_soft_reset()). */
  override reset(): void {
    super.reset();
    this.align.fill(0);
  }

  mmioRead(offset: number, size: number): number {
    if (offset >= R.CONFIG) return this.readConfig(offset - R.CONFIG, size) >>> 0;
    // virtio-v1.2 §4.2.2.2: registers are read by 32 bits, aligned
    if (size !== 4 || (offset & 3) !== 0) return 0;
    return (this.spec.legacy ? this.readLegacy(offset) : this.readModern(offset)) >>> 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (offset >= R.CONFIG) return this.writeConfig(offset - R.CONFIG, size, value, this.spec.legacy);
    if (size !== 4 || (offset & 3) !== 0) return;
    if (!this.writeCommon(offset, value >>> 0)) {
      if (this.spec.legacy) this.writeLegacy(offset, value >>> 0);
      else this.writeModern(offset, value >>> 0);
    }
  }

  /** virtio-v1.2 §4.2.3.3: the line is high while InterruptStatus is not 0. */
  protected signal(): boolean {
    this.updateLine();
    return true;
  }

  protected isrCleared(): void {
    this.updateLine();
  }

  private updateLine(): void {
    const on = this.isr !== 0;
    if (on === this.asserted) return;
    this.asserted = on;
    this.platform.ioapic.setPin(this.spec.gsi, on);
  }

  private get selected(): Virtqueue | undefined {
    return this.queues[this.queueSelect];
  }

  /** Registers that both versions have. */
  private readCommon(offset: number): number {
    switch (offset) {
      case R.MAGIC_VALUE:
        return VIRTIO_MMIO_MAGIC;
      case R.VERSION:
        return this.spec.legacy ? VERSION.LEGACY : VERSION.MODERN;
      case R.DEVICE_ID:
        return this.model.deviceId;
      case R.VENDOR_ID:
        return VIRTIO_MMIO_VENDOR_QEMU;
      case R.QUEUE_NUM_MAX:
        return this.selected?.maxSize ?? 0;
      case R.INTERRUPT_STATUS:
        return this.isr;
      case R.STATUS:
        return this.spec.legacy ? this.legacyStatus : this.status;
      default:
        return 0;
    }
  }

  private readModern(offset: number): number {
    switch (offset) {
      case R.DEVICE_FEATURES:
        return featureHalf(this.offered, this.deviceFeatureSelect);
      case R.QUEUE_READY:
        return this.selected?.enabled === true ? 1 : 0;
      case R.SHM_LEN_LOW:
      case R.SHM_LEN_HIGH:
      case R.SHM_BASE_LOW:
      case R.SHM_BASE_HIGH:
        // virtio-v1.2 §4.2.2.1: a shared memory region that does not exist has a length of all ones
        return ONES;
      case R.CONFIG_GENERATION:
        return this.generation;
      default:
        return this.readCommon(offset);
    }
  }

  private readLegacy(offset: number): number {
    if (offset === R.DEVICE_FEATURES) return featureHalf(this.offeredLegacy, this.deviceFeatureSelect);
    if (offset !== R.QUEUE_PFN) return this.readCommon(offset);
    const { selected: q } = this;
    return q?.enabled === true ? Math.floor(q.desc / this.pageSize) : 0;
  }

  private writeCommon(offset: number, value: number): boolean {
    switch (offset) {
      case R.DEVICE_FEATURES_SEL:
        this.deviceFeatureSelect = value;
        return true;
      case R.DRIVER_FEATURES_SEL:
        this.driverFeatureSelect = value;
        return true;
      case R.QUEUE_SEL:
        this.queueSelect = value;
        return true;
      case R.QUEUE_NUM:
        this.selected?.resize(value, this.driverFeatures);
        return true;
      case R.QUEUE_NOTIFY:
        // virtio-v1.2 §4.2.2: with NOTIFICATION_DATA the queue number is in the low half
        this.doorbell((this.driverFeatures & F.VIRTIO_F_NOTIFICATION_DATA) !== 0n ? value & 0xffff : value, value);
        return true;
      case R.INTERRUPT_ACK:
        this.clearIsr(value);
        return true;
      default:
        return false;
    }
  }

  private writeModern(offset: number, value: number): void {
    const { selected: q } = this;
    switch (offset) {
      case R.STATUS:
        return this.writeStatus(value & 0xff);
      case R.DRIVER_FEATURES:
        if ((this.status & S.FEATURES_OK) === 0)
          this.driverFeatures = withFeatureHalf(this.driverFeatures, this.driverFeatureSelect, value);
        return;
      case R.QUEUE_READY:
        if (q === undefined) return;
        if (value === 0) this.resetQueue(q);
        else if (value === 1 && !q.enabled) this.enableQueue(q);
        return;
      case R.QUEUE_RESET:
        if (q?.enabled === true && value === 1 && (this.driverFeatures & F.VIRTIO_F_RING_RESET) !== 0n) this.resetQueue(q);
        return;
      default: {
        const low = ADDRESSES.get(offset);
        const high = ADDRESSES.get(offset - 4);
        if (q === undefined || q.enabled) return;
        if (low !== undefined) q[low] = Math.floor(q[low] / 0x100000000) * 0x100000000 + value;
        // an address of 2^53 and more cannot be in memory; it saturates and is refused when the queue is enabled
        else if (high !== undefined) q[high] = value < 0x200000 ? value * 0x100000000 + (q[high] >>> 0) : TOO_LARGE;
      }
    }
  }

  private writeLegacy(offset: number, value: number): void {
    switch (offset) {
      case R.STATUS:
        return this.writeLegacyStatus(value & 0xff);
      case R.DRIVER_FEATURES:
        // the upper half exists for the driver, and nothing of it is offered
        if (this.driverFeatureSelect === 0) this.writeLegacyFeatures(value);
        return;
      case R.GUEST_PAGE_SIZE:
        this.pageSize = value;
        return;
      case R.QUEUE_ALIGN:
        if (this.selected !== undefined) this.align[this.queueSelect] = value;
        return;
      case R.QUEUE_PFN:
        return this.setPage(value);
      default:
    }
  }

  /** virtio-v1.2 §4.2.4: a page number puts the queue in use; 0 takes it out of use. */
  private setPage(page: number): void {
    const { selected: q } = this;
    if (q === undefined) return;
    const { size } = q;
    this.resetQueue(q);
    if (page === 0) return;
    q.size = size;
    const { desc, driver, device } = legacyRing(page * this.pageSize, size, this.align[this.queueSelect] || 1);
    q.desc = desc;
    q.driver = driver;
    q.device = device;
    this.enableQueue(q);
    if ((this.status & S.DRIVER_OK) !== 0 && q.hasWork()) this.model.queueNotify(q.index);
  }
}
