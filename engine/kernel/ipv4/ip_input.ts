// Receiving IPv4: header checks, routing, local delivery, forwarding (Linux: net/ipv4/ip_input.c, ip_forward.c).
import { Errno } from '../../base/errno.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ICMP, ICMP_UNREACH, IPPROTO, IP_DF, IP_MF, IP_OFFSET, IpHdr } from '../../wire/headers.ts';
import type { SkbDropReason } from '../drop_reason.ts';
import type { Kernel } from '../kernel.ts';
import { NET_RX_DROP, type NetDevice } from '../net_device.ts';
import { RTN } from '../rtnl_records.ts';
import { PACKET_HOST, PACKET_OTHERHOST, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_network_offset } from '../skb_inline.ts';
import { IpOptions } from './ip_options.ts';
import { IPSKB } from './ip_output.ts';
import { inDev, ipv4Net } from './ipv4_net.ts';
import { IPSTATS } from './mib.ts';
import { RT_IN, type Rtable } from './route.ts';
import { LL_RESERVED_SPACE } from './arp.ts';

export class IpInput {
  static readonly inlined: readonly string[] = ['dst_input'];
  constructor(readonly kernel: Kernel) {}

  ip_rcv(skb: SkBuff, dev: NetDevice): number {
    const own = this.ip_rcv_core(skb, dev);
    return own === undefined ? NET_RX_DROP : this.ip_rcv_finish(own, dev);
  }

  /** Header checks; undefined when the packet was dropped. */
  ip_rcv_core(given: SkBuff, dev: NetDevice): SkBuff | undefined {
    const { skb: skbs } = this.kernel;
    const { ip } = ipv4Net(dev.net).mib;
    if (given.pkt_type === PACKET_OTHERHOST) {
      dev.core_stats.rx_otherhost_dropped++;
      skbs.kfree_skb_reason(given, 'OTHERHOST');
      return undefined;
    }
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    ip[IPSTATS.InReceives]++;
    ip[IPSTATS.InOctets] += given.len;
    const skb = given.users === 1 ? given : skbs.skb_share_check(given);
    if (skb === undefined) {
      ip[IPSTATS.InDiscards]++;
      return undefined;
    }
    if (!skbs.pskb_may_pull(skb, 20)) return this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_INHDR');
    const { ram } = skbs;
    let at = skb_network_header(skb);
    const first = ram.u8(at);
    const hlen = (first & 15) * 4;
    if (hlen < 20 || first >> 4 !== 4) return this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_INHDR');
    ip[IPSTATS.InNoECTPkts + (ram.u8(at + 1) & 3)]++;
    if (hlen > 20) {
      if (!skbs.pskb_may_pull(skb, hlen)) return this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_INHDR');
      at = skb_network_header(skb);
    }
    if (csumFold(csumPartial(ram, at, hlen)) !== 0) {
      ip[IPSTATS.InCsumErrors]++;
      return this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_CSUM');
    }
    const len = IpHdr.tot_len.get(ram, at);
    if (skb.len < len) return this.bad(skb, ip, IPSTATS.InTruncatedPkts, 'PKT_TOO_SMALL');
    if (len < hlen) return this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_INHDR');
    if (skb.len > len && skbs.pskb_trim_rcsum(skb, len) !== 0) return this.bad(skb, ip, IPSTATS.InDiscards, 'NOMEM');
    skb.transport_header = skb.network_header + hlen;
    skb.cb0 = skb.cb1 = skb.cb2 = skb.cb3 = 0;
    if (skb.sk !== undefined) skbs.skb_orphan(skb);
    return skb;
  }

  private bad(skb: SkBuff, ip: Float64Array, counter: number, reason: SkbDropReason): undefined {
    ip[counter]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return undefined;
  }

  ip_rcv_finish(skb: SkBuff, dev: NetDevice): number {
    const ret = this.ip_rcv_finish_core(skb, dev);
    return ret === NET_RX_DROP ? ret : this.dst_input(skb);
  }

  ip_rcv_finish_core(skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs } = this.kernel;
    const { ram } = skbs;
    const n4 = ipv4Net(dev.net);
    const at = skb_network_header(skb);
    if (skb.dst === undefined) {
      const { route } = this.kernel.ipv4;
      const rt = route.ip_route_input_noref(skb, ram.u32be(at + 16), ram.u32be(at + 12), ram.u8(at + 1) & 0x1c, dev);
      if (rt === undefined) {
        if (route.err === -Errno.EXDEV) n4.mib.rpFilter++;
        skbs.kfree_skb_reason(skb, route.err === -Errno.EXDEV ? 'IP_RPFILTER' : 'NOT_SPECIFIED');
        return NET_RX_DROP;
      }
      skb.dst = rt;
    }
    const rt = skb.dst as Rtable;
    if ((ram.u8(at) & 15) > 5 && this.ip_rcv_options(skb, dev, rt)) return NET_RX_DROP;
    if (rt.rt_type === RTN.MULTICAST) {
      n4.mib.ip[IPSTATS.InMcastPkts]++;
      n4.mib.ip[IPSTATS.InMcastOctets] += skb.len;
    } else if (rt.rt_type === RTN.BROADCAST) {
      n4.mib.ip[IPSTATS.InBcastPkts]++;
      n4.mib.ip[IPSTATS.InBcastOctets] += skb.len;
    } else if ((skb.pkt_type === 1 || skb.pkt_type === 2) && (inDev(dev)?.cnf.drop_unicast_in_l2_multicast ?? 0) !== 0) {
      skbs.kfree_skb_reason(skb, 'UNICAST_IN_L2_MULTICAST');
      return NET_RX_DROP;
    }
    return 0;
  }

  /** Parses and records options in place; true when the packet was dropped. */
  ip_rcv_options(skb: SkBuff, dev: NetDevice, rt: Rtable): boolean {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ip } = ipv4Net(dev.net).mib;
    if (skbs.skb_cow(skb, 0) !== 0) {
      this.bad(skb, ip, IPSTATS.InDiscards, 'NOMEM');
      return true;
    }
    const at = skb_network_header(skb);
    const bytes = new Uint8Array((skbs.ram.u8(at) & 15) * 4 - 20);
    skbs.ram.read(at + 20, bytes, 0, bytes.length);
    const opt = new IpOptions(bytes);
    const daddr = skbs.ram.u32be(at + 16);
    const mine = rt.rt_type === RTN.LOCAL ? daddr : ipv4.devinet.inet_select_addr(dev, skbs.ram.u32be(at + 12), 0);
    const fault = ipv4.options.ip_options_compile(dev.net, opt, mine);
    if (fault >= 0) {
      ipv4.icmp.__icmp_send(skb, ICMP.PARAMETERPROB, 0, (20 + fault) << 24);
      this.bad(skb, ip, IPSTATS.InHdrErrors, 'IP_INHDR');
      return true;
    }
    if (opt.srr >= 0 && (inDev(dev)?.cnf.accept_source_route ?? 0) === 0) {
      skbs.kfree_skb_reason(skb, 'NOT_SPECIFIED');
      return true;
    }
    if (opt.is_changed) {
      skbs.ram.write(at + 20, opt.bytes, 0, opt.bytes.length);
      ipv4.output.ip_send_check(at, 20 + opt.bytes.length);
    }
    return false;
  }

  dst_input(skb: SkBuff): number {
    switch ((skb.dst as Rtable).input) {
      case RT_IN.LOCAL_DELIVER:
        return this.ip_local_deliver(skb);
      case RT_IN.FORWARD:
        return this.ip_forward(skb);
      case RT_IN.ERROR:
        return this.kernel.ipv4.route.ip_error(skb);
      default:
        this.kernel.skb.kfree_skb(skb);
        return 0;
    }
  }

  ip_local_deliver(given: SkBuff): number {
    let skb: SkBuff | undefined = given;
    if ((IpHdr.frag_off.get(this.kernel.skb.ram, skb_network_header(skb)) & (IP_MF | IP_OFFSET)) !== 0) {
      skb = this.kernel.ipv4.frag.ip_defrag(skb);
      if (skb === undefined) return 0;
    }
    return this.ip_local_deliver_finish(skb);
  }

  ip_local_deliver_finish(skb: SkBuff): number {
    __skb_pull(skb, skb.transport_header - skb.network_header + skb_network_offset(skb));
    this.ip_protocol_deliver_rcu(skb, this.kernel.skb.ram.u8(skb_network_header(skb) + 9));
    return 0;
  }

  ip_protocol_deliver_rcu(skb: SkBuff, protocol: number): void {
    const { ipv4, skb: skbs } = this.kernel;
    const { net } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    const raw = n4.raw.length > 0 && ipv4.raw.raw_local_deliver(skb, protocol);
    switch (protocol) {
      case IPPROTO.ICMP:
        n4.mib.ip[IPSTATS.InDelivers]++;
        ipv4.icmp.icmp_rcv(skb);
        return;
      case IPPROTO.TCP:
        n4.mib.ip[IPSTATS.InDelivers]++;
        this.kernel.tcp.v4.tcp_v4_rcv(skb);
        return;
      case IPPROTO.UDP:
        n4.mib.ip[IPSTATS.InDelivers]++;
        ipv4.udp.udp_rcv(skb);
        return;
      case IPPROTO.IGMP:
        n4.mib.ip[IPSTATS.InDelivers]++;
        ipv4.igmp.igmp_rcv(skb);
        return;
      default:
        if (raw) {
          n4.mib.ip[IPSTATS.InDelivers]++;
          skbs.consume_skb(skb);
        } else {
          n4.mib.ip[IPSTATS.InUnknownProtos]++;
          ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, ICMP_UNREACH.PROT, 0);
          skbs.kfree_skb_reason(skb, 'IP_NOPROTO');
        }
    }
  }

  ip_forward(skb: SkBuff): number {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const n4 = ipv4Net(dev.net);
    const rt = skb.dst as Rtable;
    if (skb.pkt_type !== PACKET_HOST || skb.sk !== undefined) {
      skbs.kfree_skb(skb);
      return NET_RX_DROP;
    }
    if (ram.u8(skb_network_header(skb) + 8) <= 1) {
      n4.mib.ip[IPSTATS.InHdrErrors]++;
      ipv4.icmp.__icmp_send(skb, ICMP.TIME_EXCEEDED, 0, 0);
      skbs.kfree_skb_reason(skb, 'IP_INHDR');
      return NET_RX_DROP;
    }
    skb.cb0 |= IPSKB.FORWARDED;
    const mtu = n4.sysctl.ip_forward_use_pmtu !== 0 ? ipv4.route.dst_mtu(rt) : (rt.info?.metrics?.get(2) ?? rt.dev.mtu);
    if (
      skb.len > mtu &&
      !this.kernel.gso.skb_gso_validate_network_len(skb, mtu) &&
      (IpHdr.frag_off.get(ram, skb_network_header(skb)) & IP_DF) !== 0
    ) {
      n4.mib.ip[IPSTATS.FragFails]++;
      ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, ICMP_UNREACH.FRAG_NEEDED, mtu);
      skbs.kfree_skb_reason(skb, 'PKT_TOO_BIG');
      return NET_RX_DROP;
    }
    if (skbs.skb_cow(skb, LL_RESERVED_SPACE(rt.dev)) !== 0) {
      skbs.kfree_skb_reason(skb, 'NOMEM');
      return NET_RX_DROP;
    }
    const at = skb_network_header(skb);
    ram.setU8(at + 8, ram.u8(at + 8) - 1);
    ipv4.output.ip_send_check(at, (ram.u8(at) & 15) * 4);
    if (rt.redirect) ipv4.route.ip_rt_send_redirect(skb);
    this.kernel.charge(this.kernel.platform.costs.ip_layer);
    return this.ip_forward_finish(skb, dev);
  }

  ip_forward_finish(skb: SkBuff, dev: NetDevice): number {
    const { ip } = ipv4Net(dev.net).mib;
    ip[IPSTATS.ForwDatagrams]++;
    ip[IPSTATS.OutOctets] += skb.len;
    skb.tstamp = 0;
    return this.kernel.ipv4.output.dst_output(dev.net, skb);
  }
}
