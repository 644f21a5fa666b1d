// What a gesture on the canvas asks of the world, as one Edit (so that one undo takes it back). Pure.
import type { CableView, Edit, MachineView, TopologyView } from '../../preload/contract.ts';
import type { Selection } from '../store/store.ts';
import type { Point } from './geometry.ts';

export interface PortRef {
  readonly machine: string;
  readonly port: string;
}

export function samePort(a: PortRef, b: PortRef): boolean {
  return a.machine === b.machine && a.port === b.port;
}

export interface InterfaceRef {
  readonly machine: string;
  readonly netns: string;
  readonly ifname: string;
}

/** Where an interface can be moved to: the other namespaces of its machine, init_net ('') first. Loopback stays where it is. */
export function otherNamespaces({ machine, netns, ifname }: InterfaceRef, topology: TopologyView | undefined): readonly string[] {
  const view = topology?.machines.find((candidate) => candidate.name === machine);
  if (view === undefined || ifname === 'lo') return [];
  return ['', ...view.namespaces.filter((name) => name !== '')].filter((name) => name !== netns);
}

/** One edit as itself, several as a batch with a label for undo, none as undefined. */
export function together(label: string, edits: readonly Edit[]): Edit | undefined {
  return edits.length > 1 ? { op: 'batch', label, edits } : edits[0];
}

/** Removal of everything selected; what goes with a removed machine or NIC is not removed twice. */
export function removal(selection: readonly Selection[], topology: TopologyView): Edit | undefined {
  const machines = new Set(selection.flatMap((item) => (item.kind === 'machine' ? [item.machine] : [])));
  const nics = selection.flatMap((item) =>
    item.kind === 'nic' && !machines.has(item.machine) ? [{ machine: item.machine, port: item.port }] : [],
  );
  const goes = (end: PortRef): boolean => machines.has(end.machine) || nics.some((nic) => samePort(nic, end));
  const cables = topology.cables.filter(
    (cable) => selection.some((item) => item.kind === 'cable' && item.cable === cable.id) && !goes(cable.a) && !goes(cable.b),
  );
  const edits: Edit[] = [
    ...cables.map((cable): Edit => ({ op: 'cable.remove', cable: cable.id })),
    ...nics.map((nic): Edit => ({ op: 'nic.remove', ...nic })),
    ...[...machines].map((machine): Edit => ({ op: 'machine.remove', machine })),
  ];
  return together(`Delete ${edits.length} things`, edits);
}

export function moves(positions: ReadonlyMap<string, Point>): Edit | undefined {
  const edits = [...positions].map(([machine, { x, y }]): Edit => ({ op: 'machine.move', machine, x: Math.round(x), y: Math.round(y) }));
  return together(`Move ${edits.length} machines`, edits);
}

/** h1 → h2, router → router2: the next number that nobody has. */
export function nextName(like: string, taken: ReadonlySet<string>): string {
  const stem = like.replace(/\d+$/, '');
  for (let n = stem === like ? 2 : 1; ; n++) {
    const name = `${stem}${n}`;
    if (!taken.has(name)) return name;
  }
}

/** What copy keeps: machines as they were, and the cables between them. */
export interface Clip {
  readonly machines: readonly MachineView[];
  readonly cables: readonly CableView[];
}

export function copied(selection: readonly Selection[], topology: TopologyView): Clip | undefined {
  const names = new Set(selection.flatMap((item) => (item.kind === 'machine' ? [item.machine] : [])));
  if (names.size === 0) return undefined;
  return {
    machines: topology.machines.filter((machine) => names.has(machine.name)),
    cables: topology.cables.filter((cable) => names.has(cable.a.machine) && names.has(cable.b.machine)),
  };
}

/** The clip as new machines beside the old ones; ports of a new machine are numbered from nic0 in the old order. */
export function pasted(
  clip: Clip,
  topology: TopologyView,
  offset: Point,
): { readonly edit: Edit | undefined; readonly names: readonly string[] } {
  const taken = new Set(topology.machines.map((machine) => machine.name));
  const renamed = new Map<string, string>();
  const edits: Edit[] = [];
  for (const machine of clip.machines) {
    const name = nextName(machine.name, taken);
    taken.add(name);
    renamed.set(machine.name, name);
    edits.push({
      op: 'machine.add',
      name,
      x: machine.x + offset.x,
      y: machine.y + offset.y,
      cpus: machine.cpus,
      ramMiB: Math.round(machine.ramBytes / 2 ** 20),
      nics: 0,
    });
    for (const nic of machine.nics)
      edits.push({ op: 'nic.add', machine: name, queuePairs: nic.queuePairs, ...(nic.model === 'e1000e' ? { model: nic.model } : {}) });
  }
  for (const cable of clip.cables) {
    const end = (of: PortRef): PortRef => {
      const index = clip.machines.find((machine) => machine.name === of.machine)?.nics.findIndex((nic) => nic.port === of.port) ?? -1;
      return { machine: renamed.get(of.machine) ?? of.machine, port: `nic${index}` };
    };
    const a = end(cable.a);
    const b = end(cable.b);
    edits.push({ op: 'cable.add', a, b });
    edits.push({
      op: 'cable.set',
      cable: cableId(a, b),
      rateBitsPerSecond: cable.rateBitsPerSecond,
      delayNs: cable.delayNs,
      loss: cable.loss,
      up: cable.up,
    });
  }
  return {
    edit: together(`Paste ${clip.machines.length === 1 ? '1 machine' : `${clip.machines.length} machines`}`, edits),
    names: [...renamed.values()],
  };
}

/** The id the world gives a cable: its ends in the order they were named. */
export function cableId(a: PortRef, b: PortRef): string {
  return `${a.machine}:${a.port}--${b.machine}:${b.port}`;
}

export interface FreePort extends PortRef {
  readonly ifname: string | undefined;
}

/** Ports without a cable, in the order of the canvas; `from` itself is left out. */
export function freePorts(topology: TopologyView, from?: PortRef): readonly FreePort[] {
  return topology.machines.flatMap((machine) =>
    machine.nics
      .filter((nic) => nic.cable === undefined && !(from !== undefined && samePort(from, { machine: machine.name, port: nic.port })))
      .map((nic) => ({ machine: machine.name, port: nic.port, ifname: nic.ifname })),
  );
}

/** Why two ports cannot be joined, or undefined when they can. */
export function cannotConnect(topology: TopologyView, a: PortRef, b: PortRef): string | undefined {
  if (samePort(a, b)) return 'A cable needs two different ports.';
  for (const end of [a, b]) {
    const nic = topology.machines.find((machine) => machine.name === end.machine)?.nics.find((candidate) => candidate.port === end.port);
    if (nic === undefined) return `${end.machine} has no port ${end.port}.`;
    if (nic.cable !== undefined) return `${end.machine} ${end.port} already has a cable. Remove it first, or use another port.`;
  }
  return undefined;
}
