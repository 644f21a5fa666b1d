// Local APICs as the target of message-signalled interrupts (Intel SDM vol. 3 §11.11): address bits 19:12 = destination, data bits 7:0 = vector.
import { MSI_BASE, type MsiSink } from './bus.ts';
import type { CpuSet } from './cpu.ts';

/** Intel SDM vol. 3 §11.11.1: destination mode. */
export const MSI_ADDR_LOGICAL = 0x4;

/** An I/O APIC as a local APIC sees it. */
interface EoiSink {
  eoi(vector: number): void;
}

export class Apic implements MsiSink {
  spurious = 0;
  /** Who hears the ends of interrupts. */
  ioapic: EoiSink | undefined;
  constructor(private readonly cpus: CpuSet) {}

  msiWrite(address: number, data: number): void {
    this.deliver((address >>> 12) & 0xff, (address & MSI_ADDR_LOGICAL) !== 0, data & 0xff);
  }

  /** The running CPU ends its interrupt; for a level-triggered one the I/O APIC hears of it (Intel SDM vol. 3 §11.8.5). */
  eoi(): void {
    const cpu = this.cpus.current;
    if (cpu !== undefined) this.ioapic?.eoi(cpu.inService);
  }

  /** A logical destination is a mask in the flat model (Intel SDM vol. 3 §11.6.2.2); the lowest CPU of it takes the interrupt. */
  deliver(destination: number, logical: boolean, vector: number): void {
    const cpu = this.cpus.list[logical ? 31 - Math.clz32(destination & -destination) : destination];
    if (cpu === undefined) this.spurious++;
    else cpu.interrupt(vector);
  }

  /** The message that raises `vector` on `cpu`. */
  static message(cpu: number, vector: number): { address: number; data: number } {
    return { address: (MSI_BASE | (cpu << 12)) >>> 0, data: vector };
  }
}
