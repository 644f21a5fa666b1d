// Rules of how quantities are written and read.
import { describe, expect, test } from 'vitest';
import { formatBitRate, formatDuration, formatInstant, formatSpeed, parseBitRate, parseDuration, parseLoss } from './units.ts';

describe('units', () => {
  test('a duration has three significant digits and its unit', () => {
    expect([0, 850, 12_345, 4_560_000, 1_200_000_000].map(formatDuration)).toEqual(['0 ns', '850 ns', '12.3 µs', '4.56 ms', '1.20 s']);
  });
  test('an instant keeps every nanosecond', () => {
    expect(formatInstant(12_345_678_901)).toBe('12.345 678 901 s');
  });
  test('a rate of zero is an unlimited cable', () => {
    expect([0, 1e10, 1e8].map(formatBitRate)).toEqual(['unlimited', '10.0 Gbit/s', '100 Mbit/s']);
  });
  test('speed is a ratio of simulated to wall time', () => {
    expect([0, 1, 0.001, 20].map(formatSpeed)).toEqual(['max', '1:1', '1:1000', '20:1']);
  });
  test('a time without a unit or with a wrong one is refused and says what is wanted', () => {
    expect(parseDuration('1.5ms')).toEqual({ ok: true, value: 1_500_000 });
    expect(parseDuration('15')).toEqual({ ok: false, error: "'15' has no unit; give a time such as 500 ns, 20 µs, 1.5 ms or 2 s" });
    expect(parseDuration('3 parsec')).toEqual({ ok: false, error: "'parsec' is not a unit here; give a time such as 500 ns, 20 µs, 1.5 ms or 2 s" });
  });
  test('rates and losses are read in the forms they are shown', () => {
    expect(parseBitRate('10.0 Gbit/s')).toEqual({ ok: true, value: 1e10 });
    expect(parseBitRate('unlimited')).toEqual({ ok: true, value: 0 });
    expect(parseLoss('0.5 %')).toEqual({ ok: true, value: 0.005 });
    expect(parseLoss('140 %').ok).toBe(false);
  });
});
