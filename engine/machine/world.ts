// The world: clock, machines and cables, and everything that can change. Fork it, hash it, apply inputs to it; it refers to nothing outside.
import { invariant } from '../base/ops.ts';
import type { Instant } from '../base/units.ts';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { Sim } from '../sim/sim.ts';
import { Trace, type TraceRecord } from '../trace/trace.ts';
import { Cable } from '../link/cable.ts';
import type { CapturedFrame } from '../link/capture.ts';
import type { CapturedPacket } from '../kernel/packet_capture.ts';
import { SHELL_COMM, SHELL_PID } from '../kernel/processes.ts';
import type { NicPort } from '../link/port.ts';
import { applyEdit, type Attic } from './edits.ts';
import { applyFs } from './files.ts';
import { FaultBoard } from './faults.ts';
import type { Input, InputResult } from './inputs.ts';
import { type CableSpec, cableId, type LabSpec } from './lab.ts';
import { Machine } from './machine.ts';

/** What a process did that the host's shell wants to know. */
export type ProcessEvent =
  | { readonly machine: string; readonly pid: number; readonly kind: 'output'; readonly fd: 1 | 2; readonly data: string }
  | {
      readonly machine: string;
      readonly pid: number;
      readonly kind: 'exit';
      readonly status: number;
      readonly exec: { readonly argv: readonly string[]; readonly netns: string } | undefined;
    };

export type { CapturedFrame };

export class World {
  readonly sim: Sim;
  readonly trace: Trace;
  readonly machines = new Map<string, Machine>();
  readonly cables = new Map<string, Cable>();
  /** Injected faults. */
  readonly faults: FaultBoard;
  /** Machines taken out of the world that undo may bring back. */
  readonly attic: Attic = { nextId: 1, saved: new Map() };

  constructor(lab: LabSpec) {
    this.sim = new Sim(lab.seed);
    this.trace = new Trace(this.sim);
    for (const spec of lab.machines) this.machines.set(spec.name, new Machine(spec, this.sim, this.trace));
    for (const spec of lab.cables) this.connect(spec);
    for (const m of this.machines.values()) m.boot();
    this.faults = new FaultBoard(this);
    for (const spec of lab.faults ?? []) {
      const id = this.faults.inject(spec);
      invariant(typeof id === 'number', `fault ${spec.kind}: ${id}`);
    }
  }

  /** An identical world that shares nothing mutable with this one. */
  fork(): World {
    return new Cloner().clone(this);
  }

  hash(): string {
    return hashOf(this);
  }

  /** Applies an input at simulated time `at`; counts as one event. */
  apply(input: Input, at: Instant): InputResult {
    this.sim.advance(at);
    this.sim.executed++;
    if (input.kind === 'edit') {
      const done = applyEdit(this, input.edit);
      return typeof done === 'string' ? { kind: 'refused', why: done } : { kind: 'edit', inverse: done };
    }
    if (input.kind === 'fault') {
      const { fault } = input;
      const done = fault.op === 'inject' ? this.faults.inject(fault.spec) : (this.faults.clear(fault.id) ?? fault.id);
      return typeof done === 'string' ? { kind: 'refused', why: done } : { kind: 'fault', id: done };
    }
    const machine = this.machines.get(input.machine);
    if (machine === undefined) return { kind: 'refused', why: `there is no machine '${input.machine}' in this lab` };
    const { procs } = machine.kernel;
    switch (input.kind) {
      case 'spawn': {
        const r = procs.spawn(input.spec);
        if ('errno' in r) {
          const noProgram = r.what === (input.spec.argv[0] ?? '') && !procs.programs.names.includes(r.what);
          return { kind: 'spawn', result: noProgram ? { state: 'enoent' } : { state: 'error', errno: Math.abs(r.errno), what: r.what } };
        }
        if (!r.exited) return { kind: 'spawn', result: { state: 'running', pid: r.pid } };
        const exec = r.execRequest;
        return {
          kind: 'spawn',
          result: exec === undefined ? { state: 'exited', pid: r.pid, status: r.status } : { state: 'exec', pid: r.pid, ...exec },
        };
      }
      case 'stdin':
        procs.feed(input.pid, input.data, input.eof);
        return { kind: 'done' };
      case 'signal':
        return procs.kill(input.pid, input.signal) === 0 ? { kind: 'done' } : { kind: 'refused', why: `there is no process ${input.pid}` };
      case 'fs':
        return { kind: 'fs', result: asShell(machine, () => applyFs(machine.kernel, input.netns, input.cwd, input.fs)) };
    }
  }

  /** Takes what was observed since the last call; undefined when nothing was. */
  drain(): { trace: TraceRecord[]; frames: CapturedFrame[]; processes: ProcessEvent[] } | undefined {
    const trace = this.trace.drain();
    const frames: CapturedFrame[] = [];
    const processes: ProcessEvent[] = [];
    for (const c of this.cables.values()) if (c.capture.out.length > 0) frames.push(...c.capture.drain().frames);
    for (const m of this.machines.values()) {
      const d = m.kernel.procs.drainOutput();
      if (d === undefined) continue;
      for (const o of d.out) processes.push({ machine: m.spec.name, kind: 'output', ...o });
      for (const e of d.exits) processes.push({ machine: m.spec.name, kind: 'exit', ...e });
    }
    if (trace.length === 0 && frames.length === 0 && processes.length === 0) return undefined;
    if (frames.length > 1) frames.sort((a, b) => a.sent - b.sent);
    return { trace, frames, processes };
  }

  /** Whether a machine's interfaces keep copies of their packets for `drainPackets`. */
  capturePackets(machine: string, on: boolean): void {
    const m = this.machines.get(machine);
    if (m !== undefined) m.kernel.net.capture.enabled = on;
  }

  /** Takes the packets captured on a machine's interfaces since the last call. */
  drainPackets(machine: string): CapturedPacket[] {
    return this.machines.get(machine)?.kernel.net.capture.drain() ?? [];
  }

  /** Whether cables keep copies of their frames for `drain`. */
  capture(on: boolean): void {
    this.trace.capturing = on;
    for (const c of this.cables.values()) c.capture.enabled = on;
  }

  connect(spec: CableSpec): Cable {
    const id = cableId(spec);
    const rate = spec.rate === 0 ? Infinity : spec.rate;
    const cable = new Cable(
      this.sim,
      this.trace,
      { id, rate, delay: spec.delay, loss: spec.loss, vnet: spec.vnet ?? false },
      this.port(spec.a),
      this.port(spec.b),
    );
    cable.capture.enabled = this.trace.capturing;
    if (!spec.up) cable.setUp(false);
    this.cables.set(id, cable);
    return cable;
  }

  private port(end: CableSpec['a']): NicPort {
    const machine = this.machines.get(end.machine);
    invariant(machine !== undefined, `a cable ends at ${end.machine}:${end.port}, and there is no such machine`);
    return machine.nic(end.port);
  }
}

/** Runs kernel code for the machine's shell: in task context, so that what it does is charged and traced as any system call. */
function asShell<T>(machine: Machine, work: () => T): T {
  const [cpu] = machine.platform.cpus.list;
  const began = cpu.enterTask();
  cpu.currentTask = SHELL_COMM;
  cpu.currentPid = SHELL_PID;
  cpu.charge(machine.platform.costs.syscall);
  const result = work();
  cpu.currentTask = 'swapper';
  cpu.currentPid = 0;
  cpu.leaveTask(began, SHELL_COMM);
  return result;
}
