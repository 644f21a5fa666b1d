// struct tcp_sock, with what Linux keeps in inet_connection_sock; sockets of a connection attempt and of TIME_WAIT.
import type { Actor, SimEvent } from '../../sim/sim.ts';
import type { Net } from '../net_namespace.ts';
import { PageFrag } from '../page_frag.ts';
import { SOCK } from '../sock.ts';
import { SkBuffHead, type SkBuff } from '../skbuff.ts';
import { TimerList } from '../timer.ts';
import { InetSock } from './inet_sock.ts';
import type { TcpCongestionOps } from './tcp_cong.ts';
import { TcpSkbQueue } from './tcp_skb.ts';
import { TCP, TCP_CA, TCP_INFINITE_SSTHRESH, TCP_INIT_CWND, TCP_MSS_DEFAULT, TCP_TIMEOUT_INIT } from './tcp_states.ts';

/** Timer operations of a connection, as its timers' `op`. */
export const TCP_TIMER = { WRITE: 0, DELACK: 1, KEEPALIVE: 2, REQSK: 3, TIMEWAIT: 4, PACING: 5, COMPRESSED_ACK: 6 } as const;

/** Options of a segment (Linux: struct tcp_options_received). */
export class TcpOptions {
  saw_tstamp = false;
  tstamp_ok = false;
  sack_ok = false;
  dsack = false;
  wscale_ok = false;
  snd_wscale = 0;
  rcv_wscale = 0;
  rcv_tsval = 0;
  rcv_tsecr = 0;
  ts_recent = 0;
  /** Seconds */
  ts_recent_stamp = 0;
  mss_clamp = TCP_MSS_DEFAULT;
  user_mss = 0;
  num_sacks = 0;
}

/** Smoothed minimum of the last samples (Linux: struct minmax). */
export class MinMax {
  readonly t = [0, 0, 0];
  readonly v = [0xffffffff, 0xffffffff, 0xffffffff];
}

/** What the newest ACKs say of the delivery rate (Linux: struct rate_sample). */
export class RateSample {
  prior_mstamp = 0;
  prior_delivered = 0;
  delivered = 0;
  interval_us = -1;
  rtt_us = -1;
  losses = 0;
  acked_sacked = 0;
  prior_in_flight = 0;
  last_end_seq = 0;
  is_app_limited = false;
  is_retrans = false;
  is_ack_delayed = false;
}

/** What identifies either end, common to the three kinds of entries in the established hash. */
export interface TcpHashed {
  readonly kind: 'sock' | 'request' | 'timewait';
  readonly net: Net;
  readonly family: number;
  state: number;
  num: number;
  dport: number;
  bound_dev_if: number;
  /** IPv4 on the wire: addresses as numbers; IPv6: in `local6`/`peer6`. */
  readonly wire6: boolean;
  rcv_saddr: number;
  daddr: number;
  readonly local6: Uint8Array | undefined;
  readonly peer6: Uint8Array | undefined;
}

export class TcpSock extends InetSock implements TcpHashed {
  readonly kind = 'sock';
  state: number = TCP.CLOSE;
  /** The peer is reached over IPv6 (an AF_INET6 socket may speak IPv4 with a mapped address). */
  wire6 = false;
  shutdown = 0;
  /** Detached from its process (SOCK_DEAD). */
  dead = false;
  hashed = false;
  done = false;
  uid = 0;
  /** A transient error, reported when nothing better comes. */
  err_soft = 0;
  linger = -1;
  keepopen = false;
  userlocks_rcvbuf = false;
  userlocks_sndbuf = false;
  rt6: object | undefined;

  // queues
  readonly write_queue = new SkBuffHead();
  readonly rtx_queue = new TcpSkbQueue();
  readonly ofo_queue = new TcpSkbQueue();
  readonly frag = new PageFrag();
  wmem_queued = 0;
  stream_nospace = false;

  // sending
  write_seq = 0;
  snd_una = 0;
  snd_sml = 0;
  snd_nxt = 0;
  snd_wl1 = 0;
  snd_wnd = 0;
  max_window = 0;
  pushed_seq = 0;
  mss_cache = TCP_MSS_DEFAULT;
  pmtu_cookie = 0;
  ext_hdr_len = 0;
  nonagle = 0;
  tsq_throttled = false;
  tsq_queued = false;
  gso_segs = 0;
  notsent_lowat = 0;
  pacing_rate = Infinity;
  max_pacing_rate = Infinity;
  pacing_needed = false;
  /** ns: no sooner may the next be sent. */
  tcp_wstamp_ns = 0;
  packets_out = 0;
  retrans_out = 0;
  sacked_out = 0;
  lost_out = 0;
  max_packets_out = 0;
  cwnd_usage_seq = 0;
  is_cwnd_limited = false;
  total_retrans = 0;
  prior_ssthresh = 0;
  undo_marker = 0;
  undo_retrans = 0;
  retrans_stamp = 0;
  urg_mode = false;

  // round-trip time, µs (srtt eightfold)
  srtt_us = 0;
  mdev_us = 0;
  mdev_max_us = 0;
  rttvar_us = 0;
  rtt_seq = 0;
  readonly rtt_min = new MinMax();
  rto = TCP_TIMEOUT_INIT;
  rto_min = 200e6;
  delack_max = 200e6;

  // congestion
  ca: TcpCongestionOps;
  ca_setsockopt = false;
  readonly ca_priv: Float64Array = new Float64Array(32);
  ca_state: number = TCP_CA.Open;
  snd_cwnd = TCP_INIT_CWND;
  snd_cwnd_cnt = 0;
  snd_cwnd_stamp = 0;
  snd_cwnd_used = 0;
  snd_ssthresh = TCP_INFINITE_SSTHRESH;
  prior_cwnd = 0;
  prr_delivered = 0;
  prr_out = 0;
  high_seq = 0;
  reordering = 3;
  reord_seen = 0;
  frto = false;
  tlp_high_seq = 0;
  tlp_retrans = false;
  ecn_flags = 0;
  lost = 0;
  /** End of the highest SACKed packet; meaningful while something is SACKed. */
  highest_sack = 0;

  // RACK (RFC 8985)
  rack_mstamp = 0;
  rack_rtt_us = 0;
  rack_end_seq = 0;
  rack_last_delivered = 0;
  rack_reo_wnd_steps = 1;
  rack_reo_wnd_persist = 0;
  rack_dsack_seen = false;
  rack_advanced = false;

  // delivery rate
  delivered = 0;
  delivered_ce = 0;
  app_limited = 0;
  first_tx_mstamp = 0;
  delivered_mstamp = 0;
  rate_delivered = 0;
  rate_interval_us = 0;
  rate_app_limited = false;

  // receiving
  copied_seq = 0;
  rcv_nxt = 0;
  rcv_wup = 0;
  rcv_wnd = 0;
  window_clamp = 0;
  rcv_ssthresh = 0;
  advmss = 0;
  rcv_mss = TCP_MSS_DEFAULT;
  rcv_tstamp = 0;
  dsack = false;
  readonly duplicate_sack = { start_seq: 0, end_seq: 0 };
  readonly selective_acks: { start_seq: number; end_seq: number }[] = [];
  readonly rx_opt = new TcpOptions();
  rcvlowat = 1;
  rcv_rtt_us = 0;
  rcv_rtt_seq = 0;
  rcv_rtt_time = 0;
  rcv_rtt_last_tsecr = 0;
  rcvq_space = 0;
  rcvq_seq = 0;
  rcvq_time = 0;
  fin_received = false;

  // acknowledging (icsk_ack)
  ack_pending = 0;
  ack_quick = 0;
  ack_pingpong = 0;
  ack_ato = 0;
  ack_timeout = 0;
  ack_last_seg_size = 0;
  lrcvtime = 0;
  lsndtime = 0;
  last_oow_ack_time = 0;
  compressed_ack = 0;
  compressed_ack_rcv_nxt = 0;
  dup_ack_counter = 0;

  // timers
  pending = 0;
  timeout = 0;
  retransmits = 0;
  backoff = 0;
  probes_out = 0;
  probes_tstamp = 0;
  syn_retries = 0;
  user_timeout = 0;
  keepalive_time = 0;
  keepalive_intvl = 0;
  keepalive_probes = 0;
  linger2 = 0;
  defer_accept = 0;
  readonly retransmit_timer: TimerList;
  readonly delack_timer: TimerList;
  readonly sk_timer: TimerList;
  pacing_event: SimEvent | undefined;
  ack_event: SimEvent | undefined;
  /** The compressed ACK's time has come. */
  ack_hr_due = false;

  // listening
  max_ack_backlog = 0;
  readonly accept_queue: TcpSock[] = [];
  readonly requests: TcpRequestSock[] = [];

  // timestamps
  tcp_mstamp = 0;
  tsoffset = 0;

  // for TCP_INFO
  bytes_sent = 0;
  bytes_retrans = 0;
  bytes_acked = 0;
  bytes_received = 0;
  segs_out = 0;
  segs_in = 0;
  data_segs_out = 0;
  data_segs_in = 0;
  dsack_dups = 0;
  rcv_ooopack = 0;
  chrono_type = 0;
  chrono_start = 0;
  readonly chrono_stat = [0, 0, 0];

  constructor(net: Net, family: number, ino: number, timers: Actor, ca: TcpCongestionOps) {
    super(net, family, SOCK.STREAM, 6, ino);
    this.ca = ca;
    this.wire6 = family === 10;
    this.retransmit_timer = new TimerList(timers, TCP_TIMER.WRITE, this);
    this.delack_timer = new TimerList(timers, TCP_TIMER.DELACK, this);
    this.sk_timer = new TimerList(timers, TCP_TIMER.KEEPALIVE, this);
  }

  get local6(): Uint8Array | undefined {
    return this.v6?.rcv_saddr;
  }
  get peer6(): Uint8Array | undefined {
    return this.v6?.daddr;
  }

  /** A clone has left the machine: its room may be used by the next (Linux: tcp_wfree()). */
  override sock_wfree(skb: SkBuff): void {
    this.wmem_alloc -= skb.truesize;
    if (this.tsq_throttled && !this.tsq_queued) (this.retransmit_timer.target as TcpTasklet).queueTsq(this);
  }
}

/** Who runs connections whose transmit queue has drained. */
export interface TcpTasklet extends Actor {
  queueTsq(sk: TcpSock): void;
}

/** A connection being opened by a peer (Linux: struct tcp_request_sock). */
export class TcpRequestSock implements TcpHashed {
  readonly kind = 'request';
  state: number = TCP.NEW_SYN_RECV;
  num = 0;
  dport = 0;
  bound_dev_if = 0;
  rcv_saddr = 0;
  daddr = 0;
  readonly local6: Uint8Array | undefined;
  readonly peer6: Uint8Array | undefined;
  mss = 0;
  num_retrans = 0;
  num_timeout = 0;
  ts_recent = 0;
  rcv_isn = 0;
  snt_isn = 0;
  ts_off = 0;
  last_oow_ack_time = 0;
  rcv_nxt = 0;
  snt_synack = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  tstamp_ok = false;
  sack_ok = false;
  wscale_ok = false;
  ecn_ok = false;
  acked = false;
  rsk_rcv_wnd = 0;
  rsk_window_clamp = 0;
  iif = 0;
  timeout = TCP_TIMEOUT_INIT;
  mark = 0;
  tos = 0;
  dead = false;
  readonly timer: TimerList;
  constructor(
    readonly net: Net,
    readonly family: number,
    readonly wire6: boolean,
    readonly listener: TcpSock,
    timers: Actor,
    local6: Uint8Array | undefined,
    peer6: Uint8Array | undefined,
  ) {
    this.local6 = local6;
    this.peer6 = peer6;
    this.timer = new TimerList(timers, TCP_TIMER.REQSK, this);
  }
}

/** What is left of a connection that was closed (Linux: struct tcp_timewait_sock). */
export class TcpTimewaitSock implements TcpHashed {
  readonly kind = 'timewait';
  state: number = TCP.TIME_WAIT;
  /** FIN_WAIT2 or TIME_WAIT */
  substate: number = TCP.TIME_WAIT;
  num = 0;
  dport = 0;
  bound_dev_if = 0;
  rcv_saddr = 0;
  daddr = 0;
  readonly local6: Uint8Array | undefined;
  readonly peer6: Uint8Array | undefined;
  rcv_nxt = 0;
  snd_nxt = 0;
  rcv_wnd = 0;
  rcv_wscale = 0;
  ts_recent = 0;
  ts_recent_stamp = 0;
  ts_offset = 0;
  last_oow_ack_time = 0;
  reuse = false;
  mark = 0;
  tos = 0;
  dead = false;
  readonly timer: TimerList;
  constructor(
    readonly net: Net,
    readonly family: number,
    readonly wire6: boolean,
    readonly ino: number,
    timers: Actor,
    local6: Uint8Array | undefined,
    peer6: Uint8Array | undefined,
  ) {
    this.local6 = local6;
    this.peer6 = peer6;
    this.timer = new TimerList(timers, TCP_TIMER.TIMEWAIT, this);
  }
}
