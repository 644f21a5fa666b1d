// Rules of the long list's arithmetic.
import { describe, expect, test } from 'vitest';
import { MAX_HEIGHT, clampTop, maxTop, rowsSeen, scrollHeight, scrollOfTop, topOfScroll, topShowing } from './virtual_window.ts';

const million = { count: 1_000_000, rowHeight: 22, viewport: 440 };

describe('virtual list', () => {
  test('a million rows stay below the height a browser can lay out, and both ends are reached', () => {
    expect(scrollHeight(million)).toBe(MAX_HEIGHT);
    expect(topOfScroll(0, million)).toBe(0);
    expect(rowsSeen(topOfScroll(MAX_HEIGHT - 440, million), million)).toEqual({ from: 999_980, to: 1_000_000 });
  });
  test('scroll position and row position convert both ways', () => {
    for (const top of [0, 1, 12_345.5, maxTop(million)]) expect(topOfScroll(scrollOfTop(top, million), million)).toBeCloseTo(top, 3);
  });
  test('a short list does not scroll', () => {
    const short = { count: 3, rowHeight: 22, viewport: 440 };
    expect([scrollHeight(short), maxTop(short), clampTop(5, short)]).toEqual([440, 0, 0]);
    expect(rowsSeen(0, short)).toEqual({ from: 0, to: 3 });
  });
  test('showing a row moves only as far as needed', () => {
    expect(topShowing(105, 100, million)).toBe(100);
    expect(topShowing(99, 100, million)).toBe(99);
    expect(topShowing(120, 100, million)).toBe(101);
  });
});
