// PCI as built into the kernel: the bus is registered and scanned at boot.
import { ops } from '../../base/ops.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { PciAccess } from './access.ts';
import { PciAcpi } from './acpi.ts';
import { builtinDrivers } from './builtin_drivers.ts';
import { PciMsi } from './msi.ts';
import { PciCore } from './pci.ts';
import { PCI_BUS_TYPE, PciBus } from './pci_driver.ts';
import { PciProbe } from './probe.ts';
import { PciSetup } from './setup.ts';

export const PCI_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'pci',
  path: '',
  size: 0,
  depends: [],
  description: 'PCI subsystem',
  license: 'GPL',
  functions: [PciCore, PciAccess, PciMsi, PciBus, PciProbe, PciSetup, PciAcpi],
  init(kernel, module) {
    const core = new PciCore(kernel);
    module.state = core;
    kernel.drivers.hotplug = core.probe;
    kernel.drivers.failFunction.allow('', [
      'alloc_etherdev_mqs',
      'register_netdevice',
      'pci_alloc_irq_vectors_affinity',
      'request_threaded_irq',
    ]);
    kernel.drivers.bus_register(PCI_BUS_TYPE);
    core.probe.pci_scan_root_bus();
    for (const driver of builtinDrivers()) core.bus.__pci_register_driver(driver, '');
    kernel.printk.pr_info('shpchp: Standard Hot Plug PCI Controller Driver version: 0.4');
    return 0;
  },
});
