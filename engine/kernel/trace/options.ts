// trace_options: names in the kernel's order with their defaults, and those that change what is printed here.

/** Name → default (Linux 6.1: kernel/trace/trace.h, TRACE_FLAGS). */
export const TRACE_OPTIONS: readonly (readonly [string, boolean])[] = [
  ['print-parent', true],
  ['sym-offset', false],
  ['sym-addr', false],
  ['verbose', false],
  ['raw', false],
  ['hex', false],
  ['bin', false],
  ['block', false],
  ['trace_printk', true],
  ['annotate', true],
  ['userstacktrace', false],
  ['sym-userobj', false],
  ['printk-msg-only', false],
  ['context-info', true],
  ['latency-format', false],
  ['record-cmd', true],
  ['record-tgid', false],
  ['overwrite', true],
  ['disable_on_free', false],
  ['irq-info', true],
  ['markers', true],
  ['event-fork', false],
  ['pause-on-trace', false],
  ['hash-ptr', true],
  ['function-trace', true],
  ['function-fork', false],
  ['display-graph', false],
  ['stacktrace', false],
];

/** Options of one tracer, shown while it is current. */
export const TRACER_OPTIONS: Readonly<Record<'nop' | 'function' | 'function_graph', readonly (readonly [string, boolean])[]>> = {
  nop: [
    ['test_nop_accept', false],
    ['test_nop_refuse', false],
  ],
  function: [
    ['func_stack_trace', false],
    ['func-no-repeats', false],
  ],
  function_graph: [
    ['funcgraph-overrun', false],
    ['funcgraph-cpu', true],
    ['funcgraph-overhead', true],
    ['funcgraph-proc', false],
    ['funcgraph-duration', true],
    ['funcgraph-abstime', false],
    ['funcgraph-irqs', true],
    ['funcgraph-tail', false],
    ['sleep-time', true],
    ['graph-time', true],
  ],
};

/** Options that may be changed: the others are refused (EINVAL), since they would change nothing. */
export const MODELLED_OPTIONS: ReadonlySet<string> = new Set([
  'print-parent',
  'annotate',
  'context-info',
  'overwrite',
  'irq-info',
  'markers',
  'test_nop_accept',
  'funcgraph-cpu',
  'funcgraph-overhead',
  'funcgraph-proc',
  'funcgraph-duration',
  'funcgraph-abstime',
  'funcgraph-tail',
]);
