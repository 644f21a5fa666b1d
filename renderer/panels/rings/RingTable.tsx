// The descriptor table of a ring as rows: one accessible row per descriptor, only the visible ones in the page, values written in place.
import { useEffect, useId, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import type { RingInfo } from '../../../preload/contract.ts';
import { OWNER_LOOKS } from '../../theme/owners.ts';
import { useVisibleRows } from '../../widgets/virtual_rows.ts';
import type { RingFeed } from './ring_feed.ts';
import { cursorAfter, type DescriptorRow, descriptorRow, queueTitle } from './rings_view.ts';

const ROW_HEIGHT = 22;
const PAGE = 8;
interface Column {
  readonly key: keyof DescriptorRow;
  readonly title: string;
  readonly note: string;
}
const FIRST: readonly Column[] = [
  { key: 'id', title: '#', note: 'Descriptor, its place in the table' },
  { key: 'owner', title: 'owner', note: 'Who may touch it now' },
  { key: 'addr', title: 'addr', note: 'Buffer address as the device sees it. virtio-v1.2 §2.7.5, §2.8.13' },
  {
    key: 'len',
    title: 'len',
    note: 'Buffer length in bytes; in a used descriptor of a packed ring, bytes written. virtio-v1.2 §2.7.5, §2.8.4',
  },
];
const CHAIN: Column = { key: 'chain', title: 'chain', note: 'The head of the chain it is part of' };
const COLUMNS: Readonly<Record<RingInfo['format'], readonly Column[]>> = {
  split: [
    ...FIRST,
    {
      key: 'flags',
      title: 'flags',
      note: 'NEXT continues, WRITE is for the device to write, INDIRECT points to a table. virtio-v1.2 §2.7.5',
    },
    { key: 'link', title: 'next', note: 'The chain’s next descriptor, valid with NEXT. virtio-v1.2 §2.7.5' },
    CHAIN,
  ],
  e1000e: [
    ...FIRST,
    {
      key: 'flags',
      title: 'status',
      note: 'What the device wrote back (receive), or the command and DD (transmit). 82574L §7.1.5.2, §7.2.12',
    },
    { key: 'link', title: 'kind', note: 'Written back, or which kind of transmit descriptor. 82574L §7.2.10' },
    { ...CHAIN, title: 'packet', note: 'The first descriptor of the packet it is part of' },
  ],
  packed: [
    ...FIRST,
    { key: 'link', title: 'id', note: 'Buffer ID: in the last descriptor of a list, and in a used descriptor. virtio-v1.2 §2.8.13' },
    {
      key: 'flags',
      title: 'flags',
      note: 'AVAIL and USED differ: available; alike: used – as the wrap counter says. NEXT, WRITE, INDIRECT as in a split ring. virtio-v1.2 §2.8.2',
    },
    CHAIN,
  ],
};

interface RingTableProps {
  readonly ring: RingInfo;
  readonly feed: RingFeed;
  readonly opened: number | undefined;
  readonly onOpen: (descriptor: number) => void;
}

export function RingTable({ ring, feed, opened, onOpen }: RingTableProps): ReactNode {
  const body = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<number>();
  const columns = COLUMNS[ring.format];
  const base = useId();
  const rows = useVisibleRows(ring.size, ROW_HEIGHT, ROW_HEIGHT);
  const { scroller, from, to, reveal } = rows;

  useEffect(
    () =>
      feed.onPaint(() => {
        const { latest } = feed;
        if (latest === undefined || body.current === null) return;
        for (const element of body.current.children) {
          if (element instanceof HTMLElement) paintRow(element, columns, descriptorRow(latest, Number(element.dataset['id'])));
        }
      }),
    [feed, from, to, columns],
  );
  useEffect(() => {
    if (opened !== undefined) reveal(opened);
  }, [opened, reveal]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const at = active ?? opened ?? 0;
    if (event.key === 'Enter' || event.key === ' ') onOpen(at);
    else {
      const next =
        event.key === 'ArrowLeft' || event.key === 'ArrowRight'
          ? undefined
          : cursorAfter(event.key, at, ring.size, event.key.startsWith('Page') ? PAGE / 4 : 1);
      if (next === undefined) return;
      setActive(next);
      reveal(next);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const onClick = (event: MouseEvent): void => {
    const id = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-id]')?.dataset['id'] : undefined;
    if (id === undefined) return;
    setActive(Number(id));
    onOpen(Number(id));
  };
  const visible = Array.from({ length: to - from }, (_, i) => from + i);
  return (
    <div
      ref={scroller}
      className="ring-table"
      data-format={ring.format}
      role="grid"
      aria-label={`${queueTitle(ring)}: descriptor table`}
      aria-rowcount={ring.size + 1}
      aria-activedescendant={active !== undefined && active >= from && active < to ? `${base}-${active}` : undefined}
      tabIndex={0}
      onScroll={rows.onScroll}
      onKeyDown={onKeyDown}
      onClick={onClick}
      onFocus={() => setActive((old) => old ?? opened ?? 0)}
      data-testid={`ring-table-${ring.queue}`}
    >
      <div role="row" className="ring-row ring-row-head" aria-rowindex={1}>
        {columns.map((column) => (
          <span key={column.key} role="columnheader" title={column.note} data-column={column.key}>
            {column.title}
          </span>
        ))}
      </div>
      <div ref={body} role="rowgroup" style={{ height: rows.totalHeight, position: 'relative' }}>
        {visible.map((id) => (
          <div
            key={id}
            id={`${base}-${id}`}
            role="row"
            className="ring-row"
            aria-rowindex={id + 2}
            aria-selected={opened === id}
            data-id={id}
            data-active={active === id ? '' : undefined}
            style={{ position: 'absolute', top: id * ROW_HEIGHT, left: 0, right: 0 }}
            data-testid={`ring-desc-${ring.queue}-${id}`}
          >
            {columns.map((column) => (
              <span key={column.key} role="gridcell" data-column={column.key}>
                …
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** Writes a row's cells, touching only those that changed. */
function paintRow(element: HTMLElement, columns: readonly Column[], row: DescriptorRow): void {
  const look = OWNER_LOOKS[row.owner];
  if (element.dataset['owner'] !== row.owner) element.dataset['owner'] = row.owner;
  columns.forEach((column, i) => {
    const cell = element.children[i];
    const text = column.key === 'owner' ? `${look.glyph} ${row.owner}` : String(row[column.key]);
    if (cell !== undefined && cell.textContent !== text) cell.textContent = text;
  });
}
