// Vendor and device numbers of the functions this world has.

export const PCI_ANY_ID = 0xffffffff;
export const PCI_VENDOR_ID = { INTEL: 0x8086, REDHAT_QUMRANET: 0x1af4 } as const;
export const PCI_DEVICE_ID = {
  VIRTIO_NET_TRANSITIONAL: 0x1000,
  VIRTIO_NET: 0x1041,
  INTEL_82574L: 0x10d3,
  INTEL_82540EM: 0x100e,
  ICH9_LPC: 0x2918,
  ICH9_AHCI: 0x2922,
  ICH9_SMBUS: 0x2930,
  Q35_MCH: 0x29c0,
} as const;
/** virtio-v1.2 §4.1.2.1: modern devices are 0x1040 plus the virtio device type. */
export const VIRTIO_PCI_MODERN_BASE = 0x1040;
/** QEMU: subsystem ids of devices that are part of the board, and of modern virtio devices. */
export const QEMU_SUBSYSTEM = { VENDOR: 0x1af4, DEVICE: 0x1100 } as const;
