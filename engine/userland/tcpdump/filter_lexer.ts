// Words of a filter expression (pcap-filter(7)): numbers, addresses, names and operators.
import { parseIpv6, parseMac } from '../../wire/addresses.ts';

/** Why an expression is refused, as libpcap says it. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

export const syntaxError = (): FilterError => new FilterError("can't parse filter expression: syntax error");

/** `v4`: two to four decimal parts; `bytes`: an IPv6 or MAC address; `op`: everything that is not a word. */
export type Token =
  | { readonly kind: 'number'; readonly text: string; readonly value: number }
  | { readonly kind: 'v4'; readonly text: string }
  | { readonly kind: 'bytes'; readonly text: string; readonly bytes: Uint8Array }
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'op'; readonly text: string };

const NUMBER = /^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/;
/** Colons belong to an address only if all of the run is one: `tcp[0:2]` has none. */
const WITH_COLONS = /[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*/y;
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const OPERATOR = /&&|\|\||<<|>>|<=|>=|!=|==|[()[\]:=<>!+\-*/%&|^]/y;
const ALIASES: Readonly<Record<string, string>> = Object.freeze({ '&&': 'and', '||': 'or', '!': 'not', '==': '=' });

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    if (/\s/.test(text[at])) {
      at++;
      continue;
    }
    // a backslash makes a name of a keyword
    const escaped = text[at] === '\\';
    if (escaped) at++;
    const [token, length] = escaped ? nameAt(text, at) : tokenAt(text, at);
    tokens.push(token);
    at += length;
  }
  return tokens;
}

function match(re: RegExp, text: string, at: number): string | undefined {
  re.lastIndex = at;
  return re.exec(text)?.[0];
}

function nameAt(text: string, at: number): [Token, number] {
  const word = match(WORD, text, at);
  if (word === undefined) throw syntaxError();
  return [{ kind: 'name', text: word }, word.length];
}

function tokenAt(text: string, at: number): [Token, number] {
  const run = match(WITH_COLONS, text, at);
  const address = run === undefined ? undefined : (parseMac(run) ?? parseIpv6(run));
  if (run !== undefined && address !== undefined) return [{ kind: 'bytes', text: run, bytes: address }, run.length];
  const word = match(WORD, text, at);
  if (word !== undefined) return [classify(word), word.length];
  const op = match(OPERATOR, text, at);
  if (op === undefined) throw new FilterError(`illegal char '${text[at]}'`);
  const alias = ALIASES[op];
  return [
    alias === 'and' || alias === 'or' || alias === 'not' ? { kind: 'word', text: alias } : { kind: 'op', text: alias ?? op },
    op.length,
  ];
}

function classify(word: string): Token {
  if (NUMBER.test(word)) {
    const value = /^0\d/.test(word) ? Number.parseInt(word, 8) : Number(word);
    if (value > 0xffffffff) throw new FilterError(`number ${word} overflows 32 bits`);
    return { kind: 'number', text: word, value };
  }
  if (/^\d+(\.\d+){1,3}$/.test(word)) return { kind: 'v4', text: word };
  const mac = parseMac(word);
  return mac === undefined ? { kind: 'word', text: word } : { kind: 'bytes', text: word, bytes: mac };
}
