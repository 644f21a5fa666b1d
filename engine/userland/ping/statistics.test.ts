// ping's accounting and the text of its times.
import { expect, test } from 'vitest';
import { icmp6Text, icmpText, optionsText, RouteMemory } from './messages.ts';
import { PingStatistics, tripText } from './statistics.ts';

test('a round trip keeps three significant digits above a millisecond', () => {
  expect([47, 999, 1000, 1234, 9994, 9996, 12_345, 99_949, 99_951, 1_004_131].map(tripText)).toEqual([
    '0.047',
    '0.999',
    '1.00',
    '1.23',
    '9.99',
    '10.0',
    '12.3',
    '99.9',
    '100',
    '1004',
  ]);
});

function run(trips: readonly number[], lost: number): PingStatistics {
  const s = new PingStatistics();
  for (const t of trips) {
    s.sent();
    s.nreceived++;
    s.acknowledge(s.ntransmitted);
    s.trip(t);
  }
  for (let i = 0; i < lost; i++) s.sent();
  return s;
}

test('the summary has loss with six digits, and minimum, mean, maximum and deviation of the times', () => {
  const s = run([500, 700, 900], 1);
  expect(s.summary('10.0.0.2', 3_004_400_000, { timing: true, rate: false })).toBe(
    '\n--- 10.0.0.2 ping statistics ---\n4 packets transmitted, 3 received, 25% packet loss, time 3004ms\nrtt min/avg/max/mdev = 0.500/0.700/0.900/0.163 ms\n',
  );
  expect(run([100], 17).summary('x', 0, { timing: true, rate: false })).toContain('94.4444% packet loss');
});

test('errors are counted apart, and answers that overlap show as a pipe', () => {
  const s = new PingStatistics();
  for (let i = 0; i < 4; i++) s.sent();
  for (let seq = 1; seq <= 4; seq++) {
    s.acknowledge(seq);
    s.nerrors++;
  }
  expect(s.summary('h', 3e9, { timing: true, rate: false })).toBe(
    '\n--- h ping statistics ---\n4 packets transmitted, 0 received, +4 errors, 100% packet loss, time 3000ms\npipe 4\n',
  );
  expect(s.inFlight).toBe(0);
});

test('sequence numbers wrap at 65536 without losing count of what is in flight', () => {
  const s = new PingStatistics();
  for (let i = 0; i < 70_000; i++) {
    s.sent();
    s.acknowledge(s.ntransmitted & 0xffff);
  }
  expect(s.inFlight).toBe(0);
  s.sent();
  expect(s.inFlight).toBe(1);
});

test('ICMP errors are told in ping words', () => {
  expect(icmpText(3, 1, 0)).toBe('Destination Host Unreachable');
  expect(icmpText(3, 4, 1280)).toBe('Frag needed and DF set (mtu = 1280)');
  expect(icmpText(11, 0, 0)).toBe('Time to live exceeded');
  expect(icmp6Text(1, 3, 0)).toBe('Destination unreachable: Address unreachable');
  expect(icmp6Text(2, 0, 1280)).toBe('Packet too big: mtu=1280');
});

test('a recorded route is listed once and then called the same', () => {
  const rr = Uint8Array.of(7, 39, 12, 10, 0, 0, 1, 10, 0, 0, 2, ...new Array<number>(28).fill(0), 0);
  const memory = new RouteMemory();
  expect(optionsText(rr, memory, false)).toBe('\nRR: \t10.0.0.1\n\t10.0.0.2\n');
  expect(optionsText(rr, memory, false)).toBe('\t(same route)');
});

test('options that lie about their length are left alone', () => {
  expect(optionsText(Uint8Array.of(7, 0, 4, 0), new RouteMemory(), false)).toBe('');
  expect(optionsText(Uint8Array.of(68, 40, 5, 0), new RouteMemory(), false)).toBe('');
});
