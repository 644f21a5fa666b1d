// UDP (RFC 768) and TCP (RFC 9293, RFC 7323, RFC 2018).
import { csumFold, csumPartial, pseudoHeaderSum, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { IpHdr, IPPROTO, Ipv6Hdr, TcpHdr, UdpHdr } from '../../wire/headers.ts';
import { bitNames, hex, type Printer, type TcpOrigin } from './printer.ts';
import type { Snapshot } from './snapshot.ts';

/** What the network layer knows of the packet. */
export interface NetworkHeader {
  readonly src: string;
  readonly dst: string;
  /** Offset of the IP header. */
  readonly at: number;
  readonly version: 4 | 6;
  readonly fragmented: boolean;
}

/** Sum over the pseudo-header and the transport segment. */
export function transportSum(s: Snapshot, ip: NetworkHeader, protocol: number, at: number, length: number): number {
  const pseudo =
    ip.version === 4
      ? pseudoHeaderSum(IpHdr.saddr.get(s, ip.at), IpHdr.daddr.get(s, ip.at), protocol, length)
      : pseudoHeaderSum6(s, ip.at + Ipv6Hdr.saddr.offset, ip.at + Ipv6Hdr.daddr.offset, protocol, length);
  return csumPartial(s, at, length, pseudo);
}

/** The value for a checksum field, were it computed over the rest of `sum`. */
export const rightChecksum = (field: number, sum: number): number => csumFold(sum + (~field & 0xffff));

export function printUdp(p: Printer, s: Snapshot, at: number, length: number, ip: NetworkHeader): void {
  p.protocol = 'udp';
  if (!s.has(at, 4)) p.print(`${ip.src} > ${ip.dst}: `);
  const [sport, dport] = [UdpHdr.source.get(s, at), UdpHdr.dest.get(s, at)];
  p.print(`${ip.src}.${p.port(sport, 'udp')} > ${ip.dst}.${p.port(dport, 'udp')}: `);
  if (length < UdpHdr.$size) return p.print(`truncated-udp ${length}`);
  const ulen = UdpHdr.len.get(s, at);
  if (ulen < UdpHdr.$size && ulen !== 0) return p.print(`truncated-udplength ${ulen}`);
  if (p.options.quiet > 0) return p.print(`UDP, length ${ulen - UdpHdr.$size}`);
  if (p.verbose > 0 && !p.options.noChecksums && !ip.fragmented) {
    const field = UdpHdr.check.get(s, at);
    if (field === 0) p.print('[no cksum] ');
    else if (s.has(at, length)) {
      const sum = transportSum(s, ip, IPPROTO.UDP, at, length);
      p.print(csumFold(sum) === 0 ? '[udp sum ok] ' : `[bad udp cksum 0x${hex(field, 4)} -> 0x${hex(rightChecksum(field, sum), 4)}!] `);
    }
  }
  const claimed = ulen - UdpHdr.$size;
  const present = length - UdpHdr.$size;
  p.print(claimed > present && !ip.fragmented ? `UDP, bad length ${claimed} > ${present}` : `UDP, length ${claimed}`);
}

const FIN_SYN_RST = 0x07;
const SYN = 0x02;
const ACK = 0x10;
const URG = 0x20;
const FLAGS = [
  [0x01, 'F'],
  [SYN, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [ACK, '.'],
  [URG, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
] as const;

export function printTcp(p: Printer, s: Snapshot, at: number, length: number, ip: NetworkHeader): void {
  p.protocol = 'tcp';
  if (!s.has(at, 4)) p.print(`${ip.src} > ${ip.dst}: `);
  const [sport, dport] = [TcpHdr.source.get(s, at), TcpHdr.dest.get(s, at)];
  p.print(`${ip.src}.${p.port(sport, 'tcp')} > ${ip.dst}.${p.port(dport, 'tcp')}: `);
  const word = TcpHdr.doff_flags.get(s, at);
  const hlen = (word >> 12) * 4;
  if (hlen < TcpHdr.$size) return p.print(`tcp ${length} [bad hdr length ${hlen} - too short, < ${TcpHdr.$size}]`);
  if (p.options.quiet > 0) {
    p.print(`tcp ${length - hlen}`);
    return hlen > length ? p.print(` [bad hdr length ${hlen} - too long, > ${length}]`) : undefined;
  }
  const flags = word & 0xff;
  let seq = TcpHdr.seq.get(s, at);
  let ack = TcpHdr.ack_seq.get(s, at);
  p.print(`Flags [${bitNames(FLAGS, flags, '')}]`);
  if (!p.options.absolute && (flags & ACK) !== 0) [seq, ack] = relative(p, s, ip, { sport, dport, flags, seq, ack });
  if (hlen > length) return p.print(` [bad hdr length ${hlen} - too long, > ${length}]`);
  if (p.verbose > 0 && !p.options.noChecksums && !ip.fragmented) {
    const field = TcpHdr.check.get(s, at);
    p.print(`, cksum 0x${hex(field, 4)}`);
    if (s.has(at, length)) {
      const sum = transportSum(s, ip, IPPROTO.TCP, at, length);
      p.print(csumFold(sum) === 0 ? ' (correct)' : ` (incorrect -> 0x${hex(rightChecksum(field, sum), 4)})`);
    }
  }
  const data = length - hlen;
  if (p.verbose > 1 || data > 0 || (flags & FIN_SYN_RST) !== 0) p.print(`, seq ${seq}${data > 0 ? `:${(seq + data) >>> 0}` : ''}`);
  if ((flags & ACK) !== 0) p.print(`, ack ${ack}`);
  p.print(`, win ${TcpHdr.window.get(s, at)}`);
  if ((flags & URG) !== 0) p.print(`, urg ${TcpHdr.urg_ptr.get(s, at)}`);
  if (hlen > TcpHdr.$size) printOptions(p, s, at + TcpHdr.$size, hlen - TcpHdr.$size);
  p.print(`, length ${data}`);
}

/** Sequence numbers counted from the connection's first ones; those of its first packet stay as they are. */
function relative(
  p: Printer,
  s: Snapshot,
  ip: NetworkHeader,
  t: { readonly sport: number; readonly dport: number; readonly flags: number; readonly seq: number; readonly ack: number },
): [number, number] {
  const source = ip.version === 4 ? s.ipv4(ip.at + IpHdr.saddr.offset) : s.ipv6(ip.at + Ipv6Hdr.saddr.offset);
  const destination = ip.version === 4 ? s.ipv4(ip.at + IpHdr.daddr.offset) : s.ipv6(ip.at + Ipv6Hdr.daddr.offset);
  const reversed = t.sport === t.dport ? source > destination : t.sport > t.dport;
  const ends = [`${source} ${t.sport}`, `${destination} ${t.dport}`];
  const key = (reversed ? ends.reverse() : ends).join(' ');
  const known = p.connections.get(key);
  if (known === undefined || (t.flags & SYN) !== 0) {
    const origin: TcpOrigin = reversed ? { ack: t.seq, seq: (t.ack - 1) >>> 0 } : { seq: t.seq, ack: (t.ack - 1) >>> 0 };
    p.connections.set(key, origin);
    return [t.seq, t.ack];
  }
  const [mine, theirs] = reversed ? [known.ack, known.seq] : [known.seq, known.ack];
  return [(t.seq - mine) >>> 0, (t.ack - theirs) >>> 0];
}

const OPTION = { EOL: 0, NOP: 1, MSS: 2, WSCALE: 3, SACKOK: 4, SACK: 5, TIMESTAMP: 8 } as const;

function printOptions(p: Printer, s: Snapshot, at: number, length: number): void {
  p.print(', options [');
  for (let o = 0; o < length;) {
    if (o > 0) p.print(',');
    const kind = s.u8(at + o);
    if (kind === OPTION.EOL || kind === OPTION.NOP) {
      p.print(kind === OPTION.EOL ? 'eol' : 'nop');
      o++;
      if (kind === OPTION.EOL) break;
      continue;
    }
    const size = o + 1 < length ? s.u8(at + o + 1) : 0;
    if (size < 2 || o + size > length) {
      p.print(`[bad opt]]`);
      return;
    }
    p.print(option(s, at + o, kind, size));
    o += size;
  }
  p.print(']');
}

function option(s: Snapshot, at: number, kind: number, size: number): string {
  switch (kind) {
    case OPTION.MSS:
      return size === 4 ? `mss ${s.u16be(at + 2)}` : `mss [len ${size}]`;
    case OPTION.WSCALE:
      return size === 3 ? `wscale ${s.u8(at + 2)}` : `wscale [len ${size}]`;
    case OPTION.SACKOK:
      return 'sackOK';
    case OPTION.SACK: {
      if ((size - 2) % 8 !== 0) return 'malformed sack';
      let out = `sack ${(size - 2) / 8} `;
      for (let i = 2; i < size; i += 8) out += `{${s.u32be(at + i)}:${s.u32be(at + i + 4)}}`;
      return out;
    }
    case OPTION.TIMESTAMP:
      return size === 10 ? `TS val ${s.u32be(at + 2)} ecr ${s.u32be(at + 6)}` : `TS [len ${size}]`;
    default: {
      let out = `unknown-${kind}`;
      if (size > 2) out += ' 0x';
      for (let i = 2; i < size; i++) out += hex(s.u8(at + i), 2);
      return out;
    }
  }
}
