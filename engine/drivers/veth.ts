// veth: two devices, each the other's wire (Linux: drivers/net/veth.c).
import { Errno } from '../base/errno.ts';
import { ops } from '../base/ops.ts';
import { ether_setup, is_valid_ether_addr } from '../kernel/eth.ts';
import type { Channels, DrvInfo, EthtoolOps, LinkKsettings } from '../kernel/ethtool/ops.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ModuleDef } from '../kernel/module.ts';
import { IFF, type LinkStats, NET_RX_SUCCESS, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { NETIF_F, NETIF_F_GSO_ENCAP_ALL, NETIF_F_GSO_SOFTWARE } from '../kernel/netdev_features.ts';
import { type LinkRequest, NL_OK, type NlResult, type RtnlLinkOps } from '../kernel/rtnetlink.ts';
import type { SkBuff } from '../kernel/skbuff.ts';

const GSO_MAX_SIZE = 8 * 65535;
const ETH_HLEN = 14;
const VLAN_HLEN = 4;
const ETH_MAX_MTU = 65535;

const VETH_VLAN = NETIF_F.HW_VLAN_CTAG_TX | NETIF_F.HW_VLAN_CTAG_RX | NETIF_F.HW_VLAN_STAG_TX | NETIF_F.HW_VLAN_STAG_RX;
const VETH_FEATURES =
  NETIF_F.SG |
  NETIF_F.FRAGLIST |
  NETIF_F.HW_CSUM |
  NETIF_F.RXCSUM |
  NETIF_F.SCTP_CRC |
  NETIF_F.HIGHDMA |
  NETIF_F_GSO_SOFTWARE |
  NETIF_F_GSO_ENCAP_ALL |
  VETH_VLAN;

/** Statistics of `ethtool -S`, per receive queue and per transmit queue; they count XDP only. */
const RQ_STATS = ['xdp_packets', 'xdp_bytes', 'drops', 'xdp_redirect', 'xdp_drops', 'xdp_tx', 'xdp_tx_errors'] as const;
const TQ_STATS = ['xdp_xmit', 'xdp_xmit_errors'] as const;

/** One end's private part. */
export class Veth {
  peer: NetDevice | undefined;
  tx_packets = 0;
  tx_bytes = 0;
  dropped = 0;
  constructor(
    readonly kernel: Kernel,
    readonly dev: NetDevice,
  ) {}

  veth_open(): number {
    const { peer } = this;
    if (peer === undefined) return -Errno.ENOTCONN;
    if ((peer.flags & IFF.UP) === 0) return 0;
    this.kernel.net.link.netif_carrier_on(this.dev);
    this.kernel.net.link.netif_carrier_on(peer);
    return 0;
  }
  veth_close(): number {
    this.kernel.net.link.netif_carrier_off(this.dev);
    if (this.peer !== undefined) this.kernel.net.link.netif_carrier_off(this.peer);
    return 0;
  }

  /** Into the peer's receive path, whole: no copy, one skb. */
  veth_xmit(skb: SkBuff): number {
    const { kernel, peer } = this;
    kernel.charge(kernel.platform.costs.veth);
    if (peer === undefined || !kernel.skb.pskb_may_pull(skb, ETH_HLEN)) {
      kernel.skb.kfree_skb(skb);
      this.dropped++;
      return NETDEV_TX_OK;
    }
    const length = skb.len;
    if (this.veth_forward_skb(peer, skb) === NET_RX_SUCCESS) {
      this.tx_packets++;
      this.tx_bytes += length;
    } else this.dropped++;
    return NETDEV_TX_OK;
  }
  veth_forward_skb(peer: NetDevice, skb: SkBuff): number {
    const ret = this.__dev_forward_skb(peer, skb);
    return ret !== NET_RX_SUCCESS ? ret : this.kernel.net.rx.__netif_rx(skb);
  }

  /** The packet changes sides: forgets where it came from, and is parsed anew. */
  __dev_forward_skb(dev: NetDevice, skb: SkBuff): number {
    const { kernel } = this;
    // Linux: __is_skb_forwardable(): a packet of segments is looked at by who cuts it
    const fits = skb.len <= dev.mtu + dev.hard_header_len + VLAN_HLEN || kernel.skb.gso_size(skb) !== 0;
    if ((dev.flags & IFF.UP) === 0 || !fits) {
      dev.core_stats.rx_dropped++;
      kernel.skb.kfree_skb(skb);
      return 1;
    }
    kernel.skb.skb_scrub_packet(skb, dev.net !== this.dev.net);
    skb.priority = 0;
    kernel.net.eth.eth_type_trans(skb, dev);
    return NET_RX_SUCCESS;
  }

  veth_get_stats64(stats: LinkStats): void {
    stats.tx_packets = this.tx_packets;
    stats.tx_bytes = this.tx_bytes;
    stats.tx_dropped = this.dropped;
    const other = this.peer?.priv as Veth | undefined;
    if (other === undefined) return;
    stats.rx_packets = other.tx_packets;
    stats.rx_bytes = other.tx_bytes;
  }

  veth_get_strings(): string[] {
    const { dev } = this;
    const out = ['peer_ifindex'];
    for (let i = 0; i < dev.real_num_rx_queues; i++) out.push(...RQ_STATS.map((s) => `rx_queue_${i}_${s}`));
    for (let i = 0; i < dev.real_num_tx_queues; i++) out.push(...TQ_STATS.map((s) => `tx_queue_${i}_${s}`));
    return out;
  }
  veth_get_ethtool_stats(): number[] {
    const count = this.dev.real_num_rx_queues * RQ_STATS.length + this.dev.real_num_tx_queues * TQ_STATS.length;
    return [this.peer?.ifindex ?? 0, ...Array.from({ length: count }, () => 0)];
  }

  veth_get_channels(): Channels {
    const { dev } = this;
    return {
      max_rx: dev.num_rx_queues,
      max_tx: dev.num_tx_queues,
      max_other: 0,
      max_combined: 0,
      rx_count: dev.real_num_rx_queues,
      tx_count: dev.real_num_tx_queues,
      other_count: 0,
      combined_count: 0,
    };
  }
  veth_set_channels(ch: Channels): number {
    const { net } = this.kernel;
    if (ch.rx_count === 0 || ch.tx_count === 0) return -Errno.EINVAL;
    const carrier = this.dev.started && this.peer !== undefined && !this.dev.nocarrier;
    if (carrier) net.link.netif_carrier_off(this.dev);
    const err = net.netif_set_real_num_tx_queues(this.dev, ch.tx_count) || net.netif_set_real_num_rx_queues(this.dev, ch.rx_count);
    if (carrier) net.link.netif_carrier_on(this.dev);
    return err;
  }

  /** One queue is enough for a start; `ethtool -L` opens more. */
  veth_init_queues(request: LinkRequest | undefined): void {
    const { net } = this.kernel;
    if (request?.num_tx_queues === undefined && this.dev.num_tx_queues > 1) net.netif_set_real_num_tx_queues(this.dev, 1);
    if (request?.num_rx_queues === undefined && this.dev.num_rx_queues > 1) net.netif_set_real_num_rx_queues(this.dev, 1);
  }
  veth_disable_gro(): void {
    const { dev } = this;
    dev.features &= ~NETIF_F.GRO;
    dev.wanted_features &= ~NETIF_F.GRO;
    this.kernel.net.features.netdev_update_features(dev);
  }
}

const of = (dev: NetDevice): Veth => dev.priv as Veth;

const veth_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: (dev) => of(dev).veth_open(),
  ndo_stop: (dev) => of(dev).veth_close(),
  ndo_start_xmit: (skb, dev) => of(dev).veth_xmit(skb),
  ndo_get_stats64: (dev, stats) => of(dev).veth_get_stats64(stats),
  ndo_set_rx_mode: () => undefined,
  ndo_set_mac_address: (dev, addr) => of(dev).kernel.net.eth.eth_mac_addr(dev, addr),
  ndo_get_iflink: (dev) => of(dev).peer?.ifindex ?? 0,
});

const veth_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_drvinfo: (_dev, info: DrvInfo) => {
    info.driver = 'veth';
    info.version = '1.0';
  },
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_strings: (dev) => of(dev).veth_get_strings(),
  get_sset_count: (dev) => of(dev).veth_get_strings().length,
  get_ethtool_stats: (dev) => of(dev).veth_get_ethtool_stats(),
  get_link_ksettings: (): LinkKsettings => ({
    speed: 10000,
    duplex: 1,
    port: 0,
    autoneg: 0,
    phy_address: 0,
    supported: [],
    advertising: [],
    lp_advertising: [],
  }),
  get_ts_info: () => ['software-transmit', 'software-receive', 'software-system-clock'],
  get_channels: (dev) => of(dev).veth_get_channels(),
  set_channels: (dev, ch) => of(dev).veth_set_channels(ch),
});

function veth_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.priv_flags.delete('IFF_TX_SKB_SHARING');
  dev.priv_flags.add('IFF_LIVE_ADDR_CHANGE').add('IFF_NO_QUEUE').add('IFF_PHONY_HEADROOM');
  dev.ethtool_ops = veth_ethtool_ops;
  dev.features |= NETIF_F.LLTX | VETH_FEATURES;
  dev.vlan_features = dev.features & ~VETH_VLAN;
  dev.max_mtu = ETH_MAX_MTU;
  dev.hw_features = VETH_FEATURES;
  dev.hw_enc_features = VETH_FEATURES;
  dev.tso_max_size = GSO_MAX_SIZE;
}

/** The peer first, announced before it has one; then the device; then they are tied. */
function veth_newlink(kernel: Kernel, net: Net, dev: NetDevice, request: LinkRequest): NlResult {
  const asked = request.peer ?? {};
  const peer = kernel.rtnl.rtnl_create_link(asked.netns ?? net, asked.ifname ?? 'veth%d', veth_link_ops, asked);
  if ('errno' in peer) return peer;
  const far = new Veth(kernel, peer);
  const near = new Veth(kernel, dev);
  peer.priv = far;
  dev.priv = near;
  if (asked.address === undefined) kernel.net.eth_hw_addr_random(peer);
  let err = kernel.net.register_netdevice(peer);
  if (err < 0) {
    kernel.net.free_netdev(peer);
    return { errno: err };
  }
  far.veth_disable_gro();
  kernel.net.link.netif_carrier_off(peer);
  const configured = kernel.rtnl.rtnl_configure_link(peer, asked);
  if (configured.errno !== 0) {
    kernel.net.unregister_netdevice(peer);
    return configured;
  }
  if (request.address === undefined) kernel.net.eth_hw_addr_random(dev);
  err = kernel.net.register_netdevice(dev);
  if (err < 0) {
    kernel.net.unregister_netdevice(peer);
    return { errno: err };
  }
  kernel.net.link.netif_carrier_off(dev);
  near.peer = peer;
  far.peer = dev;
  dev.peer = peer;
  peer.peer = dev;
  near.veth_init_queues(request);
  far.veth_init_queues(request.peer);
  near.veth_disable_gro();
  return NL_OK;
}

function veth_dellink(dev: NetDevice): NetDevice[] {
  const near = of(dev);
  const { peer } = near;
  near.peer = undefined;
  dev.peer = undefined;
  if (peer === undefined) return [dev];
  of(peer).peer = undefined;
  peer.peer = undefined;
  return [dev, peer];
}

const veth_link_ops: RtnlLinkOps = ops<RtnlLinkOps>({
  kind: 'veth',
  netdev_ops: veth_netdev_ops,
  setup: veth_setup,
  validate: ({ address, mtu }) => {
    if (address !== undefined && !is_valid_ether_addr(address)) return { errno: -Errno.EADDRNOTAVAIL };
    if (mtu !== undefined && (mtu < 68 || mtu > ETH_MAX_MTU)) return { errno: -Errno.EINVAL };
    return NL_OK;
  },
  newlink: veth_newlink,
  dellink: (_kernel, dev) => veth_dellink(dev),
  get_num_tx_queues: (kernel) => kernel.platform.cpus.list.length,
  get_link_net: (dev) => of(dev).peer?.net ?? dev.net,
});

export const VETH_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'veth',
  path: 'kernel/drivers/net/veth.ko',
  size: 36864,
  depends: [],
  description: 'Virtual Ethernet Tunnel',
  license: 'GPL v2',
  aliases: ['rtnl-link-veth'],
  functions: [Veth],
  init: (kernel) => kernel.rtnl.rtnl_link_register(veth_link_ops),
  exit: (kernel) => kernel.rtnl.rtnl_link_unregister(veth_link_ops),
});
