// ss(8) of iproute2 6.1: sockets of the kernel.
import type { Sock } from '../../kernel/sock.ts';
import { formatAddress } from '../iproute/args.ts';
import { IPROUTE_VERSION } from '../iproute/version.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { infoText, memoryText, timerText } from './details.ts';
import { type Condition, FilterParser, matches, SS_ALL, SS_CONN, STATE_NAMES, statesOf } from './filter.ts';
import { entriesOf, type Entry } from './sockets.ts';
import { COL, render, type Row } from './table.ts';

const USAGE = `Usage: ss [ OPTIONS ]
       ss [ OPTIONS ] [ FILTER ]
   -h -V -n -r -a -l -o -e -m -p -i -s -4 -6 -0 -t -u -w -x -H -O -N -A -f
   FILTER := [ state STATE-FILTER ] [ EXPRESSION ]
`;
const LONG: Readonly<Record<string, string>> = Object.freeze({
  help: 'h',
  version: 'V',
  numeric: 'n',
  resolve: 'r',
  all: 'a',
  listening: 'l',
  options: 'o',
  extended: 'e',
  memory: 'm',
  processes: 'p',
  info: 'i',
  summary: 's',
  ipv4: '4',
  ipv6: '6',
  packet: '0',
  tcp: 't',
  udp: 'u',
  raw: 'w',
  unix: 'x',
  'no-header': 'H',
  oneline: 'O',
  net: 'N',
  family: 'f',
  query: 'A',
  socket: 'A',
});
const KNOWN = 'hVnraloempis460tuwxHO';
const WITH_VALUE = 'NfA';
const NOT_MODELLED = 'TbEZzMSdKDF';
/** Which tables a name of -A stands for. */
const QUERY: Readonly<Record<string, readonly string[]>> = Object.freeze({
  all: ['packet', 'unix', 'raw', 'udp', 'tcp'],
  inet: ['raw', 'udp', 'tcp'],
  tcp: ['tcp'],
  udp: ['udp'],
  raw: ['raw'],
  unix: ['unix'],
  packet: ['packet'],
});
/** In the order in which ss asks for them. */
const TABLES = ['packet', 'unix', 'raw', 'udp', 'tcp'] as const;

interface Request {
  readonly flags: Set<string>;
  readonly tables: Set<string>;
  family: number;
  states: number;
  condition: Condition | undefined;
}

function parse(ctx: ToolContext): Request {
  const r: Request = { flags: new Set(), tables: new Set(), family: 0, states: 0, condition: undefined };
  const rest: string[] = [];
  const words = ctx.argv.slice(1);
  const one = (letter: string, value: string): void => {
    if (NOT_MODELLED.includes(letter)) throw new ToolExit(1, `ss: -${letter} is not modelled\n`);
    if (letter === 't') r.tables.add('tcp');
    else if (letter === 'u') r.tables.add('udp');
    else if (letter === 'w') r.tables.add('raw');
    else if (letter === 'x') r.tables.add('unix');
    else if (letter === '0') r.tables.add('packet');
    else if (letter === '4') r.family = 2;
    else if (letter === '6') r.family = 10;
    else if (letter === 'f') r.family = value === 'inet' ? 2 : value === 'inet6' ? 10 : value === 'link' ? 17 : value === 'unix' ? 1 : -1;
    else if (letter === 'A')
      for (const name of value.split(',')) {
        if (!Object.hasOwn(QUERY, name)) throw new ToolExit(255, `ss: "${name}" is illegal socket table id\n${USAGE}`);
        for (const t of QUERY[name]) r.tables.add(t);
      }
    else if (letter === 'N') {
      const net = ctx.kernel.netns.byName(value);
      if (net === undefined) throw new ToolExit(255, `Cannot open network namespace "${value}": No such file or directory\n`);
      ctx.net = net;
    } else r.flags.add(letter);
  };
  for (let i = 0; i < words.length; i++) {
    const w = words[i];
    if (w.startsWith('--')) {
      const [name, value] = w.slice(2).split(/=(.*)/s);
      const letter = LONG[name];
      if (letter === undefined) throw new ToolExit(255, `ss: unrecognized option '${w}'\n${USAGE}`);
      one(letter, WITH_VALUE.includes(letter) ? (value ?? words[++i] ?? '') : '');
    } else if (w.startsWith('-') && w.length > 1) {
      for (let k = 1; k < w.length; k++) {
        const letter = w[k];
        if (!(KNOWN + WITH_VALUE + NOT_MODELLED).includes(letter)) throw new ToolExit(255, `ss: invalid option -- '${letter}'\n${USAGE}`);
        if (!WITH_VALUE.includes(letter)) {
          one(letter, '');
          continue;
        }
        one(letter, k + 1 < w.length ? w.slice(k + 1) : (words[++i] ?? ''));
        break;
      }
    } else rest.push(w);
  }
  filter(ctx, r, rest);
  return r;
}

/** `state NAME`, `exclude NAME` as often as wanted, then the expression. */
function filter(ctx: ToolContext, r: Request, words: string[]): void {
  let states = 0;
  let chosen = false;
  while (words[0] === 'state' || words[0] === 'exclude') {
    const [what, name] = words.splice(0, 2);
    const set = name === undefined ? 0 : statesOf(name);
    if (set === 0) throw new ToolExit(255, `ss: wrong state name: ${name ?? ''}\n`);
    if (what === 'state') states |= set;
    else states = (chosen ? states : SS_ALL) & ~set;
    chosen = true;
  }
  if (chosen) r.states = states;
  else if (r.flags.has('a')) r.states = SS_ALL;
  else r.states = r.flags.has('l') ? (1 << 10) | (1 << 7) : SS_CONN;
  r.condition = new FilterParser(ctx.kernel, words).parse();
}

function addressText(ctx: ToolContext, e: Entry, bytes: Uint8Array, local: boolean): string {
  if (e.family === 17) return local ? `${e.lport === 3 ? '*' : e.lport === 0 ? '*' : e.lport === 0x800 ? 'ip' : `[${e.lport}]`}:` : '';
  const any = bytes.every((b) => b === 0);
  const dev = local && e.ifindex !== 0 ? `%${ctx.net.__dev_get_by_index(e.ifindex)?.name ?? e.ifindex}` : '';
  if (e.family === 2) return `${formatAddress(bytes)}${dev}:`;
  if (any && !e.v6only && (e.state === 10 || e.state === 7)) return `*${dev}:`;
  const text = formatAddress(bytes);
  const scope =
    bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80 && !local && e.ifindex !== 0
      ? `%${ctx.net.__dev_get_by_index(e.ifindex)?.name ?? e.ifindex}`
      : dev;
  return `[${text}]${scope}:`;
}
const portText = (port: number): string => (port === 0 ? '*' : String(port));

function users(s: Sock | undefined): string {
  if (s?.owner === undefined || s.owner.exited) return '';
  return ` users:(("${s.owner.comm}",pid=${s.owner.pid},fd=${s.fd}))`;
}

/** uid, inode, identity and what is shut down. A request or TIME_WAIT has no inode. */
function extended(e: Entry): string {
  const s = e.sock;
  if (s === undefined || e.family === 17) return '';
  const mask = e.tcp?.shutdown ?? 0;
  const cgroup = ' cgroup:unreachable:1';
  return `${s.ino === 0 ? '' : ` ino:${s.ino}`} sk:${(s.ino & 0xffff).toString(16)}${cgroup} ${(mask & 1) !== 0 ? '-' : '<'}-${(mask & 2) !== 0 ? '-' : '>'}`;
}

function rowOf(ctx: ToolContext, r: Request, e: Entry): Row {
  const { flags } = r;
  let detail = '';
  if (flags.has('p')) detail += users(e.sock);
  if (flags.has('o')) detail += timerText(e);
  if (flags.has('e')) detail += extended(e);
  const open = e.sock !== undefined;
  if (open && (flags.has('m') || (flags.has('i') && e.tcp !== undefined))) {
    detail += flags.has('O') ? '' : '\n\t';
    if (flags.has('m')) detail += memoryText(e);
    if (flags.has('i') && e.tcp !== undefined) detail += infoText(ctx.kernel, e.tcp);
  }
  const lport = e.family === 17 ? (e.ifindex === 0 ? '*' : (ctx.net.__dev_get_by_index(e.ifindex)?.name ?? '*')) : portText(e.lport);
  const peer = e.family === 17 ? '' : addressText(ctx, e, e.paddr, false);
  return [
    e.netid,
    STATE_NAMES[e.state] ?? 'UNKNOWN',
    String(e.rq),
    String(e.wq),
    addressText(ctx, e, e.laddr, true),
    lport,
    peer === '' ? '' : peer,
    e.family === 17 ? '*' : portText(e.pport),
    detail,
  ];
}

function summary(ctx: ToolContext): void {
  const stat = new Map<string, number>();
  for (const line of `${ctx.readFile('/proc/net/sockstat')}${ctx.readFile('/proc/net/sockstat6')}`.split('\n')) {
    const [proto, ...pairs] = line.split(/\s+/);
    for (let i = 0; i + 1 < pairs.length; i += 2) stat.set(`${proto}${pairs[i]}`, Number(pairs[i + 1]));
  }
  const n = (key: string): number => stat.get(key) ?? 0;
  const estab = entriesOf(ctx.kernel, ctx.net, 'tcp').filter((e) => e.state === 1 || e.state === 8).length;
  const total = n('TCP:alloc') + n('TCP:tw');
  const hashed = n('TCP:inuse') + n('TCP6:inuse');
  ctx.print(`Total: ${n('sockets:used')}\n`);
  ctx.print(
    `TCP:   ${total} (estab ${estab}, closed ${Math.max(0, total - hashed)}, orphaned ${n('TCP:orphan')}, timewait ${n('TCP:tw')})\n\nTransport Total     IP        IPv6\n`,
  );
  const line = (name: string, four: number, six: number): void =>
    ctx.print(`${name}\t  ${String(four + six).padEnd(9)} ${String(four).padEnd(9)} ${String(six).padEnd(9)}\n`);
  line('RAW', n('RAW:inuse'), n('RAW6:inuse'));
  line('UDP', n('UDP:inuse'), n('UDP6:inuse'));
  line('TCP', n('TCP:inuse'), n('TCP6:inuse'));
  line('INET', n('RAW:inuse') + n('UDP:inuse') + n('TCP:inuse'), n('RAW6:inuse') + n('UDP6:inuse') + n('TCP6:inuse'));
  line('FRAG', n('FRAG:inuse'), n('FRAG6:inuse'));
  ctx.print('\n');
}

function run(ctx: ToolContext): number {
  const r = parse(ctx);
  const { flags } = r;
  if (flags.has('h')) {
    ctx.print(USAGE);
    return 0;
  }
  if (flags.has('V')) {
    ctx.print(`ss utility, iproute2-${IPROUTE_VERSION}\n`);
    return 0;
  }
  if (flags.has('s')) {
    summary(ctx);
    if (r.tables.size === 0) return 0;
  }
  if (r.tables.size === 0)
    for (const t of QUERY[r.family === 17 ? 'packet' : r.family === 1 ? 'unix' : r.family !== 0 ? 'inet' : 'all']) r.tables.add(t);
  // unix and packet sockets are several kinds each
  const single = r.tables.size === 1 && !r.tables.has('unix') && !r.tables.has('packet');
  const entries = TABLES.filter((t) => r.tables.has(t))
    .flatMap((t) => entriesOf(ctx.kernel, ctx.net, t))
    .filter((e) => (r.states & (1 << e.state)) !== 0 && (r.family === 0 || r.family === e.family) && matches(r.condition, e));
  const hidden: number[] = [];
  if (single) hidden.push(COL.NETID);
  if ((r.states & (r.states - 1)) === 0) hidden.push(COL.STATE);
  if (flags.has('e') && entries.some((e) => e.sock !== undefined))
    ctx.error('Failed to find cgroup2 mount\n'.repeat(1 + entries.filter((e) => e.sock !== undefined && e.family !== 17).length));
  ctx.print(
    render(
      entries.map((e) => rowOf(ctx, r, e)),
      hidden,
      !flags.has('H'),
    ),
  );
  return 0;
}

export const SS: Tool = Object.freeze({ run });
