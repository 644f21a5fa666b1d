// rtnetlink: the link half, and notifications for all of it (Linux: net/core/rtnetlink.c).
import type { Kernel } from './kernel.ts';
import type { LinkStats, NetDevice } from './net_device.ts';
import type { Net } from './net_namespace.ts';

/** Answer of a request: 0 or a negative errno, with the kernel's own words when it has some. */
export interface NlResult {
  readonly errno: number;
  readonly extack?: string;
}
export const NL_OK: NlResult = Object.freeze({ errno: 0 });

/** One link as RTM_NEWLINK describes it. Absent attributes are undefined. */
export interface LinkInfo {
  readonly ifindex: number;
  readonly ifname: string;
  /** IFF_* bits, LOWER_UP and so on included */
  readonly flags: number;
  readonly type: number;
  readonly mtu: number;
  readonly qdisc: string;
  readonly operstate: number;
  readonly linkmode: number;
  readonly group: number;
  readonly txqlen: number;
  readonly address: Uint8Array;
  readonly broadcast: Uint8Array;
  readonly perm_address: Uint8Array | undefined;
  /** IFLA_LINK: ifindex of the lower or peer device; undefined when it is itself. */
  readonly link: number | undefined;
  /** IFLA_LINK_NETNSID: where that is, when elsewhere. */
  readonly link_netnsid: number | undefined;
  /** IFLA_NEW_NETNSID, IFLA_NEW_IFINDEX: where it went, in the RTM_DELLINK of a move. */
  readonly new_netnsid?: number;
  readonly new_ifindex?: number;
  readonly master: number | undefined;
  readonly ifalias: string;
  readonly promiscuity: number;
  readonly allmulti: number;
  readonly min_mtu: number;
  readonly max_mtu: number;
  readonly num_tx_queues: number;
  readonly num_rx_queues: number;
  readonly gso_max_size: number;
  readonly gso_max_segs: number;
  readonly tso_max_size: number;
  readonly tso_max_segs: number;
  readonly gro_max_size: number;
  readonly carrier: boolean;
  readonly carrier_up_count: number;
  readonly carrier_down_count: number;
  /** IFLA_INFO_KIND */
  readonly kind: string | undefined;
  readonly parentbus: string | undefined;
  readonly parentdev: string | undefined;
  /** IN6_ADDR_GEN_MODE: 0 eui64, 1 none */
  readonly addrgenmode: number;
  readonly stats: LinkStats;
}

export type RtnlGroup = 'link' | 'ipv4-addr' | 'ipv4-route' | 'ipv6-addr' | 'ipv6-route' | 'neigh' | 'ipv4-rule' | 'ipv6-rule' | 'ipv6-prefix' | 'netconf' | 'nsid';
export type RtmType =
  | 'RTM_NEWLINK' | 'RTM_DELLINK' | 'RTM_NEWADDR' | 'RTM_DELADDR' | 'RTM_NEWROUTE' | 'RTM_DELROUTE' | 'RTM_NEWNEIGH' | 'RTM_DELNEIGH'
  | 'RTM_NEWRULE' | 'RTM_DELRULE' | 'RTM_NEWNETCONF' | 'RTM_DELNETCONF' | 'RTM_NEWNSID' | 'RTM_DELNSID';

/** RTM_NEWNSID, RTM_DELNSID */
export interface NsidInfo {
  readonly nsid: number;
  /** Whose id it is. */
  readonly peer: Net | undefined;
}

/** A notification; `info` is the record of its kind: LinkInfo, and those of ipv4/ and ipv6/. */
export interface RtnlMessage {
  readonly type: RtmType;
  readonly info: object;
}

/** Somebody listening on a netlink socket (ip monitor). Called in the context that changed something. */
export interface RtnlListener {
  onRtnl(message: RtnlMessage, net: Net): void;
}

/** Which link: by index or name. */
export interface LinkRef {
  readonly ifindex?: number;
  readonly ifname?: string;
}

/** What RTM_NEWLINK/RTM_SETLINK may ask. */
export interface LinkRequest extends LinkRef {
  /** New flags and which of them count (ifi_flags, ifi_change). */
  readonly flags?: number;
  readonly change?: number;
  readonly mtu?: number;
  readonly txqlen?: number;
  readonly address?: Uint8Array;
  readonly broadcast?: Uint8Array;
  /** Rename (ip link set X name Y). */
  readonly newname?: string;
  readonly group?: number;
  readonly ifalias?: string;
  /** IFLA_NET_NS_FD, IFLA_NET_NS_PID resolved by the caller. */
  readonly netns?: Net;
  readonly master?: number;
  readonly carrier?: boolean;
  readonly operstate?: number;
  readonly linkmode?: number;
  readonly addrgenmode?: number;
  readonly num_tx_queues?: number;
  readonly num_rx_queues?: number;
  /** IFLA_LINKINFO */
  readonly kind?: string;
  readonly link?: number;
  /** VETH_INFO_PEER */
  readonly peer?: LinkRequest;
}

/** A kind of virtual link, registered by its module (Linux: struct rtnl_link_ops); a module constant made with ops(). */
export interface RtnlLinkOps {
  readonly kind: string;
  setup(dev: NetDevice): void;
  validate?(request: LinkRequest): NlResult;
  /** Registers `dev` (allocated and named by the core) and whatever belongs to it. */
  newlink(kernel: Kernel, net: Net, dev: NetDevice, request: LinkRequest): NlResult;
  /** Devices to be unregistered with it, itself included. */
  dellink(kernel: Kernel, dev: NetDevice): readonly NetDevice[];
  readonly netdev_ops: NetDevice['netdev_ops'];
  get_num_tx_queues?(kernel: Kernel): number;
  /** Namespace of IFLA_LINK. */
  get_link_net?(dev: NetDevice): Net | undefined;
}

export class Rtnetlink {
  constructor(readonly kernel: Kernel) {}

  rtnl_link_register(ops: RtnlLinkOps): number;
  rtnl_link_register(): number {
    return 0;
  }
  /** Destroys all links of the kind. */
  rtnl_link_unregister(ops: RtnlLinkOps): void;
  rtnl_link_unregister(): void {
    return;
  }
  /** ip link add. */
  rtnl_newlink(net: Net, request: LinkRequest): NlResult;
  rtnl_newlink(): NlResult {
    return NL_OK;
  }
  /** ip link set. */
  rtnl_setlink(net: Net, request: LinkRequest): NlResult;
  rtnl_setlink(): NlResult {
    return NL_OK;
  }
  /** ip link del; `kind` as given after type. */
  rtnl_dellink(net: Net, request: LinkRequest): NlResult;
  rtnl_dellink(): NlResult {
    return NL_OK;
  }
  /** One link, or why not. */
  rtnl_getlink(net: Net, ref: LinkRef): LinkInfo | NlResult;
  rtnl_getlink(): LinkInfo | NlResult {
    return NL_OK;
  }
  rtnl_dump_ifinfo(net: Net): LinkInfo[];
  rtnl_dump_ifinfo(): LinkInfo[] {
    return [];
  }
  rtnl_fill_ifinfo(dev: NetDevice, net: Net): LinkInfo;
  rtnl_fill_ifinfo(dev?: NetDevice): LinkInfo {
    throw new Error(dev?.name);
  }
  /** Tells listeners of the device's namespace about a link. */
  rtmsg_ifinfo(type: 'RTM_NEWLINK' | 'RTM_DELLINK', dev: NetDevice): void;
  rtmsg_ifinfo(): void {
    return;
  }
  /** Tells listeners of `group` in `net`. Test `listening` first where building the record costs. */
  notify(net: Net, group: RtnlGroup, message: RtnlMessage): void;
  notify(): void {
    return;
  }
  listening(net: Net, group: RtnlGroup): boolean;
  listening(): boolean {
    return false;
  }
  subscribe(net: Net, groups: readonly RtnlGroup[], listener: RtnlListener): void;
  subscribe(): void {
    return;
  }
  unsubscribe(listener: RtnlListener): void;
  unsubscribe(): void {
    return;
  }
}
