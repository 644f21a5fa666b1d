// IPv4 (RFC 791): header, options, fragments, and on to what it carries.
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { IP_DF, IP_MF, IP_OFFSET, IpHdr, IPPROTO } from '../../wire/headers.ts';
import { printIcmp } from './print_icmp.ts';
import { printIgmp } from './print_igmp.ts';
import { type NetworkHeader, printTcp, printUdp, rightChecksum } from './print_transport.ts';
import { bitNames, hex, type Printer } from './printer.ts';
import { IPPROTO_NAMES } from './services.ts';
import type { Snapshot } from './snapshot.ts';

const FLAGS = [
  [IP_MF, '+'],
  [IP_DF, 'DF'],
  [0x8000, 'rsvd'],
] as const;
const ECN = ['', ',ECT(1)', ',ECT(0)', ',CE'] as const;

export function printIp(p: Printer, s: Snapshot, at: number, length: number): void {
  p.protocol = 'ip';
  if (!p.options.link) p.print('IP ');
  const version = s.u8(at) >> 4;
  if (version !== 4) return p.print(version === 6 ? 'wrong link-layer encapsulation' : `version error: ${version} != 4`);
  if (length < IpHdr.$size) return p.print(`truncated-ip ${length}`);
  const hlen = (s.u8(at) & 15) * 4;
  if (hlen < IpHdr.$size) return p.print(`bad-hlen ${hlen}`);
  let total = IpHdr.tot_len.get(s, at);
  if (length < total) p.print(`truncated-ip - ${total - length} bytes missing! `);
  if (total < hlen) {
    // a length of zero is what segmentation offload leaves
    if (total !== 0) return p.print(`bad-len ${total}`);
    total = length;
  }
  const payload = total - hlen;
  const off = IpHdr.frag_off.get(s, at);
  const protocol = IpHdr.protocol.get(s, at);
  if (p.verbose > 0) printHeader(p, s, at, { hlen, total, off, protocol });
  const [src, dst] = [p.host4(s, at + IpHdr.saddr.offset), p.host4(s, at + IpHdr.daddr.offset)];
  if ((off & IP_OFFSET) !== 0) {
    if (p.options.quiet > 1) return;
    const name = p.options.numeric ? undefined : IPPROTO_NAMES.get(protocol)?.toLowerCase();
    return p.print(`${src} > ${dst}: ${name ?? `ip-proto-${protocol}`}`);
  }
  const header: NetworkHeader = { src, dst, at, version: 4, fragmented: (off & IP_MF) !== 0 };
  if (protocol !== IPPROTO.TCP && protocol !== IPPROTO.UDP) p.print(`${src} > ${dst}: `);
  const body = at + hlen;
  switch (protocol) {
    case IPPROTO.TCP:
      return printTcp(p, s, body, payload, header);
    case IPPROTO.UDP:
      return printUdp(p, s, body, payload, header);
    case IPPROTO.ICMP:
      return printIcmp(p, s, body, payload, header, printIp);
    case IPPROTO.IGMP:
      return printIgmp(p, s, body, payload);
    default: {
      const name = p.options.numeric ? undefined : IPPROTO_NAMES.get(protocol)?.toLowerCase();
      p.print(` ${name ?? `ip-proto-${protocol}`} ${payload}`);
    }
  }
}

function printHeader(
  p: Printer,
  s: Snapshot,
  at: number,
  h: { readonly hlen: number; readonly total: number; readonly off: number; readonly protocol: number },
): void {
  const tos = IpHdr.tos.get(s, at);
  const ttl = IpHdr.ttl.get(s, at);
  p.print(`(tos 0x${hex(tos)}${ECN[tos & 3]}`);
  if (ttl > 0) p.print(`, ttl ${ttl}`);
  p.print(`, id ${IpHdr.id.get(s, at)}, offset ${(h.off & IP_OFFSET) * 8}, flags [${bitNames(FLAGS, h.off, ', ')}]`);
  p.print(`, proto ${IPPROTO_NAMES.get(h.protocol) ?? 'unknown'} (${h.protocol}), length ${IpHdr.tot_len.get(s, at)}`);
  if (h.hlen > IpHdr.$size) {
    p.print(', options (');
    printOptions(p, s, at + IpHdr.$size, h.hlen - IpHdr.$size);
    p.print(')');
  }
  if (!p.options.noChecksums && s.has(at, h.hlen)) {
    const sum = csumPartial(s, at, h.hlen);
    const field = IpHdr.check.get(s, at);
    if (csumFold(sum) !== 0) p.print(`, bad cksum ${hex(field)} (->${hex(rightChecksum(field, sum))})!`);
  }
  p.print(')\n    ');
}

const OPTION = { EOL: 0, NOP: 1, RR: 7, TS: 68, SECURITY: 130, LSRR: 131, SSRR: 137, RA: 148 } as const;
const OPTION_NAMES = new Map<number, string>([
  [OPTION.EOL, 'EOL'],
  [OPTION.NOP, 'NOP'],
  [OPTION.TS, 'timestamp'],
  [OPTION.SECURITY, 'security'],
  [OPTION.RR, 'RR'],
  [OPTION.SSRR, 'SSRR'],
  [OPTION.LSRR, 'LSRR'],
  [OPTION.RA, 'RA'],
]);

function printOptions(p: Printer, s: Snapshot, at: number, length: number): void {
  for (let o = 0; o < length;) {
    const type = s.u8(at + o);
    p.print(`${o === 0 ? '' : ','}${OPTION_NAMES.get(type) ?? `unknown ${type}`}`);
    const size = type === OPTION.EOL || type === OPTION.NOP ? 1 : s.u8(at + o + 1);
    if (size < 1 || (size < 2 && type > OPTION.NOP)) return p.print(` [bad length ${size}]`);
    if (o + size > length) return p.print(` [bad length ${size}]`);
    if (type === OPTION.EOL) return;
    if (type === OPTION.TS) printTimestamps(p, s, at + o, size);
    else if (type === OPTION.RR || type === OPTION.LSRR || type === OPTION.SSRR) printRoute(p, s, at + o, size);
    else if (type === OPTION.RA) {
      if (size < 4) p.print(` [bad length ${size}]`);
      else if (s.u16be(at + o + 2) !== 0) p.print(` value ${s.u16be(at + o + 2)}`);
    }
    o += size;
  }
}

/** RFC 791 §3.1 Record Route, Loose and Strict Source Route */
function printRoute(p: Printer, s: Snapshot, at: number, size: number): void {
  if (size < 3 || (size + 1) % 4 !== 0) p.print(` [bad length ${size}]`);
  if (size < 3) return;
  const next = s.u8(at + 2) - 1;
  if (next < 3 || (next + 1) % 4 !== 0) p.print(` [bad ptr ${next + 1}]`);
  for (let i = 3; i + 4 <= size; i += 4) p.print(` ${p.host4(s, at + i)}${next > i ? ',' : ''}`);
}

/** RFC 791 §3.1 Internet Timestamp */
function printTimestamps(p: Printer, s: Snapshot, at: number, size: number): void {
  if (size < 4) return p.print(` [bad length ${size}]`);
  const flags = s.u8(at + 3);
  const kind = flags & 15;
  const hop = kind === 0 ? 4 : 8;
  const next = s.u8(at + 2) - 1;
  p.print(' TS{');
  if ((size - 4) % hop !== 0) p.print(`[bad length ${size}]`);
  if (next < 4 || (next - 4) % hop !== 0 || next > size + 1) p.print(`[bad ptr ${next + 1}]`);
  const name = ['TSONLY', 'TS+ADDR', '', 'PRESPEC'][kind] as string | undefined;
  let i = 4;
  if (name === undefined || name === '') p.print(`[bad ts type ${kind}]`);
  else {
    p.print(name);
    for (; i + hop <= size; i += hop)
      p.print(`${next === i ? ' ^ ' : ' '}${s.u32be(at + i + hop - 4)}@${hop === 8 ? p.host4(s, at + i) : ''}`);
  }
  if (next === i) p.print(' ^ ');
  p.print(flags >> 4 === 0 ? '}' : ` [${flags >> 4} hops not recorded]} `);
}
