// Columns of `ip -s link`.
import { expect, test } from 'vitest';
import { zeroLinkStats } from '../../kernel/net_device.ts';
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import { humanNumber, statsText } from './link_stats.ts';

const link = (stats: Partial<LinkInfo['stats']>): LinkInfo =>
  ({ stats: { ...zeroLinkStats(), ...stats }, carrier_up_count: 1, carrier_down_count: 2 }) as LinkInfo;
const plain = { detailed: false, human: false, iec: false, eol: '\n' };

test('titles stand over their values, and a wide value widens its column in every row', () => {
  const text = statsText(link({ rx_bytes: 123_456_789_012, tx_packets: 5 }), plain).split('\n');
  expect(text).toEqual([
    '    RX:    bytes packets errors dropped  missed   mcast           ',
    '    123456789012       0      0       0       0       0 ',
    '    TX:    bytes packets errors dropped carrier collsns           ',
    '               0       5      0       0       0       0 ',
  ]);
});

test('details add the kinds of errors and the carrier changes', () => {
  const text = statsText(link({ rx_crc_errors: 7 }), { ...plain, detailed: true }).split('\n');
  expect(text[2]).toBe('    RX errors:  length    crc   frame    fifo overrun');
  expect(text[3]).toBe('                     0      7       0       0       0 ');
  expect(text[6]).toBe('    TX errors: aborted   fifo  window heartbt transns');
  expect(text[7]).toBe('                     0      0       0       0       3 ');
});

test('human numbers have a prefix of the base asked for', () => {
  expect([
    humanNumber(999, false),
    humanNumber(1652, false),
    humanNumber(1652, true),
    humanNumber(99_328, false),
    humanNumber(5_000_000_000, true),
  ]).toEqual(['999', '1.65k', '1.61ki', '99.3k', '4.66Gi']);
});
