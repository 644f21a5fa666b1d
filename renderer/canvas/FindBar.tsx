// Finds a machine by name, interface, address or MAC; Enter goes from match to match.
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { select, useStore } from '../store/store.ts';
import { Icon } from '../widgets/Icon.tsx';
import { canvas } from './canvas_state.ts';
import { findMachines } from './flow_model.ts';

export function FindBar(): ReactNode {
  const topology = useStore((s) => s.topology);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const matches = useMemo(() => (topology === undefined ? [] : findMachines(topology, text)), [topology, text]);
  useEffect(() => input.current?.focus(), []);

  const go = (index: number): void => {
    const machine = matches[((index % matches.length) + matches.length) % matches.length];
    if (machine === undefined) return;
    setAt(matches.indexOf(machine));
    select({ kind: 'machine', machine });
    canvas.getState().view?.reveal(machine);
  };
  const close = (): void => {
    canvas.setState({ finding: false });
    const machine = matches[at];
    if (machine !== undefined) canvas.getState().view?.focus(machine);
  };
  return (
    <div className="canvas-find" role="search">
      <input
        ref={input}
        className="field field-small"
        aria-label="Find a machine, interface or address"
        placeholder="Find machine, interface, address"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Enter') go(canvasSelectionIs(matches[at]) ? at + (event.shiftKey ? -1 : 1) : at);
          else if (event.key === 'Escape') close();
        }}
        data-testid="canvas-find-input"
      />
      <span className="muted canvas-find-count" aria-live="polite" data-testid="canvas-find-count">
        {text.trim() === '' ? '' : matches.length === 0 ? 'none' : `${at + 1} of ${matches.length}`}
      </span>
      <button type="button" className="btn btn-small btn-icon btn-quiet" aria-label="Close the finder" onClick={close}>
        <Icon name="close" />
      </button>
    </div>
  );
}

function canvasSelectionIs(machine: string | undefined): boolean {
  const item = useStore.getState().selection.at(-1);
  return machine !== undefined && item?.kind === 'machine' && item.machine === machine;
}
