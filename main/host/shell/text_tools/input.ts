// What text tools share: options, and lines from files or standard input.
import { Errno, strerror } from '../../../../engine/index.ts';
import { readerOf } from '../builtins.ts';
import type { Io } from '../redirect.ts';
import type { ShellState } from '../state.ts';
import { LineReader, textSource } from '../streams.ts';

/** Short options of a tool: letters that take a value are in `valued`. Long options are mapped to letters. */
export function options(
  args: readonly string[],
  valued: string,
  long: Readonly<Record<string, string>> = {},
): { opts: Map<string, string>; rest: string[]; bad: string | undefined } {
  const opts = new Map<string, string>();
  const rest: string[] = [];
  let bad: string | undefined;
  let i = 0;
  for (; i < args.length; i++) {
    const a = args[i];
    if (a === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (a.startsWith('--')) {
      const [name, value] = a.slice(2).split(/=(.*)/s, 2);
      const letter = long[name];
      if (letter === undefined) bad ??= a;
      else opts.set(letter, value ?? (valued.includes(letter) ? (args[++i] ?? '') : ''));
    } else if (a.startsWith('-') && a.length > 1) {
      for (let k = 1; k < a.length; k++) {
        if (valued.includes(a[k])) {
          opts.set(a[k], k + 1 < a.length ? a.slice(k + 1) : (args[++i] ?? ''));
          break;
        }
        opts.set(a[k], '');
      }
    } else rest.push(a);
  }
  return { opts, rest, bad };
}

/** A file's lines, or standard input for '-'. A file that cannot be read is an errno. */
export function openInput(name: string, state: ShellState, io: Io): LineReader | number {
  if (name === '-') return readerOf(io);
  const path = state.resolve(name);
  const r = state.port.fs(state.netns, state.cwd, { call: 'read', path });
  return r.ok ? new LineReader(textSource(r.data ?? '')) : r.errno;
}

/** Reports a file that could not be opened, in the words most tools use. */
export const cannot = (tool: string, name: string, errno: number): string => `${tool}: ${name}: ${strerror(errno)}\n`;

export const isDirectory = (errno: number): boolean => errno === Errno.EISDIR;
