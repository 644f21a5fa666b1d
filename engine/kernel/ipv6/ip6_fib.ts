// IPv6 routes: tables, look-up, and the route of a packet (Linux: net/ipv6/ip6_fib.c, route.c).
import { Errno } from '../../base/errno.ts';
import type { Neighbour } from '../ipv4/neigh_table.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { FR_ACT, NLM_F, RTAX, RTN, RTNH_F, RTPROT, RT_TABLE } from '../rtnl_records.ts';
import { Flow6 } from './fib6_rules.ts';
import { commonPrefix, isMulticast6, needStrict6, prefixMatches, v6key } from './in6.ts';
import { in6Dev, ipv6Net, type Inet6Ifaddr } from './ipv6_net.ts';

/** One route (Linux: struct fib6_info with its one nexthop). */
export class Fib6Info {
  table: number = RT_TABLE.MAIN;
  metric = 1024;
  type: number = RTN.UNICAST;
  protocol: number = RTPROT.BOOT;
  flags = 0;
  gateway: Uint8Array | undefined;
  prefsrc: Uint8Array | undefined;
  metrics: Map<number, number> | undefined;
  pref = 0;
  /** ns, 0: never */
  expires = 0;
  constructor(
    readonly dst: Uint8Array,
    readonly plen: number,
    readonly dev: NetDevice,
  ) {}
}

export const RT6_IN = { NONE: 0, INPUT: 1, MC_INPUT: 2, FORWARD: 3, DISCARD: 4 } as const;

/** A route in use (Linux: struct rt6_info). */
export class Rt6 {
  input: number = RT6_IN.NONE;
  /** Negative errno of what discards. */
  error = 0;
  local = false;
  neigh: Neighbour | undefined;
  constructor(
    readonly dev: NetDevice,
    readonly from: Fib6Info | undefined,
    readonly daddr: Uint8Array,
    readonly genid: number,
  ) {}
}

/** More specific before what contains it, else by bits (Linux: fib6_walk_continue's order). */
function compareRoutes(a: Fib6Info, b: Fib6Info): number {
  const bits = Math.min(a.plen, b.plen);
  const common = commonPrefix(a.dst, b.dst);
  if (common >= bits) return b.plen - a.plen;
  return a.dst[common >> 3] - b.dst[common >> 3];
}

const errorOf = (type: number): number =>
  type === RTN.BLACKHOLE
    ? -Errno.EINVAL
    : type === RTN.PROHIBIT
      ? -Errno.EACCES
      : type === RTN.THROW
        ? -Errno.EAGAIN
        : type === RTN.UNREACHABLE
          ? -Errno.EHOSTUNREACH
          : 0;

export class Fib6 {
  static readonly inlined: readonly string[] = ['ip6_mtu'];
  private readonly noFlow = new Flow6();
  private readonly inFlow = new Flow6();
  constructor(readonly kernel: Kernel) {}

  fib6_new_table(net: Net, id: number): Fib6Info[] {
    const { tables } = ipv6Net(net);
    let t = tables.get(id);
    if (t === undefined) tables.set(id, (t = []));
    return t;
  }

  /** A table that was used before; main and local always are. */
  fib6_get_table(net: Net, id: number): Fib6Info[] | undefined {
    return id === RT_TABLE.MAIN || id === RT_TABLE.LOCAL ? this.fib6_new_table(net, id) : ipv6Net(net).tables.get(id);
  }

  /** 0, -EEXIST, -ENOENT. */
  fib6_add(net: Net, rt: Fib6Info, nlflags: number): number {
    const table = this.fib6_new_table(net, rt.table);
    const same = table.filter((r) => r.plen === rt.plen && commonPrefix(r.dst, rt.dst) >= rt.plen);
    const twin = same.find((r) => r.metric === rt.metric && r.dev === rt.dev && sameGateway(r, rt));
    if ((nlflags & NLM_F.REPLACE) !== 0) {
      const old = same.find((r) => r.metric === rt.metric);
      if (old !== undefined) {
        table[table.indexOf(old)] = rt;
        this.flushed(net, 'RTM_NEWROUTE', rt);
        return 0;
      }
      if ((nlflags & NLM_F.CREATE) === 0) return -Errno.ENOENT;
    } else if (twin !== undefined) {
      if (rt.expires === 0 || twin.expires === 0) twin.expires = rt.expires;
      return -Errno.EEXIST;
    } else if ((nlflags & NLM_F.EXCL) !== 0 && same.some((r) => r.metric === rt.metric)) return -Errno.EEXIST;
    let at = table.findIndex((r) => {
      const order = compareRoutes(r, rt);
      return order > 0 || (order === 0 && r.metric > rt.metric);
    });
    if (at < 0) at = table.length;
    table.splice(at, 0, rt);
    this.flushed(net, 'RTM_NEWROUTE', rt);
    return 0;
  }

  private flushed(net: Net, type: 'RTM_NEWROUTE' | 'RTM_DELROUTE', rt: Fib6Info): void {
    ipv6Net(net).genid++;
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'ipv6-route')) rtnl.notify(net, 'ipv6-route', { type, info: this.kernel.ipv6.rtnlRoute.rt6_fill_node(rt) });
  }

  ip6_ins_rt(net: Net, rt: Fib6Info): number {
    const own = rt.type === RTN.LOCAL || rt.type === RTN.ANYCAST;
    if (!own && !this.kernel.net.link.netif_carrier_ok(rt.dev)) rt.flags |= RTNH_F.LINKDOWN;
    return this.fib6_add(net, rt, NLM_F.CREATE | NLM_F.APPEND);
  }

  ip6_del_rt(net: Net, rt: Fib6Info): number {
    const table = ipv6Net(net).tables.get(rt.table);
    const at = table?.indexOf(rt) ?? -1;
    if (table === undefined || at < 0) return -Errno.ENOENT;
    table.splice(at, 1);
    this.flushed(net, 'RTM_DELROUTE', rt);
    return 0;
  }

  /** The host route of an own address (Linux: addrconf_f6i_alloc()). */
  addrconf_f6i_alloc(ifp: Inet6Ifaddr): Fib6Info {
    const rt = new Fib6Info(ifp.addr, 128, ifp.idev.dev);
    rt.table = RT_TABLE.LOCAL;
    rt.type = RTN.LOCAL;
    rt.metric = 0;
    rt.protocol = RTPROT.KERNEL;
    return rt;
  }

  /** The link of a device was lost or came back: next hops are marked, and gone when the device is down. */
  rt6_sync_down_dev(dev: NetDevice): void {
    for (const table of ipv6Net(dev.net).tables.values())
      for (const rt of table) if (rt.dev === dev && rt.type !== RTN.LOCAL) rt.flags |= RTNH_F.LINKDOWN;
    ipv6Net(dev.net).genid++;
  }
  rt6_sync_up(dev: NetDevice): void {
    if ((this.kernel.net.dev_get_flags(dev) & (IFF.RUNNING | IFF.LOWER_UP)) === 0) return;
    for (const table of ipv6Net(dev.net).tables.values())
      for (const rt of table) if (rt.dev === dev) rt.flags &= ~(RTNH_F.LINKDOWN | RTNH_F.DEAD);
    ipv6Net(dev.net).genid++;
  }

  /** A device goes down: its routes go. */
  rt6_disable_ip(dev: NetDevice): void {
    for (const table of ipv6Net(dev.net).tables.values()) for (const rt of table.filter((r) => r.dev === dev)) this.ip6_del_rt(dev.net, rt);
  }

  /** The best route of one table, or undefined. */
  fib6_table_lookup(net: Net, id: number, daddr: Uint8Array, oif: number, strict: boolean): Fib6Info | undefined {
    const table = ipv6Net(net).tables.get(id);
    if (table === undefined) return undefined;
    let best: Fib6Info | undefined;
    const now = this.kernel.now();
    for (const rt of table) {
      if (best !== undefined && rt.plen < best.plen) continue;
      if (!prefixMatches(daddr, rt.dst, rt.plen) || (rt.expires !== 0 && rt.expires < now)) continue;
      if (oif !== 0 && rt.dev.ifindex !== oif && (strict || rt.type !== RTN.LOCAL)) continue;
      if ((rt.flags & RTNH_F.DEAD) !== 0) continue;
      if ((rt.flags & RTNH_F.LINKDOWN) !== 0 && in6Dev(rt.dev)?.cnf.ignore_routes_with_linkdown === 1) continue;
      if (best === undefined || rt.plen > best.plen || rt.metric < best.metric) best = rt;
      else if (rt.metric === best.metric && oif !== 0 && rt.dev.ifindex === oif && best.dev.ifindex !== oif) best = rt;
    }
    return best;
  }

  /** By the rules in their order. A route or -errno. */
  fib6_lookup(net: Net, daddr: Uint8Array, oif: number, strict: boolean, flow?: Flow6): Fib6Info | number {
    const { rules, customRules } = ipv6Net(net);
    const asked = flow ?? this.noFlow;
    asked.oif = oif;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule.priority !== 0 && customRules && !this.kernel.ipv6.rules.fib6_rule_match(net, rule, daddr, asked)) continue;
      if (rule.action === FR_ACT.TO_TBL) {
        const rt = this.fib6_table_lookup(net, rule.table, daddr, oif, strict);
        if (rt === undefined || rt.plen <= (rule.suppress_prefixlen ?? -1)) continue;
        const err = errorOf(rt.type);
        if (err === -Errno.EAGAIN) continue;
        return err !== 0 ? err : rt;
      }
      if (rule.action === FR_ACT.UNREACHABLE) return -Errno.ENETUNREACH;
      if (rule.action === FR_ACT.PROHIBIT) return -Errno.EACCES;
      if (rule.action === FR_ACT.BLACKHOLE) return -Errno.EINVAL;
      if (rule.action === FR_ACT.GOTO) {
        const to = rules.findIndex((r) => (r.priority ?? 0) >= (rule.target ?? 0));
        if (to > i) i = to - 1;
      }
    }
    return -Errno.ENETUNREACH;
  }

  /** The route of an outgoing packet, or -errno. */
  ip6_route_output(net: Net, daddr: Uint8Array, oif: number, flow?: Flow6): Rt6 | number {
    const n6 = ipv6Net(net);
    if (n6.customRules) {
      const chosen = this.fib6_lookup(net, daddr, oif, oif !== 0, flow);
      return typeof chosen === 'number' ? chosen : this.makeRt(net, chosen, daddr);
    }
    if (n6.cacheGenid !== n6.genid) {
      n6.cache.clear();
      n6.cacheGenid = n6.genid;
    }
    const key = `${v6key(daddr)}${oif}`;
    const hit = n6.cache.get(key);
    if (hit !== undefined) return hit;
    const strict = oif !== 0;
    const from = this.fib6_lookup(net, daddr, oif, strict);
    if (typeof from === 'number') return from;
    const rt = this.makeRt(net, from, daddr);
    if (n6.cache.size > 1024) n6.cache.clear();
    n6.cache.set(key, rt);
    return rt;
  }

  private makeRt(net: Net, from: Fib6Info, daddr: Uint8Array): Rt6 {
    const local = from.type === RTN.LOCAL || from.type === RTN.ANYCAST;
    const rt = new Rt6(local ? net.loopback_dev : from.dev, from, daddr.slice(), ipv6Net(net).genid);
    rt.local = local;
    if (local) rt.input = RT6_IN.INPUT;
    else if (isMulticast6(daddr)) rt.input = RT6_IN.MC_INPUT;
    return rt;
  }

  /** The route of a packet that came in through `dev`; never fails: what has none is discarded with `error`. */
  ip6_route_input(dev: NetDevice, daddr: Uint8Array, saddr?: Uint8Array, mark = 0): Rt6 {
    const { net } = dev;
    const flow = this.inFlow;
    flow.saddr = saddr;
    flow.iif = dev.ifindex;
    flow.mark = mark;
    const from = this.fib6_lookup(net, daddr, needStrict6(daddr) ? dev.ifindex : 0, needStrict6(daddr), flow);
    if (typeof from === 'number') {
      const none = new Rt6(net.loopback_dev, undefined, daddr.slice(), ipv6Net(net).genid);
      none.input = RT6_IN.DISCARD;
      none.error = from;
      return none;
    }
    const rt = this.makeRt(net, from, daddr);
    if (rt.input === RT6_IN.NONE) rt.input = RT6_IN.FORWARD;
    return rt;
  }

  ip6_mtu(rt: Rt6): number {
    const n6 = ipv6Net(rt.dev.net);
    if (n6.exceptions.size > 0) {
      const e = n6.exceptions.get(v6key(rt.daddr));
      if (e !== undefined && this.kernel.now() < e.expires) return e.mtu;
    }
    return rt.from?.metrics?.get(RTAX.MTU) ?? in6Dev(rt.dev)?.cnf.mtu ?? rt.dev.mtu;
  }

  rememberMtu(net: Net, daddr: Uint8Array, mtu: number): void {
    ipv6Net(net).exceptions.set(v6key(daddr), { mtu: Math.max(mtu, 1280), expires: this.kernel.now() + 600e9 });
  }
}

function sameGateway(a: Fib6Info, b: Fib6Info): boolean {
  if (a.gateway === undefined || b.gateway === undefined) return a.gateway === b.gateway;
  return commonPrefix(a.gateway, b.gateway) === 128;
}
