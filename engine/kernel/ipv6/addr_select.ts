// Finding own IPv6 addresses, and choosing the source of a packet (Linux: net/ipv6/addrconf.c; RFC 6724 §5).
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { IFA_F, RT_SCOPE } from '../rtnl_records.ts';
import { commonPrefix, eq6, isMulticast6, scopeValue6 } from './in6.ts';
import { in6Dev, type Inet6Ifaddr } from './ipv6_net.ts';

export class AddrSelect {
  constructor(readonly kernel: Kernel) {}

  /** An address of the device that is none of `banned`; undefined when there is none. */
  ipv6_get_lladdr(dev: NetDevice, banned: number): Uint8Array | undefined {
    const list = in6Dev(dev)?.addr_list;
    for (let i = (list?.length ?? 0) - 1; list !== undefined && i >= 0; i--) {
      const ifp = list[i];
      if (ifp.scope > RT_SCOPE.LINK) break;
      if (ifp.scope === RT_SCOPE.LINK && (ifp.flags & banned) === 0) return ifp.addr;
    }
    return undefined;
  }

  /** A valid own address, on `dev` when given. */
  ipv6_chk_addr(net: Net, addr: Uint8Array, dev: NetDevice | undefined, banned: number = IFA_F.TENTATIVE): boolean {
    for (const d of dev !== undefined ? [dev] : net.devices)
      if (in6Dev(d)?.addr_list.some((a) => eq6(a.addr, addr) && (a.flags & banned) === 0) === true) return true;
    return false;
  }

  ipv6_get_ifaddr(dev: NetDevice, addr: Uint8Array): Inet6Ifaddr | undefined {
    return in6Dev(dev)?.addr_list.find((a) => eq6(a.addr, addr));
  }

  /** RFC 6724 §5's source for a destination reached through `dev`; undefined when there is none. */
  ipv6_dev_get_saddr(net: Net, dev: NetDevice | undefined, daddr: Uint8Array): Uint8Array | undefined {
    const wanted = scopeValue6(daddr);
    const devices = dev !== undefined && (isMulticast6(daddr) || wanted <= 2) ? [dev] : net.devices;
    let best: Inet6Ifaddr | undefined;
    for (const d of devices) {
      for (const a of in6Dev(d)?.addr_list ?? []) {
        if ((a.flags & (IFA_F.TENTATIVE | IFA_F.OPTIMISTIC)) === IFA_F.TENTATIVE) continue;
        if ((a.flags & IFA_F.DADFAILED) !== 0 || isMulticast6(a.addr)) continue;
        if (best === undefined || this.betterSource(a, best, daddr, wanted, dev)) best = a;
      }
    }
    return best?.addr;
  }

  private betterSource(a: Inet6Ifaddr, b: Inet6Ifaddr, daddr: Uint8Array, wanted: number, dev: NetDevice | undefined): boolean {
    const same = (x: Inet6Ifaddr): boolean => eq6(x.addr, daddr);
    if (same(a) !== same(b)) return same(a);
    const [sa, sb] = [scopeValue6(a.addr), scopeValue6(b.addr)];
    if (sa !== sb) return sa > sb ? sb < wanted : sa >= wanted;
    const deprecated = (x: Inet6Ifaddr): boolean => (x.flags & IFA_F.DEPRECATED) !== 0;
    if (deprecated(a) !== deprecated(b)) return deprecated(b);
    const out = (x: Inet6Ifaddr): boolean => dev === undefined || x.idev.dev === dev;
    if (out(a) !== out(b)) return out(a);
    const [pa, pb] = [Math.min(commonPrefix(a.addr, daddr), a.prefix_len), Math.min(commonPrefix(b.addr, daddr), b.prefix_len)];
    return pa > pb;
  }
}
