// virtio over PCI: the structures that the capabilities locate (virtio-v1.2 §4.1.4).
import { le16, le32, le64, struct, u8 } from '../base/layout.ts';

/** virtio-v1.2 §4.1.4.3 struct virtio_pci_common_cfg */
export const VirtioPciCommonCfg = struct('virtio_pci_common_cfg', {
  device_feature_select: le32('Which half of device_feature is shown.'),
  device_feature: le32('The features the device offers.'),
  driver_feature_select: le32('Which half of driver_feature is shown.'),
  driver_feature: le32('The features the driver accepts.'),
  config_msix_vector: le16('MSI-X vector for configuration changes.'),
  num_queues: le16('How many queues the device has.'),
  device_status: u8('VIRTIO_CONFIG_S_*; writing 0 resets.'),
  config_generation: u8('Changes whenever the device configuration does.'),
  queue_select: le16('Which queue the fields below are about.'),
  queue_size: le16('Entries of the queue; the driver may lower it. 0: no such queue.'),
  queue_msix_vector: le16('MSI-X vector of the queue.'),
  queue_enable: le16('1 when the queue is in use.'),
  queue_notify_off: le16('Position of the doorbell, in units of notify_off_multiplier.'),
  queue_desc: le64('Address of the descriptor table.'),
  queue_driver: le64('Address of the driver area: the avail ring.'),
  queue_device: le64('Address of the device area: the used ring.'),
  queue_notify_data: le16('What to write to the doorbell with NOTIF_CONFIG_DATA.'),
  queue_reset: le16('1 resets the queue (RING_RESET); reads 1 until done.'),
});
/** virtio-v1.2 §4.1.5.1.2: a vector that could not be had, or none. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;
/** virtio-v1.2 §4.1.4.5: bits of the ISR status byte; a read clears it. */
export const VIRTIO_PCI_ISR = { QUEUE: 1, CONFIG: 2 } as const;
/** QEMU: where the structures lie in the BAR (offsets and sizes in bytes), and the distance of doorbells. */
export const VIRTIO_PCI_BAR_LAYOUT = {
  COMMON: 0x0000,
  ISR: 0x1000,
  DEVICE: 0x2000,
  NOTIFY: 0x3000,
  EACH: 0x1000,
  BAR: 4,
  NOTIFY_MULTIPLIER: 4,
} as const;
