// Driver side of a packed ring (Linux: drivers/virtio/virtio_ring.c): one descriptor ring in guest RAM, wrap counters, event suppression.
import { Errno } from '../../base/errno.ts';
import type { DmaAddr, Gpa } from '../../base/units.ts';
import { VIRTQ_DESC_F } from '../../virtio/ring.ts';
import {
  availFlags,
  isUsedDesc,
  notificationData,
  packedDescAt,
  packedNeedEvent,
  packedRingBytes,
  RING_EVENT_FLAGS,
  RING_EVENT_FLAGS_MASK,
  VirtqEvent,
  VirtqPackedDesc,
  WRAP_BIT,
} from '../../virtio/ring_packed.ts';
import { type DriverPositions, type RingBusPlace, type RingPlace, Virtqueue } from './virtio_ring.ts';
import { InOrderUse } from './virtq_in_order.ts';

const DESC_SIZE = VirtqPackedDesc.$size;
const FLAGS_AT = VirtqPackedDesc.flags.offset;
const { NEXT, WRITE, INDIRECT } = VIRTQ_DESC_F;

/**
 * ```
 *   ring     u u d d d a a . . .     u used and not taken back, d and a the device's, . free
 *            ▲             ▲
 *        lastUsedIdx   nextAvail     each with a wrap counter that flips at the end of the ring
 *   freeHead ─► id ─► id ─► …        buffer IDs; descNext links what is free and what one chain has taken
 * ```
 */
export class PackedVirtqueue extends Virtqueue {
  /** Inline in Linux, or a part of another function. */
  static override readonly inlined: readonly string[] = Object.freeze([
    'more_used',
    'more_used_packed',
    'is_used_desc_packed',
    'alloc_indirect_packed',
    'vring_unmap_extra_packed',
    'virtqueue_vring_init_packed',
    'virtqueue_reinit_packed',
  ]);
  readonly packed = true;
  place!: RingPlace;
  bus!: RingBusPlace;
  private nextAvail = 0;
  private availWrap = 1;
  private eventFlags: number = RING_EVENT_FLAGS.ENABLE;
  /** Linux: desc_state: descriptors of a buffer, and the ID that its last one took from the free list. */
  private stateNum!: Uint16Array;
  private stateLast!: Uint16Array;
  private order: InOrderUse | undefined;

  /** Linux: vring_create_virtqueue_packed() has no smaller ring to offer. */
  allocate(num: number, _mayReduce: boolean): number {
    return this.vring_alloc_queue_packed(num);
  }

  /** Three runs of memory, a page each at least. */
  vring_alloc_queue_packed(num: number): number {
    const desc = this.dma.dma_alloc_coherent(packedRingBytes(num), 'vring_alloc_queue');
    const driver = desc === undefined ? undefined : this.dma.dma_alloc_coherent(VirtqEvent.$size, 'vring_alloc_queue');
    const device = driver === undefined ? undefined : this.dma.dma_alloc_coherent(VirtqEvent.$size, 'vring_alloc_queue');
    if (desc === undefined || driver === undefined || device === undefined) {
      if (driver !== undefined) this.freePart(driver.gpa, driver.dma, VirtqEvent.$size);
      if (desc !== undefined) this.freePart(desc.gpa, desc.dma, packedRingBytes(num));
      return -Errno.ENOMEM;
    }
    this.place = { desc: desc.gpa, avail: driver.gpa, used: device.gpa };
    this.bus = { desc: desc.dma, avail: driver.dma, used: device.dma };
    this.virtqueue_vring_init_packed(num);
    return 0;
  }

  private virtqueue_vring_init_packed(num: number): void {
    this.virtqueue_init(num);
    this.lastUsedIdx = WRAP_BIT;
    this.nextAvail = 0;
    this.availWrap = 1;
    this.eventFlags = RING_EVENT_FLAGS.ENABLE;
    this.stateNum = new Uint16Array(num);
    this.stateLast = new Uint16Array(num);
    this.order = this.inOrder ? new InOrderUse(num) : undefined;
    // Linux: no callback, no interrupts
    if (this.spec.callback === undefined) this.setEventFlags(RING_EVENT_FLAGS.DISABLE);
  }

  vring_free(): void {
    this.freePlace(this.place, this.bus, this.num);
  }

  private freePlace(place: RingPlace, bus: RingBusPlace, num: number): void {
    this.freePart(place.desc, bus.desc, packedRingBytes(num));
    this.freePart(place.avail, bus.avail, VirtqEvent.$size);
    this.freePart(place.used, bus.used, VirtqEvent.$size);
  }

  private freePart(at: Gpa, dma: DmaAddr, bytes: number): void {
    this.dma.dma_free_coherent(bytes, at, dma, 'vring_free_queue');
  }

  protected add(out: number, inn: number, data: object, ctx: number): number {
    return this.virtqueue_add_packed(out, inn, data, ctx);
  }

  virtqueue_add_packed(out: number, inn: number, data: object, ctx: number): number {
    const { kernel } = this;
    const { costs } = kernel.platform;
    if (this.broken) return -Errno.EIO;
    const total = out + inn;
    if (this.useIndirect && total > 1 && this.num_free > 0) {
      const table = this.alloc_indirect_packed(total);
      // without memory for a table the list goes into the ring
      if (table !== 0) return this.virtqueue_add_indirect_packed(table, out, inn, data, ctx);
    }
    if (this.num_free < total) return -Errno.ENOSPC;
    const head = this.nextAvail;
    const id = this.freeHead;
    let wrap = this.availWrap;
    let headFlags = 0;
    let i = head;
    let curr = id;
    let last = id;
    let room = 0;
    for (let n = 0; n < total; n++) {
      const writable = n >= out;
      const length = this.sgLen[n];
      const dma = this.mapEntry(n, writable);
      if (dma === 0) return this.unmapReleased(n, id);
      if (writable) room += length;
      const flags = availFlags(wrap) | (writable ? WRITE : 0) | (n < total - 1 ? NEXT : 0);
      const at = packedDescAt(this.place.desc, i);
      this.writeDesc(at, dma, length, id);
      if (n === 0) headFlags = flags;
      else this.ram.setU16(at + FLAGS_AT, flags);
      this.descAddr[curr] = dma;
      this.descLen[curr] = length;
      this.descFlags[curr] = flags;
      last = curr;
      curr = this.descNext[curr];
      if (++i === this.num) {
        i = 0;
        wrap ^= 1;
      }
      kernel.charge(costs.dma_map + costs.descriptor);
    }
    this.nextAvail = i;
    this.availWrap = wrap;
    this.commit(id, curr, last, total, data, ctx, room);
    this.virtio_wmb();
    this.expose(packedDescAt(this.place.desc, head), headFlags);
    return 0;
  }

  virtqueue_add_indirect_packed(table: number, out: number, inn: number, data: object, ctx: number): number {
    const { kernel, ram } = this;
    const { costs } = kernel.platform;
    const total = out + inn;
    let room = 0;
    for (let n = 0; n < total; n++) {
      const writable = n >= out;
      const dma = this.mapEntry(n, writable);
      if (dma === 0) return this.freePartOfTable(table, n, out);
      if (writable) room += this.sgLen[n];
      const at = table + n * DESC_SIZE;
      this.writeDesc(at, dma, this.sgLen[n], 0);
      ram.setU16(at + FLAGS_AT, writable ? WRITE : 0);
      kernel.charge(costs.dma_map + costs.descriptor);
    }
    const bytes = total * DESC_SIZE;
    const dma = this.mapTable(table, bytes);
    if (dma === 0) return this.freePartOfTable(table, total, out);
    const id = this.freeHead;
    const at = packedDescAt(this.place.desc, this.nextAvail);
    const flags = INDIRECT | availFlags(this.availWrap);
    this.writeDesc(at, dma, bytes, id);
    this.descAddr[id] = dma;
    this.descLen[id] = bytes;
    this.descFlags[id] = flags;
    this.indirect[id] = table;
    if (++this.nextAvail === this.num) {
      this.nextAvail = 0;
      this.availWrap ^= 1;
    }
    this.commit(id, this.descNext[id], id, 1, data, ctx, room);
    this.virtio_wmb();
    this.expose(at, flags);
    return 0;
  }

  /** virtio-v1.2 §2.8.17: the head's flags make the whole list available. */
  private expose(at: number, flags: number): void {
    const { ram, kernel } = this;
    if (kernel.contract.enabled && !this.ordered)
      kernel.contract.violation('ring-barrier', `${this.vdev.driver?.name ?? 'virtio'} ${this.name}`, `descriptor at 0x${at.toString(16)}`);
    ram.setU16(at + FLAGS_AT, flags);
  }

  alloc_indirect_packed(total: number): number {
    return this.allocTable(total);
  }

  /** The driver's own books about a list that is about to be available. */
  private commit(id: number, nextFree: number, last: number, slots: number, data: object, ctx: number, room: number): void {
    this.num_free -= slots;
    this.freeHead = nextFree;
    this.stateNum[id] = slots;
    this.stateLast[id] = last;
    this.data[id] = data;
    this.ctx[id] = ctx;
    this.order?.add(id, room);
    this.numAdded += slots;
  }

  private writeDesc(at: number, addr: number, len: number, id: number): void {
    const { view } = this.ram;
    this.ordered = false;
    view.setUint32(at, addr >>> 0, true);
    view.setUint32(at + 4, Math.floor(addr / 0x100000000), true);
    view.setUint32(at + 8, len, true);
    view.setUint16(at + 12, id, true);
  }

  /** A mapping failed: undoes those made before it. Nothing was available yet. */
  private unmapReleased(made: number, id: number): number {
    for (let n = 0, curr = id; n < made; n++, curr = this.descNext[curr]) {
      this.unmap(this.descAddr[curr], this.descLen[curr], (this.descFlags[curr] & WRITE) !== 0, 'virtqueue_add');
    }
    return -Errno.EIO;
  }

  private freePartOfTable(table: number, made: number, out: number): number {
    for (let n = 0; n < made; n++) this.unmap(this.ram.u64(table + n * DESC_SIZE), this.sgLen[n], n >= out, 'virtqueue_add');
    this.kernel.platform.slab.kfree(table as Gpa);
    return -Errno.ENOMEM;
  }

  virtqueue_kick_prepare(): boolean {
    return this.virtqueue_kick_prepare_packed();
  }

  virtqueue_kick_prepare_packed(): boolean {
    const old = this.nextAvail - this.numAdded;
    this.numAdded = 0;
    const flags = this.ram.u16(this.place.used + VirtqEvent.flags.offset) & RING_EVENT_FLAGS_MASK;
    if (flags !== RING_EVENT_FLAGS.DESC) return flags !== RING_EVENT_FLAGS.DISABLE;
    return packedNeedEvent(this.ram.u16(this.place.used), this.nextAvail, old, this.availWrap, this.num);
  }

  private is_used_desc_packed(position: number): boolean {
    return isUsedDesc(this.ram.u16(packedDescAt(this.place.desc, position & ~WRAP_BIT) + FLAGS_AT), position & WRAP_BIT);
  }

  more_used(): boolean {
    return this.more_used_packed();
  }
  more_used_packed(): boolean {
    return this.order?.open === true || this.is_used_desc_packed(this.lastUsedIdx);
  }

  virtqueue_get_buf_ctx(): object | undefined {
    return this.virtqueue_get_buf_ctx_packed();
  }

  virtqueue_get_buf_ctx_packed(): object | undefined {
    const { ram, order } = this;
    if (this.broken || !this.more_used_packed()) return undefined;
    const at = packedDescAt(this.place.desc, this.lastUsedIdx & ~WRAP_BIT);
    let id = ram.u16(at + VirtqPackedDesc.id.offset);
    this.lastLen = ram.u32(at + VirtqPackedDesc.len.offset);
    if (order !== undefined) {
      if (!order.open && !order.begin(id, this.lastLen)) return this.badRing(id);
      id = order.next();
      this.lastLen = order.len;
    }
    const data = id < this.num ? this.data[id] : undefined;
    if (data === undefined) return this.badRing(id);
    this.lastCtx = this.ctx[id];
    this.lastUsedIdx = this.after(this.lastUsedIdx, this.stateNum[id]);
    this.detach_buf_packed(id);
    // with interrupts on, the device is told how far the driver has got
    if (this.eventFlags === RING_EVENT_FLAGS.DESC) ram.setU16(this.place.avail, this.lastUsedIdx);
    return data;
  }

  /** A position with its wrap counter, `slots` further on. */
  private after(position: number, slots: number): number {
    const to = (position & ~WRAP_BIT) + slots;
    return to < this.num ? to | (position & WRAP_BIT) : (to - this.num) | (~position & WRAP_BIT);
  }

  protected detach(id: number): void {
    this.detach_buf_packed(id);
  }

  detach_buf_packed(id: number): void {
    this.data[id] = undefined;
    const slots = this.stateNum[id];
    for (let n = 0, curr = id; n < slots; n++, curr = this.descNext[curr]) this.vring_unmap_extra_packed(curr);
    this.descNext[this.stateLast[id]] = this.freeHead;
    this.freeHead = id;
    this.num_free += slots;
    const table = this.indirect[id];
    if (table !== 0) this.freeTable(table, this.descLen[id], FLAGS_AT, 'detach_buf_packed');
    this.indirect[id] = 0;
  }

  vring_unmap_extra_packed(i: number): void {
    this.unmapDesc(i, 'detach_buf_packed');
  }

  virtqueue_disable_cb(): void {
    if (!this.eventTriggered) this.virtqueue_disable_cb_packed();
  }
  virtqueue_disable_cb_packed(): void {
    if (this.eventFlags !== RING_EVENT_FLAGS.DISABLE) this.setEventFlags(RING_EVENT_FLAGS.DISABLE);
  }

  virtqueue_enable_cb_prepare(): number {
    this.eventTriggered = false;
    return this.virtqueue_enable_cb_prepare_packed();
  }
  virtqueue_enable_cb_prepare_packed(): number {
    if (this.event) this.ram.setU16(this.place.avail, this.lastUsedIdx);
    this.wantInterrupt();
    return this.lastUsedIdx;
  }

  virtqueue_poll(opaque: number): boolean {
    return !this.broken && this.virtqueue_poll_packed(opaque);
  }
  virtqueue_poll_packed(opaque: number): boolean {
    return this.order?.open === true || this.is_used_desc_packed(opaque);
  }

  virtqueue_enable_cb_delayed(): boolean {
    // Linux 6.1 does not ask, and a driver that waits for room spins here for ever once its queue is broken
    if (this.broken) return true;
    this.eventTriggered = false;
    return this.virtqueue_enable_cb_delayed_packed();
  }
  virtqueue_enable_cb_delayed_packed(): boolean {
    if (this.event) {
      const bufs = Math.floor(((this.num - this.num_free) * 3) / 4);
      this.ram.setU16(this.place.avail, this.after(this.lastUsedIdx, bufs));
    }
    this.wantInterrupt();
    return !this.more_used_packed();
  }

  private wantInterrupt(): void {
    if (this.eventFlags !== RING_EVENT_FLAGS.DISABLE) return;
    this.setEventFlags(this.event ? RING_EVENT_FLAGS.DESC : RING_EVENT_FLAGS.ENABLE);
  }

  private setEventFlags(flags: number): void {
    this.eventFlags = flags;
    this.ram.setU16(this.place.avail + VirtqEvent.flags.offset, flags);
  }

  protected resize(num: number): number {
    return this.virtqueue_resize_packed(num);
  }

  virtqueue_resize_packed(num: number): number {
    const { place: old, bus } = this;
    const oldNum = this.num;
    const err = this.vring_alloc_queue_packed(num);
    if (err < 0) this.virtqueue_reinit_packed();
    else this.freePlace(old, bus, oldNum);
    return err;
  }

  /** The same ring, empty again; old descriptors must not look used. */
  private virtqueue_reinit_packed(): void {
    this.ram.fill(this.place.desc, 0, packedRingBytes(this.num));
    this.ram.fill(this.place.avail, 0, VirtqEvent.$size);
    this.ram.fill(this.place.used, 0, VirtqEvent.$size);
    this.virtqueue_vring_init_packed(this.num);
  }

  get positions(): DriverPositions {
    const { nextAvail, availWrap, lastUsedIdx } = this;
    return { nextAvail, availWrap, lastUsed: lastUsedIdx & ~WRAP_BIT, usedWrap: (lastUsedIdx & WRAP_BIT) !== 0 ? 1 : 0 };
  }

  slotsOf(id: number): number {
    return this.tokenOf(id) === undefined ? 0 : this.stateNum[id];
  }

  notificationData(): number {
    return notificationData(this.index, this.nextAvail | (this.availWrap !== 0 ? WRAP_BIT : 0));
  }
}
