// Modules: order of loading, use counts, removal as kmod does it.
import { expect, test } from 'vitest';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import { VIRTIO_MODULES } from '../drivers/virtio/modules.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { bootKernel } from '../testkit/kernel_fixture.ts';
import type { Modules } from './module.ts';

const boot = (): Modules => bootKernel({ modules: { builtin: [LOOPBACK_MODULE, PCI_MODULE], loadable: VIRTIO_MODULES } }).kernel.modules;
const names = (done: readonly { readonly name: string }[]): string[] => done.map((d) => d.name);

test('modprobe inserts what is needed first, and only what is missing', () => {
  const m = boot();
  expect(names(m.modprobe('virtio-pci').done)).toEqual([
    'virtio_ring',
    'virtio',
    'virtio_pci_modern_dev',
    'virtio_pci_legacy_dev',
    'virtio_pci',
  ]);
  expect(names(m.modprobe('virtio_net').done)).toEqual(['failover', 'net_failover', 'virtio_net']);
  expect(m.modprobe('virtio_net')).toEqual({ errno: 0, done: [] });
  expect(m.modprobe('nosuchmodule').errno).toBe(-2);
  expect(m.loaded.map((x) => [x.name, x.refcnt])).toEqual([
    ['virtio_net', 0],
    ['net_failover', 1],
    ['failover', 1],
    ['virtio_pci', 0],
    ['virtio_pci_legacy_dev', 1],
    ['virtio_pci_modern_dev', 1],
    ['virtio', 2],
    ['virtio_ring', 3],
  ]);
});

test('rmmod refuses what is in use or not loaded', () => {
  const m = boot();
  m.modprobe('virtio_pci');
  expect(m.delete_module('virtio_ring')).toBe(-11);
  expect(m.find_module('virtio_ring')?.users.map((u) => u.name)).toEqual(['virtio_pci', 'virtio']);
  expect(m.delete_module('virtio_net')).toBe(-2);
});

test('modprobe -r removes the module and, in one pass, the dependencies nobody uses: what becomes free later stays, as with kmod 30', () => {
  const m = boot();
  m.modprobe('virtio_pci');
  m.modprobe('virtio_net');
  expect(names(m.modprobeRemove('virtio_net').done)).toEqual(['virtio_net', 'net_failover']);
  expect(names(m.modprobeRemove('virtio_pci').done)).toEqual(['virtio_pci', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev']);
  expect(m.loaded.map((x) => x.name)).toEqual(['failover', 'virtio_ring']);
});
