// The world's clock, stable event queue and named streams of chance. All time, order and chance in the engine come from here.
import { invariant, InvariantError } from '../base/ops.ts';
import type { Duration, Instant } from '../base/units.ts';
import type { Cloner, SelfCloning } from './clone.ts';
import type { SelfHashing } from './hash.ts';
import { RandomStream } from './random.ts';

/** Something an event can happen to. `op` is a small integer private to the target; `arg` is data (a number or a world object). */
export interface Actor {
  onEvent(op: number, arg: unknown): void;
}

/** A scheduled event is data. Keep it only to cancel it. */
export class SimEvent {
  // numbers first: a field that is undefined for a moment is no plain number to the compiler any more
  time = 0.5 as Instant;
  seq = 0;
  op = 0;
  /** Position in the heap, -1 when not queued. */
  pos = -1;
  target: Actor;
  arg: unknown;
  constructor(time: Instant, seq: number, target: Actor, op: number, arg: unknown) {
    this.time = time;
    this.seq = seq;
    this.op = op;
    this.target = target;
    this.arg = arg;
  }
}

const before = (a: SimEvent, b: SimEvent): boolean => a.time < b.time || (a.time === b.time && a.seq < b.seq);

/** Raised by whatever the outside may want to react to before time goes on (a process wrote or exited); lowered by the session. Not state. */
export class Attention implements SelfCloning, SelfHashing {
  raised = false;
  cloneInto(cloner: Cloner): Attention {
    return cloner.register(this, new Attention());
  }
  hashInto(): void {
    // what the outside looks at is not state
  }
}

export class Sim {
  now = 0 as Instant;
  /** Events executed so far. */
  executed = 0;
  readonly attention = new Attention();
  readonly seed: number;
  private nextSeq = 0;
  private nextId = 1;
  private readonly heap: SimEvent[] = [];
  private readonly streams = new Map<string, RandomStream>();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Schedules `target.onEvent(op, arg)` at `time` (not before now). Equal times run in the order of scheduling. */
  at(time: Instant, target: Actor, op: number, arg?: unknown): SimEvent {
    // not `invariant`: its message would be built for every event
    if (!(time >= this.now)) throw new InvariantError(`event scheduled in the past: ${time} < ${this.now}`);
    const event = new SimEvent(time, this.nextSeq++, target, op, arg);
    this.push(event);
    return event;
  }

  after(delay: Duration | number, target: Actor, op: number, arg?: unknown): SimEvent {
    return this.at((this.now + delay) as Instant, target, op, arg);
  }

  /** Removes a queued event; a no-op (false) when it has run or was cancelled. */
  cancel(event: SimEvent | undefined): boolean {
    if (event === undefined || event.pos < 0) return false;
    this.removeAt(event.pos);
    return true;
  }

  get pending(): number {
    return this.heap.length;
  }

  /** A number that nothing else in this world has: the identity of a packet in traces. */
  newId(): number {
    return this.nextId++;
  }

  /** Time of the next event, undefined when nothing is scheduled. */
  peek(): Instant | undefined {
    return this.heap.length > 0 ? this.heap[0].time : undefined;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.heap[0];
    if (event === undefined) return false;
    this.removeAt(0);
    this.now = event.time;
    this.executed++;
    event.target.onEvent(event.op, event.arg);
    return true;
  }

  /** Moves the clock to `time` when no event is due before it (a paced host keeps the clock current between events). */
  advance(time: Instant): void {
    const next = this.peek();
    invariant(next === undefined || next >= time, 'the clock cannot pass an event');
    if (time > this.now) this.now = time;
  }

  /** Takes out all queued events for which `owned` holds (a machine leaving the world), in order. */
  extract(owned: (event: SimEvent) => boolean): SimEvent[] {
    const out = this.queued(owned);
    for (const e of out) this.removeAt(e.pos);
    return out;
  }

  /** Queued events for which `owned` holds, in order; they stay queued. */
  queued(owned: (event: SimEvent) => boolean): SimEvent[] {
    return this.heap.filter(owned).sort((x, y) => (before(x, y) ? -1 : 1));
  }

  /** Puts extracted events back, `shift` later than they were. */
  reinsert(events: readonly SimEvent[], shift: Duration): void {
    for (const e of events) {
      e.time = (e.time + shift) as Instant;
      e.seq = this.nextSeq++;
      this.push(e);
    }
  }

  /** The named random stream; each consumer of chance has its own, derived from the seed. */
  random(name: string): RandomStream {
    let s = this.streams.get(name);
    if (s === undefined) {
      s = new RandomStream(this.seed, name);
      this.streams.set(name, s);
    }
    return s;
  }

  private push(event: SimEvent): void {
    this.heap.push(event);
    this.up(this.heap.length - 1, event);
  }

  private removeAt(pos: number): void {
    const event = this.heap[pos];
    const last = this.heap.pop();
    event.pos = -1;
    if (last === undefined || last === event) return;
    if (pos > 0 && before(last, this.heap[(pos - 1) >> 1])) this.up(pos, last);
    else this.down(pos, last);
  }

  private up(at: number, event: SimEvent): void {
    const heap = this.heap;
    let i = at;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent])) break;
      heap[i] = heap[parent];
      heap[i].pos = i;
      i = parent;
    }
    heap[i] = event;
    event.pos = i;
  }

  private down(at: number, event: SimEvent): void {
    const heap = this.heap;
    const n = heap.length;
    let i = at;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], event)) break;
      heap[i] = heap[child];
      heap[i].pos = i;
      i = child;
    }
    heap[i] = event;
    event.pos = i;
  }
}
