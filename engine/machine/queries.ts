// Looks into a machine for views: which driver, interface and queue belong to a NIC. Nothing here changes the world.
import type { VirtqueueState } from '../devices/virtqueue.ts';
import { PciDev } from '../drivers/pci/pci_dev.ts';
import { VirtioDevice } from '../drivers/virtio/virtio_device.ts';
import type { Virtqueue } from '../drivers/virtio/virtio_ring.ts';
import type { Device } from '../kernel/device.ts';
import type { NetDevice } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { PCI_FUNC, PCI_SLOT } from '../pci/config_space.ts';
import type { DmaContext } from '../platform/dma.ts';
import type { Machine, Nic } from './machine.ts';

export { IFF, LINK_STATS, type NetDevice } from '../kernel/net_device.ts';

/** '0000:00:01.0' */
export const pciAddress = (nic: Nic): string => `0000:00:${PCI_SLOT(nic.devfn).toString(16).padStart(2, '0')}.${PCI_FUNC(nic.devfn)}`;

/** The kernel's device of a NIC, while it is enumerated. */
function pciDeviceOf(machine: Machine, nic: Nic): Device | undefined {
  const name = pciAddress(nic);
  return machine.kernel.drivers.bus('pci')?.devices.find((d) => d.name === name);
}

/** The virtio device that a transport driver made of it. */
export function virtioDeviceOf(machine: Machine, nic: Nic): VirtioDevice | undefined {
  return pciDeviceOf(machine, nic)?.children.find((c): c is VirtioDevice => c instanceof VirtioDevice);
}

/** The interface on top of it. */
export function netdevOf(machine: Machine, nic: Nic): NetDevice | undefined {
  const parent = virtioDeviceOf(machine, nic) ?? pciDeviceOf(machine, nic);
  if (parent === undefined) return undefined;
  for (const net of machine.kernel.netns.list) for (const dev of net.devices) if (dev.parent === parent) return dev;
  return undefined;
}

/** First name of a namespace, '' for init_net. */
export const netnsName = (machine: Machine, net: Net): string =>
  net === machine.kernel.init_net ? '' : ([...net.names][0] ?? `net:[${net.inum}]`);

export interface QueueSides {
  readonly device: VirtqueueState;
  /** Offered features that the driver accepted. */
  readonly features: bigint;
  readonly driver: Virtqueue | undefined;
  readonly netdev: NetDevice | undefined;
}

/** Both sides of one virtqueue; undefined when the NIC has no such queue. */
export function queueOf(machine: Machine, port: string, index: number): QueueSides | undefined {
  const nic = machine.nics.get(port);
  const q = nic?.virtio?.pci.queues[index];
  if (nic?.virtio === undefined || q === undefined) return undefined;
  const vdev = virtioDeviceOf(machine, nic);
  return {
    device: q.state(),
    features: nic.virtio.pci.driverFeatures,
    driver: vdev?.vqs.find((v) => v.index === index),
    netdev: netdevOf(machine, nic),
  };
}

/** DMA mappings of a NIC, as its driver made them. */
export function dmaOf(machine: Machine, port: string): DmaContext | undefined {
  const nic = machine.nics.get(port);
  const dev = nic === undefined ? undefined : pciDeviceOf(machine, nic);
  return dev instanceof PciDev ? dev.dma : undefined;
}
