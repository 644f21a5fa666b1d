// The Internet checksum (RFC 1071) over any memory. Sums are partial until folded.
import type { Mem } from '../base/memory.ts';

/** Adds `length` bytes at `at` to a partial sum. An odd last byte counts as the high half of a word. */
export function csumPartial(mem: Mem, at: number, length: number, sum = 0): number {
  let s = sum;
  let i = at;
  const end = at + length;
  for (; i + 4 <= end; i += 4) {
    const words = mem.u32be(i);
    s += (words >>> 16) + (words & 0xffff);
  }
  if (i + 2 <= end) {
    s += mem.u16be(i);
    i += 2;
  }
  if (i < end) s += mem.u8(i) << 8;
  return s;
}

/** Folds a partial sum to 16 bits and complements it: the value for a checksum field. */
export function csumFold(sum: number): number {
  let s = sum;
  while (s > 0x7fffffff) s = (s % 0x10000) + Math.floor(s / 0x10000);
  s = (s & 0xffff) + (s >>> 16);
  s = (s & 0xffff) + (s >>> 16);
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

/** From this length on whole 32-bit words are summed (measured: four times as fast on a full frame; for a short one making the view costs more than it saves). */
const BY_WORDS = 256;

/** csumPartial over a plain byte array, for devices that hold a whole frame. */
export function csumBytes(bytes: Uint8Array, from: number, length: number, sum = 0): number {
  let s = sum;
  let i = from;
  const end = from + (length & ~1);
  if (length >= BY_WORDS && ((bytes.byteOffset + from) & 1) === 0) {
    if (((bytes.byteOffset + i) & 2) !== 0) {
      s += (bytes[i] << 8) | bytes[i + 1];
      i += 2;
    }
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + i, (end - i) >> 2);
    let low = 0;
    let high = 0;
    for (let k = 0; k < words.length; k++) {
      low += words[k] & 0xffff;
      high += words[k] >>> 16;
    }
    // RFC 1071 §2(B): the sum does not depend on byte order, but for a swap at the end; typed arrays are little-endian on every host that runs this
    const folded = ~csumFold(low + high) & 0xffff;
    s += ((folded & 0xff) << 8) | (folded >> 8);
    i += words.length * 4;
  }
  for (; i < end; i += 2) s += (bytes[i] << 8) | bytes[i + 1];
  if ((length & 1) !== 0) s += bytes[end] << 8;
  return s;
}
