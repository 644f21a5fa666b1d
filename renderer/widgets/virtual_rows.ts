// The visible window of a long list with rows of one height: which rows to render, and where.
import { useCallback, useLayoutEffect, useState, type RefObject } from 'react';

export interface VisibleRows {
  /** First row to render, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly totalHeight: number;
  readonly onScroll: () => void;
  /** Scrolls as little as needed to show a row. */
  readonly reveal: (row: number) => void;
}

const MARGIN_ROWS = 4;

/** @param scroller the element that scrolls; @param rowHeight in CSS pixels; @param head height of a sticky header inside it. */
export function useVisibleRows(scroller: RefObject<HTMLElement | null>, count: number, rowHeight: number, head = 0): VisibleRows {
  const [range, setRange] = useState({ from: 0, to: 40 });
  const measure = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const from = Math.max(0, Math.floor(element.scrollTop / rowHeight) - MARGIN_ROWS);
    const to = Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + MARGIN_ROWS;
    setRange((old) => (old.from === from && old.to === to ? old : { from, to }));
  }, [scroller, rowHeight]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller, measure, count]);
  const reveal = useCallback(
    (row: number) => {
      const element = scroller.current;
      if (element === null) return;
      const top = row * rowHeight;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + rowHeight > element.scrollTop + element.clientHeight - head)
        element.scrollTop = top + rowHeight - element.clientHeight + head;
      measure();
    },
    [scroller, rowHeight, head, measure],
  );
  return { from: Math.min(range.from, count), to: Math.min(range.to, count), totalHeight: count * rowHeight, onScroll: measure, reveal };
}
