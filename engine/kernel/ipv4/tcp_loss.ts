// Congestion states of a connection: open, disorder, recovery, loss, and the way back (Linux: net/ipv4/tcp_input.c; RFC 5681, RFC 5682, RFC 6937).
import type { Kernel } from '../kernel.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPCB, TCP_SKB_CB, after, before } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { FLAG, ICSK_TIME, TCP_CA, TCP_ECN, TCP_INFINITE_SSTHRESH } from './tcp_states.ts';

/** What an ACK lets be sent again. */
export const REXMIT = { NONE: 0, LOST: 1, NEW: 2 } as const;

export class TcpLoss {
  static readonly inlined: readonly string[] = Object.freeze([
    'tcp_in_cwnd_reduction',
    'tcp_rto_delta_us',
    'tcp_set_ca_state',
    'tcp_left_out',
    'tcp_clear_retrans',
    'tcp_may_undo',
    'tcp_packet_delayed',
    'tcp_limit_reno_sacked',
    'tcp_reset_reno_sack',
    'tcp_time_to_recover',
    'tcp_init_undo',
  ]);
  /** Results of tcp_fastretrans_alert beside its return value. */
  flag = 0;
  rexmit: number = REXMIT.NONE;
  constructor(readonly kernel: Kernel) {}

  tcp_in_cwnd_reduction(sk: TcpSock): boolean {
    return sk.ca_state === TCP_CA.CWR || sk.ca_state === TCP_CA.Recovery;
  }
  tcp_set_ca_state(sk: TcpSock, state: number): void {
    sk.ca.set_state?.(sk, state);
    sk.ca_state = state;
  }
  tcp_clear_retrans(sk: TcpSock): void {
    sk.retrans_out = sk.lost_out = sk.sacked_out = 0;
    sk.undo_marker = 0;
    sk.undo_retrans = -1;
    sk.rack_advanced = false;
  }

  tcp_rto_delta_us(sk: TcpSock): number {
    const head = sk.rtx_queue.first;
    if (head === undefined) return sk.rto / 1000;
    return TCP_SKB_CB(head).mstamp + sk.rto / 1000 - sk.tcp_mstamp;
  }
  tcp_rearm_rto(sk: TcpSock): void {
    const { timer } = this.kernel.tcp;
    if (sk.packets_out === 0) return timer.inet_csk_clear_xmit_timer(sk);
    let { rto } = sk;
    if (sk.pending === ICSK_TIME.REO_TIMEOUT || sk.pending === ICSK_TIME.LOSS_PROBE) rto = Math.max(this.tcp_rto_delta_us(sk), 1) * 1000;
    timer.tcp_reset_xmit_timer(sk, ICSK_TIME.RETRANS, rto);
  }
  tcp_set_xmit_timer(sk: TcpSock): void {
    if (!this.kernel.tcp.retrans.tcp_schedule_loss_probe(sk, true)) this.tcp_rearm_rto(sk);
  }

  tcp_init_undo(sk: TcpSock): void {
    sk.undo_marker = sk.snd_una;
    sk.undo_retrans = sk.retrans_out !== 0 ? sk.retrans_out : -1;
  }
  tcp_init_cwnd_reduction(sk: TcpSock): void {
    sk.high_seq = sk.snd_nxt;
    sk.tlp_high_seq = 0;
    sk.snd_cwnd_cnt = 0;
    sk.prior_cwnd = sk.snd_cwnd;
    sk.prr_delivered = sk.prr_out = 0;
    sk.snd_ssthresh = sk.ca.ssthresh(sk);
    if ((sk.ecn_flags & TCP_ECN.OK) !== 0) sk.ecn_flags |= TCP_ECN.QUEUE_CWR;
  }

  /** RFC 6937 with the slow-start reduction bound. */
  tcp_cwnd_reduction(sk: TcpSock, newlyAcked: number, newlyLost: number, flag: number): void {
    const { out } = this.kernel.tcp;
    if (newlyAcked <= 0 || sk.prior_cwnd === 0) return;
    const delta = sk.snd_ssthresh - out.tcp_packets_in_flight(sk);
    sk.prr_delivered += newlyAcked;
    let sndcnt: number;
    if (delta < 0) sndcnt = Math.floor((sk.snd_ssthresh * sk.prr_delivered + sk.prior_cwnd - 1) / sk.prior_cwnd) - sk.prr_out;
    else {
      sndcnt = Math.max(sk.prr_delivered - sk.prr_out, newlyAcked);
      if ((flag & FLAG.SND_UNA_ADVANCED) !== 0 && newlyLost === 0) sndcnt++;
      sndcnt = Math.min(delta, sndcnt);
    }
    sndcnt = Math.max(sndcnt, sk.prr_out !== 0 ? 0 : 1);
    sk.snd_cwnd = Math.max(out.tcp_packets_in_flight(sk) + sndcnt, 1);
  }
  tcp_end_cwnd_reduction(sk: TcpSock): void {
    if (sk.ca.cong_control !== undefined) return;
    if (sk.snd_ssthresh < TCP_INFINITE_SSTHRESH && (sk.ca_state === TCP_CA.CWR || sk.undo_marker !== 0)) {
      sk.snd_cwnd = sk.snd_ssthresh;
      sk.snd_cwnd_stamp = this.kernel.now();
    }
    sk.ca.cwnd_event?.(sk, 'complete_cwr', this.kernel.now());
  }

  tcp_enter_cwr(sk: TcpSock): void {
    sk.prior_ssthresh = 0;
    if (sk.ca_state >= TCP_CA.CWR) return;
    sk.undo_marker = 0;
    this.tcp_init_cwnd_reduction(sk);
    this.tcp_set_ca_state(sk, TCP_CA.CWR);
  }
  tcp_enter_recovery(sk: TcpSock, ece: boolean): void {
    const { mib } = ipv4Net(sk.net);
    mib.tcpExt[sk.rx_opt.sack_ok ? TCPEXT.TCPSackRecovery : TCPEXT.TCPRenoRecovery]++;
    sk.prior_ssthresh = 0;
    this.tcp_init_undo(sk);
    if (!this.tcp_in_cwnd_reduction(sk)) {
      if (!ece) sk.prior_ssthresh = this.kernel.tcp.cong.tcp_current_ssthresh(sk);
      this.tcp_init_cwnd_reduction(sk);
    }
    this.tcp_set_ca_state(sk, TCP_CA.Recovery);
  }

  /** After a timeout: everything is lost but what was sent just now. */
  tcp_timeout_mark_lost(sk: TcpSock): void {
    const { rack } = this.kernel.tcp;
    const head = sk.rtx_queue.first;
    const reneg = head !== undefined && (TCP_SKB_CB(head).sacked & TCPCB.SACKED_ACKED) !== 0;
    if (reneg) {
      ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPSACKReneging]++;
      sk.sacked_out = 0;
    } else if (!sk.rx_opt.sack_ok) this.tcp_reset_reno_sack(sk);
    for (let i = 0; i < sk.rtx_queue.length; i++) {
      const skb = sk.rtx_queue.at(i);
      if (reneg) TCP_SKB_CB(skb).sacked &= ~TCPCB.SACKED_ACKED;
      else if (rack.tcp_is_rack(sk) && skb !== head && rack.tcp_rack_skb_timeout(sk, skb, 0) > 0) continue;
      rack.tcp_mark_skb_lost(sk, skb);
    }
  }
  tcp_enter_loss(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { sysctl } = ipv4Net(sk.net).tcp;
    const fresh = sk.ca_state < TCP_CA.Recovery;
    this.tcp_timeout_mark_lost(sk);
    if (sk.ca_state <= TCP_CA.Disorder || !after(sk.high_seq, sk.snd_una) || (sk.ca_state === TCP_CA.Loss && sk.retransmits === 0)) {
      sk.prior_ssthresh = tcp.cong.tcp_current_ssthresh(sk);
      sk.prior_cwnd = sk.snd_cwnd;
      sk.snd_ssthresh = sk.ca.ssthresh(sk);
      sk.ca.cwnd_event?.(sk, 'loss', this.kernel.now());
      this.tcp_init_undo(sk);
    }
    sk.snd_cwnd = tcp.out.tcp_packets_in_flight(sk) + 1;
    sk.snd_cwnd_cnt = 0;
    sk.snd_cwnd_stamp = this.kernel.now();
    if (sk.ca_state <= TCP_CA.Disorder && sk.sacked_out >= sysctl.tcp_reordering)
      sk.reordering = Math.min(sk.reordering, sysctl.tcp_reordering);
    this.tcp_set_ca_state(sk, TCP_CA.Loss);
    sk.high_seq = sk.snd_nxt;
    sk.tlp_high_seq = 0;
    if ((sk.ecn_flags & TCP_ECN.OK) !== 0) sk.ecn_flags |= TCP_ECN.QUEUE_CWR;
    sk.frto = sysctl.tcp_frto !== 0 && (fresh || sk.retransmits !== 0);
  }

  // Reno's substitute for SACK: duplicate ACKs count

  tcp_reset_reno_sack(sk: TcpSock): void {
    sk.sacked_out = 0;
  }
  tcp_limit_reno_sacked(sk: TcpSock): boolean {
    const holes = Math.min(Math.max(sk.lost_out, 1), sk.packets_out);
    if (sk.sacked_out + holes <= sk.packets_out) return false;
    sk.sacked_out = sk.packets_out - holes;
    return true;
  }
  tcp_check_reno_reordering(sk: TcpSock, addend: number): void {
    if (!this.tcp_limit_reno_sacked(sk)) return;
    const { mib, tcp } = ipv4Net(sk.net);
    sk.reordering = Math.min(sk.packets_out + addend, tcp.sysctl.tcp_max_reordering);
    sk.reord_seen++;
    mib.tcpExt[TCPEXT.TCPRenoReorder]++;
  }
  tcp_add_reno_sack(sk: TcpSock, dupacks: number): void {
    if (dupacks === 0) return;
    const prior = sk.sacked_out;
    sk.sacked_out += dupacks;
    this.tcp_check_reno_reordering(sk, 0);
    if (sk.sacked_out > prior) sk.delivered += sk.sacked_out - prior;
  }
  tcp_remove_reno_sacks(sk: TcpSock, acked: number): void {
    if (acked > 0) {
      sk.delivered += Math.max(acked - sk.sacked_out, 1);
      sk.sacked_out = acked - 1 >= sk.sacked_out ? 0 : sk.sacked_out - (acked - 1);
    }
    this.tcp_check_reno_reordering(sk, acked);
  }

  // undoing a reduction that was not needed

  tcp_packet_delayed(sk: TcpSock): boolean {
    const { rx_opt } = sk;
    return sk.retrans_stamp !== 0 && rx_opt.saw_tstamp && rx_opt.rcv_tsecr !== 0 && before(rx_opt.rcv_tsecr, sk.retrans_stamp);
  }
  tcp_may_undo(sk: TcpSock): boolean {
    return sk.undo_marker !== 0 && (sk.undo_retrans === 0 || this.tcp_packet_delayed(sk));
  }
  tcp_any_retrans_done(sk: TcpSock): boolean {
    const head = sk.rtx_queue.first;
    return sk.retrans_out !== 0 || (head !== undefined && (TCP_SKB_CB(head).sacked & TCPCB.EVER_RETRANS) !== 0);
  }
  tcp_undo_cwnd_reduction(sk: TcpSock, unmarkLoss: boolean): void {
    if (unmarkLoss) {
      for (let i = 0; i < sk.rtx_queue.length; i++) TCP_SKB_CB(sk.rtx_queue.at(i)).sacked &= ~TCPCB.LOST;
      sk.lost_out = 0;
    }
    if (sk.prior_ssthresh !== 0) {
      sk.snd_cwnd = sk.ca.undo_cwnd(sk);
      if (sk.prior_ssthresh > sk.snd_ssthresh) {
        sk.snd_ssthresh = sk.prior_ssthresh;
        sk.ecn_flags &= ~TCP_ECN.QUEUE_CWR;
      }
    }
    sk.snd_cwnd_stamp = this.kernel.now();
    sk.undo_marker = 0;
    sk.rack_advanced = true;
  }
  tcp_try_undo_recovery(sk: TcpSock): boolean {
    if (this.tcp_may_undo(sk)) {
      const loss = sk.ca_state === TCP_CA.Loss;
      this.tcp_undo_cwnd_reduction(sk, false);
      ipv4Net(sk.net).mib.tcpExt[loss ? TCPEXT.TCPLossUndo : TCPEXT.TCPFullUndo]++;
    } else if (sk.rack_reo_wnd_persist > 0) sk.rack_reo_wnd_persist--;
    if (sk.snd_una === sk.high_seq && !sk.rx_opt.sack_ok) {
      if (!this.tcp_any_retrans_done(sk)) sk.retrans_stamp = 0;
      return true;
    }
    this.tcp_set_ca_state(sk, TCP_CA.Open);
    sk.frto = false;
    return false;
  }
  tcp_try_undo_dsack(sk: TcpSock): boolean {
    if (sk.undo_marker === 0 || sk.undo_retrans !== 0) return false;
    sk.rack_reo_wnd_persist = Math.min(16, sk.rack_reo_wnd_persist + 1);
    this.tcp_undo_cwnd_reduction(sk, false);
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPDSACKUndo]++;
    return true;
  }
  tcp_try_undo_loss(sk: TcpSock, frto: boolean): boolean {
    if (!frto && !this.tcp_may_undo(sk)) return false;
    const { tcpExt } = ipv4Net(sk.net).mib;
    this.tcp_undo_cwnd_reduction(sk, true);
    tcpExt[TCPEXT.TCPLossUndo]++;
    if (frto) tcpExt[TCPEXT.TCPSpuriousRTOs]++;
    sk.retransmits = 0;
    if (frto || sk.rx_opt.sack_ok) {
      this.tcp_set_ca_state(sk, TCP_CA.Open);
      sk.frto = false;
    }
    return true;
  }
  tcp_try_undo_partial(sk: TcpSock, priorUna: number): boolean {
    if (sk.undo_marker === 0 || !this.tcp_packet_delayed(sk)) return false;
    this.kernel.tcp.sack.tcp_check_sack_reordering(sk, priorUna, true);
    if (sk.retrans_out !== 0) return true;
    if (!this.tcp_any_retrans_done(sk)) sk.retrans_stamp = 0;
    this.tcp_undo_cwnd_reduction(sk, true);
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPPartialUndo]++;
    this.tcp_try_keep_open(sk);
    return true;
  }
  tcp_try_keep_open(sk: TcpSock): void {
    const state = sk.sacked_out + sk.lost_out > 0 || this.tcp_any_retrans_done(sk) ? TCP_CA.Disorder : TCP_CA.Open;
    if (sk.ca_state === state) return;
    this.tcp_set_ca_state(sk, state);
    sk.high_seq = sk.snd_nxt;
  }
  tcp_try_to_open(sk: TcpSock, flag: number): void {
    if (!this.tcp_any_retrans_done(sk)) sk.retrans_stamp = 0;
    if ((flag & FLAG.ECE) !== 0) this.tcp_enter_cwr(sk);
    if (sk.ca_state !== TCP_CA.CWR) this.tcp_try_keep_open(sk);
  }

  /** RFC 5682: was the timeout spurious? */
  tcp_process_loss(sk: TcpSock, flag: number, dupacks: number): void {
    const { out } = this.kernel.tcp;
    const recovered = !before(sk.snd_una, sk.high_seq);
    if ((flag & FLAG.SND_UNA_ADVANCED) !== 0 && this.tcp_try_undo_loss(sk, false)) return;
    if (sk.frto) {
      if ((flag & FLAG.ORIG_SACK_ACKED) !== 0 && this.tcp_try_undo_loss(sk, true)) return;
      if (after(sk.snd_nxt, sk.high_seq)) {
        if ((flag & FLAG.DATA_SACKED) !== 0 || dupacks > 0) sk.frto = false;
      } else if ((flag & FLAG.SND_UNA_ADVANCED) !== 0 && !recovered) {
        sk.high_seq = sk.snd_nxt;
        if (out.tcp_send_head(sk) !== undefined && after(out.tcp_wnd_end(sk), sk.snd_nxt)) {
          this.rexmit = REXMIT.NEW;
          return;
        }
        sk.frto = false;
      }
    }
    if (recovered) {
      this.tcp_try_undo_recovery(sk);
      return;
    }
    if (!sk.rx_opt.sack_ok) {
      if (after(sk.snd_nxt, sk.high_seq) && dupacks > 0) this.tcp_add_reno_sack(sk, dupacks);
      else if ((flag & FLAG.SND_UNA_ADVANCED) !== 0) this.tcp_reset_reno_sack(sk);
    }
    this.rexmit = REXMIT.LOST;
  }

  tcp_identify_packet_loss(sk: TcpSock): void {
    const { rack } = this.kernel.tcp;
    if (sk.rtx_queue.length === 0) return;
    if (!sk.rx_opt.sack_ok) rack.tcp_newreno_mark_lost(sk, (this.flag & FLAG.SND_UNA_ADVANCED) !== 0);
    else if (rack.tcp_is_rack(sk)) {
      const prior = sk.retrans_out;
      if (rack.tcp_rack_mark_lost(sk)) this.flag &= ~FLAG.SET_XMIT_TIMER;
      if (prior > sk.retrans_out) this.flag |= FLAG.LOST_RETRANS;
    }
  }
  tcp_time_to_recover(sk: TcpSock): boolean {
    if (sk.lost_out !== 0) return true;
    return !this.kernel.tcp.rack.tcp_is_rack(sk) && sk.sacked_out + 1 > sk.reordering;
  }

  /** The first unacknowledged packet is one that the peer said it had: it threw data away. */
  tcp_check_sack_reneging(sk: TcpSock, flag: number): boolean {
    if ((flag & FLAG.SACK_RENEGING) === 0 || (flag & FLAG.SND_UNA_ADVANCED) === 0) return false;
    const delay = Math.max(Math.ceil((sk.srtt_us >> 4) / 4000) * 4e6, 12e6);
    this.kernel.tcp.timer.inet_csk_reset_xmit_timer(sk, ICSK_TIME.RETRANS, delay);
    this.flag &= ~FLAG.SET_XMIT_TIMER;
    return true;
  }

  /** An ACK that is not plain progress. `this.flag` goes in and out; `this.rexmit` comes out. */
  tcp_fastretrans_alert(sk: TcpSock, priorUna: number, dupacks: number, flagIn: number): void {
    this.flag = flagIn;
    const ece = (flagIn & FLAG.ECE) !== 0;
    const reno = !sk.rx_opt.sack_ok;
    if (sk.packets_out === 0 && sk.sacked_out > 0) sk.sacked_out = 0;
    if (ece) sk.prior_ssthresh = 0;
    if (this.tcp_check_sack_reneging(sk, flagIn)) return;
    if (sk.ca_state === TCP_CA.Open) sk.retrans_stamp = 0;
    else if (!before(sk.snd_una, sk.high_seq)) {
      if (sk.ca_state === TCP_CA.CWR) {
        if (sk.snd_una !== sk.high_seq) {
          this.tcp_end_cwnd_reduction(sk);
          this.tcp_set_ca_state(sk, TCP_CA.Open);
        }
      } else if (sk.ca_state === TCP_CA.Recovery) {
        if (reno) this.tcp_reset_reno_sack(sk);
        if (this.tcp_try_undo_recovery(sk)) return;
        this.tcp_end_cwnd_reduction(sk);
      }
    }
    if (sk.ca_state === TCP_CA.Recovery) {
      if ((flagIn & FLAG.SND_UNA_ADVANCED) === 0) {
        if (reno) this.tcp_add_reno_sack(sk, dupacks);
      } else if (this.tcp_try_undo_partial(sk, priorUna)) return;
      if (this.tcp_try_undo_dsack(sk)) this.tcp_try_to_open(sk, flagIn);
      this.tcp_identify_packet_loss(sk);
      if ((sk.ca_state as number) !== TCP_CA.Recovery) {
        if (!this.tcp_time_to_recover(sk)) return;
        this.tcp_enter_recovery(sk, ece);
      }
    } else {
      if (sk.ca_state === TCP_CA.Loss) {
        this.tcp_process_loss(sk, flagIn, dupacks);
        this.tcp_identify_packet_loss(sk);
        if (!((sk.ca_state as number) === TCP_CA.Open || (this.flag & FLAG.LOST_RETRANS) !== 0)) return;
      }
      if (reno) {
        if ((flagIn & FLAG.SND_UNA_ADVANCED) !== 0) this.tcp_reset_reno_sack(sk);
        this.tcp_add_reno_sack(sk, dupacks);
      }
      if (sk.ca_state <= TCP_CA.Disorder) this.tcp_try_undo_dsack(sk);
      this.tcp_identify_packet_loss(sk);
      if (!this.tcp_time_to_recover(sk)) return this.tcp_try_to_open(sk, flagIn);
      this.tcp_enter_recovery(sk, ece);
    }
    this.rexmit = REXMIT.LOST;
  }
}
