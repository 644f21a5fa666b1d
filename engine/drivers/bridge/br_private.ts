// What a bridge, its ports and its table of addresses keep (Linux: net/bridge/br_private.h).
import type { NetDevice } from '../../kernel/net_device.ts';

/** IEEE 802.1D §8.4: port states as Linux numbers them, and their names. */
export const BR_STATE = { DISABLED: 0, LISTENING: 1, LEARNING: 2, FORWARDING: 3, BLOCKING: 4 } as const;
export const BR_STATE_NAMES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const;

/** Linux: include/uapi/linux/if_bridge.h, BRIDGE_VLAN_INFO_* */
export const BR_VLAN = { PVID: 2, UNTAGGED: 4 } as const;

/** A MAC address as a number. */
export const macNumber = (mac: Uint8Array): number =>
  ((mac[0] << 8) | mac[1]) * 0x100000000 + (((mac[2] << 24) | (mac[3] << 16) | (mac[4] << 8) | mac[5]) >>> 0);

/** One learned, configured or own address (Linux: struct net_bridge_fdb_entry). */
export class FdbEntry {
  updated = 0;
  constructor(
    readonly mac: Uint8Array,
    readonly vid: number,
    /** undefined: the bridge's own. */
    public dst: NetBridgePort | undefined,
    /** An address of this host: packets to it come up. */
    readonly local: boolean,
    /** Does not age. */
    readonly isStatic: boolean,
    readonly addedByUser: boolean,
  ) {}
}

/** VLANs of a port or of the bridge itself: BR_VLAN flags by VLAN, and the one of untagged packets (0: none). */
export class VlanGroup {
  readonly vlans = new Map<number, number>();
  pvid = 0;
}

export class NetBridgePort {
  state: number = BR_STATE.DISABLED;
  priority = 32;
  path_cost = 100;
  hairpin = false;
  learning = true;
  flood = true;
  mcast_flood = true;
  bcast_flood = true;
  isolated = false;
  readonly vlans = new VlanGroup();
  /** A user set the cost: the link's speed does not change it any more. */
  costSet = false;
  constructor(
    readonly br: NetBridge,
    readonly dev: NetDevice,
    readonly port_no: number,
  ) {}
}

export class NetBridge {
  /** Newest first. */
  readonly ports: NetBridgePort[] = [];
  /** Newest first. */
  readonly fdb: FdbEntry[] = [];
  /** The same by VLAN and address. */
  readonly fdbByVid = new Map<number, Map<number, FdbEntry>>();
  /** Nanoseconds. */
  ageing_time = 300e9;
  forward_delay = 15e9;
  priority = 32768;
  vlan_enabled = false;
  default_pvid = 1;
  readonly vlans = new VlanGroup();
  /** A user chose the bridge's address: ports do not change it. */
  addressSet = false;
  rx_packets = 0;
  rx_bytes = 0;
  rx_multicast = 0;
  tx_packets = 0;
  tx_bytes = 0;
  constructor(readonly dev: NetDevice) {}
}

export const bridgeOf = (dev: NetDevice): NetBridge => dev.priv as NetBridge;
