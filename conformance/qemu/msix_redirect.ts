// Interrupt messages of QEMU's devices into RAM: a table entry that our kernel writes gets a mailbox's address, and shows the kernel its own.
import { MsixCap, MsixEntry, PCI_CAP_ID, PCI_MSIX_BIR, PCI_MSIX_FLAGS, PciCap } from '../../engine/pci/capabilities.ts';
import { ecamOffset, PCI_BAR, PCI_DEVFN, PCI_FUNC, PCI_SLOT, PCI_STATUS, PciHeader } from '../../engine/pci/config_space.ts';
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

export class MsixRedirect {
  /** Mailbox slots given out. */
  used = 0;
  /** Message address per slot, as the kernel wrote it. */
  private readonly addresses: Uint32Array;
  private tables: Table[] = [];
  private stale = true;

  constructor(
    private readonly qtest: QtestPipe,
    private readonly mailbox: number,
    slots: number,
  ) {
    this.addresses = new Uint32Array(slots);
  }

  /** Finds the tables of all functions on bus 0; to be called once the functions are there. */
  discover(): void {
    for (let devfn = 0; devfn < SLOTS_OF_BUS; devfn++) {
      const config = configOf(devfn);
      if (this.qtest.read(config, 2) === 0xffff) continue;
      if ((this.qtest.read(config + PciHeader.status.offset, 2) & PCI_STATUS.CAP_LIST) === 0) continue;
      for (let at = this.qtest.read(config + PciHeader.capabilities.offset, 1); at !== 0;) {
        if (this.qtest.read(config + at, 1) === PCI_CAP_ID.MSIX) this.add(devfn, config + at);
        at = this.qtest.read(config + at + PciCap.cap_next.offset, 1);
      }
    }
  }

  /** The kernel's message address of a slot. */
  address(slot: number): number {
    return this.addresses[slot];
  }

  /** What the kernel is to read at a table entry's address field; undefined for anything else. */
  read(address: number): number | undefined {
    const slot = this.slotAt(address);
    return slot === undefined ? undefined : this.addresses[slot];
  }

  /** What the device is to get for a value that the kernel writes. */
  write(address: number, size: number, value: number): number {
    if (address >= ECAM_BASE && address < ECAM_BASE + ECAM_SIZE) {
      const register = address & 0xfff;
      if (register < PciHeader.cardbus_cis.offset && register + size > PciHeader.bar0.offset) this.stale = true;
      return value;
    }
    const slot = this.slotAt(address);
    if (slot === undefined) return value;
    this.addresses[slot] = value;
    // an entry without a message keeps none
    return value === 0 ? 0 : this.mailbox + 4 * slot;
  }

  private add(devfn: number, cap: number): void {
    const entries = (this.qtest.read(cap + MsixCap.control.offset, 2) & PCI_MSIX_FLAGS.QSIZE) + 1;
    const table = this.qtest.read(cap + MsixCap.table.offset, 4);
    this.tables.push({ devfn, bir: table & PCI_MSIX_BIR, offset: table & ~PCI_MSIX_BIR, entries, slot: this.used, base: 0 });
    this.used += entries;
    this.stale = true;
  }

  private slotAt(address: number): number | undefined {
    if (address >= ECAM_BASE && address < ECAM_BASE + ECAM_SIZE) return undefined;
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

export const configOf = (devfn: number): number => ECAM_BASE + ecamOffset(0, PCI_SLOT(devfn), PCI_FUNC(devfn));
export const SLOT_5 = PCI_DEVFN(5, 0);
