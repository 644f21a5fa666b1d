// The last view of one ring and who paints it: pushes arrive at display rate and never touch React state.
import { useEffect, useState } from 'react';
import type { RingId, SplitRingView } from '../../../preload/contract.ts';
import { host } from '../../store/host.ts';
import { useStore } from '../../store/store.ts';

export class RingFeed {
  latest: SplitRingView | undefined;
  private readonly painters = new Set<() => void>();
  private frame: number | undefined;

  push(view: SplitRingView): void {
    this.latest = view;
    this.schedule();
  }

  /** Paints everything once, in the next display frame. */
  schedule(): void {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      for (const paint of this.painters) paint();
    });
  }

  /** Returns its own removal. */
  onPaint(paint: () => void): () => void {
    this.painters.add(paint);
    this.schedule();
    return () => this.painters.delete(paint);
  }
}

/** A feed of one ring for as long as the component lives. */
export function useRingFeed({ machine, port, queue }: RingId): RingFeed {
  const [feed] = useState(() => new RingFeed());
  useEffect(() => {
    feed.latest = undefined;
    feed.schedule();
    return host.subscribe('ring', { machine, port, queue }, (view) => feed.push(view));
  }, [feed, machine, port, queue]);
  const theme = useStore((s) => s.shownTheme);
  useEffect(() => feed.schedule(), [feed, theme]);
  return feed;
}
