// A machine's RAM: one ArrayBuffer, pages handed out lowest first, so that clone and hash touch only what was ever allocated.
import { ByteMem } from '../base/memory.ts';
import { InvariantError } from '../base/ops.ts';
import type { Gpa } from '../base/units.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { FaultSet } from '../sim/faults.ts';
import type { Hasher, SelfHashing } from '../sim/hash.ts';

export const PAGE_SIZE = 4096;
const PAGE_SHIFT = 12;

export class Ram extends ByteMem implements SelfCloning, SelfHashing {
  readonly size: number;
  /** Bytes from 0 that may be non-zero. */
  private touched = 0;

  /** `bytes` is only for a subclass whose bytes lie elsewhere. */
  constructor(size: number, bytes = new Uint8Array(size)) {
    super(bytes);
    this.size = size;
  }

  /** Declares that [0, end) may hold data; the page allocator calls it. */
  touch(end: number): void {
    if (end > this.touched) this.touched = end;
  }

  fill(at: Gpa, value: number, length: number): void {
    this.bytes.fill(value, at, at + length);
  }

  copy(to: Gpa, from: Gpa, length: number): void {
    this.bytes.copyWithin(to, from, from + length);
  }

  cloneInto(cloner: Cloner): Ram {
    const copy = cloner.register(this, new Ram(this.size));
    copy.touched = this.touched;
    copy.bytes.set(this.bytes.subarray(0, this.touched));
    return copy;
  }

  hashInto(hasher: Hasher): void {
    hasher.word(this.size);
    hasher.bytes(this.bytes, 0, this.touched);
  }
}

/** Page allocator: power-of-two runs of pages, lowest address first (Linux: alloc_pages()). Page 0 is never given out. */
export class PageAllocator {
  private readonly used: Uint8Array;
  private hint = 1;
  freePages: number;
  /** Fails the Nth next allocation when > 0 (fault injection); counts down. */
  failAfter = 0;
  faults: FaultSet | undefined;
  constructor(private readonly ram: Ram) {
    this.used = new Uint8Array(ram.size >> PAGE_SHIFT);
    this.used[0] = 1;
    this.freePages = this.used.length - 1;
  }

  /** [from, end) is no memory on this board, or somebody else's: it is never given out. */
  reserve(from: Gpa, end: Gpa): void {
    for (let i = from >> PAGE_SHIFT; i < end >> PAGE_SHIFT; i++) {
      if (this.used[i] === 0) this.freePages--;
      this.used[i] = 1;
    }
  }

  /** 2^order contiguous, naturally aligned pages; 0 when there are none. Contents are undefined. */
  alloc_pages(order: number): Gpa {
    if (this.failAfter > 0 && --this.failAfter === 0) return 0 as Gpa;
    if (this.faults?.strike('page-alloc-fail', -1, `alloc_pages order ${order}`) !== undefined) return 0 as Gpa;
    const run = 1 << order;
    const used = this.used;
    let i = Math.ceil(this.hint / run) * run;
    for (; i + run <= used.length; i += run) {
      let k = 0;
      while (k < run && used[i + k] === 0) k++;
      if (k === run) {
        used.fill(1, i, i + run);
        this.freePages -= run;
        if (i === this.hint || run === 1) this.hint = i + run;
        this.ram.touch((i + run) << PAGE_SHIFT);
        return (i << PAGE_SHIFT) as Gpa;
      }
    }
    return 0 as Gpa;
  }

  __free_pages(page: Gpa, order: number): void {
    const first = page >> PAGE_SHIFT;
    const run = 1 << order;
    for (let i = first; i < first + run; i++) {
      if (this.used[i] !== 1) throw new InvariantError(`page ${i} freed twice`);
      this.used[i] = 0;
    }
    this.freePages += run;
    if (first < this.hint) this.hint = Math.max(1, first);
  }
}

/** kmalloc: power-of-two size classes from 32 bytes to half a page, carved from pages; larger requests take whole page runs. */
export class Slab {
  /** Free objects per class, last freed first. */
  private readonly free: number[][] = [];
  /** Size class of each page handed to the slab: log2 of the object size, or 128 + order for a page run. */
  private readonly classOf: Uint8Array;
  inUse = 0;
  constructor(
    private readonly pages: PageAllocator,
    ram: Ram,
  ) {
    this.classOf = new Uint8Array(ram.size >> PAGE_SHIFT);
    for (let i = 0; i < 12; i++) this.free.push([]);
  }

  /** At least `size` bytes, 0 when memory is out. Use `ksize` for what was really given. */
  kmalloc(size: number): Gpa {
    const shift = Math.max(5, 32 - Math.clz32(Math.max(1, size) - 1));
    if (shift >= PAGE_SHIFT) {
      const order = shift - PAGE_SHIFT;
      const page = this.pages.alloc_pages(order);
      if (page !== 0) {
        this.classOf[page >> PAGE_SHIFT] = 128 + order;
        this.inUse++;
      }
      return page;
    }
    const list = this.free[shift];
    let object = list.pop();
    if (object === undefined) {
      const page = this.pages.alloc_pages(0);
      if (page === 0) return page;
      this.classOf[page >> PAGE_SHIFT] = shift;
      for (let at = PAGE_SIZE - (1 << shift); at > 0; at -= 1 << shift) list.push(page + at);
      object = page;
    }
    this.inUse++;
    return object as Gpa;
  }

  /** Pages that hold small objects, in use or not: they are kept. */
  get pagesKept(): number {
    return this.classOf.reduce((n, c) => n + (c > 0 && c < PAGE_SHIFT ? 1 : 0), 0);
  }

  ksize(object: Gpa): number {
    const c = this.classOf[object >> PAGE_SHIFT];
    return c >= 128 ? PAGE_SIZE << (c - 128) : 1 << c;
  }

  kfree(object: Gpa): void {
    if (object === 0) return;
    const c = this.classOf[object >> PAGE_SHIFT];
    this.inUse--;
    if (c >= 128) this.pages.__free_pages(object, c - 128);
    else this.free[c].push(object);
  }
}
