// What a person is told about a ring of either format: who owns what, positions, notification, and why a queue stands still. Pure.
import type { Owner, RingInfo, RingView, SplitRingView } from '../../../preload/contract.ts';
import { formatInstant, hex } from '../../widgets/units.ts';
import { e1000eDone, e1000eFact, e1000eFlagNames, e1000eGiven, e1000eKind, e1000eMarkers, e1000eSlot, e1000eWhere } from './e1000e_view.ts';
import { packedFact, packedFlagNames, packedMarkers, packedWhere, packedWindow } from './packed_view.ts';

const OWNER_OF: Readonly<Record<string, Owner>> = { f: 'free', a: 'driver', d: 'device', u: 'used' };

export const OWNERS: readonly Owner[] = ['free', 'driver', 'device', 'used'];

/** What each owner means, in the words of the legend. */
export const OWNER_TEXT: Readonly<Record<Owner, { readonly word: string; readonly meaning: string }>> = {
  free: { word: 'free', meaning: 'On the driver’s free list; nobody waits for it.' },
  driver: { word: 'driver', meaning: 'Filled by the driver, not yet fetched by the device.' },
  device: { word: 'device', meaning: 'Fetched; the device holds it until it writes a used entry.' },
  used: { word: 'used', meaning: 'Returned by the device, not yet reaped by the driver.' },
};

/** Linux: start_xmit() stops the queue while fewer descriptors than this are free (2 + MAX_SKB_FRAGS). */
const STOP_THRESHOLD = 19;

export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;

export function ownerOf(owners: string, id: number): Owner {
  return OWNER_OF[owners[id]] ?? 'free';
}

export type OwnerCounts = Readonly<Record<Owner, number>>;

export function countOwners(owners: string): OwnerCounts {
  const counts = { free: 0, driver: 0, device: 0, used: 0 };
  for (const letter of owners) counts[OWNER_OF[letter] ?? 'free'] += 1;
  return counts;
}

/** How far a free-running 16-bit index is ahead of another. virtio-v1.2 §2.7.6 */
export function ahead(index: number, of: number): number {
  return (index - of) & 0xffff;
}

/** A run of ring slots: first slot and how many, which may wrap past the end. */
export interface SlotWindow {
  readonly from: number;
  readonly count: number;
}

/** Avail entries the driver has published and the device has not fetched. */
export function unfetched(view: RingView): SlotWindow {
  if (view.format === 'e1000e') return e1000eGiven(view);
  if (view.format === 'packed') return packedWindow(view.deviceAvail, view.driverAvail, view.size);
  return { from: view.deviceLastAvail % view.size, count: Math.min(ahead(view.availIdx, view.deviceLastAvail), view.size) };
}

/** Used entries the device has written and the driver has not reaped. */
export function unreaped(view: RingView): SlotWindow {
  if (view.format === 'e1000e') return e1000eDone(view);
  if (view.format === 'packed') return packedWindow(view.driverUsed, view.deviceUsed, view.size);
  return { from: view.driverLastUsed % view.size, count: Math.min(ahead(view.usedIdx, view.driverLastUsed), view.size) };
}

export function inWindow(window: SlotWindow, slot: number, size: number): boolean {
  return (slot - window.from + size) % size < window.count;
}

/** A place on the avail or used ring that somebody's index points at. */
export interface Marker {
  readonly track: 'avail' | 'used';
  readonly kind: 'producer' | 'consumer' | 'event';
  readonly slot: number;
  readonly label: string;
  readonly note: string;
}

export function markers(view: RingView): readonly Marker[] {
  if (view.format === 'e1000e') return e1000eMarkers(view);
  return view.format === 'packed' ? packedMarkers(view) : splitMarkers(view);
}

function splitMarkers(view: SplitRingView): readonly Marker[] {
  const at = (index: number): number => index % view.size;
  const list: Marker[] = [
    {
      track: 'avail',
      kind: 'producer',
      slot: at(view.availIdx),
      label: 'avail.idx',
      note: 'Where the driver will put its next entry. virtio-v1.2 §2.7.6',
    },
    {
      track: 'avail',
      kind: 'consumer',
      slot: at(view.deviceLastAvail),
      label: 'fetched',
      note: 'The device’s own count: the next avail entry it will fetch.',
    },
    {
      track: 'used',
      kind: 'producer',
      slot: at(view.usedIdx),
      label: 'used.idx',
      note: 'Where the device will put its next entry. virtio-v1.2 §2.7.8',
    },
    {
      track: 'used',
      kind: 'consumer',
      slot: at(view.driverLastUsed),
      label: 'reaped',
      note: 'The driver’s own count (last_used_idx): the next used entry it will reap.',
    },
  ];
  if (view.eventIdx) {
    list.push(
      {
        track: 'avail',
        kind: 'event',
        slot: at(view.availEvent),
        label: 'avail_event',
        note: 'The device wants a doorbell when this entry is added. virtio-v1.2 §2.7.10',
      },
      {
        track: 'used',
        kind: 'event',
        slot: at(view.usedEvent),
        label: 'used_event',
        note: 'The driver wants an interrupt when this entry is written. virtio-v1.2 §2.7.7',
      },
    );
  }
  return list;
}

/** All descriptors of the chain that `id` is part of, in table order; `[id]` alone where it has no head. */
export function chainMembers(heads: readonly number[], id: number): readonly number[] {
  const head = heads[id];
  if (head === undefined || head < 0) return [id];
  const members: number[] = [];
  for (let other = 0; other < heads.length; other++) if (heads[other] === head) members.push(other);
  return members;
}

export function flagNames(flags: number): string {
  const names: string[] = [];
  if ((flags & VIRTQ_DESC_F_NEXT) !== 0) names.push('NEXT');
  if ((flags & VIRTQ_DESC_F_WRITE) !== 0) names.push('WRITE');
  if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) names.push('INDIRECT');
  return names.join(' ');
}

export interface DescriptorRow {
  readonly id: number;
  readonly owner: Owner;
  readonly chain: string; // 'head', 'of 12', ''
  readonly addr: string;
  readonly len: string;
  readonly flags: string;
  /** Split: the chain's next descriptor. Packed: the buffer ID. */
  readonly link: string;
}

export function descriptorRow(view: RingView, id: number): DescriptorRow {
  const head = view.heads[id] ?? -1;
  const { table } = view;
  if (view.format === 'e1000e') {
    return {
      id,
      owner: ownerOf(view.owners, id),
      chain: head < 0 ? '' : head === id ? 'first' : `of ${head}`,
      addr: table === undefined ? '' : hex(table[id * 4], 8),
      len: table === undefined ? '' : String(table[id * 4 + 1]),
      flags: e1000eFlagNames(view, table?.[id * 4 + 2] ?? 0),
      link: e1000eKind(table?.[id * 4 + 3] ?? 0),
    };
  }
  const packed = view.format === 'packed';
  const flags = table?.[id * 4 + (packed ? 3 : 2)] ?? 0;
  const linked = packed || (flags & VIRTQ_DESC_F_NEXT) !== 0;
  return {
    id,
    owner: ownerOf(view.owners, id),
    chain: head < 0 ? '' : head === id ? 'head' : `of ${head}`,
    addr: table === undefined ? '' : hex(table[id * 4], 8),
    len: table === undefined ? '' : String(table[id * 4 + 1]),
    flags: packed ? packedFlagNames(flags) : flagNames(flags),
    link: linked && table !== undefined ? String(table[id * 4 + (packed ? 2 : 3)]) : '',
  };
}

/** One line for a screen reader and for the hover text. */
export function describeDescriptor(view: RingView, id: number): string {
  const row = descriptorRow(view, id);
  const members = chainMembers(view.heads, id).length;
  const chain =
    row.chain === 'head' ? (members > 1 ? `, head of a chain of ${members}` : ', head') : row.chain === '' ? '' : `, chain ${row.chain}`;
  const buffer = row.addr === '' ? '' : `, ${row.len} bytes at ${row.addr}${row.flags === '' ? '' : `, ${row.flags}`}`;
  return `Descriptor ${id}: ${OWNER_TEXT[row.owner].word}${chain}${buffer}`;
}

/** What stands in a slot of the avail or used ring, and whose turn it is; the markers that point at it. */
export function describeSlot(view: RingView, track: Marker['track'], slot: number): string {
  const here = markers(view).filter((marker) => marker.track === track && marker.slot === slot);
  const pointed = here.length === 0 ? '' : ` · ${here.map((marker) => marker.label).join(', ')}`;
  if (view.format === 'e1000e') return `${e1000eSlot(view, track, slot)}${pointed}`;
  if (view.format === 'packed') {
    const state =
      track === 'avail'
        ? inWindow(unfetched(view), slot, view.size)
          ? 'available, not fetched'
          : 'fetched or not available'
        : inWindow(unreaped(view), slot, view.size)
          ? 'used, not reaped'
          : 'reaped or not used';
    return `descriptor ${slot}, ${state}${pointed}`;
  }
  if (track === 'avail') {
    const head = view.availRing?.[slot];
    const state = inWindow(unfetched(view), slot, view.size) ? 'published, not fetched' : 'fetched or never used';
    return `avail ring[${slot}]${head === undefined ? '' : ` = descriptor ${head}`}, ${state}${pointed}`;
  }
  const id = view.usedRing?.[slot * 2];
  const state = inWindow(unreaped(view), slot, view.size) ? 'returned, not reaped' : 'reaped or never used';
  return `used ring[${slot}]${id === undefined ? '' : ` = descriptor ${id}, ${view.usedRing?.[slot * 2 + 1] ?? 0} bytes written`}, ${state}${pointed}`;
}

export type Health = 'ok' | 'stopped' | 'fault' | 'disabled';

export function health(view: RingView): Health {
  if (view.faults.length > 0) return 'fault';
  if (!view.enabled) return 'disabled';
  return view.stopped ? 'stopped' : 'ok';
}

export const HEALTH_TEXT: Readonly<Record<Health, string>> = { ok: 'running', stopped: 'stopped', fault: 'fault', disabled: 'not enabled' };

/** The causal chain behind a queue that does not move, most direct cause first; empty when nothing is odd. */
export function why(view: RingView): readonly string[] {
  const reasons: string[] = [...view.faults];
  if (!view.enabled && view.format === 'e1000e')
    reasons.push('The driver has given this ring no memory: its length register is 0. 82574L §10.2.5.6');
  else if (!view.enabled)
    reasons.push('The driver has not enabled this queue (queue_enable is 0): the device ignores it. virtio-v1.2 §4.1.4.3');
  const waiting = unfetched(view).count;
  const toReap = unreaped(view).count;
  if (view.stopped) {
    reasons.push(
      view.numFree < STOP_THRESHOLD
        ? `The network stack’s queue is stopped: ${view.numFree} free descriptors < 2 + MAX_SKB_FRAGS (${STOP_THRESHOLD}). Linux: start_xmit()`
        : `The network stack’s queue is stopped although ${view.numFree} descriptors are free; it wakes at the next reaping. Linux: virtnet_poll_tx()`,
    );
    if (toReap > 0) reasons.push(`${toReap} used ${toReap === 1 ? 'entry is' : 'entries are'} not reaped. ${view.notifyDriver}`);
    else reasons.push('No used entry waits: the device still holds what it was given.');
  } else if (toReap === view.size && view.size > 0) {
    reasons.push(`The used ring is full: all ${view.size} entries wait for the driver. ${view.notifyDriver}`);
  }
  const receive = view.name.startsWith('input');
  if (view.enabled && waiting > 0 && !receive && (view.stopped || waiting === view.size)) {
    reasons.push(`${waiting} published ${waiting === 1 ? 'entry is' : 'entries are'} not fetched by the device. ${view.notifyDevice}`);
  }
  if (view.enabled && receive && waiting === 0 && countOwners(view.owners).device === 0) {
    reasons.push('The device has no receive buffer: frames that arrive now are dropped. Linux: try_fill_recv()');
  }
  return reasons;
}

/** The lines under a ring; the names are fixed for a format, so that only the values are redrawn. */
export type FactName = 'tail' | 'head' | 'avail.idx' | 'used.idx' | 'avail' | 'used' | 'free' | 'doorbell' | 'interrupt' | 'vector';
const COMMON_FACTS = ['free', 'doorbell', 'interrupt', 'vector'] as const;
const FACTS: Readonly<Record<RingInfo['format'], readonly FactName[]>> = {
  split: ['avail.idx', 'used.idx', ...COMMON_FACTS],
  packed: ['avail', 'used', ...COMMON_FACTS],
  e1000e: ['tail', 'head', ...COMMON_FACTS],
};
export const factNames = (ring: RingInfo): readonly FactName[] => FACTS[ring.format];
export const FACT_NOTES: Readonly<Record<FactName, string>> = {
  'avail.idx': 'Entries published by the driver · fetched by the device · waiting between them',
  'used.idx': 'Entries returned by the device · reaped by the driver · waiting between them',
  avail:
    'Next descriptor the driver makes available / its wrap counter · the same of the device · waiting between them. virtio-v1.2 §2.8.1',
  used: 'Next descriptor the device uses / its wrap counter · the same of the driver · waiting between them. virtio-v1.2 §2.8.1',
  tail: 'Written by the driver (RDT, TDT) · where it fills next · descriptors between head and tail. 82574L §7.1.9',
  head: 'Kept by the device (RDH, TDH) · where the driver takes up next · descriptors between them. 82574L §7.1.9',
  free: 'num_free: descriptors on the driver’s free list, of all',
  doorbell: 'Last write to the queue’s notify register · how many so far',
  interrupt: 'Last MSI-X message of this queue · how many so far',
  vector: 'queue_msix_vector; none = the device cannot interrupt for this queue. virtio-v1.2 §4.1.4.3',
};

const count = (n: number): string => (n === 1 ? '1 time' : `${n.toLocaleString('en')} times`);

export function fact(view: RingView, name: FactName): string {
  switch (name) {
    case 'avail.idx':
    case 'used.idx':
      return view.format === 'split' ? splitFact(view, name) : '';
    case 'avail':
    case 'used':
      return view.format === 'packed' ? packedFact(view, name) : '';
    case 'tail':
    case 'head':
      return view.format === 'e1000e' ? e1000eFact(view, name) : '';
    case 'free':
      return `${view.numFree} of ${view.size}`;
    case 'doorbell':
      return view.lastDoorbell === undefined
        ? 'never'
        : `${formatInstant(view.lastDoorbell)} · ${count(view.doorbells)}${doorbellData(view)}`;
    case 'interrupt':
      return view.lastInterrupt === undefined ? 'never' : `${formatInstant(view.lastInterrupt)} · ${count(view.interrupts)}`;
    case 'vector':
      return view.vector === undefined ? (view.format === 'e1000e' ? 'none: MSI or the line' : 'none') : `MSI-X ${view.vector}`;
  }
}

/** virtio-v1.2 §2.9 */
function doorbellData({ format, doorbellData: data }: RingView): string {
  if (data === undefined) return '';
  return ` · said next ${format === 'packed' ? `${data & 0x7fff}/${data >> 15}` : data}`;
}

function splitFact(view: SplitRingView, name: 'avail.idx' | 'used.idx'): string {
  return name === 'avail.idx'
    ? `${view.availIdx} · fetched ${view.deviceLastAvail} · ${ahead(view.availIdx, view.deviceLastAvail)} waiting`
    : `${view.usedIdx} · reaped ${view.driverLastUsed} · ${ahead(view.usedIdx, view.driverLastUsed)} waiting`;
}

/** Where the parts of the ring lie, and what was negotiated about it. */
export function where(view: RingView): string {
  if (view.format === 'e1000e') return e1000eWhere(view);
  const features = [
    view.format === 'packed' ? 'RING_PACKED' : '',
    view.eventIdx ? 'EVENT_IDX' : 'no EVENT_IDX',
    view.indirect ? 'INDIRECT_DESC' : 'no INDIRECT_DESC',
    view.inOrder ? 'IN_ORDER' : '',
  ].filter((word) => word !== '');
  const parts =
    view.format === 'packed'
      ? packedWhere(view)
      : `desc ${hex(view.descAddr)} · avail ${hex(view.availAddr)} · used ${hex(view.usedAddr)} · flags ${view.availFlags}/${view.usedFlags}`;
  return `${parts} · ${features.join(' · ')}`;
}

/** A column of the panel: the queues of a NIC side by side, receive left of transmit. */
export interface QueueChoice {
  readonly id: string; // 'auto' | 'pair-0' | 'control' | 'all'
  readonly label: string;
  readonly title: string;
  readonly rings: readonly RingInfo[];
}

export function sameNic(
  a: { readonly machine: string; readonly port: string },
  b: { readonly machine: string; readonly port: string },
): boolean {
  return a.machine === b.machine && a.port === b.port;
}

/** What the queue selector of one NIC offers: the busiest queues where there are several pairs, each pair, the control queue, all. */
export function queueChoices(rings: readonly RingInfo[], busiest: readonly number[]): readonly QueueChoice[] {
  const sorted = rings.toSorted((a, b) => a.queue - b.queue);
  const control = sorted.filter((ring) => ring.name === 'control');
  const data = sorted.filter((ring) => ring.name !== 'control');
  const pairs = Math.ceil(data.length / 2);
  const busy = busiest.flatMap((queue) => sorted.filter((ring) => ring.queue === queue));
  const choices: QueueChoice[] = [];
  if (pairs > 1)
    choices.push({
      id: 'auto',
      label: 'Auto',
      title: 'The busiest receive queue and the busiest transmit queue',
      rings: busy.length > 0 ? busy : data.slice(0, 2),
    });
  const few = pairs <= FEW_PAIRS;
  for (let i = 0; i < pairs; i++)
    choices.push({
      id: `pair-${i}`,
      label: few ? `Pair ${i}` : String(i),
      title: `Receive and transmit queue ${i}`,
      rings: data.slice(2 * i, 2 * i + 2),
    });
  if (control.length > 0) choices.push({ id: 'control', label: few ? 'Control' : 'Ctrl', title: 'The control queue', rings: control });
  if (choices.length > 1) choices.push({ id: 'all', label: 'All', title: 'All queues side by side', rings: sorted });
  return choices;
}

/** Up to here the buttons have room for the word. */
const FEW_PAIRS = 2;

/** 'Receive 0', 'Transmit 0', 'Control': what a queue is for; its spec name stands beside it. */
export function queueTitle(ring: RingInfo): string {
  if (ring.name === 'control') return 'Control';
  const [direction, index] = ring.name.split('.');
  return `${direction === 'input' ? 'Receive' : 'Transmit'} ${index ?? ''}`.trim();
}

/** Where an arrow key leads in a ring drawn `columns` wide; undefined for other keys. */
export function cursorAfter(key: string, id: number, size: number, columns: number): number | undefined {
  const wrap = (n: number): number => ((n % size) + size) % size;
  switch (key) {
    case 'ArrowLeft':
      return wrap(id - 1);
    case 'ArrowRight':
      return wrap(id + 1);
    case 'ArrowUp':
      return wrap(id - columns);
    case 'ArrowDown':
      return wrap(id + columns);
    case 'PageUp':
      return Math.max(0, id - 4 * columns);
    case 'PageDown':
      return Math.min(size - 1, id + 4 * columns);
    case 'Home':
      return 0;
    case 'End':
      return size - 1;
    default:
      return undefined;
  }
}
