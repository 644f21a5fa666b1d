// `ringscope check LAB`: every mistake with file, line and column.
import { readLab, UsageError } from './options.ts';

export function check(args: readonly string[]): Promise<number> {
  const [file] = args;
  if (file === undefined || args.length > 1) throw new UsageError('check needs one lab: ringscope check LAB');
  const lab = readLab(file);
  process.stdout.write(`${file}: ${lab.name}: ${lab.machines.length} machines, ${lab.cables.length} cables, no mistakes\n`);
  return Promise.resolve(0);
}
