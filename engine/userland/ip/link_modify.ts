// `ip link add`, `set` and `delete`: one parser for all settings of a link.
import { Errno } from '../../base/errno.ts';
import { IFF } from '../../kernel/net_device.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { LinkRequest, NlResult } from '../../kernel/rtnetlink.ts';
import { type Args, duparg, duparg2, invarg, linkAddress, matches, parseInteger, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { linkUsage } from './usage.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What one pass over the arguments gave. */
interface Parsed {
  readonly req: Writable<LinkRequest>;
  dev: string | undefined;
  name: string | undefined;
  kind: string | undefined;
  link: string | undefined;
}

/** Kinds of Linux 6.1 that this kernel does not have. */
const OTHER_KINDS: readonly string[] = [
  'amt', 'bareudp', 'bond', 'bridge', 'can', 'erspan', 'geneve', 'gre', 'gretap', 'gtp', 'hsr', 'ifb', 'ip6erspan', 'ip6gre', 'ip6gretap', 'ip6tnl', 'ipip', 'ipoib', 'ipvlan',
  'ipvtap', 'lowpan', 'macsec', 'macvlan', 'macvtap', 'netdevsim', 'nlmon', 'rmnet', 'sit', 'team', 'vcan', 'veth', 'vlan', 'vrf', 'vti', 'vti6', 'vxcan', 'vxlan', 'wwan', 'wireguard', 'xfrm',
  'virt_wifi', 'dummy', 'batadv', 'dsa',
];

/** Attributes that the tool knows and this kernel has no use for. */
const UNUSED_KEYWORDS: readonly string[] = ['xdp', 'xdpgeneric', 'xdpdrv', 'xdpoffload', 'vf', 'vrf', 'trailers', 'dynamic', 'link-netnsid', 'protodown', 'protodown_reason', 'gso_max_size', 'gso_max_segs', 'gro_max_size', 'parentdev', 'index', 'nomaster'];

const validName = (name: string): boolean => name !== '' && name.length < 16 && !/[/\s]/.test(name);
const validAltName = (name: string): boolean => name !== '' && name.length < 128 && !/[/\s]/.test(name);

function netnsByWord(ip: IpContext, word: string): Net {
  const named = ip.kernel.netns.byName(word);
  if (word !== '' && named !== undefined) return named;
  const pid = parseInteger(word);
  if (pid === undefined) invarg('Invalid "netns" value\n', word);
  if (pid === 1) return ip.kernel.init_net;
  const process = ip.kernel.procs.get(pid);
  if (process === undefined) throw new ToolExit(2, 'RTNETLINK answers: No such process\n');
  return process.net;
}

function onOff(args: Args, what: string): boolean {
  const word = args.next();
  if (word === 'on') return true;
  if (word === 'off') return false;
  throw new ToolExit(1, `Error: argument of "${what}" must be "on" or "off", not "${word}"\n`);
}

function number(args: Args, what: string, max = 0x7fffffff): number {
  const word = args.next();
  return parseUnsigned(word, max) ?? invarg(`Invalid "${what}" value\n`, word);
}

const setFlag = (req: Writable<LinkRequest>, flag: number, on: boolean): void => {
  req.change = (req.change ?? 0) | flag;
  req.flags = on ? (req.flags ?? 0) | flag : (req.flags ?? 0) & ~flag;
};

/** One setting; false when the word is none. */
function setting(ip: IpContext, args: Args, p: Parsed): boolean {
  const { req } = p;
  const word = args.word;
  if (word === 'up') setFlag(req, IFF.UP, true);
  else if (word === 'down') setFlag(req, IFF.UP, false);
  else if (word === 'name') {
    const name = args.next();
    if (p.name !== undefined) duparg('name', name);
    if (!validName(name)) invarg('"name" not a valid ifname', name);
    p.name = name;
  } else if (matches(word, 'link')) p.link = args.next();
  else if (matches(word, 'address')) req.address = linkAddress(args.next());
  else if (matches(word, 'broadcast') || word === 'brd') req.broadcast = linkAddress(args.next());
  else if (matches(word, 'txqueuelen') || word === 'qlen' || matches(word, 'txqlen')) {
    const n = args.next();
    req.txqlen = parseUnsigned(n) ?? invarg('Invalid "txqueuelen" value\n', n);
  } else if (word === 'mtu') req.mtu = number(args, 'mtu');
  else if (word === 'netns') req.netns = netnsByWord(ip, args.next());
  else if (word === 'multicast') setFlag(req, IFF.MULTICAST, onOff(args, 'multicast'));
  else if (word === 'allmulticast') setFlag(req, IFF.ALLMULTI, onOff(args, 'allmulticast'));
  else if (word === 'promisc') setFlag(req, IFF.PROMISC, onOff(args, 'promisc'));
  else if (word === 'arp') setFlag(req, IFF.NOARP, !onOff(args, 'arp'));
  else if (word === 'carrier') req.carrier = onOff(args, 'carrier');
  else if (word === 'master') {
    const m = args.next();
    req.master = ip.ifindex(m) || invarg('Device does not exist\n', m);
  } else if (word === 'alias') req.ifalias = args.next();
  else if (word === 'group') {
    const g = args.next();
    req.group = g === 'default' ? 0 : (parseUnsigned(g) ?? invarg('Invalid "group" value\n', g));
  } else if (word === 'numtxqueues') req.num_tx_queues = number(args, 'numtxqueues');
  else if (word === 'numrxqueues') req.num_rx_queues = number(args, 'numrxqueues');
  else if (word === 'addrgenmode') {
    const m = args.next();
    const mode = ['eui64', 'none', 'stable_secret', 'random'].indexOf(m);
    req.addrgenmode = mode < 0 ? invarg('Invalid address generation mode\n', m) : mode;
  } else if (UNUSED_KEYWORDS.includes(word)) ip.notModelled(`ip link ${word}`);
  else return false;
  return true;
}

/** Everything up to `type KIND`; the kind's own arguments stay. */
function parse(ip: IpContext, args: Args): Parsed {
  const p: Parsed = { req: {}, dev: undefined, name: undefined, kind: undefined, link: undefined };
  for (; args.more; args.skip()) {
    const word = args.word;
    if (matches(word, 'type')) {
      p.kind = args.next();
      args.skip();
      break;
    }
    if (setting(ip, args, p)) continue;
    if (word === 'dev') args.next();
    if (matches(args.word, 'help') && word !== 'dev') linkUsage();
    if (p.dev !== undefined) duparg2('dev', args.word);
    if (!validAltName(args.word)) invarg('"dev" not a valid ifname', args.word);
    p.dev = args.word;
  }
  return p;
}

/** Arguments of `type veth`: the peer, with the same settings as any link. */
function vethPeer(ip: IpContext, args: Args): LinkRequest | undefined {
  if (!args.more) return undefined;
  if (args.word !== 'peer') {
    if (matches(args.word, 'help')) linkUsage();
    throw new ToolExit(255, 'Usage: ip link add NAME type veth [ peer NAME SETTINGS ]\n');
  }
  args.skip();
  const p = parse(ip, args);
  const ifname = p.name ?? p.dev;
  return { ...p.req, ...(ifname !== undefined ? { ifname } : {}) };
}

export function linkAdd(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  if (p.kind === undefined) throw new ToolExit(1, 'Not enough information: "type" argument is required\n');
  if (p.name !== undefined && p.dev !== undefined && p.name !== p.dev)
    throw new ToolExit(255, 'both "name" and "dev" cannot be used when creating devices.\n');
  const { req } = p;
  const ifname = p.name ?? p.dev;
  if (ifname !== undefined) req.ifname = ifname;
  if (p.link !== undefined) req.link = ip.requireDevice(p.link);
  req.kind = p.kind;
  if (p.kind === 'veth') {
    const peer = vethPeer(ip, args);
    if (peer !== undefined) req.peer = peer;
  } else if (args.more) {
    if (matches(args.word, 'help')) linkUsage();
    if (OTHER_KINDS.includes(p.kind) && p.kind !== 'dummy') ip.notModelled(`link type ${p.kind}`);
    throw new ToolExit(255, `Garbage instead of arguments "${args.word} ...". Try "ip link help".\n`);
  }
  const result: NlResult = ip.tool.capable ? ip.kernel.rtnl.rtnl_newlink(ip.net, req) : { errno: -Errno.EPERM };
  if (result.errno !== 0 && result.extack?.startsWith('Unknown device type') === true && OTHER_KINDS.includes(p.kind)) ip.notModelled(`link type ${p.kind}`);
  return ip.talk(result);
}

function required(ip: IpContext, p: Parsed): number {
  if (p.dev === undefined && p.name === undefined) throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n');
  return ip.requireDevice(p.dev ?? p.name ?? '');
}

export function linkSet(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  const ifindex = required(ip, p);
  if (p.kind !== undefined) ip.notModelled(`ip link set type ${p.kind}`);
  if (p.link !== undefined) p.req.link = ip.requireDevice(p.link);
  if (p.name !== undefined && p.dev !== undefined && p.name !== p.dev) p.req.newname = p.name;
  return ip.request(() => ip.kernel.rtnl.rtnl_setlink(ip.net, { ...p.req, ifindex }));
}

export function linkDelete(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  const ifindex = required(ip, p);
  return ip.request(() => ip.kernel.rtnl.rtnl_dellink(ip.net, { ifindex, ...(p.kind !== undefined ? { kind: p.kind } : {}) }));
}
