// What the ring inspector is told about packed rings: it is what memory holds, and what QEMU reports of a real Linux on the same queues.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Session } from '../session.ts';
import { command, openLab, runFor } from '../../testkit/lab.ts';
import { chainView } from './chains.ts';
import { ringList, ringView } from './rings.ts';

const ORACLE = '../shared/oracle/data/qmp-packed';
const packedRing = (s: Session, machine: string, queue: number) => {
  const ring = ringView(s.world, { machine, port: 'nic0', queue });
  if (ring?.format !== 'packed') throw new Error('not packed');
  return ring;
};

function pinged(count = 20): Session {
  const s = openLab('packed');
  command(s, 'h1', `ping -c ${count} -i 0.01 10.0.0.2`);
  runFor(s, 1e9);
  return s;
}

describe('a ring behind an IOMMU', () => {
  test('is read through the tables the device is behind, and looking changes nothing', () => {
    const s = openLab('iommu');
    const machine = [...s.world.machines.values()].find((m) => m.platform.iommu !== undefined);
    if (machine === undefined) throw new Error('no IOMMU in the lab');
    runFor(s, 1e9);
    const before = s.hash();
    const ring = ringView(s.world, { machine: machine.spec.name, port: [...machine.nics.keys()][0], queue: 0 });
    expect(ring?.owners).toMatch(/a{100}/);
    expect(ring?.descAddr).toBeGreaterThan(machine.platform.ram.size);
    const chain = chainView(
      s.world,
      { machine: machine.spec.name, port: [...machine.nics.keys()][0], queue: 0 },
      ring?.owners.indexOf('a') ?? -1,
    );
    expect([chain?.descriptors.length, chain?.mapping?.direction, s.hash()]).toEqual([1, 'DMA_FROM_DEVICE', before]);
  });
});

describe('a packed ring in the inspector', () => {
  test('a receive ring at rest: what was received is free, everything else is available and not fetched', () => {
    const s = pinged();
    const ring = packedRing(s, 'h1', 0);
    const received = ring.deviceUsed.at;
    expect(received).toBeGreaterThanOrEqual(20);
    expect([ring.size, ring.numFree]).toEqual([256, received]);
    expect(ring.owners).toBe('f'.repeat(received) + 'a'.repeat(256 - received));
    expect(ring.heads.slice(received)).toEqual(Array.from({ length: 256 - received }, (_, i) => received + i));
    expect([ring.driverUsed, ring.deviceAvail]).toEqual([ring.deviceUsed, { at: received, wrap: 1 }]);
    // the whole ring was posted once: the driver stands at its start again, in the next round
    expect(ring.driverAvail).toEqual({ at: 0, wrap: 0 });
    expect(ringList(s.world).every((r) => r.format === 'packed')).toBe(true);
  });

  test('the facts QEMU tells of a packed queue under Linux hold here: the shadow index is the last one, nothing in use, parts on pages of their own', () => {
    const s = pinged();
    const number = (text: string, key: string): number => Number(new RegExp(`"${key}": (\\d+)`).exec(text)?.[1]);
    const real = readFileSync(`${ORACLE}/005-variant-x-query-virtio-queue-status-q0.txt`, 'utf8');
    const state = s.world.machines.get('h1')?.nics.get('nic0')?.virtio?.transport.queues[0].state();
    if (state === undefined) throw new Error('no queue');
    for (const q of [
      {
        last: number(real, 'last-avail-idx'),
        shadow: number(real, 'shadow-avail-idx'),
        used: number(real, 'used-idx'),
        signalled: number(real, 'signalled-used'),
        inUse: number(real, 'inuse'),
        parts: [number(real, 'vring-desc'), number(real, 'vring-avail'), number(real, 'vring-used')],
      },
      {
        last: state.lastAvailIdx,
        shadow: state.shadowAvailIdx,
        used: state.usedIdx,
        signalled: state.signalledUsed,
        inUse: state.inUse,
        parts: [state.desc, state.driver, state.device],
      },
    ]) {
      expect([q.shadow, q.used, q.signalled, q.inUse]).toEqual([q.last, q.last, q.last, 0]);
      expect(q.parts.map((p) => p % 4096)).toEqual([0, 0, 0]);
      expect(new Set(q.parts).size).toBe(3);
    }
  });

  test('a small ring wraps: positions stay inside it and the wrap counters agree with the descriptors', () => {
    const s = pinged(90);
    const ring = packedRing(s, 'h2', 1);
    expect(ring.size).toBe(64);
    expect([ring.deviceUsed.wrap, ring.driverAvail.wrap]).toEqual([0, 0]);
    expect(ring.deviceUsed.at).toBeLessThan(64);
  });

  test('while a packet is with the device its chain names the skb, the buffer and the packet in it', () => {
    const s = openLab('packed');
    command(s, 'h1', 'ping -c 1 10.0.0.2');
    for (let i = 0; i < 20_000; i++) {
      s.step();
      const ring = packedRing(s, 'h1', 1);
      const at = ring.owners.search(/[ad]/);
      if (at < 0) continue;
      const chain = chainView(s.world, { machine: 'h1', port: 'nic0', queue: 1 }, at);
      expect(chain?.skb?.summary).toMatch(/^\d+ bytes/);
      expect(chain?.descriptors[0].fields.map((f) => f.name)).toEqual(['addr', 'len', 'id', 'flags']);
      expect(chain?.mapping?.direction).toBe('DMA_TO_DEVICE');
      expect(chain?.decode[0].label).toBe('virtio_net_hdr');
      return;
    }
    throw new Error('no packet was ever with the device');
  });
});
