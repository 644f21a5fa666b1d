// A line editor for terminals: cursor keys, history with search, kill and yank, completion. Keys in, escape sequences out.

export interface Completion {
  /** What the word becomes; undefined when nothing or several fit. */
  readonly replace: string | undefined;
  /** All that fits, for the second Tab. */
  readonly candidates: readonly string[];
}

export interface EditorHooks {
  write(text: string): void;
  /** A line was entered. */
  submit(line: string): void;
  interrupt(): void;
  /** Ctrl-D on an empty line. */
  eof(): void;
  /** Completes the word that ends at the cursor. */
  complete(line: string, cursor: number): Completion & { readonly start: number };
}

const CSI = '\x1b[';

export class LineEditor {
  private line = '';
  private cursor = 0;
  private prompt = '';
  private active = false;
  private killed = '';
  private at = 0;
  private draft = '';
  private tabs = 0;
  private searching: string | undefined;
  /** Bytes of an unfinished escape sequence. */
  private partial = '';
  columns = 80;
  readonly history: string[] = [];

  constructor(private readonly hooks: EditorHooks) {}

  /** Shows a prompt and takes input for one line. */
  begin(prompt: string): void {
    this.prompt = prompt;
    this.line = '';
    this.cursor = 0;
    this.at = this.history.length;
    this.active = true;
    this.hooks.write(prompt);
    const rest = this.partial;
    this.partial = '';
    if (rest !== '') this.input(rest);
  }

  get editing(): boolean {
    return this.active;
  }

  /** Feeds typed characters; answers what was not consumed because a line was submitted. */
  input(data: string): string {
    let text = this.partial + data;
    this.partial = '';
    while (text !== '' && this.active) {
      const key = /^(?:\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z]|[^[O])|\x1b\[?[0-9;]*$|[\s\S])/u.exec(text)?.[0] ?? text[0];
      if (key.startsWith('\x1b') && /^\x1b(\[[0-9;]*|O)?$/.test(key) && key.length === text.length) {
        this.partial = key;
        return '';
      }
      text = text.slice(key.length);
      this.key(key);
    }
    return text;
  }

  /** Redraws the prompt and the line (after other output came between). */
  redraw(): void {
    if (this.active) this.hooks.write(`\r${CSI}K${this.prompt}${this.line}${this.back(this.line.length - this.cursor)}`);
  }

  private key(key: string): void {
    if (this.searching !== undefined && this.searchKey(key)) return;
    if (key !== '\t') this.tabs = 0;
    switch (key) {
      case '\r':
      case '\n':
        return this.enter();
      case '\x03':
        this.hooks.write('^C\r\n');
        this.active = false;
        return this.hooks.interrupt();
      case '\x04':
        if (this.line !== '') return this.remove(this.cursor, this.cursor + 1);
        this.active = false;
        return this.hooks.eof();
      case '\x7f':
      case '\b':
        return this.remove(this.cursor - 1, this.cursor);
      case '\x1b[3~':
        return this.remove(this.cursor, this.cursor + 1);
      case '\x01':
      case '\x1b[H':
      case '\x1bOH':
      case '\x1b[1~':
        return this.move(0);
      case '\x05':
      case '\x1b[F':
      case '\x1bOF':
      case '\x1b[4~':
        return this.move(this.line.length);
      case '\x02':
      case '\x1b[D':
      case '\x1bOD':
        return this.move(this.cursor - 1);
      case '\x06':
      case '\x1b[C':
      case '\x1bOC':
        return this.move(this.cursor + 1);
      case '\x1b[1;5D':
      case '\x1bb':
        return this.move(this.wordStart());
      case '\x1b[1;5C':
      case '\x1bf':
        return this.move(this.wordEnd());
      case '\x0b':
        this.killed = this.line.slice(this.cursor);
        return this.remove(this.cursor, this.line.length);
      case '\x15':
        this.killed = this.line.slice(0, this.cursor);
        return this.remove(0, this.cursor);
      case '\x17':
        this.killed = this.line.slice(this.wordStart(), this.cursor);
        return this.remove(this.wordStart(), this.cursor);
      case '\x1bd':
        return this.remove(this.cursor, this.wordEnd());
      case '\x19':
        return this.insert(this.killed);
      case '\x0c':
        this.hooks.write(`${CSI}H${CSI}2J`);
        return this.redraw();
      case '\x10':
      case '\x1b[A':
      case '\x1bOA':
        return this.recall(this.at - 1);
      case '\x0e':
      case '\x1b[B':
      case '\x1bOB':
        return this.recall(this.at + 1);
      case '\x12':
        this.searching = '';
        return this.showSearch();
      case '\t':
        return this.tab();
      case '\x1b[200~':
      case '\x1b[201~':
        return;
      default:
        if (!key.startsWith('\x1b') && key >= ' ') this.insert(key);
    }
  }

  private enter(): void {
    this.move(this.line.length);
    this.hooks.write('\r\n');
    this.active = false;
    const { line } = this;
    if (line.trim() !== '' && this.history.at(-1) !== line) this.history.push(line);
    this.hooks.submit(line);
  }

  private insert(text: string): void {
    const tail = this.line.slice(this.cursor);
    this.line = this.line.slice(0, this.cursor) + text + tail;
    this.cursor += text.length;
    this.hooks.write(text + tail + this.back(tail.length));
  }

  private remove(from: number, to: number): void {
    const a = Math.max(0, from);
    const b = Math.min(this.line.length, to);
    if (a >= b) return;
    this.move(a);
    this.line = this.line.slice(0, a) + this.line.slice(b);
    const tail = this.line.slice(a);
    this.hooks.write(`${tail}${CSI}J${this.back(tail.length)}`);
  }

  private move(to: number): void {
    const n = Math.max(0, Math.min(this.line.length, to));
    if (n < this.cursor) this.hooks.write(this.back(this.cursor - n));
    else if (n > this.cursor) this.hooks.write(this.line.slice(this.cursor, n));
    this.cursor = n;
  }

  /** Cursor back by n characters; the terminal wraps with the line. */
  private back(n: number): string {
    return '\b'.repeat(Math.max(0, n));
  }

  private replaceLine(text: string): void {
    this.move(0);
    this.hooks.write(`${CSI}J${text}`);
    this.line = text;
    this.cursor = text.length;
  }

  private recall(to: number): void {
    if (to < 0 || to > this.history.length) return;
    if (this.at === this.history.length) this.draft = this.line;
    this.at = to;
    this.replaceLine(to === this.history.length ? this.draft : this.history[to]);
  }

  private wordStart(): number {
    return this.cursor - (/(?:\S+\s*|\s+)$/.exec(this.line.slice(0, this.cursor))?.[0].length ?? 0);
  }
  private wordEnd(): number {
    return this.cursor + (/^\s*\S+/.exec(this.line.slice(this.cursor))?.[0].length ?? 0);
  }

  private tab(): void {
    const c = this.hooks.complete(this.line, this.cursor);
    const typed = this.line.slice(c.start, this.cursor);
    if (c.replace !== undefined && c.replace !== typed) {
      this.tabs = 0;
      return this.insert(c.replace.slice(typed.length));
    }
    if (c.candidates.length > 1 && ++this.tabs >= 2) {
      const width = Math.max(...c.candidates.map((x) => x.length)) + 2;
      const perRow = Math.max(1, Math.floor(this.columns / width));
      let out = '\r\n';
      c.candidates.forEach((x, i) => {
        out += (i + 1) % perRow === 0 || i === c.candidates.length - 1 ? `${x}\r\n` : x.padEnd(width);
      });
      this.hooks.write(out);
      this.redraw();
    }
  }

  private found(): string | undefined {
    const q = this.searching ?? '';
    return q === '' ? undefined : this.history.findLast((h) => h.includes(q));
  }

  private showSearch(): void {
    this.hooks.write(`\r${CSI}K(reverse-i-search)\`${this.searching ?? ''}': ${this.found() ?? ''}`);
  }

  /** True when the key belonged to the search. */
  private searchKey(key: string): boolean {
    if (key >= ' ' && key !== '\x7f' && !key.startsWith('\x1b')) {
      this.searching += key;
      this.showSearch();
      return true;
    }
    if (key === '\x7f') {
      this.searching = (this.searching ?? '').slice(0, -1);
      this.showSearch();
      return true;
    }
    if (key === '\x12') return true;
    const hit = key === '\x03' || key === '\x07' ? '' : (this.found() ?? '');
    this.searching = undefined;
    this.line = hit;
    this.cursor = hit.length;
    this.redraw();
    return key === '\x03' || key === '\x07' || key === '\x1b';
  }
}
