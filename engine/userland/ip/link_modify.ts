// `ip link add`, `set` and `delete`: one parser for all settings of a link.
import { Errno } from '../../base/errno.ts';
import { IFF } from '../../kernel/net_device.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { LinkRequest, NlResult } from '../../kernel/rtnetlink.ts';
import { type Args, duparg, duparg2, invarg, linkAddress, matches, parseInteger, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { parseKind } from './link_kinds.ts';
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
  'amt',
  'bareudp',
  'bond',
  'bridge',
  'can',
  'erspan',
  'geneve',
  'gre',
  'gretap',
  'gtp',
  'hsr',
  'ifb',
  'ip6erspan',
  'ip6gre',
  'ip6gretap',
  'ip6tnl',
  'ipip',
  'ipoib',
  'ipvlan',
  'ipvtap',
  'lowpan',
  'macsec',
  'macvlan',
  'macvtap',
  'netdevsim',
  'nlmon',
  'rmnet',
  'sit',
  'team',
  'vcan',
  'veth',
  'vlan',
  'vrf',
  'vti',
  'vti6',
  'vxcan',
  'vxlan',
  'wwan',
  'wireguard',
  'xfrm',
  'virt_wifi',
  'dummy',
  'batadv',
  'dsa',
];

/** Attributes that the tool knows and this kernel has no use for. */
const UNUSED_KEYWORDS: readonly string[] = [
  'xdp',
  'xdpgeneric',
  'xdpdrv',
  'xdpoffload',
  'vf',
  'vrf',
  'link-netnsid',
  'protodown',
  'protodown_reason',
  'gso_max_size',
  'gso_max_segs',
  'gro_max_size',
  'parentdev',
];

const OPER_STATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];

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

function oneOfOffOn(args: Args, what: string): boolean {
  const word = args.next();
  if (word !== 'on' && word !== 'off') throw new ToolExit(1, `Error: argument of "${what}" must be one of "off", "on", not "${word}"\n`);
  return word === 'on';
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
    req.txqlen = (parseInteger(n) ?? invarg('Invalid "txqueuelen" value\n', n)) >>> 0;
  } else if (word === 'mtu') req.mtu = number(args, 'mtu');
  else if (word === 'netns') req.netns = netnsByWord(ip, args.next());
  else if (word === 'multicast') setFlag(req, IFF.MULTICAST, onOff(args, 'multicast'));
  else if (word === 'allmulticast') setFlag(req, IFF.ALLMULTI, onOff(args, 'allmulticast'));
  else if (word === 'promisc') setFlag(req, IFF.PROMISC, onOff(args, 'promisc'));
  else if (word === 'arp') setFlag(req, IFF.NOARP, !onOff(args, 'arp'));
  else if (word === 'dynamic') setFlag(req, IFF.DYNAMIC, onOff(args, 'dynamic'));
  else if (word === 'trailers') setFlag(req, IFF.NOTRAILERS, !onOff(args, 'trailers'));
  else if (word === 'carrier') req.carrier = oneOfOffOn(args, 'carrier');
  else if (word === 'mode') {
    const mode = ['default', 'dormant'].indexOf(args.next().toLowerCase());
    req.linkmode = mode < 0 ? invarg('Invalid link mode\n', args.word) : mode;
  } else if (word === 'state') {
    const state = OPER_STATES.indexOf(args.next().toLowerCase());
    req.operstate = parseUnsigned(args.word, 255) ?? (state < 0 ? invarg('Invalid operstate\n', args.word) : state);
  } else if (word === 'index') {
    const index = args.next();
    req.ifindex = parseUnsigned(index) || invarg('Invalid "index" value', index);
  } else if (word === 'nomaster') req.master = 0;
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

function bothNames(): never {
  throw new ToolExit(255, 'both "name" and "dev" cannot be used when creating devices.\n');
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
  if (p.name !== undefined && p.dev !== undefined) bothNames();
  const ifname = p.name ?? p.dev;
  return { ...p.req, ...(ifname !== undefined ? { ifname } : {}) };
}

export function linkAdd(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  if (p.kind === undefined) throw new ToolExit(1, 'Not enough information: "type" argument is required\n');
  if (p.name !== undefined && p.dev !== undefined) bothNames();
  const { req } = p;
  const ifname = p.name ?? p.dev;
  if (ifname !== undefined) req.ifname = ifname;
  if (p.link !== undefined) req.link = ip.requireDevice(p.link);
  req.kind = p.kind;
  if (p.kind === 'veth') {
    const peer = vethPeer(ip, args);
    if (peer !== undefined) req.peer = peer;
  } else if (args.more) {
    const attrs = parseKind(ip, p.kind, args);
    if (attrs !== undefined) return addLink(ip, { ...req, ...attrs });
    if (matches(args.word, 'help')) linkUsage();
    if (OTHER_KINDS.includes(p.kind) && p.kind !== 'dummy') ip.notModelled(`link type ${p.kind}`);
    throw new ToolExit(255, `Garbage instead of arguments "${args.word} ...". Try "ip link help".\n`);
  }
  return addLink(ip, req);
}

function addLink(ip: IpContext, req: LinkRequest): number {
  const result: NlResult = ip.tool.capable ? ip.kernel.rtnl.rtnl_newlink(ip.net, req) : { errno: -Errno.EPERM };
  if (result.errno !== 0 && result.extack?.startsWith('Unknown device type') === true && OTHER_KINDS.includes(req.kind ?? ''))
    ip.notModelled(`link type ${req.kind}`);
  return ip.talk(result);
}

function required(ip: IpContext, p: Parsed): number {
  if (p.req.ifindex !== undefined)
    throw new ToolExit(255, 'index can be used only when creating devices or when moving device to another netns.\n');
  if (p.dev === undefined && p.name === undefined) throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n');
  return ip.requireDevice(p.dev ?? p.name ?? '');
}

/** `group N` without a device names all links of the group. */
function forGroup(ip: IpContext, p: Parsed, change: (ifindex: number) => NlResult): number {
  const { group } = p.req;
  const links = ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net).filter((l) => l.group === group);
  return ip.request(() => {
    for (const l of links) {
      const result = change(l.ifindex);
      if (result.errno !== 0) return result;
    }
    return { errno: 0 };
  });
}

const groupOnly = (p: Parsed): boolean => p.req.group !== undefined && p.dev === undefined && p.name === undefined;

/** `type KIND ARGS` of a change; `KIND_slave` names the kind of the master. */
function kindChange(ip: IpContext, word: string, args: Args): Partial<LinkRequest> {
  const slave = word.endsWith('_slave');
  const attrs = args.more ? parseKind(ip, word, args) : {};
  if (attrs === undefined) ip.notModelled(`ip link set type ${word}`);
  return { ...attrs, ...(slave ? { slaveKind: word.slice(0, -'_slave'.length) } : { kind: word }) };
}

/** `ip link property add|del dev DEV altname NAME …` */
export function linkProperty(ip: IpContext, args: Args): number {
  const verb = args.take();
  const add = matches(verb, 'add');
  if (!add && !matches(verb, 'del')) {
    if (matches(verb, 'help')) linkUsage();
    throw new ToolExit(255, `Operator required\n`);
  }
  const names: string[] = [];
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    const { word } = args;
    if (matches(word, 'altname')) {
      const name = args.next();
      if (!validAltName(name)) invarg('not a valid altname', name);
      names.push(name);
      continue;
    }
    if (word === 'dev') args.next();
    else if (matches(word, 'help')) linkUsage();
    if (dev !== undefined) duparg2('dev', args.word);
    dev = args.word;
  }
  if (dev === undefined) throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n');
  const ifindex = ip.requireDevice(dev);
  return ip.request(() => ip.kernel.rtnl.rtnl_linkprop(ip.net, { ifindex }, add, names));
}

export function linkSet(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  if (groupOnly(p)) return forGroup(ip, p, (ifindex) => ip.kernel.rtnl.rtnl_setlink(ip.net, { ...p.req, ifindex }));
  const ifindex = required(ip, p);
  if (p.kind !== undefined) Object.assign(p.req, kindChange(ip, p.kind, args));
  const wanted = ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net).find((l) => l.ifindex === ifindex)?.address.length ?? 0;
  if (p.req.address !== undefined && p.req.address.length !== wanted)
    throw new ToolExit(1, `Invalid address length ${p.req.address.length} - must be ${wanted} bytes\n`);
  if (p.link !== undefined) p.req.link = ip.requireDevice(p.link);
  if (p.name !== undefined && p.dev !== undefined && p.name !== p.dev) p.req.newname = p.name;
  return ip.request(() => ip.kernel.rtnl.rtnl_setlink(ip.net, { ...p.req, ifindex }));
}

export function linkDelete(ip: IpContext, args: Args): number {
  const p = parse(ip, args);
  const kind = p.kind === undefined ? {} : { kind: p.kind };
  if (groupOnly(p)) {
    if (!ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net).some((l) => l.group === p.req.group)) return ip.talk({ errno: -Errno.ENODEV });
    const inGroup = (ifindex: number): boolean => ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net).some((l) => l.ifindex === ifindex);
    return forGroup(ip, p, (ifindex) => (inGroup(ifindex) ? ip.kernel.rtnl.rtnl_dellink(ip.net, { ifindex, ...kind }) : { errno: 0 }));
  }
  const ifindex = required(ip, p);
  return ip.request(() => ip.kernel.rtnl.rtnl_dellink(ip.net, { ifindex, ...kind }));
}
