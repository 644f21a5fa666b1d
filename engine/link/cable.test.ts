// A cable: serialisation, propagation, loss, state.
import { expect, it } from 'vitest';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { Sim } from '../sim/sim.ts';
import { Trace } from '../trace/trace.ts';
import { Cable, type CableSpec, serialisationTime } from './cable.ts';
import type { Frame, NicPort, Wire } from './port.ts';

class Probe implements NicPort {
  readonly got: { readonly time: number; readonly id: number }[] = [];
  readonly states: boolean[] = [];
  wire: Wire | undefined;
  constructor(
    readonly portName: string,
    private readonly sim: Sim,
  ) {}
  plug(wire: Wire | undefined): void {
    this.wire = wire;
  }
  receiveFrame(frame: Frame): void {
    this.got.push({ time: this.sim.now, id: frame.id });
  }
  linkChanged(up: boolean): void {
    this.states.push(up);
  }
}

function scene(spec: Partial<CableSpec> = {}, seed = 1) {
  const sim = new Sim(seed);
  const trace = new Trace(sim);
  const [a, b] = [new Probe('a:0', sim), new Probe('b:0', sim)];
  const cable = new Cable(sim, trace, { id: 'c', rate: 1e9, delay: 500, loss: 0, ...spec }, a, b);
  const send = (from: Probe, length: number, id: number): number | undefined =>
    from.wire?.transmit(from, { bytes: new Uint8Array(length), id, skb: 0 });
  const run = (): void => {
    while (sim.step());
  };
  return { sim, trace, a, b, cable, send, run };
}

it('the last bit arrives after serialisation with 24 bytes of overhead, and the delay', () => {
  const { a, b, send, run } = scene();
  expect(send(a, 1514, 1)).toBe(12_304);
  run();
  expect(b.got).toEqual([{ time: 12_804, id: 1 }]);
});

it('short frames count as 60 bytes, and frames queue behind each other without a gap, rounding never adding up', () => {
  const { a, b, send, run, sim } = scene({ rate: 1e10, delay: 0 });
  let free = 0;
  for (let i = 0; i < 100; i++) {
    sim.at(Math.max(free, sim.now) as typeof sim.now, { onEvent: () => (free = send(a, 40, i) ?? 0) }, 0);
    sim.step();
    run();
  }
  // 67.2 ns each
  expect(serialisationTime(40, 1e10)).toBeCloseTo(67.2);
  expect(b.got[99].time).toBe(6_720);
});

it('directions do not disturb each other', () => {
  const { a, b, send, run } = scene();
  send(a, 1514, 1);
  send(b, 60, 2);
  run();
  expect([a.got, b.got]).toEqual([[{ time: 1_172, id: 2 }], [{ time: 12_804, id: 1 }]]);
});

it('loss has its own stream: the same seed loses the same frames, whatever else draws numbers', () => {
  const lost = (seed: number, disturb: boolean): number[] => {
    const { a, b, send, run, sim } = scene({ loss: 0.3 }, seed);
    for (let i = 0; i < 200; i++) {
      if (disturb) sim.random('other').u32();
      send(a, 60, i);
    }
    run();
    const got = new Set(b.got.map((g) => g.id));
    return Array.from({ length: 200 }, (_, i) => i).filter((i) => !got.has(i));
  };
  expect(lost(1, true)).toEqual(lost(1, false));
  expect(lost(1, false)).not.toEqual(lost(2, false));
  expect(lost(1, false).length).toBeGreaterThan(30);
  expect(lost(1, false).length).toBeLessThan(100);
});

it('going down loses what is in flight, tells both ends once, and what is sent then is lost', () => {
  const { a, b, cable, send, run } = scene();
  send(a, 60, 1);
  cable.setUp(false);
  cable.setUp(false);
  send(a, 60, 2);
  cable.setUp(true);
  send(a, 60, 3);
  run();
  expect(b.got.map((g) => g.id)).toEqual([3]);
  expect([a.states, b.states]).toEqual([
    [true, false, true],
    [true, false, true],
  ]);
  expect(cable.states()[0]).toMatchObject({ frames: 3, lost: 2, from: 'a:0', to: 'b:0' });
});

it('unplugged, both ends have no wire and no link, and nothing arrives any more', () => {
  const { a, b, cable, send, run, sim } = scene();
  send(a, 60, 1);
  cable.unplug();
  run();
  expect([a.wire, b.wire, a.states.at(-1), b.got, sim.pending]).toEqual([undefined, undefined, false, [], 0]);
});

it('captures and traces are observation: bounded, drained, and not part of the hash or of a fork', () => {
  const run = (observe: boolean) => {
    const s = scene({ loss: 0.5 });
    s.cable.capture.enabled = observe;
    if (observe) s.trace.observe('all');
    for (let i = 0; i < 10; i++) s.send(s.a, 60, i);
    s.run();
    return s;
  };
  const [watched, plain] = [run(true), run(false)];
  expect(hashOf(watched.cable)).toBe(hashOf(plain.cable));
  const fork = new Cloner().clone(watched.cable);
  expect(fork.capture.out).toEqual([]);
  const { frames } = watched.cable.capture.drain();
  expect(frames).toHaveLength(10);
  expect(frames.filter((f) => f.lost === 'loss').length).toBe(watched.cable.states()[0].lost);
  expect(watched.cable.capture.drain()).toEqual({ frames: [], overflow: 0 });
  expect(watched.trace.drain().map((r) => [r.who, r.def.name, r.args[2], r.args[5]])).toEqual(
    frames.map((f) => ['cable/c', 'link:frame', f.frame.id, f.arrives]),
  );
});
