// Windows and segment sizes of a connection (Linux: net/ipv4/tcp_output.c; RFC 9293 §3.7.1, §3.8.6, RFC 7323).
import type { Kernel } from '../kernel.ts';
import { __skb_push } from '../skb_inline.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TcpOptionWriter } from './tcp_options.ts';
import { before, seqAdd, seqDiff } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { MAX_TCP_HEADER } from './tcp_states.ts';

const U16_MAX = 0xffff;
const MAX_WINDOW_CLAMP = U16_MAX * 16384;

const align = (n: number, unit: number): number => Math.ceil(n / unit) * unit;
const rounddown = (n: number, unit: number): number => n - (n % unit);

interface InitialWindow {
  rcv_wnd: number;
  window_clamp: number;
  rcv_wscale: number;
}

export class TcpWindow {
  static readonly inlined: readonly string[] = Object.freeze([
    'tcp_space',
    'tcp_full_space',
    'tcp_win_from_space',
    'tcp_receive_window',
    'tcp_wnd_end',
  ]);
  readonly options: TcpOptionWriter;

  constructor(readonly kernel: Kernel) {
    this.options = new TcpOptionWriter(kernel);
  }

  private readonly initial: InitialWindow = { rcv_wnd: 0, window_clamp: 0, rcv_wscale: 0 };

  tcp_wnd_end(sk: TcpSock): number {
    return seqAdd(sk.snd_una, sk.snd_wnd);
  }

  tcp_win_from_space(sk: TcpSock, space: number): number {
    const scale = ipv4Net(sk.net).tcp.sysctl.tcp_adv_win_scale;
    return scale <= 0 ? Math.floor(space / 2 ** -scale) : space - Math.floor(space / 2 ** scale);
  }

  tcp_space(sk: TcpSock): number {
    return this.tcp_win_from_space(sk, sk.rcvbuf - sk.rmem_alloc);
  }

  tcp_full_space(sk: TcpSock): number {
    return this.tcp_win_from_space(sk, sk.rcvbuf);
  }

  tcp_receive_window(sk: TcpSock): number {
    return Math.max(0, seqDiff(seqAdd(sk.rcv_wup, sk.rcv_wnd), sk.rcv_nxt));
  }

  /** RFC 7323 §2.2: the window and its scale that a connection begins with. The record is reused. */
  tcp_select_initial_window(sk: TcpSock, spaceIn: number, mss: number, clampIn: number, wscaleOk: boolean, initWnd: number): InitialWindow {
    const w = this.initial;
    const { rmem, sysctl } = ipv4Net(sk.net).tcp;
    let clamp = clampIn === 0 ? MAX_WINDOW_CLAMP : clampIn;
    let space = Math.min(clamp, Math.max(0, spaceIn));
    if (space > mss) space = rounddown(space, mss);
    w.rcv_wnd = Math.min(space, sysctl.tcp_workaround_signed_windows !== 0 ? 32767 : U16_MAX);
    if (initWnd !== 0) w.rcv_wnd = Math.min(w.rcv_wnd, initWnd * mss);
    w.rcv_wscale = 0;
    if (wscaleOk) {
      space = Math.min(Math.max(space, rmem[2], 212_992), clamp);
      w.rcv_wscale = Math.min(Math.max(Math.floor(Math.log2(space)) - 15, 0), 14);
    }
    clamp = Math.min(U16_MAX * 2 ** w.rcv_wscale, clamp);
    w.window_clamp = clamp;
    return w;
  }

  /** The window to announce, never less than what was promised. */
  tcp_select_window(sk: TcpSock): number {
    const { mib, tcp } = ipv4Net(sk.net);
    const oldWin = sk.rcv_wnd;
    const curWin = this.tcp_receive_window(sk);
    let newWin = this.__tcp_select_window(sk);
    if (newWin < curWin) {
      if (newWin === 0) mib.tcpExt[TCPEXT.TCPWantZeroWindowAdv]++;
      newWin = align(curWin, 2 ** sk.rx_opt.rcv_wscale);
    }
    sk.rcv_wnd = newWin;
    sk.rcv_wup = sk.rcv_nxt;
    if (sk.rx_opt.rcv_wscale === 0 && tcp.sysctl.tcp_workaround_signed_windows !== 0) newWin = Math.min(newWin, 32767);
    else newWin = Math.min(newWin, U16_MAX * 2 ** sk.rx_opt.rcv_wscale);
    newWin = Math.floor(newWin / 2 ** sk.rx_opt.rcv_wscale);
    if (newWin === 0) {
      if (oldWin !== 0) mib.tcpExt[TCPEXT.TCPToZeroWindowAdv]++;
    } else if (oldWin === 0) mib.tcpExt[TCPEXT.TCPFromZeroWindowAdv]++;
    return newWin;
  }

  /** RFC 9293 §3.8.6.2.2: what can be offered without inviting silly small segments. */
  __tcp_select_window(sk: TcpSock): number {
    let mss = sk.rcv_mss;
    let free = this.tcp_space(sk);
    const allowed = this.tcp_full_space(sk);
    const full = Math.min(sk.window_clamp, allowed);
    const scale = 2 ** sk.rx_opt.rcv_wscale;
    if (mss > full) {
      mss = full;
      if (mss <= 0) return 0;
    }
    if (free < full >> 1) {
      sk.ack_quick = 0;
      free = rounddown(Math.max(free, 0), scale);
      if (free < allowed >> 4 || free < mss) return 0;
    }
    if (free > sk.rcv_ssthresh) free = sk.rcv_ssthresh;
    if (sk.rx_opt.rcv_wscale !== 0) return align(free, scale);
    let window = sk.rcv_wnd;
    if (window <= free - mss || window > free) window = rounddown(free, mss);
    else if (mss === full && free > window + (full >> 1)) window = free;
    return window;
  }

  /** Largest payload for a path of that MTU. */
  tcp_mtu_to_mss(sk: TcpSock, pmtu: number): number {
    let mss = pmtu - (sk.wire6 ? 40 : 20) - 20;
    if (mss > sk.rx_opt.mss_clamp) mss = sk.rx_opt.mss_clamp;
    mss = Math.max(mss - sk.ext_hdr_len, ipv4Net(sk.net).tcp.sysctl.tcp_min_snd_mss);
    return mss - (this.headerLength(sk) - 20);
  }

  /** tp->tcp_header_len */
  headerLength(sk: TcpSock): number {
    return sk.rx_opt.tstamp_ok ? 32 : 20;
  }

  tcp_bound_to_half_wnd(sk: TcpSock, size: number): number {
    const cutoff = sk.max_window > 536 ? sk.max_window >>> 1 : sk.max_window;
    return cutoff !== 0 && size > cutoff ? Math.max(cutoff, 68 - this.headerLength(sk)) : size;
  }

  tcp_sync_mss(sk: TcpSock, pmtu: number): number {
    const mss = this.tcp_bound_to_half_wnd(sk, this.tcp_mtu_to_mss(sk, pmtu));
    sk.pmtu_cookie = pmtu;
    sk.mss_cache = mss;
    return mss;
  }

  /** What one segment may carry now, after the options of this moment. */
  tcp_current_mss(sk: TcpSock): number {
    let mss = sk.mss_cache;
    const mtu = this.kernel.tcp.af(sk).mtu(sk);
    if (mtu !== 0 && mtu !== sk.pmtu_cookie) mss = this.tcp_sync_mss(sk, mtu);
    const header = 20 + this.options.tcp_established_options(sk);
    const usual = this.headerLength(sk);
    return header === usual ? mss : mss - (header - usual);
  }

  /** Bytes that a packet for the device below should hold. */
  tcp_xmit_size_goal(sk: TcpSock, mss: number): number {
    const most = this.tcp_bound_to_half_wnd(sk, this.gsoMaxSize(sk));
    let goal = sk.gso_segs * mss;
    if (most < goal || most >= goal + mss) {
      sk.gso_segs = Math.max(1, Math.min(Math.floor(most / mss), 65535));
      goal = sk.gso_segs * mss;
    }
    return Math.max(goal, mss);
  }

  gsoMaxSize(sk: TcpSock): number {
    const dev = this.kernel.tcp.af(sk).dev(sk);
    return Math.min(dev?.gso_max_size ?? 65536, 65536) - (MAX_TCP_HEADER + 1);
  }

  tcp_mss_clamp(sk: TcpSock, mss: number): number {
    const { user_mss } = sk.rx_opt;
    return user_mss !== 0 && user_mss < mss ? user_mss : mss;
  }

  /** RFC 9293 §3.4: a number that the peer accepts though its window shrank. */
  tcp_acceptable_seq(sk: TcpSock): number {
    const end = this.tcp_wnd_end(sk);
    if (!before(end, sk.snd_nxt)) return sk.snd_nxt;
    if (sk.rx_opt.wscale_ok && seqDiff(sk.snd_nxt, end) < 2 ** sk.rx_opt.rcv_wscale) return sk.snd_nxt;
    return end;
  }

  /** RFC 7323 §3: milliseconds since some time of the connection's own. */
  timestamp(sk: TcpSock): number {
    return (Math.floor(sk.tcp_mstamp / 1000) + sk.tsoffset) >>> 0;
  }

  tcp_mstamp_refresh(sk: TcpSock): void {
    const now = Math.floor(this.kernel.now() / 1000);
    if (now > sk.tcp_mstamp) sk.tcp_mstamp = now;
  }
}
