// A queueing discipline: what holds skbs between dev_queue_xmit and the driver (Linux: struct Qdisc).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { NET_XMIT_DROP, type NetDevice, type NetdevQueue } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import type { TcfBlock } from './tcf.ts';

/** Counters of `tc -s qdisc`. */
export interface QdiscStats {
  bytes: number;
  packets: number;
  drops: number;
  overlimits: number;
  requeues: number;
  qlen: number;
  backlog: number;
}

export const emptyStats = (): QdiscStats => ({ bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, qlen: 0, backlog: 0 });

/** Attributes of a request, by name, in the units of rtnetlink (TCA_OPTIONS). Absent: not given. */
export type TcAttr = number | string | boolean | readonly number[] | undefined;
export type TcAttrs = Readonly<Record<string, TcAttr>>;
/** A numeric attribute, or what holds without it. */
export const attrNumber = (attrs: TcAttrs | undefined, key: string, otherwise: number): number => {
  const v = attrs?.[key];
  return typeof v === 'number' ? v : otherwise;
};
export const invalid = (extack?: string): NlResult => (extack === undefined ? { errno: -Errno.EINVAL } : { errno: -Errno.EINVAL, extack });

/** One class as RTM_NEWTCLASS describes it. */
export interface TclassInfo {
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
  /** Handle of the qdisc below it, 0 for none or an unnamed one (tcm_info). */
  readonly leaf: number;
  readonly options: TcAttrs | undefined;
  /** Absent members are not reported at all. */
  readonly stats: Partial<QdiscStats>;
  readonly xstats: Readonly<Record<string, number>> | undefined;
}
/** RTM_NEWTCLASS as asked for. */
export interface TclassRequest {
  readonly classid: number;
  readonly parent: number;
  readonly options: TcAttrs | undefined;
}

/** What `tc -s -d qdisc show` prints of one qdisc. `options` and `xstats` by tc's own names, in order; times in microseconds. */
export interface QdiscInfo {
  readonly kind: string;
  readonly handle: number;
  /** 0xffffffff is root. */
  readonly parent: number;
  readonly refcnt: number;
  readonly options: TcAttrs;
  readonly stats: Readonly<QdiscStats>;
  readonly xstats: Readonly<Record<string, number>> | undefined;
}

export const TC_H_ROOT = 0xffffffff;
/** Parent of ingress and clsact (Linux: TC_H_INGRESS, TC_H_CLSACT). */
export const TC_H_INGRESS = 0xfffffff1;
export const TC_H_MAJ = (h: number): number => (h & 0xffff0000) >>> 0;
export const TC_H_MIN = (h: number): number => h & 0xffff;
export const TC_H_MAKE = (maj: number, min: number): number => (TC_H_MAJ(maj) | TC_H_MIN(min)) >>> 0;

export abstract class Qdisc {
  handle = 0;
  parent = TC_H_ROOT;
  /** One of the built-in ones (noop, noqueue): it never shows in dumps (Linux: TCQ_F_BUILTIN). */
  builtin = false;
  refcnt = 1;
  /** Serves one transmit queue (Linux: TCQ_F_ONETXQUEUE); else packets go to queues by their own mapping. */
  oneTxQueue = true;
  /** ingress or clsact (Linux: TCQ_F_INGRESS). */
  ingress = false;
  /** Made by its parent: listed only where asked for (Linux: TCQ_F_INVISIBLE). */
  invisible = false;
  /** The qdisc that hands packets to this one; none for a root or under mq. */
  upper: Qdisc | undefined;
  /** It has classes (Linux: Qdisc_ops.cl_ops). */
  classful = false;
  /** False for noqueue: packets go straight to the driver. */
  holdsPackets = true;
  /** __QDISC_STATE_SCHED, _DEACTIVATED, and running. */
  scheduled = false;
  deactivated = true;
  running = false;
  /** A packet may pass it when it is empty (Linux: TCQ_F_CAN_BYPASS). */
  canBypass = false;
  /** Handed back by the driver with NETDEV_TX_BUSY: the first to go next. */
  readonly gso_skb = new SkBuffHead();
  qlen = 0;
  backlog = 0;
  bytes = 0;
  packets = 0;
  drops = 0;
  overlimits = 0;
  requeues = 0;
  /** Next on the list of net_tx_action. */
  next_sched: Qdisc | undefined;
  constructor(
    readonly kernel: Kernel,
    readonly kind: string,
    readonly dev: NetDevice,
    readonly dev_queue: NetdevQueue | undefined,
  ) {}

  /** Takes the skb, or drops it: NET_XMIT_*. */
  abstract enqueue(skb: SkBuff): number;
  abstract dequeue(): SkBuff | undefined;
  /** What comes next, still counted as held. */
  peek(): SkBuff | undefined {
    return this.qdisc_peek_dequeued();
  }
  /** Frees all it holds; gso_skb is the core's. */
  abstract reset(): void;
  /** Before it is used; an error refuses. */
  init(_attrs?: TcAttrs): NlResult {
    return NL_OK;
  }
  /** New parameters; undefined: it takes none. */
  change(_attrs: TcAttrs | undefined): NlResult | undefined {
    return undefined;
  }
  /** It goes: timers stop, children are released. */
  destroy(): void {
    // most own nothing
  }
  /** A qdisc of queues takes its device's queues itself; false: it is grafted to them (Linux: Qdisc_ops.attach). */
  attach(): boolean {
    return false;
  }
  dumpOptions(): QdiscInfo['options'] {
    return {};
  }
  dumpXstats(): QdiscInfo['xstats'] {
    return undefined;
  }
  /** For a qdisc of qdiscs: counters are the children's. */
  dumpStats(): QdiscStats {
    const { bytes, packets, drops, overlimits, requeues, qlen, backlog } = this;
    return { bytes, packets, drops, overlimits, requeues, qlen, backlog };
  }

  /** There is a class of that id. */
  cl_find(_classid: number): boolean {
    return false;
  }
  cl_leaf(_classid: number): Qdisc | undefined {
    return undefined;
  }
  /** Puts a qdisc under a class; the one it replaces, or an error. */
  cl_graft(_classid: number, _child: Qdisc | undefined): Qdisc | NlResult | undefined {
    return { errno: -Errno.EOPNOTSUPP };
  }
  cl_walk(): readonly TclassInfo[] {
    return [];
  }
  cl_change(_request: TclassRequest): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  cl_delete(_classid: number): NlResult {
    return { errno: -Errno.EOPNOTSUPP };
  }
  /** A packet of a class below was the last one (Linux: Qdisc_class_ops.qlen_notify). */
  cl_qlen_notify(_classid: number): void {
    // most keep no list of classes with packets
  }
  /** Where filters hang, of the qdisc or a class; undefined: none can. */
  tcf_block(_classid: number): TcfBlock | undefined {
    return undefined;
  }
  /** Child of a transmit queue, for a qdisc that has one per queue. */
  child(_queue: number): Qdisc | undefined {
    return undefined;
  }

  /** Takes one packet out ahead of time and keeps it as held. */
  qdisc_peek_dequeued(): SkBuff | undefined {
    let skb = this.gso_skb.first;
    if (skb === undefined) {
      skb = this.dequeue();
      if (skb !== undefined) {
        this.gso_skb.push(skb);
        this.backlog += skb.len;
        this.qlen++;
      }
    }
    return skb;
  }
  /** Takes what was peeked, or the next. */
  qdisc_dequeue_peeked(): SkBuff | undefined {
    const skb = this.gso_skb.shift();
    if (skb === undefined) return this.dequeue();
    this.backlog -= skb.len;
    this.qlen--;
    return skb;
  }
  /** `n` packets of `len` bytes were dropped below without their parents' doing (Linux: qdisc_tree_reduce_backlog()). */
  qdisc_tree_reduce_backlog(n: number, len: number): void {
    if (n === 0 && len === 0) return;
    this.upper?.droppedBelow(this, n, len);
  }
  private droppedBelow(below: Qdisc, n: number, len: number): void {
    if (below.qlen === 0) this.cl_qlen_notify(below.parent);
    this.qlen -= n;
    this.backlog -= len;
    this.drops += n;
    this.upper?.droppedBelow(this, n, len);
  }
  /** The discipline at the top of the tree. */
  get top(): Qdisc {
    return this.upper?.top ?? this;
  }
  /** Frees a packet that is not taken. */
  qdisc_drop(skb: SkBuff): number {
    this.drops++;
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    return NET_XMIT_DROP;
  }
  /** Frees all packets of a queue. */
  purge(queue: SkBuffHead): void {
    for (let skb = queue.shift(); skb !== undefined; skb = queue.shift()) this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
  }

  /** Counts one packet in. */
  protected qdisc_enqueued(skb: SkBuff): number {
    this.qlen++;
    this.backlog += skb.pkt_len;
    return 0;
  }
  /** Counts one packet out to the device. */
  protected qdisc_dequeued(skb: SkBuff): void {
    this.qlen--;
    this.backlog -= skb.pkt_len;
    this.qdisc_bstats_update(skb);
  }
  protected qdisc_bstats_update(skb: SkBuff): void {
    this.bytes += skb.pkt_len;
    this.packets += skb.pkt_segs;
  }
}
