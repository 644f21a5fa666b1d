// Device side of a split ring (virtio-v1.2 §2.7): avail ring to descriptor chains to used ring.
import { invariant } from '../base/ops.ts';
import {
  availAt,
  availEventAt,
  availRingBytes,
  descAt,
  descTableBytes,
  usedAt,
  usedEventAt,
  usedRingBytes,
  VIRTQ_ALIGN,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F,
  VIRTQ_USED_F_NO_NOTIFY,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
  vringNeedEvent,
} from '../virtio/ring.ts';
import { dmaFaultText } from './virtq_fault.ts';
import { InFlight } from './virtq_inflight.ts';
import type { RingPart, RingPositions, VirtqChain, Virtqueue, VirtqRing } from './virtqueue.ts';

export class SplitRing implements VirtqRing {
  private lastAvail = 0;
  private shadowAvail = 0;
  private usedIdx = 0;
  /** Elements behind usedIdx that are not yet published. */
  private unpublished = 0;
  private inUse = 0;
  private signalled = 0;
  private signalledValid = false;
  private notificationsOn = true;
  /** With IN_ORDER only: the chains held, and the open batch, whose one element stands at usedIdx + batchAt. */
  private readonly held: InFlight | undefined;
  private batchAt = 0;
  private batchOpen = false;

  constructor(private readonly q: Virtqueue) {
    this.held = q.inOrder ? new InFlight(q.size) : undefined;
  }

  parts(): readonly RingPart[] {
    const { q } = this;
    return [
      ['descriptor table', q.desc, descTableBytes(q.size), VIRTQ_ALIGN.DESC, false],
      ['avail ring', q.driver, availRingBytes(q.size), VIRTQ_ALIGN.AVAIL, false],
      ['used ring', q.device, usedRingBytes(q.size), VIRTQ_ALIGN.USED, true],
    ];
  }

  hasWork(): boolean {
    return this.lastAvail !== this.shadowAvail || this.readAvailIdx();
  }

  take(chain: VirtqChain): boolean {
    const { q } = this;
    const head = q.mem.u16(availAt(q.driver, this.lastAvail & (q.size - 1)));
    if (head >= q.size) return q.fail('head out of range', head, `index ${head}, queue size ${q.size}`);
    if (this.held !== undefined && this.inUse >= q.size) return q.fail('too many in flight', head, `${this.inUse} chains`);
    if (!this.walk(chain, head)) return false;
    this.lastAvail = (this.lastAvail + 1) & 0xffff;
    this.inUse++;
    this.held?.add(head, 1, chain.inBytes);
    if (q.eventIdx && this.notificationsOn) q.mem.setU16(availEventAt(q.device, q.size), this.lastAvail);
    return true;
  }

  untake(count: number): void {
    this.lastAvail = (this.lastAvail - count) & 0xffff;
    this.inUse -= count;
    for (let i = 0; i < count; i++) this.held?.removeNewest();
  }

  push(head: number, written: number, id: number): void {
    if (this.held === undefined) this.write(this.unpublished++, id, written);
    else this.pushInOrder(this.held, head, written, id);
  }

  /** virtio-v1.2 §2.7.9: one element for a batch, called like its last chain, at the place of its first; all but the last were used completely. */
  private pushInOrder(held: InFlight, head: number, written: number, id: number): void {
    invariant(held.find(head) === 0, 'chains are given back in order');
    if (!this.batchOpen) this.batchAt = this.unpublished;
    this.write(this.batchAt, id, written);
    this.unpublished++;
    this.batchOpen = written === held.roomOf(0);
    held.remove(0);
  }

  private write(behind: number, head: number, written: number): void {
    const { mem, device, size } = this.q;
    const at = usedAt(device, (this.usedIdx + behind) & (size - 1));
    VirtqUsedElem.id.set(mem, at, head);
    VirtqUsedElem.len.set(mem, at, written);
  }

  publish(): boolean {
    if (this.unpublished === 0) return false;
    const { q } = this;
    this.usedIdx = (this.usedIdx + this.unpublished) & 0xffff;
    this.inUse -= this.unpublished;
    this.unpublished = 0;
    this.batchOpen = false;
    VirtqUsed.idx.set(q.mem, q.device, this.usedIdx);
    if (!q.eventIdx) return (VirtqAvail.flags.get(q.mem, q.driver) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    const old = this.signalled;
    const known = this.signalledValid;
    this.signalled = this.usedIdx;
    this.signalledValid = true;
    return !known || vringNeedEvent(q.mem.u16(usedEventAt(q.driver, q.size)), this.usedIdx, old);
  }

  setNotifications(on: boolean): void {
    if (!on && !this.notificationsOn) return;
    const { q } = this;
    this.notificationsOn = on;
    if (!q.eventIdx) VirtqUsed.flags.set(q.mem, q.device, on ? 0 : VIRTQ_USED_F_NO_NOTIFY);
    else if (on) q.mem.setU16(availEventAt(q.device, q.size), VirtqAvail.idx.get(q.mem, q.driver));
  }

  get positions(): RingPositions {
    return {
      lastAvailIdx: this.lastAvail,
      shadowAvailIdx: this.shadowAvail,
      usedIdx: this.usedIdx,
      availWrap: 0,
      usedWrap: 0,
      inUse: this.inUse,
      signalledUsed: this.signalled,
      signalledUsedValid: this.signalledValid,
      notificationsOn: this.notificationsOn,
    };
  }

  private readAvailIdx(): boolean {
    const { q } = this;
    // a function whose bus mastering was switched off sees no memory
    const f = q.mem.check(q.driver, VirtqAvail.$size, false);
    if (f !== undefined) return q.fail('ring outside memory', -1, `avail ring: ${dmaFaultText(f)}`);
    const idx = VirtqAvail.idx.get(q.mem, q.driver);
    const moved = (idx - this.lastAvail) & 0xffff;
    if (moved > q.size) return q.fail('avail idx jump', -1, `from ${this.lastAvail} to ${idx}, queue size ${q.size}`);
    this.shadowAvail = idx;
    return moved !== 0;
  }

  private walk(chain: VirtqChain, head: number): boolean {
    const { q } = this;
    const { mem } = q;
    const most = chain.addr.length;
    let table = q.desc;
    let entries = q.size;
    let limit = Math.min(q.size, most);
    let inTable = false;
    let i = head;
    let steps = 0;
    chain.head = head;
    for (;;) {
      const at = descAt(table, i);
      const len = VirtqDesc.len.get(mem, at);
      const flags = VirtqDesc.flags.get(mem, at);
      const addr = VirtqDesc.addr.get(mem, at);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0) {
        if (q.indirect && inTable) return q.fail('indirect within indirect', head, `entry ${i}`);
        if (q.indirect && (flags & VIRTQ_DESC_F.NEXT) !== 0) return q.fail('indirect with next', head, `descriptor ${i}`);
        if (!q.acceptTable(head, i, addr, len)) return false;
        inTable = true;
        table = addr;
        entries = len / VirtqDesc.$size;
        limit = most;
        i = 0;
        steps = 0;
        continue;
      }
      if (chain.out + chain.in === limit) return q.fail('chain too long', head, `more than ${limit} buffers`);
      if (!q.accept(chain, head, addr, len, (flags & VIRTQ_DESC_F.WRITE) !== 0, i)) return false;
      if ((flags & VIRTQ_DESC_F.NEXT) === 0) return true;
      i = VirtqDesc.next.get(mem, at);
      if (i >= entries) return q.fail('next out of range', head, `index ${i}, table of ${entries}`);
      if (++steps >= entries) return q.fail('loop', head, `at descriptor ${i}`);
    }
  }
}
