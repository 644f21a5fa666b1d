// Faults in a world: injected as inputs, seen in the trace, taken away; a run with them replays, forks and rewinds as any other.
import { expect, test } from 'vitest';
import type { FaultSpec } from '../machine/fault_kinds.ts';
import { Session } from '../session/session.ts';
import { command, openLab, runFor } from '../testkit/lab.ts';

function inject(s: Session, spec: FaultSpec): number {
  const r = s.apply({ kind: 'fault', fault: { op: 'inject', spec } });
  if (r.kind !== 'fault') throw new Error(JSON.stringify(r));
  return r.id;
}

test('a run with faults replays to the same hash, and a fork of it runs on identically', () => {
  const s = openLab('two-hosts');
  inject(s, { kind: 'frame-loss', at: 'h1:nic0--h2:nic0', probability: 0.3, times: -1 });
  inject(s, { kind: 'late-interrupt', at: 'h2:nic0', value: 300_000 });
  command(s, 'h1', 'ping -c 5 -i 0.2 10.0.0.2');
  runFor(s, 0.5e9);
  const fork = s.fork();
  runFor(s, 2e9);
  runFor(fork, 2e9);
  expect(fork.hash()).toBe(s.hash());
  expect(s.world.faults.list.map((f) => f.state?.strikes)).toEqual(fork.world.faults.list.map((f) => f.state?.strikes));
  expect(s.world.faults.list[0].state?.strikes).toBeGreaterThan(0);
  const replay = new Session(s.lab, s.log);
  replay.replayTo(s.event);
  expect(replay.hash()).toBe(s.hash());
});

test('a fault strikes the occasions it is for: after those it lets by, so many times', () => {
  const s = openLab('two-hosts');
  s.observe(new Set(['fault:armed', 'fault:strike', 'fault:cleared']));
  const seen: string[] = [];
  s.listen({ drained: (d) => seen.push(...d.trace.map((r) => r.def.name)), logged: () => {}, truncated: () => {} });
  const id = inject(s, { kind: 'frame-loss', at: 'h1:nic0--h2:nic0', skip: 2, times: 2 });
  command(s, 'h1', 'ping -c 10 -i 0.1 10.0.0.2');
  runFor(s, 3e9);
  const fault = s.world.faults.list[0];
  expect(fault.state?.strikes).toBe(2);
  expect(fault.state?.seen).toBeGreaterThan(4);
  s.apply({ kind: 'fault', fault: { op: 'clear', id } });
  expect(seen).toEqual(['fault:armed', 'fault:strike', 'fault:strike', 'fault:cleared']);
  expect(s.world.cables.get('h1:nic0--h2:nic0')?.faults).toBeUndefined();
});

test('a fault with a beginning and an end is armed between them', () => {
  const s = openLab('two-hosts');
  inject(s, { kind: 'stuck-queue', at: 'h1:nic0', queue: 1, after: 1e9, lasts: 1e9 });
  const phase = () => s.world.faults.list[0].phase;
  const phases = [phase()];
  for (let i = 0; i < 3; i++) {
    runFor(s, 0.9e9);
    phases.push(phase());
  }
  expect(phases).toEqual(['waiting', 'waiting', 'armed', 'over']);
});

test('what is not there cannot be befallen', () => {
  const s = openLab('two-hosts');
  const why = (spec: FaultSpec) => {
    const r = s.apply({ kind: 'fault', fault: { op: 'inject', spec } });
    return r.kind === 'refused' ? r.why : '';
  };
  expect(why({ kind: 'lost-doorbell', at: 'h3:nic0' })).toBe("there is no machine 'h3'");
  expect(why({ kind: 'lost-doorbell', at: 'h1' })).toBe("h1 has no NIC '': write MACHINE:PORT");
  expect(why({ kind: 'frame-loss', at: 'h1:nic0' })).toBe("there is no cable 'h1:nic0'");
  expect(why({ kind: 'probe-fail', at: 'h1' })).toBe('probe-fail needs the name of the step that fails');
});
