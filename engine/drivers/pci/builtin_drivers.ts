// PCI drivers that Debian's kernel has built in and whose hardware no machine of this world has: registered, and bound to nothing.
import { Errno } from '../../base/errno.ts';
import type { PciDev, PciDeviceId, PciDriver } from './pci_dev.ts';

/** A driver whose device is not modelled; asked all the same (new_id), it finds nothing it knows. */
class UnmatchedDriver implements PciDriver {
  readonly idTable: readonly PciDeviceId[] = Object.freeze([]);
  constructor(readonly name: string) {}
  onProbe(_dev: PciDev): number {
    return -Errno.ENODEV;
  }
  onRemove(_dev: PciDev): void {
    // it is never bound
  }
}

/** In order of registration; after shpchp's comes its line in the log. */
const NAMES = [
  'pcieport',
  'shpchp',
  'xen-platform-pci',
  'iosf_mbi_pci',
  'serial',
  '8250_mid',
  '8250_pericom',
  'agpgart-intel',
  'agpgart-sis',
  'agpgart-via',
] as const;

export const builtinDrivers = (): PciDriver[] => NAMES.map((name) => new UnmatchedDriver(name));
