// A simulated machine's RAM that is a file which QEMU maps as its own: every access is a pread or pwrite.
import { readSync, writeSync } from 'node:fs';
import { type ByteMem, TOO_LARGE } from '../../engine/base/memory.ts';
import type { Gpa } from '../../engine/base/units.ts';
import { Ram } from '../../engine/platform/ram.ts';

/** A word at a place of the file. */
class FileWords {
  private readonly bytes = new Uint8Array(8);
  private readonly word = new DataView(this.bytes.buffer);

  constructor(readonly fd: number) {}

  load(at: number, size: number): DataView {
    readSync(this.fd, this.bytes, 0, size, at);
    return this.word;
  }

  /** Writes what was put into `scratch`. */
  store(at: number, size: number): void {
    writeSync(this.fd, this.bytes, 0, size, at);
  }

  get scratch(): DataView {
    return this.word;
  }
}

/** What engine code has in its hands where it reads RAM by a view. */
class FileView extends DataView<ArrayBuffer> {
  constructor(private readonly words: FileWords) {
    super(new ArrayBuffer(0));
  }
  override getUint8(at: number): number {
    return this.words.load(at, 1).getUint8(0);
  }
  override getUint16(at: number, little = false): number {
    return this.words.load(at, 2).getUint16(0, little);
  }
  override getUint32(at: number, little = false): number {
    return this.words.load(at, 4).getUint32(0, little);
  }
  override setUint8(at: number, value: number): void {
    this.words.scratch.setUint8(0, value);
    this.words.store(at, 1);
  }
  override setUint16(at: number, value: number, little = false): void {
    this.words.scratch.setUint16(0, value, little);
    this.words.store(at, 2);
  }
  override setUint32(at: number, value: number, little = false): void {
    this.words.scratch.setUint32(0, value, little);
    this.words.store(at, 4);
  }
}

export class FileRam extends Ram {
  override readonly view: DataView;
  private readonly words: FileWords;

  constructor(
    size: number,
    private readonly fd: number,
  ) {
    // an access that went round these methods finds no byte, rather than a wrong one
    super(size, new Uint8Array(0));
    this.words = new FileWords(fd);
    this.view = new FileView(this.words);
  }

  override u8(at: number): number {
    return this.words.load(at, 1).getUint8(0);
  }
  override u16(at: number): number {
    return this.words.load(at, 2).getUint16(0, true);
  }
  override u32(at: number): number {
    return this.words.load(at, 4).getUint32(0, true);
  }
  override u64(at: number): number {
    const v = this.words.load(at, 8);
    const high = v.getUint32(4, true);
    return high < 0x200000 ? high * 0x100000000 + v.getUint32(0, true) : TOO_LARGE;
  }
  override u16be(at: number): number {
    return this.words.load(at, 2).getUint16(0, false);
  }
  override u32be(at: number): number {
    return this.words.load(at, 4).getUint32(0, false);
  }
  override setU8(at: number, value: number): void {
    this.view.setUint8(at, value);
  }
  override setU16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }
  override setU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  override setU64(at: number, value: number): void {
    this.words.scratch.setUint32(0, value >>> 0, true);
    this.words.scratch.setUint32(4, Math.floor(value / 0x100000000), true);
    this.words.store(at, 8);
  }
  override setU16be(at: number, value: number): void {
    this.view.setUint16(at, value, false);
  }
  override setU32be(at: number, value: number): void {
    this.view.setUint32(at, value, false);
  }
  override read(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    if (length > 0) readSync(this.fd, into, intoOffset, length, at);
  }
  override write(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    if (length > 0) writeSync(this.fd, from, fromOffset, length, at);
  }
  override copyTo(at: number, to: ByteMem, toAt: number, length: number): void {
    to.write(toAt, this.taken(at, length), 0, length);
  }
  override fill(at: Gpa, value: number, length: number): void {
    this.write(at, new Uint8Array(length).fill(value), 0, length);
  }
  override copy(to: Gpa, from: Gpa, length: number): void {
    this.write(to, this.taken(from, length), 0, length);
  }

  private taken(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.read(at, bytes, 0, length);
    return bytes;
  }
}
