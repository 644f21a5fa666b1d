// tbf: a token bucket, and a second one for the peak rate (Linux: net/sched/sch_tbf.c).
import { NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import type { SkBuff } from '../skbuff.ts';
import { attrNumber, invalid, Qdisc, type TcAttrs, type TclassInfo, TC_H_MAKE, TC_H_MIN } from './qdisc.ts';
import { QdiscWatchdog } from './qdisc_watchdog.ts';

/** Nanoseconds that `length` bytes take at `rate` bytes per second, `overhead` added to each packet (Linux: psched_l2t_ns()). */
export const lengthToNs = (rate: number, length: number, overhead = 0): number => Math.floor(((length + overhead) * 1e9) / rate);

export class Tbf extends Qdisc {
  private limit = 0;
  private rate = 0;
  private peakrate = 0;
  private overhead = 0;
  private max_size = 0;
  /** Bucket sizes and fill, in nanoseconds at the rate. */
  private buffer = 0;
  private mtu = 0;
  private tokens = 0;
  private ptokens = 0;
  /** Time of the last fill. */
  private t_c = 0;
  private child_!: Qdisc;
  private readonly watchdog = new QdiscWatchdog(this);
  override classful = true;

  override init(attrs?: TcAttrs): NlResult {
    this.child_ = this.kernel.sched.noopUnder(this);
    if (attrs === undefined) return invalid();
    this.t_c = this.kernel.now();
    return this.change(attrs);
  }

  /** `burst` and `mtu` are times in 64 ns ticks' nanoseconds, `burst_bytes` and `mtu_bytes` what they came from. */
  override change(attrs: TcAttrs | undefined): NlResult {
    const rate = attrNumber(attrs, 'rate', 0);
    if (rate <= 0) return invalid();
    const peakrate = attrNumber(attrs, 'peakrate', 0);
    const burst = attrNumber(attrs, 'burst', 0);
    const mtu = attrNumber(attrs, 'mtu', 0);
    let max = burst;
    if (peakrate > 0) {
      if (peakrate <= rate) return invalid();
      max = Math.min(max, mtu);
    }
    if (max <= 0) return invalid();
    const limit = attrNumber(attrs, 'limit', 0);
    if (this.child_.kind !== 'noop') this.child_.change({ limit });
    else if (limit > 0) {
      const q = this.kernel.sched.childDefault(this, 'bfifo', TC_H_MAKE(this.handle, 1), { limit });
      this.child_ = q;
    }
    this.limit = limit;
    this.rate = rate;
    this.peakrate = peakrate;
    this.overhead = attrNumber(attrs, 'overhead', 0);
    this.max_size = max;
    this.buffer = lengthToNs(rate, burst, this.overhead);
    this.tokens = this.buffer;
    this.mtu = peakrate > 0 ? lengthToNs(peakrate, mtu, this.overhead) : 0;
    this.ptokens = this.mtu;
    return NL_OK;
  }

  enqueue(skb: SkBuff): number {
    return this.tbf_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.tbf_dequeue();
  }

  tbf_enqueue(skb: SkBuff): number {
    const { pkt_len } = skb;
    if (pkt_len > this.max_size) {
      if (this.kernel.skb.skb_is_gso(skb) && skb.pkt_segs > 1) return this.tbf_segment(skb);
      return this.qdisc_drop(skb);
    }
    const rc = this.child_.enqueue(skb);
    if (rc !== NET_XMIT_SUCCESS) {
      this.drops++;
      return rc;
    }
    this.backlog += pkt_len;
    this.qlen++;
    return NET_XMIT_SUCCESS;
  }

  /** A GSO packet that could never pass: its segments go in one by one. */
  tbf_segment(skb: SkBuff): number {
    let segment = this.kernel.gso.skb_gso_segment(skb, this.dev.hwSg, this.dev.hwCsum);
    if (segment === undefined) return this.qdisc_drop(skb);
    this.kernel.skb.consume_skb(skb);
    let taken = 0;
    while (segment !== undefined) {
      const next: SkBuff | undefined = segment.next;
      segment.next = undefined;
      segment.pkt_len = segment.len;
      segment.pkt_segs = 1;
      segment.queue_mapping = skb.queue_mapping;
      const { pkt_len } = segment;
      if (this.child_.enqueue(segment) === NET_XMIT_SUCCESS) {
        taken++;
        this.qlen++;
        this.backlog += pkt_len;
      } else this.drops++;
      segment = next;
    }
    return taken > 0 ? NET_XMIT_SUCCESS : 1;
  }

  tbf_dequeue(): SkBuff | undefined {
    const head = this.child_.peek();
    if (head === undefined) return undefined;
    const now = this.kernel.now();
    let toks = Math.min(now - this.t_c, this.buffer);
    let ptoks = 0;
    if (this.peakrate > 0) {
      ptoks = Math.min(toks + this.ptokens, this.mtu) - lengthToNs(this.peakrate, head.pkt_len, this.overhead);
    }
    toks = Math.min(toks + this.tokens, this.buffer) - lengthToNs(this.rate, head.pkt_len, this.overhead);
    if (toks < 0 || ptoks < 0) {
      this.watchdog.qdisc_watchdog_schedule_ns(now + Math.max(-toks, -ptoks));
      this.overlimits++;
      return undefined;
    }
    const skb = this.child_.qdisc_dequeue_peeked();
    if (skb === undefined) return undefined;
    this.t_c = now;
    this.tokens = toks;
    this.ptokens = ptoks;
    this.qdisc_dequeued(skb);
    return skb;
  }

  reset(): void {
    this.kernel.sched.qdisc_reset(this.child_);
    this.t_c = this.kernel.now();
    this.tokens = this.buffer;
    this.ptokens = this.mtu;
    this.watchdog.qdisc_watchdog_cancel();
  }
  override destroy(): void {
    this.watchdog.qdisc_watchdog_cancel();
    this.kernel.sched.qdisc_put(this.child_);
  }
  override dumpOptions(): TcAttrs {
    const { limit, rate, peakrate, overhead } = this;
    const bytes = (ns: number, at: number): number => Math.max(0, Math.round((ns * at) / 1e9) - overhead);
    return { limit, rate, peakrate, overhead, burst: bytes(this.buffer, rate), mtu: peakrate > 0 ? bytes(this.mtu, peakrate) : 0 };
  }

  override cl_find(classid: number): boolean {
    return TC_H_MIN(classid) === 1;
  }
  override cl_leaf(): Qdisc {
    return this.child_;
  }
  override cl_graft(classid: number, child: Qdisc | undefined): Qdisc | undefined {
    const old = this.child_;
    this.child_ = child ?? this.kernel.sched.noopUnder(this);
    this.child_.upper = this;
    this.child_.parent = TC_H_MAKE(this.handle, TC_H_MIN(classid));
    this.kernel.sched.qdisc_purge_queue(old);
    return old;
  }
  override cl_walk(): readonly TclassInfo[] {
    const handle = TC_H_MAKE(this.handle, 1);
    return [{ kind: this.kind, handle, parent: this.handle, leaf: this.child_.handle, options: undefined, stats: {}, xstats: undefined }];
  }
}
