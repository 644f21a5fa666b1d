// Softirqs: work raised by interrupts and run on the same CPU right after (Linux: kernel/softirq.c).
import type { Cpu } from '../platform/cpu.ts';
import type { Kernel } from './kernel.ts';
import { SoftirqEntry, SoftirqExit, SoftirqRaise } from './tracepoints.ts';
import type { TracePoint } from '../trace/trace.ts';

/** As /proc/softirqs and the tracepoints name them, in the order of their numbers. */
export const SOFTIRQ_NAMES = ['HI', 'TIMER', 'NET_TX', 'NET_RX', 'BLOCK', 'IRQ_POLL', 'TASKLET', 'SCHED', 'HRTIMER', 'RCU'] as const;
export const NR_SOFTIRQS = SOFTIRQ_NAMES.length;
export const TIMER_SOFTIRQ = SOFTIRQ_NAMES.indexOf('TIMER');
export const NET_TX_SOFTIRQ = SOFTIRQ_NAMES.indexOf('NET_TX');
export const NET_RX_SOFTIRQ = SOFTIRQ_NAMES.indexOf('NET_RX');
export const BLOCK_SOFTIRQ = SOFTIRQ_NAMES.indexOf('BLOCK');

/** Linux: MAX_SOFTIRQ_TIME (2 ms) and MAX_SOFTIRQ_RESTART */
const MAX_SOFTIRQ_TIME = 2_000_000;
const MAX_SOFTIRQ_RESTART = 10;

/** What a softirq vector runs. */
export interface SoftirqHandler {
  runSoftirq(nr: number, cpu: Cpu): void;
}

export class Softirqs {
  private readonly vec: (SoftirqHandler | undefined)[] = Array.from({ length: NR_SOFTIRQS }, () => undefined);
  /** Runs per CPU and vector: counts[cpu * NR_SOFTIRQS + nr], for /proc/softirqs. */
  readonly counts: Float64Array;
  private readonly tpEntry: TracePoint;
  private readonly tpExit: TracePoint;
  private readonly tpRaise: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.counts = new Float64Array(kernel.platform.cpus.list.length * NR_SOFTIRQS);
    const { scope } = kernel.platform;
    this.tpEntry = scope.point(SoftirqEntry);
    this.tpExit = scope.point(SoftirqExit);
    this.tpRaise = scope.point(SoftirqRaise);
  }

  open_softirq(nr: number, handler: SoftirqHandler): void {
    this.vec[nr] = handler;
  }

  /** Marks `nr` pending on the running CPU; on CPU 0 outside any context. */
  raise_softirq(nr: number): void {
    const { cpus } = this.kernel.platform;
    this.raiseOn(cpus.current ?? cpus.list[0], nr);
  }

  /** Marks `nr` pending on `cpu` (an IPI away when it is not the running one). */
  raiseOn(cpu: Cpu, nr: number): void {
    if (this.tpRaise.enabled) this.tpRaise.emit(nr);
    cpu.softirqPending |= 1 << nr;
    cpu.kick();
  }

  /** Runs what is pending, again while it raises itself, and leaves the rest to ksoftirqd. */
  __do_softirq(cpu: Cpu): void {
    const end = cpu.now + MAX_SOFTIRQ_TIME;
    const base = cpu.id * NR_SOFTIRQS;
    for (let restart = MAX_SOFTIRQ_RESTART; cpu.softirqPending !== 0;) {
      const pending = cpu.softirqPending;
      cpu.softirqPending = 0;
      for (let nr = 0; nr < NR_SOFTIRQS; nr++) {
        if ((pending & (1 << nr)) === 0) continue;
        this.counts[base + nr]++;
        if (this.tpEntry.enabled) this.tpEntry.emit(nr);
        this.vec[nr]?.runSoftirq(nr, cpu);
        if (this.tpExit.enabled) this.tpExit.emit(nr);
      }
      if (cpu.softirqPending !== 0 && (cpu.now >= end || --restart === 0)) {
        cpu.softirqDeferred = true;
        return;
      }
    }
  }
}
