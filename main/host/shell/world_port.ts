// What the shell needs of the world: start processes, feed and signal them, use files. Implemented by the host over a session.
import type { FaultSpec, FaultView, FsCall, FsResult, SpawnSpec, ViolationView } from '../../../engine/index.ts';

/** Receives a process's output and end. Calls come between world events. */
export interface ProcessWatcher {
  output(fd: 1 | 2, text: string): void;
  /** exec: the shell shall run `argv` in `netns` in this process's place. */
  exited(status: number, exec: { readonly argv: readonly string[]; readonly netns: string } | undefined): void;
}

/** Faults are injected from outside; what drivers did wrong is seen from there. */
export interface Outside {
  /** The fault's number, or why it cannot be. */
  injectFault(spec: FaultSpec): number | string;
  /** Why not, when it cannot be. */
  clearFault(id: number): string | undefined;
  faults(): readonly FaultView[];
  violations(): readonly ViolationView[];
}

export interface WorldPort {
  readonly machine: string;
  readonly hostname: string;
  /** pid of the started process; `undefined` when there is no such program; errno when it could not start. */
  spawn(request: SpawnSpec, watcher: ProcessWatcher): { readonly pid: number } | { readonly errno: number } | undefined;
  stdin(pid: number, text: string, eof: boolean): void;
  /** False when there is no such process. */
  signal(pid: number, signal: number): boolean;
  fs(netns: string, cwd: string, call: FsCall): FsResult;
  /** Names of the programs of the machine, for completion and `type`. */
  programs(): readonly string[];
  /** Marks that the shell waits for something that is not the world (a library's own I/O), so that time stands still meanwhile. */
  busy<T>(work: Promise<T>): Promise<T>;
  /** What is done to the world from outside any machine. */
  readonly outside: Outside;
  /** Simulated time, nanoseconds. */
  now(): number;
}
