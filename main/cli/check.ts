// `ringscope check LAB`: every mistake with file, line and column; then the lab is run, and what its drivers must not do is reported.
import { Session } from '../../engine/index.ts';
import { Runtime } from '../host/runtime.ts';
import { runScript } from '../host/shell/run_script.ts';
import type { Sink } from '../host/shell/streams.ts';
import { readLab, UsageError } from './options.ts';
import { reportViolations } from './violations.ts';

/** Simulated time that one script may take, ns. */
const PATIENCE = 60e9;
const SILENT: Sink = { write: () => Promise.resolve(true), close: () => undefined };

export async function check(args: readonly string[]): Promise<number> {
  const fileOnly = args.includes('--file-only');
  const [file, ...more] = args.filter((a) => a !== '--file-only');
  if (file === undefined || more.length > 0) throw new UsageError('check needs one lab: ringscope check LAB [--file-only]');
  const lab = readLab(file);
  process.stdout.write(`${file}: ${lab.name}: ${lab.machines.length} machines, ${lab.cables.length} cables, no mistakes\n`);
  if (fileOnly) return 0;
  const session = new Session(lab);
  session.rewindable = false;
  const runtime = new Runtime(session);
  session.boot();
  const scripts = [...lab.machines.map((m) => ({ machine: m.name, run: m.setup })), ...lab.script];
  for (const { machine, run } of scripts) {
    if (run === '') continue;
    const shell = runScript(run, runtime.port(machine), { stdout: SILENT, stderr: SILENT });
    if ((await runtime.runUntil(shell.status, session.time + PATIENCE)) !== 'done') shell.end();
  }
  const status = reportViolations(runtime, 0);
  if (status === 0)
    process.stdout.write(`${file}: run for ${(session.time / 1e9).toFixed(3)} s of simulated time: no driver broke its contract\n`);
  return status;
}
