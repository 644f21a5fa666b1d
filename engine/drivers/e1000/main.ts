// net_device operations of e1000: open and close, interrupt and poll, watchdog and link, filters (Linux: drivers/net/ethernet/intel/e1000/e1000_main.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { EthtoolOps } from '../../kernel/ethtool/ops.ts';
import { IRQ_HANDLED, IRQ_NONE, IRQF, type IrqTarget } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../../kernel/napi.ts';
import { IFF, type NetDevice, type NetDeviceOps } from '../../kernel/net_device.ts';
import { ICR_82540 as ICR } from '../../pci/e1000_regs.ts';
import { CTRL, E1000, RCTL, TCTL } from '../../pci/e1000e_regs.ts';
import type { Actor } from '../../sim/sim.ts';
import { type E1000Adapter82540, adapterOf } from './adapter.ts';
import { RAR_ENTRIES } from './hw.ts';
import { E1000_COUNTERS } from './stats.ts';

export const OP_WATCHDOG = 0;
export const OP_RESET_TASK = 1;
const WATCHDOG_PERIOD = 2_000_000_000;
const IMS_ENABLE_MASK = ICR.RXT0 | ICR.TXDW | ICR.RXDMT0 | ICR.RXSEQ | ICR.LSC;
/** Receive half of the packet buffer for frames that fit, KB. */
const PBA_48K = 0x30;
const PBA_40K = 0x28;
const RXBUFFER_8192 = 8192;
const ETH_P_8021Q = 0x8100;
const FRAME_OVERHEAD = 14 + 4;
/** Linux: MAX_JUMBO_FRAME_SIZE */
const MAX_FRAME = 0x3f00;
const MULTICAST_REGISTERS = 128;

export class E1000Main implements Actor, IrqTarget, NapiPoller {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['e1000_irq_enable', 'e1000_irq_disable']);

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter82540,
  ) {}

  onEvent(op: number): void {
    if (op === OP_WATCHDOG) this.e1000_watchdog();
    else this.e1000_reset_task();
  }

  /** Resets the hardware and sets it up anew. */
  e1000_reset(): void {
    const { hw, max_frame_size, dev } = this.adapter;
    const pba = max_frame_size > RXBUFFER_8192 ? PBA_40K : PBA_48K;
    hw.ew32(E1000.PBA, pba);
    const water = Math.min(Math.floor((pba * 1024 * 9) / 10), pba * 1024 - max_frame_size);
    hw.fc_high_water = water & 0xfff8;
    hw.fc_low_water = hw.fc_high_water - 8;
    hw.e1000_reset_hw();
    hw.ew32(E1000.WUC, 0);
    if (hw.e1000_init_hw() < 0) this.kernel.printk.dev_err(this.adapter.pdev, `Hardware Error (${dev.name})`);
    hw.ew32(E1000.VET, ETH_P_8021Q);
  }

  e1000_open(dev: NetDevice): number {
    const { adapter, kernel } = this;
    const { rings, tx_ring, rx_ring, pdev } = adapter;
    kernel.net.link.netif_carrier_off(dev);
    if (!rings.allocate(tx_ring, 'e1000_setup_tx_resources')) return -Errno.ENOMEM;
    if (!rings.allocate(rx_ring, 'e1000_setup_rx_resources')) {
      rings.free(tx_ring, 'e1000_free_tx_resources');
      return -Errno.ENOMEM;
    }
    this.e1000_configure();
    const err = kernel.irq.request_irq(pdev.irq, this, 0, dev.name, IRQF.SHARED);
    if (err < 0) {
      this.freeRings();
      this.e1000_reset();
      return err;
    }
    adapter.down = false;
    kernel.net.napi.napi_enable(adapter.napi);
    this.e1000_irq_enable();
    // the watchdog looks at the link as if it had changed
    adapter.hw.ew32(E1000.ICS, ICR.LSC);
    return 0;
  }

  e1000_close(): number {
    const { adapter, kernel } = this;
    this.e1000_down();
    kernel.irq.free_irq(adapter.pdev.irq, this);
    this.freeRings();
    return 0;
  }

  private freeRings(): void {
    const { rings, tx_ring, rx_ring } = this.adapter;
    rings.e1000_clean_tx_ring(tx_ring);
    rings.e1000_clean_rx_ring(rx_ring);
    rings.free(tx_ring, 'e1000_free_tx_resources');
    rings.free(rx_ring, 'e1000_free_rx_resources');
  }

  e1000_configure(): void {
    const { rings, rx_ring, dev } = this.adapter;
    this.e1000_set_rx_mode(dev);
    rings.e1000_configure_tx();
    rings.e1000_setup_rctl();
    rings.e1000_configure_rx();
    rings.e1000_alloc_rx_buffers(rx_ring, rx_ring.unused());
  }

  e1000_down(): void {
    const { adapter, kernel } = this;
    const { hw, dev, rings } = adapter;
    kernel.net.link.netif_carrier_off(dev);
    hw.ew32(E1000.RCTL, hw.er32(E1000.RCTL) & ~RCTL.EN);
    kernel.net.xmit.netif_tx_stop_queue(dev.queues[0]);
    hw.ew32(E1000.TCTL, hw.er32(E1000.TCTL) & ~TCTL.EN);
    hw.e1000_write_flush();
    adapter.stats.e1000_update_stats();
    kernel.net.napi.napi_disable(adapter.napi);
    this.e1000_irq_disable();
    adapter.down = true;
    kernel.workqueues.cancel_delayed_work_sync(adapter.watchdog_task);
    adapter.link_speed = adapter.link_duplex = 0;
    this.e1000_reset();
    rings.e1000_clean_tx_ring(adapter.tx_ring);
    rings.e1000_clean_rx_ring(adapter.rx_ring);
  }

  e1000_up(): void {
    const { adapter, kernel } = this;
    this.e1000_configure();
    adapter.down = false;
    kernel.net.napi.napi_enable(adapter.napi);
    this.e1000_irq_enable();
    kernel.net.xmit.netif_tx_wake_queue(adapter.dev.queues[0]);
    adapter.hw.ew32(E1000.ICS, ICR.LSC);
  }

  e1000_reset_task(): void {
    const { adapter, kernel } = this;
    if (adapter.down) return;
    kernel.printk.netdev_err(adapter.dev, 'Reset adapter');
    this.e1000_down();
    this.e1000_up();
  }

  e1000_tx_timeout(): void {
    this.adapter.stats.counts.tx_timeout_count++;
    this.kernel.workqueues.schedule_work(this.adapter.reset_task);
  }

  e1000_irq_enable(): void {
    this.adapter.hw.ew32(E1000.IMS, IMS_ENABLE_MASK);
    this.adapter.hw.e1000_write_flush();
  }
  e1000_irq_disable(): void {
    this.adapter.hw.ew32(E1000.IMC, 0xffffffff);
    this.adapter.hw.e1000_write_flush();
  }

  onIrq(): number {
    return this.e1000_intr();
  }
  irqSymbol(): string {
    return 'e1000_intr [e1000]';
  }

  /** The line may be shared: no cause, not ours. Reading clears the causes. */
  e1000_intr(): number {
    const { adapter, kernel } = this;
    const { hw } = adapter;
    const icr = hw.er32(E1000.ICR);
    if (icr === 0) return IRQ_NONE;
    if (adapter.down) return IRQ_HANDLED;
    if ((icr & (ICR.RXSEQ | ICR.LSC)) !== 0) {
      hw.get_link_status = true;
      kernel.workqueues.mod_delayed_work(adapter.watchdog_task, 1);
    }
    // until the poll is over
    hw.ew32(E1000.IMC, 0xffffffff);
    hw.e1000_write_flush();
    const { napi } = kernel.net;
    if (napi.napi_schedule_prep(adapter.napi)) napi.__napi_schedule(adapter.napi);
    else this.e1000_irq_enable();
    return IRQ_HANDLED;
  }

  poll(_napi: Napi, budget: number): number {
    return this.e1000_clean(budget);
  }

  e1000_clean(budget: number): number {
    const { adapter, kernel } = this;
    const sent = adapter.rings.e1000_clean_tx_irq();
    const work = adapter.rings.e1000_clean_rx_irq(budget);
    if (!sent || work === budget) return budget;
    if (kernel.net.napi.napi_complete_done(adapter.napi, work) && !adapter.down) this.e1000_irq_enable();
    return work;
  }

  /** Every two seconds, and when the link changed. */
  e1000_watchdog(): void {
    const { adapter, kernel } = this;
    const { dev, hw } = adapter;
    if (adapter.down) return;
    hw.e1000_check_for_link();
    const link = !hw.get_link_status;
    if (link && dev.nocarrier) this.linkCame();
    else if (!link && !dev.nocarrier) {
      adapter.link_speed = adapter.link_duplex = 0;
      kernel.printk.pr_info(`e1000: ${dev.name} NIC Link is Down`);
      kernel.net.link.netif_carrier_off(dev);
    }
    adapter.stats.e1000_update_stats();
    // an interrupt now and then finds what a lost one left on the receive ring
    hw.ew32(E1000.ICS, ICR.RXDMT0);
    kernel.workqueues.schedule_delayed_work(adapter.watchdog_task, WATCHDOG_PERIOD);
  }

  private linkCame(): void {
    const { adapter, kernel } = this;
    const { dev, hw } = adapter;
    const { speed, duplex } = hw.e1000_get_speed_and_duplex();
    adapter.link_speed = speed;
    adapter.link_duplex = duplex;
    const ctrl = hw.er32(E1000.CTRL);
    const [tx, rx] = [(ctrl & CTRL.TFCE) !== 0, (ctrl & CTRL.RFCE) !== 0];
    const flow = tx && rx ? 'RX/TX' : rx ? 'RX' : tx ? 'TX' : 'None';
    kernel.printk.pr_info(
      `e1000: ${dev.name} NIC Link is Up ${speed} Mbps ${duplex === 1 ? 'Full' : 'Half'} Duplex, Flow Control: ${flow}`,
    );
    hw.ew32(E1000.TCTL, hw.er32(E1000.TCTL) | TCTL.EN);
    kernel.net.link.netif_carrier_on(dev);
    kernel.net.xmit.netif_tx_wake_queue(dev.queues[0]);
  }

  /** Addresses wanted besides the interface's own: exact as far as entries last, the rest by hash. */
  e1000_set_rx_mode(dev: NetDevice): void {
    const { hw } = this.adapter;
    const promisc = (dev.flags & IFF.PROMISC) !== 0;
    const others = dev.uc.length > RAR_ENTRIES - 1;
    const rctl = hw.er32(E1000.RCTL) & ~(RCTL.UPE | RCTL.MPE);
    const all = promisc || (dev.flags & IFF.ALLMULTI) !== 0;
    hw.ew32(E1000.RCTL, rctl | (promisc || others ? RCTL.UPE : 0) | (all ? RCTL.MPE : 0));
    const table = new Uint32Array(MULTICAST_REGISTERS);
    let entry = 1;
    if (!others) for (const { addr } of dev.uc) hw.e1000_rar_set(addr, entry++);
    for (const { addr } of dev.mc) {
      if (entry < RAR_ENTRIES) hw.e1000_rar_set(addr, entry++);
      else {
        const hash = hw.e1000_hash_mc_addr(addr);
        table[(hash >> 5) & 0x7f] |= 1 << (hash & 31);
      }
    }
    for (; entry < RAR_ENTRIES; entry++) hw.e1000_rar_set(undefined, entry);
    // from the end on, as a bridge in front may merge writes that go up
    for (let i = MULTICAST_REGISTERS - 1; i >= 0; i--) hw.ew32(E1000.MTA + 4 * i, table[i]);
    hw.e1000_write_flush();
  }

  e1000_set_mac(dev: NetDevice, addr: Uint8Array): number {
    const { hw } = this.adapter;
    if ((addr[0] & 1) !== 0 || addr.every((b) => b === 0)) return -Errno.EADDRNOTAVAIL;
    dev.dev_addr = addr.slice(0, 6);
    hw.mac_addr.set(dev.dev_addr);
    hw.e1000_rar_set(hw.mac_addr, 0);
    return 0;
  }

  e1000_change_mtu(dev: NetDevice, mtu: number): number {
    const { adapter } = this;
    const frame = mtu + FRAME_OVERHEAD;
    if (frame > MAX_FRAME) return -Errno.EINVAL;
    const { started } = dev;
    if (started) this.e1000_down();
    adapter.max_frame_size = frame;
    adapter.rx_buffer_len = frame <= 2048 ? 2048 : frame <= 4096 ? 4096 : frame <= 8192 ? 8192 : 16384;
    dev.mtu = mtu;
    if (started) this.e1000_up();
    else this.e1000_reset();
    return 0;
  }
}

const of = (dev: NetDevice): E1000Main => adapterOf(dev).main;

export const e1000_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: (dev) => of(dev).e1000_open(dev),
  ndo_stop: (dev) => of(dev).e1000_close(),
  ndo_start_xmit: (skb, dev) => adapterOf(dev).rings.e1000_xmit_frame(skb, dev),
  ndo_get_stats64: (dev, stats) => adapterOf(dev).stats.e1000_get_stats64(stats),
  ndo_set_rx_mode: (dev) => of(dev).e1000_set_rx_mode(dev),
  ndo_set_mac_address: (dev, addr) => of(dev).e1000_set_mac(dev, addr),
  ndo_change_mtu: (dev, mtu) => of(dev).e1000_change_mtu(dev, mtu),
  ndo_tx_timeout: (dev) => of(dev).e1000_tx_timeout(),
  ndo_validate_addr: (dev) => adapterOf(dev).kernel.net.eth.eth_validate_addr(dev),
});

export const e1000_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_drvinfo(dev, info) {
    info.driver = 'e1000';
    info.bus_info = adapterOf(dev).pdev.name;
  },
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_strings: () => E1000_COUNTERS,
  get_sset_count: () => E1000_COUNTERS.length,
  get_ethtool_stats(dev) {
    const { stats } = adapterOf(dev);
    stats.e1000_update_stats();
    return E1000_COUNTERS.map((n) => stats.counts[n]);
  },
});
