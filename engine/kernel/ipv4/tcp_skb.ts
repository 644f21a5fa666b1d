// What TCP notes on an sk_buff (Linux: struct tcp_skb_cb), queues of such skbs by sequence number, and sequence arithmetic.
import type { SkBuff } from '../skbuff.ts';

/** RFC 9293 §3.4: comparison modulo 2^32. */
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;
/** a ≤ x ≤ b */
export const between = (x: number, a: number, b: number): boolean => (b - a) >>> 0 >= (x - a) >>> 0;
/** Signed distance a − b. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;
export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;

/** RFC 9293 §3.1, RFC 3168 */
export const TCPHDR = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20, ECE: 0x40, CWR: 0x80 } as const;

/** TcpSkbCb.sacked (Linux: TCPCB_*). */
export const TCPCB = { SACKED_ACKED: 1, SACKED_RETRANS: 2, LOST: 4, TAGBITS: 7, EVER_RETRANS: 0x80, RETRANS: 0x82 } as const;

export class TcpSkbCb {
  /** First sequence number, and the one after the last; SYN and FIN count one. */
  seq = 0;
  end_seq = 0;
  tcp_flags = 0;
  /** TCPCB bits */
  sacked = 0;
  /** Received: acknowledgment number. */
  ack_seq = 0;
  /** Sending: segments that it goes out as, and their size. */
  gso_segs = 1;
  gso_size = 0;
  /** When it was sent last, ns. */
  mstamp = 0;
  /** RFC-draft delivery rate sampling: the connection's state when it was sent. */
  first_tx_mstamp = 0;
  delivered_mstamp = 0;
  delivered = 0;
  is_app_limited = false;
  has_rxtstamp = false;
  eor = false;

  reset(): void {
    this.seq = this.end_seq = this.tcp_flags = this.sacked = this.ack_seq = this.gso_size = this.mstamp = 0;
    this.gso_segs = 1;
    this.first_tx_mstamp = this.delivered_mstamp = this.delivered = 0;
    this.is_app_limited = this.has_rxtstamp = this.eor = false;
  }
}

/** The control block of an skb that TCP holds. */
export const TCP_SKB_CB = (skb: SkBuff): TcpSkbCb => skb.tcb as TcpSkbCb;
/** A cleared control block on an skb that TCP begins to hold. */
export function newTcb(skb: SkBuff): TcpSkbCb {
  if (skb.tcb === undefined) skb.tcb = new TcpSkbCb();
  else skb.tcb.reset();
  return skb.tcb;
}
export const tcp_skb_pcount = (skb: SkBuff): number => (skb.tcb as TcpSkbCb).gso_segs;

/** skbs in order of their sequence numbers: the retransmission queue, the out-of-order queue (trees in Linux). */
export class TcpSkbQueue {
  private list: SkBuff[] = [];
  private head = 0;

  get length(): number {
    return this.list.length - this.head;
  }
  get first(): SkBuff | undefined {
    return this.head < this.list.length ? this.list[this.head] : undefined;
  }
  get last(): SkBuff | undefined {
    return this.head < this.list.length ? this.list[this.list.length - 1] : undefined;
  }
  at(i: number): SkBuff {
    return this.list[this.head + i];
  }
  push(skb: SkBuff): void {
    this.list.push(skb);
  }
  shift(): SkBuff | undefined {
    if (this.head >= this.list.length) return undefined;
    const skb = this.list[this.head++];
    if (this.head === this.list.length) this.clear();
    else if (this.head > 64 && this.head * 2 > this.list.length) {
      this.list = this.list.slice(this.head);
      this.head = 0;
    }
    return skb;
  }
  pop(): SkBuff | undefined {
    if (this.head >= this.list.length) return undefined;
    const skb = this.list.pop();
    if (this.head === this.list.length) this.clear();
    return skb;
  }
  unshift(skb: SkBuff): void {
    if (this.head > 0) this.list[--this.head] = skb;
    else this.list.unshift(skb);
  }
  insertAt(i: number, skb: SkBuff): void {
    this.list.splice(this.head + i, 0, skb);
  }
  removeAt(i: number): void {
    this.list.splice(this.head + i, 1);
    if (this.head === this.list.length) this.clear();
  }
  indexOf(skb: SkBuff): number {
    return this.list.indexOf(skb, this.head) - this.head;
  }
  /** Index of the first skb that ends after `seq`; `length` when there is none. */
  search(seq: number): number {
    let lo = this.head;
    let hi = this.list.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (after(TCP_SKB_CB(this.list[mid]).end_seq, seq)) hi = mid;
      else lo = mid + 1;
    }
    return lo - this.head;
  }
  private clear(): void {
    this.list = [];
    this.head = 0;
  }
}
