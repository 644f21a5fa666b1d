// Whole machines on every ring format: the driver takes what was offered, traffic flows, queues are resized, nothing stays behind; and the packed world is a value.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseLab } from '../../main/host/labs.ts';
import type { LabSpec } from '../machine/lab.ts';
import { dmaOf } from '../machine/queries.ts';
import { ringView } from '../session/views/rings.ts';
import { Session } from '../session/session.ts';
import { command, labFile, openLab, runFor } from '../testkit/lab.ts';
import { F } from '../virtio/features.ts';

const IN_ORDER = 'virtio_ring.in_order=1';

interface Rings {
  readonly packed: boolean;
  readonly indirect: boolean;
  readonly eventIdx: boolean;
  readonly inOrder: boolean;
}

function lab(rings: Rings, cmdline: string): LabSpec {
  const spec = parseLab(readFileSync(labFile('two-hosts'), 'utf8'), 'two-hosts');
  return { ...spec, machines: spec.machines.map((m) => ({ ...m, cmdline, nics: m.nics.map((n) => ({ ...n, ...rings, ringSize: 64 })) })) };
}

function open(spec: LabSpec): Session {
  const s = new Session(spec);
  s.boot();
  for (const m of spec.machines) for (const line of m.setup.split('\n')) if (line.trim() !== '') command(s, m.name, line.trim());
  return s;
}

const nicOf = (s: Session) => {
  const nic = s.world.machines.get('h1')?.nics.get('nic0')?.virtio;
  if (nic === undefined) throw new Error('no NIC');
  return nic;
};

const ALL: readonly Rings[] = [false, true].flatMap((packed) =>
  [false, true].flatMap((indirect) =>
    [false, true].flatMap((eventIdx) => [false, true].map((inOrder) => ({ packed, indirect, eventIdx, inOrder }))),
  ),
);

describe('virtio_net on every ring format', () => {
  test.each(ALL)('packed $packed, indirect $indirect, event index $eventIdx, in order $inOrder', (rings) => {
    const s = open(lab(rings, rings.inOrder ? IN_ORDER : ''));
    const negotiated = nicOf(s).transport.driverFeatures;
    const has = (f: bigint): boolean => (negotiated & f) !== 0n;
    expect({
      packed: has(F.VIRTIO_F_RING_PACKED),
      indirect: has(F.VIRTIO_F_RING_INDIRECT_DESC),
      eventIdx: has(F.VIRTIO_F_RING_EVENT_IDX),
      inOrder: has(F.VIRTIO_F_IN_ORDER),
    }).toEqual(rings);
    const errors = (): number => s.world.machines.get('h1')?.kernel.init_net.__dev_get_by_name('eth0')?.stats.rx_errors ?? -1;
    // fragments in bursts: lists of several descriptors, merged receive buffers, more wraps than the ring has entries
    command(s, 'h1', 'ping -c 60 -i 0.002 -s 9000 10.0.0.2');
    runFor(s, 0.5e9);
    command(s, 'h1', `ethtool -G eth0 rx ${rings.packed ? 48 : 32} tx ${rings.packed ? 48 : 32}`);
    command(s, 'h1', 'ping -c 60 -i 0.002 -s 4000 10.0.0.2');
    runFor(s, 0.5e9);
    const h1 = s.world.machines.get('h1');
    const h2 = s.world.machines.get('h2');
    expect(
      nicOf(s)
        .transport.queues.slice(0, 2)
        .map((q) => q.size),
    ).toEqual(rings.packed ? [48, 48] : [32, 32]);
    expect(nicOf(s).transport.queues.map((q) => q.fault)).toEqual(nicOf(s).transport.queues.map(() => undefined));
    expect(nicOf(s).net.counters.rx_packets).toBeGreaterThan(60 * 7 + 60 * 3);
    expect([errors(), h1?.kernel.contract.violations, h2?.kernel.contract.violations]).toEqual([0, [], []]);
    if (h1 === undefined) throw new Error('no machine');
    expect(dmaOf(h1, 'nic0')?.leaks().length).toBeGreaterThan(0);
    command(s, 'h1', 'rmmod virtio_net');
    runFor(s, 0.1e9);
    expect(dmaOf(h1, 'nic0')?.leaks()).toEqual([]);
    expect(h1.kernel.contract.violations).toEqual([]);
  });

  test('Linux 6.1 refuses to use buffers in order unless the boot command line says so', () => {
    const s = open(lab({ packed: false, indirect: true, eventIdx: true, inOrder: true }, ''));
    expect(nicOf(s).transport.offered & F.VIRTIO_F_IN_ORDER).not.toBe(0n);
    expect(nicOf(s).transport.driverFeatures & F.VIRTIO_F_IN_ORDER).toBe(0n);
  });
});

describe('virtio-v1.2 §2.9 notification data', () => {
  test.each([false, true])('every doorbell says where the driver adds next (packed: %s)', (packed) => {
    const rings = { packed, indirect: true, eventIdx: false, inOrder: false, notificationData: true };
    const s = open(lab(rings, 'virtio_ring.notification_data=1'));
    expect(nicOf(s).transport.driverFeatures & F.VIRTIO_F_NOTIFICATION_DATA).not.toBe(0n);
    command(s, 'h1', 'ping -c 100 -i 0.002 10.0.0.2');
    runFor(s, 0.5e9);
    for (const index of [0, 1, 4]) {
      const q = nicOf(s).transport.queues[index].state();
      const ring = ringView(s.world, { machine: 'h1', port: 'nic0', queue: index });
      expect(q.notifications).toBeGreaterThan(0);
      // everything was taken since: the device stands where the last doorbell said
      if (ring?.format === 'packed') expect(q.notificationData).toBe(ring.driverAvail.at | (ring.driverAvail.wrap << 15));
      else expect(q.notificationData).toBe(ring?.format === 'split' ? ring.availIdx : undefined);
    }
  });
});

describe('a packed world is a value', () => {
  const pinged = (): Session => {
    const s = openLab('packed');
    command(s, 'h1', 'ping -c 40 -i 0.005 -s 3000 10.0.0.2');
    runFor(s, 0.4e9);
    return s;
  };

  test('a fork in the middle of traffic runs on as the original does', () => {
    const s = openLab('packed');
    command(s, 'h1', 'ping -c 40 -i 0.005 -s 3000 10.0.0.2');
    runFor(s, 0.1e9);
    const f = s.fork();
    runFor(f, 0.3e9);
    runFor(s, 0.3e9);
    expect(f.hash()).toBe(s.hash());
    expect(s.hash()).toBe(pinged().hash());
  });

  test('stepping, rewinding and replaying end where running does', () => {
    const s = pinged();
    const end = { event: s.event, hash: s.hash() };
    const replay = new Session(s.lab, s.log);
    replay.replayTo(end.event);
    expect(replay.hash()).toBe(end.hash);
    s.goto(Math.floor(end.event / 2));
    while (s.event < end.event) s.step();
    expect(s.hash()).toBe(end.hash);
  });
});
