// struct pci_dev, its resources, and the op tables of PCI drivers.
import { PCI_CFG_SPACE_EXP_SIZE, PCI_CFG_SPACE_SIZE, pciName } from '../../pci/config_space.ts';
import { PCI_ANY_ID } from '../../pci/ids.ts';
import { type BusType, Device } from '../../kernel/device.ts';
import type { IrqDesc } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Resource } from '../../kernel/resource.ts';
import type { DmaContext } from '../../platform/dma.ts';
import type { PciCore } from './pci.ts';

/** Linux: include/linux/ioport.h; the bits of a PCI resource. */
export const IORESOURCE = { IO: 0x100, MEM: 0x200, PREFETCH: 0x2000, READONLY: 0x4000, SIZEALIGN: 0x40000, MEM_64: 0x100000 } as const;
export const PCI_ROM_RESOURCE = 6;

/** A base address register's range; `flags` 0 when the register is not implemented. */
export class PciResource {
  start = 0;
  end = -1;
  flags = 0;
  /** Its entry in iomem or ioports while the device exists, and the driver's inside it. */
  claimed: Resource | undefined;
  region: Resource | undefined;
  get size(): number {
    return this.end - this.start + 1;
  }
}

export class PciDev extends Device {
  vendor = 0;
  device = 0;
  subsystem_vendor = 0;
  subsystem_device = 0;
  /** Base class, subclass, programming interface: 0x020000. */
  class = 0;
  revision = 0;
  hdr_type = 0;
  /** 1 to 4 for INTA to INTD. */
  pin = 0;
  /** The line's interrupt: what firmware wrote, or the I/O APIC pin once enabled. */
  irq = 0;
  readonly resource: PciResource[] = [];
  msix_cap = 0;
  pcie_cap = 0;
  pm_cap = 0;
  cfg_size = PCI_CFG_SPACE_SIZE;
  enable_cnt = 0;
  /** What sysfs lets a person say of it. */
  no_msi = false;
  broken_parity = false;
  d3cold_allowed = true;
  is_busmaster = false;
  msix_enabled = false;
  msi_cap = 0;
  msi_enabled = false;
  /** The line's number is in use by this function. */
  irq_managed = false;
  /** One per vector while MSI-X or MSI is on. */
  readonly msiDescs: IrqDesc[] = [];
  /** Bus address of the MSI-X table. */
  msix_base = 0;
  override readonly dma: DmaContext;
  dma_mask_bits = 32;
  coherent_dma_mask_bits = 32;
  /** pci_set_drvdata() */
  driver_data: object | undefined;

  constructor(
    readonly core: PciCore,
    readonly busNumber: number,
    readonly devfn: number,
    bus: BusType,
    parent: Device,
  ) {
    super(pciName(busNumber, devfn), bus, parent);
    this.dma = core.kernel.platform.dmaContext(this.name);
    for (let i = 0; i <= PCI_ROM_RESOURCE; i++) this.resource.push(new PciResource());
  }

  get kernel(): Kernel {
    return this.core.kernel;
  }

  /** Conventional space has 256 bytes, PCI Express 4096. */
  setExpress(cap: number): void {
    this.pcie_cap = cap;
    this.cfg_size = PCI_CFG_SPACE_EXP_SIZE;
  }
}

/** A row of a driver's id table; PCI_ANY_ID matches all. */
export interface PciDeviceId {
  readonly vendor: number;
  readonly device: number;
  readonly subvendor: number;
  readonly subdevice: number;
  /** Class bits that matter, and their mask; none when absent. */
  readonly class?: number;
  readonly class_mask?: number;
}

/** Linux: pci_match_one_device(). */
export function matchesId(
  id: PciDeviceId,
  f: Pick<PciDev, 'vendor' | 'device' | 'subsystem_vendor' | 'subsystem_device' | 'class'>,
): boolean {
  const fits = (want: number, have: number): boolean => want === PCI_ANY_ID || want === have;
  return (
    fits(id.vendor, f.vendor) &&
    fits(id.device, f.device) &&
    fits(id.subvendor, f.subsystem_vendor) &&
    fits(id.subdevice, f.subsystem_device) &&
    (((id.class ?? 0) ^ f.class) & (id.class_mask ?? 0)) === 0
  );
}
export const PCI_DEVICE = (vendor: number, device: number): PciDeviceId => ({
  vendor,
  device,
  subvendor: PCI_ANY_ID,
  subdevice: PCI_ANY_ID,
});

/** What a PCI driver implements; the object is the module's state. */
export interface PciDriver {
  readonly name: string;
  readonly idTable: readonly PciDeviceId[];
  onProbe(dev: PciDev, id: PciDeviceId): number;
  onRemove(dev: PciDev): void;
}

const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');

/** 'pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00' */
export const pciModalias = (d: PciDev): string =>
  `pci:v${hex(d.vendor, 8)}d${hex(d.device, 8)}sv${hex(d.subsystem_vendor, 8)}sd${hex(d.subsystem_device, 8)}` +
  `bc${hex(d.class >>> 16, 2)}sc${hex((d.class >>> 8) & 0xff, 2)}i${hex(d.class & 0xff, 2)}`;
