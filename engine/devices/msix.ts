// The MSI-X structures of one function: vector table and pending bits in a BAR (PCI 3.0 §6.8.2).
import { ByteMem } from '../base/memory.ts';
import { MsixEntry, PCI_MSIX_ENTRY_CTRL_MASKBIT, PCI_MSIX_FLAGS } from '../pci/capabilities.ts';
import type { DmaPort, MmioTarget } from '../platform/bus.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
import { PciMsix } from './trace.ts';

/** Where table and pending bits lie; the table is at the BAR's start. */
export interface MsixLayout {
  readonly barSize: number;
  readonly pbaOffset: number;
}
const MSIX_BAR_SIZE = 0x1000;
/** A BAR for nothing but these: pending bits in its second half, or behind a table that needs more (QEMU: msix_init_exclusive_bar). */
export function msixLayout(vectors: number): MsixLayout {
  const pbaOffset = Math.max(MSIX_BAR_SIZE / 2, vectors * MsixEntry.$size);
  const end = pbaOffset + Math.ceil(vectors / 64) * 8;
  return { barSize: Math.max(MSIX_BAR_SIZE, 2 ** Math.ceil(Math.log2(end))), pbaOffset };
}

/** One vector as views show it. */
export interface MsixVectorState {
  readonly address: number;
  readonly data: number;
  readonly masked: boolean;
  readonly pending: boolean;
  readonly sent: number;
}

export class Msix implements MmioTarget {
  private readonly table: ByteMem;
  private readonly pending: Uint8Array;
  private readonly sent: Float64Array;
  /** Message control as last written: PCI_MSIX_FLAGS ENABLE and MASKALL. */
  private control = 0;
  private readonly tpMsix: TracePoint;

  constructor(
    private readonly name: string,
    readonly vectors: number,
    private readonly port: DmaPort,
    scope: TraceScope,
    readonly layout: MsixLayout = msixLayout(vectors),
  ) {
    this.table = new ByteMem(new Uint8Array(vectors * MsixEntry.$size));
    this.pending = new Uint8Array(Math.ceil(vectors / 64) * 8);
    this.sent = new Float64Array(vectors);
    this.tpMsix = scope.point(PciMsix);
    this.reset();
  }

  get enabled(): boolean {
    return (this.control & PCI_MSIX_FLAGS.ENABLE) !== 0;
  }

  /** PCI 3.0 §6.8.2.9: after reset every vector is masked. */
  reset(): void {
    this.control = 0;
    this.table.bytes.fill(0);
    this.pending.fill(0);
    for (let v = 0; v < this.vectors; v++) MsixEntry.vector_ctrl.set(this.table, v * MsixEntry.$size, PCI_MSIX_ENTRY_CTRL_MASKBIT);
  }

  /** Message control was written in configuration space. */
  setControl(control: number): void {
    this.control = control & (PCI_MSIX_FLAGS.ENABLE | PCI_MSIX_FLAGS.MASKALL);
    this.sendPending();
  }

  /** Sends the vector's message, or sets its pending bit while it is masked. False when MSI-X is off or there is no such vector. */
  notify(vector: number): boolean {
    if (!this.enabled || vector >= this.vectors) return false;
    if (this.isMasked(vector)) this.pending[vector >> 3] |= 1 << (vector & 7);
    else this.send(vector);
    return true;
  }

  state(vector: number): MsixVectorState {
    const at = vector * MsixEntry.$size;
    return {
      address: MsixEntry.addr_lo.get(this.table, at),
      data: MsixEntry.data.get(this.table, at),
      masked: this.isMasked(vector),
      pending: this.isPending(vector),
      sent: this.sent[vector],
    };
  }

  mmioRead(offset: number, size: number): number {
    if (offset < this.table.bytes.length)
      return size === 4 ? this.table.u32(offset & ~3) : size === 2 ? this.table.u16(offset) : this.table.u8(offset);
    let value = 0;
    for (let i = Math.min(size, 4) - 1; i >= 0; i--) value = (value << 8) | (this.pending[offset - this.layout.pbaOffset + i] ?? 0);
    return value >>> 0;
  }

  /** PCI 3.0 §6.8.2: software accesses the table by DWORDs; the pending bits are read-only. */
  mmioWrite(offset: number, size: number, value: number): void {
    if (offset >= this.table.bytes.length || size !== 4) return;
    this.table.setU32(offset & ~3, value);
    this.sendPending();
  }

  private isMasked(vector: number): boolean {
    return (
      (this.control & PCI_MSIX_FLAGS.MASKALL) !== 0 ||
      (MsixEntry.vector_ctrl.get(this.table, vector * MsixEntry.$size) & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0
    );
  }

  private isPending(vector: number): boolean {
    return (this.pending[vector >> 3] & (1 << (vector & 7))) !== 0;
  }

  /** PCI 3.0 §6.8.2.8: a vector that became unmasked while pending sends its message. */
  private sendPending(): void {
    if (!this.enabled) return;
    for (let v = 0; v < this.vectors; v++) {
      if (!this.isPending(v) || this.isMasked(v)) continue;
      this.pending[v >> 3] &= ~(1 << (v & 7));
      this.send(v);
    }
  }

  private send(vector: number): void {
    const at = vector * MsixEntry.$size;
    const address = MsixEntry.addr_lo.get(this.table, at);
    const data = MsixEntry.data.get(this.table, at);
    this.sent[vector]++;
    if (this.tpMsix.enabled) this.tpMsix.emit(this.name, vector, address, data);
    this.port.msi(address, data);
  }
}
