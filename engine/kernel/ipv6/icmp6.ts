// ICMPv6: echo, errors sent and received, rate limits (Linux: net/ipv6/icmp.c; RFC 4443).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ICMPV6, IPPROTO, Icmp6Hdr, Ipv6Hdr } from '../../wire/headers.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { ICMP6STATS } from '../ipv4/mib.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, PACKET_HOST, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { isAny6, isMulticast6, needsScopeId6, v6key } from './in6.ts';
import type { Rt6 } from './ip6_fib.ts';
import { ipv6Net } from './ipv6_net.ts';

/** Errno and severity of an error (Linux: icmpv6_err_convert()). */
export function icmpv6_err_convert(type: number, code: number): [errno: number, fatal: boolean] {
  if (type === ICMPV6.DEST_UNREACH) {
    const table: readonly (readonly [number, boolean])[] = [
      [Errno.ENETUNREACH, false],
      [Errno.EACCES, true],
      [Errno.EHOSTUNREACH, false],
      [Errno.EHOSTUNREACH, false],
      [Errno.ECONNREFUSED, true],
      [Errno.EACCES, true],
      [Errno.EACCES, true],
    ];
    const found = table[code];
    return found === undefined ? [Errno.EPROTO, true] : [found[0], found[1]];
  }
  if (type === ICMPV6.PKT_TOOBIG) return [Errno.EMSGSIZE, false];
  if (type === ICMPV6.TIME_EXCEED) return [Errno.EHOSTUNREACH, false];
  return [Errno.EPROTO, type === 4];
}

export class Icmp6 {
  constructor(readonly kernel: Kernel) {}

  readAddr(at: number): Uint8Array {
    const out = new Uint8Array(16);
    this.kernel.skb.ram.read(at, out, 0, 16);
    return out;
  }

  icmpv6_rcv(skb: SkBuff): number {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    const { net } = skb.dev as NetDevice;
    const { mib } = ipv4Net(net);
    this.kernel.charge(this.kernel.platform.costs.transport);
    mib.icmp6[ICMP6STATS.InMsgs]++;
    if (!skbs.pskb_may_pull(skb, 8) || !this.checksumOk(skb)) {
      if (skb.len >= 8) mib.icmp6[ICMP6STATS.InCsumErrors]++;
      mib.icmp6[ICMP6STATS.InErrors]++;
      skbs.kfree_skb_reason(skb, 'ICMP_CSUM');
      return 0;
    }
    const at = skb_transport_header(skb);
    const type = ram.u8(at);
    mib.icmp6In[type]++;
    switch (type) {
      case ICMPV6.ECHO_REQUEST:
        this.icmpv6_echo_reply(skb);
        break;
      case ICMPV6.ECHO_REPLY:
        ipv6.sockets.pingRcv6(skb);
        break;
      case ICMPV6.PKT_TOOBIG:
      case ICMPV6.DEST_UNREACH:
      case ICMPV6.TIME_EXCEED:
      case 4:
        this.icmpv6_notify(skb, type, ram.u8(at + 1), Icmp6Hdr.body.get(ram, at));
        break;
      case ICMPV6.NS:
      case ICMPV6.NA:
      case ICMPV6.RS:
      case ICMPV6.RA:
        ipv6.ndisc.ndisc_rcv(skb);
        break;
      case 130:
        ipv6.mcast.igmp6_event_query(skb);
        break;
      default:
        break;
    }
    skbs.consume_skb(skb);
    return 0;
  }

  private checksumOk(skb: SkBuff): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
    const { skb: skbs } = this.kernel;
    const iph = skb_network_header(skb);
    const pseudo = pseudoHeaderSum6(skbs.ram, iph + 8, iph + 24, IPPROTO.ICMPV6, skb.len);
    if (skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum + pseudo) === 0) return true;
    this.kernel.charge(((skb.len + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    return csumFold(skbs.skb_checksum(skb, 0, skb.len, pseudo)) === 0;
  }

  icmpv6_echo_reply(skb: SkBuff): void {
    const { skb: skbs, ipv6 } = this.kernel;
    const dev = skb.dev as NetDevice;
    const { net } = dev;
    const iph = skb_network_header(skb);
    const to = this.readAddr(iph + 8);
    const was = this.readAddr(iph + 24);
    const source = isMulticast6(was) ? undefined : was;
    const oif = needsScopeId6(to) ? skb.skb_iif : 0;
    const data = new Uint8Array(skb.len);
    skbs.copyToArray(skb, 0, data, 0, data.length);
    data[0] = ICMPV6.ECHO_REPLY;
    const rt = ipv6.fib.ip6_route_output(net, to, oif);
    if (typeof rt === 'number') return;
    const saddr = source ?? ipv6.addrconf.ipv6_dev_get_saddr(net, rt.from?.dev ?? rt.dev, to);
    if (saddr !== undefined) this.icmpv6_push_pending_frames(skb, rt, saddr, to, data);
  }

  /** Sends a ready message whose checksum is still to be computed. */
  private icmpv6_push_pending_frames(cause: SkBuff, rt: Rt6, saddr: Uint8Array, daddr: Uint8Array, data: Uint8Array): void {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    const { net } = cause.dev as NetDevice;
    const skb = ipv6.output.ip6_alloc(rt.dev, 40 + data.length);
    if (skb === undefined) return;
    skb.parent = cause.id;
    skb.dst = rt;
    const at = skbs.skb_put(skb, 40 + data.length);
    skb.transport_header = skb.network_header + 40;
    ipv6.output.ip6_nd_hdr(at, saddr, daddr, IPPROTO.ICMPV6, ipv6.hopLimit(rt, daddr), data.length);
    const body = at + 40;
    ram.write(body, data, 0, data.length);
    ram.setU16be(body + 2, 0);
    const pseudo = pseudoHeaderSum6(ram, at + 8, at + 24, IPPROTO.ICMPV6, data.length);
    ram.setU16be(body + 2, csumFold(csumPartial(ram, body, data.length, pseudo)));
    this.kernel.charge(this.kernel.platform.costs.ip_layer + ((data.length + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    ipv6.output.countIcmpOut(net, data[0]);
    ipv6.output.ip6_send_skb(net, skb);
  }

  /** Sends an error about a packet (RFC 4443 §2.4). */
  icmp6_send(skb: SkBuff, type: number, code: number, info: number): void {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    if (skb.network_header < 0 || skb.dev === undefined) return;
    const { net } = skb.dev;
    const iph = skb_network_header(skb);
    const source = this.readAddr(iph + Ipv6Hdr.saddr.offset);
    const daddr = this.readAddr(iph + Ipv6Hdr.daddr.offset);
    const exempt = type === ICMPV6.PKT_TOOBIG;
    if (!exempt && (isMulticast6(daddr) || skb.pkt_type !== PACKET_HOST)) return;
    if (isAny6(source) || isMulticast6(source)) return;
    if (Ipv6Hdr.nexthdr.get(ram, iph) === IPPROTO.ICMPV6 && (skbs.networkByte(skb, 40) ?? 0) < 128) return;
    const iif = skb.skb_iif !== 0 ? skb.skb_iif : skb.dev.ifindex;
    const rt = ipv6.fib.ip6_route_output(net, source, needsScopeId6(source) ? iif : 0);
    if (typeof rt === 'number') return;
    if (!exempt && !this.icmpv6_xrlim_allow(rt, source)) {
      ipv4Net(net).mib.icmp6[ICMP6STATS.OutRateLimitHost]++;
      return;
    }
    const own = ipv6.addrconf.ipv6_chk_addr(net, daddr, undefined);
    const saddr = own
      ? daddr
      : ipv6.addrconf.ipv6_dev_get_saddr(net, rt.local ? (skb.dev.net.__dev_get_by_index(iif) ?? skb.dev) : rt.dev, source);
    if (saddr === undefined) return;
    const before = skb.data - iph;
    const length = Math.min(skb.len + before, 1280 - 48);
    const data = new Uint8Array(8 + length);
    data[0] = type;
    data[1] = code;
    new DataView(data.buffer).setUint32(4, info);
    const linear = Math.min(before, length);
    ram.read(iph, data, 8, linear);
    if (length > linear) skbs.copyToArray(skb, 0, data, 8 + linear, length - linear);
    this.icmpv6_push_pending_frames(skb, rt, saddr, source, data);
  }

  icmpv6_xrlim_allow(rt: Rt6, daddr: Uint8Array): boolean {
    if ((rt.dev.flags & IFF.LOOPBACK) !== 0) return true;
    const n6 = ipv6Net(rt.dev.net);
    const timeout = n6.icmp_ratelimit * 1e6;
    const now = this.kernel.now();
    const key = v6key(daddr);
    let peer = n6.icmpPeers.get(key);
    if (peer === undefined) n6.icmpPeers.set(key, (peer = { tokens: 0, last: now - 60e9 }));
    peer.tokens = Math.min(peer.tokens + (now - peer.last), 6 * timeout);
    peer.last = now;
    if (peer.tokens < timeout) return false;
    peer.tokens -= timeout;
    return true;
  }

  /** An error about a packet of ours, for the sockets that it came from. */
  icmpv6_notify(skb: SkBuff, type: number, code: number, info: number): void {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    const { net } = skb.dev as NetDevice;
    __skb_pull(skb, 8);
    if (!skbs.pskb_may_pull(skb, 48)) {
      ipv4Net(net).mib.icmp6[ICMP6STATS.InErrors]++;
      return;
    }
    const inner = skb.data;
    if (type === ICMPV6.PKT_TOOBIG) ipv6.fib.rememberMtu(net, this.readAddr(inner + 24), info);
    let nexthdr = ram.u8(inner + 6);
    let payload = (inner + 40) as Gpa;
    if (nexthdr === 44) {
      nexthdr = ram.u8(payload);
      payload = (payload + 8) as Gpa;
    }
    if (nexthdr === IPPROTO.TCP) this.kernel.tcp.v6.tcp_v6_err(skb, inner, payload, type, code, info);
    if (nexthdr === IPPROTO.UDP) ipv6.udp.udpv6_err(skb, inner, payload, type, code, info);
    ipv6.sockets.raw6_icmp_error(skb, nexthdr, inner, payload, type, code, info);
  }
}
