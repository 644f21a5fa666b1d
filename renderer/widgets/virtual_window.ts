// Arithmetic of a list of any length in a scroller of limited height. Pure. The list's position is a row number (with fraction), not a
// pixel offset: beyond MAX_HEIGHT the scroll bar is proportional and the wheel still moves row by row.

/** Chromium lays out at most 2^25 device px; at 200 % zoom that is half as many of ours. */
export const MAX_HEIGHT = 8_000_000;

export interface ListGeometry {
  readonly count: number;
  readonly rowHeight: number;
  readonly viewport: number;
}

export function scrollHeight({ count, rowHeight, viewport }: ListGeometry): number {
  return Math.max(viewport, Math.min(count * rowHeight, MAX_HEIGHT));
}

/** The largest first row: with it the last row ends at the lower edge. */
export function maxTop({ count, rowHeight, viewport }: ListGeometry): number {
  return Math.max(0, count - viewport / rowHeight);
}

export function clampTop(top: number, list: ListGeometry): number {
  return Math.max(0, Math.min(top, maxTop(list)));
}

export function topOfScroll(scrollTop: number, list: ListGeometry): number {
  const range = scrollHeight(list) - list.viewport;
  return range <= 0 ? 0 : clampTop((scrollTop / range) * maxTop(list), list);
}

export function scrollOfTop(top: number, list: ListGeometry): number {
  const most = maxTop(list);
  return most === 0 ? 0 : (top / most) * (scrollHeight(list) - list.viewport);
}

/** Rows [from, to) that are at least partly seen. */
export function rowsSeen(top: number, { count, rowHeight, viewport }: ListGeometry): { readonly from: number; readonly to: number } {
  return { from: Math.floor(top), to: Math.min(count, Math.ceil(top + viewport / rowHeight)) };
}

/** The nearest position at which the row is wholly seen. */
export function topShowing(row: number, top: number, list: ListGeometry): number {
  const fits = Math.max(1, list.viewport / list.rowHeight);
  if (row < top) return clampTop(row, list);
  if (row + 1 > top + fits) return clampTop(row + 1 - fits, list);
  return top;
}
