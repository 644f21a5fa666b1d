// What an ICMP error does to a datagram socket, UDP's and ping's alike (Linux: the common part of __udp4_lib_err() and ping_err()).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { ICMP, ICMP_UNREACH, IpHdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { skb_network_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { IP_PMTUDISC, SO_EE_ORIGIN } from '../sock.ts';
import { v4bytes } from './arp.ts';
import { ICMP_ERR_CONVERT } from './icmp.ts';
import type { InetSock } from './inet_sock.ts';

/** The message as ICMP hands it to a protocol; `inner` is the IP header of the packet that failed. */
export interface IcmpError {
  readonly skb: SkBuff;
  readonly inner: Gpa;
  readonly type: number;
  readonly code: number;
  readonly info: number;
}

/** Queues the error for a socket that asked for them and sets its pending one. `payload`, `port`: of the packet that failed. */
export function datagramError(kernel: Kernel, sk: InetSock, { skb, inner, type, code, info }: IcmpError, payload: Gpa, port: number): void {
  const { sockets } = kernel;
  const { ram } = kernel.skb;
  let err: number = Errno.EHOSTUNREACH;
  let hard = false;
  if (type === ICMP.PARAMETERPROB) {
    err = Errno.EPROTO;
    hard = true;
  } else if (type === ICMP.DEST_UNREACH) {
    if (code === ICMP_UNREACH.FRAG_NEEDED) {
      if (sk.pmtudisc === IP_PMTUDISC.DONT) return;
      err = Errno.EMSGSIZE;
      hard = true;
    } else if (code <= 15) [err, hard] = ICMP_ERR_CONVERT[code];
  }
  if (!sk.recverr && (!hard || !sk.connected)) return;
  if (sk.recverr) {
    const offender = { family: 2 as const, addr: v4bytes(IpHdr.saddr.get(ram, skb_network_header(skb))), port: 0 };
    const error = { ee_errno: err, ee_origin: SO_EE_ORIGIN.ICMP, ee_type: type, ee_code: code, ee_info: info, offender };
    sockets.queueError(sk, skb, payload, error, { family: 2, addr: v4bytes(IpHdr.daddr.get(ram, inner)), port });
  }
  sk.err = err;
  sockets.sk_error_report(sk);
}
