// Frames for tests: Ethernet, IPv4 and IPv6 with UDP or TCP, checksums right unless asked otherwise.
import { ByteMem } from '../base/memory.ts';
import { csumFold, csumPartial, pseudoHeaderSum, pseudoHeaderSum6 } from '../wire/checksum.ts';
import { ETH_HLEN, ETH_P, EthHdr, IpHdr, IPPROTO, Ipv6Hdr, TcpHdr, UdpHdr } from '../wire/headers.ts';

export interface FrameOptions {
  readonly ip?: 4 | 6;
  readonly tcp?: boolean;
  readonly sport?: number;
  readonly dport?: number;
  readonly from?: number;
  readonly to?: number;
  /** Destination MAC; default the station with last byte `to`. */
  readonly dmac?: readonly number[];
  readonly tcpFlags?: number;
  /** 'full' is right; 'partial' is what a driver with checksum offload leaves: the pseudo-header's sum. */
  readonly csum?: 'full' | 'partial' | 'wrong';
}

const ZEROS: readonly number[] = Array.from({ length: 14 }, () => 0);
export const mac = (last: number): number[] => [0x52, 0x54, 0, 0, 0, last];
export const payload = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7 + 3) & 0xff);

/** A frame carrying `data`; headers without options. */
export function frame(data: Uint8Array, o: FrameOptions = {}): Uint8Array {
  const v6 = o.ip === 6;
  const l3 = ETH_HLEN;
  const l4 = l3 + (v6 ? Ipv6Hdr.$size : IpHdr.$size);
  const l4Size = o.tcp === true ? TcpHdr.$size : UdpHdr.$size;
  const m = new ByteMem(new Uint8Array(l4 + l4Size + data.length));
  const proto = o.tcp === true ? IPPROTO.TCP : IPPROTO.UDP;
  const length = l4Size + data.length;
  m.bytes.set(o.dmac ?? mac(o.to ?? 0x0b), EthHdr.h_dest.offset);
  m.bytes.set(mac(o.from ?? 0x0a), EthHdr.h_source.offset);
  EthHdr.h_proto.set(m, 0, v6 ? ETH_P.IPV6 : ETH_P.IP);
  let pseudo: number;
  if (v6) {
    Ipv6Hdr.vtc_flow.set(m, l3, 0x60000000);
    Ipv6Hdr.payload_len.set(m, l3, length);
    Ipv6Hdr.nexthdr.set(m, l3, proto);
    Ipv6Hdr.hop_limit.set(m, l3, 64);
    m.bytes.set([0xfd, ...ZEROS, o.from ?? 0x0a], l3 + Ipv6Hdr.saddr.offset);
    m.bytes.set([0xfd, ...ZEROS, o.to ?? 0x0b], l3 + Ipv6Hdr.daddr.offset);
    pseudo = pseudoHeaderSum6(m, l3 + Ipv6Hdr.saddr.offset, l3 + Ipv6Hdr.daddr.offset, proto, length);
  } else {
    IpHdr.version_ihl.set(m, l3, 0x45);
    IpHdr.tot_len.set(m, l3, IpHdr.$size + length);
    IpHdr.id.set(m, l3, 0x1234);
    IpHdr.ttl.set(m, l3, 64);
    IpHdr.protocol.set(m, l3, proto);
    IpHdr.saddr.set(m, l3, 0x0a000000 + (o.from ?? 0x0a));
    IpHdr.daddr.set(m, l3, 0x0a000000 + (o.to ?? 0x0b));
    IpHdr.check.set(m, l3, csumFold(csumPartial(m, l3, IpHdr.$size)));
    pseudo = pseudoHeaderSum(IpHdr.saddr.get(m, l3), IpHdr.daddr.get(m, l3), proto, length);
  }
  m.bytes.set(data, l4 + l4Size);
  const check = l4 + (o.tcp === true ? TcpHdr.check.offset : UdpHdr.check.offset);
  TcpHdr.source.set(m, l4, o.sport ?? 1000);
  TcpHdr.dest.set(m, l4, o.dport ?? 2000);
  if (o.tcp === true) {
    TcpHdr.seq.set(m, l4, 0xfffffff0);
    TcpHdr.doff_flags.set(m, l4, 0x5000 | (o.tcpFlags ?? 0x18));
    TcpHdr.window.set(m, l4, 512);
  } else UdpHdr.len.set(m, l4, length);
  const full = csumFold(csumPartial(m, l4, length, pseudo));
  const sums = { full: full === 0 ? 0xffff : full, wrong: full ^ 0x5555, partial: ~csumFold(pseudo) & 0xffff };
  m.setU16be(check, sums[o.csum ?? 'full']);
  return m.bytes;
}

/** Where the transport header starts, and its checksum within it. */
export const l4Start = (o: FrameOptions): number => ETH_HLEN + (o.ip === 6 ? Ipv6Hdr.$size : IpHdr.$size);
export const csumOffset = (o: FrameOptions): number => (o.tcp === true ? TcpHdr.check.offset : UdpHdr.check.offset);
