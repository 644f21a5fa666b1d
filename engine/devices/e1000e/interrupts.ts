// Interrupts of the 82574L: causes, masks, vectors per cause, moderation (82574L datasheet §7.4, §10.2.4).
import type { Instant } from '../../base/units.ts';
import {
  CTRL_EXT,
  DELAY_UNIT,
  E1000,
  ICR,
  ICR_OTHER_CAUSES,
  IMS_MASK,
  IMS_MASK_INTEL,
  ITR_UNIT,
  IVAR,
  RFCTL,
} from '../../pci/e1000e_regs.ts';
import type { Actor, Sim, SimEvent } from '../../sim/sim.ts';
import type { TracePoint, TraceScope } from '../../trace/trace.ts';
import type { Msix } from '../msix.ts';
import type { RegisterFile } from './register_file.ts';
import { E1000eInterrupt } from './trace.ts';

export const VECTORS = 5;
/** Causes that have a vector of their own, with their place in IVAR. */
const VECTORED: readonly (readonly [number, number])[] = [
  [ICR.RXQ0, IVAR.RXQ0_SHIFT],
  [ICR.RXQ1, IVAR.RXQ1_SHIFT],
  [ICR.TXQ0, IVAR.TXQ0_SHIFT],
  [ICR.TXQ1, IVAR.TXQ1_SHIFT],
  [ICR.OTHER, IVAR.OTHER_SHIFT],
];
/** Slot of the one moderation timer that counts without MSI-X. */
const MSI = VECTORS;

/** Causes that wait for the delay timers of their direction. */
const RX_DELAYED = ICR.RXQ0 | ICR.RXQ1 | ICR.RXT0;
const TX_DELAYED = ICR.TXQ0 | ICR.TXQ1 | ICR.TXQE | ICR.TXDW;
/** Operations of events beyond the vectors: the five delay timers. */
const DELAY = { RDTR: 16, RADV: 17, RAID: 18, TIDV: 19, TADV: 20 } as const;

/** Where an interrupt without MSI-X goes. */
export interface MsiTarget {
  /** False while MSI is off. */
  sendMsi(): boolean;
  /** The level of the interrupt pin; it counts while neither MSI nor MSI-X is on. */
  setPin(level: boolean): void;
}

export class E1000eInterrupts implements Actor {
  /** Messages sent, by vector; the last is MSI's. */
  readonly sent = new Float64Array(VECTORS + 1);
  /** When the last one went, -1 never. */
  readonly lastSent = new Float64Array(VECTORS + 1).fill(-1);
  /** Until when a vector keeps still (EITR), and whether it owes a message then. */
  private readonly quietUntil = new Float64Array(VECTORS + 1);
  private readonly owed = new Uint8Array(VECTORS + 1);
  /** Causes whose message was sent and that were not cleared since. */
  private signalled = 0;
  /** Causes that wait for RDTR, RADV, RAID, TIDV or TADV, and the timers that run. */
  private delayed = 0;
  private readonly timers: (SimEvent | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  private readonly tp: TracePoint;

  constructor(
    private readonly name: string,
    private readonly regs: RegisterFile,
    private readonly msix: Msix,
    private readonly msi: MsiTarget,
    private readonly sim: Sim,
    scope: TraceScope,
    private readonly intel: boolean,
  ) {
    this.tp = scope.point(E1000eInterrupt);
  }

  reset(): void {
    this.signalled = 0;
    this.quietUntil.fill(0);
    this.owed.fill(0);
    this.stopTimers();
    this.delayed = 0;
    this.msi.setPin(false);
  }

  /** §7.4.4.1: a receive interrupt may wait until packets stop coming (RDTR), but no longer than RADV; RAID is for pure acknowledgements. */
  received(causes: number): void {
    const { regs } = this;
    const ack = (regs.get(E1000.RFCTL) & RFCTL.ACK_DIS) === 0 ? ICR.ACK : 0;
    const now = causes & ~(RX_DELAYED | ack);
    const rdtr = regs.get(E1000.RDTR);
    // with MSI-X the vectors' own intervals moderate, not these timers
    if (this.msix.enabled || rdtr === 0 || now !== 0) return this.raise(causes | this.take());
    this.delayed |= causes;
    if ((this.delayed & ack) !== 0 && regs.get(E1000.RAID) === 0) return this.raise(this.take());
    this.arm(DELAY.RDTR, rdtr, true);
    this.arm(DELAY.RADV, regs.get(E1000.RADV), false);
    if ((this.delayed & ack) !== 0) this.arm(DELAY.RAID, regs.get(E1000.RAID), false);
  }

  /** §7.4.4.2: the same for descriptors with IDE set: TIDV, and TADV at the latest. */
  transmitted(causes: number, ide: boolean): void {
    const { regs } = this;
    const tidv = regs.get(E1000.TIDV);
    if (!ide || this.msix.enabled || tidv === 0 || (causes & ~TX_DELAYED) !== 0) return this.raise(causes);
    this.delayed |= causes;
    this.arm(DELAY.TIDV, tidv, true);
    this.arm(DELAY.TADV, regs.get(E1000.TADV), false);
  }

  /** What is delayed comes now: a timer ran out, or software set a flush bit. */
  flushDelayed(): void {
    const causes = this.take();
    if (causes !== 0) this.raise(causes);
  }

  private take(): number {
    const causes = this.delayed;
    this.delayed = 0;
    this.stopTimers();
    return causes;
  }
  private stopTimers(): void {
    for (let i = 0; i < this.timers.length; i++) {
      this.sim.cancel(this.timers[i]);
      this.timers[i] = undefined;
    }
  }
  private arm(op: number, units: number, again: boolean): void {
    const i = op - DELAY.RDTR;
    if (units === 0 || (!again && this.timers[i] !== undefined)) return;
    this.sim.cancel(this.timers[i]);
    this.timers[i] = this.sim.at((this.sim.now + units * DELAY_UNIT) as Instant, this, op);
  }

  /** Events of the device, or software through ICS. */
  raise(causes: number): void {
    // with MSI-X one vector stands for all of them
    const other = this.msix.enabled && (causes & ICR_OTHER_CAUSES) !== 0 ? ICR.OTHER : 0;
    this.regs.set(E1000.ICR, (this.regs.get(E1000.ICR) | causes | other) >>> 0);
    this.update();
  }

  /** §10.2.4.1: reading clears everything when nothing is unmasked, or when an interrupt is asserted. */
  readIcr(): number {
    const { regs } = this;
    const value = regs.get(E1000.ICR);
    const asserted = (value & ICR.INT_ASSERTED) !== 0;
    const autoMask = asserted && (regs.get(E1000.CTRL_EXT) & CTRL_EXT.IAME) !== 0;
    // QEMU's model: a line or a message clears always, vectors only with IAME
    const clear = this.intel ? asserted : autoMask || !this.msix.enabled;
    if (clear || regs.get(E1000.IMS) === 0) regs.set(E1000.ICR, 0);
    if (autoMask) regs.set(E1000.IMS, (regs.get(E1000.IMS) & ~regs.get(E1000.IAM)) >>> 0);
    this.update();
    return value;
  }

  /** Software writes ICR (ones clear causes), ICS (ones set them), IMS (ones unmask) or IMC (ones mask). False for any other register. */
  write(offset: number, bits: number): boolean {
    const { regs } = this;
    switch (offset) {
      case E1000.ICS:
        this.raise(bits);
        return true;
      case E1000.ICR:
        regs.set(E1000.ICR, (regs.get(E1000.ICR) & ~bits) >>> 0);
        break;
      case E1000.IMS:
        regs.set(E1000.IMS, (regs.get(E1000.IMS) | (bits & (this.intel ? IMS_MASK_INTEL : IMS_MASK))) >>> 0);
        break;
      case E1000.IMC:
        regs.set(E1000.IMS, (regs.get(E1000.IMS) & ~bits) >>> 0);
        break;
      default:
        return false;
    }
    this.update();
    return true;
  }

  onEvent(vector: number): void {
    if (vector >= DELAY.RDTR) return this.flushDelayed();
    if (this.owed[vector] === 0) return;
    this.owed[vector] = 0;
    this.send(vector);
  }

  /** Follows ICR and IMS: INT_ASSERTED, and a message for each cause that is newly pending. */
  private update(): void {
    const { regs } = this;
    const pending = regs.get(E1000.ICR) & regs.get(E1000.IMS) & ~ICR.INT_ASSERTED;
    regs.set(E1000.ICR, ((regs.get(E1000.ICR) & ~ICR.INT_ASSERTED) | (pending !== 0 ? ICR.INT_ASSERTED : 0)) >>> 0);
    this.signalled &= pending;
    if (pending === 0) this.msi.setPin(false);
    const fresh = pending & ~this.signalled;
    if (fresh === 0) return;
    this.signalled |= fresh;
    if (this.msix.enabled) {
      for (const [cause, shift] of VECTORED) if ((fresh & cause) !== 0) this.notify(cause, shift);
    } else this.moderate(MSI, regs.get(E1000.ITR));
  }

  private notify(cause: number, shift: number): void {
    const { regs } = this;
    const allocation = regs.get(E1000.IVAR) >>> shift;
    if ((allocation & IVAR.VALID) !== 0) {
      const vector = allocation & IVAR.VECTOR;
      if (vector < VECTORS) this.moderate(vector, regs.get(E1000.EITR + 4 * vector));
    }
    // §7.4.5: causes in EIAC clear themselves with the message; EIAME masks what IAM names
    const auto = regs.get(E1000.CTRL_EXT);
    if ((auto & CTRL_EXT.EIAME) !== 0) this.maskByVector(cause);
    const clear = regs.get(E1000.EIAC) & cause;
    if (clear === 0) return;
    regs.set(E1000.ICR, (regs.get(E1000.ICR) & ~clear) >>> 0);
    this.signalled &= ~clear;
    if ((auto & CTRL_EXT.IAME) === 0) regs.set(E1000.IMS, (regs.get(E1000.IMS) & ~clear) >>> 0);
  }

  /** QEMU's model forgets that the cause was to be masked, in place of masking it. */
  private maskByVector(cause: number): void {
    const { regs } = this;
    const iam = regs.get(E1000.IAM);
    if (this.intel) regs.set(E1000.IMS, (regs.get(E1000.IMS) & ~(iam & cause)) >>> 0);
    else regs.set(E1000.IAM, (iam & ~cause) >>> 0);
  }

  /** A message now, or when the vector's interval is over. */
  private moderate(vector: number, interval: number): void {
    if (this.owed[vector] !== 0) return;
    if (this.sim.now >= this.quietUntil[vector]) this.send(vector, interval);
    else {
      this.owed[vector] = 1;
      this.sim.at(this.quietUntil[vector] as Instant, this, vector);
    }
  }

  private send(vector: number, interval = this.regs.get(vector === MSI ? E1000.ITR : E1000.EITR + 4 * vector)): void {
    if (vector === MSI && (this.regs.get(E1000.ICR) & ICR.INT_ASSERTED) === 0) return;
    this.quietUntil[vector] = this.sim.now + interval * ITR_UNIT;
    const went = vector === MSI ? this.msi.sendMsi() : this.msix.notify(vector);
    if (vector === MSI && !went) this.msi.setPin(true);
    this.sent[vector]++;
    this.lastSent[vector] = this.sim.now;
    this.regs.count(E1000.IAC);
    if (this.tp.enabled) this.tp.emit(this.name, this.regs.get(E1000.ICR), vector === MSI ? -1 : vector);
  }
}
