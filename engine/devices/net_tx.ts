// Transmit side of virtio-net: drains the transmit queues in turn, completes offloads, puts frames on the wire.
import { ByteMem, type Mem } from '../base/memory.ts';
import { ops } from '../base/ops.ts';
import type { Instant } from '../base/units.ts';
import type { FrameOffload } from '../link/port.ts';
import type { DmaPort } from '../platform/bus.ts';
import type { Actor } from '../sim/sim.ts';
import type { TracePoint, TraceScope } from '../trace/trace.ts';
import { F } from '../virtio/features.ts';
import { txQueue, VIRTIO_NET_HDR_F, VIRTIO_NET_HDR_GSO, VirtioNetHdr } from '../virtio/net.ts';
import type { NicContext } from './net_context.ts';
import { flowHash, FrameLayout, parseFrame } from './net_flow.ts';
import { allocFrame, newest } from './frame_alloc.ts';
import { completeChecksum, MIN_PACKET, OffloadRequest, segment } from './net_offload.ts';
import { NicDrop, NicTx } from './trace.ts';
import { breakQueue } from './virtio_device.ts';
import { VirtqChain, type Virtqueue } from './virtqueue.ts';

/** Scratch of one event: filled and used up within it, so no part of the world. */
const scratch = ops({
  chain: new VirtqChain(),
  hdr: new ByteMem(new Uint8Array(VirtioNetHdr.$size)),
  layout: new FrameLayout(),
  request: new OffloadRequest(),
});

/**
 * One engine serves all queues round robin, a packet per event, and is busy until the wire took it. While a queue is being served its
 * notifications are off; it sleeps only after it found the queue empty with notifications on (virtio-v1.2 §2.7.10).
 */
export class NetTx implements Actor {
  /** 1 per queue pair that is being served, and how many there are. */
  private readonly active: Uint8Array;
  private serving = 0;
  private last = 0;
  private scheduled = false;
  private busyUntil = 0;
  private readonly tpTx: TracePoint;
  private readonly tpDrop: TracePoint;

  constructor(
    protected readonly nic: NicContext,
    private readonly mem: DmaPort,
    scope: TraceScope,
  ) {
    this.active = new Uint8Array(nic.maxPairs);
    this.tpTx = scope.point(NicTx);
    this.tpDrop = scope.point(NicDrop);
  }

  /** The driver rang a transmit queue's bell at `time` (its CPU's clock). */
  notify(pair: number, time: Instant): void {
    if (this.active[pair] !== 0) return;
    this.active[pair] = 1;
    this.serving++;
    this.nic.transport.queues[txQueue(pair)].setNotifications(false);
    if (!this.scheduled) this.schedule(Math.max(time + this.nic.timing.doorbell, this.busyUntil));
  }

  /** The queue was reset: nothing of it is left to serve. */
  stop(pair: number): void {
    this.serving -= this.active[pair];
    this.active[pair] = 0;
  }

  reset(): void {
    this.active.fill(0);
    this.serving = 0;
  }

  onEvent(_op = 0, _arg?: unknown): void {
    this.scheduled = false;
    const { transport } = this.nic;
    if (!transport.running) this.reset();
    if (this.serving === 0) return;
    const pair = this.nextActive();
    const q = transport.queues[txQueue(pair)];
    if (q.pop(scratch.chain)) this.busyUntil = this.sendOrWait(q, pair);
    else if (q.fault !== undefined) return transport.faulted(q);
    else this.ranEmpty(q, pair);
    if (this.serving > 0 && transport.running) this.schedule(this.busyUntil);
  }

  /** Sends the popped packet, for which the wire is free; when the engine looks for the next one. */
  protected sendOrWait(q: Virtqueue, pair: number): number {
    return Math.max(this.send(q, pair), this.nic.sim.now);
  }

  /** Asks for doorbells again, and sleeps only when there is still nothing. */
  protected ranEmpty(q: Virtqueue, pair: number): void {
    q.setNotifications(true);
    if (q.hasWork()) q.setNotifications(false);
    else this.stop(pair);
  }

  private schedule(time: number): void {
    this.scheduled = true;
    const { sim } = this.nic;
    sim.at(Math.ceil(Math.max(time, sim.now)) as Instant, this, 0);
  }

  private nextActive(): number {
    let pair = this.last;
    do pair = (pair + 1) % this.active.length;
    while (this.active[pair] === 0);
    this.last = pair;
    return pair;
  }

  /** Sends the popped packet; returns when the engine is free again. */
  protected send(q: Virtqueue, pair: number): number {
    const c = scratch.chain;
    const { nic } = this;
    const HDR = nic.hdrLen;
    if (c.outBytes < HDR) {
      breakQueue(nic.transport, q, 'no header', c.head, `${c.outBytes} bytes`);
      return nic.sim.now;
    }
    const length = c.outBytes - HDR;
    const bytes = allocFrame(length);
    gather(this.mem, c, HDR, newest.mem, newest.at, length);
    const free = this.put(bytes, length, pair, c);
    q.push(c.head, 0);
    nic.coalescing.complete(nic.transport, q, 1);
    return Math.max(free, nic.sim.now + nic.timing.frame + length / nic.timing.bytesPerNs);
  }

  private put(bytes: Uint8Array, length: number, pair: number, c: VirtqChain): number {
    const { nic } = this;
    const { counters } = nic;
    const r = this.readRequest(c);
    const tooShort = length < MIN_PACKET ? 'shorter than an Ethernet header' : '';
    if (nic.pairs > 1 && tooShort === '') this.learn(bytes, pair);
    let frames: Uint8Array[] | string;
    const left = tooShort === '' && (r.needsCsum || r.gsoType !== VIRTIO_NET_HDR_GSO.NONE) ? this.leftToReceiver(r) : undefined;
    if (tooShort !== '') frames = tooShort;
    else if (left !== undefined) frames = [bytes];
    else if (r.gsoType !== VIRTIO_NET_HDR_GSO.NONE) {
      frames = this.mayAsk(r.gsoType) ? segment(bytes, r) : `gso_type ${r.gsoType} was not negotiated`;
      counters.tx_gso++;
    } else if (r.needsCsum) {
      frames = completeChecksum(newest.mem, newest.at, length, r.csumStart, r.csumOffset) ? [bytes] : 'checksum field outside the packet';
      counters.tx_csum++;
    } else frames = [bytes];
    if (typeof frames === 'string') {
      counters.tx_bad++;
      return this.drop(pair, length, frames);
    }
    if (!nic.linkUp || nic.wire === undefined) {
      counters.tx_link_down++;
      return this.drop(pair, length, 'link_down');
    }
    counters.tx_packets++;
    counters.tx_bytes += length;
    let free = 0;
    for (const frame of frames) {
      const id = nic.sim.newId();
      counters.tx_frames++;
      if (this.tpTx.enabled) this.tpTx.emit(nic.name, txQueue(pair), c.head, packetAddress(c, nic.hdrLen), id, frame.length);
      free = nic.wire.transmit(nic.port, left === undefined ? { bytes: frame, id, skb: 0 } : { bytes: frame, id, skb: 0, offload: left });
    }
    return free;
  }

  /** Reads the header in place, or gathers it first when the driver spread it over several buffers. */
  private readRequest(c: VirtqChain): OffloadRequest {
    const r = scratch.request;
    const length = Math.min(this.nic.hdrLen, VirtioNetHdr.$size);
    const whole = c.len[0] >= length;
    if (!whole) gather(this.mem, c, 0, scratch.hdr, 0, length);
    const mem: Mem = whole ? this.mem : scratch.hdr;
    const at = whole ? c.addr[0] : 0;
    const gso = VirtioNetHdr.gso_type.get(mem, at);
    r.needsCsum = (VirtioNetHdr.flags.get(mem, at) & VIRTIO_NET_HDR_F.NEEDS_CSUM) !== 0;
    r.csumStart = VirtioNetHdr.csum_start.get(mem, at);
    r.csumOffset = VirtioNetHdr.csum_offset.get(mem, at);
    r.gsoType = gso & ~VIRTIO_NET_HDR_GSO.ECN;
    r.ecn = (gso & VIRTIO_NET_HDR_GSO.ECN) !== 0;
    r.gsoSize = VirtioNetHdr.gso_size.get(mem, at);
    r.hdrLen = VirtioNetHdr.hdr_len.get(mem, at);
    return r;
  }

  /** On a virtual wire the packet goes as it is, when the other end takes it so. */
  private leftToReceiver(r: OffloadRequest): FrameOffload | undefined {
    const { wire, port } = this.nic;
    if (wire === undefined || !wire.vnet || !this.mayAsk(r.gsoType)) return undefined;
    const { needsCsum, csumStart, csumOffset, gsoSize, hdrLen } = r;
    const offload = { needsCsum, csumStart, csumOffset, gsoType: r.gsoType | (r.ecn ? VIRTIO_NET_HDR_GSO.ECN : 0), gsoSize, hdrLen };
    return wire.carries(port, offload) ? offload : undefined;
  }

  private mayAsk(gsoType: number): boolean {
    const needed = GSO_FEATURES[gsoType];
    return needed === undefined || (this.nic.negotiatedFeatures & needed) !== 0n;
  }

  private learn(bytes: Uint8Array, pair: number): void {
    parseFrame(bytes, scratch.layout);
    this.nic.flows.learn(flowHash(bytes, scratch.layout), pair, this.nic.sim.now);
  }

  private drop(pair: number, length: number, reason: string): number {
    if (this.tpDrop.enabled) this.tpDrop.emit(this.nic.name, txQueue(pair), 0, length, reason);
    return this.nic.sim.now;
  }
}

/** Copies `length` readable bytes of the chain, from `offset` on, to `at` of `into`. */
export function gather(mem: DmaPort, c: VirtqChain, offset: number, into: ByteMem, at: number, length: number): void {
  let skip = offset;
  let done = 0;
  for (let i = 0; done < length; i++) {
    const len = c.len[i];
    if (skip >= len) {
      skip -= len;
      continue;
    }
    const n = Math.min(len - skip, length - done);
    mem.copyTo(c.addr[i] + skip, into, at + done, n);
    done += n;
    skip = 0;
  }
}

/** Where the packet itself starts: behind the header, which usually lies in front of it in one buffer. */
const packetAddress = (c: VirtqChain, header: number): number => (c.len[0] > header || c.out === 1 ? c.addr[0] + header : c.addr[1]);

/** virtio-v1.2 §5.1.6.2.1: the feature without which the driver must not set this gso_type. */
const GSO_FEATURES: Readonly<Record<number, bigint>> = Object.freeze({
  [VIRTIO_NET_HDR_GSO.TCPV4]: F.VIRTIO_NET_F_HOST_TSO4 | F.VIRTIO_NET_F_GSO,
  [VIRTIO_NET_HDR_GSO.TCPV6]: F.VIRTIO_NET_F_HOST_TSO6 | F.VIRTIO_NET_F_GSO,
  [VIRTIO_NET_HDR_GSO.UDP]: F.VIRTIO_NET_F_HOST_UFO | F.VIRTIO_NET_F_GSO,
  [VIRTIO_NET_HDR_GSO.UDP_L4]: F.VIRTIO_NET_F_HOST_USO,
});
