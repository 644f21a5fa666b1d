// What the ring inspector is told about an 82574L: it is what registers and memory hold, and looking changes nothing.
import { expect, test } from 'vitest';
import { command, openLab, runFor } from '../../testkit/lab.ts';
import { chainView } from './chains.ts';
import { ringList, ringView } from './rings.ts';

test('the rings of an e1000e after a ping: who owns what, positions of both sides, the packet in a written-back descriptor', () => {
  const s = openLab('reference-guest');
  command(s, 'guest', 'modprobe e1000e');
  command(s, 'guest', 'ip addr add 192.168.101.2/24 dev eth0');
  command(s, 'guest', 'ip link set eth0 up');
  runFor(s, 5e9);
  command(s, 'guest', 'ping -c 3 -i 0.2 192.168.101.1');
  runFor(s, 2e9);
  const before = s.hash();
  const rings = ringList(s.world).filter((r) => r.machine === 'guest' && r.port === 'nic1');
  expect(rings.map((r) => [r.name, r.format, r.size, r.enabled])).toEqual([
    ['input.0', 'e1000e', 256, true],
    ['output.0', 'e1000e', 256, true],
  ]);
  const [rx, tx] = [0, 1].map((queue) => {
    const v = ringView(s.world, { machine: 'guest', port: 'nic1', queue });
    if (v?.format !== 'e1000e') throw new Error('no e1000e ring');
    return v;
  });
  expect(rx.head).toBeGreaterThanOrEqual(4);
  expect(rx.nextToClean).toBe(rx.head);
  // what is given stands between head and tail, what was filled since the last write of the tail behind it
  expect(rx.owners.indexOf('d')).toBe(rx.head);
  expect([...rx.owners].filter((o) => o === 'd')).toHaveLength((rx.tail - rx.head + 256) % 256);
  expect([tx.head, tx.nextToClean, tx.owners]).toEqual([tx.tail, tx.nextToUse, 'f'.repeat(256)]);
  expect(tx.doorbells).toBeGreaterThanOrEqual(4);
  const chain = chainView(s.world, { machine: 'guest', port: 'nic1', queue: 0 }, rx.head);
  expect([chain?.owner, chain?.mapping?.direction, chain?.mapping?.by]).toEqual(['device', 'DMA_FROM_DEVICE', 'e1000_alloc_rx_buffers']);
  expect(chain?.descriptors[0].fields.map((f) => f.name)).toEqual(['buffer_addr', 'reserved']);
  const sent = chainView(s.world, { machine: 'guest', port: 'nic1', queue: 1 }, tx.head - 1);
  expect(sent?.descriptors[0].fields.map((f) => f.name)).toEqual(['buffer_addr', 'cmd_and_length', 'status', 'popts', 'special']);
  expect(s.hash()).toBe(before);
});
