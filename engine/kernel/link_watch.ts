// Carrier and operational state (Linux: net/core/link_watch.c, net/sched/sch_generic.c).
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';

export class LinkWatch {

  constructor(readonly kernel: Kernel) {}
  netif_carrier_on(dev: NetDevice): void;
  netif_carrier_on(): void {
    return;
  }
  netif_carrier_off(dev: NetDevice): void;
  netif_carrier_off(): void {
    return;
  }
  netif_carrier_ok(dev: NetDevice): boolean;
  netif_carrier_ok(): boolean {
    return false;
  }
  netif_oper_up(dev: NetDevice): boolean;
  netif_oper_up(): boolean {
    return false;
  }
  netif_running(dev: NetDevice): boolean;
  netif_running(): boolean {
    return false;
  }
  linkwatch_fire_event(dev: NetDevice): void;
  linkwatch_fire_event(): void {
    return;
  }
  /** Handles what waits, now (before a dump). */
  linkwatch_run_queue(): void {
    return;
  }
  /** Device state changed: notifiers and rtnetlink. */
  netdev_state_change(dev: NetDevice): void;
  netdev_state_change(): void {
    return;
  }
  /** Gratuitous announcements of addresses. */
  netdev_notify_peers(dev: NetDevice): void;
  netdev_notify_peers(): void {
    return;
  }
}
