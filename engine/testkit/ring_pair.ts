// The driver's half of a virtqueue and the device's half over one machine's RAM, without transport: what ring tests and benches drive.
import { Virtqueue as DeviceVirtqueue } from '../devices/virtqueue.ts';
import { VirtioDevice, type VirtioConfig } from '../drivers/virtio/virtio_device.ts';
import type { Virtqueue } from '../drivers/virtio/virtio_ring.ts';
import { vring_create_virtqueue } from '../drivers/virtio/virtio_ring_create.ts';
import { NO_BUS } from '../kernel/driver_core.ts';
import type { DmaContext } from '../platform/dma.ts';
import { DirectDmaPort } from '../platform/dma.ts';
import type { Platform } from '../platform/platform.ts';
import { F } from '../virtio/features.ts';
import { bootKernel } from './kernel_fixture.ts';

export interface RingPairOptions {
  readonly size?: number;
  readonly packed?: boolean;
  readonly indirect?: boolean;
  readonly event?: boolean;
  readonly inOrder?: boolean;
  /** Without one the driver asks for no interrupts. */
  readonly callback?: boolean;
  readonly ramBytes?: number;
}

/** Stands for the transport: counts doorbells, resets the device's queue when the driver resizes its own. */
export class RingTransport implements VirtioConfig {
  readonly busName = 'test';
  rings = 0;
  interrupts = 0;
  constructor(private readonly pair: { connect(): void }) {}
  read = (): number => 0;
  write = (): void => undefined;
  generation = (): number => 0;
  status = (): number => 0;
  setStatus = (): void => undefined;
  reset = (): void => undefined;
  features = (): bigint => 0n;
  finalizeFeatures = (): number => 0;
  findVqs = (): number => 0;
  delVqs = (): void => undefined;
  setVqAffinity = (): void => undefined;
  synchronizeCbs = (): void => undefined;
  disableVqAndReset = (): number => 0;
  enableVqAfterReset(): number {
    this.pair.connect();
    return 0;
  }
  notify(): boolean {
    this.rings++;
    return true;
  }
  onVirtqueue(): void {
    this.interrupts++;
  }
}

export class RingPair {
  readonly platform: Platform;
  readonly dma: DmaContext;
  readonly transport: RingTransport;
  readonly vq: Virtqueue;
  readonly device: DeviceVirtqueue;
  private readonly features: bigint;

  constructor(options: RingPairOptions = {}) {
    const { size = 16, packed = false, indirect = false, event = true, inOrder = false } = options;
    const { kernel, platform } = bootKernel({ ramBytes: options.ramBytes ?? 4 << 20, cpus: 1 });
    this.platform = platform;
    this.transport = new RingTransport(this);
    this.features =
      (packed ? F.VIRTIO_F_RING_PACKED : 0n) |
      (indirect ? F.VIRTIO_F_RING_INDIRECT_DESC : 0n) |
      (event ? F.VIRTIO_F_RING_EVENT_IDX : 0n) |
      (inOrder ? F.VIRTIO_F_IN_ORDER : 0n);
    const vdev = new VirtioDevice(kernel, 0, { device: 1, vendor: 0x1af4 }, this.transport, NO_BUS, kernel.drivers.rootDevice('test'));
    vdev.features = this.features;
    this.dma = platform.dmaContext('test');
    const spec = { name: 'test.0', callback: options.callback === false ? undefined : this.transport, op: 0 };
    const vq = vring_create_virtqueue({ vdev, index: 0, spec, dma: this.dma, num: size, mayReduce: false });
    if (vq === undefined) throw new Error('no memory for the ring');
    this.vq = vq;
    const port = new DirectDmaPort(platform.ram, platform.apic);
    port.busMaster = true;
    this.device = new DeviceVirtqueue('device', 0, 1024, port, platform.sim, platform.scope);
    this.connect();
  }

  /** The device starts with the ring where the driver has it now. */
  connect(): void {
    const { device, vq } = this;
    device.reset();
    device.size = vq.num;
    device.desc = vq.place.desc;
    device.driver = vq.place.avail;
    device.device = vq.place.used;
    device.configure(this.features);
    if (!device.enable()) throw new Error(device.fault?.text);
  }
}
