// grep: basic, extended and fixed patterns, streaming.
import { Errno, strerror } from '../../../../engine/index.ts';
import type { Io } from '../redirect.ts';
import type { ShellState } from '../state.ts';
import type { LineReader } from '../streams.ts';
import type { HostTool } from './index.ts';
import { openInput, options } from './input.ts';

const LONG = {
  'ignore-case': 'i',
  'invert-match': 'v',
  count: 'c',
  'line-number': 'n',
  quiet: 'q',
  silent: 'q',
  'extended-regexp': 'E',
  'fixed-strings': 'F',
  'only-matching': 'o',
  'files-with-matches': 'l',
  recursive: 'r',
  'with-filename': 'H',
  'no-filename': 'h',
  'word-regexp': 'w',
  'line-regexp': 'x',
  regexp: 'e',
  'after-context': 'A',
  'before-context': 'B',
  context: 'C',
  'max-count': 'm',
  'no-messages': 's',
  color: 'Z',
  'line-buffered': 'U',
  'perl-regexp': 'P',
};

const CLASSES: Readonly<Record<string, string>> = {
  digit: '0-9',
  alpha: 'A-Za-z',
  alnum: 'A-Za-z0-9',
  space: '\\s',
  upper: 'A-Z',
  lower: 'a-z',
  punct: String.raw`!-\/:-@\[-\`{-~`,
  xdigit: '0-9A-Fa-f',
  blank: ' \\t',
};

/** POSIX basic (or extended) regular expression as a JavaScript one. */
function posixRegExp(pattern: string, extended: boolean): string {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    if (c === '[') {
      let end = i + 1;
      if (pattern[end] === '^') end++;
      if (pattern[end] === ']') end++;
      while (end < pattern.length && pattern[end] !== ']') end = pattern.startsWith('[:', end) ? pattern.indexOf(':]', end) + 2 : end + 1;
      const body = pattern
        .slice(i + 1, end)
        .replaceAll('\\', '\\\\')
        .replaceAll(/\[:(\w+):\]/g, (_, n: string) => CLASSES[n] ?? '');
      out += `[${body.replace(/^(\^?)\]/, String.raw`$1\]`).replaceAll(/(?<!\\)\[(?!:)/g, String.raw`\[`)}]`;
      i = end;
    } else if (c === '\\' && i + 1 < pattern.length) {
      const n = pattern[++i];
      if (!extended && '(){}|+?'.includes(n)) out += n;
      else if (n === '<' || n === '>') out += '\\b';
      else out += /[wWsSbBdD1-9]/.test(n) ? `\\${n}` : n.replace(/[.*+?^${}()|[\]\\/]/, String.raw`\$&`);
    } else if (!extended && '(){}|+?'.includes(c)) out += `\\${c}`;
    else if (c === '*' && (out === '' || out.endsWith('(') || out === '^')) out += '\\*';
    else if (extended && c === '{' && !/^\{\d*,?\d*\}/.test(pattern.slice(i))) out += '\\{';
    else out += c;
  }
  return out;
}

interface Query {
  readonly re: RegExp;
  readonly opts: ReadonlyMap<string, string>;
  readonly before: number;
  readonly after: number;
  readonly max: number;
}

export const grep =
  (tool: string): HostTool =>
  async (args, state, io) => {
    const { opts, rest, bad } = options(args, 'eABCm', LONG);
    if (bad !== undefined) {
      await io.stderr.write(`grep: unrecognized option '${bad}'\n`);
      return 2;
    }
    const pattern = opts.get('e') ?? rest.shift();
    if (pattern === undefined) {
      await io.stderr.write('ringscope: grep: a pattern is needed: grep [OPTION]... PATTERN [FILE]...\n');
      return 2;
    }
    const flags = opts.has('i') ? 'gi' : 'g';
    const fixed = tool === 'fgrep' || opts.has('F');
    const one = (p: string): string =>
      fixed ? p.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`) : opts.has('P') ? p : posixRegExp(p, tool === 'egrep' || opts.has('E'));
    let source = pattern.split('\n').map(one).join('|');
    if (opts.has('w')) source = `(?<!\\w)(?:${source})(?!\\w)`;
    if (opts.has('x')) source = `^(?:${source})$`;
    let re: RegExp;
    try {
      re = new RegExp(source, flags);
    } catch {
      await io.stderr.write(`grep: Invalid regular expression\n`);
      return 2;
    }
    const context = Number(opts.get('C') ?? 0);
    const query: Query = {
      re,
      opts,
      before: Number(opts.get('B') ?? context),
      after: Number(opts.get('A') ?? context),
      max: Number(opts.get('m') ?? Infinity),
    };
    const recursive = opts.has('r') || opts.has('R');
    const roots = rest.length > 0 ? rest : recursive ? ['.'] : ['-'];
    const files = recursive ? roots.flatMap((r) => walk(r, state)) : roots;
    const named = (files.length > 1 || recursive || opts.has('H')) && !opts.has('h');
    let found = false;
    let failed = false;
    for (const name of files) {
      const input = openInput(name, state, io);
      if (typeof input === 'number') {
        failed = true;
        if (!opts.has('s'))
          await io.stderr.write(input === Errno.EISDIR ? `grep: ${name}: Is a directory\n` : `grep: ${name}: ${strerror(input)}\n`);
        if (input === Errno.EISDIR) failed = false;
        continue;
      }
      const label = named ? (name === '-' ? '(standard input)' : name) : undefined;
      const hit = await search(input, query, label, name, io);
      found ||= hit;
      if (hit && opts.has('q')) return 0;
    }
    return failed ? 2 : found ? 0 : 1;
  };

async function search(input: LineReader, q: Query, label: string | undefined, name: string, io: Io): Promise<boolean> {
  const { opts, re } = q;
  const quiet = opts.has('q') || opts.has('c') || opts.has('l');
  const earlier: { n: number; line: string }[] = [];
  let trailing = 0;
  let printed = 0;
  let matches = 0;
  let n = 0;
  const put = async (at: number, mark: ':' | '-', text: string): Promise<boolean> => {
    if (printed > 0 && at > printed + 1 && (q.before > 0 || q.after > 0)) await io.stdout.write('--\n');
    printed = at;
    return io.stdout.write(`${label === undefined ? '' : label + mark}${opts.has('n') ? `${at}${mark}` : ''}${text}\n`);
  };
  for (;;) {
    const raw = await input.line();
    if (raw === undefined || matches >= q.max) break;
    n++;
    const line = raw.replace(/\n$/, '');
    re.lastIndex = 0;
    if (re.test(line) === opts.has('v')) {
      if (trailing > 0 && !quiet) {
        trailing--;
        await put(n, '-', line);
      } else if (q.before > 0) {
        earlier.push({ n, line });
        if (earlier.length > q.before) earlier.shift();
      }
      continue;
    }
    matches++;
    if (opts.has('q') || opts.has('l')) break;
    if (quiet) continue;
    for (const e of earlier.splice(0)) await put(e.n, '-', e.line);
    trailing = q.after;
    if (opts.has('o') && !opts.has('v')) for (const m of line.match(re) ?? []) await put(n, ':', m);
    else if (!(await put(n, ':', line))) return true;
  }
  if (opts.has('c')) await io.stdout.write(`${label === undefined ? '' : `${label}:`}${matches}\n`);
  if (opts.has('l') && matches > 0) await io.stdout.write(`${name === '-' ? '(standard input)' : name}\n`);
  return matches > 0;
}

/** Regular files under a path, depth first, in directory order; symbolic links below it are not followed. */
function walk(path: string, state: ShellState): string[] {
  const dir = state.port.fs(state.netns, state.cwd, { call: 'readdir', path: state.resolve(path) });
  if (!dir.ok) return [path];
  const base = path.endsWith('/') ? path : `${path}/`;
  return (dir.entries ?? []).flatMap((e) => {
    const child = base + e;
    const st = state.port.fs(state.netns, state.cwd, { call: 'stat', path: state.resolve(child) });
    if (!st.ok || st.stat?.type === 'link') return [];
    return st.stat?.type === 'dir' ? walk(child, state) : [child];
  });
}
