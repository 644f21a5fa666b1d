// Quantities as a person reads and types them: bit rates, delays, loss, instants, byte counts. Every one carries its unit.

/** What a person typed, understood or refused with a sentence that says what to type instead. */
export type Parsed = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly reason: string };

const RATE_UNITS: readonly (readonly [string, number])[] = [
  ['Tbit/s', 1e12],
  ['Gbit/s', 1e9],
  ['Mbit/s', 1e6],
  ['kbit/s', 1e3],
  ['bit/s', 1],
];
const RATE_FACTORS = new Map<string, number>([
  ['t', 1e12],
  ['g', 1e9],
  ['m', 1e6],
  ['k', 1e3],
  ['', 1],
]);
const TIME_UNITS: readonly (readonly [string, number])[] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
];
const TIME_FACTORS = new Map<string, number>([
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ns', 1],
]);

/** Three or four significant digits without a tail of zeros: 9.54, 12.3, 100, 1234. */
function significant(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

function scaled(value: number, units: readonly (readonly [string, number])[]): string {
  for (const [unit, factor] of units) if (value >= factor) return `${significant(value / factor)} ${unit}`;
  const [unit, factor] = units[units.length - 1];
  return `${significant(value / factor)} ${unit}`;
}

/** @param bitsPerSecond 0 means unlimited, as in the lab file. */
export function formatRate(bitsPerSecond: number): string {
  return bitsPerSecond === 0 ? 'unlimited' : scaled(bitsPerSecond, RATE_UNITS);
}

/** A measured rate, where zero is zero. */
export function formatMeasuredRate(bitsPerSecond: number): string {
  return bitsPerSecond <= 0 ? '0 bit/s' : scaled(bitsPerSecond, RATE_UNITS);
}

export function formatDuration(ns: number): string {
  return ns === 0 ? '0 s' : scaled(ns, TIME_UNITS);
}

/** An instant since boot, to the nanosecond, always the same width per magnitude: `1.002 003 004 s`. */
export function formatInstant(ns: number): string {
  const whole = Math.floor(ns / 1e9);
  const rest = String(Math.round(ns - whole * 1e9)).padStart(9, '0');
  return `${whole}.${rest.slice(0, 3)} ${rest.slice(3, 6)} ${rest.slice(6)} s`;
}

/** @param fraction 0..1 */
export function formatLoss(fraction: number): string {
  return `${Number((fraction * 100).toPrecision(4))} %`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${significant(value)} ${units[unit]}`;
}

export function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** A decimal number and the rest of the line, lower-cased and without spaces. */
function split(text: string): { readonly number: number; readonly unit: string } | undefined {
  const match = /^\s*(\d+(?:[.,]\d+)?|[.,]\d+)\s*(.*?)\s*$/.exec(text);
  if (match === null) return undefined;
  return { number: Number(match[1].replace(',', '.')), unit: match[2] };
}

const refuse = (reason: string): Parsed => ({ ok: false, reason });

/** Accepts `10 Gbit/s`, `100mbit`, `1G`, `250 kbps` and `unlimited` (or `0`); the value is bits per second, 0 = unlimited. */
export function parseRate(text: string): Parsed {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'unlimited' || trimmed === 'none' || trimmed === '0') return { ok: true, value: 0 };
  const parts = split(text);
  if (parts === undefined) return refuse(`“${text.trim()}” is not a rate. Write a number with a unit, such as 100 Mbit/s, or “unlimited”.`);
  if (parts.unit === '') return refuse(`${text.trim()} what? Add a unit: kbit/s, Mbit/s or Gbit/s.`);
  const match = /^([kmgt]?)(?:bit|b)?(?:\/s|ps)?$/i.exec(parts.unit);
  if (match === null || /B/.test(parts.unit))
    return refuse(`“${parts.unit}” is not a unit of rate. Use bit/s, kbit/s, Mbit/s, Gbit/s or Tbit/s.`);
  const value = Math.round(parts.number * (RATE_FACTORS.get(match[1].toLowerCase()) ?? 1));
  if (value === 0) return { ok: true, value: 0 };
  if (value > 1e13) return refuse('A cable carries at most 10 Tbit/s.');
  return { ok: true, value };
}

/** Accepts `1 ms`, `250us`, `20 µs`, `5 ns`, `0`; the value is nanoseconds. */
export function parseDelay(text: string): Parsed {
  if (text.trim() === '0') return { ok: true, value: 0 };
  const parts = split(text);
  if (parts === undefined) return refuse(`“${text.trim()}” is not a delay. Write a number with a unit, such as 1 ms.`);
  if (parts.unit === '') return refuse(`${text.trim()} what? Add a unit: ns, µs, ms or s.`);
  const factor = TIME_FACTORS.get(parts.unit.toLowerCase());
  if (factor === undefined) return refuse(`“${parts.unit}” is not a unit of time. Use ns, µs (or us), ms or s.`);
  const value = Math.round(parts.number * factor);
  if (value > 60e9) return refuse('A cable delays by at most 60 s.');
  return { ok: true, value };
}

/** Accepts `1 %`, `0.5%`, `0`; the value is a fraction 0..1. */
export function parseLoss(text: string): Parsed {
  if (text.trim() === '0') return { ok: true, value: 0 };
  const parts = split(text);
  if (parts === undefined) return refuse(`“${text.trim()}” is not a loss. Write a percentage, such as 1 %.`);
  if (parts.unit === '') return refuse(`${text.trim()} of what? Write loss as a percentage, such as 1 %.`);
  if (parts.unit !== '%') return refuse(`“${parts.unit}” is not a unit of loss. Write a percentage, such as 1 %.`);
  if (parts.number > 100) return refuse('A cable cannot lose more than 100 %.');
  return { ok: true, value: parts.number / 100 };
}

/** Speed of the run as a ratio of simulated to wall time: 1:1000 … 1:1 … 20:1; 0 is max. */
export function formatSpeed(speed: number): string {
  if (speed === 0) return 'max';
  if (speed >= 1) return `${Number(speed.toPrecision(3))}:1`;
  return `1:${Number((1 / speed).toPrecision(3))}`;
}
