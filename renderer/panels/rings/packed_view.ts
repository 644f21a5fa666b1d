// What a person is told about a packed ring: positions with wrap counters, AVAIL and USED of a descriptor, event structures. Pure.
import type { PackedRingView, RingEvent, RingPosition } from '../../../preload/contract.ts';
import { hex } from '../../widgets/units.ts';
import type { FactName, Marker, SlotWindow } from './rings_view.ts';

const NAMES: readonly (readonly [number, string])[] = [
  [1, 'NEXT'],
  [2, 'WRITE'],
  [4, 'INDIRECT'],
  [1 << 7, 'AVAIL'],
  [1 << 15, 'USED'],
];

/** virtio-v1.2 §2.8.13 */
export function packedFlagNames(flags: number): string {
  return NAMES.flatMap(([bit, name]) => ((flags & bit) !== 0 ? [name] : [])).join(' ');
}

/** Descriptors from one position to another. virtio-v1.2 §2.8.1 */
export function between(from: RingPosition, to: RingPosition, size: number): number {
  return Math.min(size, Math.max(0, from.wrap === to.wrap ? to.at - from.at : size - from.at + to.at));
}

export function packedWindow(from: RingPosition, to: RingPosition, size: number): SlotWindow {
  return { from: from.at, count: between(from, to, size) };
}

/** RING_EVENT_FLAGS_DESC */
const AT_A_DESCRIPTOR = 2;
const EVENT_WORDS = ['always', 'never', 'at', 'reserved'];

export function packedMarkers(view: PackedRingView): readonly Marker[] {
  const list: Marker[] = [
    {
      track: 'avail',
      kind: 'producer',
      slot: view.driverAvail.at,
      label: 'next avail',
      note: 'The descriptor that the driver makes available next. virtio-v1.2 §2.8.21',
    },
    {
      track: 'avail',
      kind: 'consumer',
      slot: view.deviceAvail.at,
      label: 'fetched',
      note: 'The device’s own position: the descriptor it looks at next.',
    },
    {
      track: 'used',
      kind: 'producer',
      slot: view.deviceUsed.at,
      label: 'next used',
      note: 'Where the device writes its next used descriptor. virtio-v1.2 §2.8.22',
    },
    {
      track: 'used',
      kind: 'consumer',
      slot: view.driverUsed.at,
      label: 'reaped',
      note: 'The driver’s own position (last_used_idx): the used descriptor it takes back next.',
    },
  ];
  if (view.deviceEvent.flags === AT_A_DESCRIPTOR)
    list.push({
      track: 'avail',
      kind: 'event',
      slot: view.deviceEvent.at % view.size,
      label: 'doorbell at',
      note: 'The device wants a doorbell when this descriptor becomes available. virtio-v1.2 §2.8.10',
    });
  if (view.driverEvent.flags === AT_A_DESCRIPTOR)
    list.push({
      track: 'used',
      kind: 'event',
      slot: view.driverEvent.at % view.size,
      label: 'interrupt at',
      note: 'The driver wants an interrupt when this descriptor is used. virtio-v1.2 §2.8.10',
    });
  return list;
}

const position = (p: RingPosition): string => `${p.at}/${p.wrap}`;
const event = (e: RingEvent): string => `${EVENT_WORDS[e.flags] ?? e.flags}${e.flags === AT_A_DESCRIPTOR ? ` ${position(e)}` : ''}`;

/** The two facts that differ from a split ring's: positions as descriptor/wrap counter. */
export function packedFact(view: PackedRingView, name: Extract<FactName, 'avail' | 'used'>): string {
  return name === 'avail'
    ? `${position(view.driverAvail)} · fetched ${position(view.deviceAvail)} · ${between(view.deviceAvail, view.driverAvail, view.size)} waiting`
    : `${position(view.deviceUsed)} · reaped ${position(view.driverUsed)} · ${between(view.driverUsed, view.deviceUsed, view.size)} waiting`;
}

/** Where the parts lie, and what the event structures say. */
export function packedWhere(view: PackedRingView): string {
  return `ring ${hex(view.descAddr)} · driver event ${hex(view.driverEventAddr)}: ${event(view.driverEvent)} · device event ${hex(view.deviceEventAddr)}: ${event(view.deviceEvent)}`;
}
