// A board whose RAM is QEMU's RAM file and whose buses are QEMU's, reached by qtest: our kernel and its drivers find QEMU's devices on it.
import { readSync, writeSync } from 'node:fs';
import type { Gpa } from '../../engine/base/units.ts';
import type { MmioTarget } from '../../engine/platform/bus.ts';
import { defaultCosts } from '../../engine/platform/costs.ts';
import { IOAPIC_BASE, IOAPIC_SIZE } from '../../engine/platform/ioapic.ts';
import { Platform } from '../../engine/platform/platform.ts';
import { VTD_BASE } from '../../engine/platform/vtd.ts';
import type { Sim } from '../../engine/sim/sim.ts';
import type { Trace } from '../../engine/trace/trace.ts';
import { FileRam } from './file_ram.ts';
import { MsiRedirect } from './msi_redirect.ts';
import type { QtestPipe } from './qtest_pipe.ts';

export const BOARD_RAM_BYTES = 32 << 20;
/** Video memory, option ROMs and firmware of a PC: the chipset maps no RAM here (ICH9 and Q35 datasheets: PAM registers). */
const HOLE = [0xa0000, 0x100000] as const;
const PAGE = 4096;
const MAILBOX = BOARD_RAM_BYTES - PAGE;
/** Everything above RAM that is not this board's own. */
const END = 2 ** 40;

class QemuPorts implements MmioTarget {
  constructor(private readonly qtest: QtestPipe) {}
  mmioRead(offset: number, size: number): number {
    return this.qtest.in(offset, size);
  }
  mmioWrite(offset: number, size: number, value: number): void {
    this.qtest.out(offset, size, value);
  }
}

class QemuMemory implements MmioTarget {
  constructor(
    private readonly base: number,
    private readonly qtest: QtestPipe,
    private readonly redirect: MsiRedirect,
  ) {}
  mmioRead(offset: number, size: number): number {
    const address = this.base + offset;
    return this.redirect.read(address) ?? this.qtest.read(address, size);
  }
  mmioWrite(offset: number, size: number, value: number): void {
    const address = this.base + offset;
    this.qtest.write(address, size, this.redirect.write(address, size, value));
  }
}

export class QemuBoard extends Platform {
  readonly redirect: MsiRedirect;
  private readonly mailbox = new Uint8Array(PAGE);
  private readonly words = new DataView(this.mailbox.buffer);

  constructor(
    name: string,
    spec: { readonly cpus: number; readonly iommu: boolean },
    sim: Sim,
    trace: Trace,
    private readonly ramFd: number,
    private readonly qtest: QtestPipe,
  ) {
    super({ machine: name, ramBytes: BOARD_RAM_BYTES, costs: defaultCosts(), ...spec }, sim, trace, new FileRam(BOARD_RAM_BYTES, ramFd));
    // the unit that our kernel finds is QEMU's
    if (this.iommu !== undefined) this.bus.unmap(this.iommu, VTD_BASE);
    this.pages.reserve(HOLE[0] as Gpa, HOLE[1] as Gpa);
    this.pages.reserve(MAILBOX as Gpa, BOARD_RAM_BYTES as Gpa);
    this.redirect = new MsiRedirect(qtest, MAILBOX, PAGE / 4);
    this.ports.map({ base: 0, size: 0x10000, target: new QemuPorts(qtest), name: 'QEMU ports' });
    // the I/O APIC between them is this board's own
    for (const [base, end] of [
      [BOARD_RAM_BYTES, IOAPIC_BASE],
      [IOAPIC_BASE + IOAPIC_SIZE, END],
    ])
      this.bus.map({ base, size: end - base, target: new QemuMemory(base, qtest, this.redirect), name: 'QEMU memory' });
    qtest.onIrq = (line, level) => this.ioapic.setPin(line, level);
  }

  /** Hands on interrupts that QEMU's devices raised since the last call; how many messages there were. */
  poll(): number {
    this.qtest.poll();
    const { used } = this.redirect;
    if (used === 0) return 0;
    readSync(this.ramFd, this.mailbox, 0, 4 * used, MAILBOX);
    let n = 0;
    for (let slot = 0; slot < used; slot++) {
      const data = this.words.getUint32(4 * slot, true);
      if (data === 0) continue;
      // taken first: what the device raises from here on is a new interrupt
      writeSync(this.ramFd, ZERO, 0, 4, MAILBOX + 4 * slot);
      this.apic.msiWrite(this.redirect.address(slot), data);
      n++;
    }
    return n;
  }
}

const ZERO = new Uint8Array(4);
