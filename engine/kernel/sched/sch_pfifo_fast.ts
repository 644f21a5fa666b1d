// pfifo_fast: three bands by the packet's priority, first in first out in each (Linux: net/sched/sch_generic.c).
import { NET_XMIT_DROP } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { type QdiscInfo, Qdisc } from './qdisc.ts';

/** Band of each priority, as tc prints it (Linux: sch_default_prio2band) */
const PRIO2BAND: readonly number[] = Object.freeze([1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
const BANDS = 3;

export class PfifoFast extends Qdisc {
  private readonly bands = [new SkBuffHead(), new SkBuffHead(), new SkBuffHead()];

  override init(): NlResult {
    this.canBypass = true;
    return NL_OK;
  }
  enqueue(skb: SkBuff): number {
    return this.pfifo_fast_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.pfifo_fast_dequeue();
  }

  /** Each band holds tx_queue_len packets (an skb_array in Linux, so that the bands do not take from each other). */
  pfifo_fast_enqueue(skb: SkBuff): number {
    const band = this.bands[PRIO2BAND[skb.priority & 15]];
    if (band.qlen >= this.dev.tx_queue_len) {
      this.drops++;
      this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
      return NET_XMIT_DROP;
    }
    band.push(skb);
    return this.qdisc_enqueued(skb);
  }

  pfifo_fast_dequeue(): SkBuff | undefined {
    for (let i = 0; i < BANDS; i++) {
      const skb = this.bands[i].shift();
      if (skb === undefined) continue;
      this.qdisc_dequeued(skb);
      return skb;
    }
    return undefined;
  }

  override peek(): SkBuff | undefined {
    return this.bands[0].first ?? this.bands[1].first ?? this.bands[2].first;
  }

  reset(): void {
    for (const band of this.bands)
      for (let skb = band.shift(); skb !== undefined; skb = band.shift()) this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    this.qlen = 0;
    this.backlog = 0;
  }

  override dumpOptions(): QdiscInfo['options'] {
    return { bands: BANDS, priomap: PRIO2BAND };
  }
}
