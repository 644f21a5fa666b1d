// UDP's part of segmentation and merging, for both families (Linux: net/ipv4/udp_offload.c, net/ipv6/udp_offload.c).
import { csumFold, pseudoHeaderSum, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ETH_P, IP_MF, IPPROTO, IpHdr, Ipv6Hdr, UdpHdr } from '../../wire/headers.ts';
import { GRO_HELD, GRO_MAX_SIZE, GRO_MERGED, GRO_MERGED_FREE, GRO_NORMAL, type GroReceiver } from '../gro.ts';
import type { Kernel } from '../kernel.ts';
import type { Napi } from '../napi.ts';
import type { NetDevice } from '../net_device.ts';
import { __skb_pull, __skb_push, skb_headlen, skb_headroom, skb_network_header } from '../skb_inline.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_GSO, type SkBuff } from '../skbuff.ts';
import type { InetSock } from './inet_sock.ts';
import { ipv4Net } from './ipv4_net.ts';

/** Linux: UDP_GRO_CNT_MAX */
const UDP_GRO_CNT_MAX = 64;

export class UdpOffload implements GroReceiver {
  static readonly inlined: readonly string[] = Object.freeze(['gro_receive', 'gro_complete']);
  /** Some socket has asked for merged datagrams (UDP_GRO): from then on merging looks for the socket first (Linux: udp_encap_needed_key). */
  socketsMatter = false;

  constructor(readonly kernel: Kernel) {
    kernel.gro.dev_add_offload(ETH_P.IP, IPPROTO.UDP, this);
    kernel.gro.dev_add_offload(ETH_P.IPV6, IPPROTO.UDP, this);
  }

  /** Datagrams of a UDP_SEGMENT packet, `gso_size` bytes each and a shorter last one. */
  udp_gso_segment(skb: SkBuff, sg: boolean, csum: boolean): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const mss = skbs.gso_size(skb);
    const doffset = skb.head + skb.transport_header + UdpHdr.$size - skb.data;
    if (skb.len <= doffset + mss) return undefined;
    const summed = skb.ip_summed === CHECKSUM_PARTIAL || UdpHdr.check.get(ram, skb.head + skb.transport_header) !== 0;
    const segs = skbs.skb_segment(skb, doffset, mss, sg && csum);
    let id = IpHdr.id.get(ram, skb_network_header(skb));
    for (let s = segs; s !== undefined; s = s.next) {
      const uh = s.head + s.transport_header;
      const n = skb_network_header(s);
      UdpHdr.len.set(ram, uh, s.len - (uh - s.data));
      this.setIpLength(s, n, id);
      id = (id + 1) & 0xffff;
      s.ip_summed = summed ? CHECKSUM_PARTIAL : CHECKSUM_NONE;
      if (summed) this.setPseudo(s, n, uh);
      if (s.next === undefined && skb.sk !== undefined) {
        // the last segment carries the owner's account
        s.sk = skb.sk;
        s.truesize = skb.truesize;
        skb.sk = undefined;
      }
    }
    return segs;
  }

  /** A datagram from a peer that leaves fragmentation to its device (virtio-net's GUEST_UFO): IP fragments. */
  udp4_ufo_fragment(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const mss = skbs.gso_size(skb) & ~7;
    const from = skb_network_header(skb);
    // RFC 8200 §4.5: a version 6 fragment needs one more header, for which no peer asks
    if (mss === 0 || ram.u8(from) >> 4 !== 4) return undefined;
    if (skb.ip_summed === CHECKSUM_PARTIAL && skbs.skb_checksum_help(skb) !== 0) return undefined;
    const segs = skbs.skb_segment(skb, skb.head + skb.transport_header - skb.data, mss, false);
    const id = IpHdr.id.get(ram, from);
    let offset = 0;
    for (let s = segs; s !== undefined; s = s.next) {
      const n = skb_network_header(s);
      IpHdr.frag_off.set(ram, n, (offset >> 3) | (s.next === undefined ? 0 : IP_MF));
      this.setIpLength(s, n, id);
      s.ip_summed = CHECKSUM_NONE;
      offset += mss;
    }
    return segs;
  }

  /** What rx-gro-list has chained: the datagrams as they came, behind the link header the first one has now. */
  udp_gso_segment_list(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const headers = skb.head + skb.transport_header + UdpHdr.$size - skb.data;
    const link = skb_network_header(skb) - skb.data;
    const first = skbs.__pskb_copy(skb, skb_headroom(skb));
    if (first === undefined) return undefined;
    for (let m = skb.frag_list; m !== undefined; m = m.next) {
      first.len -= m.len;
      first.data_len -= m.len;
    }
    first.truesize = skb.truesize;
    skbs.setGso(first, 0, 0, 0);
    const n = skb_network_header(first);
    UdpHdr.len.set(ram, first.head + first.transport_header, first.len - (first.head + first.transport_header - first.data));
    this.setIpLength(first, n, IpHdr.id.get(ram, n));
    let last = first;
    for (let m = skb.frag_list; m !== undefined; m = m.next) {
      __skb_push(m, headers);
      const s = skbs.__pskb_copy(m, skb_headroom(m));
      __skb_pull(m, headers);
      if (s === undefined) {
        skbs.freeChain(first);
        return undefined;
      }
      skbs.ram.copy(s.data, skb.data, link);
      s.parent = m.id;
      s.dev = skb.dev;
      s.dst = skb.dst;
      s.mac_header = s.data - s.head;
      s.network_header = s.mac_header + link;
      s.transport_header = s.mac_header + headers - UdpHdr.$size;
      last.next = s;
      last = s;
    }
    return first;
  }

  /** The datagrams of a merged packet for a socket that has not asked for merged ones; data of each is at its UDP payload. Consumes the packet. */
  udp_rcv_segment(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs, gso } = this.kernel;
    __skb_push(skb, skb.data - skb_network_header(skb));
    const segs = gso.skb_gso_segment(skb, true, true);
    if (segs === undefined) {
      skbs.kfree_skb_reason(skb, 'SKB_GSO_SEG');
      return undefined;
    }
    skbs.consume_skb(skb);
    for (let s: SkBuff | undefined = segs; s !== undefined; s = s.next) {
      if (s.ip_summed === CHECKSUM_PARTIAL) s.ip_summed = CHECKSUM_UNNECESSARY;
      __skb_pull(s, s.head + s.transport_header + UdpHdr.$size - s.data);
    }
    return segs;
  }

  gro_receive(napi: Napi, skb: SkBuff, ipLen: number): number {
    const { skb: skbs, gro } = this.kernel;
    const { ram } = skbs;
    const { dev } = napi;
    const uh = skb.data + ipLen;
    if (skb_headlen(skb) < ipLen + UdpHdr.$size) return GRO_NORMAL;
    const sk = this.socketsMatter ? this.socketOf(skb, dev, uh) : undefined;
    const chain = dev.groList && sk?.udpGro !== true;
    if (!chain && !(sk === undefined ? dev.groUdpFwd : sk.udpGro)) return GRO_NORMAL;
    const length = UdpHdr.len.get(ram, uh);
    if (UdpHdr.check.get(ram, uh) === 0 || length <= UdpHdr.$size || length !== skb.len - ipLen) return GRO_NORMAL;
    if (!gro.checksumOk(skb, IPPROTO.UDP, ipLen, skb.len)) return GRO_NORMAL;
    const held = gro.find(napi, skb, ipLen);
    if (held >= 0) {
      const p = napi.gro_list[held];
      const before = UdpHdr.len.get(ram, skb_network_header(p) + ipLen);
      if (chain !== ((skbs.gso_type(p) & SKB_GSO.FRAGLIST) !== 0)) {
        gro.flushHeld(napi, held);
        return GRO_NORMAL;
      }
      const joined = length > before ? -1 : this.join(p, skb, ipLen + UdpHdr.$size, chain);
      if (joined >= 0) skbs.setGso(p, skbs.gso_type(p), skbs.gso_size(p), skbs.gso_segs(p) + 1);
      if (joined < 0 || length !== before || skbs.gso_segs(p) >= UDP_GRO_CNT_MAX) gro.flushHeld(napi, held);
      if (joined >= 0) return joined === 1 ? GRO_MERGED : GRO_MERGED_FREE;
    }
    gro.hold(napi, skb, chain ? SKB_GSO.UDP_L4 | SKB_GSO.FRAGLIST : SKB_GSO.UDP_L4, length - UdpHdr.$size);
    return GRO_HELD;
  }

  private join(p: SkBuff, skb: SkBuff, headers: number, chain: boolean): number {
    const { skb: skbs } = this.kernel;
    return chain ? skbs.skb_gro_receive_list(p, skb, headers, GRO_MAX_SIZE) : skbs.skb_gro_receive(p, skb, headers, GRO_MAX_SIZE);
  }

  gro_complete(skb: SkBuff, ipLen: number): void {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const n = skb_network_header(skb);
    const uh = n + ipLen;
    UdpHdr.len.set(ram, uh, skb.len - ipLen);
    this.setIpLength(skb, n, IpHdr.id.get(ram, n));
    skb.transport_header = skb.network_header + ipLen;
    if ((skbs.gso_type(skb) & SKB_GSO.FRAGLIST) !== 0) {
      skb.ip_summed = CHECKSUM_UNNECESSARY;
      return;
    }
    this.setPseudo(skb, n, uh);
    skb.ip_summed = CHECKSUM_PARTIAL;
  }

  /** The socket a datagram would go to. */
  private socketOf(skb: SkBuff, dev: NetDevice, uh: number): InetSock | undefined {
    const { ipv4, ipv6 } = this.kernel;
    const { ram } = this.kernel.skb;
    const at = skb.data;
    const sport = UdpHdr.source.get(ram, uh);
    const dport = UdpHdr.dest.get(ram, uh);
    if (skb.protocol === ETH_P.IPV6)
      return ipv6.udp.lookup(dev, ipv6.icmp.readAddr(at + 8), sport, ipv6.icmp.readAddr(at + 24), dport, dev.ifindex).at(0);
    return ipv4.udp.__udp4_lib_lookup(ipv4Net(dev.net), IpHdr.saddr.get(ram, at), sport, IpHdr.daddr.get(ram, at), dport, dev.ifindex);
  }

  private setIpLength(skb: SkBuff, n: number, id: number): void {
    const { ram } = this.kernel.skb;
    const length = skb.len - (n - skb.data);
    if (ram.u8(n) >> 4 === 6) {
      Ipv6Hdr.payload_len.set(ram, n, length - Ipv6Hdr.$size);
      return;
    }
    IpHdr.tot_len.set(ram, n, length);
    IpHdr.id.set(ram, n, id);
    this.kernel.ipv4.output.ip_send_check(n, (ram.u8(n) & 15) * 4);
  }

  /** What CHECKSUM_PARTIAL starts from. */
  private setPseudo(skb: SkBuff, n: number, uh: number): void {
    const { ram } = this.kernel.skb;
    const length = skb.len - (uh - skb.data);
    const sum =
      ram.u8(n) >> 4 === 6
        ? pseudoHeaderSum6(ram, n + Ipv6Hdr.saddr.offset, n + Ipv6Hdr.daddr.offset, IPPROTO.UDP, length)
        : pseudoHeaderSum(IpHdr.saddr.get(ram, n), IpHdr.daddr.get(ram, n), IPPROTO.UDP, length);
    UdpHdr.check.set(ram, uh, ~csumFold(sum) & 0xffff);
    skb.csum_start = skb.transport_header;
    skb.csum_offset = UdpHdr.check.offset;
  }
}
