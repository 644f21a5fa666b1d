// Interrupt descriptors, their users, and the op table of interrupt controllers (Linux: include/linux/irqdesc.h, interrupt.h, irq.h).
import type { Kernel } from './kernel.ts';

/** What a handler answers (Linux: irqreturn_t). */
export const IRQ_NONE = 0;
export const IRQ_HANDLED = 1;
/** Flags of request_irq (Linux: include/linux/interrupt.h). */
export const IRQF = {
  TRIGGER_RISING: 0x1,
  TRIGGER_HIGH: 0x4,
  TRIGGER_LOW: 0x8,
  SHARED: 0x80,
  PROBE_SHARED: 0x100,
  ONESHOT: 0x2000,
} as const;

/** Who handles an interrupt: an object, and a small integer of its own that says which of its handlers. */
export interface IrqTarget {
  onIrq(irq: number, op: number): number;
  /** The handler as a symbol ('vp_interrupt [virtio_pci]'), for the report of an interrupt that nobody cares for. */
  irqSymbol?(op: number): string;
}

/** Linux: struct irqaction. Users of a shared line are chained in order of request. */
export class IrqAction {
  next: IrqAction | undefined;
  constructor(
    readonly target: IrqTarget,
    readonly op: number,
    readonly name: string,
    /** IRQF bits. */
    readonly flags = 0,
    /** Requested before there was a /proc: it has no directory there. */
    readonly early = false,
  ) {}
}

/** Op table of an interrupt controller; a constant. */
export interface IrqChip {
  /** As /proc/interrupts prints it: 'PCI-MSI', 'IO-APIC'. */
  readonly name: string;
  irq_mask?(desc: IrqDesc, kernel: Kernel): void;
  irq_unmask?(desc: IrqDesc, kernel: Kernel): void;
  /** End of interrupt, for flows that need one. */
  irq_eoi?(desc: IrqDesc, kernel: Kernel): void;
  /** Programs where the interrupt goes: CPU and vector. */
  irq_write_msi_msg?(desc: IrqDesc, kernel: Kernel, cpu: number, vector: number): void;
  /** Takes the message away. */
  irq_clear_msi_msg?(desc: IrqDesc, kernel: Kernel): void;
}

/** Linux: struct irq_desc */
export class IrqDesc {
  /** The first user; more follow by `next` on a shared line. */
  action: IrqAction | undefined;
  /** Interrupts per CPU. */
  readonly counts: Float64Array;
  /** CPUs allowed, as a mask (smp_affinity), and a driver's hint. */
  affinity: number;
  affinityHint = 0;
  /** Where it is delivered; cpu -1 before it was started. */
  cpu = -1;
  vector = 0;
  /** A change waits for the next interrupt (Linux: IRQD_SETAFFINITY_PENDING); 0 is none. */
  pendingMask = 0;
  /** The place it moved away from and that is given back at the first interrupt on the new one. */
  oldCpu = -1;
  oldVector = 0;
  moving = false;
  disabled = true;
  masked = true;
  /** disable_irq() calls that were not undone. */
  depth = 1;
  /** Interrupts since the last look at how many were nobody's, those, and when the last of them was (ns, -1 never). */
  irq_count = 0;
  irqs_unhandled = 0;
  last_unhandled = -1;
  /** Shut off because nobody cared (Linux: IRQS_SPURIOUS_DISABLED). */
  spuriousDisabled = false;
  /** It has a directory in /proc/irq: from boot, or since its first user. */
  inProc = false;
  constructor(
    readonly irq: number,
    readonly chip: IrqChip,
    /** Between chip and '-edge' in /proc/interrupts. */
    readonly hwirq: number,
    readonly flow: 'edge' | 'fasteoi',
    readonly chip_data: object | undefined,
    /** NUMA node, -1 for none. */
    readonly node: number,
    cpus: number,
  ) {
    this.counts = new Float64Array(cpus);
    this.affinity = 2 ** cpus - 1;
  }

  /** All users, in order. */
  actions(): IrqAction[] {
    const out: IrqAction[] = [];
    for (let a = this.action; a !== undefined; a = a.next) out.push(a);
    return out;
  }
}
