// Where the headers of a frame lie, and which flow it belongs to. Reads bytes only; a frame it cannot follow has no transport.
import { ETH_HLEN, ETH_P, IP_MF, IP_OFFSET, IpHdr, IPPROTO, Ipv6Hdr, NEXTHDR_HOP, TcpHdr, UdpHdr, VlanHdr } from '../wire/headers.ts';

export const be16 = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1];
export const be32 = (b: Uint8Array, at: number): number => ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;
export function setBe16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}
export function setBe32(b: Uint8Array, at: number, value: number): void {
  setBe16(b, at, value >>> 16);
  setBe16(b, at + 2, value & 0xffff);
}

/** Result of `parseFrame`; reusable. */
export class FrameLayout {
  /** VLAN identifier, -1 without a tag. */
  vlan = -1;
  etherType = 0;
  /** Start of the network header. */
  l3 = 0;
  /** 4, 6, or 0 when it is neither. */
  ip = 0;
  /** Start and length of the transport segment; l4 is 0 when there is none or it is a fragment. */
  l4 = 0;
  l4Length = 0;
  protocol = 0;
}

/** Follows Ethernet, one 802.1Q tag, IPv4 or IPv6 (with a hop-by-hop header) down to the transport. Never reads beyond the bytes. */
export function parseFrame(b: Uint8Array, into: FrameLayout): void {
  into.vlan = -1;
  into.ip = into.l4 = into.l4Length = into.protocol = 0;
  into.etherType = b.length >= ETH_HLEN ? be16(b, ETH_HLEN - 2) : 0;
  into.l3 = ETH_HLEN;
  if (into.etherType === ETH_P['8021Q'] && b.length >= ETH_HLEN + VlanHdr.$size) {
    into.vlan = be16(b, ETH_HLEN) & 0xfff;
    into.etherType = be16(b, ETH_HLEN + VlanHdr.h_vlan_encapsulated_proto.offset);
    into.l3 += VlanHdr.$size;
  }
  if (into.etherType === ETH_P.IP) parseIpv4(b, into);
  else if (into.etherType === ETH_P.IPV6) parseIpv6(b, into);
}

function parseIpv4(b: Uint8Array, into: FrameLayout): void {
  const { l3 } = into;
  if (b.length < l3 + IpHdr.$size || b[l3] >> 4 !== 4) return;
  const ihl = (b[l3] & 15) * 4;
  const total = be16(b, l3 + IpHdr.tot_len.offset);
  if (ihl < IpHdr.$size || total < ihl || l3 + total > b.length) return;
  into.ip = 4;
  into.protocol = b[l3 + IpHdr.protocol.offset];
  if ((be16(b, l3 + IpHdr.frag_off.offset) & (IP_OFFSET | IP_MF)) !== 0) return;
  into.l4 = l3 + ihl;
  into.l4Length = total - ihl;
}

function parseIpv6(b: Uint8Array, into: FrameLayout): void {
  const { l3 } = into;
  if (b.length < l3 + Ipv6Hdr.$size || b[l3] >> 4 !== 6) return;
  let length = be16(b, l3 + Ipv6Hdr.payload_len.offset);
  if (l3 + Ipv6Hdr.$size + length > b.length) return;
  let at = l3 + Ipv6Hdr.$size;
  let next = b[l3 + Ipv6Hdr.nexthdr.offset];
  if (next === NEXTHDR_HOP && length >= 8) {
    // RFC 8200 §4.3: length in units of 8 bytes beyond the first 8
    const skip = (b[at + 1] + 1) * 8;
    if (skip > length) return;
    next = b[at];
    at += skip;
    length -= skip;
  }
  into.ip = 6;
  into.protocol = next;
  into.l4 = at;
  into.l4Length = length;
}

const mix = (h: number, word: number): number => {
  const x = Math.imul(h ^ word, 0x9e3779b1);
  return x ^ (x >>> 15);
};

/**
 * A 32-bit hash of the flow, the same in both directions (Linux: __skb_get_hash_symmetric): addresses and ports enter as their sum and
 * exclusive or. Frames without IP hash by EtherType alone, as their flow has no addresses.
 */
export function flowHash(b: Uint8Array, f: FrameLayout): number {
  let h = mix(0x2545f491, f.etherType);
  if (f.ip === 0) return h >>> 0;
  const from = f.l3 + (f.ip === 4 ? IpHdr.saddr.offset : Ipv6Hdr.saddr.offset);
  const words = f.ip === 4 ? 1 : 4;
  for (let i = 0; i < words; i++) {
    const s = be32(b, from + 4 * i);
    const d = be32(b, from + 4 * (i + words));
    h = mix(mix(h, (s + d) | 0), s ^ d);
  }
  h = mix(h, f.protocol);
  if (f.l4 !== 0 && f.l4Length >= 4 && (f.protocol === IPPROTO.TCP || f.protocol === IPPROTO.UDP)) {
    const s = be16(b, f.l4 + TcpHdr.source.offset);
    const d = be16(b, f.l4 + UdpHdr.dest.offset);
    h = mix(mix(h, s + d), s ^ d);
  }
  return h >>> 0;
}

/** Entries of the flow table, and how long one is remembered (Linux: TUN_NUM_FLOW_ENTRIES, TUN_FLOW_EXPIRE). */
const FLOWS = 1024;
const FLOW_EXPIRE = 3e9;

/**
 * virtio-v1.2 §5.1.6.5.5 automatic receive steering: a flow's packets go to the receive queue of the pair on which the driver last
 * transmitted that flow; unknown flows are spread by hash. As Linux's tap does it, with a direct-mapped table.
 */
export class FlowTable {
  private readonly pair = new Uint8Array(FLOWS);
  private readonly seen = new Float64Array(FLOWS).fill(-FLOW_EXPIRE);

  learn(hash: number, pair: number, now: number): void {
    const i = hash & (FLOWS - 1);
    this.pair[i] = pair;
    this.seen[i] = now;
  }

  /** Queue pair for a received frame, of `pairs` in use. */
  steer(hash: number, pairs: number, now: number): number {
    const i = hash & (FLOWS - 1);
    if (now - this.seen[i] < FLOW_EXPIRE && this.pair[i] < pairs) return this.pair[i];
    return Math.floor((hash * pairs) / 0x100000000);
  }

  reset(): void {
    this.seen.fill(-FLOW_EXPIRE);
  }
}
