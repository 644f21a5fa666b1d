// Numbers with names in rtnetlink: route types, tables, protocols, scopes (iproute2's defaults, without the files under /etc/iproute2).
import { RT_SCOPE, RT_TABLE, RTN, RTPROT } from '../../kernel/rtnl_records.ts';
import { matches, parseUnsigned } from './args.ts';

const ROUTE_TYPES: readonly (readonly [string, number])[] = [
  ['none', RTN.UNSPEC],
  ['unicast', RTN.UNICAST],
  ['local', RTN.LOCAL],
  ['broadcast', RTN.BROADCAST],
  ['anycast', RTN.ANYCAST],
  ['multicast', RTN.MULTICAST],
  ['blackhole', RTN.BLACKHOLE],
  ['unreachable', RTN.UNREACHABLE],
  ['prohibit', RTN.PROHIBIT],
  ['throw', RTN.THROW],
];
const TABLES: readonly (readonly [string, number])[] = [
  ['unspec', RT_TABLE.UNSPEC],
  ['default', RT_TABLE.DEFAULT],
  ['main', RT_TABLE.MAIN],
  ['local', RT_TABLE.LOCAL],
];
const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['unspec', RTPROT.UNSPEC],
  ['redirect', RTPROT.REDIRECT],
  ['kernel', RTPROT.KERNEL],
  ['boot', RTPROT.BOOT],
  ['static', RTPROT.STATIC],
  ['gated', 8],
  ['ra', RTPROT.RA],
  ['mrt', 10],
  ['zebra', 11],
  ['bird', 12],
  ['dnrouted', 13],
  ['xorp', 14],
  ['ntk', 15],
  ['dhcp', RTPROT.DHCP],
  ['keepalived', 18],
  ['babel', 42],
  ['openr', 99],
  ['bgp', 186],
  ['isis', 187],
  ['ospf', 188],
  ['rip', 189],
  ['eigrp', 192],
];
const SCOPES: readonly (readonly [string, number])[] = [
  ['global', RT_SCOPE.UNIVERSE],
  ['site', RT_SCOPE.SITE],
  ['link', RT_SCOPE.LINK],
  ['host', RT_SCOPE.HOST],
  ['nowhere', RT_SCOPE.NOWHERE],
];

/** IP protocols by the names of /etc/protocols. */
const IP_PROTOCOLS: readonly (readonly [string, number])[] = [
  ['ip', 0],
  ['icmp', 1],
  ['igmp', 2],
  ['ipencap', 4],
  ['tcp', 6],
  ['udp', 17],
  ['ipv6', 41],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['ospf', 89],
  ['sctp', 132],
  ['udplite', 136],
];

function nameOf(table: readonly (readonly [string, number])[], n: number, numeric: boolean): string {
  if (numeric) return String(n);
  return table.find(([, v]) => v === n)?.[0] ?? String(n);
}
function numberOf(table: readonly (readonly [string, number])[], word: string, max: number): number | undefined {
  return table.find(([k]) => k === word)?.[1] ?? parseUnsigned(word, max);
}

export const routeTypeName = (n: number, numeric = false): string => nameOf(ROUTE_TYPES, n, numeric);
export const tableName = (n: number, numeric: boolean): string => nameOf(TABLES, n, numeric);
export const protocolName = (n: number, numeric: boolean): string => nameOf(PROTOCOLS, n, numeric);
export const scopeName = (n: number, numeric: boolean): string => nameOf(SCOPES, n, numeric);

/** Classes of RFC 2474, 2597 and 3246 in the place of the TOS byte. */
const DSFIELDS: readonly (readonly [string, number])[] = [
  ['default', 0],
  ...[1, 2, 3, 4, 5, 6, 7].map((c) => [`CS${c}`, c << 5] as const),
  ...[1, 2, 3, 4].flatMap((c) => [1, 2, 3].map((drop) => [`AF${c}${drop}`, (c << 5) | (drop << 3)] as const)),
  ['EF', 0xb8],
];
export const dsfieldName = (n: number, numeric: boolean): string =>
  (numeric ? undefined : DSFIELDS.find(([, v]) => v === n)?.[0]) ?? `0x${n.toString(16).padStart(2, '0')}`;
/** Numbers are hexadecimal, with or without 0x. */
export function dsfieldNumber(word: string): number | undefined {
  const named = DSFIELDS.find(([k]) => k === word)?.[1];
  const value = /^(?:0[xX])?[0-9a-fA-F]+$/.test(word) ? Number.parseInt(word, 16) : 256;
  return named ?? (value > 255 ? undefined : value);
}

/** Names that must be whole, and those that may be abbreviated, in the order of iproute2's look-up. */
const WHOLE_TYPES: readonly string[] = ['local', 'throw'];
const SHORT_TYPES: readonly string[] = ['broadcast', 'anycast', 'multicast', 'prohibit', 'unreachable', 'blackhole', 'unicast'];

/** A route type by a word of the command line, undefined when it is none. */
export function routeTypeNumber(word: string): number | undefined {
  if (word === 'brd') return RTN.BROADCAST;
  const name = WHOLE_TYPES.find((k) => k === word) ?? SHORT_TYPES.find((k) => matches(word, k));
  return ROUTE_TYPES.find(([k]) => k === name)?.[1];
}
export const tableNumber = (word: string): number | undefined => (word === 'all' ? 0 : numberOf(TABLES, word, 0xffffffff));
export const protocolNumber = (word: string): number | undefined => numberOf(PROTOCOLS, word, 255);
export const scopeNumber = (word: string): number | undefined => numberOf(SCOPES, word, 255);
export const ipProtocolName = (n: number): string | undefined => IP_PROTOCOLS.find(([, v]) => v === n)?.[0];
export const ipProtocolNumber = (word: string): number | undefined => numberOf(IP_PROTOCOLS, word, 255);
