// IPv6 addresses as 16 bytes: kinds, scopes, keys, and the groups that every node knows (RFC 4291).
import { RT_SCOPE } from '../rtnl_records.ts';

export const IN6_ANY = new Uint8Array(16);
const make = (...words: readonly number[]): Uint8Array => Uint8Array.from(words.flatMap((w) => [w >> 8, w & 0xff]));
export const IN6_LOOPBACK = make(0, 0, 0, 0, 0, 0, 0, 1);
export const IN6_LL_ALLNODES = make(0xff02, 0, 0, 0, 0, 0, 0, 1);
export const IN6_IL_ALLNODES = make(0xff01, 0, 0, 0, 0, 0, 0, 1);
export const IN6_LL_ALLROUTERS = make(0xff02, 0, 0, 0, 0, 0, 0, 2);
/** RFC 3810 §5.2.14 */
export const IN6_MLDV2_ROUTERS = make(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
export const IN6_LINKLOCAL_PREFIX = make(0xfe80, 0, 0, 0, 0, 0, 0, 0);
export const IN6_MULTICAST_PREFIX = make(0xff00, 0, 0, 0, 0, 0, 0, 0);

export function eq6(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}
export const isAny6 = (a: Uint8Array): boolean => eq6(a, IN6_ANY);
export const isMulticast6 = (a: Uint8Array): boolean => a[0] === 0xff;
export const isLinkLocal6 = (a: Uint8Array): boolean => a[0] === 0xfe && (a[1] & 0xc0) === 0x80;
export const isLoopback6 = (a: Uint8Array): boolean => eq6(a, IN6_LOOPBACK);
export const isMapped6 = (a: Uint8Array): boolean => a[10] === 0xff && a[11] === 0xff && a.subarray(0, 10).every((b) => b === 0);
/** Linux: rt6_need_strict(). The interface is part of the destination. */
export const needStrict6 = (a: Uint8Array): boolean => isLinkLocal6(a) || isMulticast6(a) || isLoopback6(a);
/** Linux: __ipv6_addr_needs_scope_id() */
export const needsScopeId6 = (a: Uint8Array): boolean => isLinkLocal6(a) || (isMulticast6(a) && ((a[1] & 0xf) === 1 || (a[1] & 0xf) === 2));

/** rtnetlink's scope of an address (Linux: rt_scope(ipv6_addr_scope())). */
export function scope6(a: Uint8Array): number {
  if (isLoopback6(a)) return RT_SCOPE.HOST;
  if (isLinkLocal6(a)) return RT_SCOPE.LINK;
  if (a[0] === 0xfe && (a[1] & 0xc0) === 0xc0) return RT_SCOPE.SITE;
  return RT_SCOPE.UNIVERSE;
}

/** Scope as RFC 4291 §2.7 numbers it, for comparing addresses: 1 node, 2 link, 5 site, 14 global. */
export function scopeValue6(a: Uint8Array): number {
  if (isMulticast6(a)) return a[1] & 0xf;
  if (isLinkLocal6(a) || isLoopback6(a)) return 2;
  return a[0] === 0xfe && (a[1] & 0xc0) === 0xc0 ? 5 : 14;
}

/** 16 bytes as a Map key. */
export function v6key(b: Uint8Array, at = 0): string {
  let s = '';
  for (let i = 0; i < 16; i += 2) s += String.fromCharCode((b[at + i] << 8) | b[at + i + 1]);
  return s;
}

/** RFC 4291 §2.7.1 */
export function solicitedNode(a: Uint8Array): Uint8Array {
  return Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a[13], a[14], a[15]);
}

/** RFC 2464 §7 */
export const multicastMac6 = (a: Uint8Array): Uint8Array => Uint8Array.of(0x33, 0x33, a[12], a[13], a[14], a[15]);

export function prefixMatches(a: Uint8Array, prefix: Uint8Array, plen: number): boolean {
  return commonPrefix(a, prefix) >= plen;
}

/** Leading bits in common. */
export function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return i * 8 + Math.clz32(a[i] ^ b[i]) - 24;
  return 128;
}

export function maskPrefix(a: Uint8Array, plen: number): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0; i < 16; i++) {
    const bits = Math.min(8, Math.max(0, plen - 8 * i));
    out[i] = a[i] & ((0xff00 >> bits) & 0xff);
  }
  return out;
}
