// Sending into and reading from a stream (Linux: net/ipv4/tcp.c, tcp_sendmsg(), tcp_recvmsg()).
import { Errno } from '../../base/errno.ts';
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../kernel.ts';
import { MSG, type Message } from '../sock.ts';
import { MAX_SKB_FRAGS, type SkBuff } from '../skbuff.ts';
import { v4bytes } from './arp.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPHDR, TCP_SKB_CB, after, seqAdd, seqDiff } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { ICSK_ACK, SHUTDOWN, TCP, TCPF, TCP_NAGLE, TCP_PINGPONG_THRESH } from './tcp_states.ts';

export class TcpIo {
  static readonly inlined: readonly string[] = Object.freeze([
    'sk_stream_memory_free',
    'tcp_mark_push',
    'forced_push',
    'tcp_should_autocork',
  ]);
  constructor(readonly kernel: Kernel) {}

  sk_stream_memory_free(sk: TcpSock): boolean {
    if (sk.wmem_queued >= sk.sndbuf) return false;
    const lowat = sk.notsent_lowat || ipv4Net(sk.net).tcp.sysctl.tcp_notsent_lowat;
    return lowat === 4294967295 || seqDiff(sk.write_seq, sk.snd_nxt) < lowat;
  }

  sk_stream_write_space(sk: TcpSock): void {
    // a third of the buffer must be free before a writer is woken
    if (!sk.stream_nospace || sk.sndbuf - sk.wmem_queued < sk.wmem_queued >> 1 || !this.sk_stream_memory_free(sk)) return;
    sk.stream_nospace = false;
    this.kernel.sockets.sock_def_readable(sk);
  }

  /** Bytes taken over, -EAGAIN when there is no room, or another -errno. */
  tcp_sendmsg(sk: TcpSock, data: Uint8Array, flags: number): number {
    const { tcp, skb: skbs } = this.kernel;
    const { out } = tcp;
    tcp.rate.tcp_rate_check_app_limited(sk);
    if (((1 << sk.state) & (TCPF.SYN_SENT | TCPF.SYN_RECV)) !== 0) return -Errno.EAGAIN;
    if (((1 << sk.state) & (TCPF.ESTABLISHED | TCPF.CLOSE_WAIT)) === 0 || sk.err !== 0 || (sk.shutdown & SHUTDOWN.SEND) !== 0)
      return this.sendError(sk);
    const mss = out.tcp_current_mss(sk);
    const goal = out.tcp_xmit_size_goal(sk, mss);
    let copied = 0;
    while (copied < data.length) {
      let skb = sk.write_queue.last;
      let room = skb === undefined || TCP_SKB_CB(skb).eor ? 0 : goal - skb.len;
      if (skb === undefined || room <= 0) {
        skb = this.newSegment(sk);
        if (skb === undefined) break;
        room = goal;
      }
      const n = Math.min(room, data.length - copied);
      const took = this.fill(sk, skb, data, copied, n);
      if (took === 0) {
        // no slot left in this packet, or no page at all
        if (skbs.nr_frags(skb) >= MAX_SKB_FRAGS) {
          this.tcp_mark_push(sk, skb);
          if (this.newSegment(sk) !== undefined) continue;
        }
        if (skb.len === 0) this.tcp_remove_empty_skb(sk);
        sk.stream_nospace = true;
        break;
      }
      copied += took;
      if (copied >= data.length || skb.len < goal) continue;
      if (this.forced_push(sk)) {
        this.tcp_mark_push(sk, skb);
        out.__tcp_push_pending_frames(sk, mss, TCP_NAGLE.PUSH);
      } else if (skb === out.tcp_send_head(sk)) out.tcp_push_one(sk, mss);
    }
    this.kernel.charge(((copied + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    if (copied > 0) {
      const tail = sk.write_queue.last;
      if ((flags & MSG.EOR) !== 0 && copied === data.length && tail !== undefined) TCP_SKB_CB(tail).eor = true;
      const nagle = copied < data.length ? TCP_NAGLE.PUSH : sk.nonagle;
      this.tcp_push(sk, copied < data.length ? flags & ~MSG.MORE : flags, mss, nagle, goal);
      return copied;
    }
    return data.length === 0 ? 0 : -Errno.EAGAIN;
  }

  private sendError(sk: TcpSock): number {
    const { err } = sk;
    sk.err = 0;
    return err !== 0 ? -err : -Errno.EPIPE;
  }

  /** An empty packet at the tail of the queue; undefined when the buffer is full. */
  private newSegment(sk: TcpSock): SkBuff | undefined {
    const { out } = this.kernel.tcp;
    const skb = this.sk_stream_memory_free(sk) ? out.tcp_stream_alloc_skb() : undefined;
    if (skb === undefined) {
      sk.stream_nospace = true;
      return undefined;
    }
    this.tcp_skb_entail(sk, skb);
    return skb;
  }

  tcp_skb_entail(sk: TcpSock, skb: SkBuff): void {
    const cb = TCP_SKB_CB(skb);
    cb.seq = cb.end_seq = sk.write_seq;
    cb.tcp_flags = TCPHDR.ACK;
    cb.gso_segs = 0;
    sk.write_queue.push(skb);
    sk.wmem_queued += skb.truesize;
    this.kernel.tcp.cong.tcp_slow_start_after_idle_check(sk);
    if ((sk.nonagle & TCP_NAGLE.PUSH) !== 0) sk.nonagle &= ~TCP_NAGLE.PUSH;
  }

  /** Copies into page fragments behind what the packet has; bytes taken. */
  private fill(sk: TcpSock, skb: SkBuff, data: Uint8Array, from: number, wanted: number): number {
    const { skb: skbs } = this.kernel;
    const { frag } = sk;
    let total = 0;
    while (total < wanted) {
      if (!skbs.frags.skb_page_frag_refill(32, frag)) break;
      const n = Math.min(frag.size - frag.offset, wanted - total);
      const at = (frag.page + frag.offset) as Gpa;
      skbs.frags.get_page(frag.page);
      if (!skbs.skb_append_frag(skb, at, n)) {
        skbs.frags.put_page(frag.page);
        break;
      }
      skbs.ram.write(at, data, from + total, n);
      frag.offset += n;
      total += n;
    }
    if (total === 0) return 0;
    const cb = TCP_SKB_CB(skb);
    skb.truesize += total;
    sk.wmem_queued += total;
    sk.write_seq = seqAdd(sk.write_seq, total);
    cb.end_seq = seqAdd(cb.end_seq, total);
    cb.tcp_flags &= ~TCPHDR.PSH;
    cb.gso_segs = 0;
    return total;
  }

  tcp_remove_empty_skb(sk: TcpSock): void {
    const tail = sk.write_queue.last;
    if (tail === undefined || TCP_SKB_CB(tail).seq !== TCP_SKB_CB(tail).end_seq) return;
    const keep: SkBuff[] = [];
    for (let skb = sk.write_queue.shift(); skb !== undefined; skb = sk.write_queue.shift()) if (skb !== tail) keep.push(skb);
    for (const skb of keep) sk.write_queue.push(skb);
    this.kernel.tcp.retrans.tcp_wmem_free_skb(sk, tail);
  }

  tcp_mark_push(sk: TcpSock, skb: SkBuff): void {
    TCP_SKB_CB(skb).tcp_flags |= TCPHDR.PSH;
    sk.pushed_seq = sk.write_seq;
  }

  forced_push(sk: TcpSock): boolean {
    return after(sk.write_seq, seqAdd(sk.pushed_seq, sk.max_window >>> 1));
  }

  tcp_should_autocork(sk: TcpSock, skb: SkBuff, goal: number): boolean {
    return (
      skb.len < goal &&
      ipv4Net(sk.net).tcp.sysctl.tcp_autocorking !== 0 &&
      sk.rtx_queue.length > 0 &&
      sk.wmem_alloc > skb.truesize &&
      !TCP_SKB_CB(skb).eor
    );
  }

  tcp_push(sk: TcpSock, flags: number, mss: number, nonagleIn: number, goal: number): void {
    const skb = sk.write_queue.last;
    if (skb === undefined) return;
    let nonagle = nonagleIn;
    const more = (flags & MSG.MORE) !== 0;
    if (!more || this.forced_push(sk)) this.tcp_mark_push(sk, skb);
    if (this.tcp_should_autocork(sk, skb, goal)) {
      if (!sk.tsq_throttled) {
        ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAutoCorking]++;
        sk.tsq_throttled = true;
      }
      return;
    }
    if (more) nonagle = TCP_NAGLE.CORK;
    this.kernel.tcp.out.__tcp_push_pending_frames(sk, mss, nonagle);
  }

  /** Up to `size` bytes of the stream; empty data is its end. -EAGAIN when there is nothing yet, or the pending error. */
  tcp_recvmsg(sk: TcpSock, size: number, flags: number): Message | number {
    const { skb: skbs } = this.kernel;
    if (sk.state === TCP.LISTEN) return -Errno.ENOTCONN;
    const peek = (flags & MSG.PEEK) !== 0;
    let seq = sk.copied_seq;
    const ready = Math.min(size, Math.max(0, seqDiff(sk.rcv_nxt, seq)));
    const data = new Uint8Array(ready);
    let copied = 0;
    let fin = false;
    let tstamp = 0;
    for (let i = 0; copied < size;) {
      const skb = sk.receive_queue.at(i);
      if (skb === undefined) break;
      const cb = TCP_SKB_CB(skb);
      const offset = seqDiff(seq, cb.seq) - ((cb.tcp_flags & TCPHDR.SYN) !== 0 ? 1 : 0);
      if (offset < skb.len) {
        const n = Math.min(skb.len - offset, size - copied);
        skbs.copyToArray(skb, offset, data, copied, n);
        copied += n;
        seq = seqAdd(seq, n);
        tstamp = skb.tstamp;
        if (offset + n < skb.len) break;
      }
      if ((cb.tcp_flags & TCPHDR.FIN) !== 0) {
        fin = true;
        if (!peek) seq = seqAdd(seq, 1);
      }
      if (peek) i++;
      else this.tcp_eat_recv_skb(sk);
      if (fin) break;
    }
    if (!peek) sk.copied_seq = seq;
    if (copied === 0 && !fin) {
      if (size === 0) return this.message(sk, data.subarray(0, 0), 0);
      const end = this.endOf(sk);
      if (end !== 0) return end < 0 ? end : this.message(sk, data.subarray(0, 0), 0);
      this.tcp_cleanup_rbuf(sk, 0);
      return -Errno.EAGAIN;
    }
    this.kernel.charge(((copied + 15) >> 4) * this.kernel.platform.costs.copy_per_16_bytes);
    if (!peek) {
      this.kernel.tcp.rcv.tcp_rcv_space_adjust(sk);
      this.tcp_cleanup_rbuf(sk, copied);
    }
    return this.message(sk, copied === data.length ? data : data.subarray(0, copied), tstamp);
  }

  /** 1: the stream has ended; -errno: it broke; 0: more may come. */
  private endOf(sk: TcpSock): number {
    if (sk.fin_received) return 1;
    if (sk.err !== 0) {
      const { err } = sk;
      sk.err = 0;
      return -err;
    }
    if ((sk.shutdown & SHUTDOWN.RCV) !== 0) return 1;
    return sk.state === TCP.CLOSE ? -Errno.ENOTCONN : 0;
  }

  private message(sk: TcpSock, data: Uint8Array, tstamp: number): Message {
    return {
      data,
      length: data.length,
      from: sk.family === 2 ? { family: 2, addr: v4bytes(sk.daddr), port: sk.dport } : undefined,
      flags: 0,
      tstamp,
      ifindex: 0,
      ttl: 0,
      tos: 0,
      options: undefined,
      daddr: undefined,
      err: undefined,
    };
  }

  tcp_eat_recv_skb(sk: TcpSock): void {
    const skb = sk.receive_queue.shift();
    if (skb === undefined) return;
    sk.rmem_alloc -= skb.truesize;
    this.kernel.skb.consume_skb(skb);
  }

  /** The reader made room: tell the peer when that is news. */
  tcp_cleanup_rbuf(sk: TcpSock, copied: number): void {
    const { out } = this.kernel.tcp;
    let ack = false;
    if ((sk.ack_pending & ICSK_ACK.SCHED) !== 0) {
      const pushed =
        (sk.ack_pending & ICSK_ACK.PUSHED2) !== 0 || ((sk.ack_pending & ICSK_ACK.PUSHED) !== 0 && sk.ack_pingpong < TCP_PINGPONG_THRESH);
      ack = seqDiff(sk.rcv_nxt, sk.rcv_wup) > sk.rcv_mss || (copied > 0 && pushed && sk.rmem_alloc === 0);
    }
    if (copied > 0 && !ack && (sk.shutdown & SHUTDOWN.RCV) === 0) {
      const now = out.tcp_receive_window(sk);
      if (2 * now <= sk.window_clamp) {
        const next = out.__tcp_select_window(sk);
        ack = next !== 0 && next >= 2 * now;
      }
    }
    if (ack) out.tcp_send_ack(sk);
  }
}
