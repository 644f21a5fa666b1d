// arping(8) of iputils: ARP probes through a packet socket.
import { strerror } from '../../base/errno.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { IFF } from '../../kernel/net_device.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { MSG, type Message, SOCK, type Sock, type SockAddrIn, type SockAddrLl } from '../../kernel/sock.ts';
import { formatIpv4 } from '../../wire/addresses.ts';
import { ARPOP_REPLY, ARPOP_REQUEST, ETH_P } from '../../wire/headers.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { getopt } from './getopt.ts';
import { resolve } from './resolver.ts';

const OP_TICK = 1;
const OP_SOCKET = 2;
const OP_DEADLINE = 3;
const ARP_BYTES = 28;
const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);

function fatal(status: number, text: string): never {
  throw new ToolExit(status, `arping: ${text}\n`);
}

const number = (word: string, min: number): number => {
  if (!/^-?\d+$/.test(word)) fatal(1, `invalid argument: '${word}'`);
  const n = Number(word);
  if (n < min) fatal(1, `invalid argument: '${word}': out of range: ${min} <= value <= 2147483647`);
  return n;
};

export class ArpingProcess extends Process {
  private duplicateDetection = false;
  private unsolicited = false;
  private advertisement = false;
  private quitOnReply = false;
  private broadcastOnly = false;
  private quiet = false;
  private count = -1;
  private deadline = 0;
  private interval = 1;
  private target = new Uint8Array(4);
  private source = new Uint8Array(4);
  private device!: NetDevice;
  private sock: Sock | undefined;
  private destination: Uint8Array = BROADCAST;
  private unicasting = false;
  private sent = 0;
  private broadcastSent = 0;
  private received = 0;
  private broadcastReceived = 0;
  private requestsReceived = 0;
  private lastSend = 0;
  private timer: SimEvent | undefined;
  private deadlineTimer: SimEvent | undefined;

  main(): void {
    try {
      this.start();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      return this.exit(e.status);
    }
    this.tick();
  }

  private start(): void {
    const parsed = getopt(this.argv.slice(1), 'h?bfDUAqc:w:i:s:I:V');
    if (parsed.error !== undefined) fatal(2, parsed.error);
    let from: string | undefined;
    let dev: string | undefined;
    for (const { letter, value = '' } of parsed.options) {
      if (letter === 'b') this.broadcastOnly = true;
      else if (letter === 'f') this.quitOnReply = true;
      else if (letter === 'D') {
        this.duplicateDetection = true;
        this.quitOnReply = true;
      } else if (letter === 'U') this.unsolicited = true;
      else if (letter === 'A') {
        this.advertisement = true;
        this.unsolicited = true;
      } else if (letter === 'q') this.quiet = true;
      else if (letter === 'c') this.count = number(value, 1);
      else if (letter === 'w') this.deadline = number(value, 0);
      else if (letter === 'i') this.interval = number(value, 0);
      else if (letter === 's') from = value;
      else if (letter === 'I') dev = value;
      else if (letter === 'V') {
        this.print('arping from iputils 20221126\n');
        throw new ToolExit(0);
      } else
        throw new ToolExit(
          2,
          '\nUsage\n  arping [options] <destination>\n\nOptions:\n  -A -b -c COUNT -D -f -I DEVICE -q -s SOURCE -U -V -w TIMEOUT -i INTERVAL\n',
        );
    }
    if (parsed.operands.length !== 1) throw new ToolExit(2, '\nUsage\n  arping [options] <destination>\n');
    this.chooseDevice(dev);
    const target = resolve(this, parsed.operands[0], AF.INET);
    if (typeof target === 'string') fatal(2, `${parsed.operands[0]}: ${target}`);
    this.target.set(target.bytes);
    if (from !== undefined) {
      const s = resolve(this, from, AF.INET);
      if (typeof s === 'string') fatal(2, `invalid source ${from}`);
      this.source.set(s.bytes);
    } else if (this.unsolicited) this.source.set(this.target);
    else if (!this.duplicateDetection) this.findSource();
    this.open(parsed.operands[0]);
  }

  private chooseDevice(name: string | undefined): void {
    const usable = (d: NetDevice): boolean => (d.flags & IFF.UP) !== 0 && (d.flags & (IFF.LOOPBACK | IFF.NOARP)) === 0;
    const dev = name === undefined ? this.net.devices.find(usable) : this.net.__dev_get_by_name(name);
    if (dev === undefined) fatal(2, name === undefined ? 'no usable device' : `Interface "${name}" not found`);
    if ((dev.flags & IFF.UP) === 0) fatal(2, `Interface "${dev.name}" is down`);
    if ((dev.flags & (IFF.NOARP | IFF.LOOPBACK)) !== 0) fatal(2, `Interface "${dev.name}" is not ARPable`);
    this.device = dev;
  }

  /** The address that the route to the target would use. */
  private findSource(): void {
    const { sockets } = this.kernel;
    const sk = sockets.socket(this.net, AF.INET, SOCK.DGRAM, 0);
    if (typeof sk === 'number') fatal(2, `socket: ${strerror(sk)}`);
    sockets.setsockopt(sk, 'SO_BINDTODEVICE', this.device.name);
    sockets.setsockopt(sk, 'SO_DONTROUTE', 1);
    const r = sockets.connect(sk, { family: 2, addr: this.target, port: 1025 });
    const name = r < 0 ? r : sockets.getsockname(sk);
    sockets.close(sk);
    if (typeof name === 'number') fatal(2, `connect: ${strerror(name)}`);
    this.source.set((name as SockAddrIn).addr);
  }

  private open(shown: string): void {
    const { sockets } = this.kernel;
    const sk = sockets.socket(this.net, AF.PACKET, SOCK.DGRAM, ETH_P.ARP);
    if (typeof sk === 'number') fatal(2, `socket: ${strerror(sk)}`);
    this.sock = sk;
    const r = sockets.bind(sk, this.linkAddress(this.device.dev_addr));
    if (r < 0) fatal(2, `bind: ${strerror(r)}`);
    if (!this.quiet)
      this.print(
        `ARPING ${shown === formatAddress(this.target) ? shown : formatAddress(this.target)} from ${formatAddress(this.source)} ${this.device.name}\n`,
      );
    sockets.waitFor(sk, this, OP_SOCKET);
    if (this.deadline > 0) this.deadlineTimer = this.kernel.procs.wakeAfter(this, this.deadline * 1e9, OP_DEADLINE);
  }

  private linkAddress(addr: Uint8Array): SockAddrLl {
    return { family: 17, protocol: ETH_P.ARP, ifindex: this.device.ifindex, hatype: 1, pkttype: 0, addr };
  }

  override onEvent(op: number): void {
    if (op === OP_SOCKET) this.receive();
    else if (op === OP_DEADLINE) this.finish();
    else this.tick();
  }
  override onSignal(signal: number): void {
    if (signal === SIG.INT) this.finish();
    else this.exit(128 + signal);
  }
  override cleanup(): void {
    this.kernel.platform.sim.cancel(this.timer);
    this.kernel.platform.sim.cancel(this.deadlineTimer);
    if (this.sock !== undefined) this.kernel.sockets.close(this.sock);
  }

  /** Once an interval: ends after the last probe's second, otherwise sends. */
  private tick(): void {
    if (this.count === 0 || (this.count < 0 && this.deadline > 0 && this.sent > 0 && this.quitOnReply && this.received > 0))
      return this.finish();
    if (this.count > 0) this.count--;
    this.send();
    this.timer = this.kernel.procs.wakeAfter(this, this.interval * 1e9, OP_TICK);
  }

  private send(): void {
    const packet = new Uint8Array(ARP_BYTES);
    const own = this.device.dev_addr;
    packet.set([0, 1, 8, 0, 6, 4, 0, this.advertisement ? ARPOP_REPLY : ARPOP_REQUEST]);
    packet.set(own, 8);
    packet.set(this.source, 14);
    packet.set(this.advertisement ? own : this.destination, 18);
    packet.set(this.target, 24);
    this.lastSend = this.kernel.now();
    const n = this.kernel.sockets.sendmsg(this.sock as Sock, packet, this.linkAddress(this.destination));
    if (n < 0) return;
    this.sent++;
    if (!this.unicasting) this.broadcastSent++;
  }

  private receive(): void {
    for (;;) {
      const m = this.kernel.sockets.recvmsg(this.sock as Sock, 4096, MSG.DONTWAIT);
      if (typeof m === 'number') return;
      this.packet(m);
      if (this.exited) return;
    }
  }

  private packet(m: Message): void {
    const from = m.from;
    const d = m.data;
    if (from?.family !== 17 || from.pkttype > 2 || d.length < ARP_BYTES || d[7] > ARPOP_REPLY || d[4] !== 6 || d[5] !== 4) return;
    const [senderMac, senderIp, targetMac, targetIp] = [d.subarray(8, 14), d.subarray(14, 18), d.subarray(18, 24), d.subarray(24, 28)];
    const own = this.device.dev_addr;
    if (!sameBytes(senderIp, this.target)) return;
    if (this.duplicateDetection) {
      if (sameBytes(senderMac, own)) return;
      if (!this.source.every((b) => b === 0) && !sameBytes(targetIp, this.source)) return;
    } else {
      if (!sameBytes(targetIp, this.source)) return;
      if (!sameBytes(targetMac, own)) return;
    }
    const request = d[7] === ARPOP_REQUEST;
    if (!this.quiet)
      this.report(from.pkttype === 0, request, senderMac, senderIp, sameBytes(targetMac, own) ? undefined : targetMac, targetIp);
    this.received++;
    if (from.pkttype !== 0) this.broadcastReceived++;
    if (request) this.requestsReceived++;
    if (this.quitOnReply) return this.finish();
    if (this.broadcastOnly) return;
    this.destination = Uint8Array.from(senderMac);
    this.unicasting = true;
  }

  private report(
    unicast: boolean,
    request: boolean,
    mac: Uint8Array,
    ip: Uint8Array,
    targetMac: Uint8Array | undefined,
    targetIp: Uint8Array,
  ): void {
    const upper = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0').toUpperCase()).join(':');
    const value = ((ip[0] << 24) | (ip[1] << 16) | (ip[2] << 8) | ip[3]) >>> 0;
    let out = `${unicast ? 'Unicast' : 'Broadcast'} ${request ? 'request' : 'reply'} from ${formatIpv4(value)} [${upper(mac)}] `;
    if (!sameBytes(targetIp, this.source)) out += `for ${formatAddress(targetIp)} `;
    if (targetMac !== undefined) out += `for [${upper(targetMac)}] `;
    const micros = Math.floor((this.kernel.now() - this.lastSend) / 1000);
    out += ` ${Math.floor(micros / 1000)}.${String(micros % 1000).padStart(3, '0')}ms\n`;
    this.print(out);
  }

  private finish(): void {
    if (!this.quiet) {
      this.print(`Sent ${this.sent} probes (${this.broadcastSent} broadcast(s))\nReceived ${this.received} response(s)`);
      if (this.requestsReceived > 0 || this.broadcastReceived > 0) {
        const parts = [
          this.requestsReceived > 0 ? `${this.requestsReceived} request(s)` : '',
          this.broadcastReceived > 0 ? `${this.broadcastReceived} broadcast(s)` : '',
        ].filter((t) => t !== '');
        this.print(` (${parts.join(', ')})`);
      }
      this.print('\n');
    }
    if (this.duplicateDetection) return this.exit(this.received > 0 ? 1 : 0);
    this.exit(this.unsolicited || this.received > 0 ? 0 : 1);
  }
}
