// The state of one shell: variables, functions, directory, namespace, descriptors, jobs.
import type { CommandNode } from 'just-bash';
import { EMPTY, NULL_SINK, type Sink, type Source } from './streams.ts';
import type { WorldPort } from './world_port.ts';

export type CompoundCommand = Exclude<CommandNode, { type: 'SimpleCommand' } | { type: 'FunctionDef' }>;

/** Leaves a loop, function or shell. */
export class Flow {
  constructor(
    readonly kind: 'break' | 'continue' | 'return' | 'exit',
    readonly value: number,
  ) {}
}

/** A group of things that Ctrl-C or `kill` reaches together: world processes and host tools. */
export class Job {
  /** World processes: pid → name. */
  readonly pids = new Map<number, string>();
  readonly aborts = new Set<(signal: number) => void>();
  done = false;
  status = 0;
  /** Signal that ended it from outside, 0 for none. */
  signalled = 0;
  private waiters: (() => void)[] = [];
  constructor(
    readonly id: number,
    readonly pid: number,
    readonly text: string,
  ) {}

  finish(status: number): void {
    this.done = true;
    this.status = status;
    for (const w of this.waiters) w();
    this.waiters = [];
  }
  wait(): Promise<void> {
    return this.done ? Promise.resolve() : new Promise((go) => this.waiters.push(go));
  }
  signal(port: WorldPort, signal: number): void {
    this.signalled = signal;
    for (const pid of [...this.pids.keys()]) port.signal(pid, signal);
    for (const abort of [...this.aborts]) abort(signal);
  }
}

/** What subshells share with their parent: the job table and the terminal's foreground. */
export class Shared {
  readonly jobs = new Map<number, Job>();
  /** Line of the script that is being executed. */
  line = 1;
  private nextJob = 1;
  private nextPid = 30_000;
  /** The shell's own descriptors, for `$(…)`. */
  io: { readonly stdin: Source; readonly stderr: Sink } = { stdin: EMPTY, stderr: NULL_SINK };
  constructor(
    readonly port: WorldPort,
    readonly interactive: boolean,
  ) {}
  stdin(): Source {
    return this.io.stdin;
  }
  stderr(): Sink {
    return this.io.stderr;
  }
  newJob(text: string): Job {
    const job = new Job(this.nextJob++, this.nextPid++, text);
    return job;
  }
}

export class ShellState {
  readonly vars: Map<string, string>;
  readonly exported: Set<string>;
  readonly functions: Map<string, CompoundCommand>;
  positional: string[] = [];
  cwd: string;
  netns: string;
  status = 0;
  lastBackground = 0;
  errexit = false;
  nounset = false;
  xtrace = false;
  /** Files behind descriptors 3..9 opened by `exec 3>file`. */
  readonly fds = new Map<number, { sink?: Sink; source?: Source }>();

  constructor(
    readonly shared: Shared,
    readonly job: Job,
    from?: ShellState,
  ) {
    this.vars = new Map(from?.vars);
    this.exported = new Set(from?.exported);
    this.functions = new Map(from?.functions);
    this.cwd = from?.cwd ?? '/root';
    this.netns = from?.netns ?? '';
    if (from === undefined) {
      for (const [k, v] of Object.entries({
        HOME: '/root',
        PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
        USER: 'root',
        SHELL: '/bin/bash',
        PWD: this.cwd,
        IFS: ' \t\n',
        HOSTNAME: shared.port.hostname,
      })) {
        this.vars.set(k, v);
        if (k !== 'IFS') this.exported.add(k);
      }
    } else {
      this.positional = [...from.positional];
      this.status = from.status;
      this.lastBackground = from.lastBackground;
      this.errexit = from.errexit;
      this.nounset = from.nounset;
      this.xtrace = from.xtrace;
      for (const [n, f] of from.fds) this.fds.set(n, f);
    }
  }

  /** How the shell begins a complaint: a script names the line. */
  get says(): string {
    return this.shared.interactive ? 'bash: ' : `bash: line ${this.shared.line}: `;
  }
  get port(): WorldPort {
    return this.shared.port;
  }
  /** A copy for a subshell or a background job. */
  child(job: Job = this.job): ShellState {
    return new ShellState(this.shared, job, this);
  }
  /** The same shell, its commands in another job (a new foreground command). */
  inJob(job: Job): ShellState {
    return new ShellState(this.shared, job, this);
  }
  /** Takes over what a foreground command changed. */
  adopt(from: ShellState): void {
    for (const [mine, theirs] of [
      [this.vars, from.vars],
      [this.functions, from.functions],
    ] as [Map<string, unknown>, Map<string, unknown>][]) {
      mine.clear();
      for (const [k, v] of theirs) mine.set(k, v);
    }
    this.exported.clear();
    for (const n of from.exported) this.exported.add(n);
    this.positional = from.positional;
    this.cwd = from.cwd;
    this.netns = from.netns;
    this.status = from.status;
    this.lastBackground = from.lastBackground;
    this.errexit = from.errexit;
    this.nounset = from.nounset;
    this.xtrace = from.xtrace;
  }
  env(): Record<string, string> {
    const out: Record<string, string> = {};
    for (const name of this.exported) {
      const v = this.vars.get(name);
      if (v !== undefined) out[name] = v;
    }
    return out;
  }
  resolve(path: string): string {
    return normalize(path.startsWith('/') ? path : `${this.cwd}/${path}`);
  }
}

/** Absolute path without '.', '..' and double slashes. */
export function normalize(path: string): string {
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return `/${out.join('/')}`;
}
