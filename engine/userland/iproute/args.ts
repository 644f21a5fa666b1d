// Arguments as iproute2's tools take them: one by one, keywords abbreviated, the same complaints.
import { formatIpv4, formatIpv6, parseIpv6 } from '../../wire/addresses.ts';
import { AF, type IpBytes } from '../../kernel/rtnl_records.ts';
import { ToolExit } from '../tool.ts';

/** iproute2's matches(): `word` is a non-empty beginning of `keyword`. */
export const matches = (word: string, keyword: string): boolean => word !== '' && keyword.startsWith(word);

export class Args {
  private at = 0;
  constructor(private readonly list: readonly string[]) {}

  get more(): boolean {
    return this.at < this.list.length;
  }
  get count(): number {
    return this.list.length - this.at;
  }
  /** The current word; '' at the end. */
  get word(): string {
    return this.list[this.at] ?? '';
  }
  /** The word after the current one. */
  get following(): string | undefined {
    return this.list[this.at + 1];
  }
  skip(): void {
    this.at++;
  }
  /** Takes the current word. */
  take(): string {
    const w = this.list[this.at];
    if (w === undefined) incomplete();
    this.at++;
    return w;
  }
  /** Moves to the word after the keyword, which must exist, and returns it without taking it (NEXT_ARG). */
  next(): string {
    this.at++;
    const w = this.list[this.at];
    if (w === undefined) incomplete();
    return w;
  }
  rest(): readonly string[] {
    return this.list.slice(this.at);
  }
}

export function incomplete(): never {
  throw new ToolExit(255, 'Command line is not complete. Try option "help"\n');
}
export function invarg(message: string, word: string): never {
  throw new ToolExit(255, `Error: argument "${word}" is wrong: ${message}\n`);
}
export function duparg(key: string, word: string): never {
  throw new ToolExit(255, `Error: duplicate "${key}": "${word}" is the second value.\n`);
}
export function duparg2(key: string, word: string): never {
  throw new ToolExit(255, `Error: either "${key}" is duplicate, or "${word}" is a garbage.\n`);
}
export function noDevice(name: string): never {
  throw new ToolExit(1, `Cannot find device "${name}"\n`);
}
export function fail(status: number, text: string): never {
  throw new ToolExit(status, `${text}\n`);
}

const NUMBER = /^[+-]?(0[xX][0-9a-fA-F]+|\d+)$/;

/** An unsigned number as strtoul(base 0) takes it, within [0, max]; undefined otherwise. */
export function parseUnsigned(word: string, max = 0xffffffff): number | undefined {
  if (!NUMBER.test(word) || word.startsWith('-')) return undefined;
  const t = word.replace('+', '');
  const n = /^0[0-7]+$/.test(t) ? Number.parseInt(t, 8) : Number(t);
  return Number.isFinite(n) && n <= max ? n : undefined;
}
export function parseInteger(word: string): number | undefined {
  return NUMBER.test(word) && Math.abs(Number(word)) < 0x80000000 ? Number(word) : undefined;
}
export function unsigned(word: string, message: string, max = 0xffffffff): number {
  return parseUnsigned(word, max) ?? invarg(message, word);
}

/** An address or prefix as given. `family` 0: `default`, `any` or `all` without a family. */
export interface InetPrefix {
  readonly family: number;
  /** Empty for `default`. */
  readonly bytes: IpBytes;
  readonly bitlen: number;
  /** A slash and a length were there. */
  readonly lengthGiven: boolean;
}

const familyName = (family: number): string => (family === AF.INET ? 'inet' : family === AF.INET6 ? 'inet6' : 'any valid');
export const maxBits = (family: number): number => (family === AF.INET6 ? 128 : 32);

/** Dotted address; missing parts are zero ('10' is 10.0.0.0). */
function parseDotted(word: string): IpBytes | undefined {
  const parts = word.split('.');
  if (parts.length > 4) return undefined;
  const out = new Uint8Array(4);
  for (let i = 0; i < parts.length; i++) {
    const n = parseUnsigned(parts[i], 255);
    if (n === undefined) return undefined;
    out[i] = n;
  }
  return out;
}

export function parseAddress(word: string, family: number): IpBytes | undefined {
  if (word.includes(':')) return family === AF.INET ? undefined : parseIpv6(word);
  return family === AF.INET6 ? undefined : parseDotted(word);
}

function maskToLength(word: string): number | undefined {
  const b = parseDotted(word);
  if (b === undefined || word.split('.').length !== 4) return undefined;
  const mask = ((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3]) >>> 0;
  const bits = Math.clz32(~mask);
  return mask === (bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0) ? bits : undefined;
}

/** Parses `word` as a prefix of `family` (0: either); undefined when it is none. */
export function parsePrefix(word: string, family: number): InetPrefix | undefined {
  if (word === 'default' || word === 'any' || word === 'all') return { family, bytes: new Uint8Array(0), bitlen: 0, lengthGiven: true };
  const slash = word.indexOf('/');
  const bytes = parseAddress(slash < 0 ? word : word.slice(0, slash), family);
  if (bytes === undefined) return undefined;
  const f = bytes.length === 16 ? AF.INET6 : AF.INET;
  if (slash < 0) return { family: f, bytes, bitlen: maxBits(f), lengthGiven: false };
  const len = word.slice(slash + 1);
  const bits = parseUnsigned(len, maxBits(f)) ?? (f === AF.INET ? maskToLength(len) : undefined);
  return bits === undefined ? undefined : { family: f, bytes, bitlen: bits, lengthGiven: true };
}

/** iproute2's get_prefix(). */
export function getPrefix(word: string, family: number): InetPrefix {
  return parsePrefix(word, family) ?? fail(1, `Error: ${familyName(family)} prefix is expected rather than "${word}".`);
}
/** iproute2's get_addr(). */
export function getAddress(word: string, family: number): IpBytes {
  return parseAddress(word, family) ?? fail(1, `Error: ${familyName(family)} address is expected rather than "${word}".`);
}

/** A link-layer address as ll_addr_a2n() takes it: hexadecimal numbers up to 255 between colons, what follows a number is not looked at. */
export function linkAddress(word: string): Uint8Array {
  const parts = word.split(':').map((p) => /^\s*(?:0[xX])?([0-9a-fA-F]+)/.exec(p)?.[1]);
  const numbers = parts.map((p) => (p === undefined ? -1 : Number.parseInt(p, 16)));
  const wrong = numbers.findIndex((n) => n < 0 || n > 255);
  if (wrong >= 0) fail(1, `"${word.split(':')[wrong]}" is invalid lladdr.`);
  return Uint8Array.from(numbers);
}

/** Text of an address of 4 or 16 bytes. */
export function formatAddress(b: IpBytes): string {
  return b.length === 16 ? formatIpv6(b) : formatIpv4(((b[0] << 24) | (b[1] << 16) | (b[2] << 8) | b[3]) >>> 0);
}

export const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]));

/** The first `bits` bits of two addresses are equal. */
export function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest)) & 0xff) === 0;
}
