// IPv6's part of the socket calls: bind, connect, and what raw and ICMP datagram sockets send and receive (Linux: net/ipv6/af_inet6.c, datagram.c, raw.c, ping.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ICMPV6, IPPROTO } from '../../wire/headers.ts';
import type { InetSock, Ipv6Pinfo } from '../ipv4/inet_sock.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { IPSTATS } from '../ipv4/mib.ts';
import { mapped6 } from '../ipv4/tcp_ipv4.ts';
import { TcpSock } from '../ipv4/tcp_sock.ts';
import { v4number } from '../ipv4/arp.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { __skb_push, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { IP_PMTUDISC, SOCK, SO_EE_ORIGIN, type SendControl, type SockAddr, type SockAddrIn6 } from '../sock.ts';
import { icmpv6_err_convert } from './icmp6.ts';
import { IN6_LOOPBACK, eq6, isAny6, isMapped6, isMulticast6, needsScopeId6 } from './in6.ts';
import { Flow6 } from './fib6_rules.ts';
import type { Rt6 } from './ip6_fib.ts';

/** Route and addresses of a message about to be sent. */
export interface Send6 {
  rt: Rt6;
  saddr: Uint8Array;
  daddr: Uint8Array;
  hops: number;
  tclass: number;
}

export class Sockets6 {
  private readonly flow = new Flow6();
  constructor(readonly kernel: Kernel) {}

  inet6_bind(sk: InetSock, addr: SockAddrIn6): number {
    const { v6 } = sk;
    const { ipv4, ipv6 } = this.kernel;
    if (v6 === undefined) return -Errno.EAFNOSUPPORT;
    if (sk.num !== 0 && sk.type !== SOCK.RAW) return -Errno.EINVAL;
    const a = addr.addr;
    if (!isAny6(a) && !isMapped6(a) && !isMulticast6(a)) {
      if (needsScopeId6(a)) {
        if (addr.scope_id !== 0) sk.bound_dev_if = addr.scope_id;
        if (sk.bound_dev_if === 0) return -Errno.EINVAL;
      }
      const dev = sk.bound_dev_if === 0 ? undefined : sk.net.__dev_get_by_index(sk.bound_dev_if);
      if (sk.bound_dev_if !== 0 && dev === undefined) return -Errno.ENODEV;
      if (!ipv6.addrconf.ipv6_chk_addr(sk.net, a, needsScopeId6(a) ? dev : undefined)) return -Errno.EADDRNOTAVAIL;
    }
    v6.rcv_saddr = a.slice();
    v6.saddr = isMulticast6(a) ? new Uint8Array(16) : a.slice();
    if (sk.type === SOCK.DGRAM) {
      const err = sk.protocol === IPPROTO.UDP ? ipv4.udp.udp_v4_get_port(sk, addr.port) : ipv4.ping.ping_get_port(sk, addr.port);
      if (err < 0) return err;
    }
    if (sk instanceof TcpSock) {
      const err = this.kernel.tcp.hash.inet_csk_get_port(sk, addr.port);
      if (err < 0) return err;
    }
    sk.portBound = true;
    return 0;
  }

  inet6_connect(sk: InetSock, addr: SockAddrIn6): number {
    const { v6 } = sk;
    const { ipv4, ipv6 } = this.kernel;
    if (v6 === undefined) return -Errno.EAFNOSUPPORT;
    if (isMapped6(addr.addr) && sk.type === SOCK.DGRAM) return this.connectMapped(sk, v6, addr);
    const daddr = isAny6(addr.addr) ? IN6_LOOPBACK : addr.addr;
    if (needsScopeId6(daddr)) {
      if (addr.scope_id !== 0) {
        if (sk.bound_dev_if !== 0 && sk.bound_dev_if !== addr.scope_id) return -Errno.EINVAL;
        sk.bound_dev_if = addr.scope_id;
      }
      if (sk.bound_dev_if === 0 && isMulticast6(daddr)) sk.bound_dev_if = v6.mcast_oif;
      if (sk.bound_dev_if === 0) return -Errno.EINVAL;
    }
    if (sk.type === SOCK.DGRAM && sk.num === 0) {
      const err = sk.protocol === IPPROTO.UDP ? ipv4.udp.udp_v4_get_port(sk, 0) : ipv4.ping.ping_get_port(sk, 0);
      if (err < 0) return err;
    }
    const oif = sk.bound_dev_if !== 0 ? sk.bound_dev_if : isMulticast6(daddr) ? v6.mcast_oif : 0;
    const rt = ipv6.fib.ip6_route_output(sk.net, daddr, oif, this.flowOf(sk, v6.saddr, addr.port));
    if (typeof rt === 'number') {
      this.countNoRoute(sk, rt);
      return rt;
    }
    const source = isAny6(v6.saddr) ? this.sourceFor(sk, rt, daddr) : v6.saddr;
    if (source === undefined) return -Errno.EADDRNOTAVAIL;
    v6.saddr = source.slice();
    if (isAny6(v6.rcv_saddr)) v6.rcv_saddr = source.slice();
    v6.daddr = daddr.slice();
    v6.scope_id = needsScopeId6(daddr) ? sk.bound_dev_if : 0;
    sk.dport = addr.port;
    sk.connected = true;
    return 0;
  }

  /** An IPv4 peer of an IPv6 socket. */
  private connectMapped(sk: InetSock, v6: Ipv6Pinfo, addr: SockAddrIn6): number {
    const { ipv4 } = this.kernel;
    if (v6.v6only) return -Errno.ENETUNREACH;
    const bound = sk.num === 0 ? ipv4.udp.udp_v4_get_port(sk, 0) : 0;
    if (bound < 0) return bound;
    const err = ipv4.common.connect4(sk, v4number(addr.addr.subarray(12)), addr.port);
    if (err < 0) return err;
    v6.daddr = addr.addr.slice();
    v6.saddr = mapped6(sk.saddr);
    return 0;
  }

  /** What policy rules look at. */
  private flowOf(sk: InetSock, saddr: Uint8Array, dport: number): Flow6 {
    const f = this.flow;
    f.saddr = saddr;
    f.mark = sk.mark;
    f.proto = sk.protocol;
    f.sport = sk.num;
    f.dport = dport;
    return f;
  }

  private countNoRoute(sk: InetSock, err: number): void {
    if (err === -Errno.ENETUNREACH) ipv4Net(sk.net).mib.ip6[IPSTATS.OutNoRoutes]++;
  }

  private sourceFor(sk: InetSock, rt: Rt6, daddr: Uint8Array): Uint8Array | undefined {
    if (rt.from?.prefsrc !== undefined) return rt.from.prefsrc;
    return this.kernel.ipv6.addrconf.ipv6_dev_get_saddr(sk.net, rt.from?.dev ?? rt.dev, daddr);
  }

  /** Route, source and hop limit of a message; or -errno. */
  prepare6(sk: InetSock, v6: Ipv6Pinfo, to: SockAddrIn6 | undefined, control: SendControl | undefined): Send6 | number {
    const { ipv6 } = this.kernel;
    let daddr = to?.addr ?? v6.daddr;
    if (daddr === undefined) return -Errno.EDESTADDRREQ;
    if (isAny6(daddr)) daddr = IN6_LOOPBACK;
    let oif = control?.ifindex ?? sk.bound_dev_if;
    if (oif === 0 && needsScopeId6(daddr)) oif = to?.scope_id ?? v6.scope_id;
    if (oif === 0 && isMulticast6(daddr)) oif = v6.mcast_oif;
    const rt = ipv6.fib.ip6_route_output(sk.net, daddr, oif, this.flowOf(sk, control?.src ?? v6.saddr, to?.port ?? sk.dport));
    if (typeof rt === 'number') {
      this.countNoRoute(sk, rt);
      return rt;
    }
    const asked = control?.src ?? (isAny6(v6.saddr) ? undefined : v6.saddr);
    const saddr = asked ?? this.sourceFor(sk, rt, daddr);
    if (saddr === undefined) return -Errno.EADDRNOTAVAIL;
    const own = isMulticast6(daddr) ? v6.mcast_hops : v6.hop_limit;
    const hops = control?.ttl ?? (own >= 0 ? own : ipv6.hopLimit(rt, daddr));
    return { rt, saddr, daddr, hops, tclass: control?.tos ?? v6.tclass };
  }

  /** An skb with header and payload after `transLen` bytes of transport header; undefined when memory is out. */
  ip6_make_skb(sk: InetSock, s: Send6, protocol: number, transLen: number, data: Uint8Array): SkBuff | undefined {
    const { ipv6, skb: skbs } = this.kernel;
    const skb = ipv6.output.ip6_alloc(s.rt.dev, 40 + transLen + data.length);
    if (skb === undefined) return undefined;
    const at = skbs.skb_put(skb, 40 + transLen + data.length);
    ipv6.output.ip6_nd_hdr(at, s.saddr, s.daddr, protocol, s.hops, 0);
    if (s.tclass !== 0) skbs.ram.setU32be(at, (0x60000000 | (s.tclass << 20)) >>> 0);
    skbs.ram.write(at + 40 + transLen, data, 0, data.length);
    skb.transport_header = skb.network_header + 40;
    skb.dst = s.rt;
    skb.mark = sk.mark;
    skb.priority = sk.priority;
    skb.sk = sk;
    sk.wmem_alloc += skb.truesize;
    this.kernel.charge(this.kernel.platform.costs.ip_layer + ((data.length + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    return skb;
  }

  /** 0, or -EMSGSIZE with an error queued. */
  checkLength(sk: InetSock, v6: Ipv6Pinfo, s: Send6, length: number): number {
    const mtu = this.kernel.ipv6.fib.ip6_mtu(s.rt);
    const most = v6.dontfrag || v6.pmtudisc >= IP_PMTUDISC.DO ? mtu - 40 : 0xffff;
    if (length <= most) return 0;
    const wants = v6.pmtudisc >= IP_PMTUDISC.DO || v6.dontfrag ? mtu : 0xffff + 40;
    this.kernel.sockets.ip_local_error(
      sk,
      Errno.EMSGSIZE,
      { family: 10, addr: s.daddr.slice(), port: 0, scope_id: 0 },
      Math.min(wants, mtu),
    );
    return -Errno.EMSGSIZE;
  }

  sendmsg6(sk: InetSock, data: Uint8Array, addr: SockAddr | undefined, control: SendControl | undefined): number {
    const { v6 } = sk;
    if (v6 === undefined || addr?.family === 17) return -Errno.EAFNOSUPPORT;
    if (sk.type === SOCK.DGRAM && sk.protocol === IPPROTO.UDP) return this.kernel.ipv6.udp.udpv6_sendmsg(sk, v6, data, addr, control);
    if (addr !== undefined && addr.family !== 10) return -Errno.EAFNOSUPPORT;
    if (sk.type === SOCK.DGRAM) {
      if (data.length < 8 || data[0] !== ICMPV6.ECHO_REQUEST || data[1] !== 0) return -Errno.EINVAL;
      const bound = sk.num === 0 ? this.kernel.ipv4.ping.ping_get_port(sk, 0) : 0;
      if (bound < 0) return bound;
    }
    return this.rawv6_sendmsg(sk, v6, data, addr, control);
  }

  rawv6_sendmsg(sk: InetSock, v6: Ipv6Pinfo, data: Uint8Array, addr: SockAddrIn6 | undefined, control: SendControl | undefined): number {
    const { ipv6, skb: skbs } = this.kernel;
    if (data.length > 0xffff) return -Errno.EMSGSIZE;
    const s = this.prepare6(sk, v6, addr, control);
    if (typeof s === 'number') return s;
    const err = this.checkLength(sk, v6, s, data.length);
    if (err < 0) return err;
    if (!sk.hasRoom()) return -Errno.EAGAIN;
    const skb = this.ip6_make_skb(sk, s, sk.protocol, 0, data);
    if (skb === undefined) return -Errno.ENOBUFS;
    const { ram } = skbs;
    const body = skb_transport_header(skb);
    if (sk.type === SOCK.DGRAM) ram.setU16be(body + 4, sk.num);
    const offset = sk.type === SOCK.DGRAM ? 2 : v6.checksum;
    if (offset >= 0 && offset + 2 <= data.length) {
      const iph = skb_network_header(skb);
      ram.setU16be(body + offset, 0);
      const pseudo = pseudoHeaderSum6(ram, iph + 8, iph + 24, sk.protocol, data.length);
      ram.setU16be(body + offset, csumFold(csumPartial(ram, body, data.length, pseudo)));
      this.kernel.charge(((data.length + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    }
    if (sk.protocol === IPPROTO.ICMPV6) ipv6.output.countIcmpOut(sk.net, data[0]);
    const sent = ipv6.output.ip6_send_skb(sk.net, skb);
    return sent < 0 && !(sent === -Errno.ENOBUFS && !v6.recverr) ? sent : data.length;
  }

  private matches(sk: InetSock, v6: Ipv6Pinfo, raddr: Uint8Array, laddr: Uint8Array, dif: number, lo: number): boolean {
    return (
      (v6.daddr === undefined || eq6(v6.daddr, raddr)) &&
      (isAny6(v6.rcv_saddr) || eq6(v6.rcv_saddr, laddr) || isMulticast6(laddr)) &&
      (sk.bound_dev_if === 0 || sk.bound_dev_if === dif || sk.bound_dev_if === lo)
    );
  }

  raw6_local_deliver(skb: SkBuff, nexthdr: number): boolean {
    const { skb: skbs, ipv6 } = this.kernel;
    const dev = skb.dev as NetDevice;
    const iph = skb_network_header(skb);
    const saddr = ipv6.icmp.readAddr(iph + 8);
    const daddr = ipv6.icmp.readAddr(iph + 24);
    let delivered = false;
    for (const sk of ipv4Net(dev.net).raw6) {
      const { v6 } = sk;
      if (v6 === undefined || sk.protocol !== nexthdr || !this.matches(sk, v6, saddr, daddr, skb.skb_iif, dev.ifindex)) continue;
      delivered = true;
      if (nexthdr === IPPROTO.ICMPV6) {
        const type = skbs.networkByte(skb, skb_transport_header(skb) - iph);
        if (type === undefined || (v6.icmpFilter[type >> 5] & (1 << (type & 31))) !== 0) continue;
      }
      const copy = skbs.skb_clone(skb);
      if (copy !== undefined) this.kernel.sockets.sock_queue_rcv_skb(sk, copy);
    }
    return delivered;
  }

  pingRcv6(skb: SkBuff): void {
    const dev = skb.dev as NetDevice;
    const list = ipv4Net(dev.net).ping.get(this.kernel.skb.ram.u16be(skb_transport_header(skb) + 4));
    const sk = this.kernel.ipv4.ping.ping_lookup(list, 10, 0, 0, skb.skb_iif);
    const copy = sk === undefined ? undefined : this.kernel.skb.skb_clone(skb);
    if (sk === undefined || copy === undefined) return;
    if (copy.data > skb_transport_header(copy)) __skb_push(copy, copy.data - skb_transport_header(copy));
    this.kernel.sockets.sock_queue_rcv_skb(sk, copy);
  }

  /** An ICMPv6 error for raw and ICMP datagram sockets. */
  raw6_icmp_error(skb: SkBuff, nexthdr: number, inner: Gpa, payload: Gpa, type: number, code: number, info: number): void {
    const dev = skb.dev as NetDevice;
    const { ipv6 } = this.kernel;
    const n4 = ipv4Net(dev.net);
    const saddr = ipv6.icmp.readAddr(inner + 8);
    const daddr = ipv6.icmp.readAddr(inner + 24);
    for (const sk of n4.raw6)
      if (sk.v6 !== undefined && sk.protocol === nexthdr && this.matches(sk, sk.v6, daddr, saddr, skb.skb_iif, dev.ifindex))
        this.rawv6_err(sk, sk.v6, skb, payload, daddr, type, code, info);
    if (nexthdr !== IPPROTO.ICMPV6) return;
    const ping = this.kernel.ipv4.ping.ping_lookup(n4.ping.get(this.kernel.skb.ram.u16be(payload + 4)), 10, 0, 0, skb.skb_iif);
    if (ping?.v6 !== undefined) this.rawv6_err(ping, ping.v6, skb, payload, daddr, type, code, info);
  }

  rawv6_err(sk: InetSock, v6: Ipv6Pinfo, skb: SkBuff, payload: Gpa, daddr: Uint8Array, type: number, code: number, info: number): void {
    const { sockets, ipv6 } = this.kernel;
    const [err, fatal] = icmpv6_err_convert(type, code);
    const hard = type === ICMPV6.PKT_TOOBIG ? v6.pmtudisc === IP_PMTUDISC.DO : fatal;
    if (!v6.recverr && !(sk.connected && hard)) return;
    if (v6.recverr) {
      const from = ipv6.icmp.readAddr(skb_network_header(skb) + 8);
      const scope = needsScopeId6(from) ? skb.skb_iif : 0;
      sockets.queueError(
        sk,
        skb,
        payload,
        {
          ee_errno: err,
          ee_origin: SO_EE_ORIGIN.ICMP6,
          ee_type: type,
          ee_code: code,
          ee_info: info,
          offender: { family: 10, addr: from, port: 0, scope_id: scope },
        },
        { family: 10, addr: daddr, port: 0, scope_id: needsScopeId6(daddr) ? skb.skb_iif : 0 },
      );
    }
    sk.err = err;
    sockets.sk_error_report(sk);
  }

  mtuOf(sk: InetSock): number {
    const { v6 } = sk;
    if (v6?.daddr === undefined) return -Errno.ENOTCONN;
    const rt = this.kernel.ipv6.fib.ip6_route_output(sk.net, v6.daddr, sk.bound_dev_if);
    return typeof rt === 'number' ? rt : this.kernel.ipv6.fib.ip6_mtu(rt);
  }
}
