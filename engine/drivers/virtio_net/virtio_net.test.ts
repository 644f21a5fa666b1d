// The virtio_net driver on the simulated device: frames both ways, full rings, resizing, failing probes, nothing left behind.
import { expect, test } from 'vitest';
import type { NetDevice } from '../../kernel/net_device.ts';
import { IFF } from '../../kernel/net_device.ts';
import { PacketType } from '../../kernel/packet_type.ts';
import { __skb_put, skb_reserve } from '../../kernel/skb_inline.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import { type NicFixture, nicFixture } from '../../testkit/nic_fixture.ts';
import { F } from '../../virtio/features.ts';
import { PCI_DEVFN } from '../../pci/config_space.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { VIRTNET_PROBE_STEPS } from './virtio_net.ts';

/** An EtherType for experiments (IEEE 802): no protocol of the kernel takes it. */
const ETH_P_TEST = 0x88b5;
const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

function frame(length: number, fill: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => (fill + i) & 0xff);
  bytes.set([...MAC, 2, 0, 0, 0, 0, 1, ETH_P_TEST >> 8, ETH_P_TEST & 0xff]);
  return bytes;
}

/** Collects what reaches the protocols. */
class Receiver {
  readonly packets: Uint8Array[] = [];
  constructor(private readonly f: NicFixture) {
    f.kernel.net.rx.dev_add_pack(new PacketType(ETH_P_TEST, this));
  }
  packet_rcv(skb: SkBuff): number {
    const out = new Uint8Array(skb.len);
    this.f.kernel.skb.copyToArray(skb, 0, out, 0, skb.len);
    this.packets.push(out);
    this.f.kernel.skb.consume_skb(skb);
    return 0;
  }
}

function up(f: NicFixture): NetDevice {
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
  expect(f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP)).toBe(0);
  f.settle();
  return dev;
}

function send(f: NicFixture, dev: NetDevice, bytes: Uint8Array, headroom = 64): void {
  const { kernel } = f;
  const skb = kernel.skb.alloc_skb(headroom + bytes.length)!;
  skb_reserve(skb, headroom);
  f.platform.ram.write(__skb_put(skb, bytes.length), bytes, 0, bytes.length);
  skb.dev = dev;
  skb.protocol = ETH_P_TEST;
  const cpu = f.platform.cpus.list[0];
  const at = cpu.enterTask();
  kernel.net.xmit.dev_queue_xmit(skb);
  cpu.leaveTask(at, 'test');
}

const pciOf = (f: NicFixture): PciDev => f.kernel.drivers.bus_find_device_by_name('pci', '0000:00:01.0') as PciDev;

/** Everything a driver may hold: packets, pages, small objects, DMA mappings, interrupts. */
function holdings(f: NicFixture): unknown {
  const { kernel, platform } = f;
  return {
    skbs: kernel.skb.live,
    pages: kernel.skb.frags.live,
    objects: platform.slab.inUse,
    mappings: pciOf(f)
      .dma.leaks()
      .map((m) => m.by),
    findings: pciOf(f).dma.findings.map((x) => x.text),
    irqs: kernel.irq
      .list()
      .filter((d) => d.irq >= 24)
      .map((d) => d.action?.name),
    devices: kernel.init_net.devices.map((d) => d.name),
    napis: kernel.init_net.devices.flatMap((d) => d.napis.length),
  };
}
const NOTHING = { skbs: 0, pages: 0, objects: 0, mappings: [], findings: [], irqs: [], devices: ['lo'], napis: [0] };

test('frames leave byte for byte, whatever the headroom, and come in byte for byte, short, full-sized and odd', () => {
  const f = nicFixture({ queuePairs: 2 });
  const dev = up(f);
  const receiver = new Receiver(f);
  f.wire.sent.length = 0;
  const lengths = [60, 61, 98, 141, 142, 1513, 1514];
  for (const n of lengths) send(f, dev, frame(n, n));
  send(f, dev, frame(200, 7), 0);
  f.settle();
  expect(f.wire.sent.map((x) => x.bytes)).toEqual([...lengths.map((n) => frame(n, n)), frame(200, 7)]);
  for (const n of lengths) f.nic.net.receiveFrame({ bytes: frame(n, n), id: n, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual(lengths.map((n) => frame(n, n).subarray(14)));
  expect(f.kernel.skb.live).toBe(0);
  expect(pciOf(f).dma.findings).toEqual([]);
});

test('a jumbo frame fills several mergeable buffers and arrives whole; buffers grow with the average length', () => {
  const f = nicFixture();
  const dev = up(f);
  const receiver = new Receiver(f);
  const size = (): string => dev.sysfs_rx_queue_group!.files[0].show(dev, 0);
  expect(size()).toBe('1536');
  for (let i = 0; i < 200; i++) {
    f.nic.net.receiveFrame({ bytes: frame(9000, i), id: i, skb: 0 });
    f.settle(1_000_000);
  }
  expect(receiver.packets).toHaveLength(200);
  expect(receiver.packets.every((p, i) => Buffer.compare(p, frame(9000, i).subarray(14)) === 0)).toBe(true);
  expect(size()).toBe('4096');
  expect(f.kernel.skb.live).toBe(0);
});

test('an interface that came up without memory for buffers receives once there is some', () => {
  const f = nicFixture();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
  const { pages } = f.platform;
  const taken: ReturnType<typeof pages.alloc_pages>[] = [];
  for (let page = pages.alloc_pages(0); page !== 0; page = pages.alloc_pages(0)) taken.push(page);
  expect(f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP)).toBe(0);
  f.settle();
  const receiver = new Receiver(f);
  f.nic.net.receiveFrame({ bytes: frame(100, 1), id: 1, skb: 0 });
  f.settle();
  expect(receiver.packets).toHaveLength(0);
  for (const page of taken) pages.__free_pages(page, 0);
  f.settle(1_000_000_000);
  f.nic.net.receiveFrame({ bytes: frame(100, 2), id: 2, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual([frame(100, 2).subarray(14)]);
});

test('virtio-v1.2 §5.1.6.3.1: without mergeable buffers and offloads above the MTU each frame fills one buffer of its size', () => {
  const f = nicFixture({ disable: F.VIRTIO_NET_F_MRG_RXBUF | F.VIRTIO_NET_F_GUEST_CSUM });
  const dev = up(f);
  const receiver = new Receiver(f);
  for (const n of [60, 1514]) f.nic.net.receiveFrame({ bytes: frame(n, n), id: n, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual([60, 1514].map((n) => frame(n, n).subarray(14)));
  expect(f.kernel.net.dev_get_stats(dev)).toMatchObject({ rx_packets: 2, rx_bytes: 1574, rx_dropped: 0 });
});

test('virtio-v1.2 §5.1.6.3.1: with offloads above the MTU but no mergeable buffers each buffer is a chain of pages for 64 KiB', () => {
  const f = nicFixture({ disable: F.VIRTIO_NET_F_MRG_RXBUF, ramBytes: 64 << 20 });
  const dev = up(f);
  const receiver = new Receiver(f);
  const lengths = [60, 142, 200, 1514, 3600, 4064, 9000, 65000];
  for (const n of lengths) f.nic.net.receiveFrame({ bytes: frame(n, n), id: n, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual(lengths.map((n) => frame(n, n).subarray(14)));
  expect(f.kernel.skb.live).toBe(0);
  f.kernel.net.dev_change_flags(dev, dev.flags & ~IFF.UP);
  f.kernel.modules.delete_module('virtio_net');
  expect(f.kernel.skb.frags.live).toBe(0);
});

test('virtio-v1.2 §5.1.4: the MTU that the device tells is the largest; above 1500 buffers are chains of just enough pages', () => {
  const f = nicFixture({ disable: F.VIRTIO_NET_F_MRG_RXBUF | F.VIRTIO_NET_F_GUEST_CSUM, net: { hostMtu: 9000 } });
  const dev = up(f);
  expect([dev.mtu, dev.max_mtu, f.kernel.net.dev_set_mtu(dev, 9001)]).toEqual([9000, 9000, -22]);
  const receiver = new Receiver(f);
  f.nic.net.receiveFrame({ bytes: frame(9014, 1), id: 1, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual([frame(9014, 1).subarray(14)]);
});

test('a full ring stops the queue before a packet could not fit, completions wake it, and nothing is lost', () => {
  const f = nicFixture();
  const dev = up(f);
  f.wire.frameTime = 100_000;
  f.wire.sent.length = 0;
  for (let i = 0; i < 600; i++) send(f, dev, frame(100, i));
  const [queue] = dev.queues;
  expect(queue.drvXoff).toBe(true);
  expect(queue.stops).toBe(1);
  f.settle(200_000_000);
  expect(queue.drvXoff).toBe(false);
  expect(queue.wakes).toBe(queue.stops);
  expect(f.wire.sent.map((x) => x.bytes[20])).toEqual(Array.from({ length: 600 }, (_, i) => (i + 20) & 0xff));
  expect(f.kernel.skb.live).toBe(0);
});

test('rmmod with the interface up and packets under way leaves nothing behind', () => {
  const f = nicFixture({ queuePairs: 2 });
  const dev = up(f);
  f.wire.frameTime = 1_000_000;
  for (let i = 0; i < 100; i++) send(f, dev, frame(100, i));
  f.nic.net.receiveFrame({ bytes: frame(1514, 1), id: 1, skb: 0 });
  expect(f.kernel.modules.modprobeRemove('virtio_net').done.map((d) => d.name)).toEqual(['virtio_net', 'net_failover']);
  f.settle();
  expect(holdings(f)).toEqual(NOTHING);
});

/** Makes a function fail from now on, as through /sys/kernel/debug/fail_function. */
function failFrom(f: NicFixture, step: string, times: number): void {
  const { failFunction } = f.kernel.drivers;
  expect(failFunction.inject(step, -12)).toBe(0);
  Object.assign(failFunction.attr, { probability: 100, times });
}

test.each(VIRTNET_PROBE_STEPS.map((s) => s.step))(
  'probe whose %s fails reports it, unwinds everything, and works the next time',
  (step) => {
    const f = nicFixture({ queuePairs: 2 });
    // the module is there before its functions can be chosen: the device is bound by hand after that
    f.kernel.modules.modprobe('virtio_pci');
    f.kernel.modules.modprobe('virtio_net');
    f.settle();
    const { drivers } = f.kernel;
    const drv = drivers.bus('virtio')!.drivers[0];
    drivers.unbind_store(drv, 'virtio0');
    expect(holdings(f)).toEqual(NOTHING);
    failFrom(f, step, -1);
    expect(drivers.bind_store(drv, 'virtio0')).toBe(-12);
    f.settle();
    expect(holdings(f)).toEqual(NOTHING);
    expect(f.kernel.printk.records.at(-1)?.text).toBe('virtio_net: probe of virtio0 failed with error -12');
    expect(f.nic.pci.status & 0x80).toBe(0x80);
    drivers.failFunction.injected.clear();
    expect(drivers.bind_store(drv, 'virtio0')).toBe(7);
    expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
  },
);

test('one failure to get a vector per queue costs no more than sharing one', () => {
  const f = nicFixture({ queuePairs: 2 });
  f.kernel.modules.modprobe('virtio_pci');
  failFrom(f, 'pci_alloc_irq_vectors_affinity', 1);
  f.kernel.modules.modprobe('virtio_net');
  expect(
    f.kernel.irq
      .list()
      .filter((d) => d.irq >= 24)
      .map((d) => d.action?.name),
  ).toEqual(['virtio0-config', 'virtio0-virtqueues']);
});

test('without any vector the interface works on the line', () => {
  const f = nicFixture({ queuePairs: 2 });
  f.kernel.modules.modprobe('virtio_pci');
  failFrom(f, 'pci_alloc_irq_vectors_affinity', -1);
  f.kernel.modules.modprobe('virtio_net');
  expect(f.kernel.irq.irq_to_desc(21)?.action?.name).toBe('virtio0');
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
});

test('probe survives each allocation of memory failing: it fails cleanly or does with less', () => {
  for (let n = 1; n < 40; n++) {
    const f = nicFixture({ queuePairs: 2 });
    f.kernel.modules.modprobe('virtio_pci');
    f.platform.pages.failAfter = n;
    f.kernel.modules.modprobe('virtio_net');
    const never = f.platform.pages.failAfter > 0;
    f.platform.pages.failAfter = 0;
    f.settle();
    if (f.kernel.init_net.devices.length === 1) expect(holdings(f)).toEqual(NOTHING);
    f.kernel.modules.delete_module('virtio_net');
    expect(holdings(f)).toEqual(NOTHING);
    if (never) return;
  }
  expect.unreachable('more allocations than expected');
});

test('with too few vectors all queues share one, and frames still flow', () => {
  const f = nicFixture({ queuePairs: 2, vectors: 2 });
  const dev = up(f);
  const receiver = new Receiver(f);
  expect(
    f.kernel.irq
      .list()
      .filter((d) => d.irq >= 24)
      .map((d) => d.action?.name),
  ).toEqual(['virtio0-config', 'virtio0-virtqueues']);
  send(f, dev, frame(100, 1));
  f.nic.net.receiveFrame({ bytes: frame(100, 2), id: 1, skb: 0 });
  f.settle();
  expect(f.wire.sent.at(-1)?.bytes).toEqual(frame(100, 1));
  expect(receiver.packets).toHaveLength(1);
});

test('rings are resized while frames flow; a size that is no power of two is refused and the old ring works on', () => {
  const f = nicFixture();
  const dev = up(f);
  const receiver = new Receiver(f);
  const tool = dev.ethtool_ops!;
  const ring = (rx: number, tx: number): number =>
    tool.set_ringparam!(dev, { ...tool.get_ringparam!(dev), rx_pending: rx, tx_pending: tx });
  expect(ring(64, 32)).toBe(0);
  expect(tool.get_ringparam!(dev)).toMatchObject({ rx_pending: 64, tx_pending: 32, rx_max_pending: 256 });
  expect(ring(100, 32)).toBe(-12);
  expect(f.kernel.printk.records.slice(-2).map((r) => r.text)).toEqual([
    'virtio_net virtio0: Bad virtqueue length 100',
    'virtio_net virtio0 eth0: resize rx fail: rx queue index: 0 err: -12',
  ]);
  f.wire.sent.length = 0;
  for (let i = 0; i < 100; i++) {
    send(f, dev, frame(100, i));
    f.nic.net.receiveFrame({ bytes: frame(100, i), id: i, skb: 0 });
    f.settle(1_000_000);
  }
  expect(f.wire.sent).toHaveLength(100);
  expect(receiver.packets).toHaveLength(100);
  f.kernel.modules.delete_module('virtio_net');
  expect(holdings(f)).toEqual(NOTHING);
});

test('a ring of one entry sends one packet and stops: there is never room for the longest one', () => {
  const f = nicFixture();
  const dev = up(f);
  const tool = dev.ethtool_ops!;
  expect(tool.set_ringparam!(dev, { ...tool.get_ringparam!(dev), tx_pending: 1 })).toBe(0);
  f.wire.sent.length = 0;
  send(f, dev, frame(100, 1));
  send(f, dev, frame(100, 2));
  f.settle();
  expect(f.wire.sent).toHaveLength(1);
  expect(dev.queues[0].drvXoff).toBe(true);
});

test('transmit without NAPI collects completions in the next transmit, and can be chosen only while the interface is down', () => {
  const f = nicFixture();
  const dev = up(f);
  const tool = dev.ethtool_ops!;
  const frames = { rx_coalesce_usecs: 0, rx_max_coalesced_frames: 1, tx_coalesce_usecs: 0, tx_max_coalesced_frames: 0 };
  expect(tool.set_coalesce!(dev, frames)).toBe(-16);
  f.kernel.net.dev_change_flags(dev, dev.flags & ~IFF.UP);
  expect(tool.set_coalesce!(dev, { ...frames, tx_max_coalesced_frames: 5 })).toBe(-22);
  expect(tool.set_coalesce!(dev, frames)).toBe(0);
  f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP);
  f.settle();
  f.wire.sent.length = 0;
  for (let i = 0; i < 600; i++) {
    send(f, dev, frame(100, i));
    f.settle(10_000);
  }
  expect(f.wire.sent).toHaveLength(600);
  f.kernel.modules.delete_module('virtio_net');
  expect(holdings(f)).toEqual(NOTHING);
});

test('the link follows the cable, and a function that is pulled out takes its interface along', () => {
  const f = nicFixture();
  const dev = up(f);
  expect(dev.nocarrier).toBe(false);
  f.nic.net.linkChanged(false);
  f.settle();
  expect(dev.nocarrier).toBe(true);
  f.nic.net.linkChanged(true);
  f.settle();
  expect(dev.nocarrier).toBe(false);
  f.kernel.drivers.hotplug!.deviceRemoving(PCI_DEVFN(1, 0));
  f.host.removeFunction(PCI_DEVFN(1, 0));
  f.settle();
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo']);
  f.host.addFunction(PCI_DEVFN(1, 0), f.nic.pci.fn);
  f.kernel.drivers.hotplug!.deviceAdded(PCI_DEVFN(1, 0));
  f.settle();
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
});

test('virtio-v1.2 §5.1.6.5.5.1: the driver’s default RSS spreads over the queues in use; ethtool changes reach the device', () => {
  const f = nicFixture({ queuePairs: 4, cpus: 4, net: { properties: { rss: true, hash: true } } });
  const dev = up(f);
  const ops = dev.ethtool_ops!;
  const { rss } = f.nic.net;
  expect(ops.get_rxfh!(dev).indir!.slice(0, 6)).toEqual([0, 1, 2, 3, 0, 1]);
  expect([ops.get_rxfh!(dev).key!.length, f.nic.net.hdrLen, rss.steering]).toEqual([40, 20, false]);
  f.kernel.ethtool.setFeatures(dev, new Map([['rx-hashing', true]]));
  expect([rss.steering, rss.enabledTypes, rss.tableEntry(5), f.nic.net.pairs]).toEqual([true, 0x3f, 1, 4]);
  expect(ops.set_rxfh!(dev, { indir: Array.from({ length: 128 }, () => 2) })).toBe(0);
  expect(rss.tableEntry(5)).toBe(2);
  expect(ops.set_rxfh!(dev, { hfunc: 'xor' })).toBe(-95);
  // only addresses, or addresses with ports: RXH_IP_SRC | RXH_IP_DST, and RXH_IP_SRC alone
  expect([ops.set_rxfh_fields!(dev, 'tcp4', 0x30), ops.set_rxfh_fields!(dev, 'tcp4', 0x10)]).toEqual([0, -22]);
  expect([rss.enabledTypes & 2, ops.get_rxfh_fields!(dev, 'tcp4'), ops.get_rxfh_fields!(dev, 'udp4')]).toEqual([0, 0x30, 0xf0]);
  const receiver = new Receiver(f);
  f.nic.net.receiveFrame({ bytes: frame(200, 9), id: 1, skb: 0 });
  f.settle();
  expect(receiver.packets).toEqual([frame(200, 9).subarray(14)]);
});

test('virtio-v1.2 §5.1.6.5.7: coalescing is told to the device; without it only transmit NAPI can be switched, while the interface is down', () => {
  const f = nicFixture({ net: { properties: { notf_coal: true } } });
  const dev = up(f);
  const set = (over: Record<string, number>): number =>
    dev.ethtool_ops!.set_coalesce!(dev, { ...dev.ethtool_ops!.get_coalesce!(dev), ...over });
  expect(set({ rx_coalesce_usecs: 20, rx_max_coalesced_frames: 4, tx_max_coalesced_frames: 2 })).toBe(0);
  expect([f.nic.net.coalescing.ofQueue(0), f.nic.net.coalescing.ofQueue(1)]).toEqual([
    { maxUsecs: 20, maxPackets: 4 },
    { maxUsecs: 0, maxPackets: 2 },
  ]);
  const plain = nicFixture();
  const other = up(plain);
  const ops = other.ethtool_ops!;
  const change = (over: Record<string, number>): number => ops.set_coalesce!(other, { ...ops.get_coalesce!(other), ...over });
  expect([change({ tx_max_coalesced_frames: 0 }), change({ rx_coalesce_usecs: 1 }), change({ rx_max_coalesced_frames: 0 })]).toEqual([
    -16, -95, -22,
  ]);
  plain.kernel.net.dev_change_flags(other, other.flags & ~IFF.UP);
  expect([change({ tx_max_coalesced_frames: 0 }), ops.get_coalesce!(other)['tx_max_coalesced_frames']]).toEqual([0, 0]);
  plain.kernel.net.dev_change_flags(other, other.flags | IFF.UP);
  for (let i = 0; i < 600; i++) send(plain, other, frame(100, i));
  plain.settle();
  // without NAPI completions are collected by the next packets only
  expect(plain.wire.sent.filter((x) => x.bytes.length === 100)).toHaveLength(600);
});

test('virtio-v1.2 §5.1.4.2: features that need a control queue are refused at probe when there is none', () => {
  const f = nicFixture();
  const { model } = f.nic.pci;
  const offered = f.nic.pci.offered & ~F.VIRTIO_NET_F_CTRL_VQ;
  Object.defineProperty(f.nic.pci, 'offered', { value: offered });
  expect(model.features & F.VIRTIO_NET_F_CTRL_RX).not.toBe(0n);
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo']);
  expect(f.kernel.printk.lines().at(-2)).toContain(
    'virtio_net virtio0: device advertises feature VIRTIO_NET_F_CTRL_RX but not VIRTIO_NET_F_CTRL_VQ',
  );
});
