// Text and JSON of one route.
import {
  AF,
  type IpBytes,
  type NexthopInfo,
  RT_SCOPE,
  RT_TABLE,
  RTAX,
  RTCF,
  RTM_F,
  RTN,
  RTNH_F,
  RTPROT,
  type RouteInfo,
} from '../../kernel/rtnl_records.ts';
import { formatAddress, maxBits } from '../iproute/args.ts';
import { dsfieldName, protocolName, routeTypeName, scopeName, tableName } from '../iproute/names.ts';
import type { IpContext } from './ip_context.ts';

/** What the listing has fixed already and does not repeat. */
export interface RoutePrintMode {
  /** The table asked for, 0 when several are listed. */
  readonly table: number;
  /** An interface was asked for: its name is not shown. */
  readonly device?: boolean;
  readonly protocol?: boolean;
  readonly scope?: boolean;
  readonly via?: boolean;
  readonly metric?: boolean;
  readonly src?: boolean;
  readonly tos?: boolean;
  readonly deleted?: boolean;
}

const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [RTNH_F.DEAD, 'dead'],
  [RTNH_F.ONLINK, 'onlink'],
  [RTNH_F.PERVASIVE, 'pervasive'],
  [RTNH_F.OFFLOAD, 'offload'],
  [RTNH_F.TRAP, 'trap'],
  [RTM_F.NOTIFY, 'notify'],
  [RTNH_F.LINKDOWN, 'linkdown'],
  [RTNH_F.UNRESOLVED, 'unresolved'],
];
const CACHE_WORDS: readonly (readonly [number, string])[] = [
  [RTCF.LOCAL, 'local'],
  [RTCF.REJECT, 'reject'],
  [RTCF.MULTICAST, 'mc'],
  [RTCF.BROADCAST, 'brd'],
  [RTCF.DIRECTSRC, 'src-direct'],
  [RTCF.DOREDIRECT, 'redirect'],
  [RTCF.NOTIFY, 'notify'],
];
/** RTAX number → word, in the order of numbers; the rest are not shown. */
const METRIC_WORDS: readonly (readonly [number, string])[] = [
  [RTAX.MTU, 'mtu'],
  [RTAX.WINDOW, 'window'],
  [RTAX.RTT, 'rtt'],
  [RTAX.RTTVAR, 'rttvar'],
  [RTAX.SSTHRESH, 'ssthresh'],
  [RTAX.CWND, 'cwnd'],
  [RTAX.ADVMSS, 'advmss'],
  [RTAX.REORDERING, 'reordering'],
  [RTAX.HOPLIMIT, 'hoplimit'],
  [RTAX.INITCWND, 'initcwnd'],
  [RTAX.FEATURES, 'features'],
  [RTAX.RTO_MIN, 'rto_min'],
  [RTAX.INITRWND, 'initrwnd'],
  [RTAX.QUICKACK, 'quickack'],
];
const PREFERENCES = new Map<number, string>([
  [0, 'medium'],
  [1, 'high'],
  [3, 'low'],
]);

const kind = (bytes: IpBytes): 'inet' | 'inet6' => (bytes.length === 16 ? 'inet6' : 'inet');

export function printRouteFlags(ip: IpContext, flags: number): void {
  ip.out.openArray('flags');
  for (const [bit, word] of FLAG_WORDS) if ((flags & bit) !== 0) ip.out.item(word, `${word} `);
  ip.out.closeArray();
}

function prefixText(bytes: IpBytes | undefined, length: number, family: number): string {
  if (bytes === undefined) return length > 0 ? `0/${length}` : 'default';
  const text = formatAddress(bytes);
  return length === maxBits(family) ? text : `${text}/${length}`;
}

export function printGateway(ip: IpContext, family: number, gateway: IpBytes): void {
  const text = formatAddress(gateway);
  const other = gateway.length === 16 && family === AF.INET;
  if (!other) return ip.out.colored(kind(gateway), 'gateway', text, 'via ', text, ' ');
  ip.out.openObject('via');
  ip.out.any('family', 'inet6', 'via inet6 ');
  ip.out.colored('inet6', 'host', text, '', text, ' ');
  ip.out.closeObject();
}

export const printDevice = (ip: IpContext, ifindex: number): void =>
  ip.out.colored('ifname', 'dev', ip.ifname(ifindex), 'dev ', ip.ifname(ifindex), ' ');

function printCache(ip: IpContext, r: RouteInfo): void {
  const { out } = ip;
  out.nl();
  out.fp('    cache ');
  out.openArray('cache');
  const words = CACHE_WORDS.filter(([bit]) => (r.flags & bit) >>> 0 !== 0).map(([, w]) => w);
  for (const w of words) out.item(w, '');
  if (words.length > 0) out.fp(`<${words.join(',')}> `);
  out.closeArray();
  printCacheInfo(ip, r);
}

function printCacheInfo(ip: IpContext, r: RouteInfo): void {
  const c = r.cacheinfo;
  if (c === undefined) return;
  if (c.expires !== 0) ip.out.any('expires', Math.trunc(c.expires / 100), `expires ${Math.trunc(c.expires / 100)}sec `);
  if (c.error !== 0) ip.out.any('error', c.error, `error ${c.error} `);
  if (ip.opt.stats === 0) return;
  if (c.clntref !== 0) ip.out.any('users', c.clntref, `users ${c.clntref} `);
  if (c.used !== 0) ip.out.any('used', c.used, `used ${c.used} `);
  if (c.lastuse !== 0) ip.out.any('age', Math.trunc(c.lastuse / 100), `age ${Math.trunc(c.lastuse / 100)}sec `);
}

function printMetrics(ip: IpContext, metrics: ReadonlyMap<number, number>): void {
  const { out } = ip;
  const lock = metrics.get(RTAX.LOCK) ?? 0;
  out.openArray('metrics');
  out.openObject();
  for (const [n, word] of METRIC_WORDS) {
    const value = metrics.get(n);
    if (value === undefined) continue;
    const locked = (lock & (1 << n)) !== 0 ? 'lock ' : '';
    if (n === RTAX.RTT || n === RTAX.RTTVAR || n === RTAX.RTO_MIN)
      out.any(word, value, `${word} ${locked}${n === RTAX.RTT ? value / 8 : n === RTAX.RTTVAR ? value / 4 : value}ms `);
    else out.any(word, value, `${word} ${locked}${value} `);
  }
  out.closeObject();
  out.closeArray();
}

function printNexthops(ip: IpContext, r: RouteInfo): void {
  const { out } = ip;
  out.openArray('nexthops');
  for (const nh of r.nexthops) {
    out.openObject();
    out.nl();
    out.fp('\tnexthop ');
    if (nh.gateway !== undefined) printGateway(ip, r.family, nh.gateway);
    if (nh.ifindex !== 0) printDevice(ip, nh.ifindex);
    out.any('weight', nh.weight, `weight ${nh.weight} `);
    printRouteFlags(ip, nh.flags);
    out.closeObject();
  }
  out.closeArray();
}

function printOrigin(ip: IpContext, r: RouteInfo, mode: RoutePrintMode): void {
  const { out, opt } = ip;
  if ((r.table !== RT_TABLE.MAIN || opt.details) && mode.table === 0)
    out.any('table', tableName(r.table, opt.numeric), `table ${tableName(r.table, opt.numeric)} `);
  if ((r.flags & RTM_F.CLONED) !== 0) return;
  if ((r.protocol !== RTPROT.BOOT || opt.details) && mode.protocol !== true)
    out.any('protocol', protocolName(r.protocol, opt.numeric), `proto ${protocolName(r.protocol, opt.numeric)} `);
  if ((r.scope !== RT_SCOPE.UNIVERSE || opt.details) && mode.scope !== true)
    out.any('scope', scopeName(r.scope, opt.numeric), `scope ${scopeName(r.scope, opt.numeric)} `);
}

/** One route with its line's end. */
export function printRoute(ip: IpContext, r: RouteInfo, mode: RoutePrintMode): void {
  const { out, opt } = ip;
  const single: NexthopInfo | undefined = r.nexthops.length === 1 ? r.nexthops[0] : undefined;
  out.openObject();
  if (mode.deleted === true) out.any('deleted', true, 'Deleted ');
  if (r.type !== RTN.UNICAST || opt.details) out.any('type', routeTypeName(r.type, opt.numeric), `${routeTypeName(r.type, opt.numeric)} `);
  const dst = prefixText(r.dst, r.dst_len, r.family);
  out.colored(r.family === AF.INET6 ? 'inet6' : 'inet', 'dst', dst, '', dst, ' ');
  if (r.src !== undefined) {
    const from = prefixText(r.src, r.src_len, r.family);
    out.colored(kind(r.src), 'from', from, 'from ', from, ' ');
  } else if (r.src_len > 0) out.any('from', `0/${r.src_len}`, `from 0/${r.src_len} `);
  if (r.tos !== 0 && mode.tos !== true) out.any('tos', dsfieldName(r.tos, opt.numeric), `tos ${dsfieldName(r.tos, opt.numeric)} `);
  if (r.nhid !== undefined) out.any('nhid', r.nhid, `nhid ${r.nhid} `);
  if (single?.gateway !== undefined && mode.via !== true) printGateway(ip, r.family, single.gateway);
  if (single !== undefined && single.ifindex !== 0 && mode.device !== true) printDevice(ip, single.ifindex);
  printOrigin(ip, r, mode);
  if (r.prefsrc !== undefined && mode.src !== true) {
    const src = formatAddress(r.prefsrc);
    out.colored(kind(r.prefsrc), 'prefsrc', src, 'src ', src, ' ');
  }
  if (r.priority !== undefined && mode.metric !== true) out.any('metric', r.priority, `metric ${r.priority} `);
  printRouteFlags(ip, r.flags | (single?.flags ?? 0));
  if (r.mark !== undefined && r.mark !== 0) out.any('mark', r.mark, `mark ${r.mark >= 16 ? `0x${r.mark.toString(16)}` : r.mark} `);
  if (r.uid !== undefined) out.any('uid', r.uid, `uid ${r.uid} `);
  if (r.family === AF.INET && (r.flags & RTM_F.CLONED) !== 0) printCache(ip, r);
  else if (r.family === AF.INET6) printCacheInfo(ip, r);
  if (r.metrics !== undefined && r.metrics.size > 0) printMetrics(ip, r.metrics);
  if (r.iif !== undefined) out.any('iif', ip.ifname(r.iif), `iif ${ip.ifname(r.iif)} `);
  if (r.nexthops.length > 1) printNexthops(ip, r);
  if (r.pref !== undefined) {
    const pref = PREFERENCES.get(r.pref) ?? String(r.pref);
    out.any('pref', pref, `pref ${pref}`);
  }
  out.fp('\n');
  out.closeObject();
}
