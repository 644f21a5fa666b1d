// Moves simulated time along with the wall clock at a chosen speed, in short turns, so that nothing waits for the engine.
import { instant } from '../../engine/index.ts';
import type { Runtime } from './runtime.ts';

/** Wall milliseconds of engine work per turn. */
const BUDGET = 10;
/** Events between looks at the clock. */
const SLICE = 2_000;

export class Pacer {
  mode: 'running' | 'paused' = 'paused';
  /** Simulated seconds per wall second; 0 = as fast as possible. */
  speed = 1;
  reached = 0;
  private anchorWall = 0;
  private anchorSim = 0;
  private timer: NodeJS.Timeout | undefined;
  private turning = false;
  private measureWall = 0;
  private measureSim = 0;
  private stopped = false;
  /** Time shown while paused, when it lies after the last event; gone once the session moves. */
  private pausedAt: { readonly event: number; readonly time: number } | undefined;
  /** Asked between slices; true pauses (run until …). */
  stopWhen: (() => boolean) | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly wall: () => number,
    /** The run met a defect of ours: it stops and the person is told. */
    private readonly failed: (error: unknown) => void,
  ) {
    runtime.clock = () => this.now();
  }

  /** Simulated time as a person at the window sees it. */
  now(): number {
    const { session } = this.runtime;
    if (this.mode === 'paused') return this.pausedAt?.event === session.event ? Math.max(this.pausedAt.time, session.time) : session.time;
    if (this.speed === 0) return session.time;
    const target = this.anchorSim + (this.wall() - this.anchorWall) * this.speed * 1e6;
    // never past an event that has not run
    return Math.max(session.time, Math.min(target, session.nextTime() ?? Infinity));
  }

  start(speed = this.speed): void {
    this.speed = speed;
    this.mode = 'running';
    this.anchor();
    this.schedule(0);
  }
  pause(): void {
    if (this.mode === 'running') this.pausedAt = { event: this.runtime.session.event, time: this.now() };
    this.mode = 'paused';
    this.stopWhen = undefined;
    this.reached = 0;
    clearTimeout(this.timer);
  }
  close(): void {
    this.stopped = true;
    this.pause();
    this.runtime.clock = undefined;
  }

  /** The session moved by other means (step, rewind, edit). */
  anchor(): void {
    this.anchorWall = this.wall();
    this.anchorSim = this.pausedAt?.event === this.runtime.session.event ? this.pausedAt.time : this.runtime.session.time;
    this.measureWall = this.anchorWall;
    this.measureSim = this.anchorSim;
  }

  private schedule(delay: number): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.turn(), delay);
  }

  private async turn(): Promise<void> {
    if (this.turning || this.mode !== 'running') return;
    this.turning = true;
    try {
      await this.work();
    } catch (e) {
      this.pause();
      this.failed(e);
    }
    this.turning = false;
    if (this.mode === 'running') this.schedule(this.behind() ? 0 : 8);
  }

  private behind(): boolean {
    const due = this.runtime.session.nextTime();
    return due !== undefined && (this.speed === 0 || due <= this.target());
  }

  private target(): number {
    return this.speed === 0 ? Infinity : this.anchorSim + (this.wall() - this.anchorWall) * this.speed * 1e6;
  }

  private async work(): Promise<void> {
    const { session } = this.runtime;
    const began = this.wall();
    while (this.mode === 'running') {
      await this.runtime.settle();
      const target = this.target();
      const why = session.run(instant(target), this.stopWhen === undefined ? SLICE : 1);
      if (this.stopWhen?.() === true) {
        this.pause();
        break;
      }
      if (why === 'time' || why === 'idle') break;
      if (this.wall() - began > BUDGET) {
        // what could not be reached is given up: simulated time runs slower than wished, and `reached` says so
        if (this.speed !== 0 && target - session.time > 50e6 * this.speed) this.anchorKeepingMeasure();
        break;
      }
    }
    await this.runtime.settle();
    this.measure();
  }

  private anchorKeepingMeasure(): void {
    this.anchorWall = this.wall();
    this.anchorSim = this.runtime.session.time;
  }

  private measure(): void {
    const wall = this.wall();
    if (wall - this.measureWall < 500) return;
    this.reached = (this.now() - this.measureSim) / 1e6 / (wall - this.measureWall);
    this.measureWall = wall;
    this.measureSim = this.now();
  }
}
