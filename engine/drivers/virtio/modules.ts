// The loadable modules of virtio, from the ring to the network driver, as they lie on a machine's disk.
import type { ModuleDef } from '../../kernel/module.ts';
import { FAILOVER_MODULE, NET_FAILOVER_MODULE, VIRTIO_NET_MODULE } from '../virtio_net/virtio_net.ts';
import { VIRTIO_MODULE } from './virtio.ts';
import { VIRTIO_MMIO_MODULE } from './virtio_mmio.ts';
import { VIRTIO_PCI_LEGACY_DEV_MODULE, VIRTIO_PCI_MODERN_DEV_MODULE, VIRTIO_PCI_MODULE, VIRTIO_RING_MODULE } from './virtio_pci.ts';

export const VIRTIO_MODULES: readonly ModuleDef[] = Object.freeze([
  VIRTIO_RING_MODULE,
  VIRTIO_MODULE,
  VIRTIO_PCI_MODERN_DEV_MODULE,
  VIRTIO_PCI_LEGACY_DEV_MODULE,
  VIRTIO_PCI_MODULE,
  VIRTIO_MMIO_MODULE,
  FAILOVER_MODULE,
  NET_FAILOVER_MODULE,
  VIRTIO_NET_MODULE,
]);
