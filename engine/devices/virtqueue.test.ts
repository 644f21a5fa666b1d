// The device's ring walker against everything a guest can get wrong.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DirectDmaPort } from '../platform/dma.ts';
import { Sim } from '../sim/sim.ts';
import { frame, payload } from '../testkit/frames.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { bareMachine } from '../testkit/scripted_driver.ts';
import { Trace } from '../trace/trace.ts';
import { F } from '../virtio/features.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { descTableBytes, VIRTQ_DESC_F } from '../virtio/ring.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { VirtqChain, Virtqueue } from './virtqueue.ts';

const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;

/** A station whose transmit queue gets a mistake, after one good packet. */
function broken(mistake: (s: Station, buffer: number) => void, features = (w: bigint) => w) {
  const pair = nicPair();
  const { a, b, sim } = pair;
  b.start();
  b.postRx(Array.from({ length: 8 }, () => [2048]));
  a.driver.probe();
  a.start(features(a.driver.offeredFeatures()));
  a.driver.write(C.config_msix_vector, 0);
  a.send(frame(payload(10)));
  settle(sim);
  mistake(a, a.driver.page(4096));
  a.tx[0].kick();
  settle(sim);
  return pair;
}

describe('a guest error is a typed fault, DEVICE_NEEDS_RESET and a configuration interrupt', () => {
  const table = (s: Station, entries: readonly (readonly [number, number, number, number])[], length = entries.length * 16): void => {
    const t = s.driver.page(4096);
    entries.forEach((e, i) => s.tx[0].setDesc(i, e[0], e[1], e[2], e[3], t));
    s.tx[0].setDesc(9, t, length, INDIRECT, 0);
    s.tx[0].offer(9);
  };
  it.each<[string, string, (s: Station, at: number) => void]>([
    ['head out of range', '§2.7.6', (s) => s.tx[0].offer(256)],
    [
      'next out of range',
      '§2.7.5',
      (s, at) => {
        s.tx[0].setDesc(9, at, 20, NEXT, 256);
        s.tx[0].offer(9);
      },
    ],
    [
      'loop',
      '§2.7.5.2',
      (s, at) => {
        s.tx[0].setDesc(9, at, 20, NEXT, 10);
        s.tx[0].setDesc(10, at, 20, NEXT, 9);
        s.tx[0].offer(9);
      },
    ],
    ['loop', '§2.7.5.2', (s, at) => table(s, [[at, 20, NEXT, 0]])],
    [
      'zero length',
      '§2.7.5',
      (s, at) => {
        s.tx[0].setDesc(9, at, 0, 0, 0);
        s.tx[0].offer(9);
      },
    ],
    [
      'outside memory',
      '§2.7.5',
      (s) => {
        s.tx[0].setDesc(9, (4 << 20) - 10, 20, 0, 0);
        s.tx[0].offer(9);
      },
    ],
    [
      'outside memory',
      '§2.7.5',
      (s) => {
        s.tx[0].setDesc(9, Number.MAX_SAFE_INTEGER, 20, 0, 0);
        s.tx[0].offer(9);
      },
    ],
    [
      'outside memory',
      '§2.7.5',
      (s) => {
        s.tx[0].setDesc(9, 4 << 20, 16, INDIRECT, 0);
        s.tx[0].offer(9);
      },
    ],
    [
      'write before read',
      '§2.7.4.2',
      (s, at) => {
        s.tx[0].setDesc(9, at, 20, NEXT | WRITE, 10);
        s.tx[0].setDesc(10, at, 20, 0, 0);
        s.tx[0].offer(9);
      },
    ],
    [
      'indirect with next',
      '§2.7.5.3.1',
      (s, at) => {
        s.tx[0].setDesc(9, at, 16, INDIRECT | NEXT, 10);
        s.tx[0].offer(9);
      },
    ],
    ['indirect within indirect', '§2.7.5.3.1', (s, at) => table(s, [[at, 16, INDIRECT, 0]])],
    ['indirect size', '§2.7.5.3', (s, at) => table(s, [[at, 20, 0, 0]], 17)],
    ['indirect size', '§2.7.5.3', (s, at) => table(s, [[at, 20, 0, 0]], 0)],
    ['next out of range', '§2.7.5', (s, at) => table(s, [[at, 20, NEXT, 1]])],
    [
      'avail idx jump',
      '§2.7.6.1',
      (s) => {
        s.tx[0].availIdx += 257;
      },
    ],
    [
      'no header',
      '§5.1.6.2',
      (s, at) => {
        s.tx[0].setDesc(9, at, 11, 0, 0);
        s.tx[0].offer(9);
      },
    ],
  ])('%s (virtio-v1.2 %s)', (kind, section, mistake) => {
    const { a, b, sim } = broken(mistake);
    expect(a.nic.pci.queues[1].fault).toMatchObject({ kind, queue: 1 });
    expect(a.nic.pci.queues[1].fault?.text).toContain(`virtio-v1.2 ${section}`);
    expect([a.driver.status, a.irqs.count(0x30)]).toEqual([0xf | S.NEEDS_RESET, 1]);
    a.send(frame(payload(10)));
    settle(sim);
    expect(b.receive(), 'nothing is served before a reset').toHaveLength(1);
    a.start();
    a.send(frame(payload(11)));
    settle(sim);
    expect(b.receive(), 'a reset heals').toHaveLength(1);
  });

  it('indirect not negotiated (virtio-v1.2 §2.7.5.3.1)', () => {
    const { a } = broken(
      (s, at) => {
        s.tx[0].setDesc(9, at, 16, INDIRECT, 0);
        s.tx[0].offer(9);
      },
      (w) => w & ~F.VIRTIO_F_RING_INDIRECT_DESC,
    );
    expect(a.nic.pci.queues[1].fault?.kind).toBe('indirect not negotiated');
  });

  it('chain too long: an indirect table of more than 1024 buffers (virtio-v1.2 §2.7.5.3.1)', () => {
    const { a } = broken((s, at) => {
      const t = s.driver.page(1025 * 16);
      for (let i = 0; i < 1025; i++) s.tx[0].setDesc(i, at, 1, i < 1024 ? NEXT : 0, i + 1, t);
      s.tx[0].setDesc(9, t, 1025 * 16, INDIRECT, 0);
      s.tx[0].offer(9);
    });
    expect(a.nic.pci.queues[1].fault?.kind).toBe('chain too long');
  });

  it('a receive buffer too small for the header (virtio-v1.2 §5.1.6.3.1), and a control command without an ack byte (§5.1.6.5)', () => {
    const rx = nicPair();
    rx.a.start();
    rx.b.start();
    rx.b.postRx([[11]]);
    rx.a.send(frame(payload(10)));
    settle(rx.sim);
    expect([rx.b.nic.pci.queues[0].fault?.kind, rx.b.driver.status & S.NEEDS_RESET]).toEqual(['no writable buffer', S.NEEDS_RESET]);
    rx.a.ctrl?.addChain([{ addr: rx.a.driver.page(10), len: 3 }]);
    rx.a.ctrl?.kick();
    expect(rx.a.nic.pci.queues[2].fault?.kind).toBe('no ack byte');
  });

  it('rings outside RAM or unaligned are refused when the queue is enabled (virtio-v1.2 §2.7)', () => {
    for (const [field, address, kind] of [
      [C.queue_desc, 4 << 20, 'ring outside memory'],
      [C.queue_device, 0x1002, 'ring not aligned'],
    ] as const) {
      const { a } = nicPair();
      a.driver.probe();
      a.driver.negotiate(a.driver.offeredFeatures());
      a.driver.setupQueue(1);
      a.driver.write(C.queue_reset, 1);
      a.driver.platform.bus.write(a.driver.common + field.offset, 4, address);
      a.driver.write(C.queue_enable, 1);
      expect([a.nic.pci.queues[1].fault?.kind, a.driver.status & S.NEEDS_RESET]).toEqual([kind, S.NEEDS_RESET]);
    }
  });

  it('the fault is on the record', () => {
    const { a, trace, sim } = nicPair();
    a.start();
    trace.observe(new Set(['virtio_device:fault']));
    a.tx[0].offer(999);
    a.tx[0].kick();
    settle(sim);
    const [r] = trace.drain();
    expect(r.args).toEqual([
      'virtio-net-pci 00:01.0',
      1,
      'head out of range',
      'q1 head 999: the avail ring names a descriptor beyond the table (index 999, queue size 256), virtio-v1.2 §2.7.6',
    ]);
  });
});

describe('fuzz', () => {
  const SIZE = 16;
  const descriptor = fc.record({
    addr: fc.oneof(fc.integer({ min: 0, max: 0x20000 }), fc.constantFrom(0xfffff, 2 ** 32, 2 ** 52, 2 ** 53)),
    len: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(16, 32, 0xffffffff)),
    flags: fc.oneof(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 0xffff })),
    next: fc.oneof(fc.integer({ min: 0, max: SIZE }), fc.integer({ min: 0, max: 0xffff })),
  });

  it('whatever the ring holds, the walker ends, stays in memory, keeps the order of buffers, and either yields a chain or one fault', () => {
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
        fc.array(fc.integer({ min: 0, max: SIZE }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 40 }),
        (descs, heads, idx) => {
          const sim = new Sim(1);
          const { platform } = bareMachine(sim, new Trace(sim), 'm', 1 << 17);
          const port = new DirectDmaPort(platform.ram, platform.apic);
          port.busMaster = true;
          const q = new Virtqueue('fuzz', 0, SIZE, port, sim, platform.scope);
          Object.assign(q, { desc: 0x1000, driver: 0x2000, device: 0x3000, indirect: true, eventIdx: true });
          descs.forEach((d, i) => {
            const at = 0x1000 + 16 * i;
            port.setU64(at, d.addr);
            port.setU32(at + 8, d.len);
            port.setU16(at + 12, d.flags);
            port.setU16(at + 14, d.next);
          });
          heads.forEach((h, i) => port.setU16(0x2004 + 2 * (i % SIZE), h));
          port.setU16(0x2002, idx);
          expect(q.enable()).toBe(true);
          const table = platform.ram.bytes.slice(0x1000, 0x1000 + descTableBytes(SIZE));
          const chain = new VirtqChain();
          let popped = 0;
          while (q.pop(chain)) {
            popped++;
            expect(chain.head).toBeLessThan(SIZE);
            expect(chain.out + chain.in).toBeGreaterThan(0);
            for (let i = 0; i < chain.out + chain.in; i++) expect(chain.addr[i] + chain.len[i]).toBeLessThanOrEqual(1 << 17);
            q.push(chain.head, 0);
            q.publish();
          }
          expect(popped).toBeLessThanOrEqual(SIZE);
          if (idx > SIZE) expect(q.fault?.kind).toBe('avail idx jump');
          if (q.fault === undefined) expect(popped).toBe(idx);
          else expect(q.pop(chain)).toBe(false);
          expect(platform.ram.bytes.slice(0x1000, 0x1000 + descTableBytes(SIZE))).toEqual(table);
        },
      ),
      fuzzRuns(400),
    );
  });

  it('a device fed random rings and random registers never throws and the world comes to rest', () => {
    const write = fc.record({ offset: fc.integer({ min: 0, max: 0x3fff }), size: fc.constantFrom(1, 2, 4), value: fc.nat(0xffffffff) });
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
        fc.array(write, { maxLength: 30 }),
        fc.uint8Array({ maxLength: 200 }),
        (descs, writes, bytes) => {
          const { a, b, sim } = nicPair();
          a.start();
          b.start();
          b.postRx([[300], [300]]);
          descs.forEach((d, i) => a.tx[0].setDesc(i, Math.min(d.addr, 2 ** 52), d.len, d.flags, d.next));
          for (let i = 0; i < 4; i++) a.tx[0].offer(i);
          a.tx[0].kick();
          b.nic.net.receiveFrame({ bytes, id: 1, skb: 0 });
          const bar = a.driver.bar(4);
          for (const w of writes) a.driver.platform.bus.write(bar + w.offset, w.size, w.value);
          for (const w of writes) a.driver.platform.bus.read(bar + w.offset, w.size);
          for (const w of writes) a.driver.setCfg(w.offset & 0xff, w.size, w.value);
          settle(sim);
          expect(sim.pending).toBe(0);
        },
      ),
      fuzzRuns(100),
    );
  });
});
