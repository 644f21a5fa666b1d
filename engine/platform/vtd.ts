// Registers and tables of a DMA-remapping unit (Intel Virtualization Technology for Directed I/O 3.3): what hardware and its driver share.

/** Where QEMU's q35 has the unit's registers. */
export const VTD_BASE = 0xfed90000;
export const VTD_SIZE = 0x1000;

/** Register offsets (VT-d 3.3 §11.4); 64-bit registers are reached as two halves. IOTLB registers lie at ECAP.IRO, fault records at CAP.FRO. */
export const VTD_REG = {
  VER: 0x00,
  CAP: 0x08,
  ECAP: 0x10,
  GCMD: 0x18,
  GSTS: 0x1c,
  RTADDR: 0x20,
  CCMD: 0x28,
  FSTS: 0x34,
  FECTL: 0x38,
  FEDATA: 0x3c,
  FEADDR: 0x40,
  FEUADDR: 0x44,
  IVA: 0xf0,
  IOTLB: 0xf8,
  FRCD: 0x220,
} as const;

/** Version 1.0. */
export const VTD_VERSION = 0x10;
/** §11.4.2: 64 K domains, three-level tables for 39 bits, fault record at 0x220, page-selective invalidation with masks to 2^18 pages, drain. */
export const VTD_CAP = { LOW: 0x22260206, HIGH: 0x00d20080 } as const;
/** §11.4.3: IOTLB registers at 0xf0, pass-through. */
export const VTD_ECAP = { LOW: 0x00000f40, HIGH: 0 } as const;

/** §11.4.4 and §11.4.5: global command and status. */
export const VTD_GCMD = { TE: 0x80000000, SRTP: 0x40000000 } as const;
/** §11.4.7: context command, high half. */
export const VTD_CCMD_ICC = 0x80000000;
/** §11.4.8: IOTLB invalidate, high half. */
export const VTD_IOTLB_IVT = 0x80000000;
/** §11.4.9: fault status. */
export const VTD_FSTS = { PFO: 0x1, PPF: 0x2 } as const;
/** §11.4.10: fault event control. */
export const VTD_FECTL_IM = 0x80000000;
/** §11.4.14: fault record, highest word. */
export const VTD_FRCD = { F: 0x80000000, READ: 0x40000000 } as const;

/** §9.1 to §9.8: root and context entries have 16 bytes, page-table entries 8; of a second-level entry the low bits are read, write. */
export const VTD_ENTRY = { ROOT_BYTES: 16, CONTEXT_BYTES: 16, PTE_BYTES: 8, PRESENT: 0x1, READ: 0x1, WRITE: 0x2 } as const;
/** §9.3: translation type in bits 3:2 of a context entry's first word, address width in bits 2:0 of its third. */
export const VTD_CONTEXT = { TYPE_SHIFT: 2, TYPE_MASK: 3, MULTI_LEVEL: 0, PASS_THROUGH: 2, WIDTH_39: 1 } as const;
export const VTD_LEVELS = 3;
export const VTD_ADDRESS_END = 2 ** 39;

/** §7.3.3, table 25: why a request was refused. */
export const VTD_FAULT = {
  ROOT_NOT_PRESENT: 0x1,
  CONTEXT_NOT_PRESENT: 0x2,
  CONTEXT_INVALID: 0x3,
  BEYOND_MGAW: 0x4,
  NO_WRITE: 0x5,
  NO_READ: 0x6,
  TABLE_INVALID: 0x7,
} as const;
