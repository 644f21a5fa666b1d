// One data connection of a test: what it sent and received, and the counters of each interval.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { tcp_get_info } from '../../kernel/ipv4/tcp_info.ts';
import { TcpSock } from '../../kernel/ipv4/tcp_sock.ts';
import type { Sock } from '../../kernel/sock.ts';
import { UDP_HEADER } from './protocol.ts';

/** One line of the report. */
export interface Interval {
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  readonly retransmits: number;
  readonly cwnd: number;
  readonly rtt: number;
  readonly packets: number;
  readonly lost: number;
  readonly outOfOrder: number;
  /** s */
  readonly jitter: number;
  readonly omitted: boolean;
}

export class IperfStream {
  bytes = 0;
  blocks = 0;
  /** Datagrams sent, or the highest number received. */
  packets = 0;
  lost = 0;
  outOfOrder = 0;
  jitter = 0;
  private transit = 0;
  private lastBytes = 0;
  private lastPackets = 0;
  private lastLost = 0;
  private lastOutOfOrder = 0;
  private lastRetransmits = 0;
  retransBase = 0;
  private offset = 0;
  maxCwnd = 0;
  minRtt = 0;
  maxRtt = 0;
  rttSum = 0;
  rttCount = 0;
  /** Bytes counted while a rate is held. */
  readonly intervals: Interval[] = [];
  blocked = false;

  constructor(
    readonly kernel: Kernel,
    readonly sock: Sock,
    /** As a descriptor, in brackets in the report. */
    readonly id: number,
    readonly sender: boolean,
    readonly udp: boolean,
    readonly buffer: Uint8Array,
  ) {}

  retransmits(): number {
    return this.sock instanceof TcpSock ? this.sock.total_retrans - this.retransBase : 0;
  }

  /** Writes one block; bytes sent, 0 when it has to wait, or -errno. */
  send(now: number): number {
    const { sockets } = this.kernel;
    if (this.udp) {
      this.packets++;
      const view = new DataView(this.buffer.buffer, this.buffer.byteOffset);
      view.setUint32(0, Math.floor(now / 1e9));
      view.setUint32(4, Math.floor((now % 1e9) / 1000));
      view.setUint32(8, this.packets);
      const r = sockets.sendmsg(this.sock, this.buffer);
      if (r === -Errno.EAGAIN || r === -Errno.ENOBUFS) {
        this.packets--;
        return 0;
      }
      if (r < 0) return r;
      this.bytes += r;
      this.blocks++;
      return r;
    }
    const r = sockets.sendmsg(this.sock, this.offset === 0 ? this.buffer : this.buffer.subarray(this.offset));
    if (r === -Errno.EAGAIN) return 0;
    if (r < 0) return r;
    this.bytes += r;
    this.offset += r;
    if (this.offset >= this.buffer.length) {
      this.offset = 0;
      this.blocks++;
    }
    return r;
  }

  /** Reads what is there; false when the peer has closed. */
  receive(): boolean {
    const { sockets } = this.kernel;
    for (;;) {
      const m = sockets.recvmsg(this.sock, Math.max(this.buffer.length, 1500), 0);
      if (m === -Errno.EAGAIN) return true;
      if (typeof m === 'number') return false;
      if (this.udp) this.datagram(m.data);
      else {
        if (m.data.length === 0) return false;
        this.bytes += m.data.length;
      }
    }
  }

  /** RFC 1889 §A.8's jitter; numbers tell loss and disorder. */
  private datagram(data: Uint8Array): void {
    if (data.length < UDP_HEADER) return;
    this.bytes += data.length;
    const view = new DataView(data.buffer, data.byteOffset);
    const sent = view.getUint32(0) + view.getUint32(4) / 1e6;
    const number = view.getUint32(8);
    if (number >= this.packets + 1) {
      if (number > this.packets + 1) this.lost += number - 1 - this.packets;
      this.packets = number;
    } else {
      this.outOfOrder++;
      if (this.lost > 0) this.lost--;
    }
    const transit = this.kernel.now() / 1e9 - sent;
    if (this.transit === 0) this.transit = transit;
    const d = Math.abs(transit - this.transit);
    this.transit = transit;
    this.jitter += (d - this.jitter) / 16;
  }

  /** Closes an interval that ends at `end` s. */
  interval(start: number, end: number, omitted: boolean): Interval {
    const retransmits = this.retransmits();
    let cwnd = 0;
    let rtt = 0;
    if (this.sock instanceof TcpSock) {
      const info = tcp_get_info(this.kernel, this.sock);
      cwnd = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
      rtt = info.tcpi_rtt;
      this.maxCwnd = Math.max(this.maxCwnd, cwnd);
      this.maxRtt = Math.max(this.maxRtt, rtt);
      this.minRtt = this.minRtt === 0 ? rtt : Math.min(this.minRtt, rtt);
      this.rttSum += rtt;
      this.rttCount++;
    }
    const line: Interval = {
      start,
      end,
      bytes: this.bytes - this.lastBytes,
      retransmits: retransmits - this.lastRetransmits,
      cwnd,
      rtt,
      packets: this.packets - this.lastPackets,
      lost: this.lost - this.lastLost,
      outOfOrder: this.outOfOrder - this.lastOutOfOrder,
      jitter: this.jitter,
      omitted,
    };
    this.lastBytes = this.bytes;
    this.lastPackets = this.packets;
    this.lastLost = this.lost;
    this.lastOutOfOrder = this.outOfOrder;
    this.lastRetransmits = retransmits;
    this.intervals.push(line);
    return line;
  }

  /** What was omitted does not count. */
  restart(): void {
    this.bytes = this.lastBytes = 0;
    this.blocks = 0;
    this.lost = this.lastLost = 0;
    this.outOfOrder = this.lastOutOfOrder = 0;
    this.retransBase += this.retransmits();
    this.lastRetransmits = 0;
  }
}
