// Timers: a moment in the future, run in softirq context on the CPU that armed it (Linux: kernel/time/timer.c, timer_list).
import type { Duration, Instant } from '../base/units.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { Actor, SimEvent } from '../sim/sim.ts';
import type { Kernel } from './kernel.ts';
import { TIMER_SOFTIRQ } from './softirq.ts';

/** Length of a jiffy: CONFIG_HZ=250. Timers expire on jiffies, never early. */
const HZ = 250;
export const JIFFY = 1e9 / HZ;

/** One timer; a field of the object it belongs to. Expiry calls `target.onEvent(op, arg)` in softirq context. */
export class TimerList {
  expires = 0 as Instant;
  event: SimEvent | undefined;
  /** On its CPU's list of expired timers. */
  due = false;
  cpu = 0;
  constructor(
    readonly target: Actor,
    readonly op: number,
    public arg?: unknown,
  ) {}
}

const OP_EXPIRE = 0;

export class Timers implements Actor {
  private readonly due: TimerList[][];

  constructor(readonly kernel: Kernel) {
    this.due = kernel.platform.cpus.list.map(() => []);
    kernel.softirqs.open_softirq(TIMER_SOFTIRQ, this);
  }

  timer_pending(timer: TimerList): boolean {
    return timer.due || (timer.event !== undefined && timer.event.pos >= 0);
  }

  /** (Re)arms to the first jiffy at or after `expires`; true when it was pending before. */
  mod_timer(timer: TimerList, expires: Instant | number): boolean {
    const was = this.del_timer(timer);
    const { platform } = this.kernel;
    timer.cpu = this.kernel.smp_processor_id();
    timer.expires = expires as Instant;
    const at = Math.max(Math.ceil(expires / JIFFY) * JIFFY, platform.sim.now) as Instant;
    timer.event = platform.sim.at(at, this, OP_EXPIRE, timer);
    return was;
  }

  /** Arms `delay` from now. */
  startIn(timer: TimerList, delay: Duration | number): boolean {
    return this.mod_timer(timer, this.kernel.now() + delay);
  }

  /** Disarms; true when it was pending. */
  del_timer(timer: TimerList): boolean {
    if (timer.due) {
      const list = this.due[timer.cpu];
      list.splice(list.indexOf(timer), 1);
      timer.due = false;
      return true;
    }
    const was = this.kernel.platform.sim.cancel(timer.event);
    timer.event = undefined;
    return was;
  }

  onEvent(_op: number, arg: unknown): void {
    const timer = arg as TimerList;
    timer.event = undefined;
    timer.due = true;
    this.due[timer.cpu].push(timer);
    this.kernel.softirqs.raiseOn(this.kernel.platform.cpus.list[timer.cpu], TIMER_SOFTIRQ);
  }

  runSoftirq(_nr: number, cpu: Cpu): void {
    this.run_timer_softirq(cpu);
  }

  run_timer_softirq(cpu: Cpu): void {
    const list = this.due[cpu.id];
    for (let timer = list.shift(); timer !== undefined; timer = list.shift()) {
      timer.due = false;
      this.call_timer_fn(timer);
    }
  }

  call_timer_fn(timer: TimerList): void {
    timer.target.onEvent(timer.op, timer.arg);
  }
}
