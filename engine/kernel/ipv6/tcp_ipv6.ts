// TCP over IPv6 (Linux: net/ipv6/tcp_ipv6.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ICMPV6, IPPROTO } from '../../wire/headers.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { ICMP6STATS, IPSTATS, TCPEXT, TCPSTATS } from '../ipv4/mib.ts';
import { v4number } from '../ipv4/arp.ts';
import type { TcpAf } from '../ipv4/tcp_af.ts';
import { fillCb } from '../ipv4/tcp_ipv4.ts';
import { TCP_TW } from '../ipv4/tcp_minisocks.ts';
import { TCPHDR, TCP_SKB_CB, between, seqAdd } from '../ipv4/tcp_skb.ts';
import { type TcpHashed, TcpRequestSock, type TcpSock, type TcpTimewaitSock } from '../ipv4/tcp_sock.ts';
import { TCP } from '../ipv4/tcp_states.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { __skb_push, skb_network_header, skb_reset_network_header, skb_transport_header } from '../skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, PACKET_HOST, type SkBuff } from '../skbuff.ts';
import type { SockAddrIn6 } from '../sock.ts';
import { icmpv6_err_convert } from './icmp6.ts';
import { IN6_LOOPBACK, isAny6, isMapped6, isMulticast6, needsScopeId6 } from './in6.ts';
import type { Rt6 } from './ip6_fib.ts';
import { ipv6Net } from './ipv6_net.ts';

const NO_ADDRESS = new Uint8Array(16);

export class TcpIpv6 implements TcpAf {
  readonly mss_clamp = 1220;
  constructor(readonly kernel: Kernel) {}

  private route(sk: TcpSock): Rt6 | number {
    const cached = sk.rt6 as Rt6 | undefined;
    if (cached !== undefined && cached.genid === ipv6Net(sk.net).genid) return cached;
    const rt = this.kernel.ipv6.fib.ip6_route_output(sk.net, sk.v6?.daddr ?? NO_ADDRESS, sk.bound_dev_if);
    if (typeof rt !== 'number') sk.rt6 = rt;
    return rt;
  }
  mtu(sk: TcpSock): number {
    const rt = this.route(sk);
    return typeof rt === 'number' ? 0 : this.kernel.ipv6.fib.ip6_mtu(rt);
  }
  advmss(sk: TcpSock): number {
    const rt = this.route(sk);
    return typeof rt === 'number' ? 1220 : this.advmssOf(rt);
  }
  private advmssOf(rt: Rt6): number {
    const set = rt.from?.metrics?.get(8);
    const mss = this.kernel.ipv6.fib.ip6_mtu(rt) - 60;
    return set ?? (mss > 65535 - 60 ? 65535 : Math.max(mss, 1220));
  }
  dev(sk: TcpSock): NetDevice | undefined {
    const rt = this.route(sk);
    return typeof rt === 'number' ? undefined : rt.dev;
  }
  rebuild_header(sk: TcpSock): number {
    const rt = this.route(sk);
    return typeof rt === 'number' ? rt : 0;
  }
  confirm(sk: TcpSock): void {
    const n = (sk.rt6 as Rt6 | undefined)?.neigh;
    if (n !== undefined) n.confirmed = this.kernel.now();
  }
  unicast(skb: SkBuff): boolean {
    return !isMulticast6(this.kernel.ipv6.icmp.readAddr((skb_network_header(skb) + 24) as Gpa));
  }

  queue_xmit(sk: TcpSock, skb: SkBuff, ect: boolean): number {
    const { ipv6, skb: skbs } = this.kernel;
    const rt = this.route(sk);
    if (typeof rt === 'number' || sk.v6?.daddr === undefined) {
      ipv4Net(sk.net).mib.ip6[IPSTATS.OutNoRoutes]++;
      skbs.kfree_skb_reason(skb, 'IP_OUTNOROUTES');
      return -Errno.EHOSTUNREACH;
    }
    const at = __skb_push(skb, 40);
    skb_reset_network_header(skb);
    const hops = sk.v6.hop_limit >= 0 ? sk.v6.hop_limit : ipv6.hopLimit(rt, sk.v6.daddr);
    ipv6.output.ip6_nd_hdr(at, sk.v6.saddr, sk.v6.daddr, IPPROTO.TCP, hops, 0);
    const tclass = (sk.v6.tclass & 0xfc) | (ect ? 2 : 0);
    if (tclass !== 0) skbs.ram.setU32be(at, (0x60000000 | (tclass << 20)) >>> 0);
    skb.dst = rt;
    skb.dev = rt.dev;
    skb.cb0 = skb.cb1 = 0;
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    return ipv6.output.ip6_local_out(sk.net, skb);
  }
  send_check(sk: TcpSock, skb: SkBuff): void {
    const sum =
      addressSum(sk.v6?.saddr ?? NO_ADDRESS) + addressSum(sk.v6?.daddr ?? NO_ADDRESS) + IPPROTO.TCP + (skb.len >>> 16) + (skb.len & 0xffff);
    skb.csum_start = skb.transport_header;
    skb.csum_offset = 16;
    this.kernel.skb.ram.setU16be(skb_transport_header(skb) + 16, ~csumFold(sum) & 0xffff);
  }

  tcp_v6_connect(sk: TcpSock, addr: SockAddrIn6): number {
    const { tcp, ipv6 } = this.kernel;
    const { v6 } = sk;
    if (v6 === undefined) return -Errno.EAFNOSUPPORT;
    if (isMapped6(addr.addr)) {
      if (v6.v6only) return -Errno.ENETUNREACH;
      return tcp.v4.tcp_v4_connect(sk, v4number(addr.addr.subarray(12)), addr.port);
    }
    sk.wire6 = true;
    const daddr = isAny6(addr.addr) ? IN6_LOOPBACK : addr.addr;
    if (isMulticast6(daddr)) return -Errno.ENETUNREACH;
    if (needsScopeId6(daddr)) {
      if (addr.scope_id !== 0) {
        if (sk.bound_dev_if !== 0 && sk.bound_dev_if !== addr.scope_id) return -Errno.EINVAL;
        sk.bound_dev_if = addr.scope_id;
      }
      if (sk.bound_dev_if === 0) return -Errno.EINVAL;
    }
    const rt = ipv6.fib.ip6_route_output(sk.net, daddr, sk.bound_dev_if);
    if (typeof rt === 'number') {
      if (rt === -Errno.ENETUNREACH) ipv4Net(sk.net).mib.ip6[IPSTATS.OutNoRoutes]++;
      return rt;
    }
    const source = isAny6(v6.saddr)
      ? (rt.from?.prefsrc ?? ipv6.addrconf.ipv6_dev_get_saddr(sk.net, rt.from?.dev ?? rt.dev, daddr))
      : v6.saddr;
    if (source === undefined) return -Errno.EADDRNOTAVAIL;
    v6.saddr = source.slice();
    v6.rcv_saddr = source.slice();
    v6.daddr = daddr.slice();
    v6.scope_id = needsScopeId6(daddr) ? sk.bound_dev_if : 0;
    sk.rt6 = rt;
    sk.dport = addr.port;
    sk.rx_opt.mss_clamp = 1220;
    sk.write_seq = 0;
    tcp.user.tcp_set_state(sk, TCP.SYN_SENT);
    const err = tcp.hash.inet_hash_connect(sk);
    if (err !== 0) {
      tcp.user.tcp_set_state(sk, TCP.CLOSE);
      sk.dport = 0;
      return err;
    }
    sk.connected = true;
    if (sk.write_seq === 0) sk.write_seq = tcp.secureSeq(sk);
    sk.tsoffset = tcp.secureTsOff(sk);
    const sent = tcp.out.tcp_connect(sk);
    if (sent < 0) {
      tcp.user.tcp_set_state(sk, TCP.CLOSE);
      sk.dport = 0;
      sk.connected = false;
      return sent;
    }
    return 0;
  }

  /** From the IPv6 input path, data at the TCP header. */
  tcp_v6_rcv(skb: SkBuff): number {
    const { skb: skbs, tcp, ipv6 } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const { net } = dev;
    const n4 = ipv4Net(net);
    this.kernel.charge(this.kernel.platform.costs.transport);
    if (skb.pkt_type !== PACKET_HOST) {
      skbs.kfree_skb_reason(skb, 'NOT_SPECIFIED');
      return 0;
    }
    n4.mib.tcp[TCPSTATS.InSegs]++;
    if (!skbs.pskb_may_pull(skb, 20)) return this.bad(skb, net, 'PKT_TOO_SMALL');
    const header = (ram.u8(skb_transport_header(skb) + 12) >> 4) * 4;
    if (header < 20 || !skbs.pskb_may_pull(skb, header)) return this.bad(skb, net, 'PKT_TOO_SMALL');
    const th = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    if (!this.checksumOk(skb, iph)) {
      n4.mib.tcp[TCPSTATS.InCsumErrors]++;
      return this.bad(skb, net, 'TCP_CSUM');
    }
    const saddr = ipv6.icmp.readAddr((iph + 8) as Gpa);
    const daddr = ipv6.icmp.readAddr((iph + 24) as Gpa);
    const sport = ram.u16be(th);
    const dport = ram.u16be(th + 2);
    const dif = needsScopeId6(saddr) || needsScopeId6(daddr) ? skb.skb_iif || dev.ifindex : dev.ifindex;
    fillCb(skb, ram.u32be(th + 4), ram.u32be(th + 8), ram.u8(th + 13), skb.len - header);
    for (;;) {
      const found: TcpHashed | undefined =
        tcp.hash.__inet6_lookup_established(net, saddr, sport, daddr, dport, dif) ??
        tcp.hash.inet6_lookup_listener(net, saddr, sport, daddr, dport, dif);
      if (found === undefined) {
        this.send_reset(undefined, skb);
        skbs.kfree_skb_reason(skb, 'NO_SOCKET');
        return 0;
      }
      if (found.kind === 'timewait') {
        const tw = found as TcpTimewaitSock;
        const verdict = tcp.mini.tcp_timewait_state_process(tw, skb);
        if (verdict === TCP_TW.SYN && tcp.hash.inet6_lookup_listener(net, saddr, sport, daddr, dport, dif) !== undefined) {
          tcp.mini.inet_twsk_kill(tw);
          continue;
        }
        if (verdict === TCP_TW.ACK || verdict === TCP_TW.SYN) this.timewaitAck(tw);
        else if (verdict === TCP_TW.RST) {
          this.send_reset(undefined, skb);
          tcp.mini.inet_twsk_kill(tw);
        }
        skbs.consume_skb(skb);
        return 0;
      }
      if (found.kind === 'request') {
        if (tcp.requestRcv(this, found as TcpRequestSock, skb)) continue;
        return 0;
      }
      tcp.sockRcv(this, found as TcpSock, skb, skb.len - header);
      return 0;
    }
  }

  private checksumOk(skb: SkBuff, iph: Gpa): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
    const pseudo = pseudoHeaderSum6(this.kernel.skb.ram, iph + 8, iph + 24, IPPROTO.TCP, skb.len);
    if (skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum + pseudo) === 0) return true;
    return csumFold(this.kernel.skb.skb_checksum(skb, 0, skb.len, pseudo)) === 0;
  }
  private bad(skb: SkBuff, net: Net, reason: 'PKT_TOO_SMALL' | 'TCP_CSUM'): number {
    ipv4Net(net).mib.tcp[TCPSTATS.InErrs]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return 0;
  }
  private timewaitAck(tw: TcpTimewaitSock): void {
    const now = Math.floor(this.kernel.now() / 1e6);
    const optlen = this.kernel.tcp.out.options.timestampOnly((now + tw.ts_offset) >>> 0, tw.ts_recent, tw.ts_recent_stamp !== 0);
    const window = Math.floor(tw.rcv_wnd / 2 ** tw.rcv_wscale);
    this.control(
      tw.net,
      tw.bound_dev_if,
      tw.local6 ?? NO_ADDRESS,
      tw.peer6 ?? NO_ADDRESS,
      tw.num,
      tw.dport,
      tw.snd_nxt,
      tw.rcv_nxt,
      TCPHDR.ACK,
      window,
      optlen,
    );
  }

  /** A segment that belongs to no full socket. Addresses and ports are ours first. */
  private control(
    net: Net,
    oif: number,
    saddr: Uint8Array,
    daddr: Uint8Array,
    sport: number,
    dport: number,
    seq: number,
    ack: number,
    flags: number,
    window: number,
    optlen: number,
  ): void {
    const { ipv6, skb: skbs, tcp } = this.kernel;
    const { ram } = skbs;
    const rt = ipv6.fib.ip6_route_output(net, daddr, oif);
    if (typeof rt === 'number') return;
    const length = 20 + optlen;
    const skb = ipv6.output.ip6_alloc(rt.dev, 40 + length);
    if (skb === undefined) return;
    const at = skbs.skb_put(skb, 40 + length);
    ipv6.output.ip6_nd_hdr(at, saddr, daddr, IPPROTO.TCP, ipv6.hopLimit(rt, daddr), 0);
    skb.transport_header = skb.network_header + 40;
    skb.dst = rt;
    const th = skb_transport_header(skb);
    ram.setU32be(th, ((sport << 16) | dport) >>> 0);
    ram.setU32be(th + 4, seq);
    ram.setU32be(th + 8, ack);
    ram.setU32be(th + 12, (((length >> 2) << 28) | (flags << 16) | Math.min(window, 65535)) >>> 0);
    ram.setU32be(th + 16, 0);
    tcp.out.options.tcp_options_write(th + 20, undefined);
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.transport_header;
    skb.csum_offset = 16;
    ram.setU16be(th + 16, ~csumFold(pseudoHeaderSum6(ram, at + 8, at + 24, IPPROTO.TCP, length)) & 0xffff);
    ipv4Net(net).mib.tcp[TCPSTATS.OutSegs]++;
    ipv6.output.ip6_send_skb(net, skb);
  }

  send_reset(_sk: TcpSock | undefined, skb: SkBuff): void {
    const { ram } = this.kernel.skb;
    const { icmp } = this.kernel.ipv6;
    const cb = TCP_SKB_CB(skb);
    const th = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    if ((cb.tcp_flags & TCPHDR.RST) !== 0 || !this.unicast(skb)) return;
    const { net } = skb.dev as NetDevice;
    const hasAck = (cb.tcp_flags & TCPHDR.ACK) !== 0;
    ipv4Net(net).mib.tcp[TCPSTATS.OutRsts]++;
    this.kernel.tcp.out.options.timestampOnly(0, 0, false);
    const peer = icmp.readAddr((iph + 8) as Gpa);
    const flags = hasAck ? TCPHDR.RST : TCPHDR.RST | TCPHDR.ACK;
    const oif = needsScopeId6(peer) ? skb.skb_iif : 0;
    this.control(
      net,
      oif,
      icmp.readAddr((iph + 24) as Gpa),
      peer,
      ram.u16be(th + 2),
      ram.u16be(th),
      hasAck ? cb.ack_seq : 0,
      hasAck ? 0 : cb.end_seq,
      flags,
      0,
      0,
    );
  }
  reqsk_send_ack(req: TcpRequestSock): void {
    const now = Math.floor(this.kernel.now() / 1e6);
    const optlen = this.kernel.tcp.out.options.timestampOnly((now + req.ts_off) >>> 0, req.ts_recent, req.tstamp_ok);
    const window = Math.floor(req.rsk_rcv_wnd / 2 ** req.rcv_wscale);
    this.reply(req, seqAdd(req.snt_isn, 1), TCPHDR.ACK, window, optlen);
  }
  send_synack(req: TcpRequestSock): void {
    const { out } = this.kernel.tcp;
    const mss = out.tcp_mss_clamp(req.listener, this.requestAdvmss(req));
    const optlen = out.options.tcp_synack_options(req, mss, Math.floor(this.kernel.now() / 1e6));
    this.reply(req, req.snt_isn, TCPHDR.SYN | TCPHDR.ACK | (req.ecn_ok ? TCPHDR.ECE : 0), Math.min(req.rsk_rcv_wnd, 65535), optlen);
  }
  private reply(req: TcpRequestSock, seq: number, flags: number, window: number, optlen: number): void {
    this.control(
      req.net,
      req.bound_dev_if,
      req.local6 ?? NO_ADDRESS,
      req.peer6 ?? NO_ADDRESS,
      req.num,
      req.dport,
      seq,
      req.rcv_nxt,
      flags,
      window,
      optlen,
    );
  }

  newRequest(listener: TcpSock, skb: SkBuff): TcpRequestSock {
    const { ram } = this.kernel.skb;
    const { icmp } = this.kernel.ipv6;
    const iph = skb_network_header(skb);
    const th = skb_transport_header(skb);
    const peer = icmp.readAddr((iph + 8) as Gpa);
    const req = new TcpRequestSock(
      listener.net,
      listener.family,
      true,
      listener,
      this.kernel.tcp.timer,
      icmp.readAddr((iph + 24) as Gpa),
      peer,
    );
    req.dport = ram.u16be(th);
    req.num = ram.u16be(th + 2);
    req.iif = skb.skb_iif || (skb.dev as NetDevice).ifindex;
    req.bound_dev_if = needsScopeId6(peer) ? req.iif : listener.bound_dev_if;
    return req;
  }
  requestAdvmss(req: TcpRequestSock): number {
    const rt = this.kernel.ipv6.fib.ip6_route_output(req.net, req.peer6 ?? NO_ADDRESS, req.bound_dev_if);
    return typeof rt === 'number' ? 0 : this.advmssOf(rt);
  }
  setChildAddresses(child: TcpSock, _listener: TcpSock, req: TcpRequestSock): void {
    child.wire6 = true;
    if (child.v6 === undefined) return;
    child.v6.saddr = (req.local6 ?? NO_ADDRESS).slice();
    child.v6.rcv_saddr = child.v6.saddr.slice();
    child.v6.daddr = (req.peer6 ?? NO_ADDRESS).slice();
    child.v6.scope_id = needsScopeId6(child.v6.daddr) ? req.iif : 0;
  }

  tcp_v6_err(skb: SkBuff, inner: Gpa, th: Gpa, type: number, code: number, info: number): void {
    const { tcp, ipv6 } = this.kernel;
    const { ram } = this.kernel.skb;
    const dev = skb.dev as NetDevice;
    const n4 = ipv4Net(dev.net);
    const peer = ipv6.icmp.readAddr((inner + 24) as Gpa);
    const own = ipv6.icmp.readAddr((inner + 8) as Gpa);
    const found = tcp.hash.__inet6_lookup_established(dev.net, peer, ram.u16be(th + 2), own, ram.u16be(th), skb.skb_iif || dev.ifindex);
    if (found === undefined) n4.mib.icmp6[ICMP6STATS.InErrors]++;
    if (found === undefined || found.kind === 'timewait') return;
    const seq = ram.u32be(th + 4);
    const [err, fatal] = icmpv6_err_convert(type, code);
    if (found.kind === 'request') {
      const req = found as TcpRequestSock;
      if (seq !== req.snt_isn) n4.mib.tcpExt[TCPEXT.OutOfWindowIcmps]++;
      else if (fatal) tcp.mini.inet_csk_reqsk_queue_drop(req);
      return;
    }
    const sk = found as TcpSock;
    if (!between(seq, sk.snd_una, sk.snd_nxt)) {
      n4.mib.tcpExt[TCPEXT.OutOfWindowIcmps]++;
      return;
    }
    if (type === ICMPV6.PKT_TOOBIG) return tcp.mtuReduced(sk, info);
    tcp.reportError(sk, err, sk.v6?.recverr === true);
  }
}

/** Partial sum of an address. */
function addressSum(a: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 16; i += 2) sum += (a[i] << 8) | a[i + 1];
  return sum;
}
