// Machines with more CPUs than a flat interrupt destination or a signed mask can name.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseLab } from '../../main/host/labs.ts';
import { Session } from '../session/session.ts';
import { command, labFile, runFor } from '../testkit/lab.ts';

test.each([1, 8, 9, 32])('a machine with %i CPUs takes interrupts on its last one', (cpus) => {
  const lab = parseLab(readFileSync(labFile('two-hosts'), 'utf8'), labFile('two-hosts'));
  const s = new Session({ ...lab, machines: lab.machines.map((m) => ({ ...m, cpus })) });
  s.boot();
  for (const m of lab.machines) for (const line of m.setup.trim().split('\n')) command(s, m.name, line.trim());
  const irq = s.world.machines.get('h1')?.kernel.irq;
  const inputs = irq?.list().filter((d) => d.action?.name.startsWith('virtio0-input')) ?? [];
  for (const d of inputs) expect(irq?.irq_set_affinity(d.irq, 2 ** (cpus - 1))).toBe(0);
  let said = '';
  s.listen({
    drained: (d) => (said += d.processes.map((p) => (p.kind === 'output' ? p.data : '')).join('')),
    logged: () => {},
    truncated: () => {},
  });
  command(s, 'h1', 'ping -c 3 -i 0.1 10.0.0.2');
  runFor(s, 2e9);
  expect(said).toContain('3 packets transmitted, 3 received');
  expect(inputs.reduce((sum, d) => sum + d.counts[cpus - 1], 0)).toBeGreaterThan(0);
});
