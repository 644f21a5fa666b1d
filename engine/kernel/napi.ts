// struct napi_struct.
import type { NetDevice } from './net_device.ts';
import type { SimEvent } from '../sim/sim.ts';
import type { SkBuff } from './skbuff.ts';

/** Driver's poll: returns work done (≤ budget). An object with the method, so that it can be traced. */
export interface NapiPoller {
  poll(napi: Napi, budget: number): number;
}

export const NAPI_POLL_WEIGHT = 64;

export class Napi {
  /** NAPIF_STATE_SCHED, MISSED, DISABLE */
  sched = false;
  missed = false;
  disabled = true;
  onList = false;
  /** Polled by a thread (Linux: NAPI_STATE_THREADED); the thread lives on when it is switched off. */
  threaded = false;
  hasThread = false;
  queuedToThread = false;
  /** CPU that scheduled it last. */
  lastCpu = -1;
  /** Linux: napi_id, 0 for a transmit context. */
  napi_id = 0;
  /** Polls without work to go until interrupts come back, and the timer that polls meanwhile. */
  defer_hard_irqs_count = 0;
  watchdog: SimEvent | undefined;
  /** CPU whose poll list it is on, -1 otherwise. */
  cpu = -1;
  rx_count = 0;
  /** Packets of this poll that GRO did not hold, delivered in batches. */
  readonly rx_list: SkBuff[] = [];
  /** skbs merged so far by GRO, waiting for more. */
  readonly gro_list: SkBuff[] = [];
  polls = 0;
  /** What was done to it last and when, kept while the contract checker is on. */
  lastEvent = '';
  lastEventAt = 0;
  constructor(
    readonly id: number,
    readonly dev: NetDevice,
    public poller: NapiPoller,
    readonly weight: number,
    /** Driver's queue number, -1 when not per queue. */
    readonly queue: number,
  ) {}
}
