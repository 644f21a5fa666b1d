// Sending IPv4: building datagrams, routing them to a neighbour, fragmentation (Linux: net/ipv4/ip_output.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ETH_P, ICMP, ICMP_UNREACH, IP_DF, IP_MF, IP_OFFSET, IpHdr } from '../../wire/headers.ts';
import type { RandomStream } from '../../sim/random.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { NETIF_F } from '../netdev_features.ts';
import { RTCF, RTN } from '../rtnl_records.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, type SkBuff } from '../skbuff.ts';
import { skb_headroom, skb_network_header, skb_reserve, skb_reset_network_header } from '../skb_inline.ts';
import { IP_PMTUDISC, type Sock } from '../sock.ts';
import { LL_RESERVED_SPACE } from './arp.ts';
import type { IpOptions } from './ip_options.ts';
import { ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';
import { RT_OUT, type Rtable } from './route.ts';

/** skb.cb0 while IPv4 holds an skb (Linux: IPCB(skb)->flags). */
export const IPSKB = { FORWARDED: 1, IGNORE_DF: 2, REROUTED: 4, DOREDIRECT: 8 } as const;

/** What a datagram needs beside its payload. */
export interface IpSend {
  net: Net;
  rt: Rtable;
  saddr: number;
  daddr: number;
  protocol: number;
  tos: number;
  /** 0: by socket, route and namespace. */
  ttl: number;
  pmtudisc: number;
  opt: IpOptions | undefined;
  sk: Sock | undefined;
  /** For identification: a connected socket counts for itself. */
  connected: boolean;
  mark: number;
  priority: number;
}

/** Identification generators, chosen by a hash of addresses and protocol. */
const IDENTS = 2048;

export class IpOutput {
  static readonly inlined: readonly string[] = ['ip_send_check', 'ip_select_ident', 'dst_output', 'ip_skb_dst_mtu'];
  private readonly idents = new Uint16Array(IDENTS);
  private readonly identStamps = new Float64Array(IDENTS).fill(-1);
  private readonly random: RandomStream;

  constructor(readonly kernel: Kernel) {
    this.random = kernel.platform.sim.random(`${kernel.platform.machine}:ip_idents`);
  }

  ip_send_check(at: number, hlen = 20): void {
    const { ram } = this.kernel.skb;
    ram.setU16be(at + 10, 0);
    ram.setU16be(at + 10, csumFold(csumPartial(ram, at, hlen)));
  }

  /** A fresh identification for the header at `at`; grows with time so that its steps tell nothing. */
  ip_select_ident(net: Net, at: number): void {
    const { ram } = this.kernel.skb;
    const h = Math.imul(ram.u32be(at + 12) ^ Math.imul(ram.u32be(at + 16), 0x9e3779b1) ^ ram.u8(at + 9) ^ net.inum, 0x85ebca6b) >>> 21;
    const jiffy = Math.floor(this.kernel.now() / 4e6);
    const delta = Math.min(jiffy - this.identStamps[h], 0xffff);
    let jump = 0;
    if (delta > 0) {
      if (this.identStamps[h] < 0) this.idents[h] = this.random.u32() & 0xffff;
      jump = this.random.below(delta);
    }
    this.identStamps[h] = jiffy;
    this.idents[h] = (this.idents[h] + 1 + jump) & 0xffff;
    IpHdr.id.set(ram, at, this.idents[h]);
  }

  /** Bytes that may be sent in one datagram, or -EMSGSIZE with an error queued on the socket. */
  checkLength(s: IpSend, length: number): number {
    const mtu = this.kernel.ipv4.route.dst_mtu(s.rt);
    const hlen = 20 + (s.opt?.bytes.length ?? 0);
    const ignoreDf = s.pmtudisc < IP_PMTUDISC.DO || s.pmtudisc === IP_PMTUDISC.OMIT;
    const most = ignoreDf ? 0xffff : s.pmtudisc >= IP_PMTUDISC.PROBE ? s.rt.dev.mtu : mtu;
    return length > most - hlen ? -Errno.EMSGSIZE : mtu;
  }

  /** An skb of IP header, `transLen` bytes for the transport header, and the payload; undefined when memory is out. */
  ip_make_skb(s: IpSend, transLen: number, data: Uint8Array): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const optlen = s.opt?.bytes.length ?? 0;
    const hlen = 20 + optlen;
    const total = hlen + transLen + data.length;
    const { dev } = s.rt;
    const skb = skbs.alloc_skb(LL_RESERVED_SPACE(dev) + total);
    if (skb === undefined) return undefined;
    skb_reserve(skb, LL_RESERVED_SPACE(dev));
    skb_reset_network_header(skb);
    const at = skbs.skb_put(skb, hlen + transLen + data.length);
    skb.transport_header = skb.network_header + hlen;
    skb.protocol = ETH_P.IP;
    skb.dev = dev;
    skb.dst = s.rt;
    skb.mark = s.mark;
    skb.priority = s.priority;
    skb.ip_summed = CHECKSUM_NONE;
    if (s.sk !== undefined) {
      skb.sk = s.sk;
      s.sk.wmem_alloc += skb.truesize;
    }
    skbs.ram.write(at + hlen + transLen, data, 0, data.length);
    this.kernel.charge(this.kernel.platform.costs.ip_layer + ((data.length + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    this.writeHeader(s, skb, at, total, optlen);
    return skb;
  }

  private writeHeader(s: IpSend, skb: SkBuff, at: Gpa, total: number, optlen: number): void {
    const { ram } = this.kernel.skb;
    const { route } = this.kernel.ipv4;
    const { rt } = s;
    let df = false;
    if (s.pmtudisc === IP_PMTUDISC.DO || s.pmtudisc === IP_PMTUDISC.PROBE) df = true;
    else if (s.pmtudisc === IP_PMTUDISC.WANT) df = total <= route.dst_mtu(rt) && !route.mtuLocked(rt);
    const ignoreDf = s.pmtudisc < IP_PMTUDISC.DO || s.pmtudisc === IP_PMTUDISC.OMIT;
    skb.cb0 = ignoreDf ? IPSKB.IGNORE_DF : 0;
    skb.cb1 = 0;
    const ttl = s.ttl !== 0 ? s.ttl : rt.rt_type === RTN.MULTICAST ? 1 : ipv4Net(s.net).sysctl.ip_default_ttl;
    ram.setU32be(at, ((0x45 + (optlen >> 2)) << 24) | (s.tos << 16) | (total & 0xffff));
    ram.setU32be(at + 4, df ? IP_DF : 0);
    ram.setU32be(at + 8, (ttl << 24) | (s.protocol << 16));
    ram.setU32be(at + 12, s.saddr);
    ram.setU32be(at + 16, s.daddr);
    if (s.opt !== undefined) ram.write(at + 20, this.kernel.ipv4.options.ip_options_build(s.opt, s.saddr), 0, optlen);
    if (!df || ignoreDf) this.ip_select_ident(s.net, at);
  }

  /** May the transport leave its checksum to the device? */
  mayOffloadCsum(s: IpSend, total: number): boolean {
    return (
      s.opt === undefined &&
      (s.rt.dev.features & (NETIF_F.HW_CSUM | NETIF_F.IP_CSUM)) !== 0n &&
      total <= this.kernel.ipv4.route.dst_mtu(s.rt)
    );
  }

  ip_send_skb(net: Net, skb: SkBuff): number {
    const err = this.ip_local_out(net, skb);
    if (err > 0) return err === 1 ? -Errno.ENOBUFS : 0;
    return err;
  }

  ip_local_out(net: Net, skb: SkBuff): number {
    this.__ip_local_out(net, skb);
    return this.dst_output(net, skb);
  }

  __ip_local_out(_net: Net, skb: SkBuff): number {
    const { ram } = this.kernel.skb;
    const at = skb_network_header(skb);
    IpHdr.tot_len.set(ram, at, skb.len);
    this.ip_send_check(at, (ram.u8(at) & 15) * 4);
    skb.protocol = ETH_P.IP;
    return 1;
  }

  dst_output(net: Net, skb: SkBuff): number {
    return (skb.dst as Rtable).output === RT_OUT.OUTPUT ? this.ip_output(net, skb) : this.ip_mc_output(net, skb);
  }

  ip_output(net: Net, skb: SkBuff): number {
    const { ip } = ipv4Net(net).mib;
    ip[IPSTATS.OutRequests]++;
    ip[IPSTATS.OutOctets] += skb.len;
    skb.dev = (skb.dst as Rtable).dev;
    return this.ip_finish_output(net, skb);
  }

  /** Multicast and broadcast: local members get a copy. */
  ip_mc_output(net: Net, skb: SkBuff): number {
    const rt = skb.dst as Rtable;
    const { ip } = ipv4Net(net).mib;
    ip[IPSTATS.OutRequests]++;
    ip[IPSTATS.OutOctets] += skb.len;
    skb.dev = rt.dev;
    const loops = (rt.rt_flags & RTCF.LOCAL) !== 0;
    const { skb: skbs } = this.kernel;
    if (rt.rt_type === RTN.MULTICAST) {
      const sk = skb.sk as (Sock & { mc_loop?: boolean }) | undefined;
      if (loops && sk?.mc_loop !== false) this.ip_mc_finish_output(skb);
      if (skbs.ram.u8(skb_network_header(skb) + 8) === 0) {
        skbs.kfree_skb(skb);
        return 0;
      }
    } else if (loops) this.ip_mc_finish_output(skb);
    return this.ip_finish_output(net, skb);
  }

  ip_mc_finish_output(skb: SkBuff): void {
    const copy = this.kernel.skb.skb_clone(skb);
    if (copy !== undefined) this.kernel.net.xmit.dev_loopback_xmit(copy);
  }

  ip_skb_dst_mtu(skb: SkBuff): number {
    return this.kernel.ipv4.route.dst_mtu(skb.dst as Rtable);
  }

  ip_finish_output(net: Net, skb: SkBuff): number {
    const rt = skb.dst as Rtable;
    if (this.kernel.skb.gso_size(skb) !== 0) return this.ip_finish_output_gso(net, skb, this.ip_skb_dst_mtu(skb));
    // the common case needs no look-up of the path MTU
    if (
      skb.cb1 !== 0 ||
      ((skb.len > rt.dev.mtu || rt.nh?.exceptions !== undefined || rt.info?.metrics !== undefined) && skb.len > this.ip_skb_dst_mtu(skb))
    )
      return this.ip_fragment(net, skb, this.ip_skb_dst_mtu(skb));
    return this.ip_finish_output2(net, skb);
  }

  /** A packet of segments that each fit goes on whole. */
  ip_finish_output_gso(net: Net, skb: SkBuff, mtu: number): number {
    const { skb: skbs, gso } = this.kernel;
    if (gso.skb_gso_network_seglen(skb) <= mtu) return this.ip_finish_output2(net, skb);
    // the path became narrower on the way: cut, then fragment what is too long
    const segs = gso.skb_gso_segment(skb, false, false);
    if (segs === undefined) {
      skbs.kfree_skb_reason(skb, 'SKB_GSO_SEG');
      return -Errno.ENOMEM;
    }
    skbs.consume_skb(skb);
    let err = 0;
    for (let s: SkBuff | undefined = segs; s !== undefined;) {
      const next: SkBuff | undefined = s.next;
      s.next = undefined;
      const sent = this.ip_fragment(net, s, mtu);
      if (sent !== 0 && err === 0) err = sent;
      s = next;
    }
    return err;
  }

  ip_finish_output2(net: Net, skb: SkBuff): number {
    const rt = skb.dst as Rtable;
    const { dev } = rt;
    const { skb: skbs, ipv4 } = this.kernel;
    if (rt.rt_type !== RTN.UNICAST) {
      const { ip } = ipv4Net(net).mib;
      if (rt.rt_type === RTN.MULTICAST) {
        ip[IPSTATS.OutMcastPkts]++;
        ip[IPSTATS.OutMcastOctets] += skb.len;
      } else if (rt.rt_type === RTN.BROADCAST) {
        ip[IPSTATS.OutBcastPkts]++;
        ip[IPSTATS.OutBcastOctets] += skb.len;
      }
    }
    if (skb_headroom(skb) < dev.hard_header_len && skbs.skb_cow_head(skb, LL_RESERVED_SPACE(dev)) !== 0) {
      skbs.kfree_skb_reason(skb, 'NOMEM');
      return -Errno.ENOMEM;
    }
    let n = rt.neigh;
    if (n === undefined || n.dead) {
      const next = rt.rt_gw4 !== 0 ? rt.rt_gw4 : IpHdr.daddr.get(skbs.ram, skb_network_header(skb));
      n = ipv4.arp.lookupOrCreate(dev, next);
      if (n === undefined) {
        skbs.kfree_skb_reason(skb, 'NEIGH_CREATEFAIL');
        return -Errno.EINVAL;
      }
      if (!rt.rt_is_input || rt.rt_gw4 !== 0 || rt.daddr === next) rt.neigh = n;
    }
    return ipv4.neigh.neigh_output(n, skb);
  }

  ip_fragment(net: Net, skb: SkBuff, mtu: number): number {
    const { skb: skbs } = this.kernel;
    const frag = IpHdr.frag_off.get(skbs.ram, skb_network_header(skb));
    if ((frag & IP_DF) !== 0 && ((skb.cb0 & IPSKB.IGNORE_DF) === 0 || (skb.cb1 !== 0 && skb.cb1 > mtu))) {
      ipv4Net(net).mib.ip[IPSTATS.FragFails]++;
      this.kernel.ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, ICMP_UNREACH.FRAG_NEEDED, mtu);
      skbs.kfree_skb(skb);
      return -Errno.EMSGSIZE;
    }
    return this.ip_do_fragment(net, skb, mtu);
  }

  ip_do_fragment(net: Net, skb: SkBuff, mtu: number): number {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const { ip } = ipv4Net(net).mib;
    if (skb.ip_summed === CHECKSUM_PARTIAL && skbs.skb_checksum_help(skb) !== 0) return this.fragFail(skb, ip);
    const rt = skb.dst as Rtable;
    const from = skb_network_header(skb);
    const hlen = (ram.u8(from) & 15) * 4;
    const most = (mtu - hlen) & ~7;
    const frag = IpHdr.frag_off.get(ram, from);
    const first = (frag & IP_OFFSET) << 3;
    const header = new Uint8Array(hlen);
    ram.read(from, header, 0, hlen);
    const payload = skb.len - hlen;
    for (let offset = 0; offset < payload; offset += most) {
      const len = Math.min(mtu - hlen >= payload - offset ? payload - offset : most, payload - offset);
      const ll = LL_RESERVED_SPACE(rt.dev);
      const piece = skbs.alloc_skb(ll + hlen + len);
      if (piece === undefined) return this.fragFail(skb, ip);
      this.copyMetadata(piece, skb);
      skb_reserve(piece, ll);
      skb_reset_network_header(piece);
      const at = skbs.skb_put(piece, hlen + len);
      piece.transport_header = piece.network_header + hlen;
      ram.write(at, header, 0, hlen);
      skbs.skb_copy_bits(skb, hlen + offset, (at + hlen) as Gpa, len);
      const more = offset + len < payload || (frag & IP_MF) !== 0;
      IpHdr.frag_off.set(ram, at, ((first + offset) >> 3) | (more ? IP_MF : 0) | (frag & IP_DF));
      IpHdr.tot_len.set(ram, at, hlen + len);
      this.ip_send_check(at, hlen);
      if (offset === 0 && hlen > 20) this.kernel.ipv4.options.ip_options_fragment(header.subarray(20));
      ip[IPSTATS.FragCreates]++;
      this.kernel.charge(this.kernel.platform.costs.ip_layer + ((len + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
      const err = this.ip_finish_output2(net, piece);
      if (err < 0) return this.fragFail(skb, ip, err);
    }
    skbs.consume_skb(skb);
    ip[IPSTATS.FragOKs]++;
    return 0;
  }

  private fragFail(skb: SkBuff, ip: Float64Array, err: number = -Errno.ENOMEM): number {
    this.kernel.skb.kfree_skb(skb);
    ip[IPSTATS.FragFails]++;
    return err;
  }

  private copyMetadata(to: SkBuff, from: SkBuff): void {
    to.parent = from.id;
    to.pkt_type = from.pkt_type;
    to.priority = from.priority;
    to.protocol = from.protocol;
    to.dst = from.dst;
    to.dev = from.dev;
    to.mark = from.mark;
    to.cb0 = from.cb0;
    if (from.sk !== undefined) {
      to.sk = from.sk;
      (from.sk as Sock).wmem_alloc += to.truesize;
    }
  }
}
