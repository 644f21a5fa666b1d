// pcapng blocks (IETF draft-ietf-opsawg-pcapng): section header, interface description, enhanced packet. Each function returns one block.
import { ByteMem } from '../base/memory.ts';

/** LINKTYPE_ETHERNET */
const ETHERNET = 1;
const BLOCK = { SHB: 0x0a0d0d0a, IDB: 1, EPB: 6 } as const;
const OPT = {
  END: 0,
  COMMENT: 1,
  SHB_OS: 3,
  SHB_USERAPPL: 4,
  IF_NAME: 2,
  IF_DESCRIPTION: 3,
  IF_MACADDR: 6,
  IF_SPEED: 8,
  IF_TSRESOL: 9,
  EPB_FLAGS: 2,
  EPB_PACKETID: 5,
  EPB_QUEUE: 6,
} as const;
/** §4.1: says in which byte order the section is written. */
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export interface SectionInfo {
  readonly application: string;
  readonly os?: string;
  readonly comment?: string;
}

export interface InterfaceInfo {
  readonly name: string;
  readonly description?: string;
  readonly mac?: Uint8Array;
  /** bits per second */
  readonly speed?: number;
}

export interface PacketInfo {
  /** Index of the interface: the order of the interface descriptions in the file. */
  readonly iface: number;
  /** Nanoseconds; the file's epoch is the world's boot. */
  readonly time: number;
  readonly bytes: Uint8Array;
  /** Length on the wire when `bytes` is cut short. */
  readonly originalLength?: number;
  readonly direction?: 'in' | 'out';
  /** For instance why the packet was dropped. */
  readonly comment?: string;
  readonly packetId?: number;
  readonly queue?: number;
}

/** §4.1 Section Header Block; comes first in a file. */
export function sectionHeader(info: SectionInfo): Uint8Array {
  const options = new Options();
  if (info.comment !== undefined) options.text(OPT.COMMENT, info.comment);
  if (info.os !== undefined) options.text(OPT.SHB_OS, info.os);
  options.text(OPT.SHB_USERAPPL, info.application);
  const body = new ByteMem(new Uint8Array(16));
  body.setU32(0, BYTE_ORDER_MAGIC);
  body.setU16(4, 1);
  body.setU16(6, 0);
  // section length unknown: all ones
  body.setU32(8, 0xffffffff);
  body.setU32(12, 0xffffffff);
  return block(BLOCK.SHB, body.bytes, options);
}

/** §4.2 Interface Description Block, with nanosecond timestamps. */
export function interfaceDescription(info: InterfaceInfo): Uint8Array {
  const options = new Options();
  options.text(OPT.IF_NAME, info.name);
  if (info.description !== undefined) options.text(OPT.IF_DESCRIPTION, info.description);
  if (info.mac !== undefined) options.raw(OPT.IF_MACADDR, info.mac);
  if (info.speed !== undefined) options.u64(OPT.IF_SPEED, info.speed);
  options.raw(OPT.IF_TSRESOL, Uint8Array.of(9));
  const body = new ByteMem(new Uint8Array(8));
  body.setU16(0, ETHERNET);
  // no snapshot limit
  body.setU32(4, 0);
  return block(BLOCK.IDB, body.bytes, options);
}

/** §4.3 Enhanced Packet Block. */
export function enhancedPacket(info: PacketInfo): Uint8Array {
  const options = new Options();
  if (info.comment !== undefined) options.text(OPT.COMMENT, info.comment);
  // §4.3.1: bits 1:0 are the direction, 1 inbound, 2 outbound
  if (info.direction !== undefined) options.u32(OPT.EPB_FLAGS, info.direction === 'in' ? 1 : 2);
  if (info.packetId !== undefined) options.u64(OPT.EPB_PACKETID, info.packetId);
  if (info.queue !== undefined) options.u32(OPT.EPB_QUEUE, info.queue);
  const { length } = info.bytes;
  const body = new ByteMem(new Uint8Array(20 + pad4(length)));
  const time = Math.round(info.time);
  body.setU32(0, info.iface);
  body.setU32(4, Math.floor(time / 0x100000000));
  body.setU32(8, time >>> 0);
  body.setU32(12, length);
  body.setU32(16, info.originalLength ?? length);
  body.bytes.set(info.bytes, 20);
  return block(BLOCK.EPB, body.bytes, options);
}

const pad4 = (n: number): number => (n + 3) & ~3;

/** §3.5: options are code, length, value padded to 32 bits; an end-of-options closes the list. */
class Options {
  readonly parts: number[] = [];

  raw(code: number, value: Uint8Array): void {
    this.parts.push(code & 0xff, code >> 8, value.length & 0xff, value.length >> 8, ...value);
    while (this.parts.length % 4 !== 0) this.parts.push(0);
  }
  text(code: number, value: string): void {
    this.raw(code, utf8(value));
  }
  u32(code: number, value: number): void {
    this.raw(code, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }
  u64(code: number, value: number): void {
    const m = new ByteMem(new Uint8Array(8));
    m.setU64(0, value);
    this.raw(code, m.bytes);
  }
  bytes(): Uint8Array {
    if (this.parts.length === 0) return new Uint8Array(0);
    return Uint8Array.from([...this.parts, OPT.END, 0, 0, 0]);
  }
}

/** §3.1: type, total length, body, options, total length again. */
function block(type: number, body: Uint8Array, options: Options): Uint8Array {
  const tail = options.bytes();
  const total = 12 + body.length + tail.length;
  const m = new ByteMem(new Uint8Array(total));
  m.setU32(0, type);
  m.setU32(4, total);
  m.bytes.set(body, 8);
  m.bytes.set(tail, 8 + body.length);
  m.setU32(total - 4, total);
  return m.bytes;
}

/** UTF-8 of a text; engine/ has no TextEncoder. An option holds at most 65,535 bytes, more is cut. */
function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const char of text) {
    const c = char.codePointAt(0) ?? 0;
    const bytes =
      c < 0x80
        ? [c]
        : c < 0x800
          ? [0xc0 | (c >> 6), 0x80 | (c & 63)]
          : c < 0x10000
            ? [0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63)]
            : [0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63)];
    if (out.length + bytes.length > 0xffff) break;
    out.push(...bytes);
  }
  return Uint8Array.from(out);
}
