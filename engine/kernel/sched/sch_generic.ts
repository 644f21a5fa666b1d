// Qdiscs attached to devices, and the loop that empties them (Linux: net/sched/sch_generic.c, sch_api.c).
import type { Kernel } from '../kernel.ts';
import type { NetDevice, NetdevQueue } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import type { Qdisc, QdiscInfo } from './qdisc.ts';

export class SchedCore {

  constructor(readonly kernel: Kernel) {}
  /** Dequeues and transmits until empty, stopped or over quota. */
  __qdisc_run(q: Qdisc): void;
  __qdisc_run(): void {
    return;
  }
  sch_direct_xmit(skb: SkBuff, q: Qdisc, dev: NetDevice, txq: NetdevQueue): boolean;
  sch_direct_xmit(): boolean {
    return false;
  }
  dev_init_scheduler(dev: NetDevice): void;
  dev_init_scheduler(): void {
    return;
  }
  dev_activate(dev: NetDevice): void;
  dev_activate(): void {
    return;
  }
  dev_deactivate(dev: NetDevice): void;
  dev_deactivate(): void {
    return;
  }
  dev_shutdown(dev: NetDevice): void;
  dev_shutdown(): void {
    return;
  }
  /** The watchdog of transmit queues runs while the device is up with carrier. */
  __netdev_watchdog_up(dev: NetDevice): void;
  __netdev_watchdog_up(): void {
    return;
  }
  /** The real number of queues changed: qdiscs of queues that went are reset. */
  qdisc_reset_all_tx_gt(dev: NetDevice, txq: number): void;
  qdisc_reset_all_tx_gt(): void {
    return;
  }
  /** What tc qdisc show lists, in order. */
  tc_dump_qdisc(dev: NetDevice): QdiscInfo[];
  tc_dump_qdisc(): QdiscInfo[] {
    return [];
  }
}
