// iperf3's control connection: states, and JSON with its length before it.
import { bytesToText, textToBytes } from '../../base/byte_text.ts';
import { Errno } from '../../base/errno.ts';
import type { Sockets } from '../../kernel/socket.ts';
import type { Sock } from '../../kernel/sock.ts';

export const STATE = {
  TEST_START: 1,
  TEST_RUNNING: 2,
  TEST_END: 4,
  PARAM_EXCHANGE: 9,
  CREATE_STREAMS: 10,
  SERVER_TERMINATE: 11,
  CLIENT_TERMINATE: 12,
  EXCHANGE_RESULTS: 13,
  DISPLAY_RESULTS: 14,
  IPERF_START: 15,
  IPERF_DONE: 16,
  ACCESS_DENIED: 255,
  SERVER_ERROR: 254,
} as const;

export const COOKIE_SIZE = 37;
export const UDP_CONNECT_MSG = 0x39383736;
export const UDP_CONNECT_REPLY = 0x36373839;
/** Bytes of a UDP test's header: seconds, microseconds, packet number. */
export const UDP_HEADER = 12;

export interface Params {
  tcp?: boolean;
  udp?: boolean;
  omit: number;
  time: number;
  num: number;
  blockcount: number;
  parallel: number;
  reverse?: boolean;
  window?: number;
  MSS?: number;
  nodelay?: boolean;
  len: number;
  bandwidth?: number;
  pacing_timer: number;
  congestion?: string;
  TOS?: number;
  client_version: string;
}
export interface StreamResult {
  id: number;
  bytes: number;
  retransmits: number;
  jitter: number;
  errors: number;
  packets: number;
  start_time: number;
  end_time: number;
}
export interface Results {
  cpu_util_total: number;
  cpu_util_user: number;
  cpu_util_system: number;
  sender_has_retransmits: number;
  congestion_used?: string;
  streams: StreamResult[];
}

/** Bytes of a connection that were read and not yet used. */
export class ControlChannel {
  private have = new Uint8Array(0);
  closed = false;
  /** Of the last failed read, positive errno. */
  error = 0;
  constructor(
    readonly sock: Sock,
    private readonly sockets: Sockets,
  ) {}

  private pull(): void {
    for (;;) {
      const m = this.sockets.recvmsg(this.sock, 65536, 0);
      if (m === -Errno.EAGAIN) return;
      if (typeof m === 'number') {
        this.closed = true;
        this.error = -m;
        return;
      }
      if (m.data.length === 0) {
        this.closed = true;
        return;
      }
      const joined = new Uint8Array(this.have.length + m.data.length);
      joined.set(this.have);
      joined.set(m.data, this.have.length);
      this.have = joined;
    }
  }
  /** Exactly `n` bytes, or undefined as long as there are fewer. */
  take(n: number): Uint8Array | undefined {
    if (this.have.length < n) this.pull();
    if (this.have.length < n) return undefined;
    const out = this.have.slice(0, n);
    this.have = this.have.slice(n);
    return out;
  }
  takeState(): number | undefined {
    return this.take(1)?.[0];
  }
  takeJson(): unknown {
    if (this.have.length < 4) this.pull();
    if (this.have.length < 4) return undefined;
    const n = new DataView(this.have.buffer, this.have.byteOffset).getUint32(0);
    if (this.have.length < 4 + n) this.pull();
    if (this.have.length < 4 + n) return undefined;
    const text = bytesToText(this.have.slice(4, 4 + n));
    this.have = this.have.slice(4 + n);
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return {};
    }
  }
  sendState(state: number): void {
    this.sockets.sendmsg(this.sock, Uint8Array.of(state));
  }
  sendJson(value: object): void {
    const body = textToBytes(JSON.stringify(value));
    const out = new Uint8Array(4 + body.length);
    new DataView(out.buffer).setUint32(0, body.length);
    out.set(body, 4);
    this.sockets.sendmsg(this.sock, out);
  }
}
