// TCP for its users: connect, listen, accept, send, receive, shut down, close (Linux: net/ipv4/tcp.c, inet_connection_sock.c; RFC 9293 §3.10).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import { POLL } from '../sock.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { TCPHDR, TCP_SKB_CB, after, seqDiff } from './tcp_skb.ts';
import { TcpIo } from './tcp_io.ts';
import type { TcpSock } from './tcp_sock.ts';
import { SHUTDOWN, TCP, TCPF, TCP_CA, TCP_INFINITE_SSTHRESH, TCP_TIMEOUT_INIT, TCP_TIMEWAIT_LEN } from './tcp_states.ts';

/** Where closing leads from each state, and whether a FIN goes out (RFC 9293 §3.3.2, figure 5). */
const CLOSE_STATES: Readonly<Record<number, readonly [next: number, fin: boolean]>> = Object.freeze({
  [TCP.ESTABLISHED]: [TCP.FIN_WAIT1, true],
  [TCP.SYN_SENT]: [TCP.CLOSE, false],
  [TCP.SYN_RECV]: [TCP.FIN_WAIT1, true],
  [TCP.FIN_WAIT1]: [TCP.FIN_WAIT1, false],
  [TCP.FIN_WAIT2]: [TCP.FIN_WAIT2, false],
  [TCP.CLOSE]: [TCP.CLOSE, false],
  [TCP.CLOSE_WAIT]: [TCP.LAST_ACK, true],
  [TCP.LAST_ACK]: [TCP.LAST_ACK, false],
  [TCP.LISTEN]: [TCP.CLOSE, false],
  [TCP.CLOSING]: [TCP.CLOSING, false],
});

export class TcpUser extends TcpIo {
  static override readonly inlined: readonly string[] = Object.freeze([...TcpIo.inlined, 'tcp_fin_time', 'tcp_close_state']);

  tcp_init_sock(sk: TcpSock): void {
    const { tcp } = ipv4Net(sk.net);
    sk.ca = this.kernel.tcp.cong.defaultFor(tcp.congestion_control);
    sk.rto = TCP_TIMEOUT_INIT;
    sk.mdev_us = TCP_TIMEOUT_INIT / 1000;
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH;
    sk.reordering = tcp.sysctl.tcp_reordering;
    sk.rcvbuf = tcp.rmem[1];
    sk.sndbuf = tcp.wmem[1];
    sk.app_limited = 1;
    sk.ca_state = TCP_CA.Open;
  }

  tcp_set_state(sk: TcpSock, state: number): void {
    const { mib } = ipv4Net(sk.net);
    const { hash } = this.kernel.tcp;
    const old = sk.state;
    if (state === TCP.ESTABLISHED) {
      if (old !== TCP.ESTABLISHED) mib.tcp[TCPSTATS.CurrEstab]++;
    } else {
      if (state === TCP.CLOSE) {
        if (old === TCP.CLOSE_WAIT || old === TCP.ESTABLISHED) mib.tcp[TCPSTATS.EstabResets]++;
        hash.inet_unhash(sk);
        if (!sk.portBound && sk.num !== 0) hash.inet_put_port(sk.net, sk.num, sk);
      }
      if (old === TCP.ESTABLISHED) mib.tcp[TCPSTATS.CurrEstab]--;
    }
    sk.state = state;
  }

  inet_csk_listen_start(sk: TcpSock, backlog: number): number {
    const n4 = ipv4Net(sk.net);
    const { hash } = this.kernel.tcp;
    if (sk.connected || ((1 << sk.state) & (TCPF.CLOSE | TCPF.LISTEN)) === 0) return -Errno.EINVAL;
    sk.max_ack_backlog = Math.min(backlog < 0 ? n4.tcp.somaxconn : backlog, n4.tcp.somaxconn);
    if (sk.state === TCP.LISTEN) return 0;
    if (sk.num === 0) {
      const err = hash.inet_csk_get_port(sk, 0);
      if (err < 0) return err;
    } else {
      // two listeners on one port need SO_REUSEPORT, whatever SO_REUSEADDR allowed at bind
      const other = n4.tcp.listening.get(sk.num);
      if (other !== undefined && !sk.reuseport) {
        sk.state = TCP.LISTEN;
        const clash = hash.inet_csk_bind_conflict(sk, sk.num);
        sk.state = TCP.CLOSE;
        if (clash) return -Errno.EADDRINUSE;
      }
    }
    sk.ack_pending = 0;
    sk.state = TCP.LISTEN;
    hash.inet_hash(sk);
    return 0;
  }

  /** The next connection, -EAGAIN, or -EINVAL. */
  inet_csk_accept(sk: TcpSock): TcpSock | number {
    if (sk.state !== TCP.LISTEN) return -Errno.EINVAL;
    return sk.accept_queue.shift() ?? -Errno.EAGAIN;
  }

  /** `how`: SHUTDOWN bits. */
  tcp_shutdown(sk: TcpSock, how: number): number {
    if (sk.state === TCP.CLOSE) return -Errno.ENOTCONN;
    if (sk.state === TCP.LISTEN) {
      if ((how & SHUTDOWN.RCV) !== 0) this.tcp_disconnect(sk);
      return 0;
    }
    if (sk.state === TCP.SYN_SENT) {
      this.tcp_disconnect(sk);
      return 0;
    }
    sk.shutdown |= how;
    if (
      (how & SHUTDOWN.SEND) !== 0 &&
      ((1 << sk.state) & (TCPF.ESTABLISHED | TCPF.SYN_RECV | TCPF.CLOSE_WAIT)) !== 0 &&
      this.tcp_close_state(sk)
    )
      this.kernel.tcp.out.tcp_send_fin(sk);
    this.kernel.sockets.sock_def_readable(sk);
    return 0;
  }
  tcp_close_state(sk: TcpSock): boolean {
    const [next, fin] = CLOSE_STATES[sk.state] ?? [TCP.CLOSE, false];
    this.tcp_set_state(sk, next);
    return fin;
  }

  /** The process is done with the socket; the connection may outlive it. */
  tcp_close(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    sk.shutdown = SHUTDOWN.BOTH;
    if (sk.state === TCP.LISTEN) {
      this.tcp_set_state(sk, TCP.CLOSE);
      tcp.mini.inet_csk_listen_stop(sk);
      return this.adjudge(sk);
    }
    let unread = 0;
    for (let skb = sk.receive_queue.first; skb !== undefined; skb = sk.receive_queue.first) {
      const cb = TCP_SKB_CB(skb);
      const from = after(sk.copied_seq, cb.seq) ? sk.copied_seq : cb.seq;
      unread += seqDiff(cb.end_seq, from) - ((cb.tcp_flags & TCPHDR.FIN) !== 0 ? 1 : 0);
      this.tcp_eat_recv_skb(sk);
    }
    if (sk.state === TCP.CLOSE) return this.adjudge(sk);
    if (unread > 0) {
      // RFC 2525 §2.17: unread data: the peer is told that it was not read
      mib.tcpExt[TCPEXT.TCPAbortOnClose]++;
      this.tcp_set_state(sk, TCP.CLOSE);
      tcp.out.tcp_send_active_reset(sk);
    } else if (sk.linger === 0) {
      this.tcp_disconnect(sk);
      mib.tcpExt[TCPEXT.TCPAbortOnData]++;
    } else if (this.tcp_close_state(sk)) tcp.out.tcp_send_fin(sk);
    this.adjudge(sk);
  }
  private adjudge(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const { mib } = ipv4Net(sk.net);
    sk.dead = true;
    sk.waiter = undefined;
    if (sk.state === TCP.FIN_WAIT2) {
      if (sk.linger2 < 0) {
        this.tcp_set_state(sk, TCP.CLOSE);
        tcp.out.tcp_send_active_reset(sk);
        mib.tcpExt[TCPEXT.TCPAbortOnLinger]++;
      } else {
        const left = this.tcp_fin_time(sk);
        if (left > TCP_TIMEWAIT_LEN) tcp.timer.inet_csk_reset_keepalive_timer(sk, left - TCP_TIMEWAIT_LEN);
        else return tcp.mini.tcp_time_wait(sk, TCP.FIN_WAIT2, left);
      }
    }
    if ((sk.state as number) === TCP.CLOSE) this.inet_csk_destroy_sock(sk);
  }

  tcp_fin_time(sk: TcpSock): number {
    const wanted = sk.linger2 !== 0 ? sk.linger2 * 1e9 : ipv4Net(sk.net).tcp.sysctl.tcp_fin_timeout * 1e9;
    return Math.max(wanted, sk.rto * 4 - sk.rto / 2);
  }

  /** Back to nothing; a connection that is open is reset. */
  tcp_disconnect(sk: TcpSock): void {
    const { tcp } = this.kernel;
    const old = sk.state;
    if (old !== TCP.CLOSE) this.tcp_set_state(sk, TCP.CLOSE);
    if (old === TCP.LISTEN) tcp.mini.inet_csk_listen_stop(sk);
    else if (
      ((1 << old) & (TCPF.ESTABLISHED | TCPF.CLOSE_WAIT | TCPF.FIN_WAIT1 | TCPF.FIN_WAIT2 | TCPF.SYN_RECV)) !== 0 ||
      (sk.snd_nxt !== sk.write_seq && ((1 << old) & (TCPF.CLOSING | TCPF.LAST_ACK)) !== 0)
    ) {
      tcp.out.tcp_send_active_reset(sk);
      sk.err = Errno.ECONNRESET;
    } else if (old === TCP.SYN_SENT) sk.err = Errno.ECONNRESET;
    tcp.timer.inet_csk_clear_xmit_timers(sk);
    while (sk.receive_queue.qlen > 0) this.tcp_eat_recv_skb(sk);
    this.tcp_write_queue_purge(sk);
    sk.shutdown = 0;
    sk.connected = false;
    sk.fin_received = false;
    sk.dst = undefined;
  }

  tcp_done(sk: TcpSock): void {
    const { tcp, sockets } = this.kernel;
    if (sk.state === TCP.SYN_SENT || sk.state === TCP.SYN_RECV) ipv4Net(sk.net).mib.tcp[TCPSTATS.AttemptFails]++;
    this.tcp_set_state(sk, TCP.CLOSE);
    tcp.timer.inet_csk_clear_xmit_timers(sk);
    sk.shutdown = SHUTDOWN.BOTH;
    if (!sk.dead) sockets.sock_def_readable(sk);
    else this.inet_csk_destroy_sock(sk);
  }

  inet_csk_destroy_sock(sk: TcpSock): void {
    const { tcp, skb: skbs } = this.kernel;
    if (sk.done) return;
    sk.done = true;
    tcp.timer.inet_csk_clear_xmit_timers(sk);
    this.tcp_write_queue_purge(sk);
    while (sk.receive_queue.qlen > 0) this.tcp_eat_recv_skb(sk);
    for (let skb = sk.ofo_queue.shift(); skb !== undefined; skb = sk.ofo_queue.shift()) {
      sk.rmem_alloc -= skb.truesize;
      skbs.kfree_skb(skb);
    }
    if (sk.num !== 0) tcp.hash.inet_put_port(sk.net, sk.num, sk);
    if (sk.frag.page !== 0) skbs.frags.put_page(sk.frag.page);
    sk.frag.page = 0 as Gpa;
  }

  tcp_write_queue_purge(sk: TcpSock): void {
    const { retrans, timer, rate, loss } = this.kernel.tcp;
    rate.tcp_chrono_stop(sk, 1);
    for (let skb = sk.write_queue.shift(); skb !== undefined; skb = sk.write_queue.shift()) retrans.tcp_wmem_free_skb(sk, skb);
    for (let skb = sk.rtx_queue.shift(); skb !== undefined; skb = sk.rtx_queue.shift()) retrans.tcp_wmem_free_skb(sk, skb);
    loss.tcp_clear_retrans(sk);
    sk.packets_out = 0;
    sk.backoff = 0;
    timer.inet_csk_clear_xmit_timer(sk);
  }

  /** POLL bits that hold now. */
  tcp_poll(sk: TcpSock): number {
    if (sk.state === TCP.LISTEN) return sk.accept_queue.length > 0 ? POLL.IN : 0;
    let mask = 0;
    if (sk.shutdown === SHUTDOWN.BOTH || sk.state === TCP.CLOSE) mask |= POLL.HUP;
    if ((sk.shutdown & SHUTDOWN.RCV) !== 0) mask |= POLL.IN;
    if (sk.state !== TCP.SYN_SENT && sk.state !== TCP.SYN_RECV) {
      if (seqDiff(sk.rcv_nxt, sk.copied_seq) >= sk.rcvlowat) mask |= POLL.IN;
      if ((sk.shutdown & SHUTDOWN.SEND) !== 0) mask |= POLL.OUT;
      else if (sk.sndbuf - sk.wmem_queued >= sk.wmem_queued >> 1 && this.sk_stream_memory_free(sk)) mask |= POLL.OUT;
      else sk.stream_nospace = true;
    }
    if (sk.err !== 0) mask |= POLL.ERR;
    return mask;
  }
}
