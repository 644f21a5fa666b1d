// A queueing discipline: what holds skbs between dev_queue_xmit and the driver (Linux: struct Qdisc).
import type { Kernel } from '../kernel.ts';
import type { NetDevice, NetdevQueue } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';

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

/** What `tc -s -d qdisc show` prints of one qdisc. `options` and `xstats` by tc's own names, in order. */
export interface QdiscInfo {
  readonly kind: string;
  readonly handle: number;
  /** 0xffffffff is root. */
  readonly parent: number;
  readonly refcnt: number;
  readonly options: Readonly<Record<string, number | string | readonly number[]>>;
  readonly stats: Readonly<QdiscStats>;
  readonly xstats: Readonly<Record<string, number>> | undefined;
}

export const TC_H_ROOT = 0xffffffff;

export abstract class Qdisc {
  handle = 0;
  parent = TC_H_ROOT;
  /** Attached by default, not by a user: not shown when it is noqueue, shared by queues. */
  builtin = false;
  /** __QDISC_STATE_SCHED, _DEACTIVATED, _MISSED and running. */
  scheduled = false;
  deactivated = true;
  running = false;
  missed = false;
  /** A packet may pass an empty qdisc (TCQ_F_CAN_BYPASS), and a lockless one (TCQ_F_NOLOCK). */
  canBypass = false;
  readonly gso_skb: SkBuff[] = [];
  qlen = 0;
  backlog = 0;
  bytes = 0;
  packets = 0;
  drops = 0;
  overlimits = 0;
  requeues = 0;
  /** Output queue of net_tx_action. */
  next_sched: Qdisc | undefined;
  constructor(
    readonly kernel: Kernel,
    readonly kind: string,
    readonly dev: NetDevice,
    readonly dev_queue: NetdevQueue,
  ) {}

  /** Takes the skb, or drops it: NET_XMIT_*. */
  abstract enqueue(skb: SkBuff): number;
  abstract dequeue(): SkBuff | undefined;
  abstract peek(): SkBuff | undefined;
  /** Frees all it holds. */
  abstract reset(): void;
  dumpOptions(): QdiscInfo['options'] {
    return {};
  }
  dumpXstats(): QdiscInfo['xstats'] {
    return undefined;
  }
}
