// The PCI bus type: drivers and their id tables, matching, probe and remove (Linux: drivers/pci/pci-driver.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { PCI_ANY_ID } from '../../pci/ids.ts';
import { type BusType, type Device, DeviceDriver } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { matchesId, PCI_DEVICE, type PciDev, type PciDeviceId, type PciDriver, pciModalias } from './pci_dev.ts';
import { PCI_BUS_ATTRIBUTES, PCI_DRIVER_ATTRIBUTES, pciAttributes, pciProcLine } from './pci_sysfs.ts';

export const PCI_BUS_TYPE: BusType = ops<BusType>({
  name: 'pci',
  match: (dev, drv) => asPci(dev).core.bus.pci_bus_match(asPci(dev), drv),
  probe: (dev, drv) => asPci(dev).core.bus.pci_device_probe(asPci(dev), drv),
  remove: (dev, drv) => asPci(dev).core.bus.pci_device_remove(asPci(dev), drv),
  uevent(dev) {
    const d = asPci(dev);
    return [
      `PCI_CLASS=${d.class.toString(16).toUpperCase()}`,
      `PCI_ID=${hex(d.vendor, 4)}:${hex(d.device, 4)}`,
      `PCI_SUBSYS_ID=${hex(d.subsystem_vendor, 4)}:${hex(d.subsystem_device, 4)}`,
      `PCI_SLOT_NAME=${d.name}`,
      `MODALIAS=${pciModalias(d)}`,
    ];
  },
  attributes: pciAttributes,
  proc_line: pciProcLine,
  bus_attributes: PCI_BUS_ATTRIBUTES,
  driver_attributes: PCI_DRIVER_ATTRIBUTES,
});

const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');
const asPci = (dev: Device): PciDev => dev as PciDev;

/** A registered PCI driver: its own ops, and ids added through new_id. */
export class PciDeviceDriver extends DeviceDriver {
  readonly dynids: PciDeviceId[] = [];
  constructor(
    readonly driver: PciDriver,
    module: string,
  ) {
    super(driver.name, PCI_BUS_TYPE, module, driver);
  }
}

export class PciBus {
  constructor(readonly kernel: Kernel) {}

  __pci_register_driver(driver: PciDriver, module: string): number {
    return this.kernel.drivers.driver_register(new PciDeviceDriver(driver, module));
  }

  pci_unregister_driver(driver: PciDriver): void {
    const drv = this.kernel.drivers.bus('pci')?.drivers.find((d) => d.ops === driver);
    if (drv !== undefined) this.kernel.drivers.driver_unregister(drv);
  }

  pci_bus_match(dev: PciDev, drv: DeviceDriver): boolean {
    return this.pci_match_device(drv as PciDeviceDriver, dev) !== undefined;
  }

  pci_match_device(drv: PciDeviceDriver, dev: PciDev): PciDeviceId | undefined {
    if (dev.driver_override !== undefined && dev.driver_override !== drv.name) return undefined;
    const found = drv.dynids.find((id) => matchesId(id, dev)) ?? drv.driver.idTable.find((id) => matchesId(id, dev));
    // who was named takes the function whatever it is
    return found ?? (dev.driver_override === undefined ? undefined : PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID));
  }

  pci_device_probe(dev: PciDev, drv: DeviceDriver): number {
    return this.__pci_device_probe(drv as PciDeviceDriver, dev);
  }

  __pci_device_probe(drv: PciDeviceDriver, dev: PciDev): number {
    const id = this.pci_match_device(drv, dev);
    return id === undefined ? -Errno.ENODEV : this.local_pci_probe(drv, dev, id);
  }

  local_pci_probe(drv: PciDeviceDriver, dev: PciDev, id: PciDeviceId): number {
    return drv.driver.onProbe(dev, id);
  }

  pci_device_remove(dev: PciDev, drv: DeviceDriver): void {
    (drv as PciDeviceDriver).driver.onRemove(dev);
  }
}
