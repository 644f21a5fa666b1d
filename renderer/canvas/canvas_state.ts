// The canvas's own state, no truth about the world: what is opened, renamed, connected, copied; view switches.
import { create } from 'zustand';
import type { Clip, PortRef } from './edits.ts';
import type { Point } from './geometry.ts';

/** What the mounted canvas offers to palette, tree and actions. */
export interface CanvasView {
  fit(): void;
  zoomBy(factor: number): void;
  /** Centre of what is seen, in canvas units. */
  centre(): Point;
  /** Brings a machine into view. */
  reveal(machine: string): void;
  /** Gives a machine's card the focus, as soon as it is there. */
  focus(machine: string): void;
}

/** Where a person works on the topology. */
export type Place = 'canvas' | 'tree';

export interface CanvasState {
  readonly opened: ReadonlySet<string>;
  readonly renaming: { readonly machine: string; readonly place: Place } | undefined;
  /** The port a cable is being drawn from by keyboard; a dialog asks for the other end. */
  readonly connecting: PortRef | undefined;
  /** Where a fault is to be injected, while its dialog is open. */
  readonly faulting: { readonly at: string; readonly target: 'nic' | 'cable' | 'machine' } | undefined;
  readonly finding: boolean;
  readonly minimap: boolean;
  readonly snap: boolean;
  readonly clip: Clip | undefined;
  readonly pastes: number;
  readonly view: CanvasView | undefined;
}

export const useCanvas = create<CanvasState>()(() => ({
  opened: new Set<string>(),
  renaming: undefined,
  connecting: undefined,
  faulting: undefined,
  finding: false,
  minimap: false,
  snap: true,
  clip: undefined,
  pastes: 0,
  view: undefined,
}));

/** Outside of React. */
export const canvas = useCanvas;

export function toggleOpened(machine: string): void {
  canvas.setState(({ opened }) => {
    const next = new Set(opened);
    if (!next.delete(machine)) next.add(machine);
    return { opened: next };
  });
}
