// mq: a default qdisc under each transmit queue (Linux: net/sched/sch_mq.c).
import type { Qdisc, QdiscStats } from './qdisc.ts';
import { EmptyQdisc } from './sch_noqueue.ts';

/** Never asked for packets itself: they enter a queue's own qdisc. */
export class Mq extends EmptyQdisc {
  readonly children: Qdisc[] = [];

  override init(): number {
    const { sched } = this.kernel;
    for (const txq of this.dev.queues) {
      const q = sched.qdisc_create_dflt(txq, sched.default_qdisc);
      q.parent = (this.handle | (txq.index + 1)) >>> 0;
      this.children.push(q);
    }
    return 0;
  }

  override reset(): void {
    for (const q of this.children) q.reset();
  }
  override child(queue: number): Qdisc | undefined {
    return this.children[queue];
  }

  override dumpStats(): QdiscStats {
    const sum: QdiscStats = { bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, qlen: 0, backlog: 0 };
    for (const q of this.children) {
      const s = q.dumpStats();
      sum.bytes += s.bytes;
      sum.packets += s.packets;
      sum.drops += s.drops;
      sum.overlimits += s.overlimits;
      sum.requeues += s.requeues;
      sum.qlen += s.qlen;
      sum.backlog += s.backlog;
    }
    return sum;
  }
}
