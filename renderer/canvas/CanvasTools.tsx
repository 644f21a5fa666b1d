// The canvas's own switches, and their entries in the command palette.
import { useEffect, type ReactNode } from 'react';
import { contributeActions, type Action } from '../store/actions.ts';
import { Icon } from '../widgets/Icon.tsx';
import { canvas, useCanvas } from './canvas_state.ts';
import { addMachine, copy, cut, duplicate, paste, remove, selectAll } from './commands.ts';

const fit = (): void => canvas.getState().view?.fit();
const zoomBy = (factor: number): void => canvas.getState().view?.zoomBy(factor);
const find = (): void => canvas.setState({ finding: true });
const toggleSnap = (): void => canvas.setState(({ snap }) => ({ snap: !snap }));
const toggleMinimap = (): void => canvas.setState(({ minimap }) => ({ minimap: !minimap }));

const chosen: NonNullable<Action['enabled']> = (state) => state.selection.length > 0;

const ACTIONS: readonly Action[] = [
  { id: 'canvas.find', title: 'Find on the canvas', group: 'Canvas', shortcuts: ['Mod+F'], run: find },
  { id: 'canvas.fit', title: 'Fit the lab into view (F on the canvas)', group: 'Canvas', run: fit },
  { id: 'canvas.zoomIn', title: 'Zoom in', group: 'Canvas', run: () => zoomBy(1.25) },
  { id: 'canvas.zoomOut', title: 'Zoom out', group: 'Canvas', run: () => zoomBy(0.8) },
  { id: 'canvas.snap', title: 'Snap to the grid, on or off', group: 'Canvas', run: toggleSnap },
  { id: 'canvas.minimap', title: 'Overview, on or off', group: 'Canvas', run: toggleMinimap },
  { id: 'canvas.addMachine', title: 'Add a machine with 1 NIC', group: 'Canvas', run: () => addMachine(1) },
  {
    id: 'canvas.copy',
    title: 'Copy the selected machines (Ctrl+C on the canvas)',
    group: 'Canvas',
    enabled: chosen,
    run: () => void copy(),
  },
  { id: 'canvas.cut', title: 'Cut the selected machines (Ctrl+X on the canvas)', group: 'Canvas', enabled: chosen, run: cut },
  { id: 'canvas.paste', title: 'Paste machines (Ctrl+V on the canvas)', group: 'Canvas', run: paste },
  {
    id: 'canvas.duplicate',
    title: 'Duplicate the selected machines (Ctrl+D on the canvas)',
    group: 'Canvas',
    enabled: chosen,
    run: duplicate,
  },
  { id: 'canvas.selectAll', title: 'Select all machines (Ctrl+A on the canvas)', group: 'Canvas', run: selectAll },
  { id: 'canvas.delete', title: 'Delete what is selected (Del on the canvas)', group: 'Canvas', enabled: chosen, run: () => remove() },
];

export function CanvasTools(): ReactNode {
  const snap = useCanvas((s) => s.snap);
  const minimap = useCanvas((s) => s.minimap);
  useEffect(() => contributeActions(ACTIONS), []);
  return (
    <div className="canvas-tools" role="toolbar" aria-label="Canvas view">
      <button
        type="button"
        className="btn btn-small btn-icon btn-quiet"
        aria-label="Zoom out"
        title="Zoom out"
        onClick={() => zoomBy(0.8)}
        data-testid="canvas-zoom-out"
      >
        −
      </button>
      <button
        type="button"
        className="btn btn-small btn-icon btn-quiet"
        aria-label="Zoom in"
        title="Zoom in"
        onClick={() => zoomBy(1.25)}
        data-testid="canvas-zoom-in"
      >
        +
      </button>
      <button
        type="button"
        className="btn btn-small btn-icon btn-quiet"
        aria-label="Fit into view"
        title="Fit into view (F)"
        onClick={fit}
        data-testid="canvas-fit"
      >
        <Icon name="fit" />
      </button>
      <button
        type="button"
        className="btn btn-small btn-icon btn-quiet"
        aria-label="Find"
        title="Find (Ctrl+F)"
        onClick={find}
        data-testid="canvas-find"
      >
        <Icon name="search" />
      </button>
      <button
        type="button"
        className="btn btn-small btn-quiet"
        aria-pressed={snap}
        title="Snap to the grid"
        onClick={toggleSnap}
        data-testid="canvas-snap"
      >
        Snap
      </button>
      <button
        type="button"
        className="btn btn-small btn-quiet"
        aria-pressed={minimap}
        title="Overview of the whole lab"
        onClick={toggleMinimap}
        data-testid="canvas-minimap"
      >
        Overview
      </button>
    </div>
  );
}
