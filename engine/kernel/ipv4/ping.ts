// ICMP datagram sockets of both families (Linux: net/ipv4/ping.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ICMP, IPPROTO, IcmpHdr, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import { __skb_push, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { type SendControl } from '../sock.ts';
import { v4bytes } from './arp.ts';
import { datagramError } from './datagram_error.ts';
import type { InetSock } from './inet_sock.ts';
import { ipv4Net } from './ipv4_net.ts';
import { ICMPSTATS } from './mib.ts';

export class Ping {
  private next = 0;
  constructor(readonly kernel: Kernel) {}

  /** 0, or -EACCES: only groups in net.ipv4.ping_group_range may have such sockets (root's is group 0). */
  ping_init_sock(sk: InetSock): number {
    const n4 = ipv4Net(sk.net);
    return n4.pingGroupLow <= 0 && n4.pingGroupHigh >= 0 ? 0 : -Errno.EACCES;
  }

  ping_get_port(sk: InetSock, ident: number): number {
    const { ping } = ipv4Net(sk.net);
    let id = ident;
    if (id === 0) {
      for (let i = 0; i < 0xffff && id === 0; i++) {
        this.next = (this.next % 0xffff) + 1;
        if (!ping.has(this.next)) id = this.next;
      }
      if (id === 0) return -Errno.EADDRINUSE;
    } else if (ping.get(id)?.some((o) => o !== sk && o.family === sk.family && !(o.reuse && sk.reuse)) === true) return -Errno.EADDRINUSE;
    sk.num = id;
    const list = ping.get(id);
    if (list === undefined) ping.set(id, [sk]);
    else list.push(sk);
    return 0;
  }

  ping_unhash(sk: InetSock): void {
    const { ping } = ipv4Net(sk.net);
    const list = ping.get(sk.num);
    if (list === undefined) return;
    const at = list.indexOf(sk);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) ping.delete(sk.num);
  }

  ping_v4_sendmsg(sk: InetSock, data: Uint8Array, daddr: number, control: SendControl | undefined): number {
    const { ipv4, sockets, skb: skbs } = this.kernel;
    if (data.length > 0xffff) return -Errno.EMSGSIZE;
    if (data.length < 8 || data[0] !== ICMP.ECHO || data[1] !== 0) return -Errno.EINVAL;
    if (sk.num === 0) {
      const bound = this.ping_get_port(sk, 0);
      if (bound < 0) return bound;
    }
    const err = ipv4.common.prepare4(sk, daddr, IPPROTO.ICMP, control, 0);
    if (err < 0) return err;
    const s = ipv4.common.send;
    const length = ipv4.output.checkLength(s, data.length);
    if (length < 0) {
      sockets.ip_local_error(sk, Errno.EMSGSIZE, { family: 2, addr: v4bytes(daddr), port: 0 }, ipv4.route.dst_mtu(s.rt));
      return length;
    }
    if (!sk.hasRoom()) return -Errno.EAGAIN;
    const skb = ipv4.output.ip_make_skb(s, 0, data);
    if (skb === undefined) return -Errno.ENOBUFS;
    const at = skb_transport_header(skb);
    const { ram } = skbs;
    IcmpHdr.id.set(ram, at, sk.num);
    IcmpHdr.checksum.set(ram, at, 0);
    IcmpHdr.checksum.set(ram, at, csumFold(csumPartial(ram, at, data.length)));
    const { mib } = ipv4Net(sk.net);
    mib.icmp[ICMPSTATS.OutMsgs]++;
    mib.icmpOut[ICMP.ECHO]++;
    const sent = ipv4.output.ip_send_skb(sk.net, skb);
    return sent < 0 ? sent : data.length;
  }

  /** An echo reply for whoever has its identifier; the skb stays the caller's. */
  ping_rcv(skb: SkBuff): void {
    const { ram } = this.kernel.skb;
    const { net, ifindex } = skb.dev as NetDevice;
    const id = IcmpHdr.id.get(ram, skb_transport_header(skb));
    const iph = skb_network_header(skb);
    const sk = this.ping_lookup(ipv4Net(net).ping.get(id), 2, IpHdr.saddr.get(ram, iph), IpHdr.daddr.get(ram, iph), ifindex);
    if (sk === undefined) return;
    const copy = this.kernel.skb.skb_clone(skb);
    if (copy === undefined) return;
    __skb_push(copy, copy.data - skb_transport_header(copy));
    this.kernel.sockets.sock_queue_rcv_skb(sk, copy);
  }

  ping_lookup(list: readonly InetSock[] | undefined, family: number, saddr: number, daddr: number, dif: number): InetSock | undefined {
    return list?.find(
      (sk) =>
        sk.family === family &&
        (family === 10 || ((sk.rcv_saddr === 0 || sk.rcv_saddr === daddr) && (sk.daddr === 0 || sk.daddr === saddr))) &&
        (sk.bound_dev_if === 0 || sk.bound_dev_if === dif),
    );
  }

  ping_err(skb: SkBuff, inner: Gpa, type: number, code: number, info: number): void {
    const { ram } = this.kernel.skb;
    const { net, ifindex } = skb.dev as NetDevice;
    const icmph = (inner + (ram.u8(inner) & 15) * 4) as Gpa;
    if (ram.u8(icmph) !== ICMP.ECHO) return;
    const daddr = IpHdr.daddr.get(ram, inner);
    const sk = this.ping_lookup(ipv4Net(net).ping.get(IcmpHdr.id.get(ram, icmph)), 2, daddr, IpHdr.saddr.get(ram, inner), ifindex);
    if (sk === undefined) return;
    datagramError(this.kernel, sk, { skb, inner, type, code, info }, icmph, 0);
  }
}
