// Where every descriptor and slot is drawn, and which one a pointer is over. Pure geometry in CSS pixels.

export type RingShape = 'circle' | 'strip';

export interface StripLayout {
  readonly shape: 'strip';
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly cell: number;
  readonly left: number;
  /** y of the avail track, of the first row of descriptors, of the used track. */
  readonly availY: number;
  readonly gridY: number;
  readonly usedY: number;
}
export interface CircleLayout {
  readonly shape: 'circle';
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly cx: number;
  readonly cy: number;
  /** Radii: avail track, outer and inner end of the descriptor bars, used track. */
  readonly availR: number;
  readonly outerR: number;
  readonly innerR: number;
  readonly usedR: number;
}
export type RingLayout = StripLayout | CircleLayout;

/** Height of an index track: a row of labels per kind of marker, and the bar. */
export const TRACK = 50;
/** Height of the bar of an index track. */
export const TRACK_BAR = 6;
const CELL_MIN = 9;
const CELL_MAX = 18;
const CIRCLE_MAX = 360;
/** Room beside a strip for markers at its ends. */
const STRIP_MARGIN = 6;
/** Room outside the avail track of a circle for markers. */
const CIRCLE_MARGIN = 16;

function largestPowerOfTwoUpTo(limit: number): number {
  let power = 1;
  while (power * 2 <= limit) power *= 2;
  return power;
}

export function stripLayout(size: number, width: number): StripLayout {
  const room = width - 2 * STRIP_MARGIN;
  const columns = Math.min(size, largestPowerOfTwoUpTo(Math.max(1, Math.floor(room / CELL_MIN))));
  const cell = Math.min(CELL_MAX, room / columns);
  const rows = Math.ceil(size / columns);
  const gridHeight = rows * cell;
  return {
    shape: 'strip',
    size,
    width,
    height: Math.ceil(TRACK * 2 + gridHeight + 8),
    columns,
    cell,
    left: Math.floor((width - columns * cell) / 2),
    availY: 0,
    gridY: TRACK + 4,
    usedY: TRACK + 8 + gridHeight,
  };
}

export function circleLayout(size: number, width: number): CircleLayout {
  const side = Math.min(width, CIRCLE_MAX);
  const availR = side / 2 - CIRCLE_MARGIN;
  return {
    shape: 'circle',
    size,
    width,
    height: side,
    cx: width / 2,
    cy: side / 2,
    availR,
    outerR: availR - 8,
    innerR: availR - 8 - Math.max(16, availR * 0.24),
    usedR: availR - 16 - Math.max(16, availR * 0.24),
  };
}

export function ringLayout(shape: RingShape, size: number, width: number): RingLayout {
  return shape === 'circle' ? circleLayout(size, width) : stripLayout(size, width);
}

/** Centre of a descriptor's cell (strip) or bar (circle). */
export function descriptorCentre(layout: RingLayout, id: number): { readonly x: number; readonly y: number } {
  if (layout.shape === 'strip') {
    const column = id % layout.columns;
    const row = Math.floor(id / layout.columns);
    return { x: layout.left + (column + 0.5) * layout.cell, y: layout.gridY + (row + 0.5) * layout.cell };
  }
  const angle = slotAngle(id + 0.5, layout.size);
  const radius = (layout.outerR + layout.innerR) / 2;
  return { x: layout.cx + Math.cos(angle) * radius, y: layout.cy + Math.sin(angle) * radius };
}

/** Slot 0 starts at twelve o'clock; slots run clockwise. */
export function slotAngle(slot: number, size: number): number {
  return (slot / size) * 2 * Math.PI - Math.PI / 2;
}

/** The descriptor under a point, or undefined beside the table. */
export function descriptorAt(layout: RingLayout, x: number, y: number): number | undefined {
  if (layout.shape === 'strip') {
    const column = Math.floor((x - layout.left) / layout.cell);
    const row = Math.floor((y - layout.gridY) / layout.cell);
    if (column < 0 || column >= layout.columns || row < 0) return undefined;
    const id = row * layout.columns + column;
    return id < layout.size ? id : undefined;
  }
  const dx = x - layout.cx;
  const dy = y - layout.cy;
  const radius = Math.hypot(dx, dy);
  if (radius > layout.outerR + 4 || radius < layout.innerR - 4) return undefined;
  return slotUnder(layout, x, y);
}

/** The slot in whose direction from the centre a point lies. */
function slotUnder({ cx, cy, size }: CircleLayout, x: number, y: number): number {
  const turn = (Math.atan2(y - cy, x - cx) + Math.PI / 2 + 2 * Math.PI) % (2 * Math.PI);
  return Math.min(size - 1, Math.floor((turn / (2 * Math.PI)) * size));
}

/** x of the left edge of a slot on an index track of a strip. */
export function slotX(layout: StripLayout, slot: number): number {
  return layout.left + (slot / layout.size) * layout.columns * layout.cell;
}

export interface SlotRef {
  readonly track: 'avail' | 'used';
  readonly slot: number;
}

/** Pixels beside an index track that still count as on it. */
const TRACK_REACH = 4;

/** The slot of the avail or used ring under a point. */
export function slotAt(layout: RingLayout, x: number, y: number): SlotRef | undefined {
  if (layout.shape === 'strip') {
    const slot = Math.floor(((x - layout.left) / (layout.columns * layout.cell)) * layout.size);
    if (slot < 0 || slot >= layout.size) return undefined;
    const on = (top: number): boolean => y >= top - TRACK_REACH && y < top + TRACK_BAR + TRACK_REACH;
    if (on(layout.availY + TRACK - TRACK_BAR)) return { track: 'avail', slot };
    return on(layout.usedY) ? { track: 'used', slot } : undefined;
  }
  const radius = Math.hypot(x - layout.cx, y - layout.cy);
  const slot = slotUnder(layout, x, y);
  if (Math.abs(radius - layout.availR) <= TRACK_REACH) return { track: 'avail', slot };
  return Math.abs(radius - layout.usedR) <= TRACK_REACH ? { track: 'used', slot } : undefined;
}
