// The tracer of one kernel: what is traced, the buffers, and the hooks that wrapped functions and tracepoints call.
import { Errno } from '../../base/errno.ts';
import { namedArgs, type ArgValue, type EventDef, type PointListener, type TracePoint } from '../../trace/trace.ts';
import type { FileWaiter } from '../fs/node.ts';
import type { Kernel } from '../kernel.ts';
import { contextFlags } from './context.ts';
import { matches, parseFilter, type EventSubject, type Predicate } from './event_filter.ts';
import { FunctionFilter } from './filter.ts';
import { availableFunctions } from './functions.ts';
import { TRACE_OPTIONS, TRACER_OPTIONS } from './options.ts';
import { FunctionProbes } from './probes.ts';
import { releasePatches, updatePatches } from './patch.ts';
import { UNREACHED_EVENTS } from './unreached_events.ts';
import { CpuRing, TRACE_EVENT, TRACE_FN, TRACE_GRAPH_ENT, TRACE_GRAPH_RET, TRACE_PRINT, type RingRecord } from './ring_buffer.ts';

export type TracerName = 'nop' | 'function' | 'function_graph';
export const TRACERS: readonly TracerName[] = ['function_graph', 'function', 'nop'];

/** Linux: TRACE_BUF_SIZE_DEFAULT, per CPU, and what is kept before anything is traced. */
const DEFAULT_KB = 1408;
export const UNEXPANDED_KB = 7;
/** Linux: SAVED_CMDLINES_DEFAULT */
const SAVED_CMDLINES = 128;

/** Who called the first traced function of a context. */
const ROOTS = Object.freeze({ hardirq: '__common_interrupt', softirq: '__irq_exit_rcu', task: 'do_syscall_64', idle: 'start_kernel' });

export class Ftrace implements PointListener {
  current_tracer: TracerName = 'nop';
  tracing_on = true;
  bufferKb = DEFAULT_KB;
  /** The buffers have their full size only once something was traced. */
  expanded = false;
  /** A question from outside the world runs kernel code: it must leave no trace, since it is not part of the run. */
  muted = false;
  maxGraphDepth = 0;
  /** tracing_thresh, ns: the graph tracer keeps only functions that took at least so long. */
  threshold = 0;
  readonly filter = new FunctionFilter('#### all functions enabled ####', 'mod');
  readonly probes = new FunctionProbes();
  readonly notrace = new FunctionFilter('#### no functions disabled ####', 'mod');
  readonly graphFunction = new FunctionFilter('#### all functions enabled ####', 'none');
  readonly graphNotrace = new FunctionFilter('#### no functions disabled ####', 'none');
  /** set_ftrace_pid and set_event_pid; empty: all. */
  readonly pids = new Set<number>();
  readonly eventPids = new Set<number>();
  readonly options = new Map<string, boolean>([...TRACE_OPTIONS, ...Object.values(TRACER_OPTIONS).flat()]);
  readonly rings: CpuRing[];
  readonly enabledEvents = new Set<string>();
  /** Filters by event: the text as written, and its parsed form. */
  readonly eventFilters = new Map<string, { readonly text: string; readonly predicate: Predicate }>();
  /** Task names by pid, newest last (Linux: saved_cmdlines). */
  readonly cmdlines = new Map<number, string>();
  private readonly names: string[] = [];
  private readonly nameIndex = new Map<string, number>();
  private waiters: FileWaiter[] = [];
  /** Functions on their way now; empty between events. Parallel stacks: name, entry time (-1: not recorded), graph trigger. */
  private readonly stack: string[] = [];
  private readonly entered: number[] = [];
  private readonly triggers: boolean[] = [];
  private graphDepth = 0;
  private inGraphFunction = 0;
  private inGraphNotrace = 0;

  constructor(readonly kernel: Kernel) {
    this.rings = kernel.platform.cpus.list.map((cpu) => new CpuRing(cpu.id, DEFAULT_KB));
    for (const def of UNREACHED_EVENTS) kernel.platform.scope.point(def);
  }

  /** Functions are being traced: the wrappers must be in place. */
  get tracing(): boolean {
    return this.current_tracer !== 'nop' || this.probes.active;
  }

  /** Makes the process-wide patches follow this kernel: called by the session for each kernel after fork or restore of a world. */
  sync(): void {
    updatePatches(this);
  }

  /** The world of this kernel is being replaced: called after its successor's `sync`. */
  release(): void {
    releasePatches(this);
  }

  /** Runs `question` without recording anything. */
  quietly<T>(question: () => T): T {
    this.muted = true;
    try {
      return question();
    } finally {
      this.muted = false;
    }
  }

  /** Switching tracers empties the buffers. */
  setTracer(name: TracerName): void {
    this.current_tracer = name;
    this.expanded = true;
    this.stack.length = 0;
    this.entered.length = 0;
    this.triggers.length = 0;
    this.graphDepth = 0;
    this.inGraphFunction = 0;
    this.inGraphNotrace = 0;
    this.clear();
    updatePatches(this);
  }

  clear(): void {
    for (const r of this.rings) r.reset();
  }

  resize(kilobytes: number): void {
    this.bufferKb = kilobytes;
    this.expanded = true;
    for (const r of this.rings) r.resize(kilobytes);
  }

  availableFunctions(): Map<string, string> {
    return availableFunctions(this.kernel);
  }

  option(name: string): boolean {
    return this.options.get(name) ?? false;
  }

  // ---- functions: called by the wrappers in patch.ts, in pairs

  enter(name: string): void {
    const { stack } = this;
    const caller = stack.length > 0 ? stack[stack.length - 1] : ROOTS[this.kernel.platform.cpus.current?.context ?? 'idle'];
    stack.push(name);
    const command = this.probes.active ? this.probes.take(name) : undefined;
    if (command !== undefined) this.tracing_on = command === 'traceon';
    // only functions that pass the filters are hooked, and only those cost anything
    const hooked = this.current_tracer !== 'nop' && this.wants(name);
    if (this.current_tracer === 'function_graph') this.graphEnter(name, hooked);
    else {
      this.entered.push(-1);
      this.triggers.push(false);
      if (hooked) this.push(TRACE_FN, this.intern(name), this.intern(caller), 0, '');
    }
    if (hooked) this.kernel.charge(this.kernel.platform.costs.ftrace);
  }

  leave(): void {
    const name = this.stack.pop();
    const entered = this.entered.pop() ?? -1;
    const trigger = this.triggers.pop() ?? false;
    if (name === undefined) return;
    if (entered >= 0) {
      this.graphDepth--;
      const took = this.kernel.now() - entered;
      if (took >= this.threshold) this.push(TRACE_GRAPH_RET, this.intern(name), this.graphDepth, took, '');
    }
    if (trigger && this.graphFunction.names.has(name)) this.inGraphFunction--;
    if (trigger && this.graphNotrace.names.has(name)) this.inGraphNotrace--;
  }

  private graphEnter(name: string, hooked: boolean): void {
    const starts = this.graphFunction.names.has(name);
    const stops = this.graphNotrace.names.has(name);
    if (starts) this.inGraphFunction++;
    if (stops) this.inGraphNotrace++;
    this.triggers.push(starts || stops);
    const inside = (!this.graphFunction.active || this.inGraphFunction > 0) && this.inGraphNotrace === 0;
    const shallow = this.maxGraphDepth === 0 || this.graphDepth < this.maxGraphDepth;
    if (!inside || !shallow || !hooked) {
      this.entered.push(-1);
      return;
    }
    this.entered.push(this.kernel.now());
    if (this.threshold === 0) this.push(TRACE_GRAPH_ENT, this.intern(name), this.graphDepth, 0, '');
    this.graphDepth++;
  }

  private wants(name: string): boolean {
    if (this.filter.active && !this.filter.names.has(name)) return false;
    if (this.notrace.active && this.notrace.names.has(name)) return false;
    return this.pids.size === 0 || this.pids.has(this.kernel.platform.cpus.current?.currentPid ?? 0);
  }

  // ---- events

  /** The kernel's events as Linux has them; what Linux cannot see is for the window only. */
  events(): EventDef[] {
    const out: EventDef[] = [];
    for (const p of this.kernel.platform.scope.points.values()) if (LINUX_SYSTEMS.has(systemOf(p.def))) out.push(p.def);
    return out;
  }

  enableEvent(def: EventDef, on: boolean): void {
    if (on) {
      this.enabledEvents.add(def.name);
      this.expanded = true;
    } else this.enabledEvents.delete(def.name);
    this.kernel.platform.scope.listen(def, on ? this : undefined);
  }

  onTracepoint(point: TracePoint, args: readonly ArgValue[]): void {
    if (this.muted) return;
    if (this.eventPids.size > 0 && !this.eventPids.has(this.kernel.platform.cpus.current?.currentPid ?? 0)) return;
    const { def } = point;
    const named = namedArgs(def, args);
    const filter = this.eventFilters.get(def.name);
    if (filter !== undefined && !matches(filter.predicate, named, this.subject())) return;
    this.push(TRACE_EVENT, 0, 0, 0, `${def.name.slice(def.name.indexOf(':') + 1)}: ${def.format(named)}`);
  }

  /** 0 or -EINVAL; '0' takes the filter away. */
  setEventFilter(def: EventDef, text: string): number {
    const trimmed = text.trim();
    if (trimmed === '0' || trimmed === 'none') {
      this.eventFilters.delete(def.name);
      return 0;
    }
    const predicate = parseFilter(trimmed, def);
    if (predicate === undefined) return -Errno.EINVAL;
    this.eventFilters.set(def.name, { text: trimmed, predicate });
    return 0;
  }

  private subject(): EventSubject {
    const cpu = this.kernel.platform.cpus.current;
    return { pid: cpu?.currentPid ?? 0, comm: cpu?.currentTask ?? 'swapper', cpu: cpu?.id ?? 0 };
  }

  /** trace_marker: text of a program into the trace. */
  mark(pid: number, comm: string, text: string): void {
    this.pushAs(pid, comm, TRACE_PRINT, 0, 0, 0, text.endsWith('\n') ? text.slice(0, -1) : text);
  }

  // ---- the buffer

  wait(waiter: FileWaiter): void {
    this.waiters.push(waiter);
  }

  /** All records in order of time, equal times by CPU. */
  records(cpu?: number): RingRecord[] {
    const out: RingRecord[] = [];
    for (const ring of this.rings) {
      if (cpu !== undefined && ring.cpu !== cpu) continue;
      for (let n = 0; n < ring.count; n++) out.push(ring.at(n));
    }
    return out.sort((x, y) => x.time - y.time || x.cpu - y.cpu);
  }

  nameOf(index: number): string {
    return this.names[index];
  }

  commOf(pid: number): string {
    return pid === 0 ? '<idle>' : (this.cmdlines.get(pid) ?? '<...>');
  }

  private push(kind: number, func: number, aux: number, duration: number, text: string): void {
    const cpu = this.kernel.platform.cpus.current;
    this.pushAs(cpu?.currentPid ?? 0, cpu?.currentTask ?? 'swapper', kind, func, aux, duration, text);
  }

  private pushAs(pid: number, comm: string, kind: number, func: number, aux: number, duration: number, text: string): void {
    if (!this.tracing_on) return;
    const cpu = this.kernel.platform.cpus.current;
    const flags = contextFlags(cpu?.context ?? 'task', cpu?.preemptCount ?? 0);
    if (pid !== 0 && this.cmdlines.get(pid) !== comm) this.saveCmdline(pid, comm);
    this.rings[cpu?.id ?? 0].push(this.kernel.now(), kind, flags, pid, func, aux, duration, text, this.option('overwrite'));
    if (this.waiters.length > 0) this.wakeReaders();
  }

  private wakeReaders(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const w of waiters) {
      const process = this.kernel.procs.get(w.pid);
      if (process !== undefined) this.kernel.procs.wake(process, w.op);
    }
  }

  private saveCmdline(pid: number, comm: string): void {
    this.cmdlines.delete(pid);
    this.cmdlines.set(pid, comm);
    if (this.cmdlines.size > SAVED_CMDLINES) {
      for (const oldest of this.cmdlines.keys()) {
        this.cmdlines.delete(oldest);
        break;
      }
    }
  }

  private intern(name: string): number {
    let i = this.nameIndex.get(name);
    if (i === undefined) {
      i = this.names.length;
      this.names.push(name);
      this.nameIndex.set(name, i);
    }
    return i;
  }
}

/** Event systems of Linux that this kernel has. */
const LINUX_SYSTEMS: ReadonlySet<string> = new Set([
  'fib',
  'fib6',
  'gro',
  'icmp',
  'irq',
  'irq_vectors',
  'module',
  'napi',
  'neigh',
  'net',
  'netlink',
  'page_pool',
  'qdisc',
  'sched',
  'skb',
  'sock',
  'tcp',
  'timer',
  'udp',
  'workqueue',
  'xdp',
]);

export const systemOf = (def: EventDef): string => def.name.slice(0, def.name.indexOf(':'));
export const eventOf = (def: EventDef): string => def.name.slice(def.name.indexOf(':') + 1);
