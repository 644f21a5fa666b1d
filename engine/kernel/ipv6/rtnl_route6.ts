// rtnetlink for IPv6 routes and rules (Linux: net/ipv6/route.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import type { RouteGetRequest, RouteInfo, RouteRequest, RuleInfo } from '../rtnl_records.ts';
import type { NlResult } from '../rtnetlink.ts';

export class RtnlRoute6 {
  constructor(readonly kernel: Kernel) {}

  inet6_rtm_newroute(_net: Net, _req: RouteRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet6_rtm_delroute(_net: Net, _req: RouteRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet6_rtm_getroute(_net: Net, _req: RouteGetRequest): RouteInfo | NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet6_dump_fib(_net: Net, _table = 0): RouteInfo[] {
    return [];
  }
  fib_nl_dumprule(_net: Net): RuleInfo[] {
    return [];
  }
}
