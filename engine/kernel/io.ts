// Access to device registers from kernel code (Linux: readl(), inb(), ioread8() …): through the bus or the port space, at the cost of an exit.
import type { Kernel } from './kernel.ts';

/** A mapped I/O port is this plus its number; addresses below the end are ports, all others memory (Linux: lib/iomap.c). */
export const PIO_OFFSET = 0x10000;
const PIO_END = 0x40000;

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

  inb(port: number): number {
    return this.portRead(port, 1);
  }
  inw(port: number): number {
    return this.portRead(port, 2);
  }
  inl(port: number): number {
    return this.portRead(port, 4);
  }
  outb(value: number, port: number): void {
    this.portWrite(port, 1, value);
  }
  outw(value: number, port: number): void {
    this.portWrite(port, 2, value);
  }
  outl(value: number, port: number): void {
    this.portWrite(port, 4, value);
  }

  /** An access of 1, 2 or 4 bytes to a mapped register, in memory or behind a port; charges the running CPU before the device sees it. */
  read(address: number, size: number): number {
    if (address < PIO_END) return this.portRead(address - PIO_OFFSET, size);
    this.reads++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.mmio_read);
    return platform.bus.read(address, size);
  }

  write(address: number, size: number, value: number): void {
    if (address < PIO_END) return this.portWrite(address - PIO_OFFSET, size, value);
    this.writes++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.mmio_write);
    platform.bus.write(address, size, value);
  }

  private portRead(port: number, size: number): number {
    this.reads++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.pio_read);
    return platform.ports.read(port, size);
  }

  private portWrite(port: number, size: number, value: number): void {
    this.writes++;
    const { platform } = this.kernel;
    platform.cpus.current?.charge(platform.costs.pio_write);
    platform.ports.write(port, size, value);
  }
}
