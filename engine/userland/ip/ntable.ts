// `ip ntable`: parameters of the neighbour tables.
import { AF, type NeighTableInfo } from '../../kernel/rtnl_records.ts';
import { type Args, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';

/** Lines of parameters as ip(8) groups them: member and its word. */
const LINES: readonly (readonly (readonly [keyof NeighTableInfo, string])[])[] = [
  [
    ['refcnt', 'refcnt'],
    ['reachable_time', 'reachable'],
    ['base_reachable_time', 'base_reachable'],
    ['retrans_time', 'retrans'],
  ],
  [
    ['gc_staletime', 'gc_stale'],
    ['delay_probe_time', 'delay_probe'],
    ['queue_len', 'queue'],
  ],
  [
    ['app_probes', 'app_probes'],
    ['ucast_probes', 'ucast_probes'],
    ['mcast_probes', 'mcast_probes'],
  ],
  [
    ['anycast_delay', 'anycast_delay'],
    ['proxy_delay', 'proxy_delay'],
    ['proxy_qlen', 'proxy_queue'],
    ['locktime', 'locktime'],
  ],
];
const THRESHOLDS: readonly (readonly [keyof NeighTableInfo, string])[] = [
  ['thresh1', 'thresh1'],
  ['thresh2', 'thresh2'],
  ['thresh3', 'thresh3'],
  ['gc_interval', 'gc_int'],
];

function printTable(ip: IpContext, t: NeighTableInfo): void {
  const { out } = ip;
  const family = t.family === AF.INET6 ? 'inet6' : 'inet';
  const line = (members: readonly (readonly [keyof NeighTableInfo, string])[]): void => {
    out.fp('    ');
    for (const [key, word] of members) {
      const v = t[key];
      if (v !== undefined) out.any(word, v, `${word} ${v} `);
    }
  };
  out.openObject();
  out.any('family', family, `${family} `);
  out.any('name', t.name, `${t.name} `);
  out.nl();
  if (t.thresh1 !== undefined) {
    line(THRESHOLDS);
    out.nl();
  }
  if (t.ifindex !== undefined) {
    const dev = t.ifindex === 0 ? '*' : ip.ifname(t.ifindex);
    out.colored('ifname', 'dev', dev, '    dev ', dev, ' ');
    out.nl();
  }
  for (const members of LINES) {
    line(members);
    out.nl();
  }
  out.fp('\n');
  out.closeObject();
}

export function ipNtable(ip: IpContext, args: Args): number {
  const word = args.more ? args.take() : 'show';
  if (matches(word, 'change')) ip.notModelled('ip ntable change');
  if (!matches(word, 'show') && !matches(word, 'list') && word !== 'lst')
    throw new ToolExit(255, `Command "${word}" is unknown, try "ip ntable help".\n`);
  let ifindex: number | undefined;
  let name: string | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') {
      const d = args.next();
      ifindex = d === 'none' ? -1 : ip.requireDevice(d);
    } else if (args.word === 'name') name = args.next();
    else throw new ToolExit(255, `Error: argument "${args.word}" is wrong: unknown\n`);
  }
  ip.out.begin();
  for (const t of ip.kernel.ipv4.rtnlNeigh.neightbl_dump_info(ip.net, ip.opt.family)) {
    if (name !== undefined && t.name !== name) continue;
    if (ifindex !== undefined && (ifindex === -1 ? t.ifindex !== undefined : t.ifindex !== ifindex)) continue;
    printTable(ip, t);
  }
  ip.out.end();
  return 0;
}
