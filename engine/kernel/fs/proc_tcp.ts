// /proc/net/{tcp,tcp6} and TCP's part of sockstat (Linux: net/ipv4/tcp_ipv4.c, tcp6 in net/ipv6/tcp_ipv6.c, net/ipv4/proc.c).
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import { tcp_queues } from '../ipv4/tcp_info.ts';
import { tcpSockets, tcpStateOf, tcpTimer, type TcpAny } from '../ipv4/tcp_list.ts';
import { TCP, TCP_PINGPONG_THRESH } from '../ipv4/tcp_states.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';

const WIDTH = 149;
const COLUMNS = 'st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const NO_ADDRESS = new Uint8Array(16);

const hex = (n: number, digits: number): string => (n >>> 0).toString(16).toUpperCase().padStart(digits, '0');
const word = (n: number): string => hex((((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0, 8);
/** Hundredths of a second. */
const clock = (ns: number): number => Math.floor(ns / 1e7);

function address(s: TcpAny, local: boolean): string {
  if (s.family === 2) return word(local ? s.rcv_saddr : s.daddr);
  const a = (local ? s.local6 : s.peer6) ?? NO_ADDRESS;
  let out = '';
  for (let i = 0; i < 16; i += 4) out += word(((a[i] << 24) | (a[i + 1] << 16) | (a[i + 2] << 8) | a[i + 3]) >>> 0);
  return out;
}

/** %pK of an object that has no address here: its identity, hashed. */
const pointer = (ino: number): string => (Math.imul(ino, 0x9e3779b1) >>> 0).toString(16).padStart(16, '0');

function row(kernel: Kernel, s: TcpAny, slot: number): string {
  const timer = tcpTimer(kernel, s);
  const [rx, tx] = s.kind === 'sock' ? tcp_queues(s) : [0, 0];
  const listening = s.kind === 'sock' && s.state === TCP.LISTEN;
  const ends = `${address(s, true)}:${hex(s.num, 4)} ${address(s, false)}:${hex(s.dport, 4)}`;
  const begin = `${String(slot).padStart(4)}: ${ends} ${hex(tcpStateOf(s), 2)} ${hex(listening ? 0 : tx, 8)}:${hex(rx, 8)} ${hex(timer.kind, 2)}:${hex(clock(timer.left), 8)}`;
  if (s.kind === 'timewait') return `${begin} 00000000 ${'0'.padStart(5)} ${'0'.padStart(8)} 0 3 ${pointer(s.ino)}`;
  if (s.kind === 'request') return `${begin} ${hex(timer.count, 8)} ${'0'.padStart(5)} ${'0'.padStart(8)} 0 0 ${pointer(s.snt_isn)}`;
  const pingpong = s.ack_pingpong >= TCP_PINGPONG_THRESH ? 1 : 0;
  const ssthresh = listening ? 0 : s.snd_ssthresh >= 0x7fffffff ? -1 : s.snd_ssthresh;
  return `${begin} ${hex(s.retransmits, 8)} ${String(s.uid).padStart(5)} ${String(s.probes_out).padStart(8)} ${s.ino} 1 ${pointer(s.ino)} ${clock(s.rto)} ${clock(s.ack_ato)} ${(s.ack_quick << 1) | pingpong} ${s.snd_cwnd} ${ssthresh}`;
}

export function tcp4Sockets(kernel: Kernel, net: Net): string {
  const head = `  sl  local_address rem_address   ${COLUMNS}`.padEnd(WIDTH);
  return `${head}\n${tcpSockets(net, 2)
    .map((s, i) => `${row(kernel, s, i).padEnd(WIDTH)}\n`)
    .join('')}`;
}
export function tcp6Sockets(kernel: Kernel, net: Net): string {
  const head = `  sl  local_address                         remote_address                        ${COLUMNS}\n`;
  return (
    head +
    tcpSockets(net, 10)
      .map((s, i) => `${row(kernel, s, i)}\n`)
      .join('')
  );
}

/** Counts of sockstat: those in use, without a process, in TIME_WAIT, allocated. */
export function tcpCounts(kernel: Kernel, net: Net): { inuse: number; inuse6: number; orphan: number; tw: number; alloc: number } {
  const four = tcpSockets(net, 2).filter((s) => s.kind === 'sock');
  const six = tcpSockets(net, 10).filter((s) => s.kind === 'sock');
  const alive = [...four, ...six];
  const open = kernel.sockets.all.filter((s) => s.net === net && s.type === 1).length;
  const orphan = alive.filter((s) => s.kind === 'sock' && s.dead).length;
  return {
    inuse: four.filter((s) => s.state !== TCP.CLOSE).length,
    inuse6: six.filter((s) => s.state !== TCP.CLOSE).length,
    orphan,
    tw: ipv4Net(net).tcp.timewaits,
    alloc: open + orphan,
  };
}
