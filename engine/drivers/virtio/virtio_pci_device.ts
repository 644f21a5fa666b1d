// A virtio device behind virtio-pci (Linux: drivers/virtio/virtio_pci_common.c): what the modern and the legacy interface share: interrupts, making and deleting queues.
import { Errno } from '../../base/errno.ts';
import { IRQ_HANDLED, IRQ_NONE, IRQF, type IrqTarget } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { VIRTIO_MSI_NO_VECTOR, VIRTIO_PCI_ISR } from '../../virtio/pci_cfg.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import type { VirtioBus } from './virtio.ts';
import type { VirtioConfig, VirtioDevice } from './virtio_device.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';

/** Handlers of this object's interrupts. */
const OP_CONFIG = 0;
const OP_SHARED = 1;
const OP_INTX = 2;
/** Their names, for reports. */
const SYMBOLS = ['vp_config_changed', 'vp_vring_interrupt', 'vp_interrupt'] as const;
/** Linux: VP_MSIX_CONFIG_VECTOR, VP_MSIX_VQ_VECTOR */
const CONFIG_VECTOR = 0;
const SHARED_VECTOR = 1;

export abstract class VirtioPciDevice implements VirtioConfig, IrqTarget {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['vp_request_msix_vectors']);
  readonly busName: string;
  vdev!: VirtioDevice;
  private msixUsed = 0;
  private perVqVectors = false;
  private intxEnabled = false;

  constructor(
    readonly kernel: Kernel,
    readonly pci_dev: PciDev,
    private readonly virtioBus: VirtioBus,
  ) {
    this.busName = pci_dev.name;
  }

  /** What the function is, once probed. */
  abstract readonly id: { device: number; vendor: number };
  /** Address of the ISR status. */
  abstract readonly isr: number;
  /** Finds and claims the interface; 0 or -errno. */
  abstract probe(): number;
  abstract remove(): void;
  abstract vp_get(offset: number, length: number): number;
  abstract vp_set(offset: number, length: number, value: number): void;
  abstract vp_get_status(): number;
  abstract vp_set_status(status: number): void;
  abstract vp_reset(): void;
  abstract vp_get_features(): bigint;
  abstract vp_finalize_features(): number;
  abstract generation(): number;
  abstract disableVqAndReset(vq: Virtqueue): number;
  abstract enableVqAfterReset(vq: Virtqueue): number;
  abstract setup_vq(index: number, spec: VirtqueueSpec, vector: number): Virtqueue | number;
  abstract del_vq(vq: Virtqueue): void;
  /** Vector for configuration changes; what the device kept. */
  abstract vp_config_vector(vector: number): number;

  // what the virtio bus and drivers ask of a transport
  read(offset: number, length: number): number {
    return this.vp_get(offset, length);
  }
  write(offset: number, length: number, value: number): void {
    this.vp_set(offset, length, value);
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
    return this.vp_find_vqs(specs);
  }
  delVqs(): void {
    this.vp_del_vqs();
  }
  notify(vq: Virtqueue): boolean {
    return vq.notifiesWithData ? this.vp_notify_with_data(vq) : this.vp_notify(vq);
  }
  setVqAffinity(vq: Virtqueue, mask: number): void {
    this.vp_set_vq_affinity(vq, mask);
  }
  synchronizeCbs(): void {
    this.vp_synchronize_vectors();
  }

  vp_synchronize_vectors(): void {
    if (this.intxEnabled) this.kernel.irq.synchronize_irq(this.pci_dev.irq);
    for (let i = 0; i < this.msixUsed; i++) this.kernel.irq.synchronize_irq(this.irqOf(i));
  }

  vp_notify(vq: Virtqueue): boolean {
    this.kernel.io.writew(vq.index, vq.notifyAddress);
    return true;
  }

  /** virtio-v1.2 §4.1.5.2 */
  vp_notify_with_data(vq: Virtqueue): boolean {
    this.kernel.io.writel(vq.notificationData(), vq.notifyAddress);
    return true;
  }

  /** One vector per queue, or two for everything when there are not enough, or the line. */
  vp_find_vqs(specs: readonly VirtqueueSpec[]): number {
    let err = this.vp_find_vqs_msix(specs, true);
    if (err < 0) err = this.vp_find_vqs_msix(specs, false);
    return err === 0 || this.pci_dev.irq === 0 ? err : this.vp_find_vqs_intx(specs);
  }

  vp_find_vqs_intx(specs: readonly VirtqueueSpec[]): number {
    const { kernel, pci_dev } = this;
    const err = kernel.irq.request_irq(pci_dev.irq, this, OP_INTX, this.vdev.name, IRQF.SHARED);
    if (err < 0) {
      this.vp_del_vqs();
      return err;
    }
    this.intxEnabled = true;
    this.perVqVectors = false;
    for (let i = 0; i < specs.length; i++) {
      const vq = this.vp_setup_vq(i, specs[i], VIRTIO_MSI_NO_VECTOR);
      if (typeof vq !== 'number') continue;
      this.vp_del_vqs();
      return vq;
    }
    return 0;
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

  vp_setup_vq(index: number, spec: VirtqueueSpec, vector: number): Virtqueue | number {
    const vq = this.setup_vq(index, spec, vector);
    if (typeof vq !== 'number') this.vdev.vqs.push(vq);
    return vq;
  }

  vp_del_vqs(): void {
    const { kernel, pci_dev } = this;
    for (const vq of this.vdev.vqs.slice()) {
      if (this.perVqVectors && vq.msix_vector !== VIRTIO_MSI_NO_VECTOR) {
        const irq = this.irqOf(vq.msix_vector);
        kernel.irq.irq_set_affinity_hint(irq, 0);
        kernel.irq.free_irq(irq, vq);
      }
      this.vp_del_vq(vq);
    }
    this.perVqVectors = false;
    if (this.intxEnabled) kernel.irq.free_irq(pci_dev.irq, this, OP_INTX);
    this.intxEnabled = false;
    for (let i = 0; i < this.msixUsed; i++) kernel.irq.free_irq(this.irqOf(i), this);
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

  vp_set_vq_affinity(vq: Virtqueue, mask: number): void {
    if (vq.spec.callback === undefined || vq.msix_vector === VIRTIO_MSI_NO_VECTOR) return;
    this.kernel.irq.irq_set_affinity_hint(this.irqOf(vq.msix_vector), mask);
  }

  onIrq(irq: number, op: number): number {
    if (op === OP_INTX) return this.vp_interrupt(irq);
    return op === OP_CONFIG ? this.vp_config_changed(irq) : this.vp_vring_interrupt(irq);
  }
  irqSymbol(op: number): string {
    return `${SYMBOLS[op]} [virtio_pci]`;
  }

  /** virtio-v1.2 §4.1.5.3: the line says that something happened, the ISR status what; reading it releases the line. */
  vp_interrupt(irq: number): number {
    const isr = this.kernel.io.readb(this.isr);
    if (isr === 0) return IRQ_NONE;
    if ((isr & VIRTIO_PCI_ISR.CONFIG) !== 0) this.vp_config_changed(irq);
    return this.vp_vring_interrupt(irq);
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

  protected irqOf(vector: number): number {
    return this.pci_dev.core.msi.pci_irq_vector(this.pci_dev, vector);
  }
}
