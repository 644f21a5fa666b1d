// Configuration space access through ECAM (Linux: drivers/pci/access.c, arch/x86/pci/mmconfig_64.c) and the capability list.
import { ecamOffset, PCI_FUNC, PCI_SLOT, PCI_STATUS, PciHeader } from '../../pci/config_space.ts';
import { PciCap } from '../../pci/capabilities.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ECAM_BASE } from '../../platform/bus.ts';
import type { PciDev } from './pci_dev.ts';

/** Capabilities start behind the header; the list is at most this long (Linux: PCI_FIND_CAP_TTL). */
const PCI_STD_HEADER_SIZEOF = 64;
const PCI_FIND_CAP_TTL = 48;

export class PciAccess {
  constructor(readonly kernel: Kernel) {}

  /** Address of a function's register in the ECAM window. */
  ecam(bus: number, devfn: number, where: number): number {
    return ECAM_BASE + ecamOffset(bus, PCI_SLOT(devfn), PCI_FUNC(devfn)) + where;
  }

  pci_bus_read_config_dword(bus: number, devfn: number, where: number): number {
    return this.kernel.io.read(this.ecam(bus, devfn, where), 4);
  }

  pci_read_config_byte(dev: PciDev, where: number): number {
    return this.kernel.io.read(this.ecam(dev.busNumber, dev.devfn, where), 1);
  }
  pci_read_config_word(dev: PciDev, where: number): number {
    return this.kernel.io.read(this.ecam(dev.busNumber, dev.devfn, where), 2);
  }
  pci_read_config_dword(dev: PciDev, where: number): number {
    return this.kernel.io.read(this.ecam(dev.busNumber, dev.devfn, where), 4);
  }
  pci_write_config_byte(dev: PciDev, where: number, value: number): void {
    this.kernel.io.write(this.ecam(dev.busNumber, dev.devfn, where), 1, value);
  }
  pci_write_config_word(dev: PciDev, where: number, value: number): void {
    this.kernel.io.write(this.ecam(dev.busNumber, dev.devfn, where), 2, value);
  }
  pci_write_config_dword(dev: PciDev, where: number, value: number): void {
    this.kernel.io.write(this.ecam(dev.busNumber, dev.devfn, where), 4, value >>> 0);
  }

  /** Offset of the first capability with this id, 0 when there is none. */
  pci_find_capability(dev: PciDev, id: number): number {
    const first = this.__pci_bus_find_cap_start(dev);
    return first === 0 ? 0 : this.__pci_find_next_cap_ttl(dev, first, id);
  }

  /** The next one after the capability at `pos`. */
  pci_find_next_capability(dev: PciDev, pos: number, id: number): number {
    return this.__pci_find_next_cap_ttl(dev, pos + PciCap.cap_next.offset, id);
  }

  /** Where the pointer to the first capability is, 0 without a list. */
  __pci_bus_find_cap_start(dev: PciDev): number {
    return (this.pci_read_config_word(dev, PciHeader.status.offset) & PCI_STATUS.CAP_LIST) !== 0 ? PciHeader.capabilities.offset : 0;
  }

  /** Follows the pointer at `pos`; a list that loops ends by the count. */
  __pci_find_next_cap_ttl(dev: PciDev, pos: number, id: number): number {
    let at = this.pci_read_config_byte(dev, pos);
    for (let ttl = PCI_FIND_CAP_TTL; ttl > 0; ttl--) {
      if (at < PCI_STD_HEADER_SIZEOF) return 0;
      at &= ~3;
      const entry = this.pci_read_config_word(dev, at);
      if ((entry & 0xff) === 0xff) return 0;
      if ((entry & 0xff) === id) return at;
      at = entry >>> 8;
    }
    return 0;
  }
}
