// IPv6: the protocol's parts and what ties them to the network core.
import { formatIpv6 } from '../../wire/addresses.ts';
import { ETH_P } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NetdevEvent, NetdevNotifier, NetdevNotifierInfo } from '../netdev_events.ts';
import { PacketType, type PacketHandler } from '../packet_type.ts';
import { RTAX, RT_TABLE } from '../rtnl_records.ts';
import type { SkBuff } from '../skbuff.ts';
import { traceable } from '../trace/traceable.ts';
import { AddrSelect } from './addr_select.ts';
import { Addrconf } from './addrconf.ts';
import { Icmp6 } from './icmp6.ts';
import { isMulticast6 } from './in6.ts';
import { Fib6, type Rt6 } from './ip6_fib.ts';
import { Ip6Input } from './ip6_input.ts';
import { Ip6Output } from './ip6_output.ts';
import { Ipv6Net, in6Dev } from './ipv6_net.ts';
import { Fib6Rules } from './fib6_rules.ts';
import { Mcast6 } from './mcast.ts';
import { Ndisc } from './ndisc.ts';
import { RtnlAddr6 } from './rtnl_addr6.ts';
import { RtnlRoute6 } from './rtnl_route6.ts';
import { Sockets6 } from './sockets6.ts';
import { Sysctls6 } from './sysctls6.ts';
import { Udp6 } from './udp6.ts';

traceable('', [AddrSelect, Addrconf, Fib6, Fib6Rules, Icmp6, Ip6Input, Ip6Output, Mcast6, Ndisc, RtnlAddr6, RtnlRoute6, Sockets6, Udp6]);

export class Ipv6 implements NetdevNotifier, PacketHandler {
  readonly ndisc: Ndisc;
  readonly sysctls: Sysctls6;
  readonly mcast: Mcast6;
  readonly addrconf: Addrconf;
  readonly fib: Fib6;
  readonly rules: Fib6Rules;
  readonly output: Ip6Output;
  readonly input: Ip6Input;
  readonly icmp: Icmp6;
  readonly udp: Udp6;
  readonly sockets: Sockets6;
  readonly rtnlAddr: RtnlAddr6;
  readonly rtnlRoute: RtnlRoute6;

  constructor(readonly kernel: Kernel) {
    this.ndisc = new Ndisc(kernel, kernel.ipv4.neigh);
    this.sysctls = new Sysctls6(kernel);
    this.mcast = new Mcast6(kernel);
    this.addrconf = new Addrconf(kernel);
    this.fib = new Fib6(kernel);
    this.rules = new Fib6Rules(kernel);
    this.output = new Ip6Output(kernel);
    this.input = new Ip6Input(kernel);
    this.icmp = new Icmp6(kernel);
    this.udp = new Udp6(kernel);
    this.sockets = new Sockets6(kernel);
    this.rtnlAddr = new RtnlAddr6(kernel);
    this.rtnlRoute = new RtnlRoute6(kernel);
    kernel.net.rx.dev_add_pack(new PacketType(ETH_P.IPV6, this));
    kernel.net.register_netdevice_notifier(this);
  }

  pernetInit(net: Net): void {
    net.ipv6 = new Ipv6Net(net);
    this.rules.fib6_rules_net_init(net);
    this.fib.fib6_new_table(net, RT_TABLE.MAIN);
    this.fib.fib6_new_table(net, RT_TABLE.LOCAL);
    this.sysctls.initNet(net);
  }

  pernetExit(net: Net): void {
    const n6 = net.ipv6 as Ipv6Net;
    for (const q of n6.frags.values()) {
      this.kernel.timers.del_timer(q.timer);
      for (const piece of q.pieces.splice(0)) this.kernel.skb.kfree_skb(piece);
    }
    n6.frags.clear();
    n6.tables.clear();
  }

  netdev_event(event: NetdevEvent, dev: NetDevice, info: NetdevNotifierInfo | undefined): number {
    if (event === 'NETDEV_CHANGEADDR') this.kernel.ipv4.neigh.neigh_changeaddr(this.ndisc.tbl, dev);
    else if (
      event === 'NETDEV_CHANGE' &&
      !this.kernel.net.link.netif_carrier_ok(dev) &&
      (in6Dev(dev)?.cnf.ndisc_evict_nocarrier ?? 1) !== 0
    )
      this.kernel.ipv4.neigh.neigh_carrier_down(this.ndisc.tbl, dev);
    this.addrconf.addrconf_notify(event, dev, info?.flags_changed ?? 0);
    return 0;
  }

  packet_rcv(skb: SkBuff, dev: NetDevice): number {
    return this.input.ipv6_rcv(skb, dev);
  }

  /** Hop limit of packets on a route, unless the socket chose one. */
  hopLimit(rt: Rt6, daddr: Uint8Array): number {
    if (isMulticast6(daddr)) return 1;
    return rt.from?.metrics?.get(RTAX.HOPLIMIT) ?? in6Dev(rt.dev)?.cnf.hop_limit ?? 64;
  }

  text(addr: Uint8Array): string {
    return formatIpv6(addr);
  }
}
