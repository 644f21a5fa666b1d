// PCI core: what one kernel knows of its PCI buses; enabling functions, bus mastering, regions (Linux: drivers/pci/pci.c).
import { Errno } from '../../base/errno.ts';
import { PCI_COMMAND, PCI_SLOT, PciHeader } from '../../pci/config_space.ts';
import type { Device } from '../../kernel/device.ts';
import { PIO_OFFSET } from '../../kernel/io.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { Resource } from '../../kernel/resource.ts';
import { PciAccess } from './access.ts';
import { PciAcpi } from './acpi.ts';
import { PciMsi } from './msi.ts';
import { IORESOURCE, type PciDev, PCI_ROM_RESOURCE } from './pci_dev.ts';
import { PciBus } from './pci_driver.ts';
import { PciProbe } from './probe.ts';
import { PciSetup } from './setup.ts';

/** q35's routing table: links GSIA to GSIH are the I/O APIC's pins from here on. Slots rotate over E to H, the chipset's own have A to D. */
const FIRST_LINK_GSI = 16;
const FIRST_CHIPSET_SLOT = 25;
const PCI_LATENCY_TIMER = PciHeader.latency_timer.offset;

/** What an IOMMU driver does when functions come and go. */
interface PciIommu {
  iommu_probe_device(dev: PciDev): void;
  iommu_release_device(dev: PciDev): void;
}

export class PciCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['pci_set_drvdata', 'pci_get_drvdata']);
  readonly access: PciAccess;
  readonly msi: PciMsi;
  readonly bus: PciBus;
  readonly probe: PciProbe;
  readonly setup: PciSetup;
  readonly acpi: PciAcpi;
  /** 'pci0000:00' */
  hostBridge: Device | undefined;
  readonly devices: PciDev[] = [];
  /** Set while an IOMMU's driver is in charge. */
  iommu: PciIommu | undefined;
  /** Interrupt links that were switched to the I/O APIC already. */
  private readonly links: boolean[] = new Array<boolean>(8).fill(false);

  constructor(readonly kernel: Kernel) {
    this.access = new PciAccess(kernel);
    this.msi = new PciMsi(kernel, this);
    this.bus = new PciBus(kernel);
    this.probe = new PciProbe(kernel, this);
    this.setup = new PciSetup(kernel, this);
    this.acpi = new PciAcpi(kernel, this);
  }

  /** 0 or -errno; counts. */
  pci_enable_device(dev: PciDev): number {
    if (dev.enable_cnt++ > 0) return 0;
    const ret = this.do_pci_enable_device(dev);
    if (ret < 0) dev.enable_cnt--;
    return ret;
  }

  do_pci_enable_device(dev: PciDev): number {
    const ret = this.setup.pci_enable_resources(dev);
    if (ret < 0) return ret;
    const pin = this.access.pci_read_config_byte(dev, PciHeader.interrupt_pin.offset);
    if (pin !== 0) {
      const command = this.access.pci_read_config_word(dev, PciHeader.command.offset);
      if ((command & PCI_COMMAND.INTX_DISABLE) !== 0)
        this.access.pci_write_config_word(dev, PciHeader.command.offset, command & ~PCI_COMMAND.INTX_DISABLE);
      // without MSI the line is what the function has
      if (!dev.msi_enabled && !dev.msix_enabled) return this.acpi_pci_irq_enable(dev, pin);
    }
    return 0;
  }

  /** The line's I/O APIC pin as the board's firmware tables route it; 0 or -errno. */
  acpi_pci_irq_enable(dev: PciDev, pin: number): number {
    if (dev.irq_managed) return 0;
    const slot = PCI_SLOT(dev.devfn);
    const link = slot < FIRST_CHIPSET_SLOT ? 4 + ((slot + pin - 1) & 3) : (pin - 1) & 3;
    const gsi = FIRST_LINK_GSI + link;
    if (!this.links[link]) {
      this.links[link] = true;
      this.kernel.printk.pr_info(`ACPI: \\_SB_.GSI${'ABCDEFGH'[link]}: Enabled at IRQ ${gsi}`);
    }
    const irq = this.kernel.irq.ioapic.acpi_register_gsi(gsi, 'level');
    if (irq < 0) return irq;
    dev.irq = irq;
    dev.irq_managed = true;
    return 0;
  }

  /** The pin is not needed any more, by this function. */
  acpi_pci_irq_disable(dev: PciDev): void {
    if (!dev.irq_managed) return;
    dev.irq_managed = false;
    this.kernel.irq.ioapic.acpi_unregister_gsi(dev.irq);
  }

  pci_disable_device(dev: PciDev): void {
    if (dev.enable_cnt === 0 || --dev.enable_cnt > 0) return;
    this.do_pci_disable_device(dev);
    dev.is_busmaster = false;
  }

  do_pci_disable_device(dev: PciDev): void {
    const command = this.access.pci_read_config_word(dev, PciHeader.command.offset);
    if ((command & PCI_COMMAND.MASTER) !== 0)
      this.access.pci_write_config_word(dev, PciHeader.command.offset, command & ~PCI_COMMAND.MASTER);
    this.pcibios_disable_device(dev);
  }

  pcibios_disable_device(dev: PciDev): void {
    if (!dev.msi_enabled && !dev.msix_enabled) this.acpi_pci_irq_disable(dev);
  }

  pci_set_master(dev: PciDev): void {
    this.__pci_set_master(dev, true);
    this.pcibios_set_master(dev);
  }

  pci_clear_master(dev: PciDev): void {
    this.__pci_set_master(dev, false);
  }

  __pci_set_master(dev: PciDev, enable: boolean): void {
    const old = this.access.pci_read_config_word(dev, PciHeader.command.offset);
    const command = enable ? old | PCI_COMMAND.MASTER : old & ~PCI_COMMAND.MASTER;
    if (command !== old) this.access.pci_write_config_word(dev, PciHeader.command.offset, command);
    dev.is_busmaster = enable;
  }

  /** Conventional functions get a latency timer of at least 16 clocks; one below is set to 64. */
  pcibios_set_master(dev: PciDev): void {
    if (dev.pcie_cap !== 0) return;
    const timer = this.access.pci_read_config_byte(dev, PCI_LATENCY_TIMER);
    if (timer < 16) this.access.pci_write_config_byte(dev, PCI_LATENCY_TIMER, 64);
  }

  /** Line interrupts on or off. */
  pci_intx(dev: PciDev, enable: boolean): void {
    const old = this.access.pci_read_config_word(dev, PciHeader.command.offset);
    const command = enable ? old & ~PCI_COMMAND.INTX_DISABLE : old | PCI_COMMAND.INTX_DISABLE;
    if (command !== old) this.access.pci_write_config_word(dev, PciHeader.command.offset, command);
  }

  /** The function still answers: a surprise removal shows in that its configuration space reads as ones. */
  pci_device_is_present(dev: PciDev): boolean {
    const id = this.access.pci_bus_read_config_dword(dev.busNumber, dev.devfn, PciHeader.vendor.offset);
    return id === dev.vendor + dev.device * 0x10000;
  }

  /** Claims the BARs of a mask for a driver; 0 or -EBUSY. */
  pci_request_selected_regions(dev: PciDev, bars: number, name: string): number {
    for (let i = 0; i < PCI_ROM_RESOURCE; i++) {
      const r = dev.resource[i];
      if ((bars & (1 << i)) === 0 || r.flags === 0) continue;
      const region = new Resource(name, r.start, r.end);
      if (r.region !== undefined || r.claimed === undefined || !r.claimed.insert(region)) {
        this.pci_release_selected_regions(dev, bars & ((1 << i) - 1));
        this.kernel.printk.dev_err(dev, `BAR ${i}: can't reserve ${describeRange(r)}`);
        return -Errno.EBUSY;
      }
      r.region = region;
    }
    return 0;
  }

  pci_release_selected_regions(dev: PciDev, bars: number): void {
    for (let i = 0; i < PCI_ROM_RESOURCE; i++) {
      const r = dev.resource[i];
      if ((bars & (1 << i)) === 0 || r.region === undefined) continue;
      r.claimed?.remove(r.region);
      r.region = undefined;
    }
  }

  /** BARs with these resource bits, as a mask. */
  pci_select_bars(dev: PciDev, flags: number): number {
    let bars = 0;
    for (let i = 0; i < PCI_ROM_RESOURCE; i++) if ((dev.resource[i].flags & flags) !== 0) bars |= 1 << i;
    return bars;
  }

  /** Mapped address of a place in a BAR, 0 when it is not there (Linux: pci_iomap_range()); of an I/O BAR, what `kernel.io` takes for a port. */
  pci_iomap_range(dev: PciDev, bar: number, offset: number, length: number): number {
    const r = dev.resource[bar];
    if (r === undefined || r.flags === 0 || offset + length > r.size) return 0;
    return (r.flags & IORESOURCE.MEM) !== 0 ? r.start + offset : PIO_OFFSET + r.start + offset;
  }

  pci_set_drvdata(dev: PciDev, data: object | undefined): void {
    dev.driver_data = data;
  }
  pci_get_drvdata(dev: PciDev): object | undefined {
    return dev.driver_data;
  }
}

/** '[mem 0xfebc4000-0xfebc4fff 64bit pref]' (Linux: vsprintf's %pR). */
export function describeRange(r: { readonly start: number; readonly end: number; readonly flags: number }): string {
  const io = (r.flags & IORESOURCE.IO) !== 0;
  const hex = (n: number): string => n.toString(16).padStart(io ? 4 : 8, '0');
  const suffix = ((r.flags & IORESOURCE.MEM_64) !== 0 ? ' 64bit' : '') + ((r.flags & IORESOURCE.PREFETCH) !== 0 ? ' pref' : '');
  return `[${io ? 'io ' : 'mem'} 0x${hex(r.start)}-0x${hex(r.end)}${suffix}]`;
}
