// TCP's socket tables: connections by both ends, listeners by port, who holds a port (Linux: net/ipv4/inet_hashtables.c, inet_connection_sock.c).
import { Errno } from '../../base/errno.ts';
import { eq6, isAny6 } from '../ipv6/in6.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { ipv4Net } from './ipv4_net.ts';
import type { TcpNet } from './tcp_net.ts';
import type { TcpHashed, TcpSock, TcpTimewaitSock } from './tcp_sock.ts';
import { TCP } from './tcp_states.ts';

const portsKey = (lport: number, rport: number): number => ((lport << 16) | rport) >>> 0;

export class InetHashtables {
  static readonly inlined: readonly string[] = Object.freeze(['inet_lhashfn', 'inet_ehashfn']);
  constructor(readonly kernel: Kernel) {}

  private tcp(net: Net): TcpNet {
    return ipv4Net(net).tcp;
  }

  /** A connection, request or TIME_WAIT for an IPv4 segment. */
  __inet_lookup_established(net: Net, saddr: number, sport: number, daddr: number, dport: number, dif: number): TcpHashed | undefined {
    const bucket = this.tcp(net).established.get(portsKey(dport, sport));
    if (bucket === undefined) return undefined;
    for (let i = 0; i < bucket.length; i++) {
      const e = bucket[i];
      if (!e.wire6 && e.daddr === saddr && e.rcv_saddr === daddr && (e.bound_dev_if === 0 || e.bound_dev_if === dif)) return e;
    }
    return undefined;
  }
  __inet6_lookup_established(
    net: Net,
    saddr: Uint8Array,
    sport: number,
    daddr: Uint8Array,
    dport: number,
    dif: number,
  ): TcpHashed | undefined {
    const bucket = this.tcp(net).established.get(portsKey(dport, sport));
    if (bucket === undefined) return undefined;
    for (const e of bucket) {
      if (!e.wire6 || e.local6 === undefined || e.peer6 === undefined) continue;
      if (eq6(e.peer6, saddr) && eq6(e.local6, daddr) && (e.bound_dev_if === 0 || e.bound_dev_if === dif)) return e;
    }
    return undefined;
  }

  /** The listener that fits best; among equals with SO_REUSEPORT, one by the flow's hash. */
  __inet_lookup_listener(net: Net, saddr: number, sport: number, daddr: number, dport: number, dif: number): TcpSock | undefined {
    return this.best(net, dport, Math.imul(saddr ^ Math.imul(sport, 0x9e3779b1), 0x85ebca6b) >>> 0, (sk) => {
      if (sk.family === 10 && (sk.v6?.v6only === true || (sk.v6 !== undefined && !isAny6(sk.v6.rcv_saddr)))) return -1;
      let score = sk.family === 2 ? 2 : 1;
      if (sk.rcv_saddr !== 0) {
        if (sk.rcv_saddr !== daddr) return -1;
        score += 4;
      }
      return this.bound(sk, dif, score);
    });
  }
  inet6_lookup_listener(net: Net, saddr: Uint8Array, sport: number, daddr: Uint8Array, dport: number, dif: number): TcpSock | undefined {
    return this.best(net, dport, Math.imul(saddr[15] ^ (saddr[14] << 8) ^ Math.imul(sport, 0x9e3779b1), 0x85ebca6b) >>> 0, (sk) => {
      if (sk.v6 === undefined) return -1;
      let score = 1;
      if (!isAny6(sk.v6.rcv_saddr)) {
        if (!eq6(sk.v6.rcv_saddr, daddr)) return -1;
        score += 4;
      }
      return this.bound(sk, dif, score);
    });
  }
  private bound(sk: TcpSock, dif: number, score: number): number {
    if (sk.bound_dev_if === 0) return score;
    return sk.bound_dev_if === dif ? score + 4 : -1;
  }
  private best(net: Net, port: number, hash: number, scoreOf: (sk: TcpSock) => number): TcpSock | undefined {
    const list = this.tcp(net).listening.get(port);
    if (list === undefined) return undefined;
    let best: TcpSock[] = [];
    let high = -1;
    for (const sk of list) {
      const score = scoreOf(sk);
      if (score < 0 || score < high) continue;
      if (score > high) best = [];
      high = score;
      best.push(sk);
    }
    if (best.length > 1 && best[0].reuseport) return best[hash % best.length];
    return best.at(0);
  }

  inet_ehash_insert(e: TcpHashed): void {
    const { established } = this.tcp(e.net);
    const key = portsKey(e.num, e.dport);
    const bucket = established.get(key);
    if (bucket === undefined) established.set(key, [e]);
    else bucket.push(e);
  }
  inet_ehash_remove(e: TcpHashed): void {
    const { established } = this.tcp(e.net);
    const key = portsKey(e.num, e.dport);
    const bucket = established.get(key);
    const at = bucket?.indexOf(e) ?? -1;
    if (bucket === undefined || at < 0) return;
    if (bucket.length === 1) established.delete(key);
    else bucket.splice(at, 1);
  }

  /** Into the table of its state. */
  inet_hash(sk: TcpSock): void {
    if (sk.hashed) return;
    sk.hashed = true;
    if (sk.state !== TCP.LISTEN) return this.inet_ehash_insert(sk);
    const { listening } = this.tcp(sk.net);
    const list = listening.get(sk.num);
    if (list === undefined) listening.set(sk.num, [sk]);
    else list.push(sk);
  }
  inet_unhash(sk: TcpSock): void {
    if (!sk.hashed) return;
    sk.hashed = false;
    const { listening } = this.tcp(sk.net);
    const list = listening.get(sk.num);
    const at = list?.indexOf(sk) ?? -1;
    if (list !== undefined && at >= 0) {
      list.splice(at, 1);
      if (list.length === 0) listening.delete(sk.num);
    } else this.inet_ehash_remove(sk);
  }

  // ports

  hold(net: Net, port: number, sk: TcpSock | TcpTimewaitSock): void {
    const { bound } = this.tcp(net);
    const list = bound.get(port);
    if (list === undefined) bound.set(port, [sk]);
    else list.push(sk);
  }
  /** Linux: inet_put_port() */
  inet_put_port(net: Net, port: number, sk: TcpSock | TcpTimewaitSock): void {
    const { bound } = this.tcp(net);
    const list = bound.get(port);
    const at = list?.indexOf(sk) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) bound.delete(port);
  }

  /** Binds to `port`, or to a free one (0); 0 or -EADDRINUSE. */
  inet_csk_get_port(sk: TcpSock, wanted: number): number {
    let port = wanted;
    if (port === 0) {
      port = this.inet_csk_find_open_port(sk);
      if (port === 0) return -Errno.EADDRINUSE;
    } else if (this.inet_csk_bind_conflict(sk, port)) return -Errno.EADDRINUSE;
    sk.num = port;
    this.hold(sk.net, port, sk);
    return 0;
  }
  /** Odd ports first: the even ones are for connections. */
  inet_csk_find_open_port(sk: TcpSock): number {
    const n4 = ipv4Net(sk.net);
    const range = n4.portMax - n4.portMin + 1;
    const start = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:tcp_port`).below(range) | 1;
    for (let parity = 0; parity < 2; parity++) {
      for (let i = 0; i < range; i += 2) {
        const port = n4.portMin + ((start + parity + i) % range);
        const list = n4.tcp.bound.get(port);
        if (list === undefined || (sk.reuseport && !this.inet_csk_bind_conflict(sk, port))) return port;
      }
    }
    return 0;
  }
  inet_csk_bind_conflict(sk: TcpSock, port: number): boolean {
    const list = this.tcp(sk.net).bound.get(port);
    return list !== undefined && list.some((other) => other !== sk && this.collide(sk, other));
  }
  private collide(sk: TcpSock, other: TcpSock | TcpTimewaitSock): boolean {
    if (sk.bound_dev_if !== 0 && other.bound_dev_if !== 0 && sk.bound_dev_if !== other.bound_dev_if) return false;
    if (sk.reuse && (other.kind === 'timewait' ? other.reuse : other.reuse) && other.state !== TCP.LISTEN) return false;
    if (sk.reuseport && (other.kind === 'timewait' || (other.reuseport && other.uid === sk.uid))) return false;
    return this.sameAddress(sk, other);
  }
  private sameAddress(a: TcpSock, b: TcpSock | TcpTimewaitSock): boolean {
    const any6 = (x: TcpSock | TcpTimewaitSock): boolean => x.family === 10 && x.local6 !== undefined && isAny6(x.local6);
    const only6 = (x: TcpSock | TcpTimewaitSock): boolean => x.kind === 'sock' && x.v6?.v6only === true;
    if (a.family === 10 && b.family === 10)
      return any6(a) || any6(b) || (a.local6 !== undefined && b.local6 !== undefined && eq6(a.local6, b.local6));
    if (a.family === 2 && b.family === 2) return a.rcv_saddr === 0 || b.rcv_saddr === 0 || a.rcv_saddr === b.rcv_saddr;
    // one of each: they meet where the IPv6 one takes IPv4 too
    const six = a.family === 10 ? a : b;
    const four = a.family === 10 ? b : a;
    if (only6(six) || !any6(six)) return !six.wire6 && six.rcv_saddr !== 0 && (four.rcv_saddr === 0 || four.rcv_saddr === six.rcv_saddr);
    return true;
  }

  /** A local port for a connection whose other three parts are known; 0 or -EADDRNOTAVAIL. */
  inet_hash_connect(sk: TcpSock): number {
    const n4 = ipv4Net(sk.net);
    if (sk.num !== 0) {
      if (!this.__inet_check_established(sk, sk.num)) return -Errno.EADDRNOTAVAIL;
      this.inet_hash(sk);
      return 0;
    }
    const range = n4.portMax - n4.portMin + 1;
    const start = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:tcp_port`).below(range) & ~1;
    for (let parity = 0; parity < 2; parity++) {
      for (let i = 0; i < range; i += 2) {
        const port = n4.portMin + ((start + parity + i) % range);
        const list = n4.tcp.bound.get(port);
        if (list?.some((s) => s.kind === 'sock' && s.portBound) === true) continue;
        if (list !== undefined && !this.__inet_check_established(sk, port)) continue;
        sk.num = port;
        this.hold(sk.net, port, sk);
        this.inet_hash(sk);
        return 0;
      }
    }
    return -Errno.EADDRNOTAVAIL;
  }

  /** Is the four-tuple free? An old TIME_WAIT may give way. */
  __inet_check_established(sk: TcpSock, port: number): boolean {
    const bucket = this.tcp(sk.net).established.get(portsKey(port, sk.dport));
    if (bucket === undefined) return true;
    for (const e of bucket.slice()) {
      if (e === sk || e.wire6 !== sk.wire6) continue;
      const same = sk.wire6
        ? e.peer6 !== undefined &&
          sk.peer6 !== undefined &&
          e.local6 !== undefined &&
          sk.local6 !== undefined &&
          eq6(e.peer6, sk.peer6) &&
          eq6(e.local6, sk.local6)
        : e.daddr === sk.daddr && e.rcv_saddr === sk.rcv_saddr;
      if (!same) continue;
      if (e.kind !== 'timewait' || !this.kernel.tcp.mini.tcp_twsk_unique(sk, e as TcpTimewaitSock)) return false;
    }
    return true;
  }
}
