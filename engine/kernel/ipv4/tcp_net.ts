// What TCP keeps per network namespace: socket tables, sysctls (Linux: struct netns_ipv4, inet_hashinfo).
import type { TcpHashed, TcpSock, TcpTimewaitSock } from './tcp_sock.ts';

/** net.ipv4.tcp_*: numbers that the code reads, in the order of the kernel's table. */
export class TcpSysctls {
  tcp_abort_on_overflow = 0;
  tcp_adv_win_scale = 1;
  tcp_app_win = 31;
  tcp_autocorking = 1;
  tcp_backlog_ack_defer = 1;
  tcp_base_mss = 1024;
  tcp_challenge_ack_limit = 2147483647;
  tcp_comp_sack_delay_ns = 1000000;
  tcp_comp_sack_nr = 44;
  tcp_comp_sack_slack_ns = 100000;
  tcp_dsack = 1;
  tcp_early_demux = 1;
  tcp_early_retrans = 3;
  tcp_ecn = 2;
  tcp_ecn_fallback = 1;
  tcp_ehash_entries = 8192;
  tcp_fack = 0;
  tcp_fastopen = 1;
  tcp_fin_timeout = 60;
  tcp_frto = 2;
  tcp_fwmark_accept = 0;
  tcp_invalid_ratelimit = 500;
  tcp_keepalive_intvl = 75;
  tcp_keepalive_probes = 9;
  tcp_keepalive_time = 7200;
  tcp_l3mdev_accept = 0;
  tcp_limit_output_bytes = 1048576;
  tcp_low_latency = 0;
  tcp_max_orphans = 8192;
  tcp_max_reordering = 300;
  tcp_max_syn_backlog = 128;
  tcp_max_tw_buckets = 4096;
  tcp_migrate_req = 0;
  tcp_min_rtt_wlen = 300;
  tcp_min_snd_mss = 48;
  tcp_min_tso_segs = 2;
  tcp_moderate_rcvbuf = 1;
  tcp_mtu_probe_floor = 48;
  tcp_mtu_probing = 0;
  tcp_no_metrics_save = 0;
  tcp_no_ssthresh_metrics_save = 1;
  tcp_notsent_lowat = 4294967295;
  tcp_orphan_retries = 0;
  tcp_pacing_ca_ratio = 120;
  tcp_pacing_ss_ratio = 200;
  tcp_probe_interval = 600;
  tcp_probe_threshold = 8;
  tcp_recovery = 1;
  tcp_reflect_tos = 0;
  tcp_reordering = 3;
  tcp_retrans_collapse = 1;
  tcp_retries1 = 3;
  tcp_retries2 = 15;
  tcp_rfc1337 = 0;
  tcp_sack = 1;
  tcp_slow_start_after_idle = 1;
  tcp_stdurg = 0;
  tcp_syn_retries = 6;
  tcp_synack_retries = 5;
  tcp_syncookies = 1;
  tcp_thin_linear_timeouts = 0;
  tcp_timestamps = 1;
  tcp_tso_rtt_log = 9;
  tcp_tso_win_divisor = 3;
  tcp_tw_reuse = 2;
  tcp_window_scaling = 1;
  tcp_workaround_signed_windows = 0;
}
export type TcpSysctlKey = keyof TcpSysctls;
/** Not in 6.1, or made from something else. */
const NOT_SHOWN: ReadonlySet<string> = new Set(['tcp_backlog_ack_defer']);
export const TCP_SYSCTL_KEYS = (Object.keys(new TcpSysctls()) as TcpSysctlKey[]).filter((k) => !NOT_SHOWN.has(k));

export class TcpNet {
  readonly sysctl = new TcpSysctls();
  /** min, default, max; bytes. */
  rmem: [number, number, number] = [4096, 131072, 6291456];
  wmem: [number, number, number] = [4096, 16384, 4194304];
  /** Pages */
  mem: [number, number, number] = [0, 0, 0];
  somaxconn = 4096;
  congestion_control = 'cubic';
  /** Listening sockets by port. */
  readonly listening = new Map<number, TcpSock[]>();
  /** Connections, requests and TIME_WAIT by both ports (local in the upper half). */
  readonly established = new Map<number, TcpHashed[]>();
  /** Who holds a local port. */
  readonly bound = new Map<number, (TcpSock | TcpTimewaitSock)[]>();
  timewaits = 0;
  orphans = 0;
  challenge_timestamp = -1;
  challenge_count = 0;
}
