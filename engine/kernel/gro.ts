// Generic receive offload: the entry point of drivers' polls, merging, and delivery in batches (Linux: net/core/gro.c, net/ipv4/af_inet.c).
import type { TracePoint } from '../trace/trace.ts';
import { csumFold, pseudoHeaderSum, pseudoHeaderSum6 } from '../wire/checksum.ts';
import { ETH_P, IpHdr, Ipv6Hdr } from '../wire/headers.ts';
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type SkBuff } from './skbuff.ts';
import { skb_headlen, skb_network_header } from './skb_inline.ts';
import { emitRxVerbose } from './dev_rx.ts';
import { NapiGroReceiveEntry, NapiGroReceiveExit } from './tracepoints.ts';

/** enum gro_result */
export const GRO_MERGED = 0;
export const GRO_MERGED_FREE = 1;
export const GRO_HELD = 2;
export const GRO_NORMAL = 3;
/** net.core.gro_normal_batch */
export const GRO_NORMAL_BATCH = 8;
/** A merged packet stays below this. */
export const GRO_MAX_SIZE = 65536;
/** Held packets in one bucket of flows, and buckets (Linux: MAX_GRO_SKBS, GRO_HASH_BUCKETS). */
const MAX_GRO_SKBS = 8;
const GRO_HASH_BUCKETS = 8;
const IP_FRAGMENT = 0x3fff;
const JIFFY = 4_000_000;

/** A transport's merging (Linux: struct net_offload): holds or merges the skb, whose data is at a plain IP header of `ipLen` bytes, or answers GRO_NORMAL. */
export interface GroReceiver {
  gro_receive(napi: Napi, skb: SkBuff, ipLen: number): number;
  /** A merged packet leaves: headers are those of the whole. */
  gro_complete(skb: SkBuff, ipLen: number): void;
}

export class Gro {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['gro_normal_list', 'gro_normal_one', 'napi_skb_finish']);
  normal_batch = GRO_NORMAL_BATCH;
  /** By IP protocol, for each version. */
  private readonly inet: (GroReceiver | undefined)[] = [];
  private readonly inet6: (GroReceiver | undefined)[] = [];
  private readonly tpEntry: TracePoint;
  private readonly tpExit: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.tpEntry = kernel.platform.scope.point(NapiGroReceiveEntry);
    this.tpExit = kernel.platform.scope.point(NapiGroReceiveExit);
  }

  /** Merging for an IP protocol. */
  dev_add_offload(type: typeof ETH_P.IP | typeof ETH_P.IPV6, protocol: number, receiver: GroReceiver): void {
    (type === ETH_P.IP ? this.inet : this.inet6)[protocol] = receiver;
  }

  /** From a driver's poll. Returns GRO_*. */
  napi_gro_receive(napi: Napi, skb: SkBuff): number {
    if (this.tpEntry.enabled) emitRxVerbose(this.kernel, this.tpEntry, skb, napi.napi_id);
    skb.network_header = skb.data - skb.head;
    const result = this.napi_skb_finish(napi, skb, this.dev_gro_receive(napi, skb));
    if (this.tpExit.enabled) this.tpExit.emit(result);
    return result;
  }

  dev_gro_receive(napi: Napi, skb: SkBuff): number {
    this.kernel.charge(this.kernel.platform.costs.gro);
    if (!napi.dev.gro) return GRO_NORMAL;
    if (skb.protocol === ETH_P.IP) return this.inet_gro_receive(napi, skb);
    if (skb.protocol === ETH_P.IPV6) return this.ipv6_gro_receive(napi, skb);
    return GRO_NORMAL;
  }

  /** No options, no fragment, and all of it here. */
  inet_gro_receive(napi: Napi, skb: SkBuff): number {
    const { ram } = this.kernel.skb;
    const at = skb.data;
    if (skb_headlen(skb) < IpHdr.$size || ram.u8(at) !== 0x45 || (ram.u16be(at + 6) & IP_FRAGMENT) !== 0) return GRO_NORMAL;
    const receiver = this.inet[ram.u8(at + 9)];
    if (receiver === undefined || IpHdr.tot_len.get(ram, at) > skb.len) return GRO_NORMAL;
    return this.mergeable(skb) ? receiver.gro_receive(napi, skb, IpHdr.$size) : this.pass(napi, skb, IpHdr.$size);
  }
  ipv6_gro_receive(napi: Napi, skb: SkBuff): number {
    const { ram } = this.kernel.skb;
    const at = skb.data;
    if (skb_headlen(skb) < Ipv6Hdr.$size || ram.u8(at) >> 4 !== 6) return GRO_NORMAL;
    const receiver = this.inet6[Ipv6Hdr.nexthdr.get(ram, at)];
    if (receiver === undefined || Ipv6Hdr.payload_len.get(ram, at) + Ipv6Hdr.$size > skb.len) return GRO_NORMAL;
    return this.mergeable(skb) ? receiver.gro_receive(napi, skb, Ipv6Hdr.$size) : this.pass(napi, skb, Ipv6Hdr.$size);
  }

  private mergeable(skb: SkBuff): boolean {
    return skb.frag_list === undefined && this.kernel.skb.gso_size(skb) === 0;
  }
  /** What the device has merged already goes up as it is, after what is held of its flow. */
  private pass(napi: Napi, skb: SkBuff, ipLen: number): number {
    if (skb_headlen(skb) < ipLen + 4) return GRO_NORMAL;
    const held = this.find(napi, skb, ipLen);
    if (held >= 0) this.flushHeld(napi, held);
    return GRO_NORMAL;
  }

  /** Index of the held packet of the same flow: link header, addresses, protocol and ports; -1 for none. */
  find(napi: Napi, skb: SkBuff, ipLen: number): number {
    const { ram } = this.kernel.skb;
    const { gro_list: list } = napi;
    const at = skb.data;
    const six = ipLen === Ipv6Hdr.$size;
    const ports = ram.u32be(at + ipLen);
    for (let i = 0; i < list.length; i++) {
      const p = list[i];
      if (p.protocol !== skb.protocol || p.hash !== skb.hash || p.dev !== skb.dev || p.vlan_tci !== skb.vlan_tci) continue;
      const n = skb_network_header(p);
      if (ram.u32be(n + ipLen) !== ports || ram.u8(n + (six ? 6 : 9)) !== ram.u8(at + (six ? 6 : 9))) continue;
      // a flow label is part of the flow, a traffic class is not
      if (six && ((ram.u32be(n) ^ ram.u32be(at)) & 0xf00fffff) !== 0) continue;
      if (!this.equal(n + (six ? 8 : 12), at + (six ? 8 : 12), ipLen - (six ? 8 : 12))) continue;
      if (p.mac_header >= 0 && skb.mac_header >= 0 && !this.equal(p.head + p.mac_header, skb.head + skb.mac_header, 12)) continue;
      return i;
    }
    return -1;
  }

  /** Whole words. */
  private equal(a: number, b: number, length: number): boolean {
    const { ram } = this.kernel.skb;
    for (let k = 0; k < length; k += 4) if (ram.u32be(a + k) !== ram.u32be(b + k)) return false;
    return true;
  }

  /** Keeps a packet for more of its flow; a full bucket gives up its oldest. `size`: payload of each segment. */
  hold(napi: Napi, skb: SkBuff, type: number, size: number): void {
    const { gro_list: list } = napi;
    const bucket = skb.hash % GRO_HASH_BUCKETS;
    let count = 0;
    let oldest = -1;
    for (let i = 0; i < list.length; i++) {
      if (list[i].hash % GRO_HASH_BUCKETS !== bucket) continue;
      count++;
      if (oldest < 0) oldest = i;
    }
    if (count >= MAX_GRO_SKBS) this.flushHeld(napi, oldest);
    this.kernel.skb.setGso(skb, type, size, 1);
    skb.cb3 = this.jiffies();
    list.push(skb);
  }

  private jiffies(): number {
    return Math.floor(this.kernel.now() / JIFFY);
  }

  /** The transport's checksum is right, or somebody vouches for it; `total`: bytes from the IP header to the end of the datagram. */
  checksumOk(skb: SkBuff, protocol: number, ipLen: number, total: number): boolean {
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const at = skb.data;
    const length = total - ipLen;
    const pseudo =
      ipLen === Ipv6Hdr.$size
        ? pseudoHeaderSum6(ram, at + Ipv6Hdr.saddr.offset, at + Ipv6Hdr.daddr.offset, protocol, length)
        : pseudoHeaderSum(IpHdr.saddr.get(ram, at), IpHdr.daddr.get(ram, at), protocol, length);
    if (csumFold(skbs.skb_checksum(skb, ipLen, length, pseudo)) !== 0) return false;
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    return true;
  }

  napi_skb_finish(napi: Napi, skb: SkBuff, result: number): number {
    if (result === GRO_NORMAL) this.gro_normal_one(napi, skb);
    else if (result === GRO_MERGED_FREE) this.kernel.skb.consume_skb(skb);
    return result;
  }

  /** Queues for delivery; a full batch goes up at once. A merged packet counts for all its segments. */
  gro_normal_one(napi: Napi, skb: SkBuff, segs = 1): void {
    napi.rx_list.push(skb);
    napi.rx_count += segs;
    if (napi.rx_count >= this.normal_batch) this.gro_normal_list(napi);
  }

  gro_normal_list(napi: Napi): void {
    if (napi.rx_count === 0) return;
    this.kernel.net.rx.netif_receive_skb_list_internal(napi.rx_list);
    napi.rx_count = 0;
  }

  /** What merging held goes up; with `flush_old` only what was held before this tick. */
  napi_gro_flush(napi: Napi, flush_old = false): void {
    const { gro_list: list } = napi;
    const now = flush_old ? this.jiffies() : -1;
    for (let i = 0; i < list.length;) {
      if (list[i].cb3 === now) i++;
      else this.flushHeld(napi, i);
    }
  }

  /** One held packet goes up. */
  flushHeld(napi: Napi, i: number): void {
    const [skb] = napi.gro_list.splice(i, 1);
    this.napi_gro_complete(napi, skb);
  }

  napi_gro_complete(napi: Napi, skb: SkBuff): void {
    const { skb: skbs } = this.kernel;
    const segs = skbs.gso_segs(skb);
    if (segs <= 1) skbs.setGso(skb, 0, 0, 0);
    else {
      const { ram } = skbs;
      const n = skb_network_header(skb);
      if (skb.protocol === ETH_P.IPV6) this.inet6[Ipv6Hdr.nexthdr.get(ram, n)]?.gro_complete(skb, Ipv6Hdr.$size);
      else this.inet[IpHdr.protocol.get(ram, n)]?.gro_complete(skb, IpHdr.$size);
    }
    skb.cb3 = 0;
    this.gro_normal_one(napi, skb, segs);
  }
}
