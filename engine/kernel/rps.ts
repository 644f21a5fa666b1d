// Receive packet steering: packets of a flow go to a CPU chosen by their hash, or to the one whose program reads the flow (Linux: RPS and RFS, net/core/dev.c, net-sysfs.c).
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import type { SkBuff } from './skbuff.ts';

const NO_CPU = 0xffff;
/** A mask of 32 bits tells the entry. */
const MAX_FLOWS = 0x100000000;

/** Steering of one receive queue (Linux: rps_map, rps_dev_flow_table). */
export class RpsQueue {
  /** CPUs the queue's packets may go to, as a mask and as a list. */
  mask = 0;
  cpus: readonly number[] = [];
  /** Where each flow's packets went last, and the backlog's tail then; none without flow steering. */
  flowCpu = new Uint16Array(0);
  flowTail = new Float64Array(0);

  get active(): boolean {
    return this.mask !== 0 || this.flowCpu.length > 0;
  }
}

/** A power of two that holds `count`; 0 stays 0. */
const roundUp = (count: number): number => (count === 0 ? 0 : 2 ** Math.ceil(Math.log2(count)));

export class Rps {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['rps_record_sock_flow', 'rps_needed', 'queueOf']);
  /** Queues with steering: as long as there is none no packet is looked at (Linux: static key rps_needed). */
  needed = 0;
  /** net.core.rps_sock_flow_entries: hash and CPU of the program that read a flow last, in one word. */
  private sockFlows = new Uint32Array(0);
  private readonly cpuMask: number;

  constructor(readonly kernel: Kernel) {
    const cpus = kernel.platform.cpus.list.length;
    this.cpuMask = 2 ** Math.ceil(Math.log2(cpus)) - 1;
  }

  queueOf(dev: NetDevice, queue: number): RpsQueue {
    while (dev.rps.length <= queue) dev.rps.push(new RpsQueue());
    return dev.rps[queue];
  }

  /** CPUs of a receive queue; 0 or -errno. */
  store_rps_map(dev: NetDevice, queue: number, mask: number): number {
    const q = this.queueOf(dev, queue);
    this.change(q, () => {
      q.mask = mask;
      q.cpus = this.kernel.platform.cpus.list.map((c) => c.id).filter((id) => (mask & (1 << id)) !== 0);
    });
    return 0;
  }

  /** Entries of a receive queue's flow table; 0 or -errno. */
  store_rps_dev_flow_table_cnt(dev: NetDevice, queue: number, count: number): number {
    if (count > MAX_FLOWS) return -Errno.EINVAL;
    const size = roundUp(count);
    if (size * 16 > this.kernel.platform.ram.size) return -Errno.ENOMEM;
    const q = this.queueOf(dev, queue);
    this.change(q, () => {
      q.flowCpu = new Uint16Array(size).fill(NO_CPU);
      q.flowTail = new Float64Array(size);
    });
    return 0;
  }

  /** A device leaves: its queues steer nothing any more. */
  forget(dev: NetDevice): void {
    for (const q of dev.rps) if (q.active) this.needed--;
    dev.rps.length = 0;
  }

  /** net.core.rps_sock_flow_entries; the size it got, or -errno. */
  resizeSockFlows(count: number): number {
    if (count > 1 << 29) return -Errno.EINVAL;
    const size = roundUp(count);
    if (size === this.sockFlows.length) return size;
    const had = this.sockFlows.length > 0;
    this.sockFlows = new Uint32Array(size).fill(0xffffffff);
    if (had !== size > 0) this.needed += size > 0 ? 1 : -1;
    return size;
  }

  /** A program reads or writes the flow on this CPU. */
  rps_record_sock_flow(hash: number): void {
    if (this.sockFlows.length === 0 || hash === 0) return;
    this.sockFlows[hash & (this.sockFlows.length - 1)] = ((hash & ~this.cpuMask) | this.kernel.smp_processor_id()) >>> 0;
  }

  /** CPU that shall process a packet, -1: the one at hand. */
  get_rps_cpu(dev: NetDevice, skb: SkBuff): number {
    // skb_rx_queue_recorded()
    const index = skb.queue_mapping > 0 ? skb.queue_mapping - 1 : 0;
    const q = dev.rps[index];
    if (q === undefined || !q.active) return -1;
    if (skb.network_header < 0) skb.network_header = skb.data - skb.head;
    const hash = this.kernel.net.xmit.skb_get_hash(skb);
    const flows = q.flowCpu.length;
    if (flows > 0 && this.sockFlows.length > 0) {
      const ident = this.sockFlows[hash & (this.sockFlows.length - 1)];
      if (((ident ^ hash) & ~this.cpuMask) === 0) return this.followFlow(q, hash & (flows - 1), ident & this.cpuMask);
    }
    // reciprocal_scale()
    return q.cpus.length === 0 ? -1 : q.cpus[Math.floor((hash * q.cpus.length) / 0x100000000)];
  }

  /** A flow moves to where it is read only when nothing of it waits at its old CPU: packets keep their order. */
  private followFlow(q: RpsQueue, flow: number, wanted: number): number {
    const { rx } = this.kernel.net;
    const now = q.flowCpu[flow];
    if (now !== wanted && (now === NO_CPU || rx.backlogHead(now) >= q.flowTail[flow])) q.flowCpu[flow] = wanted;
    q.flowTail[flow] = rx.backlogTail(q.flowCpu[flow]) + 1;
    return q.flowCpu[flow];
  }

  private change(q: RpsQueue, apply: () => void): void {
    const before = q.active;
    apply();
    if (before !== q.active) this.needed += q.active ? 1 : -1;
  }
}
