// The system calls of a script, made on our sockets; what would block answers -EAGAIN and is tried again.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { TcpSock } from '../../kernel/ipv4/tcp_sock.ts';
import { TCP } from '../../kernel/ipv4/tcp_states.ts';
import { tcp_queues } from '../../kernel/ipv4/tcp_info.ts';
import { MSG, POLL, SOCK, type Sock, type SockOpt } from '../../kernel/sock.ts';
import type { Ends } from './packets.ts';

/** What a call is not known to do here. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}

const MSG_BITS: Readonly<Record<string, number>> = Object.freeze({
  MSG_MORE: MSG.MORE,
  MSG_PEEK: MSG.PEEK,
  MSG_DONTWAIT: MSG.DONTWAIT,
  MSG_EOR: MSG.EOR,
  MSG_NOSIGNAL: 0,
  MSG_WAITALL: 0,
});
const OPTIONS: ReadonlySet<string> = new Set([
  'SO_REUSEADDR',
  'SO_REUSEPORT',
  'SO_SNDBUF',
  'SO_RCVBUF',
  'SO_KEEPALIVE',
  'SO_RCVLOWAT',
  'SO_PRIORITY',
  'SO_MARK',
  'SO_MAX_PACING_RATE',
  'IP_TOS',
  'IP_TTL',
  'IP_MTU_DISCOVER',
  'IP_RECVERR',
  'TCP_NODELAY',
  'TCP_CORK',
  'TCP_MAXSEG',
  'TCP_CONGESTION',
  'TCP_KEEPIDLE',
  'TCP_KEEPINTVL',
  'TCP_KEEPCNT',
  'TCP_SYNCNT',
  'TCP_LINGER2',
  'TCP_DEFER_ACCEPT',
  'TCP_WINDOW_CLAMP',
  'TCP_QUICKACK',
  'TCP_USER_TIMEOUT',
  'TCP_NOTSENT_LOWAT',
]);
const VALUES: Readonly<Record<string, number>> = Object.freeze({
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
});

function number(text: string): number {
  if (text in VALUES) return VALUES[text];
  const n = Number(text);
  if (Number.isNaN(n)) throw new Unsupported(`value ${text}`);
  return n;
}

export class ScriptCalls {
  /** The script's descriptors. */
  private readonly files = new Map<number, { sock: Sock; nonblock: boolean; wants: Uint8Array | undefined }>();
  constructor(
    readonly kernel: Kernel,
    readonly ends: Ends,
  ) {}

  socketOf(fd: number): Sock | undefined {
    return this.files.get(fd)?.sock;
  }
  /** The connection that assertions are about: the newest. */
  newest(): TcpSock | undefined {
    return [...this.files.values()]
      .map((f) => f.sock)
      .filter((s): s is TcpSock => s instanceof TcpSock && s.state !== TCP.LISTEN)
      .at(-1);
  }

  /** The result; undefined while the call blocks. `expected` gives new descriptors the script's number. */
  run(name: string, args: readonly string[], expected: number): number | undefined {
    const { sockets, platform } = this.kernel;
    const cpu = platform.cpus.list[0];
    const begun = platform.cpus.current === undefined ? cpu.enterTask() : undefined;
    try {
      if (name === 'socket') {
        const type = args[1] ?? '';
        if (!type.includes('SOCK_STREAM')) throw new Unsupported(`socket ${type}`);
        const s = sockets.socket(this.kernel.init_net, 2, SOCK.STREAM, 0);
        if (typeof s === 'number') return s;
        this.files.set(expected, { sock: s, nonblock: type.includes('SOCK_NONBLOCK'), wants: undefined });
        return expected;
      }
      const file = this.files.get(Number(args[0]));
      if (file === undefined)
        return name === 'poll' || name.startsWith('epoll') || name === 'pipe' || name === 'open' ? this.unsupported(name) : -Errno.EBADF;
      return this.on(file, name, args, expected);
    } finally {
      if (begun !== undefined) cpu.leaveTask(begun, 'packetdrill');
    }
  }
  private unsupported(name: string): never {
    throw new Unsupported(`${name}()`);
  }

  private on(
    file: { sock: Sock; nonblock: boolean; wants: Uint8Array | undefined },
    name: string,
    args: readonly string[],
    expected: number,
  ): number | undefined {
    const { sockets } = this.kernel;
    const { sock } = file;
    const blocks = (r: number): number | undefined => (r === -Errno.EAGAIN && !file.nonblock ? undefined : r);
    switch (name) {
      case 'bind':
        this.ends.localPort = 8080;
        return sockets.bind(sock, { family: 2, addr: bytes(this.ends.local), port: 8080 });
      case 'listen':
        return sockets.listen(sock, Number(args[1]));
      case 'accept':
      case 'accept4': {
        const s = sockets.accept(sock);
        if (typeof s === 'number') return blocks(s);
        this.files.set(expected, { sock: s, nonblock: (args[3] ?? '').includes('SOCK_NONBLOCK'), wants: undefined });
        return expected;
      }
      case 'connect': {
        if (sock instanceof TcpSock && (sock.state === TCP.SYN_SENT || sock.state === TCP.SYN_RECV) && !file.nonblock) return undefined;
        if (sock instanceof TcpSock && file.wants !== undefined) {
          file.wants = undefined;
          const err = sockets.getsockopt(sock, 'SO_ERROR');
          return err > 0 ? -err : 0;
        }
        const r = sockets.connect(sock, { family: 2, addr: bytes(this.ends.remote), port: 8080 });
        if (r === -Errno.EINPROGRESS && !file.nonblock) {
          file.wants = new Uint8Array(0);
          return undefined;
        }
        return r;
      }
      case 'write':
      case 'send':
      case 'sendto': {
        const size = Number(args[2]);
        const flags = name === 'write' ? 0 : flagsOf(args[3] ?? '0');
        return this.write(file, size, flags);
      }
      case 'sendmsg': {
        const size = [...(args[1] ?? '').matchAll(/\{\s*\.\.\.\s*,\s*(\d+)\s*\}/g)].reduce((n, m) => n + Number(m[1]), 0);
        return this.write(file, size, flagsOf(args[2] ?? '0'));
      }
      case 'read':
      case 'recv':
      case 'recvfrom': {
        const flags = name === 'read' ? 0 : flagsOf(args[3] ?? '0');
        const m = sockets.recvmsg(sock, Number(args[2]), flags);
        return typeof m === 'number' ? blocks(m) : m.data.length;
      }
      case 'shutdown':
        return sockets.shutdown(sock, { SHUT_RD: 1, SHUT_WR: 2, SHUT_RDWR: 3 }[args[1] ?? ''] ?? 3);
      case 'close':
        sockets.close(sock);
        this.files.delete(Number(args[0]));
        return 0;
      case 'fcntl':
        if (args[1] === 'F_GETFL') return file.nonblock ? 0x802 : 2;
        file.nonblock = (args[2] ?? '').includes('O_NONBLOCK');
        return 0;
      case 'ioctl': {
        if (!(sock instanceof TcpSock)) return -Errno.EINVAL;
        const [rx, tx] = tcp_queues(sock);
        if (args[1] !== 'SIOCINQ' && args[1] !== 'SIOCOUTQ' && args[1] !== 'FIONREAD') return this.unsupported(`ioctl ${args[1]}`);
        const have = args[1] === 'SIOCOUTQ' ? tx : rx;
        const want = Number((args[2] ?? '').replaceAll(/[[\]]/g, ''));
        if (have !== want) throw new Error(`${args[1]} is ${have}, not ${want}`);
        return 0;
      }
      case 'setsockopt':
        return this.setOption(sock, args);
      case 'getsockopt': {
        const want = /^\[(-?\w+)\]$/.exec(args[3] ?? '')?.[1];
        if (args[2] === 'TCP_INFO' || want === undefined) return this.unsupported(`getsockopt ${args[2]}`);
        if (!OPTIONS.has(args[2]) && args[2] !== 'SO_ERROR') return this.unsupported(`getsockopt ${args[2]}`);
        const have = sockets.getsockopt(sock, args[2] as SockOpt);
        const wanted = want in Errno ? Errno[want as keyof typeof Errno] : number(want);
        if (have < 0) return have;
        if (have !== wanted) throw new Error(`${args[2]} is ${have}, not ${wanted}`);
        return 0;
      }
      case 'poll':
        return (sockets.poll(sock) & (POLL.IN | POLL.OUT)) !== 0 ? 1 : 0;
      default:
        return this.unsupported(name);
    }
  }

  /** A blocking write ends when all of it has been taken. */
  private write(file: { sock: Sock; nonblock: boolean; wants: Uint8Array | undefined }, size: number, flags: number): number | undefined {
    const { sockets } = this.kernel;
    const left = file.wants ?? new Uint8Array(size);
    const r = sockets.sendmsg(file.sock, left, undefined, { flags });
    if (file.nonblock || (flags & MSG.DONTWAIT) !== 0) return r;
    if (r < 0 && r !== -Errno.EAGAIN) {
      file.wants = undefined;
      return left.length < size ? size - left.length : r;
    }
    const rest = r < 0 ? left : left.subarray(r);
    file.wants = rest.length > 0 ? rest : undefined;
    return rest.length > 0 ? undefined : size;
  }

  private setOption(sock: Sock, args: readonly string[]): number {
    const { sockets } = this.kernel;
    const [, , name, value = ''] = args;
    if (name === 'SO_LINGER') {
      const m = /onoff\s*=\s*(\d+)\s*,\s*linger\s*=\s*(\d+)/.exec(value);
      if (m === null) return this.unsupported(`SO_LINGER ${value}`);
      return sockets.setsockopt(sock, 'SO_LINGER', m[1] === '0' ? -1 : Number(m[2]));
    }
    if (!OPTIONS.has(name)) return this.unsupported(`setsockopt ${name}`);
    const text = /^"(.*)"$/.exec(value)?.[1] ?? /^\[\s*"?([^"\]]*)"?\s*\]$/.exec(value)?.[1];
    if (text === undefined) return this.unsupported(`setsockopt ${name} ${value}`);
    return sockets.setsockopt(sock, name as SockOpt, name === 'TCP_CONGESTION' ? text : number(text));
  }
}

const bytes = (a: number): Uint8Array => Uint8Array.of(a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255);

function flagsOf(text: string): number {
  return text.split('|').reduce((n, w) => {
    const word = w.trim();
    if (word in MSG_BITS) return n | MSG_BITS[word];
    if (/^\d+$/.test(word)) return n | Number(word);
    throw new Unsupported(`flag ${word}`);
  }, 0);
}
