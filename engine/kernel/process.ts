// Processes: objects with event methods, descriptors and an exit status. No coroutines: a process waits by scheduling data.
import type { Actor } from '../sim/sim.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';

/** Where a descriptor leads. `host`: a stream that the host's shell reads (fd 1, 2) or feeds (fd 0). */
export type FdTarget =
  { readonly kind: 'host' } | { readonly kind: 'null' } | { readonly kind: 'file'; readonly path: string; readonly mode: 'r' | 'w' | 'a' };

export interface SpawnSpec {
  readonly argv: readonly string[];
  /** Name of a namespace under /run/netns, '' for init_net. */
  readonly netns: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: FdTarget;
  readonly stdout: FdTarget;
  readonly stderr: FdTarget;
}

/** Output of processes for the host, drained between events; observation, not state. */
export interface ProcessOutput {
  readonly pid: number;
  readonly fd: 1 | 2;
  readonly data: string;
}

export const SIG = { INT: 2, QUIT: 3, KILL: 9, PIPE: 13, ALRM: 14, TERM: 15, USR1: 10 } as const;

/** Base of every program's process. Subclasses implement `main` and, if they wait, `onEvent`. */
export abstract class Process implements Actor {
  pid = 0;
  /** Linux: task_struct.comm, 15 characters of the program's name. */
  readonly comm: string;
  /** 'ping-312', made when first needed. */
  label = '';
  cpu = 0;
  cwd = '/';
  /** Effective user; 0 has every capability, others have none. */
  uid = 0;
  env: Readonly<Record<string, string>> = {};
  exited = false;
  /** Exit status; 128 + signal when killed by one. */
  status = 0;
  /** Set by `execve`: the host continues with this command in that namespace ('' = init_net). */
  execRequest: { readonly argv: readonly string[]; readonly netns: string } | undefined;
  stdinData = '';
  stdinEof = false;

  constructor(
    readonly kernel: Kernel,
    readonly net: Net,
    readonly argv: readonly string[],
  ) {
    this.comm = (argv[0] ?? '').replace(/^.*\//, '').slice(0, 15);
  }

  /** Runs at spawn, in task context. Call `exit` when done, or schedule something and return. */
  abstract main(): void;

  /** A wake-up that the process scheduled for itself. Runs in task context when it went through `kernel.tasks.wake`. */
  onEvent(_op: number, _arg: unknown): void {}

  /** Default action: terminate. Programs with a handler override. */
  onSignal(signal: number): void {
    this.exit(128 + signal);
  }

  /** More stdin or its end has arrived. */
  onStdin(): void {}

  /** Closes sockets, cancels timers. Called once at exit. */
  cleanup(): void {}

  print(text: string): void {
    this.kernel.procs.write(this, 1, text);
  }
  error(text: string): void {
    this.kernel.procs.write(this, 2, text);
  }
  exit(status: number): void {
    if (this.exited) return;
    this.exited = true;
    this.status = status;
    this.cleanup();
    this.kernel.procs.reap(this);
  }
  /** Replaces this process: the host runs `argv` (its own tool or another process) in `netns`. */
  execve(argv: readonly string[], netns: string): void {
    this.execRequest = { argv, netns };
    this.exit(0);
  }
}

/** What a program table entry makes. The table is a constant of userland, handed to the kernel by the machine. */
export interface ProgramTable {
  readonly names: readonly string[];
  create(kernel: Kernel, net: Net, argv: readonly string[]): Process | undefined;
}
