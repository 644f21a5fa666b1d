// The e1000e driver on the simulated 82574L: frames both ways, offloads, link, settings, failures, and nothing left behind.
import { expect, test } from 'vitest';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import { PacketType } from '../../kernel/packet_type.ts';
import { __skb_put, skb_reserve } from '../../kernel/skb_inline.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, type SkBuff } from '../../kernel/skbuff.ts';
import { parseFrame, FrameLayout } from '../../devices/net_flow.ts';
import { checksumValid } from '../../devices/net_offload.ts';
import { E1000E_MAC, type E1000eFixture, e1000eFixture } from '../../testkit/e1000e_fixture.ts';
import { csumOffset, frame as ipFrame, l4Start, payload } from '../../testkit/frames.ts';
import { Fault, FaultSet } from '../../sim/faults.ts';
import type { PciDev } from '../pci/pci_dev.ts';
import { AUTONEG_TIME } from '../../devices/e1000e/phy.ts';

/** An EtherType for experiments (IEEE 802): no protocol of the kernel takes it. */
const ETH_P_TEST = 0x88b5;
const PEER = [2, 0, 0, 0, 0, 1];

function frame(length: number, fill: number, to: readonly number[] = E1000E_MAC): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => (fill + i) & 0xff);
  bytes.set([...to, ...PEER, ETH_P_TEST >> 8, ETH_P_TEST & 0xff]);
  return bytes;
}

class Receiver {
  readonly packets: Uint8Array[] = [];
  readonly summed: number[] = [];
  constructor(
    private readonly f: E1000eFixture,
    type = ETH_P_TEST,
  ) {
    f.kernel.net.rx.dev_add_pack(new PacketType(type, this));
  }
  packet_rcv(skb: SkBuff): number {
    const out = new Uint8Array(skb.len);
    this.f.kernel.skb.copyToArray(skb, 0, out, 0, skb.len);
    this.packets.push(out);
    this.summed.push(skb.ip_summed);
    this.f.kernel.skb.consume_skb(skb);
    return 0;
  }
}

function up(f: E1000eFixture): NetDevice {
  expect(f.kernel.modules.modprobe('e1000e').errno).toBe(0);
  const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
  expect(f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP)).toBe(0);
  f.settle(AUTONEG_TIME + 3e9);
  expect(dev.nocarrier).toBe(false);
  f.wire.sent.length = 0;
  return dev;
}

function send(f: E1000eFixture, dev: NetDevice, bytes: Uint8Array, prepare?: (skb: SkBuff) => void): void {
  const { kernel } = f;
  const skb = kernel.skb.alloc_skb(64 + bytes.length)!;
  skb_reserve(skb, 64);
  f.platform.ram.write(__skb_put(skb, bytes.length), bytes, 0, bytes.length);
  skb.dev = dev;
  skb.protocol = ETH_P_TEST;
  prepare?.(skb);
  const cpu = f.platform.cpus.list[0];
  const at = cpu.enterTask();
  kernel.net.xmit.dev_queue_xmit(skb);
  cpu.leaveTask(at, 'test');
}

const receive = (f: E1000eFixture, bytes: Uint8Array): void => f.nic.receiveFrame({ bytes, id: f.sim.newId(), skb: 0 });
const pciDev = (f: E1000eFixture): PciDev => f.kernel.drivers.bus_find_device_by_name('pci', '0000:00:02.0') as PciDev;
const set = (f: E1000eFixture, dev: NetDevice, flags: number): void => {
  expect(f.kernel.net.dev_change_flags(dev, flags)).toBe(0);
  f.settle(AUTONEG_TIME + 3e9);
};

test('the link comes after negotiation, at 1000 Mb/s full duplex, and the log says so', () => {
  const f = e1000eFixture();
  const dev = up(f);
  expect(dev.ethtool_ops!.get_link_ksettings!(dev)).toMatchObject({ speed: 1000, duplex: 1, autoneg: 1 });
  expect(f.kernel.printk.lines().some((l) => l.endsWith('eth0: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx'))).toBe(true);
  f.nic.linkChanged(false);
  f.settle(3e9);
  expect(dev.nocarrier).toBe(true);
  expect(f.kernel.printk.lines().at(-1)).toMatch(/NIC Link is Down$/);
  f.nic.linkChanged(true);
  f.settle(AUTONEG_TIME + 3e9);
  expect(dev.nocarrier).toBe(false);
});

test('packets that cannot leave because the link went are given up by a reset, and the next link works', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const { live } = f.kernel.skb;
  f.wire.frameTime = 1e9;
  for (let i = 0; i < 5; i++) send(f, dev, frame(100, i, PEER));
  f.settle(1e6);
  f.nic.linkChanged(false);
  f.settle(8e9);
  expect(f.kernel.skb.live).toBe(live);
  expect(f.kernel.printk.lines().some((l) => l.includes('Reset adapter unexpectedly'))).toBe(false);
  f.wire.frameTime = 100;
  f.nic.linkChanged(true);
  f.settle(AUTONEG_TIME + 3e9);
  f.wire.sent.length = 0;
  send(f, dev, frame(100, 9, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(1);
});

test('packets of all sizes leave as they were, padded to the minimum, and are freed by the interrupt', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const before = f.kernel.skb.live;
  const sizes = [14, 17, 60, 61, 1514];
  for (const [i, size] of sizes.entries()) send(f, dev, frame(size, i, PEER));
  f.settle();
  const expected = sizes.map((size, i) => {
    const padded = new Uint8Array(Math.max(size, 60));
    padded.set(frame(size, i, PEER));
    return padded;
  });
  expect(f.wire.sent.map((s) => s.bytes)).toEqual(expected);
  expect(f.kernel.skb.live).toBe(before);
});

test('received frames reach the protocols, more of them than the ring has entries', () => {
  const f = e1000eFixture();
  up(f);
  const got = new Receiver(f);
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 600; i++) {
    const bytes = frame(60 + ((i * 37) % 1455), i);
    sent.push(bytes.subarray(14));
    receive(f, bytes);
    f.settle(20_000);
  }
  f.settle();
  expect(got.packets).toEqual(sent);
});

test('a burst larger than the ring waits in the packet buffer, and what does not fit there is counted as missed', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const got = new Receiver(f);
  for (let i = 0; i < 400; i++) receive(f, frame(1000, i));
  f.settle(5e9);
  const stats = f.kernel.net.dev_get_stats(dev);
  expect(stats.rx_missed_errors).toBeGreaterThan(0);
  expect(got.packets.length + stats.rx_missed_errors).toBe(400);
});

test.each([4, 6] as const)('a checksum left to the device is completed (IPv%i), and a received one is verified', (ip) => {
  const f = e1000eFixture();
  const dev = up(f);
  const o = { ip, tcp: true, csum: 'partial' as const };
  send(f, dev, ipFrame(payload(300), o), (skb) => {
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.data - skb.head + l4Start(o);
    skb.csum_offset = csumOffset(o);
  });
  f.settle();
  expect(f.wire.sent[0].bytes).toEqual(ipFrame(payload(300), { ip, tcp: true }));
  const got = new Receiver(f, ip === 4 ? 0x0800 : 0x86dd);
  for (const csum of ['full', 'wrong'] as const) receive(f, ipFrame(payload(100), { ip, dmac: [...E1000E_MAC], csum }));
  f.settle();
  expect(got.summed).toEqual([CHECKSUM_UNNECESSARY, 0]);
  expect(f.kernel.init_net.__dev_get_by_name('eth0')!.ethtool_ops!.get_ethtool_stats!(dev)[39]).toBe(1);
});

test.each([4, 6] as const)('a large TCP packet (IPv%i) is cut by the device into frames that are valid and add up', (ip) => {
  const f = e1000eFixture();
  const dev = up(f);
  const data = payload(8000);
  const o = { ip, tcp: true, csum: 'partial' as const };
  send(f, dev, ipFrame(data, o), (skb) => {
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.data - skb.head + l4Start(o);
    skb.csum_offset = csumOffset(o);
    skb.network_header = skb.data - skb.head + 14;
    skb.transport_header = skb.data - skb.head + l4Start(o);
    f.kernel.skb.setGso(skb, ip === 4 ? 1 : 16, 1400, 6);
  });
  f.settle();
  const frames = f.wire.sent.map((s) => s.bytes);
  expect(frames.length).toBe(6);
  const layout = new FrameLayout();
  for (const b of frames) {
    parseFrame(b, layout);
    expect(checksumValid(b, layout)).toBe(true);
  }
  expect(frames.flatMap((b) => [...b.subarray(l4Start(o) + 20)])).toEqual([...data]);
});

test('a full ring stops the queue, and completions wake it: nothing is lost', () => {
  const f = e1000eFixture();
  const dev = up(f);
  f.wire.frameTime = 50_000;
  // byte queue limits would stop it long before
  dev.queues[0].dql.min_limit = dev.queues[0].dql.adj_limit = 1e9;
  for (let i = 0; i < 400; i++) send(f, dev, frame(1000, i, PEER));
  expect(dev.queues[0].stops).toBeGreaterThan(0);
  f.settle(1e9);
  expect(f.wire.sent.map((s) => s.bytes[14])).toEqual(Array.from({ length: 400 }, (_, i) => (i + 14) & 0xff));
  expect(dev.queues[0].drvXoff).toBe(false);
});

test('only wanted addresses are received: own, broadcast, joined groups; all of them in promiscuous mode', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const got = new Receiver(f);
  const group = [0x33, 0x33, 0, 0, 0x12, 0x34];
  const all = [[...E1000E_MAC], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], group, [2, 0, 0, 0, 0, 9]];
  const offer = (): number => {
    got.packets.length = 0;
    for (const [i, to] of all.entries()) receive(f, frame(64, i, to));
    f.settle();
    return got.packets.length;
  };
  expect(offer()).toBe(2);
  f.kernel.net.addrs.dev_mc_add(dev, Uint8Array.from(group));
  expect(offer()).toBe(3);
  set(f, dev, dev.flags | IFF.PROMISC);
  expect(f.nic.drops.rx_filtered).toBeGreaterThan(0);
  // a frame to someone else goes to taps only: the driver saw it
  const before = f.nic.drops.rx_filtered;
  offer();
  expect(f.nic.drops.rx_filtered).toBe(before);
});

test('rings, MTU, moderation and forced speeds change while packets flow', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const { get_ringparam, set_ringparam, set_link_ksettings, get_link_ksettings, set_coalesce, get_coalesce } = dev.ethtool_ops!;
  expect(set_ringparam!(dev, { ...get_ringparam!(dev), rx_pending: 100, tx_pending: 512 })).toBe(0);
  expect(get_ringparam!(dev)).toMatchObject({ rx_pending: 104, tx_pending: 512 });
  expect(set_coalesce!(dev, { rx_coalesce_usecs: 100 })).toBe(0);
  expect(get_coalesce!(dev)).toEqual({ rx_coalesce_usecs: 100 });
  expect(f.kernel.net.dev_set_mtu(dev, 9000)).toBe(0);
  expect(set_link_ksettings!(dev, { ...(get_link_ksettings!(dev) as object), autoneg: 0, speed: 100, duplex: 1 } as never)).toBe(0);
  f.settle(AUTONEG_TIME + 3e9);
  expect(get_link_ksettings!(dev)).toMatchObject({ speed: 100, autoneg: 0 });
  const got = new Receiver(f);
  receive(f, frame(9014, 3));
  send(f, dev, frame(9014, 4, PEER));
  f.settle();
  expect(got.packets[0]).toEqual(frame(9014, 3).subarray(14));
  expect(f.wire.sent.at(-1)?.bytes).toEqual(frame(9014, 4, PEER));
});

/** One life of the driver, with packets in both directions still under way when it is unloaded. */
function life(f: E1000eFixture): PciDev {
  const dev = up(f);
  f.wire.frameTime = 1e6;
  for (let i = 0; i < 40; i++) {
    send(f, dev, frame(500, i, PEER));
    receive(f, frame(500, i));
  }
  f.settle(5_000);
  const pci = pciDev(f);
  expect(f.kernel.modules.delete_module('e1000e')).toBe(0);
  f.wire.frameTime = 100;
  f.settle(1e9);
  return pci;
}

test('whatever was in flight, removal leaves no page, no skb, no DMA mapping and no finding', () => {
  const f = e1000eFixture();
  const skbs = f.kernel.skb.live;
  // the first life warms the allocators' caches
  life(f);
  const pages = f.platform.pages.freePages;
  const pci = life(f);
  expect(pci.dma.leaks()).toEqual([]);
  expect(pci.dma.findings).toEqual([]);
  expect(f.kernel.skb.live).toBe(skbs);
  expect(f.platform.pages.freePages).toBe(pages);
});

test.each(['alloc_etherdev_mqs', 'register_netdevice', 'request_threaded_irq'])('a failure of %s is undone completely', (step) => {
  const f = e1000eFixture();
  const { failFunction } = f.kernel.drivers;
  life(f);
  const pages = f.platform.pages.freePages;
  f.wire.sent.length = 0;
  expect(failFunction.inject(step, -12)).toBe(0);
  failFunction.attr.probability = 100;
  // three vectors, then a message, then the line: an interrupt is asked for three times
  failFunction.attr.times = step === 'request_threaded_irq' ? 3 : 1;
  f.kernel.modules.modprobe('e1000e');
  const dev = f.kernel.init_net.__dev_get_by_name('eth0');
  if (step === 'request_threaded_irq') expect(f.kernel.net.dev_change_flags(dev!, dev!.flags | IFF.UP)).toBe(-12);
  else expect(dev).toBeUndefined();
  expect(pciDev(f).dma.leaks()).toEqual([]);
  f.kernel.modules.delete_module('e1000e');
  expect(f.platform.pages.freePages).toBe(pages);
  const again = up(f);
  send(f, again, frame(64, 1, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(1);
});

test('a mapping that fails drops the packet and frees what was mapped', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const { dma } = pciDev(f);
  const { live } = f.kernel.skb;
  dma.failAfter = 1;
  send(f, dev, frame(500, 1, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(0);
  expect(f.kernel.skb.live).toBe(live);
  send(f, dev, frame(500, 2, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(1);
});

/** What the kernel said since the driver was loaded. */
const said = (f: E1000eFixture): string[] => f.kernel.printk.records.map((r) => r.text);

test.each([
  ['IntMode=1', ['Interrupt Mode set to 1'], 'MSI interrupt test failed, using legacy interrupt.'],
  ['IntMode=0', ['Interrupt Mode set to 0'], undefined],
  ['InterruptThrottleRate=8000', ['Interrupt Throttling Rate (ints/sec) set to 8000'], undefined],
  ['InterruptThrottleRate=50', ['Invalid Interrupt Throttling Rate (ints/sec) value specified (50) using default of 3'], undefined],
  ['CrcStripping=0', ['CRC Stripping Disabled'], undefined],
])('modprobe e1000e %s: the kernel says so, and packets flow both ways', (option, lines, later) => {
  const f = e1000eFixture({ chip: 'qemu' });
  expect(f.kernel.modules.modprobe('e1000e', [option]).errno).toBe(0);
  for (const line of lines) expect(said(f)).toContain(`e1000e 0000:00:02.0: ${line}`);
  const dev = up(f);
  if (later !== undefined) expect(said(f)).toContain(`e1000e 0000:00:02.0 eth0: ${later}`);
  const got = new Receiver(f);
  for (let i = 0; i < 3; i++) send(f, dev, frame(100, i, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(3);
  for (let i = 0; i < 3; i++) receive(f, frame(100, i));
  f.settle();
  expect(got.packets).toHaveLength(3);
  expect(f.kernel.net.dev_change_flags(dev, dev.flags & ~IFF.UP)).toBe(0);
  expect(f.kernel.modules.delete_module('e1000e')).toBe(0);
  expect(pciDev(f).dma.leaks()).toEqual([]);
});

test.each([
  ['qemu', [0x178, 0, 4, 13, 0]],
  ['intel', [0, 0, 0, 0, 0]],
] as const)('the self test on %s: registers, memory, interrupts, loopback, link; afterwards the interface works again', (chip, results) => {
  const f = e1000eFixture({ chip });
  const dev = up(f);
  const seen: unknown[] = [];
  const free: number[] = [];
  // twice: what the first leaves in slabs, the second finds
  for (let i = 0; i < 2; i++) {
    dev.ethtool_ops!.self_test!(dev, true, { selfTestDone: (r) => seen.push(r.results.map(([, v]) => v)) });
    f.settle(30e9);
    free.push(f.platform.pages.freePages);
  }
  expect(seen).toEqual([results, results]);
  expect(dev.nocarrier).toBe(false);
  expect(free[1]).toBe(free[0]);
  expect(pciDev(f).dma.findings).toEqual([]);
  f.wire.sent.length = 0;
  send(f, dev, frame(64, 1, PEER));
  f.settle();
  expect(f.wire.sent).toHaveLength(1);
});

test('IntMode=1 on the chip: one message in place of three vectors', () => {
  const f = e1000eFixture();
  f.kernel.modules.modprobe('e1000e', ['IntMode=1']);
  const dev = up(f);
  const pci = pciDev(f);
  expect([pci.msi_enabled, pci.msix_enabled]).toEqual([true, false]);
  const before = f.kernel.irq.total(pci.irq);
  send(f, dev, frame(100, 1, PEER));
  receive(f, frame(100, 2));
  f.settle();
  expect(f.kernel.irq.total(pci.irq)).toBeGreaterThan(before);
});

test("QEMU's model keeps its causes when ICR is read with MSI-X on: Linux does not see a cable that is pulled; the chip shows it", () => {
  const carrier = (chip: 'qemu' | 'intel'): boolean => {
    const f = e1000eFixture({ chip });
    const dev = up(f);
    f.nic.linkChanged(false);
    f.settle(5e9);
    return !dev.nocarrier;
  };
  expect([carrier('qemu'), carrier('intel')]).toEqual([true, false]);
});

test('a transmitter that stands still is found out: the hang is reported, the watchdog resets the adapter', () => {
  const f = e1000eFixture();
  f.kernel.modules.modprobe('e1000e', ['IntMode=0']);
  const dev = up(f);
  f.nic.mem.faults = new FaultSet();
  const stuck = { queue: -1, skip: 0, times: Infinity, probability: 1, value: 0 };
  f.nic.mem.faults.list.push(new Fault(1, 'stuck-queue', stuck, f.sim.random('fault'), { struck: () => undefined }));
  for (let i = 0; i < 4; i++) send(f, dev, frame(100, i, PEER));
  f.settle(20e9);
  const hang = said(f).find((t) => t.includes('Detected Hardware Unit Hang'));
  expect(hang?.split('\n').map((l) => l.replace(/<.*/, '').trim())).toEqual([
    'e1000e 0000:00:02.0 eth0: Detected Hardware Unit Hang:',
    'TDH',
    'TDT',
    'next_to_use',
    'next_to_clean',
    'buffer_info[next_to_clean]:',
    'time_stamp',
    'next_to_watch',
    'jiffies',
    'next_to_watch.status',
    'MAC Status',
    'PHY Status',
    'PHY 1000BASE-T Status',
    'PHY Extended Status',
    'PCI Status',
  ]);
  expect(said(f)).toContain('e1000e 0000:00:02.0 eth0: Reset adapter unexpectedly');
});

test('a word written to non-volatile memory is there after a reload, under a right checksum; another magic number is refused', () => {
  const f = e1000eFixture();
  const dev = up(f);
  const ops = dev.ethtool_ops!;
  expect(ops.set_eeprom!(dev, 0x10d38086, 17, Uint8Array.of(0x42))).toBe(0);
  expect(ops.set_eeprom!(dev, 0x10d38087, 17, Uint8Array.of(0x43))).toBe(-14);
  f.kernel.modules.delete_module('e1000e');
  const again = up(f);
  expect(ops.get_eeprom!(again, 16, 2)).toEqual(Uint8Array.of(0x00, 0x42));
});
