// The legacy interface of virtio over PCI, device side (virtio-v1.2 §4.1.4.10): the registers in the I/O BAR of a transitional device.
import type { MmioTarget } from '../platform/bus.ts';
import {
  legacyConfigAt,
  legacyRing,
  VIRTIO_PCI_QUEUE_ADDR_SHIFT,
  VIRTIO_PCI_VRING_ALIGN,
  VirtioPciLegacy as L,
  VirtioPciLegacyMsix as M,
} from '../virtio/legacy.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import type { VirtioPci } from './virtio_pci.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Bit 30: offered so that a driver which takes every bit is known for what it is (virtio-v1.2 §6.3; QEMU: VIRTIO_F_BAD_FEATURE). */
const UNUSED_BIT = 2 ** 30;
const PAGE = 2 ** VIRTIO_PCI_QUEUE_ADDR_SHIFT;

export class VirtioPciLegacyBar implements MmioTarget {
  constructor(private readonly t: VirtioPci) {}

  mmioRead(offset: number, size: number): number {
    const { t } = this;
    const config = legacyConfigAt(t.msix.enabled);
    return (offset >= config ? t.readConfig(offset - config, size) : this.readHeader(offset)) >>> 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    const { t } = this;
    const config = legacyConfigAt(t.msix.enabled);
    if (offset >= config) t.writeConfig(offset - config, size, value, true);
    else this.writeHeader(offset, value);
  }

  private get selected(): Virtqueue | undefined {
    return this.t.queues[this.t.queueSelect];
  }

  private readHeader(offset: number): number {
    const { t, selected } = this;
    switch (offset) {
      case L.device_features.offset:
        return Number(t.offeredLegacy) + UNUSED_BIT;
      case L.driver_features.offset:
        return Number(t.driverFeatures & 0xffffffffn);
      case L.queue_address.offset:
        return selected?.enabled === true ? Math.floor(selected.desc / PAGE) : 0;
      case L.queue_size.offset:
        return selected?.size ?? 0;
      case L.queue_select.offset:
        return t.queueSelect;
      case L.device_status.offset:
        return t.legacyStatus;
      case L.isr_status.offset:
        return t.readIsr();
      case L.$size + M.config_msix_vector.offset:
        return t.configVector;
      case L.$size + M.queue_msix_vector.offset:
        return selected?.vector ?? VIRTIO_MSI_NO_VECTOR;
      default:
        return 0;
    }
  }

  private writeHeader(offset: number, value: number): void {
    const { t, selected } = this;
    switch (offset) {
      case L.driver_features.offset:
        return t.writeLegacyFeatures(value);
      case L.queue_address.offset:
        return this.setAddress(value >>> 0);
      case L.queue_select.offset:
        t.queueSelect = value & 0xffff;
        return;
      case L.queue_notify.offset:
        return t.doorbell(value & 0xffff, 0);
      case L.device_status.offset:
        return t.writeLegacyStatus(value & 0xff);
      case L.$size + M.config_msix_vector.offset:
        t.configVector = t.vectorOrNone(value & 0xffff);
        return;
      case L.$size + M.queue_msix_vector.offset:
        if (selected !== undefined) selected.vector = t.vectorOrNone(value & 0xffff);
        return;
      default:
    }
  }

  /** virtio-v1.2 §4.1.5.1.3.1: a page number puts the queue in use with the device's size; 0 takes it out of use. */
  private setAddress(page: number): void {
    const { t, selected: q } = this;
    if (q === undefined) return;
    const { vector } = q;
    t.resetQueue(q);
    q.vector = vector;
    if (page === 0) return;
    const { desc, driver, device } = legacyRing(page * PAGE, q.size, VIRTIO_PCI_VRING_ALIGN);
    q.desc = desc;
    q.driver = driver;
    q.device = device;
    t.enableQueue(q);
    // virtio-v1.2 §3.1.2: some legacy drivers set DRIVER_OK before they set the queues up
    if ((t.status & S.DRIVER_OK) !== 0 && q.hasWork()) t.model.queueNotify(q.index);
  }
}
