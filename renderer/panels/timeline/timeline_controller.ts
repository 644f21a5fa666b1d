// Behaviour of the timeline: pointer, keys, fetching spans for what is seen, drawing at display rate. No React state in here (R15).
import type { Nanos, Span } from '../../../preload/contract.ts';
import { gotoEvent } from '../../store/actions.ts';
import { host } from '../../store/host.ts';
import { attempt, store } from '../../store/store.ts';
import { formatDuration, formatInstant } from '../../widgets/units.ts';
import { drawTimeline, GUTTER, RULER, spanText } from './timeline_draw.ts';
import {
  eventAt,
  follow,
  knownTracks,
  layOut,
  nextSpan,
  pan,
  spanAt,
  timeToX,
  xToTime,
  zoom,
  type Interval,
  type Lanes,
} from './timeline_view.ts';

const SPAN_LIMIT = 6_000;
const FETCH_MS = 150;
const HIT_PX = 4;

interface Elements {
  readonly box: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly tip: HTMLElement;
  readonly readout: HTMLElement;
}

/** Simulated time shown at first: four seconds of the wall clock; as fast as possible, a tenth of a simulated second. */
function widthAt(speed: number): Nanos {
  return speed === 0 ? 100e6 : Math.max(10_000, 4e9 * speed);
}

export class TimelineController {
  private readonly elements: Elements;
  private readonly onFollowing: (following: boolean) => void;
  private view: Interval = { from: 0, to: 10e6 };
  private spans: readonly Span[] = [];
  private lanes: Lanes = { tracks: [], lanes: [], height: 0 };
  private scroll = 0;
  private following = true;
  /** Until the person zooms, the width is some seconds of the wall clock at the speed of the run. */
  private zoomed = false;
  private marked: Span | undefined;
  private frame = 0;
  private fetchTimer: ReturnType<typeof setTimeout> | undefined;
  private fetching = false;
  private fetchAgain = false;
  private drag: { x: number; readonly startX: number; readonly startY: number } | undefined;
  private readonly undo: (() => void)[] = [];

  constructor(elements: Elements, onFollowing: (following: boolean) => void) {
    this.elements = elements;
    this.onFollowing = onFollowing;
    const { canvas, box } = elements;
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(box);
    this.undo.push(() => observer.disconnect());
    this.on(canvas, 'wheel', (event) => this.wheel(event), { passive: false });
    this.on(canvas, 'pointerdown', (event) => this.press(event));
    this.on(canvas, 'pointermove', (event) => this.move(event));
    this.on(canvas, 'pointerup', (event) => this.release(event));
    this.on(canvas, 'pointerleave', () => this.hover(undefined, 0, 0));
    this.undo.push(
      store.subscribe((state, before) => {
        if (state.run?.time !== before.run?.time) this.timeMoved(state.run?.time ?? 0);
        if (state.topology !== before.topology) this.layOut();
        if (state.shownTheme !== before.shownTheme) this.draw();
      }),
      host.subscribe('trace', undefined, () => this.fetchSoon()),
    );
    this.timeMoved(store.getState().run?.time ?? 0);
    this.layOut();
    this.fetchSoon();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.fetchTimer);
    for (const undo of this.undo) undo();
  }

  setFollowing(following: boolean): void {
    this.following = following;
    this.onFollowing(following);
    if (following) this.timeMoved(store.getState().run?.time ?? 0);
  }

  fit(): void {
    const last = store.getState().run?.time ?? 0;
    this.look({ from: 0, to: Math.max(1_000, last * 1.03) });
  }

  /** Answers whether the key meant something. */
  key(key: string): boolean {
    const middle = (this.view.from + this.view.to) / 2;
    const at = this.marked && this.marked.start >= this.view.from && this.marked.start <= this.view.to ? this.marked.start : middle;
    switch (key.length === 1 ? key.toLowerCase() : key) {
      case 'w':
        this.zoom(0.7, at);
        return true;
      case 's':
        this.zoom(1 / 0.7, at);
        return true;
      case 'a':
        this.look(pan(this.view, -0.2));
        return true;
      case 'd':
        this.look(pan(this.view, 0.2));
        return true;
      case 'f':
        this.fit();
        return true;
      case 'ArrowRight':
        this.walk(1);
        return true;
      case 'ArrowLeft':
        this.walk(-1);
        return true;
      case 'Enter':
        this.goTo(this.marked?.start ?? middle);
        return true;
      default:
        return false;
    }
  }

  private on<K extends keyof HTMLElementEventMap>(
    element: HTMLElement,
    type: K,
    listener: (event: HTMLElementEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): void {
    element.addEventListener(type, listener, options);
    this.undo.push(() => element.removeEventListener(type, listener, options));
  }

  private get plotWidth(): number {
    return Math.max(1, this.elements.box.clientWidth - GUTTER);
  }

  private timeAt(offsetX: number): Nanos {
    return xToTime(offsetX - GUTTER, this.view, this.plotWidth);
  }

  /** While the present is followed it stays in its place; otherwise the time at `at` does. */
  private zoom(factor: number, at: Nanos): void {
    this.zoomed = true;
    if (!this.following) {
      this.look(zoom(this.view, factor, at));
      return;
    }
    const now = store.getState().run?.time ?? 0;
    this.view = follow(zoom(this.view, factor, now), now);
    this.fetchSoon();
    this.draw();
  }

  /** The person has chosen what to look at. */
  private look(view: Interval): void {
    this.view = view;
    if (this.following) this.setFollowing(false);
    this.fetchSoon();
    this.draw();
  }

  private timeMoved(now: Nanos): void {
    if (this.following) {
      if (!this.zoomed) this.view = { from: 0, to: widthAt(store.getState().run?.speed ?? 1) };
      this.view = follow(this.view, now);
      this.fetchSoon();
    }
    this.draw();
  }

  /** Marks the next span in view whose label, kind or track contains the text. Answers whether there is one. */
  find(text: string, step: 1 | -1): boolean {
    const wanted = text.toLowerCase();
    return this.mark(
      nextSpan(
        this.spans.filter((span) => spanText(span).toLowerCase().includes(wanted)),
        this.marked,
        step,
        this.entry(step),
      ),
    );
  }

  /** Where a walk without a mark begins: at the edge of the view that it comes from. */
  private entry(step: 1 | -1): Nanos {
    return step === 1 ? this.view.from : this.view.to;
  }

  private walk(step: 1 | -1): void {
    this.mark(nextSpan(this.spans, this.marked, step, this.entry(step)));
  }

  private mark(next: Span | undefined): boolean {
    if (!next) return false;
    if (this.following) this.setFollowing(false); // the person looks at the mark, not at the present
    this.marked = next;
    this.elements.readout.textContent = `${formatInstant(next.start)}  ${spanText(next)}`;
    const width = this.view.to - this.view.from;
    if (next.start < this.view.from || next.start > this.view.to)
      this.look({ from: Math.max(0, next.start - width / 2), to: Math.max(0, next.start - width / 2) + width });
    else this.draw();
    return true;
  }

  private goTo(time: Nanos): void {
    if (this.following) this.setFollowing(false);
    attempt(async () => gotoEvent(await eventAt(time, (from, count) => host.request('trace.rows', { from, count }))));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const delta = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 16 : event.deltaY;
    if (event.shiftKey) this.scrollBy(delta);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.look(pan(this.view, event.deltaX / this.plotWidth));
    else this.zoom(Math.exp(delta * 0.0016), this.timeAt(event.offsetX));
  }

  private scrollBy(pixels: number): void {
    const room = this.lanes.height + RULER + 12 - this.elements.box.clientHeight;
    this.scroll = Math.max(0, Math.min(Math.max(0, room), this.scroll + pixels));
    this.draw();
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0 || event.offsetX < GUTTER) return;
    this.elements.canvas.setPointerCapture(event.pointerId);
    this.drag = { x: event.offsetX, startX: event.offsetX, startY: event.offsetY };
  }

  private move(event: PointerEvent): void {
    const { drag } = this;
    if (drag) {
      if (Math.abs(event.offsetX - drag.startX) > 3) {
        this.look(pan(this.view, (drag.x - event.offsetX) / this.plotWidth));
        drag.x = event.offsetX;
      }
      return;
    }
    const time = this.timeAt(event.offsetX);
    const slack = ((this.view.to - this.view.from) / this.plotWidth) * HIT_PX;
    const y = event.offsetY - RULER - 6 + this.scroll;
    this.hover(event.offsetX < GUTTER ? undefined : spanAt(this.lanes.lanes, y, time, slack), event.offsetX, event.offsetY);
    if (event.offsetX >= GUTTER) this.elements.readout.textContent = formatInstant(Math.max(0, time));
  }

  private release(event: PointerEvent): void {
    const { drag } = this;
    this.drag = undefined;
    if (!drag || Math.abs(event.offsetX - drag.startX) > 3 || Math.abs(event.offsetY - drag.startY) > 8) return;
    const slack = ((this.view.to - this.view.from) / this.plotWidth) * HIT_PX;
    const span = spanAt(this.lanes.lanes, event.offsetY - RULER - 6 + this.scroll, this.timeAt(event.offsetX), slack);
    this.marked = span;
    this.goTo(span?.start ?? this.timeAt(event.offsetX));
    this.draw();
  }

  private hover(span: Span | undefined, x: number, y: number): void {
    const { tip, box } = this.elements;
    tip.hidden = span === undefined;
    if (!span) return;
    tip.textContent = `${span.label}\n${span.kind} on ${span.track}\n${formatInstant(span.start)}  for ${formatDuration(span.end - span.start)}`;
    tip.style.left = `${Math.min(x + 12, box.clientWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(y + 14, box.clientHeight - tip.offsetHeight - 4)}px`;
  }

  private layOut(): void {
    this.lanes = layOut(this.spans, knownTracks(store.getState().topology));
    this.draw();
  }

  private fetchSoon(): void {
    this.fetchTimer ??= setTimeout(() => {
      this.fetchTimer = undefined;
      this.fetch();
    }, FETCH_MS);
  }

  /** One request at a time; hidden panels ask for nothing. */
  private fetch(): void {
    if (this.fetching) {
      this.fetchAgain = true;
      return;
    }
    if (this.elements.box.offsetParent === null) return;
    this.fetching = true;
    const from = Math.max(0, Math.floor(this.view.from));
    const to = Math.ceil(this.view.to);
    const done = (): void => {
      this.fetching = false;
      if (this.fetchAgain) this.fetchSoon();
      this.fetchAgain = false;
    };
    host.request('trace.spans', { from, to, limit: SPAN_LIMIT }).then(
      (spans) => {
        this.spans = spans;
        this.layOut();
        done();
      },
      (error: unknown) => {
        this.elements.readout.textContent = error instanceof Error ? error.message : String(error);
        done();
      },
    );
  }

  private draw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.drawNow());
  }

  private drawNow(): void {
    this.frame = 0;
    const { canvas, box } = this.elements;
    const { clientWidth: width, clientHeight: height } = box;
    const context = canvas.getContext('2d');
    if (!context || width === 0 || height === 0) return;
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      this.fetchSoon();
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawTimeline(context, width, height, {
      view: this.view,
      lanes: this.lanes,
      scroll: this.scroll,
      now: store.getState().run?.time,
      marked: this.marked,
    });
    canvas.dataset['from'] = String(this.view.from);
    canvas.dataset['to'] = String(this.view.to);
    canvas.dataset['spans'] = String(this.spans.length);
    canvas.dataset['playhead'] = String(Math.round(GUTTER + timeToX(store.getState().run?.time ?? 0, this.view, this.plotWidth)));
  }
}
