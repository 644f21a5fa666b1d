// The chains a device holds, oldest first: what a packed ring and in-order use must know of them when they are given back.
import { invariant } from '../base/ops.ts';

export class InFlight {
  count = 0;
  private first = 0;
  private readonly id: Uint16Array;
  private readonly slots: Uint16Array;
  private readonly room: Float64Array;

  constructor(readonly size: number) {
    this.id = new Uint16Array(size);
    this.slots = new Uint16Array(size);
    this.room = new Float64Array(size);
  }

  /** A chain was taken: what it is called, ring slots it covers, bytes that may be written to it. */
  add(id: number, slots: number, room: number): void {
    const at = this.at(this.count++);
    this.id[at] = id;
    this.slots[at] = slots;
    this.room[at] = room;
  }

  /** The newest chain goes back as if never taken; its slots. */
  removeNewest(): number {
    return this.slots[this.at(--this.count)];
  }

  /** Which of the chains, from the oldest, is called `id`; -1 when none is. */
  find(id: number): number {
    for (let k = 0; k < this.count; k++) if (this.id[this.at(k)] === id) return k;
    return -1;
  }

  slotsOf(k: number): number {
    return this.slots[this.at(k)];
  }
  roomOf(k: number): number {
    return this.room[this.at(k)];
  }

  /** Takes the `k`th chain from the oldest out; those before it move up by one. */
  remove(k: number): void {
    invariant(k >= 0 && k < this.count, 'a chain is given back that the device does not hold');
    for (let i = k; i > 0; i--) {
      const to = this.at(i);
      const from = this.at(i - 1);
      this.id[to] = this.id[from];
      this.slots[to] = this.slots[from];
      this.room[to] = this.room[from];
    }
    this.first = this.at(1);
    this.count--;
  }

  private at(k: number): number {
    const i = this.first + k;
    return i < this.size ? i : i - this.size;
  }
}
