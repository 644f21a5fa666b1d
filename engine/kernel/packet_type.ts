// Receivers of packets by EtherType, and taps that see everything (Linux: struct packet_type).
import type { NetDevice } from './net_device.ts';
import type { Net } from './net_namespace.ts';
import type { SkBuff } from './skbuff.ts';

/** Consumes one reference of the skb. */
export interface PacketHandler {
  packet_rcv(skb: SkBuff, dev: NetDevice, pt: PacketType, orig_dev: NetDevice): number;
}

export class PacketType {
  /** Taps: do not show this socket its own packets; show outgoing ones (PACKET_OUTGOING). */
  ignore_outgoing = false;
  constructor(
    /** EtherType, or ETH_P.ALL for a tap. */
    readonly type: number,
    readonly handler: PacketHandler,
    /** Only from this device. */
    readonly dev?: NetDevice,
    /** Only in this namespace (taps). */
    readonly net?: Net,
  ) {}
}
