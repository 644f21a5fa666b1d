// Interrupts (Linux: kernel/irq): who uses which number, starting and stopping, flow handling, counts.
import { Errno } from '../base/errno.ts';
import { invariant } from '../base/ops.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { TracePoint } from '../trace/trace.ts';
import { IRQ_HANDLED, IRQ_NONE, IrqAction, type IrqChip, IrqDesc, IRQF, type IrqTarget } from './irq_desc.ts';
import { IoApicIrqs } from './irq_ioapic.ts';
import type { IrqMatrix } from './irq_matrix.ts';
import { IrqSpurious } from './irq_spurious.ts';
import { IrqHandlerEntry, IrqHandlerExit } from './irq_trace.ts';
import { IrqVectors } from './irq_vector.ts';
import type { Kernel } from './kernel.ts';

export { IRQ_HANDLED, IRQ_NONE, IrqAction, type IrqChip, IrqDesc, IRQF, type IrqTarget } from './irq_desc.ts';

/** First number after the I/O APIC's pins (Linux: gsi_top on a q35 board). */
const FIRST_DYNAMIC_IRQ = 24;
/** A board's own interrupts, in the order their users ask for them at boot. */
const LEGACY: readonly (readonly [number, string, 'edge' | 'fasteoi'])[] = [
  [0, 'timer', 'edge'],
  [9, 'acpi', 'fasteoi'],
  [12, 'i8042', 'edge'],
  [1, 'i8042', 'edge'],
  [8, 'rtc0', 'edge'],
  [4, 'ttyS0', 'edge'],
  [3, 'ttyS1', 'edge'],
];
const NR_LEGACY_IRQS = 16;
const ISA_IRQ_VECTOR = 0x30;

/** The board's own devices are not modelled: their lines exist and stay silent. */
class LegacyLine implements IrqTarget {
  onIrq(): number {
    return IRQ_HANDLED;
  }
}

export class IrqCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['request_irq', 'irq_move_irq', 'irq_alloc_desc', 'irq_free_desc']);
  /** Sparse, by interrupt number. */
  readonly descs: (IrqDesc | undefined)[] = [];
  readonly vectors: IrqVectors;
  readonly ioapic: IoApicIrqs;
  readonly spurious: IrqSpurious;
  /** Vectors that came without a user (/proc/interrupts: ERR). */
  spuriousVectors = 0;
  private readonly cpus: number;
  private readonly tpEntry: TracePoint;
  private readonly tpExit: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.cpus = kernel.platform.cpus.list.length;
    this.vectors = new IrqVectors(kernel);
    this.ioapic = new IoApicIrqs(kernel);
    this.spurious = new IrqSpurious(kernel);
    this.tpEntry = kernel.platform.scope.point(IrqHandlerEntry);
    this.tpExit = kernel.platform.scope.point(IrqHandlerExit);
    this.addBoardLines();
  }

  get matrix(): IrqMatrix {
    return this.vectors.matrix;
  }

  private addBoardLines(): void {
    const line = new LegacyLine();
    for (let irq = 0; irq < NR_LEGACY_IRQS; irq++) {
      const desc = this.ioapic.describe(irq, irq === 0 ? 2 : irq, irq === 9);
      this.descs[irq] = desc;
      desc.inProc = true;
      if (irq === 2) continue; // the cascade has no vector of its own
      desc.cpu = 0;
      desc.vector = ISA_IRQ_VECTOR + irq;
    }
    for (const [irq, name] of LEGACY) {
      const desc = this.descs[irq];
      invariant(desc !== undefined, `the board has no line ${irq}`);
      desc.action = new IrqAction(line, 0, name, 0, irq === 0);
      if (irq === 0) this.vectors.assignFixed(desc, 0, desc.vector);
      else this.vectors.assign(desc);
      this.irq_startup(desc);
    }
  }

  /** The descriptor, undefined when the number is not in use. */
  irq_to_desc(irq: number): IrqDesc | undefined {
    return this.descs[irq];
  }

  /** All descriptors in order of number. */
  list(): IrqDesc[] {
    return this.descs.filter((d): d is IrqDesc => d !== undefined);
  }

  /** A descriptor for an interrupt that a chip delivers; the lowest free number from 24 on. */
  irq_alloc_desc(chip: IrqChip, hwirq: number, chipData: object, node: number): IrqDesc {
    let irq = FIRST_DYNAMIC_IRQ;
    while (this.descs[irq] !== undefined) irq++;
    const desc = new IrqDesc(irq, chip, hwirq, 'edge', chipData, node, this.cpus);
    while (this.descs.length < irq) this.descs.push(undefined);
    this.descs[irq] = desc;
    return desc;
  }

  irq_free_desc(irq: number): void {
    const desc = this.descs[irq];
    invariant(desc !== undefined, `irq ${irq} freed twice`);
    if (desc.action !== undefined) {
      // Linux: BUG_ON(irq_has_action(irq))
      this.kernel.printk.pr_emerg('kernel BUG at drivers/pci/msi/msi.c:375!');
      if (this.kernel.contract.enabled) this.kernel.contract.violation('irq-vectors-in-use', desc.action.name, `IRQ ${irq}`);
      return;
    }
    this.descs[irq] = undefined;
  }

  /** As request_threaded_irq. */
  request_irq(irq: number, target: IrqTarget, op: number, name: string, flags = 0): number {
    return this.request_threaded_irq(irq, target, op, name, flags);
  }

  /** 0, -EINVAL for a number not in use, -EBUSY when it has a user and not both share, -ENOSPC when vectors are out. `flags` are IRQF bits. */
  request_threaded_irq(irq: number, target: IrqTarget, op: number, name: string, flags = 0): number {
    const desc = this.descs[irq];
    if (desc === undefined) return -Errno.EINVAL;
    const err = this.kernel.drivers.failFunction.should_fail('request_threaded_irq');
    if (err < 0) return err;
    return this.__setup_irq(desc, new IrqAction(target, op, name, flags));
  }

  __setup_irq(desc: IrqDesc, action: IrqAction): number {
    const old = desc.action;
    if (old !== undefined) {
      if ((old.flags & action.flags & IRQF.SHARED) === 0) return this.mismatch(desc, old, action);
      let last = old;
      while (last.next !== undefined) last = last.next;
      last.next = action;
    } else {
      const ret = this.irq_activate(desc);
      if (ret < 0) return ret;
      desc.action = action;
      this.irq_startup(desc);
    }
    // a line that was shut off gets another chance with a new user
    desc.irq_count = desc.irqs_unhandled = 0;
    if (old !== undefined && desc.spuriousDisabled) {
      desc.spuriousDisabled = false;
      this.enable_irq(desc.irq);
    }
    desc.inProc = true;
    return 0;
  }

  private mismatch(desc: IrqDesc, old: IrqAction, action: IrqAction): number {
    const hex = (n: number): string => n.toString(16).padStart(8, '0');
    if ((action.flags & IRQF.PROBE_SHARED) === 0)
      this.kernel.printk.pr_err(
        `genirq: Flags mismatch irq ${desc.irq}. ${hex(action.flags)} (${action.name}) vs. ${hex(old.flags)} (${old.name})`,
      );
    return -Errno.EBUSY;
  }

  irq_activate(desc: IrqDesc): number {
    if (!this.vectors.assign(desc)) return -Errno.ENOSPC;
    this.vectors.writeMessage(desc);
    return 0;
  }

  irq_startup(desc: IrqDesc): number {
    desc.disabled = false;
    desc.depth = 0;
    this.irq_setup_affinity(desc);
    this.unmask_irq(desc);
    return 0;
  }

  irq_setup_affinity(desc: IrqDesc): void {
    this.vectors.writeMessage(desc);
  }

  /** Takes a user away: of a shared line the one with this target (and handler), otherwise the only one. */
  free_irq(irq: number, target?: IrqTarget, op?: number): void {
    if (this.kernel.contract.enabled) this.kernel.contract.mightSleep('free_irq');
    const desc = this.descs[irq];
    let before: IrqAction | undefined;
    let action = desc?.action;
    while (action !== undefined && !isOf(action, target, op)) [before, action] = [action, action.next];
    if (desc === undefined || action === undefined) {
      this.kernel.printk.pr_err(`Trying to free already-free IRQ ${irq}`);
      if (this.kernel.contract.enabled) this.kernel.contract.violation('irq-free-twice', 'free_irq', `IRQ ${irq}`);
      return;
    }
    if (before !== undefined) before.next = action.next;
    else desc.action = action.next;
    if (desc.action === undefined) this.irq_shutdown(desc);
  }

  irq_shutdown(desc: IrqDesc): void {
    this.mask_irq(desc);
    desc.disabled = true;
    desc.spuriousDisabled = false;
    desc.depth = 1;
    desc.affinityHint = 0;
    this.irq_domain_deactivate_irq(desc);
  }

  irq_domain_deactivate_irq(desc: IrqDesc): void {
    if (desc.cpu >= 0) desc.chip.irq_clear_msi_msg?.(desc, this.kernel);
    this.vectors.release(desc);
  }

  mask_irq(desc: IrqDesc): void {
    if (desc.masked) return;
    desc.masked = true;
    desc.chip.irq_mask?.(desc, this.kernel);
  }

  unmask_irq(desc: IrqDesc): void {
    if (!desc.masked) return;
    desc.masked = false;
    desc.chip.irq_unmask?.(desc, this.kernel);
  }

  disable_irq(irq: number): void {
    const desc = this.descs[irq];
    if (desc === undefined || desc.depth++ > 0) return;
    desc.disabled = true;
    this.mask_irq(desc);
  }

  enable_irq(irq: number): void {
    const desc = this.descs[irq];
    if (desc === undefined || desc.depth === 0 || --desc.depth > 0) return;
    desc.disabled = false;
    this.unmask_irq(desc);
  }

  /** Waits until no handler of it runs: in this model work runs to its end, so there is nothing to wait for. */
  synchronize_irq(irq: number): void {
    invariant(this.descs[irq] !== undefined, `synchronize_irq(${irq}): no such interrupt`);
  }

  /** /proc/irq/N/smp_affinity: 0, -EINVAL for a mask without a CPU that exists. Takes effect at the next interrupt once it was started. */
  irq_set_affinity(irq: number, mask: number): number {
    const desc = this.descs[irq];
    const wanted = mask & (2 ** this.cpus - 1);
    if (desc === undefined || wanted === 0) return -Errno.EINVAL;
    desc.affinity = wanted;
    if (desc.cpu >= 0) desc.pendingMask = wanted;
    return 0;
  }

  /** Linux: irq_set_affinity_and_hint(); a mask of 0 takes the hint away. */
  irq_set_affinity_hint(irq: number, mask: number): number {
    const desc = this.descs[irq];
    if (desc === undefined) return -Errno.EINVAL;
    desc.affinityHint = mask;
    return mask === 0 ? 0 : this.irq_set_affinity(irq, mask);
  }

  /** Linux: irq_get_irqchip_state() of IRQCHIP_STATE_PENDING. */
  irq_get_irqchip_state(irq: number): boolean {
    const desc = this.descs[irq];
    return desc !== undefined && desc.cpu >= 0 && this.kernel.platform.cpus.list[desc.cpu].interruptPending(desc.vector);
  }

  /** Interrupts of all CPUs. */
  total(irq: number): number {
    return this.descs[irq]?.counts.reduce((a, b) => a + b, 0) ?? 0;
  }

  do_IRQ(cpu: Cpu, vector: number): void {
    const desc = this.descs[this.vectors.irqAt(cpu.id, vector)];
    if (desc === undefined) {
      this.spuriousVectors++;
      this.kernel.platform.apic.eoi();
      this.kernel.printk.pr_warn(`do_IRQ: ${cpu.id}.${vector} No irq handler for vector`);
      return;
    }
    if (desc.flow === 'edge') this.handle_edge_irq(desc, cpu.id);
    else this.handle_fasteoi_irq(desc, cpu.id);
  }

  handle_edge_irq(desc: IrqDesc, cpu: number): void {
    desc.counts[cpu]++;
    if (desc.moving) this.vectors.irq_complete_move(desc);
    if (desc.pendingMask !== 0) this.irq_move_irq(desc);
    if (desc.action === undefined || desc.disabled) return;
    this.handle_irq_event(desc);
  }

  /** Level-triggered: the end of interrupt goes to the controller after the handlers, and a line still asserted comes again. */
  handle_fasteoi_irq(desc: IrqDesc, cpu: number): void {
    if (desc.moving) this.vectors.irq_complete_move(desc);
    if (desc.action === undefined || desc.disabled) this.mask_irq(desc);
    else {
      desc.counts[cpu]++;
      this.handle_irq_event(desc);
    }
    desc.chip.irq_eoi?.(desc, this.kernel);
    if (desc.pendingMask !== 0) this.irq_move_irq(desc);
  }

  handle_irq_event(desc: IrqDesc): number {
    return this.handle_irq_event_percpu(desc);
  }

  handle_irq_event_percpu(desc: IrqDesc): number {
    const ret = this.__handle_irq_event_percpu(desc);
    this.spurious.note_interrupt(desc, ret);
    return ret;
  }

  /** Every user of the line is asked; handled when one says so. */
  __handle_irq_event_percpu(desc: IrqDesc): number {
    let handled = IRQ_NONE;
    for (let action = desc.action; action !== undefined; action = action.next) {
      if (this.tpEntry.enabled) this.tpEntry.emit(desc.irq, action.name);
      const ret = action.target.onIrq(desc.irq, action.op);
      if (this.tpExit.enabled) this.tpExit.emit(desc.irq, ret);
      handled |= ret;
    }
    return handled;
  }

  /** Carries out a waiting change of affinity, in the interrupt itself, with the source masked (Linux: irq_move_masked_irq()). */
  irq_move_irq(desc: IrqDesc): void {
    const mask = desc.pendingMask;
    desc.pendingMask = 0;
    const { masked } = desc;
    this.mask_irq(desc);
    this.vectors.irq_do_set_affinity(desc, mask);
    if (!masked) this.unmask_irq(desc);
  }
}

const isOf = (action: IrqAction, target: IrqTarget | undefined, op: number | undefined): boolean =>
  target === undefined || (action.target === target && (op === undefined || action.op === op));
