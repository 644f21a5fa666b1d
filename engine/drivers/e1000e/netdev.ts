// net_device operations of e1000e: open, stop, reset, watchdog and link, settings (Linux: e1000e_netdev_ops).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IFF, type NetDevice, type NetDeviceOps } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { JIFFY } from '../../kernel/timer.ts';
import { CTRL, CTRL_EXT, E1000, ICR, TCTL } from '../../pci/e1000e_regs.ts';
import type { Actor } from '../../sim/sim.ts';
import { E1000Hang } from './hang.ts';
import { INT_MODE } from './param.ts';
import { type E1000Adapter, E1000Ring, e1000Adapter, MAX_HW_FRAME_SIZE } from './adapter.ts';

/** What the interface's timer and deferred work do. */
export const OP_WATCHDOG = 0;
export const OP_WATCHDOG_TASK = 1;
export const OP_RESET_TASK = 2;
export const OP_PRINT_HANG = 3;

const WATCHDOG_PERIOD = 2_000_000_000;
/** Receive half of the packet buffer, KB. */
const PBA_32K = 0x20;
const VLAN_ETH_HLEN = 18;
const ETH_FCS_LEN = 4;
const ETH_P_8021Q = 0x8100;
/** Linux: INCPERIOD and INCVALUE of the 82574's 25 MHz clock. */
const TIMINCA_82574 = 0x01a00000;

export class E1000Netdev implements Actor {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'e1000_print_link_info',
    'e1000e_get_hw_control',
    'e1000e_release_hw_control',
    'e1000_alloc_queues',
  ]);

  private readonly hang: E1000Hang;

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {
    this.hang = new E1000Hang(kernel, adapter);
  }

  onEvent(op: number): void {
    if (op === OP_WATCHDOG) this.e1000_watchdog();
    else if (op === OP_WATCHDOG_TASK) this.e1000_watchdog_task();
    else if (op === OP_PRINT_HANG) this.hang.e1000_print_hw_hang();
    else this.e1000_reset_task();
  }

  /** Rings of the chosen sizes, without memory yet. */
  e1000_alloc_queues(): void {
    const { adapter } = this;
    adapter.tx_ring = new E1000Ring(adapter.tx_ring_count, E1000.TDH0, E1000.TDT0, ICR.TXQ0, E1000.EITR + 4);
    adapter.rx_ring = new E1000Ring(adapter.rx_ring_count, E1000.RDH0, E1000.RDT0, ICR.RXQ0, E1000.EITR);
  }

  /** Linux: e1000e_get_hw_control(): firmware is told that a driver is there. */
  e1000e_get_hw_control(): void {
    const { hw } = this.adapter;
    hw.ew32(E1000.CTRL_EXT, hw.er32(E1000.CTRL_EXT) | CTRL_EXT.DRV_LOAD);
  }
  e1000e_release_hw_control(): void {
    const { hw } = this.adapter;
    hw.ew32(E1000.CTRL_EXT, hw.er32(E1000.CTRL_EXT) & ~CTRL_EXT.DRV_LOAD);
  }

  /** Resets the hardware and sets it up anew, the interface's settings included. */
  e1000e_reset(): void {
    const { adapter, kernel } = this;
    const { hw, dev } = adapter;
    hw.ew32(E1000.PBA, PBA_32K);
    const buffer = hw.er32(E1000.PBA) * 1024;
    // pause is asked for when a tenth of the buffer, or one frame, is left
    hw.fc_high_water = Math.min(Math.floor((buffer * 9) / 10), buffer - adapter.max_frame_size) & 0xfff8;
    hw.fc_low_water = hw.fc_high_water - 8;
    hw.e1000_reset_hw_82571();
    this.e1000e_get_hw_control();
    hw.ew32(E1000.WUC, 0);
    if (hw.e1000_init_hw_82571() < 0) kernel.printk.netdev_err(dev, 'Hardware Error');
    hw.ew32(E1000.VET, ETH_P_8021Q);
    hw.ew32(E1000.AIT, 0);
    this.e1000e_systim_reset();
    if (!dev.started && !adapter.testing) hw.phy.e1000_power_down_phy_copper_82571();
    hw.phy.e1000e_get_phy_info_m88();
    hw.phy.disableSmartPowerDown();
  }

  /** The clock for time stamps runs, stamping is off. */
  e1000e_systim_reset(): void {
    const { hw } = this.adapter;
    const readClock = (): void => {
      hw.er32(E1000.SYSTIML);
      hw.er32(E1000.SYSTIMH);
    };
    hw.ew32(E1000.TIMINCA, TIMINCA_82574);
    readClock();
    // the second look tells whether the clock stands still
    hw.er32(E1000.TIMINCA);
    readClock();
    for (const control of [E1000.TSYNCTXCTL, E1000.TSYNCRXCTL]) {
      hw.ew32(control, hw.er32(control) & ~0x10);
      hw.er32(control);
    }
    hw.ew32(E1000.RXMTRL, 0);
    hw.ew32(E1000.RXUDP, 0);
    hw.e1e_flush();
    hw.er32(E1000.RXSTMPH);
    hw.er32(E1000.TXSTMPH);
  }

  e1000_configure(): void {
    const { adapter } = this;
    this.e1000e_set_rx_mode(adapter.dev);
    adapter.tx.e1000_configure_tx();
    if ((adapter.dev.features & NETIF_F.RXHASH) !== 0n) adapter.rx.e1000e_setup_rss_hash();
    adapter.rx.e1000_setup_rctl();
    adapter.rx.e1000_configure_rx();
    adapter.rx.e1000_alloc_rx_buffers(adapter.rx_ring, adapter.rx_ring.unused());
  }

  e1000e_open(dev: NetDevice): number {
    const { adapter, kernel } = this;
    if (adapter.testing) return -Errno.EBUSY;
    kernel.net.link.netif_carrier_off(dev);
    if (!adapter.tx.e1000e_setup_tx_resources(adapter.tx_ring)) return this.openFailed(-Errno.ENOMEM);
    if (!adapter.rx.e1000e_setup_rx_resources(adapter.rx_ring)) {
      adapter.tx.e1000e_free_tx_resources(adapter.tx_ring);
      return this.openFailed(-Errno.ENOMEM);
    }
    this.e1000e_get_hw_control();
    this.e1000e_reset();
    adapter.hw.phy.e1000_power_up_phy_copper();
    this.e1000_configure();
    let err = adapter.intr.e1000_request_irq();
    if (err === 0 && adapter.int_mode !== INT_MODE.LEGACY) err = adapter.intr.e1000_test_msi();
    if (err < 0) {
      adapter.rx.e1000e_free_rx_resources(adapter.rx_ring);
      adapter.tx.e1000e_free_tx_resources(adapter.tx_ring);
      return this.openFailed(err);
    }
    adapter.down = false;
    kernel.net.napi.napi_enable(adapter.napi);
    adapter.intr.e1000_irq_enable();
    adapter.tx_hang_recheck = false;
    adapter.hw.phy.get_link_status = true;
    adapter.intr.e1000e_trigger_lsc();
    return 0;
  }

  private openFailed(err: number): number {
    this.e1000e_release_hw_control();
    this.adapter.hw.phy.e1000_power_down_phy_copper_82571();
    this.e1000e_reset();
    return err;
  }

  e1000e_close(dev: NetDevice): number {
    const { adapter, kernel } = this;
    if (!adapter.down) {
      this.e1000e_down({ reset: true });
      adapter.intr.e1000_free_irq();
      kernel.printk.netdev_info(dev, 'NIC Link is Down');
    }
    kernel.net.napi.napi_disable(adapter.napi);
    adapter.tx.e1000e_free_tx_resources(adapter.tx_ring);
    adapter.rx.e1000e_free_rx_resources(adapter.rx_ring);
    if (!adapter.testing) this.e1000e_release_hw_control();
    return 0;
  }

  e1000e_up(): void {
    const { adapter } = this;
    this.e1000_configure();
    adapter.down = false;
    if (adapter.pdev.msix_enabled) adapter.intr.e1000_configure_msix();
    adapter.intr.e1000_irq_enable();
    adapter.intr.e1000e_trigger_lsc();
  }

  /** Stops sending and receiving; what is on the rings is freed. */
  e1000e_down(what: { reset: boolean }): void {
    const { adapter, kernel } = this;
    const { hw, dev } = adapter;
    kernel.net.link.netif_carrier_off(dev);
    adapter.down = true;
    // this device keeps its receiver on: it may lock up otherwise (Linux: FLAG2_NO_DISABLE_RX)
    kernel.net.xmit.netif_tx_stop_queue(dev.queues[0]);
    hw.ew32(E1000.TCTL, hw.er32(E1000.TCTL) & ~TCTL.EN);
    hw.e1e_flush();
    adapter.intr.e1000_irq_disable();
    kernel.timers.del_timer(adapter.watchdog_timer);
    kernel.workqueues.cancel_work_sync(adapter.watchdog_task);
    kernel.workqueues.cancel_work_sync(adapter.print_hang_task);
    adapter.stats.e1000e_update_stats();
    adapter.link_speed = 0;
    adapter.link_duplex = 0;
    if (what.reset) this.e1000e_reset();
    // only after the reset is the device off the rings
    adapter.tx.e1000_clean_tx_ring(adapter.tx_ring);
    adapter.rx.e1000_clean_rx_ring(adapter.rx_ring);
  }

  e1000e_reinit_locked(): void {
    this.e1000e_down({ reset: true });
    this.e1000e_up();
  }

  e1000_reset_task(): void {
    const { adapter, kernel } = this;
    if (adapter.down) return;
    if (!adapter.restart_now) kernel.printk.netdev_err(adapter.dev, 'Reset adapter unexpectedly');
    adapter.restart_now = false;
    this.e1000e_reinit_locked();
  }

  e1000_tx_timeout(): void {
    this.adapter.stats.own.tx_timeout_count++;
    this.kernel.workqueues.schedule_work(this.adapter.reset_task);
  }

  e1000_watchdog(): void {
    this.kernel.workqueues.schedule_work(this.adapter.watchdog_task);
  }

  e1000e_has_link(): boolean {
    const { phy } = this.adapter.hw;
    if (phy.get_link_status) phy.e1000e_check_for_copper_link();
    return !phy.get_link_status;
  }

  /** Every two seconds, and when the link changed. */
  e1000_watchdog_task(): void {
    const { adapter, kernel } = this;
    const { dev, hw } = adapter;
    if (adapter.down) return;
    const link = this.e1000e_has_link();
    if (link && dev.nocarrier) this.linkCame();
    else if (!link && !dev.nocarrier) this.linkWent();
    adapter.stats.e1000e_update_stats();
    if (dev.nocarrier && adapter.tx_ring.unused() + 1 < adapter.tx_ring.count) {
      // packets that cannot leave are given up by a reset
      adapter.restart_now = true;
      kernel.workqueues.schedule_work(adapter.reset_task);
      return;
    }
    if (adapter.itr_setting === 4) adapter.intr.e1000e_write_itr(adapter.stats.simpleRate());
    // an interrupt now and then finds what a lost one left on the receive ring
    hw.ew32(E1000.ICS, adapter.pdev.msix_enabled ? adapter.rx_ring.ims_val : ICR.RXDMT0);
    this.hang.e1000e_flush_descriptors();
    adapter.detect_tx_hung = true;
    this.hang.e1000e_check_82574_phy_workaround();
    if (!adapter.down) kernel.timers.mod_timer(adapter.watchdog_timer, roundJiffies(kernel.now() + WATCHDOG_PERIOD));
  }

  private linkCame(): void {
    const { adapter, kernel } = this;
    const { hw, dev } = adapter;
    const { speed, duplex } = hw.e1000e_get_speed_and_duplex_copper();
    adapter.link_speed = speed;
    adapter.link_duplex = duplex;
    this.e1000_print_link_info();
    if (duplex === 0 && hw.phy.autoneg && !hw.phy.partnerNegotiates())
      kernel.printk.netdev_info(
        dev,
        'Autonegotiated half duplex but link partner cannot autoneg.  Try forcing full duplex if link gets many collisions.',
      );
    adapter.tx_timeout_factor = speed === 10 ? 16 : speed === 100 ? 10 : 1;
    hw.ew32(E1000.TCTL, hw.er32(E1000.TCTL) | TCTL.EN);
    kernel.net.xmit.netif_tx_wake_queue(dev.queues[0]);
    kernel.net.link.netif_carrier_on(dev);
  }

  private linkWent(): void {
    const { adapter, kernel } = this;
    adapter.link_speed = 0;
    adapter.link_duplex = 0;
    kernel.printk.netdev_info(adapter.dev, 'NIC Link is Down');
    kernel.net.link.netif_carrier_off(adapter.dev);
  }

  e1000_print_link_info(): void {
    const { hw, link_speed, link_duplex, dev } = this.adapter;
    const ctrl = hw.er32(E1000.CTRL);
    const [tx, rx] = [(ctrl & CTRL.TFCE) !== 0, (ctrl & CTRL.RFCE) !== 0];
    const flow = tx && rx ? 'Rx/Tx' : rx ? 'Rx' : tx ? 'Tx' : 'None';
    this.kernel.printk.netdev_info(
      dev,
      `NIC Link is Up ${link_speed} Mbps ${link_duplex === 1 ? 'Full' : 'Half'} Duplex, Flow Control: ${flow}`,
    );
  }

  e1000e_set_rx_mode(dev: NetDevice): void {
    const { hw, rx } = this.adapter;
    rx.e1000e_set_rx_mode(dev, (dev.flags & IFF.PROMISC) !== 0, (dev.flags & IFF.ALLMULTI) !== 0);
    const ctrl = hw.er32(E1000.CTRL);
    hw.ew32(E1000.CTRL, (dev.features & NETIF_F.HW_VLAN_CTAG_RX) !== 0n ? ctrl | CTRL.VME : ctrl & ~CTRL.VME);
  }

  e1000_set_mac(dev: NetDevice, addr: Uint8Array): number {
    const { hw } = this.adapter;
    if ((addr[0] & 1) !== 0 || addr.every((b) => b === 0)) return -Errno.EADDRNOTAVAIL;
    dev.dev_addr = addr.slice(0, 6);
    hw.mac_addr.set(dev.dev_addr);
    hw.e1000e_rar_set_generic(hw.mac_addr, 0);
    return 0;
  }

  e1000_change_mtu(dev: NetDevice, mtu: number): number {
    const { adapter } = this;
    const frame = mtu + VLAN_ETH_HLEN + ETH_FCS_LEN;
    if (frame > MAX_HW_FRAME_SIZE) return -Errno.EINVAL;
    if (dev.started) this.e1000e_down({ reset: true });
    adapter.max_frame_size = frame;
    dev.mtu = mtu;
    adapter.rx_buffer_len = frame <= 2048 ? 2048 : frame <= 4096 ? 4096 : frame <= 8192 ? 8192 : 16384;
    if (dev.started) this.e1000e_up();
    else this.e1000e_reset();
    return 0;
  }

  e1000_set_features(dev: NetDevice, features: bigint): number {
    const { adapter } = this;
    const changed = features ^ dev.features;
    const ours = NETIF_F.HW_VLAN_CTAG_RX | NETIF_F.HW_VLAN_CTAG_TX | NETIF_F.RXCSUM | NETIF_F.RXHASH | NETIF_F.RXFCS | NETIF_F.RXALL;
    if ((changed & ours) === 0n) return 0;
    if ((changed & NETIF_F.RXFCS) !== 0n) adapter.crcStripping = (features & NETIF_F.RXFCS) === 0n;
    dev.features = features;
    if (dev.started) this.e1000e_reinit_locked();
    else this.e1000e_reset();
    return 1;
  }

  /** Bit of a VLAN in the filter table. */
  setVlan(vid: number, on: boolean): number {
    const { hw } = this.adapter;
    const at = E1000.VFTA + 4 * ((vid >> 5) & 127);
    const bit = 1 << (vid & 31);
    hw.ew32(at, on ? hw.er32(at) | bit : hw.er32(at) & ~bit);
    return 0;
  }
}

/** Linux: round_jiffies(): to a full second, so that timers of many devices fall together. */
const roundJiffies = (t: number): number => Math.max(Math.round(t / 1e9) * 1e9, t - 250 * JIFFY);

const of = (dev: NetDevice): E1000Netdev => e1000Adapter(dev).netdev;

export const e1000e_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: (dev) => of(dev).e1000e_open(dev),
  ndo_stop: (dev) => of(dev).e1000e_close(dev),
  ndo_start_xmit: (skb, dev) => e1000Adapter(dev).tx.e1000_xmit_frame(skb, dev),
  ndo_get_stats64: (dev, stats) => e1000Adapter(dev).stats.e1000e_get_stats64(stats),
  ndo_set_rx_mode: (dev) => of(dev).e1000e_set_rx_mode(dev),
  ndo_set_mac_address: (dev, addr) => of(dev).e1000_set_mac(dev, addr),
  ndo_change_mtu: (dev, mtu) => of(dev).e1000_change_mtu(dev, mtu),
  ndo_tx_timeout: (dev) => of(dev).e1000_tx_timeout(),
  ndo_validate_addr: (dev) => e1000Adapter(dev).kernel.net.eth.eth_validate_addr(dev),
  ndo_vlan_rx_add_vid: (dev, _proto, vid) => of(dev).setVlan(vid, true),
  ndo_vlan_rx_kill_vid: (dev, _proto, vid) => of(dev).setVlan(vid, false),
  ndo_set_features: (dev, features) => of(dev).e1000_set_features(dev, features),
});
