// The visible window of a list with rows of one height and a few thousand rows at most: which rows to render, and where.
import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';

export interface VisibleRows {
  /** For the element that scrolls. */
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** First row to render, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly totalHeight: number;
  readonly onScroll: () => void;
  /** Scrolls as little as needed to show a row. */
  readonly reveal: (row: number) => void;
}

const MARGIN_ROWS = 4;
const FIRST_GUESS = 40;

/** @param rowHeight in CSS pixels; @param head height of a sticky header inside the scroller. */
export function useVisibleRows(count: number, rowHeight: number, head = 0): VisibleRows {
  const scroller = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: FIRST_GUESS });
  const measure = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const from = Math.max(0, Math.floor(element.scrollTop / rowHeight) - MARGIN_ROWS);
    const to = Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + MARGIN_ROWS;
    setRange((old) => (old.from === from && old.to === to ? old : { from, to }));
  }, [rowHeight]);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [measure]);
  const reveal = useCallback(
    (row: number) => {
      const element = scroller.current;
      if (element === null) return;
      const top = row * rowHeight;
      const lowest = top + rowHeight - element.clientHeight + head;
      if (top < element.scrollTop) element.scrollTo({ top });
      else if (lowest > element.scrollTop) element.scrollTo({ top: lowest });
    },
    [rowHeight, head],
  );
  return {
    scroller,
    from: Math.min(range.from, count),
    to: Math.min(range.to, count),
    totalHeight: count * rowHeight,
    onScroll: measure,
    reveal,
  };
}
