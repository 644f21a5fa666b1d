// What is particular to a packed ring in the inspector: descriptors with AVAIL and USED, wrap counters, event structures, who owns what (virtio-v1.2 §2.8).
import type { Mem } from '../../base/memory.ts';
import type { QueueSides } from '../../machine/queries.ts';
import { VIRTQ_DESC_F } from '../../virtio/ring.ts';
import {
  isAvailDesc,
  packedDescAt,
  packedRingBytes,
  RING_EVENT_FLAGS,
  RING_EVENT_FLAGS_MASK,
  VirtqEvent,
  VirtqPackedDesc,
  WRAP_BIT,
} from '../../virtio/ring_packed.ts';

/** A place in the ring with the wrap counter of the one who is there. */
interface Position {
  readonly at: number;
  readonly wrap: number;
}

/** An event suppression structure, decoded. */
interface Event {
  readonly flags: number;
  readonly at: number;
  readonly wrap: number;
}

export function packedParts(ram: Mem & { readonly size: number }, { device: d, driver, line, physical }: QueueSides) {
  const desc = physical(d.desc);
  const driverArea = physical(d.driver);
  const deviceArea = physical(d.device);
  const within = (at: number, bytes: number): boolean => at >= 0 && at + bytes <= ram.size;
  const inRam =
    d.enabled && within(desc, packedRingBytes(d.size)) && within(driverArea, VirtqEvent.$size) && within(deviceArea, VirtqEvent.$size);
  const table: number[] = [];
  for (let i = 0; inRam && i < d.size; i++) {
    const at = packedDescAt(desc, i);
    table.push(
      VirtqPackedDesc.addr.get(ram, at),
      VirtqPackedDesc.len.get(ram, at),
      VirtqPackedDesc.id.get(ram, at),
      VirtqPackedDesc.flags.get(ram, at),
    );
  }
  const deviceAvail = { at: d.lastAvailIdx, wrap: d.availWrap };
  const deviceUsed = { at: d.usedIdx, wrap: d.usedWrap };
  const p = driver?.packed === true ? driver.positions : undefined;
  const driverAvail = p === undefined ? firstUnavailable(table, deviceAvail, d.size) : { at: p.nextAvail, wrap: p.availWrap };
  const driverUsed = p === undefined ? deviceUsed : { at: p.lastUsed, wrap: p.usedWrap };
  const driverEvent = eventAt(ram, inRam ? driverArea : undefined);
  const deviceEvent = eventAt(ram, inRam ? deviceArea : undefined);
  const owned = ownership(table, d.size, [driverUsed, deviceUsed, deviceAvail, driverAvail], (id) => driver?.slotsOf(id) ?? 0);
  return {
    format: 'packed' as const,
    descAddr: d.desc,
    driverEventAddr: d.driver,
    deviceEventAddr: d.device,
    ...owned,
    driverAvail,
    deviceAvail,
    deviceUsed,
    driverUsed,
    driverEvent,
    deviceEvent,
    notifyDevice: doorbellSentence(d.enabled, deviceEvent, driverAvail),
    notifyDriver: interruptSentence(d.enabled, line || d.vector !== 0xffff, driverEvent, deviceUsed),
    table,
  };
}

function eventAt(ram: Mem, address: number | undefined): Event {
  if (address === undefined) return { flags: 0, at: 0, wrap: 0 };
  const desc = VirtqEvent.desc.get(ram, address);
  return { flags: VirtqEvent.flags.get(ram, address) & RING_EVENT_FLAGS_MASK, at: desc & ~WRAP_BIT, wrap: desc >> 15 };
}

/** Without a driver to ask: as far as descriptors are available. */
function firstUnavailable(table: readonly number[], from: Position, size: number): Position {
  let { at, wrap } = from;
  for (let n = 0; n < size && table.length > 0 && isAvailDesc(table[4 * at + 3], wrap); n++) {
    if (++at < size) continue;
    at = 0;
    wrap ^= 1;
  }
  return { at, wrap };
}

/** Descriptors from one position to another, 0 to size. */
const between = (from: Position, to: Position, size: number): number =>
  from.wrap === to.wrap ? Math.max(0, to.at - from.at) : Math.max(0, size - from.at + to.at);

/**
 * The ring is read from the place where the driver takes back: up to the device's used position `u`, up to where the device takes `d`, up to
 * where the driver adds `a`, the rest is free. A used descriptor stands for its whole list, which its ID tells the driver.
 */
function ownership(
  table: readonly number[],
  size: number,
  [reaped, used, taken, added]: readonly [Position, Position, Position, Position],
  slotsOf: (id: number) => number,
): { owners: string; heads: number[] } {
  const owners = new Array<string>(size).fill('f');
  const heads = new Array<number>(size).fill(-1);
  if (table.length === 0) return { owners: owners.join(''), heads };
  let at = reaped.at;
  const mark = (owner: string, count: number, length: (head: number) => number): void => {
    for (let left = Math.min(count, size); left > 0;) {
      const head = at;
      for (let n = Math.max(1, Math.min(length(head), left)); n > 0; n--, left--) {
        owners[at] = owner;
        heads[at] = head;
        at = at + 1 === size ? 0 : at + 1;
      }
    }
  };
  const listLength = (head: number): number => {
    let n = 1;
    for (let i = head; n < size && (table[4 * i + 3] & VIRTQ_DESC_F.NEXT) !== 0; i = i + 1 === size ? 0 : i + 1) n++;
    return n;
  };
  mark('u', between(reaped, used, size), (head) => slotsOf(table[4 * head + 2]));
  mark('d', between(used, taken, size), listLength);
  mark('a', between(taken, added, size), listLength);
  return { owners: owners.join(''), heads };
}

const place = (p: Position): string => `${p.at} (wrap counter ${p.wrap})`;

function doorbellSentence(enabled: boolean, e: Event, next: Position): string {
  if (!enabled) return 'The queue is not enabled.';
  if (e.flags === RING_EVENT_FLAGS.DISABLE)
    return 'The next available descriptor rings no doorbell: the device’s event structure says DISABLE (virtio-v1.2 §2.8.10).';
  if (e.flags === RING_EVENT_FLAGS.ENABLE)
    return 'The next available descriptor rings the doorbell: the device’s event structure says ENABLE (virtio-v1.2 §2.8.10).';
  return e.at === next.at && e.wrap === next.wrap
    ? `The next available descriptor rings the doorbell: the device waits for ${place(e)}, the next one (virtio-v1.2 §2.8.10).`
    : `No doorbell until descriptor ${place(e)} becomes available; the next one is ${place(next)} (virtio-v1.2 §2.8.10).`;
}

function interruptSentence(enabled: boolean, able: boolean, e: Event, next: Position): string {
  if (!enabled) return 'The queue is not enabled.';
  if (!able) return 'No interrupt: the queue has no MSI-X vector (virtio-v1.2 §4.1.5.1.2).';
  if (e.flags === RING_EVENT_FLAGS.DISABLE)
    return 'The next used descriptor raises no interrupt: the driver’s event structure says DISABLE (virtio-v1.2 §2.8.10).';
  if (e.flags === RING_EVENT_FLAGS.ENABLE)
    return 'The next used descriptor raises an interrupt: the driver’s event structure says ENABLE (virtio-v1.2 §2.8.10).';
  return e.at === next.at && e.wrap === next.wrap
    ? `The next used descriptor raises an interrupt: the driver waits for ${place(e)}, the next one (virtio-v1.2 §2.8.10).`
    : `No interrupt until descriptor ${place(e)} is used; the next one is ${place(next)} (virtio-v1.2 §2.8.10).`;
}
