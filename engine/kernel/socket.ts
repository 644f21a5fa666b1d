// The socket calls as userland's programs make them; a call never blocks: it answers -EAGAIN, and `waitFor` wakes the process later.
import { Errno } from '../base/errno.ts';
import type { Gpa } from '../base/units.ts';
import { IPPROTO } from '../wire/headers.ts';
import { AfPacket, PacketSock } from './af_packet.ts';
import { v4bytes, v4number } from './ipv4/arp.ts';
import { InetSock } from './ipv4/inet_sock.ts';
import { ipv4Net } from './ipv4/ipv4_net.ts';
import { UDPSTATS } from './ipv4/mib.ts';
import { TcpSock } from './ipv4/tcp_sock.ts';
import { TCP } from './ipv4/tcp_states.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';
import type { Process } from './process.ts';
import { RTN } from './rtnl_records.ts';
import { traceable } from './trace/traceable.ts';
import { SockMessages } from './sock_message.ts';
import { SockOptions } from './sock_options.ts';
import type { SkBuff } from './skbuff.ts';
import {
  MSG,
  POLL,
  SOCK,
  SO_EE_ORIGIN,
  type Message,
  type SendControl,
  type Sock,
  type SockAddr,
  type SockExtendedErr,
  type SockOpt,
} from './sock.ts';

export class Sockets {
  readonly packet: AfPacket;
  readonly options: SockOptions;
  readonly messages: SockMessages;
  /** All open sockets, in order of creation. */
  readonly all: Sock[] = [];
  private nextIno = 20_000;

  constructor(readonly kernel: Kernel) {
    this.packet = new AfPacket(kernel);
    this.options = new SockOptions(kernel);
    this.messages = new SockMessages(kernel);
  }

  /** A socket, or -EPROTONOSUPPORT, -EACCES (ping sockets outside ping_group_range), … */
  socket(net: Net, family: number, type: number, protocol: number): Sock | number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    const made = this.sock_create(net, family, type, protocol);
    if (typeof made !== 'number') this.all.push(made);
    return made;
  }

  /** Identity of a socket that the kernel makes for a connection. */
  newIno(): number {
    return this.nextIno++;
  }

  /** The socket is `process`'s, under the lowest free descriptor after the standard ones. */
  own(sk: Sock, process: Process): void {
    let fd = 3;
    while (this.all.some((s) => s.owner === process && s.fd === fd)) fd++;
    sk.owner = process;
    sk.fd = fd;
  }

  /** Waits for connections; 0 or -errno. */
  listen(sk: Sock, backlog: number): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    return sk instanceof TcpSock ? this.kernel.tcp.user.inet_csk_listen_start(sk, backlog) : -Errno.EOPNOTSUPP;
  }

  /** The next connection of a listener, or -EAGAIN. */
  accept(sk: Sock): Sock | number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    sk.woken = false;
    if (!(sk instanceof TcpSock)) return -Errno.EOPNOTSUPP;
    const made = this.kernel.tcp.user.inet_csk_accept(sk);
    if (typeof made !== 'number') this.all.push(made);
    return made;
  }

  /** `how`: 1 no more receiving, 2 no more sending, 3 both. */
  shutdown(sk: Sock, how: number): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    return sk instanceof TcpSock ? this.kernel.tcp.user.tcp_shutdown(sk, how) : -Errno.EOPNOTSUPP;
  }

  sock_create(net: Net, family: number, type: number, protocol: number): Sock | number {
    const ino = this.nextIno++;
    if (family === 17)
      return type === SOCK.RAW || type === SOCK.DGRAM ? this.packet.packet_create(net, type, protocol, ino) : -Errno.ESOCKTNOSUPPORT;
    if (family !== 2 && family !== 10) return -Errno.EAFNOSUPPORT;
    const icmp = family === 2 ? IPPROTO.ICMP : IPPROTO.ICMPV6;
    if (type === SOCK.RAW) {
      if (protocol === 0) return -Errno.EPROTONOSUPPORT;
      const sk = new InetSock(net, family, type, protocol, ino);
      sk.num = protocol;
      sk.hdrincl = protocol === IPPROTO.RAW;
      if (sk.v6 !== undefined && protocol === IPPROTO.ICMPV6) sk.v6.checksum = 2;
      (family === 2 ? ipv4Net(net).raw : ipv4Net(net).raw6).push(sk);
      return sk;
    }
    if (type === SOCK.STREAM) {
      if (protocol !== 0 && protocol !== IPPROTO.TCP) return -Errno.EPROTONOSUPPORT;
      const { tcp } = this.kernel;
      const sk = new TcpSock(net, family, ino, tcp.timer, tcp.cong.defaultFor('cubic'));
      tcp.user.tcp_init_sock(sk);
      return sk;
    }
    if (type !== SOCK.DGRAM) return -Errno.ESOCKTNOSUPPORT;
    if (protocol === 0 || protocol === IPPROTO.UDP) return new InetSock(net, family, type, IPPROTO.UDP, ino);
    if (protocol !== icmp) return -Errno.EPROTONOSUPPORT;
    const sk = new InetSock(net, family, type, protocol, ino);
    const err = this.kernel.ipv4.ping.ping_init_sock(sk);
    return err < 0 ? err : sk;
  }

  bind(sk: Sock, addr: SockAddr): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    if (sk instanceof PacketSock) return addr.family === 17 ? this.packet.packet_bind(sk, addr) : -Errno.EINVAL;
    if (!(sk instanceof InetSock) || addr.family === 17) return -Errno.EINVAL;
    if (addr.family === 10) return this.kernel.ipv6.sockets.inet6_bind(sk, addr);
    if (sk.family !== 2) return -Errno.EINVAL;
    return this.inet_bind(sk, v4number(addr.addr), addr.port);
  }

  inet_bind(sk: InetSock, addr: number, port: number): number {
    const { ipv4 } = this.kernel;
    const kind = addr === 0 ? RTN.LOCAL : ipv4.fib.inet_addr_type(sk.net, addr);
    const allowed = kind === RTN.LOCAL || kind === RTN.MULTICAST || kind === RTN.BROADCAST || ipv4Net(sk.net).sysctl.ip_nonlocal_bind !== 0;
    if (!allowed) return -Errno.EADDRNOTAVAIL;
    if (sk.num !== 0 && sk.type !== SOCK.RAW) return -Errno.EINVAL;
    if (sk instanceof TcpSock && sk.state !== TCP.CLOSE) return -Errno.EINVAL;
    const previous = sk.rcv_saddr;
    sk.rcv_saddr = sk.saddr = addr;
    if (kind === RTN.MULTICAST || kind === RTN.BROADCAST) sk.saddr = 0;
    if (sk.type === SOCK.DGRAM) {
      const err = sk.protocol === IPPROTO.UDP ? ipv4.udp.udp_v4_get_port(sk, port) : ipv4.ping.ping_get_port(sk, port);
      if (err < 0) {
        sk.rcv_saddr = sk.saddr = previous;
        return err;
      }
    }
    if (sk instanceof TcpSock) {
      const err = this.kernel.tcp.hash.inet_csk_get_port(sk, port);
      if (err < 0) {
        sk.rcv_saddr = sk.saddr = previous;
        return err;
      }
    }
    sk.portBound = true;
    sk.dst = undefined;
    return 0;
  }

  connect(sk: Sock, addr: SockAddr): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    if (!(sk instanceof InetSock) || addr.family === 17) return -Errno.EOPNOTSUPP;
    if (sk instanceof TcpSock) return this.stream_connect(sk, addr);
    if (addr.family === 10) return this.kernel.ipv6.sockets.inet6_connect(sk, addr);
    const { ipv4 } = this.kernel;
    if (sk.type === SOCK.DGRAM && sk.num === 0) {
      const err = sk.protocol === IPPROTO.UDP ? ipv4.udp.udp_v4_get_port(sk, 0) : ipv4.ping.ping_get_port(sk, 0);
      if (err < 0) return err;
    }
    return ipv4.common.connect4(sk, v4number(addr.addr), addr.port);
  }

  /** 0 when connected, -EINPROGRESS while the handshake lasts (then: writable or an error), or -errno. */
  private stream_connect(sk: TcpSock, addr: Exclude<SockAddr, { family: 17 }>): number {
    const { tcp } = this.kernel;
    sk.woken = false;
    if (sk.err !== 0 && sk.state === TCP.CLOSE) {
      const { err } = sk;
      sk.err = 0;
      sk.connected = false;
      return -err;
    }
    if (sk.state === TCP.SYN_SENT || sk.state === TCP.SYN_RECV) return -Errno.EALREADY;
    if (sk.state !== TCP.CLOSE) return -Errno.EISCONN;
    if (addr.family === 2 && sk.family === 10) return -Errno.EAFNOSUPPORT;
    const err = addr.family === 10 ? tcp.v6.tcp_v6_connect(sk, addr) : tcp.v4.tcp_v4_connect(sk, v4number(addr.addr), addr.port);
    return err < 0 ? err : -Errno.EINPROGRESS;
  }

  /** Bytes sent, or -errno. Packet sockets: `addr` gives device, protocol and destination. */
  sendmsg(sk: Sock, data: Uint8Array, addr?: SockAddr, control?: SendControl): number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    sk.woken = false;
    if (sk.closed) return -Errno.EBADF;
    this.kernel.net.rps.rps_record_sock_flow(sk.rxhash);
    if (sk instanceof TcpSock) return this.kernel.tcp.user.tcp_sendmsg(sk, data, control?.flags ?? 0);
    if (sk.err !== 0) {
      const err = sk.err;
      sk.err = 0;
      return -err;
    }
    if (sk instanceof PacketSock) return this.packet.packet_sendmsg(sk, data, addr?.family === 17 ? addr : undefined);
    if (!(sk instanceof InetSock)) return -Errno.EOPNOTSUPP;
    if (sk.family === 10) return this.kernel.ipv6.sockets.sendmsg6(sk, data, addr, control);
    if (addr !== undefined && addr.family !== 2) return -Errno.EAFNOSUPPORT;
    if (addr === undefined && !sk.connected) return -Errno.EDESTADDRREQ;
    const { ipv4 } = this.kernel;
    const daddr = addr === undefined ? sk.daddr : v4number(addr.addr);
    if (sk.type === SOCK.RAW) return ipv4.raw.raw_sendmsg(sk, data, daddr, control);
    if (sk.protocol === IPPROTO.UDP) return ipv4.udp.udp_sendmsg(sk, data, daddr, addr?.port ?? sk.dport, control);
    return ipv4.ping.ping_v4_sendmsg(sk, data, daddr, control);
  }

  /** The next message (MSG_ERRQUEUE: the next error), -EAGAIN when there is none, or the socket's pending error. `size`: the buffer's. */
  recvmsg(sk: Sock, size: number, flags: number): Message | number {
    this.kernel.charge(this.kernel.platform.costs.syscall);
    sk.woken = false;
    if (sk.closed) return -Errno.EBADF;
    this.kernel.net.rps.rps_record_sock_flow(sk.rxhash);
    if ((flags & MSG.ERRQUEUE) !== 0) {
      const entry = sk.error_queue.shift();
      if (entry === undefined) return -Errno.EAGAIN;
      sk.err = sk.error_queue.at(0)?.err.ee_errno ?? 0;
      return this.messages.errorMessage(entry, size);
    }
    if (sk instanceof TcpSock) return this.kernel.tcp.user.tcp_recvmsg(sk, size, flags);
    const skb = (flags & MSG.PEEK) !== 0 ? sk.receive_queue.first : sk.receive_queue.shift();
    if (skb === undefined) {
      const { err } = sk;
      sk.err = 0;
      return err !== 0 ? -err : -Errno.EAGAIN;
    }
    const message = this.messages.read(sk, skb, size);
    if ((flags & MSG.PEEK) === 0) {
      sk.rmem_alloc -= skb.truesize;
      if (sk instanceof InetSock && sk.protocol === IPPROTO.UDP && sk.type === SOCK.DGRAM) {
        const { mib } = ipv4Net(sk.net);
        (sk.family === 2 ? mib.udp : mib.udp6)[UDPSTATS.InDatagrams]++;
      }
      this.kernel.skb.consume_skb(skb);
    }
    return message;
  }

  /** Sets an option; `extra` is the interface index of memberships. */
  setsockopt(sk: Sock, option: SockOpt, value: number | string | Uint8Array, extra = 0): number {
    return this.options.setsockopt(sk, option, value, extra);
  }

  /** The option's value, or -errno (numeric options are never negative where the tools ask). */
  getsockopt(sk: Sock, option: SockOpt): number {
    return this.options.getsockopt(sk, option);
  }

  getsockname(sk: Sock): SockAddr | number {
    if (sk instanceof PacketSock) {
      const dev = sk.net.__dev_get_by_index(sk.ifindex);
      return {
        family: 17,
        protocol: sk.num,
        ifindex: sk.ifindex,
        hatype: dev?.type ?? 0,
        pkttype: 0,
        addr: dev?.dev_addr.slice() ?? new Uint8Array(0),
      };
    }
    if (!(sk instanceof InetSock)) return -Errno.EINVAL;
    const port = sk.type === SOCK.RAW ? 0 : sk.num;
    if (sk.v6 !== undefined) {
      const { v6 } = sk;
      const own = v6.rcv_saddr.some((b) => b !== 0) ? v6.rcv_saddr : v6.saddr;
      return { family: 10, addr: own.slice(), port, scope_id: own[0] === 0xfe ? v6.scope_id : 0 };
    }
    return { family: 2, addr: v4bytes(sk.rcv_saddr !== 0 ? sk.rcv_saddr : sk.saddr), port };
  }

  getpeername(sk: Sock): SockAddr | number {
    if (!(sk instanceof InetSock) || !sk.connected) return -Errno.ENOTCONN;
    if (sk.v6?.daddr !== undefined) return { family: 10, addr: sk.v6.daddr.slice(), port: sk.dport, scope_id: sk.v6.scope_id };
    return { family: 2, addr: v4bytes(sk.daddr), port: sk.dport };
  }

  /** POLLIN, POLLERR … that hold now. */
  poll(sk: Sock): number {
    if (sk instanceof TcpSock) return this.kernel.tcp.user.tcp_poll(sk);
    let mask = 0;
    if (sk.receive_queue.qlen > 0) mask |= POLL.IN;
    if (sk.err !== 0 || sk.error_queue.length > 0) mask |= POLL.ERR;
    if (sk.wmem_alloc < sk.sndbuf) mask |= POLL.OUT;
    return mask;
  }

  /** From now on `process.onEvent(op, sk)` runs in task context whenever the socket becomes readable or gets an error; undefined: nobody. */
  waitFor(sk: Sock, process: Process | undefined, op: number): void {
    sk.woken = false;
    sk.waiter = process;
    sk.waitOp = op;
  }

  close(sk: Sock): void {
    if (sk.closed) return;
    sk.closed = true;
    sk.waiter = undefined;
    const at = this.all.indexOf(sk);
    if (at >= 0) this.all.splice(at, 1);
    if (sk instanceof TcpSock) {
      this.kernel.tcp.user.tcp_close(sk);
      return;
    }
    for (let skb = sk.receive_queue.shift(); skb !== undefined; skb = sk.receive_queue.shift()) this.kernel.skb.consume_skb(skb);
    for (const entry of sk.error_queue.splice(0)) if (entry.skb !== undefined) this.kernel.skb.consume_skb(entry.skb);
    if (sk instanceof PacketSock) {
      this.packet.packet_release(sk);
      return;
    }
    if (!(sk instanceof InetSock)) return;
    const { ipv4 } = this.kernel;
    for (const { group, ifindex } of sk.memberships.splice(0)) this.options.ip_mc_leave_group(sk, group, ifindex);
    if (sk.type === SOCK.RAW) {
      for (const list of [ipv4Net(sk.net).raw, ipv4Net(sk.net).raw6]) {
        const i = list.indexOf(sk);
        if (i >= 0) list.splice(i, 1);
      }
    } else if (sk.protocol === IPPROTO.UDP) ipv4.udp.udp_lib_unhash(sk);
    else ipv4.ping.ping_unhash(sk);
  }

  /** Queues a received packet and wakes the reader; frees it when the buffer is full. 0 or -ENOMEM. */
  sock_queue_rcv_skb(sk: Sock, skb: SkBuff): number {
    if (sk.rmem_alloc + skb.truesize > sk.rcvbuf) {
      sk.drops++;
      this.kernel.skb.kfree_skb_reason(skb, 'SOCKET_RCVBUFF');
      return -Errno.ENOMEM;
    }
    if (skb.hash !== 0) sk.rxhash = skb.hash;
    if (skb.queue_mapping > 0) sk.rxQueue = skb.queue_mapping - 1;
    skb.dst = undefined;
    if (skb.tstamp === 0) skb.tstamp = this.kernel.now();
    sk.rmem_alloc += skb.truesize;
    sk.receive_queue.push(skb);
    this.sock_def_readable(sk);
    return 0;
  }

  sock_def_readable(sk: Sock): void {
    this.wakeWaiter(sk);
  }

  sk_error_report(sk: Sock): void {
    this.wakeWaiter(sk);
  }

  /** A process that was woken and has not run yet is not woken again (Linux: try_to_wake_up() of a runnable task). */
  private wakeWaiter(sk: Sock): void {
    if (sk.waiter === undefined || sk.woken) return;
    sk.woken = true;
    this.kernel.procs.wake(sk.waiter, sk.waitOp, sk);
  }

  /** An error of our own making, for sockets that asked for them. */
  ip_local_error(sk: InetSock, errno: number, addr: SockAddr, info: number): void {
    const wants = sk.family === 2 ? sk.recverr : sk.v6?.recverr === true;
    if (!wants) return;
    sk.error_queue.push({
      skb: undefined,
      err: { ee_errno: errno, ee_origin: SO_EE_ORIGIN.LOCAL, ee_type: 0, ee_code: 0, ee_info: info, offender: undefined },
      addr,
    });
    sk.err = errno;
    this.sk_error_report(sk);
  }

  /** Queues an ICMP error with the part of the packet that it is about, from `payload` on. */
  queueError(sk: Sock, skb: SkBuff, payload: Gpa, err: SockExtendedErr, addr: SockAddr): void {
    const copy = this.kernel.skb.skb_clone(skb);
    if (copy === undefined) return;
    if (sk.rmem_alloc + copy.truesize > sk.rcvbuf) {
      this.kernel.skb.kfree_skb(copy);
      return;
    }
    copy.len -= payload - copy.data;
    copy.data = payload;
    if (copy.tstamp === 0) copy.tstamp = this.kernel.now();
    copy.dst = undefined;
    sk.error_queue.push({ skb: copy, err, addr });
  }
}

traceable('', [AfPacket, SockOptions, Sockets]);
