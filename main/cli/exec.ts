// `ringscope exec LAB MACHINE[/NETNS] [-- COMMAND]`
import { readFileSync } from 'node:fs';
import { startHeadless } from './headless.ts';
import { parseRunOptions, readLab, UsageError } from './options.ts';

const quote = (word: string): string => (/^[\w./:=@%^,+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

export async function exec(args: readonly string[]): Promise<number> {
  const options = parseRunOptions(args);
  const [file, where] = options.positional;
  if (file === undefined || where === undefined || options.positional.length > 2)
    throw new UsageError('exec needs a lab and a machine: ringscope exec LAB MACHINE[/NETNS] [-- COMMAND]');
  const [machine, netns = ''] = where.split('/', 2);
  const lab = readLab(file, options.seed, options.faults);
  if (!lab.machines.some((m) => m.name === machine))
    throw new UsageError(`there is no machine '${machine}' in ${file}: the machines are ${lab.machines.map((m) => m.name).join(', ')}`);
  // one word after `--` is a command line of its own; several are a command and its arguments
  const { command } = options;
  const text = command === undefined ? readFileSync(0, 'utf8') : command.length === 1 ? command[0] : command.map(quote).join(' ');
  const run = await startHeadless(lab, options);
  try {
    return await run.script(machine, netns, text);
  } finally {
    await run.finish();
  }
}
