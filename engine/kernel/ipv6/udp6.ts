// UDP over IPv6 (Linux: net/ipv6/udp.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial, pseudoHeaderSum6 } from '../../wire/checksum.ts';
import { ICMPV6, IPPROTO, UdpHdr } from '../../wire/headers.ts';
import { v4number } from '../ipv4/arp.ts';
import type { InetSock, Ipv6Pinfo } from '../ipv4/inet_sock.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { UDPSTATS } from '../ipv4/mib.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import { NETIF_F } from '../netdev_features.ts';
import type { SkbDropReason } from '../drop_reason.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_GSO, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { IP_PMTUDISC, SO_EE_ORIGIN, type SendControl, type SockAddrIn, type SockAddrIn6 } from '../sock.ts';
import { icmpv6_err_convert } from './icmp6.ts';
import { eq6, isAny6, isMapped6, isMulticast6, needsScopeId6 } from './in6.ts';

export class Udp6 {
  constructor(readonly kernel: Kernel) {}

  udpv6_sendmsg(
    sk: InetSock,
    v6: Ipv6Pinfo,
    data: Uint8Array,
    addr: SockAddrIn | SockAddrIn6 | undefined,
    control: SendControl | undefined,
  ): number {
    const { ipv4, ipv6, skb: skbs } = this.kernel;
    if (addr?.family === 2 || (addr?.family === 10 && isMapped6(addr.addr))) {
      if (v6.v6only) return -Errno.ENETUNREACH;
      return ipv4.udp.udp_sendmsg(sk, data, v4number(addr.addr.subarray(addr.addr.length - 4)), addr.port, control);
    }
    if (addr === undefined && v6.daddr !== undefined && isMapped6(v6.daddr))
      return ipv4.udp.udp_sendmsg(sk, data, sk.daddr, sk.dport, control);
    if (data.length > 0xffff - 8) return -Errno.EMSGSIZE;
    const dport = addr?.port ?? sk.dport;
    if (dport === 0) return -Errno.EINVAL;
    if (sk.num === 0) {
      const err = ipv4.udp.udp_v4_get_port(sk, 0);
      if (err < 0) return err;
    }
    const s = ipv6.sockets.prepare6(sk, v6, addr, control);
    if (typeof s === 'number') return s;
    const err = sk.gsoSize > 0 ? 0 : ipv6.sockets.checkLength(sk, v6, s, data.length + 8);
    if (err < 0) return err;
    if (!sk.hasRoom()) return -Errno.EAGAIN;
    this.kernel.charge(this.kernel.platform.costs.transport);
    const skb = ipv6.sockets.ip6_make_skb(sk, s, IPPROTO.UDP, 8, data);
    if (skb === undefined) return -Errno.ENOBUFS;
    const offloads = (s.rt.dev.features & (NETIF_F.HW_CSUM | NETIF_F.IPV6_CSUM)) !== 0n;
    if (sk.gsoSize > 0) {
      const refused = ipv4.udp.setSegments(sk, skb, data.length, ipv6.fib.ip6_mtu(s.rt), offloads);
      if (refused < 0) return refused;
    }
    const { ram } = skbs;
    const uh = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    const len = data.length + 8;
    ram.setU32be(uh, (sk.num << 16) | dport);
    ram.setU32be(uh + 4, len << 16);
    const pseudo = pseudoHeaderSum6(ram, iph + 8, iph + 24, IPPROTO.UDP, len);
    if (offloads && (sk.gsoSize > 0 || skb.len <= ipv6.fib.ip6_mtu(s.rt))) {
      skb.ip_summed = CHECKSUM_PARTIAL;
      skb.csum_start = skb.transport_header;
      skb.csum_offset = UdpHdr.check.offset;
      ram.setU16be(uh + 6, ~csumFold(pseudo) & 0xffff);
    } else {
      const sum = csumFold(csumPartial(ram, uh, len, pseudo));
      ram.setU16be(uh + 6, sum === 0 ? 0xffff : sum);
      this.kernel.charge(((len + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    }
    const sent = ipv6.output.ip6_send_skb(sk.net, skb);
    if (sent < 0) return sent;
    ipv4Net(sk.net).mib.udp6[UDPSTATS.OutDatagrams]++;
    return data.length;
  }

  udpv6_rcv(skb: SkBuff): number {
    const { skb: skbs, ipv6 } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const { udp6 } = ipv4Net(dev.net).mib;
    this.kernel.charge(this.kernel.platform.costs.transport);
    if (!skbs.pskb_may_pull(skb, 8)) return this.drop(udp6, skb, 'NOT_SPECIFIED');
    const uh = skb_transport_header(skb);
    const iph = skb_network_header(skb);
    const ulen = UdpHdr.len.get(ram, uh);
    if (ulen > skb.len || ulen < 8 || (ulen < skb.len && skbs.pskb_trim_rcsum(skb, ulen) !== 0))
      return this.drop(udp6, skb, 'PKT_TOO_SMALL');
    const given = skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL;
    if (!given) {
      const pseudo = pseudoHeaderSum6(ram, iph + 8, iph + 24, IPPROTO.UDP, ulen);
      const complete = skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum + pseudo) === 0;
      // RFC 8200 §8.1: a zero checksum is an error
      if (ram.u16be(uh + 6) === 0 || (!complete && csumFold(skbs.skb_checksum(skb, 0, ulen, pseudo)) !== 0)) {
        udp6[UDPSTATS.InCsumErrors]++;
        return this.drop(udp6, skb, 'UDP_CSUM');
      }
    }
    const saddr = ipv6.icmp.readAddr(iph + 8);
    const daddr = ipv6.icmp.readAddr(iph + 24);
    const matching = this.lookup(dev, saddr, ram.u16be(uh), daddr, ram.u16be(uh + 2), skb.skb_iif);
    if (isMulticast6(daddr) && matching.length > 1) {
      __skb_pull(skb, 8);
      for (const sk of matching.slice(1)) {
        const copy = skbs.skb_clone(skb);
        if (copy !== undefined) this.queue(udp6, sk, copy);
      }
      this.queue(udp6, matching[0], skb);
      return 0;
    }
    const best = matching.at(0);
    if (best !== undefined) {
      __skb_pull(skb, 8);
      this.queue(udp6, best, skb);
      return 0;
    }
    udp6[UDPSTATS.NoPorts]++;
    ipv6.icmp.icmp6_send(skb, ICMPV6.DEST_UNREACH, 4, 0);
    skbs.kfree_skb_reason(skb, 'NO_SOCKET');
    return 0;
  }

  private drop(udp6: Float64Array, skb: SkBuff, reason: SkbDropReason): number {
    udp6[UDPSTATS.InErrors]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return 0;
  }

  private queue(udp6: Float64Array, sk: InetSock, skb: SkBuff): void {
    const { skb: skbs, gso } = this.kernel;
    if (skbs.gso_size(skb) === 0 || (sk.udpGro && (skbs.gso_type(skb) & SKB_GSO.FRAGLIST) === 0)) {
      this.queueOne(udp6, sk, skb);
      return;
    }
    for (let s = gso.udp.udp_rcv_segment(skb); s !== undefined;) {
      const { next }: SkBuff = s;
      s.next = undefined;
      this.queueOne(udp6, sk, s);
      s = next;
    }
  }
  private queueOne(udp6: Float64Array, sk: InetSock, skb: SkBuff): void {
    if (this.kernel.sockets.sock_queue_rcv_skb(sk, skb) === 0) return;
    udp6[UDPSTATS.RcvbufErrors]++;
    udp6[UDPSTATS.InErrors]++;
  }

  /** Sockets that take a datagram, best first: connected, then bound to the address, then any. */
  lookup(dev: NetDevice, saddr: Uint8Array, sport: number, daddr: Uint8Array, dport: number, iif: number): InetSock[] {
    const scored: [number, InetSock][] = [];
    for (const sk of ipv4Net(dev.net).udp.get(dport) ?? []) {
      const { v6 } = sk;
      if (v6 === undefined) continue;
      let score = 1;
      if (!isAny6(v6.rcv_saddr)) {
        if (!eq6(v6.rcv_saddr, daddr)) continue;
        score += 4;
      }
      if (v6.daddr !== undefined) {
        if (!eq6(v6.daddr, saddr) || sk.dport !== sport) continue;
        score += 8;
      }
      if (sk.bound_dev_if !== 0) {
        if (sk.bound_dev_if !== iif && sk.bound_dev_if !== dev.ifindex) continue;
        score += 4;
      }
      scored.push([score, sk]);
    }
    return scored.sort((a, b) => b[0] - a[0]).map(([, sk]) => sk);
  }

  udpv6_err(skb: SkBuff, inner: Gpa, uh: Gpa, type: number, code: number, info: number): void {
    const { skb: skbs, ipv6, sockets } = this.kernel;
    const { ram } = skbs;
    const dev = skb.dev as NetDevice;
    const daddr = ipv6.icmp.readAddr(inner + 24);
    const sk = this.lookup(dev, daddr, ram.u16be(uh + 2), ipv6.icmp.readAddr(inner + 8), ram.u16be(uh), skb.skb_iif).at(0);
    if (sk?.v6 === undefined) return;
    const [err, fatal] = icmpv6_err_convert(type, code);
    const hard = type === ICMPV6.PKT_TOOBIG ? sk.v6.pmtudisc !== IP_PMTUDISC.DONT : fatal;
    if (!sk.v6.recverr) {
      if (!hard || !sk.connected) return;
    } else {
      const from = ipv6.icmp.readAddr(skb_network_header(skb) + 8);
      sockets.queueError(
        sk,
        skb,
        (uh + 8) as Gpa,
        {
          ee_errno: err,
          ee_origin: SO_EE_ORIGIN.ICMP6,
          ee_type: type,
          ee_code: code,
          ee_info: info,
          offender: { family: 10, addr: from, port: 0, scope_id: needsScopeId6(from) ? skb.skb_iif : 0 },
        },
        { family: 10, addr: daddr, port: ram.u16be(uh + 2), scope_id: 0 },
      );
    }
    sk.err = err;
    sockets.sk_error_report(sk);
  }
}
