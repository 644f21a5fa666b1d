// setsockopt and getsockopt (Linux: net/core/sock.c, net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c).
import { Errno } from '../base/errno.ts';
import { IPPROTO } from '../wire/headers.ts';
import { PacketSock } from './af_packet.ts';
import { v4number } from './ipv4/arp.ts';
import { InetSock } from './ipv4/inet_sock.ts';
import { inDev, ipv4Net } from './ipv4/ipv4_net.ts';
import { TcpSock } from './ipv4/tcp_sock.ts';
import { TcpSockopt } from './ipv4/tcp_sockopt.ts';
import type { Kernel } from './kernel.ts';
import { SK_MEM_MAX, SOCK, type Sock, type SockOpt } from './sock.ts';

/** Linux: SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF */
const SOCK_MIN_RCVBUF = 2304;
const SOCK_MIN_SNDBUF = 4608;

export class SockOptions {
  private readonly tcp: TcpSockopt;
  constructor(readonly kernel: Kernel) {
    this.tcp = new TcpSockopt(kernel);
  }

  setsockopt(sk: Sock, option: SockOpt, value: number | string | Uint8Array, extra: number): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    if (option === 'SO_BINDTODEVICE') return this.sock_bindtoindex(sk, String(value));
    if (option === 'PACKET_ADD_MEMBERSHIP')
      return sk instanceof PacketSock ? this.kernel.sockets.packet.packet_mc_add(sk, Number(value)) : -Errno.ENOPROTOOPT;
    if (option.startsWith('TCP_')) return sk instanceof TcpSock ? this.tcp.do_tcp_setsockopt(sk, option, value) : -Errno.ENOPROTOOPT;
    if (option === 'UDP_SEGMENT' || option === 'UDP_GRO') return this.udp_lib_setsockopt(sk, option, Number(value));
    if (value instanceof Uint8Array) return this.setBytes(sk, option, value, extra);
    const n = Number(value);
    if (option.startsWith('SO_')) return this.sk_setsockopt(sk, option, n);
    if (!(sk instanceof InetSock)) return -Errno.ENOPROTOOPT;
    return option.startsWith('IPV6_') ? this.do_ipv6_setsockopt(sk, option, n) : this.do_ip_setsockopt(sk, option, n);
  }

  udp_lib_setsockopt(sk: Sock, option: 'UDP_SEGMENT' | 'UDP_GRO', n: number): number {
    if (!(sk instanceof InetSock) || sk.protocol !== IPPROTO.UDP || sk.type !== SOCK.DGRAM) return -Errno.ENOPROTOOPT;
    if (option === 'UDP_SEGMENT') {
      if (n < 0 || n > 0xffff) return -Errno.EINVAL;
      sk.gsoSize = n;
      return 0;
    }
    sk.udpGro = n !== 0;
    if (sk.udpGro) this.kernel.gso.udp.socketsMatter = true;
    return 0;
  }

  sock_bindtoindex(sk: Sock, name: string): number {
    if (name === '') {
      sk.bound_dev_if = 0;
      return 0;
    }
    const dev = sk.net.__dev_get_by_name(name);
    if (dev === undefined) return -Errno.ENODEV;
    sk.bound_dev_if = dev.ifindex;
    if (sk instanceof InetSock) sk.dst = undefined;
    return 0;
  }

  sk_setsockopt(sk: Sock, option: SockOpt, n: number): number {
    if (sk instanceof TcpSock) {
      const done = this.tcp.setSocketOption(sk, option, n);
      if (done <= 0) return done;
    }
    switch (option) {
      case 'SO_BROADCAST':
        sk.broadcast = n !== 0;
        return 0;
      case 'SO_DEBUG':
        return 0;
      case 'SO_DONTROUTE':
        sk.localroute = n !== 0;
        return 0;
      case 'SO_MARK':
        sk.mark = n >>> 0;
        if (sk instanceof InetSock) sk.dst = undefined;
        return 0;
      case 'SO_PRIORITY':
        sk.priority = n;
        return 0;
      case 'SO_RCVBUF':
        sk.rcvbuf = Math.max(Math.min(n, SK_MEM_MAX) * 2, SOCK_MIN_RCVBUF);
        return 0;
      case 'SO_SNDBUF':
        sk.sndbuf = Math.max(Math.min(n, SK_MEM_MAX) * 2, SOCK_MIN_SNDBUF);
        return 0;
      case 'SO_REUSEADDR':
        sk.reuse = n !== 0;
        return 0;
      case 'SO_REUSEPORT':
        sk.reuseport = n !== 0;
        return 0;
      case 'SO_TIMESTAMP':
        sk.timestamp = n !== 0;
        return 0;
      case 'SO_NO_CHECK':
        sk.no_check_tx = n !== 0;
        return 0;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }

  do_ip_setsockopt(sk: InetSock, option: SockOpt, n: number): number {
    switch (option) {
      case 'IP_TOS':
        sk.tos = n & 0xff;
        sk.dst = undefined;
        return 0;
      case 'IP_TTL':
        if (n !== -1 && (n < 1 || n > 255)) return -Errno.EINVAL;
        sk.uc_ttl = n;
        return 0;
      case 'IP_MULTICAST_TTL':
        if (n < -1 || n > 255) return -Errno.EINVAL;
        sk.mc_ttl = n === -1 ? 1 : n;
        return 0;
      case 'IP_MULTICAST_LOOP':
        sk.mc_loop = n !== 0;
        return 0;
      case 'IP_MULTICAST_IF': {
        const dev = n === 0 ? undefined : sk.net.__dev_get_by_index(n);
        if (n !== 0 && dev === undefined) return -Errno.EADDRNOTAVAIL;
        sk.mc_index = n;
        sk.mc_addr = dev === undefined ? 0 : this.kernel.ipv4.devinet.inet_select_addr(dev, 0, 253);
        return 0;
      }
      case 'IP_MTU_DISCOVER':
        if (n < 0 || n > 5) return -Errno.EINVAL;
        sk.pmtudisc = n;
        return 0;
      case 'IP_RECVERR':
        sk.recverr = n !== 0;
        if (n === 0) for (const e of sk.error_queue.splice(0)) if (e.skb !== undefined) this.kernel.skb.consume_skb(e.skb);
        return 0;
      case 'IP_RECVTTL':
        sk.recvttl = n !== 0;
        return 0;
      case 'IP_RECVTOS':
        sk.recvtos = n !== 0;
        return 0;
      case 'IP_RECVOPTS':
        sk.recvopts = n !== 0;
        return 0;
      case 'IP_RETOPTS':
        sk.retopts = n !== 0;
        return 0;
      case 'IP_PKTINFO':
        sk.pktinfo = n !== 0;
        return 0;
      case 'IP_HDRINCL':
        if (sk.type !== 3) return -Errno.ENOPROTOOPT;
        sk.hdrincl = n !== 0;
        return 0;
      case 'ICMP_FILTER':
        if (sk.type !== 3 || sk.protocol !== 1) return -Errno.EOPNOTSUPP;
        sk.icmpFilter = n;
        return 0;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }

  do_ipv6_setsockopt(sk: InetSock, option: SockOpt, n: number): number {
    const { v6 } = sk;
    if (v6 === undefined) return -Errno.ENOPROTOOPT;
    switch (option) {
      case 'IPV6_UNICAST_HOPS':
        if (n < -1 || n > 255) return -Errno.EINVAL;
        v6.hop_limit = n;
        return 0;
      case 'IPV6_MULTICAST_HOPS':
        if (n < -1 || n > 255) return -Errno.EINVAL;
        v6.mcast_hops = n === -1 ? 1 : n;
        return 0;
      case 'IPV6_MULTICAST_LOOP':
        v6.mc_loop = n !== 0;
        return 0;
      case 'IPV6_MULTICAST_IF':
        if (n !== 0 && sk.net.__dev_get_by_index(n) === undefined) return -Errno.ENODEV;
        v6.mcast_oif = n;
        return 0;
      case 'IPV6_RECVERR':
        v6.recverr = n !== 0;
        return 0;
      case 'IPV6_RECVHOPLIMIT':
        v6.rxhlim = n !== 0;
        return 0;
      case 'IPV6_RECVPKTINFO':
        v6.rxinfo = n !== 0;
        return 0;
      case 'IPV6_RECVTCLASS':
        v6.rxtclass = n !== 0;
        return 0;
      case 'IPV6_MTU_DISCOVER':
        if (n < 0 || n > 5) return -Errno.EINVAL;
        v6.pmtudisc = n;
        return 0;
      case 'IPV6_DONTFRAG':
        v6.dontfrag = n !== 0;
        return 0;
      case 'IPV6_TCLASS':
        if (n < -1 || n > 255) return -Errno.EINVAL;
        v6.tclass = n === -1 ? 0 : n;
        return 0;
      case 'IPV6_CHECKSUM':
        if (sk.protocol === 58) return n === 2 ? 0 : -Errno.EINVAL;
        v6.checksum = n;
        return 0;
      case 'IPV6_V6ONLY':
        v6.v6only = n !== 0;
        return 0;
      case 'IPV6_FLOWINFO_SEND':
        return 0;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }

  private setBytes(sk: Sock, option: SockOpt, value: Uint8Array, ifindex: number): number {
    if (!(sk instanceof InetSock)) return -Errno.ENOPROTOOPT;
    switch (option) {
      case 'IP_OPTIONS': {
        const opt = value.length === 0 ? undefined : this.kernel.ipv4.options.ip_options_get(sk.net, value);
        if (typeof opt === 'number') return opt;
        sk.opt = opt;
        return 0;
      }
      case 'IP_ADD_MEMBERSHIP':
        return this.ip_mc_join_group(sk, v4number(value), ifindex);
      case 'IP_DROP_MEMBERSHIP': {
        const at = sk.memberships.findIndex((m) => m.group === v4number(value) && (ifindex === 0 || m.ifindex === ifindex));
        if (at < 0) return -Errno.EADDRNOTAVAIL;
        const [m] = sk.memberships.splice(at, 1);
        return this.ip_mc_leave_group(sk, m.group, m.ifindex);
      }
      case 'ICMPV6_FILTER':
        if (sk.v6 === undefined || sk.protocol !== 58) return -Errno.ENOPROTOOPT;
        for (let i = 0; i < 8 && 4 * i + 3 < value.length; i++)
          sk.v6.icmpFilter[i] = (value[4 * i] | (value[4 * i + 1] << 8) | (value[4 * i + 2] << 16) | (value[4 * i + 3] << 24)) >>> 0;
        return 0;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }

  ip_mc_join_group(sk: InetSock, group: number, ifindex: number): number {
    if (group >>> 28 !== 0xe) return -Errno.EINVAL;
    let dev = ifindex === 0 ? undefined : sk.net.__dev_get_by_index(ifindex);
    if (ifindex === 0) {
      const rt = this.kernel.ipv4.route.ip_route_output(sk.net, group, 0, 0);
      if (typeof rt !== 'number') ({ dev } = rt);
    }
    const idev = dev === undefined ? undefined : inDev(dev);
    if (dev === undefined || idev === undefined) return -Errno.ENODEV;
    if (sk.memberships.some((m) => m.group === group && m.ifindex === dev.ifindex)) return -Errno.EADDRINUSE;
    if (sk.memberships.length >= ipv4Net(sk.net).sysctl.igmp_max_memberships) return -Errno.ENOBUFS;
    sk.memberships.push({ group, ifindex: dev.ifindex });
    this.kernel.ipv4.igmp.__ip_mc_inc_group(idev, group);
    return 0;
  }

  ip_mc_leave_group(sk: InetSock, group: number, ifindex: number): number {
    const dev = sk.net.__dev_get_by_index(ifindex);
    const idev = dev === undefined ? undefined : inDev(dev);
    if (idev !== undefined) this.kernel.ipv4.igmp.__ip_mc_dec_group(idev, group);
    return 0;
  }

  getsockopt(sk: Sock, option: SockOpt): number {
    if (option.startsWith('TCP_') || option === 'SO_KEEPALIVE' || option === 'SO_LINGER' || option === 'SO_RCVLOWAT')
      return sk instanceof TcpSock ? this.tcp.getOption(sk, option) : -Errno.ENOPROTOOPT;
    switch (option) {
      case 'SO_ERROR': {
        const { err } = sk;
        sk.err = 0;
        return err;
      }
      case 'SO_RCVBUF':
        return sk.rcvbuf;
      case 'SO_SNDBUF':
        return sk.sndbuf;
      case 'SO_MARK':
        return sk.mark;
      case 'SO_BROADCAST':
        return sk.broadcast ? 1 : 0;
      default:
        return sk instanceof InetSock ? this.getInet(sk, option) : -Errno.ENOPROTOOPT;
    }
  }

  private getInet(sk: InetSock, option: SockOpt): number {
    const { v6 } = sk;
    switch (option) {
      case 'IP_TTL':
        return sk.uc_ttl === -1 ? ipv4Net(sk.net).sysctl.ip_default_ttl : sk.uc_ttl;
      case 'IP_TOS':
        return sk.tos;
      case 'IP_MTU_DISCOVER':
        return sk.pmtudisc;
      case 'IP_MTU': {
        if (!sk.connected) return -Errno.ENOTCONN;
        const rt = this.kernel.ipv4.route.ip_route_output(sk.net, sk.daddr, sk.saddr, sk.bound_dev_if);
        return typeof rt === 'number' ? rt : this.kernel.ipv4.route.dst_mtu(rt);
      }
      case 'UDP_SEGMENT':
        return sk.gsoSize;
      case 'UDP_GRO':
        return sk.udpGro ? 1 : 0;
      case 'ICMP_FILTER':
        return sk.icmpFilter;
      case 'IPV6_UNICAST_HOPS':
        return v6 === undefined ? -Errno.ENOPROTOOPT : v6.hop_limit === -1 ? 64 : v6.hop_limit;
      case 'IPV6_MTU':
        return v6?.daddr === undefined ? -Errno.ENOTCONN : this.kernel.ipv6.sockets.mtuOf(sk);
      default:
        return -Errno.ENOPROTOOPT;
    }
  }
}
