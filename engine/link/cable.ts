// A duplex cable between two ports: rate, delay, loss, up or down. Frames in flight are events.
import { invariant } from '../base/ops.ts';
import type { Instant } from '../base/units.ts';
import type { FaultSet } from '../sim/faults.ts';
import type { RandomStream } from '../sim/random.ts';
import type { Actor, Sim } from '../sim/sim.ts';
import type { Trace, TracePoint, TraceScope } from '../trace/trace.ts';
import { FrameCapture } from './capture.ts';
import type { Frame, FrameOffload, NicPort, PortOwner, Wire } from './port.ts';
import { LinkFrame, LinkState } from './trace.ts';

export interface CableSpec {
  /** Unique in the lab. */
  readonly id: string;
  /** bits per second */
  readonly rate: number;
  /** Propagation, ns. */
  readonly delay: number;
  /** Probability that a frame is lost, 0 … 1. */
  readonly loss: number;
  /** No Ethernet but memory between two hosts, as a tap or vhost-user makes it: packets go as they are, with what is still to be done to them. */
  readonly vnet?: boolean;
}

/** IEEE 802.3 §4.2.3.2.2: the shortest frame, without FCS; the sender pads. */
const MIN_FRAME = 60;
/** IEEE 802.3 §3.1.1, §4.4.2: preamble and SFD 8, FCS 4, inter-packet gap 12 bytes. */
const OVERHEAD = 24;

/** Time that `length` bytes (without FCS) occupy the wire, ns, unrounded. */
export const serialisationTime = (length: number, rate: number): number => ((Math.max(MIN_FRAME, length) + OVERHEAD) * 8e9) / rate;

/** One direction. */
interface Lane {
  readonly from: NicPort;
  readonly to: NicPort;
  /** Until when the sender's side is busy, ns, unrounded, so that back-to-back frames keep the exact rate. */
  busyUntil: number;
  frames: number;
  bytes: number;
  lost: number;
}
export type LaneState = Readonly<Pick<Lane, 'busyUntil' | 'frames' | 'bytes' | 'lost'>> & { readonly from: string; readonly to: string };

const lane = (from: NicPort, to: NicPort): Lane => ({ from, to, busyUntil: 0, frames: 0, bytes: 0, lost: 0 });

/** `new Cable(sim, trace, spec, portA, portB)` plugs both ends and brings the link up. `unplug()` before it is thrown away. */
export class Cable implements Wire, Actor {
  /** Changes when a machine at one end is renamed. */
  id: string;
  rate: number;
  delay: number;
  loss: number;
  /** Frames for recorders; see FrameCapture. */
  readonly capture = new FrameCapture();
  /** Injected faults; absent while there are none. */
  faults: FaultSet | undefined;
  vnet: boolean;
  private isUp = true;
  private readonly lanes: readonly [Lane, Lane];
  private readonly random: RandomStream;
  readonly scope: TraceScope;
  private readonly tpFrame: TracePoint;
  private readonly tpState: TracePoint;

  constructor(
    private readonly sim: Sim,
    private readonly trace: Trace,
    spec: CableSpec,
    a: NicPort,
    b: NicPort,
  ) {
    invariant(spec.rate > 0 && spec.delay >= 0 && spec.loss >= 0 && spec.loss <= 1, `cable ${spec.id}: rate, delay or loss out of range`);
    this.id = spec.id;
    this.rate = spec.rate;
    this.delay = spec.delay;
    this.loss = spec.loss;
    this.vnet = spec.vnet ?? false;
    this.random = sim.random(`cable/${spec.id}`);
    this.scope = trace.scope(`cable/${spec.id}`, this);
    this.tpFrame = this.scope.point(LinkFrame);
    this.tpState = this.scope.point(LinkState);
    this.lanes = [lane(a, b), lane(b, a)];
    for (const l of this.lanes) l.from.plug(this);
    for (const l of this.lanes) l.from.linkChanged(true);
  }

  get up(): boolean {
    return this.isUp;
  }

  carries(from: PortOwner, offload: FrameOffload): boolean {
    if (!this.vnet) return false;
    const { to } = this.lanes[from === this.lanes[0].from ? 0 : 1];
    return to.takesOffload?.(offload) ?? false;
  }

  transmit(from: PortOwner, frame: Frame): number {
    const { now } = this.sim;
    const direction = from === this.lanes[0].from ? 0 : 1;
    const l = this.lanes[direction];
    // a sender that waited for the rounded-up end of the last frame follows it without a gap
    const start = now - l.busyUntil < 1 ? l.busyUntil : now;
    l.busyUntil = start + serialisationTime(frame.bytes.length, this.rate);
    l.frames++;
    l.bytes += frame.bytes.length;
    const arrives = Math.ceil(l.busyUntil + this.delay) as Instant;
    let lost = !this.isUp ? 'down' : this.loss > 0 && this.random.float() < this.loss ? 'loss' : '';
    if (lost === '' && this.faults?.strike('frame-loss', direction, `frame ${frame.id}`) !== undefined) lost = 'fault';
    if (lost === '' && this.faults !== undefined) this.deliverFaulty(this.faults, arrives, direction, frame);
    else if (lost === '') this.sim.at(arrives, this, direction, frame);
    else l.lost++;
    if (this.tpFrame.enabled)
      this.tpFrame.emit(l.from.portName, l.to.portName, frame.id, frame.bytes.length, Math.ceil(start), arrives, lost);
    if (this.capture.enabled)
      this.capture.add({
        event: this.sim.executed,
        cable: this.id,
        sent: Math.ceil(start),
        arrives,
        from: l.from.portName,
        to: l.to.portName,
        frame,
        lost,
      });
    return Math.ceil(l.busyUntil);
  }

  /** As it arrives when faults may befall it: damaged, twice, or late. */
  private deliverFaulty(faults: FaultSet, arrives: Instant, direction: number, frame: Frame): void {
    const what = `frame ${frame.id}`;
    const corrupt = faults.strike('frame-corrupt', direction, what);
    const late = faults.strike('frame-reorder', direction, what);
    const time = (arrives + (late?.on.value ?? 0)) as Instant;
    const arriving = corrupt === undefined ? frame : damaged(frame, corrupt.on.value);
    this.sim.at(time, this, direction, arriving);
    if (faults.strike('frame-duplicate', direction, what) !== undefined) this.sim.at(time, this, direction, arriving);
  }

  /** A frame's last bit is there; `direction` is the lane. */
  onEvent(direction: number, frame: unknown): void {
    this.lanes[direction].to.receiveFrame(frame as Frame);
  }

  /** Pulls the cable's link down or up at both ends; frames in flight are lost. */
  setUp(up: boolean): void {
    if (up === this.isUp) return;
    this.isUp = up;
    if (this.tpState.enabled) this.tpState.emit(this.id, up);
    if (!up) this.loseInFlight();
    for (const l of this.lanes) l.from.linkChanged(up);
  }

  /** Takes the cable out of the world. */
  unplug(): void {
    this.loseInFlight();
    this.trace.removeScope(this.scope);
    for (const l of this.lanes) {
      l.from.plug(undefined);
      l.from.linkChanged(false);
    }
  }

  /** Both directions, a to b first. Reading changes nothing. */
  states(): readonly LaneState[] {
    return this.lanes.map((l) => ({
      from: l.from.portName,
      to: l.to.portName,
      busyUntil: l.busyUntil,
      frames: l.frames,
      bytes: l.bytes,
      lost: l.lost,
    }));
  }

  traceNow(): number {
    return this.sim.now;
  }
  traceCpu(): number {
    return -1;
  }

  private loseInFlight(): void {
    for (const e of this.sim.extract((event) => event.target === this)) this.lanes[e.op].lost++;
  }
}

/** The frame with one byte changed: at `offset`, or the last when that is outside. */
function damaged(frame: Frame, offset: number): Frame {
  const bytes = frame.bytes.slice();
  const at = offset >= 0 && offset < bytes.length ? offset : bytes.length - 1;
  bytes[at] ^= 0xff;
  return { ...frame, bytes };
}
