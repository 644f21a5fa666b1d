// TCP's socket options, and the general ones that mean something of its own to it (Linux: do_tcp_setsockopt(), sk_setsockopt()).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { SK_MEM_MAX, type SockOpt } from '../sock.ts';
import { ipv4Net } from './ipv4_net.ts';
import type { TcpSock } from './tcp_sock.ts';
import { TCP, TCPF, TCP_MIN_MSS, TCP_NAGLE, TCP_PINGPONG_THRESH } from './tcp_states.ts';

const MAX_TCP_KEEPIDLE = 32767;

export class TcpSockopt {
  constructor(readonly kernel: Kernel) {}

  /** 0 or -errno; 1: none of TCP's business. */
  setSocketOption(sk: TcpSock, option: SockOpt, n: number): number {
    const { tcp } = this.kernel;
    switch (option) {
      case 'SO_KEEPALIVE':
        tcp.timer.tcp_set_keepalive(sk, n !== 0);
        sk.keepopen = n !== 0;
        return 0;
      case 'SO_LINGER':
        sk.linger = n;
        return 0;
      case 'SO_RCVLOWAT':
        sk.rcvlowat = n || 1;
        return 0;
      case 'SO_MAX_PACING_RATE':
        sk.max_pacing_rate = n < 0 || n >= 0xffffffff ? Infinity : n;
        if (sk.max_pacing_rate !== Infinity) sk.pacing_needed = true;
        sk.pacing_rate = Math.min(sk.pacing_rate, sk.max_pacing_rate);
        return 0;
      case 'SO_RCVBUF':
        sk.userlocks_rcvbuf = true;
        sk.rcvbuf = Math.max(Math.min(n, SK_MEM_MAX) * 2, 2304);
        return 0;
      case 'SO_SNDBUF':
        sk.userlocks_sndbuf = true;
        sk.sndbuf = Math.max(Math.min(n, SK_MEM_MAX) * 2, 4608);
        tcp.user.sk_stream_write_space(sk);
        return 0;
      default:
        return 1;
    }
  }

  do_tcp_setsockopt(sk: TcpSock, option: SockOpt, value: number | string | Uint8Array): number {
    const { tcp } = this.kernel;
    if (option === 'TCP_CONGESTION') return tcp.cong.tcp_set_congestion_control(sk, String(value));
    const n = Number(value);
    switch (option) {
      case 'TCP_NODELAY':
        if (n !== 0) {
          sk.nonagle |= TCP_NAGLE.OFF | TCP_NAGLE.PUSH;
          tcp.out.tcp_push_pending_frames(sk);
        } else sk.nonagle &= ~TCP_NAGLE.OFF;
        return 0;
      case 'TCP_CORK':
        if (n !== 0) sk.nonagle |= TCP_NAGLE.CORK;
        else {
          sk.nonagle &= ~TCP_NAGLE.CORK;
          if ((sk.nonagle & TCP_NAGLE.OFF) !== 0) sk.nonagle |= TCP_NAGLE.PUSH;
          tcp.out.tcp_push_pending_frames(sk);
        }
        return 0;
      case 'TCP_MAXSEG':
        if (n !== 0 && (n < TCP_MIN_MSS || n > 32767)) return -Errno.EINVAL;
        sk.rx_opt.user_mss = n;
        return 0;
      case 'TCP_KEEPIDLE':
        if (n < 1 || n > MAX_TCP_KEEPIDLE) return -Errno.EINVAL;
        sk.keepalive_time = n;
        if (sk.keepopen && ((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) === 0) tcp.timer.inet_csk_reset_keepalive_timer(sk, n * 1e9);
        return 0;
      case 'TCP_KEEPINTVL':
        if (n < 1 || n > 32767) return -Errno.EINVAL;
        sk.keepalive_intvl = n;
        return 0;
      case 'TCP_KEEPCNT':
        if (n < 1 || n > 127) return -Errno.EINVAL;
        sk.keepalive_probes = n;
        return 0;
      case 'TCP_SYNCNT':
        if (n < 1 || n > 127) return -Errno.EINVAL;
        sk.syn_retries = n;
        return 0;
      case 'TCP_LINGER2':
        sk.linger2 = n < 0 ? -1 : n > 120 ? 120 : n;
        return 0;
      case 'TCP_DEFER_ACCEPT':
        sk.defer_accept = secondsToRetrans(n);
        return 0;
      case 'TCP_WINDOW_CLAMP':
        if (n === 0) {
          if (sk.state !== TCP.CLOSE) return -Errno.EINVAL;
          sk.window_clamp = 0;
        } else {
          sk.window_clamp = Math.max(n, 1152);
          sk.rcv_ssthresh = Math.min(sk.rcv_wnd, sk.window_clamp);
        }
        return 0;
      case 'TCP_QUICKACK':
        if (n === 0) sk.ack_pingpong = TCP_PINGPONG_THRESH;
        else {
          sk.ack_pingpong = 0;
          if (((1 << sk.state) & (TCPF.ESTABLISHED | TCPF.CLOSE_WAIT)) !== 0 && (sk.ack_pending & 1) !== 0) {
            sk.ack_pending |= 4;
            tcp.user.tcp_cleanup_rbuf(sk, 1);
            if ((n & 1) === 0) sk.ack_pingpong = TCP_PINGPONG_THRESH;
          }
        }
        return 0;
      case 'TCP_USER_TIMEOUT':
        if (n < 0) return -Errno.EINVAL;
        sk.user_timeout = n;
        return 0;
      case 'TCP_NOTSENT_LOWAT':
        sk.notsent_lowat = n >>> 0;
        tcp.user.sk_stream_write_space(sk);
        return 0;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }

  getOption(sk: TcpSock, option: SockOpt): number {
    const { sysctl } = ipv4Net(sk.net).tcp;
    switch (option) {
      case 'SO_KEEPALIVE':
        return sk.keepopen ? 1 : 0;
      case 'SO_LINGER':
        return sk.linger;
      case 'SO_RCVLOWAT':
        return sk.rcvlowat;
      case 'TCP_NODELAY':
        return (sk.nonagle & TCP_NAGLE.OFF) !== 0 ? 1 : 0;
      case 'TCP_CORK':
        return (sk.nonagle & TCP_NAGLE.CORK) !== 0 ? 1 : 0;
      case 'TCP_MAXSEG': {
        if (((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) !== 0 && sk.rx_opt.user_mss !== 0) return sk.rx_opt.user_mss;
        return sk.mss_cache;
      }
      case 'TCP_KEEPIDLE':
        return sk.keepalive_time || sysctl.tcp_keepalive_time;
      case 'TCP_KEEPINTVL':
        return sk.keepalive_intvl || sysctl.tcp_keepalive_intvl;
      case 'TCP_KEEPCNT':
        return sk.keepalive_probes || sysctl.tcp_keepalive_probes;
      case 'TCP_SYNCNT':
        return sk.syn_retries || sysctl.tcp_syn_retries;
      case 'TCP_LINGER2':
        return sk.linger2 >= 0 ? sk.linger2 || sysctl.tcp_fin_timeout : sk.linger2;
      case 'TCP_WINDOW_CLAMP':
        return sk.window_clamp;
      case 'TCP_QUICKACK':
        return sk.ack_pingpong < TCP_PINGPONG_THRESH ? 1 : 0;
      case 'TCP_USER_TIMEOUT':
        return sk.user_timeout;
      case 'TCP_NOTSENT_LOWAT':
        return sk.notsent_lowat;
      default:
        return -Errno.ENOPROTOOPT;
    }
  }
}

/** A time in seconds as a number of SYN-ACKs (Linux: secs_to_retrans()). */
function secondsToRetrans(seconds: number): number {
  let retrans = 0;
  if (seconds > 0) {
    retrans = 1;
    for (let period = 1, timeout = 1; seconds > period && retrans < 255;) {
      retrans++;
      timeout = Math.min(timeout * 2, 120);
      period += timeout;
    }
  }
  return retrans;
}
