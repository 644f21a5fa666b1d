// iperf3 -s: one test after the other.
import { Errno, strerror } from '../../base/errno.ts';
import { bytesToText } from '../../base/byte_text.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { SOCK, type Sock, type SockAddr } from '../../kernel/sock.ts';
import { resolve } from '../ping/resolver.ts';
import { COOKIE_SIZE, ControlChannel, type Params, type Results, STATE, UDP_CONNECT_REPLY } from './protocol.ts';
import { SERVER_LINE } from './report.ts';
import { IperfStream } from './stream.ts';
import { address, IperfTest, OP } from './test.ts';

/** A TCP connection of which the cookie is still to come. */
interface Newcomer {
  readonly channel: ControlChannel;
}

export class IperfServer extends IperfTest {
  private listener: Sock | undefined;
  private udpListener: Sock | undefined;
  private readonly newcomers: Newcomer[] = [];
  private tests = 0;
  private phase: 'idle' | 'params' | 'streams' | 'running' | 'results' | 'display' = 'idle';

  main(): void {
    const { sockets } = this.kernel;
    const o = this.options;
    const where = o.bind === '' ? undefined : resolve(this, o.bind, o.family);
    if (typeof where === 'string') return this.fail(`unable to start listener for connections: ${where}`);
    const family = where?.family ?? (o.family === AF.INET ? AF.INET : AF.INET6);
    const s = sockets.socket(this.net, family, SOCK.STREAM, 0);
    if (typeof s === 'number') return this.fail(`unable to start listener for connections: ${strerror(s)}`);
    sockets.own(s, this);
    sockets.setsockopt(s, 'SO_REUSEADDR', 1);
    const r = sockets.bind(s, this.local(family, where?.bytes));
    const l = r < 0 ? r : sockets.listen(s, 2147483647);
    if (l < 0) {
      sockets.close(s);
      return this.fail(`unable to start listener for connections: ${strerror(l)}`);
    }
    this.listener = s;
    sockets.waitFor(s, this, OP.LISTEN);
    this.banner();
  }
  private local(family: number, bytes: Uint8Array | undefined): SockAddr {
    const addr = bytes ?? new Uint8Array(family === AF.INET ? 4 : 16);
    return family === AF.INET ? { family: 2, addr, port: this.options.port } : { family: 10, addr, port: this.options.port, scope_id: 0 };
  }
  private fail(what: string): void {
    this.error(`iperf3: error - ${what}\n`);
    this.exit(1);
  }
  private banner(): void {
    this.tests++;
    this.say(`${SERVER_LINE}Server listening on ${this.options.port} (test #${this.tests})\n${SERVER_LINE}`);
  }

  protected override onOther(op: number, arg: unknown): void {
    if (op === OP.LISTEN) return this.accept();
    if (op === OP.UDP) return this.udpHello(arg as Sock);
    if (op === OP.TIMEOUT) this.readNewcomers();
  }

  private accept(): void {
    const { sockets } = this.kernel;
    for (;;) {
      const c = this.listener === undefined ? -Errno.EAGAIN : sockets.accept(this.listener);
      if (typeof c === 'number') break;
      sockets.own(c, this);
      this.newcomers.push({ channel: new ControlChannel(c, sockets) });
      sockets.waitFor(c, this, OP.TIMEOUT);
    }
    this.readNewcomers();
  }

  private readNewcomers(): void {
    for (const n of this.newcomers.slice()) {
      n.channel.sock.woken = false;
      const cookie = n.channel.take(COOKIE_SIZE);
      if (cookie === undefined) {
        if (n.channel.closed) this.drop(n);
        continue;
      }
      this.newcomers.splice(this.newcomers.indexOf(n), 1);
      this.arrived(n.channel, bytesToText(cookie.subarray(0, COOKIE_SIZE - 1)));
    }
  }
  private drop(n: Newcomer): void {
    this.newcomers.splice(this.newcomers.indexOf(n), 1);
    this.kernel.sockets.close(n.channel.sock);
  }

  /** A control connection when idle; a stream of the running test by its cookie; anybody else is turned away. */
  private arrived(channel: ControlChannel, cookie: string): void {
    const { sockets } = this.kernel;
    if (this.phase === 'idle') {
      this.control = channel;
      this.cookie = cookie;
      sockets.setsockopt(channel.sock, 'TCP_NODELAY', 1);
      sockets.waitFor(channel.sock, this, OP.CONTROL);
      const peer = sockets.getpeername(channel.sock);
      if (typeof peer !== 'number' && peer.family !== 17) this.say(`Accepted connection from ${address(peer.addr)}, port ${peer.port}\n`);
      this.phase = 'params';
      channel.sendState(STATE.PARAM_EXCHANGE);
      this.onControl();
    } else if (this.phase === 'streams' && cookie === this.cookie && this.params?.udp !== true) this.addStream(channel.sock);
    else {
      channel.sendState(STATE.ACCESS_DENIED);
      sockets.close(channel.sock);
    }
  }

  private addStream(sock: Sock): void {
    const p = this.params as Params;
    const sends = p.reverse === true;
    const { sockets } = this.kernel;
    if (p.udp !== true) {
      if (p.nodelay === true) sockets.setsockopt(sock, 'TCP_NODELAY', 1);
      if (p.congestion !== undefined) sockets.setsockopt(sock, 'TCP_CONGESTION', p.congestion);
    }
    const s = new IperfStream(
      this.kernel,
      sock,
      5 + 2 * this.streams.length + (this.streams.length > 0 && p.udp === true ? -1 : 0),
      sends,
      p.udp === true,
      new Uint8Array(p.len),
    );
    this.streams.push(s);
    this.announce(s);
    if (this.streams.length < p.parallel) {
      if (p.udp === true) this.listenUdp();
      return;
    }
    const control = this.control as ControlChannel;
    this.phase = 'running';
    this.sendsHere = sends;
    control.sendState(STATE.TEST_START);
    control.sendState(STATE.TEST_RUNNING);
    this.begin();
  }

  private listenUdp(): void {
    const { sockets } = this.kernel;
    const name = sockets.getsockname((this.control as ControlChannel).sock);
    const family = typeof name === 'number' ? AF.INET6 : name.family;
    const s = sockets.socket(this.net, family, SOCK.DGRAM, 0);
    if (typeof s === 'number') return this.abort();
    sockets.own(s, this);
    sockets.setsockopt(s, 'SO_REUSEADDR', 1);
    if (sockets.bind(s, this.local(family, undefined)) < 0) {
      sockets.close(s);
      return this.abort();
    }
    this.udpListener = s;
    sockets.waitFor(s, this, OP.UDP);
  }
  private udpHello(sock: Sock): void {
    const { sockets } = this.kernel;
    if (sock !== this.udpListener) return;
    const m = sockets.recvmsg(sock, 2048, 0);
    if (typeof m === 'number' || m.from === undefined) return;
    this.udpListener = undefined;
    sockets.connect(sock, m.from);
    const reply = new Uint8Array(4);
    new DataView(reply.buffer).setUint32(0, UDP_CONNECT_REPLY, true);
    sockets.sendmsg(sock, reply);
    this.addStream(sock);
  }

  protected onControl(): void {
    const control = this.control;
    if (control === undefined) return;
    control.sock.woken = false;
    while (this.control === control) {
      if (this.phase === 'params') {
        const json = control.takeJson();
        if (json === undefined) break;
        this.params = json as Params;
        this.phase = 'streams';
        if (this.params.udp === true) this.listenUdp();
        control.sendState(STATE.CREATE_STREAMS);
        continue;
      }
      if (this.phase === 'results') {
        const json = control.takeJson();
        if (json === undefined) break;
        this.remote = json as Results;
        control.sendJson(this.results());
        this.phase = 'display';
        this.summary();
        control.sendState(STATE.DISPLAY_RESULTS);
        continue;
      }
      const state = control.takeState();
      if (state === undefined) break;
      if (state === STATE.TEST_END) {
        this.drain();
        this.stopRun();
        this.phase = 'results';
        control.sendState(STATE.EXCHANGE_RESULTS);
      } else if (state === STATE.IPERF_DONE) return this.nextTest();
      else if (state === STATE.CLIENT_TERMINATE) {
        if (this.running && !this.done) {
          this.stopRun();
          this.summary();
        }
        this.error('iperf3: the client has terminated\n');
        return this.nextTest();
      }
    }
    if (control.closed && this.control === control) {
      if (this.phase !== 'display') this.error('iperf3: error - the client has unexpectedly closed the connection\n');
      this.nextTest();
    }
  }
  private drain(): void {
    if (!this.sendsHere) for (const s of this.streams) s.receive();
  }
  private abort(): void {
    this.control?.sendState(STATE.SERVER_ERROR);
    this.nextTest();
  }

  private nextTest(): void {
    const { sockets } = this.kernel;
    this.printJson();
    this.closeStreams();
    this.streams.length = 0;
    if (this.control !== undefined) sockets.close(this.control.sock);
    if (this.udpListener !== undefined) sockets.close(this.udpListener);
    this.control = this.udpListener = undefined;
    this.params = this.remote = undefined;
    this.running = this.done = this.headerPrinted = false;
    this.phase = 'idle';
    if (this.options.oneOff) return this.exit(0);
    this.banner();
  }

  protected finishRun(): void {
    // the client decides when the test is over; what is asked for has been sent
  }
  protected streamFailed(): void {
    // the control connection tells why
  }

  override onSignal(signal: number): void {
    if (this.running && !this.done) {
      this.stopRun();
      this.summary();
    }
    this.control?.sendState(STATE.SERVER_TERMINATE);
    if (signal === 2 || signal === 15) this.error('iperf3: interrupt - the server has terminated\n');
    this.exit(signal === 2 || signal === 15 ? 1 : 128 + signal);
  }
  override cleanup(): void {
    super.cleanup();
    const { sockets } = this.kernel;
    for (const n of this.newcomers) sockets.close(n.channel.sock);
    for (const s of [this.listener, this.udpListener]) if (s !== undefined) sockets.close(s);
  }
}
