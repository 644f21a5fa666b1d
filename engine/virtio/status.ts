// Device status bits and device types (virtio-v1.2 §2.1, §5).

/** virtio-v1.2 §2.1 Device Status Field */
export const VIRTIO_CONFIG_S = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 0x40, FAILED: 0x80 } as const;

/** virtio-v1.2 §5 Device Types */
export const VIRTIO_ID = { NET: 1 } as const;

const NAMES: readonly (readonly [number, string])[] = [
  [VIRTIO_CONFIG_S.ACKNOWLEDGE, 'ACKNOWLEDGE'],
  [VIRTIO_CONFIG_S.DRIVER, 'DRIVER'],
  [VIRTIO_CONFIG_S.FEATURES_OK, 'FEATURES_OK'],
  [VIRTIO_CONFIG_S.DRIVER_OK, 'DRIVER_OK'],
  [VIRTIO_CONFIG_S.NEEDS_RESET, 'DEVICE_NEEDS_RESET'],
  [VIRTIO_CONFIG_S.FAILED, 'FAILED'],
];

/** The names of the bits that are set, in the order a driver sets them. */
export const statusNames = (status: number): string[] => NAMES.filter(([bit]) => (status & bit) !== 0).map(([, name]) => name);
