// struct net_device, its queues and op tables, with Linux's member names.
import type { Device } from './device.ts';
import { Dql } from './dql.ts';
import type { EthtoolOps } from './ethtool/ops.ts';
import type { RpsQueue } from './rps.ts';
import type { Napi } from './napi.ts';
import type { Net } from './net_namespace.ts';
import type { Qdisc } from './sched/qdisc.ts';
import type { TcfBlock } from './sched/tcf.ts';
import type { NlResult } from './rtnetlink.ts';
import type { BridgePortAttrs, BridgeVlan, FdbInfo, FdbRequest } from './rtnl_link_kinds.ts';
import type { SkBuff } from './skbuff.ts';
import type { TimerList } from './timer.ts';
import type { VlanInfo } from './vlan_core.ts';

/** Linux: include/uapi/linux/if.h */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  DEBUG: 0x4,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  NOTRAILERS: 0x20,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  DYNAMIC: 0x8000,
  LOWER_UP: 0x10000,
  DORMANT: 0x20000,
} as const;

/** ndo_start_xmit's answers */
export const NETDEV_TX_OK = 0;
export const NETDEV_TX_BUSY = 0x10;
/** Results of the transmit path (Linux: include/linux/netdevice.h) */
export const NET_XMIT_SUCCESS = 0;
export const NET_XMIT_DROP = 1;
export const NET_XMIT_CN = 2;
export const NET_RX_SUCCESS = 0;
export const NET_RX_DROP = 1;

export const ARPHRD = { ETHER: 1, LOOPBACK: 772, NONE: 0xfffe } as const;

/** RFC 2863 operational states as Linux numbers them */
export const IF_OPER = { UNKNOWN: 0, NOTPRESENT: 1, DOWN: 2, LOWERLAYERDOWN: 3, TESTING: 4, DORMANT: 5, UP: 6 } as const;

/** Counters of `ip -s link`, /proc/net/dev and sysfs statistics/ (Linux: struct rtnl_link_stats64, same order). */
export const LINK_STATS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'multicast',
  'collisions',
  'rx_length_errors',
  'rx_over_errors',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_fifo_errors',
  'rx_missed_errors',
  'tx_aborted_errors',
  'tx_carrier_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_window_errors',
  'rx_compressed',
  'tx_compressed',
  'rx_nohandler',
] as const;
export type LinkStats = Record<(typeof LINK_STATS)[number], number>;
export const zeroLinkStats = (): LinkStats => Object.fromEntries(LINK_STATS.map((k) => [k, 0])) as LinkStats;

/** Transmit queue (Linux: struct netdev_queue). */
export class NetdevQueue {
  qdisc!: Qdisc;
  /** What is attached also while the device is down. */
  qdisc_sleeping!: Qdisc;
  /** __QUEUE_STATE_DRV_XOFF: the driver stopped it; STACK_XOFF is BQL's. */
  drvXoff = false;
  stackXoff = false;
  readonly dql = new Dql();
  trans_start = 0;
  trans_timeout = 0;
  /** Times stopped and woken, for views. */
  stops = 0;
  wakes = 0;
  stoppedAt = 0;
  wokenAt = 0;
  constructor(
    readonly dev: NetDevice,
    readonly index: number,
  ) {}
}

/** Absent member: the core's default, or EOPNOTSUPP. `dev.priv` is the driver's own object. */
export interface NetDeviceOps {
  ndo_init?(dev: NetDevice): number;
  ndo_uninit?(dev: NetDevice): void;
  ndo_open?(dev: NetDevice): number;
  ndo_stop?(dev: NetDevice): number;
  ndo_start_xmit(skb: SkBuff, dev: NetDevice): number;
  ndo_select_queue?(dev: NetDevice, skb: SkBuff): number;
  ndo_set_rx_mode?(dev: NetDevice): void;
  ndo_set_mac_address?(dev: NetDevice, addr: Uint8Array): number;
  ndo_validate_addr?(dev: NetDevice): number;
  ndo_change_mtu?(dev: NetDevice, mtu: number): number;
  /** Fills what the driver counts itself; `dev.stats` holds the core's share. */
  ndo_get_stats64?(dev: NetDevice, stats: LinkStats): void;
  ndo_vlan_rx_add_vid?(dev: NetDevice, proto: number, vid: number): number;
  ndo_vlan_rx_kill_vid?(dev: NetDevice, proto: number, vid: number): number;
  ndo_set_features?(dev: NetDevice, features: bigint): number;
  ndo_fix_features?(dev: NetDevice, features: bigint): bigint;
  ndo_tx_timeout?(dev: NetDevice, queue: number): void;
  ndo_get_iflink?(dev: NetDevice): number;
  ndo_change_carrier?(dev: NetDevice, up: boolean): number;
  ndo_get_phys_port_name?(dev: NetDevice): string | undefined;
  /** IFF_PROMISC or IFF_ALLMULTI of a running device changed. */
  ndo_change_rx_flags?(dev: NetDevice, flags: number): void;
  /** A port comes under this master, or leaves it. */
  ndo_add_slave?(dev: NetDevice, slave: NetDevice): NlResult;
  ndo_del_slave?(dev: NetDevice, slave: NetDevice): number;
  /** Of a bridge: its table and VLANs, `port` being a port of it or the bridge. */
  ndo_fdb_dump?(dev: NetDevice, port: NetDevice): FdbInfo[];
  ndo_fdb_add?(dev: NetDevice, port: NetDevice, request: FdbRequest): NlResult;
  ndo_fdb_del?(dev: NetDevice, port: NetDevice, request: FdbRequest): NlResult;
  ndo_bridge_getvlans?(dev: NetDevice, port: NetDevice): BridgeVlan[];
  ndo_bridge_setvlan?(dev: NetDevice, port: NetDevice, vlan: BridgeVlan, add: boolean): number;
  ndo_bridge_setlink?(dev: NetDevice, port: NetDevice, attrs: BridgePortAttrs): NlResult;
}

/** What a receive handler did (Linux: rx_handler_result_t). */
export const RX_HANDLER = { CONSUMED: 0, ANOTHER: 1, EXACT: 2, PASS: 3 } as const;
/** Who sees a device's packets before the protocols: its bridge, its bond, its macvlans. */
export interface RxHandler {
  /** RX_HANDLER.*; ANOTHER has set skb.dev. */
  handle_frame(skb: SkBuff, dev: NetDevice): number;
}

/** One multicast (or extra unicast) address with its users (Linux: struct netdev_hw_addr). */
export interface HwAddr {
  readonly addr: Uint8Array;
  refcount: number;
  /** Set by a user (ip maddress add), and so once. */
  global_use: boolean;
}

/** The driver's directory in /sys/class/net/NAME/queues/rx-N/ (Linux: sysfs_rx_queue_group); a constant. */
export interface RxQueueGroup {
  readonly name: string;
  readonly files: readonly { readonly name: string; show(dev: NetDevice, queue: number): string }[];
}

export type RegState = 'uninitialized' | 'registered' | 'unregistering' | 'unregistered' | 'released';

export class NetDevice {
  ifindex = 0;
  iflink = 0;
  type: number = ARPHRD.ETHER;
  hard_header_len = 14;
  min_header_len = 14;
  needed_headroom = 0;
  addr_len = 6;
  dev_addr: Uint8Array = new Uint8Array(6);
  perm_addr: Uint8Array = new Uint8Array(6);
  broadcast: Uint8Array = new Uint8Array([255, 255, 255, 255, 255, 255]);
  /** NET_ADDR_PERM 0, RANDOM 1, STOLEN 2, SET 3 */
  addr_assign_type = 0;
  mtu = 1500;
  min_mtu = 68;
  max_mtu = 1500;
  flags = 0;
  gflags = 0;
  /** IFF_NO_QUEUE, IFF_LIVE_ADDR_CHANGE, … as strings of the flag's own name */
  readonly priv_flags = new Set<string>();
  tx_queue_len = 1000;
  group = 0;
  promiscuity = 0;
  allmulti = 0;
  operstate: number = IF_OPER.UNKNOWN;
  link_mode = 0;
  /** __LINK_STATE_START, __LINK_STATE_PRESENT, __LINK_STATE_NOCARRIER */
  started = false;
  present = true;
  nocarrier = false;
  carrier_up_count = 0;
  carrier_down_count = 0;
  reg_state: RegState = 'uninitialized';
  refcnt = 0;
  /** NETIF_F_* bits (kernel/netdev_features.ts) */
  features = 0n;
  hw_features = 0n;
  wanted_features = 0n;
  vlan_features = 0n;
  hw_enc_features = 0n;
  gso_max_size = 65536;
  gso_max_segs = 65535;
  tso_max_size = 65536;
  tso_max_segs = 65535;
  gro_max_size = 65536;
  /** Values of `dev->stats`, counted by the core or by drivers without counters of their own. */
  readonly stats: LinkStats = zeroLinkStats();
  readonly core_stats = { rx_dropped: 0, tx_dropped: 0, rx_nohandler: 0, rx_otherhost_dropped: 0 };
  readonly queues: NetdevQueue[] = [];
  num_tx_queues: number;
  real_num_tx_queues: number;
  num_rx_queues: number;
  real_num_rx_queues: number;
  /** Root qdisc, and the named and listed ones below it. */
  qdisc!: Qdisc;
  qdisc_hash: Qdisc[] = [];
  /** Where ingress or clsact hangs, once one was asked for; their filters by direction. */
  ingress_qdisc: Qdisc | undefined;
  tcf_ingress: TcfBlock | undefined;
  tcf_egress: TcfBlock | undefined;
  readonly napis: Napi[] = [];
  readonly mc: HwAddr[] = [];
  readonly uc: HwAddr[] = [];
  /** Parent on a bus; undefined for virtual devices. */
  parent: Device | undefined;
  /** 'veth', 'bridge' … for rtnetlink's IFLA_INFO_KIND; undefined for hardware. */
  kind: string | undefined;
  /** Made by rtnetlink and not yet announced (Linux: RTNL_LINK_INITIALIZING). */
  linkInitializing = false;
  /** Per-family state hung on the device: in_device, inet6_dev (the IP layer's own classes). */
  ip_ptr: object | undefined;
  ip6_ptr: object | undefined;
  ethtool_ops: EthtoolOps | undefined;
  /** Driver's private object. */
  priv: unknown;
  /** The other end, for veth. */
  peer: NetDevice | undefined;
  master: NetDevice | undefined;
  rx_handler: RxHandler | undefined;
  /** VLANs on this device. */
  vlan_info: VlanInfo | undefined;
  /** Alternative names (ip link property). */
  readonly altnames: string[] = [];
  watchdog_timeo = 5_000_000_000;
  watchdog_timer: TimerList | undefined;
  ifalias = '';
  /** XPS: transmit queues by CPU, in the order they were set; undefined when nobody set any. */
  xps_map: number[][] | undefined;
  /** XPS by the receive queue a socket's packets come from: transmit queues by receive queue. */
  xps_rxqs_map: number[][] | undefined;
  /** RPS: steering of each receive queue that has any. */
  readonly rps: RpsQueue[] = [];
  /** NAPI contexts run in threads of their own. */
  threaded = false;
  gro_flush_timeout = 0;
  napi_defer_hard_irqs = 0;
  /** What `features` says about the transmit path, kept by NetdevFeatures: sums and fragments are the device's work. */
  hwCsum = false;
  hwSg = false;
  hwFraglist = false;
  /** SKB_GSO_* that it takes whole. */
  gsoTypes = 0;
  /** And about merging: at all, datagrams as chains (rx-gro-list), datagrams that are forwarded. */
  gro = false;
  groList = false;
  groUdpFwd = false;
  /** NET_NAME_*: 0 unknown, 1 numbered by the kernel, 2 predictable, 3 given by user space, 4 renamed. */
  name_assign_type = 0;
  sysfs_rx_queue_group: RxQueueGroup | undefined;
  /** IN6_ADDR_GEN_MODE: 0 eui64, 1 none. */
  addrgenmode = 0;

  constructor(
    public net: Net,
    public name: string,
    readonly netdev_ops: NetDeviceOps,
    txqs: number,
    rxqs: number,
  ) {
    this.num_tx_queues = txqs;
    this.real_num_tx_queues = txqs;
    this.num_rx_queues = rxqs;
    this.real_num_rx_queues = rxqs;
    for (let i = 0; i < txqs; i++) this.queues.push(new NetdevQueue(this, i));
  }
}
