// The bridge module: bridge devices, their rtnetlink kind, and the state all of them share (Linux: net/bridge/br.c, br_device.c, br_netlink.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { ether_setup, is_valid_ether_addr } from '../../kernel/eth.ts';
import type { DrvInfo, EthtoolOps, LinkKsettings } from '../../kernel/ethtool/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { type LinkStats, type NetDevice, type NetDeviceOps } from '../../kernel/net_device.ts';
import { NETIF_F, NETIF_F_GSO_ENCAP_ALL, NETIF_F_GSO_SOFTWARE } from '../../kernel/netdev_features.ts';
import { type LinkRequest, NL_OK, type NlResult, type RtnlLinkOps } from '../../kernel/rtnetlink.ts';
import type { BridgePortAttrs, LinkKindAttrs } from '../../kernel/rtnl_link_kinds.ts';
import { BrFdb } from './br_fdb.ts';
import { BrForward } from './br_forward.ts';
import { BrIf } from './br_if.ts';
import { BR_VLAN, bridgeOf, NetBridge } from './br_private.ts';

const ETH_MAX_MTU = 65535;
const GSO_MAX_SIZE = 8 * 65535;
/** One hundredth of a second, the unit of a bridge's times in rtnetlink. */
const CENTISECOND = 1e7;

const refused = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });
const shared = (kernel: Kernel): BrIf => kernel.modules.state('bridge') as BrIf;
const of = (dev: NetDevice): BridgeDev => dev.priv as BridgeDev;

/** A bridge with its device's operations. */
export class BridgeDev extends NetBridge {
  constructor(
    readonly kernel: Kernel,
    dev: NetDevice,
  ) {
    super(dev);
  }

  br_dev_open(): number {
    this.kernel.net.features.netdev_update_features(this.dev);
    shared(this.kernel).br_stp_enable_bridge(this);
    return 0;
  }
  br_dev_stop(): number {
    shared(this.kernel).br_stp_disable_bridge(this);
    return 0;
  }
  br_set_mac_address(addr: Uint8Array): number {
    if (!is_valid_ether_addr(addr)) return -Errno.EADDRNOTAVAIL;
    this.addressSet = true;
    shared(this.kernel).br_stp_change_bridge_id(this, addr);
    return 0;
  }
  br_change_mtu(mtu: number): number {
    this.dev.mtu = mtu;
    this.dev.priv_flags.add('mtu_set_by_user');
    return 0;
  }
  /** What every port can take. */
  br_features_recompute(features: bigint): bigint {
    if (this.ports.length === 0) return features;
    let common = features;
    for (const { dev } of this.ports) {
      const sums = (dev.features & (NETIF_F.IP_CSUM | NETIF_F.IPV6_CSUM)) !== 0n ? NETIF_F.HW_CSUM : 0n;
      common &=
        dev.features | sums | NETIF_F_GSO_SOFTWARE | NETIF_F_GSO_ENCAP_ALL | NETIF_F.GSO | NETIF_F.GRO | NETIF_F.LLTX | NETIF_F.NETNS_LOCAL;
    }
    return common;
  }
  br_get_stats64(stats: LinkStats): void {
    stats.rx_packets = this.rx_packets;
    stats.rx_bytes = this.rx_bytes;
    stats.multicast = this.rx_multicast;
    stats.tx_packets = this.tx_packets;
    stats.tx_bytes = this.tx_bytes;
  }

  br_changelink(r: LinkRequest): NlResult {
    const { bridge: a } = r;
    const br = shared(this.kernel);
    if (a === undefined) return NL_OK;
    if (a.forward_delay !== undefined) this.forward_delay = a.forward_delay * CENTISECOND;
    if (a.ageing_time !== undefined) {
      this.ageing_time = a.ageing_time * CENTISECOND;
      br.fdb.rearm(this);
    }
    if (a.priority !== undefined) this.priority = a.priority;
    if (a.vlan_default_pvid !== undefined) {
      if (a.vlan_default_pvid >= 4095) return refused(Errno.EINVAL);
      if (this.vlan_enabled) return refused(Errno.EPERM);
      for (const dev of [this.dev, ...this.ports.map((p) => p.dev)]) {
        if (this.default_pvid !== 0) br.setVlan(this, dev, { vid: this.default_pvid, flags: 0 }, false);
        if (a.vlan_default_pvid !== 0) br.setVlan(this, dev, { vid: a.vlan_default_pvid, flags: BR_VLAN.PVID | BR_VLAN.UNTAGGED }, true);
      }
      this.default_pvid = a.vlan_default_pvid;
    }
    if (a.vlan_filtering !== undefined) this.vlan_enabled = a.vlan_filtering !== 0;
    return NL_OK;
  }
}

const br_netdev_ops: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: (dev) => of(dev).br_dev_open(),
  ndo_stop: (dev) => of(dev).br_dev_stop(),
  ndo_start_xmit: (skb, dev) => shared(of(dev).kernel).forward.br_dev_xmit(skb, dev),
  ndo_get_stats64: (dev, stats) => of(dev).br_get_stats64(stats),
  ndo_set_mac_address: (dev, addr) => of(dev).br_set_mac_address(addr),
  ndo_set_rx_mode: () => undefined,
  ndo_change_mtu: (dev, mtu) => of(dev).br_change_mtu(mtu),
  ndo_fix_features: (dev, features) => of(dev).br_features_recompute(features),
  ndo_add_slave: (dev, slave) => shared(of(dev).kernel).br_add_if(dev, slave),
  ndo_del_slave: (dev, slave) => shared(of(dev).kernel).br_del_if(dev, slave),
  ndo_fdb_dump: (dev, port) =>
    shared(of(dev).kernel).fdb.br_fdb_dump(
      of(dev),
      of(dev).ports.find((p) => p.dev === port),
    ),
  ndo_fdb_add: (dev, port, r) => shared(of(dev).kernel).fdb.br_fdb_add(port, r),
  ndo_fdb_del: (dev, port, r) => shared(of(dev).kernel).fdb.br_fdb_delete(port, r),
  ndo_bridge_getvlans: (dev, port) => shared(of(dev).kernel).vlansOf(of(dev), port),
  // taking away a VLAN that is not there is no error
  ndo_bridge_setvlan: (dev, port, vlan, add) => {
    const err = shared(of(dev).kernel).setVlan(of(dev), port, vlan, add);
    return add ? err : 0;
  },
  ndo_bridge_setlink: (dev, port, attrs) => setPort(of(dev).kernel, dev, port, attrs),
});

function setPort(kernel: Kernel, dev: NetDevice, slave: NetDevice, attrs: BridgePortAttrs): NlResult {
  const port = bridgeOf(dev).ports.find((p) => p.dev === slave);
  return port === undefined ? refused(Errno.EINVAL) : shared(kernel).br_setport(port, attrs);
}

/** The speed of the fastest port. */
function br_get_link_ksettings(dev: NetDevice): LinkKsettings {
  const speeds = bridgeOf(dev).ports.map(({ dev: port }) => {
    const s = port.nocarrier ? undefined : port.ethtool_ops?.get_link_ksettings?.(port);
    return s === undefined || typeof s === 'number' ? -1 : s.speed;
  });
  const speed = Math.max(-1, ...speeds);
  return { speed, duplex: 255, port: 255, autoneg: 0, phy_address: 0, supported: [], advertising: [], lp_advertising: [] };
}

const br_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  get_drvinfo: (_dev, info: DrvInfo) => {
    info.driver = 'bridge';
    info.version = '2.3';
    info.fw_version = 'N/A';
    info.bus_info = 'N/A';
  },
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_link_ksettings: br_get_link_ksettings,
});

function br_dev_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.priv_flags.add('IFF_EBRIDGE').add('IFF_NO_QUEUE');
  dev.ethtool_ops = br_ethtool_ops;
  const common =
    NETIF_F.SG | NETIF_F.FRAGLIST | NETIF_F.HIGHDMA | NETIF_F_GSO_SOFTWARE | NETIF_F_GSO_ENCAP_ALL | NETIF_F.GSO_ROBUST | NETIF_F.HW_CSUM;
  const vlan = NETIF_F.HW_VLAN_CTAG_TX | NETIF_F.HW_VLAN_STAG_TX;
  dev.features = common | NETIF_F.LLTX | NETIF_F.NETNS_LOCAL | vlan;
  dev.hw_features = common | vlan;
  dev.vlan_features = common;
  dev.max_mtu = ETH_MAX_MTU;
  dev.tso_max_size = GSO_MAX_SIZE;
}

function br_dev_newlink(kernel: Kernel, dev: NetDevice, request: LinkRequest): NlResult {
  const br = new BridgeDev(kernel, dev);
  dev.priv = br;
  if (request.address === undefined) kernel.net.eth_hw_addr_random(dev);
  else br.addressSet = true;
  const err = kernel.net.register_netdevice(dev);
  if (err < 0) return { errno: err };
  kernel.net.link.netif_carrier_off(dev);
  shared(kernel).fdb.br_fdb_add_local(br, undefined, dev.dev_addr, 0);
  shared(kernel).setVlan(br, dev, { vid: br.default_pvid, flags: BR_VLAN.PVID | BR_VLAN.UNTAGGED }, true);
  return br.br_changelink(request);
}

/** Its ports are free before it goes. */
function br_dev_delete(kernel: Kernel, dev: NetDevice): NetDevice[] {
  const br = bridgeOf(dev);
  for (const port of br.ports.slice()) shared(kernel).br_del_if(dev, port.dev);
  shared(kernel).fdb.br_fdb_flush(br);
  return [dev];
}

const bridgeId = (br: NetBridge): string =>
  `${br.priority.toString(16).padStart(4, '0')}.${Array.from(br.dev.dev_addr, (b) => b.toString(16)).join(':')}`;

function br_fill_info(dev: NetDevice): LinkKindAttrs {
  const br = bridgeOf(dev);
  return {
    bridge: {
      forward_delay: br.forward_delay / CENTISECOND,
      ageing_time: br.ageing_time / CENTISECOND,
      priority: br.priority,
      vlan_filtering: br.vlan_enabled ? 1 : 0,
      bridge_id: bridgeId(br),
      vlan_default_pvid: br.default_pvid,
    },
  };
}
function br_port_fill_slave_info(master: NetDevice, slave: NetDevice): LinkKindAttrs {
  const port = bridgeOf(master).ports.find((p) => p.dev === slave);
  if (port === undefined) return {};
  const { state, priority, path_cost, hairpin, learning, flood, mcast_flood, bcast_flood, isolated, port_no } = port;
  return { brport: { state, priority, cost: path_cost, hairpin, learning, flood, mcast_flood, bcast_flood, isolated, port_no } };
}

const br_link_ops: RtnlLinkOps = ops<RtnlLinkOps>({
  kind: 'bridge',
  netdev_ops: br_netdev_ops,
  setup: br_dev_setup,
  validate: ({ address }) => (address === undefined || is_valid_ether_addr(address) ? NL_OK : refused(Errno.EADDRNOTAVAIL)),
  newlink: (kernel, _net, dev, request) => br_dev_newlink(kernel, dev, request),
  changelink: (_kernel, dev, request) => of(dev).br_changelink(request),
  slave_changelink: (kernel, master, slave, request) => setPort(kernel, master, slave, request.brport ?? {}),
  fill_info: br_fill_info,
  fill_slave_info: br_port_fill_slave_info,
  dellink: br_dev_delete,
});

export const BRIDGE_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'bridge',
  path: 'kernel/net/bridge/bridge.ko',
  size: 311296,
  depends: ['stp', 'llc'],
  insertOrder: ['llc', 'stp'],
  description: 'Ethernet bridge driver',
  license: 'GPL',
  version: '2.3',
  aliases: ['rtnl-link-bridge'],
  functions: [BridgeDev, BrIf, BrFdb, BrForward],
  init(kernel, module) {
    const state = new BrIf(kernel);
    module.state = state;
    kernel.net.register_netdevice_notifier(state);
    kernel.printk.pr_info(
      'bridge: filtering via arp/ip/ip6tables is no longer available by default. Update your scripts to load br_netfilter if you need this.',
    );
    return kernel.rtnl.rtnl_link_register(br_link_ops);
  },
  exit(kernel, module) {
    kernel.rtnl.rtnl_link_unregister(br_link_ops);
    kernel.net.unregister_netdevice_notifier(module.state as BrIf);
  },
});
