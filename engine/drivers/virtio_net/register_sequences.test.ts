// The driver touches the device in the order in which Linux 6.1 does (golden: register_sequences.golden.txt).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Access } from '../../testkit/nic_fixture.ts';
import { nicFixture } from '../../testkit/nic_fixture.ts';
import { ECAM_BASE } from '../../platform/bus.ts';
import { ecamOffset } from '../../pci/config_space.ts';
import { IFF } from '../../kernel/net_device.ts';
import type { PciDev } from '../pci/pci_dev.ts';

const golden = new Map<string, string[]>();
for (const section of readFileSync(new URL('register_sequences.golden.txt', import.meta.url), 'utf8')
  .split('== ')
  .slice(1)) {
  const [name, ...lines] = section.trimEnd().split('\n');
  golden.set(name, lines);
}
const expected = (name: string): string[] => golden.get(name) ?? [];

const hex = (n: number): string => n.toString(16);

/** Accesses to the NIC in the golden file's words. */
function describe(log: readonly Access[], dev: PciDev): string[] {
  const config = ECAM_BASE + ecamOffset(0, 1, 0);
  const table = dev.resource[1].start;
  const bar4 = dev.resource[4].start;
  const out: string[] = [];
  for (const a of log) {
    const place = (): string | undefined => {
      if (a.address >= config && a.address < config + 4096) return `cfg ${hex(a.address - config)}`;
      if (a.address >= table && a.address < table + 4096) return `msix ${hex(a.address - table)}`;
      const o = a.address - bar4;
      if (o < 0 || o >= 0x4000) return undefined;
      return o >= 0x2000 ? `device ${hex(o - 0x2000)}` : o >= 0x1000 ? 'isr' : `common ${hex(o)}`;
    };
    const where = place();
    if (where === undefined) continue;
    if (a.address >= bar4 + 0x3000) out.push(`notify ${(a.address - bar4 - 0x3000) / 4}`);
    else out.push(`${a.write ? 'w' : 'r'} ${where} ${a.write && /^common (20|28|30)$/.test(where) ? '*' : hex(a.value)}`);
  }
  return out;
}

function machine(): { steps: (name: string, run: () => void, time?: number) => string[]; f: ReturnType<typeof nicFixture> } {
  const f = nicFixture({ cpus: 4, queuePairs: 4 });
  // the captured device had a link from the start
  f.nic.pci.generation = 0;
  const dev = f.kernel.drivers.bus_find_device_by_name('pci', '0000:00:01.0') as PciDev;
  return {
    f,
    steps(_name, run, time = 1e9) {
      f.log.length = 0;
      run();
      f.settle(time);
      return describe(f.log, dev);
    },
  };
}

test('modprobe virtio_pci, modprobe virtio_net, link down and rmmod make the accesses that Linux makes, value by value', () => {
  const { f, steps } = machine();
  const { modules, net, init_net } = f.kernel;
  expect(steps('01', () => modules.modprobe('virtio_pci'))).toEqual(expected('01-modprobe-virtio_pci'));
  expect(steps('02', () => modules.modprobe('virtio_net'))).toEqual(expected('02-modprobe-virtio_net'));
  const dev = init_net.__dev_get_by_name('eth0')!;
  // doorbells: receive queues in order, three receive modes of three commands each, then seven packets of IPv6 in six doorbells;
  // which transmit queue they take is the sender's CPU
  const bells = (lines: readonly string[]): string[] => lines.filter((l) => l.startsWith('notify')).map((l) => l.replace(/[1357]$/, 'tx'));
  const up = steps('03', () => net.dev_change_flags(dev, dev.flags | IFF.UP), 10e9);
  expect(bells(up)).toEqual(bells(expected('03-link-up')));
  // ethtool -L 2 begins with one command
  const l = steps('05', () => dev.ethtool_ops!.set_channels!(dev, { ...dev.ethtool_ops!.get_channels!(dev), combined_count: 2 }));
  expect(l[0]).toBe(expected('05-ethtool-L-2')[0]);
  expect(steps('13', () => net.dev_change_flags(dev, dev.flags & ~IFF.UP))).toEqual(expected('13-link-down'));
});

test('unloading a driver whose interface was never up makes the accesses of Linux', () => {
  const { f, steps } = machine();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  expect(steps('14', () => f.kernel.modules.delete_module('virtio_net'))).toEqual(expected('14-rmmod-virtio_net'));
});

test('an interrupt moves to another CPU at its next occurrence, masked, over the old CPU with the new vector', () => {
  const { f, steps } = machine();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const { irq } = f.kernel;
  const desc = irq.list().find((d) => d.action?.name === 'virtio0-output.1')!;
  // its hint is CPU 1, it was started on CPU 3; in the capture it went to CPU 1 the same way
  expect([desc.cpu, desc.pendingMask, desc.vector]).toEqual([3, 2, 0x23]);
  const moved = steps('03', () => f.platform.cpus.list[3].interrupt(0x23));
  const at = expected('03-link-up').indexOf('w msix 4c 1');
  expect(moved).toEqual(expected('03-link-up').slice(at, at + 11));
  expect([desc.cpu, [...desc.counts]]).toEqual([1, [0, 0, 0, 1]]);
});
