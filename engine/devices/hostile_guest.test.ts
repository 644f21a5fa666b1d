// What a hostile or careless guest does to rings and their life cycle; case families as in virtio-villain's vring, state and net suites. Whatever it
// does, nothing is thrown, the world comes to rest, the other machine gets only whole frames, and a reset heals.
import { describe, expect, it } from 'vitest';
import { frame, payload } from '../testkit/frames.ts';
import { type NicPair, nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { ScriptedQueue } from '../testkit/scripted_driver.ts';
import { setupPackedQueue } from '../testkit/scripted_packed.ts';
import { F } from '../virtio/features.ts';
import { VirtioNetHdr } from '../virtio/net.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { availAt, usedEventAt, VIRTQ_AVAIL_F_NO_INTERRUPT, VIRTQ_DESC_F, VirtqAvail, VirtqUsed } from '../virtio/ring.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import type { VirtqFaultKind } from './virtq_fault.ts';

const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;
const HDR = VirtioNetHdr.$size;
const RAM = 4 << 20;

/** Both stations up, one good frame sent. */
function running(features = (w: bigint): bigint => w): NicPair {
  const pair = nicPair();
  const { a, b, sim } = pair;
  b.start();
  b.postRx(Array.from({ length: 32 }, () => [2048]));
  a.driver.probe();
  a.start(features(a.driver.offeredFeatures()));
  a.driver.write(C.config_msix_vector, 0);
  a.send(frame(payload(10)));
  settle(sim);
  expect(b.receive()).toHaveLength(1);
  return pair;
}

/** A packet in RAM, header in front; its address and length. */
function packet(s: Station, length = 10): { addr: number; len: number } {
  const bytes = frame(payload(length));
  const addr = s.driver.page(HDR + bytes.length);
  s.driver.ram.write(addr + HDR, bytes, 0, bytes.length);
  return { addr, len: HDR + bytes.length };
}

/** What came of it: the fault, or how many frames arrived. */
type Outcome = VirtqFaultKind | number;

describe('virtio-v1.2 §2.7: split ring', () => {
  const table = (s: Station, entries: readonly (readonly [number, number, number, number])[], extra = 0): void => {
    const t = s.driver.page(4096);
    entries.forEach((e, i) => s.tx[0].setDesc(i, e[0], e[1], e[2], e[3], t));
    s.tx[0].setDesc(9, t, entries.length * 16, INDIRECT | extra, 0);
    s.tx[0].offer(9);
  };
  it.each<[string, Outcome, (s: Station, q: ScriptedQueue) => void]>([
    ['§2.7.6 the avail index goes back by one', 'avail idx jump', (_s, q) => void (q.availIdx = (q.availIdx - 1) & 0xffff)],
    ['§2.7.6 the avail index jumps far ahead', 'avail idx jump', (_s, q) => void (q.availIdx = (q.availIdx + 0x8000) & 0xffff)],
    [
      '§2.7.6 every avail entry names the same chain',
      4,
      (s, q) => {
        const { addr, len } = packet(s);
        q.setDesc(20, addr, len, 0, 0);
        for (let i = 0; i < 4; i++) q.offer(20);
      },
    ],
    [
      '§2.7.6 every avail entry is out of range',
      'head out of range',
      (_s, q) => {
        for (let i = 0; i < 8; i++) q.offer(0xffff);
      },
    ],
    [
      '§2.7.5.2 a chain of the whole table and one more',
      'loop',
      (s, q) => {
        const { addr } = packet(s);
        for (let i = 0; i < 256; i++) q.setDesc(i, addr, 1, NEXT, (i + 1) % 256);
        q.offer(0);
      },
    ],
    [
      '§2.7.4.2 readable and writable descriptors interleave',
      'write before read',
      (s, q) => {
        const { addr, len } = packet(s);
        q.addChain([
          { addr, len },
          { addr, len: 4, write: true },
          { addr, len: 4 },
        ]);
      },
    ],
    [
      '§5.1.6.2 a transmit chain that is all writable',
      'no header',
      (s, q) => {
        const { addr, len } = packet(s);
        q.addChain([{ addr, len, write: true }]);
      },
    ],
    [
      '§5.1.6.2 a transmit chain with a writable tail is sent as far as it is readable',
      1,
      (s, q) => {
        const { addr, len } = packet(s);
        q.addChain([
          { addr, len },
          { addr: s.driver.page(64), len: 64, write: true },
        ]);
      },
    ],
    ['§2.7.5 a buffer in a PCI BAR', 'outside memory', (s, q) => void q.addChain([{ addr: s.driver.bar(4), len: 64 }])],
    ['§2.7.5 a buffer in the interrupt controller', 'outside memory', (_s, q) => void q.addChain([{ addr: 0xfee00000, len: 64 }])],
    ['§2.7.5 a buffer across the end of RAM', 'outside memory', (_s, q) => void q.addChain([{ addr: RAM - 32, len: 64 }])],
    ['§2.7.5 address and length that wrap around', 'outside memory', (_s, q) => void q.addChain([{ addr: 2 ** 53 - 1, len: 0xffffffff }])],
    ['§2.7.5 address and length 0', 'zero length', (_s, q) => void q.addChain([{ addr: 0, len: 0 }])],
    [
      '§2.7.5 a list whose lengths add up to more than 32 bits',
      'outside memory',
      (s, q) => {
        const { addr } = packet(s);
        q.addChain([
          { addr, len: 0x80000000 },
          { addr, len: 0x80000000 },
        ]);
      },
    ],
    [
      '§2.7.5 the buffer is the descriptor table itself: bytes like any others, for a MAC that nobody has',
      0,
      (_s, q) => void q.addChain([{ addr: q.desc, len: 100 }]),
    ],
    [
      '§2.7.5.3.1 WRITE beside INDIRECT is ignored',
      1,
      (s) => {
        const { addr, len } = packet(s);
        table(s, [[addr, len, 0, 0]], WRITE);
      },
    ],
    ['§2.7.5.3 an indirect table without entries', 'indirect size', (s) => table(s, [])],
    ['§2.7.5.3 a loop within an indirect table', 'loop', (s) => table(s, [[s.driver.page(64), 64, NEXT, 0]])],
    [
      '§2.7.5.3 an indirect table reached by NEXT is taken (virtio-v1.2 §2.7.5.3.1 asks the device for no more)',
      1,
      (s, q) => {
        const { addr, len } = packet(s);
        const t = s.driver.page(64);
        q.setDesc(0, addr + HDR, len - HDR, 0, 0, t);
        q.setDesc(30, addr, HDR, NEXT, 31);
        q.setDesc(31, t, 16, INDIRECT, 0);
        q.offer(30);
      },
    ],
    [
      '§2.7.8 the driver writes the used ring: the device’s own index counts',
      1,
      (s, q) => {
        VirtqUsed.idx.set(s.driver.ram, q.used, 0x1234);
        VirtqUsed.flags.set(s.driver.ram, q.used, 0xffff);
        q.addChain([packet(s)]);
      },
    ],
    [
      '§2.7.7 a used_event far away and reserved avail flags change nothing of the work',
      1,
      (s, q) => {
        s.driver.ram.setU16(usedEventAt(q.avail, q.size), 0xffff);
        VirtqAvail.flags.set(s.driver.ram, q.avail, 0xfffe);
        q.addChain([packet(s)]);
      },
    ],
    ['§2.9 a bell on an empty ring', 0, () => undefined],
  ])('%s → %s', (_name, outcome, mistake) => {
    const { a, b, sim } = running();
    mistake(a, a.tx[0]);
    a.tx[0].kick();
    a.tx[0].kick();
    settle(sim);
    const { fault } = a.nic.pci.queues[1];
    const arrived = b.receive();
    if (typeof outcome === 'number') expect([fault, arrived.length, a.driver.status]).toEqual([undefined, outcome, 0xf]);
    else {
      expect([fault?.kind, arrived.length, a.driver.status, a.irqs.count(0x30)]).toEqual([outcome, 0, 0xf | S.NEEDS_RESET, 1]);
      expect(fault?.text).toContain(fault?.section);
    }
    a.start();
    a.send(frame(payload(12)));
    settle(sim);
    expect(b.receive(), 'a reset heals').toHaveLength(1);
  });

  it('§2.7.6 the index runs over 65535 many times and no chain is lost or doubled', () => {
    const { a, b, sim } = running((w) => w & ~F.VIRTIO_F_RING_EVENT_IDX);
    const q = a.tx[0];
    const { addr, len } = packet(a, 1);
    for (let i = 0; i < q.size; i++) {
      q.setDesc(i, addr, len, 0, 0);
      a.driver.ram.setU16(availAt(q.avail, i), i);
    }
    b.nic.net.linkChanged(false);
    let sent = 0;
    while (sent < 140_000) {
      q.availIdx = (q.availIdx + 200) & 0xffff;
      sent += 200;
      q.kick();
      settle(sim);
    }
    expect([a.nic.net.counters.tx_packets, a.nic.pci.queues[1].fault]).toEqual([1 + sent, undefined]);
  });

  it('§2.7.7.2 NO_INTERRUPT keeps the device silent, and clearing it lets it speak', () => {
    const { a, sim } = running((w) => w & ~F.VIRTIO_F_RING_EVENT_IDX);
    const before = a.irqs.count(0x32);
    const q = a.tx[0];
    VirtqAvail.flags.set(a.driver.ram, q.avail, VIRTQ_AVAIL_F_NO_INTERRUPT);
    a.send(frame(payload(20)));
    settle(sim);
    expect(a.irqs.count(0x32)).toBe(before);
    VirtqAvail.flags.set(a.driver.ram, q.avail, 0);
    a.send(frame(payload(21)));
    settle(sim);
    expect(a.irqs.count(0x32)).toBe(before + 1);
  });
});

describe('virtio-v1.2 §2.1, §2.6.1, §3.1: rings and the life of a device', () => {
  it('§3.1.1 a bell before DRIVER_OK is not answered; what was made available is served when DRIVER_OK comes', () => {
    const { a, b, sim } = running();
    const d = a.driver;
    d.negotiate(d.offeredFeatures());
    const q = d.setupQueue(1);
    q.addChain([packet(a)]);
    q.kick();
    settle(sim);
    expect(b.receive()).toHaveLength(0);
    d.driverOk();
    settle(sim);
    expect(b.receive()).toHaveLength(1);
  });

  it('§2.4 a bell after a reset, on a queue that is not enabled, or beyond the last queue does nothing', () => {
    const { a, b, sim } = running();
    a.driver.status = 0;
    a.tx[0].addChain([packet(a)]);
    a.tx[0].kick();
    for (const queue of [0, 1, 2, 3, 0xffff]) a.driver.platform.bus.write(a.driver.notifyBase + a.driver.multiplier, 2, queue);
    settle(sim);
    expect([b.receive().length, a.driver.status, a.nic.pci.queues[1].fault]).toEqual([0, 0, undefined]);
  });

  it('§2.4 a reset in the middle of traffic ends it, and nothing of it comes later', () => {
    const { a, b, sim } = running();
    for (let i = 0; i < 20; i++) a.queueTx(frame(payload(30)));
    a.tx[0].kick();
    for (let i = 0; i < 3; i++) sim.step();
    a.driver.status = 0;
    settle(sim);
    const early = b.receive().length;
    expect(early).toBeLessThan(20);
    a.start();
    a.send(frame(payload(31)));
    settle(sim);
    expect(b.receive()).toHaveLength(1);
  });

  it('§2.6.1 one queue is reset with chains in flight, the others go on, and it comes back with another size', () => {
    const { a, b, sim } = running();
    const d = a.driver;
    for (let i = 0; i < 8; i++) a.queueTx(frame(payload(30)));
    a.tx[0].kick();
    d.write(C.queue_select, 1);
    d.write(C.queue_reset, 1);
    expect([d.read(C.queue_enable), d.read(C.queue_size)]).toEqual([0, 256]);
    settle(sim);
    b.receive();
    a.postRx([[2048]]);
    b.send(frame(payload(33)));
    settle(sim);
    expect(a.receive()).toHaveLength(1);
    a.tx[0] = d.setupQueue(1, 64);
    a.send(frame(payload(34)));
    settle(sim);
    expect([b.receive().length, a.nic.pci.queues[1].state().size]).toEqual([1, 64]);
  });

  it('§2.8 a device that ran split rings is reset, runs packed ones, is reset, and runs split ones again', () => {
    const { a, b, sim } = nicPair({ spec: { offer: F.VIRTIO_F_RING_PACKED } });
    b.start(b.nic.pci.offered & ~F.VIRTIO_F_RING_PACKED);
    b.postRx(Array.from({ length: 8 }, () => [2048]));
    const split = a.nic.pci.offered & ~F.VIRTIO_F_RING_PACKED;
    for (let round = 0; round < 2; round++) {
      a.start(split);
      a.send(frame(payload(10)));
      settle(sim);
      expect([b.receive().length, a.nic.pci.queues[1].packed]).toEqual([1, false]);
      a.driver.negotiate(split | F.VIRTIO_F_RING_PACKED);
      const q = setupPackedQueue(a.driver, 1);
      a.driver.driverOk();
      q.addChain([packet(a)], 3);
      a.driver.notify(1);
      settle(sim);
      expect([b.receive().length, q.takeUsed().length, a.nic.pci.queues[1].packed]).toEqual([1, 1, true]);
    }
  });

  it('a split ring read as packed, and a packed one as split, is nonsense that harms nobody', () => {
    for (const packed of [false, true]) {
      const { a, sim } = nicPair({ spec: { offer: F.VIRTIO_F_RING_PACKED } });
      a.driver.probe();
      a.driver.negotiate(packed ? a.nic.pci.offered : a.nic.pci.offered & ~F.VIRTIO_F_RING_PACKED);
      if (packed) {
        const q = a.driver.setupQueue(1);
        for (let i = 0; i < 16; i++) q.addChain([packet(a)]);
        a.driver.driverOk();
        q.kick();
      } else {
        const q = setupPackedQueue(a.driver, 1);
        for (let i = 0; i < 16; i++) q.addChain([packet(a)], i);
        a.driver.driverOk();
        a.driver.notify(1);
      }
      settle(sim);
      expect(a.driver.status & S.DRIVER_OK).toBe(S.DRIVER_OK);
    }
  });

  it('§2.1.2 after DEVICE_NEEDS_RESET nothing is used on any queue, however often the bell rings', () => {
    const { a, b, sim } = running();
    a.tx[0].offer(999);
    a.tx[0].kick();
    settle(sim);
    a.postRx([[2048]]);
    b.send(frame(payload(40)));
    for (let i = 0; i < 10; i++) a.send(frame(payload(41)));
    settle(sim);
    expect([a.receive().length, b.receive().length, a.driver.status, a.irqs.count(0x30)]).toEqual([0, 0, 0x4f, 1]);
  });
});

describe('virtio-v1.2 §5.1.6: what packets claim', () => {
  it.each<[string, Partial<Record<'flags' | 'gso_type' | 'hdr_len' | 'gso_size' | 'csum_start' | 'csum_offset', number>>]>([
    ['a checksum to complete beyond the packet', { flags: 1, csum_start: 0xffff, csum_offset: 0xffff }],
    ['a checksum start in the packet and an offset beyond it', { flags: 1, csum_start: 34, csum_offset: 0x4000 }],
    ['an unknown GSO type', { gso_type: 0x7f, gso_size: 100 }],
    ['TSO with segment size 0', { flags: 1, gso_type: 1, gso_size: 0, csum_start: 34, csum_offset: 16 }],
    ['TSO without a checksum to complete', { gso_type: 1, gso_size: 100 }],
    ['UDP segmentation of a packet shorter than its headers', { flags: 1, gso_type: 5, gso_size: 10, csum_start: 34, csum_offset: 6 }],
    ['a header length beyond the packet', { hdr_len: 0xffff }],
  ])('%s: the packet is sent or dropped and counted, the queue goes on', (_name, header) => {
    const { a, b, sim } = running();
    a.send(frame(payload(200)), header);
    settle(sim);
    const { tx_bad } = a.nic.net.counters;
    const arrived = b.receive().length;
    expect([a.nic.pci.queues[1].fault, tx_bad + (arrived > 0 ? 1 : 0)]).toEqual([undefined, 1]);
    a.send(frame(payload(11)));
    settle(sim);
    expect(b.receive()).toHaveLength(1);
  });
});
