// `ringscope check LAB`: every mistake with file, line and column; then the lab is run, and what its drivers must not do is reported.
import { fixedLab, type ScriptStep, Session } from '../../engine/index.ts';
import { Runtime } from '../host/runtime.ts';
import { runScript } from '../host/shell/run_script.ts';
import { unmet } from '../host/expectations.ts';
import { Collector } from '../host/shell/streams.ts';
import { readLab, UsageError } from './options.ts';
import { reportViolations } from './violations.ts';

/** Simulated time that one script may take, ns. */
const PATIENCE = 60e9;

export async function check(args: readonly string[]): Promise<number> {
  const fileOnly = args.includes('--file-only');
  const [file, ...more] = args.filter((a) => a !== '--file-only' && a !== '--fixed');
  if (file === undefined || more.length > 0) throw new UsageError('check needs one lab: ringscope check LAB [--file-only] [--fixed]');
  const given = readLab(file);
  const lab = args.includes('--fixed') ? fixedLab(given) : given;
  process.stdout.write(`${file}: ${lab.name}: ${lab.machines.length} machines, ${lab.cables.length} cables, no mistakes\n`);
  if (fileOnly) return 0;
  const session = new Session(lab);
  session.rewindable = false;
  const runtime = new Runtime(session);
  session.boot();
  const scripts: ScriptStep[] = [...lab.machines.map((m) => ({ machine: m.name, run: m.setup })), ...lab.script];
  const missed: string[] = [];
  for (const step of scripts) {
    const { machine, run } = step;
    if (run === '') continue;
    const said = new Collector();
    const shell = runScript(run, runtime.port(machine), { stdout: said, stderr: said });
    if ((await runtime.runUntil(shell.status, session.time + PATIENCE)) !== 'done') shell.end();
    missed.push(...unmet(step, said.text));
  }
  const status = reportViolations(runtime, lab, missed, 0);
  const told = lab.findings === undefined ? 'no driver broke its contract' : 'as the lab says';
  if (status === 0) process.stdout.write(`${file}: run for ${(session.time / 1e9).toFixed(3)} s of simulated time: ${told}\n`);
  return status;
}
