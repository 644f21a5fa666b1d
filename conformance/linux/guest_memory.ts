// A QEMU guest's RAM, which is a file, as the memory of a simulated machine: our device models reach it through their usual port.
import { readSync, writeSync } from 'node:fs';
import { type ByteMem, TOO_LARGE } from '../../engine/base/memory.ts';
import { type DmaFault, type MasterPort, MSI_BASE, MSI_END, type MsiSink } from '../../engine/platform/bus.ts';
import { defaultCosts } from '../../engine/platform/costs.ts';
import { Platform } from '../../engine/platform/platform.ts';
import type { Sim } from '../../engine/sim/sim.ts';
import type { Trace } from '../../engine/trace/trace.ts';

/** Guest-physical [gpa, gpa + size) lies in the file from `offset` on. */
export interface MemoryRegion {
  readonly gpa: number;
  readonly size: number;
  readonly offset: number;
}

/** The RAM file and QEMU's table of what lies where in it (SYNC_SYSMEM). */
export class GuestMemory {
  regions: readonly MemoryRegion[] = [];
  private readonly word = new DataView(new ArrayBuffer(8));
  private readonly bytes = new Uint8Array(this.word.buffer);

  constructor(private readonly fd: number) {}

  /** Whether every byte of the range is RAM. */
  covers(gpa: number, length: number): boolean {
    for (let at = gpa; at < gpa + length;) {
      const r = this.region(at);
      if (r === undefined) return false;
      at = r.gpa + r.size;
    }
    return true;
  }

  /** Copies out; what is no RAM reads as ones. */
  read(gpa: number, into: Uint8Array, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      const r = this.region(gpa + done);
      if (r === undefined) return void into.fill(0xff, offset + done, offset + length);
      const n = Math.min(length - done, r.gpa + r.size - gpa - done);
      readSync(this.fd, into, offset + done, n, r.offset + gpa + done - r.gpa);
      done += n;
    }
  }

  /** Copies in, as far as there is RAM. */
  write(gpa: number, from: Uint8Array, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      const r = this.region(gpa + done);
      if (r === undefined) return;
      const n = Math.min(length - done, r.gpa + r.size - gpa - done);
      writeSync(this.fd, from, offset + done, n, r.offset + gpa + done - r.gpa);
      done += n;
    }
  }

  /** Reads a word of 1 to 8 bytes; its view is valid until the next call. */
  load(gpa: number, size: number): DataView {
    this.read(gpa, this.bytes, 0, size);
    return this.word;
  }

  store(gpa: number, size: number, put: (view: DataView) => void): void {
    put(this.word);
    this.write(gpa, this.bytes, 0, size);
  }

  private region(gpa: number): MemoryRegion | undefined {
    return this.regions.find((r) => gpa >= r.gpa && gpa < r.gpa + r.size);
  }
}

/** What a device model has in its hands in place of the port to simulated RAM: the same checks, another memory. */
export class GuestDmaPort implements MasterPort {
  busMaster = false;

  constructor(
    private readonly memory: GuestMemory,
    private readonly messages: MsiSink,
  ) {}

  check(address: number, length: number, write: boolean): DmaFault | undefined {
    if (!this.busMaster) return { address, length, write, reason: 'bus master disabled' };
    return this.memory.covers(address, length) ? undefined : { address, length, write, reason: 'outside RAM' };
  }

  msi(address: number, data: number): void {
    if (this.busMaster && address >= MSI_BASE && address < MSI_END) this.messages.msiWrite(address, data);
  }

  u8(at: number): number {
    return this.memory.load(at, 1).getUint8(0);
  }
  u16(at: number): number {
    return this.memory.load(at, 2).getUint16(0, true);
  }
  u32(at: number): number {
    return this.memory.load(at, 4).getUint32(0, true);
  }
  u64(at: number): number {
    const v = this.memory.load(at, 8);
    const high = v.getUint32(4, true);
    return high < 0x200000 ? high * 0x100000000 + v.getUint32(0, true) : TOO_LARGE;
  }
  u16be(at: number): number {
    return this.memory.load(at, 2).getUint16(0, false);
  }
  u32be(at: number): number {
    return this.memory.load(at, 4).getUint32(0, false);
  }
  setU8(at: number, value: number): void {
    this.memory.store(at, 1, (v) => v.setUint8(0, value));
  }
  setU16(at: number, value: number): void {
    this.memory.store(at, 2, (v) => v.setUint16(0, value, true));
  }
  setU32(at: number, value: number): void {
    this.memory.store(at, 4, (v) => v.setUint32(0, value, true));
  }
  setU64(at: number, value: number): void {
    this.memory.store(at, 8, (v) => {
      v.setUint32(0, value >>> 0, true);
      v.setUint32(4, Math.floor(value / 0x100000000), true);
    });
  }
  setU16be(at: number, value: number): void {
    this.memory.store(at, 2, (v) => v.setUint16(0, value, false));
  }
  setU32be(at: number, value: number): void {
    this.memory.store(at, 4, (v) => v.setUint32(0, value, false));
  }
  read(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    this.memory.read(at, into, intoOffset, length);
  }
  write(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    this.memory.write(at, from, fromOffset, length);
  }
  copyTo(at: number, to: ByteMem, toAt: number, length: number): void {
    this.memory.read(at, to.bytes, toAt, length);
  }
}

/** A board whose RAM and interrupt controller are QEMU's; only what device models use of it has a meaning. */
export class GuestPlatform extends Platform {
  constructor(
    name: string,
    sim: Sim,
    trace: Trace,
    private readonly memory: GuestMemory,
    private readonly messages: MsiSink,
  ) {
    super({ machine: name, ramBytes: 4096, cpus: 1, costs: defaultCosts() }, sim, trace);
  }

  override dmaPort(): GuestDmaPort {
    return new GuestDmaPort(this.memory, this.messages);
  }
}
