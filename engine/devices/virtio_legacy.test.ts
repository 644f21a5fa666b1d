// The legacy interface in the I/O BAR (virtio-v1.2 §4.1.4.10), against a scripted legacy driver that knows only ports and RAM.
import { expect, test } from 'vitest';
import { PCI_BASE_ADDRESS_0, PCI_COMMAND, PciHeader } from '../pci/config_space.ts';
import { frame, payload } from '../testkit/frames.ts';
import { nicPair, settle, type Station } from '../testkit/nic_pair.ts';
import { ScriptedQueue } from '../testkit/scripted_driver.ts';
import { F } from '../virtio/features.ts';
import { legacyRing, VirtioPciLegacy as L, VirtioPciLegacyMsix as M } from '../virtio/legacy.ts';
import { VIRTIO_NET_S, VirtioNetConfig } from '../virtio/net.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../virtio/pci_cfg.ts';
import { VIRTQ_AVAIL_F_NO_INTERRUPT, VirtqAvail } from '../virtio/ring.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import type { VirtioNetSpec } from './virtio_net.ts';

type Field = { readonly offset: number; readonly size: number };
const LEGACY = { interfaces: { legacy: true, modern: false } };
const LEGACY_HDR = 10;
/** The I/O APIC pin of slot 1's INTA#. */
const GSI = 21;

class LegacyDriver {
  readonly base: number;
  constructor(readonly station: Station) {
    const { driver } = station;
    driver.setCfg(PciHeader.command.offset, 2, PCI_COMMAND.IO | PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER);
    this.base = driver.cfg(PCI_BASE_ADDRESS_0) & ~3;
  }
  in(field: Field, from = 0): number {
    return this.station.platform.ports.read(this.base + from + field.offset, field.size);
  }
  out(field: Field, value: number, from = 0): void {
    this.station.platform.ports.write(this.base + from + field.offset, field.size, value);
  }
  /** Puts a queue into one run of memory and tells its page. */
  setup(index: number): ScriptedQueue {
    const { driver } = this.station;
    this.out(L.queue_select, index);
    const size = this.in(L.queue_size);
    const at = driver.page(16 * 4096);
    const { desc, driver: avail, device: used } = legacyRing(at, size, 4096);
    this.out(L.queue_address, at / 4096);
    return Object.assign(new ScriptedQueue(driver, index, size), { desc, avail, used });
  }
  start(features: number): { rx: ScriptedQueue; tx: ScriptedQueue } {
    this.out(L.device_status, 0);
    this.out(L.device_status, S.ACKNOWLEDGE | S.DRIVER);
    this.out(L.driver_features, features);
    const rx = this.setup(0);
    const tx = this.setup(1);
    this.out(L.device_status, S.ACKNOWLEDGE | S.DRIVER | S.DRIVER_OK);
    return { rx, tx };
  }
}

function legacy(spec: Partial<VirtioNetSpec> = LEGACY) {
  const pair = nicPair({ spec });
  return { ...pair, d: new LegacyDriver(pair.a) };
}

test('virtio-v1.2 §4.1.2.3: a transitional device has id 0x1000, revision 0, and the device type as subsystem', () => {
  const { a } = legacy();
  expect([a.driver.cfg(2, 2), a.driver.cfg(8, 1), a.driver.cfg(0x2e, 2)]).toEqual([0x1000, 0, 1]);
});

test('virtio-v1.2 §2.2.3: a legacy driver is shown 32 feature bits, with those that only it knows', () => {
  const { d } = legacy();
  const word = BigInt(d.in(L.device_features));
  const has = (f: bigint): boolean => (word & f) !== 0n;
  expect([has(F.VIRTIO_F_NOTIFY_ON_EMPTY), has(F.VIRTIO_F_ANY_LAYOUT), has(F.VIRTIO_NET_F_GSO), has(F.VIRTIO_F_VERSION_1)]).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test('virtio-v1.2 §3.1.2: there is no FEATURES_OK; features that were not offered are not taken', () => {
  const { d } = legacy();
  d.out(L.device_status, S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK);
  d.out(L.driver_features, 0xffffffff);
  const unused = 2 ** 30;
  expect([d.in(L.device_status), d.in(L.driver_features)]).toEqual([S.ACKNOWLEDGE | S.DRIVER, d.in(L.device_features) - unused]);
});

test('virtio-v1.2 §4.1.5.1.3.1: the queue size is fixed, the page number is what was written, 0 takes the queue out of use', () => {
  const { d, a } = legacy();
  d.out(L.device_status, S.ACKNOWLEDGE | S.DRIVER);
  d.out(L.queue_select, 0);
  d.out(L.queue_size, 64);
  const size = d.in(L.queue_size);
  d.setup(0);
  const page = d.in(L.queue_address);
  expect([size, page, a.nic.pci.queues[0].state().enabled]).toEqual([256, a.nic.pci.queues[0].desc / 4096, true]);
  d.out(L.queue_address, 0);
  expect([d.in(L.queue_address), a.nic.pci.queues[0].state().enabled]).toEqual([0, false]);
  d.out(L.queue_select, 9);
  expect(d.in(L.queue_size)).toBe(0);
});

test('virtio-v1.2 §2.7.2: descriptors, avail ring, then the used ring on the next page', () => {
  expect(legacyRing(0x10000, 256, 4096)).toEqual({ desc: 0x10000, driver: 0x11000, device: 0x12000, bytes: 0x2000 });
  expect(legacyRing(0x10000, 1024, 4096)).toEqual({ desc: 0x10000, driver: 0x14000, device: 0x15000, bytes: 0x5000 });
});

test('virtio-v1.2 §5.1.6.1: without MRG_RXBUF the header has ten bytes, on the way out and in; each side hears of it on its line', () => {
  const { a, b, d, sim } = legacy({ ...LEGACY, vectors: 0 });
  const { tx } = d.start(0);
  const far = new LegacyDriver(b);
  const { rx } = far.start(0);
  const room = b.driver.page(2048);
  rx.addChain([{ addr: room, len: 2048, write: true }]);
  rx.publish();
  const packet = frame(payload(40));
  const at = a.driver.page(LEGACY_HDR + packet.length);
  a.driver.ram.write(at + LEGACY_HDR, packet, 0, packet.length);
  tx.addChain([{ addr: at, len: LEGACY_HDR + packet.length }]);
  tx.publish();
  d.out(L.queue_notify, 1);
  settle(sim);
  expect([tx.takeUsed(), rx.takeUsed()]).toEqual([[{ id: 0, len: 0 }], [{ id: 0, len: LEGACY_HDR + packet.length }]]);
  const got = new Uint8Array(packet.length);
  b.driver.ram.read(room + LEGACY_HDR, got, 0, got.length);
  expect([...got]).toEqual([...packet]);
  for (const [s, driver] of [
    [a, d],
    [b, far],
  ] as const)
    expect([s.platform.ioapic.state(GSI).asserted, driver.in(L.isr_status), s.platform.ioapic.state(GSI).asserted]).toEqual([
      true,
      1,
      false,
    ]);
});

test.each([
  [0, L.$size],
  [4, L.$size + M.$size],
])('virtio-v1.2 §4.1.4.10: with %d vectors and MSI-X on the configuration is at offset %d', (vectors, offset) => {
  const { a, d } = legacy({ ...LEGACY, vectors });
  if (vectors > 0) {
    a.driver.probe();
    a.driver.setCfg(PciHeader.command.offset, 2, PCI_COMMAND.IO | PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER);
    d.out(M.config_msix_vector, 99, L.$size);
    const none = d.in(M.config_msix_vector, L.$size);
    d.out(M.config_msix_vector, 1, L.$size);
    expect([none, d.in(M.config_msix_vector, L.$size)]).toEqual([VIRTIO_MSI_NO_VECTOR, 1]);
  }
  expect(d.in(VirtioNetConfig.status, offset)).toBe(VIRTIO_NET_S.LINK_UP);
  expect(d.in({ offset: 0, size: 1 }, offset)).toBe(0x52);
});

test.each([
  [0n, 0xaa],
  [F.VIRTIO_NET_F_CTRL_MAC_ADDR | F.VIRTIO_NET_F_CTRL_VQ, 0x52],
])(
  'virtio-v1.2 §5.1.4.3: a legacy driver writes the MAC address in the configuration unless it has a command for it (%#)',
  (features, first) => {
    const { d, a } = legacy({ ...LEGACY, vectors: 0 });
    d.start(Number(features));
    d.out({ offset: 0, size: 1 }, 0xaa, L.$size);
    expect([d.in({ offset: 0, size: 1 }, L.$size), a.nic.net.mac[0]]).toEqual([first, first]);
  },
);

test.each([
  [0n, 0],
  [F.VIRTIO_F_NOTIFY_ON_EMPTY, 1],
])(
  'virtio-v1.2 §6.3 NOTIFY_ON_EMPTY: with features %d a queue that runs empty interrupts %d times though interrupts are suppressed',
  (features, bits) => {
    const { a, d, sim } = legacy({ ...LEGACY, vectors: 0 });
    const { tx } = d.start(Number(features));
    const at = a.driver.page(100);
    tx.addChain([{ addr: at, len: LEGACY_HDR + 60 }]);
    VirtqAvail.flags.set(a.driver.ram, tx.avail, VIRTQ_AVAIL_F_NO_INTERRUPT);
    tx.publish();
    d.out(L.queue_notify, 1);
    settle(sim);
    expect([tx.takeUsed().length, d.in(L.isr_status)]).toEqual([1, bits]);
  },
);

test('virtio-v1.2 §2.1.2: a legacy driver is not shown DEVICE_NEEDS_RESET; the queue that broke a rule is still', () => {
  const { a, d, sim } = legacy({ ...LEGACY, vectors: 0 });
  const { tx } = d.start(0);
  tx.addChain([{ addr: 0xfffffff0, len: 64 }]);
  tx.publish();
  d.out(L.queue_notify, 1);
  settle(sim);
  expect([d.in(L.device_status), d.in(L.isr_status), a.nic.pci.queues[1].fault?.kind]).toEqual([
    S.ACKNOWLEDGE | S.DRIVER | S.DRIVER_OK,
    0,
    'outside memory',
  ]);
});

test('virtio-v1.2 §2.4: status 0 takes queues, features and the interrupt away', () => {
  const { d, a } = legacy({ ...LEGACY, vectors: 0 });
  d.start(0);
  a.nic.net.setLink(false);
  d.out(L.device_status, 0);
  expect([d.in(L.device_status), d.in(L.queue_address), d.in(L.driver_features), a.platform.ioapic.state(GSI).asserted]).toEqual([
    0,
    0,
    0,
    false,
  ]);
});

test('the I/O BAR is as large as header and configuration need, in powers of two (QEMU: virtio_pci_device_plugged())', () => {
  const size = (spec: Partial<VirtioNetSpec>): number | undefined => legacy(spec).a.nic.pci.fn.bars.find((b) => b.index === 0)?.size;
  expect([size({}), size({ queuePairs: 2 }), size({ vectors: 0 })]).toEqual([32, 64, 32]);
});
