// nstat(8): the kernel's SNMP counters, as increments since the last time this tool was run.
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

const HISTORY = '/tmp/.nstat.u0';
/** Values that are no counters. */
const NOT_COUNTERS: readonly string[] = [
  'IpForwarding',
  'IpDefaultTTL',
  'TcpRtoAlgorithm',
  'TcpRtoMin',
  'TcpRtoMax',
  'TcpMaxConn',
  'TcpCurrEstab',
];

/** /proc/net/snmp and netstat: pairs of lines, names and values. */
function pairs(text: string): [string, number][] {
  const lines = text.split('\n').filter((l) => l !== '');
  const out: [string, number][] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [prefix, ...names] = lines[i].split(/\s+/);
    const values = lines[i + 1].split(/\s+/).slice(1);
    names.forEach((n, k) => out.push([prefix.replace(/:$/, '') + n, Number(values[k])]));
  }
  return out;
}
/** /proc/net/snmp6: a name and a value on each line. */
const single = (text: string): [string, number][] =>
  text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => {
      const [name, value] = l.trim().split(/\s+/);
      return [name, Number(value)];
    });

function counters(ctx: ToolContext): [string, number][] {
  const all = [
    ...pairs(ctx.readFile('/proc/net/snmp')),
    ...single(ctx.readFile('/proc/net/snmp6')),
    ...pairs(ctx.readFile('/proc/net/netstat')),
  ];
  return all.filter(([name]) => !NOT_COUNTERS.includes(name));
}

function history(ctx: ToolContext): Map<string, number> {
  const out = new Map<string, number>();
  for (const line of ctx.readFile(HISTORY).split('\n')) {
    const [name, value] = line.split(/\s+/);
    if (value !== undefined && !name.startsWith('#')) out.set(name, Number(value));
  }
  return out;
}

function run(ctx: ToolContext): number {
  const long: Readonly<Record<string, string>> = {
    '--ignore': '-a',
    '--zeros': '-z',
    '--reset': '-r',
    '--nooutput': '-n',
    '--noupdate': '-s',
  };
  const parsed = getopt(
    ctx.argv.slice(1).map((w) => long[w] ?? w),
    'azrnsjpVh',
  );
  if (parsed.error !== undefined) throw new ToolExit(255, `nstat: ${parsed.error}\n`);
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  for (const letter of ['j', 'p']) if (has(letter)) throw new ToolExit(1, `nstat: -${letter} is not modelled\n`);
  const now = counters(ctx);
  if (!has('n')) {
    const before = has('a') || has('r') ? new Map<string, number>() : history(ctx);
    const wanted = (name: string): boolean => parsed.operands.length === 0 || parsed.operands.some((p) => glob(p, name));
    ctx.print('#kernel\n');
    for (const [name, value] of now) {
      const delta = value - (before.get(name) ?? 0);
      if (wanted(name) && (delta !== 0 || has('z'))) ctx.print(`${name.padEnd(32)}${String(delta).padEnd(16)}${'0.0'.padStart(6)}\n`);
    }
  }
  if (!has('s')) ctx.kernel.vfs.writeFile(ctx.vfs, HISTORY, `#kernel\n${now.map(([n, v]) => `${n} ${v}\n`).join('')}`);
  return 0;
}

const glob = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(name);

export const NSTAT: Tool = Object.freeze({ run });
