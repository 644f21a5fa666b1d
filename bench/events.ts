// The event queue alone, and a lab with a ping now and then: events per second of CPU time.
import { readFileSync } from 'node:fs';
import { parseLab } from '../main/host/labs.ts';
import { Session } from '../engine/session/session.ts';
import { instant } from '../engine/base/units.ts';
import { Sim, type Actor } from '../engine/sim/sim.ts';

const EVENTS = Number(process.env['EVENTS'] ?? 3_000_000);
/** Events that wait at any time: NICs, cables, CPUs and timers of a lab of some machines. */
const PENDING = 64;
/** Simulated seconds of the lab, in which h1 pings h2 a hundred times a second. */
const SECONDS = 600;

/** Schedules its next event at one of the distances that a network has: a frame's time, a device's latency, a link's delay, a timer. */
class Ticker implements Actor {
  private step: number;
  constructor(
    private readonly sim: Sim,
    seed: number,
  ) {
    this.step = seed;
  }
  onEvent(op: number): void {
    this.step = (this.step + 1) & 15;
    const distance = this.step === 0 ? 4_000_000 : this.step < 6 ? 1_000 : 70 + this.step;
    this.sim.after(distance, this, op, this);
  }
}

function timed(name: string, run: () => number): void {
  const c0 = process.cpuUsage();
  const events = run();
  const { user, system } = process.cpuUsage(c0);
  const cpu = (user + system) / 1e6;
  console.log(
    JSON.stringify({
      bench: 'events',
      what: name,
      events,
      cpu_s: Number(cpu.toFixed(3)),
      events_per_cpu_s: Math.round(events / cpu),
      ns_per_event: Math.round((cpu * 1e9) / events),
    }),
  );
}

function queue(events: number): number {
  const sim = new Sim(1);
  for (let i = 0; i < PENDING; i++) sim.after(i, new Ticker(sim, i), 0);
  for (let i = 0; i < events; i++) sim.step();
  return sim.executed;
}

function lab(): Session {
  const spec = parseLab(readFileSync('resources/labs/two-hosts.lab.yaml', 'utf8'), 'two-hosts');
  const session = new Session(spec);
  session.boot();
  const nowhere = { kind: 'null' } as const;
  const spawn = (machine: string, line: string): void => {
    session.apply({
      kind: 'spawn',
      machine,
      spec: { argv: line.split(' '), netns: '', cwd: '/', env: {}, stdin: nowhere, stdout: nowhere, stderr: nowhere },
    });
  };
  for (const m of spec.machines) for (const line of m.setup.trim().split('\n')) spawn(m.name, line);
  session.run(instant(session.time + 2e9), Number.MAX_SAFE_INTEGER);
  spawn('h1', 'ping -q -i 0.01 10.0.0.2');
  return session;
}

function run(session: Session, seconds: number): number {
  const { sim } = session.world;
  const before = sim.executed;
  session.run(instant(session.time + seconds * 1e9), Number.MAX_SAFE_INTEGER);
  return sim.executed - before;
}

queue(EVENTS / 10);
timed(`bare queue, ${PENDING} pending`, () => queue(EVENTS));
const session = lab();
run(session, SECONDS / 10);
timed(`two hosts, ${SECONDS} s of ping -i 0.01`, () => run(session, SECONDS));
