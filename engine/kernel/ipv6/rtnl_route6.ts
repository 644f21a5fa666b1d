// rtnetlink for IPv6 routes (Linux: net/ipv6/route.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import {
  AF,
  RTAX,
  RTM_F,
  RTN,
  RTNH_F,
  RTPROT,
  RT_SCOPE,
  RT_TABLE,
  type RouteGetRequest,
  type RouteInfo,
  type RouteRequest,
} from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { Flow6 } from './fib6_rules.ts';
import { Fib6Info, type Rt6 } from './ip6_fib.ts';
import { eq6, isAny6, isLinkLocal6, isMulticast6, maskPrefix, v6key } from './in6.ts';
import { in6Dev, ipv6Net } from './ipv6_net.ts';

const IP6_RT_PRIO_USER = 1024;

export class RtnlRoute6 {
  constructor(readonly kernel: Kernel) {}

  inet6_rtm_newroute(net: Net, req: RouteRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const made: NlResult[] = [];
    const hops = req.multipath ?? [undefined];
    for (const hop of hops) {
      const one = hop === undefined ? req : { ...req, oif: hop.ifindex, ...(hop.gateway === undefined ? {} : { gateway: hop.gateway }) };
      const rt = this.ip6_route_info_create(net, one);
      if (!(rt instanceof Fib6Info)) return rt;
      made.push({ errno: this.kernel.ipv6.fib.fib6_add(net, rt, req.nlflags) });
    }
    return made.find((m) => m.errno !== 0) ?? NL_OK;
  }

  private ip6_route_info_create(net: Net, req: RouteRequest): Fib6Info | NlResult {
    const fail = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });
    const dst = maskPrefix(req.dst ?? new Uint8Array(16), Math.min(req.dst_len, 128));
    if (req.dst_len > 128) return fail(Errno.EINVAL, 'Invalid prefix length');
    let dev: NetDevice | undefined = req.oif === undefined || req.oif === 0 ? undefined : net.__dev_get_by_index(req.oif);
    if (req.oif !== undefined && req.oif !== 0 && dev === undefined) return fail(Errno.ENODEV);
    const reject = req.type === RTN.UNREACHABLE || req.type === RTN.PROHIBIT || req.type === RTN.BLACKHOLE || req.type === RTN.THROW;
    if (reject) dev = net.loopback_dev;
    else if (req.gateway !== undefined) {
      const checked = this.ip6_validate_gw(net, req.gateway, dev, (req.flags & RTNH_F.ONLINK) !== 0);
      if ('errno' in checked) return checked;
      ({ dev } = checked);
    }
    if (dev === undefined) return fail(Errno.ENODEV);
    if (!reject && in6Dev(dev) === undefined) return fail(Errno.ENODEV);
    if (!reject && in6Dev(dev)?.cnf.disable_ipv6 === 1) return fail(Errno.EACCES, 'IPv6 is disabled on nexthop device');
    if (!reject && (dev.flags & IFF.UP) === 0) return fail(Errno.ENETDOWN, 'Nexthop device is not up');
    if (req.prefsrc !== undefined && !this.kernel.ipv6.addrconf.ipv6_chk_addr(net, req.prefsrc, undefined, 0))
      return fail(Errno.EINVAL, 'Invalid source address');
    const rt = new Fib6Info(dst.slice(), req.dst_len, dev);
    rt.table = req.table === 0 ? RT_TABLE.MAIN : req.table;
    rt.metric = req.priority === undefined || req.priority === 0 ? IP6_RT_PRIO_USER : req.priority;
    rt.type = req.type;
    rt.protocol = req.protocol === RTPROT.UNSPEC ? RTPROT.BOOT : req.protocol;
    rt.gateway = req.gateway?.slice();
    rt.prefsrc = req.prefsrc?.slice();
    rt.metrics = req.metrics;
    rt.pref = req.pref ?? 0;
    rt.flags = req.flags & RTNH_F.ONLINK;
    if (!reject && !this.kernel.net.link.netif_carrier_ok(dev)) rt.flags |= RTNH_F.LINKDOWN;
    if (req.expires !== undefined) rt.expires = this.kernel.now() + req.expires * 1e9;
    return rt;
  }

  private ip6_validate_gw(net: Net, gw: Uint8Array, dev: NetDevice | undefined, onlink: boolean): { dev: NetDevice } | NlResult {
    const { fib, addrconf } = this.kernel.ipv6;
    const fail = (errno: number, extack: string): NlResult => ({ errno: -errno, extack });
    if (addrconf.ipv6_chk_addr(net, gw, isLinkLocal6(gw) ? dev : undefined, 0))
      return fail(Errno.EINVAL, 'Gateway can not be a local address');
    if (isLinkLocal6(gw)) {
      if (dev === undefined) return fail(Errno.EINVAL, 'Egress device not specified');
      return { dev };
    }
    if (isMulticast6(gw) || isAny6(gw)) return fail(Errno.EINVAL, 'Invalid gateway address');
    if (onlink) return dev === undefined ? fail(Errno.EINVAL, 'Nexthop device required for onlink') : { dev };
    const rt = fib.fib6_lookup(net, gw, dev?.ifindex ?? 0, dev !== undefined);
    if (typeof rt === 'number') return { errno: -Errno.EHOSTUNREACH };
    if (rt.gateway !== undefined || rt.type !== RTN.UNICAST) return { errno: -Errno.EHOSTUNREACH };
    return { dev: rt.dev };
  }

  inet6_rtm_delroute(net: Net, req: RouteRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const table = ipv6Net(net).tables.get(req.table === 0 ? RT_TABLE.MAIN : req.table);
    if (table === undefined) return { errno: -Errno.ESRCH, extack: 'FIB table does not exist' };
    const dst = req.dst ?? new Uint8Array(16);
    const rt = table.find(
      (r) =>
        r.plen === req.dst_len &&
        eq6(r.dst, maskPrefix(dst, req.dst_len)) &&
        (req.oif === undefined || req.oif === 0 || r.dev.ifindex === req.oif) &&
        (req.gateway === undefined || (r.gateway !== undefined && eq6(r.gateway, req.gateway))) &&
        (req.priority === undefined || req.priority === 0 || r.metric === req.priority) &&
        (req.protocol === 0 || r.protocol === req.protocol) &&
        (req.type === 0 || req.type === RTN.UNICAST || r.type === req.type),
    );
    if (rt === undefined) return { errno: -Errno.ESRCH };
    return { errno: this.kernel.ipv6.fib.ip6_del_rt(net, rt) };
  }

  inet6_rtm_getroute(net: Net, req: RouteGetRequest): RouteInfo | NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { fib, addrconf } = this.kernel.ipv6;
    let rt: Rt6 | number;
    if (req.iif !== undefined && req.iif !== 0) {
      const dev = net.__dev_get_by_index(req.iif);
      if (dev === undefined) return { errno: -Errno.ENODEV };
      rt = fib.ip6_route_input(dev, req.dst, req.src, req.mark);
      if (rt.error !== 0) rt = rt.error;
    } else {
      const flow = Object.assign(new Flow6(), { saddr: req.src, mark: req.mark ?? 0, proto: req.ipproto ?? 0, uid: req.uid ?? 0 });
      flow.sport = req.sport ?? 0;
      flow.dport = req.dport ?? 0;
      rt = fib.ip6_route_output(net, req.dst, req.oif ?? 0, flow);
    }
    if (typeof rt === 'number') return { errno: rt };
    if (rt.from === undefined) return { errno: -Errno.ENETUNREACH };
    const info = this.rt6_fill_node(rt.from);
    if (req.fibmatch === true) return info;
    const source = rt.from.prefsrc ?? addrconf.ipv6_dev_get_saddr(net, rt.from.dev, req.dst);
    const learnt = ipv6Net(net).exceptions.get(v6key(req.dst));
    return {
      ...info,
      dst: req.dst,
      dst_len: 128,
      // the flow's source, unspecified when none was asked for
      src: req.src ?? new Uint8Array(16),
      src_len: 128,
      flags: learnt === undefined ? info.flags : info.flags | RTM_F.CLONED,
      ...(rt.local ? { nexthops: [{ ifindex: rt.dev.ifindex, flags: 0, weight: 1 }] } : {}),
      ...(source === undefined ? {} : { prefsrc: source }),
      ...(learnt === undefined ? {} : { metrics: new Map([...(rt.from.metrics ?? []), [RTAX.MTU, learnt.mtu]]) }),
      cacheinfo: {
        clntref: 0,
        lastuse: 0,
        expires: learnt === undefined ? 0 : Math.floor((learnt.expires - this.kernel.now()) / 1e7),
        error: 0,
        used: 0,
      },
    };
  }

  rt6_fill_node(rt: Fib6Info): RouteInfo {
    return {
      family: AF.INET6,
      ...(rt.plen === 0 ? {} : { dst: rt.dst }),
      dst_len: rt.plen,
      src_len: 0,
      tos: 0,
      table: rt.table,
      protocol: rt.protocol,
      scope: RT_SCOPE.UNIVERSE,
      type: rt.type,
      flags: rt.flags & (RTNH_F.LINKDOWN | RTNH_F.DEAD | RTNH_F.ONLINK),
      priority: rt.metric,
      pref: rt.pref,
      ...(rt.prefsrc === undefined ? {} : { prefsrc: rt.prefsrc }),
      nexthops: [
        {
          ifindex: rt.dev.ifindex,
          flags: rt.flags & (RTNH_F.LINKDOWN | RTNH_F.DEAD | RTNH_F.ONLINK),
          weight: 1,
          ...(rt.gateway === undefined ? {} : { gateway: rt.gateway }),
        },
      ],
      ...(rt.metrics === undefined ? {} : { metrics: rt.metrics }),
      cacheinfo: {
        clntref: 0,
        lastuse: 0,
        expires: rt.expires === 0 ? 0 : Math.floor((rt.expires - this.kernel.now()) / 1e7),
        error: 0,
        used: 0,
      },
    };
  }

  /** Main first, then local, then others, as Linux's hash of tables yields them. */
  inet6_dump_fib(net: Net, table = 0): RouteInfo[] {
    const { tables } = ipv6Net(net);
    const ids = table !== 0 ? [table] : [...tables.keys()].sort((a, b) => (a & 0xff) - (b & 0xff) || a - b);
    return ids.flatMap((id) => (tables.get(id) ?? []).map((rt) => this.rt6_fill_node(rt)));
  }
}
