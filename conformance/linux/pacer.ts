// Drives a simulation by the wall clock: what is due runs, and a timer waits for the next event.
import type { Instant } from '../../engine/base/units.ts';
import type { Sim } from '../../engine/sim/sim.ts';

/** A timer of Node is late by about this much, ns; events nearer than that are waited for by turning round in the event loop. */
const TIMER_GRAIN = 1_500_000;
/** Events run at a stretch before sockets are looked at again. */
const BURST = 2000;

export class Pacer {
  private readonly wallStart = process.hrtime.bigint();
  private readonly simStart: number;
  private timer: NodeJS.Timeout | undefined;
  private soon: NodeJS.Immediate | undefined;
  private stopped = false;
  /** Set when the simulation threw; it does not run on. */
  failure: unknown;

  constructor(private readonly sim: Sim) {
    this.simStart = sim.now;
  }

  /** Runs what is due by now and moves the clock there. */
  catchUp(): void {
    if (this.stopped) return;
    const now = this.simStart + Number(process.hrtime.bigint() - this.wallStart);
    for (let i = 0; i < BURST; i++) {
      const next = this.sim.peek();
      if (next === undefined || next > now) return this.sim.advance(now as Instant);
      this.sim.step();
    }
  }

  /** Catches up, and comes back when the next event is due. Call it after anything that may have scheduled one. */
  run(): void {
    clearTimeout(this.timer);
    clearImmediate(this.soon);
    this.timer = this.soon = undefined;
    if (this.stopped) return;
    try {
      this.catchUp();
    } catch (e) {
      this.failure = e;
      this.stop();
      return;
    }
    const next = this.sim.peek();
    if (next === undefined) return;
    const wait = next - (this.simStart + Number(process.hrtime.bigint() - this.wallStart));
    if (wait < TIMER_GRAIN) this.soon = setImmediate(() => this.run());
    else this.timer = setTimeout(() => this.run(), wait / 1e6);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    clearImmediate(this.soon);
  }
}
