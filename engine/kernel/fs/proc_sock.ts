// /proc/net/{udp,raw,icmp,igmp,igmp6}: sockets and group memberships of the reader's namespace (Linux: net/ipv4/{udp,raw,ping,igmp}.c).
import type { InetSock } from '../ipv4/inet_sock.ts';
import { inDev, ipv4Net } from '../ipv4/ipv4_net.ts';
import { in6Dev } from '../ipv6/ipv6_net.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';

/** seq_setwidth() of the UDP tables. */
const WIDTH = 127;
const HEADER = 'sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';
/** Linux: UDP_HTABLE_SIZE_MIN; a socket's slot is its port in the table. */
const UDP_SLOTS = 256;
const ESTABLISHED = 1;
const CLOSE = 7;

const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');
/** An address held as a number in host order, as %08X of its network-order word on a little-endian machine. */
const address = (n: number): string => hex((((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0, 8);

function row(sock: InetSock, slot: number, slotWidth: number, state: number, remotePort: number): string {
  const columns = [
    `${String(slot).padStart(slotWidth)}:`,
    `${address(sock.rcv_saddr)}:${hex(sock.num, 4)}`,
    `${address(sock.daddr)}:${hex(remotePort, 4)}`,
    hex(state, 2),
    `${hex(sock.wmem_alloc, 8)}:${hex(sock.rmem_alloc, 8)}`,
    '00:00000000',
    '00000000',
    '0'.padStart(5),
    '0'.padStart(8),
    sock.ino,
    2,
    '0000000000000000',
    sock.drops,
  ];
  return columns.join(' ');
}

const stateOf = (sock: InetSock): number => (sock.connected ? ESTABLISHED : CLOSE);

export function udpSockets(_kernel: Kernel, net: Net): string {
  let out = `${`   ${HEADER}`.padEnd(WIDTH)}\n`;
  for (const [port, socks] of ipv4Net(net).udp) {
    for (const s of socks) if (s.family === 2) out += `${row(s, port % UDP_SLOTS, 5, stateOf(s), s.dport).padEnd(WIDTH)}\n`;
  }
  return out;
}

export function icmpSockets(_kernel: Kernel, net: Net): string {
  let out = `${`   ${HEADER}`.padEnd(WIDTH)}\n`;
  for (const [ident, socks] of ipv4Net(net).ping) {
    for (const s of socks) if (s.family === 2) out += `${row(s, ident % 64, 5, stateOf(s), s.dport).padEnd(WIDTH)}\n`;
  }
  return out;
}

export function rawSockets(_kernel: Kernel, net: Net): string {
  return `  ${HEADER}\n${ipv4Net(net)
    .raw.map((s) => `${row(s, s.protocol, 4, stateOf(s), 0)}\n`)
    .join('')}`;
}

/** Clock ticks of 10 ms left until `expires`. */
const ticksLeft = (kernel: Kernel, expires: number): number => Math.max(0, Math.floor((expires - kernel.now()) / 1e7));

export function igmp(kernel: Kernel, net: Net): string {
  let out = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n';
  for (const dev of net.devices) {
    const idev = inDev(dev);
    if (idev === undefined || idev.mc_list.length === 0) continue;
    const querier = idev.mr_v1_seen > kernel.now() ? 'V1' : idev.mr_v2_seen > kernel.now() ? 'V2' : 'V3';
    out += `${dev.ifindex}\t${dev.name.padEnd(10)}: ${String(idev.mc_list.length).padStart(5)} ${querier.padStart(7)}\n`;
    for (const im of idev.mc_list) {
      const running = kernel.timers.timer_pending(im.timer);
      const left = running ? ticksLeft(kernel, im.timer.expires) : 0;
      out += `\t\t\t\t${address(im.multiaddr)} ${String(im.users).padStart(5)} ${running ? 1 : 0}:${hex(left, 8)}\t\t${im.reporter ? 1 : 0}\n`;
    }
  }
  return out;
}

/** Linux: include/net/if_inet6.h */
const MAF = { TIMER_RUNNING: 0x01, LOADED: 0x04, NOREPORT: 0x08 } as const;

export function igmp6(kernel: Kernel, net: Net): string {
  let out = '';
  for (const dev of net.devices) {
    for (const mc of in6Dev(dev)?.mc_list ?? []) {
      const running = kernel.timers.timer_pending(mc.timer);
      const flags = (running ? MAF.TIMER_RUNNING : 0) | (mc.loaded ? MAF.LOADED : 0) | (mc.noreport ? MAF.NOREPORT : 0);
      const group = Array.from(mc.addr, (b) => b.toString(16).padStart(2, '0')).join('');
      out += `${String(dev.ifindex).padEnd(4)} ${dev.name.padEnd(15)} ${group} ${String(mc.users).padStart(5)} ${hex(flags, 8)} ${running ? ticksLeft(kernel, mc.timer.expires) : 0}\n`;
    }
  }
  return out;
}
