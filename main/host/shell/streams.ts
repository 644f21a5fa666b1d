// Text streams between the commands of a pipeline: bounded, ordered, closable from both ends.

/** Where a command's output goes. `write` answers false when nobody will read any more (SIGPIPE). */
export interface Sink {
  write(text: string): Promise<boolean>;
  close(): void;
}

/** Where a command's input comes from. `read` answers undefined at the end. */
export interface Source {
  read(): Promise<string | undefined>;
  /** The reader goes away: writers get false. */
  cancel(): void;
}

const HIGH_WATER = 64 * 1024;

/** A pipe: at most 64 Ki characters wait; a writer above that waits for the reader. */
export class Pipe implements Sink, Source {
  private chunks: string[] = [];
  private size = 0;
  private ended = false;
  private cancelled = false;
  private wakeReader: (() => void) | undefined;
  private wakeWriters: (() => void)[] = [];
  /** Told when the reader goes away, so that a producer in the world can be signalled. */
  onCancel: (() => void) | undefined;

  async write(text: string): Promise<boolean> {
    if (this.cancelled) return false;
    if (text === '') return true;
    this.chunks.push(text);
    this.size += text.length;
    this.wakeReader?.();
    while (this.size > HIGH_WATER && !this.cancelled) await new Promise<void>((go) => this.wakeWriters.push(go));
    return !this.cancelled;
  }

  close(): void {
    this.ended = true;
    this.wakeReader?.();
  }

  async read(): Promise<string | undefined> {
    for (;;) {
      if (this.chunks.length > 0) {
        const all = this.chunks.join('');
        this.chunks = [];
        this.size = 0;
        const writers = this.wakeWriters;
        this.wakeWriters = [];
        for (const go of writers) go();
        return all;
      }
      if (this.ended || this.cancelled) return undefined;
      await new Promise<void>((go) => {
        this.wakeReader = go;
      });
      this.wakeReader = undefined;
    }
  }

  /** Takes what waits to be read, for whoever reads next. */
  take(): string {
    const all = this.chunks.join('');
    this.chunks = [];
    this.size = 0;
    return all;
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.wakeReader?.();
    for (const go of this.wakeWriters) go();
    this.wakeWriters = [];
    this.onCancel?.();
  }
}

/** An empty source: /dev/null. */
export const EMPTY: Source = {
  read: () => Promise.resolve(undefined),
  cancel: () => undefined,
};

export const textSource = (text: string): Source => {
  let rest: string | undefined = text;
  return {
    read: () => {
      const t = rest === '' ? undefined : rest;
      rest = undefined;
      return Promise.resolve(t);
    },
    cancel: () => undefined,
  };
};

/** Swallows everything. */
export const NULL_SINK: Sink = { write: () => Promise.resolve(true), close: () => undefined };

/** Collects what is written, for `$(…)`. */
export class Collector implements Sink {
  text = '';
  write(text: string): Promise<boolean> {
    this.text += text;
    return Promise.resolve(true);
  }
  close(): void {
    // nothing to release
  }
}

/** Reads a source line by line, keeping what is behind the last newline for the next call. */
export class LineReader {
  private rest = '';
  private done = false;
  constructor(readonly source: Source) {}

  /** The next line with its newline (the last one may have none); undefined at the end. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.rest.indexOf('\n');
      if (at >= 0) {
        const out = this.rest.slice(0, at + 1);
        this.rest = this.rest.slice(at + 1);
        return out;
      }
      if (this.done) {
        const out = this.rest;
        this.rest = '';
        return out === '' ? undefined : out;
      }
      const more = await this.source.read();
      if (more === undefined) this.done = true;
      else this.rest += more;
    }
  }

  async all(): Promise<string> {
    let out = this.rest;
    this.rest = '';
    for (;;) {
      const more = this.done ? undefined : await this.source.read();
      if (more === undefined) {
        this.done = true;
        return out;
      }
      out += more;
    }
  }
}
