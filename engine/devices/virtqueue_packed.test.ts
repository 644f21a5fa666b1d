// The device's packed ring against a scripted driver: what it takes, what it writes, what it says no to. Case families as in virtio-villain's packed suite.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DirectDmaPort } from '../platform/dma.ts';
import { Sim } from '../sim/sim.ts';
import { frame, payload } from '../testkit/frames.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { nicPair, settle } from '../testkit/nic_pair.ts';
import { bareMachine } from '../testkit/scripted_driver.ts';
import { ScriptedPackedQueue, setupPackedQueue } from '../testkit/scripted_packed.ts';
import { Trace } from '../trace/trace.ts';
import { F } from '../virtio/features.ts';
import { VirtioNetHdr } from '../virtio/net.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTQ_DESC_F } from '../virtio/ring.ts';
import {
  availFlags,
  packedDescAt,
  RING_EVENT_FLAGS,
  VIRTQ_DESC_F_AVAIL,
  VIRTQ_DESC_F_USED,
  VirtqPackedDesc,
  WRAP_BIT,
} from '../virtio/ring_packed.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { VirtqChain, Virtqueue } from './virtqueue.ts';

const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;
const RAM = 1 << 17;
const PLACE = { desc: 0x1000, driver: 0x2000, device: 0x3000 };
const TABLE = 0x4000;
const BUF = 0x8000;
const ALL = F.VIRTIO_F_RING_PACKED | F.VIRTIO_F_RING_INDIRECT_DESC | F.VIRTIO_F_RING_EVENT_IDX;

function bare(size = 8, features = ALL, place = PLACE) {
  const sim = new Sim(1);
  const { platform } = bareMachine(sim, new Trace(sim), 'm', RAM);
  const port = new DirectDmaPort(platform.ram, platform.apic);
  port.busMaster = true;
  const q = new Virtqueue('packed', 3, 1024, port, sim, platform.scope);
  Object.assign(q, { size, desc: place.desc, driver: place.driver, device: place.device });
  q.configure(features);
  const enabled = q.enable();
  return { q, s: new ScriptedPackedQueue(platform.ram, place, size), chain: new VirtqChain(), enabled, ram: platform.ram };
}
type Bare = ReturnType<typeof bare>;

describe('virtio-v1.2 §2.8: what a driver does wrong is a typed fault with its section', () => {
  it.each<[string, string, (b: Bare) => void, bigint?]>([
    ['loop', '§2.8.17', ({ s }) => Array.from({ length: 8 }, () => s.offer(BUF, 8, NEXT))],
    [
      'part of a list not available',
      '§2.8.17',
      ({ s }) => {
        s.offer(BUF, 8, NEXT);
        s.setDesc(1, BUF, 8, availFlags(0), 0); // the wrap counter of the other round
      },
    ],
    [
      'part of a list not available',
      '§2.8.17',
      ({ s }) => {
        s.offer(BUF, 8, NEXT);
        s.setDesc(1, BUF, 8, 0, 0); // never written
      },
    ],
    [
      'write before read',
      '§2.8.17',
      ({ s }) => {
        s.offer(BUF, 8, NEXT | WRITE);
        s.offer(BUF, 8, 0);
      },
    ],
    ['zero length', '§2.8.4', ({ s }) => s.offer(BUF, 0, 0)],
    ['outside memory', '§2.8.4', ({ s }) => s.offer(RAM - 4, 8, 0)],
    ['outside memory', '§2.8.4', ({ s }) => s.offer(2 ** 52, 8, 0)],
    ['outside memory', '§2.8.4', ({ s }) => s.offer(BUF, 0xffffffff, WRITE)],
    ['indirect not negotiated', '§2.8.19', ({ s }) => s.offer(TABLE, 16, INDIRECT), F.VIRTIO_F_RING_PACKED],
    ['indirect with next', '§2.8.19', ({ s }) => s.offer(TABLE, 16, INDIRECT | NEXT)],
    [
      'indirect with next',
      '§2.8.19',
      ({ s }) => {
        s.offer(BUF, 8, NEXT);
        s.offer(TABLE, 16, INDIRECT);
      },
    ],
    ['indirect size', '§2.8.7', ({ s }) => s.offer(TABLE, 0, INDIRECT)],
    ['indirect size', '§2.8.7', ({ s }) => s.offer(TABLE, 24, INDIRECT)],
    ['outside memory', '§2.8.4', ({ s }) => s.offer(RAM, 16, INDIRECT)],
    ['outside memory', '§2.8.4', ({ s }) => s.offer(RAM - 16, 32, INDIRECT)],
    ['chain too long', '§2.8.19', ({ s }) => s.offer(TABLE, 1025 * 16, INDIRECT)],
    [
      'zero length',
      '§2.8.4',
      ({ s }) => {
        s.setDesc(0, BUF, 0, 0, 0, TABLE);
        s.offer(TABLE, 16, INDIRECT);
      },
    ],
    [
      'write before read',
      '§2.8.17',
      ({ s }) => {
        s.setDesc(0, BUF, 4, WRITE, 0, TABLE);
        s.setDesc(1, BUF, 4, 0, 0, TABLE);
        s.offer(TABLE, 32, INDIRECT);
      },
    ],
    [
      'too many in flight',
      '§2.8.17',
      ({ q, s, chain }) => {
        for (let i = 0; i < 8; i++) s.offer(BUF, 4, 0, i);
        for (let i = 0; i < 8; i++) expect(q.pop(chain)).toBe(true);
        s.offer(BUF, 4, 0, 0); // over a descriptor that is not used yet
      },
    ],
  ])('%s (virtio-v1.2 %s)', (kind, section, mistake, features) => {
    const b = bare(8, features);
    mistake(b);
    expect(b.q.pop(b.chain)).toBe(false);
    expect(b.q.fault).toMatchObject({ kind, queue: 3, section: `virtio-v1.2 ${section}` });
    expect(b.q.fault?.text).toContain(section);
    expect(b.q.pop(b.chain), 'nothing more is taken').toBe(false);
  });

  it.each([
    ['descriptor ring', { ...PLACE, desc: 0x1008 }, 'ring not aligned'],
    ['driver event suppression', { ...PLACE, driver: 0x2002 }, 'ring not aligned'],
    ['device event suppression', { ...PLACE, device: RAM }, 'ring outside memory'],
    ['descriptor ring', { ...PLACE, desc: RAM - 64 }, 'ring outside memory'],
  ])('§2.8.11 driver: %s in a place where no ring can be', (what, place, kind) => {
    const b = bare(8, ALL, place);
    expect([b.enabled, b.q.fault?.kind]).toEqual([false, kind]);
    expect(b.q.fault?.text).toContain(what);
  });
});

describe('virtio-v1.2 §2.8.1, §2.8.2: wrap counters', () => {
  it.each([
    ['never written', 0],
    ['both bits set: used already', VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED],
    ['the wrap counter of the next round', availFlags(0)],
  ])('a descriptor that is not available is not taken, and no fault: %s', (_what, flags) => {
    const { q, s, chain } = bare();
    s.setDesc(0, BUF, 8, flags, 0);
    expect([q.hasWork(), q.pop(chain), q.fault]).toEqual([false, false, undefined]);
  });

  it.each([1, 2, 3, 5, 8])('in a ring of %i, lists of every length cross the end or end exactly at it, for many rounds', (size) => {
    const { q, s, chain } = bare(size);
    let id = 100;
    for (let n = 0; n < 200; n++) {
      const length = 1 + (n % size);
      s.addChain(
        Array.from({ length }, (_, k) => ({ addr: BUF + 16 * k, len: 4 + k, write: true })),
        ++id,
      );
      expect(q.pop(chain)).toBe(true);
      expect([chain.head, chain.in, chain.addr[length - 1]]).toEqual([id, length, BUF + 16 * (length - 1)]);
      q.push(chain.head, n);
      q.publish();
      expect(s.takeUsed()).toEqual([{ id, len: n, written: n > 0 }]);
    }
    expect([q.fault, q.hasWork()]).toEqual([undefined, false]);
  });

  it('§2.8.22 device: used descriptors are written in the order of completion, with the IDs the driver chose, and skip the whole list', () => {
    const { q, s, chain } = bare();
    s.addChain(
      [
        { addr: BUF, len: 4 },
        { addr: BUF, len: 4, write: true },
      ],
      0xffff,
    );
    s.addChain([{ addr: BUF, len: 4, write: true }], 7);
    s.addChain([{ addr: BUF, len: 4 }], 7); // an ID twice is the driver's own trouble
    for (let i = 0; i < 3; i++) q.pop(chain);
    q.push(7, 4);
    q.push(0xffff, 2);
    expect(s.takeUsed()).toEqual([]);
    q.publish();
    expect([
      VirtqPackedDesc.id.get(s.ram, packedDescAt(PLACE.desc, 0)),
      VirtqPackedDesc.id.get(s.ram, packedDescAt(PLACE.desc, 1)),
    ]).toEqual([7, 0xffff]);
    expect(q.state()).toMatchObject({ usedIdx: 3, usedWrap: 1, lastAvailIdx: 4, inUse: 1 });
    q.push(7, 0);
    q.publish();
    expect(q.state()).toMatchObject({ usedIdx: 4, inUse: 0 });
  });

  it('untaken chains are taken again, over the end of the ring too', () => {
    const { q, s, chain } = bare(4);
    for (let i = 0; i < 3; i++) {
      s.addChain([{ addr: BUF, len: 4 }], i);
      q.pop(chain);
      q.push(i, 0);
    }
    q.publish();
    s.addChain(
      [
        { addr: BUF, len: 4 },
        { addr: BUF, len: 5 },
      ],
      8,
    );
    s.addChain([{ addr: BUF, len: 6 }], 9);
    q.pop(chain);
    q.pop(chain);
    q.unpop(2);
    expect(q.state()).toMatchObject({ lastAvailIdx: 3, availWrap: 1, inUse: 0, popped: 3 });
    q.pop(chain);
    expect([chain.head, chain.outBytes]).toEqual([8, 9]);
  });

  it('§2.8.7 device: in an indirect table only WRITE means something', () => {
    const { q, s, chain } = bare();
    s.setDesc(0, BUF, 4, NEXT | VIRTQ_DESC_F_AVAIL, 0x1234, TABLE);
    s.setDesc(1, BUF + 8, 8, WRITE | INDIRECT | VIRTQ_DESC_F_USED, 0x1234, TABLE);
    s.offer(TABLE, 32, INDIRECT | WRITE, 42);
    expect(q.pop(chain)).toBe(true);
    expect([chain.head, chain.out, chain.in, chain.inBytes]).toEqual([42, 1, 1, 8]);
    expect(q.state().lastAvailIdx).toBe(1);
  });
});

describe('virtio-v1.2 §2.8.10: event suppression', () => {
  const use = ({ q, s, chain }: Bare, count = 1): boolean => {
    for (let i = 0; i < count; i++) {
      s.addChain([{ addr: BUF, len: 4 }], i);
      q.pop(chain);
      q.push(i, 0);
    }
    return q.publish();
  };

  it('ENABLE always interrupts, DISABLE never', () => {
    const b = bare();
    b.s.setEvent(RING_EVENT_FLAGS.ENABLE);
    expect([use(b), use(b)]).toEqual([true, true]);
    b.s.setEvent(RING_EVENT_FLAGS.DISABLE);
    expect([use(b), use(b)]).toEqual([false, false]);
  });

  it('DESC interrupts when the descriptor is passed, in the same round or the next', () => {
    const b = bare(8);
    b.s.setEvent(RING_EVENT_FLAGS.DISABLE);
    use(b); // the first one after enabling is signalled whatever the event says: what was signalled before is not known
    b.s.setEvent(RING_EVENT_FLAGS.DESC, 3 | WRAP_BIT);
    expect([use(b), use(b), use(b), use(b)]).toEqual([false, false, true, false]);
    b.s.setEvent(RING_EVENT_FLAGS.DESC, 1);
    expect([use(b, 2), use(b)]).toEqual([false, true]); // slots 5, 6, then 7: after the wrap the driver is told once more
    expect([use(b), use(b)]).toEqual([false, true]); // slot 0, then 1 of the next round
  });

  it('§2.8.14 the device tells the position it waits for, with its wrap counter, or only that it waits', () => {
    const b = bare(4);
    use(b, 3);
    b.q.setNotifications(false);
    expect(b.s.deviceEvent.flags).toBe(RING_EVENT_FLAGS.DISABLE);
    b.q.setNotifications(true);
    expect(b.s.deviceEvent).toEqual({ flags: RING_EVENT_FLAGS.DESC, desc: 3 | WRAP_BIT });
    use(b);
    b.q.setNotifications(true);
    expect(b.s.deviceEvent).toEqual({ flags: RING_EVENT_FLAGS.DESC, desc: 0 });
    const plain = bare(4, F.VIRTIO_F_RING_PACKED);
    plain.q.setNotifications(false);
    plain.q.setNotifications(true);
    expect(plain.s.deviceEvent.flags).toBe(RING_EVENT_FLAGS.ENABLE);
  });
});

describe('virtio-v1.2 §2.7.9, §2.8.8: in-order use', () => {
  it('a batch is one used descriptor, called like its last buffer; a buffer that was not filled ends its batch', () => {
    const b = bare(8, ALL | F.VIRTIO_F_IN_ORDER);
    const { q, s, chain } = b;
    for (let i = 0; i < 5; i++) {
      s.addChain([{ addr: BUF, len: 4, write: true }], 10 + i);
      q.pop(chain);
    }
    for (const written of [4, 4, 3, 4, 4]) q.push(10 + q.state().pushed, written);
    q.publish();
    const at = (i: number): number[] => {
      const d = packedDescAt(PLACE.desc, i);
      return [VirtqPackedDesc.id.get(s.ram, d), VirtqPackedDesc.len.get(s.ram, d)];
    };
    expect([at(0), at(3)]).toEqual([
      [12, 3],
      [14, 4],
    ]);
    expect(q.state()).toMatchObject({ usedIdx: 5, inUse: 0 });
  });
});

describe('a packed queue of a virtio-net device', () => {
  const FEATURES = F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_PACKED | F.VIRTIO_F_RING_INDIRECT_DESC | F.VIRTIO_NET_F_MRG_RXBUF;
  const HDR = VirtioNetHdr.$size;
  const offering = () => nicPair({ spec: { offer: F.VIRTIO_F_RING_PACKED } });

  it('carries frames both ways, in rings of any size (§2.8.10.1)', () => {
    const { a, b, sim } = offering();
    b.start(b.nic.pci.offered & ~F.VIRTIO_F_RING_PACKED);
    b.postRx(Array.from({ length: 16 }, () => [2048]));
    const d = a.driver;
    d.probe();
    expect(d.negotiate(FEATURES)).toBe(true);
    const rx = setupPackedQueue(d, 0, 5);
    const tx = setupPackedQueue(d, 1, 3);
    d.driverOk();
    const received = d.page(4096);
    for (let i = 0; i < 7; i++) {
      rx.addChain([{ addr: received, len: 2048, write: true }], 500 + i);
      const bytes = frame(payload(10 + i));
      const at = d.page(HDR + bytes.length);
      d.ram.write(at + HDR, bytes, 0, bytes.length);
      tx.addChain(
        [
          { addr: at, len: HDR },
          { addr: at + HDR, len: bytes.length },
        ],
        i,
      );
      d.notify(1);
      settle(sim);
      expect(b.receive()[0]?.subarray(HDR)).toEqual(bytes);
      expect(tx.takeUsed()).toEqual([{ id: i, len: 0, written: false }]);
      b.send(bytes);
      settle(sim);
      expect(rx.takeUsed()).toEqual([{ id: 500 + i, len: HDR + bytes.length, written: true }]);
    }
  });

  it('a guest error sets DEVICE_NEEDS_RESET, status 0x4f, and raises a configuration interrupt; a reset heals', () => {
    const { a, sim } = offering();
    const d = a.driver;
    d.probe();
    d.negotiate(FEATURES);
    const tx = setupPackedQueue(d, 1);
    d.write(C.config_msix_vector, 0);
    d.driverOk();
    for (let i = 0; i < tx.size; i++) tx.offer(d.page(64), 20, NEXT);
    d.notify(1);
    settle(sim);
    expect([d.status, a.irqs.count(0x30)]).toEqual([0xf | S.NEEDS_RESET, 1]);
    expect(a.nic.pci.queues[1].fault).toMatchObject({ kind: 'loop', section: 'virtio-v1.2 §2.8.17' });
    d.negotiate(FEATURES);
    expect([d.status, a.nic.pci.queues[1].fault]).toEqual([0xb, undefined]);
  });

  it('§4.1.4.3.2 driver: only a packed ring may have a size that is no power of two', () => {
    for (const [features, size] of [
      [FEATURES, 100],
      [FEATURES & ~F.VIRTIO_F_RING_PACKED, 256],
    ] as const) {
      const { a } = offering();
      a.driver.probe();
      a.driver.negotiate(features);
      a.driver.write(C.queue_select, 1);
      a.driver.write(C.queue_size, 100);
      expect(a.driver.read(C.queue_size)).toBe(size);
    }
  });
});

describe('fuzz', () => {
  const SIZE = 16;
  const descriptor = fc.record({
    addr: fc.oneof(fc.integer({ min: 0, max: RAM }), fc.constantFrom(TABLE, PLACE.desc, 2 ** 32, 2 ** 53)),
    len: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(16, 32, 256, 0xffffffff)),
    flags: fc.oneof(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 0xffff })),
    avail: fc.boolean(),
    id: fc.integer({ min: 0, max: 0xffff }),
  });

  it('whatever the ring holds, the walker ends, stays in memory, and either yields a chain or one fault', () => {
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
        fc.array(descriptor, { minLength: SIZE, maxLength: SIZE }),
        fc.integer({ min: 0, max: 3 }),
        (ring, table, hold) => {
          const { q, s, chain } = bare(SIZE);
          const mask = 0xffff & ~(VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED);
          ring.forEach((d, i) => s.setDesc(i, d.addr, d.len, d.avail ? (d.flags & mask) | availFlags(1) : d.flags, d.id));
          table.forEach((d, i) => s.setDesc(i, d.addr, d.len, d.flags, d.id, TABLE));
          let popped = 0;
          const held: number[] = [];
          while (popped < 100 && q.pop(chain)) {
            popped++;
            for (let i = 0; i < chain.out + chain.in; i++) expect(chain.addr[i] + chain.len[i]).toBeLessThanOrEqual(RAM);
            held.push(chain.head);
            if (held.length > hold) q.push(held.shift() ?? 0, 1);
            q.publish();
          }
          const { inUse, lastAvailIdx, usedIdx } = q.state();
          expect([inUse >= 0 && inUse <= SIZE, lastAvailIdx < SIZE, usedIdx < SIZE]).toEqual([true, true, true]);
          if (q.fault !== undefined) expect(q.pop(chain)).toBe(false);
        },
      ),
      fuzzRuns(500),
    );
  });
});
