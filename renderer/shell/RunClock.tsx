// Simulated time, event number and speed reached: written straight to the DOM at display rate, never through React state.
import { useEffect, useRef } from 'react';
import { store } from '../store/store.ts';
import { formatDuration, formatInstant, formatSpeed } from '../widgets/units.ts';

export function RunClock() {
  const time = useRef<HTMLElement>(null);
  const event = useRef<HTMLElement>(null);
  const reached = useRef<HTMLElement>(null);
  const spoken = useRef<HTMLSpanElement>(null);
  const reachedName = useRef<HTMLElement>(null);

  useEffect(() => {
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      const { run } = store.getState();
      if (time.current) time.current.textContent = run ? formatInstant(run.time) : '—';
      if (event.current) event.current.textContent = run ? eventText(run.event, run.lastEvent) : '—';
      const running = run?.mode === 'running';
      if (reachedName.current) reachedName.current.textContent = running ? 'Reached' : '';
      if (reached.current) reached.current.textContent = running ? formatSpeed(run.reached) : 'paused';
    };
    let told = '';
    const tell = (): void => {
      const { run } = store.getState();
      if (!run) return;
      const news = run.mode === 'running' ? 'Running' : `Paused at event ${run.event.toLocaleString('en')}, ${formatDuration(run.time)}`;
      if (spoken.current && news !== told) spoken.current.textContent = news;
      told = news;
    };
    const ask = (): void => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    draw();
    const stop = store.subscribe((state, before) => {
      if (state.run === before.run) return;
      ask();
      tell();
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, []);

  return (
    <>
      <span className="sr-only" role="status" ref={spoken} />
      <dl className="clock">
        <div>
          <dt>Time</dt>
          <dd className="mono" ref={time} data-testid="bar-time" />
        </div>
        <div>
          <dt>Event</dt>
          <dd className="mono" ref={event} data-testid="bar-event" />
        </div>
        <div>
          <dt ref={reachedName}>Reached</dt>
          <dd className="mono" ref={reached} data-testid="bar-reached" />
        </div>
      </dl>
    </>
  );
}

function eventText(event: number, last: number): string {
  const shown = event.toLocaleString('en');
  return last > event ? `${shown} of ${last.toLocaleString('en')}` : shown;
}
