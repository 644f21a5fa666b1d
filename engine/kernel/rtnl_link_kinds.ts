// Links in rtnetlink: what an answer says of one, and IFLA_INFO_DATA and IFLA_INFO_SLAVE_DATA by kind (requests have what was given, answers have all).
import type { LinkStats } from './net_device.ts';

/** IFLA_VLAN_* */
export interface VlanAttrs {
  readonly id?: number;
  readonly protocol?: number;
  /** Which VLAN_FLAG_* bits change, and to what. */
  readonly flags?: number;
  readonly flagMask?: number;
  /** Pairs [from, to]. */
  readonly ingress?: readonly (readonly [number, number])[];
  readonly egress?: readonly (readonly [number, number])[];
}

/** IFLA_BR_*; times in hundredths of a second. */
export interface BridgeAttrs {
  readonly forward_delay?: number;
  readonly ageing_time?: number;
  readonly priority?: number;
  readonly vlan_filtering?: number;
  readonly vlan_default_pvid?: number;
  /** 'PRIO.MAC' */
  readonly bridge_id?: string;
}

/** IFLA_BRPORT_* */
export interface BridgePortAttrs {
  readonly state?: number;
  readonly priority?: number;
  readonly cost?: number;
  readonly hairpin?: boolean;
  readonly learning?: boolean;
  readonly flood?: boolean;
  readonly mcast_flood?: boolean;
  readonly bcast_flood?: boolean;
  readonly isolated?: boolean;
  readonly port_no?: number;
}

/** RTM_NEWNEIGH of a bridge: one entry of its table, or of a device's own lists (NTF_SELF). */
export interface FdbInfo {
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly vlan: number | undefined;
  readonly master: number | undefined;
  /** NUD_*, NTF_* */
  readonly state: number;
  readonly flags: number;
  /** Nanoseconds since a packet came from there. */
  readonly updated: number;
}
export interface FdbRequest {
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly vlan?: number;
  readonly state: number;
  readonly flags: number;
  readonly create: boolean;
  readonly exclusive: boolean;
}
/** A VLAN of a bridge port: BRIDGE_VLAN_INFO_PVID 2, UNTAGGED 4. */
export interface BridgeVlan {
  readonly vid: number;
  readonly flags: number;
}

/** Attributes of whichever kind it is. */
export interface LinkKindAttrs {
  readonly vlan?: VlanAttrs;
  readonly bridge?: BridgeAttrs;
  readonly brport?: BridgePortAttrs;
}

/** Linux: include/uapi/linux/if_vlan.h */
export const VLAN_FLAG = { REORDER_HDR: 1, GVRP: 2, LOOSE_BINDING: 4, MVRP: 8, BRIDGE_BINDING: 16 } as const;

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
  /** IFLA_INFO_DATA */
  readonly data?: LinkKindAttrs;
  /** IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA */
  readonly slaveKind?: string;
  readonly slaveData?: LinkKindAttrs;
  /** IFLA_PROP_LIST */
  readonly altnames: readonly string[];
  readonly parentbus: string | undefined;
  readonly parentdev: string | undefined;
  /** IN6_ADDR_GEN_MODE: 0 eui64, 1 none */
  readonly addrgenmode: number;
  readonly stats: LinkStats;
}
