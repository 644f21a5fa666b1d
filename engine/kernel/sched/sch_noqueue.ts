// Qdiscs that hold no packets; of these noop and noqueue: devices that are down, and software devices (Linux: net/sched/sch_generic.c).
import type { Kernel } from '../kernel.ts';
import { NET_XMIT_CN, type NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { Qdisc } from './qdisc.ts';

/** What is given to it is dropped, and nothing comes out. */
export abstract class EmptyQdisc extends Qdisc {
  enqueue(skb: SkBuff): number {
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    return NET_XMIT_CN;
  }
  dequeue(): undefined {
    return undefined;
  }
  override peek(): undefined {
    return undefined;
  }
  reset(): void {
    // holds nothing
  }
}

/** Drops everything: a device that is not up. */
export class NoopQdisc extends EmptyQdisc {
  constructor(kernel: Kernel, dev: NetDevice) {
    super(kernel, 'noop', dev, undefined);
    this.builtin = true;
    this.deactivated = false;
  }
  override enqueue(skb: SkBuff): number {
    return this.noop_enqueue(skb);
  }
  noop_enqueue(skb: SkBuff): number {
    return super.enqueue(skb);
  }
}

/** Holds nothing: dev_queue_xmit goes straight to the driver. */
export class NoqueueQdisc extends EmptyQdisc {
  constructor(kernel: Kernel, kind: string, dev: NetDevice) {
    super(kernel, kind, dev, undefined);
    this.holdsPackets = false;
    this.deactivated = false;
  }
}
