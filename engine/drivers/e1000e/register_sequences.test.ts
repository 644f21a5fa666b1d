// The driver touches the 82574L in the order in which Linux 6.1's e1000e does (golden: register_sequences.golden.txt).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { e1000eFixture } from '../../testkit/e1000e_fixture.ts';
import type { Access } from '../../testkit/nic_fixture.ts';

const golden = new Map<string, string[]>();
for (const section of readFileSync(new URL('register_sequences.golden.txt', import.meta.url), 'utf8')
  .split('== ')
  .slice(1)) {
  const [name, ...lines] = section.trimEnd().split('\n');
  golden.set(name, lines);
}

/** The clock for time stamps stands still in QEMU and runs in this world. */
const VOLATILE: readonly string[] = ['b600', 'b604'];
const line = (write: boolean, register: string, value: string): string =>
  `${write ? 'w' : 'r'} ${register} ${VOLATILE.includes(register) ? '*' : value}`;
const register = (l: string): number => Number.parseInt(l.split(' ')[1], 16);

/** Tables are written word by word, with or without a read in between: one line for at least four such steps. */
function fold(lines: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < lines.length;) {
    const width = [1, 2].find((w) => steps(lines, i, w) >= 4);
    if (width === undefined) {
      out.push(lines[i++]);
      continue;
    }
    const n = steps(lines, i, width);
    const [op, first, value] = lines[i].split(' ');
    const last = (register(lines[i]) + 4 * (n - 1)).toString(16);
    out.push([`${op} ${first}-${last} ${value}`, ...lines.slice(i + 1, i + width)].join(', '));
    i += n * width;
  }
  return out;
}

function steps(lines: readonly string[], at: number, width: number): number {
  let n = 1;
  const [op, , value] = lines[at].split(' ');
  const expected = (k: number): string => `${op} ${(register(lines[at]) + 4 * k).toString(16)} ${value}`;
  while (
    lines[at + n * width] === expected(n) &&
    [...Array(width - 1).keys()].every((j) => lines[at + n * width + 1 + j] === lines[at + 1 + j])
  )
    n++;
  return n;
}

const described = (log: readonly Access[]): string[] => fold(log.map((a) => line(a.write, a.address.toString(16), a.value.toString(16))));

test('modprobe e1000e and rmmod make the accesses that Linux makes, value by value', () => {
  const f = e1000eFixture();
  // the captured device had a link from the start
  f.settle(2e9);
  f.log.length = 0;
  expect(f.kernel.modules.modprobe('e1000e').errno).toBe(0);
  expect(described(f.log)).toEqual(golden.get('15-modprobe-e1000e'));
  f.settle(1e9);
  f.log.length = 0;
  expect(f.kernel.modules.delete_module('e1000e')).toBe(0);
  expect(described(f.log)).toEqual(golden.get('19-e1000e-rmmod'));
});
