// IPv4 options: record route, timestamp, router alert; source routes are refused (Linux: net/ipv4/ip_options.c; RFC 791 §3.1).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { RTN } from '../rtnl_records.ts';
import { ktimeGetReal } from '../wall_clock.ts';

const IPOPT = { END: 0, NOOP: 1, RR: 7, TIMESTAMP: 68, SEC: 130, LSRR: 131, SID: 136, SSRR: 137, RA: 148 } as const;
const IPOPT_TS_TSONLY = 0;
const IPOPT_TS_TSANDADDR = 1;
const IPOPT_TS_PRESPEC = 3;
const COPIED = 0x80;

/** Parsed options: offsets are into `bytes`, -1 when absent. */
export class IpOptions {
  rr = -1;
  ts = -1;
  srr = -1;
  router_alert = false;
  rr_needaddr = false;
  ts_needaddr = false;
  ts_needtime = false;
  is_changed = false;
  constructor(readonly bytes: Uint8Array) {}
}

const put32 = (b: Uint8Array, at: number, v: number): void => {
  b[at] = v >>> 24;
  b[at + 1] = (v >>> 16) & 0xff;
  b[at + 2] = (v >>> 8) & 0xff;
  b[at + 3] = v & 0xff;
};
const get32 = (b: Uint8Array, at: number): number => ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;

export class IpOptionsCore {
  constructor(readonly kernel: Kernel) {}

  /** Milliseconds since midnight UT. */
  inet_current_timestamp(): number {
    const { seconds, nanoseconds } = ktimeGetReal(this.kernel);
    return (seconds % 86400) * 1000 + Math.floor(nanoseconds / 1e6);
  }

  /** Options that a socket wants to send: padded and prepared, or -EINVAL. */
  ip_options_get(net: Net, given: Uint8Array): IpOptions | number {
    const bytes = new Uint8Array((given.length + 3) & ~3);
    bytes.set(given);
    if (bytes.length > 40) return -Errno.EINVAL;
    const opt = new IpOptions(bytes);
    return this.ip_options_compile(net, opt, undefined) >= 0 ? -Errno.EINVAL : opt;
  }

  /**
   * Parses and, for a received packet, records: `rx` is the address of ours that the packet was sent to. Returns -1, or the offset of the fault.
   */
  ip_options_compile(net: Net, opt: IpOptions, rx: number | undefined): number {
    const b = opt.bytes;
    for (let at = 0; at < b.length;) {
      const kind = b[at];
      if (kind === IPOPT.END) break;
      if (kind === IPOPT.NOOP) {
        at++;
        continue;
      }
      const len = b[at + 1];
      if (at + 1 >= b.length || len < 2 || at + len > b.length) return at;
      if (kind === IPOPT.RR) {
        if (len < 3 || opt.rr >= 0) return at + 1;
        if (b[at + 2] < 4) return at + 2;
        if (b[at + 2] <= len) {
          if (b[at + 2] + 3 > len) return at + 2;
          if (rx !== undefined) {
            put32(b, at + b[at + 2] - 1, rx);
            opt.is_changed = true;
          }
          b[at + 2] += 4;
          opt.rr_needaddr = true;
        }
        opt.rr = at;
      } else if (kind === IPOPT.TIMESTAMP) {
        const fault = this.compileTimestamp(net, opt, at, len, rx);
        if (fault >= 0) return fault;
      } else if (kind === IPOPT.RA) {
        if (len < 4) return at + 1;
        if (b[at + 2] === 0 && b[at + 3] === 0) opt.router_alert = true;
      } else if (kind === IPOPT.SSRR || kind === IPOPT.LSRR) {
        if (len < 3) return at + 1;
        opt.srr = at;
      }
      at += len;
    }
    return -1;
  }

  private compileTimestamp(net: Net, opt: IpOptions, at: number, len: number, rx: number | undefined): number {
    const b = opt.bytes;
    if (opt.ts >= 0) return at;
    if (len < 4) return at + 1;
    if (b[at + 2] < 5) return at + 2;
    const ptr = b[at + 2];
    if (ptr <= len) {
      let time = -1;
      if (ptr + 3 > len) return at + 2;
      const mode = b[at + 3] & 0xf;
      if (mode === IPOPT_TS_TSONLY) {
        time = at + ptr - 1;
        opt.ts_needtime = true;
        b[at + 2] += 4;
      } else if (mode === IPOPT_TS_TSANDADDR) {
        if (ptr + 7 > len) return at + 2;
        if (rx !== undefined) put32(b, at + ptr - 1, rx);
        time = at + ptr + 3;
        opt.ts_needaddr = opt.ts_needtime = true;
        b[at + 2] += 8;
      } else if (mode === IPOPT_TS_PRESPEC) {
        if (ptr + 7 > len) return at + 2;
        if (this.kernel.ipv4.fib.inet_addr_type(net, get32(b, at + ptr - 1)) !== RTN.UNICAST) {
          time = at + ptr + 3;
          opt.ts_needtime = true;
          b[at + 2] += 8;
        }
      } else if (rx !== undefined) return at + 3;
      if (time >= 0 && rx !== undefined) {
        put32(b, time, this.inet_current_timestamp());
        opt.is_changed = true;
      }
    } else if ((b[at + 3] & 0xf) !== IPOPT_TS_PRESPEC) {
      const overflow = b[at + 3] >> 4;
      if (overflow === 15) return at + 3;
      if (rx !== undefined) {
        b[at + 3] = (b[at + 3] & 0xf) | ((overflow + 1) << 4);
        opt.is_changed = true;
      }
    }
    opt.ts = at;
    return -1;
  }

  /** The options as they go out: our address and the time where they are due. */
  ip_options_build(opt: IpOptions, source: number): Uint8Array {
    const b = opt.bytes.slice();
    if (opt.rr_needaddr) put32(b, opt.rr + b[opt.rr + 2] - 5, source);
    if (opt.ts_needaddr) put32(b, opt.ts + b[opt.ts + 2] - 9, source);
    if (opt.ts_needtime) put32(b, opt.ts + b[opt.ts + 2] - 5, this.inet_current_timestamp());
    return b;
  }

  /** What a reply carries back: record route and timestamps go on in it. Undefined when nothing is echoed. */
  ip_options_echo(net: Net, from: IpOptions): IpOptions | undefined {
    const out = new Uint8Array(40);
    let length = 0;
    const reply = { rr: -1, ts: -1, rr_needaddr: false, ts_needaddr: false, ts_needtime: false };
    const s = from.bytes;
    if (from.rr >= 0) {
      const len = s[from.rr + 1];
      const ptr = s[from.rr + 2];
      out.set(s.subarray(from.rr, from.rr + len), length);
      reply.rr = length;
      if (from.rr_needaddr && ptr <= len) {
        if (ptr + 3 > len) return undefined;
        out[length + 2] = ptr + 4;
        reply.rr_needaddr = true;
      }
      length += len;
    }
    if (from.ts >= 0) {
      const len = s[from.ts + 1];
      let ptr = s[from.ts + 2];
      out.set(s.subarray(from.ts, from.ts + len), length);
      reply.ts = length;
      if (ptr <= len) {
        if (from.ts_needaddr) {
          if (ptr + 3 > len) return undefined;
          reply.ts_needaddr = true;
          ptr += 4;
        }
        if (from.ts_needtime) {
          if (ptr + 3 > len) return undefined;
          if ((s[from.ts + 3] & 0xf) !== IPOPT_TS_PRESPEC) {
            reply.ts_needtime = true;
            ptr += 4;
          } else if (ptr + 7 <= len && this.kernel.ipv4.fib.inet_addr_type(net, get32(out, length + ptr - 1)) !== RTN.UNICAST) {
            reply.ts_needtime = true;
            ptr += 8;
          }
        }
        out[length + 2] = ptr;
      }
      length += len;
    }
    if (length === 0) return undefined;
    return Object.assign(new IpOptions(out.slice(0, (length + 3) & ~3)), reply);
  }

  /** In later fragments, options that are not copied become no-operations. */
  ip_options_fragment(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && bytes[at] !== IPOPT.END;) {
      if (bytes[at] === IPOPT.NOOP) {
        at++;
        continue;
      }
      const len = bytes[at + 1];
      if (len < 2 || at + len > bytes.length) return;
      if ((bytes[at] & COPIED) === 0) bytes.fill(IPOPT.NOOP, at, at + len);
      at += len;
    }
  }
}
