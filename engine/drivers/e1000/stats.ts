// Counters of e1000: what the hardware counts and what the driver does; one list for the record, `ethtool -S` and its reading (Linux: e1000_gstrings_stats).
import type { Kernel } from '../../kernel/kernel.ts';
import type { LinkStats } from '../../kernel/net_device.ts';
import { E1000, type E1000Reg } from '../../pci/e1000e_regs.ts';
import type { E1000Adapter82540 } from './adapter.ts';

/** Name in `ethtool -S` → registers that make it up, a 64-bit one as low and high half; none: the driver's own. */
const COUNTERS = {
  rx_packets: ['GPRC'],
  tx_packets: ['GPTC'],
  rx_bytes: ['GORCL', 'GORCH'],
  tx_bytes: ['GOTCL', 'GOTCH'],
  rx_broadcast: ['BPRC'],
  tx_broadcast: ['BPTC'],
  rx_multicast: ['MPRC'],
  tx_multicast: ['MPTC'],
  rx_crc_errors: ['CRCERRS'],
  rx_no_buffer_count: ['RNBC'],
  rx_missed_errors: ['MPC'],
  tx_aborted_errors: ['ECOL'],
  tx_window_errors: ['LATECOL'],
  collisions: ['COLC'],
  tx_deferred_ok: ['DC'],
  tx_single_coll_ok: ['SCC'],
  tx_multi_coll_ok: ['MCC'],
  rx_long_length_errors: ['ROC'],
  rx_short_length_errors: ['RUC'],
  rx_align_errors: ['ALGNERRC'],
  tx_tcp_seg_good: ['TSCTC'],
  tx_tcp_seg_failed: ['TSCTFC'],
  rx_flow_control_xon: ['XONRXC'],
  rx_flow_control_xoff: ['XOFFRXC'],
  tx_flow_control_xon: ['XONTXC'],
  tx_flow_control_xoff: ['XOFFTXC'],
  tx_timeout_count: [],
  tx_restart_queue: [],
  rx_csum_offload_good: [],
  rx_csum_offload_errors: [],
  alloc_rx_buff_failed: [],
} as const satisfies Record<string, readonly E1000Reg[]>;

export type E1000Counter = keyof typeof COUNTERS;
export const E1000_COUNTERS = Object.freeze(Object.keys(COUNTERS)) as readonly E1000Counter[];

export class E1000Stats82540 {
  readonly counts: Record<E1000Counter, number> = Object.fromEntries(E1000_COUNTERS.map((n) => [n, 0])) as Record<E1000Counter, number>;

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter82540,
  ) {}

  /** Adds what the hardware counted since the last reading. */
  e1000_update_stats(): void {
    for (const name of E1000_COUNTERS) {
      const [low, high] = COUNTERS[name] as readonly E1000Reg[];
      if (low === undefined) continue;
      this.counts[name] += this.adapter.hw.er32(E1000[low]);
      if (high !== undefined) this.counts[name] += this.adapter.hw.er32(E1000[high]) * 2 ** 32;
    }
  }

  e1000_get_stats64(stats: LinkStats): void {
    this.e1000_update_stats();
    const { counts } = this;
    for (const name of ['rx_packets', 'tx_packets', 'rx_bytes', 'tx_bytes', 'rx_crc_errors', 'rx_missed_errors', 'collisions'] as const)
      stats[name] = counts[name];
    stats.multicast = counts.rx_multicast;
    stats.rx_length_errors = counts.rx_long_length_errors + counts.rx_short_length_errors;
    stats.rx_frame_errors = counts.rx_align_errors;
    stats.rx_errors = stats.rx_length_errors + stats.rx_crc_errors + stats.rx_frame_errors;
    stats.tx_aborted_errors = counts.tx_aborted_errors;
    stats.tx_window_errors = counts.tx_window_errors;
    stats.tx_errors = stats.tx_aborted_errors + stats.tx_window_errors;
  }
}
