// The last view of one ring and who paints it: pushes arrive at display rate and never touch React state.
import { useEffect, useState, type RefObject } from 'react';
import type { RingId, RingView } from '../../../preload/contract.ts';
import { host } from '../../store/host.ts';
import { useStore } from '../../store/store.ts';

export class RingFeed {
  latest: RingView | undefined;
  private readonly painters = new Set<() => void>();
  private frame: number | undefined;

  push(view: RingView): void {
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

const LOOK_MS = 500;

/** Whether an element can be seen: a dock hides what is behind another tab without moving it, so the style is asked too. */
function useSeen(element: RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const look = (): void => {
      const box = element.current?.getBoundingClientRect();
      setSeen(
        box !== undefined &&
          box.width > 0 &&
          box.top < window.innerHeight &&
          box.left < window.innerWidth &&
          element.current?.checkVisibility({ visibilityProperty: true }) === true,
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [element]);
  return seen;
}

/** A feed of one ring while the component lives and its element can be seen; nothing is asked for behind another tab. */
export function useRingFeed({ machine, port, queue }: RingId, element: RefObject<HTMLElement | null>): RingFeed {
  const [feed] = useState(() => new RingFeed());
  const seen = useSeen(element);
  useEffect(() => {
    if (!seen) return undefined;
    return host.subscribe('ring', { machine, port, queue }, (view) => feed.push(view));
  }, [feed, seen, machine, port, queue]);
  const theme = useStore((s) => s.shownTheme);
  useEffect(() => feed.schedule(), [feed, theme]);
  return feed;
}
