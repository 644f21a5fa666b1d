// Byte queue limits at a transmit queue: what a driver tells the core it queued and completed (Linux: include/linux/netdevice.h, netdev_tx_*_queue()).
import type { Kernel } from './kernel.ts';
import type { NetDevice, NetdevQueue } from './net_device.ts';
import { driverOf } from './contract_net.ts';

export class Bql {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'netdev_tx_sent_queue',
    'netdev_tx_completed_queue',
    'netdev_tx_reset_queue',
    'netdev_sent_queue',
    'netdev_completed_queue',
    'netdev_reset_queue',
  ]);
  constructor(readonly kernel: Kernel) {}

  /** Bytes went to the device; the stack stops the queue when that is more than its limit. */
  netdev_tx_sent_queue(txq: NetdevQueue, bytes: number): void {
    txq.dql.queued(bytes);
    if (txq.dql.avail >= 0 || txq.stackXoff) return;
    txq.stackXoff = true;
    this.kernel.sched.queueStopped(txq);
  }

  /** The device is done with so many bytes. */
  netdev_tx_completed_queue(txq: NetdevQueue, packets: number, bytes: number): void {
    if (bytes === 0) return;
    const { dql } = txq;
    if (bytes > dql.inflight) {
      // Linux: BUG_ON(count > num_queued - dql->num_completed)
      this.kernel.printk.pr_emerg('kernel BUG at lib/dynamic_queue_limits.c:27!');
      this.kernel.contract.violation(
        'bql-completed',
        driverOf(txq.dev),
        `${txq.dev.name} queue ${txq.index}: ${packets} packets of ${bytes} bytes, ${dql.inflight} bytes in flight`,
      );
      return;
    }
    dql.completed(bytes, this.kernel.now());
    if (dql.avail < 0 || !txq.stackXoff) return;
    txq.stackXoff = false;
    this.kernel.net.xmit.__netif_schedule(txq.qdisc);
  }

  netdev_tx_reset_queue(txq: NetdevQueue): void {
    txq.stackXoff = false;
    txq.dql.reset(this.kernel.now());
  }

  /** The same for the first queue of a device that has one. */
  netdev_sent_queue(dev: NetDevice, bytes: number): void {
    this.netdev_tx_sent_queue(dev.queues[0], bytes);
  }
  netdev_completed_queue(dev: NetDevice, packets: number, bytes: number): void {
    this.netdev_tx_completed_queue(dev.queues[0], packets, bytes);
  }
  netdev_reset_queue(dev: NetDevice): void {
    this.netdev_tx_reset_queue(dev.queues[0]);
  }
}
