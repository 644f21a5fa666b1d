// Order of sysfs directories.
import { expect, test } from 'vitest';
import { kernfsOrder } from './kernfs.ts';

test('names come in the order in which a Linux 6.1 machine lists them', () => {
  expect(kernfsOrder(['rx-0', 'rx-1', 'rx-2', 'rx-3', 'tx-0', 'tx-1', 'tx-2', 'tx-3'])).toEqual([
    'tx-2',
    'tx-0',
    'rx-3',
    'rx-1',
    'tx-3',
    'tx-1',
    'rx-2',
    'rx-0',
  ]);
  expect(kernfsOrder(['byte_queue_limits', 'traffic_class', 'tx_maxrate', 'tx_timeout', 'xps_cpus', 'xps_rxqs'])).toEqual([
    'tx_maxrate',
    'xps_cpus',
    'byte_queue_limits',
    'tx_timeout',
    'xps_rxqs',
    'traffic_class',
  ]);
  expect(kernfsOrder(['virtio', 'virtio_net', 'virtio_pci'])).toEqual(['virtio_pci', 'virtio', 'virtio_net']);
});
