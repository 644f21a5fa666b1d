// IPv6's part of the socket calls (Linux: net/ipv6/af_inet6.c, datagram.c, raw.c, udp.c, ping.c).
import { Errno } from '../../base/errno.ts';
import type { InetSock } from '../ipv4/inet_sock.ts';
import type { Kernel } from '../kernel.ts';
import type { SendControl, SockAddr, SockAddrIn6 } from '../sock.ts';

export class Sockets6 {
  constructor(readonly kernel: Kernel) {}

  inet6_bind(_sk: InetSock, _addr: SockAddrIn6): number {
    return -Errno.EADDRNOTAVAIL;
  }
  inet6_connect(_sk: InetSock, _addr: SockAddrIn6): number {
    return -Errno.ENETUNREACH;
  }
  sendmsg6(_sk: InetSock, _data: Uint8Array, _addr: SockAddr | undefined, _control: SendControl | undefined): number {
    return -Errno.ENETUNREACH;
  }
  mtuOf(_sk: InetSock): number {
    return 1500;
  }
}
