// A run of a lab: inputs are logged, events executed, checkpoints kept; step back, rewind, fork and replay follow from that.
import { instant, type Instant } from '../base/units.ts';
import type { TraceRecord } from '../trace/trace.ts';
import { applyFs } from '../machine/files.ts';
import type { FsCall, FsResult, Input, InputResult } from '../machine/inputs.ts';
import type { LabSpec } from '../machine/lab.ts';
import { type CapturedFrame, type ProcessEvent, World } from '../machine/world.ts';
import { Checkpoints } from './checkpoints.ts';

export interface LoggedInput {
  /** The input is this event: it was applied when `event - 1` events had been executed. */
  readonly event: number;
  readonly time: number;
  readonly input: Input;
}

/** What a batch of new events produced, for views and recordings. Re-executed events produce nothing. */
export interface Drained {
  readonly trace: readonly TraceRecord[];
  readonly frames: readonly CapturedFrame[];
  readonly processes: readonly ProcessEvent[];
}

export type Observed = ReadonlySet<string> | 'all' | undefined;

export interface SessionListener {
  /** New output; called between events. */
  drained(d: Drained): void;
  /** An input was applied. */
  logged(entry: LoggedInput): void;
  /** History after `event` is no longer true (an input after a rewind). */
  truncated(event: number): void;
}

export class Session {
  world: World;
  readonly log: LoggedInput[];
  /** Highest event ever executed on this line of history. */
  lastEvent = 0;
  private observed: Observed;
  private capturing = false;
  private listener: SessionListener | undefined;
  private readonly checkpoints = new Checkpoints();
  /** Keep checkpoints while running, so that going back is quick. Without them it re-executes from the start. */
  rewindable = true;

  constructor(
    readonly lab: LabSpec,
    log: readonly LoggedInput[] = [],
  ) {
    this.world = new World(lab);
    this.log = [...log];
    this.world.drain();
  }

  get event(): number {
    return this.world.sim.executed;
  }
  get time(): Instant {
    return this.world.sim.now;
  }

  listen(listener: SessionListener | undefined): void {
    this.listener = listener;
  }

  /** Which tracepoints are recorded; observation never changes a run. */
  observe(what: Observed): void {
    this.observed = what;
    this.world.trace.observe(what);
  }

  /** Whether frames on cables are handed to the listener. */
  captureFrames(on: boolean): void {
    this.capturing = on;
    this.world.capture(on);
  }

  /**
   * Applies an input now, at simulated time `at` (default: the time of the last event; never past the next event).
   * After a rewind this forks history: what came later is forgotten.
   */
  apply(input: Input, at?: Instant): InputResult {
    if (this.event < this.lastEvent) this.truncate();
    const { sim } = this.world;
    const next = sim.peek();
    let time = at ?? sim.now;
    if (time < sim.now) time = sim.now;
    if (next !== undefined && time > next) time = next;
    const entry = { event: sim.executed + 1, time, input };
    this.log.push(entry);
    this.listener?.logged(entry);
    const result = this.world.apply(input, time);
    this.lastEvent = this.event;
    this.flush();
    return result;
  }

  /** Looks at a machine's files without touching the world; undefined for calls that could change it. */
  query(machine: string, netns: string, cwd: string, call: FsCall): FsResult | undefined {
    const pure = call.call === 'stat' || call.call === 'readdir' || (call.call === 'read' && !call.path.endsWith('/trace_pipe'));
    const m = this.world.machines.get(machine);
    return pure && m !== undefined ? m.kernel.trace.quietly(() => applyFs(m.kernel, netns, cwd, call)) : undefined;
  }

  /** Executes one event or due logged input. False when nothing is left. */
  step(): boolean {
    const done = this.advance();
    this.settle();
    return done;
  }

  /**
   * Runs until `until` (events at exactly that time included), at most `maxEvents`, or until something wants attention.
   * Answers why it stopped.
   */
  run(until: Instant, maxEvents: number): 'time' | 'events' | 'attention' | 'idle' {
    const { sim } = this.world;
    let left = maxEvents;
    sim.attention.raised = false;
    for (;;) {
      const due = this.nextTime();
      if (due === undefined) return this.stop('idle');
      if (due > until) return this.stop('time');
      if (left-- <= 0) return this.stop('events');
      const replaying = sim.executed < this.lastEvent;
      this.advance();
      if (replaying && sim.executed === this.lastEvent) this.discard();
      if (sim.attention.raised && !replaying) return this.stop('attention');
      if (!replaying) this.keep();
    }
  }

  /** Runs until every machine of the lab has booted. */
  boot(): void {
    while ([...this.world.machines.values()].some((m) => !m.booted) && this.step());
  }

  /** Time of the next event or logged input; undefined when nothing will ever happen by itself. */
  nextTime(): number | undefined {
    const logged = this.dueInput();
    return logged !== undefined ? logged.time : this.world.sim.peek();
  }

  /** Goes to the state right after `event` (0: the world as made). Later inputs stay known until a new one is given. */
  goto(event: number): void {
    const target = Math.max(0, Math.min(event, this.lastEvent));
    if (target < this.event) {
      const left = this.world;
      this.world = this.checkpoints.before(target)?.fork() ?? new World(this.lab);
      this.world.trace.observe(this.observed);
      this.world.capture(this.capturing);
      for (const m of this.world.machines.values()) m.kernel.trace.sync();
      for (const m of left.machines.values()) m.kernel.trace.release();
    }
    while (this.event < target && this.advance());
    this.discard();
  }

  /** Re-executes forward to `event` (a recording's log given to the constructor); stops early when nothing is left. */
  replayTo(event: number): void {
    while (this.event < event && this.advance());
    this.lastEvent = Math.max(this.lastEvent, this.event);
    this.discard();
  }

  hash(): string {
    return this.world.hash();
  }

  /** An independent session at the same state, with the same history. */
  fork(): Session {
    const s = new Session(this.lab, this.log);
    s.world = this.world.fork();
    s.lastEvent = this.lastEvent;
    return s;
  }

  private advance(): boolean {
    const logged = this.dueInput();
    if (logged === undefined) return this.world.sim.step();
    this.world.apply(logged.input, instant(logged.time));
    return true;
  }

  private dueInput(): LoggedInput | undefined {
    const next = this.event + 1;
    const log = this.log;
    let low = 0;
    let high = log.length;
    if (high === 0 || log[high - 1].event < next) return undefined;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (log[mid].event < next) low = mid + 1;
      else high = mid;
    }
    return log[low].event === next ? log[low] : undefined;
  }

  private settle(): void {
    if (this.event <= this.lastEvent) this.discard();
    else {
      this.lastEvent = this.event;
      this.flush();
      this.keep();
    }
  }

  private keep(): void {
    if (this.rewindable) this.checkpoints.offer(this.world);
  }

  private stop<T>(why: T): T {
    this.settle();
    return why;
  }

  private truncate(): void {
    const at = this.event;
    while (this.log.length > 0 && this.log[this.log.length - 1].event > at) this.log.pop();
    this.checkpoints.forget(at);
    this.lastEvent = at;
    this.listener?.truncated(at);
  }

  private flush(): void {
    const d = this.world.drain();
    if (d !== undefined) this.listener?.drained(d);
  }

  private discard(): void {
    this.world.drain();
  }
}
