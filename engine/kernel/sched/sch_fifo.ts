// pfifo and bfifo: first in first out, limited by packets or bytes (Linux: net/sched/sch_fifo.c).
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { attrNumber, invalid, Qdisc, type TcAttrs } from './qdisc.ts';

/** Linux: psched_mtu() */
const pschedMtu = (q: Qdisc): number => q.dev.mtu + q.dev.hard_header_len;

export class Fifo extends Qdisc {
  private readonly queue = new SkBuffHead();
  private limit = 0;

  override init(attrs?: TcAttrs): NlResult {
    if (attrs === undefined) this.limit = this.dev.tx_queue_len * (this.kind === 'bfifo' ? pschedMtu(this) : 1);
    else this.limit = attrNumber(attrs, 'limit', 0);
    this.canBypass = this.kind === 'bfifo' ? this.limit >= pschedMtu(this) : this.limit >= 1;
    return NL_OK;
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    return attrs === undefined ? invalid() : this.init(attrs);
  }

  enqueue(skb: SkBuff): number {
    return this.kind === 'bfifo' ? this.bfifo_enqueue(skb) : this.pfifo_enqueue(skb);
  }
  bfifo_enqueue(skb: SkBuff): number {
    return this.backlog + skb.pkt_len <= this.limit ? this.qdisc_enqueue_tail(skb) : this.qdisc_drop(skb);
  }
  pfifo_enqueue(skb: SkBuff): number {
    return this.queue.qlen < this.limit ? this.qdisc_enqueue_tail(skb) : this.qdisc_drop(skb);
  }
  qdisc_enqueue_tail(skb: SkBuff): number {
    this.queue.push(skb);
    return this.qdisc_enqueued(skb);
  }
  dequeue(): SkBuff | undefined {
    const skb = this.queue.shift();
    if (skb !== undefined) this.qdisc_dequeued(skb);
    return skb;
  }
  override peek(): SkBuff | undefined {
    return this.queue.first;
  }
  reset(): void {
    this.purge(this.queue);
  }
  override dumpOptions(): TcAttrs {
    return { limit: this.limit };
  }
}
