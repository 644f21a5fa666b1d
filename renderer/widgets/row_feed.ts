// A paged list that grows while the world runs: pages in view, a throttled look at the new length, a fresh start after a rewind or a new filter.
import { useEffect, useMemo, useReducer, useState } from 'react';
import { host } from '../store/host.ts';
import type { PanelId } from '../store/store.ts';
import { RowPager, type RowAnswer } from './row_pager.ts';

const LOOK_MS = 200;

export interface RowFeed<T> {
  readonly pager: RowPager<T>;
  /** A filter the host refused, in its words. */
  readonly error: string | undefined;
}

/** A list nobody sees asks for nothing until it is seen. */
function isShown(panel: PanelId): boolean {
  return document.querySelector(`[data-panel="${panel}"]`)?.checkVisibility() ?? false;
}

/** `fetchRows` must be a module constant; `filter` is applied after a pause in typing. */
export function useRowFeed<T>(
  topic: 'packets' | 'trace',
  fetchRows: (from: number, count: number, filter: string) => Promise<RowAnswer<T>>,
  filter: string,
): RowFeed<T> {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [error, setError] = useState<string>();
  const pager = useMemo(
    () =>
      new RowPager<T>(
        (from, count) => fetchRows(from, count, filter),
        () => {
          setError(undefined);
          redraw();
        },
        (reason) => setError(reason instanceof Error ? reason.message : String(reason)),
      ),
    [fetchRows, filter],
  );

  useEffect(() => {
    const first = setTimeout(() => pager.reset(), filter === '' ? 0 : LOOK_MS);
    let look: ReturnType<typeof setTimeout> | undefined;
    let latest = -1;
    const lookNow = (): void => {
      look = isShown(topic) ? undefined : setTimeout(lookNow, LOOK_MS);
      if (look === undefined) pager.refresh();
    };
    const stop = host.subscribe(topic, undefined, ({ total }) => {
      const rewound = total < latest;
      latest = total;
      if (rewound) pager.reset();
      else look ??= setTimeout(lookNow, LOOK_MS);
    });
    return () => {
      clearTimeout(first);
      clearTimeout(look);
      stop();
    };
  }, [pager, topic, filter]);

  return { pager, error };
}
