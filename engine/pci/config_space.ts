// PCI configuration space: the type 0 header, command and status bits, BAR encoding, ECAM addressing.
import { bytes, le16, le32, struct, u8 } from '../base/layout.ts';

/** PCI Local Bus 3.0 §6.1, figure 6-1: the type 0 header. */
export const PciHeader = struct('pci_header', {
  vendor: le16('Who made the function.'),
  device: le16('What the vendor calls it.'),
  command: le16('PCI_COMMAND_*: what the function may do on the bus.'),
  status: le16('PCI_STATUS_*: what it can do and what happened.'),
  revision: u8('Revision of the device.'),
  prog_if: u8('Programming interface within the subclass.'),
  subclass: u8('Subclass.'),
  class: u8('Base class: 2 is network controller.'),
  cache_line_size: u8('In 32-bit words, set by the system.'),
  latency_timer: u8('Unused on PCI Express.'),
  header_type: u8('Layout of the header; bit 7: the device has several functions.'),
  bist: u8('Built-in self test.'),
  bar0: le32('Base address register 0.'),
  bar1: le32('Base address register 1.'),
  bar2: le32('Base address register 2.'),
  bar3: le32('Base address register 3.'),
  bar4: le32('Base address register 4.'),
  bar5: le32('Base address register 5; the high half of BAR 4 when that is 64 bits wide.'),
  cardbus_cis: le32('CardBus CIS pointer.'),
  subsystem_vendor: le16('Who made the board.'),
  subsystem_id: le16('What the maker calls the board; a transitional virtio device puts the virtio device type here.'),
  rom_address: le32('Expansion ROM base address; bit 0 enables.'),
  capabilities: u8('Offset of the first capability.'),
  reserved: bytes(7),
  interrupt_line: u8('Interrupt line routing, written by firmware.'),
  interrupt_pin: u8('1 to 4: INTA# to INTD#; 0: none.'),
  min_gnt: u8('Unused on PCI Express.'),
  max_lat: u8('Unused on PCI Express.'),
});
export const PCI_BASE_ADDRESS_0 = PciHeader.bar0.offset;
export const PCI_ROM_ADDRESS = PciHeader.rom_address.offset;

/** PCI 3.0 §6.2.2 */
export const PCI_COMMAND = { IO: 0x1, MEMORY: 0x2, MASTER: 0x4, PARITY: 0x40, SERR: 0x100, INTX_DISABLE: 0x400 } as const;

/** PCI 3.0 §6.2.3; the error bits are write-one-to-clear. */
export const PCI_STATUS = {
  INTERRUPT: 0x8,
  CAP_LIST: 0x10,
  PARITY: 0x100,
  SIG_TARGET_ABORT: 0x800,
  REC_TARGET_ABORT: 0x1000,
  REC_MASTER_ABORT: 0x2000,
  SIG_SYSTEM_ERROR: 0x4000,
  DETECTED_PARITY: 0x8000,
} as const;

/** PCI 3.0 §6.2.5.1: the low bits of a base address register. */
export const PCI_BAR = { SPACE_IO: 0x1, MEM_TYPE_64: 0x4, MEM_PREFETCH: 0x8, IO_MASK: 0xfffffffc, MEM_MASK: 0xfffffff0 } as const;
/** PCI 3.0 §6.2.5.2 */
export const PCI_ROM_ADDRESS_ENABLE = 0x1;

/** Conventional and PCI Express configuration space per function. */
export const PCI_CFG_SPACE_SIZE = 256;
export const PCI_CFG_SPACE_EXP_SIZE = 4096;

/** PCI Express 5.0 §7.2.2: where a function's configuration space lies in the ECAM window. */
export const ecamOffset = (bus: number, device: number, fn: number): number => bus * 0x100000 + device * 0x8000 + fn * 0x1000;
/** Device and function number packed as Linux does. */
export const PCI_DEVFN = (device: number, fn: number): number => (device << 3) | fn;
export const PCI_SLOT = (devfn: number): number => devfn >> 3;
export const PCI_FUNC = (devfn: number): number => devfn & 7;

/** '0000:00:01.0', as sysfs names a function. */
export function pciName(bus: number, devfn: number): string {
  const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
  return `0000:${hex2(bus)}:${hex2(PCI_SLOT(devfn))}.${PCI_FUNC(devfn)}`;
}

/** Registers of the host bridge beyond the header (Intel 82G33 datasheet §5.1). */
export const Q35_MCH = { EXT_CONFIG: 0x50, PCIEXBAR: 0x60, PAM0: 0x90, SMRAM: 0x9d, ESMRAMC: 0x9e } as const;
/** Registers of the LPC bridge beyond the header (Intel ICH9 datasheet §13.1). */
export const ICH9_LPC = {
  PMBASE: 0x40,
  ACPI_CNTL: 0x44,
  PIRQA_ROUT: 0x60,
  PIRQE_ROUT: 0x68,
  LPC_EN: 0x82,
  GEN_PMCON_1: 0xa0,
  RCBA: 0xf0,
} as const;
