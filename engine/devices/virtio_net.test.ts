// virtio-net against a scripted driver that knows only ECAM, BARs and RAM.
import { describe, expect, it } from 'vitest';
import { Cloner } from '../sim/clone.ts';
import { hashOf } from '../sim/hash.ts';
import { csumOffset, frame, l4Start, mac, payload } from '../testkit/frames.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { F, featureHalf } from '../virtio/features.ts';
import { VIRTIO_NET_CTRL, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_HDR_F, VIRTIO_NET_HDR_GSO, VIRTIO_NET_S, VirtioNetConfig, VirtioNetHdr } from '../virtio/net.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { checksumValid } from './net_offload.ts';
import { FrameLayout, parseFrame } from './net_flow.ts';

const HDR = VirtioNetHdr.$size;
const BIG = new Array<number[]>(32).fill([2048]);
const body = (packet: Uint8Array): Uint8Array => packet.subarray(HDR);
const validChecksum = (b: Uint8Array): boolean => {
  const f = new FrameLayout();
  parseFrame(b, f);
  return checksumValid(b, f);
};
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
    expect(words).toEqual([['30ffffa7', '101'], ['30bfffa7', '101']]);
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
    expect([a.driver.status, a.driver.read(C.queue_enable), a.driver.read(C.queue_msix_vector), a.driver.read(C.queue_desc)]).toEqual([0, 0, 0xffff, 0]);
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
    a.tx[0].addIndirect([{ addr: at, len: HDR }, { addr: at + HDR, len: 40 }, { addr: at + HDR + 40, len: f.length - 40 }]);
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
    expect(sent.slice(1).map((t, i) => t - sent[i])).toEqual(new Array(9).fill(672));
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

describe('offloads', () => {
  it.each([{}, { ip: 6 }, { tcp: true }, { ip: 6, tcp: true }] as const)('virtio-v1.2 §5.1.6.2: the device completes a partial checksum: %o', (o) => {
    const { a, b, sim } = running();
    a.send(frame(payload(301), { ...o, csum: 'partial' }), { flags: VIRTIO_NET_HDR_F.NEEDS_CSUM, csum_start: l4Start(o), csum_offset: csumOffset(o) });
    settle(sim);
    expect(b.receive().map(body)).toEqual([frame(payload(301), o)]);
  });

  it('virtio-v1.2 §5.1.6.4: DATA_VALID is set for right checksums only, and only with GUEST_CSUM', () => {
    const flags = (features: (w: bigint) => bigint): number[] => {
      const { a, b, sim } = nicPair();
      a.start();
      b.driver.probe();
      b.start(features(b.driver.offeredFeatures()));
      b.postRx(BIG);
      for (const csum of ['full', 'wrong'] as const) a.send(frame(payload(50), { csum }));
      settle(sim);
      return b.receive().map((p) => p[0]);
    };
    expect(flags((w) => w)).toEqual([VIRTIO_NET_HDR_F.DATA_VALID, 0]);
    const without = F.VIRTIO_NET_F_GUEST_CSUM | F.VIRTIO_NET_F_GUEST_TSO4 | F.VIRTIO_NET_F_GUEST_TSO6 | F.VIRTIO_NET_F_GUEST_ECN | F.VIRTIO_NET_F_GUEST_UFO;
    expect(flags((w) => w & ~without)).toEqual([0, 0]);
  });

  it.each([4, 6] as const)('virtio-v1.2 §5.1.6.2: TCP over IPv%i is cut into frames that are valid and add up', (ip) => {
    const { a, b, sim } = running();
    const o = { ip, tcp: true, tcpFlags: 0x99 } as const;
    const data = payload(4000);
    a.send(frame(data, { ...o, csum: 'partial' }), {
      flags: VIRTIO_NET_HDR_F.NEEDS_CSUM, csum_start: l4Start(o), csum_offset: csumOffset(o), gso_size: 1448, hdr_len: l4Start(o) + 20,
      gso_type: (ip === 4 ? VIRTIO_NET_HDR_GSO.TCPV4 : VIRTIO_NET_HDR_GSO.TCPV6) | VIRTIO_NET_HDR_GSO.ECN,
    });
    settle(sim);
    const got = b.receive().map(body);
    expect(got.map((f) => f.length - l4Start(o) - 20)).toEqual([1448, 1448, 1104]);
    expect(got.every(validChecksum)).toBe(true);
    expect(Uint8Array.from(got.flatMap((f) => [...f.subarray(l4Start(o) + 20)]))).toEqual(data);
    const view = got.map((f) => new DataView(f.buffer, f.byteOffset));
    expect(view.map((v) => v.getUint32(l4Start(o) + 4))).toEqual([0xfffffff0, 0x598, 0xb40]);
    // CWR on the first segment only, FIN and PSH on the last only
    expect(got.map((f) => f[l4Start(o) + 13])).toEqual([0x90, 0x10, 0x19]);
    if (ip === 4) expect(view.map((v) => v.getUint16(18))).toEqual([0x1234, 0x1235, 0x1236]);
  });

  it('virtio-v1.2 §5.1.6.2: a large UDP datagram leaves as IP fragments', () => {
    const { a, b, sim } = running();
    const data = payload(3000);
    a.send(frame(data, { csum: 'partial' }), { flags: 1, csum_start: 34, csum_offset: 6, gso_type: VIRTIO_NET_HDR_GSO.UDP, gso_size: 1480 });
    settle(sim);
    const got = b.receive().map(body);
    const whole = frame(data);
    expect(Uint8Array.from(got.flatMap((f) => [...f.subarray(34)]))).toEqual(whole.subarray(34));
    expect(got.map((f) => (f[20] << 8) | f[21])).toEqual([0x2000, 0x2000 | 185, 370]);
  });

  it('a header that cannot be honoured drops the packet, counts it, and gives the buffer back', () => {
    const { a, b, sim } = running();
    const f = frame(payload(50));
    a.send(f, { flags: 1, csum_start: 90, csum_offset: 16 });
    a.send(f, { gso_type: VIRTIO_NET_HDR_GSO.TCPV4, gso_size: 100 });
    a.send(f, { gso_type: VIRTIO_NET_HDR_GSO.TCPV4, gso_size: 0 });
    a.send(new Uint8Array(5));
    settle(sim);
    expect([a.nic.net.counters.tx_bad, a.tx[0].takeUsed().length, b.receive().length]).toEqual([4, 4, 0]);
  });
});

describe('control queue (virtio-v1.2 §5.1.6.5)', () => {
  const RX = VIRTIO_NET_CTRL.RX;
  const byte = (n: number): Uint8Array => Uint8Array.of(n);

  it('filters by address, broadcast and multicast table once promiscuous mode is off', () => {
    const { a, b, sim } = running();
    expect(b.command(RX, VIRTIO_NET_CTRL_RX.PROMISC, byte(0))).toBe(0);
    const table = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1);
    expect(b.command(VIRTIO_NET_CTRL.MAC, VIRTIO_NET_CTRL_MAC.TABLE_SET, table)).toBe(0);
    const targets = [mac(0x0b), mac(0x0c), [255, 255, 255, 255, 255, 255], [0x33, 0x33, 0, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 2]];
    for (const dmac of targets) a.send(frame(payload(20), { dmac }));
    settle(sim);
    expect(b.receive().map((p) => p[HDR + 5])).toEqual([0x0b, 0xff, 1]);
    expect(b.nic.net.counters.rx_filtered).toBe(2);
    expect(b.nic.net.filter.state()).toMatchObject({ promiscuous: false, multicastTable: ['33:33:00:00:00:01'], mainMac: '52:54:00:00:00:0b' });
    b.command(RX, VIRTIO_NET_CTRL_RX.ALLMULTI, byte(1));
    a.send(frame(payload(20), { dmac: targets[4] }));
    settle(sim);
    expect(b.receive()).toHaveLength(1);
  });

  it('with CTRL_VLAN only added VLANs pass', () => {
    const { a, b, sim } = running();
    b.command(RX, VIRTIO_NET_CTRL_RX.PROMISC, byte(0));
    const plain = frame(payload(20));
    const tagged = Uint8Array.of(...plain.subarray(0, 12), 0x81, 0, 0, 5, ...plain.subarray(12));
    a.send(tagged);
    settle(sim);
    expect(b.receive()).toHaveLength(0);
    expect(b.command(VIRTIO_NET_CTRL.VLAN, VIRTIO_NET_CTRL_VLAN.ADD, Uint8Array.of(5, 0))).toBe(0);
    a.send(tagged);
    settle(sim);
    expect(b.receive().map(body)).toEqual([tagged]);
  });

  it('a new MAC address is in the configuration until reset', () => {
    const { b } = running();
    expect(b.command(VIRTIO_NET_CTRL.MAC, VIRTIO_NET_CTRL_MAC.ADDR_SET, Uint8Array.from(mac(0x77)))).toBe(0);
    const last = (): number => b.driver.platform.bus.read(b.driver.deviceCfg + VirtioNetConfig.mac.offset + 5, 1);
    expect(last()).toBe(0x77);
    b.driver.status = 0;
    expect(last()).toBe(0x0b);
  });

  it('queue pairs: 1 to the maximum, and frames follow the flow that was last sent on a pair', () => {
    const { a, b, sim } = running({ spec: { queuePairs: 4 } });
    for (const p of [1, 2, 3]) b.postRx(BIG, p);
    for (const [n, ack] of [[0, 1], [5, 1], [4, 0]]) expect(b.command(VIRTIO_NET_CTRL.MQ, 0, Uint8Array.of(n, 0))).toBe(ack);
    for (const p of [3, 1]) {
      b.send(frame(payload(10), { from: 0x0b, to: 0x0a, sport: 2000, dport: 1000 }), {}, p);
      settle(sim);
      a.send(frame(payload(10)));
      settle(sim);
      expect([0, 1, 2, 3].map((q) => b.receive(q).length)).toEqual([0, 1, 2, 3].map((q) => (q === p ? 1 : 0)));
    }
    for (let i = 0; i < 64; i++) a.send(frame(payload(10), { sport: 5000 + i }));
    settle(sim);
    expect([0, 1, 2, 3].map((q) => b.receive(q).length > 4)).toEqual([true, true, true, true]);
  });

  it('unknown commands and wrong sizes are refused with ERR', () => {
    const { b } = running();
    expect([b.command(9, 0, byte(0)), b.command(RX, 0, Uint8Array.of()), b.command(VIRTIO_NET_CTRL.MAC, 0, Uint8Array.of(9, 0, 0, 0)), b.command(VIRTIO_NET_CTRL.ANNOUNCE, 0, Uint8Array.of())]).toEqual([1, 1, 1, 1]);
  });

  it('announce and link changes are configuration interrupts, with a new generation', () => {
    const { a, b, sim, cable } = running();
    b.driver.write(C.config_msix_vector, 0);
    const status = (): number => b.driver.platform.bus.read(b.driver.deviceCfg + VirtioNetConfig.status.offset, 2);
    const generation = b.driver.read(C.config_generation);
    expect(status()).toBe(VIRTIO_NET_S.LINK_UP);
    b.nic.net.announce();
    settle(sim);
    expect([status(), b.irqs.count(0x30), b.driver.read(C.config_generation)]).toEqual([3, 1, generation + 1]);
    expect([b.command(VIRTIO_NET_CTRL.ANNOUNCE, 0, Uint8Array.of()), status()]).toEqual([0, 1]);
    cable.setUp(false);
    a.send(frame(payload(10)));
    settle(sim);
    expect([status(), b.irqs.count(0x30), a.nic.net.counters.tx_link_down, a.tx[0].takeUsed().length]).toEqual([0, 2, 1, 1]);
    cable.setUp(true);
    b.nic.net.setLink(false);
    expect(status()).toBe(0);
    b.nic.net.setLink(true);
    expect(status()).toBe(1);
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
    for (const n of ['virtio_device:virtq_pop', 'virtio_device:virtq_push', 'virtio_device:interrupt', 'virtio_net_device:tx', 'virtio_net_device:rx', 'link:frame', 'pci:msix']) expect(names).toContain(n);
    const tx = records.filter((r) => r.def.name === 'virtio_net_device:tx').map((r) => r.args[4]);
    const rx = records.filter((r) => r.def.name === 'virtio_net_device:rx').map((r) => r.args[4]);
    expect(rx.length).toBeGreaterThan(5);
    expect(rx.every((id) => tx.includes(id))).toBe(true);
    for (const r of records) expect(r.def.format(Object.fromEntries(r.def.args.map((d, i) => [d.name, r.args[i]])))).not.toMatch(/undefined|NaN/);
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
