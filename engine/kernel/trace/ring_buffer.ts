// One CPU's trace buffer: a ring of records in parallel arrays, oldest overwritten first.

/** Kinds of records, by Linux's type names. */
export const TRACE_FN = 1;
export const TRACE_GRAPH_ENT = 2;
export const TRACE_GRAPH_RET = 3;
export const TRACE_EVENT = 4;
export const TRACE_PRINT = 5;

/** What a record takes in Linux's buffer, about: header, common fields, two words. */
const RECORD_BYTES = 32;
/** Nothing is allocated before the first record. */
const FIRST_SIZE = 256;

/** A record taken out of the arrays, for printing. */
export interface RingRecord {
  readonly cpu: number;
  readonly time: number;
  readonly kind: number;
  /** Context and preemption depth, see context_flags.ts. */
  readonly flags: number;
  readonly pid: number;
  /** Index of the function's name. */
  readonly func: number;
  /** TRACE_FN: index of the caller's name. Graph records: depth. */
  readonly aux: number;
  /** TRACE_GRAPH_RET: nanoseconds. */
  readonly duration: number;
  /** Events and markers: the text after the timestamp. */
  readonly text: string;
}

export class CpuRing {
  /** Index of the oldest record, and how many there are. */
  private head = 0;
  count = 0;
  /** Records overwritten, records ever written. */
  overrun = 0;
  written = 0;
  /** Records overwritten since trace_pipe read last. */
  lost = 0;
  private time = new Float64Array(0);
  private duration = new Float64Array(0);
  private kind = new Uint8Array(0);
  private flags = new Uint8Array(0);
  private pid = new Int32Array(0);
  private func = new Int32Array(0);
  private aux = new Int32Array(0);
  private text: string[] = [];
  private capacity: number;

  constructor(
    readonly cpu: number,
    kilobytes: number,
  ) {
    this.capacity = capacityOf(kilobytes);
  }

  push(
    time: number,
    kind: number,
    flags: number,
    pid: number,
    func: number,
    aux: number,
    duration: number,
    text: string,
    overwrite: boolean,
  ): void {
    if (this.count === this.time.length && this.count < this.capacity) this.grow();
    if (this.count >= this.capacity || this.count === this.time.length) {
      this.overrun++;
      if (!overwrite) return;
      this.lost++;
      this.head = (this.head + 1) % this.time.length;
      this.count--;
    }
    const i = (this.head + this.count) % this.time.length;
    this.time[i] = time;
    this.duration[i] = duration;
    this.kind[i] = kind;
    this.flags[i] = flags;
    this.pid[i] = pid;
    this.func[i] = func;
    this.aux[i] = aux;
    this.text[i] = text;
    this.count++;
    this.written++;
  }

  /** The n-th record from the oldest. */
  at(n: number): RingRecord {
    const i = (this.head + n) % this.time.length;
    return {
      cpu: this.cpu,
      time: this.time[i],
      kind: this.kind[i],
      flags: this.flags[i],
      pid: this.pid[i],
      func: this.func[i],
      aux: this.aux[i],
      duration: this.duration[i],
      text: this.text[i],
    };
  }

  /** Takes the oldest record out. */
  consume(): void {
    this.head = (this.head + 1) % this.time.length;
    this.count--;
  }

  reset(): void {
    this.head = 0;
    this.count = 0;
    this.overrun = 0;
    this.written = 0;
    this.lost = 0;
    this.text = [];
  }

  /** Changing the size empties the buffer. */
  resize(kilobytes: number): void {
    this.reset();
    this.capacity = capacityOf(kilobytes);
    this.allocate(0);
  }

  private grow(): void {
    const old = this.records();
    const { overrun, written, lost } = this;
    this.allocate(Math.max(FIRST_SIZE, Math.min(this.time.length * 2, this.capacity)));
    this.reset();
    for (const r of old) this.push(r.time, r.kind, r.flags, r.pid, r.func, r.aux, r.duration, r.text, true);
    Object.assign(this, { overrun, written, lost });
  }

  private records(): RingRecord[] {
    const out: RingRecord[] = [];
    for (let n = 0; n < this.count; n++) out.push(this.at(n));
    return out;
  }

  private allocate(size: number): void {
    this.time = new Float64Array(size);
    this.duration = new Float64Array(size);
    this.kind = new Uint8Array(size);
    this.flags = new Uint8Array(size);
    this.pid = new Int32Array(size);
    this.func = new Int32Array(size);
    this.aux = new Int32Array(size);
  }
}

const capacityOf = (kilobytes: number): number => Math.max(1, Math.floor((kilobytes * 1024) / RECORD_BYTES));
