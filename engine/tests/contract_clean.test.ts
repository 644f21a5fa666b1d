// The shipped labs, run with the contract checker on: the shipped drivers break no rule.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Runtime } from '../../main/host/runtime.ts';
import { parseLab } from '../../main/host/labs.ts';
import { runScript } from '../../main/host/shell/run_script.ts';
import { Collector } from '../../main/host/shell/streams.ts';
import { violationText } from '../kernel/contract.ts';
import { Session } from '../session/session.ts';

const LABS = 'resources/labs';

test.each(readdirSync(LABS).filter((f) => f.endsWith('.lab.yaml')))('%s: the drivers keep their contract', async (file) => {
  const lab = parseLab(readFileSync(`${LABS}/${file}`, 'utf8'), file);
  const session = new Session(lab);
  session.rewindable = false;
  const runtime = new Runtime(session);
  session.boot();
  const sink = new Collector();
  for (const { machine, run } of [...lab.machines.map((m) => ({ machine: m.name, run: m.setup })), ...lab.script]) {
    const shell = runScript(run, runtime.port(machine), { stdout: sink, stderr: sink });
    await runtime.runUntil(shell.status, session.time + 60e9);
  }
  for (const m of lab.machines) {
    const shell = runScript('rmmod virtio_net; rmmod e1000e; modprobe virtio_net; modprobe e1000e', runtime.port(m.name), {
      stdout: sink,
      stderr: sink,
    });
    await runtime.runUntil(shell.status, session.time + 10e9);
  }
  const found = [...session.world.machines.values()].flatMap((m) => m.kernel.contract.violations.map(violationText));
  expect(found).toEqual([]);
});
