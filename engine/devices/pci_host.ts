// q35's host bridge: the ECAM window onto bus 0, its function slots, and hot plug.
import { invariant } from '../base/ops.ts';
import { PCI_DEVFN, PCI_FUNC, PCI_SLOT } from '../pci/config_space.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID, QEMU_SUBSYSTEM } from '../pci/ids.ts';
import { type Bus, ECAM_BASE, ECAM_SIZE, type MmioTarget } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import type { TracePoint } from '../trace/trace.ts';
import { assignResources } from './pci_firmware.ts';
import { PciFunction, type PciPlace } from './pci_function.ts';
import { PciCfgRead, PciCfgWrite } from './trace.ts';

const board = (name: string, device: number, classCode: number, revision: number, interruptPin: number): PciFunction =>
  new PciFunction(
    name,
    {
      vendor: PCI_VENDOR_ID.INTEL,
      device,
      classCode,
      revision,
      interruptPin,
      subsystemVendor: QEMU_SUBSYSTEM.VENDOR,
      subsystemId: QEMU_SUBSYSTEM.DEVICE,
    },
    undefined,
  );

/** Pins of the I/O APIC behind the chipset's interrupt lines A to H (QEMU: ich9_gsi_handler()). */
const GSI_A = 16;
const GSI_E = 20;
/** Slots from here on are the chipset's own, wired straight (ICH9 datasheet §10.1.42); below, INTA# rotates over lines E to H by slot. */
const FIRST_CHIPSET_SLOT = 25;

/** I/O APIC pin behind a function's INTx# (1 is INTA#). */
const gsiOf = (devfn: number, pin: number): number =>
  PCI_SLOT(devfn) < FIRST_CHIPSET_SLOT ? GSI_E + ((PCI_SLOT(devfn) + pin - 1) & 3) : GSI_A + ((pin - 1) & 3);

/** A slot of bus 0. */
class HostSlot implements PciPlace {
  constructor(
    private readonly platform: Platform,
    private readonly devfn: number,
  ) {}
  get bus(): Bus {
    return this.platform.bus;
  }
  get ports(): Bus {
    return this.platform.ports;
  }
  intx(pin: number, asserted: boolean): void {
    this.platform.ioapic.setPin(gsiOf(this.devfn, pin), asserted);
  }
}

/**
 * `new PciHost(platform)`, then `addFunction(PCI_DEVFN(1, 0), nic.fn)` per device, then `firmware()` once: the guest sees assigned BARs.
 * Later `addFunction`/`removeFunction` are hot plug; a function added after `firmware()` gets its addresses at once, as ACPI hot plug leaves it.
 */
export class PciHost implements MmioTarget {
  /** By devfn, bus 0. */
  readonly functions = new Map<number, PciFunction>();
  private booted = false;
  private readonly tpRead: TracePoint;
  private readonly tpWrite: TracePoint;

  constructor(private readonly platform: Platform) {
    this.tpRead = platform.scope.point(PciCfgRead);
    this.tpWrite = platform.scope.point(PciCfgWrite);
    this.addChipset();
    platform.bus.map({ base: ECAM_BASE, size: ECAM_SIZE, target: this, name: 'pcie-mmcfg-mmio' });
  }

  addFunction(devfn: number, fn: PciFunction): void {
    invariant(!this.functions.has(devfn), `PCI slot ${PCI_SLOT(devfn)}.${PCI_FUNC(devfn)} is taken`);
    this.functions.set(devfn, fn);
    fn.plug(new HostSlot(this.platform, devfn));
    if (this.booted) assignResources(this.functions);
  }

  removeFunction(devfn: number): void {
    const fn = this.functions.get(devfn);
    if (fn === undefined) return;
    fn.plug(undefined);
    this.functions.delete(devfn);
  }

  /** First device number without a function, from 1 on; -1 when the bus is full. */
  freeSlot(): number {
    for (let device = 1; device < 31; device++) if (!this.functions.has(PCI_DEVFN(device, 0))) return device;
    return -1;
  }

  /** Leaves the functions as SeaBIOS does: BARs assigned, decoding on, interrupt lines set. */
  firmware(): void {
    assignResources(this.functions);
    this.booted = true;
  }

  mmioRead(offset: number, size: number): number {
    const fn = this.at(offset);
    if (fn === undefined) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
    const value = fn.configRead(offset & 0xfff, size);
    if (this.tpRead.enabled) this.tpRead.emit(fn.name, offset & 0xfff, size, value);
    return value;
  }

  mmioWrite(offset: number, size: number, value: number): void {
    const fn = this.at(offset);
    if (fn === undefined) return;
    if (this.tpWrite.enabled) this.tpWrite.emit(fn.name, offset & 0xfff, size, value);
    fn.configWrite(offset & 0xfff, size, value);
  }

  /** PCI Express 5.0 §7.2.2: bus in bits 27:20, device 19:15, function 14:12. Only bus 0 exists. */
  private at(offset: number): PciFunction | undefined {
    return offset < 0x100000 ? this.functions.get(offset >>> 12) : undefined;
  }

  /** The functions q35 always has; of them only configuration space is modelled, so no driver binds. */
  private addChipset(): void {
    const lpc = board('ICH9-LPC 00:1f.0', PCI_DEVICE_ID.ICH9_LPC, 0x060100, 2, 0);
    const ahci = board('ich9-ahci 00:1f.2', PCI_DEVICE_ID.ICH9_AHCI, 0x010601, 2, 1);
    ahci.addBar(4, 'io', 0x20, undefined);
    ahci.addBar(5, 'mem32', 0x1000, undefined);
    const smbus = board('ICH9-SMB 00:1f.3', PCI_DEVICE_ID.ICH9_SMBUS, 0x0c0500, 2, 1);
    smbus.addBar(4, 'io', 0x40, undefined);
    for (const fn of [lpc, ahci, smbus]) fn.config.setU8(0x0e, 0x80);
    this.addFunction(PCI_DEVFN(0, 0), board('mch 00:00.0', PCI_DEVICE_ID.Q35_MCH, 0x060000, 0, 0));
    this.addFunction(PCI_DEVFN(0x1f, 0), lpc);
    this.addFunction(PCI_DEVFN(0x1f, 2), ahci);
    this.addFunction(PCI_DEVFN(0x1f, 3), smbus);
  }
}
