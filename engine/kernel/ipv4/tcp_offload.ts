// TCP's part of segmentation and merging: a large packet into segments, segments into a large packet (Linux: net/ipv4/tcp_offload.c, af_inet.c, net/core/gro.c).
import { csumFold, pseudoHeaderSum, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ETH_P, IPPROTO, IP_DF, Ipv6Hdr, TcpHdr } from '../../wire/headers.ts';
import { GRO_HELD, GRO_MAX_SIZE, GRO_MERGED, GRO_MERGED_FREE, GRO_NORMAL, type GroReceiver } from '../gro.ts';
import type { Kernel } from '../kernel.ts';
import type { Napi } from '../napi.ts';
import { skb_headlen, skb_network_header } from '../skb_inline.ts';
import { CHECKSUM_PARTIAL, SKB_GSO, type SkBuff } from '../skbuff.ts';
import { TCPHDR } from './tcp_skb.ts';

export class TcpOffload implements GroReceiver {
  static readonly inlined: readonly string[] = Object.freeze(['gro_receive', 'gro_complete']);
  constructor(readonly kernel: Kernel) {
    kernel.gro.dev_add_offload(ETH_P.IP, IPPROTO.TCP, this);
    kernel.gro.dev_add_offload(ETH_P.IPV6, IPPROTO.TCP, this);
  }

  /** Segments of a packet from its MAC header on, each with its own headers; undefined when memory is out. The packet stays the caller's. */
  tcp_gso_segment(skb: SkBuff, sg: boolean, csum: boolean): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const mss = skbs.gso_size(skb);
    const six = (skbs.gso_type(skb) & SKB_GSO.TCPV6) !== 0;
    const th = skb.head + skb.transport_header;
    const thLen = (ram.u8(th + 12) >> 4) * 4;
    const doffset = th + thLen - skb.data;
    const segs = skbs.skb_segment(skb, doffset, mss, sg && csum);
    let seq = ram.u32be(th + 4);
    let id = six ? 0 : ram.u16be(skb.head + skb.network_header + 4);
    const flags = ram.u8(th + 13);
    for (let s = segs; s !== undefined; s = s.next) {
      const t = s.head + s.transport_header;
      const n = s.head + s.network_header;
      const last = s.next === undefined;
      const first = s === segs;
      ram.setU32be(t + 4, seq);
      let f = flags;
      if (!last) f &= ~(TCPHDR.FIN | TCPHDR.PSH);
      if (!first) f &= ~TCPHDR.CWR;
      ram.setU8(t + 13, f);
      const tcpLen = s.len - (t - s.data);
      if (six) {
        ram.setU16be(n + 4, s.len - (n - s.data) - 40);
        ram.setU16be(t + 16, ~csumFold(pseudoHeaderSum6(ram, n + 8, n + 24, IPPROTO.TCP, tcpLen)) & 0xffff);
      } else {
        ram.setU16be(n + 2, s.len - (n - s.data));
        ram.setU16be(n + 4, id);
        this.kernel.ipv4.output.ip_send_check(n, (ram.u8(n) & 15) * 4);
        ram.setU16be(t + 16, ~csumFold(pseudoHeaderSum(ram.u32be(n + 12), ram.u32be(n + 16), IPPROTO.TCP, tcpLen)) & 0xffff);
        id = (id + 1) & 0xffff;
      }
      s.ip_summed = CHECKSUM_PARTIAL;
      s.csum_offset = 16;
      // the last segment carries the owner's account
      if (last && skb.sk !== undefined) {
        s.sk = skb.sk;
        s.truesize = skb.truesize;
        skb.sk = undefined;
      }
      seq = (seq + tcpLen - thLen) >>> 0;
    }
    return segs;
  }

  gro_receive(napi: Napi, skb: SkBuff, ipLen: number): number {
    return this.tcp_gro_receive(napi, skb, ipLen);
  }
  gro_complete(skb: SkBuff, ipLen: number): void {
    this.tcp_gro_complete(skb, ipLen);
  }

  /** Joins a segment to one of its flow that is held; data is at the IP header. */
  tcp_gro_receive(napi: Napi, skb: SkBuff, ipLen: number): number {
    const { skb: skbs, gro } = this.kernel;
    const { ram } = skbs;
    const at = skb.data;
    const head = skb_headlen(skb);
    const six = ipLen === Ipv6Hdr.$size;
    if (head < ipLen + TcpHdr.$size) return GRO_NORMAL;
    const total = six ? ram.u16be(at + 4) + ipLen : ram.u16be(at + 2);
    const th = at + ipLen;
    const thLen = (ram.u8(th + 12) >> 4) * 4;
    if (thLen < 20 || head < ipLen + thLen || total > skb.len || total < ipLen + thLen) return GRO_NORMAL;
    if (!gro.checksumOk(skb, IPPROTO.TCP, ipLen, total)) return GRO_NORMAL;
    // Ethernet's padding
    if (skb.len > total) skbs.pskb_trim_rcsum(skb, total);
    const length = total - ipLen - thLen;
    const flags = ram.u8(th + 13);
    const held = gro.find(napi, skb, ipLen);
    let flush = length === 0 || (flags & (TCPHDR.URG | TCPHDR.PSH | TCPHDR.RST | TCPHDR.SYN | TCPHDR.FIN)) !== 0;
    if (held >= 0) {
      const p = napi.gro_list[held];
      const joined = this.mergeable(p, skb, six, ipLen, th, thLen, length, flags)
        ? skbs.skb_gro_receive(p, skb, ipLen + thLen, GRO_MAX_SIZE)
        : -1;
      const mss = skbs.gso_size(p);
      if (joined >= 0) {
        const pth = skb_network_header(p) + ipLen;
        ram.setU8(pth + 13, ram.u8(pth + 13) | (flags & (TCPHDR.FIN | TCPHDR.PSH)));
        skbs.setGso(p, skbs.gso_type(p), mss, skbs.gso_segs(p) + 1);
        flush ||= length < mss;
      }
      if (flush || joined < 0) {
        gro.flushHeld(napi, held);
      }
      if (joined >= 0) return joined === 1 ? GRO_MERGED : GRO_MERGED_FREE;
    }
    if (flush) return GRO_NORMAL;
    gro.hold(napi, skb, six ? SKB_GSO.TCPV6 : SKB_GSO.TCPV4, length);
    return GRO_HELD;
  }

  private mergeable(
    p: SkBuff,
    skb: SkBuff,
    six: boolean,
    ipLen: number,
    th: number,
    thLen: number,
    length: number,
    flags: number,
  ): boolean {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const n = skb_network_header(p);
    const at = skb.data;
    const pth = n + ipLen;
    const mss = skbs.gso_size(p);
    const payload = p.len - ipLen - thLen;
    if (length === 0 || length > mss || (ram.u8(pth + 12) >> 4) * 4 !== thLen) return false;
    if ((flags & TCPHDR.CWR) !== 0 || ((flags ^ ram.u8(pth + 13)) & ~(TCPHDR.CWR | TCPHDR.FIN | TCPHDR.PSH)) !== 0) return false;
    if (ram.u32be(pth + 8) !== ram.u32be(th + 8)) return false;
    for (let i = 20; i < thLen; i += 4) if (ram.u32be(pth + i) !== ram.u32be(th + i)) return false;
    if ((ram.u32be(pth + 4) + payload) >>> 0 !== ram.u32be(th + 4)) return false;
    if (six) return ram.u32be(n) === ram.u32be(at) && ram.u8(n + 7) === ram.u8(at + 7);
    if (ram.u8(n + 1) !== ram.u8(at + 1) || ram.u8(n + 8) !== ram.u8(at + 8)) return false;
    const df = ram.u16be(n + 6) & IP_DF;
    if (df !== (ram.u16be(at + 6) & IP_DF)) return false;
    // an identification that counts, or one that does not matter
    const step = (ram.u16be(at + 4) - ram.u16be(n + 4)) & 0xffff;
    return step === skbs.gso_segs(p) || (df !== 0 && step === 0);
  }

  /** A held packet goes up: lengths and the pseudo-header's sum are those of the whole. */
  tcp_gro_complete(skb: SkBuff, ipLen: number): void {
    const { ram } = this.kernel.skb;
    const n = skb_network_header(skb);
    const six = ipLen === Ipv6Hdr.$size;
    const th = n + ipLen;
    const length = skb.len - ipLen;
    if (six) {
      ram.setU16be(n + 4, length);
      ram.setU16be(th + 16, ~csumFold(pseudoHeaderSum6(ram, n + 8, n + 24, IPPROTO.TCP, length)) & 0xffff);
    } else {
      ram.setU16be(n + 2, skb.len);
      this.kernel.ipv4.output.ip_send_check(n);
      ram.setU16be(th + 16, ~csumFold(pseudoHeaderSum(ram.u32be(n + 12), ram.u32be(n + 16), IPPROTO.TCP, length)) & 0xffff);
    }
    skb.transport_header = skb.network_header + ipLen;
    skb.csum_start = skb.transport_header;
    skb.csum_offset = 16;
    skb.ip_summed = CHECKSUM_PARTIAL;
  }
}
