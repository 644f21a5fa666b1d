// Making a virtqueue in the format that was negotiated (Linux: vring_create_virtqueue()).
import type { DmaContext } from '../../platform/dma.ts';
import { F } from '../../virtio/features.ts';
import type { VirtioDevice } from './virtio_device.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';
import { PackedVirtqueue } from './virtio_ring_packed.ts';
import { SplitVirtqueue } from './virtio_ring_split.ts';
import { VRING_ALIGN } from './vring_place.ts';

export interface VirtqueueRequest {
  readonly vdev: VirtioDevice;
  readonly index: number;
  readonly spec: VirtqueueSpec;
  readonly dma: DmaContext;
  /** Entries; a split ring may get fewer when memory is short and `mayReduce`. */
  readonly num: number;
  readonly mayReduce: boolean;
  /** Alignment of a split ring's used ring; a cache line when absent. */
  readonly align?: number;
}

/** undefined when there is no memory. */
export function vring_create_virtqueue({
  vdev,
  index,
  spec,
  dma,
  num,
  mayReduce,
  align = VRING_ALIGN,
}: VirtqueueRequest): Virtqueue | undefined {
  const has = (f: bigint): boolean => (vdev.features & f) !== 0n;
  const options = {
    event: has(F.VIRTIO_F_RING_EVENT_IDX),
    indirect: has(F.VIRTIO_F_RING_INDIRECT_DESC),
    inOrder: has(F.VIRTIO_F_IN_ORDER),
    align,
    notifiesWithData: has(F.VIRTIO_F_NOTIFICATION_DATA),
  };
  const Ring = has(F.VIRTIO_F_RING_PACKED) ? PackedVirtqueue : SplitVirtqueue;
  const vq = new Ring(vdev, index, spec, dma, options);
  if (vdev.kernel.drivers.failFunction.should_fail('vring_create_virtqueue') < 0 || vq.allocate(num, mayReduce) < 0) return undefined;
  vq.num_max = num;
  return vq;
}
