// `ip link`: listing, deleting, and the way to changes.
import { type Args, matches } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { linkSelected, parseFilter } from './address.ts';
import type { IpContext } from './ip_context.ts';
import { linkAdd, linkDelete, linkProperty, linkSet } from './link_modify.ts';
import { printLinkBrief, printLinkInfo } from './link_print.ts';
import { linkUsage } from './usage.ts';

function showLinks(ip: IpContext, args: Args): number {
  const filter = parseFilter(ip, args, true);
  const { out, opt } = ip;
  out.begin();
  for (const l of ip.kernel.rtnl.rtnl_dump_ifinfo(ip.net)) {
    if (!linkSelected(filter, l)) continue;
    out.openObject();
    if (opt.brief) printLinkBrief(ip, l, true);
    else printLinkInfo(ip, l, { link: true, queueLength: true, family: 0 });
    out.closeObject();
  }
  out.end();
  return 0;
}

/** Statistics of bridges and bonds, of which there are none here. */
function extendedStats(args: Args): number {
  if (!args.more) throw new ToolExit(255, 'xstats: missing argument\n');
  if (args.word !== 'type') throw new ToolExit(255, 'Not enough information: "type" argument is required\n');
  args.next();
  return 0;
}

export function ipLink(ip: IpContext, args: Args): number {
  if (!args.more) return showLinks(ip, args);
  const word = args.take();
  if (matches(word, 'add')) return linkAdd(ip, args);
  if (matches(word, 'set') || matches(word, 'change')) return linkSet(ip, args);
  if (matches(word, 'replace')) ip.notModelled('ip link replace');
  if (matches(word, 'delete')) return linkDelete(ip, args);
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return showLinks(ip, args);
  if (matches(word, 'xstats')) return extendedStats(args);
  if (matches(word, 'property')) return linkProperty(ip, args);
  if (matches(word, 'afstats')) ip.notModelled(`ip link ${word}`);
  if (matches(word, 'help')) linkUsage();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip link help".\n`);
}
