// htb's options and those of its classes, as words and as text.
import type { TcAttrs } from '../../kernel/sched/qdisc.ts';
import { fail, parseInteger, parseUnsigned } from '../iproute/args.ts';
import type { Out } from '../iproute/output.ts';
import { type KindContext, num, type TcKind, whatIs } from './kind.ts';
import { legal, legalUnsigned, parseRate, parseSize, rateText, sizeText } from './units.ts';

const USAGE =
  'Usage: ... qdisc add ... htb [ default N ] [ r2q N ] [ direct_qlen P ]\n' +
  '  ... class add ... htb rate R1 [ ceil R2 ] [ burst B1 ] [ cburst B2 ] [ prio P ] [ quantum Q ] [ mtu M ] [ overhead O ]';

function parse({ args }: KindContext): TcAttrs {
  const o: Record<string, number> = { default: 0, r2q: 10 };
  for (; args.more; args.skip()) {
    const word = args.word;
    if ('default'.startsWith(word)) {
      const n = /^(?:0[xX])?([0-9a-fA-F]+)$/.exec(args.next());
      o['default'] = n === null ? legal<number>(undefined, 'default') : Number.parseInt(n[1], 16);
    } else if ('r2q'.startsWith(word)) o['r2q'] = legalUnsigned(args.next(), 'r2q');
    else if ('direct_qlen'.startsWith(word)) o['direct_qlen'] = legalUnsigned(args.next(), 'direct_qlen');
    else whatIs(word, USAGE);
  }
  return o;
}
function print(out: Out, o: TcAttrs): void {
  out.any('r2q', num(o, 'r2q'), `r2q ${num(o, 'r2q')}`);
  const minor = `0x${num(o, 'default').toString(16)}`;
  out.any('default', minor, ` default ${minor}`);
  out.any('direct_packets_stat', num(o, 'direct_pkts'), ` direct_packets_stat ${num(o, 'direct_pkts')}`);
  out.any('direct_qlen', num(o, 'direct_qlen'), ` direct_qlen ${num(o, 'direct_qlen')}`);
}

function parseClass({ args }: KindContext): TcAttrs {
  const o: Record<string, number> = {};
  let mtu = 1600;
  for (; args.more; args.skip()) {
    const word = args.word;
    if ('prio'.startsWith(word)) o['prio'] = legal(parseUnsigned(args.next()), 'prio');
    else if (word === 'mtu') mtu = legalUnsigned(args.next(), 'mtu');
    else if (word === 'overhead') o['overhead'] = legal(parseInteger(args.next()), 'overhead');
    else if (word === 'mpu' || word === 'linklayer') args.next();
    else if ('quantum'.startsWith(word)) o['quantum'] = legal(parseUnsigned(args.next()), 'quantum');
    else if ('burst'.startsWith(word) || word === 'buffer' || word === 'maxburst')
      o['burst'] = legal(parseSize(args.next().split('/')[0]), 'buffer');
    else if ('cburst'.startsWith(word) || word === 'cbuffer' || word === 'cmaxburst')
      o['cburst'] = legal(parseSize(args.next().split('/')[0]), 'cbuffer');
    else if ('ceil'.startsWith(word)) o['ceil'] = legal(parseRate(args.next()), 'ceil');
    else if ('rate'.startsWith(word)) o['rate'] = legal(parseRate(args.next()), 'rate');
    else whatIs(word, USAGE);
  }
  const rate = num(o, 'rate');
  if (rate === 0) fail(1, '"rate" is required.');
  const ceil = o['ceil'] ?? rate;
  // a bucket holds at least what comes in one tick of the clock, and a packet
  const bucket = (r: number): number => Math.floor(r / 1e9 + mtu);
  return { ...o, ceil, burst: o['burst'] ?? bucket(rate), cburst: o['cburst'] ?? bucket(ceil) };
}
function printClass(out: Out, o: TcAttrs, details: boolean): void {
  if (o['leaf'] !== 0) {
    out.any('prio', num(o, 'prio'), `prio ${num(o, 'prio')} `);
    if (details) out.any('quantum', num(o, 'quantum'), `quantum ${num(o, 'quantum')} `);
  }
  const detail = details ? '/1 mpu 0b ' : ' ';
  out.any('rate', num(o, 'rate'), `rate ${rateText(num(o, 'rate'))} `);
  if (num(o, 'overhead') !== 0) out.any('overhead', num(o, 'overhead'), `overhead ${num(o, 'overhead')} `);
  out.any('ceil', num(o, 'ceil'), `ceil ${rateText(num(o, 'ceil'))} `);
  out.any('burst', num(o, 'burst'), `burst ${sizeText(num(o, 'burst'))}${detail}`);
  out.any('cburst', num(o, 'cburst'), `cburst ${sizeText(num(o, 'cburst'))}${detail}`);
  if (details) out.any('level', num(o, 'level'), `level ${num(o, 'level')}`);
}
function classXstats(out: Out, x: Readonly<Record<string, number>>): void {
  out.any('lended', x['lends'], ` lended: ${x['lends']} `);
  out.any('borrowed', x['borrows'], `borrowed: ${x['borrows']} `);
  out.any('giants', 0, 'giants: 0');
  out.fp('\n');
  out.any('tokens', x['tokens'], ` tokens: ${x['tokens']} `);
  out.any('ctokens', x['ctokens'], `ctokens: ${x['ctokens']}`);
  out.fp('\n');
}

export const HTB: TcKind = Object.freeze({ parse, print, parseClass, printClass, classXstats });
