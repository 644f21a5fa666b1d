// /proc/net: devices, routes, neighbours and counters of the reader's namespace (Linux: net/core/net-procfs.c, net/ipv4/proc.c …).
import { tcp4Sockets, tcp6Sockets, tcpCounts } from './proc_tcp.ts';
import { ops } from '../../base/ops.ts';
import { ipv4Net } from '../ipv4/ipv4_net.ts';
import type { MibLine } from '../ipv4/mib.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { AF, NTF, NUD, RTN, RTNH_F, RT_TABLE, type NeighInfo, type RouteInfo } from '../rtnl_records.ts';
import { ETH_P } from '../../wire/headers.ts';
import type { FileOps, VfsContext } from './node.ts';
import { icmpSockets, igmp, igmp6, rawSockets, udpSockets } from './proc_sock.ts';

type Show = (kernel: Kernel, net: Net) => string;
/** A file whose text depends on the reader's namespace. */
const perNet = (show: Show): FileOps<undefined> => ops({ read: (kernel: Kernel, ctx: VfsContext) => show(kernel, ctx.net) });

/** A network-order word as a little-endian machine prints it with %08X. */
const word = (bytes: Uint8Array | undefined): string => (bytes === undefined ? '00000000' : hex(bytes.slice().reverse()).toUpperCase());
const pad = (value: number | string, width: number): string => String(value).padStart(width);
const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const mac = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':');
const dotted = (bytes: Uint8Array): string => Array.from(bytes).join('.');

function netDev(kernel: Kernel, net: Net): string {
  let out =
    'Inter-|   Receive                                                |  Transmit\n' +
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
  for (const dev of net.devices) {
    const s = kernel.net.dev_get_stats(dev);
    const frame = s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors;
    const carrier = s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors + s.tx_heartbeat_errors;
    const receive = [
      pad(s.rx_bytes, 7),
      pad(s.rx_packets, 7),
      pad(s.rx_errors, 4),
      pad(s.rx_dropped + s.rx_missed_errors, 4),
      pad(s.rx_fifo_errors, 4),
      pad(frame, 5),
      pad(s.rx_compressed, 10),
      pad(s.multicast, 9),
    ];
    const transmit = [
      pad(s.tx_bytes, 8),
      pad(s.tx_packets, 7),
      pad(s.tx_errors, 4),
      pad(s.tx_dropped, 4),
      pad(s.tx_fifo_errors, 4),
      pad(s.collisions, 5),
      pad(carrier, 7),
      pad(s.tx_compressed, 10),
    ];
    out += `${pad(dev.name, 6)}: ${receive.join(' ')} ${transmit.join(' ')}\n`;
  }
  return out;
}

function devMcast(_kernel: Kernel, net: Net): string {
  let out = '';
  for (const dev of net.devices) {
    for (const a of dev.mc)
      out += `${String(dev.ifindex).padEnd(4)} ${dev.name.padEnd(15)} ${String(a.refcount).padEnd(5)} ${(a.global_use ? '1' : '0').padEnd(5)} ${hex(a.addr)}\n`;
  }
  return out;
}

/** Columns: processed dropped time_squeeze, six retired ones, received_rps flow_limit_count backlog_len cpu. */
function softnetStat(kernel: Kernel): string {
  return kernel.net.rx
    .softnetStats()
    .map((s) => [s.processed, s.dropped, s.time_squeeze, 0, 0, 0, 0, 0, 0, s.received_rps, s.flow_limit_count, s.backlog_len, s.cpu])
    .map((row) => `${row.map((n) => n.toString(16).padStart(8, '0')).join(' ')}\n`)
    .join('');
}

const RTF = { UP: 1, GATEWAY: 2, HOST: 4, REJECT: 0x200 } as const;
const ROUTE_WIDTH = 127;

function routeLine(net: Net, r: RouteInfo): string {
  const hop = r.nexthops[0];
  const rejects = r.type === RTN.UNREACHABLE || r.type === RTN.PROHIBIT;
  let flags = rejects ? RTF.REJECT : 0;
  if (hop?.gateway !== undefined) flags |= RTF.GATEWAY;
  if (r.dst_len === 32) flags |= RTF.HOST;
  if (hop === undefined || (hop.flags & RTNH_F.DEAD) === 0) flags |= RTF.UP;
  const mask = r.dst_len === 0 ? 0 : (0xffffffff << (32 - r.dst_len)) >>> 0;
  const maskBytes = new Uint8Array([mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255]);
  const dev = hop === undefined ? undefined : net.__dev_get_by_index(hop.ifindex);
  const advmss = r.metrics?.get(8);
  const columns = [
    dev?.name ?? '*',
    word(r.dst),
    word(hop?.gateway),
    flags.toString(16).toUpperCase().padStart(4, '0'),
    0,
    0,
    r.priority ?? 0,
    word(maskBytes),
    advmss === undefined ? 0 : advmss + 40,
    r.metrics?.get(3) ?? 0,
    (r.metrics?.get(4) ?? 0) >> 3,
  ];
  return `${columns.join('\t').padEnd(ROUTE_WIDTH)}\n`;
}

function route(kernel: Kernel, net: Net): string {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  const shown = kernel.ipv4.rtnlRoute.inet_dump_fib(net, RT_TABLE.MAIN).filter((r) => r.type !== RTN.BROADCAST && r.type !== RTN.MULTICAST);
  return `${header.padEnd(ROUTE_WIDTH)}\n${shown.map((r) => routeLine(net, r)).join('')}`;
}

const NUD_VALID = NUD.PERMANENT | NUD.NOARP | NUD.REACHABLE | NUD.PROBE | NUD.STALE | NUD.DELAY;
const arpLine = (net: Net, n: NeighInfo, flags: number): string =>
  `${dotted(n.dst).padEnd(16)} ${`0x1`.padEnd(12)}${`0x${flags.toString(16)}`.padEnd(12)}${mac(n.lladdr ?? new Uint8Array(6)).padEnd(17)}     *        ${net.__dev_get_by_index(n.ifindex)?.name ?? ''}\n`;

function arp(kernel: Kernel, net: Net): string {
  let out = 'IP address       HW type     Flags       HW address            Mask     Device\n';
  const { rtnlNeigh } = kernel.ipv4;
  for (const n of rtnlNeigh.neigh_dump_info(net, AF.INET)) {
    if ((n.state & NUD.NOARP) !== 0) continue;
    out += arpLine(net, n, (n.state & NUD.PERMANENT) !== 0 ? 6 : (n.state & NUD_VALID) !== 0 ? 2 : 0);
  }
  for (const n of rtnlNeigh.neigh_dump_info(net, AF.INET, true)) if ((n.flags & NTF.PROXY) !== 0) out += arpLine(net, n, 0xc);
  return out;
}

const scope6 = (scope: number): number => (scope === 254 ? 0x10 : scope === 253 ? 0x20 : scope === 200 ? 0x40 : 0);

function ifInet6(kernel: Kernel, net: Net): string {
  let out = '';
  for (const a of kernel.ipv6.rtnlAddr.inet6_dump_ifaddr(net)) {
    const dev = net.__dev_get_by_index(a.ifindex);
    const addr = a.local ?? a.address;
    if (dev === undefined || addr === undefined) continue;
    const numbers = [a.ifindex, a.prefixlen, scope6(a.scope), a.flags & 0xff].map((n) => n.toString(16).padStart(2, '0'));
    out += `${hex(addr)} ${numbers.join(' ')} ${pad(dev.name, 8)}\n`;
  }
  return out;
}

const mibText = (lines: readonly MibLine[]): string =>
  lines.map((l) => `${l.proto}: ${l.names.join(' ')}\n${l.proto}: ${l.values.join(' ')}\n`).join('');

function snmp(_kernel: Kernel, net: Net): string {
  const n = ipv4Net(net);
  return mibText(n.mib.snmpLines(n.sysctl.ip_forward !== 0, n.sysctl.ip_default_ttl));
}
const netstat: Show = (_kernel, net) => mibText(ipv4Net(net).mib.netstatLines());
const snmp6: Show = (_kernel, net) =>
  ipv4Net(net)
    .mib.snmp6()
    .map(([name, value]) => `${name.padEnd(32)}\t${value}\n`)
    .join('');

function sockstat(kernel: Kernel, net: Net): string {
  const n = ipv4Net(net);
  const tcp = tcpCounts(kernel, net);
  let udp = 0;
  for (const socks of n.udp.values()) for (const s of socks) if (s.family === AF.INET) udp++;
  const frags = n.frags.size;
  const used = kernel.sockets.all.filter((s) => s.net === net).length;
  return `sockets: used ${used}\nTCP: inuse ${tcp.inuse} orphan ${tcp.orphan} tw ${tcp.tw} alloc ${tcp.alloc} mem 0\nUDP: inuse ${udp} mem 0\nUDPLITE: inuse 0\nRAW: inuse ${n.raw.length}\nFRAG: inuse ${frags} memory ${n.fragMem}\n`;
}

function sockstat6(kernel: Kernel, net: Net): string {
  const n = ipv4Net(net);
  const udp = [...n.udp.values()].flat().filter((s) => s.family === AF.INET6).length;
  return `TCP6: inuse ${tcpCounts(kernel, net).inuse6}\nUDP6: inuse ${udp}\nUDPLITE6: inuse 0\nRAW6: inuse ${n.raw6.length}\nFRAG6: inuse 0 memory 0\n`;
}

/** The receivers' functions by EtherType. */
const RECEIVERS: ReadonlyMap<number, string> = new Map([
  [ETH_P.IP, 'ip_rcv'],
  [ETH_P.ARP, 'arp_rcv'],
  [ETH_P.IPV6, 'ipv6_rcv'],
]);

function ptype(kernel: Kernel, net: Net): string {
  let out = 'Type Device      Function\n';
  for (const pt of kernel.net.rx.packetTypes()) {
    if ((pt.dev !== undefined && pt.dev.net !== net) || (pt.net !== undefined && pt.net !== net)) continue;
    const type = pt.type === ETH_P.ALL ? 'ALL ' : pt.type.toString(16).padStart(4, '0');
    out += `${type} ${(pt.dev?.name ?? '').padEnd(8)} ${RECEIVERS.get(pt.type) ?? 'packet_rcv'}\n`;
  }
  return out;
}

/** /proc/net/psched: clock resolution in ns per tick as tc computes with it. */
const psched: Show = () => '000003e8 00000040 000f4240 3b9aca00\n';

/** Name → text, in the directory's order. */
export const PROC_NET: readonly (readonly [string, FileOps<undefined>])[] = [
  ['arp', perNet(arp)],
  ['dev', perNet(netDev)],
  ['dev_mcast', perNet(devMcast)],
  ['icmp', perNet(icmpSockets)],
  ['if_inet6', perNet(ifInet6)],
  ['igmp', perNet(igmp)],
  ['igmp6', perNet(igmp6)],
  ['netstat', perNet(netstat)],
  ['psched', perNet(psched)],
  ['ptype', perNet(ptype)],
  ['raw', perNet(rawSockets)],
  ['route', perNet(route)],
  ['snmp', perNet(snmp)],
  ['snmp6', perNet(snmp6)],
  ['sockstat', perNet(sockstat)],
  ['sockstat6', perNet(sockstat6)],
  ['softnet_stat', perNet(softnetStat)],
  ['tcp', perNet(tcp4Sockets)],
  ['tcp6', perNet(tcp6Sockets)],
  ['udp', perNet(udpSockets)],
];
