// Access to a modern virtio-pci function's structures (Linux: drivers/virtio/virtio_pci_modern_dev.c): finding and mapping them, their registers.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { PCI_CAP_ID, VIRTIO_PCI_CAP, VirtioPciCap, VirtioPciNotifyCap } from '../../pci/capabilities.ts';
import { VIRTIO_PCI_MODERN_BASE } from '../../pci/ids.ts';
import { featureHalf } from '../../virtio/features.ts';
import { VirtioPciCommonCfg as C } from '../../virtio/pci_cfg.ts';
import { IORESOURCE, type PciDev } from '../pci/pci_dev.ts';

const TRANSITIONAL_FIRST = 0x1000;
const TRANSITIONAL_LAST = 0x103f;
const MODERN_LAST = 0x107f;
const NUM_BARS = 6;

export class VpModernDevice {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'vp_iowrite64_twopart',
    'virtio_pci_find_capability',
    'vp_modern_get_queue_notify_off',
  ]);
  id = { device: 0, vendor: 0 };
  /** Addresses of the mapped structures. */
  common = 0;
  isr = 0;
  device = 0;
  device_len = 0;
  notify_base = 0;
  notify_len = 0;
  notify_offset_multiplier = 0;
  notify_map_cap = 0;
  /** BARs claimed, as a mask. */
  modern_bars = 0;

  constructor(
    readonly kernel: Kernel,
    readonly pci_dev: PciDev,
  ) {}

  private get access(): PciDev['core']['access'] {
    return this.pci_dev.core.access;
  }

  /** Finds and maps everything; 0, or -ENODEV when the function has no modern interface. */
  vp_modern_probe(): number {
    const { pci_dev } = this;
    const { device } = pci_dev;
    if (device < TRANSITIONAL_FIRST || device > MODERN_LAST) return -Errno.ENODEV;
    // virtio-v1.2 §4.1.2.1: a transitional function's subsystem id is the device type
    this.id = {
      device: device <= TRANSITIONAL_LAST ? pci_dev.subsystem_device : device - VIRTIO_PCI_MODERN_BASE,
      vendor: pci_dev.subsystem_vendor,
    };
    const common = this.virtio_pci_find_capability(VIRTIO_PCI_CAP.COMMON_CFG);
    if (common === 0) {
      this.kernel.printk.dev_printk(6, pci_dev, 'virtio_pci: leaving for legacy driver');
      return -Errno.ENODEV;
    }
    const isr = this.virtio_pci_find_capability(VIRTIO_PCI_CAP.ISR_CFG);
    const notify = this.virtio_pci_find_capability(VIRTIO_PCI_CAP.NOTIFY_CFG);
    if (isr === 0 || notify === 0) {
      this.kernel.printk.dev_err(pci_dev, `virtio_pci: missing capabilities ${common}/${isr}/${notify}`);
      return -Errno.EINVAL;
    }
    pci_dev.dma_mask_bits = pci_dev.coherent_dma_mask_bits = 64;
    const device_cap = this.virtio_pci_find_capability(VIRTIO_PCI_CAP.DEVICE_CFG);
    const err = pci_dev.core.pci_request_selected_regions(pci_dev, this.modern_bars, 'virtio-pci-modern');
    if (err < 0) return err;
    if (this.mapAll(common, isr, notify, device_cap)) return 0;
    pci_dev.core.pci_release_selected_regions(pci_dev, this.modern_bars);
    return -Errno.EINVAL;
  }

  private mapAll(common: number, isr: number, notify: number, device: number): boolean {
    this.common = this.vp_modern_map_capability(common, C.queue_notify_data.offset);
    if (this.common === 0) return false;
    this.isr = this.vp_modern_map_capability(isr, 1);
    if (this.isr === 0) return false;
    this.notify_offset_multiplier = this.access.pci_read_config_dword(
      this.pci_dev,
      notify + VirtioPciNotifyCap.notify_off_multiplier.offset,
    );
    const length = this.access.pci_read_config_dword(this.pci_dev, notify + VirtioPciCap.length.offset);
    this.access.pci_read_config_dword(this.pci_dev, notify + VirtioPciCap.offset.offset);
    // Linux: a doorbell area within a page is mapped once, a larger one per queue
    if (length <= 4096) {
      this.notify_base = this.vp_modern_map_capability(notify, 2);
      this.notify_len = length;
      if (this.notify_base === 0) return false;
    } else this.notify_map_cap = notify;
    if (device === 0) return true;
    this.device = this.vp_modern_map_capability(device, 0);
    this.device_len = this.lastLength;
    return this.device !== 0;
  }

  vp_modern_remove(): void {
    this.pci_dev.core.pci_release_selected_regions(this.pci_dev, this.modern_bars);
    this.modern_bars = 0;
  }

  /** The first capability of this type whose BAR exists; notes the BAR. */
  virtio_pci_find_capability(type: number): number {
    const { pci_dev, access } = this;
    for (
      let pos = access.pci_find_capability(pci_dev, PCI_CAP_ID.VNDR);
      pos > 0;
      pos = access.pci_find_next_capability(pci_dev, pos, PCI_CAP_ID.VNDR)
    ) {
      const cfgType = access.pci_read_config_byte(pci_dev, pos + VirtioPciCap.cfg_type.offset);
      const bar = access.pci_read_config_byte(pci_dev, pos + VirtioPciCap.bar.offset);
      // virtio-v1.2 §4.1.4.1: reserved BAR values are ignored
      if (bar >= NUM_BARS || cfgType !== type) continue;
      const { flags, size } = pci_dev.resource[bar];
      if (size > 0 && (flags & (IORESOURCE.IO | IORESOURCE.MEM)) !== 0) {
        this.modern_bars |= 1 << bar;
        return pos;
      }
    }
    return 0;
  }

  private lastLength = 0;

  /** Address of what a capability locates, 0 when it is shorter than `minimum` or outside its BAR. */
  vp_modern_map_capability(cap: number, minimum: number): number {
    const { pci_dev, access } = this;
    const bar = access.pci_read_config_byte(pci_dev, cap + VirtioPciCap.bar.offset);
    const offset = access.pci_read_config_dword(pci_dev, cap + VirtioPciCap.offset.offset);
    const length = access.pci_read_config_dword(pci_dev, cap + VirtioPciCap.length.offset);
    this.lastLength = length;
    const address = bar < NUM_BARS && length >= minimum ? pci_dev.core.pci_iomap_range(pci_dev, bar, offset, length) : 0;
    if (address === 0) this.kernel.printk.dev_err(pci_dev, `virtio_pci: unable to map virtio ${offset}@${length} on bar ${bar}`);
    return address;
  }

  vp_modern_get_features(): bigint {
    const { io } = this.kernel;
    io.writel(0, this.common + C.device_feature_select.offset);
    const low = io.readl(this.common + C.device_feature.offset);
    io.writel(1, this.common + C.device_feature_select.offset);
    const high = io.readl(this.common + C.device_feature.offset);
    return (BigInt(high) << 32n) | BigInt(low);
  }

  vp_modern_set_features(features: bigint): void {
    const { io } = this.kernel;
    for (let i = 0; i < 2; i++) {
      io.writel(i, this.common + C.driver_feature_select.offset);
      io.writel(featureHalf(features, i), this.common + C.driver_feature.offset);
    }
  }

  vp_modern_generation(): number {
    return this.kernel.io.readb(this.common + C.config_generation.offset);
  }
  vp_modern_get_status(): number {
    return this.kernel.io.readb(this.common + C.device_status.offset);
  }
  vp_modern_set_status(status: number): void {
    this.kernel.io.writeb(status, this.common + C.device_status.offset);
  }
  vp_modern_get_num_queues(): number {
    return this.kernel.io.readw(this.common + C.num_queues.offset);
  }

  /** Vector for configuration changes; what the device kept. */
  vp_modern_config_vector(vector: number): number {
    this.kernel.io.writew(vector, this.common + C.config_msix_vector.offset);
    return this.kernel.io.readw(this.common + C.config_msix_vector.offset);
  }

  vp_modern_queue_vector(index: number, vector: number): number {
    this.select(index);
    this.kernel.io.writew(vector, this.common + C.queue_msix_vector.offset);
    return this.kernel.io.readw(this.common + C.queue_msix_vector.offset);
  }

  vp_modern_queue_address(index: number, desc: number, driver: number, device: number): void {
    this.select(index);
    this.vp_iowrite64_twopart(desc, C.queue_desc.offset);
    this.vp_iowrite64_twopart(driver, C.queue_driver.offset);
    this.vp_iowrite64_twopart(device, C.queue_device.offset);
  }

  vp_iowrite64_twopart(value: number, offset: number): void {
    this.kernel.io.writel(value >>> 0, this.common + offset);
    this.kernel.io.writel(Math.floor(value / 0x100000000), this.common + offset + 4);
  }

  vp_modern_set_queue_enable(index: number, enable: boolean): void {
    this.select(index);
    this.kernel.io.writew(enable ? 1 : 0, this.common + C.queue_enable.offset);
  }
  vp_modern_get_queue_enable(index: number): boolean {
    this.select(index);
    return this.kernel.io.readw(this.common + C.queue_enable.offset) !== 0;
  }
  vp_modern_set_queue_size(index: number, size: number): void {
    this.select(index);
    this.kernel.io.writew(size, this.common + C.queue_size.offset);
  }
  vp_modern_get_queue_size(index: number): number {
    this.select(index);
    return this.kernel.io.readw(this.common + C.queue_size.offset);
  }
  vp_modern_get_queue_reset(index: number): number {
    this.select(index);
    return this.kernel.io.readw(this.common + C.queue_reset.offset);
  }

  /** virtio-v1.2 §2.6.1: resets one queue and waits until it is reset and disabled. */
  vp_modern_set_queue_reset(index: number): void {
    const { io } = this.kernel;
    this.select(index);
    io.writew(1, this.common + C.queue_reset.offset);
    while (io.readw(this.common + C.queue_reset.offset) !== 0) this.kernel.charge(1_000_000);
    while (io.readw(this.common + C.queue_enable.offset) !== 0) this.kernel.charge(1_000_000);
  }

  /** The queue's doorbell, 0 when it lies outside the structure. */
  vp_modern_map_vq_notify(index: number): number {
    const offset = this.vp_modern_get_queue_notify_off(index) * this.notify_offset_multiplier;
    if (this.notify_base === 0) {
      const base = this.vp_modern_map_capability(this.notify_map_cap, offset + 2);
      return base === 0 ? 0 : base + offset;
    }
    if (offset + 2 <= this.notify_len) return this.notify_base + offset;
    this.kernel.printk.dev_err(this.pci_dev, `virtio_pci: bad notification offset ${offset} for queue ${index} (> ${this.notify_len})`);
    return 0;
  }

  vp_modern_get_queue_notify_off(index: number): number {
    this.select(index);
    return this.kernel.io.readw(this.common + C.queue_notify_off.offset);
  }

  private select(index: number): void {
    this.kernel.io.writew(index, this.common + C.queue_select.offset);
  }
}
