// What a key and the focus mean on the canvas.
import type { FocusEvent, KeyboardEvent } from 'react';
import { select, store, type Selection } from '../store/store.ts';
import { pressKey } from './commands.ts';
import { GRID } from './geometry.ts';

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** Steps of the grid per arrow key while Shift is held. */
const FAST = 5;

/** The thing an element on the canvas stands for; undefined is the empty canvas. */
export function selectionOf(element: Element): Selection | undefined {
  const cable =
    element.closest<HTMLElement>('.react-flow__edge')?.dataset['id'] ?? element.closest('.react-flow__edge')?.getAttribute('data-id');
  if (cable !== undefined && cable !== null) return { kind: 'cable', cable };
  const machine = element.closest<HTMLElement>('.react-flow__node')?.dataset['id'];
  if (machine === undefined) return undefined;
  const port = element.closest<HTMLElement>('[data-port]')?.dataset['port'];
  if (port !== undefined) return { kind: 'nic', machine, port };
  const iface = element.closest<HTMLElement>('[data-ifname]');
  if (iface?.dataset['ifname'] !== undefined)
    return { kind: 'interface', machine, netns: iface.dataset['netns'] ?? '', ifname: iface.dataset['ifname'] };
  return { kind: 'machine', machine };
}

/** What gets the focus by keyboard is selected, unless it is part of the selection already. */
export function onCanvasFocus(event: FocusEvent): void {
  const { target } = event;
  if (!(target instanceof Element) || !target.matches(':focus-visible') || target.matches('input, .machine-terminal')) return;
  const item = selectionOf(target);
  if (item !== undefined && !isChosen(item)) select(item);
}

function isChosen(item: Selection): boolean {
  return store.getState().selection.some((chosen) => JSON.stringify(chosen) === JSON.stringify(item));
}

/** @param nudge moves the selected cards; false when none is selected. */
export function onCanvasKey(event: KeyboardEvent, nudge: (dx: number, dy: number) => boolean, root: HTMLElement | null): void {
  const { target, key } = event;
  if (!(target instanceof Element) || target.closest('input, .canvas-tools, .canvas-find') !== null) return;
  if (target.closest('button') !== null && target.closest('[data-port], [data-ifname]') === null) return;
  const arrow = ARROWS[key];
  const done = (): void => {
    event.preventDefault();
    event.stopPropagation();
  };
  if (arrow !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const row = target.closest<HTMLElement>('[data-port], [data-ifname]');
    const steps = GRID * (event.shiftKey ? FAST : 1);
    if (row === null ? nudge(arrow[0] * steps, arrow[1] * steps) : focusSibling(row, arrow[1])) done();
    return;
  }
  if (key === 'Escape') {
    select();
    root?.focus();
    return;
  }
  if (event.altKey || event.shiftKey) return;
  const focused = selectionOf(target);
  if (focused !== undefined && !isChosen(focused)) select(focused);
  if (!pressKey(key, event.ctrlKey || event.metaKey, 'canvas')) return;
  done();
  if (key === 'Delete' || key === 'Backspace') root?.focus();
}

/** Up and down walk through a card's ports and interfaces. */
function focusSibling(row: HTMLElement, step: number): boolean {
  const rows = [...(row.closest('.machine')?.querySelectorAll<HTMLElement>('[data-port], [data-ifname]') ?? [])];
  const next = rows[rows.indexOf(row) + step];
  if (step === 0 || next === undefined) return false;
  next.focus();
  return true;
}
