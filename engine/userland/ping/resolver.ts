// Names and addresses as getaddrinfo() and getnameinfo() answer on a machine with /etc/hosts and no DNS server.
import { AF } from '../../kernel/rtnl_records.ts';
import type { Process } from '../../kernel/process.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { parseIpv6 } from '../../wire/addresses.ts';

export interface Resolved {
  readonly family: number;
  readonly bytes: Uint8Array;
  /** Interface index of a %zone, 0 without. */
  readonly scope: number;
  /** The text was an address. */
  readonly numeric: boolean;
}

/** inet_aton(): one to four parts, each in C notation, the last one filling the rest. */
export function inetAton(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length > 4 || !parts.every((p) => /^(0[xX][0-9a-fA-F]+|\d+)$/.test(p))) return undefined;
  const numbers = parts.map((p) => (/^0[0-7]+$/.test(p) ? Number.parseInt(p, 8) : Number(p)));
  const last = numbers[numbers.length - 1];
  if (numbers.slice(0, -1).some((n) => n > 255) || last >= 256 ** (5 - numbers.length)) return undefined;
  let value = last;
  for (let i = 0; i < numbers.length - 1; i++) value += numbers[i] * 256 ** (3 - i);
  return Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function hosts(process: Process): readonly { readonly bytes: Uint8Array; readonly names: readonly string[] }[] {
  const text = process.kernel.vfs.readFile(process, '/etc/hosts');
  if (typeof text !== 'string') return [];
  return text.split('\n').flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const bytes = address === undefined ? undefined : (inetAton(address) ?? parseIpv6(address));
    return bytes === undefined || names.length === 0 ? [] : [{ bytes, names }];
  });
}

/** An address for `text`, or getaddrinfo's message. `family` 0: either, IPv4 first. */
export function resolve(process: Process, text: string, family: number): Resolved | string {
  const [address, zone] = text.split('%');
  const v4 = inetAton(text);
  if (v4 !== undefined)
    return family === AF.INET6 ? 'Address family for hostname not supported' : { family: AF.INET, bytes: v4, scope: 0, numeric: true };
  const v6 = parseIpv6(address);
  if (v6 !== undefined) {
    if (family === AF.INET) return 'Address family for hostname not supported';
    const scope = zone === undefined ? 0 : (process.net.__dev_get_by_name(zone)?.ifindex ?? Number(zone));
    return Number.isInteger(scope) ? { family: AF.INET6, bytes: v6, scope, numeric: true } : 'Name or service not known';
  }
  const found = hosts(process).filter((h) => h.names.includes(text) && (family === 0 || (h.bytes.length === 16) === (family === AF.INET6)));
  const best = found.find((h) => h.bytes.length === 4) ?? found[0];
  if (best === undefined) return 'Temporary failure in name resolution';
  return { family: best.bytes.length === 16 ? AF.INET6 : AF.INET, bytes: best.bytes, scope: 0, numeric: false };
}

/** The name of an address, undefined when nothing knows it. */
export function reverse(process: Process, bytes: Uint8Array): string | undefined {
  return hosts(process).find((h) => sameBytes(h.bytes, bytes))?.names[0];
}

/** 'fe80::1%eth0' for link-local addresses. */
export function addressWithZone(process: Process, bytes: Uint8Array, scope: number): string {
  const text = formatAddress(bytes);
  const linkLocal =
    bytes.length === 16 && ((bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80) || (bytes[0] === 0xff && (bytes[1] & 0x0f) === 2));
  if (!linkLocal || scope === 0) return text;
  return `${text}%${process.net.__dev_get_by_index(scope)?.name ?? scope}`;
}
