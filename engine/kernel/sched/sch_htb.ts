// htb: classes with a guaranteed rate that lend to and borrow from their kin up to a ceiling (Linux: net/sched/sch_htb.c).
import { Errno } from '../../base/errno.ts';
import { NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { attrNumber, invalid, Qdisc, TC_H_MAKE, TC_H_ROOT, type TcAttrs, type TclassInfo, type TclassRequest } from './qdisc.ts';
import { QdiscWatchdog } from './qdisc_watchdog.ts';
import { lengthToNs } from './sch_tbf.ts';
import { TC_ACT, TcfBlock } from './tcf.ts';

const MAX_PRIO = 8;
/** The longest time a bucket fills: 60 s (Linux: mbuffer). */
const MAX_FILL = 60e9;
/** May send; may borrow; may not. */
type Mode = 'can_send' | 'may_borrow' | 'cant_send';

class HtbClass {
  rate = 0;
  ceil = 0;
  overhead = 0;
  prio = 0;
  quantum = 0;
  /** Bucket sizes and fill in nanoseconds. */
  buffer = 0;
  cbuffer = 0;
  tokens = 0;
  ctokens = 0;
  t_c = 0;
  deficit = 0;
  lends = 0;
  borrows = 0;
  overlimits = 0;
  drops = 0;
  bytes = 0;
  packets = 0;
  readonly children: HtbClass[] = [];
  constructor(
    readonly classid: number,
    readonly parent: HtbClass | undefined,
    /** Only a leaf has one. */
    public leaf: Qdisc | undefined,
  ) {}
  get level(): number {
    return this.children.reduce((l, c) => Math.max(l, c.level + 1), 0);
  }
}

export class Htb extends Qdisc {
  private defcls = 0;
  private rate2quantum = 10;
  private direct_qlen = 0;
  private direct_pkts = 0;
  private readonly direct = new SkBuffHead();
  private readonly classes = new Map<number, HtbClass>();
  /** Leaves with packets, in order of service. */
  private readonly active: HtbClass[] = [];
  private readonly filters = new TcfBlock();
  private readonly watchdog = new QdiscWatchdog(this);
  override classful = true;

  override init(attrs?: TcAttrs): NlResult {
    if (attrs === undefined) return invalid();
    this.defcls = attrNumber(attrs, 'default', 0);
    this.rate2quantum = Math.max(1, attrNumber(attrs, 'r2q', 10));
    this.direct_qlen = attrNumber(attrs, 'direct_qlen', this.dev.tx_queue_len);
    return NL_OK;
  }

  /** The leaf of a packet; 'direct': past all classes; undefined: dropped by a filter. */
  private htb_classify(skb: SkBuff): HtbClass | 'direct' | undefined {
    if (skb.priority === this.handle) return 'direct';
    let cl = skb.priority >= 0x10000 ? this.classes.get(skb.priority) : undefined;
    if (cl?.leaf !== undefined) return cl;
    const result = { classid: 0 };
    const verdict = this.filters.protos.length === 0 ? TC_ACT.UNSPEC : this.filters.tcf_classify(skb, result);
    if (verdict === TC_ACT.SHOT || verdict === TC_ACT.STOLEN || verdict === TC_ACT.QUEUED) return undefined;
    if (verdict >= 0) {
      if (result.classid === this.handle) return 'direct';
      cl = this.classes.get(result.classid);
      if (cl?.leaf !== undefined) return cl;
    }
    cl = this.classes.get(TC_H_MAKE(this.handle, this.defcls));
    return cl?.leaf === undefined ? 'direct' : cl;
  }

  enqueue(skb: SkBuff): number {
    return this.htb_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.htb_dequeue();
  }

  htb_enqueue(skb: SkBuff): number {
    const cl = this.htb_classify(skb);
    if (cl === undefined) return this.qdisc_drop(skb);
    if (cl === 'direct') {
      if (this.direct.qlen >= this.direct_qlen) return this.qdisc_drop(skb);
      this.direct.push(skb);
      this.direct_pkts++;
      return this.qdisc_enqueued(skb);
    }
    const { pkt_len } = skb;
    const rc = (cl.leaf as Qdisc).enqueue(skb);
    if (rc !== NET_XMIT_SUCCESS) {
      this.drops++;
      cl.drops++;
      return rc;
    }
    if (!this.active.includes(cl)) this.active.push(cl);
    this.qlen++;
    this.backlog += pkt_len;
    return NET_XMIT_SUCCESS;
  }

  /** Fills a class's buckets up to now and says what it may do. `wait`: nanoseconds until it may do more. */
  private refresh(cl: HtbClass, now: number): Mode {
    const passed = Math.min(now - cl.t_c, MAX_FILL);
    if (Math.min(cl.ctokens + passed, cl.cbuffer) < 0) return 'cant_send';
    return Math.min(cl.tokens + passed, cl.buffer) >= 0 ? 'can_send' : 'may_borrow';
  }
  /** The class that pays for `leaf`: itself or the nearest ancestor with tokens, while nobody on the way is at its ceiling. */
  private lender(leaf: HtbClass, now: number): HtbClass | undefined {
    for (let cl: HtbClass | undefined = leaf; cl !== undefined; cl = cl.parent) {
      const mode = this.refresh(cl, now);
      if (mode === 'can_send') return cl;
      if (mode === 'cant_send') return undefined;
    }
    return undefined;
  }
  private htb_charge_class(leaf: HtbClass, lender: HtbClass, skb: SkBuff, now: number): void {
    let below = true;
    for (let cl: HtbClass | undefined = leaf; cl !== undefined; cl = cl.parent) {
      const passed = Math.min(now - cl.t_c, MAX_FILL);
      if (cl === lender) {
        cl.lends++;
        below = false;
      } else if (below) cl.borrows++;
      // who lent below did not spend its own rate
      const spend = below ? 0 : lengthToNs(cl.rate, skb.pkt_len, cl.overhead);
      cl.tokens = Math.max(-MAX_FILL, Math.min(cl.tokens + passed, cl.buffer) - spend);
      cl.ctokens = Math.max(-MAX_FILL, Math.min(cl.ctokens + passed, cl.cbuffer) - lengthToNs(cl.ceil, skb.pkt_len, cl.overhead));
      cl.t_c = now;
      cl.bytes += skb.pkt_len;
      cl.packets += skb.pkt_segs;
    }
  }

  htb_dequeue(): SkBuff | undefined {
    const straight = this.direct.shift();
    if (straight !== undefined) {
      this.qdisc_dequeued(straight);
      return straight;
    }
    const now = this.kernel.now();
    // nearer lenders first: a class within its own rate goes before one that borrows; then by priority
    let best: HtbClass | undefined;
    let bestRank = Infinity;
    let lender: HtbClass | undefined;
    for (const cl of this.active) {
      const from = this.lender(cl, now);
      if (from === undefined) continue;
      const rank = from.level * MAX_PRIO + cl.prio;
      if (rank >= bestRank) continue;
      [best, bestRank, lender] = [cl, rank, from];
    }
    if (best === undefined || lender === undefined) {
      if (this.active.length > 0) this.throttle(now);
      return undefined;
    }
    const skb = (best.leaf as Qdisc).dequeue();
    if (skb === undefined) {
      this.active.splice(this.active.indexOf(best), 1);
      return this.htb_dequeue();
    }
    best.deficit -= skb.pkt_len;
    const at = this.active.indexOf(best);
    if ((best.leaf as Qdisc).qlen === 0) this.active.splice(at, 1);
    else if (best.deficit < 0) {
      best.deficit += best.quantum;
      this.active.push(this.active.splice(at, 1)[0]);
    }
    this.htb_charge_class(best, lender, skb, now);
    this.qdisc_dequeued(skb);
    return skb;
  }

  /** All with packets must wait: until the first bucket on anyone's way fills. */
  private throttle(now: number): void {
    let next = Infinity;
    for (const leaf of this.active)
      for (let cl: HtbClass | undefined = leaf; cl !== undefined; cl = cl.parent) {
        const passed = now - cl.t_c;
        const mode = this.refresh(cl, now);
        const short = mode === 'cant_send' ? cl.ctokens + passed : cl.tokens + passed;
        if (mode !== 'can_send') cl.overlimits++;
        if (short < 0) next = Math.min(next, now - short);
        if (mode === 'cant_send') break;
      }
    this.overlimits++;
    if (next < Infinity) this.watchdog.qdisc_watchdog_schedule_ns(next);
  }

  reset(): void {
    for (const cl of this.classes.values()) if (cl.leaf !== undefined) this.kernel.sched.qdisc_reset(cl.leaf);
    this.purge(this.direct);
    this.active.length = 0;
    this.watchdog.qdisc_watchdog_cancel();
  }
  override destroy(): void {
    this.watchdog.qdisc_watchdog_cancel();
    for (const cl of this.classes.values()) if (cl.leaf !== undefined) this.kernel.sched.qdisc_put(cl.leaf);
    this.classes.clear();
  }
  override dumpOptions(): TcAttrs {
    return { r2q: this.rate2quantum, default: this.defcls, direct_pkts: this.direct_pkts, direct_qlen: this.direct_qlen };
  }

  override cl_find(classid: number): boolean {
    return this.classes.has(classid);
  }
  override cl_leaf(classid: number): Qdisc | undefined {
    return this.classes.get(classid)?.leaf;
  }
  override cl_graft(classid: number, child: Qdisc | undefined): Qdisc | NlResult | undefined {
    const cl = this.classes.get(classid);
    if (cl?.leaf === undefined) return invalid();
    const old = cl.leaf;
    cl.leaf = child ?? this.kernel.sched.childDefault(this, 'pfifo', classid);
    cl.leaf.upper = this;
    this.kernel.sched.qdisc_purge_queue(old);
    return old;
  }
  override cl_qlen_notify(classid: number): void {
    const at = this.active.findIndex((cl) => cl.classid === classid);
    if (at >= 0) this.active.splice(at, 1);
  }
  override cl_change(r: TclassRequest): NlResult {
    const rate = attrNumber(r.options, 'rate', 0);
    if (rate === 0) return invalid();
    let cl = this.classes.get(r.classid);
    if (cl === undefined) {
      if (r.classid === 0 || r.classid >>> 16 !== this.handle >>> 16) return invalid();
      const parent = r.parent === TC_H_ROOT ? undefined : this.classes.get(r.parent);
      if (parent !== undefined && depth(parent) >= MAX_PRIO - 1) return { errno: -Errno.EINVAL, extack: 'tree is too deep' };
      if (parent?.leaf !== undefined) this.toInner(parent);
      cl = new HtbClass(r.classid, parent, this.kernel.sched.childDefault(this, 'pfifo', r.classid));
      cl.t_c = this.kernel.now();
      parent?.children.push(cl);
      this.classes.set(r.classid, cl);
    }
    return this.configure(cl, r.options as TcAttrs, rate);
  }
  private configure(cl: HtbClass, o: TcAttrs, rate: number): NlResult {
    cl.rate = rate;
    cl.ceil = attrNumber(o, 'ceil', rate);
    cl.overhead = attrNumber(o, 'overhead', 0);
    cl.prio = Math.min(attrNumber(o, 'prio', 0), MAX_PRIO - 1);
    const quantum = attrNumber(o, 'quantum', 0);
    cl.quantum = quantum > 0 ? quantum : Math.min(200_000, Math.max(1000, Math.floor(rate / this.rate2quantum)));
    cl.buffer = lengthToNs(rate, attrNumber(o, 'burst', 1600), cl.overhead);
    cl.cbuffer = lengthToNs(cl.ceil, attrNumber(o, 'cburst', 1600), cl.overhead);
    cl.tokens = cl.buffer;
    cl.ctokens = cl.cbuffer;
    return NL_OK;
  }
  /** A leaf that gets a child holds packets no more. */
  private toInner(cl: HtbClass): void {
    const leaf = cl.leaf as Qdisc;
    this.kernel.sched.qdisc_purge_queue(leaf);
    this.kernel.sched.qdisc_put(leaf);
    cl.leaf = undefined;
    this.cl_qlen_notify(cl.classid);
  }
  override cl_delete(classid: number): NlResult {
    const cl = this.classes.get(classid) as HtbClass;
    if (cl.children.length > 0 || this.filters.refersTo(classid)) return { errno: -Errno.EBUSY, extack: 'HTB class in use' };
    if (cl.leaf !== undefined) this.toInner(cl);
    this.classes.delete(classid);
    const siblings = cl.parent?.children;
    siblings?.splice(siblings.indexOf(cl), 1);
    if (cl.parent !== undefined && siblings?.length === 0)
      cl.parent.leaf = this.kernel.sched.childDefault(this, 'pfifo', cl.parent.classid);
    return NL_OK;
  }
  override cl_walk(): readonly TclassInfo[] {
    const ticks = (ns: number): number => Math.floor(ns / 64);
    let buckets = 4;
    while (this.classes.size * 4 > buckets * 3) buckets *= 2;
    return [...this.classes.values()]
      .map((cl, i) => ({ cl, key: htbBucket(cl.classid, buckets) * 0x10000 - i }))
      .sort((a, b) => a.key - b.key)
      .map(({ cl }) => ({
        kind: 'htb',
        handle: cl.classid,
        parent: cl.parent?.classid ?? TC_H_ROOT,
        leaf: cl.leaf?.handle ?? 0,
        options: {
          leaf: cl.leaf === undefined ? 0 : 1,
          prio: cl.prio,
          quantum: cl.quantum,
          rate: cl.rate,
          ceil: cl.ceil,
          overhead: cl.overhead,
          burst: Math.round((cl.buffer * cl.rate) / 1e9),
          cburst: Math.round((cl.cbuffer * cl.ceil) / 1e9),
          level: cl.level,
        },
        stats: {
          bytes: cl.bytes,
          packets: cl.packets,
          drops: cl.drops,
          overlimits: cl.overlimits,
          requeues: 0,
          qlen: cl.leaf?.qlen ?? 0,
          backlog: cl.leaf?.backlog ?? 0,
        },
        xstats: { lends: cl.lends, borrows: cl.borrows, tokens: ticks(cl.tokens), ctokens: ticks(cl.ctokens) },
      }));
  }
  override tcf_block(): TcfBlock | undefined {
    return this.filters;
  }
}

function depth(cl: HtbClass): number {
  return cl.parent === undefined ? 1 : depth(cl.parent) + 1;
}
/** Order of classes in a dump: by hash bucket (Linux: qdisc_class_hash). */
function htbBucket(classid: number, buckets: number): number {
  const h = classid ^ (classid >>> 8);
  return (h ^ (h >>> 4)) & (buckets - 1);
}
