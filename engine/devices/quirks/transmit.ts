// Transmit sides of virtio-net that stop when they should not, with the mistakes of other projects' devices.
import type { Duration } from '../../base/units.ts';
import { NetCoalescing } from '../net_coalesce.ts';
import { NetTx } from '../net_tx.ts';
import type { VirtioTransport } from '../virtio_device.ts';
import type { Virtqueue } from '../virtqueue.ts';

/** Publishes used transmit buffers and never tells the driver, whatever it asked for. */
export class NoTransmitInterrupt extends NetCoalescing {
  override complete(transport: VirtioTransport, q: Virtqueue, packets: number): void {
    if ((q.index & 1) === 0) super.complete(transport, q, packets);
    else q.publish();
  }
}

/** How long a user process may be off its processor between finding the ring empty and asking for doorbells, ns. */
const PREEMPTED = 2_000_000 as Duration;
const OP_ASK = 1;

/** Asks for doorbells a moment after it found the ring empty, and does not look once more (virtio-v1.2 §2.7.10 is why it must). */
export class NoSecondLook extends NetTx {
  protected override ranEmpty(q: Virtqueue, pair: number): void {
    this.stop(pair);
    this.nic.sim.after(PREEMPTED, this, OP_ASK, q);
  }

  override onEvent(op: number, queue?: unknown): void {
    if (op === OP_ASK) (queue as Virtqueue).setNotifications(true);
    else super.onEvent();
  }
}

/** Time on the wire of what the host's socket buffer takes, ns. */
const SOCKET_BUFFER = 300_000;

/** Writes to a socket that may say EAGAIN; then the packet goes back to the ring, and only a doorbell makes the device try again. */
export class NoRetry extends NetTx {
  private wireFree = 0;

  protected override sendOrWait(q: Virtqueue, pair: number): number {
    const { now } = this.nic.sim;
    if (this.wireFree - now > SOCKET_BUFFER) {
      q.unpop(1);
      q.setNotifications(true);
      this.stop(pair);
      return now;
    }
    this.wireFree = this.send(q, pair);
    return now + this.nic.timing.frame;
  }
}
