// Re-reads a view from the host: at once, after every pause or step, after an edit, and four times a second while the world runs.
import { useEffect, useRef } from 'react';
import { store } from '../store/store.ts';

const INTERVAL_MS = 250;

/** @param key the refresh starts anew when it changes. @param read one request at a time; a slow answer delays the next. */
export function useRefresh(key: string, read: () => Promise<void>): void {
  const latest = useRef(read);
  useEffect(() => {
    latest.current = read;
  });
  useEffect(() => {
    let alive = true;
    let busy = false;
    let again = false;
    const go = (): void => {
      if (!alive) return;
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      void latest.current().finally(() => {
        busy = false;
        if (again) {
          again = false;
          go();
        }
      });
    };
    go();
    const timer = setInterval(() => {
      if (store.getState().run?.mode === 'running') go();
    }, INTERVAL_MS);
    const stop = store.subscribe((now, before) => {
      const paused = now.run?.mode === 'paused' && (before.run?.mode !== 'paused' || before.run.event !== now.run.event);
      if (paused || now.topology !== before.topology || (now.connection === 'open' && before.connection !== 'open')) go();
    });
    return () => {
      alive = false;
      clearInterval(timer);
      stop();
    };
  }, [key]);
}
