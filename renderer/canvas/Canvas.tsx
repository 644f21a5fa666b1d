// The canvas: machines and cables to look at and to work on, by mouse and by keyboard. Every change is an Edit the world answers.
import '@xyflow/react/dist/style.css';
import {
  Background,
  BackgroundVariant,
  ConnectionMode,
  MiniMap,
  Panel,
  ReactFlow,
  ReactFlowProvider,
  useNodesInitialized,
  useReactFlow,
  useStore as useFlowStore,
  type Connection,
  type FinalConnectionState,
} from '@xyflow/react';
import { useEffect, useRef, useState, useSyncExternalStore, type DragEvent, type MouseEvent, type ReactNode } from 'react';
import { select, store, toast, useStore } from '../store/store.ts';
import { CableLine } from './CableEdge.tsx';
import { canvas, toggleOpened, useCanvas, type CanvasView } from './canvas_state.ts';
import { CanvasMenu } from './CanvasMenu.tsx';
import { CanvasTools } from './CanvasTools.tsx';
import { onCanvasKey, onCanvasFocus, selectionOf } from './canvas_keys.ts';
import { addMachine, addNic, connect, connectToMachine } from './commands.ts';
import { ConnectDialog } from './ConnectDialog.tsx';
import { FaultDialog } from './FaultDialog.tsx';
import { cannotConnect } from './edits.ts';
import { FindBar } from './FindBar.tsx';
import { portOfHandle, type CableEdge, type MachineNode } from './flow_model.ts';
import { FlowState } from './flow_state.ts';
import { GRID, smallPrint } from './geometry.ts';
import { MachineCard } from './MachineNode.tsx';
import { Overlay } from './Overlay.tsx';
import { partById, PART_TYPE } from './PartsPalette.tsx';
import './canvas.css';

const NODE_TYPES = { machine: MachineCard };
const EDGE_TYPES = { cable: CableLine };
const FIT = { padding: 0.12, maxZoom: 1.1, duration: 0 } as const;
const SNAP_GRID: [number, number] = [GRID, GRID];
const ADD_KEYS = ['Shift', 'Control', 'Meta'];
/** Below this zoom the cards' small print is left out. */
const FAR_ZOOM = 0.55;
/** Below this one only names are drawn. */
const TINY_ZOOM = 0.3;

export function Canvas(): ReactNode {
  return (
    <ReactFlowProvider>
      <CanvasFlow />
      <ConnectDialog />
      <FaultDialog />
    </ReactFlowProvider>
  );
}

function CanvasFlow(): ReactNode {
  const topology = useStore((s) => s.topology);
  const { finding, minimap, snap } = useCanvas();
  const view = useReactFlow<MachineNode, CableEdge>();
  const root = useRef<HTMLDivElement>(null);
  const [state] = useState(() => new FlowState());
  const { nodes, edges } = useSyncExternalStore(state.subscribe, state.read);
  useFirstFit(`${topology?.lab.path ?? ''} ${topology?.lab.name ?? ''}`);
  usePublishedView(root);

  if (topology === undefined) return <p className="empty">Waiting for the host…</p>;
  return (
    <CanvasMenu
      place="canvas"
      targetOf={selectionOf}
      pointOf={(event: MouseEvent) => view.screenToFlowPosition({ x: event.clientX, y: event.clientY })}
    >
      <div className="canvas" data-testid="canvas-root">
        <ReactFlow<MachineNode, CableEdge>
          ref={root}
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          tabIndex={-1}
          aria-label="Canvas"
          onKeyDown={(event) => onCanvasKey(event, state.nudge, root.current)}
          onFocus={onCanvasFocus}
          onDragOver={(event) => {
            if (event.dataTransfer.types.includes(PART_TYPE)) event.preventDefault();
          }}
          onDrop={(event) => dropPart(event, view.screenToFlowPosition({ x: event.clientX, y: event.clientY }))}
          onNodesChange={state.changeNodes}
          onEdgesChange={state.changeEdges}
          onNodeDragStop={state.commit}
          onSelectionDragStop={state.commit}
          onNodeDoubleClick={(event, node) => {
            if (event.target instanceof Element && event.target.closest('.machine-name, button, input') === null) toggleOpened(node.id);
          }}
          onPaneClick={() => select()}
          onConnect={onConnect}
          onConnectEnd={onConnectEnd}
          isValidConnection={isValid}
          connectionMode={ConnectionMode.Loose}
          connectOnClick={false}
          connectionRadius={24}
          snapToGrid={snap}
          snapGrid={SNAP_GRID}
          minZoom={0.08}
          maxZoom={2.5}
          deleteKeyCode={null}
          panActivationKeyCode={null}
          multiSelectionKeyCode={ADD_KEYS}
          zoomOnDoubleClick={false}
          disableKeyboardA11y
          elevateEdgesOnSelect={false}
          proOptions={{ hideAttribution: true }}
          data-testid="canvas"
        >
          <ZoomMark root={root} />
          <Background variant={BackgroundVariant.Dots} gap={GRID * 3} size={1.4} color="var(--grid-dot)" />
          <Overlay />
          {minimap ? (
            <MiniMap
              pannable
              zoomable
              ariaLabel="Overview"
              nodeColor="var(--card-line)"
              maskColor="var(--scrim)"
              bgColor="var(--surface-2)"
            />
          ) : undefined}
          {finding ? (
            <Panel position="top-right">
              <FindBar />
            </Panel>
          ) : undefined}
          <Panel position="bottom-left">
            <CanvasTools />
          </Panel>
          {topology.machines.length === 0 ? (
            <Panel position="top-center" className="canvas-hint">
              An empty lab. Drag a machine here from Parts, press Enter on one, or right-click.
            </Panel>
          ) : undefined}
        </ReactFlow>
      </div>
    </CanvasMenu>
  );
}

function onConnect({ source, sourceHandle, target, targetHandle }: Connection): void {
  const from = portOfHandle(sourceHandle);
  const to = portOfHandle(targetHandle);
  if (from !== undefined && to !== undefined) connect({ machine: source, port: from }, { machine: target, port: to });
}

/** A cable let go over a card, beside its plugs, goes to the first free port; over a used port, it is said why not. */
function onConnectEnd(
  event: globalThis.MouseEvent | TouchEvent,
  { isValid, fromNode, fromHandle, toNode, toHandle }: FinalConnectionState,
): void {
  const port = portOfHandle(fromHandle?.id);
  if (isValid === true || fromNode === null || port === undefined) return;
  const from = { machine: fromNode.id, port };
  const to = portOfHandle(toHandle?.id);
  if (toNode !== null && to !== undefined) {
    connect(from, { machine: toNode.id, port: to });
    return;
  }
  const place = 'changedTouches' in event ? event.changedTouches[0] : event;
  const card = document.elementFromPoint(place.clientX, place.clientY)?.closest<HTMLElement>('[data-machine]');
  const machine = card?.dataset['machine'];
  if (machine !== undefined && machine !== fromNode.id) connectToMachine(from, machine);
}

function isValid(connection: Connection | CableEdge): boolean {
  const { topology } = store.getState();
  const from = portOfHandle(connection.sourceHandle);
  const to = portOfHandle(connection.targetHandle);
  if (topology === undefined || from === undefined || to === undefined) return false;
  return cannotConnect(topology, { machine: connection.source, port: from }, { machine: connection.target, port: to }) === undefined;
}

function dropPart(event: DragEvent, at: { readonly x: number; readonly y: number }): void {
  const part = partById(event.dataTransfer.getData(PART_TYPE));
  if (part === undefined) return;
  event.preventDefault();
  const machine = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-machine]')?.dataset['machine'] : undefined;
  if (part.kind === 'machine') addMachine(part.count, at);
  else if (machine === undefined) toast('info', 'Drop the NIC on a machine.');
  else addNic(machine, part.count);
}

/** Shows the whole lab once it is there. */
function useFirstFit(lab: string): void {
  const flow = useReactFlow();
  const ready = useNodesInitialized();
  const sized = useFlowStore((s) => s.width > 0 && s.height > 0);
  const fitted = useRef<string>(undefined);
  useEffect(() => {
    if (!ready || !sized || fitted.current === lab) return;
    fitted.current = lab;
    void flow.fitView(FIT);
  }, [flow, ready, sized, lab]);
}

/** Gives palette, tree and actions a hand on the view. */
function usePublishedView(root: { readonly current: HTMLDivElement | null }): void {
  const flow = useReactFlow<MachineNode, CableEdge>();
  useEffect(() => {
    const cardOf = (machine: string): HTMLElement | undefined =>
      root.current?.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(machine)}"]`) ?? undefined;
    const view: CanvasView = {
      fit: () => void flow.fitView(FIT),
      zoomBy: (factor) => void flow.zoomTo(flow.getZoom() * factor),
      centre: () => {
        const box = root.current?.getBoundingClientRect();
        return box === undefined
          ? { x: 0, y: 0 }
          : flow.screenToFlowPosition({ x: box.x + box.width / 2 - 124, y: box.y + box.height / 2 - 60 });
      },
      reveal: (machine) => void flow.fitView({ ...FIT, nodes: [{ id: machine }], maxZoom: Math.max(flow.getZoom(), 0.8) }),
      focus: (machine) => {
        requestAnimationFrame(() => cardOf(machine)?.focus());
      },
    };
    canvas.setState({ view });
    return () => canvas.setState({ view: undefined });
  }, [flow, root]);
}

/** Tells the style sheet how far away the cards are: their small print grows against the zoom, and is left out when it cannot be read. */
function ZoomMark({ root }: { readonly root: { readonly current: HTMLDivElement | null } }): ReactNode {
  const zoom = useFlowStore(({ transform }) => (transform[2] < TINY_ZOOM ? 'tiny' : transform[2] < FAR_ZOOM ? 'far' : 'near'));
  const print = useFlowStore(({ transform }) => smallPrint(transform[2]));
  useEffect(() => {
    root.current?.setAttribute('data-zoom', zoom);
    root.current?.style.setProperty('--small-print', `${print}px`);
  }, [zoom, print, root]);
  return undefined;
}
