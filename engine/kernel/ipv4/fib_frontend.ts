// Tables, rules and the routes that the kernel makes for its addresses (Linux: net/ipv4/fib_frontend.c, fib_rules.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NetdevEvent } from '../netdev_events.ts';
import { inRange } from '../fib_rules.ts';
import { FIB_RULE, FR_ACT, NLM_F, RTN, RTNH_F, RTPROT, RT_SCOPE, RT_TABLE } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { IFA_F } from '../rtnl_records.ts';
import type { InDevice, InIfaddr } from './devinet.ts';
import { FibAlias, FibInfo, FibResult, FibTable, Flow4, plenMask, type FibRule } from './fib_table.ts';
import { FibSemantics, type FibConfig } from './fib_semantics.ts';
import { inDev, ipv4Net } from './ipv4_net.ts';

const defaultRule = (priority: number, table: number, flags: number): FibRule => ({
  priority,
  src: 0,
  src_len: 0,
  dst: 0,
  dst_len: 0,
  iifname: undefined,
  oifname: undefined,
  tos: 0,
  fwmark: 0,
  fwmask: 0,
  table,
  action: FR_ACT.TO_TBL,
  flags,
  target: 0,
  suppress_prefixlen: -1,
  protocol: RTPROT.KERNEL,
  ip_proto: 0,
  sport: undefined,
  dport: undefined,
  uid_range: undefined,
});

export class Fib {
  readonly semantics: FibSemantics;
  private readonly typeFlow = new Flow4();
  private readonly typeResult = new FibResult();

  constructor(readonly kernel: Kernel) {
    this.semantics = new FibSemantics(kernel);
  }

  ip_fib_net_init(net: Net): void {
    const n4 = ipv4Net(net);
    n4.rules.push(
      defaultRule(0, RT_TABLE.LOCAL, FIB_RULE.PERMANENT),
      defaultRule(0x7ffe, RT_TABLE.MAIN, 0),
      defaultRule(0x7fff, RT_TABLE.DEFAULT, 0),
    );
    this.fib_new_table(net, RT_TABLE.LOCAL);
    this.fib_new_table(net, RT_TABLE.MAIN);
  }

  fib_new_table(net: Net, id: number): FibTable {
    const { tables } = ipv4Net(net);
    const known = tables.get(id === 0 ? RT_TABLE.MAIN : id);
    if (known !== undefined) return known;
    const table = new FibTable(id === 0 ? RT_TABLE.MAIN : id);
    tables.set(table.tb_id, table);
    return table;
  }

  /** A table that was used before. */
  fib_get_table(net: Net, id: number): FibTable | undefined {
    return ipv4Net(net).tables.get(id === 0 ? RT_TABLE.MAIN : id);
  }

  /** 0, or -ENETUNREACH and the other errors of rules and routes. */
  fib_lookup(net: Net, flow: Flow4, result: FibResult, ignoreLinkstate = false): number {
    const n4 = ipv4Net(net);
    const { rules } = n4;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule.priority !== 0 && n4.customRules && !this.fib_rule_match(net, rule, flow)) continue;
      if (rule.action === FR_ACT.TO_TBL) {
        const table = n4.tables.get(rule.table);
        if (table === undefined) continue;
        const err = table.lookup(flow, result, ignoreLinkstate);
        if (err === 0 && rule.suppress_prefixlen >= 0 && result.prefixlen <= rule.suppress_prefixlen) continue;
        if (err !== -Errno.EAGAIN) return err;
      } else if (rule.action === FR_ACT.UNREACHABLE) return -Errno.ENETUNREACH;
      else if (rule.action === FR_ACT.PROHIBIT) return -Errno.EACCES;
      else if (rule.action === FR_ACT.BLACKHOLE) return -Errno.EINVAL;
      else if (rule.action === FR_ACT.GOTO) {
        const to = rules.findIndex((r) => r.priority >= rule.target);
        if (to > i) i = to - 1;
      }
    }
    return -Errno.ENETUNREACH;
  }

  fib_rule_match(net: Net, rule: FibRule, flow: Flow4): boolean {
    let match =
      ((flow.saddr ^ rule.src) & plenMask(rule.src_len)) === 0 &&
      ((flow.daddr ^ rule.dst) & plenMask(rule.dst_len)) === 0 &&
      (rule.tos === 0 || rule.tos === flow.tos) &&
      ((flow.mark ^ rule.fwmark) & rule.fwmask) === 0 &&
      (rule.ip_proto === 0 || rule.ip_proto === flow.proto) &&
      inRange(rule.sport, flow.sport) &&
      inRange(rule.dport, flow.dport) &&
      inRange(rule.uid_range, flow.uid);
    if (match && rule.iifname !== undefined) match = net.__dev_get_by_name(rule.iifname)?.ifindex === flow.iif;
    if (match && rule.oifname !== undefined) match = net.__dev_get_by_name(rule.oifname)?.ifindex === flow.oif;
    return (rule.flags & FIB_RULE.INVERT) !== 0 ? !match : match;
  }

  /** RTN_* of an address, by the local table. */
  inet_addr_type(net: Net, addr: number): number {
    return this.__inet_dev_addr_type(net, undefined, addr);
  }

  __inet_dev_addr_type(net: Net, dev: NetDevice | undefined, addr: number): number {
    if (addr === 0 || addr === 0xffffffff || addr >>> 24 === 0) return RTN.BROADCAST;
    if (addr >>> 28 === 0xe) return RTN.MULTICAST;
    const { typeFlow: flow, typeResult: result } = this;
    flow.daddr = addr;
    flow.scope = 0;
    const table = ipv4Net(net).tables.get(RT_TABLE.LOCAL);
    if (table === undefined) return RTN.BROADCAST;
    if (table.lookup(flow, result, true) !== 0) return RTN.UNICAST;
    return dev === undefined || dev === result.nh?.dev ? result.type : RTN.UNICAST;
  }

  fib_table_insert(net: Net, cfg: FibConfig): NlResult {
    const invalid = this.fib_valid_key_len(cfg);
    if (invalid !== undefined) return invalid;
    const made = this.semantics.fib_create_info(net, cfg);
    if (!(made instanceof FibInfo)) return made;
    const table = this.fib_new_table(net, cfg.table);
    const replaced = (cfg.nlflags & NLM_F.REPLACE) !== 0;
    const alias = new FibAlias(made, cfg.tos, cfg.type, cfg.dst_len);
    const err = table.insert(cfg.dst, alias, cfg.nlflags);
    if (err !== 0 || made.refcnt === 0) {
      this.semantics.fib_release_info(net, made);
      return { errno: err };
    }
    if (replaced) this.releaseUnused(net);
    this.rt_cache_flush(net);
    this.kernel.ipv4.rtnlRoute.rtmsg_fib(net, 'RTM_NEWROUTE', cfg.dst, alias, table.tb_id);
    return NL_OK;
  }

  private releaseUnused(net: Net): void {
    for (const info of ipv4Net(net).fibInfos.slice()) if (info.refcnt === 0) this.semantics.fib_release_info(net, info);
  }

  fib_valid_key_len(cfg: FibConfig): NlResult | undefined {
    if (cfg.dst_len > 32) return { errno: -Errno.EINVAL, extack: 'Invalid prefix length' };
    if ((cfg.dst & ~plenMask(cfg.dst_len)) >>> 0 !== 0) return { errno: -Errno.EINVAL, extack: 'Invalid prefix for given prefix length' };
    return undefined;
  }

  fib_table_delete(net: Net, cfg: FibConfig): NlResult {
    const invalid = this.fib_valid_key_len(cfg);
    if (invalid !== undefined) return invalid;
    const table = ipv4Net(net).tables.get(cfg.table === 0 ? RT_TABLE.MAIN : cfg.table);
    const leaf = table?.leaf(cfg.dst);
    if (table === undefined || leaf === undefined) return { errno: -Errno.ESRCH };
    for (let i = table.find(leaf, cfg.dst_len, cfg.tos, 0); i >= 0 && i < leaf.aliases.length; i++) {
      const alias = leaf.aliases[i];
      const { info } = alias;
      if (alias.plen !== cfg.dst_len || alias.tos !== cfg.tos) break;
      if (
        (cfg.type === 0 || alias.type === cfg.type) &&
        (cfg.scope === RT_SCOPE.NOWHERE || info.scope === cfg.scope) &&
        (cfg.prefsrc === 0 || info.prefsrc === cfg.prefsrc) &&
        (cfg.protocol === 0 || info.protocol === cfg.protocol) &&
        this.semantics.fib_nh_match(cfg, info)
      ) {
        this.kernel.ipv4.rtnlRoute.rtmsg_fib(net, 'RTM_DELROUTE', cfg.dst, alias, table.tb_id);
        table.remove(leaf, alias);
        this.semantics.fib_release_info(net, info);
        this.rt_cache_flush(net);
        return NL_OK;
      }
    }
    return { errno: -Errno.ESRCH };
  }

  fib_flush(net: Net): void {
    let flushed = 0;
    for (const table of ipv4Net(net).tables.values()) flushed += table.flush();
    this.releaseUnused(net);
    if (flushed > 0) this.rt_cache_flush(net);
  }

  rt_cache_flush(net: Net): void {
    ipv4Net(net).rtGenid++;
  }

  fib_magic(add: boolean, type: number, dst: number, dst_len: number, ifa: InIfaddr, priority: number): void {
    const { dev } = ifa.dev;
    const cfg: FibConfig = {
      dst,
      dst_len,
      type,
      priority,
      tos: 0,
      protocol: RTPROT.KERNEL,
      table: type === RTN.UNICAST ? RT_TABLE.MAIN : RT_TABLE.LOCAL,
      prefsrc: ifa.local,
      oif: dev.ifindex,
      gw: 0,
      flags: 0,
      nlflags: NLM_F.CREATE | NLM_F.APPEND,
      scope: type === RTN.LOCAL ? RT_SCOPE.HOST : RT_SCOPE.LINK,
      metrics: undefined,
      nhid: 0,
      multipath: undefined,
    };
    if (add) this.fib_table_insert(dev.net, cfg);
    else this.fib_table_delete(dev.net, cfg);
  }

  fib_add_ifaddr(ifa: InIfaddr): void {
    const { mask, local: addr } = ifa;
    const { dev } = ifa.dev;
    const prefix = (ifa.address & mask) >>> 0;
    const secondary = (ifa.flags & IFA_F.SECONDARY) !== 0;
    let prim: InIfaddr | undefined = ifa;
    if (secondary) {
      prim = ifa.dev.inet_ifa_byprefix(prefix, mask);
      if (prim === undefined) return;
    }
    this.fib_magic(true, RTN.LOCAL, addr, 32, prim, 0);
    if ((dev.flags & IFF.UP) === 0) return;
    if (ifa.broadcast !== 0 && ifa.broadcast !== 0xffffffff) this.addBroadcast(ifa.broadcast, prim);
    if (prefix >>> 24 !== 0 && !secondary && (prefix !== addr || ifa.prefixlen < 32)) {
      if ((ifa.flags & IFA_F.NOPREFIXROUTE) === 0)
        this.fib_magic(true, (dev.flags & IFF.LOOPBACK) !== 0 ? RTN.LOCAL : RTN.UNICAST, prefix, ifa.prefixlen, prim, ifa.rt_priority);
      if (ifa.prefixlen < 31) this.addBroadcast((prefix | ~mask) >>> 0, prim);
    }
  }

  /** The prefix route of an address gets another metric: first the new one, then the old one goes. */
  fib_modify_prefix_metric(ifa: InIfaddr, metric: number): void {
    const { dev } = ifa.dev;
    const prefix = (ifa.address & ifa.mask) >>> 0;
    const idle = (dev.flags & IFF.UP) === 0 || (ifa.flags & (IFA_F.SECONDARY | IFA_F.NOPREFIXROUTE)) !== 0;
    if (idle || prefix >>> 24 === 0 || (prefix === ifa.local && ifa.prefixlen === 32)) return;
    const type = (dev.flags & IFF.LOOPBACK) !== 0 ? RTN.LOCAL : RTN.UNICAST;
    this.fib_magic(true, type, prefix, ifa.prefixlen, ifa, metric);
    this.fib_magic(false, type, prefix, ifa.prefixlen, ifa, ifa.rt_priority);
  }

  private addBroadcast(addr: number, prim: InIfaddr): void {
    this.fib_magic(true, RTN.BROADCAST, addr, 32, prim, 0);
    this.kernel.ipv4.arp.arp_invalidate(prim.dev.dev, addr);
  }

  /** Removes what fib_add_ifaddr made, unless another address still needs it. */
  fib_del_ifaddr(ifa: InIfaddr): void {
    const { dev: idev, mask } = ifa;
    const net = idev.dev.net;
    const any = (ifa.address & mask) >>> 0;
    const brd = (any | ~mask) >>> 0;
    let prim: InIfaddr | undefined = ifa;
    let subnet = false;
    if ((ifa.flags & IFA_F.SECONDARY) === 0) {
      if (any !== ifa.local || ifa.prefixlen < 32) {
        if ((ifa.flags & IFA_F.NOPREFIXROUTE) === 0)
          this.fib_magic(false, (idev.dev.flags & IFF.LOOPBACK) !== 0 ? RTN.LOCAL : RTN.UNICAST, any, ifa.prefixlen, ifa, 0);
        subnet = true;
      }
    } else {
      prim = idev.inet_ifa_byprefix(any, mask);
      if (prim === undefined) return;
    }
    let localOk = false;
    let brdOk = false;
    let brd1Ok = false;
    if (!idev.dead) {
      for (const other of idev.ifa_list) {
        if (other === ifa) continue;
        const any1 = (other.address & other.mask) >>> 0;
        const brd1 = (any1 | ~other.mask) >>> 0;
        if (ifa.local === other.local) localOk = true;
        if (ifa.broadcast === other.broadcast || ifa.broadcast === brd1) brdOk = true;
        if (brd === other.broadcast || brd === brd1) brd1Ok = true;
      }
    }
    if (!brdOk && ifa.broadcast !== 0) this.fib_magic(false, RTN.BROADCAST, ifa.broadcast, 32, prim, 0);
    if (subnet && ifa.prefixlen < 31 && !brd1Ok && brd !== ifa.broadcast) this.fib_magic(false, RTN.BROADCAST, brd, 32, prim, 0);
    if (!localOk) {
      this.fib_magic(false, RTN.LOCAL, ifa.local, 32, prim, 0);
      if (this.inet_addr_type(net, ifa.local) !== RTN.LOCAL && this.semantics.fib_sync_down_addr(net, ifa.local) > 0) this.fib_flush(net);
    }
  }

  fib_disable_ip(dev: NetDevice, event: 'DOWN' | 'UNREGISTER', force: boolean): void {
    if (this.semantics.fib_sync_down_dev(dev, event, force) > 0) this.fib_flush(dev.net);
    else this.rt_cache_flush(dev.net);
    this.kernel.ipv4.arp.arp_ifdown(dev);
  }

  fib_inetaddr_event(up: boolean, ifa: InIfaddr): void {
    const { dev } = ifa.dev;
    if (up) {
      this.fib_add_ifaddr(ifa);
      this.semantics.fib_sync_up(dev, RTNH_F.DEAD);
      this.rt_cache_flush(dev.net);
    } else {
      this.fib_del_ifaddr(ifa);
      if (ifa.dev.ifa_list.length === 0) this.fib_disable_ip(dev, 'DOWN', true);
      else this.rt_cache_flush(dev.net);
    }
  }

  fib_netdev_event(event: NetdevEvent, dev: NetDevice): void {
    this.kernel.ipv4.nexthops.nh_netdev_event(event, dev);
    if (event === 'NETDEV_UNREGISTER') {
      this.fib_disable_ip(dev, 'UNREGISTER', true);
      return;
    }
    const idev: InDevice | undefined = inDev(dev);
    if (idev === undefined) return;
    switch (event) {
      case 'NETDEV_UP':
        for (const ifa of idev.ifa_list) this.fib_add_ifaddr(ifa);
        this.semantics.fib_sync_up(dev, RTNH_F.DEAD);
        this.rt_cache_flush(dev.net);
        break;
      case 'NETDEV_DOWN':
        this.fib_disable_ip(dev, 'DOWN', false);
        break;
      case 'NETDEV_CHANGE':
        if ((this.kernel.net.dev_get_flags(dev) & (IFF.RUNNING | IFF.LOWER_UP)) !== 0) this.semantics.fib_sync_up(dev, RTNH_F.LINKDOWN);
        else this.semantics.fib_sync_down_dev(dev, 'CHANGE', false);
        this.rt_cache_flush(dev.net);
        break;
      case 'NETDEV_CHANGEMTU':
        this.rt_cache_flush(dev.net);
        break;
      default:
        break;
    }
  }
}
