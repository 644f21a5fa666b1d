// A VLAN's device: a tag on the way down, the lower device's state on the way up (Linux: net/8021q/vlan_dev.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { ETH_HLEN } from '../../wire/headers.ts';
import { NET_ADDR_STOLEN } from '../../kernel/dev_registry.ts';
import { ether_setup, is_valid_ether_addr } from '../../kernel/eth.ts';
import type { DrvInfo, EthtoolOps } from '../../kernel/ethtool/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IFF, type LinkStats, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../../kernel/net_device.ts';
import {
  netdev_intersect_features,
  NETIF_F,
  NETIF_F_GSO_ENCAP_ALL,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_SOFT_FEATURES,
} from '../../kernel/netdev_features.ts';
import { VLAN_FLAG } from '../../kernel/rtnl_link_kinds.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { VLAN_PRIO_SHIFT, VlanDevPriv } from '../../kernel/vlan_core.ts';

const ETH_MAX_MTU = 65535;
const MODULE_VERSION = '1.8';

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((x, i) => x === b[i]);

export class VlanDev extends VlanDevPriv {
  /** The lower device's address when this one was opened. */
  private real_dev_addr = new Uint8Array(6);
  private readonly mc: Uint8Array[] = [];
  private readonly uc: Uint8Array[] = [];

  constructor(
    readonly kernel: Kernel,
    dev: NetDevice,
    real_dev: NetDevice,
    proto: number,
    vid: number,
  ) {
    super(dev, real_dev, proto, vid);
  }

  vlan_dev_init(): number {
    const { dev, real_dev: real } = this;
    dev.nocarrier = true;
    dev.flags = real.flags & ~(IFF.UP | IFF.PROMISC | IFF.ALLMULTI | IFF.MASTER | IFF.SLAVE);
    dev.hw_features =
      NETIF_F.HW_CSUM | NETIF_F.SG | NETIF_F.FRAGLIST | NETIF_F_GSO_SOFTWARE | NETIF_F_GSO_ENCAP_ALL | NETIF_F.HIGHDMA | NETIF_F.SCTP_CRC;
    dev.features |= dev.hw_features | NETIF_F.LLTX;
    dev.tso_max_size = real.tso_max_size;
    dev.tso_max_segs = real.tso_max_segs;
    dev.gso_max_size = real.gso_max_size;
    dev.gso_max_segs = real.gso_max_segs;
    dev.vlan_features = real.vlan_features;
    if (dev.dev_addr.every((b) => b === 0)) {
      dev.dev_addr = real.dev_addr.slice();
      dev.addr_assign_type = NET_ADDR_STOLEN;
    }
    if (dev.broadcast.every((b) => b === 0)) dev.broadcast = real.broadcast.slice();
    dev.needed_headroom = real.needed_headroom;
    const inserts = (real.features & NETIF_F.HW_VLAN_CTAG_TX) !== 0n;
    dev.hard_header_len = real.hard_header_len + (inserts ? 0 : 4);
    return 0;
  }

  vlan_dev_open(): number {
    const { dev, real_dev: real, kernel } = this;
    const { addrs, link } = kernel.net;
    if ((real.flags & IFF.UP) === 0 && (this.flags & VLAN_FLAG.LOOSE_BINDING) === 0) return -Errno.ENETDOWN;
    if (!same(dev.dev_addr, real.dev_addr) && !this.vlan_dev_inherit_address()) addrs.dev_uc_add(real, dev.dev_addr);
    if ((dev.flags & IFF.ALLMULTI) !== 0) addrs.dev_set_allmulti(real, 1);
    if ((dev.flags & IFF.PROMISC) !== 0) addrs.dev_set_promiscuity(real, 1);
    this.real_dev_addr = Uint8Array.from(real.dev_addr);
    if (!real.nocarrier && (this.flags & VLAN_FLAG.BRIDGE_BINDING) === 0) link.netif_carrier_on(dev);
    return 0;
  }
  vlan_dev_stop(): number {
    const { dev, real_dev: real, kernel } = this;
    const { addrs, link } = kernel.net;
    addrs.dev_mc_unsync(real, this.mc);
    addrs.dev_uc_unsync(real, this.uc);
    if ((dev.flags & IFF.ALLMULTI) !== 0) addrs.dev_set_allmulti(real, -1);
    if ((dev.flags & IFF.PROMISC) !== 0) addrs.dev_set_promiscuity(real, -1);
    if (!same(dev.dev_addr, real.dev_addr)) addrs.dev_uc_del(real, dev.dev_addr);
    if ((this.flags & VLAN_FLAG.BRIDGE_BINDING) === 0) link.netif_carrier_off(dev);
    return 0;
  }
  /** An address that was never set goes with the lower device's. */
  vlan_dev_inherit_address(): boolean {
    const { dev, real_dev } = this;
    if (dev.addr_assign_type !== NET_ADDR_STOLEN) return false;
    dev.dev_addr = real_dev.dev_addr.slice();
    this.kernel.net.call_netdevice_notifiers('NETDEV_CHANGEADDR', dev);
    return true;
  }
  /** The lower device's address has changed. */
  vlan_sync_address(): void {
    const { dev, real_dev: real } = this;
    const { addrs } = this.kernel.net;
    if (same(this.real_dev_addr, real.dev_addr)) return;
    if (!this.vlan_dev_inherit_address()) {
      if (!same(dev.dev_addr, this.real_dev_addr) && same(dev.dev_addr, real.dev_addr)) addrs.dev_uc_del(real, dev.dev_addr);
      if (same(dev.dev_addr, this.real_dev_addr) && !same(dev.dev_addr, real.dev_addr)) addrs.dev_uc_add(real, dev.dev_addr);
    }
    this.real_dev_addr = Uint8Array.from(real.dev_addr);
  }

  /** The tag goes with the packet to the lower device, which puts it in. */
  vlan_dev_hard_start_xmit(skb: SkBuff): number {
    const { ram } = this.kernel.platform;
    const type = ram.u16be(skb.data + ETH_HLEN - 2);
    const tagged = type === this.vlan_proto;
    if (!tagged || (this.flags & VLAN_FLAG.REORDER_HDR) !== 0) {
      skb.vlan_proto = this.vlan_proto;
      skb.vlan_tci = this.vlan_id | ((this.egress.get(skb.priority) ?? 0) << VLAN_PRIO_SHIFT);
    }
    const { len } = skb;
    skb.dev = this.real_dev;
    const rc = this.kernel.net.xmit.dev_queue_xmit(skb);
    if (rc === 0 || rc === 2) {
      this.tx_packets++;
      this.tx_bytes += len;
    } else this.tx_dropped++;
    return NETDEV_TX_OK;
  }

  vlan_dev_change_rx_flags(change: number): void {
    const { dev, real_dev: real } = this;
    const { addrs } = this.kernel.net;
    if ((change & IFF.ALLMULTI) !== 0) addrs.dev_set_allmulti(real, (dev.flags & IFF.ALLMULTI) !== 0 ? 1 : -1);
    if ((change & IFF.PROMISC) !== 0) addrs.dev_set_promiscuity(real, (dev.flags & IFF.PROMISC) !== 0 ? 1 : -1);
  }
  vlan_dev_set_rx_mode(): void {
    const { addrs } = this.kernel.net;
    addrs.dev_mc_sync(this.real_dev, this.dev, this.mc);
    addrs.dev_uc_sync(this.real_dev, this.dev, this.uc);
  }

  vlan_dev_set_mac_address(addr: Uint8Array): number {
    const { dev, real_dev: real } = this;
    const { addrs } = this.kernel.net;
    if (!is_valid_ether_addr(addr)) return -Errno.EADDRNOTAVAIL;
    if ((dev.flags & IFF.UP) !== 0) {
      if (!same(addr, real.dev_addr)) addrs.dev_uc_add(real, addr);
      if (!same(dev.dev_addr, real.dev_addr)) addrs.dev_uc_del(real, dev.dev_addr);
    }
    dev.dev_addr = addr.slice(0, 6);
    return 0;
  }
  vlan_dev_change_mtu(mtu: number): number {
    if (this.real_dev.mtu < mtu) return -Errno.ERANGE;
    this.dev.mtu = mtu;
    return 0;
  }
  /** What the lower device can do with tagged packets, and what software can do anyway. */
  vlan_dev_fix_features(features: bigint): bigint {
    const { real_dev: real } = this;
    let lower = netdev_intersect_features(real.vlan_features | NETIF_F.RXCSUM, real.features);
    if ((lower & (NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM)) !== 0n) lower |= NETIF_F.HW_CSUM;
    const kept = features & (NETIF_F_SOFT_FEATURES | NETIF_F_GSO_SOFTWARE);
    return netdev_intersect_features(features, lower) | kept | NETIF_F.LLTX;
  }
  vlan_dev_get_stats64(stats: LinkStats): void {
    stats.rx_packets = this.rx_packets;
    stats.rx_bytes = this.rx_bytes;
    stats.multicast = this.rx_multicast;
    stats.tx_packets = this.tx_packets;
    stats.tx_bytes = this.tx_bytes;
    stats.tx_dropped = this.tx_dropped;
  }
}

export const vlanDev = (dev: NetDevice): VlanDev => dev.priv as VlanDev;

export const vlan_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_init: (dev) => vlanDev(dev).vlan_dev_init(),
  ndo_open: (dev) => vlanDev(dev).vlan_dev_open(),
  ndo_stop: (dev) => vlanDev(dev).vlan_dev_stop(),
  ndo_start_xmit: (skb, dev) => vlanDev(dev).vlan_dev_hard_start_xmit(skb),
  ndo_validate_addr: (dev) => vlanDev(dev).kernel.net.eth.eth_validate_addr(dev),
  ndo_set_mac_address: (dev, addr) => vlanDev(dev).vlan_dev_set_mac_address(addr),
  ndo_set_rx_mode: (dev) => vlanDev(dev).vlan_dev_set_rx_mode(),
  ndo_change_rx_flags: (dev, flags) => vlanDev(dev).vlan_dev_change_rx_flags(flags),
  ndo_change_mtu: (dev, mtu) => vlanDev(dev).vlan_dev_change_mtu(mtu),
  ndo_get_stats64: (dev, stats) => vlanDev(dev).vlan_dev_get_stats64(stats),
  ndo_fix_features: (dev, features) => vlanDev(dev).vlan_dev_fix_features(features),
  ndo_get_iflink: (dev) => vlanDev(dev).real_dev.ifindex,
});

const vlan_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_drvinfo: (_dev, info: DrvInfo) => {
    info.driver = '802.1Q VLAN Support';
    info.version = MODULE_VERSION;
    info.fw_version = 'N/A';
  },
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_link_ksettings: (dev) => vlanDev(dev).real_dev.ethtool_ops?.get_link_ksettings?.(vlanDev(dev).real_dev) ?? -Errno.EOPNOTSUPP,
  get_ts_info: (dev) =>
    vlanDev(dev).real_dev.ethtool_ops?.get_ts_info?.(vlanDev(dev).real_dev) ?? ['software-receive', 'software-system-clock'],
});

export function vlan_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.priv_flags.add('IFF_802_1Q_VLAN').add('IFF_NO_QUEUE').add('IFF_UNICAST_FLT').delete('IFF_TX_SKB_SHARING');
  dev.ethtool_ops = vlan_ethtool_ops;
  dev.min_mtu = 0;
  dev.max_mtu = ETH_MAX_MTU;
  dev.broadcast.fill(0);
}
