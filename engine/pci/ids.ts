// Vendor, device and class numbers of the functions this world has, with the words lspci prints for them (pci.ids).

export const PCI_ANY_ID = 0xffffffff;
export const PCI_VENDOR_ID = { INTEL: 0x8086, REDHAT_QUMRANET: 0x1af4 } as const;
export const PCI_DEVICE_ID = { Q35_MCH: 0x29c0, INTEL_82574L: 0x10d3, VIRTIO_NET_TRANSITIONAL: 0x1000, VIRTIO_NET: 0x1041 } as const;
/** virtio-v1.2 §4.1.2.1: modern devices are 0x1040 plus the virtio device type. */
export const VIRTIO_PCI_MODERN_BASE = 0x1040;
/** QEMU: subsystem ids of devices that are part of the board, and of modern virtio devices. */
export const QEMU_SUBSYSTEM = { VENDOR: 0x1af4, DEVICE: 0x1100 } as const;

const VENDORS: Readonly<Record<number, string>> = { 0x8086: 'Intel Corporation', 0x1af4: 'Red Hat, Inc.' };
const DEVICES: Readonly<Record<string, string>> = {
  '8086:29c0': '82G33/G31/P35/P31 Express DRAM Controller',
  '8086:10d3': '82574L Gigabit Network Connection',
  '8086:2918': '82801IB (ICH9) LPC Interface Controller',
  '8086:2922': '82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]',
  '8086:2930': '82801I (ICH9 Family) SMBus Controller',
  '1af4:1000': 'Virtio network device',
  '1af4:1041': 'Virtio network device',
};
const SUBSYSTEMS: Readonly<Record<string, string>> = { '1af4:1100': 'QEMU Virtual Machine' };
const CLASSES: Readonly<Record<number, string>> = {
  0x0106: 'SATA controller',
  0x0200: 'Ethernet controller',
  0x0600: 'Host bridge',
  0x0601: 'ISA bridge',
  0x0c05: 'SMBus',
};

const hex4 = (n: number): string => n.toString(16).padStart(4, '0');

/** 'Red Hat, Inc.', or 'Vendor abcd' when pci.ids does not know it. */
export const pciVendorName = (vendor: number): string => VENDORS[vendor] ?? `Vendor ${hex4(vendor)}`;
/** 'Virtio network device', or 'Device abcd'. */
export const pciDeviceName = (vendor: number, device: number): string =>
  DEVICES[`${hex4(vendor)}:${hex4(device)}`] ?? `Device ${hex4(device)}`;
/** 'Red Hat, Inc. QEMU Virtual Machine', or 'Red Hat, Inc. Device 0001'. */
export const pciSubsystemName = (vendor: number, device: number): string =>
  `${pciVendorName(vendor)} ${SUBSYSTEMS[`${hex4(vendor)}:${hex4(device)}`] ?? `Device ${hex4(device)}`}`;
/** 'Ethernet controller' for class and subclass 0x0200. */
export const pciClassName = (classSubclass: number): string => CLASSES[classSubclass] ?? `Class [${hex4(classSubclass)}]`;
