// Cards under the pointer or under the arrow keys: shown at once, told to the world once the gesture ends (one edit, one undo).
import { useCallback, useEffect, useMemo, useRef } from 'react';
import { attempt } from '../store/store.ts';
import { moveMachines } from './commands.ts';
import type { Point } from './geometry.ts';

const NUDGE_PAUSE_MS = 400;

export interface Moves {
  /** Positions shown before the world knows them. */
  readonly held: ReadonlyMap<string, Point>;
  hold(machine: string, at: Point): void;
  /** Sends what is held, and lets go when the world has answered. */
  commit(): void;
  /** Commits when no further key comes. */
  commitSoon(): void;
}

/** @param onRelease the held positions are gone: show the world's. */
export function useMoves(onRelease: () => void): Moves {
  const held = useRef(new Map<string, Point>());
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const release = useRef(onRelease);
  useEffect(() => {
    release.current = onRelease;
  });

  const commit = useCallback(() => {
    clearTimeout(timer.current);
    const sent = new Map(held.current);
    if (sent.size === 0) return;
    attempt(async () => {
      try {
        await moveMachines(sent);
      } finally {
        for (const [machine, at] of sent) if (held.current.get(machine) === at) held.current.delete(machine);
        release.current();
      }
    });
  }, []);
  const hold = useCallback((machine: string, at: Point) => {
    held.current.set(machine, at);
  }, []);
  const commitSoon = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(commit, NUDGE_PAUSE_MS);
  }, [commit]);
  return useMemo(() => ({ held: held.current, hold, commit, commitSoon }), [hold, commit, commitSoon]);
}
