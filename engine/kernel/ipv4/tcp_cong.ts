// Congestion control's frame: the table of algorithms, slow start, Reno (Linux: net/ipv4/tcp_cong.c; RFC 5681).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCP_CUBIC } from './tcp_cubic.ts';
import type { RateSample, TcpSock } from './tcp_sock.ts';
import { TCPF, TCP_CA } from './tcp_states.ts';

/** Linux: struct tcp_congestion_ops. Constants; their state is in `sk.ca_priv`. */
export interface TcpCongestionOps {
  readonly name: string;
  ssthresh(sk: TcpSock): number;
  cong_avoid?(kernel: Kernel, sk: TcpSock, ack: number, acked: number): void;
  cong_control?(kernel: Kernel, sk: TcpSock, rs: RateSample): void;
  undo_cwnd(sk: TcpSock): number;
  init?(kernel: Kernel, sk: TcpSock): void;
  set_state?(sk: TcpSock, state: number): void;
  cwnd_event?(sk: TcpSock, event: 'tx_start' | 'cwnd_restart' | 'loss' | 'complete_cwr', now: number): void;
  pkts_acked?(kernel: Kernel, sk: TcpSock, rttUs: number): void;
  sndbuf_expand?(sk: TcpSock): number;
  min_tso_segs?(sk: TcpSock): number;
}

/** Grows the window by one per ACKed segment up to ssthresh; what is left of `acked`. */
export function tcp_slow_start(sk: TcpSock, acked: number): number {
  const cwnd = Math.min(sk.snd_cwnd + acked, sk.snd_ssthresh);
  const left = acked - (cwnd - sk.snd_cwnd);
  sk.snd_cwnd = cwnd;
  return left;
}

/** Adds one segment per `w` ACKed. */
export function tcp_cong_avoid_ai(sk: TcpSock, w: number, acked: number): void {
  if (sk.snd_cwnd_cnt >= w) {
    sk.snd_cwnd_cnt = 0;
    sk.snd_cwnd++;
  }
  sk.snd_cwnd_cnt += acked;
  if (sk.snd_cwnd_cnt >= w) {
    const delta = Math.floor(sk.snd_cwnd_cnt / w);
    sk.snd_cwnd_cnt -= delta * w;
    sk.snd_cwnd += delta;
  }
}

export const tcp_in_slow_start = (sk: TcpSock): boolean => sk.snd_cwnd < sk.snd_ssthresh;

/** RFC 7661: a window that was not used does not grow. */
export function tcp_is_cwnd_limited(sk: TcpSock): boolean {
  if (sk.is_cwnd_limited) return true;
  return tcp_in_slow_start(sk) ? sk.snd_cwnd < 2 * sk.max_packets_out : false;
}

const TCP_RENO: TcpCongestionOps = ops<TcpCongestionOps>({
  name: 'reno',
  ssthresh: (sk) => Math.max(sk.snd_cwnd >> 1, 2),
  cong_avoid(_kernel, sk, _ack, ackedIn) {
    let acked = ackedIn;
    if (!tcp_is_cwnd_limited(sk)) return;
    if (tcp_in_slow_start(sk)) {
      acked = tcp_slow_start(sk, acked);
      if (acked === 0) return;
    }
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked);
  },
  undo_cwnd: (sk) => Math.max(sk.snd_cwnd, sk.prior_cwnd),
});

const ALGORITHMS: readonly TcpCongestionOps[] = Object.freeze([TCP_RENO, TCP_CUBIC]);

export class TcpCong {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_slow_start_after_idle_check', 'tcp_current_ssthresh']);
  /** Algorithms that are registered, in order; a module adds its own. */
  readonly available = ['reno', 'cubic'];
  readonly allowed = ['reno', 'cubic'];

  constructor(readonly kernel: Kernel) {}

  tcp_ca_find(name: string): TcpCongestionOps | undefined {
    return this.available.includes(name) ? ALGORITHMS.find((a) => a.name === name) : undefined;
  }
  defaultFor(name: string): TcpCongestionOps {
    return ALGORITHMS.find((a) => a.name === name) ?? TCP_RENO;
  }

  /** TCP_CONGESTION; 0 or -ENOENT. A name that is not loaded is looked for as a module. */
  tcp_set_congestion_control(sk: TcpSock, name: string): number {
    if (!this.available.includes(name) && ALGORITHMS.some((a) => a.name === name)) this.kernel.modules.modprobe(`tcp_${name}`);
    const ca = this.tcp_ca_find(name);
    if (ca === undefined) return -Errno.ENOENT;
    sk.ca_setsockopt = true;
    if (sk.ca === ca) return 0;
    sk.ca = ca;
    sk.ca_priv.fill(0);
    if (((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) === 0) this.tcp_init_congestion_control(sk);
    return 0;
  }

  tcp_init_congestion_control(sk: TcpSock): void {
    sk.prior_ssthresh = 0;
    sk.ca.init?.(this.kernel, sk);
  }

  /** Data again after a pause: the window that was learnt before may be too large (RFC 2861). */
  tcp_slow_start_after_idle_check(sk: TcpSock): void {
    if (ipv4Net(sk.net).tcp.sysctl.tcp_slow_start_after_idle === 0 || sk.packets_out > 0 || sk.ca.cong_control !== undefined) return;
    const delta = this.kernel.now() - sk.lsndtime;
    if (delta > sk.rto) this.tcp_cwnd_restart(sk, delta);
  }
  tcp_cwnd_restart(sk: TcpSock, idle: number): void {
    const restart = Math.min(10, sk.snd_cwnd);
    let cwnd = sk.snd_cwnd;
    sk.ca.cwnd_event?.(sk, 'cwnd_restart', this.kernel.now());
    sk.snd_ssthresh = this.tcp_current_ssthresh(sk);
    for (let left = idle - sk.rto; left > 0 && cwnd > restart; left -= sk.rto) cwnd >>= 1;
    sk.snd_cwnd = Math.max(cwnd, restart);
    sk.snd_cwnd_stamp = this.kernel.now();
    sk.snd_cwnd_used = 0;
  }
  tcp_current_ssthresh(sk: TcpSock): number {
    if (sk.ca_state === TCP_CA.CWR || sk.ca_state === TCP_CA.Recovery) return sk.snd_ssthresh;
    return Math.max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2));
  }

  /** Was the window the limit? Else it shrinks slowly to what is used. */
  tcp_cwnd_validate(sk: TcpSock, limited: boolean): void {
    if (((sk.cwnd_usage_seq - sk.snd_una) | 0) <= 0 || limited || (!sk.is_cwnd_limited && sk.packets_out > sk.max_packets_out)) {
      sk.is_cwnd_limited = limited;
      sk.max_packets_out = sk.packets_out;
      sk.cwnd_usage_seq = sk.snd_nxt;
    }
    const now = this.kernel.now();
    if (tcp_is_cwnd_limited(sk)) {
      sk.snd_cwnd_used = 0;
      sk.snd_cwnd_stamp = now;
      return;
    }
    if (sk.packets_out > sk.snd_cwnd_used) sk.snd_cwnd_used = sk.packets_out;
    if (ipv4Net(sk.net).tcp.sysctl.tcp_slow_start_after_idle !== 0 && now - sk.snd_cwnd_stamp >= sk.rto && sk.ca.cong_control === undefined)
      this.tcp_cwnd_application_limited(sk);
    if (sk.write_queue.qlen === 0 && sk.stream_nospace) this.kernel.tcp.rate.tcp_chrono_start(sk, 3);
  }
  tcp_cwnd_application_limited(sk: TcpSock): void {
    if (sk.ca_state === TCP_CA.Open && !sk.stream_nospace) {
      const used = Math.max(sk.snd_cwnd_used, 10);
      if (used < sk.snd_cwnd) {
        sk.snd_ssthresh = this.tcp_current_ssthresh(sk);
        sk.snd_cwnd = (sk.snd_cwnd + used) >> 1;
      }
      sk.snd_cwnd_used = 0;
    }
    sk.snd_cwnd_stamp = this.kernel.now();
  }
}
