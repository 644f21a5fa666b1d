// nc(1) of OpenBSD as Debian ships it: TCP and UDP connections and listeners from the command line.
import { Errno, strerror } from '../../base/errno.ts';
import { bytesToText, textToBytes } from '../../base/byte_text.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { Process } from '../../kernel/process.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { POLL, SOCK, type Sock, type SockAddr } from '../../kernel/sock.ts';
import { formatAddress } from '../iproute/args.ts';
import { getopt } from '../ping/getopt.ts';
import { resolve, type Resolved } from '../ping/resolver.ts';
import { portName, portOf } from '../tcpdump/services.ts';

const OP_SOCKET = 1;
const OP_TIMEOUT = 2;
const OP_LISTEN = 3;
const OP_PROBE = 4;
const OP_QUIT = 5;
const BUFFER = 16384;
/** Seconds that a host is given to refuse a datagram. */
const UDP_SCAN_TIMEOUT = 3;
const SPEC = '46bCDdFhklNnrStUuvZza:e:H:I:i:M:m:O:o:P:p:q:R:s:T:V:w:W:X:x:';
const USAGE = `usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
\t  [destination] [port]
`;
const NOT_MODELLED = 'bCDFhmMOPRSTUVWxXZHaeIoi';

export class NcProcess extends Process {
  private family = 0;
  private listening = false;
  private keep = false;
  private udp = false;
  private verbose = false;
  private zero = false;
  private numeric = false;
  private shutdownAtEof = false;
  private noStdin = false;
  private quit = -1;
  private wait = 0;
  private localPort = '';
  private source = '';
  private host = '';
  private ports: number[] = [];
  private exitCode = 1;
  private server: Sock | undefined;
  private sock: Sock | undefined;
  private connecting = false;
  private addr: SockAddr | undefined;
  private timer: SimEvent | undefined;
  private quitTimer: SimEvent | undefined;
  private pending: Uint8Array = new Uint8Array(0);
  private sentEof = false;
  private probes = 0;

  main(): void {
    const parsed = getopt(this.argv.slice(1), SPEC);
    if (parsed.error !== undefined) return this.fail(`nc: ${parsed.error}\n${USAGE}`);
    for (const { letter, value = '' } of parsed.options) {
      if (NOT_MODELLED.includes(letter)) return this.fail(`nc: -${letter} is not modelled\n`);
      if (letter === '4') this.family = AF.INET;
      else if (letter === '6') this.family = AF.INET6;
      else if (letter === 'l') this.listening = true;
      else if (letter === 'k') this.keep = true;
      else if (letter === 'u') this.udp = true;
      else if (letter === 'v') this.verbose = true;
      else if (letter === 'z') this.zero = true;
      else if (letter === 'n') this.numeric = true;
      else if (letter === 'N') this.shutdownAtEof = true;
      else if (letter === 'd') this.noStdin = true;
      else if (letter === 'p') this.localPort = value;
      else if (letter === 's') this.source = value;
      else if (letter === 'q') this.quit = Number(value);
      else if (letter === 'w') {
        const seconds = Number(value);
        if (!Number.isInteger(seconds) || seconds < 0) return this.fail(`nc: timeout ${seconds < 0 ? 'too small' : 'invalid'}: ${value}\n`);
        this.wait = seconds * 1e9;
      }
    }
    const { operands } = parsed;
    if (this.listening) this.startServer(operands);
    else this.startClient(operands);
  }

  private fail(text: string): void {
    this.error(text);
    this.exit(1);
  }

  private portNumber(text: string): number {
    const n = Number(text);
    if (/^\d+$/.test(text) && n >= 1 && n <= 65535) return n;
    return portOf(text)?.port ?? -1;
  }

  private address(text: string): Resolved | undefined {
    const found = resolve(this, text, this.family);
    if (typeof found !== 'string') return found;
    this.fail(`nc: getaddrinfo for host "${text}" port ${this.ports.at(0) ?? this.localPort}: ${found}\n`);
    return undefined;
  }
  private sockAddr(a: Resolved, port: number): SockAddr {
    return a.family === AF.INET ? { family: 2, addr: a.bytes, port } : { family: 10, addr: a.bytes, port, scope_id: a.scope };
  }

  // listening

  private startServer(operands: readonly string[]): void {
    const [first, second] = operands;
    let host = '';
    let port = this.localPort;
    if (second !== undefined) [host, port] = [first, second];
    else if (first !== undefined) {
      if (this.localPort === '') port = first;
      else host = first;
    }
    if (port === '') return this.fail(USAGE);
    const number = this.portNumber(port);
    if (number < 0) return this.fail(`nc: port number ${/^\d+$/.test(port) ? 'too large' : 'invalid'}: ${port}\n`);
    const where = host === '' ? undefined : this.address(host);
    if (this.exited) return;
    const family = where?.family ?? (this.family === AF.INET6 ? AF.INET6 : AF.INET);
    const { sockets } = this.kernel;
    const s = sockets.socket(this.net, family, this.udp ? SOCK.DGRAM : SOCK.STREAM, 0);
    if (typeof s === 'number') return this.fail(`nc: ${strerror(s)}\n`);
    sockets.own(s, this);
    sockets.setsockopt(s, 'SO_REUSEADDR', 1);
    sockets.setsockopt(s, 'SO_REUSEPORT', 1);
    const any = family === AF.INET ? new Uint8Array(4) : new Uint8Array(16);
    const local: Resolved = where ?? { family, bytes: any, scope: 0, numeric: true };
    const bound = sockets.bind(s, this.sockAddr(local, number));
    if (bound < 0) {
      sockets.close(s);
      return this.fail(`nc: ${strerror(bound)}\n`);
    }
    this.server = s;
    if (this.verbose) this.error(`${this.udp ? 'Bound' : 'Listening'} on ${host === '' ? formatAddress(any) : host} ${number}\n`);
    if (this.udp) {
      this.sock = s;
      this.server = undefined;
      sockets.waitFor(s, this, OP_SOCKET);
      return this.readable();
    }
    const err = sockets.listen(s, 1);
    if (err < 0) return this.fail(`nc: listen: ${strerror(err)}\n`);
    sockets.waitFor(s, this, OP_LISTEN);
    if (this.wait > 0) this.timer = this.kernel.procs.wakeAfter(this, this.wait, OP_TIMEOUT);
  }

  private acceptNext(): void {
    if (this.server === undefined || this.sock !== undefined) return;
    const { sockets } = this.kernel;
    const c = sockets.accept(this.server);
    if (typeof c === 'number') return;
    sockets.own(c, this);
    this.sock = c;
    this.pending = new Uint8Array(0);
    this.sentEof = false;
    this.kernel.platform.sim.cancel(this.timer);
    if (this.verbose) {
      const peer = sockets.getpeername(c);
      if (typeof peer !== 'number' && peer.family !== 17) {
        this.error(`Connection received on ${formatAddress(peer.addr)} ${peer.port}\n`);
      }
    }
    if (!this.keep) {
      sockets.close(this.server);
      this.server = undefined;
    }
    this.startTransfer();
  }

  // connecting

  private startClient(operands: readonly string[]): void {
    const [host, port] = operands;
    if (host === undefined || port === undefined || operands.length > 2) return this.fail(USAGE);
    this.host = host;
    const range = /^(\d+)-(\d+)$/.exec(port);
    if (range !== null) {
      const [lo, hi] = [Number(range[1]), Number(range[2])].sort((a, b) => a - b);
      for (let p = lo; p <= hi; p++) this.ports.push(p);
    } else {
      const n = this.portNumber(port);
      if (n < 0)
        return this.fail(
          `nc: ${/^\d+$/.test(port) ? `port number ${Number(port) > 65535 ? 'too large' : 'too small'}` : 'service'} ${/^\d+$/.test(port) ? `: ${port}` : `"${port}" unknown`}\n`,
        );
      this.ports.push(n);
    }
    this.nextPort();
  }

  private nextPort(): void {
    const port = this.ports.at(0);
    if (port === undefined) return this.exit(this.exitCode);
    const a = this.address(this.host);
    if (a === undefined) return;
    const { sockets } = this.kernel;
    const s = sockets.socket(this.net, a.family, this.udp ? SOCK.DGRAM : SOCK.STREAM, 0);
    if (typeof s === 'number') return this.fail(`nc: ${strerror(s)}\n`);
    sockets.own(s, this);
    if (this.localPort !== '' || this.source !== '') {
      sockets.setsockopt(s, 'SO_REUSEADDR', 1);
      const from = this.source === '' ? undefined : resolve(this, this.source, a.family);
      if (typeof from === 'string') return this.fail(`nc: getaddrinfo: ${from}\n`);
      const any: Resolved = from ?? { family: a.family, bytes: new Uint8Array(a.family === AF.INET ? 4 : 16), scope: 0, numeric: true };
      const r = sockets.bind(s, this.sockAddr(any, this.localPort === '' ? 0 : this.portNumber(this.localPort)));
      if (r < 0) return this.fail(`nc: bind failed: ${strerror(r)}\n`);
    }
    this.sock = s;
    this.addr = this.sockAddr(a, port);
    this.connecting = true;
    sockets.waitFor(s, this, OP_SOCKET);
    const r = sockets.connect(s, this.addr);
    if (r === -Errno.EINPROGRESS) {
      if (this.wait > 0) this.timer = this.kernel.procs.wakeAfter(this, this.wait, OP_TIMEOUT);
      return;
    }
    this.connectDone(r);
  }

  /** `err`: 0 or -errno. */
  private connectDone(err: number): void {
    const port = this.ports.shift() as number;
    const { sockets } = this.kernel;
    this.connecting = false;
    this.kernel.platform.sim.cancel(this.timer);
    if (err < 0) {
      if (this.verbose) {
        const why = err === -Errno.EINPROGRESS ? `timed out: ${strerror(err)}` : `failed: ${strerror(err)}`;
        this.error(`nc: connect to ${this.host} port ${port} (${this.udp ? 'udp' : 'tcp'}) ${why}\n`);
      }
      if (this.sock !== undefined) sockets.close(this.sock);
      this.sock = undefined;
      this.nextPort();
      return;
    }
    this.exitCode = 0;
    if (this.udp && (this.zero || this.verbose)) return this.udpTest(port);
    this.announce(port);
    this.afterConnect();
  }
  private announce(port: number): void {
    if (!this.verbose) return;
    const a = this.addr;
    const text = a === undefined || a.family === 17 ? '' : formatAddress(a.addr);
    const shown = this.numeric || text === this.host ? this.host : `${this.host} (${text})`;
    const service = portName(port, this.udp ? 'udp' : 'tcp');
    const name = service === String(port) ? '*' : service;
    this.error(`Connection to ${shown} ${port} port [${this.udp ? 'udp' : 'tcp'}/${name}] succeeded!\n`);
  }
  private afterConnect(): void {
    if (!this.zero) return this.startTransfer();
    const { sockets } = this.kernel;
    if (this.sock !== undefined) sockets.close(this.sock);
    this.sock = undefined;
    this.nextPort();
  }

  /** A byte a second: an ICMP error to one says that nobody is there. */
  private udpTest(port: number): void {
    this.ports.unshift(port);
    this.probes = 0;
    this.udpProbe();
  }
  private udpProbe(): void {
    const { sockets } = this.kernel;
    const s = this.sock as Sock;
    const r = sockets.sendmsg(s, Uint8Array.of(0x58));
    this.probes++;
    const port = this.ports[0];
    if (r !== 1 && this.probes > 1) {
      this.exitCode = 1;
      this.ports.shift();
      sockets.close(s);
      this.sock = undefined;
      return this.nextPort();
    }
    if (this.probes <= (this.wait > 0 ? Math.floor(this.wait / 1e9) : UDP_SCAN_TIMEOUT)) {
      this.timer = this.kernel.procs.wakeAfter(this, 1e9, OP_PROBE);
      return;
    }
    this.ports.shift();
    this.announce(port);
    this.afterConnect();
  }

  // the stream

  private startTransfer(): void {
    const s = this.sock as Sock;
    this.kernel.sockets.waitFor(s, this, OP_SOCKET);
    if (this.wait > 0 && !this.listening) this.timer = this.kernel.procs.wakeAfter(this, this.wait, OP_TIMEOUT);
    this.onStdin();
    if (!this.exited) this.readable();
  }

  override onStdin(): void {
    if (this.sock === undefined || this.connecting || this.exited) return;
    if (!this.noStdin && this.stdinData !== '') {
      const more = textToBytes(this.stdinData);
      this.stdinData = '';
      const joined = new Uint8Array(this.pending.length + more.length);
      joined.set(this.pending);
      joined.set(more, this.pending.length);
      this.pending = joined;
    }
    this.flush();
  }

  private flush(): void {
    const { sockets } = this.kernel;
    const s = this.sock;
    while (s !== undefined && this.pending.length > 0) {
      const to = this.udp && this.listening ? this.addr : undefined;
      if (this.udp && this.listening && to === undefined) return;
      const n = sockets.sendmsg(s, this.pending.subarray(0, BUFFER), to);
      if (n === -Errno.EAGAIN) return;
      if (n < 0) return this.endTransfer();
      this.pending = this.pending.subarray(n);
    }
    if (s === undefined || !this.stdinEof || this.noStdin || this.pending.length > 0 || this.sentEof) return;
    this.sentEof = true;
    if (this.shutdownAtEof && !this.udp) sockets.shutdown(s, 2);
    if (this.quit === 0) return this.endTransfer();
    if (this.quit > 0) this.quitTimer = this.kernel.procs.wakeAfter(this, this.quit * 1e9, OP_QUIT);
  }

  private readable(): void {
    const { sockets } = this.kernel;
    for (;;) {
      const s = this.sock;
      if (s === undefined) return;
      const m = sockets.recvmsg(s, BUFFER, 0);
      if (m === -Errno.EAGAIN) return;
      if (typeof m === 'number') return this.endTransfer();
      if (this.udp && this.listening && this.addr === undefined && m.from !== undefined) this.addr = m.from;
      if (m.data.length === 0 && !this.udp) return this.endTransfer();
      this.print(bytesToText(m.data));
      if (this.wait > 0) {
        this.kernel.platform.sim.cancel(this.timer);
        this.timer = this.kernel.procs.wakeAfter(this, this.wait, OP_TIMEOUT);
      }
    }
  }

  private endTransfer(): void {
    const { sockets } = this.kernel;
    if (this.sock !== undefined) sockets.close(this.sock);
    this.sock = undefined;
    this.kernel.platform.sim.cancel(this.timer);
    if (this.listening && this.keep && this.server !== undefined) {
      sockets.waitFor(this.server, this, OP_LISTEN);
      this.acceptNext();
      return;
    }
    this.exit(this.listening ? 0 : this.exitCode);
  }

  override onEvent(op: number): void {
    const { sockets } = this.kernel;
    if (op === OP_LISTEN) return this.acceptNext();
    if (op === OP_PROBE) return this.udpProbe();
    if (op === OP_QUIT) return this.endTransfer();
    if (op === OP_TIMEOUT) {
      if (this.connecting) return this.connectDone(-Errno.EINPROGRESS);
      if (this.sock === undefined) return this.exit(1);
      return this.endTransfer();
    }
    const s = this.sock;
    if (s === undefined) return;
    if (this.connecting) {
      const err = sockets.getsockopt(s, 'SO_ERROR');
      if (err > 0) return this.connectDone(-err);
      if ((sockets.poll(s) & POLL.OUT) !== 0) {
        s.woken = false;
        this.connectDone(0);
      }
      return;
    }
    if (this.udp && !this.listening && this.zero) return;
    this.flush();
    if (!this.exited) this.readable();
  }

  override cleanup(): void {
    const { sim } = this.kernel.platform;
    for (const t of [this.timer, this.quitTimer]) sim.cancel(t);
    if (this.sock !== undefined) this.kernel.sockets.close(this.sock);
    if (this.server !== undefined) this.kernel.sockets.close(this.server);
    this.sock = this.server = undefined;
  }
}
