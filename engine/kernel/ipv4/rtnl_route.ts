// rtnetlink for IPv4 routes and rules (Linux: net/ipv4/fib_frontend.c, route.c, fib_rules.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import type { RouteGetRequest, RouteInfo, RouteRequest, RuleInfo } from '../rtnl_records.ts';
import type { NlResult } from '../rtnetlink.ts';

export class RtnlRoute {
  constructor(readonly kernel: Kernel) {}

  inet_rtm_newroute(_net: Net, _req: RouteRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet_rtm_delroute(_net: Net, _req: RouteRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  inet_rtm_getroute(_net: Net, _req: RouteGetRequest): RouteInfo | NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  /** Routes in dump order; of one table, or of all when `table` is 0. */
  inet_dump_fib(_net: Net, _table = 0): RouteInfo[] {
    return [];
  }
  /** Cached exceptions (`ip route show cache`). */
  dumpRouteCache(_net: Net): RouteInfo[] {
    return [];
  }
  /** `ip route flush cache` */
  flushRouteCache(_net: Net): void {}
  fib_nl_newrule(_net: Net, _req: RuleInfo, _nlflags: number): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  fib_nl_delrule(_net: Net, _req: RuleInfo): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  fib_nl_dumprule(_net: Net): RuleInfo[] {
    return [];
  }
}
