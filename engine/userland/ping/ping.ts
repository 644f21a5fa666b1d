// ping(8): the sender's clock, replies and errors. What differs between IPv4 and IPv6 is in a PingFamily.
import { Errno, strerror } from '../../base/errno.ts';
import type { SimEvent } from '../../sim/sim.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { MSG, type Message, type Sock } from '../../kernel/sock.ts';
import { ToolExit } from '../tool.ts';
import { RouteMemory } from './messages.ts';
import { parsePing, type PingOptions } from './options.ts';
import { PING4 } from './ping4.ts';
import { PING6 } from './ping6.ts';
import { addressWithZone, resolve, type Resolved, reverse } from './resolver.ts';
import { PingStatistics, tripText } from './statistics.ts';

/** Op table of a protocol; a constant. */
export interface PingFamily {
  readonly headerBytes: number;
  /** Opens and binds the socket, checks the route, prints the first line. Ends with ToolExit when that fails. */
  open(p: PingProcess): Sock;
  /** Completes the checksum of an echo request in `packet`, if the kernel does not. */
  checksum(packet: Uint8Array): void;
  readonly echoRequest: number;
  /** A received message; true when it was not for this process. */
  parseReply(p: PingProcess, message: Message): boolean;
  /** One entry of the error queue: positive for an ICMP error of ours, negative for a local one, 0 for others. */
  receiveError(p: PingProcess, message: Message): number;
}

const OP_NEXT = 1;
const OP_SOCKET = 2;
const OP_DEADLINE = 3;
const OP_LAST_WAIT = 4;
const MIN_INTERVAL_MS = 10;
/** struct timeval at the start of the data. */
const TIMEVAL = 16;
const SCREEN_WIDTH = 80;
/** receiveErrors: nothing was queued; ping counts it as local trouble. */
const NO_ERROR = -2;

export class PingProcess extends Process {
  readonly stats = new PingStatistics();
  readonly routes = new RouteMemory();
  options!: PingOptions;
  target!: Resolved;
  family!: PingFamily;
  sock: Sock | undefined;
  /** Length of the IP options asked for. */
  optionBytes = 0;
  identifier = 0;
  source: Uint8Array = new Uint8Array(0);
  /** Interface named by -I. */
  device: string | undefined;
  multicast = false;
  private packet = new Uint8Array(0);
  private startTime = -1;
  private lastSend = 0;
  private tokens = 0;
  private interval = 1000;
  private confirm = false;
  private waitMicros = 0;
  private exiting = false;
  private timer: SimEvent | undefined;
  private exitTimer: SimEvent | undefined;

  main(): void {
    try {
      this.start();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      this.exit(e.status);
      return;
    }
    this.loop();
  }

  private start(): void {
    this.options = parsePing(this.argv, (t) => this.print(t));
    const o = this.options;
    const target = resolve(this, o.target, o.family);
    if (o.verbose) {
      const name = o.family === 0 ? 'AF_UNSPEC' : o.family === 2 ? 'AF_INET' : 'AF_INET6';
      const sockets = [
        ...(o.family !== 10 ? ['sock4.fd: 3 (socktype: SOCK_RAW)'] : []),
        ...(o.family !== 2 ? [`sock6.fd: ${o.family === 10 ? 3 : 4} (socktype: SOCK_RAW)`] : []),
      ];
      this.error(`ping: ${sockets.join(', ')}, hints.ai_family: ${name}\n\n`);
    }
    if (typeof target === 'string') throw new ToolExit(2, `ping: ${o.target}: ${target}\n`);
    if (o.verbose) this.print(`ai->ai_family: ${target.family === 2 ? 'AF_INET' : 'AF_INET6'}, ai->ai_canonname: '${o.target}'\n`);
    this.target = target;
    this.family = target.family === 2 ? PING4 : PING6;
    this.multicast = target.family === 2 ? target.bytes[0] >= 224 && target.bytes[0] < 240 : target.bytes[0] === 0xff;
    this.interval = o.flood && !o.intervalGiven ? 0 : o.interval;
    this.identifier = o.identifier ?? this.kernel.platform.sim.random(`${this.kernel.platform.machine}/ping`).below(0x10000);
    this.fillPacket();
    this.sock = this.family.open(this);
    this.kernel.sockets.waitFor(this.sock, this, OP_SOCKET);
    if (o.deadline > 0) this.exitTimer = this.kernel.procs.wakeAfter(this, o.deadline * 1e9, OP_DEADLINE);
  }

  /** ICMP header and data; the time stamp is written at each send. */
  private fillPacket(): void {
    const { size, pattern } = this.options;
    this.packet = new Uint8Array(8 + size);
    for (let i = 0; i < size; i++) this.packet[8 + i] = pattern === undefined ? i & 0xff : pattern[i % pattern.length];
  }

  get timing(): boolean {
    return this.options.size >= TIMEVAL;
  }

  override onEvent(op: number): void {
    if (this.exited || this.sock === undefined) return;
    if (op === OP_DEADLINE || op === OP_LAST_WAIT) this.exiting = true;
    if (op === OP_SOCKET) this.receive();
    this.loop();
  }

  override onSignal(signal: number): void {
    if (signal === SIG.QUIT) return this.error(this.stats.status());
    if (signal !== SIG.INT && signal !== SIG.ALRM) return this.exit(128 + signal);
    this.exiting = true;
    if (this.sock !== undefined) this.loop();
  }

  override cleanup(): void {
    const { sim } = this.kernel.platform;
    sim.cancel(this.timer);
    sim.cancel(this.exitTimer);
    if (this.sock !== undefined) this.kernel.sockets.close(this.sock);
  }

  /** Sends what is due, then waits for the next time or message. */
  private loop(): void {
    const o = this.options;
    const s = this.stats;
    this.kernel.platform.sim.cancel(this.timer);
    if (this.exiting || (o.count > 0 && s.nreceived + s.nerrors >= o.count) || (o.deadline > 0 && s.nerrors > 0)) return this.finish();
    let next: number;
    do next = this.scheduleExit(this.pinger());
    while (next <= 0);
    this.timer = this.kernel.procs.wakeAfter(this, Math.max(next, 0) * 1e6, OP_NEXT);
  }

  private finish(): void {
    const o = this.options;
    const s = this.stats;
    const elapsed = this.startTime < 0 ? 0 : this.lastSend - this.startTime;
    this.print(s.summary(o.target, elapsed, { timing: this.timing, rate: this.interval === 0 || o.flood || o.adaptive }));
    this.exit(s.nreceived === 0 || (o.deadline > 0 && s.nreceived < o.count) ? 1 : 0);
  }

  /** Sends a probe when one is due; milliseconds until the next. */
  private pinger(): number {
    const o = this.options;
    const s = this.stats;
    if (this.exiting || (o.count > 0 && s.ntransmitted >= o.count && o.deadline === 0)) return 1000;
    const now = this.kernel.now();
    if (this.startTime < 0) {
      this.startTime = now;
      this.lastSend = now;
      this.tokens = this.interval * (o.preload - 1);
    } else {
      let tokens = Math.trunc((now - this.lastSend) / 1e6);
      if (this.interval === 0 && tokens < MIN_INTERVAL_MS && s.inFlight >= o.preload) return MIN_INTERVAL_MS - tokens;
      tokens = Math.min(tokens + this.tokens, this.interval * o.preload);
      if (tokens < this.interval) return this.interval - tokens;
      this.lastSend = now;
      this.tokens = tokens - this.interval;
    }
    if (o.outstanding && s.ntransmitted > 0 && !s.isReceived(s.ntransmitted))
      this.print(`${this.stamp()}no answer yet for icmp_seq=${s.ntransmitted % 0x10000}\n`);
    return this.sendProbe();
  }

  private sendProbe(): number {
    const o = this.options;
    const s = this.stats;
    const { packet } = this;
    const seq = (s.ntransmitted + 1) & 0xffff;
    s.setReceived(s.ntransmitted + 1, false);
    packet[0] = this.family.echoRequest;
    packet.fill(0, 1, 4);
    packet[4] = this.identifier >> 8;
    packet[5] = this.identifier & 0xff;
    packet[6] = seq >> 8;
    packet[7] = seq & 0xff;
    if (this.timing) writeTimeval(packet, 8, this.kernel);
    this.family.checksum(packet);
    for (;;) {
      const n = this.kernel.sockets.sendmsg(
        this.sock as Sock,
        packet,
        this.destination(),
        this.confirm ? { flags: MSG.CONFIRM } : undefined,
      );
      if (n >= 0) {
        s.sent();
        if (!o.quiet && o.flood && ((o.preload < SCREEN_WIDTH && s.pipesize < SCREEN_WIDTH) || s.inFlight < SCREEN_WIDTH)) this.print('.');
        return this.interval - this.tokens;
      }
      const r = this.sendFailed(-n);
      if (r !== undefined) return r;
    }
  }

  private destination(): { family: 2; addr: Uint8Array; port: number } | { family: 10; addr: Uint8Array; port: number; scope_id: number } {
    const { bytes, scope } = this.target;
    return bytes.length === 4 ? { family: 2, addr: bytes, port: 0 } : { family: 10, addr: bytes, port: 0, scope_id: scope };
  }

  /** A failed send: milliseconds until the next try, undefined to try again at once. */
  private sendFailed(errno: number): number | undefined {
    const s = this.stats;
    if (errno === Errno.ENOBUFS || errno === Errno.ENOMEM) {
      this.tokens = 0;
      return Math.max(this.interval, MIN_INTERVAL_MS);
    }
    if (errno === Errno.EAGAIN) {
      this.tokens += this.interval;
      return MIN_INTERVAL_MS;
    }
    const reported = this.receiveErrors();
    if (reported === 0) return undefined;
    s.sent();
    if (reported > 0 && !this.options.quiet) {
      if (this.options.flood) this.print('E');
      else this.error(`ping: sendmsg: ${strerror(errno)}\n`);
    }
    this.tokens = 0;
    return Math.max(this.interval, MIN_INTERVAL_MS);
  }

  /** After the last probe: how long to wait for its reply. */
  private scheduleExit(next: number): number {
    const o = this.options;
    const s = this.stats;
    if (o.count === 0 || s.ntransmitted < o.count || o.deadline > 0 || this.waitMicros > 0) return next;
    this.waitMicros = s.nreceived > 0 ? Math.max(2 * s.tmax, 1000 * this.interval) : o.linger * 1000;
    if (this.waitMicros > 0) this.exitTimer = this.kernel.procs.wakeAfter(this, this.waitMicros * 1000, OP_LAST_WAIT);
    return Math.max(next, Math.trunc(this.waitMicros / 1000), this.waitMicros > 0 ? 1 : next);
  }

  private receive(): void {
    const sock = this.sock as Sock;
    for (;;) {
      const m = this.kernel.sockets.recvmsg(sock, 0x10000 + 128, MSG.DONTWAIT);
      if (typeof m !== 'number') this.family.parseReply(this, m);
      else if (this.receiveErrors() === NO_ERROR && m === -Errno.EAGAIN) return;
      if (this.exited) return;
    }
  }

  /** One entry of the error queue (see PingFamily), NO_ERROR when it is empty. */
  private receiveErrors(): number {
    const m = this.kernel.sockets.recvmsg(this.sock as Sock, 512, MSG.ERRQUEUE | MSG.DONTWAIT);
    return typeof m === 'number' ? NO_ERROR : this.family.receiveError(this, m);
  }

  // what the families share

  /** A reply of ours: counts and prints it. `data` is the ICMP message. */
  gather(
    data: Uint8Array,
    message: Message,
    options: {
      readonly from: string;
      readonly ttl: number;
      readonly badChecksum: boolean;
      readonly wrongSource: boolean;
      readonly tail: string;
    },
  ): void {
    const s = this.stats;
    const o = this.options;
    const seq = (data[6] << 8) | data[7];
    s.nreceived++;
    if (!options.badChecksum) s.acknowledge(seq);
    let trip: number | undefined;
    if (this.timing && data.length >= 8 + TIMEVAL) {
      trip = Math.max(0, microseconds(o.latency ? this.kernel.now() : message.tstamp) - readTimeval(data, 8, this.kernel));
      if (!options.badChecksum) {
        s.trip(trip);
        if (o.adaptive) this.interval = Math.trunc(((s.rtt > 0 ? Math.trunc(s.rtt / 8) : this.interval * 1000) + 500) / 1000);
      }
    }
    let duplicate = false;
    if (options.badChecksum) {
      s.nchecksum++;
      s.nreceived--;
    } else if (s.isReceived(seq)) {
      s.nrepeats++;
      s.nreceived--;
      duplicate = true;
    } else s.setReceived(seq, true);
    this.confirm = true;
    if (o.quiet) return;
    if (o.flood) return this.print(options.badChecksum ? '\bC' : '\b \b');
    let out = `${this.stamp()}${data.length} bytes from ${options.from}: icmp_seq=${seq}`;
    if (o.verbose) out += ` ident=${this.identifier}`;
    if (options.ttl >= 0) out += ` ttl=${options.ttl}`;
    if (data.length < o.size + 8) return this.print(`${out} (truncated)\n${options.tail}\n`);
    if (trip !== undefined) out += ` time=${tripText(trip)} ms`;
    if (duplicate && (!this.multicast || o.verbose)) out += ' (DUP!)';
    if (options.badChecksum) out += ' (BAD CHECKSUM!)';
    if (options.wrongSource) out += ' (DIFFERENT ADDRESS!)';
    this.print(`${out}${this.wrongData(data)}${options.tail}${o.audible ? '\x07' : ''}\n`);
  }

  private wrongData(data: Uint8Array): string {
    const from = 8 + (this.timing ? TIMEVAL : 0);
    for (let i = from; i < this.packet.length; i++) {
      if (data[i] === this.packet[i]) continue;
      return `\nwrong data byte #${i - 8} should be 0x${this.packet[i].toString(16)} but was 0x${data[i].toString(16)}`;
    }
    return '';
  }

  /** The time prefix of -D. */
  stamp(): string {
    if (!this.options.timestamps) return '';
    const now = this.kernel.now();
    return `[${this.kernel.rtc + Math.floor(now / 1e9)}.${String(Math.floor((now % 1e9) / 1e3)).padStart(6, '0')}] `;
  }

  /** An address with its name when names are wanted: 'localhost (127.0.0.1)'. */
  peerName(bytes: Uint8Array, scope: number): string {
    const text = addressWithZone(this, bytes, scope);
    if (this.options.numeric || this.target.numeric) return text;
    const name = reverse(this, bytes);
    return name === undefined ? text : `${name} (${text})`;
  }

  /** An ICMP error about one of our probes. */
  networkError(seq: number, from: string, text: string): void {
    const s = this.stats;
    s.acknowledge(seq);
    s.nerrors++;
    if (this.options.quiet) return;
    if (this.options.flood) this.print('\bE');
    else this.print(`${this.stamp()}From ${from} icmp_seq=${seq} ${text}\n`);
  }

  /** An error that our own machine made. */
  localError(errno: number, mtu: number): void {
    this.stats.nerrors++;
    if (this.options.quiet) return;
    if (this.options.flood) this.print('E');
    else if (errno !== Errno.EMSGSIZE) this.error(`ping: local error: ${strerror(errno)}\n`);
    else this.error(`ping: local error: message too long, mtu=${mtu}\n`);
  }
}

/** Microseconds since boot, the unit of round trips. */
const microseconds = (ns: number): number => Math.floor(ns / 1000);

function writeTimeval(b: Uint8Array, at: number, kernel: Kernel): void {
  const now = kernel.now();
  const view = new DataView(b.buffer, b.byteOffset);
  view.setUint32(at, kernel.rtc + Math.floor(now / 1e9), true);
  view.setUint32(at + 4, 0, true);
  view.setUint32(at + 8, Math.floor((now % 1e9) / 1e3), true);
  view.setUint32(at + 12, 0, true);
}

/** The stamp of `writeTimeval` in microseconds since boot. */
function readTimeval(b: Uint8Array, at: number, kernel: Kernel): number {
  const view = new DataView(b.buffer, b.byteOffset);
  return (view.getUint32(at, true) - kernel.rtc) * 1e6 + view.getUint32(at + 8, true);
}
