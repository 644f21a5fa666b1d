// rtnetlink for IPv4 routes and rules (Linux: net/ipv4/fib_frontend.c, route.c, fib_rules.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import {
  AF,
  FIB_RULE,
  FR_ACT,
  NLM_F,
  RTAX,
  RTM_F,
  RTN,
  RTNH_F,
  RTPROT,
  RT_TABLE,
  type NexthopInfo,
  type RouteGetRequest,
  type RouteInfo,
  type RouteRequest,
  type RuleInfo,
} from '../rtnl_records.ts';
import { equalRange, sameRange, withUnresolved } from '../fib_rules.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { v4bytes, v4number } from './arp.ts';
import { FibResult, Flow4, plenMask, type FibAlias, type FibNh, type FibRule } from './fib_table.ts';
import type { FibConfig } from './fib_semantics.ts';
import { inDev, ipv4Net } from './ipv4_net.ts';
import { RT_IN, type Rtable } from './route.ts';

export class RtnlRoute {
  constructor(readonly kernel: Kernel) {}

  private rtm_to_fib_config(req: RouteRequest): FibConfig {
    const num = (b: Uint8Array | undefined): number => (b === undefined ? 0 : v4number(b));
    return {
      dst: num(req.dst),
      dst_len: req.dst_len,
      tos: req.tos,
      protocol: req.protocol,
      scope: req.scope,
      type: req.type,
      table: req.table,
      oif: req.oif ?? 0,
      gw: num(req.gateway),
      priority: req.priority ?? 0,
      prefsrc: num(req.prefsrc),
      flags: req.flags,
      nlflags: req.nlflags,
      metrics: req.metrics,
      nhid: req.nhid ?? 0,
      multipath: req.multipath?.map((m) => ({ ifindex: m.ifindex, gw: num(m.gateway), weight: m.weight, flags: m.flags })),
    };
  }

  inet_rtm_newroute(net: Net, req: RouteRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    return this.kernel.ipv4.fib.fib_table_insert(net, this.rtm_to_fib_config(req));
  }

  inet_rtm_delroute(net: Net, req: RouteRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const id = req.table === 0 ? RT_TABLE.MAIN : req.table;
    if (!ipv4Net(net).tables.has(id)) return { errno: -Errno.ESRCH, extack: 'FIB table does not exist' };
    return this.kernel.ipv4.fib.fib_table_delete(net, this.rtm_to_fib_config(req));
  }

  inet_rtm_getroute(net: Net, req: RouteGetRequest): RouteInfo | NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { route } = this.kernel.ipv4;
    const daddr = v4number(req.dst);
    const f = new Flow4();
    Object.assign(f, {
      daddr,
      saddr: req.src === undefined ? 0 : v4number(req.src),
      oif: req.oif ?? 0,
      tos: (req.tos ?? 0) & 0x1c,
      mark: req.mark ?? 0,
      proto: req.ipproto ?? 0,
      sport: req.sport ?? 0,
      dport: req.dport ?? 0,
      uid: req.uid ?? 0,
    });
    let rt: Rtable;
    if (req.iif !== undefined && req.iif !== 0) {
      const dev = net.__dev_get_by_index(req.iif);
      if (dev === undefined) return { errno: -Errno.ENODEV };
      const found = route.ip_route_input_noref(undefined, daddr, f.saddr, f.tos, dev);
      if (found === undefined) return { errno: route.err };
      if (found.input === RT_IN.ERROR) return { errno: -found.error };
      rt = found;
    } else {
      const found = route.ip_route_output_flow(net, f);
      if (typeof found === 'number') return { errno: found };
      rt = found;
    }
    if (req.fibmatch === true) return this.fibMatch(net, f);
    return this.rt_fill_info(rt, req, f, daddr);
  }

  private fibMatch(net: Net, f: Flow4): RouteInfo | NlResult {
    const res = new FibResult();
    const err = this.kernel.ipv4.fib.fib_lookup(net, f, res);
    if (err !== 0 || res.table === undefined) return { errno: err === 0 ? -Errno.EHOSTUNREACH : err };
    const leaf = res.table.leaf(res.prefix);
    const alias = leaf?.aliases.find((a) => a.info === res.info && a.plen === res.prefixlen);
    return alias === undefined ? { errno: -Errno.EHOSTUNREACH } : this.fib_dump_info(res.prefix, alias, res.table.tb_id);
  }

  private rt_fill_info(rt: Rtable, req: RouteGetRequest, f: Flow4, daddr: number): RouteInfo {
    const input = req.iif !== undefined && req.iif !== 0;
    const exception = input ? undefined : this.kernel.ipv4.route.exceptionOf(rt);
    const metrics = new Map(rt.info?.metrics);
    if (exception !== undefined && exception.pmtu !== 0) metrics.set(RTAX.MTU, exception.pmtu);
    const prefsrc = !input && f.saddr !== 0 && (req.src === undefined || f.saddr !== v4number(req.src)) ? f.saddr : 0;
    return {
      family: AF.INET,
      dst: v4bytes(daddr),
      dst_len: 32,
      ...(req.src === undefined ? {} : { src: req.src }),
      src_len: req.src === undefined ? 0 : 32,
      tos: f.tos,
      table: RT_TABLE.MAIN,
      protocol: RTPROT.UNSPEC,
      scope: 0,
      type: rt.rt_type,
      flags: (rt.rt_flags | RTM_F.CLONED) >>> 0,
      ...(prefsrc === 0 ? {} : { prefsrc: v4bytes(prefsrc) }),
      nexthops: [{ ifindex: rt.dev.ifindex, flags: 0, weight: 1, ...(rt.rt_gw4 === 0 ? {} : { gateway: v4bytes(rt.rt_gw4) }) }],
      ...(metrics.size === 0 ? {} : { metrics }),
      ...(input ? { iif: req.iif as number } : {}),
      ...(req.mark === undefined ? {} : { mark: req.mark }),
      ...(req.uid !== undefined || !input ? { uid: req.uid ?? 0 } : {}),
      cacheinfo: {
        clntref: 1,
        lastuse: 0,
        used: 0,
        error: 0,
        expires: exception === undefined ? 0 : Math.floor((exception.expires - this.kernel.now()) / 1e7),
      },
    };
  }

  private nexthop(nh: FibNh): NexthopInfo {
    let flags = nh.flags & (RTNH_F.ONLINK | RTNH_F.DEAD | RTNH_F.LINKDOWN);
    if ((flags & RTNH_F.LINKDOWN) !== 0 && nh.dev !== undefined && inDev(nh.dev)?.cnf.ignore_routes_with_linkdown === 1)
      flags |= RTNH_F.DEAD;
    return { ifindex: nh.oif, flags, weight: nh.weight, ...(nh.gw === 0 ? {} : { gateway: v4bytes(nh.gw) }) };
  }

  fib_dump_info(dst: number, alias: FibAlias, table: number): RouteInfo {
    const { info } = alias;
    const nexthops = info.nhs.map((nh) => this.nexthop(nh));
    return {
      family: AF.INET,
      ...(alias.plen === 0 ? {} : { dst: v4bytes(dst) }),
      dst_len: alias.plen,
      src_len: 0,
      tos: alias.tos,
      table,
      protocol: info.protocol,
      scope: info.scope,
      type: info.nhid !== 0 && nexthops.length === 0 ? RTN.BLACKHOLE : alias.type,
      ...(info.nhid === 0 ? {} : { nhid: info.nhid }),
      flags: nexthops.length === 1 ? nexthops[0].flags : 0,
      ...(info.priority === 0 ? {} : { priority: info.priority }),
      ...(info.prefsrc === 0 ? {} : { prefsrc: v4bytes(info.prefsrc) }),
      nexthops,
      ...(info.metrics === undefined ? {} : { metrics: info.metrics }),
    };
  }

  rtmsg_fib(net: Net, type: 'RTM_NEWROUTE' | 'RTM_DELROUTE', dst: number, alias: FibAlias, table: number): void {
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'ipv4-route')) rtnl.notify(net, 'ipv4-route', { type, info: this.fib_dump_info(dst, alias, table) });
  }

  /** Routes in dump order; of one table, or of all when `table` is 0. */
  inet_dump_fib(net: Net, table = 0): RouteInfo[] {
    const out: RouteInfo[] = [];
    const { tables } = ipv4Net(net);
    const ids = table !== 0 ? [table] : [...tables.keys()].sort((a, b) => (a & 0xff) - (b & 0xff) || a - b);
    for (const id of ids) {
      const t = tables.get(id);
      if (t === undefined) continue;
      for (const leaf of t.leaves) for (const alias of leaf.aliases) out.push(this.fib_dump_info(leaf.key, alias, id));
    }
    return out;
  }

  /** Cached exceptions (`ip route show cache`). */
  dumpRouteCache(net: Net): RouteInfo[] {
    const out: RouteInfo[] = [];
    for (const info of ipv4Net(net).fibInfos) {
      for (const nh of info.nhs) {
        if (nh.exceptions === undefined) continue;
        for (const daddr of nh.exceptions.keys()) {
          const got = this.inet_rtm_getroute(net, { family: AF.INET, dst: v4bytes(daddr) });
          if (!('errno' in got) && got.metrics !== undefined) {
            const { uid: _uid, prefsrc: _src, ...shown } = got;
            out.push(shown);
          }
        }
      }
    }
    return out;
  }

  /** `ip route flush cache` */
  flushRouteCache(net: Net): void {
    for (const info of ipv4Net(net).fibInfos) for (const nh of info.nhs) nh.exceptions = undefined;
    this.kernel.ipv4.fib.rt_cache_flush(net);
  }

  private toRule(req: RuleInfo, priority: number): FibRule {
    return {
      priority,
      src: req.src === undefined ? 0 : v4number(req.src),
      src_len: req.src_len,
      dst: req.dst === undefined ? 0 : v4number(req.dst),
      dst_len: req.dst_len,
      iifname: req.iifname,
      oifname: req.oifname,
      tos: req.tos,
      fwmark: req.fwmark ?? 0,
      fwmask: req.fwmask ?? (req.fwmark === undefined ? 0 : 0xffffffff),
      table: req.table,
      action: req.action,
      flags: req.flags,
      target: req.target ?? 0,
      suppress_prefixlen: req.suppress_prefixlen ?? -1,
      protocol: req.protocol,
      ip_proto: req.ip_proto ?? 0,
      sport: req.sport,
      dport: req.dport,
      uid_range: req.uid_range,
    };
  }

  fib_nl_newrule(net: Net, req: RuleInfo, nlflags: number): NlResult {
    const n4 = ipv4Net(net);
    if (req.src_len > 32 || req.dst_len > 32) return { errno: -Errno.EINVAL };
    if (req.action === FR_ACT.GOTO && (req.target ?? 0) <= (req.priority ?? 0))
      return { errno: -Errno.EINVAL, extack: 'Backward goto not supported' };
    const table = req.action === FR_ACT.TO_TBL && req.table === 0 ? this.kernel.ipv4.fib.fib_new_table(net, 1).tb_id : req.table;
    // without a priority, just before the first rule that is not the local one
    const second = n4.rules.at(1)?.priority ?? 0;
    const rule = { ...this.toRule(req, req.priority ?? (second > 0 ? second - 1 : 0)), table };
    if ((nlflags & NLM_F.EXCL) !== 0 && n4.rules.some((r) => sameRule(r, rule))) return { errno: -Errno.EEXIST };
    let at = n4.rules.findIndex((r) => r.priority > rule.priority);
    if (at < 0) at = n4.rules.length;
    n4.rules.splice(at, 0, rule);
    n4.customRules = true;
    this.kernel.ipv4.fib.rt_cache_flush(net);
    this.notify_rule_change(net, 'RTM_NEWRULE', rule);
    return NL_OK;
  }

  fib_nl_delrule(net: Net, req: RuleInfo): NlResult {
    const n4 = ipv4Net(net);
    const want = this.toRule(req, req.priority ?? 0);
    const at = n4.rules.findIndex(
      (r) =>
        (req.priority === undefined || r.priority === req.priority) &&
        (req.action === 0 || r.action === req.action) &&
        (req.table === 0 || r.table === req.table) &&
        (req.fwmark === undefined || r.fwmark === want.fwmark) &&
        (req.iifname === undefined || r.iifname === req.iifname) &&
        (req.oifname === undefined || r.oifname === req.oifname) &&
        (req.protocol === 0 || r.protocol === req.protocol) &&
        (req.src_len === 0 || (r.src_len === req.src_len && ((r.src ^ want.src) & plenMask(req.src_len)) === 0)) &&
        (req.dst_len === 0 || (r.dst_len === req.dst_len && ((r.dst ^ want.dst) & plenMask(req.dst_len)) === 0)) &&
        (req.tos === 0 || r.tos === req.tos) &&
        (req.ip_proto === undefined || r.ip_proto === req.ip_proto) &&
        sameRange(req.sport, r.sport) &&
        sameRange(req.dport, r.dport) &&
        sameRange(req.uid_range, r.uid_range) &&
        (req.suppress_prefixlen === undefined || r.suppress_prefixlen === req.suppress_prefixlen),
    );
    if (at < 0) return { errno: -Errno.ENOENT };
    if ((n4.rules[at].flags & FIB_RULE.PERMANENT) !== 0) return { errno: -Errno.EPERM };
    const [gone] = n4.rules.splice(at, 1);
    n4.customRules = true;
    this.kernel.ipv4.fib.rt_cache_flush(net);
    this.notify_rule_change(net, 'RTM_DELRULE', gone);
    return NL_OK;
  }

  private notify_rule_change(net: Net, type: 'RTM_NEWRULE' | 'RTM_DELRULE', rule: FibRule): void {
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'ipv4-rule')) rtnl.notify(net, 'ipv4-rule', { type, info: this.fillRule(rule) });
  }

  private fillRule(r: FibRule): RuleInfo {
    return {
      family: AF.INET,
      priority: r.priority,
      ...(r.src_len === 0 ? {} : { src: v4bytes(r.src) }),
      src_len: r.src_len,
      ...(r.dst_len === 0 ? {} : { dst: v4bytes(r.dst) }),
      dst_len: r.dst_len,
      ...(r.iifname === undefined ? {} : { iifname: r.iifname }),
      ...(r.oifname === undefined ? {} : { oifname: r.oifname }),
      tos: r.tos,
      ...(r.fwmark === 0 && r.fwmask === 0 ? {} : { fwmark: r.fwmark, fwmask: r.fwmask }),
      table: r.table,
      action: r.action,
      flags: r.flags,
      ...(r.target === 0 ? {} : { target: r.target }),
      ...(r.suppress_prefixlen < 0 ? {} : { suppress_prefixlen: r.suppress_prefixlen }),
      protocol: r.protocol,
      ...(r.ip_proto === 0 ? {} : { ip_proto: r.ip_proto }),
      ...(r.sport === undefined ? {} : { sport: r.sport }),
      ...(r.dport === undefined ? {} : { dport: r.dport }),
      ...(r.uid_range === undefined ? {} : { uid_range: r.uid_range }),
    };
  }

  fib_nl_dumprule(net: Net): RuleInfo[] {
    const { rules } = ipv4Net(net);
    return rules.map((r) => withUnresolved(net, this.fillRule(r), rules));
  }
}

const isRangeKey = (key: keyof FibRule): key is 'sport' | 'dport' | 'uid_range' =>
  key === 'sport' || key === 'dport' || key === 'uid_range';

function sameRule(a: FibRule, b: FibRule): boolean {
  return (Object.keys(a) as (keyof FibRule)[]).every(
    (k) => k === 'protocol' || k === 'flags' || a[k] === b[k] || (isRangeKey(k) && equalRange(a[k], b[k])),
  );
}
