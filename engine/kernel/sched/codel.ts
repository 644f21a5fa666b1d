// CoDel: when to drop from the head of a queue (RFC 8289 §5; Linux: include/net/codel_impl.h). codel has one queue under it, fq_codel one per flow.
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { attrNumber, type TcAttrs } from './qdisc.ts';

/** CoDel's clock counts 1024 ns (Linux: CODEL_SHIFT). */
const codelTime = (ns: number): number => Math.floor(ns / 1024);
/** Microseconds of a codel time. */
export const codelUs = (t: number): number => Math.floor((t * 1024) / 1000);

/** CoDel's memory of one queue (Linux: struct codel_vars); times in codel units. */
export class CodelVars {
  count = 0;
  lastcount = 0;
  dropping = false;
  ldelay = 0;
  first_above_time = 0;
  drop_next = 0;
  clear(): void {
    this.count = this.lastcount = this.ldelay = this.first_above_time = this.drop_next = 0;
    this.dropping = false;
  }
}

/** The discipline around it: `flow` names the queue that is kept short. */
export interface CodelHost<F> {
  readonly kernel: Kernel;
  readonly dev: NetDevice;
  /** Bytes held in all. */
  readonly backlog: number;
  codelTake(flow: F): SkBuff | undefined;
  codelDrop(skb: SkBuff): void;
}

/** Parameters and what was seen (Linux: struct codel_params, codel_stats); times in codel units. */
export class CodelControl {
  target = codelTime(5_000_000);
  interval = codelTime(100_000_000);
  /** -1: none */
  ce_threshold = -1;
  maxpacket = 0;
  constructor(public ecn: number) {}

  /** Takes what `tc` gave; times in microseconds. */
  change(attrs: TcAttrs | undefined): void {
    this.target = this.timeOf(attrs, 'target', this.target);
    this.interval = this.timeOf(attrs, 'interval', this.interval);
    this.ce_threshold = this.timeOf(attrs, 'ce_threshold', this.ce_threshold);
    this.ecn = attrNumber(attrs, 'ecn', this.ecn);
  }
  private timeOf(attrs: TcAttrs | undefined, key: string, otherwise: number): number {
    const us = attrNumber(attrs, key, -1);
    return us < 0 ? otherwise : codelTime(us * 1000);
  }
  /** Times in microseconds, as `tc` shows them. */
  dump(): { readonly target: number; readonly interval: number; readonly ce_threshold?: number } {
    const threshold = this.ce_threshold < 0 ? {} : { ce_threshold: codelUs(this.ce_threshold) };
    return { target: codelUs(this.target), interval: codelUs(this.interval), ...threshold };
  }
  /** Microseconds until the next drop, 0 while none is due. */
  untilNext(vars: CodelVars, now: number): number {
    return vars.dropping ? codelUs(Math.abs(vars.drop_next - codelTime(now))) : 0;
  }

  /** The next packet of a queue, after what had to be dropped before it (RFC 8289 §5.5). `cb0` of each is when it was enqueued. */
  dequeue<F>(host: CodelHost<F>, flow: F, vars: CodelVars): SkBuff | undefined {
    let skb = host.codelTake(flow);
    if (skb === undefined) {
      vars.dropping = false;
      return undefined;
    }
    const now = codelTime(host.kernel.now());
    const drop = this.shouldDrop(host, skb, vars, now);
    if (vars.dropping) {
      if (!drop) vars.dropping = false;
      while (vars.dropping && now >= vars.drop_next) {
        vars.count++;
        host.codelDrop(skb as SkBuff);
        skb = host.codelTake(flow);
        if (skb === undefined || !this.shouldDrop(host, skb, vars, now)) vars.dropping = false;
        else vars.drop_next = this.law(vars.drop_next, vars.count);
      }
    } else if (drop) {
      host.codelDrop(skb);
      skb = host.codelTake(flow);
      if (skb !== undefined) this.shouldDrop(host, skb, vars, now);
      vars.dropping = true;
      // resume near the rate that controlled the queue when it was last left
      const delta = vars.count - vars.lastcount;
      vars.count = delta > 1 && now - vars.drop_next < 16 * this.interval ? delta : 1;
      vars.lastcount = vars.count;
      vars.drop_next = this.law(now, vars.count);
    }
    return skb;
  }

  private law(t: number, count: number): number {
    return t + this.interval / Math.sqrt(count);
  }
  private shouldDrop<F>(host: CodelHost<F>, skb: SkBuff, vars: CodelVars, now: number): boolean {
    vars.ldelay = now - codelTime(skb.cb0);
    if (skb.pkt_len > this.maxpacket) this.maxpacket = skb.pkt_len;
    if (vars.ldelay < this.target || host.backlog <= host.dev.mtu + host.dev.hard_header_len) {
      vars.first_above_time = 0;
      return false;
    }
    if (vars.first_above_time === 0) {
      vars.first_above_time = now + this.interval;
      return false;
    }
    return now > vars.first_above_time;
  }
}
