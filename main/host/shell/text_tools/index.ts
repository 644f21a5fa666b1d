// Text tools that only transform streams or touch files: they run in the host's shell, streaming line by line.
import type { Interpreter } from '../interpreter.ts';
import type { Io } from '../redirect.ts';
import type { ShellState } from '../state.ts';
import { basename, dirname, mkdir, rm, touch } from './files.ts';
import { grep } from './grep.ts';
import { buffered } from './buffered.ts';
import { env, nohup, sh, stdbuf, timeout, watch, xargs } from './runners.ts';
import { head, seq, tail, tee, wc, yes } from './lines.ts';

/** Answers the exit status. */
export type HostTool = (args: readonly string[], state: ShellState, io: Io, shell: Interpreter) => Promise<number>;

/** Tools taken from just-bash: they see their whole input before they print. */
const BUFFERED = [
  'awk',
  'sed',
  'sort',
  'uniq',
  'cut',
  'tr',
  'tac',
  'rev',
  'nl',
  'fold',
  'paste',
  'column',
  'comm',
  'join',
  'diff',
  'od',
  'xxd',
  'md5sum',
  'sha1sum',
  'sha256sum',
  'base64',
  'expr',
  'date',
  'jq',
  'strings',
  'expand',
] as const;

export const hostTools: ReadonlyMap<string, HostTool> = new Map<string, HostTool>([
  ['grep', grep('grep')],
  ['egrep', grep('egrep')],
  ['fgrep', grep('fgrep')],
  ['head', head],
  ['tail', tail],
  ['wc', wc],
  ['seq', seq],
  ['tee', tee],
  ['yes', yes],
  ['xargs', xargs],
  ['watch', watch],
  ['timeout', timeout],
  ['env', env],
  ['nohup', nohup],
  ['stdbuf', stdbuf],
  ['sh', sh],
  ['bash', sh],
  ['mkdir', mkdir],
  ['rm', rm],
  ['touch', touch],
  ['basename', basename],
  ['dirname', dirname],
  ...BUFFERED.map((name): [string, HostTool] => [name, buffered(name)]),
]);
