// Generic segmentation offload: what a device can take whole, and cutting what it cannot (Linux: net/core/dev.c, gro.c, net/ipv4/af_inet.c).
import { TcpHdr, UdpHdr } from '../wire/headers.ts';
import { UdpOffload } from './ipv4/udp_offload.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_GSO, type SkBuff } from './skbuff.ts';

const TCP_TYPES = SKB_GSO.TCPV4 | SKB_GSO.TCPV6;

export class Gso {
  static readonly inlined: readonly string[] = Object.freeze(['netif_needs_gso', 'skb_gso_transport_seglen', 'skb_gso_network_seglen']);
  readonly udp: UdpOffload;

  constructor(readonly kernel: Kernel) {
    this.udp = new UdpOffload(kernel);
  }

  /** The device cannot cut this packet itself. */
  netif_needs_gso(skb: SkBuff, dev: NetDevice): boolean {
    const { skb: skbs } = this.kernel;
    const size = skbs.gso_size(skb);
    if (size === 0) return false;
    const type = skbs.gso_type(skb);
    if ((type & ~SKB_GSO.DODGY & ~dev.gsoTypes) !== 0 || (skb.frag_list !== undefined && !dev.hwFraglist)) return true;
    if (skb.ip_summed !== CHECKSUM_PARTIAL && skb.ip_summed !== CHECKSUM_UNNECESSARY) return true;
    if (skbs.gso_segs(skb) > dev.gso_max_segs || skb.len >= dev.gso_max_size) return true;
    if ((type & ~dev.gsoTypes) !== 0) {
      // from somebody who is not trusted: the segments are counted anew, and the packet goes whole
      const headers = this.transportAt(skb) - skb.data + this.skb_gso_transport_seglen(skb) - size;
      skbs.setGso(skb, type, size, Math.ceil((skb.len - headers) / size));
    }
    return false;
  }

  /** A chain of segments, each with headers of its own; undefined when memory is out or the packet is malformed. The packet stays the caller's. */
  skb_gso_segment(skb: SkBuff, sg: boolean, csum: boolean): SkBuff | undefined {
    const { skb: skbs, tcp } = this.kernel;
    skb.transport_header = this.transportAt(skb) - skb.head;
    const type = skbs.gso_type(skb);
    if ((type & SKB_GSO.FRAGLIST) !== 0) return this.udp.udp_gso_segment_list(skb);
    if ((type & SKB_GSO.UDP_L4) !== 0) return this.udp.udp_gso_segment(skb, sg, csum);
    if ((type & SKB_GSO.UDP) !== 0) return this.udp.udp4_ufo_fragment(skb);
    return tcp.offload.tcp_gso_segment(skb, sg, csum);
  }

  /** Bytes of one segment from its transport header on. */
  skb_gso_transport_seglen(skb: SkBuff): number {
    const { skb: skbs } = this.kernel;
    const size = skbs.gso_size(skb);
    const type = skbs.gso_type(skb);
    if ((type & TCP_TYPES) !== 0) return size + (TcpHdr.doff_flags.get(skbs.ram, this.transportAt(skb)) >> 12) * 4;
    return (type & SKB_GSO.UDP_L4) !== 0 ? size + UdpHdr.$size : size;
  }
  /** And from its network header on: what a path's MTU is held against. */
  skb_gso_network_seglen(skb: SkBuff): number {
    return this.transportAt(skb) - (skb.head + skb.network_header) + this.skb_gso_transport_seglen(skb);
  }

  /** A packet of segments of which each fits. */
  skb_gso_validate_network_len(skb: SkBuff, mtu: number): boolean {
    return this.kernel.skb.gso_size(skb) !== 0 && this.skb_gso_network_seglen(skb) <= mtu;
  }

  /** By the network header: on the way through a bridge or a qdisc nobody has looked further. */
  private transportAt(skb: SkBuff): number {
    const { ram } = this.kernel.skb;
    const n = skb.head + skb.network_header;
    return n + (ram.u8(n) >> 4 === 6 ? 40 : (ram.u8(n) & 15) * 4);
  }
}
