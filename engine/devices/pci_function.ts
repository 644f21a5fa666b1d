// A PCI function: configuration space with access words, base address registers, capability list, MSI-X.
import type { Field } from '../base/layout.ts';
import { ByteMem } from '../base/memory.ts';
import { invariant } from '../base/ops.ts';
import {
  MsiCap,
  msiLayout,
  MsixCap,
  PCI_CAP_ID,
  PCI_MSI_FLAGS,
  PCI_MSIX_FLAGS,
  PCI_PM_CTRL,
  PciCap,
  PciPmCap,
} from '../pci/capabilities.ts';
import {
  PCI_BAR,
  PCI_BASE_ADDRESS_0,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_ROM_ADDRESS,
  PCI_ROM_ADDRESS_ENABLE,
  PCI_STATUS,
  PciHeader,
} from '../pci/config_space.ts';
import type { Bus, MasterPort, MmioTarget } from '../platform/bus.ts';
import type { TraceScope } from '../trace/trace.ts';
import { Msi, type MsiSpec } from './msi.ts';
import type { Msix } from './msix.ts';

/** What software may do to a register: read; read and write; read and write ones to clear. */
export type Access = 'ro' | 'rw' | 'w1c';
interface Register {
  readonly field: Field;
  readonly access: Access;
  /** Bits the access word is about; the others are read-only. */
  readonly mask: number;
}
const reg = (field: Field, access: Access, mask = 0xffffffff): Register => ({ field, access, mask });

/** The writable registers of the type 0 header (PCI 3.0 §6.2); all else is read-only, the latency timer too (QEMU: pci_init_wmask()). BARs are added with their sizes. */
const HEADER: readonly Register[] = [
  reg(
    PciHeader.command,
    'rw',
    PCI_COMMAND.IO | PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER | PCI_COMMAND.PARITY | PCI_COMMAND.SERR | PCI_COMMAND.INTX_DISABLE,
  ),
  reg(PciHeader.status, 'w1c', 0xf900),
  reg(PciHeader.cache_line_size, 'rw'),
  reg(PciHeader.interrupt_line, 'rw'),
];

export type BarKind = 'io' | 'mem32' | 'mem64';
/** One base address register. Index 6 is the expansion ROM. */
export interface Bar {
  readonly index: number;
  readonly kind: BarKind;
  readonly prefetchable: boolean;
  /** Bytes, a power of two. */
  readonly size: number;
  /** undefined: decoded, but nothing answers (reads give ones). */
  readonly target: MmioTarget | undefined;
  /** Where it is mapped on the bus now, -1 when it is not. */
  mapped: number;
}
export const ROM_BAR = 6;
const PCI_D3HOT = 3;

export interface PciIds {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystemId: number;
  /** Class, subclass and programming interface, 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  /** 1 is INTA#, 0 none. */
  readonly interruptPin: number;
  /** The function has the extended configuration space of PCI Express. QEMU's NICs on the root bus do not. */
  readonly express?: boolean;
}

/** What a device model does beyond the generic function. */
export interface PciFunctionHooks {
  /** Before a read is answered: may refresh configuration bytes. */
  configReading(offset: number, size: number): void;
  /** After a write took effect. */
  configWritten(offset: number, size: number): void;
  /** The function was taken out of its slot. */
  unplugged(): void;
}

/** Where a function sits: the spaces its BARs answer in, and what its interrupt pin is wired to. */
export interface PciPlace {
  readonly bus: Bus;
  readonly ports: Bus;
  /** Bus number in the high byte, device and function in the low: who its requests are from. */
  readonly requester: number;
  /** The function's INTx# line changes; pin 1 is INTA#. */
  intx(pin: number, asserted: boolean): void;
}

export class PciFunction {
  /** Configuration space that answers: 256 bytes, or 4096 of a PCI Express function; beyond it reads give ones. */
  readonly config: ByteMem;
  readonly bars: Bar[] = [];
  msix: Msix | undefined;
  msi: Msi | undefined;
  hooks: PciFunctionHooks | undefined;
  private readonly writable: Uint8Array;
  private readonly clearable: Uint8Array;
  private msixAt = 0;
  private powerAt = 0;
  /** Power state as last written; D0 is 0. */
  private power = 0;
  private place: PciPlace | undefined;
  /** The device asks for an interrupt; whether the pin shows it, COMMAND decides. */
  private interrupt = false;
  private asserted = false;

  constructor(
    /** For traces: 'virtio-net-pci 00:01.0'. */
    readonly name: string,
    ids: PciIds,
    /** undefined for a function that never masters the bus. */
    readonly port: MasterPort | undefined,
  ) {
    const size = ids.express === true ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE;
    this.config = new ByteMem(new Uint8Array(size));
    this.writable = new Uint8Array(size);
    this.clearable = new Uint8Array(size);
    const c = this.config;
    PciHeader.vendor.set(c, 0, ids.vendor);
    PciHeader.device.set(c, 0, ids.device);
    PciHeader.subsystem_vendor.set(c, 0, ids.subsystemVendor);
    PciHeader.subsystem_id.set(c, 0, ids.subsystemId);
    PciHeader.class.set(c, 0, ids.classCode >>> 16);
    PciHeader.subclass.set(c, 0, (ids.classCode >>> 8) & 0xff);
    PciHeader.prog_if.set(c, 0, ids.classCode & 0xff);
    PciHeader.revision.set(c, 0, ids.revision);
    PciHeader.interrupt_pin.set(c, 0, ids.interruptPin);
    for (const r of HEADER) this.allow(r.field.offset, r.field.size, r.access, r.mask);
  }

  /** Declares a register's access word; for capabilities. */
  allow(offset: number, size: number, access: Access, mask = 0xffffffff): void {
    const into = access === 'rw' ? this.writable : this.clearable;
    if (access !== 'ro') for (let i = 0; i < size; i++) into[offset + i] |= (mask >>> (8 * i)) & 0xff;
  }

  addBar(index: number, kind: BarKind, size: number, target: MmioTarget | undefined, prefetchable = false): void {
    invariant((size & (size - 1)) === 0 && size >= 4, `BAR ${index}: ${size} is not a power of two`);
    this.bars.push({ index, kind, prefetchable, size, target, mapped: -1 });
    const at = barOffset(index);
    const flags =
      kind === 'io'
        ? PCI_BAR.SPACE_IO
        : (kind === 'mem64' ? PCI_BAR.MEM_TYPE_64 : 0) | (prefetchable && index !== ROM_BAR ? PCI_BAR.MEM_PREFETCH : 0);
    this.config.setU32(at, flags);
    this.allow(at, 4, 'rw', index === ROM_BAR ? (-size | PCI_ROM_ADDRESS_ENABLE) >>> 0 : -size >>> 0);
    if (kind === 'mem64') this.allow(at + 4, 4, 'rw');
  }

  /** Puts a capability at `offset`, before those added earlier; returns where it lies (QEMU: pci_add_capability). */
  addCapability(id: number, offset: number): number {
    PciCap.cap_id.set(this.config, offset, id);
    PciCap.cap_next.set(this.config, offset, PciHeader.capabilities.get(this.config, 0));
    PciHeader.capabilities.set(this.config, 0, offset);
    if (id === PCI_CAP_ID.PM) this.powerAt = offset;
    PciHeader.status.set(this.config, 0, PciHeader.status.get(this.config, 0) | PCI_STATUS.CAP_LIST);
    return offset;
  }

  /** MSI-X with table and pending bits in a BAR of its own. */
  addMsix(offset: number, bar: number, msix: Msix): void {
    this.addCapability(PCI_CAP_ID.MSIX, offset);
    MsixCap.control.set(this.config, offset, msix.vectors - 1);
    MsixCap.table.set(this.config, offset, bar);
    MsixCap.pba.set(this.config, offset, msix.layout.pbaOffset | bar);
    this.allow(offset + MsixCap.control.offset, 2, 'rw', PCI_MSIX_FLAGS.ENABLE | PCI_MSIX_FLAGS.MASKALL);
    this.addBar(bar, 'mem32', msix.layout.barSize, msix);
    this.msix = msix;
    this.msixAt = offset;
  }

  /** MSI; the function must be able to master the bus. */
  addMsi(offset: number, spec: MsiSpec, scope: TraceScope): Msi {
    invariant(this.port !== undefined, `${this.name} cannot send messages`);
    this.addCapability(PCI_CAP_ID.MSI, offset);
    const msi = new Msi(this.name, spec, this.config, offset, this.port, scope);
    const at = msiLayout(spec.wide, spec.maskable);
    const enabled = PCI_MSI_FLAGS.LOG2_MASK << PCI_MSI_FLAGS.ENABLED_SHIFT;
    this.allow(offset + MsiCap.control.offset, 2, 'rw', PCI_MSI_FLAGS.ENABLE | (spec.vectors > 1 ? enabled : 0));
    this.allow(offset + MsiCap.addr_lo.offset, 4, 'rw', 0xfffffffc);
    if (spec.wide) this.allow(offset + MsiCap.addr_lo.offset + 4, 4, 'rw');
    this.allow(offset + at.data, 2, 'rw');
    if (spec.maskable) this.allow(offset + at.mask, 4, 'rw', 2 ** spec.vectors - 1);
    this.msi = msi;
    return msi;
  }

  configRead(offset: number, size: number): number {
    if (offset + size > this.config.bytes.length) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
    this.hooks?.configReading(offset, size);
    if (this.port?.masterAbort === true) this.noteMasterAbort(this.port);
    return size === 1 ? this.config.u8(offset) : size === 2 ? this.config.u16(offset) : this.config.u32(offset);
  }

  private noteMasterAbort(port: MasterPort): void {
    port.masterAbort = false;
    PciHeader.status.set(this.config, 0, PciHeader.status.get(this.config, 0) | PCI_STATUS.REC_MASTER_ABORT);
  }

  configWrite(offset: number, size: number, value: number): void {
    if (offset + size > this.config.bytes.length) return;
    const b = this.config.bytes;
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      const v = (value >>> (8 * i)) & 0xff;
      b[at] = (b[at] & ~this.writable[at] & ~(v & this.clearable[at])) | (v & this.writable[at]);
    }
    if (this.powerAt !== 0) this.followPower();
    this.update();
    if (this.msix !== undefined && offset < this.msixAt + 4 && offset + size > this.msixAt + 2)
      this.msix.setControl(MsixCap.control.get(this.config, this.msixAt));
    if (this.msi !== undefined && offset < this.msi.offset + this.msi.size && offset + size > this.msi.offset) this.msi.written();
    if (this.interrupt) this.updatePin();
    this.hooks?.configWritten(offset, size);
  }

  /** The function's place in the machine; undefined takes it out, and its BARs with it. */
  plug(place: PciPlace | undefined): void {
    if (place === undefined) {
      for (const bar of this.bars) this.mapBar(bar, -1);
      this.softReset();
    }
    this.place = place;
    if (this.port !== undefined && place !== undefined) this.port.requester = place.requester;
    this.update();
  }

  /** The device's line interrupt, level-sensitive: STATUS shows it, and the pin does unless COMMAND.INTX_DISABLE is set (PCI 3.0 §6.2.2, §6.2.3). */
  setInterrupt(level: boolean): void {
    if (level === this.interrupt) return;
    this.interrupt = level;
    const status = PciHeader.status.get(this.config, 0);
    PciHeader.status.set(this.config, 0, level ? status | PCI_STATUS.INTERRUPT : status & ~PCI_STATUS.INTERRUPT);
    this.updatePin();
  }

  /** Address a BAR is programmed to, whether or not decoding is on. */
  barAddress(bar: Bar): number {
    const at = barOffset(bar.index);
    const low = this.config.u32(at);
    if (bar.kind === 'io') return (low & PCI_BAR.IO_MASK) >>> 0;
    if (bar.index === ROM_BAR) return (low & ~0x7ff) >>> 0;
    return ((low & PCI_BAR.MEM_MASK) >>> 0) + (bar.kind === 'mem64' ? this.config.u32(at + 4) * 0x100000000 : 0);
  }

  /** Follows COMMAND and the BARs: bus mastering, and which regions answer where. */
  private update(): void {
    // PCI Power Management 1.2 §5.4.1: below D0 a function answers in configuration space only, and starts nothing
    const command = this.power === 0 ? PciHeader.command.get(this.config, 0) : 0;
    if (this.port !== undefined) this.port.busMaster = (command & PCI_COMMAND.MASTER) !== 0;
    if (this.place === undefined) return;
    for (const bar of this.bars) {
      if (bar.target === undefined) continue;
      const address = this.barAddress(bar);
      this.mapBar(bar, this.decodes(bar, command, address) ? address : -1);
    }
    this.updatePin();
  }

  /** A register that is 0, or whose top is the end of its space (as while it is sized), answers nowhere (QEMU: pci_bar_address()). */
  private decodes(bar: Bar, command: number, address: number): boolean {
    if (bar.kind === 'io') return (command & PCI_COMMAND.IO) !== 0 && address !== 0 && address + bar.size - 1 < 0xffff;
    if (bar.index === ROM_BAR && (this.config.u32(PCI_ROM_ADDRESS) & PCI_ROM_ADDRESS_ENABLE) === 0) return false;
    return (command & PCI_COMMAND.MEMORY) !== 0 && address !== 0 && address + bar.size - 1 !== 0xffffffff && address < 2 ** 52;
  }

  /** PCI 3.0 §6.8.1.3, §6.8.2.3: with messages enabled the function does not use its pin. */
  private updatePin(): void {
    const messages = this.msix?.enabled === true || this.msi?.enabled === true;
    const on = this.interrupt && !messages && (PciHeader.command.get(this.config, 0) & PCI_COMMAND.INTX_DISABLE) === 0;
    const pin = PciHeader.interrupt_pin.get(this.config, 0);
    if (on === this.asserted || pin === 0) return;
    this.asserted = on;
    this.place?.intx(pin, on);
  }

  /** PCI Power Management 1.2 §5.4: going from D3hot to D0 resets a function that does not keep its state (No_Soft_Reset clear). */
  private followPower(): void {
    const control = PciPmCap.control.get(this.config, this.powerAt);
    const state = control & PCI_PM_CTRL.STATE_MASK;
    if (state === this.power) return;
    const wakes = this.power === PCI_D3HOT && state === 0 && (control & PCI_PM_CTRL.NO_SOFT_RESET) === 0;
    this.power = state;
    if (wakes) this.softReset();
  }

  /** What a function reset does to configuration space: decoding and mastering off, no addresses, no messages (PCI 3.0 §4.3.1). */
  private softReset(): void {
    PciHeader.command.set(this.config, 0, 0);
    if (this.powerAt !== 0)
      PciPmCap.control.set(this.config, this.powerAt, PciPmCap.control.get(this.config, this.powerAt) & ~PCI_PM_CTRL.STATE_MASK);
    this.power = 0;
    for (const bar of this.bars) {
      const at = barOffset(bar.index);
      const flags = bar.index === ROM_BAR ? 0 : this.config.u32(at) & (bar.kind === 'io' ? PCI_BAR.SPACE_IO : ~PCI_BAR.MEM_MASK);
      this.config.setU32(at, flags >>> 0);
      if (bar.kind === 'mem64') this.config.setU32(at + 4, 0);
    }
    this.resetMessages();
    this.hooks?.unplugged();
    this.setInterrupt(false);
  }

  private resetMessages(): void {
    this.msi?.reset();
    if (this.msix === undefined) return;
    MsixCap.control.set(this.config, this.msixAt, this.msix.vectors - 1);
    this.msix.reset();
  }

  private mapBar(bar: Bar, address: number): void {
    if (bar.mapped === address || bar.target === undefined || this.place === undefined) return;
    const space = bar.kind === 'io' ? this.place.ports : this.place.bus;
    if (bar.mapped >= 0) space.unmap(bar.target, bar.mapped);
    if (address >= 0) space.map({ base: address, size: bar.size, target: bar.target, name: `${this.name} BAR ${bar.index}` });
    bar.mapped = address;
  }
}

/** Where a BAR lies in configuration space. */
export const barOffset = (index: number): number => (index === ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index);
