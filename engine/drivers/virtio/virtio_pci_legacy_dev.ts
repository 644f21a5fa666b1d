// Access to a legacy virtio-pci function's registers (Linux: drivers/virtio/virtio_pci_legacy_dev.c): the virtio header in the I/O BAR.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { VIRTIO_PCI_QUEUE_ADDR_SHIFT, VirtioPciLegacy as L, VirtioPciLegacyMsix as M } from '../../virtio/legacy.ts';
import type { PciDev } from '../pci/pci_dev.ts';

const TRANSITIONAL_FIRST = 0x1000;
const TRANSITIONAL_LAST = 0x103f;
/** Linux: VIRTIO_PCI_ABI_VERSION */
const ABI_VERSION = 0;
const IO_BAR = 0;

export class VpLegacyDevice {
  id = { device: 0, vendor: 0 };
  /** Mapped addresses of the header and of the ISR status in it. */
  ioaddr = 0;
  isr = 0;

  constructor(
    readonly kernel: Kernel,
    readonly pci_dev: PciDev,
  ) {}

  /** 0, -ENODEV when the function has no legacy interface, -EBUSY, -ENOMEM. */
  vp_legacy_probe(): number {
    const { pci_dev } = this;
    const { core, device } = pci_dev;
    if (device < TRANSITIONAL_FIRST || device > TRANSITIONAL_LAST || pci_dev.revision !== ABI_VERSION) return -Errno.ENODEV;
    pci_dev.dma_mask_bits = 64;
    // the ring's address is told as a 32-bit page number
    pci_dev.coherent_dma_mask_bits = 32 + VIRTIO_PCI_QUEUE_ADDR_SHIFT;
    const err = core.pci_request_selected_regions(pci_dev, 1 << IO_BAR, 'virtio-pci-legacy');
    if (err < 0) return err;
    this.ioaddr = core.pci_iomap_range(pci_dev, IO_BAR, 0, pci_dev.resource[IO_BAR].size);
    if (this.ioaddr === 0) {
      core.pci_release_selected_regions(pci_dev, 1 << IO_BAR);
      return -Errno.ENOMEM;
    }
    this.isr = this.ioaddr + L.isr_status.offset;
    this.id = { vendor: pci_dev.subsystem_vendor, device: pci_dev.subsystem_device };
    return 0;
  }

  vp_legacy_remove(): void {
    this.pci_dev.core.pci_release_selected_regions(this.pci_dev, 1 << IO_BAR);
    this.ioaddr = 0;
  }

  vp_legacy_get_features(): bigint {
    return BigInt(this.kernel.io.readl(this.ioaddr + L.device_features.offset));
  }
  vp_legacy_set_features(features: number): void {
    this.kernel.io.writel(features, this.ioaddr + L.driver_features.offset);
  }
  vp_legacy_get_status(): number {
    return this.kernel.io.readb(this.ioaddr + L.device_status.offset);
  }
  vp_legacy_set_status(status: number): void {
    this.kernel.io.writeb(status, this.ioaddr + L.device_status.offset);
  }

  /** Vector of a queue; what the device kept. */
  vp_legacy_queue_vector(index: number, vector: number): number {
    this.select(index);
    const at = this.ioaddr + L.$size + M.queue_msix_vector.offset;
    this.kernel.io.writew(vector, at);
    return this.kernel.io.readw(at);
  }

  /** Vector for configuration changes; what the device kept. */
  vp_legacy_config_vector(vector: number): number {
    const at = this.ioaddr + L.$size + M.config_msix_vector.offset;
    this.kernel.io.writew(vector, at);
    return this.kernel.io.readw(at);
  }

  vp_legacy_set_queue_address(index: number, page: number): void {
    this.select(index);
    this.kernel.io.writel(page, this.ioaddr + L.queue_address.offset);
  }
  vp_legacy_get_queue_enable(index: number): boolean {
    this.select(index);
    return this.kernel.io.readl(this.ioaddr + L.queue_address.offset) !== 0;
  }
  vp_legacy_get_queue_size(index: number): number {
    this.select(index);
    return this.kernel.io.readw(this.ioaddr + L.queue_size.offset);
  }

  private select(index: number): void {
    this.kernel.io.writew(index, this.ioaddr + L.queue_select.offset);
  }
}
