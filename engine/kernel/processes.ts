// Processes: pids, spawning on a CPU, output, wake-ups, signals, and the end.
import { Errno } from '../base/errno.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';
import type { Actor, SimEvent } from '../sim/sim.ts';
import { O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from './fs/vfs.ts';
import type { OpenFile } from './fs/node.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';
import { SIG, type FdTarget, type Process, type ProcessOutput, type ProgramTable, type SpawnSpec } from './process.ts';

/** The end of a process, for the host. */
export interface ProcessExit {
  readonly pid: number;
  readonly status: number;
  /** The program asked to be replaced (`ip netns exec`). */
  readonly exec: Process['execRequest'];
}

/** Output waiting for the host: observation, so neither cloned nor hashed. */
export class OutputBuffer implements SelfCloning, SelfHashing {
  out: ProcessOutput[] = [];
  exits: ProcessExit[] = [];
  cloneInto(cloner: Cloner): OutputBuffer {
    return cloner.register(this, new OutputBuffer());
  }
  hashInto(): void {
    // observation is not state
  }
}

/** Why `spawn` gave no process. */
export interface SpawnError {
  /** -ENOENT: no such program; otherwise the failure of opening a redirection or the namespace. */
  readonly errno: number;
  /** The path or program at fault. */
  readonly what: string;
}

/** A wake-up on its way to a process. */
interface Wake {
  readonly process: Process;
  readonly op: number;
  readonly arg: unknown;
}

const OP_RUN = 0;
const OP_TIMER = 1;
const OP_SIGNAL = 2;
const OP_STDIN = 3;
const OP_START = 4;

/** The shell that the host runs for a person: not a process here, but what it writes bears its name. */
export const SHELL_COMM = 'bash';
export const SHELL_PID = 299;
/** First pid given to a program: what a booted system has used before. */
const FIRST_PID = 300;
/** kernel.pid_max */
export const PID_MAX = 4_194_304;

export class Processes implements Actor {
  /** Living processes by pid. */
  readonly table = new Map<number, Process>();
  readonly output = new OutputBuffer();
  /** Processes started since boot, for /proc/stat. */
  forks = 0;
  private nextPid = FIRST_PID;
  /** Open files of each process: fd → file. */
  private readonly files = new Map<number, Map<number, OpenFile>>();

  constructor(
    readonly kernel: Kernel,
    readonly programs: ProgramTable,
  ) {}

  /** Output and ends since the last call, each in order; undefined when there were none. */
  drainOutput(): { readonly out: readonly ProcessOutput[]; readonly exits: readonly ProcessExit[] } | undefined {
    const { out, exits } = this.output;
    if (out.length === 0 && exits.length === 0) return undefined;
    this.output.out = [];
    this.output.exits = [];
    return { out, exits };
  }

  /** The pid given last. */
  get lastPid(): number {
    return this.nextPid - 1;
  }

  get(pid: number): Process | undefined {
    return this.table.get(pid);
  }

  /** Starts a program; its `main` runs at once on CPU pid % cpus (or as soon as possible when called from kernel code). */
  spawn(spec: SpawnSpec): Process | SpawnError {
    const { kernel } = this;
    const net = this.netnsOf(spec.netns);
    if (net === undefined) return { errno: -Errno.ENOENT, what: spec.netns };
    const process = this.programs.create(kernel, net, spec.argv);
    if (process === undefined) return { errno: -Errno.ENOENT, what: spec.argv[0] ?? '' };
    process.pid = this.allocatePid();
    process.cpu = process.pid % kernel.platform.cpus.list.length;
    process.cwd = spec.cwd;
    process.env = spec.env;
    const error = this.openStreams(process, spec);
    if (error !== undefined) return error;
    this.table.set(process.pid, process);
    this.forks++;
    this.start(process);
    return process;
  }

  /** Takes a process's output to where the descriptor leads. */
  write(process: Process, fd: 1 | 2, text: string): void {
    if (text === '') return;
    const file = this.files.get(process.pid)?.get(fd);
    if (file === undefined) {
      this.output.out.push({ pid: process.pid, fd, data: text });
      this.kernel.platform.sim.attention.raised = true;
    } else this.kernel.vfs.write(file, text);
  }

  /** Called by `Process.exit`. */
  reap(process: Process): void {
    this.closeFiles(process.pid);
    this.table.delete(process.pid);
    this.kernel.netns.put_net(process.net);
    this.output.exits.push({ pid: process.pid, status: process.status, exec: process.execRequest });
    this.kernel.platform.sim.attention.raised = true;
  }

  /** Runs `process.onEvent(op, arg)` in task context on its CPU as soon as that is free. */
  wake(process: Process, op: number, arg?: unknown): void {
    this.queue(process, OP_RUN, { process, op, arg });
  }

  /** As `wake`, after `nanoseconds`; cancel with `sim.cancel`. */
  wakeAfter(process: Process, nanoseconds: number, op: number, arg?: unknown): SimEvent {
    const { sim } = this.kernel.platform;
    return sim.at((this.kernel.now() + nanoseconds) as typeof sim.now, this, OP_TIMER, { process, op, arg });
  }

  /** Delivers a signal; 0 or -ESRCH. */
  kill(pid: number, signal: number): number {
    const process = this.table.get(pid);
    if (process === undefined) return -Errno.ESRCH;
    if (signal === SIG.KILL) process.exit(128 + signal);
    else if (signal !== 0) this.queue(process, OP_SIGNAL, { process, op: signal, arg: undefined });
    return 0;
  }

  /** More input for descriptor 0, or its end. */
  feed(pid: number, data: string, eof: boolean): void {
    const process = this.table.get(pid);
    if (process === undefined) return;
    process.stdinData += data;
    if (eof) process.stdinEof = true;
    this.queue(process, OP_STDIN, { process, op: 0, arg: undefined });
  }

  onEvent(op: number, arg: unknown): void {
    const wake = arg as Wake;
    const { process } = wake;
    if (process.exited) return;
    if (op === OP_TIMER) return this.wake(process, wake.op, wake.arg);
    this.become(process);
    switch (op) {
      case OP_SIGNAL:
        return process.onSignal(wake.op);
      case OP_STDIN:
        return process.onStdin();
      case OP_START:
        return process.main();
      default:
        return process.onEvent(wake.op, wake.arg);
    }
  }

  private start(process: Process): void {
    const { cpus } = this.kernel.platform;
    const cpu = cpus.list[process.cpu];
    if (cpus.current !== undefined) return this.queue(process, OP_START, { process, op: 0, arg: undefined });
    const begun = cpu.enterTask();
    cpu.currentTask = comm(process);
    cpu.currentPid = process.pid;
    process.main();
    cpu.currentTask = 'swapper';
    cpu.currentPid = 0;
    cpu.leaveTask(begun, label(process));
  }

  private become(process: Process): void {
    const { platform } = this.kernel;
    const cpu = platform.cpus.current;
    if (cpu === undefined) return;
    cpu.currentTask = comm(process);
    cpu.currentPid = process.pid;
    cpu.charge(platform.costs.context_switch);
  }

  private queue(process: Process, op: number, wake: Wake): void {
    this.kernel.platform.cpus.list[process.cpu].queueTask(this, op, wake, label(process));
  }

  private closeFiles(pid: number): void {
    const files = this.files.get(pid);
    if (files !== undefined) for (const f of files.values()) this.kernel.vfs.close(f);
    this.files.delete(pid);
  }

  private allocatePid(): number {
    while (this.table.has(this.nextPid)) this.nextPid = this.nextPid + 1 < PID_MAX ? this.nextPid + 1 : FIRST_PID;
    return this.nextPid++;
  }

  private openStreams(process: Process, spec: SpawnSpec): SpawnError | undefined {
    const files = new Map<number, OpenFile>();
    this.files.set(process.pid, files);
    const streams: readonly FdTarget[] = [spec.stdin, spec.stdout, spec.stderr];
    for (let fd = 0; fd < streams.length; fd++) {
      const target = streams[fd];
      if (target.kind === 'host') continue;
      const path = target.kind === 'file' ? target.path : '/dev/null';
      const mode = target.kind === 'file' ? target.mode : fd === 0 ? 'r' : 'a';
      const flags = mode === 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode === 'a' ? O_APPEND : O_TRUNC);
      const file = this.kernel.vfs.open(process, path, flags);
      if (typeof file === 'number') {
        this.closeFiles(process.pid);
        return { errno: file, what: path };
      }
      files.set(fd, file);
      if (fd === 0) {
        const text = this.kernel.vfs.read(file);
        process.stdinData = typeof text === 'string' ? text : '';
        process.stdinEof = true;
      }
    }
    return undefined;
  }

  /** The namespace a process of this name would run in. */
  netnsOf(name: string): Net | undefined {
    return name === '' ? this.kernel.init_net : this.kernel.netns.byName(name);
  }
}

export const comm = (process: Process): string => process.comm;
const label = (process: Process): string => (process.label ||= `${comm(process)}-${process.pid}`);
