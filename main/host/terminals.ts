// Terminals: shells of machines and of this computer, with flow control towards the window.
import type { Runtime } from './runtime.ts';
import { InteractiveShell } from './shell/interactive.ts';

/** Unacknowledged characters above which the producer waits (preload/contract.ts, Pushes.term). */
const HIGH_WATER = 256 * 1024;

interface Terminal {
  /** undefined: this computer. */
  readonly machine: string | undefined;
  input(data: string): void;
  resize(cols: number, rows: number): void;
  close(): void;
  ack(chars: number): void;
}

export type TerminalEvent = { readonly data: string } | { readonly exit: number };

class MachineTerminal implements Terminal {
  private unread = 0;
  private waiters: (() => void)[] = [];
  private readonly shell: InteractiveShell;
  constructor(
    runtime: Runtime,
    readonly machine: string,
    netns: string,
    cols: number,
    emit: (e: TerminalEvent) => void,
  ) {
    this.shell = new InteractiveShell(
      runtime.port(machine),
      {
        write: (data) => {
          this.unread += data.length;
          emit({ data });
        },
        exit: (status) => emit({ exit: status }),
        drained: () => (this.unread < HIGH_WATER ? Promise.resolve() : new Promise((go) => this.waiters.push(go))),
      },
      netns,
    );
    this.shell.resize(cols);
  }
  input(data: string): void {
    this.shell.input(data);
  }
  resize(cols: number): void {
    this.shell.resize(cols);
  }
  close(): void {
    this.shell.close();
    this.release();
  }
  ack(chars: number): void {
    this.unread = Math.max(0, this.unread - chars);
    if (this.unread < HIGH_WATER / 2) this.release();
  }
  private release(): void {
    const w = this.waiters;
    this.waiters = [];
    for (const go of w) go();
  }
}

/** The person's own shell through node-pty; its output is paused, never dropped. */
async function hostTerminal(cols: number, rows: number, emit: (e: TerminalEvent) => void): Promise<Terminal> {
  const pty = await import('@lydell/node-pty');
  const shell = process.env['SHELL'] ?? (process.platform === 'win32' ? 'powershell.exe' : '/bin/sh');
  const child = pty.spawn(shell, [], {
    name: 'xterm-256color',
    cols,
    rows,
    cwd: process.env['HOME'] ?? process.cwd(),
    env: process.env as Record<string, string>,
  });
  let unread = 0;
  let paused = false;
  child.onData((data) => {
    unread += data.length;
    if (!paused && unread > HIGH_WATER) {
      paused = true;
      child.pause();
    }
    emit({ data });
  });
  child.onExit(({ exitCode }) => emit({ exit: exitCode }));
  return {
    machine: undefined,
    input: (data) => child.write(data),
    resize: (c, r) => child.resize(c, r),
    close: () => child.kill(),
    ack: (chars) => {
      unread = Math.max(0, unread - chars);
      if (paused && unread < HIGH_WATER / 2) {
        paused = false;
        child.resume();
      }
    },
  };
}

export class Terminals {
  private readonly open = new Map<number, Terminal>();
  private nextId = 1;
  /** Output before the window subscribed: kept until it does. */
  private readonly backlog = new Map<number, TerminalEvent[]>();

  constructor(private readonly emit: (id: number, e: TerminalEvent) => boolean) {}

  openMachine(runtime: Runtime, machine: string, netns: string, cols: number): number {
    const id = this.nextId++;
    this.backlog.set(id, []);
    this.open.set(id, new MachineTerminal(runtime, machine, netns, cols, (e) => this.out(id, e)));
    return id;
  }

  async openHost(cols: number, rows: number): Promise<number> {
    const id = this.nextId++;
    this.backlog.set(id, []);
    this.open.set(id, await hostTerminal(cols, rows, (e) => this.out(id, e)));
    return id;
  }

  /** False when there is no such terminal. */
  input(id: number, data: string): boolean {
    const t = this.open.get(id);
    t?.input(data);
    return t !== undefined;
  }
  resize(id: number, cols: number, rows: number): void {
    this.open.get(id)?.resize(cols, rows);
  }
  ack(id: number, chars: number): void {
    this.open.get(id)?.ack(chars);
  }
  close(id: number): void {
    this.open.get(id)?.close();
    this.open.delete(id);
    this.backlog.delete(id);
  }
  closeAll(): void {
    for (const id of [...this.open.keys()]) this.hangUp(id);
  }
  /** Hangs up the terminals of machines that are no longer there. */
  keepMachines(there: (machine: string) => boolean): void {
    for (const [id, { machine }] of [...this.open]) if (machine !== undefined && !there(machine)) this.hangUp(id);
  }
  /** As when a line is cut. */
  private hangUp(id: number): void {
    this.emit(id, { exit: 129 });
    this.close(id);
  }

  /** Sends what waited for a subscriber. */
  flush(): void {
    for (const [id, events] of this.backlog) while (events.length > 0 && this.emit(id, events[0])) events.shift();
  }

  private out(id: number, e: TerminalEvent): void {
    const waiting = this.backlog.get(id);
    if (waiting !== undefined && waiting.length > 0) waiting.push(e);
    else if (!this.emit(id, e)) waiting?.push(e);
    if ('exit' in e) this.open.delete(id);
  }
}
