// tc filter: add, delete, show of matchall, u32 and flower.
import { ETH_P } from '../../wire/headers.ts';
import type { ActionRequest } from '../../kernel/sched/act.ts';
import { TC_H_INGRESS, TC_H_MAKE, type TcAttrs, type TcAttr } from '../../kernel/sched/qdisc.ts';
import { ETH_P_ALL, type TfilterInfo } from '../../kernel/sched/tcf.ts';
import { type Args, fail, formatAddress, getPrefix, invarg, linkAddress, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { parseActions, printAction } from './action.ts';
import { list, num, unmodelled, whatIs } from './kind.ts';
import type { Tc } from './tc_context.ts';
import { handleText, legal, parseClassId } from './units.ts';

const USAGE =
  'Usage: tc filter [ add | del | show ] dev STRING [ pref P ] [ protocol P ] [ root | ingress | egress | parent ID ] [ KIND OPTIONS ]\n';
const PROTOCOLS: Readonly<Record<string, number>> = Object.freeze({
  all: ETH_P_ALL,
  ip: ETH_P.IP,
  ipv4: ETH_P.IP,
  ipv6: ETH_P.IPV6,
  arp: ETH_P.ARP,
});
const IP_PROTOCOLS: Readonly<Record<string, number>> = Object.freeze({ tcp: 6, udp: 17, icmp: 1, sctp: 132, icmpv6: 58 });
const protocolText = (p: number): string => Object.entries(PROTOCOLS).find(([, v]) => v === p)?.[0] ?? `[${p}]`;
const hex8 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
const prefixMask = (bits: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => 0xff & ~(0xff >> Math.max(0, Math.min(8, bits - 8 * i))));

type Options = Record<string, TcAttr>;
interface Parsed {
  readonly options: TcAttrs;
  readonly actions: readonly ActionRequest[];
}

/** `ip dport 80 0xffff` and the like, as words at offsets from the network header. */
function u32Selector(args: Args, keys: number[]): void {
  const family = args.take();
  if (family === 'u32') {
    const [value, mask] = [legal(parseUnsigned(args.take()), 'match'), legal(parseUnsigned(args.take()), 'match')];
    if (args.word !== 'at') fail(1, 'Illegal "match"');
    keys.push(Number(args.next()), mask, (value & mask) >>> 0);
    args.skip();
    return;
  }
  if (family !== 'ip') unmodelled(`u32 match ${family}`);
  const field = args.take();
  if (field === 'src' || field === 'dst') {
    const p = getPrefix(args.take(), 2);
    const mask = p.bitlen === 0 ? 0 : (0xffffffff << (32 - p.bitlen)) >>> 0;
    const b = p.bytes;
    keys.push(field === 'src' ? 12 : 16, mask, (((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3]) & mask) >>> 0);
    return;
  }
  const shifts: Readonly<Record<string, readonly [number, number, number]>> = {
    dport: [20, 0, 0xffff],
    sport: [20, 16, 0xffff],
    protocol: [8, 16, 0xff],
    tos: [0, 16, 0xff],
    dsfield: [0, 16, 0xff],
  };
  const at = Object.hasOwn(shifts, field) ? shifts[field] : unmodelled(`u32 match ip ${field}`);
  const text = args.take();
  const value = legal(parseUnsigned(text) ?? IP_PROTOCOLS[text], 'match');
  const mask = legal(parseUnsigned(args.take()), 'match') & at[2];
  keys.push(at[0], (mask << at[1]) >>> 0, ((value & mask) << at[1]) >>> 0);
}

const flowerFields = ['dst_mac', 'src_mac', 'ip_proto', 'src_ip', 'dst_ip', 'src_port', 'dst_port'] as const;
function flowerField(args: Args, field: (typeof flowerFields)[number], o: Options): void {
  const text = args.next();
  args.skip();
  if (field.endsWith('_mac')) o[field] = [...linkAddress(text)];
  else if (field.endsWith('_ip')) {
    const p = getPrefix(text, 0);
    o[field] = [...p.bytes];
    o[`${field}_mask`] = prefixMask(p.bitlen, p.bytes.length);
    o[`${field}_text`] = `${formatAddress(p.bytes)}${p.bitlen === p.bytes.length * 8 ? '' : `/${p.bitlen}`}`;
  } else if (field === 'ip_proto') o[field] = legal(IP_PROTOCOLS[text] ?? parseUnsigned(text), 'ip_proto');
  else o[field] = legal(parseUnsigned(text, 0xffff), field);
}

function parseOptions(tc: Tc, kind: string, args: Args): Parsed {
  const o: Options = {};
  const keys: number[] = [];
  const actions: ActionRequest[] = [];
  while (args.more) {
    const word = args.word;
    const field = flowerFields.find((f) => f === word);
    if (word === 'action' || word === 'police') actions.push(...parseActions(tc, args));
    else if (word === 'flowid' || word === 'classid') {
      const text = args.next();
      o['classid'] = legal(parseClassId(text), word);
      args.skip();
    } else if (kind === 'u32' && word === 'match') {
      args.skip();
      u32Selector(args, keys);
    } else if (kind === 'flower' && field !== undefined) flowerField(args, field, o);
    else whatIs(word, `Usage: ... ${kind} OPTIONS`);
  }
  return { options: keys.length > 0 ? { ...o, keys } : o, actions };
}

interface Where {
  name: string | undefined;
  parent: number;
  protocol: number;
  prio: number;
  handle: number;
}
/** Words up to the kind, which is left as the current one. */
function parseWhere(args: Args): Where {
  const w: Where = { name: undefined, parent: 0, protocol: ETH_P_ALL, prio: 0, handle: 0 };
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'dev') w.name = args.next();
    else if (word === 'root') w.parent = 0xffffffff;
    else if (word === 'ingress' || word === 'egress') w.parent = TC_H_MAKE(TC_H_INGRESS, word === 'ingress' ? 0xfff2 : 0xfff3);
    else if (word === 'parent') {
      const text = args.next();
      w.parent = parseClassId(text) ?? invarg('Invalid parent ID', text);
    } else if (matches(word, 'preference') || matches(word, 'priority')) {
      const text = args.next();
      w.prio = parseUnsigned(text, 0xffff) ?? invarg('invalid priority value', text);
    } else if (matches(word, 'protocol')) {
      const text = args.next();
      w.protocol = PROTOCOLS[text] ?? parseUnsigned(text) ?? invarg('invalid protocol', text);
    } else if (word === 'handle') {
      const text = args.next();
      w.handle = /^800::[0-9a-f]+$/i.test(text) ? 0x80000000 + Number.parseInt(text.slice(5), 16) : legal(parseUnsigned(text), 'handle');
    } else if (word === 'chain' || word === 'block') unmodelled(`filter ${word}`);
    else if (matches(word, 'help')) throw new ToolExit(255, USAGE);
    else break;
  }
  return w;
}

function modify(tc: Tc, remove: boolean, args: Args): number {
  const w = parseWhere(args);
  const kind = args.more ? args.take() : undefined;
  if (kind !== undefined && !['matchall', 'u32', 'flower'].includes(kind)) unmodelled(`filter ${kind}`);
  const parsed: Parsed = kind === undefined ? { options: {}, actions: [] } : parseOptions(tc, kind, args);
  if (w.name === undefined) return fail(2, 'RTNETLINK answers: No such device');
  const dev = tc.device(w.name);
  tc.privileged();
  const request = { ...w, dev, kind, ...parsed };
  tc.check(remove ? tc.api.sched.cls.tc_del_tfilter(request) : tc.api.sched.cls.tc_new_tfilter(request), true);
  return 0;
}

function printU32(tc: Tc, f: TfilterInfo): void {
  const { out, opt } = tc;
  if (f.handle === 0) return;
  if (f.handle === 0x80000000) {
    out.any('fh', '800:', 'fh 800: ');
    out.any('ht_divisor', num(f.options, 'divisor'), `ht divisor ${num(f.options, 'divisor')} `);
    return;
  }
  const item = f.handle & 0xfff;
  const fh = `800::${item.toString(16)}`;
  out.any('fh', fh, `fh ${fh} order ${item} key ht 800 bkt 0 `);
  if (f.options['classid'] !== undefined) {
    const id = handleText(num(f.options, 'classid'));
    out.any('flowid', id, f.actions.length > 0 ? `flowid ${id} ` : `*flowid ${id} `);
  } else out.any('terminal', true, 'terminal flowid ');
  out.any('not_in_hw', true, 'not_in_hw ');
  if (opt.stats) out.fp(`(rule hit ${num(f.options, 'hits')} success ${num(f.options, 'success')})`);
  const keys = list(f.options, 'keys');
  for (let i = 0; i + 2 < keys.length; i += 3) {
    out.fp(`\n  match ${hex8(keys[i + 2])}/${hex8(keys[i + 1])} at ${keys[i]}`);
    if (opt.stats) out.fp(` (success ${list(f.options, 'key_hits')[i / 3]} ) `);
  }
}
function printFlower(tc: Tc, f: TfilterInfo): void {
  const { out } = tc;
  if (f.handle === 0) return;
  out.any('handle', f.handle, `handle 0x${f.handle.toString(16)} `);
  if (f.options['classid'] !== undefined)
    out.any('classid', handleText(num(f.options, 'classid')), `classid ${handleText(num(f.options, 'classid'))} `);
  for (const field of flowerFields) {
    const v = f.options[field];
    if (v === undefined) continue;
    const ip = f.options[`${field}_text`];
    let text = String(v);
    if (typeof ip === 'string') text = ip;
    else if (field.endsWith('_mac'))
      text = list(f.options, field)
        .map((b) => b.toString(16).padStart(2, '0'))
        .join(':');
    else if (field === 'ip_proto') text = Object.entries(IP_PROTOCOLS).find(([, n]) => n === v)?.[0] ?? text;
    out.any(field, text, `\n  ${field} ${text}`);
  }
  out.any('not_in_hw', true, '\n  not_in_hw');
}
function printMatchall(tc: Tc, f: TfilterInfo): void {
  const { out } = tc;
  if (f.handle === 0) return;
  out.any('handle', f.handle, `handle 0x${f.handle.toString(16)} `);
  if (f.options['classid'] !== undefined)
    out.any('classid', handleText(num(f.options, 'classid')), `flowid ${handleText(num(f.options, 'classid'))} `);
  out.any('not_in_hw', true, '\n  not_in_hw ');
  if (tc.opt.stats) out.fp(`(rule hit ${num(f.options, 'success')})`);
}

function show(tc: Tc, args: Args): number {
  const w = parseWhere(args);
  if (args.more) fail(255, `What is "${args.word}"? Try "tc filter help"`);
  if (w.name === undefined) return fail(1, 'Must specify a device.');
  const dev = tc.device(w.name);
  const { out } = tc;
  out.begin();
  for (const f of tc.api.sched.cls.tc_dump_tfilter(dev, w.parent === 0xffffffff ? 0 : w.parent)) {
    if (w.prio !== 0 && f.prio !== w.prio) continue;
    out.openObject();
    out.fp('filter ');
    if (w.parent === 0) out.any('parent', handleText(f.parent), `parent ${handleText(f.parent)} `);
    out.any('protocol', protocolText(f.protocol), `protocol ${protocolText(f.protocol)} `);
    out.any('pref', f.prio, `pref ${f.prio} `);
    out.any('kind', f.kind, `${f.kind} `);
    out.any('chain', f.chain, `chain ${f.chain} `);
    out.openObject('options');
    if (f.kind === 'u32') printU32(tc, f);
    else if (f.kind === 'flower') printFlower(tc, f);
    else printMatchall(tc, f);
    if (f.actions.length > 0) {
      out.openArray('actions');
      for (const a of f.actions) printAction(tc, a);
      out.closeArray();
    }
    out.closeObject();
    out.nl();
    out.closeObject();
  }
  out.end();
  tc.flush();
  return 0;
}

export function doFilter(tc: Tc, args: Args): number {
  if (!args.more) return show(tc, args);
  const word = args.take();
  if (matches(word, 'add')) return modify(tc, false, args);
  if (matches(word, 'delete')) return modify(tc, true, args);
  if (['change', 'replace', 'get'].some((c) => matches(word, c))) unmodelled(`filter ${word}`);
  if (matches(word, 'show') || matches(word, 'list') || word === 'lst') return show(tc, args);
  if (matches(word, 'help')) throw new ToolExit(0, USAGE);
  return fail(255, `Command "${word}" is unknown, try "tc filter help".`);
}
