// Transmit side of the 82574L: legacy, context and data descriptors, checksums, segmentation, VLAN tags, write-back.
import type { Instant } from '../../base/units.ts';
import {
  E1000_DESC_SIZE,
  TXD_CMD,
  TXD_CMD_IC,
  TXD_DTYP_DATA,
  TXD_LENGTH_MASK,
  TXD_POPTS,
  TXD_STAT_DD,
  TxDescData,
  TxDescLegacy,
} from '../../pci/e1000e_desc.ts';
import { CTRL, DELAY_UNIT, E1000, E1000_QUEUE_STRIDE, ICR, TCTL, TXDCTL } from '../../pci/e1000e_regs.ts';
import type { Actor, SimEvent } from '../../sim/sim.ts';
import type { TracePoint, TraceScope } from '../../trace/trace.ts';
import { allocFrame } from '../frame_alloc.ts';
import { txQueueNumber } from '../injected.ts';
import { type E1000eContext, type E1000eDrop as DropReason, FCS_LENGTH, MIN_FRAME, sizeClass } from './context.ts';
import { isBroadcast } from './filter.ts';
import { E1000eDrop, E1000eTx } from './trace.ts';
import { pauseFrame, pauseTime } from './pause.ts';
import { insertChecksum, segmentPacket, TxContext } from './tx_offload.ts';

export const TX_QUEUES = 2;
/** A packet, segmentation included, takes no more than this. */
const MAX_PACKET = 0x40000;

const OP_SEND = 0;
/** The delay for write-backs that wait for others (TIDV) is over. */
const OP_FLUSH = 1;

/** One engine serves both queues in turn, a packet per event, and is busy until the wire took it. */
export class E1000eTransmitter implements Actor {
  private readonly contexts: TxContext[] = [];
  private active = 0;
  private last = 0;
  private scheduled = false;
  private busyUntil = 0;
  /** Until when the far end wants silence. */
  private silentUntil = 0;
  /** Per queue: the first descriptor whose write-back waits, and how many of them do (TXDCTL.WTHRESH). */
  private readonly heldFrom = new Int32Array(TX_QUEUES);
  private readonly held = new Int32Array(TX_QUEUES);
  private flushing: SimEvent | undefined;
  private readonly tpTx: TracePoint;
  private readonly tpDrop: TracePoint;

  constructor(
    private readonly nic: E1000eContext,
    scope: TraceScope,
  ) {
    this.tpTx = scope.point(E1000eTx);
    this.tpDrop = scope.point(E1000eDrop);
    for (let q = 0; q < TX_QUEUES; q++) this.contexts.push(new TxContext());
  }

  /** Software moved a tail, or turned transmission on, at `time`. */
  kick(queue: number, time: Instant): void {
    if ((this.nic.regs.get(E1000.TCTL) & TCTL.EN) === 0 || !this.hasWork(queue)) return;
    this.active |= 1 << queue;
    if (!this.scheduled) this.schedule(Math.max(time + this.nic.timing.doorbell, this.busyUntil));
  }

  reset(): void {
    this.active = 0;
    this.held.fill(0);
    this.silentUntil = 0;
    for (const c of this.contexts) c.reset();
  }

  /** Pause frames keep the transmitter still. */
  get silent(): boolean {
    return this.nic.sim.now < this.silentUntil;
  }

  /** IEEE 802.3 annex 31B: silence for so many quanta; 0 ends it. */
  pause(quanta: number, speed: number): void {
    this.silentUntil = quanta === 0 ? 0 : this.nic.sim.now + pauseTime(quanta, speed);
    if (quanta === 0 && this.active !== 0 && !this.scheduled) this.schedule(this.nic.sim.now);
  }

  /** A pause frame goes out between others, also while this side is silent. */
  sendPause(quanta: number): void {
    const { nic } = this;
    if (nic.wire === undefined || !nic.linkUp) return;
    nic.regs.count(quanta === 0 ? E1000.XONTXC : E1000.XOFFTXC);
    nic.wire.transmit(nic.port, { bytes: pauseFrame(nic.regs, quanta), id: nic.sim.newId(), skb: 0 });
  }

  /** Write-backs that wait for others are made now. */
  flush(): void {
    this.nic.sim.cancel(this.flushing);
    this.flushing = undefined;
    for (let q = 0; q < TX_QUEUES; q++) if (this.held[q] > 0) this.writeBack(q);
  }

  onEvent(op: number): void {
    if (op === OP_FLUSH) return this.flush();
    this.scheduled = false;
    if ((this.nic.regs.get(E1000.TCTL) & TCTL.EN) === 0) this.active = 0;
    if (this.active === 0) return;
    if (this.silent) return this.schedule(this.silentUntil);
    const queue = this.active === 3 ? this.last ^ 1 : this.active >> 1;
    this.last = queue;
    this.busyUntil = Math.max(this.packet(queue), this.nic.sim.now);
    if (!this.hasWork(queue)) this.active &= ~(1 << queue);
    if (this.active !== 0) this.schedule(this.busyUntil);
  }

  private schedule(time: number): void {
    this.scheduled = true;
    const { sim } = this.nic;
    sim.at(Math.ceil(Math.max(time, sim.now)) as Instant, this, OP_SEND);
  }

  private hasWork(queue: number): boolean {
    const { regs, mem } = this.nic;
    if (mem.faults?.holds('stuck-queue', txQueueNumber(queue), `tx${queue}`) === true) return false;
    const ring = E1000_QUEUE_STRIDE * queue;
    const count = regs.get(E1000.TDLEN0 + ring) / E1000_DESC_SIZE;
    const head = regs.get(E1000.TDH0 + ring);
    const tail = regs.get(E1000.TDT0 + ring);
    return head !== tail && head < count && tail < count;
  }

  /** Takes descriptors up to the end of one packet and sends it; when the engine is free again. */
  private packet(queue: number): number {
    const { nic } = this;
    const { regs, mem } = nic;
    const ring = E1000_QUEUE_STRIDE * queue;
    const context = this.contexts[queue];
    const base = regs.get(E1000.TDBAL0 + ring) + regs.get(E1000.TDBAH0 + ring) * 0x100000000;
    const count = regs.get(E1000.TDLEN0 + ring) / E1000_DESC_SIZE;
    let free: number = nic.sim.now;
    let reported = false;
    let ide = true;
    for (let ended = false; !ended && this.hasWork(queue);) {
      const head = regs.get(E1000.TDH0 + ring);
      const at = base + head * E1000_DESC_SIZE;
      if (mem.check(at, E1000_DESC_SIZE, true) !== undefined) {
        // a ring the device cannot read stops it until the next reset
        this.drop(0, 'tx_dma');
        this.active &= ~(1 << queue);
        regs.set(E1000.TDH0 + ring, regs.get(E1000.TDT0 + ring));
        break;
      }
      const word = TxDescData.cmd_and_length.get(mem, at);
      if ((word & TXD_CMD.DEXT) === 0) this.legacy(at, context);
      else if ((word & TXD_DTYP_DATA) === 0) context.load(mem, at);
      else this.data(at, word, context);
      const end = (word & TXD_CMD.EOP) !== 0 && ((word & TXD_CMD.DEXT) === 0 || (word & TXD_DTYP_DATA) !== 0);
      if (end) {
        free = this.send(queue, head, context);
        context.endPacket();
        ended = true;
      }
      if ((word & TXD_CMD.RS) !== 0) {
        if (this.holds(queue, head)) TxDescData.status.set(mem, at, TxDescData.status.get(mem, at) & ~TXD_STAT_DD);
        else if (mem.faults?.strike('stale-used-index', txQueueNumber(queue), `tx${queue} descriptor ${head}`) === undefined) {
          TxDescData.status.set(mem, at, TxDescData.status.get(mem, at) | TXD_STAT_DD);
          reported = true;
        }
        ide &&= (word & TXD_CMD.IDE) !== 0;
      }
      regs.set(E1000.TDH0 + ring, head + 1 === count ? 0 : head + 1);
    }
    const empty = this.hasWork(queue) ? 0 : ICR.TXQE;
    if (reported) nic.irq.transmitted(ICR.TXDW | (queue === 0 ? ICR.TXQ0 : ICR.TXQ1) | empty, ide);
    else if (empty !== 0) nic.irq.transmitted(empty, ide);
    return free;
  }

  /** §7.2.4.1: with a threshold the chip writes descriptors back in batches, or when TIDV is over. True when this one waits. */
  private holds(queue: number, index: number): boolean {
    const { regs, sim, intel } = this.nic;
    const control = regs.get(E1000.TXDCTL0 + E1000_QUEUE_STRIDE * queue);
    const threshold = (control >>> TXDCTL.WTHRESH_SHIFT) & TXDCTL.WTHRESH_MASK;
    if (!intel || threshold === 0) return false;
    if (this.held[queue] === 0) this.heldFrom[queue] = index;
    this.held[queue]++;
    if (this.flushing === undefined)
      this.flushing = sim.at((sim.now + Math.max(regs.get(E1000.TIDV), 1) * DELAY_UNIT) as Instant, this, OP_FLUSH);
    return this.held[queue] < threshold || !this.writeBack(queue, index);
  }

  /** Sets DD in every descriptor that asked for it, from the first that waits up to the head, or to `last`; then one interrupt. */
  private writeBack(queue: number, last = -1): boolean {
    const { regs, mem, irq } = this.nic;
    const ring = E1000_QUEUE_STRIDE * queue;
    const base = regs.get(E1000.TDBAL0 + ring) + regs.get(E1000.TDBAH0 + ring) * 0x100000000;
    const count = regs.get(E1000.TDLEN0 + ring) / E1000_DESC_SIZE;
    const end = last >= 0 ? last : regs.get(E1000.TDH0 + ring);
    for (let i = this.heldFrom[queue], left = count; i !== end && i < count && left > 0; i = i + 1 === count ? 0 : i + 1, left--) {
      const at = base + i * E1000_DESC_SIZE;
      if (mem.check(at, E1000_DESC_SIZE, true) !== undefined) break;
      if ((TxDescData.cmd_and_length.get(mem, at) & TXD_CMD.RS) === 0) continue;
      if (mem.faults?.strike('stale-used-index', txQueueNumber(queue), `tx${queue} descriptor ${i}`) !== undefined) continue;
      TxDescData.status.set(mem, at, TxDescData.status.get(mem, at) | TXD_STAT_DD);
    }
    this.held[queue] = 0;
    if (last < 0) irq.raise(ICR.TXDW | (queue === 0 ? ICR.TXQ0 : ICR.TXQ1));
    return true;
  }

  private legacy(at: number, c: TxContext): void {
    const { mem } = this.nic;
    const cmd = TxDescLegacy.cmd.get(mem, at);
    this.gather(TxDescLegacy.buffer_addr.get(mem, at), TxDescLegacy.length.get(mem, at), c);
    if ((cmd & TXD_CMD_IC) !== 0) {
      c.legacyChecksum = true;
      c.css = TxDescLegacy.css.get(mem, at);
      c.cso = TxDescLegacy.cso.get(mem, at);
    }
    if ((cmd & (TXD_CMD.VLE >>> 24)) !== 0) c.tag = TxDescLegacy.special.get(mem, at);
  }

  /** §7.2.12: the options of a packet are those of its first data descriptor. */
  private data(at: number, word: number, c: TxContext): void {
    const { mem } = this.nic;
    if (c.length === 0) {
      c.options = TxDescData.popts.get(mem, at);
      c.segment = (word & TXD_CMD.TSE) !== 0;
    }
    if ((word & TXD_CMD.VLE) !== 0) c.tag = TxDescData.special.get(mem, at);
    this.gather(TxDescData.buffer_addr.get(mem, at), word & TXD_LENGTH_MASK, c);
  }

  private gather(addr: number, length: number, c: TxContext): void {
    const { mem } = this.nic;
    if (c.length + length > MAX_PACKET || mem.check(addr, length, false) !== undefined) {
      c.bad = true;
      return;
    }
    mem.read(addr, c.room(length), c.length, length);
    c.length += length;
  }

  private send(queue: number, desc: number, c: TxContext): number {
    const { nic } = this;
    const { regs } = nic;
    const packet = c.packet();
    if (c.bad) return this.drop(packet.length, 'tx_dma');
    if (packet.length < 14) return this.drop(packet.length, 'tx_bad');
    const frames = c.segment ? segmentPacket(packet, c) : insertChecksums(packet, c);
    if (c.segment) regs.count(frames === undefined ? E1000.TSCTFC : E1000.TSCTC);
    if (frames === undefined) return this.drop(packet.length, 'tx_bad');
    let free: number = nic.sim.now;
    for (const f of frames) {
      const bytes = this.onWire(f, c);
      this.count(bytes, f.length);
      if (nic.loopback) {
        const id = nic.sim.newId();
        if (this.tpTx.enabled) this.tpTx.emit(nic.name, queue, desc, id, bytes.length);
        nic.port.receiveFrame({ bytes, id, skb: 0 });
        continue;
      }
      if (nic.wire === undefined || !nic.linkUp) {
        regs.count(E1000.TNCRS);
        free = this.drop(bytes.length, 'tx_link_down');
        continue;
      }
      const id = nic.sim.newId();
      if (this.tpTx.enabled) this.tpTx.emit(nic.name, queue, desc, id, bytes.length);
      free = nic.wire.transmit(nic.port, { bytes, id, skb: 0 });
    }
    return Math.max(free, nic.sim.now + nic.timing.frame + packet.length / nic.timing.bytesPerNs);
  }

  /** VLAN tag inserted (§7.4.2), short frames padded (TCTL.PSP). */
  private onWire(frame: Uint8Array, c: TxContext): Uint8Array {
    const { regs } = this.nic;
    const tagged = c.tag >= 0 && (regs.get(E1000.CTRL) & CTRL.VME) !== 0;
    const length = frame.length + (tagged ? 4 : 0);
    const bytes = allocFrame((regs.get(E1000.TCTL) & TCTL.PSP) !== 0 ? Math.max(length, MIN_FRAME) : length);
    if (!tagged) {
      bytes.set(frame);
      return bytes;
    }
    const type = regs.get(E1000.VET);
    bytes.set(frame.subarray(0, 12));
    bytes.set([type >> 8, type & 0xff, c.tag >> 8, c.tag & 0xff], 12);
    bytes.set(frame.subarray(12), 16);
    return bytes;
  }

  /** Octets as QEMU counts them: the packet without padding and FCS (the datasheet counts both, as on the receive side). */
  private count(b: Uint8Array, octets: number): void {
    const { regs } = this.nic;
    const wire = Math.max(b.length, MIN_FRAME) + FCS_LENGTH;
    regs.count(E1000.TPT);
    regs.count64(E1000.TOTL, octets);
    regs.count(E1000.GPTC);
    regs.count64(E1000.GOTCL, octets);
    regs.count(E1000.PTC + 4 * sizeClass(wire));
    if (isBroadcast(b)) regs.count(E1000.BPTC);
    else if ((b[0] & 1) !== 0) regs.count(E1000.MPTC);
  }

  private drop(length: number, reason: DropReason): number {
    this.nic.drops[reason]++;
    if (this.tpDrop.enabled) this.tpDrop.emit(this.nic.name, 0, length, reason);
    return this.nic.sim.now;
  }
}

/** The packet with the sums its descriptors ask for; undefined when a field lies outside it. */
function insertChecksums(packet: Uint8Array, c: TxContext): Uint8Array[] | undefined {
  if (c.legacyChecksum && !insertChecksum(packet, c.css, c.cso, 0)) return undefined;
  if ((c.options & TXD_POPTS.IXSM) !== 0 && !insertChecksum(packet, c.ipcss, c.ipcso, c.ipcse)) return undefined;
  if ((c.options & TXD_POPTS.TXSM) !== 0 && !insertChecksum(packet, c.tucss, c.tucso, c.tucse)) return undefined;
  return [packet];
}
