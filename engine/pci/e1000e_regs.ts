// Registers of Intel's 82574L (e1000e): offset, what software may do, value after reset. Both sides read this table (82574L datasheet §10).

/**
 * ro: writes are ignored; rw: stored; rc: a statistic, cleared by reading; w1c: ones clear;
 * hook: the device answers reads or acts on writes itself.
 */
export type RegAccess = 'ro' | 'rw' | 'rc' | 'w1c' | 'hook';
export interface RegSpec {
  readonly offset: number;
  readonly access: RegAccess;
  readonly reset: number;
  /** Bits that can be written. */
  readonly mask: number;
  /** Registers in a row, and how many bytes each is from the next. */
  readonly count: number;
  readonly stride: number;
  /** On Intel's chip; QEMU's model has no such register: reads give 0, writes are lost. */
  readonly intelOnly: boolean;
}
type RegMore = { reset?: number; mask?: number; count?: number; stride?: number; intelOnly?: boolean };
const reg = (offset: number, access: RegAccess, more: RegMore = {}): RegSpec => ({
  offset,
  access,
  reset: more.reset ?? 0,
  mask: more.mask ?? 0xffffffff,
  count: more.count ?? 1,
  stride: more.stride ?? 4,
  intelOnly: more.intelOnly ?? false,
});

/** 82574L datasheet §10.2; reset values as QEMU's device has them. */
export const E1000E_REGISTERS = Object.freeze({
  // general
  CTRL: reg(0x0000, 'hook', { reset: 0x00140241 }),
  STATUS: reg(0x0008, 'hook'),
  EECD: reg(0x0010, 'rw', { reset: 0x300 }),
  EERD: reg(0x0014, 'hook'),
  CTRL_EXT: reg(0x0018, 'rw'),
  FLA: reg(0x001c, 'rw'),
  MDIC: reg(0x0020, 'hook'),
  FCAL: reg(0x0028, 'rw'),
  FCAH: reg(0x002c, 'rw', { mask: 0xffff }),
  FCT: reg(0x0030, 'rw', { mask: 0xffff }),
  VET: reg(0x0038, 'rw', { mask: 0xffff, reset: 0x8100 }),
  FCTTV: reg(0x0170, 'rw', { mask: 0xffff }),
  /** Of the fibre ports this family once had; the driver's self test writes it. */
  TXCW: reg(0x0178, 'rw', { mask: 0xc000ffff, intelOnly: true }),
  POEMB: reg(0x0f10, 'rw', { reset: 0x300 }),
  EXTCNF_CTRL: reg(0x0f00, 'rw', { reset: 0x8 }),
  LEDCTL: reg(0x0e00, 'rw', { reset: 0x68302 }),
  PBA: reg(0x1000, 'rw', { reset: 0x00140014 }),
  PBS: reg(0x1008, 'rw'),
  EEMNGCTL: reg(0x1010, 'ro', { reset: 0x80040000 }),
  EEARBC: reg(0x1024, 'rw', { mask: 0xff }),
  EEWR: reg(0x102c, 'hook'),
  FCRTL: reg(0x2160, 'rw', { mask: 0x8000fff8 }),
  FCRTH: reg(0x2168, 'rw', { mask: 0xfff8 }),
  // interrupts
  ICR: reg(0x00c0, 'hook'),
  ITR: reg(0x00c4, 'rw', { mask: 0xffff }),
  ICS: reg(0x00c8, 'hook'),
  IMS: reg(0x00d0, 'hook'),
  IMC: reg(0x00d8, 'hook'),
  EIAC: reg(0x00dc, 'rw', { mask: 0x01f00000 }),
  IAM: reg(0x00e0, 'rw'),
  IVAR: reg(0x00e4, 'rw'),
  EITR: reg(0x00e8, 'rw', { mask: 0xffff, count: 5 }),
  // receive
  RCTL: reg(0x0100, 'hook'),
  ERT: reg(0x2008, 'rw', { mask: 0x3fff }),
  PSRCTL: reg(0x2170, 'rw', { mask: 0x3f3f3f7f, reset: 0x00040402 }),
  /** Receive data FIFO: head, tail, their copies, packets in it. */
  RDFH: reg(0x2410, 'rw', { mask: 0x1fff }),
  RDFT: reg(0x2418, 'rw', { mask: 0x1fff }),
  RDFHS: reg(0x2420, 'rw', { mask: 0x1fff }),
  RDFTS: reg(0x2428, 'rw', { mask: 0x1fff }),
  RDFPC: reg(0x2430, 'rw', { mask: 0x1fff }),
  RDBAL0: reg(0x2800, 'rw', { mask: 0xfffffff0 }),
  RDBAH0: reg(0x2804, 'rw'),
  RDLEN0: reg(0x2808, 'rw', { mask: 0xfff80 }),
  RDH0: reg(0x2810, 'rw', { mask: 0xffff }),
  RDT0: reg(0x2818, 'hook', { mask: 0xffff }),
  RDTR: reg(0x2820, 'hook', { mask: 0xffff }),
  RXDCTL0: reg(0x2828, 'rw', { reset: 0x10000 }),
  RADV: reg(0x282c, 'rw', { mask: 0xffff }),
  RDBAL1: reg(0x2900, 'rw', { mask: 0xfffffff0 }),
  RDBAH1: reg(0x2904, 'rw'),
  RDLEN1: reg(0x2908, 'rw', { mask: 0xfff80 }),
  RDH1: reg(0x2910, 'rw', { mask: 0xffff }),
  RDT1: reg(0x2918, 'hook', { mask: 0xffff }),
  RXDCTL1: reg(0x2928, 'rw', { reset: 0x10000 }),
  RSRPD: reg(0x2c00, 'rw', { mask: 0xfff }),
  RAID: reg(0x2c08, 'rw', { mask: 0xffff }),
  CPUVEC: reg(0x2c10, 'rw', { mask: 0x1f }),
  RXCSUM: reg(0x5000, 'rw', { reset: 0x300 }),
  RFCTL: reg(0x5008, 'rw'),
  MTA: reg(0x5200, 'rw', { count: 128 }),
  /** Receive address, 16 pairs: the low half, and the high half with the valid bit. */
  RA: reg(0x5400, 'rw', { count: 16, stride: 8 }),
  RAH: reg(0x5404, 'rw', { count: 16, stride: 8, mask: 0x8003ffff }),
  VFTA: reg(0x5600, 'rw', { count: 128 }),
  MRQC: reg(0x5818, 'rw'),
  RSSIM: reg(0x5864, 'rw'),
  RSSIR: reg(0x5868, 'rw'),
  RETA: reg(0x5c00, 'rw', { count: 32 }),
  RSSRK: reg(0x5c80, 'rw', { count: 10 }),
  // transmit
  TCTL: reg(0x0400, 'hook'),
  TIPG: reg(0x0410, 'rw', { reset: 0x00602008 }),
  TBT: reg(0x044c, 'rw'),
  AIT: reg(0x0458, 'rw', { mask: 0xffff }),
  /** Transmit data FIFO, as the receive side's. */
  TDFH: reg(0x3410, 'rw', { mask: 0x1fff, reset: 0x600 }),
  TDFT: reg(0x3418, 'rw', { mask: 0x1fff, reset: 0x600 }),
  TDFHS: reg(0x3420, 'rw', { mask: 0x1fff, reset: 0x600 }),
  TDFTS: reg(0x3428, 'rw', { mask: 0x1fff, reset: 0x600 }),
  TDFPC: reg(0x3430, 'rw', { mask: 0x1fff }),
  TDBAL0: reg(0x3800, 'rw', { mask: 0xfffffff0 }),
  TDBAH0: reg(0x3804, 'rw'),
  TDLEN0: reg(0x3808, 'rw', { mask: 0xfff80 }),
  TDH0: reg(0x3810, 'rw', { mask: 0xffff }),
  TDT0: reg(0x3818, 'hook', { mask: 0xffff }),
  TIDV: reg(0x3820, 'hook', { mask: 0xffff }),
  TXDCTL0: reg(0x3828, 'rw'),
  TADV: reg(0x382c, 'rw', { mask: 0xffff }),
  TARC0: reg(0x3840, 'rw', { reset: 0x403 }),
  TDBAL1: reg(0x3900, 'rw', { mask: 0xfffffff0 }),
  TDBAH1: reg(0x3904, 'rw'),
  TDLEN1: reg(0x3908, 'rw', { mask: 0xfff80 }),
  TDH1: reg(0x3910, 'rw', { mask: 0xffff }),
  TDT1: reg(0x3918, 'hook', { mask: 0xffff }),
  TXDCTL1: reg(0x3928, 'rw'),
  TARC1: reg(0x3940, 'rw', { reset: 0x403 }),
  // statistics
  CRCERRS: reg(0x4000, 'rc'),
  ALGNERRC: reg(0x4004, 'rc'),
  SYMERRS: reg(0x4008, 'rc'),
  RXERRC: reg(0x400c, 'rc'),
  MPC: reg(0x4010, 'rc'),
  SCC: reg(0x4014, 'rc'),
  ECOL: reg(0x4018, 'rc'),
  MCC: reg(0x401c, 'rc'),
  LATECOL: reg(0x4020, 'rc'),
  COLC: reg(0x4028, 'rc'),
  DC: reg(0x4030, 'rc'),
  TNCRS: reg(0x4034, 'rc'),
  SEC: reg(0x4038, 'rc'),
  CEXTERR: reg(0x403c, 'rc'),
  RLEC: reg(0x4040, 'rc'),
  XONRXC: reg(0x4048, 'rc'),
  XONTXC: reg(0x404c, 'rc'),
  XOFFRXC: reg(0x4050, 'rc'),
  XOFFTXC: reg(0x4054, 'rc'),
  FCRUC: reg(0x4058, 'rc'),
  /** Received frames of 64, up to 127, 255, 511, 1023 bytes, and longer. */
  PRC: reg(0x405c, 'rc', { count: 6 }),
  GPRC: reg(0x4074, 'rc'),
  BPRC: reg(0x4078, 'rc'),
  MPRC: reg(0x407c, 'rc'),
  GPTC: reg(0x4080, 'rc'),
  GORCL: reg(0x4088, 'rc'),
  GORCH: reg(0x408c, 'rc'),
  GOTCL: reg(0x4090, 'rc'),
  GOTCH: reg(0x4094, 'rc'),
  RNBC: reg(0x40a0, 'rc'),
  RUC: reg(0x40a4, 'rc'),
  RFC: reg(0x40a8, 'rc'),
  ROC: reg(0x40ac, 'rc'),
  RJC: reg(0x40b0, 'rc'),
  MGTPRC: reg(0x40b4, 'rc'),
  MGTPDC: reg(0x40b8, 'rc'),
  MGTPTC: reg(0x40bc, 'rc'),
  TORL: reg(0x40c0, 'rc'),
  TORH: reg(0x40c4, 'rc'),
  TOTL: reg(0x40c8, 'rc'),
  TOTH: reg(0x40cc, 'rc'),
  TPR: reg(0x40d0, 'rc'),
  TPT: reg(0x40d4, 'rc'),
  /** Sent frames by the same sizes. */
  PTC: reg(0x40d8, 'rc', { count: 6 }),
  MPTC: reg(0x40f0, 'rc'),
  BPTC: reg(0x40f4, 'rc'),
  TSCTC: reg(0x40f8, 'rc'),
  TSCTFC: reg(0x40fc, 'rc'),
  IAC: reg(0x4100, 'rc'),
  ICRXPTC: reg(0x4104, 'ro'),
  ICRXATC: reg(0x4108, 'ro'),
  ICTXPTC: reg(0x410c, 'ro'),
  ICTXATC: reg(0x4110, 'ro'),
  ICTXQEC: reg(0x4118, 'ro'),
  ICTXQMTC: reg(0x411c, 'ro'),
  ICRXDMTC: reg(0x4120, 'ro'),
  ICRXOC: reg(0x4124, 'ro'),
  // management, PCI Express, semaphores
  WUC: reg(0x5800, 'rw', { mask: 0x1f }),
  WUFC: reg(0x5808, 'rw'),
  WUS: reg(0x5810, 'w1c'),
  MANC: reg(0x5820, 'rw', { reset: 0x10000000 }),
  MFVAL: reg(0x5824, 'rw'),
  IPAV: reg(0x5838, 'rw'),
  IP4AT: reg(0x5840, 'rw', { count: 4, stride: 8 }),
  IP6AT: reg(0x5880, 'rw', { count: 4 }),
  WUPL: reg(0x5900, 'ro'),
  WUPM: reg(0x5a00, 'rw', { count: 32 }),
  FFLT: reg(0x5f00, 'rw', { count: 6, stride: 8 }),
  FFMT: reg(0x9000, 'rw', { count: 128, stride: 8, mask: 0xf }),
  FFVT: reg(0x9800, 'rw', { count: 128, stride: 8 }),
  GCR: reg(0x5b00, 'rw', { reset: 0x06800200 }),
  FACTPS: reg(0x5b30, 'ro', { reset: 0x20000 }),
  SWSM2: reg(0x5b58, 'rw', { mask: 0x2 }),
  PBACLR: reg(0x5b68, 'rw', { mask: 0x1f }),
  GSCR: reg(0x5b10, 'rw', { count: 4 }),
  SWSM: reg(0x5b50, 'rw', { reset: 0x1 }),
  FWSM: reg(0x5b54, 'rw'),
  GCR2: reg(0x5b64, 'rw'),
  // time stamps (IEEE 1588)
  SYSTIML: reg(0xb600, 'hook'),
  SYSTIMH: reg(0xb604, 'hook'),
  TIMINCA: reg(0xb608, 'rw'),
  TSYNCTXCTL: reg(0xb614, 'rw'),
  TXSTMPL: reg(0xb618, 'ro'),
  TXSTMPH: reg(0xb61c, 'ro'),
  TSYNCRXCTL: reg(0xb620, 'rw'),
  RXSTMPL: reg(0xb624, 'ro'),
  RXSTMPH: reg(0xb628, 'ro'),
  RXMTRL: reg(0xb634, 'rw'),
  RXUDP: reg(0xb638, 'rw'),
} satisfies Record<string, RegSpec>);

export type E1000Reg = keyof typeof E1000E_REGISTERS;
/** Offsets: `E1000.CTRL`. */
export const E1000 = Object.freeze(Object.fromEntries(Object.entries(E1000E_REGISTERS).map(([name, r]) => [name, r.offset]))) as Readonly<
  Record<E1000Reg, number>
>;
/** Distance between the registers of queue 0 and queue 1. */
export const E1000_QUEUE_STRIDE = 0x100;

/** §10.2.2.1 */
export const CTRL = {
  FD: 0x1,
  GIO_MASTER_DISABLE: 0x4,
  SLU: 0x40,
  SPD_MASK: 0x300,
  SPD_100: 0x100,
  SPD_1000: 0x200,
  FRCSPD: 0x800,
  FRCDPX: 0x1000,
  ILOS: 0x80,
  RST: 0x04000000,
  RFCE: 0x08000000,
  TFCE: 0x10000000,
  VME: 0x40000000,
  PHY_RST: 0x80000000,
} as const;
/** §10.2.2.2 */
export const STATUS = {
  FD: 0x1,
  LU: 0x2,
  TXOFF: 0x10,
  SPEED_100: 0x40,
  SPEED_1000: 0x80,
  ASDV_100: 0x100,
  ASDV_1000: 0x200,
  GIO_MASTER_ENABLE: 0x80000,
} as const;
/** §10.2.2.3, §10.2.2.5 */
export const EECD = { PRES: 0x100, AUTO_RD: 0x200 } as const;
export const EERD = { START: 0x1, DONE: 0x2, ADDR_SHIFT: 2, DATA_SHIFT: 16 } as const;
/** §10.2.2.6 */
export const CTRL_EXT = { EIAME: 0x01000000, IAME: 0x08000000, DRV_LOAD: 0x10000000, PBA_CLR: 0x80000000, PHYPDEN: 0x00400000 } as const;
/** §10.2.2.7 */
export const MDIC = {
  REG_SHIFT: 16,
  PHY_SHIFT: 21,
  OP_WRITE: 0x04000000,
  OP_READ: 0x08000000,
  READY: 0x10000000,
  INT_EN: 0x20000000,
  ERROR: 0x40000000,
} as const;
export const EXTCNF_MDIO_SW_OWNERSHIP = 0x20;
/** §10.2.4.1 */
export const ICR = {
  TXDW: 0x1,
  TXQE: 0x2,
  LSC: 0x4,
  RXSEQ: 0x8,
  RXDMT0: 0x10,
  RXO: 0x40,
  RXT0: 0x80,
  MDAC: 0x200,
  SRPD: 0x10000,
  ACK: 0x20000,
  MNG: 0x40000,
  RXQ0: 0x00100000,
  RXQ1: 0x00200000,
  TXQ0: 0x00400000,
  TXQ1: 0x00800000,
  OTHER: 0x01000000,
  INT_ASSERTED: 0x80000000,
} as const;
/** §10.2.4.5: what IMS of QEMU's model takes; the chip takes the low ten bits whole. */
export const IMS_MASK = 0x01f782d7;
export const IMS_MASK_INTEL = IMS_MASK | 0x3ff;
/** §10.2.4.11, §10.2.6.9: write the delayed write-backs and interrupts out now. */
export const DELAY_FPD = 0x80000000;
/** RDTR, RADV, TIDV, TADV count in units of 1.024 µs. */
export const DELAY_UNIT = 1024;
/** §10.2.8: wake-up filters and what woke. */
export const WUFC = { LNKC: 0x1, MAG: 0x2, EX: 0x4, MC: 0x8, BC: 0x10, ARP: 0x20 } as const;
/** What the vector for other causes stands for. */
export const ICR_OTHER_CAUSES = ICR.LSC | ICR.RXO | ICR.MDAC | ICR.SRPD | ICR.ACK | ICR.MNG;
/** §10.2.4.9: four bits per cause: vector, and valid. */
export const IVAR = {
  VALID: 0x8,
  VECTOR: 0x7,
  RXQ0_SHIFT: 0,
  RXQ1_SHIFT: 4,
  TXQ0_SHIFT: 8,
  TXQ1_SHIFT: 12,
  OTHER_SHIFT: 16,
  INT_ON_ALL_WB: 0x80000000,
} as const;
/** §10.2.4.3, §10.2.4.10: intervals in units of 256 ns. */
export const ITR_UNIT = 256;
/** §10.2.5.1 */
export const RCTL = {
  EN: 0x2,
  SBP: 0x4,
  UPE: 0x8,
  MPE: 0x10,
  LPE: 0x20,
  RDMTS_SHIFT: 8,
  MO_SHIFT: 12,
  BAM: 0x8000,
  BSIZE_SHIFT: 16,
  VFE: 0x40000,
  LBM_MAC: 0x40,
  LBM_MASK: 0xc0,
  DTYP_PS: 0x400,
  DPF: 0x400000,
  PMCF: 0x800000,
  BSEX: 0x02000000,
  SECRC: 0x04000000,
} as const;
/** §10.2.5.15, §10.2.5.16 */
export const RXCSUM = { IPOFL: 0x100, TUOFL: 0x200, PCSD: 0x2000 } as const;
export const RFCTL = {
  IPFRSP_DIS: 0x4000,
  NFSW_DIS: 0x40,
  NFSR_DIS: 0x80,
  ACK_DIS: 0x1000,
  EXTEN: 0x8000,
  IPV6_EX_DIS: 0x10000,
  NEW_IPV6_EXT_DIS: 0x20000,
} as const;
/** §10.2.2.19: send XON when the buffer empties. */
export const FCRTL_XONE = 0x80000000;
export const RAH_AV = 0x80000000;
/** §10.2.5.22 */
export const MRQC = {
  ENABLE: 0x3,
  RSS_QUEUES: 0x1,
  TCP_IPV4: 0x10000,
  IPV4: 0x20000,
  TCP_IPV6_EX: 0x40000,
  IPV6_EX: 0x80000,
  IPV6: 0x100000,
  TCP_IPV6: 0x200000,
} as const;
/** §10.2.6.1 */
export const TCTL = { EN: 0x2, PSP: 0x8, CT_SHIFT: 4, CT_MASK: 0xff0, COLD_SHIFT: 12, RTLC: 0x01000000, MULR: 0x10000000 } as const;
export const TARC_SPEED_MODE = 0x00200000;
export const TXDCTL = { WTHRESH_SHIFT: 16, WTHRESH_MASK: 0x3f, GRAN: 0x01000000, COUNT_DESC: 0x00400000 } as const;

/** Names for traces, by offset; registers in a row have an index. */
export function registerName(offset: number): string {
  for (const [name, r] of Object.entries(E1000E_REGISTERS)) {
    if (offset < r.offset || offset >= r.offset + r.stride * r.count || (offset - r.offset) % r.stride !== 0) continue;
    return r.count === 1 ? name : `${name}[${(offset - r.offset) / r.stride}]`;
  }
  return `0x${offset.toString(16).padStart(5, '0')}`;
}
