// Timers, works and softirqs: when they run, where, and that nothing is forgotten.
import { describe, expect, it } from 'vitest';
import type { Instant } from '../base/units.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { Actor } from '../sim/sim.ts';
import { bootKernel, runFor } from '../testkit/kernel_fixture.ts';
import type { Kernel } from './kernel.ts';
import { BLOCK_SOFTIRQ, NR_SOFTIRQS, type SoftirqHandler, TIMER_SOFTIRQ } from './softirq.ts';
import { JIFFY, TimerList } from './timer.ts';
import { WorkStruct } from './workqueue.ts';

class Log implements Actor, SoftirqHandler {
  readonly seen: { op: number; arg: unknown; time: number; cpu: number; context: string; task: string }[] = [];
  again = 0;
  constructor(readonly kernel: Kernel) {}
  onEvent(op: number, arg: unknown): void {
    const cpu = this.kernel.platform.cpus.current;
    this.seen.push({ op, arg, time: this.kernel.now(), cpu: cpu?.id ?? -1, context: cpu?.context ?? 'none', task: cpu?.currentTask ?? '' });
  }
  runSoftirq(nr: number, cpu: Cpu): void {
    this.onEvent(nr, cpu.id);
    if (this.again-- > 0) this.kernel.softirqs.raise_softirq(nr);
  }
}

describe('timers', () => {
  it('expire in softirq context on the first jiffy that is not early, on the CPU that armed them', () => {
    const { kernel, sim } = bootKernel({ cpus: 4 });
    const log = new Log(kernel);
    const timer = new TimerList(log, 7, 'x');
    const cpu = kernel.platform.cpus.list[2];
    const start = cpu.enterTask();
    kernel.timers.mod_timer(timer, (3 * JIFFY + 1) as Instant);
    cpu.leaveTask(start, 'test');
    expect(kernel.timers.timer_pending(timer)).toBe(true);
    runFor(sim, 100 * JIFFY);
    expect(log.seen).toHaveLength(1);
    expect(log.seen[0]).toMatchObject({ op: 7, arg: 'x', cpu: 2, context: 'softirq' });
    expect(log.seen[0].time).toBeGreaterThanOrEqual(4 * JIFFY);
    expect(log.seen[0].time).toBeLessThan(4 * JIFFY + 10_000);
    expect(kernel.softirqs.counts[2 * NR_SOFTIRQS + TIMER_SOFTIRQ]).toBe(1);
  });

  it('expire once, at the last time asked for, and not at all when deleted', () => {
    const { kernel, sim } = bootKernel();
    const log = new Log(kernel);
    const [a, b] = [new TimerList(log, 1), new TimerList(log, 2)];
    expect(kernel.timers.startIn(a, 5 * JIFFY)).toBe(false);
    expect(kernel.timers.startIn(a, 20 * JIFFY)).toBe(true);
    kernel.timers.startIn(b, 5 * JIFFY);
    expect(kernel.timers.del_timer(b)).toBe(true);
    expect(kernel.timers.del_timer(b)).toBe(false);
    runFor(sim, 100 * JIFFY);
    expect(log.seen.map((s) => s.op)).toEqual([1]);
    expect(log.seen[0].time).toBeGreaterThanOrEqual(20 * JIFFY);
  });
});

describe('works', () => {
  it('run in a kworker of the CPU that queued them, once per queueing, also when queued by an input', () => {
    const { kernel, sim } = bootKernel({ cpus: 4 });
    const log = new Log(kernel);
    const work = new WorkStruct(log, 3);
    const cpu = kernel.platform.cpus.list[1];
    const start = cpu.enterTask();
    expect(kernel.workqueues.schedule_work(work)).toBe(true);
    expect(kernel.workqueues.schedule_work(work)).toBe(false);
    cpu.leaveTask(start, 'test');
    runFor(sim, 1_000_000);
    expect(log.seen).toHaveLength(1);
    expect(log.seen[0]).toMatchObject({ op: 3, cpu: 1, context: 'task', task: 'kworker/1:1' });
  });

  it('can be delayed, moved, flushed and cancelled', () => {
    const { kernel, sim } = bootKernel();
    const log = new Log(kernel);
    const { workqueues } = kernel;
    const [late, gone, now] = [new WorkStruct(log, 1), new WorkStruct(log, 2), new WorkStruct(log, 3)];
    workqueues.schedule_delayed_work(late, 3 * JIFFY);
    workqueues.mod_delayed_work(late, 50 * JIFFY);
    workqueues.schedule_delayed_work(gone, 3 * JIFFY);
    expect(workqueues.cancel_delayed_work_sync(gone)).toBe(true);
    workqueues.schedule_work(now);
    expect(workqueues.flush_work(now)).toBe(true);
    expect(log.seen.map((s) => s.op)).toEqual([3]);
    runFor(sim, 40 * JIFFY);
    expect(log.seen.map((s) => s.op)).toEqual([3]);
    runFor(sim, 40 * JIFFY);
    expect(log.seen.map((s) => s.op)).toEqual([3, 1]);
  });
});

describe('softirqs', () => {
  it('run again while they raise themselves, at most ten times before ksoftirqd takes over, and none is lost', () => {
    const { kernel, sim } = bootKernel({ cpus: 1 });
    const log = new Log(kernel);
    kernel.softirqs.open_softirq(BLOCK_SOFTIRQ, log);
    log.again = 25;
    kernel.softirqs.raise_softirq(BLOCK_SOFTIRQ);
    const cpu = kernel.platform.cpus.list[0];
    sim.step();
    expect([log.seen.length, cpu.softirqDeferred]).toEqual([10, true]);
    runFor(sim, 1_000_000);
    expect([log.seen.length, cpu.softirqPending]).toEqual([26, 0]);
    expect(kernel.softirqs.counts[BLOCK_SOFTIRQ]).toBe(26);
  });

  it('name their vector in the trace as Linux does', () => {
    const { kernel, sim, trace } = bootKernel({ cpus: 1 });
    kernel.softirqs.open_softirq(BLOCK_SOFTIRQ, new Log(kernel));
    trace.observe(new Set(['irq:softirq_raise', 'irq:softirq_entry', 'irq:softirq_exit']));
    kernel.softirqs.raise_softirq(BLOCK_SOFTIRQ);
    runFor(sim, 1_000_000);
    const lines = trace.drain().map((r) => `${r.def.name.slice(4)}: ${r.def.format({ vec: r.args[0] })}`);
    expect(lines).toEqual([
      'softirq_raise: vec=4 [action=BLOCK]',
      'softirq_entry: vec=4 [action=BLOCK]',
      'softirq_exit: vec=4 [action=BLOCK]',
    ]);
  });
});
