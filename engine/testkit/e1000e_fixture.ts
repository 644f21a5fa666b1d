// A machine with one 82574L: with a kernel that can load e1000e, or bare for a script.
import { E1000e, type E1000eChip } from '../devices/e1000e/e1000e.ts';
import { PciHost } from '../devices/pci_host.ts';
import { E1000E_MODULE } from '../drivers/e1000e/e1000e.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { PCI_DEVFN } from '../pci/config_space.ts';
import type { Platform } from '../platform/platform.ts';
import type { Sim } from '../sim/sim.ts';
import { bootOn, makePlatform, runFor } from './kernel_fixture.ts';
import { type Access, TestWire } from './nic_fixture.ts';

export const E1000E_MAC: readonly number[] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x57];

export interface E1000eFixture {
  readonly sim: Sim;
  readonly platform: Platform;
  readonly kernel: Kernel;
  readonly nic: E1000e;
  readonly wire: TestWire;
  /** Accesses to the registers of BAR 0 since the fixture was made; a test may empty it. */
  readonly log: Access[];
  settle(nanoseconds?: number): void;
}

export function e1000eFixture(options: { readonly ramBytes?: number; readonly chip?: E1000eChip } = {}): E1000eFixture {
  const { sim, trace, platform } = makePlatform({ cpus: 2, ramBytes: options.ramBytes ?? 32 << 20 });
  const host = new PciHost(platform);
  const nic = new E1000e(platform, {
    portName: 'h1:nic0',
    slot: '00:02.0',
    mac: Uint8Array.from(E1000E_MAC),
    chip: options.chip ?? 'intel',
  });
  host.addFunction(PCI_DEVFN(2, 0), nic.fn);
  host.firmware();
  const wire = new TestWire(sim);
  nic.plug(wire);
  nic.linkChanged(true);
  const log: Access[] = [];
  const base = nic.fn.barAddress(nic.fn.bars[0]);
  const { bus } = platform;
  const read = bus.read.bind(bus);
  const write = bus.write.bind(bus);
  const inBar = (address: number): boolean => address >= base && address < base + 0x20000;
  bus.read = (address, size) => {
    const value = read(address, size);
    if (inBar(address)) log.push({ write: false, address: address - base, size, value });
    return value;
  };
  bus.write = (address, size, value) => {
    if (inBar(address)) log.push({ write: true, address: address - base, size, value });
    write(address, size, value);
  };
  const modules = { builtin: [LOOPBACK_MODULE, PCI_MODULE], loadable: [E1000E_MODULE] };
  const kernel = bootOn(platform, { modules, sim, trace });
  return { sim, platform, kernel, nic, wire, log, settle: (ns = 50_000_000) => runFor(sim, ns) };
}
