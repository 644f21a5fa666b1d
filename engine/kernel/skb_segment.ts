// sk_buffs cut apart and joined: splitting for transports, private copies that share fragments, GSO segments, GRO merging (Linux: net/core/skbuff.c, gro.c).
import { Errno } from '../base/errno.ts';
import type { Gpa } from '../base/units.ts';
import { SkbCore } from './skb_core.ts';
import { __skb_pull, __skb_put, skb_headlen, skb_headroom, skb_reserve } from './skb_inline.ts';
import { MAX_SKB_FRAGS, type SkBuff, SkbSharedInfo } from './skbuff.ts';

export class SkbSegment extends SkbCore {
  /** Inline in Linux: no tracer may list them. */
  static override readonly inlined: readonly string[] = Object.freeze([
    ...SkbCore.inlined,
    'skb_unclone',
    'data_shared',
    'skb_is_gso',
    'skb_gso_reset',
  ]);

  /** Somebody else holds the same data area now. */
  data_shared(skb: SkBuff): boolean {
    return skb.cloned && SkbSharedInfo.dataref.get(this.ram, skb.end) > 1;
  }
  skb_unclone(skb: SkBuff): number {
    return this.data_shared(skb) ? this.pskb_expand_head(skb, 0, 0) : 0;
  }
  skb_is_gso(skb: SkBuff): boolean {
    return this.gso_size(skb) !== 0;
  }

  /** A private linear part with `headroom` before it; fragments are shared by reference. */
  __pskb_copy(skb: SkBuff, headroom: number): SkBuff | undefined {
    const linear = skb_headlen(skb);
    const n = this.__alloc_skb(headroom + linear);
    if (n === undefined) return undefined;
    skb_reserve(n, headroom);
    this.copyMeta(n, skb);
    this.ram.copy(__skb_put(n, linear), skb.data, linear);
    const frags = this.nr_frags(skb);
    for (let i = 0; i < frags; i++) {
      this.frags.get_page(this.frag_page(skb, i));
      this.setFrag(n, i, this.frag_page(skb, i), this.frag_size(skb, i));
    }
    SkbSharedInfo.nr_frags.set(this.ram, n.end, frags);
    n.len += skb.data_len;
    n.data_len = skb.data_len;
    n.truesize += skb.data_len;
    const move = headroom - skb_headroom(skb);
    if (skb.mac_header >= 0) n.mac_header = skb.mac_header + move;
    if (skb.network_header >= 0) n.network_header = skb.network_header + move;
    if (skb.transport_header >= 0) n.transport_header = skb.transport_header + move;
    n.csum_start = skb.csum_start + move;
    this.setGso(n, this.gso_type(skb), this.gso_size(skb), this.gso_segs(skb));
    this.kernel.charge(((linear + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    return n;
  }

  private copyMeta(n: SkBuff, skb: SkBuff): void {
    n.parent = skb.id;
    n.protocol = skb.protocol;
    n.pkt_type = skb.pkt_type;
    n.ip_summed = skb.ip_summed;
    n.csum_offset = skb.csum_offset;
    n.csum = skb.csum;
    n.queue_mapping = skb.queue_mapping;
    n.priority = skb.priority;
    n.mark = skb.mark;
    n.hash = skb.hash;
    n.skb_iif = skb.skb_iif;
    n.tstamp = skb.tstamp;
    n.dev = skb.dev;
    n.dst = skb.dst;
    n.cb0 = skb.cb0;
    n.cb1 = skb.cb1;
  }

  /** `skb` keeps its first `len` bytes, the empty `skb1` gets the rest; the data must not be shared. */
  skb_split(skb: SkBuff, skb1: SkBuff, len: number): void {
    const linear = skb_headlen(skb);
    const n = this.nr_frags(skb);
    const moved = skb.len - len;
    let at = linear;
    let keep = 0;
    let k = 0;
    if (len < linear) {
      const tail = linear - len;
      this.ram.copy(__skb_put(skb1, tail), (skb.data + len) as Gpa, tail);
      skb1.len -= tail;
      skb.tail = (skb.data + len) as Gpa;
    }
    for (let i = 0; i < n; i++) {
      const page = this.frag_page(skb, i);
      const size = this.frag_size(skb, i);
      if (at + size <= len) keep = i + 1;
      else if (at < len) {
        const first = len - at;
        this.setFrag(skb1, k++, page + first, size - first);
        this.frags.get_page(page);
        this.setFrag(skb, i, page, first);
        keep = i + 1;
      } else this.setFrag(skb1, k++, page, size);
      at += size;
    }
    SkbSharedInfo.nr_frags.set(this.ram, skb.end, keep);
    SkbSharedInfo.nr_frags.set(this.ram, skb1.end, k);
    skb1.len += moved;
    skb1.data_len = moved - Math.max(0, linear - len);
    skb.len = len;
    skb.data_len = Math.max(0, len - linear);
  }

  /** Drops the first `len` bytes of a packet whose data is not shared. */
  __pskb_trim_head(skb: SkBuff, len: number): void {
    const linear = Math.min(len, skb_headlen(skb));
    skb.data = (skb.data + linear) as Gpa;
    skb.len -= linear;
    let left = len - linear;
    if (left === 0) return;
    const n = this.nr_frags(skb);
    let k = 0;
    skb.len -= left;
    skb.data_len -= left;
    for (let i = 0; i < n; i++) {
      const page = this.frag_page(skb, i);
      const size = this.frag_size(skb, i);
      if (size <= left) {
        this.frags.put_page(page);
        left -= size;
      } else {
        this.setFrag(skb, k++, page + left, size - left);
        left = 0;
      }
    }
    SkbSharedInfo.nr_frags.set(this.ram, skb.end, k);
  }

  /** Appends bytes that lie at `page` (whose reference the skb takes over), joining the last fragment when they adjoin. False: no slot is free. */
  skb_append_frag(skb: SkBuff, page: Gpa, size: number): boolean {
    const n = this.nr_frags(skb);
    const before = n > 0 ? this.frag_page(skb, n - 1) : page;
    if (n > 0 && before + this.frag_size(skb, n - 1) === page && this.frags.same_page(before, page)) {
      this.setFrag(skb, n - 1, before, this.frag_size(skb, n - 1) + size);
      this.frags.put_page(page);
    } else {
      if (n >= MAX_SKB_FRAGS) return false;
      this.setFrag(skb, n, page, size);
      SkbSharedInfo.nr_frags.set(this.ram, skb.end, n + 1);
    }
    skb.len += size;
    skb.data_len += size;
    return true;
  }

  /**
   * Cuts a packet into ones of `mss` payload bytes. `doffset`: bytes of headers before the payload, from data on; every segment gets a copy of them.
   * `sg`: payload in fragments is shared, else copied. A chain by `next`, or undefined when memory is out. The packet stays the caller's.
   */
  skb_segment(skb: SkBuff, doffset: number, mss: number, sg: boolean): SkBuff | undefined {
    let first: SkBuff | undefined;
    let last: SkBuff | undefined;
    const room = skb_headroom(skb);
    for (let at = doffset; at < skb.len; at += mss) {
      const size = Math.min(mss, skb.len - at);
      const seg = this.makeSegment(skb, room, doffset, at, size, sg);
      if (seg === undefined) {
        this.freeChain(first);
        return undefined;
      }
      if (last === undefined) first = seg;
      else last.next = seg;
      last = seg;
    }
    return first;
  }

  private makeSegment(skb: SkBuff, room: number, doffset: number, at: number, size: number, sg: boolean): SkBuff | undefined {
    const share = sg && at >= skb_headlen(skb) && skb.frag_list === undefined;
    const seg = this.__alloc_skb(room + doffset + (share ? 0 : size));
    if (seg === undefined) return undefined;
    skb_reserve(seg, room);
    this.copyMeta(seg, skb);
    this.ram.copy(__skb_put(seg, doffset), skb.data, doffset);
    seg.mac_header = skb.mac_header;
    seg.network_header = skb.network_header;
    seg.transport_header = skb.transport_header;
    seg.csum_start = skb.csum_start;
    if (share) this.shareRange(skb, seg, at, size);
    else {
      this.skb_copy_bits(skb, at, __skb_put(seg, size), size);
      this.kernel.charge(((size + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    }
    return seg;
  }

  private shareRange(skb: SkBuff, seg: SkBuff, from: number, size: number): void {
    let at = skb_headlen(skb);
    let left = size;
    let offset = from;
    const n = this.nr_frags(skb);
    let k = 0;
    for (let i = 0; i < n && left > 0; i++) {
      const page = this.frag_page(skb, i);
      const length = this.frag_size(skb, i);
      if (offset < at + length) {
        const skip = offset - at;
        const take = Math.min(left, length - skip);
        this.frags.get_page(page);
        this.setFrag(seg, k++, page + skip, take);
        left -= take;
        offset += take;
      }
      at += length;
    }
    SkbSharedInfo.nr_frags.set(this.ram, seg.end, k);
    seg.len += size;
    seg.data_len += size;
    seg.truesize += size;
  }

  freeChain(chain: SkBuff | undefined): void {
    for (let s = chain; s !== undefined;) {
      const next: SkBuff | undefined = s.next;
      s.next = undefined;
      this.kfree_skb(s);
      s = next;
    }
  }

  /** Appends the payload of `skb` (all after `offset` bytes of headers) to the held packet `p`; 0 when merged, -E2BIG when p is full. */
  skb_gro_receive(p: SkBuff, skb: SkBuff, offset: number, limit: number): number {
    const length = skb.len - offset;
    if (p.len + length >= limit) return -Errno.E2BIG;
    const linear = skb_headlen(skb);
    const nskb = this.nr_frags(skb);
    const n = this.nr_frags(p);
    if (linear <= offset && p.frag_list === undefined && n + nskb <= MAX_SKB_FRAGS && !this.data_shared(p)) {
      let skip = offset - linear;
      let k = n;
      for (let i = 0; i < nskb; i++) {
        const page = this.frag_page(skb, i);
        const size = this.frag_size(skb, i);
        if (size <= skip) {
          skip -= size;
          continue;
        }
        this.frags.get_page(page);
        this.setFrag(p, k++, page + skip, size - skip);
        skip = 0;
      }
      SkbSharedInfo.nr_frags.set(this.ram, p.end, k);
      p.truesize += length;
      this.addLength(p, length);
      return 0;
    }
    // the packet itself joins the fragment list, without its headers
    this.__pskb_trim_head(skb, offset);
    // nr_frags of a packet whose payload was linear so far may be stale
    if (p.frag_list === undefined && n === 0) SkbSharedInfo.nr_frags.set(this.ram, p.end, 0);
    this.chain(p, skb);
    p.truesize += skb.truesize;
    this.addLength(p, length);
    return 1;
  }

  /** Chains the datagram `skb` behind the held packet `p`, its `offset` bytes of headers before its data; 1, or -E2BIG when p is full. */
  skb_gro_receive_list(p: SkBuff, skb: SkBuff, offset: number, limit: number): number {
    if (p.len + skb.len >= limit) return -Errno.E2BIG;
    __skb_pull(skb, offset);
    if (p.data_len === 0) SkbSharedInfo.nr_frags.set(this.ram, p.end, 0);
    this.chain(p, skb);
    p.truesize += skb.truesize;
    this.addLength(p, skb.len);
    return 1;
  }

  /** Behind the last of the fragment list. */
  private chain(p: SkBuff, skb: SkBuff): void {
    let tail = p.frag_list;
    if (tail === undefined) p.frag_list = skb;
    else {
      while (tail.next !== undefined) tail = tail.next;
      tail.next = skb;
    }
    skb.next = undefined;
  }

  private addLength(p: SkBuff, length: number): void {
    p.len += length;
    p.data_len += length;
  }
}
