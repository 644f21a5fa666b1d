// NAPI: polling instead of interrupts (Linux: net/core/dev.c).
import { InvariantError } from '../base/ops.ts';
import type { Cpu } from '../platform/cpu.ts';
import type { Kernel } from './kernel.ts';
import type { Napi, NapiPoller } from './napi.ts';
import type { NetDevice } from './net_device.ts';

export class NapiCore {

  constructor(readonly kernel: Kernel) {}
  /** Adds a disabled NAPI context; `queue` is the driver's queue number or -1. */
  netif_napi_add(dev: NetDevice, poller: NapiPoller, weight: number, queue: number): Napi;
  netif_napi_add(): Napi {
    throw new InvariantError('not yet');
  }
  netif_napi_del(napi: Napi): void;
  netif_napi_del(): void {
    return;
  }
  napi_enable(napi: Napi): void;
  napi_enable(): void {
    return;
  }
  napi_disable(napi: Napi): void;
  napi_disable(): void {
    return;
  }
  /** True when the caller must now call __napi_schedule. */
  napi_schedule_prep(napi: Napi): boolean;
  napi_schedule_prep(): boolean {
    return false;
  }
  /** Puts it on the running CPU's poll list and raises NET_RX. */
  __napi_schedule(napi: Napi): void;
  __napi_schedule(): void {
    return;
  }
  /** Both of the above. */
  napi_schedule(napi: Napi): void;
  napi_schedule(): void {
    return;
  }
  /** Ends polling; false when it was scheduled again meanwhile (interrupts stay off). */
  napi_complete_done(napi: Napi, work_done: number): boolean;
  napi_complete_done(): boolean {
    return false;
  }
  net_rx_action(cpu: Cpu): void;
  net_rx_action(): void {
    return;
  }
  __napi_poll(napi: Napi): number;
  __napi_poll(): number {
    return 0;
  }
}
