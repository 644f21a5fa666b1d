// Quantities as a person reads and types them: simulated time, data rate, bytes. Pure.

const TIME_UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, min: 60e9 };
const RATE_UNITS: Readonly<Record<string, number>> = { bit: 1, bps: 1, kbit: 1e3, kbps: 1e3, mbit: 1e6, mbps: 1e6, gbit: 1e9, gbps: 1e9 };

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** A length of time with three significant digits: 0 ns, 850 ns, 12.3 µs, 4.56 ms, 1.20 s. */
export function formatDuration(ns: number): string {
  const size = Math.abs(ns);
  if (size < 1e3) return `${Math.round(ns)} ns`;
  if (size < 1e6) return `${three(ns / 1e3)} µs`;
  if (size < 1e9) return `${three(ns / 1e6)} ms`;
  return `${three(ns / 1e9)} s`;
}

/** An instant of simulated time at full precision, grouped: 12.345 678 901 s. */
export function formatInstant(ns: number): string {
  const seconds = Math.floor(ns / 1e9);
  const rest = String(Math.floor(ns - seconds * 1e9)).padStart(9, '0');
  return `${seconds}.${rest.slice(0, 3)} ${rest.slice(3, 6)} ${rest.slice(6)} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${three(bytes / 1024)} KiB`;
  if (bytes < 1024 ** 3) return `${three(bytes / 1024 ** 2)} MiB`;
  return `${three(bytes / 1024 ** 3)} GiB`;
}

/** 0 is an unlimited cable. */
export function formatBitRate(bitsPerSecond: number): string {
  if (bitsPerSecond === 0) return 'unlimited';
  if (bitsPerSecond < 1e3) return `${three(bitsPerSecond)} bit/s`;
  if (bitsPerSecond < 1e6) return `${three(bitsPerSecond / 1e3)} kbit/s`;
  if (bitsPerSecond < 1e9) return `${three(bitsPerSecond / 1e6)} Mbit/s`;
  return `${three(bitsPerSecond / 1e9)} Gbit/s`;
}

/** Speed of the run as a ratio of simulated to wall time: 1:1000 … 1:1 … 20:1; 0 is max. */
export function formatSpeed(speed: number): string {
  if (speed === 0) return 'max';
  if (speed >= 1) return `${Number(speed.toPrecision(3))}:1`;
  return `1:${Number((1 / speed).toPrecision(3))}`;
}

/** '250 us', '1.5ms', '2 s'; a bare number is refused, since its unit would be a guess. */
export function parseDuration(text: string): Parsed<number> {
  return withUnit(text, TIME_UNITS, 'a time such as 500 ns, 20 µs, 1.5 ms or 2 s');
}

/** '10 Gbit', '100 Mbit/s', 'unlimited'. */
export function parseBitRate(text: string): Parsed<number> {
  if (/^\s*(unlimited|0)\s*$/i.test(text)) return { ok: true, value: 0 };
  return withUnit(text.replace(/\/s\s*$/i, ''), RATE_UNITS, 'a rate such as 10 Gbit/s, 100 Mbit/s or unlimited');
}

/** '1 %', '0.5%' or a fraction '0.01'; answers 0..1. */
export function parseLoss(text: string): Parsed<number> {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text);
  const value = match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : NaN;
  if (value >= 0 && value <= 1) return { ok: true, value };
  return { ok: false, error: `'${text}' is not a loss; give a percentage from 0 % to 100 %, such as 0.5 %` };
}

function withUnit(text: string, units: Readonly<Record<string, number>>, wanted: string): Parsed<number> {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*$/i.exec(text);
  if (!match) return { ok: false, error: `'${text}' is not understood; give ${wanted}` };
  const unit = (match[2] ?? '').toLowerCase();
  if (unit === '') return { ok: false, error: `'${text}' has no unit; give ${wanted}` };
  const scale = units[unit];
  if (scale === undefined) return { ok: false, error: `'${match[2]}' is not a unit here; give ${wanted}` };
  return { ok: true, value: Math.round(Number(match[1]) * scale) };
}

function three(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
