// traceroute's options, and the marks of ICMP errors in its output.
import { AF } from '../../kernel/rtnl_records.ts';
import type { ParsedOptions } from '../ping/getopt.ts';
import { inetAton } from '../ping/resolver.ts';
import { ToolExit } from '../tool.ts';

export interface TraceOptions {
  readonly family: number;
  readonly numeric: boolean;
  readonly icmp: boolean;
  readonly firstHop: number;
  readonly maxHops: number;
  readonly perHop: number;
  /** Probes under way at the same time. */
  readonly parallel: number;
  /** Seconds, and the factors of round trips of the same and of farther hops. */
  readonly wait: number;
  readonly here: number;
  readonly near: number;
  readonly port: number;
  /** Bytes after the IP header. */
  readonly dataLength: number;
  readonly source: Uint8Array | undefined;
  readonly device: string | undefined;
}

const fail = (text: string): never => {
  throw new ToolExit(2, `${text}\n`);
};

export function parseTraceOptions(parsed: ParsedOptions): TraceOptions {
  if (parsed.error !== undefined) {
    const letter = /'(.)'/.exec(parsed.error)?.[1] ?? '';
    fail(
      parsed.error.startsWith('invalid')
        ? `Bad option \`-${letter}' (argc 1)`
        : `Option \`-${letter}' (argc 1) requires an argument: \`-${letter} value'`,
    );
  }
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  const value = (letter: string): string | undefined => parsed.options.findLast((o) => o.letter === letter)?.value;
  const number = (letter: string, otherwise: number): number => {
    const text = value(letter);
    if (text === undefined) return otherwise;
    return /^\d+$/.test(text) ? Number(text) : fail(`Cannot handle \`-${letter}' option with arg \`${text}' (argc 1)`);
  };
  for (const letter of ['T', 'F', 'd', 'r', 'e', 'A', 'M', 't', 'z'])
    if (has(letter)) throw new ToolExit(1, `traceroute: -${letter} is not modelled\n`);
  const [host, length] = parsed.operands;
  if (host === undefined) fail('Specify "host" missing argument.');
  const firstHop = number('f', 1);
  const maxHops = number('m', 30);
  const perHop = number('q', 3);
  const parallel = number('N', 16);
  if (firstHop === 0 || firstHop > maxHops) fail('first hop out of range');
  if (maxHops > 255) fail('max hops cannot be more than 255');
  if (perHop === 0 || perHop > 10) fail('no more than 10 probes per hop');
  if (parallel === 0) fail('simultaneous probes number cannot be zero');
  const waits = (value('w') ?? '5,3,10').split(',').map(Number);
  if (!(waits[0] >= 0)) fail(`bad wait seconds \`${value('w') ?? ''}' specified`);
  const sourceText = value('s');
  const source = sourceText === undefined ? undefined : inetAton(sourceText);
  if (sourceText !== undefined && source === undefined) fail(`Cannot handle \`-s' option with arg \`${sourceText}' (argc 1)`);
  const header = has('6') || host.includes(':') ? 40 : 20;
  return {
    family: has('4') ? AF.INET : has('6') ? AF.INET6 : 0,
    numeric: has('n'),
    icmp: has('I'),
    firstHop,
    maxHops,
    perHop,
    parallel,
    wait: waits[0],
    here: waits[1] ?? 0,
    near: waits[2] ?? 0,
    port: number('p', 33_434),
    dataLength: length === undefined ? 40 : Math.max(Number(length) - header, 8),
    source,
    device: value('i'),
  };
}

/** Codes of Destination Unreachable (RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1). */
const MARKS4 = new Map<number, string>([
  [0, '!N'],
  [1, '!H'],
  [2, '!P'],
  [3, ''],
  [5, '!S'],
  [6, '!N'],
  [7, '!H'],
  [8, '!H'],
  [9, '!X'],
  [10, '!X'],
  [11, '!T'],
  [12, '!T'],
  [13, '!X'],
  [14, '!V'],
  [15, '!C'],
]);
const MARKS6 = new Map<number, string>([
  [0, '!N'],
  [1, '!X'],
  [2, '!H'],
  [3, '!H'],
  [4, ''],
]);

/** What is written after the time; undefined when the probe only ran out of hops and a farther one may do better. */
export function errorMark(family: number, type: number, code: number, info: number): string | undefined {
  const six = family === AF.INET6;
  if (type === (six ? 3 : 11) && code === 0) return undefined;
  if (six ? type === 2 : type === 3 && code === 4) return `!F-${info}`;
  if (type === (six ? 1 : 3)) return (six ? MARKS6 : MARKS4).get(code) ?? `!<${code}>`;
  return `!<${type}-${code}>`;
}
