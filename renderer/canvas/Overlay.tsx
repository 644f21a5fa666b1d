// The one canvas over the flow: fed by the motion push and the viewport, painted once per display frame, only when something changed.
import { useStoreApi } from '@xyflow/react';
import { useEffect, useRef, type ReactNode } from 'react';
import type { MotionView } from '../../preload/contract.ts';
import { host } from '../store/host.ts';
import { store } from '../store/store.ts';
import type { CableEdge, MachineNode } from './flow_model.ts';
import { drawScene, type Card } from './overlay_draw.ts';
import { RateMeter } from './rates.ts';

export function Overlay(): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const flow = useStoreApi<MachineNode, CableEdge>();
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context) return undefined;
    const meter = new RateMeter();
    const stillness = matchMedia('(prefers-reduced-motion: reduce)');
    let motion: MotionView | undefined;
    let frame: number | undefined;

    const paint = (): void => {
      frame = undefined;
      const { topology } = store.getState();
      const { transform, nodeLookup, width, height } = flow.getState();
      if (topology === undefined || width === 0) return;
      const ratio = window.devicePixelRatio || 1;
      if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
        element.width = Math.round(width * ratio);
        element.height = Math.round(height * ratio);
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const cards = new Map<string, Card>();
      for (const [id, { internals, height: tall }] of nodeLookup)
        cards.set(id, { ...internals.positionAbsolute, z: internals.z, height: tall ?? 0 });
      drawScene(context, {
        topology,
        motion,
        meter,
        cards,
        x: transform[0],
        y: transform[1],
        zoom: transform[2],
        width,
        height,
        still: stillness.matches,
      });
      element.dataset['frames'] = String(motion?.frames.length ?? 0);
    };
    const schedule = (): void => {
      frame ??= requestAnimationFrame(paint);
    };
    const removals = [
      host.subscribe('motion', undefined, (next) => {
        motion = next;
        meter.push(next, performance.now());
        schedule();
      }),
      flow.subscribe(schedule),
      store.subscribe((now, before) => {
        if (now.topology !== before.topology || now.shownTheme !== before.shownTheme) schedule();
      }),
    ];
    stillness.addEventListener('change', schedule);
    schedule();
    return () => {
      for (const remove of removals) remove();
      stillness.removeEventListener('change', schedule);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [flow]);
  return <canvas ref={canvas} className="canvas-overlay" aria-hidden="true" data-testid="canvas-overlay" />;
}
