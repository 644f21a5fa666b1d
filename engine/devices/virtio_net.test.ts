// virtio-net against a scripted driver that knows only ECAM, BARs and RAM.
import { describe, expect, it } from 'vitest';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { frame, payload } from '../testkit/frames.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { F, featureHalf } from '../virtio/features.ts';
import { VirtioNetHdr } from '../virtio/net.ts';
import { VIRTIO_MSI_NO_VECTOR, VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';

const HDR = VirtioNetHdr.$size;
const BIG = Array.from({ length: 32 }, () => [2048]);
const body = (packet: Uint8Array): Uint8Array => packet.subarray(HDR);
/** Both stations up, buffers posted at b. */
function running(options: Parameters<typeof nicPair>[0] = {}, features?: bigint) {
  const pair = nicPair(options);
  for (const s of [pair.a, pair.b]) s.start(features === undefined ? undefined : features);
  pair.b.postRx(BIG);
  return pair;
}
const NO_EVENT_IDX = (s: Station): bigint => s.driver.offeredFeatures() & ~F.VIRTIO_F_RING_EVENT_IDX;

describe('initialisation', () => {
  it('offers what QEMU 7.2 offers with a vnet-hdr tap, MQ only with several pairs', () => {
    const words = [4, 1].map((queuePairs) => {
      const { a } = nicPair({ spec: { queuePairs } });
      a.driver.probe();
      const w = a.driver.offeredFeatures();
      return [featureHalf(w, 0).toString(16), featureHalf(w, 1).toString(16)];
    });
    expect(words).toEqual([
      ['30ffffa7', '101'],
      ['30bfffa7', '101'],
    ]);
  });

  it('has two queues of 256 per pair and a control queue of 64 (virtio-v1.2 §5.1.2)', () => {
    const { a } = nicPair({ spec: { queuePairs: 2 } });
    a.driver.probe();
    const sizes = [0, 1, 2, 3, 4, 5].map((i) => {
      a.driver.write(C.queue_select, i);
      return a.driver.read(C.queue_size);
    });
    expect([a.driver.read(C.num_queues), sizes]).toEqual([5, [256, 256, 256, 256, 64, 0]]);
  });

  it.each([
    ['a bit that was not offered', (w: bigint) => w | F.VIRTIO_F_RING_PACKED],
    ['no VERSION_1', (w: bigint) => w & ~F.VIRTIO_F_VERSION_1],
    ['MQ without the control queue', (w: bigint) => w & ~F.VIRTIO_NET_F_CTRL_VQ],
  ])('virtio-v1.2 §2.2.2: FEATURES_OK does not stick with %s', (_what, change) => {
    const { a } = nicPair({ spec: { queuePairs: 2 } });
    a.driver.probe();
    expect(a.driver.negotiate(change(a.driver.offeredFeatures()))).toBe(false);
    expect(a.driver.negotiate(a.driver.offeredFeatures())).toBe(true);
  });

  it('virtio-v1.2 §2.4: writing 0 to the status resets queues, features and vectors', () => {
    const { a } = running();
    a.driver.status = 0;
    a.driver.write(C.queue_select, 1);
    expect([a.driver.status, a.driver.read(C.queue_enable), a.driver.read(C.queue_msix_vector), a.driver.read(C.queue_desc)]).toEqual([
      0, 0, 0xffff, 0,
    ]);
    a.driver.write(C.driver_feature_select, 0);
    expect(a.driver.read(C.driver_feature)).toBe(0);
  });

  it('virtio-v1.2 §4.1.5.1.2: a vector that does not exist reads back as none', () => {
    const { a } = nicPair();
    a.driver.probe();
    a.driver.write(C.config_msix_vector, 99);
    expect(a.driver.read(C.config_msix_vector)).toBe(0xffff);
  });

  it('virtio-v1.2 §2.6.1: a reset queue is off, and can be set up anew and used', () => {
    const { a, b, sim } = running();
    a.send(frame(payload(10)));
    settle(sim);
    a.driver.write(C.queue_select, 1);
    a.driver.write(C.queue_reset, 1);
    expect([a.driver.read(C.queue_reset), a.driver.read(C.queue_enable)]).toEqual([0, 0]);
    a.tx[0] = a.driver.setupQueue(1, 128);
    a.send(frame(payload(20)));
    settle(sim);
    expect(b.receive().map((p) => p.length - HDR)).toEqual([52, 62]);
  });
});

describe('frames', () => {
  it('go both ways, byte for byte, and interrupt on the queue vectors', () => {
    const { a, b, sim } = running();
    a.postRx(BIG);
    const [there, back] = [frame(payload(100)), frame(payload(1400), { from: 0x0b, to: 0x0a })];
    a.send(there);
    b.send(back);
    settle(sim);
    expect(b.receive().map(body)).toEqual([there]);
    expect(a.receive().map(body)).toEqual([back]);
    expect([a.irqs.count(0x31), a.irqs.count(0x32), b.irqs.count(0x31), b.irqs.count(0x32)]).toEqual([1, 1, 1, 1]);
    expect(a.driver.platform.bus.read(a.driver.isr, 1)).toBe(1);
    expect(a.driver.platform.bus.read(a.driver.isr, 1)).toBe(0);
  });

  it('virtio-v1.2 §5.1.6.4: a large frame fills several buffers and num_buffers says how many', () => {
    const { a, b, sim } = nicPair();
    a.start();
    b.start();
    b.postRx([[128], [64, 64], [128], [128], [128]]);
    const f = frame(payload(400 - 42));
    a.send(f);
    settle(sim);
    const used = b.nic.pci.queues[0].state();
    const [got] = b.receive();
    expect([used.pushed, got[10]]).toEqual([4, 4]);
    expect(body(got)).toEqual(f);
  });

  it('finds too few buffers: nothing is used up, the drop is counted, the next frame that fits arrives', () => {
    const { a, b, sim } = nicPair();
    a.start();
    b.start();
    b.postRx([[128], [128]]);
    a.send(frame(payload(400)));
    settle(sim);
    expect([b.nic.net.counters.rx_no_buffer, b.receive().length]).toEqual([1, 0]);
    const small = frame(payload(30));
    a.send(small);
    settle(sim);
    expect(b.receive().map(body)).toEqual([small]);
  });

  it('without mergeable buffers a frame must fit its chain, and num_buffers is 1', () => {
    const { a, b, sim } = nicPair();
    a.start();
    b.driver.probe();
    b.start(b.driver.offeredFeatures() & ~F.VIRTIO_NET_F_MRG_RXBUF);
    b.postRx([[128], [HDR, 2000]]);
    const [big, small] = [frame(payload(1000)), frame(payload(60))];
    a.send(big);
    a.send(small);
    a.send(big);
    settle(sim);
    const got = b.receive();
    expect(b.nic.net.counters.rx_too_large).toBe(1);
    expect(got.map(body)).toEqual([small, big]);
    expect(got.map((p) => p[10])).toEqual([1, 1]);
  });

  it('indirect chains and descriptors before an indirect one are taken (virtio-v1.2 §2.7.5.3)', () => {
    const { a, b, sim } = running();
    const f = frame(payload(64));
    const at = a.driver.page(4096);
    a.driver.ram.write(at + HDR, f, 0, f.length);
    a.tx[0].addIndirect([
      { addr: at, len: HDR },
      { addr: at + HDR, len: 40 },
      { addr: at + HDR + 40, len: f.length - 40 },
    ]);
    a.tx[0].kick();
    settle(sim);
    const table = a.driver.page(16);
    a.tx[0].setDesc(0, at + HDR, f.length, 0, 0, table);
    a.tx[0].setDesc(100, at, HDR, 1, 101);
    a.tx[0].setDesc(101, table, 16, 4, 0);
    a.tx[0].offer(100);
    a.tx[0].kick();
    settle(sim);
    expect(b.receive().map(body)).toEqual([f, f]);
  });

  it('arrive at line rate, back to back: 84 bytes per minimum frame at 1 Gbit/s are 672 ns', () => {
    const { a, cable, sim } = running();
    cable.capture.enabled = true;
    for (let i = 0; i < 10; i++) a.queueTx(frame(payload(4)));
    a.tx[0].kick();
    settle(sim);
    const sent = cable.capture.drain().frames.map((f) => f.sent);
    expect(sent.slice(1).map((t, i) => t - sent[i])).toEqual(Array.from({ length: 9 }, () => 672));
  });
});

describe('notifications', () => {
  it('a busy device needs no doorbell and asks for none; when it slept, avail_event names the next chain (virtio-v1.2 §2.7.10)', () => {
    const { a, b, sim } = running();
    a.send(frame(payload(1000)));
    expect(a.tx[0].availEvent).toBe(0);
    sim.step();
    a.queueTx(frame(payload(10)));
    a.tx[0].publish();
    settle(sim);
    expect(b.receive()).toHaveLength(2);
    expect(a.tx[0].availEvent).toBe(2);
    expect(a.nic.pci.queues[1].state().notifications).toBe(1);
  });

  it('without EVENT_IDX the used ring flag says so (virtio-v1.2 §2.7.10)', () => {
    const pair = nicPair();
    pair.a.driver.probe();
    pair.a.start(NO_EVENT_IDX(pair.a));
    const flags = (): number => pair.a.driver.ram.u16(pair.a.tx[0].used);
    pair.a.send(frame(payload(10)));
    expect(flags()).toBe(1);
    settle(pair.sim);
    expect(flags()).toBe(0);
  });

  it('virtio-v1.2 §2.7.7: the device interrupts only when used_event is passed, or never with NO_INTERRUPT', () => {
    const { a, sim } = running();
    a.tx[0].usedEvent = 2;
    for (let i = 0; i < 4; i++) a.queueTx(frame(payload(10)));
    a.tx[0].kick();
    settle(sim);
    // the first is always signalled: the device does not know yet what the driver has seen
    expect(a.irqs.count(0x32)).toBe(2);
    const pair = nicPair();
    pair.a.driver.probe();
    pair.a.start(NO_EVENT_IDX(pair.a));
    pair.a.driver.ram.setU16(pair.a.tx[0].avail, 1);
    pair.a.send(frame(payload(10)));
    settle(pair.sim);
    expect([pair.a.irqs.count(0x32), pair.a.tx[0].takeUsed().length]).toEqual([0, 1]);
  });

  it('virtio-v1.2 §4.1.5.1.2: a queue without a vector sends no interrupt and counts none', () => {
    const { a, sim } = running();
    a.driver.write(C.queue_select, 1);
    a.driver.write(C.queue_msix_vector, VIRTIO_MSI_NO_VECTOR);
    a.send(frame(payload(10)));
    settle(sim);
    const q = a.nic.pci.queues[1].state();
    expect([a.irqs.vectors.length, a.tx[0].takeUsed().length, q.interrupts, q.lastInterrupt]).toEqual([0, 1, 0, -1]);
  });

  it('buffers posted before DRIVER_OK are used after it', () => {
    const { a, b, sim } = nicPair();
    b.start();
    b.postRx(BIG);
    a.driver.probe();
    a.driver.negotiate(a.driver.offeredFeatures());
    a.tx[0] = a.driver.setupQueue(1);
    a.send(frame(payload(10)));
    settle(sim);
    expect(b.receive()).toHaveLength(0);
    a.driver.driverOk();
    settle(sim);
    expect(b.receive()).toHaveLength(1);
  });
});

describe('the world is a value', () => {
  const run = (seed = 7) => {
    const pair = running({ seed, cable: { loss: 0.2 } });
    for (let i = 0; i < 20; i++) pair.a.queueTx(frame(payload(40 * i)));
    pair.a.tx[0].kick();
    return pair;
  };

  it('two runs are equal; another seed is not', () => {
    const [one, two, other] = [run(), run(), run(8)];
    for (const p of [one, two, other]) settle(p.sim);
    expect(hashOf(two)).toBe(hashOf(one));
    expect(hashOf(other)).not.toBe(hashOf(one));
  });

  it('a fork taken in mid-flight ends as the original, and neither touches the other', () => {
    const one = run();
    for (let i = 0; i < 15; i++) one.sim.step();
    const fork = new Cloner().clone(one);
    expect(hashOf(fork)).toBe(hashOf(one));
    settle(fork.sim);
    const end = hashOf(fork);
    expect(hashOf(one)).not.toBe(end);
    settle(one.sim);
    expect(hashOf(one)).toBe(end);
    expect(fork.b.receive().length).toBe(one.b.receive().length);
  });

  it('observing changes nothing, and the record tells a packet from chain to chain', () => {
    const [plain, watched] = [run(), run()];
    watched.trace.observe('all');
    watched.cable.capture.enabled = true;
    settle(plain.sim);
    settle(watched.sim);
    expect(hashOf(watched)).toBe(hashOf(plain));
    const records = watched.trace.drain();
    const names = new Set(records.map((r) => r.def.name));
    for (const n of [
      'virtio_device:virtq_pop',
      'virtio_device:virtq_push',
      'virtio_device:interrupt',
      'virtio_net_device:tx',
      'virtio_net_device:rx',
      'link:frame',
      'pci:msix',
    ])
      expect(names).toContain(n);
    const tx = records.filter((r) => r.def.name === 'virtio_net_device:tx').map((r) => r.args[4]);
    const rx = records.filter((r) => r.def.name === 'virtio_net_device:rx').map((r) => r.args[4]);
    expect(rx.length).toBeGreaterThan(5);
    expect(rx.every((id) => tx.includes(id))).toBe(true);
    for (const r of records)
      expect(r.def.format(Object.fromEntries(r.def.args.map((d, i) => [d.name, r.args[i]])))).not.toMatch(/undefined|NaN/);
  });
});

it('a driver that sets FAILED or never DRIVER_OK gets no service', () => {
  const { a, sim } = nicPair();
  a.driver.probe();
  a.driver.negotiate(a.driver.offeredFeatures());
  a.tx[0] = a.driver.setupQueue(1);
  a.driver.status = S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK | S.FAILED;
  a.send(frame(payload(10)));
  settle(sim);
  expect([a.driver.status, a.tx[0].takeUsed().length]).toEqual([0x8b, 0]);
});
