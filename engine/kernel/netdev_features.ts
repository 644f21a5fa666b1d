// Device features: the bit table with ethtool's names, and the rules that fix a wanted set (Linux: include/linux/netdev_features.h, net/core/dev.c).
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';

/** NETIF_F_* by bit number: [name in the kernel, name in ethtool]. '' is a bit without a user-visible name. */
const BITS = [
  ['SG', 'tx-scatter-gather'],
  ['IP_CSUM', 'tx-checksum-ipv4'],
  ['', ''],
  ['HW_CSUM', 'tx-checksum-ip-generic'],
  ['IPV6_CSUM', 'tx-checksum-ipv6'],
  ['HIGHDMA', 'highdma'],
  ['FRAGLIST', 'tx-scatter-gather-fraglist'],
  ['HW_VLAN_CTAG_TX', 'tx-vlan-hw-insert'],
  ['HW_VLAN_CTAG_RX', 'rx-vlan-hw-parse'],
  ['HW_VLAN_CTAG_FILTER', 'rx-vlan-filter'],
  ['VLAN_CHALLENGED', 'vlan-challenged'],
  ['GSO', 'tx-generic-segmentation'],
  ['LLTX', 'tx-lockless'],
  ['NETNS_LOCAL', 'netns-local'],
  ['GRO', 'rx-gro'],
  ['LRO', 'rx-lro'],
  ['TSO', 'tx-tcp-segmentation'],
  ['GSO_ROBUST', 'tx-gso-robust'],
  ['TSO_ECN', 'tx-tcp-ecn-segmentation'],
  ['TSO_MANGLEID', 'tx-tcp-mangleid-segmentation'],
  ['TSO6', 'tx-tcp6-segmentation'],
  ['FSO', 'tx-fcoe-segmentation'],
  ['GSO_GRE', 'tx-gre-segmentation'],
  ['GSO_GRE_CSUM', 'tx-gre-csum-segmentation'],
  ['GSO_IPXIP4', 'tx-ipxip4-segmentation'],
  ['GSO_IPXIP6', 'tx-ipxip6-segmentation'],
  ['GSO_UDP_TUNNEL', 'tx-udp_tnl-segmentation'],
  ['GSO_UDP_TUNNEL_CSUM', 'tx-udp_tnl-csum-segmentation'],
  ['GSO_PARTIAL', 'tx-gso-partial'],
  ['GSO_TUNNEL_REMCSUM', 'tx-tunnel-remcsum-segmentation'],
  ['GSO_SCTP', 'tx-sctp-segmentation'],
  ['GSO_ESP', 'tx-esp-segmentation'],
  ['GSO_UDP', ''],
  ['GSO_UDP_L4', 'tx-udp-segmentation'],
  ['GSO_FRAGLIST', 'tx-gso-list'],
  ['FCOE_CRC', 'tx-checksum-fcoe-crc'],
  ['SCTP_CRC', 'tx-checksum-sctp'],
  ['FCOE_MTU', 'fcoe-mtu'],
  ['NTUPLE', 'rx-ntuple-filter'],
  ['RXHASH', 'rx-hashing'],
  ['RXCSUM', 'rx-checksum'],
  ['NOCACHE_COPY', 'tx-nocache-copy'],
  ['LOOPBACK', 'loopback'],
  ['RXFCS', 'rx-fcs'],
  ['RXALL', 'rx-all'],
  ['HW_VLAN_STAG_TX', 'tx-vlan-stag-hw-insert'],
  ['HW_VLAN_STAG_RX', 'rx-vlan-stag-hw-parse'],
  ['HW_VLAN_STAG_FILTER', 'rx-vlan-stag-filter'],
  ['HW_L2FW_DOFFLOAD', 'l2-fwd-offload'],
  ['HW_TC', 'hw-tc-offload'],
  ['HW_ESP', 'esp-hw-offload'],
  ['HW_ESP_TX_CSUM', 'esp-tx-csum-hw-offload'],
  ['RX_UDP_TUNNEL_PORT', 'rx-udp_tunnel-port-offload'],
  ['HW_TLS_TX', 'tls-hw-tx-offload'],
  ['HW_TLS_RX', 'tls-hw-rx-offload'],
  ['GRO_HW', 'rx-gro-hw'],
  ['HW_TLS_RECORD', 'tls-hw-record'],
  ['GRO_FRAGLIST', 'rx-gro-list'],
  ['HW_MACSEC', 'macsec-hw-offload'],
  ['GRO_UDP_FWD', 'rx-udp-gro-forwarding'],
  ['HW_HSR_TAG_INS', 'hsr-tag-ins-offload'],
  ['HW_HSR_TAG_RM', 'hsr-tag-rm-offload'],
  ['HW_HSR_FWD', 'hsr-fwd-offload'],
  ['HW_HSR_DUP', 'hsr-dup-offload'],
] as const;

type FeatureName = Exclude<(typeof BITS)[number][0], ''>;
/** NETIF_F.TSO … as one-bit masks. */
export const NETIF_F = Object.freeze(Object.fromEntries(BITS.flatMap(([k], i) => (k === '' ? [] : [[k, 1n << BigInt(i)]])))) as {
  readonly [K in FeatureName]: bigint;
};
/** Features in the kernel's bit order, for ETHTOOL_GFEATURES; names as `ethtool -k` prints the non-aggregated ones. */
export const FEATURE_NAMES: readonly { readonly bit: bigint; readonly name: string }[] = Object.freeze(
  BITS.flatMap(([, name], i) => (name === '' ? [] : [Object.freeze({ bit: 1n << BigInt(i), name })])),
);

export const NETIF_F_ALL_TSO = NETIF_F.TSO | NETIF_F.TSO6 | NETIF_F.TSO_ECN | NETIF_F.TSO_MANGLEID;
export const NETIF_F_CSUM_MASK = NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM | NETIF_F.HW_CSUM;

export class NetdevFeatures {
  constructor(readonly kernel: Kernel) {}

  /** Recomputes dev.features from wanted_features; true when they changed (then NETDEV_FEAT_CHANGE was sent). */
  netdev_update_features(dev: NetDevice): void;
  netdev_update_features(): void {
    return;
  }
  __netdev_update_features(dev: NetDevice): number;
  __netdev_update_features(): number {
    return 0;
  }
  netdev_fix_features(dev: NetDevice, features: bigint): bigint;
  netdev_fix_features(): bigint {
    return 0n;
  }
}
