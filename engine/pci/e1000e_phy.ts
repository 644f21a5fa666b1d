// What lies behind the 82574L's registers: PHY registers (IEEE 802.3 clause 22) and the words of its non-volatile memory.

/** The PHY's address on the management bus. */
export const E1000_PHY_ADDR = 1;
/** IEEE 802.3 §22.2.4; the names of Linux's mii.h. 16 and up are the vendor's (82574L datasheet §10.3). */
export const PHY = {
  BMCR: 0,
  BMSR: 1,
  PHYSID1: 2,
  PHYSID2: 3,
  ADVERTISE: 4,
  LPA: 5,
  EXPANSION: 6,
  CTRL1000: 9,
  STAT1000: 10,
  ESTATUS: 15,
  SPEC_CTRL: 16,
  SPEC_STATUS: 17,
  RECEIVE_ERRORS: 21,
  PAGE_SELECT: 22,
  /** Power management and others, on page 0. */
  POWER_MGMT: 25,
  PAGE_ADDR: 29,
  GEN_CONTROL: 30,
} as const;
export const BMCR = {
  RESET: 0x8000,
  LOOPBACK: 0x4000,
  SPEED100: 0x2000,
  ANENABLE: 0x1000,
  PDOWN: 0x0800,
  ANRESTART: 0x0200,
  FULLDPLX: 0x0100,
  SPEED1000: 0x0040,
} as const;
export const BMSR = { ANEGCOMPLETE: 0x20, LSTATUS: 0x4 } as const;
export const ADVERTISE = { HALF10: 0x20, FULL10: 0x40, HALF100: 0x80, FULL100: 0x100, PAUSE: 0x400, PAUSE_ASYM: 0x800 } as const;
export const CTRL1000 = { HALF: 0x100, FULL: 0x200 } as const;
export const STAT1000 = { LPA_FULL: 0x800, LPA_HALF: 0x400, REMRXOK: 0x1000, LOCALRXOK: 0x2000 } as const;
/** PHY_SPEC_STATUS: speed in 15:14, duplex, resolved, link, MDI-X. */
export const PSSR = { SPEED_1000: 0x8000, SPEED_100: 0x4000, DPLX: 0x2000, RESOLVED: 0x0800, LINK: 0x0400, MDIX: 0x0040 } as const;
/** PHY_SPEC_CTRL: bits 6:5 automatic crossover, bit 11 downshift. */
export const PSCR = { AUTO_X: 0x0060, DOWNSHIFT: 0x0800 } as const;

export const NVM_WORDS = 64;
/** Words of the non-volatile memory (82574L datasheet §6.1). */
export const NVM = {
  MAC0: 0,
  COMPAT: 3,
  VERSION: 5,
  PBA0: 8,
  PBA1: 9,
  INIT_CONTROL2: 0x0f,
  INIT_CONTROL3_A: 0x24,
  CHECKSUM: 0x3f,
} as const;
/** The words up to and including the checksum add up to this. */
export const NVM_SUM = 0xbaba;
