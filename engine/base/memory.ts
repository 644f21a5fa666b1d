// Byte-addressed memory as every layer sees it: guest RAM, a device's DMA window, a plain byte array.

/** Little-endian unless the name says `be`. Addresses are byte offsets in this memory's own address space. */
export interface Mem {
  u8(at: number): number;
  u16(at: number): number;
  u32(at: number): number;
  /** 64 bits as a number; a value ≥ 2^53 saturates to Number.MAX_SAFE_INTEGER + 1 so that bounds checks refuse it. */
  u64(at: number): number;
  u16be(at: number): number;
  u32be(at: number): number;
  setU8(at: number, value: number): void;
  setU16(at: number, value: number): void;
  setU32(at: number, value: number): void;
  setU64(at: number, value: number): void;
  setU16be(at: number, value: number): void;
  setU32be(at: number, value: number): void;
  /** Copies `length` bytes out to `into` at `intoOffset`. */
  read(at: number, into: Uint8Array, intoOffset: number, length: number): void;
  /** Copies `length` bytes of `from`, starting at `fromOffset`, in. */
  write(at: number, from: Uint8Array, fromOffset: number, length: number): void;
  /** Copies `length` bytes to `toAt` of another memory: for headers and small frames the quickest way. */
  copyTo(at: number, to: ByteMem, toAt: number, length: number): void;
}

export const TOO_LARGE = Number.MAX_SAFE_INTEGER + 1;

/** Up to this many bytes a loop copies faster than a view can be made. */
const SHORT = 16;
/** The same for a loop over 32-bit words. */
const SHORT_BY_WORDS = 256;

/** `Mem` over one ArrayBuffer, addresses from 0. An access outside throws RangeError (a defect of ours: guests' addresses are checked first). */
export class ByteMem implements Mem {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  u8(at: number): number {
    return this.view.getUint8(at);
  }
  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  u64(at: number): number {
    const high = this.view.getUint32(at + 4, true);
    return high < 0x200000 ? high * 0x100000000 + this.view.getUint32(at, true) : TOO_LARGE;
  }
  u16be(at: number): number {
    return this.view.getUint16(at, false);
  }
  u32be(at: number): number {
    return this.view.getUint32(at, false);
  }
  setU8(at: number, value: number): void {
    this.view.setUint8(at, value);
  }
  setU16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }
  setU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  setU64(at: number, value: number): void {
    this.view.setUint32(at, value >>> 0, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
  }
  setU16be(at: number, value: number): void {
    this.view.setUint16(at, value, false);
  }
  setU32be(at: number, value: number): void {
    this.view.setUint32(at, value, false);
  }
  read(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    if (length <= SHORT) for (let i = 0; i < length; i++) into[intoOffset + i] = this.bytes[at + i];
    else into.set(this.bytes.subarray(at, at + length), intoOffset);
  }
  write(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    if (length <= SHORT) for (let i = 0; i < length; i++) this.bytes[at + i] = from[fromOffset + i];
    else this.bytes.set(length === from.length ? from : from.subarray(fromOffset, fromOffset + length), at);
  }
  copyTo(at: number, to: ByteMem, toAt: number, length: number): void {
    if (length > SHORT_BY_WORDS) return to.write(toAt, this.bytes, at, length);
    let i = 0;
    for (; i + 4 <= length; i += 4) to.setU32(toAt + i, this.u32(at + i));
    for (; i < length; i++) to.setU8(toAt + i, this.bytes[at + i]);
  }
}
