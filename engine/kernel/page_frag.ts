// Page references and fragments of pages for packet data (Linux: get_page, put_page, page_frag_alloc, skb_page_frag_refill).
import type { Gpa } from '../base/units.ts';
import { PAGE_SIZE, type PageAllocator } from '../platform/ram.ts';
import type { Kernel } from './kernel.ts';

/** Linux: PAGE_FRAG_CACHE_MAX_ORDER and SKB_FRAG_PAGE_ORDER, 32 KiB */
const FRAG_ORDER = 3;

/** A page being handed out from its start up (Linux: struct page_frag). 0 when it has none. */
export class PageFrag {
  page = 0 as Gpa;
  offset = 0;
  size = 0;
}

/** A page being handed out from its end down (Linux: struct page_frag_cache). */
export class PageFragCache {
  page = 0 as Gpa;
  offset = 0;
}

export class PageFrags {
  private readonly pages: PageAllocator;
  /** By page number: references of the run that starts there; the run's first page; its order. */
  private readonly refs: Int32Array;
  private readonly head: Int32Array;
  private readonly order: Uint8Array;
  /** Page runs alive. */
  live = 0;

  constructor(readonly kernel: Kernel) {
    this.pages = kernel.platform.pages;
    const count = kernel.platform.ram.size / PAGE_SIZE;
    this.refs = new Int32Array(count);
    this.head = new Int32Array(count);
    this.order = new Uint8Array(count);
  }

  /** 2^order pages with one reference; 0 when memory is out. */
  alloc_pages(order: number): Gpa {
    const page = this.pages.alloc_pages(order);
    if (page === 0) return page;
    const first = page / PAGE_SIZE;
    this.refs[first] = 1;
    this.order[first] = order;
    this.head.fill(first, first, first + (1 << order));
    this.live++;
    return page;
  }

  /** One more reference on the page (run) that holds `at`. */
  get_page(at: Gpa): void {
    this.refs[this.head[at >>> 12]]++;
  }

  /** One reference less; the last frees the run. */
  put_page(at: Gpa): void {
    const first = this.head[at >>> 12];
    if (--this.refs[first] > 0) return;
    this.live--;
    this.pages.__free_pages((first * PAGE_SIZE) as Gpa, this.order[first]);
  }

  /** Do both lie in one run, under one count of references? */
  same_page(a: Gpa, b: Gpa): boolean {
    return this.head[a >>> 12] === this.head[b >>> 12];
  }

  page_count(at: Gpa): number {
    return this.refs[this.head[at >>> 12]];
  }

  /** `size` bytes with a reference on their page; 0 when memory is out. Free with put_page (Linux: page_frag_free). */
  page_frag_alloc(nc: PageFragCache, size: number): Gpa {
    let offset = nc.offset - size;
    if (nc.page === 0 || offset < 0) {
      if (nc.page !== 0 && this.page_count(nc.page) > 1) {
        this.put_page(nc.page);
        nc.page = 0 as Gpa;
      }
      if (nc.page === 0) {
        nc.page = this.alloc_pages(FRAG_ORDER);
        if (nc.page === 0) return nc.page;
      }
      offset = (PAGE_SIZE << FRAG_ORDER) - size;
      if (offset < 0) return 0 as Gpa;
    }
    this.get_page(nc.page);
    nc.offset = offset;
    return (nc.page + offset) as Gpa;
  }

  /** Makes sure that `pfrag` has `size` bytes left; false when memory is out. The user takes bytes by moving `offset` and `get_page`. */
  skb_page_frag_refill(size: number, pfrag: PageFrag): boolean {
    if (pfrag.page !== 0) {
      if (this.page_count(pfrag.page) === 1) pfrag.offset = 0;
      if (pfrag.offset + size <= pfrag.size) return true;
      this.put_page(pfrag.page);
    }
    pfrag.offset = 0;
    pfrag.page = this.alloc_pages(FRAG_ORDER);
    pfrag.size = PAGE_SIZE << FRAG_ORDER;
    if (pfrag.page === 0 && size <= PAGE_SIZE) {
      pfrag.page = this.alloc_pages(0);
      pfrag.size = PAGE_SIZE;
    }
    return pfrag.page !== 0;
  }
}
