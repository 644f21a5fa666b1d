// Numbers as tc reads and writes them: rates, sizes, times, shares, handles.
import { fail, parseUnsigned } from '../iproute/args.ts';
import { TC_H_MAJ, TC_H_MIN, TC_H_ROOT } from '../../kernel/sched/qdisc.ts';

/** printf's %.<digits>g */
export function general(x: number, digits = 6): string {
  if (x === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(Number(x.toExponential(digits - 1)))));
  if (exponent >= -4 && exponent < digits) return String(Number(x.toPrecision(digits)));
  const [mantissa, power] = Number(x.toPrecision(digits)).toExponential().split('e');
  return `${mantissa}e${power.startsWith('-') ? '-' : '+'}${power.replace(/[+-]/, '').padStart(2, '0')}`;
}

/** '1:2', ':4', '1:', '0:' as tc writes handles. */
export function handleText(h: number): string {
  const [major, minor] = [h >>> 16, h & 0xffff];
  if (h === TC_H_ROOT) return 'root';
  if (h === 0) return 'none';
  if (major === 0) return `:${minor.toString(16)}`;
  return `${major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}

/** Microseconds as tc writes times. */
export function timeText(us: number): string {
  if (us >= 1e6) return `${general(us / 1e6, 3)}s`;
  if (us >= 1e3) return `${general(us / 1e3, 3)}ms`;
  return `${Math.floor(us)}us`;
}
/** The same of nanoseconds. */
export function nsText(ns: number): string {
  if (ns >= 1e9) return `${general(ns / 1e9, 3)}s`;
  if (ns >= 1e6) return `${general(ns / 1e6, 3)}ms`;
  if (ns >= 1e3) return `${general(ns / 1e3, 3)}us`;
  return `${Math.floor(ns)}ns`;
}
export function sizeText(bytes: number): string {
  const near = (unit: number, slack: number): boolean => bytes >= unit && Math.abs(unit * Math.round(bytes / unit) - bytes) < slack;
  if (near(1 << 20, 1024)) return `${general(Math.round(bytes / (1 << 20)))}Mb`;
  if (near(1024, 16)) return `${general(Math.round(bytes / 1024))}Kb`;
  return `${bytes}b`;
}
/** Bytes per second as bits. */
export function rateText(bytesPerSecond: number): string {
  const units = ['', 'K', 'M', 'G', 'T'];
  let rate = bytesPerSecond * 8;
  let i = 0;
  for (; i < units.length - 1; i++) {
    if (rate < 1000 || (rate % 1000 !== 0 && rate < 1000 * 1000)) break;
    rate = Math.floor(rate / 1000);
  }
  return `${rate}${units[i]}bit`;
}
/** A share of 2^32-1 in per cent. */
export const percentText = (share: number): string => `${general((100 * share) / 0xffffffff)}%`;

const NUMBER = /^[+-]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/;
/** strtod: the number and what follows it. */
function split(word: string): [number, string] | undefined {
  const m = NUMBER.exec(word);
  return m === null ? undefined : [Number(m[0]), word.slice(m[0].length)];
}
function scaled(word: string, units: Readonly<Record<string, number>>, unit: number): number | undefined {
  const s = split(word);
  if (s === undefined) return undefined;
  const factor = s[1] === '' ? unit : units[s[1].toLowerCase()];
  return factor === undefined ? undefined : s[0] * factor;
}

const RATES: Readonly<Record<string, number>> = Object.freeze(
  Object.fromEntries(
    ['', 'k', 'm', 'g', 't'].flatMap((p, i) => [
      [`${p}bit`, 1000 ** i],
      [`${p}bps`, 8 * 1000 ** i],
      [`${p}${p === '' ? '' : 'i'}bit`, 1024 ** i],
      [`${p}${p === '' ? '' : 'i'}bps`, 8 * 1024 ** i],
    ]),
  ),
);
/** Bytes per second. */
export function parseRate(word: string): number | undefined {
  const bits = scaled(word, RATES, 1);
  return bits === undefined || bits < 0 ? undefined : Math.floor(bits / 8);
}
const SIZES: Readonly<Record<string, number>> = Object.freeze({
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1 << 20,
  mb: 1 << 20,
  g: 1 << 30,
  gb: 1 << 30,
  kbit: 128,
  mbit: 131072,
  gbit: 134217728,
});
export function parseSize(word: string): number | undefined {
  const n = scaled(word, SIZES, 1);
  return n === undefined || n < 0 || n > 0xffffffff ? undefined : Math.floor(n);
}
const TIMES: Readonly<Record<string, number>> = Object.freeze({
  s: 1e9,
  sec: 1e9,
  secs: 1e9,
  ms: 1e6,
  msec: 1e6,
  msecs: 1e6,
  us: 1e3,
  usec: 1e3,
  usecs: 1e3,
});
/** Microseconds. */
export function parseTime(word: string): number | undefined {
  const ns = scaled(word, TIMES, 1e3);
  return ns === undefined ? undefined : Math.floor(ns / 1e3);
}
/** Nanoseconds; without a unit they are meant. */
export function parseNs(word: string): number | undefined {
  const ns = scaled(word, { ...TIMES, ns: 1, nsec: 1, nsecs: 1 }, 1);
  return ns === undefined ? undefined : Math.floor(ns);
}
/** A share of 2^32-1. */
export function parsePercent(word: string): number | undefined {
  const s = split(word);
  if (s === undefined || (s[1] !== '%' && s[1] !== '') || s[0] > 100 || s[0] < 0) return undefined;
  return Math.round((s[0] / 100) * 0xffffffff);
}

/** '1:' or '1', a qdisc's handle. */
export function parseQdiscHandle(word: string): number | undefined {
  if (word === 'none') return 0;
  const m = /^([0-9a-fA-F]+):?$/.exec(word);
  const n = m === null ? NaN : Number.parseInt(m[1], 16);
  return n <= 0xffff ? (n << 16) >>> 0 : undefined;
}
/** 'root', 'none', '1:2', '1:', ':2', '2' */
export function parseClassId(word: string): number | undefined {
  if (word === 'root') return TC_H_ROOT;
  if (word === 'none') return 0;
  const m = /^([0-9a-fA-F]*)(:?)([0-9a-fA-F]*)$/.exec(word);
  if (m === null || word === '') return undefined;
  if (m[2] === '') return Number.parseInt(m[1], 16) >>> 0;
  const [major, minor] = [m[1] === '' ? 0 : Number.parseInt(m[1], 16), m[3] === '' ? 0 : Number.parseInt(m[3], 16)];
  return major > 0xffff || minor > 0xffff ? undefined : (TC_H_MAJ(major << 16) | TC_H_MIN(minor)) >>> 0;
}

/** Takes what a parser makes of a word, or complains as tc does. */
export function legal<T>(value: T | undefined, what: string): T {
  return value ?? fail(1, `Illegal "${what}"`);
}
export const legalUnsigned = (word: string, what: string): number => legal(parseUnsigned(word), what);
