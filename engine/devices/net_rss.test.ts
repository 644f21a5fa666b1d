// Receive-side scaling and notification coalescing of the virtio-net device, against published hashes and a scripted driver.
import { describe, expect, it } from 'vitest';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { frame, payload } from '../testkit/frames.ts';
import { F } from '../virtio/features.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
  VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_HASH_REPORT as REPORT,
  VIRTIO_NET_HASH_TYPE as TYPE,
  VirtioNetConfig,
} from '../virtio/net.ts';
import { RSS_HASH_TYPES, RssState, toeplitz } from './net_rss.ts';

/** Microsoft, "Verifying the RSS Hash Calculation": the key and the packets with their hashes. */
const KEY = Uint8Array.from(
  '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa'.match(/../g)!.map((h) => parseInt(h, 16)),
);
const v4 = (a: string): number[] => a.split('.').map(Number);
const be = (n: number): number[] => [n >> 8, n & 0xff];
const V4: readonly [string, number, string, number, number, number][] = [
  ['66.9.149.187', 2794, '161.142.100.80', 1766, 0x323e8fc2, 0x51ccc178],
  ['199.92.111.2', 14230, '65.69.140.83', 4739, 0xd718262a, 0xc626b0ea],
  ['24.19.198.95', 12898, '12.22.207.184', 38024, 0xd2d0a5de, 0x5c2b394a],
  ['38.27.205.30', 48228, '209.142.163.6', 2217, 0x82989176, 0xafc7327f],
  ['153.39.163.191', 44251, '202.188.127.2', 1303, 0x5d1809c5, 0x10e828a2],
];
const v6 = (a: string): number[] => {
  const [head, tail = ''] = a.split('::');
  const words = (t: string): number[] => (t === '' ? [] : t.split(':').map((w) => parseInt(w, 16)));
  const [h, t] = [words(head), words(tail)];
  return [...h, ...Array.from({ length: 8 - h.length - t.length }, () => 0), ...t].flatMap(be);
};
const V6: readonly [string, number, string, number, number, number][] = [
  ['3ffe:2501:200:1fff::7', 2794, '3ffe:2501:200:3::1', 1766, 0x2cc18cd5, 0x40207d3d],
  ['3ffe:501:8::260:97ff:fe40:efab', 14230, 'ff02::1', 4739, 0x0f0c461c, 0xdde51bbf],
  ['3ffe:1900:4545:3:200:f8ff:fe21:67cf', 44251, 'fe80::200:f8ff:fe21:67cf', 38024, 0x4b61e985, 0x02d1feef],
];

const ETHERNET = [0x52, 0x54, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 1];
const tcp4 = (s: string, sp: number, d: string, dp: number, protocol = 6, fragment = 0): Uint8Array =>
  Uint8Array.from([
    ...ETHERNET,
    8,
    0,
    0x45,
    0,
    0,
    40,
    0,
    0,
    ...be(fragment),
    64,
    protocol,
    0,
    0,
    ...v4(s),
    ...v4(d),
    ...be(sp),
    ...be(dp),
    ...new Array<number>(16).fill(0),
  ]);
const tcp6 = (s: string, sp: number, d: string, dp: number, extension: number[] = []): Uint8Array =>
  Uint8Array.from([
    ...ETHERNET,
    0x86,
    0xdd,
    0x60,
    0,
    0,
    0,
    ...be(20 + extension.length),
    extension.length > 0 ? 60 : 6,
    64,
    ...v6(s),
    ...v6(d),
    ...extension,
    ...be(sp),
    ...be(dp),
    ...new Array<number>(16).fill(0),
  ]);

const le16 = (n: number): number[] => [n & 0xff, n >> 8];
const le32 = (n: number): number[] => [...le16(n & 0xffff), ...le16(n >>> 16)];
const rssConfig = (
  table: readonly number[],
  more: { types?: number; unclassified?: number; maxTx?: number; key?: Uint8Array } = {},
): Uint8Array =>
  Uint8Array.from([
    ...le32(more.types ?? RSS_HASH_TYPES),
    ...le16(table.length - 1),
    ...le16(more.unclassified ?? 0),
    ...table.flatMap(le16),
    ...le16(more.maxTx ?? 2),
    (more.key ?? KEY).length,
    ...(more.key ?? KEY),
  ]);
const hashed = (types: number): RssState => {
  const rss = new RssState();
  expect(rss.configureRss(rssConfig([0], { types, maxTx: 1 }), 1)).toBe(1);
  return rss;
};

describe('virtio-v1.2 §5.1.6.4.3 hash calculation', () => {
  it.each(V4)('IPv4 %s:%i to %s:%i: addresses, and addresses with ports, as Microsoft published', (s, sp, d, dp, l3, l4) => {
    expect(toeplitz(KEY, Uint8Array.from([...v4(s), ...v4(d)]), 8)).toBe(l3);
    const rss = hashed(TYPE.TCPv4 | TYPE.IPv4);
    rss.hash(tcp4(s, sp, d, dp));
    expect(rss.last).toEqual({ value: l4, report: REPORT.TCPv4 });
    rss.hash(tcp4(s, sp, d, dp, 17));
    expect(rss.last).toEqual({ value: l3, report: REPORT.IPv4 });
  });

  it.each(V6)('IPv6 %s:%i to %s:%i: addresses, and addresses with ports, as Microsoft published', (s, sp, d, dp, l3, l4) => {
    const rss = hashed(TYPE.IPv6);
    rss.hash(tcp6(s, sp, d, dp));
    expect(rss.last).toEqual({ value: l3, report: REPORT.IPv6 });
    const ports = hashed(TYPE.IPv6 | TYPE.TCPv6);
    ports.hash(tcp6(s, sp, d, dp));
    expect(ports.last).toEqual({ value: l4, report: REPORT.TCPv6 });
  });

  it('§5.1.6.4.3.2: a fragment has no ports; a type that is not enabled is not hashed', () => {
    const [s, sp, d, dp, l3] = V4[0];
    const rss = hashed(TYPE.TCPv4 | TYPE.IPv4);
    rss.hash(tcp4(s, sp, d, dp, 6, 0x2000));
    expect(rss.last).toEqual({ value: l3, report: REPORT.IPv4 });
    const none = hashed(TYPE.UDPv6);
    none.hash(tcp4(s, sp, d, dp));
    expect(none.last.report).toBe(REPORT.NONE);
  });

  it('§5.1.6.4.3.4: with an extension header the home address is hashed where such types are on, else the header is skipped', () => {
    const [s, sp, d, dp, , l4] = V6[0];
    // destination options: home address option of 16 bytes behind a PadN of 2
    const home = [6, 2, 1, 0, 201, 16, ...v6(s), 1, 0];
    const ex = hashed(TYPE.TCP_EX);
    ex.hash(tcp6('fe80::1', sp, d, dp, home));
    expect(ex.last).toEqual({ value: l4, report: REPORT.TCPv6_EX });
    const plain = hashed(TYPE.TCPv6);
    plain.hash(tcp6(s, sp, d, dp, home));
    expect(plain.last).toEqual({ value: l4, report: REPORT.TCPv6 });
  });
});

const MQ = VIRTIO_NET_CTRL.MQ;
function station(): { a: Station; b: Station; run(): void } {
  const { a, b, sim } = nicPair({
    spec: { queuePairs: 4, net: { properties: { rss: true, hash: true, notf_coal: true, vq_notf_coal: true } } },
  });
  for (const s of [a, b]) {
    s.driver.probe();
    s.start(s.driver.offeredFeatures() & ~F.VIRTIO_F_RING_EVENT_IDX);
  }
  for (let p = 0; p < 4; p++)
    b.postRx(
      Array.from({ length: 16 }, () => [2048]),
      p,
    );
  return { a, b, run: () => settle(sim) };
}

describe('virtio-v1.2 §5.1.6.5.5 RSS', () => {
  it('§5.1.4: the configuration tells the longest key and table, and the hash types', () => {
    const { b } = station();
    const read = (f: { offset: number }, n: number): number =>
      Array.from({ length: n }, (_, i) => b.nic.net.config.u8(f.offset + i)).reduceRight((x, y) => x * 256 + y, 0);
    expect([
      read(VirtioNetConfig.rss_max_key_size, 1),
      read(VirtioNetConfig.rss_max_indirection_table_length, 2),
      read(VirtioNetConfig.supported_hash_types, 4),
    ]).toEqual([40, 128, 0x1ff]);
  });

  it('a packet goes to the queue that the table has for its hash, with hash and kind in the header; one without a hash to the unclassified queue', () => {
    const { b, run } = station();
    expect(b.command(MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, rssConfig([3, 1, 2, 0], { unclassified: 2, maxTx: 4 }))).toBe(0);
    const [s, sp, d, dp, , l4] = V4[0];
    b.nic.net.receiveFrame({ bytes: tcp4(s, sp, d, dp), id: 1, skb: 0 });
    b.nic.net.receiveFrame({ bytes: frame(payload(50), { from: 0x0a, to: 0x0b }).fill(0x88, 12, 14), id: 2, skb: 0 });
    run();
    const queue = [3, 1, 2, 0][l4 & 3];
    const [packet] = b.receive(queue);
    const view = new DataView(packet.buffer, packet.byteOffset);
    expect([view.getUint32(12, true), view.getUint16(16, true), packet.length]).toEqual([l4, REPORT.TCPv4, 20 + 54]);
    const [other] = b.receive(2);
    expect(new DataView(other.buffer, other.byteOffset).getUint16(16, true)).toBe(REPORT.NONE);
  });

  it.each([
    ['a table whose length is no power of two', rssConfig([0, 1, 2])],
    ['an entry beyond the last queue', rssConfig([0, 4])],
    ['an unclassified queue beyond the last', rssConfig([0], { unclassified: 4 })],
    ['a hash type that is not offered', rssConfig([0], { types: 0x200 })],
    ['hash types without a key', rssConfig([0], { key: new Uint8Array(0) })],
    ['a key longer than the longest', rssConfig([0], { key: new Uint8Array(41) })],
    ['no transmit queue', rssConfig([0], { maxTx: 0 })],
    ['a truncated command', rssConfig([0, 1]).subarray(0, 20)],
  ])('%s is refused and changes nothing', (_what, data) => {
    const { b } = station();
    expect(b.command(MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, data)).toBe(1);
    expect([b.nic.net.rss.steering, b.nic.net.pairs]).toEqual([false, 1]);
  });

  it('§5.1.6.5.5.2: the number of pairs brings back automatic steering, hashes are reported on', () => {
    const { b } = station();
    b.command(MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, rssConfig([0, 1]));
    expect(b.command(MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, Uint8Array.of(3, 0))).toBe(0);
    expect([b.nic.net.rss.steering, b.nic.net.rss.hashing, b.nic.net.pairs]).toEqual([false, true, 3]);
  });

  it('§5.1.6.5.5.4: hash configuration reports without steering', () => {
    const { b } = station();
    const data = Uint8Array.from([...le32(TYPE.IPv4), ...new Array<number>(8).fill(0), KEY.length, ...KEY]);
    expect(b.command(MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, data)).toBe(0);
    expect([b.nic.net.rss.steering, b.nic.net.rss.hashing]).toEqual([false, true]);
  });
});

describe('virtio-v1.2 §5.1.6.5.7 notification coalescing', () => {
  const coal = (packets: number, usecs: number): Uint8Array => Uint8Array.from([...le32(packets), ...le32(usecs)]);
  const NOTF = VIRTIO_NET_CTRL.NOTF_COAL;
  const SOME = tcp4('10.0.0.1', 1, '10.0.0.2', 2);
  const interrupts = (b: Station): number => b.nic.pci.queues[0].interrupts;

  it('an interrupt waits for the time, unless the packets come first', () => {
    const { a, b, run } = station();
    expect(b.command(NOTF, VIRTIO_NET_CTRL_NOTF_COAL.RX_SET, coal(3, 100))).toBe(0);
    const { sim } = b.platform;
    const before = sim.now;
    b.nic.net.receiveFrame({ bytes: SOME, id: 1, skb: 0 });
    while (interrupts(b) === 0 && sim.step());
    expect(sim.now - before).toBeGreaterThanOrEqual(100_000);
    const second = sim.now;
    for (let id = 2; id < 5; id++) b.nic.net.receiveFrame({ bytes: SOME, id, skb: 0 });
    while (interrupts(b) === 1 && sim.step());
    expect(sim.now - second).toBeLessThan(10_000);
    run();
    expect([interrupts(b), b.receive().length]).toEqual([2, 4]);
    expect(a.nic.pci.queues[0].interrupts).toBe(0);
  });

  it('used buffers are seen before the interrupt', () => {
    const { b } = station();
    b.command(NOTF, VIRTIO_NET_CTRL_NOTF_COAL.RX_SET, coal(0, 1000));
    b.nic.net.receiveFrame({ bytes: SOME, id: 1, skb: 0 });
    const { sim } = b.platform;
    for (const end = sim.now + 50_000; (sim.peek() ?? Infinity) < end;) sim.step();
    expect([b.receive().length, interrupts(b)]).toEqual([1, 0]);
  });

  it('virtio-v1.3 §5.1.6.5.7: one queue can have parameters of its own; resetting it brings back those of its direction', () => {
    const { b } = station();
    b.command(NOTF, VIRTIO_NET_CTRL_NOTF_COAL.TX_SET, coal(8, 50));
    expect(b.command(NOTF, VIRTIO_NET_CTRL_NOTF_COAL.VQ_SET, Uint8Array.from([...le16(3), 0, 0, ...coal(2, 9)]))).toBe(0);
    const { coalescing } = b.nic.net;
    expect([coalescing.ofQueue(1), coalescing.ofQueue(3)]).toEqual([
      { maxPackets: 8, maxUsecs: 50 },
      { maxPackets: 2, maxUsecs: 9 },
    ]);
    b.nic.net.queueReset(3);
    expect(coalescing.ofQueue(3)).toEqual({ maxPackets: 8, maxUsecs: 50 });
    expect(b.command(NOTF, VIRTIO_NET_CTRL_NOTF_COAL.VQ_SET, Uint8Array.from([...le16(8), 0, 0, ...coal(2, 9)]))).toBe(1);
  });
});

describe('virtio-v1.2 §5.1.3.1 feature dependencies', () => {
  it('what needs a feature that is switched off is not offered either', () => {
    const { a } = nicPair({
      spec: { queuePairs: 4, net: { properties: { csum: false, guest_csum: false, ctrl_vq: false, rss: true, host_uso: true } } },
    });
    const offered = a.nic.net.features;
    const gone =
      F.VIRTIO_NET_F_HOST_TSO4 |
      F.VIRTIO_NET_F_HOST_ECN |
      F.VIRTIO_NET_F_HOST_USO |
      F.VIRTIO_NET_F_GUEST_TSO6 |
      F.VIRTIO_NET_F_GUEST_ECN |
      F.VIRTIO_NET_F_MQ |
      F.VIRTIO_NET_F_RSS |
      F.VIRTIO_NET_F_CTRL_RX |
      F.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    expect(offered & gone).toBe(0n);
    expect(offered & (F.VIRTIO_NET_F_MRG_RXBUF | F.VIRTIO_NET_F_STATUS)).toBe(F.VIRTIO_NET_F_MRG_RXBUF | F.VIRTIO_NET_F_STATUS);
  });
});
