// The catalogue of faults as docs/faults.md shows it; a test holds the two together.
import { FAULT_KINDS, type FaultKindDef } from '../machine/fault_kinds.ts';

const UNITS = Object.freeze({
  ns: (n: number) => (n >= 1_000_000 ? `${n / 1_000_000} ms` : `${n / 1000} us`),
  bytes: String,
  number: String,
});

/** A row of the table for every kind. */
export function faultTable(): string[] {
  return (Object.entries(FAULT_KINDS) as [string, FaultKindDef][]).map(([name, d]) => {
    const value = d.value === undefined ? '' : `${d.value.what} (${UNITS[d.value.unit](d.value.default)})`;
    const times = d.times === Infinity ? 'always' : String(d.times);
    return `| \`${name}\` | ${d.target} | ${value} | ${times} | ${d.symptom} | ${d.recovery} |`;
  });
}
