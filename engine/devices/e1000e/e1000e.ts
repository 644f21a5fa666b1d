// Intel's 82574L Gigabit Ethernet controller as QEMU builds it: registers, and what they set in motion.
import type { Frame, NicPort, Wire } from '../../link/port.ts';
import { CTRL, DELAY_FPD, E1000, EERD, ICR, MDIC, RAH_AV, RCTL, STATUS } from '../../pci/e1000e_regs.ts';
import { E1000_PHY_ADDR, NVM_WORDS } from '../../pci/e1000e_phy.ts';
import type { MasterPort, MmioTarget } from '../../platform/bus.ts';
import type { Platform } from '../../platform/platform.ts';
import type { Sim } from '../../sim/sim.ts';
import type { TracePoint } from '../../trace/trace.ts';
import { txQueueNumber } from '../injected.ts';
import { Msix } from '../msix.ts';
import { NIC_TIMING, type NicTiming } from '../net_context.ts';
import type { PciFunction } from '../pci_function.ts';
import { type E1000eContext, type E1000eDrops, zeroDrops } from './context.ts';
import { E1000eFunction, MSIX_LAYOUT } from './e1000e_function.ts';
import { E1000eInterrupts, VECTORS } from './interrupts.ts';
import { Nvm } from './nvm.ts';
import { Phy, type PhyOwner } from './phy.ts';
import { RegisterFile } from './register_file.ts';
import { E1000eReceiver } from './rx.ts';
import { E1000eRegRead, E1000eRegWrite } from './trace.ts';
import { E1000eTransmitter } from './tx.ts';

/** What a lab file says about an e1000e NIC. */
export interface E1000eSpec {
  /** 'h1:nic0' */
  readonly portName: string;
  /** '00:02.0', for traces. */
  readonly slot: string;
  readonly mac: Uint8Array;
  readonly timing?: Partial<NicTiming>;
  /** QEMU's model of the controller, or Intel's chip where the two differ; the second unless it is said. */
  readonly chip?: E1000eChip;
}
export type E1000eChip = 'qemu' | 'intel';

/** §11.2.3.1: the time of the increment period, ns. */
const TIMINCA_PERIOD_SHIFT = 24;
const TIMINCA_INCREMENT = 0xffffff;

export class E1000e implements NicPort, MmioTarget, PhyOwner, E1000eContext {
  readonly name: string;
  /** Changes when the machine is renamed. */
  portName: string;
  /** The address in non-volatile memory. */
  readonly mac: Uint8Array;
  readonly sim: Sim;
  readonly timing: NicTiming;
  readonly mem: MasterPort;
  readonly intel: boolean;
  readonly regs: RegisterFile;
  readonly irq: E1000eInterrupts;
  readonly drops: E1000eDrops = zeroDrops();
  wire: Wire | undefined;
  /** Writes to the tails of rx0, rx1, tx0, tx1, and when the last was (-1 never). */
  readonly doorbells = new Float64Array(4);
  readonly lastDoorbell = new Float64Array(4).fill(-1);
  readonly rx: E1000eReceiver;
  readonly tx: E1000eTransmitter;
  private readonly pci: E1000eFunction;
  private readonly nvm: Nvm;
  private readonly phy: Phy;
  private readonly tpRead: TracePoint;
  private readonly tpWrite: TracePoint;

  constructor(
    private readonly platform: Platform,
    spec: E1000eSpec,
  ) {
    const { sim, scope } = platform;
    this.name = `e1000e ${spec.slot}`;
    this.portName = spec.portName;
    this.mac = spec.mac;
    this.sim = sim;
    this.timing = { ...NIC_TIMING, ...spec.timing };
    this.intel = spec.chip !== 'qemu';
    this.regs = new RegisterFile(this.intel);
    this.mem = platform.dmaPort();
    const msix = new Msix(this.name, VECTORS, this.mem, scope, MSIX_LAYOUT);
    this.pci = new E1000eFunction(this.name, this, this.mem, msix);
    this.irq = new E1000eInterrupts(this.name, this.regs, msix, this.pci, sim, scope, this.intel);
    this.rx = new E1000eReceiver(this, scope);
    this.tx = new E1000eTransmitter(this, scope);
    this.nvm = new Nvm(spec.mac);
    this.phy = new Phy(sim, this, this.intel);
    this.tpRead = scope.point(E1000eRegRead);
    this.tpWrite = scope.point(E1000eRegWrite);
    this.loadAddress();
  }

  /** Its place on PCI. */
  get fn(): PciFunction {
    return this.pci.fn;
  }
  get port(): NicPort {
    return this;
  }
  /** The link as software sees it in STATUS. */
  get linkUp(): boolean {
    return this.phy.linkUp;
  }

  /** §8.4: MAC loopback by RCTL, PHY loopback by BMCR. */
  get loopback(): boolean {
    return (this.regs.get(E1000.RCTL) & RCTL.LBM_MAC) !== 0 || this.phy.loopback;
  }
  sendPause(quanta: number): void {
    this.tx.sendPause(quanta);
  }
  paused(quanta: number): void {
    this.tx.pause(quanta, this.phy.speed);
  }

  get wireUp(): boolean {
    return this.wire?.up === true;
  }

  /** Looks at its queues as if software had just moved their tails. */
  serveAgain(): void {
    for (let q = 0; q < 2; q++) this.tx.kick(q, this.sim.now);
    this.rx.tailMoved();
  }

  plug(wire: Wire | undefined): void {
    this.wire = wire;
  }

  linkChanged(up: boolean): void {
    this.phy.setCable(up);
  }

  receiveFrame(frame: Frame): void {
    if (this.linkUp) this.rx.receive(frame);
  }

  phyChanged(): void {
    this.irq.raise(ICR.LSC);
  }

  mmioRead(offset: number, size: number): number {
    const at = offset & ~3;
    const value = this.read(at);
    if (this.tpRead.enabled) this.tpRead.emit(this.name, at, value);
    // registers are 32 bits wide; a narrower read sees its part
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff);
  }

  /** §10.1.1: registers are written by 32 bits; other widths are lost. */
  mmioWrite(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    const at = offset & ~3;
    if (this.tpWrite.enabled) this.tpWrite.emit(this.name, at, value);
    if (this.irq.write(at, value >>> 0)) return;
    this.regs.write(at, value);
    if (this.regs.access(at) === 'hook') this.written(at, value >>> 0);
  }

  /** §4.2.1: CTRL.RST, and what unplugging does. PHY, non-volatile memory and the right to use them keep their state. */
  reset(): void {
    const ctrl = this.regs.get(E1000.CTRL);
    const ownership = this.regs.get(E1000.EXTCNF_CTRL);
    this.regs.reset();
    this.regs.set(E1000.CTRL, (ctrl & ~(CTRL.RST | CTRL.PHY_RST)) >>> 0);
    this.regs.set(E1000.EXTCNF_CTRL, ownership);
    this.loadAddress();
    this.irq.reset();
    this.rx.reset();
    this.tx.reset();
  }

  private read(offset: number): number {
    switch (offset) {
      case E1000.STATUS:
        return this.status();
      case E1000.ICR:
        return this.irq.readIcr();
      case E1000.SYSTIML:
      case E1000.SYSTIMH:
        return this.systemTime(offset === E1000.SYSTIMH);
      case E1000.TIDV:
        // QEMU's model takes it and does not give it back
        return this.intel ? this.regs.get(E1000.TIDV) : 0;
      case E1000.ICS:
      case E1000.IMC:
        return offset === E1000.ICS ? this.regs.get(E1000.ICR) : this.regs.get(E1000.IMS);
      default:
        return this.regs.read(offset);
    }
  }

  /** Registers whose writing does something; the value is stored already, within its mask. */
  private written(offset: number, value: number): void {
    const { regs } = this;
    switch (offset) {
      case E1000.CTRL:
        regs.set(E1000.CTRL, (value & ~(CTRL.RST | CTRL.PHY_RST)) >>> 0);
        if ((value & CTRL.RST) !== 0) this.reset();
        if ((value & CTRL.PHY_RST) !== 0) this.phy.reset();
        return;
      case E1000.EERD:
        return this.readNvm(value);
      case E1000.EEWR:
        if ((value & EERD.START) !== 0) this.nvm.write((value >>> EERD.ADDR_SHIFT) & 0x3fff, value >>> EERD.DATA_SHIFT);
        return regs.set(E1000.EEWR, (value | EERD.DONE) >>> 0);
      case E1000.MDIC:
        return this.manage(value);
      case E1000.TIDV:
        if ((value & DELAY_FPD) === 0) return;
        this.tx.flush();
        return this.irq.flushDelayed();
      case E1000.RDTR:
        if ((value & DELAY_FPD) !== 0) this.irq.flushDelayed();
        return;
      case E1000.RDT0:
      case E1000.RDT1:
        this.rang(offset === E1000.RDT0 ? 0 : 1);
        return this.rx.tailMoved();
      case E1000.RCTL:
        return (value & RCTL.EN) !== 0 ? this.rx.tailMoved() : this.rx.reset();
      case E1000.TDT0:
      case E1000.TDT1:
        this.rang(offset === E1000.TDT0 ? 2 : 3);
        if (this.mem.faults?.strike('lost-doorbell', txQueueNumber(offset === E1000.TDT0 ? 0 : 1), 'TDT') !== undefined) return;
        return this.tx.kick(offset === E1000.TDT0 ? 0 : 1, this.platform.cpus.now());
      case E1000.TCTL:
        for (let q = 0; q < 2; q++) this.tx.kick(q, this.platform.cpus.now());
    }
  }

  private rang(tail: number): void {
    this.doorbells[tail]++;
    this.lastDoorbell[tail] = this.platform.cpus.now();
  }

  /** §10.2.2.2 */
  private status(): number {
    const { phy } = this;
    const ctrl = this.regs.get(E1000.CTRL);
    let status = (ctrl & CTRL.GIO_MASTER_DISABLE) === 0 ? STATUS.GIO_MASTER_ENABLE : 0;
    if (phy.fullDuplex) status |= STATUS.FD;
    if (phy.linkUp) status |= STATUS.LU;
    if (this.tx.silent) status |= STATUS.TXOFF;
    if (phy.speed === 1000) status |= STATUS.SPEED_1000 | STATUS.ASDV_1000;
    else if (phy.speed === 100) status |= STATUS.SPEED_100 | STATUS.ASDV_100;
    return status;
  }

  private readNvm(value: number): void {
    const word = (value >>> EERD.ADDR_SHIFT) & 0x3fff;
    const start = (value & EERD.START) !== 0;
    const data = start && word < NVM_WORDS ? this.nvm.read(word) : 0;
    // the START bit clears itself
    this.regs.set(E1000.EERD, start ? ((data << EERD.DATA_SHIFT) | (word << EERD.ADDR_SHIFT) | EERD.DONE) >>> 0 : value & ~EERD.DONE);
  }

  /** §10.2.2.7: a transaction on the PHY's management bus. */
  private manage(value: number): void {
    const register = (value >>> MDIC.REG_SHIFT) & 31;
    let result = value | MDIC.READY;
    if (((value >>> MDIC.PHY_SHIFT) & 31) !== E1000_PHY_ADDR) result |= MDIC.ERROR;
    else if ((value & MDIC.OP_READ) !== 0) result = (result & ~0xffff) | this.phy.read(register);
    else if ((value & MDIC.OP_WRITE) !== 0) this.phy.write(register, value & 0xffff);
    this.regs.set(E1000.MDIC, result >>> 0);
    if ((value & MDIC.INT_EN) !== 0) this.irq.raise(ICR.MDAC);
  }

  /** After reset the address register holds what non-volatile memory says. */
  private loadAddress(): void {
    const word = (i: number): number => this.nvm.read(i);
    this.regs.set(E1000.RA, (word(0) | (word(1) << 16)) >>> 0);
    this.regs.set(E1000.RAH, (word(2) | RAH_AV) >>> 0);
  }

  /** Simulated time as the clock of IEEE 1588 counts it: an increment per period. */
  private systemTime(high: boolean): number {
    const timinca = this.regs.get(E1000.TIMINCA);
    const period = timinca >>> TIMINCA_PERIOD_SHIFT;
    const ticks = period === 0 ? 0 : Math.floor(this.platform.cpus.now() / (period * 40)) * (timinca & TIMINCA_INCREMENT);
    return high ? Math.floor(ticks / 0x100000000) >>> 0 : ticks % 0x100000000;
  }
}
