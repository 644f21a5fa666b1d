// iperf3's command line.
import { parseUnits } from './units.ts';

export interface IperfOptions {
  server: boolean;
  host: string;
  port: number;
  bind: string;
  clientPort: number;
  family: number;
  udp: boolean;
  /** Seconds, or bytes or blocks instead. */
  time: number;
  bytes: number;
  blocks: number;
  omit: number;
  interval: number;
  parallel: number;
  reverse: boolean;
  /** bits per second, 0 unlimited */
  rate: number;
  /** Bytes of a write; 0: the protocol's own. */
  length: number;
  window: number;
  mss: number;
  noDelay: boolean;
  congestion: string;
  tos: number;
  json: boolean;
  verbose: boolean;
  format: string;
  oneOff: boolean;
  connectTimeout: number;
  title: string;
  pacingRate: number;
}

const LONG: Readonly<Record<string, string>> = Object.freeze({
  port: 'p:',
  format: 'f:',
  interval: 'i:',
  bind: 'B:',
  verbose: 'V',
  json: 'J',
  server: 's',
  'one-off': '1',
  client: 'c:',
  udp: 'u',
  bitrate: 'b:',
  bandwidth: 'b:',
  time: 't:',
  bytes: 'n:',
  blockcount: 'k:',
  length: 'l:',
  parallel: 'P:',
  reverse: 'R',
  window: 'w:',
  congestion: 'C:',
  'set-mss': 'M:',
  'no-delay': 'N',
  version4: '4',
  version6: '6',
  tos: 'S:',
  zerocopy: 'Z',
  omit: 'O:',
  title: 'T:',
  version: 'v',
  help: 'h',
  cport: '\u0001:',
  'connect-timeout': '\u0002:',
  'fq-rate': '\u0003:',
  'get-server-output': '\u0004',
  forceflush: '\u0005',
  bidir: '\u0006',
  daemon: 'D',
  logfile: '\u0007:',
  dscp: '\u0008:',
  'pacing-timer': '\u0009:',
  affinity: 'A:',
});
const SHORT = 'p:f:i:B:VJs1c:ub:t:n:k:l:P:Rw:C:M:N46S:ZO:T:vhDA:';

/** What was wrong, as iperf3 words it. */
export interface OptionError {
  readonly error: string;
}

export const VERSION = 'iperf 3.12 (cJSON 1.7.15)\n';

/** The options, a text to print and end with ('version', 'help'), or what was wrong. */
export function parseOptions(argv: readonly string[]): IperfOptions | OptionError | 'version' | 'help' {
  const o: IperfOptions = {
    server: false,
    host: '',
    port: 5201,
    bind: '',
    clientPort: 0,
    family: 0,
    udp: false,
    time: 10,
    bytes: 0,
    blocks: 0,
    omit: 0,
    interval: 1,
    parallel: 1,
    reverse: false,
    rate: -1,
    length: 0,
    window: 0,
    mss: 0,
    noDelay: false,
    congestion: '',
    tos: 0,
    json: false,
    verbose: false,
    format: 'a',
    oneOff: false,
    connectTimeout: -1,
    title: '',
    pacingRate: 0,
  };
  const words = [...argv];
  while (words.length > 0) {
    const word = words.shift() as string;
    let letters: string;
    let inline: string | undefined;
    if (word.startsWith('--')) {
      const [name, value] = word.slice(2).split(/=(.*)/s);
      const known = LONG[name] ?? LONG[Object.keys(LONG).find((k) => k.startsWith(name)) ?? ''];
      if (known === undefined) return { error: `unrecognized option '${word}'` };
      letters = known[0];
      inline = known.endsWith(':') ? (value ?? words.shift()) : undefined;
      if (known.endsWith(':') && inline === undefined) return { error: `option '--${name}' requires an argument` };
    } else if (word.startsWith('-') && word.length > 1) {
      letters = word.slice(1);
    } else return { error: `unrecognized argument '${word}'` };
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i];
      let value = inline ?? '';
      if (!word.startsWith('--')) {
        const at = SHORT.indexOf(letter);
        if (at < 0 || letter === ':') return { error: `invalid option -- '${letter}'` };
        if (SHORT[at + 1] === ':') {
          const rest = letters.slice(i + 1);
          const given = rest !== '' ? rest : words.shift();
          if (given === undefined) return { error: `option requires an argument -- '${letter}'` };
          value = given;
          i = letters.length;
        }
      }
      const bad = apply(o, letter, value);
      if (bad === 'version' || bad === 'help') return bad;
      if (bad !== undefined) return { error: bad };
    }
  }
  if (!o.server && o.host === '') return { error: 'parameter error - must either be a client (-c) or server (-s)' };
  if (o.rate < 0) o.rate = o.udp ? 1024 * 1024 : 0;
  return o;
}

function apply(o: IperfOptions, letter: string, value: string): string | undefined {
  const n = Number(value);
  switch (letter) {
    case 'p':
      if (!Number.isInteger(n) || n < 1 || n > 65535) return 'parameter error - bad port number';
      o.port = n;
      return undefined;
    case 'f':
      o.format = value[0] ?? 'a';
      return 'kmgtKMGTa'.includes(o.format)
        ? undefined
        : 'parameter error - bad format specifier (valid formats are in the set [kmgtKMGT])';
    case 'i':
      o.interval = n;
      if (!(n === 0 || (n >= 0.1 && n <= 60))) return 'parameter error - invalid report interval (min = 0.1, max = 60 seconds)';
      return undefined;
    case 'B':
      o.bind = value;
      return undefined;
    case 'V':
      o.verbose = true;
      return undefined;
    case 'J':
      o.json = true;
      return undefined;
    case 's':
      o.server = true;
      return undefined;
    case '1':
      o.oneOff = true;
      return undefined;
    case 'c':
      o.host = value;
      return undefined;
    case 'u':
      o.udp = true;
      return undefined;
    case 'b':
      o.rate = parseUnits(value.split('/')[0], 1000);
      return Number.isNaN(o.rate) ? 'parameter error - bad bit rate' : undefined;
    case 't':
      o.time = n;
      return Number.isInteger(n) && n >= 0 && n <= 86400
        ? undefined
        : 'parameter error - test duration valid values are 0 to 86400 seconds';
    case 'n':
      o.bytes = parseUnits(value, 1024);
      o.time = 0;
      return undefined;
    case 'k':
      o.blocks = parseUnits(value, 1024);
      o.time = 0;
      return undefined;
    case 'l':
      o.length = parseUnits(value, 1024);
      return o.length > 1024 * 1024 ? 'parameter error - block size too large (maximum = 1048576 bytes)' : undefined;
    case 'P':
      o.parallel = n;
      return n > 128 ? 'parameter error - number of parallel streams too large (maximum = 128)' : undefined;
    case 'R':
      o.reverse = true;
      return undefined;
    case 'w':
      o.window = parseUnits(value, 1024);
      return undefined;
    case 'C':
      o.congestion = value;
      return undefined;
    case 'M':
      o.mss = n;
      return n > 9216 ? 'parameter error - TCP MSS too large (maximum = 9216 bytes)' : undefined;
    case 'N':
      o.noDelay = true;
      return undefined;
    case '4':
      o.family = 2;
      return undefined;
    case '6':
      o.family = 10;
      return undefined;
    case 'S':
    case '\u0008':
      o.tos = letter === 'S' ? n : n << 2;
      return undefined;
    case 'O':
      o.omit = n;
      return undefined;
    case 'T':
      o.title = value;
      return undefined;
    case '\u0001':
      o.clientPort = n;
      return undefined;
    case '\u0002':
      o.connectTimeout = n;
      return undefined;
    case '\u0003':
      o.pacingRate = parseUnits(value, 1000);
      return undefined;
    case 'Z':
    case '\u0005':
    case '\u0009':
      return undefined;
    case 'v':
      return 'version';
    case 'h':
      return 'help';
    default:
      return `option -${letter} is not modelled`;
  }
}
