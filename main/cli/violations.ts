// What the contract checker found in a run, told at its end.
import type { Runtime } from '../host/runtime.ts';

/** Exit status of a run whose drivers broke their contract, when nothing else was wrong. */
const BROKEN = 3;

/** Prints every finding to stderr; the run's status, or 3 when it was 0 and there are findings. */
export function reportViolations(runtime: Runtime, status: number): number {
  const found = runtime.outside.violations();
  for (const v of found) process.stderr.write(`ringscope: contract: ${v.machine}: ${v.text}\n`);
  return found.length > 0 && status === 0 ? BROKEN : status;
}
