// What a lab says of its own run: what its steps print, and which rules of the contract its drivers break.
import type { LabSpec, ScriptStep } from '../../engine/index.ts';

/** Expectations of a step that its output does not meet, as sentences. */
export const unmet = ({ machine, expect = [] }: ScriptStep, output: string): string[] =>
  expect.filter((p) => !new RegExp(p, 'm').test(output)).map((p) => `${machine}: expected, and not printed: ${p}`);

/** What the checker found and the lab does not say, and the other way round, as sentences. `found` is in the lab's form, 'MACHINE RULE'. */
export function notFound(lab: LabSpec, found: readonly string[]): string[] {
  const { findings = [] } = lab;
  return [
    ...[...new Set(found)].filter((f) => !findings.includes(f)).map((f) => `contract broken: ${f}`),
    ...findings.filter((f) => !found.includes(f)).map((f) => `expected of the contract checker, and not found: ${f}`),
  ];
}
