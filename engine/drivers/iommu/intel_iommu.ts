// The driver of the DMA-remapping unit (Linux: drivers/iommu/intel/iommu.c, dmar.c): tables per device, groups, faults.
import { ops } from '../../base/ops.ts';
import type { Gpa } from '../../base/units.ts';
import type { IommuGroupInfo } from '../../kernel/device.ts';
import { IRQ_HANDLED, type IrqChip, type IrqTarget } from '../../kernel/irq_desc.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { Apic } from '../../platform/apic.ts';
import { MSI_BASE, MSI_END } from '../../platform/bus.ts';
import {
  VTD_BASE,
  VTD_CCMD_ICC,
  VTD_CONTEXT,
  VTD_ENTRY,
  VTD_FECTL_IM,
  VTD_FRCD,
  VTD_FSTS,
  VTD_GCMD,
  VTD_IOTLB_IVT,
  VTD_REG,
} from '../../platform/vtd.ts';
import { PCI_FUNC, PCI_SLOT } from '../../pci/config_space.ts';
import type { PciCore } from '../pci/pci.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { DmarDomain } from './dma_iommu.ts';
import { IOVA_PAGE } from './iova.ts';

/** Texts of the fault reasons, by number (Linux: dmar_fault_reasons[]). */
const FAULT_REASONS = [
  'Software',
  'Present bit in root entry is clear',
  'Present bit in context entry is clear',
  'Invalid context entry',
  'Access beyond MGAW',
  'PTE Write access is not set',
  'PTE Read access is not set',
  'Next page table ptr is invalid',
] as const;
/** CCMD: a global invalidation of context entries; IOTLB: one of a domain's translations, id in bits 15:0 (VT-d 3.3 §11.4.7, §11.4.8.1). */
const CCMD_GLOBAL = 0x20000000;
const IOTLB_GLOBAL = 0x10000000;
const IOTLB_DOMAIN = 0x20000000;
/** At most so many faults are reported in this time (ns). */
const RATE_BURST = 10;
const RATE_INTERVAL = 5_000_000_000;

const DMAR_MSI_CHIP: IrqChip = ops<IrqChip>({
  name: 'DMAR-MSI',
  irq_mask: (_desc, kernel) => kernel.io.writel(VTD_FECTL_IM, VTD_BASE + VTD_REG.FECTL),
  irq_unmask: (_desc, kernel) => kernel.io.writel(0, VTD_BASE + VTD_REG.FECTL),
  irq_write_msi_msg(_desc, kernel, cpu, vector) {
    const { address, data } = Apic.message(cpu, vector);
    kernel.io.writel(data, VTD_BASE + VTD_REG.FEDATA);
    kernel.io.writel(address, VTD_BASE + VTD_REG.FEADDR);
    kernel.io.writel(0, VTD_BASE + VTD_REG.FEUADDR);
  },
});

/** A set of functions that only can be told apart together (Linux: struct iommu_group). */
class IommuGroup implements IommuGroupInfo {
  readonly devices: PciDev[] = [];
  constructor(
    readonly id: number,
    /** undefined when its requests pass through untranslated. */
    readonly domain: DmarDomain | undefined,
    readonly type: IommuGroupInfo['type'],
  ) {}
}

export class IntelIommu implements IrqTarget {
  readonly groups: IommuGroup[] = [];
  private readonly passthrough: boolean;
  private readonly strict: boolean;
  private root = 0 as Gpa;
  private contexts = 0 as Gpa;
  private nextGroup = 0;
  /** Reports since the interval began, and those that were left out. */
  private reported = 0;
  private intervalStart = -RATE_INTERVAL;

  constructor(
    readonly kernel: Kernel,
    private readonly pci: PciCore,
  ) {
    this.passthrough = kernel.bootOption('iommu', 'pt') !== undefined;
    this.strict = kernel.cmdline.split(' ').includes('iommu.strict=1');
  }

  /** Finds the unit, gives it tables, turns translation on; 0, or -1 when there is none or it is not to be used. */
  intel_iommu_init(): number {
    const { printk, io, platform } = this.kernel;
    if (platform.iommu === undefined || this.kernel.bootOption('intel_iommu', 'off') !== undefined) return -1;
    if (this.kernel.bootOption('intel_iommu', 'on') !== undefined) printk.pr_info('DMAR: IOMMU enabled');
    const cap = hex(io.readl(VTD_BASE + VTD_REG.CAP + 4), 0) + hex(io.readl(VTD_BASE + VTD_REG.CAP), 8);
    const version = io.readl(VTD_BASE + VTD_REG.VER);
    printk.pr_info('DMAR: Host address width 39');
    printk.pr_info(`DMAR: DRHD base: 0x${hex(VTD_BASE, 14)} flags: 0x0`);
    printk.pr_info(
      `DMAR: dmar0: reg_base_addr ${hex(VTD_BASE, 0)} ver ${version >> 4}:${version & 15} cap ${cap} ecap ${hex(io.readl(VTD_BASE + VTD_REG.ECAP), 0)}`,
    );
    const how = this.passthrough ? 'Passthrough (set via kernel command line)' : 'Translated';
    printk.pr_info(`iommu: Default domain type: ${how}`);
    if (!this.passthrough) {
      const policy = this.strict ? 'strict mode (set via kernel command line)' : 'lazy mode';
      printk.pr_info(`iommu: DMA domain TLB invalidation policy: ${policy}`);
    }
    printk.pr_info('DMAR: No RMRR found');
    printk.pr_info('DMAR: No ATSR found');
    if (!this.init_dmars()) return -1;
    for (const dev of this.pci.devices) this.iommu_probe_device(dev);
    printk.pr_info('DMAR: Intel(R) Virtualization Technology for Directed I/O');
    return 0;
  }

  init_dmars(): boolean {
    const { io, printk } = this.kernel;
    this.root = this.page();
    this.contexts = this.page();
    if (this.root === 0 || this.contexts === 0) return false;
    this.kernel.platform.ram.setU64(this.root, this.contexts + VTD_ENTRY.PRESENT);
    printk.pr_info('DMAR: dmar0: Using Register based invalidation');
    io.writel(this.root, VTD_BASE + VTD_REG.RTADDR);
    io.writel(0, VTD_BASE + VTD_REG.RTADDR + 4);
    io.writel(VTD_GCMD.SRTP, VTD_BASE + VTD_REG.GCMD);
    io.readl(VTD_BASE + VTD_REG.GSTS);
    this.flush_context();
    this.flush(IOTLB_GLOBAL);
    this.dmar_set_interrupt();
    io.writel(VTD_GCMD.TE, VTD_BASE + VTD_REG.GCMD);
    io.readl(VTD_BASE + VTD_REG.GSTS);
    return true;
  }

  dmar_set_interrupt(): void {
    const { irq } = this.kernel;
    const desc = irq.irq_alloc_desc(DMAR_MSI_CHIP, 0, this, -1);
    irq.request_irq(desc.irq, this, 0, 'dmar0');
  }

  /** A device was found: its group, its context entry. Functions of one slot cannot be told apart for certain and share. */
  iommu_probe_device(dev: PciDev): void {
    const slot = PCI_SLOT(dev.devfn);
    let group = this.groups.find((g) => g.devices.some((d) => d.busNumber === dev.busNumber && PCI_SLOT(d.devfn) === slot));
    if (group === undefined) {
      const id = this.nextGroup++;
      group = this.passthrough
        ? new IommuGroup(id, undefined, 'identity')
        : new IommuGroup(id, this.iommu_dma_init_domain(id), this.strict ? 'DMA' : 'DMA-FQ');
      this.groups.push(group);
      this.kernel.drivers.iommuGroups.push(group);
    }
    group.devices.push(dev);
    this.domain_context_mapping_one(dev, group);
    dev.dma.translator = group.domain;
    this.kernel.printk.pr_info(`pci ${dev.name}: Adding to iommu group ${group.id}`);
  }

  /** A device left: its entry goes, and with the last of a group the group. */
  iommu_release_device(dev: PciDev): void {
    const group = this.groups.find((g) => g.devices.includes(dev));
    if (group === undefined) return;
    this.domain_context_clear_one(dev);
    dev.dma.translator = undefined;
    group.devices.splice(group.devices.indexOf(dev), 1);
    this.kernel.printk.pr_info(`pci ${dev.name}: Removing from iommu group ${group.id}`);
    if (group.devices.length > 0) return;
    group.domain?.domain_exit();
    this.groups.splice(this.groups.indexOf(group), 1);
    const { iommuGroups } = this.kernel.drivers;
    iommuGroups.splice(iommuGroups.indexOf(group), 1);
  }

  iommu_dma_init_domain(id: number): DmarDomain {
    const domain = new DmarDomain(this.kernel, this, id + 1, this.strict);
    // what a bus address must not be: an interrupt message, or a register of a device on the same bus
    domain.iovad.reserve_iova(0, 0);
    domain.iovad.reserve_iova(MSI_BASE / IOVA_PAGE, MSI_END / IOVA_PAGE - 1);
    for (const [first, last] of this.pci.setup.memoryWindows())
      domain.iovad.reserve_iova(Math.floor(first / IOVA_PAGE), Math.floor(last / IOVA_PAGE));
    return domain;
  }

  domain_context_mapping_one(dev: PciDev, group: IommuGroup): void {
    const { ram } = this.kernel.platform;
    const at = this.contexts + dev.devfn * VTD_ENTRY.CONTEXT_BYTES;
    const type = group.domain === undefined ? VTD_CONTEXT.PASS_THROUGH : VTD_CONTEXT.MULTI_LEVEL;
    ram.setU64(at + 8, ((group.id + 1) << 8) | VTD_CONTEXT.WIDTH_39);
    ram.setU64(at, (group.domain?.pgd ?? 0) + (type << VTD_CONTEXT.TYPE_SHIFT) + VTD_ENTRY.PRESENT);
    this.flush_context();
  }

  domain_context_clear_one(dev: PciDev): void {
    const at = this.contexts + dev.devfn * VTD_ENTRY.CONTEXT_BYTES;
    this.kernel.platform.ram.setU64(at, 0);
    this.kernel.platform.ram.setU64(at + 8, 0);
    this.flush_context();
    this.flush(IOTLB_GLOBAL);
  }

  flush_iotlb_domain(id: number): void {
    this.flush(IOTLB_DOMAIN | id);
    this.kernel.charge(this.kernel.platform.costs.iotlb_flush);
  }

  onIrq(): number {
    return this.dmar_fault();
  }
  irqSymbol(): string {
    return 'dmar_fault';
  }

  dmar_fault(): number {
    const { io, printk } = this.kernel;
    const now = this.kernel.now();
    if (now - this.intervalStart >= RATE_INTERVAL) {
      this.intervalStart = now;
      this.reported = 0;
    }
    const quiet = this.reported >= RATE_BURST;
    const status = io.readl(VTD_BASE + VTD_REG.FSTS);
    if (status !== 0 && !quiet) printk.pr_err(`DMAR: DRHD: handling fault status reg ${hex(status, 0)}`);
    if (status !== 0) this.reported++;
    if ((status & VTD_FSTS.PPF) !== 0) {
      const at = VTD_BASE + VTD_REG.FRCD;
      const high = io.readl(at + 12);
      const source = io.readl(at + 8) & 0xffff;
      const address = io.readl(at) + io.readl(at + 4) * 2 ** 32;
      io.writel(VTD_FRCD.F, at + 12);
      if (!quiet) this.dmar_fault_do_one((high & VTD_FRCD.READ) !== 0, high & 0xff, source, address);
    }
    io.writel(VTD_FSTS.PFO | VTD_FSTS.PPF, VTD_BASE + VTD_REG.FSTS);
    return IRQ_HANDLED;
  }

  dmar_fault_do_one(read: boolean, reason: number, source: number, address: number): void {
    const device = `${hex(source >> 8, 2)}:${hex(PCI_SLOT(source & 0xff), 2)}.${PCI_FUNC(source & 0xff)}`;
    this.kernel.printk.pr_err(
      `DMAR: [DMA ${read ? 'Read' : 'Write'} NO_PASID] Request device [${device}] fault addr 0x${hex(address, 0)} [fault reason 0x${hex(reason, 2)}] ${FAULT_REASONS[reason] ?? 'Unknown'}`,
    );
  }

  private flush_context(): void {
    this.kernel.io.writel(VTD_CCMD_ICC | CCMD_GLOBAL, VTD_BASE + VTD_REG.CCMD + 4);
    this.kernel.io.readl(VTD_BASE + VTD_REG.CCMD + 4);
  }

  private flush(what: number): void {
    this.kernel.io.writel((VTD_IOTLB_IVT | what) >>> 0, VTD_BASE + VTD_REG.IOTLB + 4);
    this.kernel.io.readl(VTD_BASE + VTD_REG.IOTLB + 4);
  }

  private page(): Gpa {
    const { pages, ram } = this.kernel.platform;
    const page = pages.alloc_pages(0);
    if (page !== 0) ram.fill(page, 0, IOVA_PAGE);
    return page;
  }
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
