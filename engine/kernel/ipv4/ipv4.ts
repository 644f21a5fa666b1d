// IPv4: the protocol's parts and what ties them to the network core.
import { ETH_P } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { NET_RX_DROP, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NetdevEvent, NetdevNotifier, NetdevNotifierInfo } from '../netdev_events.ts';
import { PacketType, type PacketHandler } from '../packet_type.ts';
import type { SkBuff } from '../skbuff.ts';
import { traceable } from '../trace/traceable.ts';
import { Arp } from './arp.ts';
import { Devinet } from './devinet.ts';
import { Fib } from './fib_frontend.ts';
import { FibSemantics } from './fib_semantics.ts';
import { Icmp } from './icmp.ts';
import { Igmp } from './igmp.ts';
import { InetCommon } from './inet_common.ts';
import { IpFragment } from './ip_fragment.ts';
import { IpInput } from './ip_input.ts';
import { IpOptionsCore } from './ip_options.ts';
import { IpOutput } from './ip_output.ts';
import { Ipv4Net } from './ipv4_net.ts';
import { NeighCore } from './neighbour.ts';
import { Nexthops } from './nexthop.ts';
import { Ping } from './ping.ts';
import { Raw } from './raw.ts';
import { Route, RouteCache } from './route.ts';
import { RtnlAddr } from './rtnl_addr.ts';
import { RtnlNeigh } from './rtnl_neigh.ts';
import { RtnlRoute } from './rtnl_route.ts';
import { Sysctls4 } from './sysctls.ts';
import { Udp } from './udp.ts';

traceable('', [
  Arp,
  Devinet,
  Fib,
  FibSemantics,
  Icmp,
  Igmp,
  IpFragment,
  IpInput,
  IpOptionsCore,
  IpOutput,
  NeighCore,
  Nexthops,
  Ping,
  Raw,
  Route,
  RtnlAddr,
  RtnlNeigh,
  RtnlRoute,
  Udp,
]);

export class Ipv4 implements NetdevNotifier, PacketHandler {
  /** Members of our interfaces, without a function of that name in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['packet_rcv', 'netdev_event']);
  readonly neigh: NeighCore;
  readonly arp: Arp;
  readonly sysctls: Sysctls4;
  readonly devinet: Devinet;
  readonly fib: Fib;
  readonly nexthops: Nexthops;
  readonly route: Route;
  readonly igmp: Igmp;
  readonly options: IpOptionsCore;
  readonly output: IpOutput;
  readonly input: IpInput;
  readonly frag: IpFragment;
  readonly icmp: Icmp;
  readonly common: InetCommon;
  readonly raw: Raw;
  readonly udp: Udp;
  readonly ping: Ping;
  readonly rtnlAddr: RtnlAddr;
  readonly rtnlRoute: RtnlRoute;
  readonly rtnlNeigh: RtnlNeigh;

  constructor(readonly kernel: Kernel) {
    this.neigh = new NeighCore(kernel);
    this.arp = new Arp(kernel, this.neigh);
    this.sysctls = new Sysctls4(kernel);
    this.devinet = new Devinet(kernel);
    this.fib = new Fib(kernel);
    this.nexthops = new Nexthops(kernel);
    this.route = new Route(kernel);
    this.igmp = new Igmp(kernel);
    this.options = new IpOptionsCore(kernel);
    this.output = new IpOutput(kernel);
    this.input = new IpInput(kernel);
    this.frag = new IpFragment(kernel);
    this.icmp = new Icmp(kernel);
    this.common = new InetCommon(kernel);
    this.raw = new Raw(kernel);
    this.udp = new Udp(kernel);
    this.ping = new Ping(kernel);
    this.rtnlAddr = new RtnlAddr(kernel);
    this.rtnlRoute = new RtnlRoute(kernel);
    this.rtnlNeigh = new RtnlNeigh(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(ETH_P.ARP, this));
    kernel.net.rx.dev_add_pack(new PacketType(ETH_P.IP, this));
    kernel.net.register_netdevice_notifier(this);
  }

  /** A namespace is born: its tables, sysctls and counters. Its loopback device is registered afterwards. */
  pernetInit(net: Net): void {
    const n4 = new Ipv4Net(net);
    n4.routes = new RouteCache();
    net.ipv4 = n4;
    this.fib.ip_fib_net_init(net);
    this.sysctls.initNet(net);
    this.kernel.tcp.pernetInit(net);
  }

  /** A namespace dies; its devices are gone already. */
  pernetExit(net: Net): void {
    this.kernel.tcp.pernetExit(net);
    const n4 = net.ipv4 as Ipv4Net;
    for (const q of n4.frags.values()) {
      this.kernel.timers.del_timer(q.timer);
      for (const piece of q.pieces.splice(0)) this.kernel.skb.kfree_skb(piece);
    }
    n4.frags.clear();
    n4.tables.clear();
  }

  /** In the order in which Linux's own listeners were registered: ARP, addresses, routes. */
  netdev_event(event: NetdevEvent, dev: NetDevice, info: NetdevNotifierInfo | undefined): number {
    this.arp.arp_netdev_event(event, dev, info?.flags_changed ?? 0);
    this.devinet.inetdev_event(event, dev);
    this.fib.fib_netdev_event(event, dev);
    return 0;
  }

  packet_rcv(skb: SkBuff, dev: NetDevice, pt: PacketType): number {
    if (dev.ip_ptr === undefined) {
      this.kernel.skb.kfree_skb(skb);
      return NET_RX_DROP;
    }
    return pt.type === ETH_P.IP ? this.input.ip_rcv(skb, dev) : this.arp.arp_rcv(skb, dev);
  }
}
