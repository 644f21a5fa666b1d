// The 8021q module: VLAN devices made and changed over rtnetlink, and kept in step with the devices below (Linux: net/8021q/vlan.c, vlan_netlink.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { ETH_P } from '../../wire/headers.ts';
import { is_valid_ether_addr } from '../../kernel/eth.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { NetdevEvent, NetdevNotifier } from '../../kernel/netdev_events.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { type LinkRequest, NL_OK, type NlResult, type RtnlLinkOps } from '../../kernel/rtnetlink.ts';
import { type LinkKindAttrs, VLAN_FLAG } from '../../kernel/rtnl_link_kinds.ts';
import { isVlanProto, VLAN_VID_MASK } from '../../kernel/vlan_core.ts';
import { vlan_netdev_ops, vlan_setup, VlanDev, vlanDev } from './vlan_dev.ts';

const MODULE_VERSION = '1.8';
const ALL_FLAGS = Object.values(VLAN_FLAG).reduce((a, b) => a | b, 0);

const refused = (errno: number, extack?: string): NlResult =>
  extack === undefined ? { errno: -errno } : { errno: -errno, extack: `8021q: ${extack}` };

/** The module's state: it follows the devices that carry VLANs. */
export class Vlan8021q implements NetdevNotifier {
  constructor(readonly kernel: Kernel) {}

  netdev_event(event: NetdevEvent, dev: NetDevice): number {
    return this.vlan_device_event(event, dev);
  }

  vlan_device_event(event: NetdevEvent, dev: NetDevice): number {
    const { net, printk } = this.kernel;
    const filters = (dev.features & NETIF_F.HW_VLAN_CTAG_FILTER) !== 0n;
    if (event === 'NETDEV_UP' && filters) {
      printk.pr_info(`8021q: adding VLAN 0 to HW filter on device ${dev.name}`);
      net.vlan.vlan_vid_add(dev, ETH_P['8021Q'], 0);
    }
    if (event === 'NETDEV_DOWN' && filters) net.vlan.vlan_vid_del(dev, ETH_P['8021Q'], 0);
    const uppers = dev.vlan_info?.devices;
    if (uppers === undefined || uppers.length === 0) return 0;
    // a move to another namespace keeps them
    if (event === 'NETDEV_UNREGISTER') {
      if (dev.reg_state === 'unregistering')
        net.unregister_netdevice_many(uppers.slice().flatMap((upper) => this.unregister_vlan_dev(upper)));
      return 0;
    }
    for (const upper of uppers.slice()) this.follow(event, dev, upper);
    return 0;
  }

  /** One VLAN's device does as the one below. */
  private follow(event: NetdevEvent, dev: NetDevice, upper: NetDevice): void {
    const { net } = this.kernel;
    const vlan = vlanDev(upper);
    const loose = (vlan.flags & VLAN_FLAG.LOOSE_BINDING) !== 0;
    const up = (upper.flags & IFF.UP) !== 0;
    switch (event) {
      case 'NETDEV_CHANGE':
        this.vlan_stacked_transfer_operstate(dev, upper);
        break;
      case 'NETDEV_CHANGEADDR':
        if (up) vlan.vlan_sync_address();
        break;
      case 'NETDEV_CHANGEMTU':
        if (upper.mtu > dev.mtu) net.dev_set_mtu(upper, dev.mtu);
        break;
      case 'NETDEV_FEAT_CHANGE':
        this.vlan_transfer_features(dev, upper);
        break;
      case 'NETDEV_DOWN':
        if (up && !loose) net.dev_close(upper);
        this.vlan_stacked_transfer_operstate(dev, upper);
        break;
      case 'NETDEV_UP':
        if (!up && !loose) net.dev_change_flags(upper, upper.flags | IFF.UP);
        this.vlan_stacked_transfer_operstate(dev, upper);
        break;
    }
  }

  vlan_transfer_features(dev: NetDevice, upper: NetDevice): void {
    upper.tso_max_size = dev.tso_max_size;
    upper.tso_max_segs = dev.tso_max_segs;
    const inserts = (dev.features & NETIF_F.HW_VLAN_CTAG_TX) !== 0n;
    upper.hard_header_len = dev.hard_header_len + (inserts ? 0 : 4);
    this.kernel.net.features.netdev_update_features(upper);
  }
  vlan_stacked_transfer_operstate(lower: NetDevice, upper: NetDevice): void {
    if ((vlanDev(upper).flags & VLAN_FLAG.BRIDGE_BINDING) === 0) this.kernel.net.link.netif_stacked_transfer_operstate(lower, upper);
  }

  vlan_check_real_dev(real: NetDevice, proto: number, vid: number): NlResult {
    if ((real.features & NETIF_F.VLAN_CHALLENGED) !== 0n) return refused(Errno.EOPNOTSUPP, 'VLANs not supported on device');
    if (this.kernel.net.vlan.__vlan_find_dev_deep_rcu(real, proto, vid) !== undefined)
      return refused(Errno.EEXIST, 'VLAN device already exists');
    return NL_OK;
  }

  register_vlan_dev(dev: NetDevice): NlResult {
    const { net } = this.kernel;
    const { real_dev: real, vlan_proto, vlan_id } = vlanDev(dev);
    let err = net.vlan.vlan_vid_add(real, vlan_proto, vlan_id);
    if (err < 0) return { errno: err };
    err = net.register_netdevice(dev);
    if (err < 0) {
      net.vlan.vlan_vid_del(real, vlan_proto, vlan_id);
      return { errno: err };
    }
    this.vlan_stacked_transfer_operstate(real, dev);
    net.link.linkwatch_fire_event(dev);
    real.vlan_info?.devices.push(dev);
    return NL_OK;
  }
  /** Out of its lower device's group; what goes with it. */
  unregister_vlan_dev(dev: NetDevice): NetDevice[] {
    const { real_dev: real, vlan_proto, vlan_id } = vlanDev(dev);
    const devices = real.vlan_info?.devices ?? [];
    const at = devices.indexOf(dev);
    if (at < 0) return [dev];
    devices.splice(at, 1);
    this.kernel.net.vlan.vlan_vid_del(real, vlan_proto, vlan_id);
    return [dev];
  }

  vlan_newlink(net: Net, dev: NetDevice, request: LinkRequest): NlResult {
    const { vlan: attrs } = request;
    if (attrs?.id === undefined) return refused(Errno.EINVAL, 'VLAN id not specified');
    if (request.link === undefined) return refused(Errno.EINVAL, 'link not specified');
    const real = net.__dev_get_by_index(request.link);
    if (real === undefined) return refused(Errno.ENODEV, 'link does not exist');
    const proto = attrs.protocol ?? ETH_P['8021Q'];
    dev.priv = new VlanDev(this.kernel, dev, real, proto, attrs.id);
    const allowed = this.vlan_check_real_dev(real, proto, attrs.id);
    if (allowed.errno !== 0) return allowed;
    if (request.mtu === undefined) dev.mtu = real.mtu;
    else if (dev.mtu > real.mtu) return refused(Errno.EINVAL);
    this.vlan_changelink(dev, request);
    return this.register_vlan_dev(dev);
  }
  vlan_changelink(dev: NetDevice, request: LinkRequest): NlResult {
    const { vlan: attrs } = request;
    const vlan = vlanDev(dev);
    if (attrs?.flags !== undefined) {
      const mask = attrs.flagMask ?? 0;
      vlan.flags = (vlan.flags & ~mask) | (attrs.flags & mask);
    }
    for (const [from, to] of attrs?.ingress ?? []) vlan.ingress[from & 7] = to;
    for (const [from, to] of attrs?.egress ?? []) vlan.egress.set(from, to & 7);
    return NL_OK;
  }
}

function vlan_validate(request: LinkRequest): NlResult {
  const { address, vlan } = request;
  if (address !== undefined && address.length !== 6) return refused(Errno.EINVAL, 'Invalid link address');
  if (address !== undefined && !is_valid_ether_addr(address)) return refused(Errno.EADDRNOTAVAIL, 'Invalid link address');
  if (vlan === undefined) return refused(Errno.EINVAL, 'VLAN properties not specified');
  if (vlan.protocol !== undefined && !isVlanProto(vlan.protocol)) return refused(Errno.EPROTONOSUPPORT, 'Invalid VLAN protocol');
  if (vlan.id !== undefined && vlan.id >= VLAN_VID_MASK) return refused(Errno.ERANGE, 'Invalid VLAN id');
  if (((vlan.flags ?? 0) & (vlan.flagMask ?? 0) & ~ALL_FLAGS) !== 0) return refused(Errno.EINVAL, 'Invalid VLAN flags');
  return NL_OK;
}

/** Linux: vlan_fill_info() */
function vlan_fill_info(dev: NetDevice): LinkKindAttrs {
  const v = vlanDev(dev);
  const ingress = v.ingress.map((to, from) => [from, to] as const).filter(([, to]) => to !== 0);
  return { vlan: { protocol: v.vlan_proto, id: v.vlan_id, flags: v.flags, flagMask: ~0, ingress, egress: [...v.egress] } };
}

const state = (kernel: Kernel): Vlan8021q => kernel.modules.state('8021q') as Vlan8021q;

const vlan_link_ops: RtnlLinkOps = ops<RtnlLinkOps>({
  kind: 'vlan',
  netdev_ops: vlan_netdev_ops,
  setup: vlan_setup,
  validate: vlan_validate,
  newlink: (kernel, net, dev, request) => state(kernel).vlan_newlink(net, dev, request),
  changelink: (kernel, dev, request) => state(kernel).vlan_changelink(dev, request),
  dellink: (kernel, dev) => state(kernel).unregister_vlan_dev(dev),
  fill_info: vlan_fill_info,
  get_link_net: (dev) => vlanDev(dev).real_dev.net,
});

const LLC_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'llc',
  path: 'kernel/net/llc/llc.ko',
  size: 16384,
  depends: [],
  description: 'LLC IEEE 802.2 core support',
  author: 'Procom 1997, Jay Schullist 2001, Arnaldo C. Melo 2001-2003',
  license: 'GPL',
});
const STP_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'stp',
  path: 'kernel/net/802/stp.ko',
  size: 16384,
  depends: ['llc'],
  description: 'SAP demux for IEEE 802.1D Spanning Tree Protocol',
  license: 'GPL',
});
const MRP_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'mrp',
  path: 'kernel/net/802/mrp.ko',
  size: 20480,
  depends: [],
  description: 'IEEE 802.1Q Multiple Registration Protocol (MRP)',
  license: 'GPL',
});
const GARP_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'garp',
  path: 'kernel/net/802/garp.ko',
  size: 16384,
  depends: ['stp', 'llc'],
  description: 'IEEE 802.1D Generic Attribute Registration Protocol (GARP)',
  license: 'GPL',
});
const VLAN_MODULE: ModuleDef = ops<ModuleDef>({
  name: '8021q',
  path: 'kernel/net/8021q/8021q.ko',
  size: 40960,
  depends: ['garp', 'mrp'],
  insertOrder: ['llc', 'mrp', 'stp', 'garp'],
  description: '802.1Q/802.1ad VLAN Protocol',
  license: 'GPL',
  version: MODULE_VERSION,
  aliases: ['rtnl-link-vlan'],
  functions: [Vlan8021q, VlanDev],
  init(kernel, module) {
    kernel.printk.pr_info(`8021q: 802.1Q VLAN Support v${MODULE_VERSION}`);
    const vlans = new Vlan8021q(kernel);
    module.state = vlans;
    kernel.net.register_netdevice_notifier(vlans);
    return kernel.rtnl.rtnl_link_register(vlan_link_ops);
  },
  exit(kernel, module) {
    kernel.rtnl.rtnl_link_unregister(vlan_link_ops);
    kernel.net.unregister_netdevice_notifier(module.state as Vlan8021q);
  },
});

export const VLAN_MODULES: readonly ModuleDef[] = Object.freeze([LLC_MODULE, STP_MODULE, MRP_MODULE, GARP_MODULE, VLAN_MODULE]);
