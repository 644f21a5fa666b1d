// What rtnetlink carries about addresses, routes, rules and neighbours: one record per message, with the uapi's numbers.

export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10, PACKET: 17 } as const;

/** An address in network order: 4 bytes (IPv4) or 16 (IPv6). */
export type IpBytes = Uint8Array;

/** Linux: include/uapi/linux/rtnetlink.h, rt_scope_t */
export const RT_SCOPE = { UNIVERSE: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255 } as const;
export const RTN = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
  THROW: 9,
} as const;
export const RTPROT = { UNSPEC: 0, REDIRECT: 1, KERNEL: 2, BOOT: 3, STATIC: 4, RA: 9, DHCP: 16 } as const;
export const RT_TABLE = { UNSPEC: 0, DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;
/** Next hop flags; rtm_flags of a single-path route carries them too. */
export const RTNH_F = { DEAD: 1, PERVASIVE: 2, ONLINK: 4, OFFLOAD: 8, LINKDOWN: 16, UNRESOLVED: 32, TRAP: 64 } as const;
export const RTM_F = { NOTIFY: 0x100, CLONED: 0x200, EQUALIZE: 0x400, PREFIX: 0x800, LOOKUP_TABLE: 0x1000, FIB_MATCH: 0x2000 } as const;
/** The route cache's flags, in rtm_flags' upper half of `ip route get` (Linux: include/uapi/linux/in_route.h). */
export const RTCF = {
  DEAD: 0x4,
  DOREDIRECT: 0x01000000,
  BROADCAST: 0x10000000,
  MULTICAST: 0x20000000,
  LOCAL: 0x80000000,
  NOTIFY: 0x00010000,
  REJECT: 0x40000000,
  DIRECTSRC: 0x04000000,
} as const;
/** Linux: include/uapi/linux/if_addr.h */
export const IFA_F = {
  SECONDARY: 0x01,
  NODAD: 0x02,
  OPTIMISTIC: 0x04,
  DADFAILED: 0x08,
  HOMEADDRESS: 0x10,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  MANAGETEMPADDR: 0x100,
  NOPREFIXROUTE: 0x200,
  MCAUTOJOIN: 0x400,
  STABLE_PRIVACY: 0x800,
} as const;
export const INFINITY_LIFE_TIME = 0xffffffff;
/** Linux: include/uapi/linux/neighbour.h */
export const NUD = {
  NONE: 0x00,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;
export const NTF = {
  USE: 0x01,
  SELF: 0x02,
  MASTER: 0x04,
  PROXY: 0x08,
  EXT_LEARNED: 0x10,
  OFFLOADED: 0x20,
  STICKY: 0x40,
  ROUTER: 0x80,
} as const;
/** Netlink request flags of RTM_NEW* (Linux: include/uapi/linux/netlink.h). */
export const NLM_F = { REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
/** Linux: include/uapi/linux/fib_rules.h */
export const FR_ACT = { UNSPEC: 0, TO_TBL: 1, GOTO: 2, NOP: 3, BLACKHOLE: 6, UNREACHABLE: 7, PROHIBIT: 8 } as const;
export const FIB_RULE = { PERMANENT: 0x1, INVERT: 0x2, UNRESOLVED: 0x4, IIF_DETACHED: 0x8, OIF_DETACHED: 0x10 } as const;
/** Route metrics by rtnetlink's numbers (RTAX_*). */
export const RTAX = {
  LOCK: 1,
  MTU: 2,
  WINDOW: 3,
  RTT: 4,
  RTTVAR: 5,
  SSTHRESH: 6,
  CWND: 7,
  ADVMSS: 8,
  REORDERING: 9,
  HOPLIMIT: 10,
  INITCWND: 11,
  FEATURES: 12,
  RTO_MIN: 13,
  INITRWND: 14,
  QUICKACK: 15,
} as const;

/** RTM_NEWADDR: an address as dumped, and what a request to add or delete one carries. */
export interface AddrInfo {
  family: number;
  ifindex: number;
  prefixlen: number;
  scope: number;
  /** IFA_F_* */
  flags: number;
  /** IFA_LOCAL: the interface's own address. IPv6 has it only with a peer. */
  local?: IpBytes;
  /** IFA_ADDRESS: the peer's on point-to-point links, else the same. */
  address?: IpBytes;
  broadcast?: IpBytes;
  anycast?: IpBytes;
  label?: string;
  /** Seconds, 0xffffffff: forever. */
  valid_lft: number;
  preferred_lft: number;
  /** Hundredths of a second since boot. */
  cstamp?: number;
  tstamp?: number;
  /** IFA_RT_PRIORITY: metric of the prefix route. */
  rt_priority?: number;
  protocol?: number;
}

/** A request: which attributes were given. */
export interface AddrRequest {
  family: number;
  ifindex: number;
  prefixlen: number;
  /** ip(8) computes it when the user did not. */
  scope: number;
  flags: number;
  local?: IpBytes;
  address?: IpBytes;
  broadcast?: IpBytes;
  anycast?: IpBytes;
  label?: string;
  valid_lft?: number;
  preferred_lft?: number;
  rt_priority?: number;
  protocol?: number;
  /** NLM_F_* */
  nlflags: number;
}

export interface NexthopInfo {
  ifindex: number;
  /** RTNH_F_* */
  flags: number;
  /** Weight as people write it, from 1. */
  weight: number;
  gateway?: IpBytes;
}

/** RTM_NEWNEXTHOP: a next hop object or a group of them. */
export interface NexthopObject {
  family: number;
  /** 0 in a request: the kernel chooses. */
  id: number;
  /** 0: none. */
  oif: number;
  gateway?: IpBytes;
  scope: number;
  /** RTNH_F_* */
  flags: number;
  blackhole: boolean;
  protocol: number;
  group?: readonly { readonly id: number; readonly weight: number }[];
}

/** RTM_NEWROUTE */
export interface RouteInfo {
  family: number;
  /** Absent with dst_len 0: default. */
  dst?: IpBytes;
  dst_len: number;
  src?: IpBytes;
  src_len: number;
  tos: number;
  table: number;
  protocol: number;
  scope: number;
  type: number;
  /** RTNH_F_* | RTM_F_* | RTCF_* */
  flags: number;
  /** RTA_PRIORITY: metric. */
  priority?: number;
  prefsrc?: IpBytes;
  /** One for a plain route, more for multipath, none for unreachable and its like (IPv4). */
  nexthops: NexthopInfo[];
  /** RTAX number → value. */
  metrics?: Map<number, number>;
  /** IPv6 router preference: 0 medium, 1 high, 3 low. */
  pref?: number;
  /** RTA_NH_ID: the next hop object. */
  nhid?: number;
  /** Of `ip route get`. */
  iif?: number;
  mark?: number;
  uid?: number;
  cacheinfo?: { clntref: number; lastuse: number; expires: number; error: number; used: number };
}

/** RTM_NEWROUTE / RTM_DELROUTE as asked for. An absent oif: taken from the gateway. */
export interface RouteRequest {
  family: number;
  dst?: IpBytes;
  dst_len: number;
  tos: number;
  table: number;
  protocol: number;
  scope: number;
  type: number;
  /** RTNH_F_ONLINK … */
  flags: number;
  priority?: number;
  prefsrc?: IpBytes;
  gateway?: IpBytes;
  oif?: number;
  multipath?: NexthopInfo[];
  metrics?: Map<number, number>;
  pref?: number;
  expires?: number;
  nhid?: number;
  nlflags: number;
}

/** RTM_GETROUTE for one destination. */
export interface RouteGetRequest {
  family: number;
  dst: IpBytes;
  src?: IpBytes;
  iif?: number;
  oif?: number;
  tos?: number;
  mark?: number;
  uid?: number;
  /** ip route get fibmatch */
  fibmatch?: boolean;
  ipproto?: number;
  sport?: number;
  dport?: number;
}

/** RTM_NEWRULE, and a request to add or delete one. */
export interface RuleInfo {
  family: number;
  priority?: number;
  src?: IpBytes;
  src_len: number;
  dst?: IpBytes;
  dst_len: number;
  iifname?: string;
  oifname?: string;
  tos: number;
  fwmark?: number;
  fwmask?: number;
  table: number;
  action: number;
  /** FIB_RULE_* */
  flags: number;
  target?: number;
  suppress_prefixlen?: number;
  protocol: number;
  ip_proto?: number;
  /** Inclusive ranges of port and user numbers. */
  sport?: NumberRange;
  dport?: NumberRange;
  uid_range?: NumberRange;
}

export interface NumberRange {
  readonly start: number;
  readonly end: number;
}

/** RTM_NEWNEIGH */
export interface NeighInfo {
  family: number;
  ifindex: number;
  /** NUD_* */
  state: number;
  /** NTF_* */
  flags: number;
  type: number;
  dst: IpBytes;
  lladdr?: Uint8Array;
  probes?: number;
  /** Hundredths of a second ago. */
  cacheinfo?: { confirmed: number; used: number; updated: number; refcnt: number };
  protocol?: number;
}

export interface NeighRequest {
  family: number;
  ifindex: number;
  state: number;
  flags: number;
  dst: IpBytes;
  lladdr?: Uint8Array;
  protocol?: number;
  nlflags: number;
}

/** RTM_NEWNEIGHTBL: a table's defaults (no ifindex) or one device's parameters. Times in milliseconds. */
export interface NeighTableInfo {
  family: number;
  name: string;
  ifindex?: number;
  thresh1?: number;
  thresh2?: number;
  thresh3?: number;
  gc_interval?: number;
  refcnt: number;
  reachable_time: number;
  base_reachable_time: number;
  retrans_time: number;
  gc_staletime: number;
  delay_probe_time: number;
  queue_len: number;
  queue_lenbytes: number;
  app_probes: number;
  ucast_probes: number;
  mcast_probes: number;
  anycast_delay: number;
  proxy_delay: number;
  proxy_qlen: number;
  locktime: number;
}

/** RTM_NEWNETCONF. ifindex -1 is `all`, -2 `default`. */
export interface NetconfInfo {
  family: number;
  ifindex: number;
  forwarding: number;
  rp_filter?: number;
  mc_forwarding: number;
  proxy_neigh: number;
  ignore_routes_with_linkdown: number;
}
