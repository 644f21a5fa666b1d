// The disciplines tc can set up and print.
import type { TcAttrs } from '../../kernel/sched/qdisc.ts';
import { fail, parseUnsigned } from '../iproute/args.ts';
import type { Out } from '../iproute/output.ts';
import { HTB } from './htb.ts';
import { type KindContext, list, num, type TcKind, whatIs } from './kind.ts';
import { NETEM } from './netem.ts';
import { TBF } from './tbf.ts';
import { legal, legalUnsigned, nsText, parseRate, parseSize, parseTime, rateText, sizeText, timeText } from './units.ts';

const PRIO2BAND: readonly number[] = Object.freeze([1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);

/** Options that are one keyword and one number each. */
interface Keyword {
  readonly read: (word: string) => number | undefined;
  readonly name?: string;
}
const COUNT: Keyword = Object.freeze({ read: (w: string) => parseUnsigned(w) });
const SIZE: Keyword = Object.freeze({ read: parseSize });
const RATE: Keyword = Object.freeze({ read: parseRate });
const TIME: Keyword = Object.freeze({ read: parseTime });

/** Reads `keyword VALUE` pairs and flags (`name`, `noname`); abbreviations are not taken. */
function pairs(ctx: KindContext, keywords: Readonly<Record<string, Keyword>>, flags: readonly string[], usage: string): TcAttrs {
  const o: Record<string, number> = {};
  const { args } = ctx;
  for (; args.more; args.skip()) {
    const word = args.word;
    const flag = flags.find((f) => word === f || word === `no${f}`);
    if (flag !== undefined) o[flag] = word === flag ? 1 : 0;
    else if (Object.hasOwn(keywords, word)) o[word] = legal(keywords[word].read(args.next()), word);
    else whatIs(word, usage);
  }
  return o;
}

const fifo = (unit: string): TcKind =>
  Object.freeze({
    parse: (ctx: KindContext) => {
      const o = pairs(ctx, { limit: unit === 'b' ? SIZE : COUNT }, [], `Usage: ... <[p|b]fifo> [ limit NUMBER ]`);
      return o['limit'] === undefined ? undefined : o;
    },
    print: (out: Out, o: TcAttrs) =>
      out.any('limit', num(o, 'limit'), `limit ${unit === 'b' ? sizeText(num(o, 'limit')) : `${num(o, 'limit')}p`}`),
  });

function printBands(out: Out, o: TcAttrs): void {
  out.any('bands', num(o, 'bands'), `bands ${num(o, 'bands')} priomap`);
  out.openArray('priomap');
  for (const b of list(o, 'priomap')) out.item(b, ` ${b}`);
  out.closeArray();
}
function parsePrio({ args }: KindContext): TcAttrs {
  const usage = 'Usage: ... prio bands NUMBER priomap P1 P2...[multiqueue|nomultiqueue]';
  let bands = 3;
  let priomap = PRIO2BAND.slice();
  while (args.more) {
    const word = args.word;
    if (word === 'bands') {
      bands = legalUnsigned(args.next(), 'bands');
      args.skip();
    } else if (word === 'priomap') {
      args.skip();
      for (let i = 0; args.more && i < 16; i++, args.skip()) {
        const band = legal(parseUnsigned(args.word), 'priomap element');
        if (band > bands) fail(1, '"priomap" element is out of bands');
        priomap = priomap.with(i, band);
      }
    } else whatIs(word, usage);
  }
  return { bands, priomap };
}

const codelTimes = { target: TIME, interval: TIME, ce_threshold: TIME };
function printCodel(out: Out, o: TcAttrs): void {
  out.any('limit', num(o, 'limit'), `limit ${num(o, 'limit')}p `);
  if (o['flows'] !== undefined) {
    out.any('flows', num(o, 'flows'), `flows ${num(o, 'flows')} `);
    out.any('quantum', num(o, 'quantum'), `quantum ${num(o, 'quantum')} `);
  }
  out.any('target', num(o, 'target'), `target ${timeText(num(o, 'target'))} `);
  if (o['flows'] === undefined && o['ce_threshold'] !== undefined)
    out.any('ce_threshold', num(o, 'ce_threshold'), `ce_threshold ${timeText(num(o, 'ce_threshold'))} `);
  out.any('interval', num(o, 'interval'), `interval ${timeText(num(o, 'interval'))} `);
  if (o['flows'] !== undefined && o['ce_threshold'] !== undefined)
    out.any('ce_threshold', num(o, 'ce_threshold'), `ce_threshold ${timeText(num(o, 'ce_threshold'))} `);
  if (o['memory_limit'] !== undefined) out.any('memory_limit', num(o, 'memory_limit'), `memory_limit ${sizeText(num(o, 'memory_limit'))} `);
  if (num(o, 'ecn') > 0 || o['ecn'] === true) out.any('ecn', true, 'ecn ');
  if (num(o, 'drop_batch') > 0) out.any('drop_batch', num(o, 'drop_batch'), `drop_batch ${num(o, 'drop_batch')} `);
}
/** A row of `name value` counters. */
const counters = (
  out: Out,
  x: Readonly<Record<string, number>>,
  names: readonly string[],
  before = '  ',
  label = (n: string): string => n,
): void => names.forEach((n, i) => out.any(label(n), x[n], `${i === 0 ? before : ' '}${label(n)} ${x[n]}`));

const CODEL: TcKind = Object.freeze({
  parse: (ctx: KindContext) => {
    const o = pairs(
      ctx,
      { limit: COUNT, ...codelTimes },
      ['ecn'],
      'Usage: ... codel [ limit PACKETS ] [ target TIME ] [ interval TIME ] [ ecn | noecn ]',
    );
    return o;
  },
  print: printCodel,
  xstats: (out: Out, x: Readonly<Record<string, number>>) => {
    counters(out, x, ['count', 'lastcount']);
    out.any('ldelay', x['ldelay'], ` ldelay ${timeText(x['ldelay'])}`);
    if (x['dropping'] > 0) out.any('dropping', true, ' dropping');
    out.any('drop_next', x['drop_next'], ` drop_next ${timeText(x['drop_next'])}`);
    out.fp('\n');
    counters(out, x, ['maxpacket', 'ecn_mark', 'drop_overlimit']);
  },
});
const FQ_CODEL: TcKind = Object.freeze({
  parse: (ctx: KindContext) =>
    pairs(
      ctx,
      { limit: COUNT, flows: COUNT, quantum: COUNT, memory_limit: SIZE, drop_batch: COUNT, ...codelTimes },
      ['ecn'],
      'Usage: ... fq_codel [ limit PACKETS ] [ flows NUMBER ] [ memory_limit BYTES ] [ target TIME ] [ interval TIME ] [ quantum BYTES ] [ [no]ecn ]',
    ),
  print: printCodel,
  xstats: (out: Out, x: Readonly<Record<string, number>>) => {
    counters(out, x, ['maxpacket', 'drop_overlimit', 'new_flow_count', 'ecn_mark']);
    if (x['ce_mark'] > 0) counters(out, x, ['ce_mark'], ' ');
    if (x['memory_usage'] > 0) counters(out, x, ['memory_usage'], ' ', () => 'memory_used');
    if (x['drop_overmemory'] > 0) counters(out, x, ['drop_overmemory'], ' ');
    out.fp('\n');
    counters(out, x, ['new_flows_len', 'old_flows_len']);
  },
});

const SFQ: TcKind = Object.freeze({
  parse: (ctx: KindContext) =>
    pairs(
      ctx,
      { limit: COUNT, quantum: SIZE, perturb: COUNT, flows: COUNT, depth: COUNT, divisor: COUNT },
      [],
      'Usage: ... sfq [ limit NUMBER ] [ perturb SECS ] [ quantum BYTES ] [ divisor NUMBER ] [ flows NUMBER ] [ depth NUMBER ]',
    ),
  print: (out: Out, o: TcAttrs, details: boolean) => {
    out.any('limit', num(o, 'limit'), `limit ${num(o, 'limit')}p `);
    out.any('quantum', num(o, 'quantum'), `quantum ${sizeText(num(o, 'quantum'))} `);
    if (details) out.any('flows', num(o, 'flows'), `flows ${num(o, 'flows')}/${num(o, 'divisor')} `);
    out.any('depth', num(o, 'depth'), `depth ${num(o, 'depth')} `);
    out.any('divisor', num(o, 'divisor'), `divisor ${num(o, 'divisor')} `);
    if (num(o, 'perturb') > 0) out.any('perturb', num(o, 'perturb'), `perturb ${num(o, 'perturb')}sec `);
  },
});
const FQ: TcKind = Object.freeze({
  parse: (ctx: KindContext) =>
    pairs(
      ctx,
      {
        limit: COUNT,
        flow_limit: COUNT,
        buckets: COUNT,
        quantum: COUNT,
        initial_quantum: COUNT,
        maxrate: RATE,
        low_rate_threshold: RATE,
        refill_delay: TIME,
        timer_slack: TIME,
        horizon: TIME,
        orphan_mask: COUNT,
      },
      ['pacing'],
      'Usage: ... fq [ limit PACKETS ] [ flow_limit PACKETS ] [ quantum BYTES ] [ initial_quantum BYTES ] [ maxrate RATE ] [ [no]pacing ]',
    ),
  print: (out: Out, o: TcAttrs) => {
    const each = (key: string, text: string): void => out.any(key, num(o, key), `${key} ${text} `);
    each('limit', `${num(o, 'limit')}p`);
    each('flow_limit', `${num(o, 'flow_limit')}p`);
    each('buckets', String(num(o, 'buckets')));
    each('orphan_mask', String(num(o, 'orphan_mask')));
    if (num(o, 'pacing') === 0) out.any('pacing', false, 'nopacing ');
    each('quantum', `${num(o, 'quantum')}b`);
    each('initial_quantum', `${num(o, 'initial_quantum')}b`);
    if (num(o, 'maxrate') !== 0xffffffff) each('maxrate', rateText(num(o, 'maxrate')));
    each('low_rate_threshold', rateText(num(o, 'low_rate_threshold')));
    each('refill_delay', timeText(num(o, 'refill_delay')));
    each('timer_slack', nsText(num(o, 'timer_slack')));
    each('horizon', timeText(num(o, 'horizon')));
    out.any('horizon_drop', null, num(o, 'horizon_drop') > 0 ? 'horizon_drop ' : 'horizon_cap ');
  },
  xstats: (out: Out, x: Readonly<Record<string, number>>) => {
    counters(out, x, ['flows']);
    out.any('inactive', x['inactive'], ` (inactive ${x['inactive']}`);
    out.any('throttled', x['throttled'], ` throttled ${x['throttled']})`);
    out.fp('\n');
    counters(out, x, ['gc', 'highprio']);
    out.any('throttled', x['throttledCount'], ` throttled ${x['throttledCount']}`);
    if (x['flows_plimit'] > 0) counters(out, x, ['flows_plimit'], ' ');
  },
});

const none: TcKind = Object.freeze({});
const empty: TcKind = Object.freeze({ parse: () => ({}) });

export const TC_KINDS: Readonly<Record<string, TcKind>> = Object.freeze({
  pfifo: fifo('p'),
  bfifo: fifo('b'),
  pfifo_fast: Object.freeze({ print: printBands }),
  prio: Object.freeze({ parse: parsePrio, print: printBands }),
  multiq: Object.freeze({
    ...empty,
    print: (out: Out, o: TcAttrs) => out.any('bands', num(o, 'bands'), `bands ${num(o, 'bands')}/${num(o, 'max_bands')} `),
  }),
  mq: none,
  noqueue: none,
  codel: CODEL,
  fq_codel: FQ_CODEL,
  netem: NETEM,
  tbf: TBF,
  htb: HTB,
  sfq: SFQ,
  fq: FQ,
  plug: Object.freeze({
    parse: (ctx: KindContext) => {
      const o = pairs(ctx, { limit: COUNT }, [], 'Usage: ... plug [ limit BYTES ]');
      return o['limit'] === undefined ? undefined : o;
    },
  }),
  skbprio: Object.freeze({
    parse: (ctx: KindContext) => pairs(ctx, { limit: COUNT }, [], 'Usage: ... skbprio [ limit NUMBER ]'),
    print: (out: Out, o: TcAttrs) => out.any('limit', num(o, 'limit'), `limit ${num(o, 'limit')} `),
  }),
  clsact: none,
  ingress: Object.freeze({ print: (out: Out) => out.fp('---------------- ') }),
});
