// Round-trip time and what follows from it: RTO, smallest RTT, pacing rate, send buffer (Linux: net/ipv4/tcp_input.c; RFC 6298).
import type { Kernel } from '../kernel.ts';
import { ipv4Net } from './ipv4_net.ts';
import { after } from './tcp_skb.ts';
import type { MinMax, TcpSock } from './tcp_sock.ts';
import { FLAG, FLAG_ACKED, MAX_TCP_HEADER, TCP_RTO_MAX } from './tcp_states.ts';

const USEC_PER_JIFFY = 4000;

export class TcpRtt {
  static readonly inlined: readonly string[] = Object.freeze([
    'tcp_min_rtt',
    '__tcp_set_rto',
    'tcp_bound_rto',
    'tcp_update_rtt_min',
    'tcp_rto_min_us',
  ]);
  constructor(readonly kernel: Kernel) {}

  tcp_min_rtt(sk: TcpSock): number {
    return sk.rtt_min.v[0];
  }
  tcp_rto_min_us(sk: TcpSock): number {
    return sk.rto_min / 1000;
  }

  /** RFC 6298 §2, with Linux's mean deviation: the largest of a round trip counts. */
  tcp_rtt_estimator(sk: TcpSock, mrtt: number): void {
    let m = mrtt;
    let srtt = sk.srtt_us;
    if (srtt !== 0) {
      m -= Math.floor(srtt / 8);
      srtt += m;
      if (m < 0) {
        m = -m;
        m -= Math.floor(sk.mdev_us / 4);
        // a fall of the time is not taken for variance
        if (m > 0) m = Math.floor(m / 8);
      } else m -= Math.floor(sk.mdev_us / 4);
      sk.mdev_us += m;
      if (sk.mdev_us > sk.mdev_max_us) {
        sk.mdev_max_us = sk.mdev_us;
        if (sk.mdev_max_us > sk.rttvar_us) sk.rttvar_us = sk.mdev_max_us;
      }
      if (after(sk.snd_una, sk.rtt_seq)) {
        if (sk.mdev_max_us < sk.rttvar_us) sk.rttvar_us -= Math.floor((sk.rttvar_us - sk.mdev_max_us) / 4);
        sk.rtt_seq = sk.snd_nxt;
        sk.mdev_max_us = this.tcp_rto_min_us(sk);
      }
    } else {
      srtt = m * 8;
      sk.mdev_us = m * 2;
      sk.rttvar_us = Math.max(sk.mdev_us, this.tcp_rto_min_us(sk));
      sk.mdev_max_us = sk.rttvar_us;
      sk.rtt_seq = sk.snd_nxt;
    }
    sk.srtt_us = Math.max(1, srtt);
  }

  __tcp_set_rto(sk: TcpSock): number {
    return Math.ceil(((sk.srtt_us >>> 3) + sk.rttvar_us) / USEC_PER_JIFFY) * USEC_PER_JIFFY * 1000;
  }
  tcp_set_rto(sk: TcpSock): void {
    sk.rto = Math.min(this.__tcp_set_rto(sk), TCP_RTO_MAX);
  }

  /** Smallest of the last tcp_min_rtt_wlen seconds. */
  tcp_update_rtt_min(sk: TcpSock, rttUs: number, flag: number): void {
    // a delayed ACK says nothing new of a time that is known to be shorter
    if ((flag & FLAG.ACK_MAYBE_DELAYED) !== 0 && rttUs > this.tcp_min_rtt(sk)) return;
    minmaxRunningMin(sk.rtt_min, ipv4Net(sk.net).tcp.sysctl.tcp_min_rtt_wlen * 1000, this.kernel.now() / 1e6, Math.max(rttUs, 1));
  }

  /** Takes the sample that an ACK gave; false when it gave none. */
  tcp_ack_update_rtt(sk: TcpSock, flag: number, seqRtt: number, sackRtt: number, caRttIn: number): number {
    let rtt = seqRtt;
    let caRtt = caRttIn;
    if (rtt < 0) rtt = sackRtt;
    const { rx_opt } = sk;
    if (rtt < 0 && rx_opt.saw_tstamp && rx_opt.rcv_tsecr !== 0 && (flag & FLAG_ACKED) !== 0) {
      const delta = (this.kernel.tcp.out.timestamp(sk) - rx_opt.rcv_tsecr) | 0;
      if (delta >= 0 && delta < 0x7fffffff / 1000) rtt = caRtt = Math.max(delta, 1) * 1000;
    }
    if (rtt < 0) return caRtt;
    this.tcp_update_rtt_min(sk, caRtt, flag);
    this.tcp_rtt_estimator(sk, rtt);
    this.tcp_set_rto(sk);
    sk.backoff = 0;
    this.lastRtt = rtt;
    return caRtt;
  }
  /** Of the last call with a sample. */
  lastRtt = -1;

  /** sk_pacing_rate: twice the window per RTT in slow start, 1.2 times after it. */
  tcp_update_pacing_rate(sk: TcpSock): void {
    const { sysctl } = ipv4Net(sk.net).tcp;
    let rate = sk.mss_cache * 8 * 1e6;
    rate *= (sk.snd_cwnd < sk.snd_ssthresh / 2 ? sysctl.tcp_pacing_ss_ratio : sysctl.tcp_pacing_ca_ratio) / 100;
    rate *= Math.max(sk.snd_cwnd, sk.packets_out);
    if (sk.srtt_us !== 0) rate /= sk.srtt_us;
    sk.pacing_rate = Math.min(Math.floor(rate), sk.max_pacing_rate);
  }

  /** Room for what the window may need: twice the window, more when SACKs told of reordering. */
  tcp_sndbuf_expand(sk: TcpSock): void {
    const per = Math.max(sk.rx_opt.mss_clamp, sk.mss_cache) + MAX_TCP_HEADER + 320;
    let rounded = 1;
    while (rounded < per) rounded *= 2;
    const perMss = rounded + 256;
    const segs = Math.max(10, sk.snd_cwnd, sk.reordering + 1);
    const sndmem = (sk.ca.sndbuf_expand?.(sk) ?? 2) * segs * perMss;
    const { wmem } = ipv4Net(sk.net).tcp;
    if (sk.sndbuf < sndmem) sk.sndbuf = Math.min(sndmem, wmem[2]);
  }
}

/** K. Nichols' windowed filter: best, second and third best, each in its part of the window (Linux: lib/win_minmax.c). */
function minmaxRunningMin(m: MinMax, win: number, t: number, meas: number): void {
  const { v } = m;
  const at = m.t;
  if (meas <= v[0] || t - at[2] > win) {
    v.fill(meas);
    at.fill(t);
    return;
  }
  if (meas <= v[1]) {
    v[1] = v[2] = meas;
    at[1] = at[2] = t;
  } else if (meas <= v[2]) {
    v[2] = meas;
    at[2] = t;
  }
  const dt = t - at[0];
  if (dt > win) {
    v[0] = v[1];
    at[0] = at[1];
    v[1] = v[2];
    at[1] = at[2];
    v[2] = meas;
    at[2] = t;
    if (t - at[0] > win) {
      v[0] = v[1];
      at[0] = at[1];
      v[1] = v[2];
      at[1] = at[2];
      v[2] = meas;
      at[2] = t;
    }
  } else if (at[1] === at[0] && dt > win / 4) {
    v[1] = v[2] = meas;
    at[1] = at[2] = t;
  } else if (at[2] === at[1] && dt > win / 2) {
    v[2] = meas;
    at[2] = t;
  }
}
