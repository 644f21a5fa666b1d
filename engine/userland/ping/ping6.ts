// ping over IPv6: a raw ICMPv6 socket whose checksums the kernel makes, hop limits as control data.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { type Message, SO_EE_ORIGIN, SOCK, type Sock, type SockAddrIn6, type SockOpt } from '../../kernel/sock.ts';
import { ICMPV6, IPPROTO } from '../../wire/headers.ts';
import { parseIpv6 } from '../../wire/addresses.ts';
import { formatAddress, sameBytes } from '../iproute/args.ts';
import { icmp6Text } from './messages.ts';
import type { PingFamily, PingProcess } from './ping.ts';
import { openSocket, pingError } from './ping4.ts';
import { addressWithZone } from './resolver.ts';

const option = (p: PingProcess, sk: Sock, name: SockOpt, value: number | string | Uint8Array, what: string): void => {
  const r = p.kernel.sockets.setsockopt(sk, name, value);
  if (r < 0) pingError(what, r);
};

/** fe80::/10 and link-local multicast. */
const isLinkLocal = (a: Uint8Array): boolean => (a[0] === 0xfe && (a[1] & 0xc0) === 0x80) || (a[0] === 0xff && (a[1] & 0x0f) === 2);

function probe(p: PingProcess, raw: Sock): void {
  const { sockets } = p.kernel;
  const sk = openSocket(p, AF.INET6, SOCK.DGRAM, 0);
  if (p.device !== undefined) {
    const r = sockets.setsockopt(sk, 'SO_BINDTODEVICE', p.device);
    if (r < 0) pingError(`SO_BINDTODEVICE ${p.device}`, r);
    option(p, raw, 'SO_BINDTODEVICE', p.device, `SO_BINDTODEVICE ${p.device}`);
  }
  if (p.options.mark !== undefined) sockets.setsockopt(sk, 'SO_MARK', p.options.mark);
  // a link-local target is not connected to: its source stays open until a packet is sent
  const r = isLinkLocal(p.target.bytes)
    ? 0
    : sockets.connect(sk, { family: 10, addr: p.target.bytes, port: 1025, scope_id: p.target.scope });
  if (r < 0) {
    sockets.close(sk);
    pingError('connect', r);
  }
  const name = sockets.getsockname(sk);
  sockets.close(sk);
  if (typeof name === 'number') pingError('getsockname', name);
  p.source = (name as SockAddrIn6).addr;
  const ifindex = p.net.__dev_get_by_name(p.device ?? '')?.ifindex ?? 0;
  const own = p.kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(p.net, ifindex);
  if (p.device !== undefined && !own.some((a) => sameBytes(a.local ?? a.address, p.source)))
    p.error(`ping: Warning: source address might be selected on device other than: ${p.device}\n`);
}

function open(p: PingProcess): Sock {
  const o = p.options;
  const { sockets } = p.kernel;
  const sk = openSocket(p, AF.INET6, SOCK.RAW, IPPROTO.ICMPV6);
  p.sock = sk;
  if (p.target.bytes.every((b) => b === 0)) p.target = { ...p.target, bytes: Uint8Array.from([...new Array<number>(15).fill(0), 1]) };
  const strict = o.from !== undefined && parseIpv6(o.from.split('%')[0]) !== undefined;
  if (strict) p.source = parseIpv6((o.from as string).split('%')[0]) as Uint8Array;
  else {
    p.device = o.from;
    probe(p, sk);
  }
  if (strict) {
    const r = sockets.bind(sk, { family: 10, addr: p.source, port: 0, scope_id: p.target.scope });
    if (r < 0) pingError('bind icmp socket', r);
  }
  if (o.pmtudisc !== undefined) option(p, sk, 'IPV6_MTU_DISCOVER', o.pmtudisc, 'IPV6_MTU_DISCOVER');
  sockets.setsockopt(sk, 'IPV6_RECVERR', 1);
  sockets.setsockopt(sk, 'ICMPV6_FILTER', filter());
  if (o.noLoop) option(p, sk, 'IPV6_MULTICAST_LOOP', 0, "can't disable multicast loopback");
  if (o.ttl !== undefined) {
    option(p, sk, 'IPV6_MULTICAST_HOPS', o.ttl, "can't set multicast hop limit");
    option(p, sk, 'IPV6_UNICAST_HOPS', o.ttl, "can't set unicast hop limit");
  }
  option(p, sk, 'IPV6_RECVHOPLIMIT', 1, "can't receive hop limit");
  if (o.tos !== undefined) option(p, sk, 'IPV6_TCLASS', o.tos, 'setsockopt(IPV6_TCLASS)');
  const from = p.device !== undefined || strict ? `from ${addressWithZone(p, p.source, 0)} ${p.device ?? ''}: ` : '';
  p.print(`PING ${o.target}(${p.peerName(p.target.bytes, p.target.scope)}) ${from}${o.size} data bytes\n`);
  return sk;
}

/** ICMP6_FILTER: set bits block; echo replies and errors pass. */
function filter(): Uint8Array {
  const b = new Uint8Array(32).fill(0xff);
  for (const t of [ICMPV6.DEST_UNREACH, ICMPV6.PKT_TOOBIG, ICMPV6.TIME_EXCEED, 4, ICMPV6.ECHO_REPLY]) b[t >> 3] &= ~(1 << (t & 7));
  return b;
}

const half = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1];

function parseReply(p: PingProcess, message: Message): boolean {
  const { data } = message;
  const from = message.from as SockAddrIn6 | undefined;
  if (data.length < 8 || from === undefined) {
    if (p.options.verbose) p.error(`ping: packet too short: ${data.length} bytes\n`);
    return true;
  }
  if (data[0] !== ICMPV6.ECHO_REPLY || half(data, 4) !== p.identifier) return true;
  p.gather(data, message, {
    from: p.peerName(from.addr, from.scope_id !== 0 ? from.scope_id : message.ifindex),
    ttl: message.ttl,
    badChecksum: false,
    wrongSource: !p.multicast && !sameBytes(from.addr, p.target.bytes),
    tail: '',
  });
  return false;
}

function receiveError(p: PingProcess, message: Message): number {
  const { err, data } = message;
  if (err === undefined) return 0;
  if (err.ee_origin === SO_EE_ORIGIN.LOCAL) {
    if (err.ee_errno === Errno.EMSGSIZE || err.ee_errno !== 0) p.localError(err.ee_errno, err.ee_info);
    return -1;
  }
  if (err.ee_origin !== SO_EE_ORIGIN.ICMP6) return 0;
  if (
    data.length < 8 ||
    data[0] !== ICMPV6.ECHO_REQUEST ||
    half(data, 4) !== p.identifier ||
    !sameBytes(message.from?.addr as Uint8Array | undefined, p.target.bytes)
  )
    return 0;
  const offender = err.offender;
  const scope = offender?.family === 10 && offender.scope_id !== 0 ? offender.scope_id : message.ifindex;
  const name = offender === undefined ? formatAddress(new Uint8Array(16)) : p.peerName(offender.addr, scope);
  p.networkError(half(data, 6), name, icmp6Text(err.ee_type, err.ee_code, err.ee_info));
  return 1;
}

function checksum(): void {
  // IPV6_CHECKSUM of a raw ICMPv6 socket: the kernel sums, it knows the source (RFC 3542 §3.1)
}

export const PING6: PingFamily = ops({ headerBytes: 40, echoRequest: ICMPV6.ECHO_REQUEST, open, checksum, parseReply, receiveError });
