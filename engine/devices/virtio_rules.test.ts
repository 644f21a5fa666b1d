// Rules of virtio-v1.2 for devices that no other test holds (docs/conformance.md): configuration, capabilities, order of writes, receive filter.
import { expect, test } from 'vitest';
import { MsixCap, PCI_CAP_ID, PCI_MSIX_FLAGS, PciCap, VIRTIO_PCI_CAP, VirtioPciCap, VirtioPciNotifyCap } from '../pci/capabilities.ts';
import { PciHeader } from '../pci/config_space.ts';
import { frame, mac, payload } from '../testkit/frames.ts';
import { MmioScript } from '../testkit/mmio_script.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { setupPackedQueue } from '../testkit/scripted_packed.ts';
import { F, featureList } from '../virtio/features.ts';
import { VIRTIO_MMIO as R } from '../virtio/mmio.ts';
import { VIRTIO_NET_CTRL, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_RX, VirtioNetConfig, VirtioNetHdr } from '../virtio/net.ts';
import { VIRTIO_MSI_NO_VECTOR, VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { availAt, VirtqAvail, VirtqUsed } from '../virtio/ring.ts';
import { packedDescAt, VirtqPackedDesc } from '../virtio/ring_packed.ts';
import type { VirtioNetSpec } from './virtio_net.ts';
import { withoutOrphans } from './virtio_net_features.ts';

const HDR = VirtioNetHdr.$size;
/** PCI 3.0 §6.2.3: Interrupt Status. */
const PCI_STATUS_INTERRUPT = 0x08;
const RICH: Partial<VirtioNetSpec> = {
  queuePairs: 4,
  net: {
    properties: { rss: true, hash: true, notf_coal: true, guest_uso4: true, host_uso: true },
    hostMtu: 1500,
    speed: 10_000,
    duplex: 'full',
  },
};

function station(spec: Partial<VirtioNetSpec> = {}): Station {
  const { a } = nicPair({ spec });
  a.driver.probe();
  return a;
}
const config = (s: Station, field: { offset: number; size: number }): number =>
  s.platform.bus.read(s.driver.deviceCfg + field.offset, field.size);

/** What the device writes to memory from now on: [address, length] in order; and what it reads. */
function watchMemory(s: Station): { readonly writes: [number, number][]; readonly reads: [number, number][] } {
  const seen = { writes: [] as [number, number][], reads: [] as [number, number][] };
  const port = s.nic.pci.port;
  const { read, write, copyTo, setU8, setU16, setU32, setU64 } = port;
  Object.assign(port, {
    read: (at: number, into: Uint8Array, offset: number, n: number) => (seen.reads.push([at, n]), read.call(port, at, into, offset, n)),
    copyTo: (at: number, ...rest: [never, number, number]) => (seen.reads.push([at, rest[2]]), copyTo.call(port, at, ...rest)),
    write: (at: number, from: Uint8Array, offset: number, n: number) => (seen.writes.push([at, n]), write.call(port, at, from, offset, n)),
    setU8: (at: number, v: number) => (seen.writes.push([at, 1]), setU8.call(port, at, v)),
    setU16: (at: number, v: number) => (seen.writes.push([at, 2]), setU16.call(port, at, v)),
    setU32: (at: number, v: number) => (seen.writes.push([at, 4]), setU32.call(port, at, v)),
    setU64: (at: number, v: number) => (seen.writes.push([at, 8]), setU64.call(port, at, v)),
  });
  return seen;
}
const touches = (list: readonly [number, number][], at: number, length: number): boolean =>
  list.some(([x, n]) => x < at + length && at < x + n);

test('virtio-v1.2 §2.2.2 device: every offered feature can be left out, with those that need it', () => {
  const a = station(RICH);
  const offered = a.driver.offeredFeatures();
  const refused = featureList(offered)
    .filter((name) => name !== 'VIRTIO_F_VERSION_1')
    .filter((name) => !a.driver.negotiate(withoutOrphans(offered & ~F[name as keyof typeof F])));
  expect(refused).toEqual([]);
});

test('virtio-v1.2 §2.5.2 device: the configuration can be read before the driver says anything', () => {
  const a = station(RICH);
  expect(a.driver.status).toBe(0);
  const C4 = VirtioNetConfig;
  expect([config(a, { offset: 5, size: 1 }), config(a, C4.max_virtqueue_pairs), config(a, C4.mtu), config(a, C4.speed)]).toEqual([
    0x0a, 4, 1500, 10_000,
  ]);
});

test('virtio-v1.2 §5.1.4.1 device: the numbers of the configuration are within their limits, and the link does not change them', () => {
  for (const spec of [RICH, { queuePairs: 64, net: { speed: 0x7fffffff } }, { net: { hostMtu: 68 } }, { net: { hostMtu: 65535 } }]) {
    const a = station(spec);
    const { max_virtqueue_pairs, mtu, speed, duplex } = VirtioNetConfig;
    const values = () => [max_virtqueue_pairs, mtu, speed, duplex].map((field) => config(a, field));
    const before = values();
    const offered = a.driver.offeredFeatures();
    if ((offered & F.VIRTIO_NET_F_MQ) !== 0n) expect(before[0] >= 1 && before[0] <= 0x8000).toBe(true);
    if ((offered & F.VIRTIO_NET_F_MTU) !== 0n) expect(before[1] >= 68 && before[1] <= 65535).toBe(true);
    expect(before[2] <= 0x7fffffff || before[2] === 0xffffffff).toBe(true);
    expect([0, 1, 0xff]).toContain(before[3]);
    for (const up of [false, true]) a.nic.net.setLink(up);
    expect(values()).toEqual(before);
  }
});

test('virtio-v1.2 §5.1.4.1 device: nothing that a driver does changes mtu', () => {
  const { a } = nicPair({ spec: RICH });
  a.start();
  a.platform.bus.write(a.driver.deviceCfg + VirtioNetConfig.mtu.offset, 2, 9000);
  a.driver.status = 0;
  expect(config(a, VirtioNetConfig.mtu)).toBe(1500);
});

test('virtio-v1.2 §2.7.4.1 device: header and packet may be cut anywhere', () => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  const bytes = frame(payload(60));
  for (const cuts of [[1], [HDR - 1, HDR + 1], [HDR + 3], [4, 8, 12, 20, 21, 22, 60], []]) {
    b.postRx([[7, 5, 1, 2048]]);
    const at = a.driver.page(HDR + bytes.length);
    a.driver.ram.write(at + HDR, bytes, 0, bytes.length);
    const ends = [...cuts, HDR + bytes.length];
    a.tx[0].addChain(ends.map((end, i) => ({ addr: at + (ends[i - 1] ?? 0), len: end - (ends[i - 1] ?? 0) })));
    a.tx[0].kick();
    settle(sim);
    expect(b.receive().map((p) => p.subarray(HDR))).toEqual([bytes]);
  }
});

test('virtio-v1.2 §2.7.5.1, §2.8.15 device: a buffer that the device reads is as it was', () => {
  const { a, sim } = nicPair();
  a.start();
  const seen = watchMemory(a);
  const bytes = frame(payload(300), { csum: 'partial' });
  const head = a.queueTx(bytes, { flags: 1, csum_start: 34, csum_offset: 6 });
  const at = a.driver.ram.u32(a.tx[0].desc + 16 * head);
  a.tx[0].kick();
  settle(sim);
  expect(a.tx[0].takeUsed()).toHaveLength(1);
  expect(touches(seen.writes, at, HDR + bytes.length)).toBe(false);
});

test('virtio-v1.2 §2.7.5.1, §2.8.15 device: a buffer for the device to write is not read', () => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  b.postRx([[2048]]);
  const at = b.driver.ram.u32(b.rx[0].desc);
  const seen = watchMemory(b);
  a.send(frame(payload(300)));
  settle(sim);
  expect([touches(seen.writes, at, 2048), touches(seen.reads, at, 2048)]).toEqual([true, false]);
});

test('virtio-v1.2 §2.7.8.2 device: a used element is written before the index that shows it, and the buffer before both', () => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  b.postRx([[2048]]);
  const buffer = b.driver.ram.u32(b.rx[0].desc);
  const { used } = b.rx[0];
  const seen = watchMemory(b);
  a.send(frame(payload(300)));
  settle(sim);
  const last = (at: number, length: number): number => seen.writes.findLastIndex(([x, n]) => x < at + length && at < x + n);
  const index = last(used + VirtqUsed.idx.offset, 2);
  expect(index).toBeGreaterThan(last(used + 4, 8));
  expect(last(used + 4, 8)).toBeGreaterThan(last(buffer, 2048));
  const bytes = seen.writes.filter(([x]) => x >= buffer && x < buffer + 2048).reduce((end, [x, n]) => Math.max(end, x + n - buffer), 0);
  expect(b.rx[0].takeUsed()).toEqual([{ id: 0, len: bytes }]);
});

test('virtio-v1.2 §2.8.15 device: the flags of a used packed descriptor are written last, and nothing of it after', () => {
  const { a, b, sim } = nicPair({ spec: { offer: F.VIRTIO_F_RING_PACKED } });
  a.start(a.nic.pci.offered & ~F.VIRTIO_F_RING_PACKED);
  const d = b.driver;
  d.probe();
  d.negotiate(b.nic.pci.offered & ~F.VIRTIO_F_RING_EVENT_IDX);
  const rx = setupPackedQueue(d, 0, 8);
  d.driverOk();
  rx.addChain([{ addr: d.page(2048), len: 2048, write: true }], 5);
  const seen = watchMemory(b);
  a.send(frame(payload(40)));
  settle(sim);
  const slot = packedDescAt(rx.place.desc, 0);
  const fields = seen.writes.filter(([x]) => x >= slot && x < slot + VirtqPackedDesc.$size).map(([x]) => x - slot);
  expect(fields.at(-1)).toBe(VirtqPackedDesc.flags.offset);
  expect(fields.filter((x) => x === VirtqPackedDesc.flags.offset)).toHaveLength(1);
});

test('virtio-v1.2 §2.7.7.2 device: with event index the flags of the available ring say nothing', () => {
  const { a, sim } = nicPair();
  a.start();
  VirtqAvail.flags.set(a.driver.ram, a.tx[0].avail, 1);
  a.tx[0].usedEvent = 0;
  a.send(frame(payload(10)));
  settle(sim);
  expect(a.irqs.vectors.length).toBe(1);
});

test('virtio-v1.2 §2.7.10.2 device: with event index the flags of the used ring stay 0', () => {
  const { a, sim } = nicPair();
  a.start();
  for (let i = 0; i < 40; i++) {
    a.send(frame(payload(10)));
    expect(VirtqUsed.flags.get(a.driver.ram, a.tx[0].used)).toBe(0);
    if (i % 7 === 0) settle(sim);
  }
});

/** Every virtio capability: its kind, its bytes' place in configuration space. */
function capabilities(s: Station): { type: number; at: number; length: number; offset: number; size: number }[] {
  const out = [];
  for (let at = s.driver.cfg(PciHeader.capabilities.offset, 1); at !== 0; at = s.driver.cfg(at + PciCap.cap_next.offset, 1)) {
    if (s.driver.cfg(at, 1) !== PCI_CAP_ID.VNDR) continue;
    const field = (f: { offset: number; size: number }): number => s.driver.cfg(at + f.offset, f.size);
    const { cfg_type, cap_len, offset, length } = VirtioPciCap;
    out.push({ type: field(cfg_type), at, length: field(cap_len), offset: field(offset), size: field(length) });
  }
  return out;
}

test.each([
  ['a transitional device', {}],
  ['a modern device', { interfaces: { legacy: false, modern: true } }],
  ['64 pairs', { queuePairs: 64 }],
  ['64 pairs, a page each', { queuePairs: 64, pagePerVq: true }],
  ['one with notification data', { queuePairs: 8, offer: F.VIRTIO_F_NOTIFICATION_DATA }],
] as const)('virtio-v1.2 §4.1.4 device: the capabilities of %s are there, aligned, and hold all doorbells', (_what, spec) => {
  const a = station(spec);
  const caps = capabilities(a);
  const K = VIRTIO_PCI_CAP;
  expect(new Set(caps.map((c) => c.type))).toEqual(new Set([K.COMMON_CFG, K.NOTIFY_CFG, K.ISR_CFG, K.DEVICE_CFG, K.PCI_CFG]));
  expect(caps).toHaveLength(5);
  expect(caps.filter((c) => c.offset % 4 !== 0)).toEqual([]);
  const lengths = caps.map((c) => c.length - VirtioPciCap.$size - (c.type === K.NOTIFY_CFG || c.type === K.PCI_CFG ? 4 : 0));
  expect(lengths.every((n) => n === 0)).toBe(true);
  const notify = caps.find((c) => c.type === K.NOTIFY_CFG)!;
  const multiplier = a.driver.cfg(notify.at + VirtioPciNotifyCap.notify_off_multiplier.offset);
  expect([multiplier % 4, multiplier & (multiplier - 1)]).toEqual([0, 0]);
  const doorbells = Array.from({ length: a.driver.read(C.num_queues) }, (_, q) => {
    a.driver.write(C.queue_select, q);
    return a.driver.read(C.queue_notify_off) * multiplier + 4;
  });
  expect(Math.max(...doorbells)).toBeLessThanOrEqual(notify.size);
});

test('virtio-v1.2 §4.1.3.2 device: the halves of a 64-bit field are independent', () => {
  const a = station();
  a.driver.write(C.queue_select, 0);
  const at = a.driver.common + C.queue_desc.offset;
  a.platform.bus.write(at + 4, 4, 7);
  a.platform.bus.write(at, 4, 0x1000);
  expect([a.platform.bus.read(at, 4), a.platform.bus.read(at + 4, 4)]).toEqual([0x1000, 7]);
});

test('virtio-v1.2 §4.1.4.3.1 device: driver_feature reads back what was accepted of the half that is selected', () => {
  const a = station();
  const offered = a.driver.offeredFeatures();
  a.driver.negotiate(offered);
  const halves = [0, 1].map((select) => {
    a.driver.write(C.driver_feature_select, select);
    return BigInt(a.driver.read(C.driver_feature)) << BigInt(32 * select);
  });
  expect(halves[0] | halves[1]).toBe(offered);
});

test('virtio-v1.2 §4.1.4.3.1 device: queue_reset is 0 after a reset, and after the queue was enabled again', () => {
  const { a } = nicPair();
  a.start();
  const shown = (): number[] => [a.driver.read(C.queue_reset), a.driver.read(C.queue_enable)];
  a.driver.write(C.queue_select, 1);
  a.driver.write(C.queue_reset, 1);
  const off = shown();
  a.driver.setupQueue(1);
  const again = shown();
  a.driver.status = 0;
  a.driver.write(C.queue_select, 1);
  expect([off, again, shown()]).toEqual([
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
});

test('virtio-v1.2 §4.1.4.3.1 device: every queue size is a power of 2 without packed rings', () => {
  for (const ringSize of [64, 256, 1024]) {
    const a = station({ queuePairs: 3, ringSize });
    for (let q = 0; q < a.driver.read(C.num_queues); q++) {
      a.driver.write(C.queue_select, q);
      const size = a.driver.read(C.queue_size);
      expect([size > 0, size & (size - 1)]).toEqual([true, 0]);
    }
  }
});

test('virtio-v1.2 §4.1.4.3.2 driver: a packed queue takes no size of 0', () => {
  const a = station({ offer: F.VIRTIO_F_RING_PACKED });
  a.driver.negotiate(a.driver.offeredFeatures());
  a.driver.write(C.queue_select, 1);
  a.driver.write(C.queue_size, 0);
  expect(a.driver.read(C.queue_size)).toBe(256);
});

test('virtio-v1.2 §4.1.4.5.1 device: Interrupt Status in the PCI status is up while the ISR has a bit', () => {
  const { a } = nicPair({ spec: { vectors: 0 } });
  a.start();
  const pending = (): boolean => (a.driver.cfg(PciHeader.status.offset, 2) & PCI_STATUS_INTERRUPT) !== 0;
  const before = pending();
  a.nic.net.setLink(false);
  const during = pending();
  a.platform.bus.read(a.driver.isr, 1);
  expect([before, during, pending()]).toEqual([false, true, false]);
});

test('virtio-v1.2 §4.1.5.1.2.1 device: any event can be mapped to any vector, and unmapped', () => {
  const a = station({ queuePairs: 2 });
  const vectors = (a.driver.cfg(a.driver.msixCap + MsixCap.control.offset, 2) & PCI_MSIX_FLAGS.QSIZE) + 1;
  for (let q = 0; q < a.driver.read(C.num_queues); q++)
    for (const vector of [...Array(vectors).keys(), VIRTIO_MSI_NO_VECTOR]) {
      a.driver.write(C.queue_select, q);
      for (const field of [C.queue_msix_vector, C.config_msix_vector]) {
        a.driver.write(field, vector);
        expect(a.driver.read(field)).toBe(vector);
      }
    }
});

test('virtio-v1.2 §4.2.2.1 device: mmio: a queue that is not ready is not touched', () => {
  const m = new MmioScript();
  m.negotiate();
  const q = m.setup(1);
  m.write(R.QUEUE_SEL, 1);
  m.write(R.QUEUE_READY, 0);
  m.driverOk();
  const at = m.memory.page(128);
  q.addChain([{ addr: at, len: 72 }]);
  q.publish();
  m.write(R.QUEUE_NOTIFY, 1);
  settle(m.sim);
  expect([q.takeUsed(), m.read(R.INTERRUPT_STATUS), m.net.counters.tx_packets]).toEqual([[], 0, 0]);
});

test('virtio-v1.2 §4.2.2.1 device: mmio: QueueReset is 0 after a reset, and after the queue was made ready again', () => {
  const m = new MmioScript({ offer: F.VIRTIO_F_RING_RESET });
  m.negotiate(F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_RESET);
  m.setup(1);
  m.write(R.QUEUE_RESET, 1);
  const off = [m.read(R.QUEUE_RESET), m.read(R.QUEUE_READY)];
  m.setup(1);
  const again = [m.read(R.QUEUE_RESET), m.read(R.QUEUE_READY)];
  m.write(R.STATUS, 0);
  m.write(R.QUEUE_SEL, 1);
  expect([off, again, [m.read(R.QUEUE_RESET), m.read(R.QUEUE_READY)]]).toEqual([
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
});

test('virtio-v1.2 §5.1.6.2.2 device: unknown flags, and a checksum place without NEEDS_CSUM, change nothing of a packet', () => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  b.postRx([[2048], [2048]]);
  const bytes = frame(payload(50), { csum: 'wrong' });
  a.send(bytes, { flags: 0xf8, csum_start: 34, csum_offset: 6 });
  a.send(bytes, { flags: 0, csum_start: 0xffff, csum_offset: 0xffff });
  settle(sim);
  expect(b.receive().map((p) => p.subarray(HDR))).toEqual([bytes, bytes]);
});

test('virtio-v1.2 §5.1.6.4.1 device: every buffer of a packet but the last is full, and all are used together', () => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  b.postRx([[100], [60, 40], [300], [2048]]);
  a.send(frame(payload(300)));
  let together = 0;
  while (sim.step()) {
    const idx = VirtqUsed.idx.get(b.driver.ram, b.rx[0].used);
    if (idx !== together) expect([together, idx]).toEqual([0, 3]);
    together = idx;
  }
  const length = HDR + frame(payload(300)).length;
  expect(b.rx[0].takeUsed().map((u) => u.len)).toEqual([100, 100, length - 200]);
  expect(b.driver.ram.u16(availAt(b.rx[0].avail, 0))).toBe(0);
});

const TO_ME = mac(0x0b);
const TO_OTHER = mac(0x77);
const MULTICAST = [0x33, 0x33, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const M = VIRTIO_NET_CTRL_RX;
test.each([
  ['nothing', [], [TO_ME, BROADCAST]],
  ['PROMISC', [M.PROMISC], [TO_ME, TO_OTHER, MULTICAST, BROADCAST]],
  ['PROMISC and all that suppress', [M.PROMISC, M.NOMULTI, M.NOUNI, M.NOBCAST], [TO_ME, TO_OTHER, MULTICAST, BROADCAST]],
  ['ALLMULTI', [M.ALLMULTI], [TO_ME, MULTICAST, BROADCAST]],
  ['ALLUNI', [M.ALLUNI], [TO_ME, TO_OTHER, BROADCAST]],
  ['NOMULTI and ALLMULTI', [M.NOMULTI, M.ALLMULTI], [TO_ME, BROADCAST]],
  ['NOUNI and ALLUNI', [M.NOUNI, M.ALLUNI], [BROADCAST]],
  ['NOBCAST and ALLMULTI', [M.NOBCAST, M.ALLMULTI], [TO_ME, MULTICAST]],
])('virtio-v1.2 §5.1.6.5.1.1 device: each receive mode lets through what it says: %s', (_what, modes, wanted) => {
  const { a, b, sim } = nicPair();
  for (const s of [a, b]) s.start();
  b.postRx([[2048], [2048], [2048], [2048]]);
  expect(b.command(VIRTIO_NET_CTRL.RX, M.PROMISC, Uint8Array.of(0))).toBe(0);
  for (const mode of modes) expect(b.command(VIRTIO_NET_CTRL.RX, mode, Uint8Array.of(1))).toBe(0);
  for (const dmac of [TO_ME, TO_OTHER, MULTICAST, BROADCAST]) a.send(frame(payload(20), { dmac }));
  settle(sim);
  expect(b.receive().map((p) => [...p.subarray(HDR, HDR + 6)])).toEqual(wanted.map((x) => [...x]));
});

test('virtio-v1.2 §5.1.6.5.2.1 device: a reset empties the MAC table', () => {
  const { b } = nicPair();
  b.start();
  const table = Uint8Array.of(1, 0, 0, 0, ...TO_OTHER, 1, 0, 0, 0, ...MULTICAST);
  expect(b.command(VIRTIO_NET_CTRL.MAC, VIRTIO_NET_CTRL_MAC.TABLE_SET, table)).toBe(0);
  const before = b.nic.net.filter.state();
  b.driver.status = 0;
  const after = b.nic.net.filter.state();
  expect([before.unicastTable.length, before.multicastTable.length, after.unicastTable, after.multicastTable]).toEqual([1, 1, [], []]);
});

test('virtio-v1.2 §5.1.6.5.6.2 device: until a command says otherwise frames come in on the first queue, and never beyond what it says', () => {
  const { a, b, sim } = nicPair({ spec: { queuePairs: 4 } });
  for (const s of [a, b]) s.start();
  const used = (): number[] => {
    for (let i = 0; i < 40; i++) a.send(frame(payload(10), { sport: 6000 + i }));
    settle(sim);
    return [0, 1, 2, 3].map((p) => b.receive(p).length);
  };
  for (const p of [0, 1, 2, 3])
    b.postRx(
      Array.from({ length: 120 }, () => [256]),
      p,
    );
  expect(used()).toEqual([40, 0, 0, 0]);
  expect(b.command(VIRTIO_NET_CTRL.MQ, 0, Uint8Array.of(2, 0))).toBe(0);
  const [one, two, ...rest] = used();
  expect([one > 0, two > 0, rest]).toEqual([true, true, [0, 0]]);
});
