// q35's host bridge: the ECAM window onto bus 0, its function slots, and hot plug.
import { invariant } from '../base/ops.ts';
import { PCI_DEVFN, PCI_FUNC, PCI_SLOT } from '../pci/config_space.ts';
import { type Bus, ECAM_BASE, ECAM_SIZE, type MmioTarget } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import type { TracePoint } from '../trace/trace.ts';
import { assignResources } from './pci_firmware.ts';
import type { PciFunction, PciPlace } from './pci_function.ts';
import { q35Chipset } from './q35_chipset.ts';
import { PciCfgRead, PciCfgWrite } from './trace.ts';

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
    readonly requester: number,
  ) {}
  get bus(): Bus {
    return this.platform.bus;
  }
  get ports(): Bus {
    return this.platform.ports;
  }
  intx(pin: number, asserted: boolean): void {
    this.platform.ioapic.setPin(gsiOf(this.requester, pin), asserted);
  }
}

/**
 * `new PciHost(platform)`, then `addFunction(PCI_DEVFN(1, 0), nic.fn)` per device, then `firmware()` once: the guest sees assigned BARs.
 * Later `addFunction`/`removeFunction` are hot plug: such a function has no addresses until software gives it some.
 */
export class PciHost implements MmioTarget {
  /** By devfn, bus 0. */
  readonly functions = new Map<number, PciFunction>();
  private readonly tpRead: TracePoint;
  private readonly tpWrite: TracePoint;

  constructor(private readonly platform: Platform) {
    this.tpRead = platform.scope.point(PciCfgRead);
    this.tpWrite = platform.scope.point(PciCfgWrite);
    for (const [devfn, fn] of q35Chipset(platform)) this.addFunction(devfn, fn);
    platform.bus.map({ base: ECAM_BASE, size: ECAM_SIZE, target: this, name: 'pcie-mmcfg-mmio' });
  }

  addFunction(devfn: number, fn: PciFunction): void {
    invariant(!this.functions.has(devfn), `PCI slot ${PCI_SLOT(devfn)}.${PCI_FUNC(devfn)} is taken`);
    this.functions.set(devfn, fn);
    fn.plug(new HostSlot(this.platform, devfn));
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
}
