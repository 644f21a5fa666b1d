// A device's port to memory behind an IOMMU: addresses are translated page by page, with what was translated remembered (the IOTLB).
import { ByteMem, TOO_LARGE } from '../base/memory.ts';
import type { Cloner } from '../sim/clone.ts';
import type { Hasher } from '../sim/hash.ts';
import type { Sim } from '../sim/sim.ts';
import type { DmaFault, MsiSink } from './bus.ts';
import { DirectDmaPort } from './dma.ts';
import type { DmaDebug } from './dma_debug.ts';
import type { Iommu } from './iommu.ts';
import type { Ram } from './ram.ts';
import { VTD_FAULT } from './vtd.ts';

const PAGE = 4096;
const WRITABLE = 1;
const READABLE = 2;

/**
 * Without translation (a virtio device whose driver did not take VIRTIO_F_ACCESS_PLATFORM, or an IOMMU that is off) it is the direct port.
 * As there, a range is checked once with `check`, which records the fault; an access that was not let through reads ones and writes nothing.
 */
export class IommuDmaPort extends DirectDmaPort {
  override translated = true;
  /** Page number of the bus address → page in memory, plus 1 when it may be written, 2 when it may be read. */
  private readonly iotlb = new Map<number, number>();
  private generation = -1;
  private readonly word = new ByteMem(new Uint8Array(8));

  constructor(
    ram: Ram,
    sink: MsiSink,
    debug: DmaDebug,
    sim: Sim,
    private readonly iommu: Iommu,
  ) {
    super(ram, sink, debug, sim);
  }

  override check(address: number, length: number, write: boolean): DmaFault | undefined {
    if (!this.on || !this.busMaster) return super.check(address, length, write);
    for (let at = address; at < address + length; at = at - (at % PAGE) + PAGE) {
      const page = this.page(at, write, true);
      if (page < 0)
        return { address, length, write, reason: write && this.page(at, false, false) >= 0 ? 'read-only mapping' : 'not mapped' };
      const n = Math.min(PAGE - (at % PAGE), address + length - at);
      const fault = super.check(page + (at % PAGE), n, write);
      if (fault !== undefined) return { ...fault, address, length };
    }
    return undefined;
  }

  override physical(address: number): number {
    if (!this.on) return super.physical(address);
    // asked by views: nothing is remembered, so that looking changes nothing; a page that may only be written has an address all the same
    for (const write of [false, true]) {
      const t = this.iommu.translate(this.requester, address, write);
      if (t.fault === 0) return t.page + (address % PAGE);
    }
    return -1;
  }

  override u8(at: number): number {
    return this.load(at, 1).u8(0);
  }
  override u16(at: number): number {
    return this.load(at, 2).u16(0);
  }
  override u32(at: number): number {
    return this.load(at, 4).u32(0);
  }
  override u64(at: number): number {
    return this.load(at, 8).u64(0);
  }
  override u16be(at: number): number {
    return this.load(at, 2).u16be(0);
  }
  override u32be(at: number): number {
    return this.load(at, 4).u32be(0);
  }
  override setU8(at: number, value: number): void {
    this.word.setU8(0, value);
    this.write(at, this.word.bytes, 0, 1);
  }
  override setU16(at: number, value: number): void {
    this.word.setU16(0, value);
    this.write(at, this.word.bytes, 0, 2);
  }
  override setU32(at: number, value: number): void {
    this.word.setU32(0, value);
    this.write(at, this.word.bytes, 0, 4);
  }
  override setU64(at: number, value: number): void {
    this.word.setU64(0, value);
    this.write(at, this.word.bytes, 0, 8);
  }
  override setU16be(at: number, value: number): void {
    this.word.setU16be(0, value);
    this.write(at, this.word.bytes, 0, 2);
  }
  override setU32be(at: number, value: number): void {
    this.word.setU32be(0, value);
    this.write(at, this.word.bytes, 0, 4);
  }
  override read(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    for (let done = 0; done < length;) {
      const n = Math.min(PAGE - ((at + done) % PAGE), length - done);
      const from = this.place(at + done, false, n);
      if (from < 0) into.fill(0xff, intoOffset + done, intoOffset + done + n);
      else this.ram.read(from, into, intoOffset + done, n);
      done += n;
    }
  }
  override write(at: number, from: Uint8Array, fromOffset: number, length: number): void {
    for (let done = 0; done < length;) {
      const n = Math.min(PAGE - ((at + done) % PAGE), length - done);
      const to = this.place(at + done, true, n);
      if (to >= 0) this.ram.write(to, from, fromOffset + done, n);
      done += n;
    }
  }
  override copyTo(at: number, to: ByteMem, toAt: number, length: number): void {
    for (let done = 0; done < length;) {
      const n = Math.min(PAGE - ((at + done) % PAGE), length - done);
      const from = this.place(at + done, false, n);
      if (from >= 0) this.ram.copyTo(from, to, toAt + done, n);
      else for (let i = 0; i < n; i++) to.setU8(toAt + done + i, 0xff);
      done += n;
    }
  }

  override cloneInto(cloner: Cloner): IommuDmaPort {
    const copy = cloner.register(this, Object.create(IommuDmaPort.prototype) as IommuDmaPort);
    return Object.assign(copy, this.clonedFields(cloner), {
      iotlb: new Map(this.iotlb),
      generation: this.generation,
      word: new ByteMem(new Uint8Array(8)),
      iommu: cloner.clone(this.iommu),
    });
  }

  override hashInto(hasher: Hasher): void {
    super.hashInto(hasher);
    hasher.add(this.translated);
    hasher.add(this.requester);
    hasher.add(this.generation);
    hasher.add(this.iotlb);
  }

  private get on(): boolean {
    return this.translated && this.iommu.enabled;
  }

  private load(at: number, size: number): ByteMem {
    this.read(at, this.word.bytes, 0, size);
    return this.word;
  }

  /** Where a piece within one page lies in RAM, -1 when it does not. */
  private place(address: number, write: boolean, length: number): number {
    const page = this.on ? this.page(address, write, false) : address - (address % PAGE);
    const at = page + (address % PAGE);
    return page < 0 || !(at >= 0 && at + length <= this.ram.size) ? -1 : at;
  }

  /** The page in memory, -1 when the access is refused. `report` records that. */
  private page(address: number, write: boolean, report: boolean): number {
    if (!(address >= 0 && address < TOO_LARGE)) {
      if (report) this.iommu.report(this.requester, 0, write, VTD_FAULT.BEYOND_MGAW);
      return -1;
    }
    if (this.generation !== this.iommu.generation) {
      this.iotlb.clear();
      this.generation = this.iommu.generation;
    }
    const number = Math.floor(address / PAGE);
    const known = this.iotlb.get(number);
    if (known !== undefined && (write ? known % 2 === WRITABLE : known % 4 >= READABLE)) return known - (known % 4);
    const t = this.iommu.translate(this.requester, address, write);
    if (t.fault === 0) {
      this.iotlb.set(number, t.page + (t.write ? WRITABLE : 0) + (t.read ? READABLE : 0));
      return t.page;
    }
    if (report) this.iommu.report(this.requester, address, write, t.fault);
    return -1;
  }
}
