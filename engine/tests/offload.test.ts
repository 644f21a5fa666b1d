// Segmentation and merging end to end: what leaves large arrives as if it had left small, and the other way round.
import { describe, expect, it } from 'vitest';
import { Errno } from '../base/errno.ts';
import { ops } from '../base/ops.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import type { InetSock } from '../kernel/ipv4/inet_sock.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Napi } from '../kernel/napi.ts';
import type { NetDevice, NetDeviceOps } from '../kernel/net_device.ts';
import { PacketType, type PacketHandler } from '../kernel/packet_type.ts';
import { SKB_GSO, type SkBuff } from '../kernel/skbuff.ts';
import type { Message } from '../kernel/sock.ts';
import { addAddr, bootPair, device, ip, openSocket, up } from '../testkit/ip_fixture.ts';
import { bootKernel, runFor } from '../testkit/kernel_fixture.ts';
import { frame, type FrameOptions, mac, payload } from '../testkit/frames.ts';
import { ETH_P } from '../wire/headers.ts';

/** A card whose poll hands up the frames a test gives it. */
class Card {
  napi!: Napi;
  waiting: Uint8Array[] = [];
  /** For frames of this length: segments of so many bytes, merged by the device. */
  merged = new Map<number, number>();
  constructor(
    readonly kernel: Kernel,
    readonly dev: NetDevice,
  ) {}
  poll(napi: Napi, budget: number): number {
    const { kernel } = this;
    const frames = this.waiting.splice(0, budget);
    for (const bytes of frames) {
      const skb = kernel.skb.napi_alloc_skb(napi, bytes.length) as SkBuff;
      kernel.skb.ram.write(kernel.skb.skb_put(skb, bytes.length), bytes, 0, bytes.length);
      kernel.net.eth.eth_type_trans(skb, this.dev);
      const size = this.merged.get(bytes.length);
      if (size !== undefined) kernel.skb.setGso(skb, SKB_GSO.TCPV4, size, 0);
      kernel.gro.napi_gro_receive(napi, skb);
    }
    kernel.net.napi.napi_complete_done(napi, frames.length);
    return frames.length;
  }
  receive(frames: Uint8Array[]): void {
    this.waiting.push(...frames);
    this.kernel.net.napi.napi_schedule(this.napi);
    runFor(this.kernel.platform.sim, 1e6);
  }
}
const CARD_OPS: NetDeviceOps = ops<NetDeviceOps>({
  ndo_start_xmit: (skb, dev) => {
    (dev.priv as Card).kernel.skb.consume_skb(skb);
    return 0;
  },
});

/** What a tap sees: [bytes from the IP header on, gso_size, source port]. */
class Tap implements PacketHandler {
  seen: [len: number, gso: number, sport: number][] = [];
  constructor(readonly kernel: Kernel) {}
  packet_rcv(skb: SkBuff): number {
    const { skb: skbs } = this.kernel;
    const at = skb.head + skb.network_header;
    const l4 = at + (skbs.ram.u8(at) >> 4 === 6 ? 40 : 20);
    this.seen.push([skb.len, skbs.gso_size(skb), skbs.ram.u16be(l4)]);
    skbs.consume_skb(skb);
    return 0;
  }
}

function boot() {
  const f = bootKernel({ modules: { builtin: [LOOPBACK_MODULE], loadable: [] }, cpus: 1 });
  const { kernel } = f;
  const dev = kernel.net.alloc_etherdev_mq(CARD_OPS, 1);
  const card = new Card(kernel, dev);
  dev.priv = card;
  dev.dev_addr = Uint8Array.from(mac(0x0b));
  kernel.net.register_netdev(dev);
  card.napi = kernel.net.napi.netif_napi_add(dev, card, 64, 0);
  kernel.net.napi.napi_enable(card.napi);
  up(kernel, kernel.init_net, 'lo');
  addAddr(kernel, kernel.init_net, '10.0.0.11/24', dev.name);
  addAddr(kernel, kernel.init_net, 'fd00::b/64', dev.name);
  up(kernel, kernel.init_net, dev.name);
  runFor(f.sim, 3e9);
  const tap = new Tap(kernel);
  return { ...f, dev, card, tap };
}
type World = ReturnType<typeof boot>;

/** From now on the tap looks at what comes in. */
const watch = (w: World): void => {
  const pt = new PacketType(ETH_P.ALL, w.tap, w.dev);
  pt.ignore_outgoing = true;
  w.kernel.net.rx.dev_add_pack(pt);
};
const set = (kernel: Kernel, dev: NetDevice, ...on: [name: string, on: boolean][]): string[] =>
  kernel.ethtool.setFeatures(dev, new Map(on)).changed.map(([name]) => name);
const udpTo = (port: number, kernel: Kernel, family = 2): InetSock => {
  const sk = openSocket(kernel, kernel.init_net, family, 2, 17);
  const addr =
    family === 2 ? { family: 2 as const, addr: ip('0.0.0.0'), port } : { family: 10 as const, addr: ip('::'), port, scope_id: 0 };
  expect(kernel.sockets.bind(sk, addr)).toBe(0);
  return sk;
};
function readAll(kernel: Kernel, sk: InetSock): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (;;) {
    const m: Message | number = kernel.sockets.recvmsg(sk, 65536, 0);
    if (typeof m === 'number') return out;
    out.push(m.data);
  }
}
const four = (o: FrameOptions = {}): Uint8Array[] => [1, 2, 3, 4].map((i) => frame(payload(100).fill(i), o));

describe('UDP_SEGMENT', () => {
  it.each([
    ['whole to a device that can cut', true],
    ['in segments to one that cannot', false],
  ])('goes %s, and arrives as datagrams either way', (_, able) => {
    const f = bootPair();
    const { kernel } = f;
    const veth0 = device(f.init, 'veth0');
    if (!able) expect(set(kernel, veth0, ['tx-udp-segmentation', false])).toEqual(['tx-udp-segmentation']);
    const rx = openSocket(kernel, f.test, 2, 2, 17);
    kernel.sockets.bind(rx, { family: 2, addr: ip('0.0.0.0'), port: 2000 });
    const tx = openSocket(kernel, f.init, 2, 2, 17);
    const to = { family: 2 as const, addr: ip('10.0.0.2'), port: 2000 };
    kernel.sockets.sendmsg(tx, Uint8Array.of(1), to);
    runFor(f.sim, 1e8);
    expect(readAll(kernel, rx).length).toBe(1);
    const { live } = kernel.skb;
    const before = kernel.net.dev_get_stats(veth0).tx_packets;
    expect(kernel.sockets.setsockopt(tx, 'UDP_SEGMENT', 1000, 0)).toBe(0);
    const data = payload(3500);
    expect(kernel.sockets.sendmsg(tx, data, to)).toBe(3500);
    runFor(f.sim, 1e8);
    expect(kernel.net.dev_get_stats(veth0).tx_packets - before).toBe(able ? 1 : 4);
    const got = readAll(kernel, rx);
    expect(got.map((d) => d.length)).toEqual([1000, 1000, 1000, 500]);
    expect(got.every((d, i) => d.every((b, k) => b === data[i * 1000 + k]))).toBe(true);
    expect(kernel.skb.live).toBe(live);
    expect(tx.wmem_alloc).toBe(0);
  });

  it('works over IPv6 loopback too', () => {
    const w = boot();
    const rx = udpTo(2000, w.kernel, 10);
    const tx = openSocket(w.kernel, w.kernel.init_net, 10, 2, 17);
    w.kernel.sockets.setsockopt(tx, 'UDP_SEGMENT', 1200, 0);
    expect(w.kernel.sockets.sendmsg(tx, payload(3000), { family: 10, addr: ip('::1'), port: 2000, scope_id: 0 })).toBe(3000);
    runFor(w.sim, 1e7);
    expect(readAll(w.kernel, rx).map((d) => d.length)).toEqual([1200, 1200, 600]);
  });

  it('refuses what no path or device could carry', () => {
    const f = bootPair();
    const { kernel } = f;
    const tx = openSocket(kernel, f.init, 2, 2, 17);
    const send = (segment: number, length: number): number => {
      kernel.sockets.setsockopt(tx, 'UDP_SEGMENT', segment, 0);
      return kernel.sockets.sendmsg(tx, payload(length), { family: 2, addr: ip('10.0.0.2'), port: 9 });
    };
    expect(kernel.sockets.setsockopt(tx, 'UDP_SEGMENT', 65536, 0)).toBe(-Errno.EINVAL);
    expect(send(1473, 3000)).toBe(-Errno.EINVAL);
    expect(send(10, 641)).toBe(-Errno.EINVAL);
    set(kernel, device(f.init, 'veth0'), ['tx-checksum-ip-generic', false]);
    expect(send(1000, 3000)).toBe(-Errno.EIO);
  });
});

describe('merging of datagrams', () => {
  it.each([
    [
      'not at all by default',
      {},
      [],
      [
        [128, 0],
        [128, 0],
        [128, 0],
        [128, 0],
      ],
    ],
    ['for forwarding', {}, [['rx-udp-gro-forwarding', true]], [[428, 100]]],
    ['as a chain', {}, [['rx-gro-list', true]], [[428, 100]]],
    [
      'not with merging off',
      {},
      [
        ['rx-gro-list', true],
        ['rx-gro', false],
      ],
      [
        [128, 0],
        [128, 0],
        [128, 0],
        [128, 0],
      ],
    ],
    ['over IPv6', { ip: 6 }, [['rx-udp-gro-forwarding', true]], [[448, 100]]],
  ] as [string, FrameOptions, [string, boolean][], number[][]][])(
    '%s: a socket that has not asked reads what was sent',
    (_, o, features, seen) => {
      const w = boot();
      const sk = udpTo(2000, w.kernel, o.ip === 6 ? 10 : 2);
      set(w.kernel, w.dev, ...features);
      const { live } = w.kernel.skb;
      watch(w);
      w.card.receive(four(o));
      expect(w.tap.seen.map(([len, gso]) => [len, gso])).toEqual(seen);
      expect(readAll(w.kernel, sk).map((d) => [d.length, d[0], d[99]])).toEqual([1, 2, 3, 4].map((i) => [100, i, i]));
      expect(w.kernel.skb.live).toBe(live);
    },
  );

  it('gives a socket with UDP_GRO the whole, and others nothing merged', () => {
    const w = boot();
    const sk = udpTo(2000, w.kernel);
    const other = udpTo(2001, w.kernel);
    w.kernel.sockets.setsockopt(sk, 'UDP_GRO', 1, 0);
    w.card.receive([...four(), ...four({ dport: 2001 })]);
    expect(readAll(w.kernel, sk).map((d) => d.length)).toEqual([400]);
    expect(readAll(w.kernel, other).map((d) => d.length)).toEqual([100, 100, 100, 100]);
  });

  it('a shorter datagram is the last of its packet, a longer one begins the next', () => {
    const w = boot();
    set(w.kernel, w.dev, ['rx-udp-gro-forwarding', true]);
    watch(w);
    w.card.receive([100, 100, 60, 100, 120].map((n) => frame(payload(n))));
    expect(w.tap.seen.map(([len, gso]) => [len, gso])).toEqual([
      [288, 100],
      [128, 0],
      [148, 0],
    ]);
  });

  it('a wrong checksum is never merged', () => {
    const w = boot();
    set(w.kernel, w.dev, ['rx-udp-gro-forwarding', true]);
    watch(w);
    w.card.receive([frame(payload(100)), frame(payload(100), { csum: 'wrong' }), frame(payload(100))]);
    expect(w.tap.seen.map(([len]) => len).toSorted((a, b) => a - b)).toEqual([128, 228]);
  });

  it('the ninth flow of a bucket pushes out the oldest', () => {
    const w = boot();
    set(w.kernel, w.dev, ['rx-udp-gro-forwarding', true]);
    watch(w);
    const flows = Array.from({ length: 9 }, (_, i) => 100 + i);
    w.card.receive([...flows, ...flows].map((sport) => frame(payload(50), { sport })));
    // the first comes alone and each that returns pushes out the next
    expect(w.tap.seen.length).toBe(18);
    expect(w.tap.seen[0][2]).toBe(100);
  });
});

describe('merging of segments', () => {
  it('what the device has merged goes up behind what is held of its flow', () => {
    const w = boot();
    watch(w);
    const small = frame(payload(100), { tcp: true, tcpFlags: 0x10 });
    const large = frame(payload(3000), { tcp: true, tcpFlags: 0x10 });
    w.card.merged.set(large.length, 1000);
    w.card.receive([small, large]);
    expect(w.tap.seen.map(([len, gso]) => [len, gso])).toEqual([
      [140, 0],
      [3040, 1000],
    ]);
  });

  it('gro_flush_timeout keeps packets of this tick, and its timer sends them up', () => {
    const w = boot();
    set(w.kernel, w.dev, ['rx-udp-gro-forwarding', true]);
    w.dev.gro_flush_timeout = 2_000_000;
    watch(w);
    w.card.receive(four().slice(0, 2));
    expect(w.tap.seen).toEqual([]);
    runFor(w.sim, 3e6);
    expect(w.tap.seen.map(([len, gso]) => [len, gso])).toEqual([[228, 100]]);
  });
});

describe('a packet of segments at a device', () => {
  it('from a peer that is not trusted goes whole with its segments counted, or is cut', () => {
    const f = bootPair();
    const { kernel } = f;
    const dev = device(f.init, 'veth0');
    const bytes = frame(payload(2500), { tcp: true, csum: 'partial' });
    const make = (): SkBuff => {
      const skb = kernel.skb.alloc_skb(bytes.length) as SkBuff;
      kernel.skb.ram.write(kernel.skb.skb_put(skb, bytes.length), bytes, 0, bytes.length);
      skb.network_header = 14;
      skb.ip_summed = 3;
      skb.dev = dev;
      kernel.skb.setGso(skb, SKB_GSO.TCPV4 | SKB_GSO.DODGY, 1000, 0);
      return skb;
    };
    const whole = make();
    expect(kernel.gso.netif_needs_gso(whole, dev)).toBe(false);
    expect(kernel.skb.gso_segs(whole)).toBe(3);
    dev.gso_max_segs = 2;
    expect(kernel.gso.netif_needs_gso(whole, dev)).toBe(true);
    dev.gso_max_segs = 65535;
    set(kernel, dev, ['tx-tcp-segmentation', false]);
    expect(kernel.gso.netif_needs_gso(whole, dev)).toBe(true);
    kernel.skb.kfree_skb(whole);
  });

  it.each([
    [
      'tx-checksum-ip-generic',
      ['tx-checksum-ip-generic', 'tx-tcp-segmentation', 'tx-tcp-ecn-segmentation', 'tx-tcp-mangleid-segmentation', 'tx-tcp6-segmentation'],
    ],
    [
      'tx-scatter-gather',
      [
        'tx-scatter-gather',
        'tx-generic-segmentation',
        'tx-tcp-segmentation',
        'tx-tcp-ecn-segmentation',
        'tx-tcp-mangleid-segmentation',
        'tx-tcp6-segmentation',
      ],
    ],
  ])('%s off takes with it what cannot be without', (name, gone) => {
    const f = bootPair();
    expect(set(f.kernel, device(f.init, 'veth0'), [name, false]).toSorted()).toEqual(gone.toSorted());
  });
});
