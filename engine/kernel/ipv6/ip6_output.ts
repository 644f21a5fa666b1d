// Sending IPv6: headers, neighbours, fragmentation at the source (Linux: net/ipv6/ip6_output.c; RFC 8200).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { ETH_P, ICMPV6, Ipv6Hdr } from '../../wire/headers.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { ICMP6STATS, IPSTATS } from '../ipv4/mib.ts';
import { LL_RESERVED_SPACE } from '../ipv4/arp.ts';
import type { Kernel } from '../kernel.ts';
import { IFF, type NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skbuff.ts';
import { skb_headroom, skb_network_header, skb_reserve, skb_reset_network_header } from '../skb_inline.ts';
import type { Sock } from '../sock.ts';
import type { InetSock } from '../ipv4/inet_sock.ts';
import { Rt6 } from './ip6_fib.ts';
import { in6Dev, ipv6Net } from './ipv6_net.ts';

/** RFC 8200 §4.5 */
export const NEXTHDR_FRAGMENT = 44;

export class Ip6Output {
  static readonly inlined: readonly string[] = ['ip6_alloc', 'ip6_nd_hdr'];
  constructor(readonly kernel: Kernel) {}

  /** An skb for `length` bytes from the IPv6 header on. */
  ip6_alloc(dev: NetDevice, length: number): SkBuff | undefined {
    const room = LL_RESERVED_SPACE(dev);
    const skb = this.kernel.skb.alloc_skb(room + length);
    if (skb === undefined) return undefined;
    skb_reserve(skb, room);
    skb_reset_network_header(skb);
    skb.dev = dev;
    skb.protocol = ETH_P.IPV6;
    return skb;
  }

  ip6_nd_hdr(at: Gpa, saddr: Uint8Array, daddr: Uint8Array, nexthdr: number, hops: number, length: number): void {
    const { ram } = this.kernel.skb;
    ram.setU32be(at, 0x60000000);
    ram.setU32be(at + 4, ((length << 16) | (nexthdr << 8) | hops) >>> 0);
    ram.write(at + 8, saddr, 0, 16);
    ram.write(at + 24, daddr, 0, 16);
  }

  countOut(net: Net, length: number): void {
    const { ip6 } = ipv4Net(net).mib;
    ip6[IPSTATS.OutRequests]++;
    ip6[IPSTATS.OutOctets] += length;
  }

  countIcmpOut(net: Net, type: number): void {
    const { mib } = ipv4Net(net);
    mib.icmp6[ICMP6STATS.OutMsgs]++;
    mib.icmp6Out[type]++;
  }

  /** A neighbour discovery or MLD message, on the link of its device. */
  sendLinkLocal(skb: SkBuff, daddr: Uint8Array, type: number): void {
    const dev = skb.dev as NetDevice;
    skb.dst = new Rt6(dev, undefined, daddr, ipv6Net(dev.net).genid);
    this.countOut(dev.net, skb.len);
    this.countIcmpOut(dev.net, type);
    this.ip6_output(dev.net, skb);
  }

  ip6_send_skb(net: Net, skb: SkBuff): number {
    const err = this.ip6_local_out(net, skb);
    if (err <= 0) return err;
    return err === 1 ? -Errno.ENOBUFS : 0;
  }

  ip6_local_out(net: Net, skb: SkBuff): number {
    const at = skb_network_header(skb);
    Ipv6Hdr.payload_len.set(this.kernel.skb.ram, at, Math.min(skb.len - 40, 0xffff));
    skb.protocol = ETH_P.IPV6;
    this.countOut(net, skb.len);
    return this.ip6_output(net, skb);
  }

  ip6_output(net: Net, skb: SkBuff): number {
    const rt = skb.dst as Rt6;
    skb.dev = rt.dev;
    if ((in6Dev(rt.dev)?.cnf.disable_ipv6 ?? 1) !== 0) {
      ipv4Net(net).mib.ip6[IPSTATS.OutDiscards]++;
      this.kernel.skb.kfree_skb_reason(skb, 'IPV6DISABLED');
      return 0;
    }
    return this.ip6_finish_output(net, skb);
  }

  ip6_finish_output(net: Net, skb: SkBuff): number {
    const mtu = this.kernel.ipv6.fib.ip6_mtu(skb.dst as Rt6);
    if (skb.len <= mtu || this.kernel.gso.skb_gso_validate_network_len(skb, mtu)) return this.ip6_finish_output2(net, skb);
    return this.kernel.skb.gso_size(skb) === 0 ? this.ip6_fragment(net, skb, mtu) : this.ip6_finish_output_gso_slowpath_drop(net, skb, mtu);
  }

  /** Segments that do not fit the path: cut, and each fragmented. */
  ip6_finish_output_gso_slowpath_drop(net: Net, skb: SkBuff, mtu: number): number {
    const { skb: skbs, gso } = this.kernel;
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
      const sent = this.ip6_fragment(net, s, mtu);
      if (sent !== 0 && err === 0) err = sent;
      s = next;
    }
    return err;
  }

  ip6_finish_output2(net: Net, skb: SkBuff): number {
    const { skb: skbs, ipv4, ipv6 } = this.kernel;
    const { ram } = skbs;
    const rt = skb.dst as Rt6;
    const { dev } = rt;
    if (skb_headroom(skb) < dev.hard_header_len && skbs.skb_cow_head(skb, LL_RESERVED_SPACE(dev)) !== 0) {
      skbs.kfree_skb_reason(skb, 'NOMEM');
      return -Errno.ENOMEM;
    }
    const at = skb_network_header(skb);
    if (ram.u8(at + 24) === 0xff) {
      const daddr = new Uint8Array(16);
      ram.read(at + 24, daddr, 0, 16);
      const loops = (skb.sk as InetSock | undefined)?.v6?.mc_loop !== false && skb.sk !== undefined;
      if ((dev.flags & IFF.LOOPBACK) === 0 && loops && ipv6.mcast.ipv6_chk_mcast_addr(dev, daddr)) {
        const copy = skbs.skb_clone(skb);
        if (copy !== undefined) this.kernel.net.xmit.dev_loopback_xmit(copy);
        if (ram.u8(at + 7) === 0) {
          skbs.kfree_skb(skb);
          return 0;
        }
      }
      const { ip6 } = ipv4Net(net).mib;
      ip6[IPSTATS.OutMcastPkts]++;
      ip6[IPSTATS.OutMcastOctets] += skb.len;
      if ((daddr[1] & 0xf) <= 1 && (dev.flags & IFF.LOOPBACK) === 0) {
        skbs.kfree_skb(skb);
        return 0;
      }
    }
    let n = rt.neigh;
    if (n === undefined || n.dead) {
      n = ipv6.ndisc.lookupOrCreate(dev, rt.from?.gateway ?? rt.daddr);
      if (n === undefined) {
        ipv4Net(net).mib.ip6[IPSTATS.OutNoRoutes]++;
        skbs.kfree_skb_reason(skb, 'NEIGH_CREATEFAIL');
        return -Errno.EINVAL;
      }
      rt.neigh = n;
    }
    return ipv4.neigh.neigh_output(n, skb);
  }

  /** Only a sender fragments; what is forwarded and too big is answered with Packet Too Big. */
  ip6_fragment(net: Net, skb: SkBuff, mtu: number): number {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const { ip6 } = ipv4Net(net).mib;
    const rt = skb.dst as Rt6;
    if (skb.sk === undefined && skb.cb0 === 1) {
      ip6[IPSTATS.FragFails]++;
      this.kernel.ipv6.icmp.icmp6_send(skb, ICMPV6.PKT_TOOBIG, 0, mtu);
      skbs.kfree_skb_reason(skb, 'PKT_TOO_BIG');
      return -Errno.EMSGSIZE;
    }
    if (skb.ip_summed === CHECKSUM_PARTIAL && skbs.skb_checksum_help(skb) !== 0) {
      skbs.kfree_skb(skb);
      return -Errno.ENOMEM;
    }
    const from = skb_network_header(skb);
    const header = new Uint8Array(40);
    ram.read(from, header, 0, 40);
    const nexthdr = header[6];
    header[6] = NEXTHDR_FRAGMENT;
    const payload = skb.len - 40;
    const most = (mtu - 48) & ~7;
    const id = this.ipv6_select_ident(net);
    for (let offset = 0; offset < payload; offset += most) {
      const len = Math.min(most, payload - offset);
      const piece = this.ip6_alloc(rt.dev, 48 + len);
      if (piece === undefined) {
        ip6[IPSTATS.FragFails]++;
        skbs.kfree_skb(skb);
        return -Errno.ENOMEM;
      }
      piece.parent = skb.id;
      piece.dst = rt;
      piece.priority = skb.priority;
      piece.mark = skb.mark;
      if (skb.sk !== undefined) {
        piece.sk = skb.sk;
        (skb.sk as Sock).wmem_alloc += piece.truesize;
      }
      const at = skbs.skb_put(piece, 48 + len);
      piece.transport_header = piece.network_header + 40;
      ram.write(at, header, 0, 40);
      Ipv6Hdr.payload_len.set(ram, at, 8 + len);
      ram.setU32be(at + 40, ((nexthdr << 24) | offset | (offset + len < payload ? 1 : 0)) >>> 0);
      ram.setU32be(at + 44, id);
      skbs.skb_copy_bits(skb, 40 + offset, (at + 48) as Gpa, len);
      ip6[IPSTATS.FragCreates]++;
      const err = this.ip6_finish_output2(net, piece);
      if (err < 0) {
        ip6[IPSTATS.FragFails]++;
        skbs.kfree_skb(skb);
        return err;
      }
    }
    skbs.consume_skb(skb);
    ip6[IPSTATS.FragOKs]++;
    return 0;
  }

  ipv6_select_ident(_net: Net): number {
    return this.kernel.platform.sim.random(`${this.kernel.platform.machine}:ip6_idents`).u32();
  }
}
