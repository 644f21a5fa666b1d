// iperf3 -c
import { Errno, strerror } from '../../base/errno.ts';
import { textToBytes } from '../../base/byte_text.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { SIG } from '../../kernel/process.ts';
import { POLL, SOCK, type Sock, type SockAddr } from '../../kernel/sock.ts';
import { resolve, type Resolved } from '../ping/resolver.ts';
import { COOKIE_SIZE, ControlChannel, type Params, type Results, STATE, UDP_CONNECT_MSG } from './protocol.ts';
import { IperfStream } from './stream.ts';
import { IperfTest, OP } from './test.ts';

const DEFAULT_TCP_BLOCK = 128 * 1024;
const COOKIE_CHARS = 'abcdefghijklmnopqrstuvwxyz234567';
const UNREACHABLE = 'unable to connect to server - server may have stopped running or use a different port, firewall issue, etc.';

export class IperfClient extends IperfTest {
  private target: Resolved | undefined;
  private pendingControl: Sock | undefined;
  private opening: Sock | undefined;
  private state = 0;
  private waitingResults = false;
  private block = 0;

  main(): void {
    const random = this.kernel.platform.sim.random(`${this.kernel.platform.machine}:iperf_cookie`);
    for (let i = 0; i < COOKIE_SIZE - 1; i++) this.cookie += COOKIE_CHARS[random.below(32)];
    const found = resolve(this, this.options.host, this.options.family);
    if (typeof found === 'string') return this.fail(`${UNREACHABLE}: ${found}`);
    this.target = found;
    const s = this.open(SOCK.STREAM, 0);
    if (typeof s === 'number') return this.fail(`${UNREACHABLE}: ${strerror(s)}`);
    this.pendingControl = s;
    this.kernel.sockets.waitFor(s, this, OP.CONTROL);
    const r = this.kernel.sockets.connect(s, this.addr(this.options.port));
    if (r < 0 && r !== -Errno.EINPROGRESS) return this.fail(`${UNREACHABLE}: ${strerror(r)}`);
    if (this.options.connectTimeout > 0) this.after(this.options.connectTimeout * 1e6, OP.TIMEOUT);
  }

  private fail(what: string): void {
    if (this.options.json) this.printJson(`error - ${what}`);
    else this.error(`iperf3: error - ${what}\n`);
    this.exit(1);
  }

  private addr(port: number): SockAddr {
    const t = this.target as Resolved;
    return t.family === AF.INET ? { family: 2, addr: t.bytes, port } : { family: 10, addr: t.bytes, port, scope_id: t.scope };
  }
  private open(type: number, localPort: number): Sock | number {
    const { sockets } = this.kernel;
    const t = this.target as Resolved;
    const s = sockets.socket(this.net, t.family, type, 0);
    if (typeof s === 'number') return s;
    sockets.own(s, this);
    if (this.options.bind !== '' || localPort !== 0) {
      const from = this.options.bind === '' ? undefined : resolve(this, this.options.bind, t.family);
      if (typeof from === 'string') return -Errno.EADDRNOTAVAIL;
      const bytes = from?.bytes ?? new Uint8Array(t.family === AF.INET ? 4 : 16);
      const r = sockets.bind(
        s,
        t.family === AF.INET ? { family: 2, addr: bytes, port: localPort } : { family: 10, addr: bytes, port: localPort, scope_id: 0 },
      );
      if (r < 0) {
        sockets.close(s);
        return r;
      }
    }
    return s;
  }

  protected onControl(): void {
    const { sockets } = this.kernel;
    if (this.control === undefined) {
      const s = this.pendingControl as Sock;
      const err = sockets.getsockopt(s, 'SO_ERROR');
      if (err > 0) return this.fail(`${UNREACHABLE}: ${strerror(err)}`);
      if ((sockets.poll(s) & POLL.OUT) === 0) return;
      s.woken = false;
      this.control = new ControlChannel(s, sockets);
      sockets.setsockopt(s, 'TCP_NODELAY', 1);
      const cookie = new Uint8Array(COOKIE_SIZE);
      cookie.set(textToBytes(this.cookie));
      sockets.sendmsg(s, cookie);
      this.say(`Connecting to host ${this.options.host}, port ${this.options.port}\n`);
      if (this.options.reverse) this.say(`Reverse mode, remote host ${this.options.host} is sending\n`);
    }
    this.readControl();
  }

  private readControl(): void {
    const control = this.control as ControlChannel;
    while (!this.exited) {
      if (this.waitingResults) {
        const json = control.takeJson();
        if (json === undefined) break;
        this.remote = json as Results;
        this.waitingResults = false;
        continue;
      }
      const state = control.takeState();
      if (state === undefined) break;
      this.handle(state);
    }
    if (!this.exited && control.closed && this.state !== STATE.IPERF_DONE) {
      if (control.error !== 0)
        return this.fail(
          `unable to receive control message - port may not be available, the other side may have stopped running, etc.: ${strerror(control.error)}`,
        );
      this.fail('control socket has closed unexpectedly');
    }
  }

  private handle(state: number): void {
    const control = this.control as ControlChannel;
    this.state = state;
    switch (state) {
      case STATE.PARAM_EXCHANGE:
        this.params = this.makeParams();
        control.sendJson(this.params);
        return;
      case STATE.CREATE_STREAMS:
        return this.openStream();
      case STATE.TEST_START:
        return;
      case STATE.TEST_RUNNING: {
        this.sendsHere = !this.options.reverse;
        this.begin();
        const p = this.params as Params;
        if (p.time > 0) this.after((p.time + p.omit) * 1e9, OP.END);
        return;
      }
      case STATE.EXCHANGE_RESULTS:
        control.sendJson(this.results());
        this.waitingResults = true;
        return;
      case STATE.DISPLAY_RESULTS:
        return this.finish();
      case STATE.ACCESS_DENIED:
        return this.fail('the server is busy running a test. try again later');
      case STATE.SERVER_TERMINATE:
        return this.fail('the server has terminated');
      case STATE.SERVER_ERROR:
        return this.fail('the server reported an error');
      default:
    }
  }

  private makeParams(): Params {
    const o = this.options;
    const { sockets } = this.kernel;
    const mss = sockets.getsockopt((this.control as ControlChannel).sock, 'TCP_MAXSEG');
    this.block = o.length !== 0 ? o.length : o.udp ? (mss > 0 ? mss : 1460) : DEFAULT_TCP_BLOCK;
    return {
      ...(o.udp ? { udp: true } : { tcp: true }),
      omit: o.omit,
      time: o.time,
      num: o.bytes,
      blockcount: o.blocks,
      ...(o.mss > 0 ? { MSS: o.mss } : {}),
      ...(o.noDelay ? { nodelay: true } : {}),
      parallel: o.parallel,
      ...(o.reverse ? { reverse: true } : {}),
      ...(o.window > 0 ? { window: o.window } : {}),
      len: this.block,
      ...(o.rate > 0 ? { bandwidth: o.rate } : {}),
      pacing_timer: 1000,
      ...(o.tos !== 0 ? { TOS: o.tos } : {}),
      ...(o.congestion !== '' ? { congestion: o.congestion } : {}),
      client_version: '3.12',
    };
  }

  /** The next of the data connections; the test starts when the server has all of them. */
  private openStream(): void {
    const { sockets } = this.kernel;
    const o = this.options;
    if (this.streams.length >= o.parallel) return;
    const port = o.clientPort === 0 ? 0 : o.clientPort + this.streams.length;
    const s = this.open(o.udp ? SOCK.DGRAM : SOCK.STREAM, port);
    if (typeof s === 'number') return this.fail(`unable to connect stream: ${strerror(s)}`);
    if (!o.udp) {
      if (o.noDelay) sockets.setsockopt(s, 'TCP_NODELAY', 1);
      if (o.mss > 0) sockets.setsockopt(s, 'TCP_MAXSEG', o.mss);
      if (o.congestion !== '') {
        const r = sockets.setsockopt(s, 'TCP_CONGESTION', o.congestion);
        if (r < 0) return this.fail(`unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host`);
      }
      if (o.pacingRate > 0) sockets.setsockopt(s, 'SO_MAX_PACING_RATE', Math.floor(o.pacingRate / 8));
    }
    if (o.window > 0) {
      sockets.setsockopt(s, 'SO_RCVBUF', o.window);
      sockets.setsockopt(s, 'SO_SNDBUF', o.window);
    }
    if (o.tos !== 0) sockets.setsockopt(s, 'IP_TOS', o.tos);
    this.opening = s;
    sockets.waitFor(s, this, OP.UDP);
    const r = sockets.connect(s, this.addr(o.port));
    if (r < 0 && r !== -Errno.EINPROGRESS) return this.fail(`unable to connect stream: ${strerror(r)}`);
    if (o.udp) {
      const msg = new Uint8Array(4);
      new DataView(msg.buffer).setUint32(0, UDP_CONNECT_MSG, true);
      sockets.sendmsg(s, msg);
    }
  }

  private streamReady(): void {
    const { sockets } = this.kernel;
    const s = this.opening;
    if (s === undefined) return;
    const o = this.options;
    const err = sockets.getsockopt(s, 'SO_ERROR');
    if (err > 0) return this.fail(`unable to connect stream: ${strerror(err)}`);
    if (o.udp) {
      const m = sockets.recvmsg(s, 64, 0);
      if (typeof m === 'number') return;
    } else {
      if ((sockets.poll(s) & POLL.OUT) === 0) return;
      const cookie = new Uint8Array(COOKIE_SIZE);
      cookie.set(textToBytes(this.cookie));
      sockets.sendmsg(s, cookie);
    }
    s.woken = false;
    this.opening = undefined;
    const stream = new IperfStream(this.kernel, s, 5 + 2 * this.streams.length, !o.reverse, o.udp, new Uint8Array(this.block));
    this.streams.push(stream);
    if (this.streams.length < o.parallel) return this.openStream();
    for (const x of this.streams) this.announce(x);
    this.readControl();
  }

  protected override onOther(op: number): void {
    if (op === OP.UDP) return this.streamReady();
    if (op === OP.TIMEOUT && this.control === undefined) return this.fail(`${UNREACHABLE}: Operation now in progress`);
    if (op === OP.END) this.finishRun();
  }

  protected override onStream(sock: Sock): void {
    super.onStream(sock);
    const p = this.params;
    if (!this.running || this.done || this.sendsHere || p === undefined || p.time > 0) return;
    const bytes = this.streams.reduce((n, s) => n + s.bytes, 0);
    if ((p.num > 0 && bytes >= p.num) || (p.blockcount > 0 && bytes >= p.blockcount * this.block)) this.finishRun();
  }

  protected finishRun(): void {
    if (this.done) return;
    this.stopRun();
    (this.control as ControlChannel).sendState(STATE.TEST_END);
  }
  protected streamFailed(err: number): void {
    this.fail(`unable to write to stream socket: ${strerror(err)}`);
  }

  private finish(): void {
    this.summary();
    this.state = STATE.IPERF_DONE;
    (this.control as ControlChannel).sendState(STATE.IPERF_DONE);
    this.printJson();
    this.say('\niperf Done.\n');
    this.exit(0);
  }

  override onSignal(signal: number): void {
    if (signal !== SIG.INT && signal !== SIG.TERM) return this.exit(128 + signal);
    if (this.running && !this.done) {
      this.stopRun();
      this.summary();
      this.printJson();
    }
    this.control?.sendState(STATE.CLIENT_TERMINATE);
    this.error('iperf3: interrupt - the client has terminated\n');
    this.exit(1);
  }

  override cleanup(): void {
    super.cleanup();
    for (const s of [this.opening, this.control === undefined ? this.pendingControl : undefined])
      if (s !== undefined) this.kernel.sockets.close(s);
  }
}
