// sk_buffs: allocation, sharing, copying, freeing (Linux: net/core/skbuff.c). Inline parts of the API are in skb_inline.ts.
import type { Gpa } from '../base/units.ts';
import type { SkbDropReason } from './drop_reason.ts';
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import type { NetDevice } from './net_device.ts';
import { PageFrags } from './page_frag.ts';
import { SkBuff } from './skbuff.ts';
import type { Ram } from '../platform/ram.ts';

export class SkbCore {
  readonly ram: Ram;
  readonly frags: PageFrags;
  /** skbs alive: allocated, cloned or copied, and not yet freed. 0 when nothing leaks and nothing is in flight. */
  live = 0;

  constructor(readonly kernel: Kernel) {
    this.ram = kernel.platform.ram;
    this.frags = new PageFrags(kernel);
  }

  /** `size` bytes from head to end, undefined when memory is out. */
  __alloc_skb(size: number): SkBuff | undefined {
    void size;
    return undefined;
  }
  /** Without headroom. */
  alloc_skb(size: number): SkBuff | undefined {
    return this.__alloc_skb(size);
  }
  /** With NET_SKB_PAD of headroom, from page fragments. */
  netdev_alloc_skb(dev: NetDevice | undefined, length: number): SkBuff | undefined;
  netdev_alloc_skb(): SkBuff | undefined {
    return undefined;
  }
  /** With NET_SKB_PAD + NET_IP_ALIGN (0) of headroom. */
  napi_alloc_skb(napi: Napi, length: number): SkBuff | undefined;
  napi_alloc_skb(): SkBuff | undefined {
    return undefined;
  }
  /** An skb around a page fragment of `frag_size` bytes, of which the last SHARED_INFO_SIZE hold skb_shared_info. Takes over the reference. */
  build_skb(data: Gpa, frag_size: number): SkBuff | undefined;
  build_skb(): SkBuff | undefined {
    return undefined;
  }
  skb_put(skb: SkBuff, length: number): Gpa;
  skb_put(): Gpa {
    return 0 as Gpa;
  }
  skb_push(skb: SkBuff, length: number): Gpa;
  skb_push(): Gpa {
    return 0 as Gpa;
  }
  /** The new data, 0 when the packet is shorter. */
  skb_pull(skb: SkBuff, length: number): Gpa;
  skb_pull(): Gpa {
    return 0 as Gpa;
  }
  skb_trim(skb: SkBuff, length: number): void;
  skb_trim(): void {
    return;
  }
  /** Cuts to `length`, fragments too; 0 or -ENOMEM. */
  pskb_trim(skb: SkBuff, length: number): number;
  pskb_trim(): number {
    return 0;
  }
  pskb_trim_rcsum(skb: SkBuff, length: number): number;
  pskb_trim_rcsum(): number {
    return 0;
  }
  /** Ethernet's padding: zero-fills up to `length`; frees the skb and answers -ENOMEM on failure. */
  skb_put_padto(skb: SkBuff, length: number): number;
  skb_put_padto(): number {
    return 0;
  }
  /** The first `length` bytes are (made) linear; false when the packet is shorter. */
  pskb_may_pull(skb: SkBuff, length: number): boolean;
  pskb_may_pull(): boolean {
    return false;
  }
  /** Moves `delta` bytes from the fragments to the linear part; the tail, or 0. */
  __pskb_pull_tail(skb: SkBuff, delta: number): Gpa;
  __pskb_pull_tail(): Gpa {
    return 0 as Gpa;
  }
  skb_linearize(skb: SkBuff): number;
  skb_linearize(): number {
    return 0;
  }
  /** Headroom of at least `headroom` and a private header; 0 or -ENOMEM. */
  skb_cow_head(skb: SkBuff, headroom: number): number;
  skb_cow_head(): number {
    return 0;
  }
  skb_cow(skb: SkBuff, headroom: number): number;
  skb_cow(): number {
    return 0;
  }
  pskb_expand_head(skb: SkBuff, nhead: number, ntail: number): number;
  pskb_expand_head(): number {
    return 0;
  }
  /** Adds a page fragment, taking over the caller's reference on its page. */
  skb_add_rx_frag(skb: SkBuff, i: number, page: Gpa, size: number, truesize: number): void;
  skb_add_rx_frag(): void {
    return;
  }
  /** Fragments of skb_shared_info. */
  nr_frags(skb: SkBuff): number;
  nr_frags(): number {
    return 0;
  }
  frag_page(skb: SkBuff, i: number): Gpa;
  frag_page(): Gpa {
    return 0 as Gpa;
  }
  frag_size(skb: SkBuff, i: number): number;
  frag_size(): number {
    return 0;
  }
  /** A second descriptor on the same data. */
  skb_clone(skb: SkBuff): SkBuff | undefined;
  skb_clone(): SkBuff | undefined {
    return undefined;
  }
  /** A private, linear copy. */
  skb_copy(skb: SkBuff): SkBuff | undefined;
  skb_copy(): SkBuff | undefined {
    return undefined;
  }
  /** One more reference. */
  skb_get(skb: SkBuff): SkBuff {
    skb.users++;
    return skb;
  }
  /** skb, or a clone when it is shared (then the original loses the caller's reference). */
  skb_share_check(skb: SkBuff): SkBuff | undefined;
  skb_share_check(): SkBuff | undefined {
    return undefined;
  }
  /** Frees a packet that was dropped. */
  kfree_skb_reason(skb: SkBuff, reason: SkbDropReason): void;
  kfree_skb_reason(): void {
    return;
  }
  kfree_skb(skb: SkBuff): void {
    this.kfree_skb_reason(skb, 'NOT_SPECIFIED');
  }
  /** Frees a packet that served its purpose. */
  consume_skb(skb: SkBuff): void;
  consume_skb(): void {
    return;
  }
  /** As consume_skb, from a NAPI poll with its budget. */
  napi_consume_skb(skb: SkBuff, budget: number): void;
  napi_consume_skb(): void {
    return;
  }
  /** Detaches the owner: its write memory is released now. */
  skb_orphan(skb: SkBuff): void;
  skb_orphan(): void {
    return;
  }
  /** Forgets what belongs to one namespace or one receive path (veth, namespace crossing). */
  skb_scrub_packet(skb: SkBuff, xnet: boolean): void;
  skb_scrub_packet(): void {
    return;
  }
  /** Partial sum (wire/checksum.ts) of `length` bytes from `offset` after data. */
  skb_checksum(skb: SkBuff, offset: number, length: number, sum: number): number;
  skb_checksum(): number {
    return 0;
  }
  /** Completes CHECKSUM_PARTIAL in software; 0 or a negative errno. */
  skb_checksum_help(skb: SkBuff): number;
  skb_checksum_help(): number {
    return 0;
  }
  /** Copies `length` bytes from `offset` after data out to RAM at `to`; 0 or -EFAULT. */
  skb_copy_bits(skb: SkBuff, offset: number, to: Gpa, length: number): number;
  skb_copy_bits(): number {
    return 0;
  }
  /** The same out to an array: what a socket's reader gets. */
  copyToArray(skb: SkBuff, offset: number, into: Uint8Array, intoOffset: number, length: number): number;
  copyToArray(): number {
    return 0;
  }
  /** Writes `length` bytes of `from` at `offset` after data; 0 or -EFAULT. */
  skb_store_bits(skb: SkBuff, offset: number, from: Uint8Array, length: number): number;
  skb_store_bits(): number {
    return 0;
  }
}
