// Changes of the topology, each with its inverse. What is removed is kept whole, with its pending events, so that undo brings it back alive.
import { invariant } from '../base/ops.ts';
import type { Duration } from '../base/units.ts';
import { Cloner } from '../sim/clone.ts';
import type { SimEvent } from '../sim/sim.ts';
import type { WorldEdit } from './inputs.ts';
import { cableId, type CableSpec } from './lab.ts';
import { Machine } from './machine.ts';
import type { World } from './world.ts';

interface SavedMachine {
  readonly machine: Machine;
  readonly events: SimEvent[];
  /** Simulated time at which it was saved. */
  readonly at: number;
}
/** Removed machines, by number. Part of the world: forks and rewinds carry it. */
export interface Attic {
  nextId: number;
  readonly saved: Map<number, SavedMachine>;
}

/** Applies an edit. Answers its inverse, or why it cannot be done (then nothing changed). */
export function applyEdit(world: World, edit: WorldEdit): WorldEdit | string {
  switch (edit.op) {
    case 'machine.add': {
      if (world.machines.has(edit.spec.name)) return `a machine '${edit.spec.name}' exists already: choose another name`;
      const machine = new Machine(edit.spec, world.sim, world.trace);
      world.machines.set(edit.spec.name, machine);
      machine.boot();
      return { op: 'machine.remove', machine: edit.spec.name };
    }
    case 'machine.remove':
      return removeMachine(world, edit.machine);
    case 'machine.restore':
      return restoreMachine(world, edit.machine, edit.saved);
    case 'machine.rename': {
      const machine = world.machines.get(edit.machine);
      if (machine === undefined) return missing(edit.machine);
      if (world.machines.has(edit.to)) return `a machine '${edit.to}' exists already: choose another name`;
      rename(world, machine, edit.to);
      return { op: 'machine.rename', machine: edit.to, to: edit.machine };
    }
    case 'machine.move': {
      const machine = world.machines.get(edit.machine);
      if (machine === undefined) return missing(edit.machine);
      const { x, y } = machine.spec;
      machine.spec = { ...machine.spec, x: edit.x, y: edit.y };
      return { op: 'machine.move', machine: edit.machine, x, y };
    }
    case 'nic.add': {
      const machine = world.machines.get(edit.machine);
      if (machine === undefined) return missing(edit.machine);
      if (machine.nics.has(edit.spec.port)) return `${edit.machine} has a NIC '${edit.spec.port}' already`;
      const why = machine.plugNic(edit.spec);
      return why ?? { op: 'nic.remove', machine: edit.machine, port: edit.spec.port };
    }
    case 'nic.remove': {
      const machine = world.machines.get(edit.machine);
      if (machine === undefined) return missing(edit.machine);
      if (!machine.nics.has(edit.port)) return `${edit.machine} has no NIC '${edit.port}'`;
      const fixed = machine.fixed(edit.port);
      if (fixed !== undefined) return fixed;
      const saved = snapshot(world, machine);
      const undo: WorldEdit[] = [{ op: 'machine.restore', machine: edit.machine, saved }, ...unplugAll(world, edit.machine, edit.port)];
      machine.unplugNic(edit.port);
      return { op: 'batch', edits: undo };
    }
    case 'cable.add':
      return addCable(world, edit.spec);
    case 'cable.remove': {
      const cable = world.cables.get(edit.cable);
      if (cable === undefined) return `there is no cable '${edit.cable}'`;
      const spec = specOf(world, edit.cable);
      cable.unplug();
      world.cables.delete(edit.cable);
      return { op: 'cable.add', spec };
    }
    case 'cable.set': {
      const cable = world.cables.get(edit.cable);
      if (cable === undefined) return `there is no cable '${edit.cable}'`;
      const { rate, delay, loss, up } = specOf(world, edit.cable);
      const before = { rate, delay, loss, up };
      cable.rate = (edit.rate ?? rate) === 0 ? Infinity : (edit.rate ?? rate);
      cable.delay = edit.delay ?? delay;
      cable.loss = edit.loss ?? loss;
      cable.setUp(edit.up ?? up);
      return { op: 'cable.set', cable: edit.cable, ...before };
    }
    case 'batch': {
      const inverses: WorldEdit[] = [];
      for (const e of edit.edits) {
        const inverse = applyEdit(world, e);
        if (typeof inverse === 'string') {
          for (const back of inverses) invariant(typeof applyEdit(world, back) !== 'string', 'a batch could not be rolled back');
          return inverse;
        }
        inverses.unshift(inverse);
      }
      return { op: 'batch', edits: inverses };
    }
  }
}

const missing = (name: string): string => `there is no machine '${name}' in this lab`;

function addCable(world: World, spec: CableSpec): WorldEdit | string {
  for (const end of [spec.a, spec.b]) {
    const machine = world.machines.get(end.machine);
    if (machine === undefined) return missing(end.machine);
    if (!machine.nics.has(end.port)) return `${end.machine} has no NIC '${end.port}'`;
    if (isPlugged(world, end)) return `${end.machine}:${end.port} has a cable already: remove it first`;
  }
  if (spec.a.machine === spec.b.machine && spec.a.port === spec.b.port) return 'a cable needs two different ports';
  world.connect(spec);
  return { op: 'cable.remove', cable: cableId(spec) };
}

const isPlugged = (world: World, end: CableSpec['a']): boolean =>
  [...world.cables.keys()].some((id) => {
    const c = specOf(world, id);
    return [c.a, c.b].some((e) => e.machine === end.machine && e.port === end.port);
  });

/** The spec of an existing cable, for saving the lab and for undo. */
export function specOf(world: World, id: string): CableSpec {
  const cable = world.cables.get(id);
  invariant(cable !== undefined, `no cable ${id}`);
  const end = (portName: string): { machine: string; port: string } => {
    const at = portName.indexOf(':');
    return { machine: portName.slice(0, at), port: portName.slice(at + 1) };
  };
  const [lane] = cable.states();
  return {
    a: end(lane.from),
    b: end(lane.to),
    rate: cable.rate === Infinity ? 0 : cable.rate,
    delay: cable.delay,
    loss: cable.loss,
    up: cable.up,
    ...(cable.vnet ? { vnet: true } : {}),
  };
}

/** Takes the cables out of a machine (or of one port); answers the edits that put them back. */
function unplugAll(world: World, machine: string, port?: string): WorldEdit[] {
  const back: WorldEdit[] = [];
  for (const [id, cable] of [...world.cables]) {
    const spec = specOf(world, id);
    const touches = [spec.a, spec.b].some((e) => e.machine === machine && (port === undefined || e.port === port));
    if (!touches) continue;
    back.push({ op: 'cable.add', spec });
    cable.unplug();
    world.cables.delete(id);
  }
  return back;
}

function removeMachine(world: World, name: string): WorldEdit | string {
  const machine = world.machines.get(name);
  if (machine === undefined) return missing(name);
  const cables = unplugAll(world, name);
  const events = world.sim.extract(ownedBy(world, machine));
  world.machines.delete(name);
  machine.leave(world.trace);
  const id = world.attic.nextId++;
  world.attic.saved.set(id, { machine, events, at: world.sim.now });
  return { op: 'batch', edits: [{ op: 'machine.restore', machine: name, saved: id }, ...cables] };
}

/** Keeps a copy of a machine as it is now, with its pending events; the machine itself goes on. */
function snapshot(world: World, machine: Machine): number {
  const owned = ownedBy(world, machine);
  const cloner = shielded(world, machine.spec.name);
  const copy = cloner.clone(machine);
  const events = world.sim.queued(owned).map((e) => cloner.clone(e));
  const id = world.attic.nextId++;
  for (const nic of copy.nics.values()) nic.model.plug(undefined);
  world.attic.saved.set(id, { machine: copy, events, at: world.sim.now });
  return id;
}

/** A cloner that leaves alone what a machine shares with the rest of the world. */
function shielded(world: World, name: string): Cloner {
  const cloner = new Cloner();
  for (const shared of [world, world.sim, world.trace, world.machines, world.cables, world.attic, world.faults, ...world.cables.values()])
    cloner.register(shared, shared);
  for (const [other, m] of world.machines) if (other !== name) cloner.register(m, m);
  return cloner;
}

function restoreMachine(world: World, name: string, saved: number): WorldEdit | string {
  const entry = world.attic.saved.get(saved);
  if (entry === undefined) return `the removed machine '${name}' is no longer kept`;
  const present = world.machines.get(name);
  const inverse = present === undefined ? undefined : removeMachine(world, name);
  if (typeof inverse === 'string') return inverse;
  world.attic.saved.delete(saved);
  world.machines.set(name, entry.machine);
  entry.machine.join(world.trace);
  world.sim.reinsert(entry.events, (world.sim.now - entry.at) as Duration);
  return inverse ?? { op: 'machine.remove', machine: name };
}

/** Whether a queued event belongs to a machine: its target is reachable from the machine without leaving it. */
function ownedBy(world: World, machine: Machine): (event: SimEvent) => boolean {
  const inside = new Set<object>();
  const outside = new Set<object>([world, world.sim, world.trace, world.faults, ...world.cables.values()]);
  const stack: object[] = [machine];
  while (stack.length > 0) {
    const o = stack.pop();
    if (o === undefined || inside.has(o) || outside.has(o) || Object.isFrozen(o) || ArrayBuffer.isView(o) || o instanceof ArrayBuffer)
      continue;
    inside.add(o);
    const children: Iterable<unknown> = o instanceof Map ? [...o.keys(), ...o.values()] : o instanceof Set ? o : Object.values(o);
    for (const c of children) if (typeof c === 'object' && c !== null) stack.push(c);
  }
  return (e) => inside.has(e.target);
}

function rename(world: World, machine: Machine, to: string): void {
  const from = machine.spec.name;
  const order = [...world.machines.entries()];
  world.machines.clear();
  for (const [name, m] of order) world.machines.set(name === from ? to : name, m);
  machine.rename(to);
  for (const [id, cable] of [...world.cables]) {
    const now = cableId(specOf(world, id));
    if (now === id) continue;
    world.cables.delete(id);
    cable.id = now;
    world.cables.set(now, cable);
  }
}
