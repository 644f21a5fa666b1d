// tracepath(8) of iputils: the path and its MTU, found with UDP probes of growing TTL and the error queue.
import { Errno, strerror } from '../../base/errno.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { IP_PMTUDISC, MSG, type Message, SO_EE_ORIGIN, SOCK, type Sock } from '../../kernel/sock.ts';
import { formatAddress } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { getopt } from './getopt.ts';
import { resolve, reverse } from './resolver.ts';

const OP_SOCKET = 1;
const OP_TIMEOUT = 2;
/** IPv4 and UDP headers. */
const OVERHEAD = 28;
const BASE_PORT = 44_444;
/** Probes remembered to tell which TTL an answer belongs to. */
const HIS_ARRAY_SIZE = 64;
const TRIES = 3;

/** What one answer means for the probing. */
type Verdict = 'end' | 'hop' | 'again' | 'nothing';

interface Probe {
  hops: number;
  sentTime: number;
}

export class TracepathProcess extends Process {
  private target = new Uint8Array(4);
  private numeric = false;
  private both = false;
  private maxHops = 30;
  private mtu = 65_535;
  private port = BASE_PORT;
  private sock!: Sock;
  private ttl = 1;
  private tries = 0;
  private mtuBefore = 65_535;
  private next = 0;
  private hopsTo = -1;
  private hopsFrom = -1;
  private readonly history: Probe[] = Array.from({ length: HIS_ARRAY_SIZE }, () => ({ hops: 0, sentTime: 0 }));
  private timer: SimEvent | undefined;

  main(): void {
    try {
      this.start();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      return this.exit(e.status);
    }
    this.probe();
  }

  private start(): void {
    const parsed = getopt(this.argv.slice(1), '46nbh?l:m:p:V');
    const fail = (status: number, text: string): never => {
      throw new ToolExit(status, `tracepath: ${text}\n`);
    };
    if (parsed.error !== undefined) fail(1, parsed.error);
    for (const { letter, value = '' } of parsed.options) {
      if (letter === 'n') this.numeric = true;
      else if (letter === 'b') this.both = true;
      else if (letter === 'l') this.mtu = Number(value);
      else if (letter === 'm') this.maxHops = Number(value);
      else if (letter === 'p') this.port = Number(value);
      else if (letter === 'V') {
        this.print('tracepath from iputils 20221126\n');
        throw new ToolExit(0);
      } else if (letter === '6') fail(1, 'IPv6 is not modelled');
      else if (letter !== '4') throw new ToolExit(1, '\nUsage\n  tracepath [-n] [-b] [-l LENGTH] [-m HOPS] [-p PORT] <destination>\n');
    }
    if (parsed.operands.length !== 1)
      throw new ToolExit(1, '\nUsage\n  tracepath [-n] [-b] [-l LENGTH] [-m HOPS] [-p PORT] <destination>\n');
    const target = resolve(this, parsed.operands[0], AF.INET);
    if (typeof target === 'string') throw new ToolExit(1, `tracepath: ${parsed.operands[0]}: ${target}\n`);
    this.target.set(target.bytes);
    const { sockets } = this.kernel;
    const sk = sockets.socket(this.net, AF.INET, SOCK.DGRAM, 0);
    if (typeof sk === 'number') throw new ToolExit(1, `tracepath: socket: ${strerror(sk)}\n`);
    this.sock = sk;
    sockets.setsockopt(sk, 'IP_MTU_DISCOVER', IP_PMTUDISC.PROBE);
    sockets.setsockopt(sk, 'IP_RECVERR', 1);
    sockets.setsockopt(sk, 'IP_RECVTTL', 1);
    sockets.setsockopt(sk, 'IP_TTL', this.ttl);
    sockets.waitFor(sk, this, OP_SOCKET);
  }

  override onEvent(op: number): void {
    if (this.exited) return;
    if (op === OP_TIMEOUT) return this.answered('nothing');
    const verdict = this.receive();
    if (verdict !== 'again') this.answered(verdict);
  }
  override onSignal(signal: number): void {
    this.exit(128 + (signal === 0 ? SIG.TERM : signal));
  }
  override cleanup(): void {
    this.kernel.platform.sim.cancel(this.timer);
    if (this.sock !== undefined) this.kernel.sockets.close(this.sock);
  }

  /** Sends one probe; a local error may shorten it first. */
  private probe(): void {
    this.mtuBefore = this.mtu;
    this.send();
  }

  private send(): void {
    const { sockets } = this.kernel;
    for (let i = 0; i < 10; i++) {
      const slot = this.next;
      this.history[slot].hops = this.ttl;
      this.history[slot].sentTime = this.kernel.now();
      const n = sockets.sendmsg(this.sock, new Uint8Array(this.mtu - OVERHEAD), { family: 2, addr: this.target, port: this.port + slot });
      if (n > 0) {
        this.next = (slot + 1) % HIS_ARRAY_SIZE;
        this.timer = this.kernel.procs.wakeAfter(this, 1e9, OP_TIMEOUT);
        return;
      }
      this.history[slot].hops = 0;
      const verdict = this.receive();
      if (verdict === 'end') return this.finish();
      if (verdict === 'again' && n !== -Errno.EMSGSIZE) {
        this.error(`tracepath: sendto: ${strerror(n)}\n`);
        return this.exit(1);
      }
    }
    this.answered('nothing');
  }

  /** All entries of the error queue; 'again' when there was none. */
  private receive(): Verdict {
    let verdict: Verdict = 'again';
    for (;;) {
      const m = this.kernel.sockets.recvmsg(this.sock, 0x10000, MSG.ERRQUEUE | MSG.DONTWAIT);
      if (typeof m === 'number') return verdict;
      const v = this.report(m);
      if (v === 'end') return v;
      verdict = v;
    }
  }

  /** Prints one error. */
  private report(m: Message): Verdict {
    const { err } = m;
    if (err === undefined) return 'again';
    const port = m.from?.family === 2 ? m.from.port : 0;
    const slot = port - this.port;
    const known = slot >= 0 && slot < HIS_ARRAY_SIZE && this.history[slot].hops > 0 ? this.history[slot] : undefined;
    if (err.ee_origin === SO_EE_ORIGIN.LOCAL) this.print(`${String(this.ttl).padStart(2)}?: ${'[LOCALHOST]'.padEnd(32)} `);
    else this.printHop(m, known);
    const hops = known?.hops ?? this.ttl;
    if (known !== undefined) known.hops = 0;
    const back = m.ttl <= 0 ? -1 : m.ttl <= 64 ? 65 - m.ttl : m.ttl <= 128 ? 129 - m.ttl : 256 - m.ttl;
    switch (err.ee_errno) {
      case Errno.EMSGSIZE:
        this.print(`pmtu ${err.ee_info}\n`);
        this.mtu = err.ee_info;
        return 'hop';
      case Errno.ECONNREFUSED:
        this.print('reached\n');
        this.hopsTo = hops;
        this.hopsFrom = back;
        return 'end';
      case Errno.EHOSTUNREACH:
        if (err.ee_origin === SO_EE_ORIGIN.ICMP && err.ee_type === 11 && err.ee_code === 0) {
          this.print(`${back >= 0 && back !== hops ? `asymm ${String(back).padStart(2)} ` : ''}\n`);
          return 'hop';
        }
        return this.refused('!H');
      case Errno.ENETUNREACH:
        return this.refused('!N');
      case Errno.EACCES:
        return this.refused('!A');
      case Errno.EPROTO:
        return this.refused('!P');
      default:
        this.print('\n');
        this.error(`NET ERROR: ${strerror(err.ee_errno)}\n`);
        return 'end';
    }
  }

  private refused(mark: string): Verdict {
    this.print(`${mark}\n`);
    return 'end';
  }

  private printHop(m: Message, known: Probe | undefined): void {
    const bytes = m.err?.offender?.addr ?? new Uint8Array(4);
    const address = formatAddress(bytes);
    const name = this.numeric ? undefined : reverse(this, bytes);
    const shown = name === undefined ? address : this.both ? `${name} (${address})` : name;
    this.print(`${known === undefined ? `${String(this.ttl).padStart(2)}?: ` : `${String(known.hops).padStart(2)}:  `}${shown.padEnd(52)}`);
    if (known === undefined) return;
    const us = Math.floor((m.tstamp - known.sentTime) / 1000);
    this.print(`${String(Math.floor(us / 1000)).padStart(3)}.${String(us % 1000).padStart(3, '0')}ms `);
  }

  /** One probe is done: the same TTL again when the MTU changed, the next try, or the next hop. */
  private answered(verdict: Verdict): void {
    this.kernel.platform.sim.cancel(this.timer);
    if (this.mtu !== this.mtuBefore) {
      this.tries = 0;
      return this.probe();
    }
    if (verdict === 'end') return this.finish();
    if (verdict === 'nothing' && ++this.tries < TRIES) return this.probe();
    if (verdict === 'nothing') this.print(`${String(this.ttl).padStart(2)}:  no reply\n`);
    this.tries = 0;
    if (++this.ttl > this.maxHops) {
      this.print(`     Too many hops: pmtu ${this.mtu}\n`);
      return this.finish();
    }
    this.kernel.sockets.setsockopt(this.sock, 'IP_TTL', this.ttl);
    this.probe();
  }

  private finish(): void {
    this.print(
      `     Resume: pmtu ${this.mtu} ${this.hopsTo >= 0 ? `hops ${this.hopsTo} ` : ''}${this.hopsFrom >= 0 ? `back ${this.hopsFrom} ` : ''}\n`,
    );
    this.exit(0);
  }
}
