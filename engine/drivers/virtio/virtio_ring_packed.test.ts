// Driver side of the packed ring against a scripted device that reads and writes nothing but guest RAM.
import { describe, expect, test } from 'vitest';
import { bootKernel } from '../../testkit/kernel_fixture.ts';
import { NO_BUS } from '../../kernel/driver_core.ts';
import { F } from '../../virtio/features.ts';
import { VIRTQ_DESC_F } from '../../virtio/ring.ts';
import {
  packedDescAt,
  RING_EVENT_FLAGS,
  VIRTQ_DESC_F_AVAIL,
  VIRTQ_DESC_F_USED,
  VirtqEvent,
  VirtqPackedDesc,
  WRAP_BIT,
} from '../../virtio/ring_packed.ts';
import { VirtioDevice, type VirtioConfig } from './virtio_device.ts';
import { vring_create_virtqueue } from './virtio_ring_create.ts';

const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;
const [AVAIL, USED] = [VIRTQ_DESC_F_AVAIL, VIRTQ_DESC_F_USED];
const BUFFERS = 0x100000;

function ring(options: { size?: number; indirect?: boolean; event?: boolean; packed?: boolean } = {}) {
  const { kernel, platform } = bootKernel();
  const config = { notify: () => true } as unknown as VirtioConfig;
  const vdev = new VirtioDevice(kernel, 0, { device: 1, vendor: 0x1af4 }, config, NO_BUS, kernel.drivers.rootDevice('test'));
  vdev.features =
    (options.packed === false ? 0n : F.VIRTIO_F_RING_PACKED) |
    (options.indirect === true ? F.VIRTIO_F_RING_INDIRECT_DESC : 0n) |
    (options.event === false ? 0n : F.VIRTIO_F_RING_EVENT_IDX);
  const dma = platform.dmaContext('test');
  const spec = { name: 'test.0', callback: { onVirtqueue: () => undefined }, op: 0 };
  const vq = vring_create_virtqueue({ vdev, index: 5, spec, dma, num: options.size ?? 4, mayReduce: false });
  if (vq === undefined) throw new Error('no ring');
  const { ram } = platform;
  const at = (i: number): number => packedDescAt(vq.place.desc, i);
  let usedAt = 0;
  let usedWrap = 1;
  return {
    vq,
    kernel,
    platform,
    dma,
    add: (out: number, inn: number, token: object = {}): number => {
      vq.sgReset();
      for (let i = 0; i < out + inn; i++) vq.sgAdd(BUFFERS + 64 * i, 10 + i);
      return vq.virtqueue_add_sgs(out, token);
    },
    /** addr, len, id, flags */
    desc: (i: number): number[] =>
      [VirtqPackedDesc.addr, VirtqPackedDesc.len, VirtqPackedDesc.id, VirtqPackedDesc.flags].map((f) => f.get(ram, at(i))),
    /** The device writes a used descriptor that covers `slots`. */
    use: (id: number, len: number, slots: number): void => {
      VirtqPackedDesc.id.set(ram, at(usedAt), id);
      VirtqPackedDesc.len.set(ram, at(usedAt), len);
      VirtqPackedDesc.flags.set(ram, at(usedAt), usedWrap === 1 ? AVAIL | USED : 0);
      usedAt += slots;
      if (usedAt >= vq.num) {
        usedAt -= vq.num;
        usedWrap ^= 1;
      }
    },
    deviceEvent: (flags: number, desc = 0): void => {
      VirtqEvent.desc.set(ram, vq.place.used, desc);
      VirtqEvent.flags.set(ram, vq.place.used, flags);
    },
    driverEvent: (): number[] => [VirtqEvent.flags.get(ram, vq.place.avail), VirtqEvent.desc.get(ram, vq.place.avail)],
  };
}

describe('virtio-v1.2 §2.8 driver: descriptors', () => {
  test('each part has memory of its own, as Linux allocates them', () => {
    const { vq } = ring({ size: 256 });
    expect([vq.place.desc % 4096, vq.place.avail % 4096, vq.place.used % 4096]).toEqual([0, 0, 0]);
    expect(new Set([vq.place.desc, vq.place.avail, vq.place.used]).size).toBe(3);
  });

  test('§2.8.6: a list takes descriptors one after another over the end of the ring, the wrap counter flipping in the middle', () => {
    const { vq, add, desc, use } = ring();
    add(1, 1);
    use(0, 0, 2);
    vq.virtqueue_get_buf();
    expect(add(2, 1)).toBe(0);
    expect([desc(2), desc(3), desc(0)]).toEqual([
      [BUFFERS, 10, 0, NEXT | AVAIL],
      [BUFFERS + 64, 11, 0, NEXT | AVAIL],
      [BUFFERS + 128, 12, 0, WRITE | USED],
    ]);
    expect([vq.num_free, vq.positions]).toEqual([1, { nextAvail: 1, availWrap: 0, lastUsed: 2, usedWrap: 1 }]);
  });

  test('§2.8.7: with an indirect table one descriptor is taken, and the table has only WRITE flags', () => {
    const { vq, platform, add, desc } = ring({ indirect: true });
    expect(add(1, 2)).toBe(0);
    const [table, len, id, flags] = desc(0);
    expect([len, id, flags, vq.num_free]).toEqual([48, 0, INDIRECT | AVAIL, 3]);
    expect([0, 1, 2].map((i) => VirtqPackedDesc.flags.get(platform.ram, packedDescAt(table, i)))).toEqual([0, WRITE, WRITE]);
  });

  test('without memory for a table the list goes into the ring; without room it is refused', () => {
    const { vq, platform, add, desc } = ring({ indirect: true });
    const { slab } = platform;
    const kmalloc = slab.kmalloc.bind(slab);
    slab.kmalloc = (() => 0) as unknown as typeof slab.kmalloc;
    expect([add(2, 1), add(1, 1)]).toEqual([0, -28]);
    slab.kmalloc = kmalloc;
    expect([desc(2)[3], vq.num_free]).toEqual([WRITE | AVAIL, 1]);
  });

  test.each([false, true])('a mapping that fails undoes the ones before it and leaves the ring as it was (indirect: %s)', (indirect) => {
    const { vq, platform, dma, add, desc } = ring({ indirect });
    const inUse = platform.slab.inUse;
    (dma as unknown as { failAfter: number }).failAfter = 2;
    // Linux: -EIO for the ring, -ENOMEM for a table
    expect(add(3, 0)).toBe(indirect ? -12 : -5);
    expect([vq.num_free, vq.positions.nextAvail, platform.slab.inUse, desc(0)[3]]).toEqual([4, 0, inUse, 0]);
    expect(dma.leaks().every((m) => m.type === 'coherent')).toBe(true);
    expect(add(3, 0)).toBe(0);
  });
});

describe('virtio-v1.2 §2.8.10 driver: notifications', () => {
  test('the doorbell rings always, never, or when the device’s descriptor became available since the last kick', () => {
    const { vq, add, use, deviceEvent } = ring();
    const kick = (): boolean => {
      add(1, 0);
      const rings = vq.virtqueue_kick_prepare();
      use(0, 0, 1);
      vq.virtqueue_get_buf();
      return rings;
    };
    deviceEvent(RING_EVENT_FLAGS.ENABLE);
    expect(kick()).toBe(true);
    deviceEvent(RING_EVENT_FLAGS.DISABLE);
    expect(kick()).toBe(false);
    deviceEvent(RING_EVENT_FLAGS.DESC, 3 | WRAP_BIT);
    expect([kick(), kick()]).toEqual([false, true]); // slots 2 and 3, the last of the ring
    deviceEvent(RING_EVENT_FLAGS.DESC, 1);
    expect([kick(), kick(), kick()]).toEqual([false, true, false]); // the next round
  });

  test('the driver asks for an interrupt at the next descriptor, with its wrap counter, or at three quarters of what is out', () => {
    const { vq, add, use, driverEvent } = ring({ size: 8 });
    vq.virtqueue_disable_cb();
    expect(driverEvent()[0]).toBe(RING_EVENT_FLAGS.DISABLE);
    for (let i = 0; i < 8; i++) add(1, 0);
    expect(vq.virtqueue_enable_cb_delayed()).toBe(true);
    expect(driverEvent()).toEqual([RING_EVENT_FLAGS.DESC, 6 | WRAP_BIT]);
    for (let i = 0; i < 8; i++) use(i, 0, 1);
    for (let i = 0; i < 8; i++) vq.virtqueue_get_buf();
    expect(vq.virtqueue_enable_cb()).toBe(true);
    expect(driverEvent()).toEqual([RING_EVENT_FLAGS.DESC, 0]);
    add(1, 0);
    use(7, 0, 1);
    expect(vq.virtqueue_enable_cb()).toBe(false);
  });

  test('without event index it only switches interrupts on and off', () => {
    const { vq, driverEvent } = ring({ event: false });
    vq.virtqueue_disable_cb();
    vq.virtqueue_enable_cb_prepare();
    expect(driverEvent()).toEqual([RING_EVENT_FLAGS.ENABLE, 0]);
  });

  test('§2.9: notification data are the queue and the next position with its wrap counter, or avail.idx in a split ring', () => {
    const { vq, add, use } = ring();
    expect(vq.notificationData()).toBe(0x80000005);
    for (let i = 0; i < 5; i++) {
      add(1, 0);
      use(0, 0, 1);
      vq.virtqueue_get_buf();
    }
    expect(vq.notificationData()).toBe(0x00010005);
    const split = ring({ packed: false });
    split.add(1, 0);
    split.add(1, 0);
    expect(split.vq.notificationData()).toBe(0x00020005);
  });
});

describe('a device that errs', () => {
  test.each([
    ['an ID beyond the ring', 4, 'test.0:id 4 out of range'],
    ['an ID that was not given', 3, 'test.0:id 3 is not a head!'],
  ])('%s breaks the queue, and it says so', (_what, id, text) => {
    const { vq, kernel, add, use } = ring();
    add(1, 0);
    use(id, 0, 1);
    expect(vq.virtqueue_get_buf()).toBeUndefined();
    expect([vq.broken, kernel.printk.records.at(-1)?.text.includes(text), add(1, 0)]).toEqual([true, true, -5]);
  });
});
