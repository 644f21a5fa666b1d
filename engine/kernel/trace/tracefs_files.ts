// Files of tracefs that are more than a value: trace, trace_pipe, trace_marker, the filters, set_event.
import { Errno } from '../../base/errno.ts';
import { FileNode, S_IFREG, type FileWaiter, type OpenFile, type VfsContext } from '../fs/node.ts';
import type { Kernel } from '../kernel.ts';
import { comm, SHELL_COMM, SHELL_PID } from '../processes.ts';
import { setEvents, setEventText } from './events_dir.ts';
import type { FunctionFilter } from './filter.ts';
import { GraphState } from './function_graph.ts';
import { consumeText, traceText } from './output.ts';
import { FunctionProbes } from './probes.ts';

const RW = S_IFREG | 0o640;
const RO = S_IFREG | 0o440;
const WO = S_IFREG | 0o220;

/** `trace`: opening it for writing with truncation empties the buffers. */
export class TraceFile extends FileNode {
  readonly mode = RW;
  constructor(
    readonly kernel: Kernel,
    private readonly cpu: number | undefined,
  ) {
    super();
  }
  read(_ctx: VfsContext): string {
    return traceText(this.kernel.trace, this.cpu);
  }
  write(_ctx: VfsContext, _data: string): number {
    return 0;
  }
  override truncate(_ctx: VfsContext): number {
    this.kernel.trace.clear();
    return 0;
  }
}

/** `trace_pipe`: reading takes records out; a reader waits while there are none, and ends when tracing is off and it has read something. */
export class TracePipe extends FileNode {
  readonly mode = RO;
  constructor(
    readonly kernel: Kernel,
    private readonly cpu: number | undefined,
  ) {
    super();
  }
  override get stream(): boolean {
    return true;
  }
  read(_ctx: VfsContext): number {
    return -Errno.EAGAIN;
  }
  write(_ctx: VfsContext, _data: string): number {
    return -Errno.EINVAL;
  }
  override readStream(file: OpenFile): string | undefined {
    const { trace } = this.kernel;
    const state = file.priv instanceof GraphState ? file.priv : new GraphState();
    file.priv = state;
    const text = consumeText(trace, state, this.cpu);
    file.pos += text.length;
    return text === '' && !trace.tracing_on && file.pos > 0 ? undefined : text;
  }
  override wait(waiter: FileWaiter): void {
    this.kernel.trace.wait(waiter);
  }
}

export class MarkerFile extends FileNode {
  readonly mode = WO;
  constructor(readonly kernel: Kernel) {
    super();
  }
  read(_ctx: VfsContext): number {
    return -Errno.EINVAL;
  }
  write(ctx: VfsContext, data: string): number {
    const process = this.kernel.procs.get(ctx.pid);
    if (!this.kernel.trace.option('markers')) return -Errno.EBADF;
    this.kernel.trace.mark(process?.pid ?? SHELL_PID, process === undefined ? SHELL_COMM : comm(process), data);
    return 0;
  }
}

/** A file over one of the four function filters. */
export class FilterFile extends FileNode {
  readonly mode = RW;
  constructor(
    readonly kernel: Kernel,
    private readonly which: 'filter' | 'notrace' | 'graphFunction' | 'graphNotrace',
  ) {
    super();
  }
  private get filter(): FunctionFilter {
    return this.kernel.trace[this.which];
  }
  read(_ctx: VfsContext): string {
    const available = this.kernel.trace.availableFunctions();
    return this.filter.text(available) + (this.which === 'filter' ? this.kernel.trace.probes.text(available) : '');
  }
  write(_ctx: VfsContext, data: string): number {
    const { trace } = this.kernel;
    const available = trace.availableFunctions();
    for (const word of data.split(/\s+/)) {
      if (word === '') continue;
      const command = this.which === 'filter' && FunctionProbes.isCommand(word);
      const err = command ? trace.probes.write(word, available) : this.filter.write(word, available);
      if (command) trace.sync();
      if (err < 0) return err;
    }
    return 0;
  }
  override truncate(_ctx: VfsContext): number {
    this.filter.clear();
    return 0;
  }
}

export class PidFile extends FileNode {
  readonly mode = RW;
  constructor(
    readonly kernel: Kernel,
    private readonly which: 'pids' | 'eventPids',
  ) {
    super();
  }
  read(_ctx: VfsContext): string {
    const pids = this.kernel.trace[this.which];
    if (pids.size === 0) return this.which === 'pids' ? 'no pid\n' : '';
    return [...pids]
      .sort((a, b) => a - b)
      .map((p) => `${p}\n`)
      .join('');
  }
  write(_ctx: VfsContext, data: string): number {
    const numbers = data
      .split(/\s+/)
      .filter((w) => w !== '')
      .map(parseNumber);
    for (const n of numbers) if (n === undefined) return -Errno.EINVAL;
    for (const n of numbers) if (n !== undefined) this.kernel.trace[this.which].add(n);
    return 0;
  }
  override truncate(_ctx: VfsContext): number {
    this.kernel.trace[this.which].clear();
    return 0;
  }
}

export class SetEventFile extends FileNode {
  readonly mode = RW;
  constructor(readonly kernel: Kernel) {
    super();
  }
  read(_ctx: VfsContext): string {
    return setEventText(this.kernel.trace);
  }
  write(_ctx: VfsContext, data: string): number {
    for (const word of data.split(/[\s,]+/)) {
      if (word === '') continue;
      const negated = word.startsWith('!');
      const err = setEvents(this.kernel.trace, negated ? word.slice(1) : word, !negated);
      if (err < 0) return err;
    }
    return 0;
  }
  override truncate(_ctx: VfsContext): number {
    return setEvents(this.kernel.trace, '*:*', false);
  }
}

/** Decimal, hexadecimal or octal as kstrtoul reads them. */
export function parseNumber(text: string): number | undefined {
  const t = text.trim();
  if (/^0[xX][0-9a-fA-F]+$/.test(t)) return parseInt(t, 16);
  if (/^0[0-7]+$/.test(t)) return parseInt(t, 8);
  return /^\+?\d+$/.test(t) ? Number(t) : undefined;
}
