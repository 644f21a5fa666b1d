// Data received: queues in and out of order, the receive window's growth, FIN (Linux: net/ipv4/tcp_input.c).
import { Errno } from '../../base/errno.ts';
import type { SkbDropReason } from '../drop_reason.ts';
import type { Kernel } from '../kernel.ts';
import { __skb_pull, skb_transport_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPHDR, TCP_SKB_CB, after, before, seqAdd, seqDiff } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { ICSK_ACK, SHUTDOWN, TCP, TCP_ATO_MIN, TCP_MAX_QUICKACKS, TCP_PINGPONG_THRESH } from './tcp_states.ts';

export class TcpReceive {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_rcv_rtt_measure', 'tcp_rcv_nxt_update', '__tcp_grow_window']);
  constructor(readonly kernel: Kernel) {}

  tcp_data_ready(sk: TcpSock): void {
    if (seqDiff(sk.rcv_nxt, sk.copied_seq) >= sk.rcvlowat || (sk.shutdown & SHUTDOWN.RCV) !== 0) this.kernel.sockets.sock_def_readable(sk);
  }

  tcp_queue_rcv(sk: TcpSock, skb: SkBuff): void {
    this.tcp_rcv_nxt_update(sk, TCP_SKB_CB(skb).end_seq);
    this.own(sk, skb);
    skb.dst = undefined;
    sk.receive_queue.push(skb);
  }
  private own(sk: TcpSock, skb: SkBuff): void {
    sk.rmem_alloc += skb.truesize;
  }
  tcp_rcv_nxt_update(sk: TcpSock, seq: number): void {
    sk.bytes_received += seqDiff(seq, sk.rcv_nxt);
    sk.rcv_nxt = seq;
  }

  /** A segment's data takes its place; the segment is consumed. `skb.data` is at the TCP header. */
  tcp_data_queue(sk: TcpSock, skb: SkBuff): void {
    const { tcp } = this.kernel;
    const { ram } = this.kernel.skb;
    const { tcpExt } = ipv4Net(sk.net).mib;
    const cb = TCP_SKB_CB(skb);
    if (cb.seq === cb.end_seq) {
      this.kernel.skb.consume_skb(skb);
      return;
    }
    __skb_pull(skb, (ram.u8(skb_transport_header(skb) + 12) >> 4) * 4);
    sk.dsack = false;
    const window = tcp.out.tcp_receive_window(sk);
    if (cb.seq === sk.rcv_nxt || (before(cb.seq, sk.rcv_nxt) && after(cb.end_seq, sk.rcv_nxt))) {
      if (cb.seq !== sk.rcv_nxt) tcp.sack.tcp_dsack_set(sk, cb.seq, sk.rcv_nxt);
      if (window === 0) {
        tcpExt[TCPEXT.TCPZeroWindowDrop]++;
        return this.outOfWindow(sk, skb, 'TCP_ZEROWINDOW');
      }
      if (sk.receive_queue.qlen > 0 && this.tcp_try_rmem_schedule(sk) < 0) {
        tcpExt[TCPEXT.TCPRcvQDrop]++;
        this.tcp_data_ready(sk);
        this.kernel.skb.kfree_skb_reason(skb, 'PROTO_MEM');
        return;
      }
      const fin = (cb.tcp_flags & TCPHDR.FIN) !== 0;
      this.tcp_queue_rcv(sk, skb);
      if (skb.len > 0) this.tcp_event_data_recv(sk, skb);
      if (fin) this.tcp_fin(sk);
      if (sk.ofo_queue.length > 0) {
        this.tcp_ofo_queue(sk);
        // RFC 5681 §4.2: a filled hole is acknowledged at once
        if (sk.ofo_queue.length === 0) sk.ack_pending |= ICSK_ACK.NOW;
      }
      if (sk.rx_opt.num_sacks > 0) tcp.sack.tcp_sack_remove(sk);
      if (!sk.dead) this.tcp_data_ready(sk);
      return;
    }
    if (!after(cb.end_seq, sk.rcv_nxt)) {
      tcpExt[TCPEXT.DelayedACKLost]++;
      tcp.sack.tcp_dsack_set(sk, cb.seq, cb.end_seq);
      return this.outOfWindow(sk, skb, 'TCP_OLD_DATA');
    }
    if (!before(cb.seq, seqAdd(sk.rcv_nxt, window))) return this.outOfWindow(sk, skb, 'TCP_OVERWINDOW');
    this.tcp_data_queue_ofo(sk, skb);
  }

  private outOfWindow(sk: TcpSock, skb: SkBuff, reason: SkbDropReason): void {
    this.kernel.tcp.input.tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    sk.ack_pending |= ICSK_ACK.SCHED;
    this.kernel.skb.kfree_skb_reason(skb, reason);
  }

  /** Beyond the next expected: kept by number, overlaps told with DSACK. */
  tcp_data_queue_ofo(sk: TcpSock, skb: SkBuff): void {
    const { sack } = this.kernel.tcp;
    const { skb: skbs } = this.kernel;
    const { tcpExt } = ipv4Net(sk.net).mib;
    const cb = TCP_SKB_CB(skb);
    if (this.tcp_try_rmem_schedule(sk) < 0) {
      tcpExt[TCPEXT.TCPOFODrop]++;
      skbs.kfree_skb_reason(skb, 'PROTO_MEM');
      return;
    }
    sk.ack_pending |= ICSK_ACK.SCHED;
    sk.rcv_ooopack += Math.max(1, skbs.gso_segs(skb));
    tcpExt[TCPEXT.TCPOFOQueue]++;
    const { seq, end_seq } = cb;
    const queue = sk.ofo_queue;
    let at = queue.search(seq);
    const e = at < queue.length ? queue.at(at) : undefined;
    let keep = true;
    if (e !== undefined && before(TCP_SKB_CB(e).seq, end_seq) && !after(TCP_SKB_CB(e).seq, seq)) {
      const ecb = TCP_SKB_CB(e);
      if (!after(end_seq, ecb.end_seq)) {
        tcpExt[TCPEXT.TCPOFOMerge]++;
        sack.tcp_dsack_set(sk, seq, end_seq);
        skbs.kfree_skb_reason(skb, 'TCP_OFOMERGE');
        keep = false;
      } else if (after(seq, ecb.seq)) {
        sack.tcp_dsack_set(sk, seq, ecb.end_seq);
        at++;
      } else {
        sack.tcp_dsack_extend(sk, ecb.seq, ecb.end_seq);
        this.dropOfo(sk, at);
      }
    }
    if (keep) {
      queue.insertAt(at, skb);
      while (at + 1 < queue.length) {
        const next = TCP_SKB_CB(queue.at(at + 1));
        if (!after(end_seq, next.seq)) break;
        if (before(end_seq, next.end_seq)) {
          sack.tcp_dsack_extend(sk, next.seq, end_seq);
          break;
        }
        sack.tcp_dsack_extend(sk, next.seq, next.end_seq);
        this.dropOfo(sk, at + 1);
      }
      skb.dst = undefined;
      this.own(sk, skb);
    }
    if (sk.rx_opt.sack_ok) {
      sack.tcp_sack_new_ofo_skb(sk, seq, end_seq);
      if (keep) this.tcp_grow_window(sk, skb);
    }
  }
  private dropOfo(sk: TcpSock, at: number): void {
    const skb = sk.ofo_queue.at(at);
    sk.ofo_queue.removeAt(at);
    sk.rmem_alloc -= skb.truesize;
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPOFOMerge]++;
    this.kernel.skb.kfree_skb_reason(skb, 'TCP_OFOMERGE');
  }

  /** What the hole's filling made next goes to the reader's queue. */
  tcp_ofo_queue(sk: TcpSock): void {
    const { sack } = this.kernel.tcp;
    let dsackHigh = sk.rcv_nxt;
    for (let skb = sk.ofo_queue.first; skb !== undefined; skb = sk.ofo_queue.first) {
      const cb = TCP_SKB_CB(skb);
      if (after(cb.seq, sk.rcv_nxt)) return;
      if (before(cb.seq, dsackHigh)) {
        const high = dsackHigh;
        if (before(dsackHigh, cb.end_seq)) dsackHigh = cb.end_seq;
        sack.tcp_dsack_extend(sk, cb.seq, before(high, cb.end_seq) ? high : cb.end_seq);
      }
      sk.ofo_queue.shift();
      if (!after(cb.end_seq, sk.rcv_nxt)) {
        sk.rmem_alloc -= skb.truesize;
        this.kernel.skb.kfree_skb_reason(skb, 'TCP_OFO_DROP');
        continue;
      }
      const fin = (cb.tcp_flags & TCPHDR.FIN) !== 0;
      this.tcp_rcv_nxt_update(sk, cb.end_seq);
      sk.receive_queue.push(skb);
      if (fin) {
        this.tcp_fin(sk);
        return;
      }
    }
  }

  /** 0, or -ENOMEM: no room even after making some. */
  tcp_try_rmem_schedule(sk: TcpSock): number {
    return sk.rmem_alloc > sk.rcvbuf ? this.tcp_prune_queue(sk) : 0;
  }
  tcp_prune_queue(sk: TcpSock): number {
    const n4 = ipv4Net(sk.net);
    const { tcpExt } = n4.mib;
    tcpExt[TCPEXT.PruneCalled]++;
    if (sk.rmem_alloc >= sk.rcvbuf) this.tcp_clamp_window(sk);
    if (sk.rmem_alloc <= sk.rcvbuf) return 0;
    this.tcp_prune_ofo_queue(sk);
    if (sk.rmem_alloc <= sk.rcvbuf) return 0;
    tcpExt[TCPEXT.RcvPruned]++;
    return -Errno.ENOMEM;
  }
  tcp_clamp_window(sk: TcpSock): void {
    const { rmem } = ipv4Net(sk.net).tcp;
    sk.ack_quick = 0;
    if (sk.rcvbuf < rmem[2] && !sk.userlocks_rcvbuf) sk.rcvbuf = Math.min(sk.rmem_alloc, rmem[2]);
    if (sk.rmem_alloc > sk.rcvbuf) sk.rcv_ssthresh = Math.min(sk.window_clamp, 2 * sk.advmss);
  }
  tcp_prune_ofo_queue(sk: TcpSock): void {
    if (sk.ofo_queue.length === 0) return;
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.OfoPruned]++;
    while (sk.ofo_queue.length > 0 && sk.rmem_alloc > sk.rcvbuf) {
      const skb = sk.ofo_queue.pop() as SkBuff;
      sk.rmem_alloc -= skb.truesize;
      this.kernel.skb.kfree_skb_reason(skb, 'TCP_OFO_QUEUE_PRUNE');
    }
    // SACKed data was thrown away: the blocks are no longer true
    sk.selective_acks.length = 0;
    sk.rx_opt.num_sacks = 0;
  }

  tcp_event_data_recv(sk: TcpSock, skb: SkBuff): void {
    const { input } = this.kernel.tcp;
    sk.ack_pending |= ICSK_ACK.SCHED;
    this.tcp_measure_rcv_mss(sk, skb);
    this.tcp_rcv_rtt_measure(sk);
    const now = this.kernel.now();
    if (sk.ack_ato === 0) {
      input.tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
      sk.ack_ato = TCP_ATO_MIN;
    } else {
      const m = now - sk.lrcvtime;
      if (m <= TCP_ATO_MIN / 2) sk.ack_ato = sk.ack_ato / 2 + TCP_ATO_MIN / 2;
      else if (m < sk.ack_ato) sk.ack_ato = Math.min(sk.ack_ato / 2 + m, sk.rto);
      else if (m > sk.rto) input.tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    }
    sk.lrcvtime = now;
    if (skb.len >= 128) this.tcp_grow_window(sk, skb);
  }

  tcp_measure_rcv_mss(sk: TcpSock, skb: SkBuff): void {
    const last = sk.ack_last_seg_size;
    sk.ack_last_seg_size = 0;
    let len = this.kernel.skb.gso_size(skb) || skb.len;
    if (len >= sk.rcv_mss) {
      sk.rcv_mss = Math.min(len, sk.advmss);
      return;
    }
    const { tcp_flags } = TCP_SKB_CB(skb);
    const header = this.kernel.tcp.out.headerLength(sk);
    len += header;
    if (len >= 536 + 20 || (len >= 88 + 20 && (tcp_flags & (TCPHDR.FIN | TCPHDR.URG | TCPHDR.SYN | TCPHDR.PSH)) === 0)) {
      len -= header;
      sk.ack_last_seg_size = len;
      if (len === last) {
        sk.rcv_mss = len;
        return;
      }
    }
    if ((sk.ack_pending & ICSK_ACK.PUSHED) !== 0) sk.ack_pending |= ICSK_ACK.PUSHED2;
    sk.ack_pending |= ICSK_ACK.PUSHED;
  }

  tcp_grow_window(sk: TcpSock, skb: SkBuff): void {
    const { out } = this.kernel.tcp;
    const room = Math.min(sk.window_clamp, out.tcp_space(sk)) - sk.rcv_ssthresh;
    if (room <= 0) return;
    let incr = out.tcp_win_from_space(sk, skb.truesize) <= skb.len ? 2 * sk.advmss : this.__tcp_grow_window(sk, skb);
    if (incr === 0) return;
    incr = Math.max(incr, 2 * skb.len);
    sk.rcv_ssthresh += Math.min(room, incr);
    sk.ack_quick |= 1;
  }
  __tcp_grow_window(sk: TcpSock, skb: SkBuff): number {
    const { out } = this.kernel.tcp;
    let truesize = out.tcp_win_from_space(sk, skb.truesize) >> 1;
    let window = out.tcp_win_from_space(sk, ipv4Net(sk.net).tcp.rmem[2]) >> 1;
    while (sk.rcv_ssthresh <= window) {
      if (truesize <= skb.len) return 2 * sk.rcv_mss;
      truesize >>= 1;
      window >>= 1;
    }
    return 0;
  }

  // the receiver's own estimate of the round trip, and buffers that follow the rate

  tcp_rcv_rtt_update(sk: TcpSock, sample: number, winDep: boolean): void {
    let m = sample;
    let rtt = sk.rcv_rtt_us;
    if (rtt !== 0) {
      if (!winDep) rtt += m - Math.floor(rtt / 8);
      else {
        m *= 8;
        if (m < rtt) rtt = m;
      }
    } else rtt = m * 8;
    sk.rcv_rtt_us = rtt;
  }
  tcp_rcv_rtt_measure(sk: TcpSock): void {
    if (sk.rcv_rtt_time !== 0) {
      if (before(sk.rcv_nxt, sk.rcv_rtt_seq)) return;
      this.tcp_rcv_rtt_update(sk, Math.max(1, sk.tcp_mstamp - sk.rcv_rtt_time), true);
    }
    sk.rcv_rtt_seq = seqAdd(sk.rcv_nxt, sk.rcv_wnd);
    sk.rcv_rtt_time = sk.tcp_mstamp;
  }
  tcp_rcv_rtt_measure_ts(sk: TcpSock, skb: SkBuff): void {
    const { rx_opt } = sk;
    if (rx_opt.rcv_tsecr === sk.rcv_rtt_last_tsecr || !rx_opt.saw_tstamp) return;
    sk.rcv_rtt_last_tsecr = rx_opt.rcv_tsecr;
    const cb = TCP_SKB_CB(skb);
    if (seqDiff(cb.end_seq, cb.seq) < sk.rcv_mss) return;
    const delta = (this.kernel.tcp.out.timestamp(sk) - rx_opt.rcv_tsecr) | 0;
    if (delta >= 0 && delta < 0x7fffffff / 1000) this.tcp_rcv_rtt_update(sk, Math.max(delta, 1) * 1000, false);
  }

  /** The reader took data: if it keeps up, the buffer may grow. */
  tcp_rcv_space_adjust(sk: TcpSock): void {
    const { out } = this.kernel.tcp;
    const { sysctl, rmem } = ipv4Net(sk.net).tcp;
    out.tcp_mstamp_refresh(sk);
    const time = sk.tcp_mstamp - sk.rcvq_time;
    if (time < sk.rcv_rtt_us / 8 || sk.rcv_rtt_us === 0) return;
    const copied = seqDiff(sk.copied_seq, sk.rcvq_seq);
    if (copied > sk.rcvq_space) {
      if (sysctl.tcp_moderate_rcvbuf !== 0 && !sk.userlocks_rcvbuf) {
        let rcvwin = copied * 2 + 16 * sk.advmss;
        rcvwin += Math.floor((rcvwin * (copied - sk.rcvq_space)) / sk.rcvq_space) * 2;
        let rcvmem = sk.advmss + 320 + 256 + 320;
        while (out.tcp_win_from_space(sk, rcvmem) < sk.advmss) rcvmem += 128;
        const rcvbuf = Math.min(Math.floor(rcvwin / sk.advmss) * rcvmem, rmem[2]);
        if (rcvbuf > sk.rcvbuf) {
          sk.rcvbuf = rcvbuf;
          sk.window_clamp = out.tcp_win_from_space(sk, rcvbuf);
        }
      }
      sk.rcvq_space = copied;
    }
    sk.rcvq_seq = sk.copied_seq;
    sk.rcvq_time = sk.tcp_mstamp;
  }

  tcp_init_buffer_space(sk: TcpSock): void {
    const { out, rtt } = this.kernel.tcp;
    const { sysctl } = ipv4Net(sk.net).tcp;
    if (!sk.userlocks_sndbuf) rtt.tcp_sndbuf_expand(sk);
    out.tcp_mstamp_refresh(sk);
    sk.rcvq_time = sk.tcp_mstamp;
    sk.rcvq_seq = sk.copied_seq;
    const most = out.tcp_full_space(sk);
    if (sk.window_clamp >= most) {
      sk.window_clamp = most;
      if (sysctl.tcp_app_win !== 0 && most > 4 * sk.advmss)
        sk.window_clamp = Math.max(most - Math.floor(most / 2 ** sysctl.tcp_app_win), 4 * sk.advmss);
    }
    if (sysctl.tcp_app_win !== 0 && sk.window_clamp > 2 * sk.advmss && sk.window_clamp + sk.advmss > most)
      sk.window_clamp = Math.max(2 * sk.advmss, most - sk.advmss);
    sk.rcv_ssthresh = Math.min(sk.rcv_ssthresh, sk.window_clamp);
    sk.snd_cwnd_stamp = this.kernel.now();
    sk.rcvq_space = Math.min(sk.rcv_ssthresh, sk.rcv_wnd, 10 * sk.advmss);
  }

  /** RFC 9293 §3.10.7.4, eighth: the peer sends no more. */
  tcp_fin(sk: TcpSock): void {
    const { tcp } = this.kernel;
    sk.ack_pending |= ICSK_ACK.SCHED;
    sk.shutdown |= SHUTDOWN.RCV;
    sk.fin_received = true;
    switch (sk.state) {
      case TCP.SYN_RECV:
      case TCP.ESTABLISHED:
        tcp.user.tcp_set_state(sk, TCP.CLOSE_WAIT);
        sk.ack_pingpong = TCP_PINGPONG_THRESH;
        break;
      case TCP.FIN_WAIT1:
        tcp.out.tcp_send_ack(sk);
        tcp.user.tcp_set_state(sk, TCP.CLOSING);
        break;
      case TCP.FIN_WAIT2:
        tcp.out.tcp_send_ack(sk);
        tcp.mini.tcp_time_wait(sk, TCP.TIME_WAIT, 0);
        break;
      default:
    }
    for (let skb = sk.ofo_queue.shift(); skb !== undefined; skb = sk.ofo_queue.shift()) {
      sk.rmem_alloc -= skb.truesize;
      this.kernel.skb.kfree_skb(skb);
    }
    sk.selective_acks.length = 0;
    sk.rx_opt.num_sacks = 0;
    if (!sk.dead) this.kernel.sockets.sock_def_readable(sk);
  }
}
