// The topology as lines of a tree: machines with their NICs, namespaces and interfaces; then the cables. Pure.
import type { CableView, InterfaceView, MachineView, NicView, TopologyView } from '../../preload/contract.ts';
import type { Selection } from '../store/store.ts';
import { namespacesOf } from './geometry.ts';

export interface TreeLine {
  readonly key: string;
  readonly level: number; // 1 for the outermost
  readonly label: string;
  readonly detail: string;
  /** What it stands for; a heading stands for nothing. */
  readonly item: Selection | undefined;
  readonly branch: boolean;
  readonly open: boolean;
}

type Describe = (cable: CableView) => string;

/** @param closed keys of closed branches. */
export function treeLines(topology: TopologyView, closed: ReadonlySet<string>, describe: Describe): readonly TreeLine[] {
  const lines: TreeLine[] = [];
  for (const machine of topology.machines) lines.push(...machineLines(machine, topology, closed));
  if (topology.cables.length === 0) return lines;
  const open = !closed.has('cables');
  lines.push({ key: 'cables', level: 1, label: 'Cables', detail: String(topology.cables.length), item: undefined, branch: true, open });
  if (!open) return lines;
  for (const cable of topology.cables) {
    const state = cable.up ? describe(cable) : `cut${describe(cable) === '' ? '' : ` · ${describe(cable)}`}`;
    lines.push({
      key: `cable ${cable.id}`,
      level: 2,
      label: `${cable.a.machine} ${cable.a.port} – ${cable.b.machine} ${cable.b.port}`,
      detail: state,
      item: { kind: 'cable', cable: cable.id },
      branch: false,
      open: false,
    });
  }
  return lines;
}

function machineLines(machine: MachineView, topology: TopologyView, closed: ReadonlySet<string>): readonly TreeLine[] {
  const key = `machine ${machine.name}`;
  const open = !closed.has(key);
  const head: TreeLine = {
    key,
    level: 1,
    label: machine.name,
    detail:
      machine.panicked === undefined ? (machine.nics.length === 1 ? '1 NIC' : `${machine.nics.length} NICs`) : `panic: ${machine.panicked}`,
    item: { kind: 'machine', machine: machine.name },
    branch: true,
    open,
  };
  if (!open) return [head];
  return [
    head,
    ...machine.nics.map((nic) => nicLine(machine, nic, topology)),
    ...namespacesOf(machine).flatMap((netns) => namespaceLines(machine, netns, closed)),
  ];
}

function nicLine(machine: MachineView, nic: NicView, topology: TopologyView): TreeLine {
  const cable = topology.cables.find((candidate) => candidate.id === nic.cable);
  const other = cable === undefined ? undefined : cable.a.machine === machine.name && cable.a.port === nic.port ? cable.b : cable.a;
  const link = !nic.admin ? 'down' : nic.carrier ? 'up' : 'no carrier';
  return {
    key: `nic ${machine.name} ${nic.port}`,
    level: 2,
    label: `${nic.port} ${nic.ifname ?? '(no driver)'}`,
    detail: `${link} · ${other === undefined ? 'no cable' : `to ${other.machine} ${other.port}`}`,
    item: { kind: 'nic', machine: machine.name, port: nic.port },
    branch: false,
    open: false,
  };
}

function namespaceLines(machine: MachineView, netns: string, closed: ReadonlySet<string>): readonly TreeLine[] {
  const key = `netns ${machine.name} ${netns}`;
  const open = !closed.has(key);
  const interfaces = machine.interfaces.filter((i) => i.netns === netns);
  const head: TreeLine = {
    key,
    level: 2,
    label: netns === '' ? 'init_net' : netns,
    detail: 'namespace',
    item: undefined,
    branch: interfaces.length > 0,
    open,
  };
  if (!open) return [head];
  return [head, ...interfaces.map((view): TreeLine => interfaceLine(machine.name, view))];
}

function interfaceLine(machine: string, view: InterfaceView): TreeLine {
  const peer = view.peer === undefined ? '' : ` ↔ ${view.peer}`;
  return {
    key: `if ${machine} ${view.netns} ${view.name}`,
    level: 3,
    label: `${view.name}${peer}`,
    detail: [view.flags.includes('UP') ? 'up' : 'down', ...view.addrs].join(' · '),
    item: { kind: 'interface', machine, netns: view.netns, ifname: view.name },
    branch: false,
    open: false,
  };
}
