// traceroute(8), Debian's 2.1.2: the routers on the way, asked with UDP or ICMP probes of growing TTL, sixteen at a time.
import { Errno, strerror } from '../../base/errno.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { MSG, SO_EE_ORIGIN, SOCK, type Message, type Sock, type SockAddr } from '../../kernel/sock.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ByteMem } from '../../base/memory.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { getopt } from '../ping/getopt.ts';
import { resolve, reverse } from '../ping/resolver.ts';
import { ToolExit } from '../tool.ts';
import { errorMark, parseTraceOptions, type TraceOptions } from './options.ts';

const OP_SOCKET = 1;
const OP_TIMEOUT = 2;
/** Added to a round trip before it is multiplied: 1 ms. */
const WAIT_PRECISION = 1e6;
const UDP_HEADER = 8;
const ICMP_ECHO = 8;
const ICMP_ECHO_REPLY = 0;

/** One probe; times in ns, -1: not yet. */
class Probe {
  sent = -1;
  received = -1;
  done = false;
  /** The destination answered, or nothing beyond can. */
  final = false;
  from: Uint8Array | undefined;
  mark = '';
  sk: Sock | undefined;
}

export class TracerouteProcess extends Process {
  private opt!: TraceOptions;
  private target: Uint8Array = new Uint8Array(4);
  private scope = 0;
  private family: number = AF.INET;
  private probes: Probe[] = [];
  /** The first probe that is not printed, and the end of those to be sent. */
  private first = 0;
  private end = 0;
  private port = 0;
  /** The one socket of ICMP probes, and their identifier. */
  private icmp: Sock | undefined;
  private ident = 0;
  private timer: SimEvent | undefined;

  main(): void {
    try {
      this.start();
      this.step();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      this.exit(e.status);
    }
  }

  private start(): void {
    const parsed = getopt(this.argv.slice(1), '46nIUTFdreAMf:m:q:w:p:s:i:N:t:z:');
    this.opt = parseTraceOptions(parsed);
    const [host] = parsed.operands;
    const found = resolve(this, host, this.opt.family);
    if (typeof found === 'string')
      throw new ToolExit(
        2,
        `${host}: ${found}\nCannot handle "host" cmdline arg \`${host}' on position 1 (argc ${this.argv.indexOf(host)})\n`,
      );
    this.family = found.family;
    this.target = found.bytes;
    this.scope = found.scope;
    if (this.opt.icmp && this.family === AF.INET6) throw new ToolExit(1, 'traceroute: ICMPv6 probes are not modelled\n');
    const { maxHops, perHop, firstHop } = this.opt;
    this.probes = Array.from({ length: maxHops * perHop }, () => new Probe());
    this.first = (firstHop - 1) * perHop;
    this.end = this.probes.length;
    this.port = this.opt.port;
    this.ident = this.pid & 0xffff;
    const bytes = (this.family === AF.INET6 ? 40 : 20) + this.opt.dataLength;
    this.print(`traceroute to ${host} (${formatAddress(this.target)}), ${maxHops} hops max, ${bytes} byte packets`);
  }

  override onEvent(op: number): void {
    if (this.exited) return;
    try {
      if (op === OP_SOCKET) this.receiveAll();
      this.step();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      this.exit(e.status);
    }
  }
  override onSignal(signal: number): void {
    this.exit(128 + (signal === 0 ? SIG.TERM : signal));
  }
  override cleanup(): void {
    this.kernel.platform.sim.cancel(this.timer);
    for (const p of this.probes) this.close(p);
    if (this.icmp !== undefined) this.kernel.sockets.close(this.icmp);
  }

  /** Prints what is known in order, sends as many as may be under way, and waits. */
  private step(): void {
    const { perHop, parallel } = this.opt;
    const now = this.kernel.now();
    let pending = 0;
    let expires = -1;
    for (let n = this.first; n < this.end; n++) {
      const p = this.probes[n];
      if (n === this.first && !p.done && p.sent >= 0) {
        expires = p.sent + this.patience(n);
        if (now >= expires) {
          p.done = true;
          this.close(p);
          expires = -1;
        }
      }
      if (p.done) {
        if (n === this.first) {
          this.printProbe(n);
          this.first++;
        }
        if (p.final) this.end = (Math.floor(n / perHop) + 1) * perHop;
        continue;
      }
      if (p.sent < 0) this.send(p, Math.floor(n / perHop) + 1, n);
      if (++pending >= parallel) break;
    }
    if (this.first >= this.end) {
      this.print('\n');
      return this.exit(0);
    }
    const oldest = this.probes[this.first];
    if (expires < 0) expires = oldest.sent + this.patience(this.first);
    this.kernel.platform.sim.cancel(this.timer);
    this.timer = this.kernel.procs.wakeAfter(this, Math.max(expires - now, 1e6), OP_TIMEOUT);
  }

  /** How long to wait for a probe: less once its hop, or a farther one, has answered. */
  private patience(n: number): number {
    const { perHop, wait, here, near } = this.opt;
    const most = wait * 1e9;
    const hop = n - (n % perHop);
    for (let i = hop; here > 0 && i < hop + perHop; i++) {
      const p = this.probes[i];
      if (p.received >= 0) return Math.min((p.received - p.sent + WAIT_PRECISION) * here, most);
    }
    for (let i = hop + perHop; near > 0 && i < this.end; i++) {
      const p = this.probes[i];
      if (p.received >= 0) return Math.min((p.received - p.sent + WAIT_PRECISION) * near, most);
    }
    return most;
  }

  private address(port: number): SockAddr {
    return this.family === AF.INET6
      ? { family: 10, addr: this.target, port, scope_id: this.scope }
      : { family: 2, addr: this.target, port };
  }

  private fail(what: string, errno: number): never {
    throw new ToolExit(1, `\n${what}: ${strerror(errno)}\n`);
  }

  private open(type: number, protocol: number, port: number): Sock {
    const { sockets } = this.kernel;
    if (type === SOCK.RAW && this.uid !== 0)
      throw new ToolExit(1, 'You do not have enough privileges to use this traceroute method.\nsocket: Operation not permitted\n');
    const sk = sockets.socket(this.net, this.family, type, protocol);
    if (typeof sk === 'number') return this.fail('socket', sk);
    if (this.opt.device !== undefined) {
      const bound = sockets.setsockopt(sk, 'SO_BINDTODEVICE', this.opt.device);
      if (bound < 0) this.fail(`setsockopt SO_BINDTODEVICE`, bound);
    }
    if (this.opt.source !== undefined) {
      const bound = sockets.bind(sk, { family: 2, addr: this.opt.source, port: 0 });
      if (bound < 0) this.fail('bind', bound);
    }
    const connected = sockets.connect(sk, this.address(port));
    if (connected < 0) this.fail('connect', connected);
    sockets.setsockopt(sk, this.family === AF.INET6 ? 'IPV6_RECVERR' : 'IP_RECVERR', 1);
    sockets.waitFor(sk, this, OP_SOCKET);
    return sk;
  }

  private send(p: Probe, ttl: number, n: number): void {
    const { sockets } = this.kernel;
    const { icmp } = this.opt;
    if (icmp) this.icmp ??= this.open(SOCK.RAW, 1, 0);
    else p.sk = this.open(SOCK.DGRAM, 0, this.port++);
    const sk = (icmp ? this.icmp : p.sk) as Sock;
    sockets.setsockopt(sk, this.family === AF.INET6 ? 'IPV6_UNICAST_HOPS' : 'IP_TTL', ttl);
    const data = icmp ? this.echo(n) : pattern(this.opt.dataLength - UDP_HEADER);
    p.sent = this.kernel.now();
    const r = sockets.sendmsg(sk, data);
    if (r < 0 && r !== -Errno.ENOBUFS) this.fail('send', r);
  }

  /** An echo request that carries the probe's number. */
  private echo(n: number): Uint8Array {
    const bytes = pattern(Math.max(this.opt.dataLength, UDP_HEADER));
    const mem = new ByteMem(bytes);
    mem.setU16be(0, ICMP_ECHO << 8);
    mem.setU16be(2, 0);
    mem.setU16be(4, this.ident);
    mem.setU16be(6, n + 1);
    mem.setU16be(2, csumFold(csumPartial(mem, 0, bytes.length)));
    return bytes;
  }

  private close(p: Probe): void {
    if (p.sk !== undefined) this.kernel.sockets.close(p.sk);
    p.sk = undefined;
  }

  private receiveAll(): void {
    if (this.icmp !== undefined) this.drain(this.icmp, undefined);
    for (let n = this.first; n < this.end; n++) {
      const p = this.probes[n];
      if (p.sk !== undefined) this.drain(p.sk, p);
    }
  }

  private drain(sk: Sock, own: Probe | undefined): void {
    for (;;) {
      let m = this.kernel.sockets.recvmsg(sk, 0x10000, MSG.ERRQUEUE | MSG.DONTWAIT);
      if (typeof m === 'number') m = this.kernel.sockets.recvmsg(sk, 0x10000, MSG.DONTWAIT);
      if (typeof m === 'number') return;
      const p = own ?? this.ofEcho(m);
      if (p === undefined || p.done) continue;
      this.answer(p, m);
      this.close(p);
      if (own !== undefined) return;
    }
  }

  /** The probe that an echo reply, or an error about a request, belongs to. */
  private ofEcho(m: Message): Probe | undefined {
    const at = m.err === undefined ? (m.data[0] & 0xf) * 4 : 0;
    const expected = m.err === undefined ? ICMP_ECHO_REPLY : ICMP_ECHO;
    const b = m.data.subarray(at);
    if (b.length < 8 || b[0] !== expected || ((b[4] << 8) | b[5]) !== this.ident) return undefined;
    return this.probes.at(((b[6] << 8) | b[7]) - 1);
  }

  private answer(p: Probe, m: Message): void {
    const { err } = m;
    if (err?.ee_origin === SO_EE_ORIGIN.LOCAL) {
      if (err.ee_errno !== Errno.EMSGSIZE) this.fail('local recverr', -err.ee_errno);
      p.mark = `!F-${err.ee_info}`;
      p.done = p.final = true;
      return;
    }
    p.done = true;
    p.received = m.tstamp;
    p.from =
      err === undefined ? (m.from !== undefined && 'addr' in m.from ? (m.from.addr as Uint8Array) : this.target) : err.offender?.addr;
    const mark = err === undefined ? '' : errorMark(this.family, err.ee_type, err.ee_code, err.ee_info);
    p.final = mark !== undefined;
    p.mark = mark ?? '';
  }

  private printProbe(n: number): void {
    const { perHop, numeric } = this.opt;
    const p = this.probes[n];
    const inHop = n % perHop;
    let text = inHop === 0 ? `\n${String(n / perHop + 1).padStart(2)} ` : '';
    const before = this.probes.slice(n - inHop, n).findLast((q) => q.from !== undefined);
    if (p.from === undefined) text += p.mark === '' ? ' *' : '';
    else if (before?.from === undefined || !sameBytes(before.from, p.from)) {
      const address = formatAddress(p.from);
      text += numeric ? ` ${address}` : ` ${reverse(this, p.from) ?? address} (${address})`;
    }
    if (p.received >= 0) text += `  ${((p.received - p.sent) / 1e6).toFixed(3)} ms`;
    if (p.mark !== '') text += ` ${p.mark}`;
    this.print(text);
  }
}

/** The filling of probes. */
const pattern = (length: number): Uint8Array => Uint8Array.from({ length: Math.max(length, 0) }, (_, i) => 0x40 + (i & 0x3f));
