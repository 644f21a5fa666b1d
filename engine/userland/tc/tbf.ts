// tbf's options, as words and as text.
import type { TcAttrs } from '../../kernel/sched/qdisc.ts';
import { fail, parseInteger } from '../iproute/args.ts';
import type { Out } from '../iproute/output.ts';
import { type KindContext, num, type TcKind, unmodelled, whatIs } from './kind.ts';
import { legal, parseRate, parseSize, parseTime, rateText, sizeText, timeText } from './units.ts';

const USAGE = 'Usage: ... tbf limit BYTES burst BYTES rate KBPS [ mtu BYTES ] [ peakrate KBPS ] [ latency TIME ] [ overhead BYTES ]';
const once = (o: Record<string, number>, key: string): void => {
  if (o[key] !== undefined) fail(1, `Double "${key}" spec`);
};

function parse(ctx: KindContext): TcAttrs {
  const { args } = ctx;
  const o: Record<string, number> = {};
  for (; args.more; args.skip()) {
    const word = args.word;
    const is = (...names: string[]): boolean => names.some((n) => n.startsWith(word));
    if (is('limit')) {
      if (o['latency'] !== undefined || o['limit'] !== undefined) fail(1, 'Double "limit/latency" spec');
      o['limit'] = legal(parseSize(args.next()), 'limit');
    } else if (is('latency')) {
      if (o['latency'] !== undefined || o['limit'] !== undefined) fail(1, 'Double "limit/latency" spec');
      o['latency'] = legal(parseTime(args.next()), 'latency');
    } else if (is('burst') || word === 'buffer' || word === 'maxburst') {
      once(o, 'burst');
      o['burst'] = legal(parseSize(args.next().split('/')[0]), 'burst');
    } else if (is('mtu') || word === 'minburst') {
      once(o, 'mtu');
      o['mtu'] = legal(parseSize(args.next().split('/')[0]), 'mtu');
    } else if (is('rate')) {
      once(o, 'rate');
      o['rate'] = legal(parseRate(args.next()), 'rate');
    } else if (is('peakrate')) {
      once(o, 'peakrate');
      o['peakrate'] = legal(parseRate(args.next()), 'peakrate');
    } else if (is('overhead')) o['overhead'] = legal(parseInteger(args.next()), 'overhead');
    else if (is('linklayer')) unmodelled('linklayer');
    else whatIs(word, USAGE);
  }
  let wrong = '';
  if (num(o, 'rate') === 0) wrong += 'tbf: the "rate" parameter is mandatory.\n';
  if (num(o, 'burst') === 0) wrong += 'tbf: the "burst" parameter is mandatory.\n';
  if (num(o, 'peakrate') > 0 && num(o, 'mtu') === 0) wrong += 'tbf: when "peakrate" is specified, "mtu" must also be specified.\n';
  if (num(o, 'limit') === 0 && num(o, 'latency') === 0) wrong += 'tbf: either "limit" or "latency" is required.\n';
  if (wrong !== '') fail(1, wrong + USAGE);
  if (num(o, 'limit') === 0) {
    const within = (rate: number, bucket: number): number => Math.floor((rate * num(o, 'latency')) / 1e6 + bucket);
    const limit = within(num(o, 'rate'), num(o, 'burst'));
    o['limit'] = num(o, 'peakrate') > 0 ? Math.min(limit, within(num(o, 'peakrate'), num(o, 'mtu'))) : limit;
  }
  delete o['latency'];
  return o;
}

function print(out: Out, o: TcAttrs, details: boolean): void {
  const [rate, burst, limit, peakrate, mtu] = ['rate', 'burst', 'limit', 'peakrate', 'mtu'].map((k) => num(o, k));
  out.any('rate', rate, `rate ${rateText(rate)} `);
  if (details) {
    out.fp(`burst ${sizeText(burst)}/1 mpu 0b `);
    out.js('burst', burst);
    out.js('mpu', 0);
  } else out.any('burst', burst, `burst ${sizeText(burst)} `);
  if (peakrate > 0) {
    out.any('peakrate', peakrate, `peakrate ${rateText(peakrate)} `);
    if (mtu > 0) out.any('mtu', mtu, details ? `mtu ${sizeText(mtu)}/1 mpu 0b ` : `minburst ${sizeText(mtu)} `);
  }
  let latency = (1e6 * (limit - burst)) / rate;
  if (peakrate > 0) latency = Math.max(latency, (1e6 * (limit - mtu)) / peakrate);
  if (latency >= 0) out.any('lat', Math.floor(latency), `lat ${timeText(Math.floor(latency))} `);
  else out.any('limit', limit, `limit ${sizeText(limit)} `);
  if (num(o, 'overhead') !== 0) out.any('overhead', num(o, 'overhead'), `overhead ${num(o, 'overhead')} `);
}

export const TBF: TcKind = Object.freeze({ parse, print });
