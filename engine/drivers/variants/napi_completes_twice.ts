// virtio_net whose receive poll completes twice when there was nothing to receive.
import type { Napi } from '../../kernel/napi.ts';
import { VirtnetRx } from '../virtio_net/virtnet_rx.ts';

export class NapiCompletesTwice extends VirtnetRx {
  override virtnet_poll(napi: Napi, budget: number): number {
    const received = super.virtnet_poll(napi, budget);
    if (received === 0) this.kernel.net.napi.napi_complete_done(napi, 0);
    return received;
  }
}
