// The DMA API: every mapping a driver makes is tracked as DMA-API debug does, and a device's port to memory.
import { ByteMem, TOO_LARGE } from '../base/memory.ts';
import type { DmaAddr, Gpa, Instant } from '../base/units.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { FaultSet } from '../sim/faults.ts';
import type { Hasher, SelfHashing } from '../sim/hash.ts';
import type { Actor, Sim } from '../sim/sim.ts';
import { event, type TracePoint, type TraceScope } from '../trace/trace.ts';
import { type DmaFault, type MasterPort, MSI_BASE, MSI_END, type MsiSink } from './bus.ts';
import { DmaDebug, type DmaFinding, type DmaRule, hex16 } from './dma_debug.ts';
import { DmaMappings } from './dma_mappings.ts';
import { PAGE_SIZE, type PageAllocator, type Ram } from './ram.ts';

export type DmaDirection = 'DMA_TO_DEVICE' | 'DMA_FROM_DEVICE' | 'DMA_BIDIRECTIONAL';
/** What dma_map_* returns on failure; test with dma_mapping_error (Linux: DMA_MAPPING_ERROR, all ones). */
export const DMA_MAPPING_ERROR = TOO_LARGE as DmaAddr;

const DmaMap = event(
  'dma:map',
  { dev: 'str', dma: 'addr', gpa: 'addr', len: 'u32', dir: 'str', by: 'str' },
  (e) => `${e.dev} dma=0x${e.dma.toString(16)} len=${e.len} ${e.dir} by ${e.by}`,
);
const DmaUnmap = event(
  'dma:unmap',
  { dev: 'str', dma: 'addr', len: 'u32', dir: 'str', by: 'str' },
  (e) => `${e.dev} dma=0x${e.dma.toString(16)} len=${e.len} ${e.dir} by ${e.by}`,
);

/** How a mapping was made; DMA-API debug calls it the type (Linux: type2name[]). */
export type DmaType = 'single' | 'scatter-gather' | 'coherent';

/** Coherent memory, as dma_alloc_coherent gave it. */
const DmaAlloc = event(
  'dma:alloc',
  { dev: 'str', dma: 'addr', gpa: 'addr', len: 'u32', by: 'str' },
  (e) => `${e.dev} dma=0x${e.dma.toString(16)} len=${e.len} coherent by ${e.by}`,
);
const DmaFree = event(
  'dma:free',
  { dev: 'str', dma: 'addr', len: 'u32', by: 'str' },
  (e) => `${e.dev} dma=0x${e.dma.toString(16)} len=${e.len} coherent by ${e.by}`,
);
const DmaSync = event(
  'dma:sync',
  { dev: 'str', dma: 'addr', len: 'u32', dir: 'str', to: 'str', by: 'str' },
  (e) => `${e.dev} dma=0x${e.dma.toString(16)} len=${e.len} ${e.dir} for ${e.to}${e.by === '' ? '' : ` by ${e.by}`}`,
);
/** A mapping that was made to fail. */
const DmaFail = event(
  'dma:fail',
  { dev: 'str', gpa: 'addr', len: 'u32', dir: 'str', by: 'str' },
  (e) => `${e.dev} gpa=0x${e.gpa.toString(16)} len=${e.len} ${e.dir} by ${e.by}: injected`,
);

export interface DmaMapping {
  dma: DmaAddr;
  gpa: Gpa;
  length: number;
  direction: DmaDirection;
  type: DmaType;
  coherent: boolean;
  /** Driver function that made it. */
  by: string;
  since: Instant;
}

/** One entry of a scatter-gather list; dma_map_sg fills in `dma`. */
export interface Scatterlist {
  readonly gpa: Gpa;
  readonly length: number;
  dma: DmaAddr;
}

/** What gives a device's mappings bus addresses of their own: an IOMMU's domain. */
export interface DmaTranslator {
  /** The bus address of `length` bytes at `gpa`, none when addresses or memory are out. `limit` is the highest the device can send. */
  map(gpa: Gpa, length: number, direction: DmaDirection, limit: number): DmaAddr | undefined;
  unmap(dma: DmaAddr, length: number): void;
}

/** The DMA mappings of one device. Without an IOMMU the bus address is the physical address. */
export class DmaContext {
  /** Set while the device is behind an IOMMU that translates. */
  translator: DmaTranslator | undefined;
  /** Physical addresses all the same: the device goes past the IOMMU (Linux: vring_use_dma_api() says no). */
  bypass = false;
  readonly mappings = new DmaMappings();
  readonly findings: DmaFinding[] = [];
  /** Fails the Nth next mapping when > 0 (fault injection); counts down. */
  failAfter = 0;
  faults: FaultSet | undefined;
  /** Injected failures befall only mappings made by this function ('' for all). */
  failBy = '';
  /** Highest address the device can send (Linux: *dev->dma_mask). */
  mask = 0xffffffff;
  mapped = 0;
  unmapped = 0;
  /** The mapping made last, until somebody asked whether it failed; -1 when it was asked. */
  private fresh = -1;
  /** Older ones that nobody asked about. */
  private readonly unchecked = new Set<number>();
  /** Entries of each mapped list, by the bus address of its first. */
  private readonly sgEntries = new Map<number, number>();
  private overflowWarned = false;
  private readonly tpMap: TracePoint;
  private readonly tpUnmap: TracePoint;
  private readonly tpSync: TracePoint;
  private readonly tpAlloc: TracePoint;
  private readonly tpFree: TracePoint;
  private readonly tpFail: TracePoint;

  constructor(
    readonly device: string,
    private readonly ram: Ram,
    private readonly pages: PageAllocator,
    private readonly clock: { now(): Instant },
    scope: TraceScope,
    readonly debug: DmaDebug = new DmaDebug(ram.size, clock),
  ) {
    this.tpMap = scope.point(DmaMap);
    this.tpUnmap = scope.point(DmaUnmap);
    this.tpSync = scope.point(DmaSync);
    this.tpAlloc = scope.point(DmaAlloc);
    this.tpFree = scope.point(DmaFree);
    this.tpFail = scope.point(DmaFail);
  }

  /** Streaming mapping of `length` bytes at `gpa`; DMA_MAPPING_ERROR on failure. `by` names the driver function. */
  dma_map_single(gpa: Gpa, length: number, direction: DmaDirection, by: string): DmaAddr {
    return this.map(gpa, length, direction, 'single', by);
  }

  /** As dma_map_single, of a piece of a page. */
  dma_map_page(page: Gpa, offset: number, length: number, direction: DmaDirection, by: string): DmaAddr {
    return this.map((page + offset) as Gpa, length, direction, 'single', by);
  }

  /** Maps a list; the number of entries, 0 when one of them failed (then none is mapped). */
  dma_map_sg(list: readonly Scatterlist[], direction: DmaDirection, by: string): number {
    for (let i = 0; i < list.length; i++) {
      const entry = list[i];
      entry.dma = this.map(entry.gpa, entry.length, direction, 'scatter-gather', by);
      this.fresh = -1;
      if (entry.dma !== DMA_MAPPING_ERROR) continue;
      for (let done = 0; done < i; done++) this.unmap(list[done].dma, list[done].length, direction, 'scatter-gather', by);
      return 0;
    }
    if (list.length > 0) this.sgEntries.set(list[0].dma, list.length);
    return list.length;
  }

  dma_mapping_error(dma: DmaAddr): boolean {
    if (dma === DMA_MAPPING_ERROR) return true;
    if (dma === this.fresh) this.fresh = -1;
    else if (this.unchecked.size > 0) this.unchecked.delete(dma);
    return false;
  }

  dma_unmap_single(dma: DmaAddr, length: number, direction: DmaDirection, by: string): void {
    this.unmap(dma, length, direction, 'single', by);
  }
  dma_unmap_page(dma: DmaAddr, length: number, direction: DmaDirection, by: string): void {
    this.unmap(dma, length, direction, 'single', by);
  }
  dma_unmap_sg(list: readonly Scatterlist[], direction: DmaDirection, by: string): void {
    const [first] = list;
    const made = first === undefined ? undefined : this.sgEntries.get(first.dma);
    if (made !== undefined) {
      this.sgEntries.delete(first.dma);
      if (made !== list.length)
        this.find(
          'dma-unmap-count',
          `device driver frees DMA sg list with different entry count [map count=${made}] [unmap count=${list.length}]`,
          by,
          this.lookup(first.dma),
        );
    }
    for (const entry of list) this.unmap(entry.dma, entry.length, direction, 'scatter-gather', by);
  }

  /** This platform's caches are coherent: the sync calls move nothing, and check what they are told. */
  dma_sync_single_for_cpu(dma: DmaAddr, length: number, direction: DmaDirection = 'DMA_BIDIRECTIONAL', by = ''): void {
    this.sync(dma, length, direction, 'cpu', by);
  }
  dma_sync_single_for_device(dma: DmaAddr, length: number, direction: DmaDirection = 'DMA_BIDIRECTIONAL', by = ''): void {
    this.sync(dma, length, direction, 'device', by);
  }

  /** Zeroed, page-aligned memory shared with the device; undefined when memory is out. */
  dma_alloc_coherent(length: number, by: string): { gpa: Gpa; dma: DmaAddr } | undefined {
    const gpa = this.refused(by) ? (0 as Gpa) : this.pages.alloc_pages(orderOf(length));
    if (gpa === 0) return undefined;
    this.ram.fill(gpa, 0, PAGE_SIZE << orderOf(length));
    const dma = this.busAddress(gpa, length, 'DMA_BIDIRECTIONAL');
    if (dma === undefined) {
      this.pages.__free_pages(gpa, orderOf(length));
      return undefined;
    }
    this.mappings.add(dma, gpa, length, 'DMA_BIDIRECTIONAL', 'coherent', by, this.clock.now());
    if (this.debug.enabled) this.debug.mapped(gpa, length, 'DMA_BIDIRECTIONAL');
    if (this.tpAlloc.enabled) this.tpAlloc.emit(this.device, dma, gpa, length, by);
    return { gpa, dma };
  }

  dma_free_coherent(length: number, gpa: Gpa, dma: DmaAddr, by: string): void {
    const { mappings } = this;
    const m = mappings.find(dma);
    if (m < 0) return this.find('dma-unmap-unknown', notAllocated(dma, length), by);
    const mapping = mappings.mappingAt(m);
    if (mapping.type !== 'coherent') return this.find('dma-unmap-function', wrongFunction(mapping, 'coherent'), by, mapping);
    if (mapping.length !== length) this.find('dma-unmap-size', wrongSize(mapping, length), by, mapping);
    if (mapping.gpa !== gpa)
      this.find(
        'dma-unmap-cpu-address',
        `device driver frees DMA memory with different CPU address [device address=${hex16(dma)}] [size=${length} bytes] [cpu alloc address=${hex16(mapping.gpa)}] [cpu free address=${hex16(gpa)}]`,
        by,
        mapping,
      );
    mappings.remove(m);
    this.release(dma, mapping.gpa, mapping.length);
    if (this.debug.enabled) this.debug.unmapped(mapping.gpa, mapping.length, 'DMA_BIDIRECTIONAL', by);
    this.pages.__free_pages(mapping.gpa, orderOf(mapping.length));
    if (this.tpFree.enabled) this.tpFree.emit(this.device, dma, length, by);
  }

  /** The mapping that covers a bus address. */
  lookup(address: number): DmaMapping | undefined {
    return this.mappings.covering(address);
  }

  /** Mappings still alive, for the leak report after remove. */
  leaks(): DmaMapping[] {
    return this.mappings.values();
  }

  /** Whether a mapping was made and nobody asked whether it failed, for views. */
  isChecked(dma: number): boolean {
    return dma !== this.fresh && !this.unchecked.has(dma);
  }

  /** Linux: dma_debug_device_change(): the driver has let the device go; what it still holds is a leak. */
  driverReleased(): void {
    const left = this.leaks();
    const [first] = left;
    if (first === undefined) return;
    this.find(
      'dma-leak',
      `device driver has pending DMA allocations while released from device [count=${left.length}]\n` +
        `One of leaked entries details: [device address=${hex16(first.dma)}] [size=${first.length} bytes] [mapped with ${first.direction}] [mapped as ${first.type}]`,
      first.by,
      first,
    );
  }

  private map(gpa: Gpa, length: number, direction: DmaDirection, type: DmaType, by: string): DmaAddr {
    if (this.fresh >= 0) this.unchecked.add(this.fresh);
    this.fresh = -1;
    if ((this.failAfter > 0 || this.faults !== undefined) && this.refused(by)) {
      if (this.tpFail.enabled) this.tpFail.emit(this.device, gpa, length, direction, by);
      return DMA_MAPPING_ERROR;
    }
    if (gpa + length > this.ram.size) return DMA_MAPPING_ERROR;
    const dma = this.busAddress(gpa, length, direction);
    if (dma === undefined) return DMA_MAPPING_ERROR;
    if (dma + length - 1 > this.mask) return this.overflow(dma, length, by);
    this.mapped++;
    const replaced = this.mappings.find(dma);
    if (replaced >= 0 && this.debug.enabled)
      this.debug.unmapped(this.mappings.gpaAt(replaced), this.mappings.lengthAt(replaced), this.mappings.directionAt(replaced), by);
    this.mappings.add(dma, gpa, length, direction, type, by, this.clock.now());
    const shares = this.debug.enabled && this.debug.mapped(gpa, length, direction);
    // Linux maps nothing for a virtio device without ACCESS_PLATFORM: a receive header may share its line with the data behind it
    if (replaced >= 0 || (shares && !this.bypass))
      this.find('dma-overlap', "cacheline tracking EEXIST, overlapping mappings aren't supported", by, this.lookup(dma));
    this.fresh = dma;
    if (this.tpMap.enabled) this.tpMap.emit(this.device, dma, gpa, length, direction, by);
    return dma;
  }

  private unmap(dma: DmaAddr, length: number, direction: DmaDirection, type: DmaType, by: string): void {
    const { mappings } = this;
    if (dma === DMA_MAPPING_ERROR) return this.find('dma-unmap-invalid', 'device driver tries to free an invalid DMA memory address', by);
    const m = mappings.find(dma);
    if (m < 0) return this.find('dma-unmap-unknown', notAllocated(dma, length), by);
    if (mappings.lengthAt(m) !== length || mappings.typeAt(m) !== type || mappings.directionAt(m) !== direction)
      this.mismatch(mappings.mappingAt(m), length, direction, type, by);
    if (dma === this.fresh || this.unchecked.size > 0) this.checkUnchecked(dma, m, by);
    this.unmapped++;
    if (this.debug.enabled) this.debug.unmapped(mappings.gpaAt(m), mappings.lengthAt(m), mappings.directionAt(m), by);
    this.release(dma, mappings.gpaAt(m), mappings.lengthAt(m));
    mappings.remove(m);
    if (this.tpUnmap.enabled) this.tpUnmap.emit(this.device, dma, length, direction, by);
  }

  private busAddress(gpa: Gpa, length: number, direction: DmaDirection): DmaAddr | undefined {
    if (this.translator === undefined || this.bypass) return gpa as number as DmaAddr;
    return this.translator.map(gpa, length, direction, this.mask);
  }

  /** `dma` differs from `gpa` exactly when a translator gave it: no domain maps a page to itself but one that passes all through. */
  private release(dma: DmaAddr, gpa: number, length: number): void {
    if (this.translator !== undefined && !this.bypass && dma !== gpa) this.translator.unmap(dma, length);
  }

  private mismatch(m: DmaMapping, length: number, direction: DmaDirection, type: DmaType, by: string): void {
    if (m.length !== length) this.find('dma-unmap-size', wrongSize(m, length), by, m);
    if (m.type !== type) this.find('dma-unmap-function', wrongFunction(m, type), by, m);
    if (m.direction !== direction)
      this.find(
        'dma-unmap-direction',
        `device driver frees DMA memory with different direction [device address=${hex16(m.dma)}] [size=${length} bytes] [mapped with ${m.direction}] [unmapped with ${direction}]`,
        by,
        m,
      );
  }

  private checkUnchecked(dma: DmaAddr, slot: number, by: string): void {
    const never = dma === this.fresh;
    if (never) this.fresh = -1;
    if (!this.unchecked.delete(dma) && !never) return;
    const m = this.mappings.mappingAt(slot);
    this.find(
      'dma-map-unchecked',
      `device driver failed to check map error[device address=${hex16(dma)}] [size=${m.length} bytes] [mapped as ${m.type}]`,
      by,
      m,
    );
  }

  private overflow(dma: DmaAddr, length: number, by: string): DmaAddr {
    if (!this.overflowWarned) {
      this.overflowWarned = true;
      this.find('dma-mask', `DMA addr ${hex16(dma)}+${length} overflow (mask ${this.mask.toString(16)}, bus limit 0).`, by);
    }
    return DMA_MAPPING_ERROR;
  }

  private sync(dma: DmaAddr, length: number, direction: DmaDirection, who: 'cpu' | 'device', by: string): void {
    if (this.tpSync.enabled) this.tpSync.emit(this.device, dma, length, direction, who, by);
    const m = this.lookup(dma);
    if (m === undefined)
      return this.find(
        'dma-sync-unknown',
        `device driver tries to sync DMA memory it has not allocated [device address=${hex16(dma)}] [size=${length} bytes]`,
        by,
      );
    const end = dma - m.dma + length;
    if (end > m.length)
      this.find(
        'dma-sync-range',
        `device driver syncs DMA memory outside allocated range [device address=${hex16(dma)}] [allocation size=${m.length} bytes] [sync offset+size=${end}]`,
        by,
        m,
      );
    if (direction === m.direction || m.direction === 'DMA_BIDIRECTIONAL' || direction === 'DMA_BIDIRECTIONAL') return;
    this.find(
      'dma-sync-direction',
      `device driver syncs DMA memory with different direction [device address=${hex16(dma)}] [size=${length} bytes] [mapped with ${m.direction}] [synced with ${direction}]`,
      by,
      m,
    );
  }

  /** Whether this mapping or allocation is one that is to fail. */
  private refused(by: string): boolean {
    if (this.failAfter > 0 && --this.failAfter === 0) return true;
    if (this.faults === undefined || (this.failBy !== '' && this.failBy !== by)) return false;
    return this.faults.strike('dma-map-fail', -1, by) !== undefined;
  }

  private find(rule: DmaRule, text: string, by: string, mapping?: DmaMapping): void {
    const finding: DmaFinding = { time: this.clock.now(), device: this.device, rule, text, by, mapping };
    this.findings.push(finding);
    this.debug.reporter?.dmaFinding(finding);
  }
}

const notAllocated = (dma: number, length: number): string =>
  `device driver tries to free DMA memory it has not allocated [device address=${hex16(dma)}] [size=${length} bytes]`;
const wrongSize = (m: DmaMapping, length: number): string =>
  `device driver frees DMA memory with different size [device address=${hex16(m.dma)}] [map size=${m.length} bytes] [unmap size=${length} bytes]`;
const wrongFunction = (m: DmaMapping, type: DmaType): string =>
  `device driver frees DMA memory with wrong function [device address=${hex16(m.dma)}] [size=${m.length} bytes] [mapped as ${m.type}] [unmapped as ${type}]`;

/** DirectDmaPort's event: an interrupt message that was held back. */
const OP_LATE = 0;

/** Pages needed for `length` bytes, as a power of two (Linux: get_order()). */
function orderOf(length: number): number {
  return Math.max(0, 32 - Math.clz32((Math.max(1, length) - 1) >>> 12));
}

/** A PCI device's port: no IOMMU, bus address = physical address, refused while bus mastering is off. */
export class DirectDmaPort extends ByteMem implements MasterPort, Actor, SelfCloning, SelfHashing {
  busMaster = false;
  masterAbort = false;
  translated = false;
  requester = 0;
  faults: FaultSet | undefined;
  constructor(
    protected readonly ram: Ram,
    private readonly sink: MsiSink,
    private readonly debug?: DmaDebug,
    private readonly sim?: Sim,
  ) {
    super(ram.bytes);
  }

  check(address: number, length: number, write: boolean): DmaFault | undefined {
    if (!this.busMaster) return { address, length, write, reason: 'bus master disabled' };
    if (this.faults?.strike('dma-fault', -1, 'a memory access') !== undefined) return { address, length, write, reason: 'injected' };
    if (!(address >= 0 && address + length <= this.ram.size)) {
      this.masterAbort = true;
      return { address, length, write, reason: 'outside RAM' };
    }
    if (write) this.ram.touch(address + length);
    if (this.debug?.enabled === true) this.debug.deviceAccess(address, length, write);
    return undefined;
  }

  /** The address in memory behind a bus address, -1 when there is none. */
  physical(address: number): number {
    return address >= 0 && address < this.ram.size ? address : -1;
  }

  msi(address: number, data: number): void {
    if (!this.busMaster || address < MSI_BASE || address >= MSI_END) return;
    const { faults, sim } = this;
    if (faults?.interruptsAtPort === true && sim !== undefined) {
      if (faults.strike('lost-interrupt', -1, 'an interrupt message') !== undefined) return;
      const late = faults.strike('late-interrupt', -1, 'an interrupt message');
      if (late !== undefined) {
        sim.after(late.on.value, this, OP_LATE, { address, data });
        return;
      }
    }
    this.sink.msiWrite(address, data);
  }

  /** A message that was held back. */
  onEvent(_op: number, arg: unknown): void {
    const { address, data } = arg as { readonly address: number; readonly data: number };
    if (this.busMaster) this.sink.msiWrite(address, data);
  }

  /** The bytes belong to the RAM: a copy looks at the copied RAM, and the hash counts them once, there. */
  cloneInto(cloner: Cloner): DirectDmaPort {
    const copy = cloner.register(this, Object.create(DirectDmaPort.prototype) as DirectDmaPort);
    return Object.assign(copy, this.clonedFields(cloner));
  }

  protected clonedFields(cloner: Cloner): object {
    const ram = cloner.clone(this.ram);
    return {
      bytes: ram.bytes,
      view: ram.view,
      ram,
      sink: cloner.clone(this.sink),
      debug: cloner.clone(this.debug),
      sim: cloner.clone(this.sim),
      faults: cloner.clone(this.faults),
      busMaster: this.busMaster,
      masterAbort: this.masterAbort,
      translated: this.translated,
      requester: this.requester,
    };
  }

  hashInto(hasher: Hasher): void {
    hasher.add(this.busMaster);
    hasher.add(this.masterAbort);
    hasher.add(this.faults);
  }
}
