// Discovery of PCI functions (Linux: drivers/pci/probe.c): scanning the bus through ECAM, reading headers, sizing BARs.
import { PCI_BAR, PCI_CFG_SPACE_SIZE, PCI_COMMAND, PCI_DEVFN, PCI_ROM_ADDRESS_ENABLE, PciHeader, pciName } from '../../pci/config_space.ts';
import { PCI_CAP_ID } from '../../pci/capabilities.ts';
import type { HotplugListener } from '../../kernel/driver_core.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { describeRange, type PciCore } from './pci.ts';
import { IORESOURCE, PCI_ROM_RESOURCE, PciDev, type PciResource } from './pci_dev.ts';
import { PCI_BUS_TYPE } from './pci_driver.ts';

const PCI_HEADER_TYPE_MULTIFUNC = 0x80;
const SLOTS = 32;
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

export class PciProbe implements HotplugListener {
  constructor(
    readonly kernel: Kernel,
    private readonly core: PciCore,
  ) {}

  /** At boot: the root bus, its functions, and their devices. How many were found. */
  pci_scan_root_bus(): number {
    const { printk, drivers } = this.kernel;
    const { acpi, setup } = this.core;
    acpi.acpi_pci_root_add();
    printk.pr_info('PCI host bridge to bus 0000:00');
    this.core.hostBridge = drivers.rootDevice('pci0000:00');
    for (const text of setup.windows()) printk.pr_info(`pci_bus 0000:00: root bus resource ${text}`);
    printk.pr_info('pci_bus 0000:00: root bus resource [bus 00-ff]');
    const found = this.pci_scan_child_bus();
    acpi.acpi_pci_link_init();
    for (const dev of found) setup.claimResources(dev);
    acpi.pcibios_init();
    this.pci_bus_add_devices(found);
    return found.length;
  }

  /** Finds functions that are new, gives them addresses, and looks for drivers (echo 1 > /sys/bus/pci/rescan). */
  pci_rescan_bus(): number {
    const found = this.pci_scan_child_bus();
    this.core.setup.pci_assign_unassigned_bus_resources(found);
    this.pci_bus_add_devices(found);
    return found.length;
  }

  deviceAdded(): void {
    this.pci_rescan_bus();
  }

  deviceRemoving(devfn: number): void {
    const dev = this.core.devices.find((d) => d.devfn === devfn);
    if (dev !== undefined) this.pci_stop_and_remove_bus_device(dev);
  }

  pci_scan_child_bus(): PciDev[] {
    const found: PciDev[] = [];
    for (let slot = 0; slot < SLOTS; slot++) this.pci_scan_slot(slot, found);
    return found;
  }

  pci_scan_slot(slot: number, found: PciDev[]): number {
    const first = this.pci_scan_single_device(PCI_DEVFN(slot, 0), found);
    if (first === undefined || (first.hdr_type & PCI_HEADER_TYPE_MULTIFUNC) === 0) return first === undefined ? 0 : 1;
    let n = 1;
    for (let fn = 1; fn < 8; fn++) if (this.pci_scan_single_device(PCI_DEVFN(slot, fn), found) !== undefined) n++;
    return n;
  }

  pci_scan_single_device(devfn: number, found: PciDev[]): PciDev | undefined {
    const known = this.core.devices.find((d) => d.devfn === devfn);
    if (known !== undefined) return known;
    const dev = this.pci_scan_device(devfn);
    if (dev !== undefined) {
      this.core.devices.push(dev);
      found.push(dev);
      this.core.acpi.pci_fixup_header(devfn);
    }
    return dev;
  }

  pci_scan_device(devfn: number): PciDev | undefined {
    const id = this.core.access.pci_bus_read_config_dword(0, devfn, PciHeader.vendor.offset);
    const bridge = this.core.hostBridge;
    if (id === 0xffffffff || id === 0 || bridge === undefined) return undefined;
    const dev = new PciDev(this.core, 0, devfn, PCI_BUS_TYPE, bridge);
    dev.vendor = id & 0xffff;
    dev.device = id >>> 16;
    this.pci_setup_device(dev);
    return dev;
  }

  pci_setup_device(dev: PciDev): void {
    const { access } = this.core;
    dev.hdr_type = access.pci_read_config_byte(dev, PciHeader.header_type.offset);
    const classRev = access.pci_read_config_dword(dev, PciHeader.revision.offset);
    dev.revision = classRev & 0xff;
    dev.class = classRev >>> 8;
    const express = access.pci_find_capability(dev, PCI_CAP_ID.EXP);
    if (express !== 0) dev.setExpress(express);
    else dev.cfg_size = PCI_CFG_SPACE_SIZE;
    this.kernel.printk.pr_info(
      `pci ${pciName(0, dev.devfn)}: [${hex(dev.vendor, 4)}:${hex(dev.device, 4)}] type ${hex(dev.hdr_type & 0x7f, 2)} class 0x${hex(dev.class, 6)}`,
    );
    dev.pin = access.pci_read_config_byte(dev, PciHeader.interrupt_pin.offset);
    if (dev.pin !== 0) dev.irq = access.pci_read_config_byte(dev, PciHeader.interrupt_line.offset);
    this.pci_read_bases(dev);
    dev.subsystem_vendor = access.pci_read_config_word(dev, PciHeader.subsystem_vendor.offset);
    dev.subsystem_device = access.pci_read_config_word(dev, PciHeader.subsystem_id.offset);
    dev.pm_cap = access.pci_find_capability(dev, PCI_CAP_ID.PM);
    this.core.msi.pci_msi_init(dev);
    this.core.msi.pci_msix_init(dev);
  }

  /** PCI 3.0 §6.2.5.1: sizes each register by writing all ones, with decoding off meanwhile. */
  pci_read_bases(dev: PciDev): void {
    for (let i = 0; i < PCI_ROM_RESOURCE; i++) i += this.__pci_read_base(dev, i);
    this.__pci_read_base(dev, PCI_ROM_RESOURCE);
  }

  /** 1 when the register took the next one too (64-bit). */
  __pci_read_base(dev: PciDev, index: number): number {
    const { access } = this.core;
    const rom = index === PCI_ROM_RESOURCE;
    const where = rom ? PciHeader.rom_address.offset : PciHeader.bar0.offset + 4 * index;
    const command = access.pci_read_config_word(dev, PciHeader.command.offset);
    const decode = command & (PCI_COMMAND.IO | PCI_COMMAND.MEMORY);
    if (decode !== 0) access.pci_write_config_word(dev, PciHeader.command.offset, command & ~decode);
    const value = access.pci_read_config_dword(dev, where);
    access.pci_write_config_dword(dev, where, rom ? ~PCI_ROM_ADDRESS_ENABLE : 0xffffffff);
    const mask = access.pci_read_config_dword(dev, where);
    access.pci_write_config_dword(dev, where, value);
    const wide = !rom && (value & PCI_BAR.SPACE_IO) === 0 && (value & PCI_BAR.MEM_TYPE_64) !== 0;
    let high = 0;
    if (wide) {
      high = access.pci_read_config_dword(dev, where + 4);
      access.pci_write_config_dword(dev, where + 4, 0xffffffff);
      access.pci_read_config_dword(dev, where + 4);
      access.pci_write_config_dword(dev, where + 4, high);
    }
    if (decode !== 0) access.pci_write_config_word(dev, PciHeader.command.offset, command);
    if (mask === 0 || mask === 0xffffffff) return wide ? 1 : 0;
    this.decode(dev.resource[index], { rom, value, mask, high, wide });
    const r = dev.resource[index];
    this.kernel.printk.pr_info(`pci ${dev.name}: ${rom ? 'ROM' : `BAR ${index}`} ${describeRange(r)}`);
    return wide ? 1 : 0;
  }

  private decode(r: PciResource, read: { rom: boolean; value: number; mask: number; high: number; wide: boolean }): void {
    const { value, mask } = read;
    if (read.rom) r.flags = IORESOURCE.MEM | IORESOURCE.PREFETCH | IORESOURCE.READONLY | IORESOURCE.SIZEALIGN;
    else if ((value & PCI_BAR.SPACE_IO) !== 0) r.flags = IORESOURCE.IO | PCI_BAR.SPACE_IO | IORESOURCE.SIZEALIGN;
    else
      r.flags =
        IORESOURCE.MEM |
        (value & 0xf) |
        IORESOURCE.SIZEALIGN |
        ((value & PCI_BAR.MEM_PREFETCH) !== 0 ? IORESOURCE.PREFETCH : 0) |
        (read.wide ? IORESOURCE.MEM_64 : 0);
    const keep = read.rom ? 0xfffff800 : (r.flags & IORESOURCE.IO) !== 0 ? PCI_BAR.IO_MASK : PCI_BAR.MEM_MASK;
    const size = ((r.flags & IORESOURCE.IO) !== 0 ? ~(mask & keep & 0xffff) & 0xffff : ~(mask & keep) >>> 0) + 1;
    r.start = ((value & keep) >>> 0) + read.high * 2 ** 32;
    r.end = r.start + size - 1;
  }

  pci_bus_add_devices(found: readonly PciDev[]): void {
    for (const dev of found) this.pci_bus_add_device(dev);
  }

  pci_bus_add_device(dev: PciDev): void {
    this.core.iommu?.iommu_probe_device(dev);
    this.kernel.drivers.device_register(dev);
  }

  /** echo 1 > …/remove, or the function left the bus: its driver, then the device. */
  pci_stop_and_remove_bus_device(dev: PciDev): void {
    this.kernel.drivers.device_unregister(dev);
    this.core.iommu?.iommu_release_device(dev);
    this.core.setup.releaseResources(dev);
    const i = this.core.devices.indexOf(dev);
    if (i >= 0) this.core.devices.splice(i, 1);
  }
}
