// Simulated time, event number and speed reached: written straight to the DOM at display rate, never through React state.
import { useEffect, useRef } from 'react';
import { store } from '../store/store.ts';
import { formatInstant, formatSpeed } from '../widgets/units.ts';

export function RunClock() {
  const time = useRef<HTMLElement>(null);
  const event = useRef<HTMLElement>(null);
  const reached = useRef<HTMLElement>(null);
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
    const ask = (): void => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    draw();
    const stop = store.subscribe((state, before) => {
      if (state.run !== before.run) ask();
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, []);

  return (
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
  );
}

function eventText(event: number, last: number): string {
  const shown = event.toLocaleString('en');
  return last > event ? `${shown} of ${last.toLocaleString('en')}` : shown;
}
