// rtnetlink for IPv4 addresses (Linux: net/ipv4/devinet.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { AF, IFA_F, INFINITY_LIFE_TIME, NLM_F, type AddrInfo, type AddrRequest, type NetconfInfo } from '../rtnl_records.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { v4bytes, v4number } from './arp.ts';
import type { InDevice, InIfaddr } from './devinet.ts';
import { inDev, ipv4Net, type Ipv4Devconf } from './ipv4_net.ts';

export class RtnlAddr {
  constructor(readonly kernel: Kernel) {}

  inet_rtm_newaddr(net: Net, req: AddrRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const made = this.rtm_to_ifaddr(net, req);
    if ('errno' in made) return made;
    const { ifa, idev } = made;
    const known = idev.ifa_list.find((a) => a.mask === ifa.mask && ((a.address ^ ifa.address) & a.mask) === 0 && a.local === ifa.local);
    if (known === undefined) {
      const err = this.kernel.ipv4.devinet.__inet_insert_ifa(ifa);
      return err === 0 ? NL_OK : { errno: err };
    }
    if ((req.nlflags & NLM_F.EXCL) !== 0 || (req.nlflags & NLM_F.REPLACE) === 0) return { errno: -Errno.EEXIST };
    if (req.rt_priority !== undefined && req.rt_priority !== known.rt_priority) {
      this.kernel.ipv4.fib.fib_modify_prefix_metric(known, req.rt_priority);
      known.rt_priority = req.rt_priority;
    }
    this.set_ifa_lifetime(known, req);
    known.tstamp = this.kernel.now();
    this.kernel.ipv4.devinet.armLifetime(known);
    this.kernel.ipv4.devinet.rtmsg_ifa('RTM_NEWADDR', known);
    return NL_OK;
  }

  private rtm_to_ifaddr(net: Net, req: AddrRequest): { ifa: InIfaddr; idev: InDevice } | NlResult {
    if (req.prefixlen > 32 || req.local === undefined) return { errno: -Errno.EINVAL };
    const dev = net.__dev_get_by_index(req.ifindex);
    if (dev === undefined) return { errno: -Errno.ENODEV };
    const idev = inDev(dev);
    if (idev === undefined) return { errno: -Errno.ENOBUFS };
    const local = v4number(req.local);
    if ((req.valid_lft ?? INFINITY_LIFE_TIME) === 0 || (req.preferred_lft ?? 0) > (req.valid_lft ?? INFINITY_LIFE_TIME))
      return { errno: -Errno.EINVAL };
    const ifa = this.kernel.ipv4.devinet.newIfaddr(
      idev,
      local,
      req.address === undefined ? local : v4number(req.address),
      req.prefixlen,
      req.scope,
    );
    ifa.flags = req.flags & ~IFA_F.PERMANENT;
    if (req.broadcast !== undefined) ifa.broadcast = v4number(req.broadcast);
    if (req.label !== undefined) ifa.label = req.label;
    if (req.rt_priority !== undefined) ifa.rt_priority = req.rt_priority;
    if (req.protocol !== undefined) ifa.proto = req.protocol;
    this.set_ifa_lifetime(ifa, req);
    return { ifa, idev };
  }

  private set_ifa_lifetime(ifa: InIfaddr, req: AddrRequest): void {
    ifa.valid_lft = req.valid_lft ?? INFINITY_LIFE_TIME;
    ifa.preferred_lft = req.preferred_lft ?? INFINITY_LIFE_TIME;
    ifa.flags &= ~(IFA_F.PERMANENT | IFA_F.DEPRECATED);
    if (ifa.valid_lft === INFINITY_LIFE_TIME) ifa.flags |= IFA_F.PERMANENT;
    if (ifa.preferred_lft === 0) ifa.flags |= IFA_F.DEPRECATED;
  }

  inet_rtm_deladdr(net: Net, req: AddrRequest): NlResult {
    this.kernel.charge(this.kernel.platform.costs.netlink);
    const dev = net.__dev_get_by_index(req.ifindex);
    const idev = dev === undefined ? undefined : inDev(dev);
    if (idev === undefined) return { errno: -Errno.ENODEV };
    for (const ifa of idev.ifa_list) {
      if (req.local !== undefined && ifa.local !== v4number(req.local)) continue;
      if (req.label !== undefined && ifa.label !== req.label) continue;
      if (req.address !== undefined && (req.prefixlen !== ifa.prefixlen || ((v4number(req.address) ^ ifa.address) & ifa.mask) !== 0))
        continue;
      this.kernel.ipv4.devinet.inet_del_ifa(idev, ifa);
      return NL_OK;
    }
    return { errno: -Errno.EADDRNOTAVAIL };
  }

  inet_fill_ifaddr(ifa: InIfaddr): AddrInfo {
    const age = Math.floor((this.kernel.now() - ifa.tstamp) / 1e9);
    const left = (lft: number): number =>
      (ifa.flags & IFA_F.PERMANENT) !== 0 || lft === INFINITY_LIFE_TIME ? INFINITY_LIFE_TIME : Math.max(0, lft - age);
    return {
      family: AF.INET,
      ifindex: ifa.dev.dev.ifindex,
      prefixlen: ifa.prefixlen,
      scope: ifa.scope,
      flags: ifa.flags,
      address: v4bytes(ifa.address),
      local: v4bytes(ifa.local),
      ...(ifa.broadcast === 0 ? {} : { broadcast: v4bytes(ifa.broadcast) }),
      ...(ifa.label === '' ? {} : { label: ifa.label }),
      ...(ifa.rt_priority === 0 ? {} : { rt_priority: ifa.rt_priority }),
      ...(ifa.proto === 0 ? {} : { protocol: ifa.proto }),
      valid_lft: left(ifa.valid_lft),
      preferred_lft: left(ifa.preferred_lft),
      cstamp: Math.floor(ifa.cstamp / 1e7),
      tstamp: Math.floor(ifa.tstamp / 1e7),
    };
  }

  /** All addresses, device by device; one device's when `ifindex` is given. */
  inet_dump_ifaddr(net: Net, ifindex = 0): AddrInfo[] {
    const out: AddrInfo[] = [];
    for (const dev of net.devices) {
      if (ifindex !== 0 && dev.ifindex !== ifindex) continue;
      for (const ifa of inDev(dev)?.ifa_list ?? []) out.push(this.inet_fill_ifaddr(ifa));
    }
    return out;
  }

  private inet_netconf_fill_devconf(ifindex: number, cnf: Ipv4Devconf): NetconfInfo {
    return {
      family: AF.INET,
      ifindex,
      forwarding: cnf.forwarding,
      rp_filter: cnf.rp_filter,
      mc_forwarding: cnf.mc_forwarding,
      proxy_neigh: cnf.proxy_arp,
      ignore_routes_with_linkdown: cnf.ignore_routes_with_linkdown,
    };
  }

  inet_netconf_notify_devconf(net: Net, type: 'RTM_NEWNETCONF' | 'RTM_DELNETCONF', ifindex: number, cnf: Ipv4Devconf): void {
    const { rtnl } = this.kernel;
    if (rtnl.listening(net, 'netconf')) rtnl.notify(net, 'netconf', { type, info: this.inet_netconf_fill_devconf(ifindex, cnf) });
  }

  inet_netconf_dump_devconf(net: Net): NetconfInfo[] {
    const n4 = ipv4Net(net);
    const out: NetconfInfo[] = [];
    for (const dev of net.devices) {
      const idev = inDev(dev);
      if (idev !== undefined) out.push(this.inet_netconf_fill_devconf(dev.ifindex, idev.cnf));
    }
    out.push(this.inet_netconf_fill_devconf(-1, n4.confAll), this.inet_netconf_fill_devconf(-2, n4.confDefault));
    return out;
  }
}
