// net-tools' route, arp and ifconfig: the old interface to addresses, routes and neighbours.
import { strerror } from '../../base/errno.ts';
import { IFF } from '../../kernel/net_device.ts';
import { AF, IFA_F, NLM_F, NUD, RT_SCOPE, RT_TABLE, RTN, RTPROT, type RouteRequest } from '../../kernel/rtnl_records.ts';
import { parseMac } from '../../wire/addresses.ts';
import { formatAddress, parsePrefix, sameBytes } from '../iproute/args.ts';
import { hardwareAddress } from '../ip/link_print.ts';
import { inetAton } from '../ping/resolver.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

/** '0100A8C0' of /proc/net/route as an address. */
const fromHex = (hex: string): string =>
  (hex.match(/../g) ?? [])
    .reverse()
    .map((h) => Number.parseInt(h, 16))
    .join('.');

function showRoutes(ctx: ToolContext): number {
  ctx.print('Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n');
  for (const line of ctx.readFile('/proc/net/route').split('\n').slice(1)) {
    const [dev, dst, gw, flags, ref, use, metric, mask] = line.trim().split(/\s+/);
    if (mask === undefined) continue;
    const bits = Number.parseInt(flags, 16);
    const letters = `${(bits & 1) !== 0 ? 'U' : ''}${(bits & 2) !== 0 ? 'G' : ''}${(bits & 4) !== 0 ? 'H' : ''}${(bits & 0x200) !== 0 ? '!' : ''}`;
    ctx.print(
      `${fromHex(dst).padEnd(15)} ${fromHex(gw).padEnd(15)} ${fromHex(mask).padEnd(15)} ${letters.padEnd(5)} ${metric.padEnd(6)} ${ref.padEnd(2)} ${use.padStart(7)} ${dev}\n`,
    );
  }
  return 0;
}

const routeUsage = (): never => {
  throw new ToolExit(
    4,
    'Usage: route [-n] | route {add|del} {default|[-net|-host] TARGET} [netmask MASK] [gw GATEWAY] [metric N] [dev NAME]\n',
  );
};

function changeRoute(ctx: ToolContext, adding: boolean, words: readonly string[]): number {
  const args = [...words];
  if (args[0] === '-net' || args[0] === '-host') args.shift();
  const target = args.shift();
  if (target === undefined) return routeUsage();
  const value = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  const prefix =
    target === 'default'
      ? parsePrefix('0.0.0.0/0', AF.INET)
      : parsePrefix(value('netmask') === undefined ? target : `${target}/${value('netmask')}`, AF.INET);
  if (prefix === undefined) throw new ToolExit(6, `${target}: Unknown host\n`);
  const gateway = value('gw');
  const gw = gateway === undefined ? undefined : inetAton(gateway);
  if (gateway !== undefined && gw === undefined) throw new ToolExit(6, `${gateway}: Unknown host\n`);
  const dev = value('dev') ?? (args.length % 2 === 1 ? args[args.length - 1] : undefined);
  const oif = dev === undefined ? undefined : ctx.net.__dev_get_by_name(dev)?.ifindex;
  if (dev !== undefined && oif === undefined) throw new ToolExit(7, `${adding ? 'SIOCADDRT' : 'SIOCDELRT'}: No such device\n`);
  const req: RouteRequest = {
    family: AF.INET,
    dst_len: prefix.bitlen,
    tos: 0,
    table: RT_TABLE.MAIN,
    protocol: adding ? RTPROT.BOOT : RTPROT.UNSPEC,
    scope: adding ? (gw === undefined ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE) : RT_SCOPE.NOWHERE,
    type: adding ? RTN.UNICAST : RTN.UNSPEC,
    flags: 0,
    nlflags: adding ? NLM_F.CREATE : 0,
    ...(prefix.bitlen > 0 ? { dst: prefix.bytes } : {}),
    ...(gw !== undefined ? { gateway: gw } : {}),
    ...(oif !== undefined ? { oif } : {}),
    ...(value('metric') !== undefined ? { priority: Number(value('metric')) } : {}),
  };
  const { rtnlRoute } = ctx.kernel.ipv4;
  const r = adding ? rtnlRoute.inet_rtm_newroute(ctx.net, req) : rtnlRoute.inet_rtm_delroute(ctx.net, req);
  if (r.errno === 0) return 0;
  throw new ToolExit(7, `${adding ? 'SIOCADDRT' : 'SIOCDELRT'}: ${strerror(r.errno)}\n`);
}

function route(ctx: ToolContext): number {
  const words = ctx.argv.slice(1).filter((w) => !/^-(n|e|ee|4)$/.test(w));
  const [command, ...rest] = words;
  if (command === undefined) return showRoutes(ctx);
  if (command === 'add') return changeRoute(ctx, true, rest);
  if (command === 'del' || command === 'delete') return changeRoute(ctx, false, rest);
  return routeUsage();
}

interface ArpLine {
  readonly address: string;
  readonly flags: number;
  readonly mac: string;
  readonly dev: string;
}
const arpTable = (ctx: ToolContext): ArpLine[] =>
  ctx
    .readFile('/proc/net/arp')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [address, , flags, mac, , dev] = line.trim().split(/\s+/);
      return dev === undefined ? [] : [{ address, flags: Number.parseInt(flags, 16), mac, dev }];
    });
const arpFlags = (l: ArpLine): string =>
  `${(l.flags & 2) !== 0 ? 'C' : ''}${(l.flags & 4) !== 0 ? 'M' : ''}${(l.flags & 8) !== 0 ? 'P' : ''}`;

function showArp(ctx: ToolContext, host: string | undefined, bsd: boolean): number {
  const lines = arpTable(ctx).filter((l) => host === undefined || l.address === host);
  if (host !== undefined && lines.length === 0) {
    ctx.print(`${host} (${host}) -- no entry\n`);
    return 0;
  }
  if (lines.length > 0 && !bsd) ctx.print('Address                  HWtype  HWaddress           Flags Mask            Iface\n');
  for (const l of lines) {
    const known = (l.flags & 2) !== 0;
    if (bsd)
      ctx.print(`? (${l.address}) at ${known ? `${l.mac} [ether]` : '<incomplete>'}${(l.flags & 4) !== 0 ? ' PERM' : ''} on ${l.dev}\n`);
    else
      ctx.print(
        `${l.address.padEnd(23)}  ${(known ? 'ether' : '').padEnd(7)} ${(known ? l.mac : '(incomplete)').padEnd(19)} ${arpFlags(l).padEnd(5)} ${''.padEnd(15)} ${l.dev}\n`,
      );
  }
  return 0;
}

/** The interface whose route leads to an address. */
function deviceTowards(ctx: ToolContext, dst: Uint8Array): number {
  const answer = ctx.kernel.ipv4.rtnlRoute.inet_rtm_getroute(ctx.net, { family: AF.INET, dst });
  return 'nexthops' in answer ? (answer.nexthops[0]?.ifindex ?? 0) : 0;
}

function arp(ctx: ToolContext): number {
  const words = ctx.argv.slice(1);
  const rest = words.filter((w) => !w.startsWith('-'));
  const { rtnlNeigh } = ctx.kernel.ipv4;
  if (words.includes('-s') || words.includes('-d')) {
    const adding = words.includes('-s');
    const dst = inetAton(rest[0] ?? '');
    if (dst === undefined) throw new ToolExit(255, `${rest[0] ?? 'arp'}: Unknown host\n`);
    const lladdr = adding ? parseMac(rest[1] ?? '') : undefined;
    if (adding && lladdr === undefined) throw new ToolExit(255, 'arp: invalid hardware address\n');
    const ifindex = deviceTowards(ctx, dst);
    const req = {
      family: AF.INET,
      ifindex,
      state: NUD.PERMANENT,
      flags: 0,
      dst,
      nlflags: NLM_F.CREATE | NLM_F.REPLACE,
      ...(lladdr !== undefined ? { lladdr } : {}),
    };
    if (adding) {
      const r = rtnlNeigh.neigh_add(ctx.net, req);
      if (r.errno !== 0) throw new ToolExit(255, `SIOCSARP: ${strerror(r.errno)}\n`);
      return 0;
    }
    if (!arpTable(ctx).some((l) => l.address === rest[0]) || rtnlNeigh.neigh_delete(ctx.net, req).errno !== 0)
      throw new ToolExit(255, `No ARP entry for ${rest[0]}\n`);
    return 0;
  }
  return showArp(
    ctx,
    rest[0],
    words.some((w) => /^-\w*a/.test(w)),
  );
}

/** Class of an address before CIDR (RFC 791 §3.2), as SIOCSIFADDR assumes it. */
const classLength = (first: number): number => (first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32);

function showInterface(ctx: ToolContext, name: string): void {
  const dev = ctx.net.__dev_get_by_name(name);
  if (dev === undefined) throw new ToolExit(1, `${name}: error fetching interface information: Device not found\n`);
  const words = (['UP', 'BROADCAST', 'LOOPBACK', 'POINTOPOINT', 'RUNNING', 'NOARP', 'PROMISC', 'ALLMULTI', 'MULTICAST'] as const).filter(
    (w) => (dev.flags & IFF[w]) !== 0 || (w === 'RUNNING' && (dev.flags & IFF.UP) !== 0 && !dev.nocarrier),
  );
  const bits = words.reduce((n, w) => n | IFF[w], 0);
  ctx.print(`${name}: flags=${bits}<${words.join(',')}>  mtu ${dev.mtu}\n`);
  for (const a of ctx.kernel.ipv4.rtnlAddr
    .inet_dump_ifaddr(ctx.net, dev.ifindex)
    .filter((x) => x.label === name)
    .slice(0, 1)) {
    const mask = a.prefixlen === 0 ? 0 : (0xffffffff << (32 - a.prefixlen)) >>> 0;
    const maskBytes = Uint8Array.of(mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255);
    const broadcast = (dev.flags & IFF.BROADCAST) !== 0 ? `  broadcast ${formatAddress(a.broadcast ?? new Uint8Array(4))}` : '';
    ctx.print(`        inet ${formatAddress(a.local ?? new Uint8Array(4))}  netmask ${formatAddress(maskBytes)}${broadcast}\n`);
  }
  if (dev.type === 1) ctx.print(`        ether ${hardwareAddress(dev.dev_addr)}  txqueuelen ${dev.tx_queue_len}  (Ethernet)\n`);
  else ctx.print(`        loop  txqueuelen ${dev.tx_queue_len}  (Local Loopback)\n`);
  const info = ctx.kernel.rtnl.rtnl_getlink(ctx.net, { ifindex: dev.ifindex });
  if (!('stats' in info)) return;
  const s = info.stats;
  const size = (n: number): string => `${n} (${n.toFixed(1)} B)`;
  ctx.print(
    `        RX packets ${s.rx_packets}  bytes ${size(s.rx_bytes)}\n        RX errors ${s.rx_errors}  dropped ${s.rx_dropped}  overruns ${s.rx_fifo_errors}  frame ${s.rx_frame_errors}\n`,
  );
  ctx.print(
    `        TX packets ${s.tx_packets}  bytes ${size(s.tx_bytes)}\n        TX errors ${s.tx_errors}  dropped ${s.tx_dropped} overruns ${s.tx_fifo_errors}  carrier ${s.tx_carrier_errors}  collisions ${s.collisions}\n\n`,
  );
}

/** SIOCSIFADDR and SIOCSIFNETMASK: the interface's first address is replaced. */
function setAddress(ctx: ToolContext, name: string, ifindex: number, text: string, netmask: string | undefined): void {
  const prefix = parsePrefix(netmask === undefined ? text : `${text}/${netmask}`, AF.INET);
  if (prefix === undefined || prefix.bytes.length === 0) throw new ToolExit(1, `${text}: Unknown host\n`);
  const prefixlen = prefix.lengthGiven ? prefix.bitlen : classLength(prefix.bytes[0]);
  const { rtnlAddr } = ctx.kernel.ipv4;
  const old = rtnlAddr.inet_dump_ifaddr(ctx.net, ifindex).find((a) => a.label === name && (a.flags & IFA_F.SECONDARY) === 0);
  if (old !== undefined && sameBytes(old.local, prefix.bytes) && old.prefixlen === prefixlen) return;
  if (old !== undefined) rtnlAddr.inet_rtm_deladdr(ctx.net, { ...old, nlflags: 0 });
  const broadcast = Uint8Array.from(prefix.bytes);
  for (let bit = prefixlen; bit < 32; bit++) broadcast[bit >> 3] |= 0x80 >> (bit & 7);
  const r = rtnlAddr.inet_rtm_newaddr(ctx.net, {
    family: AF.INET,
    ifindex,
    prefixlen,
    scope: prefix.bytes[0] === 127 ? RT_SCOPE.HOST : RT_SCOPE.UNIVERSE,
    flags: 0,
    local: prefix.bytes,
    address: prefix.bytes,
    ...(prefixlen < 31 ? { broadcast } : {}),
    label: name,
    nlflags: NLM_F.CREATE | NLM_F.EXCL,
  });
  if (r.errno !== 0) throw new ToolExit(1, `SIOCSIFADDR: ${strerror(r.errno)}\n`);
}

function ifconfig(ctx: ToolContext): number {
  const [name, ...words] = ctx.argv.slice(1).filter((w) => w !== '-a');
  if (name === undefined) {
    for (const d of ctx.net.devices) if ((d.flags & IFF.UP) !== 0 || ctx.argv.includes('-a')) showInterface(ctx, d.name);
    return 0;
  }
  if (words.length === 0) {
    showInterface(ctx, name);
    return 0;
  }
  const dev = ctx.net.__dev_get_by_name(name);
  if (dev === undefined)
    throw new ToolExit(255, `SIOCSIFADDR: ${strerror(19)}\n${name}: ERROR while getting interface flags: ${strerror(19)}\n`);
  const link = (what: string, request: object): void => {
    const r = ctx.kernel.rtnl.rtnl_setlink(ctx.net, { ifindex: dev.ifindex, ...request });
    if (r.errno !== 0) throw new ToolExit(1, `${what}: ${strerror(r.errno)}\n`);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === 'up' || word === 'down') link('SIOCSIFFLAGS', { change: IFF.UP, flags: word === 'up' ? IFF.UP : 0 });
    else if (word === 'mtu') link('SIOCSIFMTU', { mtu: Number(words[++i]) });
    else if (word === 'netmask') i++;
    else {
      setAddress(
        ctx,
        name,
        dev.ifindex,
        word,
        words[words.indexOf('netmask') + 1] !== word && words.includes('netmask') ? words[words.indexOf('netmask') + 1] : undefined,
      );
      link('SIOCSIFFLAGS', { change: IFF.UP, flags: IFF.UP });
    }
  }
  return 0;
}

export const ROUTE: Tool = Object.freeze({ run: route });
export const ARP: Tool = Object.freeze({ run: arp });
export const IFCONFIG: Tool = Object.freeze({ run: ifconfig });
