// Interrupt messages of QEMU's devices into RAM: where our kernel writes a message's address, the device gets a mailbox's, and the kernel reads its own.
import { MsiCap, MsixCap, MsixEntry, PCI_CAP_ID, PCI_MSIX_BIR, PCI_MSIX_FLAGS, PciCap } from '../../engine/pci/capabilities.ts';
import { ecamOffset, PCI_BAR, PCI_FUNC, PCI_SLOT, PCI_STATUS, PciHeader } from '../../engine/pci/config_space.ts';
import { ECAM_BASE, ECAM_SIZE } from '../../engine/platform/bus.ts';
import type { QtestPipe } from './qtest_pipe.ts';

interface Table {
  readonly devfn: number;
  readonly bir: number;
  readonly offset: number;
  readonly entries: number;
  /** Mailbox slot of the first entry. */
  readonly slot: number;
  /** Address in memory, 0 when the BAR has none. */
  base: number;
}

const SLOTS_OF_BUS = 256;

export class MsiRedirect {
  /** Mailbox slots given out. */
  used = 0;
  /** Message address per slot, as the kernel wrote it. */
  private readonly addresses: Uint32Array;
  private readonly tables: Table[] = [];
  /** Slot of a function's one message, by the address of its register in the ECAM window. */
  private readonly registers = new Map<number, number>();
  private stale = true;

  constructor(
    private readonly qtest: QtestPipe,
    private readonly mailbox: number,
    slots: number,
  ) {
    this.addresses = new Uint32Array(slots);
  }

  /** Finds what the functions on bus 0 have; to be called once they are there. */
  discover(): void {
    for (let devfn = 0; devfn < SLOTS_OF_BUS; devfn++) {
      const config = configOf(devfn);
      if (this.qtest.read(config, 2) === 0xffff) continue;
      if ((this.qtest.read(config + PciHeader.status.offset, 2) & PCI_STATUS.CAP_LIST) === 0) continue;
      for (let at = this.qtest.read(config + PciHeader.capabilities.offset, 1); at !== 0;) {
        const id = this.qtest.read(config + at, 1);
        if (id === PCI_CAP_ID.MSIX) this.add(devfn, config + at);
        else if (id === PCI_CAP_ID.MSI) this.registers.set(config + at + MsiCap.addr_lo.offset, this.used++);
        at = this.qtest.read(config + at + PciCap.cap_next.offset, 1);
      }
    }
  }

  /** The kernel's message address of a slot. */
  address(slot: number): number {
    return this.addresses[slot];
  }

  /** What the kernel is to read at a message's address field; undefined for anything else. */
  read(address: number): number | undefined {
    const slot = this.slotAt(address);
    return slot === undefined ? undefined : this.addresses[slot];
  }

  /** What the device is to get for a value that the kernel writes. */
  write(address: number, size: number, value: number): number {
    const register = address & 0xfff;
    if (isConfig(address) && register < PciHeader.cardbus_cis.offset && register + size > PciHeader.bar0.offset) this.stale = true;
    const slot = this.slotAt(address);
    if (slot === undefined) return value;
    this.addresses[slot] = value;
    // a message without an address keeps none
    return value === 0 ? 0 : this.mailbox + 4 * slot;
  }

  private add(devfn: number, cap: number): void {
    const entries = (this.qtest.read(cap + MsixCap.control.offset, 2) & PCI_MSIX_FLAGS.QSIZE) + 1;
    const table = this.qtest.read(cap + MsixCap.table.offset, 4);
    this.tables.push({ devfn, bir: table & PCI_MSIX_BIR, offset: table & ~PCI_MSIX_BIR, entries, slot: this.used, base: 0 });
    this.used += entries;
  }

  private slotAt(address: number): number | undefined {
    if (isConfig(address)) return this.registers.get(address);
    if (this.stale) this.locate();
    for (const t of this.tables) {
      const at = address - t.base;
      if (t.base === 0 || at < 0 || at >= t.entries * MsixEntry.$size) continue;
      return at % MsixEntry.$size === MsixEntry.addr_lo.offset ? t.slot + Math.floor(at / MsixEntry.$size) : undefined;
    }
    return undefined;
  }

  private locate(): void {
    this.stale = false;
    for (const t of this.tables) {
      const bar = configOf(t.devfn) + PciHeader.bar0.offset + 4 * t.bir;
      const low = this.qtest.read(bar, 4);
      const high = (low & PCI_BAR.MEM_TYPE_64) !== 0 ? this.qtest.read(bar + 4, 4) : 0;
      const base = high * 2 ** 32 + ((low & PCI_BAR.MEM_MASK) >>> 0);
      t.base = base === 0 ? 0 : base + t.offset;
    }
  }
}

const isConfig = (address: number): boolean => address >= ECAM_BASE && address < ECAM_BASE + ECAM_SIZE;

/** Address of a function's configuration space; bus 0. */
export const configOf = (devfn: number): number => ECAM_BASE + ecamOffset(0, PCI_SLOT(devfn), PCI_FUNC(devfn));
