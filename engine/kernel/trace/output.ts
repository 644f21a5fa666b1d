// The text of a kernel's trace: header, records in order, marks of lost records; shared by trace and trace_pipe.
import { defaultHeader } from './context.ts';
import type { Ftrace } from './ftrace.ts';
import { GraphState, graphHeader, graphText, plainText } from './function_graph.ts';
import { TRACE_FN, TRACE_GRAPH_ENT, TRACE_GRAPH_RET, TRACE_PRINT, type RingRecord } from './ring_buffer.ts';

/** The whole `trace` file, of all CPUs or of one. */
export function traceText(trace: Ftrace, cpu?: number): string {
  const records = trace.records(cpu);
  const marks = trace.option('annotate') && trace.rings.some((r) => r.overrun > 0);
  return header(trace, records.length, cpu) + render(trace, records, new GraphState(), marks);
}

/** Takes what is in the buffers out and gives it as text. `state` carries what depends on lines before. */
export function consumeText(trace: Ftrace, state: GraphState, cpu?: number): string {
  let out = '';
  for (const ring of trace.rings) {
    if (ring.lost === 0 || (cpu !== undefined && ring.cpu !== cpu)) continue;
    out += `CPU:${ring.cpu} [LOST ${ring.lost} EVENTS]\n`;
    ring.lost = 0;
  }
  const records = trace.records(cpu);
  for (const ring of trace.rings) if (cpu === undefined || ring.cpu === cpu) while (ring.count > 0) ring.consume();
  return out + render(trace, records, state, false);
}

function header(trace: Ftrace, entries: number, cpu: number | undefined): string {
  const top = `# tracer: ${trace.current_tracer}\n#\n`;
  if (trace.current_tracer === 'function_graph') return top + graphHeader(trace);
  if (!trace.option('context-info')) return top;
  const written = trace.rings.reduce((n, r) => n + (cpu === undefined || r.cpu === cpu ? r.written : 0), 0);
  return top + defaultHeader(entries, written, trace.rings.length, trace.option('irq-info'));
}

function render(trace: Ftrace, records: readonly RingRecord[], state: GraphState, marks: boolean): string {
  const graph = trace.current_tracer === 'function_graph';
  const modules = graph ? trace.availableFunctions() : new Map<string, string>();
  const next = graph ? nextOfCpu(records) : [];
  const started = new Set<number>();
  const done = new Set<number>();
  let out = '';
  for (let i = 0; i < records.length; i++) {
    const rec = records[i];
    if (done.has(i)) continue;
    if (marks && !started.has(rec.cpu)) {
      if (started.size > 0) out += `##### CPU ${rec.cpu} buffer started ####\n`;
      started.add(rec.cpu);
    }
    if (!graph) {
      out += plainText(trace, rec, body(trace, rec));
      continue;
    }
    const line = graphText(trace, state, rec, next[i] === undefined ? undefined : records[next[i]], modules);
    if (line.took === 2) done.add(next[i]);
    out += line.text;
  }
  return out;
}

/** For each record the index of the following one of its CPU. */
function nextOfCpu(records: readonly RingRecord[]): number[] {
  const next: number[] = [];
  next.length = records.length;
  const last: number[] = [];
  for (let i = records.length - 1; i >= 0; i--) {
    next[i] = last[records[i].cpu];
    last[records[i].cpu] = i;
  }
  return next;
}

function body(trace: Ftrace, rec: RingRecord): string {
  switch (rec.kind) {
    case TRACE_FN:
      return trace.option('print-parent') ? `${trace.nameOf(rec.func)} <-${trace.nameOf(rec.aux)}` : trace.nameOf(rec.func);
    case TRACE_GRAPH_ENT:
      return `graph_ent: func=${trace.nameOf(rec.func)}`;
    case TRACE_GRAPH_RET:
      return `graph_ret: func=${trace.nameOf(rec.func)}`;
    case TRACE_PRINT:
      return `tracing_mark_write: ${rec.text}`;
    default:
      return rec.text;
  }
}
