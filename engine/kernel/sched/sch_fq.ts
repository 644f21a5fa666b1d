// fq: a queue per socket or flow, served in turn by credit, each paced at its own rate (Linux: net/sched/sch_fq.c).
import { NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { attrNumber, Qdisc, type TcAttrs } from './qdisc.ts';
import { QdiscWatchdog } from './qdisc_watchdog.ts';

const TC_PRIO_CONTROL = 7;
/** Parameters with the values they start from; times in microseconds. */
const defaults = (mtu: number): Record<string, number> => ({
  limit: 10_000,
  flow_limit: 100,
  buckets: 1024,
  orphan_mask: 1023,
  quantum: 2 * mtu,
  initial_quantum: 10 * mtu,
  pacing: 1,
  maxrate: 0xffffffff,
  low_rate_threshold: 550_000 / 8,
  refill_delay: 40_000,
  timer_slack: 10_000,
  horizon: 10_000_000,
  horizon_drop: 1,
});

class Flow {
  readonly queue = new SkBuffHead();
  credit = 0;
  time_next_packet = 0;
  /** When it emptied, for the refill of its credit. */
  age = 0;
  listed = false;
  constructor(readonly hash: number) {}
}

export class Fq extends Qdisc {
  private p: Record<string, number> = {};
  private readonly internal = new SkBuffHead();
  private readonly flows = new Map<number, Flow>();
  private readonly new_flows: Flow[] = [];
  private readonly old_flows: Flow[] = [];
  private readonly throttled: Flow[] = [];
  private readonly watchdog = new QdiscWatchdog(this);
  private gc_flows = 0;
  private highprio = 0;
  private throttledCount = 0;
  private flows_plimit = 0;

  override init(attrs?: TcAttrs): NlResult {
    this.p = defaults(this.dev.mtu + this.dev.hard_header_len);
    return attrs === undefined ? NL_OK : this.change(attrs);
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    for (const key of Object.keys(this.p)) this.p[key] = attrNumber(attrs, key, this.p[key]);
    return NL_OK;
  }

  enqueue(skb: SkBuff): number {
    return this.fq_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.fq_dequeue();
  }

  private fq_classify(skb: SkBuff): Flow {
    const hash = this.kernel.net.xmit.skb_get_hash(skb) & this.p['orphan_mask'];
    let flow = this.flows.get(hash);
    if (flow === undefined) {
      flow = new Flow(hash);
      flow.credit = this.p['initial_quantum'];
      this.flows.set(hash, flow);
    }
    return flow;
  }
  fq_enqueue(skb: SkBuff): number {
    if (this.qlen >= this.p['limit']) return this.qdisc_drop(skb);
    if ((skb.priority & 15) === TC_PRIO_CONTROL) {
      this.highprio++;
      this.internal.push(skb);
      return this.qdisc_enqueued(skb);
    }
    const flow = this.fq_classify(skb);
    if (flow.queue.qlen >= this.p['flow_limit']) {
      this.flows_plimit++;
      return this.qdisc_drop(skb);
    }
    if (!flow.listed) {
      flow.listed = true;
      this.new_flows.push(flow);
      if (this.kernel.now() > flow.age + this.p['refill_delay'] * 1000) flow.credit = Math.max(flow.credit, this.p['quantum']);
    }
    flow.queue.push(skb);
    this.qdisc_enqueued(skb);
    return NET_XMIT_SUCCESS;
  }

  private fq_check_throttled(now: number): void {
    for (let i = 0; i < this.throttled.length; i++) {
      const flow = this.throttled[i];
      if (flow.time_next_packet > now) continue;
      this.throttled.splice(i--, 1);
      this.old_flows.push(flow);
    }
  }
  fq_dequeue(): SkBuff | undefined {
    if (this.qlen === 0) return undefined;
    const urgent = this.internal.shift();
    if (urgent !== undefined) {
      this.qdisc_dequeued(urgent);
      return urgent;
    }
    const now = this.kernel.now();
    this.fq_check_throttled(now);
    for (;;) {
      const fresh = this.new_flows.length > 0;
      const list = fresh ? this.new_flows : this.old_flows;
      const flow = list[0];
      if (flow === undefined) {
        const next = Math.min(...this.throttled.map((f) => f.time_next_packet));
        if (Number.isFinite(next)) this.watchdog.qdisc_watchdog_schedule_ns(next);
        return undefined;
      }
      if (flow.credit <= 0) {
        flow.credit += this.p['quantum'];
        list.shift();
        this.old_flows.push(flow);
        continue;
      }
      if (flow.queue.qlen > 0 && now < flow.time_next_packet) {
        list.shift();
        this.throttled.push(flow);
        this.throttledCount++;
        continue;
      }
      const skb = flow.queue.shift();
      if (skb === undefined) {
        list.shift();
        // a new flow that emptied goes round once among the old
        if (fresh && this.old_flows.length > 0) this.old_flows.push(flow);
        else {
          flow.listed = false;
          flow.age = now;
        }
        continue;
      }
      this.qdisc_dequeued(skb);
      flow.credit -= skb.pkt_len;
      const rate = this.p['maxrate'];
      if (this.p['pacing'] > 0 && rate < 0xffffffff) flow.time_next_packet = now + Math.floor((skb.pkt_len * 1e9) / rate);
      return skb;
    }
  }
  reset(): void {
    this.purge(this.internal);
    for (const flow of this.flows.values()) this.purge(flow.queue);
    this.flows.clear();
    this.new_flows.length = this.old_flows.length = this.throttled.length = 0;
    this.watchdog.qdisc_watchdog_cancel();
  }
  override destroy(): void {
    this.watchdog.qdisc_watchdog_cancel();
  }
  override dumpOptions(): TcAttrs {
    return { ...this.p };
  }
  override dumpXstats(): Readonly<Record<string, number>> {
    const inactive = [...this.flows.values()].filter((f) => !f.listed).length;
    return {
      flows: this.flows.size,
      inactive,
      throttled: this.throttled.length,
      gc: this.gc_flows,
      highprio: this.highprio,
      throttledCount: this.throttledCount,
      flows_plimit: this.flows_plimit,
    };
  }
}
