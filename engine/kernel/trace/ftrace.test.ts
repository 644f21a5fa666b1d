// Function tracing and events through tracefs, as text.
import { afterEach, describe, expect, it } from 'vitest';
import { ops } from '../../base/ops.ts';
import { Cloner } from '../../sim/clone.ts';
import { bootKernel, idleProcess } from '../../testkit/kernel_fixture.ts';
import { event } from '../../trace/trace.ts';
import type { Kernel } from '../kernel.ts';
import type { ModuleTable } from '../module.ts';
import { patchCount } from './patch.ts';

const Poked = event('net:demo_poked', { value: 'u32' }, (e) => `value=${e.value}`);

/** A little driver: one function that calls two others. */
class Demo {
  constructor(readonly kernel: Kernel) {}
  demo_poll(): number {
    this.kernel.charge(1_000);
    return this.demo_read() + this.demo_write();
  }
  demo_read(): number {
    const point = this.kernel.platform.scope.point(Poked);
    if (point.enabled) point.emit(7);
    this.kernel.charge(500);
    return 1;
  }
  demo_write(): number {
    this.kernel.charge(12_000);
    return 2;
  }
}
const TABLE: ModuleTable = ops({
  builtin: [],
  loadable: [
    ops({ name: 'demo', path: 'kernel/drivers/demo.ko', size: 16384, depends: [], description: '', license: 'GPL', functions: [Demo] }),
  ],
});

function setUp() {
  const fixture = bootKernel({ modules: TABLE });
  const { kernel } = fixture;
  kernel.modules.modprobe('demo');
  const demo = new Demo(kernel);
  const ctx = idleProcess(kernel);
  const read = (file: string): string => String(kernel.vfs.readFile(ctx, `/sys/kernel/tracing/${file}`));
  const write = (file: string, data: string, how: 'truncate' | 'append' = 'truncate'): number =>
    kernel.vfs.writeFile(ctx, `/sys/kernel/tracing/${file}`, data, how);
  /** Runs the driver in task context on CPU 1. */
  const run = (): number => {
    const cpu = kernel.platform.cpus.list[1];
    const begun = cpu.enterTask();
    cpu.currentTask = 'ping';
    cpu.currentPid = 312;
    const result = demo.demo_poll();
    cpu.leaveTask(begun, 'ping-312');
    return result;
  };
  return { ...fixture, demo, read, write, run, ctx };
}

afterEach(() => {
  expect(patchCount(), 'a test left prototypes patched').toBe(0);
});

describe('function tracing', () => {
  it('lists the functions of loaded modules with the module in brackets, and forgets them at removal', () => {
    const { kernel, read } = setUp();
    expect(read('available_filter_functions')).toContain('demo_poll [demo]\n');
    expect(read('available_filter_functions')).toContain('\nfree_irq\n');
    kernel.modules.delete_module('demo');
    expect(read('available_filter_functions')).not.toContain('demo_poll');
  });

  it('changes no result and leaves the prototype as it was', () => {
    const { read, write, run } = setUp();
    const before = Object.getOwnPropertyDescriptor(Demo.prototype, 'demo_poll');
    expect(write('current_tracer', 'function\n')).toBe(0);
    expect(Object.getOwnPropertyDescriptor(Demo.prototype, 'demo_poll')?.value).not.toBe(before?.value);
    expect(run()).toBe(3);
    expect(write('current_tracer', 'nop')).toBe(0);
    expect(Object.getOwnPropertyDescriptor(Demo.prototype, 'demo_poll')).toEqual(before);
    expect(read('current_tracer')).toBe('nop\n');
  });

  it('prints function records with task, CPU, context and caller', () => {
    const { read, write, run } = setUp();
    write('current_tracer', 'function');
    run();
    expect(read('trace')).toBe(
      [
        '# tracer: function',
        '#',
        '# entries-in-buffer/entries-written: 3/3   #P:2',
        '#',
        '#                                _-----=> irqs-off/BH-disabled',
        '#                               / _----=> need-resched',
        '#                              | / _---=> hardirq/softirq',
        '#                              || / _--=> preempt-depth',
        '#                              ||| / _-=> migrate-disable',
        '#                              |||| /     delay',
        '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
        '#              | |         |   |||||     |         |',
        '            ping-312     [001] .....     0.000000: demo_poll <-do_syscall_64',
        '            ping-312     [001] .....     0.000001: demo_read <-demo_poll',
        '            ping-312     [001] .....     0.000001: demo_write <-demo_poll',
        '',
      ].join('\n'),
    );
    write('current_tracer', 'nop');
  });

  it('draws calls as a graph: leaves on one line, durations from charged time, marks for long ones', () => {
    const { read, write, run } = setUp();
    write('current_tracer', 'function_graph');
    run();
    expect(read('trace')).toBe(
      [
        '# tracer: function_graph',
        '#',
        '# CPU  DURATION                  FUNCTION CALLS',
        '# |     |   |                     |   |   |   |',
        ' 1)               |  demo_poll [demo]() {',
        ' 1)   0.600 us    |    demo_read [demo]();',
        ' 1) + 12.100 us   |    demo_write [demo]();',
        ' 1) + 13.800 us   |  }',
        '',
      ].join('\n'),
    );
    write('current_tracer', 'nop');
  });

  it('shows events as comments inside the graph', () => {
    const { kernel, read, write, run } = setUp();
    kernel.platform.scope.point(Poked);
    expect(write('events/net/demo_poked/enable', '1')).toBe(0);
    write('current_tracer', 'function_graph');
    run();
    expect(read('trace')).toContain(
      ' 1)               |    demo_read [demo]() {\n 1)               |      /* demo_poked: value=7 */\n 1)   0.600 us    |    }\n',
    );
    write('current_tracer', 'nop');
    run();
    expect(read('trace')).toContain('            ping-312     [001] .....     0.000');
    expect(read('trace')).toContain(': demo_poked: value=7\n');
    expect(read('set_event')).toBe('net:demo_poked\n');
  });

  it('keeps only events that their filter accepts, and refuses filters over fields that are not there', () => {
    const { kernel, read, write, run } = setUp();
    kernel.platform.scope.point(Poked);
    write('events/net/demo_poked/enable', '1');
    expect(write('events/net/demo_poked/filter', 'nosuch == 1')).toBe(-22);
    expect(write('events/net/demo_poked/filter', '(value > 7 || common_comm ~ "sw*") && value != 0')).toBe(0);
    run();
    expect(read('trace')).not.toContain('demo_poked');
    expect(write('events/net/demo_poked/filter', 'value == 7 && common_pid == 312')).toBe(0);
    run();
    expect(read('trace')).toContain('demo_poked: value=7');
    expect(read('events/net/demo_poked/filter')).toBe('value == 7 && common_pid == 312\n');
    write('events/net/filter', '0');
    expect(read('events/net/demo_poked/filter')).toBe('none\n');
  });

  it('describes an event’s record as the kernel lays it out', () => {
    const { read } = setUp();
    const format = read('events/net/net_dev_xmit/format').split('\n');
    expect(format[0]).toBe('name: net_dev_xmit');
    expect(format.slice(8)).toEqual([
      '\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;',
      '\tfield:unsigned int len;\toffset:16;\tsize:4;\tsigned:0;',
      '\tfield:int rc;\toffset:20;\tsize:4;\tsigned:1;',
      '\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:0;',
      '',
      'print fmt: "dev=%s skbaddr=%p len=%u rc=%d", __get_str(name), REC->skbaddr, REC->len, REC->rc',
      '',
    ]);
  });

  it('keeps only long functions when a threshold is set', () => {
    const { read, write, run } = setUp();
    expect(write('tracing_thresh', '10')).toBe(0);
    write('current_tracer', 'function_graph');
    run();
    expect(read('trace').split('\n').slice(4)).toEqual([
      ' 1) + 12.100 us   |    } /* demo_write [demo] */',
      ' 1) + 13.800 us   |  } /* demo_poll [demo] */',
      '',
    ]);
    write('current_tracer', 'nop');
  });

  it('obeys the filters, refuses names that do not exist, and shows what is set', () => {
    const { read, write, run } = setUp();
    expect(read('set_ftrace_filter')).toBe('#### all functions enabled ####\n');
    expect(write('set_ftrace_filter', 'no_such_function')).toBe(-22);
    expect(write('set_ftrace_filter', 'demo_w* demo_read')).toBe(0);
    expect(write('set_ftrace_notrace', ':mod:demo')).toBe(0);
    expect(read('set_ftrace_notrace')).toBe('demo_poll [demo]\ndemo_read [demo]\ndemo_write [demo]\n');
    expect(write('set_ftrace_notrace', '')).toBe(0);
    expect(read('set_ftrace_filter')).toBe('demo_read [demo]\ndemo_write [demo]\n');
    expect(write('set_ftrace_filter', '!demo_read', 'append')).toBe(0);
    write('current_tracer', 'function');
    run();
    expect(read('trace').match(/demo_\w+ <-demo_\w+/g)).toEqual(['demo_write <-demo_poll']);
    write('current_tracer', 'nop');
  });

  it('switches recording at functions that carry a command, with the tracer off too', () => {
    const { read, write, run } = setUp();
    expect(write('set_ftrace_filter', 'demo_write:traceoff:1')).toBe(0);
    expect(write('set_ftrace_filter', 'nosuch:traceoff', 'append')).toBe(-22);
    expect(read('set_ftrace_filter')).toBe('#### all functions enabled ####\ndemo_write [demo]:traceoff:count=1\n');
    run();
    expect(read('tracing_on')).toBe('0\n');
    write('tracing_on', '1');
    run();
    expect(read('tracing_on')).toBe('1\n');
    expect(write('set_ftrace_filter', '!demo_write:traceoff', 'append')).toBe(0);
    expect(read('set_ftrace_filter')).toBe('#### all functions enabled ####\n');
  });

  it('traces only below set_graph_function', () => {
    const { read, write, run } = setUp();
    expect(write('set_graph_function', 'demo_write')).toBe(0);
    write('current_tracer', 'function_graph');
    run();
    expect(read('trace').split('\n').slice(4)).toEqual([' 1) + 12.100 us   |  demo_write [demo]();', '']);
    write('current_tracer', 'nop');
  });

  it('keeps nothing while tracing_on is 0 and empties on truncation', () => {
    const { kernel, read, write, run } = setUp();
    write('current_tracer', 'function');
    write('tracing_on', '0');
    run();
    expect(read('trace')).toContain('entries-in-buffer/entries-written: 0/0 ');
    write('tracing_on', '1');
    run();
    expect(kernel.trace.records()).toHaveLength(3);
    write('trace', '');
    expect(kernel.trace.records()).toHaveLength(0);
    write('current_tracer', 'nop');
  });

  it('overwrites the oldest records when a buffer is full and marks where buffers start', () => {
    const { read, write, run } = setUp();
    expect(read('buffer_size_kb')).toBe('7 (expanded: 1408)\n');
    expect(write('buffer_size_kb', '1')).toBe(0);
    expect(read('buffer_size_kb')).toBe('1\n');
    write('current_tracer', 'function');
    for (let i = 0; i < 20; i++) run();
    expect(read('trace')).toContain('entries-in-buffer/entries-written: 32/60 ');
    write('current_tracer', 'nop');
  });

  it('gives records to a reader of trace_pipe once, and says when there are none', () => {
    const { kernel, write, run, ctx } = setUp();
    const file = kernel.vfs.open(ctx, '/sys/kernel/tracing/trace_pipe', 0);
    if (typeof file === 'number') throw new Error(`open: ${file}`);
    expect(kernel.vfs.read(file)).toBe(-11);
    write('current_tracer', 'function');
    run();
    expect(String(kernel.vfs.read(file)).split('\n')).toHaveLength(4);
    expect(kernel.vfs.read(file)).toBe(-11);
    write('tracing_on', '0');
    expect(kernel.vfs.read(file)).toBe('');
    write('current_tracer', 'nop');
  });

  it('records nothing of questions from outside the world', () => {
    const { kernel, write, run } = setUp();
    write('current_tracer', 'function');
    expect(kernel.trace.quietly(run)).toBe(3);
    expect(kernel.trace.records()).toHaveLength(0);
    write('current_tracer', 'nop');
  });

  it('takes text from trace_marker', () => {
    const { read, write } = setUp();
    expect(write('trace_marker', 'hello\n')).toBe(0);
    expect(read('trace')).toContain('            bash-299     [000] .....     0.000000: tracing_mark_write: hello\n');
  });

  it('refuses unknown tracers, options and events', () => {
    const { write } = setUp();
    expect(write('current_tracer', 'bogus')).toBe(-22);
    expect(write('trace_options', 'bogus')).toBe(-22);
    expect(write('set_event', 'no:such')).toBe(-22);
    expect(write('nosuchfile', '1')).toBe(-13);
  });

  it('follows a forked world and keeps the original as it is', () => {
    const { kernel, write } = setUp();
    write('current_tracer', 'function');
    const fork = new Cloner().clone(kernel);
    fork.trace.sync();
    new Demo(fork).demo_poll();
    expect(fork.trace.records()).toHaveLength(3);
    expect(kernel.trace.records()).toHaveLength(0);
    write('current_tracer', 'nop');
    expect(patchCount()).toBeGreaterThan(0);
    fork.trace.setTracer('nop');
  });
});
