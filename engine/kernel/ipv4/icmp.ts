// ICMP: echo, timestamps, errors sent and received, rate limits (Linux: net/ipv4/icmp.c; RFC 792, RFC 1122 §3.2.2).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ICMP, ICMP_UNREACH, IPPROTO, IP_OFFSET, IcmpHdr, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import { RTCF, RTN, RT_SCOPE } from '../rtnl_records.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, PACKET_HOST, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { IP_PMTUDISC } from '../sock.ts';
import { Flow4 } from './fib_table.ts';
import { IpOptions } from './ip_options.ts';
import type { IpSend } from './ip_output.ts';
import { ipv4Net, type Ipv4Net } from './ipv4_net.ts';
import { ICMPSTATS } from './mib.ts';
import type { Rtable } from './route.ts';

/** Errno and severity of destination unreachable, by code (Linux: icmp_err_convert). */
export const ICMP_ERR_CONVERT: readonly (readonly [errno: number, fatal: boolean])[] = Object.freeze([
  [Errno.ENETUNREACH, false],
  [Errno.EHOSTUNREACH, false],
  [Errno.ENOPROTOOPT, true],
  [Errno.ECONNREFUSED, true],
  [Errno.EMSGSIZE, false],
  [Errno.EOPNOTSUPP, false],
  [Errno.ENETUNREACH, true],
  [Errno.EHOSTDOWN, true],
  [Errno.ENONET, true],
  [Errno.ENETUNREACH, true],
  [Errno.EHOSTUNREACH, true],
  [Errno.ENETUNREACH, false],
  [Errno.EHOSTUNREACH, false],
  [Errno.EHOSTUNREACH, true],
  [Errno.EHOSTUNREACH, true],
  [Errno.EHOSTUNREACH, true],
]);

const XRLIM_BURST_FACTOR = 6;

export class Icmp {
  private readonly flow = new Flow4();

  constructor(readonly kernel: Kernel) {}

  icmp_rcv(skb: SkBuff): number {
    const { skb: skbs } = this.kernel;
    const { net } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    const { mib } = n4;
    this.kernel.charge(this.kernel.platform.costs.transport);
    mib.icmp[ICMPSTATS.InMsgs]++;
    if (!this.checksumOk(skb)) {
      mib.icmp[ICMPSTATS.InCsumErrors]++;
      mib.icmp[ICMPSTATS.InErrors]++;
      skbs.kfree_skb_reason(skb, 'ICMP_CSUM');
      return 1;
    }
    if (!skbs.pskb_may_pull(skb, IcmpHdr.$size)) {
      mib.icmp[ICMPSTATS.InErrors]++;
      skbs.kfree_skb_reason(skb, 'NOT_SPECIFIED');
      return 1;
    }
    const at = skb_transport_header(skb);
    const type = skbs.ram.u8(at);
    mib.icmpIn[type]++;
    __skb_pull(skb, IcmpHdr.$size);
    const rt = skb.dst as Rtable;
    if ((rt.rt_flags & (RTCF.BROADCAST | RTCF.MULTICAST)) !== 0) {
      const echo = type === ICMP.ECHO || type === ICMP.TIMESTAMP;
      if ((echo && n4.sysctl.icmp_echo_ignore_broadcasts !== 0) || (!echo && type !== ICMP.ECHOREPLY && type !== 17 && type !== 18)) {
        mib.icmp[ICMPSTATS.InErrors]++;
        skbs.kfree_skb_reason(skb, 'INVALID_PROTO');
        return 1;
      }
    }
    switch (type) {
      case ICMP.ECHO:
        this.icmp_echo(skb, n4);
        break;
      case ICMP.ECHOREPLY:
        if (n4.ping.size > 0) this.kernel.ipv4.ping.ping_rcv(skb);
        break;
      case ICMP.TIMESTAMP:
        this.icmp_timestamp(skb);
        break;
      case ICMP.DEST_UNREACH:
      case ICMP.TIME_EXCEEDED:
      case ICMP.PARAMETERPROB:
      case 4:
        this.icmp_unreach(skb, n4, type);
        break;
      case ICMP.REDIRECT:
        this.icmp_redirect(skb, n4);
        break;
      default:
        if (type > 18) {
          mib.icmp[ICMPSTATS.InErrors]++;
          skbs.kfree_skb_reason(skb, 'UNHANDLED_PROTO');
          return 1;
        }
    }
    skbs.consume_skb(skb);
    return 0;
  }

  private checksumOk(skb: SkBuff): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY) return true;
    const { skb: skbs } = this.kernel;
    this.kernel.charge(((skb.len + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    if (skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum) === 0) return true;
    if (skb.ip_summed === CHECKSUM_PARTIAL) return true;
    return csumFold(skbs.skb_checksum(skb, 0, skb.len, 0)) === 0;
  }

  icmp_echo(skb: SkBuff, n4: Ipv4Net): void {
    if (n4.sysctl.icmp_echo_ignore_all === 0) this.icmp_reply(skb, ICMP.ECHOREPLY, undefined);
  }

  /** RFC 1122 §3.2.2.8: originate, receive and transmit times. */
  icmp_timestamp(skb: SkBuff): void {
    if (skb.len < 4) return;
    const now = this.kernel.ipv4.options.inet_current_timestamp();
    const body = new Uint8Array(12);
    this.kernel.skb.copyToArray(skb, 0, body, 0, 4);
    const view = new DataView(body.buffer);
    view.setUint32(4, now);
    view.setUint32(8, now);
    this.icmp_reply(skb, ICMP.TIMESTAMPREPLY, body);
  }

  /** Answers the sender: `body` follows the 8 bytes of header, or the request's own data. */
  icmp_reply(skb: SkBuff, type: number, body: Uint8Array | undefined): void {
    const { ipv4, skb: skbs } = this.kernel;
    const { ram } = skbs;
    const rt = skb.dst as Rtable;
    const { net } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    const iph = skb_network_header(skb);
    const saddr = IpHdr.saddr.get(ram, iph);
    const f = this.flow;
    f.daddr = saddr;
    // a reply to broadcast or multicast comes from the address of the device
    f.saddr = rt.rt_type === RTN.LOCAL ? IpHdr.daddr.get(ram, iph) : 0;
    f.tos = 0;
    f.oif = 0;
    f.mark = f.scope = 0;
    f.proto = IPPROTO.ICMP;
    const options = this.optionsOf(skb);
    const opt = options === undefined ? undefined : ipv4.options.ip_options_echo(net, options);
    const out = ipv4.route.ip_route_output_flow(net, f);
    if (typeof out === 'number' || !this.icmpv4_xrlim_allow(n4, out, type, 0)) return;
    const data = body ?? this.bytesOf(skb);
    const request = skb_transport_header(skb);
    const send: IpSend = {
      net,
      rt: out,
      saddr: f.saddr,
      daddr: saddr,
      protocol: IPPROTO.ICMP,
      tos: ram.u8(iph + 1) & 0xff,
      ttl: 0,
      pmtudisc: IP_PMTUDISC.DONT,
      opt,
      sk: undefined,
      connected: false,
      mark: 0,
      priority: 0,
    };
    this.icmp_push_reply(n4, send, type, 0, ram.u32be(request + 4), data, skb.id);
  }

  private bytesOf(skb: SkBuff): Uint8Array {
    const data = new Uint8Array(skb.len);
    this.kernel.skb.copyToArray(skb, 0, data, 0, skb.len);
    return data;
  }

  private optionsOf(skb: SkBuff): IpOptions | undefined {
    const { ram } = this.kernel.skb;
    const iph = skb_network_header(skb);
    const hlen = (ram.u8(iph) & 15) * 4;
    if (hlen === 20) return undefined;
    const bytes = new Uint8Array(hlen - 20);
    ram.read(iph + 20, bytes, 0, bytes.length);
    const opt = new IpOptions(bytes);
    // the request was compiled on arrival: its pointers are past what we wrote
    for (let at = 0; at < bytes.length && bytes[at] !== 0; at += bytes[at] === 1 ? 1 : Math.max(2, bytes[at + 1])) {
      if (bytes[at] === 7) {
        opt.rr = at;
        opt.rr_needaddr = bytes[at + 2] <= bytes[at + 1];
      } else if (bytes[at] === 68) {
        opt.ts = at;
        opt.ts_needtime = true;
        opt.ts_needaddr = (bytes[at + 3] & 15) === 1;
      }
    }
    return opt;
  }

  icmp_push_reply(n4: Ipv4Net, send: IpSend, type: number, code: number, word: number, data: Uint8Array, parent: number): void {
    const { output } = this.kernel.ipv4;
    const { ram } = this.kernel.skb;
    const skb = output.checkLength(send, data.length + 8) < 0 ? undefined : output.ip_make_skb(send, 8, data);
    if (skb === undefined) {
      n4.mib.icmp[ICMPSTATS.OutErrors]++;
      return;
    }
    skb.parent = parent;
    const at = skb_transport_header(skb);
    ram.setU32be(at, (type << 24) | (code << 16));
    ram.setU32be(at + 4, word);
    ram.setU16be(at + 2, csumFold(csumPartial(ram, at, data.length + 8)));
    this.kernel.charge(((data.length + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    n4.mib.icmp[ICMPSTATS.OutMsgs]++;
    n4.mib.icmpOut[type]++;
    output.ip_send_skb(send.net, skb);
  }

  /** Sends an error about a packet, within the rules of RFC 1122 §3.2.2 and the rate limits. `info` is the header's second word. */
  __icmp_send(skb: SkBuff, type: number, code: number, info: number): void {
    const { ipv4, skb: skbs } = this.kernel;
    const { ram } = skbs;
    const rt = skb.dst as Rtable | undefined;
    if (rt === undefined || skb.network_header < 0) return;
    const { net } = rt.rt_is_input ? (skb.dev as NetDevice) : rt.dev;
    const n4 = ipv4Net(net);
    const iph = skb_network_header(skb);
    const source = IpHdr.saddr.get(ram, iph);
    const daddr = IpHdr.daddr.get(ram, iph);
    if (skb.pkt_type !== PACKET_HOST) return;
    if ((rt.rt_flags & (RTCF.BROADCAST | RTCF.MULTICAST)) !== 0) return;
    if ((IpHdr.frag_off.get(ram, iph) & IP_OFFSET) !== 0) return;
    if (IpHdr.protocol.get(ram, iph) === IPPROTO.ICMP) {
      const inner = skbs.networkByte(skb, (ram.u8(iph) & 15) * 4);
      if (
        inner === undefined ||
        inner === ICMP.DEST_UNREACH ||
        inner === ICMP.REDIRECT ||
        inner === ICMP.TIME_EXCEEDED ||
        inner === ICMP.PARAMETERPROB ||
        inner === 4
      )
        return;
    }
    // only errors about lookups to loopback escape the global limit; path MTU messages always do
    const exempt = type === ICMP.DEST_UNREACH && code === ICMP_UNREACH.FRAG_NEEDED;
    const limited = !exempt && (n4.sysctl.icmp_ratemask & (1 << type)) !== 0;
    if (limited && (rt.dev.flags & IFF.LOOPBACK) === 0 && !this.icmp_global_allow(n4)) {
      n4.mib.icmp[ICMPSTATS.OutRateLimitGlobal]++;
      return;
    }
    let saddr = daddr;
    if ((rt.rt_flags & RTCF.LOCAL) === 0) {
      const from = rt.rt_is_input && n4.sysctl.icmp_errors_use_inbound_ifaddr !== 0 ? skb.dev : undefined;
      saddr = from === undefined ? 0 : ipv4.devinet.inet_select_addr(from, source, RT_SCOPE.LINK);
    }
    const f = this.flow;
    f.daddr = source;
    f.saddr = saddr;
    f.oif = f.mark = f.scope = f.tos = 0;
    f.proto = IPPROTO.ICMP;
    const out = ipv4.route.ip_route_output_flow(net, f);
    if (typeof out === 'number') return;
    if (limited && !this.icmpv4_xrlim_allow(n4, out, type, code)) {
      n4.mib.icmp[ICMPSTATS.OutRateLimitHost]++;
      return;
    }
    const tos = (ram.u8(iph + 1) & 0x1e) | 0xc0;
    const room = Math.min(ipv4.route.dst_mtu(out), 576) - 28;
    const length = Math.min(skb.len + (skb.data - iph), room);
    const data = new Uint8Array(length);
    const before = Math.min(skb.data - iph, length);
    ram.read(iph, data, 0, before);
    if (length > before) skbs.copyToArray(skb, 0, data, before, length - before);
    const send: IpSend = {
      net,
      rt: out,
      saddr: f.saddr,
      daddr: source,
      protocol: IPPROTO.ICMP,
      tos,
      ttl: 0,
      pmtudisc: IP_PMTUDISC.DONT,
      opt: undefined,
      sk: undefined,
      connected: false,
      mark: 0,
      priority: 0,
    };
    const word = type === ICMP.DEST_UNREACH && code === ICMP_UNREACH.FRAG_NEEDED ? info & 0xffff : info;
    this.icmp_push_reply(n4, send, type, code, word, data, skb.id);
  }

  /** The whole machine's limit: icmp_msgs_per_sec with bursts of icmp_msgs_burst. */
  icmp_global_allow(n4: Ipv4Net): boolean {
    const now = this.kernel.now();
    const elapsed = Math.min(now - n4.icmpStamp, 1e9);
    if (n4.icmpStamp === 0) n4.icmpCredit = n4.sysctl.icmp_msgs_burst;
    else if (elapsed >= 20e6)
      n4.icmpCredit = Math.min(n4.icmpCredit + Math.floor((n4.sysctl.icmp_msgs_per_sec * elapsed) / 1e9), n4.sysctl.icmp_msgs_burst);
    if (n4.icmpStamp === 0 || elapsed >= 20e6) n4.icmpStamp = now;
    if (n4.icmpCredit <= 0) return false;
    n4.icmpCredit--;
    return true;
  }

  /** Per destination: one per icmp_ratelimit ms, bursts of six. */
  icmpv4_xrlim_allow(n4: Ipv4Net, rt: Rtable, type: number, code: number): boolean {
    if ((n4.sysctl.icmp_ratemask & (1 << type)) === 0 || (type === ICMP.DEST_UNREACH && code === ICMP_UNREACH.FRAG_NEEDED)) return true;
    if ((rt.dev.flags & IFF.LOOPBACK) !== 0) return true;
    return this.inet_peer_xrlim_allow(n4, rt.daddr, n4.sysctl.icmp_ratelimit * 1e6);
  }

  inet_peer_xrlim_allow({ peers }: Ipv4Net, daddr: number, timeout: number): boolean {
    const now = this.kernel.now();
    let peer = peers.get(daddr);
    if (peer === undefined) {
      if (peers.size > 4096) peers.clear();
      peers.set(daddr, (peer = { tokens: 0, last: now - 60e9 }));
    }
    peer.tokens = Math.min(peer.tokens + (now - peer.last), XRLIM_BURST_FACTOR * timeout);
    peer.last = now;
    if (peer.tokens < timeout) return false;
    peer.tokens -= timeout;
    return true;
  }

  /** An error about a packet of ours: path MTU, then the protocol and the sockets it came from. */
  icmp_unreach(skb: SkBuff, n4: Ipv4Net, type: number): void {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    let info = 0;
    if (!skbs.pskb_may_pull(skb, 28) || (ram.u8(skb.data) & 15) < 5) {
      n4.mib.icmp[ICMPSTATS.InErrors]++;
      return;
    }
    const icmph = skb_transport_header(skb);
    const code = ram.u8(icmph + 1);
    const inner = skb.data;
    const protocol = IpHdr.protocol.get(ram, inner);
    if (type === ICMP.DEST_UNREACH) {
      if ((code & 15) === ICMP_UNREACH.FRAG_NEEDED && n4.sysctl.ip_no_pmtu_disc === 0) info = ram.u16be(icmph + 6);
      if (code > 15) return;
    } else if (type === ICMP.PARAMETERPROB) info = ram.u8(icmph + 4);
    if (info !== 0 && type === ICMP.DEST_UNREACH)
      ipv4.route.ipv4_update_pmtu(n4.net, IpHdr.daddr.get(ram, inner), IpHdr.saddr.get(ram, inner), info);
    if (ipv4.devinet.inet_lookup_ifaddr_rcu(n4.net, IpHdr.daddr.get(ram, inner)) && n4.sysctl.icmp_ignore_bogus_error_responses === 0)
      this.kernel.printk.pr_warn(`${(skb.dev as NetDevice).name}: sent an invalid ICMP type ${type}, code ${code} error`);
    this.icmp_socket_deliver(skb, n4, protocol, inner, type, code, info);
  }

  icmp_socket_deliver(skb: SkBuff, n4: Ipv4Net, protocol: number, inner: Gpa, type: number, code: number, info: number): void {
    const { ipv4 } = this.kernel;
    if (n4.raw.length > 0) ipv4.raw.raw_icmp_error(skb, protocol, inner, type, code, info);
    if (protocol === IPPROTO.TCP) this.kernel.tcp.v4.tcp_v4_err(skb, inner, type, code, info);
    else if (protocol === IPPROTO.UDP) ipv4.udp.udp_err(skb, inner, type, code, info);
    else if (protocol === IPPROTO.ICMP && n4.ping.size > 0) ipv4.ping.ping_err(skb, inner, type, code, info);
  }

  /** RFC 792: a better gateway. Taken from the current one only, and only on its link. */
  icmp_redirect(skb: SkBuff, n4: Ipv4Net): void {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    if (!skbs.pskb_may_pull(skb, 20)) {
      n4.mib.icmp[ICMPSTATS.InErrors]++;
      return;
    }
    const gw = ram.u32be(skb_transport_header(skb) + 4);
    const from = IpHdr.saddr.get(ram, skb_network_header(skb));
    const rt = ipv4.route.ip_route_output(n4.net, IpHdr.daddr.get(ram, skb.data), 0, 0);
    if (typeof rt === 'number' || rt.nh === undefined || rt.dev !== dev || rt.rt_gw4 !== from || gw === from) return;
    const cnf = n4.confAll;
    if (ipv4.devinet.inet_select_addr(dev, gw, RT_SCOPE.LINK) === 0 || cnf.accept_redirects === 0) return;
    if (ipv4.fib.inet_addr_type(n4.net, gw) !== RTN.UNICAST || cnf.forwarding !== 0) return;
    rt.nh.exceptions ??= new Map();
    rt.nh.exceptions.set(rt.daddr, { pmtu: 0, mtu_locked: false, gw, expires: this.kernel.now() + 300e9 });
    n4.rtGenid++;
  }
}
