// One machine's board: RAM, allocators, CPUs, interrupt controller, bus. What kernel and devices both stand on.
import type { Sim } from '../sim/sim.ts';
import type { Trace, TraceScope } from '../trace/trace.ts';
import { Apic } from './apic.ts';
import { Bus, type MasterPort } from './bus.ts';
import type { Costs } from './costs.ts';
import { CpuSet } from './cpu.ts';
import { DirectDmaPort, DmaContext } from './dma.ts';
import { Iommu } from './iommu.ts';
import { IommuDmaPort } from './iommu_port.ts';
import { IoApic, IOAPIC_BASE, IOAPIC_SIZE } from './ioapic.ts';
import { DmaDebug } from './dma_debug.ts';
import { PageAllocator, Ram, Slab } from './ram.ts';
import { VTD_BASE, VTD_SIZE } from './vtd.ts';

export interface PlatformSpec {
  readonly machine: string;
  readonly ramBytes: number;
  readonly cpus: number;
  readonly costs: Costs;
  /** The board has an IOMMU. */
  readonly iommu?: boolean;
}

export class Platform {
  readonly machine: string;
  readonly sim: Sim;
  readonly ram: Ram;
  readonly pages: PageAllocator;
  readonly slab: Slab;
  readonly costs: Costs;
  readonly cpus: CpuSet;
  readonly apic: Apic;
  readonly ioapic: IoApic;
  readonly bus = new Bus();
  /** I/O port space, 64 KiB. */
  readonly ports = new Bus();
  readonly scope: TraceScope;
  /** The DMA-remapping unit of a board that has one; ACPI's DMAR table says where its registers are. */
  readonly iommu: Iommu | undefined;
  /** What is known of all devices' mappings; the kernel switches it on. */
  readonly dmaDebug: DmaDebug;

  /** `ram` is given where it is not this program's own: a file that another program maps. */
  constructor(spec: PlatformSpec, sim: Sim, trace: Trace, ram = new Ram(spec.ramBytes)) {
    this.machine = spec.machine;
    this.sim = sim;
    this.ram = ram;
    this.pages = new PageAllocator(this.ram);
    this.slab = new Slab(this.pages, this.ram);
    this.costs = spec.costs;
    this.cpus = new CpuSet(spec.cpus, sim, spec.costs, (clock) => trace.scope(spec.machine, clock));
    this.scope = trace.scopes[trace.scopes.length - 1];
    this.dmaDebug = new DmaDebug(spec.ramBytes, this.cpus);
    this.apic = new Apic(this.cpus);
    this.ioapic = this.apic.ioapic = new IoApic(this.apic, this.scope);
    this.bus.map({ base: IOAPIC_BASE, size: IOAPIC_SIZE, target: this.ioapic, name: 'ioapic' });
    this.iommu = spec.iommu === true ? new Iommu(this.ram, this.apic, this.scope) : undefined;
    if (this.iommu !== undefined) this.bus.map({ base: VTD_BASE, size: VTD_SIZE, target: this.iommu, name: 'intel-iommu' });
  }

  /** A new device's way to memory and to the interrupt controller. */
  dmaPort(): MasterPort {
    if (this.iommu !== undefined) return new IommuDmaPort(this.ram, this.apic, this.dmaDebug, this.sim, this.iommu);
    return new DirectDmaPort(this.ram, this.apic, this.dmaDebug, this.sim);
  }

  /** A DMA context for a device, for its driver. */
  dmaContext(device: string): DmaContext {
    return new DmaContext(device, this.ram, this.pages, this.cpus, this.scope, this.dmaDebug);
  }
}
