// Sending again: retransmissions, tail loss probes, zero-window probes (Linux: net/ipv4/tcp_output.c; RFC 6298, RFC 8985 §7).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { TCPCB, TCPHDR, TCP_SKB_CB, after, before, seqAdd, seqDiff, tcp_skb_pcount } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { ICSK_TIME, TCP, TCP_CA, TCP_NAGLE, TCP_RESOURCE_PROBE_INTERVAL, TCP_RTO_MAX, TCP_TIMEOUT_INIT } from './tcp_states.ts';

export class TcpRetransmit {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['skb_still_in_host_queue']);
  constructor(readonly kernel: Kernel) {}

  /** The probe's own time, or the retransmission timer's if that is sooner. True when armed. */
  tcp_schedule_loss_probe(sk: TcpSock, advancing: boolean): boolean {
    const { tcp } = this.kernel;
    const early = ipv4Net(sk.net).tcp.sysctl.tcp_early_retrans;
    if (
      (early !== 3 && early !== 4) ||
      sk.packets_out === 0 ||
      !sk.rx_opt.sack_ok ||
      (sk.ca_state !== TCP_CA.Open && sk.ca_state !== TCP_CA.CWR)
    )
      return false;
    let timeout = TCP_TIMEOUT_INIT;
    if (sk.srtt_us !== 0) {
      timeout = Math.ceil((sk.srtt_us >> 2) / 4000) * 4e6;
      timeout += sk.packets_out === 1 ? sk.rto_min : 8e6;
    }
    const rto = advancing ? sk.rto : tcp.loss.tcp_rto_delta_us(sk) * 1000;
    if (rto > 0) timeout = Math.min(timeout, rto);
    tcp.timer.tcp_reset_xmit_timer(sk, ICSK_TIME.LOSS_PROBE, timeout);
    return true;
  }

  /** The original has not even left this machine. */
  skb_still_in_host_queue(sk: TcpSock, skb: SkBuff): boolean {
    if (!this.kernel.skb.data_shared(skb)) return false;
    sk.tsq_throttled = true;
    if (!this.kernel.skb.data_shared(skb)) return false;
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPSpuriousRtxHostQueues]++;
    return true;
  }

  /** RFC 8985 §7.3: new data if there is some and room, else the last segment again. */
  tcp_send_loss_probe(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { out } = tcp;
    const { mib } = ipv4Net(sk.net);
    const mss = out.tcp_current_mss(sk);
    if (sk.tlp_high_seq !== 0) return tcp.loss.tcp_rearm_rto(sk);
    sk.tlp_retrans = false;
    let skb = out.tcp_send_head(sk);
    if (skb !== undefined && out.tcp_snd_wnd_test(sk, skb, mss)) {
      const before = sk.packets_out;
      out.tcp_write_xmit(sk, mss, TCP_NAGLE.OFF, 2);
      if (sk.packets_out > before) return this.probeSent(sk);
    } else {
      skb = sk.rtx_queue.last;
      if (skb === undefined) {
        sk.pending = 0;
        return;
      }
      if (this.skb_still_in_host_queue(sk, skb)) return tcp.loss.tcp_rearm_rto(sk);
      let pcount = tcp_skb_pcount(skb);
      if (pcount > 1 && skb.len > (pcount - 1) * mss) {
        if (out.tcp_fragment(sk, skb, (pcount - 1) * mss, mss, 'rtx') !== 0) return tcp.loss.tcp_rearm_rto(sk);
        skb = sk.rtx_queue.last as SkBuff;
        pcount = 1;
      }
      if (this.__tcp_retransmit_skb(sk, skb, 1) !== 0) return tcp.loss.tcp_rearm_rto(sk);
      sk.tlp_retrans = true;
      sk.tlp_high_seq = sk.snd_nxt;
      mib.tcpExt[TCPEXT.TCPLossProbes]++;
      sk.pending = 0;
      return tcp.loss.tcp_rearm_rto(sk);
    }
    tcp.loss.tcp_rearm_rto(sk);
  }

  private probeSent(sk: TcpSock): void {
    sk.tlp_high_seq = sk.snd_nxt;
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPLossProbes]++;
    sk.pending = 0;
    this.kernel.tcp.loss.tcp_rearm_rto(sk);
  }

  /** Sends (part of) a packet again; 0 or -errno. */
  __tcp_retransmit_skb(sk: TcpSock, skb: SkBuff, segsIn: number): number {
    const { tcp } = this.kernel;
    const { out } = tcp;
    const { mib } = ipv4Net(sk.net);
    let cb = TCP_SKB_CB(skb);
    if (this.skb_still_in_host_queue(sk, skb)) return -Errno.EBUSY;
    if (before(cb.seq, sk.snd_una)) {
      if ((cb.tcp_flags & TCPHDR.SYN) !== 0) {
        cb.tcp_flags &= ~TCPHDR.SYN;
        cb.seq = seqAdd(cb.seq, 1);
      } else if (before(cb.end_seq, sk.snd_una)) return -Errno.EINVAL;
      if (before(cb.seq, sk.snd_una) && out.tcp_trim_head(sk, skb, seqDiff(sk.snd_una, cb.seq)) !== 0) return -Errno.ENOMEM;
    }
    if (tcp.af(sk).rebuild_header(sk) !== 0) return -Errno.EHOSTUNREACH;
    const mss = out.tcp_current_mss(sk);
    let avail = seqDiff(out.tcp_wnd_end(sk), cb.seq);
    // a window that was shrunk to nothing: only what probes it
    if (avail <= 0) {
      if (cb.seq !== sk.snd_una) return -Errno.EAGAIN;
      avail = mss;
    }
    let len = mss * segsIn;
    if (len > avail) {
      len = avail - (avail % mss);
      if (len === 0) len = avail;
    }
    if (skb.len > len) {
      if (out.tcp_fragment(sk, skb, len, mss, 'rtx') !== 0) return -Errno.ENOMEM;
    } else {
      if (this.kernel.skb.skb_unclone(skb) !== 0) return -Errno.ENOMEM;
      const diff = tcp_skb_pcount(skb);
      out.tcp_set_skb_tso_segs(skb, mss);
      const changed = diff - tcp_skb_pcount(skb);
      if (changed !== 0) out.tcp_adjust_pcount(sk, skb, changed);
      if (skb.len < mss) this.tcp_retrans_try_collapse(sk, skb, Math.min(mss, avail));
    }
    cb = TCP_SKB_CB(skb);
    // RFC 3168 §6.1.1.1: a SYN that failed is sent again without ECN
    if ((cb.tcp_flags & (TCPHDR.SYN | TCPHDR.ECE | TCPHDR.CWR)) === (TCPHDR.SYN | TCPHDR.ECE | TCPHDR.CWR)) {
      if (ipv4Net(sk.net).tcp.sysctl.tcp_ecn_fallback !== 0) {
        cb.tcp_flags &= ~(TCPHDR.ECE | TCPHDR.CWR);
        sk.ecn_flags = 0;
      }
    }
    const segs = tcp_skb_pcount(skb);
    mib.tcp[TCPSTATS.RetransSegs] += segs;
    if ((cb.tcp_flags & TCPHDR.SYN) !== 0) mib.tcpExt[TCPEXT.TCPSynRetrans]++;
    sk.total_retrans += segs;
    sk.bytes_retrans += skb.len;
    const err = out.tcp_transmit_skb(sk, skb, true);
    cb.sacked |= TCPCB.EVER_RETRANS;
    if (err === 0) return 0;
    mib.tcpExt[TCPEXT.TCPRetransFail] += segs;
    return err;
  }

  tcp_retransmit_skb(sk: TcpSock, skb: SkBuff, segs: number): number {
    const err = this.__tcp_retransmit_skb(sk, skb, segs);
    if (err === 0) {
      const cb = TCP_SKB_CB(skb);
      cb.sacked |= TCPCB.RETRANS;
      sk.retrans_out += tcp_skb_pcount(skb);
    }
    if (sk.retrans_stamp === 0) sk.retrans_stamp = this.kernel.tcp.out.timestamp(sk) || 1;
    if (sk.undo_retrans < 0) sk.undo_retrans = 0;
    sk.undo_retrans += tcp_skb_pcount(skb);
    return err;
  }

  /** Small packets that follow join the one that is sent again. */
  tcp_retrans_try_collapse(sk: TcpSock, to: SkBuff, space: number): void {
    if (ipv4Net(sk.net).tcp.sysctl.tcp_retrans_collapse === 0 || (TCP_SKB_CB(to).tcp_flags & TCPHDR.SYN) !== 0) return;
    const { rtx_queue } = sk;
    let left = space - to.len;
    for (let i = rtx_queue.indexOf(to) + 1; i < rtx_queue.length;) {
      const next = rtx_queue.at(i);
      const ncb = TCP_SKB_CB(next);
      if (tcp_skb_pcount(next) > 1 || (ncb.sacked & TCPCB.SACKED_ACKED) !== 0 || ncb.sacked !== TCP_SKB_CB(to).sacked) return;
      left -= next.len;
      if (left < 0 || after(ncb.end_seq, this.kernel.tcp.out.tcp_wnd_end(sk)) || TCP_SKB_CB(to).eor) return;
      if (!this.tcp_collapse_retrans(sk, to, next)) return;
    }
  }

  tcp_collapse_retrans(sk: TcpSock, to: SkBuff, next: SkBuff): boolean {
    const { skb: skbs, tcp } = this.kernel;
    const ncb = TCP_SKB_CB(next);
    const cb = TCP_SKB_CB(to);
    if (skbs.nr_frags(to) + skbs.nr_frags(next) > 17 || skbs.data_shared(to)) return false;
    const n = skbs.nr_frags(next);
    for (let i = 0; i < n; i++) {
      skbs.frags.get_page(skbs.frag_page(next, i));
      skbs.skb_append_frag(to, skbs.frag_page(next, i), skbs.frag_size(next, i));
    }
    to.truesize += next.len;
    sk.wmem_queued += next.len;
    cb.end_seq = ncb.end_seq;
    cb.tcp_flags |= ncb.tcp_flags;
    cb.sacked |= ncb.sacked & TCPCB.EVER_RETRANS;
    cb.eor = ncb.eor;
    sk.rtx_queue.removeAt(sk.rtx_queue.indexOf(next));
    tcp.out.tcp_adjust_pcount(sk, next, tcp_skb_pcount(next));
    this.tcp_wmem_free_skb(sk, next);
    return true;
  }

  tcp_wmem_free_skb(sk: TcpSock, skb: SkBuff): void {
    sk.wmem_queued -= skb.truesize;
    this.kernel.skb.consume_skb(skb);
  }

  /** Everything marked lost that the congestion window allows. */
  tcp_xmit_retransmit_queue(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    if (sk.packets_out === 0) return;
    let rearm = false;
    const maxSegs = tcp.out.tcp_tso_segs(sk, tcp.out.tcp_current_mss(sk));
    for (let i = 0; i < sk.rtx_queue.length; i++) {
      const skb = sk.rtx_queue.at(i);
      if (tcp.out.tcp_pacing_check(sk)) break;
      let segs = sk.snd_cwnd - tcp.out.tcp_packets_in_flight(sk);
      if (segs <= 0) break;
      const { sacked } = TCP_SKB_CB(skb);
      segs = Math.min(segs, maxSegs);
      if (sk.retrans_out >= sk.lost_out) break;
      if ((sacked & TCPCB.LOST) === 0) continue;
      if ((sacked & (TCPCB.SACKED_ACKED | TCPCB.SACKED_RETRANS)) !== 0) continue;
      if (tcp.out.tcp_small_queue_check(sk, skb, 1)) break;
      if (this.tcp_retransmit_skb(sk, skb, segs) !== 0) break;
      mib.tcpExt[sk.ca_state === TCP_CA.Loss ? TCPEXT.TCPSlowStartRetrans : TCPEXT.TCPFastRetrans] += tcp_skb_pcount(skb);
      if (tcp.loss.tcp_in_cwnd_reduction(sk)) sk.prr_out += tcp_skb_pcount(skb);
      if (skb === sk.rtx_queue.first && sk.pending !== ICSK_TIME.REO_TIMEOUT) rearm = true;
    }
    if (rearm) tcp.timer.tcp_reset_xmit_timer(sk, ICSK_TIME.RETRANS, sk.rto);
  }

  /** An old (or, urgent, the last) byte's number: the answer tells the window. */
  tcp_xmit_probe_skb(sk: TcpSock, urgent: boolean, mibIndex: number): number {
    const { out } = this.kernel.tcp;
    const skb = out.tcp_stream_alloc_skb();
    if (skb === undefined) return -1;
    out.tcp_init_nondata_skb(skb, seqAdd(sk.snd_una, urgent ? 0 : -1), TCPHDR.ACK);
    ipv4Net(sk.net).mib.tcpExt[mibIndex]++;
    return out.tcp_transmit_skb(sk, skb, false);
  }

  tcp_write_wakeup(sk: TcpSock, mibIndex: number): number {
    const { out } = this.kernel.tcp;
    if (sk.state === TCP.CLOSE) return -1;
    const skb = out.tcp_send_head(sk);
    if (skb === undefined || !before(TCP_SKB_CB(skb).seq, out.tcp_wnd_end(sk))) return this.tcp_xmit_probe_skb(sk, false, mibIndex);
    let mss = out.tcp_current_mss(sk);
    const room = seqDiff(out.tcp_wnd_end(sk), TCP_SKB_CB(skb).seq);
    if (before(sk.pushed_seq, TCP_SKB_CB(skb).end_seq)) sk.pushed_seq = TCP_SKB_CB(skb).end_seq;
    if (room < seqDiff(TCP_SKB_CB(skb).end_seq, TCP_SKB_CB(skb).seq) || skb.len > mss) {
      mss = Math.min(room, mss);
      TCP_SKB_CB(skb).tcp_flags |= TCPHDR.PSH;
      if (out.tcp_fragment(sk, skb, mss, mss, 'write') !== 0) return -1;
    } else if (tcp_skb_pcount(skb) === 0) out.tcp_set_skb_tso_segs(skb, mss);
    TCP_SKB_CB(skb).tcp_flags |= TCPHDR.PSH;
    const err = out.tcp_transmit_skb(sk, skb, true);
    if (err === 0) out.tcp_event_new_data_sent(sk, skb);
    return err;
  }

  /** RFC 9293 §3.8.6.1: asks a closed window whether it has opened. */
  tcp_send_probe0(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const err = this.tcp_write_wakeup(sk, TCPEXT.TCPWinProbe);
    if (sk.packets_out !== 0 || tcp.out.tcp_send_head(sk) === undefined) {
      sk.probes_out = 0;
      sk.backoff = 0;
      sk.probes_tstamp = 0;
      return;
    }
    sk.probes_out++;
    let timeout: number;
    if (err <= 0) {
      if (sk.backoff < ipv4Net(sk.net).tcp.sysctl.tcp_retries2) sk.backoff++;
      timeout = tcp.timer.tcp_probe0_when(sk, TCP_RTO_MAX);
    } else timeout = TCP_RESOURCE_PROBE_INTERVAL;
    tcp.timer.tcp_reset_xmit_timer(sk, ICSK_TIME.PROBE0, tcp.timer.tcp_clamp_probe0_to_user_timeout(sk, timeout));
  }

  /** The MTU fell: what is too long now is lost (Linux: tcp_simple_retransmit()). */
  tcp_simple_retransmit(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const mss = tcp.out.tcp_current_mss(sk);
    for (let i = 0; i < sk.rtx_queue.length; i++) {
      const skb = sk.rtx_queue.at(i);
      const size = TCP_SKB_CB(skb).gso_size || skb.len;
      if (size > mss) tcp.rack.tcp_mark_skb_lost(sk, skb);
    }
    if (sk.lost_out === 0) return;
    if (!sk.rx_opt.sack_ok) tcp.loss.tcp_limit_reno_sacked(sk);
    if (sk.ca_state !== TCP_CA.Loss) {
      sk.high_seq = sk.snd_nxt;
      sk.snd_ssthresh = sk.ca.ssthresh(sk);
      sk.prior_ssthresh = 0;
      sk.undo_marker = 0;
      tcp.loss.tcp_set_ca_state(sk, TCP_CA.Loss);
    }
    this.tcp_xmit_retransmit_queue(sk);
  }
}
