// virtio over MMIO: the register layout (virtio-v1.2 §4.2.2) and the legacy one (§4.2.4).

/** virtio-v1.2 §4.2.2: offsets of the registers, all 32 bits wide; the device's configuration is at CONFIG, any width. */
export const VIRTIO_MMIO = {
  MAGIC_VALUE: 0x000,
  VERSION: 0x004,
  DEVICE_ID: 0x008,
  VENDOR_ID: 0x00c,
  DEVICE_FEATURES: 0x010,
  DEVICE_FEATURES_SEL: 0x014,
  DRIVER_FEATURES: 0x020,
  DRIVER_FEATURES_SEL: 0x024,
  /** Legacy: the unit of QUEUE_PFN. */
  GUEST_PAGE_SIZE: 0x028,
  QUEUE_SEL: 0x030,
  QUEUE_NUM_MAX: 0x034,
  QUEUE_NUM: 0x038,
  /** Legacy: alignment of the used ring. */
  QUEUE_ALIGN: 0x03c,
  /** Legacy: page number of the queue, 0: none. */
  QUEUE_PFN: 0x040,
  QUEUE_READY: 0x044,
  QUEUE_NOTIFY: 0x050,
  INTERRUPT_STATUS: 0x060,
  INTERRUPT_ACK: 0x064,
  STATUS: 0x070,
  QUEUE_DESC_LOW: 0x080,
  QUEUE_DESC_HIGH: 0x084,
  QUEUE_DRIVER_LOW: 0x090,
  QUEUE_DRIVER_HIGH: 0x094,
  QUEUE_DEVICE_LOW: 0x0a0,
  QUEUE_DEVICE_HIGH: 0x0a4,
  SHM_SEL: 0x0ac,
  SHM_LEN_LOW: 0x0b0,
  SHM_LEN_HIGH: 0x0b4,
  SHM_BASE_LOW: 0x0b8,
  SHM_BASE_HIGH: 0x0bc,
  QUEUE_RESET: 0x0c0,
  CONFIG_GENERATION: 0x0fc,
  CONFIG: 0x100,
} as const;

/** 'virt', little-endian. */
export const VIRTIO_MMIO_MAGIC = 0x74726976;
/** virtio-v1.2 §4.2.2: 2; a legacy device has 1. */
export const VIRTIO_MMIO_VERSION = { LEGACY: 1, MODERN: 2 } as const;
/** What QEMU puts into VENDOR_ID: 'QEMU', little-endian. */
export const VIRTIO_MMIO_VENDOR_QEMU = 0x554d4551;
/** Bits of INTERRUPT_STATUS. */
export const VIRTIO_MMIO_INT = { VRING: 1, CONFIG: 2 } as const;
/** QEMU's microvm: bytes per device. */
export const VIRTIO_MMIO_SIZE = 0x200;
