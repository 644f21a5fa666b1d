// /proc/net/stat: per-CPU counters of the neighbour tables and of choosing routes (Linux: neigh_stat_seq_show(), rt_cpu_seq_show()).
import { ops } from '../../base/ops.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import type { NeighTable } from '../ipv4/neigh_table.ts';
import type { Kernel } from '../kernel.ts';
import type { FileOps } from './node.ts';

/** A heading and its columns: each number is eight hexadecimal digits, padded to the heading's width. */
function table(heading: readonly (readonly [string, number])[], rows: readonly (readonly number[])[]): string {
  const line = (cells: readonly string[]): string =>
    `${cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(heading[i][1]))).join(' ')}\n`;
  return line(heading.map(([name]) => name)) + rows.map((row) => line(row.map((n) => n.toString(16).padStart(8, '0')))).join('');
}

const named = (names: string): readonly (readonly [string, number])[] => names.split(' ').map((name) => [name, Math.max(name.length, 8)]);

const NEIGH_COLUMNS = named(
  'entries allocs destroys hash_grows lookups hits res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls',
);
const ROUTE_COLUMNS = named(
  'entries in_hit in_slow_tot in_slow_mc in_no_route in_brd in_martian_dst in_martian_src out_hit out_slow_tot out_slow_mc gc_total gc_ignored gc_goal_miss gc_dst_overflow in_hlist_search out_hlist_search',
);

const neighText = (tbl: NeighTable): string =>
  table(
    NEIGH_COLUMNS,
    tbl.stats.map((s) => [
      tbl.entries,
      s.allocs,
      s.destroys,
      s.hash_grows,
      s.lookups,
      s.hits,
      s.res_failed,
      s.rcv_probes_mcast,
      s.rcv_probes_ucast,
      s.periodic_gc_runs,
      s.forced_gc_runs,
      s.unres_discards,
      s.table_fulls,
    ]),
  );

/** Routes that are kept, of all namespaces. */
function keptRoutes(kernel: Kernel): number {
  let n = 0;
  for (const net of kernel.netns.list) {
    const { routes } = ipv4Net(net);
    n += routes.output.size + routes.input.filter((r) => r !== undefined).length;
  }
  return n;
}

/** Since routes are no longer cached by flow, the columns of hits and of the old cache's collector stay zero. */
const routeText = (kernel: Kernel): string => {
  const entries = keptRoutes(kernel);
  return table(
    ROUTE_COLUMNS,
    kernel.ipv4.route.stats.map((s) => [
      entries,
      0,
      s.in_slow_tot,
      s.in_slow_mc,
      s.in_no_route,
      s.in_brd,
      s.in_martian_dst,
      s.in_martian_src,
      0,
      s.out_slow_tot,
      s.out_slow_mc,
      0,
      0,
      0,
      0,
      0,
      0,
    ]),
  );
};

/** Name → text, in the directory's order. */
export const PROC_NET_STAT: readonly (readonly [string, FileOps<undefined>])[] = [
  ['arp_cache', ops({ read: (kernel: Kernel) => neighText(kernel.ipv4.arp.tbl) })],
  ['ndisc_cache', ops({ read: (kernel: Kernel) => neighText(kernel.ipv6.ndisc.tbl) })],
  ['rt_cache', ops({ read: (kernel: Kernel) => routeText(kernel) })],
];
