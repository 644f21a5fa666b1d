// What the contract checker found in a run, told at its end.
import type { LabSpec } from '../../engine/index.ts';
import type { Runtime } from '../host/runtime.ts';
import { notFound } from '../host/expectations.ts';

/** Exit status of a run whose drivers broke their contract, or that did not show what its lab says, when nothing else was wrong. */
const BROKEN = 3;

/** Prints every finding to stderr, and what the lab says and did not come; the run's status, or 3 when it was 0 and something was not as it should be. */
export function reportViolations(runtime: Runtime, lab: LabSpec, missed: readonly string[], status: number): number {
  const found = runtime.outside.violations();
  for (const v of found) process.stderr.write(`ringscope: contract: ${v.machine}: ${v.text}\n`);
  const wrong = [
    ...missed,
    ...notFound(
      lab,
      found.map((v) => `${v.machine} ${v.rule}`),
    ),
  ];
  for (const text of wrong) process.stderr.write(`ringscope: ${text}\n`);
  return wrong.length > 0 && status === 0 ? BROKEN : status;
}
