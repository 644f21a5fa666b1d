// `bridge link`: ports, and what can be set on them.
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import type { BridgePortAttrs } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { PORT_STATES } from '../ip/link_bridge.ts';
import { printFlags, printName } from '../ip/link_print.ts';
import type { BridgeContext } from './bridge.ts';

function printPort(ctx: BridgeContext, l: LinkInfo, p: BridgePortAttrs): void {
  const { out } = ctx;
  out.openObject();
  out.any('ifindex', l.ifindex, `${l.ifindex}: `);
  // unlike ip(8) it looks up the lower device's index in its own namespace whatever the namespace of that
  printName(ctx, { ...l, link_netnsid: undefined }, (name) => `${name}: `);
  printFlags(ctx, l.flags, false);
  out.any('mtu', l.mtu, `mtu ${l.mtu} `);
  if (l.master !== undefined) out.any('master', ctx.ifname(l.master), `master ${ctx.ifname(l.master)} `);
  out.any('state', PORT_STATES[p.state ?? 0], `state ${PORT_STATES[p.state ?? 0]} `);
  out.any('priority', p.priority ?? 0, `priority ${p.priority} `);
  out.any('cost', p.cost ?? 0, `cost ${p.cost} `);
  if (ctx.opt.details) {
    out.nl();
    out.fp('    ');
    const flags = [
      ['hairpin', p.hairpin],
      ['learning', p.learning],
      ['flood', p.flood],
      ['mcast_flood', p.mcast_flood],
      ['bcast_flood', p.bcast_flood],
      ['isolated', p.isolated],
    ] as const;
    for (const [key, on] of flags) out.any(key, on === true, `${key} ${on === true ? 'on' : 'off'} `);
  }
  out.fp('\n');
  out.closeObject();
}

function show(ctx: BridgeContext, args: Args): number {
  let ifindex = 0;
  for (; args.more; args.skip()) {
    if (args.word === 'dev') ifindex = ctx.device(args.next());
    else ifindex = ctx.device(args.word);
  }
  ctx.out.begin();
  for (const l of ctx.kernel.rtnl.rtnl_dump_ifinfo(ctx.net)) {
    const port = l.slaveData?.brport;
    if (port !== undefined && (ifindex === 0 || l.ifindex === ifindex)) printPort(ctx, l, port);
  }
  ctx.out.end();
  return 0;
}

const SWITCHES = ['hairpin', 'learning', 'flood', 'mcast_flood', 'bcast_flood', 'isolated'] as const;

function set(ctx: BridgeContext, args: Args): number {
  const attrs: { -readonly [K in keyof BridgePortAttrs]: BridgePortAttrs[K] } = {};
  let dev: string | undefined;
  for (; args.more; args.skip()) {
    const { word } = args;
    const toggle = SWITCHES.find((name) => name === word);
    if (word === 'dev') dev = args.next();
    else if (toggle !== undefined) {
      const value = args.next();
      if (value !== 'on' && value !== 'off')
        throw new ToolExit(255, `Error: argument of "${word}" must be "on" or "off", not "${value}"\n`);
      attrs[toggle] = value === 'on';
    } else if (word === 'cost' || word === 'priority') attrs[word] = parseUnsigned(args.next()) ?? invalid(args.word);
    else if (word === 'state') {
      const value = args.next();
      const named = PORT_STATES.indexOf(value.toLowerCase() as (typeof PORT_STATES)[number]);
      attrs.state = parseUnsigned(value) ?? (named >= 0 ? named : badState());
    } else throw new ToolExit(1, `bridge: link set ${word} is not modelled\n`);
  }
  if (dev === undefined) throw new ToolExit(255, 'Device is a required argument.\n');
  const ifindex = ctx.device(dev);
  return ctx.answer(ctx.tool.capable ? ctx.rtnl.rtnl_bridge_setlink(ctx.net, ifindex, attrs) : { errno: -1 });
}
function invalid(word: string): never {
  throw new ToolExit(255, `Error: argument "${word}" is wrong: invalid number\n`);
}
function badState(): never {
  throw new ToolExit(255, 'Error: invalid STP port state\n');
}

export function bridgeLink(ctx: BridgeContext, args: Args): number {
  if (!args.more) return show(ctx, args);
  const word = args.take();
  if (matches(word, 'set') || matches(word, 'change')) return set(ctx, args);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return show(ctx, args);
  throw new ToolExit(255, `Command "${word}" is unknown, try "bridge link help".\n`);
}
