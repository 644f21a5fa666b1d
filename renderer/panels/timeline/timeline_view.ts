// Timeline arithmetic: visible interval, zoom and pan, ticks, lanes, what is under a point, which event is at a time. Pure.
import type { Nanos, Span, TopologyView, TraceRow } from '../../../preload/contract.ts';

export interface Interval {
  readonly from: Nanos;
  readonly to: Nanos;
}

export interface Lane {
  readonly track: string;
  readonly kind: string;
  readonly top: number;
  readonly height: number;
  readonly spans: readonly Span[]; // by start
}
export interface TrackBox {
  readonly track: string;
  readonly top: number;
  readonly height: number;
}
export interface Lanes {
  readonly tracks: readonly TrackBox[];
  readonly lanes: readonly Lane[];
  readonly height: number;
}

const NARROWEST: Nanos = 100;
const WIDEST: Nanos = 3_600e9;
const LANE_HEIGHT = 14;
const TRACK_GAP = 10;
export const CPU_KINDS: readonly string[] = ['hardirq', 'softirq', 'task'];

/** A track that is shown although no span is in view, with its lanes. */
export interface KnownTrack {
  readonly track: string;
  readonly kinds: readonly string[];
}

/** Each CPU of each machine, each cable in both directions. */
export function knownTracks(topology: TopologyView | undefined): readonly KnownTrack[] {
  const cpus = (topology?.machines ?? []).flatMap((machine) =>
    Array.from({ length: machine.cpus }, (_, cpu) => ({ track: `${machine.name}/cpu${cpu}`, kinds: CPU_KINDS })),
  );
  const cables = (topology?.cables ?? []).map(({ id, a, b }) => ({
    track: id,
    kinds: [a, b].map((end) => `${end.machine}:${end.port} →`),
  }));
  return [...cpus, ...cables];
}

export function isCable(track: string): boolean {
  return track.includes('--');
}

/** Zooms by `factor` (< 1 = closer) so that the time at `at` stays where it is. */
export function zoom({ from, to }: Interval, factor: number, at: Nanos): Interval {
  const span = Math.max(NARROWEST, Math.min(WIDEST, (to - from) * factor));
  const share = (at - from) / (to - from);
  return startAtZero({ from: at - span * share, to: at + span * (1 - share) });
}

/** Moves by a share of what is seen. */
export function pan({ from, to }: Interval, share: number): Interval {
  const by = (to - from) * share;
  return startAtZero({ from: from + by, to: to + by });
}

/** Time before boot is not shown. */
function startAtZero({ from, to }: Interval): Interval {
  return from < 0 ? { from: 0, to: to - from } : { from, to };
}

/** The same width, its right end a little after `now`. */
export function follow({ from, to }: Interval, now: Nanos): Interval {
  const span = to - from;
  return now <= span * 0.95 ? { from: 0, to: span } : { from: now - span * 0.95, to: now + span * 0.05 };
}

export function timeToX(time: Nanos, { from, to }: Interval, width: number): number {
  return ((time - from) / (to - from)) * width;
}
export function xToTime(x: number, { from, to }: Interval, width: number): Nanos {
  return from + (x / width) * (to - from);
}

/** Round times (1, 2 or 5 times a power of ten) at least `spacing` px apart. */
export function ticks(view: Interval, width: number, spacing: number): { readonly step: Nanos; readonly times: readonly Nanos[] } {
  const least = ((view.to - view.from) / width) * spacing;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((candidate) => candidate >= least) ?? 10 * power);
  const times: Nanos[] = [];
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) times.push(time);
  return { step, times };
}

function kindRank(kind: string): number {
  const rank = CPU_KINDS.indexOf(kind);
  return rank < 0 ? CPU_KINDS.length : rank;
}

/** One band per track in natural order, cables below CPUs; in it one lane per kind, interrupts above tasks as they pre-empt them. `known` keeps a track that has no span in view. */
export function layOut(spans: readonly Span[], known: readonly KnownTrack[]): Lanes {
  const byTrack = new Map<string, Map<string, Span[]>>();
  for (const { track, kinds } of known) byTrack.set(track, new Map(kinds.map((kind) => [kind, []])));
  for (const span of spans) {
    const kinds = byTrack.get(span.track) ?? new Map<string, Span[]>(isCable(span.track) ? [] : CPU_KINDS.map((kind) => [kind, []]));
    byTrack.set(span.track, kinds);
    const lane = kinds.get(span.kind) ?? [];
    kinds.set(span.kind, lane);
    lane.push(span);
  }
  const tracks: TrackBox[] = [];
  const lanes: Lane[] = [];
  let top = 0;
  for (const track of [...byTrack.keys()].toSorted(
    (a, b) => Number(isCable(a)) - Number(isCable(b)) || a.localeCompare(b, 'en', { numeric: true }),
  )) {
    const start = top;
    const kinds = byTrack.get(track) ?? new Map<string, Span[]>();
    for (const kind of [...kinds.keys()].toSorted((a, b) => kindRank(a) - kindRank(b))) {
      lanes.push({ track, kind, top, height: LANE_HEIGHT, spans: (kinds.get(kind) ?? []).toSorted((a, b) => a.start - b.start) });
      top += LANE_HEIGHT;
    }
    tracks.push({ track, top: start, height: top - start });
    top += TRACK_GAP;
  }
  return { tracks, lanes, height: Math.max(0, top - TRACK_GAP) };
}

/** The span at a point of the drawing, with `slack` nanoseconds of mercy for spans narrower than a pointer. */
export function spanAt(lanes: readonly Lane[], y: number, time: Nanos, slack: Nanos): Span | undefined {
  const lane = lanes.find((candidate) => y >= candidate.top && y < candidate.top + candidate.height);
  if (!lane) return undefined;
  let best: Span | undefined;
  let distance = slack;
  for (const span of lane.spans) {
    const off = time < span.start ? span.start - time : time > span.end ? time - span.end : 0;
    if (off <= distance) {
      best = span;
      distance = off;
    }
  }
  return best;
}

/** The span after (1) or before (-1) a given one, in time over all tracks; from nothing, the first at or after `time`. */
export function nextSpan(spans: readonly Span[], current: Span | undefined, step: 1 | -1, time: Nanos): Span | undefined {
  const ordered = spans.toSorted((a, b) => a.start - b.start || a.track.localeCompare(b.track, 'en', { numeric: true }));
  const at = ordered.findIndex(
    (span) => current !== undefined && span.start === current.start && span.track === current.track && span.kind === current.kind,
  );
  if (current && at < 0) return nextSpan(spans, undefined, step, step === 1 ? current.start + 1 : current.start);
  if (!current) return step === 1 ? ordered.find((span) => span.start >= time) : ordered.findLast((span) => span.start < time);
  return ordered[at + step];
}

export type TraceReader = (from: number, count: number) => Promise<{ readonly total: number; readonly rows: readonly TraceRow[] }>;

/** The world event of the last trace record at or before `time`, found by halving: about 20 reads in a million records. */
export async function eventAt(time: Nanos, read: TraceReader): Promise<number> {
  const { total, rows } = await read(0, 1);
  if (total === 0 || rows[0].time > time) return 0;
  let known = rows[0];
  let low = 0;
  let high = total;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const answer = await read(middle, 1);
    const row = answer.rows[0];
    if (row !== undefined && row.time <= time) {
      low = middle;
      known = row;
    } else high = middle;
  }
  return known.event;
}
