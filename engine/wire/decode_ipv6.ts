// IPv6, ICMPv6, neighbour discovery and multicast listener discovery as trees and words.
import { formatIpv6, formatMac } from './addresses.ts';
import { csumBytes, csumFold, pseudoHeaderSum6 } from './checksum.ts';
import { decodeTransport, PROTOCOLS, verdict } from './decode_transport.ts';
import { type DecodeNode, type Dissection, fieldNodes, hex } from './decode_tree.ts';
import { Icmp6Hdr, ICMPV6, IPPROTO, Ipv6Hdr, NEXTHDR_HOP } from './headers.ts';

const NEXTHDR_ROUTING = 43;
const NEXTHDR_FRAGMENT = 44;
const NEXTHDR_NONE = 59;
const NEXTHDR_DEST = 60;
const EXTENSIONS: Readonly<Record<number, string>> = {
  [NEXTHDR_HOP]: 'Hop-by-Hop Options',
  [NEXTHDR_ROUTING]: 'Routing',
  [NEXTHDR_FRAGMENT]: 'Fragment',
  [NEXTHDR_DEST]: 'Destination Options',
};
const nextName = (v: number): string => `${v} (${EXTENSIONS[v] ?? PROTOCOLS[v] ?? 'unknown'})`;

export function decodeIpv6(d: Dissection, at: number, quoted = false): void {
  if (!quoted) d.protocol = 'IPv6';
  if (!d.fits(Ipv6Hdr, at)) return d.truncated('IPv6 header', at);
  const version = d.get(Ipv6Hdr.vtc_flow, at) >>> 28;
  if (version !== 6) {
    if (!quoted) d.info = `Bogus IPv6 version (${version})`;
    return d.data(at);
  }
  const [from, to] = [formatIpv6(d.bytes, at + Ipv6Hdr.saddr.offset), formatIpv6(d.bytes, at + Ipv6Hdr.daddr.offset)];
  const nodes = fieldNodes(Ipv6Hdr, d.mem, at, {
    vtc_flow: (v) => `version 6, traffic class ${hex((v >>> 20) & 0xff, 2)}, flow label ${hex(v & 0xfffff, 5)}`,
    nexthdr: nextName,
  }).map((n) =>
    n.end - n.start === 16 ? { ...n, label: `${n.label.slice(0, n.label.indexOf(':'))}: ${formatIpv6(d.bytes, n.start)}` } : n,
  );
  d.add(`Internet Protocol Version 6, ${from} → ${to}`, at, at + Ipv6Hdr.$size, nodes);
  const payload = at + Ipv6Hdr.$size;
  const length = d.get(Ipv6Hdr.payload_len, at);
  if (!quoted) {
    d.source = from;
    d.destination = to;
    if (payload + length > d.end) d.info = `IPv6 payload length ${length} exceeds the frame`;
    else if (length > 0) d.end = payload + length;
  }
  extensions(d, payload, d.get(Ipv6Hdr.nexthdr, at), at, quoted);
}

/** RFC 8200 §4: follows extension headers, each at least 8 bytes, to the transport. */
function extensions(d: Dissection, start: number, first: number, ip: number, quoted: boolean): void {
  let next = first;
  let at = start;
  while (EXTENSIONS[next] !== undefined) {
    if (at + 8 > d.end) return d.truncated(`${EXTENSIONS[next]} header`, at);
    const size = next === NEXTHDR_FRAGMENT ? 8 : (d.mem.u8(at + 1) + 1) * 8;
    if (at + size > d.end) return d.truncated(`${EXTENSIONS[next]} header`, at);
    const following = d.mem.u8(at);
    const children: DecodeNode[] = [{ label: `next header: ${nextName(following)}`, start: at, end: at + 1 }];
    if (next === NEXTHDR_FRAGMENT) {
      const word = d.mem.u16be(at + 2);
      const id = d.mem.u32be(at + 4);
      children.push(
        { label: 'reserved', start: at + 1, end: at + 2 },
        { label: `offset ${word & 0xfff8}${(word & 1) !== 0 ? ', more fragments' : ''}`, start: at + 2, end: at + 4 },
        { label: `identification: ${hex(id, 8)}`, start: at + 4, end: at + 8 },
      );
      if (!quoted)
        d.info = `IPv6 fragment (off=${word & 0xfff8} more=${(word & 1) !== 0 ? 'y' : 'n'} ident=${hex(id, 8)} nxt=${following})`;
      d.add('Fragment header', at, at + size, children);
      return d.data(at + size);
    }
    children.push({ label: `length: ${size} bytes`, start: at + 1, end: at + 2 }, { label: 'options', start: at + 2, end: at + size });
    d.add(`${EXTENSIONS[next]} header`, at, at + size, children);
    at += size;
    next = following;
  }
  if (next === NEXTHDR_NONE) {
    if (!quoted) d.info ||= 'No next header';
    return d.data(at);
  }
  const pseudo = pseudoHeaderSum6(d.mem, ip + Ipv6Hdr.saddr.offset, ip + Ipv6Hdr.daddr.offset, next, d.end - at);
  if (next === IPPROTO.ICMPV6) icmp6(d, at, d.get(Ipv6Hdr.hop_limit, ip), pseudo, quoted);
  else decodeTransport(d, at, next, pseudo, quoted);
}

const TYPES: Readonly<Record<number, string>> = {
  [ICMPV6.DEST_UNREACH]: 'Destination Unreachable',
  [ICMPV6.PKT_TOOBIG]: 'Packet Too Big',
  [ICMPV6.TIME_EXCEED]: 'Time Exceeded',
  [ICMPV6.ECHO_REQUEST]: 'Echo (ping) request',
  [ICMPV6.ECHO_REPLY]: 'Echo (ping) reply',
  130: 'Multicast Listener Query',
  [ICMPV6.MLD_REPORT]: 'Multicast Listener Report',
  132: 'Multicast Listener Done',
  [ICMPV6.RS]: 'Router Solicitation',
  [ICMPV6.RA]: 'Router Advertisement',
  [ICMPV6.NS]: 'Neighbor Solicitation',
  [ICMPV6.NA]: 'Neighbor Advertisement',
  [ICMPV6.MLD2_REPORT]: 'Multicast Listener Report Message v2',
};
/** RFC 4443 §3.1, §3.3 */
const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'no route to destination',
  1: 'Administratively prohibited',
  3: 'Address unreachable',
  4: 'Port unreachable',
};
const EXCEEDED: Readonly<Record<number, string>> = { 0: 'hop limit exceeded in transit', 1: 'fragment reassembly time exceeded' };

function icmp6(d: Dissection, at: number, hopLimit: number, pseudo: number, quoted: boolean): void {
  if (!quoted) d.protocol = 'ICMPv6';
  if (!d.fits(Icmp6Hdr, at)) return d.truncated('ICMPv6', at);
  const type = d.get(Icmp6Hdr.type, at);
  const code = d.get(Icmp6Hdr.code, at);
  const name = TYPES[type] ?? `Type ${type}`;
  const nodes = fieldNodes(Icmp6Hdr, d.mem, at, {
    type: (v) => `${v} (${name})`,
    cksum: (v) => (quoted ? hex(v) : `${hex(v)} ${verdict(v, csumFold(csumBytes(d.bytes, at, d.end - at, pseudo) - v))}`),
    body: (v) => hex(v, 8),
  });
  const body = at + Icmp6Hdr.$size;
  d.add(`Internet Control Message Protocol v6, ${name}`, at, body, nodes);
  const m: Message = { d, type, code, name, body, word: d.get(Icmp6Hdr.body, at), options: [] };
  const error = type < 128;
  const words = describe(m, hopLimit);
  if (!quoted) d.info = words;
  d.tree.push(...m.options);
  if (error && !quoted) decodeIpv6(d, body, true);
  else if (m.options.length === 0) d.data(body);
}

interface Message {
  readonly d: Dissection;
  readonly type: number;
  readonly code: number;
  readonly name: string;
  /** Behind the first 8 bytes. */
  readonly body: number;
  readonly word: number;
  readonly options: DecodeNode[];
}

function describe(m: Message, hopLimit: number): string {
  const { d, type, name, body, word } = m;
  switch (type) {
    case ICMPV6.ECHO_REQUEST:
    case ICMPV6.ECHO_REPLY:
      return `${name} id=${hex(word >>> 16)}, seq=${word & 0xffff}, hop limit=${hopLimit}`;
    case ICMPV6.DEST_UNREACH:
      return `${name} (${UNREACHABLE[m.code] ?? `code ${m.code}`})`;
    case ICMPV6.TIME_EXCEED:
      return `${name} (${EXCEEDED[m.code] ?? `code ${m.code}`})`;
    case ICMPV6.RS: {
      const link = ndOptions(m, body);
      return link === '' ? name : `${name} from ${link}`;
    }
    case ICMPV6.RA: {
      const link = body + 8 <= d.end ? ndOptions(m, body + 8) : '';
      return link === '' ? name : `${name} from ${link}`;
    }
    case ICMPV6.NS:
    case ICMPV6.NA:
      return neighbor(m);
    case ICMPV6.MLD2_REPORT:
      mldRecords(m, word & 0xffff);
      return name;
    case 130:
    case ICMPV6.MLD_REPORT:
    case 132:
      return body + 16 <= d.end ? `${name} for ${formatIpv6(d.bytes, body)}` : name;
    default:
      return name;
  }
}

/** RFC 4861 §4.3, §4.4 */
function neighbor(m: Message): string {
  const { d, body, name } = m;
  if (body + 16 > d.end) return name;
  const target = formatIpv6(d.bytes, body);
  m.options.push({ label: `target: ${target}`, note: 'RFC 4861 §4.3, §4.4: the address asked about.', start: body, end: body + 16 });
  const link = ndOptions(m, body + 16);
  if (m.type === ICMPV6.NS) return link === '' ? `${name} for ${target}` : `${name} for ${target} from ${link}`;
  const flags = [
    (m.word & 0x80000000) !== 0 ? 'rtr' : '',
    (m.word & 0x40000000) !== 0 ? 'sol' : '',
    (m.word & 0x20000000) !== 0 ? 'ovr' : '',
  ].filter((f) => f !== '');
  return `${name} ${target}${flags.length > 0 ? ` (${flags.join(', ')})` : ''}${link === '' ? '' : ` is at ${link}`}`;
}

const ND_OPTIONS: Readonly<Record<number, string>> = {
  1: 'source link-layer address',
  2: 'target link-layer address',
  3: 'prefix information',
  5: 'MTU',
  14: 'nonce',
};

/** RFC 4861 §4.6; returns the link-layer address found, '' when none. */
function ndOptions(m: Message, from: number): string {
  const { d } = m;
  let link = '';
  for (let at = from; at + 8 <= d.end;) {
    const type = d.mem.u8(at);
    const size = d.mem.u8(at + 1) * 8;
    if (size === 0 || at + size > d.end) {
      m.options.push({ label: `option ${type}, malformed`, start: at, end: d.end });
      break;
    }
    const mac = type === 1 || type === 2 ? formatMac(d.bytes, at + 2) : '';
    if (mac !== '') link = mac;
    m.options.push({
      label: `${ND_OPTIONS[type] ?? `option ${type}`}${mac === '' ? '' : `: ${mac}`}`,
      note: 'RFC 4861 §4.6',
      start: at,
      end: at + size,
    });
    at += size;
  }
  return link;
}

const MLD_RECORDS: Readonly<Record<number, string>> = {
  1: 'is include',
  2: 'is exclude',
  3: 'change to include',
  4: 'change to exclude',
  5: 'allow new sources',
  6: 'block old sources',
};

/** RFC 3810 §5.2 */
function mldRecords(m: Message, count: number): void {
  const { d } = m;
  let at = m.body;
  for (let i = 0; i < count && at + 20 <= d.end; i++) {
    const size = 20 + d.mem.u16be(at + 2) * 16 + d.mem.u8(at + 1) * 4;
    const end = Math.min(d.end, at + size);
    m.options.push({
      label: `${MLD_RECORDS[d.mem.u8(at)] ?? `record ${d.mem.u8(at)}`}: ${formatIpv6(d.bytes, at + 4)}`,
      note: 'RFC 3810 §5.2.5',
      start: at,
      end,
    });
    at = end;
  }
}
