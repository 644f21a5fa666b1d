// The receive path: from a driver or the backlog to the protocols and taps (Linux: net/core/dev.c).
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import type { NetDevice } from './net_device.ts';
import type { PacketType } from './packet_type.ts';
import type { SkBuff } from './skbuff.ts';

/** A row of /proc/net/softnet_stat, by its columns' kernel names. */
export interface SoftnetStat {
  readonly cpu: number;
  processed: number;
  dropped: number;
  time_squeeze: number;
  received_rps: number;
  flow_limit_count: number;
  backlog_len: number;
}

export class DevRx {

  softnetStats(): SoftnetStat[] {
    return [];
  }
  constructor(readonly kernel: Kernel) {}
  /** Protocol receiver or tap (type ETH_P.ALL). */
  dev_add_pack(pt: PacketType): void;
  dev_add_pack(): void {
    return;
  }
  dev_remove_pack(pt: PacketType): void;
  dev_remove_pack(): void {
    return;
  }
  /** A packet from a driver without NAPI, or from software: into this CPU's backlog. NET_RX_SUCCESS or NET_RX_DROP. */
  netif_rx(skb: SkBuff): number;
  netif_rx(): number {
    return 0;
  }
  enqueue_to_backlog(skb: SkBuff, cpu: number): number;
  enqueue_to_backlog(): number {
    return 0;
  }
  process_backlog(napi: Napi, budget: number): number;
  process_backlog(): number {
    return 0;
  }
  /** A packet in softirq context, straight to the protocols. */
  netif_receive_skb(skb: SkBuff): number;
  netif_receive_skb(): number {
    return 0;
  }
  __netif_receive_skb_core(skb: SkBuff): number;
  __netif_receive_skb_core(): number {
    return 0;
  }
  /** Somebody taps packets. */
  dev_nit_active(dev: NetDevice): boolean;
  dev_nit_active(): boolean {
    return false;
  }
}
