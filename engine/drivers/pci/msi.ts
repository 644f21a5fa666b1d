// MSI and MSI-X (Linux: drivers/pci/msi): vectors of a function, messages in configuration space or in a table in a BAR, masks.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import {
  MsiCap,
  msiLayout,
  MsixCap,
  MsixEntry,
  PCI_CAP_ID,
  PCI_MSI_FLAGS,
  PCI_MSIX_BIR,
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_FLAGS,
} from '../../pci/capabilities.ts';
import type { IrqChip, IrqDesc } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { MSI_ADDR_LOGICAL } from '../../platform/apic.ts';
import { MSI_BASE } from '../../platform/bus.ts';
import type { PciCore } from './pci.ts';
import type { PciDev } from './pci_dev.ts';

/** What pci_alloc_irq_vectors may use, best first: MSI-X, MSI, the line (Linux: PCI_IRQ_MSIX, PCI_IRQ_MSI, PCI_IRQ_LEGACY). */
export const PCI_IRQ = { LEGACY: 1, MSI: 2, MSIX: 4, ALL: 7 } as const;

/** Linux: struct msi_desc, of an MSI-X vector. */
class MsiDesc {
  /** Vector control as last written. */
  msix_ctrl = 0;
  constructor(
    readonly dev: PciDev,
    readonly index: number,
  ) {}
  get address(): number {
    return this.dev.msix_base + this.index * MsixEntry.$size;
  }
}

/** Bits in a flat logical destination (Intel SDM vol. 3 §11.6.2.2). */
const FLAT_CPUS = 8;

/** As long as a mask can name every CPU it does (Linux: apic_flat), beyond that the APIC's own number does (apic_physflat). */
const messageAddress = (cpu: number, cpus: number): number =>
  (cpus <= FLAT_CPUS ? MSI_BASE | (1 << (cpu + 12)) | MSI_ADDR_LOGICAL : MSI_BASE | (cpu << 12)) >>> 0;

/** Writes a message; the read makes sure that it has arrived. */
function pciWriteMsg(desc: IrqDesc, kernel: Kernel, low: number, data: number): void {
  const entry = (desc.chip_data as MsiDesc).address;
  const { io } = kernel;
  io.writel(low, entry + MsixEntry.addr_lo.offset);
  io.writel(0, entry + MsixEntry.addr_hi.offset);
  io.writel(data, entry + MsixEntry.data.offset);
  io.readl(entry + MsixEntry.data.offset);
}

function pciMsixMask(msi: MsiDesc, kernel: Kernel): void {
  msi.msix_ctrl |= PCI_MSIX_ENTRY_CTRL_MASKBIT;
  kernel.io.writel(msi.msix_ctrl, msi.address + MsixEntry.vector_ctrl.offset);
  kernel.io.readl(msi.dev.msix_base); // flush
}

/** The one message of a function with MSI (Linux: struct msi_desc of an MSI). */
class MsiMessage {
  constructor(
    readonly dev: PciDev,
    readonly at: ReturnType<typeof msiLayout>,
    readonly wide: boolean,
  ) {}
}

/** Writes the message; the read makes sure that it has arrived. */
function writeMsi(msi: MsiMessage, low: number, data: number): void {
  const { dev } = msi;
  const { access } = dev.core;
  const at = dev.msi_cap;
  const control = access.pci_read_config_word(dev, at + MsiCap.control.offset);
  const one = control & ~(PCI_MSI_FLAGS.LOG2_MASK << PCI_MSI_FLAGS.ENABLED_SHIFT);
  access.pci_write_config_word(dev, at + MsiCap.control.offset, one);
  access.pci_write_config_dword(dev, at + MsiCap.addr_lo.offset, low);
  if (msi.wide) access.pci_write_config_dword(dev, at + MsiCap.addr_lo.offset + 4, 0);
  access.pci_write_config_word(dev, at + msi.at.data, data);
  access.pci_read_config_word(dev, at + MsiCap.control.offset);
}

function maskMsi(msi: MsiMessage, mask: number): void {
  if (msi.at.mask === 0) return;
  msi.dev.core.access.pci_write_config_dword(msi.dev, msi.dev.msi_cap + msi.at.mask, mask);
}

const PCI_MSI_CHIP: IrqChip = ops<IrqChip>({
  name: 'PCI-MSI',
  irq_mask(desc, kernel) {
    if (desc.chip_data instanceof MsiDesc) pciMsixMask(desc.chip_data, kernel);
    else maskMsi(desc.chip_data as MsiMessage, 1);
  },
  irq_unmask(desc, kernel) {
    const msi = desc.chip_data as MsiDesc | MsiMessage;
    if (!(msi instanceof MsiDesc)) return maskMsi(msi, 0);
    msi.msix_ctrl &= ~PCI_MSIX_ENTRY_CTRL_MASKBIT;
    kernel.io.writel(msi.msix_ctrl, msi.address + MsixEntry.vector_ctrl.offset);
  },
  irq_write_msi_msg(desc, kernel, cpu, vector) {
    const low = messageAddress(cpu, kernel.platform.cpus.list.length);
    if (desc.chip_data instanceof MsiDesc) pciWriteMsg(desc, kernel, low, vector);
    else writeMsi(desc.chip_data as MsiMessage, low, vector);
  },
  irq_clear_msi_msg(desc, kernel) {
    if (desc.chip_data instanceof MsiDesc) pciWriteMsg(desc, kernel, 0, 0);
    else writeMsi(desc.chip_data as MsiMessage, 0, 0);
  },
});

export class PciMsi {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'pci_alloc_irq_vectors',
    'pci_msix_clear_and_set_ctrl',
    'msix_map_region',
    'msix_mask_all',
  ]);
  constructor(
    readonly kernel: Kernel,
    private readonly core: PciCore,
  ) {}

  /** Vectors the function has, -EINVAL without MSI-X. */
  pci_msix_vec_count(dev: PciDev): number {
    if (dev.msix_cap === 0) return -Errno.EINVAL;
    return (this.core.access.pci_read_config_word(dev, dev.msix_cap + MsixCap.control.offset) & PCI_MSIX_FLAGS.QSIZE) + 1;
  }

  /**
   * Vectors for a function, of the kinds in `flags` (PCI_IRQ) in the order MSI-X, MSI, line; how many, or -errno when `min` are not to be had.
   * Their numbers are pci_irq_vector()'s.
   */
  pci_alloc_irq_vectors(dev: PciDev, min: number, max: number, flags: number = PCI_IRQ.MSIX): number {
    const err = this.kernel.drivers.failFunction.should_fail('pci_alloc_irq_vectors_affinity');
    return err < 0 ? err : this.pci_alloc_irq_vectors_affinity(dev, min, max, flags);
  }

  pci_alloc_irq_vectors_affinity(dev: PciDev, min: number, max: number, flags: number): number {
    let got: number = -Errno.ENOSPC;
    if ((flags & PCI_IRQ.MSIX) !== 0) {
      got = this.__pci_enable_msix_range(dev, min, max);
      if (got > 0) return got;
    }
    if ((flags & PCI_IRQ.MSI) !== 0) {
      got = this.__pci_enable_msi_range(dev, min, max);
      if (got > 0) return got;
    }
    if ((flags & PCI_IRQ.LEGACY) !== 0 && min === 1 && dev.irq !== 0) {
      this.core.pci_intx(dev, true);
      return 1;
    }
    return got;
  }

  /** Messages the function asks for, -EINVAL without MSI. */
  pci_msi_vec_count(dev: PciDev): number {
    if (dev.msi_cap === 0) return -Errno.EINVAL;
    const control = this.core.access.pci_read_config_word(dev, dev.msi_cap + MsiCap.control.offset);
    return 1 << ((control >>> PCI_MSI_FLAGS.CAPABLE_SHIFT) & PCI_MSI_FLAGS.LOG2_MASK);
  }

  /** The machine's word on message-signalled interrupts (Linux: pci_msi_supported()). */
  pci_msi_supported(dev: PciDev): boolean {
    return this.kernel.bootOption('pci', 'nomsi') === undefined && !dev.no_msi && dev.registered;
  }

  /** One message: without interrupt remapping x86 gives no more. 1 or -errno. */
  __pci_enable_msi_range(dev: PciDev, min: number, max: number): number {
    if (!this.pci_msi_supported(dev) || dev.msi_enabled || dev.msix_enabled) return -Errno.EINVAL;
    const count = this.pci_msi_vec_count(dev);
    if (count < 0) return count;
    if (count < min || min > 1 || max < 1) return -Errno.ENOSPC;
    return this.msi_capability_init(dev);
  }

  msi_capability_init(dev: PciDev): number {
    const { irq } = this.kernel;
    this.pci_msi_set_enable(dev, false);
    const control = this.core.access.pci_read_config_word(dev, dev.msi_cap + MsiCap.control.offset);
    const wide = (control & PCI_MSI_FLAGS.WIDE) !== 0;
    const msi = new MsiMessage(dev, msiLayout(wide, (control & PCI_MSI_FLAGS.MASKBIT) !== 0), wide);
    maskMsi(msi, 1);
    const desc = irq.irq_alloc_desc(PCI_MSI_CHIP, ((dev.busNumber << 8) | dev.devfn) << 11, msi, -1);
    dev.msiDescs.push(desc);
    irq.vectors.writeReserved(desc);
    this.core.pci_intx(dev, false);
    dev.msi_enabled = true;
    this.pci_msi_set_enable(dev, true);
    this.core.acpi_pci_irq_disable(dev);
    dev.irq = desc.irq;
    return 1;
  }

  pci_msi_set_enable(dev: PciDev, enable: boolean): void {
    const at = dev.msi_cap + MsiCap.control.offset;
    const control = this.core.access.pci_read_config_word(dev, at);
    this.core.access.pci_write_config_word(dev, at, enable ? control | PCI_MSI_FLAGS.ENABLE : control & ~PCI_MSI_FLAGS.ENABLE);
  }

  pci_disable_msi(dev: PciDev): void {
    if (!dev.msi_enabled) return;
    const [desc] = dev.msiDescs;
    this.pci_msi_set_enable(dev, false);
    this.core.pci_intx(dev, true);
    dev.msi_enabled = false;
    maskMsi(desc.chip_data as MsiMessage, 0);
    this.kernel.irq.irq_free_desc(desc.irq);
    dev.msiDescs.length = 0;
    // the line again, if the function is still enabled (Linux: pcibios_alloc_irq())
    if (dev.pin !== 0) this.core.acpi_pci_irq_enable(dev, dev.pin);
  }

  __pci_enable_msix_range(dev: PciDev, min: number, max: number): number {
    if (!this.pci_msi_supported(dev) || dev.msi_enabled || dev.msix_enabled) return -Errno.EINVAL;
    const size = this.pci_msix_vec_count(dev);
    if (size < 0) return size;
    const nvec = Math.min(max, size);
    if (nvec < min) return -Errno.ENOSPC;
    const ret = this.msix_capability_init(dev, nvec);
    return ret < 0 ? ret : nvec;
  }

  msix_capability_init(dev: PciDev, nvec: number): number {
    const { access } = this.core;
    // all vectors masked before MSI-X is on, so that none fires half-written
    this.pci_msix_clear_and_set_ctrl(dev, 0, PCI_MSIX_FLAGS.MASKALL | PCI_MSIX_FLAGS.ENABLE);
    const size = (access.pci_read_config_word(dev, dev.msix_cap + MsixCap.control.offset) & PCI_MSIX_FLAGS.QSIZE) + 1;
    const base = this.msix_map_region(dev, size);
    if (base === 0) {
      this.pci_msix_clear_and_set_ctrl(dev, PCI_MSIX_FLAGS.MASKALL | PCI_MSIX_FLAGS.ENABLE, 0);
      return -Errno.ENOMEM;
    }
    dev.msix_base = base;
    access.pci_read_config_word(dev, dev.msix_cap + MsixCap.control.offset);
    this.msix_setup_msi_descs(dev, nvec);
    this.core.pci_intx(dev, false);
    dev.msix_enabled = true;
    this.msix_mask_all(dev, size);
    this.pci_msix_clear_and_set_ctrl(dev, PCI_MSIX_FLAGS.MASKALL, 0);
    return 0;
  }

  msix_map_region(dev: PciDev, entries: number): number {
    const table = this.core.access.pci_read_config_dword(dev, dev.msix_cap + MsixCap.table.offset);
    return this.core.pci_iomap_range(dev, table & PCI_MSIX_BIR, table & ~PCI_MSIX_BIR, entries * MsixEntry.$size);
  }

  msix_setup_msi_descs(dev: PciDev, nvec: number): void {
    const { io, irq } = this.kernel;
    const msis: MsiDesc[] = [];
    for (let i = 0; i < nvec; i++) {
      const msi = new MsiDesc(dev, i);
      msi.msix_ctrl = io.readl(msi.address + MsixEntry.vector_ctrl.offset);
      msis.push(msi);
    }
    // Linux: pci_msi_domain_calc_hwirq()
    for (const msi of msis)
      dev.msiDescs.push(irq.irq_alloc_desc(PCI_MSI_CHIP, (((dev.busNumber << 8) | dev.devfn) << 11) | msi.index, msi, -1));
    for (const desc of dev.msiDescs) irq.vectors.writeReserved(desc);
  }

  msix_mask_all(dev: PciDev, entries: number): void {
    for (let i = 0; i < entries; i++)
      this.kernel.io.writel(PCI_MSIX_ENTRY_CTRL_MASKBIT, dev.msix_base + i * MsixEntry.$size + MsixEntry.vector_ctrl.offset);
  }

  pci_msix_clear_and_set_ctrl(dev: PciDev, clear: number, set: number): void {
    const at = dev.msix_cap + MsixCap.control.offset;
    const control = this.core.access.pci_read_config_word(dev, at);
    this.core.access.pci_write_config_word(dev, at, (control & ~clear) | set);
  }

  /** Interrupt number of vector `n`, -EINVAL when there is none; without messages the line is vector 0. */
  pci_irq_vector(dev: PciDev, n: number): number {
    if (!dev.msi_enabled && !dev.msix_enabled) return n === 0 ? dev.irq : -Errno.EINVAL;
    return dev.msiDescs[n]?.irq ?? -Errno.EINVAL;
  }

  pci_free_irq_vectors(dev: PciDev): void {
    this.pci_disable_msix(dev);
    this.pci_disable_msi(dev);
  }

  pci_disable_msix(dev: PciDev): void {
    if (!dev.msix_enabled) return;
    this.pci_msix_shutdown(dev);
    for (const desc of dev.msiDescs) this.kernel.irq.irq_free_desc(desc.irq);
    dev.msiDescs.length = 0;
  }

  pci_msix_shutdown(dev: PciDev): void {
    for (const desc of dev.msiDescs) pciMsixMask(desc.chip_data as MsiDesc, this.kernel);
    this.pci_msix_clear_and_set_ctrl(dev, PCI_MSIX_FLAGS.ENABLE, 0);
    this.core.pci_intx(dev, true);
    dev.msix_enabled = false;
  }

  /** At discovery: remembers the capability and turns MSI off. */
  pci_msi_init(dev: PciDev): void {
    dev.msi_cap = this.core.access.pci_find_capability(dev, PCI_CAP_ID.MSI);
    if (dev.msi_cap === 0) return;
    const control = this.core.access.pci_read_config_word(dev, dev.msi_cap + MsiCap.control.offset);
    if ((control & PCI_MSI_FLAGS.ENABLE) !== 0)
      this.core.access.pci_write_config_word(dev, dev.msi_cap + MsiCap.control.offset, control & ~PCI_MSI_FLAGS.ENABLE);
  }

  /** At discovery: remembers the capability and turns MSI-X off. */
  pci_msix_init(dev: PciDev): void {
    dev.msix_cap = this.core.access.pci_find_capability(dev, PCI_CAP_ID.MSIX);
    if (dev.msix_cap === 0) return;
    const control = this.core.access.pci_read_config_word(dev, dev.msix_cap + MsixCap.control.offset);
    if ((control & PCI_MSIX_FLAGS.ENABLE) !== 0)
      this.core.access.pci_write_config_word(dev, dev.msix_cap + MsixCap.control.offset, control & ~PCI_MSIX_FLAGS.ENABLE);
  }
}
