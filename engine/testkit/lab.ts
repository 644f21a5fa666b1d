// Sessions for tests that span layers: a shipped lab, its setup done, commands typed in its machines without a shell.
import { readFileSync } from 'node:fs';
import { parseLab } from '../../main/host/labs.ts';
import { instant } from '../base/units.ts';
import { Session } from '../session/session.ts';

export const labFile = (name: string): string => `resources/labs/${name}.lab.yaml`;

/** A booted session of a shipped lab; setup scripts of plain command lines are run. */
export function openLab(name: string, seed?: number): Session {
  const lab = parseLab(readFileSync(labFile(name), 'utf8'), labFile(name));
  const session = new Session(seed === undefined ? lab : { ...lab, seed });
  session.boot();
  for (const m of lab.machines) for (const line of m.setup.split('\n')) if (line.trim() !== '') command(session, m.name, line.trim());
  return session;
}

/** Starts a command (words split at blanks); answers its pid. */
export function command(session: Session, machine: string, line: string): number {
  const r = session.apply({
    kind: 'spawn',
    machine,
    spec: {
      argv: line.split(/\s+/),
      netns: '',
      cwd: '/',
      env: {},
      stdin: { kind: 'null' },
      stdout: { kind: 'host' },
      stderr: { kind: 'host' },
    },
  });
  if (r.kind !== 'spawn' || r.result.state === 'enoent' || r.result.state === 'error') throw new Error(`${line}: ${JSON.stringify(r)}`);
  return r.result.pid;
}

/** Runs for `nanoseconds` of simulated time. */
export function runFor(session: Session, nanoseconds: number): void {
  const until = session.time + nanoseconds;
  while (session.run(instant(until), 100_000) !== 'time' && (session.nextTime() ?? Infinity) <= until);
}
