// What comes from outside the world. Every input is data, stamped with an event number and a time, logged, and applied between events.
import type { SpawnSpec } from '../kernel/process.ts';
import type { FaultSpec } from './fault_kinds.ts';
import type { CableSpec, MachineSpec, NicSpec } from './lab.ts';

/** A change of the topology. Each answers with its inverse, so that undo is one more input. */
export type WorldEdit =
  | { readonly op: 'machine.add'; readonly spec: MachineSpec }
  | { readonly op: 'machine.remove'; readonly machine: string }
  /** Puts a removed machine back as it was, with its pending events, or the state saved before an edit of it. */
  | { readonly op: 'machine.restore'; readonly machine: string; readonly saved: number }
  | { readonly op: 'machine.rename'; readonly machine: string; readonly to: string }
  | { readonly op: 'machine.move'; readonly machine: string; readonly x: number; readonly y: number }
  | { readonly op: 'nic.add'; readonly machine: string; readonly spec: NicSpec }
  | { readonly op: 'nic.remove'; readonly machine: string; readonly port: string }
  | { readonly op: 'cable.add'; readonly spec: CableSpec }
  | { readonly op: 'cable.remove'; readonly cable: string }
  | {
      readonly op: 'cable.set';
      readonly cable: string;
      readonly rate?: number;
      readonly delay?: number;
      readonly loss?: number;
      readonly up?: boolean;
    }
  | { readonly op: 'batch'; readonly edits: readonly WorldEdit[] };

/** A file operation by the host's shell on behalf of a person (redirection, text tools). Text is UTF-8. */
export type FsCall =
  | { readonly call: 'read'; readonly path: string }
  | { readonly call: 'write'; readonly path: string; readonly data: string; readonly append: boolean }
  | { readonly call: 'readdir'; readonly path: string }
  | { readonly call: 'stat'; readonly path: string }
  | { readonly call: 'mkdir'; readonly path: string; readonly parents: boolean }
  | { readonly call: 'unlink'; readonly path: string };

export type Input =
  | { readonly kind: 'spawn'; readonly machine: string; readonly spec: SpawnSpec }
  | { readonly kind: 'stdin'; readonly machine: string; readonly pid: number; readonly data: string; readonly eof: boolean }
  | { readonly kind: 'signal'; readonly machine: string; readonly pid: number; readonly signal: number }
  | { readonly kind: 'fs'; readonly machine: string; readonly netns: string; readonly cwd: string; readonly fs: FsCall }
  | { readonly kind: 'edit'; readonly edit: WorldEdit }
  | {
      readonly kind: 'fault';
      readonly fault: { readonly op: 'inject'; readonly spec: FaultSpec } | { readonly op: 'clear'; readonly id: number };
    };

/** The outcome of a spawn, at the instant of the input. */
export type SpawnResult =
  | { readonly state: 'running'; readonly pid: number }
  | { readonly state: 'exited'; readonly pid: number; readonly status: number }
  /** The program asked the shell to run something else in its place (`ip netns exec`). */
  | { readonly state: 'exec'; readonly pid: number; readonly argv: readonly string[]; readonly netns: string }
  | { readonly state: 'enoent' }
  | { readonly state: 'error'; readonly errno: number; readonly what: string };

export interface StatView {
  readonly type: 'file' | 'dir' | 'link';
  readonly mode: number;
  readonly size: number;
  readonly target: string | undefined;
}

export type FsResult =
  | { readonly ok: true; readonly data?: string; readonly entries?: readonly string[]; readonly stat?: StatView }
  | { readonly ok: false; readonly errno: number };

export type InputResult =
  | { readonly kind: 'spawn'; readonly result: SpawnResult }
  | { readonly kind: 'fs'; readonly result: FsResult }
  | { readonly kind: 'edit'; readonly inverse: WorldEdit }
  /** The fault's number. */
  | { readonly kind: 'fault'; readonly id: number }
  | { readonly kind: 'done' }
  /** The input makes no sense in this world (unknown machine, port in use …); nothing changed. */
  | { readonly kind: 'refused'; readonly why: string };
