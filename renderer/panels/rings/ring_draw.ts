// Draws a ring on a canvas, in a packed one both tracks over the same descriptors: avail track, descriptor table, used track; owner by colour and shape.
//
//   strip                         circle, from outside to inside
//   ▼ avail.idx  ▽ fetched        avail track with its markers
//   ━━━━━━━━━━━━━ avail track     one bar per descriptor: its length and place tell the owner
//   ○ ◐ ● ◆ …     descriptors     used track with its markers
//   ━━━━━━━━━━━━━ used track
//   ▲ used.idx   △ reaped
import type { Owner, RingView } from '../../../preload/contract.ts';
import { OWNER_LOOKS } from '../../theme/owners.ts';
import { token } from '../../theme/tokens.ts';
import {
  descriptorCentre,
  slotAngle,
  slotX,
  TRACK,
  TRACK_BAR,
  type CircleLayout,
  type RingLayout,
  type StripLayout,
} from './ring_layout.ts';
import { chainMembers, countOwners, markers, ownerOf, OWNERS, unfetched, unreaped, type Marker, type SlotWindow } from './rings_view.ts';

export interface RingCursor {
  /** The descriptor the keyboard is on. */
  readonly active: number | undefined;
  readonly hovered: number | undefined;
  /** The descriptor whose chain is open beside the ring. */
  readonly opened: number | undefined;
  readonly focused: boolean;
}

const LABEL_ROW = 13;
const LABEL_ROWS: Readonly<Record<Marker['kind'], number>> = { producer: 0, consumer: 1, event: 2 };
const TRACK_WINDOW_COLOR: Readonly<Record<Marker['track'], Owner>> = { avail: 'driver', used: 'used' };
/** From this size on a descriptor of a circle is a glyph, below a bar. */
const GLYPH_ARC = 11;

/** Fits the backing store to the element and clears it; coordinates are CSS pixels afterwards. */
export function prepareCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | undefined {
  const ratio = window.devicePixelRatio || 1;
  const backingWidth = Math.round(width * ratio);
  const backingHeight = Math.round(height * ratio);
  if (canvas.width !== backingWidth || canvas.height !== backingHeight) {
    canvas.width = backingWidth;
    canvas.height = backingHeight;
  }
  const context = canvas.getContext('2d');
  if (context === null) return undefined;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function drawRing(context: CanvasRenderingContext2D, layout: RingLayout, view: RingView, cursor: RingCursor): void {
  if (layout.shape === 'strip') drawStrip(context, layout, view, cursor);
  else drawCircle(context, layout, view, cursor);
}

// ── glyphs ─────────────────────────────────────────────────────────────────────────────────────

/** Adds one owner's glyphs at all given points as a single path, and paints it. */
function paintGlyphs(
  context: CanvasRenderingContext2D,
  owner: Owner,
  points: readonly { readonly x: number; readonly y: number }[],
  radius: number,
): void {
  if (points.length === 0) return;
  const color = token(OWNER_LOOKS[owner].color);
  context.fillStyle = color;
  context.strokeStyle = color;
  context.lineWidth = Math.max(1, radius * 0.3);
  context.beginPath();
  for (const { x, y } of points) {
    if (owner === 'used') {
      const r = radius * 1.15;
      context.moveTo(x, y - r);
      context.lineTo(x + r, y);
      context.lineTo(x, y + r);
      context.lineTo(x - r, y);
      context.closePath();
    } else {
      const r = owner === 'free' ? radius * 0.72 : radius;
      context.moveTo(x + r, y);
      context.arc(x, y, r, 0, 2 * Math.PI);
    }
  }
  if (owner === 'free' || owner === 'driver') context.stroke();
  else context.fill();
  if (owner !== 'driver') return;
  context.beginPath();
  for (const { x, y } of points) {
    context.moveTo(x, y - radius);
    context.arc(x, y, radius, -Math.PI / 2, Math.PI / 2, true);
  }
  context.fill();
}

function groupByOwner(layout: RingLayout, view: RingView): ReadonlyMap<Owner, { readonly x: number; readonly y: number }[]> {
  const groups = new Map<Owner, { readonly x: number; readonly y: number }[]>(OWNERS.map((owner) => [owner, []]));
  for (let id = 0; id < view.size; id++) groups.get(ownerOf(view.owners, id))?.push(descriptorCentre(layout, id));
  return groups;
}

// ── strip ──────────────────────────────────────────────────────────────────────────────────────

function drawStrip(context: CanvasRenderingContext2D, layout: StripLayout, view: RingView, cursor: RingCursor): void {
  const { cell } = layout;
  drawTrack(context, layout, view, 'avail', unfetched(view));
  drawTrack(context, layout, view, 'used', unreaped(view));
  const groups = groupByOwner(layout, view);
  for (const owner of OWNERS) {
    const points = groups.get(owner) ?? [];
    if (owner !== 'free' && points.length > 0) {
      context.fillStyle = token(OWNER_LOOKS[owner].soft);
      context.beginPath();
      for (const { x, y } of points) context.rect(x - cell / 2, y - cell / 2, cell, cell);
      context.fill();
    }
    paintGlyphs(context, owner, points, Math.min(6, cell * 0.34));
  }
  const box = (id: number, inset: number): void => {
    const { x, y } = descriptorCentre(layout, id);
    context.strokeRect(x - cell / 2 + inset, y - cell / 2 + inset, cell - 2 * inset, cell - 2 * inset);
  };
  drawCursor(context, view, cursor, box);
}

/** Outlines: the chain under the pointer or open beside, and the keyboard's descriptor. */
function drawCursor(context: CanvasRenderingContext2D, view: RingView, cursor: RingCursor, box: (id: number, inset: number) => void): void {
  const chain = cursor.hovered ?? cursor.opened;
  if (chain !== undefined && chain < view.size) {
    context.strokeStyle = token('--text-2');
    context.lineWidth = 1;
    for (const id of chainMembers(view.heads, chain)) box(id, 0.5);
  }
  if (cursor.opened !== undefined && cursor.opened < view.size) {
    context.strokeStyle = token('--accent');
    context.lineWidth = 2;
    box(cursor.opened, 0);
  }
  if (cursor.active !== undefined && cursor.focused && cursor.active < view.size) {
    context.strokeStyle = token('--focus');
    context.lineWidth = 2;
    box(cursor.active, -1);
  }
}

function drawTrack(
  context: CanvasRenderingContext2D,
  layout: StripLayout,
  view: RingView,
  track: Marker['track'],
  window: SlotWindow,
): void {
  const above = track === 'avail';
  const barY = above ? layout.availY + TRACK - TRACK_BAR : layout.usedY;
  const left = slotX(layout, 0);
  const right = slotX(layout, layout.size);
  context.fillStyle = token('--surface-3');
  context.fillRect(left, barY, right - left, TRACK_BAR);
  context.fillStyle = token(OWNER_LOOKS[TRACK_WINDOW_COLOR[track]].color);
  const until = window.from + window.count;
  const fill = (from: number, to: number): void => {
    const x = slotX(layout, from);
    context.fillRect(x, barY, Math.max(1, slotX(layout, to) - x), TRACK_BAR);
  };
  if (window.count > 0) fill(window.from, Math.min(until, layout.size));
  if (until > layout.size) fill(0, until - layout.size);
  for (const marker of markers(view)) if (marker.track === track) drawStripMarker(context, layout, marker, barY, above);
}

function drawStripMarker(context: CanvasRenderingContext2D, layout: StripLayout, marker: Marker, barY: number, above: boolean): void {
  const x = slotX(layout, marker.slot);
  const row = LABEL_ROWS[marker.kind];
  const textY = above ? barY - 9 - row * LABEL_ROW : barY + TRACK_BAR + 9 + row * LABEL_ROW;
  const tip = above ? barY - 1 : barY + TRACK_BAR + 1;
  const away = above ? -1 : 1;
  context.strokeStyle = token('--line-strong');
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, tip + away * 5);
  context.lineTo(x, textY);
  context.stroke();
  paintMarker(context, marker.kind, x, tip, above ? Math.PI / 2 : -Math.PI / 2);
  context.font = `11px ${token('--font-ui')}`;
  context.textBaseline = 'middle';
  const text = marker.label;
  const width = context.measureText(text).width;
  const leftSide = x + 6 + width > layout.width;
  context.textAlign = leftSide ? 'right' : 'left';
  context.fillStyle = token('--text-2');
  context.fillText(text, leftSide ? x - 5 : x + 5, textY);
}

/** Producer ▼ filled, consumer ▽ hollow, event a flag; the tip at (x, y), pointing along `angle`. */
function paintMarker(context: CanvasRenderingContext2D, kind: Marker['kind'], x: number, y: number, angle: number): void {
  context.save();
  context.translate(x, y);
  context.rotate(angle);
  context.lineWidth = 1.25;
  context.strokeStyle = token('--text');
  context.fillStyle = kind === 'producer' ? token('--text') : token('--surface');
  context.beginPath();
  if (kind === 'event') {
    context.fillStyle = token('--accent');
    context.strokeStyle = token('--accent');
    context.arc(-12, 0, 2.5, 0, 2 * Math.PI);
  } else {
    context.moveTo(0, 0);
    context.lineTo(-7, -4);
    context.lineTo(-7, 4);
    context.closePath();
  }
  context.fill();
  context.stroke();
  context.restore();
}

// ── circle ─────────────────────────────────────────────────────────────────────────────────────

function drawCircle(context: CanvasRenderingContext2D, layout: CircleLayout, view: RingView, cursor: RingCursor): void {
  drawArcTrack(context, layout, view, 'avail', layout.availR, unfetched(view));
  drawArcTrack(context, layout, view, 'used', layout.usedR, unreaped(view));
  const arc = ((layout.outerR + layout.innerR) * Math.PI) / view.size;
  if (arc >= GLYPH_ARC) {
    const radius = Math.min(8, arc * 0.34);
    for (const [owner, points] of groupByOwner(layout, view)) paintGlyphs(context, owner, points, radius);
  } else {
    paintBars(context, layout, view, Math.max(0.75, arc * 0.68));
  }
  const outline = (id: number, inset: number): void => {
    context.beginPath();
    const from = slotAngle(id, layout.size);
    const to = slotAngle(id + 1, layout.size);
    context.arc(layout.cx, layout.cy, layout.outerR + 2 - inset, from, to);
    context.arc(layout.cx, layout.cy, layout.innerR - 2 + inset, to, from, true);
    context.closePath();
    context.stroke();
  };
  drawCursor(context, view, cursor, outline);
  drawCentre(context, layout, view);
}

/** How far along its bar an owner's mark reaches: free a dot in the middle, driver the inner half, device all, used the outer half. */
const BAR_SPAN: Readonly<Record<Owner, readonly [number, number]>> = {
  free: [0.42, 0.58],
  driver: [0, 0.5],
  device: [0, 1],
  used: [0.5, 1],
};

function paintBars(context: CanvasRenderingContext2D, layout: CircleLayout, view: RingView, width: number): void {
  const length = layout.outerR - layout.innerR;
  for (const owner of OWNERS) {
    const [from, to] = BAR_SPAN[owner];
    context.strokeStyle = token(OWNER_LOOKS[owner].color);
    context.lineWidth = width;
    context.beginPath();
    for (let id = 0; id < view.size; id++) {
      if (ownerOf(view.owners, id) !== owner) continue;
      const angle = slotAngle(id + 0.5, view.size);
      const cos = Math.cos(angle);
      const sin = Math.sin(angle);
      context.moveTo(layout.cx + cos * (layout.innerR + from * length), layout.cy + sin * (layout.innerR + from * length));
      context.lineTo(layout.cx + cos * (layout.innerR + to * length), layout.cy + sin * (layout.innerR + to * length));
    }
    context.stroke();
  }
}

function drawArcTrack(
  context: CanvasRenderingContext2D,
  layout: CircleLayout,
  view: RingView,
  track: Marker['track'],
  radius: number,
  window: SlotWindow,
): void {
  context.lineWidth = 2;
  context.strokeStyle = token('--surface-3');
  context.beginPath();
  context.arc(layout.cx, layout.cy, radius, 0, 2 * Math.PI);
  context.stroke();
  if (window.count > 0) {
    context.lineWidth = 4;
    context.strokeStyle = token(OWNER_LOOKS[TRACK_WINDOW_COLOR[track]].color);
    context.beginPath();
    context.arc(layout.cx, layout.cy, radius, slotAngle(window.from, layout.size), slotAngle(window.from + window.count, layout.size));
    context.stroke();
  }
  const outside = track === 'avail';
  for (const marker of markers(view)) {
    if (marker.track !== track) continue;
    const angle = slotAngle(marker.slot, layout.size);
    const at = outside ? radius + 2 : radius - 2;
    paintMarker(
      context,
      marker.kind,
      layout.cx + Math.cos(angle) * at,
      layout.cy + Math.sin(angle) * at,
      outside ? angle + Math.PI : angle,
    );
  }
}

function drawCentre(context: CanvasRenderingContext2D, layout: CircleLayout, view: RingView): void {
  if (layout.usedR < 56) return;
  const counts = countOwners(view.owners);
  context.textBaseline = 'middle';
  context.font = `12px ${token('--font-mono')}`;
  const lineHeight = 17;
  OWNERS.forEach((owner, i) => {
    const y = layout.cy + (i - 1.5) * lineHeight;
    paintGlyphs(context, owner, [{ x: layout.cx - 36, y }], 4.5);
    context.fillStyle = token('--text-2');
    context.textAlign = 'left';
    context.fillText(owner, layout.cx - 26, y);
    context.fillStyle = token('--text');
    context.textAlign = 'right';
    context.fillText(String(counts[owner]), layout.cx + 46, y);
  });
}
