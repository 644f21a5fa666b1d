// A function tracer is part of the world: a rewound, re-executed or forked run with tracing on is the same run.
import { afterEach, describe, expect, it } from 'vitest';
import { instant } from '../base/units.ts';
import { patchCount } from '../kernel/trace/patch.ts';
import { DEFAULT_AUTOLOAD, DEFAULT_CABLE, DEFAULT_RAM_BYTES, DEFAULT_RING_SIZE, type LabSpec, type MachineSpec } from '../machine/lab.ts';
import { spawnSpec } from '../testkit/kernel_fixture.ts';
import { Session } from './session.ts';

const machine = (name: string, mac: string): MachineSpec => ({
  name,
  cpus: 2,
  ramBytes: DEFAULT_RAM_BYTES,
  x: 0,
  y: 0,
  nics: [{ port: 'eth0', model: 'virtio-net', mac, queuePairs: 2, ringSize: DEFAULT_RING_SIZE, slot: undefined, vectors: undefined }],
  autoload: DEFAULT_AUTOLOAD,
  setup: '',
  costs: {},
});
const LAB: LabSpec = {
  name: 'two',
  notes: '',
  seed: 7,
  machines: [machine('a', '52:54:00:00:00:01'), machine('b', '52:54:00:00:00:02')],
  cables: [{ a: { machine: 'a', port: 'eth0' }, b: { machine: 'b', port: 'eth0' }, ...DEFAULT_CABLE }],
  script: [],
};
const TRACING = '/sys/kernel/tracing';

function start(): { session: Session; run: (argv: string, name?: string) => void; write: (file: string, data: string) => void } {
  const session = new Session(LAB);
  session.boot();
  const run = (argv: string, name = 'a'): void => {
    session.apply({ kind: 'spawn', machine: name, spec: spawnSpec(argv.split(' ')) });
  };
  const write = (file: string, data: string): void => {
    session.apply({
      kind: 'fs',
      machine: 'a',
      netns: '',
      cwd: '/',
      fs: { call: 'write', path: `${TRACING}/${file}`, data, append: false },
    });
  };
  for (const [name, address] of [
    ['a', '10.0.0.1/24'],
    ['b', '10.0.0.2/24'],
  ]) {
    run(`ip addr add ${address} dev eth0`, name);
    run('ip link set eth0 up', name);
  }
  session.run(instant(session.time + 5e9), 1e6);
  return { session, run, write };
}
const traceOf = (session: Session): string => {
  const r = session.query('a', '', '/', { call: 'read', path: `${TRACING}/trace` });
  return r?.ok ? (r.data ?? '') : '';
};

afterEach(() => expect(patchCount()).toBe(0));

describe('tracing in a session', () => {
  it('rewinds to before the tracer and re-executes to the same hash and the same trace', () => {
    const { session, run, write } = start();
    const before = session.event;
    write('events/net/enable', '1');
    write('current_tracer', 'function_graph');
    run('ping -c 2 10.0.0.2');
    session.run(instant(session.time + 3e9), 1e6);
    const end = session.event;
    const hash = session.hash();
    const trace = traceOf(session);
    expect(trace).toContain('virtnet_poll [virtio_net]() {');
    expect(trace).toContain('/* net_dev_xmit: dev=eth0 ');

    const middle = Math.floor((before + end) / 2);
    session.goto(middle);
    const half = traceOf(session);
    expect(trace.startsWith(half.slice(0, 500))).toBe(true);
    session.goto(before);
    expect(traceOf(session)).toContain('# tracer: nop');
    session.goto(end);
    expect(session.hash()).toBe(hash);
    expect(traceOf(session)).toBe(trace);

    write('current_tracer', 'nop');
  });

  it('records on the machine that traces, and nowhere else', () => {
    const { session, run, write } = start();
    write('current_tracer', 'function');
    run('ping -c 1 10.0.0.2');
    session.run(instant(session.time + 3e9), 1e6);
    const records = (name: string): number => session.world.machines.get(name)?.kernel.trace.records().length ?? -1;
    expect(records('a')).toBeGreaterThan(20);
    expect(records('b')).toBe(0);
    write('current_tracer', 'nop');
  });
});
