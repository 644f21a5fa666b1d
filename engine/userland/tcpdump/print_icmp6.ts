// ICMPv6 (RFC 4443), Neighbor Discovery (RFC 4861), MLD (RFC 2710, RFC 3810).
import { csumFold } from '../../wire/checksum.ts';
import { Icmp6Hdr, ICMPV6, IPPROTO, Ipv6Hdr } from '../../wire/headers.ts';
import { hexLines } from './hexdump.ts';
import { RECORD_TYPES } from './print_igmp.ts';
import { type NetworkHeader, rightChecksum, transportSum } from './print_transport.ts';
import { bitNames, hex, type Printer } from './printer.ts';
import type { Snapshot } from './snapshot.ts';

const PARAM_PROB = 4;
const MLD_QUERY = 130;
const MLD_DONE = 132;
const REDIRECT = 137;

const NAMES = new Map<number, string>([
  [ICMPV6.DEST_UNREACH, 'destination unreachable'],
  [ICMPV6.PKT_TOOBIG, 'packet too big'],
  [ICMPV6.TIME_EXCEED, 'time exceeded in-transit'],
  [PARAM_PROB, 'parameter problem'],
  [ICMPV6.ECHO_REQUEST, 'echo request'],
  [ICMPV6.ECHO_REPLY, 'echo reply'],
  [MLD_QUERY, 'multicast listener query'],
  [ICMPV6.MLD_REPORT, 'multicast listener report'],
  [MLD_DONE, 'multicast listener done'],
  [ICMPV6.RS, 'router solicitation'],
  [ICMPV6.RA, 'router advertisement'],
  [ICMPV6.NS, 'neighbor solicitation'],
  [ICMPV6.NA, 'neighbor advertisement'],
  [REDIRECT, 'redirect'],
  [138, 'router renumbering'],
  [139, 'node information query'],
  [140, 'node information reply'],
  [ICMPV6.MLD2_REPORT, 'multicast listener report v2'],
]);
/** Their length is printed with the name when verbose; the others' only when not. */
const DISCOVERY: ReadonlySet<number> = new Set([ICMPV6.RS, ICMPV6.RA, ICMPV6.NS, ICMPV6.NA, REDIRECT]);
const UNREACHABLE = ['unreachable route', ' unreachable prohibited', 'beyond scope', 'unreachable address', 'unreachable port'] as const;
const RA_FLAGS = [
  [0x80, 'managed'],
  [0x40, 'other stateful'],
  [0x20, 'home agent'],
  [0x04, 'proxy'],
] as const;
const NA_FLAGS = [
  [0x80, 'router'],
  [0x40, 'solicited'],
  [0x20, 'override'],
] as const;
const PREFIX_FLAGS = [
  [0x80, 'onlink'],
  [0x40, 'auto'],
  [0x20, 'router'],
] as const;

export function printIcmp6(p: Printer, s: Snapshot, at: number, length: number, ip: NetworkHeader): void {
  p.protocol = 'icmp6';
  const type = Icmp6Hdr.type.get(s, at);
  if (p.verbose > 0 && !p.options.noChecksums && !ip.fragmented && s.has(at, length)) {
    const sum = transportSum(s, ip, IPPROTO.ICMPV6, at, length);
    const field = Icmp6Hdr.cksum.get(s, at);
    p.print(csumFold(sum) === 0 ? '[icmp6 sum ok] ' : `[bad icmp6 cksum 0x${hex(field, 4)} -> 0x${hex(rightChecksum(field, sum), 4)}!] `);
  }
  p.print(`ICMP6, ${NAMES.get(type) ?? `unknown icmp6 type (${type})`}`);
  if (p.verbose > 0 && DISCOVERY.has(type)) p.print(`, length ${length}`);
  printBody(p, s, at, length, type);
  if (p.verbose === 0) p.print(`, length ${length}`);
}

function printBody(p: Printer, s: Snapshot, at: number, length: number, type: number): void {
  const code = Icmp6Hdr.code.get(s, at);
  const inner = at + Icmp6Hdr.$size;
  switch (type) {
    case ICMPV6.DEST_UNREACH:
      return printUnreachable(p, s, inner, code);
    case ICMPV6.PKT_TOOBIG:
      return p.print(`, mtu ${Icmp6Hdr.body.get(s, at)}`);
    case ICMPV6.TIME_EXCEED:
      if (code === 0) return p.print(` for ${p.host6(s, inner + Ipv6Hdr.daddr.offset)}`);
      return p.print(code === 1 ? ' (reassembly)' : `, unknown code (${code})`);
    case PARAM_PROB: {
      const what = ['erroneous', 'next header', 'option'][code] as string | undefined;
      return what === undefined ? p.print(`, code-#${code}`) : p.print(`, ${what} - octet ${Icmp6Hdr.body.get(s, at)}`);
    }
    case ICMPV6.ECHO_REQUEST:
    case ICMPV6.ECHO_REPLY:
      return p.print(`, id ${s.u16be(at + 4)}, seq ${s.u16be(at + 6)}`);
    case MLD_QUERY:
      // RFC 3810 §8.1: the length tells the version
      if (length < 28) return p.print(`max resp delay: ${s.u16be(at + 4)} addr: ${p.host6(s, at + 8)}`);
      p.print(' v2');
      return p.verbose > 0 ? p.print(` [max resp delay=${s.u16be(at + 4)}]`) : undefined;
    case ICMPV6.MLD_REPORT:
    case MLD_DONE:
      return p.print(`max resp delay: ${s.u16be(at + 4)} addr: ${p.host6(s, at + 8)}`);
    case ICMPV6.MLD2_REPORT:
      return printReport2(p, s, at);
    case ICMPV6.RS:
      return printOptions(p, s, at + 8, at + length);
    case ICMPV6.RA:
      if (p.verbose === 0) return;
      p.print(
        `\n\thop limit ${s.u8(at + 4)}, Flags [${bitNames(RA_FLAGS, s.u8(at + 5), ', ')}], pref ${['medium', 'high', 'reserved', 'low'][(s.u8(at + 5) >> 3) & 3]}`,
      );
      p.print(`, router lifetime ${s.u16be(at + 6)}s, reachable time ${s.u32be(at + 8)}ms, retrans timer ${s.u32be(at + 12)}ms`);
      return printOptions(p, s, at + 16, at + length);
    case ICMPV6.NS:
      p.print(`, who has ${p.host6(s, at + 8)}`);
      return printOptions(p, s, at + 24, at + length);
    case ICMPV6.NA:
      p.print(`, tgt is ${p.host6(s, at + 8)}`);
      if (p.verbose > 0) p.print(`, Flags [${bitNames(NA_FLAGS, s.u8(at + 4), ', ')}]`);
      return printOptions(p, s, at + 24, at + length);
    case REDIRECT:
      p.print(`, ${p.host6(s, at + 24)} to ${p.host6(s, at + 8)}`);
      return printOptions(p, s, at + 40, at + length);
    default:
      if (p.verbose > 0) p.print(hexLines('\n\t', s.bytes.subarray(at, at + length)));
  }
}

function printUnreachable(p: Printer, s: Snapshot, inner: number, code: number): void {
  const dst = p.host6(s, inner + Ipv6Hdr.daddr.offset);
  p.print(`, ${(UNREACHABLE[code] as string | undefined) ?? `unknown unreach code (${code})`}`);
  if (code === 0 || code === 1 || code === 3) return p.print(` ${dst}`);
  if (code === 2) return p.print(` ${dst}, source address ${p.host6(s, inner + Ipv6Hdr.saddr.offset)}`);
  if (code !== 4) return;
  const protocol = Ipv6Hdr.nexthdr.get(s, inner);
  const port = s.u16be(inner + Ipv6Hdr.$size + 2);
  if (protocol === IPPROTO.UDP || protocol === IPPROTO.TCP) {
    const name = protocol === IPPROTO.UDP ? 'udp' : 'tcp';
    return p.print(`, ${dst} ${name} port ${p.port(port, name)}`);
  }
  p.print(`, ${dst} protocol ${protocol} port ${port} unreachable`);
}

function printReport2(p: Printer, s: Snapshot, at: number): void {
  const groups = s.u16be(at + 6);
  p.print(`, ${groups} group record(s)`);
  if (p.verbose === 0) return;
  let group = at + 8;
  for (let g = 0; g < groups; g++) {
    const type = s.u8(group);
    const sources = s.u16be(group + 2);
    p.print(` [gaddr ${p.host6(s, group + 4)} ${(RECORD_TYPES[type] as string | undefined) || ` [v2-report-#${type}]`}`);
    if (p.verbose === 1) p.print(`, ${sources} source(s)`);
    else {
      p.print(' {');
      for (let i = 0; i < sources; i++) p.print(` ${p.host6(s, group + 20 + 16 * i)}`);
      p.print(' }');
    }
    p.print(']');
    group += 20 + 16 * sources;
  }
}

const OPTION = { SOURCE: 1, TARGET: 2, PREFIX: 3, REDIRECTED: 4, MTU: 5, RDNSS: 25 } as const;
const OPTION_NAMES = new Map<number, string>([
  [OPTION.SOURCE, 'source link-address'],
  [OPTION.TARGET, 'destination link-address'],
  [OPTION.PREFIX, 'prefix info'],
  [OPTION.REDIRECTED, 'redirected header'],
  [OPTION.MTU, 'mtu'],
  [24, 'route info'],
  [OPTION.RDNSS, 'rdnss'],
  [31, 'dnssl'],
]);

/** RFC 4861 §4.6; shown when verbose. */
function printOptions(p: Printer, s: Snapshot, from: number, end: number): void {
  if (p.verbose === 0) return;
  for (let at = from; at < end;) {
    const type = s.u8(at);
    const size = s.u8(at + 1) * 8;
    if (size === 0) return p.print(`\n\t  ${OPTION_NAMES.get(type) ?? 'unknown'} option (${type}), length 0 (0): `);
    if (at + size > end) return;
    p.print(`\n\t  ${OPTION_NAMES.get(type) ?? 'unknown'} option (${type}), length ${size} (${size / 8}): `);
    const validity = (seconds: number): string => (seconds === 0xffffffff ? 'infinity' : `${seconds}s`);
    if (type === OPTION.SOURCE || type === OPTION.TARGET) p.print(Array.from(s.slice(at + 2, size - 2), (b) => hex(b, 2)).join(':'));
    else if (type === OPTION.PREFIX && size === 32) {
      p.print(`${p.host6(s, at + 16)}/${s.u8(at + 2)}, Flags [${bitNames(PREFIX_FLAGS, s.u8(at + 3), ', ')}]`);
      p.print(`, valid time ${validity(s.u32be(at + 4))}, pref. time ${validity(s.u32be(at + 8))}`);
    } else if (type === OPTION.MTU) p.print(` ${s.u32be(at + 4)}`);
    else if (type === OPTION.RDNSS) {
      p.print(` lifetime ${s.u32be(at + 4)}s,`);
      for (let i = at + 8; i + 16 <= at + size; i += 16) p.print(` addr: ${p.host6(s, i)}`);
    } else if (p.verbose === 1) p.print(hexLines('\n\t  ', s.slice(at + 2, size - 2)));
    if (p.verbose > 1) p.print(hexLines('\n\t    ', s.slice(at + 2, size - 2)));
    at += size;
  }
}
