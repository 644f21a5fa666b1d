// tcpdump(8): captures through a packet socket with a BPF program, or reads a file, and prints or writes what it sees.
import { bytesToText, textToBytes } from '../../base/byte_text.ts';
import { Errno, strerror } from '../../base/errno.ts';
import { ByteMem } from '../../base/memory.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { PacketSock } from '../../kernel/af_packet.ts';
import { bpf_prog_run, type BpfProgram } from '../../kernel/bpf.ts';
import type { OpenFile } from '../../kernel/fs/node.ts';
import { O_CREAT, O_TRUNC, O_WRONLY } from '../../kernel/fs/vfs.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { PACKET_OUTGOING } from '../../kernel/skbuff.ts';
import { MSG, type Message, SOCK, type Sock } from '../../kernel/sock.ts';
import { ETH_P } from '../../wire/headers.ts';
import { resolve, reverse } from '../ping/resolver.ts';
import { ToolExit } from '../tool.ts';
import { captureDevices, deviceLines } from './devices.ts';
import { COOKED_FILE, COOKED_LIVE, ETHERNET, type LinkLayout } from './filter_code.ts';
import { FilterError } from './filter_lexer.ts';
import { compileFilter } from './filter_parser.ts';
import { parseTcpdump, type TcpdumpOptions } from './options.ts';
import { Clock, printPacket, SLL2 } from './print_link.ts';
import { Printer } from './printer.ts';
import { type Captured, fileHeader, LINKTYPE, readSavefile, record } from './savefile.ts';

const OP_SOCKET = 1;
const OP_PROGRESS = 2;
/** libpcap's default of 2 MiB is more than SO_RCVBUF gives: as much as it gives. */
const RCVBUF = 212_992;

const DESCRIPTIONS = new Map<number, string>([
  [LINKTYPE.ETHERNET, 'EN10MB (Ethernet)'],
  [LINKTYPE.LINUX_SLL2, 'LINUX_SLL2 (Linux cooked v2)'],
]);

const fail = (text: string): never => {
  throw new ToolExit(1, `tcpdump: ${text}\n`);
};

export class TcpdumpProcess extends Process {
  private options!: TcpdumpOptions;
  private printer!: Printer;
  private readonly clock = new Clock();
  private sock: PacketSock | undefined;
  /** undefined: any. */
  private device: NetDevice | undefined;
  private linktype: number = LINKTYPE.ETHERNET;
  private captured = 0;
  /** The file of -w; 'stdout' for `-w -`. */
  private output: OpenFile | 'stdout' | undefined;
  private waitingStdin = false;
  private progress: SimEvent | undefined;

  main(): void {
    this.guarded(() => this.start());
  }
  override onEvent(op: number): void {
    if (op === OP_SOCKET) this.guarded(() => this.receive());
    else if (op === OP_PROGRESS) this.tellProgress();
  }
  override onStdin(): void {
    if (this.waitingStdin && this.stdinEof) this.guarded(() => this.readPackets(this.stdinData, '-'));
  }
  override onSignal(signal: number): void {
    if (signal === SIG.USR1) return this.statistics(true);
    if (signal !== SIG.INT && signal !== SIG.TERM) return this.exit(128 + signal);
    if (this.sock === undefined) return this.exit(0);
    // whatever the terminal shows behind the cursor now, the statistics begin a line
    if (this.prints) this.print('\n');
    this.finish();
  }
  override cleanup(): void {
    this.kernel.platform.sim.cancel(this.progress);
    if (this.sock !== undefined) this.kernel.sockets.close(this.sock);
    if (this.output !== undefined && this.output !== 'stdout') this.kernel.vfs.close(this.output);
  }

  hostOf(address: Uint8Array): string | undefined {
    return reverse(this, address);
  }
  addresses(name: string): readonly Uint8Array[] {
    return [AF.INET, AF.INET6].flatMap((family) => {
      const found = resolve(this, name, family);
      return typeof found === 'string' ? [] : [found.bytes];
    });
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (e) {
      if (!(e instanceof ToolExit)) throw e;
      this.error(e.text);
      this.exit(e.status);
    }
  }

  private start(): void {
    this.options = parseTcpdump(
      this.argv,
      (text) => this.print(text),
      (path) => {
        const text = this.kernel.vfs.readFile(this, path);
        return typeof text === 'string' ? text : undefined;
      },
    );
    const o = this.options;
    this.printer = new Printer(o.print, this);
    if (o.list) {
      this.print(deviceLines(this));
      return this.exit(0);
    }
    if (o.read === undefined) return this.open();
    if (o.read === '-') {
      this.waitingStdin = true;
      return this.onStdin();
    }
    const text = this.kernel.vfs.readFile(this, o.read);
    if (typeof text === 'number') return fail(`${o.read}: ${strerror(text)}`);
    this.readPackets(text, o.read);
  }

  private compile(link: LinkLayout): BpfProgram {
    try {
      return compileFilter(this.options.expression, link, this.options.snaplen, this);
    } catch (e) {
      if (!(e instanceof FilterError)) throw e;
      return fail(e.message);
    }
  }

  // files

  private readPackets(text: string, name: string): void {
    const o = this.options;
    const file = readSavefile(textToBytes(text));
    if (typeof file === 'string') return fail(file);
    const type = DESCRIPTIONS.get(file.linktype);
    this.error(`reading from file ${name}, link-type ${type ?? file.linktype}, snapshot length ${file.snaplen}\n`);
    if (type === undefined) return fail(`packet printing is not supported for link type ${file.linktype}: use -w`);
    this.linktype = file.linktype;
    const program = this.compile(file.linktype === LINKTYPE.ETHERNET ? ETHERNET : COOKED_FILE);
    this.openOutput(file.snaplen);
    for (const p of file.packets) {
      const packet = { bytes: p.bytes, length: p.length, protocol: 0, pkttype: 0, ifindex: 0 };
      if (bpf_prog_run(program, packet) === 0) continue;
      this.deliver(p);
      if (o.count > 0 && this.captured >= o.count) return this.end();
    }
    if (file.error !== undefined) this.error(`tcpdump: pcap_loop: ${file.error}\n`);
    this.end(file.error === undefined ? 0 : 1);
  }

  private end(status = 0): void {
    if (this.options.countOnly) this.print(`${this.captured} packet${this.captured === 1 ? '' : 's'}\n`);
    this.exit(status);
  }

  private openOutput(snaplen: number): void {
    const { write } = this.options;
    if (write === undefined) return;
    if (write === '-') this.output = 'stdout';
    else {
      const file = this.kernel.vfs.open(this, write, O_WRONLY | O_CREAT | O_TRUNC);
      if (typeof file === 'number') return fail(`${write}: ${strerror(file)}`);
      this.output = file;
    }
    this.write(fileHeader(this.linktype, snaplen));
  }

  private write(bytes: Uint8Array): void {
    const text = bytesToText(bytes);
    if (this.output === 'stdout') return this.print(text);
    const err = this.output === undefined ? 0 : this.kernel.vfs.write(this.output, text);
    if (err < 0) fail(`Unable to write output: ${strerror(err)}`);
  }

  // capture

  private open(): void {
    const o = this.options;
    const name = this.deviceName();
    const any = name === 'any';
    this.linktype = any ? LINKTYPE.LINUX_SLL2 : LINKTYPE.ETHERNET;
    const { sockets } = this.kernel;
    if (this.uid !== 0)
      return fail(`${name}: You don't have permission to perform this capture on that device\n(socket: ${strerror(Errno.EPERM)})`);
    const sk = sockets.socket(this.net, AF.PACKET, any ? SOCK.DGRAM : SOCK.RAW, 0);
    if (typeof sk === 'number') return fail(`${name}: socket: ${strerror(sk)}`);
    this.sock = sk as PacketSock;
    this.device = any ? undefined : this.net.__dev_get_by_name(name);
    if (!any && this.device === undefined) return fail(`${name}: No such device exists\n(No such device exists)`);
    if (this.device !== undefined && o.promiscuous) sockets.setsockopt(sk, 'PACKET_ADD_MEMBERSHIP', this.device.ifindex);
    if (this.device !== undefined && (this.device.flags & IFF.UP) === 0) return fail(`${name}: That device is not up`);
    const program = this.compile(any ? COOKED_LIVE : ETHERNET);
    sockets.packet.sk_attach_filter(this.sock, program);
    sockets.setsockopt(sk, 'SO_RCVBUF', RCVBUF);
    this.openOutput(o.snaplen);
    const err = sockets.bind(sk, {
      family: 17,
      protocol: ETH_P.ALL,
      ifindex: this.device?.ifindex ?? 0,
      hatype: 0,
      pkttype: 0,
      addr: new Uint8Array(0),
    });
    if (err < 0) return fail(`${name}: ${strerror(err)}`);
    this.banner(name);
    sockets.waitFor(sk, this, OP_SOCKET);
    if (o.print.verbose > 0 && o.write !== undefined) this.tellProgress();
  }

  private deviceName(): string {
    const { iface } = this.options;
    const devices = captureDevices(this);
    if (iface === undefined) {
      // the best one; none of them has to be up
      return devices[0].name;
    }
    // -i 2 is the second of -D, unless something has that name
    if (!/^\d+$/.test(iface) || this.net.__dev_get_by_name(iface) !== undefined) return iface;
    const index = Number(iface);
    return index >= 1 && index <= devices.length ? devices[index - 1].name : fail('Invalid adapter index');
  }

  private banner(name: string): void {
    const o = this.options;
    let out = this.linktype === LINKTYPE.LINUX_SLL2 ? 'tcpdump: data link type LINUX_SLL2\n' : '';
    out +=
      o.print.verbose > 0 || o.write !== undefined
        ? 'tcpdump: '
        : 'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n';
    this.error(`${out}listening on ${name}, link-type ${DESCRIPTIONS.get(this.linktype)}, snapshot length ${o.snaplen} bytes\n`);
  }

  private get prints(): boolean {
    return this.options.write === undefined || this.options.printToo;
  }

  /** -v -w: how many so far, each second. */
  private tellProgress(): void {
    this.error(`Got ${this.captured}\r`);
    this.progress = this.kernel.procs.wakeAfter(this, 1e9, OP_PROGRESS);
  }

  private receive(): void {
    const sock = this.sock as Sock;
    const { sockets } = this.kernel;
    while (!this.exited) {
      const m = sockets.recvmsg(sock, this.options.snaplen, MSG.DONTWAIT);
      if (m === -Errno.EAGAIN) return;
      // down is not gone: an interface may come up again
      if (m === -Errno.ENETDOWN && this.device !== undefined && this.net.__dev_get_by_index(this.device.ifindex) !== this.device) {
        this.error('tcpdump: pcap_loop: The interface disappeared\n');
        this.statistics(false);
        return this.exit(1);
      }
      if (typeof m === 'number') continue;
      this.packet(m);
    }
  }

  private packet(m: Message): void {
    if (m.from?.family !== 17) return;
    const outgoing = m.from.pkttype === PACKET_OUTGOING;
    const { direction, count } = this.options;
    // what loopback sends it also receives: shown once
    const loopback = ((this.device ?? this.net.__dev_get_by_index(m.ifindex))?.flags ?? 0) & IFF.LOOPBACK;
    if (outgoing && loopback !== 0) return;
    if (direction !== 'inout' && outgoing !== (direction === 'out')) return;
    const bytes = this.device === undefined ? cooked(m) : m.data;
    this.deliver({
      seconds: this.kernel.rtc + Math.floor(m.tstamp / 1e9),
      micros: Math.floor((m.tstamp % 1e9) / 1e3),
      length: m.length + bytes.length - m.data.length,
      bytes,
    });
    if (count > 0 && this.captured >= count) this.finish();
  }

  private deliver(p: Captured): void {
    this.captured++;
    const { countOnly } = this.options;
    if (this.output !== undefined) this.write(record(p));
    if (this.prints && !countOnly)
      this.print(printPacket(this.printer, this.clock, p, this.linktype, (index) => this.net.__dev_get_by_index(index)?.name ?? '?'));
  }

  private finish(): void {
    if (this.options.countOnly) this.print(`${this.captured} packet${this.captured === 1 ? '' : 's'}\n`);
    this.statistics(false);
    this.exit(0);
  }

  private statistics(going: boolean): void {
    const sock = this.sock as PacketSock;
    const plural = (n: number): string => `${n} packet${n === 1 ? '' : 's'}`;
    const parts = [
      `${plural(this.captured)} captured`,
      `${plural(sock.packets)} received by filter`,
      `${plural(sock.drops)} dropped by kernel`,
    ];
    this.error(going ? `tcpdump: ${parts.join(', ')}\n` : `${parts.join('\n')}\n`);
  }
}

/** LINKTYPE_LINUX_SLL2 in front of a packet of any interface. */
function cooked(m: Message): Uint8Array {
  const out = new ByteMem(new Uint8Array(SLL2.size + m.data.length));
  const { from } = m;
  if (from?.family !== 17) return out.bytes;
  out.setU16be(SLL2.protocol, from.protocol);
  out.setU32be(SLL2.ifindex, m.ifindex);
  out.setU16be(SLL2.hatype, from.hatype);
  out.setU8(SLL2.pkttype, from.pkttype);
  out.setU8(SLL2.halen, from.addr.length);
  out.bytes.set(from.addr.subarray(0, 8), SLL2.addr);
  out.bytes.set(m.data, SLL2.size);
  return out.bytes;
}
