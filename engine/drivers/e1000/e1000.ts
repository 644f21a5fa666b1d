// The e1000 driver for Intel's 82540EM: probe with its unwinding, remove, and the module (Linux: drivers/net/ethernet/intel/e1000/e1000_main.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { PIO_OFFSET } from '../../kernel/io.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { NAPI_POLL_WEIGHT } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID } from '../../pci/ids.ts';
import { formatMac } from '../../wire/addresses.ts';
import type { PciCore } from '../pci/pci.ts';
import { IORESOURCE, PCI_DEVICE, type PciDev, type PciDeviceId, type PciDriver } from '../pci/pci_dev.ts';
import { adapterOf, E1000Adapter82540 } from './adapter.ts';
import { E1000Hw82540 } from './hw.ts';
import { e1000_ethtool_ops, e1000_netdev_ops, E1000Main } from './main.ts';
import { E1000Rings } from './rings.ts';
import { E1000Stats82540 } from './stats.ts';

const ID_TABLE: readonly PciDeviceId[] = Object.freeze([Object.freeze(PCI_DEVICE(PCI_VENDOR_ID.INTEL, PCI_DEVICE_ID.INTEL_82540EM))]);
const REGISTER_BAR = 0;
const MIN_MTU = 46;
const MAX_MTU = 16110;

export class E1000Driver82540 implements PciDriver {
  readonly name = 'e1000';
  readonly idTable = ID_TABLE;
  constructor(readonly kernel: Kernel) {}

  onProbe(dev: PciDev): number {
    return this.e1000_probe(dev);
  }
  onRemove(dev: PciDev): void {
    this.e1000_remove(dev);
  }

  e1000_probe(pdev: PciDev): number {
    const { kernel } = this;
    const { core } = pdev;
    const bars = core.pci_select_bars(pdev, IORESOURCE.MEM | IORESOURCE.IO);
    let err = core.pci_enable_device(pdev);
    if (err < 0) return err;
    err = core.pci_request_selected_regions(pdev, bars, this.name);
    if (err < 0) {
      core.pci_disable_device(pdev);
      return err;
    }
    core.pci_set_master(pdev);
    const dev = kernel.net.alloc_etherdev_mq(e1000_netdev_ops, 1);
    const adapter = this.setUpDevice(pdev, dev);
    err = adapter === undefined ? -Errno.EIO : this.setUpHardware(adapter);
    if (err < 0 || adapter === undefined) {
      if (adapter !== undefined) kernel.net.napi.netif_napi_del(adapter.napi);
      kernel.net.free_netdev(dev);
      core.pci_set_drvdata(pdev, undefined);
      core.pci_release_selected_regions(pdev, bars);
      core.pci_disable_device(pdev);
      return err;
    }
    const { printk } = kernel;
    printk.netdev_info(dev, `(PCI:33MHz:32-bit) ${formatMac(dev.dev_addr)}`);
    kernel.net.link.netif_carrier_off(dev);
    printk.netdev_info(dev, 'Intel(R) PRO/1000 Network Connection');
    return 0;
  }

  private setUpDevice(pdev: PciDev, dev: NetDevice): E1000Adapter82540 | undefined {
    const { core } = pdev;
    const registers = core.pci_iomap_range(pdev, REGISTER_BAR, 0, pdev.resource[REGISTER_BAR].size);
    const io = pdev.resource.findIndex((r) => (r.flags & IORESOURCE.IO) !== 0);
    if (registers === 0 || io < 0) return undefined;
    const adapter = new E1000Adapter82540(pdev, dev, registers, core.pci_iomap_range(pdev, io, 0, pdev.resource[io].size) - PIO_OFFSET);
    dev.priv = adapter;
    dev.parent = pdev;
    dev.ethtool_ops = e1000_ethtool_ops;
    dev.watchdog_timeo = 5_000_000_000;
    dev.min_mtu = MIN_MTU;
    dev.max_mtu = MAX_MTU;
    core.pci_set_drvdata(pdev, adapter);
    adapter.napi = this.kernel.net.napi.netif_napi_add(dev, adapter.main, NAPI_POLL_WEIGHT, 0);
    dev.hw_features = NETIF_F.SG | NETIF_F.HW_CSUM;
    dev.features = dev.hw_features | NETIF_F.RXCSUM | NETIF_F.HIGHDMA;
    dev.hw_features |= NETIF_F.RXCSUM;
    dev.vlan_features |= NETIF_F.HW_CSUM | NETIF_F.SG;
    dev.priv_flags.add('IFF_UNICAST_FLT');
    return adapter;
  }

  /** A known state, the address, the first initialisation; 0 or -errno. */
  private setUpHardware(adapter: E1000Adapter82540): number {
    const { hw, dev, pdev, main } = adapter;
    const { printk, net } = this.kernel;
    main.e1000_irq_disable();
    hw.e1000_reset_hw();
    let err = hw.e1000_validate_eeprom_checksum();
    if (err < 0) {
      printk.dev_err(pdev, 'The EEPROM Checksum Is Not Valid');
      return err;
    }
    err = hw.e1000_read_mac_addr();
    if (err < 0) {
      printk.dev_err(pdev, 'EEPROM Read Error');
      return err;
    }
    dev.dev_addr = hw.mac_addr.slice();
    dev.perm_addr = hw.perm_mac_addr.slice();
    main.e1000_reset();
    dev.name = 'eth%d';
    return net.register_netdev(dev);
  }

  e1000_remove(pdev: PciDev): void {
    const { kernel } = this;
    const { core } = pdev;
    const { dev, napi, watchdog_task, reset_task } = core.pci_get_drvdata(pdev) as E1000Adapter82540;
    kernel.net.unregister_netdev(dev);
    kernel.workqueues.cancel_delayed_work_sync(watchdog_task);
    kernel.workqueues.cancel_work_sync(reset_task);
    adapterOf(dev).hw.e1000_reset_hw();
    kernel.net.napi.netif_napi_del(napi);
    core.pci_release_selected_regions(pdev, core.pci_select_bars(pdev, IORESOURCE.MEM | IORESOURCE.IO));
    kernel.net.free_netdev(dev);
    core.pci_disable_device(pdev);
    core.pci_set_drvdata(pdev, undefined);
  }
}

export const E1000_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'e1000',
  path: 'kernel/drivers/net/ethernet/intel/e1000/e1000.ko',
  size: 163840,
  depends: [],
  description: 'Intel(R) PRO/1000 Network Driver',
  author: 'Intel Corporation, <linux.nics@intel.com>',
  license: 'GPL v2',
  aliases: ['pci:v00008086d0000100Esv*sd*bc*sc*i*'],
  functions: [E1000Driver82540, E1000Hw82540, E1000Main, E1000Rings, E1000Stats82540],
  init(kernel, module) {
    kernel.printk.pr_info('e1000: Intel(R) PRO/1000 Network Driver');
    kernel.printk.pr_info('e1000: Copyright (c) 1999-2006 Intel Corporation.');
    const driver = new E1000Driver82540(kernel);
    module.state = driver;
    return (kernel.modules.state('pci') as PciCore).bus.__pci_register_driver(driver, module.name);
  },
  exit(kernel, module) {
    (kernel.modules.state('pci') as PciCore).bus.pci_unregister_driver(module.state as E1000Driver82540);
  },
});
