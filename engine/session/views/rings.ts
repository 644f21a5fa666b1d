// A virtqueue as it is in guest memory, with both sides' positions: what the ring inspector draws. Reading changes nothing.
import { queueOf } from '../../machine/queries.ts';
import type { World } from '../../machine/world.ts';
import { F } from '../../virtio/features.ts';
import { ctrlQueue } from '../../virtio/net.ts';
import { e1000eRingList, e1000eRingView } from './e1000e_rings.ts';
import { packedParts } from './ring_packed.ts';
import { splitParts } from './ring_split.ts';

export interface RingRef {
  readonly machine: string;
  readonly port: string;
  /** Virtqueue index: 0 rx0, 1 tx0, …, last = control. */
  readonly queue: number;
}

export interface RingSummary extends RingRef {
  readonly name: string;
  readonly format: 'split' | 'packed' | 'e1000e';
  readonly size: number;
  readonly enabled: boolean;
}

/** All rings of all NICs, in order of machine, port, index. */
export function ringList(world: World): RingSummary[] {
  return [...world.machines.values()].flatMap((m) =>
    [...m.nics.entries()].flatMap(([port, { virtio, e1000e }]): readonly RingSummary[] =>
      e1000e !== undefined
        ? e1000eRingList(m, port)
        : (virtio?.transport.queues ?? []).map((q) => {
            const s = q.state();
            return {
              machine: m.spec.name,
              port,
              queue: s.index,
              name: queueName(virtio?.net.maxPairs ?? 1, s.index),
              format: s.packed ? ('packed' as const) : ('split' as const),
              size: s.size,
              enabled: s.enabled,
            };
          }),
    ),
  );
}

/** Chains the device has taken from each virtqueue of a NIC since it was made, by virtqueue index; undefined when there is no such NIC. */
export function queuesTaken(world: World, machine: string, port: string): number[] | undefined {
  const nic = world.machines.get(machine)?.nics.get(port);
  return nic === undefined ? undefined : (nic.virtio?.transport.queues ?? []).map((q) => q.state().popped);
}

export const queueName = (pairs: number, index: number): string =>
  index === ctrlQueue(pairs) ? 'control' : `${(index & 1) === 0 ? 'input' : 'output'}.${index >> 1}`;

/** One ring, decoded from RAM; undefined when there is no such queue. */
export function ringView(world: World, ref: RingRef) {
  return e1000eRingView(world, ref) ?? virtqueueView(world, ref);
}

export function virtqueueView(world: World, ref: RingRef) {
  const machine = world.machines.get(ref.machine);
  const sides = machine === undefined ? undefined : queueOf(machine, ref.port, ref.queue);
  if (machine === undefined || sides === undefined) return undefined;
  const { device: d, driver, netdev } = sides;
  const { ram } = machine.platform;
  const name = queueName(machine.nics.get(ref.port)?.virtio?.net.maxPairs ?? 1, ref.queue);
  const txQueue = (ref.queue & 1) === 1 && name !== 'control' ? netdev?.queues[ref.queue >> 1] : undefined;
  const common = {
    ...ref,
    name,
    size: d.size,
    enabled: d.enabled,
    time: world.sim.now as number,
    numFree: driver?.num_free ?? d.size,
    eventIdx: (sides.features & F.VIRTIO_F_RING_EVENT_IDX) !== 0n,
    indirect: (sides.features & F.VIRTIO_F_RING_INDIRECT_DESC) !== 0n,
    inOrder: (sides.features & F.VIRTIO_F_IN_ORDER) !== 0n,
    lastDoorbell: d.lastNotification < 0 ? undefined : d.lastNotification,
    lastInterrupt: d.lastInterrupt < 0 ? undefined : d.lastInterrupt,
    doorbells: d.notifications,
    interrupts: d.interrupts,
    doorbellData: d.notificationData < 0 ? undefined : d.notificationData,
    stopped: txQueue !== undefined && (txQueue.drvXoff || txQueue.stackXoff),
    vector: d.vector === 0xffff ? undefined : d.vector,
    faults: d.fault === undefined ? [] : [d.fault.text],
  };
  return d.packed ? { ...common, ...packedParts(ram, sides) } : { ...common, ...splitParts(ram, sides) };
}
