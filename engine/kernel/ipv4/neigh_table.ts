// Neighbour tables' structures: entries, parameters, and what a protocol adds (Linux: include/net/neighbour.h).
import { ByteMem } from '../../base/memory.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { NUD, type IpBytes } from '../rtnl_records.ts';
import { SkBuffHead, type SkBuff } from '../skbuff.ts';
import { TimerList } from '../timer.ts';
import type { NeighCore } from './neighbour.ts';

export const NUD_IN_TIMER = NUD.INCOMPLETE | NUD.REACHABLE | NUD.DELAY | NUD.PROBE;
export const NUD_VALID = NUD.PERMANENT | NUD.NOARP | NUD.REACHABLE | NUD.PROBE | NUD.STALE | NUD.DELAY;
export const NUD_CONNECTED = NUD.PERMANENT | NUD.NOARP | NUD.REACHABLE;

export const NEIGH_UPDATE_F = { OVERRIDE: 1, WEAK_OVERRIDE: 2, OVERRIDE_ISROUTER: 4, USE: 8, ISROUTER: 0x40, ADMIN: 0x80 } as const;

/** Parameters of one device (or a table's defaults), as net.ipv4.neigh.X shows them. Times in milliseconds. */
export class NeighParms {
  mcast_solicit = 3;
  ucast_solicit = 3;
  app_solicit = 0;
  mcast_resolicit = 0;
  retrans_time_ms = 1000;
  base_reachable_time_ms = 30000;
  delay_first_probe_time_ms = 5000;
  gc_stale_time_ms = 60000;
  unres_qlen_bytes = 212992;
  proxy_qlen = 64;
  anycast_delay_ms = 1000;
  proxy_delay_ms = 800;
  locktime_ms = 1000;
  /** The random reachable time in use, ms. */
  reachable_time_ms = 30000;
  constructor(readonly dev: NetDevice | undefined) {}
}

/** Linux: SKB_TRUESIZE(ETH_FRAME_LEN), by which unres_qlen counts packets. */
export const QLEN_TRUESIZE = 2090;

/** How packets leave through an entry. */
export const NEIGH_OUT = { RESOLVE: 0, CONNECTED: 1, DIRECT: 2, BLACKHOLE: 3 } as const;

export class Neighbour {
  nud_state: number = NUD.NONE;
  /** NUD_NOARP and so on were set by the protocol at creation: NTF_* */
  flags = 0;
  /** RTN_* of the address */
  type = 0;
  dead = false;
  protocol = 0;
  /** Times in ns. */
  confirmed = 0;
  used = 0;
  updated = 0;
  probes = 0;
  ha = new Uint8Array(6);
  output: number = NEIGH_OUT.RESOLVE;
  /** The ready link-layer header; hhValid once built. */
  readonly hh = new ByteMem(new Uint8Array(14));
  hhValid = false;
  readonly arp_queue = new SkBuffHead();
  arp_queue_len_bytes = 0;
  readonly timer: TimerList;
  constructor(
    readonly tbl: NeighTable,
    /** 32-bit number (IPv4) or the 16 bytes as a string (IPv6). */
    readonly key: number | string,
    readonly addr: IpBytes,
    readonly dev: NetDevice,
    readonly parms: NeighParms,
    readonly order: number,
    core: NeighCore,
  ) {
    this.timer = new TimerList(core, 0, this);
  }
}

/** What a protocol does with its entries (Linux: neigh_ops and neigh_table's constructor). */
export interface NeighProtocol {
  /** Sets type, ha, nud_state and output of a new entry; 0 or -errno. */
  construct(neigh: Neighbour): number;
  solicit(neigh: Neighbour, skb: SkBuff | undefined): void;
  /** The entry failed: a packet that waited for it. Consumes it. */
  error_report(neigh: Neighbour, skb: SkBuff): void;
}

/** Counters of a table, as /proc/net/stat shows them (Linux: struct neigh_statistics). */
export class NeighStatistics {
  allocs = 0;
  destroys = 0;
  hash_grows = 0;
  lookups = 0;
  hits = 0;
  res_failed = 0;
  rcv_probes_mcast = 0;
  rcv_probes_ucast = 0;
  periodic_gc_runs = 0;
  forced_gc_runs = 0;
  unres_discards = 0;
  table_fulls = 0;
}

export class NeighTable {
  /** Entries by device, then by key. */
  readonly byDev = new Map<NetDevice, Map<number | string, Neighbour>>();
  readonly parms = new Map<NetDevice, NeighParms>();
  readonly defaults: NeighParms;
  /** Of blackhole_netdev, which has no index and is in init_net; made once at boot. */
  readonly blackhole: NeighParms;
  readonly proxies: { readonly net: Net; readonly dev: NetDevice | undefined; readonly addr: IpBytes; flags: number }[] = [];
  entries = 0;
  gc_thresh1 = 128;
  gc_thresh2 = 512;
  gc_thresh3 = 1024;
  gc_interval_ms = 30000;
  /** One of each CPU. */
  readonly stats: readonly NeighStatistics[];
  constructor(
    readonly family: number,
    readonly name: string,
    readonly proto: NeighProtocol,
    readonly ethertype: number,
    /** Four odd words drawn at boot (Linux: neigh_get_hash_rnd()). */
    readonly hashRnd: Uint32Array,
    cpus: number,
  ) {
    this.stats = Array.from({ length: cpus }, () => new NeighStatistics());
    this.defaults = new NeighParms(undefined);
    this.blackhole = new NeighParms(undefined);
  }
}
