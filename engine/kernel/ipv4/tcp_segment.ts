// Segments: made, cut, given their header and handed to IP (Linux: net/ipv4/tcp_output.c; RFC 9293 §3.1).
import { Errno } from '../../base/errno.ts';
import { __skb_push, skb_reserve } from '../skb_inline.ts';
import { CHECKSUM_PARTIAL, SKB_GSO, type SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT, TCPSTATS } from './mib.ts';
import { TCPCB, TCPHDR, TCP_SKB_CB, after, before, newTcb, seqAdd } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { TcpWindow } from './tcp_window.ts';
import { MAX_TCP_HEADER, TCP_ECN, TCP_PINGPONG_THRESH } from './tcp_states.ts';

const U16_MAX = 0xffff;

export class TcpSegment extends TcpWindow {
  static override readonly inlined: readonly string[] = Object.freeze([
    ...TcpWindow.inlined,
    'tcp_packets_in_flight',
    'tcp_set_skb_tso_segs',
    'tcp_init_nondata_skb',
  ]);

  tcp_packets_in_flight(sk: TcpSock): number {
    return sk.packets_out - (sk.sacked_out + sk.lost_out) + sk.retrans_out;
  }

  tcp_set_skb_tso_segs(skb: SkBuff, mss: number): void {
    const cb = TCP_SKB_CB(skb);
    if (skb.len <= mss) {
      cb.gso_segs = 1;
      cb.gso_size = 0;
    } else {
      cb.gso_segs = Math.ceil(skb.len / mss);
      cb.gso_size = mss;
    }
  }

  tcp_init_tso_segs(skb: SkBuff, mss: number): number {
    const cb = TCP_SKB_CB(skb);
    if (cb.gso_segs === 0 || (cb.gso_segs > 1 && cb.gso_size !== mss)) this.tcp_set_skb_tso_segs(skb, mss);
    return cb.gso_segs;
  }

  /** An empty packet without a place in a queue; undefined when memory is out. */
  tcp_stream_alloc_skb(): SkBuff | undefined {
    const skb = this.kernel.skb.alloc_skb(MAX_TCP_HEADER);
    if (skb === undefined) return undefined;
    skb_reserve(skb, MAX_TCP_HEADER);
    skb.ip_summed = CHECKSUM_PARTIAL;
    newTcb(skb);
    return skb;
  }

  tcp_init_nondata_skb(skb: SkBuff, seq: number, flags: number): void {
    const cb = newTcb(skb);
    skb.ip_summed = CHECKSUM_PARTIAL;
    cb.tcp_flags = flags;
    cb.seq = seq;
    cb.end_seq = (flags & (TCPHDR.SYN | TCPHDR.FIN)) !== 0 ? seqAdd(seq, 1) : seq;
  }

  /** Puts the header before a packet and hands it (or, of one that is kept, a clone) to IP. */
  __tcp_transmit_skb(sk: TcpSock, given: SkBuff, cloneIt: boolean, rcvNxt: number): number {
    const { skb: skbs, tcp } = this.kernel;
    const { ram } = skbs;
    const { mib } = ipv4Net(sk.net);
    const cb = TCP_SKB_CB(given);
    const pcount = cb.gso_segs;
    if (sk.tcp_wstamp_ns < this.kernel.now()) sk.tcp_wstamp_ns = this.kernel.now();
    cb.mstamp = sk.tcp_mstamp;
    let skb = given;
    if (cloneIt) {
      // a header may not be written where an earlier clone's still lies
      const copy = skbs.data_shared(given) ? skbs.__pskb_copy(given, MAX_TCP_HEADER) : skbs.skb_clone(given);
      if (copy === undefined) return -Errno.ENOBUFS;
      skb = copy;
    }
    const syn = (cb.tcp_flags & TCPHDR.SYN) !== 0;
    const w = this.options;
    const optlen = syn ? w.tcp_syn_options(sk) : w.tcp_established_options(sk);
    const headerSize = 20 + optlen;
    const th = __skb_push(skb, headerSize);
    skb.transport_header = skb.data - skb.head;
    skb.sk = sk;
    sk.wmem_alloc += skb.truesize;
    skb.priority = sk.priority;
    skb.mark = sk.mark;
    skb.ip_summed = CHECKSUM_PARTIAL;
    let flags = !syn && pcount > 1 ? cb.tcp_flags | TCPHDR.PSH : cb.tcp_flags;
    if (!syn && headerSize !== skb.len && (sk.ecn_flags & TCP_ECN.OK) !== 0) flags |= this.ecnFlags(sk, cb.seq);
    const window = syn ? Math.min(sk.rcv_wnd, U16_MAX) : this.tcp_select_window(sk);
    ram.setU32be(th, ((sk.num << 16) | sk.dport) >>> 0);
    ram.setU32be(th + 4, cb.seq);
    ram.setU32be(th + 8, rcvNxt);
    ram.setU32be(th + 12, (((headerSize >> 2) << 28) | (flags << 16) | window) >>> 0);
    ram.setU32be(th + 16, 0);
    w.tcp_options_write(th + 20, sk);
    this.kernel.charge(this.kernel.platform.costs.transport);
    skbs.setGso(skb, pcount > 1 ? (sk.wire6 ? SKB_GSO.TCPV6 : SKB_GSO.TCPV4) : 0, pcount > 1 ? cb.gso_size : 0, pcount > 1 ? pcount : 0);
    if ((cb.tcp_flags & TCPHDR.ACK) !== 0) this.tcp_event_ack_sent(sk, pcount, rcvNxt);
    if (skb.len !== headerSize) {
      this.tcp_event_data_sent(sk);
      sk.data_segs_out += pcount;
      sk.bytes_sent += skb.len - headerSize;
    }
    if (after(cb.end_seq, sk.snd_nxt) || cb.seq === cb.end_seq) mib.tcp[TCPSTATS.OutSegs] += pcount;
    sk.segs_out += pcount;
    const af = tcp.af(sk);
    af.send_check(sk, skb);
    let err = af.queue_xmit(sk, skb, (sk.ecn_flags & TCP_ECN.OK) !== 0 && skb.len !== headerSize && !syn);
    if (err > 0) {
      tcp.loss.tcp_enter_cwr(sk);
      // NET_XMIT_CN: congestion is not an error
      if (err === 2) err = 0;
      else err = -Errno.ENOBUFS;
    }
    if (err === 0 && cloneIt) this.sent(sk, given);
    return err;
  }

  private ecnFlags(sk: TcpSock, seq: number): number {
    let flags = 0;
    if (!before(seq, sk.snd_nxt) && (sk.ecn_flags & TCP_ECN.QUEUE_CWR) !== 0) {
      sk.ecn_flags &= ~TCP_ECN.QUEUE_CWR;
      flags |= TCPHDR.CWR;
    }
    if ((sk.ecn_flags & TCP_ECN.DEMAND_CWR) !== 0) flags |= TCPHDR.ECE;
    return flags;
  }

  /** A kept packet has left: it counts for pacing and for the delivery rate. */
  private sent(sk: TcpSock, skb: SkBuff): void {
    if (sk.pacing_needed && sk.pacing_rate !== Infinity) {
      const length = Math.floor((skb.len * 1e9) / sk.pacing_rate);
      sk.tcp_wstamp_ns += length;
    }
    this.kernel.tcp.rate.tcp_rate_skb_sent(sk, skb);
  }

  tcp_transmit_skb(sk: TcpSock, skb: SkBuff, cloneIt: boolean): number {
    return this.__tcp_transmit_skb(sk, skb, cloneIt, sk.rcv_nxt);
  }

  tcp_event_ack_sent(sk: TcpSock, pkts: number, rcvNxt: number): void {
    const { timer } = this.kernel.tcp;
    if (sk.compressed_ack > 0) {
      ipv4Net(sk.net).mib.tcpExt[TCPEXT.TCPAckCompressed] += sk.compressed_ack;
      sk.compressed_ack = 0;
    }
    if (rcvNxt !== sk.rcv_nxt) return;
    if (sk.ack_quick > 0) {
      if (pkts >= sk.ack_quick) {
        sk.ack_quick = 0;
        sk.ack_ato = 40e6;
      } else sk.ack_quick -= pkts;
    }
    timer.inet_csk_clear_delack(sk);
  }

  tcp_event_data_sent(sk: TcpSock): void {
    const now = this.kernel.now();
    if (sk.ca.cwnd_event !== undefined && this.tcp_packets_in_flight(sk) === 0) sk.ca.cwnd_event(sk, 'tx_start', now);
    sk.lsndtime = now;
    // a reply within the delayed-ACK time: the conversation goes to and fro
    if (now - sk.lrcvtime < sk.ack_ato) sk.ack_pingpong = TCP_PINGPONG_THRESH;
  }

  /** Splits a packet at `len` bytes; its rest follows it in its queue. 0 or -errno. */
  tcp_fragment(sk: TcpSock, skb: SkBuff, len: number, mss: number, queue: 'write' | 'rtx'): number {
    const { skb: skbs } = this.kernel;
    if (len > skb.len) return -Errno.EINVAL;
    if (skbs.skb_unclone(skb) !== 0) return -Errno.ENOMEM;
    const rest = this.tcp_stream_alloc_skb();
    if (rest === undefined) return -Errno.ENOMEM;
    const cb = TCP_SKB_CB(skb);
    const rcb = TCP_SKB_CB(rest);
    sk.wmem_queued += rest.truesize;
    const moved = skb.len - len;
    rcb.seq = seqAdd(cb.seq, len);
    rcb.end_seq = cb.end_seq;
    cb.end_seq = rcb.seq;
    const { tcp_flags } = cb;
    cb.tcp_flags = tcp_flags & ~(TCPHDR.FIN | TCPHDR.PSH);
    rcb.tcp_flags = tcp_flags;
    rcb.sacked = cb.sacked;
    rcb.mstamp = cb.mstamp;
    rcb.delivered = cb.delivered;
    rcb.delivered_mstamp = cb.delivered_mstamp;
    rcb.first_tx_mstamp = cb.first_tx_mstamp;
    rcb.is_app_limited = cb.is_app_limited;
    rcb.eor = cb.eor;
    cb.eor = false;
    rest.parent = skb.id;
    skbs.skb_split(skb, rest, len);
    skb.truesize -= moved;
    rest.truesize += moved;
    const old = cb.gso_segs;
    this.tcp_set_skb_tso_segs(skb, mss);
    this.tcp_set_skb_tso_segs(rest, mss);
    if (!before(sk.snd_nxt, rcb.end_seq) && old !== 0) {
      const diff = old - cb.gso_segs - rcb.gso_segs;
      if (diff !== 0) this.tcp_adjust_pcount(sk, skb, diff);
    }
    if (queue === 'rtx') sk.rtx_queue.insertAt(sk.rtx_queue.indexOf(skb) + 1, rest);
    else {
      sk.write_queue.shift();
      sk.write_queue.unshift(rest);
      sk.write_queue.unshift(skb);
    }
    return 0;
  }

  /** The number of segments of a sent packet fell by `decr`. */
  tcp_adjust_pcount(sk: TcpSock, skb: SkBuff, decr: number): void {
    const { sacked } = TCP_SKB_CB(skb);
    sk.packets_out -= decr;
    if ((sacked & TCPCB.SACKED_ACKED) !== 0) sk.sacked_out -= decr;
    if ((sacked & TCPCB.SACKED_RETRANS) !== 0) sk.retrans_out -= decr;
    if ((sacked & TCPCB.LOST) !== 0) sk.lost_out -= decr;
    if (!sk.rx_opt.sack_ok && decr > 0) sk.sacked_out -= Math.min(sk.sacked_out, decr);
  }

  /** The peer has part of a packet: that part goes. */
  tcp_trim_head(sk: TcpSock, skb: SkBuff, len: number): number {
    const { skb: skbs } = this.kernel;
    if (skbs.skb_unclone(skb) !== 0) return -Errno.ENOMEM;
    skbs.__pskb_trim_head(skb, len);
    const cb = TCP_SKB_CB(skb);
    cb.seq = seqAdd(cb.seq, len);
    skb.truesize -= len;
    sk.wmem_queued -= len;
    if (cb.gso_segs > 1) this.tcp_set_skb_tso_segs(skb, cb.gso_size);
    return 0;
  }

  tcp_queue_skb(sk: TcpSock, skb: SkBuff): void {
    sk.write_seq = TCP_SKB_CB(skb).end_seq;
    sk.write_queue.push(skb);
    sk.wmem_queued += skb.truesize;
  }
}
