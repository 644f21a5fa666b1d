// The function_graph tracer's text: entries and returns as nested calls with durations; events as comments among them.
import { linePrefix, traceTime } from './context.ts';
import { withModule } from './filter.ts';
import type { Ftrace } from './ftrace.ts';
import { TRACE_GRAPH_ENT, TRACE_GRAPH_RET, type RingRecord } from './ring_buffer.ts';

const INDENT = 2;
const NO_DURATION = '              |  ';
const RULE = ' ------------------------------------------\n';
/** Linux: TRACE_GRAPH_PROCINFO_LENGTH */
const TASK_WIDTH = 14;

/** '# CPU  DURATION                  FUNCTION CALLS' and the bars below it. */
export function graphHeader(trace: Ftrace): string {
  const part = (option: string, text: string): string => (trace.option(option) ? text : '');
  return (
    `#${part('funcgraph-abstime', '     TIME       ')}${part('funcgraph-cpu', ' CPU')}${part('funcgraph-proc', '  TASK/PID       ')}` +
    `${part('funcgraph-duration', '  DURATION   ')}               FUNCTION CALLS\n` +
    `#${part('funcgraph-abstime', '      |         ')}${part('funcgraph-cpu', ' |  ')}${part('funcgraph-proc', '   |    |        ')}` +
    `${part('funcgraph-duration', '   |   |      ')}               |   |   |   |\n`
  );
}

/** What a reader remembers from line to line. */
export class GraphState {
  /** Per CPU: the last task seen, -1 at first, and how deep the trace is. */
  readonly lastPid: number[] = [];
  readonly depth: number[] = [];
  /** Per CPU and depth: the function whose opening line was printed. */
  readonly open = new Map<number, number>();
}

/** One record as text; a call that returns in the next record is a leaf: `next` is then consumed too (`took: 2`). */
export function graphText(
  trace: Ftrace,
  state: GraphState,
  rec: RingRecord,
  next: RingRecord | undefined,
  modules: ReadonlyMap<string, string>,
): { readonly text: string; readonly took: 1 | 2 } {
  const begin = taskChange(trace, state, rec);
  const name = withModule(trace.nameOf(rec.func) ?? '', modules.get(trace.nameOf(rec.func) ?? '') ?? '');
  const indent = ' '.repeat(rec.aux * INDENT);
  if (rec.kind === TRACE_GRAPH_ENT) {
    const leaf =
      next !== undefined && next.kind === TRACE_GRAPH_RET && next.func === rec.func && next.aux === rec.aux && next.pid === rec.pid;
    state.depth[rec.cpu] = leaf ? rec.aux - 1 : rec.aux;
    if (!leaf) state.open.set(openKey(rec), rec.func);
    const middle = leaf ? duration(trace, next.duration) : trace.option('funcgraph-duration') ? NO_DURATION : '';
    return { text: `${begin}${prologue(trace, rec)}${middle}${indent}${name}()${leaf ? ';' : ' {'}\n`, took: leaf ? 2 : 1 };
  }
  if (rec.kind === TRACE_GRAPH_RET) {
    state.depth[rec.cpu] = rec.aux - 1;
    // the name again where the opening line is not to be seen
    const known = state.open.get(openKey(rec)) === rec.func;
    state.open.delete(openKey(rec));
    const tail = trace.option('funcgraph-tail') || !known ? ` /* ${name} */` : '';
    return { text: `${begin}${prologue(trace, rec)}${duration(trace, rec.duration)}${indent}}${tail}\n`, took: 1 };
  }
  const depth = state.depth[rec.cpu] ?? -1;
  const pad = depth >= 0 ? ' '.repeat((depth + 1) * INDENT) : '';
  const fill = trace.option('funcgraph-duration') ? NO_DURATION : '';
  return { text: `${begin}${prologue(trace, rec)}${fill}${pad}/* ${rec.text} */\n`, took: 1 };
}

const openKey = (rec: RingRecord): number => rec.cpu * 1000 + rec.aux;

function prologue(trace: Ftrace, rec: RingRecord): string {
  const time = trace.option('funcgraph-abstime') ? `${traceTime(rec.time)} |  ` : '';
  const cpu = trace.option('funcgraph-cpu') ? cpuColumn(trace, rec.cpu) : '';
  const task = trace.option('funcgraph-proc') ? `${taskColumn(trace, rec.pid)} | ` : '';
  return time + cpu + task;
}

/** The lines that say which task a CPU went over to. */
function taskChange(trace: Ftrace, state: GraphState, rec: RingRecord): string {
  const last = state.lastPid[rec.cpu] ?? -1;
  state.lastPid[rec.cpu] = rec.pid;
  if (last === -1 || last === rec.pid) return '';
  return `${RULE}${cpuColumn(trace, rec.cpu)}${taskColumn(trace, last)} => ${taskColumn(trace, rec.pid)}\n${RULE}\n`;
}

const cpuColumn = (trace: Ftrace, cpu: number): string => ` ${String(cpu).padStart(String(trace.rings.length - 1).length)}) `;

/** Centred, seven letters of the name at most. */
function taskColumn(trace: Ftrace, pid: number): string {
  const text = `${trace.commOf(pid).slice(0, 7)}-${pid}`;
  const spaces = Math.max(0, TASK_WIDTH - text.length);
  const left = Math.floor(spaces / 2);
  return ' '.repeat(left) + text + ' '.repeat(spaces - left);
}

/** '+ 12.345 us   |  ' */
function duration(trace: Ftrace, nanoseconds: number): string {
  if (!trace.option('funcgraph-duration')) return '';
  const mark = trace.option('funcgraph-overhead') ? overheadMark(nanoseconds) : ' ';
  const us = String(Math.floor(nanoseconds / 1000));
  // seven digits in all, the fraction cut to what is left
  const fraction = String(Math.floor(nanoseconds) % 1000)
    .padStart(3, '0')
    .slice(0, Math.min(3, Math.max(0, 7 - us.length)));
  const number = us.length < 7 ? `${us}.${fraction}` : us;
  return `${mark} ${number} us ${' '.repeat(Math.max(0, 8 - number.length))}|  `;
}

function overheadMark(nanoseconds: number): string {
  if (nanoseconds > 1e9) return '$';
  if (nanoseconds > 1e8) return '@';
  if (nanoseconds > 1e7) return '*';
  if (nanoseconds > 1e6) return '#';
  if (nanoseconds > 1e5) return '!';
  return nanoseconds > 1e4 ? '+' : ' ';
}

/** A record in the plain layout: task, CPU, context, time, text. */
export function plainText(trace: Ftrace, rec: RingRecord, body: string): string {
  if (!trace.option('context-info')) return `${body}\n`;
  return `${linePrefix(trace.commOf(rec.pid), rec.pid, rec.cpu, rec.flags, rec.time, trace.option('irq-info'))}${body}\n`;
}
