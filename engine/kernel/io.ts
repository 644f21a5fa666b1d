// Access to device registers from kernel code (Linux: readl(), writel() …): through the bus, at the cost of an MMIO exit.
import type { Kernel } from './kernel.ts';

export class KernelIo {
  /** Accesses so far, for views. */
  reads = 0;
  writes = 0;
  constructor(readonly kernel: Kernel) {}

  readb(address: number): number {
    return this.read(address, 1);
  }
  readw(address: number): number {
    return this.read(address, 2);
  }
  readl(address: number): number {
    return this.read(address, 4);
  }
  writeb(value: number, address: number): void {
    this.write(address, 1, value);
  }
  writew(value: number, address: number): void {
    this.write(address, 2, value);
  }
  writel(value: number, address: number): void {
    this.write(address, 4, value);
  }

  /** An access of 1, 2 or 4 bytes; charges the running CPU before the device sees it. */
  read(address: number, size: number): number {
    this.reads++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.mmio_read);
    return platform.bus.read(address, size);
  }

  write(address: number, size: number, value: number): void {
    this.writes++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.mmio_write);
    platform.bus.write(address, size, value);
  }
}
