// UDP over IPv4 (Linux: net/ipv4/udp.c; RFC 768).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial, pseudoHeaderSum } from '../../wire/checksum.ts';
import { ICMP, ICMP_UNREACH, IPPROTO, IpHdr, UdpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import { NETIF_F } from '../netdev_features.ts';
import { RTCF } from '../rtnl_records.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_GSO, type SkBuff } from '../skbuff.ts';
import { __skb_pull, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { type SendControl } from '../sock.ts';
import { v4bytes } from './arp.ts';
import { datagramError } from './datagram_error.ts';
import type { InetSock } from './inet_sock.ts';
import type { IpSend } from './ip_output.ts';
import { ipv4Net, type Ipv4Net } from './ipv4_net.ts';
import { UDPSTATS } from './mib.ts';
import type { Rtable } from './route.ts';

/** Datagrams in one send (Linux: UDP_MAX_SEGMENTS) */
const UDP_MAX_SEGMENTS = 64;

export class Udp {
  constructor(readonly kernel: Kernel) {}

  /** Binds to `port`, or to a free one (0); 0 or -EADDRINUSE. */
  udp_v4_get_port(sk: InetSock, port: number): number {
    const n4 = ipv4Net(sk.net);
    let chosen = port;
    if (chosen === 0) {
      const range = n4.portMax - n4.portMin + 1;
      const start = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:udp_port`).below(range);
      for (let i = 0; i < range && chosen === 0; i++) {
        const candidate = n4.portMin + ((start + i) % range);
        if (!n4.udp.has(candidate)) chosen = candidate;
      }
      if (chosen === 0) return -Errno.EADDRINUSE;
    } else if (n4.udp.get(chosen)?.some((other) => this.inet_rcv_saddr_equal(sk, other)) === true) return -Errno.EADDRINUSE;
    sk.num = chosen;
    const list = n4.udp.get(chosen);
    if (list === undefined) n4.udp.set(chosen, [sk]);
    else list.push(sk);
    return 0;
  }

  /** Do two sockets on one port collide? */
  private inet_rcv_saddr_equal(a: InetSock, b: InetSock): boolean {
    if (a === b || (a.reuse && b.reuse) || (a.reuseport && b.reuseport)) return false;
    if (a.bound_dev_if !== 0 && b.bound_dev_if !== 0 && a.bound_dev_if !== b.bound_dev_if) return false;
    if (a.family !== b.family && (a.v6?.v6only === true || b.v6?.v6only === true)) return false;
    if (a.family === 10 && b.family === 10 && a.v6 !== undefined && b.v6 !== undefined) {
      const any = (x: Uint8Array): boolean => x.every((v) => v === 0);
      return any(a.v6.rcv_saddr) || any(b.v6.rcv_saddr) || a.v6.rcv_saddr.every((v, i) => v === b.v6?.rcv_saddr[i]);
    }
    return a.rcv_saddr === 0 || b.rcv_saddr === 0 || a.rcv_saddr === b.rcv_saddr;
  }

  udp_lib_unhash(sk: InetSock): void {
    const { udp } = ipv4Net(sk.net);
    const list = udp.get(sk.num);
    if (list === undefined) return;
    const at = list.indexOf(sk);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) udp.delete(sk.num);
  }

  udp_sendmsg(sk: InetSock, data: Uint8Array, daddr: number, dport: number, control: SendControl | undefined): number {
    const { ipv4 } = this.kernel;
    if (data.length > 0xffff) return -Errno.EMSGSIZE;
    if (dport === 0) return -Errno.EINVAL;
    if (sk.num === 0) {
      const err = this.udp_v4_get_port(sk, 0);
      if (err < 0) return err;
    }
    const err = ipv4.common.prepare4(sk, daddr, IPPROTO.UDP, control, dport);
    if (err < 0) return err;
    const s = ipv4.common.send;
    this.kernel.charge(this.kernel.platform.costs.transport);
    // segments of a large send are what the path's MTU is held against, later
    const fits = sk.gsoSize > 0 ? ipv4.route.dst_mtu(s.rt) : ipv4.output.checkLength(s, data.length + 8);
    if (fits < 0) {
      this.kernel.sockets.ip_local_error(sk, Errno.EMSGSIZE, { family: 2, addr: v4bytes(daddr), port: dport }, ipv4.route.dst_mtu(s.rt));
      return fits;
    }
    if (!sk.hasRoom()) return -Errno.EAGAIN;
    const skb = ipv4.output.ip_make_skb(s, 8, data);
    if (skb === undefined) return -Errno.ENOBUFS;
    if (sk.gsoSize > 0) {
      const offloads = s.opt === undefined && (s.rt.dev.features & (NETIF_F.HW_CSUM | NETIF_F.IP_CSUM)) !== 0n;
      const err = this.setSegments(sk, skb, data.length, fits, offloads);
      if (err < 0) return err;
    }
    return this.udp_send_skb(sk, s, skb, data.length, dport);
  }

  /** UDP_SEGMENT: marks a send to be cut; 0, or a negative errno after freeing it. `mtu`: of the path; `offloads`: the device sums. */
  setSegments(sk: InetSock, skb: SkBuff, length: number, mtu: number, offloads: boolean): number {
    const { skb: skbs } = this.kernel;
    const { gsoSize } = sk;
    const headers = skb.transport_header - skb.network_header + UdpHdr.$size;
    let err = 0;
    if (headers + gsoSize > mtu || length > gsoSize * UDP_MAX_SEGMENTS || sk.no_check_tx) err = -Errno.EINVAL;
    else if (!offloads) err = -Errno.EIO;
    if (err < 0) skbs.kfree_skb(skb);
    else if (length > gsoSize) skbs.setGso(skb, SKB_GSO.UDP_L4, gsoSize, Math.ceil(length / gsoSize));
    return err;
  }

  udp_send_skb(sk: InetSock, s: IpSend, skb: SkBuff, length: number, dport: number): number {
    const { ipv4, skb: skbs } = this.kernel;
    const { ram } = skbs;
    const { mib } = ipv4Net(sk.net);
    const uh = skb_transport_header(skb);
    const len = length + 8;
    ram.setU32be(uh, (sk.num << 16) | dport);
    ram.setU32be(uh + 4, len << 16);
    if (!sk.no_check_tx) {
      const pseudo = pseudoHeaderSum(s.saddr, s.daddr, IPPROTO.UDP, len);
      if (sk.gsoSize > 0 || ipv4.output.mayOffloadCsum(s, skb.len)) {
        skb.ip_summed = CHECKSUM_PARTIAL;
        skb.csum_start = skb.transport_header;
        skb.csum_offset = UdpHdr.check.offset;
        ram.setU16be(uh + 6, ~csumFold(pseudo) & 0xffff);
      } else {
        const sum = csumFold(csumPartial(ram, uh, len, pseudo));
        this.kernel.charge(((len + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
        ram.setU16be(uh + 6, sum === 0 ? 0xffff : sum);
      }
    }
    const err = ipv4.output.ip_send_skb(sk.net, skb);
    if (err < 0) {
      if (err !== -Errno.ENOBUFS || sk.recverr) return err;
      mib.udp[UDPSTATS.SndbufErrors]++;
      return length;
    }
    mib.udp[UDPSTATS.OutDatagrams]++;
    return length;
  }

  udp_rcv(skb: SkBuff): number {
    const { skb: skbs, ipv4 } = this.kernel;
    const { ram } = skbs;
    const { net, ifindex } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    this.kernel.charge(this.kernel.platform.costs.transport);
    if (!skbs.pskb_may_pull(skb, 8)) return this.drop(n4, skb, 'NOT_SPECIFIED');
    const uh = skb_transport_header(skb);
    const ulen = UdpHdr.len.get(ram, uh);
    if (ulen > skb.len || ulen < 8 || (ulen < skb.len && skbs.pskb_trim_rcsum(skb, ulen) !== 0)) return this.drop(n4, skb, 'PKT_TOO_SMALL');
    const iph = skb_network_header(skb);
    const saddr = ram.u32be(iph + 12);
    const daddr = ram.u32be(iph + 16);
    if (!this.checksumOk(skb, uh, ulen, saddr, daddr)) {
      n4.mib.udp[UDPSTATS.InCsumErrors]++;
      return this.drop(n4, skb, 'UDP_CSUM');
    }
    const sport = ram.u16be(uh);
    const dport = ram.u16be(uh + 2);
    if (((skb.dst as Rtable).rt_flags & (RTCF.BROADCAST | RTCF.MULTICAST)) !== 0)
      return this.__udp4_lib_mcast_deliver(n4, skb, saddr, sport, daddr, dport, ifindex);
    const sk = this.__udp4_lib_lookup(n4, saddr, sport, daddr, dport, ifindex);
    if (sk !== undefined) {
      __skb_pull(skb, 8);
      this.udp_queue_rcv_skb(n4, sk, skb);
      return 0;
    }
    n4.mib.udp[UDPSTATS.NoPorts]++;
    ipv4.icmp.__icmp_send(skb, ICMP.DEST_UNREACH, ICMP_UNREACH.PORT, 0);
    skbs.kfree_skb_reason(skb, 'NO_SOCKET');
    return 0;
  }

  private drop(n4: Ipv4Net, skb: SkBuff, reason: 'NOT_SPECIFIED' | 'PKT_TOO_SMALL' | 'UDP_CSUM'): number {
    n4.mib.udp[UDPSTATS.InErrors]++;
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return 0;
  }

  private checksumOk(skb: SkBuff, uh: Gpa, ulen: number, saddr: number, daddr: number): boolean {
    const { ram } = this.kernel.skb;
    if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL || ram.u16be(uh + 6) === 0) return true;
    const pseudo = pseudoHeaderSum(saddr, daddr, IPPROTO.UDP, ulen);
    if (skb.ip_summed === CHECKSUM_COMPLETE && csumFold(skb.csum + pseudo) === 0) return true;
    this.kernel.charge(((ulen + 15) >> 4) * this.kernel.platform.costs.csum_per_16_bytes);
    return csumFold(this.kernel.skb.skb_checksum(skb, 0, ulen, pseudo)) === 0;
  }

  /** The socket that fits best: connected before bound to the address before any address. */
  __udp4_lib_lookup(n4: Ipv4Net, saddr: number, sport: number, daddr: number, dport: number, dif: number): InetSock | undefined {
    const list = n4.udp.get(dport);
    if (list === undefined) return undefined;
    let best: InetSock | undefined;
    let bestScore = -1;
    for (let i = 0; i < list.length; i++) {
      const score = this.compute_score(list[i], saddr, sport, daddr, dif);
      if (score > bestScore) {
        best = list[i];
        bestScore = score;
      }
    }
    return best;
  }

  compute_score(sk: InetSock, saddr: number, sport: number, daddr: number, dif: number): number {
    if (sk.family === 10 && (sk.v6?.v6only === true || sk.v6?.rcv_saddr.some((b) => b !== 0) === true)) return -1;
    let score = sk.family === 2 ? 2 : 1;
    if (sk.rcv_saddr !== 0) {
      if (sk.rcv_saddr !== daddr) return -1;
      score += 4;
    }
    if (sk.connected) {
      if (sk.daddr !== saddr || sk.dport !== sport) return -1;
      score += 8;
    }
    if (sk.bound_dev_if !== 0) {
      if (sk.bound_dev_if !== dif) return -1;
      score += 4;
    }
    return score;
  }

  __udp4_lib_mcast_deliver(n4: Ipv4Net, skb: SkBuff, saddr: number, sport: number, daddr: number, dport: number, dif: number): number {
    const { skb: skbs } = this.kernel;
    const matching = (n4.udp.get(dport) ?? []).filter(
      (sk) => this.compute_score(sk, saddr, sport, sk.rcv_saddr === daddr || sk.rcv_saddr === 0 ? daddr : -1, dif) >= 0,
    );
    if (matching.length === 0) {
      n4.mib.udp[UDPSTATS.IgnoredMulti]++;
      skbs.consume_skb(skb);
      return 0;
    }
    __skb_pull(skb, 8);
    matching.forEach((sk, i) => {
      const copy = i === matching.length - 1 ? skb : skbs.skb_clone(skb);
      if (copy !== undefined) this.udp_queue_rcv_skb(n4, sk, copy);
    });
    return 0;
  }

  /** A merged packet is taken whole by a socket that asked for such; else its datagrams one by one. */
  udp_queue_rcv_skb(n4: Ipv4Net, sk: InetSock, skb: SkBuff): void {
    const { skb: skbs, gso } = this.kernel;
    if (skbs.gso_size(skb) === 0 || (sk.udpGro && (skbs.gso_type(skb) & SKB_GSO.FRAGLIST) === 0)) {
      this.udp_queue_rcv_one_skb(n4, sk, skb);
      return;
    }
    for (let s = gso.udp.udp_rcv_segment(skb); s !== undefined;) {
      const { next }: SkBuff = s;
      s.next = undefined;
      this.udp_queue_rcv_one_skb(n4, sk, s);
      s = next;
    }
  }
  udp_queue_rcv_one_skb(n4: Ipv4Net, sk: InetSock, skb: SkBuff): void {
    if (this.kernel.sockets.sock_queue_rcv_skb(sk, skb) === 0) return;
    n4.mib.udp[UDPSTATS.RcvbufErrors]++;
    n4.mib.udp[UDPSTATS.InErrors]++;
  }

  udp_err(skb: SkBuff, inner: Gpa, type: number, code: number, info: number): void {
    const { ram } = this.kernel.skb;
    const { net, ifindex } = skb.dev as NetDevice;
    const n4 = ipv4Net(net);
    const uh = (inner + (ram.u8(inner) & 15) * 4) as Gpa;
    const daddr = IpHdr.daddr.get(ram, inner);
    const sk = this.__udp4_lib_lookup(n4, daddr, ram.u16be(uh + 2), IpHdr.saddr.get(ram, inner), ram.u16be(uh), ifindex);
    if (sk === undefined) return;
    datagramError(this.kernel, sk, { skb, inner, type, code, info }, (uh + 8) as Gpa, ram.u16be(uh + 2));
  }
}
