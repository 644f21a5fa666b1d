// Wakes a qdisc that holds packets for later (Linux: qdisc_watchdog, an hrtimer).
import type { Instant } from '../../base/units.ts';
import type { Actor, SimEvent } from '../../sim/sim.ts';
import type { Qdisc } from './qdisc.ts';

const OP_WAKE = 0;

export class QdiscWatchdog implements Actor {
  private event: SimEvent | undefined;
  private cpu = 0;
  constructor(private readonly q: Qdisc) {}

  qdisc_watchdog_schedule_ns(expires: number): void {
    if (this.q.deactivated && this.q.upper === undefined) return;
    const { sim, cpus } = this.q.kernel.platform;
    const at = Math.max(Math.ceil(expires), sim.now) as Instant;
    if (this.event !== undefined) {
      if (this.event.time === at) return;
      sim.cancel(this.event);
    }
    this.cpu = cpus.current?.id ?? 0;
    this.event = sim.at(at, this, OP_WAKE, undefined);
  }
  qdisc_watchdog_cancel(): void {
    this.q.kernel.platform.sim.cancel(this.event);
    this.event = undefined;
  }
  onEvent(): void {
    this.event = undefined;
    let root = this.q;
    while (root.upper !== undefined) root = root.upper;
    if (!root.scheduled) this.q.kernel.net.xmit.scheduleOn(root, this.cpu);
  }
}
