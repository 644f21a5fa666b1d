// QEMU's qtest protocol over a pair of FIFOs: register accesses that are over when the call returns, and interrupt lines as they change.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const BUFFER = 4096;
const SUFFIX: Readonly<Record<number, string>> = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' };
const NEWLINE = 0x0a;

export class QtestPipe {
  /** Commands sent. */
  commands = 0;
  /** Called for each change of an intercepted line, from within a command or `poll`. */
  onIrq: (line: number, level: boolean) => void = () => undefined;
  private readonly buffer = Buffer.alloc(BUFFER);
  private start = 0;
  private end = 0;

  private constructor(
    private readonly input: number,
    private readonly output: number,
    /** The same FIFO as `output`, for reading without waiting. */
    private readonly peek: number,
  ) {}

  /** `base`.in and `base`.out exist and QEMU is starting; `alive` says whether it still lives. */
  static async open(base: string, alive: () => boolean, timeoutMs = 20_000): Promise<QtestPipe> {
    const end = Date.now() + timeoutMs;
    while (alive() && Date.now() < end) {
      const input = openWriter(`${base}.in`);
      if (input !== undefined)
        return new QtestPipe(
          input,
          openSync(`${base}.out`, constants.O_RDONLY),
          openSync(`${base}.out`, constants.O_RDONLY | constants.O_NONBLOCK),
        );
      await sleep(5);
    }
    throw new Error(alive() ? `QEMU did not open ${base}.in within ${timeoutMs / 1000} s` : 'QEMU ended before it opened its qtest pipe');
  }

  read(address: number, size: number): number {
    return Number(this.command(`read${SUFFIX[size]} 0x${address.toString(16)}`));
  }
  write(address: number, size: number, value: number): void {
    this.command(`write${SUFFIX[size]} 0x${address.toString(16)} 0x${unsigned(value, size).toString(16)}`);
  }
  in(port: number, size: number): number {
    return Number(this.command(`in${SUFFIX[size]} 0x${port.toString(16)}`));
  }
  out(port: number, size: number, value: number): void {
    this.command(`out${SUFFIX[size]} 0x${port.toString(16)} 0x${unsigned(value, size).toString(16)}`);
  }
  /** From here on QEMU tells about the lines into this device instead of driving them. */
  interceptIrqs(device: string): void {
    this.command(`irq_intercept_in ${device}`);
  }

  /** Takes in what QEMU said unasked: also what came behind the answer to a command. */
  poll(): void {
    for (;;) {
      for (let line = this.line(); line !== undefined; line = this.line()) this.unasked(line);
      try {
        if (this.fill(this.peek) === 0) return;
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'EAGAIN') return;
        throw e;
      }
    }
  }

  close(): void {
    for (const fd of [this.input, this.output, this.peek]) closeSync(fd);
  }

  /** Sends one command and waits for its answer; what follows 'OK'. */
  private command(text: string): string {
    this.commands++;
    writeSync(this.input, `${text}\n`);
    for (;;) {
      for (let line = this.line(); line !== undefined; line = this.line()) {
        if (line.startsWith('OK')) return line.slice(3);
        if (!line.startsWith('IRQ')) throw new Error(`qtest: ${text}: ${line}`);
        this.unasked(line);
      }
      if (this.fill(this.output) === 0) throw new Error(`qtest: QEMU is gone (${text})`);
    }
  }

  private unasked(line: string): void {
    const m = /^IRQ (raise|lower) (\d+)$/.exec(line);
    if (m === null) throw new Error(`qtest said: ${line}`);
    this.onIrq(Number(m[2]), m[1] === 'raise');
  }

  /** The next whole line, undefined when there is none yet. */
  private line(): string | undefined {
    const at = this.buffer.subarray(0, this.end).indexOf(NEWLINE, this.start);
    if (at < 0) return undefined;
    const text = this.buffer.toString('latin1', this.start, at);
    this.start = at + 1;
    return text;
  }

  private fill(fd: number): number {
    this.buffer.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    const n = readSync(fd, this.buffer, this.end, BUFFER - this.end, null);
    this.end += n;
    return n;
  }
}

const unsigned = (value: number, size: number): number => (size === 4 ? value >>> 0 : size === 8 ? value : value & (2 ** (8 * size) - 1));

/** undefined while nobody has the FIFO open for reading. */
function openWriter(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENXIO') return undefined;
    throw e;
  }
}
