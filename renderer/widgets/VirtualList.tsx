// A list of up to millions of rows of equal height: only the rows in view exist. A grid to screen readers; arrows, Page, Home, End walk it.
import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
} from 'react';
import { clampTop, maxTop, rowsSeen, scrollHeight, scrollOfTop, topOfScroll, topShowing, type ListGeometry } from './virtual_window.ts';
import './VirtualList.css';

export interface Column {
  readonly id: string;
  readonly title: string;
  /** CSS grid track: '80px', 'minmax(120px, 1fr)'. */
  readonly width: string;
  readonly align?: 'end';
  /** Shown only in a list at least this wide, px: columns that can be spared give way to the others. */
  readonly leastList?: number;
}

export interface VirtualListHandle {
  showRow(index: number): void;
  showEnd(): void;
}

interface VirtualListProps {
  readonly label: string;
  readonly idPrefix: string; // rows have the id and data-testid `${idPrefix}-row-<index>`
  readonly columns: readonly Column[];
  readonly count: number;
  readonly rowHeight?: number;
  /** Cells of a row in column order, or undefined while it is not there yet. */
  readonly cells: (index: number) => readonly string[] | undefined;
  readonly rowClass?: (index: number) => string | undefined;
  /** A stable number to name the row by in test ids, when the list is filtered. */
  readonly rowName?: (index: number) => number | undefined;
  readonly selected: number | undefined;
  readonly onSelect: (index: number) => void;
  readonly onOpen?: (index: number) => void;
  /** A single click opens too; the keyboard still walks first and opens with Enter. */
  readonly clickOpens?: boolean;
  /** Called with the rows in view whenever they change. */
  readonly onSeen: (from: number, to: number) => void;
  /** Stay at the end as rows arrive; scrolling up ends it, reaching the end starts it. */
  readonly follow: boolean;
  readonly onFollow: (follow: boolean) => void;
  readonly empty: ReactNode;
  readonly handle?: Ref<VirtualListHandle>;
}

const HEAD_HEIGHT = 24; // as in the css

export function VirtualList(props: VirtualListProps) {
  const {
    label,
    idPrefix,
    columns: allColumns,
    count,
    rowHeight = 22,
    cells,
    rowClass,
    rowName,
    selected,
    onSelect,
    onOpen,
    clickOpens = false,
    onSeen,
    follow,
    onFollow,
    empty,
    handle,
  } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [viewport, setViewport] = useState(200);
  const [listWidth, setListWidth] = useState(Infinity);
  const [top, setTop] = useState(0);
  const list: ListGeometry = { count, rowHeight, viewport };
  const shownTop = follow ? maxTop(list) : clampTop(top, list);
  if (follow && top !== shownTop) setTop(shownTop); // where following ends, the list stays
  const { from, to } = rowsSeen(shownTop, list);

  const moveTo = useCallback(
    (next: number) => {
      setTop(clampTop(next, { count, rowHeight, viewport }));
      onFollow(count > 0 && next >= maxTop({ count, rowHeight, viewport }) - 0.01);
    },
    [count, rowHeight, viewport, onFollow],
  );

  useImperativeHandle(handle, () => ({
    showRow: (index) => {
      onFollow(false);
      setTop(topShowing(index, shownTop, list));
    },
    showEnd: () => onFollow(true),
  }));

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const measure = (): void => {
      setViewport(element.clientHeight - HEAD_HEIGHT);
      if (element.clientWidth > 0) setListWidth(element.clientWidth);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    const wanted = scrollOfTop(shownTop, { count, rowHeight, viewport });
    if (element && Math.abs(element.scrollTop - wanted) > 1) element.scrollTop = wanted;
  }, [shownTop, count, rowHeight, viewport]);

  useEffect(() => onSeen(from, to), [from, to, onSeen]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const onWheel = (event: WheelEvent): void => {
      if (event.ctrlKey || event.shiftKey || event.deltaY === 0) return;
      event.preventDefault();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * rowHeight : event.deltaY;
      moveTo(shownTop + pixels / rowHeight);
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [moveTo, shownTop, rowHeight]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    const wanted = scrollOfTop(shownTop, list);
    if (Math.abs(element.scrollTop - wanted) > 1.5) moveTo(topOfScroll(element.scrollTop, list));
  };

  const copySelected = (): void => {
    const text = selected === undefined ? undefined : cells(selected)?.join('\t');
    if (text !== undefined) navigator.clipboard.writeText(text).catch(() => undefined);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'c') copySelected();
    if (event.ctrlKey || event.altKey || event.metaKey || count === 0) return;
    const page = Math.max(1, Math.floor(viewport / rowHeight) - 1);
    const at = selected ?? -1;
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: count - 1,
    };
    if (event.key === 'Enter' && selected !== undefined) {
      event.preventDefault();
      onOpen?.(selected);
      return;
    }
    const target = moves[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const row = Math.max(0, Math.min(count - 1, target));
    onSelect(row);
    moveTo(topShowing(row, shownTop, list));
  };

  const rowId = (index: number): string => `${idPrefix}-row-${rowName?.(index) ?? index}`;
  const shown = [...allColumns.entries()].filter(([, column]) => listWidth >= (column.leastList ?? 0));
  const columns = shown.map(([, column]) => column);
  const template = columns.map((column) => column.width).join(' ');
  const indices = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

  return (
    <div
      className="vlist"
      role="grid"
      aria-label={label}
      aria-rowcount={count + 1}
      aria-colcount={columns.length}
      aria-activedescendant={selected !== undefined && selected >= from && selected < to ? rowId(selected) : undefined}
      tabIndex={0}
      ref={scroller}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      style={{ '--columns': template, '--row-height': `${rowHeight}px`, '--least-width': `${leastWidth(columns)}px` }}
    >
      <div className="vlist-head" role="rowgroup">
        <div role="row" aria-rowindex={1}>
          {columns.map((column) => (
            <span key={column.id} role="columnheader" className={column.align === 'end' ? 'end' : undefined}>
              {column.title}
            </span>
          ))}
        </div>
      </div>
      <div className="vlist-height" role="rowgroup" style={{ height: scrollHeight(list) }}>
        <div className="vlist-rows" role="presentation" style={{ transform: `translateY(${-(shownTop - from) * rowHeight}px)` }}>
          {indices.map((index) => {
            const content = cells(index);
            return (
              // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the grid handles keys for its rows
              <div
                key={index}
                id={rowId(index)}
                data-testid={rowId(index)}
                role="row"
                aria-rowindex={index + 2}
                aria-selected={index === selected}
                className={`vlist-row ${rowClass?.(index) ?? ''}`}
                onClick={() => {
                  onSelect(index);
                  if (clickOpens) onOpen?.(index);
                }}
                onDoubleClick={() => onOpen?.(index)}
              >
                {shown.map(([i, column], place) => (
                  <span key={column.id} role="gridcell" className={column.align === 'end' ? 'end' : undefined} title={content?.[i]}>
                    {content?.[i] ?? (place === 0 && !content ? '…' : '')}
                  </span>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {count === 0 && <div className="vlist-empty empty">{empty}</div>}
    </div>
  );
}

/** Sum of the columns' least widths, the first px number of each track. */
function leastWidth(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + Number(/(\d+)px/.exec(column.width)?.[1] ?? 0), 0);
}
