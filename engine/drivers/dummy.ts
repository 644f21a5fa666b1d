// dummy: a device that swallows what it is given (Linux: drivers/net/dummy.c).
import { Errno } from '../base/errno.ts';
import { ops } from '../base/ops.ts';
import { ether_setup, is_valid_ether_addr } from '../kernel/eth.ts';
import type { EthtoolOps } from '../kernel/ethtool/ops.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ModuleDef } from '../kernel/module.ts';
import { IFF, type LinkStats, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../kernel/net_device.ts';
import { NETIF_F, NETIF_F_GSO_ENCAP_ALL, NETIF_F_GSO_SOFTWARE } from '../kernel/netdev_features.ts';
import { NL_OK, type RtnlLinkOps } from '../kernel/rtnetlink.ts';
import type { SkBuff } from '../kernel/skbuff.ts';

const GSO_MAX_SIZE = 8 * 65535;

export class Dummy {
  packets = 0;
  bytes = 0;
  constructor(
    readonly kernel: Kernel,
    readonly dev: NetDevice,
  ) {}

  dummy_xmit(skb: SkBuff): number {
    this.packets++;
    this.bytes += skb.len;
    this.kernel.skb.consume_skb(skb);
    return NETDEV_TX_OK;
  }
  dummy_get_stats64(stats: LinkStats): void {
    stats.tx_packets = this.packets;
    stats.tx_bytes = this.bytes;
  }
  dummy_change_carrier(up: boolean): number {
    if (up) this.kernel.net.link.netif_carrier_on(this.dev);
    else this.kernel.net.link.netif_carrier_off(this.dev);
    return 0;
  }
}

const of = (dev: NetDevice): Dummy => dev.priv as Dummy;

const dummy_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => of(dev).dummy_xmit(skb),
  ndo_validate_addr: (dev) => of(dev).kernel.net.eth.eth_validate_addr(dev),
  ndo_set_rx_mode: () => undefined,
  ndo_set_mac_address: (dev, addr) => of(dev).kernel.net.eth.eth_mac_addr(dev, addr),
  ndo_get_stats64: (dev, stats) => of(dev).dummy_get_stats64(stats),
  ndo_change_carrier: (dev, up) => of(dev).dummy_change_carrier(up),
});

const dummy_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_ts_info: () => ['software-transmit', 'software-receive', 'software-system-clock'],
});

function dummy_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.ethtool_ops = dummy_ethtool_ops;
  dev.flags |= IFF.NOARP;
  dev.flags &= ~IFF.MULTICAST;
  dev.priv_flags.add('IFF_LIVE_ADDR_CHANGE').add('IFF_NO_QUEUE');
  dev.features |=
    NETIF_F.SG | NETIF_F.FRAGLIST | NETIF_F_GSO_SOFTWARE | NETIF_F.HW_CSUM | NETIF_F.HIGHDMA | NETIF_F.LLTX | NETIF_F_GSO_ENCAP_ALL;
  dev.hw_features |= dev.features;
  dev.hw_enc_features |= dev.features;
  dev.tso_max_size = GSO_MAX_SIZE;
  dev.min_mtu = 0;
  dev.max_mtu = 0;
}

/** Linux: dummy's newlink is register_netdevice(); a random address unless one was given. */
function register(kernel: Kernel, dev: NetDevice, withAddress: boolean): number {
  dev.priv = new Dummy(kernel, dev);
  if (!withAddress) kernel.net.eth_hw_addr_random(dev);
  return kernel.net.register_netdevice(dev);
}

const dummy_link_ops: RtnlLinkOps = ops<RtnlLinkOps>({
  kind: 'dummy',
  netdev_ops: dummy_netdev_ops,
  setup: dummy_setup,
  validate: ({ address }) => (address === undefined || is_valid_ether_addr(address) ? NL_OK : { errno: -Errno.EADDRNOTAVAIL }),
  newlink: (kernel, _net, dev, request) => ({ errno: register(kernel, dev, request.address !== undefined) }),
  dellink: (_kernel, dev) => [dev],
});

export const DUMMY_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'dummy',
  path: 'kernel/drivers/net/dummy.ko',
  size: 16384,
  depends: [],
  description: '',
  license: 'GPL',
  aliases: ['rtnl-link-dummy'],
  params: [{ name: 'numdummies', type: 'int', value: '1', mode: 0, description: 'Number of dummy pseudo devices' }],
  functions: [Dummy],
  init(kernel, module): number {
    const err = kernel.rtnl.rtnl_link_register(dummy_link_ops);
    if (err !== 0) return err;
    const count = Number(module.params.get('numdummies'));
    for (let i = 0; i < count; i++) {
      const dev = kernel.net.alloc_netdev_mqs('dummy%d', dummy_netdev_ops, dummy_setup, 1, 1);
      dev.kind = 'dummy';
      const failed = register(kernel, dev, false);
      if (failed === 0) continue;
      kernel.net.free_netdev(dev);
      kernel.rtnl.rtnl_link_unregister(dummy_link_ops);
      return failed;
    }
    return 0;
  },
  exit(kernel): void {
    kernel.rtnl.rtnl_link_unregister(dummy_link_ops);
  },
});
