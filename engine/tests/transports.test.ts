// Whole machines on every virtio transport: traffic, link, queues, removal without a rest; and such a world is a value.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLab } from '../../main/host/labs.ts';
import type { LabSpec, NicTransport } from '../machine/lab.ts';
import { dmaOf, netdevOf } from '../machine/queries.ts';
import { Session } from '../session/session.ts';
import { command, labFile, openLab, runFor } from '../testkit/lab.ts';

interface Way {
  readonly transport: NicTransport;
  readonly vectors?: number;
  readonly packed?: boolean;
  readonly queuePairs?: number;
  /** A single queue can be reset. */
  readonly resizes: boolean;
}
const WAYS: readonly Way[] = [
  { transport: 'transitional', resizes: true },
  { transport: 'transitional', queuePairs: 2, vectors: 2, resizes: true },
  { transport: 'modern', vectors: 0, resizes: true },
  { transport: 'modern', vectors: 0, packed: true, resizes: true },
  { transport: 'legacy', queuePairs: 2, resizes: false },
  { transport: 'legacy', vectors: 0, resizes: false },
  { transport: 'mmio', queuePairs: 2, resizes: false },
  { transport: 'mmio', packed: true, resizes: false },
  { transport: 'mmio-legacy', resizes: false },
];

function lab({ resizes: _, ...nic }: Way): LabSpec {
  const spec = parseLab(readFileSync(labFile('two-hosts'), 'utf8'), 'two-hosts');
  const autoload = [nic.transport.startsWith('mmio') ? 'virtio_mmio' : 'virtio_pci', 'virtio_net'];
  return { ...spec, machines: spec.machines.map((m) => ({ ...m, autoload, nics: m.nics.map((n) => ({ ...n, queuePairs: 1, ...nic })) })) };
}

function open(spec: LabSpec): Session {
  const s = new Session(spec);
  s.boot();
  for (const m of spec.machines) for (const line of m.setup.split('\n')) if (line.trim() !== '') command(s, m.name, line.trim());
  return s;
}

const machineOf = (s: Session) => {
  const machine = s.world.machines.get('h1');
  const nic = machine?.nics.get('nic0');
  if (machine === undefined || nic?.virtio === undefined) throw new Error('no NIC');
  return { machine, nic, virtio: nic.virtio };
};

describe('virtio_net on every transport', () => {
  test.each(WAYS)('$transport, vectors $vectors, packed $packed, queue pairs $queuePairs', (way) => {
    const s = open(lab(way));
    const { machine, nic, virtio } = machineOf(s);
    command(s, 'h1', 'ping -c 60 -i 0.002 -s 4000 10.0.0.2');
    runFor(s, 0.5e9);
    expect(virtio.net.counters.rx_packets).toBeGreaterThan(60 * 3);
    command(s, 'h1', 'ethtool -G eth0 rx 64');
    runFor(s, 0.1e9);
    expect(virtio.transport.queues[0].size).toBe(way.resizes ? 64 : 256);
    virtio.net.setLink(false);
    runFor(s, 0.1e9);
    expect(netdevOf(machine, nic)?.nocarrier).toBe(true);
    virtio.net.setLink(true);
    runFor(s, 0.1e9);
    expect(netdevOf(machine, nic)?.nocarrier).toBe(false);
    const before = virtio.net.counters.rx_packets;
    command(s, 'h1', 'ping -c 20 -i 0.002 10.0.0.2');
    runFor(s, 0.2e9);
    expect(virtio.net.counters.rx_packets).toBeGreaterThanOrEqual(before + 20);
    expect([virtio.transport.fault, virtio.transport.queues.map((q) => q.fault).filter((f) => f !== undefined)]).toEqual([undefined, []]);
    command(s, 'h1', 'rmmod virtio_net');
    runFor(s, 0.1e9);
    expect([dmaOf(machine, 'nic0')?.leaks(), machine.kernel.contract.violations]).toEqual([[], []]);
  });
});

describe('a world of transports is a value', () => {
  test.each(['mmio', 'transitional'])('%s: a fork in the middle of traffic runs on as the original does, and so does a replay', (name) => {
    const s = openLab(name);
    command(s, 'h1', 'ping -c 40 -i 0.005 -s 3000 10.0.0.2');
    runFor(s, 0.1e9);
    const f = s.fork();
    runFor(f, 0.3e9);
    runFor(s, 0.3e9);
    const end = s.hash();
    expect(f.hash()).toBe(end);
    const replay = new Session(s.lab, s.log);
    replay.replayTo(s.event);
    expect(replay.hash()).toBe(end);
  });

  test('a device on the board can neither be plugged in nor taken out', () => {
    const s = openLab('mmio');
    const { nic } = machineOf(s);
    const edits = [
      { op: 'nic.remove', machine: 'h1', port: 'nic0' },
      { op: 'nic.add', machine: 'h1', spec: { ...nic.spec, port: 'nic9' } },
    ] as const;
    for (const edit of edits) expect(s.apply({ kind: 'edit', edit })).toMatchObject({ kind: 'refused' });
    expect(machineOf(s).machine.nics.size).toBe(1);
  });
});
