// The loopback device, one in every namespace (Linux: drivers/net/loopback.c).
import { ops } from '../base/ops.ts';
import { ether_setup } from '../kernel/eth.ts';
import type { EthtoolOps } from '../kernel/ethtool/ops.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ModuleDef } from '../kernel/module.ts';
import { ARPHRD, IFF, type LinkStats, NET_RX_SUCCESS, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { NETIF_F, NETIF_F_GSO_SOFTWARE } from '../kernel/netdev_features.ts';
import type { PernetOperations } from '../kernel/netns.ts';
import type { SkBuff } from '../kernel/skbuff.ts';

/** Linux: GSO_MAX_SIZE */
const GSO_MAX_SIZE = 8 * 65535;

export class Loopback {
  packets = 0;
  bytes = 0;
  constructor(
    readonly kernel: Kernel,
    readonly dev: NetDevice,
  ) {}

  /** What is sent is received: through this CPU's backlog, so that the receiver runs after the sender. */
  loopback_xmit(skb: SkBuff): number {
    const { kernel, dev } = this;
    kernel.skb.skb_orphan(skb);
    kernel.net.eth.eth_type_trans(skb, dev);
    const { len } = skb;
    if (kernel.net.rx.__netif_rx(skb) === NET_RX_SUCCESS) {
      this.packets++;
      this.bytes += len;
    }
    return NETDEV_TX_OK;
  }

  loopback_get_stats64(stats: LinkStats): void {
    stats.rx_packets = stats.tx_packets = this.packets;
    stats.rx_bytes = stats.tx_bytes = this.bytes;
  }
}

const of = (dev: NetDevice): Loopback => dev.priv as Loopback;

const loopback_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => of(dev).loopback_xmit(skb),
  ndo_get_stats64: (dev, stats) => of(dev).loopback_get_stats64(stats),
});

const loopback_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_link: () => 1,
  get_ts_info: () => ['software-transmit', 'software-receive', 'software-system-clock'],
});

function loopback_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.type = ARPHRD.LOOPBACK;
  dev.mtu = 65536;
  dev.min_mtu = 0;
  dev.max_mtu = 0;
  dev.broadcast = new Uint8Array(6);
  dev.flags = IFF.LOOPBACK;
  dev.tx_queue_len = 0;
  dev.priv_flags.delete('IFF_TX_SKB_SHARING');
  dev.priv_flags.add('IFF_LIVE_ADDR_CHANGE');
  dev.hw_features = NETIF_F_GSO_SOFTWARE;
  dev.features =
    NETIF_F.SG |
    NETIF_F.FRAGLIST |
    NETIF_F_GSO_SOFTWARE |
    NETIF_F.HW_CSUM |
    NETIF_F.RXCSUM |
    NETIF_F.SCTP_CRC |
    NETIF_F.HIGHDMA |
    NETIF_F.LLTX |
    NETIF_F.NETNS_LOCAL |
    NETIF_F.VLAN_CHALLENGED |
    NETIF_F.LOOPBACK;
  dev.tso_max_size = GSO_MAX_SIZE;
  dev.ethtool_ops = loopback_ethtool_ops;
}

/** Linux: include/uapi/linux/netdevice.h */
const NET_NAME_PREDICTABLE = 2;

const loopback_net_ops: PernetOperations = ops<PernetOperations>({
  initNet(kernel: Kernel, net: Net): void {
    const dev = kernel.net.alloc_netdev_mqs('lo', loopback_ops, loopback_setup, 1, 1, net);
    dev.name_assign_type = NET_NAME_PREDICTABLE;
    dev.priv = new Loopback(kernel, dev);
    kernel.net.register_netdev(dev);
    net.loopback_dev = dev;
  },
  exitNet(kernel: Kernel, net: Net): void {
    kernel.net.unregister_netdev(net.loopback_dev);
    kernel.net.free_netdev(net.loopback_dev);
  },
});

/** Built into the kernel. */
export const LOOPBACK_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'loopback',
  path: '',
  size: 0,
  depends: [],
  description: '',
  license: 'GPL',
  functions: [Loopback],
  init(kernel): number {
    kernel.netns.register_pernet_device(loopback_net_ops);
    return 0;
  },
});
