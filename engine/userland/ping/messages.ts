// What ping says about ICMP errors and IP options.
import { formatIpv4 } from '../../wire/addresses.ts';

const UNREACHABLE: readonly string[] = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  '',
  'Source Route Failed',
  'Destination Net Unknown',
  'Destination Host Unknown',
  'Source Host Isolated',
  'Destination Net Prohibited',
  'Destination Host Prohibited',
  'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service',
  'Packet filtered',
  'Precedence Violation',
  'Precedence Cutoff',
];
const REDIRECTS: readonly string[] = [
  'Redirect Network',
  'Redirect Host',
  'Redirect Type of Service and Network',
  'Redirect Type of Service and Host',
];

/** An ICMP error; `info` is the MTU, the pointer or the gateway of the message. */
export function icmpText(type: number, code: number, info: number): string {
  switch (type) {
    case 3:
      if (code === 4) return `Frag needed and DF set (mtu = ${info})`;
      return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case 4:
      return 'Source Quench';
    case 5:
      return `${REDIRECTS[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${formatIpv4(info)})`;
    case 11:
      return code === 0 ? 'Time to live exceeded' : code === 1 ? 'Frag reassembly time exceeded' : `Time exceeded, Bad Code: ${code}`;
    case 12:
      return `Parameter problem: pointer = ${info}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}

const UNREACHABLE6: readonly string[] = [
  'No route',
  'Administratively prohibited',
  'Beyond scope of source address',
  'Address unreachable',
  'Port unreachable',
];

/** An ICMPv6 error. */
export function icmp6Text(type: number, code: number, info: number): string {
  switch (type) {
    case 1:
      return `Destination unreachable: ${UNREACHABLE6[code] ?? `Unknown code ${code}`}`;
    case 2:
      return `Packet too big: mtu=${info}${code !== 0 ? `, code=${code}` : ''}`;
    case 3:
      return `Time exceeded: ${code === 0 ? 'Hop limit' : code === 1 ? 'Defragmentation failure' : `code ${code}`}`;
    case 4:
      return `Parameter problem: ${['Wrong header field ', 'Unknown header ', 'Unknown option '][code] ?? `code ${code} `}at ${info}`;
    default:
      return `unknown icmp type: ${type}`;
  }
}

const word = (b: Uint8Array, at: number): number => ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;

/** Keeps the last recorded route, so that a repeated one is told briefly. */
export class RouteMemory {
  last = '';
}

/** RFC 791 options of a reply: record route and time stamps; '' when there are none. */
export function optionsText(options: Uint8Array, memory: RouteMemory, flood: boolean): string {
  let out = '';
  for (let at = 0; at < options.length;) {
    const kind = options[at];
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (!(length >= 2) || at + length > options.length) break;
    const body = options.subarray(at, at + length);
    if (kind === 7) out += recordedRoute(body, memory, flood);
    else if (kind === 68) out += timeStamps(body);
    else out += `\nunknown option ${kind.toString(16)}`;
    at += length;
  }
  return out;
}

function recordedRoute(body: Uint8Array, memory: RouteMemory, flood: boolean): string {
  const used = Math.min(body[2], body.length) - 4;
  if (used <= 0) return '';
  const hops: string[] = [];
  for (let i = 0; i < used; i += 4) hops.push(formatIpv4(word(body, 3 + i)));
  const text = hops.join(' ');
  if (text === memory.last && !flood) return '\t(same route)';
  memory.last = text;
  return `\nRR: ${hops.map((h) => `\t${h}\n`).join('')}`;
}

function timeStamps(body: Uint8Array): string {
  const used = Math.min(body[2], body.length) - 5;
  if (used <= 0) return '';
  const withAddresses = (body[3] & 0xf) !== 0;
  let out = '\nTS: ';
  let standard = 0;
  let other = 0;
  for (let i = 0; i + (withAddresses ? 8 : 4) <= used; i += withAddresses ? 8 : 4) {
    if (withAddresses) out += `\t${formatIpv4(word(body, 4 + i))}`;
    const stamp = word(body, 4 + i + (withAddresses ? 4 : 0));
    const value = stamp & 0x7fffffff;
    if (stamp >= 0x80000000) {
      out += other === 0 ? `\t${value} absolute not-standard` : `\t${value - other} not-standard`;
      other = value;
    } else {
      out += standard === 0 ? `\t${value} absolute` : `\t${value - standard}`;
      standard = value;
    }
    out += '\n';
  }
  const missed = body[3] >> 4;
  return missed > 0 ? `${out}Unrecorded hops: ${missed}\n` : out;
}
