// A frame's bytes as a line of a packet list and as a decode tree. Never throws: what cannot be followed is data.
import { formatIpv4, formatMac } from './addresses.ts';
import { decodeIpv4 } from './decode_ipv4.ts';
import { decodeIpv6 } from './decode_ipv6.ts';
import { type DecodeNode, Dissection, fieldNodes, hex } from './decode_tree.ts';
import { ArpHdr, ARPOP_REPLY, ARPOP_REQUEST, ETH_HLEN, ETH_P, EthHdr, VlanHdr } from './headers.ts';

/** The columns of a packet list, in Wireshark's words. */
export interface Summary {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly info: string;
}
export interface Decoded {
  readonly summary: Summary;
  readonly tree: readonly DecodeNode[];
}

/** An Ethernet frame without FCS. */
export function decodeFrame(bytes: Uint8Array): Decoded {
  const d = new Dissection(bytes, bytes.length);
  ethernet(d);
  if (d.end < bytes.length) d.tree.push({ label: `Padding: ${bytes.length - d.end} bytes`, start: d.end, end: bytes.length });
  const { source, destination, protocol, info, tree } = d;
  return { summary: { source, destination, protocol, info }, tree };
}

const ETHER_TYPES: Readonly<Record<number, string>> = {
  [ETH_P.IP]: 'IPv4',
  [ETH_P.ARP]: 'ARP',
  [ETH_P['8021Q']]: '802.1Q',
  [ETH_P.IPV6]: 'IPv6',
};
const etherType = (type: number): string => `${hex(type)}${ETHER_TYPES[type] === undefined ? '' : ` (${ETHER_TYPES[type]})`}`;
/** IEEE 802.3 §3.2.6: smaller values are lengths. */
const MIN_ETHER_TYPE = 0x600;

const macName = (mac: string): string => (mac === 'ff:ff:ff:ff:ff:ff' ? 'Broadcast' : mac);

function ethernet(d: Dissection): void {
  d.protocol = 'Ethernet';
  if (!d.fits(EthHdr, 0)) return d.truncated('Ethernet header', 0);
  const [destination, source] = [formatMac(d.bytes, EthHdr.h_dest.offset), formatMac(d.bytes, EthHdr.h_source.offset)];
  d.source = macName(source);
  d.destination = macName(destination);
  let type = d.get(EthHdr.h_proto, 0);
  d.add(`Ethernet II, ${source} → ${destination}`, 0, ETH_HLEN, fieldNodes(EthHdr, d.mem, 0, { h_proto: etherType }));
  let at = ETH_HLEN;
  while (type === ETH_P['8021Q']) {
    if (!d.fits(VlanHdr, at)) return d.truncated('802.1Q tag', at);
    const tci = d.get(VlanHdr.h_vlan_TCI, at);
    type = d.get(VlanHdr.h_vlan_encapsulated_proto, at);
    const show = {
      h_vlan_TCI: () => `VLAN ${tci & 0xfff}, priority ${tci >> 13}${(tci & 0x1000) !== 0 ? ', DEI' : ''}`,
      h_vlan_encapsulated_proto: etherType,
    };
    d.add(`802.1Q, VLAN ${tci & 0xfff}`, at, at + VlanHdr.$size, fieldNodes(VlanHdr, d.mem, at, show));
    d.protocol = 'VLAN';
    d.info = `ID: ${tci & 0xfff}, PRI: ${tci >> 13}`;
    at += VlanHdr.$size;
  }
  if (type === ETH_P.ARP) arp(d, at);
  else if (type === ETH_P.IP) decodeIpv4(d, at);
  else if (type === ETH_P.IPV6) decodeIpv6(d, at);
  else {
    d.protocol = type < MIN_ETHER_TYPE ? 'LLC' : hex(type);
    d.info = type < MIN_ETHER_TYPE ? `IEEE 802.3, ${type} bytes` : 'Ethernet II';
    d.data(at);
  }
}

const ARP_OPS: Readonly<Record<number, string>> = { [ARPOP_REQUEST]: 'request', [ARPOP_REPLY]: 'reply' };

function arp(d: Dissection, at: number): void {
  d.protocol = 'ARP';
  if (!d.fits(ArpHdr, at)) return d.truncated('ARP', at);
  const op = d.get(ArpHdr.ar_op, at);
  const [sip, tip] = [d.get(ArpHdr.ar_sip, at), d.get(ArpHdr.ar_tip, at)];
  const sha = formatMac(d.bytes, at + ArpHdr.ar_sha.offset);
  const [from, to] = [formatIpv4(sip), formatIpv4(tip)];
  if (op === ARPOP_REQUEST)
    d.info = sip === tip ? `ARP Announcement for ${to}` : sip === 0 ? `Who has ${to}? (ARP Probe)` : `Who has ${to}? Tell ${from}`;
  else if (op === ARPOP_REPLY) d.info = sip === tip ? `Gratuitous ARP for ${from} (Reply)` : `${from} is at ${sha}`;
  else d.info = `opcode ${op}`;
  const end = at + ArpHdr.$size;
  const show = {
    ar_hrd: (v: number) => (v === 1 ? '1 (Ethernet)' : String(v)),
    ar_pro: etherType,
    ar_op: (v: number) => `${v} (${ARP_OPS[v] ?? 'unknown'})`,
    ar_sip: formatIpv4,
    ar_tip: formatIpv4,
  };
  d.add(`Address Resolution Protocol (${ARP_OPS[op] ?? `opcode ${op}`})`, at, end, fieldNodes(ArpHdr, d.mem, at, show));
  d.end = end;
}
