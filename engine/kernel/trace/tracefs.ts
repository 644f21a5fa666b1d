// tracefs: the files under /sys/kernel/tracing.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import {
  BuiltDir,
  GeneratedFile,
  S_IFDIR,
  S_IFREG,
  StaticDir,
  type DirNode,
  type DirOps,
  type FileOps,
  type VfsContext,
} from '../fs/node.ts';
import type { Kernel } from '../kernel.ts';
import { EventsDir } from './events_dir.ts';
import { withModule } from './filter.ts';
import { TRACERS, UNEXPANDED_KB, type Ftrace } from './ftrace.ts';
import { MODELLED_OPTIONS, TRACE_OPTIONS, TRACER_OPTIONS } from './options.ts';
import { FilterFile, MarkerFile, parseNumber, PidFile, SetEventFile, TraceFile, TracePipe } from './tracefs_files.ts';

const RW = S_IFREG | 0o640;
const RO = S_IFREG | 0o440;

type TextOps = FileOps<undefined>;
/** tracefs files without a write method refuse with EINVAL. */
const readOnly = (read: NonNullable<TextOps['read']>): TextOps => ops({ read, write: () => -Errno.EINVAL });

/** The root of tracefs. */
export const makeTracefs = (kernel: Kernel): DirNode => new BuiltDir(kernel, S_IFDIR | 0o700, TRACEFS);

const TRACEFS: DirOps = ops({ build: buildRoot });

function buildRoot(kernel: Kernel): StaticDir {
  const root = new StaticDir(S_IFDIR | 0o700);
  const file = (name: string, mode: number, fileOps: TextOps): void => {
    root.add(name, new GeneratedFile(kernel, mode, fileOps, undefined));
  };
  file('available_events', RO, AVAILABLE_EVENTS);
  file('available_filter_functions', RO, AVAILABLE_FUNCTIONS);
  file('available_tracers', RO, AVAILABLE_TRACERS);
  file('buffer_size_kb', RW, BUFFER_SIZE);
  file('buffer_total_size_kb', RO, BUFFER_TOTAL_SIZE);
  file('current_tracer', RW, CURRENT_TRACER);
  file('enabled_functions', RO, ENABLED_FUNCTIONS);
  root.add('events', new EventsDir(kernel));
  file('max_graph_depth', RW, MAX_GRAPH_DEPTH);
  root.add('options', new BuiltDir(kernel, S_IFDIR | 0o750, OPTIONS_DIR));
  root.add('per_cpu', new BuiltDir(kernel, S_IFDIR | 0o750, PER_CPU_DIR));
  file('saved_cmdlines', RO, SAVED_CMDLINES);
  root.add('set_event', new SetEventFile(kernel));
  root.add('set_event_pid', new PidFile(kernel, 'eventPids'));
  root.add('set_ftrace_filter', new FilterFile(kernel, 'filter'));
  root.add('set_ftrace_notrace', new FilterFile(kernel, 'notrace'));
  root.add('set_ftrace_pid', new PidFile(kernel, 'pids'));
  root.add('set_graph_function', new FilterFile(kernel, 'graphFunction'));
  root.add('set_graph_notrace', new FilterFile(kernel, 'graphNotrace'));
  root.add('trace', new TraceFile(kernel, undefined));
  file('trace_clock', RW, TRACE_CLOCK);
  root.add('trace_marker', new MarkerFile(kernel));
  file('trace_options', RW, OPTIONS);
  root.add('trace_pipe', new TracePipe(kernel, undefined));
  file('tracing_cpumask', RW, CPUMASK);
  file('tracing_on', RW, TRACING_ON);
  file('tracing_thresh', RW, TRACING_THRESH);
  return root;
}

const AVAILABLE_EVENTS = readOnly((k) =>
  k.trace
    .events()
    .map((e) => `${e.name}\n`)
    .join(''),
);
const AVAILABLE_FUNCTIONS = readOnly((k) =>
  [...k.trace.availableFunctions()].map(([name, module]) => `${withModule(name, module)}\n`).join(''),
);
const AVAILABLE_TRACERS = readOnly(() => `${TRACERS.join(' ')}\n`);
const CURRENT_TRACER: TextOps = ops({
  read: (k) => `${k.trace.current_tracer}\n`,
  write: (k, _ctx, _arg, data) => {
    const name = TRACERS.find((t) => t === data.trim());
    if (name === undefined) return -Errno.EINVAL;
    if (name !== k.trace.current_tracer) k.trace.setTracer(name);
    return 0;
  },
});
const TRACING_ON: TextOps = ops({
  read: (k) => (k.trace.tracing_on ? '1\n' : '0\n'),
  write: (k, _ctx, _arg, data) => {
    const n = parseNumber(data);
    if (n === undefined) return -Errno.EINVAL;
    k.trace.tracing_on = n !== 0;
    return 0;
  },
});
const BUFFER_SIZE: TextOps = ops({
  read: (k) => (k.trace.expanded ? `${k.trace.bufferKb}\n` : `${UNEXPANDED_KB} (expanded: ${k.trace.bufferKb})\n`),
  write: (k, _ctx, _arg, data) => {
    const n = parseNumber(data);
    if (n === undefined || n === 0) return -Errno.EINVAL;
    k.trace.resize(n);
    return 0;
  },
});
const BUFFER_TOTAL_SIZE = readOnly(({ trace }) => {
  const all = trace.bufferKb * trace.rings.length;
  return trace.expanded ? `${all}\n` : `${UNEXPANDED_KB * trace.rings.length} (expanded: ${all})\n`;
});
const ENABLED_FUNCTIONS = readOnly(({ trace }) => {
  if (!trace.tracing) return '';
  const hooked = [...trace.availableFunctions()].filter(
    ([n]) => (!trace.filter.active || trace.filter.names.has(n)) && !trace.notrace.names.has(n),
  );
  return hooked.map(([name, module]) => `${withModule(name, module)} (1)    \n`).join('');
});
const MAX_GRAPH_DEPTH: TextOps = ops({
  read: (k) => `${k.trace.maxGraphDepth}\n`,
  write: (k, _ctx, _arg, data) => {
    const n = parseNumber(data);
    if (n === undefined) return -Errno.EINVAL;
    k.trace.maxGraphDepth = n;
    return 0;
  },
});
/** Microseconds. */
const TRACING_THRESH: TextOps = ops({
  read: (k) => `${Math.floor(k.trace.threshold / 1000)}\n`,
  write: (k, _ctx, _arg, data) => {
    const n = parseNumber(data);
    if (n === undefined) return -Errno.EINVAL;
    k.trace.threshold = n * 1000;
    return 0;
  },
});
const SAVED_CMDLINES = readOnly((k) => [...k.trace.cmdlines].map(([pid, name]) => `${pid} ${name}\n`).join(''));
const TRACE_CLOCK: TextOps = ops({
  read: () => '[local] global counter uptime perf mono mono_raw boot tai x86-tsc\n',
  write: (_k, _ctx, _arg, data) => (data.trim() === 'local' ? 0 : -Errno.EINVAL),
});
const CPUMASK: TextOps = ops({ read: (k) => `${(2 ** k.trace.rings.length - 1).toString(16)}\n`, write: () => -Errno.EINVAL });

const shownOptions = (trace: Ftrace): string[] => [...TRACE_OPTIONS, ...TRACER_OPTIONS[trace.current_tracer]].map(([name]) => name);

function setOption(trace: Ftrace, name: string, on: boolean): number {
  if (!MODELLED_OPTIONS.has(name) || !shownOptions(trace).includes(name)) return -Errno.EINVAL;
  trace.options.set(name, on);
  return 0;
}

const OPTIONS: TextOps = ops({
  read: (k) =>
    shownOptions(k.trace)
      .map((name) => `${k.trace.option(name) ? '' : 'no'}${name}\n`)
      .join(''),
  write: (k, _ctx, _arg, data) => {
    const word = data.trim();
    return word.startsWith('no') ? setOption(k.trace, word.slice(2), false) : setOption(k.trace, word, true);
  },
});

const ONE_OPTION: FileOps<string> = ops({
  read: (k: Kernel, _ctx: VfsContext, name: string) => (k.trace.option(name) ? '1\n' : '0\n'),
  write: (k: Kernel, _ctx: VfsContext, name: string, data: string) => {
    const n = parseNumber(data);
    return n === undefined || n > 1 ? -Errno.EINVAL : setOption(k.trace, name, n === 1);
  },
});

const OPTIONS_DIR: DirOps = ops({ build: optionsDir });
function optionsDir(kernel: Kernel): StaticDir {
  const dir = new StaticDir(S_IFDIR | 0o750);
  for (const name of kernel.trace.options.keys()) dir.add(name, new GeneratedFile(kernel, RW, ONE_OPTION, name));
  return dir;
}

const CPU_STATS: FileOps<number> = ops({
  read: (k: Kernel, _ctx: VfsContext, cpu: number) => {
    const r = k.trace.rings[cpu];
    return `entries: ${r.count}\noverrun: ${r.overrun}\ncommit overrun: 0\nbytes: ${r.count * 32}\ndropped events: 0\nread events: ${r.written - r.count - r.overrun}\n`;
  },
});

const PER_CPU_DIR: DirOps = ops({ build: perCpuDir });
function perCpuDir(kernel: Kernel): StaticDir {
  const dir = new StaticDir(S_IFDIR | 0o750);
  for (const { cpu } of kernel.trace.rings) {
    const one = new StaticDir(S_IFDIR | 0o750);
    one.add('stats', new GeneratedFile(kernel, RO, CPU_STATS, cpu));
    one.add('trace', new TraceFile(kernel, cpu));
    one.add('trace_pipe', new TracePipe(kernel, cpu));
    dir.add(`cpu${cpu}`, one);
  }
  return dir;
}
