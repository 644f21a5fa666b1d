// What the board's firmware tables tell the PCI core at boot (Linux: drivers/acpi/pci_root.c, pci_link.c, arch/x86/pci), and what the log says of it.
import { ICH9_LPC, PCI_DEVFN, PciHeader } from '../../pci/config_space.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID } from '../../pci/ids.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { Resource } from '../../kernel/resource.ts';
import { ECAM_BASE, ECAM_SIZE } from '../../platform/bus.ts';
import type { PciCore } from './pci.ts';

const LPC_DEVFN = PCI_DEVFN(0x1f, 0);
/** ICH9: the power management ports take this many; ACPI_CNTL says whether they are on. */
const PM_BYTES = 128;
const ACPI_CNTL_ENABLE = 0x80;
const PIRQ_LINE = 0xf;
const FIRST_GSI_LINK = 16;
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const memory = (first: number, last: number): string => `[mem 0x${hex(first, 8)}-0x${hex(last, 8)}]`;

/** Blocks of the power management ports (ACPI's FADT): offset, length, name. */
const PM_BLOCKS = [
  [0x00, 4, 'PM1a_EVT_BLK'],
  [0x04, 2, 'PM1a_CNT_BLK'],
  [0x08, 4, 'PM_TMR'],
  [0x20, 16, 'GPE0_BLK'],
] as const;

export class PciAcpi {
  constructor(
    readonly kernel: Kernel,
    private readonly core: PciCore,
  ) {}

  /** Before the bus is scanned: where configuration space is, and what the host bridge forwards. */
  acpi_pci_root_add(): void {
    const { printk, platform } = this.kernel;
    const ecam = memory(ECAM_BASE, ECAM_BASE + ECAM_SIZE - 1);
    printk.pr_info(`${memory(platform.ram.size, ECAM_BASE - 1)} available for PCI devices`);
    printk.pr_info('acpiphp: ACPI Hot Plug PCI Controller Driver version: 0.5');
    printk.pr_info(`PCI: MMCONFIG for domain 0000 [bus 00-ff] at ${ecam} (base 0x${hex(ECAM_BASE, 8)})`);
    printk.pr_info(`PCI: MMCONFIG at ${ecam} reserved in E820`);
    printk.pr_info('PCI: Using configuration type 1 for base access');
    printk.pr_info('PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug');
    printk.pr_info('PCI: Using E820 reservations for host bridge windows');
    printk.pr_info('ACPI: PCI Root Bridge [PCI0] (domain 0000 [bus 00-ff])');
    const msi = this.kernel.bootOption('pci', 'nomsi') === undefined ? ' MSI' : '';
    printk.pr_info(`acpi PNP0A08:00: _OSC: OS supports [ExtendedConfig ASPM ClockPM Segments${msi} EDR HPX-Type3]`);
    printk.pr_info('acpi PNP0A08:00: _OSC: platform does not support [PCIeHotplug LTR]');
    printk.pr_info('acpi PNP0A08:00: _OSC: OS now controls [SHPCHotplug PME AER PCIeCapability]');
  }

  /** A function that was just read is one the kernel knows something about. */
  pci_fixup_header(devfn: number): void {
    if (devfn === LPC_DEVFN && this.isLpc()) this.quirk_ich6_lpc();
  }

  /** The chipset's own ports have no base address register: they are claimed by what the bridge says. */
  quirk_ich6_lpc(): void {
    const { access } = this.core;
    const base = access.pci_bus_read_config_dword(0, LPC_DEVFN, ICH9_LPC.PMBASE) & 0xff80;
    const enabled = access.pci_bus_read_config_dword(0, LPC_DEVFN, ICH9_LPC.ACPI_CNTL) & ACPI_CNTL_ENABLE;
    if (enabled === 0 || base === 0) return;
    const range = `[io  0x${hex(base, 4)}-0x${hex(base + PM_BYTES - 1, 4)}]`;
    this.kernel.printk.pr_info(`pci 0000:00:1f.0: quirk: ${range} claimed by ICH6 ACPI/GPIO/TCO`);
    const ports = new Resource('0000:00:1f.0', base, base + PM_BYTES - 1);
    this.kernel.drivers.ioports.insert(ports);
    for (const [offset, length, name] of PM_BLOCKS) ports.insert(new Resource(`ACPI ${name}`, base + offset, base + offset + length - 1));
  }

  /** The interrupt links: A to H behind the 8259s as the LPC bridge routes them, and as pins of the I/O APIC. */
  acpi_pci_link_init(): void {
    const { access } = this.core;
    const { printk } = this.kernel;
    if (!this.isLpc()) return;
    const route = (at: number): number[] => {
      const word = access.pci_bus_read_config_dword(0, LPC_DEVFN, at);
      return [0, 8, 16, 24].map((shift) => (word >>> shift) & PIRQ_LINE);
    };
    [...route(ICH9_LPC.PIRQA_ROUT), ...route(ICH9_LPC.PIRQE_ROUT)].forEach((irq, i) =>
      printk.pr_info(`ACPI: PCI: Interrupt link LNK${'ABCDEFGH'[i]} configured for IRQ ${irq}`),
    );
    for (let i = 0; i < 8; i++) printk.pr_info(`ACPI: PCI: Interrupt link GSI${'ABCDEFGH'[i]} configured for IRQ ${FIRST_GSI_LINK + i}`);
  }

  /** After the scan: what the bus got. */
  pcibios_init(): void {
    const { printk } = this.kernel;
    printk.pr_info('PCI: Using ACPI for IRQ routing');
    printk.pr_info('PCI: pci_cache_line_size set to 64 bytes');
    // the bridge's windows follow its own four resources
    this.core.setup.windows().forEach((text, i) => printk.pr_info(`pci_bus 0000:00: resource ${4 + i} ${text}`));
    this.pci_apply_final_quirks();
  }

  /** The cache line size that firmware gave to all functions alike. */
  pci_apply_final_quirks(): void {
    const sizes = this.core.devices.map((d) => this.core.access.pci_read_config_byte(d, PciHeader.cache_line_size.offset));
    const set = new Set(sizes.filter((n) => n !== 0));
    const [size = 0] = set;
    this.kernel.printk.pr_info(`PCI: CLS ${set.size > 1 ? 64 : size * 4} bytes, default 64`);
  }

  private isLpc(): boolean {
    return this.core.devices.some((d) => d.devfn === LPC_DEVFN && d.vendor === PCI_VENDOR_ID.INTEL && d.device === PCI_DEVICE_ID.ICH9_LPC);
  }
}
