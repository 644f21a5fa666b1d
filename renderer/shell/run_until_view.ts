// Reads what a person typed under "Run until…". Pure.
import { formatInstant, parseDelay } from '../widgets/units.ts';
import type { Requests } from '../../preload/contract.ts';

export type UntilKind = 'time' | 'tracepoint' | 'function';
export type Until = { readonly ok: true; readonly value: Requests['run.until'][0] } | { readonly ok: false; readonly reason: string };

/** `now` in nanoseconds: a leading '+' counts from it, and a time before it is refused. */
export function readUntil(kind: UntilKind, text: string, now: number): Until {
  const trimmed = text.trim();
  if (kind === 'time') return readTime(trimmed, now);
  if (kind === 'function') {
    if (/^[A-Za-z_]\w*$/.test(trimmed)) return { ok: true, value: { function: trimmed } };
    return { ok: false, reason: 'Write the name of one kernel function, such as netif_tx_stop_queue.' };
  }
  if (/^\w+:\w+$/.test(trimmed)) return { ok: true, value: { tracepoint: trimmed } };
  return { ok: false, reason: 'Write a tracepoint as group:name, such as net:net_dev_xmit.' };
}

function readTime(text: string, now: number): Until {
  const relative = text.startsWith('+');
  const parsed = parseDelay(relative ? text.slice(1) : text);
  if (!parsed.ok) return { ok: false, reason: parsed.reason };
  const time = relative ? now + parsed.value : parsed.value;
  if (time <= now)
    return { ok: false, reason: `That is not later than now (${formatInstant(now)}). To go back use step back or the timeline.` };
  return { ok: true, value: { time } };
}
