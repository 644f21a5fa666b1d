// The e1000e driver for Intel's 82574L: probe with its unwinding, remove, and the module (Linux: drivers/net/ethernet/intel/e1000e/netdev.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Module, ModuleDef } from '../../kernel/module.ts';
import { NAPI_POLL_WEIGHT } from '../../kernel/napi.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { NVM } from '../../pci/e1000e_phy.ts';
import { E1000 } from '../../pci/e1000e_regs.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID } from '../../pci/ids.ts';
import { formatMac } from '../../wire/addresses.ts';
import type { PciCore } from '../pci/pci.ts';
import { IORESOURCE, PCI_DEVICE, type PciDev, type PciDeviceId, type PciDriver } from '../pci/pci_dev.ts';
import { E1000Adapter, type E1000Parts, MAX_HW_FRAME_SIZE } from './adapter.ts';
import { E1000Ethtool, e1000_ethtool_ops } from './ethtool.ts';
import { E1000Hang } from './hang.ts';
import { E1000Hw } from './hw.ts';
import { E1000Intr } from './intr.ts';
import { E1000Netdev, e1000e_netdev_ops } from './netdev.ts';
import { E1000E_PARAMS, E1000Params } from './param.ts';
import { E1000Phy } from './phy.ts';
import { E1000Rx } from './rx.ts';
import { E1000SelfTest } from './self_test.ts';
import { E1000Stats } from './stats.ts';
import { E1000Tx } from './tx.ts';

const ID_TABLE: readonly PciDeviceId[] = Object.freeze([Object.freeze(PCI_DEVICE(PCI_VENDOR_ID.INTEL, PCI_DEVICE_ID.INTEL_82574L))]);
const MIN_MTU = 68;
const VLAN_ETH_HLEN = 18;
const ETH_FCS_LEN = 4;
/** PCI Express capability: device control's error reporting bits. */
const EXP_DEVCTL = 8;
const EXP_DEVCTL_ERRORS = 0xf;
const EXP_LNKSTA = 0x12;
const PM_CTRL = 4;
const REGISTER_BAR = 0;

export class E1000Driver implements PciDriver {
  readonly name = 'e1000e';
  readonly idTable = ID_TABLE;
  /** Boards found so far: the module's parameters have a value for each. */
  private cards_found = 0;
  constructor(
    readonly kernel: Kernel,
    private readonly module: Module,
    private readonly parts: E1000Parts,
  ) {}

  onProbe(dev: PciDev): number {
    return this.e1000_probe(dev);
  }
  onRemove(dev: PciDev): void {
    this.e1000_remove(dev);
  }

  private should_fail(step: string): number {
    return this.kernel.drivers.failFunction.should_fail(step);
  }

  e1000_probe(pdev: PciDev): number {
    const { kernel } = this;
    const { core } = pdev;
    core.access.pci_read_config_word(pdev, pdev.pm_cap + PM_CTRL);
    let err = core.pci_enable_device(pdev);
    if (err < 0) return err;
    const bars = core.pci_select_bars(pdev, IORESOURCE.MEM);
    err = core.pci_request_selected_regions(pdev, bars, this.name);
    if (err < 0) {
      core.pci_disable_device(pdev);
      return err;
    }
    this.setErrorReporting(pdev, true);
    core.pci_set_master(pdev);
    err = this.should_fail('alloc_etherdev_mqs');
    if (err < 0) return this.unwind(pdev, bars, undefined, err);
    const dev = kernel.net.alloc_etherdev_mq(e1000e_netdev_ops, 1);
    const adapter = this.setUpDevice(pdev, dev);
    if (adapter === undefined) return this.unwind(pdev, bars, dev, -Errno.EIO);
    new E1000Params(this.module, adapter, this.cards_found++).e1000e_check_options();
    this.e1000_sw_init(adapter);
    err = this.setUpHardware(adapter) || this.should_fail('register_netdevice') || this.register(adapter);
    if (err < 0) {
      kernel.net.napi.netif_napi_del(adapter.napi);
      adapter.intr.e1000e_reset_interrupt_capability();
      return this.unwind(pdev, bars, dev, err);
    }
    this.e1000_print_device_info(adapter);
    return 0;
  }

  private unwind(pdev: PciDev, bars: number, dev: NetDevice | undefined, err: number): number {
    if (dev !== undefined) this.kernel.net.free_netdev(dev);
    pdev.core.pci_set_drvdata(pdev, undefined);
    this.setErrorReporting(pdev, false);
    pdev.core.pci_release_selected_regions(pdev, bars);
    pdev.core.pci_disable_device(pdev);
    return err;
  }

  /** Linux: pci_enable_pcie_error_reporting() and its opposite. */
  private setErrorReporting(pdev: PciDev, on: boolean): void {
    const { access } = pdev.core;
    const at = pdev.pcie_cap + EXP_DEVCTL;
    const value = access.pci_read_config_word(pdev, at);
    access.pci_write_config_word(pdev, at, on ? value | EXP_DEVCTL_ERRORS : value & ~EXP_DEVCTL_ERRORS);
  }

  private setUpDevice(pdev: PciDev, dev: NetDevice): E1000Adapter | undefined {
    const registers = pdev.core.pci_iomap_range(pdev, REGISTER_BAR, 0, pdev.resource[REGISTER_BAR].size);
    if (registers === 0) return undefined;
    const adapter = new E1000Adapter(pdev, dev, registers, this.parts);
    dev.priv = adapter;
    dev.parent = pdev;
    dev.name = pdev.name;
    pdev.core.pci_set_drvdata(pdev, adapter);
    dev.ethtool_ops = e1000_ethtool_ops;
    dev.watchdog_timeo = 5_000_000_000;
    adapter.napi = this.kernel.net.napi.netif_napi_add(dev, adapter.intr, NAPI_POLL_WEIGHT, 0);
    return adapter;
  }

  /** Software's state, and how interrupts come. */
  e1000_sw_init(adapter: E1000Adapter): void {
    adapter.netdev.e1000_alloc_queues();
    adapter.intr.e1000e_set_interrupt_capability();
    adapter.intr.e1000_irq_disable();
  }

  /** Identifies and resets the device, reads its memory; 0 or -errno. */
  private setUpHardware(adapter: E1000Adapter): number {
    const { kernel } = this;
    const { hw, dev, pdev } = adapter;
    hw.e1000_init_mac_params_82571();
    hw.e1000_init_nvm_params_82571();
    let err = hw.phy.e1000_get_phy_id_82571();
    if (err < 0) return err;
    pdev.core.access.pci_read_config_word(pdev, pdev.pcie_cap + EXP_LNKSTA);
    if (hw.e1000e_check_reset_block_generic()) kernel.printk.dev_info(pdev, 'PHY reset is blocked due to SOL/IDER session.');
    this.setUpFeatures(adapter);
    hw.er32(E1000.MANC);
    err = hw.e1000_reset_hw_82571() || hw.e1000e_validate_nvm_checksum_generic();
    if (err < 0) {
      kernel.printk.dev_err(pdev, 'The NVM Checksum Is Not Valid');
      return err;
    }
    hw.e1000_read_mac_addr_82571();
    dev.dev_addr = hw.mac_addr.slice();
    dev.perm_addr = hw.perm_addr.slice();
    // whether the board wakes up by magic packets, and which image its memory holds
    hw.e1000e_read_nvm_eerd(NVM.INIT_CONTROL3_A);
    adapter.eeprom_vers = hw.e1000e_read_nvm_eerd(NVM.VERSION);
    adapter.ptp = true;
    adapter.netdev.e1000e_reset();
    kernel.printk.netdev_info(dev, 'registered PHC clock');
    return 0;
  }

  private setUpFeatures({ dev }: E1000Adapter): void {
    dev.features =
      NETIF_F.SG |
      NETIF_F.HW_VLAN_CTAG_RX |
      NETIF_F.HW_VLAN_CTAG_TX |
      NETIF_F.TSO |
      NETIF_F.TSO6 |
      NETIF_F.RXHASH |
      NETIF_F.RXCSUM |
      NETIF_F.HW_CSUM;
    dev.hw_features = dev.features | NETIF_F.RXFCS | NETIF_F.RXALL;
    dev.features |= NETIF_F.HW_VLAN_CTAG_FILTER | NETIF_F.HIGHDMA;
    dev.vlan_features |= NETIF_F.SG | NETIF_F.TSO | NETIF_F.TSO6 | NETIF_F.HW_CSUM | NETIF_F.HIGHDMA;
    dev.priv_flags.add('IFF_SUPP_NOFCS');
    dev.priv_flags.add('IFF_UNICAST_FLT');
    dev.priv_flags.add('IFF_LIVE_ADDR_CHANGE');
    dev.min_mtu = MIN_MTU;
    dev.max_mtu = MAX_HW_FRAME_SIZE - (VLAN_ETH_HLEN + ETH_FCS_LEN);
  }

  private register(adapter: E1000Adapter): number {
    const { dev } = adapter;
    dev.name = 'eth%d';
    const err = this.kernel.net.register_netdev(dev);
    if (err < 0) return err;
    this.kernel.net.link.netif_carrier_off(dev);
    return 0;
  }

  e1000_print_device_info(adapter: E1000Adapter): void {
    const { printk } = this.kernel;
    const { dev, hw } = adapter;
    const word = (i: number): string => hw.e1000e_read_nvm_eerd(i).toString(16).toUpperCase().padStart(4, '0');
    printk.netdev_info(dev, `(PCI Express:2.5GT/s:Width x1) ${formatMac(dev.dev_addr)}`);
    printk.netdev_info(dev, 'Intel(R) PRO/1000 Network Connection');
    const [high, low] = [word(NVM.PBA0), word(NVM.PBA1)];
    // Linux: enum e1000_mac_type, e1000_82574
    printk.netdev_info(dev, `MAC: 3, PHY: ${hw.phy.type}, PBA No: ${high}${low.slice(0, 2)}-0${low.slice(2)}`);
  }

  e1000_remove(pdev: PciDev): void {
    const { kernel } = this;
    const { core } = pdev;
    const adapter = core.pci_get_drvdata(pdev) as E1000Adapter;
    const { dev } = adapter;
    if (adapter.ptp) kernel.printk.netdev_info(dev, 'removed PHC');
    kernel.timers.del_timer(adapter.watchdog_timer);
    kernel.workqueues.cancel_work_sync(adapter.reset_task);
    kernel.workqueues.cancel_work_sync(adapter.watchdog_task);
    kernel.workqueues.cancel_work_sync(adapter.print_hang_task);
    adapter.self_test.cancel();
    kernel.net.unregister_netdev(dev);
    adapter.netdev.e1000e_release_hw_control();
    adapter.intr.e1000e_reset_interrupt_capability();
    kernel.net.napi.netif_napi_del(adapter.napi);
    core.pci_release_selected_regions(pdev, core.pci_select_bars(pdev, IORESOURCE.MEM));
    kernel.net.free_netdev(dev);
    this.setErrorReporting(pdev, false);
    core.pci_disable_device(pdev);
    core.pci_set_drvdata(pdev, undefined);
  }
}

/** The module; with other parts, a variant of it. */
export function e1000eModule(given: E1000Parts = { rx: E1000Rx }): ModuleDef {
  const parts = ops(given);
  return ops<ModuleDef>({
    name: 'e1000e',
    path: 'kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko',
    size: 315392,
    depends: [],
    description: 'Intel(R) PRO/1000 Network Driver',
    author: 'Intel Corporation, <linux.nics@intel.com>',
    license: 'GPL v2',
    aliases: ['pci:v00008086d000010D3sv*sd*bc*sc*i*'],
    functions: [
      E1000Driver,
      E1000Hw,
      E1000Phy,
      E1000Netdev,
      E1000Intr,
      parts.rx,
      E1000Tx,
      E1000Stats,
      E1000Ethtool,
      E1000Hang,
      E1000Params,
      E1000SelfTest,
    ],
    params: E1000E_PARAMS,
    init(kernel, module) {
      kernel.printk.pr_info('e1000e: Intel(R) PRO/1000 Network Driver');
      kernel.printk.pr_info('e1000e: Copyright(c) 1999 - 2015 Intel Corporation.');
      const driver = new E1000Driver(kernel, module, parts);
      module.state = driver;
      return (kernel.modules.state('pci') as PciCore).bus.__pci_register_driver(driver, module.name);
    },
    exit(kernel, module) {
      (kernel.modules.state('pci') as PciCore).bus.pci_unregister_driver(module.state as E1000Driver);
    },
  });
}

export const E1000E_MODULE: ModuleDef = e1000eModule();
