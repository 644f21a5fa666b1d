// PCI core over ECAM: discovery, addresses, binding by hand, removal and rescan.
import { expect, test } from 'vitest';
import type { Device, DeviceAttribute } from '../../kernel/device.ts';
import { type NicFixture, nicFixture } from '../../testkit/nic_fixture.ts';
import type { PciDev } from './pci_dev.ts';

const dev = (f: NicFixture): PciDev => f.kernel.drivers.bus_find_device_by_name('pci', '0000:00:01.0') as PciDev;
const attribute = (d: Device, name: string): DeviceAttribute => d.bus.attributes!(d).find((a) => a.name === name)!;
const show = (f: NicFixture, name: string): string => attribute(dev(f), name).show!(dev(f), f.kernel) as string;
const dmesg = (f: NicFixture, from: number): string[] => f.kernel.printk.records.slice(from).map((r) => r.text);

test('functions are found with ids, class, BARs and capabilities, and sysfs shows them', () => {
  const f = nicFixture({ queuePairs: 4 });
  const d = dev(f);
  expect([d.vendor, d.device, d.class, d.subsystem_device, d.msix_cap, d.irq]).toEqual([0x1af4, 0x1000, 0x020000, 1, 0x98, 10]);
  expect(show(f, 'modalias')).toBe('pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00\n');
  expect(show(f, 'resource').split('\n')[4]).toBe(
    `0x${d.resource[4].start.toString(16).padStart(16, '0')} 0x${d.resource[4].end.toString(16).padStart(16, '0')} 0x000000000014220c`,
  );
  const config = attribute(d, 'config').show!(d, f.kernel) as Uint8Array;
  expect([...config.subarray(0, 16)]).toEqual([0xf4, 0x1a, 0, 0x10, 3, 1, 0x10, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
  expect(show(f, 'enable')).toBe('0\n');
  f.kernel.modules.modprobe('virtio_pci');
  expect([show(f, 'enable'), show(f, 'irq')]).toEqual(['1\n', '21\n']);
});

test('a driver is unbound and bound by hand, with the errno of each misuse', () => {
  const f = nicFixture();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const { drivers } = f.kernel;
  const net = drivers.bus('virtio')!.drivers[0];
  const pci = drivers.bus('pci')!.drivers.find((d) => d.name === 'virtio-pci')!;
  expect(drivers.bind_store(net, 'virtio0\n')).toBe(-16);
  expect(drivers.unbind_store(net, 'virtio0\n')).toBe(8);
  expect(drivers.unbind_store(net, 'virtio0\n')).toBe(-19);
  expect(drivers.bind_store(net, 'virtio9\n')).toBe(-19);
  expect(f.nic.pci.status).toBe(1);
  expect(drivers.bind_store(net, 'virtio0\n')).toBe(8);
  expect(drivers.unbind_store(pci, '0000:00:01.0\n')).toBe(13);
  expect(drivers.bus('virtio')!.devices).toEqual([]);
  // bus mastering is off again
  expect(dev(f).core.access.pci_read_config_word(dev(f), 4)).toBe(0x103);
  expect(drivers.bind_store(pci, '0000:00:01.0\n')).toBe(13);
  f.settle();
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
});

test('a function that was removed comes back by a rescan with new addresses, largest first, 64-bit above 4 GiB', () => {
  const f = nicFixture({ ramBytes: 512 << 20 });
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  attribute(dev(f), 'remove').store!(dev(f), '1\n', f.kernel);
  expect(dev(f)).toBeUndefined();
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo']);
  const from = f.kernel.printk.records.length;
  const rescan = f.kernel.drivers.bus('pci')!.type.bus_attributes![0];
  expect(rescan.store!(f.kernel, '1\n')).toBe(2);
  f.settle();
  expect(dmesg(f, from).slice(-4)).toEqual([
    'pci 0000:00:01.0: ROM [mem 0x20000000-0x2003ffff pref]: assigned',
    'pci 0000:00:01.0: BAR 4 [mem 0x100000000-0x100003fff 64bit pref]: assigned',
    'pci 0000:00:01.0: BAR 1 [mem 0x20040000-0x20040fff]: assigned',
    'pci 0000:00:01.0: BAR 0 [io  0x1000-0x101f]: assigned',
  ]);
  expect(f.kernel.init_net.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
  expect(f.nic.pci.status).toBe(15);
});

test('ids are added and taken away by hand, a named driver takes whatever it is told, and what is no number is refused', () => {
  const f = nicFixture();
  f.kernel.modules.modprobe('virtio_pci');
  f.settle();
  const { drivers } = f.kernel;
  const bus = drivers.bus('pci')!;
  const [virtio, serial] = ['virtio-pci', 'serial'].map((name) => bus.drivers.find((d) => d.name === name)!);
  const driverFile = (drv: typeof virtio, name: string, text: string): number =>
    bus.type.driver_attributes!.find((a) => a.name === name)!.store!(drv, text, f.kernel);
  const file = (name: string, text: string): number => attribute(dev(f), name).store!(dev(f), text, f.kernel);
  // what its table has already, too few numbers, what is not there
  expect([
    driverFile(virtio, 'new_id', '1af4 1000\n'),
    driverFile(virtio, 'new_id', '8086\n'),
    driverFile(serial, 'remove_id', '1 2'),
  ]).toEqual([-17, -22, -19]);
  expect([driverFile(serial, 'new_id', '1af4 1000 1af4 0x1\n'), driverFile(serial, 'new_id', '1af4 1000 1af4 1')]).toEqual([19, -17]);
  expect([driverFile(serial, 'remove_id', '1af4 1000\n'), driverFile(serial, 'remove_id', '1af4 1000\n')]).toEqual([10, -19]);
  expect(drivers.bind_store(serial, '0000:00:01.0\n')).toBe(-19);
  drivers.unbind_store(virtio, '0000:00:01.0\n');
  expect([file('driver_override', 'serial\n'), show(f, 'driver_override')]).toEqual([7, 'serial\n']);
  expect(drivers.bind_store(virtio, '0000:00:01.0\n')).toBe(-19);
  // it matches now, and its probe finds nothing it knows
  expect(drivers.bind_store(serial, '0000:00:01.0\n')).toBe(-19);
  expect([file('driver_override', '\n'), show(f, 'driver_override')]).toEqual([1, '(null)\n']);
  expect(drivers.bind_store(virtio, '0000:00:01.0\n')).toBe(13);
  expect(['remove', 'rescan', 'enable', 'msi_bus'].map((name) => file(name, 'yes\n'))).toEqual([-22, -22, -22, -22]);
  expect([file('remove', '0\n'), dev(f) === undefined, file('enable', '1\n')]).toEqual([2, false, -16]);
});

test('a function without leave for MSI has its line, and says so', () => {
  const f = nicFixture();
  const d = dev(f);
  attribute(d, 'msi_bus').store!(d, '0\n', f.kernel);
  expect(f.kernel.printk.records.at(-1)?.text).toBe('pci 0000:00:01.0: MSI/MSI-X disallowed for future drivers');
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  expect([d.msix_enabled, f.kernel.irq.irq_to_desc(21)?.action?.name]).toEqual([false, 'virtio0']);
});
