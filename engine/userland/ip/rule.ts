// `ip rule`: policy routing rules.
import type { Fib6Rules } from '../../kernel/ipv6/fib6_rules.ts';
import { AF, FIB_RULE, FR_ACT, NLM_F, RT_TABLE, RTPROT, type NumberRange, type RuleInfo } from '../../kernel/rtnl_records.ts';
import { type Args, formatAddress, getPrefix, type InetPrefix, invarg, matches, maxBits, samePrefix, unsigned } from '../iproute/args.ts';
import {
  dsfieldName,
  dsfieldNumber,
  ipProtocolName,
  ipProtocolNumber,
  protocolName,
  protocolNumber,
  tableName,
  tableNumber,
} from '../iproute/names.ts';
import type { Out } from '../iproute/output.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';
import { ruleUsage } from './usage.ts';

const ACTIONS = new Map<number, string>([
  [FR_ACT.GOTO, 'goto'],
  [FR_ACT.NOP, 'nop'],
  [FR_ACT.BLACKHOLE, 'blackhole'],
  [FR_ACT.UNREACHABLE, 'unreachable'],
  [FR_ACT.PROHIBIT, 'prohibit'],
]);

type Say = (key: string, value: string | number | null, text: string) => void;

function sayRange(out: Out, words: string[], key: string, word: string, range: NumberRange): void {
  out.js(`${key}_start`, range.start);
  out.js(`${key}_end`, range.end);
  words.push(`${word} ${range.start}-${range.end}`);
}

function printTarget(say: Say, r: RuleInfo): void {
  say('goto', r.target ?? 'none', `goto ${r.target ?? 'none'}`);
  if ((r.flags & FIB_RULE.UNRESOLVED) !== 0) say('unresolved', null, '[unresolved]');
}

/** One rule with its line's end. */
export function printRule(ip: IpContext, r: RuleInfo, deleted = false): void {
  const { out, opt } = ip;
  const words: string[] = [];
  const say: Say = (key, value, text) => {
    out.js(key, value);
    words.push(text);
  };
  out.openObject();
  if (deleted) out.any('deleted', true, 'Deleted ');
  out.any('priority', r.priority ?? 0, `${r.priority ?? 0}:\t`);
  if ((r.flags & FIB_RULE.INVERT) !== 0) say('not', null, 'not');
  const end = (key: string, word: string, bytes: Uint8Array | undefined, len: number): void => {
    if (bytes === undefined) return;
    const text = formatAddress(bytes);
    const full = len === maxBits(r.family);
    say(key, text, `${word} ${text}${full ? '' : `/${len}`}`);
    if (!full) out.js(`${key}len`, len);
  };
  if (r.src === undefined) say('src', 'all', 'from all');
  else end('src', 'from', r.src, r.src_len);
  end('dst', 'to', r.dst, r.dst_len);
  if (r.tos !== 0) say('tos', dsfieldName(r.tos, opt.numeric), `tos ${dsfieldName(r.tos, opt.numeric)}`);
  if (r.fwmark !== undefined && (r.fwmark !== 0 || (r.fwmask ?? 0) !== 0)) {
    const mask = r.fwmask ?? 0xffffffff;
    const mark = `0x${r.fwmark.toString(16)}`;
    say('fwmark', mark, mask === 0xffffffff ? `fwmark ${mark}` : `fwmark ${mark}/0x${mask.toString(16)}`);
    if (mask !== 0xffffffff) out.js('fwmask', `0x${mask.toString(16)}`);
  }
  if (r.iifname !== undefined) say('iif', r.iifname, `iif ${r.iifname}`);
  if (r.iifname !== undefined && (r.flags & FIB_RULE.IIF_DETACHED) !== 0) say('iif_detached', null, '[detached]');
  if (r.oifname !== undefined) say('oif', r.oifname, `oif ${r.oifname}`);
  if (r.oifname !== undefined && (r.flags & FIB_RULE.OIF_DETACHED) !== 0) say('oif_detached', null, '[detached]');
  if (r.uid_range !== undefined) sayRange(out, words, 'uid', 'uidrange', r.uid_range);
  if (r.ip_proto !== undefined) {
    const name = (opt.numeric ? undefined : ipProtocolName(r.ip_proto)) ?? String(r.ip_proto);
    say('ipproto', name, `ipproto ${name}`);
  }
  for (const end of ['sport', 'dport'] as const) {
    const range = r[end];
    if (range === undefined) continue;
    if (range.start === range.end) say(end, range.start, `${end} ${range.start}`);
    else sayRange(out, words, end, end, range);
  }
  if (r.table !== 0) {
    say('table', tableName(r.table, opt.numeric), `lookup ${tableName(r.table, opt.numeric)}`);
    if (r.suppress_prefixlen !== undefined && r.suppress_prefixlen >= 0)
      say('suppress_prefixlen', r.suppress_prefixlen, `suppress_prefixlength ${r.suppress_prefixlen}`);
  }
  if (r.action === FR_ACT.GOTO) printTarget(say, r);
  else if (r.action !== FR_ACT.TO_TBL) say('action', ACTIONS.get(r.action) ?? String(r.action), ACTIONS.get(r.action) ?? String(r.action));
  const protocol = protocolName(r.protocol, opt.numeric);
  if ((r.protocol !== 0 && r.protocol !== RTPROT.KERNEL) || opt.details) say('protocol', protocol, `proto ${protocol}`);
  out.fp(`${words.join(' ')}\n`);
  out.closeObject();
}

/** What `show` and `flush` select by. */
interface RuleFilter {
  src?: InetPrefix;
  dst?: InetPrefix;
  from?: number;
  to?: number;
  inverted?: boolean;
  tos?: number;
  fwmark?: number;
  fwmask?: number;
  table?: number;
  iif?: string;
  oif?: string;
  protocol?: number;
  ipProto?: number;
  uids?: NumberRange;
  sport?: NumberRange;
  dport?: NumberRange;
}

const ipProto = (word: string): number => ipProtocolNumber(word) ?? invarg('Invalid "ipproto" value\n', word);

/** `N-M`; a single port is a range of one. */
function range(word: string, message: string, single: boolean): NumberRange {
  const found = /^(\d+)(?:-(\d+))?$/.exec(word);
  if (found === null || (!single && (found[2] as string | undefined) === undefined)) return invarg(message, word);
  return { start: Number(found[1]), end: Number(found[2] ?? found[1]) };
}
const uidRange = (word: string): NumberRange => range(word, 'invalid UID range\n', false);
const portRange = (word: string): NumberRange => range(word, 'invalid port range\n', true);

function parseFilter(ip: IpContext, args: Args): RuleFilter {
  const f: RuleFilter = {};
  const af = ip.opt.family || AF.INET;
  for (; args.more; args.skip()) {
    const word = args.word;
    if (matches(word, 'preference') || matches(word, 'order') || matches(word, 'priority')) {
      const [first, last] = args.next().split('-');
      f.from = unsigned(first, 'preference value is invalid\n');
      f.to = last === undefined ? f.from : unsigned(last, 'preference value is invalid\n');
    } else if (word === 'not') f.inverted = true;
    else if (word === 'tos' || matches(word, 'dsfield')) f.tos = dsfieldNumber(args.next()) ?? invarg('TOS value is invalid\n', args.word);
    else if (word === 'fwmark') {
      const [mark, mask] = args.next().split('/');
      f.fwmark = unsigned(mark, 'fwmark value is invalid\n');
      if (mask !== undefined) f.fwmask = unsigned(mask, 'mask value is invalid\n');
    } else if (word === 'dev' || word === 'iif') f.iif = args.next();
    else if (word === 'oif') f.oif = args.next();
    else if (matches(word, 'lookup') || matches(word, 'table'))
      f.table = tableNumber(args.next()) ?? invarg('invalid table id\n', args.word);
    else if (matches(word, 'from') || matches(word, 'src')) f.src = getPrefix(args.next(), af);
    else if (matches(word, 'protocol')) f.protocol = protocolNumber(args.next()) ?? invarg('invalid "protocol"\n', args.word);
    else if (word === 'uidrange') f.uids = uidRange(args.next());
    else if (word === 'ipproto') f.ipProto = ipProto(args.next());
    else if (word === 'sport') f.sport = portRange(args.next());
    else if (word === 'dport') f.dport = portRange(args.next());
    else if (word === 'l3mdev') ip.notModelled('ip rule show l3mdev');
    else {
      if (matches(word, 'dst') || word === 'to') args.next();
      else if (matches(word, 'help')) ruleUsage();
      f.dst = getPrefix(args.word, af);
    }
  }
  return f;
}

function prefixMatches(wanted: InetPrefix | undefined, address: Uint8Array | undefined, length: number): boolean {
  if (wanted === undefined || wanted.bytes.length === 0) return true;
  if (address === undefined || (wanted.lengthGiven && length !== wanted.bitlen)) return false;
  return samePrefix(address, wanted.bytes, wanted.bitlen);
}

const same = <T>(wanted: T | undefined, value: T | undefined): boolean => wanted === undefined || wanted === value;

const sameNumbers = (wanted: NumberRange | undefined, value: NumberRange | undefined): boolean =>
  wanted === undefined || (wanted.start === value?.start && wanted.end === value.end);

function selected(f: RuleFilter, r: RuleInfo): boolean {
  const priority = r.priority ?? 0;
  if (f.from !== undefined && (priority < f.from || priority > (f.to ?? f.from))) return false;
  if (f.inverted === true && (r.flags & FIB_RULE.INVERT) === 0) return false;
  if (!prefixMatches(f.src, r.src, r.src_len) || !prefixMatches(f.dst, r.dst, r.dst_len)) return false;
  if (!same(f.tos, r.tos) || !same(f.fwmark, r.fwmark) || !same(f.fwmask, r.fwmask)) return false;
  if (!same(f.ipProto, r.ip_proto) || !sameNumbers(f.uids, r.uid_range)) return false;
  if (!sameNumbers(f.sport, r.sport) || !sameNumbers(f.dport, r.dport)) return false;
  return same(f.iif, r.iifname) && same(f.oif, r.oifname) && same(f.table, r.table) && same(f.protocol, r.protocol);
}

/** The rules of one family. */
const family = (ip: IpContext, af: number): Pick<Fib6Rules, 'fib_nl_newrule' | 'fib_nl_delrule' | 'fib_nl_dumprule'> =>
  af === AF.INET6 ? ip.kernel.ipv6.rules : ip.kernel.ipv4.rtnlRoute;

const dump = (ip: IpContext): RuleInfo[] => family(ip, ip.opt.family).fib_nl_dumprule(ip.net);

function show(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  ip.out.begin();
  for (const r of dump(ip)) if (selected(f, r)) printRule(ip, r);
  ip.out.end();
  return 0;
}

/** All rules but those of priority 0. */
function flush(ip: IpContext, args: Args): number {
  const f = parseFilter(ip, args);
  for (const r of dump(ip)) {
    if ((r.priority ?? 0) === 0 || !selected(f, r)) continue;
    const status = ip.request(() => family(ip, r.family).fib_nl_delrule(ip.net, r));
    if (status !== 0) return status;
  }
  return 0;
}

const ACTION_WORDS: Readonly<Record<string, number>> = Object.freeze({
  blackhole: FR_ACT.BLACKHOLE,
  unreachable: FR_ACT.UNREACHABLE,
  prohibit: FR_ACT.PROHIBIT,
  nop: FR_ACT.NOP,
});

function modify(ip: IpContext, args: Args, adding: boolean): number {
  const r: RuleInfo = {
    family: ip.opt.family,
    src_len: 0,
    dst_len: 0,
    tos: 0,
    table: 0,
    action: adding ? FR_ACT.TO_TBL : FR_ACT.UNSPEC,
    flags: 0,
    protocol: 0,
  };
  let table = false;
  if (!args.more) {
    if (adding) throw new ToolExit(255, '"ip rule add" requires arguments.\n');
    throw new ToolExit(255, '"ip rule del" requires arguments.\n');
  }
  for (; args.more; args.skip()) {
    const word = args.word;
    if (word === 'not') r.flags |= FIB_RULE.INVERT;
    else if (word === 'from' || word === 'to') {
      const p = getPrefix(args.next(), r.family);
      r.family ||= p.family;
      if (word === 'from') r.src_len = p.bitlen;
      else r.dst_len = p.bitlen;
      if (p.bytes.length > 0) r[word === 'from' ? 'src' : 'dst'] = p.bytes;
    } else if (matches(word, 'preference') || matches(word, 'order') || matches(word, 'priority'))
      r.priority = unsigned(args.next(), 'preference value is invalid\n');
    else if (word === 'tos' || matches(word, 'dsfield')) r.tos = dsfieldNumber(args.next()) ?? invarg('TOS value is invalid\n', args.word);
    else if (word === 'fwmark') {
      const [mark, mask] = args.next().split('/');
      r.fwmark = unsigned(mark, 'fwmark value is invalid\n');
      if (mask !== undefined) r.fwmask = unsigned(mask, 'fwmask value is invalid\n');
    } else if (matches(word, 'table') || word === 'lookup') {
      const t = args.next();
      r.table = tableNumber(t) ?? invarg('invalid table ID\n', t);
      table = true;
    } else if (word === 'suppress_prefixlength' || word === 'sup_pl')
      r.suppress_prefixlen = unsigned(args.next(), 'suppress_prefixlength value is invalid\n', 128);
    else if (word === 'dev' || word === 'iif') r.iifname = args.next();
    else if (word === 'oif') r.oifname = args.next();
    else if (word === 'goto') {
      r.target = unsigned(args.next(), 'invalid target\n');
      r.action = FR_ACT.GOTO;
    } else if (word in ACTION_WORDS) r.action = ACTION_WORDS[word];
    else if (word === 'help') ruleUsage();
    else if (word === 'uidrange') r.uid_range = uidRange(args.next());
    else if (word === 'ipproto') r.ip_proto = ipProto(args.next());
    else if (word === 'sport') r.sport = portRange(args.next());
    else if (word === 'dport') r.dport = portRange(args.next());
    else if (matches(word, 'protocol')) r.protocol = protocolNumber(args.next()) ?? invarg('"protocol" value is invalid\n', args.word);
    else if (['realms', 'l3mdev', 'nat', 'suppress_ifgroup', 'type'].includes(word)) ip.notModelled(`ip rule ${word}`);
    else throw new ToolExit(255, `Error: argument "${word}" is wrong: Failed to parse rule type\n`);
  }
  r.family ||= AF.INET;
  if (adding && !table && r.action === FR_ACT.TO_TBL) r.table = RT_TABLE.MAIN;
  const rules = family(ip, r.family);
  return ip.request(() => (adding ? rules.fib_nl_newrule(ip.net, r, NLM_F.CREATE | NLM_F.EXCL) : rules.fib_nl_delrule(ip.net, r)));
}

export function ipRule(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'list') || matches(word, 'show') || word === 'lst') return show(ip, args);
  if (matches(word, 'add')) return modify(ip, args, true);
  if (matches(word, 'delete')) return modify(ip, args, false);
  if (matches(word, 'flush')) return flush(ip, args);
  if (['save', 'restore'].some((k) => matches(word, k))) ip.notModelled(`ip rule ${word}`);
  if (matches(word, 'help')) ruleUsage();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip rule help".\n`);
}
