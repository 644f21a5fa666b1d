// Published bugs as labs: each shows its symptom, the same lab without the mistake does not, and two runs are one, with checkpoints and without.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LabLibrary } from '../../main/host/lab_library.ts';
import { notFound, unmet } from '../../main/host/expectations.ts';
import { formatLab, parseLab } from '../../main/host/labs.ts';
import { Runtime } from '../../main/host/runtime.ts';
import { runScript } from '../../main/host/shell/run_script.ts';
import { Collector } from '../../main/host/shell/streams.ts';
import { fixedLab, type LabSpec } from '../machine/lab.ts';
import { Session } from '../session/session.ts';

const LABS = 'resources/labs/bugs';
const files = readdirSync(LABS).filter((f) => f.endsWith('.lab.yaml'));
const read = (file: string): LabSpec => parseLab(readFileSync(`${LABS}/${file}`, 'utf8'), file);

/** What is not as the lab says, and the state at the end. */
async function run(lab: LabSpec, rewindable = false): Promise<{ wrong: string[]; state: string }> {
  const session = new Session(lab);
  session.rewindable = rewindable;
  const runtime = new Runtime(session);
  session.boot();
  const wrong: string[] = [];
  for (const step of [...lab.machines.map((m) => ({ machine: m.name, run: m.setup })), ...lab.script]) {
    const said = new Collector();
    const shell = runScript(step.run, runtime.port(step.machine), { stdout: said, stderr: said });
    expect(await runtime.runUntil(shell.status, session.time + 60e9)).toBe('done');
    wrong.push(...unmet(step, said.text).map((w) => `${w}\n${said.text}`));
  }
  const found = [...session.world.machines].flatMap(([name, m]) => m.kernel.contract.violations.map((v) => `${name} ${v.rule}`));
  return { wrong: [...wrong, ...notFound(lab, found)], state: session.hash() };
}

test('they are in the list of labs, without mistakes', () => {
  const listed = new LabLibrary(['resources/labs']).list();
  expect(listed.filter((l) => l.id.startsWith('bugs/')).map((l) => `${l.id.slice(5)}.lab.yaml`)).toEqual(files.toSorted());
  expect(listed.filter((l) => l.summary.startsWith('has mistakes'))).toEqual([]);
});

test.each(files)('%s: with the mistake', async (file) => {
  const lab = read(file);
  const [a, b] = [await run(lab, true), await run(lab)];
  expect(a.wrong).toEqual([]);
  expect(b.state).toBe(a.state);
});

test.each(files)('%s: without it', async (file) => {
  expect((await run(fixedLab(read(file)))).wrong).toEqual([]);
});

test.each(files)('%s: has a mistake, says what one sees both ways, and is the same when saved', (file) => {
  const lab = read(file);
  expect(lab.machines.some((m) => m.variants !== undefined || m.nics.some((n) => n.quirks !== undefined))).toBe(true);
  expect(lab.script.some((s) => s.expect !== undefined)).toBe(true);
  expect(lab.script.some((s) => s.fixed !== undefined)).toBe(true);
  expect(parseLab(formatLab(lab), file)).toEqual(lab);
});
