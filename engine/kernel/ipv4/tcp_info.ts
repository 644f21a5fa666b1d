// What TCP_INFO and sock_diag tell of a connection (Linux: tcp_get_info(), struct tcp_info).
import type { Kernel } from '../kernel.ts';

import { TCP_CHRONO } from './tcp_rate.ts';
import { seqDiff } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { TCP } from './tcp_states.ts';

/** Times in µs unless named otherwise. */
export interface TcpInfo {
  readonly tcpi_state: number;
  readonly tcpi_ca_state: number;
  readonly tcpi_retransmits: number;
  readonly tcpi_probes: number;
  readonly tcpi_backoff: number;
  readonly tcpi_options: number;
  readonly tcpi_snd_wscale: number;
  readonly tcpi_rcv_wscale: number;
  readonly tcpi_delivery_rate_app_limited: number;
  readonly tcpi_rto: number;
  readonly tcpi_ato: number;
  readonly tcpi_snd_mss: number;
  readonly tcpi_rcv_mss: number;
  readonly tcpi_unacked: number;
  readonly tcpi_sacked: number;
  readonly tcpi_lost: number;
  readonly tcpi_retrans: number;
  /** ms */
  readonly tcpi_last_data_sent: number;
  readonly tcpi_last_data_recv: number;
  readonly tcpi_last_ack_recv: number;
  readonly tcpi_pmtu: number;
  readonly tcpi_rcv_ssthresh: number;
  readonly tcpi_rtt: number;
  readonly tcpi_rttvar: number;
  readonly tcpi_snd_ssthresh: number;
  readonly tcpi_snd_cwnd: number;
  readonly tcpi_advmss: number;
  readonly tcpi_reordering: number;
  readonly tcpi_rcv_rtt: number;
  readonly tcpi_rcv_space: number;
  readonly tcpi_total_retrans: number;
  /** bytes per second; Infinity is none */
  readonly tcpi_pacing_rate: number;
  readonly tcpi_max_pacing_rate: number;
  readonly tcpi_bytes_acked: number;
  readonly tcpi_bytes_received: number;
  readonly tcpi_segs_out: number;
  readonly tcpi_segs_in: number;
  readonly tcpi_notsent_bytes: number;
  readonly tcpi_min_rtt: number;
  readonly tcpi_data_segs_in: number;
  readonly tcpi_data_segs_out: number;
  readonly tcpi_delivery_rate: number;
  readonly tcpi_busy_time: number;
  readonly tcpi_rwnd_limited: number;
  readonly tcpi_sndbuf_limited: number;
  readonly tcpi_delivered: number;
  readonly tcpi_delivered_ce: number;
  readonly tcpi_bytes_sent: number;
  readonly tcpi_bytes_retrans: number;
  readonly tcpi_dsack_dups: number;
  readonly tcpi_reord_seen: number;
  readonly tcpi_rcv_ooopack: number;
  readonly tcpi_snd_wnd: number;
}

/** TCPI_OPT_* */
export const TCPI_OPT = { TIMESTAMPS: 1, SACK: 2, WSCALE: 4, ECN: 8, ECN_SEEN: 16, SYN_DATA: 32 } as const;

export function tcp_get_info(kernel: Kernel, sk: TcpSock): TcpInfo {
  const now = kernel.now();
  const ms = (t: number): number => Math.floor((Math.floor(now / 4e6) - Math.floor(t / 4e6)) * 4);
  const { rx_opt } = sk;
  const { rate, rtt } = kernel.tcp;
  const listening = sk.state === TCP.LISTEN;
  let options = 0;
  if (rx_opt.tstamp_ok) options |= TCPI_OPT.TIMESTAMPS;
  if (rx_opt.sack_ok) options |= TCPI_OPT.SACK;
  if (rx_opt.wscale_ok) options |= TCPI_OPT.WSCALE;
  if ((sk.ecn_flags & 1) !== 0) options |= TCPI_OPT.ECN;
  if ((sk.ecn_flags & 8) !== 0) options |= TCPI_OPT.ECN_SEEN;
  return {
    tcpi_state: sk.state,
    tcpi_ca_state: sk.ca_state,
    tcpi_retransmits: sk.retransmits,
    tcpi_probes: sk.probes_out,
    tcpi_backoff: sk.backoff,
    tcpi_options: options,
    tcpi_snd_wscale: rx_opt.wscale_ok ? rx_opt.snd_wscale : 0,
    tcpi_rcv_wscale: rx_opt.wscale_ok ? rx_opt.rcv_wscale : 0,
    tcpi_delivery_rate_app_limited: sk.rate_app_limited ? 1 : 0,
    tcpi_rto: listening ? 0 : sk.rto / 1000,
    tcpi_ato: sk.ack_ato / 1000,
    tcpi_snd_mss: sk.mss_cache,
    tcpi_rcv_mss: sk.rcv_mss,
    tcpi_unacked: listening ? sk.accept_queue.length : sk.packets_out,
    tcpi_sacked: listening ? sk.max_ack_backlog : sk.sacked_out,
    tcpi_lost: sk.lost_out,
    tcpi_retrans: sk.retrans_out,
    tcpi_last_data_sent: ms(sk.lsndtime),
    tcpi_last_data_recv: ms(sk.lrcvtime),
    tcpi_last_ack_recv: ms(sk.rcv_tstamp),
    tcpi_pmtu: sk.pmtu_cookie,
    tcpi_rcv_ssthresh: sk.rcv_ssthresh,
    tcpi_rtt: sk.srtt_us >>> 3,
    tcpi_rttvar: sk.mdev_us >>> 2,
    tcpi_snd_ssthresh: sk.snd_ssthresh,
    tcpi_snd_cwnd: sk.snd_cwnd,
    tcpi_advmss: sk.advmss,
    tcpi_reordering: sk.reordering,
    tcpi_rcv_rtt: Math.floor(sk.rcv_rtt_us / 8),
    tcpi_rcv_space: sk.rcvq_space,
    tcpi_total_retrans: sk.total_retrans,
    tcpi_pacing_rate: sk.pacing_rate,
    tcpi_max_pacing_rate: sk.max_pacing_rate,
    tcpi_bytes_acked: sk.bytes_acked,
    tcpi_bytes_received: sk.bytes_received,
    tcpi_segs_out: sk.segs_out,
    tcpi_segs_in: sk.segs_in,
    tcpi_notsent_bytes: Math.max(0, seqDiff(sk.write_seq, sk.snd_nxt)),
    tcpi_min_rtt: rtt.tcp_min_rtt(sk),
    tcpi_data_segs_in: sk.data_segs_in,
    tcpi_data_segs_out: sk.data_segs_out,
    tcpi_delivery_rate:
      sk.rate_interval_us > 0 && sk.rate_delivered > 0 ? Math.floor((sk.rate_delivered * sk.mss_cache * 1e6) / sk.rate_interval_us) : 0,
    tcpi_busy_time: rate.times(sk, TCP_CHRONO.BUSY),
    tcpi_rwnd_limited: rate.times(sk, TCP_CHRONO.RWND_LIMITED),
    tcpi_sndbuf_limited: rate.times(sk, TCP_CHRONO.SNDBUF_LIMITED),
    tcpi_delivered: sk.delivered,
    tcpi_delivered_ce: sk.delivered_ce,
    tcpi_bytes_sent: sk.bytes_sent,
    tcpi_bytes_retrans: sk.bytes_retrans,
    tcpi_dsack_dups: sk.dsack_dups,
    tcpi_reord_seen: sk.reord_seen,
    tcpi_rcv_ooopack: sk.rcv_ooopack,
    tcpi_snd_wnd: sk.snd_wnd,
  };
}

/** Bytes as ss and /proc/net/tcp count queues: [waiting for the reader, not yet acknowledged]. */
export function tcp_queues(sk: TcpSock): readonly [rx: number, tx: number] {
  if (sk.state === TCP.LISTEN) return [sk.accept_queue.length, sk.max_ack_backlog];
  const rx = Math.max(0, seqDiff(sk.rcv_nxt, sk.copied_seq));
  return [rx > 0 && sk.fin_received ? rx - 1 : rx, Math.max(0, seqDiff(sk.write_seq, sk.snd_una))];
}
