// Rules of the automatic choice of queues.
import { describe, expect, it } from 'vitest';
import { nextActivity, type Activity } from './queue_activity.ts';

/** Two pairs and a control queue: rx0 tx0 rx1 tx1 ctrl. */
const read = (...readings: readonly (readonly number[])[]): Activity =>
  readings.reduce<Activity | undefined>((before, taken) => nextActivity(before, taken), undefined) ?? nextActivity(undefined, []);

describe('the automatic choice', () => {
  it('starts with pair 0 where nothing has moved', () => {
    expect(read([0, 0, 0, 0, 0]).busiest).toEqual([0, 1]);
  });
  it('follows each direction by itself: a request on tx 0 whose reply comes on rx 1', () => {
    expect(read([0, 0, 0, 0, 0], [0, 1, 1, 0, 0]).busiest).toEqual([2, 1]);
  });
  it('finds the busier queue in a NIC that is looked at for the first time', () => {
    expect(read([1, 0, 30, 8, 2]).busiest).toEqual([2, 3]);
  });
  it('stays with its queue while both are equally busy', () => {
    const readings = Array.from({ length: 20 }, (_, i) => [i, i, i, i, 0]);
    expect(read(...readings).busiest).toEqual([0, 1]);
  });
  it('lets one stray packet on another queue pass, and moves when the traffic has moved', () => {
    const busy = Array.from({ length: 10 }, (_, i) => [8 * i, 0, 0, 0, 0]);
    expect(read(...busy, [72, 0, 1, 0, 0]).busiest[0]).toBe(0);
    expect(read(...busy, ...Array.from({ length: 6 }, (_, i) => [72, 0, i + 1, 0, 0])).busiest[0]).toBe(2);
  });
  it('never shows the control queue, and none for a NIC without virtqueues', () => {
    expect(read([0, 0, 0, 0, 0], [0, 0, 0, 0, 500]).busiest).toEqual([0, 1]);
    expect(read([]).busiest).toEqual([]);
  });
  it('counts a step back as movement too', () => {
    expect(read([5, 5, 0, 0, 0], [5, 4, 0, 0, 0]).moved).toEqual([1]);
  });
});
