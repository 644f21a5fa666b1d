// `ip netconf` and `ip token`: per-interface settings that the kernel reports.
import { ARPHRD, IFF } from '../../kernel/net_device.ts';
import { AF, type NetconfInfo } from '../../kernel/rtnl_records.ts';
import { type Args, invarg, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';

/** Linux: NETCONFA_IFINDEX_ALL, _DEFAULT */
const ALL = -1;
const DEFAULT = -2;

/** One record with its line's end. */
export function printNetconf(ip: IpContext, c: NetconfInfo, deleted = false): void {
  const { out } = ip;
  const family = c.family === AF.INET6 ? 'inet6' : 'inet';
  const name = c.ifindex === ALL ? 'all' : c.ifindex === DEFAULT ? 'default' : ip.ifname(c.ifindex);
  const onOff = (key: string, value: number): void => out.any(key, value !== 0, `${key} ${value !== 0 ? 'on' : 'off'} `);
  out.openObject();
  if (deleted) out.any('deleted', true, 'Deleted ');
  out.any('family', family, `${family} `);
  out.colored('ifname', 'interface', name, '', name, ' ');
  if (!deleted) {
    onOff('forwarding', c.forwarding);
    if (c.rp_filter !== undefined) {
      const mode = ['off', 'strict', 'loose'][c.rp_filter] ?? 'unknown';
      out.any('rp_filter', mode, `rp_filter ${mode} `);
    }
    onOff('mc_forwarding', c.mc_forwarding);
    onOff('proxy_neigh', c.proxy_neigh);
    onOff('ignore_routes_with_linkdown', c.ignore_routes_with_linkdown);
  }
  out.fp('\n');
  out.closeObject();
}

export function ipNetconf(ip: IpContext, args: Args): number {
  const word = args.more ? args.take() : 'show';
  if (!matches(word, 'show') && !matches(word, 'list') && word !== 'lst')
    throw new ToolExit(255, `Command "${word}" is unknown, try "ip netconf help".\n`);
  let ifindex: number | undefined;
  for (; args.more; args.skip()) if (args.word === 'dev') ifindex = ip.filterDevice(args.next());
  const { family } = ip.opt;
  const all = [
    ...(family !== AF.INET6 ? ip.kernel.ipv4.rtnlAddr.inet_netconf_dump_devconf(ip.net) : []),
    ...(family !== AF.INET ? ip.kernel.ipv6.rtnlAddr.inet6_netconf_dump_devconf(ip.net) : []),
  ];
  ip.out.begin();
  for (const c of all) if (ifindex === undefined || c.ifindex === ifindex) printNetconf(ip, c);
  ip.out.end();
  return 0;
}

/** `ip token`: tokenised interface identifiers; none can be set here, so all are unspecified. */
export function ipToken(ip: IpContext, args: Args): number {
  const word = args.more ? args.take() : 'list';
  if (!matches(word, 'list') && !matches(word, 'show') && word !== 'lst') {
    if (matches(word, 'set') || matches(word, 'get') || matches(word, 'delete')) ip.notModelled(`ip token ${word}`);
    throw new ToolExit(255, `Command "${word}" is unknown, try "ip token help".\n`);
  }
  let only: number | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') args.next();
    only = ip.ifindex(args.word) || invarg('dev is invalid\n', args.word);
  }
  ip.out.begin();
  for (const l of ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net)) {
    if (l.type === ARPHRD.LOOPBACK || (l.flags & (IFF.LOOPBACK | IFF.NOARP)) !== 0) continue;
    if (only !== undefined && l.ifindex !== only) continue;
    ip.out.openObject();
    ip.out.any('token', '::', 'token :: ');
    ip.out.colored('ifname', 'ifname', l.ifname, 'dev ', l.ifname, '\n');
    ip.out.closeObject();
  }
  ip.out.end();
  return 0;
}
