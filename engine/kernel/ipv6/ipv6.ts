// IPv6: the protocol's parts and what ties them to the network core.
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { Sockets6 } from './sockets6.ts';
import { RtnlAddr6 } from './rtnl_addr6.ts';
import { RtnlRoute6 } from './rtnl_route6.ts';

export class Ipv6 {
  readonly rtnlAddr: RtnlAddr6;
  readonly rtnlRoute: RtnlRoute6;
  readonly sockets: Sockets6;

  constructor(readonly kernel: Kernel) {
    this.rtnlAddr = new RtnlAddr6(kernel);
    this.sockets = new Sockets6(kernel);
    this.rtnlRoute = new RtnlRoute6(kernel);
  }

  pernetInit(_net: Net): void {}

  pernetExit(_net: Net): void {}
}
