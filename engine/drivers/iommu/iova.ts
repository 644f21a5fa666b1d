// Bus addresses of one IOMMU domain (Linux: drivers/iommu/iova.c): page ranges, given from the top down, small ones kept for the next use.

export const IOVA_PAGE = 4096;
/** Ranges below this many pages are rounded up to a power of two and cached when freed (Linux: IOVA_RANGE_CACHE_MAX_SIZE). */
const CACHED_ORDERS = 6;

export class IovaDomain {
  /** Ranges in use, ascending and apart: first and last page. */
  private readonly first: number[] = [];
  private readonly last: number[] = [];
  /** Freed ranges by order, last freed first. */
  private readonly caches: number[][] = Array.from({ length: CACHED_ORDERS }, () => []);
  /** Below this page the search goes on; freeing above it takes it up again (Linux: cached32_node). */
  private cursor = Number.MAX_SAFE_INTEGER;
  inUse = 0;

  /** Takes a range that is nobody's to give. */
  reserve_iova(first: number, last: number): void {
    if (!this.overlaps(first, last)) this.insert(first, last);
  }

  /** The first page of `pages` aligned ones, none above `limit`; undefined when there are none. */
  alloc_iova_fast(pages: number, limit: number): number | undefined {
    const order = orderOf(pages);
    const size = order < CACHED_ORDERS ? 1 << order : pages;
    if (order < CACHED_ORDERS) {
      const cache = this.caches[order];
      for (let i = cache.length - 1; i >= 0; i--) {
        if (cache[i] + size - 1 > limit) continue;
        const [pfn] = cache.splice(i, 1);
        this.inUse++;
        return pfn;
      }
    }
    const start = Math.min(limit, this.cursor);
    const pfn = this.search(size, start) ?? (start < limit ? this.search(size, limit) : undefined);
    if (pfn === undefined) return undefined;
    this.insert(pfn, pfn + size - 1);
    this.cursor = pfn - 1;
    this.inUse++;
    return pfn;
  }

  free_iova_fast(pfn: number, pages: number): void {
    this.inUse--;
    const order = orderOf(pages);
    if (order < CACHED_ORDERS) this.caches[order].push(pfn);
    else {
      const i = this.first.indexOf(pfn);
      this.first.splice(i, 1);
      this.last.splice(i, 1);
      this.cursor = Math.max(this.cursor, pfn + pages - 1);
    }
  }

  /** The highest gap of `size` pages, aligned to the next power of two, that ends at or below `limit`. */
  private search(size: number, limit: number): number | undefined {
    const align = 1 << orderOf(size);
    let top = limit;
    for (let i = this.index(limit + 1) - 1; ; i--) {
      const bottom = i < 0 ? 0 : this.last[i];
      if (i < 0 || bottom < top) {
        const pfn = Math.floor((top - size + 1) / align) * align;
        if (pfn > bottom) return pfn;
      }
      if (i < 0) return undefined;
      top = Math.min(top, this.first[i] - 1);
    }
  }

  private overlaps(first: number, last: number): boolean {
    const i = this.index(last + 1) - 1;
    return i >= 0 && this.last[i] >= first;
  }

  private insert(first: number, last: number): void {
    const i = this.index(first);
    this.first.splice(i, 0, first);
    this.last.splice(i, 0, last);
  }

  /** How many ranges begin below `page`. */
  private index(page: number): number {
    let low = 0;
    let high = this.first.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.first[middle] < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Pages as a power of two, rounded up (Linux: order_base_2()). */
const orderOf = (pages: number): number => (pages <= 1 ? 0 : 32 - Math.clz32(pages - 1));
