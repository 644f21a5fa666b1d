// What ss adds to a socket: timer, memory, the internals of a connection.
import type { Kernel } from '../../kernel/kernel.ts';
import { tcp_get_info, TCPI_OPT } from '../../kernel/ipv4/tcp_info.ts';
import type { TcpSock } from '../../kernel/ipv4/tcp_sock.ts';
import { TCP } from '../../kernel/ipv4/tcp_states.ts';
import type { Entry } from './sockets.ts';

/** printf's %g. */
export function g(n: number): string {
  if (n === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(n)));
  if (exponent < -5 || exponent >= 6) {
    const [m, e] = n.toExponential(5).split('e');
    const power = Number(e);
    return `${String(Number(m))}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return String(Number(n.toPrecision(6)));
}

/** '59sec', '1.520ms', '7min' */
function msTimer(ms: number): string {
  let seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  let rest = ms % 1000;
  let out = '';
  seconds %= 60;
  if (minutes > 0) {
    rest = 0;
    out += `${minutes}min`;
    if (minutes > 9) seconds = 0;
  }
  if (seconds > 0) {
    if (seconds > 9) rest = 0;
    out += `${seconds}${rest > 0 ? '.' : 'sec'}`;
  }
  if (rest > 0) out += `${String(rest).padStart(3, '0')}ms`;
  return out;
}

const TIMERS: readonly string[] = ['off', 'on', 'keepalive', 'timewait', 'persist', 'unknown'];
export function timerText(e: Entry): string {
  const { timer } = e;
  if (timer === undefined || timer.kind === 0) return '';
  // the kernel counts in jiffies of 4 ms
  return ` timer:(${TIMERS[timer.kind]},${msTimer(Math.floor(timer.left / 4e6) * 4)},${timer.count})`;
}

export function memoryText(e: Entry): string {
  const s = e.sock;
  if (s === undefined) return '';
  const queued = e.tcp?.wmem_queued ?? 0;
  return ` skmem:(r${s.rmem_alloc},rb${s.rcvbuf},t${s.wmem_alloc},tb${s.sndbuf},f0,w${queued},o0,bl0,d${s.drops})`;
}

const bps = (bytes: number): string => `${(bytes * 8).toFixed(0)}bps`;

/** The line of `ss -i`. */
export function infoText(kernel: Kernel, s: TcpSock): string {
  const i = tcp_get_info(kernel, s);
  const out: string[] = [];
  const put = (condition: boolean | number, text: string): void => {
    if (condition !== false && condition !== 0) out.push(text);
  };
  const listening = s.state === TCP.LISTEN;
  if (listening) return ` ${s.ca.name} cwnd:${i.tcpi_snd_cwnd}`;
  put(i.tcpi_options & TCPI_OPT.TIMESTAMPS, 'ts');
  put(i.tcpi_options & TCPI_OPT.SACK, 'sack');
  put(i.tcpi_options & TCPI_OPT.ECN, 'ecn');
  put(i.tcpi_options & TCPI_OPT.ECN_SEEN, 'ecnseen');
  out.push(s.ca.name);
  put(i.tcpi_options & TCPI_OPT.WSCALE, `wscale:${i.tcpi_snd_wscale},${i.tcpi_rcv_wscale}`);
  put(i.tcpi_rto !== 0 && i.tcpi_rto !== 3_000_000, `rto:${g(i.tcpi_rto / 1000)}`);
  put(i.tcpi_backoff, `backoff:${i.tcpi_backoff}`);
  put(i.tcpi_rtt, `rtt:${g(i.tcpi_rtt / 1000)}/${g(i.tcpi_rttvar / 1000)}`);
  put(i.tcpi_ato, `ato:${g(i.tcpi_ato / 1000)}`);
  put(i.tcpi_snd_mss, `mss:${i.tcpi_snd_mss}`);
  put(i.tcpi_pmtu, `pmtu:${i.tcpi_pmtu}`);
  put(i.tcpi_rcv_mss, `rcvmss:${i.tcpi_rcv_mss}`);
  put(i.tcpi_advmss, `advmss:${i.tcpi_advmss}`);
  put(i.tcpi_snd_cwnd, `cwnd:${i.tcpi_snd_cwnd}`);
  put(i.tcpi_snd_ssthresh < 0xffff, `ssthresh:${i.tcpi_snd_ssthresh}`);
  put(i.tcpi_bytes_sent, `bytes_sent:${i.tcpi_bytes_sent}`);
  put(i.tcpi_bytes_retrans, `bytes_retrans:${i.tcpi_bytes_retrans}`);
  put(i.tcpi_bytes_acked, `bytes_acked:${i.tcpi_bytes_acked}`);
  put(i.tcpi_bytes_received, `bytes_received:${i.tcpi_bytes_received}`);
  put(i.tcpi_segs_out, `segs_out:${i.tcpi_segs_out}`);
  put(i.tcpi_segs_in, `segs_in:${i.tcpi_segs_in}`);
  put(i.tcpi_data_segs_out, `data_segs_out:${i.tcpi_data_segs_out}`);
  put(i.tcpi_data_segs_in, `data_segs_in:${i.tcpi_data_segs_in}`);
  if (i.tcpi_rtt > 0 && i.tcpi_snd_mss > 0 && i.tcpi_snd_cwnd > 0)
    out.push(`send ${bps((i.tcpi_snd_cwnd * i.tcpi_snd_mss * 1e6) / i.tcpi_rtt)}`);
  put(i.tcpi_last_data_sent, `lastsnd:${i.tcpi_last_data_sent}`);
  put(i.tcpi_last_data_recv, `lastrcv:${i.tcpi_last_data_recv}`);
  put(i.tcpi_last_ack_recv, `lastack:${i.tcpi_last_ack_recv}`);
  if (i.tcpi_pacing_rate !== Infinity && i.tcpi_pacing_rate > 0)
    out.push(`pacing_rate ${bps(i.tcpi_pacing_rate)}${i.tcpi_max_pacing_rate === Infinity ? '' : `/${bps(i.tcpi_max_pacing_rate)}`}`);
  put(i.tcpi_delivery_rate, `delivery_rate ${bps(i.tcpi_delivery_rate)}`);
  put(i.tcpi_delivered, `delivered:${i.tcpi_delivered}`);
  put(i.tcpi_delivered_ce, `delivered_ce:${i.tcpi_delivered_ce}`);
  put(s.app_limited !== 0, 'app_limited');
  if (i.tcpi_busy_time > 0) {
    out.push(`busy:${Math.floor(i.tcpi_busy_time / 1000)}ms`);
    const share = (t: number): string => `${Math.floor(t / 1000)}ms(${((100 * t) / i.tcpi_busy_time).toFixed(1)}%)`;
    put(i.tcpi_rwnd_limited, `rwnd_limited:${share(i.tcpi_rwnd_limited)}`);
    put(i.tcpi_sndbuf_limited, `sndbuf_limited:${share(i.tcpi_sndbuf_limited)}`);
  }
  put(i.tcpi_unacked, `unacked:${i.tcpi_unacked}`);
  put(i.tcpi_retrans + i.tcpi_total_retrans, `retrans:${i.tcpi_retrans}/${i.tcpi_total_retrans}`);
  put(i.tcpi_lost, `lost:${i.tcpi_lost}`);
  put(i.tcpi_sacked, `sacked:${i.tcpi_sacked}`);
  put(i.tcpi_dsack_dups, `dsack_dups:${i.tcpi_dsack_dups}`);
  put(i.tcpi_reordering !== 3, `reordering:${i.tcpi_reordering}`);
  put(i.tcpi_reord_seen, `reord_seen:${i.tcpi_reord_seen}`);
  put(i.tcpi_rcv_rtt, `rcv_rtt:${g(i.tcpi_rcv_rtt / 1000)}`);
  put(i.tcpi_rcv_space, `rcv_space:${i.tcpi_rcv_space}`);
  put(i.tcpi_rcv_ssthresh, `rcv_ssthresh:${i.tcpi_rcv_ssthresh}`);
  put(i.tcpi_notsent_bytes, `notsent:${i.tcpi_notsent_bytes}`);
  put(i.tcpi_min_rtt !== 0 && i.tcpi_min_rtt !== 0xffffffff, `minrtt:${g(i.tcpi_min_rtt / 1000)}`);
  put(i.tcpi_rcv_ooopack, `rcv_ooopack:${i.tcpi_rcv_ooopack}`);
  put(i.tcpi_snd_wnd, `snd_wnd:${i.tcpi_snd_wnd}`);
  return ` ${out.join(' ')}`;
}
