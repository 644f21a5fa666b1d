// A packed queue written by hand over bare RAM: what conformance tests of the device drive it with. It knows no device object.
import type { ByteMem } from '../base/memory.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import { VIRTQ_DESC_F } from '../virtio/ring.ts';
import {
  availFlags,
  isUsedDesc,
  packedDescAt,
  packedRingBytes,
  RING_EVENT_FLAGS,
  VirtqEvent,
  VirtqPackedDesc,
} from '../virtio/ring_packed.ts';
import type { Buffer, ScriptedDriver } from './scripted_driver.ts';

export interface PackedPlace {
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
}

export class ScriptedPackedQueue {
  next = 0;
  wrap = 1;
  private usedAt = 0;
  private usedWrap = 1;
  private readonly slots = new Map<number, number>();

  constructor(
    readonly ram: ByteMem,
    readonly place: PackedPlace,
    readonly size: number,
  ) {}

  /** Writes descriptor `i` as it is given; `flags` with AVAIL and USED. */
  setDesc(i: number, addr: number, len: number, flags: number, id: number, ring = this.place.desc): void {
    const at = packedDescAt(ring, i);
    VirtqPackedDesc.addr.set(this.ram, at, addr);
    VirtqPackedDesc.len.set(this.ram, at, len);
    VirtqPackedDesc.id.set(this.ram, at, id);
    VirtqPackedDesc.flags.set(this.ram, at, flags);
  }

  /** One more descriptor, available; flags without AVAIL and USED. */
  offer(addr: number, len: number, flags: number, id = 0): void {
    this.setDesc(this.next, addr, len, flags | availFlags(this.wrap), id);
    this.advance();
  }

  advance(): void {
    if (++this.next < this.size) return;
    this.next = 0;
    this.wrap ^= 1;
  }

  /** A list, its head made available last. */
  addChain(buffers: readonly Buffer[], id: number): void {
    const head = this.next;
    const headWrap = this.wrap;
    buffers.forEach((b, k) => {
      const flags = (b.write === true ? VIRTQ_DESC_F.WRITE : 0) | (k < buffers.length - 1 ? VIRTQ_DESC_F.NEXT : 0);
      this.setDesc(this.next, b.addr, b.len, flags | (k === 0 ? availFlags(headWrap ^ 1) : availFlags(this.wrap)), id);
      this.advance();
    });
    const at = packedDescAt(this.place.desc, head);
    VirtqPackedDesc.flags.set(this.ram, at, (VirtqPackedDesc.flags.get(this.ram, at) & 0x7f7f) | availFlags(headWrap));
    this.slots.set(id, buffers.length);
  }

  /** Used descriptors since the last call; `skip` tells how many ring places an unknown ID covers. */
  takeUsed(skip = 1): { id: number; len: number; written: boolean }[] {
    const out: { id: number; len: number; written: boolean }[] = [];
    for (;;) {
      const at = packedDescAt(this.place.desc, this.usedAt);
      const flags = VirtqPackedDesc.flags.get(this.ram, at);
      if (!isUsedDesc(flags, this.usedWrap)) return out;
      const id = VirtqPackedDesc.id.get(this.ram, at);
      out.push({ id, len: VirtqPackedDesc.len.get(this.ram, at), written: (flags & VIRTQ_DESC_F.WRITE) !== 0 });
      this.usedAt += this.slots.get(id) ?? skip;
      if (this.usedAt < this.size) continue;
      this.usedAt -= this.size;
      this.usedWrap ^= 1;
    }
  }

  /** What the driver says about interrupts. */
  setEvent(flags: number, desc = 0): void {
    VirtqEvent.desc.set(this.ram, this.place.driver, desc);
    VirtqEvent.flags.set(this.ram, this.place.driver, flags);
  }
  /** What the device says about doorbells. */
  get deviceEvent(): { flags: number; desc: number } {
    return { flags: VirtqEvent.flags.get(this.ram, this.place.device), desc: VirtqEvent.desc.get(this.ram, this.place.device) };
  }
}

/** Sets a queue of a device up as a packed one, with MSI-X vector `index + 1`, and enables it. */
export function setupPackedQueue(driver: ScriptedDriver, index: number, size?: number): ScriptedPackedQueue {
  driver.write(C.queue_select, index);
  const entries = size ?? driver.read(C.queue_size);
  const place = {
    desc: driver.page(packedRingBytes(entries)),
    driver: driver.page(VirtqEvent.$size),
    device: driver.page(VirtqEvent.$size),
  };
  if (size !== undefined) driver.write(C.queue_size, size);
  for (const [field, address] of [
    [C.queue_desc, place.desc],
    [C.queue_driver, place.driver],
    [C.queue_device, place.device],
  ] as const) {
    driver.platform.bus.write(driver.common + field.offset, 4, address);
    driver.platform.bus.write(driver.common + field.offset + 4, 4, 0);
  }
  driver.write(C.queue_msix_vector, index + 1);
  driver.write(C.queue_enable, 1);
  const q = new ScriptedPackedQueue(driver.ram, place, entries);
  q.setEvent(RING_EVENT_FLAGS.ENABLE);
  return q;
}
