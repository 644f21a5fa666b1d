// The open terminal tabs. They outlive the panel: closing and reopening it finds them as they were.
import { create } from 'zustand';
import type { TopologyView } from '../../../preload/contract.ts';
import { store } from '../../store/store.ts';
import { TerminalSession, type TerminalTarget } from './terminal_session.ts';

interface Terminals {
  readonly sessions: readonly TerminalSession[];
  readonly active: number | undefined;
  /** Shown at the right of the active one. */
  readonly beside: number | undefined;
  /** Replaced when a session's title or state changes. */
  readonly version: number;
}

let nextKey = 1;

export const useTerminals = create<Terminals>()(() => ({ sessions: [], active: undefined, beside: undefined, version: 0 }));

export function openSession(target: TerminalTarget): void {
  const changed = (): void => useTerminals.setState((s) => ({ version: s.version + 1 }));
  const session = new TerminalSession(nextKey++, target, changed);
  useTerminals.setState((s) => ({ sessions: [...s.sessions, session], active: session.key }));
}

export function closeSession(key: number): void {
  const { sessions, active } = useTerminals.getState();
  const at = sessions.findIndex((session) => session.key === key);
  if (at < 0) return;
  sessions[at].dispose();
  const left = sessions.filter((session) => session.key !== key);
  const { beside } = useTerminals.getState();
  const next = left.filter((session) => session.key !== beside)[Math.max(0, at - 1)] ?? left[0];
  show(left, active === key ? next?.key : active, beside === key ? undefined : beside);
}

/** A session is in one place only: what is active is not also beside. */
function show(sessions: readonly TerminalSession[], active: number | undefined, beside: number | undefined): void {
  useTerminals.setState({ sessions, active, beside: beside === active ? undefined : beside });
}

export function showSession(key: number): void {
  const { sessions, active, beside } = useTerminals.getState();
  show(sessions, key, beside === key ? active : beside);
}

/** Splits the panel: the active terminal at the left, another one, or a new one on another machine, at the right; a second call ends it. */
export function toggleSplit(): void {
  const { sessions, active, beside } = useTerminals.getState();
  if (beside !== undefined) {
    show(sessions, active, undefined);
    return;
  }
  const other = sessions.find((session) => session.key !== active);
  if (other) {
    show(sessions, active, other.key);
    return;
  }
  const only = activeSession();
  if (!only) return;
  const machine = store.getState().topology?.machines.find(({ name }) => !('machine' in only.target) || only.target.machine !== name);
  openSession(machine ? { machine: machine.name } : only.target);
  show(useTerminals.getState().sessions, only.key, useTerminals.getState().active);
}

/** Another lab: terminals of machines it has too start again there, the others close, and at least one is open. */
export function labReplaced(topology: TopologyView): void {
  const has = (name: string): boolean => topology.machines.some((machine) => machine.name === name);
  for (const session of useTerminals.getState().sessions) {
    if ('host' in session.target) continue;
    if (has(session.target.machine)) session.reopen();
    else closeSession(session.key);
  }
  const [first] = topology.machines;
  if (first && useTerminals.getState().sessions.length === 0) openSession({ machine: first.name });
}

export function activeSession(): TerminalSession | undefined {
  const { sessions, active } = useTerminals.getState();
  return sessions.find((session) => session.key === active);
}
