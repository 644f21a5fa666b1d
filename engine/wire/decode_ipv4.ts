// IPv4 and ICMP as trees and words.
import { formatIpv4 } from './addresses.ts';
import { csumBytes, csumFold, pseudoHeaderSum } from './checksum.ts';
import { decodeTransport, PROTOCOLS, verdict } from './decode_transport.ts';
import { type Dissection, fieldNodes, hex } from './decode_tree.ts';
import { ICMP, ICMP_UNREACH, IcmpHdr, IP_DF, IP_MF, IP_OFFSET, IpHdr, IPPROTO } from './headers.ts';

/** RFC 792: errors quote a header and 8 bytes; one level is shown. */
const MAX_QUOTES = 1;

export function decodeIpv4(d: Dissection, at: number, quotes = 0): void {
  if (quotes === 0) d.protocol = 'IPv4';
  if (!d.fits(IpHdr, at)) return d.truncated('IPv4 header', at);
  const ihl = (d.get(IpHdr.version_ihl, at) & 15) * 4;
  const version = d.get(IpHdr.version_ihl, at) >> 4;
  if (version !== 4 || ihl < IpHdr.$size || at + ihl > d.end) {
    if (quotes === 0) d.info = version !== 4 ? `Bogus IPv4 version (${version})` : `Bogus IPv4 header length (${ihl})`;
    return d.data(at);
  }
  const [saddr, daddr] = [d.get(IpHdr.saddr, at), d.get(IpHdr.daddr, at)];
  const [from, to] = [formatIpv4(saddr), formatIpv4(daddr)];
  const total = d.get(IpHdr.tot_len, at);
  const frag = d.get(IpHdr.frag_off, at);
  const protocol = d.get(IpHdr.protocol, at);
  const nodes = fieldNodes(IpHdr, d.mem, at, {
    version_ihl: () => `version 4, header length ${ihl} bytes`,
    tos: (v) => `${hex(v, 2)} (DSCP ${v >> 2}, ECN ${v & 3})`,
    id: (v) => `${hex(v)} (${v})`,
    frag_off: (v) => `${hex(v)}${flagWords(v)}, offset ${(v & IP_OFFSET) * 8}`,
    protocol: (v) => `${v} (${PROTOCOLS[v] ?? 'unknown'})`,
    check: (v) => `${hex(v)} ${verdict(v, csumFold(csumBytes(d.bytes, at, ihl) - v))}`,
    saddr: formatIpv4,
    daddr: formatIpv4,
  });
  if (ihl > IpHdr.$size) nodes.push({ label: `options: ${ihl - IpHdr.$size} bytes`, start: at + IpHdr.$size, end: at + ihl });
  d.add(`Internet Protocol Version 4, ${from} → ${to}`, at, at + ihl, nodes);
  if (quotes === 0) {
    d.source = from;
    d.destination = to;
    // what is behind the packet is Ethernet padding; a total of 0 is a packet still to be segmented
    if (total >= ihl && at + total < d.end) d.end = at + total;
    if (at + total > d.end) d.info = `IPv4 total length ${total} exceeds the frame`;
  }
  const payload = at + ihl;
  if ((frag & (IP_MF | IP_OFFSET)) !== 0 && quotes === 0) {
    d.info = `Fragmented IP protocol (proto=${PROTOCOLS[protocol] ?? 'unknown'} ${protocol}, off=${(frag & IP_OFFSET) * 8}, ID=${d.get(IpHdr.id, at).toString(16).padStart(4, '0')})`;
    return d.data(payload);
  }
  if (protocol === IPPROTO.ICMP) icmp(d, payload, d.get(IpHdr.ttl, at), quotes);
  else decodeTransport(d, payload, protocol, pseudoHeaderSum(saddr, daddr, protocol, d.end - payload), quotes > 0);
}

const flagWords = (v: number): string => ((v & IP_DF) !== 0 ? ', don’t fragment' : '') + ((v & IP_MF) !== 0 ? ', more fragments' : '');

const TYPES: Readonly<Record<number, string>> = {
  [ICMP.ECHOREPLY]: 'Echo (ping) reply',
  [ICMP.DEST_UNREACH]: 'Destination unreachable',
  [ICMP.REDIRECT]: 'Redirect',
  [ICMP.ECHO]: 'Echo (ping) request',
  [ICMP.TIME_EXCEEDED]: 'Time-to-live exceeded',
  [ICMP.PARAMETERPROB]: 'Parameter problem',
  [ICMP.TIMESTAMP]: 'Timestamp request',
  [ICMP.TIMESTAMPREPLY]: 'Timestamp reply',
};
const UNREACHABLE: Readonly<Record<number, string>> = {
  [ICMP_UNREACH.NET]: 'Network unreachable',
  [ICMP_UNREACH.HOST]: 'Host unreachable',
  [ICMP_UNREACH.PROT]: 'Protocol unreachable',
  [ICMP_UNREACH.PORT]: 'Port unreachable',
  [ICMP_UNREACH.FRAG_NEEDED]: 'Fragmentation needed',
  [ICMP_UNREACH.SR_FAILED]: 'Source route failed',
  [ICMP_UNREACH.NET_ANO]: 'Network administratively prohibited',
  [ICMP_UNREACH.HOST_ANO]: 'Host administratively prohibited',
  [ICMP_UNREACH.PKT_FILTERED]: 'Communication administratively filtered',
};
const EXCEEDED: Readonly<Record<number, string>> = { 0: 'Time to live exceeded in transit', 1: 'Fragment reassembly time exceeded' };
const REDIRECTS: Readonly<Record<number, string>> = { 0: 'Redirect for network', 1: 'Redirect for host' };
const CODES: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [ICMP.DEST_UNREACH]: UNREACHABLE,
  [ICMP.TIME_EXCEEDED]: EXCEEDED,
  [ICMP.REDIRECT]: REDIRECTS,
};

/** '1/256': a sequence number read big- and little-endian, as Wireshark shows both. */
const bothEnds = (v: number): string => `${v}/${((v & 0xff) << 8) | (v >> 8)}`;

function icmp(d: Dissection, at: number, ttl: number, quotes: number): void {
  if (quotes === 0) d.protocol = 'ICMP';
  if (!d.fits(IcmpHdr, at)) return d.truncated('ICMP', at);
  const type = d.get(IcmpHdr.type, at);
  const code = d.get(IcmpHdr.code, at);
  const name = TYPES[type] ?? `Type ${type}`;
  const detail = CODES[type]?.[code];
  const echo = type === ICMP.ECHO || type === ICMP.ECHOREPLY;
  const [id, sequence] = [d.get(IcmpHdr.id, at), d.get(IcmpHdr.sequence, at)];
  if (quotes === 0)
    d.info = echo
      ? `${name.padEnd(20)} id=${hex(id)}, seq=${bothEnds(sequence)}, ttl=${ttl}`
      : detail === undefined
        ? name
        : `${name} (${detail})`;
  const nodes = fieldNodes(IcmpHdr, d.mem, at, {
    type: (v) => `${v} (${name})`,
    code: (v) => `${v}${detail === undefined ? '' : ` (${detail})`}`,
    // a quoted packet is cut short, so its checksum cannot be judged
    checksum: (v) => (quotes > 0 ? hex(v) : `${hex(v)} ${verdict(v, csumFold(csumBytes(d.bytes, at, d.end - at) - v))}`),
    id: (v) => hex(v),
    sequence: (v) => (echo ? bothEnds(v) : String(v)),
  });
  d.add(`Internet Control Message Protocol, ${name}`, at, at + IcmpHdr.$size, nodes);
  const body = at + IcmpHdr.$size;
  if (CODES[type] !== undefined && quotes < MAX_QUOTES) decodeIpv4(d, body, quotes + 1);
  else d.data(body);
}
