// Rules of the timeline.
import { describe, expect, test } from 'vitest';
import type { Span, TraceRow } from '../../../preload/contract.ts';
import { CPU_KINDS, eventAt, follow, layOut, nextSpan, pan, spanAt, ticks, timeToX, zoom } from './timeline_view.ts';

const span = (track: string, kind: string, start: number, end: number): Span => ({ track, kind, label: kind, start, end });

describe('timeline', () => {
  test('zooming keeps the time under the pointer under the pointer', () => {
    const before = { from: 1e6, to: 3e6 };
    const after = zoom(before, 0.5, 1.5e6);
    expect(timeToX(1.5e6, after, 800)).toBeCloseTo(timeToX(1.5e6, before, 800), 6);
    expect(after.to - after.from).toBe(1e6);
  });
  test('nothing before boot is shown, and a view is never narrower than 100 ns', () => {
    expect(pan({ from: 10, to: 1010 }, -0.5)).toEqual({ from: 0, to: 1000 });
    const narrow = zoom({ from: 0, to: 120 }, 0.01, 60);
    expect(narrow.to - narrow.from).toBe(100);
  });
  test('following keeps the width and shows the present', () => {
    const view = follow({ from: 0, to: 1000 }, 50_000);
    expect(view.to - view.from).toBeCloseTo(1000, 6);
    expect(view.from < 50_000 && view.to > 50_000).toBe(true);
  });
  test('ticks are round and far enough apart', () => {
    const { step, times } = ticks({ from: 12_340, to: 98_760 }, 800, 90);
    expect(step).toBe(10_000);
    expect(times).toEqual([20_000, 30_000, 40_000, 50_000, 60_000, 70_000, 80_000, 90_000]);
  });
  test('tracks are in natural order, interrupts above tasks, and a quiet CPU keeps its place', () => {
    const { tracks, lanes } = layOut(
      [span('h1/cpu10', 'task', 0, 1), span('h1/cpu2', 'task', 0, 1), span('h1/cpu2', 'hardirq', 0, 1)],
      [{ track: 'h1/cpu0', kinds: CPU_KINDS }],
    );
    expect(tracks.map((t) => t.track)).toEqual(['h1/cpu0', 'h1/cpu2', 'h1/cpu10']);
    expect(lanes.filter((l) => l.track === 'h1/cpu2').map((l) => l.kind)).toEqual(['hardirq', 'softirq', 'task']);
  });
  test('a cable is a band below the CPUs with a lane for each direction, also while nothing is on it', () => {
    const cable = 'h1:nic0--h2:nic0';
    const { tracks, lanes } = layOut(
      [span(cable, 'h2:nic0 →', 0, 1)],
      [
        { track: cable, kinds: ['h1:nic0 →', 'h2:nic0 →'] },
        { track: 'z9/cpu0', kinds: CPU_KINDS },
      ],
    );
    expect(tracks.map((t) => t.track)).toEqual(['z9/cpu0', cable]);
    expect(lanes.filter((l) => l.track === cable).map((l) => [l.kind, l.spans.length])).toEqual([
      ['h1:nic0 →', 0],
      ['h2:nic0 →', 1],
    ]);
  });
  test('a span too narrow to hit is found within the slack, the nearest first', () => {
    const { lanes } = layOut([span('h1/cpu0', 'task', 100, 101), span('h1/cpu0', 'task', 110, 111)], []);
    const y = (lanes.find((l) => l.kind === 'task')?.top ?? 0) + 2;
    expect(spanAt(lanes, y, 108, 20)?.start).toBe(110);
    expect(spanAt(lanes, y, 150, 20)).toBe(undefined);
  });
  test('the keyboard walks spans in time over all tracks', () => {
    const spans = [span('b', 'task', 5, 6), span('a', 'task', 1, 2), span('a', 'task', 9, 10)];
    const first = nextSpan(spans, undefined, 1, 0);
    expect(first?.start).toBe(1);
    expect(nextSpan(spans, nextSpan(spans, first, 1, 0), 1, 0)?.start).toBe(9);
    expect(nextSpan(spans, first, -1, 0)).toBe(undefined);
  });
  test('a search goes on from a marked span that is not among its finds', () => {
    const finds = [span('a', 'task', 1, 2), span('a', 'task', 9, 10)];
    expect(nextSpan(finds, span('b', 'hardirq', 5, 6), 1, 0)?.start).toBe(9);
    expect(nextSpan(finds, span('b', 'hardirq', 5, 6), -1, 0)?.start).toBe(1);
  });
  test('the event at a time is that of the last record not after it, in few reads', async () => {
    const total = 1_000_000;
    let reads = 0;
    const read = (from: number): Promise<{ total: number; rows: TraceRow[] }> => {
      reads++;
      return Promise.resolve({
        total,
        rows: [{ index: from, time: from * 10, event: from * 2, machine: 'h1', cpu: 0, name: 'x', text: '' }],
      });
    };
    expect(await eventAt(5_000_019, read)).toBe(1_000_002);
    expect(reads).toBeLessThan(25);
    expect(await eventAt(-1, read)).toBe(0);
  });
});
