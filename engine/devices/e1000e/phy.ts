// The 82574L's PHY: its registers, autonegotiation with whatever is on the cable, and the link that results.
import type { Instant } from '../../base/units.ts';
import { ADVERTISE, BMCR, BMSR, CTRL1000, PHY, PSCR, PSSR, STAT1000 } from '../../pci/e1000e_phy.ts';
import type { Actor, Sim, SimEvent } from '../../sim/sim.ts';

/** IEEE 802.3 §28.3.2 break_link_timer, 1.2 s at least; what comes after it is short. */
export const AUTONEG_TIME = 1_200_000_000;
const OP_AUTONEG = 0;

/** Values after reset, by register number. Only page 0 is modelled; other pages read 0. */
const RESET: readonly (readonly [number, number])[] = [
  [PHY.BMCR, BMCR.ANENABLE | BMCR.FULLDPLX | BMCR.SPEED1000],
  // 10 and 100 Mb/s half and full duplex, extended status, autonegotiation
  [PHY.BMSR, 0x7949],
  [PHY.PHYSID1, 0x0141],
  [PHY.PHYSID2, 0x0cb1],
  [PHY.ADVERTISE, 0x0de1],
  [PHY.CTRL1000, 0x0f00],
  [PHY.ESTATUS, 0x3000],
  [PHY.SPEC_CTRL, 0x3300 | PSCR.AUTO_X],
];
const READ_ONLY: readonly number[] = [
  PHY.BMSR,
  PHY.PHYSID1,
  PHY.PHYSID2,
  PHY.LPA,
  PHY.EXPANSION,
  PHY.STAT1000,
  PHY.ESTATUS,
  PHY.SPEC_STATUS,
];

export interface PhyOwner {
  /** The link came, went, or changed speed. */
  phyChanged(): void;
}

export class Phy implements Actor {
  /** Mb/s and duplex of the link, meaningful while it is up. */
  speed: 10 | 100 | 1000 = 1000;
  fullDuplex = true;
  linkUp = false;
  private readonly regs = new Uint16Array(32);
  private page = 0;
  private cable = false;
  private negotiation: SimEvent | undefined;

  constructor(
    private readonly sim: Sim,
    private readonly owner: PhyOwner,
    /** Of Intel's chip: in loopback there is a link at once. */
    private readonly intel = false,
  ) {
    this.load();
  }

  /** Something answers at the far end of the cable, or no longer. */
  setCable(up: boolean): void {
    if (this.cable === up) return;
    this.cable = up;
    this.restart();
  }

  /** IEEE 802.3 §22.2.4.1.2: what is sent comes back. */
  get loopback(): boolean {
    return (this.regs[PHY.BMCR] & BMCR.LOOPBACK) !== 0;
  }

  /** Software's view of a register. The lower half is the same on all pages. */
  read(register: number): number {
    return this.page === 0 || register < PHY.SPEC_CTRL || register === PHY.PAGE_SELECT ? this.regs[register] : 0;
  }

  write(register: number, value: number): void {
    if (register === PHY.PAGE_SELECT) {
      this.page = value;
      this.regs[register] = value;
      return;
    }
    if ((this.page !== 0 && register >= PHY.SPEC_CTRL) || READ_ONLY.includes(register)) return;
    if (register === PHY.BMCR) this.control(value);
    else this.regs[register] = value;
  }

  /** Through CTRL.PHY_RST or BMCR. */
  reset(): void {
    this.load();
    this.restart();
  }

  onEvent(): void {
    this.negotiation = undefined;
    this.resolve();
  }

  private load(): void {
    this.regs.fill(0);
    for (const [register, value] of RESET) this.regs[register] = value;
    this.page = 0;
  }

  /** IEEE 802.3 §22.2.4.1: reset and restart clear themselves. */
  private control(value: number): void {
    const before = this.regs[PHY.BMCR];
    if ((value & BMCR.RESET) !== 0) {
      // the settings written along with the reset bit take effect, the vendor's registers keep theirs
      this.regs[PHY.BMCR] = value & ~(BMCR.RESET | BMCR.ANRESTART);
      return this.restart();
    }
    this.regs[PHY.BMCR] = value & ~BMCR.ANRESTART;
    if ((value & BMCR.LOOPBACK) !== 0) return this.loop();
    const forced = (value & BMCR.ANENABLE) === 0;
    if ((value & BMCR.ANRESTART) !== 0 || forced || ((before ^ value) & (BMCR.ANENABLE | BMCR.PDOWN)) !== 0) this.restart();
  }

  /** QEMU's model leaves the link as it is: what is looped while negotiation goes on is lost. */
  private loop(): void {
    if (!this.intel) return;
    this.sim.cancel(this.negotiation);
    this.negotiation = undefined;
    this.resolve();
  }

  /** The link goes down, and comes back when negotiation is over, or at once with a forced speed. */
  private restart(): void {
    this.sim.cancel(this.negotiation);
    this.negotiation = undefined;
    this.regs[PHY.BMSR] &= ~(BMSR.LSTATUS | BMSR.ANEGCOMPLETE);
    this.regs[PHY.LPA] = this.regs[PHY.STAT1000] = this.regs[PHY.SPEC_STATUS] = 0;
    const was = this.linkUp;
    this.linkUp = false;
    if (was) this.owner.phyChanged();
    const control = this.regs[PHY.BMCR];
    if (!this.cable || (control & BMCR.PDOWN) !== 0) return;
    if ((control & BMCR.ANENABLE) === 0) this.resolve();
    else this.negotiation = this.sim.at((this.sim.now + AUTONEG_TIME) as Instant, this, OP_AUTONEG);
  }

  /** IEEE 802.3 §28: the best mode both sides have. The far end offers all modes and both kinds of pause. */
  private resolve(): void {
    const control = this.regs[PHY.BMCR];
    if ((control & BMCR.ANENABLE) === 0) {
      this.speed = (control & BMCR.SPEED1000) !== 0 ? 1000 : (control & BMCR.SPEED100) !== 0 ? 100 : 10;
      this.fullDuplex = (control & BMCR.FULLDPLX) !== 0;
    } else {
      const own = this.regs[PHY.ADVERTISE];
      this.regs[PHY.LPA] = 0x4000 | 0x1 | ADVERTISE.HALF10 | ADVERTISE.FULL10 | ADVERTISE.HALF100 | ADVERTISE.FULL100 | ADVERTISE.PAUSE;
      this.regs[PHY.STAT1000] = STAT1000.LPA_FULL | STAT1000.LPA_HALF | STAT1000.REMRXOK | STAT1000.LOCALRXOK;
      this.regs[PHY.BMSR] |= BMSR.ANEGCOMPLETE;
      this.regs[PHY.EXPANSION] = 0x1;
      if ((this.regs[PHY.CTRL1000] & CTRL1000.FULL) !== 0) this.set(1000, true);
      else if ((own & ADVERTISE.FULL100) !== 0) this.set(100, true);
      else if ((own & ADVERTISE.HALF100) !== 0) this.set(100, false);
      else if ((own & ADVERTISE.FULL10) !== 0) this.set(10, true);
      else if ((own & ADVERTISE.HALF10) !== 0) this.set(10, false);
      else return;
    }
    this.linkUp = true;
    this.regs[PHY.BMSR] |= BMSR.LSTATUS;
    const speed = this.speed === 1000 ? PSSR.SPEED_1000 : this.speed === 100 ? PSSR.SPEED_100 : 0;
    this.regs[PHY.SPEC_STATUS] = speed | (this.fullDuplex ? PSSR.DPLX : 0) | PSSR.RESOLVED | PSSR.LINK;
    this.owner.phyChanged();
  }

  private set(speed: 10 | 100 | 1000, fullDuplex: boolean): void {
    this.speed = speed;
    this.fullDuplex = fullDuplex;
  }
}
