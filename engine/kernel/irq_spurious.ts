// Interrupts that nobody handles (Linux: kernel/irq/spurious.c): counted; a line that is almost only those is shut off and polled.
import type { Instant } from '../base/units.ts';
import type { Actor } from '../sim/sim.ts';
import { IRQ_NONE, type IrqDesc } from './irq_desc.ts';
import type { Kernel } from './kernel.ts';
import { TimerList } from './timer.ts';

/** A judgement is made every so many interrupts, and this many unhandled ones are too many. */
const WINDOW = 100_000;
const TOO_MANY = 99_900;
/** Unhandled interrupts further apart than this (ns) do not add up. */
const APART = 100_000_000;
const POLL_INTERVAL = 100_000_000;

export class IrqSpurious implements Actor {
  private readonly poll_spurious_irq_timer = new TimerList(this, 0);
  constructor(readonly kernel: Kernel) {}

  /** After the handlers of an interrupt answered. */
  note_interrupt(desc: IrqDesc, ret: number): void {
    if (ret === IRQ_NONE) {
      const now = this.kernel.now();
      if (desc.last_unhandled >= 0 && now <= desc.last_unhandled + APART) desc.irqs_unhandled++;
      else desc.irqs_unhandled = 1;
      desc.last_unhandled = now;
    }
    if (++desc.irq_count < WINDOW) return;
    desc.irq_count = 0;
    if (desc.irqs_unhandled > TOO_MANY) {
      this.__report_bad_irq(desc);
      this.kernel.printk.pr_emerg(`Disabling IRQ #${desc.irq}`);
      desc.spuriousDisabled = true;
      desc.depth++;
      desc.disabled = true;
      this.kernel.irq.mask_irq(desc);
      this.kernel.timers.mod_timer(this.poll_spurious_irq_timer, (this.kernel.now() + POLL_INTERVAL) as Instant);
    }
    desc.irqs_unhandled = 0;
  }

  __report_bad_irq(desc: IrqDesc): void {
    const { printk } = this.kernel;
    printk.pr_err(`irq ${desc.irq}: nobody cared (try booting with the "irqpoll" option)`);
    printk.dump_stack_print_info();
    printk.pr_err('handlers:');
    for (const a of desc.actions()) printk.pr_err(a.target.irqSymbol?.(a.op) ?? a.name);
  }

  onEvent(): void {
    this.poll_spurious_irqs();
  }

  /** Asks the handlers of the lines that were shut off, so that their devices are not dead altogether. */
  poll_spurious_irqs(): void {
    const { irq, timers } = this.kernel;
    let any = false;
    for (const desc of irq.list()) {
      if (!desc.spuriousDisabled || desc.action === undefined) continue;
      any = true;
      irq.handle_irq_event_percpu(desc);
    }
    if (any) timers.mod_timer(this.poll_spurious_irq_timer, (this.kernel.now() + POLL_INTERVAL) as Instant);
  }
}
