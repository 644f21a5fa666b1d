// A scripted virtio driver over bare RAM and registers: what conformance tests of the devices drive them with. It knows no device object.
import { ByteMem } from '../base/memory.ts';
import { gpa } from '../base/units.ts';
import type { Cpu, CpuEntries } from '../platform/cpu.ts';
import { Apic } from '../platform/apic.ts';
import { ECAM_BASE } from '../platform/bus.ts';
import { defaultCosts } from '../platform/costs.ts';
import { Platform } from '../platform/platform.ts';
import type { Sim } from '../sim/sim.ts';
import type { Trace } from '../trace/trace.ts';
import {
  MsixCap,
  MsixEntry,
  PCI_CAP_ID,
  PCI_MSIX_FLAGS,
  PciCap,
  VIRTIO_PCI_CAP,
  VirtioPciCap,
  VirtioPciNotifyCap,
} from '../pci/capabilities.ts';
import { ecamOffset, PCI_BASE_ADDRESS_0, PCI_COMMAND, PciHeader } from '../pci/config_space.ts';
import { featureHalf } from '../virtio/features.ts';
import { VirtioPciCommonCfg as C } from '../virtio/pci_cfg.ts';
import {
  availAt,
  availEventAt,
  descAt,
  usedAt,
  usedEventAt,
  VIRTQ_DESC_F,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from '../virtio/ring.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';

/** Counts interrupts per vector; stands where a kernel would. */
export class IrqLog implements CpuEntries {
  readonly vectors: number[] = [];
  do_IRQ(_cpu: Cpu, vector: number): void {
    this.vectors.push(vector);
  }
  do_softirq(cpu: Cpu): void {
    cpu.softirqPending = 0;
  }
  /** Interrupts of one vector so far. */
  count(vector: number): number {
    return this.vectors.filter((v) => v === vector).length;
  }
}

/** A board without a kernel. */
export function bareMachine(sim: Sim, trace: Trace, name: string, ramBytes = 4 << 20): { platform: Platform; irqs: IrqLog } {
  const platform = new Platform({ machine: name, ramBytes, cpus: 1, costs: defaultCosts() }, sim, trace);
  const irqs = new IrqLog();
  platform.cpus.entries = irqs;
  return { platform, irqs };
}

/** One buffer of a chain. */
export interface Buffer {
  readonly addr: number;
  readonly len: number;
  readonly write?: boolean;
}

/** A queue written by hand: `addChain`, `publish`, `kick`, `takeUsed`. */
export class ScriptedQueue {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  private nextDesc = 0;
  availIdx = 0;
  usedIdx = 0;
  constructor(
    readonly driver: ScriptedDriver,
    readonly index: number,
    readonly size: number,
  ) {
    this.desc = driver.page(size * VirtqDesc.$size);
    this.avail = driver.page(6 + 2 * size);
    this.used = driver.page(6 + 8 * size);
  }

  /** Writes one descriptor. */
  setDesc(i: number, addr: number, len: number, flags: number, next: number, table = this.desc): void {
    const at = descAt(table, i);
    const { ram } = this.driver;
    VirtqDesc.addr.set(ram, at, addr);
    VirtqDesc.len.set(ram, at, len);
    VirtqDesc.flags.set(ram, at, flags);
    VirtqDesc.next.set(ram, at, next);
  }

  /** Chains buffers in fresh descriptors and puts the head into the avail ring; the device sees it after `publish`. */
  addChain(buffers: readonly Buffer[]): number {
    const head = this.nextDesc;
    buffers.forEach((b, k) => {
      const i = (head + k) % this.size;
      const last = k === buffers.length - 1;
      this.setDesc(i, b.addr, b.len, (b.write === true ? VIRTQ_DESC_F.WRITE : 0) | (last ? 0 : VIRTQ_DESC_F.NEXT), (i + 1) % this.size);
    });
    this.nextDesc = (head + buffers.length) % this.size;
    this.offer(head);
    return head;
  }

  /** The same through an indirect table in a page of its own. */
  addIndirect(buffers: readonly Buffer[]): number {
    const table = this.driver.page(buffers.length * VirtqDesc.$size);
    buffers.forEach((b, k) => {
      const last = k === buffers.length - 1;
      this.setDesc(k, b.addr, b.len, (b.write === true ? VIRTQ_DESC_F.WRITE : 0) | (last ? 0 : VIRTQ_DESC_F.NEXT), k + 1, table);
    });
    const head = this.nextDesc;
    this.setDesc(head, table, buffers.length * VirtqDesc.$size, VIRTQ_DESC_F.INDIRECT, 0);
    this.nextDesc = (head + 1) % this.size;
    this.offer(head);
    return head;
  }

  /** Any number as a head in the avail ring. */
  offer(head: number): void {
    this.driver.ram.setU16(availAt(this.avail, this.availIdx % this.size), head);
    this.availIdx = (this.availIdx + 1) & 0xffff;
  }

  publish(): void {
    VirtqAvail.idx.set(this.driver.ram, this.avail, this.availIdx);
  }

  kick(): void {
    this.publish();
    this.driver.notify(this.index);
  }

  /** Used elements since the last call. */
  takeUsed(): { id: number; len: number }[] {
    const { ram } = this.driver;
    const out: { id: number; len: number }[] = [];
    const idx = VirtqUsed.idx.get(ram, this.used);
    for (; this.usedIdx !== idx; this.usedIdx = (this.usedIdx + 1) & 0xffff) {
      const at = usedAt(this.used, this.usedIdx % this.size);
      out.push({ id: VirtqUsedElem.id.get(ram, at), len: VirtqUsedElem.len.get(ram, at) });
    }
    return out;
  }

  get availEvent(): number {
    return this.driver.ram.u16(availEventAt(this.used, this.size));
  }
  set usedEvent(idx: number) {
    this.driver.ram.setU16(usedEventAt(this.avail, this.size), idx);
  }
}

/** Drives one virtio-pci function found in ECAM. Addresses come from its BARs and capabilities only. */
export class ScriptedDriver {
  readonly ram: ByteMem;
  readonly queues: ScriptedQueue[] = [];
  private readonly config: number;
  common = 0;
  isr = 0;
  deviceCfg = 0;
  notifyBase = 0;
  multiplier = 0;
  msixTable = 0;
  msixCap = 0;

  constructor(
    readonly platform: Platform,
    device: number,
  ) {
    this.ram = platform.ram;
    this.config = ECAM_BASE + ecamOffset(0, device, 0);
  }

  cfg(offset: number, size = 4): number {
    return this.platform.bus.read(this.config + offset, size);
  }
  setCfg(offset: number, size: number, value: number): void {
    this.platform.bus.write(this.config + offset, size, value);
  }

  /** Fresh, zeroed memory of at least `length` bytes. */
  page(length: number): number {
    const order = Math.max(0, 32 - Math.clz32((length - 1) >>> 12));
    const at = this.platform.pages.alloc_pages(order);
    if (at === 0) throw new Error('scripted driver: out of pages');
    this.platform.ram.fill(gpa(at), 0, 4096 << order);
    return at;
  }

  bar(index: number): number {
    return (this.cfg(PCI_BASE_ADDRESS_0 + 4 * index) & 0xfffffff0) >>> 0;
  }

  /** Finds the structures, turns on bus mastering and MSI-X with vector v of the table raising 0x30 + v on CPU 0. */
  probe(): void {
    const command = this.cfg(PciHeader.command.offset, 2);
    this.setCfg(PciHeader.command.offset, 2, command | PCI_COMMAND.MASTER | PCI_COMMAND.MEMORY);
    for (let at = this.cfg(PciHeader.capabilities.offset, 1); at !== 0; at = this.cfg(at + PciCap.cap_next.offset, 1)) {
      const id = this.cfg(at, 1);
      if (id === PCI_CAP_ID.MSIX) {
        this.msixCap = at;
        const table = this.cfg(at + MsixCap.table.offset);
        this.msixTable = this.bar(table & 7) + (table & ~7);
      }
      if (id !== PCI_CAP_ID.VNDR) continue;
      const where = this.bar(this.cfg(at + VirtioPciCap.bar.offset, 1)) + this.cfg(at + VirtioPciCap.offset.offset);
      const type = this.cfg(at + VirtioPciCap.cfg_type.offset, 1);
      if (type === VIRTIO_PCI_CAP.COMMON_CFG) this.common = where;
      else if (type === VIRTIO_PCI_CAP.ISR_CFG) this.isr = where;
      else if (type === VIRTIO_PCI_CAP.DEVICE_CFG) this.deviceCfg = where;
      else if (type === VIRTIO_PCI_CAP.NOTIFY_CFG) {
        this.notifyBase = where;
        this.multiplier = this.cfg(at + VirtioPciNotifyCap.notify_off_multiplier.offset);
      }
    }
    const vectors = (this.cfg(this.msixCap + MsixCap.control.offset, 2) & PCI_MSIX_FLAGS.QSIZE) + 1;
    for (let v = 0; v < vectors; v++) {
      const { address, data } = Apic.message(0, 0x30 + v);
      const entry = this.msixTable + v * MsixEntry.$size;
      this.platform.bus.write(entry + MsixEntry.addr_lo.offset, 4, address);
      this.platform.bus.write(entry + MsixEntry.data.offset, 4, data);
      this.platform.bus.write(entry + MsixEntry.vector_ctrl.offset, 4, 0);
    }
    this.setCfg(this.msixCap + MsixCap.control.offset, 2, PCI_MSIX_FLAGS.ENABLE);
  }

  read(field: { readonly offset: number; readonly size: number }, base = this.common): number {
    return this.platform.bus.read(base + field.offset, field.size);
  }
  write(field: { readonly offset: number; readonly size: number }, value: number, base = this.common): void {
    this.platform.bus.write(base + field.offset, field.size, value);
  }

  get status(): number {
    return this.read(C.device_status);
  }
  set status(value: number) {
    this.write(C.device_status, value);
  }

  offeredFeatures(): bigint {
    let word = 0n;
    for (let i = 0; i < 2; i++) {
      this.write(C.device_feature_select, i);
      word |= BigInt(this.read(C.device_feature)) << BigInt(32 * i);
    }
    return word;
  }

  /** Resets, acknowledges and asks for exactly these features; true when FEATURES_OK stuck. */
  negotiate(features: bigint): boolean {
    this.status = 0;
    this.status = S.ACKNOWLEDGE;
    this.status = S.ACKNOWLEDGE | S.DRIVER;
    for (let i = 0; i < 2; i++) {
      this.write(C.driver_feature_select, i);
      this.write(C.driver_feature, featureHalf(features, i));
    }
    this.status = S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK;
    return (this.status & S.FEATURES_OK) !== 0;
  }

  /** Sets a queue up with MSI-X vector `index + 1` and enables it. */
  setupQueue(index: number, size?: number): ScriptedQueue {
    this.write(C.queue_select, index);
    const q = new ScriptedQueue(this, index, size ?? this.read(C.queue_size));
    if (size !== undefined) this.write(C.queue_size, size);
    for (const [field, address] of [
      [C.queue_desc, q.desc],
      [C.queue_driver, q.avail],
      [C.queue_device, q.used],
    ] as const) {
      this.platform.bus.write(this.common + field.offset, 4, address);
      this.platform.bus.write(this.common + field.offset + 4, 4, 0);
    }
    this.write(C.queue_msix_vector, index + 1);
    this.write(C.queue_enable, 1);
    this.queues[index] = q;
    return q;
  }

  driverOk(): void {
    this.status = S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK | S.DRIVER_OK;
  }

  /** Rings a queue's bell where queue_notify_off says it is. */
  notify(queue: number): void {
    this.write(C.queue_select, queue);
    const off = this.read(C.queue_notify_off);
    this.platform.bus.write(this.notifyBase + off * this.multiplier, 2, queue);
  }
}
