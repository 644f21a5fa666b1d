// Vectors of the CPUs' local APICs (Linux: arch/x86/kernel/apic/vector.c): which interrupt has which, and moving one to another CPU.
import { IrqMatrix, MANAGED_IRQ_SHUTDOWN_VECTOR } from './irq_matrix.ts';
import type { IrqDesc } from './irq_desc.ts';
import type { Kernel } from './kernel.ts';

export class IrqVectors {
  readonly matrix: IrqMatrix;
  /** Per CPU, per vector: interrupt number + 1, 0 for none (Linux: vector_irq). */
  private readonly vectorIrq: Int32Array;

  constructor(readonly kernel: Kernel) {
    const cpus = kernel.platform.cpus.list.length;
    this.matrix = new IrqMatrix(cpus);
    this.vectorIrq = new Int32Array(256 * cpus);
  }

  /** The interrupt a vector belongs to on a CPU, -1 for none. */
  irqAt(cpu: number, vector: number): number {
    return this.vectorIrq[cpu * 256 + vector] - 1;
  }

  /** A place on one of the CPUs it may go to; false when their vectors are out. */
  assign(desc: IrqDesc): boolean {
    const at = this.matrix.alloc(desc.affinity);
    if (at < 0) return false;
    desc.cpu = at >> 8;
    desc.vector = at & 0xff;
    this.bind(desc);
    return true;
  }

  /** A place that is the board's own choice. */
  assignFixed(desc: IrqDesc, cpu: number, vector: number): void {
    desc.cpu = cpu;
    desc.vector = vector;
    this.matrix.take(cpu, vector);
    this.bind(desc);
  }

  release(desc: IrqDesc): void {
    this.releaseOld(desc);
    if (desc.cpu < 0) return;
    this.vectorIrq[desc.cpu * 256 + desc.vector] = 0;
    this.matrix.free(desc.cpu, desc.vector);
    desc.cpu = -1;
    desc.vector = 0;
    desc.pendingMask = 0;
  }

  /** Points an interrupt nobody uses yet at the vector that is never raised, so that the device holds a valid message. */
  writeReserved(desc: IrqDesc): void {
    desc.chip.irq_write_msi_msg?.(desc, this.kernel, 0, MANAGED_IRQ_SHUTDOWN_VECTOR);
  }

  writeMessage(desc: IrqDesc): void {
    desc.chip.irq_write_msi_msg?.(desc, this.kernel, desc.cpu, desc.vector);
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
    if (desc.flow === 'edge' && desc.vector !== vector) {
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

  private bind(desc: IrqDesc): void {
    this.vectorIrq[desc.cpu * 256 + desc.vector] = desc.irq + 1;
  }
}
