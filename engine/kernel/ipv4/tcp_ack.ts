// What an acknowledgment does: the window, the retransmission queue, samples, congestion control (Linux: net/ipv4/tcp_input.c, tcp_ack()).
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { REXMIT } from './tcp_loss.ts';
import { TCPCB, TCPHDR, TCP_SKB_CB, after, before, seqDiff, tcp_skb_pcount } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import {
  FLAG,
  FLAG_ACKED,
  FLAG_CA_ALERT,
  FLAG_FORWARD_PROGRESS,
  FLAG_NOT_DUP,
  ICSK_TIME,
  TCP,
  TCP_CA,
  TCP_NAGLE,
  TCP_RTO_MAX,
} from './tcp_states.ts';

export class TcpAck {
  static readonly inlined: readonly string[] = Object.freeze([
    'tcp_update_wl',
    'tcp_may_update_window',
    'tcp_ack_is_dubious',
    'tcp_snd_una_update',
  ]);
  constructor(readonly kernel: Kernel) {}

  tcp_update_wl(sk: TcpSock, seq: number): void {
    sk.snd_wl1 = seq;
  }
  tcp_may_update_window(sk: TcpSock, ack: number, ackSeq: number, nwin: number): boolean {
    return after(ack, sk.snd_una) || after(ackSeq, sk.snd_wl1) || (ackSeq === sk.snd_wl1 && nwin > sk.snd_wnd);
  }
  tcp_snd_una_update(sk: TcpSock, ack: number): void {
    sk.bytes_acked += seqDiff(ack, sk.snd_una);
    sk.snd_una = ack;
  }

  /** RFC 9293 §3.10.7.4: FLAG.WIN_UPDATE, or 0. */
  tcp_ack_update_window(sk: TcpSock, th: number, ack: number, ackSeq: number): number {
    const word = this.kernel.skb.ram.u32be(th + 12);
    let nwin = word & 0xffff;
    let flag = 0;
    if ((word & (TCPHDR.SYN << 16)) === 0) nwin *= 2 ** sk.rx_opt.snd_wscale;
    if (this.tcp_may_update_window(sk, ack, ackSeq, nwin)) {
      flag = FLAG.WIN_UPDATE;
      this.tcp_update_wl(sk, ackSeq);
      if (sk.snd_wnd !== nwin) {
        sk.snd_wnd = nwin;
        if (sk.write_queue.qlen > 0) this.kernel.tcp.cong.tcp_slow_start_after_idle_check(sk);
        if (nwin > sk.max_window) {
          sk.max_window = nwin;
          this.kernel.tcp.out.tcp_sync_mss(sk, sk.pmtu_cookie);
        }
      }
    }
    this.tcp_snd_una_update(sk, ack);
    return flag;
  }

  /** The front of the window moved: probes of a closed one end, or go on. */
  tcp_ack_probe(sk: TcpSock): void {
    const { out, timer } = this.kernel.tcp;
    const head = out.tcp_send_head(sk);
    if (head === undefined) return;
    if (!after(TCP_SKB_CB(head).end_seq, out.tcp_wnd_end(sk))) {
      sk.backoff = 0;
      sk.probes_tstamp = 0;
      timer.inet_csk_clear_xmit_timer(sk);
    } else
      timer.tcp_reset_xmit_timer(sk, ICSK_TIME.PROBE0, timer.tcp_clamp_probe0_to_user_timeout(sk, timer.tcp_probe0_when(sk, TCP_RTO_MAX)));
  }

  tcp_ack_is_dubious(sk: TcpSock, flag: number): boolean {
    return (flag & FLAG_NOT_DUP) === 0 || (flag & FLAG_CA_ALERT) !== 0 || sk.ca_state !== TCP_CA.Open;
  }

  /** Works on the acknowledgment of a segment: 1 acceptable, 0 old, negative: not to be believed. */
  tcp_ack(sk: TcpSock, skb: SkBuff, th: number, flagIn: number): number {
    const { tcp } = this.kernel;
    const { out, loss, sack, rate } = tcp;
    const { mib } = ipv4Net(sk.net);
    const cb = TCP_SKB_CB(skb);
    const priorUna = sk.snd_una;
    const ackSeq = cb.seq;
    const ack = cb.ack_seq;
    const priorPackets = sk.packets_out;
    const priorDelivered = sk.delivered;
    const priorLost = sk.lost;
    const { state } = sack;
    let flag = flagIn;
    state.first_sackt = state.last_sackt = 0;
    state.sack_delivered = 0;
    loss.rexmit = REXMIT.NONE;
    rate.begin(out.tcp_packets_in_flight(sk));
    if (before(ack, priorUna)) {
      const maxWindow = Math.min(sk.max_window, sk.bytes_acked);
      if (before(ack, (priorUna - maxWindow) >>> 0)) {
        if ((flag & FLAG.NO_CHALLENGE_ACK) === 0) tcp.input.tcp_send_challenge_ack(sk);
        return -2;
      }
      // an old ACK may still bring news of the out-of-order kind
      if (tcp.input.sackOpt.count > 0) {
        flag |= sack.tcp_sacktag_write_queue(sk, ack, tcp.input.sackOpt.at, tcp.input.sackOpt.count, priorUna);
        sk.delivered += state.sack_delivered;
        loss.tcp_fastretrans_alert(sk, priorUna, 0, flag);
        this.tcp_xmit_recovery(sk, loss.rexmit);
      }
      return 0;
    }
    if (after(ack, sk.snd_nxt)) return -1;
    if (after(ack, priorUna)) {
      flag |= FLAG.SND_UNA_ADVANCED;
      sk.retransmits = 0;
    }
    const priorFack = sk.rx_opt.sack_ok ? sack.tcp_highest_sack_seq(sk) : sk.snd_una;
    if ((flag & FLAG.UPDATE_TS_RECENT) !== 0) tcp.input.tcp_replace_ts_recent(sk, cb.seq);
    if ((flag & (FLAG.SLOWPATH | FLAG.SND_UNA_ADVANCED)) === FLAG.SND_UNA_ADVANCED) {
      this.tcp_update_wl(sk, ackSeq);
      this.tcp_snd_una_update(sk, ack);
      flag |= FLAG.WIN_UPDATE;
      mib.tcpExt[TCPEXT.TCPHPAcks]++;
    } else {
      if (ackSeq !== cb.end_seq) flag |= FLAG.DATA;
      else mib.tcpExt[TCPEXT.TCPPureAcks]++;
      flag |= this.tcp_ack_update_window(sk, th, ack, ackSeq);
      if (tcp.input.sackOpt.count > 0)
        flag |= sack.tcp_sacktag_write_queue(sk, ack, tcp.input.sackOpt.at, tcp.input.sackOpt.count, priorUna);
      if ((cb.tcp_flags & TCPHDR.ECE) !== 0 && (cb.tcp_flags & TCPHDR.SYN) === 0 && (sk.ecn_flags & 1) !== 0) flag |= FLAG.ECE;
      sk.delivered += state.sack_delivered;
    }
    if ((cb.tcp_flags & TCPHDR.CWR) !== 0) {
      sk.ecn_flags &= ~4;
      if (cb.seq !== cb.end_seq) sk.ack_pending |= 16;
    }
    sk.err_soft = 0;
    sk.probes_out = 0;
    sk.rcv_tstamp = this.kernel.now();
    if (priorPackets === 0) {
      if ((flag & FLAG.DSACKING_ACK) !== 0) loss.tcp_fastretrans_alert(sk, priorUna, 0, flag);
      this.tcp_ack_probe(sk);
      if (sk.tlp_high_seq !== 0) this.tcp_process_tlp_ack(sk, ack, flag);
      return 1;
    }
    flag |= this.tcp_clean_rtx_queue(sk, priorFack, priorUna, flag);
    tcp.rack.tcp_rack_update_reo_wnd(sk, rate.rs);
    if (sk.tlp_high_seq !== 0) this.tcp_process_tlp_ack(sk, ack, flag);
    if (this.tcp_ack_is_dubious(sk, flag)) {
      let dupacks = 0;
      if ((flag & (FLAG.SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG.DSACKING_ACK)) === 0)
        dupacks = (flag & FLAG.DATA) === 0 ? Math.max(1, this.kernel.skb.gso_segs(skb)) : 1;
      loss.tcp_fastretrans_alert(sk, priorUna, dupacks, flag);
      ({ flag } = loss);
    }
    if ((flag & FLAG.SET_XMIT_TIMER) !== 0) loss.tcp_set_xmit_timer(sk);
    if ((flag & FLAG_FORWARD_PROGRESS) !== 0 || (flag & FLAG_NOT_DUP) === 0) tcp.af(sk).confirm(sk);
    const delivered = sk.delivered - priorDelivered;
    if (delivered > 0) mib.tcpExt[TCPEXT.TCPDelivered] += delivered;
    rate.rs.is_ack_delayed = (flag & FLAG.ACK_MAYBE_DELAYED) !== 0;
    rate.tcp_rate_gen(sk, delivered, sk.lost - priorLost, false);
    this.tcp_cong_control(sk, ack, delivered, flag);
    this.tcp_xmit_recovery(sk, loss.rexmit);
    return 1;
  }

  tcp_cong_control(sk: TcpSock, ack: number, delivered: number, flag: number): void {
    const { tcp } = this.kernel;
    const { rs } = tcp.rate;
    if (sk.ca.cong_control !== undefined) return sk.ca.cong_control(this.kernel, sk, rs);
    if (tcp.loss.tcp_in_cwnd_reduction(sk)) tcp.loss.tcp_cwnd_reduction(sk, delivered, rs.losses, flag);
    else {
      // with reordering, progress of any kind counts; otherwise only that at the front
      const may =
        sk.reordering > ipv4Net(sk.net).tcp.sysctl.tcp_reordering ? (flag & FLAG_FORWARD_PROGRESS) !== 0 : (flag & FLAG.DATA_ACKED) !== 0;
      if (may) {
        sk.ca.cong_avoid?.(this.kernel, sk, ack, delivered);
        sk.snd_cwnd_stamp = this.kernel.now();
      }
    }
    tcp.rtt.tcp_update_pacing_rate(sk);
  }

  tcp_xmit_recovery(sk: TcpSock, rexmit: number): void {
    const { tcp } = this.kernel;
    if (rexmit === REXMIT.NONE || sk.state === TCP.SYN_SENT) return;
    if (rexmit === REXMIT.NEW) {
      tcp.out.__tcp_push_pending_frames(sk, tcp.out.tcp_current_mss(sk), TCP_NAGLE.OFF);
      if (after(sk.snd_nxt, sk.high_seq)) return;
      sk.frto = false;
    }
    tcp.retrans.tcp_xmit_retransmit_queue(sk);
  }

  /** RFC 8985 §7.4: the fate of a tail loss probe. */
  tcp_process_tlp_ack(sk: TcpSock, ack: number, flag: number): void {
    const { loss } = this.kernel.tcp;
    if (before(ack, sk.tlp_high_seq)) return;
    if (!sk.tlp_retrans) sk.tlp_high_seq = 0;
    else if ((flag & FLAG.DSACK_TLP) !== 0) sk.tlp_high_seq = 0;
    else if (after(ack, sk.tlp_high_seq)) {
      loss.tcp_init_cwnd_reduction(sk);
      loss.tcp_set_ca_state(sk, TCP_CA.CWR);
      loss.tcp_end_cwnd_reduction(sk);
      loss.tcp_try_keep_open(sk);
      ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPLossProbeRecovery]++;
    } else if ((flag & (FLAG.SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG.DATA_SACKED)) === 0) sk.tlp_high_seq = 0;
  }

  /** Frees what is acknowledged, takes the RTT sample; FLAG bits. */
  tcp_clean_rtx_queue(sk: TcpSock, priorFack: number, priorUna: number, flagIn: number): number {
    const { tcp } = this.kernel;
    const { rack, rate, sack, rtt } = tcp;
    const { state } = sack;
    const priorSacked = sk.sacked_out;
    let flag = flagIn;
    let first = 0;
    let last = 0;
    let pkts = 0;
    let reord = sk.snd_nxt;
    let fully = true;
    let skb = sk.rtx_queue.first;
    for (; skb !== undefined; skb = sk.rtx_queue.first) {
      const cb = TCP_SKB_CB(skb);
      const start = cb.seq;
      const { sacked } = cb;
      let pcount = cb.gso_segs;
      if (after(cb.end_seq, sk.snd_una)) {
        if (pcount === 1 || !after(sk.snd_una, cb.seq)) break;
        pcount = this.tcp_tso_acked(sk, skb);
        if (pcount === 0) break;
        fully = false;
      }
      if ((sacked & TCPCB.RETRANS) !== 0) {
        if ((sacked & TCPCB.SACKED_RETRANS) !== 0) sk.retrans_out -= pcount;
        flag |= FLAG.RETRANS_DATA_ACKED;
      } else if ((sacked & TCPCB.SACKED_ACKED) === 0) {
        last = cb.mstamp;
        if (first === 0) first = last;
        if (before(start, reord)) reord = start;
        if (!after(cb.end_seq, sk.high_seq)) flag |= FLAG.ORIG_SACK_ACKED;
      }
      if ((sacked & TCPCB.SACKED_ACKED) !== 0) sk.sacked_out -= pcount;
      else if (sk.rx_opt.sack_ok) {
        sk.delivered += pcount;
        rack.tcp_rack_advance(sk, sacked, cb.end_seq, cb.mstamp);
      }
      if ((sacked & TCPCB.LOST) !== 0) sk.lost_out -= pcount;
      sk.packets_out -= pcount;
      pkts += pcount;
      rate.tcp_rate_skb_delivered(sk, skb);
      if ((cb.tcp_flags & TCPHDR.SYN) === 0) flag |= FLAG.DATA_ACKED;
      else {
        flag |= FLAG.SYN_ACKED;
        sk.retrans_stamp = 0;
      }
      if (!fully) break;
      sk.rtx_queue.shift();
      tcp.retrans.tcp_wmem_free_skb(sk, skb);
    }
    if (skb === undefined) rate.tcp_chrono_stop(sk, 1);
    else if ((TCP_SKB_CB(skb).sacked & TCPCB.SACKED_ACKED) !== 0) flag |= FLAG.SACK_RENEGING;
    let seqRtt = -1;
    let sackRtt = -1;
    let caRtt = -1;
    if (first !== 0 && (flag & FLAG.RETRANS_DATA_ACKED) === 0) {
      seqRtt = sk.tcp_mstamp - first;
      caRtt = sk.tcp_mstamp - last;
      if (
        pkts === 1 &&
        fully &&
        priorSacked === 0 &&
        seqDiff(sk.snd_una, priorUna) < sk.mss_cache &&
        rate.rs.prior_delivered + 1 === sk.delivered &&
        (flag & (FLAG_CA_ALERT | FLAG.SYN_ACKED)) === 0
      )
        flag |= FLAG.ACK_MAYBE_DELAYED;
    }
    if (state.first_sackt !== 0) {
      sackRtt = sk.tcp_mstamp - state.first_sackt;
      caRtt = sk.tcp_mstamp - state.last_sackt;
    }
    rtt.lastRtt = -1;
    caRtt = rtt.tcp_ack_update_rtt(sk, flag, seqRtt, sackRtt, caRtt);
    rate.rs.rtt_us = caRtt;
    if ((flag & FLAG_ACKED) !== 0) {
      flag |= FLAG.SET_XMIT_TIMER;
      if (!sk.rx_opt.sack_ok) {
        tcp.loss.tcp_remove_reno_sacks(sk, pkts);
        if ((flag & FLAG.RETRANS_DATA_ACKED) !== 0) flag &= ~FLAG.ORIG_SACK_ACKED;
      } else if (before(reord, priorFack)) sack.tcp_check_sack_reordering(sk, reord, false);
    } else if (skb !== undefined && rtt.lastRtt >= 0 && sackRtt >= 0 && sackRtt > sk.tcp_mstamp - TCP_SKB_CB(skb).mstamp)
      flag |= FLAG.SET_XMIT_TIMER;
    sk.ca.pkts_acked?.(this.kernel, sk, caRtt);
    return flag;
  }

  /** Part of a large packet was acknowledged; segments that are gone. */
  tcp_tso_acked(sk: TcpSock, skb: SkBuff): number {
    const before = tcp_skb_pcount(skb);
    if (this.kernel.tcp.out.tcp_trim_head(sk, skb, seqDiff(sk.snd_una, TCP_SKB_CB(skb).seq)) !== 0) return 0;
    return before - tcp_skb_pcount(skb);
  }
}
