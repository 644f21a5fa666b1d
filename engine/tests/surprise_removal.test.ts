// A NIC pulled out of a running machine while packets flow: what reads as ones, what survives, that nothing is left, and its way back.
import { expect, test } from 'vitest';
import type { FaultSpec } from '../machine/fault_kinds.ts';
import type { Session } from '../session/session.ts';
import { command, openLab, runFor } from '../testkit/lab.ts';

const SLOT = '/sys/bus/pci/devices';
const write = (s: Session, path: string, data: string): unknown =>
  s.apply({ kind: 'fs', machine: 'h1', netns: '', cwd: '/', fs: { call: 'write', path, data, append: false } });

function pull(s: Session, spec: FaultSpec): number {
  const r = s.apply({ kind: 'fault', fault: { op: 'inject', spec } });
  if (r.kind !== 'fault') throw new Error(JSON.stringify(r));
  return r.id;
}

/** What a command prints within three seconds. */
function output(s: Session, line: string): string {
  let text = '';
  const chunks: { pid: number; data: string }[] = [];
  s.listen({
    drained: (d) => {
      for (const p of d.processes) if (p.kind === 'output') chunks.push(p);
    },
    logged: () => {},
    truncated: () => {},
  });
  const pid = command(s, 'h1', line);
  runFor(s, 3e9);
  s.listen(undefined);
  for (const c of chunks) if (c.pid === pid) text += c.data;
  return text;
}

/** Everything a device can leave behind. */
function held(s: Session): Record<string, number> {
  const machine = s.world.machines.get('h1');
  if (machine === undefined) throw new Error('no h1');
  const { kernel, platform } = machine;
  return {
    irqs: kernel.irq.list().length,
    netdevs: kernel.init_net.devices.length,
    pci: kernel.drivers.bus('pci')?.devices.length ?? 0,
    regions: platform.bus.regions.length + platform.ports.regions.length,
    groups: kernel.drivers.iommuGroups.length,
  };
}

test.each([
  ['two-hosts', 'nic0', '0000:00:01.0', '10.0.0.2', 'eth0'],
  ['iommu', 'nic0', '0000:00:01.0', '10.0.0.2', 'eth0'],
  ['iommu', 'nic1', '0000:00:02.0', '10.0.1.2', 'eth1'],
])('%s %s: traffic stops, the driver lets go without a leak, and the NIC works again after a rescan', (lab, port, address, peer, name) => {
  const s = openLab(lab);
  runFor(s, 4e9);
  const machine = s.world.machines.get('h1')!;
  const { kernel } = machine;
  const dev = kernel.drivers.bus('pci')!.devices.find((d) => d.name === address)!;
  const before = held(s);
  expect(output(s, `ping -c 2 -i 0.2 ${peer}`)).toContain(' 0% packet loss');
  command(s, 'h1', `ping -i 0.05 -s 3000 ${peer}`);
  runFor(s, 0.5e9);
  const id = pull(s, { kind: 'surprise-removal', at: `h1:${port}` });
  runFor(s, 12e9);
  expect(output(s, `lspci -s ${address}`)).toContain('(rev ff)');
  expect(kernel.panicked).toBeUndefined();
  write(s, `${SLOT}/${address}/remove`, '1\n');
  runFor(s, 1e9);
  expect(dev.dma?.leaks()).toEqual([]);
  expect(kernel.init_net.devices.map((d) => d.name)).not.toContain(name);
  const after = held(s);
  expect([before.irqs - after.irqs > 0, before.netdevs - after.netdevs, before.pci - after.pci]).toEqual([true, 1, 1]);
  s.apply({ kind: 'fault', fault: { op: 'clear', id } });
  write(s, '/sys/bus/pci/rescan', '1\n');
  runFor(s, 1e9);
  expect(held(s)).toEqual(before);
  command(s, 'h1', `ip addr add ${peer.replace(/2$/, '1')}/24 dev ${name}`);
  command(s, 'h1', `ip link set ${name} up`);
  runFor(s, 4e9);
  expect(output(s, `ping -c 2 -i 0.2 ${peer}`)).toContain(' 0% packet loss');
});
