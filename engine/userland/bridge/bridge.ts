// bridge(8): ports, tables of addresses and VLANs of bridges.
import { ops } from '../../base/ops.ts';
import { strerror } from '../../base/errno.ts';
import { RtnlBridge } from '../../kernel/rtnl_bridge.ts';
import type { NlResult } from '../../kernel/rtnetlink.ts';
import { Args, matches } from '../iproute/args.ts';
import { IPROUTE_VERSION } from '../iproute/version.ts';
import { defaultIpOptions, IpContext } from '../ip/ip_context.ts';
import { openNetns } from '../ip/netns.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { bridgeFdb } from './fdb.ts';
import { bridgeLink } from './link.ts';
import { bridgeVlan } from './vlan.ts';

const USAGE = `Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
       bridge [ -force ] -batch filename
where  OBJECT := { link | fdb | mdb | vlan | monitor }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] |
                    -o[neline] | -t[imestamp] | -n[etns] name |
                    -c[ompressvlans] -color -p[retty] -j[son] }
`;

/** One run: ip's context of options, names and output, and the requests of AF_BRIDGE. */
export class BridgeContext extends IpContext {
  readonly rtnl = new RtnlBridge(this.tool.kernel);
  compress = false;

  /** Failures of changing requests end with status 255. */
  answer(result: NlResult): number {
    if (result.errno === 0) return 0;
    if (result.extack !== undefined) this.tool.error(`Error: ${result.extack}.\n`);
    else this.tool.error(`RTNETLINK answers: ${strerror(result.errno)}\n`);
    return 255;
  }
  device(name: string): number {
    const index = this.ifindex(name);
    if (index === 0) throw new ToolExit(255, `Cannot find device "${name}"\n`);
    return index;
  }
}

function option(ctx: BridgeContext, tool: ToolContext, args: Args): void {
  const { opt } = ctx;
  const given = args.word;
  const word = given.startsWith('--') ? given.slice(1) : given;
  if (matches(word, '-help')) throw new ToolExit(255, USAGE);
  if (matches(word, '-Version')) {
    tool.print(`bridge utility, ${IPROUTE_VERSION}\n`);
    throw new ToolExit(0);
  }
  if (matches(word, '-stats') || matches(word, '-statistics')) opt.stats++;
  else if (matches(word, '-details')) opt.details = true;
  else if (matches(word, '-oneline')) opt.oneline = true;
  else if (matches(word, '-timestamp')) opt.timestamp = 1;
  else if (matches(word, '-netns')) tool.net = openNetns(tool, args.next());
  else if (matches(word.split('=')[0], '-color') && word.length > 2) opt.color = !word.endsWith('=never');
  else if (matches(word, '-compressvlans')) ctx.compress = true;
  else if (matches(word, '-force')) opt.force = true;
  else if (matches(word, '-json')) opt.json = true;
  else if (matches(word, '-pretty')) opt.pretty = true;
  else throw new ToolExit(255, `Option "${given}" is unknown, try "bridge help".\n`);
}

function run(tool: ToolContext): number {
  const args = new Args(tool.argv.slice(1));
  const parsed = new BridgeContext(tool, defaultIpOptions());
  for (; args.more && args.word.startsWith('-'); args.skip()) option(parsed, tool, args);
  const ctx = new BridgeContext(tool, parsed.opt);
  ctx.compress = parsed.compress;
  if (!args.more) throw new ToolExit(255, USAGE);
  const word = args.take();
  let status: number;
  if (matches(word, 'link')) status = bridgeLink(ctx, args);
  else if (matches(word, 'fdb')) status = bridgeFdb(ctx, args);
  else if (matches(word, 'vlan')) status = bridgeVlan(ctx, args);
  else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
  else if (matches(word, 'mdb') || matches(word, 'monitor')) throw new ToolExit(1, `bridge: bridge ${word} is not modelled\n`);
  else throw new ToolExit(255, `Object "${word}" is unknown, try "bridge help".\n`);
  ctx.flush();
  return status;
}

export const BRIDGE: Tool = ops({ run });
