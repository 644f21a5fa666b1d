// virtio_net that clears the memory its NAPI instances are in, after it has added them.
import type { Kernel } from '../../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../../kernel/napi.ts';
import { VirtnetVqs } from '../virtio_net/virtnet_vqs.ts';

export class NapiWiped extends VirtnetVqs {
  override virtnet_alloc_queues(): number {
    const err = super.virtnet_alloc_queues();
    for (const { napi } of this.vi.rq) {
      // all zeros: no state, that is neither disabled nor scheduled; no poll function
      napi.disabled = napi.sched = false;
      napi.poller = new NullPoll(this.kernel);
    }
    return err;
  }
}

/** A call through a null pointer. Linux dies of it; here it is logged, and nothing was polled. */
class NullPoll implements NapiPoller {
  constructor(private readonly kernel: Kernel) {}

  poll(_napi: Napi, _budget: number): number {
    this.kernel.printk.pr_alert('BUG: kernel NULL pointer dereference, address: 0000000000000000');
    return 0;
  }
}
