// PCI capabilities: the list's header, MSI-X (PCI 3.0 §6.8.2) and virtio's vendor-specific structures (virtio-v1.2 §4.1.4).
import { bytes, le16, le32, struct, u8 } from '../base/layout.ts';

/** PCI 3.0 §6.7 */
export const PciCap = struct('pci_cap', {
  cap_id: u8('PCI_CAP_ID_*'),
  cap_next: u8('Offset of the next capability, 0 for the last.'),
});
/** PCI Code and ID Assignment §2 */
export const PCI_CAP_ID = { PM: 0x01, MSI: 0x05, VNDR: 0x09, EXP: 0x10, MSIX: 0x11, SATA: 0x12 } as const;

/** PCI Power Management 1.2 §3.2 */
export const PciPmCap = struct('pm_cap', {
  cap_id: u8('0x01'),
  cap_next: u8('Offset of the next capability.'),
  capabilities: le16('Version, supported states, which of them can wake.'),
  control: le16('Power state in bits 1:0, no soft reset, wake enable and status.'),
});
export const PCI_PM_CTRL = { STATE_MASK: 0x0003, NO_SOFT_RESET: 0x0008 } as const;

/** PCI 3.0 §6.8.1, figure 6-9: what all four shapes of the capability begin with; `msiLayout` says where the rest lies. */
export const MsiCap = struct('msi_cap', {
  cap_id: u8('0x05'),
  cap_next: u8('Offset of the next capability.'),
  control: le16('Enable, messages asked for and given, 64-bit address, mask bits.'),
  addr_lo: le32('Message address, low half.'),
});
export const PCI_MSI_FLAGS = { ENABLE: 0x1, CAPABLE_SHIFT: 1, ENABLED_SHIFT: 4, LOG2_MASK: 0x7, WIDE: 0x80, MASKBIT: 0x100 } as const;

/** Offsets in the capability that depend on its shape; `mask` and `pending` 0 when there are none. */
export function msiLayout(wide: boolean, maskable: boolean): { data: number; mask: number; pending: number; size: number } {
  const data = wide ? 12 : 8;
  return maskable ? { data, mask: data + 4, pending: data + 8, size: data + 12 } : { data, mask: 0, pending: 0, size: data + 2 };
}

/** PCI 3.0 §6.8.2, figure 6-11 */
export const MsixCap = struct('msix_cap', {
  cap_id: u8('0x11'),
  cap_next: u8('Offset of the next capability.'),
  control: le16('Table size minus one, function mask, enable.'),
  table: le32('BAR number in bits 2:0, offset of the table in the rest.'),
  pba: le32('BAR number in bits 2:0, offset of the pending bit array in the rest.'),
});
export const PCI_MSIX_FLAGS = { QSIZE: 0x07ff, MASKALL: 0x4000, ENABLE: 0x8000 } as const;
export const PCI_MSIX_BIR = 0x7;

/** PCI 3.0 §6.8.2.6 to §6.8.2.9 */
export const MsixEntry = struct('msix_entry', {
  addr_lo: le32('Message address, low half.'),
  addr_hi: le32('Message address, high half.'),
  data: le32('Message data.'),
  vector_ctrl: le32('Bit 0 masks the vector.'),
});
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 0x1;

/** virtio-v1.2 §4.1.4 struct virtio_pci_cap */
export const VirtioPciCap = struct('virtio_pci_cap', {
  cap_vndr: u8('0x09, vendor specific.'),
  cap_next: u8('Offset of the next capability.'),
  cap_len: u8('Length of this capability.'),
  cfg_type: u8('VIRTIO_PCI_CAP_*: which structure it locates.'),
  bar: u8('The BAR the structure is in.'),
  id: u8('Distinguishes several of one type.'),
  padding: bytes(2),
  offset: le32('Offset in the BAR.'),
  length: le32('Length of the structure.'),
});
/** virtio-v1.2 §4.1.4.4 struct virtio_pci_notify_cap */
export const VirtioPciNotifyCap = struct('virtio_pci_notify_cap', {
  cap: bytes(VirtioPciCap.$size, 'struct virtio_pci_cap'),
  notify_off_multiplier: le32('Bytes between the doorbells of neighbouring queue_notify_off values.'),
});
/** virtio-v1.2 §4.1.4.9 struct virtio_pci_cfg_cap */
export const VirtioPciCfgCap = struct('virtio_pci_cfg_cap', {
  cap: bytes(VirtioPciCap.$size, 'struct virtio_pci_cap'),
  pci_cfg_data: bytes(4, 'Window onto a BAR for software that cannot map it.'),
});
export const VIRTIO_PCI_CAP = { COMMON_CFG: 1, NOTIFY_CFG: 2, ISR_CFG: 3, DEVICE_CFG: 4, PCI_CFG: 5 } as const;

/** Serial ATA AHCI 1.3.1 §2.4: where the index/data pair lies. */
export const AhciSataCap = struct('ahci_sata_cap', {
  cap_id: u8('0x12'),
  cap_next: u8('Offset of the next capability.'),
  revision: le16('Minor revision in bits 3:0, major in 7:4.'),
  location: le32('BAR in bits 3:0 (4: BAR 0, 8: BAR 4), offset in units of four bytes in bits 23:4.'),
});
