// The IOMMU of a machine that has one: a VT-d unit that walks root, context and page tables in guest memory for each device's accesses.
import type { Apic } from './apic.ts';
import type { MmioTarget } from './bus.ts';
import type { Ram } from './ram.ts';
import { event, type TracePoint, type TraceScope } from '../trace/trace.ts';
import {
  VTD_ADDRESS_END,
  VTD_CAP,
  VTD_CCMD_ICC,
  VTD_CONTEXT,
  VTD_ECAP,
  VTD_ENTRY,
  VTD_FAULT,
  VTD_FECTL_IM,
  VTD_FRCD,
  VTD_FSTS,
  VTD_GCMD,
  VTD_IOTLB_IVT,
  VTD_LEVELS,
  VTD_REG,
  VTD_VERSION,
} from './vtd.ts';

const PAGE = 4096;
const FEADDR_MASK = 0xfffffffc;

/** A request that was not let through. */
const IommuFault = event(
  'iommu:fault',
  { device: 'u16', addr: 'addr', write: 'bool', reason: 'u8' },
  (e) => `${deviceName(Number(e.device))} ${e.write === true ? 'write' : 'read'} 0x${e.addr.toString(16)} reason=${e.reason}`,
);

/** '00:02.0' of a requester id. */
const deviceName = (id: number): string =>
  `${(id >> 8).toString(16).padStart(2, '0')}:${((id >> 3) & 31).toString(16).padStart(2, '0')}.${id & 7}`;

/** What a walk found: the page's address and rights, or why there is none. */
interface Translation {
  /** -1 when refused. */
  readonly page: number;
  readonly read: boolean;
  readonly write: boolean;
  /** VTD_FAULT, 0 when translated. */
  readonly fault: number;
}

const refused = (fault: number): Translation => ({ page: -1, read: false, write: false, fault });

export class Iommu implements MmioTarget {
  /** Changes with every invalidation: what ports remember of translations is void then. */
  generation = 0;
  faults = 0;
  private status = 0;
  private rootLow = 0;
  private rootHigh = 0;
  /** The table in use, as latched by SRTP. */
  private root = 0;
  private fsts = 0;
  private fectl: number = VTD_FECTL_IM;
  private fedata = 0;
  private feaddr = 0;
  private readonly record = new Uint32Array(4);
  private pendingEvent = false;
  private readonly tpFault: TracePoint;

  constructor(
    private readonly ram: Ram,
    private readonly apic: Apic,
    scope: TraceScope,
  ) {
    this.tpFault = scope.point(IommuFault);
  }

  /** Requests are translated. */
  get enabled(): boolean {
    return (this.status & VTD_GCMD.TE) !== 0;
  }

  /** Where the page of `address` is for a requester; the walk of VT-d 3.3 §3.5 to §3.7. */
  translate(requester: number, address: number, write: boolean): Translation {
    const { ram } = this;
    const rootAt = this.root + (requester >> 8) * VTD_ENTRY.ROOT_BYTES;
    const root = this.inRam(rootAt) ? ram.u32(rootAt) : 0;
    if ((root & VTD_ENTRY.PRESENT) === 0) return refused(VTD_FAULT.ROOT_NOT_PRESENT);
    const contextAt = tableOf(ram.u64(rootAt)) + (requester & 0xff) * VTD_ENTRY.CONTEXT_BYTES;
    const context = this.inRam(contextAt) ? ram.u32(contextAt) : 0;
    if ((context & VTD_ENTRY.PRESENT) === 0) return refused(VTD_FAULT.CONTEXT_NOT_PRESENT);
    const type = (context >>> VTD_CONTEXT.TYPE_SHIFT) & VTD_CONTEXT.TYPE_MASK;
    if (type === VTD_CONTEXT.PASS_THROUGH) return { page: address - (address % PAGE), read: true, write: true, fault: 0 };
    if (type !== VTD_CONTEXT.MULTI_LEVEL || (ram.u32(contextAt + 8) & 7) !== VTD_CONTEXT.WIDTH_39)
      return refused(VTD_FAULT.CONTEXT_INVALID);
    if (!(address >= 0 && address < VTD_ADDRESS_END)) return refused(VTD_FAULT.BEYOND_MGAW);
    return this.walk(tableOf(ram.u64(contextAt)), address, write);
  }

  /** A request that `translate` refused: recorded in the fault register, and the driver is told. */
  report(requester: number, address: number, write: boolean, reason: number): void {
    this.faults++;
    if (this.tpFault.enabled) this.tpFault.emit(requester, address, write, reason);
    // §7.2.1: while the record is taken, further faults only set the overflow bit
    if ((this.record[3] & VTD_FRCD.F) !== 0) {
      this.fsts |= VTD_FSTS.PFO;
      return;
    }
    const page = address - (address % PAGE);
    this.record[0] = page >>> 0;
    this.record[1] = Math.floor(page / 2 ** 32) >>> 0;
    this.record[2] = requester;
    this.record[3] = (VTD_FRCD.F | (write ? 0 : VTD_FRCD.READ) | reason) >>> 0;
    this.fsts |= VTD_FSTS.PPF;
    this.raise();
  }

  mmioRead(offset: number, size: number): number {
    if (size === 8) return this.word(offset) + this.word(offset + 4) * 2 ** 32;
    return this.word(offset);
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (size === 8) {
      this.store(offset, value >>> 0);
      this.store(offset + 4, Math.floor(value / 2 ** 32));
    } else this.store(offset, value >>> 0);
  }

  private walk(top: number, address: number, write: boolean): Translation {
    let table = top;
    for (let level = VTD_LEVELS; level > 0; level--) {
      const at = table + (Math.floor(address / PAGE / 512 ** (level - 1)) % 512) * VTD_ENTRY.PTE_BYTES;
      if (!this.inRam(at)) return refused(VTD_FAULT.TABLE_INVALID);
      const low = this.ram.u32(at);
      if (write && (low & VTD_ENTRY.WRITE) === 0) return refused(VTD_FAULT.NO_WRITE);
      if (!write && (low & VTD_ENTRY.READ) === 0) return refused(VTD_FAULT.NO_READ);
      table = tableOf(this.ram.u64(at));
      if (level === 1) return { page: table, read: (low & VTD_ENTRY.READ) !== 0, write: (low & VTD_ENTRY.WRITE) !== 0, fault: 0 };
    }
    return refused(VTD_FAULT.TABLE_INVALID);
  }

  private inRam(at: number): boolean {
    return at > 0 && at + VTD_ENTRY.ROOT_BYTES <= this.ram.size;
  }

  private word(offset: number): number {
    switch (offset) {
      case VTD_REG.VER:
        return VTD_VERSION;
      case VTD_REG.CAP:
        return VTD_CAP.LOW;
      case VTD_REG.CAP + 4:
        return VTD_CAP.HIGH;
      case VTD_REG.ECAP:
        return VTD_ECAP.LOW;
      case VTD_REG.GSTS:
        return this.status >>> 0;
      case VTD_REG.RTADDR:
        return this.rootLow;
      case VTD_REG.RTADDR + 4:
        return this.rootHigh;
      case VTD_REG.FSTS:
        return this.fsts;
      case VTD_REG.FECTL:
        return this.fectl >>> 0;
      case VTD_REG.FEDATA:
        return this.fedata;
      case VTD_REG.FEADDR:
        return this.feaddr;
      default:
        return offset >= VTD_REG.FRCD && offset < VTD_REG.FRCD + 16 ? this.record[(offset - VTD_REG.FRCD) >> 2] : 0;
    }
  }

  private store(offset: number, value: number): void {
    switch (offset) {
      case VTD_REG.GCMD:
        return this.command(value);
      case VTD_REG.RTADDR:
        this.rootLow = value;
        return;
      case VTD_REG.RTADDR + 4:
        this.rootHigh = value;
        return;
      case VTD_REG.CCMD + 4:
        if ((value & VTD_CCMD_ICC) !== 0) this.generation++;
        return;
      case VTD_REG.IOTLB + 4:
        if ((value & VTD_IOTLB_IVT) === 0) return;
        this.generation++;
        return;
      case VTD_REG.FSTS:
        this.fsts &= ~(value & VTD_FSTS.PFO);
        return;
      case VTD_REG.FECTL:
        this.fectl = value & VTD_FECTL_IM;
        if ((this.fectl & VTD_FECTL_IM) === 0 && this.pendingEvent) this.raise();
        return;
      case VTD_REG.FEDATA:
        this.fedata = value & 0xffff;
        return;
      case VTD_REG.FEADDR:
        this.feaddr = (value & FEADDR_MASK) >>> 0;
        return;
      case VTD_REG.FRCD + 12:
        if ((value & VTD_FRCD.F) === 0) return;
        this.record[3] = 0;
        this.fsts &= ~VTD_FSTS.PPF;
        return;
      default:
    }
  }

  /** §11.4.4.1: one command at a time; the status follows at once. */
  private command(value: number): void {
    if ((value & VTD_GCMD.SRTP) !== 0) {
      this.root = tableOf(this.rootLow + this.rootHigh * 2 ** 32);
      this.status |= VTD_GCMD.SRTP;
      this.generation++;
    }
    this.status = (value & VTD_GCMD.TE) !== 0 ? this.status | VTD_GCMD.TE : this.status & ~VTD_GCMD.TE;
  }

  /** §7.3: the fault event is a message of the unit's own. */
  private raise(): void {
    this.pendingEvent = (this.fectl & VTD_FECTL_IM) !== 0;
    if (!this.pendingEvent) this.apic.msiWrite(this.feaddr, this.fedata);
  }
}

/** The page an entry points to. */
const tableOf = (entry: number): number => entry - (entry % PAGE);
