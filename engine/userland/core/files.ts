// cat and ls over the machine's file system.
import { Errno, strerror } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { OpenFile } from '../../kernel/fs/node.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../kernel/fs/node.ts';
import { O_RDONLY, type Stat } from '../../kernel/fs/vfs.ts';
import { Process, SIG } from '../../kernel/process.ts';
import { civilDate } from '../ip/monitor.ts';
import { getopt } from '../ping/getopt.ts';
import { type Tool, type ToolContext, ToolExit } from '../tool.ts';

const OP_READABLE = 1;
const X_OTH = 0o001;
const R_OTH = 0o004;

/** Users other than root need the permission bits of others, on every directory of the path too. */
function mayRead(p: Process, name: string): boolean {
  const path = p.kernel.vfs.realpath(p, name);
  if (p.uid === 0 || typeof path === 'number') return true;
  const parts = path.split('/');
  const allowed = (at: string, bit: number): boolean => {
    const stat = p.kernel.vfs.stat(p, at);
    return typeof stat === 'number' || (stat.mode & bit) !== 0;
  };
  return parts.slice(1, -1).every((_, i) => allowed(parts.slice(0, i + 2).join('/'), X_OTH)) && allowed(path, R_OTH);
}

/** cat(1): file after file; a stream such as trace_pipe is followed until it ends or the process is interrupted. */
export class CatProcess extends Process {
  private operands: string[] = [];
  private number = false;
  private line = 1;
  private atLineStart = true;
  private file: OpenFile | undefined;
  private waitingStdin = false;
  private failed = false;

  constructor(kernel: Kernel, net: Net, argv: readonly string[]) {
    super(kernel, net, argv);
  }

  main(): void {
    const parsed = getopt(this.argv.slice(1), 'nbsAvteEuT');
    if (parsed.error !== undefined) {
      this.error(`cat: ${parsed.error}\nTry 'cat --help' for more information.\n`);
      return this.exit(1);
    }
    const odd = parsed.options.find((o) => !['n', 'u'].includes(o.letter));
    if (odd !== undefined) {
      this.error(`cat: -${odd.letter} is not modelled\n`);
      return this.exit(1);
    }
    this.number = parsed.options.some((o) => o.letter === 'n');
    this.operands = parsed.operands.length === 0 ? ['-'] : [...parsed.operands];
    this.work();
  }

  override onEvent(): void {
    this.work();
  }
  override onStdin(): void {
    if (this.waitingStdin) this.work();
  }
  override onSignal(signal: number): void {
    this.exit(128 + (signal === SIG.KILL ? SIG.KILL : signal));
  }
  override cleanup(): void {
    if (this.file !== undefined) this.kernel.vfs.close(this.file);
  }

  private work(): void {
    while (!this.exited) {
      const name = this.operands[0] as string | undefined;
      if (name === undefined) return this.exit(this.failed ? 1 : 0);
      if (name === '-' ? this.readStdin() : this.readFile(name)) this.operands.shift();
      else return;
    }
  }

  /** True when standard input has ended. */
  private readStdin(): boolean {
    this.emit(this.stdinData);
    this.stdinData = '';
    this.waitingStdin = !this.stdinEof;
    return this.stdinEof;
  }

  /** True when the file is done. */
  private readFile(name: string): boolean {
    const { vfs } = this.kernel;
    if (this.file === undefined) {
      if (!mayRead(this, name)) return this.complain(name, -Errno.EACCES);
      const stat = vfs.stat(this, name);
      const opened = typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFDIR ? -Errno.EISDIR : vfs.open(this, name, O_RDONLY);
      if (typeof opened === 'number') return this.complain(name, opened);
      this.file = opened;
    }
    const { file } = this;
    for (;;) {
      const text = vfs.read(file);
      if (text === -Errno.EAGAIN) {
        vfs.wait(file, { pid: this.pid, op: OP_READABLE });
        return false;
      }
      if (typeof text === 'number' || text === '') {
        vfs.close(file);
        this.file = undefined;
        return typeof text === 'number' ? this.complain(name, text) : true;
      }
      this.emit(text);
    }
  }

  private complain(name: string, errno: number): true {
    this.error(`cat: ${name}: ${strerror(errno)}\n`);
    this.failed = true;
    return true;
  }

  private emit(text: string): void {
    if (!this.number) return this.print(text);
    let out = '';
    for (const piece of text.split(/(?<=\n)/)) {
      if (piece === '') continue;
      out += (this.atLineStart ? `${String(this.line++).padStart(6)}\t` : '') + piece;
      this.atLineStart = piece.endsWith('\n');
    }
    this.print(out);
  }
}

const TYPE_LETTERS = new Map<number, string>([
  [S_IFDIR, 'd'],
  [S_IFLNK, 'l'],
  [0o020000, 'c'],
  [0o060000, 'b'],
  [0o010000, 'p'],
  [0o140000, 's'],
]);
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

function modeText(mode: number): string {
  const bits = [...'rwxrwxrwx'].map((c, i) => ((mode & (0o400 >> i)) !== 0 ? c : '-')).join('');
  return (TYPE_LETTERS.get(mode & S_IFMT) ?? '-') + bits;
}

/** 'Nov 22 17:26' of a time in nanoseconds since boot. */
function dateText(mtime: number, rtc: number): string {
  const seconds = rtc + Math.floor(mtime / 1e9);
  const d = civilDate(Math.floor(seconds / 86_400));
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${MONTHS[d.month - 1]} ${String(d.day).padStart(2)} ${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}`;
}

interface Entry {
  readonly name: string;
  readonly stat: Stat;
  readonly target: string | undefined;
}

interface LsOptions {
  long: boolean;
  all: boolean;
  dir: boolean;
  recursive: boolean;
  classify: boolean;
  reverse: boolean;
  inode: boolean;
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

class Listing {
  status = 0;
  constructor(
    private readonly ctx: ToolContext,
    private readonly opt: LsOptions,
  ) {}

  entry(path: string, name: string, follow: boolean): Entry | number {
    const { vfs } = this.ctx.kernel;
    const stat = follow ? vfs.stat(this.ctx.vfs, path) : vfs.lstat(this.ctx.vfs, path);
    if (typeof stat === 'number') return stat;
    const target = (stat.mode & S_IFMT) === S_IFLNK ? vfs.readlink(this.ctx.vfs, path) : undefined;
    return { name, stat, target: typeof target === 'string' ? target : undefined };
  }

  complain(path: string, errno: number): void {
    this.ctx.error(`ls: cannot access '${path}': ${strerror(errno)}\n`);
    this.status = 2;
  }

  print(entries: readonly Entry[]): void {
    const sorted = [...entries].sort(byName);
    if (this.opt.reverse) sorted.reverse();
    const shown = (e: Entry): string => {
      const mark = this.opt.classify
        ? (e.stat.mode & S_IFMT) === S_IFDIR
          ? '/'
          : (e.stat.mode & S_IFMT) === S_IFLNK && !this.opt.long
            ? '@'
            : ''
        : '';
      return (this.opt.inode ? `${e.stat.ino} ` : '') + e.name + mark;
    };
    if (!this.opt.long) return this.ctx.print(sorted.map((e) => `${shown(e)}\n`).join(''));
    const width = (f: (e: Entry) => string | number): number => Math.max(0, ...sorted.map((e) => String(f(e)).length));
    const [links, sizes] = [width((e) => e.stat.nlink), width((e) => e.stat.size)];
    const owner = (id: number): string => (id === 0 ? 'root' : String(id));
    for (const e of sorted) {
      const head = `${modeText(e.stat.mode)} ${String(e.stat.nlink).padStart(links)} ${owner(e.stat.uid)} ${owner(e.stat.gid)} ${String(e.stat.size).padStart(sizes)}`;
      this.ctx.print(
        `${head} ${dateText(e.stat.mtime, this.ctx.kernel.rtc)} ${shown(e)}${e.target === undefined ? '' : ` -> ${e.target}`}\n`,
      );
    }
  }

  /** Entries of a directory; undefined when it cannot be read. */
  read(path: string): Entry[] | undefined {
    const { vfs } = this.ctx.kernel;
    const names = vfs.readdir(this.ctx.vfs, path);
    if (typeof names === 'number') {
      this.ctx.error(`ls: cannot open directory '${path}': ${strerror(names)}\n`);
      this.status = 2;
      return undefined;
    }
    const wanted = names.map((n) => n.name).filter((n) => this.opt.all || !n.startsWith('.'));
    if (this.opt.all) wanted.push('.', '..');
    return wanted.flatMap((n) => {
      const e = this.entry(`${path.replace(/\/$/, '')}/${n}`, n, false);
      return typeof e === 'number' ? [] : [e];
    });
  }

  directory(path: string, header: boolean, first: boolean): void {
    const entries = this.read(path);
    if (entries === undefined) return;
    if (header) this.ctx.print(`${first ? '' : '\n'}${path}:\n`);
    if (this.opt.long) this.ctx.print('total 0\n');
    this.print(entries);
    if (!this.opt.recursive) return;
    const inner = entries.filter((e) => (e.stat.mode & S_IFMT) === S_IFDIR && e.name !== '.' && e.name !== '..').sort(byName);
    for (const e of inner) this.directory(`${path.replace(/\/$/, '')}/${e.name}`, true, false);
  }
}

function ls(ctx: ToolContext): number {
  const parsed = getopt(
    ctx.argv.slice(1).filter((w) => !w.startsWith('--color')),
    'laAd1RFrCihtS',
  );
  if (parsed.error !== undefined) throw new ToolExit(2, `ls: ${parsed.error}\nTry 'ls --help' for more information.\n`);
  const has = (letter: string): boolean => parsed.options.some((o) => o.letter === letter);
  for (const letter of ['t', 'S', 'h']) if (has(letter)) throw new ToolExit(2, `ls: -${letter} is not modelled\n`);
  const opt: LsOptions = {
    long: has('l'),
    all: has('a') || has('A'),
    dir: has('d'),
    recursive: has('R'),
    classify: has('F'),
    reverse: has('r'),
    inode: has('i'),
  };
  const list = new Listing(ctx, opt);
  const files: Entry[] = [];
  const directories: string[] = [];
  for (const path of parsed.operands.length === 0 ? ['.'] : parsed.operands) {
    const follow = !opt.long || path.endsWith('/');
    const e = list.entry(path, path, follow);
    if (typeof e === 'number') list.complain(path, e);
    else if ((e.stat.mode & S_IFMT) === S_IFDIR && !opt.dir) directories.push(path);
    else files.push(e);
  }
  list.print(files);
  const header = opt.recursive || parsed.operands.length > 1;
  directories.sort().forEach((d, i) => list.directory(d, header, i === 0 && files.length === 0));
  return list.status;
}

export const LS: Tool = Object.freeze({ run: ls });
