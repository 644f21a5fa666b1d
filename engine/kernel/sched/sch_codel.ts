// codel: one queue kept short by CoDel (RFC 8289; Linux: net/sched/sch_codel.c).
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { attrNumber, Qdisc, type TcAttrs } from './qdisc.ts';

/** CoDel's clock counts 1024 ns (Linux: CODEL_SHIFT). */
export const codelTime = (ns: number): number => Math.floor(ns / 1024);
/** Microseconds of a codel time. */
export const codelUs = (t: number): number => Math.floor((t * 1024) / 1000);

export class Codel extends Qdisc {
  private readonly queue = new SkBuffHead();
  private limit = 1000;
  private target = codelTime(5_000_000);
  private interval = codelTime(100_000_000);
  private ecn = 0;
  private ce_threshold = -1;
  private count = 0;
  private lastcount = 0;
  private dropping = false;
  private ldelay = 0;
  private first_above_time = 0;
  private drop_next = 0;
  private maxpacket = 0;
  private drop_overlimit = 0;

  override init(attrs?: TcAttrs): NlResult {
    if (attrs !== undefined) this.change(attrs);
    this.canBypass = this.limit >= 1;
    return NL_OK;
  }
  /** Times in microseconds. */
  override change(attrs: TcAttrs | undefined): NlResult {
    this.limit = attrNumber(attrs, 'limit', this.limit);
    const target = attrNumber(attrs, 'target', -1);
    if (target >= 0) this.target = codelTime(target * 1000);
    const interval = attrNumber(attrs, 'interval', -1);
    if (interval >= 0) this.interval = codelTime(interval * 1000);
    const threshold = attrNumber(attrs, 'ce_threshold', -1);
    if (threshold >= 0) this.ce_threshold = codelTime(threshold * 1000);
    this.ecn = attrNumber(attrs, 'ecn', this.ecn);
    let dropped = 0;
    let bytes = 0;
    while (this.qlen > this.limit) {
      const skb = this.take() as SkBuff;
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
  private take(): SkBuff | undefined {
    const skb = this.queue.shift();
    if (skb === undefined) return undefined;
    this.qlen--;
    this.backlog -= skb.pkt_len;
    return skb;
  }

  dequeue(): SkBuff | undefined {
    const { qlen, backlog, drops } = this;
    const skb = this.codel_dequeue();
    if (skb !== undefined) this.qdisc_bstats_update(skb);
    const dropped = this.drops - drops;
    if (dropped > 0) this.qdisc_tree_reduce_backlog(dropped, backlog - this.backlog - (skb?.pkt_len ?? 0));
    return qlen === 0 ? undefined : skb;
  }

  /** RFC 8289 §5.3 */
  codel_dequeue(): SkBuff | undefined {
    let skb = this.take();
    if (skb === undefined) {
      this.dropping = false;
      return undefined;
    }
    const now = codelTime(this.kernel.now());
    let drop = this.codel_should_drop(skb, now);
    if (this.dropping) {
      if (!drop) this.dropping = false;
      while (this.dropping && now >= this.drop_next) {
        this.count++;
        this.qdisc_drop(skb as SkBuff);
        skb = this.take();
        if (skb === undefined || !this.codel_should_drop(skb, now)) this.dropping = false;
        else this.drop_next = this.codel_control_law(this.drop_next);
      }
    } else if (drop) {
      this.qdisc_drop(skb);
      skb = this.take();
      drop = skb !== undefined && this.codel_should_drop(skb, now);
      this.dropping = true;
      const delta = this.count - this.lastcount;
      this.count = delta > 1 && now - this.drop_next < 16 * this.interval ? delta : 1;
      this.lastcount = this.count;
      this.drop_next = this.codel_control_law(now);
    }
    return skb;
  }
  private codel_control_law(t: number): number {
    return t + this.interval / Math.sqrt(this.count);
  }
  codel_should_drop(skb: SkBuff, now: number): boolean {
    this.ldelay = now - codelTime(skb.cb0);
    if (skb.pkt_len > this.maxpacket) this.maxpacket = skb.pkt_len;
    if (this.ldelay < this.target || this.backlog <= this.dev.mtu + this.dev.hard_header_len) {
      this.first_above_time = 0;
      return false;
    }
    if (this.first_above_time === 0) {
      this.first_above_time = now + this.interval;
      return false;
    }
    return now > this.first_above_time;
  }

  reset(): void {
    this.purge(this.queue);
    this.count = this.lastcount = this.ldelay = this.first_above_time = this.drop_next = 0;
    this.dropping = false;
  }
  override dumpOptions(): TcAttrs {
    const threshold = this.ce_threshold < 0 ? {} : { ce_threshold: codelUs(this.ce_threshold) };
    return { limit: this.limit, target: codelUs(this.target), interval: codelUs(this.interval), ...threshold, ecn: this.ecn };
  }
  override dumpXstats(): Readonly<Record<string, number>> {
    const { count, lastcount, maxpacket, drop_overlimit } = this;
    const now = codelTime(this.kernel.now());
    const drop_next = this.dropping ? codelUs(Math.abs(this.drop_next - now)) : 0;
    return {
      count,
      lastcount,
      ldelay: codelUs(this.ldelay),
      dropping: this.dropping ? 1 : 0,
      drop_next,
      maxpacket,
      ecn_mark: 0,
      drop_overlimit,
      ce_mark: 0,
    };
  }
}
