// Commands that change the shell itself.
import { Errno, strerror } from '../../../engine/index.ts';
import { test } from './conditional.ts';
import type { Interpreter } from './interpreter.ts';
import { formatPrintf } from './printf.ts';
import type { Io } from './redirect.ts';
import { ringscope } from './ringscope_builtin.ts';
import { Flow, type Job, type ShellState } from './state.ts';
import { LineReader } from './streams.ts';
import { hostTools } from './text_tools/index.ts';

export type Builtin = (args: readonly string[], state: ShellState, io: Io, shell: Interpreter) => Promise<Flow | undefined>;

/** A builtin that only sets a status. */
const simple =
  (run: (args: readonly string[], state: ShellState, io: Io, shell: Interpreter) => Promise<number> | number): Builtin =>
  async (args, state, io, shell) => {
    state.status = await run(args, state, io, shell);
    return undefined;
  };

const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
};

function escapes(text: string): { text: string; stop: boolean } {
  let stop = false;
  const out = text.replaceAll(
    /\\(?:([abefnrtv\\])|0([0-7]{0,3})|x([0-9a-fA-F]{1,2})|(c)[\s\S]*)/g,
    (_, c: string | undefined, oct: string | undefined, hex: string | undefined, end: string | undefined) => {
      if (end !== undefined) {
        stop = true;
        return '';
      }
      if (oct !== undefined) return String.fromCharCode(Number.parseInt(oct === '' ? '0' : oct, 8));
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return { a: '\x07', b: '\b', e: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\' }[c ?? '\\'] ?? '';
    },
  );
  return { text: out, stop };
}

async function echo(args: readonly string[], _state: ShellState, io: Io): Promise<number> {
  let newline = true;
  let interpret = false;
  let i = 0;
  for (; i < args.length && /^-[neE]+$/.test(args[i]); i++) {
    if (args[i].includes('n')) newline = false;
    interpret = args[i].lastIndexOf('e') > args[i].lastIndexOf('E');
  }
  let text = args.slice(i).join(' ');
  if (interpret) {
    const e = escapes(text);
    text = e.text;
    if (e.stop) newline = false;
  }
  await io.stdout.write(newline ? `${text}\n` : text);
  return 'ok' in io.stdout && io.stdout.ok === false ? 1 : 0;
}

async function cd(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const to = args[0] === '-' ? (state.vars.get('OLDPWD') ?? state.cwd) : (args[0] ?? state.vars.get('HOME') ?? '/');
  const path = state.resolve(to);
  const r = state.port.fs(state.netns, state.cwd, { call: 'stat', path: `${path}/.` });
  if (!r.ok || (r.stat !== undefined && r.stat.type !== 'dir')) {
    await io.stderr.write(`${state.says}cd: ${to}: ${strerror(r.ok ? Errno.ENOTDIR : r.errno)}\n`);
    return 1;
  }
  state.vars.set('OLDPWD', state.cwd);
  state.cwd = path;
  state.vars.set('PWD', path);
  if (args[0] === '-') await io.stdout.write(`${path}\n`);
  return 0;
}

const findJob = (spec: string, state: ShellState): Job | undefined => {
  const { jobs } = state.shared;
  if (spec.startsWith('%')) return spec === '%%' || spec === '%+' ? [...jobs.values()].at(-1) : jobs.get(Number(spec.slice(1)));
  return [...jobs.values()].find((j) => j.pid === Number(spec));
};

async function wait(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const ids = args.filter((a) => !a.startsWith('-'));
  if (ids.length === 0) {
    for (const job of [...state.shared.jobs.values()]) if (job !== state.job) await interruptible(job, state);
    state.shared.jobs.clear();
    return 0;
  }
  let status = 0;
  for (const id of ids) {
    const job = findJob(id, state);
    if (job === undefined) {
      await io.stderr.write(
        /^\d+$/.test(id) ? `${state.says}wait: pid ${id} is not a child of this shell\n` : `${state.says}wait: ${id}: no such job\n`,
      );
      status = 127;
      continue;
    }
    await interruptible(job, state);
    state.shared.jobs.delete(job.id);
    status = job.signalled !== 0 && job.status === 0 && job.pids.size > 0 ? 128 + job.signalled : job.status;
  }
  return status;
}

/** Waits for a job; a signal to the waiting shell ends the wait. */
async function interruptible(job: Job, state: ShellState): Promise<void> {
  let abort: () => void = () => undefined;
  const interrupted = new Promise<void>((go) => {
    abort = () => go();
  });
  state.job.aborts.add(abort);
  await Promise.race([job.wait(), interrupted]);
  state.job.aborts.delete(abort);
}

async function kill(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  let signal = 15;
  const targets: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const a = args[i];
    if (a === '-l') {
      await io.stdout.write(
        `${Object.entries(SIGNALS)
          .map(([k, v]) => `${v}) SIG${k}`)
          .join(' ')}\n`,
      );
      return 0;
    }
    const name = a === '-s' ? args[++i] : a.startsWith('-') && targets.length === 0 ? a.slice(1) : undefined;
    if (name === undefined) targets.push(a);
    else {
      const n = /^\d+$/.test(name) ? Number(name) : SIGNALS[name.replace(/^SIG/, '').toUpperCase()];
      if (n === undefined) {
        await io.stderr.write(`${state.says}kill: ${name}: invalid signal specification\n`);
        return 1;
      }
      signal = n;
    }
  }
  let status = 0;
  for (const t of targets) {
    const job = findJob(t, state);
    if (job !== undefined && !job.done) {
      if (signal !== 0) job.signal(state.port, signal);
    } else if (!/^\d+$/.test(t) || job !== undefined || !state.port.signal(Number(t), signal)) {
      await io.stderr.write(
        /^\d+$/.test(t)
          ? `${state.says}kill: (${t}) - No such process\n`
          : `${state.says}kill: ${t}: arguments must be process or job IDs\n`,
      );
      status = 1;
    }
  }
  return status;
}

async function jobs(_args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const all = [...state.shared.jobs.values()];
  for (const [i, j] of all.entries()) {
    const mark = i === all.length - 1 ? '+' : i === all.length - 2 ? '-' : ' ';
    const what = !j.done ? 'Running' : j.status === 0 ? 'Done' : `Exit ${j.status}`;
    await io.stdout.write(`[${j.id}]${mark}  ${what.padEnd(23)}${j.text}${j.done ? '' : ' &'}\n`);
    if (j.done) state.shared.jobs.delete(j.id);
  }
  return 0;
}

async function fg(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const job = findJob(args[0] ?? '%%', state);
  if (job === undefined) {
    await io.stderr.write(`${state.says}fg: ${args[0] ?? 'current'}: no such job\n`);
    return 1;
  }
  await io.stdout.write(`${job.text}\n`);
  const pass = (signal: number): void => job.signal(state.port, signal);
  state.job.aborts.add(pass);
  await job.wait();
  state.job.aborts.delete(pass);
  state.shared.jobs.delete(job.id);
  return job.status;
}

async function exportVars(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  for (const a of args.filter((x) => !x.startsWith('-'))) {
    const at = a.indexOf('=');
    const name = at < 0 ? a : a.slice(0, at);
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      await io.stderr.write(`${state.says}export: \`${a}': not a valid identifier\n`);
      return 1;
    }
    if (at >= 0) state.vars.set(name, a.slice(at + 1));
    state.exported.add(name);
  }
  if (args.length === 0 || args[0] === '-p')
    for (const [k, v] of Object.entries(state.env())) await io.stdout.write(`declare -x ${k}="${v}"\n`);
  return 0;
}

async function set(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  if (args.length === 0)
    for (const [k, v] of [...state.vars].sort(([a], [b]) => (a < b ? -1 : 1)))
      await io.stdout.write(`${k}=${/[\s'"$]/.test(v) ? `'${v.replaceAll("'", String.raw`'\''`)}'` : v}\n`);
  for (let i = 0; i < args.length; i++) {
    const a = args[i];
    if (a === '--') {
      state.positional = args.slice(i + 1);
      return 0;
    }
    if (a === '-o' || a === '+o') {
      if (args[++i] === 'errexit') state.errexit = a === '-o';
      else if (args[i] === 'nounset') state.nounset = a === '-o';
    } else if (/^[-+][a-z]+$/.test(a)) {
      const on = a.startsWith('-');
      if (a.includes('e')) state.errexit = on;
      if (a.includes('u')) state.nounset = on;
      if (a.includes('x')) state.xtrace = on;
    } else {
      state.positional = args.slice(i);
      return 0;
    }
  }
  return 0;
}

async function read(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const names = args.filter((a) => !a.startsWith('-'));
  const lines = readerOf(io);
  const line = await lines.line();
  const text = (line ?? '').replace(/\n$/, '');
  const words = text.trim().split(/[ \t]+/);
  const targets = names.length === 0 ? ['REPLY'] : names;
  targets.forEach((n, i) =>
    state.vars.set(n, names.length === 0 ? text : i === targets.length - 1 ? words.slice(i).join(' ') : (words[i] ?? '')),
  );
  return line === undefined ? 1 : 0;
}

async function type(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  let status = 0;
  for (const name of args.filter((a) => !a.startsWith('-'))) {
    if (state.functions.has(name)) await io.stdout.write(`${name} is a function\n`);
    else if (builtins.has(name)) await io.stdout.write(`${name} is a shell builtin\n`);
    else if (hostTools.has(name) || state.port.programs().includes(name)) await io.stdout.write(`${name} is /usr/bin/${name}\n`);
    else {
      await io.stderr.write(`${state.says}type: ${name}: not found\n`);
      status = 1;
    }
  }
  return status;
}

const flow =
  (kind: 'break' | 'continue' | 'return' | 'exit'): Builtin =>
  (args, state) => {
    const value = args[0] === undefined ? (kind === 'break' || kind === 'continue' ? 1 : state.status) : Number(args[0]) & 0xff;
    if (kind === 'exit' || kind === 'return') state.status = value;
    return Promise.resolve(new Flow(kind, value));
  };

async function source(args: readonly string[], state: ShellState, io: Io, shell: Interpreter): Promise<number> {
  const r = state.port.fs(state.netns, state.cwd, { call: 'read', path: state.resolve(args[0] ?? '') });
  if (!r.ok) {
    await io.stderr.write(`${state.says}${args[0] ?? ''}: ${strerror(r.errno)}\n`);
    return 1;
  }
  return shell.runText(r.data ?? '', state, io);
}

async function printf(args: readonly string[], state: ShellState, io: Io): Promise<number> {
  const [format = '', ...rest] = args[0] === '--' ? args.slice(1) : args;
  if (format === '-v' && rest.length >= 2) {
    state.vars.set(rest[0], formatPrintf(rest[1], rest.slice(2)).text);
    return 0;
  }
  const out = formatPrintf(format, rest);
  await io.stdout.write(out.text);
  for (const e of out.errors) await io.stderr.write(`${state.says}printf: ${e}\n`);
  return out.errors.length > 0 ? 1 : 0;
}

export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['echo', simple(echo)],
  ['printf', simple(printf)],
  ['cd', simple(cd)],
  ['pwd', simple(async (_a, s, io) => (await io.stdout.write(`${s.cwd}\n`), 0))],
  [':', simple(() => 0)],
  ['true', simple(() => 0)],
  ['false', simple(() => 1)],
  ['test', simple((a, s) => (test(a, s) ? 0 : 1))],
  ['[', simple((a, s) => (test(a.slice(0, -1), s) ? 0 : 1))],
  ['wait', simple(wait)],
  ['kill', simple(kill)],
  ['jobs', simple(jobs)],
  ['fg', simple(fg)],
  ['bg', simple(() => 0)],
  ['export', simple(exportVars)],
  ['local', simple((a, s) => (a.forEach((x) => s.vars.set(x.split('=')[0], x.includes('=') ? x.slice(x.indexOf('=') + 1) : '')), 0))],
  ['declare', simple(exportVars)],
  ['readonly', simple(exportVars)],
  ['unset', simple((a, s) => (a.forEach((x) => (s.vars.delete(x), s.functions.delete(x), s.exported.delete(x))), 0))],
  ['set', simple(set)],
  ['shift', simple((a, s) => ((s.positional = s.positional.slice(Number(a[0] ?? 1))), 0))],
  ['read', simple(read)],
  ['type', simple(type)],
  ['ringscope', simple(ringscope)],
  ['umask', simple(() => 0)],
  ['ulimit', simple(() => 0)],
  ['trap', simple(() => 0)],
  ['source', simple(source)],
  ['.', simple(source)],
  ['break', flow('break')],
  ['continue', flow('continue')],
  ['return', flow('return')],
  ['exit', flow('exit')],
  ['eval', simple((a, s, io, sh) => sh.runText(a.join(' '), s, io))],
  [
    'exec',
    async (a, s, io, sh) => {
      if (a.length === 0) return undefined;
      await sh.external(a, s, io);
      return new Flow('exit', s.status);
    },
  ],
  [
    'command',
    async (a, s, io, sh) => {
      if (a[0] === '-v') {
        const found = builtins.has(a[1]) ? a[1] : hostTools.has(a[1]) || s.port.programs().includes(a[1]) ? `/usr/bin/${a[1]}` : undefined;
        if (found !== undefined) await io.stdout.write(`${found}\n`);
        s.status = found === undefined ? 1 : 0;
        return undefined;
      }
      const b = builtins.get(a[0]);
      return b !== undefined ? b(a.slice(1), s, io, sh) : sh.external(a, s, io);
    },
  ],
]);

const readers = new WeakMap<object, LineReader>();
/** The line reader of a command's standard input: kept per source, so that `while read` continues where it was. */
export function readerOf(io: Io): LineReader {
  let r = readers.get(io.stdin);
  if (r === undefined) readers.set(io.stdin, (r = new LineReader(io.stdin)));
  return r;
}
