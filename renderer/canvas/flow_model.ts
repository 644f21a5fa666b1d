// The topology as React Flow's nodes and edges. Pure. Objects that mean the same are reused, so that unchanged cards do not render.
import type { Edge as FlowEdge, Node } from '@xyflow/react';
import type { CableView, MachineView, TopologyView } from '../../preload/contract.ts';
import type { Selection } from '../store/store.ts';
import { cableSides, cardHeight, CARD_WIDTH, type Point, type Side } from './geometry.ts';

export type MachineNode = Node<{ readonly machine: MachineView; readonly opened: boolean }, 'machine'>;
export type CableEdge = FlowEdge<{ readonly cable: CableView; readonly fromSide: Side; readonly toSide: Side }, 'cable'>;

export function handleId(port: string, side: Side): string {
  return `${port}:${side}`;
}
export function portOfHandle(handle: string | null | undefined): string | undefined {
  const colon = handle?.lastIndexOf(':') ?? -1;
  return handle === null || handle === undefined || colon < 0 ? undefined : handle.slice(0, colon);
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

export function isSelected(selection: readonly Selection[], kind: 'machine' | 'cable', name: string): boolean {
  return selection.some((item) =>
    item.kind === 'machine'
      ? kind === 'machine' && item.machine === name
      : item.kind === 'cable' && kind === 'cable' && item.cable === name,
  );
}

/** @param held positions that the window shows before the world knows them: cards being dragged, moves not yet answered. */
export function machineNodes(
  topology: TopologyView,
  selection: readonly Selection[],
  opened: ReadonlySet<string>,
  held: ReadonlyMap<string, Point>,
  previous: readonly MachineNode[],
): MachineNode[] {
  const old = new Map(previous.map((node) => [node.id, node]));
  return topology.machines.map((machine): MachineNode => {
    const before = old.get(machine.name);
    const position = held.get(machine.name) ?? { x: machine.x, y: machine.y };
    const selected = isSelected(selection, 'machine', machine.name);
    const isOpen = opened.has(machine.name);
    const height = cardHeight(machine, isOpen);
    const data =
      before !== undefined && before.data.opened === isOpen && same(before.data.machine, machine)
        ? before.data
        : { machine, opened: isOpen };
    if (
      before !== undefined &&
      before.data === data &&
      before.selected === selected &&
      before.height === height &&
      before.position.x === position.x &&
      before.position.y === position.y
    ) {
      return before;
    }
    return {
      ...before,
      id: machine.name,
      type: 'machine',
      position,
      data,
      selected,
      width: CARD_WIDTH,
      height,
      ariaLabel: `Machine ${machine.name}, ${machine.nics.length === 1 ? '1 NIC' : `${machine.nics.length} NICs`}`,
      domAttributes: { 'data-testid': `machine-${machine.name}` } as NonNullable<MachineNode['domAttributes']>,
    };
  });
}

/** The cables, leaving each card on the side that faces the other. */
export function cableEdges(
  cables: readonly CableView[],
  nodes: readonly MachineNode[],
  selection: readonly Selection[],
  previous: readonly CableEdge[],
): CableEdge[] {
  const at = new Map(nodes.map((node) => [node.id, node.position]));
  const old = new Map(previous.map((edge) => [edge.id, edge]));
  return cables.flatMap((cable): CableEdge[] => {
    const a = at.get(cable.a.machine);
    const b = at.get(cable.b.machine);
    if (a === undefined || b === undefined) return [];
    const [fromSide, toSide] = cableSides(a, b);
    const selected = isSelected(selection, 'cable', cable.id);
    const before = old.get(cable.id);
    const { data } = before ?? {};
    const unchanged = data !== undefined && data.fromSide === fromSide && data.toSide === toSide && same(data.cable, cable);
    if (before !== undefined && unchanged && before.selected === selected) return [before];
    return [
      {
        id: cable.id,
        type: 'cable',
        source: cable.a.machine,
        sourceHandle: handleId(cable.a.port, fromSide),
        target: cable.b.machine,
        targetHandle: handleId(cable.b.port, toSide),
        data: unchanged ? data : { cable, fromSide, toSide },
        selected,
        ariaLabel: `Cable from ${cable.a.machine} ${cable.a.port} to ${cable.b.machine} ${cable.b.port}${cable.up ? '' : ', cut'}`,
        domAttributes: { 'data-testid': `cable-${cable.id}` } as NonNullable<CableEdge['domAttributes']>,
      },
    ];
  });
}

/** Where the finder looks: names, ports, interfaces, addresses, MACs. */
export function findMachines(topology: TopologyView, text: string): readonly string[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [];
  const hit = (value: string | undefined): boolean => value?.toLowerCase().includes(wanted) ?? false;
  const names = topology.machines.filter((m) => hit(m.name)).map((m) => m.name);
  const inside = topology.machines
    .filter(
      (m) =>
        m.namespaces.some(hit) ||
        m.nics.some((n) => hit(n.mac) || hit(n.ifname) || hit(n.pci)) ||
        m.interfaces.some((i) => hit(i.name) || hit(i.mac) || i.addrs.some(hit)),
    )
    .map((m) => m.name);
  return [...new Set([...names, ...inside])];
}
