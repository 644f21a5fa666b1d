// Choosing routes for packets going out and coming in, and what is learnt about them (Linux: net/ipv4/route.c).
import { Errno } from '../../base/errno.ts';
import { ETH_P, ICMP, ICMP_UNREACH, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { RTAX, RTCF, RTN, RT_SCOPE } from '../rtnl_records.ts';
import type { SkBuff } from '../skbuff.ts';
import { skb_network_header } from '../skb_inline.ts';
import { FibResult, Flow4, type FibException, type FibInfo, type FibNh } from './fib_table.ts';
import { inDev, ipv4Net, type Ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';
import type { Neighbour } from './neigh_table.ts';

/** What receives a packet that has the route, and what sends it. */
export const RT_IN = { NONE: 0, LOCAL_DELIVER: 1, FORWARD: 2, ERROR: 3 } as const;
export const RT_OUT = { OUTPUT: 0, MC_OUTPUT: 1 } as const;

export class Rtable {
  rt_flags = 0;
  rt_type = 0;
  rt_is_input = false;
  rt_iif = 0;
  /** The gateway, 0 when the destination is on the link. */
  rt_gw4 = 0;
  /** Positive errno of RT_IN.ERROR. */
  error = 0;
  input: number = RT_IN.NONE;
  output: number = RT_OUT.OUTPUT;
  /** Generation and destination that it was made for. */
  genid = 0;
  daddr = 0;
  saddr = 0;
  tos = 0;
  nh: FibNh | undefined;
  info: FibInfo | undefined;
  neigh: Neighbour | undefined;
  redirect = false;
  constructor(public dev: NetDevice) {}
}

const INPUT_SLOTS = 256;

/** Routes that were chosen before, by destination (output) or by a hash of the addresses (input). */
export class RouteCache {
  readonly output = new Map<number, Rtable>();
  readonly input: (Rtable | undefined)[] = Array.from({ length: INPUT_SLOTS }, () => undefined);
  genid = 0;
}

/** How often routes had to be chosen, by kind (Linux: struct rt_cache_stat). */
export class RtCacheStat {
  in_slow_tot = 0;
  in_slow_mc = 0;
  in_no_route = 0;
  in_brd = 0;
  in_martian_dst = 0;
  in_martian_src = 0;
  out_slow_tot = 0;
  out_slow_mc = 0;
}

const isMulticast = (a: number): boolean => a >>> 28 === 0xe;
const isLocalMulticast = (a: number): boolean => a >>> 8 === 0xe00000;
const isLoopback = (a: number): boolean => a >>> 24 === 127;
const isZeronet = (a: number): boolean => a >>> 24 === 0;
const LBCAST = 0xffffffff;

export class Route {
  static readonly inlined: readonly string[] = ['ip_route_output', 'dst_mtu'];
  private readonly result = new FibResult();
  private readonly back = new FibResult();
  private readonly inFlow = new Flow4();
  private readonly backFlow = new Flow4();
  private readonly outFlow = new Flow4();

  /** One of each CPU. */
  readonly stats: readonly RtCacheStat[];

  constructor(readonly kernel: Kernel) {
    this.stats = kernel.platform.cpus.list.map(() => new RtCacheStat());
  }

  private stat(): RtCacheStat {
    return this.stats[this.kernel.platform.cpus.current?.id ?? 0];
  }

  private cache(n4: Ipv4Net): RouteCache {
    const c = n4.routes;
    if (c.genid !== n4.rtGenid) {
      c.output.clear();
      c.input.fill(undefined);
      c.genid = n4.rtGenid;
    }
    return c;
  }

  ip_route_output(net: Net, daddr: number, saddr: number, oif: number): Rtable | number {
    const f = this.outFlow;
    f.daddr = daddr;
    f.saddr = saddr;
    f.oif = oif;
    f.tos = f.scope = f.mark = f.proto = 0;
    f.anysrc = false;
    return this.ip_route_output_flow(net, f);
  }

  /** The route for a flow, which gets its source address; or -errno. */
  ip_route_output_flow(net: Net, f: Flow4): Rtable | number {
    const n4 = ipv4Net(net);
    const cache = this.cache(n4);
    const { daddr } = f;
    const simple =
      f.oif === 0 &&
      f.tos === 0 &&
      f.mark === 0 &&
      f.scope === 0 &&
      !n4.customRules &&
      (f.saddr === 0 || n4.addresses.has(f.saddr)) &&
      daddr !== 0 &&
      !isMulticast(daddr);
    if (!simple) return this.ip_route_output_key_hash_rcu(net, f);
    // without rules by source, an own source address changes nothing about the way
    const asked = f.saddr;
    const hit = cache.output.get(daddr);
    if (hit !== undefined && !(isLoopback(asked) && (hit.dev.flags & IFF.LOOPBACK) === 0)) {
      if (asked === 0) f.saddr = hit.saddr;
      return hit;
    }
    if (!isLoopback(asked)) f.saddr = 0;
    const rt = this.ip_route_output_key_hash_rcu(net, f);
    if (asked !== 0) f.saddr = asked;
    if (typeof rt === 'number' || isLoopback(asked)) return rt;
    if ((rt.info?.nhs.length ?? 1) === 1) {
      if (cache.output.size > 4096) cache.output.clear();
      cache.output.set(daddr, rt);
    }
    return rt;
  }

  ip_route_output_key_hash_rcu(net: Net, f: Flow4): Rtable | number {
    const { devinet, fib } = this.kernel.ipv4;
    const res = this.result;
    res.reset();
    f.iif = net.loopback_dev.ifindex;
    let flags = 0;
    let dev: NetDevice | undefined;
    if (f.saddr !== 0) {
      if (isMulticast(f.saddr) || f.saddr === LBCAST || isZeronet(f.saddr)) return -Errno.EINVAL;
      if (f.oif === 0 && (isMulticast(f.daddr) || f.daddr === LBCAST)) {
        dev = devinet.__ip_dev_find(net, f.saddr);
        if (dev === undefined) return -Errno.ENETUNREACH;
        f.oif = dev.ifindex;
        return this.__mkroute_output(net, res, f, dev, flags);
      }
      if (!f.anysrc && devinet.__ip_dev_find(net, f.saddr) === undefined) return -Errno.ENETUNREACH;
    }
    if (f.oif !== 0) {
      dev = net.__dev_get_by_index(f.oif);
      if (dev === undefined) return -Errno.ENODEV;
      if ((dev.flags & IFF.UP) === 0 || inDev(dev) === undefined) return -Errno.ENETUNREACH;
      if (isLocalMulticast(f.daddr) || f.daddr === LBCAST || f.proto === 2) {
        if (f.saddr === 0) f.saddr = devinet.inet_select_addr(dev, 0, RT_SCOPE.LINK);
        return this.__mkroute_output(net, res, f, dev, flags);
      }
      if (f.saddr === 0) {
        if (isMulticast(f.daddr)) f.saddr = devinet.inet_select_addr(dev, 0, f.scope);
        else if (f.daddr === 0) f.saddr = devinet.inet_select_addr(dev, 0, RT_SCOPE.HOST);
      }
    }
    if (f.daddr === 0) {
      f.daddr = f.saddr;
      if (f.daddr === 0) f.daddr = f.saddr = 0x7f000001;
      res.type = RTN.LOCAL;
      return this.__mkroute_output(net, res, f, net.loopback_dev, RTCF.LOCAL);
    }
    const err = fib.fib_lookup(net, f, res);
    if (err !== 0) {
      res.reset();
      if (f.oif === 0 || dev === undefined) return err;
      if (f.saddr === 0) f.saddr = devinet.inet_select_addr(dev, 0, RT_SCOPE.LINK);
      res.type = RTN.UNICAST;
      return this.__mkroute_output(net, res, f, dev, flags);
    }
    const info = res.info as FibInfo;
    if (res.type === RTN.LOCAL) {
      if (f.saddr === 0) f.saddr = info.prefsrc !== 0 ? info.prefsrc : f.daddr;
      flags |= RTCF.LOCAL;
      return this.__mkroute_output(net, res, f, net.loopback_dev, flags);
    }
    this.fib_select_path(net, res, f);
    const nh = res.nh as FibNh;
    if (f.saddr === 0) f.saddr = info.prefsrc !== 0 ? info.prefsrc : devinet.inet_select_addr(nh.dev as NetDevice, nh.gw, info.scope);
    return this.__mkroute_output(net, res, f, nh.dev as NetDevice, flags);
  }

  /** Multipath: by a hash of the addresses (and, as the sysctl says, of protocol and ports), weighted. */
  fib_select_path(net: Net, res: FibResult, f: Flow4): void {
    const nhs = res.info?.nhs;
    if (nhs === undefined || nhs.length < 2 || f.oif !== 0) return;
    let total = 0;
    for (const nh of nhs) if ((nh.flags & 17) === 0) total += nh.weight;
    if (total === 0) return;
    let h = Math.imul(f.saddr ^ Math.imul(f.daddr, 0x9e3779b1), 0x85ebca6b);
    if (ipv4Net(net).sysctl.fib_multipath_hash_policy === 1) h = Math.imul(h ^ ((f.sport << 16) | f.dport) ^ (f.proto << 8), 0xc2b2ae35);
    h = ((h ^ (h >>> 15)) >>> 0) % total;
    for (let i = 0; i < nhs.length; i++) {
      if ((nhs[i].flags & 17) !== 0) continue;
      if (h < nhs[i].weight) {
        res.nhIndex = i;
        return;
      }
      h -= nhs[i].weight;
    }
  }

  __mkroute_output(net: Net, res: FibResult, f: Flow4, dev: NetDevice, flagsIn: number): Rtable | number {
    const idev = inDev(dev);
    if (idev === undefined) return -Errno.EINVAL;
    let flags = flagsIn;
    let type = res.type;
    if (idev.cnf.route_localnet === 0 && isLoopback(f.saddr) && (dev.flags & IFF.LOOPBACK) === 0) return -Errno.EINVAL;
    if (f.daddr === LBCAST) type = RTN.BROADCAST;
    else if (isMulticast(f.daddr)) type = RTN.MULTICAST;
    else if (isZeronet(f.daddr)) return -Errno.EINVAL;
    if ((dev.flags & IFF.LOOPBACK) !== 0) flags |= RTCF.LOCAL;
    let { info } = res;
    if (type === RTN.BROADCAST) {
      flags |= RTCF.BROADCAST | RTCF.LOCAL;
      info = undefined;
    } else if (type === RTN.MULTICAST) {
      flags |= RTCF.MULTICAST;
      if (this.kernel.ipv4.igmp.ip_check_mc_rcu(idev, f.daddr)) flags |= RTCF.LOCAL;
      if (info !== undefined && res.prefixlen < 4) info = undefined;
    }
    const rt = new Rtable(dev);
    this.stat().out_slow_tot++;
    rt.rt_flags = flags >>> 0;
    rt.rt_type = type;
    rt.genid = ipv4Net(net).rtGenid;
    rt.daddr = f.daddr;
    rt.saddr = f.saddr;
    if ((rt.rt_flags & RTCF.LOCAL) !== 0) rt.input = RT_IN.LOCAL_DELIVER;
    if ((flags & (RTCF.BROADCAST | RTCF.MULTICAST)) !== 0 && (flags & RTCF.LOCAL) !== 0 && (dev.flags & IFF.LOOPBACK) === 0) {
      rt.output = RT_OUT.MC_OUTPUT;
      this.stat().out_slow_mc++;
    }
    rt.info = info;
    this.rt_set_nexthop(rt, info === undefined ? undefined : res.nh);
    return rt;
  }

  rt_set_nexthop(rt: Rtable, nh: FibNh | undefined): void {
    rt.nh = nh;
    if (nh !== undefined && nh.gw !== 0 && nh.scope === RT_SCOPE.LINK) rt.rt_gw4 = nh.gw;
    const exception = nh?.exceptions?.get(rt.daddr);
    if (exception !== undefined && exception.gw !== 0) rt.rt_gw4 = exception.gw;
  }

  /** Learnt path MTU, the route's own, or the device's. */
  dst_mtu(rt: Rtable): number {
    const known = rt.nh?.exceptions;
    if (known !== undefined) {
      const e = known.get(rt.daddr);
      if (e !== undefined && e.pmtu !== 0) {
        if (this.kernel.now() < e.expires) return Math.min(e.pmtu, rt.dev.mtu);
        known.delete(rt.daddr);
      }
    }
    return rt.info?.metrics?.get(RTAX.MTU) ?? Math.min(rt.dev.mtu, 0xffff);
  }

  mtuLocked(rt: Rtable): boolean {
    return rt.nh?.exceptions?.get(rt.daddr)?.mtu_locked === true || ((rt.info?.metrics?.get(RTAX.LOCK) ?? 0) & (1 << RTAX.MTU)) !== 0;
  }

  exceptionOf(rt: Rtable): FibException | undefined {
    const e = rt.nh?.exceptions?.get(rt.daddr);
    return e !== undefined && this.kernel.now() < e.expires ? e : undefined;
  }

  /** A router said that `mtu` is all that fits on the way to `daddr`. */
  __ip_rt_update_pmtu(net: Net, rt: Rtable, mtu: number): void {
    const old = this.dst_mtu(rt);
    const { min_pmtu, mtu_expires } = ipv4Net(net).routeSysctl;
    let value = mtu;
    let locked = false;
    if (this.mtuLocked(rt) || old < mtu) return;
    if (value < min_pmtu) {
      locked = true;
      value = Math.min(old, min_pmtu);
    }
    if (rt.nh === undefined || old === value) return;
    rt.nh.exceptions ??= new Map();
    rt.nh.exceptions.set(rt.daddr, { pmtu: value, mtu_locked: locked, gw: 0, expires: this.kernel.now() + mtu_expires * 1e9 });
  }

  ipv4_update_pmtu(net: Net, daddr: number, saddr: number, mtu: number): void {
    const rt = this.ip_route_output(net, daddr, ipv4Net(net).addresses.has(saddr) ? saddr : 0, 0);
    if (typeof rt !== 'number') this.__ip_rt_update_pmtu(net, rt, mtu);
  }

  /** A packet could not be sent because its next hop did not answer. */
  ipv4_link_failure(skb: SkBuff): void {
    this.kernel.ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, ICMP_UNREACH.HOST, 0);
  }

  /** The input route, also kept on the skb by ip_rcv_finish; undefined for martians (`err` tells). */
  err = 0;
  ip_route_input_noref(skb: SkBuff | undefined, daddr: number, saddr: number, tos: number, dev: NetDevice): Rtable | undefined {
    const n4 = ipv4Net(dev.net);
    const cache = this.cache(n4);
    const slot = (Math.imul(daddr ^ Math.imul(saddr, 0x9e3779b1) ^ dev.ifindex, 0x85ebca6b) >>> 24) & (INPUT_SLOTS - 1);
    const hit = cache.input[slot];
    if (hit !== undefined && hit.daddr === daddr && hit.saddr === saddr && hit.rt_iif === dev.ifindex && hit.tos === tos) return hit;
    const rt = this.ip_route_input_slow(skb, daddr, saddr, tos, dev);
    if (typeof rt === 'number') {
      this.err = rt;
      return undefined;
    }
    rt.genid = n4.rtGenid;
    rt.rt_is_input = true;
    rt.rt_iif = dev.ifindex;
    rt.daddr = daddr;
    rt.saddr = saddr;
    rt.tos = tos;
    if (skb !== undefined && (rt.info?.nhs.length ?? 1) === 1 && n4.confAll.log_martians === 0) cache.input[slot] = rt;
    return rt;
  }

  ip_route_input_slow(skb: SkBuff | undefined, daddr: number, saddr: number, tos: number, dev: NetDevice): Rtable | number {
    const { fib, igmp } = this.kernel.ipv4;
    const { net } = dev;
    const idev = inDev(dev);
    const n4 = ipv4Net(net);
    if (idev === undefined) return -Errno.EINVAL;
    if (isMulticast(daddr)) {
      if (!igmp.ip_check_mc_rcu(idev, daddr)) return -Errno.EINVAL;
      if (isMulticast(saddr) || saddr === LBCAST || (isLoopback(saddr) && idev.cnf.route_localnet === 0))
        return this.ip_handle_martian_source(dev, saddr, daddr);
      this.stat().in_slow_mc++;
      return this.localRoute(net, RTN.MULTICAST, RTCF.MULTICAST | RTCF.LOCAL);
    }
    if (isMulticast(saddr) || saddr === LBCAST) return this.ip_handle_martian_source(dev, saddr, daddr);
    const wide = daddr === LBCAST || (saddr === 0 && daddr === 0);
    if (!wide) {
      if (isZeronet(saddr)) return this.ip_handle_martian_source(dev, saddr, daddr);
      if (isZeronet(daddr)) return this.martianDestination();
      const localnet = idev.cnf.route_localnet !== 0 || n4.confAll.route_localnet !== 0;
      if (isLoopback(daddr) && !localnet) return this.martianDestination();
      if (isLoopback(saddr) && !localnet) return this.ip_handle_martian_source(dev, saddr, daddr);
      const flow = this.inFlow;
      Object.assign(flow, { daddr, saddr, tos, oif: 0, iif: dev.ifindex, scope: 0, mark: skb?.mark ?? 0, proto: 0 });
      const res = this.result;
      res.reset();
      const err = fib.fib_lookup(net, flow, res);
      if (err !== 0) return this.noRoute(net, idev.cnf.forwarding === 0 ? -Errno.EHOSTUNREACH : err);
      if (res.type === RTN.LOCAL) {
        if (this.fib_validate_source(saddr, daddr, tos, 0, dev) < 0) return this.ip_handle_martian_source(dev, saddr, daddr);
        this.stat().in_slow_tot++;
        return this.localRoute(net, RTN.LOCAL, RTCF.LOCAL);
      }
      if (res.type !== RTN.BROADCAST) {
        if (idev.cnf.forwarding === 0) return this.noRoute(net, -Errno.EHOSTUNREACH);
        if (res.type !== RTN.UNICAST) return this.martianDestination();
        return this.__mkroute_input(skb, res, flow, dev);
      }
    }
    if (skb !== undefined && skb.protocol !== ETH_P.IP) return -Errno.EINVAL;
    if (!isZeronet(saddr) && this.fib_validate_source(saddr, 0, tos, 0, dev) < 0) return this.ip_handle_martian_source(dev, saddr, daddr);
    this.stat().in_brd++;
    return this.localRoute(net, RTN.BROADCAST, RTCF.BROADCAST | RTCF.LOCAL);
  }

  private localRoute(net: Net, type: number, flags: number): Rtable {
    const rt = new Rtable(net.loopback_dev);
    rt.rt_type = type;
    rt.rt_flags = flags >>> 0;
    rt.input = RT_IN.LOCAL_DELIVER;
    return rt;
  }

  private martianDestination(): number {
    this.stat().in_martian_dst++;
    return -Errno.EINVAL;
  }

  private noRoute(net: Net, err: number): Rtable {
    this.stat().in_no_route++;
    const rt = this.localRoute(net, RTN.UNREACHABLE, 0);
    rt.input = RT_IN.ERROR;
    rt.error = -err;
    return rt;
  }

  __mkroute_input(skb: SkBuff | undefined, res: FibResult, flow: Flow4, dev: NetDevice): Rtable | number {
    this.fib_select_path(dev.net, res, flow);
    const nh = res.nh as FibNh;
    const out = nh.dev as NetDevice;
    const odev = inDev(out);
    if (odev === undefined) return -Errno.EINVAL;
    const { info } = res;
    const checked = this.fib_validate_source(flow.saddr, flow.daddr, flow.tos, out.ifindex, dev);
    if (checked < 0) return this.ip_handle_martian_source(dev, flow.saddr, flow.daddr);
    const rt = new Rtable(out);
    this.stat().in_slow_tot++;
    rt.rt_type = RTN.UNICAST;
    rt.input = RT_IN.FORWARD;
    rt.info = info;
    rt.daddr = flow.daddr;
    this.rt_set_nexthop(rt, nh);
    const onlink = this.kernel.ipv4.devinet.inet_addr_onlink(odev, flow.saddr, rt.rt_gw4);
    rt.redirect = out === dev && skb !== undefined && odev.cnf.send_redirects !== 0 && (odev.cnf.shared_media !== 0 || onlink);
    return rt;
  }

  /** 0 when the source may have come in through `dev`, or -EINVAL, -EXDEV (reverse path filter). */
  fib_validate_source(src: number, dst: number, tos: number, oif: number, dev: NetDevice): number {
    const idev = inDev(dev);
    const n4 = ipv4Net(dev.net);
    if (idev === undefined) return -Errno.EINVAL;
    const rpf = Math.max(idev.cnf.rp_filter, n4.confAll.rp_filter);
    const acceptLocal = idev.cnf.accept_local !== 0 || n4.confAll.accept_local !== 0;
    if (rpf === 0 && (dev.ifindex !== oif || idev.cnf.send_redirects === 0)) {
      if (acceptLocal) return 0;
      if (!n4.customRules) return n4.addresses.has(src) ? -Errno.EINVAL : 0;
    }
    return this.__fib_validate_source(src, dst, tos, rpf, acceptLocal, dev);
  }

  __fib_validate_source(src: number, dst: number, tos: number, rpf: number, acceptLocal: boolean, dev: NetDevice): number {
    const f = this.backFlow;
    Object.assign(f, { daddr: src, saddr: dst, tos, oif: 0, iif: dev.net.loopback_dev.ifindex, scope: 0, mark: 0, proto: 0 });
    const res = this.back;
    res.reset();
    if (this.kernel.ipv4.fib.fib_lookup(dev.net, f, res) !== 0) return rpf === 0 ? 0 : -Errno.EXDEV;
    if (res.type !== RTN.UNICAST && (res.type !== RTN.LOCAL || !acceptLocal)) return -Errno.EINVAL;
    if (res.info?.nhs.some((nh) => nh.dev === dev) === true) return (res.nh?.scope ?? 0) >= RT_SCOPE.HOST ? 1 : 0;
    if (rpf === 1) return -Errno.EXDEV;
    return 0;
  }

  ip_handle_martian_source(dev: NetDevice, saddr: number, daddr: number): number {
    const n4 = ipv4Net(dev.net);
    this.stat().in_martian_src++;
    if (n4.confAll.log_martians !== 0 || (inDev(dev)?.cnf.log_martians ?? 0) !== 0) {
      const q = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
      this.kernel.printk.pr_warn(`IPv4: martian source ${q(daddr)} from ${q(saddr)}, on dev ${dev.name}`);
    }
    return -Errno.EINVAL;
  }

  /** A packet that came in with no route for it. */
  ip_error(skb: SkBuff): number {
    const rt = skb.dst as Rtable;
    const dev = skb.dev as NetDevice;
    const idev = inDev(dev);
    const { ip } = ipv4Net(dev.net).mib;
    let reason: 'NOT_SPECIFIED' | 'IP_INADDRERRORS' | 'IP_INNOROUTES' = 'NOT_SPECIFIED';
    if (idev !== undefined) {
      if (idev.cnf.forwarding === 0) {
        if (rt.error === Errno.EHOSTUNREACH) {
          reason = 'IP_INADDRERRORS';
          ip[IPSTATS.InAddrErrors]++;
        } else if (rt.error === Errno.ENETUNREACH) {
          reason = 'IP_INNOROUTES';
          ip[IPSTATS.InNoRoutes]++;
        }
      } else {
        const code =
          rt.error === Errno.EHOSTUNREACH
            ? ICMP_UNREACH.HOST
            : rt.error === Errno.ENETUNREACH
              ? ICMP_UNREACH.NET
              : rt.error === Errno.EACCES
                ? ICMP_UNREACH.PKT_FILTERED
                : -1;
        if (rt.error === Errno.ENETUNREACH) {
          reason = 'IP_INNOROUTES';
          ip[IPSTATS.InNoRoutes]++;
        }
        if (code >= 0) this.kernel.ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, code, 0);
      }
    }
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return 0;
  }

  /** Tells a sender on the same link about the better router. */
  ip_rt_send_redirect(skb: SkBuff): void {
    const rt = skb.dst as Rtable;
    const gw = rt.rt_gw4 !== 0 ? rt.rt_gw4 : IpHdr.daddr.get(this.kernel.skb.ram, skb_network_header(skb));
    this.kernel.ipv4.icmp.__icmp_send(skb, ICMP.REDIRECT, 1, gw);
  }
}
