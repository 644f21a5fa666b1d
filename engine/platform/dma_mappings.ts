// A device's DMA mappings by bus address: open addressing in typed arrays, so that mapping a packet makes no garbage.
import type { DmaAddr, Gpa, Instant } from '../base/units.ts';
import type { DmaDirection, DmaMapping, DmaType } from './dma.ts';

const EMPTY = -1;
const FIRST_BITS = 6;

/** Linear probing, at most half full; a removed entry leaves no tombstone, what follows it moves up. */
export class DmaMappings {
  size = 0;
  /** The most there ever were. */
  most = 0;
  private bits = FIRST_BITS;
  private dma = new Float64Array(1 << FIRST_BITS).fill(EMPTY);
  private gpa = new Float64Array(1 << FIRST_BITS);
  private length = new Float64Array(1 << FIRST_BITS);
  private since = new Float64Array(1 << FIRST_BITS);
  private direction: DmaDirection[] = new Array<DmaDirection>(1 << FIRST_BITS).fill('DMA_BIDIRECTIONAL');
  private type: DmaType[] = new Array<DmaType>(1 << FIRST_BITS).fill('single');
  private by: string[] = new Array<string>(1 << FIRST_BITS).fill('');

  /** The slot of the mapping that starts at `dma`, -1 when there is none. A slot is valid until the next change. */
  find(dma: number): number {
    const slot = this.probe(dma);
    return this.dma[slot] === dma ? slot : -1;
  }

  /** Adds a mapping in the place of one that starts at the same address; who made that one, undefined when there was none. */
  add(dma: DmaAddr, gpa: Gpa, length: number, direction: DmaDirection, type: DmaType, by: string, since: Instant): string | undefined {
    if (this.size * 2 >= this.dma.length) this.grow();
    const slot = this.probe(dma);
    const replaced = this.dma[slot] === EMPTY ? undefined : this.by[slot];
    if (replaced === undefined && ++this.size > this.most) this.most = this.size;
    this.dma[slot] = dma;
    this.gpa[slot] = gpa;
    this.length[slot] = length;
    this.since[slot] = since;
    this.type[slot] = type;
    this.direction[slot] = direction;
    this.by[slot] = by;
    return replaced;
  }

  remove(slot: number): void {
    const mask = this.dma.length - 1;
    let hole = slot;
    for (let i = (slot + 1) & mask; this.dma[i] !== EMPTY; i = (i + 1) & mask) {
      // an entry may move up only as far as the slot that its address hashes to
      if (((i - this.home(this.dma[i])) & mask) < ((i - hole) & mask)) continue;
      this.move(i, hole);
      hole = i;
    }
    this.dma[hole] = EMPTY;
    this.size--;
  }

  lengthAt(slot: number): number {
    return this.length[slot];
  }
  directionAt(slot: number): DmaDirection {
    return this.direction[slot];
  }
  typeAt(slot: number): DmaType {
    return this.type[slot];
  }
  gpaAt(slot: number): Gpa {
    return this.gpa[slot] as Gpa;
  }
  /** A copy of the mapping in `slot`. */
  mappingAt(slot: number): DmaMapping {
    return this.at(slot);
  }

  /** The mapping that covers `address`, wherever it starts. */
  covering(address: number): DmaMapping | undefined {
    const exact = this.find(address);
    if (exact >= 0) return this.at(exact);
    for (let i = 0; i < this.dma.length; i++)
      if (this.dma[i] !== EMPTY && address >= this.dma[i] && address < this.dma[i] + this.length[i]) return this.at(i);
    return undefined;
  }

  /** All of them, by address. */
  values(): DmaMapping[] {
    const out: DmaMapping[] = [];
    for (let i = 0; i < this.dma.length; i++) if (this.dma[i] !== EMPTY) out.push(this.at(i));
    return out.sort((a, b) => a.dma - b.dma);
  }

  private at(slot: number): DmaMapping {
    return {
      dma: this.dma[slot] as DmaAddr,
      gpa: this.gpa[slot] as Gpa,
      length: this.length[slot],
      direction: this.direction[slot],
      type: this.type[slot],
      coherent: this.type[slot] === 'coherent',
      by: this.by[slot],
      since: this.since[slot] as Instant,
    };
  }

  /** Fibonacci hashing: the product's high bits. */
  private home(dma: number): number {
    return Math.imul(dma, 0x9e3779b1) >>> (32 - this.bits);
  }

  /** The slot that holds `dma`, or the empty one where it would go. */
  private probe(dma: number): number {
    const table = this.dma;
    const mask = table.length - 1;
    let i = this.home(dma);
    while (table[i] !== dma && table[i] !== EMPTY) i = (i + 1) & mask;
    return i;
  }

  private move(from: number, to: number): void {
    this.dma[to] = this.dma[from];
    this.gpa[to] = this.gpa[from];
    this.length[to] = this.length[from];
    this.since[to] = this.since[from];
    this.type[to] = this.type[from];
    this.direction[to] = this.direction[from];
    this.by[to] = this.by[from];
  }

  private grow(): void {
    const all = this.values();
    const slots = 1 << ++this.bits;
    this.size = 0;
    this.dma = new Float64Array(slots).fill(EMPTY);
    this.gpa = new Float64Array(slots);
    this.length = new Float64Array(slots);
    this.since = new Float64Array(slots);
    this.type = new Array<DmaType>(slots).fill('single');
    this.direction = new Array<DmaDirection>(slots).fill('DMA_BIDIRECTIONAL');
    this.by = new Array<string>(slots).fill('');
    for (const m of all) this.add(m.dma, m.gpa, m.length, m.direction, m.type, m.by, m.since);
  }
}
