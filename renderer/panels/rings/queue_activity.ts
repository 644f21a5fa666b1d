// Which queues of a NIC the traffic uses, from how many chains the device has taken of each: what the automatic choice shows. Pure.

export interface Activity {
  /** Chains taken so far, by virtqueue index. */
  readonly taken: readonly number[];
  /** Recent movement: halves whenever a queue of the same direction moves. */
  readonly scores: readonly number[];
  /** Virtqueue indexes that moved between the last two readings. */
  readonly moved: readonly number[];
  /** The busiest receive queue and the busiest transmit queue; empty for a NIC without virtqueues. */
  readonly busiest: readonly number[];
}

/** A burst counts as much as this many packets: a queue that had a million of them is overtaken as soon as one that had ten. */
const BURST = 8;
/** How much busier another queue must be before it takes the place of the one shown. */
const LEAD = 2;

/** The next reading. virtio-v1.2 §5.1.2: receive queues are even, transmit queues odd, the last is the control queue. */
export function nextActivity(before: Activity | undefined, taken: readonly number[]): Activity {
  const old = before?.taken.length === taken.length ? before : undefined;
  const change = taken.map((count, queue) => Math.min(BURST, Math.abs(count - (old?.taken[queue] ?? 0))));
  const data = taken.map((_, queue) => queue).slice(0, taken.length - (taken.length % 2));
  const scores = taken.map(() => 0);
  const busiest: number[] = [];
  for (const direction of [0, 1]) {
    const queues = data.filter((queue) => queue % 2 === direction);
    const still = queues.every((queue) => change[queue] === 0);
    for (const queue of queues) scores[queue] = still ? (old?.scores[queue] ?? 0) : (old?.scores[queue] ?? 0) / 2 + change[queue];
    const shown = old?.busiest.find((queue) => queue % 2 === direction) ?? queues[0];
    if (shown === undefined) continue;
    const best = queues.reduce((a, b) => (scores[b] > scores[a] ? b : a), shown);
    busiest.push(scores[best] > LEAD * scores[shown] ? best : shown);
  }
  return { taken, scores, busiest, moved: old === undefined ? [] : data.filter((queue) => change[queue] > 0) };
}

export function sameQueues(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((queue, i) => queue === b[i]);
}
