// Control commands of virtio-net about queues: how many, which by hash, and how long their interrupts wait (virtio-v1.2 §5.1.6.5.5, §5.1.6.5.7).
import { ByteMem } from '../base/memory.ts';
import { F } from '../virtio/features.ts';
import {
  VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
  VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VirtioNetCtrlCoal,
  VirtioNetCtrlCoalVq,
} from '../virtio/net.ts';
import type { Coalescing, NetCoalescing } from './net_coalesce.ts';
import type { RssState } from './net_rss.ts';

/** What the commands change. */
export interface QueueControl {
  readonly features: bigint;
  readonly maxPairs: number;
  readonly rss: RssState;
  readonly coalescing: NetCoalescing;
  pairs: number;
}

/** virtio-v1.2 §5.1.6.5.5. False: the command is not acceptable. */
export function setQueues(target: QueueControl, command: number, data: Uint8Array): boolean {
  const has = (feature: bigint): boolean => (target.features & feature) !== 0n;
  switch (command) {
    case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET: {
      const pairs = data[0] | (data[1] << 8);
      if (data.length !== 2 || !has(F.VIRTIO_NET_F_MQ) || pairs < 1 || pairs > target.maxPairs) return false;
      // §5.1.6.5.5: automatic receive steering is in force again
      target.rss.stopSteering();
      target.pairs = pairs;
      return true;
    }
    case VIRTIO_NET_CTRL_MQ_RSS_CONFIG: {
      const pairs = has(F.VIRTIO_NET_F_RSS) ? target.rss.configureRss(data, target.maxPairs) : -1;
      if (pairs < 0) return false;
      target.pairs = pairs;
      return true;
    }
    case VIRTIO_NET_CTRL_MQ_HASH_CONFIG:
      return has(F.VIRTIO_NET_F_HASH_REPORT) && target.rss.configureHash(data);
    default:
      return false;
  }
}

/** virtio-v1.2 §5.1.6.5.7; one queue, virtio-v1.3 §5.1.6.5.7. False: the command is not acceptable. */
export function setCoalescing(target: QueueControl, command: number, data: Uint8Array): boolean {
  const has = (feature: bigint): boolean => (target.features & feature) !== 0n;
  const mem = new ByteMem(data);
  const read = (at: number): Coalescing => ({
    maxPackets: VirtioNetCtrlCoal.max_packets.get(mem, at),
    maxUsecs: VirtioNetCtrlCoal.max_usecs.get(mem, at),
  });
  if (command === VIRTIO_NET_CTRL_NOTF_COAL.TX_SET || command === VIRTIO_NET_CTRL_NOTF_COAL.RX_SET) {
    if (!has(F.VIRTIO_NET_F_NOTF_COAL) || data.length !== VirtioNetCtrlCoal.$size) return false;
    target.coalescing.setDirection(command === VIRTIO_NET_CTRL_NOTF_COAL.TX_SET, read(0));
    return true;
  }
  if (command !== VIRTIO_NET_CTRL_NOTF_COAL.VQ_SET || !has(F.VIRTIO_NET_F_VQ_NOTF_COAL)) return false;
  if (data.length !== VirtioNetCtrlCoalVq.$size + VirtioNetCtrlCoal.$size) return false;
  const queue = VirtioNetCtrlCoalVq.vq_index.get(mem, 0);
  if (queue >= 2 * target.maxPairs) return false;
  target.coalescing.setQueue(queue, read(VirtioNetCtrlCoalVq.$size));
  return true;
}
