// NAPI: polling instead of interrupts (Linux: net/core/dev.c).
import { Errno } from '../base/errno.ts';
import type { Instant } from '../base/units.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { Actor } from '../sim/sim.ts';
import type { TracePoint } from '../trace/trace.ts';
import type { Kernel } from './kernel.ts';
import { checkNapiComplete, checkNapiControl, checkNapiDelete, checkNapiPoll, checkNapiSchedule, napiEvent } from './contract_net.ts';
import { Napi, type NapiPoller } from './napi.ts';
import type { NetDevice } from './net_device.ts';
import { NET_RX_SOFTIRQ } from './softirq.ts';
import { NapiPoll } from './tracepoints.ts';

/** net.core.netdev_budget and netdev_budget_usecs (two ticks of CONFIG_HZ=250) */
export const NETDEV_BUDGET = 300;
export const NETDEV_BUDGET_USECS = 8000;

/** What one CPU polls, and how often it could not finish. */
class PollList {
  readonly list: Napi[] = [];
  time_squeeze = 0;
}

/** Linux: above all CPU numbers of a kernel with NR_CPUS=8192 (Debian). */
const MIN_NAPI_ID = 8193;
const OP_THREAD = 0;
const OP_WATCHDOG = 1;
const threadName = (napi: Napi): string => `napi/${napi.dev.name}-${napi.napi_id}`;

export class NapiCore implements Actor {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'napi_schedule',
    'netif_napi_del',
    '____napi_schedule',
    'time_squeeze',
    'startThread',
    'wakeThread',
  ]);
  budget = NETDEV_BUDGET;
  budget_usecs = NETDEV_BUDGET_USECS;
  private readonly cpus: PollList[];
  private nextId: number;
  private nextNapiId = MIN_NAPI_ID;
  /** The context just completed keeps its interrupt off. */
  private deferred = false;
  private readonly tpPoll: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.cpus = kernel.platform.cpus.list.map(() => new PollList());
    this.nextId = kernel.platform.cpus.list.length + 1;
    this.tpPoll = kernel.platform.scope.point(NapiPoll);
  }

  time_squeeze(cpu: number): number {
    return this.cpus[cpu].time_squeeze;
  }

  /** Adds a disabled NAPI context; `queue` is the driver's queue number or -1. */
  netif_napi_add(dev: NetDevice, poller: NapiPoller, weight: number, queue: number): Napi {
    const napi = new Napi(this.nextId++, dev, poller, weight, queue);
    napi.sched = true;
    napi.napi_id = this.nextNapiId++;
    dev.napis.unshift(napi);
    if (dev.threaded) this.startThread(napi);
    return napi;
  }
  /** For transmit completions: such a context is never busy-polled and has no identifier. */
  netif_napi_add_tx(dev: NetDevice, poller: NapiPoller, weight: number, queue: number): Napi {
    const napi = this.netif_napi_add(dev, poller, weight, queue);
    napi.napi_id = 0;
    this.nextNapiId--;
    return napi;
  }

  /** Polling by threads instead of softirqs, or back. 0, or -EOPNOTSUPP for a device without NAPI. */
  dev_set_threaded(dev: NetDevice, threaded: boolean): number {
    if (dev.napis.length === 0) return -Errno.EOPNOTSUPP;
    dev.threaded = threaded;
    for (const napi of dev.napis) {
      if (threaded) this.startThread(napi);
      else napi.threaded = false;
    }
    return 0;
  }
  private startThread(napi: Napi): void {
    napi.threaded = napi.hasThread = true;
  }

  /** A turn of a NAPI thread: one poll, and again as long as it used its share. */
  napi_threaded_poll(napi: Napi): void {
    const cpu = this.kernel.platform.cpus.current;
    if (cpu === undefined || !napi.onList) return;
    cpu.currentTask = threadName(napi);
    cpu.charge(this.kernel.platform.costs.context_switch);
    napi.cpu = cpu.id;
    this.__napi_poll(napi);
    if (napi.onList && napi.sched && !napi.queuedToThread) this.wakeThread(napi, cpu);
  }

  private wakeThread(napi: Napi, cpu: Cpu): void {
    napi.queuedToThread = true;
    cpu.queueTask(this, OP_THREAD, napi, threadName(napi));
  }

  onEvent(op: number, arg: unknown): void {
    const napi = arg as Napi;
    if (op === OP_THREAD) {
      napi.queuedToThread = false;
      this.napi_threaded_poll(napi);
    } else this.napi_watchdog(napi);
  }

  /** gro_flush_timeout is over: poll, whether an interrupt came or not. */
  napi_watchdog(napi: Napi): void {
    napi.watchdog = undefined;
    if (!napi.disabled && !napi.sched) {
      napi.sched = true;
      this.____napi_schedule(napi, Math.max(napi.lastCpu, 0));
    }
  }
  netif_napi_del(napi: Napi): void {
    this.__netif_napi_del(napi);
  }
  __netif_napi_del(napi: Napi): void {
    const { napis } = napi.dev;
    const i = napis.indexOf(napi);
    if (i < 0) return;
    if (this.kernel.contract.enabled) checkNapiDelete(this.kernel, napi);
    napis.splice(i, 1);
    this.unlist(napi);
    for (const skb of napi.rx_list) this.kernel.skb.kfree_skb(skb);
    napi.rx_list.length = 0;
  }

  napi_enable(napi: Napi): void {
    if (this.kernel.contract.enabled) checkNapiControl(this.kernel, napi, true);
    if (!napi.disabled) return this.kernel.printk.pr_emerg('kernel BUG at net/core/dev.c:6433!');
    napi.disabled = false;
    napi.sched = false;
    napi.missed = false;
  }

  /** Afterwards nobody polls it and nobody can schedule it. On a disabled one Linux would wait for ever. */
  napi_disable(napi: Napi): void {
    if (this.kernel.contract.enabled) checkNapiControl(this.kernel, napi, false);
    if (napi.disabled) return;
    this.unlist(napi);
    this.kernel.platform.sim.cancel(napi.watchdog);
    napi.watchdog = undefined;
    this.kernel.gro.napi_gro_flush(napi);
    this.kernel.gro.gro_normal_list(napi);
    napi.sched = true;
    napi.disabled = true;
  }

  /** True when the caller must now call __napi_schedule. */
  napi_schedule_prep(napi: Napi): boolean {
    if (napi.disabled) return false;
    if (!napi.sched) return (napi.sched = true);
    napi.missed = true;
    return false;
  }

  /** Puts it on the running CPU's poll list and raises NET_RX. */
  __napi_schedule(napi: Napi): void {
    this.____napi_schedule(napi, this.kernel.smp_processor_id());
  }
  napi_schedule(napi: Napi): void {
    if (this.napi_schedule_prep(napi)) this.__napi_schedule(napi);
  }

  ____napi_schedule(napi: Napi, cpu: number): void {
    if (this.kernel.contract.enabled) checkNapiSchedule(this.kernel, napi);
    napi.cpu = napi.lastCpu = cpu;
    napi.onList = true;
    if (napi.threaded) return this.wakeThread(napi, this.kernel.platform.cpus.list[cpu]);
    this.cpus[cpu].list.push(napi);
    this.kernel.softirqs.raiseOn(this.kernel.platform.cpus.list[cpu], NET_RX_SOFTIRQ);
  }

  /** Ends polling; false when it was scheduled again meanwhile (the driver leaves its interrupt off). */
  napi_complete_done(napi: Napi, work_done: number): boolean {
    const { gro } = this.kernel;
    if (this.kernel.contract.enabled && !checkNapiComplete(this.kernel, napi)) return false;
    const timeout = this.deferral(napi, work_done);
    if (napi.gro_list.length > 0) gro.napi_gro_flush(napi, timeout > 0);
    if (napi.rx_count > 0) gro.gro_normal_list(napi);
    napi.onList = false;
    napi.cpu = -1;
    if (napi.disabled) return true;
    if (napi.missed) {
      // Linux: MISSED keeps SCHED set and polls once more
      napi.missed = false;
      this.__napi_schedule(napi);
      return false;
    }
    napi.sched = false;
    if (timeout > 0) {
      this.kernel.platform.sim.cancel(napi.watchdog);
      napi.watchdog = this.kernel.platform.sim.at((this.kernel.now() + timeout) as Instant, this, OP_WATCHDOG, napi);
    }
    return !this.deferred;
  }

  /** net_device.napi_defer_hard_irqs: so many polls in a row end without enabling interrupts; a timer of gro_flush_timeout polls instead. */
  private deferral(napi: Napi, work: number): number {
    const { dev } = napi;
    this.deferred = false;
    let timeout = work > 0 && napi.gro_list.length > 0 ? dev.gro_flush_timeout : 0;
    if (work > 0) napi.defer_hard_irqs_count = dev.napi_defer_hard_irqs;
    if (napi.defer_hard_irqs_count > 0) {
      napi.defer_hard_irqs_count--;
      timeout = dev.gro_flush_timeout;
      this.deferred = timeout > 0;
    }
    return timeout;
  }

  net_rx_action(cpu: Cpu): void {
    const { kernel } = this;
    const sd = this.cpus[cpu.id];
    const limit = cpu.now + this.budget_usecs * 1000;
    let { budget } = this;
    let repoll: Napi[] | undefined;
    while (sd.list.length > 0) {
      const napi = sd.list.shift() as Napi;
      const work = this.__napi_poll(napi);
      budget -= work;
      // a full share, and still ours: again later
      if (work >= napi.weight && napi.onList && napi.cpu === cpu.id && !sd.list.includes(napi)) (repoll ??= []).push(napi);
      if (budget <= 0 || cpu.now >= limit) {
        sd.time_squeeze++;
        break;
      }
    }
    if (repoll !== undefined) for (const napi of repoll) sd.list.push(napi);
    if (sd.list.length > 0) kernel.softirqs.raiseOn(cpu, NET_RX_SOFTIRQ);
    kernel.net.rx.net_rps_action_and_irq_enable(cpu.id);
  }

  /** One poll; returns the work done. */
  __napi_poll(napi: Napi): number {
    const { weight } = napi;
    const { contract } = this.kernel;
    if (contract.enabled) napiEvent(this.kernel, napi, 'poll');
    const work = napi.poller.poll(napi, weight);
    if (contract.enabled) checkNapiPoll(this.kernel, napi, work, weight);
    napi.polls++;
    if (this.tpPoll.enabled) this.tpPoll.emit(napi.id, napi.dev.name, work, weight);
    if (work > weight)
      this.kernel.printk.pr_err(`NAPI poll function of ${napi.dev.name} returned ${work}, exceeding its budget of ${weight}.`);
    if (work < weight) return work;
    // 250 ticks a second are too few to tell young packets from old ones
    this.kernel.gro.napi_gro_flush(napi);
    this.kernel.gro.gro_normal_list(napi);
    return work;
  }

  private unlist(napi: Napi): void {
    if (!napi.onList || napi.cpu < 0) return;
    const { list } = this.cpus[napi.cpu];
    const i = list.indexOf(napi);
    if (i >= 0) list.splice(i, 1);
    napi.onList = false;
    napi.cpu = -1;
  }
}
