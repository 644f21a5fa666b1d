// What the 8254x controllers (e1000) have that the 82574L has not, or has otherwise (8254x GbE Controllers Software Developer's Manual).

/** §13.4.3: the bits that software moves to talk to the EEPROM's serial interface, and the request for it. */
export const EECD_82540 = { SK: 0x1, CS: 0x2, DI: 0x4, DO: 0x8, REQ: 0x40, GNT: 0x80 } as const;
/** §5.3.1: the Microwire read command, its length, and the length of an address in an EEPROM of 64 words. */
export const MICROWIRE = { READ: 0x6, OPCODE_BITS: 3, ADDRESS_BITS: 6, WORDS: 64 } as const;
/** §5.6: the words up to and including the last add up to this. */
export const EEPROM_SUM = 0xbaba;
/** §5.6.8: default flow control in Initialization Control Word 2. */
export const EEPROM_CONTROL2 = { WORD: 0x0f, PAUSE_MASK: 0x3000, ASM_DIR: 0x2000 } as const;
/** §13.3.2: the I/O space, through which a reset is asked for. */
export const IO_82540 = { ADDR: 0, DATA: 4 } as const;
/** §13.4.17: ICR and IMS of the 82540. */
export const ICR_82540 = { TXDW: 0x1, LSC: 0x4, RXSEQ: 0x8, RXDMT0: 0x10, RXO: 0x40, RXT0: 0x80 } as const;
/** §13.4.35: a full descriptor is written back. */
export const TXDCTL_FULL_WB = 0x01010000;
/** §13.5.8: ARP filtering for the management controller. */
export const MANC_ARP_EN = 0x2000;
/** §13.4.34: gaps between packets, copper. */
export const TIPG_COPPER = 10 | (8 << 10) | (6 << 20);
