// mq: a default qdisc under each transmit queue (Linux: net/sched/sch_mq.c).
import { Errno } from '../../base/errno.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { emptyStats, type Qdisc, type QdiscStats, type TclassInfo, TC_H_MAKE, TC_H_MIN, TC_H_ROOT } from './qdisc.ts';
import { EmptyQdisc } from './sch_noqueue.ts';

/** Never asked for packets itself: they enter a queue's own qdisc. */
export class Mq extends EmptyQdisc {
  /** Made, but not yet attached to the queues. */
  private fresh: Qdisc[] = [];
  override classful = true;

  override init(): NlResult {
    if (this.parent !== TC_H_ROOT || this.dev.num_tx_queues === 1) return { errno: -Errno.EOPNOTSUPP };
    const { sched } = this.kernel;
    for (const txq of this.dev.queues) {
      const q = sched.qdisc_create_dflt(txq, sched.default_qdisc);
      q.oneTxQueue = true;
      q.parent = TC_H_MAKE(this.handle, txq.index + 1);
      this.fresh.push(q);
    }
    return NL_OK;
  }
  /** Gives each queue its qdisc. */
  override attach(): boolean {
    const { sched } = this.kernel;
    for (const q of this.fresh) {
      const txq = this.dev.queues[TC_H_MIN(q.parent) - 1];
      q.parent = TC_H_MAKE(this.handle, txq.index + 1);
      sched.qdisc_put(sched.dev_graft_qdisc(txq, q));
      if (txq.index < this.dev.real_num_tx_queues) sched.api.qdisc_hash_add(q);
    }
    this.fresh = [];
    return true;
  }
  override destroy(): void {
    for (const q of this.fresh) this.kernel.sched.qdisc_put(q);
    this.fresh = [];
  }

  override child(queue: number): Qdisc | undefined {
    return this.fresh[queue] ?? this.dev.queues[queue]?.qdisc_sleeping;
  }
  override dumpStats(): QdiscStats {
    const sum: QdiscStats = emptyStats();
    for (const txq of this.dev.queues) {
      const s = txq.qdisc_sleeping.dumpStats();
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

  override cl_find(classid: number): boolean {
    return TC_H_MIN(classid) >= 1 && TC_H_MIN(classid) <= this.dev.num_tx_queues;
  }
  override cl_leaf(classid: number): Qdisc | undefined {
    return this.child(TC_H_MIN(classid) - 1);
  }
  override cl_graft(classid: number, child: Qdisc | undefined): Qdisc | undefined {
    const { sched } = this.kernel;
    const txq = this.dev.queues[TC_H_MIN(classid) - 1];
    if (this.dev.started) sched.dev_deactivate(this.dev);
    const old = sched.dev_graft_qdisc(txq, child);
    if (child !== undefined) child.oneTxQueue = true;
    if (this.dev.started) sched.dev_activate(this.dev);
    return old;
  }
  override cl_walk(): readonly TclassInfo[] {
    return this.dev.queues.map((txq) => ({
      kind: this.kind,
      handle: TC_H_MAKE(this.handle, txq.index + 1),
      parent: TC_H_ROOT,
      leaf: txq.qdisc_sleeping.handle,
      options: undefined,
      stats: txq.qdisc_sleeping.dumpStats(),
      xstats: undefined,
    }));
  }
}
