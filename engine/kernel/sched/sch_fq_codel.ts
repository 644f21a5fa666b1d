// fq_codel: a queue per flow, served round robin with new flows first, each kept short by CoDel (RFC 8290; Linux: net/sched/sch_fq_codel.c).
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { CodelControl, type CodelHost, CodelVars } from './codel.ts';
import { attrNumber, invalid, type QdiscInfo, Qdisc, type TcAttrs } from './qdisc.ts';

/** Defaults of RFC 8290 §5.2 and Linux: fq_codel_init() */
const FLOWS = 1024;
/** Linux: fq_codel_change() */
const FLOWS_MAX = 65_536;
const QUANTUM_MIN = 256;

/** One flow's queue and CoDel's state for it (RFC 8289 §5.2). */
class Flow {
  readonly queue = new SkBuffHead();
  readonly vars = new CodelVars();
  deficit = 0;
  backlog = 0;
  listed = false;
}

export class FqCodel extends Qdisc implements CodelHost<Flow> {
  private flows: (Flow | undefined)[] = [];
  private readonly control = new CodelControl(1);
  private limit = 10 * 1024;
  private memory_limit = 32 << 20;
  private drop_batch = 64;
  private readonly new_flows: Flow[] = [];
  private readonly old_flows: Flow[] = [];
  private quantum = 1514;
  private perturbation = 0;
  private memory_usage = 0;
  private drop_overmemory = 0;
  private drop_overlimit = 0;
  private new_flow_count = 0;

  override init(attrs?: TcAttrs): NlResult {
    this.quantum = this.dev.mtu + this.dev.hard_header_len;
    this.perturbation = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:fq_codel`).u32();
    const flows = attrNumber(attrs, 'flows', FLOWS);
    if (flows < 1 || flows > FLOWS_MAX) return invalid();
    this.flows = Array.from({ length: flows }, () => undefined);
    if (attrs !== undefined) this.change(attrs);
    this.canBypass = this.limit >= 1;
    return NL_OK;
  }
  /** Times in microseconds; the number of flows is for ever. */
  override change(attrs: TcAttrs | undefined): NlResult {
    const flows = attrNumber(attrs, 'flows', this.flows.length);
    if (flows !== this.flows.length) return invalid();
    this.control.change(attrs);
    this.limit = attrNumber(attrs, 'limit', this.limit);
    const quantum = attrNumber(attrs, 'quantum', -1);
    if (quantum >= 0) this.quantum = Math.max(QUANTUM_MIN, quantum);
    this.drop_batch = Math.max(1, attrNumber(attrs, 'drop_batch', this.drop_batch));
    this.memory_limit = attrNumber(attrs, 'memory_limit', this.memory_limit);
    const { qlen, backlog } = this;
    while (this.qlen > this.limit || this.memory_usage > this.memory_limit) {
      const skb = this.fq_codel_dequeue();
      if (skb === undefined) break;
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    }
    this.qdisc_tree_reduce_backlog(qlen - this.qlen, backlog - this.backlog);
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
    const overMemory = this.memory_usage > this.memory_limit;
    if (this.qlen <= this.limit && !overMemory) return NET_XMIT_SUCCESS;
    const before = this.qlen;
    const victim = this.fq_codel_drop();
    this.drop_overlimit += before - this.qlen;
    if (overMemory) this.drop_overmemory += before - this.qlen;
    // the packet just added may have been among the dropped
    return victim === flow ? NET_XMIT_CN : NET_XMIT_SUCCESS;
  }

  /** Drops from the head of the fattest flow: half its backlog, at most a batch of packets. */
  fq_codel_drop(): Flow {
    let fattest: Flow | undefined;
    for (const flow of this.flows) if (flow !== undefined && (fattest === undefined || flow.backlog > fattest.backlog)) fattest = flow;
    const victim = fattest as Flow;
    const threshold = victim.backlog / 2;
    let bytes = 0;
    for (let i = 0; i < this.drop_batch && bytes < threshold; i++) {
      const skb = this.codelTake(victim);
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
      const skb = this.control.dequeue(this, flow, flow.vars);
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
      limit: this.limit,
      flows: this.flows.length,
      quantum: this.quantum,
      ...this.control.dump(),
      memory_limit: this.memory_limit,
      ecn: this.control.ecn,
      drop_batch: this.drop_batch,
    };
  }
  override dumpXstats(): QdiscInfo['xstats'] {
    return {
      maxpacket: this.control.maxpacket,
      drop_overlimit: this.drop_overlimit,
      new_flow_count: this.new_flow_count,
      ecn_mark: 0,
      new_flows_len: this.new_flows.length,
      old_flows_len: this.old_flows.length,
      ce_mark: 0,
      memory_usage: this.memory_usage,
      drop_overmemory: this.drop_overmemory,
    };
  }

  private classify(skb: SkBuff): Flow {
    const hash = this.kernel.net.xmit.skb_get_hash(skb) ^ this.perturbation;
    const index = Math.floor(((Math.imul(hash, 0x9e3779b1) >>> 0) * this.flows.length) / 0x100000000);
    return (this.flows[index] ??= new Flow());
  }

  codelTake(flow: Flow): SkBuff | undefined {
    const skb = flow.queue.shift();
    if (skb === undefined) return undefined;
    flow.backlog -= skb.pkt_len;
    this.backlog -= skb.pkt_len;
    this.memory_usage -= skb.truesize;
    this.qlen--;
    return skb;
  }

  codelDrop(skb: SkBuff): void {
    this.drops++;
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
  }
}
