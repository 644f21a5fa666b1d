// Driver side of a split virtqueue (Linux: drivers/virtio/virtio_ring.c): descriptors, avail and used ring in guest RAM, DMA mappings.
import { Errno } from '../../base/errno.ts';
import type { DmaAddr, Gpa } from '../../base/units.ts';
import type { IrqTarget } from '../../kernel/irq.ts';
import { IRQ_HANDLED, IRQ_NONE } from '../../kernel/irq.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { DmaContext } from '../../platform/dma.ts';
import type { Ram } from '../../platform/ram.ts';
import { VIRTQ_AVAIL_F_NO_INTERRUPT, VIRTQ_DESC_F, VIRTQ_USED_F_NO_NOTIFY, vringNeedEvent } from '../../virtio/ring.ts';
import { type VringPlace, placeVring } from './vring_place.ts';
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

/** Longest scatter-gather list a driver hands in: a packet's fragments, linear part, header. */
const MAX_SG = 64;
const DESC_SIZE = 16;
const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;

/**
 * ```
 *   free_head ─► desc ─► desc ─► …          descNext links what is free and what belongs to one chain
 *   avail.ring[availIdx & mask] = head       the device reads up to avail.idx
 *   used.ring[lastUsedIdx & mask] = {id,len} the driver has read up to lastUsedIdx
 * ```
 */
export class Virtqueue implements IrqTarget {
  readonly kernel: Kernel;
  /** Inline in Linux, or a part of another function. */
  static readonly inlined: readonly string[] = Object.freeze([
    'more_used',
    'vring_unmap_one_split',
    'virtqueue_init',
    'alloc_indirect_split',
    'virtqueue_reinit_split',
  ]);
  /** Entries, and the most the device takes. */
  num = 0;
  num_max = 0;
  num_free = 0;
  broken = false;
  inReset = false;
  /** Doorbell address and MSI-X vector, kept by the transport. */
  notifyAddress = 0;
  msix_vector = 0xffff;
  /** Notifications sent, for views. */
  kicks = 0;
  place!: VringPlace;
  /** Length that the device wrote into the buffer `virtqueue_get_buf` gave last, and that buffer's context. */
  lastLen = 0;
  lastCtx = 0;
  /** Scatter-gather list of the next add: `sgCount` entries, out before in. */
  readonly sgAddr = new Float64Array(MAX_SG);
  readonly sgLen = new Uint32Array(MAX_SG);
  sgCount = 0;
  freeHead = 0;
  private numAdded = 0;
  lastUsedIdx = 0;
  private availIdx = 0;
  private availFlags = 0;
  /** The device has interrupted since notifications were on: it will not again until asked. */
  private eventTriggered = false;
  /** Linux: desc_extra and desc_state */
  private descAddr!: Float64Array;
  private descLen!: Uint32Array;
  private descFlags!: Uint16Array;
  private descNext!: Uint16Array;
  private data!: (object | undefined)[];
  private ctx!: Float64Array;
  private indirect!: Float64Array;
  private readonly ram: Ram;
  private readonly dma: DmaContext;

  constructor(
    readonly vdev: VirtioDevice,
    readonly index: number,
    readonly spec: VirtqueueSpec,
    dma: DmaContext,
    /** VIRTIO_F_RING_EVENT_IDX and VIRTIO_F_RING_INDIRECT_DESC were negotiated. */
    readonly event: boolean,
    readonly useIndirect: boolean,
  ) {
    this.kernel = vdev.kernel;
    this.ram = vdev.kernel.platform.ram;
    this.dma = dma;
  }

  get name(): string {
    return this.spec.name;
  }

  /** Memory for `num` entries; fewer when memory is short and `mayReduce`. 0 or -ENOMEM. */
  vring_alloc_queue_split(num: number, mayReduce: boolean): number {
    for (let n = num; ; n >>= 1) {
      const shape = placeVring(0 as Gpa, n);
      const memory = this.dma.dma_alloc_coherent(shape.bytes, 'vring_alloc_queue');
      if (memory !== undefined) {
        this.place = placeVring(memory.gpa, n);
        this.virtqueue_init(n);
        return 0;
      }
      if (!mayReduce || shape.bytes <= 4096) return -Errno.ENOMEM;
    }
  }

  private virtqueue_init(num: number): void {
    this.num = num;
    this.num_free = num;
    this.freeHead = this.numAdded = this.lastUsedIdx = this.availIdx = this.availFlags = 0;
    this.eventTriggered = this.broken = false;
    this.descAddr = new Float64Array(num);
    this.descLen = new Uint32Array(num);
    this.descFlags = new Uint16Array(num);
    this.descNext = Uint16Array.from({ length: num }, (_, i) => i + 1);
    this.data = Array.from({ length: num }, () => undefined);
    this.ctx = new Float64Array(num);
    this.indirect = new Float64Array(num);
    // Linux: no callback, no interrupts
    if (this.spec.callback === undefined) {
      this.availFlags = VIRTQ_AVAIL_F_NO_INTERRUPT;
      if (!this.event) this.ram.setU16(this.place.avail, this.availFlags);
    }
  }

  vring_free(): void {
    this.dma.dma_free_coherent(this.place.bytes, this.place.desc, this.place.desc as number as DmaAddr, 'vring_free_queue');
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
    return this.virtqueue_add_split(this.sgCount, 0, data, 0);
  }
  /** The list is all for the device to write; `ctx` comes back in lastCtx. */
  virtqueue_add_inbuf_ctx(data: object, ctx: number): number {
    return this.virtqueue_add_split(0, this.sgCount, data, ctx);
  }
  virtqueue_add_inbuf(data: object): number {
    return this.virtqueue_add_split(0, this.sgCount, data, 0);
  }
  /** The first `out` entries are to be read, the rest to be written. */
  virtqueue_add_sgs(out: number, data: object): number {
    return this.virtqueue_add_split(out, this.sgCount - out, data, 0);
  }

  virtqueue_add_split(out: number, inn: number, data: object, ctx: number): number {
    const { ram, kernel } = this;
    const { costs } = kernel.platform;
    if (this.broken) return -Errno.EIO;
    const total = out + inn;
    const table = this.useIndirect && total > 1 && this.num_free > 0 ? this.alloc_indirect_split(total) : 0;
    const needed = table !== 0 ? 1 : total;
    if (this.num_free < needed) {
      // Linux: the device may know more: tell it, in the hope that it returns some
      if (out > 0) this.virtqueue_notify();
      if (table !== 0) kernel.platform.slab.kfree(table as Gpa);
      return -Errno.ENOSPC;
    }
    const head = this.freeHead;
    let i = table !== 0 ? 0 : head;
    for (let n = 0; n < total; n++) {
      const length = this.sgLen[n];
      const writable = n >= out;
      const dma = this.dma.dma_map_single(this.sgAddr[n] as Gpa, length, writable ? 'DMA_FROM_DEVICE' : 'DMA_TO_DEVICE', 'virtqueue_add');
      if (this.dma.dma_mapping_error(dma)) return this.unmapReleased(n, out, head, table);
      const flags = (writable ? WRITE : 0) | (n < total - 1 ? NEXT : 0);
      if (table !== 0) {
        this.writeDesc(table + n * DESC_SIZE, dma, length, flags, n + 1);
      } else {
        const next = this.descNext[i];
        this.writeDesc(this.place.desc + i * DESC_SIZE, dma, length, flags, next);
        this.descAddr[i] = dma;
        this.descLen[i] = length;
        this.descFlags[i] = flags;
        i = next;
      }
      kernel.charge(costs.dma_map + costs.descriptor);
    }
    if (table !== 0) {
      const bytes = total * DESC_SIZE;
      const dma = this.dma.dma_map_single(table as Gpa, bytes, 'DMA_TO_DEVICE', 'virtqueue_add');
      if (this.dma.dma_mapping_error(dma)) return this.unmapReleased(total, out, head, table);
      this.writeDesc(this.place.desc + head * DESC_SIZE, dma, bytes, INDIRECT, 0);
      this.descAddr[head] = dma;
      this.descLen[head] = bytes;
      this.descFlags[head] = INDIRECT;
      i = this.descNext[head];
    }
    this.indirect[head] = table;
    this.num_free -= needed;
    this.freeHead = i;
    this.data[head] = data;
    this.ctx[head] = ctx;
    const { avail } = this.place;
    ram.setU16(avail + 4 + 2 * (this.availIdx & (this.num - 1)), head);
    this.availIdx = (this.availIdx + 1) & 0xffff;
    ram.setU16(avail + 2, this.availIdx);
    if (++this.numAdded === 0xffff) this.virtqueue_kick();
    return 0;
  }

  /** Memory of an indirect table; 0 when it is out. */
  alloc_indirect_split(total: number): number {
    return this.kernel.platform.slab.kmalloc(total * DESC_SIZE);
  }

  private writeDesc(at: number, addr: number, len: number, flags: number, next: number): void {
    const { view } = this.ram;
    view.setUint32(at, addr >>> 0, true);
    view.setUint32(at + 4, Math.floor(addr / 0x100000000), true);
    view.setUint32(at + 8, len, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  }

  /** A mapping failed: undoes those made before it. */
  private unmapReleased(made: number, out: number, head: number, table: number): number {
    let i = head;
    for (let n = 0; n < made; n++) {
      const dma = (table !== 0 ? this.ram.u64(table + n * DESC_SIZE) : this.descAddr[i]) as DmaAddr;
      this.dma.dma_unmap_single(dma, this.sgLen[n], n < out ? 'DMA_TO_DEVICE' : 'DMA_FROM_DEVICE', 'virtqueue_add');
      i = this.descNext[i];
    }
    if (table !== 0) this.kernel.platform.slab.kfree(table as Gpa);
    return -Errno.ENOMEM;
  }

  /** Whether the device wants a doorbell for what was added since the last kick. */
  virtqueue_kick_prepare(): boolean {
    const now = this.availIdx;
    const old = (now - this.numAdded) & 0xffff;
    this.numAdded = 0;
    if (this.event) return vringNeedEvent(this.ram.u16(this.place.availEvent), now, old);
    return (this.ram.u16(this.place.used) & VIRTQ_USED_F_NO_NOTIFY) === 0;
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

  more_used(): boolean {
    return this.lastUsedIdx !== this.ram.u16(this.place.used + 2);
  }

  /** The next used buffer's token; its length in lastLen, its context in lastCtx. undefined when there is none. */
  virtqueue_get_buf(): object | undefined {
    return this.virtqueue_get_buf_ctx();
  }
  virtqueue_get_buf_ctx(): object | undefined {
    const { ram } = this;
    if (this.broken || !this.more_used()) return undefined;
    const element = this.place.used + 4 + 8 * (this.lastUsedIdx & (this.num - 1));
    const id = ram.u32(element);
    this.lastLen = ram.u32(element + 4);
    const data = id < this.num ? this.data[id] : undefined;
    if (data === undefined) return this.badRing(id);
    this.lastCtx = this.ctx[id];
    this.detach_buf_split(id);
    this.lastUsedIdx = (this.lastUsedIdx + 1) & 0xffff;
    // with interrupts on, the device is told how far the driver has got
    if ((this.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0) ram.setU16(this.place.usedEvent, this.lastUsedIdx);
    return data;
  }

  private badRing(id: number): undefined {
    const what = id >= this.num ? `id ${id} out of range` : `id ${id} is not a head!`;
    this.kernel.printk.dev_err(this.vdev, `${this.name}:${what}`);
    this.broken = true;
    return undefined;
  }

  /** Takes a chain back: mappings undone, descriptors free, token forgotten. */
  detach_buf_split(head: number): void {
    const { descNext, descFlags } = this;
    this.data[head] = undefined;
    let i = head;
    let freed = 1;
    while ((descFlags[i] & NEXT) !== 0) {
      this.vring_unmap_one_split(i);
      i = descNext[i];
      freed++;
    }
    this.vring_unmap_one_split(i);
    descNext[i] = this.freeHead;
    this.freeHead = head;
    this.num_free += freed;
    const table = this.indirect[head];
    if (table !== 0) this.detachIndirect(table, this.descLen[head]);
    this.indirect[head] = 0;
  }

  private detachIndirect(table: number, bytes: number): void {
    const { ram, kernel } = this;
    for (let at = table; at < table + bytes; at += DESC_SIZE) {
      const direction = (ram.u16(at + 12) & WRITE) !== 0 ? 'DMA_FROM_DEVICE' : 'DMA_TO_DEVICE';
      this.dma.dma_unmap_single(ram.u64(at) as DmaAddr, ram.u32(at + 8), direction, 'detach_buf_split');
      kernel.charge(kernel.platform.costs.dma_unmap);
    }
    kernel.platform.slab.kfree(table as Gpa);
  }

  vring_unmap_one_split(i: number): void {
    const { costs } = this.kernel.platform;
    const direction = (this.descFlags[i] & WRITE) !== 0 ? 'DMA_FROM_DEVICE' : 'DMA_TO_DEVICE';
    this.dma.dma_unmap_single(this.descAddr[i] as DmaAddr, this.descLen[i], direction, 'detach_buf_split');
    this.kernel.charge(costs.dma_unmap + costs.descriptor);
  }

  /** A hint that interrupts are not wanted. */
  virtqueue_disable_cb(): void {
    if (this.eventTriggered || (this.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) !== 0) return;
    this.availFlags |= VIRTQ_AVAIL_F_NO_INTERRUPT;
    if (this.event) this.ram.setU16(this.place.usedEvent, 0);
    else this.ram.setU16(this.place.avail, this.availFlags);
  }

  /** Interrupts on from here; the answer is for virtqueue_poll. */
  virtqueue_enable_cb_prepare(): number {
    this.eventTriggered = false;
    this.wantInterrupt();
    this.ram.setU16(this.place.usedEvent, this.lastUsedIdx);
    return this.lastUsedIdx;
  }

  /** Whether the device has used more since `opaque`. */
  virtqueue_poll(opaque: number): boolean {
    return !this.broken && this.ram.u16(this.place.used + 2) !== opaque;
  }

  /** Interrupts on; false when there is work already. */
  virtqueue_enable_cb(): boolean {
    return !this.virtqueue_poll(this.virtqueue_enable_cb_prepare());
  }

  /** Interrupts on, but only once three quarters of what is outstanding are used; false when they are already. */
  virtqueue_enable_cb_delayed(): boolean {
    this.eventTriggered = false;
    this.wantInterrupt();
    const bufs = Math.floor((((this.availIdx - this.lastUsedIdx) & 0xffff) * 3) / 4);
    this.ram.setU16(this.place.usedEvent, (this.lastUsedIdx + bufs) & 0xffff);
    return ((this.ram.u16(this.place.used + 2) - this.lastUsedIdx) & 0xffff) <= bufs;
  }

  private wantInterrupt(): void {
    if ((this.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0) return;
    this.availFlags &= ~VIRTQ_AVAIL_F_NO_INTERRUPT;
    if (!this.event) this.ram.setU16(this.place.avail, this.availFlags);
  }

  /** A buffer the device still has, when it is certain that it does not use it any more; undefined when there is none. */
  virtqueue_detach_unused_buf(): object | undefined {
    for (let i = 0; i < this.num; i++) {
      const data = this.data[i];
      if (data === undefined) continue;
      this.lastCtx = this.ctx[i];
      this.detach_buf_split(i);
      this.availIdx = (this.availIdx - 1) & 0xffff;
      this.ram.setU16(this.place.avail + 2, this.availIdx);
      return data;
    }
    return undefined;
  }

  /** New ring of another size. The transport has reset the queue; 0 or -ENOMEM (then the old ring is empty and usable). */
  virtqueue_resize_split(num: number): number {
    const old = this.place;
    const ret = this.vring_alloc_queue_split(num, false);
    if (ret < 0) {
      this.virtqueue_reinit_split();
      return ret;
    }
    this.dma.dma_free_coherent(old.bytes, old.desc, old.desc as number as DmaAddr, 'vring_free_queue');
    return 0;
  }

  /** The same ring, empty again. */
  virtqueue_reinit_split(): void {
    this.ram.fill(this.place.desc, 0, this.place.bytes);
    this.virtqueue_init(this.num);
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

  /** Positions for views. */
  get availIndex(): number {
    return this.availIdx;
  }
}
