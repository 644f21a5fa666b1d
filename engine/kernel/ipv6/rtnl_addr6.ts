// rtnetlink for IPv6 addresses (Linux: net/ipv6/addrconf.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import type { AddrInfo, AddrRequest, NetconfInfo } from '../rtnl_records.ts';
import type { NlResult } from '../rtnetlink.ts';

export class RtnlAddr6 {
  constructor(readonly kernel: Kernel) {}

  inet6_rtm_newaddr(_net: Net, _req: AddrRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet6_rtm_deladdr(_net: Net, _req: AddrRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet6_dump_ifaddr(_net: Net, _ifindex = 0): AddrInfo[] {
    return [];
  }
  inet6_netconf_dump_devconf(_net: Net): NetconfInfo[] {
    return [];
  }
}
