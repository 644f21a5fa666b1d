// A session joined to shells: routes process output, applies the shells' inputs, and lets simulated time go on when all shells wait.
import {
  type Drained,
  faultViews,
  instant,
  type Input,
  type InputResult,
  type LoggedInput,
  type Session,
  type SpawnSpec,
  violationViews,
} from '../../engine/index.ts';
import type { Outside, ProcessWatcher, WorldPort } from './shell/world_port.ts';

export interface RuntimeListener {
  drained?(d: Drained): void;
  logged?(entry: LoggedInput): void;
  truncated?(event: number): void;
  /** After every turn of events and every input. */
  turned?(): void;
}

/** Events per turn of the host's loop between looks at the outside. */
const TURN = 20_000;

type ProcessEvent = Drained['processes'][number];

export class Runtime {
  private readonly watchers = new Map<string, ProcessWatcher>();
  private readonly listeners = new Set<RuntimeListener>();
  private undelivered: ProcessEvent[] = [];
  private busyCount = 0;
  /** Simulated time of the last input. */
  private lastInput = 0;
  /** Simulated time at which inputs are stamped; the pacing host moves it on, headless it is the session's time. */
  clock: (() => number) | undefined;

  constructor(readonly session: Session) {
    session.listen({
      drained: (d) => {
        this.undelivered.push(...d.processes);
        for (const l of this.listeners) l.drained?.(d);
      },
      logged: (entry) => {
        for (const l of this.listeners) l.logged?.(entry);
      },
      truncated: (event) => {
        for (const l of this.listeners) l.truncated?.(event);
      },
    });
  }

  /** Subscribes; answers its own unsubscribe. */
  listen(l: RuntimeListener): () => void {
    this.listeners.add(l);
    return () => this.listeners.delete(l);
  }

  apply(input: Input): InputResult {
    const result = this.session.apply(input, this.clock === undefined ? undefined : instant(this.clock()));
    this.lastInput = this.session.time;
    this.turned();
    return result;
  }

  private turned(): void {
    for (const l of this.listeners) l.turned?.();
  }

  /** Hands collected process output and ends to their shells. */
  deliver(): void {
    while (this.undelivered.length > 0) {
      const events = this.undelivered;
      this.undelivered = [];
      for (const e of events) {
        const key = `${e.machine}:${e.pid}`;
        const watcher = this.watchers.get(key);
        if (e.kind === 'output') watcher?.output(e.fd, e.data);
        else {
          this.watchers.delete(key);
          watcher?.exited(e.status, e.exec);
        }
      }
    }
  }

  /** Processes whose end a shell still waits for but which this world does not have (after a rewind that was forked): they end as killed. */
  orphans(): void {
    for (const [key, watcher] of [...this.watchers]) {
      const at = key.lastIndexOf(':');
      const machine = this.session.world.machines.get(key.slice(0, at));
      if (machine?.kernel.procs.get(Number(key.slice(at + 1))) !== undefined) continue;
      this.watchers.delete(key);
      watcher.exited(137, undefined);
    }
  }

  /** Lets all shells run until each waits for the world. */
  async settle(): Promise<void> {
    do {
      this.deliver();
      await new Promise((go) => setImmediate(go));
    } while (this.busyCount > 0 || this.undelivered.length > 0);
  }

  /**
   * Runs simulated time as fast as possible until `done` settles, `until` is reached, nothing can happen any more ('idle'), or no shell has
   * done anything for `patience` nanoseconds of simulated time ('stuck').
   */
  async runUntil(done: Promise<unknown>, until: number, patience = Infinity): Promise<'done' | 'time' | 'idle' | 'stuck'> {
    let finished = false;
    this.lastInput = this.session.time;
    const mark = (): void => {
      finished = true;
    };
    done.then(mark, mark);
    for (;;) {
      await this.settle();
      if (finished) return 'done';
      if (this.session.time - this.lastInput > patience) return 'stuck';
      const why = this.session.run(instant(until), TURN);
      this.turned();
      if (why === 'time' || why === 'idle') {
        await this.settle();
        if (finished) return 'done';
        if (this.undelivered.length === 0 && (this.session.nextTime() ?? Infinity) > until) return why;
      }
    }
  }

  /** The world as seen from outside any machine. */
  readonly outside: Outside = {
    injectFault: (spec) => {
      const r = this.apply({ kind: 'fault', fault: { op: 'inject', spec } });
      return r.kind === 'fault' ? r.id : r.kind === 'refused' ? r.why : 'the fault was not injected';
    },
    clearFault: (id) => {
      const r = this.apply({ kind: 'fault', fault: { op: 'clear', id } });
      return r.kind === 'refused' ? r.why : undefined;
    },
    faults: () => faultViews(this.session.world),
    violations: () => violationViews(this.session.world),
  };

  /** The world as the shell of `machine` sees it. */
  port(machine: string): WorldPort {
    const kernel = () => {
      const m = this.session.world.machines.get(machine);
      if (m === undefined) throw new Error(`there is no machine '${machine}' in this lab`);
      return m.kernel;
    };
    return {
      machine,
      hostname: kernel().hostname,
      spawn: (request, watcher) => this.spawn(machine, request, watcher),
      stdin: (pid, data, eof) => {
        if (kernel().procs.get(pid) !== undefined) this.apply({ kind: 'stdin', machine, pid, data, eof });
      },
      signal: (pid, signal) =>
        kernel().procs.get(pid) !== undefined && this.apply({ kind: 'signal', machine, pid, signal }).kind === 'done',
      fs: (netns, cwd, fs) => {
        const seen = this.session.query(machine, netns, cwd, fs);
        if (seen !== undefined) return seen;
        const r = this.apply({ kind: 'fs', machine, netns, cwd, fs });
        return r.kind === 'fs' ? r.result : { ok: false, errno: 5 };
      },
      programs: () => kernel().procs.programs.names,
      busy: async (work) => {
        this.busyCount++;
        try {
          return await work;
        } finally {
          this.busyCount--;
        }
      },
      outside: this.outside,
      now: () => this.session.time,
    };
  }

  /** Headless, a program starts when fork and exec have taken their time, and the world moves on meanwhile. */
  private spawnLater(machine: string, request: SpawnSpec): InputResult {
    const exec = this.session.world.machines.get(machine)?.platform.costs.exec ?? 0;
    const at = instant(this.session.time + exec);
    while (this.session.run(at, TURN) === 'attention' || this.session.time < at) if ((this.session.nextTime() ?? Infinity) > at) break;
    const result = this.session.apply({ kind: 'spawn', machine, spec: request }, at);
    this.lastInput = this.session.time;
    this.turned();
    return result;
  }

  private spawn(machine: string, request: SpawnSpec, watcher: ProcessWatcher): ReturnType<WorldPort['spawn']> {
    const r = this.clock === undefined ? this.spawnLater(machine, request) : this.apply({ kind: 'spawn', machine, spec: request });
    if (r.kind !== 'spawn') return { errno: 5 };
    const { result } = r;
    if (result.state === 'enoent') return undefined;
    if (result.state === 'error') return { errno: result.errno };
    this.watchers.set(`${machine}:${result.pid}`, watcher);
    this.deliver();
    return { pid: result.pid };
  }
}
