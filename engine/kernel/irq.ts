// Interrupts (Linux: kernel/irq, arch/x86/kernel/apic/vector.c): descriptors, vectors per CPU, affinity, flow handling, counts.
import { Errno } from '../base/errno.ts';
import { invariant, ops } from '../base/ops.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { TracePoint } from '../trace/trace.ts';
import { IrqMatrix, MANAGED_IRQ_SHUTDOWN_VECTOR } from './irq_matrix.ts';
import type { Kernel } from './kernel.ts';
import { IrqHandlerEntry, IrqHandlerExit } from './irq_trace.ts';

export const IRQ_NONE = 0;
export const IRQ_HANDLED = 1;

/** Who handles an interrupt: an object, and a small integer of its own that says which of its handlers. */
export interface IrqTarget {
  onIrq(irq: number, op: number): number;
}

/** Linux: struct irqaction */
export class IrqAction {
  constructor(
    readonly target: IrqTarget,
    readonly op: number,
    readonly name: string,
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
  /** Programs where the interrupt goes: CPU and vector. */
  irq_write_msi_msg?(desc: IrqDesc, kernel: Kernel, cpu: number, vector: number): void;
  /** Takes the message away. */
  irq_clear_msi_msg?(desc: IrqDesc, kernel: Kernel): void;
}

/** Linux: struct irq_desc */
export class IrqDesc {
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
  spurious = 0;
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
}

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
const IO_APIC: IrqChip = ops<IrqChip>({ name: 'IO-APIC' });

/** The board's own devices are not modelled: their lines exist and stay silent. */
class LegacyLine implements IrqTarget {
  onIrq(): number {
    return IRQ_HANDLED;
  }
}

export class IrqCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'request_irq',
    'irq_move_irq',
    'irq_complete_move',
    'irq_alloc_desc',
    'irq_free_desc',
    'irq_activate_reserved',
  ]);
  /** Sparse, by interrupt number. */
  readonly descs: (IrqDesc | undefined)[] = [];
  readonly matrix: IrqMatrix;
  /** Per CPU, per vector: interrupt number + 1, 0 for none (Linux: vector_irq). */
  private readonly vectorIrq: Int32Array;
  /** Vectors that came without a user (/proc/interrupts: ERR). */
  spuriousVectors = 0;
  private readonly cpus: number;
  private readonly tpEntry: TracePoint;
  private readonly tpExit: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.cpus = kernel.platform.cpus.list.length;
    this.matrix = new IrqMatrix(this.cpus);
    this.vectorIrq = new Int32Array(256 * this.cpus);
    this.tpEntry = kernel.platform.scope.point(IrqHandlerEntry);
    this.tpExit = kernel.platform.scope.point(IrqHandlerExit);
    const line = new LegacyLine();
    for (let irq = 0; irq < NR_LEGACY_IRQS; irq++) {
      const pin = irq === 0 ? 2 : irq;
      const desc = new IrqDesc(irq, IO_APIC, pin, irq === 9 ? 'fasteoi' : 'edge', undefined, 0, this.cpus);
      this.descs[irq] = desc;
      if (irq === 2) continue; // the cascade has no vector of its own
      desc.cpu = 0;
      desc.vector = ISA_IRQ_VECTOR + irq;
    }
    for (const [irq, name] of LEGACY) {
      const desc = this.descs[irq];
      invariant(desc !== undefined, `the board has no line ${irq}`);
      desc.action = new IrqAction(line, 0, name, irq === 0);
      desc.disabled = desc.masked = false;
      desc.depth = 0;
      if (irq === 0) this.matrix.take(0, desc.vector);
      else this.assignVector(desc);
      this.bind(desc);
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
    invariant(desc !== undefined && desc.action === undefined, `irq ${irq} freed while in use or twice`);
    this.descs[irq] = undefined;
  }

  /** Points an interrupt nobody uses yet at the vector that is never raised, so that the device holds a valid message. */
  irq_activate_reserved(desc: IrqDesc): void {
    desc.chip.irq_write_msi_msg?.(desc, this.kernel, 0, MANAGED_IRQ_SHUTDOWN_VECTOR);
  }

  request_irq(irq: number, target: IrqTarget, op: number, name: string): number {
    return this.request_threaded_irq(irq, target, op, name);
  }

  /** 0, -EINVAL for a number not in use, -EBUSY when it has a user, -ENOSPC when vectors are out. */
  request_threaded_irq(irq: number, target: IrqTarget, op: number, name: string): number {
    const desc = this.descs[irq];
    if (desc === undefined) return -Errno.EINVAL;
    const err = this.kernel.drivers.failFunction.should_fail('request_threaded_irq');
    if (err < 0) return err;
    return this.__setup_irq(desc, new IrqAction(target, op, name));
  }

  __setup_irq(desc: IrqDesc, action: IrqAction): number {
    if (desc.action !== undefined) return -Errno.EBUSY;
    const ret = this.irq_activate(desc);
    if (ret < 0) return ret;
    desc.action = action;
    return this.irq_startup(desc);
  }

  irq_activate(desc: IrqDesc): number {
    if (!this.assignVector(desc)) return -Errno.ENOSPC;
    this.bind(desc);
    this.writeMessage(desc);
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
    this.writeMessage(desc);
  }

  free_irq(irq: number): void {
    const desc = this.descs[irq];
    if (desc?.action === undefined) {
      this.kernel.printk.pr_err(`Trying to free already-free IRQ ${irq}`);
      return;
    }
    this.irq_shutdown(desc);
    desc.action = undefined;
  }

  irq_shutdown(desc: IrqDesc): void {
    this.mask_irq(desc);
    desc.disabled = true;
    desc.depth = 1;
    desc.affinityHint = 0;
    this.irq_domain_deactivate_irq(desc);
  }

  irq_domain_deactivate_irq(desc: IrqDesc): void {
    this.releaseOld(desc);
    if (desc.cpu < 0) return;
    desc.chip.irq_clear_msi_msg?.(desc, this.kernel);
    this.vectorIrq[desc.cpu * 256 + desc.vector] = 0;
    this.matrix.free(desc.cpu, desc.vector);
    desc.cpu = -1;
    desc.vector = 0;
    desc.pendingMask = 0;
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

  /** Interrupts of all CPUs. */
  total(irq: number): number {
    return this.descs[irq]?.counts.reduce((a, b) => a + b, 0) ?? 0;
  }

  do_IRQ(cpu: Cpu, vector: number): void {
    const irq = this.vectorIrq[cpu.id * 256 + vector] - 1;
    const desc = irq < 0 ? undefined : this.descs[irq];
    if (desc === undefined) {
      this.spuriousVectors++;
      this.kernel.printk.pr_warn(`do_IRQ: ${cpu.id}.${vector} No irq handler for vector`);
      return;
    }
    this.handle_edge_irq(desc, cpu.id);
  }

  handle_edge_irq(desc: IrqDesc, cpu: number): void {
    desc.counts[cpu]++;
    if (desc.moving) this.irq_complete_move(desc);
    if (desc.pendingMask !== 0) this.irq_move_irq(desc);
    if (desc.action === undefined || desc.disabled) {
      desc.spurious++;
      return;
    }
    this.handle_irq_event(desc, desc.action);
  }

  handle_irq_event(desc: IrqDesc, action: IrqAction): number {
    return this.__handle_irq_event_percpu(desc, action);
  }

  __handle_irq_event_percpu(desc: IrqDesc, action: IrqAction): number {
    if (this.tpEntry.enabled) this.tpEntry.emit(desc.irq, action.name);
    const ret = action.target.onIrq(desc.irq, action.op);
    if (this.tpExit.enabled) this.tpExit.emit(desc.irq, ret);
    if (ret === IRQ_NONE) desc.spurious++;
    return ret;
  }

  /** Carries out a waiting change of affinity, in the interrupt itself, with the source masked (Linux: irq_move_masked_irq()). */
  irq_move_irq(desc: IrqDesc): void {
    const mask = desc.pendingMask;
    desc.pendingMask = 0;
    const masked = desc.masked;
    this.mask_irq(desc);
    this.irq_do_set_affinity(desc, mask);
    if (!masked) this.unmask_irq(desc);
  }

  irq_do_set_affinity(desc: IrqDesc, mask: number): void {
    const { cpu, vector } = desc;
    if ((mask & (1 << cpu)) !== 0) return this.writeMessage(desc);
    const to = this.matrix.alloc(mask);
    if (to < 0) return;
    desc.oldCpu = cpu;
    desc.oldVector = vector;
    desc.moving = true;
    desc.cpu = to >> 8;
    desc.vector = to & 0xff;
    this.bind(desc);
    // Linux: msi_set_affinity(): an MSI that cannot be remapped goes over the old CPU with the new vector, lest one is lost half-written
    if (desc.vector !== vector) {
      this.vectorIrq[cpu * 256 + desc.vector] ||= desc.irq + 1;
      desc.chip.irq_write_msi_msg?.(desc, this.kernel, cpu, desc.vector);
    }
    this.writeMessage(desc);
  }

  /** The first interrupt at the new place: the old vector is free again. */
  irq_complete_move(desc: IrqDesc): void {
    this.releaseOld(desc);
  }

  private releaseOld(desc: IrqDesc): void {
    if (!desc.moving) return;
    desc.moving = false;
    this.vectorIrq[desc.oldCpu * 256 + desc.oldVector] = 0;
    const between = desc.oldCpu * 256 + desc.vector;
    if (desc.oldCpu !== desc.cpu && this.vectorIrq[between] === desc.irq + 1) this.vectorIrq[between] = 0;
    this.matrix.free(desc.oldCpu, desc.oldVector);
    desc.oldCpu = -1;
  }

  private assignVector(desc: IrqDesc): boolean {
    const at = this.matrix.alloc(desc.affinity);
    if (at < 0) return false;
    desc.cpu = at >> 8;
    desc.vector = at & 0xff;
    return true;
  }

  private bind(desc: IrqDesc): void {
    this.vectorIrq[desc.cpu * 256 + desc.vector] = desc.irq + 1;
  }

  private writeMessage(desc: IrqDesc): void {
    desc.chip.irq_write_msi_msg?.(desc, this.kernel, desc.cpu, desc.vector);
  }
}
