// Delivery rate samples, and what a connection waits for (Linux: net/ipv4/tcp_rate.c, tcp_chrono_*).
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import { TCPCB, TCP_SKB_CB, after } from './tcp_skb.ts';
import { RateSample, type TcpSock } from './tcp_sock.ts';

/** enum tcp_chrono */
export const TCP_CHRONO = { UNSPEC: 0, BUSY: 1, RWND_LIMITED: 2, SNDBUF_LIMITED: 3 } as const;

export class TcpRate {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_chrono_set']);
  /** Of the ACK in hand. */
  readonly rs = new RateSample();
  constructor(readonly kernel: Kernel) {}

  tcp_rate_skb_sent(sk: TcpSock, skb: SkBuff): void {
    const cb = TCP_SKB_CB(skb);
    if (sk.packets_out === 0) {
      sk.first_tx_mstamp = cb.mstamp;
      sk.delivered_mstamp = cb.mstamp;
    }
    cb.first_tx_mstamp = sk.first_tx_mstamp;
    cb.delivered_mstamp = sk.delivered_mstamp;
    cb.delivered = sk.delivered;
    cb.is_app_limited = sk.app_limited !== 0;
  }

  /** A packet was (s)acked: the newest one sent is the sample's start. */
  tcp_rate_skb_delivered(sk: TcpSock, skb: SkBuff): void {
    const { rs } = this;
    const cb = TCP_SKB_CB(skb);
    if (cb.delivered_mstamp === 0) return;
    if (rs.prior_delivered === 0 || this.sentAfter(cb.mstamp, sk.first_tx_mstamp, cb.end_seq, rs.last_end_seq)) {
      rs.prior_delivered = Math.max(cb.delivered, 0);
      rs.prior_mstamp = cb.delivered_mstamp;
      rs.is_app_limited = cb.is_app_limited;
      rs.is_retrans = (cb.sacked & TCPCB.RETRANS) !== 0;
      rs.last_end_seq = cb.end_seq;
      sk.first_tx_mstamp = cb.mstamp;
      rs.interval_us = Math.max(0, cb.mstamp - cb.first_tx_mstamp);
      this.have = true;
    }
    if ((cb.sacked & TCPCB.SACKED_ACKED) !== 0) cb.delivered_mstamp = 0;
  }
  private have = false;
  private sentAfter(t1: number, t2: number, seq1: number, seq2: number): boolean {
    return t1 > t2 || (t1 === t2 && after(seq1, seq2));
  }

  /** Before an ACK is worked on. */
  begin(inFlight: number): void {
    const { rs } = this;
    rs.prior_delivered = 0;
    rs.prior_mstamp = 0;
    rs.interval_us = -1;
    rs.rtt_us = -1;
    rs.is_app_limited = rs.is_retrans = rs.is_ack_delayed = false;
    rs.last_end_seq = 0;
    rs.prior_in_flight = inFlight;
    this.have = false;
  }

  tcp_rate_gen(sk: TcpSock, delivered: number, lost: number, reneg: boolean): void {
    const { rs } = this;
    if (sk.app_limited !== 0 && sk.delivered > sk.app_limited) sk.app_limited = 0;
    if (delivered > 0) sk.delivered_mstamp = sk.tcp_mstamp;
    rs.acked_sacked = delivered;
    rs.losses = lost;
    if (!this.have || rs.prior_mstamp === 0 || reneg) {
      rs.delivered = -1;
      rs.interval_us = -1;
      return;
    }
    rs.delivered = sk.delivered - rs.prior_delivered;
    const ackUs = sk.tcp_mstamp - rs.prior_mstamp;
    rs.interval_us = Math.max(rs.interval_us, ackUs);
    if (rs.interval_us < this.kernel.tcp.rtt.tcp_min_rtt(sk)) {
      rs.interval_us = -1;
      return;
    }
    if (!rs.is_app_limited || rs.delivered * sk.rate_interval_us >= sk.rate_delivered * rs.interval_us) {
      sk.rate_delivered = rs.delivered;
      sk.rate_interval_us = rs.interval_us;
      sk.rate_app_limited = rs.is_app_limited;
    }
  }

  /** The application, not the network, was the limit. */
  tcp_rate_check_app_limited(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const unsent = ((sk.write_seq - sk.snd_nxt) | 0) >= sk.mss_cache;
    if (unsent || sk.wmem_alloc >= 1280 * 2 || tcp.out.tcp_packets_in_flight(sk) >= sk.snd_cwnd || sk.lost_out > sk.retrans_out) return;
    sk.app_limited = sk.delivered + tcp.out.tcp_packets_in_flight(sk) || 1;
  }

  tcp_chrono_set(sk: TcpSock, type: number): void {
    const now = this.kernel.now();
    if (sk.chrono_type > 0) sk.chrono_stat[sk.chrono_type - 1] += now - sk.chrono_start;
    sk.chrono_start = now;
    sk.chrono_type = type;
  }
  tcp_chrono_start(sk: TcpSock, type: number): void {
    if (type > sk.chrono_type) this.tcp_chrono_set(sk, type);
  }
  tcp_chrono_stop(sk: TcpSock, type: number): void {
    if (sk.rtx_queue.length === 0 && sk.write_queue.qlen === 0) {
      if (sk.chrono_type !== 0) this.tcp_chrono_set(sk, TCP_CHRONO.UNSPEC);
    } else if (type === sk.chrono_type) this.tcp_chrono_set(sk, TCP_CHRONO.BUSY);
  }
  /** µs that a connection was busy, limited by the peer's window, by its own buffer. */
  times(sk: TcpSock, type: number): number {
    let total = 0;
    for (let i = TCP_CHRONO.BUSY; i < 4; i++) {
      let t = sk.chrono_stat[i - 1];
      if (sk.chrono_type === i) t += this.kernel.now() - sk.chrono_start;
      if (type === TCP_CHRONO.BUSY || type === i) total += t;
    }
    return Math.floor(total / 1000);
  }
}
