// Device side of a packed ring (virtio-v1.2 §2.8): descriptors are read and overwritten in place, wrap counters tell whose they are.
import { invariant } from '../base/ops.ts';
import { VIRTQ_DESC_F } from '../virtio/ring.ts';
import {
  isAvailDesc,
  PACKED_ALIGN,
  packedDescAt,
  packedNeedEvent,
  packedRingBytes,
  RING_EVENT_FLAGS,
  RING_EVENT_FLAGS_MASK,
  usedFlags,
  VirtqEvent,
  VirtqPackedDesc,
  WRAP_BIT,
} from '../virtio/ring_packed.ts';
import { dmaFaultText } from './virtq_fault.ts';
import { InFlight } from './virtq_inflight.ts';
import type { RingPart, RingPositions, VirtqChain, Virtqueue, VirtqRing } from './virtqueue.ts';

/**
 * ```
 *   ring    u u d d d a a . . .      u used, d held by the device, a available, . the driver's
 *               ▲     ▲
 *            usedIdx lastAvail        both move forward over the same descriptors; a wrap counter flips at the end of the ring
 * ```
 */
export class PackedRing implements VirtqRing {
  private lastAvail = 0;
  private availWrap = 1;
  private usedIdx = 0;
  private usedWrap = 1;
  /** Descriptors taken and not given back. */
  private inUse = 0;
  private signalled = 0;
  private signalledValid = false;
  private notificationsOn = true;
  private readonly held: InFlight;
  /** Used descriptors to write: buffer ID, bytes written, slots to skip. */
  private pending = 0;
  private readonly pendingId: Uint16Array;
  private readonly pendingLen: Uint32Array;
  private readonly pendingSlots: Uint16Array;
  /** With IN_ORDER: the last pending one was used completely, so the next may join its batch. */
  private batchOpen = false;

  constructor(private readonly q: Virtqueue) {
    this.held = new InFlight(q.size);
    this.pendingId = new Uint16Array(q.size);
    this.pendingLen = new Uint32Array(q.size);
    this.pendingSlots = new Uint16Array(q.size);
  }

  parts(): readonly RingPart[] {
    const { q } = this;
    return [
      // the device writes used descriptors over available ones
      ['descriptor ring', q.desc, packedRingBytes(q.size), PACKED_ALIGN.DESC, true],
      ['driver event suppression', q.driver, VirtqEvent.$size, PACKED_ALIGN.EVENT, false],
      ['device event suppression', q.device, VirtqEvent.$size, PACKED_ALIGN.EVENT, true],
    ];
  }

  hasWork(): boolean {
    const { q } = this;
    const at = packedDescAt(q.desc, this.lastAvail);
    const f = q.mem.check(at, VirtqPackedDesc.$size, false);
    if (f !== undefined) return q.fail('ring outside memory', -1, `descriptor ring: ${dmaFaultText(f)}`);
    return isAvailDesc(VirtqPackedDesc.flags.get(q.mem, at), this.availWrap);
  }

  take(chain: VirtqChain): boolean {
    const { q } = this;
    // Linux: a ring never holds more than its size; QEMU: "Virtqueue size exceeded"
    if (this.inUse >= q.size) return q.fail('too many in flight', this.lastAvail, `${this.inUse} descriptors`);
    const slots = this.walk(chain);
    if (slots === 0) return false;
    this.held.add(chain.head, slots, chain.inBytes);
    this.inUse += slots;
    const before = this.lastAvail;
    this.lastAvail += slots;
    if (this.lastAvail >= q.size) {
      this.lastAvail -= q.size;
      this.availWrap ^= this.flips(before, this.lastAvail);
    }
    return true;
  }

  untake(count: number): void {
    for (let i = 0; i < count; i++) {
      const slots = this.held.removeNewest();
      this.inUse -= slots;
      this.lastAvail -= slots;
      if (this.lastAvail < 0) {
        this.lastAvail += this.q.size;
        this.availWrap ^= 1;
      }
    }
  }

  push(head: number, written: number, id: number): void {
    const { held } = this;
    const k = held.find(head);
    invariant(k >= 0, `buffer ${head} is given back and was not taken`);
    const slots = held.slotsOf(k);
    // virtio-v1.2 §2.8.8: one used descriptor for a batch, called like its last buffer; all before it were used completely
    const at = this.batchOpen ? this.pending - 1 : this.pending++;
    this.pendingId[at] = id;
    this.pendingLen[at] = written;
    this.pendingSlots[at] = this.batchOpen ? this.pendingSlots[at] + slots : slots;
    if (this.q.inOrder) {
      invariant(k === 0, 'buffers are given back in order');
      this.batchOpen = written === held.roomOf(0);
    }
    held.remove(k);
  }

  /** Writes the used descriptors, the flags of the first one last: with it the driver sees them all. */
  publish(): boolean {
    if (this.pending === 0) return false;
    const first = this.usedIdx;
    const firstFlags = usedFlags(this.usedWrap) | (this.pendingLen[0] > 0 ? VIRTQ_DESC_F.WRITE : 0);
    for (let k = 0; k < this.pending; k++) {
      this.writeUsed(k, k > 0);
      this.advanceUsed(this.pendingSlots[k]);
    }
    const { q } = this;
    VirtqPackedDesc.flags.set(q.mem, packedDescAt(q.desc, first), firstFlags);
    this.pending = 0;
    this.batchOpen = false;
    return this.wantsInterrupt();
  }

  setNotifications(on: boolean): void {
    if (!on && !this.notificationsOn) return;
    const { q } = this;
    this.notificationsOn = on;
    if (!on) VirtqEvent.flags.set(q.mem, q.device, RING_EVENT_FLAGS.DISABLE);
    else if (q.eventIdx) {
      VirtqEvent.desc.set(q.mem, q.device, this.lastAvail | (this.availWrap !== 0 ? WRAP_BIT : 0));
      VirtqEvent.flags.set(q.mem, q.device, RING_EVENT_FLAGS.DESC);
    } else VirtqEvent.flags.set(q.mem, q.device, RING_EVENT_FLAGS.ENABLE);
  }

  get positions(): RingPositions {
    return {
      lastAvailIdx: this.lastAvail,
      // QEMU: the same, always: there is no index to look ahead to
      shadowAvailIdx: this.lastAvail,
      usedIdx: this.usedIdx,
      availWrap: this.availWrap,
      usedWrap: this.usedWrap,
      inUse: this.inUse,
      signalledUsed: this.signalled,
      signalledUsedValid: this.signalledValid,
      notificationsOn: this.notificationsOn,
    };
  }

  /** virtio-v1.2 §2.8.1: a wrap counter flips whenever its position passes the end of the ring. */
  protected flips(_before: number, _after: number): 0 | 1 {
    return 1;
  }

  private writeUsed(k: number, withFlags: boolean): void {
    const { mem, desc } = this.q;
    const at = packedDescAt(desc, this.usedIdx);
    VirtqPackedDesc.id.set(mem, at, this.pendingId[k]);
    VirtqPackedDesc.len.set(mem, at, this.pendingLen[k]);
    // virtio-v1.2 §2.8.3: WRITE tells that something was written, and len how much
    if (withFlags) VirtqPackedDesc.flags.set(mem, at, usedFlags(this.usedWrap) | (this.pendingLen[k] > 0 ? VIRTQ_DESC_F.WRITE : 0));
  }

  private advanceUsed(slots: number): void {
    this.inUse -= slots;
    const before = this.usedIdx;
    this.usedIdx += slots;
    if (this.usedIdx < this.q.size) return;
    this.usedIdx -= this.q.size;
    this.usedWrap ^= this.flips(before, this.usedIdx);
    // QEMU: virtqueue_packed_flush(): what was signalled before the wrap cannot be compared; the driver is told
    this.signalledValid = false;
  }

  /** virtio-v1.2 §2.8.10; QEMU: virtio_packed_should_notify() */
  private wantsInterrupt(): boolean {
    const { q } = this;
    const old = this.signalled;
    const known = this.signalledValid;
    this.signalled = this.usedIdx;
    this.signalledValid = true;
    const flags = VirtqEvent.flags.get(q.mem, q.driver) & RING_EVENT_FLAGS_MASK;
    if (flags === RING_EVENT_FLAGS.DISABLE) return false;
    if (flags === RING_EVENT_FLAGS.ENABLE || !known) return true;
    return packedNeedEvent(VirtqEvent.desc.get(q.mem, q.driver), this.usedIdx, old, this.usedWrap, q.size);
  }

  /** Collects the list that starts at lastAvail; the number of ring descriptors it covers, 0 when the guest erred. */
  private walk(chain: VirtqChain): number {
    const { q } = this;
    const { mem } = q;
    const first = this.lastAvail;
    let i = first;
    let wrap = this.availWrap;
    for (let slots = 1; ; slots++) {
      const at = packedDescAt(q.desc, i);
      const flags = VirtqPackedDesc.flags.get(mem, at);
      // virtio-v1.2 §2.8.17: the whole list is available before its first descriptor
      if (slots > 1 && !isAvailDesc(flags, wrap)) return this.fault('part of a list not available', first, i);
      const addr = VirtqPackedDesc.addr.get(mem, at);
      const len = VirtqPackedDesc.len.get(mem, at);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0) {
        if (q.indirect && (slots > 1 || (flags & VIRTQ_DESC_F.NEXT) !== 0)) return this.fault('indirect with next', first, i);
        chain.head = VirtqPackedDesc.id.get(mem, at);
        return q.acceptTable(first, i, addr, len) && this.walkTable(chain, first, addr, len / VirtqPackedDesc.$size) ? 1 : 0;
      }
      if (!q.accept(chain, first, addr, len, (flags & VIRTQ_DESC_F.WRITE) !== 0, i)) return 0;
      if ((flags & VIRTQ_DESC_F.NEXT) === 0) {
        // virtio-v1.2 §2.8.6: the last descriptor has the buffer ID
        chain.head = VirtqPackedDesc.id.get(mem, at);
        return slots;
      }
      if (slots + this.inUse >= q.size || slots === chain.addr.length) return this.fault('loop', first, i);
      if (++i === q.size) {
        i = 0;
        wrap ^= 1;
      }
    }
  }

  /** virtio-v1.2 §2.8.7: the entries follow each other; of their flags only WRITE means something. */
  private walkTable(chain: VirtqChain, first: number, table: number, entries: number): boolean {
    const { q } = this;
    if (entries > chain.addr.length) return q.fail('chain too long', first, `${entries} entries`);
    for (let i = 0; i < entries; i++) {
      const at = packedDescAt(table, i);
      const write = (VirtqPackedDesc.flags.get(q.mem, at) & VIRTQ_DESC_F.WRITE) !== 0;
      if (!q.accept(chain, first, VirtqPackedDesc.addr.get(q.mem, at), VirtqPackedDesc.len.get(q.mem, at), write, i)) return false;
    }
    return true;
  }

  private fault(kind: 'part of a list not available' | 'indirect with next' | 'loop', first: number, at: number): 0 {
    this.q.fail(kind, first, `descriptor ${at}`);
    return 0;
  }
}
