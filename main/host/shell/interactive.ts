// An interactive shell on a terminal: prompt, line editor, one foreground command at a time.
import { complete } from './complete.ts';
import { Interpreter, isIncomplete } from './interpreter.ts';
import { LineEditor } from './line_editor.ts';
import { type Job, Shared, ShellState } from './state.ts';
import { Pipe, type Sink } from './streams.ts';
import type { WorldPort } from './world_port.ts';

export interface TerminalOut {
  write(text: string): void;
  exit(status: number): void;
  /** Waits while the window has too much unread. */
  drained(): Promise<void>;
}

export class InteractiveShell {
  private readonly shared: Shared;
  private readonly state: ShellState;
  private readonly shell = new Interpreter();
  private readonly editor: LineEditor;
  private foreground: { readonly job: Job; readonly stdin: Pipe } | undefined;
  private pendingLines = '';
  /** Typed (and echoed) while something else ran: the next prompt's input. */
  private typedAhead = '';
  private cooked = '';

  constructor(
    port: WorldPort,
    private readonly out: TerminalOut,
    netns = '',
  ) {
    this.shared = new Shared(port, true);
    this.state = new ShellState(this.shared, this.shared.newJob('bash'));
    this.state.netns = netns;
    this.editor = new LineEditor({
      write: (text) => out.write(text),
      submit: (line) => this.submit(line),
      interrupt: () => {
        this.pendingLines = '';
        this.state.status = 130;
        this.prompt();
      },
      eof: () => {
        out.write('exit\r\n');
        out.exit(this.state.status);
      },
      complete: (line, cursor) => complete(line, cursor, this.state),
    });
    this.prompt();
  }

  /** Typed characters. */
  input(data: string): void {
    if (this.editor.editing) {
      const rest = this.editor.input(data);
      if (rest !== '') this.input(rest);
      return;
    }
    for (const c of data) {
      if (this.foreground === undefined) {
        this.typedAhead += c;
        continue;
      }
      this.foregroundKey(c, this.foreground);
    }
  }

  resize(columns: number): void {
    this.editor.columns = columns;
  }

  /** Ends everything that runs in it. */
  close(): void {
    this.foreground?.job.signal(this.shared.port, 1);
    for (const j of this.shared.jobs.values()) if (!j.done) j.signal(this.shared.port, 1);
  }

  private foregroundKey(c: string, f: { readonly job: Job; readonly stdin: Pipe }): void {
    switch (c) {
      case '\x03':
        this.out.write('^C');
        this.flush(f.stdin);
        f.job.signal(this.shared.port, 2);
        break;
      case '\x1c':
        this.out.write('^\\');
        this.flush(f.stdin);
        f.job.signal(this.shared.port, 3);
        break;
      case '\x04':
        if (this.cooked !== '') void f.stdin.write(this.cooked);
        else f.stdin.close();
        this.cooked = '';
        break;
      case '\x7f':
        if (this.cooked !== '') {
          this.cooked = this.cooked.slice(0, -1);
          this.out.write('\b \b');
        }
        break;
      case '\r':
      case '\n':
        this.out.write('\r\n');
        void f.stdin.write(`${this.cooked}\n`);
        this.cooked = '';
        break;
      default:
        if (c < ' ') break;
        this.cooked += c;
        this.out.write(c);
    }
  }

  /** A signal from the keyboard empties the terminal's input queue. Linux: n_tty isig() without NOFLSH */
  private flush(stdin: Pipe): void {
    stdin.take();
    this.cooked = '';
    this.typedAhead = '';
  }

  /** Gives the editor what was typed ahead; what is behind the first command waits for that command, or for the prompt after it. */
  private replay(ahead: string): void {
    let rest = ahead;
    while (rest !== '' && this.editor.editing) rest = this.editor.input(rest);
    if (rest === '') return;
    if (this.foreground === undefined) {
      this.typedAhead = rest + this.typedAhead;
      return;
    }
    const lines = rest.lastIndexOf('\n') + 1;
    void this.foreground.stdin.write(rest.slice(0, lines));
    this.cooked = rest.slice(lines);
  }

  private prompt(): void {
    for (const j of [...this.shared.jobs.values()]) {
      if (!j.done) continue;
      this.shared.jobs.delete(j.id);
      this.out.write(
        `[${j.id}]+  ${(j.signalled !== 0 ? 'Terminated' : j.status === 0 ? 'Done' : `Exit ${j.status}`).padEnd(23)}${j.text}\r\n`,
      );
    }
    const { state } = this;
    const cwd = state.cwd === '/root' ? '~' : state.cwd.replace(/^\/root\//, '~/');
    const ns = state.netns === '' ? '' : `(${state.netns}) `;
    this.editor.begin(this.pendingLines === '' ? `${ns}root@${state.port.hostname}:${cwd}# ` : '> ');
    const ahead = this.typedAhead;
    this.typedAhead = '';
    if (ahead !== '') this.replay(ahead);
  }

  private submit(line: string): void {
    const text = this.pendingLines + line;
    if (isIncomplete(text)) {
      this.pendingLines = `${text}\n`;
      this.prompt();
      return;
    }
    this.pendingLines = '';
    if (text.trim() === '') return this.prompt();
    void this.run(text);
  }

  private async run(text: string): Promise<void> {
    const { out } = this;
    const sink: Sink = {
      write: async (t) => {
        out.write(t.replaceAll(/\r?\n/g, '\r\n'));
        await out.drained();
        return true;
      },
      close: () => undefined,
    };
    if (/^\s*history\s*$/.test(text)) {
      await sink.write(this.editor.history.map((h, i) => `${String(i + 1).padStart(5)}  ${h}\n`).join(''));
      return this.prompt();
    }
    const job = this.shared.newJob(text);
    const stdin = new Pipe();
    const scope = this.state.inJob(job);
    this.shared.io = { stdin, stderr: sink };
    this.foreground = { job, stdin };
    let exit: number | undefined;
    try {
      const flow = await this.shell.runInteractive(text, scope, { stdin, stdout: sink, stderr: sink });
      if (flow?.kind === 'exit' && job.signalled === 0) exit = flow.value;
    } catch (e) {
      out.write(`ringscope: the shell met an unexpected error: ${e instanceof Error ? e.message : String(e)}\r\n`);
    }
    this.state.adopt(scope);
    job.finish(scope.status);
    this.foreground = undefined;
    this.typedAhead = stdin.take() + this.cooked + this.typedAhead;
    this.cooked = '';
    if (job.signalled === 2) {
      out.write('\r\n');
      this.state.status = 130;
    }
    if (exit === undefined) this.prompt();
    else out.exit(exit);
  }
}
