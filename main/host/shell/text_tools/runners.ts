// Tools that run other commands: xargs, watch, timeout, env, sh.
import type { Io } from '../redirect.ts';
import type { ShellState } from '../state.ts';
import { EMPTY } from '../streams.ts';
import type { HostTool } from './index.ts';
import { readerOf } from '../builtins.ts';
import { Job } from '../state.ts';

/** Runs words as a command in a copy of the shell's state; answers the status. */
async function runWords(
  words: readonly string[],
  state: ShellState,
  io: Io,
  shell: Parameters<HostTool>[3],
  job = state.job,
): Promise<number> {
  const child = state.child(job);
  const flow = await shell.execute(words, child, io);
  return flow?.kind === 'exit' ? flow.value : child.status;
}

export const xargs: HostTool = async (args, state, io, shell) => {
  let per = Infinity;
  let replace: string | undefined;
  let separator = /\s+/;
  let skipEmpty = false;
  let i = 0;
  for (; i < args.length && args[i].startsWith('-'); i++) {
    if (args[i] === '-n') per = Number(args[++i]);
    else if (args[i] === '-I') replace = args[++i];
    else if (args[i] === '-0') separator = /\0/;
    else if (args[i] === '-d') separator = new RegExp(args[++i].replaceAll(String.raw`\n`, '\n'));
    else if (args[i] === '-r') skipEmpty = true;
    else if (args[i] === '--') {
      i++;
      break;
    }
  }
  const command = args.slice(i).length > 0 ? args.slice(i) : ['echo'];
  const text = await readerOf(io).all();
  const items = replace !== undefined ? text.split('\n').filter((l) => l !== '') : text.split(separator).filter((w) => w !== '');
  const mine = { ...io, stdin: EMPTY };
  let worst = 0;
  const run = async (words: readonly string[]): Promise<void> => {
    const status = await runWords(words, state, mine, shell);
    if (status !== 0) worst = status >= 126 ? status : 123;
  };
  if (items.length === 0 && !skipEmpty && replace === undefined) await run(command);
  else if (replace !== undefined) for (const item of items) await run(command.map((w) => w.replaceAll(replace, item)));
  else for (let k = 0; k < items.length; k += per) await run([...command, ...items.slice(k, k + per)]);
  return worst;
};

/** Sleeps in simulated time; false when interrupted. */
async function sleep(seconds: string, state: ShellState, io: Io, shell: Parameters<HostTool>[3]): Promise<boolean> {
  await runWords(['sleep', seconds], state, { ...io, stdin: EMPTY }, shell);
  return state.job.signalled === 0;
}

export const watch: HostTool = async (args, state, io, shell) => {
  let every = '2';
  let title = true;
  let i = 0;
  for (; i < args.length && args[i].startsWith('-'); i++) {
    if (args[i] === '-n') every = args[++i];
    else if (args[i] === '-t') title = false;
  }
  const command = args.slice(i).join(' ');
  do {
    const child = state.child();
    await io.stdout.write('\x1b[H\x1b[2J');
    if (title) await io.stdout.write(`Every ${Number(every).toFixed(1)}s: ${command}\n\n`);
    await shell.runText(command, child, { ...io, stdin: EMPTY });
  } while (await sleep(every, state, io, shell));
  return 130;
};

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400 };

export const timeout: HostTool = async (args, state, io, shell) => {
  let i = 0;
  let signal = 15;
  for (; i < args.length && args[i].startsWith('-'); i++)
    if (args[i] === '-s') signal = args[++i].includes('INT') ? 2 : args[i].includes('KILL') ? 9 : 15;
  const m = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(args[i] ?? '');
  if (m === null) {
    await io.stderr.write(`timeout: invalid time interval '${args[i] ?? ''}'\nTry 'timeout --help' for more information.\n`);
    return 125;
  }
  const inner = new Job(0, state.job.pid, 'timeout');
  const timer = new Job(0, state.job.pid, 'sleep');
  const pass = (s: number): void => inner.signal(state.port, s);
  state.job.aborts.add(pass);
  let expired = false;
  const clock = runWords(['sleep', String(Number(m[1]) * UNITS[m[2]])], state, { ...io, stdin: EMPTY }, shell, timer).then(() => {
    if (inner.done || timer.signalled !== 0) return;
    expired = true;
    inner.signal(state.port, signal);
  });
  const status = await runWords(args.slice(i + 1), state, io, shell, inner);
  inner.finish(status);
  state.job.aborts.delete(pass);
  timer.signal(state.port, 15);
  await clock;
  return expired ? 124 : status;
};

export const env: HostTool = async (args, state, io, shell) => {
  const child = state.child();
  let i = 0;
  for (; i < args.length && (args[i].includes('=') || args[i] === '-i'); i++) {
    if (args[i] === '-i') child.exported.clear();
    else {
      const [k, v] = args[i].split(/=(.*)/s, 2);
      child.vars.set(k, v);
      child.exported.add(k);
    }
  }
  if (i < args.length) return runWords(args.slice(i), child, io, shell);
  for (const [k, v] of Object.entries(child.env())) await io.stdout.write(`${k}=${v}\n`);
  return 0;
};

export const nohup: HostTool = (args, state, io, shell) => runWords(args, state, io, shell);

export const stdbuf: HostTool = (args, state, io, shell) =>
  runWords(args.slice(args.findIndex((a) => !a.startsWith('-'))), state, io, shell);

export const sh: HostTool = async (args, state, io, shell) => {
  const child = state.child();
  const c = args.indexOf('-c');
  if (c >= 0) {
    child.positional = args.slice(c + 3);
    return shell.runText(args[c + 1] ?? '', child, io);
  }
  const file = args.find((a) => !a.startsWith('-'));
  if (file === undefined) return shell.runText(await readerOf(io).all(), child, io);
  const r = state.port.fs(state.netns, state.cwd, { call: 'read', path: state.resolve(file) });
  if (!r.ok) {
    await io.stderr.write(`bash: ${file}: No such file or directory\n`);
    return 127;
  }
  child.positional = args.slice(args.indexOf(file) + 1);
  return shell.runText(r.data ?? '', child, io);
};
