// The page allocator's rules that a board relies on.
import { describe, expect, it } from 'vitest';
import { gpa } from '../base/units.ts';
import { PAGE_SIZE, PageAllocator, Ram } from './ram.ts';

describe('pages that a board reserves', () => {
  it('are never given out, alone or within a run', () => {
    const pages = new PageAllocator(new Ram(64 * PAGE_SIZE));
    pages.reserve(gpa(8 * PAGE_SIZE), gpa(24 * PAGE_SIZE));
    const run = pages.alloc_pages(3);
    expect(run / PAGE_SIZE).toBe(24);
    const single: number[] = [];
    for (let page = pages.alloc_pages(0); page !== 0; page = pages.alloc_pages(0)) single.push(page / PAGE_SIZE);
    expect(single).toEqual([...Array.from({ length: 7 }, (_, i) => 1 + i), ...Array.from({ length: 32 }, (_, i) => 32 + i)]);
    expect(pages.freePages).toBe(0);
  });

  it('are counted once, whoever had them before', () => {
    const pages = new PageAllocator(new Ram(16 * PAGE_SIZE));
    expect(pages.freePages).toBe(15);
    pages.reserve(gpa(0), gpa(4 * PAGE_SIZE));
    pages.reserve(gpa(2 * PAGE_SIZE), gpa(6 * PAGE_SIZE));
    expect(pages.freePages).toBe(10);
  });
});
