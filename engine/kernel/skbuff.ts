// struct sk_buff and skb_shared_info: packet data, headroom and fragments are bytes in RAM; the descriptor is a small object.
import { le16, le32, struct, u8 } from '../base/layout.ts';
import type { Gpa } from '../base/units.ts';
import type { TcpSkbCb } from './ipv4/tcp_skb.ts';
import type { NetDevice } from './net_device.ts';

/** Linux: include/linux/skbuff.h, ip_summed */
export const CHECKSUM_NONE = 0;
export const CHECKSUM_UNNECESSARY = 1;
export const CHECKSUM_COMPLETE = 2;
export const CHECKSUM_PARTIAL = 3;

/** Linux: include/uapi/linux/if_packet.h */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
export const PACKET_LOOPBACK = 5;

export const MAX_SKB_FRAGS = 17;
/** Linux: NET_SKB_PAD on x86 (64) */
export const NET_SKB_PAD = 64;

/** At `skb.end` in RAM, as in Linux: who shares the data, and the page fragments. Frag i is at $size + i * SkbFrag.$size. */
export const SkbSharedInfo = struct('skb_shared_info', {
  nr_frags: u8('Number of page fragments.'),
  tx_flags: u8('Transmit flags.'),
  gso_size: le16('Payload bytes per segment, 0 when not GSO.'),
  gso_segs: le16('Number of segments.'),
  pad: le16('Alignment.'),
  gso_type: le32('SKB_GSO_* bits.'),
  dataref: le32('References to the data area.'),
});
export const SkbFrag = struct('skb_frag', {
  page: le32('Guest-physical address of the fragment.'),
  size: le32('Bytes.'),
});
export const SHARED_INFO_SIZE = SkbSharedInfo.$size + MAX_SKB_FRAGS * SkbFrag.$size;

/** skb_shared_info.gso_type (Linux: include/linux/skbuff.h, SKB_GSO_*) */
export const SKB_GSO = {
  TCPV4: 1 << 0,
  DODGY: 1 << 1,
  TCP_ECN: 1 << 2,
  TCP_FIXEDID: 1 << 3,
  TCPV6: 1 << 4,
  UDP: 1 << 16,
  UDP_L4: 1 << 17,
  FRAGLIST: 1 << 18,
} as const;

/** How a data area was obtained, and so how it is freed. */
export const HEAD_KMALLOC = 0;
export const HEAD_FRAG = 1;

/**
 * ```
 *  head        data            tail          end
 *   │ headroom  │ packet (linear)│ tailroom   │ skb_shared_info │
 * ```
 * All four are guest-physical addresses; header offsets are from `head`, -1 when unset.
 */
export class SkBuff {
  /** World-unique; the packet's identity in traces. */
  id = 0;
  /** The skb this one was made from (clone, segment, merge, or the sender's over a veth), 0 for none. */
  parent = 0;
  head = 0 as Gpa;
  data = 0 as Gpa;
  tail = 0 as Gpa;
  end = 0 as Gpa;
  /** All bytes, and those of them in fragments. */
  len = 0;
  data_len = 0;
  truesize = 0;
  users = 1;
  /** When it was freed, and whose device it was on then, kept while the contract checker is on. */
  freedAt = 0;
  freedDev: NetDevice | undefined;
  cloned = false;
  headKind = HEAD_KMALLOC;
  mac_header = -1;
  network_header = -1;
  transport_header = -1;
  protocol = 0;
  pkt_type = PACKET_HOST;
  ip_summed = CHECKSUM_NONE;
  /** CHECKSUM_PARTIAL: where summing starts (offset from head) and where the result goes (offset from there). */
  csum_start = 0;
  csum_offset = 0;
  /** CHECKSUM_COMPLETE: the sum of everything from data. */
  csum = 0;
  queue_mapping = 0;
  priority = 0;
  mark = 0;
  /** 802.1Q tag that is not in the data: its EtherType (0: none) and its TCI. */
  vlan_proto = 0;
  vlan_tci = 0;
  hash = 0;
  skb_iif = 0;
  tstamp = 0;
  dev: NetDevice | undefined;
  /** Owning socket for write-memory accounting; its `sock_wfree` runs when the skb is freed. */
  sk: SkbOwner | undefined;
  next: SkBuff | undefined;
  /** skb_shared_info.frag_list */
  frag_list: SkBuff | undefined;
  /** Route attached by the IP layer. */
  dst: object | undefined;
  /** Control block: a few numbers private to the layer that holds the skb. */
  cb0 = 0;
  cb1 = 0;
  cb2 = 0;
  cb3 = 0;
  /** TCP's control block, made when TCP first holds this descriptor and then kept with it. */
  tcb: TcpSkbCb | undefined;
  /** Bytes and packets on the wire, headers of all segments included (Linux: qdisc_skb_cb.pkt_len); set on the way into a qdisc. */
  pkt_len = 0;
  pkt_segs = 1;
}

export interface SkbOwner {
  sock_wfree(skb: SkBuff): void;
  /** Receive queue its packets come from, -1 when none is known (Linux: sk_rx_queue_mapping). */
  readonly rxQueue?: number;
}

/** FIFO of skbs (Linux: struct sk_buff_head). A ring rather than links: a clone of the world must not recurse along a queue. */
export class SkBuffHead {
  private ring: (SkBuff | undefined)[] = [];
  private head = 0;
  qlen = 0;

  get first(): SkBuff | undefined {
    return this.qlen === 0 ? undefined : this.ring[this.head];
  }
  get last(): SkBuff | undefined {
    return this.at(this.qlen - 1);
  }
  /** The i-th from the front. */
  at(i: number): SkBuff | undefined {
    return i < 0 || i >= this.qlen ? undefined : this.ring[(this.head + i) & (this.ring.length - 1)];
  }

  push(skb: SkBuff): void {
    if (this.qlen === this.ring.length) this.grow();
    this.ring[(this.head + this.qlen) & (this.ring.length - 1)] = skb;
    this.qlen++;
  }
  unshift(skb: SkBuff): void {
    if (this.qlen === this.ring.length) this.grow();
    this.head = (this.head - 1) & (this.ring.length - 1);
    this.ring[this.head] = skb;
    this.qlen++;
  }
  shift(): SkBuff | undefined {
    if (this.qlen === 0) return undefined;
    const skb = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.qlen--;
    return skb;
  }

  /** From the back. */
  pop(): SkBuff | undefined {
    if (this.qlen === 0) return undefined;
    const at = (this.head + this.qlen - 1) & (this.ring.length - 1);
    const skb = this.ring[at];
    this.ring[at] = undefined;
    this.qlen--;
    return skb;
  }

  /** Power-of-two capacity, entries moved to its start. */
  private grow(): void {
    const ring = new Array<SkBuff | undefined>(Math.max(8, this.ring.length * 2)).fill(undefined);
    for (let i = 0; i < this.qlen; i++) ring[i] = this.at(i);
    this.ring = ring;
    this.head = 0;
  }
}
