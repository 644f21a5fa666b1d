// Device features: the bit table with ethtool's names, and the rules that fix a wanted set (Linux: include/linux/netdev_features.h, net/core/dev.c).
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { SKB_GSO } from './skbuff.ts';

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
const NETIF_F_CSUM_MASK = NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM | NETIF_F.HW_CSUM;
/** Fixed whatever hw_features says. */
export const NETIF_F_NEVER_CHANGE = NETIF_F.VLAN_CHALLENGED | NETIF_F.LLTX | NETIF_F.NETNS_LOCAL;
/** On for every device, off by default for every device. */
export const NETIF_F_SOFT_FEATURES = NETIF_F.GSO | NETIF_F.GRO;
export const NETIF_F_SOFT_FEATURES_OFF = NETIF_F.GRO_FRAGLIST | NETIF_F.GRO_UDP_FWD;
/** Everything that segments. */
export const NETIF_F_GSO_SOFTWARE = NETIF_F_ALL_TSO | NETIF_F.GSO_SCTP | NETIF_F.GSO_UDP_L4 | NETIF_F.GSO_FRAGLIST;
export const NETIF_F_GSO_ENCAP_ALL =
  NETIF_F.GSO_GRE | NETIF_F.GSO_GRE_CSUM | NETIF_F.GSO_IPXIP4 | NETIF_F.GSO_IPXIP6 | NETIF_F.GSO_UDP_TUNNEL | NETIF_F.GSO_UDP_TUNNEL_CSUM;

/** Features that let a device take segmented packets whole, and the type of such a packet. */
const GSO_TYPES = Object.freeze([
  Object.freeze([NETIF_F.TSO, SKB_GSO.TCPV4] as const),
  Object.freeze([NETIF_F.TSO6, SKB_GSO.TCPV6] as const),
  Object.freeze([NETIF_F.TSO_ECN, SKB_GSO.TCP_ECN] as const),
  Object.freeze([NETIF_F.TSO_MANGLEID, SKB_GSO.TCP_FIXEDID] as const),
  Object.freeze([NETIF_F.GSO_ROBUST, SKB_GSO.DODGY] as const),
  Object.freeze([NETIF_F.GSO_UDP, SKB_GSO.UDP] as const),
  Object.freeze([NETIF_F.GSO_UDP_L4, SKB_GSO.UDP_L4] as const),
  Object.freeze([NETIF_F.GSO_FRAGLIST, SKB_GSO.FRAGLIST] as const),
]);

/** Features of both; a generic sum on one side stands for the protocols' on the other. */
export function netdev_intersect_features(a: bigint, b: bigint): bigint {
  const protocols = NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM;
  if (((a ^ b) & NETIF_F.HW_CSUM) === 0n) return a & b;
  return (a & NETIF_F.HW_CSUM) !== 0n ? (a | protocols) & b : a & (b | protocols);
}

export class NetdevFeatures {
  constructor(readonly kernel: Kernel) {}

  /** Recomputes `features` from `wanted_features`; listeners hear of a change. */
  netdev_update_features(dev: NetDevice): void {
    if (this.__netdev_update_features(dev) !== 0) this.netdev_features_change(dev);
  }
  netdev_features_change(dev: NetDevice): void {
    this.kernel.net.call_netdevice_notifiers('NETDEV_FEAT_CHANGE', dev);
  }

  netdev_get_wanted_features(dev: NetDevice): bigint {
    return (dev.features & ~dev.hw_features) | dev.wanted_features;
  }

  /** 1 when `features` changed, 0 when not, -1 when the driver refused. */
  __netdev_update_features(dev: NetDevice): number {
    let features = this.netdev_get_wanted_features(dev);
    const fix = dev.netdev_ops.ndo_fix_features;
    if (fix !== undefined) features = dev.netdev_ops.ndo_fix_features!(dev, features);
    features = this.netdev_fix_features(dev, features);
    if (dev.features === features) {
      this.refresh(dev);
      return 0;
    }
    const err = dev.netdev_ops.ndo_set_features?.(dev, features) ?? 0;
    if (err < 0) {
      this.kernel.printk.netdev_err(dev, `set_features() failed (${err}); wanted ${hex(features)}, left ${hex(dev.features)}`);
      return -1;
    }
    if (err === 0) dev.features = features;
    this.refresh(dev);
    return err === 0 ? 1 : 0;
  }

  /** Drops what cannot be without something else. */
  netdev_fix_features(dev: NetDevice, wanted: bigint): bigint {
    let f = wanted;
    const has = (bits: bigint): boolean => (f & bits) !== 0n;
    if (has(NETIF_F.HW_CSUM) && has(NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM)) {
      this.kernel.printk.netdev_warn(dev, 'mixed HW and IP checksum settings.');
      f &= ~(NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM);
    }
    // segmentation needs someone to sum each segment
    if (has(NETIF_F_ALL_TSO) && !has(NETIF_F.SG)) f &= ~NETIF_F_ALL_TSO;
    if (has(NETIF_F.TSO) && !has(NETIF_F.HW_CSUM) && !has(NETIF_F.IP_CSUM)) f &= ~(NETIF_F.TSO | NETIF_F.TSO_ECN);
    if (has(NETIF_F.TSO6) && !has(NETIF_F.HW_CSUM) && !has(NETIF_F.IPV6_CSUM)) f &= ~NETIF_F.TSO6;
    if (has(NETIF_F.TSO_MANGLEID) && !has(NETIF_F.TSO)) f &= ~NETIF_F.TSO_MANGLEID;
    if ((f & NETIF_F_ALL_TSO) === NETIF_F.TSO_ECN) f &= ~NETIF_F.TSO_ECN;
    if (has(NETIF_F.GSO) && !has(NETIF_F.SG)) f &= ~NETIF_F.GSO;
    if (!has(NETIF_F.RXCSUM) && has(NETIF_F.GRO_HW)) f &= ~NETIF_F.GRO_HW;
    if (has(NETIF_F.RXFCS)) f &= ~(NETIF_F.LRO | NETIF_F.GRO_HW);
    if (has(NETIF_F.GRO_HW) && has(NETIF_F.LRO)) f &= ~NETIF_F.LRO;
    const ipCsums = (f & (NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM)) === (NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM);
    if (has(NETIF_F.HW_TLS_TX) && !ipCsums && !has(NETIF_F.HW_CSUM)) f &= ~NETIF_F.HW_TLS_TX;
    if (has(NETIF_F.HW_TLS_RX) && !has(NETIF_F.RXCSUM)) f &= ~NETIF_F.HW_TLS_RX;
    return f;
  }

  /** What the paths ask per packet, without bigints. */
  private refresh(dev: NetDevice): void {
    dev.hwCsum = (dev.features & NETIF_F_CSUM_MASK) !== 0n;
    dev.hwSg = (dev.features & NETIF_F.SG) !== 0n;
    dev.hwFraglist = (dev.features & NETIF_F.FRAGLIST) !== 0n;
    dev.gsoTypes = GSO_TYPES.reduce((types, [feature, type]) => ((dev.features & feature) !== 0n ? types | type : types), 0);
    dev.gro = (dev.features & NETIF_F.GRO) !== 0n;
    dev.groList = (dev.features & NETIF_F.GRO_FRAGLIST) !== 0n;
    dev.groUdpFwd = (dev.features & NETIF_F.GRO_UDP_FWD) !== 0n;
  }
}

const hex = (f: bigint): string => `0x${f.toString(16).padStart(16, '0')}`;
