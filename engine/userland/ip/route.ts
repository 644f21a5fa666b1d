// `ip route`: listing, flushing, one destination's route, and the way to changes.
import { AF, RT_TABLE, type RouteGetRequest, type RouteInfo, RTM_F } from '../../kernel/rtnl_records.ts';
import { type Args, getAddress, getPrefix, type InetPrefix, invarg, matches, samePrefix, unsigned } from '../iproute/args.ts';
import { dsfieldNumber, protocolNumber, routeTypeNumber, scopeNumber, tableNumber } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import { type IpContext, isNlResult } from './ip_context.ts';
import { routeModify } from './route_modify.ts';
import { printRoute, type RoutePrintMode } from './route_print.ts';
import { routeUsage } from './usage.ts';

interface RouteFilter {
  table: number;
  cached: boolean;
  protocol: number | undefined;
  scope: number | undefined;
  type: number | undefined;
  oif: number;
  via: Uint8Array | undefined;
  src: Uint8Array | undefined;
  metric: number | undefined;
  tos: number | undefined;
  /** Routes within this prefix. */
  root: InetPrefix | undefined;
  /** Routes that cover this prefix. */
  match: InetPrefix | undefined;
}

const tos = (word: string): number => dsfieldNumber(word) ?? invarg('TOS value is invalid\n', word);

function parseTable(filter: RouteFilter, word: string): void {
  if (word === 'all') filter.table = 0;
  else if (word === 'cache') filter.cached = true;
  else if (word === 'help') routeUsage();
  else filter.table = tableNumber(word) ?? invarg('table id value is invalid\n', word);
}

function selectDestination(filter: RouteFilter, args: Args, family: number): void {
  if (args.word === 'to') args.next();
  if (args.word === 'root') filter.root = getPrefix(args.next(), family);
  else if (args.word === 'match') filter.match = getPrefix(args.next(), family);
  else {
    if (args.word === 'exact') args.next();
    else if (matches(args.word, 'help')) routeUsage();
    filter.root = getPrefix(args.word, family);
    filter.match = filter.root;
  }
}

function parseFilter(ip: IpContext, args: Args): RouteFilter {
  const f: RouteFilter = {
    table: RT_TABLE.MAIN,
    cached: false,
    protocol: undefined,
    scope: undefined,
    type: undefined,
    oif: 0,
    via: undefined,
    src: undefined,
    metric: undefined,
    tos: undefined,
    root: undefined,
    match: undefined,
  };
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (matches(word, 'table')) parseTable(f, args.next());
    else if (matches(word, 'cached') || matches(word, 'cloned')) f.cached = true;
    else if (matches(word, 'protocol')) {
      const p = args.next();
      f.protocol = p === 'all' ? undefined : (protocolNumber(p) ?? invarg('invalid "protocol"\n', p));
    } else if (matches(word, 'scope')) {
      const s = args.next();
      f.scope = s === 'all' ? undefined : (scopeNumber(s) ?? invarg('invalid "scope"\n', s));
    } else if (matches(word, 'type')) {
      const t = args.next();
      f.type = routeTypeNumber(t) ?? invarg('node type value is invalid\n', t);
    } else if (word === 'dev' || word === 'oif') dev = args.next();
    else if (word === 'metric') f.metric = unsigned(args.next(), '"metric" value is invalid\n');
    else if (word === 'tos' || word === 'dsfield') f.tos = tos(args.next());
    else if (word === 'via') f.via = getAddress(args.next(), ip.opt.family);
    else if (word === 'src') f.src = getAddress(args.next(), ip.opt.family);
    else if (word === 'vrf') invarg('Invalid VRF\n', args.next());
    else if (['iif', 'mark', 'realms', 'from'].includes(word)) ip.notModelled(`ip route show ${word}`);
    else selectDestination(f, args, ip.opt.family);
  }
  if (dev !== undefined) f.oif = ip.requireDevice(dev);
  return f;
}

const zero = (family: number): Uint8Array => new Uint8Array(family === AF.INET6 ? 16 : 4);

function selected(f: RouteFilter, r: RouteInfo): boolean {
  const dst = r.dst ?? zero(r.family);
  if (f.table !== 0 && r.table !== f.table) return false;
  if (f.protocol !== undefined && r.protocol !== f.protocol) return false;
  if (f.scope !== undefined && r.scope !== f.scope) return false;
  if (f.type !== undefined && r.type !== f.type) return false;
  if (f.tos !== undefined && r.tos !== f.tos) return false;
  if (f.metric !== undefined && (r.priority ?? 0) !== f.metric) return false;
  // a multipath route carries no attribute of its own to match
  const single = r.nexthops.length === 1 ? r.nexthops[0] : undefined;
  if (f.oif !== 0 && single?.ifindex !== f.oif) return false;
  const { via, src } = f;
  if (via !== undefined && (single?.gateway?.length !== via.length || !samePrefix(single.gateway, via, via.length * 8))) return false;
  if (src !== undefined && (r.prefsrc?.length !== src.length || !samePrefix(r.prefsrc, src, src.length * 8))) return false;
  if (f.root !== undefined && !inside(f.root, r, dst)) return false;
  return f.match === undefined || covers(f.match, r, dst);
}

function inside(root: InetPrefix, r: RouteInfo, dst: Uint8Array): boolean {
  if (root.bytes.length === 0) return true;
  return r.family === root.family && root.bitlen <= r.dst_len && samePrefix(dst, root.bytes, root.bitlen);
}

function covers(match: InetPrefix, r: RouteInfo, dst: Uint8Array): boolean {
  if (match.bytes.length === 0) return r.dst_len === 0;
  return r.family === match.family && match.bitlen >= r.dst_len && samePrefix(dst, match.bytes, r.dst_len);
}

/** A dump of a table that was never used fails. */
function requireTable(ip: IpContext, family: number, table: number): void {
  const { ipv4, ipv6 } = ip.kernel;
  const exists =
    family === AF.INET6 ? ipv6.fib.fib6_get_table(ip.net, table) !== undefined : ipv4.fib.fib_get_table(ip.net, table) !== undefined;
  if (exists) return;
  throw new ToolExit(2, `Error: ${family === AF.INET6 ? 'ipv6' : 'ipv4'}: FIB table does not exist.\nDump terminated\n`);
}

function dump(ip: IpContext, f: RouteFilter): RouteInfo[] {
  const family = ip.opt.family !== 0 ? ip.opt.family : f.table !== 0 || f.cached ? AF.INET : 0;
  if (f.table !== 0 && !f.cached) requireTable(ip, family, f.table);
  if (f.cached) return family === AF.INET6 ? [] : ip.kernel.ipv4.rtnlRoute.dumpRouteCache(ip.net);
  const routes = [
    ...(family !== AF.INET6 ? ip.kernel.ipv4.rtnlRoute.inet_dump_fib(ip.net, f.table) : []),
    ...(family !== AF.INET ? ip.kernel.ipv6.rtnlRoute.inet6_dump_fib(ip.net, f.table) : []),
  ];
  return routes.filter((r) => selected(f, r));
}

const printMode = (f: RouteFilter): RoutePrintMode => ({
  table: f.table,
  device: f.oif !== 0,
  protocol: f.protocol !== undefined,
  scope: f.scope !== undefined,
  via: f.via !== undefined,
  metric: f.metric !== undefined,
  src: f.src !== undefined,
  tos: f.tos !== undefined,
});

function show(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  ip.out.begin();
  const mode = printMode(f);
  for (const r of dump(ip, f)) printRoute(ip, r, mode);
  ip.out.end();
  return 0;
}

function flush(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, '"ip route flush" requires arguments.\n');
  const f = parseFilter(ip, args);
  if (f.cached) {
    if (ip.opt.family !== AF.INET6) ip.kernel.ipv4.rtnlRoute.flushRouteCache(ip.net);
    if (ip.opt.family !== AF.INET6 && ip.opt.stats > 0) ip.tool.print('*** IPv4 routing cache is flushed.\n');
    return 0;
  }
  const routes = dump(ip, f).filter((r) => (r.flags & RTM_F.CLONED) === 0);
  for (const r of routes) {
    const req = {
      family: r.family,
      dst_len: r.dst_len,
      tos: r.tos,
      table: r.table,
      protocol: r.protocol,
      scope: r.scope,
      type: r.type,
      flags: 0,
      nlflags: 0,
      ...optional(r),
    };
    if (ip.opt.stats > 1) printRoute(ip, r, printMode(f));
    if (r.family === AF.INET6) ip.kernel.ipv6.rtnlRoute.inet6_rtm_delroute(ip.net, req);
    else ip.kernel.ipv4.rtnlRoute.inet_rtm_delroute(ip.net, req);
  }
  ip.flush();
  if (ip.opt.stats > 0)
    ip.tool.print(
      routes.length === 0
        ? 'Nothing to flush.\n'
        : `\n*** Round 1, deleting ${routes.length} entries ***\n*** Flush is complete after 1 round ***\n`,
    );
  return 0;
}

/** Attributes of a dumped route that identify it in a delete request. */
function optional(r: RouteInfo): { dst?: Uint8Array; priority?: number; oif?: number; gateway?: Uint8Array } {
  const nh = r.nexthops.length === 1 ? r.nexthops[0] : undefined;
  return {
    ...(r.dst !== undefined ? { dst: r.dst } : {}),
    ...(r.priority !== undefined ? { priority: r.priority } : {}),
    ...(nh !== undefined && nh.ifindex !== 0 ? { oif: nh.ifindex } : {}),
    ...(nh?.gateway !== undefined ? { gateway: nh.gateway } : {}),
  };
}

function warnPrefix(ip: IpContext, address: InetPrefix): void {
  const whole = address.bytes.length * 8;
  if (whole > 0 && address.bitlen !== whole)
    ip.tool.error(`Warning: /${address.bitlen} as prefix is invalid, only /${whole} (or none) is supported.\n`);
}

function get(ip: IpContext, args: Args): number {
  let family = ip.opt.family;
  let address: InetPrefix | undefined;
  let oif: string | undefined;
  let iif: string | undefined;
  const rest: Partial<RouteGetRequest> = {};
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'from') {
      const from = getPrefix(args.next(), family);
      family ||= from.family;
      if (from.bytes.length > 0) rest.src = from.bytes;
    } else if (word === 'iif') iif = args.next();
    else if (word === 'oif' || word === 'dev') oif = args.next();
    else if (word === 'tos' || word === 'dsfield') rest.tos = tos(args.next());
    else if (word === 'mark') rest.mark = unsigned(args.next(), 'invalid mark value');
    else if (word === 'uid') rest.uid = unsigned(args.next(), 'invalid UID\n');
    else if (word === 'fibmatch') rest.fibmatch = true;
    else if (word === 'notify' || word === 'connected') continue;
    else if (word === 'sport') rest.sport = unsigned(args.next(), 'invalid sport\n', 65535);
    else if (word === 'dport') rest.dport = unsigned(args.next(), 'invalid dport\n', 65535);
    else if (word === 'ipproto') {
      const p = args.next();
      rest.ipproto = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58 }[p] ?? unsigned(p, 'Invalid "ipproto" value\n', 255);
    } else {
      if (word === 'to') args.next();
      if (matches(args.word, 'help')) routeUsage();
      address = getPrefix(args.word, family);
      family ||= address.family;
      warnPrefix(ip, address);
    }
  }
  if (address === undefined || address.bytes.length === 0) throw new ToolExit(1, 'need at least a destination address\n');
  if (iif !== undefined) rest.iif = ip.requireDevice(iif);
  if (oif !== undefined) rest.oif = ip.requireDevice(oif);
  const req: RouteGetRequest = { ...rest, family, dst: address.bytes };
  const answer =
    family === AF.INET6
      ? ip.kernel.ipv6.rtnlRoute.inet6_rtm_getroute(ip.net, req)
      : ip.kernel.ipv4.rtnlRoute.inet_rtm_getroute(ip.net, req);
  if (isNlResult(answer)) return ip.talk(answer);
  ip.out.begin();
  printRoute(ip, answer, { table: 0 });
  ip.out.end();
  return 0;
}

export function ipRoute(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'list') || matches(word, 'show') || word === 'lst') return show(ip, args);
  if (matches(word, 'get')) return get(ip, args);
  if (matches(word, 'add')) return routeModify(ip, args, 'add');
  if (matches(word, 'append')) return routeModify(ip, args, 'append');
  if (matches(word, 'change') || word === 'chg') return routeModify(ip, args, 'change');
  if (matches(word, 'replace')) return routeModify(ip, args, 'replace');
  if (matches(word, 'prepend')) return routeModify(ip, args, 'prepend');
  if (matches(word, 'test')) return routeModify(ip, args, 'test');
  if (matches(word, 'delete')) return routeModify(ip, args, 'delete');
  if (matches(word, 'flush')) return flush(ip, args);
  if (['save', 'restore', 'showdump'].some((k) => matches(word, k))) ip.notModelled(`ip route ${word}`);
  if (matches(word, 'help')) routeUsage();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip route help".\n`);
}
