// What the window pages through: frames and trace records of this line of history, bounded, cut back when history forks.
import type { Drained, TraceRecord } from '../../engine/index.ts';

/** Entries kept of each kind; the oldest go first. */
const KEPT_TRACE = 400_000;
const KEPT_FRAMES = 200_000;

/** An append-only list with a moving start; indices stay valid while the entry is kept. */
export class History<T extends { readonly event: number }> {
  private items: T[] = [];
  /** Index of items[0]. */
  first = 0;
  constructor(private readonly limit: number) {}

  get total(): number {
    return this.first + this.items.length;
  }
  push(item: T): void {
    this.items.push(item);
    if (this.items.length > this.limit * 1.25) {
      const drop = this.items.length - this.limit;
      this.items = this.items.slice(drop);
      this.first += drop;
    }
  }
  get(index: number): T | undefined {
    return this.items[index - this.first];
  }
  /** Number of entries up to and including world event `event`: what is visible when the playhead is there. */
  upTo(event: number): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.items[mid].event <= event) low = mid + 1;
      else high = mid;
    }
    return this.first + low;
  }
  /** Forgets what came after `event`. */
  cut(event: number): void {
    this.items.length = Math.max(0, this.upTo(event) - this.first);
  }
  *between(from: number, to: number): Generator<[number, T]> {
    for (let i = Math.max(from, this.first); i < Math.min(to, this.total); i++) yield [i, this.items[i - this.first]];
  }
}

export interface StoredFrame {
  readonly event: number;
  readonly sent: number;
  readonly arrives: number;
  /** Cable id as of then. */
  readonly cable: string;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  readonly lost: string;
  readonly id: number;
}

export class Stores {
  readonly trace = new History<TraceRecord>(KEPT_TRACE);
  readonly frames = new History<StoredFrame>(KEPT_FRAMES);

  add(d: Drained): void {
    for (const r of d.trace) this.trace.push(r);
    for (const f of d.frames) {
      this.frames.push({
        event: f.event,
        sent: f.sent,
        arrives: f.arrives,
        cable: f.cable,
        from: f.from,
        to: f.to,
        bytes: f.frame.bytes,
        lost: f.lost,
        id: f.frame.id,
      });
    }
  }
  cut(event: number): void {
    this.trace.cut(event);
    this.frames.cut(event);
  }
}
