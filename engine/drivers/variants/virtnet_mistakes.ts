// virtio_net with mistakes that drivers of other projects had.
import type { NetDevice } from '../../kernel/net_device.ts';
import type { SkBuff } from '../../kernel/skbuff.ts';
import type { ReceiveQueue } from '../virtio_net/virtnet_info.ts';
import { VirtnetRx } from '../virtio_net/virtnet_rx.ts';
import { VirtnetTx } from '../virtio_net/virtnet_tx.ts';

/** Takes no notice that memory was out: nobody tries again, and an empty ring makes no interrupt that would. */
export class NeverRefillsLater extends VirtnetRx {
  override try_fill_recv(rq: ReceiveQueue): boolean {
    super.try_fill_recv(rq);
    return true;
  }
}

/** Leaves its queue open when the ring is full. */
export class NoBackPressure extends VirtnetTx {
  override start_xmit(skb: SkBuff, dev: NetDevice): number {
    const queue = dev.queues[skb.queue_mapping];
    const answer = super.start_xmit(skb, dev);
    this.kernel.net.xmit.netif_tx_start_queue(queue);
    return answer;
  }
}

/** Takes sent packets back, and leaves the queue stopped. */
export class NeverWakes extends VirtnetTx {
  protected override wakeIfRoom(): void {}
}
