// Filters compiled and run over hand-made packets.
import { describe, expect, test } from 'vitest';
import { bpf_prog_run } from '../../kernel/bpf.ts';
import { parseIpv6 } from '../../wire/addresses.ts';
import { COOKED_LIVE, ETHERNET } from './filter_code.ts';
import { FilterError } from './filter_lexer.ts';
import { compileFilter } from './filter_parser.ts';

const NAMES = { addresses: (name: string) => (name === 'router' ? [Uint8Array.of(10, 0, 0, 1)] : []) };

const ether = (type: number, payload: readonly number[], to = [2, 0, 0, 0, 0, 2]): number[] => [
  ...to,
  2,
  0,
  0,
  0,
  0,
  1,
  type >> 8,
  type & 255,
  ...payload,
];
const ip = (
  protocol: number,
  payload: readonly number[],
  { from = [10, 0, 0, 1], to = [10, 0, 0, 2], fragment = 0, options = 0 } = {},
): number[] =>
  ether(0x800, [
    0x45 + options,
    0,
    0,
    20 + 4 * options + payload.length,
    0,
    1,
    fragment >> 8,
    fragment & 255,
    64,
    protocol,
    0,
    0,
    ...from,
    ...to,
    ...new Array<number>(4 * options).fill(1),
    ...payload,
  ]);
const ip6 = (next: number, payload: readonly number[]): number[] =>
  ether(
    0x86dd,
    [0x60, 0, 0, 0, 0, payload.length, next, 64, ...(parseIpv6('2001:db8::1') ?? []), ...(parseIpv6('ff02::1') ?? []), ...payload],
    [0x33, 0x33, 0, 0, 0, 1],
  );
const ports = (from: number, to: number, rest: readonly number[] = []): number[] => [from >> 8, from & 255, to >> 8, to & 255, ...rest];
const tcpFlags = (flags: number): number[] => ports(1234, 80, [0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);

const PACKETS = {
  echo: ip(1, [8, 0, 0, 0, 0, 1, 0, 1]),
  reply: ip(1, [0, 0, 0, 0, 0, 1, 0, 1], { from: [10, 0, 0, 2], to: [10, 0, 0, 1] }),
  dns: ip(17, ports(40000, 53, [0, 8, 0, 0])),
  options: ip(17, ports(53, 40000, [0, 8, 0, 0]), { options: 3, from: [192, 168, 7, 9] }),
  fragment: ip(17, ports(53, 53, [0, 8, 0, 0]), { fragment: 185 }),
  syn: ip(6, tcpFlags(0x02)),
  synack: ip(6, tcpFlags(0x12)),
  arp: ether(0x806, [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2], [255, 255, 255, 255, 255, 255]),
  ns: ip6(58, [135, 0, 0, 0, 0, 0, 0, 0]),
  dns6: ip6(17, ports(5000, 53, [0, 8, 0, 0])),
  tagged: ether(0x8100, [0x20, 5, ...ip(17, ports(1, 2, [0, 8, 0, 0])).slice(12)]),
} as const;
const IPV4 = 'echo reply dns options fragment syn synack';

function matches(expression: string): string {
  const program = compileFilter(expression, ETHERNET, 262_144, NAMES);
  return Object.entries(PACKETS)
    .filter(
      ([, bytes]) =>
        bpf_prog_run(program, { bytes: Uint8Array.from(bytes), length: bytes.length, protocol: 0, pkttype: 0, ifindex: 0 }) !== 0,
    )
    .map(([name]) => name)
    .join(' ');
}

describe('an expression takes exactly its packets:', () => {
  test.each([
    ['', Object.keys(PACKETS).join(' ')],
    ['ip', IPV4],
    ['arp', 'arp'],
    ['icmp or arp', 'echo reply arp'],
    ['icmp6', 'ns'],
    ['udp', 'dns options fragment dns6'],
    ['udp and not ip6', 'dns options fragment'],
    ['host 10.0.0.1', 'echo reply dns fragment syn synack arp'],
    ['src host 10.0.0.1', 'echo dns fragment syn synack arp'],
    ['src 10.0.0.2 or dst 10.0.0.2', 'echo reply dns options fragment syn synack arp'],
    ['src or dst 192.168.7.9', 'options'],
    ['ip host router and icmp', 'echo reply'],
    ['arp host 10.0.0.2', 'arp'],
    ['host 192.168.7.9 or 10.0.0.99', 'options'],
    ['net 192.168.0.0/16', 'options'],
    ['net 192.168', 'options'],
    ['net 192.168.7.0 mask 255.255.255.0', 'options'],
    ['ip6 net 2001:db8::/32', 'ns dns6'],
    ['host ff02::1', 'ns dns6'],
    ['port 53', 'dns options dns6'],
    ['src port 53', 'options'],
    ['port domain', 'dns options dns6'],
    ['tcp port 80', 'syn synack'],
    ['udp port 80', ''],
    ['port (53 or 80)', 'dns options syn synack dns6'],
    ['port 80 or 53', 'dns options syn synack dns6'],
    ['portrange 50-60', 'dns options dns6'],
    ['ether host 02:00:00:00:00:02', `${IPV4} tagged`],
    ['ether dst 33:33:00:00:00:01', 'ns dns6'],
    ['broadcast', 'arp'],
    ['multicast', 'arp ns dns6'],
    ['ip6 multicast', 'ns dns6'],
    ['ip proto 17', 'dns options fragment'],
    [String.raw`ip proto \icmp`, 'echo reply'],
    ['ether proto 0x806', 'arp'],
    ['proto 58', 'ns'],
    ['vlan', 'tagged'],
    ['vlan 5 and udp', 'tagged'],
    ['vlan 6', ''],
    ['icmp[icmptype] == icmp-echo', 'echo'],
    ['icmp[0] != 8', 'reply'],
    ['tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn', 'syn'],
    ['tcp[13] = 0x12', 'synack'],
    ['ip[0] & 0xf > 5', 'options'],
    ['udp[2:2] = 53', 'dns'],
    ['icmp6[0] == 135', 'ns'],
    ['ether[0] & 1 = 1 and not arp', 'ns dns6'],
    ['(ip[2:2] - 20) * 2 == 16 && udp', 'dns fragment'],
    ['len > 60', 'ns dns6'],
    [
      'less 42',
      'dns fragment tagged echo reply arp'
        .split(' ')
        .filter((n) => PACKETS[n as keyof typeof PACKETS].length <= 42)
        .sort((a, b) => Object.keys(PACKETS).indexOf(a) - Object.keys(PACKETS).indexOf(b))
        .join(' '),
    ],
    ['not (ip or ip6 or arp)', 'tagged'],
    ['!ip && !ip6 && !vlan', 'arp'],
  ])('%s', (expression, want) => {
    expect(matches(expression)).toBe(want);
  });
});

test.each([
  ['tcp port', "can't parse filter expression: syntax error"],
  ['10.0.0.1', "can't parse filter expression: syntax error"],
  ['host', "can't parse filter expression: syntax error"],
  ['ip and', "can't parse filter expression: syntax error"],
  ['(ip', "can't parse filter expression: syntax error"],
  ['host nosuch', "unknown host 'nosuch'"],
  ['port nosuch', "unknown port 'nosuch'"],
  ['port 70000', 'illegal port number 70000 > 65535'],
  ['net 10.0.0.1/8', 'non-network bits set in "10.0.0.1/8"'],
  ['tcp host 10.0.0.1', "'tcp' modifier applied to host"],
  ['ip[0:3] = 1', 'data size must be 1, 2, or 4'],
])('%s is refused', (expression, message) => {
  expect(() => matches(expression)).toThrow(new FilterError(message));
});

test('a packet too short for what is asked is not taken', () => {
  const program = compileFilter('not tcp[100] = 0 or ip[500] >= 0', ETHERNET, 100, NAMES);
  expect(bpf_prog_run(program, { bytes: Uint8Array.from(PACKETS.syn), length: 54, protocol: 0, pkttype: 0, ifindex: 0 })).toBe(0);
});

test('without a link header the socket says the protocol', () => {
  const program = compileFilter('icmp', COOKED_LIVE, 100, NAMES);
  const packet = { bytes: Uint8Array.from(PACKETS.echo.slice(14)), length: 28, pkttype: 0, ifindex: 1 };
  expect(bpf_prog_run(program, { ...packet, protocol: 0x800 })).toBe(100);
  expect(bpf_prog_run(program, { ...packet, protocol: 0x806 })).toBe(0);
});

test('no words and no bytes make it throw anything but a refusal', () => {
  const words =
    'ip ip6 arp tcp udp icmp icmp6 ether host net port portrange proto src dst and or not vlan less greater len ( ) [ ] : = > < & | + - * / 1 10 0x1f 10.0.0.1 fe80::1 2:0:0:0:0:1 1-2 broadcast multicast mask \\tcp tcpflags'.split(
      ' ',
    );
  let seed = 1;
  const next = (n: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % n;
  let compiled = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + next(7) }, () => words[next(words.length)]).join(' ');
    try {
      const program = compileFilter(text, ETHERNET, 64, NAMES);
      compiled++;
      bpf_prog_run(program, {
        bytes: Uint8Array.from({ length: next(80) }, () => next(256)),
        length: 80,
        protocol: 0,
        pkttype: 0,
        ifindex: 0,
      });
    } catch (e) {
      if (!(e instanceof FilterError)) throw new Error(text, { cause: e });
    }
  }
  expect(compiled).toBeGreaterThan(500);
});
