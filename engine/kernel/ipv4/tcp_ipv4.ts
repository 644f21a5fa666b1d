// TCP over IPv4: segments in and out, connecting, errors from ICMP (Linux: net/ipv4/tcp_ipv4.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, pseudoHeaderSum } from '../../wire/checksum.ts';
import { ICMP, ICMP_UNREACH, IPPROTO, IP_DF, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { RTCF, RTN } from '../rtnl_records.ts';
import { __skb_push, skb_network_header, skb_reset_network_header, skb_transport_header } from '../skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, PACKET_HOST, type SkBuff } from '../skbuff.ts';
import { IP_PMTUDISC } from '../sock.ts';
import { Flow4 } from './fib_table.ts';
import { ICMP_ERR_CONVERT } from './icmp.ts';
import type { IpSend } from './ip_output.ts';
import { ipv4Net } from './ipv4_net.ts';
import { ICMPSTATS, IPSTATS, TCPEXT, TCPSTATS } from './mib.ts';
import type { Rtable } from './route.ts';
import type { TcpAf } from './tcp_af.ts';
import { TCPHDR, TCP_SKB_CB, between, newTcb, seqAdd } from './tcp_skb.ts';
import { type TcpHashed, TcpRequestSock, type TcpSock, type TcpTimewaitSock } from './tcp_sock.ts';
import { ICSK_TIME, TCP, TCPF } from './tcp_states.ts';
import { TCP_TW } from './tcp_minisocks.ts';

export class TcpIpv4 implements TcpAf {
  readonly mss_clamp = 536;
  private readonly flow = new Flow4();
  constructor(readonly kernel: Kernel) {}

  /** The cached route, or a new one; -errno when there is none. */
  private route(sk: TcpSock): Rtable | number {
    const { dst } = sk;
    if (dst !== undefined && dst.genid === ipv4Net(sk.net).rtGenid) return dst;
    const rt = this.lookup(sk.net, sk.daddr, sk.saddr, sk.bound_dev_if, sk.tos, sk.mark);
    if (typeof rt !== 'number') sk.dst = rt;
    return rt;
  }
  private lookup(net: Net, daddr: number, saddr: number, oif: number, tos: number, mark: number): Rtable | number {
    const f = this.flow;
    f.daddr = daddr;
    f.saddr = saddr;
    f.oif = oif;
    f.tos = tos & 0x1c;
    f.scope = 0;
    f.mark = mark;
    f.proto = IPPROTO.TCP;
    f.anysrc = false;
    return this.kernel.ipv4.route.ip_route_output_flow(net, f);
  }

  mtu(sk: TcpSock): number {
    const rt = this.route(sk);
    return typeof rt === 'number' ? 0 : this.kernel.ipv4.route.dst_mtu(rt);
  }
  advmss(sk: TcpSock): number {
    const rt = this.route(sk);
    return typeof rt === 'number' ? 536 : this.advmssOf(sk.net, rt);
  }
  private advmssOf(net: Net, rt: Rtable): number {
    // RTAX_ADVMSS
    const set = rt.info?.metrics?.get(8);
    return set ?? Math.min(Math.max(this.kernel.ipv4.route.dst_mtu(rt) - 40, ipv4Net(net).routeSysctl.min_adv_mss), 65535 - 40);
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
    const n = sk.dst?.neigh;
    if (n !== undefined) n.confirmed = this.kernel.now();
  }
  unicast(skb: SkBuff): boolean {
    return ((skb.dst as Rtable).rt_flags & (RTCF.BROADCAST | RTCF.MULTICAST)) === 0;
  }

  queue_xmit(sk: TcpSock, skb: SkBuff, ect: boolean): number {
    const { ram } = this.kernel.skb;
    const { ipv4 } = this.kernel;
    const rt = this.route(sk);
    if (typeof rt === 'number') {
      ipv4Net(sk.net).mib.ip[IPSTATS.OutNoRoutes]++;
      this.kernel.skb.kfree_skb_reason(skb, 'IP_OUTNOROUTES');
      return -Errno.EHOSTUNREACH;
    }
    const segs = Math.max(1, this.kernel.skb.gso_segs(skb));
    const at = __skb_push(skb, 20);
    skb_reset_network_header(skb);
    const df = sk.pmtudisc !== IP_PMTUDISC.DONT && !(sk.pmtudisc === IP_PMTUDISC.WANT && ipv4.route.mtuLocked(rt));
    const ttl = sk.uc_ttl >= 0 ? sk.uc_ttl : ipv4Net(sk.net).sysctl.ip_default_ttl;
    const tos = (sk.tos & 0xfc) | (ect ? 2 : 0);
    ram.setU32be(at, ((0x45 << 24) | (tos << 16)) >>> 0);
    ram.setU32be(at + 4, ((sk.inet_id << 16) | (df ? IP_DF : 0)) >>> 0);
    ram.setU32be(at + 8, ((ttl << 24) | (IPPROTO.TCP << 16)) >>> 0);
    ram.setU32be(at + 12, sk.saddr);
    ram.setU32be(at + 16, sk.daddr);
    sk.inet_id = (sk.inet_id + segs) & 0xffff;
    skb.dst = rt;
    skb.dev = rt.dev;
    skb.cb0 = skb.cb1 = 0;
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    return ipv4.output.ip_local_out(sk.net, skb);
  }
  send_check(sk: TcpSock, skb: SkBuff): void {
    this.__tcp_v4_send_check(skb, sk.saddr, sk.daddr);
  }
  __tcp_v4_send_check(skb: SkBuff, saddr: number, daddr: number): void {
    skb.csum_start = skb.transport_header;
    skb.csum_offset = 16;
    this.kernel.skb.ram.setU16be(skb_transport_header(skb) + 16, ~csumFold(pseudoHeaderSum(saddr, daddr, IPPROTO.TCP, skb.len)) & 0xffff);
  }

  /** Starts a connection from a socket; 0 when the SYN is on its way, or -errno. */
  tcp_v4_connect(sk: TcpSock, daddr: number, port: number): number {
    const { tcp } = this.kernel;
    const n4 = ipv4Net(sk.net);
    sk.wire6 = false;
    const rt = this.lookup(sk.net, daddr, sk.saddr, sk.bound_dev_if, sk.tos, sk.mark);
    if (typeof rt === 'number') {
      if (rt === -Errno.ENETUNREACH) n4.mib.ip[IPSTATS.OutNoRoutes]++;
      return rt;
    }
    if ((rt.rt_flags & (RTCF.MULTICAST | RTCF.BROADCAST)) !== 0) return -Errno.ENETUNREACH;
    const f = this.flow;
    if (sk.saddr === 0) sk.saddr = sk.rcv_saddr = f.saddr;
    else if (sk.rcv_saddr === 0) sk.rcv_saddr = sk.saddr;
    sk.daddr = f.daddr;
    sk.dport = port;
    sk.ext_hdr_len = 0;
    sk.rx_opt.mss_clamp = 536;
    sk.write_seq = 0;
    tcp.user.tcp_set_state(sk, TCP.SYN_SENT);
    const err = tcp.hash.inet_hash_connect(sk);
    if (err !== 0) {
      tcp.user.tcp_set_state(sk, TCP.CLOSE);
      sk.dport = 0;
      return err;
    }
    sk.connected = true;
    sk.dst = rt;
    if (sk.v6 !== undefined) this.mapped(sk);
    if (sk.write_seq === 0) sk.write_seq = tcp.secureSeq(sk);
    sk.tsoffset = tcp.secureTsOff(sk);
    sk.inet_id = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:inet_id`).u32() & 0xffff;
    const sent = tcp.out.tcp_connect(sk);
    if (sent < 0) {
      tcp.user.tcp_set_state(sk, TCP.CLOSE);
      sk.dport = 0;
      sk.connected = false;
      return sent;
    }
    return 0;
  }
  /** The IPv6 view of IPv4 addresses. */
  private mapped(sk: TcpSock): void {
    if (sk.v6 === undefined) return;
    sk.v6.saddr = mapped6(sk.saddr);
    sk.v6.rcv_saddr = mapped6(sk.rcv_saddr);
    sk.v6.daddr = mapped6(sk.daddr);
  }

  tcp_v4_rcv(skb: SkBuff): number {
    const { skb: skbs, tcp } = this.kernel;
    const { ram } = skbs;
    const { net, ifindex } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    this.kernel.charge(this.kernel.platform.costs.transport);
    if (skb.pkt_type !== PACKET_HOST) {
      skbs.kfree_skb_reason(skb, 'NOT_SPECIFIED');
      return 0;
    }
    n4.mib.tcp[TCPSTATS.InSegs]++;
    if (!skbs.pskb_may_pull(skb, 20)) return this.bad(skb, net, 'PKT_TOO_SMALL');
    let th = skb_transport_header(skb);
    const header = (ram.u8(th + 12) >> 4) * 4;
    if (header < 20 || !skbs.pskb_may_pull(skb, header)) return this.bad(skb, net, 'PKT_TOO_SMALL');
    th = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    const saddr = ram.u32be(iph + 12);
    const daddr = ram.u32be(iph + 16);
    if (!this.tcp_v4_checksum_ok(skb, saddr, daddr)) {
      n4.mib.tcp[TCPSTATS.InCsumErrors]++;
      return this.bad(skb, net, 'TCP_CSUM');
    }
    const ports = ram.u32be(th);
    const sport = ports >>> 16;
    const dport = ports & 0xffff;
    fillCb(skb, ram.u32be(th + 4), ram.u32be(th + 8), ram.u8(th + 13), skb.len - header);
    for (;;) {
      const found: TcpHashed | undefined =
        tcp.hash.__inet_lookup_established(net, saddr, sport, daddr, dport, ifindex) ??
        tcp.hash.__inet_lookup_listener(net, saddr, sport, daddr, dport, ifindex);
      if (found === undefined) {
        this.send_reset(undefined, skb);
        skbs.kfree_skb_reason(skb, 'NO_SOCKET');
        return 0;
      }
      if (found.kind === 'timewait') {
        const again = this.tcp_v4_timewait(found as TcpTimewaitSock, skb, () =>
          tcp.hash.__inet_lookup_listener(net, saddr, sport, daddr, dport, ifindex),
        );
        if (!again) return 0;
        continue;
      }
      if (found.kind === 'request') {
        if (tcp.requestRcv(this, found as TcpRequestSock, skb)) continue;
        return 0;
      }
      tcp.sockRcv(this, found as TcpSock, skb, skb.len - header);
      return 0;
    }
  }

  private tcp_v4_timewait(tw: TcpTimewaitSock, skb: SkBuff, listener: () => TcpSock | undefined): boolean {
    const { tcp, skb: skbs } = this.kernel;
    switch (tcp.mini.tcp_timewait_state_process(tw, skb)) {
      case TCP_TW.SYN: {
        if (listener() !== undefined) {
          tcp.mini.inet_twsk_kill(tw);
          return true;
        }
        this.timewaitAck(tw);
        break;
      }
      case TCP_TW.ACK:
        this.timewaitAck(tw);
        break;
      case TCP_TW.RST:
        this.send_reset(undefined, skb);
        tcp.mini.inet_twsk_kill(tw);
        break;
      default:
    }
    skbs.consume_skb(skb);
    return false;
  }
  private timewaitAck(tw: TcpTimewaitSock): void {
    const w = this.kernel.tcp.out.options;
    const now = Math.floor(this.kernel.now() / 1e6);
    const optlen = w.timestampOnly((now + tw.ts_offset) >>> 0, tw.ts_recent, tw.ts_recent_stamp !== 0);
    this.control(
      tw.net,
      tw.rcv_saddr,
      tw.daddr,
      tw.num,
      tw.dport,
      tw.snd_nxt,
      tw.rcv_nxt,
      TCPHDR.ACK,
      Math.floor(tw.rcv_wnd / 2 ** tw.rcv_wscale),
      optlen,
      tw.tos,
    );
  }

  private tcp_v4_checksum_ok(skb: SkBuff, saddr: number, daddr: number): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
    const pseudo = pseudoHeaderSum(saddr, daddr, IPPROTO.TCP, skb.len);
    if (skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum + pseudo) === 0) return true;
    return csumFold(this.kernel.skb.skb_checksum(skb, 0, skb.len, pseudo)) === 0;
  }
  private bad(skb: SkBuff, net: Net, reason: 'PKT_TOO_SMALL' | 'TCP_CSUM'): number {
    ipv4Net(net).mib.tcp[TCPSTATS.InErrs]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return 0;
  }

  /** A segment that belongs to no full socket. Addresses and ports are ours first. */
  private control(
    net: Net,
    saddr: number,
    daddr: number,
    sport: number,
    dport: number,
    seq: number,
    ack: number,
    flags: number,
    window: number,
    optlen: number,
    tos: number,
  ): void {
    const { ipv4, tcp } = this.kernel;
    const { ram } = this.kernel.skb;
    const rt = this.lookup(net, daddr, saddr, 0, tos, 0);
    if (typeof rt === 'number') return;
    const send: IpSend = {
      net,
      rt,
      saddr,
      daddr,
      protocol: IPPROTO.TCP,
      tos: tos & 0xfc,
      ttl: 0,
      pmtudisc: IP_PMTUDISC.DO,
      opt: undefined,
      sk: undefined,
      connected: false,
      mark: 0,
      priority: 0,
    };
    const skb = ipv4.output.ip_make_skb(send, 20 + optlen, NO_DATA);
    if (skb === undefined) return;
    const th = skb_transport_header(skb);
    ram.setU32be(th, ((sport << 16) | dport) >>> 0);
    ram.setU32be(th + 4, seq);
    ram.setU32be(th + 8, ack);
    ram.setU32be(th + 12, ((((20 + optlen) >> 2) << 28) | (flags << 16) | Math.min(window, 65535)) >>> 0);
    ram.setU32be(th + 16, 0);
    tcp.out.options.tcp_options_write(th + 20, undefined);
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.transport_header;
    skb.csum_offset = 16;
    ram.setU16be(th + 16, ~csumFold(pseudoHeaderSum(saddr, daddr, IPPROTO.TCP, 20 + optlen)) & 0xffff);
    ipv4Net(net).mib.tcp[TCPSTATS.OutSegs]++;
    ipv4.output.ip_send_skb(net, skb);
  }

  /** RFC 9293 §3.10.7.1: the answer to a segment that has no place here. */
  send_reset(_sk: TcpSock | undefined, skb: SkBuff): void {
    const { ram } = this.kernel.skb;
    const cb = TCP_SKB_CB(skb);
    const th = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    if ((cb.tcp_flags & TCPHDR.RST) !== 0 || (skb.dst as Rtable).rt_type !== RTN.LOCAL) return;
    const { net } = skb.dev as NetDevice;
    const hasAck = (cb.tcp_flags & TCPHDR.ACK) !== 0;
    ipv4Net(net).mib.tcp[TCPSTATS.OutRsts]++;
    this.kernel.tcp.out.options.timestampOnly(0, 0, false);
    this.control(
      net,
      ram.u32be(iph + 16),
      ram.u32be(iph + 12),
      ram.u16be(th + 2),
      ram.u16be(th),
      hasAck ? cb.ack_seq : 0,
      hasAck ? 0 : cb.end_seq,
      hasAck ? TCPHDR.RST : TCPHDR.RST | TCPHDR.ACK,
      0,
      0,
      0,
    );
  }
  reqsk_send_ack(req: TcpRequestSock): void {
    const now = Math.floor(this.kernel.now() / 1e6);
    const optlen = this.kernel.tcp.out.options.timestampOnly((now + req.ts_off) >>> 0, req.ts_recent, req.tstamp_ok);
    const window = Math.floor(req.rsk_rcv_wnd / 2 ** req.rcv_wscale);
    this.control(
      req.net,
      req.rcv_saddr,
      req.daddr,
      req.num,
      req.dport,
      seqAdd(req.snt_isn, 1),
      req.rcv_nxt,
      TCPHDR.ACK,
      window,
      optlen,
      req.tos,
    );
  }
  send_synack(req: TcpRequestSock): void {
    const { out } = this.kernel.tcp;
    const mss = out.tcp_mss_clamp(req.listener, this.requestAdvmss(req));
    const optlen = out.options.tcp_synack_options(req, mss, Math.floor(this.kernel.now() / 1e6));
    const flags = TCPHDR.SYN | TCPHDR.ACK | (req.ecn_ok ? TCPHDR.ECE : 0);
    this.control(
      req.net,
      req.rcv_saddr,
      req.daddr,
      req.num,
      req.dport,
      req.snt_isn,
      req.rcv_nxt,
      flags,
      Math.min(req.rsk_rcv_wnd, 65535),
      optlen,
      req.listener.tos,
    );
  }

  newRequest(listener: TcpSock, skb: SkBuff): TcpRequestSock {
    const { ram } = this.kernel.skb;
    const iph = skb_network_header(skb);
    const th = skb_transport_header(skb);
    const req = new TcpRequestSock(listener.net, listener.family, false, listener, this.kernel.tcp.timer, undefined, undefined);
    req.daddr = ram.u32be(iph + 12);
    req.rcv_saddr = ram.u32be(iph + 16);
    req.dport = ram.u16be(th);
    req.num = ram.u16be(th + 2);
    req.bound_dev_if = listener.bound_dev_if;
    req.iif = (skb.dev as NetDevice).ifindex;
    return req;
  }
  requestAdvmss(req: TcpRequestSock): number {
    const rt = this.lookup(req.net, req.daddr, req.rcv_saddr, req.bound_dev_if, req.tos, req.mark);
    return typeof rt === 'number' ? 0 : this.advmssOf(req.net, rt);
  }
  setChildAddresses(child: TcpSock, listener: TcpSock, req: TcpRequestSock): void {
    child.wire6 = false;
    child.saddr = child.rcv_saddr = req.rcv_saddr;
    child.daddr = req.daddr;
    if (listener.family === 10) this.mapped(child);
    child.inet_id = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:inet_id`).u32() & 0xffff;
  }

  /** An ICMP error about a segment of ours (RFC 5927). */
  tcp_v4_err(skb: SkBuff, inner: Gpa, type: number, code: number, info: number): void {
    const { ram } = this.kernel.skb;
    const { tcp } = this.kernel;
    const { net, ifindex } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    const th = inner + (ram.u8(inner) & 15) * 4;
    const found = tcp.hash.__inet_lookup_established(
      net,
      IpHdr.daddr.get(ram, inner),
      ram.u16be(th + 2),
      IpHdr.saddr.get(ram, inner),
      ram.u16be(th),
      ifindex,
    );
    if (found === undefined) n4.mib.icmp[ICMPSTATS.InErrors]++;
    if (found === undefined || found.kind === 'timewait') return;
    const seq = ram.u32be(th + 4);
    if (found.kind === 'request') {
      const req = found as TcpRequestSock;
      if (seq !== req.snt_isn) n4.mib.tcpExt[TCPEXT.OutOfWindowIcmps]++;
      else if (type === ICMP.PARAMETERPROB || type === ICMP.TIME_EXCEEDED || (code !== ICMP_UNREACH.FRAG_NEEDED && code <= 15))
        tcp.mini.inet_csk_reqsk_queue_drop(req);
      return;
    }
    const sk = found as TcpSock;
    if (!between(seq, sk.snd_una, sk.snd_nxt)) {
      n4.mib.tcpExt[TCPEXT.OutOfWindowIcmps]++;
      return;
    }
    let err: number;
    if (type === ICMP.PARAMETERPROB) err = Errno.EPROTO;
    else if (type === ICMP.TIME_EXCEEDED) err = Errno.EHOSTUNREACH;
    else if (type === ICMP.DEST_UNREACH) {
      if (code > 15) return;
      if (code === ICMP_UNREACH.FRAG_NEEDED) return tcp.mtuReduced(sk, info);
      [err] = ICMP_ERR_CONVERT[code];
      if (code <= ICMP_UNREACH.HOST) this.tcp_ld_RTO_revert(sk, seq);
    } else return;
    tcp.reportError(sk, err, sk.recverr);
  }

  /** RFC 6069: a timer that doubled because the way was broken goes back a step. */
  tcp_ld_RTO_revert(sk: TcpSock, seq: number): void {
    const { tcp } = this.kernel;
    const head = sk.rtx_queue.first;
    if (seq !== sk.snd_una || sk.retransmits === 0 || sk.backoff === 0 || head === undefined) return;
    if (((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) !== 0) return;
    sk.backoff--;
    sk.rto = (sk.srtt_us !== 0 ? tcp.rtt.__tcp_set_rto(sk) : 1e9) * 2 ** sk.backoff;
    tcp.out.tcp_mstamp_refresh(sk);
    const left = sk.rto - (sk.tcp_mstamp - TCP_SKB_CB(head).mstamp) * 1000;
    if (left > 0) tcp.timer.inet_csk_reset_xmit_timer(sk, ICSK_TIME.RETRANS, left);
    else tcp.timer.tcp_retransmit_timer(sk);
  }
}

const NO_DATA = new Uint8Array(0);
export const mapped6 = (a: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255);

/** Notes on a received segment (Linux: tcp_v4_fill_cb()). */
export function fillCb(skb: SkBuff, seq: number, ack: number, flags: number, length: number): void {
  const cb = newTcb(skb);
  cb.seq = seq;
  cb.end_seq = seqAdd(seq, length + ((flags & TCPHDR.SYN) !== 0 ? 1 : 0) + (flags & TCPHDR.FIN));
  cb.ack_seq = ack;
  cb.tcp_flags = flags;
}
