// Byte queue limits: what the limit learns from completions (Linux: lib/dynamic_queue_limits.c).
import { expect, test } from 'vitest';
import type { Instant } from '../base/units.ts';
import { Dql } from './dql.ts';

const at = (ms: number): Instant => (ms * 1e6) as Instant;

test('a queue that starves while more was queued than its limit gets a higher limit', () => {
  const q = new Dql();
  q.reset(at(0));
  q.queued(1514);
  expect(q.avail).toBe(-1514);
  q.completed(1514, at(1));
  expect(q.limit).toBe(1514);
  expect(q.avail).toBe(1514);
  expect(q.inflight).toBe(0);
});

test('the limit shrinks by the slack of a whole hold time, not sooner, and never below its minimum', () => {
  const q = new Dql();
  q.reset(at(0));
  q.queued(100_000);
  q.completed(100_000, at(0));
  const grown = q.limit;
  expect(grown).toBe(100_000);
  // a device that has little to do at a time, and is never empty
  q.queued(3000);
  let now = 0;
  for (; now < 990; now += 10) {
    q.queued(1000);
    q.completed(1000, at(now));
  }
  expect(q.limit).toBe(grown);
  for (; now < 1100; now += 10) {
    q.queued(1000);
    q.completed(1000, at(now));
  }
  expect(q.limit).toBeLessThan(grown);
  q.min_limit = 50_000;
  q.completed(0, at(now));
  expect(q.limit).toBeGreaterThanOrEqual(50_000);
});

test('reset goes back to the minimum and forgets what was in flight', () => {
  const q = new Dql();
  q.queued(5000);
  q.reset(at(5));
  expect([q.inflight, q.limit, q.avail]).toEqual([0, 0, 0]);
});
