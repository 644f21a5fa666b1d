// The host as a window sees it: requests, pushes, terminals, time, edits – over the contract's messages, without a door.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { RequestName, Requests, SplitRingView, ToWindow } from '../../preload/contract.ts';
import { Host } from './host.ts';
import type { Client } from './protocol.ts';

const dir = mkdtempSync(join(tmpdir(), 'ringscope-host-'));
const hosts: Host[] = [];
afterEach(async () => {
  for (const h of hosts.splice(0)) await h.close();
});
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));

/** A window: sends requests, keeps what is pushed. The wall clock is the test's own. */
class TestWindow {
  readonly host: Host;
  readonly client: Client;
  wall = 0;
  private nextId = 1;
  private readonly answers = new Map<number, (m: Extract<ToWindow, { t: 'res' }>) => void>();
  private readonly pushes = new Map<number, unknown[]>();

  constructor() {
    this.host = new Host({ labDirs: ['resources/labs', dir], wall: () => this.wall, hostShell: false });
    hosts.push(this.host);
    this.client = this.host.connect((m) => {
      if (m.t === 'res') this.answers.get(m.id)?.(m);
      else this.pushes.get(m.id)?.push(m.value);
    }, 'browser');
  }
  request<N extends RequestName>(name: N, params: Requests[N][0]): Promise<Requests[N][1]> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.answers.set(id, (m) => (m.ok ? resolve(m.value as Requests[N][1]) : reject(new Error(m.error))));
      this.client.receive({ t: 'req', id, name, params });
    });
  }
  /** Values pushed so far, newest last. */
  subscribe(topic: string, params?: unknown): unknown[] {
    const id = this.nextId++;
    const values: unknown[] = [];
    this.pushes.set(id, values);
    this.client.receive({ t: 'sub', id, topic, params });
    return values;
  }
  /** Lets simulated time reach `seconds` from now, as fast as possible, then is paused. */
  async run(seconds: number): Promise<void> {
    const { time } = await this.request('run.start', { speed: 1 });
    await this.request('run.until', { time: time + seconds * 1e9 });
    this.host.tick();
  }
}

async function open(lab = 'two-hosts'): Promise<TestWindow> {
  const w = new TestWindow();
  await w.request('lab.open', { path: lab });
  await w.run(0.1);
  return w;
}

/** Types a line in a machine's terminal and answers what it printed within `seconds` of simulated time. */
async function type(w: TestWindow, machine: string, line: string, seconds: number): Promise<string> {
  const { id } = await w.request('term.open', { machine, cols: 80, rows: 24 });
  const out = w.subscribe('term', { id }) as { data?: string }[];
  w.host.tick();
  await w.request('term.input', { id, data: `${line}\r` });
  await w.run(seconds);
  return out.map((e) => e.data ?? '').join('');
}

describe('a window of the host', () => {
  test('lists the labs, opens one, and shows its topology', async () => {
    const w = await open();
    expect((await w.request('lab.list', {})).map((l) => l.id)).toContain('two-hosts');
    const t = await w.request('world.topology', {});
    expect(t.machines.map((m) => m.nics.map((n) => `${m.name} ${n.ifname} ${n.carrier}`))).toEqual([['h1 eth0 true'], ['h2 eth0 true']]);
    expect(t.cables).toHaveLength(1);
    expect(t.machines[0].interfaces.find((i) => i.name === 'eth0')?.addrs).toContain('10.0.0.1/24');
  });

  test('a ping in a terminal is seen in packets, rings, trace and timeline', async () => {
    const w = await open();
    const screen = await type(w, 'h1', 'ping -c 2 10.0.0.2', 3);
    expect(screen).toContain('root@h1:~# ');
    expect(screen).toContain('2 packets transmitted, 2 received, 0% packet loss');
    const packets = await w.request('packets.rows', { from: 0, count: 100, filter: 'icmp echo' });
    expect(packets.rows.filter((r) => r.protocol === 'ICMP').map((r) => /request|reply/.exec(r.info)?.[0])).toEqual([
      'request',
      'reply',
      'request',
      'reply',
    ]);
    expect(packets.matching).toBeGreaterThanOrEqual(4);
    const one = await w.request('packets.get', { index: packets.rows[0].index });
    expect(one.decode.map((n) => n.label)[0]).toMatch(/^Ethernet II/);
    expect(one.bytes).toHaveLength(2 * one.row.length);
    const rings = await w.request('rings.list', {});
    expect(rings.filter((r) => r.machine === 'h1').map((r) => r.name)).toEqual(['input.0', 'output.0', 'input.1', 'output.1', 'control']);
    const used = rings
      .filter((r) => r.machine === 'h1' && r.name.startsWith('input'))
      .map((r) => w.subscribe('ring', { machine: 'h1', port: 'nic0', queue: r.queue })[0] as SplitRingView);
    expect(used.reduce((n, r) => n + r.usedIdx, 0)).toBeGreaterThanOrEqual(3);
    expect((await w.request('trace.rows', { from: 0, count: 10, filter: 'virtq_push' })).matching).toBeGreaterThan(0);
    const spans = await w.request('trace.spans', { from: 0, to: 1e12, limit: 1000 });
    expect(spans.some((s) => s.kind === 'softirq')).toBe(true);
    expect(spans.filter((s) => s.label.startsWith('ICMP Echo')).map((s) => [s.track, s.kind])).toEqual(
      [1, 2, 1, 2].map((h) => ['h1:nic0--h2:nic0', `h${h}:nic0 →`]),
    );
    for (const s of spans) expect(s.end).toBeGreaterThan(s.start);
  });

  test('a descriptor opens with its fields, mapping and decoded bytes', async () => {
    const w = await open();
    const chain = await w.request('rings.chain', { machine: 'h1', port: 'nic0', queue: 0, descriptor: 5 });
    expect(chain.owner).toBe('driver');
    expect(chain.descriptors[0].fields.map((f) => f.name)).toEqual(['addr', 'len', 'flags', 'next']);
    expect(chain.mapping).toMatchObject({ direction: 'DMA_FROM_DEVICE' });
    await expect(w.request('rings.chain', { machine: 'h1', port: 'nic0', queue: 0, descriptor: 5000 })).rejects.toThrow(
      'There is no descriptor 5000 in queue 0 of h1:nic0.',
    );
  });

  test('time: pause, step, step back, go to an event, the same hash there again', async () => {
    const w = await open();
    await type(w, 'h1', 'ping -c 1 10.0.0.2', 1);
    const end = await w.request('world.hash', {});
    const back = await w.request('run.stepBack', { events: 10 });
    expect(back).toMatchObject({ mode: 'paused', event: end.event - 10, lastEvent: end.event });
    const forward = await w.request('run.step', { events: 10 });
    expect(forward.event).toBe(end.event);
    expect(await w.request('world.hash', {})).toEqual(end);
    expect((await w.request('run.goto', { event: 5 })).event).toBe(5);
    expect((await w.request('packets.rows', { from: 0, count: 1 })).total).toBe(0);
  });

  test('an edit is done, undone, redone, and named in the log', async () => {
    const w = await open();
    const names = async (): Promise<string[]> => (await w.request('world.topology', {})).machines.map((m) => m.name);
    await w.request('world.edit', { op: 'machine.add', x: 10, y: 20, nics: 2 });
    expect(await names()).toEqual(['h1', 'h2', 'h3']);
    await w.request('world.undo', {});
    expect(await names()).toEqual(['h1', 'h2']);
    await w.request('world.redo', {});
    expect(await names()).toEqual(['h1', 'h2', 'h3']);
    await w.request('world.edit', { op: 'cable.add', a: { machine: 'h3', port: 'nic0' }, b: { machine: 'h3', port: 'nic1' } });
    expect((await w.request('log.list', {})).map((e) => e.label)).toEqual([
      'add machine',
      'undo: add machine',
      'redo: add machine',
      'connect h3:nic0--h3:nic1',
    ]);
    await expect(
      w.request('world.edit', { op: 'cable.add', a: { machine: 'h3', port: 'nic0' }, b: { machine: 'h1', port: 'nic0' } }),
    ).rejects.toThrow('H3:nic0 has a cable already: remove it first.');
  });

  test('a lab is saved, and what was saved opens as the same lab', async () => {
    const w = await open();
    await w.request('world.edit', { op: 'machine.move', machine: 'h1', x: 5, y: 7 });
    const { path } = await w.request('lab.save', { path: join(dir, 'mine.lab.yaml') });
    expect(readFileSync(path, 'utf8')).toBe(await w.request('lab.text', {}));
    const t = await w.request('lab.open', { path });
    expect(t.machines.find((m) => m.name === 'h1')).toMatchObject({ x: 5, y: 7 });
  });

  test('a lab with mistakes is refused with file, line and column, and the open one stays', async () => {
    const w = await open();
    const path = join(dir, 'bad.lab.yaml');
    writeFileSync(path, 'ringscope: 1\nname: Bad\nmachines:\n  a: { cpus: 99 }\n');
    await expect(w.request('lab.open', { path })).rejects.toThrow(`${path}:4:14: cpus: 1 to 32`);
    expect((await w.request('world.topology', {})).machines.map((m) => m.name)).toEqual(['h1', 'h2']);
    expect(await w.request('problems.list', {})).toMatchObject([{ severity: 'error', text: 'cpus: 1 to 32', where: `${path}:4:14` }]);
  });

  test('nonsense from a window is answered, not followed', async () => {
    const w = await open();
    await expect(w.request('no.such' as RequestName, {} as never)).rejects.toThrow("The host has no request 'no.such'");
    await expect(w.request('term.open', { machine: 'nobody', cols: 80, rows: 24 })).rejects.toThrow(
      "There is no machine 'nobody' in this lab.",
    );
    await expect(w.request('term.input', { id: 77, data: 'x' })).rejects.toThrow('That terminal has ended: open a new one.');
    await expect(w.request('term.open', { host: true, cols: 80, rows: 24 })).rejects.toThrow('node-pty could not be loaded');
    for (const raw of [undefined, 5, 'x', [], {}, { t: 'req' }, { t: 'sub', id: 1, topic: 'nosuch' }]) w.client.receive(raw);
    expect((await w.request('app.hello', { version: 1 })).version).toBe(1);
  });
});

describe('an interface dropped on a namespace', () => {
  test('is moved by the command of the log, and back by undo', async () => {
    const w = await open();
    await type(w, 'h1', 'ip netns add blue', 1);
    const place = async (): Promise<string | undefined> =>
      (await w.request('world.topology', {})).machines[0].interfaces.find((i) => i.name === 'eth0')?.netns;
    await w.request('world.edit', { op: 'iface.move', machine: 'h1', netns: '', ifname: 'eth0', to: 'blue' });
    expect(await place()).toBe('blue');
    expect((await w.request('log.list', {})).at(-1)).toMatchObject({ machine: 'h1', command: 'ip link set eth0 netns blue' });
    await w.request('world.undo', {});
    expect(await place()).toBe('');
    expect((await w.request('log.list', {})).at(-1)?.command).toBe('ip -n blue link set eth0 netns 1');
    await w.request('world.redo', {});
    expect(await place()).toBe('blue');
  });

  test('that cannot be moved is refused with what ip says, and there is nothing to undo', async () => {
    const w = await open();
    await expect(w.request('world.edit', { op: 'iface.move', machine: 'h1', netns: '', ifname: 'lo', to: 'nowhere' })).rejects.toThrow(
      'ip link set lo netns nowhere: ',
    );
    expect((await w.request('run.step', { events: 0 })).canUndo).toBeUndefined();
  });
});

describe('what a person does at an awkward moment', () => {
  test('lines pasted while a command runs are run after it, each once; Ctrl-C drops them', async () => {
    const w = await open();
    const all = await type(w, 'h1', 'sleep 1\recho on$((1+1))e\recho tw$((1+1))o', 3);
    expect(all.match(/^on2e|^tw2o/gm)).toEqual(['on2e', 'tw2o']);
    const stopped = await type(w, 'h1', 'sleep 9\recho ne$((1+1))ver\r\x03', 1);
    expect(stopped).not.toContain('ne2ver');
  });

  test('a removed machine hangs up its terminals, and only its own', async () => {
    const w = await open();
    const ids = await Promise.all(['h1', 'h2'].map((machine) => w.request('term.open', { machine, cols: 80, rows: 24 })));
    const [first, second] = ids.map(({ id }) => w.subscribe('term', { id }) as { exit?: number }[]);
    await w.request('world.edit', { op: 'machine.remove', machine: 'h2' });
    expect(second.at(-1)).toEqual({ exit: 129 });
    expect(first.some((e) => e.exit !== undefined)).toBe(false);
    await expect(w.request('term.input', { id: ids[1].id, data: 'ls\r' })).rejects.toThrow('That terminal has ended: open a new one.');
  });

  test('a lab opened again is pushed again when its machines are set up, though it then looks as before', async () => {
    const w = await open();
    const pushes = w.subscribe('topology') as { machines: { nics: { admin: boolean }[] }[] }[];
    const answer = await w.request('lab.open', { path: 'two-hosts' });
    expect(answer.machines[0].nics[0].admin).toBe(false);
    await w.run(3);
    expect(pushes.length).toBeGreaterThan(1);
    expect(pushes.at(-1)?.machines[0].nics[0].admin).toBe(true);
  });

  test('opening another lab ends the recording, keeps its file and says where', async () => {
    const w = await open();
    const path = join(dir, 'kept.mcap');
    const toasts = w.subscribe('toast') as { text: string }[];
    await w.request('record.start', { path });
    await w.request('lab.open', { path: 'week9-5-namespaces' });
    expect(toasts.at(-1)?.text).toBe(`The recording ended with its lab and is kept: ${path}`);
    expect(readFileSync(path).length).toBeGreaterThan(100);
  });

  test('the queues a ping uses are counted', async () => {
    const w = await open();
    const pushes = w.subscribe('queues', { machine: 'h1', port: 'nic0' }) as { taken: number[] }[];
    const before = pushes[0].taken;
    await type(w, 'h1', 'ping -c 2 10.0.0.2', 3);
    const after = pushes.at(-1)?.taken ?? [];
    expect(after).toHaveLength(5);
    expect([0, 1].map((direction) => after.filter((n, i) => i % 2 === direction && i < 4 && n > before[i]).length > 0)).toEqual([
      true,
      true,
    ]);
  });
});
