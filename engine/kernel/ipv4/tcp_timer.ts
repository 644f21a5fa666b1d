// TCP's timers: retransmission, probes, delayed ACK, keepalive, and the tasklet that goes on when a queue below has drained (Linux: net/ipv4/tcp_timer.c, tcp_output.c).
import type { Instant } from '../../base/units.ts';
import type { Cpu } from '../../platform/cpu.ts';
import type { SimEvent } from '../../sim/sim.ts';
import type { Kernel } from '../kernel.ts';
import { SOFTIRQ_NAMES, type SoftirqHandler } from '../softirq.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import type { SkBuff } from '../skbuff.ts';
import { TCP_TIMER, type TcpRequestSock, type TcpSock, type TcpTasklet, type TcpTimewaitSock } from './tcp_sock.ts';
import {
  ICSK_ACK,
  ICSK_TIME,
  TCP,
  TCPF,
  TCP_ATO_MIN,
  TCP_CA,
  TCP_PINGPONG_THRESH,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
} from './tcp_states.ts';

const TASKLET_SOFTIRQ = SOFTIRQ_NAMES.indexOf('TASKLET');
const OP_HRTIMER = 100;

export class TcpTimer implements TcpTasklet, SoftirqHandler {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'inet_csk_reset_xmit_timer',
    'inet_csk_clear_xmit_timer',
    'inet_csk_reset_delack',
    'inet_csk_clear_delack',
    'tcp_reset_xmit_timer',
    'tcp_probe0_when',
    'tcp_probe0_base',
    'tcp_check_probe_timer',
    'tcp_start_pacing',
    'tcp_model_timeout',
    'tcp_timewait_expired',
  ]);
  /** Connections whose share of the queues below has room again, by CPU. */
  private readonly tsq: TcpSock[][];

  constructor(readonly kernel: Kernel) {
    this.tsq = kernel.platform.cpus.list.map(() => []);
    kernel.softirqs.open_softirq(TASKLET_SOFTIRQ, this);
  }

  onEvent(op: number, arg: unknown): void {
    switch (op) {
      case TCP_TIMER.WRITE:
        return this.tcp_write_timer(arg as TcpSock);
      case TCP_TIMER.DELACK:
        return this.tcp_delack_timer(arg as TcpSock);
      case TCP_TIMER.KEEPALIVE:
        return this.tcp_keepalive_timer(arg as TcpSock);
      case TCP_TIMER.REQSK:
        return this.reqsk_timer_handler(arg as TcpRequestSock);
      case TCP_TIMER.TIMEWAIT:
        return this.tw_timer_handler(arg as TcpTimewaitSock);
      case OP_HRTIMER:
        return this.queueTsq(arg as TcpSock);
      default:
    }
  }

  /** Continues the connection from the tasklet, on the CPU that runs now. */
  queueTsq(sk: TcpSock): void {
    if (sk.tsq_queued || sk.done) return;
    sk.tsq_queued = true;
    const { cpus } = this.kernel.platform;
    const cpu = cpus.current ?? cpus.list[sk.retransmit_timer.cpu];
    this.tsq[cpu.id].push(sk);
    this.kernel.softirqs.raiseOn(cpu, TASKLET_SOFTIRQ);
  }

  runSoftirq(_nr: number, cpu: Cpu): void {
    this.tcp_tasklet_func(cpu);
  }
  tcp_tasklet_func(cpu: Cpu): void {
    const list = this.tsq[cpu.id];
    this.tsq[cpu.id] = [];
    for (const sk of list) {
      sk.tsq_queued = false;
      this.tcp_tsq_handler(sk);
    }
  }
  tcp_tsq_handler(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (sk.compressed_ack > 1 && sk.ack_hr_due) {
      sk.ack_hr_due = false;
      sk.compressed_ack--;
      tcp.out.tcp_send_ack(sk);
    }
    sk.tsq_throttled = false;
    if (((1 << sk.state) & (TCPF.ESTABLISHED | TCPF.FIN_WAIT1 | TCPF.CLOSING | TCPF.CLOSE_WAIT | TCPF.LAST_ACK)) === 0) return;
    if (sk.lost_out > sk.retrans_out && sk.snd_cwnd > tcp.out.tcp_packets_in_flight(sk)) {
      tcp.out.tcp_mstamp_refresh(sk);
      tcp.retrans.tcp_xmit_retransmit_queue(sk);
    }
    tcp.out.tcp_write_xmit(sk, tcp.out.tcp_current_mss(sk), sk.nonagle, 0);
  }

  /** Sends on at the time that pacing allows (Linux: an hrtimer). */
  tcp_start_pacing(sk: TcpSock): void {
    if (sk.pacing_event !== undefined && sk.pacing_event.pos >= 0) return;
    const { sim } = this.kernel.platform;
    sk.pacing_event = sim.at(Math.max(Math.ceil(sk.tcp_wstamp_ns), sim.now) as Instant, this, OP_HRTIMER, sk);
  }
  /** SACKs that came together are answered together, after `delay` ns. */
  startCompressedAck(sk: TcpSock, delay: number): void {
    if (sk.ack_event !== undefined && sk.ack_event.pos >= 0) return;
    const { sim } = this.kernel.platform;
    sk.ack_hr_due = true;
    sk.ack_event = sim.at(Math.ceil(this.kernel.now() + delay) as Instant, this, OP_HRTIMER, sk);
  }
  private cancel(event: SimEvent | undefined): void {
    this.kernel.platform.sim.cancel(event);
  }

  inet_csk_reset_xmit_timer(sk: TcpSock, what: number, when: number): void {
    const delay = Math.min(when, TCP_RTO_MAX);
    sk.pending = what;
    sk.timeout = this.kernel.now() + delay;
    this.kernel.timers.mod_timer(sk.retransmit_timer, sk.timeout);
  }
  /** The same, not before what pacing holds back. */
  tcp_reset_xmit_timer(sk: TcpSock, what: number, when: number): void {
    const hold = sk.pacing_needed ? Math.max(0, sk.tcp_wstamp_ns - this.kernel.now()) : 0;
    this.inet_csk_reset_xmit_timer(sk, what, when + hold);
  }
  inet_csk_clear_xmit_timer(sk: TcpSock): void {
    sk.pending = 0;
    this.kernel.timers.del_timer(sk.retransmit_timer);
  }
  inet_csk_reset_delack(sk: TcpSock, when: number): void {
    sk.ack_pending |= ICSK_ACK.TIMER;
    sk.ack_timeout = this.kernel.now() + when;
    this.kernel.timers.mod_timer(sk.delack_timer, sk.ack_timeout);
  }
  inet_csk_clear_delack(sk: TcpSock): void {
    if (sk.ack_pending === 0) return;
    sk.ack_pending = 0;
    this.kernel.timers.del_timer(sk.delack_timer);
  }
  inet_csk_clear_xmit_timers(sk: TcpSock): void {
    const { timers } = this.kernel;
    sk.pending = sk.ack_pending = 0;
    timers.del_timer(sk.retransmit_timer);
    timers.del_timer(sk.delack_timer);
    timers.del_timer(sk.sk_timer);
    this.cancel(sk.pacing_event);
    this.cancel(sk.ack_event);
    sk.compressed_ack = 0;
  }
  inet_csk_reset_keepalive_timer(sk: TcpSock, when: number): void {
    this.kernel.timers.startIn(sk.sk_timer, when);
  }
  inet_csk_delete_keepalive_timer(sk: TcpSock): void {
    this.kernel.timers.del_timer(sk.sk_timer);
  }
  tcp_set_keepalive(sk: TcpSock, on: boolean): void {
    if (((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) !== 0) return;
    if (on && !sk.keepopen) this.inet_csk_reset_keepalive_timer(sk, this.keepalive_time_when(sk));
    else if (!on) this.inet_csk_delete_keepalive_timer(sk);
  }
  keepalive_time_when(sk: TcpSock): number {
    return (sk.keepalive_time || ipv4Net(sk.net).tcp.sysctl.tcp_keepalive_time) * 1e9;
  }
  keepalive_intvl_when(sk: TcpSock): number {
    return (sk.keepalive_intvl || ipv4Net(sk.net).tcp.sysctl.tcp_keepalive_intvl) * 1e9;
  }

  tcp_probe0_base(sk: TcpSock): number {
    return Math.max(sk.rto, TCP_RTO_MIN);
  }
  tcp_probe0_when(sk: TcpSock, max: number): number {
    const backoff = Math.min(Math.floor(Math.log2(TCP_RTO_MAX / TCP_RTO_MIN)) + 1, sk.backoff);
    return Math.min(this.tcp_probe0_base(sk) * 2 ** backoff, max);
  }
  tcp_check_probe_timer(sk: TcpSock): void {
    if (sk.packets_out === 0 && sk.pending === 0) this.tcp_reset_xmit_timer(sk, ICSK_TIME.PROBE0, this.tcp_probe0_base(sk));
  }

  tcp_write_err(sk: TcpSock): void {
    const { tcp } = this.kernel;
    sk.err = sk.err_soft !== 0 ? sk.err_soft : 110;
    this.kernel.sockets.sk_error_report(sk);
    tcp.user.tcp_write_queue_purge(sk);
    tcp.user.tcp_done(sk);
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAbortOnTimeout]++;
  }

  tcp_write_timer(sk: TcpSock): void {
    this.tcp_write_timer_handler(sk);
  }
  tcp_write_timer_handler(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) !== 0 || sk.pending === 0) return;
    tcp.out.tcp_mstamp_refresh(sk);
    switch (sk.pending) {
      case ICSK_TIME.REO_TIMEOUT:
        return tcp.rack.tcp_rack_reo_timeout(sk);
      case ICSK_TIME.LOSS_PROBE:
        return tcp.retrans.tcp_send_loss_probe(sk);
      case ICSK_TIME.RETRANS:
        sk.pending = 0;
        return this.tcp_retransmit_timer(sk);
      case ICSK_TIME.PROBE0:
        sk.pending = 0;
        return this.tcp_probe_timer(sk);
      default:
    }
  }

  /** RFC 6298 §5: the oldest goes again, and the time doubles. */
  tcp_retransmit_timer(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { mib, tcp: tn } = ipv4Net(sk.net);
    const head = sk.rtx_queue.first;
    if (sk.packets_out === 0 || head === undefined) return;
    sk.tlp_high_seq = 0;
    if (sk.snd_wnd === 0 && !sk.dead && ((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) === 0) {
      // the peer took its window back
      if (this.kernel.now() - sk.rcv_tstamp > TCP_RTO_MAX) return this.tcp_write_err(sk);
      tcp.loss.tcp_enter_loss(sk);
      tcp.retrans.tcp_retransmit_skb(sk, head, 1);
      sk.dst = undefined;
      return this.rearm(sk);
    }
    mib.tcpExt[TCPEXT.TCPTimeouts]++;
    if (this.tcp_write_timeout(sk)) return;
    if (sk.retransmits === 0) {
      const sack = sk.rx_opt.sack_ok;
      if (sk.ca_state === TCP_CA.Recovery) mib.tcpExt[sack ? TCPEXT.TCPSackRecoveryFail : TCPEXT.TCPRenoRecoveryFail]++;
      else if (sk.ca_state === TCP_CA.Loss) mib.tcpExt[TCPEXT.TCPLossFailures]++;
      else if (sk.ca_state === TCP_CA.Disorder || sk.sacked_out !== 0) mib.tcpExt[sack ? TCPEXT.TCPSackFailures : TCPEXT.TCPRenoFailures]++;
    }
    tcp.loss.tcp_enter_loss(sk);
    sk.retransmits++;
    tcp.retrans.tcp_retransmit_skb(sk, sk.rtx_queue.first as SkBuff, 1);
    sk.backoff++;
    this.rearm(sk);
    if (this.retransmits_timed_out(sk, tn.sysctl.tcp_retries1 + 1, 0)) sk.dst = undefined;
  }

  private rearm(sk: TcpSock): void {
    const thin = sk.packets_out < 4 && sk.snd_cwnd > 10;
    if (sk.state === TCP.ESTABLISHED && thin && ipv4Net(sk.net).tcp.sysctl.tcp_thin_linear_timeouts !== 0 && sk.retransmits <= 6) {
      sk.backoff = 0;
      sk.rto = Math.min(this.kernel.tcp.rtt.__tcp_set_rto(sk), TCP_RTO_MAX);
    } else sk.rto = Math.min(sk.rto * 2, TCP_RTO_MAX);
    this.inet_csk_reset_xmit_timer(sk, ICSK_TIME.RETRANS, this.tcp_clamp_rto_to_user_timeout(sk));
  }

  tcp_clamp_rto_to_user_timeout(sk: TcpSock): number {
    if (sk.user_timeout === 0 || sk.retrans_stamp === 0) return sk.rto;
    const elapsed = ((this.kernel.tcp.out.timestamp(sk) - sk.retrans_stamp) >>> 0) * 1e6;
    const remaining = sk.user_timeout * 1e6 - elapsed;
    return remaining <= 0 ? 4e6 : Math.min(sk.rto, remaining);
  }
  tcp_clamp_probe0_to_user_timeout(sk: TcpSock, when: number): number {
    if (sk.user_timeout === 0 || sk.probes_tstamp === 0) return when;
    const remaining = sk.user_timeout * 1e6 - (this.kernel.now() - sk.probes_tstamp);
    return Math.min(Math.max(remaining, 8e6), when);
  }

  tcp_model_timeout(boundary: number, base: number): number {
    const linear = Math.floor(Math.log2(TCP_RTO_MAX / base));
    if (boundary <= linear) return (2 ** (boundary + 1) - 1) * base;
    return (2 ** (linear + 1) - 1) * base + (boundary - linear) * TCP_RTO_MAX;
  }
  retransmits_timed_out(sk: TcpSock, boundary: number, timeoutMs: number): boolean {
    if (sk.retransmits === 0 || sk.retrans_stamp === 0) return false;
    let timeout = timeoutMs;
    if (timeout === 0) {
      const syn = ((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) !== 0;
      timeout = this.tcp_model_timeout(boundary, syn ? TCP_TIMEOUT_INIT : TCP_RTO_MIN) / 1e6;
    }
    return (this.kernel.tcp.out.timestamp(sk) - sk.retrans_stamp) >>> 0 >= timeout;
  }
  tcp_orphan_retries(sk: TcpSock, alive: boolean): number {
    const retries = ipv4Net(sk.net).tcp.sysctl.tcp_orphan_retries;
    if (sk.err_soft !== 0 && !alive) return 0;
    return retries === 0 && alive ? 8 : retries;
  }

  /** True when the connection has been given up. */
  tcp_write_timeout(sk: TcpSock): boolean {
    const { mib, tcp } = ipv4Net(sk.net);
    const { sysctl } = tcp;
    let expired = false;
    let retryUntil: number;
    if (((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) !== 0) {
      if (sk.retransmits !== 0) sk.dst = undefined;
      retryUntil = sk.syn_retries || sysctl.tcp_syn_retries;
      expired = sk.retransmits >= retryUntil;
    } else {
      if (this.retransmits_timed_out(sk, sysctl.tcp_retries1, 0)) sk.dst = undefined;
      retryUntil = sysctl.tcp_retries2;
      if (sk.dead) {
        const alive = sk.rto < TCP_RTO_MAX;
        retryUntil = this.tcp_orphan_retries(sk, alive);
      }
    }
    if (!expired) expired = this.retransmits_timed_out(sk, retryUntil, sk.user_timeout);
    if (expired) {
      this.tcp_write_err(sk);
      return true;
    }
    mib.tcpExt[TCPEXT.TcpTimeoutRehash]++;
    return false;
  }

  tcp_probe_timer(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (sk.packets_out !== 0 || tcp.out.tcp_send_head(sk) === undefined) {
      sk.probes_out = 0;
      sk.probes_tstamp = 0;
      return;
    }
    if (sk.probes_tstamp === 0) sk.probes_tstamp = this.kernel.now();
    else if (sk.user_timeout !== 0 && this.kernel.now() - sk.probes_tstamp >= sk.user_timeout * 1e6) return this.tcp_write_err(sk);
    let max = ipv4Net(sk.net).tcp.sysctl.tcp_retries2;
    if (sk.dead) {
      const alive = sk.rto * 2 ** sk.backoff < TCP_RTO_MAX;
      max = this.tcp_orphan_retries(sk, alive);
      if (!alive && sk.backoff >= max) return this.tcp_write_err(sk);
    }
    if (sk.probes_out >= max) this.tcp_write_err(sk);
    else tcp.retrans.tcp_send_probe0(sk);
  }

  tcp_delack_timer(sk: TcpSock): void {
    this.tcp_delack_timer_handler(sk);
  }
  /** RFC 1122 §4.2.3.2: the answer that waited for company. */
  tcp_delack_timer_handler(sk: TcpSock): void {
    const { tcp } = this.kernel;
    if (((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) !== 0) return;
    if (sk.compressed_ack > 0) {
      tcp.out.tcp_mstamp_refresh(sk);
      tcp.input.tcp_sack_compress_send_ack(sk);
      return;
    }
    if ((sk.ack_pending & ICSK_ACK.TIMER) === 0) return;
    sk.ack_pending &= ~ICSK_ACK.TIMER;
    if ((sk.ack_pending & ICSK_ACK.SCHED) === 0) return;
    if (sk.ack_pingpong < TCP_PINGPONG_THRESH) sk.ack_ato = Math.min(sk.ack_ato * 2, sk.rto);
    else {
      sk.ack_pingpong = 0;
      sk.ack_ato = TCP_ATO_MIN;
    }
    tcp.out.tcp_mstamp_refresh(sk);
    tcp.out.tcp_send_ack(sk);
    ipv4Net(sk.net).mib.tcpExt[TCPEXT.DelayedACKs]++;
  }

  tcp_keepalive_timer(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { sysctl } = ipv4Net(sk.net).tcp;
    if (sk.state === TCP.LISTEN) return;
    tcp.out.tcp_mstamp_refresh(sk);
    if (sk.state === TCP.FIN_WAIT2 && sk.dead) {
      const left = tcp.user.tcp_fin_time(sk) - TCP_TIMEWAIT_LEN;
      if (sk.linger2 >= 0 && left > 0) return tcp.mini.tcp_time_wait(sk, TCP.FIN_WAIT2, left);
      tcp.out.tcp_send_active_reset(sk);
      return tcp.user.tcp_done(sk);
    }
    if (!sk.keepopen || ((1 << sk.state) & (TCPF.CLOSE | TCPF.SYN_SENT)) !== 0) return;
    let elapsed = this.keepalive_time_when(sk);
    if (sk.packets_out === 0 && sk.write_queue.qlen === 0) {
      const idle = Math.min(this.kernel.now() - sk.lrcvtime, this.kernel.now() - sk.rcv_tstamp);
      const when = elapsed;
      if (idle < when) elapsed = when - idle;
      else {
        const spent =
          sk.user_timeout !== 0
            ? idle >= sk.user_timeout * 1e6 && sk.probes_out > 0
            : sk.probes_out >= (sk.keepalive_probes || sysctl.tcp_keepalive_probes);
        if (spent) {
          tcp.out.tcp_send_active_reset(sk);
          return this.tcp_write_err(sk);
        }
        if (tcp.retrans.tcp_write_wakeup(sk, TCPEXT.TCPKeepAlive) <= 0) {
          sk.probes_out++;
          elapsed = this.keepalive_intvl_when(sk);
        } else elapsed = TCP_RESOURCE_PROBE_INTERVAL;
      }
    }
    this.inet_csk_reset_keepalive_timer(sk, elapsed);
  }

  /** The third part of a handshake has not come: our answer again, or the end. */
  reqsk_timer_handler(req: TcpRequestSock): void {
    const { tcp } = this.kernel;
    const { sysctl } = ipv4Net(req.net).tcp;
    const { listener } = req;
    if (req.dead) return;
    const most = listener.syn_retries || sysctl.tcp_synack_retries;
    const expire = req.num_timeout >= most && (listener.defer_accept === 0 || !req.acked || req.num_timeout >= listener.defer_accept);
    const resend = listener.defer_accept === 0 || !req.acked || req.num_timeout >= listener.defer_accept - 1;
    if (listener.state === TCP.LISTEN && !expire) {
      if (resend) tcp.mini.inet_rtx_syn_ack(req);
      req.num_timeout++;
      this.kernel.timers.startIn(req.timer, Math.min(req.timeout * 2 ** req.num_timeout, TCP_RTO_MAX));
      return;
    }
    tcp.mini.inet_csk_reqsk_queue_drop(req);
  }

  tw_timer_handler(tw: TcpTimewaitSock): void {
    if (tw.dead) return;
    ipv4Net(tw.net).mib.tcpExt[TCPEXT.TW]++;
    this.kernel.tcp.mini.inet_twsk_kill(tw);
  }
}
