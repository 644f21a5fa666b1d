// Interrupt core: vectors, numbers, counts, spurious interrupts.
import { expect, test } from 'vitest';
import { ops } from '../base/ops.ts';
import { bootKernel } from '../testkit/kernel_fixture.ts';
import { IRQ_HANDLED, IRQ_NONE, type IrqChip, type IrqTarget } from './irq.ts';

const CHIP: IrqChip = ops<IrqChip>({ name: 'PCI-MSI' });

class Target implements IrqTarget {
  readonly seen: number[][] = [];
  answer = IRQ_HANDLED;
  onIrq(irq: number, op: number): number {
    this.seen.push([irq, op]);
    return this.answer;
  }
}

test('dynamic interrupts are numbered from 24, each on the CPU with most free vectors, after those of the board', () => {
  const { kernel } = bootKernel({ cpus: 4 });
  const { irq } = kernel;
  const target = new Target();
  const descs = Array.from({ length: 5 }, (_, i) => irq.irq_alloc_desc(CHIP, 16384 + i, target, -1));
  for (const d of descs) expect(irq.request_irq(d.irq, target, d.irq - 24, `t${d.irq}`)).toBe(0);
  // the places Linux 6.1 chose on the reference machine
  expect(descs.map((d) => [d.irq, d.cpu, d.vector])).toEqual([
    [24, 3, 0x22],
    [25, 0, 0x22],
    [26, 1, 0x23],
    [27, 2, 0x23],
    [28, 3, 0x23],
  ]);
  expect(irq.request_irq(24, target, 0, 'again')).toBe(-16);
  irq.free_irq(26);
  irq.irq_free_desc(26);
  expect(irq.irq_alloc_desc(CHIP, 1, target, -1).irq).toBe(26);
});

test('an interrupt runs its handler on its CPU and is counted there; what nobody handles is counted as spurious', () => {
  const { kernel, platform, sim } = bootKernel({ cpus: 2 });
  const { irq } = kernel;
  const target = new Target();
  const d = irq.irq_alloc_desc(CHIP, 1, target, -1);
  irq.request_irq(d.irq, target, 7, 'test');
  const settle = (): void => {
    while (sim.step());
  };
  platform.cpus.list[d.cpu].interrupt(d.vector);
  settle();
  expect(target.seen).toEqual([[24, 7]]);
  expect(d.counts[d.cpu]).toBe(1);
  target.answer = IRQ_NONE;
  platform.cpus.list[d.cpu].interrupt(d.vector);
  settle();
  expect(d.irqs_unhandled).toBe(1);
  const { vector } = d;
  const { cpu } = d;
  irq.free_irq(d.irq);
  platform.cpus.list[cpu].interrupt(vector);
  settle();
  expect(irq.spuriousVectors).toBe(1);
  expect(target.seen).toHaveLength(2);
});

test('a change of affinity waits for the next interrupt, then the old vector is free again', () => {
  const { kernel, platform, sim } = bootKernel({ cpus: 2 });
  const { irq } = kernel;
  const target = new Target();
  const d = irq.irq_alloc_desc(CHIP, 1, target, -1);
  irq.request_irq(d.irq, target, 0, 'test');
  const from = d.cpu;
  const to = 1 - from;
  const inUse = [irq.matrix.inUse(0), irq.matrix.inUse(1)];
  expect(irq.irq_set_affinity(d.irq, 4)).toBe(-22);
  expect(irq.irq_set_affinity(d.irq, 1 << to)).toBe(0);
  expect(d.cpu).toBe(from);
  platform.cpus.list[from].interrupt(d.vector);
  while (sim.step());
  expect(d.cpu).toBe(to);
  platform.cpus.list[to].interrupt(d.vector);
  while (sim.step());
  expect([...d.counts]).toEqual([1, 1]);
  expect(irq.matrix.inUse(from)).toBe(inUse[from] - 1);
  expect(irq.matrix.inUse(to)).toBe(inUse[to] + 1);
});
