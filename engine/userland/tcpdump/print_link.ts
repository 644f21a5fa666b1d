// One packet as a line: time, link layer, what it carries, dumps.
import { ArpHdr, ARPOP_REPLY, ARPOP_REQUEST, ETH_ALEN, ETH_HLEN, ETH_P, EthHdr, VlanHdr } from '../../wire/headers.ts';
import { civilDate } from '../ip/monitor.ts';
import { asciiText, hexAsciiLines, hexLines } from './hexdump.ts';
import { hex, type Printer } from './printer.ts';
import { printIp } from './print_ip.ts';
import { printIp6 } from './print_ip6.ts';
import { type Captured, LINKTYPE } from './savefile.ts';
import { ETHERTYPE_NAMES } from './services.ts';
import { Snapshot, Truncated } from './snapshot.ts';

/** Smaller values are lengths (IEEE 802.3 §3.2.6). */
const MIN_ETHERTYPE = 0x600;
const RARP = 0x8035;
const VLAN_TYPES = new Set([0x8100, 0x88a8, 0x9100]);

/** LINKTYPE_LINUX_SLL2 */
export const SLL2 = { size: 20, protocol: 0, ifindex: 4, hatype: 8, pkttype: 10, halen: 11, addr: 12 } as const;
const PACKET_TYPES = ['In', 'B', 'M', 'P', 'Out'] as const;

/** Times of the packets before, for -ttt and -ttttt. */
export class Clock {
  private base: { seconds: number; micros: number } | undefined;
  count = 0;

  /** The time as `-t…` wants it, with the space behind. */
  stamp(p: Captured, style: number): string {
    const two = (n: number): string => String(n).padStart(2, '0');
    const clock = (seconds: number, micros: number): string =>
      `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(micros).padStart(6, '0')} `;
    switch (style) {
      case 0:
        return clock(p.seconds % 86_400, p.micros);
      case 1:
        return '';
      case 2:
        return `${p.seconds}.${String(p.micros).padStart(6, '0')} `;
      case 4: {
        const d = civilDate(Math.floor(p.seconds / 86_400));
        return `${d.year}-${two(d.month)}-${two(d.day)} ${clock(p.seconds % 86_400, p.micros)}`;
      }
      default: {
        this.base ??= p;
        const difference = (p.seconds - this.base.seconds) * 1_000_000 + p.micros - this.base.micros;
        const size = Math.abs(difference);
        if (style === 3) this.base = p;
        return `${difference < 0 ? '-' : ' '}${clock(Math.floor(size / 1_000_000), size % 1_000_000)}`;
      }
    }
  }
}

/** The packet's text, ending with a newline. Never throws, whatever the bytes. `ifname` names an interface of `-i any`. */
export function printPacket(p: Printer, clock: Clock, packet: Captured, linktype: number, ifname: (index: number) => string): string {
  const { options } = p;
  p.out = `${options.numbers ? `${String(++clock.count).padStart(5)}  ` : ''}${clock.stamp(packet, options.time)}`;
  const s = new Snapshot(packet.bytes);
  let header = 0;
  try {
    header = linktype === LINKTYPE.ETHERNET ? printEthernet(p, s, packet.length) : printCooked(p, s, packet.length, ifname);
  } catch (e) {
    if (!(e instanceof Truncated)) throw e;
    p.print(` [|${p.protocol}]`);
    header = linktype === LINKTYPE.ETHERNET ? ETH_HLEN : SLL2.size;
  }
  const { bytes } = packet;
  const dumped = options.dumpLink ? bytes : bytes.subarray(Math.min(header, bytes.length));
  if (options.dump === 'hex') p.print(hexLines('\n\t', dumped));
  else if (options.dump === 'both') p.print(hexAsciiLines('\n\t', dumped));
  else if (options.dump === 'ascii') p.print(asciiText(dumped));
  return `${p.out}\n`;
}

const typeText = (p: Printer, type: number): string => {
  const name = ETHERTYPE_NAMES.get(type) ?? 'Unknown';
  return p.options.quiet > 0 ? name : `ethertype ${name} (0x${hex(type, 4)})`;
};

function addresses(p: Printer, s: Snapshot, type: number, length: number): void {
  const kind = type < MIN_ETHERTYPE ? '802.3' : typeText(p, type);
  p.print(`${p.mac(s, EthHdr.h_source.offset)} > ${p.mac(s, EthHdr.h_dest.offset)}, ${kind}, length ${length}: `);
}

/** Bytes of the link header. */
function printEthernet(p: Printer, s: Snapshot, length: number): number {
  p.protocol = 'ether';
  if (!s.has(0, ETH_HLEN)) throw new Truncated();
  let type = EthHdr.h_proto.get(s, 0);
  if (p.options.link) addresses(p, s, type, length);
  let at = ETH_HLEN;
  while (VLAN_TYPES.has(type)) {
    p.protocol = 'vlan';
    const tci = VlanHdr.h_vlan_TCI.get(s, at);
    type = VlanHdr.h_vlan_encapsulated_proto.get(s, at);
    at += VlanHdr.$size;
    if (!p.options.link) continue;
    p.print(`vlan ${tci & 0xfff}, p ${tci >> 13}${(tci & 0x1000) !== 0 ? ', DEI' : ''}, `);
    if (type >= MIN_ETHERTYPE) p.print(`ethertype ${ETHERTYPE_NAMES.get(type) ?? 'Unknown'} (0x${hex(type, 4)}), `);
  }
  if (printPayload(p, s, at, type, length - at)) return at;
  if (!p.options.link) addresses(p, s, type, length);
  p.print(hexAsciiLines('\n\t', s.bytes.subarray(at)));
  return at;
}

/** -i any: the interface and the direction stand before the packet. */
function printCooked(p: Printer, s: Snapshot, length: number, ifname: (index: number) => string): number {
  p.protocol = 'sll2';
  if (!s.has(0, SLL2.size)) throw new Truncated();
  const index = s.u32be(SLL2.ifindex);
  const type = s.u16be(SLL2.protocol);
  p.print(`${ifname(index).padEnd(5)} ${((PACKET_TYPES[s.u8(SLL2.pkttype)] as string | undefined) ?? '?').padEnd(3)} `);
  if (p.options.link) {
    p.print(`ifindex ${index} `);
    if (s.u8(SLL2.halen) === ETH_ALEN) p.print(`${p.mac(s, SLL2.addr)} `);
    if (p.options.quiet === 0) p.print(`${type < MIN_ETHERTYPE ? '802.3' : typeText(p, type)}, length ${length}: `);
  }
  if (!printPayload(p, s, SLL2.size, type, length - SLL2.size)) {
    if (!p.options.link) p.print(`${typeText(p, type)}, length ${length}: `);
    p.print(hexAsciiLines('\n\t', s.bytes.subarray(SLL2.size)));
  }
  return SLL2.size;
}

/** False when nothing here knows the type. */
function printPayload(p: Printer, s: Snapshot, at: number, type: number, length: number): boolean {
  switch (type) {
    case ETH_P.IP:
      printIp(p, s, at, length);
      return true;
    case ETH_P.IPV6:
      printIp6(p, s, at, length);
      return true;
    case ETH_P.ARP:
    case RARP:
      printArp(p, s, at, length);
      return true;
    default:
      return false;
  }
}

const ARP_OPERATIONS = [
  '',
  'Request',
  'Reply',
  'Reverse Request',
  'Reverse Reply',
  '',
  '',
  '',
  'Inverse Request',
  'Inverse Reply',
  'NACK',
] as const;
const ARP_HARDWARE = new Map([
  [1, 'Ethernet'],
  [6, 'TokenRing'],
  [15, 'Frame Relay'],
]);

/** RFC 826 */
function printArp(p: Printer, s: Snapshot, at: number, length: number): void {
  p.protocol = 'arp';
  const [hardware, protocol, hlen, plen, op] = [ArpHdr.ar_hrd, ArpHdr.ar_pro, ArpHdr.ar_hln, ArpHdr.ar_pln, ArpHdr.ar_op].map((f) =>
    f.get(s, at),
  );
  if (!p.options.link) p.print('ARP, ');
  const ordinary = hardware === 1 && protocol === ETH_P.IP && hlen === ETH_ALEN && plen === 4;
  if (!ordinary || p.verbose > 0) {
    const kind = ARP_HARDWARE.get(hardware) ?? `Unknown Hardware (${hardware})`;
    p.print(`${kind} (len ${hlen}), ${protocol === ETH_P.IP ? 'IPv4' : `Unknown Protocol (0x${hex(protocol, 4)})`} (len ${plen}), `);
  }
  const name = ARP_OPERATIONS[op] as string | undefined;
  p.print(name === undefined || name === '' ? `Unknown (${op})` : name);
  if (ordinary) {
    const [sha, sip, tha, tip] = [ArpHdr.ar_sha, ArpHdr.ar_sip, ArpHdr.ar_tha, ArpHdr.ar_tip].map((f) => at + f.offset);
    const known = s.slice(tha, ETH_ALEN).some((b) => b !== 0);
    if (op === ARPOP_REQUEST) p.print(` who-has ${p.host4(s, tip)}${known ? ` (${p.mac(s, tha)})` : ''} tell ${p.host4(s, sip)}`);
    else if (op === ARPOP_REPLY) p.print(` ${p.host4(s, sip)} is-at ${p.mac(s, sha)}`);
    else if (op === 3) p.print(` who-is ${p.mac(s, tha)} tell ${p.mac(s, sha)}`);
    else if (op === 4) p.print(` ${p.mac(s, tha)} at ${p.host4(s, tip)}`);
    else p.print(hexAsciiLines('\n\t', s.bytes.subarray(at)));
  }
  p.print(`, length ${length}`);
}
