// What a machine knows of all its DMA mappings together, for finding misuse: cache lines in use, recent unmappings, who is told.
import type { Instant } from '../base/units.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';
import type { DmaDirection, DmaMapping } from './dma.ts';

/** Which rule of the DMA API was broken. Linux: kernel/dma/debug.c has a message for most. */
export type DmaRule =
  | 'dma-map-unchecked'
  | 'dma-unmap-invalid'
  | 'dma-unmap-unknown'
  | 'dma-unmap-size'
  | 'dma-unmap-function'
  | 'dma-unmap-count'
  | 'dma-unmap-cpu-address'
  | 'dma-unmap-direction'
  | 'dma-sync-unknown'
  | 'dma-sync-range'
  | 'dma-sync-direction'
  | 'dma-overlap'
  | 'dma-mask'
  | 'dma-leak'
  | 'dma-device-touch'
  | 'dma-device-write'
  | 'dma-device-read'
  | 'dma-cpu-touch'
  | 'dma-free-mapped';

/** A misuse of the DMA API. */
export interface DmaFinding {
  readonly time: Instant;
  /** The function's PCI address, '' when a device's access told it. */
  readonly device: string;
  readonly rule: DmaRule;
  /** As DMA-API debug words it, without prefix. */
  readonly text: string;
  /** The function that did it. */
  readonly by: string;
  /** The mapping it is about, when there is one, or the one there was. */
  readonly mapping: DmaMapping | undefined;
}

/** Told of every finding; the kernel logs it. */
export interface DmaReporter {
  dmaFinding(finding: DmaFinding): void;
}

const LINE_SHIFT = 6;
const PAST = 64;

function add(counts: Uint8Array, first: number, last: number, by: number): void {
  for (let line = first; line <= last; line++) counts[line] += by;
}

/** Mappings per cache line of RAM, by what the device may do there. Follows from the mappings, so it is no state of its own. */
class LineCounts implements SelfCloning, SelfHashing {
  readonly readable: Uint8Array;
  readonly writable: Uint8Array;
  private touched = 0;
  constructor(readonly lines: number) {
    this.readable = new Uint8Array(lines);
    this.writable = new Uint8Array(lines);
  }

  change(address: number, length: number, direction: DmaDirection, by: 1 | -1): void {
    const last = (address + Math.max(1, length) - 1) >>> LINE_SHIFT;
    if (last >= this.lines) return;
    if (last >= this.touched) this.touched = last + 1;
    const first = address >>> LINE_SHIFT;
    if (direction !== 'DMA_FROM_DEVICE') add(this.readable, first, last, by);
    if (direction !== 'DMA_TO_DEVICE') add(this.writable, first, last, by);
  }

  cloneInto(cloner: Cloner): LineCounts {
    const copy = cloner.register(this, new LineCounts(this.lines));
    copy.touched = this.touched;
    copy.readable.set(this.readable.subarray(0, this.touched));
    copy.writable.set(this.writable.subarray(0, this.touched));
    return copy;
  }
  hashInto(): void {
    // the mappings are hashed
  }
}

/** One per machine. Switched on before the first mapping, or never: its counts are of mappings seen. */
export class DmaDebug {
  enabled = false;
  reporter: DmaReporter | undefined;
  private lines: LineCounts | undefined;
  /** What was unmapped lately: address, length, time; and by whom. */
  private readonly past = new Float64Array(3 * PAST);
  private readonly pastBy: string[] = Array.from({ length: PAST }, () => '');
  private nextPast = 0;
  /** Devices' accesses that were reported: one report a place, not one a packet. */
  private readonly reported = new Set<string>();

  constructor(
    private readonly ramBytes: number,
    private readonly clock: { now(): Instant },
  ) {}

  enable(): void {
    this.enabled = true;
    this.lines = new LineCounts(this.ramBytes >>> LINE_SHIFT);
  }

  /** Counts a mapping; true when the device may write to its first cache line already (Linux: active_cacheline_insert()). */
  mapped(gpa: number, length: number, direction: DmaDirection): boolean {
    const { lines } = this;
    if (lines === undefined) return false;
    const overlaps = direction !== 'DMA_TO_DEVICE' && lines.writable[gpa >>> LINE_SHIFT] > 0;
    lines.change(gpa, length, direction, 1);
    return overlaps;
  }

  unmapped(gpa: number, length: number, direction: DmaDirection, by: string): void {
    if (this.lines === undefined) return;
    this.lines.change(gpa, length, direction, -1);
    const at = 3 * this.nextPast;
    this.past[at] = gpa;
    this.past[at + 1] = length;
    this.past[at + 2] = this.clock.now();
    this.pastBy[this.nextPast] = by;
    this.nextPast = (this.nextPast + 1) % PAST;
  }

  /** A device is about to access memory: is every line of it mapped for that? */
  deviceAccess(address: number, length: number, write: boolean): void {
    const { lines } = this;
    if (lines === undefined) return;
    const counts = write ? lines.writable : lines.readable;
    const last = (address + Math.max(1, length) - 1) >>> LINE_SHIFT;
    for (let line = address >>> LINE_SHIFT; line <= last; line++) {
      if (counts[line] > 0) continue;
      const other = (write ? lines.readable : lines.writable)[line] > 0;
      this.reportAccess(Math.max(address, line << LINE_SHIFT), address, length, write, other);
      return;
    }
  }

  /** Whether the device may write anywhere in [address, address + length). */
  deviceOwns(address: number, length: number): boolean {
    const { lines } = this;
    if (lines === undefined) return false;
    const last = (address + Math.max(1, length) - 1) >>> LINE_SHIFT;
    for (let line = address >>> LINE_SHIFT; line <= last; line++) if (lines.writable[line] > 0) return true;
    return false;
  }

  /** Whether any part of [address, address + length) is mapped, for whatever. */
  isMapped(address: number, length: number): boolean {
    const { lines } = this;
    if (lines === undefined) return false;
    const last = (address + Math.max(1, length) - 1) >>> LINE_SHIFT;
    for (let line = address >>> LINE_SHIFT; line <= last; line++) if (lines.writable[line] > 0 || lines.readable[line] > 0) return true;
    return false;
  }

  report(finding: Omit<DmaFinding, 'time'>): void {
    this.reporter?.dmaFinding({ ...finding, time: this.clock.now() });
  }

  private reportAccess(at: number, address: number, length: number, write: boolean, other: boolean): void {
    const what = `device ${write ? 'writes' : 'reads'} ${length} bytes at [device address=${hex16(address)}]`;
    const rule: DmaRule = other ? (write ? 'dma-device-write' : 'dma-device-read') : 'dma-device-touch';
    const key = `${rule}/${at >>> LINE_SHIFT}`;
    if (this.reported.has(key)) return;
    this.reported.add(key);
    const past = this.lastUnmap(at);
    const why = other ? `mapped for the other direction only` : past === undefined ? 'never mapped' : 'not mapped any more';
    this.report({
      device: '',
      rule,
      text: `${what}, of which ${hex16(at)} is ${why}`,
      by: past?.by ?? '',
      mapping: undefined,
    });
  }

  /** Who unmapped a piece of memory last, and when. */
  lastUnmap(address: number): { readonly by: string; readonly time: Instant } | undefined {
    let found: { by: string; time: Instant } | undefined;
    for (let i = 0; i < PAST; i++) {
      const from = this.past[3 * i];
      const time = this.past[3 * i + 2] as Instant;
      if (this.pastBy[i] === '' || address < from || address >= from + this.past[3 * i + 1]) continue;
      if (found === undefined || time >= found.time) found = { by: this.pastBy[i], time };
    }
    return found;
  }
}

/** As DMA-API debug prints addresses. */
export const hex16 = (n: number): string => `0x${n.toString(16).padStart(16, '0')}`;
