// Rules of the packet list's rows.
import { expect, test } from 'vitest';
import type { PacketRow } from '../../../preload/contract.ts';
import { countText, packetCells, packetClass } from './packets_view.ts';

const row: PacketRow = {
  index: 7,
  time: 1_000_002_003,
  cable: 'h1:nic0--h2:nic0',
  from: 'h1:nic0',
  to: 'h2:nic0',
  source: '10.0.0.1',
  destination: '10.0.0.2',
  protocol: 'ICMP',
  length: 98,
  info: 'Echo (ping) request',
  dropped: undefined,
};

test('a row shows where it was on the wire, and its length with a unit', () => {
  expect(packetCells(row)).toEqual([
    '7',
    '1.000 002 003 s',
    'h1:nic0 → h2:nic0',
    '10.0.0.1',
    '10.0.0.2',
    'ICMP',
    '98 B',
    'Echo (ping) request',
  ]);
});
test('a dropped packet says why, in words and not by colour alone', () => {
  const dropped = { ...row, dropped: 'cable loss' };
  expect(packetCells(dropped)?.at(-1)).toBe('✕ cable loss · Echo (ping) request');
  expect([packetClass(row), packetClass(dropped)]).toEqual([undefined, 'packet-is-dropped']);
});
test('a row on its way has no cells', () => expect(packetCells(undefined)).toBe(undefined));
test('the count names both numbers only while a filter holds', () => {
  expect([countText(1, 1), countText(3, 1_200)]).toEqual(['1 packet', '3 of 1,200 packets']);
});
