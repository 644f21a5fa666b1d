// head, tail, wc, seq, tee, yes.
import { strerror, textToBytes } from '../../../../engine/index.ts';
import { FileSink, type Io } from '../redirect.ts';
import type { ShellState } from '../state.ts';
import type { LineReader } from '../streams.ts';
import type { HostTool } from './index.ts';
import { cannot, openInput, options } from './input.ts';

/** -n/-c counts with the obsolete form -5. */
function count(args: readonly string[]): { args: string[]; lines: string | undefined } {
  const at = args.findIndex((a) => /^[-+]\d+$/.test(a));
  return at < 0 ? { args: [...args], lines: undefined } : { args: args.filter((_, i) => i !== at), lines: args[at].replace(/^-/, '') };
}

/** Runs `print` on each file named, or on standard input, with the headings of -q and -v. */
async function eachInput(
  tool: string,
  names: readonly string[],
  opts: ReadonlyMap<string, string>,
  state: ShellState,
  io: Io,
  print: (input: LineReader) => Promise<void>,
): Promise<number> {
  const files = names.length > 0 ? names : ['-'];
  const headed = (files.length > 1 && !opts.has('q')) || opts.has('v');
  let status = 0;
  let first = true;
  for (const name of files) {
    const input = openInput(name, state, io);
    if (typeof input === 'number') {
      await io.stderr.write(`${tool}: cannot open '${name}' for reading: ${strerror(input)}\n`);
      status = 1;
      continue;
    }
    if (headed) await io.stdout.write(`${first ? '' : '\n'}==> ${name === '-' ? 'standard input' : name} <==\n`);
    first = false;
    await print(input);
  }
  return status;
}

export const head: HostTool = async (all, state, io) => {
  const { args, lines } = count(all);
  const { opts, rest } = options(args, 'nc', { lines: 'n', bytes: 'c', quiet: 'q', verbose: 'v' });
  const n = lines ?? opts.get('n') ?? '10';
  return eachInput('head', rest, opts, state, io, async (input) => {
    const bytes = opts.get('c');
    if (bytes !== undefined) await io.stdout.write((await input.all()).slice(0, Number(bytes)));
    else if (n.startsWith('-')) {
      const text = (await input.all()).split(/(?<=\n)/);
      await io.stdout.write(text.slice(0, Math.max(0, text.length + Number(n))).join(''));
    } else {
      for (let k = Number(n); k > 0; k--) {
        const line = await input.line();
        if (line === undefined || !(await io.stdout.write(line))) break;
      }
      input.source.cancel();
    }
  });
};

export const tail: HostTool = async (all, state, io) => {
  const { args, lines } = count(all);
  const { opts, rest } = options(args, 'nc', { lines: 'n', bytes: 'c', follow: 'f', quiet: 'q', verbose: 'v' });
  const n = lines ?? opts.get('n') ?? '10';
  return eachInput('tail', rest, opts, state, io, async (input) => {
    const text = await input.all();
    const bytes = opts.get('c');
    if (bytes !== undefined) await io.stdout.write(bytes.startsWith('+') ? text.slice(Number(bytes) - 1) : text.slice(-Number(bytes)));
    else {
      const split = text === '' ? [] : text.split(/(?<=\n)/);
      await io.stdout.write(
        (n.startsWith('+') ? split.slice(Math.max(0, Number(n) - 1)) : Number(n) === 0 ? [] : split.slice(-Math.abs(Number(n)))).join(''),
      );
    }
  });
};

export const wc: HostTool = async (args, state, io) => {
  const { opts, rest } = options(args, '', { lines: 'l', words: 'w', bytes: 'c', chars: 'm' });
  const which = ['l', 'w', 'm', 'c'].filter((k) => opts.has(k));
  const shown = which.length > 0 ? which : ['l', 'w', 'c'];
  const files = rest.length > 0 ? rest : ['-'];
  const rows: { counts: number[]; name: string }[] = [];
  let status = 0;
  for (const name of files) {
    const input = openInput(name, state, io);
    if (typeof input === 'number') {
      await io.stderr.write(cannot('wc', name, input));
      status = 1;
      continue;
    }
    const text = await input.all();
    const of: Record<string, number> = {
      l: (text.match(/\n/g) ?? []).length,
      w: (text.match(/\S+/g) ?? []).length,
      c: textToBytes(text).length,
      m: Array.from(text).length,
    };
    rows.push({ counts: shown.map((k) => of[k]), name });
  }
  if (files.length > 1) rows.push({ counts: shown.map((_, i) => rows.reduce((s, r) => s + r.counts[i], 0)), name: 'total' });
  const width =
    shown.length === 1 && rows.length === 1
      ? 1
      : rest.length === 0
        ? 7
        : Math.max(...rows.flatMap((r) => r.counts.map((c) => String(c).length)));
  for (const r of rows)
    await io.stdout.write(`${r.counts.map((c) => String(c).padStart(width)).join(' ')}${rest.length === 0 ? '' : ` ${r.name}`}\n`);
  return status;
};

export const seq: HostTool = async (args, _state, io) => {
  let separator = '\n';
  const nums: string[] = [];
  let equal = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '-s') separator = args[++i] ?? '';
    else if (args[i] === '-w') equal = true;
    else nums.push(args[i]);
  }
  const bad = nums.find((x) => Number.isNaN(Number(x)) || x === '');
  if (bad !== undefined || nums.length === 0 || nums.length > 3) {
    await io.stderr.write(
      bad !== undefined
        ? `seq: invalid floating point argument: '${bad}'\nTry 'seq --help' for more information.\n`
        : `seq: ${nums.length === 0 ? 'missing operand' : `extra operand '${nums[3]}'`}\nTry 'seq --help' for more information.\n`,
    );
    return 1;
  }
  const [first, step, last] =
    nums.length === 1 ? [1, 1, Number(nums[0])] : nums.length === 2 ? [Number(nums[0]), 1, Number(nums[1])] : nums.map(Number);
  const places = Math.max(...nums.map((x) => (x.split('.')[1] ?? '').length));
  const out: string[] = [];
  for (let i = 0; ; i++) {
    const v = first + i * step;
    if (step === 0 || (step > 0 ? v > last + 1e-12 : v < last - 1e-12)) break;
    out.push(v.toFixed(places));
    if (out.length >= 4096 && separator === '\n') {
      if (!(await io.stdout.write(`${out.join('\n')}\n`))) return 141;
      out.length = 0;
    }
  }
  const width = equal ? Math.max(...out.map((x) => x.length)) : 0;
  if (out.length > 0) await io.stdout.write(`${out.map((x) => x.padStart(width, '0')).join(separator)}\n`);
  return 0;
};

export const tee: HostTool = async (args, state, io) => {
  const { opts, rest } = options(args, '');
  const files: FileSink[] = [];
  let status = 0;
  for (const name of rest) {
    const r = state.port.fs(state.netns, state.cwd, { call: 'write', path: state.resolve(name), data: '', append: opts.has('a') });
    if (r.ok) files.push(new FileSink(state, state.resolve(name), io.stderr));
    else {
      await io.stderr.write(cannot('tee', name, r.errno));
      status = 1;
    }
  }
  for (;;) {
    const text = await io.stdin.read();
    if (text === undefined) return status;
    for (const f of files) await f.write(text);
    if (!(await io.stdout.write(text))) return 141;
  }
};

export const yes: HostTool = async (args, state, io) => {
  const line = `${args.length > 0 ? args.join(' ') : 'y'}\n`;
  while (state.job.signalled === 0 && (await io.stdout.write(line.repeat(256))));
  return 141;
};
