// CPUs: kernel work runs in a context (hardirq, softirq, task) and charges time; work that arrives while a CPU is busy waits its turn.
import type { Instant } from '../base/units.ts';
import type { Actor, Sim } from '../sim/sim.ts';
import { event, type TracePoint, type TraceScope } from '../trace/trace.ts';

export type Context = 'idle' | 'hardirq' | 'softirq' | 'task';

/** One span of work on a CPU, for the timeline. */
const CpuSpan = event('cpu:span', { context: 'str', label: 'str', duration: 'ns' }, (e) => `${e.context} ${e.label} ${e.duration} ns`);

/** What the kernel installs on the platform: the entries that a CPU jumps to. */
export interface CpuEntries {
  /** Interrupt vector delivered; runs in hardirq context. */
  do_IRQ(cpu: Cpu, vector: number): void;
  /** Softirqs are pending on this CPU; runs in softirq context at irq exit, after a task that raised one, or from ksoftirqd. */
  do_softirq(cpu: Cpu): void;
}

interface Work {
  readonly target: Actor;
  readonly op: number;
  readonly arg: unknown;
  readonly label: string;
}

const OP_DISPATCH = 0;

/**
 * The execution model: a piece of work runs at once in the engine, at its start time, and moves the CPU's own clock (`now`) forward by what
 * it charges; the CPU is then busy until `now`. Order of service when it becomes free: interrupts, softirqs, tasks.
 */
export class Cpu implements Actor {
  /** Local time while running; otherwise the time until which the CPU was last busy. */
  now = 0 as Instant;
  context: Context = 'idle';
  /** Linux: __softirq_pending, one bit per vector. */
  softirqPending = 0;
  /** ksoftirqd is to be run after tasks that wait already (Linux: softirq limits exceeded). */
  softirqDeferred = false;
  preemptCount = 0;
  /** Vector of the interrupt being served; 0 for none. */
  inService = 0;
  private irqs: number[] = [];
  private tasks: Work[] = [];
  private scheduled = false;
  private readonly tpSpan: TracePoint;
  /** Work currently executing, for traces: 'ping-312', 'swapper/0'. */
  currentTask = 'swapper';
  currentPid = 0;

  constructor(
    readonly id: number,
    private readonly sim: Sim,
    private readonly cpus: CpuSet,
    scope: TraceScope,
  ) {
    this.tpSpan = scope.point(CpuSpan);
  }

  charge(nanoseconds: number): void {
    this.now = (this.now + nanoseconds) as Instant;
  }

  /** An interrupt for this CPU at simulated time `at`. */
  interrupt(vector: number): void {
    this.irqs.push(vector);
    this.kick();
  }

  /** The interrupt was raised and not served yet (Intel SDM vol. 3 §11.8.4: the request register). */
  interruptPending(vector: number): boolean {
    return this.irqs.includes(vector);
  }

  /** Runs `target.onEvent(op, arg)` in task context as soon as this CPU is free. */
  queueTask(target: Actor, op: number, arg: unknown, label: string): void {
    this.tasks.push({ target, op, arg, label });
    this.kick();
  }

  /** Softirqs were raised outside any context of this CPU. */
  kick(): void {
    if (this.scheduled || this.context !== 'idle') return;
    this.scheduled = true;
    // devices act at their own times, which may lie before this CPU's local clock
    const earliest = this.cpus.now();
    this.sim.at(this.now > earliest ? this.now : earliest, this, OP_DISPATCH);
  }

  onEvent(): void {
    this.scheduled = false;
    if (this.now < this.sim.now) this.now = this.sim.now;
    const irq = this.irqs.shift();
    if (irq !== undefined) this.runIrq(irq);
    else if (this.softirqPending !== 0 && !(this.softirqDeferred && this.tasks.length > 0)) this.runSoftirq('ksoftirqd');
    else {
      const work = this.tasks.shift();
      if (work !== undefined) this.runTask(work);
    }
    if (this.irqs.length > 0 || this.tasks.length > 0 || this.softirqPending !== 0) this.kick();
  }

  private runIrq(vector: number): void {
    const start = this.now;
    this.enter('hardirq');
    this.charge(this.cpus.costs.irq_entry);
    this.inService = vector;
    this.cpus.entries.do_IRQ(this, vector);
    this.inService = 0;
    this.leave(start, vector);
    if (this.softirqPending !== 0) this.runSoftirq('irq_exit');
  }

  private runSoftirq(label: string): void {
    const start = this.now;
    this.enter('softirq');
    this.softirqDeferred = false;
    this.charge(this.cpus.costs.softirq_entry);
    this.cpus.entries.do_softirq(this);
    this.leave(start, label);
  }

  private runTask(work: Work): void {
    const start = this.now;
    this.enter('task');
    work.target.onEvent(work.op, work.arg);
    this.leave(start, work.label);
    this.currentTask = 'swapper';
    this.currentPid = 0;
    if (this.softirqPending !== 0 && this.irqs.length === 0) this.runSoftirq('local_bh_enable');
  }

  /** Runs kernel code for an input (a command that only configures) now, in task context on this CPU, whatever its clock says. */
  enterTask(): Instant {
    if (this.now < this.sim.now) this.now = this.sim.now;
    const start = this.now;
    this.enter('task');
    return start;
  }

  leaveTask(start: Instant, label: string): void {
    this.leave(start, label);
    if (this.softirqPending !== 0 || this.irqs.length > 0 || this.tasks.length > 0) this.kick();
  }

  private enter(context: Context): void {
    this.context = context;
    this.cpus.current = this;
  }

  private leave(start: Instant, label: string | number): void {
    if (this.tpSpan.enabled) this.tpSpan.emit(this.context, typeof label === 'number' ? `vector ${label}` : label, this.now - start);
    this.context = 'idle';
    this.cpus.current = undefined;
  }
}

/** All CPUs of a machine, and the clock of whatever runs now. */
export class CpuSet {
  readonly list: Cpu[] = [];
  /** The CPU whose work is executing in the engine at this moment. */
  current: Cpu | undefined;
  entries: CpuEntries = NO_KERNEL;

  constructor(
    count: number,
    private readonly sim: Sim,
    readonly costs: Readonly<Record<string, number>> & { readonly irq_entry: number; readonly softirq_entry: number },
    scope: (clock: CpuSet) => TraceScope,
  ) {
    const s = scope(this);
    for (let i = 0; i < count; i++) this.list.push(new Cpu(i, sim, this, s));
  }

  /** Local time of the running CPU, or the world's. */
  now(): Instant {
    return this.current !== undefined ? this.current.now : this.sim.now;
  }
  traceNow(): number {
    return this.now();
  }
  traceCpu(): number {
    return this.current !== undefined ? this.current.id : -1;
  }
}

const NO_KERNEL: CpuEntries = Object.freeze({
  do_IRQ(): void {
    // no kernel: the interrupt is lost
  },
  do_softirq(cpu: Cpu): void {
    cpu.softirqPending = 0;
  },
});
