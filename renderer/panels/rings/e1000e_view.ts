// What a person is told about a ring of an 82574L: head and tail, the driver's own positions, DD of a descriptor. Pure.
import type { E1000eRingView } from '../../../preload/contract.ts';
import { hex } from '../../widgets/units.ts';
import type { FactName, Marker, SlotWindow } from './rings_view.ts';

const RX_STATUS: readonly (readonly [number, string])[] = [
  [0x1, 'DD'],
  [0x2, 'EOP'],
  [0x4, 'IXSM'],
  [0x8, 'VP'],
  [0x10, 'UDPCS'],
  [0x20, 'TCPCS'],
  [0x40, 'IPCS'],
];
const RX_ERRORS: readonly (readonly [number, string])[] = [
  [0x20000000, 'TCPE'],
  [0x40000000, 'IPE'],
  [0x80000000, 'RXE'],
];
const TX_COMMAND: readonly (readonly [number, string])[] = [
  [0x1, 'DD'],
  [0x01000000, 'EOP'],
  [0x04000000, 'TSE'],
  [0x08000000, 'RS'],
  [0x40000000, 'VLE'],
  [0x80000000, 'IDE'],
];
const KINDS = ['', 'written', 'legacy', 'context', 'data'];

const isReceive = (view: { readonly name: string }): boolean => view.name.startsWith('input');

/** 82574L datasheet §7.1.5.2 and §7.2.12; what every descriptor has (IFCS, DEXT) is left to the opened one. */
export function e1000eFlagNames(view: { readonly name: string }, flags: number): string {
  const names = isReceive(view) ? [...RX_STATUS, ...RX_ERRORS] : TX_COMMAND;
  return names.flatMap(([bit, name]) => ((flags & bit) !== 0 ? [name] : [])).join(' ');
}

export const e1000eKind = (kind: number): string => KINDS[kind] ?? '';

const span = (from: number, to: number, size: number): SlotWindow => ({ from, count: size === 0 ? 0 : (to - from + size) % size });

/** Descriptors the driver gave and the device has not come to. */
export const e1000eGiven = (view: E1000eRingView): SlotWindow => span(view.head, view.tail, view.size);
/** Descriptors the device has passed and the driver has not taken up. */
export const e1000eDone = (view: E1000eRingView): SlotWindow => span(view.nextToClean, view.head, view.size);

export function e1000eMarkers(view: E1000eRingView): readonly Marker[] {
  const [head, tail] = isReceive(view) ? ['RDH', 'RDT'] : ['TDH', 'TDT'];
  return [
    {
      track: 'avail',
      kind: 'producer',
      slot: view.tail,
      label: tail,
      note: 'Tail: the driver gives all descriptors before it. 82574L §7.1.9',
    },
    { track: 'avail', kind: 'consumer', slot: view.head, label: head, note: 'Head: the descriptor the device is at. 82574L §7.1.9' },
    {
      track: 'used',
      kind: 'producer',
      slot: view.nextToUse,
      label: 'next_to_use',
      note: 'The driver’s own: the descriptor it fills next. Linux: struct e1000_ring',
    },
    {
      track: 'used',
      kind: 'consumer',
      slot: view.nextToClean,
      label: 'next_to_clean',
      note: 'The driver’s own: the descriptor it takes up next, once DD is set. Linux: struct e1000_ring',
    },
  ];
}

export function e1000eFact(view: E1000eRingView, name: Extract<FactName, 'head' | 'tail'>): string {
  return name === 'tail'
    ? `${view.tail} · next_to_use ${view.nextToUse} · ${e1000eGiven(view).count} with the device`
    : `${view.head} · next_to_clean ${view.nextToClean} · ${e1000eDone(view).count} to take up`;
}

export function e1000eSlot(view: E1000eRingView, track: Marker['track'], slot: number): string {
  const window = track === 'avail' ? e1000eGiven(view) : e1000eDone(view);
  const inside = (slot - window.from + view.size) % view.size < window.count;
  const words = track === 'avail' ? ['given to the device', 'not the device’s'] : ['done, not taken up', 'taken up or not done'];
  return `descriptor ${slot}, ${inside ? words[0] : words[1]}`;
}

export const e1000eWhere = (view: E1000eRingView): string =>
  `ring ${hex(view.descAddr)}, ${view.size * 16} bytes · ${isReceive(view) ? 'extended descriptors, written back over what the driver wrote' : 'context and data descriptors'}`;
