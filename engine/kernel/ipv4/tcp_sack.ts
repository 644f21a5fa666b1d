// Selective acknowledgments: reading the peer's blocks, and keeping our own (RFC 2018, RFC 2883; Linux: net/ipv4/tcp_input.c).
import type { Kernel } from '../kernel.ts';
import type { SkBuff } from '../skbuff.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCPEXT } from './mib.ts';
import { TCPCB, TCP_SKB_CB, after, before, seqDiff, tcp_skb_pcount } from './tcp_skb.ts';
import type { TcpSock } from './tcp_sock.ts';
import { FLAG, TCP_CA, TCP_NUM_SACKS } from './tcp_states.ts';

interface Block {
  start_seq: number;
  end_seq: number;
}

/** Gathered while one ACK's blocks are read. */
export class SackState {
  reord = 0;
  first_sackt = 0;
  last_sackt = 0;
  flag = 0;
  sack_delivered = 0;
}

export class TcpSack {
  static readonly inlined: readonly string[] = Object.freeze(['tcp_highest_sack_seq', 'tcp_sack_extend', 'tcp_sack_maybe_coalesce']);
  readonly state = new SackState();
  constructor(readonly kernel: Kernel) {}

  tcp_highest_sack_seq(sk: TcpSock): number {
    return sk.sacked_out === 0 ? sk.snd_una : sk.highest_sack;
  }

  /** Marks what the blocks of the ACK say has arrived; FLAG bits. */
  tcp_sacktag_write_queue(sk: TcpSock, ackSeq: number, at: number, count: number, priorUna: number): number {
    const { ram } = this.kernel.skb;
    const { mib } = ipv4Net(sk.net);
    const { state } = this;
    state.flag = 0;
    state.reord = sk.snd_nxt;
    if (sk.sacked_out === 0) sk.highest_sack = sk.snd_una;
    const wire: Block[] = [];
    for (let i = 0; i < count; i++) wire.push({ start_seq: ram.u32be(at + 8 * i), end_seq: ram.u32be(at + 8 * i + 4) });
    const dup = this.tcp_check_dsack(sk, ackSeq, wire, priorUna);
    if (before(ackSeq, (priorUna - sk.max_window) >>> 0)) return 0;
    if (sk.packets_out === 0) return state.flag;
    const blocks: (Block & { dup: boolean })[] = [];
    wire.forEach((b, i) => {
      const isDup = dup && i === 0;
      if (!this.tcp_is_sackblock_valid(sk, isDup, b.start_seq, b.end_seq)) {
        if (isDup) mib.tcpExt[sk.undo_marker === 0 ? TCPEXT.TCPDSACKIgnoredNoUndo : TCPEXT.TCPDSACKIgnoredOld]++;
        else if (seqDiff(ackSeq, sk.snd_una) === 0 || after(b.end_seq, sk.snd_una)) mib.tcpExt[TCPEXT.TCPSACKDiscard]++;
        return;
      }
      if (!after(b.end_seq, priorUna)) return;
      blocks.push({ ...b, dup: isDup });
    });
    blocks.sort((a, b) => seqDiff(a.start_seq, b.start_seq));
    for (const b of blocks) this.tcp_sacktag_walk(sk, b.start_seq, b.end_seq, b.dup);
    if (sk.ca_state !== TCP_CA.Loss || sk.undo_marker !== 0) this.tcp_check_sack_reordering(sk, state.reord, false);
    return state.flag;
  }

  tcp_check_dsack(sk: TcpSock, ackSeq: number, blocks: readonly Block[], priorUna: number): boolean {
    const { tcpExt } = ipv4Net(sk.net).mib;
    const [b, next] = blocks;
    if (before(b.start_seq, ackSeq)) {
      // below the acknowledgment: duplicate data
    } else if (next !== undefined) {
      if (after(b.end_seq, next.end_seq) || before(b.start_seq, next.start_seq)) return false;
    } else return false;
    const segs = this.tcp_dsack_seen(sk, b.start_seq, b.end_seq);
    if (segs === 0) {
      tcpExt[TCPEXT.TCPDSACKIgnoredDubious]++;
      return false;
    }
    tcpExt[before(b.start_seq, ackSeq) ? TCPEXT.TCPDSACKRecv : TCPEXT.TCPDSACKOfoRecv]++;
    tcpExt[TCPEXT.TCPDSACKRecvSegs] += segs;
    if (sk.undo_marker !== 0 && sk.undo_retrans > 0 && !after(b.end_seq, priorUna) && after(b.end_seq, sk.undo_marker))
      sk.undo_retrans = Math.max(0, sk.undo_retrans - segs);
    return true;
  }

  tcp_dsack_seen(sk: TcpSock, start: number, end: number): number {
    const length = seqDiff(end, start);
    if (length > sk.max_window) return 0;
    let segs = 1;
    if (length > sk.mss_cache) segs = Math.ceil(length / sk.mss_cache);
    else if (sk.tlp_high_seq !== 0 && sk.tlp_high_seq === end) this.state.flag |= FLAG.DSACK_TLP;
    sk.dsack_dups += segs;
    if (sk.dsack_dups > sk.total_retrans) return 0;
    if (sk.reord_seen !== 0 && (this.state.flag & FLAG.DSACK_TLP) === 0) sk.rack_dsack_seen = true;
    this.state.flag |= FLAG.DSACKING_ACK;
    this.state.sack_delivered += segs;
    return segs;
  }

  tcp_is_sackblock_valid(sk: TcpSock, dup: boolean, start: number, end: number): boolean {
    if (after(end, sk.snd_nxt) || !before(start, end) || !before(start, sk.snd_nxt)) return false;
    if (after(start, sk.snd_una)) return true;
    if (!dup || sk.undo_marker === 0) return false;
    if (after(end, sk.snd_una)) return false;
    if (!before(start, sk.undo_marker)) return true;
    if (!after(end, sk.undo_marker)) return false;
    return !before(start, (end - sk.max_window) >>> 0);
  }

  tcp_sacktag_walk(sk: TcpSock, start: number, end: number, dup: boolean): void {
    const { rtx_queue } = sk;
    for (let i = rtx_queue.search(start); i < rtx_queue.length; i++) {
      const skb = rtx_queue.at(i);
      const cb = TCP_SKB_CB(skb);
      if (!before(cb.seq, end)) return;
      const inSack = !after(start, cb.seq) && !before(end, cb.end_seq);
      if (!inSack && !this.tcp_match_skb_to_sack(sk, skb, start, end)) continue;
      const was = cb.sacked;
      this.tcp_sacktag_one(sk, skb, dup);
      if ((was & TCPCB.SACKED_ACKED) === 0 && (cb.sacked & TCPCB.SACKED_ACKED) !== 0) {
        this.kernel.tcp.rate.tcp_rate_skb_delivered(sk, skb);
        if (after(cb.end_seq, sk.highest_sack)) sk.highest_sack = cb.end_seq;
      }
    }
  }

  /** A block covers part of a packet: the packet is split so that its front is inside, or outside. True when the front is inside. */
  tcp_match_skb_to_sack(sk: TcpSock, skb: SkBuff, start: number, end: number): boolean {
    const cb = TCP_SKB_CB(skb);
    if (tcp_skb_pcount(skb) <= 1 || !after(cb.end_seq, start)) return false;
    const mss = cb.gso_size;
    const inside = !after(start, cb.seq);
    let length: number;
    if (inside) {
      length = seqDiff(end, cb.seq);
      if (length < mss) length = mss;
    } else {
      length = seqDiff(start, cb.seq);
      if (length < mss) return false;
    }
    if (length > mss) {
      let whole = Math.floor(length / mss) * mss;
      if (!inside && whole < length) whole += mss;
      length = whole;
    }
    if (length >= skb.len && !inside) return false;
    if (length < skb.len && this.kernel.tcp.out.tcp_fragment(sk, skb, length, mss, 'rtx') !== 0) return false;
    return inside && !before(end, cb.end_seq);
  }

  tcp_sacktag_one(sk: TcpSock, skb: SkBuff, dup: boolean): void {
    const { state } = this;
    const cb = TCP_SKB_CB(skb);
    const pcount = cb.gso_segs;
    let { sacked } = cb;
    if (dup && (sacked & TCPCB.RETRANS) !== 0) {
      if (sk.undo_marker !== 0 && sk.undo_retrans > 0 && after(cb.end_seq, sk.undo_marker))
        sk.undo_retrans = Math.max(0, sk.undo_retrans - pcount);
      if ((sacked & TCPCB.SACKED_ACKED) !== 0 && before(cb.seq, state.reord)) state.reord = cb.seq;
    }
    if (!after(cb.end_seq, sk.snd_una)) return;
    if ((sacked & TCPCB.SACKED_ACKED) === 0) {
      this.kernel.tcp.rack.tcp_rack_advance(sk, sacked, cb.end_seq, cb.mstamp);
      if ((sacked & TCPCB.SACKED_RETRANS) !== 0) {
        if ((sacked & TCPCB.LOST) !== 0) {
          sacked &= ~(TCPCB.LOST | TCPCB.SACKED_RETRANS);
          sk.lost_out -= pcount;
          sk.retrans_out -= pcount;
        }
      } else {
        if ((sacked & TCPCB.RETRANS) === 0) {
          if (before(cb.seq, this.tcp_highest_sack_seq(sk)) && before(cb.seq, state.reord)) state.reord = cb.seq;
          if (!after(cb.end_seq, sk.high_seq)) state.flag |= FLAG.ORIG_SACK_ACKED;
          if (state.first_sackt === 0) state.first_sackt = cb.mstamp;
          state.last_sackt = cb.mstamp;
        }
        if ((sacked & TCPCB.LOST) !== 0) {
          sacked &= ~TCPCB.LOST;
          sk.lost_out -= pcount;
        }
      }
      sacked |= TCPCB.SACKED_ACKED;
      state.flag |= FLAG.DATA_SACKED;
      sk.sacked_out += pcount;
      state.sack_delivered += pcount;
    }
    if (dup && (sacked & TCPCB.SACKED_RETRANS) !== 0) {
      sacked &= ~TCPCB.SACKED_RETRANS;
      sk.retrans_out -= pcount;
    }
    cb.sacked = sacked;
  }

  /** Something old arrived after something new: the network reorders by that much. */
  tcp_check_sack_reordering(sk: TcpSock, low: number, ts: boolean): void {
    const { mib, tcp } = ipv4Net(sk.net);
    const fack = this.tcp_highest_sack_seq(sk);
    if (!before(low, fack)) return;
    const metric = seqDiff(fack, low);
    const mss = sk.mss_cache;
    if (metric > sk.reordering * mss && mss !== 0) sk.reordering = Math.min(Math.ceil(metric / mss), tcp.sysctl.tcp_max_reordering);
    sk.reord_seen++;
    mib.tcpExt[ts ? TCPEXT.TCPTSReorder : TCPEXT.TCPSACKReorder]++;
  }

  // what we tell the peer

  tcp_dsack_set(sk: TcpSock, seq: number, endSeq: number): void {
    const { mib, tcp } = ipv4Net(sk.net);
    if (!sk.rx_opt.sack_ok || tcp.sysctl.tcp_dsack === 0) return;
    mib.tcpExt[before(seq, sk.rcv_nxt) ? TCPEXT.TCPDSACKOldSent : TCPEXT.TCPDSACKOfoSent]++;
    sk.dsack = true;
    sk.duplicate_sack.start_seq = seq;
    sk.duplicate_sack.end_seq = endSeq;
  }
  tcp_dsack_extend(sk: TcpSock, seq: number, endSeq: number): void {
    if (!sk.dsack) this.tcp_dsack_set(sk, seq, endSeq);
    else this.tcp_sack_extend(sk.duplicate_sack, seq, endSeq);
  }
  tcp_sack_extend(block: Block, seq: number, endSeq: number): boolean {
    if (after(seq, block.end_seq) || after(block.start_seq, endSeq)) return false;
    if (before(seq, block.start_seq)) block.start_seq = seq;
    if (after(endSeq, block.end_seq)) block.end_seq = endSeq;
    return true;
  }

  /** A segment beyond the next expected one: its block comes first. */
  tcp_sack_new_ofo_skb(sk: TcpSock, seq: number, endSeq: number): void {
    const list = sk.selective_acks;
    const at = list.findIndex((b) => this.tcp_sack_extend(b, seq, endSeq));
    if (at >= 0) {
      const [block] = list.splice(at, 1);
      list.unshift(block);
      this.tcp_sack_maybe_coalesce(sk);
    } else {
      if (list.length >= TCP_NUM_SACKS) {
        if (sk.compressed_ack > 0) this.kernel.tcp.input.tcp_sack_compress_send_ack(sk);
        list.pop();
      }
      list.unshift({ start_seq: seq, end_seq: endSeq });
    }
    sk.rx_opt.num_sacks = list.length;
  }
  tcp_sack_maybe_coalesce(sk: TcpSock): void {
    const list = sk.selective_acks;
    const [first] = list;
    for (let i = 1; i < list.length;) {
      if (this.tcp_sack_extend(first, list[i].start_seq, list[i].end_seq)) list.splice(i, 1);
      else i++;
    }
    sk.rx_opt.num_sacks = list.length;
  }
  /** Blocks that the next expected number has passed go. */
  tcp_sack_remove(sk: TcpSock): void {
    if (sk.ofo_queue.length === 0) {
      sk.selective_acks.length = 0;
      sk.rx_opt.num_sacks = 0;
      return;
    }
    const list = sk.selective_acks;
    for (let i = 0; i < list.length;) {
      if (!before(sk.rcv_nxt, list[i].start_seq)) list.splice(i, 1);
      else i++;
    }
    sk.rx_opt.num_sacks = list.length;
  }
}
