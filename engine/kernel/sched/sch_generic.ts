// Qdiscs attached to devices, the loop that empties them, and the transmit watchdog (Linux: net/sched/sch_generic.c).
import { ops } from '../../base/ops.ts';
import type { Actor } from '../../sim/sim.ts';
import type { TracePoint } from '../../trace/trace.ts';
import { Bql } from '../bql.ts';
import { dev_xmit_complete } from '../dev_xmit.ts';
import type { Kernel } from '../kernel.ts';
import { NETDEV_TX_BUSY, type NetDevice, type NetdevQueue } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { TimerList } from '../timer.ts';
import type { WarnPlace } from '../warn.ts';
import { NetDevXmitTimeout, QdiscDequeue, QdiscEnqueue } from '../tracepoints.ts';
import { ClsApi } from './cls_api.ts';
import type { Qdisc, QdiscInfo, TcAttrs } from './qdisc.ts';
import { QDISC_KINDS } from './qdisc_kinds.ts';
import { SchedApi } from './sch_api.ts';
import { NoopQdisc } from './sch_noqueue.ts';

/** net.core.dev_weight: packets of one run of a qdisc */
const DEV_TX_WEIGHT = 64;
const DEFAULTS = ['fq_codel', 'pfifo_fast', 'fq', 'sfq', 'pfifo', 'bfifo', 'codel'] as const;
type DefaultQdisc = (typeof DEFAULTS)[number];
export type QdiscKind = DefaultQdisc | 'mq' | 'noqueue' | 'noop';
export const isDefaultQdisc = (name: string): name is DefaultQdisc => (DEFAULTS as readonly string[]).includes(name);
const OP_WATCHDOG = 0;
const WATCHDOG_PLACE: WarnPlace = ops({ source: 'net/sched/sch_generic.c:525', symbol: 'dev_watchdog+0x207/0x210' });
const WATCHDOG_CALLS = Object.freeze([
  'call_timer_fn+0x24/0x130',
  '__run_timers+0x21d/0x2a0',
  'run_timer_softirq+0x19/0x30',
  '__do_softirq+0xf0/0x2ff',
]);
/** Linux: netif_xmit_stopped(): by the driver or by the byte queue limit. */
const stopped = (q: NetdevQueue): boolean => q.drvXoff || q.stackXoff;

export class SchedCore implements Actor {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'qdisc_run',
    'dequeue_skb',
    'qdisc_restart',
    'dev_requeue_skb',
    'attach_default_qdiscs',
    'transition_one_qdisc',
  ]);
  private readonly tpEnqueue: TracePoint;
  private readonly tpDequeue: TracePoint;
  private readonly tpTimeout: TracePoint;
  readonly bql: Bql;
  readonly api: SchedApi;
  readonly cls: ClsApi;
  private watchdogWarned = false;
  /** net.core.default_qdisc: what a transmit queue gets that nobody chose one for. */
  default_qdisc: DefaultQdisc = 'fq_codel';

  constructor(readonly kernel: Kernel) {
    const { scope } = kernel.platform;
    this.bql = new Bql(kernel);
    this.api = new SchedApi(this);
    this.cls = new ClsApi(this);
    this.tpEnqueue = scope.point(QdiscEnqueue);
    this.tpDequeue = scope.point(QdiscDequeue);
    this.tpTimeout = scope.point(NetDevXmitTimeout);
  }

  /** An initialised qdisc of that kind for a transmit queue. */
  qdisc_create_dflt(txq: NetdevQueue, kind: QdiscKind): Qdisc {
    const q = this.make(txq, kind);
    q.init();
    q.oneTxQueue = txq.dev.num_tx_queues === 1;
    return q;
  }

  qdisc_run(q: Qdisc): void {
    q.running = true;
    this.__qdisc_run(q);
    q.running = false;
  }

  /** Dequeues and transmits until it is empty, the queue is stopped, or the share is used up. */
  __qdisc_run(q: Qdisc): void {
    for (let quota = DEV_TX_WEIGHT; this.qdisc_restart(q);) {
      if (--quota > 0) continue;
      this.kernel.net.xmit.__netif_schedule(q);
      return;
    }
  }

  qdisc_restart(q: Qdisc): boolean {
    const skb = this.dequeue_skb(q);
    return skb !== undefined && this.sch_direct_xmit(skb, q, q.dev, q.dev.queues[skb.queue_mapping]);
  }

  /** What the driver refused goes first; nothing while the queue is stopped. */
  dequeue_skb(q: Qdisc): SkBuff | undefined {
    let skb = q.gso_skb.first;
    if (q.oneTxQueue) {
      const txq = q.dev_queue;
      if (txq === undefined || stopped(txq)) return undefined;
    } else if (skb !== undefined && stopped(q.dev.queues[skb.queue_mapping])) return undefined;
    if (skb !== undefined) {
      q.gso_skb.shift();
      q.qlen--;
      q.backlog -= skb.len;
    } else {
      if (q.qlen === 0) return undefined;
      skb = q.dequeue();
    }
    if (skb !== undefined && this.tpDequeue.enabled) this.tpDequeue.emit(0, q.dev.ifindex, q.handle, q.parent, 1, skb.id, 0);
    return skb;
  }

  /** True when more may be sent. A packet the driver will not take now is kept for the next run. */
  sch_direct_xmit(skb: SkBuff, q: Qdisc, dev: NetDevice, txq: NetdevQueue): boolean {
    const { xmit } = this.kernel.net;
    const ready = xmit.validate_xmit_skb_list(skb, dev);
    if (ready === undefined) return true;
    xmit.unsent = ready;
    const rc = txq.drvXoff || txq.stackXoff ? NETDEV_TX_BUSY : xmit.dev_hard_start_xmit(ready, dev, txq);
    if (dev_xmit_complete(rc)) return true;
    if (rc !== NETDEV_TX_BUSY) this.kernel.printk.pr_warn(`BUG ${dev.name} code ${rc} qlen ${q.qlen}`);
    for (let skb: SkBuff | undefined = xmit.unsent; skb !== undefined;) {
      const next: SkBuff | undefined = skb.next;
      skb.next = undefined;
      this.dev_requeue_skb(skb, q);
      skb = next;
    }
    return false;
  }

  dev_requeue_skb(skb: SkBuff, q: Qdisc): void {
    q.gso_skb.push(skb);
    q.requeues++;
    q.backlog += skb.len;
    q.qlen++;
    this.kernel.net.xmit.__netif_schedule(q);
  }

  traceEnqueue(q: Qdisc, skb: SkBuff): void {
    if (this.tpEnqueue.enabled) this.tpEnqueue.emit(0, q.dev.name, q.dev.ifindex, q.handle, q.parent, q.dev_queue?.index ?? 0, skb.id);
  }

  dev_init_scheduler(dev: NetDevice): void {
    const noop = new NoopQdisc(this.kernel, dev);
    dev.qdisc = noop;
    for (const txq of dev.queues) txq.qdisc = txq.qdisc_sleeping = noop;
    dev.watchdog_timer = new TimerList(this, OP_WATCHDOG, dev);
  }

  /** The device came up: default qdiscs the first time; they work once there is carrier. */
  dev_activate(dev: NetDevice): void {
    if (dev.qdisc.kind === 'noop') this.attach_default_qdiscs(dev);
    if (dev.nocarrier) return;
    for (const txq of dev.queues) this.transition_one_qdisc(txq);
    this.__netdev_watchdog_up(dev);
  }

  attach_default_qdiscs(dev: NetDevice): void {
    const noqueue = dev.priv_flags.has('IFF_NO_QUEUE');
    if (dev.num_tx_queues > 1 && !noqueue) {
      dev.qdisc = this.qdisc_create_dflt(dev.queues[0], 'mq');
      dev.qdisc.attach();
      return;
    }
    for (const txq of dev.queues) txq.qdisc_sleeping = this.qdisc_create_dflt(txq, noqueue ? 'noqueue' : this.default_qdisc);
    dev.qdisc = dev.queues[0].qdisc_sleeping;
    dev.qdisc.refcnt++;
  }

  setNoop(dev: NetDevice): void {
    dev.qdisc = new NoopQdisc(this.kernel, dev);
  }
  /** Puts a qdisc on a queue, or noop; it works after the next dev_activate. The one before is the caller's. */
  dev_graft_qdisc(txq: NetdevQueue, q: Qdisc | undefined): Qdisc {
    const old = txq.qdisc_sleeping;
    const noop = new NoopQdisc(this.kernel, txq.dev);
    txq.qdisc_sleeping = q ?? noop;
    txq.qdisc = noop;
    return old;
  }

  transition_one_qdisc(txq: NetdevQueue): void {
    const q = txq.qdisc_sleeping;
    q.deactivated = false;
    txq.qdisc = q;
    txq.trans_start = this.kernel.now();
  }

  /** Down or no carrier: what waits is freed, and what comes is dropped. */
  dev_deactivate(dev: NetDevice): void {
    const noop = dev.queues.length > 0 && dev.queues[0].qdisc.kind === 'noop';
    if (noop) return;
    const idle = new NoopQdisc(this.kernel, dev);
    for (const txq of dev.queues) {
      const q = txq.qdisc_sleeping;
      if (q.holdsPackets) q.deactivated = true;
      txq.qdisc = idle;
      this.qdisc_reset(q);
    }
    if (dev.watchdog_timer !== undefined) this.kernel.timers.del_timer(dev.watchdog_timer);
  }

  qdisc_reset(q: Qdisc): void {
    q.reset();
    for (let skb = q.gso_skb.shift(); skb !== undefined; skb = q.gso_skb.shift()) this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    q.qlen = 0;
    q.backlog = 0;
  }

  /** The device is going for good. */
  dev_shutdown(dev: NetDevice): void {
    for (const txq of dev.queues) this.qdisc_put(txq.qdisc_sleeping);
    this.qdisc_put(dev.qdisc);
    if (dev.ingress_qdisc !== undefined) this.qdisc_put(dev.ingress_qdisc);
    dev.ingress_qdisc = dev.tcf_ingress = dev.tcf_egress = undefined;
    this.dev_init_scheduler(dev);
  }

  /** Fewer transmit queues than before: what waits in the others is freed. */
  qdisc_reset_all_tx_gt(dev: NetDevice, txq: number): void {
    for (let i = txq; i < dev.num_tx_queues; i++) this.qdisc_reset(dev.queues[i].qdisc_sleeping);
  }

  /** Looks after stopped queues, while the device is up and has carrier. */
  __netdev_watchdog_up(dev: NetDevice): void {
    if (dev.netdev_ops.ndo_tx_timeout === undefined || dev.watchdog_timer === undefined) return;
    if (dev.queues.some(stopped)) this.kernel.timers.startIn(dev.watchdog_timer, dev.watchdog_timeo);
  }
  /** A driver stopped a queue: from now on it is watched. */
  queueStopped(txq: NetdevQueue): void {
    const { dev } = txq;
    const timer = dev.watchdog_timer;
    if (timer === undefined || dev.netdev_ops.ndo_tx_timeout === undefined || dev.nocarrier || !dev.started) return;
    if (!this.kernel.timers.timer_pending(timer)) this.kernel.timers.startIn(timer, dev.watchdog_timeo);
  }

  onEvent(_op: number, arg: unknown): void {
    this.dev_watchdog(arg as NetDevice);
  }
  dev_watchdog(dev: NetDevice): void {
    if (!dev.present || !dev.started || dev.nocarrier) return;
    const now = this.kernel.now();
    const late = dev.queues.find((q) => stopped(q) && now > q.trans_start + dev.watchdog_timeo);
    if (late !== undefined) {
      late.trans_timeout++;
      const driver = dev.parent?.driver?.name ?? dev.kind ?? '';
      if (this.tpTimeout.enabled) this.tpTimeout.emit(dev.name, driver, late.index);
      if (!this.watchdogWarned) {
        this.watchdogWarned = true;
        const text = `NETDEV WATCHDOG: ${dev.name} (${driver}): transmit queue ${late.index} timed out`;
        this.kernel.warnings.warn(WATCHDOG_PLACE, text, WATCHDOG_CALLS);
      }
      dev.netdev_ops.ndo_tx_timeout?.(dev, late.index);
    }
    this.__netdev_watchdog_up(dev);
  }

  /** A child of `q` that nobody asked for. */
  childDefault(q: Qdisc, kind: QdiscKind, parent: number, attrs?: TcAttrs): Qdisc {
    const child = this.make(q.dev_queue ?? q.dev.queues[0], kind);
    child.oneTxQueue = q.oneTxQueue;
    child.upper = q;
    child.parent = parent;
    child.deactivated = false;
    child.invisible = true;
    child.init(attrs);
    this.api.qdisc_hash_add(child);
    return child;
  }
  /** In place of a child: drops what it is given. */
  noopUnder(q: Qdisc): Qdisc {
    const noop = new NoopQdisc(this.kernel, q.dev);
    noop.upper = q;
    return noop;
  }
  /** Exchanges a child; what the old one held is dropped. */
  qdisc_replace(q: Qdisc, children: Qdisc[], index: number, child: Qdisc): Qdisc {
    const old = children[index];
    child.upper = q;
    children[index] = child;
    this.qdisc_purge_queue(old);
    return old;
  }
  qdisc_purge_queue(q: Qdisc): void {
    const { qlen, backlog } = q;
    this.qdisc_reset(q);
    q.qdisc_tree_reduce_backlog(qlen, backlog);
  }
  /** One reference less; the last frees all it holds. */
  qdisc_put(q: Qdisc): void {
    if (q.builtin || --q.refcnt > 0) return;
    this.qdisc_reset(q);
    q.destroy();
    this.api.qdisc_hash_del(q);
  }
  tc_dump_qdisc(dev: NetDevice): QdiscInfo[] {
    return this.api.tc_dump_qdisc(dev, false);
  }

  private make(txq: NetdevQueue, kind: QdiscKind): Qdisc {
    const Kind = QDISC_KINDS[kind];
    return kind === 'noop' ? new NoopQdisc(this.kernel, txq.dev) : new Kind(this.kernel, kind, txq.dev, txq);
  }
}
