// The last view of one ring and who paints it: pushes arrive at display rate and never touch React state.
import { useEffect, useState, type RefObject } from 'react';
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

/** A feed of one ring while the component lives and its element can be seen; nothing is asked for behind another tab. */
export function useRingFeed({ machine, port, queue }: RingId, element: RefObject<HTMLElement | null>): RingFeed {
  const [feed] = useState(() => new RingFeed());
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (element.current === null) return undefined;
    const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? false));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  useEffect(() => {
    if (!seen) return undefined;
    return host.subscribe('ring', { machine, port, queue }, (view) => feed.push(view));
  }, [feed, seen, machine, port, queue]);
  const theme = useStore((s) => s.shownTheme);
  useEffect(() => feed.schedule(), [feed, theme]);
  return feed;
}
