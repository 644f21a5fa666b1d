// Driver ring against device ring over the same memory, in every format: nothing lost, nothing doubled, no notification missed.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtqChain } from '../devices/virtqueue.ts';
import { fuzzRuns } from '../testkit/fuzz.ts';
import { RingPair, type RingPairOptions } from '../testkit/ring_pair.ts';

const BUFFERS = 0x200000;
const SLOT = 256;

interface Token {
  readonly id: number;
  readonly addr: number[];
  readonly len: number[];
  readonly out: number;
  written: number;
}

const FORMATS: readonly (readonly [string, RingPairOptions])[] = [false, true].flatMap((packed) =>
  [false, true].flatMap((indirect) =>
    [false, true].flatMap((event) =>
      [false, true].map((inOrder): readonly [string, RingPairOptions] => [
        `${packed ? 'packed' : 'split'}${indirect ? ' indirect' : ''}${event ? ' event index' : ''}${inOrder ? ' in order' : ''}`,
        { packed, indirect, event, inOrder },
      ]),
    ),
  ),
);

/** Both halves with a model of what is where. Either side sleeps only as the protocol allows; `wake` must then come from the other. */
class Bench {
  readonly pair: RingPair;
  readonly free: number[] = [];
  private next = 0;
  readonly offered: Token[] = [];
  readonly taken: { token: Token; head: number }[] = [];
  readonly given: Token[] = [];
  returned = 0;
  deviceAsleep = false;
  driverAsleep = false;
  private readonly chain = new VirtqChain();

  constructor(options: RingPairOptions) {
    this.pair = new RingPair(options);
    for (let i = 0; i < 1024; i++) this.free.push(BUFFERS + i * SLOT);
  }

  add(out: number, inn: number, length: number): void {
    const { vq } = this.pair;
    const total = out + inn;
    const token: Token = { id: this.next, addr: [], len: [], out, written: 0 };
    vq.sgReset();
    for (let i = 0; i < total; i++) {
      const at = this.free.shift();
      if (at === undefined) throw new Error('out of buffers');
      token.addr.push(at);
      token.len.push(1 + ((length + i) % SLOT));
      vq.sgAdd(at, token.len[i]);
    }
    if (vq.virtqueue_add_sgs(out, token) < 0) {
      this.free.push(...token.addr);
      return;
    }
    this.next++;
    this.offered.push(token);
  }

  kick(): void {
    const had = this.offered.length > 0;
    const rings = this.pair.vq.virtqueue_kick_prepare();
    if (this.deviceAsleep && had) expect(rings, 'the device sleeps and was not told').toBe(true);
    if (rings) this.deviceAsleep = false;
  }

  /** The device takes up to `n` chains, and sleeps when it finds the ring empty with notifications on. */
  take(n: number): void {
    const { device } = this.pair;
    device.setNotifications(false);
    this.deviceAsleep = false;
    for (let i = 0; i < n; i++) {
      if (!device.pop(this.chain)) {
        device.setNotifications(true);
        this.deviceAsleep = !device.hasWork();
        expect(device.fault).toBeUndefined();
        return;
      }
      const token = this.offered.shift();
      if (token === undefined) throw new Error('the device found a chain nobody made');
      const { addr, len, out, in: inn } = this.chain;
      expect([out, inn]).toEqual([token.out, token.addr.length - token.out]);
      expect(Array.from(addr.subarray(0, out + inn))).toEqual(token.addr);
      expect(Array.from(len.subarray(0, out + inn))).toEqual(token.len);
      this.taken.push({ token, head: this.chain.head });
    }
  }

  give(n: number, pick: number, full: boolean): void {
    const { device, vq } = this.pair;
    for (let i = 0; i < n && this.taken.length > 0; i++) {
      const [{ token, head }] = this.taken.splice(vq.inOrder ? 0 : pick % this.taken.length, 1);
      const room = token.len.slice(token.out).reduce((a, b) => a + b, 0);
      token.written = full ? room : pick % (room + 1);
      device.push(head, token.written);
      this.given.push(token);
    }
    const had = this.given.length > 0;
    const interrupts = device.publish();
    if (this.driverAsleep && had) expect(interrupts, 'the driver sleeps and was not told').toBe(true);
    if (interrupts) this.driverAsleep = false;
  }

  /** The driver's poll: takes back all it finds, then sleeps unless more came. */
  reap(): void {
    const { vq } = this.pair;
    vq.virtqueue_disable_cb();
    for (let buf = vq.virtqueue_get_buf_ctx(); buf !== undefined; buf = vq.virtqueue_get_buf_ctx()) {
      const token = this.given.shift();
      expect(buf).toBe(token);
      expect(vq.lastLen).toBe(token?.written);
      this.free.push(...(token?.addr ?? []));
      this.returned++;
    }
    expect(vq.broken).toBe(false);
    this.driverAsleep = vq.virtqueue_enable_cb();
  }
}

const round = fc.record({
  add: fc.integer({ min: 0, max: 8 }),
  out: fc.integer({ min: 0, max: 3 }),
  inn: fc.integer({ min: 0, max: 3 }),
  take: fc.integer({ min: 0, max: 9 }),
  give: fc.integer({ min: 0, max: 9 }),
  pick: fc.nat(5000),
  full: fc.boolean(),
  kick: fc.boolean(),
  reap: fc.boolean(),
});

describe('a ring of any format', () => {
  test.each(FORMATS)('%s: every chain arrives whole, comes back once with its length, and nobody sleeps through it', (_name, options) => {
    fc.assert(
      fc.property(
        fc.constantFrom(8, 16, 64, ...(options.packed === true ? [5, 11, 100] : [])),
        fc.array(round, { minLength: 40, maxLength: 150 }),
        (size, rounds) => {
          const b = new Bench({ ...options, size });
          for (const r of rounds) {
            for (let i = 0; i < r.add; i++) b.add(r.out, r.out + r.inn === 0 ? 1 : r.inn, r.pick + i);
            if (r.kick) b.kick();
            b.take(r.take);
            b.give(r.give, r.pick, r.full);
            if (r.reap) b.reap();
          }
          for (let i = 0; i < 4 && b.offered.length + b.taken.length + b.given.length > 0; i++) {
            b.kick();
            b.take(1000);
            b.give(1000, 0, true);
            b.reap();
          }
          const { vq, dma, platform } = b.pair;
          expect([b.offered.length, b.taken.length, b.given.length, vq.num_free]).toEqual([0, 0, 0, vq.num]);
          // what is mapped still is the ring
          expect(dma.leaks().every((m) => m.type === 'coherent')).toBe(true);
          expect([dma.findings.length, platform.slab.inUse]).toEqual([0, new RingPair({ ...options, size }).platform.slab.inUse]);
        },
      ),
      { numRuns: 12 },
    );
  });

  test.each(FORMATS)(
    '%s: what the device never used is given back when the ring goes, and a resized ring starts anew',
    (_name, options) => {
      const b = new Bench({ ...options, size: 16 });
      const { vq, device, dma } = b.pair;
      for (let i = 0; i < 21; i++) {
        b.add(1, 1, 10);
        b.take(1);
        b.give(1, 0, true);
        b.reap();
      }
      for (let i = 0; i < 5; i++) b.add(1, 1, 20);
      const recycled: object[] = [];
      expect(vq.virtqueue_resize(options.packed === true ? 12 : 8, { onRecycle: (_vq, data) => void recycled.push(data) })).toBe(0);
      expect(new Set(recycled)).toEqual(new Set(b.offered.splice(0)));
      expect([vq.num, vq.num_free, device.size, dma.leaks().filter((m) => m.type !== 'coherent').length]).toEqual([
        vq.num,
        vq.num,
        vq.num,
        0,
      ]);
      for (let i = 0; i < 40; i++) {
        b.add(1, 1, 30);
        b.take(1);
        b.give(1, 0, false);
        b.reap();
      }
      expect(b.returned).toBe(61);
    },
  );
});

describe('a device that writes nonsense into a ring', () => {
  test.each(FORMATS)(
    '%s: the driver takes back only what it gave, once each, or calls the queue broken; nothing leaks when it goes',
    (_name, options) => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ at: fc.nat(4095), value: fc.oneof(fc.nat(15), fc.nat(0xffff)) }), { maxLength: 60 }),
          fc.integer({ min: 0, max: 0xffff }),
          (writes, usedIdx) => {
            const b = new Bench({ ...options, size: 16 });
            const { vq, dma, platform } = b.pair;
            for (let i = 0; i < 5; i++) b.add(1, 1, 40 + i);
            const outstanding = new Set<object>(b.offered);
            const { desc, used } = vq.place;
            const bytes = options.packed === true ? 16 * vq.num : 4 + 8 * vq.num;
            const base = options.packed === true ? desc : used;
            for (const { at, value } of writes) platform.ram.setU16(base + 2 * (at % (bytes / 2)), value);
            if (options.packed !== true) platform.ram.setU16(used + 2, usedIdx);
            let back = 0;
            for (let buf = vq.virtqueue_get_buf_ctx(); buf !== undefined && back < 100; buf = vq.virtqueue_get_buf_ctx(), back++) {
              expect(outstanding.delete(buf)).toBe(true);
            }
            for (let buf = vq.virtqueue_detach_unused_buf(); buf !== undefined; buf = vq.virtqueue_detach_unused_buf()) {
              expect(outstanding.delete(buf)).toBe(true);
            }
            expect([outstanding.size, vq.num_free]).toEqual([0, vq.num]);
            expect(dma.leaks().every((m) => m.type === 'coherent')).toBe(true);
          },
        ),
        fuzzRuns(60),
      );
    },
  );
});
