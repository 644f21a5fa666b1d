// Bytes and their decode, linked both ways: a selected field marks its bytes, a clicked byte selects its field.
import { memo, useCallback, useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import type { DecodeNode } from '../../preload/contract.ts';
import { ancestorsOf, nodeAt, nodeAtByte, parentOf, visibleLines, type DecodeLine, type NodePath } from './decode_tree.ts';
import { useVisibleRows } from './virtual_rows.ts';
import './hex_decode.css';

const BYTES_PER_ROW = 16;
const ROW_HEIGHT = 20;

export interface HexDecodeProps {
  /** Hex digits, two per byte, no separators. */
  readonly bytes: string;
  /** Length of the whole where `bytes` was cut. */
  readonly totalBytes?: number;
  readonly decode: readonly DecodeNode[];
  /** data-testid prefix: `<prefix>-decode`, `<prefix>-hex`, `<prefix>-byte-<offset>`. */
  readonly testId: string;
}

interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export function HexDecode({ bytes, totalBytes, decode, testId }: HexDecodeProps): ReactNode {
  const [open, setOpen] = useState<ReadonlySet<NodePath>>(() => new Set(decode.map((_, i) => String(i))));
  const [selected, setSelected] = useState<NodePath>();
  const [hovered, setHovered] = useState<NodePath>();
  const shownPath = hovered ?? selected;
  const shown = shownPath === undefined ? undefined : nodeAt(decode, shownPath);
  const length = bytes.length / 2;

  const choose = useCallback((path: NodePath) => {
    setSelected(path);
    setOpen((old) => new Set([...old, ...ancestorsOf(path)]));
  }, []);
  const chooseByte = useCallback(
    (offset: number) => {
      const path = nodeAtByte(decode, offset);
      if (path !== undefined) choose(path);
    },
    [decode, choose],
  );
  const toggle = useCallback((path: NodePath, to: boolean) => {
    setOpen((old) => {
      const next = new Set(old);
      if (to) next.add(path);
      else next.delete(path);
      return next;
    });
  }, []);

  return (
    <div className="hexdecode">
      <DecodeTree
        decode={decode}
        open={open}
        selected={selected}
        onSelect={choose}
        onToggle={toggle}
        onHover={setHovered}
        testId={testId}
      />
      <p className="hexdecode-note" aria-live="polite">
        {shown === undefined
          ? 'Select a field to see its bytes, or a byte to see its field.'
          : `${range(shown)}${shown.note === undefined ? '' : ` · ${shown.note}`}`}
      </p>
      <HexRows bytes={bytes} range={shown} onByte={chooseByte} testId={testId} />
      {totalBytes !== undefined && totalBytes > length ? (
        <p className="hexdecode-cut">
          The first {length.toLocaleString('en')} of {totalBytes.toLocaleString('en')} bytes.
        </p>
      ) : undefined}
    </div>
  );
}

function range(node: DecodeNode): string {
  const size = node.end - node.start;
  return size <= 0 ? `at byte ${node.start}` : size === 1 ? `byte ${node.start}` : `bytes ${node.start}–${node.end - 1}, ${size} long`;
}

interface DecodeTreeProps {
  readonly decode: readonly DecodeNode[];
  readonly open: ReadonlySet<NodePath>;
  readonly selected: NodePath | undefined;
  readonly onSelect: (path: NodePath) => void;
  readonly onToggle: (path: NodePath, open: boolean) => void;
  readonly onHover: (path: NodePath | undefined) => void;
  readonly testId: string;
}

function DecodeTree({ decode, open, selected, onSelect, onToggle, onHover, testId }: DecodeTreeProps): ReactNode {
  const lines = useMemo(() => visibleLines(decode, open), [decode, open]);
  const base = useId();
  const tree = useRef<HTMLDivElement>(null);
  const active = selected ?? lines[0]?.path;
  useEffect(() => {
    if (selected !== undefined) tree.current?.querySelector(`[data-path="${selected}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [selected]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const at = lines.findIndex((line) => line.path === active);
    const line = lines[at];
    if (line === undefined) return;
    const go = (to: DecodeLine | undefined): void => {
      if (to !== undefined) onSelect(to.path);
    };
    if (event.key === 'ArrowDown') go(selected === undefined ? line : lines[at + 1]);
    else if (event.key === 'ArrowUp') go(lines[at - 1]);
    else if (event.key === 'Home') go(lines[0]);
    else if (event.key === 'End') go(lines.at(-1));
    else if (event.key === 'ArrowRight') {
      if (line.branch && !line.open) onToggle(line.path, true);
      else if (line.branch) go(lines[at + 1]);
    } else if (event.key === 'ArrowLeft') {
      const parent = parentOf(line.path);
      if (line.open) onToggle(line.path, false);
      else if (parent !== undefined) onSelect(parent);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const onClick = (event: MouseEvent): void => {
    const target = event.target instanceof Element ? event.target : undefined;
    const path = target?.closest<HTMLElement>('[data-path]')?.dataset['path'];
    const line = lines.find((candidate) => candidate.path === path);
    if (line === undefined) return;
    tree.current?.focus();
    if (line.branch && (line.path === selected || target?.closest('.hexdecode-twisty') !== null)) onToggle(line.path, !line.open);
    else onSelect(line.path);
  };

  if (decode.length === 0) return <p className="hexdecode-empty">These bytes do not decode as a packet.</p>;
  return (
    <div
      ref={tree}
      className="hexdecode-tree"
      role="tree"
      aria-label="Decoded fields"
      tabIndex={0}
      aria-activedescendant={active === undefined ? undefined : `${base}-${active}`}
      onKeyDown={onKeyDown}
      onClick={onClick}
      onMouseLeave={() => onHover(undefined)}
      data-testid={`${testId}-decode`}
    >
      {lines.map((line) => (
        <div
          key={line.path}
          id={`${base}-${line.path}`}
          role="treeitem"
          aria-level={line.level}
          aria-selected={line.path === selected}
          aria-expanded={line.branch ? line.open : undefined}
          className="hexdecode-line"
          style={{ paddingInlineStart: `${(line.level - 1) * 16 + 4}px` }}
          data-path={line.path}
          tabIndex={-1}
          onMouseEnter={() => onHover(line.path)}
        >
          <span className="hexdecode-twisty" aria-hidden="true">
            {line.branch ? (line.open ? '▾' : '▸') : ''}
          </span>
          {line.node.label}
        </div>
      ))}
    </div>
  );
}

interface HexRowsProps {
  readonly bytes: string;
  readonly range: ByteRange | undefined;
  readonly onByte: (offset: number) => void;
  readonly testId: string;
}

const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -BYTES_PER_ROW, ArrowDown: BYTES_PER_ROW };

function HexRows({ bytes, range, onByte, testId }: HexRowsProps): ReactNode {
  const length = bytes.length / 2;
  const count = Math.ceil(length / BYTES_PER_ROW);
  const { scroller, from, to, totalHeight, onScroll, reveal } = useVisibleRows(count, ROW_HEIGHT);
  const [cursor, setCursor] = useState(0);
  const base = useId();
  const start = range !== undefined && range.end > range.start && range.start < length ? range.start : undefined;
  useEffect(() => {
    if (start !== undefined) reveal(Math.floor(start / BYTES_PER_ROW));
  }, [start, reveal]);
  const go = (offset: number): void => {
    setCursor(offset);
    onByte(offset);
    reveal(Math.floor(offset / BYTES_PER_ROW));
  };
  const onClick = (event: MouseEvent): void => {
    const offset = event.target instanceof HTMLElement ? event.target.dataset['offset'] : undefined;
    if (offset !== undefined) go(Number(offset));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (step === undefined || cursor + step < 0 || cursor + step >= length) return;
    event.preventDefault();
    event.stopPropagation();
    go(cursor + step);
  };
  const visible = Array.from({ length: to - from }, (_, i) => from + i);
  return (
    <div
      ref={scroller}
      className="hexdecode-hex"
      tabIndex={0}
      role="grid"
      aria-label={`${length} bytes in hexadecimal. Arrow keys walk and select the field.`}
      aria-rowcount={count}
      aria-activedescendant={`${base}-${cursor}`}
      onScroll={onScroll}
      onClick={onClick}
      onKeyDown={onKeyDown}
      data-testid={`${testId}-hex`}
    >
      <div role="rowgroup" style={{ height: totalHeight, position: 'relative' }}>
        {visible.map((row) => {
          const first = row * BYTES_PER_ROW;
          const within = (offset: number): number => Math.min(Math.max(offset - first, 0), BYTES_PER_ROW);
          return (
            <HexRow
              key={row}
              row={row}
              digits={bytes.slice(first * 2, (first + BYTES_PER_ROW) * 2)}
              markFrom={range === undefined ? 0 : within(range.start)}
              markTo={range === undefined ? 0 : within(range.end)}
              cursor={cursor >= first && cursor < first + BYTES_PER_ROW ? cursor - first : undefined}
              base={base}
              testId={testId}
            />
          );
        })}
      </div>
    </div>
  );
}

interface HexRowProps {
  readonly row: number;
  readonly digits: string;
  readonly markFrom: number;
  readonly markTo: number;
  readonly cursor: number | undefined;
  readonly base: string;
  readonly testId: string;
}

const HexRow = memo(function HexRow({ row, digits, markFrom, markTo, cursor, base, testId }: HexRowProps): ReactNode {
  const values = digits.match(/../g) ?? [];
  const first = row * BYTES_PER_ROW;
  const marked = (i: number): string | undefined => (i >= markFrom && i < markTo ? '' : undefined);
  return (
    <div className="hexdecode-row" role="row" aria-rowindex={row + 1} style={{ top: row * ROW_HEIGHT, height: ROW_HEIGHT }}>
      <span className="hexdecode-offset" role="rowheader">
        {first.toString(16).padStart(4, '0')}
      </span>
      <span className="hexdecode-bytes" role="presentation">
        {values.map((value, i) => (
          <span
            key={i}
            id={`${base}-${first + i}`}
            role="gridcell"
            data-offset={first + i}
            data-marked={marked(i)}
            data-cursor={cursor === i ? '' : undefined}
            data-testid={`${testId}-byte-${first + i}`}
          >
            {value}
          </span>
        ))}
      </span>
      <span className="hexdecode-ascii" aria-hidden="true">
        {values.map((value, i) => {
          const code = parseInt(value, 16);
          return (
            <span key={i} data-offset={first + i} data-marked={marked(i)}>
              {code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '·'}
            </span>
          );
        })}
      </span>
    </div>
  );
});
