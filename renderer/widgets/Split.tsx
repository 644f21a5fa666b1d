// Two areas side by side with a movable line between them; the share is remembered. Arrow keys move the line.
import { useCallback, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import './Split.css';

interface SplitProps {
  readonly name: string; // for memory and for screen readers
  readonly initial: number; // share of the first area, 0..1
  readonly first: ReactNode;
  /** Absent: the first area has all the room. */
  readonly second: ReactNode | undefined;
}

const LEAST = 0.2;
const clamp = (share: number): number => Math.max(LEAST, Math.min(1 - LEAST, share));

export function Split({ name, initial, first, second }: SplitProps) {
  const key = `ringscope.split.${name}`;
  const [share, setShare] = useState(() => clamp(Number(localStorage.getItem(key) ?? initial) || initial));
  const box = useRef<HTMLDivElement>(null);

  const keep = useCallback(
    (next: number) => {
      setShare(clamp(next));
      localStorage.setItem(key, String(clamp(next)));
    },
    [key],
  );
  const onPointerMove = (event: PointerEvent): void => {
    const bounds = box.current?.getBoundingClientRect();
    if (bounds && event.currentTarget.hasPointerCapture(event.pointerId)) keep((event.clientX - bounds.left) / bounds.width);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    keep(share + (event.key === 'ArrowLeft' ? -0.03 : 0.03));
  };

  return (
    <div className="split" ref={box} style={{ '--share': second === undefined ? '100%' : `${share * 100}%` }}>
      <div className="split-first">{first}</div>
      {second !== undefined && (
        <>
          <div
            className="split-line"
            role="separator"
            aria-orientation="vertical"
            aria-label={`Resize ${name}`}
            aria-valuenow={Math.round(share * 100)}
            aria-valuemin={LEAST * 100}
            aria-valuemax={(1 - LEAST) * 100}
            tabIndex={0}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={onPointerMove}
            onKeyDown={onKeyDown}
          />
          <div className="split-second">{second}</div>
        </>
      )}
    </div>
  );
}
