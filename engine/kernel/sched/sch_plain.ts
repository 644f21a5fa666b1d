// Disciplines that are little more than a queue: plug holds all, skbprio keeps the important (Linux: net/sched/sch_plug.c, sch_skbprio.c).
import { NET_XMIT_CN } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { attrNumber, Qdisc, type TcAttrs } from './qdisc.ts';

/** Holds what comes until it is released; made plugged. */
export class Plug extends Qdisc {
  private readonly queue = new SkBuffHead();
  private limit = 0;

  override init(attrs?: TcAttrs): NlResult {
    this.limit = attrNumber(attrs, 'limit', this.dev.tx_queue_len * (this.dev.mtu + this.dev.hard_header_len));
    return NL_OK;
  }
  enqueue(skb: SkBuff): number {
    if (this.backlog + skb.pkt_len > this.limit) return this.qdisc_drop(skb);
    this.queue.push(skb);
    return this.qdisc_enqueued(skb);
  }
  dequeue(): undefined {
    return undefined;
  }
  reset(): void {
    this.purge(this.queue);
  }
}

const PRIORITIES = 64;

/** Highest priority first; when full, the newest of the lowest gives way. */
export class Skbprio extends Qdisc {
  private readonly queues = Array.from({ length: PRIORITIES }, () => new SkBuffHead());
  private limit = 64;

  override init(attrs?: TcAttrs): NlResult {
    this.limit = attrNumber(attrs, 'limit', this.limit);
    return NL_OK;
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    return this.init(attrs);
  }
  enqueue(skb: SkBuff): number {
    const priority = Math.min(skb.priority, PRIORITIES - 1);
    if (this.qlen < this.limit) {
      this.queues[priority].push(skb);
      return this.qdisc_enqueued(skb);
    }
    const lowest = this.queues.findIndex((q) => q.qlen > 0);
    if (lowest < 0 || priority <= lowest) return this.qdisc_drop(skb);
    const loser = this.queues[lowest].pop() as SkBuff;
    this.qlen--;
    this.backlog -= loser.pkt_len;
    this.qdisc_drop(loser);
    this.queues[priority].push(skb);
    this.qdisc_enqueued(skb);
    return NET_XMIT_CN;
  }
  dequeue(): SkBuff | undefined {
    for (let p = PRIORITIES - 1; p >= 0; p--) {
      const skb = this.queues[p].shift();
      if (skb === undefined) continue;
      this.qdisc_dequeued(skb);
      return skb;
    }
    return undefined;
  }
  reset(): void {
    for (const q of this.queues) this.purge(q);
  }
  override dumpOptions(): TcAttrs {
    return { limit: this.limit };
  }
}
