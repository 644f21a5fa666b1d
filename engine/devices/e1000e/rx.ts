// Receive side of the 82574L: filter, packet buffer, legacy and extended descriptors, checksum and hash, write-back.
import { ops } from '../../base/ops.ts';
import type { Instant } from '../../base/units.ts';
import type { Frame } from '../../link/port.ts';
import {
  E1000_DESC_SIZE,
  RXD_STAT,
  RXDEXT_ERR,
  RXDPS_HDRSP,
  RxDescLegacy,
  RxDescRead,
  RxDescSplit,
  RxDescSplitRead,
  RxDescWriteback,
} from '../../pci/e1000e_desc.ts';
import { CTRL, E1000, E1000_QUEUE_STRIDE, FCRTL_XONE, ICR, RCTL, RFCTL, RXCSUM } from '../../pci/e1000e_regs.ts';
import type { Actor } from '../../sim/sim.ts';
import type { TracePoint, TraceScope } from '../../trace/trace.ts';
import { csumBytes, csumFold } from '../../wire/checksum.ts';
import { crc32 } from '../../wire/crc32.ts';
import { IPPROTO, Ipv6Hdr } from '../../wire/headers.ts';
import { FrameLayout, parseFrame } from '../net_flow.ts';
import { verdict, writePast, writtenLength } from '../injected.ts';
import { checksumValid } from '../net_offload.ts';
import { type E1000eContext, type E1000eDrop as DropReason, FCS_LENGTH, MIN_FRAME, sizeClass } from './context.ts';
import { accepts, isBroadcast, receiveSideScaling } from './filter.ts';
import { pauseQuanta } from './pause.ts';
import type { RegisterFile } from './register_file.ts';
import { E1000eDrop, E1000eRx } from './trace.ts';

const TCP_DATA_OFFSET = 12;
const TCP_ACK = 0x10;
/** §10.2.5.1: without long packets enabled, FCS included, 4 more with a VLAN tag. */
const MAX_FRAME = 1518;
/** Scratch of one event. */
const scratch = ops({
  layout: new FrameLayout(),
  rss: { type: 0, hash: 0, queue: 0 },
  /** Sizes of a descriptor's buffers, and what was written to them. */
  sizes: new Uint32Array(4),
  written: new Uint32Array(4),
});
const SPLIT_ADDRESSES = ['buffer_addr0', 'buffer_addr1', 'buffer_addr2', 'buffer_addr3'] as const;

/** Frames wait in the packet buffer for the device's latency, and there for descriptors; what does not fit is missed. */
export class E1000eReceiver implements Actor {
  private fifo: Frame[] = [];
  private fifoBytes = 0;
  private scheduled = false;
  /** The far end was told to be silent. */
  private choked = false;
  private readonly tpRx: TracePoint;
  private readonly tpDrop: TracePoint;

  constructor(
    private readonly nic: E1000eContext,
    scope: TraceScope,
  ) {
    this.tpRx = scope.point(E1000eRx);
    this.tpDrop = scope.point(E1000eDrop);
  }

  /** Frames in the packet buffer. */
  get waiting(): number {
    return this.fifo.length;
  }

  receive(frame: Frame): void {
    const { nic } = this;
    const { regs } = nic;
    if ((regs.get(E1000.RCTL) & RCTL.EN) === 0) return this.drop(frame, 'rx_disabled');
    const length = frame.bytes.length;
    this.countAll(length);
    const f = scratch.layout;
    parseFrame(frame.bytes, f);
    if ((regs.get(E1000.RCTL) & RCTL.LPE) === 0 && length + FCS_LENGTH > MAX_FRAME + (f.vlan >= 0 ? 4 : 0)) {
      regs.count(E1000.ROC);
      return this.drop(frame, 'rx_oversize');
    }
    if (nic.intel && (regs.get(E1000.CTRL) & CTRL.RFCE) !== 0 && this.takesPause(frame.bytes)) return;
    if (!accepts(regs, frame.bytes, f.vlan)) return this.drop(frame, 'rx_filtered');
    // PBA: the receive half of the packet buffer in KB
    if (this.fifoBytes + length > (regs.get(E1000.PBA) & 0xffff) * 1024) {
      regs.count(E1000.MPC);
      this.drop(frame, 'rx_overrun');
      return nic.irq.raise(ICR.RXO);
    }
    this.fifo.push(frame);
    this.fifoBytes += length;
    this.control();
    this.schedule(nic.timing.receive);
  }

  /** §3.2.3.3: a pause frame stops the transmitter, and goes no further unless RCTL.PMCF wants it. */
  private takesPause(b: Uint8Array): boolean {
    const { nic } = this;
    const quanta = pauseQuanta(nic.regs, b);
    if (quanta === undefined) return false;
    nic.regs.count(quanta === 0 ? E1000.XONRXC : E1000.XOFFRXC);
    nic.paused(quanta);
    return (nic.regs.get(E1000.RCTL) & RCTL.PMCF) === 0;
  }

  /** §3.2.3.4: above FCRTH the far end is to stop, below FCRTL to go on. QEMU's model never asks. */
  private control(): void {
    const { regs, intel } = this.nic;
    const high = regs.get(E1000.FCRTH);
    if (!intel || high === 0 || (regs.get(E1000.CTRL) & CTRL.TFCE) === 0) return;
    const low = regs.get(E1000.FCRTL);
    if (!this.choked && this.fifoBytes >= high) {
      this.choked = true;
      this.nic.sendPause(regs.get(E1000.FCTTV));
    } else if (this.choked && this.fifoBytes <= (low & 0xfff8)) {
      this.choked = false;
      if ((low & FCRTL_XONE) !== 0) this.nic.sendPause(0);
    }
  }

  /** Software gave descriptors: frames that waited for them go on. */
  tailMoved(): void {
    if (this.fifo.length > 0) this.schedule(0);
  }

  reset(): void {
    this.fifo = [];
    this.fifoBytes = 0;
    this.choked = false;
  }

  onEvent(): void {
    this.scheduled = false;
    const { regs, irq } = this.nic;
    if ((regs.get(E1000.RCTL) & RCTL.EN) === 0) this.reset();
    let causes = 0;
    while (this.fifo.length > 0) {
      const [frame] = this.fifo;
      const queue = this.deliver(frame);
      if (queue < 0) {
        regs.count(E1000.RNBC);
        break;
      }
      this.fifo.shift();
      this.fifoBytes -= frame.bytes.length;
      causes |= (queue === 0 ? ICR.RXQ0 : ICR.RXQ1) | ICR.RXT0 | (this.lowOnDescriptors(queue) ? ICR.RXDMT0 : 0);
      if ((regs.get(E1000.RFCTL) & RFCTL.ACK_DIS) === 0 && isAcknowledgement(frame.bytes, scratch.layout)) causes |= ICR.ACK;
      if (frame.bytes.length <= regs.get(E1000.RSRPD)) causes |= ICR.SRPD;
    }
    if (causes !== 0) irq.received(causes);
    this.control();
  }

  private schedule(delay: number): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const { sim } = this.nic;
    sim.at(Math.ceil(sim.now + delay) as Instant, this, 0);
  }

  /** Writes one frame to memory; its queue, or -1 when descriptors do not suffice (then nothing was written). */
  private deliver(frame: Frame): number {
    const { nic } = this;
    const { regs } = nic;
    const f = scratch.layout;
    parseFrame(frame.bytes, f);
    receiveSideScaling(regs, frame.bytes, f, scratch.rss);
    const { queue } = scratch.rss;
    const strip = f.vlan >= 0 && (regs.get(E1000.CTRL) & CTRL.VME) !== 0;
    const data = this.asStored(frame.bytes, strip);
    const split = (regs.get(E1000.RCTL) & RCTL.DTYP_PS) !== 0;
    const whole = bufferSizes(regs, scratch.sizes);
    const header = split ? headerLength(regs, data, f, strip) : 0;
    const ring = E1000_QUEUE_STRIDE * queue;
    const count = regs.get(E1000.RDLEN0 + ring) / E1000_DESC_SIZE;
    // head and tail count 16 bytes, whatever a descriptor's size
    const step = split ? 2 : 1;
    const room = whole - (header > 0 ? scratch.sizes[0] : 0);
    const needed = room === 0 ? Infinity : Math.max(1, Math.ceil((data.length - header) / room)) * step;
    let head = regs.get(E1000.RDH0 + ring);
    if (nic.mem.faults?.holds('stuck-queue', 2 * queue, `rx${queue}`) === true) return -1;
    if (count === 0 || head >= count || free(head, regs.get(E1000.RDT0 + ring), count) < needed) return -1;
    const base = regs.get(E1000.RDBAL0 + ring) + regs.get(E1000.RDBAH0 + ring) * 0x100000000;
    const status = this.status(frame.bytes, f, strip);
    const tag = strip ? (frame.bytes[14] << 8) | frame.bytes[15] : 0;
    if (this.tpRx.enabled) this.announce(frame, queue, base, head, data.length);
    for (let done = 0; done < data.length;) {
      const at = base + head * E1000_DESC_SIZE;
      if (nic.mem.check(at, step * E1000_DESC_SIZE, true) !== undefined) return this.fault(frame, queue);
      const from = done;
      done = this.fill(at, data, done, header, split);
      if (done < 0) return this.fault(frame, queue);
      const last = done >= data.length;
      const word = RXD_STAT.DD | (last ? RXD_STAT.EOP | status : 0);
      if (nic.mem.faults !== undefined) scratch.written[0] = writtenLength(nic.mem, 2 * queue, scratch.written[0]);
      if (nic.mem.faults?.strike('stale-used-index', 2 * queue, `rx${queue} descriptor ${head}`) !== undefined) {
        head = (head + step) % count;
        regs.set(E1000.RDH0 + ring, head);
        continue;
      }
      if (split) this.writeBackSplit(at, word, tag, frame.bytes, from === 0 ? header : 0);
      else this.writeBack(at, scratch.written[0], word, tag, frame.bytes);
      head = (head + step) % count;
      regs.set(E1000.RDH0 + ring, head);
    }
    this.countGood(frame.bytes);
    return queue;
  }

  private announce(frame: Frame, queue: number, base: number, head: number, length: number): void {
    const at = base + head * E1000_DESC_SIZE;
    const { mem, name } = this.nic;
    if (mem.check(at, E1000_DESC_SIZE, true) === undefined)
      this.tpRx.emit(name, queue, head, RxDescRead.buffer_addr.get(mem, at), frame.id, length);
  }

  /** Fills the buffers of one descriptor from `done` on; how far it came, -1 on an address outside memory. */
  private fill(at: number, data: Uint8Array, done: number, header: number, split: boolean): number {
    const { mem } = this.nic;
    const { sizes, written } = scratch;
    written.fill(0);
    // §7.1.6.3: headers alone in the first buffer; behind them, and in further descriptors, it stays empty
    const alone = split && header > 0;
    for (let i = 0; i < (split ? sizes.length : 1) && done < data.length; i++) {
      if (sizes[i] === 0 || (alone && i === 0 && done > 0)) continue;
      const addr = split ? RxDescSplitRead[SPLIT_ADDRESSES[i]].get(mem, at) : RxDescRead.buffer_addr.get(mem, at);
      const n = Math.min(alone && i === 0 ? header : sizes[i], data.length - done);
      // a null address is a descriptor without a buffer: it is used up, nothing is written
      if (addr !== 0) {
        if (mem.check(addr, n, true) !== undefined) return -1;
        mem.write(addr, data, done, n);
        if (mem.faults !== undefined) writePast(mem, 2 * scratch.rss.queue, addr + sizes[i]);
      }
      written[i] = n;
      done += n;
    }
    return done;
  }

  /** Padded to the wire's minimum, without its VLAN tag when that is stripped, with FCS unless that is. */
  private asStored(bytes: Uint8Array, strip: boolean): Uint8Array {
    const keepFcs = (this.nic.regs.get(E1000.RCTL) & RCTL.SECRC) === 0;
    const padded = bytes.length < MIN_FRAME;
    if (!keepFcs && !padded && !strip) return bytes;
    const whole = new Uint8Array(Math.max(bytes.length, MIN_FRAME) + (keepFcs ? FCS_LENGTH : 0));
    whole.set(bytes);
    if (keepFcs) new DataView(whole.buffer).setUint32(whole.length - FCS_LENGTH, crc32(whole.subarray(0, whole.length - FCS_LENGTH)), true);
    if (!strip) return whole;
    const out = new Uint8Array(whole.length - 4);
    out.set(whole.subarray(0, 12));
    out.set(whole.subarray(16), 12);
    return out;
  }

  /** Status bits and errors of the last descriptor (§7.1.5.2): which sums were verified, and how that went. */
  private status(b: Uint8Array, f: FrameLayout, strip: boolean): number {
    const rxcsum = this.nic.regs.get(E1000.RXCSUM);
    let status = strip ? RXD_STAT.VP : 0;
    if (f.ip === 4 && (rxcsum & RXCSUM.IPOFL) !== 0) {
      const header = (b[f.l3] & 15) * 4;
      status |= RXD_STAT.IPCS | (csumFold(csumBytes(b, f.l3, header)) === 0 ? 0 : RXDEXT_ERR.IPE);
    }
    const udpWithout = f.protocol === IPPROTO.UDP && f.l4 !== 0 && b[f.l4 + 6] === 0 && b[f.l4 + 7] === 0;
    if (f.l4 !== 0 && (rxcsum & RXCSUM.TUOFL) !== 0 && !udpWithout && (f.protocol === IPPROTO.TCP || f.protocol === IPPROTO.UDP)) {
      status |=
        RXD_STAT.TCPCS |
        (f.protocol === IPPROTO.UDP ? RXD_STAT.UDPCS : 0) |
        (verdict(this.nic.mem, 2 * scratch.rss.queue, checksumValid(b, f)) ? 0 : RXDEXT_ERR.TCPE);
    }
    if ((status & (RXD_STAT.IPCS | RXD_STAT.TCPCS)) === 0) status |= RXD_STAT.IXSM;
    return status;
  }

  private writeBack(at: number, length: number, status: number, tag: number, bytes: Uint8Array): void {
    const { mem, regs } = this.nic;
    if ((regs.get(E1000.RFCTL) & RFCTL.EXTEN) === 0) {
      RxDescLegacy.length.set(mem, at, length);
      RxDescLegacy.csum.set(mem, at, packetChecksum(bytes, regs.get(E1000.RXCSUM) & 0xff));
      RxDescLegacy.errors.set(mem, at, status >>> 24);
      RxDescLegacy.special.set(mem, at, tag);
      RxDescLegacy.status.set(mem, at, status & 0xff);
      return;
    }
    const rss = (regs.get(E1000.RXCSUM) & RXCSUM.PCSD) !== 0;
    RxDescWriteback.mrq.set(mem, at, rss ? scratch.rss.type | (scratch.rss.queue << 8) : 0);
    RxDescWriteback.rss.set(mem, at, rss ? scratch.rss.hash : packetChecksum(bytes, regs.get(E1000.RXCSUM) & 0xff) * 0x10000);
    RxDescWriteback.length.set(mem, at, length);
    RxDescWriteback.vlan.set(mem, at, tag);
    RxDescWriteback.status_error.set(mem, at, status >>> 0);
  }

  private writeBackSplit(at: number, status: number, tag: number, bytes: Uint8Array, header: number): void {
    const { mem, regs } = this.nic;
    const rss = (regs.get(E1000.RXCSUM) & RXCSUM.PCSD) !== 0;
    const { written } = scratch;
    RxDescSplit.mrq.set(mem, at, rss ? scratch.rss.type | (scratch.rss.queue << 8) : 0);
    RxDescSplit.rss.set(mem, at, rss ? scratch.rss.hash : packetChecksum(bytes, regs.get(E1000.RXCSUM) & 0xff) * 0x10000);
    RxDescSplit.length0.set(mem, at, written[0]);
    RxDescSplit.vlan.set(mem, at, tag);
    RxDescSplit.header_status.set(mem, at, header > 0 ? header | RXDPS_HDRSP : 0);
    RxDescSplit.length1.set(mem, at, written[1]);
    RxDescSplit.length2.set(mem, at, written[2]);
    RxDescSplit.length3.set(mem, at, written[3]);
    RxDescSplit.reserved.set(mem, at, 0);
    RxDescSplit.status_error.set(mem, at, status >>> 0);
  }

  /** §10.2.5.1 RDMTS: a half, a quarter or an eighth of the ring is left. */
  private lowOnDescriptors(queue: number): boolean {
    const { regs } = this.nic;
    const ring = E1000_QUEUE_STRIDE * queue;
    const count = regs.get(E1000.RDLEN0 + ring) / E1000_DESC_SIZE;
    return (
      free(regs.get(E1000.RDH0 + ring), regs.get(E1000.RDT0 + ring), count) <=
      count >> (1 + ((regs.get(E1000.RCTL) >>> RCTL.RDMTS_SHIFT) & 3))
    );
  }

  private fault(frame: Frame, queue: number): number {
    this.drop(frame, 'rx_dma');
    return queue;
  }

  private countAll(length: number): void {
    const { regs } = this.nic;
    regs.count(E1000.TPR);
    regs.count64(E1000.TORL, Math.max(length, MIN_FRAME) + FCS_LENGTH);
  }

  private countGood(b: Uint8Array): void {
    const { regs } = this.nic;
    const wire = Math.max(b.length, MIN_FRAME) + FCS_LENGTH;
    regs.count(E1000.GPRC);
    regs.count64(E1000.GORCL, wire);
    regs.count(E1000.PRC + 4 * sizeClass(wire));
    if (isBroadcast(b)) regs.count(E1000.BPRC);
    else if ((b[0] & 1) !== 0) regs.count(E1000.MPRC);
  }

  private drop(frame: Frame, reason: DropReason): void {
    this.nic.drops[reason]++;
    if (this.tpDrop.enabled) this.tpDrop.emit(this.nic.name, frame.id, frame.bytes.length, reason);
  }
}

/** Descriptors the device may use: head up to tail, tail excluded (§7.1.9). */
const free = (head: number, tail: number, count: number): number => (tail >= head ? tail - head : tail + count - head);

/** §10.2.5.1 BSIZE and BSEX. */
export const bufferSize = (rctl: number): number => (2048 >> ((rctl >>> RCTL.BSIZE_SHIFT) & 3)) * ((rctl & RCTL.BSEX) !== 0 ? 16 : 1);

/** Sizes of the buffers of one descriptor, and their sum: one of RCTL's size, or with packet split the four of PSRCTL (§10.2.5.8). */
function bufferSizes(regs: RegisterFile, into: Uint32Array): number {
  const rctl = regs.get(E1000.RCTL);
  into.fill(0);
  if ((rctl & RCTL.DTYP_PS) === 0) return (into[0] = bufferSize(rctl));
  const p = regs.get(E1000.PSRCTL);
  into[0] = (p & 0x7f) * 128;
  for (let i = 1; i < 4; i++) into[i] = ((p >>> (8 * i)) & 0x3f) * 1024;
  return into[0] + into[1] + into[2] + into[3];
}

/** §7.1.6.3: bytes of the headers of an IP packet, up to its payload; 0 when it cannot be split, or they do not fit the first buffer. */
function headerLength(regs: RegisterFile, data: Uint8Array, f: FrameLayout, stripped: boolean): number {
  if (f.ip === 0) return 0;
  const l3 = f.ip === 4 ? (data[f.l3 - (stripped ? 4 : 0)] & 15) * 4 : Ipv6Hdr.$size;
  if (f.l4 === 0 && (regs.get(E1000.RFCTL) & RFCTL.IPFRSP_DIS) !== 0) return 0;
  const start = (f.l4 === 0 ? f.l3 + l3 : f.l4) - (stripped ? 4 : 0);
  const transport =
    f.l4 === 0 ? 0 : f.protocol === IPPROTO.TCP ? (data[start + TCP_DATA_OFFSET] >> 4) * 4 : f.protocol === IPPROTO.UDP ? 8 : 0;
  const length = start + transport;
  return length > scratch.sizes[0] || length > data.length ? 0 : length;
}

/** A TCP segment with ACK and without payload. */
function isAcknowledgement(b: Uint8Array, f: FrameLayout): boolean {
  if (f.l4 === 0 || f.protocol !== IPPROTO.TCP || f.l4Length < 20) return false;
  return (b[f.l4 + TCP_DATA_OFFSET + 1] & TCP_ACK) !== 0 && (b[f.l4 + TCP_DATA_OFFSET] >> 4) * 4 === f.l4Length;
}

/** §10.2.5.15 PCSS: the sum over the packet from a start byte on. */
const packetChecksum = (b: Uint8Array, start: number): number =>
  start < b.length ? ~csumFold(csumBytes(b, start, b.length - start)) & 0xffff : 0;
