// Bus addresses of a domain: from the top, aligned, never twice at once.
import { expect, test } from 'vitest';
import { IovaDomain } from './iova.ts';

const LIMIT = 0xfffff;

test('ranges come from the top down, aligned to their size rounded up to a power of two, around what is reserved', () => {
  const d = new IovaDomain();
  d.reserve_iova(0xfee00, 0xfeeff);
  d.reserve_iova(0xc0000, 0xfebff);
  expect([d.alloc_iova_fast(1, LIMIT), d.alloc_iova_fast(1, LIMIT), d.alloc_iova_fast(3, LIMIT)]).toEqual([0xfffff, 0xffffe, 0xffff8]);
  // more than the rest above the reserved windows: below them
  expect(d.alloc_iova_fast(0x1000, LIMIT)).toBe(0xbf000);
  expect(d.alloc_iova_fast(1, 0xfff)).toBe(0xfff);
});

test('a freed small range is the next of its size, a large one is searched for again', () => {
  const d = new IovaDomain();
  const [a, b, c] = [d.alloc_iova_fast(2, LIMIT)!, d.alloc_iova_fast(2, LIMIT)!, d.alloc_iova_fast(64, LIMIT)!];
  d.free_iova_fast(a, 2);
  d.free_iova_fast(b, 2);
  d.free_iova_fast(c, 64);
  expect([d.alloc_iova_fast(2, LIMIT), d.alloc_iova_fast(2, LIMIT), d.alloc_iova_fast(64, LIMIT)]).toEqual([b, a, c]);
});

test('whatever is asked for and freed in whatever order, ranges in use never overlap and stay below the limit', () => {
  const d = new IovaDomain();
  d.reserve_iova(0, 0);
  d.reserve_iova(100, 140);
  const inUse: [number, number][] = [];
  let seed = 7;
  const next = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  for (let i = 0; i < 2000; i++) {
    if (inUse.length > 0 && next(5) < 2) {
      const [[pfn, pages]] = inUse.splice(next(inUse.length), 1);
      d.free_iova_fast(pfn, pages);
      continue;
    }
    const pages = 1 + next(70);
    const pfn = d.alloc_iova_fast(pages, 2000);
    if (pfn === undefined) continue;
    expect(pfn + pages - 1).toBeLessThanOrEqual(2000);
    expect(pfn > 140 || pfn + pages <= 100).toBe(true);
    expect(inUse.every(([at, n]) => pfn + pages <= at || at + n <= pfn)).toBe(true);
    inUse.push([pfn, pages]);
  }
  expect(d.inUse).toBe(inUse.length);
});
