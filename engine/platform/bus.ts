// The machine's physical address space beyond RAM: memory-mapped regions, and the interrupt messages devices write.
import type { Mem } from '../base/memory.ts';
import type { FaultSet } from '../sim/faults.ts';

/** A block of registers. `offset` is from the region's start; `size` is 1, 2, 4 or 8 bytes. */
export interface MmioTarget {
  mmioRead(offset: number, size: number): number;
  mmioWrite(offset: number, size: number, value: number): void;
}

export interface Region {
  readonly base: number;
  readonly size: number;
  readonly target: MmioTarget;
  readonly name: string;
}

/** Where MSI writes land: Intel SDM vol. 3 §11.11, 0xFEExxxxx. */
export const MSI_BASE = 0xfee00000;
export const MSI_END = 0xfef00000;
/** q35's ECAM window (QEMU). */
export const ECAM_BASE = 0xb0000000;
export const ECAM_SIZE = 0x10000000;

export interface MsiSink {
  /** A 32-bit write of `data` to `address` in the MSI window. */
  msiWrite(address: number, data: number): void;
}

/** Routes CPU accesses to device registers. An access nobody answers reads all ones, as on PCI. */
export class Bus {
  readonly regions: Region[] = [];
  private last: Region | undefined;

  map(region: Region): void {
    this.regions.push(region);
    this.last = undefined;
  }

  unmap(target: MmioTarget, base: number): void {
    const i = this.regions.findIndex((r) => r.target === target && r.base === base);
    if (i >= 0) this.regions.splice(i, 1);
    this.last = undefined;
  }

  find(address: number): Region | undefined {
    const last = this.last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    for (const r of this.regions) {
      if (address >= r.base && address < r.base + r.size) {
        this.last = r;
        return r;
      }
    }
    return undefined;
  }

  read(address: number, size: number): number {
    const r = this.find(address);
    return r === undefined ? (size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff) : r.target.mmioRead(address - r.base, size);
  }

  write(address: number, size: number, value: number): void {
    const r = this.find(address);
    if (r !== undefined) r.target.mmioWrite(address - r.base, size, value);
  }
}

/** Why a device's access failed. */
export interface DmaFault {
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
  readonly reason: 'outside RAM' | 'bus master disabled' | 'not mapped' | 'read-only mapping' | 'injected';
}

/**
 * A device's only way to memory: its bus address space. Check a guest-given range once with `check`, then access it with the `Mem` methods
 * (an unchecked access outside RAM reads all ones and drops writes, as a PCI master abort does).
 */
export interface DmaPort extends Mem {
  /** Faults injected into the device behind the port; absent while there are none. */
  readonly faults?: FaultSet | undefined;
  /** undefined when the whole range may be accessed in this direction. */
  check(address: number, length: number, write: boolean): DmaFault | undefined;
  /** Posts a message-signalled interrupt: a memory write that the platform routes to the interrupt controller. */
  msi(address: number, data: number): void;
}

/** A PCI function's port; closed to memory and interrupts until its COMMAND register says otherwise. */
export interface MasterPort extends DmaPort {
  /** Command register bit 2, kept by the PCI function (PCI 3.0 §6.2.2). */
  busMaster: boolean;
  faults?: FaultSet | undefined;
  /** A request went where nobody answers, since a function last looked (PCI 3.0 §6.2.3, Received Master Abort). */
  masterAbort?: boolean;
  /** Requests go through the machine's IOMMU while that is on. A device may choose; without an IOMMU it means nothing. */
  translated?: boolean;
  /** Bus and function number that requests bear, set where the function is plugged. */
  requester?: number;
  /** The address in guest memory behind a bus address, -1 when there is none; for views. */
  physical?(address: number): number;
}
