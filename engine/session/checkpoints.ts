// Forks of the world along a run, dense near the present and sparse in the past: an index for rewinding, never the truth.
import type { World } from '../machine/world.ts';

/** At most this many are kept; memory is bounded by this many copies of the machines' used RAM. */
const KEPT = 24;
const FIRST_INTERVAL = 10_000;

export class Checkpoints {
  private readonly list: World[] = [];
  private interval = FIRST_INTERVAL;

  /** Takes a checkpoint when the last one is far enough behind. */
  offer(world: World): void {
    const at = world.sim.executed;
    if (at - (this.list.at(-1)?.sim.executed ?? 0) < this.interval) return;
    this.list.push(world.fork());
    if (this.list.length > KEPT) this.thin();
  }

  /** The latest checkpoint at or before `event`; undefined: start from the lab. */
  before(event: number): World | undefined {
    return this.list.findLast((w) => w.sim.executed <= event);
  }

  /** Drops those after `event`. */
  forget(event: number): void {
    while ((this.list.at(-1)?.sim.executed ?? 0) > event) this.list.pop();
  }

  private thin(): void {
    for (let i = this.list.length - 2; i >= 0; i -= 2) this.list.splice(i, 1);
    this.interval *= 2;
  }
}
