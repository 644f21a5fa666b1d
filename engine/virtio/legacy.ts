// The legacy interface (virtio-v1.2 §4.1.4.10): registers in an I/O BAR, and where a queue's parts lie behind one page number.
import { le16, le32, struct, u8 } from '../base/layout.ts';
import { availRingBytes, descTableBytes } from './ring.ts';

/** virtio-v1.2 §4.1.4.10: the virtio header; behind it the MSI-X fields while MSI-X is on, then the device's configuration. */
export const VirtioPciLegacy = struct('virtio_pci_legacy', {
  device_features: le32('The features the device offers, bits 0 to 31.'),
  driver_features: le32('The features the driver accepts.'),
  queue_address: le32('Physical address of the queue in pages of 4096 bytes; 0: none.'),
  queue_size: le16('Entries of the queue; fixed. 0: no such queue.'),
  queue_select: le16('Which queue the fields are about.'),
  queue_notify: le16('The doorbell of all queues: write the queue number.'),
  device_status: u8('VIRTIO_CONFIG_S_*; writing 0 resets.'),
  isr_status: u8('VIRTIO_PCI_ISR; a read clears it.'),
});
/** virtio-v1.2 §4.1.4.10: follows the header while MSI-X is on. */
export const VirtioPciLegacyMsix = struct('virtio_pci_legacy_msix', {
  config_msix_vector: le16('MSI-X vector for configuration changes.'),
  queue_msix_vector: le16('MSI-X vector of the queue.'),
});
/** Start of the device's configuration. */
export const legacyConfigAt = (msix: boolean): number => VirtioPciLegacy.$size + (msix ? VirtioPciLegacyMsix.$size : 0);

/** virtio-v1.2 §4.1.5.1.3.1: the page number's unit, and the alignment of the used ring. */
export const VIRTIO_PCI_QUEUE_ADDR_SHIFT = 12;
export const VIRTIO_PCI_VRING_ALIGN = 4096;

/** virtio-v1.2 §2.7.2: the parts of a queue in one run of memory, with the used ring aligned to `align`. */
export function legacyRing(address: number, size: number, align: number): { desc: number; driver: number; device: number; bytes: number } {
  const driver = address + descTableBytes(size);
  const device = Math.ceil((driver + availRingBytes(size)) / align) * align;
  return { desc: address, driver, device, bytes: device - address };
}
