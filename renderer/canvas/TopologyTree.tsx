// The lab as a plain tree: all that the canvas can do, for screen readers and for those who like lists.
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { select, store, useStore, type Selection } from '../store/store.ts';
import { cableText } from './cable_text.ts';
import { canvas, useCanvas } from './canvas_state.ts';
import { CanvasMenu, sameSelection } from './CanvasMenu.tsx';
import { addMachine, pressKey, rename } from './commands.ts';
import { treeLines, type TreeLine } from './tree_model.ts';
import './canvas.css';

export function TopologyTree(): ReactNode {
  const topology = useStore((s) => s.topology);
  const selection = useStore((s) => s.selection);
  const renaming = useCanvas((s) => (s.renaming?.place === 'tree' ? s.renaming.machine : undefined));
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState<string>();
  const tree = useRef<HTMLDivElement>(null);
  const base = useId();
  const lines = useMemo(() => (topology === undefined ? [] : treeLines(topology, closed, cableText)), [topology, closed]);
  const at = Math.max(
    0,
    lines.findIndex((line) => line.key === active),
  );
  const current = lines[at];
  useEffect(() => {
    tree.current?.querySelector('[data-active]')?.scrollIntoView({ block: 'nearest' });
  }, [current?.key]);

  const go = (line: TreeLine | undefined, extend: boolean): void => {
    if (line === undefined) return;
    setActive(line.key);
    if (line.item === undefined) return;
    select(
      ...(extend ? [...store.getState().selection.filter((item) => !sameSelection(item, line.item ?? item)), line.item] : [line.item]),
    );
  };
  const setOpen = (line: TreeLine, open: boolean): void =>
    setClosed((old) => {
      const next = new Set(old);
      if (open) next.delete(line.key);
      else next.add(line.key);
      return next;
    });
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target instanceof HTMLInputElement || current === undefined) return;
    const mod = event.ctrlKey || event.metaKey;
    if (event.key === 'ArrowDown') go(lines[at + 1], event.shiftKey);
    else if (event.key === 'ArrowUp') go(lines[at - 1], event.shiftKey);
    else if (event.key === 'Home') go(lines[0], false);
    else if (event.key === 'End') go(lines.at(-1), false);
    else if (event.key === 'ArrowRight') {
      if (current.branch && !current.open) setOpen(current, true);
      else if (current.branch) go(lines[at + 1], false);
    } else if (event.key === 'ArrowLeft') {
      if (current.branch && current.open) setOpen(current, false);
      else
        go(
          lines.slice(0, at).findLast((line) => line.level < current.level),
          false,
        );
    } else if (event.altKey || (event.key === 'Enter' && current.item === undefined) || !pressKey(event.key, mod, 'tree')) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const lineOf = (target: EventTarget): TreeLine | undefined => {
    const key = target instanceof Element ? target.closest<HTMLElement>('.tree-line')?.dataset['key'] : undefined;
    return lines.find((candidate) => candidate.key === key);
  };
  const targetOf = (element: Element): Selection | undefined => {
    const line = lineOf(element) ?? current;
    if (line !== undefined) setActive(line.key);
    return line?.item;
  };

  return (
    <>
      <div className="panel-head">
        <button type="button" className="btn btn-small" onClick={() => addMachine(1)} data-testid="tree-add-machine">
          Add a machine
        </button>
        <span className="muted grow tree-detail">
          {topology === undefined ? '' : `${topology.machines.length} machines, ${topology.cables.length} cables`}
        </span>
      </div>
      <CanvasMenu place="tree" targetOf={targetOf}>
        <div
          ref={tree}
          className="tree"
          role="tree"
          aria-label="Topology. Enter opens, F2 renames, C connects a port, N adds a NIC, Delete removes."
          aria-multiselectable="true"
          tabIndex={0}
          aria-activedescendant={current === undefined ? undefined : `${base}-${at}`}
          onKeyDown={onKeyDown}
          onClick={(event) => {
            const line = lineOf(event.target);
            if (!(event.target instanceof HTMLInputElement)) tree.current?.focus();
            if (line?.branch === true && isTwisty(event.target)) setOpen(line, !line.open);
            else go(line, event.ctrlKey || event.metaKey || event.shiftKey);
          }}
          onDoubleClick={(event) => {
            const line = lineOf(event.target);
            if (line?.branch === true && !isTwisty(event.target)) setOpen(line, !line.open);
            else if (line !== undefined && !line.branch) pressKey('Enter', false, 'tree');
          }}
          onFocus={() => {
            if (active === undefined) go(current, false);
          }}
          data-testid="tree"
        >
          {lines.map((line, i) => (
            <div
              key={line.key}
              id={`${base}-${i}`}
              role="treeitem"
              tabIndex={-1}
              aria-level={line.level}
              aria-expanded={line.branch ? line.open : undefined}
              aria-selected={line.item !== undefined && selection.some((item) => sameSelection(item, line.item ?? item))}
              className="tree-line"
              style={{ paddingInlineStart: (line.level - 1) * 16 + 4 }}
              data-key={line.key}
              data-active={i === at ? '' : undefined}
              data-testid={`tree-${line.key.replaceAll(' ', '-')}`}
            >
              <span className="tree-twisty" aria-hidden="true">
                {line.branch ? (line.open ? '▾' : '▸') : ''}
              </span>
              {line.item?.kind === 'machine' && line.item.machine === renaming ? (
                <RenameInput machine={renaming} onDone={() => tree.current?.focus()} />
              ) : (
                line.label
              )}
              <span className="tree-detail">{line.detail}</span>
            </div>
          ))}
        </div>
      </CanvasMenu>
    </>
  );
}

function isTwisty(target: EventTarget): boolean {
  return target instanceof Element && target.closest('.tree-twisty') !== null;
}

function RenameInput({ machine, onDone }: { readonly machine: string; readonly onDone: () => void }): ReactNode {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  return (
    <input
      ref={input}
      className="field field-small"
      aria-label={`New name of ${machine}`}
      defaultValue={machine}
      spellCheck={false}
      onBlur={(event) => rename(machine, event.target.value, 'tree')}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key !== 'Enter' && event.key !== 'Escape') return;
        if (event.key === 'Enter') rename(machine, event.currentTarget.value, 'tree');
        else canvas.setState({ renaming: undefined });
        onDone();
      }}
      data-testid={`tree-rename-${machine}`}
    />
  );
}
