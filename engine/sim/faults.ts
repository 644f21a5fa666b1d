// Injected faults as the thing they befall asks for them: each counts its occasions and says at which of them it strikes.
import type { RandomStream } from './random.ts';

/** Which occasions a fault strikes at. */
export interface FaultOccasion {
  /** Queue it is about; -1 is any. */
  readonly queue: number;
  /** Occasions let by first. */
  readonly skip: number;
  /** How often it strikes; Infinity is no limit. */
  readonly times: number;
  /** 0 … 1, at each occasion. */
  readonly probability: number;
  /** The fault's own quantity: nanoseconds, bytes, a number; its kind says which. */
  readonly value: number;
}

/** Told of every strike. */
export interface FaultLog {
  struck(fault: Fault, where: string): void;
}

/** One injected fault. */
export class Fault {
  /** Occasions so far, and strikes among them. */
  seen = 0;
  strikes = 0;
  constructor(
    readonly id: number,
    readonly kind: string,
    readonly on: FaultOccasion,
    private readonly random: RandomStream,
    private readonly log: FaultLog,
  ) {}

  /** An occasion: does it strike? */
  take(where: string): boolean {
    const { on } = this;
    if (this.seen++ < on.skip || this.strikes >= on.times) return false;
    if (on.probability < 1 && this.random.float() >= on.probability) return false;
    this.strikes++;
    this.log.struck(this, where);
    return true;
  }
}

/** The faults of one thing: a NIC, a cable. Absent while there is none, so that asking costs one test. */
export class FaultSet {
  readonly list: Fault[] = [];
  /** Messages of interrupts are lost and late at the port: for devices that do not ask themselves. */
  interruptsAtPort = false;

  /** The fault of that kind that strikes now. */
  strike(kind: string, queue: number, where: string): Fault | undefined {
    for (const f of this.list) if (f.kind === kind && (f.on.queue < 0 || f.on.queue === queue) && f.take(where)) return f;
    return undefined;
  }

  /** A lasting fault of that kind is there: it strikes once, and holds until it is taken away. */
  holds(kind: string, queue: number, where: string): boolean {
    for (const f of this.list) {
      if (f.kind !== kind || (f.on.queue >= 0 && f.on.queue !== queue)) continue;
      if (f.strikes > 0 || f.take(where)) return true;
    }
    return false;
  }

  remove(id: number): Fault | undefined {
    const i = this.list.findIndex((f) => f.id === id);
    return i < 0 ? undefined : this.list.splice(i, 1)[0];
  }
}
