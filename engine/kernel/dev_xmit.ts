// The transmit path: from dev_queue_xmit to the driver (Linux: net/core/dev.c).
import type { Cpu } from '../platform/cpu.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice, NetdevQueue } from './net_device.ts';
import type { Qdisc } from './sched/qdisc.ts';
import type { SkBuff } from './skbuff.ts';

export class DevXmit {

  constructor(readonly kernel: Kernel) {}
  /** Sends a complete frame through the device's qdisc. Consumes the skb. NET_XMIT_* or a negative errno. */
  dev_queue_xmit(skb: SkBuff): number;
  dev_queue_xmit(): number {
    return 0;
  }
  __dev_queue_xmit(skb: SkBuff, sb_dev: NetDevice | undefined): number;
  __dev_queue_xmit(): number {
    return 0;
  }
  /** Past the qdisc, to a chosen queue (AF_PACKET with QDISC_BYPASS). */
  dev_direct_xmit(skb: SkBuff, queue: number): number;
  dev_direct_xmit(): number {
    return 0;
  }
  netdev_pick_tx(dev: NetDevice, skb: SkBuff): number;
  netdev_pick_tx(): number {
    return 0;
  }
  skb_tx_hash(dev: NetDevice, skb: SkBuff): number;
  skb_tx_hash(): number {
    return 0;
  }
  /** Completes in software what the device cannot; undefined when that failed (then freed). */
  validate_xmit_skb(skb: SkBuff, dev: NetDevice): SkBuff | undefined;
  validate_xmit_skb(): SkBuff | undefined {
    return undefined;
  }
  /** NETDEV_TX_OK or NETDEV_TX_BUSY (then the caller keeps the skb). */
  dev_hard_start_xmit(skb: SkBuff, dev: NetDevice, txq: NetdevQueue): number;
  dev_hard_start_xmit(): number {
    return 0;
  }
  /** Shows an outgoing skb to the taps. */
  dev_queue_xmit_nit(skb: SkBuff, dev: NetDevice): void;
  dev_queue_xmit_nit(): void {
    return;
  }
  /** Feeds a packet back as received (multicast to local members). */
  dev_loopback_xmit(skb: SkBuff): number;
  dev_loopback_xmit(): number {
    return 0;
  }
  netif_tx_stop_queue(txq: NetdevQueue): void;
  netif_tx_stop_queue(): void {
    return;
  }
  netif_tx_start_queue(txq: NetdevQueue): void;
  netif_tx_start_queue(): void {
    return;
  }
  netif_tx_wake_queue(txq: NetdevQueue): void;
  netif_tx_wake_queue(): void {
    return;
  }
  netif_stop_subqueue(dev: NetDevice, queue: number): void;
  netif_stop_subqueue(): void {
    return;
  }
  netif_wake_subqueue(dev: NetDevice, queue: number): void;
  netif_wake_subqueue(): void {
    return;
  }
  netif_tx_start_all_queues(dev: NetDevice): void;
  netif_tx_start_all_queues(): void {
    return;
  }
  netif_tx_stop_all_queues(dev: NetDevice): void;
  netif_tx_stop_all_queues(): void {
    return;
  }
  netif_tx_wake_all_queues(dev: NetDevice): void;
  netif_tx_wake_all_queues(): void {
    return;
  }
  /** Stops all queues with their locks held: nothing is in the driver after it. */
  netif_tx_disable(dev: NetDevice): void;
  netif_tx_disable(): void {
    return;
  }
  /** Marks the qdisc for NET_TX. */
  __netif_schedule(q: Qdisc): void;
  __netif_schedule(): void {
    return;
  }
  net_tx_action(cpu: Cpu): void;
  net_tx_action(): void {
    return;
  }
  /** XPS: which queue each CPU uses; cpus[queue] is a CPU bit mask. */
  netif_set_xps_queue(dev: NetDevice, mask: number, queue: number): number;
  netif_set_xps_queue(): number {
    return 0;
  }
  /** CPU mask of a transmit queue, 0 when none is set. */
  xps_cpus(dev: NetDevice, queue: number): number;
  xps_cpus(): number {
    return 0;
  }
}
