// What the device does to packets for the driver: completes checksums, cuts large packets into wire frames, verifies on receive.
import { ByteMem, type Mem } from '../base/memory.ts';
import { csumBytes, csumFold, csumPartial } from '../wire/checksum.ts';
import { ETH_HLEN, IP_MF, IpHdr, IPPROTO, Ipv6Hdr, TcpHdr, UdpHdr } from '../wire/headers.ts';
import type { FrameOffload } from '../link/port.ts';
import { VIRTIO_NET_HDR_GSO } from '../virtio/net.ts';
import { be16, be32, FrameLayout, parseFrame, setBe16, setBe32 } from './net_flow.ts';

/** A packet's virtio_net_hdr, taken apart; reusable. */
export class OffloadRequest {
  needsCsum = false;
  csumStart = 0;
  csumOffset = 0;
  gsoType = 0;
  gsoSize = 0;
  ecn = false;
  hdrLen = 0;
}

/** virtio-v1.2 §5.1.6.2: sums from csum_start to the end, over the pseudo-header sum that the driver left in the field. False: outside the packet. */
export function completeChecksum(mem: Mem, packet: number, length: number, start: number, offset: number): boolean {
  const at = start + offset;
  if (start >= length || at + 2 > length) return false;
  // RFC 768: a computed 0 is sent as all ones; for TCP both mean the same
  mem.setU16be(packet + at, csumFold(csumPartial(mem, packet + start, length - start)) || 0xffff);
  return true;
}

/** Does what a sender on a virtual wire left over, for a receiver that does not take it any more: wire frames, or why it cannot be done. */
export function finish(bytes: Uint8Array, o: FrameOffload): Uint8Array[] | string {
  const own = bytes.slice();
  const r = new OffloadRequest();
  r.needsCsum = o.needsCsum;
  r.csumStart = o.csumStart;
  r.csumOffset = o.csumOffset;
  r.gsoType = o.gsoType & ~VIRTIO_NET_HDR_GSO.ECN;
  r.gsoSize = o.gsoSize;
  if (r.gsoType !== VIRTIO_NET_HDR_GSO.NONE) return segment(own, r);
  return completeChecksum(new ByteMem(own), 0, own.length, r.csumStart, r.csumOffset) ? [own] : 'checksum field outside the packet';
}

const layout = new FrameLayout();

/** Cuts a packet as virtio_net_hdr asks (virtio-v1.2 §5.1.6.2): wire frames, or the reason why it cannot be done. */
export function segment(b: Uint8Array, r: OffloadRequest): Uint8Array[] | string {
  if (r.gsoSize === 0) return 'gso_size is 0';
  parseFrame(b, layout);
  const f = layout;
  if (f.l4 === 0) return 'no transport header to segment by';
  switch (r.gsoType) {
    case VIRTIO_NET_HDR_GSO.TCPV4:
    case VIRTIO_NET_HDR_GSO.TCPV6: {
      const ip = r.gsoType === VIRTIO_NET_HDR_GSO.TCPV4 ? 4 : 6;
      if (f.ip !== ip || f.protocol !== IPPROTO.TCP) return `gso_type says TCPv${ip}, the packet is not`;
      if (f.l4Length < TcpHdr.$size) return 'truncated TCP header';
      return segmentTcp(b, f, r);
    }
    case VIRTIO_NET_HDR_GSO.UDP_L4:
      if (f.protocol !== IPPROTO.UDP || f.l4Length < UdpHdr.$size) return 'gso_type says UDP_L4, the packet is not';
      return segmentUdp(b, f, r);
    case VIRTIO_NET_HDR_GSO.UDP:
      if (f.protocol !== IPPROTO.UDP) return 'gso_type says UDP, the packet is not';
      if (r.needsCsum && !completeChecksum(new ByteMem(b), 0, b.length, r.csumStart, r.csumOffset))
        return 'checksum field outside the packet';
      return f.ip === 4 ? fragmentUdp4(b, f, r.gsoSize) : fragmentUdp6(b, f, r.gsoSize);
    default:
      return `unknown gso_type ${r.gsoType}`;
  }
}

const FIN_PSH = 0x09;
const CWR = 0x80;

/** Linux: tcp_gso_segment(). Sequence numbers and IPv4 ids advance; FIN and PSH stay on the last segment, CWR on the first (RFC 3168 §6.1.2). */
function segmentTcp(b: Uint8Array, f: FrameLayout, r: OffloadRequest): Uint8Array[] | string {
  const doff = (b[f.l4 + TcpHdr.doff_flags.offset] >> 4) * 4;
  if (doff < TcpHdr.$size || doff > f.l4Length) return 'bad TCP header length';
  const headers = f.l4 + doff;
  const payload = f.l4Length - doff;
  const seq = be32(b, f.l4 + TcpHdr.seq.offset);
  const id = be16(b, f.l3 + IpHdr.id.offset);
  const flagsAt = f.l4 + TcpHdr.doff_flags.offset + 1;
  const out: Uint8Array[] = [];
  for (let at = 0; at < payload || out.length === 0; at += r.gsoSize) {
    const size = Math.min(r.gsoSize, payload - at);
    const s = new Uint8Array(headers + size);
    s.set(b.subarray(0, headers));
    s.set(b.subarray(headers + at, headers + at + size), headers);
    setBe32(s, f.l4 + TcpHdr.seq.offset, (seq + at) >>> 0);
    if (at + size < payload) s[flagsAt] &= ~FIN_PSH;
    if (at > 0) s[flagsAt] &= ~CWR;
    setIpLength(s, f, doff + size, (id + out.length) & 0xffff);
    setBe16(s, f.l4 + TcpHdr.check.offset, 0);
    setBe16(s, f.l4 + TcpHdr.check.offset, csumFold(csumBytes(s, f.l4, doff + size, pseudoHeader(s, f, doff + size))));
    out.push(s);
  }
  return out;
}

/** virtio-v1.2 §5.1.6.2, HOST_USO: datagrams of gso_size bytes each, every one with a header and a checksum of its own (Linux: __udp_gso_segment()). */
function segmentUdp(b: Uint8Array, f: FrameLayout, r: OffloadRequest): Uint8Array[] {
  const headers = f.l4 + UdpHdr.$size;
  const payload = f.l4Length - UdpHdr.$size;
  const id = be16(b, f.l3 + IpHdr.id.offset);
  const out: Uint8Array[] = [];
  for (let at = 0; at < payload || out.length === 0; at += r.gsoSize) {
    const size = Math.min(r.gsoSize, payload - at);
    const s = new Uint8Array(headers + size);
    s.set(b.subarray(0, headers));
    s.set(b.subarray(headers + at, headers + at + size), headers);
    setIpLength(s, f, UdpHdr.$size + size, (id + out.length) & 0xffff);
    setBe16(s, f.l4 + UdpHdr.len.offset, UdpHdr.$size + size);
    setBe16(s, f.l4 + UdpHdr.check.offset, 0);
    const sum = csumFold(csumBytes(s, f.l4, UdpHdr.$size + size, pseudoHeader(s, f, UdpHdr.$size + size)));
    setBe16(s, f.l4 + UdpHdr.check.offset, sum || 0xffff);
    out.push(s);
  }
  return out;
}

/** RFC 791 §3.2: fragments of a whole UDP datagram; gso_size is the payload of each, rounded down to 8 bytes. */
function fragmentUdp4(b: Uint8Array, f: FrameLayout, gsoSize: number): Uint8Array[] | string {
  const size = gsoSize & ~7;
  if (size === 0) return 'gso_size below 8';
  const out: Uint8Array[] = [];
  for (let at = 0; at < f.l4Length; at += size) {
    const n = Math.min(size, f.l4Length - at);
    const s = new Uint8Array(f.l4 + n);
    s.set(b.subarray(0, f.l4));
    s.set(b.subarray(f.l4 + at, f.l4 + at + n), f.l4);
    setBe16(s, f.l3 + IpHdr.frag_off.offset, (at >> 3) | (at + n < f.l4Length ? IP_MF : 0));
    setIpLength(s, f, n, be16(b, f.l3 + IpHdr.id.offset));
    out.push(s);
  }
  return out;
}

const NEXTHDR_FRAGMENT = 44;
const FRAGMENT_HEADER = 8;

/** RFC 8200 §4.5: the same with a fragment header, whose identification is derived from the datagram's checksum and length. */
function fragmentUdp6(b: Uint8Array, f: FrameLayout, gsoSize: number): Uint8Array[] | string {
  const size = gsoSize & ~7;
  if (size === 0) return 'gso_size below 8';
  if (f.l4 !== f.l3 + Ipv6Hdr.$size) return 'extension headers before UDP';
  const id = be16(b, f.l4 + UdpHdr.check.offset) * 0x10000 + f.l4Length;
  const out: Uint8Array[] = [];
  for (let at = 0; at < f.l4Length; at += size) {
    const n = Math.min(size, f.l4Length - at);
    const s = new Uint8Array(f.l4 + FRAGMENT_HEADER + n);
    s.set(b.subarray(0, f.l4));
    s[f.l3 + Ipv6Hdr.nexthdr.offset] = NEXTHDR_FRAGMENT;
    setBe16(s, f.l3 + Ipv6Hdr.payload_len.offset, FRAGMENT_HEADER + n);
    s[f.l4] = IPPROTO.UDP;
    setBe16(s, f.l4 + 2, at | (at + n < f.l4Length ? 1 : 0));
    setBe32(s, f.l4 + 4, id >>> 0);
    s.set(b.subarray(f.l4 + at, f.l4 + at + n), f.l4 + FRAGMENT_HEADER);
    out.push(s);
  }
  return out;
}

/** Lengths of the network header for `l4Length` bytes of transport, and IPv4's id and checksum. */
function setIpLength(s: Uint8Array, f: FrameLayout, l4Length: number, id: number): void {
  if (f.ip === 6) {
    setBe16(s, f.l3 + Ipv6Hdr.payload_len.offset, f.l4 - f.l3 - Ipv6Hdr.$size + l4Length);
    return;
  }
  setBe16(s, f.l3 + IpHdr.tot_len.offset, f.l4 - f.l3 + l4Length);
  setBe16(s, f.l3 + IpHdr.id.offset, id);
  setBe16(s, f.l3 + IpHdr.check.offset, 0);
  setBe16(s, f.l3 + IpHdr.check.offset, csumFold(csumBytes(s, f.l3, f.l4 - f.l3)));
}

/** Partial sum of the pseudo-header; source and destination are neighbours in both IP versions. */
function pseudoHeader(b: Uint8Array, f: FrameLayout, length: number): number {
  const addresses = f.ip === 4 ? csumBytes(b, f.l3 + IpHdr.saddr.offset, 8) : csumBytes(b, f.l3 + Ipv6Hdr.saddr.offset, 32);
  return addresses + f.protocol + length;
}

/** True when the frame has a TCP or UDP checksum and it is right (virtio-v1.2 §5.1.6.4, DATA_VALID). `f` is the frame's layout. */
export function checksumValid(b: Uint8Array, f: FrameLayout): boolean {
  if (f.l4 === 0) return false;
  if (f.protocol === IPPROTO.UDP) {
    // RFC 768: 0 is no checksum, which proves nothing
    if (f.l4Length < UdpHdr.$size || be16(b, f.l4 + UdpHdr.check.offset) === 0) return false;
  } else if (f.protocol !== IPPROTO.TCP || f.l4Length < TcpHdr.$size) return false;
  return csumFold(csumBytes(b, f.l4, f.l4Length, pseudoHeader(b, f, f.l4Length))) === 0;
}

/** IEEE 802.3 §3.2.6: a frame without even a header cannot be sent. */
export const MIN_PACKET = ETH_HLEN;
