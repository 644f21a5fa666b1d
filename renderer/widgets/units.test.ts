// What a person types as rate, delay and loss is understood or refused with advice; what is shown reads back to the same value.
import { describe, expect, it } from 'vitest';
import { formatDuration, formatInstant, formatLoss, formatRate, parseDelay, parseLoss, parseRate } from './units.ts';

const value = (parsed: ReturnType<typeof parseRate>): number | string => (parsed.ok ? parsed.value : parsed.reason);

describe('units', () => {
  it('a shown rate, delay or loss typed back means the same', () => {
    for (const rate of [0, 1, 9600, 250e3, 100e6, 2.5e9, 10e9, 400e9]) expect(value(parseRate(formatRate(rate)))).toBe(rate);
    for (const delay of [0, 1, 999, 1000, 25_000, 1_500_000, 2e9]) expect(value(parseDelay(formatDuration(delay)))).toBe(delay);
    for (const loss of [0, 0.001, 0.05, 0.5, 1]) expect(value(parseLoss(formatLoss(loss)))).toBeCloseTo(loss, 9);
  });
  it('a rate is accepted in the spellings of tc and of people', () => {
    expect(['10G', '10gbit', '10 Gbit/s', '10Gbps', '10000 Mbit/s'].map((text) => value(parseRate(text)))).toEqual(Array(5).fill(10e9));
    expect(value(parseRate('Unlimited'))).toBe(0);
  });
  it('a number without a unit is refused, because a guess would be wrong by a factor of a thousand', () => {
    expect(value(parseRate('100'))).toContain('Add a unit');
    expect(value(parseDelay('5'))).toContain('ns, µs, ms or s');
    expect(value(parseLoss('0.5'))).toContain('percentage');
  });
  it('bytes per second, negative and nonsense are refused with what to write instead', () => {
    expect(value(parseRate('10 MB/s'))).toContain('not a unit of rate');
    expect(value(parseRate('-1 Gbit/s'))).toContain('not a rate');
    expect(value(parseDelay('3 parsec'))).toBe('“parsec” is not a unit of time. Use ns, µs (or us), ms or s.');
    expect(value(parseLoss('101 %'))).toContain('100 %');
  });
  it('an instant keeps every nanosecond', () => {
    expect(formatInstant(1_002_003_004)).toBe('1.002 003 004 s');
    expect(formatInstant(0)).toBe('0.000 000 000 s');
  });
});
