// Driver side of a split ring (Linux: drivers/virtio/virtio_ring.c): descriptors, avail and used ring in guest RAM, DMA mappings.
import { Errno } from '../../base/errno.ts';
import type { DmaAddr, Gpa } from '../../base/units.ts';
import { VIRTQ_AVAIL_F_NO_INTERRUPT, VIRTQ_DESC_F, VIRTQ_USED_F_NO_NOTIFY, vringNeedEvent } from '../../virtio/ring.ts';
import { notificationData } from '../../virtio/ring_packed.ts';
import { type DriverPositions, type RingBusPlace, Virtqueue } from './virtio_ring.ts';
import { InOrderUse } from './virtq_in_order.ts';
import { type VringPlace, placeVring } from './vring_place.ts';

const DESC_SIZE = 16;
const FLAGS_AT = 12;
const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;

/**
 * ```
 *   free_head ─► desc ─► desc ─► …          descNext links what is free and what belongs to one chain
 *   avail.ring[availIdx & mask] = head       the device reads up to avail.idx
 *   used.ring[lastUsedIdx & mask] = {id,len} the driver has read up to lastUsedIdx
 * ```
 */
export class SplitVirtqueue extends Virtqueue {
  /** Inline in Linux, or a part of another function. */
  static override readonly inlined: readonly string[] = Object.freeze([
    'more_used',
    'vring_unmap_one_split',
    'alloc_indirect_split',
    'virtqueue_reinit_split',
  ]);
  readonly packed = false;
  place!: VringPlace;
  bus!: RingBusPlace;
  private availIdx = 0;
  private availFlags = 0;
  private order: InOrderUse | undefined;

  allocate(num: number, mayReduce: boolean): number {
    return this.vring_alloc_queue_split(num, mayReduce);
  }

  vring_alloc_queue_split(num: number, mayReduce: boolean): number {
    for (let n = num; ; n >>= 1) {
      const shape = placeVring(0 as Gpa, n, this.align);
      const memory = this.dma.dma_alloc_coherent(shape.bytes, 'vring_alloc_queue');
      if (memory !== undefined) {
        const place = placeVring(memory.gpa, n, this.align);
        const toBus = (at: Gpa): DmaAddr => (memory.dma + (at - memory.gpa)) as DmaAddr;
        this.place = place;
        this.bus = { desc: memory.dma, avail: toBus(place.avail), used: toBus(place.used) };
        this.initRing(n);
        return 0;
      }
      if (!mayReduce || shape.bytes <= 4096) return -Errno.ENOMEM;
    }
  }

  private initRing(num: number): void {
    this.virtqueue_init(num);
    this.availIdx = this.availFlags = 0;
    this.order = this.inOrder ? new InOrderUse(num) : undefined;
    // Linux: no callback, no interrupts
    if (this.spec.callback === undefined) {
      this.availFlags = VIRTQ_AVAIL_F_NO_INTERRUPT;
      if (!this.event) this.ram.setU16(this.place.avail, this.availFlags);
    }
  }

  vring_free(): void {
    this.dma.dma_free_coherent(this.place.bytes, this.place.desc, this.bus.desc, 'vring_free_queue');
  }

  protected add(out: number, inn: number, data: object, ctx: number): number {
    return this.virtqueue_add_split(out, inn, data, ctx);
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
    let room = 0;
    for (let n = 0; n < total; n++) {
      const length = this.sgLen[n];
      const writable = n >= out;
      const dma = this.mapEntry(n, writable);
      if (dma === 0) return this.unmapReleased(n, out, head, table);
      if (writable) room += length;
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
      const dma = this.mapTable(table, bytes);
      if (dma === 0) return this.unmapReleased(total, out, head, table);
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
    this.order?.add(head, room);
    ram.setU16(this.place.avail + 4 + 2 * (this.availIdx & (this.num - 1)), head);
    this.virtio_wmb();
    this.exposeAvail();
    if (++this.numAdded === 0xffff) this.virtqueue_kick();
    return 0;
  }

  /** Moves avail.idx over the next slot: from now on the device may take its chain (virtio-v1.2 §2.7.13.3). */
  protected exposeAvail(): void {
    if (this.kernel.contract.enabled) this.checkExposed();
    this.availIdx = (this.availIdx + 1) & 0xffff;
    this.ram.setU16(this.place.avail + 2, this.availIdx);
  }

  /** The slot that is about to be exposed names a descriptor that is written, and a barrier lies between. */
  private checkExposed(): void {
    const { ram, kernel, place } = this;
    const head = ram.u16(place.avail + 4 + 2 * (this.availIdx & (this.num - 1)));
    const at = place.desc + head * DESC_SIZE;
    const by = `${this.vdev.driver?.name ?? 'virtio'} ${this.name}`;
    const written =
      this.data[head] !== undefined &&
      ram.u64(at) === this.descAddr[head] &&
      ram.u32(at + 8) === this.descLen[head] &&
      this.descLen[head] > 0;
    if (!written) kernel.contract.violation('ring-unwritten', by, `slot ${this.availIdx & (this.num - 1)} names descriptor ${head}`);
    else if (!this.ordered) kernel.contract.violation('ring-barrier', by, `slot ${this.availIdx & (this.num - 1)}, descriptor ${head}`);
  }

  alloc_indirect_split(total: number): number {
    return this.allocTable(total);
  }

  private writeDesc(at: number, addr: number, len: number, flags: number, next: number): void {
    const { view } = this.ram;
    this.ordered = false;
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
      this.unmap(table !== 0 ? this.ram.u64(table + n * DESC_SIZE) : this.descAddr[i], this.sgLen[n], n >= out, 'virtqueue_add');
      i = this.descNext[i];
    }
    if (table !== 0) this.kernel.platform.slab.kfree(table as Gpa);
    return -Errno.ENOMEM;
  }

  virtqueue_kick_prepare(): boolean {
    const now = this.availIdx;
    const old = (now - this.numAdded) & 0xffff;
    this.numAdded = 0;
    if (this.event) return vringNeedEvent(this.ram.u16(this.place.availEvent), now, old);
    return (this.ram.u16(this.place.used) & VIRTQ_USED_F_NO_NOTIFY) === 0;
  }

  more_used(): boolean {
    return this.lastUsedIdx !== this.ram.u16(this.place.used + 2);
  }

  virtqueue_get_buf_ctx(): object | undefined {
    const { ram, order } = this;
    if (this.broken || !this.more_used()) return undefined;
    const element = this.place.used + 4 + 8 * (this.lastUsedIdx & (this.num - 1));
    let id = 0;
    if (order === undefined) {
      id = ram.u32(element);
      this.lastLen = ram.u32(element + 4);
    } else {
      if (!order.open && !order.begin(ram.u32(element), ram.u32(element + 4))) return this.badRing(ram.u32(element));
      id = order.next();
      this.lastLen = order.len;
    }
    const data = id < this.num ? this.data[id] : undefined;
    if (data === undefined) return this.badRing(id);
    this.lastCtx = this.ctx[id];
    this.detach_buf_split(id);
    this.lastUsedIdx = (this.lastUsedIdx + 1) & 0xffff;
    // with interrupts on, the device is told how far the driver has got
    if ((this.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0) ram.setU16(this.place.usedEvent, this.lastUsedIdx);
    return data;
  }

  protected detach(id: number): void {
    this.detach_buf_split(id);
    this.availIdx = (this.availIdx - 1) & 0xffff;
    this.ram.setU16(this.place.avail + 2, this.availIdx);
  }

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
    if (table !== 0) this.freeTable(table, this.descLen[head], FLAGS_AT, 'detach_buf_split');
    this.indirect[head] = 0;
  }

  vring_unmap_one_split(i: number): void {
    this.unmapDesc(i, 'detach_buf_split');
  }

  virtqueue_disable_cb(): void {
    if (this.eventTriggered || (this.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) !== 0) return;
    this.availFlags |= VIRTQ_AVAIL_F_NO_INTERRUPT;
    if (this.event) this.ram.setU16(this.place.usedEvent, 0);
    else this.ram.setU16(this.place.avail, this.availFlags);
  }

  virtqueue_enable_cb_prepare(): number {
    this.eventTriggered = false;
    this.wantInterrupt();
    this.ram.setU16(this.place.usedEvent, this.lastUsedIdx);
    return this.lastUsedIdx;
  }

  virtqueue_poll(opaque: number): boolean {
    return !this.broken && this.ram.u16(this.place.used + 2) !== opaque;
  }

  virtqueue_enable_cb_delayed(): boolean {
    // Linux 6.1 does not ask, and a driver that waits for room spins here for ever once its queue is broken
    if (this.broken) return true;
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

  protected resize(num: number): number {
    return this.virtqueue_resize_split(num);
  }

  virtqueue_resize_split(num: number): number {
    const { place: old, bus } = this;
    let err = 0;
    if ((num & (num - 1)) !== 0) {
      this.kernel.printk.dev_warn(this.vdev, `Bad virtqueue length ${num}`);
      err = -Errno.ENOMEM;
    } else err = this.vring_alloc_queue_split(num, false);
    if (err < 0) this.virtqueue_reinit_split();
    else this.dma.dma_free_coherent(old.bytes, old.desc, bus.desc, 'vring_free_queue');
    return err;
  }

  /** The same ring, empty again. */
  virtqueue_reinit_split(): void {
    this.ram.fill(this.place.desc, 0, this.place.bytes);
    this.initRing(this.num);
  }

  notificationData(): number {
    return notificationData(this.index, this.availIdx);
  }

  get positions(): DriverPositions {
    return { nextAvail: this.availIdx, availWrap: 0, lastUsed: this.lastUsedIdx, usedWrap: 0 };
  }

  slotsOf(id: number): number {
    if (this.tokenOf(id) === undefined) return 0;
    let slots = 1;
    for (let i = id; (this.descFlags[i] & NEXT) !== 0; i = this.descNext[i]) slots++;
    return slots;
  }

  /** avail.idx as the driver has it, for tests. */
  get availIndex(): number {
    return this.availIdx;
  }
}
