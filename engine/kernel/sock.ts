// struct sock as userland's calls and the protocols see it: addresses, messages, options, queues.
import type { Net } from './net_namespace.ts';
import type { Process } from './process.ts';
import type { IpBytes } from './rtnl_records.ts';
import { SkBuffHead, type SkbOwner, type SkBuff } from './skbuff.ts';

/** Linux: SK_RMEM_MAX and SK_WMEM_MAX, the default and the limit of a socket's buffers: room for 256 packets of 256 bytes. */
export const SK_MEM_MAX = 212_992;

export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3 } as const;
/** recvmsg's and sendmsg's flags */
export const MSG = {
  PEEK: 0x2,
  DONTROUTE: 0x4,
  CTRUNC: 0x8,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  CONFIRM: 0x800,
  ERRQUEUE: 0x2000,
  MORE: 0x8000,
} as const;
/** Readiness, as poll(2) reports it. */
export const POLL = { IN: 0x1, OUT: 0x4, ERR: 0x8, HUP: 0x10 } as const;

export interface SockAddrIn {
  readonly family: 2;
  /** 4 bytes */
  readonly addr: IpBytes;
  readonly port: number;
}
export interface SockAddrIn6 {
  readonly family: 10;
  readonly addr: IpBytes;
  readonly port: number;
  readonly scope_id: number;
}
export interface SockAddrLl {
  readonly family: 17;
  /** ETH_P_* */
  readonly protocol: number;
  readonly ifindex: number;
  readonly hatype: number;
  /** PACKET_* */
  readonly pkttype: number;
  readonly addr: Uint8Array;
}
export type SockAddr = SockAddrIn | SockAddrIn6 | SockAddrLl;

/** Where an error on the queue came from (Linux: include/uapi/linux/errqueue.h). */
export const SO_EE_ORIGIN = { NONE: 0, LOCAL: 1, ICMP: 2, ICMP6: 3 } as const;
export interface SockExtendedErr {
  readonly ee_errno: number;
  readonly ee_origin: number;
  readonly ee_type: number;
  readonly ee_code: number;
  /** The MTU, for EMSGSIZE. */
  readonly ee_info: number;
  /** Who reported it; absent for local errors. */
  readonly offender: SockAddrIn | SockAddrIn6 | undefined;
}

/** One received message with its control data. */
export interface Message {
  /** Raw IPv4 sockets: from the IP header on. Packet sockets (RAW): from the MAC header on. */
  readonly data: Uint8Array;
  /** Length before truncation to the buffer. */
  readonly length: number;
  readonly from: SockAddr | undefined;
  /** MSG_* of the answer */
  readonly flags: number;
  /** When it entered the stack, ns. */
  readonly tstamp: number;
  readonly ifindex: number;
  /** IP_TTL / IPV6_HOPLIMIT */
  readonly ttl: number;
  readonly tos: number;
  /** The packet's IP options, when IP_RECVOPTS or IP_RETOPTS asked for them. */
  readonly options: Uint8Array | undefined;
  /** Where it was sent to (IP_PKTINFO). */
  readonly daddr: IpBytes | undefined;
  readonly err: SockExtendedErr | undefined;
}

/** Control data of sendmsg. */
export interface SendControl {
  readonly ifindex?: number;
  readonly src?: IpBytes;
  readonly ttl?: number;
  readonly tos?: number;
  /** MSG_CONFIRM: the next hop is known to be alive. */
  readonly flags?: number;
}

/** Options by their names in the uapi; values are numbers unless noted. */
export type SockOpt =
  | 'SO_BINDTODEVICE' // string
  | 'SO_BROADCAST'
  | 'SO_DEBUG'
  | 'SO_DONTROUTE'
  | 'SO_MARK'
  | 'SO_PRIORITY'
  | 'SO_RCVBUF'
  | 'SO_SNDBUF'
  | 'SO_REUSEADDR'
  | 'SO_REUSEPORT'
  | 'SO_TIMESTAMP'
  | 'SO_ERROR'
  | 'SO_KEEPALIVE'
  | 'SO_LINGER' // seconds, -1: off
  | 'SO_RCVLOWAT'
  | 'SO_MAX_PACING_RATE'
  | 'TCP_NODELAY'
  | 'TCP_CORK'
  | 'TCP_MAXSEG'
  | 'TCP_CONGESTION' // string
  | 'TCP_KEEPIDLE'
  | 'TCP_KEEPINTVL'
  | 'TCP_KEEPCNT'
  | 'TCP_SYNCNT'
  | 'TCP_LINGER2'
  | 'TCP_DEFER_ACCEPT'
  | 'TCP_WINDOW_CLAMP'
  | 'TCP_QUICKACK'
  | 'TCP_USER_TIMEOUT'
  | 'TCP_NOTSENT_LOWAT'
  | 'SO_NO_CHECK'
  | 'UDP_SEGMENT'
  | 'UDP_GRO'
  | 'IP_TOS'
  | 'IP_TTL'
  | 'IP_HDRINCL'
  | 'IP_OPTIONS' // bytes
  | 'IP_RECVERR'
  | 'IP_RECVTTL'
  | 'IP_RECVTOS'
  | 'IP_RETOPTS'
  | 'IP_RECVOPTS'
  | 'IP_PKTINFO'
  | 'IP_MTU_DISCOVER'
  | 'IP_MTU'
  | 'IP_MULTICAST_TTL'
  | 'IP_MULTICAST_LOOP'
  | 'IP_MULTICAST_IF' // 4 bytes or ifindex
  | 'IP_ADD_MEMBERSHIP' // bytes: group(4); the device by ifindex in the option's second value
  | 'IP_DROP_MEMBERSHIP'
  | 'ICMP_FILTER'
  | 'IPV6_UNICAST_HOPS'
  | 'IPV6_MULTICAST_HOPS'
  | 'IPV6_MULTICAST_LOOP'
  | 'IPV6_MULTICAST_IF'
  | 'IPV6_RECVERR'
  | 'IPV6_RECVHOPLIMIT'
  | 'IPV6_RECVPKTINFO'
  | 'IPV6_RECVTCLASS'
  | 'IPV6_MTU_DISCOVER'
  | 'IPV6_MTU'
  | 'IPV6_DONTFRAG'
  | 'IPV6_TCLASS'
  | 'IPV6_CHECKSUM'
  | 'IPV6_V6ONLY'
  | 'IPV6_FLOWINFO_SEND'
  | 'ICMPV6_FILTER' // bytes: 32, a set bit blocks the type
  | 'PACKET_ADD_MEMBERSHIP'; // ifindex, for promiscuous mode

/** IP_MTU_DISCOVER's values (Linux: include/uapi/linux/in.h) */
export const IP_PMTUDISC = { DONT: 0, WANT: 1, DO: 2, PROBE: 3, INTERFACE: 4, OMIT: 5 } as const;

/** One entry of the error queue. */
export interface SockError {
  /** The packet from the part that failed on; absent for local errors. */
  readonly skb: SkBuff | undefined;
  readonly err: SockExtendedErr;
  /** Destination of the packet that failed. */
  readonly addr: SockAddr;
}

/** Base of every socket. */
export abstract class Sock implements SkbOwner {
  /** Pending error, positive errno; reported once. */
  err = 0;
  bound_dev_if = 0;
  /** Hash of the flow it received from last, for receive flow steering (Linux: sk_rxhash). */
  rxhash = 0;
  rxQueue = -1;
  mark = 0;
  priority = 0;
  broadcast = false;
  localroute = false;
  reuse = false;
  reuseport = false;
  no_check_tx = false;
  timestamp = false;
  rcvbuf = SK_MEM_MAX;
  sndbuf = SK_MEM_MAX;
  rmem_alloc = 0;
  wmem_alloc = 0;
  drops = 0;
  readonly receive_queue = new SkBuffHead();
  readonly error_queue: SockError[] = [];
  /** Who is woken when something can be read: `process.onEvent(op, sock)` in task context. */
  waiter: Process | undefined;
  /** The waiter was woken and has not called since. */
  woken = false;
  waitOp = 0;
  /** A sender found no room (SOCK_NOSPACE). */
  nospace = false;
  closed = false;
  /** Who opened it, by which descriptor; for those who list sockets. */
  owner: Process | undefined;
  fd = -1;

  constructor(
    readonly net: Net,
    readonly family: number,
    readonly type: number,
    readonly protocol: number,
    /** Identity in /proc and ss. */
    readonly ino: number,
  ) {}

  /** Room for one more message? If not, its waiter is woken when there is. */
  hasRoom(): boolean {
    if (this.wmem_alloc < this.sndbuf) return true;
    this.nospace = true;
    return false;
  }

  /** Write memory is given back when the last byte has left; whoever was refused is woken at half (Linux: sock_def_write_space()). */
  sock_wfree(skb: SkBuff): void {
    this.wmem_alloc -= skb.truesize;
    if (!this.nospace || this.wmem_alloc * 2 > this.sndbuf) return;
    this.nospace = false;
    if (this.waiter !== undefined) this.waiter.kernel.procs.wake(this.waiter, this.waitOp, this);
  }
}
