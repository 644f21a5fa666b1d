// The 82574L on PCI: configuration space as QEMU lays it out, BARs, power management, MSI, PCI Express and extended capabilities.
import { PCI_CAP_ID } from '../../pci/capabilities.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID } from '../../pci/ids.ts';
import type { MasterPort, MmioTarget } from '../../platform/bus.ts';
import type { Msix } from '../msix.ts';
import { PciFunction, type PciFunctionHooks, ROM_BAR } from '../pci_function.ts';
import type { MsiTarget } from './interrupts.ts';
import { IoWindow } from './io_window.ts';
import { REGISTER_BYTES } from './register_file.ts';

const CLASS_ETHERNET = 0x020000;
/** Where the capabilities lie; the list runs from power management to MSI-X. */
const AT = { PM: 0xc8, MSI: 0xd0, EXP: 0xe0, MSIX: 0xa0, AER: 0x100, DSN: 0x140 } as const;
const BAR = { REGISTERS: 0, FLASH: 1, IO: 2, MSIX: 3 } as const;
const FLASH_BYTES = 0x20000;
const IO_BYTES = 0x20;
const ROM_BYTES = 0x40000;
/** The MSI-X BAR: table at its start, pending bits at 0x2000. */
export const MSIX_LAYOUT = Object.freeze({ barSize: 0x4000, pbaOffset: 0x2000 });

const MSI = { CONTROL: 2, ADDRESS: 4, ADDRESS_HIGH: 8, DATA: 12, ENABLE: 0x1, FLAG_64BIT: 0x80 } as const;

/** What the function tells its device. */
interface Owner extends MmioTarget {
  readonly mac: Uint8Array;
  reset(): void;
}

export class E1000eFunction implements PciFunctionHooks, MsiTarget {
  readonly fn: PciFunction;

  constructor(
    name: string,
    private readonly owner: Owner,
    private readonly mem: MasterPort,
    msix: Msix,
  ) {
    const ids = { vendor: PCI_VENDOR_ID.INTEL, device: PCI_DEVICE_ID.INTEL_82574L, subsystemVendor: PCI_VENDOR_ID.INTEL, subsystemId: 0 };
    const fn = new PciFunction(name, { ...ids, classCode: CLASS_ETHERNET, revision: 0, interruptPin: 1, express: true }, mem);
    fn.addBar(BAR.REGISTERS, 'mem32', REGISTER_BYTES, owner);
    // flash and boot ROM are decoded, but nothing answers: no driver of this world uses them
    fn.addBar(BAR.FLASH, 'mem32', FLASH_BYTES, undefined);
    fn.addBar(BAR.IO, 'io', IO_BYTES, new IoWindow(owner, REGISTER_BYTES));
    fn.addMsix(AT.MSIX, BAR.MSIX, msix);
    fn.addBar(ROM_BAR, 'mem32', ROM_BYTES, undefined);
    this.fn = fn;
    this.addExpress();
    this.addMsi();
    this.addPowerManagement();
    this.addErrorReporting();
    this.addSerialNumber();
    fn.hooks = this;
  }

  /** PCI 3.0 §6.8.3.3: while messages are enabled the pin is not used. */
  setPin(level: boolean): void {
    const messages = (this.fn.config.u16(AT.MSI + MSI.CONTROL) & MSI.ENABLE) !== 0 || this.fn.msix?.enabled === true;
    this.fn.setInterrupt(level && !messages);
  }

  sendMsi(): boolean {
    const { config } = this.fn;
    if ((config.u16(AT.MSI + MSI.CONTROL) & MSI.ENABLE) === 0) return false;
    this.mem.msi(config.u32(AT.MSI + MSI.ADDRESS), config.u16(AT.MSI + MSI.DATA));
    return true;
  }

  configReading(): void {
    // nothing of it changes by itself
  }
  configWritten(): void {
    // COMMAND, BARs and MSI-X are the function's own matter, and MSI is looked at when a message goes
  }
  unplugged(): void {
    this.owner.reset();
  }

  /** PCI Express base 1.0a §7.8: a root complex integrated endpoint, 128 bytes of payload, one lane of 2.5 GT/s. */
  private addExpress(): void {
    const { fn } = this;
    const at = fn.addCapability(PCI_CAP_ID.EXP, AT.EXP);
    fn.config.setU16(at + 2, 0x0091);
    fn.config.setU32(at + 4, 0x00008000);
    fn.config.setU32(at + 12, 0x00000411);
    fn.config.setU16(at + 18, 0x0011);
    // QEMU leaves device control and status at zero
    fn.allow(at + 16, 2, 'rw', 0x01ff);
  }

  private addMsi(): void {
    const { fn } = this;
    const at = fn.addCapability(PCI_CAP_ID.MSI, AT.MSI);
    fn.config.setU16(at + MSI.CONTROL, MSI.FLAG_64BIT);
    fn.allow(at + MSI.CONTROL, 2, 'rw', MSI.ENABLE);
    fn.allow(at + MSI.ADDRESS, 4, 'rw', 0xfffffffc);
    fn.allow(at + MSI.ADDRESS_HIGH, 4, 'rw');
    fn.allow(at + MSI.DATA, 2, 'rw');
  }

  /** PCI Power Management 1.1 §3.2: version 2, needs the driver's own initialisation, no wake-up from any state. */
  private addPowerManagement(): void {
    const { fn } = this;
    const at = fn.addCapability(PCI_CAP_ID.PM, AT.PM);
    fn.config.setU16(at + 2, 0x0022);
    fn.allow(at + 4, 2, 'rw', 0x0103);
    fn.allow(at + 4, 2, 'w1c', 0x8000);
  }

  /** PCI Express base 2.0 §7.10; values after reset are those the specification gives. */
  private addErrorReporting(): void {
    const { fn } = this;
    fn.config.setU32(AT.AER, (AT.DSN << 20) | (2 << 16) | 0x0001);
    fn.allow(AT.AER + 4, 4, 'w1c');
    fn.allow(AT.AER + 8, 4, 'rw', 0x007ff030);
    fn.config.setU32(AT.AER + 0x0c, 0x00462030);
    fn.allow(AT.AER + 0x0c, 4, 'rw', 0x007ff030);
    fn.allow(AT.AER + 0x10, 4, 'w1c');
    fn.config.setU32(AT.AER + 0x14, 0x0000e000);
    fn.allow(AT.AER + 0x14, 4, 'rw', 0x0000f1c1);
    fn.config.setU32(AT.AER + 0x18, 0x000000a0);
    fn.allow(AT.AER + 0x18, 4, 'rw', 0x00000140);
  }

  /** PCI Express base 2.0 §7.12: the MAC address as EUI-64, last byte first. */
  private addSerialNumber(): void {
    const { config } = this.fn;
    const { mac } = this.owner;
    config.setU32(AT.DSN, (1 << 16) | 0x0003);
    const eui = [mac[0], mac[1], mac[2], 0xff, 0xff, mac[3], mac[4], mac[5]];
    eui.forEach((byte, i) => config.setU8(AT.DSN + 11 - i, byte));
  }
}
