// struct inet_sock: what UDP, raw and ICMP datagram sockets of both families share.
import type { Net } from '../net_namespace.ts';
import { IP_PMTUDISC, Sock } from '../sock.ts';
import type { IpOptions } from './ip_options.ts';
import type { Rtable } from './route.ts';

export class InetSock extends Sock {
  /** Address and port bound to (rcv_saddr, num), source used, and peer when connected; IPv4. */
  rcv_saddr = 0;
  saddr = 0;
  daddr = 0;
  /** Port; identifier of ICMP datagram sockets; protocol of raw sockets. */
  num = 0;
  dport = 0;
  portBound = false;
  connected = false;
  tos = 0;
  /** -1: the namespace's default. */
  uc_ttl = -1;
  mc_ttl = 1;
  mc_loop = true;
  mc_index = 0;
  mc_addr = 0;
  pmtudisc: number = IP_PMTUDISC.WANT;
  recverr = false;
  recvttl = false;
  recvtos = false;
  recvopts = false;
  retopts = false;
  pktinfo = false;
  hdrincl = false;
  opt: IpOptions | undefined;
  /** ICMP_FILTER: a set bit blocks the type. */
  icmpFilter = 0;
  inet_id = 0;
  /** UDP_SEGMENT: payload of each datagram that a larger send is cut into, 0 for none; UDP_GRO: takes merged datagrams. */
  gsoSize = 0;
  udpGro = false;
  /** Cached route of a connected socket. */
  dst: Rtable | undefined;
  /** IPv6's part; absent on AF_INET sockets. */
  readonly v6: Ipv6Pinfo | undefined;
  /** Groups joined: [group, ifindex]; leaving happens at close. */
  readonly memberships: { readonly group: number; readonly ifindex: number }[] = [];

  constructor(net: Net, family: number, type: number, protocol: number, ino: number) {
    super(net, family, type, protocol, ino);
    this.v6 = family === 10 ? new Ipv6Pinfo() : undefined;
  }
}

/** struct ipv6_pinfo */
export class Ipv6Pinfo {
  rcv_saddr = new Uint8Array(16);
  saddr = new Uint8Array(16);
  daddr: Uint8Array | undefined;
  scope_id = 0;
  hop_limit = -1;
  mcast_hops = 1;
  mc_loop = true;
  mcast_oif = 0;
  tclass = 0;
  flowlabel = 0;
  pmtudisc: number = IP_PMTUDISC.WANT;
  recverr = false;
  dontfrag = false;
  v6only = false;
  rxhlim = false;
  rxinfo = false;
  rxtclass = false;
  /** Offset of a checksum that the kernel fills in (IPV6_CHECKSUM), -1 for none. */
  checksum = -1;
  /** ICMPV6_FILTER, a set bit blocks the type; 8 words. */
  readonly icmpFilter = new Uint32Array(8);
}
