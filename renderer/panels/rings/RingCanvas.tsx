// One ring as a picture: drawn on canvas, walked with the arrow keys, opened with Enter or a click.
import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import type { RingInfo } from '../../../preload/contract.ts';
import { drawRing, prepareCanvas } from './ring_draw.ts';
import type { RingFeed } from './ring_feed.ts';
import { descriptorAt, ringLayout, slotAt, type RingLayout, type RingShape, type SlotRef } from './ring_layout.ts';
import { cursorAfter, describeDescriptor, describeSlot, ownerOf, queueTitle } from './rings_view.ts';

interface RingCanvasProps {
  readonly ring: RingInfo;
  readonly feed: RingFeed;
  readonly shape: RingShape;
  readonly opened: number | undefined;
  readonly onOpen: (descriptor: number) => void;
}

export function RingCanvas({ ring, feed, shape, opened, onOpen }: RingCanvasProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const status = useRef<HTMLParagraphElement>(null);
  const hovered = useRef<number>(undefined);
  const hoveredSlot = useRef<SlotRef>(undefined);
  const active = useRef<number>(undefined);
  const focused = useRef(false);
  const [width, setWidth] = useState(0);

  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const layout: RingLayout | undefined = width < 40 ? undefined : ringLayout(shape, ring.size, width);

  useEffect(() => {
    if (layout === undefined) return undefined;
    return feed.onPaint(() => {
      const { latest } = feed;
      const context = canvas.current === null ? undefined : prepareCanvas(canvas.current, layout.width, layout.height);
      if (context === undefined || latest === undefined) return;
      drawRing(context, layout, latest, { active: active.current, hovered: hovered.current, opened, focused: focused.current });
      const described = hovered.current ?? (focused.current ? active.current : undefined) ?? opened;
      const slot = hoveredSlot.current;
      const text =
        slot !== undefined
          ? describeSlot(latest, slot.track, slot.slot)
          : described === undefined
            ? ''
            : describeDescriptor(latest, described);
      if (status.current !== null) status.current.textContent = text;
      if (box.current === null) return;
      box.current.dataset['owners'] = latest.owners;
      box.current.dataset['event'] = String(latest.event);
      if (active.current !== undefined) box.current.dataset['activeOwner'] = ownerOf(latest.owners, active.current);
    });
  }, [feed, layout, opened]);

  const setActive = useCallback(
    (id: number) => {
      active.current = id;
      if (box.current !== null) {
        box.current.dataset['active'] = String(id);
        box.current.setAttribute('aria-valuenow', String(id));
        if (feed.latest !== undefined) box.current.setAttribute('aria-valuetext', describeDescriptor(feed.latest, id));
      }
      feed.schedule();
    },
    [feed],
  );
  const under = <T,>(event: MouseEvent, find: (layout: RingLayout, x: number, y: number) => T | undefined): T | undefined => {
    const rect = canvas.current?.getBoundingClientRect();
    return rect === undefined || layout === undefined ? undefined : find(layout, event.clientX - rect.left, event.clientY - rect.top);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = active.current ?? opened ?? 0;
    if (event.key === 'Enter' || event.key === ' ') {
      setActive(at);
      onOpen(at);
    } else {
      const next = cursorAfter(event.key, at, ring.size, layout?.shape === 'strip' ? layout.columns : 8);
      if (next === undefined) return;
      setActive(active.current === undefined && !event.key.startsWith('Page') ? at : next);
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      <div
        ref={box}
        className="ring-canvas"
        role="slider"
        data-own-keys
        tabIndex={0}
        aria-label={`${queueTitle(ring)}: descriptor. Arrow keys walk, Enter opens.`}
        aria-valuemin={0}
        aria-valuemax={ring.size - 1}
        aria-valuenow={0}
        style={{ height: layout?.height ?? 160 }}
        onKeyDown={onKeyDown}
        onFocus={() => {
          focused.current = true;
          if (active.current === undefined) setActive(opened ?? 0);
          feed.schedule();
        }}
        onBlur={() => {
          focused.current = false;
          feed.schedule();
        }}
        onMouseMove={(event) => {
          hovered.current = under(event, descriptorAt);
          hoveredSlot.current = under(event, slotAt);
          feed.schedule();
        }}
        onMouseLeave={() => {
          hovered.current = undefined;
          hoveredSlot.current = undefined;
          feed.schedule();
        }}
        onClick={(event) => {
          const id = under(event, descriptorAt);
          if (id === undefined) return;
          setActive(id);
          onOpen(id);
        }}
        data-testid={`ring-canvas-${ring.queue}`}
      >
        <canvas ref={canvas} style={{ width: layout?.width ?? 0, height: layout?.height ?? 0 }} aria-hidden="true" />
      </div>
      <p ref={status} className="ring-status mono" data-testid={`ring-status-${ring.queue}`} />
    </>
  );
}
