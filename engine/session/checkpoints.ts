// Forks of the world along a run, dense near the present and sparse in the past: an index for rewinding, never the truth.
import type { World } from '../machine/world.ts';

/** At most this many are kept; memory is bounded by this many copies of the machines' used RAM. */
const KEPT = 24;
const FIRST_INTERVAL = 2_000;

export class Checkpoints {
  private readonly list: World[];
  private interval = FIRST_INTERVAL;

  constructor(initial: World) {
    this.list = [initial];
  }

  /** Takes a checkpoint when the last one is far enough behind. */
  offer(world: World): void {
    const at = world.sim.executed;
    if (at - this.list[this.list.length - 1].sim.executed < this.interval) return;
    this.list.push(world.fork());
    if (this.list.length > KEPT) this.thin();
  }

  /** The latest checkpoint at or before `event`. */
  before(event: number): World {
    for (let i = this.list.length - 1; i > 0; i--) if (this.list[i].sim.executed <= event) return this.list[i];
    return this.list[0];
  }

  /** Drops those after `event`. */
  forget(event: number): void {
    while (this.list.length > 1 && this.list[this.list.length - 1].sim.executed > event) this.list.pop();
  }

  private thin(): void {
    for (let i = this.list.length - 2; i > 0; i -= 2) this.list.splice(i, 1);
    this.interval *= 2;
  }
}
