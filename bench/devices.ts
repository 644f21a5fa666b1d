// How fast is the hardware side alone: ring, device, cable, device, ring. Minimum-size and full-size frames, batches as a busy driver makes them.
import { VirtioNetHdr } from '../engine/virtio/net.ts';
import { availAt, descAt, VIRTQ_DESC_F, VirtqAvail, VirtqDesc, VirtqUsed } from '../engine/virtio/ring.ts';
import { frame, payload } from '../engine/testkit/frames.ts';
import { nicPair } from '../engine/testkit/nic_pair.ts';

const HDR = VirtioNetHdr.$size;
const RING = 256;
const BATCH = 64;

/** Frames per second of CPU time (the machine may be busy with other things), for frames of `length` bytes. */
function run(length: number, frames: number): number {
  const { a, b, sim } = nicPair({ cable: { rate: 1e11, delay: 100 } });
  a.start();
  b.start();
  const [tx, rx] = [a.tx[0], b.rx[0]];
  const [ramA, ramB] = [a.driver.ram, b.driver.ram];
  const bytes = frame(payload(Math.max(0, length - 42)));
  const at = a.driver.page(4096);
  ramA.write(at + HDR, bytes, 0, bytes.length);
  for (let i = 0; i < RING; i++) {
    tx.setDesc(i, at, HDR + bytes.length, 0, 0);
    ramA.setU16(availAt(tx.avail, i), i);
    rx.setDesc(i, b.driver.page(2048), 2048, VIRTQ_DESC_F.WRITE, 0);
    ramB.setU16(availAt(rx.avail, i), i);
  }
  let sent = 0;
  let rxAvail = RING;
  VirtqAvail.idx.set(ramB, rx.avail, rxAvail);
  const started = process.cpuUsage();
  while (sent < frames) {
    sent += BATCH;
    // what a driver does per packet at the least: one descriptor each
    for (let i = 0; i < BATCH; i++) VirtqDesc.len.set(ramA, descAt(tx.desc, (sent + i) % RING), HDR + bytes.length);
    VirtqAvail.idx.set(ramA, tx.avail, sent & 0xffff);
    tx.usedEvent = sent - 1;
    a.driver.notify(1);
    while (sim.step());
    rxAvail = (VirtqUsed.idx.get(ramB, rx.used) + RING) & 0xffff;
    VirtqAvail.idx.set(ramB, rx.avail, rxAvail);
  }
  const { user, system } = process.cpuUsage(started);
  const elapsed = (user + system) / 1e6;
  if (b.nic.net.counters.rx_packets !== sent) throw new Error(`${sent} sent, ${b.nic.net.counters.rx_packets} received`);
  return sent / elapsed;
}

for (const length of [60, 1514]) {
  run(length, 50_000);
  const best = Math.max(...[0, 1, 2].map(() => run(length, 300_000)));
  console.log(`devices ${length} B: ${(best / 1e6).toFixed(2)} M frames per CPU second, ring to ring`);
}
