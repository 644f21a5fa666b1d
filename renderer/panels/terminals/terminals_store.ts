// The open terminal tabs. They outlive the panel: closing and reopening it finds them as they were.
import { create } from 'zustand';
import { TerminalSession, type TerminalTarget } from './terminal_session.ts';

interface Terminals {
  readonly sessions: readonly TerminalSession[];
  readonly active: number | undefined;
  /** Replaced when a session's title or state changes. */
  readonly version: number;
}

let nextKey = 1;

export const useTerminals = create<Terminals>()(() => ({ sessions: [], active: undefined, version: 0 }));

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
  useTerminals.setState({ sessions: left, active: active === key ? left[Math.min(at, left.length - 1)]?.key : active });
}

export function showSession(key: number): void {
  useTerminals.setState({ active: key });
}

export function activeSession(): TerminalSession | undefined {
  const { sessions, active } = useTerminals.getState();
  return sessions.find((session) => session.key === active);
}
