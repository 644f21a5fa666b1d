// Rules of the terminal's flow control.
import { expect, test } from 'vitest';
import { AckCounter } from './ack_counter.ts';

test('a flood is acknowledged while it runs, long before the host would pause at 256 Ki', () => {
  const sent: number[] = [];
  const acks = new AckCounter((chars) => sent.push(chars));
  for (let i = 0; i < 100; i++) acks.drawn(4096);
  expect(sent.length).toBeGreaterThan(10);
  expect(Math.max(...sent)).toBeLessThan(65_536);
});
test('every character drawn is acknowledged once', () => {
  const sent: number[] = [];
  const acks = new AckCounter((chars) => sent.push(chars));
  for (const chars of [10, 40_000, 7, 32_768, 1]) acks.drawn(chars);
  acks.flush();
  acks.flush();
  expect(sent.reduce((a, b) => a + b)).toBe(10 + 40_000 + 7 + 32_768 + 1);
});
