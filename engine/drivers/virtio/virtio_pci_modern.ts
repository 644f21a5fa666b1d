// A virtio device behind the modern interface of virtio-pci (Linux: drivers/virtio/virtio_pci_modern.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { F } from '../../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../../virtio/pci_cfg.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { type VirtioBus, vring_transport_features, vring_use_dma_api } from './virtio.ts';
import { VirtioPciDevice } from './virtio_pci_device.ts';
import { VpModernDevice } from './virtio_pci_modern_dev.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';
import { vring_create_virtqueue } from './virtio_ring_create.ts';

export class VirtioPciModernDevice extends VirtioPciDevice {
  /** Inline in Linux. */
  static override readonly inlined: readonly string[] = Object.freeze(['vp_get_features', 'vp_active_vq', 'vp_transport_features']);
  readonly mdev: VpModernDevice;

  constructor(kernel: Kernel, pci_dev: PciDev, bus: VirtioBus) {
    super(kernel, pci_dev, bus);
    this.mdev = new VpModernDevice(kernel, pci_dev);
  }

  get id(): { device: number; vendor: number } {
    return this.mdev.id;
  }
  get isr(): number {
    return this.mdev.isr;
  }

  probe(): number {
    return this.virtio_pci_modern_probe();
  }
  remove(): void {
    this.virtio_pci_modern_remove();
  }
  override findVqs(specs: readonly VirtqueueSpec[]): number {
    return this.vp_modern_find_vqs(specs);
  }
  generation(): number {
    return this.vp_generation();
  }
  disableVqAndReset(vq: Virtqueue): number {
    return this.vp_modern_disable_vq_and_reset(vq);
  }
  enableVqAfterReset(vq: Virtqueue): number {
    return this.vp_modern_enable_vq_after_reset(vq);
  }

  virtio_pci_modern_probe(): number {
    return this.mdev.vp_modern_probe();
  }

  virtio_pci_modern_remove(): void {
    this.mdev.vp_modern_remove();
  }

  vp_generation(): number {
    return this.mdev.vp_modern_generation();
  }

  /** virtio-v1.2 §3.1.1 step 4; a modern transport does not work without VERSION_1. */
  vp_finalize_features(): number {
    const before = this.vdev.features;
    vring_transport_features(this.vdev);
    this.vp_transport_features(before);
    this.pci_dev.dma.bypass = !vring_use_dma_api(this.vdev);
    if ((this.vdev.features & F.VIRTIO_F_VERSION_1) === 0n) {
      this.kernel.printk.dev_err(this.vdev, 'virtio: device uses modern interface but does not have VIRTIO_F_VERSION_1');
      return -Errno.EINVAL;
    }
    this.mdev.vp_modern_set_features(this.vdev.features);
    return 0;
  }

  /** virtio-v1.2 §4.1.4.3.2: after writing 0 the driver waits until status reads 0. */
  vp_reset(): void {
    this.mdev.vp_modern_set_status(0);
    // a device that was pulled out reads as ones and would be waited for without end, as Linux 6.1 does
    while (this.mdev.vp_modern_get_status() !== 0 && this.pci_dev.core.pci_device_is_present(this.pci_dev)) this.kernel.charge(1_000_000);
    this.vp_synchronize_vectors();
  }

  /** What virtio-pci adds to the ring's features. SR_IOV would need the capability, which no function here has. */
  vp_transport_features(features: bigint): void {
    this.vdev.features |= features & F.VIRTIO_F_RING_RESET;
  }

  vp_modern_find_vqs(specs: readonly VirtqueueSpec[]): number {
    const err = this.vp_find_vqs(specs);
    if (err < 0) return err;
    // all queues are set up before the first is enabled
    for (const vq of this.vdev.vqs) this.mdev.vp_modern_set_queue_enable(vq.index, true);
    return 0;
  }

  vp_config_vector(vector: number): number {
    return this.mdev.vp_modern_config_vector(vector);
  }

  setup_vq(index: number, spec: VirtqueueSpec, vector: number): Virtqueue | number {
    const { mdev, vdev } = this;
    if (index >= mdev.vp_modern_get_num_queues()) return -Errno.EINVAL;
    const num = mdev.vp_modern_get_queue_size(index);
    if (num === 0 || mdev.vp_modern_get_queue_enable(index)) return -Errno.ENOENT;
    if ((num & (num - 1)) !== 0) {
      this.kernel.printk.dev_err(this.pci_dev, `bad queue size ${num}`);
      return -Errno.EINVAL;
    }
    const vq = vring_create_virtqueue({ vdev, index, spec, dma: this.pci_dev.dma, num, mayReduce: true });
    if (vq === undefined) return -Errno.ENOMEM;
    const err = this.vp_active_vq(vq, vector);
    if (err === 0) vq.notifyAddress = mdev.vp_modern_map_vq_notify(index);
    if (err === 0 && vq.notifyAddress !== 0) return vq;
    vq.vring_free();
    return err < 0 ? err : -Errno.ENOMEM;
  }

  /** Tells the device size, addresses and vector. */
  vp_active_vq(vq: Virtqueue, vector: number): number {
    const { mdev } = this;
    mdev.vp_modern_set_queue_size(vq.index, vq.num);
    mdev.vp_modern_queue_address(vq.index, vq.bus.desc, vq.bus.avail, vq.bus.used);
    vq.msix_vector = vector;
    if (vector === VIRTIO_MSI_NO_VECTOR) return 0;
    return mdev.vp_modern_queue_vector(vq.index, vector) === VIRTIO_MSI_NO_VECTOR ? -Errno.EBUSY : 0;
  }

  del_vq(vq: Virtqueue): void {
    if (this.pci_dev.msix_enabled) this.mdev.vp_modern_queue_vector(vq.index, VIRTIO_MSI_NO_VECTOR);
    vq.vring_free();
  }

  /** virtio-v1.2 §2.6.1; -ENOENT without VIRTIO_F_RING_RESET. */
  vp_modern_disable_vq_and_reset(vq: Virtqueue): number {
    if ((this.vdev.features & F.VIRTIO_F_RING_RESET) === 0n) return -Errno.ENOENT;
    this.mdev.vp_modern_set_queue_reset(vq.index);
    vq.inReset = true;
    vq.broken = true;
    this.kernel.irq.synchronize_irq(vq.msix_vector === VIRTIO_MSI_NO_VECTOR ? this.pci_dev.irq : this.irqOf(vq.msix_vector));
    return 0;
  }

  vp_modern_enable_vq_after_reset(vq: Virtqueue): number {
    const { mdev } = this;
    if (!vq.inReset) return -Errno.EBUSY;
    if (mdev.vp_modern_get_queue_reset(vq.index) !== 0 || mdev.vp_modern_get_queue_enable(vq.index)) return -Errno.EBUSY;
    const err = this.vp_active_vq(vq, vq.msix_vector);
    if (err < 0) return err;
    vq.broken = false;
    mdev.vp_modern_set_queue_enable(vq.index, true);
    vq.inReset = false;
    return 0;
  }

  vp_get_features(): bigint {
    return this.mdev.vp_modern_get_features();
  }

  vp_get_status(): number {
    return this.mdev.vp_modern_get_status();
  }

  vp_set_status(status: number): void {
    this.mdev.vp_modern_set_status(status);
  }

  vp_get(offset: number, length: number): number {
    return this.kernel.io.read(this.mdev.device + offset, length);
  }
  vp_set(offset: number, length: number, value: number): void {
    this.kernel.io.write(this.mdev.device + offset, length, value);
  }
}
