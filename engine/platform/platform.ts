// One machine's board: RAM, allocators, CPUs, interrupt controller, bus. What kernel and devices both stand on.
import type { Sim } from '../sim/sim.ts';
import type { Trace, TraceScope } from '../trace/trace.ts';
import { Apic } from './apic.ts';
import { Bus, type MasterPort } from './bus.ts';
import type { Costs } from './costs.ts';
import { CpuSet } from './cpu.ts';
import { DirectDmaPort, DmaContext } from './dma.ts';
import { PageAllocator, Ram, Slab } from './ram.ts';

export interface PlatformSpec {
  readonly machine: string;
  readonly ramBytes: number;
  readonly cpus: number;
  readonly costs: Costs;
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
  readonly bus = new Bus();
  readonly scope: TraceScope;

  constructor(spec: PlatformSpec, sim: Sim, trace: Trace) {
    this.machine = spec.machine;
    this.sim = sim;
    this.ram = new Ram(spec.ramBytes);
    this.pages = new PageAllocator(this.ram);
    this.slab = new Slab(this.pages, this.ram);
    this.costs = spec.costs;
    this.cpus = new CpuSet(spec.cpus, sim, spec.costs, (clock) => trace.scope(spec.machine, clock));
    this.scope = trace.scopes[trace.scopes.length - 1];
    this.apic = new Apic(this.cpus);
  }

  /** A new device's way to memory and to the interrupt controller. */
  dmaPort(): MasterPort {
    return new DirectDmaPort(this.ram, this.apic);
  }

  /** A DMA context for a device, for its driver. */
  dmaContext(device: string): DmaContext {
    return new DmaContext(device, this.ram, this.pages, this.cpus, this.scope);
  }
}
