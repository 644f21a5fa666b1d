// Receiving IPv6: header checks, extension headers, reassembly, forwarding (Linux: net/ipv6/ip6_input.c, exthdrs.c, reassembly.c).
import type { Gpa } from '../../base/units.ts';
import type { Actor } from '../../sim/sim.ts';
import { ICMPV6, IPPROTO, Ipv6Hdr } from '../../wire/headers.ts';
import type { SkbDropReason } from '../drop_reason.ts';
import { FragQueue } from '../ipv4/ip_fragment.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { IPSTATS } from '../ipv4/mib.ts';
import { LL_RESERVED_SPACE } from '../ipv4/arp.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, NET_RX_DROP, type NetDevice } from '../net_device.ts';
import { CHECKSUM_NONE, PACKET_HOST, PACKET_OTHERHOST, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_reserve, skb_reset_network_header } from '../skb_inline.ts';
import { isLoopback6, isMulticast6 } from './in6.ts';
import { RT6_IN, type Rt6 } from './ip6_fib.ts';
import { NEXTHDR_FRAGMENT } from './ip6_output.ts';
import { in6Dev, ipv6Net } from './ipv6_net.ts';

const NEXTHDR = { HOP: 0, ROUTING: 43, NONE: 59, DEST: 60 } as const;

export class Ip6Input implements Actor {
  constructor(readonly kernel: Kernel) {}

  ipv6_rcv(skb: SkBuff, dev: NetDevice): number {
    const own = this.ip6_rcv_core(skb, dev);
    return own === undefined ? NET_RX_DROP : this.ip6_rcv_finish(own, dev);
  }

  private drop(skb: SkBuff, dev: NetDevice, counter: number, reason: SkbDropReason): undefined {
    ipv4Net(dev.net).mib.ip6[counter]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return undefined;
  }

  ip6_rcv_core(given: SkBuff, dev: NetDevice): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ip6 } = ipv4Net(dev.net).mib;
    if (given.pkt_type === PACKET_OTHERHOST) {
      dev.core_stats.rx_otherhost_dropped++;
      skbs.kfree_skb_reason(given, 'OTHERHOST');
      return undefined;
    }
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    ip6[IPSTATS.InReceives]++;
    ip6[IPSTATS.InOctets] += given.len;
    const idev = in6Dev(dev);
    const skb = given.users === 1 ? given : skbs.skb_share_check(given);
    if (skb === undefined) return undefined;
    if (idev === undefined || idev.cnf.disable_ipv6 !== 0) return this.drop(skb, dev, IPSTATS.InDiscards, 'IPV6DISABLED');
    if (!skbs.pskb_may_pull(skb, 40)) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    const { ram } = skbs;
    const at = skb_network_header(skb);
    if (ram.u8(at) >> 4 !== 6) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    ip6[IPSTATS.InNoECTPkts + ((ram.u8(at + 1) >> 4) & 3)]++;
    skb.cb0 = skb.cb1 = skb.cb2 = skb.cb3 = 0;
    skb.skb_iif = (skb.dst as Rt6 | undefined)?.from?.dev.ifindex ?? dev.ifindex;
    const saddr = new Uint8Array(16);
    const daddr = new Uint8Array(16);
    ram.read(at + 8, saddr, 0, 16);
    ram.read(at + 24, daddr, 0, 16);
    const looped = (dev.flags & IFF.LOOPBACK) !== 0 || skb.dst !== undefined;
    // RFC 4291 §2.5.3, §2.7: addresses that must not be seen on a wire
    if ((isLoopback6(saddr) || isLoopback6(daddr)) && !looped) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    if (isMulticast6(saddr) || (isMulticast6(daddr) && (daddr[1] & 0xf) === 0)) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    const length = Ipv6Hdr.payload_len.get(ram, at);
    if (length + 40 > skb.len) return this.drop(skb, dev, IPSTATS.InTruncatedPkts, 'PKT_TOO_SMALL');
    if (skb.len > length + 40 && skbs.pskb_trim_rcsum(skb, length + 40) !== 0) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    skb.transport_header = skb.network_header + 40;
    if (skb.sk !== undefined) skbs.skb_orphan(skb);
    return skb;
  }

  ip6_rcv_finish(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs, ipv6 } = this.kernel;
    if (skb.dst === undefined || (skb.dst as Rt6).input === RT6_IN.NONE) {
      const daddr = new Uint8Array(16);
      skbs.ram.read(skb_network_header(skb) + 24, daddr, 0, 16);
      const saddr = ipv6Net(dev.net).customRules ? new Uint8Array(16) : undefined;
      if (saddr !== undefined) skbs.ram.read(skb_network_header(skb) + 8, saddr, 0, 16);
      skb.dst = ipv6.fib.ip6_route_input(dev, daddr, saddr, skb.mark);
    }
    switch ((skb.dst as Rt6).input) {
      case RT6_IN.INPUT:
        return this.ip6_input(skb);
      case RT6_IN.MC_INPUT:
        return this.ip6_mc_input(skb, dev);
      case RT6_IN.FORWARD:
        return this.ip6_forward(skb, dev);
      default:
        return this.ip6_pkt_discard(skb, dev);
    }
  }

  /** No route: routers say so. */
  ip6_pkt_discard(skb: SkBuff, dev: NetDevice): number {
    const { ip6 } = ipv4Net(dev.net).mib;
    ip6[IPSTATS.InNoRoutes]++;
    if ((in6Dev(dev)?.cnf.forwarding ?? 0) !== 0) this.kernel.ipv6.icmp.icmp6_send(skb, ICMPV6.DEST_UNREACH, 0, 0);
    this.kernel.skb.kfree_skb_reason(skb, 'IP_INNOROUTES');
    return 0;
  }

  ip6_mc_input(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ip6 } = ipv4Net(dev.net).mib;
    ip6[IPSTATS.InMcastPkts]++;
    ip6[IPSTATS.InMcastOctets] += skb.len;
    const daddr = new Uint8Array(16);
    skbs.ram.read(skb_network_header(skb) + 24, daddr, 0, 16);
    if (ipv6.mcast.ipv6_chk_mcast_addr(dev, daddr)) return this.ip6_input(skb);
    skbs.kfree_skb(skb);
    return 0;
  }

  ip6_input(skb: SkBuff): number {
    __skb_pull(skb, skb.head + skb.transport_header - skb.data);
    this.ip6_protocol_deliver_rcu(skb, this.kernel.skb.ram.u8(skb_network_header(skb) + 6));
    return 0;
  }

  ip6_protocol_deliver_rcu(given: SkBuff, first: number): void {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    let skb = given;
    let nexthdr = first;
    const dev = skb.dev as NetDevice;
    const { ip6 } = ipv4Net(dev.net).mib;
    for (;;) {
      if (nexthdr === NEXTHDR.HOP || nexthdr === NEXTHDR.DEST || nexthdr === NEXTHDR.ROUTING) {
        const length = skbs.pskb_may_pull(skb, 8) ? (ram.u8(skb.data + 1) + 1) * 8 : 0;
        if (length === 0 || !skbs.pskb_may_pull(skb, length)) {
          this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
          return;
        }
        nexthdr = ram.u8(skb.data);
        __skb_pull(skb, length);
      } else if (nexthdr === NEXTHDR_FRAGMENT) {
        const whole = this.ipv6_frag_rcv(skb);
        if (whole === undefined) return;
        skb = whole;
        nexthdr = ram.u8(skb_network_header(skb) + 6);
      } else break;
      skb.transport_header = skb.data - skb.head;
    }
    const raw = ipv4Net(dev.net).raw6.length > 0 && ipv6.sockets.raw6_local_deliver(skb, nexthdr);
    if (nexthdr === IPPROTO.ICMPV6) {
      ip6[IPSTATS.InDelivers]++;
      ipv6.icmp.icmpv6_rcv(skb);
    } else if (nexthdr === IPPROTO.TCP) {
      ip6[IPSTATS.InDelivers]++;
      this.kernel.tcp.v6.tcp_v6_rcv(skb);
    } else if (nexthdr === IPPROTO.UDP) {
      ip6[IPSTATS.InDelivers]++;
      ipv6.udp.udpv6_rcv(skb);
    } else if (raw || nexthdr === NEXTHDR.NONE) {
      ip6[IPSTATS.InDelivers]++;
      skbs.consume_skb(skb);
    } else {
      ip6[IPSTATS.InUnknownProtos]++;
      // parameter problem, unrecognised next header (RFC 4443 §3.4)
      ipv6.icmp.icmp6_send(skb, 4, 1, 6);
      skbs.kfree_skb_reason(skb, 'IP_NOPROTO');
    }
  }

  ip6_forward(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    const { ip6 } = ipv4Net(dev.net).mib;
    const rt = skb.dst as Rt6;
    if (ipv6Net(dev.net).confAll.forwarding === 0 || skb.pkt_type !== PACKET_HOST || skb.sk !== undefined) {
      if (ipv6Net(dev.net).confAll.forwarding === 0) ip6[IPSTATS.InAddrErrors]++;
      skbs.kfree_skb_reason(skb, 'IP_INADDRERRORS');
      return NET_RX_DROP;
    }
    const at = skb_network_header(skb);
    if (ram.u8(at + 7) <= 1) {
      ipv6.icmp.icmp6_send(skb, ICMPV6.TIME_EXCEED, 0, 0);
      this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
      return NET_RX_DROP;
    }
    const mtu = ipv6.fib.ip6_mtu(rt);
    if (skb.len > mtu && !this.kernel.gso.skb_gso_validate_network_len(skb, mtu)) {
      ipv6.icmp.icmp6_send(skb, ICMPV6.PKT_TOOBIG, 0, mtu);
      ip6[IPSTATS.InTooBigErrors]++;
      this.drop(skb, dev, IPSTATS.FragFails, 'PKT_TOO_BIG');
      return NET_RX_DROP;
    }
    if (skbs.skb_cow(skb, LL_RESERVED_SPACE(rt.dev)) !== 0) {
      skbs.kfree_skb_reason(skb, 'NOMEM');
      return NET_RX_DROP;
    }
    const hdr = skb_network_header(skb);
    ram.setU8(hdr + 7, ram.u8(hdr + 7) - 1);
    ip6[IPSTATS.OutForwDatagrams]++;
    ip6[IPSTATS.OutOctets] += skb.len;
    skb.cb0 = 1;
    return ipv6.output.ip6_output(dev.net, skb);
  }

  onEvent(_op: number, arg: unknown): void {
    this.ip6_frag_expire(arg as FragQueue);
  }

  /** The whole datagram with data at its payload, or undefined. */
  ipv6_frag_rcv(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const n6 = ipv6Net(dev.net);
    const { ip6 } = ipv4Net(dev.net).mib;
    ip6[IPSTATS.ReasmReqds]++;
    if (!skbs.pskb_may_pull(skb, 8)) return this.drop(skb, dev, IPSTATS.InHdrErrors, 'IP_INHDR');
    const word = ram.u32be(skb.data);
    const offset = (word & 0xfff8) >>> 0;
    const more = (word & 1) !== 0;
    const id = ram.u32be(skb.data + 4);
    const addresses = new Uint8Array(32);
    ram.read(skb_network_header(skb) + 8, addresses, 0, 32);
    const key = `${addresses.join(' ')} ${id}`;
    __skb_pull(skb, 8);
    const length = skb.len;
    if ((more && (length & 7) !== 0) || offset + length > 0xffff) return this.drop(skb, dev, IPSTATS.ReasmFails, 'IP_INHDR');
    let q = n6.frags.get(key);
    if (q === undefined) {
      n6.frags.set(key, (q = new FragQueue(dev.net, key, this)));
      this.kernel.timers.startIn(q.timer, 60e9);
    }
    if (!more) q.total = offset + length;
    skb.cb1 = word >>> 24;
    skb.cb2 = offset;
    skb.cb3 = length;
    const i = q.pieces.findIndex((p) => p.cb2 + p.cb3 > offset);
    if (i >= 0 && q.pieces[i].cb2 < offset + length) {
      if (q.pieces[i].cb2 === offset && q.pieces[i].cb3 === length) {
        skbs.kfree_skb_reason(skb, 'DUP_FRAG');
        return undefined;
      }
      ip6[IPSTATS.ReasmOverlaps]++;
      this.kill(q);
      return this.drop(skb, dev, IPSTATS.ReasmFails, 'NOT_SPECIFIED');
    }
    q.pieces.splice(i < 0 ? q.pieces.length : i, 0, skb);
    q.meat += length;
    const { dst } = skb;
    if (q.total < 0 || q.meat !== q.total) return undefined;
    return this.ip6_frag_reasm(q, dst);
  }

  private kill(q: FragQueue): void {
    this.kernel.timers.del_timer(q.timer);
    ipv6Net(q.net).frags.delete(q.key);
    for (const p of q.pieces.splice(0)) this.kernel.skb.consume_skb(p);
  }

  ip6_frag_reasm(q: FragQueue, dst: object | undefined): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const [first] = q.pieces;
    const whole = skbs.alloc_skb(64 + 40 + q.total);
    const { ip6 } = ipv4Net(q.net).mib;
    if (whole === undefined) {
      ip6[IPSTATS.ReasmFails]++;
      this.kill(q);
      return undefined;
    }
    skb_reserve(whole, 64);
    skb_reset_network_header(whole);
    const at = skbs.skb_put(whole, 40 + q.total);
    ram.copy(at, skb_network_header(first), 40);
    ram.setU8(at + 6, first.cb1);
    Ipv6Hdr.payload_len.set(ram, at, Math.min(q.total, 0xffff));
    for (const p of q.pieces) skbs.skb_copy_bits(p, 0, (at + 40 + p.cb2) as Gpa, p.cb3);
    Object.assign(whole, {
      parent: first.id,
      dev: first.dev,
      protocol: first.protocol,
      pkt_type: first.pkt_type,
      skb_iif: first.skb_iif,
      tstamp: first.tstamp,
      mark: first.mark,
      ip_summed: CHECKSUM_NONE,
      dst,
    });
    __skb_pull(whole, 40);
    whole.transport_header = whole.data - whole.head;
    ip6[IPSTATS.ReasmOKs]++;
    this.kill(q);
    return whole;
  }

  ip6_frag_expire(q: FragQueue): void {
    const { ip6 } = ipv4Net(q.net).mib;
    ip6[IPSTATS.ReasmFails]++;
    ip6[IPSTATS.ReasmTimeout]++;
    const first = q.pieces.at(0);
    if (first !== undefined && first.cb2 === 0) this.kernel.ipv6.icmp.icmp6_send(first, ICMPV6.TIME_EXCEED, 1, 0);
    this.kill(q);
  }
}
