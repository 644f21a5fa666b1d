// A virtio device behind virtio-pci (Linux: drivers/virtio/virtio_pci_common.c, virtio_pci_modern.c): queues, vectors, status, notification.
import { Errno } from '../../base/errno.ts';
import { IRQ_HANDLED, IRQ_NONE, type IrqTarget } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { F } from '../../virtio/features.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../../virtio/pci_cfg.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import type { VirtioBus } from './virtio.ts';
import type { VirtioConfig, VirtioDevice } from './virtio_device.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';
import { vring_create_virtqueue } from './virtio_ring_create.ts';
import { VpModernDevice } from './virtio_pci_modern_dev.ts';

/** Handlers of this object's interrupts. */
const OP_CONFIG = 0;
const OP_SHARED = 1;
/** Linux: VP_MSIX_CONFIG_VECTOR, VP_MSIX_VQ_VECTOR */
const CONFIG_VECTOR = 0;
const SHARED_VECTOR = 1;

export class VirtioPciDevice implements VirtioConfig, IrqTarget {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['vp_get_features', 'vp_active_vq', 'vp_request_msix_vectors']);
  readonly busName: string;
  readonly mdev: VpModernDevice;
  vdev!: VirtioDevice;
  private msixUsed = 0;
  private perVqVectors = false;

  constructor(
    readonly kernel: Kernel,
    readonly pci_dev: PciDev,
    private readonly virtioBus: VirtioBus,
  ) {
    this.busName = pci_dev.name;
    this.mdev = new VpModernDevice(kernel, pci_dev);
  }

  virtio_pci_modern_probe(): number {
    return this.mdev.vp_modern_probe();
  }
  virtio_pci_modern_remove(): void {
    this.mdev.vp_modern_remove();
  }

  // what the virtio bus and drivers ask of a transport
  read(offset: number, length: number): number {
    return this.vp_get(offset, length);
  }
  generation(): number {
    return this.vp_generation();
  }
  status(): number {
    return this.vp_get_status();
  }
  setStatus(status: number): void {
    this.vp_set_status(status);
  }
  reset(): void {
    this.vp_reset();
  }
  features(): bigint {
    return this.vp_get_features();
  }
  finalizeFeatures(): number {
    return this.vp_finalize_features();
  }
  findVqs(specs: readonly VirtqueueSpec[]): number {
    return this.vp_modern_find_vqs(specs);
  }
  delVqs(): void {
    this.vp_del_vqs();
  }
  notify(vq: Virtqueue): boolean {
    return this.vp_notify(vq);
  }
  setVqAffinity(vq: Virtqueue, mask: number): void {
    this.vp_set_vq_affinity(vq, mask);
  }
  synchronizeCbs(): void {
    this.vp_synchronize_vectors();
  }
  disableVqAndReset(vq: Virtqueue): number {
    return this.vp_modern_disable_vq_and_reset(vq);
  }
  enableVqAfterReset(vq: Virtqueue): number {
    return this.vp_modern_enable_vq_after_reset(vq);
  }

  vp_get(offset: number, length: number): number {
    return this.kernel.io.read(this.mdev.device + offset, length);
  }
  vp_generation(): number {
    return this.mdev.vp_modern_generation();
  }
  vp_get_status(): number {
    return this.mdev.vp_modern_get_status();
  }
  vp_set_status(status: number): void {
    this.mdev.vp_modern_set_status(status);
  }
  vp_get_features(): bigint {
    return this.mdev.vp_modern_get_features();
  }

  /** virtio-v1.2 §3.1.1 step 4; a modern transport does not work without VERSION_1. */
  vp_finalize_features(): number {
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
    while (this.mdev.vp_modern_get_status() !== 0) this.kernel.charge(1_000_000);
    this.vp_synchronize_vectors();
  }

  vp_synchronize_vectors(): void {
    for (let i = 0; i < this.msixUsed; i++) this.kernel.irq.synchronize_irq(this.irqOf(i));
  }

  vp_notify(vq: Virtqueue): boolean {
    this.kernel.io.writew(vq.index, vq.notifyAddress);
    return true;
  }

  vp_modern_find_vqs(specs: readonly VirtqueueSpec[]): number {
    const err = this.vp_find_vqs(specs);
    if (err < 0) return err;
    // all queues are set up before the first is enabled
    for (const vq of this.vdev.vqs) this.mdev.vp_modern_set_queue_enable(vq.index, true);
    return 0;
  }

  /** One vector per queue, or two for everything when there are not enough. */
  vp_find_vqs(specs: readonly VirtqueueSpec[]): number {
    const err = this.vp_find_vqs_msix(specs, true);
    return err === 0 ? 0 : this.vp_find_vqs_msix(specs, false);
  }

  vp_find_vqs_msix(specs: readonly VirtqueueSpec[], perVq: boolean): number {
    const vectors = perVq ? 1 + specs.filter((s) => s.callback !== undefined).length : 2;
    let err = this.vp_request_msix_vectors(vectors, perVq);
    if (err < 0) {
      this.vp_del_vqs();
      return err;
    }
    this.perVqVectors = perVq;
    let allocated = this.msixUsed;
    for (let i = 0; i < specs.length; i++) {
      const spec = specs[i];
      const vector = spec.callback === undefined ? VIRTIO_MSI_NO_VECTOR : perVq ? allocated++ : SHARED_VECTOR;
      const vq = this.vp_setup_vq(i, spec, vector);
      if (typeof vq === 'number') {
        this.vp_del_vqs();
        return vq;
      }
      if (!perVq || vector === VIRTIO_MSI_NO_VECTOR) continue;
      err = this.kernel.irq.request_irq(this.irqOf(vector), vq, 0, `${this.vdev.name}-${spec.name}`);
      if (err < 0) {
        this.vp_del_vq(vq);
        this.vp_del_vqs();
        return err;
      }
    }
    return 0;
  }

  vp_request_msix_vectors(vectors: number, perVq: boolean): number {
    const { kernel, pci_dev } = this;
    this.msixUsed = 0;
    const got = pci_dev.core.msi.pci_alloc_irq_vectors(pci_dev, vectors, vectors);
    if (got < 0) return got;
    let err = kernel.irq.request_irq(this.irqOf(CONFIG_VECTOR), this, OP_CONFIG, `${this.vdev.name}-config`);
    if (err < 0) return err;
    this.msixUsed = 1;
    if (this.vp_config_vector(CONFIG_VECTOR) === VIRTIO_MSI_NO_VECTOR) return -Errno.EBUSY;
    if (perVq) return 0;
    err = kernel.irq.request_irq(this.irqOf(SHARED_VECTOR), this, OP_SHARED, `${this.vdev.name}-virtqueues`);
    if (err === 0) this.msixUsed = 2;
    return err;
  }

  vp_config_vector(vector: number): number {
    return this.mdev.vp_modern_config_vector(vector);
  }

  vp_setup_vq(index: number, spec: VirtqueueSpec, vector: number): Virtqueue | number {
    const vq = this.setup_vq(index, spec, vector);
    if (typeof vq !== 'number') this.vdev.vqs.push(vq);
    return vq;
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
    mdev.vp_modern_queue_address(vq.index, vq.place.desc, vq.place.avail, vq.place.used);
    vq.msix_vector = vector;
    if (vector === VIRTIO_MSI_NO_VECTOR) return 0;
    return mdev.vp_modern_queue_vector(vq.index, vector) === VIRTIO_MSI_NO_VECTOR ? -Errno.EBUSY : 0;
  }

  vp_del_vqs(): void {
    const { kernel, pci_dev } = this;
    for (const vq of this.vdev.vqs.slice()) {
      if (this.perVqVectors && vq.msix_vector !== VIRTIO_MSI_NO_VECTOR) {
        const irq = this.irqOf(vq.msix_vector);
        kernel.irq.irq_set_affinity_hint(irq, 0);
        kernel.irq.free_irq(irq);
      }
      this.vp_del_vq(vq);
    }
    this.perVqVectors = false;
    for (let i = 0; i < this.msixUsed; i++) kernel.irq.free_irq(this.irqOf(i));
    this.msixUsed = 0;
    if (!pci_dev.msix_enabled) return;
    this.vp_config_vector(VIRTIO_MSI_NO_VECTOR);
    pci_dev.core.msi.pci_free_irq_vectors(pci_dev);
  }

  vp_del_vq(vq: Virtqueue): void {
    const { vqs } = this.vdev;
    const i = vqs.indexOf(vq);
    if (i >= 0) vqs.splice(i, 1);
    this.del_vq(vq);
  }

  del_vq(vq: Virtqueue): void {
    if (this.pci_dev.msix_enabled) this.mdev.vp_modern_queue_vector(vq.index, VIRTIO_MSI_NO_VECTOR);
    vq.vring_free();
  }

  vp_set_vq_affinity(vq: Virtqueue, mask: number): void {
    if (vq.spec.callback === undefined || vq.msix_vector === VIRTIO_MSI_NO_VECTOR) return;
    this.kernel.irq.irq_set_affinity_hint(this.irqOf(vq.msix_vector), mask);
  }

  /** virtio-v1.2 §2.6.1; -ENOENT without VIRTIO_F_RING_RESET. */
  vp_modern_disable_vq_and_reset(vq: Virtqueue): number {
    if ((this.vdev.features & F.VIRTIO_F_RING_RESET) === 0n) return -Errno.ENOENT;
    this.mdev.vp_modern_set_queue_reset(vq.index);
    vq.inReset = true;
    vq.broken = true;
    if (vq.msix_vector !== VIRTIO_MSI_NO_VECTOR) this.kernel.irq.synchronize_irq(this.irqOf(vq.msix_vector));
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

  onIrq(irq: number, op: number): number {
    return op === OP_CONFIG ? this.vp_config_changed(irq) : this.vp_vring_interrupt(irq);
  }

  vp_config_changed(_irq: number): number {
    this.virtioBus.virtio_config_changed(this.vdev);
    return IRQ_HANDLED;
  }

  vp_vring_interrupt(irq: number): number {
    let ret = IRQ_NONE;
    for (const vq of this.vdev.vqs) if (vq.vring_interrupt(irq) === IRQ_HANDLED) ret = IRQ_HANDLED;
    return ret;
  }

  private irqOf(vector: number): number {
    return this.pci_dev.core.msi.pci_irq_vector(this.pci_dev, vector);
  }
}
