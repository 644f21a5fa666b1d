// ss's filters: states, and an expression over addresses, ports and devices.
import type { Kernel } from '../../kernel/kernel.ts';
import { ToolExit } from '../tool.ts';
import { inetAton } from '../ping/resolver.ts';
import { parseIpv6 } from '../../wire/addresses.ts';
import { portOf } from '../tcpdump/services.ts';
import type { Entry } from './sockets.ts';

/** Names by state number, as the State column shows them. */
export const STATE_NAMES: readonly string[] = Object.freeze([
  'UNKNOWN',
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'UNCONN',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
]);
const LOWER: readonly string[] = Object.freeze([
  'unknown',
  'established',
  'syn-sent',
  'syn-recv',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'unconnected',
  'close-wait',
  'last-ack',
  'listening',
  'closing',
]);
export const SS_ALL = 0xffe;
export const SS_CONN = SS_ALL & ~((1 << 10) | (1 << 7) | (1 << 6) | (1 << 3));

/** The set of states of a name; 0 when there is none. */
export function statesOf(name: string): number {
  const at = LOWER.indexOf(name);
  if (at > 0) return 1 << at;
  switch (name) {
    case 'close':
    case 'closed':
      return 1 << 7;
    case 'listen':
      return 1 << 10;
    case 'syn-rcv':
      return 1 << 3;
    case 'all':
      return SS_ALL;
    case 'connected':
      return SS_ALL & ~((1 << 7) | (1 << 10));
    case 'synchronized':
      return SS_ALL & ~((1 << 7) | (1 << 10) | (1 << 2));
    case 'bucket':
      return (1 << 3) | (1 << 6);
    case 'big':
      return SS_ALL & ~((1 << 3) | (1 << 6));
    default:
      return 0;
  }
}

/** A condition as a tree of plain data. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly a: Condition; readonly b: Condition }
  | { readonly kind: 'not'; readonly a: Condition }
  | { readonly kind: 'addr'; readonly local: boolean; readonly bytes: Uint8Array | undefined; readonly plen: number; readonly port: number }
  | { readonly kind: 'port'; readonly local: boolean; readonly op: string; readonly port: number }
  | { readonly kind: 'dev'; readonly ifindex: number };

const OPS: Readonly<Record<string, string>> = Object.freeze({
  '=': '=',
  '==': '=',
  eq: '=',
  '!=': '!=',
  ne: '!=',
  neq: '!=',
  '>': '>',
  gt: '>',
  '<': '<',
  lt: '<',
  '>=': '>=',
  ge: '>=',
  geq: '>=',
  '<=': '<=',
  le: '<=',
  leq: '<=',
});

export class FilterParser {
  private at = 0;
  private readonly words: string[];
  constructor(
    private readonly kernel: Kernel,
    words: readonly string[],
  ) {
    this.words = words.flatMap((w) => w.replaceAll(/([()])/g, ' $1 ').split(/\s+/)).filter((w) => w !== '');
  }
  private fail(): never {
    throw new ToolExit(255, `ss: bison bellows (while parsing filter): "syntax error!" Sorry.\n`);
  }
  parse(): Condition | undefined {
    if (this.words.length === 0) return undefined;
    const c = this.or();
    if (this.at < this.words.length) this.fail();
    return c;
  }
  private or(): Condition {
    let a = this.and();
    while (['or', '|', '||'].includes(this.words[this.at])) {
      this.at++;
      a = { kind: 'or', a, b: this.and() };
    }
    return a;
  }
  private and(): Condition {
    let a = this.unary();
    for (;;) {
      const w = this.words[this.at];
      if (w === 'and' || w === '&' || w === '&&') this.at++;
      else if (w === undefined || w === ')' || ['or', '|', '||'].includes(w)) return a;
      a = { kind: 'and', a, b: this.unary() };
    }
  }
  private unary(): Condition {
    const w = this.words[this.at++];
    if (w === undefined) this.fail();
    if (w === 'not' || w === '!') return { kind: 'not', a: this.unary() };
    if (w === '(') {
      const c = this.or();
      if (this.words[this.at++] !== ')') this.fail();
      return c;
    }
    if (w === 'dst' || w === 'src') {
      const op = this.words[this.at] in OPS ? OPS[this.words[this.at++]] : '=';
      const c = this.address(this.words[this.at++], w === 'src');
      return op === '!=' ? { kind: 'not', a: c } : c;
    }
    if (w === 'dport' || w === 'sport') {
      const op = this.words[this.at] in OPS ? OPS[this.words[this.at++]] : '=';
      const text = (this.words[this.at++] ?? this.fail()).replace(/^.*:/, '');
      return { kind: 'port', local: w === 'sport', op, port: this.port(text) };
    }
    if (w === 'dev') {
      if (this.words[this.at] in OPS) this.at++;
      const dev = this.kernel.init_net.__dev_get_by_name(this.words[this.at++] ?? '');
      return { kind: 'dev', ifindex: dev?.ifindex ?? this.fail() };
    }
    return this.fail();
  }
  private port(text: string): number {
    const n = /^\d+$/.test(text) ? Number(text) : portOf(text)?.port;
    if (n === undefined) throw new ToolExit(1, `Error: "${text}" does not look like a port.\n`);
    return n;
  }
  private address(word: string | undefined, local: boolean): Condition {
    if (word === undefined) return this.fail();
    let host = word;
    let port = -1;
    const bracket = /^\[(.*)\](?::(.+))?$/.exec(word);
    if (bracket !== null) {
      [, host] = bracket;
      if (bracket[2] !== undefined && bracket[2] !== '*') port = this.port(bracket[2]);
    } else if (parseIpv6(word) === undefined && word.includes(':')) {
      const cut = word.lastIndexOf(':');
      host = word.slice(0, cut);
      if (word.slice(cut + 1) !== '*') port = this.port(word.slice(cut + 1));
    }
    const [bare, plen] = host.split('/');
    if (bare === '' || bare === '*') return { kind: 'addr', local, bytes: undefined, plen: 0, port };
    const bytes = inetAton(bare) ?? parseIpv6(bare);
    if (bytes === undefined) throw new ToolExit(1, `Error: an inet prefix is expected rather than "${word}".\n`);
    return { kind: 'addr', local, bytes, plen: plen === undefined ? bytes.length * 8 : Number(plen), port };
  }
}

export function matches(c: Condition | undefined, e: Entry): boolean {
  if (c === undefined) return true;
  switch (c.kind) {
    case 'and':
      return matches(c.a, e) && matches(c.b, e);
    case 'or':
      return matches(c.a, e) || matches(c.b, e);
    case 'not':
      return !matches(c.a, e);
    case 'dev':
      return e.ifindex === c.ifindex;
    case 'port':
      return compare(c.local ? e.lport : e.pport, c.op, c.port);
    case 'addr': {
      const have = c.local ? e.laddr : e.paddr;
      if (c.port >= 0 && (c.local ? e.lport : e.pport) !== c.port) return false;
      return c.bytes === undefined || prefix(have, c.bytes, c.plen);
    }
  }
}
function compare(a: number, op: string, b: number): boolean {
  if (op === '=') return a === b;
  if (op === '!=') return a !== b;
  if (op === '>') return a > b;
  if (op === '<') return a < b;
  return op === '>=' ? a >= b : a <= b;
}
function prefix(have: Uint8Array, want: Uint8Array, plen: number): boolean {
  let a = have;
  if (want.length === 4 && a.length === 16 && a[10] === 0xff && a[11] === 0xff && a.subarray(0, 10).every((x) => x === 0))
    a = a.subarray(12);
  if (a.length !== want.length) return false;
  for (let i = 0; i < plen; i++) if (((a[i >> 3] ^ want[i >> 3]) & (0x80 >> (i & 7))) !== 0) return false;
  return true;
}
