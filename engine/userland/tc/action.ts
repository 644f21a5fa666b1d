// Actions of filters, as words and as text.
import type { ActionRequest } from '../../kernel/sched/act.ts';
import { TC_ACT, type TcActionInfo } from '../../kernel/sched/tcf.ts';
import { fail } from '../iproute/args.ts';
import type { Args } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { num, unmodelled } from './kind.ts';
import { deviceName } from './qdisc.ts';
import { printStats } from './stats.ts';
import type { Tc } from './tc_context.ts';
import { legal, parseRate, parseSize, rateText, sizeText } from './units.ts';

/** Verdicts by their words; `pass` is also `ok`. */
const VERDICTS: readonly (readonly [string, number])[] = [
  ['pass', TC_ACT.OK],
  ['ok', TC_ACT.OK],
  ['drop', TC_ACT.SHOT],
  ['shot', TC_ACT.SHOT],
  ['reclassify', TC_ACT.RECLASSIFY],
  ['pipe', TC_ACT.PIPE],
  ['continue', TC_ACT.UNSPEC],
  ['stolen', TC_ACT.STOLEN],
  ['trap', TC_ACT.TRAP],
];
const verdictOf = (word: string): number | undefined => VERDICTS.find(([name]) => name === word)?.[1];
const verdictText = (verdict: number): string => VERDICTS.find(([, v]) => v === verdict)?.[0] ?? String(verdict);

function parseMirred(tc: Tc, args: Args): ActionRequest {
  let direction = '';
  let redirect = false;
  let name = '';
  for (; args.more && args.word !== 'action'; args.skip()) {
    const word = args.word;
    if (word === 'egress' || word === 'ingress') direction = word;
    else if (word === 'redirect' || word === 'mirror') redirect = word === 'redirect';
    else if (word === 'dev') name = args.next();
    else break;
  }
  const dev = tc.tool.net.__dev_get_by_name(name);
  if (dev === undefined)
    throw new ToolExit(1, `Cannot find device "${name}"\nbad action parsing\nparse_action: bad value (5:mirred)!\nIllegal "action"\n`);
  return { kind: 'mirred', options: { direction, redirect, ifindex: dev.ifindex } };
}

function parsePolice(args: Args): ActionRequest {
  const o: Record<string, number> = { exceed: TC_ACT.RECLASSIFY, conform: TC_ACT.OK };
  for (; args.more && args.word !== 'action' && args.word !== 'flowid'; args.skip()) {
    const word = args.word;
    const verdict = verdictOf(word);
    if (word === 'rate') o['rate'] = legal(parseRate(args.next()), 'rate');
    else if (word === 'burst' || word === 'buffer') o['burst'] = legal(parseSize(args.next().split('/')[0]), 'burst');
    else if (word === 'mtu') o['mtu'] = legal(parseSize(args.next().split('/')[0]), 'mtu');
    else if (word === 'conform-exceed') {
      const [exceed, conform] = args.next().split('/');
      o['exceed'] = legal(verdictOf(exceed), 'conform-exceed');
      if (conform !== undefined) o['conform'] = legal(verdictOf(conform), 'conform-exceed');
    } else if (verdict !== undefined) o['exceed'] = verdict;
    else break;
  }
  if (num(o, 'rate') > 0 && num(o, 'burst') === 0) fail(1, "'burst' requires 'rate'.");
  return { kind: 'police', options: o };
}

/** After the word `action` or `police`; leaves `args` behind it. */
export function parseActions(tc: Tc, args: Args): ActionRequest[] {
  const out: ActionRequest[] = [];
  while (args.more && ['action', 'police'].includes(args.word)) {
    if (args.word !== 'police') args.skip();
    const word: string = args.word;
    if (word === 'mirred' || word === 'police') {
      args.skip();
      out.push(word === 'mirred' ? parseMirred(tc, args) : parsePolice(args));
      continue;
    }
    if (word === 'gact') args.skip();
    const action = verdictOf(args.word);
    if (action === undefined) unmodelled(`action ${args.word}`);
    args.skip();
    out.push({ kind: 'gact', options: { action } });
  }
  return out;
}

export function printAction(tc: Tc, a: TcActionInfo): void {
  const { out, opt } = tc;
  const o = a.options;
  const stats = opt.stats;
  out.openObject();
  out.any('order', a.order, `\n\taction order ${a.order}: `);
  out.js('kind', a.kind);
  const age = (): void => {
    if (!stats) return;
    out.any('installed', num(o, 'installed'), ` installed ${num(o, 'installed')} sec`);
    out.any('last_used', num(o, 'used'), ` used ${num(o, 'used')} sec`);
    if (o['firstused'] !== undefined) out.any('first_used', num(o, 'firstused'), ` firstused ${num(o, 'firstused')} sec`);
  };
  if (a.kind === 'gact') {
    out.fp(`gact action ${verdictText(num(o, 'action'))}\n\t random type none pass val 0`);
    out.openObject('control_action');
    out.js('type', verdictText(num(o, 'action')));
    out.closeObject();
    out.fp(`\n\t index ${num(o, 'index')} ref 1 bind 1`);
  } else if (a.kind === 'mirred') {
    const [redirect, direction] = [o['redirect'] === true, String(o['direction'])];
    const what = redirect ? 'Redirect' : 'Mirror';
    const name = deviceName(tc.tool.net.devices, num(o, 'ifindex'));
    out.fp(`mirred (${direction === 'egress' ? 'Egress' : 'Ingress'} ${what} to device ${name}) ${redirect ? 'stolen' : 'pipe'}`);
    out.js('mirred_action', what.toLowerCase());
    out.js('direction', direction);
    out.js('to_dev', name);
    out.fp(`\n \tindex ${num(o, 'index')} ref 1 bind 1`);
  } else {
    out.fp(` police 0x${num(o, 'index').toString(16)} rate ${rateText(num(o, 'rate'))} burst ${sizeText(num(o, 'burst'))}`);
    out.fp(` mtu ${sizeText(o['mtu'] === undefined ? 2047 : num(o, 'mtu'))} action ${verdictText(num(o, 'exceed'))}`);
    if (num(o, 'conform') !== TC_ACT.OK) out.fp(`/${verdictText(num(o, 'conform'))}`);
    out.fp(' overhead 0b \n\tref 1 bind 1 ');
  }
  out.js('index', num(o, 'index'));
  out.js('ref', 1);
  out.js('bind', 1);
  age();
  if (stats) {
    out.fp('\n\tAction statistics:\n');
    out.openObject('stats');
    printStats(out, { ...a.stats, requeues: 0, qlen: 0, backlog: 0 }, '\t');
    out.closeObject();
  }
  out.fp('\n');
  out.closeObject();
}
