// ping's options (iputils 20221126) and the complaints about them.
import { AF } from '../../kernel/rtnl_records.ts';
import { IP_PMTUDISC } from '../../kernel/sock.ts';
import { ToolExit } from '../tool.ts';
import { getopt } from './getopt.ts';

export const PING_VERSION =
  'ping from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n';

export interface PingOptions {
  family: number;
  target: string;
  adaptive: boolean;
  audible: boolean;
  broadcast: boolean;
  /** 0: for ever */
  count: number;
  /** Seconds, 0: none */
  deadline: number;
  timestamps: boolean;
  flood: boolean;
  /** Milliseconds between probes. */
  interval: number;
  intervalGiven: boolean;
  /** Address or interface of -I. */
  from: string | undefined;
  identifier: number | undefined;
  preload: number;
  noLoop: boolean;
  /** Milliseconds to wait for the last reply. */
  linger: number;
  mark: number | undefined;
  pmtudisc: number | undefined;
  numeric: boolean;
  outstanding: boolean;
  pattern: Uint8Array | undefined;
  quiet: boolean;
  tos: number | undefined;
  recordRoute: boolean;
  /** IPOPT_TS flag: 0 tsonly, 1 tsandaddr; 3 tsprespec is not built. */
  timestampOption: number | undefined;
  size: number;
  sndbuf: number | undefined;
  ttl: number | undefined;
  latency: boolean;
  verbose: boolean;
  flowlabel: number | undefined;
}

const LONG_MAX = '9223372036854775807';
const INT_MAX = 0x7fffffff;

function fatal(status: number, text: string): never {
  throw new ToolExit(status, `ping: ${text}\n`);
}

/** strtol_or_err() of iputils; `maxText` is what the message says. */
function integer(word: string, min: number, max: number, maxText = String(max)): number {
  if (!/^\s*[+-]?\d+$/.test(word)) fatal(1, `invalid argument: '${word}'`);
  const n = Number(word);
  if (n < min || n > max) fatal(1, `invalid argument: '${word}': out of range: ${min} <= value <= ${maxText}`);
  return n;
}

function decimal(word: string, message: string): number {
  const n = Number(word);
  if (word.trim() === '' || Number.isNaN(n)) fatal(2, `${message}: ${word}`);
  return n;
}

function pattern(word: string): Uint8Array {
  if (!/^[0-9a-fA-F]+$/.test(word)) fatal(2, `patterns must be specified as hex digits: ${word}`);
  const digits = word.slice(0, 32);
  return Uint8Array.from(digits.match(/..?/g) ?? [], (h) => Number.parseInt(h, 16));
}

function typeOfService(word: string): number {
  const n = /^0[xX]/.test(word) ? Number.parseInt(word, 16) : integer(word, 0, INT_MAX);
  if (Number.isNaN(n)) fatal(2, `bad TOS value: ${word}`);
  if (n > 255) fatal(2, `the decimal value of TOS bits must be in range 0-255: ${n}`);
  return n;
}

/** Our own short help, on stderr. */
export const pingUsage = (before = ''): never => {
  throw new ToolExit(
    2,
    `${before}\nUsage\n  ping [options] <destination>\n\nOptions:\n  -4 -6 -A -a -b -c COUNT -D -e ID -f -I INTERFACE|ADDRESS -i SECONDS -L -l PRELOAD -m MARK\n` +
      '  -M do|dont|want -n -O -p PATTERN -q -Q TOS -R -s SIZE -S SNDBUF -T tsonly|tsandaddr -t TTL -U -V -v -w DEADLINE -W TIMEOUT\n',
  );
};

const defaults = (): PingOptions => ({
  family: AF.UNSPEC,
  target: '',
  adaptive: false,
  audible: false,
  broadcast: false,
  count: 0,
  deadline: 0,
  timestamps: false,
  flood: false,
  interval: 1000,
  intervalGiven: false,
  from: undefined,
  identifier: undefined,
  preload: 1,
  noLoop: false,
  linger: 10_000,
  mark: undefined,
  pmtudisc: undefined,
  numeric: false,
  outstanding: false,
  pattern: undefined,
  quiet: false,
  tos: undefined,
  recordRoute: false,
  timestampOption: undefined,
  size: 56,
  sndbuf: undefined,
  ttl: undefined,
  latency: false,
  verbose: false,
  flowlabel: undefined,
});

const PMTU = new Map<string, number>([
  ['do', IP_PMTUDISC.DO],
  ['dont', IP_PMTUDISC.DONT],
  ['want', IP_PMTUDISC.WANT],
  ['probe', IP_PMTUDISC.PROBE],
]);

function setInterval(o: PingOptions, word: string): void {
  const seconds = decimal(word, 'bad timing interval');
  if (seconds < 0 || seconds > INT_MAX / 1000) fatal(2, `bad timing interval: ${word}`);
  o.interval = Math.trunc(seconds * 1000);
  o.intervalGiven = true;
}

function setLinger(o: PingOptions, word: string): void {
  const seconds = decimal(word, 'bad linger time');
  if (seconds < 0 || seconds > INT_MAX / 1_000_000) fatal(2, `bad linger time: ${word}`);
  o.linger = Math.trunc(seconds * 1000);
}

function withValue(o: PingOptions, letter: string, v: string): void {
  switch (letter) {
    case 'c':
      o.count = integer(v, 1, Number(LONG_MAX), LONG_MAX);
      break;
    case 'e':
      o.identifier = integer(v, 0, 0xffff);
      break;
    case 'F':
      o.flowlabel = integer(v, 0, 0xfffff);
      break;
    case 'i':
      setInterval(o, v);
      break;
    case 'I':
      o.from = v;
      break;
    case 'l':
      o.preload = integer(v, 1, 0x10000);
      break;
    case 'm':
      o.mark = integer(v, 0, 0xffffffff);
      break;
    case 'M':
      o.pmtudisc = PMTU.get(v) ?? fatal(1, `invalid -M argument: ${v}`);
      break;
    case 'p':
      o.pattern = pattern(v);
      break;
    case 'Q':
      o.tos = typeOfService(v);
      break;
    case 's':
      o.size = integer(v, 0, INT_MAX);
      break;
    case 'S':
      o.sndbuf = integer(v, 1, INT_MAX);
      break;
    case 't':
      o.ttl = integer(v, 0, 255);
      break;
    case 'T':
      if (v !== 'tsonly' && v !== 'tsandaddr')
        fatal(2, v === 'tsprespec' ? '-T tsprespec is not modelled' : `invalid timestamp type: ${v}`);
      o.timestampOption = v === 'tsonly' ? 0 : 1;
      break;
    case 'w':
      o.deadline = integer(v, 0, INT_MAX);
      break;
    case 'W':
      setLinger(o, v);
      break;
    default:
      fatal(2, `-${letter} is not modelled`);
  }
}

/** Options without a value: letter → what it sets. */
const SWITCHES: Readonly<Record<string, keyof PingOptions>> = Object.freeze({
  A: 'adaptive',
  a: 'audible',
  b: 'broadcast',
  D: 'timestamps',
  f: 'flood',
  L: 'noLoop',
  n: 'numeric',
  O: 'outstanding',
  q: 'quiet',
  R: 'recordRoute',
  U: 'latency',
  v: 'verbose',
});

export function parsePing(argv: readonly string[], print: (text: string) => void): PingOptions {
  const o = defaults();
  if (argv[0].endsWith('ping6')) o.family = AF.INET6;
  const parsed = getopt(argv.slice(1), 'h?4bRT:6F:N:aABc:CdDe:fi:I:l:Lm:M:nOp:qQ:rs:S:t:UvVw:W:');
  for (const { letter, value } of parsed.options) {
    const name = SWITCHES[letter];
    if (letter === 'h' || letter === '?') pingUsage();
    else if (letter === 'V') {
      print(PING_VERSION);
      throw new ToolExit(0);
    } else if (letter === '4' || letter === '6') {
      const family = letter === '4' ? AF.INET : AF.INET6;
      if (o.family !== AF.UNSPEC && o.family !== family) fatal(2, `only one -4 or -6 option may be specified`);
      o.family = family;
    } else if (value !== undefined) withValue(o, letter, value);
    else if (name !== undefined) Object.assign(o, { [name]: true });
    if (letter === 'R' && o.timestampOption !== undefined) fatal(2, 'only one of -T or -R may be used');
    if (letter === 'p' && !o.quiet && o.pattern !== undefined)
      print(`PATTERN: 0x${Array.from(o.pattern, (b) => b.toString(16).padStart(2, '0')).join('')}\n`);
  }
  if (parsed.error !== undefined) pingUsage(`ping: ${parsed.error}\n`);
  if (parsed.operands.length === 0) fatal(1, 'usage error: Destination address required');
  o.target = parsed.operands[parsed.operands.length - 1];
  if (parsed.operands.length > 1) fatal(2, 'source routes are not modelled');
  return o;
}
