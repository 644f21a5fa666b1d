// Receiving TCP: what a segment must be to count, the state machine, when to answer (Linux: net/ipv4/tcp_input.c; RFC 9293 §3.10.7, RFC 5961).
import { Errno } from '../../base/errno.ts';
import type { SkbDropReason } from '../drop_reason.ts';
import { __skb_pull, skb_transport_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { TcpAcking } from './tcp_acking.ts';
import { type SackOption, tcp_parse_options } from './tcp_options.ts';
import { TCPHDR, TCP_SKB_CB, after, before, between, seqAdd } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import {
  FLAG,
  ICSK_ACK,
  ICSK_TIME,
  SHUTDOWN,
  TCP,
  TCPF,
  TCP_DELACK_MAX,
  TCP_ECN,
  TCP_MAX_QUICKACKS,
  TCP_PAWS_WINDOW,
  TCP_PINGPONG_THRESH,
  TCP_TIMEOUT_FALLBACK,
  TCP_TIMEOUT_MIN,
  TCP_TIMEWAIT_LEN,
} from './tcp_states.ts';

export class TcpInput extends TcpAcking {
  static override readonly inlined: readonly string[] = Object.freeze([
    ...TcpAcking.inlined,
    'tcp_sequence',
    'tcp_reset_check',
    'tcp_data_snd_check',
  ]);
  /** SACK blocks of the segment in hand. */
  readonly sackOpt: SackOption = { at: 0, count: 0 };

  tcp_data_snd_check(sk: TcpSock): void {
    this.kernel.tcp.out.tcp_push_pending_frames(sk);
    this.tcp_check_space(sk);
  }
  tcp_check_space(sk: TcpSock): void {
    if (!sk.stream_nospace) return;
    this.tcp_new_space(sk);
    if (!sk.stream_nospace) this.kernel.tcp.rate.tcp_chrono_stop(sk, 3);
  }
  tcp_new_space(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (!sk.userlocks_sndbuf && tcp.out.tcp_packets_in_flight(sk) < sk.snd_cwnd) {
      tcp.rtt.tcp_sndbuf_expand(sk);
      sk.snd_cwnd_stamp = this.kernel.now();
    }
    tcp.user.sk_stream_write_space(sk);
  }

  /** RFC 9293 §3.10.7.4 and RFC 5961: true when the segment goes on; otherwise it is freed and answered. */
  tcp_validate_incoming(sk: TcpSock, skb: SkBuff, th: number): boolean {
    const { tcp } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    const cb = TCP_SKB_CB(skb);
    const rst = (cb.tcp_flags & TCPHDR.RST) !== 0;
    const syn = (cb.tcp_flags & TCPHDR.SYN) !== 0;
    this.parse(sk, th);
    if (sk.rx_opt.saw_tstamp && !this.tcp_paws_check(sk.rx_opt, TCP_PAWS_WINDOW) && !this.tcp_disordered_ack(sk, skb, th) && !rst) {
      mib.tcpExt[TCPEXT.PAWSEstab]++;
      if (!this.tcp_oow_rate_limited(sk, skb, TCPEXT.TCPACKSkippedPAWS)) this.tcp_send_dupack(sk, skb);
      return this.discard(skb, 'TCP_RFC7323_PAWS');
    }
    if (!this.tcp_sequence(sk, cb.seq, cb.end_seq)) {
      if (!rst) {
        if (syn) return this.synChallenge(sk, skb);
        if (!this.tcp_oow_rate_limited(sk, skb, TCPEXT.TCPACKSkippedSeq)) this.tcp_send_dupack(sk, skb);
      } else if (this.tcp_reset_check(sk, cb.seq)) return this.resetBy(sk, skb);
      return this.discard(skb, 'TCP_INVALID_SEQUENCE');
    }
    if (rst) {
      if (cb.seq === sk.rcv_nxt || this.tcp_reset_check(sk, cb.seq)) return this.resetBy(sk, skb);
      if (sk.rx_opt.sack_ok && sk.rx_opt.num_sacks > 0) {
        let max = sk.selective_acks[0].end_seq;
        for (const b of sk.selective_acks) if (after(b.end_seq, max)) max = b.end_seq;
        if (cb.seq === max) return this.resetBy(sk, skb);
      }
      tcp.input.tcp_send_challenge_ack(sk);
      return this.discard(skb, 'TCP_RESET');
    }
    if (syn) return this.synChallenge(sk, skb);
    return true;
  }
  private resetBy(sk: TcpSock, skb: SkBuff): false {
    this.tcp_reset(sk);
    return this.discard(skb, 'TCP_RESET');
  }
  private synChallenge(sk: TcpSock, skb: SkBuff): false {
    const { mib } = ipv4Net(sk.net);
    mib.tcp[TCPSTATS.InErrs]++;
    mib.tcpExt[TCPEXT.TCPSYNChallenge]++;
    this.tcp_send_challenge_ack(sk);
    return this.discard(skb, 'TCP_INVALID_SYN');
  }
  private discard(skb: SkBuff, reason: SkbDropReason): false {
    this.kernel.skb.kfree_skb_reason(skb, reason);
    return false;
  }
  tcp_sequence(sk: TcpSock, seq: number, end: number): boolean {
    return !before(end, sk.rcv_wup) && !after(seq, seqAdd(sk.rcv_nxt, this.kernel.tcp.out.tcp_receive_window(sk)));
  }
  tcp_reset_check(sk: TcpSock, seq: number): boolean {
    return seqAdd(sk.rcv_nxt, -1) === seq && ((1 << sk.state) & (TCPF.CLOSE_WAIT | TCPF.LAST_ACK | TCPF.CLOSING)) !== 0;
  }

  tcp_reset(sk: TcpSock): void {
    const { tcp, sockets } = this.kernel;
    switch (sk.state) {
      case TCP.SYN_SENT:
        sk.err = Errno.ECONNREFUSED;
        break;
      case TCP.CLOSE_WAIT:
        sk.err = Errno.EPIPE;
        break;
      case TCP.CLOSE:
        return;
      default:
        sk.err = Errno.ECONNRESET;
    }
    tcp.user.tcp_write_queue_purge(sk);
    tcp.user.tcp_done(sk);
    if (!sk.dead) sockets.sk_error_report(sk);
  }

  private parse(sk: TcpSock, th: number): void {
    tcp_parse_options(this.kernel, th, sk.rx_opt, true, this.sackOpt, ipv4Net(sk.net).tcp.sysctl);
  }

  /** A segment of an open connection; it is consumed. `skb.data` is at the TCP header. */
  tcp_rcv_established(sk: TcpSock, skb: SkBuff): void {
    const { tcp, skb: skbs } = this.kernel;
    const { ram } = skbs;
    const th = skb_transport_header(skb);
    const cb = TCP_SKB_CB(skb);
    const { mib } = ipv4Net(sk.net);
    tcp.out.tcp_mstamp_refresh(sk);
    sk.rx_opt.saw_tstamp = false;
    this.sackOpt.count = 0;
    const word = ram.u32be(th + 12);
    const header = (word >>> 28) * 4;
    // header prediction: nothing but the next data or an ACK
    if (
      (cb.tcp_flags & ~TCPHDR.PSH) === TCPHDR.ACK &&
      cb.seq === sk.rcv_nxt &&
      !after(cb.ack_seq, sk.snd_nxt) &&
      (word & 0xffff) * 2 ** sk.rx_opt.snd_wscale === sk.snd_wnd &&
      header === tcp.out.headerLength(sk) &&
      sk.ofo_queue.length === 0 &&
      sk.rcv_wnd !== 0 &&
      sk.rmem_alloc < sk.rcvbuf &&
      this.fastTimestamp(sk, th)
    ) {
      const stamp = sk.rx_opt.saw_tstamp && sk.rcv_nxt === sk.rcv_wup;
      if (skb.len === header) {
        if (stamp) this.tcp_store_ts_recent(sk);
        tcp.ack.tcp_ack(sk, skb, th, 0);
        skbs.consume_skb(skb);
        this.tcp_data_snd_check(sk);
        return;
      }
      mib.tcpExt[TCPEXT.TCPHPHits]++;
      if (stamp) this.tcp_store_ts_recent(sk);
      tcp.rcv.tcp_rcv_rtt_measure_ts(sk, skb);
      __skb_pull(skb, header);
      const ackSeq = cb.ack_seq;
      tcp.rcv.tcp_queue_rcv(sk, skb);
      tcp.rcv.tcp_event_data_recv(sk, skb);
      if (ackSeq !== sk.snd_una) {
        tcp.ack.tcp_ack(sk, skb, th, FLAG.DATA);
        this.tcp_data_snd_check(sk);
        if ((sk.ack_pending & ICSK_ACK.SCHED) !== 0) this.__tcp_ack_snd_check(sk, false);
      } else {
        tcp.ack.tcp_update_wl(sk, cb.seq);
        this.__tcp_ack_snd_check(sk, false);
      }
      tcp.rcv.tcp_data_ready(sk);
      return;
    }
    if (skb.len < header) {
      mib.tcp[TCPSTATS.InErrs]++;
      skbs.kfree_skb(skb);
      return;
    }
    if ((cb.tcp_flags & (TCPHDR.ACK | TCPHDR.RST | TCPHDR.SYN)) === 0) {
      skbs.kfree_skb_reason(skb, 'TCP_FLAGS');
      return;
    }
    if (!this.tcp_validate_incoming(sk, skb, th)) return;
    const reason = tcp.ack.tcp_ack(sk, skb, th, FLAG.SLOWPATH | FLAG.UPDATE_TS_RECENT);
    if (reason < 0) {
      skbs.kfree_skb_reason(skb, reason === -1 ? 'TCP_ACK_UNSENT_DATA' : 'TCP_TOO_OLD_ACK');
      return;
    }
    tcp.rcv.tcp_rcv_rtt_measure_ts(sk, skb);
    tcp.rcv.tcp_data_queue(sk, skb);
    this.tcp_data_snd_check(sk);
    this.tcp_ack_snd_check(sk);
  }

  /** Timestamps in the place where everybody puts them; false: look closer. */
  private fastTimestamp(sk: TcpSock, th: number): boolean {
    const { rx_opt } = sk;
    if (!rx_opt.tstamp_ok) return true;
    const { ram } = this.kernel.skb;
    if (ram.u32be(th + 20) !== 0x0101080a) return false;
    rx_opt.saw_tstamp = true;
    rx_opt.rcv_tsval = ram.u32be(th + 24);
    rx_opt.rcv_tsecr = ram.u32be(th + 28);
    return ((rx_opt.rcv_tsval - rx_opt.ts_recent) | 0) >= 0;
  }

  /** States other than established; true: answer with RST. The segment is consumed unless it answers true. */
  tcp_rcv_state_process(sk: TcpSock, skb: SkBuff): boolean {
    const { tcp, skb: skbs } = this.kernel;
    const th = skb_transport_header(skb);
    const cb = TCP_SKB_CB(skb);
    const flags = cb.tcp_flags;
    if (sk.state === TCP.CLOSE) {
      skbs.kfree_skb_reason(skb, 'TCP_CLOSE');
      return false;
    }
    if (sk.state === TCP.LISTEN) {
      if ((flags & TCPHDR.ACK) !== 0) return true;
      if ((flags & TCPHDR.RST) !== 0 || (flags & TCPHDR.FIN) !== 0 || (flags & TCPHDR.SYN) === 0) {
        skbs.kfree_skb_reason(skb, (flags & TCPHDR.RST) !== 0 ? 'TCP_RESET' : 'TCP_FLAGS');
        return false;
      }
      tcp.mini.tcp_conn_request(sk, skb);
      skbs.consume_skb(skb);
      return false;
    }
    tcp.out.tcp_mstamp_refresh(sk);
    if (sk.state === TCP.SYN_SENT) {
      sk.rx_opt.saw_tstamp = false;
      return this.tcp_rcv_synsent_state_process(sk, skb, th);
    }
    sk.rx_opt.saw_tstamp = false;
    if ((flags & (TCPHDR.ACK | TCPHDR.RST | TCPHDR.SYN)) === 0) return this.discard(skb, 'TCP_FLAGS');
    if (!this.tcp_validate_incoming(sk, skb, th)) return false;
    const acceptable = tcp.ack.tcp_ack(sk, skb, th, FLAG.SLOWPATH | FLAG.UPDATE_TS_RECENT | FLAG.NO_CHALLENGE_ACK) > 0;
    if (!acceptable) {
      if (sk.state === TCP.SYN_RECV) return true;
      this.tcp_send_challenge_ack(sk);
      return this.discard(skb, 'TCP_OLD_ACK');
    }
    const fin = (flags & TCPHDR.FIN) !== 0 ? 1 : 0;
    switch (sk.state) {
      case TCP.SYN_RECV:
        this.enterEstablished(sk, cb.seq, cb.ack_seq, th);
        break;
      case TCP.FIN_WAIT1: {
        if (sk.snd_una !== sk.write_seq) break;
        tcp.user.tcp_set_state(sk, TCP.FIN_WAIT2);
        sk.shutdown |= SHUTDOWN.SEND;
        if (!sk.dead) {
          this.kernel.sockets.sock_def_readable(sk);
          break;
        }
        const late = cb.end_seq !== cb.seq && after(seqAdd(cb.end_seq, -fin), sk.rcv_nxt);
        if (sk.linger2 < 0 || late) {
          tcp.user.tcp_done(sk);
          ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAbortOnData]++;
          return true;
        }
        const left = tcp.user.tcp_fin_time(sk);
        if (left > TCP_TIMEWAIT_LEN) tcp.timer.inet_csk_reset_keepalive_timer(sk, left - TCP_TIMEWAIT_LEN);
        else if (fin !== 0) tcp.timer.inet_csk_reset_keepalive_timer(sk, left);
        else {
          tcp.mini.tcp_time_wait(sk, TCP.FIN_WAIT2, left);
          skbs.consume_skb(skb);
          return false;
        }
        break;
      }
      case TCP.CLOSING:
        if (sk.snd_una === sk.write_seq) {
          tcp.mini.tcp_time_wait(sk, TCP.TIME_WAIT, 0);
          skbs.consume_skb(skb);
          return false;
        }
        break;
      case TCP.LAST_ACK:
        if (sk.snd_una === sk.write_seq) {
          tcp.user.tcp_done(sk);
          skbs.consume_skb(skb);
          return false;
        }
        break;
      default:
    }
    const tail = ((1 << sk.state) & (TCPF.CLOSE_WAIT | TCPF.CLOSING | TCPF.LAST_ACK)) !== 0;
    if (tail && before(cb.seq, sk.rcv_nxt)) {
      skbs.kfree_skb(skb);
    } else if (tail || ((1 << sk.state) & (TCPF.FIN_WAIT1 | TCPF.FIN_WAIT2)) !== 0) {
      if ((sk.shutdown & SHUTDOWN.RCV) !== 0 && cb.end_seq !== cb.seq && after(seqAdd(cb.end_seq, -fin), sk.rcv_nxt)) {
        ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAbortOnData]++;
        this.tcp_reset(sk);
        return true;
      }
      tcp.rcv.tcp_data_queue(sk, skb);
    } else tcp.rcv.tcp_data_queue(sk, skb);
    if (sk.state !== TCP.CLOSE) {
      this.tcp_data_snd_check(sk);
      this.tcp_ack_snd_check(sk);
    }
    return false;
  }

  /** The last part of a passive (or simultaneous) open. */
  private enterEstablished(sk: TcpSock, seq: number, ackSeq: number, th: number): void {
    const { tcp } = this.kernel;
    sk.delivered++;
    if (sk.retrans_stamp !== 0 && !tcp.loss.tcp_any_retrans_done(sk)) sk.retrans_stamp = 0;
    this.tcp_init_transfer(sk);
    sk.copied_seq = sk.rcv_nxt;
    tcp.user.tcp_set_state(sk, TCP.ESTABLISHED);
    this.kernel.sockets.sock_def_readable(sk);
    sk.snd_una = ackSeq;
    sk.snd_wnd = (this.kernel.skb.ram.u32be(th + 12) & 0xffff) * 2 ** sk.rx_opt.snd_wscale;
    sk.max_window = Math.max(sk.max_window, sk.snd_wnd);
    sk.snd_wl1 = seq;
    if (sk.rx_opt.tstamp_ok) sk.advmss -= 12;
    tcp.rtt.tcp_update_pacing_rate(sk);
    sk.lsndtime = this.kernel.now();
    this.tcp_initialize_rcv_mss(sk);
  }

  tcp_rcv_synsent_state_process(sk: TcpSock, skb: SkBuff, th: number): boolean {
    const { tcp, skb: skbs } = this.kernel;
    const n4 = ipv4Net(sk.net);
    const cb = TCP_SKB_CB(skb);
    const flags = cb.tcp_flags;
    const word = skbs.ram.u32be(th + 12);
    const { rx_opt } = sk;
    const clamp = rx_opt.mss_clamp;
    rx_opt.sack_ok = rx_opt.wscale_ok = false;
    tcp_parse_options(this.kernel, th, rx_opt, false, this.sackOpt, n4.tcp.sysctl);
    if ((flags & TCPHDR.ACK) !== 0) {
      if (!after(cb.ack_seq, sk.snd_una) || after(cb.ack_seq, sk.snd_nxt)) {
        if (sk.retransmits === 0) tcp.timer.inet_csk_reset_xmit_timer(sk, ICSK_TIME.RETRANS, TCP_TIMEOUT_MIN);
        return this.synReset(sk, clamp);
      }
      if (rx_opt.saw_tstamp && rx_opt.rcv_tsecr !== 0 && !between(rx_opt.rcv_tsecr, sk.retrans_stamp, tcp.out.timestamp(sk))) {
        n4.mib.tcpExt[TCPEXT.PAWSActive]++;
        return this.synReset(sk, clamp);
      }
      if ((flags & TCPHDR.RST) !== 0) {
        this.tcp_reset(sk);
        return this.discard(skb, 'TCP_RESET');
      }
      if ((flags & TCPHDR.SYN) === 0) {
        rx_opt.mss_clamp = clamp;
        return this.discard(skb, 'TCP_FLAGS');
      }
      if ((sk.ecn_flags & TCP_ECN.OK) !== 0 && (flags & (TCPHDR.ECE | TCPHDR.CWR)) !== TCPHDR.ECE) sk.ecn_flags = 0;
      sk.snd_wl1 = cb.seq;
      rx_opt.tstamp_ok = rx_opt.saw_tstamp;
      tcp.ack.tcp_ack(sk, skb, th, FLAG.SLOWPATH);
      sk.rcv_nxt = sk.rcv_wup = seqAdd(cb.seq, 1);
      sk.snd_wnd = word & 0xffff;
      this.takeOptions(sk);
      if (rx_opt.saw_tstamp) {
        sk.advmss -= 12;
        this.tcp_store_ts_recent(sk);
      }
      sk.max_window = Math.max(sk.max_window, sk.snd_wnd);
      tcp.out.tcp_sync_mss(sk, sk.pmtu_cookie);
      this.tcp_initialize_rcv_mss(sk);
      sk.copied_seq = sk.rcv_nxt;
      this.tcp_finish_connect(sk);
      skbs.consume_skb(skb);
      if (sk.defer_accept !== 0 || sk.ack_pingpong >= TCP_PINGPONG_THRESH) {
        sk.ack_pending |= ICSK_ACK.SCHED;
        this.tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
        tcp.timer.inet_csk_reset_delack(sk, TCP_DELACK_MAX);
      } else tcp.out.tcp_send_ack(sk);
      this.tcp_data_snd_check(sk);
      return false;
    }
    if ((flags & TCPHDR.RST) !== 0) return this.discard(skb, 'TCP_RESET');
    if ((flags & TCPHDR.SYN) === 0) return this.discard(skb, 'TCP_FLAGS');
    // RFC 9293 §3.5: both open at once
    tcp.user.tcp_set_state(sk, TCP.SYN_RECV);
    if (rx_opt.saw_tstamp) {
      rx_opt.tstamp_ok = true;
      this.tcp_store_ts_recent(sk);
    } else rx_opt.tstamp_ok = false;
    sk.rcv_nxt = sk.copied_seq = sk.rcv_wup = seqAdd(cb.seq, 1);
    sk.snd_wnd = sk.max_window = word & 0xffff;
    sk.snd_wl1 = cb.seq;
    if (!rx_opt.wscale_ok) this.takeOptions(sk);
    tcp.out.tcp_sync_mss(sk, sk.pmtu_cookie);
    this.tcp_initialize_rcv_mss(sk);
    tcp.out.tcp_send_synack(sk);
    skbs.consume_skb(skb);
    return false;
  }
  private takeOptions(sk: TcpSock): void {
    if (sk.rx_opt.wscale_ok) return;
    sk.rx_opt.snd_wscale = sk.rx_opt.rcv_wscale = 0;
    sk.window_clamp = Math.min(sk.window_clamp, 65535);
  }
  private synReset(sk: TcpSock, clamp: number): true {
    sk.rx_opt.mss_clamp = clamp;
    return true;
  }

  tcp_finish_connect(sk: TcpSock): void {
    const { tcp } = this.kernel;
    tcp.user.tcp_set_state(sk, TCP.ESTABLISHED);
    sk.lrcvtime = this.kernel.now();
    this.tcp_init_transfer(sk);
    sk.lsndtime = this.kernel.now();
    if (sk.keepopen) tcp.timer.inet_csk_reset_keepalive_timer(sk, tcp.timer.keepalive_time_when(sk));
    this.kernel.sockets.sock_def_readable(sk);
  }

  /** Windows and buffers of a connection that is open now. */
  tcp_init_transfer(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (sk.srtt_us === 0) {
      // RFC 6298 §5.7
      sk.rttvar_us = sk.mdev_us = sk.mdev_max_us = TCP_TIMEOUT_FALLBACK / 1000;
      sk.rto = TCP_TIMEOUT_FALLBACK;
    }
    sk.snd_cwnd = sk.total_retrans > 1 && sk.undo_marker !== 0 ? 1 : 10;
    sk.snd_cwnd_stamp = this.kernel.now();
    tcp.cong.tcp_init_congestion_control(sk);
    tcp.rcv.tcp_init_buffer_space(sk);
  }
}
