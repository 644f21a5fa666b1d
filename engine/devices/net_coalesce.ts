// Notification coalescing of virtio-net (virtio-v1.2 §5.1.6.5.7, per queue §1.3): used elements are seen at once, the interrupt waits for more.
import type { Duration } from '../base/units.ts';
import type { Actor, Sim, SimEvent } from '../sim/sim.ts';
import type { VirtioTransport } from './virtio_device.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Parameters of one queue. A notification waits `maxUsecs` at most, and no longer than for `maxPackets` packets unless that is 0. */
export interface Coalescing {
  readonly maxPackets: number;
  readonly maxUsecs: number;
}
const OFF: Coalescing = Object.freeze({ maxPackets: 0, maxUsecs: 0 });

export class NetCoalescing implements Actor {
  /** As last set for all receive (0) and all transmit (1) queues. */
  private readonly direction: [Coalescing, Coalescing] = [OFF, OFF];
  private readonly queues: Coalescing[];
  /** Packets since the last notification, and the timer that ends the wait. */
  private readonly packets: Uint32Array;
  private readonly timers: (SimEvent | undefined)[];

  constructor(
    private readonly sim: Sim,
    count: number,
  ) {
    this.queues = Array.from({ length: count }, () => OFF);
    this.packets = new Uint32Array(count);
    this.timers = Array.from({ length: count }, () => undefined);
  }

  /** All receive or all transmit queues. */
  setDirection(transmit: boolean, c: Coalescing): void {
    this.direction[transmit ? 1 : 0] = c;
    for (let q = transmit ? 1 : 0; q < this.queues.length; q += 2) this.queues[q] = c;
  }

  setQueue(queue: number, c: Coalescing): void {
    this.queues[queue] = c;
  }

  ofQueue(queue: number): Coalescing {
    return this.queues[queue];
  }

  /** Publishes what was pushed for `packets` packets; interrupts now, or later. */
  complete(transport: VirtioTransport, q: Virtqueue, packets: number): void {
    const { maxPackets, maxUsecs } = this.queues[q.index];
    // nothing waits: the transport's own order of things
    if (maxUsecs === 0) return transport.flush(q);
    const i = q.index;
    this.packets[i] += packets;
    if (!q.publish() && this.timers[i] === undefined) return;
    if (maxPackets > 0 && this.packets[i] >= maxPackets) return this.notify(transport, q);
    this.timers[i] ??= this.sim.after((maxUsecs * 1000) as Duration, this, i, transport);
  }

  onEvent(queue: number, transport: unknown): void {
    this.timers[queue] = undefined;
    const to = transport as VirtioTransport;
    if (to.running) this.notify(to, to.queues[queue]);
  }

  /** virtio-v1.2 §2.6.1: a queue that was reset has the parameters of its direction, and nothing pending. */
  queueReset(queue: number): void {
    if (queue >= this.queues.length) return;
    this.queues[queue] = this.direction[queue & 1];
    this.forget(queue);
  }

  reset(): void {
    this.direction[0] = this.direction[1] = OFF;
    for (let q = 0; q < this.queues.length; q++) this.queueReset(q);
  }

  private notify(transport: VirtioTransport, q: Virtqueue): void {
    this.forget(q.index);
    transport.interruptQueue(q);
  }

  private forget(queue: number): void {
    this.packets[queue] = 0;
    if (this.timers[queue] !== undefined) this.sim.cancel(this.timers[queue]);
    this.timers[queue] = undefined;
  }
}
