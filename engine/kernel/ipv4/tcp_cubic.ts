// CUBIC with HyStart (RFC 9438; Linux: net/ipv4/tcp_cubic.c).
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { type TcpCongestionOps, tcp_cong_avoid_ai, tcp_in_slow_start, tcp_is_cwnd_limited, tcp_slow_start } from './tcp_cong.ts';
import { after } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { TCP_CA } from './tcp_states.ts';

/** β as 1024ths, C as 1/1024 s³ scaled by ten. */
const BETA = 717;
const SCALE = 1024;
const BIC_SCALE = 41;
const CUBE_RTT_SCALE = BIC_SCALE * 10;
const BETA_SCALE = Math.floor((8 * (SCALE + BETA)) / 3 / (SCALE - BETA));
const CUBE_FACTOR = 2 ** 40 / CUBE_RTT_SCALE;
const HZ = 250;
const JIFFY_NS = 4e6;
const HYSTART_LOW_WINDOW = 16;
const HYSTART_MIN_SAMPLES = 8;
const HYSTART_ACK_DELTA_US = 2000;

/** Places in `sk.ca_priv`. */
const P = {
  cnt: 0,
  last_max_cwnd: 1,
  last_cwnd: 2,
  last_time: 3,
  origin: 4,
  K: 5,
  delay_min: 6,
  epoch_start: 7,
  ack_cnt: 8,
  tcp_cwnd: 9,
  sample_cnt: 10,
  found: 11,
  round_start: 12,
  end_seq: 13,
  last_ack: 14,
  curr_rtt: 15,
} as const;

const jiffies = (ns: number): number => Math.floor(ns / JIFFY_NS);

function bictcp_reset(p: Float64Array): void {
  p.fill(0, P.cnt, P.round_start);
}

function bictcp_hystart_reset(sk: TcpSock): void {
  const p = sk.ca_priv;
  p[P.round_start] = p[P.last_ack] = sk.tcp_mstamp;
  p[P.end_seq] = sk.snd_nxt;
  p[P.curr_rtt] = 0xffffffff;
  p[P.sample_cnt] = 0;
}

/** How many ACKed segments grow the window by one: `cnt`. */
function bictcp_update(p: Float64Array, cwnd: number, acked: number, now: number): void {
  p[P.ack_cnt] += acked;
  if (p[P.last_cwnd] === cwnd && now - p[P.last_time] <= Math.floor(HZ / 32)) return;
  if (p[P.epoch_start] === 0 || now !== p[P.last_time]) {
    p[P.last_cwnd] = cwnd;
    p[P.last_time] = now;
    if (p[P.epoch_start] === 0) {
      p[P.epoch_start] = now;
      p[P.ack_cnt] = acked;
      p[P.tcp_cwnd] = cwnd;
      if (p[P.last_max_cwnd] <= cwnd) {
        p[P.K] = 0;
        p[P.origin] = cwnd;
      } else {
        p[P.K] = Math.floor(Math.cbrt(CUBE_FACTOR * (p[P.last_max_cwnd] - cwnd)));
        p[P.origin] = p[P.last_max_cwnd];
      }
    }
    const ticks = now - p[P.epoch_start] + Math.ceil(p[P.delay_min] / 4000);
    const t = Math.floor((ticks * 1024) / HZ);
    const offs = Math.abs(t - p[P.K]);
    const delta = Math.floor((CUBE_RTT_SCALE * offs * offs * offs) / 2 ** 40);
    const target = t < p[P.K] ? p[P.origin] - delta : p[P.origin] + delta;
    p[P.cnt] = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
    if (p[P.last_max_cwnd] === 0 && p[P.cnt] > 20) p[P.cnt] = 20;
  }
  // not slower than Reno would be
  const delta = (cwnd * BETA_SCALE) >> 3;
  while (p[P.ack_cnt] > delta) {
    p[P.ack_cnt] -= delta;
    p[P.tcp_cwnd]++;
  }
  if (p[P.tcp_cwnd] > cwnd) p[P.cnt] = Math.min(p[P.cnt], Math.floor(cwnd / (p[P.tcp_cwnd] - cwnd)));
  p[P.cnt] = Math.max(p[P.cnt], 2);
}

/** Leaves slow start when ACKs come in a train as long as the path, or when delay grows. */
function hystart_update(kernel: Kernel, sk: TcpSock, delay: number): void {
  const p = sk.ca_priv;
  const { tcpExt } = ipv4Net(sk.net).mib;
  if (after(sk.snd_una, p[P.end_seq])) bictcp_hystart_reset(sk);
  const now = sk.tcp_mstamp;
  if (now - p[P.last_ack] <= HYSTART_ACK_DELTA_US) {
    p[P.last_ack] = now;
    const rate = sk.pacing_rate;
    const ackDelay = rate === Infinity ? 0 : Math.min(1000, (kernel.tcp.out.gsoMaxSize(sk) * 4 * 1e6) / rate);
    let threshold = p[P.delay_min] + ackDelay;
    if (!sk.pacing_needed) threshold /= 2;
    if (now - p[P.round_start] > threshold) {
      p[P.found] = 1;
      tcpExt[TCPEXT.TCPHystartTrainDetect]++;
      tcpExt[TCPEXT.TCPHystartTrainCwnd] += sk.snd_cwnd;
      sk.snd_ssthresh = sk.snd_cwnd;
    }
  }
  p[P.curr_rtt] = Math.min(p[P.curr_rtt], delay);
  if (p[P.sample_cnt] < HYSTART_MIN_SAMPLES) p[P.sample_cnt]++;
  else if (p[P.found] === 0 && p[P.curr_rtt] > p[P.delay_min] + Math.min(Math.max(p[P.delay_min] / 8, 4000), 16000)) {
    p[P.found] = 1;
    tcpExt[TCPEXT.TCPHystartDelayDetect]++;
    tcpExt[TCPEXT.TCPHystartDelayCwnd] += sk.snd_cwnd;
    sk.snd_ssthresh = sk.snd_cwnd;
  }
}

export const TCP_CUBIC: TcpCongestionOps = ops<TcpCongestionOps>({
  name: 'cubic',
  init(_kernel, sk) {
    bictcp_reset(sk.ca_priv);
    bictcp_hystart_reset(sk);
  },
  ssthresh(sk) {
    const p = sk.ca_priv;
    const cwnd = sk.snd_cwnd;
    p[P.epoch_start] = 0;
    p[P.last_max_cwnd] = cwnd < p[P.last_max_cwnd] ? Math.floor((cwnd * (SCALE + BETA)) / (2 * SCALE)) : cwnd;
    return Math.max(Math.floor((cwnd * BETA) / SCALE), 2);
  },
  cong_avoid(kernel, sk, _ack, ackedIn) {
    let acked = ackedIn;
    if (!tcp_is_cwnd_limited(sk)) return;
    if (tcp_in_slow_start(sk)) {
      acked = tcp_slow_start(sk, acked);
      if (acked === 0) return;
    }
    bictcp_update(sk.ca_priv, sk.snd_cwnd, acked, jiffies(kernel.now()));
    tcp_cong_avoid_ai(sk, sk.ca_priv[P.cnt], acked);
  },
  undo_cwnd: (sk) => Math.max(sk.snd_cwnd, sk.prior_cwnd),
  set_state(sk, state) {
    if (state !== TCP_CA.Loss) return;
    bictcp_reset(sk.ca_priv);
    bictcp_hystart_reset(sk);
  },
  cwnd_event(sk, event, now) {
    const p = sk.ca_priv;
    if (event !== 'tx_start' || p[P.epoch_start] === 0) return;
    const delta = jiffies(now) - jiffies(sk.lsndtime);
    if (delta > 0) p[P.epoch_start] = Math.min(p[P.epoch_start] + delta, jiffies(now));
  },
  pkts_acked(kernel, sk, rttUs) {
    const p = sk.ca_priv;
    if (rttUs < 0) return;
    if (p[P.epoch_start] !== 0 && jiffies(kernel.now()) - p[P.epoch_start] < HZ) return;
    const delay = Math.max(rttUs, 1);
    if (p[P.delay_min] === 0 || p[P.delay_min] > delay) p[P.delay_min] = delay;
    if (p[P.found] === 0 && tcp_in_slow_start(sk) && sk.snd_cwnd >= HYSTART_LOW_WINDOW) hystart_update(kernel, sk, delay);
  },
});
