// Sending TCP: windows, segments, what may go now and what waits (Linux: net/ipv4/tcp_output.c; RFC 9293 §3.8).
import { Errno } from '../../base/errno.ts';
import { __skb_push } from '../skb_inline.ts';
import { type SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { TCPHDR, TCP_SKB_CB, after, seqAdd, seqDiff, tcp_skb_pcount } from './tcp_skb.ts';
import { TcpSegment } from './tcp_segment.ts';
import type { TcpSock } from './tcp_sock.ts';
import { ICSK_TIME, TCP, TCP_CA, TCP_ECN, TCP_INFINITE_SSTHRESH, TCP_NAGLE, TCP_TIMEOUT_INIT } from './tcp_states.ts';

/** sk_pacing_shift: about a millisecond of the pacing rate may lie below TCP. */
const PACING_SHIFT = 1024;

export class TcpOutput extends TcpSegment {
  /** Inline in Linux. */
  static override readonly inlined: readonly string[] = Object.freeze([
    ...TcpSegment.inlined,
    'tcp_send_head',
    'tcp_cwnd_test',
    'tcp_snd_wnd_test',
    'tcp_nagle_test',
    'tcp_minshall_update',
    'tcp_minshall_check',
    'tcp_push_pending_frames',
  ]);

  tcp_send_head(sk: TcpSock): SkBuff | undefined {
    return sk.write_queue.first;
  }

  /** Sends what window, congestion and Nagle allow. True when nothing is in flight though something waits: a probe is due. */
  tcp_write_xmit(sk: TcpSock, mss: number, nonagle: number, pushOne: number): boolean {
    const { tcp } = this.kernel;
    let sentPkts = 0;
    let cwndLimited = false;
    let rwndLimited = false;
    this.tcp_mstamp_refresh(sk);
    const maxSegs = this.tcp_tso_segs(sk, mss);
    for (let skb = this.tcp_send_head(sk); skb !== undefined; skb = this.tcp_send_head(sk)) {
      if (this.tcp_pacing_check(sk)) break;
      const segs = this.tcp_init_tso_segs(skb, mss);
      let quota = this.tcp_cwnd_test(sk, skb);
      if (quota === 0) {
        if (pushOne === 2) quota = 1;
        else {
          cwndLimited = true;
          break;
        }
      }
      if (!this.tcp_snd_wnd_test(sk, skb, mss)) {
        rwndLimited = true;
        break;
      }
      if (segs === 1) {
        if (!this.tcp_nagle_test(sk, skb, mss, sk.write_queue.qlen === 1 ? nonagle : TCP_NAGLE.PUSH)) break;
      } else if (pushOne === 0 && this.tcp_tso_should_defer(sk, skb, maxSegs)) {
        if (this.deferBecause === 'cwnd') cwndLimited = true;
        else if (this.deferBecause === 'rwnd') rwndLimited = true;
        break;
      }
      let limit = mss;
      if (segs > 1 && sk.urg_mode === false) limit = this.tcp_mss_split_point(sk, skb, mss, Math.min(quota, maxSegs), nonagle);
      if (skb.len > limit && this.tso_fragment(sk, skb, limit, mss) !== 0) break;
      if (this.tcp_small_queue_check(sk, skb, 0)) break;
      if (TCP_SKB_CB(skb).end_seq === TCP_SKB_CB(skb).seq) break;
      if (this.tcp_transmit_skb(sk, skb, true) !== 0) break;
      this.tcp_event_new_data_sent(sk, skb);
      this.tcp_minshall_update(sk, mss, skb);
      sentPkts += tcp_skb_pcount(skb);
      if (pushOne !== 0) break;
    }
    if (rwndLimited) tcp.rate.tcp_chrono_start(sk, 2);
    else tcp.rate.tcp_chrono_stop(sk, 2);
    cwndLimited ||= this.tcp_packets_in_flight(sk) >= sk.snd_cwnd;
    if (sentPkts > 0 || cwndLimited) tcp.cong.tcp_cwnd_validate(sk, cwndLimited);
    if (sentPkts > 0) {
      if (tcp.loss.tcp_in_cwnd_reduction(sk)) sk.prr_out += sentPkts;
      if (pushOne !== 2) tcp.retrans.tcp_schedule_loss_probe(sk, false);
      return false;
    }
    return sk.packets_out === 0 && this.tcp_send_head(sk) !== undefined;
  }

  __tcp_push_pending_frames(sk: TcpSock, mss: number, nonagle: number): void {
    if (sk.state === TCP.CLOSE) return;
    if (this.tcp_write_xmit(sk, mss, nonagle, 0)) this.kernel.tcp.timer.tcp_check_probe_timer(sk);
  }
  tcp_push_pending_frames(sk: TcpSock): void {
    if (this.tcp_send_head(sk) !== undefined) this.__tcp_push_pending_frames(sk, this.tcp_current_mss(sk), sk.nonagle);
  }
  tcp_push_one(sk: TcpSock, mss: number): void {
    this.tcp_write_xmit(sk, mss, TCP_NAGLE.PUSH, 1);
  }

  tcp_cwnd_test(sk: TcpSock, skb: SkBuff): number {
    const cb = TCP_SKB_CB(skb);
    if ((cb.tcp_flags & TCPHDR.FIN) !== 0 && cb.gso_segs === 1) return 1;
    const inFlight = this.tcp_packets_in_flight(sk);
    if (inFlight >= sk.snd_cwnd) return 0;
    return Math.min(Math.max(sk.snd_cwnd >> 1, 1), sk.snd_cwnd - inFlight);
  }
  tcp_snd_wnd_test(sk: TcpSock, skb: SkBuff, mss: number): boolean {
    const cb = TCP_SKB_CB(skb);
    const end = skb.len > mss ? seqAdd(cb.seq, mss) : cb.end_seq;
    return !after(end, this.tcp_wnd_end(sk));
  }

  /** RFC 896, with Minshall's change: a small segment waits while a small one is unacknowledged. */
  tcp_nagle_test(sk: TcpSock, skb: SkBuff, mss: number, nonagle: number): boolean {
    if ((nonagle & TCP_NAGLE.PUSH) !== 0) return true;
    if (sk.urg_mode || (TCP_SKB_CB(skb).tcp_flags & TCPHDR.FIN) !== 0) return true;
    return !this.tcp_nagle_check(sk, skb.len < mss, nonagle);
  }
  tcp_nagle_check(sk: TcpSock, partial: boolean, nonagle: number): boolean {
    return partial && ((nonagle & TCP_NAGLE.CORK) !== 0 || (nonagle === 0 && sk.packets_out > 0 && this.tcp_minshall_check(sk)));
  }
  tcp_minshall_check(sk: TcpSock): boolean {
    return after(sk.snd_sml, sk.snd_una) && !after(sk.snd_sml, sk.snd_nxt);
  }
  tcp_minshall_update(sk: TcpSock, mss: number, skb: SkBuff): void {
    if (skb.len < tcp_skb_pcount(skb) * mss) sk.snd_sml = TCP_SKB_CB(skb).end_seq;
  }

  tcp_tso_segs(sk: TcpSock, mss: number): number {
    const min = ipv4Net(sk.net).tcp.sysctl.tcp_min_tso_segs;
    return Math.min(this.tcp_tso_autosize(sk, mss, min), 65535);
  }
  tcp_tso_autosize(sk: TcpSock, mss: number, min: number): number {
    let bytes = Math.floor(sk.pacing_rate / PACING_SHIFT);
    const r = this.kernel.tcp.rtt.tcp_min_rtt(sk) / 2 ** ipv4Net(sk.net).tcp.sysctl.tcp_tso_rtt_log;
    const most = this.gsoMaxSize(sk);
    if (r < 32) bytes += Math.floor(most / 2 ** Math.floor(r));
    bytes = Math.min(bytes, most);
    return Math.max(Math.floor(bytes / mss), min);
  }

  tcp_mss_split_point(sk: TcpSock, skb: SkBuff, mss: number, maxSegs: number, nonagle: number): number {
    const window = seqDiff(this.tcp_wnd_end(sk), TCP_SKB_CB(skb).seq);
    const max = mss * maxSegs;
    const last = sk.write_queue.qlen === 1;
    if (max <= window && !last) return max;
    const needed = Math.min(skb.len, window);
    if (max <= needed) return max;
    const partial = needed % mss;
    if (this.tcp_nagle_check(sk, partial !== 0, nonagle)) return needed - partial;
    return needed;
  }

  private deferBecause: 'cwnd' | 'rwnd' | undefined;
  /** Shall a packet smaller than it could be wait for the next ACK? */
  tcp_tso_should_defer(sk: TcpSock, skb: SkBuff, maxSegs: number): boolean {
    this.deferBecause = undefined;
    if (sk.ca_state >= TCP_CA.Recovery) return false;
    // only right after something was sent: otherwise nobody is in a hurry to acknowledge
    if (this.kernel.now() - sk.lsndtime > 1e6) return false;
    const inFlight = this.tcp_packets_in_flight(sk);
    const sendWin = seqDiff(this.tcp_wnd_end(sk), TCP_SKB_CB(skb).seq);
    const congWin = (sk.snd_cwnd - inFlight) * sk.mss_cache;
    const limit = Math.min(sendWin, congWin);
    if (limit >= maxSegs * sk.mss_cache) return false;
    if (sk.write_queue.qlen > 1 && limit >= skb.len) return false;
    const divisor = ipv4Net(sk.net).tcp.sysctl.tcp_tso_win_divisor;
    if (divisor !== 0) {
      const chunk = Math.floor(Math.min(sk.snd_wnd, sk.snd_cwnd * sk.mss_cache) / divisor);
      if (limit >= chunk) return false;
    } else if (limit > 3 * sk.mss_cache) return false;
    const head = sk.rtx_queue.first;
    if (head === undefined) return false;
    const age = sk.tcp_mstamp - TCP_SKB_CB(head).mstamp;
    // the next ACK is half a round trip away at least: waiting for it would cost too much
    if (age - (sk.srtt_us >> 4) < 0) return false;
    if (congWin < sendWin) {
      if (congWin <= skb.len) {
        this.deferBecause = 'cwnd';
        return true;
      }
    } else if (sendWin <= skb.len) {
      this.deferBecause = 'rwnd';
      return true;
    }
    // a packet that will get no more data does not wait
    return (TCP_SKB_CB(skb).tcp_flags & TCPHDR.FIN) === 0 && !TCP_SKB_CB(skb).eor;
  }

  /** Not more than about a millisecond's worth below TCP: the rest goes when that has left. */
  tcp_small_queue_check(sk: TcpSock, skb: SkBuff, factor: number): boolean {
    const { tcp_limit_output_bytes } = ipv4Net(sk.net).tcp.sysctl;
    let limit = Math.max(2 * skb.truesize, Math.floor(Math.min(sk.pacing_rate, 2 ** 40) / PACING_SHIFT));
    if (!sk.pacing_needed) limit = Math.min(limit, tcp_limit_output_bytes);
    limit *= 2 ** factor;
    if (sk.wmem_alloc <= limit) return false;
    if (sk.rtx_queue.length === 0) return false;
    sk.tsq_throttled = true;
    return sk.wmem_alloc > limit;
  }

  tcp_pacing_check(sk: TcpSock): boolean {
    if (!sk.pacing_needed || sk.tcp_wstamp_ns <= this.kernel.now()) return false;
    this.kernel.tcp.timer.tcp_start_pacing(sk);
    return true;
  }

  tcp_event_new_data_sent(sk: TcpSock, skb: SkBuff): void {
    const prior = sk.packets_out;
    sk.snd_nxt = TCP_SKB_CB(skb).end_seq;
    sk.write_queue.shift();
    sk.rtx_queue.push(skb);
    sk.packets_out += tcp_skb_pcount(skb);
    if (prior === 0 || sk.pending === ICSK_TIME.LOSS_PROBE) this.kernel.tcp.loss.tcp_rearm_rto(sk);
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPOrigDataSent] += tcp_skb_pcount(skb);
    if (prior === 0) this.kernel.tcp.rate.tcp_chrono_start(sk, 1);
  }

  /** Splits an unsent packet at `len`; 0 or -ENOMEM. */
  tso_fragment(sk: TcpSock, skb: SkBuff, len: number, mss: number): number {
    return this.tcp_fragment(sk, skb, len, mss, 'write');
  }

  /** The first SYN (Linux: tcp_connect()). */
  tcp_connect(sk: TcpSock): number {
    const { tcp } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    const err = this.tcp_connect_init(sk);
    if (err < 0) return err;
    const skb = this.tcp_stream_alloc_skb();
    if (skb === undefined) return -Errno.ENOBUFS;
    this.tcp_init_nondata_skb(skb, sk.write_seq, TCPHDR.SYN);
    sk.write_seq = seqAdd(sk.write_seq, 1);
    this.tcp_mstamp_refresh(sk);
    sk.retrans_stamp = this.timestamp(sk) || 1;
    sk.wmem_queued += skb.truesize;
    sk.packets_out += 1;
    sk.rtx_queue.push(skb);
    if (ipv4Net(sk.net).tcp.sysctl.tcp_ecn === 1) {
      TCP_SKB_CB(skb).tcp_flags |= TCPHDR.ECE | TCPHDR.CWR;
      sk.ecn_flags = TCP_ECN.OK;
    }
    const sent = this.tcp_transmit_skb(sk, skb, true);
    sk.snd_nxt = sk.write_seq;
    sk.pushed_seq = sk.write_seq;
    if (sent === -Errno.ECONNREFUSED) return sent;
    mib.tcp[TCPSTATS.ActiveOpens]++;
    tcp.timer.inet_csk_reset_xmit_timer(sk, ICSK_TIME.RETRANS, sk.rto);
    return 0;
  }

  tcp_connect_init(sk: TcpSock): number {
    const { tcp } = this.kernel;
    const { sysctl } = ipv4Net(sk.net).tcp;
    const mtu = tcp.af(sk).mtu(sk);
    sk.rx_opt.tstamp_ok = sysctl.tcp_timestamps !== 0;
    if (sk.rx_opt.user_mss !== 0) sk.rx_opt.mss_clamp = sk.rx_opt.user_mss;
    sk.max_window = 0;
    this.tcp_sync_mss(sk, mtu);
    sk.advmss = this.tcp_mss_clamp(sk, tcp.af(sk).advmss(sk));
    tcp.input.tcp_initialize_rcv_mss(sk);
    if (sk.userlocks_rcvbuf && (sk.window_clamp > this.tcp_full_space(sk) || sk.window_clamp === 0))
      sk.window_clamp = this.tcp_full_space(sk);
    const w = this.tcp_select_initial_window(
      sk,
      this.tcp_full_space(sk),
      sk.advmss - (sk.rx_opt.ts_recent_stamp !== 0 ? this.headerLength(sk) - 20 : 0),
      sk.window_clamp,
      sysctl.tcp_window_scaling !== 0,
      0,
    );
    sk.rcv_wnd = w.rcv_wnd;
    sk.window_clamp = w.window_clamp;
    sk.rx_opt.rcv_wscale = w.rcv_wscale;
    sk.rcv_ssthresh = sk.rcv_wnd;
    sk.err = 0;
    sk.snd_wnd = 0;
    sk.snd_wl1 = 0;
    sk.snd_una = sk.snd_sml = sk.snd_nxt = sk.write_seq;
    sk.rcv_nxt = sk.rcv_wup = sk.copied_seq = 0;
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH;
    sk.rto = TCP_TIMEOUT_INIT;
    sk.retransmits = 0;
    tcp.loss.tcp_clear_retrans(sk);
    return 0;
  }

  /** An ACK of its own. */
  tcp_send_ack(sk: TcpSock): void {
    this.__tcp_send_ack(sk, sk.rcv_nxt);
  }
  __tcp_send_ack(sk: TcpSock, rcvNxt: number): void {
    if (sk.state === TCP.CLOSE) return;
    const skb = this.tcp_stream_alloc_skb();
    if (skb === undefined) {
      sk.ack_pending |= 1;
      sk.ack_ato = 40e6;
      this.kernel.tcp.timer.inet_csk_reset_delack(sk, 200e6);
      return;
    }
    this.tcp_init_nondata_skb(skb, this.tcp_acceptable_seq(sk), TCPHDR.ACK);
    this.tcp_mstamp_refresh(sk);
    this.__tcp_transmit_skb(sk, skb, false, rcvNxt);
  }

  /** FIN: on the last packet that waits, or on one of its own. */
  tcp_send_fin(sk: TcpSock): void {
    const tail = sk.write_queue.last;
    if (tail !== undefined) {
      const cb = TCP_SKB_CB(tail);
      cb.tcp_flags |= TCPHDR.FIN;
      cb.end_seq = seqAdd(cb.end_seq, 1);
      sk.write_seq = seqAdd(sk.write_seq, 1);
    } else {
      const skb = this.tcp_stream_alloc_skb();
      if (skb === undefined) return;
      this.tcp_init_nondata_skb(skb, sk.write_seq, TCPHDR.ACK | TCPHDR.FIN);
      this.tcp_queue_skb(sk, skb);
    }
    this.__tcp_push_pending_frames(sk, this.tcp_current_mss(sk), TCP_NAGLE.OFF);
  }

  /** RST of a connection that the application gave up. */
  tcp_send_active_reset(sk: TcpSock): void {
    const { mib } = ipv4Net(sk.net);
    mib.tcp[TCPSTATS.OutRsts]++;
    const skb = this.tcp_stream_alloc_skb();
    if (skb === undefined) {
      mib.tcpExt[TCPEXT.TCPAbortFailed]++;
      return;
    }
    this.tcp_init_nondata_skb(skb, this.tcp_acceptable_seq(sk), TCPHDR.ACK | TCPHDR.RST);
    this.tcp_mstamp_refresh(sk);
    if (this.tcp_transmit_skb(sk, skb, false) !== 0) mib.tcpExt[TCPEXT.TCPAbortFailed]++;
  }

  /** Both ends opened at once: our SYN again, now with an ACK. */
  tcp_send_synack(sk: TcpSock): number {
    const skb = sk.rtx_queue.first;
    if (skb === undefined || (TCP_SKB_CB(skb).tcp_flags & TCPHDR.SYN) === 0) return -Errno.EFAULT;
    TCP_SKB_CB(skb).tcp_flags |= TCPHDR.ACK;
    return this.tcp_transmit_skb(sk, skb, true);
  }
}
