// rtnetlink for neighbours of both families (Linux: net/core/neighbour.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import type { NeighInfo, NeighRequest, NeighTableInfo } from '../rtnl_records.ts';
import type { NlResult } from '../rtnetlink.ts';

export class RtnlNeigh {
  constructor(readonly kernel: Kernel) {}

  neigh_add(_net: Net, _req: NeighRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  neigh_delete(_net: Net, _req: NeighRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  neigh_get(_net: Net, _req: NeighRequest): NeighInfo | NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  /** Entries of a family (0: both) in the order of the kernel's hash chains; `proxy` dumps the proxy entries instead. */
  neigh_dump_info(_net: Net, _family: number, _proxy = false): NeighInfo[] {
    return [];
  }
  neightbl_dump_info(_net: Net, _family: number): NeighTableInfo[] {
    return [];
  }
}
