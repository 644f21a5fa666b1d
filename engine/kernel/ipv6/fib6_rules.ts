// Policy rules of IPv6: matching a flow, changing and dumping (Linux: net/ipv6/fib6_rules.c, net/core/fib_rules.c).
import { Errno } from '../../base/errno.ts';
import { defaultRulePriority, equalRange, inRange, sameRange, withUnresolved } from '../fib_rules.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { AF, FIB_RULE, FR_ACT, NLM_F, RTPROT, RT_TABLE, type RuleInfo } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { eq6, IN6_ANY, prefixMatches } from './in6.ts';
import { ipv6Net } from './ipv6_net.ts';

/** What rules look at beside the destination (Linux: struct flowi6). */
export class Flow6 {
  saddr: Uint8Array | undefined;
  oif = 0;
  iif = 0;
  tos = 0;
  mark = 0;
  proto = 0;
  sport = 0;
  dport = 0;
  uid = 0;
}

const defaultRule = (priority: number, table: number, flags: number): RuleInfo => ({
  family: AF.INET6,
  priority,
  src_len: 0,
  dst_len: 0,
  tos: 0,
  table,
  action: FR_ACT.TO_TBL,
  flags,
  protocol: RTPROT.KERNEL,
});

export class Fib6Rules {
  constructor(readonly kernel: Kernel) {}

  fib6_rules_net_init(net: Net): void {
    ipv6Net(net).rules.push(defaultRule(0, RT_TABLE.LOCAL, FIB_RULE.PERMANENT), defaultRule(0x7ffe, RT_TABLE.MAIN, 0));
  }

  fib6_rule_match(net: Net, rule: RuleInfo, daddr: Uint8Array, flow: Flow6): boolean {
    const mask = rule.fwmask ?? (rule.fwmark === undefined ? 0 : 0xffffffff);
    const match =
      (rule.dst === undefined || prefixMatches(daddr, rule.dst, rule.dst_len)) &&
      (rule.src === undefined || prefixMatches(flow.saddr ?? IN6_ANY, rule.src, rule.src_len)) &&
      (rule.tos === 0 || rule.tos === flow.tos) &&
      ((flow.mark ^ (rule.fwmark ?? 0)) & mask) === 0 &&
      (rule.ip_proto === undefined || rule.ip_proto === flow.proto) &&
      inRange(rule.sport, flow.sport) &&
      inRange(rule.dport, flow.dport) &&
      inRange(rule.uid_range, flow.uid) &&
      (rule.iifname === undefined || net.__dev_get_by_name(rule.iifname)?.ifindex === flow.iif) &&
      (rule.oifname === undefined || net.__dev_get_by_name(rule.oifname)?.ifindex === flow.oif);
    return (rule.flags & FIB_RULE.INVERT) !== 0 ? !match : match;
  }

  fib_nl_newrule(net: Net, req: RuleInfo, nlflags: number): NlResult {
    const n6 = ipv6Net(net);
    const { rules } = n6;
    const priority = req.priority ?? defaultRulePriority(rules);
    if (req.src_len > 128 || req.dst_len > 128) return { errno: -Errno.EINVAL };
    if (req.action === FR_ACT.GOTO && (req.target ?? 0) <= priority) return { errno: -Errno.EINVAL, extack: 'Backward goto not supported' };
    if (req.action === FR_ACT.TO_TBL && req.table === RT_TABLE.UNSPEC) return { errno: -Errno.EINVAL, extack: 'Invalid table' };
    const rule: RuleInfo = { ...req, priority };
    if ((nlflags & NLM_F.EXCL) !== 0 && rules.some((r) => sameRule(r, rule))) return { errno: -Errno.EEXIST };
    if (req.action === FR_ACT.TO_TBL) this.kernel.ipv6.fib.fib6_new_table(net, req.table);
    const at = rules.findIndex((r) => (r.priority ?? 0) > priority);
    rules.splice(at < 0 ? rules.length : at, 0, rule);
    this.changed(net, 'RTM_NEWRULE', rule);
    return NL_OK;
  }

  fib_nl_delrule(net: Net, req: RuleInfo): NlResult {
    const { rules } = ipv6Net(net);
    const at = rules.findIndex(
      (r) =>
        (req.priority === undefined || r.priority === req.priority) &&
        (req.action === 0 || r.action === req.action) &&
        (req.table === 0 || r.table === req.table) &&
        (req.fwmark === undefined || r.fwmark === req.fwmark) &&
        (req.iifname === undefined || r.iifname === req.iifname) &&
        (req.oifname === undefined || r.oifname === req.oifname) &&
        (req.protocol === 0 || r.protocol === req.protocol) &&
        (req.src === undefined || sameEnd(r.src, r.src_len, req.src, req.src_len)) &&
        (req.dst === undefined || sameEnd(r.dst, r.dst_len, req.dst, req.dst_len)) &&
        (req.tos === 0 || r.tos === req.tos) &&
        (req.ip_proto === undefined || r.ip_proto === req.ip_proto) &&
        sameRange(req.sport, r.sport) &&
        sameRange(req.dport, r.dport) &&
        sameRange(req.uid_range, r.uid_range) &&
        (req.suppress_prefixlen === undefined || r.suppress_prefixlen === req.suppress_prefixlen),
    );
    if (at < 0) return { errno: -Errno.ENOENT };
    if ((rules[at].flags & FIB_RULE.PERMANENT) !== 0) return { errno: -Errno.EPERM };
    const [gone] = rules.splice(at, 1);
    this.changed(net, 'RTM_DELRULE', gone);
    return NL_OK;
  }

  private changed(net: Net, type: 'RTM_NEWRULE' | 'RTM_DELRULE', rule: RuleInfo): void {
    const n6 = ipv6Net(net);
    n6.customRules = true;
    n6.genid++;
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'ipv6-rule')) rtnl.notify(net, 'ipv6-rule', { type, info: { ...rule } });
  }

  fib_nl_dumprule(net: Net): RuleInfo[] {
    const { rules } = ipv6Net(net);
    return rules.map((r) => withUnresolved(net, r, rules));
  }
}

const sameEnd = (a: Uint8Array | undefined, alen: number, b: Uint8Array | undefined, blen: number): boolean =>
  alen === blen && (a === undefined || b === undefined ? a === b : eq6(a, b));

function sameRule(a: RuleInfo, b: RuleInfo): boolean {
  return (
    a.priority === b.priority &&
    a.action === b.action &&
    a.table === b.table &&
    a.fwmark === b.fwmark &&
    a.fwmask === b.fwmask &&
    a.iifname === b.iifname &&
    a.oifname === b.oifname &&
    a.tos === b.tos &&
    (a.target ?? 0) === (b.target ?? 0) &&
    a.ip_proto === b.ip_proto &&
    (a.suppress_prefixlen ?? -1) === (b.suppress_prefixlen ?? -1) &&
    sameEnd(a.src, a.src_len, b.src, b.src_len) &&
    sameEnd(a.dst, a.dst_len, b.dst, b.dst_len) &&
    equalRange(a.sport, b.sport) &&
    equalRange(a.dport, b.dport) &&
    equalRange(a.uid_range, b.uid_range)
  );
}
