// lspci's selections and names, where pciutils 3.9.0 was asked with the same configuration space.
import { expect, test } from 'vitest';
import { PciNames, type PciNumbers } from './lspci_names.ts';
import { parseId, parseSlot, selected, type Selection } from './lspci_select.ts';

const sata: PciNumbers = { vendor: '8086', device: '2922', subvendor: '1af4', subdevice: '1100', classCode: '0106', progIf: 1 };
const nic: PciNumbers = { vendor: '1af4', device: '1000', subvendor: '1af4', subdevice: '0001', classCode: '0200', progIf: 0 };
const shown = (s: Selection | string): string =>
  typeof s === 'string'
    ? s
    : [['0000:00:1f.2', sata] as const, ['0000:00:01.0', nic] as const]
        .filter(([slot, f]) => selected(s, slot, f))
        .map(([slot]) => slot.slice(8))
        .join(' ');

test('-s takes domain, bus, slot and function, each or any; what is no number, or too large, is named', () => {
  expect(['1f', '.2', '0:1.', '0000:00:01.0', ':1f.2', '*:*.*', '1:2.0', '0001::'].map((t) => shown(parseSlot(t)))).toEqual([
    '1f.2',
    '1f.2',
    '01.0',
    '01.0',
    '1f.2',
    '1f.2 01.0',
    '',
    '',
  ]);
  expect(['zz', '20', '1.8', 'x:1.0', '0:0:0:0'].map((t) => shown(parseSlot(t)))).toEqual([
    'Invalid slot number',
    'Invalid slot number',
    'Invalid function number',
    'Invalid bus number',
    'Too many fields',
  ]);
});

test('-d takes vendor, device, class and interface', () => {
  expect(['8086:', ':1000', '1af4:1000', '::0106', '::0106:01', '::0106:00', '*:*:0200'].map((t) => shown(parseId(t)))).toEqual([
    '1f.2',
    '01.0',
    '01.0',
    '1f.2',
    '1f.2',
    '',
    '01.0',
  ]);
  expect(['8086', 'zz:1', '1:zz', '::zz', '18086:1'].map((t) => shown(parseId(t)))).toEqual([
    'At least two fields must be given',
    'Invalid vendor ID',
    'Invalid device ID',
    'Invalid class code',
    'Invalid vendor ID',
  ]);
});

test('names, numbers, both, and neither when the list of names is missing', () => {
  const odd: PciNumbers = { ...nic, vendor: '1234', device: '5678' };
  const text = (n: PciNames): string[] => [n.className(nic), n.vendorDevice(nic), n.subsystem(nic), n.vendorDevice(odd), n.subdevice(nic)];
  expect(text(new PciNames(0, true))).toEqual([
    'Ethernet controller',
    'Red Hat, Inc. Virtio network device',
    'Red Hat, Inc. Device 0001',
    'Device 1234:5678',
    'Device 0001',
  ]);
  expect(text(new PciNames(1, true))).toEqual(['0200', '1af4:1000', '1af4:0001', '1234:5678', '0001']);
  expect(text(new PciNames(2, true))).toEqual([
    'Ethernet controller [0200]',
    'Red Hat, Inc. Virtio network device [1af4:1000]',
    'Red Hat, Inc. Device [1af4:0001]',
    'Device [1234:5678]',
    'Device [0001]',
  ]);
  expect(text(new PciNames(0, false)).slice(0, 2)).toEqual(['Class 0200', 'Device 1af4:1000']);
  expect([new PciNames(0, true).interface(sata), new PciNames(0, true).interface(nic)]).toEqual(['AHCI 1.0', undefined]);
});
