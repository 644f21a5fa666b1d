// Every rule of the contract is found where it is broken: once, with its source; and nothing is found where none is broken.
import { expect, test } from 'vitest';
import { CONTRACT_RULES, violationText } from '../kernel/contract.ts';
import { bootKernel, runFor } from '../testkit/kernel_fixture.ts';
import { DEEDS, type Scene, WrongDriver } from '../testkit/wrong_driver.ts';

function scene(contract: boolean): Scene {
  return new WrongDriver(bootKernel({ contract }).kernel).start();
}

/** Broken in engine/drivers/virtio/virtio_ring_contract.test.ts. */
const ELSEWHERE = ['ring-unwritten', 'ring-barrier', 'irq-vectors-in-use'];

test.each(CONTRACT_RULES.filter((r) => !ELSEWHERE.includes(r)))('%s', (rule) => {
  const s = scene(true);
  const deed = DEEDS[rule];
  expect(deed, `nothing breaks ${rule}`).toBeDefined();
  deed?.(s);
  runFor(s.kernel.platform.sim, 20_000_000);
  expect(
    s.kernel.contract.violations.map((v) => v.rule),
    s.kernel.contract.violations.map(violationText).join('\n'),
  ).toEqual([rule]);
  expect(s.kernel.contract.violations[0].source).not.toBe('');
});

test('with the checker off the same deeds are not reported', () => {
  for (const deed of Object.values(DEEDS)) {
    const s = scene(false);
    deed(s);
    runFor(s.kernel.platform.sim, 20_000_000);
    expect(s.kernel.contract.violations).toEqual([]);
  }
});

test('a driver that breaks a rule a hundred times is one finding, counted', () => {
  const s = scene(true);
  for (let i = 0; i < 100; i++) DEEDS['xmit-busy-running']?.(s);
  expect(s.kernel.contract.violations.map((v) => [v.rule, v.count])).toEqual([['xmit-busy-running', 100]]);
});
