// `ip neighbour`: ARP and neighbour discovery tables.
import { AF, type NeighInfo, type NeighRequest, NLM_F, NTF, NUD } from '../../kernel/rtnl_records.ts';
import {
  type Args,
  duparg2,
  formatAddress,
  getAddress,
  getPrefix,
  incomplete,
  type InetPrefix,
  invarg,
  linkAddress,
  matches,
  parseUnsigned,
  samePrefix,
} from '../iproute/args.ts';
import { protocolName } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import { type IpContext, isNlResult } from './ip_context.ts';
import { hardwareAddress } from './link_print.ts';
import { neighUsage } from './usage.ts';

const STATES: readonly (readonly [string, number])[] = [
  ['INCOMPLETE', NUD.INCOMPLETE],
  ['REACHABLE', NUD.REACHABLE],
  ['STALE', NUD.STALE],
  ['DELAY', NUD.DELAY],
  ['PROBE', NUD.PROBE],
  ['FAILED', NUD.FAILED],
  ['NOARP', NUD.NOARP],
  ['PERMANENT', NUD.PERMANENT],
];
const FLAGS: readonly (readonly [number, string])[] = [
  [NTF.ROUTER, 'router'],
  [NTF.PROXY, 'proxy'],
  [NTF.EXT_LEARNED, 'extern_learn'],
  [NTF.OFFLOADED, 'offload'],
];

/** A state by name (abbreviated) or number. */
function stateNumber(word: string): number | undefined {
  if (matches(word, 'none')) return NUD.NONE;
  return STATES.find(([name]) => matches(word, name.toLowerCase()))?.[1] ?? parseUnsigned(word, 255);
}

/** One neighbour with its line's end. `device`: an interface was asked for and is not repeated. */
export function printNeigh(ip: IpContext, n: NeighInfo, device: boolean, deleted = false): void {
  const { out, opt } = ip;
  out.openObject();
  if (deleted) out.any('deleted', true, 'Deleted ');
  const dst = formatAddress(n.dst);
  out.colored(n.family === AF.INET6 ? 'inet6' : 'inet', 'dst', dst, '', dst, ' ');
  if (!device && n.ifindex !== 0) out.colored('ifname', 'dev', ip.ifname(n.ifindex), 'dev ', ip.ifname(n.ifindex), ' ');
  if (n.lladdr !== undefined) out.colored('mac', 'lladdr', hardwareAddress(n.lladdr), 'lladdr ', hardwareAddress(n.lladdr), ' ');
  for (const [bit, word] of FLAGS) if ((n.flags & bit) !== 0) out.any(word, null, `${word} `);
  if (opt.stats > 0) {
    const c = n.cacheinfo;
    const seconds = (hundredths: number): number => Math.trunc(hundredths / 100);
    if (c !== undefined) {
      if (c.refcnt !== 0) out.any('refcnt', c.refcnt, ` ref ${c.refcnt}`);
      out.any('used', seconds(c.used), ` used ${seconds(c.used)}`);
      out.any('confirmed', seconds(c.confirmed), `/${seconds(c.confirmed)}`);
      out.any('updated', seconds(c.updated), `/${seconds(c.updated)}`);
    }
    if (n.probes !== undefined) out.any('probes', n.probes, `probes ${n.probes} `);
  }
  if (n.state !== 0) {
    out.openArray('state');
    for (const [name, bit] of STATES) if ((n.state & bit) !== 0) out.item(name, `${name} `);
    out.closeArray();
  }
  if (n.protocol !== undefined && n.protocol !== 0)
    out.any('protocol', protocolName(n.protocol, opt.numeric), `proto ${protocolName(n.protocol, opt.numeric)} `);
  out.fp('\n');
  out.closeObject();
}

interface NeighFilter {
  ifindex: number;
  states: number;
  statesGiven: boolean;
  proxy: boolean;
  prefix: InetPrefix | undefined;
}

function parseFilter(ip: IpContext, args: Args): NeighFilter {
  const f: NeighFilter = { ifindex: 0, states: 0, statesGiven: false, proxy: false, prefix: undefined };
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') {
      const d = args.next();
      if (dev !== undefined) duparg2('dev', d);
      dev = d;
    } else if (matches(word, 'nud')) {
      const s = args.next();
      f.states = f.statesGiven ? f.states : 0;
      f.statesGiven = true;
      if (s === 'all') f.states = 0xff;
      else f.states |= stateNumber(s) ?? invarg('nud state is bad', s);
      if (s === 'none') f.states |= 0x100;
    } else if (word === 'proxy') f.proxy = true;
    else if (word === 'vrf') invarg('Not a valid VRF name\n', args.next());
    else if (['nomaster', 'master', 'unused', 'protocol'].includes(word)) ip.notModelled(`ip neigh show ${word}`);
    else {
      if (word === 'to') args.next();
      if (matches(args.word, 'help')) neighUsage();
      f.prefix = getPrefix(args.word, ip.opt.family);
    }
  }
  if (dev !== undefined) f.ifindex = ip.requireDevice(dev);
  return f;
}

function selected(f: NeighFilter, family: number, states: number, n: NeighInfo): boolean {
  if (family !== 0 && n.family !== family) return false;
  if (f.ifindex !== 0 && n.ifindex !== f.ifindex) return false;
  if (!f.proxy && (n.state === 0 ? (states & 0x100) === 0 : (n.state & states) === 0)) return false;
  if (f.prefix === undefined || f.prefix.bytes.length === 0) return true;
  return n.family === f.prefix.family && samePrefix(n.dst, f.prefix.bytes, f.prefix.bitlen);
}

function show(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  const states = f.statesGiven ? f.states : 0xff & ~NUD.NOARP;
  ip.out.begin();
  for (const n of ip.kernel.ipv4.rtnlNeigh.neigh_dump_info(ip.net, ip.opt.family, f.proxy))
    if (selected(f, ip.opt.family, states, n)) printNeigh(ip, n, f.ifindex !== 0);
  ip.out.end();
  return 0;
}

function flush(ip: IpContext, args: Args): number {
  if (!args.more) throw new ToolExit(1, 'Flush requires arguments.\n');
  const f = parseFilter(ip, args);
  let states = f.statesGiven ? f.states : 0xff & ~(NUD.PERMANENT | NUD.NOARP);
  const verbose = ip.opt.stats > 0;
  const { rtnlNeigh } = ip.kernel.ipv4;
  for (let round = 0; round < 10; round++) {
    const victims = rtnlNeigh.neigh_dump_info(ip.net, ip.opt.family, f.proxy).filter((n) => selected(f, ip.opt.family, states, n));
    if (victims.length === 0) {
      if (verbose)
        ip.tool.print(round === 0 ? 'Nothing to flush.\n' : `*** Flush is complete after ${round} round${round > 1 ? 's' : ''} ***\n`);
      return 0;
    }
    if (verbose) {
      if (ip.opt.stats > 1) for (const n of victims) printNeigh(ip, n, f.ifindex !== 0);
      ip.flush();
      ip.tool.print(`\n*** Round ${round + 1}, deleting ${victims.length} entries ***\n`);
    }
    for (const n of victims)
      rtnlNeigh.neigh_delete(ip.net, {
        family: n.family,
        ifindex: n.ifindex,
        state: n.state,
        flags: n.flags & NTF.PROXY,
        dst: n.dst,
        nlflags: 0,
      });
    states &= ~NUD.FAILED;
  }
  ip.tool.print('*** Flush not complete bailing out after 10 rounds\n');
  return 1;
}

const COMMAND_FLAGS = {
  add: NLM_F.CREATE | NLM_F.EXCL,
  change: NLM_F.REPLACE,
  replace: NLM_F.CREATE | NLM_F.REPLACE,
  delete: 0,
} as const;

function modify(ip: IpContext, args: Args, command: keyof typeof COMMAND_FLAGS): number {
  const req: NeighRequest = {
    family: ip.opt.family,
    ifindex: 0,
    state: NUD.PERMANENT,
    flags: 0,
    dst: new Uint8Array(0),
    nlflags: COMMAND_FLAGS[command],
  };
  let dev: string | undefined;
  let given = false;
  let lladdr: string | undefined;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (matches(word, 'lladdr')) {
      const a = args.next();
      if (lladdr !== undefined) duparg2('lladdr', a);
      lladdr = a;
    } else if (word === 'nud') {
      const s = args.next();
      req.state = stateNumber(s) ?? invarg('nud state is bad', s);
    } else if (matches(word, 'proxy')) {
      const a = args.next();
      if (matches(a, 'help')) neighUsage();
      if (given) duparg2('address', a);
      req.dst = getAddress(a, req.family);
      req.flags |= NTF.PROXY;
      given = true;
    } else if (word === 'router') req.flags |= NTF.ROUTER;
    else if (word === 'use') req.flags |= NTF.USE;
    else if (word === 'extern_learn') req.flags |= NTF.EXT_LEARNED;
    else if (word === 'dev') dev = args.next();
    else if (word === 'managed' || matches(word, 'protocol')) ip.notModelled(`ip neigh ${word}`);
    else {
      if (word === 'to') args.next();
      if (matches(args.word, 'help')) neighUsage();
      if (given) duparg2('to', args.word);
      req.dst = getAddress(args.word, req.family);
      given = true;
    }
  }
  if (dev === undefined || !given) throw new ToolExit(255, 'Device and destination are required arguments.\n');
  req.family = req.dst.length === 16 ? AF.INET6 : AF.INET;
  if (lladdr !== undefined && lladdr !== 'null') {
    req.lladdr = linkAddress(lladdr);
  }
  req.ifindex = ip.requireDevice(dev);
  const { rtnlNeigh } = ip.kernel.ipv4;
  return ip.request(() => (command === 'delete' ? rtnlNeigh.neigh_delete(ip.net, req) : rtnlNeigh.neigh_add(ip.net, req)));
}

function get(ip: IpContext, args: Args): number {
  let dev: string | undefined;
  let dst: Uint8Array | undefined;
  let flags = 0;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') dev = args.next();
    else if (matches(args.word, 'proxy')) {
      dst = getAddress(args.next(), ip.opt.family);
      flags = NTF.PROXY;
    } else {
      if (args.word === 'to') args.next();
      if (matches(args.word, 'help')) neighUsage();
      if (dst !== undefined) duparg2('to', args.word);
      dst = getAddress(args.word, ip.opt.family);
    }
  }
  if (dst === undefined || (dev === undefined && flags === 0)) throw new ToolExit(255, 'Device and address are required arguments.\n');
  const ifindex = dev === undefined ? 0 : ip.requireDevice(dev);
  const answer = ip.kernel.ipv4.rtnlNeigh.neigh_get(ip.net, {
    family: dst.length === 16 ? AF.INET6 : AF.INET,
    ifindex,
    state: 0,
    flags,
    dst,
    nlflags: 0,
  });
  if (isNlResult(answer)) return ip.talk(answer);
  ip.out.begin();
  printNeigh(ip, answer, false);
  ip.out.end();
  return 0;
}

export function ipNeigh(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(ip, args, 'add');
  if (matches(word, 'change') || word === 'chg') return modify(ip, args, 'change');
  if (matches(word, 'replace')) return modify(ip, args, 'replace');
  if (matches(word, 'delete')) return modify(ip, args, 'delete');
  if (matches(word, 'get')) return get(ip, args);
  if (matches(word, 'show') || word === 'lst' || matches(word, 'list')) return show(ip, args);
  if (matches(word, 'flush')) return flush(ip, args);
  if (matches(word, 'help')) neighUsage();
  if (word === '') incomplete();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip neigh help".\n`);
}
