// tcpdump's command line.
import { getopt } from '../ping/getopt.ts';
import { ToolExit } from '../tool.ts';
import type { PrintOptions } from './printer.ts';

/** The reference build's: Debian 12's tcpdump and what it is linked with. */
export const VERSION = 'tcpdump version 4.99.3\nlibpcap version 1.10.3 (with TPACKET_V3)\nOpenSSL 3.0.20 7 Apr 2026\n';
export const MAXIMUM_SNAPLEN = 262_144;

const SPEC = 'AB:c:De#F:hi:j:KlnpqQ:r:s:StT:uUvVw:xXz:Z:';
/** Long options and the letters they stand for. */
const LONG: Readonly<Record<string, string>> = Object.freeze({
  'absolute-tcp-sequence-numbers': 'S',
  'buffer-size': 'B',
  direction: 'Q',
  'dont-verify-checksums': 'K',
  help: 'h',
  interface: 'i',
  'list-interfaces': 'D',
  'no-promiscuous-mode': 'p',
  number: '#',
  'packet-buffered': 'U',
  'relinquish-privileges': 'Z',
  'snapshot-length': 's',
  version: 'V',
});
/** Taken, without a difference here: output is never held back, and nobody's privileges are dropped. */
const WITHOUT_EFFECT = 'lUuBZ';

export interface TcpdumpOptions {
  readonly print: PrintOptions;
  readonly iface: string | undefined;
  /** 0: no limit. */
  readonly count: number;
  readonly snaplen: number;
  readonly promiscuous: boolean;
  readonly direction: 'in' | 'out' | 'inout';
  readonly write: string | undefined;
  readonly read: string | undefined;
  /** --print: also when writing to a file. */
  readonly printToo: boolean;
  /** --count: only how many. */
  readonly countOnly: boolean;
  readonly list: boolean;
  readonly expression: string;
}

const USAGE =
  'Usage: tcpdump [-AeKlnpqStuUvxX#] [ -B size ] [ -c count ] [--count]\n' +
  '\t\t[ -i interface ] [ -Q in|out|inout ] [ -r file ] [ -s snaplen ]\n' +
  '\t\t[ -w file ] [ -F file ] [ --print ] [ expression ]\n';

const fail = (text: string): never => {
  throw new ToolExit(1, `tcpdump: ${text}\n`);
};

/** Letters in place of long options, whose abbreviations are understood too. */
function shorten(word: string, rest: string[]): string[] {
  const [name, value] = word.slice(2).split(/=(.*)/s, 2);
  const found = Object.keys(LONG).filter((k) => k === name || (name !== '' && k.startsWith(name)));
  const long = found.includes(name) ? name : found.length === 1 ? found[0] : undefined;
  if (long === undefined) throw new ToolExit(1, `tcpdump: unrecognized option '${word}'\n${VERSION}${USAGE}`);
  const letter = LONG[long];
  if (SPEC[SPEC.indexOf(letter) + 1] !== ':') return [`-${letter}`];
  const argument = value ?? rest.shift();
  if (argument === undefined) throw new ToolExit(1, `tcpdump: option '--${long}' requires an argument\n${VERSION}${USAGE}`);
  return [`-${letter}`, argument];
}

/** Ends with ToolExit for what is wrong, and for --version and --help. `print` is standard output, `readFile` what -F reads with. */
export function parseTcpdump(
  argv: readonly string[],
  print: (text: string) => void,
  readFile: (path: string) => string | undefined,
): TcpdumpOptions {
  const long = new Set<string>();
  const words: string[] = [];
  const rest = argv.slice(1);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      words.push(word, ...rest.splice(0));
    } else if (word === '--print' || word === '--count' || word === '--immediate-mode') long.add(word);
    else if (word.startsWith('--')) words.push(...shorten(word, rest));
    else words.push(word);
  }
  const parsed = getopt(words, SPEC);
  if (parsed.error !== undefined) throw new ToolExit(1, `tcpdump: ${parsed.error}\n${VERSION}${USAGE}`);
  const count = (letter: string): number => parsed.options.filter((o) => o.letter === letter).length;
  const has = (letter: string): boolean => count(letter) > 0;
  const value = (letter: string): string | undefined => parsed.options.filter((o) => o.letter === letter).at(-1)?.value;
  if (has('V') || has('h')) {
    print(has('h') ? VERSION + USAGE : VERSION);
    throw new ToolExit(0);
  }
  for (const letter of 'jTz') if (has(letter)) fail(`-${letter} is not modelled`);
  const odd = parsed.options.find((o) => WITHOUT_EFFECT.includes(o.letter) && o.letter === 'B' && !/^\d+$/.test(o.value ?? ''));
  if (odd !== undefined) fail(`invalid packet buffer size ${odd.value}`);
  const direction = value('Q') ?? 'inout';
  if (direction !== 'in' && direction !== 'out' && direction !== 'inout') return fail(`unknown capture direction '${direction}'`);
  const file = value('F');
  const expression = file === undefined ? parsed.operands.join(' ') : readFile(file);
  if (expression === undefined) return fail(`can't open ${file}: No such file or directory`);
  return {
    print: {
      link: has('e'),
      numeric: has('n'),
      quiet: count('q'),
      verbose: count('v'),
      absolute: has('S'),
      noChecksums: has('K'),
      dump: has('A') ? 'ascii' : has('X') ? 'both' : has('x') ? 'hex' : 'none',
      dumpLink: count('X') > 1 || count('x') > 1 || count('A') > 1,
      time: count('t'),
      numbers: has('#'),
    },
    iface: value('i'),
    count: packetCount(value('c')),
    snaplen: snapshotLength(value('s')),
    promiscuous: !has('p'),
    direction,
    write: value('w'),
    read: value('r'),
    printToo: long.has('--print'),
    countOnly: long.has('--count'),
    list: has('D'),
    expression,
  };
}

function packetCount(text: string | undefined): number {
  if (text === undefined) return 0;
  const n = /^\s*\d+/.test(text) ? Number.parseInt(text, 10) : 0;
  return n > 0 ? n : fail(`invalid packet count ${text}`);
}

function snapshotLength(text: string | undefined): number {
  if (text === undefined) return MAXIMUM_SNAPLEN;
  const n = /^(0x[0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : -1;
  if (n < 0 || n > MAXIMUM_SNAPLEN) return fail(`invalid snaplen ${text} (must be >= 0 and <= ${MAXIMUM_SNAPLEN})`);
  return n === 0 ? MAXIMUM_SNAPLEN : n;
}
