// ping over IPv4: a raw ICMP socket, the route's probe, IP options, ICMP errors from the error queue.
import { Errno, strerror } from '../../base/errno.ts';
import { ByteMem } from '../../base/memory.ts';
import { ops } from '../../base/ops.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { type Message, SO_EE_ORIGIN, SOCK, type Sock, type SockAddr, type SockAddrIn, type SockOpt } from '../../kernel/sock.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ICMP, IPPROTO } from '../../wire/headers.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { icmpText, optionsText } from './messages.ts';
import type { PingFamily, PingProcess } from './ping.ts';
import { inetAton } from './resolver.ts';

export function pingError(what: string, errno: number): never {
  throw new ToolExit(2, `ping: ${what}: ${strerror(errno)}\n`);
}

/** Opens a socket or ends. */
export function openSocket(p: PingProcess, family: number, type: number, protocol: number): Sock {
  if (type === SOCK.RAW && p.uid !== 0)
    throw new ToolExit(
      2,
      `ping: socktype: SOCK_RAW\nping: socket: ${strerror(Errno.EPERM)}\nping: => missing cap_net_raw+p capability or setuid?\n`,
    );
  const sk = p.kernel.sockets.socket(p.net, family, type, protocol);
  if (typeof sk === 'number') pingError('socket', sk);
  return sk;
}

const option = (p: PingProcess, sk: Sock, name: SockOpt, value: number | string | Uint8Array, what: string): void => {
  const r = p.kernel.sockets.setsockopt(sk, name, value);
  if (r < 0) pingError(what, r);
};

/** -I is an address or an interface. */
function chooseSource(p: PingProcess): boolean {
  const { from } = p.options;
  if (from === undefined) return false;
  const address = inetAton(from);
  if (address !== undefined) {
    p.source = address;
    return true;
  }
  p.device = from;
  return false;
}

/** Connects a UDP socket to learn whether there is a route and with which source. */
function probe(p: PingProcess, raw: Sock): void {
  const { sockets } = p.kernel;
  const sk = openSocket(p, AF.INET, SOCK.DGRAM, 0);
  if (p.device !== undefined) {
    option(p, sk, 'SO_BINDTODEVICE', p.device, `SO_BINDTODEVICE ${p.device}`);
    option(p, raw, 'SO_BINDTODEVICE', p.device, `SO_BINDTODEVICE ${p.device}`);
  }
  if (p.options.tos !== undefined) sockets.setsockopt(sk, 'IP_TOS', p.options.tos);
  if (p.options.mark !== undefined) sockets.setsockopt(sk, 'SO_MARK', p.options.mark);
  const to: SockAddrIn = { family: 2, addr: p.target.bytes, port: 1025 };
  const r = sockets.connect(sk, to);
  if (r === -Errno.EACCES) {
    if (!p.options.broadcast) {
      sockets.close(sk);
      throw new ToolExit(2, 'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n');
    }
    p.error('WARNING: pinging broadcast address\n');
    option(p, sk, 'SO_BROADCAST', 1, 'cannot set broadcasting');
    const again = sockets.connect(sk, to);
    if (again < 0) pingError('connect', again);
  } else if (r < 0) {
    sockets.close(sk);
    pingError('connect', r);
  }
  const name = sockets.getsockname(sk);
  sockets.close(sk);
  if (typeof name === 'number') pingError('getsockname', name);
  p.source = (name as SockAddrIn).addr;
  const own = p.kernel.ipv4.rtnlAddr.inet_dump_ifaddr(p.net, p.net.__dev_get_by_name(p.device ?? '')?.ifindex ?? 0);
  if (p.device !== undefined && !own.some((a) => sameBytes(a.local, p.source)))
    p.error(`ping: Warning: source address might be selected on device other than: ${p.device}\n`);
}

/** IP option bytes of -R and -T (RFC 791 §3.1). */
function ipOptions(p: PingProcess): Uint8Array | undefined {
  const o = p.options;
  const b = new Uint8Array(40);
  if (o.recordRoute) b.set([1, 7, 39, 4]);
  else if (o.timestampOption !== undefined) b.set([68, o.timestampOption === 0 ? 40 : 36, 5, o.timestampOption]);
  else return undefined;
  return b;
}

function configure(p: PingProcess, sk: Sock, strict: boolean): void {
  const o = p.options;
  const { sockets } = p.kernel;
  if (strict) {
    const r = sockets.bind(sk, { family: 2, addr: p.source, port: 0 });
    if (r < 0) pingError('bind', r);
  }
  if (o.pmtudisc !== undefined) option(p, sk, 'IP_MTU_DISCOVER', o.pmtudisc, 'IP_MTU_DISCOVER');
  const pass = [ICMP.ECHOREPLY, ICMP.DEST_UNREACH, 4, ICMP.REDIRECT, ICMP.TIME_EXCEEDED, ICMP.PARAMETERPROB];
  sockets.setsockopt(sk, 'ICMP_FILTER', ~pass.reduce((m, t) => m | (1 << t), 0) >>> 0);
  if (sockets.setsockopt(sk, 'IP_RECVERR', 1) < 0) p.error('ping: WARNING: your kernel is veeery old. No problems.\n');
  if (o.tos !== undefined) sockets.setsockopt(sk, 'IP_TOS', o.tos);
  if (o.mark !== undefined) sockets.setsockopt(sk, 'SO_MARK', o.mark);
  const options = ipOptions(p);
  if (options !== undefined) {
    p.optionBytes = 40;
    option(p, sk, 'IP_OPTIONS', options, o.recordRoute ? 'record route' : 'unsupported timestamp type');
  }
  if (o.sndbuf !== undefined) sockets.setsockopt(sk, 'SO_SNDBUF', o.sndbuf);
  if (o.broadcast) option(p, sk, 'SO_BROADCAST', 1, 'cannot set broadcasting');
  if (o.noLoop) option(p, sk, 'IP_MULTICAST_LOOP', 0, 'cannot disable multicast loopback');
  if (o.ttl !== undefined) {
    option(p, sk, 'IP_MULTICAST_TTL', o.ttl, 'cannot set multicast time-to-live');
    option(p, sk, 'IP_TTL', o.ttl, 'cannot set unicast time-to-live');
  }
}

function open(p: PingProcess): Sock {
  const sk = openSocket(p, AF.INET, SOCK.RAW, IPPROTO.ICMP);
  p.sock = sk;
  if (p.target.bytes.every((b) => b === 0)) p.target = { ...p.target, bytes: Uint8Array.of(127, 0, 0, 1) };
  const strict = chooseSource(p);
  if (!strict) probe(p, sk);
  configure(p, sk, strict);
  const o = p.options;
  const from = p.device !== undefined || strict ? `from ${formatAddress(p.source)} ${p.device ?? ''}: ` : '';
  p.print(`PING ${o.target} (${formatAddress(p.target.bytes)}) ${from}${o.size}(${o.size + 8 + p.optionBytes + 20}) bytes of data.\n`);
  return sk;
}

function checksum(packet: Uint8Array): void {
  const sum = csumFold(csumPartial(new ByteMem(packet), 0, packet.length));
  packet[2] = sum >> 8;
  packet[3] = sum & 0xff;
}

const word = (b: Uint8Array, at: number): number => ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;
const half = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1];
const peer = (a: SockAddr | undefined): Uint8Array => (a === undefined ? new Uint8Array(4) : a.addr);

function parseReply(p: PingProcess, message: Message): boolean {
  const { data } = message;
  const header = (data[0] & 0xf) * 4;
  const from = peer(message.from);
  if (data.length < header + 8 || header < 20) {
    if (p.options.verbose) p.error(`ping: packet too short (${data.length} bytes) from ${formatAddress(from)}\n`);
    return true;
  }
  const icmp = data.subarray(header);
  const badChecksum = csumFold(csumPartial(new ByteMem(icmp), 0, icmp.length)) !== 0;
  if (icmp[0] === ICMP.ECHOREPLY) {
    if (half(icmp, 4) !== p.identifier) return true;
    p.gather(icmp, message, {
      from: p.peerName(from, 0),
      ttl: data[8],
      badChecksum,
      wrongSource: !p.options.broadcast && !p.multicast && !sameBytes(from, p.target.bytes),
      tail: optionsText(data.subarray(20, header), p.routes, p.options.flood),
    });
    return false;
  }
  return icmp[0] === ICMP.ECHO ? true : reportOther(p, icmp, from, badChecksum);
}

/** Redirects and quenches, and errors that came as packets: only the former are told here. */
function reportOther(p: PingProcess, icmp: Uint8Array, from: Uint8Array, badChecksum: boolean): boolean {
  const inner = icmp.subarray(8);
  const at = (inner[0] & 0xf) * 4;
  if (
    inner.length < at + 8 ||
    inner[at] !== ICMP.ECHO ||
    half(inner, at + 4) !== p.identifier ||
    !sameBytes(inner.subarray(16, 20), p.target.bytes)
  )
    return true;
  const seq = half(inner, at + 6);
  if (icmp[0] !== ICMP.REDIRECT && icmp[0] !== 4) {
    p.stats.acknowledge(seq);
    return false;
  }
  if (p.options.quiet || p.options.flood) return true;
  p.print(
    `${p.stamp()}From ${p.peerName(from, 0)}: icmp_seq=${seq} ${badChecksum ? '(BAD CHECKSUM)' : ''}${icmpText(icmp[0], icmp[1], word(icmp, 4))}\n`,
  );
  return true;
}

function receiveError(p: PingProcess, message: Message): number {
  const { err, data } = message;
  if (err === undefined) return 0;
  if (err.ee_origin === SO_EE_ORIGIN.LOCAL) {
    p.localError(err.ee_errno, err.ee_info);
    return -1;
  }
  if (err.ee_origin !== SO_EE_ORIGIN.ICMP) return 0;
  if (data.length < 8 || data[0] !== ICMP.ECHO || half(data, 4) !== p.identifier || !sameBytes(peer(message.from), p.target.bytes))
    return 0;
  p.networkError(half(data, 6), p.peerName(err.offender?.addr ?? new Uint8Array(4), 0), icmpText(err.ee_type, err.ee_code, err.ee_info));
  return 1;
}

export const PING4: PingFamily = ops({ headerBytes: 20, echoRequest: ICMP.ECHO, open, checksum, parseReply, receiveError });
