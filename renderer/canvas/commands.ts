// Everything a person can do to what is selected, once: context menu, keyboard, tree and action palette all read this.
import type { Edit, TopologyView } from '../../preload/contract.ts';
import { openTerminal } from '../store/actions.ts';
import { host } from '../store/host.ts';
import { attempt, primarySelection, select, setTopology, showRings, store, toast, type Selection } from '../store/store.ts';
import { canvas, toggleOpened, type Place } from './canvas_state.ts';
import {
  cannotConnect,
  copied,
  freePorts,
  moves,
  nextName,
  otherNamespaces,
  pasted,
  removal,
  type InterfaceRef,
  type PortRef,
} from './edits.ts';
import { cardHeight, closedCardHeight, freeSpot, GRID, type Point } from './geometry.ts';

/** Between what was copied and the copy below it. */
const PASTE_GAP = 32;

export function edit(change: Edit | undefined, then?: (topology: TopologyView) => void): void {
  if (change === undefined) return;
  attempt(async () => {
    const topology = await host.request('world.edit', change);
    setTopology(topology);
    then?.(topology);
  });
}

/** As `edit`, for callers that must know when the world has answered. */
export async function editAndWait(change: Edit): Promise<void> {
  setTopology(await host.request('world.edit', change));
}

export function addMachine(nics: number, at?: Point): void {
  const { topology } = store.getState();
  if (topology === undefined) return;
  const names = new Set(topology.machines.map((machine) => machine.name));
  const name = nextName('h0', names);
  const { opened, view } = canvas.getState();
  const taken = topology.machines.map((machine) => ({ x: machine.x, y: machine.y, height: cardHeight(machine, opened.has(machine.name)) }));
  const { x, y } = freeSpot(at ?? view?.centre() ?? { x: 0, y: 0 }, closedCardHeight(nics), taken);
  edit({ op: 'machine.add', name, x, y, nics }, () => select({ kind: 'machine', machine: name }));
}

export function addNic(machine: string, queuePairs = 1): void {
  edit({ op: 'nic.add', machine, queuePairs });
}

export function connect(a: PortRef, b: PortRef): void {
  const { topology } = store.getState();
  if (topology === undefined) return;
  const reason = cannotConnect(topology, a, b);
  if (reason === undefined) edit({ op: 'cable.add', a: { machine: a.machine, port: a.port }, b: { machine: b.machine, port: b.port } });
  else toast('error', reason);
}

/** A cable dropped on a machine goes to its first free port. */
export function connectToMachine(a: PortRef, machine: string): void {
  const { topology } = store.getState();
  if (topology === undefined) return;
  const free = freePorts(topology, a).find((port) => port.machine === machine);
  if (free !== undefined) connect(a, free);
  else toast('error', `${machine} has no free port. Add a NIC to it first.`);
}

export function remove(selection: readonly Selection[] = store.getState().selection): void {
  const { topology } = store.getState();
  if (topology !== undefined) edit(removal(selection, topology));
}

export function copy(): boolean {
  const { topology, selection } = store.getState();
  const clip = topology === undefined ? undefined : copied(selection, topology);
  if (clip === undefined) return false;
  canvas.setState({ clip, pastes: 0 });
  return true;
}

export function paste(): void {
  const { topology } = store.getState();
  const { clip, pastes } = canvas.getState();
  if (topology === undefined || clip === undefined) return;
  const top = Math.min(...clip.machines.map((machine) => machine.y));
  const bottom = Math.max(...clip.machines.map((machine) => machine.y + closedCardHeight(machine.nics.length)));
  const down = Math.ceil((bottom - top) / GRID) * GRID + PASTE_GAP;
  const { edit: change, names } = pasted(clip, topology, { x: 0, y: (pastes + 1) * down });
  canvas.setState({ pastes: pastes + 1 });
  edit(change, () => select(...names.map((machine): Selection => ({ kind: 'machine', machine }))));
}

export function duplicate(): void {
  if (copy()) paste();
}

export function cut(): void {
  if (copy()) remove();
}

export function selectAll(): void {
  const { topology } = store.getState();
  select(...(topology?.machines ?? []).map((machine): Selection => ({ kind: 'machine', machine: machine.name })));
}

/** Ends the renaming that is under way; later calls for the same one (Enter, then the blur that follows) mean nothing. */
export function rename(machine: string, to: string, place: Place): void {
  if (canvas.getState().renaming === undefined) return;
  canvas.setState({ renaming: undefined });
  const name = to.trim();
  if (name === '' || name === machine) return;
  const { opened, view } = canvas.getState();
  edit({ op: 'machine.rename', machine, to: name }, () => {
    if (opened.has(machine)) toggleOpened(name);
    select({ kind: 'machine', machine: name });
    if (place === 'canvas') view?.focus(name);
  });
}

export function moveMachines(positions: ReadonlyMap<string, Point>): Promise<void> {
  const change = moves(positions);
  return change === undefined ? Promise.resolve() : editAndWait(change);
}

/** Cuts a cable, or mends it. */
export function toggleCable(id: string): void {
  const cable = store.getState().topology?.cables.find((candidate) => candidate.id === id);
  if (cable !== undefined) edit({ op: 'cable.set', cable: id, up: !cable.up });
}

/** Enter: opens a machine's inside, a NIC's rings, an interface's terminal, a cable's parameters. */
export function open(item: Selection): void {
  if (item.kind === 'machine') toggleOpened(item.machine);
  else if (item.kind === 'nic') showRings(item);
  else if (item.kind === 'interface') terminal(item.machine, item.netns);
  else {
    select(item);
    store.getState().dock?.open('inspector');
  }
}

/** Takes an interface to another namespace of its machine; it stays selected. */
export function moveInterface({ machine, netns, ifname }: InterfaceRef, to: string): void {
  if (netns === to) return;
  edit({ op: 'iface.move', machine, netns, ifname, to }, () => select({ kind: 'interface', machine, netns: to, ifname }));
}

export function terminal(machine: string, netns = ''): void {
  openTerminal(netns === '' ? { machine } : { machine, netns });
}

export interface Entry {
  readonly id: string;
  readonly title: string;
  readonly hint?: string;
  readonly disabled?: boolean;
  /** A line above it. */
  readonly group?: boolean;
  readonly run: () => void;
}

/** The menu of a selection; `at` is where a new machine would go. */
export function entriesFor(selection: readonly Selection[], place: Place, at?: Point): readonly Entry[] {
  if (selection.length === 0) return paneEntries(at);
  const item = selection[selection.length - 1];
  const machines = selection.filter((s) => s.kind === 'machine').length;
  const own = selection.length > 1 ? [] : singleEntries(item, place);
  const clip: Entry[] =
    machines === 0
      ? []
      : [
          { id: 'copy', title: 'Copy', hint: 'Ctrl+C', group: own.length > 0, run: () => void copy() },
          { id: 'duplicate', title: 'Duplicate', hint: 'Ctrl+D', run: duplicate },
        ];
  if (item.kind === 'interface') return own;
  const what =
    selection.length > 1
      ? `Delete ${selection.length} things`
      : item.kind === 'machine'
        ? `Delete ${item.machine}`
        : item.kind === 'nic'
          ? `Delete ${item.port}`
          : 'Delete the cable';
  return [...own, ...clip, { id: 'delete', title: what, hint: 'Del', group: true, run: () => remove(selection) }];
}

function singleEntries(item: Selection, place: Place): readonly Entry[] {
  switch (item.kind) {
    case 'machine':
      return [
        {
          id: 'open',
          title: canvas.getState().opened.has(item.machine) ? 'Close the inside' : 'Open the inside',
          hint: 'Enter',
          run: () => open(item),
        },
        { id: 'terminal', title: 'Terminal', hint: 'T', run: () => terminal(item.machine) },
        { id: 'add-nic', title: 'Add a NIC', hint: 'N', group: true, run: () => addNic(item.machine) },
        { id: 'add-nic-4', title: 'Add a NIC with 4 queue pairs', run: () => addNic(item.machine, 4) },
        { id: 'rename', title: 'Rename…', hint: 'F2', run: () => canvas.setState({ renaming: { machine: item.machine, place } }) },
        faultEntry(item.machine, 'machine'),
      ];
    case 'nic': {
      const nic = nicOf(item);
      return [
        { id: 'rings', title: 'Show its rings', hint: 'Enter', run: () => open(item) },
        nic?.cable === undefined
          ? {
              id: 'connect',
              title: 'Connect to…',
              hint: 'C',
              run: () => canvas.setState({ connecting: { machine: item.machine, port: item.port } }),
            }
          : { id: 'disconnect', title: 'Remove its cable', hint: 'C', run: () => edit({ op: 'cable.remove', cable: nic.cable ?? '' }) },
        faultEntry(`${item.machine}:${item.port}`, 'nic'),
      ];
    }
    case 'interface':
      return [
        {
          id: 'terminal',
          title: item.netns === '' ? `Terminal on ${item.machine}` : `Terminal in ${item.netns}`,
          hint: 'Enter',
          run: () => open(item),
        },
        ...otherNamespaces(item, store.getState().topology).map((to, i) => ({
          id: `move-${to === '' ? 'init' : to}`,
          title: `Move to ${to === '' ? 'init_net' : to}`,
          group: i === 0,
          run: () => moveInterface(item, to),
        })),
      ];
    case 'cable': {
      const up = store.getState().topology?.cables.find((cable) => cable.id === item.cable)?.up ?? true;
      return [
        { id: 'parameters', title: 'Rate, delay, loss…', hint: 'Enter', run: () => open(item) },
        { id: 'cut', title: up ? 'Cut the cable' : 'Mend the cable', hint: 'X', run: () => toggleCable(item.cable) },
        faultEntry(item.cable, 'cable'),
      ];
    }
  }
}

function faultEntry(at: string, target: 'nic' | 'cable' | 'machine'): Entry {
  return { id: 'fault', title: 'Inject a fault…', group: true, run: () => canvas.setState({ faulting: { at, target } }) };
}

function paneEntries(at?: Point): readonly Entry[] {
  const { clip, view } = canvas.getState();
  return [
    ...[1, 2, 4].map((nics) => ({
      id: `add-${nics}`,
      title: nics === 1 ? 'Add a machine with 1 NIC' : `Add a machine with ${nics} NICs`,
      run: () => addMachine(nics, at),
    })),
    { id: 'paste', title: 'Paste', hint: 'Ctrl+V', disabled: clip === undefined, group: true, run: paste },
    { id: 'select-all', title: 'Select all', hint: 'Ctrl+A', run: selectAll },
    { id: 'fit', title: 'Fit into view', hint: 'F', group: true, run: () => view?.fit() },
  ];
}

function nicOf(item: { readonly machine: string; readonly port: string }) {
  return store
    .getState()
    .topology?.machines.find((machine) => machine.name === item.machine)
    ?.nics.find((nic) => nic.port === item.port);
}

/** Single keys on the focused or selected thing; true when the key meant something. Shared by canvas and tree. */
export function pressKey(key: string, mod: boolean, place: Place): boolean {
  const { selection } = store.getState();
  const item = primarySelection(store.getState());
  if (mod) {
    const act = { c: () => void copy(), x: cut, v: paste, d: duplicate, a: selectAll }[key.toLowerCase()];
    act?.();
    return act !== undefined;
  }
  if (key === 'Delete' || key === 'Backspace') {
    remove(selection);
    return selection.length > 0;
  }
  if (key === 'f' || key === 'F') {
    canvas.getState().view?.fit();
    return true;
  }
  if (item === undefined) return false;
  const id = {
    Enter: undefined,
    F2: 'rename',
    c: 'connect',
    C: 'connect',
    t: 'terminal',
    T: 'terminal',
    n: 'add-nic',
    N: 'add-nic',
    x: 'cut',
    X: 'cut',
  }[key];
  if (key === 'Enter') {
    open(item);
    return true;
  }
  const entry = singleEntries(item, place).find((candidate) => candidate.id === id || (id === 'connect' && candidate.id === 'disconnect'));
  entry?.run();
  return entry !== undefined;
}
