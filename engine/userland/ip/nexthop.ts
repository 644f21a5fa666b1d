// `ip nexthop`: next hop objects and groups.
import { AF, NLM_F, type NexthopObject, RT_SCOPE, RTNH_F, RTPROT } from '../../kernel/rtnl_records.ts';
import { type Args, getAddress, invarg, matches, parseUnsigned, unsigned } from '../iproute/args.ts';
import { protocolName, protocolNumber, scopeName } from '../iproute/names.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { printDevice, printGateway, printRouteFlags } from './route_print.ts';

interface NexthopFilter {
  id: number;
  oif: number;
  groups: boolean;
  protocol: number | undefined;
}

function printNexthop(ip: IpContext, n: NexthopObject): void {
  const { out, opt } = ip;
  out.openObject();
  out.any('id', n.id, `id ${n.id} `);
  if (n.group !== undefined) printGroup(ip, n.group);
  if (n.gateway !== undefined) printGateway(ip, n.family, n.gateway);
  if (n.oif !== 0) printDevice(ip, n.oif);
  if (n.scope !== RT_SCOPE.UNIVERSE || opt.details)
    out.any('scope', scopeName(n.scope, opt.numeric), `scope ${scopeName(n.scope, opt.numeric)} `);
  if (n.blackhole) out.any('blackhole', null, 'blackhole ');
  if (n.protocol !== RTPROT.UNSPEC || opt.details)
    out.any('protocol', protocolName(n.protocol, opt.numeric), `proto ${protocolName(n.protocol, opt.numeric)} `);
  printRouteFlags(ip, n.flags);
  out.fp('\n');
  out.closeObject();
}

function printGroup(ip: IpContext, group: NonNullable<NexthopObject['group']>): void {
  const { out } = ip;
  out.openArray('group');
  out.fp('group ');
  for (const [i, m] of group.entries()) {
    out.openObject();
    out.any('id', m.id, `${i > 0 ? '/' : ''}${m.id}`);
    if (m.weight > 1) out.any('weight', m.weight, `,${m.weight}`);
    out.closeObject();
  }
  out.fp(' ');
  out.closeArray();
}

function parseFilter(ip: IpContext, args: Args): NexthopFilter {
  const f: NexthopFilter = { id: 0, oif: 0, groups: false, protocol: undefined };
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') f.oif = ip.requireDevice(args.next());
    else if (word === 'groups') f.groups = true;
    else if (word === 'id') f.id = unsigned(args.next(), 'invalid id value');
    else if (matches(word, 'protocol')) f.protocol = protocolNumber(args.next()) ?? invarg('invalid protocol value', args.word);
    else if (['master', 'vrf', 'fdb'].includes(word)) ip.notModelled(`ip nexthop show ${word}`);
    else throw new ToolExit(255, `Command "${word}" is unknown, try "ip nexthop help".\n`);
  }
  return f;
}

const selected = (ip: IpContext, f: NexthopFilter): NexthopObject[] =>
  ip.kernel.ipv4.nexthops
    .rtm_dump_nexthop(ip.net)
    .filter(
      (n) =>
        (ip.opt.family === AF.UNSPEC || n.family === ip.opt.family) &&
        (f.oif === 0 || n.oif === f.oif) &&
        (!f.groups || n.group !== undefined) &&
        (f.protocol === undefined || n.protocol === f.protocol),
    );

function show(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  if (f.id !== 0) return printOne(ip, f.id);
  ip.out.begin();
  for (const n of selected(ip, f)) printNexthop(ip, n);
  ip.out.end();
  return 0;
}

function printOne(ip: IpContext, id: number): number {
  const { nexthops } = ip.kernel.ipv4;
  const found = nexthops.nexthop_find_by_id(ip.net, id);
  if (found === undefined) return ip.talk({ errno: -2 });
  ip.out.begin();
  printNexthop(ip, nexthops.nh_fill_node(found));
  ip.out.end();
  return 0;
}

function flush(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  const all = f.id === 0 ? selected(ip, f) : selected(ip, f).filter((n) => n.id === f.id);
  let flushed = 0;
  for (const n of all) if (ip.request(() => ip.kernel.ipv4.nexthops.rtm_del_nexthop(ip.net, n.id)) === 0) flushed++;
  ip.tool.print(flushed === 0 ? 'Nothing to flush\n' : `Flushed ${flushed} nexthops\n`);
  return 0;
}

/** `1/2,3`: ids and weights. */
function group(word: string): { id: number; weight: number }[] {
  return word.split('/').map((part) => {
    const [id, weight, more] = part.split(',');
    const number = parseUnsigned(id, 0xffffffff) ?? invarg('"group" value is invalid\n', word);
    if (weight === undefined) return { id: number, weight: 1 };
    const w = more === undefined ? parseUnsigned(weight, 256) : undefined;
    if (w === undefined || w === 0) return invarg('"group" value is invalid\n', word);
    return { id: number, weight: w };
  });
}

function modify(ip: IpContext, args: Args, nlflags: number): number {
  const req: NexthopObject = {
    family: ip.opt.family,
    id: 0,
    oif: 0,
    scope: 0,
    flags: 0,
    blackhole: false,
    protocol: RTPROT.UNSPEC,
  };
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'id') req.id = unsigned(args.next(), 'invalid id value');
    else if (word === 'dev') req.oif = ip.requireDevice(args.next());
    else if (word === 'via') {
      let address = args.next();
      if (address === 'inet' || address === 'inet6') {
        req.family = address === 'inet' ? AF.INET : AF.INET6;
        address = args.next();
      }
      req.gateway = getAddress(address, req.family);
      req.family ||= req.gateway.length === 16 ? AF.INET6 : AF.INET;
    } else if (word === 'blackhole') req.blackhole = true;
    else if (word === 'onlink') req.flags |= RTNH_F.ONLINK;
    else if (word === 'group') req.group = group(args.next());
    else if (matches(word, 'protocol')) req.protocol = protocolNumber(args.next()) ?? invarg('"protocol" value is invalid\n', args.word);
    else if (['encap', 'fdb', 'type', 'buckets', 'idle_timer', 'unbalanced_timer'].includes(word)) ip.notModelled(`ip nexthop ${word}`);
    else if (word === 'help') ip.notModelled('ip nexthop help');
    else throw new ToolExit(255, `Command "${word}" is unknown, try "ip nexthop help".\n`);
  }
  if (req.family === AF.INET6) ip.notModelled('ip nexthop with IPv6 gateways');
  req.family = AF.INET;
  return ip.request(() => ip.kernel.ipv4.nexthops.rtm_new_nexthop(ip.net, req, nlflags));
}

function remove(ip: IpContext, args: Args): number {
  let id = 0;
  for (; args.more; args.skip()) {
    if (args.word === 'id') id = unsigned(args.next(), 'invalid id value');
    else throw new ToolExit(255, `Error: argument "${args.word}" is wrong: id\n`);
  }
  return ip.request(() => ip.kernel.ipv4.nexthops.rtm_del_nexthop(ip.net, id));
}

export function ipNexthop(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(ip, args, NLM_F.CREATE | NLM_F.EXCL);
  if (matches(word, 'replace')) return modify(ip, args, NLM_F.CREATE | NLM_F.REPLACE);
  if (matches(word, 'delete')) return remove(ip, args);
  if (matches(word, 'list') || matches(word, 'show') || matches(word, 'lst')) return show(ip, args);
  if (matches(word, 'get')) return show(ip, args);
  if (matches(word, 'flush')) return flush(ip, args);
  if (matches(word, 'bucket') || matches(word, 'help')) ip.notModelled(`ip nexthop ${word}`);
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip nexthop help".\n`);
}
