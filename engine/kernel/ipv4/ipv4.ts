// IPv4: the protocol's parts and what ties them to the network core.
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { RtnlAddr } from './rtnl_addr.ts';
import { RtnlNeigh } from './rtnl_neigh.ts';
import { RtnlRoute } from './rtnl_route.ts';

export class Ipv4 {
  readonly rtnlAddr: RtnlAddr;
  readonly rtnlRoute: RtnlRoute;
  readonly rtnlNeigh: RtnlNeigh;

  constructor(readonly kernel: Kernel) {
    this.rtnlAddr = new RtnlAddr(kernel);
    this.rtnlRoute = new RtnlRoute(kernel);
    this.rtnlNeigh = new RtnlNeigh(kernel);
  }

  /** A namespace is born: its tables, sysctls and counters. Its loopback device is registered afterwards. */
  pernetInit(_net: Net): void {}

  /** A namespace dies; its devices are gone already. */
  pernetExit(_net: Net): void {}
}
