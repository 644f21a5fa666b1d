// Receive side of virtio-net: filter, steering, mergeable buffers, checksum verification.
import { ByteMem } from '../base/memory.ts';
import { ops } from '../base/ops.ts';
import type { Instant } from '../base/units.ts';
import type { Frame, FrameOffload } from '../link/port.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { Actor } from '../sim/sim.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
import { rxQueue, VIRTIO_NET_HDR_F, VirtioNetHdr, VirtioNetHdrHash } from '../virtio/net.ts';
import type { NicContext, NicCounter } from './net_context.ts';
import { flowHash, FrameLayout, parseFrame } from './net_flow.ts';
import { verdict, writePast } from './injected.ts';
import { checksumValid, finish } from './net_offload.ts';
import { NicDrop, NicRx } from './trace.ts';
import { breakQueue } from './virtio_device.ts';
import { VirtqChain, VIRTQUEUE_MAX, type Virtqueue } from './virtqueue.ts';

/** The longest header. */
const HDR_MAX = VirtioNetHdr.$size + VirtioNetHdrHash.$size;
/** Frames the device holds before it drops (Linux: a tap's tx_queue_len). */
const FIFO_FRAMES = 1000;
/** Scratch of one event. */
const scratch = ops({
  chain: new VirtqChain(),
  hdr: new ByteMem(new Uint8Array(HDR_MAX)),
  layout: new FrameLayout(),
  heads: new Uint16Array(VIRTQUEUE_MAX),
  lengths: new Uint32Array(VIRTQUEUE_MAX),
});

/** Frames wait in a FIFO for the device's latency, then are written out together: one used.idx update and at most one interrupt per queue. */
export class NetRx implements Actor {
  private fifo: Frame[] = [];
  private scheduled = false;
  private busyUntil = 0;
  /** Frames written per pair in this event. */
  private readonly touched: Uint16Array;
  private readonly tpRx: TracePoint;
  private readonly tpDrop: TracePoint;

  constructor(
    private readonly nic: NicContext,
    private readonly mem: DmaPort,
    scope: TraceScope,
  ) {
    this.touched = new Uint16Array(nic.maxPairs);
    this.tpRx = scope.point(NicRx);
    this.tpDrop = scope.point(NicDrop);
  }

  receive(frame: Frame): void {
    const { nic } = this;
    if (!nic.transport.running) return this.drop(-1, frame, 'rx_not_ready');
    if (frame.offload !== undefined && !nic.takesOffload(frame.offload)) return this.receiveFinished(frame, frame.offload);
    if (this.fifo.length >= FIFO_FRAMES) return this.drop(-1, frame, 'rx_overrun');
    this.fifo.push(frame);
    if (this.scheduled) return;
    this.scheduled = true;
    nic.sim.at(Math.ceil(Math.max(nic.sim.now + nic.timing.receive, this.busyUntil)) as Instant, this, 0);
  }

  /** The driver switched its offloads off while the packet was on the wire. */
  private receiveFinished({ bytes, id, skb }: Frame, offload: FrameOffload): void {
    const frames = finish(bytes, offload);
    if (typeof frames === 'string') this.drop(-1, { bytes, id, skb }, 'rx_filtered');
    else for (const whole of frames) this.receive({ bytes: whole, id, skb });
  }

  reset(): void {
    this.fifo = [];
  }

  onEvent(): void {
    this.scheduled = false;
    const { nic } = this;
    const frames = this.fifo;
    this.fifo = [];
    let cost = 0;
    for (const frame of frames) {
      if (!nic.transport.running) this.drop(-1, frame, 'rx_not_ready');
      else {
        const pair = this.deliver(frame);
        if (pair >= 0) this.touched[pair]++;
      }
      cost += nic.timing.frame + frame.bytes.length / nic.timing.bytesPerNs;
    }
    this.busyUntil = nic.sim.now + cost;
    for (let pair = 0; pair < this.touched.length; pair++) {
      if (this.touched[pair] === 0) continue;
      nic.coalescing.complete(nic.transport, nic.transport.queues[rxQueue(pair)], this.touched[pair]);
      this.touched[pair] = 0;
    }
  }

  /** Writes one frame to the driver; the queue pair it used, or -1. */
  private deliver(frame: Frame): number {
    const { nic } = this;
    const { bytes } = frame;
    const f = scratch.layout;
    parseFrame(bytes, f);
    if (!nic.filter.accepts(bytes, f.vlan)) {
      this.drop(-1, frame, 'rx_filtered');
      return -1;
    }
    const { rss } = nic;
    if (rss.hashing) rss.hash(bytes);
    const pair = rss.steering ? rss.queue() : nic.pairs > 1 ? nic.flows.steer(flowHash(bytes, f), nic.pairs, nic.sim.now) : 0;
    const q = nic.transport.queues[rxQueue(pair)];
    const h = scratch.hdr;
    // virtio-v1.2 §5.1.6.4: num_buffers is 1 without mergeable buffers
    VirtioNetHdr.num_buffers.set(h, 0, 1);
    const { offload } = frame;
    const valid = offload === undefined && nic.guestCsum && verdict(this.mem, q.index, checksumValid(bytes, f));
    VirtioNetHdr.flags.set(h, 0, valid ? VIRTIO_NET_HDR_F.DATA_VALID : offload?.needsCsum === true ? VIRTIO_NET_HDR_F.NEEDS_CSUM : 0);
    // only a virtual wire brings packets that are not finished
    VirtioNetHdr.gso_type.set(h, 0, offload?.gsoType ?? 0);
    VirtioNetHdr.hdr_len.set(h, 0, offload?.hdrLen ?? 0);
    VirtioNetHdr.gso_size.set(h, 0, offload?.gsoSize ?? 0);
    VirtioNetHdr.csum_start.set(h, 0, offload?.csumStart ?? 0);
    VirtioNetHdr.csum_offset.set(h, 0, offload?.csumOffset ?? 0);
    if (valid) nic.counters.rx_csum_valid++;
    if (nic.hashReport) {
      VirtioNetHdrHash.hash_value.set(h, VirtioNetHdr.$size, rss.last.value);
      VirtioNetHdrHash.hash_report.set(h, VirtioNetHdr.$size, rss.last.report);
    }
    if (!this.write(q, frame)) {
      if (q.fault !== undefined) nic.transport.faulted(q);
      return -1;
    }
    nic.counters.rx_packets++;
    nic.counters.rx_bytes += bytes.length;
    return pair;
  }

  /** Header and frame into one chain, or into several when buffers merge (virtio-v1.2 §5.1.6.4). Nothing is used up when they do not suffice. */
  private write(q: Virtqueue, frame: Frame): boolean {
    const c = scratch.chain;
    const { bytes } = frame;
    const HDR = this.nic.hdrLen;
    const total = HDR + bytes.length;
    let done = 0;
    let buffers = 0;
    let first = 0;
    let countLow = 0;
    let countHigh = 0;
    while (done < total) {
      if (!this.take(q, c)) {
        q.unpop(buffers);
        if (q.fault === undefined) this.drop(q.index, frame, 'rx_no_buffer');
        return false;
      }
      if (buffers === 0) {
        if (c.inBytes < HDR) {
          breakQueue(this.nic.transport, q, 'no writable buffer', c.head, `${c.inBytes} bytes`);
          return false;
        }
        if (!this.nic.mergeable && c.inBytes < total) {
          q.unpop(1);
          this.drop(q.index, frame, 'rx_too_large');
          return false;
        }
        this.writeHeader(c);
        if (this.nic.mergeable) {
          countLow = addressOf(c, VirtioNetHdr.num_buffers.offset);
          countHigh = addressOf(c, VirtioNetHdr.num_buffers.offset + 1);
        }
        first = addressOf(c, c.inBytes > HDR ? HDR : HDR - 1);
      }
      const skip = buffers === 0 ? HDR : 0;
      const n = Math.min(c.inBytes - skip, total - Math.max(done, HDR));
      scatter(this.mem, c, skip, bytes, Math.max(done, HDR) - HDR, n);
      scratch.heads[buffers] = c.head;
      scratch.lengths[buffers++] = skip + n;
      done += skip + n;
    }
    if (buffers > 1) {
      this.mem.setU8(countLow, buffers & 0xff);
      this.mem.setU8(countHigh, buffers >> 8);
    }
    if (this.mem.faults !== undefined) writePast(this.mem, q.index, c.addr[c.out + c.in - 1] + c.len[c.out + c.in - 1]);
    for (let i = 0; i < buffers; i++) q.push(scratch.heads[i], scratch.lengths[i]);
    if (this.tpRx.enabled) this.tpRx.emit(this.nic.name, q.index, scratch.heads[0], first, frame.id, bytes.length, buffers);
    return true;
  }

  /** In place, or scattered when the driver's buffers are smaller than the header. */
  private writeHeader(c: VirtqChain): void {
    const length = this.nic.hdrLen;
    // a legacy driver's ten bytes are no whole words
    if (c.len[c.out] < length || (length & 3) !== 0) scatter(this.mem, c, 0, scratch.hdr.bytes, 0, length);
    else for (let i = 0; i < length; i += 4) this.mem.setU32(c.addr[c.out] + i, scratch.hdr.u32(i));
  }

  /** Pops a buffer; when there is none asks to be told of new ones, and looks once more (virtio-v1.2 §2.7.10). */
  private take(q: Virtqueue, c: VirtqChain): boolean {
    if (!q.hasWork()) {
      q.setNotifications(true);
      if (!q.hasWork()) return false;
    }
    q.setNotifications(false);
    return q.pop(c);
  }

  private drop(queue: number, frame: Frame, reason: NicCounter): void {
    this.nic.counters[reason]++;
    if (this.tpDrop.enabled) this.tpDrop.emit(this.nic.name, queue, frame.id, frame.bytes.length, reason);
  }
}

/** Copies `length` bytes to the writable part of the chain, from `offset` in it on. */
export function scatter(mem: DmaPort, c: VirtqChain, offset: number, from: Uint8Array, fromOffset: number, length: number): void {
  let skip = offset;
  let done = 0;
  for (let i = c.out; done < length; i++) {
    const len = c.len[i];
    if (skip >= len) {
      skip -= len;
      continue;
    }
    const n = Math.min(len - skip, length - done);
    mem.write(c.addr[i] + skip, from, fromOffset + done, n);
    done += n;
    skip = 0;
  }
}

/** Address of byte `offset` of the writable part. */
function addressOf(c: VirtqChain, offset: number): number {
  let rest = offset;
  let i = c.out;
  for (; rest >= c.len[i]; i++) rest -= c.len[i];
  return c.addr[i] + rest;
}
