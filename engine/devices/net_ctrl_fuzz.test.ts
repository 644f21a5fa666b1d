// Whatever a driver writes to the control queue: an answer comes, nothing is thrown, and the device goes on.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame, payload } from '../testkit/frames.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { nicPair, settle } from '../testkit/nic_pair.ts';

const EVERYTHING = { rss: true, hash: true, notf_coal: true, vq_notf_coal: true, guest_uso4: true, host_uso: true } as const;
/** Lengths that commands have, and any other. */
const data = fc.oneof(
  fc.uint8Array({ minLength: 0, maxLength: 12 }),
  fc.uint8Array({ minLength: 0, maxLength: 320 }),
  // a plausible RSS_CONFIG: types, mask, unclassified, table, tail, key
  fc
    .record({ log: fc.nat(7), queue: fc.nat(5), key: fc.uint8Array({ minLength: 0, maxLength: 44 }), tx: fc.nat(5), types: fc.nat(0x3ff) })
    .map(({ log, queue, key, tx, types }) => {
      const entries = 1 << log;
      return Uint8Array.from([
        ...[types & 0xff, types >> 8, 0, 0, (entries - 1) & 0xff, (entries - 1) >> 8, queue & 1, 0],
        ...Array.from({ length: entries }, (_, i) => [i % (queue + 1), 0]).flat(),
        ...[tx, 0, key.length, ...key],
      ]);
    }),
);
const commands = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 6 }), data), { minLength: 1, maxLength: 12 });

test('virtio-v1.2 §5.1.6.5: any command is answered with OK or ERR, and frames still come in afterwards', () => {
  fc.assert(
    fc.property(commands, (list) => {
      const { a, b, sim } = nicPair({ spec: { queuePairs: 4, net: { properties: EVERYTHING } } });
      for (const s of [a, b]) s.start();
      for (const [cls, command, bytes] of list) expect([0, 1]).toContain(b.command(cls, command, bytes));
      const { net } = b.nic;
      expect(net.pairs >= 1 && net.pairs <= 4).toBe(true);
      for (let p = 0; p < 4; p++) b.postRx([[2048]], p);
      net.filter.promisc = true;
      a.send(frame(payload(100)));
      settle(sim);
      const before = net.counters.rx_filtered + net.counters.rx_packets;
      expect(before).toBe(1);
      expect(b.nic.pci.queues.every((q) => q.fault === undefined)).toBe(true);
    }),
    fuzzRuns(60),
  );
});
