// Quantities with units as a lab file and a command line write them.

const RATES: readonly (readonly [string, number])[] = [
  ['Tbit/s', 1e12],
  ['Gbit/s', 1e9],
  ['Mbit/s', 1e6],
  ['kbit/s', 1e3],
  ['bit/s', 1],
];
const TIMES: readonly (readonly [string, number])[] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
  ['ns', 1],
];
const SIZES: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
];

function parse(text: string, units: readonly (readonly [string, number])[], aliases: Readonly<Record<string, string>>): number | undefined {
  const m = /^(\d+(?:\.\d+)?)\s*([A-Za-zµ/]*)$/.exec(text.trim());
  if (m === null) return undefined;
  const n = Number(m[1]);
  if (m[2] === '') return n === 0 ? 0 : undefined;
  const unit = aliases[m[2]] ?? m[2];
  const factor = units.find(([u]) => u === unit)?.[1];
  return factor === undefined ? undefined : Math.round(n * factor);
}

function format(n: number, units: readonly (readonly [string, number])[]): string {
  const [unit, factor] = units.find(([, f]) => n >= f && Number.isInteger((n / f) * 1000)) ?? units[units.length - 1];
  return `${n / factor} ${unit}`;
}

/** '10 Gbit/s' → bit/s; '0' or 'unlimited' → 0 (no limit). */
export const parseRate = (text: string): number | undefined =>
  text.trim() === 'unlimited'
    ? 0
    : parse(text, RATES, { Gbit: 'Gbit/s', Mbit: 'Mbit/s', kbit: 'kbit/s', Gbps: 'Gbit/s', Mbps: 'Mbit/s', kbps: 'kbit/s' });
export const formatRate = (n: number): string => (n === 0 ? 'unlimited' : format(n, RATES));
/** '5 us' → ns */
export const parseDuration = (text: string): number | undefined =>
  parse(text, TIMES, { µs: 'us', sec: 's', msec: 'ms', usec: 'us', nsec: 'ns' });
export const formatDuration = (n: number): string => format(n, TIMES);
/** '16 MiB' → bytes */
export const parseBytes = (text: string): number | undefined => parse(text, SIZES, { M: 'MiB', G: 'GiB', K: 'KiB', MB: 'MiB', GB: 'GiB' });
export const formatBytes = (n: number): string => format(n, SIZES);
