// How fast is a ring: driver half and device half over one memory, per format, indirect tables, event index, in-order use and batch; DPDK's ten paths; frames device to device.
import { VirtqChain } from '../engine/devices/virtqueue.ts';
import { frame, payload } from '../engine/testkit/frames.ts';
import { nicPair } from '../engine/testkit/nic_pair.ts';
import { RingPair, type RingPairOptions } from '../engine/testkit/ring_pair.ts';
import type { ScriptedQueue } from '../engine/testkit/scripted_driver.ts';
import { type ScriptedPackedQueue, setupPackedQueue } from '../engine/testkit/scripted_packed.ts';
import { F } from '../engine/virtio/features.ts';
import { VirtioNetHdr } from '../engine/virtio/net.ts';
import { availAt, VIRTQ_AVAIL_F_NO_INTERRUPT, VIRTQ_DESC_F, VirtqAvail } from '../engine/virtio/ring.ts';
import { availFlags, packedDescAt, RING_EVENT_FLAGS, VirtqPackedDesc } from '../engine/virtio/ring_packed.ts';

const SIZE = 256;
const BUFFERS = 0x200000;
const SLICE_MS = 40;
const ROUNDS = 7;
const HDR = VirtioNetHdr.$size;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1];

/** One way of using a ring; `step` does `units` of work. */
interface Case {
  readonly name: string;
  readonly units: number;
  step(): void;
}

/** Units per millisecond of CPU time of each case, medians of rounds in which all cases take turns. */
function measure(cases: readonly Case[]): number[] {
  const rates = cases.map((): number[] => []);
  for (let round = -1; round < ROUNDS; round++) {
    cases.forEach((c, i) => {
      const start = cpuMs();
      let steps = 0;
      let now = start;
      for (; now - start < SLICE_MS; now = cpuMs()) for (let k = 0; k < 50; k++, steps++) c.step();
      if (round >= 0) rates[i].push((steps * c.units) / (now - start));
    });
  }
  return rates.map(median);
}

interface Use extends RingPairOptions {
  readonly batch: number;
  /** Buffers of a list: `out` to be read, `inn` to be written; `written` bytes are given back. */
  readonly out: number;
  readonly inn: number;
  readonly written: number;
}

/** A batch of lists goes round: added, kicked, taken, given back, interrupted, collected. */
function roundTrip(name: string, use: Use): Case {
  const { vq, device } = new RingPair({ ...use, size: SIZE, ramBytes: 8 << 20 });
  const chain = new VirtqChain();
  const heads = new Uint16Array(use.batch);
  const { batch, out, inn, written } = use;
  const data = {};
  const step = (): void => {
    for (let b = 0; b < batch; b++) {
      vq.sgReset();
      for (let s = 0; s < out + inn; s++) vq.sgAdd(BUFFERS + (b * 4 + s) * 2048, 1518);
      if (vq.virtqueue_add_sgs(out, data) < 0) throw new Error('the ring is full');
    }
    vq.virtqueue_kick_prepare();
    device.setNotifications(false);
    let n = 0;
    while (device.pop(chain)) heads[n++] = chain.head;
    device.setNotifications(true);
    for (let i = 0; i < n; i++) device.push(heads[i], written);
    device.publish();
    vq.virtqueue_disable_cb();
    let back = 0;
    while (vq.virtqueue_get_buf_ctx() !== undefined) back++;
    vq.virtqueue_enable_cb();
    if (n !== batch || back !== batch) throw new Error(`${n} taken and ${back} collected of ${batch}`);
  };
  return { name, units: batch * (out + inn), step };
}

const FLAGS = [false, true];
const mega = (perMs: number): string => (perMs / 1000).toFixed(2).padStart(6);

function matrix(): void {
  for (const batch of [1, 8, 64]) {
    const uses = FLAGS.flatMap((packed) =>
      FLAGS.flatMap((indirect) => FLAGS.flatMap((event) => FLAGS.map((inOrder) => ({ packed, indirect, event, inOrder })))),
    );
    const cases = uses.map((u) =>
      roundTrip(
        [u.packed ? 'packed' : 'split', u.indirect ? 'indirect' : '', u.event ? 'event index' : '', u.inOrder ? 'in order' : '']
          .filter((w) => w !== '')
          .join(', '),
        { ...u, batch, out: 2, inn: 0, written: 0 },
      ),
    );
    const rates = measure(cases);
    console.log(`\nbatch of ${batch}, lists of 2 descriptors          M desc/CPU s   ratio to split`);
    cases.forEach((c, i) => console.log(`  ${c.name.padEnd(44)} ${mega(rates[i])}        ${(rates[i] / rates[0]).toFixed(2)}`));
  }
}

/** DPDK test plan "vhost/virtio-pmd multi-paths": packed and split, in order or not, mergeable or not, and what it calls vectorized: bursts of single-descriptor buffers. */
function tenPaths(): void {
  const path = (name: string, packed: boolean, mergeable: boolean, inOrder: boolean, vectorized: boolean): readonly [Case, Case] => {
    const batch = vectorized ? 64 : 32;
    const common = { packed, inOrder, event: false, indirect: false, batch };
    // a mergeable buffer is filled to its end by a large packet, so that in-order batches form; others get a short packet
    return [
      roundTrip(`${name} rx`, { ...common, out: 0, inn: 1, written: mergeable ? 1518 : 64 }),
      roundTrip(`${name} tx`, { ...common, out: vectorized || inOrder ? 1 : 2, inn: 0, written: 0 }),
    ];
  };
  const paths = [
    path('split mergeable', false, true, false, false),
    path('split non-mergeable', false, false, false, false),
    path('split vectorized', false, false, false, true),
    path('split in-order mergeable', false, true, true, false),
    path('split in-order non-mergeable', false, false, true, false),
    path('packed mergeable', true, true, false, false),
    path('packed non-mergeable', true, false, false, false),
    path('packed in-order mergeable', true, true, true, false),
    path('packed in-order non-mergeable', true, false, true, false),
    path('packed vectorized', true, false, true, true),
  ];
  const rates = measure(
    paths
      .flatMap((pair) => [...pair])
      .map((c) => ({ ...c, units: c.name.endsWith('tx') && !/vector|in-order/.test(c.name) ? c.units / 2 : c.units })),
  );
  console.log(`\nDPDK's ten paths                     rx M/CPU s  ratio   tx M/CPU s  ratio`);
  paths.forEach(([rx], i) => {
    const [r, t] = [rates[2 * i], rates[2 * i + 1]];
    const ratio = (v: number, of: number): string => (v / of).toFixed(2).padStart(5);
    console.log(`  ${rx.name.slice(0, -3).padEnd(34)} ${mega(r)}     ${ratio(r, rates[0])}   ${mega(t)}     ${ratio(t, rates[1])}`);
  });
}

const CABLE = { rate: 1e11, delay: 100 };
const BATCH = 64;

/** Whole devices: split transmit ring, device, cable, device, split receive ring; the script does what a driver does at the least. */
function splitDevices(length: number): Case {
  const { a, b, sim } = nicPair({ cable: CABLE });
  for (const s of [a, b]) s.start(F.VIRTIO_NET_F_MRG_RXBUF);
  const bytes = frame(payload(Math.max(0, length - 42)));
  const at = a.driver.page(4096);
  a.driver.ram.write(at + HDR, bytes, 0, bytes.length);
  const into = b.driver.page(4096);
  const [tx, rx] = [a.tx[0], b.rx[0]];
  for (const q of [tx, rx]) {
    VirtqAvail.flags.set(q.driver.ram, q.avail, VIRTQ_AVAIL_F_NO_INTERRUPT);
    for (let i = 0; i < q.size; i++) q.driver.ram.setU16(availAt(q.avail, i), i);
  }
  const offer = (q: ScriptedQueue, addr: number, len: number, flags: number): void => {
    for (let i = 0; i < BATCH; i++) q.setDesc((q.availIdx + i) % q.size, addr, len, flags, 0);
    q.availIdx = (q.availIdx + BATCH) & 0xffff;
    q.publish();
  };
  const step = (): void => {
    offer(rx, into, 2048, VIRTQ_DESC_F.WRITE);
    offer(tx, at, HDR + bytes.length, 0);
    a.driver.notify(1);
    while (sim.step());
  };
  return { name: `devices, split, ${length} B`, units: BATCH, step };
}

/** The same with packed rings. */
function packedDevices(length: number): Case {
  const { a, b, sim } = nicPair({ spec: { offer: F.VIRTIO_F_RING_PACKED }, cable: CABLE });
  const bytes = frame(payload(Math.max(0, length - 42)));
  const queues = [a, b].map((s): ScriptedPackedQueue[] => {
    s.driver.probe();
    s.driver.negotiate(F.VIRTIO_F_VERSION_1 | F.VIRTIO_F_RING_PACKED | F.VIRTIO_NET_F_MRG_RXBUF);
    const made = [setupPackedQueue(s.driver, 0), setupPackedQueue(s.driver, 1)];
    for (const q of made) q.setEvent(RING_EVENT_FLAGS.DISABLE);
    s.driver.driverOk();
    return made;
  });
  const [tx, rx] = [queues[0][1], queues[1][0]];
  const at = a.driver.page(4096);
  a.driver.ram.write(at + HDR, bytes, 0, bytes.length);
  const into = b.driver.page(4096);
  const offer = (q: ScriptedPackedQueue, addr: number, len: number, flags: number): void => {
    for (let i = 0; i < BATCH; i++) {
      const d = packedDescAt(q.place.desc, q.next);
      VirtqPackedDesc.addr.set(q.ram, d, addr);
      VirtqPackedDesc.len.set(q.ram, d, len);
      VirtqPackedDesc.flags.set(q.ram, d, flags | availFlags(q.wrap));
      q.advance();
    }
  };
  const step = (): void => {
    offer(rx, into, 2048, VIRTQ_DESC_F.WRITE);
    offer(tx, at, HDR + bytes.length, 0);
    a.driver.notify(1);
    while (sim.step());
  };
  return { name: `devices, packed, ${length} B`, units: BATCH, step };
}

matrix();
tenPaths();
const cases = [60, 1514].flatMap((length) => [splitDevices(length), packedDevices(length)]);
measure(cases).forEach((rate, i) =>
  console.log(`${i === 0 ? '\n' : ''}${cases[i].name}: ${(rate / 1000).toFixed(2)} M frames per CPU second, ring to ring`),
);
