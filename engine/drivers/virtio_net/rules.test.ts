// Rules of virtio-v1.2 for drivers that no other test holds (docs/conformance.md): features, configuration, headers, commands.
import { afterEach, expect, test } from 'vitest';
import { ByteMem } from '../../base/memory.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import { NETIF_F } from '../../kernel/netdev_features.ts';
import { PacketType } from '../../kernel/packet_type.ts';
import { __skb_put, skb_reserve } from '../../kernel/skb_inline.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_GSO, type SkBuff } from '../../kernel/skbuff.ts';
import { VIRTIO_PCI_CAP, VirtioPciCap } from '../../pci/capabilities.ts';
import { ecamOffset, PciHeader } from '../../pci/config_space.ts';
import { ECAM_BASE } from '../../platform/bus.ts';
import { frame, payload } from '../../testkit/frames.ts';
import { type NicFixture, nicFixture } from '../../testkit/nic_fixture.ts';
import { F, type FeatureName, featureList, missingPrerequisites } from '../../virtio/features.ts';
import {
  VIRTIO_NET_CTRL,
  VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
  VIRTIO_NET_HDR_F,
  VIRTIO_NET_HDR_GSO as GSO,
  VirtioNetConfig,
  VirtioNetHdr,
} from '../../virtio/net.ts';
import { VIRTIO_PCI_BAR_LAYOUT as BAR, VirtioPciCommonCfg as C } from '../../virtio/pci_cfg.ts';
import { availAt, descAt, VirtqAvail, VirtqDesc, VirtqUsed } from '../../virtio/ring.ts';
import { VIRTIO_CONFIG_S as S } from '../../virtio/status.ts';
import { VirtnetCtrl } from './virtnet_ctrl.ts';

const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const ETH_P_TEST = 0x88b5;

function load(f: NicFixture): NetDevice | undefined {
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  return f.kernel.init_net.__dev_get_by_name('eth0');
}
function up(f: NicFixture): NetDevice {
  const dev = load(f)!;
  expect(f.kernel.net.dev_change_flags(dev, dev.flags | IFF.UP)).toBe(0);
  f.settle();
  return dev;
}
/** Base of the BAR with the modern structures. */
const bar = (f: NicFixture): number => {
  const at = ECAM_BASE + ecamOffset(0, 1, 0) + 0x10 + 4 * BAR.BAR;
  return (f.platform.bus.read(at, 4) & 0xfffffff0) >>> 0;
};
/** Offsets in the device configuration that the driver read. */
const configReads = (f: NicFixture): number[] => {
  const from = bar(f) + BAR.DEVICE;
  return f.log.filter((a) => !a.write && a.address >= from && a.address < from + BAR.EACH).map((a) => a.address - from);
};

/** Commands that drivers sent since the test began: [class, command, data]. */
const commands: [number, number, number[]][] = [];
const { virtnet_send_command } = VirtnetCtrl.prototype;
function recordCommands(): void {
  VirtnetCtrl.prototype.virtnet_send_command = function (this: VirtnetCtrl, cls, command, data) {
    const { ram } = this.kernel.platform;
    commands.push([cls, command, data.flatMap(([at, n]) => [...ram.bytes.subarray(at, at + n)])]);
    return virtnet_send_command.call(this, cls, command, data);
  };
}
afterEach(() => {
  VirtnetCtrl.prototype.virtnet_send_command = virtnet_send_command;
  commands.length = 0;
});

test('virtio-v1.2 §2.2.1, §5.1.4.2: the driver accepts only what is offered, with what it needs, and does with less', () => {
  const all = nicFixture({
    queuePairs: 2,
    net: { properties: { rss: true, hash: true, guest_uso4: true, host_uso: true, notf_coal: true } },
  });
  for (const name of ['', ...featureList(all.nic.pci.offered)]) {
    if (name === 'VIRTIO_F_VERSION_1') continue;
    const f = nicFixture({ queuePairs: 2, disable: name === '' ? 0n : F[name as FeatureName] });
    const dev = load(f);
    const accepted = f.nic.pci.driverFeatures;
    expect([name, dev?.name, accepted & ~f.nic.pci.offered, missingPrerequisites(accepted)]).toEqual([name, 'eth0', 0n, []]);
    if (name !== 'VIRTIO_NET_F_MAC') expect(accepted & F.VIRTIO_NET_F_MAC).not.toBe(0n);
  }
});

test('virtio-v1.2 §3.1.1: a device that refuses FEATURES_OK is given up: FAILED, no queue, no interface', () => {
  const f = nicFixture();
  // large packets offered without the checksums that they need
  Object.defineProperty(f.nic.pci, 'offered', { value: f.nic.pci.offered & ~F.VIRTIO_NET_F_GUEST_CSUM });
  expect(load(f)).toBeUndefined();
  expect([f.nic.pci.status & (S.FAILED | S.FEATURES_OK), f.nic.pci.queues.some((q) => q.enabled)]).toEqual([S.FAILED, false]);
});

test('virtio-v1.2 §2.5.1: the configuration is read between two equal generations', () => {
  const f = nicFixture();
  const generation = C.config_generation.offset;
  let reads = 0;
  const { bus } = f.platform;
  const { read } = bus;
  const at = bar(f);
  bus.read = (address, size) => {
    if (address === at + BAR.DEVICE + 2 && ++reads === 1) f.nic.net.setLink(false);
    return read(address, size);
  };
  const dev = load(f)!;
  expect([reads, [...dev.dev_addr]]).toEqual([2, MAC]);
  const mac = f.log.filter(
    (a) => !a.write && (a.address === at + generation || (a.address >= at + BAR.DEVICE && a.address < at + BAR.DEVICE + 6)),
  );
  const seen = mac.map((a) => (a.address === at + generation ? a.value : 'byte'));
  const [first, second] = [seen[0] as number, seen[7] as number];
  expect(second).not.toBe(first);
  const six = Array.from({ length: 6 }, () => 'byte');
  expect(seen.slice(0, 15)).toEqual([first, ...six, second, ...six, second]);
});

test('virtio-v1.2 §2.5.1: a configuration field is read only with its feature', () => {
  const { status, max_virtqueue_pairs, mtu, speed, duplex } = VirtioNetConfig;
  const run = (options: Parameters<typeof nicFixture>[0]): number[] => {
    const f = nicFixture(options);
    up(f);
    return configReads(f);
  };
  const without = run({ disable: F.VIRTIO_NET_F_STATUS | F.VIRTIO_NET_F_MAC });
  expect(without).toEqual([]);
  const withAll = run({ queuePairs: 2, net: { hostMtu: 1400, speed: 1000 } });
  for (const field of [VirtioNetConfig.mac, status, max_virtqueue_pairs, mtu, speed, duplex]) expect(withAll).toContain(field.offset);
});

test('virtio-v1.2 §5.1.4.2: with MAC the interface has the address of the device, without it a local one', () => {
  const [given, made] = [0n, F.VIRTIO_NET_F_MAC].map((disable) => load(nicFixture({ disable }))!.dev_addr);
  expect([...given]).toEqual(MAC);
  expect([made[0] & 3, [...made].join() === MAC.join()]).toEqual([2, false]);
});

test('virtio-v1.2 §5.1.4.2: without STATUS the link is taken as up, with it the device is asked', () => {
  const carrier = [F.VIRTIO_NET_F_STATUS, 0n].map((disable) => {
    const f = nicFixture({ disable });
    f.nic.net.linkChanged(false);
    return !up(f).nocarrier;
  });
  expect(carrier).toEqual([true, false]);
});

test('virtio-v1.2 §5.1.4.2: a speed or duplex that cannot be is unknown', () => {
  const f = nicFixture({ net: { speed: 1000, duplex: 'full' } });
  const { mem } = f.nic.net.control.config;
  VirtioNetConfig.speed.set(mem, 0, 0x80000000);
  VirtioNetConfig.duplex.set(mem, 0, 7);
  const dev = up(f);
  expect(dev.ethtool_ops!.get_link_ksettings!(dev)).toMatchObject({ speed: -1, duplex: 0xff });
});

test('virtio-v1.2 §5.1.4.2: speed is read again after a configuration change', () => {
  const f = nicFixture({ net: { speed: 1000, duplex: 'full' } });
  const dev = up(f);
  const settings = (): unknown => dev.ethtool_ops!.get_link_ksettings!(dev);
  const before = settings();
  f.nic.net.linkChanged(false);
  f.settle();
  VirtioNetConfig.speed.set(f.nic.net.control.config.mem, 0, 2500);
  f.nic.net.linkChanged(true);
  f.settle();
  expect([before, settings()]).toMatchObject([{ speed: 1000 }, { speed: 2500 }]);
});

test('virtio-v1.2 §4.1.4.1, §4.1.4.9.2: no write of the driver goes to a capability', () => {
  const f = nicFixture();
  up(f);
  f.kernel.modules.delete_module('virtio_net');
  const space = ECAM_BASE + ecamOffset(0, 1, 0);
  const { config } = f.nic.pci.fn;
  const caps: [number, number][] = [];
  for (let at = config.u8(PciHeader.capabilities.offset); at !== 0; at = config.u8(at + 1))
    if (config.u8(at) === 9) caps.push([space + at, space + at + config.u8(at + VirtioPciCap.cap_len.offset)]);
  expect(caps.length).toBe(5);
  expect(f.log.filter((a) => a.write && caps.some(([from, to]) => a.address >= from && a.address < to))).toEqual([]);
});

test('virtio-v1.2 §4.1.4.1: odd capabilities are passed over: unknown kinds, reserved BARs, one that is longer, a second of a kind', () => {
  const f = nicFixture();
  const { config } = f.nic.pci.fn;
  const first = config.u8(PciHeader.capabilities.offset);
  const odd = (at: number, next: number, type: number, barIndex: number): void => {
    [9, next, 64 - 4, type, barIndex].forEach((byte, i) => config.setU8(at + i, byte));
  };
  // in front of the list: a reserved kind, and the common configuration in a reserved BAR; behind it: a second common configuration
  odd(0xd0, 0xe4, 0x7f, 4);
  odd(0xe4, first, VIRTIO_PCI_CAP.COMMON_CFG, 7);
  config.setU8(PciHeader.capabilities.offset, 0xd0);
  let last = first;
  for (let at = first; at !== 0; at = config.u8(at + 1)) {
    if (config.u8(at) === 9 && config.u8(at + VirtioPciCap.cfg_type.offset) === VIRTIO_PCI_CAP.ISR_CFG) config.setU8(at + 2, 0x20);
    last = at;
  }
  config.setU8(last + 1, 0xbc);
  odd(0xbc, 0, VIRTIO_PCI_CAP.COMMON_CFG, 1);
  up(f);
  const common = bar(f);
  expect(f.log.some((a) => a.write && a.address === common + C.queue_enable.offset)).toBe(true);
  expect(f.nic.pci.running).toBe(true);
});

test('virtio-v1.2 §4.1.4.5.2: the ISR is not read while MSI-X is on', () => {
  const f = nicFixture();
  const dev = up(f);
  for (let i = 0; i < 5; i++) send(f, dev, plain(i));
  f.nic.net.linkChanged(false);
  f.settle();
  const isr = bar(f) + BAR.ISR;
  expect(f.log.filter((a) => a.address === isr)).toEqual([]);
});

test('virtio-v1.2 §2.7.10.1: the flags of the used ring are 0 when the queue is enabled', () => {
  const f = nicFixture();
  const { bus } = f.platform;
  const { write } = bus;
  const seen: number[] = [];
  const enable = bar(f) + C.queue_enable.offset;
  bus.write = (address, size, value) => {
    write(address, size, value);
    if (address !== enable) return;
    const q = f.nic.pci.queues.filter((x) => x.enabled).at(-1)!;
    seen.push(VirtqUsed.flags.get(f.platform.ram, q.device));
  };
  f.platform.ram.bytes.subarray(8 << 20).fill(0xa5);
  up(f);
  expect(seen).toEqual([0, 0, 0]);
});

test.each([
  [0n, [0]],
  [F.VIRTIO_F_RING_EVENT_IDX, [0, 1]],
])('virtio-v1.2 §2.7.7.1: the flags of the available ring are 0 with event index, 0 or 1 without (%s)', (disable, allowed) => {
  const f = nicFixture({ disable });
  const dev = up(f);
  const seen = new Set<number>();
  const look = (): void => {
    for (const q of [0, 1]) seen.add(VirtqAvail.flags.get(f.platform.ram, f.nic.pci.queues[q].driver));
  };
  const { charge } = f.kernel;
  // in the middle of the driver's work too, when it wants no interrupts
  f.kernel.charge = (ns) => {
    look();
    charge.call(f.kernel, ns);
  };
  for (let i = 0; i < 30; i++) {
    send(f, dev, plain(i));
    f.nic.net.receiveFrame({ bytes: plain(i), id: i, skb: 0 });
    look();
    f.settle(10_000);
  }
  expect([...seen].sort((a, b) => a - b)).toEqual(allowed);
});

const plain = (fill: number): Uint8Array => {
  const bytes = new Uint8Array(100).fill(fill);
  bytes.set([...MAC, 2, 0, 0, 0, 0, 1, ETH_P_TEST >> 8, ETH_P_TEST & 0xff]);
  return bytes;
};

interface Offload {
  readonly csumStart?: number;
  readonly csumOffset?: number;
  readonly gsoType?: number;
  readonly gsoSize?: number;
}
function send(f: NicFixture, dev: NetDevice, bytes: Uint8Array, o: Offload = {}, queue = 0): void {
  const { kernel } = f;
  const skb = kernel.skb.alloc_skb(128 + bytes.length)!;
  skb_reserve(skb, 128);
  f.platform.ram.write(__skb_put(skb, bytes.length), bytes, 0, bytes.length);
  skb.dev = dev;
  skb.mac_header = skb.data - skb.head;
  skb.network_header = skb.mac_header + 14;
  skb.protocol = (bytes[12] << 8) | bytes[13];
  skb.queue_mapping = queue;
  if (o.csumStart !== undefined) {
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.transport_header = skb.mac_header + o.csumStart;
    skb.csum_start = skb.mac_header + o.csumStart;
    skb.csum_offset = o.csumOffset ?? 0;
  }
  if (o.gsoType !== undefined) kernel.skb.setGso(skb, o.gsoType, o.gsoSize ?? 0, Math.ceil(bytes.length / (o.gsoSize ?? 1)));
  const cpu = f.platform.cpus.list[0];
  const at = cpu.enterTask();
  kernel.net.xmit.dev_queue_xmit(skb);
  cpu.leaveTask(at, 'test');
}

/** The headers in the transmit queue, of everything made available since `from`. */
function headers(f: NicFixture, from: number): Record<string, number>[] {
  const { ram } = f.platform;
  const q = f.nic.pci.queues[1];
  const out: Record<string, number>[] = [];
  for (let i = from; i !== VirtqAvail.idx.get(ram, q.driver); i++) {
    let at = descAt(q.desc, ram.u16(availAt(q.driver, i % q.size)));
    if ((VirtqDesc.flags.get(ram, at) & 4) !== 0) at = VirtqDesc.addr.get(ram, at);
    const h = VirtqDesc.addr.get(ram, at);
    const { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers } = VirtioNetHdr;
    out.push({
      flags: flags.get(ram, h),
      gso_type: gso_type.get(ram, h),
      hdr_len: hdr_len.get(ram, h),
      gso_size: gso_size.get(ram, h),
      csum_start: csum_start.get(ram, h),
      csum_offset: csum_offset.get(ram, h),
      num_buffers: num_buffers.get(ram, h),
    });
  }
  return out;
}
const PLAIN = { flags: 0, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0, num_buffers: 0 };
const TCP4 = { csumStart: 34, csumOffset: 16 };
const TCP6 = { csumStart: 54, csumOffset: 16 };
const large = (ip: 4 | 6): Uint8Array => frame(payload(4000), { ip, tcp: true, csum: 'partial' });

test('virtio-v1.2 §5.1.6.2.1: the header of a packet says what is left to do, and nothing else', () => {
  const f = nicFixture();
  const dev = up(f);
  const from = VirtqAvail.idx.get(f.platform.ram, f.nic.pci.queues[1].driver);
  send(f, dev, plain(1));
  send(f, dev, frame(payload(100), { tcp: true, csum: 'partial' }), TCP4);
  send(f, dev, large(4), { ...TCP4, gsoType: SKB_GSO.TCPV4, gsoSize: 1448 });
  send(f, dev, large(6), { ...TCP6, gsoType: SKB_GSO.TCPV6 | SKB_GSO.TCP_ECN, gsoSize: 1428 });
  const [none, csum, tso4, tso6] = headers(f, from);
  expect([none, csum]).toEqual([PLAIN, { ...PLAIN, flags: VIRTIO_NET_HDR_F.NEEDS_CSUM, csum_start: 34, csum_offset: 16 }]);
  expect(tso4).toMatchObject({ flags: 1, gso_type: GSO.TCPV4, gso_size: 1448, csum_start: 34, num_buffers: 0 });
  expect(tso6).toMatchObject({ flags: 1, gso_type: GSO.TCPV6 | GSO.ECN, gso_size: 1428, csum_start: 54, num_buffers: 0 });
  expect([tso4.hdr_len >= 54, tso6.hdr_len >= 74]).toEqual([true, true]);
});

test('virtio-v1.2 §5.1.6.2.1: segmentation is asked for only with its feature; without it the kernel cuts the packet', () => {
  const sent = (disable: bigint): (readonly [number, number])[] => {
    const f = nicFixture({ disable });
    const dev = up(f);
    const from = VirtqAvail.idx.get(f.platform.ram, f.nic.pci.queues[1].driver);
    send(f, dev, large(4), { ...TCP4, gsoType: SKB_GSO.TCPV4, gsoSize: 1448 });
    send(f, dev, large(6), { ...TCP6, gsoType: SKB_GSO.TCPV6, gsoSize: 1428 });
    send(f, dev, large(4), { ...TCP4, gsoType: SKB_GSO.TCPV4 | SKB_GSO.TCP_ECN, gsoSize: 1448 });
    const got = headers(f, from);
    return [0, GSO.TCPV4, GSO.TCPV6, GSO.TCPV4 | GSO.ECN].map((type) => [type, got.filter((h) => h['gso_type'] === type).length] as const);
  };
  const counts = (disable: bigint): number[] => sent(disable).map(([, n]) => n);
  expect(counts(0n)).toEqual([0, 1, 1, 1]);
  expect(counts(F.VIRTIO_NET_F_HOST_TSO4)).toEqual([6, 0, 1, 0]);
  expect(counts(F.VIRTIO_NET_F_HOST_TSO6)).toEqual([3, 1, 0, 1]);
  expect(counts(F.VIRTIO_NET_F_HOST_ECN)).toEqual([3, 1, 1, 0]);
  expect(counts(F.VIRTIO_NET_F_CSUM)).toEqual([9, 0, 0, 0]);
});

test('virtio-v1.2 §5.1.6.2.1: without CSUM the kernel completes the checksum, and the header is empty', () => {
  const f = nicFixture({ disable: F.VIRTIO_NET_F_CSUM });
  const dev = up(f);
  f.wire.sent.length = 0;
  const from = VirtqAvail.idx.get(f.platform.ram, f.nic.pci.queues[1].driver);
  send(f, dev, frame(payload(100), { tcp: true, csum: 'partial' }), TCP4);
  expect(headers(f, from)).toEqual([PLAIN]);
  f.settle();
  expect(f.wire.sent.map((x) => x.bytes)).toEqual([frame(payload(100), { tcp: true })]);
});

test('virtio-v1.2 §5.1.6.4.2: a received header counts as far as its flags say: unknown ones and hdr_len are ignored', () => {
  const f = nicFixture();
  up(f);
  const { ram } = f.platform;
  const verdicts: (readonly [number, number])[] = [];
  const receiver = {
    packet_rcv(skb: SkBuff): number {
      verdicts.push([skb.ip_summed, skb.len]);
      f.kernel.skb.consume_skb(skb);
      return 0;
    },
  };
  f.kernel.net.rx.dev_add_pack(new PacketType(ETH_P_TEST, receiver));
  const q = f.nic.pci.queues[0];
  const receive = (flags: number): void => {
    const before = VirtqUsed.idx.get(ram, q.device);
    f.nic.net.receiveFrame({ bytes: plain(1), id: 1, skb: 0 });
    while (VirtqUsed.idx.get(ram, q.device) === before && f.sim.step());
    const id = ram.u32(q.device + 4 + 8 * (before % q.size));
    const h = VirtqDesc.addr.get(ram, descAt(q.desc, id));
    VirtioNetHdr.flags.set(ram, h, flags);
    VirtioNetHdr.hdr_len.set(ram, h, 0xffff);
    VirtioNetHdr.csum_start.set(ram, h, 0xfff0);
    VirtioNetHdr.csum_offset.set(ram, h, 0xfff0);
    f.settle();
  };
  for (const flags of [0, 0xf8, VIRTIO_NET_HDR_F.DATA_VALID, 0xf8 | VIRTIO_NET_HDR_F.DATA_VALID]) receive(flags);
  const length = plain(1).length - 14;
  expect(verdicts).toEqual([CHECKSUM_NONE, CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_UNNECESSARY].map((v) => [v, length]));
});

test('virtio-v1.2 §5.1.6.5: commands are sent only with their feature', () => {
  const classes = (disable: bigint): number[] => {
    recordCommands();
    commands.length = 0;
    const f = nicFixture({ queuePairs: 2, disable });
    const dev = up(f);
    const { addrs } = f.kernel.net;
    addrs.dev_set_promiscuity(dev, 1);
    addrs.dev_mc_add(dev, Uint8Array.of(0x33, 0x33, 0, 0, 0, 1));
    f.kernel.net.dev_set_mac_address(dev, Uint8Array.of(2, 0, 0, 0, 0, 7));
    f.settle();
    return [...new Set(commands.map(([cls]) => cls))].sort((a, b) => a - b);
  };
  const { RX, MAC: ADDRESS, MQ } = VIRTIO_NET_CTRL;
  expect(classes(0n)).toEqual([RX, ADDRESS, MQ]);
  expect(commands.filter(([cls, command]) => cls === RX && command > 1)).toEqual([]);
  expect(classes(F.VIRTIO_NET_F_CTRL_RX)).toEqual([ADDRESS, MQ]);
  expect(classes(F.VIRTIO_NET_F_CTRL_RX | F.VIRTIO_NET_F_CTRL_MAC_ADDR)).toEqual([MQ]);
  expect(classes(F.VIRTIO_NET_F_CTRL_VQ)).toEqual([]);
});

test('virtio-v1.2 §5.1.6.5.2.2: a new address reaches the device', () => {
  const f = nicFixture();
  const dev = up(f);
  f.kernel.net.dev_set_mac_address(dev, Uint8Array.of(2, 0, 0, 0, 0, 7));
  f.settle();
  expect(f.nic.net.filter.state().mainMac).toBe('02:00:00:00:00:07');
});

test('virtio-v1.2 §5.1.6.5.2.2: the receive filter of the interface reaches the device as two counted lists', () => {
  const f = nicFixture();
  const dev = up(f);
  const before = f.nic.net.filter.state().multicastTable.length;
  f.kernel.net.addrs.dev_mc_add(dev, Uint8Array.of(0x33, 0x33, 0, 0, 0, 0x99));
  f.settle();
  const { promiscuous, unicastTable, multicastTable } = f.nic.net.filter.state();
  expect([promiscuous, unicastTable, multicastTable.length, multicastTable.at(-1)]).toEqual([false, [], before + 1, '33:33:00:00:00:99']);
});

test('virtio-v1.2 §5.1.6.5.4.1: an announcement is made and acknowledged', () => {
  recordCommands();
  const f = nicFixture();
  up(f);
  f.nic.net.announce();
  f.settle();
  expect(commands.filter(([cls]) => cls === VIRTIO_NET_CTRL.ANNOUNCE)).toEqual([[VIRTIO_NET_CTRL.ANNOUNCE, 0, []]]);
  expect(VirtioNetConfig.status.get(f.nic.net.control.config.mem, 0) & 2).toBe(0);
});

test('virtio-v1.2 §5.1.6.5.6.1: pairs are asked for from 1 to the maximum, and none beyond them is sent on', () => {
  recordCommands();
  const f = nicFixture({ queuePairs: 4, cpus: 4 });
  const dev = up(f);
  const set = (combined: number): number => f.kernel.ethtool.setChannels(dev, { combined_count: combined }).errno;
  expect([0, 5, 2].map(set)).toEqual([-22, -22, 0]);
  f.settle();
  const asked = commands.filter(([cls]) => cls === VIRTIO_NET_CTRL.MQ).map(([, , data]) => data[0] | (data[1] << 8));
  expect(asked.every((n) => n >= 1 && n <= 4)).toBe(true);
  for (let i = 0; i < 40; i++) send(f, dev, plain(i), {}, i % 4);
  f.settle();
  const used = [1, 3, 5, 7].map((q) => VirtqAvail.idx.get(f.platform.ram, f.nic.pci.queues[q].driver) > 0);
  expect(used.slice(2)).toEqual([false, false]);
});

test('virtio-v1.2 §5.1.6.5.8.2: offloads are switched within what was accepted', () => {
  recordCommands();
  const f = nicFixture({ disable: F.VIRTIO_NET_F_GUEST_TSO6 });
  const dev = up(f);
  for (const on of [false, true]) expect(f.kernel.ethtool.setFeatures(dev, new Map([['rx-gro-hw', on]]))).toBeDefined();
  expect(dev.features & NETIF_F.GRO_HW).not.toBe(0n);
  const words = commands
    .filter(([cls]) => cls === VIRTIO_NET_CTRL.GUEST_OFFLOADS)
    .map(([, , data]) => BigInt(new DataView(Uint8Array.from(data).buffer).getUint32(0, true)));
  expect(words.length).toBeGreaterThanOrEqual(2);
  expect(words.map((w) => w & ~f.nic.pci.driverFeatures)).toEqual(words.map(() => 0n));
});

test.each([true, false])(
  'virtio-v1.2 §5.1.6.5.6.4, §5.1.6.5.7.2: the RSS command lists enabled queues within the limits of the device (RSS: %s)',
  (rss) => {
    recordCommands();
    const f = nicFixture({ queuePairs: 4, cpus: 4, net: { properties: { rss, hash: true } } });
    const dev = up(f);
    f.kernel.ethtool.setFeatures(dev, new Map([['rx-hashing', true]]));
    const [[, command, data]] = commands.filter(([cls, cmd]) => cls === VIRTIO_NET_CTRL.MQ && cmd !== 0).slice(-1);
    const m = new ByteMem(Uint8Array.from(data));
    const { mem } = f.nic.net.control.config;
    expect(m.u32(0) & ~VirtioNetConfig.supported_hash_types.get(mem, 0)).toBe(0);
    if (!rss) {
      // zeros where RSS has its table; what Linux 6.1 leaves in the last two bytes is in docs/conformance.md
      expect([command, [...m.bytes.subarray(4, 10)], m.u16(10)]).toEqual([VIRTIO_NET_CTRL_MQ_HASH_CONFIG, [0, 0, 0, 0, 0, 0], 4]);
      return;
    }
    const entries = m.u16(4) + 1;
    const table = Array.from({ length: entries }, (_, i) => m.u16(8 + 2 * i));
    expect([command, entries & (entries - 1), entries <= VirtioNetConfig.rss_max_indirection_table_length.get(mem, 0)]).toEqual([
      1,
      0,
      true,
    ]);
    expect(new Set(table)).toEqual(new Set([0, 1, 2, 3]));
  },
);
