// Packed virtqueue layouts (virtio-v1.2 §2.8): one ring of descriptors, and an event suppression structure for each side.
import { le16, le32, le64, struct } from '../base/layout.ts';

/** virtio-v1.2 §2.8.13 The Virtqueue Descriptor Format */
export const VirtqPackedDesc = struct('pvirtq_desc', {
  addr: le64('Guest-physical address of the buffer; of no meaning in a used descriptor.'),
  len: le32('Length of the buffer; in a used descriptor with WRITE, the bytes that the device wrote.'),
  id: le16('Buffer ID: in the last descriptor of a list, and in a used descriptor.'),
  flags: le16('VIRTQ_DESC_F_*, with AVAIL and USED.'),
});

/** virtio-v1.2 §2.8.13: compared with the wrap counters they tell whether a descriptor is available, used, or neither. */
export const VIRTQ_DESC_F_AVAIL = 1 << 7;
export const VIRTQ_DESC_F_USED = 1 << 15;

/** virtio-v1.2 §2.8.14 Event Suppression Structure Format */
export const VirtqEvent = struct('pvirtq_event_suppress', {
  desc: le16('Ring position (15 bits) and wrap counter (bit 15) of the descriptor to be notified of, when flags is DESC.'),
  flags: le16('RING_EVENT_FLAGS_*: 0 always notify, 1 never, 2 at one descriptor.'),
});

/** virtio-v1.2 §2.8.10 */
export const RING_EVENT_FLAGS = { ENABLE: 0, DISABLE: 1, DESC: 2 } as const;
/** The two bits of `flags` that are not reserved. */
export const RING_EVENT_FLAGS_MASK = 3;
/** Bit 15 of `desc`, and of a position that carries its wrap counter. */
export const WRAP_BIT = 0x8000;

/** Address of descriptor `i`. */
export const packedDescAt = (ring: number, i: number): number => ring + i * VirtqPackedDesc.$size;
export const packedRingBytes = (size: number): number => VirtqPackedDesc.$size * size;
/** virtio-v1.2 §2.8.10.1 */
export const PACKED_ALIGN = { DESC: 16, EVENT: 4 } as const;

/** virtio-v1.2 §2.8.2: available when AVAIL equals the driver's wrap counter and USED does not. */
export const isAvailDesc = (flags: number, wrap: number): boolean =>
  ((flags & VIRTQ_DESC_F_AVAIL) !== 0) === (wrap !== 0) && ((flags & VIRTQ_DESC_F_USED) !== 0) !== (wrap !== 0);
/** virtio-v1.2 §2.8.2: used when both bits equal the device's wrap counter. */
export const isUsedDesc = (flags: number, wrap: number): boolean =>
  ((flags & VIRTQ_DESC_F_AVAIL) !== 0) === (wrap !== 0) && ((flags & VIRTQ_DESC_F_USED) !== 0) === (wrap !== 0);

/** AVAIL and USED of a descriptor that becomes available while the driver's wrap counter is `wrap`. */
export const availFlags = (wrap: number): number => (wrap !== 0 ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED);
/** AVAIL and USED of a descriptor that is used while the device's wrap counter is `wrap`. */
export const usedFlags = (wrap: number): number => (wrap !== 0 ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0);

/**
 * virtio-v1.2 §2.8.10 with the event index: did the position pass `event` (with its wrap counter) in moving from `old` to `now`? `old` may be
 * below 0 when the ring wrapped on the way; `wrap` is the wrap counter at `now`.
 */
export function packedNeedEvent(event: number, now: number, old: number, wrap: number, size: number): boolean {
  let at = event & ~WRAP_BIT;
  if (((event & WRAP_BIT) !== 0) !== (wrap !== 0)) at -= size;
  return ((now - at - 1) & 0xffff) < ((now - old) & 0xffff);
}

/** virtio-v1.2 §2.9: what a doorbell carries with NOTIFICATION_DATA: queue, then the next position and its wrap counter (split: avail.idx). */
export const notificationData = (queue: number, nextOffWrap: number): number => ((nextOffWrap << 16) | queue) >>> 0;
