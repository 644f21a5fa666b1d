// `ip rule`: policy routing rules.
import { AF, FIB_RULE, FR_ACT, NLM_F, RT_TABLE, RTPROT, type RuleInfo } from '../../kernel/rtnl_records.ts';
import { type Args, formatAddress, getPrefix, invarg, matches, maxBits, unsigned } from '../iproute/args.ts';
import { protocolName, tableName, tableNumber } from '../iproute/names.ts';
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

/** One rule with its line's end. */
export function printRule(ip: IpContext, r: RuleInfo, deleted = false): void {
  const { out, opt } = ip;
  const words: string[] = [];
  const say = (key: string, value: string | number | null, text: string): void => {
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
  if (r.tos !== 0) say('tos', `0x${r.tos.toString(16)}`, `tos 0x${r.tos.toString(16).padStart(2, '0')}`);
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
  if (r.ip_proto !== undefined) say('ipproto', String(r.ip_proto), `ipproto ${r.ip_proto}`);
  if (r.table !== 0) {
    say('table', tableName(r.table, opt.numeric), `lookup ${tableName(r.table, opt.numeric)}`);
    if (r.suppress_prefixlen !== undefined && r.suppress_prefixlen >= 0) say('suppress_prefixlen', r.suppress_prefixlen, `suppress_prefixlength ${r.suppress_prefixlen}`);
  }
  if (r.action === FR_ACT.GOTO) say('goto', r.target ?? 'none', `goto ${r.target ?? 'none'}`);
  else if (r.action !== FR_ACT.TO_TBL) say('action', ACTIONS.get(r.action) ?? String(r.action), ACTIONS.get(r.action) ?? String(r.action));
  const protocol = protocolName(r.protocol, opt.numeric);
  if ((r.protocol !== 0 && r.protocol !== RTPROT.KERNEL) || opt.details) say('protocol', protocol, `proto ${protocol}`);
  out.fp(`${words.join(' ')}\n`);
  out.closeObject();
}

function show(ip: IpContext, args: Args): number {
  if (args.more) {
    if (matches(args.word, 'help')) ruleUsage();
    ip.notModelled('a selector for ip rule show');
  }
  const rules = ip.opt.family === AF.INET6 ? ip.kernel.ipv6.rtnlRoute.fib_nl_dumprule(ip.net) : ip.kernel.ipv4.rtnlRoute.fib_nl_dumprule(ip.net);
  ip.out.begin();
  for (const r of rules) printRule(ip, r);
  ip.out.end();
  return 0;
}

const ACTION_WORDS: Readonly<Record<string, number>> = Object.freeze({
  blackhole: FR_ACT.BLACKHOLE,
  unreachable: FR_ACT.UNREACHABLE,
  prohibit: FR_ACT.PROHIBIT,
  nop: FR_ACT.NOP,
});

function modify(ip: IpContext, args: Args, adding: boolean): number {
  const r: RuleInfo = { family: ip.opt.family, src_len: 0, dst_len: 0, tos: 0, table: 0, action: adding ? FR_ACT.TO_TBL : FR_ACT.UNSPEC, flags: 0, protocol: 0 };
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
    } else if (matches(word, 'preference') || matches(word, 'order') || matches(word, 'priority')) r.priority = unsigned(args.next(), 'preference value is invalid\n');
    else if (word === 'tos' || matches(word, 'dsfield')) r.tos = unsigned(args.next(), 'TOS value is invalid\n', 255);
    else if (word === 'fwmark') {
      const [mark, mask] = args.next().split('/');
      r.fwmark = unsigned(mark, 'fwmark value is invalid\n');
      if (mask !== undefined) r.fwmask = unsigned(mask, 'fwmask value is invalid\n');
    } else if (matches(word, 'table') || word === 'lookup') {
      const t = args.next();
      r.table = tableNumber(t) ?? invarg('invalid table ID\n', t);
      table = true;
    } else if (word === 'suppress_prefixlength' || word === 'sup_pl') r.suppress_prefixlen = unsigned(args.next(), 'suppress_prefixlength value is invalid\n', 128);
    else if (word === 'dev' || word === 'iif') r.iifname = args.next();
    else if (word === 'oif') r.oifname = args.next();
    else if (word === 'goto') {
      r.target = unsigned(args.next(), 'invalid target\n');
      r.action = FR_ACT.GOTO;
    } else if (word in ACTION_WORDS) r.action = ACTION_WORDS[word];
    else if (word === 'help') ruleUsage();
    else if (['realms', 'l3mdev', 'uidrange', 'ipproto', 'sport', 'dport', 'protocol', 'nat', 'suppress_ifgroup', 'type'].includes(word)) ip.notModelled(`ip rule ${word}`);
    else throw new ToolExit(255, `Error: argument "${word}" is wrong: Failed to parse rule type\n`);
  }
  r.family ||= AF.INET;
  if (adding && !table && r.action === FR_ACT.TO_TBL) r.table = RT_TABLE.MAIN;
  if (r.family === AF.INET6) ip.notModelled('changing IPv6 rules');
  const { rtnlRoute } = ip.kernel.ipv4;
  return ip.request(() => (adding ? rtnlRoute.fib_nl_newrule(ip.net, r, NLM_F.CREATE | NLM_F.EXCL) : rtnlRoute.fib_nl_delrule(ip.net, r)));
}

export function ipRule(ip: IpContext, args: Args): number {
  if (!args.more) return show(ip, args);
  const word = args.take();
  if (matches(word, 'list') || matches(word, 'show') || word === 'lst') return show(ip, args);
  if (matches(word, 'add')) return modify(ip, args, true);
  if (matches(word, 'delete')) return modify(ip, args, false);
  if (['flush', 'save', 'restore'].some((k) => matches(word, k))) ip.notModelled(`ip rule ${word}`);
  if (matches(word, 'help')) ruleUsage();
  throw new ToolExit(255, `Command "${word}" is unknown, try "ip rule help".\n`);
}
