// Bytes of an skb wherever they lie – linear part, page fragments, fragment list: copying, storing, summing (Linux: net/core/skbuff.c).
import { Errno } from '../base/errno.ts';
import type { Gpa } from '../base/units.ts';
import type { Ram } from '../platform/ram.ts';
import { csumFold, csumPartial } from '../wire/checksum.ts';
import type { Kernel } from './kernel.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, type SkBuff, SkbFrag, SkbSharedInfo } from './skbuff.ts';
import { skb_checksum_start_offset, skb_headlen, skb_network_header } from './skb_inline.ts';

const FRAGS = SkbSharedInfo.$size;
const FRAG = SkbFrag.$size;

export class SkbBits {
  /** Inline in Linux: no tracer may list them. */
  static readonly inlined: readonly string[] = Object.freeze(['nr_frags', 'frag_page', 'frag_size', 'gso_size', 'gso_segs', 'gso_type']);
  readonly ram: Ram;
  /** A run of contiguous bytes found by `span`. */
  private spanAt = 0;
  private spanLength = 0;

  constructor(readonly kernel: Kernel) {
    this.ram = kernel.platform.ram;
  }

  /** Fragments of skb_shared_info. */
  nr_frags(skb: SkBuff): number {
    return skb.data_len === 0 ? 0 : SkbSharedInfo.nr_frags.get(this.ram, skb.end);
  }
  /** Guest-physical address of fragment i's first byte. */
  frag_page(skb: SkBuff, i: number): Gpa {
    return SkbFrag.page.get(this.ram, skb.end + FRAGS + i * FRAG) as Gpa;
  }
  frag_size(skb: SkBuff, i: number): number {
    return SkbFrag.size.get(this.ram, skb.end + FRAGS + i * FRAG);
  }
  protected setFrag(skb: SkBuff, i: number, page: number, size: number): void {
    const at = skb.end + FRAGS + i * FRAG;
    SkbFrag.page.set(this.ram, at, page);
    SkbFrag.size.set(this.ram, at, size);
  }
  gso_size(skb: SkBuff): number {
    return SkbSharedInfo.gso_size.get(this.ram, skb.end);
  }
  gso_segs(skb: SkBuff): number {
    return SkbSharedInfo.gso_segs.get(this.ram, skb.end);
  }
  gso_type(skb: SkBuff): number {
    return SkbSharedInfo.gso_type.get(this.ram, skb.end);
  }
  setGso(skb: SkBuff, type: number, size: number, segs: number): void {
    SkbSharedInfo.gso_type.set(this.ram, skb.end, type);
    SkbSharedInfo.gso_size.set(this.ram, skb.end, size);
    SkbSharedInfo.gso_segs.set(this.ram, skb.end, segs);
  }

  /** Copies `length` bytes from `offset` after data out to RAM at `to`; 0 or -EFAULT. */
  skb_copy_bits(skb: SkBuff, offset: number, to: Gpa, length: number): number {
    if (offset + length > skb.len) return -Errno.EFAULT;
    for (let done = 0; done < length; done += this.spanLength) {
      this.span(skb, offset + done, length - done);
      this.ram.copy((to + done) as Gpa, this.spanAt as Gpa, this.spanLength);
    }
    return 0;
  }

  /** The same out to an array: what a socket's reader gets. */
  copyToArray(skb: SkBuff, offset: number, into: Uint8Array, intoOffset: number, length: number): number {
    if (offset + length > skb.len) return -Errno.EFAULT;
    for (let done = 0; done < length; done += this.spanLength) {
      this.span(skb, offset + done, length - done);
      this.ram.read(this.spanAt, into, intoOffset + done, this.spanLength);
    }
    return 0;
  }

  /** The byte `offset` after the network header, be it in a page fragment; undefined past the end. */
  networkByte(skb: SkBuff, offset: number): number | undefined {
    const at = skb_network_header(skb) + offset;
    const after = at - skb.data;
    if (after >= skb.len) return undefined;
    if (after < skb_headlen(skb)) return this.ram.u8(at);
    this.span(skb, after, 1);
    return this.ram.u8(this.spanAt);
  }

  /** The first `length` bytes after data, as a new array. */
  toArray(skb: SkBuff, length: number): Uint8Array {
    const out = new Uint8Array(length);
    this.copyToArray(skb, 0, out, 0, length);
    return out;
  }

  /** Writes `length` bytes of `from` at `offset` after data; 0 or -EFAULT. */
  skb_store_bits(skb: SkBuff, offset: number, from: Uint8Array, length: number): number {
    if (offset + length > skb.len) return -Errno.EFAULT;
    for (let done = 0; done < length; done += this.spanLength) {
      this.span(skb, offset + done, length - done);
      this.ram.write(this.spanAt, from, done, this.spanLength);
    }
    return 0;
  }

  /** Partial sum (wire/checksum.ts) of `length` bytes from `offset` after data, added to `sum`. */
  skb_checksum(skb: SkBuff, offset: number, length: number, sum: number): number {
    this.kernel.charge((length >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    if (offset + length <= skb_headlen(skb)) return csumPartial(this.ram, skb.data + offset, length, sum);
    let total = sum;
    for (let done = 0; done < length; done += this.spanLength) {
      this.span(skb, offset + done, length - done);
      const part = csumPartial(this.ram, this.spanAt, this.spanLength);
      // RFC 1071 §2(B): a run that starts at an odd offset has its bytes swapped
      total += (done & 1) === 0 ? part : swapFolded(part);
    }
    return total;
  }

  /** Completes CHECKSUM_PARTIAL in software; 0 or a negative errno. */
  skb_checksum_help(skb: SkBuff): number {
    if (skb.ip_summed !== CHECKSUM_PARTIAL) return 0;
    const offset = skb_checksum_start_offset(skb);
    if (offset < 0 || offset + skb.csum_offset + 2 > skb_headlen(skb)) return -Errno.EINVAL;
    const sum = csumFold(this.skb_checksum(skb, offset, skb.len - offset, 0));
    // a sum of zero is sent as all ones (RFC 768), Linux: CSUM_MANGLED_0
    this.ram.setU16be(skb.data + offset + skb.csum_offset, sum === 0 ? 0xffff : sum);
    skb.ip_summed = CHECKSUM_NONE;
    return 0;
  }

  /** Finds the contiguous bytes at `offset` after data, at most `max` of them. */
  private span(skb: SkBuff, offset: number, max: number): void {
    let at = offset;
    const linear = skb_headlen(skb);
    if (at < linear) return this.found(skb.data + at, Math.min(max, linear - at));
    at -= linear;
    const n = this.nr_frags(skb);
    for (let i = 0; i < n; i++) {
      const size = this.frag_size(skb, i);
      if (at < size) return this.found(this.frag_page(skb, i) + at, Math.min(max, size - at));
      at -= size;
    }
    for (let list = skb.frag_list; list !== undefined; list = list.next) {
      if (at < list.len) return this.span(list, at, max);
      at -= list.len;
    }
  }

  private found(at: number, length: number): void {
    this.spanAt = at;
    this.spanLength = length;
  }
}

/** A partial sum of a run at an odd offset, as it counts in the whole. */
function swapFolded(sum: number): number {
  const folded = ~csumFold(sum) & 0xffff;
  return ((folded & 0xff) << 8) | (folded >>> 8);
}
