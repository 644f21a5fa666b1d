// TCP options: what is read from a segment, and what is written into one (RFC 9293 §3.2, RFC 7323, RFC 2018).
import type { Gpa } from '../../base/units.ts';
import type { Kernel } from '../kernel.ts';
import { ipv4Net } from './ipv4_net.ts';
import type { TcpOptions, TcpRequestSock, TcpSock } from './tcp_sock.ts';
import { TCPOLEN_SACK_BASE_ALIGNED, TCPOLEN_SACK_PERBLOCK, TCPOLEN_TSTAMP_ALIGNED, TCP_MAX_WSCALE } from './tcp_states.ts';

const OPT = { EOL: 0, NOP: 1, MSS: 2, WINDOW: 3, SACK_PERM: 4, SACK: 5, TIMESTAMP: 8 } as const;
const NOP2 = 0x01010000;

/** What tcp_options_write puts after the header; filled by one of the size functions. */
export class TcpOptionWriter {
  private mss = 0;
  private ws = -1;
  private sackPerm = false;
  private ts = false;
  private tsval = 0;
  private tsecr = 0;
  private sackBlocks = 0;

  constructor(readonly kernel: Kernel) {}

  /** Of our SYN; the size in bytes. */
  tcp_syn_options(sk: TcpSock): number {
    const { sysctl } = ipv4Net(sk.net).tcp;
    let remaining = 40;
    this.mss = this.kernel.tcp.out.tcp_mss_clamp(sk, this.kernel.tcp.af(sk).advmss(sk)) || sk.advmss;
    remaining -= 4;
    this.ts = sysctl.tcp_timestamps !== 0;
    if (this.ts) {
      this.tsval = this.kernel.tcp.out.timestamp(sk);
      this.tsecr = sk.rx_opt.ts_recent;
      remaining -= TCPOLEN_TSTAMP_ALIGNED;
    }
    this.ws = -1;
    if (sysctl.tcp_window_scaling !== 0) {
      this.ws = sk.rx_opt.rcv_wscale;
      remaining -= 4;
    }
    this.sackPerm = sysctl.tcp_sack !== 0;
    if (this.sackPerm && !this.ts) remaining -= 4;
    this.sackBlocks = 0;
    return 40 - remaining;
  }

  /** Of the answer to a peer's SYN. */
  tcp_synack_options(req: TcpRequestSock, mss: number, now: number): number {
    let remaining = 40 - 4;
    this.mss = mss;
    this.ws = -1;
    if (req.wscale_ok) {
      this.ws = req.rcv_wscale;
      remaining -= 4;
    }
    this.ts = req.tstamp_ok;
    if (this.ts) {
      this.tsval = (now + req.ts_off) >>> 0;
      this.tsecr = req.ts_recent;
      remaining -= TCPOLEN_TSTAMP_ALIGNED;
    }
    this.sackPerm = req.sack_ok;
    if (this.sackPerm && !this.ts) remaining -= 4;
    this.sackBlocks = 0;
    return 40 - remaining;
  }

  tcp_established_options(sk: TcpSock): number {
    let size = 0;
    this.mss = 0;
    this.ws = -1;
    this.sackPerm = false;
    this.ts = sk.rx_opt.tstamp_ok;
    if (this.ts) {
      this.tsval = this.kernel.tcp.out.timestamp(sk);
      this.tsecr = sk.rx_opt.ts_recent;
      size += TCPOLEN_TSTAMP_ALIGNED;
    }
    this.sackBlocks = 0;
    const eff = sk.rx_opt.num_sacks + (sk.dsack ? 1 : 0);
    if (eff > 0 && 40 - size >= TCPOLEN_SACK_BASE_ALIGNED + TCPOLEN_SACK_PERBLOCK) {
      this.sackBlocks = Math.min(eff, Math.floor((40 - size - TCPOLEN_SACK_BASE_ALIGNED) / TCPOLEN_SACK_PERBLOCK));
      size += TCPOLEN_SACK_BASE_ALIGNED + this.sackBlocks * TCPOLEN_SACK_PERBLOCK;
    }
    return size;
  }

  /** Only timestamps, for an ACK without a full socket behind it; 0 or 12. */
  timestampOnly(tsval: number, tsecr: number, wanted: boolean): number {
    this.mss = 0;
    this.ws = -1;
    this.sackPerm = false;
    this.sackBlocks = 0;
    this.ts = wanted;
    this.tsval = tsval;
    this.tsecr = tsecr;
    return wanted ? TCPOLEN_TSTAMP_ALIGNED : 0;
  }

  /** Writes what the last size function chose, in Linux's order. `sk` holds the SACK blocks. */
  tcp_options_write(start: number, sk: TcpSock | undefined): void {
    const { ram } = this.kernel.skb;
    let at = start;
    if (this.mss !== 0) {
      ram.setU32be(at, ((OPT.MSS << 24) | (4 << 16) | this.mss) >>> 0);
      at += 4;
    }
    if (this.ts) {
      ram.setU32be(at, this.sackPerm ? (OPT.SACK_PERM << 24) | (2 << 16) | (OPT.TIMESTAMP << 8) | 10 : NOP2 | (OPT.TIMESTAMP << 8) | 10);
      ram.setU32be(at + 4, this.tsval);
      ram.setU32be(at + 8, this.tsecr);
      at += 12;
    }
    if (this.sackPerm && !this.ts) {
      ram.setU32be(at, NOP2 | (OPT.SACK_PERM << 8) | 2);
      at += 4;
    }
    if (this.ws >= 0) {
      ram.setU32be(at, (OPT.NOP << 24) | (OPT.WINDOW << 16) | (3 << 8) | this.ws);
      at += 4;
    }
    if (this.sackBlocks > 0 && sk !== undefined) this.writeSack(at as Gpa, sk);
  }

  private writeSack(start: Gpa, sk: TcpSock): void {
    const { ram } = this.kernel.skb;
    ram.setU32be(start, NOP2 | (OPT.SACK << 8) | (2 + this.sackBlocks * TCPOLEN_SACK_PERBLOCK));
    let at = start + 4;
    let left = this.sackBlocks;
    if (sk.dsack) {
      ram.setU32be(at, sk.duplicate_sack.start_seq);
      ram.setU32be(at + 4, sk.duplicate_sack.end_seq);
      at += 8;
      left--;
    }
    for (let i = 0; i < left; i++) {
      ram.setU32be(at, sk.selective_acks[i].start_seq);
      ram.setU32be(at + 4, sk.selective_acks[i].end_seq);
      at += 8;
    }
    sk.dsack = false;
  }
}

/** Where the SACK blocks of the segment parsed last are, and how many; 0 when it has none. */
export interface SackOption {
  at: number;
  count: number;
}

/** Reads the options of the header at `th` into `opt` (Linux: tcp_parse_options()). */
export function tcp_parse_options(
  kernel: Kernel,
  th: number,
  opt: TcpOptions,
  established: boolean,
  sack: SackOption,
  sysctl: { readonly tcp_timestamps: number; readonly tcp_window_scaling: number; readonly tcp_sack: number },
): void {
  const { ram } = kernel.skb;
  const word = ram.u32be(th + 12);
  const end = th + (word >>> 28) * 4;
  const syn = (word & 0x20000) !== 0;
  let at = th + 20;
  opt.saw_tstamp = false;
  sack.count = 0;
  while (at < end) {
    const kind = ram.u8(at);
    if (kind === OPT.EOL) return;
    if (kind === OPT.NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) return;
    const size = ram.u8(at + 1);
    if (size < 2 || at + size > end) return;
    switch (kind) {
      case OPT.MSS:
        if (size === 4 && syn && !established) {
          let mss = ram.u16be(at + 2);
          if (mss !== 0) {
            if (opt.user_mss !== 0 && opt.user_mss < mss) mss = opt.user_mss;
            opt.mss_clamp = mss;
          }
        }
        break;
      case OPT.WINDOW:
        if (size === 3 && syn && !established && sysctl.tcp_window_scaling !== 0) {
          opt.wscale_ok = true;
          opt.snd_wscale = Math.min(ram.u8(at + 2), TCP_MAX_WSCALE);
        }
        break;
      case OPT.TIMESTAMP:
        if (size === 10 && ((established && opt.tstamp_ok) || (!established && sysctl.tcp_timestamps !== 0))) {
          opt.saw_tstamp = true;
          opt.rcv_tsval = ram.u32be(at + 2);
          opt.rcv_tsecr = ram.u32be(at + 6);
        }
        break;
      case OPT.SACK_PERM:
        if (size === 2 && syn && !established && sysctl.tcp_sack !== 0) opt.sack_ok = true;
        break;
      case OPT.SACK:
        if (size >= 10 && (size - 2) % TCPOLEN_SACK_PERBLOCK === 0 && opt.sack_ok) {
          sack.at = at + 2;
          sack.count = (size - 2) / TCPOLEN_SACK_PERBLOCK;
        }
        break;
      default:
    }
    at += size;
  }
}
