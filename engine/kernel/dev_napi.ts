// NAPI: polling instead of interrupts (Linux: net/core/dev.c).
import type { Cpu } from '../platform/cpu.ts';
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

export class NapiCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['napi_schedule', 'netif_napi_del', '____napi_schedule', 'time_squeeze']);
  budget = NETDEV_BUDGET;
  budget_usecs = NETDEV_BUDGET_USECS;
  private readonly cpus: PollList[];
  private nextId: number;
  private readonly tpPoll: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.cpus = kernel.platform.cpus.list.map(() => new PollList());
    // Linux: MIN_NAPI_ID, above all CPU numbers
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
    dev.napis.unshift(napi);
    return napi;
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
    napi.cpu = cpu;
    napi.onList = true;
    this.cpus[cpu].list.push(napi);
    this.kernel.softirqs.raiseOn(this.kernel.platform.cpus.list[cpu], NET_RX_SOFTIRQ);
  }

  /** Ends polling; false when it was scheduled again meanwhile (the driver leaves its interrupt off). */
  napi_complete_done(napi: Napi, _work_done: number): boolean {
    const { gro } = this.kernel;
    if (this.kernel.contract.enabled && !checkNapiComplete(this.kernel, napi)) return false;
    if (napi.gro_list.length > 0) gro.napi_gro_flush(napi);
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
    return true;
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
