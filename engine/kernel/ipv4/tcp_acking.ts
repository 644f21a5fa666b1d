// When and how a receiver answers: quick, delayed, compressed and challenge ACKs, time stamps (Linux: net/ipv4/tcp_input.c; RFC 1122 §4.2.3.2, RFC 5961, RFC 7323).
import type { Kernel } from '../kernel.ts';
import { __skb_pull } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPHDR, TCP_SKB_CB, after, before, seqDiff } from './tcp_skb.ts';
import type { TcpOptions, TcpSock } from './tcp_sock.ts';
import {
  ICSK_ACK,
  TCP_ATO_MIN,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_FASTRETRANS_THRESH,
  TCP_MAX_QUICKACKS,
  TCP_PAWS_24DAYS,
  TCP_PINGPONG_THRESH,
} from './tcp_states.ts';

export class TcpAcking {
  static readonly inlined: readonly string[] = Object.freeze([
    'tcp_in_quickack_mode',
    'tcp_paws_check',
    'tcp_store_ts_recent',
    'tcp_replace_ts_recent',
    'tcp_ack_snd_check',
    'tcp_disordered_ack',
  ]);
  constructor(readonly kernel: Kernel) {}

  protected seconds(): number {
    return Math.floor(this.kernel.now() / 1e9);
  }

  tcp_initialize_rcv_mss(sk: TcpSock): void {
    let hint = Math.min(sk.advmss, sk.mss_cache);
    hint = Math.min(hint, Math.floor(sk.rcv_wnd / 2), 536);
    sk.rcv_mss = Math.max(hint, 88);
  }

  tcp_incr_quickack(sk: TcpSock, most: number): void {
    const quick = Math.min(Math.floor(sk.rcv_wnd / (2 * sk.rcv_mss)) || 2, most);
    if (quick > sk.ack_quick) sk.ack_quick = quick;
  }

  tcp_enter_quickack_mode(sk: TcpSock, most: number): void {
    this.tcp_incr_quickack(sk, most);
    sk.ack_pingpong = 0;
    sk.ack_ato = TCP_ATO_MIN;
  }

  tcp_in_quickack_mode(sk: TcpSock): boolean {
    return sk.ack_quick > 0 && sk.ack_pingpong < TCP_PINGPONG_THRESH;
  }

  /** RFC 5961 §7: at most so many, and not for every copy of a bad segment. */
  tcp_send_challenge_ack(sk: TcpSock): void {
    const n4 = ipv4Net(sk.net);
    const now = this.kernel.now();
    if (this.oowLimited(sk.net, sk.last_oow_ack_time, TCPEXT.TCPACKSkippedChallenge)) return;
    sk.last_oow_ack_time = now || 1;
    const { tcp } = n4;
    if (tcp.sysctl.tcp_challenge_ack_limit !== 2147483647) {
      if (this.seconds() !== tcp.challenge_timestamp) {
        tcp.challenge_timestamp = this.seconds();
        tcp.challenge_count = tcp.sysctl.tcp_challenge_ack_limit;
      }
      if (tcp.challenge_count <= 0) return;
      tcp.challenge_count--;
    }
    n4.mib.tcpExt[TCPEXT.TCPChallengeACK]++;
    this.kernel.tcp.out.tcp_send_ack(sk);
  }

  private oowLimited(net: TcpSock['net'], last: number, mib: number): boolean {
    const n4 = ipv4Net(net);
    if (last === 0 || this.kernel.now() - last >= n4.tcp.sysctl.tcp_invalid_ratelimit * 1e6) return false;
    n4.mib.tcpExt[mib]++;
    return true;
  }

  /** May the answer to an out-of-window segment be left out? (Linux: tcp_oow_rate_limited().) */
  tcp_oow_rate_limited(sk: { readonly net: TcpSock['net']; last_oow_ack_time: number }, skb: SkBuff, mib: number): boolean {
    const cb = TCP_SKB_CB(skb);
    if (cb.seq !== cb.end_seq && (cb.tcp_flags & TCPHDR.SYN) === 0) return false;
    if (this.oowLimited(sk.net, sk.last_oow_ack_time, mib)) return true;
    sk.last_oow_ack_time = this.kernel.now() || 1;
    return false;
  }

  tcp_send_dupack(sk: TcpSock, skb: SkBuff): void {
    const cb = TCP_SKB_CB(skb);
    const n4 = ipv4Net(sk.net);
    if (cb.end_seq !== cb.seq && before(cb.seq, sk.rcv_nxt)) {
      n4.mib.tcpExt[TCPEXT.DelayedACKLost]++;
      this.tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
      if (sk.rx_opt.sack_ok && n4.tcp.sysctl.tcp_dsack !== 0)
        this.kernel.tcp.sack.tcp_dsack_set(sk, cb.seq, after(cb.end_seq, sk.rcv_nxt) ? sk.rcv_nxt : cb.end_seq);
    }
    this.kernel.tcp.out.tcp_send_ack(sk);
  }

  tcp_ack_snd_check(sk: TcpSock): void {
    if ((sk.ack_pending & ICSK_ACK.SCHED) !== 0) this.__tcp_ack_snd_check(sk, true);
  }

  __tcp_ack_snd_check(sk: TcpSock, ofoPossible: boolean): void {
    const { out, timer } = this.kernel.tcp;
    const { sysctl } = ipv4Net(sk.net).tcp;
    if (
      (seqDiff(sk.rcv_nxt, sk.rcv_wup) > sk.rcv_mss &&
        (seqDiff(sk.rcv_nxt, sk.copied_seq) < sk.rcvlowat || out.__tcp_select_window(sk) >= sk.rcv_wnd)) ||
      this.tcp_in_quickack_mode(sk) ||
      (sk.ack_pending & ICSK_ACK.NOW) !== 0
    )
      return out.tcp_send_ack(sk);
    if (!ofoPossible || sk.ofo_queue.length === 0) return this.tcp_send_delayed_ack(sk);
    if (!sk.rx_opt.sack_ok || sk.compressed_ack >= sysctl.tcp_comp_sack_nr) return out.tcp_send_ack(sk);
    if (sk.compressed_ack_rcv_nxt !== sk.rcv_nxt) {
      sk.compressed_ack_rcv_nxt = sk.rcv_nxt;
      sk.dup_ack_counter = 0;
    }
    if (sk.dup_ack_counter < TCP_FASTRETRANS_THRESH) {
      sk.dup_ack_counter++;
      return out.tcp_send_ack(sk);
    }
    sk.compressed_ack++;
    let rtt = sk.rcv_rtt_us;
    if (sk.srtt_us !== 0 && sk.srtt_us < rtt) rtt = sk.srtt_us;
    timer.startCompressedAck(sk, Math.min(sysctl.tcp_comp_sack_delay_ns, (rtt * 125) / 20));
  }

  tcp_sack_compress_send_ack(sk: TcpSock): void {
    if (sk.compressed_ack === 0) return;
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAckCompressed] += sk.compressed_ack - 1;
    sk.compressed_ack = 0;
    this.kernel.tcp.out.tcp_send_ack(sk);
  }

  /** RFC 1122 §4.2.3.2: within half a second, and sooner on a fast path. */
  tcp_send_delayed_ack(sk: TcpSock): void {
    const { out, timer } = this.kernel.tcp;
    const now = this.kernel.now();
    let ato = sk.ack_ato;
    if (ato > TCP_DELACK_MIN) {
      let max = 500e6;
      if (sk.ack_pingpong >= TCP_PINGPONG_THRESH || (sk.ack_pending & ICSK_ACK.PUSHED) !== 0) max = TCP_DELACK_MAX;
      if (sk.srtt_us !== 0) max = Math.min(max, Math.max(Math.ceil((sk.srtt_us >>> 3) / 4000) * 4e6, TCP_DELACK_MIN));
      ato = Math.min(ato, max);
    }
    ato = Math.min(ato, sk.delack_max);
    let due = now + ato;
    if ((sk.ack_pending & ICSK_ACK.TIMER) !== 0) {
      if (sk.ack_timeout <= now + ato / 4) return out.tcp_send_ack(sk);
      if (due >= sk.ack_timeout) due = sk.ack_timeout;
    }
    sk.ack_pending |= ICSK_ACK.SCHED;
    timer.inet_csk_reset_delack(sk, due - now);
  }

  tcp_store_ts_recent(sk: TcpSock): void {
    sk.rx_opt.ts_recent = sk.rx_opt.rcv_tsval;
    sk.rx_opt.ts_recent_stamp = this.seconds() || 1;
  }

  tcp_replace_ts_recent(sk: TcpSock, seq: number): void {
    if (sk.rx_opt.saw_tstamp && !after(seq, sk.rcv_wup) && this.tcp_paws_check(sk.rx_opt, 0)) this.tcp_store_ts_recent(sk);
  }

  tcp_paws_check(opt: TcpOptions, window: number): boolean {
    if (((opt.ts_recent - opt.rcv_tsval) | 0) <= window) return true;
    if (this.seconds() >= opt.ts_recent_stamp + TCP_PAWS_24DAYS) return true;
    return opt.ts_recent === 0;
  }

  tcp_disordered_ack(sk: TcpSock, skb: SkBuff, th: number): boolean {
    const cb = TCP_SKB_CB(skb);
    const word = this.kernel.skb.ram.u32be(th + 12);
    return (
      (cb.tcp_flags & TCPHDR.ACK) !== 0 &&
      cb.seq === sk.rcv_nxt &&
      cb.end_seq === cb.seq &&
      cb.ack_seq === sk.snd_una &&
      !this.kernel.tcp.ack.tcp_may_update_window(sk, cb.ack_seq, cb.seq, (word & 0xffff) * 2 ** sk.rx_opt.snd_wscale) &&
      ((sk.rx_opt.ts_recent - sk.rx_opt.rcv_tsval) | 0) <= sk.rto / 1e6
    );
  }
}
