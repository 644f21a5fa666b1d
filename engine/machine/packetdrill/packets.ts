// Segments of a script as bytes, and bytes as segments to compare.
import { ByteMem } from '../../base/memory.ts';
import { csumFold, csumPartial, pseudoHeaderSum } from '../../wire/checksum.ts';
import type { IcmpSpec, Segment, TcpOption } from './script.ts';

export interface Ends {
  /** The machine under test. */
  readonly local: number;
  readonly remote: number;
  localPort: number;
  remotePort: number;
}

const FLAG_BITS: Readonly<Record<string, number>> = Object.freeze({ F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32, E: 64, W: 128 });
export const flagBits = (text: string): number => [...text].reduce((n, c) => n | (FLAG_BITS[c] ?? 0), 0);
export const flagText = (bits: number): string => [...'FSRP.UEW'].filter((c) => (bits & FLAG_BITS[c]) !== 0).join('') || '-';

function optionBytes(options: readonly TcpOption[], sack: (n: number) => number, ecr: (n: number) => number): number[] {
  const out: number[] = [];
  const word = (n: number): void => {
    out.push((n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  };
  for (const o of options) {
    if (o.kind === 'nop') out.push(1);
    else if (o.kind === 'eol') out.push(0);
    else if (o.kind === 'sackOK') out.push(4, 2);
    else if (o.kind === 'mss') out.push(2, 4, o.value >> 8, o.value & 255);
    else if (o.kind === 'wscale') out.push(3, 3, o.value);
    else if (o.kind === 'TS') {
      out.push(8, 10);
      word(o.val);
      word(ecr(o.ecr));
    } else if (o.kind === 'sack') {
      out.push(5, 2 + 8 * o.blocks.length);
      for (const [a, b] of o.blocks) {
        word(sack(a));
        word(sack(b));
      }
    }
  }
  while (out.length % 4 !== 0) out.push(out.length === 0 ? 1 : 0);
  return out;
}

function ipHeader(mem: ByteMem, length: number, protocol: number, from: number, to: number, tos: number): void {
  mem.setU32be(0, ((0x45 << 24) | (tos << 16) | length) >>> 0);
  mem.setU32be(4, 0);
  mem.setU32be(8, ((255 << 24) | (protocol << 16)) >>> 0);
  mem.setU32be(12, from);
  mem.setU32be(16, to);
  mem.setU16be(10, csumFold(csumPartial(mem, 0, 20)));
}

/** An inbound segment; the functions map the script's numbers to those on the wire. */
export function segmentBytes(s: Segment, ends: Ends, ack: (n: number) => number, ecr: (n: number) => number): Uint8Array {
  const options = optionBytes(s.options ?? [], ack, ecr);
  const header = 20 + options.length;
  const total = 20 + header + s.length;
  const mem = new ByteMem(new Uint8Array(total));
  ipHeader(mem, total, 6, ends.remote, ends.local, Math.max(0, s.ecn));
  mem.setU16be(20, ends.remotePort);
  mem.setU16be(22, ends.localPort);
  mem.setU32be(24, s.seq);
  mem.setU32be(28, s.ack === undefined ? 0 : ack(s.ack));
  mem.setU32be(32, (((header >> 2) << 28) | (flagBits(s.flags) << 16) | (s.win ?? 0)) >>> 0);
  options.forEach((b, i) => mem.setU8(40 + i, b));
  const sum = pseudoHeaderSum(ends.remote, ends.local, 6, total - 20);
  mem.setU16be(36, csumFold(csumPartial(mem, 20, total - 20, sum)));
  return mem.bytes;
}

/** An ICMP error about a segment that the machine sent. */
export function icmpBytes(i: IcmpSpec, ends: Ends, wireSeq: number): Uint8Array {
  const mem = new ByteMem(new Uint8Array(20 + 8 + 28));
  ipHeader(mem, 56, 1, ends.remote, ends.local, 0);
  mem.setU8(20, i.type);
  mem.setU8(21, i.code);
  mem.setU16be(26, i.mtu);
  const inner = new ByteMem(new Uint8Array(28));
  ipHeader(inner, 40 + i.length, 6, ends.local, ends.remote, 0);
  inner.setU16be(20, ends.localPort);
  inner.setU16be(22, ends.remotePort);
  inner.setU32be(24, wireSeq);
  for (let k = 0; k < 28; k++) mem.setU8(28 + k, inner.u8(k));
  mem.setU16be(22, csumFold(csumPartial(mem, 20, 36)));
  return mem.bytes;
}

export interface Wire {
  readonly tcp: boolean;
  readonly localPort: number;
  readonly remotePort: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly win: number;
  readonly length: number;
  readonly ecn: number;
  readonly options: readonly TcpOption[];
}

export function parseWire(bytes: Uint8Array): Wire {
  const mem = new ByteMem(bytes);
  const hlen = (mem.u8(0) & 15) * 4;
  const tcp = mem.u8(9) === 6;
  if (!tcp) return { tcp, localPort: 0, remotePort: 0, flags: 0, seq: 0, ack: 0, win: 0, length: 0, ecn: 0, options: [] };
  const header = (mem.u8(hlen + 12) >> 4) * 4;
  const options: TcpOption[] = [];
  for (let at = hlen + 20; at < hlen + header;) {
    const kind = mem.u8(at);
    const size = kind < 2 ? 1 : Math.max(2, mem.u8(at + 1));
    if (kind === 0) options.push({ kind: 'eol' });
    else if (kind === 1) options.push({ kind: 'nop' });
    else if (kind === 2) options.push({ kind: 'mss', value: mem.u16be(at + 2) });
    else if (kind === 3) options.push({ kind: 'wscale', value: mem.u8(at + 2) });
    else if (kind === 4) options.push({ kind: 'sackOK' });
    else if (kind === 8) options.push({ kind: 'TS', val: mem.u32be(at + 2), ecr: mem.u32be(at + 6) });
    else if (kind === 5) {
      const blocks: [number, number][] = [];
      for (let b = at + 2; b + 8 <= at + size; b += 8) blocks.push([mem.u32be(b), mem.u32be(b + 4)]);
      options.push({ kind: 'sack', blocks });
    }
    at += size;
  }
  return {
    tcp,
    localPort: mem.u16be(hlen),
    remotePort: mem.u16be(hlen + 2),
    flags: mem.u8(hlen + 13),
    seq: mem.u32be(hlen + 4),
    ack: mem.u32be(hlen + 8),
    win: mem.u16be(hlen + 14),
    length: bytes.length - hlen - header,
    ecn: mem.u8(1) & 3,
    options,
  };
}
