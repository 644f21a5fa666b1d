// What a guest can do wrong with a virtqueue: typed, with the rule it broke. The device then needs a reset; the run goes on.
import type { DmaFault } from '../platform/bus.ts';

/** kind → the section broken in a split ring, the one in a packed ring, and what is wrong in words. */
const VIRTQ_FAULTS = {
  'head out of range': ['§2.7.6', '§2.7.6', 'the avail ring names a descriptor beyond the table'],
  'next out of range': ['§2.7.5', '§2.7.5', 'a descriptor chains to one beyond the table'],
  loop: ['§2.7.5.2', '§2.8.17', 'the descriptor chain loops'],
  'chain too long': ['§2.7.5.3.1', '§2.8.19', 'the descriptor chain is longer than the device takes'],
  'zero length': ['§2.7.5', '§2.8.4', 'a descriptor has length 0'],
  'outside memory': ['§2.7.5', '§2.8.4', 'a buffer is not in memory the device may access'],
  'write before read': ['§2.7.4.2', '§2.8.17', 'a device-readable descriptor follows a device-writable one'],
  'indirect not negotiated': ['§2.7.5.3.1', '§2.8.19', 'INDIRECT is set without VIRTIO_F_RING_INDIRECT_DESC'],
  'indirect with next': ['§2.7.5.3.1', '§2.8.19', 'INDIRECT and NEXT are in one chain'],
  'indirect within indirect': ['§2.7.5.3.1', '§2.8.19', 'an indirect table has an INDIRECT descriptor'],
  'indirect size': ['§2.7.5.3', '§2.8.7', 'the length of an indirect table is not a positive multiple of 16'],
  'avail idx jump': ['§2.7.6.1', '§2.7.6.1', 'the avail index moved by more than the queue size'],
  'part of a list not available': [
    '§2.8.17',
    '§2.8.17',
    'a list goes on in a descriptor whose AVAIL and USED bits do not make it available',
  ],
  'too many in flight': ['§2.7.6.1', '§2.8.17', 'more descriptors are available than the queue has'],
  'ring outside memory': ['§2.7', '§2.8', 'a part of the ring is not in memory the device may access'],
  'ring not aligned': ['§2.7', '§2.8.11', 'a part of the ring is not aligned as required'],
  'enabled too early': ['§3.1.1', '§3.1.1', 'a queue is enabled before FEATURES_OK'],
  'started too early': ['§3.1.1', '§3.1.1', 'DRIVER_OK is set before FEATURES_OK'],
  'status bit cleared': ['§2.1.1', '§2.1.1', 'the driver cleared a bit of the device status without a reset'],
  'no header': ['§5.1.6.2', '§5.1.6.2', 'a transmitted packet is shorter than its virtio_net_hdr'],
  'no writable buffer': ['§5.1.6.3.1', '§5.1.6.3.1', 'a receive chain has no room for the header'],
  'no ack byte': ['§5.1.6.5', '§5.1.6.5', 'a control command has no byte for the ack, or no class and command'],
} as const satisfies Readonly<Record<string, readonly [string, string, string]>>;

export type VirtqFaultKind = keyof typeof VIRTQ_FAULTS;

export interface VirtqFault {
  readonly time: number;
  /** -1: no queue in particular. */
  readonly queue: number;
  readonly kind: VirtqFaultKind;
  /** 'virtio-v1.2 §2.7.5' */
  readonly section: string;
  /** Head of the chain in a split ring; in a packed one the position of its first descriptor (its buffer ID when the device model found the fault); -1 when the ring itself is wrong. */
  readonly head: number;
  /** 'q1 head 5: a buffer is not in memory the device may access (address 0x…, 64 bytes: outside RAM), virtio-v1.2 §2.7.5' */
  readonly text: string;
}

/** Where it happened: the time, the queue and its format. */
export interface FaultPlace {
  readonly time: number;
  readonly queue: number;
  readonly packed: boolean;
}

export function virtqFault({ time, queue, packed }: FaultPlace, kind: VirtqFaultKind, head: number, detail: string): VirtqFault {
  const [splitSection, packedSection, words] = VIRTQ_FAULTS[kind];
  const section = `virtio-v1.2 ${packed ? packedSection : splitSection}`;
  const where = queue < 0 ? 'device' : head >= 0 ? `q${queue} ${packed ? 'chain' : 'head'} ${head}` : `q${queue}`;
  return { time, queue, kind, section, head, text: `${where}: ${words}${detail === '' ? '' : ` (${detail})`}, ${section}` };
}

/** '64 bytes at 0x…: outside RAM' */
export const dmaFaultText = (f: DmaFault): string => `${f.length} bytes at 0x${f.address.toString(16)}: ${f.reason}`;
