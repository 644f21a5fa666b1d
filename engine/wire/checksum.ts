// The Internet checksum (RFC 1071) over any memory. Sums are partial until folded.
import type { Mem } from '../base/memory.ts';

/** Adds `length` bytes at `at` to a partial sum. An odd last byte counts as the high half of a word. */
export function csumPartial(mem: Mem, at: number, length: number, sum = 0): number {
  let s = sum;
  let i = at;
  const end = at + (length & ~1);
  for (; i < end; i += 2) s += mem.u16be(i);
  if ((length & 1) !== 0) s += mem.u8(i) << 8;
  return s;
}

/** Folds a partial sum to 16 bits and complements it: the value for a checksum field. */
export function csumFold(sum: number): number {
  let s = sum;
  while (s > 0xffff) s = (s % 0x10000) + Math.floor(s / 0x10000);
  return ~s & 0xffff;
}

/** Partial sum of the IPv4 pseudo-header (RFC 768, RFC 9293 §3.1); addresses as 32-bit numbers, length of the transport segment. */
export function pseudoHeaderSum(saddr: number, daddr: number, protocol: number, length: number): number {
  return (saddr >>> 16) + (saddr & 0xffff) + (daddr >>> 16) + (daddr & 0xffff) + protocol + length;
}

/** The same for IPv6 (RFC 8200 §8.1); addresses are 16 bytes at `saddr`/`daddr` in `mem`. */
export function pseudoHeaderSum6(mem: Mem, saddr: number, daddr: number, protocol: number, length: number): number {
  return csumPartial(mem, daddr, 16, csumPartial(mem, saddr, 16, (length >>> 16) + (length & 0xffff) + protocol));
}

/** csumPartial over a plain byte array, for devices that hold a whole frame. */
export function csumBytes(bytes: Uint8Array, from: number, length: number, sum = 0): number {
  let s = sum;
  const end = from + (length & ~1);
  for (let i = from; i < end; i += 2) s += (bytes[i] << 8) | bytes[i + 1];
  if ((length & 1) !== 0) s += bytes[end] << 8;
  return s;
}
