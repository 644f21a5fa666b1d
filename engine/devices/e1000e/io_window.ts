// The 82574L's registers through I/O space: an address and a data port (82574L datasheet §10.1.1.5; QEMU: e1000e_io_read()).
import type { MmioTarget } from '../../platform/bus.ts';

const IOADDR = 0;
const IODATA = 4;

export class IoWindow implements MmioTarget {
  private address = 0;

  constructor(
    private readonly registers: MmioTarget,
    private readonly size: number,
  ) {}

  mmioRead(offset: number, size: number): number {
    if (offset === IOADDR) return this.address;
    return offset === IODATA && this.address < this.size ? this.registers.mmioRead(this.address, size) : 0;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    if (offset === IOADDR) this.address = value >>> 0;
    else if (offset === IODATA && this.address < this.size) this.registers.mmioWrite(this.address, size, value);
  }
}
