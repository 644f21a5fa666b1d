// fq_codel: a queue per flow, served round robin with new flows first, each kept short by CoDel (RFC 8290; Linux: net/sched/sch_fq_codel.c).
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { type QdiscInfo, Qdisc } from './qdisc.ts';

/** Defaults of RFC 8290 §5.2 and Linux: fq_codel_init() */
const LIMIT = 10 * 1024;
const FLOWS = 1024;
const TARGET = 5_000_000;
const INTERVAL = 100_000_000;
const MEMORY_LIMIT = 32 << 20;
const DROP_BATCH = 64;

/** One flow's queue and CoDel's state for it (RFC 8289 §5.2). */
class Flow {
  readonly queue = new SkBuffHead();
  deficit = 0;
  backlog = 0;
  listed = false;
  /** CoDel */
  count = 0;
  lastcount = 0;
  dropping = false;
  first_above_time = 0;
  drop_next = 0;
}

export class FqCodel extends Qdisc {
  private readonly flows: (Flow | undefined)[] = Array.from({ length: FLOWS }, () => undefined);
  private readonly new_flows: Flow[] = [];
  private readonly old_flows: Flow[] = [];
  private quantum = 1514;
  private perturbation = 0;
  private memory_usage = 0;
  private drop_overmemory = 0;
  private drop_overlimit = 0;
  private new_flow_count = 0;
  private ecn_mark = 0;
  private maxpacket = 0;

  override init(): NlResult {
    this.canBypass = true;
    this.quantum = this.dev.mtu + this.dev.hard_header_len;
    this.perturbation = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:fq_codel`).u32();
    return NL_OK;
  }

  enqueue(skb: SkBuff): number {
    return this.fq_codel_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.fq_codel_dequeue();
  }

  fq_codel_enqueue(skb: SkBuff): number {
    const flow = this.classify(skb);
    skb.cb0 = this.kernel.now(); // CoDel's enqueue_time
    flow.queue.push(skb);
    flow.backlog += skb.pkt_len;
    this.memory_usage += skb.truesize;
    this.qdisc_enqueued(skb);
    if (!flow.listed) {
      flow.listed = true;
      flow.deficit = this.quantum;
      this.new_flow_count++;
      this.new_flows.push(flow);
    }
    const overMemory = this.memory_usage > MEMORY_LIMIT;
    if (this.qlen <= LIMIT && !overMemory) return NET_XMIT_SUCCESS;
    const before = this.qlen;
    const victim = this.fq_codel_drop();
    this.drop_overlimit += before - this.qlen;
    if (overMemory) this.drop_overmemory += before - this.qlen;
    // the packet just added may have been among the dropped
    return victim === flow ? NET_XMIT_CN : NET_XMIT_SUCCESS;
  }

  /** Drops from the head of the fattest flow: half its backlog, at most 64 packets. */
  fq_codel_drop(): Flow {
    let fattest: Flow | undefined;
    for (const flow of this.flows) if (flow !== undefined && (fattest === undefined || flow.backlog > fattest.backlog)) fattest = flow;
    const victim = fattest as Flow;
    const threshold = victim.backlog / 2;
    let bytes = 0;
    for (let i = 0; i < DROP_BATCH && bytes < threshold; i++) {
      const skb = this.takeFrom(victim);
      if (skb === undefined) break;
      bytes += skb.pkt_len;
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
      this.drops++;
    }
    return victim;
  }

  fq_codel_dequeue(): SkBuff | undefined {
    for (;;) {
      const fresh = this.new_flows.length > 0;
      const list = fresh ? this.new_flows : this.old_flows;
      const flow = list[0];
      if (flow === undefined) return undefined;
      if (flow.deficit <= 0) {
        flow.deficit += this.quantum;
        list.shift();
        this.old_flows.push(flow);
        continue;
      }
      const skb = this.codel_dequeue(flow);
      if (skb === undefined) {
        list.shift();
        // a new flow that emptied waits one round among the old, so that it cannot starve them
        if (fresh && this.old_flows.length > 0) this.old_flows.push(flow);
        else flow.listed = false;
        continue;
      }
      this.qdisc_bstats_update(skb);
      flow.deficit -= skb.pkt_len;
      return skb;
    }
  }

  /** CoDel on one flow: drops from its head while its packets have waited too long (RFC 8289 §5.3). */
  codel_dequeue(flow: Flow): SkBuff | undefined {
    let skb = this.takeFrom(flow);
    if (skb === undefined) {
      flow.dropping = false;
      return undefined;
    }
    const now = this.kernel.now();
    let drop = this.codel_should_drop(flow, skb, now);
    if (flow.dropping) {
      if (!drop) flow.dropping = false;
      else {
        while (flow.dropping && now >= flow.drop_next) {
          flow.count++;
          this.dropped(skb);
          skb = this.takeFrom(flow);
          if (skb === undefined || !this.codel_should_drop(flow, skb, now)) flow.dropping = false;
          else flow.drop_next += INTERVAL / Math.sqrt(flow.count);
          if (skb === undefined) return undefined;
        }
      }
    } else if (drop) {
      this.dropped(skb);
      skb = this.takeFrom(flow);
      drop = skb !== undefined && this.codel_should_drop(flow, skb, now);
      flow.dropping = true;
      const delta = flow.count - flow.lastcount;
      // resume near the rate that controlled the queue when it was last left
      flow.count = delta > 1 && now - flow.drop_next < 16 * INTERVAL ? delta : 1;
      flow.lastcount = flow.count;
      flow.drop_next = now + INTERVAL / Math.sqrt(flow.count);
    }
    return skb;
  }

  codel_should_drop(flow: Flow, skb: SkBuff, now: number): boolean {
    if (skb.pkt_len > this.maxpacket) this.maxpacket = skb.pkt_len;
    if (now - skb.cb0 < TARGET || flow.backlog <= this.dev.mtu) {
      flow.first_above_time = 0;
      return false;
    }
    if (flow.first_above_time === 0) {
      flow.first_above_time = now + INTERVAL;
      return false;
    }
    return now > flow.first_above_time;
  }

  reset(): void {
    for (const flow of this.flows) {
      if (flow === undefined) continue;
      for (let skb = flow.queue.shift(); skb !== undefined; skb = flow.queue.shift()) this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    }
    this.flows.fill(undefined);
    this.new_flows.length = 0;
    this.old_flows.length = 0;
    this.qlen = 0;
    this.backlog = 0;
    this.memory_usage = 0;
  }

  override dumpOptions(): QdiscInfo['options'] {
    return {
      limit: LIMIT,
      flows: FLOWS,
      quantum: this.quantum,
      target: TARGET / 1000,
      interval: INTERVAL / 1000,
      memory_limit: MEMORY_LIMIT,
      ecn: true,
      drop_batch: DROP_BATCH,
    };
  }
  override dumpXstats(): QdiscInfo['xstats'] {
    return {
      maxpacket: this.maxpacket,
      drop_overlimit: this.drop_overlimit,
      new_flow_count: this.new_flow_count,
      ecn_mark: this.ecn_mark,
      new_flows_len: this.new_flows.length,
      old_flows_len: this.old_flows.length,
      ce_mark: 0,
      memory_usage: this.memory_usage,
      drop_overmemory: this.drop_overmemory,
    };
  }

  private classify(skb: SkBuff): Flow {
    const hash = this.kernel.net.xmit.skb_get_hash(skb) ^ this.perturbation;
    const index = Math.floor(((Math.imul(hash, 0x9e3779b1) >>> 0) * FLOWS) / 0x100000000);
    return (this.flows[index] ??= new Flow());
  }

  private takeFrom(flow: Flow): SkBuff | undefined {
    const skb = flow.queue.shift();
    if (skb === undefined) return undefined;
    flow.backlog -= skb.pkt_len;
    this.backlog -= skb.pkt_len;
    this.memory_usage -= skb.truesize;
    this.qlen--;
    return skb;
  }

  private dropped(skb: SkBuff): void {
    this.drops++;
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
  }
}
