// What virtio-net does to packets, and what its control queue changes; against a scripted driver.
import { describe, expect, it } from 'vitest';
import { csumOffset, frame, l4Start, mac, payload } from '../testkit/frames.ts';
import { nicPair, settle } from '../testkit/nic_pair.ts';
import { F } from '../virtio/features.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN,
  VIRTIO_NET_HDR_F,
  VIRTIO_NET_HDR_GSO,
  VIRTIO_NET_S,
  VirtioNetConfig,
  VirtioNetHdr,
} from '../virtio/net.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { checksumValid } from './net_offload.ts';
import { FrameLayout, parseFrame } from './net_flow.ts';

const HDR = VirtioNetHdr.$size;
const BIG = Array.from({ length: 32 }, () => [2048]);
const body = (packet: Uint8Array): Uint8Array => packet.subarray(HDR);
const validChecksum = (b: Uint8Array): boolean => {
  const f = new FrameLayout();
  parseFrame(b, f);
  return checksumValid(b, f);
};
/** Both stations up, buffers posted at b. */
function running(options: Parameters<typeof nicPair>[0] = {}) {
  const pair = nicPair(options);
  pair.a.start();
  pair.b.start();
  pair.b.postRx(BIG);
  return pair;
}

describe('offloads', () => {
  it.each([{}, { ip: 6 }, { tcp: true }, { ip: 6, tcp: true }] as const)(
    'virtio-v1.2 §5.1.6.2: the device completes a partial checksum: %o',
    (o) => {
      const { a, b, sim } = running();
      a.send(frame(payload(301), { ...o, csum: 'partial' }), {
        flags: VIRTIO_NET_HDR_F.NEEDS_CSUM,
        csum_start: l4Start(o),
        csum_offset: csumOffset(o),
      });
      settle(sim);
      expect(b.receive().map(body)).toEqual([frame(payload(301), o)]);
    },
  );

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
    const without =
      F.VIRTIO_NET_F_GUEST_CSUM |
      F.VIRTIO_NET_F_GUEST_TSO4 |
      F.VIRTIO_NET_F_GUEST_TSO6 |
      F.VIRTIO_NET_F_GUEST_ECN |
      F.VIRTIO_NET_F_GUEST_UFO;
    expect(flags((w) => w & ~without)).toEqual([0, 0]);
  });

  it.each([4, 6] as const)('virtio-v1.2 §5.1.6.2: TCP over IPv%i is cut into frames that are valid and add up', (ip) => {
    const { a, b, sim } = running();
    const o = { ip, tcp: true, tcpFlags: 0x99 } as const;
    const data = payload(4000);
    a.send(frame(data, { ...o, csum: 'partial' }), {
      flags: VIRTIO_NET_HDR_F.NEEDS_CSUM,
      csum_start: l4Start(o),
      csum_offset: csumOffset(o),
      gso_size: 1448,
      hdr_len: l4Start(o) + 20,
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
    a.send(frame(data, { csum: 'partial' }), {
      flags: 1,
      csum_start: 34,
      csum_offset: 6,
      gso_type: VIRTIO_NET_HDR_GSO.UDP,
      gso_size: 1480,
    });
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
    expect(b.nic.net.filter.state()).toMatchObject({
      promiscuous: false,
      multicastTable: ['33:33:00:00:00:01'],
      mainMac: '52:54:00:00:00:0b',
    });
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
    for (const [n, ack] of [
      [0, 1],
      [5, 1],
      [4, 0],
    ])
      expect(b.command(VIRTIO_NET_CTRL.MQ, 0, Uint8Array.of(n, 0))).toBe(ack);
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
    expect([
      b.command(9, 0, byte(0)),
      b.command(RX, 0, Uint8Array.of()),
      b.command(VIRTIO_NET_CTRL.MAC, 0, Uint8Array.of(9, 0, 0, 0)),
      b.command(VIRTIO_NET_CTRL.ANNOUNCE, 0, Uint8Array.of()),
    ]).toEqual([1, 1, 1, 1]);
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

describe('virtio-v1.2 §5.1.6.2 HOST_USO', () => {
  const header = {
    gso_type: VIRTIO_NET_HDR_GSO.UDP_L4,
    gso_size: 1000,
    flags: VIRTIO_NET_HDR_F.NEEDS_CSUM,
    hdr_len: 42,
    csum_start: 34,
    csum_offset: 6,
  };

  it.each([{}, { ip: 6 }] as const)('a large UDP payload becomes datagrams, each with its own lengths and checksum: %o', (o) => {
    const { a, b, sim } = running({ spec: { net: { properties: { host_uso: true } } } });
    const l4 = l4Start(o);
    a.send(frame(payload(2500), { ...o, csum: 'partial' }), { ...header, hdr_len: l4 + 8, csum_start: l4 });
    settle(sim);
    const got = b.receive().map(body);
    expect(got.map((x) => [x.length - l4 - 8, (x[l4 + 4] << 8) | x[l4 + 5], validChecksum(x)])).toEqual([
      [1000, 1008, true],
      [1000, 1008, true],
      [500, 508, true],
    ]);
    expect(Uint8Array.from(got.flatMap((x) => [...x.subarray(l4 + 8)]))).toEqual(payload(2500));
  });

  it('§5.1.6.2.1: a kind of segmentation that was not negotiated is not done', () => {
    const { a, b, sim } = running();
    a.send(frame(payload(2500), { csum: 'partial' }), header);
    settle(sim);
    expect([b.receive(), a.nic.net.counters.tx_bad]).toEqual([[], 1]);
  });
});

describe('virtio-v1.2 §5.1.6.4 packets that another host left unfinished, on a virtual wire', () => {
  const o = { tcp: true } as const;
  const header = {
    gso_type: VIRTIO_NET_HDR_GSO.TCPV4,
    gso_size: 1000,
    flags: VIRTIO_NET_HDR_F.NEEDS_CSUM,
    hdr_len: l4Start(o) + 20,
    csum_start: l4Start(o),
    csum_offset: csumOffset(o),
  };
  const large = frame(payload(3500), { ...o, csum: 'partial' });

  it('a driver that takes large packets gets them whole, with what the header of the sender said', () => {
    const { a, b, sim } = running({ cable: { vnet: true } });
    a.send(large, header);
    settle(sim);
    const [packet] = b.receive();
    const view = new DataView(packet.buffer, packet.byteOffset);
    expect([packet[0], packet[1], ...[2, 4, 6, 8].map((at) => view.getUint16(at, true))]).toEqual([
      VIRTIO_NET_HDR_F.NEEDS_CSUM,
      VIRTIO_NET_HDR_GSO.TCPV4,
      header.hdr_len,
      1000,
      header.csum_start,
      header.csum_offset,
    ]);
    expect(body(packet)).toEqual(large);
  });

  it('§5.1.6.5.6: once the driver switched that off it gets finished frames', () => {
    const { a, b, sim } = running({ cable: { vnet: true } });
    const offloads = Uint8Array.of(Number(F.VIRTIO_NET_F_GUEST_CSUM), 0, 0, 0, 0, 0, 0, 0);
    expect(b.command(VIRTIO_NET_CTRL.GUEST_OFFLOADS, 0, offloads)).toBe(0);
    a.send(large, header);
    settle(sim);
    const got = b.receive();
    expect(got.map((p) => [p.length - HDR, p[0] & VIRTIO_NET_HDR_F.NEEDS_CSUM, p[1]])).toEqual([
      [1054, 0, 0],
      [1054, 0, 0],
      [1054, 0, 0],
      [554, 0, 0],
    ]);
    expect(got.every((p) => validChecksum(body(p)))).toBe(true);
  });

  it('a packet that was on the way when the driver switched that off is finished by the device', () => {
    const { a, b, sim } = running({ cable: { vnet: true, delay: 1_000_000 } });
    a.send(large, header);
    while (a.nic.net.counters.tx_frames === 0) sim.step();
    b.command(VIRTIO_NET_CTRL.GUEST_OFFLOADS, 0, new Uint8Array(8));
    settle(sim);
    const got = b.receive().map(body);
    expect([got.length, got.every(validChecksum)]).toEqual([4, true]);
  });

  it('an Ethernet carries finished frames only', () => {
    const { a, b, sim } = running();
    a.send(large, header);
    settle(sim);
    expect(b.receive()).toHaveLength(4);
  });
});
