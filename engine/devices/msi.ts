// The MSI capability of one function: a message, or a few, in configuration space, with mask and pending bits when it has them (PCI 3.0 §6.8.1).
import { MsiCap, PCI_MSI_FLAGS, msiLayout } from '../pci/capabilities.ts';
import type { ByteMem } from '../base/memory.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
import { PciMsi } from './trace.ts';

export interface MsiSpec {
  /** Messages the function asks for: a power of two up to 32. */
  readonly vectors: number;
  readonly wide: boolean;
  readonly maskable: boolean;
}

export class Msi {
  readonly sent: Float64Array;
  private readonly at: ReturnType<typeof msiLayout>;
  private readonly tpMsi: TracePoint;

  /** `offset` is where the capability lies in `config`. */
  constructor(
    private readonly name: string,
    readonly spec: MsiSpec,
    private readonly config: ByteMem,
    readonly offset: number,
    private readonly port: DmaPort,
    scope: TraceScope,
  ) {
    this.at = msiLayout(spec.wide, spec.maskable);
    this.sent = new Float64Array(spec.vectors);
    this.tpMsi = scope.point(PciMsi);
    this.reset();
  }

  /** Bytes of the capability. */
  get size(): number {
    return this.at.size;
  }
  get enabled(): boolean {
    return (MsiCap.control.get(this.config, this.offset) & PCI_MSI_FLAGS.ENABLE) !== 0;
  }

  reset(): void {
    const { spec, config, offset } = this;
    for (let i = MsiCap.control.offset; i < this.at.size; i++) config.setU8(offset + i, 0);
    const capable = 31 - Math.clz32(spec.vectors);
    const flags = (spec.wide ? PCI_MSI_FLAGS.WIDE : 0) | (spec.maskable ? PCI_MSI_FLAGS.MASKBIT : 0);
    MsiCap.control.set(config, offset, flags | (capable << PCI_MSI_FLAGS.CAPABLE_SHIFT));
  }

  /** Sends a message, or sets its pending bit while it is masked. False when MSI is off. */
  notify(vector: number): boolean {
    if (!this.enabled) return false;
    if (this.at.mask !== 0 && (this.config.u32(this.offset + this.at.mask) & (1 << vector)) !== 0) {
      const pending = this.offset + this.at.pending;
      this.config.setU32(pending, (this.config.u32(pending) | (1 << vector)) >>> 0);
    } else this.send(vector);
    return true;
  }

  /** Configuration space was written: a vector that became unmasked while pending sends its message (PCI 3.0 §6.8.1.7). */
  written(): void {
    if (this.at.mask === 0 || !this.enabled) return;
    const pending = this.offset + this.at.pending;
    const due = this.config.u32(pending) & ~this.config.u32(this.offset + this.at.mask);
    for (let v = 0; v < this.spec.vectors; v++) {
      if ((due & (1 << v)) === 0) continue;
      this.config.setU32(pending, (this.config.u32(pending) & ~(1 << v)) >>> 0);
      this.send(v);
    }
  }

  /** PCI 3.0 §6.8.1.6: with several messages enabled the low bits of the data name the vector. */
  private send(vector: number): void {
    const { config, offset } = this;
    const enabled = (MsiCap.control.get(config, offset) >>> PCI_MSI_FLAGS.ENABLED_SHIFT) & PCI_MSI_FLAGS.LOG2_MASK;
    const messages = Math.min(1 << enabled, this.spec.vectors);
    const high = this.spec.wide ? config.u32(offset + MsiCap.addr_lo.offset + 4) : 0;
    const address = high * 2 ** 32 + MsiCap.addr_lo.get(config, offset);
    const data = (config.u16(offset + this.at.data) & ~(messages - 1)) | (vector & (messages - 1));
    this.sent[vector]++;
    if (this.tpMsi.enabled) this.tpMsi.emit(this.name, vector, address, data);
    this.port.msi(address, data);
  }
}
