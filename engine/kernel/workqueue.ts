// Workqueues: kernel work in task context, run by a CPU's kworker (Linux: kernel/workqueue.c, system_wq).
import type { Duration, Instant } from '../base/units.ts';
import type { Actor } from '../sim/sim.ts';
import { TimerList } from './timer.ts';
import type { Kernel } from './kernel.ts';

/** Linux: struct work_struct and delayed_work. Execution calls `target.onEvent(op, arg)` in task context. */
export class WorkStruct {
  /** Queued on a CPU, not yet started. */
  pending = false;
  /** Cancelled while queued: the queue entry does nothing. */
  cancelled = false;
  timer: TimerList | undefined;
  cpu = 0;
  constructor(
    readonly target: Actor,
    readonly op: number,
    public arg?: unknown,
  ) {}
}

const OP_WORK = 0;
const OP_TIMER = 1;

export class Workqueues implements Actor {
  constructor(readonly kernel: Kernel) {}

  /** Queues to the running CPU's kworker; false when it was queued already. */
  schedule_work(work: WorkStruct): boolean {
    return this.queue_work_on(this.kernel.smp_processor_id(), work);
  }

  queue_work_on(cpu: number, work: WorkStruct): boolean {
    if (work.pending && !work.cancelled) return false;
    work.cpu = cpu;
    work.cancelled = false;
    if (work.pending) return true;
    work.pending = true;
    this.kernel.platform.cpus.list[cpu].queueTask(this, OP_WORK, work, `kworker/${cpu}:1`);
    return true;
  }

  /** Queues after `delay`; false when it was waiting already. */
  schedule_delayed_work(work: WorkStruct, delay: Duration | number): boolean {
    if (delay <= 0) return this.schedule_work(work);
    if (this.work_pending(work)) return false;
    work.timer ??= new TimerList(this, OP_TIMER, work);
    this.kernel.timers.mod_timer(work.timer, (this.kernel.now() + delay) as Instant);
    return true;
  }

  /** As schedule_delayed_work, but moves the time of one that waits. */
  mod_delayed_work(work: WorkStruct, delay: Duration | number): boolean {
    const was = this.cancel_delayed_work(work);
    this.schedule_delayed_work(work, delay);
    return was;
  }

  work_pending(work: WorkStruct): boolean {
    return (work.pending && !work.cancelled) || (work.timer !== undefined && this.kernel.timers.timer_pending(work.timer));
  }

  cancel_work_sync(work: WorkStruct): boolean {
    if (this.kernel.contract.enabled) this.kernel.contract.mightSleep('cancel_work_sync');
    return this.cancel(work);
  }

  private cancel(work: WorkStruct): boolean {
    const was = work.pending && !work.cancelled;
    if (was) work.cancelled = true;
    return was;
  }

  cancel_delayed_work(work: WorkStruct): boolean {
    const was = work.timer !== undefined && this.kernel.timers.del_timer(work.timer);
    return this.cancel(work) || was;
  }

  cancel_delayed_work_sync(work: WorkStruct): boolean {
    if (this.kernel.contract.enabled) this.kernel.contract.mightSleep('cancel_delayed_work_sync');
    return this.cancel_delayed_work(work);
  }

  /** Runs a queued work now, in the caller's context. */
  flush_work(work: WorkStruct): boolean {
    if (this.kernel.contract.enabled) this.kernel.contract.mightSleep('flush_work');
    if (!this.cancel(work)) return false;
    work.target.onEvent(work.op, work.arg);
    return true;
  }

  onEvent(op: number, arg: unknown): void {
    const work = arg as WorkStruct;
    if (op === OP_TIMER) this.queue_work_on(work.timer?.cpu ?? 0, work);
    else this.process_one_work(work);
  }

  process_one_work(work: WorkStruct): void {
    const cpu = this.kernel.platform.cpus.current;
    if (cpu !== undefined) {
      cpu.currentTask = `kworker/${cpu.id}:1`;
      cpu.charge(this.kernel.platform.costs.context_switch);
    }
    work.pending = false;
    if (work.cancelled) work.cancelled = false;
    else work.target.onEvent(work.op, work.arg);
  }
}
