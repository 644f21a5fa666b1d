// Carrier and operational state: changes are collected and told at most once a second, urgent ones at once (Linux: net/core/link_watch.c).
import type { Actor } from '../sim/sim.ts';
import type { Kernel } from './kernel.ts';
import { IF_OPER, IFF, type NetDevice } from './net_device.ts';
import { WorkStruct } from './workqueue.ts';

const SECOND = 1_000_000_000;
const OP_EVENT = 0;

/** A supplicant says when the link is up (IF_LINK_MODE_DORMANT). */
const LINK_MODE_DORMANT = 1;

export class LinkWatch implements Actor {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['netif_carrier_ok', 'netif_oper_up', 'netif_running']);
  private readonly pending: NetDevice[] = [];
  private readonly work: WorkStruct;
  private urgent = false;
  private nextevent = 0;

  constructor(readonly kernel: Kernel) {
    this.work = new WorkStruct(this, OP_EVENT);
  }

  netif_carrier_on(dev: NetDevice): void {
    if (!dev.nocarrier) return;
    dev.nocarrier = false;
    if (dev.reg_state === 'uninitialized') return;
    dev.carrier_up_count++;
    this.linkwatch_fire_event(dev);
    if (dev.started) this.kernel.sched.__netdev_watchdog_up(dev);
  }
  netif_carrier_off(dev: NetDevice): void {
    if (dev.nocarrier) return;
    dev.nocarrier = true;
    if (dev.reg_state === 'uninitialized') return;
    dev.carrier_down_count++;
    this.linkwatch_fire_event(dev);
  }
  netif_carrier_ok(dev: NetDevice): boolean {
    return !dev.nocarrier;
  }
  netif_oper_up(dev: NetDevice): boolean {
    return dev.operstate === IF_OPER.UP || dev.operstate === IF_OPER.UNKNOWN;
  }
  netif_running(dev: NetDevice): boolean {
    return dev.started;
  }

  linkwatch_fire_event(dev: NetDevice): void {
    const urgent = this.linkwatch_urgent_event(dev);
    if (!this.pending.includes(dev)) this.pending.push(dev);
    else if (!urgent) return;
    this.linkwatch_schedule_work(urgent);
  }

  /** Worth no delay: stacked devices, and carrier that lets a queue work. */
  linkwatch_urgent_event(dev: NetDevice): boolean {
    if (!dev.started) return false;
    if (dev.ifindex !== this.kernel.net.dev_get_iflink(dev)) return true;
    return !dev.nocarrier && dev.queues.some((q) => q.qdisc !== q.qdisc_sleeping);
  }

  linkwatch_schedule_work(urgent: boolean): void {
    const { workqueues } = this.kernel;
    if (this.urgent) return;
    let delay = this.nextevent - this.kernel.now();
    if (urgent) {
      this.urgent = true;
      delay = 0;
    }
    if (delay < 0 || delay > SECOND) delay = 0;
    if (this.urgent) workqueues.mod_delayed_work(this.work, 0);
    else workqueues.schedule_delayed_work(this.work, delay);
  }

  onEvent(): void {
    this.linkwatch_event();
  }
  linkwatch_event(): void {
    this.__linkwatch_run_queue({ urgentOnly: this.nextevent > this.kernel.now() });
  }

  __linkwatch_run_queue(what: { urgentOnly: boolean }): void {
    if (!what.urgentOnly) this.nextevent = this.kernel.now() + SECOND;
    this.urgent = false;
    const devices = this.pending.splice(0);
    for (const dev of devices) {
      if (what.urgentOnly && !this.linkwatch_urgent_event(dev)) this.pending.push(dev);
      else this.linkwatch_do_dev(dev);
    }
    if (this.pending.length > 0) this.linkwatch_schedule_work(false);
  }
  /** Runs link watch's work when it waits for a CPU only. */
  runQueued(): void {
    this.kernel.workqueues.flush_work(this.work);
  }
  /** One device's change, now. */
  linkwatch_forget_dev(dev: NetDevice): void {
    const i = this.pending.indexOf(dev);
    if (i < 0) return;
    this.pending.splice(i, 1);
    this.linkwatch_do_dev(dev);
  }

  linkwatch_init_dev(dev: NetDevice): void {
    if (dev.nocarrier) this.rfc2863_policy(dev);
  }

  linkwatch_do_dev(dev: NetDevice): void {
    this.rfc2863_policy(dev);
    if ((dev.flags & IFF.UP) === 0) return;
    if (dev.nocarrier) this.kernel.sched.dev_deactivate(dev);
    else this.kernel.sched.dev_activate(dev);
    this.netdev_state_change(dev);
  }

  /** RFC 2863 §3.1.14: the operational state that follows from carrier and the lower device. */
  rfc2863_policy(dev: NetDevice): void {
    const state = this.default_operstate(dev);
    dev.operstate = state === IF_OPER.UP && dev.link_mode === LINK_MODE_DORMANT ? IF_OPER.DORMANT : state;
  }
  default_operstate(dev: NetDevice): number {
    if (!dev.nocarrier) return IF_OPER.UP;
    return dev.ifindex !== this.kernel.net.dev_get_iflink(dev) ? IF_OPER.LOWERLAYERDOWN : IF_OPER.DOWN;
  }

  /** Tells notifiers and rtnetlink that the device's state changed. */
  netdev_state_change(dev: NetDevice): void {
    if ((dev.flags & IFF.UP) === 0) return;
    this.kernel.net.call_netdevice_notifiers('NETDEV_CHANGE', dev, { flags_changed: 0 });
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
  }

  /** An upper device's carrier follows its lower one's. */
  netif_stacked_transfer_operstate(lower: NetDevice, upper: NetDevice): void {
    if (lower.nocarrier) this.netif_carrier_off(upper);
    else this.netif_carrier_on(upper);
  }

  /** The device's users announce their addresses. */
  netdev_notify_peers(dev: NetDevice): void {
    this.kernel.net.call_netdevice_notifiers('NETDEV_NOTIFY_PEERS', dev);
  }
}
