// rtnetlink for IPv4 addresses (Linux: net/ipv4/devinet.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import type { AddrInfo, AddrRequest, NetconfInfo } from '../rtnl_records.ts';
import type { NlResult } from '../rtnetlink.ts';

export class RtnlAddr {
  constructor(readonly kernel: Kernel) {}

  inet_rtm_newaddr(_net: Net, _req: AddrRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet_rtm_deladdr(_net: Net, _req: AddrRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  /** All addresses, device by device; one device's when `ifindex` is given. */
  inet_dump_ifaddr(_net: Net, _ifindex = 0): AddrInfo[] {
    return [];
  }
  inet_netconf_dump_devconf(_net: Net): NetconfInfo[] {
    return [];
  }
}
