// What is particular to a split ring in the inspector: table, avail and used ring, both indexes, who owns what (virtio-v1.2 §2.7).
import type { QueueSides } from '../../machine/queries.ts';
import { F } from '../../virtio/features.ts';
import {
  availAt,
  availEventAt,
  availRingBytes,
  descAt,
  descTableBytes,
  usedAt,
  usedEventAt,
  usedRingBytes,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F,
  VIRTQ_USED_F_NO_NOTIFY,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from '../../virtio/ring.ts';
import type { Mem } from '../../base/memory.ts';

/** Stands for a vector where a line interrupts for all queues. */
const LINE = -1;

const dist = (from: number, to: number): number => (to - from) & 0xffff;

export function splitParts(ram: Mem & { readonly size: number }, { device: d, driver, features, line, physical }: QueueSides) {
  const desc = physical(d.desc);
  const avail = physical(d.driver);
  const used = physical(d.device);
  const within = (at: number, bytes: number): boolean => at >= 0 && at + bytes <= ram.size;
  const inRam =
    d.enabled && within(desc, descTableBytes(d.size)) && within(avail, availRingBytes(d.size)) && within(used, usedRingBytes(d.size));
  const availIdx = inRam ? VirtqAvail.idx.get(ram, avail) : 0;
  const usedIdx = inRam ? VirtqUsed.idx.get(ram, used) : 0;
  const availFlags = inRam ? VirtqAvail.flags.get(ram, avail) : 0;
  const usedFlags = inRam ? VirtqUsed.flags.get(ram, used) : 0;
  const usedEvent = inRam ? ram.u16(usedEventAt(avail, d.size)) : 0;
  const availEvent = inRam ? ram.u16(availEventAt(used, d.size)) : 0;
  const table: number[] = [];
  const availRing: number[] = [];
  const usedRing: number[] = [];
  if (inRam) {
    for (let i = 0; i < d.size; i++) {
      const at = descAt(desc, i);
      table.push(VirtqDesc.addr.get(ram, at), VirtqDesc.len.get(ram, at), VirtqDesc.flags.get(ram, at), VirtqDesc.next.get(ram, at));
      availRing.push(ram.u16(availAt(avail, i)));
      usedRing.push(VirtqUsedElem.id.get(ram, usedAt(used, i)), VirtqUsedElem.len.get(ram, usedAt(used, i)));
    }
  }
  const driverLastUsed = driver?.positions.lastUsed ?? usedIdx;
  const { owners, heads } = inRam
    ? ownership(d, { availIdx, usedIdx, driverLastUsed, table, availRing, usedRing })
    : { owners: 'f'.repeat(d.size), heads: new Array<number>(d.size).fill(-1) };
  const eventIdx = (features & F.VIRTIO_F_RING_EVENT_IDX) !== 0n;
  return {
    format: 'split' as const,
    descAddr: d.desc,
    availAddr: d.driver,
    usedAddr: d.device,
    owners,
    heads,
    availIdx,
    availFlags,
    usedEvent,
    usedIdx,
    usedFlags,
    availEvent,
    deviceLastAvail: d.lastAvailIdx,
    driverLastUsed,
    notifyDevice: doorbellSentence(eventIdx, { availIdx, availEvent, usedFlags, enabled: d.enabled }),
    notifyDriver: interruptSentence(eventIdx, { usedIdx, usedEvent, availFlags, vector: line ? LINE : d.vector, enabled: d.enabled }),
    table,
    availRing,
    usedRing,
  };
}

interface Parts {
  readonly availIdx: number;
  readonly usedIdx: number;
  readonly driverLastUsed: number;
  readonly table: readonly number[];
  readonly availRing: readonly number[];
  readonly usedRing: readonly number[];
}

/**
 * Who owns each descriptor: entries of the avail ring that the device has not taken are `a`, taken ones not given back `d`, entries of the
 * used ring that the driver has not reaped `u`, all else `f`. A chain belongs to its head's owner.
 */
function ownership(d: QueueSides['device'], p: Parts): { owners: string; heads: number[] } {
  const owners = new Array<string>(d.size).fill('f');
  const heads = new Array<number>(d.size).fill(-1);
  const mark = (head: number, owner: string): void => {
    let i = head;
    for (let n = 0; n < d.size && i < d.size; n++) {
      owners[i] = owner;
      heads[i] = head;
      if ((p.table[4 * i + 2] & VIRTQ_DESC_F.NEXT) === 0) break;
      i = p.table[4 * i + 3];
    }
  };
  const mask = d.size - 1;
  const given = new Set<number>();
  for (let i = 0; i < Math.min(d.size, dist(p.driverLastUsed, p.usedIdx)); i++) given.add(p.usedRing[2 * ((p.driverLastUsed + i) & mask)]);
  // taken and not given back: the last `inUse` entries before the device's position (it takes in ring order)
  for (let i = 0; i < Math.min(d.size, d.inUse); i++) mark(p.availRing[(d.lastAvailIdx - 1 - i) & mask], 'd');
  for (let i = 0; i < Math.min(d.size, dist(d.lastAvailIdx, p.availIdx)); i++) mark(p.availRing[(d.lastAvailIdx + i) & mask], 'a');
  for (const head of given) mark(head, 'u');
  return { owners: owners.join(''), heads };
}

function doorbellSentence(eventIdx: boolean, s: { availIdx: number; availEvent: number; usedFlags: number; enabled: boolean }): string {
  if (!s.enabled) return 'The queue is not enabled.';
  if (!eventIdx) {
    return (s.usedFlags & VIRTQ_USED_F_NO_NOTIFY) === 0
      ? 'The next avail entry rings the doorbell: used.flags has no NO_NOTIFY (virtio-v1.2 §2.7.10).'
      : 'The next avail entry rings no doorbell: the device set NO_NOTIFY in used.flags (virtio-v1.2 §2.7.10).';
  }
  const away = dist(s.availIdx, s.availEvent);
  return away === 0
    ? `The next avail entry rings the doorbell: avail_event = ${s.availEvent} = avail idx (virtio-v1.2 §2.7.10).`
    : `No doorbell until avail idx passes avail_event = ${s.availEvent}; it is ${s.availIdx} (virtio-v1.2 §2.7.10).`;
}

function interruptSentence(
  eventIdx: boolean,
  s: { usedIdx: number; usedEvent: number; availFlags: number; vector: number; enabled: boolean },
): string {
  if (!s.enabled) return 'The queue is not enabled.';
  if (s.vector === 0xffff) return 'No interrupt: the queue has no MSI-X vector (virtio-v1.2 §4.1.5.1.2).';
  if (!eventIdx) {
    return (s.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
      ? 'The next used element raises an interrupt: avail.flags has no NO_INTERRUPT (virtio-v1.2 §2.7.7).'
      : 'The next used element raises no interrupt: the driver set NO_INTERRUPT in avail.flags (virtio-v1.2 §2.7.7).';
  }
  const away = dist(s.usedIdx, s.usedEvent);
  return away === 0
    ? `The next used element raises an interrupt: used_event = ${s.usedEvent} = used idx (virtio-v1.2 §2.7.7).`
    : `No interrupt until used idx passes used_event = ${s.usedEvent}; it is ${s.usedIdx} (virtio-v1.2 §2.7.7).`;
}
