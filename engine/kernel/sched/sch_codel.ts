// codel: one queue kept short by CoDel (RFC 8289; Linux: net/sched/sch_codel.c).
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { CodelControl, type CodelHost, codelUs, CodelVars } from './codel.ts';
import { attrNumber, Qdisc, type TcAttrs } from './qdisc.ts';

export class Codel extends Qdisc implements CodelHost<undefined> {
  private readonly queue = new SkBuffHead();
  private readonly control = new CodelControl(0);
  private readonly vars = new CodelVars();
  private limit = 1000;
  private drop_overlimit = 0;

  override init(attrs?: TcAttrs): NlResult {
    if (attrs !== undefined) this.change(attrs);
    this.canBypass = this.limit >= 1;
    return NL_OK;
  }
  /** Times in microseconds. */
  override change(attrs: TcAttrs | undefined): NlResult {
    this.limit = attrNumber(attrs, 'limit', this.limit);
    this.control.change(attrs);
    let dropped = 0;
    let bytes = 0;
    while (this.qlen > this.limit) {
      const skb = this.codelTake() as SkBuff;
      dropped++;
      bytes += skb.pkt_len;
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    }
    this.qdisc_tree_reduce_backlog(dropped, bytes);
    return NL_OK;
  }

  enqueue(skb: SkBuff): number {
    if (this.qlen >= this.limit) {
      this.drop_overlimit++;
      return this.qdisc_drop(skb);
    }
    skb.cb0 = this.kernel.now();
    this.queue.push(skb);
    return this.qdisc_enqueued(skb);
  }
  codelTake(): SkBuff | undefined {
    const skb = this.queue.shift();
    if (skb === undefined) return undefined;
    this.qlen--;
    this.backlog -= skb.pkt_len;
    return skb;
  }
  codelDrop(skb: SkBuff): void {
    this.qdisc_drop(skb);
  }

  dequeue(): SkBuff | undefined {
    const { backlog, drops } = this;
    const skb = this.control.dequeue(this, undefined, this.vars);
    if (skb !== undefined) this.qdisc_bstats_update(skb);
    const dropped = this.drops - drops;
    if (dropped > 0) this.qdisc_tree_reduce_backlog(dropped, backlog - this.backlog - (skb?.pkt_len ?? 0));
    return skb;
  }

  reset(): void {
    this.purge(this.queue);
    this.vars.clear();
  }
  override dumpOptions(): TcAttrs {
    return { limit: this.limit, ...this.control.dump(), ecn: this.control.ecn };
  }
  override dumpXstats(): Readonly<Record<string, number>> {
    const { vars, control, drop_overlimit } = this;
    return {
      count: vars.count,
      lastcount: vars.lastcount,
      ldelay: codelUs(vars.ldelay),
      dropping: vars.dropping ? 1 : 0,
      drop_next: control.untilNext(vars, this.kernel.now()),
      maxpacket: control.maxpacket,
      ecn_mark: 0,
      drop_overlimit,
      ce_mark: 0,
    };
  }
}
