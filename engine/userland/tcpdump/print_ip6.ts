// IPv6 (RFC 8200): header, extension headers, and on to what it carries.
import { Ipv6Hdr, IPPROTO, NEXTHDR_HOP } from '../../wire/headers.ts';
import { printIcmp6 } from './print_icmp6.ts';
import { type NetworkHeader, printTcp, printUdp } from './print_transport.ts';
import { hex, type Printer } from './printer.ts';
import { IPPROTO_NAMES } from './services.ts';
import type { Snapshot } from './snapshot.ts';

const ROUTING = 43;
const FRAGMENT = 44;
const NO_NEXT = 59;
const DESTINATION = 60;
const FRAGMENT_SIZE = 8;

export function printIp6(p: Printer, s: Snapshot, at: number, length: number): void {
  p.protocol = 'ip6';
  if (!p.options.link) p.print('IP6 ');
  const version = s.u8(at) >> 4;
  if (version !== 6) return p.print(version === 4 ? 'wrong link-layer encapsulation' : `version error: ${version} != 6`);
  if (length < Ipv6Hdr.$size) return p.print(`truncated-ip6 ${length}`);
  const payload = Ipv6Hdr.payload_len.get(s, at);
  if (length < payload + Ipv6Hdr.$size) p.print(`truncated-ip6 - ${payload + Ipv6Hdr.$size - length} bytes missing!`);
  const next = Ipv6Hdr.nexthdr.get(s, at);
  if (p.verbose > 0) {
    const flow = Ipv6Hdr.vtc_flow.get(s, at);
    p.print('(');
    if ((flow & 0x0ff00000) !== 0) p.print(`class 0x${hex((flow >>> 20) & 0xff, 2)}, `);
    if ((flow & 0xfffff) !== 0) p.print(`flowlabel 0x${hex(flow & 0xfffff, 5)}, `);
    p.print(
      `hlim ${Ipv6Hdr.hop_limit.get(s, at)}, next-header ${IPPROTO_NAMES.get(next) ?? 'unknown'} (${next}) payload length: ${payload}) `,
    );
  }
  const [src, dst] = [p.host6(s, at + Ipv6Hdr.saddr.offset), p.host6(s, at + Ipv6Hdr.daddr.offset)];
  // the transport printers of ports begin with the addresses themselves
  if (next !== IPPROTO.TCP && next !== IPPROTO.UDP) p.print(`${src} > ${dst}: `);
  printNext(p, s, { src, dst, at, version: 6, fragmented: false }, { next, body: at + Ipv6Hdr.$size, end: at + Ipv6Hdr.$size + payload });
}

/** Through the chain of extension headers to the upper layer. */
function printNext(p: Printer, s: Snapshot, ip: NetworkHeader, chain: { next: number; body: number; end: number }): void {
  let { next, body } = chain;
  let { fragmented } = ip;
  for (;;) {
    const rest = chain.end - body;
    switch (next) {
      case NEXTHDR_HOP:
      case DESTINATION:
        p.protocol = next === NEXTHDR_HOP ? 'hbhopt' : 'dstopt';
        p.print(next === NEXTHDR_HOP ? 'HBH ' : 'DSTOPT ');
        if (p.verbose > 0) printOptions(p, s, body + 2, (s.u8(body + 1) + 1) * 8 - 2);
        [next, body] = [s.u8(body), body + (s.u8(body + 1) + 1) * 8];
        continue;
      case ROUTING:
        p.protocol = 'rt6';
        p.print(`srcrt (len=${s.u8(body + 1)}, type=${s.u8(body + 2)}, segleft=${s.u8(body + 3)}) `);
        [next, body] = [s.u8(body), body + (s.u8(body + 1) + 1) * 8];
        continue;
      case FRAGMENT: {
        p.protocol = 'frag6';
        const offset = s.u16be(body + 2) & 0xfff8;
        const id = p.verbose > 0 ? `0x${hex(s.u32be(body + 4), 8)}:` : '';
        p.print(`frag (${id}${offset}|${rest - FRAGMENT_SIZE})`);
        if (offset !== 0) return;
        p.print(' ');
        fragmented = fragmented || (s.u8(body + 3) & 1) !== 0;
        [next, body] = [s.u8(body), body + FRAGMENT_SIZE];
        continue;
      }
      case IPPROTO.ICMPV6:
        return printIcmp6(p, s, body, rest, { ...ip, fragmented });
      case IPPROTO.TCP:
        return printTcp(p, s, body, rest, { ...ip, fragmented });
      case IPPROTO.UDP:
        return printUdp(p, s, body, rest, { ...ip, fragmented });
      case NO_NEXT:
        return p.print('no next header');
      default: {
        const name = p.options.numeric ? undefined : IPPROTO_NAMES.get(next)?.toLowerCase();
        return p.print(`${name ?? `ip-proto-${next}`} ${rest}`);
      }
    }
  }
}

/** RFC 8200 §4.2, RFC 2711 */
function printOptions(p: Printer, s: Snapshot, at: number, length: number): void {
  for (let o = 0; o < length;) {
    const type = s.u8(at + o);
    if (type === 0) {
      p.print('(pad1) ');
      o++;
      continue;
    }
    const size = s.u8(at + o + 1);
    if (type === 1) p.print('(padn) ');
    else if (type === 5) p.print(`(rtalert: 0x${hex(s.u16be(at + o + 2), 4)}) `);
    else if (type === 0xc2) p.print(`(jumbo: ${s.u32be(at + o + 2)}) `);
    else p.print(`(opt_type 0x${hex(type, 2)}: len=${size}) `);
    o += size + 2;
  }
}
