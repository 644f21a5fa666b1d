// A script that drives one 82574L over its registers and rings, in place of a driver.
import { E1000e, type E1000eChip } from '../devices/e1000e/e1000e.ts';
import { AUTONEG_TIME } from '../devices/e1000e/phy.ts';
import { PciHost } from '../devices/pci_host.ts';
import { MsixEntry, PCI_MSIX_FLAGS } from '../pci/capabilities.ts';
import { PCI_COMMAND, PCI_DEVFN, PciHeader } from '../pci/config_space.ts';
import { E1000_DESC_SIZE, RxDescLegacy, TXD_CMD, TxDescLegacy } from '../pci/e1000e_desc.ts';
import { E1000, IVAR, MDIC, RCTL, TCTL } from '../pci/e1000e_regs.ts';
import { MSI_ADDR_LOGICAL } from '../platform/apic.ts';
import { MSI_BASE } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { Sim } from '../sim/sim.ts';
import { Trace } from '../trace/trace.ts';
import { mac } from './frames.ts';
import { runFor } from './kernel_fixture.ts';
import { TestWire } from './nic_fixture.ts';
import { bareMachine, type IrqLog } from './scripted_driver.ts';

export const RING = 8;
export const TX = 0x10000;
export const RX = 0x11000;
export const DATA = 0x20000;
export const BUFFER = 2048;

/** A script that drives one 82574L over its BAR, and nothing else. */
export class E1000eScript {
  readonly sim = new Sim(1);
  readonly platform: Platform;
  readonly irqs: IrqLog;
  readonly nic: E1000e;
  readonly wire: TestWire;
  private readonly base: number;
  private readonly msix: number;
  private tail = 0;

  constructor(chip: E1000eChip = 'intel') {
    ({ platform: this.platform, irqs: this.irqs } = bareMachine(this.sim, new Trace(this.sim), 'm'));
    const host = new PciHost(this.platform);
    this.nic = new E1000e(this.platform, { portName: 'm:nic0', slot: '00:02.0', mac: Uint8Array.from(mac(0x0b)), chip });
    host.addFunction(PCI_DEVFN(2, 0), this.nic.fn);
    host.firmware();
    this.nic.fn.configWrite(PciHeader.command.offset, 2, PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER);
    this.wire = new TestWire(this.sim);
    this.nic.plug(this.wire);
    this.base = this.nic.fn.barAddress(this.nic.fn.bars[0]);
    this.msix = this.nic.fn.barAddress(this.nic.fn.bars.find((b) => b.index === 3)!);
  }

  r(offset: number): number {
    return this.platform.bus.read(this.base + offset, 4);
  }
  w(offset: number, value: number): void {
    this.platform.bus.write(this.base + offset, 4, value >>> 0);
  }
  phy(register: number): number {
    this.w(E1000.MDIC, (register << MDIC.REG_SHIFT) | (1 << MDIC.PHY_SHIFT) | MDIC.OP_READ);
    return this.r(E1000.MDIC) & 0xffff;
  }
  phyWrite(register: number, value: number): void {
    this.w(E1000.MDIC, (register << MDIC.REG_SHIFT) | (1 << MDIC.PHY_SHIFT) | MDIC.OP_WRITE | value);
  }
  run(nanoseconds = 1e6): void {
    runFor(this.sim, nanoseconds);
  }

  /** Link up, both rings set up with legacy descriptors and buffers, everything unmasked. */
  start(rctl: number = RCTL.SECRC): void {
    this.nic.linkChanged(true);
    this.run(AUTONEG_TIME);
    this.w(E1000.TDBAL0, TX);
    this.w(E1000.TDLEN0, 128);
    this.w(E1000.TCTL, TCTL.EN | TCTL.PSP);
    this.w(E1000.RDBAL0, RX);
    this.w(E1000.RDLEN0, 128);
    for (let i = 0; i < RING; i++) RxDescLegacy.buffer_addr.set(this.platform.ram, RX + i * E1000_DESC_SIZE, DATA + (i + 1) * BUFFER);
    this.w(E1000.RCTL, RCTL.EN | RCTL.BAM | rctl);
    this.w(E1000.RDT0, RING - 1);
    this.platform.ram.touch(0x40000);
  }

  /** Vectors 0 to 2 unmasked, with messages 0x40 to 0x42. */
  enableMsix(): void {
    this.nic.fn.configWrite(0xa2, 2, PCI_MSIX_FLAGS.ENABLE);
    for (let v = 0; v < 3; v++) {
      this.platform.bus.write(this.msix + v * MsixEntry.$size, 4, MSI_BASE + (1 << 12) + MSI_ADDR_LOGICAL);
      this.platform.bus.write(this.msix + v * MsixEntry.$size + MsixEntry.data.offset, 4, 0x40 + v);
      this.platform.bus.write(this.msix + v * MsixEntry.$size + MsixEntry.vector_ctrl.offset, 4, 0);
    }
    this.w(E1000.IVAR, IVAR.VALID | ((IVAR.VALID | 1) << IVAR.TXQ0_SHIFT) | ((IVAR.VALID | 2) << IVAR.OTHER_SHIFT));
  }

  send(bytes: Uint8Array, cmd = TXD_CMD.EOP | TXD_CMD.RS | TXD_CMD.IFCS, special = 0): number {
    const { ram } = this.platform;
    const at = TX + this.tail * E1000_DESC_SIZE;
    ram.write(DATA, bytes, 0, bytes.length);
    ram.fill(at as never, 0, E1000_DESC_SIZE);
    TxDescLegacy.buffer_addr.set(ram, at, DATA);
    TxDescLegacy.length.set(ram, at, bytes.length);
    TxDescLegacy.cmd.set(ram, at, cmd >>> 24);
    TxDescLegacy.special.set(ram, at, special);
    this.tail = (this.tail + 1) % RING;
    this.w(E1000.TDT0, this.tail);
    this.run();
    return at;
  }
  receive(bytes: Uint8Array): void {
    this.nic.receiveFrame({ bytes, id: this.sim.newId(), skb: 0 });
    this.run();
  }
  received(i: number): Uint8Array {
    const { ram } = this.platform;
    const out = new Uint8Array(RxDescLegacy.length.get(ram, RX + i * E1000_DESC_SIZE));
    ram.read(DATA + (i + 1) * BUFFER, out, 0, out.length);
    return out;
  }
}
