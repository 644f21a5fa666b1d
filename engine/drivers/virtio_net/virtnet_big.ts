// Receive buffers for packets above the MTU without mergeable buffers: a chain of pages for each (Linux: add_recvbuf_big(), receive_big()).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { MAX_SKB_FRAGS, SHARED_INFO_SIZE, type SkBuff } from '../../kernel/skbuff.ts';
import { __skb_put, skb_reserve, skb_tailroom } from '../../kernel/skb_inline.ts';
import { ETH_HLEN } from '../../wire/headers.ts';
import { PAGE_SIZE } from '../../platform/ram.ts';
import { GOOD_COPY_LEN, type ReceiveQueue, type VirtnetInfo } from './virtnet_info.ts';

/** Linux: struct padded_vnet_hdr: the data lies in the header's page, aligned, in a descriptor of its own. */
const PADDED_VNET_HDR = 32;
const SHINFO = Math.ceil(SHARED_INFO_SIZE / 64) * 64;

/** Pages of one buffer in order; the ring's token for it. The header is at the start of the first. */
export class PageChain {
  readonly pages: Gpa[] = [];
}

export class VirtnetBig {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'add_recvbuf_big',
    'receive_big',
    'get_a_page',
    'give_pages',
    'page_to_skb_big',
  ]);
  constructor(
    readonly kernel: Kernel,
    private readonly vi: VirtnetInfo,
  ) {}

  /**
   * ```
   *  descriptor   0          1                        2 … 1 + big_packets_num_skbfrags
   *  page         │ header │ 32 … end of the page │   │ one page each │
   * ```
   */
  add_recvbuf_big(rq: ReceiveQueue): number {
    const { vi } = this;
    const { vq } = rq;
    const chain = new PageChain();
    for (let i = 0; i <= vi.big_packets_num_skbfrags; i++) {
      const page = this.get_a_page(rq);
      if (page === 0) {
        this.give_pages(rq, chain.pages);
        return -Errno.ENOMEM;
      }
      chain.pages.push(page);
    }
    vq.sgReset();
    vq.sgAdd(chain.pages[0], vi.hdr_len);
    vq.sgAdd(chain.pages[0] + PADDED_VNET_HDR, PAGE_SIZE - PADDED_VNET_HDR);
    for (let i = 1; i < chain.pages.length; i++) vq.sgAdd(chain.pages[i], PAGE_SIZE);
    const err = vq.virtqueue_add_inbuf(chain);
    if (err < 0) this.give_pages(rq, chain.pages);
    return err;
  }

  /** A page that was given back, or a new one; 0 when memory is out. */
  get_a_page(rq: ReceiveQueue): Gpa {
    return rq.pages.pop() ?? this.kernel.skb.frags.alloc_pages(0);
  }

  /** Keeps pages for the next buffers. */
  give_pages(rq: ReceiveQueue, pages: readonly Gpa[]): void {
    for (let i = pages.length - 1; i >= 0; i--) rq.pages.push(pages[i]);
  }

  /** Linux: free_receive_bufs() */
  free_receive_bufs(): void {
    for (const rq of this.vi.rq) {
      for (const page of rq.pages) this.kernel.skb.frags.put_page(page);
      rq.pages.length = 0;
    }
  }

  receive_big(rq: ReceiveQueue, chain: PageChain, length: number): SkBuff | undefined {
    rq.stats.bytes += length - this.vi.hdr_len;
    const skb = this.page_to_skb_big(rq, chain, length);
    if (skb === undefined) {
      rq.stats.drops++;
      this.give_pages(rq, chain.pages);
    }
    return skb;
  }

  /** A short packet is copied; one that leaves room for shared info stays in its page; of a long one only the Ethernet header is copied. */
  private page_to_skb_big(rq: ReceiveQueue, chain: PageChain, length: number): SkBuff | undefined {
    const { kernel, vi } = this;
    const { ram, costs } = kernel.platform;
    const { pages } = chain;
    let left = length - vi.hdr_len;
    let offset = PADDED_VNET_HDR;
    if (left > GOOD_COPY_LEN && PAGE_SIZE - PADDED_VNET_HDR - left >= SHINFO) {
      const skb = kernel.skb.build_skb(pages[0], PAGE_SIZE);
      if (skb === undefined) return undefined;
      skb_reserve(skb, PADDED_VNET_HDR);
      __skb_put(skb, left);
      this.give_pages(rq, pages.slice(1));
      return skb;
    }
    const skb = kernel.skb.napi_alloc_skb(rq.napi, GOOD_COPY_LEN);
    if (skb === undefined) return undefined;
    const copy = left <= skb_tailroom(skb) ? left : ETH_HLEN;
    ram.copyTo(pages[0] + offset, ram, __skb_put(skb, copy), copy);
    kernel.charge(Math.ceil(copy / 16) * costs.copy_per_16_bytes);
    left -= copy;
    offset += copy;
    if (left > MAX_SKB_FRAGS * PAGE_SIZE) {
      kernel.skb.kfree_skb(skb);
      return undefined;
    }
    let used = 0;
    for (; left > 0; used++) {
      const size = Math.min(PAGE_SIZE - offset, left);
      kernel.skb.skb_add_rx_frag(skb, used, (pages[used] + offset) as Gpa, size, PAGE_SIZE);
      left -= size;
      offset = 0;
    }
    this.give_pages(rq, pages.slice(used));
    return skb;
  }
}
