// Timeline: what every CPU did and what every cable carried, and when, drawn on a canvas. Wheel or W/S zooms, drag or A/D moves, click goes there in time.
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { Icon } from '../../widgets/Icon.tsx';
import { TimelineController } from './timeline_controller.ts';
import './timeline.css';

const KINDS = ['hardirq', 'softirq', 'task', 'frame'] as const;

export function TimelinePanel() {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLSpanElement>(null);
  const [following, setFollowing] = useState(true);
  const search = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [found, setFound] = useState(true);
  const controller = useRef<TimelineController>(undefined);

  useEffect(() => {
    if (!box.current || !canvas.current || !tip.current || !readout.current) return undefined;
    const made = new TimelineController(
      { box: box.current, canvas: canvas.current, tip: tip.current, readout: readout.current },
      setFollowing,
    );
    controller.current = made;
    return () => made.dispose();
  }, []);

  const find = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') setFound(controller.current?.find(text, event.shiftKey ? -1 : 1) ?? false);
    else if (event.key === 'Escape') box.current?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === '/') {
      event.preventDefault();
      search.current?.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !controller.current?.key(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      <div className="panel-head">
        {KINDS.map((kind) => (
          <span key={kind} className="timeline-key" data-kind={kind}>
            {kind}
          </span>
        ))}
        <input
          className="field field-small mono timeline-find"
          type="search"
          placeholder="Find a span (/)"
          aria-label="Find a span; Enter next, Shift+Enter previous"
          aria-invalid={!found}
          data-testid="timeline-find"
          ref={search}
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            setFound(true);
          }}
          onKeyDown={find}
        />
        <span className="grow timeline-readout mono muted" role="status" ref={readout} data-testid="timeline-readout" />
        <button
          className="btn btn-small btn-quiet"
          aria-pressed={following}
          data-testid="timeline-follow"
          onClick={() => controller.current?.setFollowing(!following)}
          title="Keep the present in view"
        >
          <Icon name="follow" /> Follow
        </button>
        <button
          className="btn btn-small btn-quiet"
          data-testid="timeline-fit"
          onClick={() => controller.current?.fit()}
          title="Show everything (F)"
        >
          <Icon name="fit" /> Fit
        </button>
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- an application is operated by keys */}
      <div
        className="timeline"
        ref={box}
        tabIndex={0}
        data-autofocus
        role="application"
        aria-label="Timeline of every CPU and cable. W and S zoom, A and D move, arrow keys walk the spans, Enter goes to the marked one."
        data-testid="timeline"
        onKeyDown={onKeyDown}
      >
        <canvas ref={canvas} data-testid="timeline-canvas" />
        <div className="timeline-tip" ref={tip} hidden />
      </div>
    </>
  );
}
