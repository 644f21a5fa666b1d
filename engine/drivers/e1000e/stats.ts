// Counters of e1000e: what the device's statistics registers gave, added up (Linux: e1000e_update_stats()).
import type { Kernel } from '../../kernel/kernel.ts';
import type { LinkStats } from '../../kernel/net_device.ts';
import { E1000, type E1000Reg } from '../../pci/e1000e_regs.ts';
import type { E1000Adapter } from './adapter.ts';

/** Statistics registers in the order they are read. */
const REGISTERS = [
  'CRCERRS',
  'GPRC',
  'GORCL',
  'GORCH',
  'BPRC',
  'MPRC',
  'ROC',
  'MPC',
  'SCC',
  'ECOL',
  'MCC',
  'LATECOL',
  'DC',
  'XONRXC',
  'XONTXC',
  'XOFFRXC',
  'XOFFTXC',
  'GPTC',
  'GOTCL',
  'GOTCH',
  'RNBC',
  'RUC',
  'MPTC',
  'BPTC',
  'TPT',
  'COLC',
  'ALGNERRC',
  'RXERRC',
  'TNCRS',
  'CEXTERR',
  'TSCTC',
  'TSCTFC',
  'MGTPTC',
  'MGTPRC',
  'MGTPDC',
] as const satisfies readonly E1000Reg[];
type Counter = (typeof REGISTERS)[number];

/** What the driver counts itself. */
const OWN = [
  'hw_csum_good',
  'hw_csum_err',
  'rx_hdr_split',
  'alloc_rx_buff_failed',
  'rx_dma_failed',
  'tx_dma_failed',
  'tx_timeout_count',
  'restart_queue',
] as const;
type OwnCounter = (typeof OWN)[number];

/** `ethtool -S` in Linux's order: name, and where the value comes from: a register, the interface's statistics, or the driver. 0: never counted. */
const STRINGS: readonly (readonly [string, Counter | OwnCounter | keyof LinkStats | 0])[] = [
  ['rx_packets', 'GPRC'],
  ['tx_packets', 'GPTC'],
  ['rx_bytes', 'GORCL'],
  ['tx_bytes', 'GOTCL'],
  ['rx_broadcast', 'BPRC'],
  ['tx_broadcast', 'BPTC'],
  ['rx_multicast', 'MPRC'],
  ['tx_multicast', 'MPTC'],
  ['rx_errors', 'rx_errors'],
  ['tx_errors', 'tx_errors'],
  ['tx_dropped', 'tx_dropped'],
  ['multicast', 'MPRC'],
  ['collisions', 'COLC'],
  ['rx_length_errors', 'rx_length_errors'],
  ['rx_over_errors', 'rx_over_errors'],
  ['rx_crc_errors', 'CRCERRS'],
  ['rx_frame_errors', 'rx_frame_errors'],
  ['rx_no_buffer_count', 'RNBC'],
  ['rx_missed_errors', 'MPC'],
  ['tx_aborted_errors', 'ECOL'],
  ['tx_carrier_errors', 'TNCRS'],
  ['tx_fifo_errors', 'tx_fifo_errors'],
  ['tx_heartbeat_errors', 'tx_heartbeat_errors'],
  ['tx_window_errors', 'LATECOL'],
  ['tx_abort_late_coll', 'LATECOL'],
  ['tx_deferred_ok', 'DC'],
  ['tx_single_coll_ok', 'SCC'],
  ['tx_multi_coll_ok', 'MCC'],
  ['tx_timeout_count', 'tx_timeout_count'],
  ['tx_restart_queue', 'restart_queue'],
  ['rx_long_length_errors', 'ROC'],
  ['rx_short_length_errors', 'RUC'],
  ['rx_align_errors', 'ALGNERRC'],
  ['tx_tcp_seg_good', 'TSCTC'],
  ['tx_tcp_seg_failed', 'TSCTFC'],
  ['rx_flow_control_xon', 'XONRXC'],
  ['rx_flow_control_xoff', 'XOFFRXC'],
  ['tx_flow_control_xon', 'XONTXC'],
  ['tx_flow_control_xoff', 'XOFFTXC'],
  ['rx_csum_offload_good', 'hw_csum_good'],
  ['rx_csum_offload_errors', 'hw_csum_err'],
  ['rx_header_split', 'rx_hdr_split'],
  ['alloc_rx_buff_failed', 'alloc_rx_buff_failed'],
  ['tx_smbus', 'MGTPTC'],
  ['rx_smbus', 'MGTPRC'],
  ['dropped_smbus', 'MGTPDC'],
  ['rx_dma_failed', 'rx_dma_failed'],
  ['tx_dma_failed', 'tx_dma_failed'],
  ['rx_hwtstamp_cleared', 0],
  ['uncorr_ecc_errors', 0],
  ['corr_ecc_errors', 0],
  ['tx_hwtstamp_timeouts', 0],
  ['tx_hwtstamp_skipped', 0],
];

const zero = <K extends string>(names: readonly K[]): Record<K, number> =>
  Object.fromEntries(names.map((n) => [n, 0])) as Record<K, number>;

export class E1000Stats {
  /** Sums since the driver was loaded. The high half of a 64-bit register is added to its low half. */
  readonly hw: Record<Counter, number> = zero(REGISTERS);
  readonly own: Record<OwnCounter, number> = zero(OWN);

  /** Octets at the last look of the watchdog. */
  private readonly before = { rx: 0, tx: 0 };

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  e1000e_update_stats(): void {
    const { adapter } = this;
    // without a link nothing is counted
    if (adapter.link_speed === 0) return;
    // half duplex counts collisions; at full duplex there are none to read
    const half = adapter.link_duplex === 0;
    for (const name of REGISTERS) {
      if (!half && COLLISIONS.includes(name)) continue;
      const value = adapter.hw.er32(E1000[name]);
      if (name === 'GORCH') this.hw.GORCL += value * 0x100000000;
      else if (name === 'GOTCH') this.hw.GOTCL += value * 0x100000000;
      else this.hw[name] += value;
    }
  }

  /** Interrupts per second for the simple mode: 8000 for traffic in one direction, 2000 for both alike. */
  simpleRate(): number {
    const { GORCL, GOTCL } = this.hw;
    const [gorc, gotc] = [GORCL - this.before.rx, GOTCL - this.before.tx];
    this.before.rx = GORCL;
    this.before.tx = GOTCL;
    const sum = Math.floor((gotc + gorc) / 10000);
    return sum > 0 ? Math.floor((Math.floor(Math.abs(gotc - gorc) / 10000) * 6000) / sum) + 2000 : 8000;
  }

  e1000e_get_stats64(stats: LinkStats): void {
    this.e1000e_update_stats();
    const { hw } = this;
    stats.rx_bytes = hw.GORCL;
    stats.rx_packets = hw.GPRC;
    stats.tx_bytes = hw.GOTCL;
    stats.tx_packets = hw.GPTC;
    stats.multicast = hw.MPRC;
    stats.collisions = hw.COLC;
    stats.rx_errors = hw.RXERRC + hw.CRCERRS + hw.ALGNERRC + hw.RUC + hw.ROC + hw.CEXTERR;
    stats.rx_length_errors = hw.RUC + hw.ROC;
    stats.rx_crc_errors = hw.CRCERRS;
    stats.rx_frame_errors = hw.ALGNERRC;
    stats.rx_missed_errors = hw.MPC;
    stats.tx_errors = hw.ECOL + hw.LATECOL;
    stats.tx_aborted_errors = hw.ECOL;
    stats.tx_window_errors = hw.LATECOL;
    stats.tx_carrier_errors = hw.TNCRS;
  }

  e1000_get_strings(): readonly string[] {
    return STRINGS.map(([name]) => name);
  }

  e1000_get_ethtool_stats(): number[] {
    const link = this.kernel.net.dev_get_stats(this.adapter.dev);
    return STRINGS.map(([, from]) => {
      if (from === 0) return 0;
      if (from in this.hw) return this.hw[from as Counter];
      return from in this.own ? this.own[from as OwnCounter] : link[from as keyof LinkStats];
    });
  }
}

const COLLISIONS: readonly Counter[] = ['SCC', 'ECOL', 'MCC', 'LATECOL', 'DC'];
