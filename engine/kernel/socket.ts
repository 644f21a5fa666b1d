// The socket calls as userland's programs make them; a call never blocks: it answers -EAGAIN, and `waitFor` wakes the process later.
import { Errno } from '../base/errno.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';
import type { Process } from './process.ts';
import type { Message, SendControl, Sock, SockAddr, SockOpt } from './sock.ts';

export class Sockets {
  constructor(readonly kernel: Kernel) {}

  /** A socket, or -EPROTONOSUPPORT, -EACCES (ping sockets outside ping_group_range), … */
  socket(_net: Net, _family: number, _type: number, _protocol: number): Sock | number {
    return -Errno.EAFNOSUPPORT;
  }

  bind(_sk: Sock, _addr: SockAddr): number {
    return -Errno.EINVAL;
  }

  connect(_sk: Sock, _addr: SockAddr): number {
    return -Errno.EINVAL;
  }

  /** Bytes sent, or -errno. Packet sockets: `addr` gives device, protocol and destination. */
  sendmsg(_sk: Sock, _data: Uint8Array, _addr?: SockAddr, _control?: SendControl): number {
    return -Errno.ENOTCONN;
  }

  /** The next message (MSG_ERRQUEUE: the next error), -EAGAIN when there is none, or the socket's pending error. `size`: the buffer's. */
  recvmsg(_sk: Sock, _size: number, _flags: number): Message | number {
    return -Errno.EAGAIN;
  }

  /** Sets an option; `extra` is the interface index of memberships. */
  setsockopt(_sk: Sock, _option: SockOpt, _value: number | string | Uint8Array, _extra = 0): number {
    return -Errno.ENOPROTOOPT;
  }

  /** The option's value, or -errno (numeric options are never negative where the tools ask). */
  getsockopt(_sk: Sock, _option: SockOpt): number {
    return -Errno.ENOPROTOOPT;
  }

  getsockname(_sk: Sock): SockAddr | number {
    return -Errno.EINVAL;
  }

  getpeername(_sk: Sock): SockAddr | number {
    return -Errno.ENOTCONN;
  }

  /** POLLIN, POLLERR … that hold now. */
  poll(_sk: Sock): number {
    return 0;
  }

  /** From now on `process.onEvent(op, sk)` runs in task context whenever the socket becomes readable or gets an error; undefined: nobody. */
  waitFor(sk: Sock, process: Process | undefined, op: number): void {
    sk.waiter = process;
    sk.waitOp = op;
  }

  close(_sk: Sock): void {}
}
