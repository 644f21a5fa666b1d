// Decode and pcapng: the words of a packet list held against tshark, the tree against the layouts, and no bytes make them throw.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteMem } from '../base/memory.ts';
import { frame, mac, payload } from '../testkit/frames.ts';
import { parseIpv4, parseIpv6 } from './addresses.ts';
import { csumBytes, csumFold, pseudoHeaderSum6 } from './checksum.ts';
import { decodeFrame } from './decode.ts';
import type { DecodeNode } from './decode_tree.ts';
import { ArpHdr, ETH_P, EthHdr, IcmpHdr, IpHdr, IPPROTO, Ipv6Hdr } from './headers.ts';
import { enhancedPacket, interfaceDescription, sectionHeader } from './pcapng.ts';

const ip4 = (text: string): number => parseIpv4(text) ?? 0;
const eth = (type: number, rest: readonly number[], dmac = mac(0x0b)): Uint8Array =>
  Uint8Array.of(...dmac, ...mac(0x0a), type >> 8, type & 0xff, ...rest);
const be = (n: number, size: number): number[] => Array.from({ length: size }, (_, i) => Math.floor(n / 2 ** (8 * (size - 1 - i))) & 0xff);

function arp(op: number, sip: string, tip: string): Uint8Array {
  const m = new ByteMem(new Uint8Array(60));
  m.bytes.set(op === 1 ? [255, 255, 255, 255, 255, 255] : mac(0x0b));
  m.bytes.set(mac(0x0a), EthHdr.h_source.offset);
  EthHdr.h_proto.set(m, 0, ETH_P.ARP);
  for (const [f, v] of [
    [ArpHdr.ar_hrd, 1],
    [ArpHdr.ar_pro, 0x800],
    [ArpHdr.ar_hln, 6],
    [ArpHdr.ar_pln, 4],
    [ArpHdr.ar_op, op],
    [ArpHdr.ar_sip, ip4(sip)],
    [ArpHdr.ar_tip, ip4(tip)],
  ] as const)
    f.set(m, 14, v);
  m.bytes.set(mac(0x0a), 14 + ArpHdr.ar_sha.offset);
  return m.bytes;
}
function ipv4(protocol: number, data: Uint8Array, fragOff = 0): Uint8Array {
  const m = new ByteMem(new Uint8Array(34 + data.length));
  m.bytes.set(eth(ETH_P.IP, []));
  IpHdr.version_ihl.set(m, 14, 0x45);
  IpHdr.tot_len.set(m, 14, 20 + data.length);
  IpHdr.id.set(m, 14, 0x1234);
  IpHdr.frag_off.set(m, 14, fragOff);
  IpHdr.ttl.set(m, 14, 64);
  IpHdr.protocol.set(m, 14, protocol);
  IpHdr.saddr.set(m, 14, ip4('10.0.0.1'));
  IpHdr.daddr.set(m, 14, ip4('10.0.0.2'));
  IpHdr.check.set(m, 14, csumFold(csumBytes(m.bytes, 14, 20)));
  m.bytes.set(data, 34);
  return m.bytes;
}
function icmp(type: number, code: number, id: number, sequence: number, data: Uint8Array): Uint8Array {
  const m = new ByteMem(new Uint8Array(8 + data.length));
  for (const [f, v] of [
    [IcmpHdr.type, type],
    [IcmpHdr.code, code],
    [IcmpHdr.id, id],
    [IcmpHdr.sequence, sequence],
  ] as const)
    f.set(m, 0, v);
  m.bytes.set(data, 8);
  IcmpHdr.checksum.set(m, 0, csumFold(csumBytes(m.bytes, 0, m.bytes.length)));
  return ipv4(IPPROTO.ICMP, m.bytes);
}
function icmp6(body: readonly number[], hop = false): Uint8Array {
  const ext = hop ? [IPPROTO.ICMPV6, 0, 5, 2, 0, 0, 1, 0] : [];
  const m = new ByteMem(new Uint8Array(54 + ext.length + body.length));
  m.bytes.set(eth(ETH_P.IPV6, []));
  Ipv6Hdr.vtc_flow.set(m, 14, 0x60000000);
  Ipv6Hdr.payload_len.set(m, 14, ext.length + body.length);
  Ipv6Hdr.nexthdr.set(m, 14, hop ? 0 : IPPROTO.ICMPV6);
  Ipv6Hdr.hop_limit.set(m, 14, 255);
  m.bytes.set(parseIpv6('fe80::a') ?? [], 14 + Ipv6Hdr.saddr.offset);
  m.bytes.set(parseIpv6('ff02::1:ff00:b') ?? [], 14 + Ipv6Hdr.daddr.offset);
  m.bytes.set([...ext, ...body], 54);
  const at = 54 + ext.length;
  m.setU16be(at + 2, csumFold(csumBytes(m.bytes, at, body.length, pseudoHeaderSum6(m, 14 + 8, 14 + 24, IPPROTO.ICMPV6, body.length))));
  return m.bytes;
}
const TARGET = [...(parseIpv6('fe80::b') ?? [])];
const tcpSyn = frame(Uint8Array.of(2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7), {
  tcp: true,
  sport: 1001,
  tcpFlags: 2,
  csum: 'wrong',
});
tcpSyn[14 + 20 + 12] = 0xa0;

const FRAMES: Readonly<Record<string, Uint8Array>> = {
  'arp request': arp(1, '10.0.0.1', '10.0.0.2'),
  'arp reply': arp(2, '10.0.0.1', '10.0.0.2'),
  'arp probe': arp(1, '0.0.0.0', '10.0.0.2'),
  'arp announcement': arp(1, '10.0.0.1', '10.0.0.1'),
  'echo request': icmp(8, 0, 0x1234, 1, payload(56)),
  'echo reply': icmp(0, 0, 0x1234, 258, payload(56)),
  'port unreachable': icmp(3, 3, 0, 0, frame(payload(4)).subarray(14)),
  'ttl exceeded': icmp(11, 0, 0, 0, frame(payload(4)).subarray(14, 42)),
  fragment: ipv4(IPPROTO.UDP, payload(100), 0x2000 | 185),
  udp: frame(payload(33)),
  'udp over ipv6': frame(payload(33), { ip: 6 }),
  'tcp syn with options': tcpSyn,
  'tcp data': frame(payload(100), { tcp: true }),
  'tcp over ipv6': frame(payload(5), { tcp: true, ip: 6, tcpFlags: 0x11 }),
  'neighbor solicitation': icmp6([135, 0, 0, 0, 0, 0, 0, 0, ...TARGET, 1, 1, ...mac(0x0a)]),
  'neighbor advertisement': icmp6([136, 0, 0, 0, 0x60, 0, 0, 0, ...TARGET, 2, 1, ...mac(0x0b)]),
  'router solicitation': icmp6([133, 0, 0, 0, 0, 0, 0, 0, 1, 1, ...mac(0x0a)]),
  'mld report': icmp6([143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, ...(parseIpv6('ff02::1:ff00:a') ?? [])], true),
  'echo over ipv6': icmp6([128, 0, 0, 0, 0x12, 0x34, 0, 7, ...payload(56)]),
  vlan: Uint8Array.of(...frame(payload(10)).subarray(0, 12), 0x81, 0, 0x60, 5, ...frame(payload(10)).subarray(12)),
  'unknown type': eth(0x9abc, be(0x01020304, 4)),
};

const hasTshark = spawnSync('tshark', ['-v']).status === 0;

/** Columns and expert errors as tshark sees a capture file. */
function tshark(file: Uint8Array): string[][] {
  const dir = mkdtempSync(join(tmpdir(), 'ringscope-pcapng-'));
  try {
    const path = join(dir, 'x.pcapng');
    writeFileSync(path, file);
    const fields = [
      'frame.time_epoch',
      'frame.interface_name',
      '_ws.col.Source',
      '_ws.col.Destination',
      '_ws.col.Protocol',
      '_ws.col.Info',
      'frame.comment',
    ];
    const preferences = [
      'tcp.relative_sequence_numbers:FALSE',
      'tcp.analyze_sequence_numbers:FALSE',
      'nameres.network_name:FALSE',
      'nameres.mac_name:FALSE',
      'nameres.transport_name:FALSE',
      'ip.defragment:FALSE',
    ];
    const out = execFileSync(
      'tshark',
      [
        '-n',
        '-r',
        path,
        ...preferences.flatMap((p) => ['-o', p]),
        '-T',
        'fields',
        '-E',
        'separator=|',
        ...fields.flatMap((f) => ['-e', f]),
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    );
    return out
      .trimEnd()
      .split('\n')
      .map((l) => l.split('|'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));
const HEAD = [
  sectionHeader({ application: 'Ringscope', comment: 'tést' }),
  interfaceDescription({ name: 'h1:nic0', mac: Uint8Array.from(mac(0x0a)), speed: 1e9 }),
  interfaceDescription({ name: 'h2:nic0', description: 'the other end' }),
];

describe.skipIf(!hasTshark)('against tshark', () => {
  it('the columns of a packet list are in its words', () => {
    const names = Object.keys(FRAMES);
    const rows = tshark(concat([...HEAD, ...names.map((n, i) => enhancedPacket({ iface: 0, time: i, bytes: FRAMES[n] }))]));
    const theirs = rows.map((r, i) => [
      // without -n tshark writes Broadcast, and other names that come from its own lists
      names[i],
      r[2],
      r[3].replace('ff:ff:ff:ff:ff:ff', 'Broadcast'),
      r[4],
      // what tshark adds by knowing other packets of the file
      r[5].replace(/ \(no response found!\)| \(reply in \d+\)| \(request in \d+\)| \[Malformed Packet\]/g, '').replace(/ +/g, ' '),
    ]);
    const ours = names.map((n) => {
      const { source, destination, protocol, info } = decodeFrame(FRAMES[n]).summary;
      return [n, source, destination, protocol, info.replace(/ +/g, ' ')];
    });
    expect(ours).toEqual(theirs);
  });

  it('a capture is read in order, with nanoseconds, interface names and comments', () => {
    const f = FRAMES.udp;
    const packets = [
      enhancedPacket({ iface: 0, time: 5_000_000_001, bytes: f, direction: 'out', packetId: 7, queue: 3 }),
      enhancedPacket({ iface: 1, time: 5_000_000_673, bytes: f, direction: 'in', comment: 'dropped: rx_no_buffer — größer' }),
      enhancedPacket({ iface: 0, time: 2 ** 40 + 1, bytes: f.subarray(0, 40), originalLength: f.length }),
    ];
    const rows = tshark(concat([...HEAD, ...packets]));
    expect(rows.map((r) => [r[0], r[1], r[6]])).toEqual([
      ['5.000000001', 'h1:nic0', ''],
      ['5.000000673', 'h2:nic0', 'dropped: rx_no_buffer — größer'],
      ['1099.511627777', 'h1:nic0', ''],
    ]);
  });
});

const PCAP = new URL('../../../shared/oracle/data/pcap/eth0-ping.pcap', import.meta.url);
it.skipIf(!existsSync(PCAP))('every checksum of a real capture is found correct', () => {
  const m = new ByteMem(new Uint8Array(readFileSync(PCAP)));
  let frames = 0;
  for (let at = 24; at < m.bytes.length; at += 16 + m.u32(at + 8)) {
    const { tree, summary } = decodeFrame(m.bytes.slice(at + 16, at + 16 + m.u32(at + 8)));
    frames++;
    expect(summary.info).not.toBe('');
    expect(JSON.stringify(tree)).not.toContain('incorrect');
  }
  expect(frames).toBeGreaterThan(10);
});

const leaves = (nodes: readonly DecodeNode[]): readonly DecodeNode[] =>
  nodes.flatMap((n) => (n.children === undefined ? [n] : leaves(n.children)));

describe('trees', () => {
  it('cover every byte of a well-formed frame exactly once, in order', () => {
    for (const [name, bytes] of Object.entries(FRAMES)) {
      let at = 0;
      for (const n of leaves(decodeFrame(bytes).tree)) {
        expect([name, n.label, n.start]).toEqual([name, n.label, at]);
        at = n.end;
      }
      expect([name, at]).toEqual([name, bytes.length]);
    }
  });

  it('say which checksum is wrong and what it should be', () => {
    const labels = (o: object): string[] => leaves(decodeFrame(frame(payload(9), o)).tree).map((n) => n.label);
    expect(labels({ csum: 'wrong' }).find((l) => l.includes('incorrect'))).toMatch(
      /^check: 0x[0-9a-f]{4} \(incorrect, should be 0x[0-9a-f]{4}\)$/,
    );
    expect(labels({}).filter((l) => l.includes('(correct)'))).toHaveLength(2);
  });
});

describe('fuzz', () => {
  const within = (nodes: readonly DecodeNode[], length: number): boolean =>
    nodes.every((n) => n.start >= 0 && n.start <= n.end && n.end <= length && within(n.children ?? [], length));

  it('no bytes make it throw, and every node lies in the frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { tree, summary } = decodeFrame(bytes);
        expect(within(tree, bytes.length)).toBe(true);
        expect(summary.protocol).not.toBe('');
      }),
    );
  });

  it('nor do real frames that were cut or had bytes changed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(FRAMES)),
        fc.nat(200),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
        (real, cut, changes) => {
          const bytes = real.slice(0, Math.max(0, real.length - (cut % 2 === 0 ? 0 : cut)));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          expect(within(decodeFrame(bytes).tree, bytes.length)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
