// Mappings of one device behind the IOMMU (Linux: drivers/iommu/dma-iommu.c): bus addresses, page-table entries, and when old translations go.
import type { Gpa, DmaAddr, Instant } from '../../base/units.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { TimerList } from '../../kernel/timer.ts';
import type { DmaDirection, DmaTranslator } from '../../platform/dma.ts';
import { VTD_ADDRESS_END, VTD_ENTRY, VTD_LEVELS } from '../../platform/vtd.ts';
import type { Actor } from '../../sim/sim.ts';
import type { IntelIommu } from './intel_iommu.ts';
import { IOVA_PAGE, IovaDomain } from './iova.ts';

/** A PCI device's addresses come from the first 4 GiB while there are any. */
const DMA_32BIT = 0xffffffff;
/** Freed ranges wait for a flush of the whole domain: so many, or so long (ns). */
const IOVA_FQ_SIZE = 256;
const IOVA_FQ_TIMEOUT = 10_000_000;
const ENTRIES = 512;

export class DmarDomain implements DmaTranslator, Actor {
  readonly iovad = new IovaDomain();
  /** Top of the page table; 0 when memory was out. */
  readonly pgd: Gpa;
  /** Pages of the table, to be freed with the domain. */
  private readonly tables: Gpa[] = [];
  /** Freed ranges that a device may still reach: first page and count. */
  private readonly queue: number[] = [];
  private readonly fq_timer = new TimerList(this, 0);

  constructor(
    readonly kernel: Kernel,
    private readonly iommu: IntelIommu,
    readonly id: number,
    /** Translations go at once with the mapping (iommu.strict=1), not in batches. */
    private readonly strict: boolean,
  ) {
    this.pgd = this.table();
  }

  map(gpa: Gpa, length: number, direction: DmaDirection, limit: number): DmaAddr | undefined {
    return this.iommu_dma_map_page(gpa, length, direction, limit);
  }
  unmap(dma: DmaAddr, length: number): void {
    this.iommu_dma_unmap_page(dma, length);
  }

  iommu_dma_map_page(gpa: Gpa, length: number, direction: DmaDirection, limit: number): DmaAddr | undefined {
    const offset = gpa % IOVA_PAGE;
    const pages = Math.ceil((offset + length) / IOVA_PAGE);
    const pfn = this.iommu_dma_alloc_iova(pages, limit);
    if (pfn === undefined) return undefined;
    const rights = (direction === 'DMA_FROM_DEVICE' ? 0 : VTD_ENTRY.READ) | (direction === 'DMA_TO_DEVICE' ? 0 : VTD_ENTRY.WRITE);
    if (!this.__domain_mapping(pfn, gpa - offset, pages, rights)) {
      this.dma_pte_clear_range(pfn, pages);
      this.iovad.free_iova_fast(pfn, pages);
      return undefined;
    }
    this.kernel.charge(this.kernel.platform.costs.iommu_map);
    return (pfn * IOVA_PAGE + offset) as DmaAddr;
  }

  iommu_dma_unmap_page(dma: DmaAddr, length: number): void {
    const offset = dma % IOVA_PAGE;
    const pfn = (dma - offset) / IOVA_PAGE;
    const pages = Math.ceil((offset + length) / IOVA_PAGE);
    this.dma_pte_clear_range(pfn, pages);
    this.kernel.charge(this.kernel.platform.costs.iommu_unmap);
    if (!this.strict) return this.queue_iova(pfn, pages);
    this.flush();
    this.iovad.free_iova_fast(pfn, pages);
  }

  iommu_dma_alloc_iova(pages: number, limit: number): number | undefined {
    const end = Math.min(limit, VTD_ADDRESS_END - 1);
    const low = end > DMA_32BIT ? this.iovad.alloc_iova_fast(pages, Math.floor(DMA_32BIT / IOVA_PAGE)) : undefined;
    return low ?? this.iovad.alloc_iova_fast(pages, Math.floor(end / IOVA_PAGE));
  }

  /** Writes the entries of `pages` pages; false when memory for a table is out. */
  __domain_mapping(pfn: number, physical: number, pages: number, rights: number): boolean {
    const { ram } = this.kernel.platform;
    for (let i = 0; i < pages; i++) {
      const at = this.pfn_to_dma_pte(pfn + i, true);
      if (at === 0) return false;
      ram.setU64(at, physical + i * IOVA_PAGE + rights);
    }
    return true;
  }

  dma_pte_clear_range(pfn: number, pages: number): void {
    const { ram } = this.kernel.platform;
    for (let i = 0; i < pages; i++) {
      const at = this.pfn_to_dma_pte(pfn + i, false);
      if (at !== 0) ram.setU64(at, 0);
    }
  }

  /** Address of a page's entry, 0 when there is no table for it (and none is to be made, or memory is out). */
  pfn_to_dma_pte(pfn: number, make: boolean): number {
    const { ram } = this.kernel.platform;
    let table: number = this.pgd;
    for (let level = VTD_LEVELS; level > 1; level--) {
      const at = table + (Math.floor(pfn / ENTRIES ** (level - 1)) % ENTRIES) * VTD_ENTRY.PTE_BYTES;
      const entry = ram.u64(at);
      if (entry === 0) {
        const fresh = make ? this.table() : 0;
        if (fresh === 0) return 0;
        ram.setU64(at, fresh + (VTD_ENTRY.READ | VTD_ENTRY.WRITE));
        table = fresh;
      } else table = entry - (entry % IOVA_PAGE);
    }
    return table + (pfn % ENTRIES) * VTD_ENTRY.PTE_BYTES;
  }

  queue_iova(pfn: number, pages: number): void {
    this.queue.push(pfn, pages);
    if (this.queue.length >= 2 * IOVA_FQ_SIZE) this.fq_flush_timeout();
    else if (!this.kernel.timers.timer_pending(this.fq_timer))
      this.kernel.timers.mod_timer(this.fq_timer, (this.kernel.now() + IOVA_FQ_TIMEOUT) as Instant);
  }

  onEvent(): void {
    this.fq_flush_timeout();
  }

  /** One flush, and everything that waited for it can be given again. */
  fq_flush_timeout(): void {
    this.kernel.timers.del_timer(this.fq_timer);
    if (this.queue.length === 0) return;
    this.flush();
    for (let i = 0; i < this.queue.length; i += 2) this.iovad.free_iova_fast(this.queue[i], this.queue[i + 1]);
    this.queue.length = 0;
  }

  domain_exit(): void {
    this.fq_flush_timeout();
    for (const table of this.tables) this.kernel.platform.pages.__free_pages(table, 0);
    this.tables.length = 0;
  }

  private flush(): void {
    this.iommu.flush_iotlb_domain(this.id);
  }

  /** A zeroed page. */
  private table(): Gpa {
    const { pages, ram } = this.kernel.platform;
    const page = pages.alloc_pages(0);
    if (page === 0) return page;
    ram.fill(page, 0, IOVA_PAGE);
    this.tables.push(page);
    return page;
  }
}
