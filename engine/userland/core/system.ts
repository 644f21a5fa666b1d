// Small tools about the system: uname, hostname, id, nproc, dmesg, sysctl, and sleep.
import { strerror } from '../../base/errno.ts';
import { Errno } from '../../base/errno.ts';
import type { SimEvent } from '../../sim/sim.ts';
import { S_IFDIR, S_IFMT } from '../../kernel/fs/node.ts';
import { formatRecord, LOGLEVEL_NAMES } from '../../kernel/printk.ts';
import { Process } from '../../kernel/process.ts';
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

function uname(ctx: ToolContext): number {
  const parsed = getopt(ctx.argv.slice(1), 'asnrvmpio');
  if (parsed.error !== undefined) throw new ToolExit(1, `uname: ${parsed.error}\nTry 'uname --help' for more information.\n`);
  const file = (name: string): string => ctx.readFile(`/proc/sys/kernel/${name}`).trim();
  const all: readonly (readonly [string, string])[] = [
    ['s', 'Linux'],
    ['n', ctx.kernel.hostname],
    ['r', file('osrelease')],
    ['v', file('version')],
    ['m', 'x86_64'],
    ['p', 'unknown'],
    ['i', 'unknown'],
    ['o', 'GNU/Linux'],
  ];
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  const words = all.filter(([letter, text]) =>
    has('a') ? text !== 'unknown' : has(letter) || (parsed.options.length === 0 && letter === 's'),
  );
  ctx.print(`${words.map(([, text]) => text).join(' ')}\n`);
  return 0;
}

function hostname(ctx: ToolContext): number {
  const word = ctx.argv[1] as string | undefined;
  if (word !== undefined && word !== '-s' && word !== '-f')
    throw new ToolExit(1, `hostname: ${word.startsWith('-') ? word : 'setting the name'} is not modelled\n`);
  ctx.print(`${ctx.kernel.hostname}\n`);
  return 0;
}

function id(ctx: ToolContext): number {
  const word = ctx.argv[1] as string | undefined;
  ctx.print(
    word === '-u' || word === '-g' ? '0\n' : word === '-un' || word === '-gn' ? 'root\n' : 'uid=0(root) gid=0(root) groups=0(root)\n',
  );
  return 0;
}

function whoami(ctx: ToolContext): number {
  ctx.print('root\n');
  return 0;
}

function nproc(ctx: ToolContext): number {
  ctx.print(`${ctx.kernel.platform.cpus.list.length}\n`);
  return 0;
}

function dmesg(ctx: ToolContext): number {
  const long: Readonly<Record<string, string>> = {
    '--clear': '-C',
    '--read-clear': '-c',
    '--notime': '-t',
    '--level': '-l',
    '--raw': '-r',
    '--decode': '-x',
  };
  const parsed = getopt(
    ctx.argv
      .slice(1)
      .flatMap((w) => (w.includes('=') ? w.split('=') : [w]))
      .map((w) => long[w] ?? w),
    'Cctrxl:HTwkuPLe',
  );
  if (parsed.error !== undefined) throw new ToolExit(1, `dmesg: ${parsed.error}\nTry 'dmesg --help' for more information.\n`);
  const value = (letter: string): string | undefined => parsed.options.find((o) => o.letter === letter)?.value;
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  for (const letter of ['H', 'T', 'w', 'e', 'x']) if (has(letter)) throw new ToolExit(1, `dmesg: -${letter} is not modelled\n`);
  const levels = value('l')?.split(',');
  const unknown = levels?.find((l) => !LOGLEVEL_NAMES.includes(l as (typeof LOGLEVEL_NAMES)[number]));
  if (unknown !== undefined) throw new ToolExit(1, `dmesg: unknown level '${unknown}'\n`);
  if (!has('C')) {
    const records = ctx.kernel.printk.records.filter((r) => levels === undefined || levels.includes(LOGLEVEL_NAMES[r.level]));
    ctx.print(records.map((r) => `${has('t') ? r.text : has('r') ? `<${r.level}>${formatRecord(r)}` : formatRecord(r)}\n`).join(''));
  }
  if (has('C') || has('c')) ctx.kernel.printk.clear();
  return 0;
}

const sysctlPath = (name: string): string =>
  `/proc/sys/${
    name.includes('/') && name.indexOf('/') < (name.indexOf('.') + 1 || Infinity)
      ? name
      : name
          .split('')
          .map((c) => (c === '.' ? '/' : c === '/' ? '.' : c))
          .join('')
  }`;
const sysctlName = (path: string): string =>
  path
    .slice('/proc/sys/'.length)
    .split('')
    .map((c) => (c === '/' ? '.' : c === '.' ? '/' : c))
    .join('');

interface SysctlOptions {
  readonly valuesOnly: boolean;
  readonly namesOnly: boolean;
  readonly quiet: boolean;
}

function printSysctl(ctx: ToolContext, path: string, opt: SysctlOptions): number {
  const text = ctx.kernel.vfs.readFile(ctx.vfs, path);
  if (typeof text === 'number') {
    if (text === -Errno.EACCES) ctx.error(`sysctl: permission denied on key '${sysctlName(path)}'\n`);
    else ctx.error(`sysctl: reading key "${sysctlName(path)}": ${strerror(text)}\n`);
    return 1;
  }
  for (const line of text.replace(/\n$/, '').split('\n'))
    ctx.print(opt.namesOnly ? `${sysctlName(path)}\n` : opt.valuesOnly ? `${line}\n` : `${sysctlName(path)} = ${line}\n`);
  return 0;
}

function walk(ctx: ToolContext, path: string, opt: SysctlOptions): void {
  const entries = ctx.kernel.vfs.readdir(ctx.vfs, path);
  if (typeof entries === 'number') return;
  for (const e of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if ((e.type & S_IFMT) === S_IFDIR) walk(ctx, `${path}/${e.name}`, opt);
    else {
      const stat = ctx.kernel.vfs.stat(ctx.vfs, `${path}/${e.name}`);
      if (typeof stat !== 'number' && (stat.mode & 0o444) !== 0) printSysctl(ctx, `${path}/${e.name}`, opt);
    }
  }
}

function setSysctl(ctx: ToolContext, assignment: string, opt: SysctlOptions): number {
  const at = assignment.indexOf('=');
  const [name, value] = [assignment.slice(0, at).trim(), assignment.slice(at + 1).trim()];
  const path = sysctlPath(name);
  const stat = ctx.kernel.vfs.stat(ctx.vfs, path);
  if (typeof stat === 'number') {
    ctx.error(`sysctl: cannot stat ${path}: ${strerror(stat)}\n`);
    return 1;
  }
  const r = ctx.kernel.vfs.writeFile(ctx.vfs, path, `${value}\n`);
  if (r < 0) {
    ctx.error(
      r === -Errno.EACCES
        ? `sysctl: permission denied on key "${sysctlName(path)}"\n`
        : `sysctl: setting key "${sysctlName(path)}": ${strerror(r)}\n`,
    );
    return 1;
  }
  if (!opt.quiet) ctx.print(opt.valuesOnly ? `${value}\n` : `${sysctlName(path)} = ${value}\n`);
  return 0;
}

function sysctl(ctx: ToolContext): number {
  const parsed = getopt(ctx.argv.slice(1), 'awnNqeA');
  if (parsed.error !== undefined) throw new ToolExit(1, `sysctl: ${parsed.error}\n`);
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  const opt: SysctlOptions = { valuesOnly: has('n'), namesOnly: has('N'), quiet: has('q') };
  if (has('a') || has('A')) {
    walk(ctx, '/proc/sys', opt);
    return 0;
  }
  if (parsed.operands.length === 0) throw new ToolExit(1, "sysctl: no variables specified\nTry `sysctl --help' for more information.\n");
  let status = 0;
  for (const word of parsed.operands) {
    if (word.includes('=')) {
      status |= setSysctl(ctx, word, opt);
      continue;
    }
    if (has('w')) {
      ctx.error(`sysctl: "${word}" must be of the form name=value\n`);
      status = 1;
      continue;
    }
    const path = sysctlPath(word);
    const stat = ctx.kernel.vfs.stat(ctx.vfs, path);
    if (typeof stat === 'number') {
      if (!has('e')) {
        ctx.error(`sysctl: cannot stat ${path}: ${strerror(stat)}\n`);
        status = 1;
      }
    } else if ((stat.mode & S_IFMT) === S_IFDIR) walk(ctx, path, opt);
    else status |= printSysctl(ctx, path, opt);
  }
  return status;
}

const OP_AWAKE = 1;
const SUFFIXES: Readonly<Record<string, number>> = Object.freeze({ '': 1, s: 1, m: 60, h: 3600, d: 86_400 });

/** sleep(1): the sum of its arguments. */
export class SleepProcess extends Process {
  private timer: SimEvent | undefined;

  main(): void {
    let seconds = 0;
    if (this.argv.length < 2) return this.fail("missing operand\nTry 'sleep --help' for more information.");
    for (const word of this.argv.slice(1)) {
      const m = /^(\d*\.?\d+|\d+\.)([smhd]?)$/.exec(word);
      if (m === null && word !== 'infinity') return this.fail(`invalid time interval '${word}'\nTry 'sleep --help' for more information.`);
      seconds += m === null ? 1e9 : Number(m[1]) * SUFFIXES[m[2]];
    }
    this.timer = this.kernel.procs.wakeAfter(this, Math.round(seconds * 1e9), OP_AWAKE);
  }
  override onEvent(): void {
    this.exit(0);
  }
  override cleanup(): void {
    this.kernel.platform.sim.cancel(this.timer);
  }
  private fail(text: string): void {
    this.error(`sleep: ${text}\n`);
    this.exit(1);
  }
}

export const UNAME: Tool = Object.freeze({ run: uname });
export const HOSTNAME: Tool = Object.freeze({ run: hostname });
export const ID: Tool = Object.freeze({ run: id });
export const WHOAMI: Tool = Object.freeze({ run: whoami });
export const NPROC: Tool = Object.freeze({ run: nproc });
export const DMESG: Tool = Object.freeze({ run: dmesg });
export const SYSCTL: Tool = Object.freeze({ run: sysctl });
