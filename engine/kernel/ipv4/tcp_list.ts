// TCP sockets of a namespace in the order in which Linux walks its tables, and their timers as /proc/net/tcp and sock_diag give them.
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { ipv4Net } from './ipv4_net.ts';
import type { TcpHashed, TcpRequestSock, TcpSock, TcpTimewaitSock } from './tcp_sock.ts';
import { ICSK_TIME, TCP } from './tcp_states.ts';

export type TcpAny = TcpSock | TcpRequestSock | TcpTimewaitSock;

/** Listeners, then everything else; of one address family. */
export function tcpSockets(net: Net, family: number): TcpAny[] {
  const { tcp } = ipv4Net(net);
  const out: TcpHashed[] = [];
  for (const list of tcp.listening.values()) out.push(...list);
  for (const list of tcp.established.values()) out.push(...list);
  for (const list of tcp.bound.values())
    for (const sk of list) if (sk.kind === 'sock' && sk.state === TCP.CLOSE && !sk.hashed) out.push(sk);
  return (out as TcpAny[]).filter((s) => s.family === family);
}

/** kind: 0 none, 1 retransmission, 2 keepalive, 3 TIME_WAIT, 4 zero-window probe. `left` in ns. */
export interface TcpTimerInfo {
  readonly kind: number;
  readonly left: number;
  readonly count: number;
}

export function tcpTimer(kernel: Kernel, s: TcpAny): TcpTimerInfo {
  const now = kernel.now();
  if (s.kind === 'timewait') return { kind: 3, left: Math.max(0, s.timer.expires - now), count: 0 };
  if (s.kind === 'request') return { kind: 1, left: Math.max(0, s.timer.expires - now), count: s.num_timeout };
  const left = Math.max(0, s.timeout - now);
  if (s.pending === ICSK_TIME.RETRANS || s.pending === ICSK_TIME.LOSS_PROBE || s.pending === ICSK_TIME.REO_TIMEOUT)
    return { kind: 1, left, count: s.retransmits };
  if (s.pending === ICSK_TIME.PROBE0) return { kind: 4, left, count: s.probes_out };
  if (kernel.timers.timer_pending(s.sk_timer)) return { kind: 2, left: Math.max(0, s.sk_timer.expires - now), count: s.probes_out };
  return { kind: 0, left: 0, count: 0 };
}

/** SYN_RECV and FIN_WAIT2 where a request or a TIME_WAIT socket stands for one. */
export function tcpStateOf(s: TcpAny): number {
  if (s.kind === 'request') return TCP.SYN_RECV;
  return s.kind === 'timewait' ? s.substate : s.state;
}
