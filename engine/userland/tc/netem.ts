// netem's options, as words and as text.
import type { TcAttrs } from '../../kernel/sched/qdisc.ts';
import type { Args } from '../iproute/args.ts';
import { fail, parseUnsigned } from '../iproute/args.ts';
import type { Out } from '../iproute/output.ts';
import { type KindContext, list, num, type TcKind, unmodelled, whatIs } from './kind.ts';
import { general, legal, nsText, parseNs, parsePercent, parseRate, percentText, rateText } from './units.ts';

const USAGE =
  'Usage: ... netem [ limit PACKETS ] [ delay TIME [ JITTER [ CORRELATION ]]] [ distribution SHAPE ] [ loss PERCENT [ CORRELATION ]]\n' +
  '  [ loss state P13 ... | loss gemodel P ... ] [ corrupt PERCENT ] [ duplicate PERCENT ] [ reorder PERCENT [ gap N ]] [ rate RATE ]';

/** The next word is a number: an optional argument. */
const nextIsNumber = (args: Args): boolean => /^[+-]?(\d|\.\d)/.test(args.following ?? '');
const percent = (args: Args, what: string): number => legal(parsePercent(args.next()), what);
const correlation = (args: Args, o: Record<string, unknown>, key: string, what: string): void => {
  if (nextIsNumber(args)) o[key] = percent(args, what);
};

function parseLoss(args: Args, o: Record<string, number | string | readonly number[]>): void {
  const word = args.following ?? '';
  if (word === 'state' || word === 'gemodel') {
    args.skip();
    const what = word === 'state' ? 'loss state' : 'loss gemodel';
    const given = [percent(args, `${what} p`)];
    while (given.length < (word === 'state' ? 5 : 4) && nextIsNumber(args)) given.push(percent(args, `${what} p`));
    const [p, a, b, c, d] = given;
    o['loss_model'] = word;
    // p13 p31 p32 p23 p14 as typed; kept as p13 p31 p32 p14 p23
    o['loss_args'] =
      word === 'state'
        ? [p, a ?? 0xffffffff - p, b ?? 0, d ?? 0, c ?? (b === undefined ? 0xffffffff : 0)]
        : [p, a ?? 0xffffffff - p, b === undefined ? 0 : 0xffffffff - b, c ?? 0];
    return;
  }
  if (word === 'random') args.skip();
  o['loss'] = percent(args, 'loss percent');
  correlation(args, o, 'loss_corr', 'loss correllation');
}

function parse({ args }: KindContext): TcAttrs {
  const o: Record<string, number | string | readonly number[]> = { limit: 1000, latency: 0, jitter: 0, loss: 0, gap: 0, duplicate: 0 };
  for (; args.more; args.skip()) {
    const word = args.word;
    const is = (...names: string[]): boolean => names.some((n) => n.startsWith(word));
    if (is('limit')) o['limit'] = legal(parseUnsigned(args.next().replace(/^0+(?=\d)/, '')), 'limit');
    else if (is('latency', 'delay')) {
      o['latency'] = legal(parseNs(args.next()), 'latency');
      if (nextIsNumber(args)) {
        o['jitter'] = legal(parseNs(args.next()), 'latency');
        correlation(args, o, 'delay_corr', 'latency');
      }
    } else if (is('loss', 'drop')) parseLoss(args, o);
    else if (is('ecn')) o['ecn'] = 1;
    else if (is('reorder')) {
      o['reorder'] = percent(args, 'reorder');
      correlation(args, o, 'reorder_corr', 'reorder');
    } else if (is('corrupt')) {
      o['corrupt'] = percent(args, 'corrupt');
      correlation(args, o, 'corrupt_corr', 'corrupt');
    } else if (is('gap')) o['gap'] = legal(parseUnsigned(args.next()), 'gap');
    else if (is('duplicate')) {
      o['duplicate'] = percent(args, 'duplicate');
      correlation(args, o, 'dup_corr', 'duplicate');
    } else if (is('distribution')) o['distribution'] = args.next();
    else if (is('rate')) {
      o['rate'] = legal(parseRate(args.next()), 'rate');
      for (const key of ['packet_overhead', 'cell_size', 'cell_overhead'])
        if (nextIsNumber(args)) o[key] = legal(parseUnsigned(args.next()), 'rate');
    } else if (is('slot')) unmodelled('netem slot');
    else whatIs(word, USAGE);
  }
  if (num(o, 'reorder') > 0) {
    if (num(o, 'latency') === 0) fail(1, `reordering not possible without specifying some delay\n${USAGE}`);
    if (num(o, 'gap') === 0) o['gap'] = 1;
  } else if (num(o, 'gap') > 0) fail(1, `gap specified without reorder probability\n${USAGE}`);
  if (o['distribution'] !== undefined) {
    if (!['uniform', 'normal', 'pareto', 'paretonormal'].includes(String(o['distribution'])))
      fail(
        1,
        `No distribution data for ${String(o['distribution'])} (/usr/lib/tc//${String(o['distribution'])}.dist: No such file or directory)`,
      );
    if (num(o, 'latency') === 0 || num(o, 'jitter') === 0) fail(1, `distribution specified but no latency and jitter values\n${USAGE}`);
  }
  if (num(o, 'loss_corr') > 0 && num(o, 'loss') === 0) fail(1, USAGE);
  return o;
}

const share = (o: TcAttrs, key: string): number => num(o, key) / 0xffffffff;

/** ` name 5% 10%`; an object in JSON. */
function chance(out: Out, o: TcAttrs, text: string, json: string, key: string, correlationKey: string): void {
  const corr = num(o, correlationKey);
  out.openObject(json);
  out.any(key, share(o, key), ` ${text} ${percentText(num(o, key))}`);
  if (corr > 0 || out.json !== undefined) out.any('correlation', share(o, correlationKey), ` ${percentText(corr)}`);
  out.closeObject();
}

function print(out: Out, o: TcAttrs): void {
  out.any('limit', num(o, 'limit'), `limit ${num(o, 'limit')}`);
  const jitter = num(o, 'jitter');
  if (num(o, 'latency') > 0) {
    out.openObject('delay');
    out.any('delay', num(o, 'latency') / 1e9, ` delay ${nsText(num(o, 'latency'))}`);
    if (jitter > 0 || out.json !== undefined) out.any('jitter', jitter / 1e9, `  ${nsText(jitter)}`);
    if (jitter > 0 && num(o, 'delay_corr') > 0) out.any('correlation', share(o, 'delay_corr'), ` ${percentText(num(o, 'delay_corr'))}`);
    else if (out.json !== undefined) out.any('correlation', share(o, 'delay_corr'), '');
    out.closeObject();
  }
  if (num(o, 'loss') > 0) chance(out, o, 'loss', 'loss-random', 'loss', 'loss_corr');
  const args = list(o, 'loss_args').map((v) => v / 0xffffffff);
  const model = o['loss_model'];
  if (model === 'state') {
    const [p13, p31, p32, p14, p23] = args.map((v) => `${general(100 * v)}%`);
    out.fp(` loss state p13 ${p13} p31 ${p31} p32 ${p32} p23 ${p23} p14 ${p14}`);
    out.openObject('loss-state');
    ['p13', 'p31', 'p32', 'p14', 'p23'].forEach((k, i) => out.js(k, args[i]));
    out.closeObject();
  } else if (model === 'gemodel') {
    out.fp(
      ` loss gemodel p ${general(100 * args[0])}% r ${general(100 * args[1])}% 1-h ${general(100 * (1 - args[2]))}% 1-k ${general(100 * args[3])}%`,
    );
    out.openObject('loss-gemodel');
    ['p', 'r', '1-h', '1-k'].forEach((k, i) => out.js(k, i === 2 ? 1 - args[i] : args[i]));
    out.closeObject();
  }
  if (num(o, 'duplicate') > 0) chance(out, o, 'duplicate', 'duplicate', 'duplicate', 'dup_corr');
  if (num(o, 'reorder') > 0) chance(out, o, 'reorder', 'reorder', 'reorder', 'reorder_corr');
  if (num(o, 'corrupt') > 0) chance(out, o, 'corrupt', 'corrupt', 'corrupt', 'corrupt_corr');
  if (num(o, 'rate') > 0) {
    out.openObject('rate');
    out.any('rate', num(o, 'rate'), ` rate ${rateText(num(o, 'rate'))}`);
    const cell: readonly (readonly [string, string])[] = [
      ['packet_overhead', 'packetoverhead'],
      ['cell_size', 'cellsize'],
      ['cell_overhead', 'celloverhead'],
    ];
    for (const [key, text] of cell) if (num(o, key) > 0 || out.json !== undefined) out.any(text, num(o, key), ` ${text} ${num(o, key)}`);
    out.closeObject();
  }
  out.any('ecn', num(o, 'ecn') > 0, num(o, 'ecn') > 0 ? ' ecn ' : '');
  if (num(o, 'gap') > 0) out.any('gap', num(o, 'gap'), ` gap ${num(o, 'gap')}`);
}

export const NETEM: TcKind = Object.freeze({ parse, print });
