// ICMP (RFC 792, RFC 1122, RFC 1191, RFC 1812).
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ICMP, ICMP_UNREACH, IcmpHdr, IpHdr, IPPROTO } from '../../wire/headers.ts';
import { type NetworkHeader, rightChecksum } from './print_transport.ts';
import { hex, type Printer } from './printer.ts';
import type { Snapshot } from './snapshot.ts';

const SOURCE_QUENCH = 4;
const MASK_REPLY = 18;
/** Messages that carry the head of the packet they are about. */
const ERRORS: ReadonlySet<number> = new Set([ICMP.DEST_UNREACH, SOURCE_QUENCH, ICMP.REDIRECT, ICMP.TIME_EXCEEDED, ICMP.PARAMETERPROB]);

const NAMES = new Map<number, string>([
  [SOURCE_QUENCH, 'source quench'],
  [9, 'router advertisement'],
  [10, 'router solicitation'],
  [15, 'information request'],
  [16, 'information reply'],
  [17, 'address mask request'],
]);
/** '%' stands for the address. */
const UNREACHABLE = new Map<number, string>([
  [ICMP_UNREACH.NET, 'net % unreachable'],
  [ICMP_UNREACH.HOST, 'host % unreachable'],
  [ICMP_UNREACH.SR_FAILED, '% unreachable - source route failed'],
  [6, 'net % unreachable - unknown'],
  [7, 'host % unreachable - unknown'],
  [8, '% unreachable - source host isolated'],
  [ICMP_UNREACH.NET_ANO, 'net % unreachable - admin prohibited'],
  [ICMP_UNREACH.HOST_ANO, 'host % unreachable - admin prohibited'],
  [11, 'net % unreachable - tos prohibited'],
  [12, 'host % unreachable - tos prohibited'],
  [ICMP_UNREACH.PKT_FILTERED, 'host % unreachable - admin prohibited filter'],
  [14, 'host % unreachable - host precedence violation'],
  [15, 'host % unreachable - precedence cutoff'],
]);
const REDIRECTS = ['redirect % to net @', 'redirect % to host @', 'redirect-tos % to net @', 'redirect-tos % to host @'] as const;

type PrintInner = (p: Printer, s: Snapshot, at: number, length: number) => void;

export function printIcmp(p: Printer, s: Snapshot, at: number, length: number, ip: NetworkHeader, inner: PrintInner): void {
  p.protocol = 'icmp';
  const type = IcmpHdr.type.get(s, at);
  p.print(`ICMP ${message(p, s, at, type, IcmpHdr.code.get(s, at))}, length ${length}`);
  if (p.verbose === 0) return;
  if (!ip.fragmented && !p.options.noChecksums && s.has(at, length)) {
    const sum = csumPartial(s, at, length);
    const field = IcmpHdr.checksum.get(s, at);
    if (csumFold(sum) !== 0) p.print(` (wrong icmp cksum ${hex(field)} (->${hex(rightChecksum(field, sum))})!)`);
  }
  if (!ERRORS.has(type)) return;
  p.print('\n\t');
  const embedded = at + IcmpHdr.$size;
  // its length is the original packet's: most of that is not here
  inner(p, s, embedded, IpHdr.tot_len.get(s, embedded));
}

function message(p: Printer, s: Snapshot, at: number, type: number, code: number): string {
  const id = (): number => IcmpHdr.id.get(s, at);
  const sequence = (): number => IcmpHdr.sequence.get(s, at);
  switch (type) {
    case ICMP.ECHO:
    case ICMP.ECHOREPLY:
      return `echo ${type === ICMP.ECHO ? 'request' : 'reply'}, id ${id()}, seq ${sequence()}`;
    case ICMP.DEST_UNREACH:
      return unreachable(p, s, at, code);
    case ICMP.REDIRECT:
      return ((REDIRECTS[code] as string | undefined) ?? `redirect-#${code} % to @`)
        .replace('%', p.host4(s, at + IcmpHdr.$size + IpHdr.daddr.offset))
        .replace('@', p.host4(s, at + 4));
    case ICMP.TIME_EXCEEDED:
      return code === 0 ? 'time exceeded in-transit' : code === 1 ? 'ip reassembly time exceeded' : `time exceeded-#${code}`;
    case ICMP.PARAMETERPROB:
      return code !== 0 ? `parameter problem - code ${code}` : `parameter problem - octet ${s.u8(at + 4)}`;
    case ICMP.TIMESTAMP:
      return `time stamp query id ${id()} seq ${sequence()}`;
    case ICMP.TIMESTAMPREPLY:
      return `time stamp reply id ${id()} seq ${sequence()}: org ${timeOfDay(s.u32be(at + 8))}, recv ${timeOfDay(s.u32be(at + 12))}, xmit ${timeOfDay(s.u32be(at + 16))}`;
    case MASK_REPLY:
      return `address mask is 0x${hex(s.u32be(at + 8), 8)}`;
    default:
      return NAMES.get(type) ?? `type-#${type}`;
  }
}

function unreachable(p: Printer, s: Snapshot, at: number, code: number): string {
  const ip = at + IcmpHdr.$size;
  const dst = p.host4(s, ip + IpHdr.daddr.offset);
  const protocol = IpHdr.protocol.get(s, ip);
  switch (code) {
    case ICMP_UNREACH.PROT:
      return `${dst} protocol ${protocol} unreachable`;
    case ICMP_UNREACH.PORT: {
      const port = s.u16be(ip + (s.u8(ip) & 15) * 4 + 2);
      if (protocol === IPPROTO.TCP) return `${dst} tcp port ${p.port(port, 'tcp')} unreachable`;
      if (protocol === IPPROTO.UDP) return `${dst} udp port ${p.port(port, 'udp')} unreachable`;
      return `${dst} protocol ${protocol} port ${port} unreachable`;
    }
    case ICMP_UNREACH.FRAG_NEEDED: {
      const mtu = IcmpHdr.sequence.get(s, at);
      return `${dst} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`;
    }
    default:
      return (UNREACHABLE.get(code) ?? `#${code}`).replace('%', dst);
  }
}

/** RFC 792: milliseconds since midnight. */
function timeOfDay(ms: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}
