// What IFLA_INFO_DATA and IFLA_INFO_SLAVE_DATA carry, by kind of link: requests have what was given, answers have all.

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

/** Attributes of whichever kind it is. */
export interface LinkKindAttrs {
  readonly vlan?: VlanAttrs;
}

/** Linux: include/uapi/linux/if_vlan.h */
export const VLAN_FLAG = { REORDER_HDR: 1, GVRP: 2, LOOSE_BINDING: 4, MVRP: 8, BRIDGE_BINDING: 16 } as const;
