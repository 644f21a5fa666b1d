// Draws the timeline on its canvas: ruler, track bands, spans, playhead, marked span.
import type { Nanos, Span } from '../../../preload/contract.ts';
import { token } from '../../theme/tokens.ts';
import { formatDuration } from '../../widgets/units.ts';
import { isCable, ticks, timeToX, type Interval, type Lanes } from './timeline_view.ts';

export const RULER = 22;
export const GUTTER = 108;
const TICK_SPACING = 110;

export interface Scene {
  readonly view: Interval;
  readonly lanes: Lanes;
  readonly scroll: number;
  readonly now: Nanos | undefined;
  readonly marked: Span | undefined;
}

export function kindColor(kind: string): string {
  if (kind === 'hardirq') return token('--ctx-hardirq');
  if (kind === 'softirq') return token('--ctx-softirq');
  return kind === 'task' ? token('--ctx-task') : token('--accent');
}

/** width and height in CSS px; the context is already scaled to device px. */
export function drawTimeline(context: CanvasRenderingContext2D, width: number, height: number, scene: Scene): void {
  const plot = width - GUTTER;
  context.clearRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, plot, height);
  context.clip();
  context.translate(GUTTER, 0);
  drawRuler(context, plot, height, scene.view);
  context.beginPath();
  context.rect(0, RULER, plot, height - RULER);
  context.clip();
  drawSpans(context, plot, height, scene);
  context.restore();
  if (scene.now !== undefined) dimLater(context, plot, height, scene.view, scene.now);
  drawNames(context, width, height, scene);
  if (scene.now !== undefined) drawPlayhead(context, plot, height, scene.view, scene.now);
}

/** What lies after the moment shown has not happened there yet. */
function dimLater(context: CanvasRenderingContext2D, width: number, height: number, view: Interval, now: Nanos): void {
  const x = Math.max(0, timeToX(now, view, width));
  if (x >= width) return;
  context.globalAlpha = 0.6;
  context.fillStyle = token('--surface-2');
  context.fillRect(GUTTER + x, RULER + 1, width - x, height - RULER);
  context.globalAlpha = 1;
}

function drawRuler(context: CanvasRenderingContext2D, width: number, height: number, view: Interval): void {
  const { step, times } = ticks(view, width, TICK_SPACING);
  context.font = `11px ${token('--font-mono')}`;
  context.textBaseline = 'middle';
  for (const time of times) {
    const x = Math.round(timeToX(time, view, width)) + 0.5;
    context.fillStyle = token('--line');
    context.fillRect(x - 0.5, RULER - 5, 1, height);
    context.fillStyle = token('--text-3');
    context.fillText(tickText(time, step), x + 4, RULER / 2);
  }
}

/** As precise as neighbouring ticks need. */
function tickText(time: Nanos, step: Nanos): string {
  const [unit, name] = step >= 1e9 ? [1e9, 's'] : step >= 1e6 ? [1e6, 'ms'] : step >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return `${(time / unit).toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).replaceAll(',', ' ')} ${name}`;
}

function drawSpans(context: CanvasRenderingContext2D, width: number, height: number, { view, lanes, scroll, marked }: Scene): void {
  context.font = `11px ${token('--font-ui')}`;
  const onSpan = token('--surface');
  for (const lane of lanes.lanes) {
    const top = RULER + 6 + lane.top - scroll;
    if (top > height || top + lane.height < RULER) continue;
    context.fillStyle = kindColor(lane.kind);
    let drawnTo = -1;
    for (const span of lane.spans) {
      const x = timeToX(span.start, view, width);
      const end = Math.max(x + 1, timeToX(span.end, view, width));
      if (end < 0 || x > width || end <= drawnTo) continue;
      context.fillRect(x, top + 1, end - x, lane.height - 2);
      drawnTo = end;
    }
    context.fillStyle = onSpan;
    for (const span of lane.spans) {
      const from = Math.max(0, timeToX(span.start, view, width));
      const to = Math.min(width, timeToX(span.end, view, width));
      if (to - from > 34) drawLabel(context, span.label, from + 4, top + lane.height / 2, to - from - 8);
    }
    if (marked && marked.track === lane.track && marked.kind === lane.kind) {
      const x = timeToX(marked.start, view, width);
      context.strokeStyle = token('--text');
      context.lineWidth = 1.5;
      context.strokeRect(x - 1, top, Math.max(3, timeToX(marked.end, view, width) - x + 2), lane.height);
    }
  }
}

function drawLabel(context: CanvasRenderingContext2D, label: string, x: number, y: number, room: number): void {
  if (context.measureText(label).width <= room) {
    context.fillText(label, x, y);
    return;
  }
  const fits = Math.floor((label.length * room) / context.measureText(label).width) - 1;
  if (fits > 2) context.fillText(`${label.slice(0, fits)}…`, x, y);
}

function drawNames(context: CanvasRenderingContext2D, width: number, height: number, { lanes, scroll }: Scene): void {
  context.textBaseline = 'middle';
  for (const track of lanes.tracks) {
    const top = RULER + 6 + track.top - scroll;
    if (top > height || top + track.height < RULER) continue;
    context.fillStyle = token('--line');
    context.fillRect(0, top + track.height + 5, width, 1);
    if (top + track.height / 2 < RULER + 4) continue;
    context.fillStyle = token('--text-2');
    context.font = `12px ${token('--font-mono')}`;
    if (!isCable(track.track)) context.fillText(track.track, 12, top + track.height / 2, GUTTER - 20);
    else
      for (const lane of lanes.lanes)
        if (lane.track === track.track) context.fillText(lane.kind, 12, RULER + 6 + lane.top - scroll + lane.height / 2, GUTTER - 20);
  }
  context.fillStyle = token('--line');
  context.fillRect(GUTTER - 1, 0, 1, height);
  context.fillRect(0, RULER, width, 1);
}

function drawPlayhead(context: CanvasRenderingContext2D, width: number, height: number, view: Interval, now: Nanos): void {
  const x = Math.round(timeToX(now, view, width));
  if (x < 0 || x > width) return;
  context.fillStyle = token('--accent');
  context.fillRect(GUTTER + x - 0.5, 0, 1.5, height);
  context.beginPath();
  context.moveTo(GUTTER + x - 5, 0);
  context.lineTo(GUTTER + x + 5.5, 0);
  context.lineTo(GUTTER + x + 0.25, 7);
  context.fill();
}

export function spanText(span: Span): string {
  return `${span.label} · ${span.kind} on ${span.track} · ${formatDuration(span.end - span.start)}`;
}
