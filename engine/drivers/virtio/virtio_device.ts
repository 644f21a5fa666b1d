// struct virtio_device, its driver's and its transport's op tables.
import { Device, type BusType } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { FeatureName } from '../../virtio/features.ts';
import type { Virtqueue, VirtqueueSpec } from './virtio_ring.ts';

/** What a transport offers (Linux: struct virtio_config_ops). An object of the transport. */
export interface VirtioConfig {
  readonly busName: string;
  /** Reads `length` bytes (1, 2, 4) of the device's configuration. */
  read(offset: number, length: number): number;
  write(offset: number, length: number, value: number): void;
  generation(): number;
  status(): number;
  setStatus(status: number): void;
  reset(): void;
  features(): bigint;
  /** Takes away what transport and ring do not know, and tells the device. 0, or -EINVAL when the transport cannot do without a feature. */
  finalizeFeatures(): number;
  /** Fills `vdev.vqs`; 0 or -errno, then nothing is left behind. */
  findVqs(specs: readonly VirtqueueSpec[]): number;
  delVqs(): void;
  notify(vq: Virtqueue): boolean;
  /** CPU mask of the queue's interrupt; 0 takes the hint away. */
  setVqAffinity(vq: Virtqueue, mask: number): void;
  synchronizeCbs(): void;
  /** 0 or -errno; -ENOENT where a queue cannot be reset alone. */
  disableVqAndReset(vq: Virtqueue): number;
  enableVqAfterReset(vq: Virtqueue): number;
}

/** A virtio driver; the object is its module's state. */
export interface VirtioDriver {
  readonly name: string;
  readonly idTable: readonly { readonly device: number; readonly vendor: number }[];
  readonly featureTable: readonly FeatureName[];
  /** For a device without VIRTIO_F_VERSION_1; the same when absent. */
  readonly featureTableLegacy?: readonly FeatureName[];
  /** May take features away; 0 or -errno. */
  onValidate(vdev: VirtioDevice): number;
  onProbe(vdev: VirtioDevice): number;
  onRemove(vdev: VirtioDevice): void;
  onConfigChanged(vdev: VirtioDevice): void;
}

export const VIRTIO_DEV_ANY_ID = 0xffffffff;

export class VirtioDevice extends Device {
  /** Negotiated features. */
  features = 0n;
  readonly vqs: Virtqueue[] = [];
  failed = false;
  config_enabled = false;
  config_change_pending = false;
  /** The driver's own. */
  priv: object | undefined;

  constructor(
    readonly kernel: Kernel,
    readonly index: number,
    readonly id: { readonly device: number; readonly vendor: number },
    readonly config: VirtioConfig,
    bus: BusType,
    parent: Device,
  ) {
    super(`virtio${index}`, bus, parent);
  }
}
