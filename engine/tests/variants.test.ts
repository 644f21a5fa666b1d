// A variant of a driver in a lab: it takes the real one's place, and the contract checker says what is wrong with it.
import { expect, test } from 'vitest';
import { parseLab } from '../../main/host/labs.ts';
import { Session } from '../session/session.ts';
import { command, runFor } from '../testkit/lab.ts';

const lab = (variants: string): string => `
ringscope: 1
name: variants
machines:
  h1: { nics: { nic0: {} }, variants: [${variants}] }
  h2: { nics: { nic0: {} } }
cables: [{ between: [h1:nic0, h2:nic0] }]
`;

function run(variants: string): string[] {
  const s = new Session(parseLab(lab(variants), 'variants'));
  s.boot();
  for (const [machine, address] of [
    ['h1', '10.0.0.1'],
    ['h2', '10.0.0.2'],
  ]) {
    command(s, machine, `ip addr add ${address}/24 dev eth0`);
    command(s, machine, 'ip link set eth0 up');
  }
  runFor(s, 2e9);
  command(s, 'h1', 'ping -c 3 -i 0.2 10.0.0.2');
  runFor(s, 2e9);
  return [...s.world.machines].flatMap(([name, m]) => m.kernel.contract.violations.map((v) => `${name} ${v.rule} ${v.by}`));
}

test('the real driver keeps its contract', () => {
  expect(run('')).toEqual([]);
});

test('the variant breaks the rule it is there for, in its machine, and no other', () => {
  expect(run("'virtio_net:napi-completes-twice'")).toEqual(['h1 napi-complete-twice virtio_net']);
});

test('an unknown variant is a mistake in the lab', () => {
  expect(() => parseLab(lab('nonsense'), 'variants')).toThrow('the driver variants are: virtio_net:napi-completes-twice, ');
});
