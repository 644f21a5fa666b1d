// Device side of a virtqueue, whatever its format: takes chains, gives back used buffers, keeps notifications quiet both ways.
import type { Instant } from '../base/units.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
import { F } from '../virtio/features.ts';
import { VirtqPop, VirtqPush } from './trace.ts';
import { dmaFaultText, type VirtqFault, virtqFault, type VirtqFaultKind } from './virtq_fault.ts';
import { ops } from '../base/ops.ts';
import { PackedRing } from './virtqueue_packed.ts';
import { SplitRing } from './virtqueue_split.ts';

/** QEMU: VIRTQUEUE_MAX_SIZE, the largest queue, and the most buffers of one chain with an indirect table. */
export const VIRTQUEUE_MAX = 1024;

/** A popped chain: device-readable buffers first, then device-writable ones. Reusable; valid until the next pop into it. */
export class VirtqChain {
  /** What `push` wants back: head of the chain in a split ring, buffer ID in a packed one. */
  head = 0;
  /** Buffers [0, out) are readable, [out, out + in) writable. */
  out = 0;
  in = 0;
  outBytes = 0;
  inBytes = 0;
  readonly addr = new Float64Array(VIRTQUEUE_MAX);
  readonly len = new Uint32Array(VIRTQUEUE_MAX);
}

/** What a ring format is to its queue. Positions are in its own terms; `Virtqueue` has checked that the queue is enabled and sound. */
export interface VirtqRing {
  /** Each part with its address, bytes, alignment and whether the device writes it. */
  parts(): readonly RingPart[];
  hasWork(): boolean;
  /** Takes the next chain, which there is; false when the guest erred. */
  take(chain: VirtqChain): boolean;
  untake(count: number): void;
  /** `id` is what the used element says, `head` what was taken; they differ only when the device is made to err. */
  push(head: number, written: number, id: number): void;
  publish(): boolean;
  setNotifications(on: boolean): void;
  readonly positions: RingPositions;
}

export type RingPart = readonly [what: string, address: number, bytes: number, align: number, write: boolean];

/** Where a device stands in its ring, in QEMU's words; a split ring's are 16-bit counters, a packed ring's are positions with a wrap counter. */
export interface RingPositions {
  readonly lastAvailIdx: number;
  readonly shadowAvailIdx: number;
  readonly usedIdx: number;
  /** 0 or 1; a split ring has none and says 0. */
  readonly availWrap: number;
  readonly usedWrap: number;
  /** Chains (split) or descriptors (packed) taken and not given back. */
  readonly inUse: number;
  readonly signalledUsed: number;
  readonly signalledUsedValid: boolean;
  readonly notificationsOn: boolean;
}

/** A queue as views show it; reading it changes nothing. */
export interface VirtqueueState extends RingPositions {
  readonly index: number;
  readonly packed: boolean;
  readonly size: number;
  readonly maxSize: number;
  readonly enabled: boolean;
  readonly vector: number;
  /** Descriptor area, driver area, device area (virtio-v1.2 §2.6). */
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
  readonly notifications: number;
  readonly lastNotification: number;
  readonly notificationData: number;
  readonly interrupts: number;
  readonly lastInterrupt: number;
  readonly popped: number;
  readonly pushed: number;
  readonly fault: VirtqFault | undefined;
}

/** The two formats; a quirk of a device (engine/devices/quirks) has others. */
export interface RingFormats {
  readonly split: new (q: Virtqueue) => VirtqRing;
  readonly packed: new (q: Virtqueue) => VirtqRing;
}
export const RING_FORMATS: RingFormats = ops({ split: SplitRing, packed: PackedRing });

export class Virtqueue {
  size: number;
  enabled = false;
  desc = 0;
  driver = 0;
  device = 0;
  vector = 0xffff;
  /** What was negotiated; set before the queue is enabled. */
  packed = false;
  eventIdx = false;
  indirect = false;
  inOrder = false;
  fault: VirtqFault | undefined;
  notifications = 0;
  lastNotification = -1;
  /** What the last doorbell carried with NOTIFICATION_DATA (virtio-v1.2 §2.9); -1 when none did. */
  notificationData = -1;
  interrupts = 0;
  lastInterrupt = -1;
  private popped = 0;
  private pushed = 0;
  private ring: VirtqRing = new SplitRing(this);
  private readonly tpPop: TracePoint;
  private readonly tpPush: TracePoint;

  constructor(
    private readonly name: string,
    readonly index: number,
    readonly maxSize: number,
    readonly mem: DmaPort,
    private readonly clock: { readonly now: Instant },
    scope: TraceScope,
    private readonly formats: RingFormats = RING_FORMATS,
  ) {
    this.size = maxSize;
    this.tpPop = scope.point(VirtqPop);
    this.tpPush = scope.point(VirtqPush);
  }

  /** virtio-v1.2 §2.4, §2.6.1: back to the state after reset. */
  reset(): void {
    this.size = this.maxSize;
    this.enabled = this.packed = this.eventIdx = this.indirect = this.inOrder = false;
    this.desc = this.driver = this.device = 0;
    this.fault = undefined;
    this.notificationData = -1;
    this.ring = new SplitRing(this);
  }

  /** The ring format and rules that the driver accepted; before the queue is enabled. */
  configure(features: bigint): void {
    this.packed = (features & F.VIRTIO_F_RING_PACKED) !== 0n;
    this.eventIdx = (features & F.VIRTIO_F_RING_EVENT_IDX) !== 0n;
    this.indirect = (features & F.VIRTIO_F_RING_INDIRECT_DESC) !== 0n;
    this.inOrder = (features & F.VIRTIO_F_IN_ORDER) !== 0n;
  }

  /** The driver chose a size (virtio-v1.2 §4.1.4.3.2): not above what was offered, and a power of two unless the ring is packed. */
  resize(size: number, features: bigint): void {
    const whole = (features & F.VIRTIO_F_RING_PACKED) !== 0n || (size & (size - 1)) === 0;
    if (!this.enabled && size > 0 && size <= this.maxSize && whole) this.size = size;
  }

  /** virtio-v1.2 §4.1.4.3 queue_enable. False, with `fault` set, when the ring is no place to work. */
  enable(): boolean {
    this.enabled = true;
    this.ring = this.packed ? new this.formats.packed(this) : new this.formats.split(this);
    return this.checkRing();
  }

  /** virtio-v1.2 §2.7, §2.8.10.1: places and alignments; the driver may set queue_enable before it lets the function master the bus, so this is asked again at DRIVER_OK. */
  checkRing(): boolean {
    for (const [what, address, bytes, align, write] of this.ring.parts()) {
      if (address % align !== 0) return this.fail('ring not aligned', -1, `${what} at 0x${address.toString(16)}`);
      const f = this.mem.check(address, bytes, write);
      if (f !== undefined) return this.fail('ring outside memory', -1, `${what}: ${dmaFaultText(f)}`);
    }
    return true;
  }

  /** True when the driver has made a chain available that was not taken. Reads the ring when needed. */
  hasWork(): boolean {
    if (this.mem.faults?.holds('stuck-queue', this.index, `q${this.index}`) === true) return false;
    return this.enabled && this.fault === undefined && this.ring.hasWork();
  }

  /** Takes the next chain into `chain`; false when there is none, or when the guest erred (then `fault` is set). */
  pop(chain: VirtqChain): boolean {
    if (!this.hasWork()) return false;
    chain.out = chain.in = chain.outBytes = chain.inBytes = 0;
    if (!this.ring.take(chain)) return false;
    this.popped++;
    if (this.tpPop.enabled) this.tpPop.emit(this.name, this.index, chain.head, chain.addr[0], chain.outBytes, chain.inBytes);
    return true;
  }

  /** Gives back the last `count` popped chains as if never taken (a packet found too few buffers). */
  unpop(count: number): void {
    this.ring.untake(count);
    this.popped -= count;
  }

  /** Gives a chain back with the bytes written to it; the driver sees it after `publish`. */
  push(head: number, written: number): void {
    const { faults } = this.mem;
    if (faults === undefined) this.ring.push(head, written, head);
    else {
      const id = faults.strike('wrong-used-id', this.index, `q${this.index} head ${head}`);
      const length = faults.strike('wrong-used-length', this.index, `q${this.index} head ${head}`);
      this.ring.push(head, length?.on.value ?? written, id?.on.value ?? head);
    }
    this.pushed++;
    if (this.tpPush.enabled) this.tpPush.emit(this.name, this.index, head, written);
  }

  /** Shows the driver all pushed chains; true when it wants an interrupt for them (virtio-v1.2 §2.7.7, §2.8.10). */
  publish(): boolean {
    if (this.mem.faults?.strike('stale-used-index', this.index, `q${this.index}`) !== undefined) return false;
    return this.ring.publish();
  }

  /** Whether the driver should ring for new buffers (virtio-v1.2 §2.7.10, §2.8.10). After switching on, look for work once more: the bell may have been missed. */
  setNotifications(on: boolean): void {
    if (this.fault === undefined && this.enabled) this.ring.setNotifications(on);
  }

  /** Stops the queue because the guest broke a rule. Returns false, for callers that give up with it. */
  fail(kind: VirtqFaultKind, head: number, detail: string): false {
    this.fault ??= virtqFault({ time: this.clock.now, queue: this.index, packed: this.packed }, kind, head, detail);
    return false;
  }

  /** Adds a buffer to the chain that is being taken; false when no device may use it so. `index` names its descriptor. */
  accept(chain: VirtqChain, head: number, addr: number, len: number, write: boolean, index: number): boolean {
    if (len === 0) return this.fail('zero length', head, `descriptor ${index}`);
    if (!write && chain.in > 0) return this.fail('write before read', head, `descriptor ${index}`);
    const f = this.mem.check(addr, len, write);
    if (f !== undefined) return this.fail('outside memory', head, `descriptor ${index}: ${dmaFaultText(f)}`);
    const n = chain.out + chain.in;
    chain.addr[n] = addr;
    chain.len[n] = len;
    if (write) {
      chain.in++;
      chain.inBytes += len;
    } else {
      chain.out++;
      chain.outBytes += len;
    }
    return true;
  }

  /** Whether a descriptor may point to a table here: negotiated, of whole entries, in memory. */
  acceptTable(head: number, index: number, addr: number, len: number): boolean {
    if (!this.indirect) return this.fail('indirect not negotiated', head, `descriptor ${index}`);
    if (len === 0 || len % 16 !== 0) return this.fail('indirect size', head, `${len} bytes`);
    const f = this.mem.check(addr, len, false);
    return f === undefined || this.fail('outside memory', head, `indirect table: ${dmaFaultText(f)}`);
  }

  state(): VirtqueueState {
    return {
      index: this.index,
      packed: this.packed,
      size: this.size,
      maxSize: this.maxSize,
      enabled: this.enabled,
      vector: this.vector,
      desc: this.desc,
      driver: this.driver,
      device: this.device,
      ...this.ring.positions,
      notifications: this.notifications,
      lastNotification: this.lastNotification,
      notificationData: this.notificationData,
      interrupts: this.interrupts,
      lastInterrupt: this.lastInterrupt,
      popped: this.popped,
      pushed: this.pushed,
      fault: this.fault,
    };
  }
}
