// prio and multiq: a child per band, served in strict order or in turn (Linux: net/sched/sch_prio.c, sch_multiq.c).
import { Errno } from '../../base/errno.ts';
import { NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import type { SkBuff } from '../skbuff.ts';
import { attrNumber, invalid, Qdisc, type TcAttrs, type TclassInfo, TC_H_MAKE, TC_H_MIN } from './qdisc.ts';
import { TC_ACT, TcfBlock } from './tcf.ts';

const MAX_BANDS = 16;
const PRIORITIES = 16;

/** A qdisc of numbered bands, each a class with one child. */
abstract class Bands extends Qdisc {
  protected readonly queues: Qdisc[] = [];
  protected readonly filters = new TcfBlock();
  override classful = true;

  /** Adds or removes children; each new one is a pfifo, unseen. */
  protected resize(bands: number): void {
    while (this.queues.length > bands) {
      const old = this.queues.pop() as Qdisc;
      old.qdisc_tree_reduce_backlog(old.qlen, old.backlog);
      this.kernel.sched.qdisc_put(old);
    }
    while (this.queues.length < bands) {
      const child = this.kernel.sched.childDefault(this, 'pfifo', TC_H_MAKE(this.handle, this.queues.length + 1));
      this.queues.push(child);
    }
  }
  /** The band of a packet; undefined: a filter dropped it. */
  protected abstract band(skb: SkBuff): Qdisc | undefined;

  /** By filters and the packet's priority, which may name a class of this qdisc. */
  protected filtered(skb: SkBuff): number | undefined {
    const result = { classid: 0 };
    const verdict = this.filters.protos.length === 0 ? TC_ACT.UNSPEC : this.filters.tcf_classify(skb, result);
    if (verdict === TC_ACT.SHOT || verdict === TC_ACT.STOLEN || verdict === TC_ACT.QUEUED) return undefined;
    return verdict < 0 ? -1 : TC_H_MIN(result.classid) - 1;
  }

  enqueue(skb: SkBuff): number {
    const child = this.band(skb);
    if (child === undefined) return this.qdisc_drop(skb);
    const { pkt_len } = skb;
    const rc = child.enqueue(skb);
    if (rc === NET_XMIT_SUCCESS) {
      this.backlog += pkt_len;
      this.qlen++;
    } else this.drops++;
    return rc;
  }
  protected took(skb: SkBuff): SkBuff {
    this.qdisc_dequeued(skb);
    return skb;
  }
  reset(): void {
    for (const q of this.queues) this.kernel.sched.qdisc_reset(q);
  }
  override destroy(): void {
    for (const q of this.queues) this.kernel.sched.qdisc_put(q);
  }

  override cl_find(classid: number): boolean {
    return TC_H_MIN(classid) >= 1 && TC_H_MIN(classid) <= this.queues.length;
  }
  override cl_leaf(classid: number): Qdisc | undefined {
    return this.queues[TC_H_MIN(classid) - 1];
  }
  override cl_graft(classid: number, child: Qdisc | undefined): Qdisc | undefined {
    const band = TC_H_MIN(classid) - 1;
    const next = child ?? this.kernel.sched.childDefault(this, 'pfifo', classid);
    return this.kernel.sched.qdisc_replace(this, this.queues, band, next);
  }
  override cl_walk(): readonly TclassInfo[] {
    return this.queues.map((q, i) => ({
      kind: this.kind,
      handle: TC_H_MAKE(this.handle, i + 1),
      parent: this.handle,
      leaf: q.handle,
      options: undefined,
      stats: q.dumpStats(),
      xstats: undefined,
    }));
  }
  override tcf_block(classid: number): TcfBlock | undefined {
    return TC_H_MIN(classid) === 0 ? this.filters : undefined;
  }
}

/** Strict priority between bands. */
export class Prio extends Bands {
  private prio2band: readonly number[] = [];

  override init(attrs?: TcAttrs): NlResult {
    return attrs === undefined ? invalid() : this.change(attrs);
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    const bands = attrNumber(attrs, 'bands', 0);
    const map = attrs?.['priomap'];
    if (bands > MAX_BANDS || bands < 2 || !Array.isArray(map) || map.some((b) => b >= bands)) return invalid();
    this.prio2band = Object.freeze(map.slice(0, PRIORITIES));
    this.resize(bands);
    return NL_OK;
  }
  protected band(skb: SkBuff): Qdisc | undefined {
    let band = -1;
    if (this.handle >>> 16 === skb.priority >>> 16 && skb.priority >= 0x10000) band = TC_H_MIN(skb.priority) - 1;
    else {
      const chosen = this.filtered(skb);
      if (chosen === undefined) return undefined;
      band = chosen >= 0 ? chosen : this.prio2band[skb.priority & (PRIORITIES - 1)];
    }
    return this.queues[band] ?? this.queues[this.prio2band[0]];
  }
  dequeue(): SkBuff | undefined {
    for (let i = 0; i < this.queues.length; i++) {
      const skb = this.queues[i].qdisc_dequeue_peeked();
      if (skb !== undefined) return this.took(skb);
    }
    return undefined;
  }
  override peek(): SkBuff | undefined {
    for (let i = 0; i < this.queues.length; i++) {
      const skb = this.queues[i].peek();
      if (skb !== undefined) return skb;
    }
    return undefined;
  }
  override dumpOptions(): TcAttrs {
    return { bands: this.queues.length, priomap: this.prio2band };
  }
}

/** A band per transmit queue, served in turn, none while its queue is stopped. */
export class Multiq extends Bands {
  private current = 0;

  override init(attrs?: TcAttrs): NlResult {
    return attrs === undefined ? invalid() : this.change();
  }
  override change(): NlResult {
    if (this.dev.num_tx_queues === 1) return { errno: -Errno.EOPNOTSUPP };
    this.resize(this.dev.real_num_tx_queues);
    return NL_OK;
  }
  protected band(skb: SkBuff): Qdisc | undefined {
    return this.filtered(skb) === undefined ? undefined : (this.queues[skb.queue_mapping] ?? this.queues[0]);
  }
  dequeue(): SkBuff | undefined {
    for (let n = 0; n < this.queues.length; n++) {
      this.current = (this.current + 1) % this.queues.length;
      const txq = this.dev.queues[this.current];
      if (txq.drvXoff || txq.stackXoff) continue;
      const skb = this.queues[this.current].dequeue();
      if (skb !== undefined) return this.took(skb);
    }
    return undefined;
  }
  override dumpOptions(): TcAttrs {
    return { bands: this.queues.length, max_bands: this.dev.num_tx_queues };
  }
}
