// TCP's part of segmentation and merging: a large packet into segments, segments into a large packet (Linux: net/ipv4/tcp_offload.c, af_inet.c, net/core/gro.c).
import { csumFold, pseudoHeaderSum, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ETH_P, IPPROTO, IP_DF } from '../../wire/headers.ts';
import { GRO_HELD, GRO_MERGED, GRO_MERGED_FREE, GRO_NORMAL, type GroReceiver } from '../gro.ts';
import type { Kernel } from '../kernel.ts';
import type { Napi } from '../napi.ts';
import { NETIF_F } from '../netdev_features.ts';
import { SKB_GSO } from '../skb_segment.ts';
import { skb_headlen, skb_network_header } from '../skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type SkBuff } from '../skbuff.ts';
import { TCPHDR } from './tcp_skb.ts';

/** Held packets of one poll (Linux: MAX_GRO_SKBS in each of 8 buckets). */
const MAX_GRO_SKBS = 8;
const GRO_MAX_SIZE = 65536;

export class TcpOffload implements GroReceiver {
  static readonly inlined: readonly string[] = Object.freeze(['gro_receive', 'gro_complete']);
  constructor(readonly kernel: Kernel) {
    kernel.gro.dev_add_offload(ETH_P.IP, this);
    kernel.gro.dev_add_offload(ETH_P.IPV6, this);
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

  gro_receive(napi: Napi, skb: SkBuff): number {
    return this.tcp_gro_receive(napi, skb);
  }
  gro_complete(skb: SkBuff): void {
    this.tcp_gro_complete(skb);
  }

  /** Joins a segment to one of its flow that is held; data is at the IP header. */
  tcp_gro_receive(napi: Napi, skb: SkBuff): number {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    if (napi.dev === undefined || (napi.dev.features & NETIF_F.GRO) === 0n) return GRO_NORMAL;
    const at = skb.data;
    const head = skb_headlen(skb);
    if (head < 40 || skb.frag_list !== undefined || skbs.gso_size(skb) !== 0) return GRO_NORMAL;
    const six = skb.protocol === ETH_P.IPV6;
    const ipLen = six ? 40 : 20;
    if (six ? ram.u8(at + 6) !== IPPROTO.TCP || head < 60 : ram.u8(at) !== 0x45 || ram.u8(at + 9) !== IPPROTO.TCP) return GRO_NORMAL;
    const total = six ? ram.u16be(at + 4) + 40 : ram.u16be(at + 2);
    if (!six && (ram.u16be(at + 6) & 0x3fff) !== 0) return GRO_NORMAL;
    const th = at + ipLen;
    const thLen = (ram.u8(th + 12) >> 4) * 4;
    if (thLen < 20 || head < ipLen + thLen || total > skb.len || total < ipLen + thLen) return GRO_NORMAL;
    if (!this.checksumOk(skb, six, ipLen, total)) return GRO_NORMAL;
    // Ethernet's padding
    if (skb.len > total) skbs.pskb_trim_rcsum(skb, total);
    const length = total - ipLen - thLen;
    const flags = ram.u8(th + 13);
    const held = this.find(napi, skb, six, th);
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
        napi.gro_list.splice(held, 1);
        this.tcp_gro_complete(p);
        this.kernel.gro.gro_normal_one(napi, p);
      }
      if (joined >= 0) return joined === 1 ? GRO_MERGED : GRO_MERGED_FREE;
    }
    if (flush) return GRO_NORMAL;
    if (napi.gro_list.length >= MAX_GRO_SKBS * 8) {
      const oldest = napi.gro_list.shift() as SkBuff;
      this.tcp_gro_complete(oldest);
      this.kernel.gro.gro_normal_one(napi, oldest);
    }
    skbs.setGso(skb, six ? SKB_GSO.TCPV6 : SKB_GSO.TCPV4, length, 1);
    napi.gro_list.push(skb);
    return GRO_HELD;
  }

  /** Index of the held packet with the same ends, or -1. */
  private find(napi: Napi, skb: SkBuff, six: boolean, th: number): number {
    const { ram } = this.kernel.skb;
    const at = skb.data;
    const ports = ram.u32be(th);
    for (let i = 0; i < napi.gro_list.length; i++) {
      const p = napi.gro_list[i];
      if (p.protocol !== skb.protocol) continue;
      const n = skb_network_header(p);
      if (ram.u32be(n + (six ? 40 : 20)) !== ports) continue;
      const [from, to] = six ? [8, 40] : [12, 20];
      let same = true;
      for (let k = from; k < to && same; k += 4) same = ram.u32be(n + k) === ram.u32be(at + k);
      if (same) return i;
    }
    return -1;
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

  private checksumOk(skb: SkBuff, six: boolean, ipLen: number, total: number): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const length = total - ipLen;
    const pseudo = six
      ? pseudoHeaderSum6(ram, skb.data + 8, skb.data + 24, IPPROTO.TCP, length)
      : pseudoHeaderSum(ram.u32be(skb.data + 12), ram.u32be(skb.data + 16), IPPROTO.TCP, length);
    if (csumFold(skbs.skb_checksum(skb, ipLen, length, pseudo)) !== 0) return false;
    if (skb.ip_summed === CHECKSUM_NONE || skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_UNNECESSARY;
    return true;
  }

  /** A held packet goes up: lengths and the pseudo-header's sum are those of the whole. */
  tcp_gro_complete(skb: SkBuff): void {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const segs = skbs.gso_segs(skb);
    if (segs <= 1) {
      skbs.setGso(skb, 0, 0, 0);
      return;
    }
    const n = skb_network_header(skb);
    const six = skb.protocol === ETH_P.IPV6;
    const ipLen = six ? 40 : 20;
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
