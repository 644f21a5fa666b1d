// Looks into a machine for views: which driver, interface and queue belong to a NIC. Nothing here changes the world.
import { VirtioPci } from '../devices/virtio_pci.ts';
import type { VirtqueueState } from '../devices/virtqueue.ts';
import { VirtioDevice } from '../drivers/virtio/virtio_device.ts';
import type { Virtqueue } from '../drivers/virtio/virtio_ring.ts';
import { e1000Adapter, type E1000Ring } from '../drivers/e1000e/adapter.ts';
import type { Device } from '../kernel/device.ts';
import type { NetDevice } from '../kernel/net_device.ts';
import type { Net } from '../kernel/net_namespace.ts';
import { SkBuff } from '../kernel/skbuff.ts';
import type { DmaContext } from '../platform/dma.ts';
import type { Machine } from './machine.ts';
import type { Nic } from './nics.ts';

export { violationText } from '../kernel/contract.ts';
export { IFF, LINK_STATS, type NetDevice } from '../kernel/net_device.ts';

/** The kernel's device of a NIC, while it is enumerated. */
export function deviceOf(machine: Machine, nic: Nic): Device | undefined {
  return machine.kernel.drivers.bus(nic.fn === undefined ? 'platform' : 'pci')?.devices.find((d) => d.name === nic.busName);
}

/** The virtio device that a transport driver made of it. */
export function virtioDeviceOf(machine: Machine, nic: Nic): VirtioDevice | undefined {
  return deviceOf(machine, nic)?.children.find((c): c is VirtioDevice => c instanceof VirtioDevice);
}

/** The interface on top of it. */
export function netdevOf(machine: Machine, nic: Nic): NetDevice | undefined {
  const parent = virtioDeviceOf(machine, nic) ?? deviceOf(machine, nic);
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
  /** Interrupts come by a line, for all queues together: no MSI-X, or no PCI. */
  readonly line: boolean;
  /** The address in RAM behind one that the device uses; -1 when there is none. */
  physical(address: number): number;
}

/** Both sides of one virtqueue; undefined when the NIC has no such queue. */
export function queueOf(machine: Machine, port: string, index: number): QueueSides | undefined {
  const nic = machine.nics.get(port);
  const q = nic?.virtio?.transport.queues[index];
  if (nic?.virtio === undefined || q === undefined) return undefined;
  const vdev = virtioDeviceOf(machine, nic);
  const bus = nic.port;
  return {
    device: q.state(),
    line: !(nic.virtio.transport instanceof VirtioPci) || !nic.virtio.transport.msix.enabled,
    physical: (address) => bus?.physical?.(address) ?? address,
    features: nic.virtio.transport.driverFeatures,
    driver: vdev?.vqs.find((v) => v.index === index),
    netdev: netdevOf(machine, nic),
  };
}

/** DMA mappings of a NIC, as its driver made them. */
export function dmaOf(machine: Machine, port: string): DmaContext | undefined {
  const nic = machine.nics.get(port);
  return nic === undefined ? undefined : deviceOf(machine, nic)?.dma;
}

/** The packet that a driver has in a chain of one of its rings, by head or buffer ID; undefined when the chain holds none that it knows of yet. */
export function skbInRing(
  machine: Machine,
  port: string,
  queue: number,
  id: number,
): { readonly id: number; readonly summary: string } | undefined {
  return skbText(queueOf(machine, port, queue)?.driver?.tokenOf(id));
}

function skbText(token: unknown): { readonly id: number; readonly summary: string } | undefined {
  if (!(token instanceof SkBuff)) return undefined;
  const { len, data_len, dev } = token;
  const parts = data_len === 0 ? '' : `, ${data_len} of them in fragments`;
  return { id: token.id, summary: `${len} bytes${parts}${dev === undefined ? '' : `, from ${dev.name}`}` };
}

/** Both sides of one ring of an e1000e: 0 is what it receives into, 1 what it sends from. */
export interface E1000eSides {
  readonly receive: boolean;
  /** A register as the device has it; reading changes nothing. */
  register(offset: number): number;
  readonly doorbells: number;
  readonly lastDoorbell: number;
  /** Interrupts of the vector the ring's cause goes to, or of the one there is. */
  readonly vector: number | undefined;
  readonly interrupts: number;
  readonly lastInterrupt: number;
  readonly driver: E1000Ring | undefined;
  readonly netdev: NetDevice | undefined;
  physical(address: number): number;
  /** The packet at a descriptor, as the driver knows it. */
  skb(index: number): { readonly id: number; readonly summary: string } | undefined;
}

export function e1000eQueueOf(machine: Machine, port: string, index: number): E1000eSides | undefined {
  const nic = machine.nics.get(port);
  const device = nic?.e1000e;
  if (nic === undefined || device === undefined || index < 0 || index > 1) return undefined;
  const netdev = netdevOf(machine, nic);
  const adapter = netdev?.priv === undefined ? undefined : e1000Adapter(netdev);
  const receive = index === 0;
  const driver = receive ? adapter?.rx_ring : adapter?.tx_ring;
  const vector = nic.fn?.msix?.enabled === true ? index : undefined;
  const slot = vector ?? device.irq.sent.length - 1;
  return {
    receive,
    register: (offset) => device.regs.get(offset),
    doorbells: device.doorbells[receive ? 0 : 2],
    lastDoorbell: device.lastDoorbell[receive ? 0 : 2],
    vector,
    interrupts: device.irq.sent[slot],
    lastInterrupt: device.irq.lastSent[slot],
    driver: driver === undefined || driver.desc === 0 ? undefined : driver,
    netdev,
    physical: (address) => nic.port?.physical?.(address) ?? address,
    skb: (i) => skbText(driver?.skb[i]),
  };
}
