// Split virtqueue layouts (virtio-v1.2 §2.7) and where each part of a ring lies.
import { le16, le32, le64, struct } from '../base/layout.ts';

/** virtio-v1.2 §2.7.5 The Virtqueue Descriptor Table */
export const VirtqDesc = struct('virtq_desc', {
  addr: le64('Guest-physical address of the buffer.'),
  len: le32('Length of the buffer.'),
  flags: le16('VIRTQ_DESC_F_*'),
  next: le16('Index of the next descriptor of the chain when flags has NEXT.'),
});
export const VIRTQ_DESC_F = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;

/** virtio-v1.2 §2.7.6 The Virtqueue Available Ring: what precedes ring[]. */
export const VirtqAvail = struct('virtq_avail', {
  flags: le16('VIRTQ_AVAIL_F_NO_INTERRUPT: the driver wants no interrupt (without EVENT_IDX).'),
  idx: le16('Where the driver puts the next entry, modulo the queue size; counts freely.'),
});
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

/** virtio-v1.2 §2.7.8 The Virtqueue Used Ring: what precedes ring[]. */
export const VirtqUsed = struct('virtq_used', {
  flags: le16('VIRTQ_USED_F_NO_NOTIFY: the device wants no doorbell (without EVENT_IDX).'),
  idx: le16('Where the device puts the next element, modulo the queue size; counts freely.'),
});
export const VIRTQ_USED_F_NO_NOTIFY = 1;

/** virtio-v1.2 §2.7.8 struct virtq_used_elem */
export const VirtqUsedElem = struct('virtq_used_elem', {
  id: le32('Head of the descriptor chain that was used.'),
  len: le32('Bytes written to its device-writable part.'),
});

/** Address of descriptor `i`. */
export const descAt = (table: number, i: number): number => table + i * VirtqDesc.$size;
/** Address of avail ring entry `i` (already modulo the size). */
export const availAt = (avail: number, i: number): number => avail + VirtqAvail.$size + 2 * i;
/** Address of used ring element `i` (already modulo the size). */
export const usedAt = (used: number, i: number): number => used + VirtqUsed.$size + VirtqUsedElem.$size * i;
/** used_event lies behind the avail ring's entries (virtio-v1.2 §2.7.6): the driver's "interrupt me when idx passes this". */
export const usedEventAt = (avail: number, size: number): number => avail + VirtqAvail.$size + 2 * size;
/** avail_event lies behind the used ring's elements (virtio-v1.2 §2.7.8): the device's "ring the bell when idx passes this". */
export const availEventAt = (used: number, size: number): number => used + VirtqUsed.$size + VirtqUsedElem.$size * size;

/** Bytes of each part (virtio-v1.2 §2.7, with the event field always present) and its alignment. */
export const descTableBytes = (size: number): number => VirtqDesc.$size * size;
export const availRingBytes = (size: number): number => VirtqAvail.$size + 2 * size + 2;
export const usedRingBytes = (size: number): number => VirtqUsed.$size + VirtqUsedElem.$size * size + 2;
export const VIRTQ_ALIGN = { DESC: 16, AVAIL: 2, USED: 4 } as const;

/** virtio-v1.2 §2.7.10 vring_need_event(): did the index pass `event` in moving from `old` to `now`? All are 16-bit. */
export const vringNeedEvent = (event: number, now: number, old: number): boolean => ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
