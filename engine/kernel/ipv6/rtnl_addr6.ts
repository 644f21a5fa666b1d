// rtnetlink for IPv6 addresses (Linux: net/ipv6/addrconf.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { AF, IFA_F, INFINITY_LIFE_TIME, NLM_F, type AddrInfo, type AddrRequest, type NetconfInfo } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { eq6, isLoopback6 } from './in6.ts';
import { IFADDR6, in6Dev, ipv6Net, type Inet6Ifaddr, type Ipv6Devconf } from './ipv6_net.ts';
import { IFF } from '../net_device.ts';

const GIVEN_FLAGS = IFA_F.NODAD | IFA_F.HOMEADDRESS | IFA_F.MANAGETEMPADDR | IFA_F.NOPREFIXROUTE | IFA_F.MCAUTOJOIN | IFA_F.OPTIMISTIC;

export class RtnlAddr6 {
  constructor(readonly kernel: Kernel) {}

  inet6_rtm_newaddr(net: Net, req: AddrRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const { addrconf } = this.kernel.ipv6;
    const addr = req.local ?? req.address;
    if (addr === undefined || req.prefixlen > 128) return { errno: -Errno.EINVAL };
    const valid = req.valid_lft ?? INFINITY_LIFE_TIME;
    const preferred = req.preferred_lft ?? INFINITY_LIFE_TIME;
    if (valid === 0 || preferred > valid) return { errno: -Errno.EINVAL };
    const dev = net.__dev_get_by_index(req.ifindex);
    if (dev === undefined) return { errno: -Errno.ENODEV };
    const idev = in6Dev(dev) ?? addrconf.ipv6_find_idev(dev);
    if (idev === undefined) return { errno: -Errno.ENOBUFS };
    if (idev.cnf.disable_ipv6 !== 0) return { errno: -Errno.EACCES };
    const known = addrconf.ipv6_get_ifaddr(dev, addr);
    if (known !== undefined) {
      if ((req.nlflags & NLM_F.EXCL) !== 0 || (req.nlflags & NLM_F.REPLACE) === 0) return { errno: -Errno.EEXIST };
      this.lifetimes(known, valid, preferred);
      addrconf.ipv6_ifa_notify(undefined, known);
      return NL_OK;
    }
    const flags = (req.flags & GIVEN_FLAGS) | (valid === INFINITY_LIFE_TIME ? IFA_F.PERMANENT : 0);
    const ifp = addrconf.ipv6_add_addr(idev, addr, req.prefixlen, flags);
    if (typeof ifp === 'number') return { errno: ifp };
    if (req.address !== undefined && !eq6(req.address, addr)) ifp.peer = req.address.slice();
    ifp.rt_priority = req.rt_priority ?? 0;
    if (req.protocol !== undefined) ifp.rt_proto = req.protocol;
    this.lifetimes(ifp, valid, preferred);
    const loopback = (dev.flags & IFF.LOOPBACK) !== 0;
    if ((dev.flags & IFF.UP) !== 0 && !loopback) addrconf.addrconf_add_mroute(dev);
    if ((flags & IFA_F.NOPREFIXROUTE) === 0 && (dev.flags & IFF.UP) !== 0 && !isLoopback6(addr))
      addrconf.addrconf_prefix_route(
        addr,
        ifp.prefix_len,
        ifp.rt_priority,
        dev,
        valid === INFINITY_LIFE_TIME ? 0 : this.kernel.now() + valid * 1e9,
      );
    if ((ifp.flags & (IFA_F.OPTIMISTIC | IFA_F.NODAD)) === 0) addrconf.ipv6_ifa_notify(undefined, ifp);
    addrconf.addrconf_dad_start(ifp);
    return NL_OK;
  }

  private lifetimes(ifp: Inet6Ifaddr, valid: number, preferred: number): void {
    ifp.valid_lft = valid;
    ifp.prefered_lft = preferred;
    ifp.flags = preferred === 0 ? ifp.flags | IFA_F.DEPRECATED : ifp.flags & ~IFA_F.DEPRECATED;
    ifp.flags = valid === INFINITY_LIFE_TIME ? ifp.flags | IFA_F.PERMANENT : ifp.flags & ~IFA_F.PERMANENT;
    ifp.tstamp = this.kernel.now();
    this.kernel.ipv6.addrconf.armLifetime(ifp);
  }

  inet6_rtm_deladdr(net: Net, req: AddrRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const addr = req.local ?? req.address;
    if (addr === undefined || req.prefixlen > 128) return { errno: -Errno.EINVAL };
    const dev = net.__dev_get_by_index(req.ifindex);
    if (dev === undefined) return { errno: -Errno.ENODEV };
    const idev = in6Dev(dev);
    if (idev === undefined) return { errno: -Errno.ENXIO };
    const ifp = idev.addr_list.find((a) => a.prefix_len === req.prefixlen && eq6(a.addr, addr));
    if (ifp === undefined) return { errno: -Errno.EADDRNOTAVAIL };
    this.kernel.ipv6.addrconf.ipv6_del_addr(ifp);
    return NL_OK;
  }

  inet6_fill_ifaddr(ifp: Inet6Ifaddr): AddrInfo {
    const age = Math.floor((this.kernel.now() - ifp.tstamp) / 1e9);
    const left = (lft: number): number => (lft === INFINITY_LIFE_TIME ? lft : Math.max(0, lft - age));
    return {
      family: AF.INET6,
      ifindex: ifp.idev.dev.ifindex,
      prefixlen: ifp.prefix_len,
      scope: ifp.scope,
      flags: ifp.flags,
      address: ifp.peer ?? ifp.addr,
      ...(ifp.peer === undefined ? {} : { local: ifp.addr }),
      ...(ifp.rt_priority === 0 ? {} : { rt_priority: ifp.rt_priority }),
      ...(ifp.rt_proto === 0 ? {} : { protocol: ifp.rt_proto }),
      valid_lft: left(ifp.valid_lft),
      preferred_lft: left(ifp.prefered_lft),
      cstamp: Math.floor(ifp.cstamp / 1e7),
      tstamp: Math.floor(ifp.tstamp / 1e7),
    };
  }

  inet6_dump_ifaddr(net: Net, ifindex = 0): AddrInfo[] {
    const out: AddrInfo[] = [];
    for (const dev of net.devices) {
      if (ifindex !== 0 && dev.ifindex !== ifindex) continue;
      for (const ifp of in6Dev(dev)?.addr_list ?? []) if (ifp.state !== IFADDR6.DEAD) out.push(this.inet6_fill_ifaddr(ifp));
    }
    return out;
  }

  private inet6_netconf_fill_devconf(ifindex: number, cnf: Ipv6Devconf): NetconfInfo {
    return {
      family: AF.INET6,
      ifindex,
      forwarding: cnf.forwarding,
      mc_forwarding: cnf.mc_forwarding,
      proxy_neigh: cnf.proxy_ndp,
      ignore_routes_with_linkdown: cnf.ignore_routes_with_linkdown,
    };
  }

  inet6_netconf_notify_devconf(net: Net, type: 'RTM_NEWNETCONF' | 'RTM_DELNETCONF', ifindex: number, cnf: Ipv6Devconf): void {
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'netconf')) rtnl.notify(net, 'netconf', { type, info: this.inet6_netconf_fill_devconf(ifindex, cnf) });
  }

  inet6_netconf_dump_devconf(net: Net): NetconfInfo[] {
    const n6 = ipv6Net(net);
    const out: NetconfInfo[] = [];
    for (const dev of net.devices) {
      const idev = in6Dev(dev);
      if (idev !== undefined) out.push(this.inet6_netconf_fill_devconf(dev.ifindex, idev.cnf));
    }
    out.push(this.inet6_netconf_fill_devconf(-1, n6.confAll), this.inet6_netconf_fill_devconf(-2, n6.confDefault));
    return out;
  }
}
