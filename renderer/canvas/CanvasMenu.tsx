// The context menu of canvas and tree: opens on what is under the pointer or has the focus.
import { ContextMenu } from 'radix-ui';
import { useRef, useState, type MouseEvent, type ReactElement, type ReactNode } from 'react';
import { select, store, type Selection } from '../store/store.ts';
import type { Place } from './canvas_state.ts';
import { entriesFor, type Entry } from './commands.ts';
import type { Point } from './geometry.ts';

interface CanvasMenuProps {
  readonly place: Place;
  /** What an element stands for; undefined is the empty canvas. */
  readonly targetOf: (element: Element) => Selection | undefined;
  readonly pointOf?: (event: MouseEvent) => Point;
  /** One element that takes a ref: what the menu is the menu of. */
  readonly children: ReactElement;
}

export function sameSelection(a: Selection, b: Selection): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function CanvasMenu({ place, targetOf, pointOf, children }: CanvasMenuProps): ReactNode {
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const focused = useRef<HTMLElement>(undefined);
  const onContextMenu = (event: MouseEvent): void => {
    focused.current = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
    const target = event.target instanceof Element ? targetOf(event.target) : undefined;
    const { selection } = store.getState();
    if (target === undefined) {
      if (place === 'canvas') select();
    } else if (!selection.some((item) => sameSelection(item, target))) select(target);
    setEntries(entriesFor(target === undefined && place === 'canvas' ? [] : store.getState().selection, place, pointOf?.(event)));
  };
  return (
    <ContextMenu.Root>
      <ContextMenu.Trigger asChild onContextMenu={onContextMenu}>
        {children}
      </ContextMenu.Trigger>
      <ContextMenu.Portal>
        <ContextMenu.Content
          className="menu"
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            focused.current?.focus();
          }}
          data-testid="canvas-menu"
        >
          {entries.map((entry) => (
            <MenuLine key={entry.id} entry={entry} />
          ))}
        </ContextMenu.Content>
      </ContextMenu.Portal>
    </ContextMenu.Root>
  );
}

function MenuLine({ entry }: { readonly entry: Entry }): ReactNode {
  return (
    <>
      {entry.group === true ? <ContextMenu.Separator className="menu-sep" /> : undefined}
      <ContextMenu.Item
        className="menu-item"
        disabled={entry.disabled ?? false}
        onSelect={() => setTimeout(entry.run)}
        data-testid={`canvas-menu-${entry.id}`}
      >
        {entry.title}
        {entry.hint === undefined ? undefined : <span className="menu-hint">{entry.hint}</span>}
      </ContextMenu.Item>
    </>
  );
}
