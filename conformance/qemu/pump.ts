// Drives a simulation by the wall clock while QEMU's devices answer in real time: interrupts are polled, due events run, sockets get their turn.
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from '../../engine/base/units.ts';
import type { Sim } from '../../engine/sim/sim.ts';

/** Events run at a stretch before interrupts are looked at again. */
const BURST = 200;
/** Rounds without an event after which the processor is left to QEMU for a millisecond. */
const PATIENCE = 40;
/** Simulated seconds per second of a hurry. */
const HURRY = 3;

export class Pump {
  private wallStart = process.hrtime.bigint();
  private simStart: number;
  private pace = 1;
  /** Looks for interrupts; how many there were. */
  poll: () => number = () => 0;

  constructor(private readonly sim: Sim) {
    this.simStart = sim.now;
  }

  /** While `work` goes on, simulated time runs faster: for waits that are our kernel's own, not QEMU's. */
  async hurry<T>(work: () => Promise<T>): Promise<T> {
    this.setPace(HURRY);
    try {
      return await work();
    } finally {
      this.setPace(1);
    }
  }

  /** Runs what is due and moves the clock to now; how many events there were. */
  catchUp(): number {
    const now = this.due();
    for (let n = 0; n < BURST; n++) {
      const next = this.sim.peek();
      if (next === undefined || next > now) {
        this.sim.advance(now as Instant);
        return n;
      }
      this.sim.step();
    }
    return BURST;
  }

  /** Lets time pass until `done` holds; false when it did not within the limit. */
  async until(done: () => boolean, timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    for (let idle = 0; !done();) {
      if (Date.now() > end) return false;
      idle = this.poll() + this.catchUp() > 0 ? 0 : idle + 1;
      await (idle < PATIENCE ? turn() : sleep(1));
    }
    return true;
  }

  async pass(ms: number): Promise<void> {
    const end = Date.now() + ms;
    await this.until(() => Date.now() >= end, ms + 1000);
  }

  private setPace(times: number): void {
    this.simStart = this.due();
    this.wallStart = process.hrtime.bigint();
    this.pace = times;
  }

  private due(): number {
    return Math.max(this.sim.now, this.simStart + Number(process.hrtime.bigint() - this.wallStart) * this.pace);
  }
}
