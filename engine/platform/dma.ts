// The DMA API: every mapping a driver makes is tracked as DMA-API debug does, and a device's port to memory.
import { ByteMem, TOO_LARGE } from '../base/memory.ts';
import { invariant } from '../base/ops.ts';
import type { DmaAddr, Gpa, Instant } from '../base/units.ts';
import type { Cloner, SelfCloning } from '../sim/clone.ts';
import type { Hasher, SelfHashing } from '../sim/hash.ts';
import { event, type TracePoint, type TraceScope } from '../trace/trace.ts';
import { type DmaFault, type MasterPort, MSI_BASE, MSI_END, type MsiSink } from './bus.ts';
import { DmaMappings } from './dma_mappings.ts';
import { PAGE_SIZE, type PageAllocator, type Ram } from './ram.ts';

export type DmaDirection = 'DMA_TO_DEVICE' | 'DMA_FROM_DEVICE' | 'DMA_BIDIRECTIONAL';
/** What dma_map_* returns on failure; test with dma_mapping_error (Linux: DMA_MAPPING_ERROR, all ones). */
const DMA_MAPPING_ERROR = TOO_LARGE as DmaAddr;

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

export interface DmaMapping {
  dma: DmaAddr;
  gpa: Gpa;
  length: number;
  direction: DmaDirection;
  coherent: boolean;
  /** Driver function that made it. */
  by: string;
  since: Instant;
}

/** A misuse of the DMA API, in DMA-API debug's categories. */
export interface DmaFinding {
  readonly time: Instant;
  readonly device: string;
  readonly text: string;
}

/** The DMA mappings of one device. Without an IOMMU the bus address is the physical address. */
export class DmaContext {
  readonly mappings = new DmaMappings();
  readonly findings: DmaFinding[] = [];
  /** Fails the Nth next mapping when > 0 (fault injection); counts down. */
  failAfter = 0;
  mapped = 0;
  unmapped = 0;
  private readonly tpMap: TracePoint;
  private readonly tpUnmap: TracePoint;

  constructor(
    readonly device: string,
    private readonly ram: Ram,
    private readonly pages: PageAllocator,
    private readonly clock: { now(): Instant },
    scope: TraceScope,
  ) {
    this.tpMap = scope.point(DmaMap);
    this.tpUnmap = scope.point(DmaUnmap);
  }

  /** Streaming mapping of `length` bytes at `gpa`; DMA_MAPPING_ERROR on failure. `by` names the driver function. */
  dma_map_single(gpa: Gpa, length: number, direction: DmaDirection, by: string): DmaAddr {
    if (this.failAfter > 0 && --this.failAfter === 0) return DMA_MAPPING_ERROR;
    if (gpa + length > this.ram.size) return DMA_MAPPING_ERROR;
    const dma = gpa as number as DmaAddr;
    this.mapped++;
    const replaced = this.mappings.add(dma, gpa, length, direction, false, by, this.clock.now());
    if (replaced !== undefined) this.find(`cacheline tracking: mapping 0x${dma.toString(16)} overlaps one made by ${replaced}`);
    if (this.tpMap.enabled) this.tpMap.emit(this.device, dma, gpa, length, direction, by);
    return dma;
  }

  dma_mapping_error(dma: DmaAddr): boolean {
    return dma === DMA_MAPPING_ERROR;
  }

  dma_unmap_single(dma: DmaAddr, length: number, direction: DmaDirection, by: string): void {
    const { mappings } = this;
    const m = mappings.find(dma);
    if (m < 0)
      return this.find(
        `device driver tries to free DMA memory it has not allocated [device address=0x${dma.toString(16)}] [size=${length} bytes]`,
      );
    if (mappings.lengthAt(m) !== length)
      this.find(
        `device driver frees DMA memory with different size [device address=0x${dma.toString(16)}] [map size=${mappings.lengthAt(m)} bytes] [unmap size=${length} bytes]`,
      );
    if (mappings.directionAt(m) !== direction)
      this.find(
        `device driver frees DMA memory with different direction [device address=0x${dma.toString(16)}] [size=${length} bytes] [mapped with ${mappings.directionAt(m)}] [unmapped with ${direction}]`,
      );
    this.unmapped++;
    mappings.remove(m);
    if (this.tpUnmap.enabled) this.tpUnmap.emit(this.device, dma, length, direction, by);
  }

  /** Coherent memory is cache-coherent on this platform: the sync calls only check their arguments. */
  dma_sync_single_for_cpu(dma: DmaAddr, length: number): void {
    this.checkSync(dma, length);
  }
  dma_sync_single_for_device(dma: DmaAddr, length: number): void {
    this.checkSync(dma, length);
  }

  /** Zeroed, page-aligned memory shared with the device; undefined when memory is out. */
  dma_alloc_coherent(length: number, by: string): { gpa: Gpa; dma: DmaAddr } | undefined {
    const gpa = this.pages.alloc_pages(orderOf(length));
    if (gpa === 0) return undefined;
    this.ram.fill(gpa, 0, PAGE_SIZE << orderOf(length));
    const dma = gpa as number as DmaAddr;
    this.mappings.add(dma, gpa, length, 'DMA_BIDIRECTIONAL', true, by, this.clock.now());
    if (this.tpMap.enabled) this.tpMap.emit(this.device, dma, gpa, length, 'DMA_BIDIRECTIONAL', by);
    return { gpa, dma };
  }

  dma_free_coherent(length: number, gpa: Gpa, dma: DmaAddr, by: string): void {
    const { mappings } = this;
    const m = mappings.find(dma);
    if (m < 0 || !mappings.coherentAt(m))
      return this.find(`device driver tries to free coherent DMA memory it has not allocated [device address=0x${dma.toString(16)}]`);
    invariant(mappings.lengthAt(m) === length, `dma_free_coherent by ${by}: ${length} bytes, allocated ${mappings.lengthAt(m)}`);
    mappings.remove(m);
    this.pages.__free_pages(gpa, orderOf(length));
    if (this.tpUnmap.enabled) this.tpUnmap.emit(this.device, dma, length, 'DMA_BIDIRECTIONAL', by);
  }

  /** The mapping that covers a bus address. */
  lookup(address: number): DmaMapping | undefined {
    return this.mappings.covering(address);
  }

  /** Mappings still alive, for the leak report after remove. */
  leaks(): DmaMapping[] {
    return this.mappings.values();
  }

  private checkSync(dma: DmaAddr, length: number): void {
    const m = this.lookup(dma);
    if (m === undefined || dma + length > m.dma + m.length)
      this.find(
        `device driver tries to sync DMA memory it has not allocated [device address=0x${dma.toString(16)}] [size=${length} bytes]`,
      );
  }

  private find(text: string): void {
    this.findings.push({ time: this.clock.now(), device: this.device, text });
  }
}

/** Pages needed for `length` bytes, as a power of two (Linux: get_order()). */
function orderOf(length: number): number {
  return Math.max(0, 32 - Math.clz32((Math.max(1, length) - 1) >>> 12));
}

/** A PCI device's port: no IOMMU, bus address = physical address, refused while bus mastering is off. */
export class DirectDmaPort extends ByteMem implements MasterPort, SelfCloning, SelfHashing {
  busMaster = false;
  constructor(
    private readonly ram: Ram,
    private readonly sink: MsiSink,
  ) {
    super(ram.bytes);
  }

  check(address: number, length: number, write: boolean): DmaFault | undefined {
    if (!this.busMaster) return { address, length, write, reason: 'bus master disabled' };
    if (!(address >= 0 && address + length <= this.ram.size)) return { address, length, write, reason: 'outside RAM' };
    if (write) this.ram.touch(address + length);
    return undefined;
  }

  msi(address: number, data: number): void {
    if (this.busMaster && address >= MSI_BASE && address < MSI_END) this.sink.msiWrite(address, data);
  }
  /** The bytes belong to the RAM: a copy looks at the copied RAM, and the hash counts them once, there. */
  cloneInto(cloner: Cloner): DirectDmaPort {
    const copy = cloner.register(this, Object.create(DirectDmaPort.prototype) as DirectDmaPort);
    const ram = cloner.clone(this.ram);
    return Object.assign(copy, { bytes: ram.bytes, view: ram.view, ram, sink: cloner.clone(this.sink), busMaster: this.busMaster });
  }

  hashInto(hasher: Hasher): void {
    hasher.add(this.busMaster);
  }
}
