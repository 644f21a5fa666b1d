// What IPv4 keeps per network namespace and per device, and the text form of its sysctls.
import type { Net } from '../net_namespace.ts';
import type { NetDevice } from '../net_device.ts';
import type { FibInfo, FibRule, FibTable } from './fib_table.ts';
import type { InDevice } from './devinet.ts';
import type { FragQueue } from './ip_fragment.ts';
import type { RouteCache } from './route.ts';
import { SnmpMib } from './mib.ts';
import type { Nexthop } from './nexthop.ts';
import type { InetSock } from './inet_sock.ts';
import { TcpNet } from './tcp_net.ts';

/** net.ipv4.conf.X.* in the kernel's order; fields are what the code reads. */
export class Ipv4Devconf {
  forwarding = 0;
  mc_forwarding = 0;
  bc_forwarding = 0;
  accept_redirects = 1;
  secure_redirects = 1;
  shared_media = 1;
  rp_filter = 0;
  send_redirects = 1;
  accept_source_route = 0;
  accept_local = 0;
  src_valid_mark = 0;
  proxy_arp = 0;
  medium_id = 0;
  bootp_relay = 0;
  log_martians = 0;
  tag = 0;
  arp_filter = 0;
  arp_announce = 0;
  arp_ignore = 0;
  arp_accept = 0;
  arp_notify = 0;
  arp_evict_nocarrier = 1;
  proxy_arp_pvlan = 0;
  force_igmp_version = 0;
  igmpv2_unsolicited_report_interval = 10000;
  igmpv3_unsolicited_report_interval = 1000;
  ignore_routes_with_linkdown = 0;
  drop_gratuitous_arp = 0;
  disable_xfrm = 0;
  disable_policy = 0;
  promote_secondaries = 0;
  route_localnet = 0;
  drop_unicast_in_l2_multicast = 0;
}
export type DevconfKey = keyof Ipv4Devconf;
export const DEVCONF_KEYS = Object.keys(new Ipv4Devconf()) as readonly DevconfKey[];

/** Namespace-wide values that the code reads; names are those under net.ipv4. */
export class Ipv4Sysctls {
  ip_forward = 0;
  ip_default_ttl = 64;
  ip_no_pmtu_disc = 0;
  ip_forward_use_pmtu = 0;
  ip_nonlocal_bind = 0;
  ip_autobind_reuse = 0;
  icmp_echo_ignore_all = 0;
  icmp_echo_ignore_broadcasts = 1;
  icmp_ignore_bogus_error_responses = 1;
  icmp_errors_use_inbound_ifaddr = 0;
  icmp_ratelimit = 1000;
  icmp_ratemask = 6168;
  icmp_msgs_per_sec = 1000;
  icmp_msgs_burst = 50;
  igmp_max_memberships = 20;
  igmp_max_msf = 10;
  igmp_qrv = 2;
  igmp_link_local_mcast_reports = 1;
  ipfrag_high_thresh = 4194304;
  ipfrag_low_thresh = 3145728;
  ipfrag_time = 30;
  ipfrag_max_dist = 64;
  fib_multipath_hash_policy = 0;
  fib_multipath_use_neigh = 0;
  fib_sync_mem = 524288;
  udp_rmem_min = 4096;
  udp_wmem_min = 4096;
}
export const SYSCTL_KEYS = Object.keys(new Ipv4Sysctls()) as readonly (keyof Ipv4Sysctls)[];
/** Under net.ipv4.route. */
export class RouteSysctls {
  error_burst = 1250;
  error_cost = 250;
  gc_elasticity = 8;
  gc_interval = 60;
  gc_min_interval = 0;
  gc_min_interval_ms = 500;
  gc_thresh = -1;
  gc_timeout = 300;
  max_size = 2147483647;
  min_adv_mss = 256;
  min_pmtu = 552;
  mtu_expires = 600;
  redirect_load = 5;
  redirect_number = 9;
  redirect_silence = 5120;
}
export const ROUTE_KEYS = Object.keys(new RouteSysctls()) as readonly (keyof RouteSysctls)[];

/** UDP sockets of a namespace by local port; several with SO_REUSEADDR or different addresses. */
export type PortTable = Map<number, InetSock[]>;

export class Ipv4Net {
  readonly mib = new SnmpMib();
  readonly sysctl = new Ipv4Sysctls();
  readonly routeSysctl = new RouteSysctls();
  readonly confAll = new Ipv4Devconf();
  readonly confDefault = new Ipv4Devconf();
  /** net.ipv4.ip_local_port_range and ping_group_range */
  portMin = 32768;
  portMax = 60999;
  pingGroupLow = 1;
  pingGroupHigh = 0;
  readonly tables = new Map<number, FibTable>();
  readonly rules: FibRule[] = [];
  /** A rule was added or removed: local addresses alone no longer decide about sources. */
  customRules = false;
  readonly fibInfos: FibInfo[] = [];
  /** Next hop objects by id. */
  readonly nexthops = new Map<number, Nexthop>();
  /** Increased when routes, addresses or devices change: cached routes of older generations are void. */
  rtGenid = 1;
  routes!: RouteCache;
  /** Own addresses, for look-ups without the tables: address → the device addresses that have it. */
  readonly addresses = new Map<number, InDevice[]>();
  readonly frags = new Map<string, FragQueue>();
  fragMem = 0;
  readonly tcp = new TcpNet();
  readonly udp: PortTable = new Map();
  /** ICMP datagram sockets by identifier. */
  readonly ping = new Map<number, InetSock[]>();
  readonly raw: InetSock[] = [];
  readonly raw6: InetSock[] = [];
  /** ICMP's global token bucket. */
  icmpCredit = 0;
  icmpStamp = 0;

  /** Token buckets by destination (Linux: inet_peer's rate_tokens). */
  readonly peers = new Map<number, { tokens: number; last: number }>();

  constructor(readonly net: Net) {}
}

export const ipv4Net = (net: Net): Ipv4Net => net.ipv4 as Ipv4Net;
export const inDev = (dev: NetDevice): InDevice | undefined => dev.ip_ptr as InDevice | undefined;
