// Nodes and edges as React Flow shows them: rebuilt from the store, and ahead of it only for cards under the pointer or the arrow
// keys, which are shown at once and told to the world when the gesture ends (one edit, one undo).
import { applyNodeChanges, type EdgeChange, type NodeChange } from '@xyflow/react';
import { attempt, select, store, type Selection } from '../store/store.ts';
import { canvas } from './canvas_state.ts';
import { moveMachines } from './commands.ts';
import { cableEdges, machineNodes, type CableEdge, type MachineNode } from './flow_model.ts';
import type { Point } from './geometry.ts';

const NUDGE_PAUSE_MS = 400;

export interface Flow {
  readonly nodes: MachineNode[];
  readonly edges: CableEdge[];
}

export class FlowState {
  private flow: Flow = { nodes: [], edges: [] };
  /** Positions shown before the world knows them. */
  private readonly held = new Map<string, Point>();
  /** Of those, what the world is being told; React Flow ends one gesture with several calls. */
  private readonly sending = new Map<string, Point>();
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly read = (): Flow => this.flow;

  /** Follows the store while somebody looks. Returns its own removal. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    const removals = [
      store.subscribe((now, before) => {
        if (now.topology !== before.topology || now.selection !== before.selection) this.rebuild();
      }),
      canvas.subscribe((now, before) => {
        if (now.opened !== before.opened) this.rebuild();
      }),
    ];
    this.rebuild();
    return () => {
      for (const remove of removals) remove();
      this.listeners.delete(listener);
    };
  };

  readonly changeNodes = (changes: NodeChange<MachineNode>[]): void => {
    for (const change of changes)
      if (change.type === 'position' && change.position !== undefined) this.held.set(change.id, change.position);
    const shown = changes.filter((change) => change.type === 'position' || change.type === 'dimensions');
    if (shown.length > 0) this.show(applyNodeChanges(shown, this.flow.nodes));
    followSelection(changes, (id) => ({ kind: 'machine', machine: id }));
  };

  readonly changeEdges = (changes: EdgeChange<CableEdge>[]): void => followSelection(changes, (id) => ({ kind: 'cable', cable: id }));

  /** Moves the selected cards; they are committed when no further key comes. False when none is selected. */
  readonly nudge = (dx: number, dy: number): boolean => {
    const chosen = this.flow.nodes.filter((node) => node.selected === true);
    if (chosen.length === 0) return false;
    for (const node of chosen) this.held.set(node.id, { x: node.position.x + dx, y: node.position.y + dy });
    this.rebuild();
    clearTimeout(this.timer);
    this.timer = setTimeout(this.commit, NUDGE_PAUSE_MS);
    return true;
  };

  /** Sends the held positions, and lets go when the world has answered. */
  readonly commit = (): void => {
    clearTimeout(this.timer);
    const sent = new Map([...this.held].filter(([machine, at]) => this.sending.get(machine) !== at));
    if (sent.size === 0) return;
    for (const [machine, at] of sent) this.sending.set(machine, at);
    attempt(async () => {
      try {
        await moveMachines(sent);
      } finally {
        for (const [machine, at] of sent) {
          if (this.sending.get(machine) === at) this.sending.delete(machine);
          if (this.held.get(machine) === at) this.held.delete(machine);
        }
        this.rebuild();
      }
    });
  };

  private rebuild(): void {
    const { topology, selection } = store.getState();
    if (topology !== undefined) this.show(machineNodes(topology, selection, canvas.getState().opened, this.held, this.flow.nodes));
  }

  private show(nodes: MachineNode[]): void {
    const { topology, selection } = store.getState();
    this.flow = { nodes, edges: cableEdges(topology?.cables ?? [], nodes, selection, this.flow.edges) };
    for (const listener of this.listeners) listener();
  }
}

/** What tells two selected cards or cables apart; '' for ports and interfaces, which React Flow does not know. */
function keyOf(item: Selection): string {
  return item.kind === 'machine' ? `machine ${item.machine}` : item.kind === 'cable' ? `cable ${item.cable}` : '';
}

/** React Flow selects cards and cables; the store's selection follows, and forgets ports and interfaces meanwhile. */
function followSelection(changes: readonly { readonly type: string }[], itemOf: (id: string) => Selection): void {
  const selects = changes.filter((change): change is { type: 'select'; id: string; selected: boolean } => change.type === 'select');
  if (selects.length === 0) return;
  const touched = new Set(selects.map((change) => keyOf(itemOf(change.id))));
  const kept = store.getState().selection.filter((item) => keyOf(item) !== '' && !touched.has(keyOf(item)));
  select(...kept, ...selects.filter((change) => change.selected).map((change) => itemOf(change.id)));
}
