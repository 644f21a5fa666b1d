// A queueing discipline: what holds skbs between dev_queue_xmit and the driver (Linux: struct Qdisc).
import type { Kernel } from '../kernel.ts';
import type { NetDevice, NetdevQueue } from '../net_device.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';

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

/** What `tc -s -d qdisc show` prints of one qdisc. `options` and `xstats` by tc's own names, in order; times in microseconds. */
export interface QdiscInfo {
  readonly kind: string;
  readonly handle: number;
  /** 0xffffffff is root. */
  readonly parent: number;
  readonly refcnt: number;
  readonly options: Readonly<Record<string, number | string | boolean | readonly number[]>>;
  readonly stats: Readonly<QdiscStats>;
  readonly xstats: Readonly<Record<string, number>> | undefined;
}

export const TC_H_ROOT = 0xffffffff;

export abstract class Qdisc {
  handle = 0;
  parent = TC_H_ROOT;
  /** One of the built-in ones (noop, noqueue): it never shows in dumps (Linux: TCQ_F_BUILTIN). */
  builtin = false;
  refcnt = 1;
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
  abstract peek(): SkBuff | undefined;
  /** Frees all it holds; gso_skb is the core's. */
  abstract reset(): void;
  /** Before it is used; a negative errno refuses. */
  init(): number {
    return 0;
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
  /** Child of a transmit queue, for a qdisc that has one per queue. */
  child(_queue: number): Qdisc | undefined {
    return undefined;
  }

  /** Counts one packet in. */
  protected qdisc_enqueued(skb: SkBuff): number {
    this.qlen++;
    this.backlog += skb.len;
    return 0;
  }
  /** Counts one packet out to the device. */
  protected qdisc_dequeued(skb: SkBuff): void {
    this.qlen--;
    this.backlog -= skb.len;
    this.bytes += skb.len;
    this.packets++;
  }
}
