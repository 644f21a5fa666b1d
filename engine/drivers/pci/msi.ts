// MSI-X (Linux: drivers/pci/msi): vectors of a function, its table in a BAR, messages, masks.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { MsixCap, MsixEntry, PCI_CAP_ID, PCI_MSIX_BIR, PCI_MSIX_ENTRY_CTRL_MASKBIT, PCI_MSIX_FLAGS } from '../../pci/capabilities.ts';
import type { IrqChip, IrqDesc } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { MSI_ADDR_LOGICAL } from '../../platform/apic.ts';
import { MSI_BASE } from '../../platform/bus.ts';
import type { PciCore } from './pci.ts';
import type { PciDev } from './pci_dev.ts';

/** Linux: struct msi_desc */
export class MsiDesc {
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

const PCI_MSI_CHIP: IrqChip = ops<IrqChip>({
  name: 'PCI-MSI',
  irq_mask: (desc, kernel) => pciMsixMask(desc.chip_data as MsiDesc, kernel),
  irq_unmask(desc, kernel) {
    const msi = desc.chip_data as MsiDesc;
    msi.msix_ctrl &= ~PCI_MSIX_ENTRY_CTRL_MASKBIT;
    kernel.io.writel(msi.msix_ctrl, msi.address + MsixEntry.vector_ctrl.offset);
  },
  irq_write_msi_msg: (desc, kernel, cpu, vector) =>
    pciWriteMsg(desc, kernel, messageAddress(cpu, kernel.platform.cpus.list.length), vector),
  irq_clear_msi_msg: (desc, kernel) => pciWriteMsg(desc, kernel, 0, 0),
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

  /** Turns MSI-X on with at most `max` vectors; how many, or -errno when `min` are not to be had. */
  pci_alloc_irq_vectors(dev: PciDev, min: number, max: number): number {
    const err = this.kernel.drivers.failFunction.should_fail('pci_alloc_irq_vectors_affinity');
    return err < 0 ? err : this.__pci_enable_msix_range(dev, min, max);
  }

  __pci_enable_msix_range(dev: PciDev, min: number, max: number): number {
    if (dev.msix_enabled) return -Errno.EINVAL;
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

  /** Interrupt number of vector `n`, -EINVAL when there is none. */
  pci_irq_vector(dev: PciDev, n: number): number {
    return dev.msiDescs[n]?.irq ?? -Errno.EINVAL;
  }

  pci_free_irq_vectors(dev: PciDev): void {
    this.pci_disable_msix(dev);
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

  /** At discovery: remembers the capability and turns MSI-X off. */
  pci_msix_init(dev: PciDev): void {
    dev.msix_cap = this.core.access.pci_find_capability(dev, PCI_CAP_ID.MSIX);
    if (dev.msix_cap === 0) return;
    const control = this.core.access.pci_read_config_word(dev, dev.msix_cap + MsixCap.control.offset);
    if ((control & PCI_MSIX_FLAGS.ENABLE) !== 0)
      this.core.access.pci_write_config_word(dev, dev.msix_cap + MsixCap.control.offset, control & ~PCI_MSIX_FLAGS.ENABLE);
  }
}
