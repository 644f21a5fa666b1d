// Rules of "Run until…".
import { expect, test } from 'vitest';
import { readUntil } from './run_until_view.ts';

test('a time is absolute, or from now with a plus', () => {
  expect(readUntil('time', '2 s', 1e9)).toEqual({ ok: true, value: { time: 2e9 } });
  expect(readUntil('time', '+20 ms', 1e9)).toEqual({ ok: true, value: { time: 1.02e9 } });
});
test('a time already past is refused with what to do instead', () => {
  const until = readUntil('time', '1 s', 2e9);
  expect(!until.ok && until.reason).toContain('not later than now (2.000 000 000 s)');
});
test('tracepoints and functions are names, not text', () => {
  expect(readUntil('tracepoint', 'net:net_dev_xmit', 0)).toEqual({ ok: true, value: { tracepoint: 'net:net_dev_xmit' } });
  expect(readUntil('tracepoint', 'xmit', 0).ok).toBe(false);
  expect(readUntil('function', 'virtnet_poll', 0)).toEqual({ ok: true, value: { function: 'virtnet_poll' } });
  expect(readUntil('function', 'a b', 0).ok).toBe(false);
});
