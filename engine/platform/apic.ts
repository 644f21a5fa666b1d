// Local APICs as the target of message-signalled interrupts (Intel SDM vol. 3 §11.11): address bits 19:12 = APIC id, data bits 7:0 = vector.
import { MSI_BASE, type MsiSink } from './bus.ts';
import type { CpuSet } from './cpu.ts';

export class Apic implements MsiSink {
  spurious = 0;
  constructor(private readonly cpus: CpuSet) {}

  msiWrite(address: number, data: number): void {
    const cpu = this.cpus.list[(address >>> 12) & 0xff];
    if (cpu === undefined) this.spurious++;
    else cpu.interrupt(data & 0xff);
  }

  /** The message that raises `vector` on `cpu`. */
  static message(cpu: number, vector: number): { address: number; data: number } {
    return { address: (MSI_BASE | (cpu << 12)) >>> 0, data: vector };
  }
}
