// One queue of a NIC: picture, positions, notification, descriptor table. Values are written in place at display rate.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { RingInfo, RingView } from '../../../preload/contract.ts';
import { RingCanvas } from './RingCanvas.tsx';
import { useRingFeed, type RingFeed } from './ring_feed.ts';
import type { RingShape } from './ring_layout.ts';
import { RingTable } from './RingTable.tsx';
import { fact, FACT_NOTES, factNames, health, HEALTH_TEXT, queueTitle, where, why } from './rings_view.ts';

interface QueueColumnProps {
  readonly ring: RingInfo;
  readonly shape: RingShape;
  readonly table: boolean;
  readonly opened: number | undefined;
  readonly onOpen: (ring: RingInfo, descriptor: number) => void;
}

export function QueueColumn({ ring, shape, table, opened, onOpen }: QueueColumnProps): ReactNode {
  const root = useRef<HTMLElement>(null);
  const feed = useRingFeed(ring, root);
  const [explained, setExplained] = useState(false);
  const isOpened = opened !== undefined;
  useEffect(() => {
    if (isOpened) root.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [isOpened]);
  const open = (descriptor: number): void => onOpen(ring, descriptor);
  return (
    <section ref={root} className="ring-column" aria-label={`${queueTitle(ring)}, ${ring.name}`} data-testid={`ring-queue-${ring.queue}`}>
      <header className="ring-head">
        <h3>{queueTitle(ring)}</h3>
        <span className="muted mono">{ring.name}</span>
        <span className="muted ring-entries">
          {ring.size} {ring.format === 'packed' ? 'descriptors, packed' : ring.format === 'e1000e' ? 'descriptors, 82574L' : 'entries'}
        </span>
        <span className="grow" />
        <HealthButton
          ring={ring}
          feed={feed}
          open={explained}
          onToggle={() => setExplained(!explained)}
          onFault={() => setExplained(true)}
        />
      </header>
      {explained ? <Why ring={ring} feed={feed} /> : undefined}
      <RingCanvas ring={ring} feed={feed} shape={shape} opened={opened} onOpen={open} />
      <Facts ring={ring} feed={feed} />
      {table ? <RingTable ring={ring} feed={feed} opened={opened} onOpen={open} /> : undefined}
    </section>
  );
}

interface Part {
  readonly ring: RingInfo;
  readonly feed: RingFeed;
}

/** Calls `write` with every new view; for text written in place. */
function useWritten(feed: RingFeed, write: (view: RingView) => void): void {
  const latest = useRef(write);
  useEffect(() => {
    latest.current = write;
  });
  useEffect(() => feed.onPaint(() => feed.latest !== undefined && latest.current(feed.latest)), [feed]);
}

function setText(element: HTMLElement | null | undefined, text: string): void {
  if (element && element.textContent !== text) element.textContent = text;
}

/** For text that may be cut: the whole of it stands in the title. */
function setTitledText(element: HTMLElement | null, text: string): void {
  setText(element, text);
  if (element !== null && element.title !== text) element.title = text;
}

interface HealthButtonProps extends Part {
  readonly open: boolean;
  readonly onToggle: () => void;
  /** A fault explains itself without being asked. */
  readonly onFault: () => void;
}

function HealthButton({ ring, feed, open, onToggle, onFault }: HealthButtonProps): ReactNode {
  const button = useRef<HTMLButtonElement>(null);
  const text = useRef<HTMLSpanElement>(null);
  useWritten(feed, (view) => {
    const state = health(view);
    setText(text.current, HEALTH_TEXT[state]);
    if (button.current === null) return;
    if (state === 'fault' && button.current.dataset['health'] !== 'fault') onFault();
    button.current.dataset['health'] = state;
  });
  return (
    <button
      ref={button}
      type="button"
      className="btn btn-small btn-quiet ring-health"
      aria-expanded={open}
      onClick={onToggle}
      title="Why is this queue in this state?"
      data-testid={`ring-why-${ring.queue}`}
    >
      <span ref={text} data-testid={`ring-health-${ring.queue}`} /> · why?
    </button>
  );
}

function Why({ ring, feed }: Part): ReactNode {
  const [reasons, setReasons] = useState<readonly string[]>([]);
  useEffect(() => {
    const read = (): void => {
      const next = feed.latest === undefined ? [] : why(feed.latest);
      setReasons((old) => (old.join('\n') === next.join('\n') ? old : next));
    };
    read();
    const timer = setInterval(read, 250);
    return () => clearInterval(timer);
  }, [feed]);
  return (
    <ol className="ring-why" data-testid={`ring-reasons-${ring.queue}`}>
      {reasons.length === 0 ? <li>Nothing is wrong: the queue moves.</li> : reasons.map((reason) => <li key={reason}>{reason}</li>)}
    </ol>
  );
}

function Facts({ ring, feed }: Part): ReactNode {
  const names = factNames(ring);
  const list = useRef<HTMLDListElement>(null);
  const device = useRef<HTMLParagraphElement>(null);
  const driver = useRef<HTMLParagraphElement>(null);
  const place = useRef<HTMLSpanElement>(null);
  useWritten(feed, (view) => {
    for (const cell of list.current?.querySelectorAll<HTMLElement>('dd') ?? []) {
      const name = names.find((candidate) => candidate === cell.dataset['fact']);
      if (name !== undefined) setText(cell, fact(view, name));
    }
    setTitledText(device.current, view.notifyDevice);
    setTitledText(driver.current, view.notifyDriver);
    setTitledText(place.current, where(view));
  });
  return (
    <>
      <dl ref={list} className="ring-facts">
        {names.map((name) => (
          <div key={name} title={FACT_NOTES[name]}>
            <dt>{name}</dt>
            <dd className="mono" data-fact={name} data-testid={`ring-fact-${ring.queue}-${name}`} />
          </div>
        ))}
      </dl>
      <div className="ring-notify">
        <span title="Whether the next avail entry rings the device’s doorbell">kick</span>
        <p ref={device} data-testid={`ring-notify-device-${ring.queue}`} />
        <span title="Whether the next used entry interrupts the driver">irq</span>
        <p ref={driver} data-testid={`ring-notify-driver-${ring.queue}`} />
      </div>
      <p className="ring-where mono">
        <span ref={place} data-testid={`ring-where-${ring.queue}`} />
      </p>
    </>
  );
}
