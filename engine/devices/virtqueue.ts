// Device side of a split virtqueue (virtio-v1.2 §2.7): takes chains, gives back used elements, keeps notifications quiet both ways.
import type { Instant } from '../base/units.ts';
import type { DmaFault, DmaPort } from '../platform/bus.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
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
import { VirtqPop, VirtqPush } from './trace.ts';
import { type VirtqFault, virtqFault, type VirtqFaultKind } from './virtq_fault.ts';

/** QEMU: VIRTQUEUE_MAX_SIZE, the largest queue, and the most buffers of one chain with an indirect table. */
export const VIRTQUEUE_MAX = 1024;

/** A popped chain: device-readable buffers first, then device-writable ones. Reusable; valid until the next pop into it. */
export class VirtqChain {
  head = 0;
  /** Buffers [0, out) are readable, [out, out + in) writable. */
  out = 0;
  in = 0;
  outBytes = 0;
  inBytes = 0;
  readonly addr = new Float64Array(VIRTQUEUE_MAX);
  readonly len = new Uint32Array(VIRTQUEUE_MAX);
}

/** A queue as views show it; reading it changes nothing. */
export interface VirtqueueState {
  readonly index: number;
  readonly size: number;
  readonly maxSize: number;
  readonly enabled: boolean;
  readonly vector: number;
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
  /** Next avail entry the device takes (QEMU: last-avail-idx), avail.idx as last read, used.idx as last written; all 16-bit. */
  readonly lastAvailIdx: number;
  readonly shadowAvailIdx: number;
  readonly usedIdx: number;
  readonly inUse: number;
  readonly signalledUsed: number;
  readonly signalledUsedValid: boolean;
  readonly notificationsOn: boolean;
  readonly notifications: number;
  readonly lastNotification: number;
  readonly interrupts: number;
  readonly lastInterrupt: number;
  readonly popped: number;
  readonly pushed: number;
  readonly fault: VirtqFault | undefined;
}

export class Virtqueue {
  size: number;
  enabled = false;
  desc = 0;
  driver = 0;
  device = 0;
  vector = 0xffff;
  eventIdx = false;
  indirect = false;
  fault: VirtqFault | undefined;
  notifications = 0;
  lastNotification = -1;
  interrupts = 0;
  lastInterrupt = -1;
  private lastAvail = 0;
  private shadowAvail = 0;
  private usedIdx = 0;
  /** Elements written behind usedIdx and not yet published. */
  private unpublished = 0;
  private inUse = 0;
  private signalled = 0;
  private signalledValid = false;
  private notificationsOn = true;
  private popped = 0;
  private pushed = 0;
  private readonly tpPop: TracePoint;
  private readonly tpPush: TracePoint;

  constructor(
    private readonly name: string,
    readonly index: number,
    readonly maxSize: number,
    private readonly mem: DmaPort,
    private readonly clock: { readonly now: Instant },
    scope: TraceScope,
  ) {
    this.size = maxSize;
    this.tpPop = scope.point(VirtqPop);
    this.tpPush = scope.point(VirtqPush);
  }

  /** virtio-v1.2 §2.4, §2.6.1: back to the state after reset. */
  reset(): void {
    this.size = this.maxSize;
    this.enabled = this.signalledValid = this.eventIdx = this.indirect = false;
    this.desc = this.driver = this.device = 0;
    this.lastAvail = this.shadowAvail = this.usedIdx = this.unpublished = this.inUse = this.signalled = 0;
    this.notificationsOn = true;
    this.fault = undefined;
  }

  /** virtio-v1.2 §4.1.4.3 queue_enable. False, with `fault` set, when the ring is no place to work. */
  enable(): boolean {
    this.enabled = true;
    return this.checkRing();
  }

  /** virtio-v1.2 §2.7: places and alignments; the driver may set queue_enable before it lets the function master the bus, so this is asked again at DRIVER_OK. */
  checkRing(): boolean {
    const parts: readonly (readonly [string, number, number, number, boolean])[] = [
      ['descriptor table', this.desc, descTableBytes(this.size), VIRTQ_ALIGN.DESC, false],
      ['avail ring', this.driver, availRingBytes(this.size), VIRTQ_ALIGN.AVAIL, false],
      ['used ring', this.device, usedRingBytes(this.size), VIRTQ_ALIGN.USED, true],
    ];
    for (const [what, address, bytes, align, write] of parts) {
      if (address % align !== 0) return this.fail('ring not aligned', -1, `${what} at 0x${address.toString(16)}`);
      const f = this.mem.check(address, bytes, write);
      if (f !== undefined) return this.fail('ring outside memory', -1, `${what}: ${describe(f)}`);
    }
    return true;
  }

  /** True when the driver has made a chain available that was not taken. Reads avail.idx when needed. */
  hasWork(): boolean {
    if (!this.enabled || this.fault !== undefined) return false;
    return this.lastAvail !== this.shadowAvail || this.readAvailIdx();
  }

  /** Takes the next chain into `chain`; false when there is none, or when the guest erred (then `fault` is set). */
  pop(chain: VirtqChain): boolean {
    if (!this.hasWork()) return false;
    const head = this.mem.u16(availAt(this.driver, this.lastAvail & (this.size - 1)));
    if (head >= this.size) return this.fail('head out of range', head, `index ${head}, queue size ${this.size}`);
    if (!this.walk(chain, head)) return false;
    this.lastAvail = (this.lastAvail + 1) & 0xffff;
    this.inUse++;
    this.popped++;
    if (this.eventIdx && this.notificationsOn) this.mem.setU16(availEventAt(this.device, this.size), this.lastAvail);
    if (this.tpPop.enabled) this.tpPop.emit(this.name, this.index, head, chain.addr[0], chain.outBytes, chain.inBytes);
    return true;
  }

  /** Gives back the last `count` popped chains as if never taken (a packet found too few buffers). */
  unpop(count: number): void {
    this.lastAvail = (this.lastAvail - count) & 0xffff;
    this.inUse -= count;
    this.popped -= count;
  }

  /** Writes a used element; the driver sees it after `publish`. */
  push(head: number, written: number): void {
    const at = usedAt(this.device, (this.usedIdx + this.unpublished) & (this.size - 1));
    VirtqUsedElem.id.set(this.mem, at, head);
    VirtqUsedElem.len.set(this.mem, at, written);
    this.unpublished++;
    this.pushed++;
    if (this.tpPush.enabled) this.tpPush.emit(this.name, this.index, head, written);
  }

  /** Moves used.idx over all pushed elements; true when the driver wants an interrupt for it (virtio-v1.2 §2.7.7). */
  publish(): boolean {
    if (this.unpublished === 0) return false;
    this.usedIdx = (this.usedIdx + this.unpublished) & 0xffff;
    this.inUse -= this.unpublished;
    this.unpublished = 0;
    VirtqUsed.idx.set(this.mem, this.device, this.usedIdx);
    if (!this.eventIdx) return (VirtqAvail.flags.get(this.mem, this.driver) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    const old = this.signalled;
    const known = this.signalledValid;
    this.signalled = this.usedIdx;
    this.signalledValid = true;
    return !known || vringNeedEvent(this.mem.u16(usedEventAt(this.driver, this.size)), this.usedIdx, old);
  }

  /** Whether the driver should ring for new buffers (virtio-v1.2 §2.7.10). After switching on, look for work once more: the bell may have been missed. */
  setNotifications(on: boolean): void {
    if (this.fault !== undefined || !this.enabled || (!on && !this.notificationsOn)) return;
    this.notificationsOn = on;
    if (!this.eventIdx) VirtqUsed.flags.set(this.mem, this.device, on ? 0 : VIRTQ_USED_F_NO_NOTIFY);
    else if (on) this.mem.setU16(availEventAt(this.device, this.size), VirtqAvail.idx.get(this.mem, this.driver));
  }

  /** Stops the queue because the guest broke a rule. Returns false, for callers that give up with it. */
  fail(kind: VirtqFaultKind, head: number, detail: string): false {
    this.fault ??= virtqFault(this.clock.now, this.index, kind, head, detail);
    return false;
  }

  state(): VirtqueueState {
    return {
      index: this.index,
      size: this.size,
      maxSize: this.maxSize,
      enabled: this.enabled,
      vector: this.vector,
      desc: this.desc,
      driver: this.driver,
      device: this.device,
      lastAvailIdx: this.lastAvail,
      shadowAvailIdx: this.shadowAvail,
      usedIdx: this.usedIdx,
      inUse: this.inUse,
      signalledUsed: this.signalled,
      signalledUsedValid: this.signalledValid,
      notificationsOn: this.notificationsOn,
      notifications: this.notifications,
      lastNotification: this.lastNotification,
      interrupts: this.interrupts,
      lastInterrupt: this.lastInterrupt,
      popped: this.popped,
      pushed: this.pushed,
      fault: this.fault,
    };
  }

  private readAvailIdx(): boolean {
    // a function whose bus mastering was switched off sees no memory
    const f = this.mem.check(this.driver, VirtqAvail.$size, false);
    if (f !== undefined) return this.fail('ring outside memory', -1, `avail ring: ${describe(f)}`);
    const idx = VirtqAvail.idx.get(this.mem, this.driver);
    const moved = (idx - this.lastAvail) & 0xffff;
    if (moved > this.size) return this.fail('avail idx jump', -1, `from ${this.lastAvail} to ${idx}, queue size ${this.size}`);
    this.shadowAvail = idx;
    return moved !== 0;
  }

  private walk(chain: VirtqChain, head: number): boolean {
    const { mem } = this;
    let table = this.desc;
    let entries = this.size;
    let limit = this.size;
    let inTable = false;
    let i = head;
    let steps = 0;
    let n = 0;
    chain.head = head;
    chain.out = chain.in = chain.outBytes = chain.inBytes = 0;
    for (;;) {
      const at = descAt(table, i);
      const len = VirtqDesc.len.get(mem, at);
      const flags = VirtqDesc.flags.get(mem, at);
      const addr = VirtqDesc.addr.get(mem, at);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0) {
        if (!this.indirect) return this.fail('indirect not negotiated', head, `descriptor ${i}`);
        if (inTable) return this.fail('indirect within indirect', head, `entry ${i}`);
        if ((flags & VIRTQ_DESC_F.NEXT) !== 0) return this.fail('indirect with next', head, `descriptor ${i}`);
        if (len === 0 || len % VirtqDesc.$size !== 0) return this.fail('indirect size', head, `${len} bytes`);
        const f = mem.check(addr, len, false);
        if (f !== undefined) return this.fail('outside memory', head, `indirect table: ${describe(f)}`);
        inTable = true;
        table = addr;
        entries = len / VirtqDesc.$size;
        limit = VIRTQUEUE_MAX;
        i = 0;
        steps = 0;
        continue;
      }
      if (len === 0) return this.fail('zero length', head, `descriptor ${i}`);
      const write = (flags & VIRTQ_DESC_F.WRITE) !== 0;
      if (!write && chain.in > 0) return this.fail('write before read', head, `descriptor ${i}`);
      const f = mem.check(addr, len, write);
      if (f !== undefined) return this.fail('outside memory', head, `descriptor ${i}: ${describe(f)}`);
      if (n === limit || n === VIRTQUEUE_MAX) return this.fail('chain too long', head, `more than ${n} buffers`);
      chain.addr[n] = addr;
      chain.len[n++] = len;
      if (write) {
        chain.in++;
        chain.inBytes += len;
      } else {
        chain.out++;
        chain.outBytes += len;
      }
      if ((flags & VIRTQ_DESC_F.NEXT) === 0) return true;
      i = VirtqDesc.next.get(mem, at);
      if (i >= entries) return this.fail('next out of range', head, `index ${i}, table of ${entries}`);
      if (++steps >= entries) return this.fail('loop', head, `at descriptor ${i}`);
    }
  }
}

const describe = (f: DmaFault): string => `${f.length} bytes at 0x${f.address.toString(16)}: ${f.reason}`;
