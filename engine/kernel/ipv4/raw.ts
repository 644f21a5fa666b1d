// Raw IPv4 sockets (Linux: net/ipv4/raw.c).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { ICMP, ICMP_UNREACH, IPPROTO, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import { type SkBuff } from '../skbuff.ts';
import { __skb_push, skb_network_header, skb_transport_header } from '../skb_inline.ts';
import { IP_PMTUDISC, SO_EE_ORIGIN, type SendControl } from '../sock.ts';
import { v4bytes } from './arp.ts';
import { ICMP_ERR_CONVERT } from './icmp.ts';
import type { InetSock } from './inet_sock.ts';
import { ipv4Net } from './ipv4_net.ts';
import { ICMPSTATS } from './mib.ts';

export class Raw {
  constructor(readonly kernel: Kernel) {}

  /** Bytes sent or -errno. */
  raw_sendmsg(sk: InetSock, data: Uint8Array, daddr: number, control: SendControl | undefined): number {
    const { ipv4, sockets } = this.kernel;
    if (data.length > 0xffff) return -Errno.EMSGSIZE;
    const err = ipv4.common.prepare4(sk, daddr, sk.protocol, control, 0);
    if (err < 0) return err;
    const s = ipv4.common.send;
    if (sk.hdrincl) return this.raw_send_hdrinc(sk, data);
    const length = ipv4.output.checkLength(s, data.length);
    if (length < 0) {
      sockets.ip_local_error(sk, Errno.EMSGSIZE, { family: 2, addr: v4bytes(daddr), port: 0 }, ipv4.route.dst_mtu(s.rt));
      return length;
    }
    if (!sk.hasRoom()) return -Errno.EAGAIN;
    const skb = ipv4.output.ip_make_skb(s, 0, data);
    if (skb === undefined) return -Errno.ENOBUFS;
    if (sk.protocol === IPPROTO.ICMP) this.icmp_out_count(sk, data[0]);
    const sent = ipv4.output.ip_send_skb(sk.net, skb);
    return sent < 0 && !(sent === -Errno.ENOBUFS && !sk.recverr) ? sent : data.length;
  }

  icmp_out_count(sk: InetSock, type: number): void {
    const { mib } = ipv4Net(sk.net);
    mib.icmp[ICMPSTATS.OutMsgs]++;
    mib.icmpOut[type]++;
  }

  /** The caller brings the IP header; length, checksum, and a zero source or identification are filled in. */
  raw_send_hdrinc(sk: InetSock, data: Uint8Array): number {
    const { ipv4, skb: skbs } = this.kernel;
    const s = ipv4.common.send;
    if (data.length < 20) return -Errno.EINVAL;
    if (data.length > s.rt.dev.mtu) {
      this.kernel.sockets.ip_local_error(sk, Errno.EMSGSIZE, { family: 2, addr: v4bytes(s.daddr), port: 0 }, s.rt.dev.mtu);
      return -Errno.EMSGSIZE;
    }
    const skb = ipv4.output.ip_make_skb({ ...s, opt: undefined }, 0, data.subarray(20));
    if (skb === undefined) return -Errno.ENOBUFS;
    const { ram } = skbs;
    const at = skb_network_header(skb);
    const id = IpHdr.id.get(ram, at);
    ram.write(at, data, 0, 20);
    if ((data[0] & 15) !== 5) {
      skbs.kfree_skb(skb);
      return -Errno.EINVAL;
    }
    if (IpHdr.saddr.get(ram, at) === 0) IpHdr.saddr.set(ram, at, s.saddr);
    if (IpHdr.id.get(ram, at) === 0) {
      if (id !== 0) IpHdr.id.set(ram, at, id);
      else ipv4.output.ip_select_ident(sk.net, at);
    }
    if (data[9] === IPPROTO.ICMP && data.length > 20) this.icmp_out_count(sk, data[20]);
    const sent = ipv4.output.ip_local_out(sk.net, skb);
    return sent < 0 ? sent : data.length;
  }

  /** Copies for every raw socket of the protocol; were there any? */
  raw_local_deliver(skb: SkBuff, protocol: number): boolean {
    const { net, ifindex } = skb.dev as NetDevice;
    const { ram } = this.kernel.skb;
    const iph = skb_network_header(skb);
    const saddr = IpHdr.saddr.get(ram, iph);
    const daddr = IpHdr.daddr.get(ram, iph);
    let delivered = false;
    for (const sk of ipv4Net(net).raw) {
      if (!this.raw_v4_match(sk, protocol, saddr, daddr, ifindex)) continue;
      delivered = true;
      if (protocol === IPPROTO.ICMP && this.icmp_filter(sk, skb)) continue;
      const copy = this.kernel.skb.skb_clone(skb);
      if (copy !== undefined) this.raw_rcv(sk, copy);
    }
    return delivered;
  }

  raw_v4_match(sk: InetSock, protocol: number, raddr: number, laddr: number, dif: number): boolean {
    return (
      sk.protocol === protocol &&
      (sk.daddr === 0 || sk.daddr === raddr) &&
      (sk.rcv_saddr === 0 || sk.rcv_saddr === laddr) &&
      (sk.bound_dev_if === 0 || sk.bound_dev_if === dif)
    );
  }

  icmp_filter(sk: InetSock, skb: SkBuff): boolean {
    const type = this.kernel.skb.networkByte(skb, skb_transport_header(skb) - skb_network_header(skb));
    if (type === undefined) return true;
    return type < 32 && ((1 << type) & sk.icmpFilter) !== 0;
  }

  raw_rcv(sk: InetSock, skb: SkBuff): number {
    __skb_push(skb, skb.data - skb_network_header(skb));
    return this.kernel.sockets.sock_queue_rcv_skb(sk, skb);
  }

  raw_icmp_error(skb: SkBuff, protocol: number, inner: Gpa, type: number, code: number, info: number): void {
    const { net, ifindex } = skb.dev as NetDevice;
    const { ram } = this.kernel.skb;
    const saddr = IpHdr.saddr.get(ram, inner);
    const daddr = IpHdr.daddr.get(ram, inner);
    for (const sk of ipv4Net(net).raw)
      if (this.raw_v4_match(sk, protocol, daddr, saddr, sk.bound_dev_if === 0 ? ifindex : sk.bound_dev_if))
        this.raw_err(sk, skb, inner, type, code, info);
  }

  raw_err(sk: InetSock, skb: SkBuff, inner: Gpa, type: number, code: number, info: number): void {
    const { sockets } = this.kernel;
    let err: number = Errno.EHOSTUNREACH;
    let hard = false;
    if (type === ICMP.PARAMETERPROB) {
      err = Errno.EPROTO;
      hard = true;
    } else if (type === ICMP.DEST_UNREACH) {
      err = Errno.EHOSTUNREACH;
      if (code > 15) return;
      if (code === ICMP_UNREACH.FRAG_NEEDED) {
        hard = sk.pmtudisc !== IP_PMTUDISC.DONT;
        err = Errno.EMSGSIZE;
      } else [err, hard] = ICMP_ERR_CONVERT[code];
    } else if (type === 4) return;
    if (sk.recverr) {
      const iph = skb_network_header(skb);
      const { ram } = this.kernel.skb;
      sockets.queueError(
        sk,
        skb,
        sk.hdrincl ? inner : ((inner + (ram.u8(inner) & 15) * 4) as Gpa),
        {
          ee_errno: err,
          ee_origin: SO_EE_ORIGIN.ICMP,
          ee_type: type,
          ee_code: code,
          ee_info: info,
          offender: { family: 2, addr: v4bytes(IpHdr.saddr.get(ram, iph)), port: 0 },
        },
        { family: 2, addr: v4bytes(IpHdr.daddr.get(ram, inner)), port: 0 },
      );
    }
    if (sk.recverr || hard) {
      sk.err = err;
      sockets.sk_error_report(sk);
    }
  }
}
