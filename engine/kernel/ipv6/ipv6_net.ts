// What IPv6 keeps per network namespace and per device, and its addresses.
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { FragQueue } from '../ipv4/ip_fragment.ts';
import type { NeighParms } from '../ipv4/neigh_table.ts';
import { INFINITY_LIFE_TIME, type RuleInfo } from '../rtnl_records.ts';
import { TimerList } from '../timer.ts';
import { WorkStruct } from '../workqueue.ts';
import type { Addrconf } from './addrconf.ts';
import type { Fib6Info, Rt6 } from './ip6_fib.ts';
import type { Mcast6 } from './mcast.ts';

/** net.ipv6.conf.X.*; fields are what the code reads or a machine shows. */
export class Ipv6Devconf {
  forwarding = 0;
  hop_limit = 64;
  mtu = 1280;
  accept_ra = 1;
  accept_redirects = 1;
  autoconf = 1;
  dad_transmits = 1;
  router_solicitations = -1;
  router_solicitation_interval = 4;
  router_solicitation_max_interval = 3600;
  router_solicitation_delay = 1;
  force_mld_version = 0;
  mldv1_unsolicited_report_interval = 10000;
  mldv2_unsolicited_report_interval = 1000;
  use_tempaddr = 0;
  temp_valid_lft = 604800;
  temp_prefered_lft = 86400;
  regen_max_retry = 3;
  max_desync_factor = 600;
  max_addresses = 16;
  accept_ra_defrtr = 1;
  ra_defrtr_metric = 1024;
  accept_ra_min_hop_limit = 1;
  accept_ra_pinfo = 1;
  accept_ra_rtr_pref = 1;
  router_probe_interval = 60;
  accept_ra_rt_info_min_plen = 0;
  accept_ra_rt_info_max_plen = 0;
  proxy_ndp = 0;
  accept_source_route = 0;
  optimistic_dad = 0;
  use_optimistic = 0;
  mc_forwarding = 0;
  disable_ipv6 = 0;
  accept_dad = 1;
  force_tllao = 0;
  ndisc_notify = 0;
  suppress_frag_ndisc = 1;
  accept_ra_from_local = 0;
  accept_ra_mtu = 1;
  use_oif_addrs_only = 0;
  ignore_routes_with_linkdown = 0;
  drop_unicast_in_l2_multicast = 0;
  drop_unsolicited_na = 0;
  keep_addr_on_down = 0;
  seg6_enabled = 0;
  enhanced_dad = 1;
  addr_gen_mode = 0;
  disable_policy = 0;
  ndisc_tclass = 0;
  rpl_seg_enabled = 0;
  ndisc_evict_nocarrier = 1;
}
export type Devconf6Key = keyof Ipv6Devconf;
export const DEVCONF6_KEYS = Object.keys(new Ipv6Devconf()) as readonly Devconf6Key[];

/** States of an address (Linux: INET6_IFADDR_STATE_*). */
export const IFADDR6 = { PREDAD: 0, DAD: 1, POSTDAD: 2, ERRDAD: 3, DEAD: 4 } as const;

export class Inet6Ifaddr {
  state: number = IFADDR6.PREDAD;
  flags = 0;
  valid_lft = INFINITY_LIFE_TIME;
  prefered_lft = INFINITY_LIFE_TIME;
  cstamp = 0;
  tstamp = 0;
  dad_probes = 0;
  dad_nonce: Uint8Array | undefined;
  peer: Uint8Array | undefined;
  rt_priority = 0;
  rt_proto = 0;
  /** The local route of the address, inserted when the address is valid. */
  rt: Fib6Info | undefined;
  readonly dad_work: WorkStruct;
  readonly timer: TimerList;
  constructor(
    readonly idev: Inet6Dev,
    readonly addr: Uint8Array,
    readonly prefix_len: number,
    readonly scope: number,
    owner: Addrconf,
  ) {
    this.dad_work = new WorkStruct(owner, 0, this);
    this.timer = new TimerList(owner, 2, this);
  }
}

/** A multicast group of a device (Linux: struct ifmcaddr6). */
export class Ifmcaddr6 {
  users = 1;
  loaded = false;
  noreport = false;
  crcount = 0;
  readonly timer: TimerList;
  constructor(
    readonly idev: Inet6Dev,
    readonly addr: Uint8Array,
    owner: Mcast6,
  ) {
    this.timer = new TimerList(owner, 3, this);
  }
}

/** IPv6 state of a device (Linux: struct inet6_dev); hangs on dev.ip6_ptr. */
export class Inet6Dev {
  /** Newest scope first, as Linux keeps them: global, then link-local. */
  readonly addr_list: Inet6Ifaddr[] = [];
  readonly mc_list: Ifmcaddr6[] = [];
  /** Groups left whose leaving is to be reported. */
  readonly mc_tomb: Ifmcaddr6[] = [];
  readonly cnf: Ipv6Devconf;
  ready = false;
  dead = false;
  rs_sent = false;
  ra_rcvd = false;
  rs_probes = 0;
  rs_interval = 0;
  mc_qrv = 2;
  mc_ifc_count = 0;
  mc_dad_count = 0;
  tstamp = 0;
  readonly rs_timer: TimerList;
  readonly mc_ifc_work: WorkStruct;
  readonly mc_dad_work: WorkStruct;
  readonly mc_gq_timer: TimerList;
  constructor(
    readonly dev: NetDevice,
    cnf: Ipv6Devconf,
    readonly nd_parms: NeighParms,
    addrconf: Addrconf,
    mcast: Mcast6,
  ) {
    this.cnf = Object.assign(new Ipv6Devconf(), cnf);
    this.rs_timer = new TimerList(addrconf, 1, this);
    this.mc_ifc_work = new WorkStruct(mcast, 0, this);
    this.mc_dad_work = new WorkStruct(mcast, 1, this);
    this.mc_gq_timer = new TimerList(mcast, 2, this);
  }
}

export class Ipv6Net {
  readonly confAll = new Ipv6Devconf();
  readonly confDefault = new Ipv6Devconf();
  /** Routes of all tables, kept in dump order (Linux: struct fib6_table by id). */
  readonly tables = new Map<number, Fib6Info[]>();
  readonly rules: RuleInfo[] = [];
  /** A rule was added or removed: the destination alone no longer decides. */
  customRules = false;
  genid = 1;
  readonly cache = new Map<string, Rt6>();
  cacheGenid = 0;
  /** Path MTUs learnt: destination → [mtu, expires]. */
  readonly exceptions = new Map<string, { mtu: number; expires: number }>();
  readonly frags = new Map<string, FragQueue>();
  icmp_ratelimit = 1000;
  readonly icmpPeers = new Map<string, { tokens: number; last: number }>();
  constructor(readonly net: Net) {}
}

export const ipv6Net = (net: Net): Ipv6Net => net.ipv6 as Ipv6Net;
export const in6Dev = (dev: NetDevice): Inet6Dev | undefined => dev.ip6_ptr as Inet6Dev | undefined;
