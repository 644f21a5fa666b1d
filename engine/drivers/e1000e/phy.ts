// The PHY of the 82574L as its driver works it, a BM PHY (Linux: e1000e's phy.c and ich8lan-free parts of mac.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ADVERTISE, BMCR, BMSR, CTRL1000, E1000_PHY_ADDR, PHY, PSCR, PSSR } from '../../pci/e1000e_phy.ts';
import { CTRL, E1000, MDIC } from '../../pci/e1000e_regs.ts';
import type { E1000Hw } from './hw.ts';

/** Registers below are the same on all pages. */
const MAX_PHY_MULTI_PAGE_REG = 0xf;
const COPPER_LINK_UP_LIMIT = 10;
const PATIENCE = 640;
const BME1000_E_PHY_ID_R2 = 0x01410cb1;
const PM_SPD = 0x0001;

/** Bits of what may be advertised (Linux: ADVERTISE_*); half duplex at 1000 Mb/s is not supported. */
export const ADV = { HALF10: 0x01, FULL10: 0x02, HALF100: 0x04, FULL100: 0x08, FULL1000: 0x20, ALL: 0x2f } as const;

export class E1000Phy {
  id = 0;
  /** Linux: e1000_phy_bm */
  readonly type = 8;
  readonly addr = E1000_PHY_ADDR;
  autoneg = true;
  autoneg_advertised: number = ADV.ALL;
  /** Forced mode: speed in Mb/s and duplex. */
  forced_speed = 100;
  forced_full = true;
  get_link_status = true;

  constructor(
    readonly kernel: Kernel,
    private readonly hw: E1000Hw,
  ) {}

  e1000e_read_phy_reg_mdic(register: number): number {
    return this.mdic((register << MDIC.REG_SHIFT) | MDIC.OP_READ);
  }
  e1000e_write_phy_reg_mdic(register: number, value: number): number {
    return this.mdic((register << MDIC.REG_SHIFT) | MDIC.OP_WRITE | value);
  }
  /** The data of the transaction, or -EIO. */
  private mdic(command: number): number {
    const { hw } = this;
    hw.ew32(E1000.MDIC, command | (this.addr << MDIC.PHY_SHIFT));
    for (let i = 0; i < PATIENCE; i++) {
      const mdic = hw.er32(E1000.MDIC);
      if ((mdic & MDIC.READY) === 0) continue;
      return (mdic & MDIC.ERROR) !== 0 ? -Errno.EIO : mdic & 0xffff;
    }
    return -Errno.EIO;
  }

  /** A register of page 0, or -errno. */
  e1000e_read_phy_reg_bm2(register: number): number {
    const err = this.hw.e1000_get_hw_semaphore_82574();
    if (err < 0) return err;
    if (register > MAX_PHY_MULTI_PAGE_REG) this.e1000e_write_phy_reg_mdic(PHY.PAGE_SELECT, 0);
    const value = this.e1000e_read_phy_reg_mdic(register);
    this.hw.e1000_put_hw_semaphore_82574();
    return value;
  }
  e1000e_write_phy_reg_bm2(register: number, value: number): number {
    const err = this.hw.e1000_get_hw_semaphore_82574();
    if (err < 0) return err;
    if (register > MAX_PHY_MULTI_PAGE_REG) this.e1000e_write_phy_reg_mdic(PHY.PAGE_SELECT, 0);
    const ret = this.e1000e_write_phy_reg_mdic(register, value);
    this.hw.e1000_put_hw_semaphore_82574();
    return Math.min(ret, 0);
  }

  /** 0, or -EIO when no known PHY answers. */
  e1000_get_phy_id_82571(): number {
    const high = this.e1000e_read_phy_reg_bm2(PHY.PHYSID1);
    const low = this.e1000e_read_phy_reg_bm2(PHY.PHYSID2);
    if (high < 0 || low < 0) return -Errno.EIO;
    this.id = high * 0x10000 + low;
    return this.id === BME1000_E_PHY_ID_R2 ? 0 : -Errno.EIO;
  }

  /** Sets the PHY up and starts negotiation; waits a little for the link. */
  e1000_setup_copper_link_82571(): number {
    const { hw } = this;
    hw.ew32(E1000.CTRL, (hw.er32(E1000.CTRL) & ~(CTRL.FRCSPD | CTRL.FRCDPX)) | CTRL.SLU);
    this.e1000e_copper_link_setup_m88();
    return this.e1000e_setup_copper_link();
  }

  e1000e_copper_link_setup_m88(): void {
    let control = (this.e1000e_read_phy_reg_bm2(PHY.SPEC_CTRL) | PSCR.AUTO_X) & ~PSCR.DOWNSHIFT;
    this.e1000e_write_phy_reg_bm2(PHY.SPEC_CTRL, control);
    this.e1000e_phy_sw_reset();
    control |= PSCR.DOWNSHIFT;
    this.e1000e_write_phy_reg_bm2(PHY.SPEC_CTRL, control);
    // Linux: the analogue settings of this revision
    this.e1000e_write_phy_reg_bm2(PHY.PAGE_ADDR, 0x0003);
    this.e1000e_write_phy_reg_bm2(PHY.GEN_CONTROL, 0x0000);
    this.e1000e_phy_sw_reset();
  }

  e1000e_phy_sw_reset(): void {
    this.e1000e_write_phy_reg_bm2(PHY.BMCR, this.e1000e_read_phy_reg_bm2(PHY.BMCR) | BMCR.RESET);
  }

  e1000e_setup_copper_link(): number {
    if (this.autoneg) this.e1000_copper_link_autoneg();
    else this.e1000e_phy_force_speed_duplex();
    if (this.e1000e_phy_has_link_generic(COPPER_LINK_UP_LIMIT)) this.e1000e_config_fc_after_link_up();
    return 0;
  }

  e1000_copper_link_autoneg(): void {
    this.autoneg_advertised = this.autoneg_advertised & ADV.ALL || ADV.ALL;
    this.e1000_phy_setup_autoneg();
    this.e1000e_write_phy_reg_bm2(PHY.BMCR, this.e1000e_read_phy_reg_bm2(PHY.BMCR) | BMCR.ANENABLE | BMCR.ANRESTART);
    this.get_link_status = true;
  }

  /** What is advertised, modes and pause (IEEE 802.3 annex 28B). */
  e1000_phy_setup_autoneg(): void {
    const modes = this.autoneg_advertised;
    let advertise = this.e1000e_read_phy_reg_bm2(PHY.ADVERTISE);
    let gigabit = this.e1000e_read_phy_reg_bm2(PHY.CTRL1000);
    advertise &= ~(ADVERTISE.HALF10 | ADVERTISE.FULL10 | ADVERTISE.HALF100 | ADVERTISE.FULL100 | ADVERTISE.PAUSE | ADVERTISE.PAUSE_ASYM);
    gigabit &= ~(CTRL1000.HALF | CTRL1000.FULL);
    if ((modes & ADV.HALF10) !== 0) advertise |= ADVERTISE.HALF10;
    if ((modes & ADV.FULL10) !== 0) advertise |= ADVERTISE.FULL10;
    if ((modes & ADV.HALF100) !== 0) advertise |= ADVERTISE.HALF100;
    if ((modes & ADV.FULL100) !== 0) advertise |= ADVERTISE.FULL100;
    if ((modes & ADV.FULL1000) !== 0) gigabit |= CTRL1000.FULL;
    // symmetric pause is told as both, so that the far end may choose
    const { fc_current: fc } = this.hw;
    if (fc === 'full' || fc === 'rx_pause') advertise |= ADVERTISE.PAUSE | ADVERTISE.PAUSE_ASYM;
    else if (fc === 'tx_pause') advertise |= ADVERTISE.PAUSE_ASYM;
    this.e1000e_write_phy_reg_bm2(PHY.ADVERTISE, advertise);
    this.e1000e_write_phy_reg_bm2(PHY.CTRL1000, gigabit);
  }

  e1000e_phy_force_speed_duplex(): void {
    let control = this.e1000e_read_phy_reg_bm2(PHY.BMCR) & ~(BMCR.ANENABLE | BMCR.SPEED100 | BMCR.SPEED1000 | BMCR.FULLDPLX);
    if (this.forced_speed === 100) control |= BMCR.SPEED100;
    if (this.forced_full) control |= BMCR.FULLDPLX;
    // forced modes do not negotiate pause
    this.hw.fc_current = 'none';
    this.e1000e_write_phy_reg_bm2(PHY.BMCR, control);
  }

  /** BMSR keeps a lost link until it is read once, so it is read twice. */
  e1000e_phy_has_link_generic(iterations: number): boolean {
    for (let i = 0; i < iterations; i++) {
      this.e1000e_read_phy_reg_bm2(PHY.BMSR);
      const status = this.e1000e_read_phy_reg_bm2(PHY.BMSR);
      if (status > 0 && (status & BMSR.LSTATUS) !== 0) return true;
    }
    return false;
  }

  /** After a change of the link: is it up now? Then flow control follows. */
  e1000e_check_for_copper_link(): void {
    if (!this.get_link_status) return;
    this.get_link_status = false;
    if (!this.e1000e_phy_has_link_generic(1)) {
      this.get_link_status = true;
      return;
    }
    if (this.autoneg) this.e1000e_config_fc_after_link_up();
  }

  /** IEEE 802.3 annex 28B, table 28B-3: what both sides said about pause. */
  e1000e_config_fc_after_link_up(): void {
    const { hw } = this;
    if (!this.autoneg) return hw.e1000e_force_mac_fc();
    this.e1000e_read_phy_reg_bm2(PHY.BMSR);
    const status = this.e1000e_read_phy_reg_bm2(PHY.BMSR);
    if ((status & BMSR.ANEGCOMPLETE) === 0) return;
    const own = this.e1000e_read_phy_reg_bm2(PHY.ADVERTISE);
    const partner = this.e1000e_read_phy_reg_bm2(PHY.LPA);
    const pause = ADVERTISE.PAUSE;
    const both = (pause | ADVERTISE.PAUSE_ASYM) as number;
    if ((own & pause) !== 0 && (partner & pause) !== 0) hw.fc_current = hw.fc_requested === 'full' ? 'full' : 'rx_pause';
    else if ((own & both) === ADVERTISE.PAUSE_ASYM && (partner & both) === both) hw.fc_current = 'tx_pause';
    else if ((own & both) === both && (partner & both) === ADVERTISE.PAUSE_ASYM) hw.fc_current = 'rx_pause';
    else hw.fc_current = 'none';
    if (hw.e1000e_get_speed_and_duplex_copper().duplex === 0) hw.fc_current = 'none';
    hw.e1000e_force_mac_fc();
  }

  /** Crossover and cable state; -EINVAL without a link. */
  e1000e_get_phy_info_m88(): number {
    return this.e1000e_phy_has_link_generic(1) ? 0 : -Errno.EINVAL;
  }
  /** IEEE 802.3 §28.2.4.1.5: the far end negotiates as well. */
  partnerNegotiates(): boolean {
    return (this.e1000e_read_phy_reg_bm2(PHY.EXPANSION) & 0x1) !== 0;
  }
  /** True when the PHY crossed the pairs. */
  isCrossed(): boolean {
    return (this.e1000e_read_phy_reg_bm2(PHY.SPEC_STATUS) & PSSR.MDIX) !== 0;
  }

  e1000_power_up_phy_copper(): void {
    this.e1000e_write_phy_reg_bm2(PHY.BMCR, this.e1000e_read_phy_reg_bm2(PHY.BMCR) & ~BMCR.PDOWN);
  }
  /** Unless firmware still needs it. */
  e1000_power_down_phy_copper_82571(): void {
    if (this.hw.e1000_check_mng_mode_82574() || this.hw.e1000e_check_reset_block_generic()) return;
    this.e1000e_write_phy_reg_bm2(PHY.BMCR, this.e1000e_read_phy_reg_bm2(PHY.BMCR) | BMCR.PDOWN);
  }

  /** The link comes faster without the PHY's own power saving. */
  disableSmartPowerDown(): void {
    this.e1000e_write_phy_reg_bm2(PHY.POWER_MGMT, this.e1000e_read_phy_reg_bm2(PHY.POWER_MGMT) & ~PM_SPD);
  }
}
