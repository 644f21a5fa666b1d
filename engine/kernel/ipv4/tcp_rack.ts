// RACK: what was sent long enough before something that arrived is lost (RFC 8985; Linux: net/ipv4/tcp_recovery.c).
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPCB, TCP_SKB_CB, after, tcp_skb_pcount } from './tcp_skb.ts';
import type { RateSample, TcpSock } from './tcp_sock.ts';
import { ICSK_TIME, TCP_CA, TCP_TIMEOUT_MIN } from './tcp_states.ts';

const RACK_STATIC_REO_WND = 2;
const RACK_NO_DUPTHRESH = 4;
const RACK_RECOVERY_THRESH = 16;

export class TcpRack {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_is_rack', 'tcp_rack_skb_timeout', 'tcp_skb_sent_after']);
  constructor(readonly kernel: Kernel) {}

  tcp_is_rack(sk: TcpSock): boolean {
    return (ipv4Net(sk.net).tcp.sysctl.tcp_recovery & 1) !== 0;
  }

  tcp_mark_skb_lost(sk: TcpSock, skb: SkBuff): void {
    const cb = TCP_SKB_CB(skb);
    const pcount = cb.gso_segs;
    if ((cb.sacked & TCPCB.SACKED_ACKED) !== 0) return;
    if ((cb.sacked & TCPCB.LOST) !== 0) {
      if ((cb.sacked & TCPCB.SACKED_RETRANS) === 0) return;
      cb.sacked &= ~TCPCB.SACKED_RETRANS;
      sk.retrans_out -= pcount;
      ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPLostRetransmit] += pcount;
    } else {
      sk.lost_out += pcount;
      cb.sacked |= TCPCB.LOST;
    }
    sk.lost += pcount;
  }

  tcp_rack_reo_wnd(sk: TcpSock): number {
    if (sk.reord_seen === 0) {
      if (sk.ca_state >= TCP_CA.Recovery) return 0;
      if (sk.sacked_out >= sk.reordering && (ipv4Net(sk.net).tcp.sysctl.tcp_recovery & RACK_NO_DUPTHRESH) === 0) return 0;
    }
    return Math.min(Math.floor(this.kernel.tcp.rtt.tcp_min_rtt(sk) / 4) * sk.rack_reo_wnd_steps, sk.srtt_us >>> 3);
  }

  tcp_rack_skb_timeout(sk: TcpSock, skb: SkBuff, reoWnd: number): number {
    return sk.rack_rtt_us + reoWnd - (sk.tcp_mstamp - TCP_SKB_CB(skb).mstamp);
  }

  /** Marks what is lost; µs until more may be, 0 for none. */
  tcp_rack_detect_loss(sk: TcpSock): number {
    let timeout = 0;
    const reoWnd = this.tcp_rack_reo_wnd(sk);
    for (let i = 0; i < sk.rtx_queue.length; i++) {
      const skb = sk.rtx_queue.at(i);
      const cb = TCP_SKB_CB(skb);
      if ((cb.sacked & TCPCB.SACKED_ACKED) !== 0) continue;
      if ((cb.sacked & TCPCB.LOST) !== 0 && (cb.sacked & TCPCB.SACKED_RETRANS) === 0) continue;
      if (!this.tcp_skb_sent_after(sk.rack_mstamp, cb.mstamp, sk.rack_end_seq, cb.end_seq)) continue;
      const remaining = this.tcp_rack_skb_timeout(sk, skb, reoWnd);
      if (remaining <= 0) this.tcp_mark_skb_lost(sk, skb);
      else timeout = Math.max(timeout, remaining);
    }
    return timeout;
  }
  tcp_skb_sent_after(t1: number, t2: number, seq1: number, seq2: number): boolean {
    return t1 > t2 || (t1 === t2 && after(seq1, seq2));
  }

  /** True when a timer waits for the rest of the reordering window. */
  tcp_rack_mark_lost(sk: TcpSock): boolean {
    if (!sk.rack_advanced) return false;
    sk.rack_advanced = false;
    const timeout = this.tcp_rack_detect_loss(sk);
    if (timeout === 0) return false;
    const when = Math.min(Math.ceil(timeout / 4000) * 4e6 + TCP_TIMEOUT_MIN, sk.rto);
    this.kernel.tcp.timer.inet_csk_reset_xmit_timer(sk, ICSK_TIME.REO_TIMEOUT, when);
    return true;
  }

  /** RFC 8985 §6.2 step 2: the newest packet known to have arrived. */
  tcp_rack_advance(sk: TcpSock, sacked: number, endSeq: number, xmitTime: number): void {
    const rtt = sk.tcp_mstamp - xmitTime;
    // an ACK that soon is the original's, not the retransmission's
    if (rtt < this.kernel.tcp.rtt.tcp_min_rtt(sk) && (sacked & TCPCB.RETRANS) !== 0) return;
    sk.rack_advanced = true;
    sk.rack_rtt_us = rtt;
    if (!this.tcp_skb_sent_after(xmitTime, sk.rack_mstamp, endSeq, sk.rack_end_seq)) return;
    sk.rack_mstamp = xmitTime;
    sk.rack_end_seq = endSeq;
  }

  tcp_rack_reo_timeout(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const prior = tcp.out.tcp_packets_in_flight(sk);
    this.tcp_rack_detect_loss(sk);
    if (prior !== tcp.out.tcp_packets_in_flight(sk)) {
      if (sk.ca_state !== TCP_CA.Recovery) {
        tcp.loss.tcp_enter_recovery(sk, false);
        if (sk.ca.cong_control === undefined) tcp.loss.tcp_cwnd_reduction(sk, 1, 0, 0);
      }
      tcp.retrans.tcp_xmit_retransmit_queue(sk);
    }
    if (sk.pending !== ICSK_TIME.RETRANS) tcp.loss.tcp_rearm_rto(sk);
  }

  /** RFC 8985 §6.2 step 4: DSACKs widen the window for a while. */
  tcp_rack_update_reo_wnd(sk: TcpSock, rs: RateSample): void {
    if ((ipv4Net(sk.net).tcp.sysctl.tcp_recovery & RACK_STATIC_REO_WND) !== 0 || rs.prior_delivered === 0) return;
    if (rs.prior_delivered < sk.rack_last_delivered) sk.rack_dsack_seen = false;
    if (sk.rack_dsack_seen) {
      sk.rack_reo_wnd_steps = Math.min(255, sk.rack_reo_wnd_steps + 1);
      sk.rack_dsack_seen = false;
      sk.rack_last_delivered = sk.delivered;
      sk.rack_reo_wnd_persist = RACK_RECOVERY_THRESH;
    } else if (sk.rack_reo_wnd_persist === 0) sk.rack_reo_wnd_steps = 1;
  }

  /** Without SACK: the first unacknowledged segment (RFC 6582 §3.2). */
  tcp_newreno_mark_lost(sk: TcpSock, advanced: boolean): void {
    const { out } = this.kernel.tcp;
    if (!((sk.ca_state < TCP_CA.Recovery && sk.sacked_out >= sk.reordering) || (sk.ca_state === TCP_CA.Recovery && advanced))) return;
    const skb = sk.rtx_queue.first;
    if (skb === undefined || (TCP_SKB_CB(skb).sacked & TCPCB.LOST) !== 0) return;
    const mss = sk.mss_cache;
    if (tcp_skb_pcount(skb) > 1 && skb.len > mss) out.tcp_fragment(sk, skb, mss, mss, 'rtx');
    this.tcp_mark_skb_lost(sk, skb);
  }
}
