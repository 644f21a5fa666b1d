// What a guest can do wrong with a virtqueue: typed, with the rule it broke. The device then needs a reset; the run goes on.

/** kind → the section broken, and what is wrong in words. */
const VIRTQ_FAULTS = {
  'head out of range': ['§2.7.6', 'the avail ring names a descriptor beyond the table'],
  'next out of range': ['§2.7.5', 'a descriptor chains to one beyond the table'],
  loop: ['§2.7.5.2', 'the descriptor chain loops'],
  'chain too long': ['§2.7.5.3.1', 'the descriptor chain is longer than the device takes'],
  'zero length': ['§2.7.5', 'a descriptor has length 0'],
  'outside memory': ['§2.7.5', 'a buffer is not in memory the device may access'],
  'write before read': ['§2.7.4.2', 'a device-readable descriptor follows a device-writable one'],
  'indirect not negotiated': ['§2.7.5.3.1', 'INDIRECT is set without VIRTIO_F_RING_INDIRECT_DESC'],
  'indirect with next': ['§2.7.5.3.1', 'INDIRECT and NEXT are both set'],
  'indirect within indirect': ['§2.7.5.3.1', 'an indirect table has an INDIRECT descriptor'],
  'indirect size': ['§2.7.5.3', 'the length of an indirect table is not a positive multiple of 16'],
  'avail idx jump': ['§2.7.6.1', 'the avail index moved by more than the queue size'],
  'ring outside memory': ['§2.7', 'a part of the ring is not in memory the device may access'],
  'ring not aligned': ['§2.7', 'a part of the ring is not aligned as required'],
  'no header': ['§5.1.6.2', 'a transmitted packet is shorter than its virtio_net_hdr'],
  'no writable buffer': ['§5.1.6.3.1', 'a receive chain has no room for the header'],
  'no ack byte': ['§5.1.6.5', 'a control command has no byte for the ack, or no class and command'],
} as const satisfies Readonly<Record<string, readonly [string, string]>>;

export type VirtqFaultKind = keyof typeof VIRTQ_FAULTS;

export interface VirtqFault {
  readonly time: number;
  readonly queue: number;
  readonly kind: VirtqFaultKind;
  /** Head of the chain, -1 when the ring itself is wrong. */
  readonly head: number;
  /** 'q1 head 5: a buffer is not in memory the device may access (address 0x…, 64 bytes: outside RAM), virtio-v1.2 §2.7.5' */
  readonly text: string;
}

export function virtqFault(time: number, queue: number, kind: VirtqFaultKind, head: number, detail: string): VirtqFault {
  const [section, words] = VIRTQ_FAULTS[kind];
  const where = head >= 0 ? `q${queue} head ${head}` : `q${queue}`;
  return { time, queue, kind, head, text: `${where}: ${words}${detail === '' ? '' : ` (${detail})`}, virtio-v1.2 ${section}` };
}
