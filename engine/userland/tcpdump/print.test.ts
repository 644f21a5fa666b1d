// What tcpdump prints of given bytes.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseIpv6 } from '../../wire/addresses.ts';
import { Clock, printPacket } from './print_link.ts';
import { Printer, type PrintOptions } from './printer.ts';
import { fileHeader, LINKTYPE, readSavefile, record } from './savefile.ts';

const PLAIN: PrintOptions = {
  link: false,
  numeric: true,
  quiet: 0,
  verbose: 0,
  absolute: false,
  noChecksums: false,
  dump: 'none',
  dumpLink: false,
  time: 1,
  numbers: false,
};
const NAMES = { hostOf: (a: Uint8Array) => (a.length === 4 && a[0] === 127 ? 'localhost' : undefined) };

const packet = (bytes: readonly number[], seconds = 0, micros = 0) => ({
  seconds,
  micros,
  length: bytes.length,
  bytes: Uint8Array.from(bytes),
});
const ether = (type: number, payload: readonly number[]): number[] => [
  2,
  0,
  0,
  0,
  0,
  2,
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
const u32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const ip = (protocol: number, payload: readonly number[], [from, to]: readonly [number, number] = [1, 2]): number[] =>
  ether(0x800, [
    0x45,
    0,
    (20 + payload.length) >> 8,
    (20 + payload.length) & 255,
    0,
    1,
    0x40,
    0,
    64,
    protocol,
    0,
    0,
    10,
    0,
    0,
    from,
    10,
    0,
    0,
    to,
    ...payload,
  ]);
const tcp = (from: number, to: number, seq: number, ack: number, flags: number, options: readonly number[] = [], data = 0): number[] =>
  ip(
    6,
    [
      from >> 8,
      from & 255,
      to >> 8,
      to & 255,
      ...u32(seq),
      ...u32(ack),
      (5 + options.length / 4) << 4,
      flags,
      1,
      0,
      0,
      0,
      0,
      0,
      ...options,
      ...new Array<number>(data).fill(0),
    ],
    from > to ? [1, 2] : [2, 1],
  );

function show(
  bytes: readonly number[],
  options: Partial<PrintOptions> = {},
  printer = new Printer({ ...PLAIN, ...options }, NAMES),
): string {
  return printPacket(printer, new Clock(), packet(bytes), LINKTYPE.ETHERNET, () => '?');
}

test('sequence numbers of a connection count from its first packets, unless -S', () => {
  const talk = [
    tcp(4000, 80, 4_294_967_290, 0, 0x02, [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]),
    tcp(80, 4000, 500, 4_294_967_291, 0x12),
    tcp(4000, 80, 4_294_967_291, 501, 0x18, [], 10),
    tcp(80, 4000, 501, 5, 0x10, [1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12]),
  ];
  const relative = new Printer(PLAIN, NAMES);
  expect(talk.map((b) => show(b, {}, relative)).join('')).toBe(
    'IP 10.0.0.1.4000 > 10.0.0.2.80: Flags [S], seq 4294967290, win 256, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n' +
      'IP 10.0.0.2.80 > 10.0.0.1.4000: Flags [S.], seq 500, ack 4294967291, win 256, length 0\n' +
      'IP 10.0.0.1.4000 > 10.0.0.2.80: Flags [P.], seq 1:11, ack 1, win 256, length 10\n' +
      'IP 10.0.0.2.80 > 10.0.0.1.4000: Flags [.], ack 11, win 256, options [nop,nop,sack 1 {9:12}], length 0\n',
  );
  expect(show(talk[2], { absolute: true })).toContain('seq 4294967291:5, ack 501,');
  expect(show(talk[2], { quiet: 1 })).toBe('IP 10.0.0.1.4000 > 10.0.0.2.80: tcp 10\n');
});

test('-v tells right checksums from wrong ones', () => {
  const datagram = ip(17, [0, 7, 0, 9, 0, 10, 0x12, 0x34, 1, 2]);
  const wrong = show(datagram, { verbose: 1 });
  const [, right = ''] = /bad udp cksum 0x1234 -> 0x([0-9a-f]{4})!/.exec(wrong) ?? [];
  const [, header = ''] = /bad cksum 0 \(->([0-9a-f]+)\)!/.exec(wrong) ?? [];
  const fixed = [...datagram];
  fixed.splice(40, 2, Number.parseInt(right.slice(0, 2), 16), Number.parseInt(right.slice(2), 16));
  fixed.splice(24, 2, Number.parseInt(header, 16) >> 8, Number.parseInt(header, 16) & 255);
  expect(show(fixed, { verbose: 1 })).toBe(
    'IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 30)\n    10.0.0.1.7 > 10.0.0.2.9: [udp sum ok] UDP, length 2\n',
  );
  expect(show(fixed)).toBe('IP 10.0.0.1.7 > 10.0.0.2.9: UDP, length 2\n');
});

test('a tag stands between the addresses and the packet', () => {
  const tagged = ether(0x8100, [0x60, 100, ...ip(17, [0, 53, 0x13, 0x88, 0, 8, 0, 0]).slice(12)]);
  expect(show(tagged, { link: true })).toBe(
    '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 46: vlan 100, p 3, ethertype IPv4 (0x0800), 10.0.0.1.53 > 10.0.0.2.5000: UDP, length 0\n',
  );
  expect(show(tagged)).toBe('IP 10.0.0.1.53 > 10.0.0.2.5000: UDP, length 0\n');
});

test('without -n ports, hosts and cards have names', () => {
  const query = ip(17, [0x13, 0x88, 0, 53, 0, 8, 0, 0]);
  query.splice(26, 4, 127, 0, 0, 1);
  expect(show(query, { numeric: false, link: true })).toBe(
    '02:00:00:00:00:01 (oui Unknown) > 02:00:00:00:00:02 (oui Unknown), ethertype IPv4 (0x0800), length 42: localhost.5000 > 10.0.0.2.domain: UDP, length 0\n',
  );
});

test('errors show what they are about', () => {
  const inner = ip(17, [0x13, 0x88, 0, 53, 0, 8, 0, 0]).slice(14);
  const error = ip(1, [3, 3, 0, 0, 0, 0, 0, 0, ...inner], [2, 1]);
  expect(show(error)).toBe('IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 53 unreachable, length 36\n');
  expect(show(error, { verbose: 1, noChecksums: true })).toMatch(
    /unreachable, length 36\n\tIP \(tos 0x0, [^\n]*proto UDP \(17\), length 28\)\n {4}10\.0\.0\.1\.5000 > 10\.0\.0\.2\.53: UDP, length 0\n$/,
  );
  expect(show(ip(1, [3, 4, 0, 0, 0, 0, 5, 0x78, ...inner]))).toContain('ICMP 10.0.0.2 unreachable - need to frag (mtu 1400), length');
  expect(show(ip(1, [11, 0, 0, 0, 0, 0, 0, 0, ...inner]))).toContain('ICMP time exceeded in-transit, length');
});

test('a router advertisement unfolds with -v', () => {
  const prefix = [3, 4, 64, 0xc0, ...u32(86_400), ...u32(14_400), 0, 0, 0, 0, ...(parseIpv6('2001:db8::') ?? [])];
  const body = [134, 0, 0, 0, 64, 0x40, 7, 8, ...u32(0), ...u32(0), 1, 1, 2, 0, 0, 0, 0, 1, 5, 1, 0, 0, ...u32(1500), ...prefix];
  const bytes = ether(0x86dd, [
    0x60,
    0,
    0,
    0,
    0,
    body.length,
    58,
    255,
    ...(parseIpv6('fe80::1') ?? []),
    ...(parseIpv6('ff02::1') ?? []),
    ...body,
  ]);
  expect(show(bytes)).toBe(`IP6 fe80::1 > ff02::1: ICMP6, router advertisement, length ${body.length}\n`);
  expect(show(bytes, { verbose: 1, noChecksums: true })).toBe(
    `IP6 (hlim 255, next-header ICMPv6 (58) payload length: ${body.length}) fe80::1 > ff02::1: ICMP6, router advertisement, length ${body.length}\n` +
      '\thop limit 64, Flags [other stateful], pref medium, router lifetime 1800s, reachable time 0ms, retrans timer 0ms\n' +
      '\t  source link-address option (1), length 8 (1): 02:00:00:00:00:01\n\t  mtu option (5), length 8 (1):  1500\n' +
      '\t  prefix info option (3), length 32 (4): 2001:db8::/64, Flags [onlink, auto], valid time 86400s, pref. time 14400s\n',
  );
});

test('dumps leave the link header out, doubled they do not', () => {
  const bytes = ether(0x800, [0x45, 0, 0, 20, 0, 0, 0, 0, 1, 99, 0, 0, 65, 66, 67, 68, 1, 2, 3, 4]);
  expect(show(bytes, { dump: 'both' })).toBe(
    'IP 65.66.67.68 > 1.2.3.4:  ip-proto-99 0\n\t0x0000:  4500 0014 0000 0000 0163 0000 4142 4344  E........c..ABCD\n\t0x0010:  0102 0304                                ....\n',
  );
  expect(show(bytes, { dump: 'hex', dumpLink: true })).toContain('\n\t0x0000:  0200 0000 0002 0200 0000 0001 0800 4500\n\t0x0010:  0014');
});

test.each([
  [0, '10:00:00.000001 ', '10:00:01.000000 '],
  [1, '', ''],
  [2, '36000.000001 ', '36001.000000 '],
  [3, ' 00:00:00.000000 ', ' 00:00:00.999999 '],
  [4, '1970-01-01 10:00:00.000001 ', '1970-01-01 10:00:01.000000 '],
])('-t given %i times', (style, first, second) => {
  const clock = new Clock();
  expect([clock.stamp(packet([], 36_000, 1), style), clock.stamp(packet([], 36_001, 0), style)]).toEqual([first, second]);
});

test('a cut packet says where it was cut', () => {
  const whole = ip(1, [8, 0, 0, 0, 0, 1, 0, 1]);
  expect(
    printPacket(
      new Printer(PLAIN, NAMES),
      new Clock(),
      { ...packet(whole.slice(0, 36)), length: whole.length },
      LINKTYPE.ETHERNET,
      () => '',
    ),
  ).toBe('IP 10.0.0.1 > 10.0.0.2:  [|icmp]\n');
});

const anyOptions = fc.record({
  verbose: fc.nat(3),
  quiet: fc.nat(2),
  link: fc.boolean(),
  numeric: fc.boolean(),
  dump: fc.constantFrom('none' as const, 'ascii' as const, 'hex' as const, 'both' as const),
});
const SEEDS = [
  ip(1, [3, 3, 0, 0, 0, 0, 0, 0]),
  tcp(1, 2, 3, 4, 0x12, [5, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
  ether(0x86dd, [0x60, 0, 0, 0, 0, 40, 0, 1]),
  ether(0x806, [0, 1]),
  ip(2, [0x22, 0, 0, 0, 0, 0, 0, 9]),
];

test('no bytes make a printer throw or a file reader fail to answer', () => {
  fc.assert(
    fc.property(
      fc.constantFrom([], ...SEEDS),
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
      anyOptions,
      (seed, tail, edits, options) => {
        const bytes = [...seed, ...tail];
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        for (const type of [LINKTYPE.ETHERNET, LINKTYPE.LINUX_SLL2]) {
          const text = printPacket(new Printer({ ...PLAIN, ...options }, NAMES), new Clock(), packet(bytes), type, () => 'x');
          if (!text.endsWith('\n')) return false;
        }
        const file = [...fileHeader(LINKTYPE.ETHERNET, 100), ...record(packet(bytes)), ...tail];
        for (const [at, value] of edits) file[at] = value;
        const read = readSavefile(Uint8Array.from(file));
        return typeof read === 'string' || read.packets.length >= 0;
      },
    ),
    { numRuns: 3000 },
  );
});
