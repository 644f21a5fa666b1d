// Pages of the trace and spans of the CPUs, up to the playhead.
import { namedArgs, type TraceRecord } from '../../engine/index.ts';
import type { Span, TraceRow } from '../../preload/contract.ts';
import type { Stores } from './stores.ts';

const SPAN = 'cpu:span';

const row = (index: number, r: TraceRecord): TraceRow => ({
  index,
  time: r.time,
  event: r.event,
  machine: r.who,
  cpu: r.cpu,
  name: r.def.name,
  text: r.def.format(namedArgs(r.def, r.args)),
});

/** Records whose machine, name or text contains every word of the filter. Without a filter, CPU spans are left to the timeline. */
export function traceRows(
  stores: Stores,
  event: number,
  p: { from: number; count: number; filter?: string },
): { total: number; matching: number; rows: TraceRow[] } {
  const { trace } = stores;
  const total = trace.upTo(event);
  const words = (p.filter ?? '')
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');
  if (words.length === 0) {
    const from = Math.max(p.from, trace.first);
    return { total, matching: total, rows: [...trace.between(from, Math.min(from + p.count, total))].map(([i, r]) => row(i, r)) };
  }
  const rows: TraceRow[] = [];
  let matching = 0;
  for (const [i, r] of trace.between(trace.first, total)) {
    const head = `${r.who} ${r.def.name}`.toLowerCase();
    if (
      !words.every((w) => head.includes(w)) &&
      !words.every((w) => `${head} ${r.def.format(namedArgs(r.def, r.args)).toLowerCase()}`.includes(w))
    )
      continue;
    if (matching >= p.from && rows.length < p.count) rows.push(row(i, r));
    matching++;
  }
  return { total, matching, rows };
}

/** CPU work that touches [from, to], at most `limit` spans. */
export function spans(stores: Stores, event: number, p: { from: number; to: number; limit: number }): Span[] {
  const { trace } = stores;
  const out: Span[] = [];
  const total = trace.upTo(event);
  for (let i = total - 1; i >= trace.first && out.length < p.limit; i--) {
    const r = trace.get(i);
    if (r === undefined || r.def.name !== SPAN) continue;
    const [kind, label, duration] = r.args;
    const end = r.time;
    const start = end - Number(duration);
    // records are in order of event, spans nearly so in order of time: a margin covers work that a busy CPU started late
    if (end < p.from - 1e9) break;
    if (end < p.from || start > p.to) continue;
    out.push({ track: `${r.who}/cpu${r.cpu}`, kind: String(kind), label: String(label), start, end });
  }
  return out.reverse();
}
