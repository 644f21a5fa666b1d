// sfq: a short queue per flow, served in turn by bytes; the longest loses (Linux: net/sched/sch_sfq.c).
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from '../net_device.ts';
import { NL_OK, type NlResult } from '../rtnetlink.ts';
import { type SkBuff, SkBuffHead } from '../skbuff.ts';
import { TimerList } from '../timer.ts';
import type { Actor } from '../../sim/sim.ts';
import { ops } from '../../base/ops.ts';
import { attrNumber, invalid, Qdisc, type TcAttrs } from './qdisc.ts';

const MAX_DEPTH = 127;
const DEFAULTS = ops({ divisor: 1024, flows: 128 });
const OP_PERTURB = 0;

class Slot {
  readonly queue = new SkBuffHead();
  allot = 0;
  backlog = 0;
  constructor(readonly hash: number) {}
}

export class Sfq extends Qdisc implements Actor {
  private limit = MAX_DEPTH;
  private quantum = 0;
  private depth = MAX_DEPTH;
  private flows = DEFAULTS.flows;
  private divisor = DEFAULTS.divisor;
  /** Seconds between changes of the hash, 0: never. */
  private perturb = 0;
  private perturbation = 0;
  private readonly slots = new Map<number, Slot>();
  /** Slots with packets, in order of service. */
  private readonly round: Slot[] = [];
  private readonly timer = new TimerList(this, OP_PERTURB);

  override init(attrs?: TcAttrs): NlResult {
    this.quantum = this.dev.mtu + this.dev.hard_header_len;
    this.rekey();
    return attrs === undefined ? NL_OK : this.change(attrs);
  }
  override change(attrs: TcAttrs | undefined): NlResult {
    const divisor = attrNumber(attrs, 'divisor', 0);
    if (divisor !== 0 && ((divisor & (divisor - 1)) !== 0 || divisor > 65536)) return invalid();
    const quantum = attrNumber(attrs, 'quantum', 0);
    if (quantum > 0) this.quantum = quantum;
    if (divisor > 0) this.divisor = divisor;
    const flows = attrNumber(attrs, 'flows', 0);
    if (flows > 0) this.flows = flows;
    const depth = attrNumber(attrs, 'depth', 0);
    if (depth > 0) this.depth = Math.min(depth, MAX_DEPTH);
    const limit = attrNumber(attrs, 'limit', 0);
    if (limit > 0) this.limit = Math.min(limit, this.depth * this.flows);
    this.perturb = attrNumber(attrs, 'perturb', 0);
    const { timers } = this.kernel;
    timers.del_timer(this.timer);
    if (this.perturb > 0) timers.startIn(this.timer, this.perturb * 1e9);
    while (this.qlen > this.limit) this.sfq_drop();
    return NL_OK;
  }
  onEvent(): void {
    if (this.qlen === 0) this.rekey();
    this.kernel.timers.startIn(this.timer, this.perturb * 1e9);
  }
  private rekey(): void {
    this.perturbation = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:sfq`).u32();
  }

  enqueue(skb: SkBuff): number {
    return this.sfq_enqueue(skb);
  }
  dequeue(): SkBuff | undefined {
    return this.sfq_dequeue();
  }
  sfq_enqueue(skb: SkBuff): number {
    const hash = (Math.imul(this.kernel.net.xmit.skb_get_hash(skb) ^ this.perturbation, 0x61c88647) >>> 0) & (this.divisor - 1);
    let slot = this.slots.get(hash);
    if (slot === undefined) {
      if (this.slots.size >= this.flows) return this.qdisc_drop(skb);
      slot = new Slot(hash);
      slot.allot = this.quantum;
      this.slots.set(hash, slot);
      this.round.push(slot);
    }
    if (slot.queue.qlen >= this.depth) return this.qdisc_drop(skb);
    slot.queue.push(skb);
    slot.backlog += skb.pkt_len;
    this.qdisc_enqueued(skb);
    if (this.qlen <= this.limit) return NET_XMIT_SUCCESS;
    return this.sfq_drop() === slot ? NET_XMIT_CN : NET_XMIT_SUCCESS;
  }
  /** Takes the newest packet of the longest queue. */
  private sfq_drop(): Slot | undefined {
    let longest: Slot | undefined;
    for (const slot of this.round) if (longest === undefined || slot.queue.qlen > longest.queue.qlen) longest = slot;
    const skb = longest?.queue.pop();
    if (longest === undefined || skb === undefined) return undefined;
    longest.backlog -= skb.pkt_len;
    this.qlen--;
    this.backlog -= skb.pkt_len;
    if (longest.queue.qlen === 0) this.leave(longest);
    this.qdisc_drop(skb);
    return longest;
  }
  private leave(slot: Slot): void {
    this.slots.delete(slot.hash);
    this.round.splice(this.round.indexOf(slot), 1);
  }
  sfq_dequeue(): SkBuff | undefined {
    for (;;) {
      const slot = this.round[0];
      if (slot === undefined) return undefined;
      if (slot.allot <= 0) {
        slot.allot += this.quantum;
        this.round.push(this.round.shift() as Slot);
        continue;
      }
      const skb = slot.queue.shift() as SkBuff;
      slot.backlog -= skb.pkt_len;
      this.qdisc_dequeued(skb);
      slot.allot -= skb.pkt_len;
      if (slot.queue.qlen === 0) this.leave(slot);
      return skb;
    }
  }
  reset(): void {
    for (const slot of this.round) this.purge(slot.queue);
    this.slots.clear();
    this.round.length = 0;
  }
  override destroy(): void {
    this.kernel.timers.del_timer(this.timer);
  }
  override dumpOptions(): TcAttrs {
    const { limit, quantum, depth, flows, divisor, perturb } = this;
    return { limit, quantum, depth, flows, divisor, perturb };
  }
}
