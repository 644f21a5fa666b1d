// Generic receive offload: the entry point of drivers' polls, and delivery in batches (Linux: net/core/gro.c).
import type { TracePoint } from '../trace/trace.ts';
import { ETH_P } from '../wire/headers.ts';
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import type { SkBuff } from './skbuff.ts';
import { emitRxVerbose } from './dev_rx.ts';
import { NapiGroReceiveEntry, NapiGroReceiveExit } from './tracepoints.ts';

/** enum gro_result */
export const GRO_MERGED = 0;
export const GRO_MERGED_FREE = 1;
export const GRO_HELD = 2;
export const GRO_NORMAL = 3;
/** net.core.gro_normal_batch */
export const GRO_NORMAL_BATCH = 8;

/** A protocol's merging (Linux: struct packet_offload): holds or merges the skb, or answers GRO_NORMAL. */
export interface GroReceiver {
  gro_receive(napi: Napi, skb: SkBuff): number;
  /** A held skb leaves: headers are completed. */
  gro_complete(skb: SkBuff): void;
}

export class Gro {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['gro_normal_list', 'gro_normal_one', 'napi_skb_finish']);
  normal_batch = GRO_NORMAL_BATCH;
  private readonly offloads = new Map<number, GroReceiver>();
  private readonly tpEntry: TracePoint;
  private readonly tpExit: TracePoint;

  constructor(readonly kernel: Kernel) {
    this.tpEntry = kernel.platform.scope.point(NapiGroReceiveEntry);
    this.tpExit = kernel.platform.scope.point(NapiGroReceiveExit);
  }

  /** Merging for an EtherType: none is registered as long as there is no TCP. */
  dev_add_offload(type: (typeof ETH_P)[keyof typeof ETH_P], receiver: GroReceiver): void {
    this.offloads.set(type, receiver);
  }

  /** From a driver's poll. Returns GRO_*. */
  napi_gro_receive(napi: Napi, skb: SkBuff): number {
    if (this.tpEntry.enabled) emitRxVerbose(this.kernel, this.tpEntry, skb, napi.napi_id);
    skb.network_header = skb.data - skb.head;
    const result = this.napi_skb_finish(napi, skb, this.dev_gro_receive(napi, skb));
    if (this.tpExit.enabled) this.tpExit.emit(result);
    return result;
  }

  dev_gro_receive(napi: Napi, skb: SkBuff): number {
    this.kernel.charge(this.kernel.platform.costs.gro);
    if (this.offloads.size === 0) return GRO_NORMAL;
    const receiver = this.offloads.get(skb.protocol);
    return receiver === undefined ? GRO_NORMAL : receiver.gro_receive(napi, skb);
  }

  napi_skb_finish(napi: Napi, skb: SkBuff, result: number): number {
    if (result === GRO_NORMAL) this.gro_normal_one(napi, skb);
    else if (result === GRO_MERGED_FREE) this.kernel.skb.consume_skb(skb);
    return result;
  }

  /** Queues for delivery; a full batch goes up at once. */
  gro_normal_one(napi: Napi, skb: SkBuff): void {
    napi.rx_list.push(skb);
    if (++napi.rx_count >= this.normal_batch) this.gro_normal_list(napi);
  }

  gro_normal_list(napi: Napi): void {
    if (napi.rx_count === 0) return;
    this.kernel.net.rx.netif_receive_skb_list_internal(napi.rx_list);
    napi.rx_count = 0;
  }

  /** What merging held goes up. */
  napi_gro_flush(napi: Napi): void {
    for (const skb of napi.gro_list) {
      this.offloads.get(skb.protocol)?.gro_complete(skb);
      this.gro_normal_one(napi, skb);
    }
    napi.gro_list.length = 0;
  }
}
