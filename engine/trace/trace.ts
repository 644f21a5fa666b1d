// Typed tracepoints and the one stream they write to. A tracepoint nobody listens to costs one boolean test.
import { ops } from '../base/ops.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { SelfHashing } from '../sim/hash.ts';

export type ArgKind = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'addr' | 'str' | 'bool' | 'ns';
export type ArgValue = number | string | boolean;

/** A declared tracepoint: name 'system:event' as in tracefs, typed arguments, text as Linux prints it after the colon. */
export interface EventDef {
  readonly name: string;
  readonly args: readonly { readonly name: string; readonly kind: ArgKind }[];
  readonly format: (e: Readonly<Record<string, ArgValue>>) => string;
}

/** Declares a tracepoint; arguments are emitted positionally in the declared order. */
export function event<A extends Record<string, ArgKind>>(
  name: string,
  args: A,
  format: (e: Readonly<Record<keyof A & string, ArgValue>>) => string,
): EventDef {
  return ops({
    name,
    args: Object.freeze(Object.entries(args).map(([n, kind]) => Object.freeze({ name: n, kind }))),
    format: format as EventDef['format'],
  });
}

/** Arguments by name, for `format` and filters. */
export function namedArgs(def: EventDef, args: readonly ArgValue[]): Record<string, ArgValue> {
  const out: Record<string, ArgValue> = {};
  for (let i = 0; i < def.args.length; i++) out[def.args[i].name] = args[i];
  return out;
}

/** One record of the stream. */
export interface TraceRecord {
  readonly time: number;
  /** World event during which it was emitted. */
  readonly event: number;
  /** Machine or cable. */
  readonly who: string;
  /** -1 outside a CPU. */
  readonly cpu: number;
  readonly def: EventDef;
  readonly args: readonly ArgValue[];
}

/** A listener inside the world (a kernel's ftrace). */
export interface PointListener {
  onTracepoint(point: TracePoint, args: readonly ArgValue[]): void;
}

/** Where a scope's records get their time and CPU from. */
export interface TraceClock {
  traceNow(): number;
  traceCpu(): number;
}

/** A tracepoint instance of one scope. Test `.enabled` at the call site, then `.emit(…)`. */
export class TracePoint implements SelfCloning, SelfHashing {
  enabled = false;
  /** The kernel's own listener (tracefs), part of the world. */
  listener: PointListener | undefined;
  constructor(
    readonly scope: TraceScope,
    readonly def: EventDef,
  ) {}

  emit(...args: ArgValue[]): void {
    const { scope } = this;
    const trace = scope.trace;
    if (trace.observes(this.def.name)) {
      trace.out.push({
        time: scope.clock.traceNow(),
        event: trace.events(),
        who: scope.who,
        cpu: scope.clock.traceCpu(),
        def: this.def,
        args,
      });
    }
    this.listener?.onTracepoint(this, args);
  }

  /** A fork is observed by nobody; only the kernel's own listener goes with it. */
  cloneInto(cloner: Cloner): TracePoint {
    const copy = cloner.register(this, Object.create(TracePoint.prototype) as TracePoint);
    const { listener, def } = this;
    return Object.assign(copy, { scope: cloner.clone(this.scope), def, enabled: listener !== undefined, listener: cloner.clone(listener) });
  }

  hashInto(): void {
    // observation is not state
  }
}

/** The tracepoints of one machine or cable. */
export class TraceScope implements SelfHashing {
  readonly points = new Map<string, TracePoint>();
  constructor(
    readonly trace: Trace,
    /** Machine or cable; changes when a machine is renamed. */
    public who: string,
    readonly clock: TraceClock,
  ) {}

  /** The instance of `def` in this scope; keep it in a field. */
  point(def: EventDef): TracePoint {
    let p = this.points.get(def.name);
    if (p === undefined) {
      p = new TracePoint(this, def);
      p.enabled = this.trace.observes(def.name);
      this.points.set(def.name, p);
    }
    return p;
  }

  /** Attaches or detaches the kernel's own listener. */
  listen(def: EventDef, listener: PointListener | undefined): void {
    const p = this.point(def);
    p.listener = listener;
    p.enabled = listener !== undefined || this.trace.observes(def.name);
  }

  hashInto(): void {
    // observation is not state
  }
}

/** The stream. Observation is not state: neither `out` nor what is observed is part of a world's hash. */
export class Trace implements SelfCloning, SelfHashing {
  /** Records since the last drain. */
  out: TraceRecord[] = [];
  /** Frames on cables are kept for the session. */
  capturing = false;
  private observed: ReadonlySet<string> | 'all' | undefined;
  readonly scopes: TraceScope[] = [];
  constructor(private readonly counter: { readonly executed: number }) {}

  scope(who: string, clock: TraceClock): TraceScope {
    const s = new TraceScope(this, who, clock);
    this.scopes.push(s);
    return s;
  }

  removeScope(scope: TraceScope): void {
    this.scopes.splice(this.scopes.indexOf(scope), 1);
  }

  restoreScope(scope: TraceScope): void {
    this.scopes.push(scope);
    this.refresh(scope);
  }

  /** Which tracepoints an outside observer (session, recorder, window) wants. */
  observe(what: ReadonlySet<string> | 'all' | undefined): void {
    this.observed = what;
    for (const s of this.scopes) this.refresh(s);
  }

  observes(name: string): boolean {
    return this.observed === 'all' || (this.observed !== undefined && this.observed.has(name));
  }

  events(): number {
    return this.counter.executed;
  }

  /** Takes what was recorded since the last call. */
  drain(): TraceRecord[] {
    const out = this.out;
    if (out.length > 0) this.out = [];
    return out;
  }

  private refresh(s: TraceScope): void {
    for (const p of s.points.values()) p.enabled = p.listener !== undefined || this.observes(p.def.name);
  }

  cloneInto(cloner: Cloner): Trace {
    const copy = cloner.register(this, Object.create(Trace.prototype) as Trace);
    return Object.assign(copy, {
      out: [],
      observed: undefined,
      capturing: false,
      counter: cloner.clone(this.counter),
      scopes: cloner.clone(this.scopes),
    });
  }

  hashInto(): void {
    // observation is not state
  }
}
