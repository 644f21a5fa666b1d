// `bridge fdb`: tables of addresses.
import { NTF, NUD } from '../../kernel/rtnl_records.ts';
import type { FdbInfo } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, duparg2, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { BridgeContext } from './bridge.ts';

const USAGE = `Usage: bridge fdb { add | append | del | replace } ADDR dev DEV
              [ self ] [ master ] [ use ] [ router ] [ extern_learn ]
              [ sticky ] [ local | static | dynamic ] [ vlan VID ]
              { [ dst IPADDR ] [ port PORT] [ vni VNI ] | [ nhid NHID ] }
\t       [ via DEV ] [ src_vni VNI ]
       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ vlan VID ]
              [ state STATE ] [ dynamic ] ]
       bridge fdb get [ to ] LLADDR [ br BRDEV ] { brport | dev } DEV
              [ vlan VID ] [ vni VNI ] [ self ] [ master ] [ dynamic ]
       bridge fdb flush dev DEV [ brport DEV ] [ vlan VID ]
              [ self ] [ master ] [ [no]permanent | [no]static | [no]dynamic ]
              [ [no]added_by_user ] [ [no]extern_learn ] [ [no]sticky ]
              [ [no]offloaded ]
`;

const macText = (mac: Uint8Array): string => Array.from(mac, (b) => b.toString(16).padStart(2, '0')).join(':');
const stateName = (state: number): string =>
  (state & NUD.PERMANENT) !== 0 ? 'permanent' : (state & NUD.NOARP) !== 0 ? 'static' : (state & NUD.STALE) !== 0 ? 'stale' : '';

function parseMac(word: string): Uint8Array {
  const m = /^([0-9a-f]{1,2})(:[0-9a-f]{1,2}){5}$/i.test(word) ? word.split(':').map((x) => Number.parseInt(x, 16)) : undefined;
  if (m === undefined) throw new ToolExit(255, `Invalid mac address ${word}\n`);
  return Uint8Array.from(m);
}

function printEntry(ctx: BridgeContext, e: FdbInfo, withDevice: boolean): void {
  const { out } = ctx;
  out.openObject();
  out.colored('mac', 'mac', macText(e.mac), '', `${macText(e.mac)} `);
  if (withDevice) out.colored('ifname', 'ifname', ctx.ifname(e.ifindex), 'dev ', `${ctx.ifname(e.ifindex)} `);
  if (e.vlan !== undefined) out.any('vlan', e.vlan, `vlan ${e.vlan} `);
  if (ctx.opt.stats > 0) {
    const seconds = Math.floor(e.updated / 1e9);
    out.js('used', seconds);
    out.js('updated', seconds);
    out.fp(`used ${seconds}/${seconds} `);
  }
  out.openArray('flags');
  if ((e.flags & NTF.SELF) !== 0) out.item('self', 'self ');
  out.closeArray();
  if (e.master !== undefined) out.any('master', ctx.ifname(e.master), `master ${ctx.ifname(e.master)} `);
  const state = stateName(e.state);
  out.any('state', state, state);
  out.fp('\n');
  out.closeObject();
}

function show(ctx: BridgeContext, args: Args): number {
  let bridge = 0;
  let port = 0;
  let vlan: number | undefined;
  let dynamic = false;
  for (; args.more; args.skip()) {
    const { word } = args;
    if (word === 'brport' || word === 'dev') port = ctx.device(args.next());
    else if (word === 'br') bridge = ctx.device(args.next());
    else if (word === 'vlan') vlan = parseUnsigned(args.next(), 4095);
    else if (word === 'dynamic') dynamic = true;
    else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else if (port === 0) port = ctx.device(word);
    else duparg2('dev', word);
  }
  ctx.out.begin();
  for (const e of ctx.rtnl.rtnl_fdb_dump(ctx.net)) {
    const master = ctx.net.__dev_get_by_index(e.ifindex)?.master?.ifindex;
    if (port !== 0 && e.ifindex !== port) continue;
    if (bridge !== 0 && e.ifindex !== bridge && master !== bridge) continue;
    if (vlan !== undefined && e.vlan !== vlan) continue;
    if (dynamic && (e.state & (NUD.PERMANENT | NUD.NOARP)) !== 0) continue;
    printEntry(ctx, e, port === 0);
  }
  ctx.out.end();
  return 0;
}

function modify(ctx: BridgeContext, args: Args, verb: 'add' | 'replace' | 'del' | 'append'): number {
  let mac: string | undefined;
  let dev: string | undefined;
  let flags = 0;
  let state = 0;
  let vlan: number | undefined;
  for (; args.more; args.skip()) {
    const { word } = args;
    if (word === 'dev') dev = args.next();
    else if (word === 'self') flags |= NTF.SELF;
    else if (matches(word, 'master')) flags |= NTF.MASTER;
    else if (matches(word, 'local') || matches(word, 'permanent')) state |= NUD.PERMANENT;
    else if (matches(word, 'temp') || matches(word, 'dynamic')) state |= NUD.REACHABLE;
    else if (matches(word, 'static')) state |= NUD.NOARP | NUD.REACHABLE;
    else if (matches(word, 'vlan')) vlan = parseUnsigned(args.next(), 4095);
    else if (matches(word, 'use')) flags |= NTF.USE;
    else if (['dst', 'port', 'vni', 'via', 'nhid', 'src_vni', 'router', 'extern_learn', 'sticky'].includes(word))
      throw new ToolExit(1, `bridge: fdb ${word} is not modelled\n`);
    else {
      if (word === 'to') args.next();
      if (matches(args.word, 'help')) throw new ToolExit(255, USAGE);
      if (mac !== undefined) duparg2('to', args.word);
      mac = args.word;
    }
  }
  if (dev === undefined || mac === undefined) throw new ToolExit(255, 'Device and address are required arguments.\n');
  const bytes = parseMac(mac);
  // without a word on it, it is for the device itself and permanent
  if ((flags & (NTF.SELF | NTF.MASTER)) === 0) flags |= NTF.SELF;
  if ((state & (NUD.PERMANENT | NUD.REACHABLE)) === 0) state |= NUD.PERMANENT;
  const ifindex = ctx.device(dev);
  const request = { ifindex, mac: bytes, state, flags, create: true, exclusive: verb === 'add', ...(vlan === undefined ? {} : { vlan }) };
  if (!ctx.tool.capable) return ctx.answer({ errno: -1 });
  return ctx.answer(verb === 'del' ? ctx.rtnl.rtnl_fdb_del(ctx.net, request) : ctx.rtnl.rtnl_fdb_add(ctx.net, request));
}

/** One entry of a bridge's table. */
function get(ctx: BridgeContext, args: Args): number {
  let mac: string | undefined;
  let bridge = 0;
  let port = 0;
  let vlan: number | undefined;
  for (; args.more; args.skip()) {
    const { word } = args;
    if (word === 'br') bridge = ctx.device(args.next());
    else if (word === 'brport' || word === 'dev') port = ctx.device(args.next());
    else if (word === 'vlan') vlan = parseUnsigned(args.next(), 4095);
    else if (word === 'to') mac = args.next();
    else mac = word;
  }
  if (mac === undefined) throw new ToolExit(255, 'Device and address are required arguments.\n');
  const text = macText(parseMac(mac));
  const master = bridge === 0 ? ctx.net.__dev_get_by_index(port)?.master?.ifindex : bridge;
  const found = ctx.rtnl.rtnl_fdb_dump(ctx.net).find((e) => e.master === master && macText(e.mac) === text && e.vlan === vlan);
  if (found === undefined) {
    ctx.tool.error('Error: Fdb entry not found.\n');
    return 254;
  }
  ctx.out.begin();
  printEntry(ctx, found, true);
  ctx.out.end();
  return 0;
}

export function bridgeFdb(ctx: BridgeContext, args: Args): number {
  if (!args.more) return show(ctx, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(ctx, args, 'add');
  if (matches(word, 'append')) return modify(ctx, args, 'append');
  if (matches(word, 'replace')) return modify(ctx, args, 'replace');
  if (matches(word, 'delete')) return modify(ctx, args, 'del');
  if (matches(word, 'get')) return get(ctx, args);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return show(ctx, args);
  if (matches(word, 'help')) throw new ToolExit(255, USAGE);
  // flush on a device without a table of its own is refused; on a bridge it is not part of this kernel
  if (matches(word, 'flush')) throw new ToolExit(1, 'bridge: fdb flush is not modelled\n');
  throw new ToolExit(255, `Command "${word}" is unknown, try "bridge fdb help".\n`);
}
