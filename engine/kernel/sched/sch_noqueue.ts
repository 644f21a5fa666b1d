// noop and noqueue: the qdiscs of devices that are down, and of software devices (Linux: net/sched/sch_generic.c).
import type { Kernel } from '../kernel.ts';
import { NET_XMIT_CN, type NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { Qdisc } from './qdisc.ts';

/** Drops everything: a device that is not up. */
export class NoopQdisc extends Qdisc {
  constructor(kernel: Kernel, dev: NetDevice) {
    super(kernel, 'noop', dev, undefined);
    this.builtin = true;
    this.deactivated = false;
  }
  enqueue(skb: SkBuff): number {
    return this.noop_enqueue(skb);
  }
  noop_enqueue(skb: SkBuff): number {
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    return NET_XMIT_CN;
  }
  dequeue(): undefined {
    return undefined;
  }
  peek(): undefined {
    return undefined;
  }
  reset(): void {
    // holds nothing
  }
}

/** Holds nothing: dev_queue_xmit goes straight to the driver. */
export class NoqueueQdisc extends Qdisc {
  constructor(kernel: Kernel, dev: NetDevice) {
    super(kernel, 'noqueue', dev, undefined);
    this.holdsPackets = false;
    this.deactivated = false;
  }
  enqueue(skb: SkBuff): number {
    this.kernel.skb.kfree_skb_reason(skb, 'QDISC_DROP');
    return NET_XMIT_CN;
  }
  dequeue(): undefined {
    return undefined;
  }
  peek(): undefined {
    return undefined;
  }
  reset(): void {
    // holds nothing
  }
}
