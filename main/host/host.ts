// The host: one lab, one session, many windows. Answers every request of the contract and feeds every push.
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ActionLogEntry, Problem, RingId, RunState, Toast, TopologyView } from '../../preload/contract.ts';
import { instant, type LabSpec, portCounters, queuesTaken, ringView, Session, topologyView, violationCount } from '../../engine/index.ts';
import { contractProblems, faultHandlers } from './fault_requests.ts';
import { inspect } from './inspect.ts';
import { LabErrors, labErrorText } from './labs.ts';
import { EditHistory } from './edits.ts';
import { LabLibrary, type OpenLab } from './lab_library.ts';
import { framesInFlight, frameSpans, packetGet, packetRows } from './packets.ts';
import { Pacer } from './pacer.ts';
import { Client, type Feeds, type Handlers, UserError } from './protocol.ts';
import { Recording } from './recordings.ts';
import { chainOf, ringsOf } from './rings.ts';
import { Runtime } from './runtime.ts';
import { runScript } from './shell/run_script.ts';
import type { Sink } from './shell/streams.ts';
import { Stores } from './stores.ts';
import { Terminals } from './terminals.ts';
import { spans, traceRows } from './trace_views.ts';
import { writeFrames } from './pcap_export.ts';

/** Everything that belongs to one opened lab; replaced as a whole when another is opened. */
interface Open {
  readonly lab: OpenLab;
  readonly session: Session;
  readonly runtime: Runtime;
  readonly pacer: Pacer;
  readonly stores: Stores;
  readonly edits: EditHistory;
}

export interface HostOptions {
  readonly labDirs: readonly string[];
  readonly wall: () => number;
  /** Whether the person's own shell may be opened (node-pty is there). */
  readonly hostShell: boolean;
}

export class Host {
  private readonly clients = new Set<Client>();
  private readonly terminals: Terminals;
  private readonly library: LabLibrary;
  private readonly problems: Problem[] = [];
  private problemVersion = 0;
  private topologyVersion = 0;
  /** Topologies given as answers: a window that has one must be told again, though the push before it said the same as the next. */
  private told = 0;
  private topologyCache: { readonly key: string; readonly view: TopologyView } | undefined;
  private recording: Recording | undefined;
  private open: Open;
  private readonly handlers: Handlers;
  private readonly feeds: Feeds;

  constructor(private readonly options: HostOptions) {
    this.library = new LabLibrary(options.labDirs);
    this.terminals = new Terminals((id, e) => {
      let any = false;
      for (const c of this.clients) if (c.emit('term', (p) => p.id === id, e)) any = true;
      return any;
    });
    this.open = this.begin(this.library.empty());
    this.handlers = this.makeHandlers();
    this.feeds = this.makeFeeds();
  }

  /** A window connects; `send` delivers to it. */
  connect(send: ConstructorParameters<typeof Client>[0], door: 'electron' | 'browser'): Client {
    const client = new Client(send, this.handlers, this.feeds, door);
    this.clients.add(client);
    return client;
  }
  disconnect(client: Client): void {
    client.close();
    this.clients.delete(client);
    for (const id of client.terminals) this.terminals.close(id);
  }

  /** To be called at display rate. */
  tick(): void {
    this.terminals.flush();
    for (const c of this.clients) c.push();
  }

  /** Opens a lab file and runs it. */
  async openLab(path: string): Promise<TopologyView> {
    try {
      await this.replace(this.library.read(path));
    } catch (e) {
      if (e instanceof LabErrors) {
        for (const error of e.errors)
          this.report({
            severity: 'error',
            text: error.message,
            where: labErrorText(error).slice(0, -error.message.length - 2),
            event: undefined,
          });
        throw new UserError(e.message);
      }
      throw e;
    }
    return this.topology();
  }

  async close(): Promise<void> {
    this.terminals.closeAll();
    this.open.pacer.close();
    await this.recording?.stop(this.open.session);
  }

  private begin(lab: OpenLab): Open {
    const session = new Session(lab.spec);
    session.observe('all');
    session.captureFrames(true);
    session.boot();
    const runtime = new Runtime(session);
    const stores = new Stores();
    runtime.listen({ drained: (d) => stores.add(d), truncated: (event) => stores.cut(event) });
    const pacer = new Pacer(runtime, this.options.wall, (e) => {
      this.report({
        severity: 'error',
        text: `The simulation stopped: ${e instanceof Error ? e.message : String(e)}. Step back or reopen the lab.`,
        where: lab.spec.name,
        event: session.event,
      });
      this.toast({ kind: 'error', text: 'The simulation stopped because of an internal error; see Problems.' });
    });
    return { lab, session, runtime, pacer, stores, edits: new EditHistory(runtime) };
  }

  private async replace(lab: OpenLab): Promise<void> {
    await this.keepRecording();
    this.open.pacer.close();
    this.terminals.closeAll();
    this.open = this.begin(lab);
    this.problems.length = 0;
    this.told++;
    this.touch();
    this.open.pacer.start(1);
    void this.setup(this.open);
  }

  /** A recording belongs to one lab: leaving the lab ends it and keeps the file. */
  private async keepRecording(): Promise<void> {
    const { recording } = this;
    if (recording === undefined) return;
    this.recording = undefined;
    const { path } = await recording.stop(this.open.session);
    this.toast({ kind: 'info', text: `The recording ended with its lab and is kept: ${path}` });
  }

  /** The machines' setup scripts, as if typed at once after boot. */
  private async setup(open: Open): Promise<void> {
    for (const m of open.lab.spec.machines) {
      if (m.setup === '') continue;
      let errors = '';
      const sink: Sink = { write: (t) => ((errors += t), Promise.resolve(true)), close: () => undefined };
      const ignore: Sink = { write: () => Promise.resolve(true), close: () => undefined };
      const status = await runScript(m.setup, open.runtime.port(m.name), { stdout: ignore, stderr: sink }).status;
      if (status !== 0 || errors !== '')
        this.report({
          severity: 'warning',
          text: `The setup of ${m.name} ended with status ${status}: ${errors.trim()}`,
          where: `${open.lab.path ?? open.lab.spec.name}: machines.${m.name}.setup`,
          event: undefined,
        });
      this.touch();
    }
  }

  private touch(): void {
    this.topologyVersion++;
  }

  private report(p: Problem): void {
    this.problems.push(p);
    this.problemVersion++;
  }

  /** What was reported, and what the drivers of this world did that they must not do. */
  private allProblems(): readonly Problem[] {
    return [...this.problems, ...contractProblems(this.open.session.world)];
  }

  private toast(t: Toast): void {
    for (const c of this.clients) c.emit('toast', () => true, t);
  }

  private topology(): TopologyView {
    const { session, lab, edits } = this.open;
    const key = `${this.topologyVersion}/${session.event}/${edits.version}`;
    if (this.topologyCache?.key !== key) {
      const { machines, cables } = topologyView(session.world);
      const view = { lab: { name: lab.spec.name, path: lab.path, seed: lab.spec.seed, notes: lab.spec.notes }, machines, cables };
      this.topologyCache = { key, view };
    }
    return this.topologyCache.view;
  }

  private runState(): RunState {
    const { session, pacer, edits } = this.open;
    return {
      mode: pacer.mode,
      speed: pacer.speed,
      reached: pacer.reached,
      time: pacer.now(),
      event: session.event,
      lastEvent: session.lastEvent,
      recording: this.recording !== undefined,
      canUndo: edits.canUndo,
      canRedo: edits.canRedo,
      dirty: edits.dirty,
    };
  }

  /** After the session moved by a step or a rewind. */
  private async moved(): Promise<RunState> {
    await this.open.runtime.settle();
    this.open.pacer.anchor();
    this.hangUp();
    this.touch();
    return this.runState();
  }

  /** Terminals of machines that an edit or a step in time took away end. */
  private hangUp(): void {
    this.terminals.keepMachines((name) => this.open.session.world.machines.has(name));
  }

  private machine(name: string): void {
    if (!this.open.session.world.machines.has(name)) throw new UserError(`There is no machine '${name}' in this lab.`);
  }

  private current(): LabSpec {
    return this.open.edits.lab(this.open.lab.spec);
  }

  private makeHandlers(): Handlers {
    const topology = (): TopologyView => (this.touch(), this.told++, this.topology());
    const edited = (): TopologyView => (this.hangUp(), topology());
    return {
      'app.hello': (_p, client) => ({ version: 1, hostShell: this.options.hostShell, door: client.door }),
      'lab.list': () => this.library.list(),
      'lab.open': ({ path }) => this.openLab(path),
      'lab.new': async () => (await this.replace(this.library.empty()), this.topology()),
      'lab.text': () => this.library.text(this.current()),
      'lab.save': ({ path }) => {
        const to = this.library.save(this.current(), path ?? this.open.lab.path);
        this.open.lab.path = to;
        this.open.edits.saved();
        this.touch();
        return { path: to };
      },
      'lab.reload': () => {
        const { path } = this.open.lab;
        if (path === undefined) throw new UserError('This lab has no file yet: save it first.');
        return this.openLab(path);
      },
      'world.topology': topology,
      'world.edit': (edit) => (this.open.edits.apply(edit), edited()),
      'world.undo': () => (this.open.edits.undo(), edited()),
      'world.redo': () => (this.open.edits.redo(), edited()),
      'world.hash': () => ({ hash: this.open.session.hash(), event: this.open.session.event }),
      'run.start': ({ speed }) => (this.open.pacer.start(speed), this.runState()),
      'run.pause': () => (this.open.pacer.pause(), this.runState()),
      'run.step': async ({ events }) => {
        this.open.pacer.pause();
        for (let i = 0; i < Math.min(events, 100_000) && this.open.session.step(); i++);
        return this.moved();
      },
      'run.stepBack': ({ events }) => {
        this.open.pacer.pause();
        this.open.session.goto(this.open.session.event - events);
        return this.moved();
      },
      'run.goto': ({ event }) => {
        this.open.pacer.pause();
        this.open.session.goto(event);
        return this.moved();
      },
      'run.until': (p) => this.runUntil(p),
      'term.open': async (p, client) => {
        if ('host' in p) {
          if (!this.options.hostShell) throw new UserError('A shell of this computer is not available here: node-pty could not be loaded.');
          const id = await this.terminals.openHost(p.cols, p.rows);
          client.terminals.add(id);
          return { id, title: 'this computer' };
        }
        this.machine(p.machine);
        const netns = p.netns ?? '';
        const id = this.terminals.openMachine(this.open.runtime, p.machine, netns, p.cols);
        client.terminals.add(id);
        return { id, title: netns === '' ? p.machine : `${p.machine}/${netns}` };
      },
      'term.input': ({ id, data }) => {
        if (!this.terminals.input(id, data)) throw new UserError('That terminal has ended: open a new one.');
      },
      'term.resize': ({ id, cols, rows }) => this.terminals.resize(id, cols, rows),
      'term.ack': ({ id, chars }) => this.terminals.ack(id, chars),
      'term.close': ({ id }) => this.terminals.close(id),
      'rings.list': () => ringsOf(this.open.session),
      'rings.chain': (p) => chainOf(this.open.session, this.open.stores, p),
      'packets.rows': (p) => packetRows(this.open.stores, this.open.session.event, p),
      'packets.get': ({ index }) => packetGet(this.open.stores, index),
      'packets.export': ({ path }) => {
        const to = path ?? this.fresh('packets', 'pcapng');
        return { path: to, packets: writeFrames(to, this.open.stores, this.open.session.event) };
      },
      'trace.rows': (p) => traceRows(this.open.stores, this.open.session.lastEvent, p),
      'trace.spans': (p) => {
        const frames = frameSpans(this.open.stores, this.open.session.lastEvent, { ...p, limit: p.limit >> 2 });
        return [...spans(this.open.stores, this.open.session.lastEvent, { ...p, limit: p.limit - frames.length }), ...frames];
      },
      'inspect.get': (p) => inspect(this.open.session.world, p),
      'record.start': async ({ path }) => {
        if (this.recording !== undefined) throw new UserError('A recording is running already: stop it first.');
        this.recording = await Recording.start(
          path ?? this.fresh('session', 'mcap'),
          this.open.runtime,
          this.open.lab.spec,
          this.library.text(this.open.lab.spec),
        );
        return { path: this.recording.path };
      },
      'record.stop': async () => {
        const { recording } = this;
        if (recording === undefined) throw new UserError('No recording is running.');
        this.recording = undefined;
        return recording.stop(this.open.session);
      },
      'log.list': () => this.open.edits.log,
      ...faultHandlers(() => this.open.runtime),
      'problems.list': () => this.allProblems(),
    };
  }

  private makeFeeds(): Feeds {
    const key = (): string => `${this.open.session.event}/${this.topologyVersion}`;
    return {
      run: { version: () => JSON.stringify(this.runState()), value: () => this.runState() },
      topology: {
        version: () => `${this.told}/${JSON.stringify(this.topology())}`,
        value: () => this.topology(),
      },
      motion: {
        version: () => `${key()}/${Math.round(this.open.pacer.now())}`,
        value: () => ({
          time: this.open.pacer.now(),
          frames: framesInFlight(this.open.stores, this.open.session.world, this.open.pacer),
          ports: portCounters(this.open.session.world),
        }),
      },
      ring: {
        version: key,
        value: (p: RingId) => {
          const view = ringView(this.open.session.world, p);
          return view === undefined ? undefined : { ...view, event: this.open.session.event };
        },
      },
      queues: {
        version: key,
        value: (p: { readonly machine: string; readonly port: string }) => {
          const taken = queuesTaken(this.open.session.world, p.machine, p.port);
          return taken === undefined ? undefined : { taken };
        },
      },
      packets: {
        version: () => this.open.stores.frames.upTo(this.open.session.event),
        value: () => ({ total: this.open.stores.frames.upTo(this.open.session.event) }),
      },
      trace: {
        version: () => this.open.stores.trace.upTo(this.open.session.lastEvent),
        value: () => ({ total: this.open.stores.trace.upTo(this.open.session.lastEvent) }),
      },
      log: { version: () => this.open.edits.log.length, value: (): readonly ActionLogEntry[] => [...this.open.edits.log] },
      problems: {
        version: () => `${this.problemVersion}/${violationCount(this.open.session.world)}`,
        value: () => this.allProblems(),
      },
    };
  }

  private async runUntil(p: { readonly time?: number; readonly tracepoint?: string; readonly function?: string }): Promise<RunState> {
    const { session, pacer, stores } = this.open;
    if (p.time !== undefined) {
      if (p.time < session.time) throw new UserError('That time is in the past: use step back or the timeline.');
      pacer.pause();
      await this.runTo(p.time);
      return this.moved();
    }
    if (p.function !== undefined)
      throw new UserError('Running until a function is called is not available yet: give a time or a tracepoint.');
    const { tracepoint } = p;
    if (tracepoint === undefined) throw new UserError('Say until when: a time or a tracepoint.');
    let seen = stores.trace.total;
    pacer.stopWhen = () => {
      for (const [, r] of stores.trace.between(seen, stores.trace.total))
        if (r.def.name === tracepoint || r.def.name.endsWith(`:${tracepoint}`)) return true;
      seen = stores.trace.total;
      return false;
    };
    pacer.start();
    return this.runState();
  }

  /** Runs to a simulated time as fast as possible, with pauses for the windows. */
  private async runTo(time: number): Promise<void> {
    const { session, runtime } = this.open;
    for (;;) {
      await runtime.settle();
      const why = session.run(instant(time), 20_000);
      if (why !== 'time' && why !== 'idle') continue;
      await runtime.settle();
      if ((session.nextTime() ?? Infinity) > time) return;
    }
  }

  /** A new file below the person's folder of Ringscope files. */
  private fresh(kind: string, extension: string): string {
    const stamp = new Date().toISOString().replaceAll(/[:T]/g, '-').slice(0, 19);
    const name = this.open.lab.spec.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
    const path = join(homedir(), 'Ringscope', `${name}-${kind}-${stamp}.${extension}`);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }
}
