// A running iperf3 test, the part that client and server share: streams, intervals, results.
import { Errno } from '../../base/errno.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { Process } from '../../kernel/process.ts';
import type { Sock } from '../../kernel/sock.ts';
import { TcpSock } from '../../kernel/ipv4/tcp_sock.ts';
import { formatAddress } from '../iproute/args.ts';
import { jsonReport } from './json.ts';
import type { IperfOptions } from './options.ts';
import type { ControlChannel, Params, Results, StreamResult } from './protocol.ts';
import { HEADERS, type LineKind, line, SEPARATOR, sum, type Totals } from './report.ts';
import type { IperfStream } from './stream.ts';

export const OP = { CONTROL: 1, STREAM: 2, INTERVAL: 3, SEND: 4, END: 5, LISTEN: 6, OMIT: 7, UDP: 8, TIMEOUT: 9 } as const;
/** Between looks at the rate, ns. */
const TICK = 1_000_000;
/** Blocks written before others get a turn. */
const BURST = 10;

export abstract class IperfTest extends Process {
  protected control: ControlChannel | undefined;
  protected readonly streams: IperfStream[] = [];
  protected params: Params | undefined;
  protected running = false;
  protected done = false;
  protected sendsHere = false;
  protected startTime = 0;
  protected intervalStart = 0;
  protected headerPrinted = false;
  protected remote: Results | undefined;
  protected cookie = '';
  protected endTime = 0;
  private intervalTimer: SimEvent | undefined;
  private readonly timers: (SimEvent | undefined)[] = [];
  protected omitting = false;

  constructor(
    kernel: Process['kernel'],
    net: Process['net'],
    argv: readonly string[],
    readonly options: IperfOptions,
  ) {
    super(kernel, net, argv);
  }

  protected say(text: string): void {
    if (!this.options.json) this.print(text);
  }
  protected after(ns: number, op: number, arg?: unknown): void {
    this.timers.push(this.kernel.procs.wakeAfter(this, ns, op, arg));
    if (this.timers.length > 64) this.timers.splice(0, 32);
  }

  protected seconds(): number {
    return (this.kernel.now() - this.startTime) / 1e9;
  }

  protected announce(s: IperfStream): void {
    const { sockets } = this.kernel;
    const local = sockets.getsockname(s.sock);
    const peer = sockets.getpeername(s.sock);
    if (typeof local === 'number' || typeof peer === 'number' || local.family === 17 || peer.family === 17) return;
    this.say(
      `[${String(s.id).padStart(3)}] local ${address(local.addr)} port ${local.port} connected to ${address(peer.addr)} port ${peer.port}\n`,
    );
  }

  // running

  protected begin(): void {
    const p = this.params as Params;
    this.running = true;
    this.startTime = this.kernel.now();
    this.intervalStart = 0;
    this.omitting = p.omit > 0;
    for (const s of this.streams) {
      if (s.sock instanceof TcpSock) s.retransBase = s.sock.total_retrans;
      this.kernel.sockets.waitFor(s.sock, this, OP.STREAM);
    }
    if (this.options.interval > 0) this.intervalTimer = this.kernel.procs.wakeAfter(this, this.options.interval * 1e9, OP.INTERVAL);
    if (this.omitting) this.after(p.omit * 1e9, OP.OMIT);
    if (this.sendsHere) for (const s of this.streams) this.kernel.procs.wake(this, OP.SEND, s);
    else for (const s of this.streams) s.receive();
  }

  private due(s: IperfStream): boolean {
    const rate = this.params?.bandwidth ?? 0;
    if (rate === 0) return true;
    const elapsed = this.kernel.now() - this.startTime;
    return elapsed > 0 && (s.bytes * 8e9) / elapsed < rate;
  }

  /** Writes until the socket is full, the rate is reached, or others should have a turn. */
  protected sendSome(s: IperfStream): void {
    if (!this.running || this.done) return;
    const rate = this.params?.bandwidth ?? 0;
    for (let i = 0; i < BURST; i++) {
      if (!this.due(s)) return this.after(TICK, OP.SEND, s);
      const n = s.send(this.kernel.now());
      if (n === 0) {
        s.blocked = true;
        if (s.udp) this.after(TICK, OP.SEND, s);
        return;
      }
      if (n < 0) {
        if (s.udp && n === -Errno.ECONNREFUSED) continue;
        return this.streamFailed(n);
      }
      if (this.reachedAmount()) return this.finishRun();
    }
    if (s.udp && rate > 0) this.after(TICK, OP.SEND, s);
    else this.kernel.procs.wake(this, OP.SEND, s);
  }
  private reachedAmount(): boolean {
    const p = this.params as Params;
    if (p.num > 0) return this.streams.reduce((n, s) => n + s.bytes, 0) >= p.num;
    return p.blockcount > 0 && this.streams.reduce((n, s) => n + s.blocks, 0) >= p.blockcount;
  }
  protected abstract finishRun(): void;
  protected abstract streamFailed(err: number): void;
  protected abstract onControl(): void;
  protected onOther(_op: number, _arg: unknown): void {}

  protected onStream(sock: Sock): void {
    const s = this.streams.find((x) => x.sock === sock);
    if (s === undefined) return;
    sock.woken = false;
    if (!this.sendsHere) {
      s.receive();
      return;
    }
    if (s.blocked) {
      s.blocked = false;
      this.sendSome(s);
    }
  }

  override onEvent(op: number, arg: unknown): void {
    switch (op) {
      case OP.CONTROL:
        return this.onControl();
      case OP.STREAM:
        return this.onStream(arg as Sock);
      case OP.SEND:
        return this.sendSome(arg as IperfStream);
      case OP.INTERVAL:
        this.intervalLine();
        if (this.running && !this.done) this.intervalTimer = this.kernel.procs.wakeAfter(this, this.options.interval * 1e9, OP.INTERVAL);
        return;
      case OP.OMIT:
        this.omitting = false;
        for (const s of this.streams) s.restart();
        this.startTime = this.kernel.now();
        this.intervalStart = 0;
        return;
      default:
        return this.onOther(op, arg);
    }
  }

  // reporting

  private kind(): LineKind {
    if (this.params?.udp === true) return this.sendsHere ? 'udpSender' : 'udp';
    return this.sendsHere ? 'retransCwnd' : 'plain';
  }
  protected intervalLine(): void {
    if (!this.running) return;
    const end = this.seconds();
    if (end - this.intervalStart < 0.001 && this.headerPrinted) return;
    const kind = this.kind();
    if (!this.headerPrinted) this.say(HEADERS[kind]);
    else if (this.streams.length > 1) this.say(SEPARATOR);
    this.headerPrinted = true;
    const lines = this.streams.map((s) => s.interval(this.intervalStart, end, this.omitting));
    const what = this.omitting ? '(omitted)' : '';
    lines.forEach((l, i) => this.say(line(kind, this.streams[i].id, l.start, l.end, l, what, this.options.format)));
    if (lines.length > 1) this.say(line(kind, 'SUM', this.intervalStart, end, sum(lines), what, this.options.format));
    this.intervalStart = end;
  }

  protected stopRun(): void {
    if (this.done) return;
    this.endTime = this.seconds();
    this.kernel.platform.sim.cancel(this.intervalTimer);
    if (this.options.interval > 0 && this.endTime - this.intervalStart > 0.1 * this.options.interval) this.intervalLine();
    else if (this.options.interval > 0 && this.endTime - this.intervalStart > 0.001)
      for (const s of this.streams) s.interval(this.intervalStart, this.endTime, false);
    this.done = true;
  }

  protected results(): Results {
    const streams = this.streams.map((s, i): StreamResult => ({
      id: i + 1 + (i > 0 ? 1 : 0),
      bytes: s.bytes,
      retransmits: this.sendsHere && !s.udp ? s.retransmits() : -1,
      jitter: s.jitter,
      errors: s.lost,
      packets: s.packets,
      start_time: 0,
      end_time: this.endTime,
    }));
    return {
      cpu_util_total: 0,
      cpu_util_user: 0,
      cpu_util_system: 0,
      sender_has_retransmits: this.sendsHere && this.params?.udp !== true ? 1 : this.params?.udp === true ? 0 : -1,
      ...(this.params?.udp === true ? {} : { congestion_used: this.congestionName() }),
      streams,
    };
  }
  private congestionName(): string {
    const sock = this.streams.at(0)?.sock;
    return sock instanceof TcpSock ? sock.ca.name : 'cubic';
  }

  /** The summary: the sender's view and the receiver's. */
  protected summary(): void {
    const udp = this.params?.udp === true;
    this.say(SEPARATOR);
    const both = this.options.server ? [this.sendsHere] : [true, false];
    const withRetrans = !udp && (this.sendsHere || (this.remote?.sender_has_retransmits ?? 0) === 1);
    this.say(udp ? HEADERS.udp : withRetrans && (!this.options.server || this.sendsHere) ? HEADERS.retrans : HEADERS.plain);
    const table = both.map((sender) => this.streams.map((s, i) => this.endTotals(s, i, sender)));
    this.streams.forEach((s, i) => {
      both.forEach((sender, k) => this.say(this.endLine(s.id, table[k][i], sender, udp, withRetrans)));
    });
    if (this.streams.length > 1)
      both.forEach((sender, k) =>
        this.say(this.endLine('SUM', { ...sum(table[k]), end: Math.max(...table[k].map((t) => t.end)) }, sender, udp, withRetrans)),
      );
  }
  private endLine(id: number | 'SUM', t: Totals & { end: number }, sender: boolean, udp: boolean, withRetrans: boolean): string {
    const kind: LineKind = udp ? 'udp' : sender && withRetrans ? 'retrans' : 'plain';
    return line(kind, id, 0, t.end, t, sender ? 'sender' : 'receiver', this.options.format);
  }
  protected endTotals(s: IperfStream, i: number, sender: boolean): Totals & { end: number } {
    const far = this.remote?.streams[i];
    const here = sender === this.sendsHere;
    const own = {
      bytes: s.bytes,
      retransmits: s.retransmits(),
      cwnd: 0,
      packets: s.packets,
      lost: s.lost,
      jitter: s.jitter,
      end: this.endTime,
    };
    if (here) return sender && s.udp ? { ...own, lost: 0, jitter: 0 } : own;
    if (far === undefined) return { ...own, bytes: 0 };
    const farTotals = {
      bytes: far.bytes,
      retransmits: Math.max(0, far.retransmits),
      cwnd: 0,
      packets: far.packets,
      lost: far.errors,
      jitter: far.jitter,
      end: far.end_time,
    };
    return sender && s.udp ? { ...farTotals, lost: 0, jitter: 0 } : farTotals;
  }

  protected printJson(error?: string): void {
    if (this.options.json)
      this.print(
        jsonReport({
          options: this.options,
          params: this.params,
          streams: this.streams,
          sender: this.sendsHere,
          start: this.startTime,
          end: this.endTime,
          remote: this.remote,
          cookie: this.cookie,
          kernel: this.kernel,
          error,
        }),
      );
  }

  protected closeStreams(): void {
    for (const s of this.streams) this.kernel.sockets.close(s.sock);
  }
  override cleanup(): void {
    const { sim } = this.kernel.platform;
    sim.cancel(this.intervalTimer);
    for (const t of this.timers) sim.cancel(t);
    this.closeStreams();
    if (this.control !== undefined) this.kernel.sockets.close(this.control.sock);
  }
}

/** An address as iperf3 shows it: IPv4 also where an IPv6 socket carries it. */
export function address(bytes: Uint8Array): string {
  const mapped = bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((b) => b === 0);
  return formatAddress(mapped ? bytes.subarray(12) : bytes);
}
