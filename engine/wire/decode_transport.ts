// UDP and TCP as trees and words, for both IP versions.
import { csumBytes, csumFold } from './checksum.ts';
import { type DecodeNode, type Dissection, fieldNodes, hex } from './decode_tree.ts';
import { IPPROTO, TcpHdr, UdpHdr } from './headers.ts';

export const PROTOCOLS: Readonly<Record<number, string>> = {
  [IPPROTO.ICMP]: 'ICMP',
  [IPPROTO.IGMP]: 'IGMP',
  [IPPROTO.TCP]: 'TCP',
  [IPPROTO.UDP]: 'UDP',
  [IPPROTO.IPV6]: 'IPv6',
  [IPPROTO.ICMPV6]: 'ICMPv6',
};

/** '(correct)', or what a checksum should be. */
export const verdict = (found: number, computed: number): string =>
  found === computed || (found === 0xffff && computed === 0) ? '(correct)' : `(incorrect, should be ${hex(computed)})`;

/** `pseudo` is the sum of the pseudo-header for the segment up to `d.end`; a quoted segment (in an ICMP error) leaves the packet's own columns alone. */
export function decodeTransport(d: Dissection, at: number, protocol: number, pseudo: number, quoted: boolean): void {
  if (protocol === IPPROTO.UDP) udp(d, at, pseudo, quoted);
  else if (protocol === IPPROTO.TCP) tcp(d, at, pseudo, quoted);
  else {
    if (!quoted) {
      d.protocol = PROTOCOLS[protocol] ?? `IP protocol ${protocol}`;
      d.info ||= `${d.end - at} bytes`;
    }
    d.data(at);
  }
}

const check =
  (d: Dissection, at: number, pseudo: number, quoted: boolean) =>
  (v: number): string =>
    quoted ? hex(v) : `${hex(v)} ${verdict(v, csumFold(csumBytes(d.bytes, at, d.end - at, pseudo) - v))}`;

function udp(d: Dissection, at: number, pseudo: number, quoted: boolean): void {
  if (!quoted) d.protocol = 'UDP';
  if (!d.fits(UdpHdr, at)) return d.truncated('UDP header', at);
  const [source, dest] = [d.get(UdpHdr.source, at), d.get(UdpHdr.dest, at)];
  if (!quoted) d.info = `${source} → ${dest} Len=${Math.max(0, d.get(UdpHdr.len, at) - UdpHdr.$size)}`;
  const show = { check: (v: number) => (v === 0 ? '0x0000 (none)' : check(d, at, pseudo, quoted)(v)) };
  d.add(`User Datagram Protocol, ${source} → ${dest}`, at, at + UdpHdr.$size, fieldNodes(UdpHdr, d.mem, at, show));
  d.data(at + UdpHdr.$size);
}

/** RFC 9293 §3.1, RFC 3168, RFC 3540, most significant bit last. */
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'AE'] as const;
const flagList = (v: number): string => TCP_FLAGS.filter((_, i) => (v & (1 << i)) !== 0).join(', ');

function tcp(d: Dissection, at: number, pseudo: number, quoted: boolean): void {
  if (!quoted) d.protocol = 'TCP';
  if (!d.fits(TcpHdr, at)) {
    if (!quoted || at + 8 > d.end) return d.truncated('TCP header', at);
    // RFC 792: an error quotes the ports and the sequence number only
    return d.truncated(
      `Transmission Control Protocol, ${d.get(TcpHdr.source, at)} → ${d.get(TcpHdr.dest, at)}, Seq=${d.get(TcpHdr.seq, at)}`,
      at,
    );
  }
  const [source, dest] = [d.get(TcpHdr.source, at), d.get(TcpHdr.dest, at)];
  const word = d.get(TcpHdr.doff_flags, at);
  const length = (word >> 12) * 4;
  const nodes = fieldNodes(TcpHdr, d.mem, at, {
    doff_flags: () => `header length ${length} bytes, flags [${flagList(word)}]`,
    check: check(d, at, pseudo, quoted),
    seq: String,
    ack_seq: String,
  });
  const words: string[] = [];
  if (length > TcpHdr.$size && at + length <= d.end) nodes.push(...tcpOptions(d, at + TcpHdr.$size, at + length, words));
  const payload = at + Math.max(TcpHdr.$size, Math.min(length, d.end - at));
  if (!quoted) {
    const ack = (word & 0x10) !== 0 ? ` Ack=${d.get(TcpHdr.ack_seq, at)}` : '';
    d.info =
      length < TcpHdr.$size
        ? `${source} → ${dest} [bogus TCP header length ${length}]`
        : `${source} → ${dest} [${flagList(word)}] Seq=${d.get(TcpHdr.seq, at)}${ack} Win=${d.get(TcpHdr.window, at)} Len=${d.end - payload}${words.map((w) => ` ${w}`).join('')}`;
  }
  d.add(`Transmission Control Protocol, ${source} → ${dest}`, at, payload, nodes);
  d.data(payload);
}

/** RFC 9293 §3.2, RFC 7323, RFC 2018. `words` collects what Wireshark puts into the info column. */
function tcpOptions(d: Dissection, from: number, to: number, words: string[]): DecodeNode[] {
  const out: DecodeNode[] = [];
  const { mem } = d;
  for (let at = from; at < to;) {
    const kind = mem.u8(at);
    const length = kind < 2 ? 1 : at + 1 < to ? mem.u8(at + 1) : 0;
    if (length === 0 || at + length > to || (kind >= 2 && length < 2)) {
      out.push({ label: `option ${kind}, malformed`, start: at, end: to });
      return out;
    }
    let label = `option ${kind}, ${length} bytes`;
    if (kind === 0) label = 'End of Option List';
    else if (kind === 1) label = 'No-Operation';
    else if (kind === 2 && length === 4) words.push((label = `MSS=${mem.u16be(at + 2)}`));
    else if (kind === 3 && length === 3) words.push((label = `WS=${2 ** Math.min(14, mem.u8(at + 2))}`));
    else if (kind === 4 && length === 2) words.push((label = 'SACK_PERM'));
    else if (kind === 5) label = `SACK, ${(length - 2) >> 3} blocks`;
    else if (kind === 8 && length === 10) words.push((label = `TSval=${mem.u32be(at + 2)} TSecr=${mem.u32be(at + 6)}`));
    out.push({ label, start: at, end: at + length });
    if (kind === 0) break;
    at += length;
  }
  return out;
}
