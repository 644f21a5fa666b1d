// The 82574L's registers as storage: who may do what is in the table of engine/pci/e1000e_regs.ts; hooks are the device's.
import { ops } from '../../base/ops.ts';
import { E1000E_REGISTERS, type RegAccess, type RegSpec } from '../../pci/e1000e_regs.ts';

/** Size of the register window, BAR 0. */
export const REGISTER_BYTES = 0x20000;

interface Slot {
  readonly access: RegAccess;
  readonly reset: number;
  readonly mask: number;
  readonly intelOnly: boolean;
}
const slots: Slot[] = [];
const slotAt = new Int16Array(REGISTER_BYTES / 4).fill(-1);
for (const { offset, access, reset, mask, count, stride, intelOnly } of Object.values<RegSpec>(E1000E_REGISTERS)) {
  for (let i = 0; i < count; i++) slotAt[(offset + i * stride) / 4] = slots.push({ access, reset, mask, intelOnly }) - 1;
}
/** Shared by all devices: where a register's value lies, and its declaration. */
const TABLE = ops({ slotAt, slots });

export class RegisterFile {
  private readonly values = new Uint32Array(TABLE.slots.length);

  constructor(
    /** Registers that only Intel's chip has answer as well. */
    private readonly intel = false,
  ) {
    this.reset();
  }

  reset(): void {
    TABLE.slots.forEach((s, i) => (this.values[i] = s.reset));
  }

  /** undefined where there is no register: reads give 0 and writes are lost. */
  access(offset: number): RegAccess | undefined {
    const slot = this.slot(offset);
    return slot < 0 ? undefined : TABLE.slots[slot].access;
  }

  get(offset: number): number {
    return this.values[TABLE.slotAt[offset >>> 2]];
  }

  /** The device's own write: no mask. */
  set(offset: number, value: number): void {
    this.values[TABLE.slotAt[offset >>> 2]] = value;
  }

  /** Adds to a statistic; it stays at its maximum (82574L datasheet §10.2.7). */
  count(offset: number, n = 1): void {
    const i = TABLE.slotAt[offset >>> 2];
    this.values[i] = Math.min(this.values[i] + n, 0xffffffff);
  }

  /** Adds to a 64-bit statistic in two registers. */
  count64(low: number, n: number): void {
    const sum = this.get(low) + this.get(low + 4) * 0x100000000 + n;
    this.set(low, sum >>> 0);
    this.set(low + 4, Math.floor(sum / 0x100000000));
  }

  /** Reads as software does: a statistic is cleared. The high half of a 64-bit one clears when it is read itself. */
  read(offset: number): number {
    const i = this.slot(offset);
    if (i < 0) return 0;
    const value = this.values[i];
    if (TABLE.slots[i].access === 'rc') this.values[i] = 0;
    return value;
  }

  /** Writes as software does, within the register's mask. */
  write(offset: number, value: number): void {
    const i = this.slot(offset);
    if (i < 0) return;
    const { access, mask, reset } = TABLE.slots[i];
    if (access === 'w1c') this.values[i] &= ~value;
    if (access === 'rw' || access === 'hook') this.values[i] = (value & mask) | (mask === 0xffffffff ? 0 : reset & ~mask);
  }

  /** Index of the register that software sees at this offset, or -1. */
  private slot(offset: number): number {
    const i = TABLE.slotAt[offset >>> 2];
    return i >= 0 && TABLE.slots[i].intelOnly && !this.intel ? -1 : i;
  }
}
