// `bridge vlan`: VLANs of ports and bridges.
import { type Args, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { BridgeVlan } from '../../kernel/rtnl_link_kinds.ts';
import type { BridgeContext } from './bridge.ts';

const PVID = 2;
const UNTAGGED = 4;
const IFNAMSIZ = 16;

/** Ranges of VLANs with equal flags, as `-c` shows them. */
function ranges(vlans: readonly BridgeVlan[], compress: boolean): { readonly from: number; readonly to: number; readonly flags: number }[] {
  const out: { from: number; to: number; flags: number }[] = [];
  for (const { vid, flags } of vlans) {
    const last = out.at(-1);
    if (compress && last !== undefined && last.to + 1 === vid && last.flags === flags && (flags & PVID) === 0) last.to = vid;
    else out.push({ from: vid, to: vid, flags });
  }
  return out;
}

function show(ctx: BridgeContext, args: Args): number {
  let ifindex = 0;
  let vid: number | undefined;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') ifindex = ctx.device(args.next());
    else if (args.word === 'vid') vid = parseUnsigned(args.next(), 4095);
    else ifindex = ctx.device(args.word);
  }
  const { out } = ctx;
  out.begin();
  out.fp(`${'port'.padEnd(IFNAMSIZ)}  vlan-id  \n`);
  for (const port of ctx.rtnl.rtnl_bridge_vlans(ctx.net)) {
    const vlans = port.vlans.filter((v) => vid === undefined || v.vid === vid);
    if (vlans.length === 0 || (ifindex !== 0 && port.ifindex !== ifindex)) continue;
    out.openObject();
    const name = ctx.ifname(port.ifindex);
    out.colored('ifname', 'ifname', name, '', name.padEnd(IFNAMSIZ));
    out.openArray('vlans');
    ranges(vlans, ctx.compress).forEach(({ from, to, flags }, i) => {
      out.openObject();
      if (i > 0) out.fp(' '.repeat(IFNAMSIZ));
      out.any('vlan', from, `  ${from}`);
      if (to !== from) out.any('vlanEnd', to, `-${to}`);
      if (flags !== 0) {
        out.openArray('flags');
        if ((flags & PVID) !== 0) out.item('PVID', ' PVID');
        if ((flags & UNTAGGED) !== 0) out.item('Egress Untagged', ' Egress Untagged');
        out.closeArray();
      }
      out.fp('\n');
      out.closeObject();
    });
    out.closeArray();
    out.closeObject();
  }
  out.end();
  return 0;
}

function modify(ctx: BridgeContext, args: Args, add: boolean): number {
  let dev: string | undefined;
  let from = -1;
  let to = -1;
  let flags = 0;
  for (; args.more; args.skip()) {
    const { word } = args;
    if (word === 'dev') dev = args.next();
    else if (word === 'vid') {
      const value = args.next();
      const [a, b] = value.split('-');
      from = parseUnsigned(a) ?? 4096;
      to = b === undefined ? from : (parseUnsigned(b) ?? 4096);
      if (from >= 4096 || to >= 4096) throw new ToolExit(255, `Invalid VLAN ID "${value}"\n`);
      if (to < from) throw new ToolExit(255, `Invalid VLAN range "${a}-${b}"\n`);
    } else if (word === 'pvid') flags |= PVID;
    else if (word === 'untagged') flags |= UNTAGGED;
    else if (word !== 'self' && word !== 'master') throw new ToolExit(1, `bridge: vlan ${word} is not modelled\n`);
  }
  if (dev === undefined || from < 0) throw new ToolExit(255, 'Device and VLAN ID are required arguments.\n');
  const ifindex = ctx.device(dev);
  for (let vid = from; vid <= to; vid++) {
    const result = ctx.tool.capable ? ctx.rtnl.rtnl_bridge_setvlan(ctx.net, ifindex, { vid, flags }, add) : { errno: -1 };
    if (result.errno !== 0) return ctx.answer(result);
  }
  return 0;
}

export function bridgeVlan(ctx: BridgeContext, args: Args): number {
  if (!args.more) return show(ctx, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(ctx, args, true);
  if (matches(word, 'delete')) return modify(ctx, args, false);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return show(ctx, args);
  throw new ToolExit(255, `Command "${word}" is unknown, try "bridge vlan help".\n`);
}
