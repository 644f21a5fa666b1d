// The drivers of virtio's transports: the accesses of Linux 6.1, its fallbacks for interrupts, what a device may not do without.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { transportFixture, type TransportFixture } from '../../testkit/transport_fixture.ts';
import { F, featureWord } from '../../virtio/features.ts';
import type { VirtioDevice } from './virtio_device.ts';

/** What QEMU does not offer without a tap behind the device. */
const OFFLOADS = featureWord(
  'VIRTIO_NET_F_CSUM',
  'VIRTIO_NET_F_GUEST_CSUM',
  'VIRTIO_NET_F_GUEST_TSO4',
  'VIRTIO_NET_F_GUEST_TSO6',
  'VIRTIO_NET_F_GUEST_ECN',
  'VIRTIO_NET_F_GUEST_UFO',
  'VIRTIO_NET_F_HOST_TSO4',
  'VIRTIO_NET_F_HOST_TSO6',
  'VIRTIO_NET_F_HOST_ECN',
  'VIRTIO_NET_F_HOST_UFO',
);
const golden = readFileSync(new URL('register_sequences.golden.txt', import.meta.url), 'utf8');
const expected = (name: string): string[] => golden.split(`== ${name}\n`)[1].split('==')[0].trimEnd().split('\n');
const transportOf = (f: TransportFixture): VirtioDevice => f.kernel.drivers.bus('virtio')!.devices[0] as VirtioDevice;
const irqs = (f: TransportFixture): string[] =>
  f.kernel.irq
    .list()
    .flatMap((d) => (d.action?.name.startsWith('virtio') === true ? [`${d.irq} ${d.chip.name} ${d.flow} ${d.action.name}`] : []));

function load(f: TransportFixture, transport: string, options: readonly string[] = []): void {
  expect(f.kernel.modules.modprobe(transport, options).errno).toBe(0);
  expect(f.kernel.modules.modprobe('virtio_net').errno).toBe(0);
}

test.each([
  ['legacy', 'pci', 'virtio_pci', {}],
  ['legacy-intx', 'pci', 'virtio_pci', { vectors: 0 }],
  ['mmio-1', 'mmio-legacy', 'virtio_mmio', {}],
  ['mmio-2', 'mmio', 'virtio_mmio', {}],
] as const)('%s: probe and removal make the accesses that Linux makes, value by value', (name, where, module, spec) => {
  const f = transportFixture(where, { disable: OFFLOADS, ...spec });
  load(f, module, module === 'virtio_pci' ? ['force_legacy=1'] : []);
  f.settle();
  f.kernel.modules.delete_module('virtio_net');
  const lines = expected(name);
  const masked = f.log.map((line, i) => (lines[i]?.endsWith('*') === true ? line.replace(/\S+$/, '*') : line));
  expect(masked).toEqual(lines);
});

test.each([
  ['a vector per queue', {}, ['24 PCI-MSI edge virtio0-config', '25 PCI-MSI edge virtio0-input.0', '26 PCI-MSI edge virtio0-output.0']],
  ['two vectors for all', { vectors: 2 }, ['24 PCI-MSI edge virtio0-config', '25 PCI-MSI edge virtio0-virtqueues']],
  ['the line', { vectors: 1 }, ['21 IO-APIC fasteoi virtio0']],
  ['the line', { vectors: 0 }, ['21 IO-APIC fasteoi virtio0']],
])('interrupts (Linux: vp_find_vqs()): %s with %j', (_what, spec, names) => {
  for (const interfaces of [
    { legacy: false, modern: true },
    { legacy: true, modern: false },
  ]) {
    const f = transportFixture('pci', { ...spec, interfaces });
    load(f, 'virtio_pci');
    f.settle();
    expect(irqs(f)).toEqual(names);
    f.kernel.modules.delete_module('virtio_net');
    expect(irqs(f)).toEqual([]);
  }
});

test.each([
  ['a modern device', { legacy: false, modern: true }, [], true],
  ['a modern device, forced', { legacy: false, modern: true }, ['force_legacy=1'], true],
  ['a transitional device', { legacy: true, modern: true }, [], true],
  ['a transitional device, forced', { legacy: true, modern: true }, ['force_legacy=1'], false],
  ['a legacy device', { legacy: true, modern: false }, [], false],
] as const)('Linux: virtio_pci_probe(): %s is driven by its modern interface: %j %j %s', (_what, interfaces, options, modern) => {
  const f = transportFixture('pci', { interfaces });
  load(f, 'virtio_pci', options);
  expect((transportOf(f).features & F.VIRTIO_F_VERSION_1) !== 0n).toBe(modern);
  const said = f.kernel.printk.records.filter((r) => r.text.includes('leaving for legacy driver'));
  expect(said).toHaveLength(interfaces.modern ? 0 : 1);
});

test('a device on the line answers to configuration changes and packets, and shares its line', () => {
  const f = transportFixture('pci', { vectors: 0 });
  load(f, 'virtio_pci');
  f.settle();
  const dev = f.kernel.init_net.__dev_get_by_name('eth0')!;
  expect(dev.nocarrier).toBe(false);
  f.net.setLink(false);
  f.settle();
  expect(dev.nocarrier).toBe(true);
  expect(f.platform.ioapic.state(21)).toMatchObject({ asserted: false, level: true });
});

test('virtio-mmio: addresses, line and names are those of the command line (Linux: vm_cmdline_set())', () => {
  const f = transportFixture('mmio');
  load(f, 'virtio_mmio');
  expect(f.kernel.printk.records.map((r) => r.text)).toContain(
    'virtio-mmio: Registering device virtio-mmio.0 at 0xfef00000-0xfef001ff, IRQ 5.',
  );
  expect([irqs(f), transportOf(f).config.busName, transportOf(f).parent?.name]).toEqual([
    ['5 IO-APIC edge virtio0'],
    'virtio-mmio',
    'virtio-mmio.0',
  ]);
  expect(f.kernel.modules.delete_module('virtio_net')).toBe(0);
  expect(f.kernel.modules.delete_module('virtio_mmio')).toBe(0);
  expect([f.kernel.drivers.bus('platform')?.devices, f.kernel.drivers.iomem.children.some((r) => r.name.startsWith('virtio'))]).toEqual([
    [],
    false,
  ]);
});

test.each(['512', '512@', '512@0xfef00200', '512@0xfef00200:0', '512@0xfef00200:6x'])('virtio_mmio.device=%s is no device', (text) => {
  const f = transportFixture('mmio', {}, { cmdline: `virtio_mmio.device=${text}` });
  expect(f.kernel.modules.modprobe('virtio_mmio')).toMatchObject({ errno: -22, failed: 'virtio_mmio' });
});

test('virtio-mmio: a place without a device is no error, one without the magic value is said', () => {
  const f = transportFixture('mmio', {}, { cmdline: 'virtio_mmio.device=512@0xfef01000:6' });
  f.kernel.modules.modprobe('virtio_mmio');
  expect(f.kernel.printk.records.map((r) => r.text)).toContain('virtio-mmio virtio-mmio.0: Wrong magic value 0xffffffff!');
  expect(f.kernel.drivers.bus('virtio')?.devices).toHaveLength(1);
});

test.each([
  [true, { legacy: false, modern: true }, true],
  [true, { legacy: true, modern: true }, false],
  [false, { legacy: false, modern: true }, false],
])('virtio-v1.2 §6.2 ACCESS_PLATFORM: with an IOMMU (%s) and interfaces %j it is negotiated: %s', (iommu, interfaces, negotiated) => {
  const f = transportFixture('pci', { interfaces }, { iommu });
  load(f, 'virtio_pci');
  const parent = transportOf(f).parent;
  expect([(transportOf(f).features & F.VIRTIO_F_ACCESS_PLATFORM) !== 0n, parent?.dma?.bypass]).toEqual([negotiated, !negotiated]);
});

test('virtio-v1.2 §6.2 device: behind an IOMMU FEATURES_OK does not stick without ACCESS_PLATFORM', () => {
  const f = transportFixture('pci', { interfaces: { legacy: false, modern: true } }, { iommu: true });
  f.device.driverFeatures = F.VIRTIO_F_VERSION_1;
  f.device.writeStatus(0xb);
  expect(f.device.status).toBe(3);
  f.device.driverFeatures |= F.VIRTIO_F_ACCESS_PLATFORM;
  f.device.writeStatus(0xb);
  expect(f.device.status).toBe(0xb);
});
