// Driver side of the split ring against a scripted device that reads and writes nothing but guest RAM.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootKernel } from '../../testkit/kernel_fixture.ts';
import { VIRTQ_DESC_F } from '../../virtio/ring.ts';
import type { Platform } from '../../platform/platform.ts';
import { NO_BUS } from '../../kernel/driver_core.ts';
import { VirtioDevice, type VirtioConfig } from './virtio_device.ts';
import { SplitVirtqueue } from './virtio_ring_split.ts';
import { placeVring, VRING_ALIGN } from './vring_place.ts';
import type { Gpa } from '../../base/units.ts';

const SIZE = 16;

class Doorbell implements VirtioConfig {
  readonly busName = 'test';
  rings = 0;
  read = (): number => 0;
  write = (): void => undefined;
  generation = (): number => 0;
  status = (): number => 0;
  setStatus = (): void => undefined;
  reset = (): void => undefined;
  features = (): bigint => 0n;
  finalizeFeatures = (): number => 0;
  findVqs = (): number => 0;
  delVqs = (): void => undefined;
  setVqAffinity = (): void => undefined;
  synchronizeCbs = (): void => undefined;
  disableVqAndReset = (): number => 0;
  enableVqAfterReset = (): number => 0;
  notify(): boolean {
    this.rings++;
    return true;
  }
}

/** The device: takes heads from the avail ring and gives them back in any order. */
class ScriptedDevice {
  taken = 0;
  used = 0;
  readonly owned: number[] = [];
  constructor(
    private readonly platform: Platform,
    private readonly vq: SplitVirtqueue,
  ) {}
  take(): void {
    const { ram } = this.platform;
    const { avail } = this.vq.place;
    while (this.taken !== ram.u16(avail + 2)) {
      this.owned.push(ram.u16(avail + 4 + 2 * (this.taken & (this.vq.num - 1))));
      this.taken = (this.taken + 1) & 0xffff;
    }
  }
  give(which: number, length: number): void {
    const { ram } = this.platform;
    const [head] = this.owned.splice(which % this.owned.length, 1);
    const at = this.vq.place.used + 4 + 8 * (this.used & (this.vq.num - 1));
    ram.setU32(at, head);
    ram.setU32(at + 4, length);
    this.used = (this.used + 1) & 0xffff;
    ram.setU16(this.vq.place.used + 2, this.used);
  }
  /** [address, length, flags] of a chain, through an indirect table too. */
  chain(head: number): [number, number, number][] {
    const { ram } = this.platform;
    const out: [number, number, number][] = [];
    let table: number = this.vq.place.desc;
    let i = head;
    for (;;) {
      const d = table + 16 * i;
      const flags = ram.u16(d + 12);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0) {
        table = ram.u64(d);
        i = 0;
        continue;
      }
      out.push([ram.u64(d), ram.u32(d + 8), flags & VIRTQ_DESC_F.WRITE]);
      if ((flags & VIRTQ_DESC_F.NEXT) === 0) return out;
      i = ram.u16(d + 14);
    }
  }
}

function ring(options: { event?: boolean; indirect?: boolean } = {}): {
  vq: SplitVirtqueue;
  device: ScriptedDevice;
  bell: Doorbell;
  platform: Platform;
  leaks: () => number;
  findings: () => number;
} {
  const { kernel, platform } = bootKernel();
  const bell = new Doorbell();
  const vdev = new VirtioDevice(kernel, 0, { device: 1, vendor: 0x1af4 }, bell, NO_BUS, kernel.drivers.rootDevice('test'));
  const dma = platform.dmaContext('test');
  const vq = new SplitVirtqueue(vdev, 0, { name: 'test.0', callback: undefined, op: 0 }, dma, {
    event: options.event ?? true,
    indirect: options.indirect ?? false,
    inOrder: false,
    align: VRING_ALIGN,
  });
  expect(vq.vring_alloc_queue_split(SIZE, false)).toBe(0);
  // the ring itself is one mapping
  return {
    vq,
    device: new ScriptedDevice(platform, vq),
    bell,
    platform,
    leaks: () => dma.leaks().length - 1,
    findings: () => dma.findings.length,
  };
}

const BUFFERS = 0x100000;

test('virtio-v1.2 §2.7: the parts of a ring of 256 lie where Linux puts them', () => {
  const p = placeVring(0x3f12000 as Gpa, 256);
  expect([p.desc, p.avail, p.used, p.usedEvent, p.availEvent]).toEqual([0x3f12000, 0x3f13000, 0x3f13240, 0x3f13204, 0x3f13a44]);
  expect(placeVring(0x3e5e000 as Gpa, 128).used).toBe(0x3e5e940);
});

test('virtio-v1.2 §2.7.5.1: a chain lists what the device reads before what it writes', () => {
  for (const indirect of [false, true]) {
    const { vq, device } = ring({ indirect });
    vq.sgReset();
    vq.sgAdd(BUFFERS, 2);
    vq.sgAdd(BUFFERS + 64, 10);
    vq.sgAdd(BUFFERS + 128, 1);
    expect(vq.virtqueue_add_sgs(2, vq)).toBe(0);
    expect(vq.num_free).toBe(SIZE - (indirect ? 1 : 3));
    device.take();
    expect(device.chain(device.owned[0])).toEqual([
      [BUFFERS, 2, 0],
      [BUFFERS + 64, 10, 0],
      [BUFFERS + 128, 1, VIRTQ_DESC_F.WRITE],
    ]);
  }
});

test('virtio-v1.2 §2.7.10: with event index the doorbell rings only when avail_event is passed', () => {
  const { vq, platform, bell } = ring();
  const add = (): boolean => {
    vq.sgReset();
    vq.sgAdd(BUFFERS + 64 * bell.rings + 4096 * vq.num_free, 8);
    vq.virtqueue_add_outbuf(vq);
    return vq.virtqueue_kick();
  };
  add(); // avail_event is 0: the first entry passes it
  expect(bell.rings).toBe(1);
  add();
  expect(bell.rings).toBe(1);
  platform.ram.setU16(vq.place.availEvent, 3);
  add();
  expect(bell.rings).toBe(1);
  add();
  expect(bell.rings).toBe(2);
});

test('an id that is out of range or not a head breaks the queue, and it says so', () => {
  for (const id of [SIZE, 3]) {
    const { vq, platform } = ring();
    platform.ram.setU32(vq.place.used + 4, id);
    platform.ram.setU16(vq.place.used + 2, 1);
    expect(vq.virtqueue_get_buf()).toBeUndefined();
    expect(vq.broken).toBe(true);
    expect(vq.kernel.printk.records.at(-1)?.text).toContain(id === SIZE ? `test.0:id ${SIZE} out of range` : 'test.0:id 3 is not a head!');
    vq.sgReset();
    expect(vq.virtqueue_add_outbuf(vq)).toBe(-5);
  }
});

test('a mapping that fails undoes the ones before it and leaves the ring as it was', () => {
  for (const indirect of [false, true]) {
    const { vq, platform, leaks } = ring({ indirect });
    const inUse = platform.slab.inUse;
    const dma = (vq as unknown as { dma: { failAfter: number } }).dma;
    dma.failAfter = 2;
    vq.sgReset();
    for (let i = 0; i < 3; i++) vq.sgAdd(BUFFERS + 64 * i, 8);
    expect(vq.virtqueue_add_outbuf(vq)).toBe(-12);
    expect([vq.num_free, leaks(), platform.slab.inUse, vq.availIndex]).toEqual([SIZE, 0, inUse, 0]);
  }
});

test('any order of adding, using and collecting loses no descriptor, no token and no mapping, over index wrap-around', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(
        fc.record({ add: fc.integer({ min: 0, max: 6 }), give: fc.integer({ min: 0, max: 6 }), pick: fc.nat(1000), length: fc.nat(2000) }),
        { minLength: 50, maxLength: 300 },
      ),
      (indirect, rounds) => {
        const { vq, device, platform, leaks, findings } = ring({ indirect });
        const inUse = platform.slab.inUse;
        // start close to the wrap of the 16-bit indexes
        for (let i = 0; i < 0x10000 - 20; i++) {
          vq.sgReset();
          vq.sgAdd(BUFFERS, 4);
          vq.virtqueue_add_inbuf(vq);
          vq.virtqueue_kick_prepare();
          device.take();
          device.give(0, 0);
          vq.virtqueue_get_buf();
        }
        const outstanding = new Set<object>();
        let next = 0;
        for (const { add, give, pick, length } of rounds) {
          for (let k = 0; k < add; k++) {
            const sgs = 1 + ((pick + k) % 3);
            const token = { id: next, length };
            vq.sgReset();
            for (let s = 0; s < sgs; s++) vq.sgAdd(BUFFERS + ((next * 4 + s) % 4096) * 64, 32);
            if (vq.virtqueue_add_inbuf_ctx(token, next) === 0) {
              outstanding.add(token);
              next++;
            }
          }
          device.take();
          for (let k = 0; k < give && device.owned.length > 0; k++) device.give(pick, length);
          for (let buf = vq.virtqueue_get_buf(); buf !== undefined; buf = vq.virtqueue_get_buf()) {
            expect(outstanding.delete(buf)).toBe(true);
            expect([vq.lastCtx, vq.lastLen]).toEqual([(buf as { id: number }).id, length]);
          }
        }
        let left = 0;
        while (vq.virtqueue_detach_unused_buf() !== undefined) left++;
        expect(left).toBe(outstanding.size);
        expect([vq.num_free, leaks(), findings(), platform.slab.inUse]).toEqual([SIZE, 0, 0, inUse]);
      },
    ),
    { numRuns: 8 },
  );
});
