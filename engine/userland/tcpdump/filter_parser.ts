// The filter language of pcap-filter(7): from an expression to a BPF program.
import { BPF, type BpfProgram } from '../../kernel/bpf.ts';
import { and, assemble, type Condition, insn, type LinkLayout, not, or, test } from './filter_code.ts';
import { type Arithmetic, CONSTANTS, isOperator, isRelation, relation } from './filter_arithmetic.ts';
import { FilterError, syntaxError, type Token, tokenize } from './filter_lexer.ts';
import { type Direction, ETHER_TYPES, isBase, Primitives, PROTOCOLS } from './filter_primitives.ts';
import { portOf } from './services.ts';

/** Looks names of hosts up: addresses of 4 or 16 bytes. A constant, or an object of the world. */
export interface HostNames {
  addresses(name: string): readonly Uint8Array[];
}

type Kind = 'host' | 'net' | 'port' | 'portrange' | 'proto';
/** What stands before an identifier, and holds for those that follow it without any. */
interface Qualifiers {
  readonly protocol: string | undefined;
  readonly direction: Direction;
  readonly kind: Kind;
}

const KINDS: ReadonlySet<string> = new Set(['host', 'net', 'port', 'portrange', 'proto']);
const PRECEDENCE = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '%']] as const;
/** libpcap parses by a table; ours by recursion, which must end. */
const DEPTH_MAX = 200;

/** Throws FilterError with libpcap's words. An empty expression takes every packet. */
export function compileFilter(text: string, link: LinkLayout, snaplen: number, names: HostNames): BpfProgram {
  const tokens = tokenize(text);
  const condition: Condition = tokens.length === 0 ? { kind: 'always' } : new Parser(tokens, new Primitives(link), names).parse();
  return assemble(condition, snaplen);
}

class Parser {
  private at = 0;
  private depth = 0;
  private last: Qualifiers | undefined;
  constructor(
    private readonly tokens: readonly Token[],
    private readonly make: Primitives,
    private readonly names: HostNames,
  ) {}

  parse(): Condition {
    const condition = this.expression();
    if (this.at < this.tokens.length) throw syntaxError();
    return condition;
  }

  private get token(): Token | undefined {
    return this.tokens[this.at] as Token | undefined;
  }
  private isWord(text: string): boolean {
    return this.token?.kind === 'word' && this.token.text === text;
  }
  private isOp(text: string): boolean {
    return this.token?.kind === 'op' && this.token.text === text;
  }
  private takeWord(text: string): boolean {
    if (!this.isWord(text)) return false;
    this.at++;
    return true;
  }
  private takeOp(text: string): boolean {
    if (!this.isOp(text)) return false;
    this.at++;
    return true;
  }
  private expectOp(text: string): void {
    if (!this.takeOp(text)) throw syntaxError();
  }

  /** `and` and `or` bind alike, from the left. */
  private expression(): Condition {
    if (++this.depth > DEPTH_MAX) throw new FilterError('expression is too long');
    let left = this.term();
    for (;;) {
      if (this.takeWord('and')) left = and(left, this.term());
      else if (this.takeWord('or')) left = or(left, this.term());
      else break;
    }
    this.depth--;
    return left;
  }

  private term(): Condition {
    let negated = false;
    while (this.takeWord('not')) negated = !negated;
    const condition = this.positive();
    return negated ? not(condition) : condition;
  }

  private positive(): Condition {
    if (this.isArithmetic()) return this.relation();
    if (this.takeOp('(')) {
      const inner = this.expression();
      this.expectOp(')');
      return inner;
    }
    // an identifier alone: what was said of the one before holds for it
    if (this.last !== undefined && this.isIdentifier()) return this.identifier(this.last);
    return this.primitive();
  }

  private primitive(): Condition {
    const { make } = this;
    if (this.takeWord('less')) return not(test([insn(BPF.LD | BPF.LEN)], this.number(), BPF.JGT));
    if (this.takeWord('greater')) return test([insn(BPF.LD | BPF.LEN)], this.number(), BPF.JGE);
    if (this.takeWord('inbound')) return make.direction(true);
    if (this.takeWord('outbound')) return make.direction(false);
    if (this.takeWord('vlan')) return make.vlan(this.token?.kind === 'number' ? this.number() : undefined);
    if (this.takeWord('broadcast')) return make.broadcast(undefined);
    if (this.takeWord('multicast')) return make.multicast(undefined);
    for (const word of ['gateway', 'protochain', 'mpls', 'pppoed', 'pppoes', 'geneve'])
      if (this.isWord(word)) throw new FilterError(`'${word}' is not modelled`);

    const protocol = this.protocol();
    if (protocol !== undefined && this.takeWord('broadcast')) return make.broadcast(protocol);
    if (protocol !== undefined && this.takeWord('multicast')) return make.multicast(protocol);
    const direction = this.direction();
    const kind = this.kind();
    if (direction === undefined && kind === undefined) {
      if (protocol === undefined) throw syntaxError();
      if (protocol === 'ether') throw syntaxError();
      return make.named(protocol);
    }
    this.last = { protocol, direction: direction ?? 'either', kind: kind ?? 'host' };
    return this.identifiers(this.last);
  }

  private protocol(): string | undefined {
    const { token } = this;
    if (token?.kind !== 'word' || !isBase(token.text)) return undefined;
    this.at++;
    return token.text === 'link' ? 'ether' : token.text;
  }

  private direction(): Direction | undefined {
    const first = this.isWord('src') ? 'src' : this.isWord('dst') ? 'dst' : undefined;
    if (first === undefined) return undefined;
    this.at++;
    const [join, second] = [this.tokens[this.at], this.tokens[this.at + 1]] as (Token | undefined)[];
    const other = first === 'src' ? 'dst' : 'src';
    if (second?.kind !== 'word' || second.text !== other || join?.kind !== 'word' || (join.text !== 'and' && join.text !== 'or'))
      return first;
    // `src or dst X`; but `src X or dst Y` has X between
    this.at += 2;
    return join.text === 'and' ? 'both' : 'either';
  }

  private kind(): Kind | undefined {
    const { token } = this;
    if (token?.kind !== 'word' || !KINDS.has(token.text)) return undefined;
    this.at++;
    return token.text as Kind;
  }

  /** One identifier, or several in parentheses: `port (80 or 443)`. */
  private identifiers(q: Qualifiers): Condition {
    if (!this.takeOp('(')) return this.identifier(q);
    const one = (): Condition => (this.takeWord('not') ? not(this.identifiers(q)) : this.identifiers(q));
    let left = one();
    while (!this.takeOp(')')) {
      if (this.takeWord('and')) left = and(left, one());
      else if (this.takeWord('or')) left = or(left, one());
      else throw syntaxError();
    }
    return left;
  }

  private isIdentifier(): boolean {
    const { token } = this;
    if (token === undefined || token.kind === 'op') return false;
    if (token.kind !== 'word') return true;
    const { text } = token;
    return (
      !isBase(text) &&
      !KINDS.has(text) &&
      !['src', 'dst', 'and', 'or', 'not', 'less', 'greater', 'vlan', 'broadcast', 'multicast', 'inbound', 'outbound', 'len'].includes(text)
    );
  }

  private identifier(q: Qualifiers): Condition {
    const { token } = this;
    if (token === undefined || token.kind === 'op') throw syntaxError();
    // proto's operand may be a keyword only behind a backslash; ports have names that are words
    if (token.kind === 'word' && !this.isIdentifier()) throw syntaxError();
    this.at++;
    switch (q.kind) {
      case 'host':
        return this.host(q, token);
      case 'net':
        return this.net(q, token);
      case 'port':
      case 'portrange':
        return this.port(q, token);
      case 'proto':
        return this.protocolNumber(q, token);
    }
  }

  private host(q: Qualifiers, token: Token): Condition {
    if (q.protocol === 'ether') {
      if (token.kind === 'bytes' && token.bytes.length === 6) return this.make.etherHost(token.bytes, q.direction);
      throw new FilterError(
        token.kind === 'word' || token.kind === 'name' ? `unknown ether host '${token.text}'` : 'only ethernet addresses',
      );
    }
    const full = (a: Uint8Array): Condition => this.make.host(a, new Uint8Array(a.length).fill(0xff), q.direction, q.protocol);
    if (token.kind === 'bytes') {
      if (token.bytes.length === 6) throw new FilterError('ethernet address used in non-ether expression');
      return full(token.bytes);
    }
    if (token.kind === 'v4' || token.kind === 'number') {
      const { address, mask } = parts(token.text);
      return this.make.host(address, mask, q.direction, q.protocol);
    }
    const wanted = q.protocol === 'ip6' ? 16 : q.protocol === undefined ? 0 : 4;
    const found = this.names.addresses(token.text).filter((a) => wanted === 0 || a.length === wanted);
    if (found.length === 0) throw new FilterError(`unknown host '${token.text}'`);
    return found.map(full).reduce(or);
  }

  private net(q: Qualifiers, token: Token): Condition {
    if (token.kind === 'bytes' && token.bytes.length === 16) {
      const length = this.takeOp('/') ? this.number() : 128;
      if (length > 128) throw new FilterError('mask length must be <= 128');
      return this.make.host(token.bytes, prefixMask(16, length), q.direction, q.protocol);
    }
    if (token.kind !== 'v4' && token.kind !== 'number') throw new FilterError(`unknown network '${token.text}'`);
    const { address, mask: implied } = parts(token.text);
    let mask = implied;
    let shown = token.text;
    if (this.takeOp('/')) {
      const length = this.number();
      if (length > 32) throw new FilterError('mask length must be <= 32');
      mask = prefixMask(4, length);
      shown = `${token.text}/${length}`;
    } else if (this.takeWord('mask')) {
      const given = this.token;
      if (given?.kind !== 'v4') throw syntaxError();
      this.at++;
      mask = parts(given.text).address;
      shown = `${token.text} mask ${given.text}`;
    }
    if (address.some((b, i) => (b & ~mask[i]) !== 0)) throw new FilterError(`non-network bits set in "${shown}"`);
    return this.make.host(address, mask, q.direction, q.protocol);
  }

  private port(q: Qualifiers, token: Token): Condition {
    let { protocol } = q;
    if (protocol === 'ip' || protocol === 'ip6' || (protocol !== undefined && !['tcp', 'udp', 'sctp'].includes(protocol)))
      throw new FilterError(`illegal qualifier of '${q.kind}'`);
    const span = q.kind === 'portrange' ? token.text.split('-') : [token.text];
    if (span.length > 2) throw syntaxError();
    const numbers = span.map((text) => {
      if (/^\d+$/.test(text)) {
        if (Number(text) > 0xffff) throw new FilterError(`illegal port number ${text} > 65535`);
        return Number(text);
      }
      const known = portOf(text);
      if (known === undefined)
        throw new FilterError(q.kind === 'portrange' ? `unknown port in range '${token.text}'` : `unknown port '${text}'`);
      if (protocol === undefined && known.tcp !== known.udp) protocol = known.tcp ? 'tcp' : 'udp';
      else if ((protocol === 'tcp' && !known.tcp) || (protocol === 'udp' && !known.udp))
        throw new FilterError(`port '${text}' is ${known.tcp ? 'tcp' : 'udp'}`);
      return known.port;
    });
    return this.make.ports(Math.min(...numbers), Math.max(...numbers), q.direction, protocol);
  }

  private protocolNumber(q: Qualifiers, token: Token): Condition {
    const table = q.protocol === 'ether' ? ETHER_TYPES : PROTOCOLS;
    if (token.kind !== 'number' && !Object.hasOwn(table, token.text)) throw new FilterError(`unknown protocol: ${token.text}`);
    const n = token.kind === 'number' ? token.value : table[token.text];
    if (q.protocol === 'ether') return this.make.etherType(n);
    if (q.protocol === 'ip') return this.make.ipProtocol(n);
    if (q.protocol === 'ip6') return this.make.ip6Protocol(n);
    if (q.protocol !== undefined) throw new FilterError(`'${q.protocol} proto' is bogus`);
    return or(this.make.ipProtocol(n), this.make.ip6Protocol(n));
  }

  private number(): number {
    const { token } = this;
    if (token?.kind !== 'number') throw syntaxError();
    this.at++;
    return token.value;
  }

  // values

  /** Does a relation begin here? An open parenthesis belongs to a value when an operator follows its end. */
  private isArithmetic(): boolean {
    const { token } = this;
    if (token === undefined) return false;
    if (token.kind === 'op') {
      if (token.text === '-') return true;
      if (token.text !== '(') return false;
      let depth = 0;
      for (let i = this.at; i < this.tokens.length; i++) {
        const t = this.tokens[i];
        if (t.kind !== 'op') continue;
        if (t.text === '(') depth++;
        else if (t.text === ')' && --depth === 0) return this.isValueOperator(i + 1);
      }
      return false;
    }
    const next = this.tokens[this.at + 1] as Token | undefined;
    if (token.kind === 'number') return this.isValueOperator(this.at + 1);
    if (token.kind !== 'word') return false;
    return (
      token.text === 'len' ||
      (Object.hasOwn(CONSTANTS, token.text) && this.isValueOperator(this.at + 1)) ||
      (isBase(token.text) && next?.kind === 'op' && next.text === '[')
    );
  }
  private isValueOperator(i: number): boolean {
    const t = this.tokens[i] as Token | undefined;
    return t?.kind === 'op' && (isRelation(t.text) || isOperator(t.text));
  }

  private relation(): Condition {
    const a = this.value(0);
    const { token } = this;
    if (token?.kind !== 'op' || !isRelation(token.text)) throw syntaxError();
    this.at++;
    return relation(a, token.text, this.value(0), this.make);
  }

  private value(level: number): Arithmetic {
    if (level === PRECEDENCE.length) return this.factor();
    let left = this.value(level + 1);
    for (;;) {
      const { token } = this;
      if (token?.kind !== 'op' || !(PRECEDENCE[level] as readonly string[]).includes(token.text)) return left;
      this.at++;
      left = { kind: 'binary', op: token.text, a: left, b: this.value(level + 1) };
    }
  }

  private factor(): Arithmetic {
    if (++this.depth > DEPTH_MAX) throw new FilterError('expression is too long');
    const factor = this.innerFactor();
    this.depth--;
    return factor;
  }

  private innerFactor(): Arithmetic {
    if (this.takeOp('-')) return { kind: 'negate', a: this.factor() };
    if (this.takeOp('(')) {
      const inner = this.value(0);
      this.expectOp(')');
      return inner;
    }
    const { token } = this;
    if (token?.kind === 'number') return { kind: 'number', value: this.number() };
    if (token?.kind !== 'word') throw syntaxError();
    this.at++;
    if (token.text === 'len') return { kind: 'length' };
    if (Object.hasOwn(CONSTANTS, token.text)) return { kind: 'number', value: CONSTANTS[token.text] };
    if (!isBase(token.text)) throw syntaxError();
    this.expectOp('[');
    const at = this.value(0);
    const size = this.takeOp(':') ? this.number() : 1;
    this.expectOp(']');
    if (size !== 1 && size !== 2 && size !== 4) throw new FilterError('data size must be 1, 2, or 4');
    return { kind: 'load', base: token.text, at, size };
  }
}

/** Address and mask of one to four decimal parts: what is missing is neither set nor compared. */
function parts(text: string): { readonly address: Uint8Array; readonly mask: Uint8Array } {
  const numbers = text.split('.').map(Number);
  if (numbers.some((n) => n > 255)) throw new FilterError(`invalid IPv4 address '${text}'`);
  const address = new Uint8Array(4);
  address.set(numbers);
  return { address, mask: prefixMask(4, numbers.length * 8) };
}

function prefixMask(bytes: number, length: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff);
}
