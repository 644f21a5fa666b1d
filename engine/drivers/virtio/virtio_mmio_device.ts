// A virtio device behind memory-mapped registers (Linux: drivers/virtio/virtio_mmio.c): both versions of virtio-v1.2 §4.2.
import { Errno } from '../../base/errno.ts';
import { IRQ_HANDLED, IRQ_NONE, IRQF, type IrqTarget } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { F } from '../../virtio/features.ts';
import { VIRTIO_MMIO as R, VIRTIO_MMIO_INT, VIRTIO_MMIO_MAGIC, VIRTIO_MMIO_VERSION as VERSION } from '../../virtio/mmio.ts';
import type { PlatformBus, PlatformDevice } from '../platform/platform.ts';
import { type VirtioBus, vring_transport_features } from './virtio.ts';
import type { VirtioConfig, VirtioDevice } from './virtio_device.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';
import { vring_create_virtqueue } from './virtio_ring_create.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 2 ** PAGE_SHIFT;
/** Linux: VIRTIO_MMIO_VRING_ALIGN */
const VRING_ALIGN = PAGE_SIZE;

export class VirtioMmioDevice implements VirtioConfig, IrqTarget {
  /** Linux: vm_bus_name(): the platform device's name without its number. */
  readonly busName: string;
  vdev!: VirtioDevice;
  id = { device: 0, vendor: 0 };
  private base = 0;
  private version = 0;

  constructor(
    readonly kernel: Kernel,
    readonly pdev: PlatformDevice,
    private readonly platform: PlatformBus,
    private readonly virtioBus: VirtioBus,
  ) {
    this.busName = pdev.platformName;
  }

  /** Maps the registers and looks at what is there. 0, -EBUSY, -ENXIO for an unknown version, -ENODEV for anything but a device. */
  identify(): number {
    const { pdev, kernel } = this;
    const base = this.platform.devm_platform_ioremap_resource(pdev);
    if (base < 0) return base;
    this.base = base;
    const magic = this.readl(R.MAGIC_VALUE);
    if (magic !== VIRTIO_MMIO_MAGIC) {
      kernel.printk.dev_warn(pdev, `Wrong magic value 0x${magic.toString(16).padStart(8, '0')}!`);
      return -Errno.ENODEV;
    }
    this.version = this.readl(R.VERSION);
    if (this.version !== VERSION.LEGACY && this.version !== VERSION.MODERN) {
      kernel.printk.dev_err(pdev, `Version ${this.version} not supported!`);
      return -Errno.ENXIO;
    }
    const device = this.readl(R.DEVICE_ID);
    // virtio-v1.2 §4.2.3.1.1: an empty place, no error
    if (device === 0) return -Errno.ENODEV;
    this.id = { device, vendor: this.readl(R.VENDOR_ID) };
    pdev.dma_mask_bits = 64;
    pdev.coherent_dma_mask_bits = this.legacy ? 32 + PAGE_SHIFT : 64;
    if (this.legacy) this.writel(PAGE_SIZE, R.GUEST_PAGE_SIZE);
    return 0;
  }

  private get legacy(): boolean {
    return this.version === VERSION.LEGACY;
  }
  private readl(offset: number): number {
    return this.kernel.io.readl(this.base + offset);
  }
  private writel(value: number, offset: number): void {
    this.kernel.io.writel(value, this.base + offset);
  }

  // what the virtio bus and drivers ask of a transport
  read(offset: number, length: number): number {
    return this.vm_get(offset, length);
  }
  write(offset: number, length: number, value: number): void {
    this.vm_set(offset, length, value);
  }
  generation(): number {
    return this.vm_generation();
  }
  status(): number {
    return this.vm_get_status();
  }
  setStatus(status: number): void {
    this.vm_set_status(status);
  }
  reset(): void {
    this.vm_reset();
  }
  features(): bigint {
    return this.vm_get_features();
  }
  finalizeFeatures(): number {
    return this.vm_finalize_features();
  }
  findVqs(specs: readonly VirtqueueSpec[]): number {
    return this.vm_find_vqs(specs);
  }
  delVqs(): void {
    this.vm_del_vqs();
  }
  notify(vq: Virtqueue): boolean {
    return this.vm_notify(vq);
  }
  /** One line for all: there is nothing to steer. */
  setVqAffinity(): void {
    return undefined;
  }
  synchronizeCbs(): void {
    this.vm_synchronize_cbs();
  }
  disableVqAndReset(): number {
    return -Errno.ENOENT;
  }
  enableVqAfterReset(): number {
    return -Errno.ENOENT;
  }

  vm_get_features(): bigint {
    this.writel(1, R.DEVICE_FEATURES_SEL);
    const high = this.readl(R.DEVICE_FEATURES);
    this.writel(0, R.DEVICE_FEATURES_SEL);
    return (BigInt(high) << 32n) | BigInt(this.readl(R.DEVICE_FEATURES));
  }

  vm_finalize_features(): number {
    vring_transport_features(this.vdev);
    const { features } = this.vdev;
    if (!this.legacy && (features & F.VIRTIO_F_VERSION_1) === 0n) {
      this.kernel.printk.dev_err(this.vdev, 'New virtio-mmio devices (version 2) must provide VIRTIO_F_VERSION_1 feature!');
      return -Errno.EINVAL;
    }
    this.writel(1, R.DRIVER_FEATURES_SEL);
    this.writel(Number(features >> 32n), R.DRIVER_FEATURES);
    this.writel(0, R.DRIVER_FEATURES_SEL);
    this.writel(Number(features & 0xffffffffn), R.DRIVER_FEATURES);
    return 0;
  }

  /** A legacy device's configuration is read byte by byte. */
  vm_get(offset: number, length: number): number {
    const { io } = this.kernel;
    const at = this.base + R.CONFIG + offset;
    if (!this.legacy) return io.read(at, length);
    let value = 0;
    for (let i = 0; i < length; i++) value += io.readb(at + i) * 2 ** (8 * i);
    return value;
  }
  vm_set(offset: number, length: number, value: number): void {
    const { io } = this.kernel;
    const at = this.base + R.CONFIG + offset;
    if (!this.legacy) io.write(at, length, value);
    else for (let i = 0; i < length; i++) io.writeb((value >>> (8 * i)) & 0xff, at + i);
  }

  vm_generation(): number {
    return this.legacy ? 0 : this.readl(R.CONFIG_GENERATION);
  }
  vm_get_status(): number {
    return this.readl(R.STATUS) & 0xff;
  }
  vm_set_status(status: number): void {
    this.writel(status, R.STATUS);
  }
  vm_reset(): void {
    this.writel(0, R.STATUS);
  }

  vm_notify(vq: Virtqueue): boolean {
    this.kernel.io.writel(vq.notifiesWithData ? vq.notificationData() : vq.index, vq.notifyAddress);
    return true;
  }

  onIrq(irq: number): number {
    return this.vm_interrupt(irq);
  }
  irqSymbol(): string {
    return 'vm_interrupt [virtio_mmio]';
  }

  /** virtio-v1.2 §4.2.3.4.1: what is handled is acknowledged first, so that what comes meanwhile is not lost. */
  vm_interrupt(irq: number): number {
    const status = this.readl(R.INTERRUPT_STATUS);
    this.writel(status, R.INTERRUPT_ACK);
    let ret = IRQ_NONE;
    if ((status & VIRTIO_MMIO_INT.CONFIG) !== 0) {
      this.virtioBus.virtio_config_changed(this.vdev);
      ret = IRQ_HANDLED;
    }
    if ((status & VIRTIO_MMIO_INT.VRING) !== 0)
      for (const vq of this.vdev.vqs) if (vq.vring_interrupt(irq) === IRQ_HANDLED) ret = IRQ_HANDLED;
    return ret;
  }

  vm_synchronize_cbs(): void {
    this.kernel.irq.synchronize_irq(this.platform.platform_get_irq(this.pdev));
  }

  vm_find_vqs(specs: readonly VirtqueueSpec[]): number {
    const irq = this.platform.platform_get_irq(this.pdev);
    if (irq < 0) return irq;
    const err = this.kernel.irq.request_irq(irq, this, 0, this.vdev.name, IRQF.SHARED);
    if (err < 0) return err;
    for (let i = 0; i < specs.length; i++) {
      const vq = this.vm_setup_vq(i, specs[i]);
      if (typeof vq === 'number') {
        this.vm_del_vqs();
        return vq;
      }
      this.vdev.vqs.push(vq);
    }
    return 0;
  }

  vm_setup_vq(index: number, spec: VirtqueueSpec): Virtqueue | number {
    const { vdev, pdev } = this;
    this.writel(index, R.QUEUE_SEL);
    if (this.readl(this.legacy ? R.QUEUE_PFN : R.QUEUE_READY) !== 0) return -Errno.ENOENT;
    const num = this.readl(R.QUEUE_NUM_MAX);
    if (num === 0) return -Errno.ENOENT;
    const vq = vring_create_virtqueue({ vdev, index, spec, dma: pdev.dma, num, mayReduce: true, align: VRING_ALIGN });
    if (vq === undefined) return -Errno.ENOMEM;
    this.writel(vq.num, R.QUEUE_NUM);
    if (this.legacy) {
      this.writel(VRING_ALIGN, R.QUEUE_ALIGN);
      this.writel(Math.floor(vq.bus.desc / PAGE_SIZE), R.QUEUE_PFN);
    } else {
      this.writeAddress(vq.bus.desc, R.QUEUE_DESC_LOW);
      this.writeAddress(vq.bus.avail, R.QUEUE_DRIVER_LOW);
      this.writeAddress(vq.bus.used, R.QUEUE_DEVICE_LOW);
      this.writel(1, R.QUEUE_READY);
    }
    vq.notifyAddress = this.base + R.QUEUE_NOTIFY;
    return vq;
  }

  private writeAddress(address: number, low: number): void {
    this.writel(address >>> 0, low);
    this.writel(Math.floor(address / 0x100000000), low + 4);
  }

  vm_del_vq(vq: Virtqueue): void {
    this.writel(vq.index, R.QUEUE_SEL);
    if (this.legacy) this.writel(0, R.QUEUE_PFN);
    else {
      this.writel(0, R.QUEUE_READY);
      this.readl(R.QUEUE_READY);
    }
    vq.vring_free();
  }

  vm_del_vqs(): void {
    for (const vq of this.vdev.vqs.splice(0)) this.vm_del_vq(vq);
    this.kernel.irq.free_irq(this.platform.platform_get_irq(this.pdev), this);
  }
}
