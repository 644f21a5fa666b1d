// What the packet list shows of a row. Pure.
import type { PacketRow } from '../../../preload/contract.ts';
import { formatInstant } from '../../widgets/units.ts';

/** In the order of the panel's columns. */
export function packetCells(row: PacketRow | undefined): readonly string[] | undefined {
  if (!row) return undefined;
  const info = row.dropped === undefined ? row.info : `✕ ${row.dropped} · ${row.info}`;
  return [
    String(row.index),
    formatInstant(row.time),
    `${row.from} → ${row.to}`,
    row.source,
    row.destination,
    row.protocol,
    `${row.length} B`,
    info,
  ];
}

export function packetClass(row: PacketRow | undefined): string | undefined {
  return row?.dropped === undefined ? undefined : 'packet-is-dropped';
}

export function countText(matching: number, total: number): string {
  const all = `${total.toLocaleString('en')} ${total === 1 ? 'packet' : 'packets'}`;
  return matching === total ? all : `${matching.toLocaleString('en')} of ${all}`;
}
