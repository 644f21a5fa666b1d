// rtnetlink's AF_BRIDGE requests: tables of addresses, VLANs and ports, of bridges and of devices themselves (Linux: net/core/rtnetlink.c).
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';
import { type HwAddr, IFF, type NetDevice } from './net_device.ts';
import type { Net } from './net_namespace.ts';
import { NL_OK, type NlResult } from './rtnetlink.ts';
import { NTF, NUD } from './rtnl_records.ts';
import type { BridgePortAttrs, BridgeVlan, FdbInfo, FdbRequest } from './rtnl_link_kinds.ts';

const refused = (errno: number): NlResult => ({ errno: -errno });
const isBridge = (dev: NetDevice | undefined): dev is NetDevice => dev?.netdev_ops.ndo_fdb_dump !== undefined;
const bridgeOver = (dev: NetDevice): NetDevice | undefined => (isBridge(dev.master) ? dev.master : isBridge(dev) ? dev : undefined);

export class RtnlBridge {
  constructor(readonly kernel: Kernel) {}

  /** All entries, device by device: of its bridge, then its own unicast and multicast lists. */
  rtnl_fdb_dump(net: Net): FdbInfo[] {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const out: FdbInfo[] = [];
    for (const dev of [...net.devices].sort((a, b) => a.ifindex - b.ifindex)) {
      if (isBridge(dev.master)) out.push(...(dev.master.netdev_ops.ndo_fdb_dump?.(dev.master, dev) ?? []));
      if (isBridge(dev)) {
        out.push(...this.ndo_dflt_fdb_dump(dev), ...(dev.netdev_ops.ndo_fdb_dump?.(dev, dev) ?? []));
      } else out.push(...this.ndo_dflt_fdb_dump(dev));
    }
    return out;
  }
  ndo_dflt_fdb_dump(dev: NetDevice): FdbInfo[] {
    if ((dev.flags & IFF.LOOPBACK) !== 0) return [];
    const own = (a: HwAddr): FdbInfo => ({
      ifindex: dev.ifindex,
      mac: a.addr,
      vlan: undefined,
      master: undefined,
      state: NUD.PERMANENT,
      flags: NTF.SELF,
      updated: 0,
    });
    return [...dev.uc.map(own), ...dev.mc.map(own)];
  }

  /** Into the bridge's table (NTF_MASTER, or without flags on a bridge), or into the device's own list (NTF_SELF). */
  rtnl_fdb_add(net: Net, r: FdbRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = net.__dev_get_by_index(r.ifindex);
    if (dev === undefined) return refused(Errno.ENODEV);
    if (r.mac.every((b) => b === 0)) return { errno: -Errno.EINVAL, extack: 'invalid address' };
    if ((r.flags & NTF.MASTER) !== 0 || r.flags === 0) {
      const bridge = dev.master;
      if (!isBridge(bridge)) return refused(Errno.EOPNOTSUPP);
      const result = bridge.netdev_ops.ndo_fdb_add?.(bridge, dev, r) ?? refused(Errno.EOPNOTSUPP);
      if (result.errno !== 0 || (r.flags & NTF.SELF) === 0) return result;
    }
    if (isBridge(dev)) return dev.netdev_ops.ndo_fdb_add?.(dev, dev, r) ?? refused(Errno.EOPNOTSUPP);
    return this.ndo_dflt_fdb_add(dev, r);
  }
  ndo_dflt_fdb_add(dev: NetDevice, r: FdbRequest): NlResult {
    if ((r.state & ~(NUD.PERMANENT | NUD.NOARP)) !== 0 || r.vlan !== undefined) return refused(Errno.EINVAL);
    const list = (r.mac[0] & 1) !== 0 ? dev.mc : dev.uc;
    if (list.some((a) => a.addr.every((b, i) => b === r.mac[i]))) return r.exclusive ? refused(Errno.EEXIST) : NL_OK;
    const { addrs } = this.kernel.net;
    const err = (r.mac[0] & 1) !== 0 ? addrs.dev_mc_add(dev, r.mac) : addrs.dev_uc_add(dev, r.mac);
    return { errno: err };
  }
  rtnl_fdb_del(net: Net, r: FdbRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = net.__dev_get_by_index(r.ifindex);
    if (dev === undefined) return refused(Errno.ENODEV);
    if ((r.flags & NTF.MASTER) !== 0 || r.flags === 0) {
      const bridge = dev.master;
      if (!isBridge(bridge)) return refused(Errno.EOPNOTSUPP);
      const result = bridge.netdev_ops.ndo_fdb_del?.(bridge, dev, r) ?? refused(Errno.EOPNOTSUPP);
      if (result.errno !== 0 || (r.flags & NTF.SELF) === 0) return result;
    }
    if (isBridge(dev)) return dev.netdev_ops.ndo_fdb_del?.(dev, dev, r) ?? refused(Errno.EOPNOTSUPP);
    const { addrs } = this.kernel.net;
    return { errno: (r.mac[0] & 1) !== 0 ? addrs.dev_mc_del(dev, r.mac) : addrs.dev_uc_del(dev, r.mac) };
  }

  /** VLANs of every bridge and port, by index. */
  rtnl_bridge_vlans(net: Net): { readonly ifindex: number; readonly vlans: readonly BridgeVlan[] }[] {
    return [...net.devices]
      .sort((a, b) => a.ifindex - b.ifindex)
      .flatMap((dev) => {
        const bridge = bridgeOver(dev);
        const vlans = bridge?.netdev_ops.ndo_bridge_getvlans?.(bridge, dev);
        return vlans === undefined ? [] : [{ ifindex: dev.ifindex, vlans }];
      });
  }
  rtnl_bridge_setvlan(net: Net, ifindex: number, vlan: BridgeVlan, add: boolean): NlResult {
    const dev = net.__dev_get_by_index(ifindex);
    if (dev === undefined) return refused(Errno.ENODEV);
    const bridge = bridgeOver(dev);
    return { errno: bridge?.netdev_ops.ndo_bridge_setvlan?.(bridge, dev, vlan, add) ?? -Errno.EOPNOTSUPP };
  }
  rtnl_bridge_setlink(net: Net, ifindex: number, attrs: BridgePortAttrs): NlResult {
    const dev = net.__dev_get_by_index(ifindex);
    if (dev === undefined) return refused(Errno.ENODEV);
    const bridge = isBridge(dev.master) ? dev.master : undefined;
    return bridge?.netdev_ops.ndo_bridge_setlink?.(bridge, dev, attrs) ?? refused(Errno.EOPNOTSUPP);
  }
}
