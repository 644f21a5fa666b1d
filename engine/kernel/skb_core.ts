// sk_buffs: the edges of their data – room at either end, pulling, trimming, growing (Linux: net/core/skbuff.c). Inline parts are in skb_inline.ts.
import { Errno } from '../base/errno.ts';
import { invariant } from '../base/ops.ts';
import type { Gpa } from '../base/units.ts';
import { driverOf } from './contract_net.ts';
import { SKB_DATA_ALIGN, SkbAlloc } from './skb_alloc.ts';
import { __skb_push, __skb_put, skb_headlen, skb_headroom, skb_is_nonlinear, skb_shared, skb_tailroom } from './skb_inline.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, HEAD_KMALLOC, SHARED_INFO_SIZE, type SkBuff, SkbSharedInfo } from './skbuff.ts';

export class SkbCore extends SkbAlloc {
  skb_put(skb: SkBuff, length: number): Gpa {
    if (skb_is_nonlinear(skb) || skb.tail + length > skb.end) return this.skb_over_panic(skb, length);
    return __skb_put(skb, length);
  }
  skb_push(skb: SkBuff, length: number): Gpa {
    if (skb.data - length < skb.head) return this.skb_under_panic(skb, length);
    return __skb_push(skb, length);
  }
  /** Linux stops here. This kernel says so, and goes on with what there is room for. */
  private skb_over_panic(skb: SkBuff, length: number): Gpa {
    this.skb_panic(skb, length, 'skb_over_panic', 112);
    return __skb_put(skb, skb_is_nonlinear(skb) ? 0 : skb.end - skb.tail);
  }
  private skb_under_panic(skb: SkBuff, length: number): Gpa {
    this.skb_panic(skb, length, 'skb_under_panic', 122);
    return __skb_push(skb, skb.data - skb.head);
  }
  private skb_panic(skb: SkBuff, length: number, what: string, line: number): void {
    const { printk, contract } = this.kernel;
    const hex = (n: number): string => `0x${n.toString(16)}`;
    const dev = skb.dev?.name ?? '<NULL>';
    printk.pr_emerg(
      `skbuff: ${what}: len:${skb.len + length} put:${length} head:${hex(skb.head)} data:${hex(skb.data)} tail:${hex(skb.tail - skb.head + length)} end:${hex(skb.end - skb.head)} dev:${dev}`,
    );
    printk.pr_emerg(`kernel BUG at net/core/skbuff.c:${line}!`);
    if (contract.enabled) contract.violation('skb-panic', skb.dev === undefined ? what : driverOf(skb.dev), `${what}, ${length} bytes`);
  }

  /** The new data; 0 when the linear part is shorter. */
  skb_pull(skb: SkBuff, length: number): Gpa {
    if (length > skb.len || length > skb_headlen(skb)) return 0 as Gpa;
    skb.len -= length;
    skb.data = (skb.data + length) as Gpa;
    return skb.data;
  }
  skb_trim(skb: SkBuff, length: number): void {
    if (skb.len > length) this.___pskb_trim(skb, length);
  }
  pskb_trim(skb: SkBuff, length: number): number {
    return length < skb.len ? this.___pskb_trim(skb, length) : 0;
  }
  /** Keeps CHECKSUM_COMPLETE honest: the sum no longer covers what was cut. */
  pskb_trim_rcsum(skb: SkBuff, length: number): number {
    if (length >= skb.len) return 0;
    if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
    return this.___pskb_trim(skb, length);
  }
  /** Cuts to `length` bytes; 0 or -ENOMEM. */
  ___pskb_trim(skb: SkBuff, length: number): number {
    const linear = skb_headlen(skb);
    if (skb.data_len !== 0) {
      if (skb.cloned && this.pskb_expand_head(skb, 0, 0) !== 0) return -Errno.ENOMEM;
      let at = linear;
      const n = this.nr_frags(skb);
      let keep = 0;
      for (let i = 0; i < n; i++) {
        const size = this.frag_size(skb, i);
        if (at >= length) this.frags.put_page(this.frag_page(skb, i));
        else {
          this.setFrag(skb, i, this.frag_page(skb, i), Math.min(size, length - at));
          keep = i + 1;
        }
        at += size;
      }
      SkbSharedInfo.nr_frags.set(this.ram, skb.end, keep);
    }
    skb.len = length;
    skb.data_len = Math.max(0, length - linear);
    if (length < linear) skb.tail = (skb.data + length) as Gpa;
    return 0;
  }

  /** Ethernet's padding: zero bytes up to `length`; -ENOMEM after freeing the skb. */
  skb_put_padto(skb: SkBuff, length: number): number {
    if (skb.len >= length) return 0;
    const pad = length - skb.len;
    if (skb_tailroom(skb) < pad && this.pskb_expand_head(skb, 0, pad) !== 0) {
      this.kfree_skb(skb);
      return -Errno.ENOMEM;
    }
    this.ram.fill(__skb_put(skb, pad), 0, pad);
    return 0;
  }

  /** The first `length` bytes are (made) linear; false when the packet is shorter. */
  pskb_may_pull(skb: SkBuff, length: number): boolean {
    if (length <= skb_headlen(skb)) return true;
    return length <= skb.len && this.__pskb_pull_tail(skb, length - skb_headlen(skb)) !== 0;
  }

  /** Moves `delta` bytes from the fragments to the linear part; the new tail, or 0. */
  __pskb_pull_tail(skb: SkBuff, delta: number): Gpa {
    if ((skb.cloned || skb.tail + delta > skb.end) && this.pskb_expand_head(skb, 0, Math.max(0, skb.tail + delta - skb.end) + 128) !== 0)
      return 0 as Gpa;
    if (this.skb_copy_bits(skb, skb_headlen(skb), skb.tail, delta) !== 0) return 0 as Gpa;
    let left = delta;
    const n = this.nr_frags(skb);
    let keep = 0;
    for (let i = 0; i < n; i++) {
      const page = this.frag_page(skb, i);
      const size = this.frag_size(skb, i);
      if (left >= size) this.frags.put_page(page);
      else this.setFrag(skb, keep++, page + left, size - left);
      left = Math.max(0, left - size);
    }
    SkbSharedInfo.nr_frags.set(this.ram, skb.end, keep);
    for (let list = skb.frag_list; left > 0 && list !== undefined; list = skb.frag_list) {
      if (left < list.len) {
        this.eat(list, left);
        break;
      }
      left -= list.len;
      skb.frag_list = list.next;
      this.consume_skb(list);
    }
    skb.tail = (skb.tail + delta) as Gpa;
    skb.data_len -= delta;
    return skb.tail;
  }

  skb_linearize(skb: SkBuff): number {
    return skb.data_len === 0 || this.__pskb_pull_tail(skb, skb.data_len) !== 0 ? 0 : -Errno.ENOMEM;
  }
  /** A header of one's own with `headroom` bytes before data; 0 or -ENOMEM. */
  skb_cow_head(skb: SkBuff, headroom: number): number {
    return skb.cloned || skb_headroom(skb) < headroom ? this.pskb_expand_head(skb, Math.max(0, headroom - skb_headroom(skb)), 0) : 0;
  }
  skb_cow(skb: SkBuff, headroom: number): number {
    return this.skb_cow_head(skb, headroom);
  }

  /** A new data area with more room at either end; private afterwards. 0 or -ENOMEM. */
  pskb_expand_head(skb: SkBuff, nhead: number, ntail: number): number {
    invariant(!skb_shared(skb), 'pskb_expand_head: shared skb');
    const { slab } = this.kernel.platform;
    const room = SKB_DATA_ALIGN(skb.end - skb.head + nhead + ntail);
    const head = this.refused() ? (0 as Gpa) : slab.kmalloc(room + SKB_DATA_ALIGN(SHARED_INFO_SIZE));
    if (head === 0) return -Errno.ENOMEM;
    const end = (head + slab.ksize(head) - SKB_DATA_ALIGN(SHARED_INFO_SIZE)) as Gpa;
    this.ram.copy((head + nhead) as Gpa, skb.head, skb.tail - skb.head);
    this.ram.copy(end, skb.end, SHARED_INFO_SIZE);
    if (skb.cloned) {
      const n = this.nr_frags(skb);
      for (let i = 0; i < n; i++) this.frags.get_page(this.frag_page(skb, i));
      const fragList = skb.frag_list;
      for (let list = fragList; list !== undefined; list = list.next) list.users++;
      this.skb_release_data(skb);
      skb.frag_list = fragList;
    } else this.skb_free_head(skb);
    SkbSharedInfo.dataref.set(this.ram, end, 1);
    const move = head + nhead - skb.head;
    skb.headKind = HEAD_KMALLOC;
    skb.cloned = false;
    skb.head = head;
    skb.data = (skb.data + move) as Gpa;
    skb.tail = (skb.tail + move) as Gpa;
    skb.end = end;
    if (skb.mac_header >= 0) skb.mac_header += nhead;
    if (skb.network_header >= 0) skb.network_header += nhead;
    if (skb.transport_header >= 0) skb.transport_header += nhead;
    skb.csum_start += nhead;
    return 0;
  }

  /** Adds a page fragment, taking over the caller's reference on its page. */
  skb_add_rx_frag(skb: SkBuff, i: number, page: Gpa, size: number, truesize: number): void {
    this.setFrag(skb, i, page, size);
    SkbSharedInfo.nr_frags.set(this.ram, skb.end, i + 1);
    skb.len += size;
    skb.data_len += size;
    skb.truesize += truesize;
  }

  /** Drops `length` bytes from the front of a fragment-list member. */
  private eat(skb: SkBuff, length: number): void {
    if (length <= skb_headlen(skb)) {
      skb.data = (skb.data + length) as Gpa;
      skb.len -= length;
    } else if (this.__pskb_pull_tail(skb, length - skb_headlen(skb)) !== 0) this.eat(skb, length);
  }
}
