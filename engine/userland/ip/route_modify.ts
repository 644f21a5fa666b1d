// `ip route add | append | change | replace | delete`.
import {
  AF,
  type NexthopInfo,
  NLM_F,
  RT_SCOPE,
  RT_TABLE,
  RTAX,
  RTN,
  RTNH_F,
  RTPROT,
  type RouteRequest,
} from '../../kernel/rtnl_records.ts';
import { type Args, duparg, duparg2, getAddress, getPrefix, invarg, matches, parseUnsigned, unsigned } from '../iproute/args.ts';
import { dsfieldNumber, protocolNumber, routeTypeNumber, scopeNumber, tableNumber } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { routeUsage } from './usage.ts';

export type RouteCommand = 'add' | 'append' | 'prepend' | 'change' | 'replace' | 'test' | 'delete';
const NL_FLAGS: Readonly<Record<RouteCommand, number>> = Object.freeze({
  add: NLM_F.CREATE | NLM_F.EXCL,
  append: NLM_F.CREATE | NLM_F.APPEND,
  prepend: NLM_F.CREATE,
  change: NLM_F.REPLACE,
  replace: NLM_F.CREATE | NLM_F.REPLACE,
  test: NLM_F.EXCL,
  delete: 0,
});

/** Metrics that take a plain number. */
const NUMERIC_METRICS: readonly (readonly [string, number])[] = [
  ['mtu', RTAX.MTU],
  ['hoplimit', RTAX.HOPLIMIT],
  ['advmss', RTAX.ADVMSS],
  ['reordering', RTAX.REORDERING],
  ['window', RTAX.WINDOW],
  ['cwnd', RTAX.CWND],
  ['initcwnd', RTAX.INITCWND],
  ['initrwnd', RTAX.INITRWND],
  ['quickack', RTAX.QUICKACK],
  ['ssthresh', RTAX.SSTHRESH],
];

interface Given {
  table: boolean;
  scope: boolean;
  type: boolean;
  dst: boolean;
  dev: string | undefined;
}

function gatewayAddress(args: Args, req: RouteRequest): Uint8Array {
  let word = args.next();
  let { family } = req;
  if (word === 'inet' || word === 'inet6') {
    family = word === 'inet' ? AF.INET : AF.INET6;
    word = args.next();
  }
  const address = getAddress(word, family === AF.INET && word.includes(':') ? AF.UNSPEC : family);
  if (req.family === AF.UNSPEC) req.family = address.length === 16 ? AF.INET6 : AF.INET;
  return address;
}

function nexthops(ip: IpContext, args: Args, req: RouteRequest): NexthopInfo[] {
  const list: NexthopInfo[] = [];
  while (args.more) {
    if (args.word !== 'nexthop') throw new ToolExit(255, `Error: "nexthop" or end of line is expected instead of "${args.word}"\n`);
    if (args.count <= 1) throw new ToolExit(255, 'Error: unexpected end of line after "nexthop"\n');
    args.skip();
    const nh: NexthopInfo = { ifindex: 0, flags: 0, weight: 1 };
    for (; args.more && args.word !== 'nexthop'; args.skip()) {
      const word = args.word;
      if (word === 'via') nh.gateway = gatewayAddress(args, req);
      else if (word === 'dev') nh.ifindex = ip.requireDevice(args.next());
      else if (word === 'weight') {
        const w = args.next();
        nh.weight = parseUnsigned(w, 256) || invarg('"weight" is invalid\n', w);
      } else if (word === 'onlink') nh.flags |= RTNH_F.ONLINK;
      else break;
    }
    list.push(nh);
  }
  return list;
}

function metric(args: Args, req: RouteRequest): boolean {
  const word = args.word;
  const known = NUMERIC_METRICS.find(([k]) => k === word);
  if (known === undefined) return false;
  const [name, n] = known;
  req.metrics ??= new Map();
  let value = args.next();
  if (value === 'lock') {
    req.metrics.set(RTAX.LOCK, (req.metrics.get(RTAX.LOCK) ?? 0) | (1 << n));
    value = args.next();
  }
  const number = parseUnsigned(value, n === RTAX.HOPLIMIT ? 255 : 0xffffffff) ?? invarg(`"${name}" value is invalid\n`, value);
  req.metrics.set(n, number);
  return true;
}

/** Attributes of the route but its destination; false when the word is none. */
function attribute(args: Args, req: RouteRequest, g: Given): boolean {
  const word = args.word;
  if (word === 'src') req.prefsrc = getAddress(args.next(), req.family);
  else if (word === 'via') req.gateway = gatewayAddress(args, req);
  else if (word === 'tos' || word === 'dsfield') req.tos = dsfieldNumber(args.next()) ?? invarg('"tos" value is invalid\n', args.word);
  else if (word === 'expires') req.expires = unsigned(args.next(), '"expires" value is invalid\n');
  else if (word === 'metric' || word === 'priority' || word === 'preference')
    req.priority = unsigned(args.next(), '"metric" value is invalid\n');
  else if (word === 'scope') {
    const s = args.next();
    req.scope = scopeNumber(s) ?? invarg('invalid "scope" value\n', s);
    g.scope = true;
  } else if (word === 'onlink') req.flags |= RTNH_F.ONLINK;
  else if (matches(word, 'protocol')) {
    const p = args.next();
    req.protocol = protocolNumber(p) ?? invarg('"protocol" value is invalid\n', p);
  } else if (matches(word, 'table')) {
    const t = args.next();
    const id = t === 'all' ? undefined : tableNumber(t);
    req.table = id ?? invarg('"table" value is invalid\n', t);
    g.table = true;
  } else if (word === 'dev' || word === 'oif') g.dev = args.next();
  else if (word === 'nhid') req.nhid = unsigned(args.next(), '"id" value is invalid\n');
  else if (word === 'pref') {
    const p = args.next();
    const pref = { low: 3, medium: 0, high: 1 }[p];
    req.pref = pref ?? invarg('"pref" value is invalid\n', p);
  } else return metric(args, req);
  return true;
}

function destination(args: Args, req: RouteRequest, g: Given): void {
  if (args.word === 'to') args.next();
  const type = /^\d/.test(args.word) ? undefined : routeTypeNumber(args.word);
  if (type !== undefined) {
    req.type = type;
    g.type = true;
    args.next();
  }
  if (matches(args.word, 'help')) routeUsage();
  if (g.dst) duparg2('to', args.word);
  const dst = getPrefix(args.word, req.family);
  if (req.family === AF.UNSPEC) req.family = dst.family;
  req.dst_len = dst.bitlen;
  if (dst.bytes.length > 0) req.dst = dst.bytes;
  g.dst = true;
}

function defaults(req: RouteRequest, g: Given, deleting: boolean): void {
  const local = req.type === RTN.LOCAL || req.type === RTN.BROADCAST || req.type === RTN.ANYCAST;
  if (!g.table && local) req.table = RT_TABLE.LOCAL;
  if (!g.scope) {
    if (req.family === AF.INET6) req.scope = RT_SCOPE.UNIVERSE;
    else if (req.type === RTN.LOCAL) req.scope = RT_SCOPE.HOST;
    else if (req.type === RTN.BROADCAST || req.type === RTN.MULTICAST || req.type === RTN.ANYCAST) req.scope = RT_SCOPE.LINK;
    else if (req.type === RTN.UNICAST || req.type === RTN.UNSPEC) {
      if (deleting) req.scope = RT_SCOPE.NOWHERE;
      else if (req.gateway === undefined && req.multipath === undefined && req.nhid === undefined) req.scope = RT_SCOPE.LINK;
    }
  }
  if (req.family === AF.UNSPEC) req.family = AF.INET;
}

export function routeModify(ip: IpContext, args: Args, command: RouteCommand): number {
  const deleting = command === 'delete';
  const req: RouteRequest = {
    family: ip.opt.family,
    dst_len: 0,
    tos: 0,
    table: RT_TABLE.MAIN,
    protocol: deleting ? RTPROT.UNSPEC : RTPROT.BOOT,
    scope: deleting ? RT_SCOPE.NOWHERE : RT_SCOPE.UNIVERSE,
    type: deleting ? RTN.UNSPEC : RTN.UNICAST,
    flags: 0,
    nlflags: NL_FLAGS[command],
  };
  const g: Given = { table: false, scope: false, type: false, dst: false, dev: undefined };
  for (; args.more; args.skip()) {
    if (args.word === 'nexthop') {
      req.multipath = nexthops(ip, args, req);
      break;
    }
    const before = args.word;
    if (
      ['encap', 'realms', 'congctl', 'features', 'rtt', 'rttvar', 'rto_min', 'vrf', 'ttl-propagate', 'fastopen_no_cookie'].includes(before)
    )
      ip.notModelled(`ip route ${before}`);
    if (before === 'dev' && g.dev !== undefined) duparg('dev', args.following ?? '');
    if (!attribute(args, req, g)) destination(args, req, g);
  }
  if (!g.dst) routeUsage();
  if (g.dev !== undefined) req.oif = ip.requireDevice(g.dev);
  defaults(req, g, deleting);
  if (req.family === AF.INET && [req, ...(req.multipath ?? [])].some((h) => h.gateway?.length === 16)) ip.notModelled('ip route via inet6');
  if (req.family === AF.INET6 && req.nhid !== undefined) ip.notModelled('ip -6 route nhid');
  const { rtnlRoute } = ip.kernel.ipv4;
  const { rtnlRoute: rtnlRoute6 } = ip.kernel.ipv6;
  if (req.family === AF.INET6)
    return ip.request(() => (deleting ? rtnlRoute6.inet6_rtm_delroute(ip.net, req) : rtnlRoute6.inet6_rtm_newroute(ip.net, req)));
  return ip.request(() => (deleting ? rtnlRoute.inet_rtm_delroute(ip.net, req) : rtnlRoute.inet_rtm_newroute(ip.net, req)));
}
