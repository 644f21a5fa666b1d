// Faults injected into a world: armed when their time comes, shown in the trace at every strike, and taken away again.
import type { Duration } from '../base/units.ts';
import { invariant } from '../base/ops.ts';
import { Errno } from '../base/errno.ts';
import type { Cable } from '../link/cable.ts';
import { Fault, type FaultLog, FaultSet } from '../sim/faults.ts';
import type { Actor } from '../sim/sim.ts';
import { event, type TraceScope } from '../trace/trace.ts';
import { FAULT_KINDS, type FaultKindDef, type FaultSpec } from './fault_kinds.ts';
import { dmaOf } from './queries.ts';
import type { Machine } from './machine.ts';
import type { Nic } from './nics.ts';
import type { World } from './world.ts';

const FaultArmed = event('fault:armed', { id: 'u32', kind: 'str', at: 'str' }, (e) => `${e.id} ${e.kind} at ${e.at}`);
const FaultStrike = event(
  'fault:strike',
  { id: 'u32', kind: 'str', at: 'str', where: 'str' },
  (e) => `${e.id} ${e.kind} at ${e.at}: ${e.where}`,
);
const FaultCleared = event(
  'fault:cleared',
  { id: 'u32', kind: 'str', at: 'str', strikes: 'u32' },
  (e) => `${e.id} ${e.kind} at ${e.at} after ${e.strikes} strikes`,
);

const OP_ARM = 0;
const OP_CLEAR = 1;
const OP_LINK_BACK = 2;

export type FaultPhase = 'waiting' | 'armed' | 'over';

/** A fault of this world, from its injection on. */
export interface InjectedFault {
  readonly id: number;
  readonly spec: FaultSpec;
  phase: FaultPhase;
  state: Fault | undefined;
  /** Time of the last strike, -1 before the first. */
  lastStrike: number;
}

/** What a fault befalls. */
interface Place {
  readonly scope: TraceScope;
  readonly machine: Machine | undefined;
  readonly nic: Nic | undefined;
  readonly cable: Cable | undefined;
}

export class FaultBoard implements Actor, FaultLog {
  readonly list: InjectedFault[] = [];
  private nextId = 1;

  constructor(private readonly world: World) {}

  /** The fault's number, or why it cannot be injected. */
  inject(spec: FaultSpec): number | string {
    const def: FaultKindDef = FAULT_KINDS[spec.kind];
    const place = this.place(spec);
    if (typeof place === 'string') return place;
    if (def.fn === true && spec.fn === undefined) return `${spec.kind} needs the name of the step that fails`;
    const entry: InjectedFault = { id: this.nextId++, spec, phase: 'waiting', state: undefined, lastStrike: -1 };
    this.list.push(entry);
    if ((spec.after ?? 0) > 0) this.world.sim.after(spec.after as Duration, this, OP_ARM, entry);
    else this.arm(entry);
    return entry.id;
  }

  /** Takes a fault away; why not, when there is none of that number. */
  clear(id: number): string | undefined {
    const entry = this.list.find((f) => f.id === id);
    if (entry === undefined) return `there is no fault ${id}`;
    this.disarm(entry);
    return undefined;
  }

  onEvent(op: number, arg: unknown): void {
    if (op === OP_ARM) this.arm(arg as InjectedFault);
    else if (op === OP_CLEAR) this.disarm(arg as InjectedFault);
    else linkBack(arg as Nic);
  }

  struck(fault: Fault, where: string): void {
    const entry = this.list.find((f) => f.id === fault.id);
    invariant(entry !== undefined, `fault ${fault.id} is on no board`);
    entry.lastStrike = this.world.sim.now;
    const place = this.place(entry.spec);
    if (typeof place === 'string') return;
    const tp = place.scope.point(FaultStrike);
    if (tp.enabled) tp.emit(fault.id, fault.kind, entry.spec.at, where);
  }

  private arm(entry: InjectedFault): void {
    const { spec } = entry;
    const place = this.place(spec);
    if (entry.phase !== 'waiting' || typeof place === 'string') {
      entry.phase = 'over';
      return;
    }
    const def: FaultKindDef = FAULT_KINDS[spec.kind];
    entry.phase = 'armed';
    const on = {
      queue: spec.queue ?? -1,
      skip: spec.skip ?? 0,
      times: (spec.times ?? def.times) < 0 ? Infinity : (spec.times ?? def.times),
      probability: spec.probability ?? 1,
      value: spec.value ?? def.value?.default ?? 0,
    };
    const state = new Fault(entry.id, spec.kind, on, this.world.sim.random(`fault/${entry.id}`), this);
    entry.state = state;
    const tp = place.scope.point(FaultArmed);
    if (tp.enabled) tp.emit(entry.id, spec.kind, spec.at);
    if (spec.lasts !== undefined) this.world.sim.after(spec.lasts as Duration, this, OP_CLEAR, entry);
    this.apply(entry, state, place);
  }

  private apply(entry: InjectedFault, state: Fault, place: Place): void {
    const { machine, nic, cable } = place;
    const { spec } = entry;
    switch (spec.kind) {
      case 'spurious-interrupt':
        if (nic !== undefined && state.take('now')) raiseForNothing(nic, state.on.queue);
        break;
      case 'link-flap':
        if (nic !== undefined && state.take('now')) {
          nic.model.linkChanged(false);
          this.world.sim.after(state.on.value as Duration, this, OP_LINK_BACK, nic);
        }
        break;
      case 'surprise-removal':
        if (machine !== undefined && nic !== undefined && state.take('now')) machine.pullOut(nic);
        break;
      case 'probe-fail':
        if (machine !== undefined) failStep(machine, spec, state.on.times);
        break;
      default: {
        const holder = holderOf(spec, place);
        if (holder !== undefined) (holder.faults ??= new FaultSet()).list.push(state);
        const dma = spec.kind === 'dma-map-fail' && machine !== undefined && nic !== undefined ? dmaOf(machine, nic.spec.port) : undefined;
        if (dma !== undefined) dma.failBy = spec.fn ?? '';
        if (nic?.e1000e !== undefined && nic.port?.faults !== undefined) nic.port.faults.interruptsAtPort = true;
      }
    }
    if (FAULT_KINDS[spec.kind].target !== 'cable' || cable !== undefined) return;
    entry.phase = 'over';
  }

  private disarm(entry: InjectedFault): void {
    if (entry.phase === 'over') return;
    const armed = entry.phase === 'armed';
    entry.phase = 'over';
    const place = this.place(entry.spec);
    if (!armed || typeof place === 'string') return;
    const { spec } = entry;
    if (spec.kind === 'surprise-removal' && place.machine !== undefined && place.nic !== undefined) place.machine.pushIn(place.nic);
    if (spec.kind === 'probe-fail') place.machine?.kernel.drivers.failFunction.injected.delete(spec.fn ?? '');
    const holder = holderOf(spec, place);
    if (holder?.faults !== undefined) {
      holder.faults.remove(entry.id);
      if (holder.faults.list.length === 0) holder.faults = undefined;
    }
    if (place.nic !== undefined && spec.kind === 'stuck-queue') serveAgain(place.nic);
    const tp = place.scope.point(FaultCleared);
    if (tp.enabled) tp.emit(entry.id, spec.kind, spec.at, entry.state?.strikes ?? 0);
  }

  private place(spec: FaultSpec): Place | string {
    const { target } = FAULT_KINDS[spec.kind];
    if (target === 'cable') {
      const cable = this.world.cables.get(spec.at);
      if (cable === undefined) return `there is no cable '${spec.at}'`;
      return { scope: cable.scope, machine: undefined, nic: undefined, cable };
    }
    const [name, port] = spec.at.split(':');
    const machine = this.world.machines.get(name);
    if (machine === undefined) return `there is no machine '${name}'`;
    const { scope } = machine.platform;
    if (target === 'machine') return { scope, machine, nic: undefined, cable: undefined };
    const nic = machine.nics.get(port ?? '');
    return nic === undefined ? `${name} has no NIC '${port ?? ''}': write MACHINE:PORT` : { scope, machine, nic, cable: undefined };
  }
}

/** What asks for the fault when it has its occasions. */
function holderOf(spec: FaultSpec, place: Place): { faults?: FaultSet | undefined } | undefined {
  const { machine, nic, cable } = place;
  switch (spec.kind) {
    case 'page-alloc-fail':
      return machine?.platform.pages;
    case 'skb-alloc-fail':
      return machine?.kernel.skb;
    case 'dma-map-fail':
      return machine === undefined || nic === undefined ? undefined : dmaOf(machine, nic.spec.port);
    default:
      return cable ?? nic?.port;
  }
}

/** An interrupt without a cause: the message of the queue's vector, or the line for a moment. */
function raiseForNothing(nic: Nic, queue: number): void {
  const { fn, mmio } = nic;
  const virtqueue = nic.virtio?.transport.queues[Math.max(0, queue)];
  if (fn === undefined) mmio?.strayInterrupt();
  else if (fn.msix?.enabled === true) fn.msix.notify(virtqueue?.vector ?? Math.max(0, queue));
  else {
    fn.setInterrupt(true);
    fn.setInterrupt(false);
  }
}

function failStep(machine: Machine, spec: FaultSpec, times: number): void {
  const { failFunction } = machine.kernel.drivers;
  const step = spec.fn ?? '';
  // a module that is not loaded declares its steps later
  failFunction.injected.set(step, spec.value ?? -Errno.ENOMEM);
  failFunction.attr.probability = 100;
  failFunction.attr.times = times === Infinity ? -1 : times;
}

/** The cable says whether there is a link again. */
function linkBack(nic: Nic): void {
  nic.model.linkChanged(nic.model.wireUp);
}

/** A queue that was stuck is looked at again, as after a doorbell. */
function serveAgain(nic: Nic): void {
  const { virtio, e1000e } = nic;
  if (virtio !== undefined) {
    if (virtio.transport.running) for (const q of virtio.transport.queues) if (q.hasWork()) virtio.net.queueNotify(q.index);
    return;
  }
  e1000e?.serveAgain();
}
