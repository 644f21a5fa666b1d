// Checking and making routes, and what devices going up and down do to them (Linux: net/ipv4/fib_semantics.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { RTN, RTNH_F, RT_SCOPE } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { FIB_PROPS, FibInfo, FibNh, FibResult, Flow4 } from './fib_table.ts';
import { ipv4Net } from './ipv4_net.ts';

/** A route as asked for (Linux: struct fib_config). */
export interface FibConfig {
  dst: number;
  dst_len: number;
  tos: number;
  protocol: number;
  scope: number;
  type: number;
  table: number;
  oif: number;
  /** 0: none. */
  gw: number;
  priority: number;
  prefsrc: number;
  flags: number;
  nlflags: number;
  metrics: Map<number, number> | undefined;
  /** A next hop object, 0: none. */
  nhid: number;
  multipath: readonly { readonly ifindex: number; readonly gw: number; readonly weight: number; readonly flags: number }[] | undefined;
}

const fail = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });

export class FibSemantics {
  private readonly flow = new Flow4();
  private readonly result = new FibResult();
  constructor(readonly kernel: Kernel) {}

  fib_create_info(net: Net, cfg: FibConfig): FibInfo | NlResult {
    if (cfg.type > RTN.THROW) return fail(Errno.EINVAL, 'Invalid type');
    if (FIB_PROPS[cfg.type].scope > cfg.scope) return fail(Errno.EINVAL, 'Invalid scope');
    if ((cfg.flags & (RTNH_F.DEAD | RTNH_F.LINKDOWN)) !== 0)
      return fail(Errno.EINVAL, 'Invalid rtm_flags - can not contain DEAD or LINKDOWN');
    const info = new FibInfo(cfg.protocol, cfg.scope, cfg.type, cfg.priority, cfg.prefsrc, cfg.table, cfg.metrics);
    info.flags = cfg.flags;
    if (cfg.nhid !== 0) return this.useObject(net, cfg, info);
    if (FIB_PROPS[cfg.type].error !== 0) {
      if (cfg.gw !== 0 || cfg.oif !== 0 || cfg.multipath !== undefined)
        return fail(Errno.EINVAL, 'Gateway, device and multipath can not be specified for this route type');
      return this.link(net, info);
    }
    if (cfg.type === RTN.UNSPEC) return fail(Errno.EINVAL, 'Invalid route type');
    if (cfg.scope > RT_SCOPE.HOST) return fail(Errno.EINVAL, 'Invalid scope');
    if (cfg.multipath !== undefined) {
      for (const m of cfg.multipath) {
        if ((m.flags & (RTNH_F.DEAD | RTNH_F.LINKDOWN)) !== 0)
          return fail(Errno.EINVAL, 'Invalid flags for nexthop - can not contain DEAD or LINKDOWN');
        const nh = new FibNh(m.ifindex);
        nh.gw = m.gw;
        nh.flags = (cfg.flags & ~0xff) | m.flags;
        nh.weight = m.weight;
        info.nhs.push(nh);
      }
      if (cfg.oif !== 0 && info.nhs[0].oif !== cfg.oif) return fail(Errno.EINVAL, 'Nexthop device index does not match RTA_OIF');
      if (cfg.gw !== 0 && info.nhs[0].gw !== cfg.gw) return fail(Errno.EINVAL, 'Nexthop gateway does not match RTA_GATEWAY');
    } else {
      const nh = new FibNh(cfg.oif);
      nh.gw = cfg.gw;
      nh.flags = cfg.flags;
      info.nhs.push(nh);
    }
    if (cfg.scope === RT_SCOPE.HOST) {
      const nh = info.nhs[0];
      if (info.nhs.length !== 1) return fail(Errno.EINVAL, 'Route with host scope can not have multiple nexthops');
      if (nh.gw !== 0) return fail(Errno.EINVAL, 'Route with host scope can not have a gateway');
      nh.scope = RT_SCOPE.NOWHERE;
      nh.dev = net.__dev_get_by_index(nh.oif);
      if (nh.dev === undefined) return fail(Errno.ENODEV);
    } else {
      let linkdown = 0;
      for (const nh of info.nhs) {
        const checked = this.fib_check_nh(net, nh, cfg.table, cfg.scope);
        if (checked.errno !== 0) return checked;
        if ((nh.flags & RTNH_F.LINKDOWN) !== 0) linkdown++;
      }
      if (linkdown === info.nhs.length) info.flags |= RTNH_F.LINKDOWN;
    }
    if (cfg.prefsrc !== 0 && !this.fib_valid_prefsrc(net, cfg)) return fail(Errno.EINVAL, 'Invalid prefsrc address');
    return this.link(net, info);
  }

  /** The paths are those of a next hop object (Linux: fib_check_nexthop()). */
  private useObject(net: Net, cfg: FibConfig, info: FibInfo): FibInfo | NlResult {
    const { nexthops } = this.kernel.ipv4;
    const object = nexthops.nexthop_find_by_id(net, cfg.nhid);
    if (object === undefined) return fail(Errno.EINVAL, 'Nexthop id does not exist');
    if (cfg.type !== RTN.UNICAST) return fail(Errno.EINVAL, 'Invalid route type');
    const paths = nexthops.pathsOf(net, object);
    if (cfg.scope === RT_SCOPE.HOST && object.group !== undefined)
      return fail(Errno.EINVAL, 'Route with host scope can not have multiple nexthops');
    if (cfg.scope > RT_SCOPE.UNIVERSE && paths.some((nh) => nh.gw !== 0)) return fail(Errno.EINVAL, 'Scope mismatch with nexthop');
    info.nhid = cfg.nhid;
    info.nhs.push(...paths);
    if (paths.length > 0 && paths.every((nh) => (nh.flags & RTNH_F.LINKDOWN) !== 0)) info.flags |= RTNH_F.LINKDOWN;
    return this.link(net, info);
  }

  private link(net: Net, info: FibInfo): FibInfo {
    ipv4Net(net).fibInfos.push(info);
    return info;
  }

  /** A route that was not inserted after all, or lost its last alias. */
  fib_release_info(net: Net, info: FibInfo): void {
    if (info.refcnt > 0) return;
    const list = ipv4Net(net).fibInfos;
    const at = list.indexOf(info);
    if (at >= 0) list.splice(at, 1);
    info.dead = true;
  }

  fib_valid_prefsrc(net: Net, cfg: FibConfig): boolean {
    if (cfg.type === RTN.LOCAL && cfg.dst !== 0 && cfg.prefsrc === cfg.dst) return true;
    return this.kernel.ipv4.fib.inet_addr_type(net, cfg.prefsrc) === RTN.LOCAL;
  }

  fib_check_nh(net: Net, nh: FibNh, table: number, scope: number): NlResult {
    return nh.gw !== 0 ? this.fib_check_nh_v4_gw(net, nh, table, scope) : this.fib_check_nh_nongw(net, nh);
  }

  private carrier(nh: FibNh, dev: NetDevice): void {
    nh.dev = dev;
    if (!this.kernel.net.link.netif_carrier_ok(dev)) nh.flags |= RTNH_F.LINKDOWN;
  }

  fib_check_nh_v4_gw(net: Net, nh: FibNh, table: number, scope: number): NlResult {
    const { fib } = this.kernel.ipv4;
    if ((nh.flags & RTNH_F.ONLINK) !== 0) {
      if (scope >= RT_SCOPE.LINK) return fail(Errno.EINVAL, 'Nexthop has invalid scope');
      const dev = net.__dev_get_by_index(nh.oif);
      if (dev === undefined) return fail(Errno.ENODEV, 'Nexthop device required for onlink');
      if ((dev.flags & IFF.UP) === 0) return fail(Errno.ENETDOWN, 'Nexthop device is not up');
      if (fib.inet_addr_type(net, nh.gw) !== RTN.UNICAST) return fail(Errno.EINVAL, 'Nexthop has invalid gateway');
      this.carrier(nh, dev);
      nh.scope = RT_SCOPE.LINK;
      return NL_OK;
    }
    const { flow, result } = this;
    Object.assign(flow, {
      daddr: nh.gw,
      saddr: 0,
      oif: nh.oif,
      iif: net.loopback_dev.ifindex,
      tos: 0,
      mark: 0,
      scope: Math.max(scope + 1, RT_SCOPE.LINK),
    });
    const tbl = table === 0 ? undefined : ipv4Net(net).tables.get(table);
    result.reset();
    let err = tbl === undefined ? -Errno.EAGAIN : tbl.lookup(flow, result, true);
    if (err !== 0) err = fib.fib_lookup(net, flow, result, true);
    if (err !== 0) return fail(-err, 'Nexthop has invalid gateway');
    if (result.type !== RTN.UNICAST && result.type !== RTN.LOCAL) return fail(Errno.EINVAL, 'Nexthop has invalid gateway');
    nh.scope = result.scope;
    const dev = result.nh?.dev;
    if (dev === undefined) return fail(Errno.EINVAL, 'No egress device for nexthop gateway');
    nh.oif = dev.ifindex;
    this.carrier(nh, dev);
    return (dev.flags & IFF.UP) !== 0 ? NL_OK : fail(Errno.ENETDOWN);
  }

  fib_check_nh_nongw(net: Net, nh: FibNh): NlResult {
    if ((nh.flags & (RTNH_F.PERVASIVE | RTNH_F.ONLINK)) !== 0)
      return fail(Errno.EINVAL, 'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set');
    const dev = net.__dev_get_by_index(nh.oif);
    if (dev?.ip_ptr === undefined) return fail(Errno.ENODEV);
    if ((dev.flags & IFF.UP) === 0) return fail(Errno.ENETDOWN, 'Device for nexthop is not up');
    this.carrier(nh, dev);
    nh.scope = RT_SCOPE.HOST;
    return NL_OK;
  }

  /** Does `info` fit what is to be deleted? */
  fib_nh_match(cfg: FibConfig, info: FibInfo): boolean {
    if (cfg.priority !== 0 && cfg.priority !== info.priority) return false;
    if (!(cfg.metrics === undefined || [...cfg.metrics].every(([k, v]) => info.metrics?.get(k) === v))) return false;
    if (cfg.nhid !== 0) return info.nhid === cfg.nhid;
    if (cfg.oif !== 0 || cfg.gw !== 0) {
      if (info.nhid !== 0) return false;
      const nh = info.nhs[0];
      return nh !== undefined && (cfg.oif === 0 || cfg.oif === nh.oif) && (cfg.gw === 0 || cfg.gw === nh.gw);
    }
    if (cfg.multipath === undefined) return true;
    return (
      cfg.multipath.length === info.nhs.length &&
      cfg.multipath.every((m, i) => (m.ifindex === 0 || m.ifindex === info.nhs[i].oif) && (m.gw === 0 || m.gw === info.nhs[i].gw))
    );
  }

  /** Next hops on `dev` die (DOWN, UNREGISTER) or lose their link (CHANGE). How many routes have none left. */
  fib_sync_down_dev(dev: NetDevice, event: 'DOWN' | 'UNREGISTER' | 'CHANGE', force: boolean): number {
    let ret = 0;
    const spared = force ? -1 : RT_SCOPE.NOWHERE;
    for (const info of ipv4Net(dev.net).fibInfos) {
      if (!info.nhs.some((nh) => nh.dev === dev)) continue;
      let dead = 0;
      for (const nh of info.nhs) {
        if ((nh.flags & RTNH_F.DEAD) !== 0) dead++;
        else if (nh.dev === dev && nh.scope !== spared) {
          nh.flags |= event === 'CHANGE' ? RTNH_F.LINKDOWN : RTNH_F.DEAD | RTNH_F.LINKDOWN;
          dead++;
        }
        if (event === 'UNREGISTER' && nh.dev === dev) {
          dead = info.nhs.length;
          break;
        }
      }
      if (dead === info.nhs.length) {
        info.flags |= event === 'CHANGE' ? RTNH_F.LINKDOWN : RTNH_F.DEAD | RTNH_F.LINKDOWN;
        ret++;
      }
    }
    return ret;
  }

  fib_sync_up(dev: NetDevice, nhFlags: number): number {
    if ((dev.flags & IFF.UP) === 0) return 0;
    let clear = nhFlags;
    if ((clear & RTNH_F.DEAD) !== 0 && (this.kernel.net.dev_get_flags(dev) & (IFF.RUNNING | IFF.LOWER_UP)) !== 0) clear |= RTNH_F.LINKDOWN;
    let ret = 0;
    for (const info of ipv4Net(dev.net).fibInfos) {
      if (!info.nhs.some((nh) => nh.dev === dev)) continue;
      let alive = 0;
      for (const nh of info.nhs) {
        if ((nh.flags & clear) === 0) alive++;
        else if (nh.dev === dev && dev.ip_ptr !== undefined) {
          alive++;
          nh.flags &= ~clear;
        }
      }
      if (alive > 0) {
        info.flags &= ~clear;
        ret++;
      }
    }
    return ret;
  }

  /** Routes that prefer a source address which is gone die. */
  fib_sync_down_addr(net: Net, local: number): number {
    let ret = 0;
    for (const info of ipv4Net(net).fibInfos) {
      if (local === 0 || info.prefsrc !== local) continue;
      info.flags |= RTNH_F.DEAD;
      ret++;
    }
    return ret;
  }
}
