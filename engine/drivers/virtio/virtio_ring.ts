// Driver side of a virtqueue, what both formats share (Linux: drivers/virtio/virtio_ring.c): scatter-gather list, tokens, doorbell, interrupt, resize.
import { Errno } from '../../base/errno.ts';
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { IrqTarget } from '../../kernel/irq.ts';
import { IRQ_HANDLED, IRQ_NONE } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { DmaContext } from '../../platform/dma.ts';
import type { Ram } from '../../platform/ram.ts';
import { VIRTQ_DESC_F } from '../../virtio/ring.ts';
import type { VirtioDevice } from './virtio_device.ts';

/** Who is told that the device used buffers: an object and a small integer of its own. */
export interface VirtqueueCallback {
  onVirtqueue(vq: Virtqueue, op: number): void;
}

/** What find_vqs makes a queue from. */
export interface VirtqueueSpec {
  readonly name: string;
  readonly callback: VirtqueueCallback | undefined;
  readonly op: number;
}

/** Takes back the buffers that the device still had when a queue is resized; the buffer's context is in `vq.lastCtx`. */
export interface BufferRecycler {
  onRecycle(vq: Virtqueue, data: object): void;
}

/** What was negotiated about rings. */
export interface RingOptions {
  readonly event: boolean;
  readonly indirect: boolean;
  readonly inOrder: boolean;
  /** Alignment of the used ring of a split ring. */
  readonly align: number;
  /** VIRTIO_F_NOTIFICATION_DATA. */
  readonly notifiesWithData?: boolean;
}

/** Where the three areas of a ring are: descriptor, driver and device area (virtio-v1.2 §2.6), under their names in a split ring. */
export interface RingPlace {
  readonly desc: Gpa;
  readonly avail: Gpa;
  readonly used: Gpa;
}

/** Bus addresses of a ring's parts; behind an IOMMU they are not those of memory. */
export interface RingBusPlace {
  readonly desc: DmaAddr;
  readonly avail: DmaAddr;
  readonly used: DmaAddr;
}

/** How far the driver is, for views: where it adds next, and what it takes back next; a split ring's counters have no wrap counter. */
export interface DriverPositions {
  readonly nextAvail: number;
  readonly availWrap: number;
  readonly lastUsed: number;
  readonly usedWrap: number;
}

/** Longest scatter-gather list a driver hands in: a packet's fragments, linear part, header. */
const MAX_SG = 64;
const DESC_SIZE = 16;

export abstract class Virtqueue implements IrqTarget {
  /** Inline in Linux, or a part of another function. */
  static readonly inlined: readonly string[] = Object.freeze(['virtqueue_init', 'virtio_wmb']);
  readonly kernel: Kernel;
  /** Entries, and the most the device takes. */
  num = 0;
  num_max = 0;
  num_free = 0;
  broken = false;
  /** A write barrier stands behind the last descriptor written. */
  protected ordered = true;
  inReset = false;
  /** Doorbell address and MSI-X vector, kept by the transport. */
  notifyAddress = 0;
  msix_vector = 0xffff;
  /** Notifications sent, for views. */
  kicks = 0;
  /** Length that the device wrote into the buffer `virtqueue_get_buf` gave last, and that buffer's context. */
  lastLen = 0;
  lastCtx = 0;
  /** Scatter-gather list of the next add: `sgCount` entries, out before in. */
  readonly sgAddr = new Float64Array(MAX_SG);
  readonly sgLen = new Uint32Array(MAX_SG);
  sgCount = 0;
  /** Where the next chain's identity comes from: descriptor (split) or buffer ID (packed). */
  freeHead = 0;
  /** How far used buffers are taken back: a 16-bit counter (split), a position with its wrap counter in bit 15 (packed). */
  lastUsedIdx = 0;
  protected numAdded = 0;
  /** The device has interrupted since notifications were on: it will not again until asked. */
  protected eventTriggered = false;
  /** Linux: desc_extra, and desc_state by chain identity. */
  protected descAddr!: Float64Array;
  protected descLen!: Uint32Array;
  protected descFlags!: Uint16Array;
  protected descNext!: Uint16Array;
  protected data!: (object | undefined)[];
  protected ctx!: Float64Array;
  protected indirect!: Float64Array;
  protected readonly ram: Ram;
  /** VIRTIO_F_RING_EVENT_IDX, VIRTIO_F_RING_INDIRECT_DESC, VIRTIO_F_IN_ORDER were negotiated. */
  readonly event: boolean;
  readonly useIndirect: boolean;
  readonly inOrder: boolean;
  readonly align: number;
  /** Doorbells carry `notificationData`. */
  readonly notifiesWithData: boolean;

  constructor(
    readonly vdev: VirtioDevice,
    readonly index: number,
    readonly spec: VirtqueueSpec,
    protected readonly dma: DmaContext,
    options: RingOptions,
  ) {
    this.kernel = vdev.kernel;
    this.ram = vdev.kernel.platform.ram;
    this.event = options.event;
    this.useIndirect = options.indirect;
    this.inOrder = options.inOrder;
    this.align = options.align;
    this.notifiesWithData = options.notifiesWithData === true;
  }

  abstract readonly packed: boolean;
  abstract readonly place: RingPlace;
  /** The same as the device addresses them. */
  abstract readonly bus: RingBusPlace;
  /** Memory for `num` entries; fewer when memory is short and `mayReduce`. 0 or -ENOMEM. */
  abstract allocate(num: number, mayReduce: boolean): number;
  abstract vring_free(): void;
  protected abstract add(out: number, inn: number, data: object, ctx: number): number;
  /** Whether the device wants a doorbell for what was added since the last kick. */
  abstract virtqueue_kick_prepare(): boolean;
  /** The next used buffer's token; its length in lastLen, its context in lastCtx. undefined when there is none. */
  abstract virtqueue_get_buf_ctx(): object | undefined;
  abstract more_used(): boolean;
  /** A hint that interrupts are not wanted. */
  abstract virtqueue_disable_cb(): void;
  /** Interrupts on from here; the answer is for virtqueue_poll. */
  abstract virtqueue_enable_cb_prepare(): number;
  /** Whether the device has used more since `opaque`. */
  abstract virtqueue_poll(opaque: number): boolean;
  /** Interrupts on, but only once three quarters of what is outstanding are used; false when there is work already. */
  abstract virtqueue_enable_cb_delayed(): boolean;
  /** What is written before is seen before what is written after (virtio-v1.2 §2.7.13.3.1, §2.8.17.1). */
  protected virtio_wmb(): void {
    this.ordered = true;
  }

  /** Takes a chain back: mappings undone, descriptors free, token forgotten. */
  protected abstract detach(id: number): void;
  /** A ring of another size, empty; -ENOMEM leaves the old one, empty too. */
  protected abstract resize(num: number): number;
  /** virtio-v1.2 §2.9: what a doorbell carries with VIRTIO_F_NOTIFICATION_DATA. */
  abstract notificationData(): number;
  abstract readonly positions: DriverPositions;
  /** Ring descriptors of a buffer that is with the device, 0 when there is no such buffer; for views. */
  abstract slotsOf(id: number): number;

  /** What was handed in with a buffer that is with the device; for views. */
  tokenOf(id: number): object | undefined {
    return id < this.num ? this.data[id] : undefined;
  }

  protected virtqueue_init(num: number): void {
    this.num = num;
    this.num_free = num;
    this.freeHead = this.numAdded = this.lastUsedIdx = 0;
    this.eventTriggered = this.broken = false;
    this.descAddr = new Float64Array(num);
    this.descLen = new Uint32Array(num);
    this.descFlags = new Uint16Array(num);
    this.descNext = Uint16Array.from({ length: num }, (_, i) => i + 1);
    this.data = Array.from({ length: num }, () => undefined);
    this.ctx = new Float64Array(num);
    this.indirect = new Float64Array(num);
  }

  get name(): string {
    return this.spec.name;
  }

  /** Starts a new scatter-gather list. */
  sgReset(): void {
    this.sgCount = 0;
  }
  sgAdd(address: number, length: number): void {
    this.sgAddr[this.sgCount] = address;
    this.sgLen[this.sgCount++] = length;
  }

  /** The list is all for the device to read; `data` comes back from virtqueue_get_buf. 0, -ENOSPC, -ENOMEM, -EIO. */
  virtqueue_add_outbuf(data: object): number {
    return this.add(this.sgCount, 0, data, 0);
  }
  /** The list is all for the device to write; `ctx` comes back in lastCtx. */
  virtqueue_add_inbuf_ctx(data: object, ctx: number): number {
    return this.add(0, this.sgCount, data, ctx);
  }
  virtqueue_add_inbuf(data: object): number {
    return this.add(0, this.sgCount, data, 0);
  }
  /** The first `out` entries are to be read, the rest to be written. */
  virtqueue_add_sgs(out: number, data: object): number {
    return this.add(out, this.sgCount - out, data, 0);
  }

  /** Rings the doorbell; false when the queue is broken. */
  virtqueue_notify(): boolean {
    if (this.broken) return false;
    this.kicks++;
    if (this.vdev.config.notify(this)) return true;
    this.broken = true;
    return false;
  }

  virtqueue_kick(): boolean {
    return this.virtqueue_kick_prepare() ? this.virtqueue_notify() : true;
  }

  virtqueue_get_buf(): object | undefined {
    return this.virtqueue_get_buf_ctx();
  }

  /** Interrupts on; false when there is work already. */
  virtqueue_enable_cb(): boolean {
    return !this.virtqueue_poll(this.virtqueue_enable_cb_prepare());
  }

  /** A buffer the device still has, when it is certain that it does not use it any more; undefined when there is none. */
  virtqueue_detach_unused_buf(): object | undefined {
    for (let i = 0; i < this.num; i++) {
      const data = this.data[i];
      if (data === undefined) continue;
      this.lastCtx = this.ctx[i];
      this.detach(i);
      return data;
    }
    return undefined;
  }

  /** Gives the queue another size: reset, buffers back, new ring, enabled. 0 or -EINVAL, -E2BIG, -ENOENT, -ENOMEM, -EBUSY. */
  virtqueue_resize(num: number, recycler: BufferRecycler): number {
    if (num > this.num_max) return -Errno.E2BIG;
    if (num === 0) return -Errno.EINVAL;
    if (num === this.num) return 0;
    const { config } = this.vdev;
    let err = config.disableVqAndReset(this);
    if (err < 0) return err;
    for (let buf = this.virtqueue_detach_unused_buf(); buf !== undefined; buf = this.virtqueue_detach_unused_buf()) {
      recycler.onRecycle(this, buf);
    }
    err = this.resize(num);
    return config.enableVqAfterReset(this) < 0 ? -Errno.EBUSY : err;
  }

  vring_interrupt(_irq: number): number {
    if (!this.more_used()) return IRQ_NONE;
    if (this.broken) return IRQ_NONE;
    if (this.event) this.eventTriggered = true;
    this.spec.callback?.onVirtqueue(this, this.spec.op);
    return IRQ_HANDLED;
  }

  onIrq(irq: number): number {
    return this.vring_interrupt(irq);
  }

  /** The device named a buffer that it cannot have: the queue is not to be trusted any more. */
  protected badRing(id: number): undefined {
    const what = id >= this.num ? `id ${id} out of range` : `id ${id} is not a head!`;
    this.kernel.printk.dev_err(this.vdev, `${this.name}:${what}`);
    this.broken = true;
    return undefined;
  }

  /** Memory of an indirect table of `total` entries; 0 when it is out. */
  protected allocTable(total: number): number {
    return this.kernel.platform.slab.kmalloc(total * DESC_SIZE);
  }

  /** Maps entry `n` of the list for the device to read or write; 0 when that failed. */
  protected mapEntry(n: number, writable: boolean): number {
    const dma = this.dma.dma_map_single(
      this.sgAddr[n] as Gpa,
      this.sgLen[n],
      writable ? 'DMA_FROM_DEVICE' : 'DMA_TO_DEVICE',
      'virtqueue_add',
    );
    return this.dma.dma_mapping_error(dma) ? 0 : dma;
  }

  protected mapTable(table: number, bytes: number): number {
    const dma = this.dma.dma_map_single(table as Gpa, bytes, 'DMA_TO_DEVICE', 'virtqueue_add');
    return this.dma.dma_mapping_error(dma) ? 0 : dma;
  }

  protected unmap(addr: number, len: number, writable: boolean, by: string): void {
    this.dma.dma_unmap_single(addr as DmaAddr, len, writable ? 'DMA_FROM_DEVICE' : 'DMA_TO_DEVICE', by);
  }

  /** Undoes the mapping that descriptor `i` of the ring stands for, and charges for it. */
  protected unmapDesc(i: number, by: string): void {
    const { costs } = this.kernel.platform;
    this.unmap(this.descAddr[i], this.descLen[i], (this.descFlags[i] & VIRTQ_DESC_F.WRITE) !== 0, by);
    this.kernel.charge(costs.dma_unmap + costs.descriptor);
  }

  /** Undoes the mappings that an indirect table lists, and frees it. `flagsAt`: where in an entry its flags are. */
  protected freeTable(table: number, bytes: number, flagsAt: number, by: string): void {
    const { ram, kernel } = this;
    for (let at = table; at < table + bytes; at += DESC_SIZE) {
      this.unmap(ram.u64(at), ram.u32(at + 8), (ram.u16(at + flagsAt) & VIRTQ_DESC_F.WRITE) !== 0, by);
      kernel.charge(kernel.platform.costs.dma_unmap);
    }
    kernel.platform.slab.kfree(table as Gpa);
  }
}
