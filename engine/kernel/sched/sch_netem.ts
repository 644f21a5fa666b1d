// netem: delay, loss, duplication, corruption, reordering and a rate, by chance (Linux: net/sched/sch_netem.c).
import { NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skbuff.ts';
import { skb_headlen } from '../skb_inline.ts';
import type { RandomStream } from '../../sim/random.ts';
import { attrNumber, invalid, Qdisc, type TcAttrs, type TclassInfo, TC_H_MAKE } from './qdisc.ts';
import { QdiscWatchdog } from './qdisc_watchdog.ts';

const ALL = 0xffffffff;
/** Parameters that an update leaves as they are unless it names them. */
const KEPT = [
  'delay_corr',
  'loss_corr',
  'dup_corr',
  'reorder',
  'reorder_corr',
  'corrupt',
  'corrupt_corr',
  'rate',
  'packet_overhead',
  'cell_size',
  'cell_overhead',
  'ecn',
] as const;
/** Parameters that every request carries. */
const SENT = ['latency', 'jitter', 'limit', 'loss', 'gap', 'duplicate'] as const;

type Parameter = (typeof KEPT)[number] | (typeof SENT)[number];
const zeroParameters = (): Record<Parameter, number> =>
  Object.fromEntries([...KEPT, ...SENT].map((k) => [k, 0])) as Record<Parameter, number>;

/** Standard deviations of a packet's delay, by shape; the tables of tc are made of the same functions. */
function deviate(shape: string, random: RandomStream): number {
  const uniform = (): number => (random.u32() + 1) / 0x100000001;
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  // a Pareto of shape 3 has mean 3/2 and variance 3/4
  const pareto = (): number => (uniform() ** (-1 / 3) - 1.5) / Math.sqrt(0.75);
  if (shape === 'normal') return Math.max(-4, Math.min(4, normal()));
  if (shape === 'pareto') return Math.min(4, pareto());
  return Math.min(4, 0.25 * normal() + 0.75 * pareto());
}

export class Netem extends Qdisc {
  private readonly p = zeroParameters();
  private distribution = '';
  /** Loss by a chain of states (4-state) or two (Gilbert-Elliot); empty: independent. */
  private model: '' | 'state' | 'gemodel' = '';
  private modelArgs: readonly number[] = [];
  private modelState = 1;
  /** Last draws, for correlation: delay, loss, dup, reorder, corrupt. */
  private readonly last = new Uint32Array(5);
  private counter = 0;
  /** Held packets by time to send, equal times in order of arrival; the time is cb0. */
  private readonly t: SkBuff[] = [];
  private lastSend = 0;
  private child_: Qdisc | undefined;
  private random!: RandomStream;
  private readonly watchdog = new QdiscWatchdog(this);
  override classful = true;

  override init(attrs?: TcAttrs): NlResult {
    if (attrs === undefined) return invalid();
    const { sim, machine } = this.kernel.platform;
    this.random = sim.random(`${machine}:netem`);
    this.modelState = 1;
    return this.change(attrs);
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    if (attrs === undefined) return invalid();
    for (const key of SENT) this.p[key] = attrNumber(attrs, key, 0);
    if (this.p.gap > 0) this.p.reorder = ALL;
    for (const key of KEPT) this.p[key] = attrNumber(attrs, key, this.p[key]);
    const { distribution, loss_model: model, loss_args: args } = attrs;
    if (typeof distribution === 'string') this.distribution = distribution === 'uniform' ? '' : distribution;
    this.model = model === 'state' || model === 'gemodel' ? model : '';
    if (Array.isArray(args)) {
      this.modelArgs = args;
      this.modelState = 1;
    }
    return NL_OK;
  }

  enqueue(skb: SkBuff): number {
    return this.netem_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.netem_dequeue();
  }

  /** A draw that depends on the last one by `rho` of 2^32. */
  private get_crandom(slot: number, rho: number): number {
    if (rho === 0) return this.random.u32();
    const share = (rho + 1) / 0x100000000;
    const value = Math.floor(this.random.u32() * (1 - share) + this.last[slot] * share) >>> 0;
    this.last[slot] = value;
    return value;
  }

  /** Loss by a Markov chain (Linux: loss_4state(), loss_gilb_ell()). */
  private lossByModel(): boolean {
    const draw = this.random.u32();
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = this.modelArgs;
    if (this.model === 'gemodel') {
      // p, r, h, k1: 1 good, 2 bad
      if (this.modelState === 1) {
        if (draw < a) this.modelState = 2;
        return this.random.u32() < d;
      }
      if (draw < b) this.modelState = 1;
      return this.random.u32() > c;
    }
    // p13, p31, p32, p14, p23: 1 transmit in a gap, 2 transmit in a burst, 3 lost in a burst, 4 lost in a gap
    switch (this.modelState) {
      case 1:
        if (draw < d) {
          this.modelState = 4;
          return true;
        }
        if (draw < a + d) {
          this.modelState = 3;
          return true;
        }
        return false;
      case 2:
        if (draw >= e) return false;
        this.modelState = 3;
        return true;
      case 3:
        if (draw < c) this.modelState = 2;
        else if (draw < b + c) this.modelState = 1;
        else return true;
        return false;
      default:
        this.modelState = 1;
        return false;
    }
  }
  private loss_event(): boolean {
    if (this.model !== '') return this.lossByModel();
    return this.p.loss !== 0 && this.p.loss >= this.get_crandom(1, this.p.loss_corr);
  }

  netem_enqueue(first: SkBuff): number {
    let skb = first;
    const { p } = this;
    let count = 1;
    if (p.duplicate !== 0 && p.duplicate >= this.get_crandom(2, p.dup_corr)) count++;
    if (this.loss_event()) count--;
    if (count === 0) {
      this.drops++;
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
      return NET_XMIT_SUCCESS;
    }
    if (count > 1) {
      const copy = this.kernel.skb.skb_clone(skb);
      const root = this.top;
      if (copy !== undefined) {
        copy.pkt_len = skb.pkt_len;
        copy.pkt_segs = skb.pkt_segs;
        copy.queue_mapping = skb.queue_mapping;
        const { duplicate } = p;
        // the copy goes in at the top, and is not doubled again
        p.duplicate = 0;
        root.enqueue(copy);
        p.duplicate = duplicate;
      }
    }
    if (p.corrupt !== 0 && p.corrupt >= this.get_crandom(4, p.corrupt_corr)) {
      const damaged = this.corrupt(skb);
      if (damaged === undefined) return this.qdisc_drop(skb);
      skb = damaged;
    }
    if (this.t.length >= p.limit) return this.qdisc_drop(skb);
    this.backlog += skb.pkt_len;
    this.qlen++;
    const now = this.kernel.now();
    if (p.gap === 0 || this.counter < p.gap - 1 || p.reorder < this.get_crandom(3, p.reorder_corr)) {
      let delay = this.tabledist();
      let from: number = now;
      if (p.rate > 0) {
        // the last packet's end is the start of this one
        const last = this.t.length > 0 ? this.t[this.t.length - 1].cb0 : this.lastSend > now ? this.lastSend : undefined;
        if (last !== undefined) {
          delay = Math.max(0, delay - (last - now));
          from = last;
        }
        delay += this.packet_time_ns(skb.pkt_len);
      }
      skb.cb0 = from + delay;
      this.counter++;
      this.tfifo_enqueue(skb);
    } else {
      skb.cb0 = now;
      this.counter = 0;
      this.t.unshift(skb);
      this.requeues++;
    }
    return NET_XMIT_SUCCESS;
  }

  private tfifo_enqueue(skb: SkBuff): void {
    let at = this.t.length;
    while (at > 0 && this.t[at - 1].cb0 > skb.cb0) at--;
    this.t.splice(at, 0, skb);
  }

  /** Flips one bit of a private copy. */
  private corrupt(skb: SkBuff): SkBuff | undefined {
    const { skb: skbs, platform } = this.kernel;
    if (skbs.skb_unclone(skb) !== 0 || (skb.ip_summed === CHECKSUM_PARTIAL && skbs.skb_checksum_help(skb) !== 0)) return undefined;
    const at = skb.data + this.random.below(skb_headlen(skb));
    platform.ram.setU8(at, platform.ram.u8(at) ^ (1 << this.random.below(8)));
    return skb;
  }

  /** The delay of one packet, around `latency` by `jitter`. */
  private tabledist(): number {
    const { latency, jitter, delay_corr } = this.p;
    if (jitter === 0) return latency;
    const draw = this.get_crandom(0, delay_corr);
    if (this.distribution === '') return Math.max(0, latency + (draw % (2 * jitter)) - jitter);
    return Math.max(0, Math.round(latency + jitter * deviate(this.distribution, this.random)));
  }

  private packet_time_ns(length: number): number {
    const { rate, packet_overhead, cell_size, cell_overhead } = this.p;
    let bytes = length + packet_overhead;
    if (cell_size > 0) bytes = Math.ceil(bytes / cell_size) * (cell_size + cell_overhead);
    return Math.floor((bytes * 1e9) / rate);
  }

  netem_dequeue(): SkBuff | undefined {
    for (;;) {
      const now = this.kernel.now();
      const first = this.t[0];
      if (first !== undefined && first.cb0 <= now) {
        this.t.shift();
        this.qlen--;
        this.backlog -= first.pkt_len;
        this.lastSend = first.cb0;
        if (this.child_ === undefined) {
          this.qdisc_bstats_update(first);
          return first;
        }
        const { pkt_len } = first;
        if (this.child_.enqueue(first) === NET_XMIT_SUCCESS) {
          this.qlen++;
          this.backlog += pkt_len;
        } else {
          this.drops++;
          this.qdisc_tree_reduce_backlog(1, pkt_len);
        }
        continue;
      }
      const skb = this.child_?.dequeue();
      if (skb !== undefined) {
        this.qdisc_dequeued(skb);
        return skb;
      }
      if (first !== undefined) this.watchdog.qdisc_watchdog_schedule_ns(first.cb0);
      return undefined;
    }
  }

  reset(): void {
    for (const skb of this.t) this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    this.t.length = 0;
    if (this.child_ !== undefined) this.kernel.sched.qdisc_reset(this.child_);
    this.watchdog.qdisc_watchdog_cancel();
  }
  override destroy(): void {
    this.watchdog.qdisc_watchdog_cancel();
    if (this.child_ !== undefined) this.kernel.sched.qdisc_put(this.child_);
  }
  override dumpOptions(): TcAttrs {
    const model = this.model === '' ? {} : { loss_model: this.model, loss_args: this.modelArgs };
    return { ...this.p, ...model };
  }

  override cl_find(classid: number): boolean {
    return (classid & 0xffff) === 1;
  }
  override cl_leaf(): Qdisc | undefined {
    return this.child_;
  }
  override cl_graft(_classid: number, child: Qdisc | undefined): Qdisc | undefined {
    const old = this.child_;
    this.child_ = child;
    if (child !== undefined) {
      child.upper = this;
      child.parent = TC_H_MAKE(this.handle, 1);
    }
    if (old !== undefined) this.kernel.sched.qdisc_purge_queue(old);
    return old;
  }
  override cl_walk(): readonly TclassInfo[] {
    if (this.child_ === undefined) return [];
    const handle = TC_H_MAKE(this.handle, 1);
    return [{ kind: this.kind, handle, parent: this.handle, leaf: this.child_.handle, options: undefined, stats: {}, xstats: undefined }];
  }
}
