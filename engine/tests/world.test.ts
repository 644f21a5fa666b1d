// The world is a value: fork, hash, step, rewind, replay (architecture §2).
import { describe, expect, test } from 'vitest';
import { Session } from '../session/session.ts';
import { command, openLab, runFor } from '../testkit/lab.ts';

const pinged = (): Session => {
  const s = openLab('two-hosts');
  command(s, 'h1', 'ping -c 3 10.0.0.2');
  runFor(s, 4e9);
  return s;
};

describe('the world is a value', () => {
  test('the same lab, seed and inputs give the same hash', () => {
    expect(pinged().hash()).toBe(pinged().hash());
  });

  test('another seed gives another world', () => {
    const other = openLab('two-hosts', 2);
    expect(other.hash()).not.toBe(openLab('two-hosts').hash());
  });

  test('a fork has the hash of its original, runs on identically, and shares nothing with it', () => {
    const s = openLab('two-hosts');
    command(s, 'h1', 'ping -c 3 10.0.0.2');
    runFor(s, 1.5e9);
    const f = s.fork();
    const before = s.hash();
    expect(f.hash()).toBe(before);
    runFor(f, 3e9);
    expect(s.hash()).toBe(before);
    runFor(s, 3e9);
    expect(s.hash()).toBe(f.hash());
  });

  test('stepping event by event ends where running does', () => {
    const run = pinged();
    const stepped = openLab('two-hosts');
    command(stepped, 'h1', 'ping -c 3 10.0.0.2');
    while (stepped.event < run.event) stepped.step();
    expect(stepped.hash()).toBe(run.hash());
  });

  test('every event can be returned to, and running on gives the end again', () => {
    const s = pinged();
    const end = { event: s.event, hash: s.hash() };
    const straight = new Map<number, string>();
    const again = new Session(s.lab, s.log);
    for (let e = 1; e <= end.event; e++) {
      again.replayTo(e);
      straight.set(e, again.hash());
    }
    for (let e = end.event; e >= 1; e -= 11) {
      s.goto(e);
      expect(s.hash(), `event ${e}`).toBe(straight.get(e));
    }
    s.goto(end.event);
    expect(s.hash()).toBe(end.hash);
  });

  test('observing changes nothing', () => {
    const watched = openLab('two-hosts');
    watched.observe('all');
    watched.captureFrames(true);
    watched.world.capturePackets('h1', true);
    command(watched, 'h1', 'ping -c 3 10.0.0.2');
    runFor(watched, 4e9);
    expect(watched.hash()).toBe(pinged().hash());
  });

  test('a rewind and a new input fork history: what came later is forgotten, and the new line replays', () => {
    const s = pinged();
    const later = s.event;
    s.goto(Math.floor(later / 2));
    command(s, 'h2', 'ping -c 1 10.0.0.1');
    expect(s.lastEvent).toBeLessThan(later);
    runFor(s, 3e9);
    const replay = new Session(s.lab, s.log);
    replay.replayTo(s.event);
    expect(replay.hash()).toBe(s.hash());
  });

  test('after a rewind the known inputs come again by themselves', () => {
    const s = pinged();
    const end = { event: s.event, hash: s.hash() };
    s.goto(10);
    while (s.event < end.event) s.step();
    expect(s.hash()).toBe(end.hash);
  });
});

describe('edits', () => {
  test('undoing the deletion of a machine brings it back with its counters, rings and pending work', () => {
    const s = openLab('two-hosts');
    command(s, 'h1', 'ping -c 5 10.0.0.2');
    runFor(s, 1.5e9);
    const stats = () =>
      s.world.machines
        .get('h2')
        ?.nics.get('nic0')
        ?.virtio?.transport.queues.map((q) => q.state().popped);
    const before = stats();
    const r = s.apply({ kind: 'edit', edit: { op: 'machine.remove', machine: 'h2' } });
    expect(s.world.machines.has('h2')).toBe(false);
    expect(s.world.cables.size).toBe(0);
    if (r.kind !== 'edit') throw new Error('refused');
    s.apply({ kind: 'edit', edit: r.inverse });
    expect(stats()).toEqual(before);
    expect(s.world.cables.size).toBe(1);
    runFor(s, 6e9);
    // it answers again
    expect(stats()).not.toEqual(before);
    const replay = new Session(s.lab, s.log);
    replay.replayTo(s.event);
    expect(replay.hash()).toBe(s.hash());
  });

  test('a batch that fails half-way changes nothing', () => {
    const s = openLab('two-hosts');
    const cables = [...s.world.cables.keys()];
    const r = s.apply({
      kind: 'edit',
      edit: {
        op: 'batch',
        edits: [
          { op: 'cable.remove', cable: cables[0] },
          { op: 'machine.remove', machine: 'nobody' },
        ],
      },
    });
    expect(r).toEqual({ kind: 'refused', why: "there is no machine 'nobody' in this lab" });
    expect([...s.world.cables.keys()]).toEqual(cables);
  });

  test('a NIC pulled out and put back by undo has its interface again', () => {
    const s = openLab('two-hosts');
    const names = () => s.world.machines.get('h1')?.kernel.init_net.devices.map((d) => d.name);
    expect(names()).toEqual(['lo', 'eth0']);
    const r = s.apply({ kind: 'edit', edit: { op: 'nic.remove', machine: 'h1', port: 'nic0' } });
    expect(names()).toEqual(['lo']);
    if (r.kind !== 'edit') throw new Error('refused');
    s.apply({ kind: 'edit', edit: r.inverse });
    expect(names()).toEqual(['lo', 'eth0']);
    let said = '';
    s.listen({
      drained: (d) => (said += d.processes.map((p) => (p.kind === 'output' ? p.data : '')).join('')),
      logged: () => {},
      truncated: () => {},
    });
    command(s, 'h1', 'ping -c 1 10.0.0.2');
    runFor(s, 2e9);
    expect(said).toContain('1 packets transmitted, 1 received');
  });
});
