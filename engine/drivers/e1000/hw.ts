// The 82540EM as its driver works it: EEPROM bit by bit, PHY, reset, initialisation, link (Linux: drivers/net/ethernet/intel/e1000/e1000_hw.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { PIO_OFFSET } from '../../kernel/io.ts';
import { EECD_82540 as EECD, EEPROM_CONTROL2, EEPROM_SUM, IO_82540, MANC_ARP_EN, MICROWIRE, TXDCTL_FULL_WB } from '../../pci/e1000_regs.ts';
import { ADVERTISE, BMCR, BMSR, CTRL1000, E1000_PHY_ADDR, PHY } from '../../pci/e1000e_phy.ts';
import { CTRL, E1000, E1000E_REGISTERS, FCRTL_XONE, MDIC, RAH_AV, STATUS, TCTL } from '../../pci/e1000e_regs.ts';

export const RAR_ENTRIES = 15;
const TABLE_ENTRIES = 128;
const EEPROM_GRANT_ATTEMPTS = 1000;
const MDIC_ATTEMPTS = 64;
const MILLISECOND = 1_000_000;
/** §8.7: the PHYs that come with these controllers. */
const PHY_IDS: readonly number[] = [0x01410c50, 0x01410c30, 0x01410c20];
/** IEEE 802.3 annex 31B: destination and EtherType of pause frames, and for how long they stop the far end. */
const PAUSE_FRAME = { LOW: 0x00c28001, HIGH: 0x0100, TYPE: 0x8808, TIME: 0xffff } as const;
const ADVERTISE_ALL = ADVERTISE.HALF10 | ADVERTISE.FULL10 | ADVERTISE.HALF100 | ADVERTISE.FULL100;
const COLLISION_DISTANCE = 0x3f;

export type FlowControl = 'none' | 'rx_pause' | 'tx_pause' | 'full';

export class E1000Hw82540 {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'er32',
    'ew32',
    'e1000_write_flush',
    'e1000_raise_ee_clk',
    'e1000_lower_ee_clk',
  ]);
  readonly perm_mac_addr = new Uint8Array(6);
  mac_addr = new Uint8Array(6);
  original_fc: FlowControl = 'full';
  fc: FlowControl = 'full';
  fc_high_water = 0;
  fc_low_water = 0;
  /** The link has changed, or may have. */
  get_link_status = true;

  constructor(
    readonly kernel: Kernel,
    /** Bus address of BAR 0. */
    readonly hw_addr: number,
    /** Port of the I/O BAR. */
    readonly io_base: number,
  ) {}

  er32(offset: number): number {
    return this.kernel.io.readl(this.hw_addr + offset);
  }
  ew32(offset: number, value: number): void {
    this.kernel.io.writel(value >>> 0, this.hw_addr + offset);
  }
  e1000_write_flush(): void {
    this.er32(E1000.STATUS);
  }

  /** The words from `offset` on by the serial interface; -EIO when it is not granted. */
  e1000_read_eeprom(offset: number, words: number): number[] | number {
    let eecd = this.er32(E1000.EECD) | EECD.REQ;
    this.ew32(E1000.EECD, eecd);
    for (let i = 0; (this.er32(E1000.EECD) & EECD.GNT) === 0; i++) {
      if (i === EEPROM_GRANT_ATTEMPTS) {
        this.ew32(E1000.EECD, eecd & ~EECD.REQ);
        return -Errno.EIO;
      }
    }
    eecd = (this.er32(E1000.EECD) & ~(EECD.DI | EECD.SK)) | EECD.CS;
    const out: number[] = [];
    for (let i = 0; i < words; i++) {
      this.ew32(E1000.EECD, eecd);
      this.e1000_shift_out_ee_bits(MICROWIRE.READ, MICROWIRE.OPCODE_BITS);
      this.e1000_shift_out_ee_bits(offset + i, MICROWIRE.ADDRESS_BITS);
      out.push(this.e1000_shift_in_ee_bits(16));
      // deselected, the EEPROM waits for the next command
      this.ew32(E1000.EECD, eecd & ~EECD.CS);
    }
    this.ew32(E1000.EECD, eecd & ~(EECD.CS | EECD.REQ));
    return out;
  }

  e1000_shift_out_ee_bits(data: number, count: number): void {
    const eecd = this.er32(E1000.EECD) & ~(EECD.DI | EECD.DO);
    for (let mask = 1 << (count - 1); mask !== 0; mask >>= 1) {
      const bit = eecd | ((data & mask) !== 0 ? EECD.DI : 0);
      this.ew32(E1000.EECD, bit);
      this.ew32(E1000.EECD, bit | EECD.SK);
      this.ew32(E1000.EECD, bit & ~EECD.SK);
    }
    this.ew32(E1000.EECD, eecd);
  }

  e1000_shift_in_ee_bits(count: number): number {
    const eecd = this.er32(E1000.EECD) & ~(EECD.DI | EECD.DO);
    let data = 0;
    for (let i = 0; i < count; i++) {
      this.ew32(E1000.EECD, eecd | EECD.SK);
      data = (data << 1) | ((this.er32(E1000.EECD) & EECD.DO) !== 0 ? 1 : 0);
      this.ew32(E1000.EECD, eecd & ~EECD.SK);
    }
    return data;
  }

  e1000_validate_eeprom_checksum(): number {
    const words = this.e1000_read_eeprom(0, MICROWIRE.WORDS);
    if (typeof words === 'number') return words;
    return (words.reduce((sum, w) => sum + w, 0) & 0xffff) === EEPROM_SUM ? 0 : -Errno.EIO;
  }

  e1000_read_mac_addr(): number {
    const words = this.e1000_read_eeprom(0, 3);
    if (typeof words === 'number') return words;
    for (let i = 0; i < 6; i++) this.perm_mac_addr[i] = words[i >> 1] >> (8 * (i & 1));
    this.mac_addr.set(this.perm_mac_addr);
    return 0;
  }

  /** A register of the PHY, or -errno. */
  e1000_read_phy_reg(register: number): number {
    this.ew32(E1000.MDIC, (register << MDIC.REG_SHIFT) | (E1000_PHY_ADDR << MDIC.PHY_SHIFT) | MDIC.OP_READ);
    const mdic = this.mdicDone();
    return mdic < 0 ? mdic : mdic & 0xffff;
  }
  e1000_write_phy_reg(register: number, value: number): number {
    this.ew32(E1000.MDIC, value | (register << MDIC.REG_SHIFT) | (E1000_PHY_ADDR << MDIC.PHY_SHIFT) | MDIC.OP_WRITE);
    return Math.min(0, this.mdicDone());
  }
  private mdicDone(): number {
    for (let i = 0; i < MDIC_ATTEMPTS; i++) {
      const mdic = this.er32(E1000.MDIC);
      if ((mdic & MDIC.READY) !== 0) return (mdic & MDIC.ERROR) !== 0 ? -Errno.EIO : mdic & 0x0fffffff;
    }
    return -Errno.EIO;
  }

  e1000_detect_gig_phy(): number {
    const id = ((this.e1000_read_phy_reg(PHY.PHYSID1) << 16) | (this.e1000_read_phy_reg(PHY.PHYSID2) & 0xfff0)) >>> 0;
    return PHY_IDS.includes(id) ? 0 : -Errno.ENODEV;
  }

  /** Transmission and reception stop; the reset itself is asked for in I/O space, which needs no answer on the bus. */
  e1000_reset_hw(): void {
    const { io } = this.kernel;
    this.ew32(E1000.IMC, 0xffffffff);
    this.ew32(E1000.RCTL, 0);
    this.ew32(E1000.TCTL, TCTL.PSP);
    this.e1000_write_flush();
    this.kernel.charge(10 * MILLISECOND);
    const ctrl = this.er32(E1000.CTRL);
    io.writel(E1000.CTRL, PIO_OFFSET + this.io_base + IO_82540.ADDR);
    io.writel((ctrl | CTRL.RST) >>> 0, PIO_OFFSET + this.io_base + IO_82540.DATA);
    // the EEPROM is read anew meanwhile
    this.kernel.charge(5 * MILLISECOND);
    this.ew32(E1000.MANC, this.er32(E1000.MANC) & ~MANC_ARP_EN);
    this.ew32(E1000.IMC, 0xffffffff);
    this.er32(E1000.ICR);
  }

  /** Filters empty but for the own address, link set up, statistics cleared; 0 or -errno. */
  e1000_init_hw(): number {
    for (let i = 0; i < TABLE_ENTRIES; i++) this.ew32(E1000.VFTA + 4 * i, 0);
    this.e1000_rar_set(this.mac_addr, 0);
    for (let i = 1; i < RAR_ENTRIES; i++) this.e1000_rar_set(undefined, i);
    for (let i = 0; i < TABLE_ENTRIES; i++) this.ew32(E1000.MTA + 4 * i, 0);
    const ret = this.e1000_setup_link();
    this.ew32(E1000.TXDCTL0, (this.er32(E1000.TXDCTL0) & ~0x3f0000) | TXDCTL_FULL_WB);
    this.e1000_clear_hw_cntrs();
    return ret;
  }

  e1000_rar_set(addr: Uint8Array | undefined, index: number): void {
    const a = addr ?? new Uint8Array(6);
    this.ew32(E1000.RA + 8 * index, a[0] | (a[1] << 8) | (a[2] << 16) | (a[3] << 24));
    this.e1000_write_flush();
    this.ew32(E1000.RA + 8 * index + 4, (a[4] | (a[5] << 8) | (addr === undefined ? 0 : RAH_AV)) >>> 0);
    this.e1000_write_flush();
  }

  /** Reading clears them. */
  e1000_clear_hw_cntrs(): void {
    for (const { offset, access, count, stride } of Object.values(E1000E_REGISTERS))
      if (access === 'rc') for (let i = 0; i < count; i++) this.er32(offset + i * stride);
  }

  e1000_setup_link(): number {
    const word = this.e1000_read_eeprom(EEPROM_CONTROL2.WORD, 1);
    if (typeof word === 'number') return word;
    const pause = word[0] & EEPROM_CONTROL2.PAUSE_MASK;
    this.fc = pause === 0 ? 'none' : pause === EEPROM_CONTROL2.ASM_DIR ? 'tx_pause' : 'full';
    this.original_fc = this.fc;
    const ret = this.e1000_setup_copper_link();
    this.ew32(E1000.FCT, PAUSE_FRAME.TYPE);
    this.ew32(E1000.FCAH, PAUSE_FRAME.HIGH);
    this.ew32(E1000.FCAL, PAUSE_FRAME.LOW);
    this.ew32(E1000.FCTTV, PAUSE_FRAME.TIME);
    const sends = this.fc === 'full' || this.fc === 'tx_pause';
    this.ew32(E1000.FCRTL, sends ? this.fc_low_water | FCRTL_XONE : 0);
    this.ew32(E1000.FCRTH, sends ? this.fc_high_water : 0);
    return ret;
  }

  e1000_setup_copper_link(): number {
    this.ew32(E1000.CTRL, (this.er32(E1000.CTRL) | CTRL.SLU) & ~(CTRL.FRCSPD | CTRL.FRCDPX));
    const ret = this.e1000_detect_gig_phy();
    if (ret < 0) return ret;
    this.e1000_phy_setup_autoneg();
    this.e1000_write_phy_reg(PHY.BMCR, this.e1000_read_phy_reg(PHY.BMCR) | BMCR.ANENABLE | BMCR.ANRESTART);
    this.get_link_status = true;
    return 0;
  }

  e1000_phy_setup_autoneg(): void {
    const pause: Readonly<Record<FlowControl, number>> = {
      none: 0,
      tx_pause: ADVERTISE.PAUSE_ASYM,
      rx_pause: ADVERTISE.PAUSE | ADVERTISE.PAUSE_ASYM,
      full: ADVERTISE.PAUSE | ADVERTISE.PAUSE_ASYM,
    };
    const keep = this.e1000_read_phy_reg(PHY.ADVERTISE) & ~(ADVERTISE_ALL | ADVERTISE.PAUSE | ADVERTISE.PAUSE_ASYM);
    this.e1000_write_phy_reg(PHY.ADVERTISE, keep | ADVERTISE_ALL | pause[this.fc]);
    this.e1000_write_phy_reg(PHY.CTRL1000, (this.e1000_read_phy_reg(PHY.CTRL1000) & ~CTRL1000.HALF) | CTRL1000.FULL);
  }

  /** After a change of the link; BMSR keeps a lost link until it is read once. */
  e1000_check_for_link(): void {
    if (!this.get_link_status) return;
    this.e1000_read_phy_reg(PHY.BMSR);
    if ((this.e1000_read_phy_reg(PHY.BMSR) & BMSR.LSTATUS) === 0) return;
    this.get_link_status = false;
    this.ew32(E1000.TCTL, (this.er32(E1000.TCTL) & ~(0x3ff << TCTL.COLD_SHIFT)) | (COLLISION_DISTANCE << TCTL.COLD_SHIFT));
    this.e1000_config_fc_after_link_up();
  }

  /** IEEE 802.3 annex 28B, table 28B-3; towards a partner that says nothing, pause frames are at least obeyed. */
  e1000_config_fc_after_link_up(): void {
    if ((this.e1000_read_phy_reg(PHY.BMSR) & BMSR.ANEGCOMPLETE) === 0) return;
    const own = this.e1000_read_phy_reg(PHY.ADVERTISE);
    const partner = this.e1000_read_phy_reg(PHY.LPA);
    const { PAUSE, PAUSE_ASYM } = ADVERTISE;
    const both = PAUSE | PAUSE_ASYM;
    if ((own & PAUSE) !== 0 && (partner & PAUSE) !== 0) this.fc = this.original_fc === 'full' ? 'full' : 'rx_pause';
    else if ((own & both) === PAUSE_ASYM && (partner & both) === both) this.fc = 'tx_pause';
    else if ((own & both) === both && (partner & both) === PAUSE_ASYM) this.fc = 'rx_pause';
    else this.fc = this.original_fc === 'none' || this.original_fc === 'tx_pause' ? 'none' : 'rx_pause';
    if (this.e1000_get_speed_and_duplex().duplex === 0) this.fc = 'none';
    const flow =
      (this.fc === 'full' || this.fc === 'rx_pause' ? CTRL.RFCE : 0) | (this.fc === 'full' || this.fc === 'tx_pause' ? CTRL.TFCE : 0);
    this.ew32(E1000.CTRL, (this.er32(E1000.CTRL) & ~(CTRL.RFCE | CTRL.TFCE)) | flow);
  }

  e1000_get_speed_and_duplex(): { readonly speed: number; readonly duplex: number } {
    const status = this.er32(E1000.STATUS);
    const speed = (status & STATUS.SPEED_1000) !== 0 ? 1000 : (status & STATUS.SPEED_100) !== 0 ? 100 : 10;
    return { speed, duplex: (status & STATUS.FD) !== 0 ? 1 : 0 };
  }

  /** §13.5.1: bit of the multicast table, from the last bytes of an address. */
  e1000_hash_mc_addr(addr: Uint8Array): number {
    return ((addr[4] >> 4) | (addr[5] << 4)) & 0xfff;
  }
}
