// A virtio device behind the legacy interface of virtio-pci (Linux: drivers/virtio/virtio_pci_legacy.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { legacyConfigAt, VIRTIO_PCI_QUEUE_ADDR_SHIFT, VIRTIO_PCI_VRING_ALIGN, VirtioPciLegacy as L } from '../../virtio/legacy.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../../virtio/pci_cfg.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { type VirtioBus, vring_transport_features, vring_use_dma_api } from './virtio.ts';
import { VirtioPciDevice } from './virtio_pci_device.ts';
import { VpLegacyDevice } from './virtio_pci_legacy_dev.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';
import { vring_create_virtqueue } from './virtio_ring_create.ts';

export class VirtioPciLegacyDevice extends VirtioPciDevice {
  /** Inline in Linux. */
  static override readonly inlined: readonly string[] = Object.freeze(['vp_get_features']);
  readonly ldev: VpLegacyDevice;

  constructor(kernel: Kernel, pci_dev: PciDev, bus: VirtioBus) {
    super(kernel, pci_dev, bus);
    this.ldev = new VpLegacyDevice(kernel, pci_dev);
  }

  get id(): { device: number; vendor: number } {
    return this.ldev.id;
  }
  get isr(): number {
    return this.ldev.isr;
  }

  virtio_pci_legacy_probe(): number {
    return this.ldev.vp_legacy_probe();
  }
  virtio_pci_legacy_remove(): void {
    this.ldev.vp_legacy_remove();
  }

  probe(): number {
    return this.virtio_pci_legacy_probe();
  }
  remove(): void {
    this.virtio_pci_legacy_remove();
  }
  /** The legacy interface has no configuration generation. */
  generation(): number {
    return 0;
  }
  /** And no reset of a single queue. */
  disableVqAndReset(): number {
    return -Errno.ENOENT;
  }
  enableVqAfterReset(): number {
    return -Errno.ENOENT;
  }

  vp_get_features(): bigint {
    return this.ldev.vp_legacy_get_features();
  }

  vp_finalize_features(): number {
    vring_transport_features(this.vdev);
    this.pci_dev.dma.bypass = !vring_use_dma_api(this.vdev);
    this.ldev.vp_legacy_set_features(Number(this.vdev.features & 0xffffffffn));
    return 0;
  }

  /** Byte by byte, whatever the field's width (virtio-v1.2 §4.1.4.10). */
  vp_get(offset: number, length: number): number {
    const at = this.ldev.ioaddr + legacyConfigAt(this.pci_dev.msix_enabled) + offset;
    let value = 0;
    for (let i = 0; i < length; i++) value += this.kernel.io.readb(at + i) * 2 ** (8 * i);
    return value;
  }
  vp_set(offset: number, length: number, value: number): void {
    const at = this.ldev.ioaddr + legacyConfigAt(this.pci_dev.msix_enabled) + offset;
    for (let i = 0; i < length; i++) this.kernel.io.writeb((value >>> (8 * i)) & 0xff, at + i);
  }

  vp_get_status(): number {
    return this.ldev.vp_legacy_get_status();
  }
  vp_set_status(status: number): void {
    this.ldev.vp_legacy_set_status(status);
  }

  /** The read flushes the write, and the device's writes. */
  vp_reset(): void {
    this.ldev.vp_legacy_set_status(0);
    this.ldev.vp_legacy_get_status();
    this.vp_synchronize_vectors();
  }

  vp_config_vector(vector: number): number {
    return this.ldev.vp_legacy_config_vector(vector);
  }

  setup_vq(index: number, spec: VirtqueueSpec, vector: number): Virtqueue | number {
    const { ldev, vdev, pci_dev } = this;
    const num = ldev.vp_legacy_get_queue_size(index);
    if (num === 0 || ldev.vp_legacy_get_queue_enable(index)) return -Errno.ENOENT;
    const vq = vring_create_virtqueue({ vdev, index, spec, dma: pci_dev.dma, num, mayReduce: false, align: VIRTIO_PCI_VRING_ALIGN });
    if (vq === undefined) return -Errno.ENOMEM;
    ldev.vp_legacy_set_queue_address(index, vq.bus.desc / 2 ** VIRTIO_PCI_QUEUE_ADDR_SHIFT);
    vq.notifyAddress = ldev.ioaddr + L.queue_notify.offset;
    vq.msix_vector = vector;
    if (vector === VIRTIO_MSI_NO_VECTOR || ldev.vp_legacy_queue_vector(index, vector) !== VIRTIO_MSI_NO_VECTOR) return vq;
    ldev.vp_legacy_set_queue_address(index, 0);
    vq.vring_free();
    return -Errno.EBUSY;
  }

  del_vq(vq: Virtqueue): void {
    if (this.pci_dev.msix_enabled) {
      this.ldev.vp_legacy_queue_vector(vq.index, VIRTIO_MSI_NO_VECTOR);
      // flushes the write
      this.kernel.io.readb(this.ldev.isr);
    }
    this.ldev.vp_legacy_set_queue_address(vq.index, 0);
    vq.vring_free();
  }
}
