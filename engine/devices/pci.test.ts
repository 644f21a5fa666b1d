// The PCI side of the devices against the specification and against what QEMU and SeaBIOS show a guest.
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ecamOffset, PCI_COMMAND, PCI_DEVFN, PciHeader } from '../pci/config_space.ts';
import { ECAM_BASE } from '../platform/bus.ts';
import { Sim } from '../sim/sim.ts';
import { bareMachine, ScriptedDriver } from '../testkit/scripted_driver.ts';
import { Trace } from '../trace/trace.ts';
import { PciFunction, ROM_BAR } from './pci_function.ts';
import { PciHost } from './pci_host.ts';
import { virtioNetPci } from './virtio_net.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);

/** The oracle's guest: virtio-net with four queue pairs in slot 1, an e1000e's BARs in slot 2. */
function referenceGuest() {
  const sim = new Sim(1);
  const { platform, irqs } = bareMachine(sim, new Trace(sim), 'guest');
  const host = new PciHost(platform);
  const nic = virtioNetPci(platform, { portName: 'guest:nic0', slot: '00:01.0', mac: MAC, queuePairs: 4 });
  host.addFunction(PCI_DEVFN(1, 0), nic.pci.fn);
  const e1000e = new PciFunction(
    'e1000e 00:02.0',
    { vendor: 0x8086, device: 0x10d3, subsystemVendor: 0x8086, subsystemId: 0, classCode: 0x020000, revision: 0, interruptPin: 1 },
    undefined,
  );
  e1000e.addBar(0, 'mem32', 0x20000, undefined);
  e1000e.addBar(1, 'mem32', 0x20000, undefined);
  e1000e.addBar(2, 'io', 0x20, undefined);
  e1000e.addBar(3, 'mem32', 0x4000, undefined);
  e1000e.addBar(ROM_BAR, 'mem32', 0x40000, undefined, true);
  host.addFunction(PCI_DEVFN(2, 0), e1000e);
  host.firmware();
  return { platform, host, nic, e1000e, irqs, driver: new ScriptedDriver(platform, 1) };
}

it('firmware places every BAR where SeaBIOS does on a q35', () => {
  const { nic, e1000e, host } = referenceGuest();
  const at = (fn: PciFunction) => Object.fromEntries(fn.bars.map((b) => [b.index, fn.barAddress(b).toString(16)]));
  expect(at(nic.pci.fn)).toEqual({ 0: 'c000', 1: 'febc4000', 4: 'febfc000', 6: 'feb00000' });
  expect(at(e1000e)).toEqual({ 0: 'feb80000', 1: 'feba0000', 2: 'c080', 3: 'febc0000', 6: 'feb40000' });
  const [ahci, smbus] = [PCI_DEVFN(0x1f, 2), PCI_DEVFN(0x1f, 3)].map((d) => host.functions.get(d));
  expect([ahci && at(ahci), smbus && at(smbus)]).toEqual([{ 4: 'c0a0', 5: 'febc5000' }, { 4: '700' }]);
  expect([nic.pci.fn, e1000e].map((f) => f.configRead(PciHeader.interrupt_line.offset, 1))).toEqual([10, 11]);
});

const CAPTURE = new URL('../../../shared/oracle/captures/12-lifecycle/053-lspci_-nn_-vvv_-xxx_-s_0000_00_01.0.txt', import.meta.url);
it.skipIf(!existsSync(CAPTURE))('the configuration space of the transitional device is byte for byte that of QEMU 7.2', () => {
  const { driver } = referenceGuest();
  const rows = readFileSync(CAPTURE, 'latin1')
    .split('\n')
    .filter((l) => /^[0-9a-f]0: /.test(l));
  expect(rows).toHaveLength(16);
  const ours = rows.map(
    (_, r) =>
      `${(r * 16).toString(16).padStart(2, '0')}: ${Array.from({ length: 16 }, (_, i) =>
        driver
          .cfg(r * 16 + i, 1)
          .toString(16)
          .padStart(2, '0'),
      ).join(' ')}`,
  );
  expect(ours).toEqual(rows);
});

it('the chipset shows what QEMU 7.2 and SeaBIOS leave in its configuration space', () => {
  const { host } = referenceGuest();
  // [offset, 32 bits] of all that is not zero, as the monitor's `xp` shows it
  const words = (devfn: number): [number, string][] =>
    Array.from({ length: 64 }, (_, i): [number, number] => [4 * i, host.functions.get(devfn)?.configRead(4 * i, 4) ?? 0])
      .filter(([, word]) => word !== 0)
      .map(([at, word]) => [at, word.toString(16).padStart(8, '0')]);
  expect(words(PCI_DEVFN(0, 0))).toEqual([
    [0x00, '29c08086'],
    [0x04, '00000103'],
    [0x08, '06000000'],
    [0x2c, '11001af4'],
    [0x50, '00000010'],
    [0x60, 'b0000001'],
    [0x90, '11111110'],
    [0x94, '00331111'],
    [0x9c, '00380a00'],
  ]);
  expect(words(PCI_DEVFN(0x1f, 0)).slice(3)).toEqual([
    [0x0c, '00800000'],
    [0x2c, '11001af4'],
    [0x40, '00000601'],
    [0x44, '00000080'],
    [0x60, '0b0b0a0a'],
    [0x68, '0b0b0a0a'],
    [0x80, '00010000'],
    [0xa0, '00000010'],
    [0xf0, 'fed1c001'],
  ]);
  expect(words(PCI_DEVFN(0x1f, 2)).slice(1)).toEqual([
    [0x04, '00100107'],
    [0x08, '01060102'],
    [0x0c, '00800000'],
    [0x20, '0000c0a1'],
    [0x24, 'febc5000'],
    [0x2c, '11001af4'],
    [0x34, '00000080'],
    [0x3c, '0000010a'],
    [0x80, '0080a805'],
    [0x90, '00000040'],
    [0xa8, '00100012'],
    [0xac, '00000048'],
  ]);
  expect(words(PCI_DEVFN(0x1f, 3)).slice(-2)).toEqual([
    [0x3c, '0000010a'],
    [0x40, '00000001'],
  ]);
});

it('PCI 3.0 §6.2.5.1: a BAR written with ones reads back its size, and its old address answers again after restoring', () => {
  const { driver, platform } = referenceGuest();
  const sizeOf = (reg: number): number => {
    const old = driver.cfg(reg);
    driver.setCfg(reg, 4, 0xffffffff);
    const read = driver.cfg(reg);
    driver.setCfg(reg, 4, old);
    return -(read & ((read & 1) === 1 ? ~3 : ~15)) >>> 0;
  };
  expect([0x10, 0x14, 0x20, 0x18].map(sizeOf)).toEqual([64, 0x1000, 0x4000, 0]);
  expect(driver.cfg(0x24)).toBe(0);
  driver.setCfg(0x24, 4, 0xffffffff);
  expect(driver.cfg(0x24)).toBe(0xffffffff);
  driver.setCfg(0x24, 4, 0);
  expect(platform.bus.find(0xfebfc000)?.name).toContain('BAR 4');
});

it('PCI 3.0 §6.2.2: memory answers only while COMMAND.MEMORY is set, and where the BAR says', () => {
  const { driver, platform } = referenceGuest();
  expect(platform.bus.read(0xfebfc012, 2)).toBe(9);
  driver.setCfg(PciHeader.command.offset, 2, 0);
  expect(platform.bus.read(0xfebfc012, 2)).toBe(0xffff);
  driver.setCfg(0x20, 4, 0xd0000000);
  driver.setCfg(PciHeader.command.offset, 2, PCI_COMMAND.MEMORY);
  expect([platform.bus.read(0xfebfc012, 2), platform.bus.read(0xd0000012, 2)]).toEqual([0xffff, 9]);
});

it('read-only configuration bytes ignore writes, and an absent function reads as ones', () => {
  const { driver, platform } = referenceGuest();
  driver.setCfg(0, 4, 0);
  driver.setCfg(0x34, 1, 0);
  expect([driver.cfg(0), driver.cfg(0x34, 1)]).toEqual([0x10001af4, 0x98]);
  // Linux writes 64 into every function that masters the bus; QEMU's keep 0
  driver.setCfg(PciHeader.latency_timer.offset, 1, 64);
  expect(driver.cfg(PciHeader.latency_timer.offset, 1)).toBe(0);
  expect(platform.bus.read(ECAM_BASE + ecamOffset(0, 9, 0), 4)).toBe(0xffffffff);
  expect(platform.bus.read(ECAM_BASE + ecamOffset(1, 0, 0), 4)).toBe(0xffffffff);
  expect(driver.cfg(0x100)).toBe(0xffffffff);
});

it('hot unplug takes registers and BARs away; hot plug brings a function without addresses, which software gives it', () => {
  const { host, platform, nic } = referenceGuest();
  const spare = virtioNetPci(platform, { portName: 'guest:nic1', slot: '00:03.0', mac: MAC, queuePairs: 1 });
  host.addFunction(PCI_DEVFN(host.freeSlot(), 0), spare.pci.fn);
  const driver = new ScriptedDriver(platform, 3);
  expect([driver.cfg(0x20), driver.cfg(4, 2)]).toEqual([0xc, 0]);
  host.firmware();
  driver.probe();
  expect(platform.bus.read(driver.common + 0x12, 2)).toBe(3);
  host.removeFunction(PCI_DEVFN(1, 0));
  expect(platform.bus.read(0xfebfc012, 2)).toBe(0xffff);
  expect([nic.pci.fn.bars.every((b) => b.mapped === -1), nic.pci.port.busMaster, nic.pci.status]).toEqual([true, false, 0]);
  host.addFunction(PCI_DEVFN(1, 0), nic.pci.fn);
  expect(platform.bus.read(0xfebfc012, 2)).toBe(0xffff);
  host.firmware();
  expect(platform.bus.read(nic.pci.fn.barAddress(nic.pci.fn.bars.find((b) => b.index === 4)!) + 0x12, 2)).toBe(9);
});

it('PCI 3.0 §6.8.2.9: a masked vector keeps its interrupt pending and sends it when unmasked', () => {
  const { driver, nic, platform, irqs } = referenceGuest();
  driver.probe();
  const run = () => {
    while (platform.sim.step());
  };
  const entry = driver.msixTable + 16;
  platform.bus.write(entry + 12, 4, 1);
  nic.pci.msix.notify(1);
  run();
  expect([irqs.count(0x31), nic.pci.msix.state(1).pending, platform.bus.read(driver.msixTable + 0x800, 4)]).toEqual([0, true, 2]);
  platform.bus.write(entry + 12, 4, 0);
  run();
  expect([irqs.count(0x31), nic.pci.msix.state(1).pending]).toEqual([1, false]);
  driver.setCfg(PciHeader.command.offset, 2, PCI_COMMAND.MEMORY);
  nic.pci.msix.notify(1);
  run();
  expect(irqs.count(0x31), 'without bus mastering no message leaves the function').toBe(1);
});

it('virtio-v1.2 §4.1.4.9: the configuration window reads and writes BAR registers', () => {
  const { driver } = referenceGuest();
  const cap = 0x84;
  driver.setCfg(cap + 4, 1, 4);
  driver.setCfg(cap + 12, 4, 2);
  driver.setCfg(cap + 8, 4, 0x12);
  expect(driver.cfg(cap + 16, 2)).toBe(9);
  driver.setCfg(cap + 12, 4, 1);
  driver.setCfg(cap + 8, 4, 0x14);
  driver.setCfg(cap + 16, 1, 1);
  expect(driver.cfg(cap + 16, 1)).toBe(1);
});

it('a modern-only device has the modern ids and no I/O BAR', () => {
  const sim = new Sim(1);
  const { platform } = bareMachine(sim, new Trace(sim), 'guest');
  const { fn } = virtioNetPci(platform, {
    portName: 'p',
    slot: '00:01.0',
    mac: MAC,
    queuePairs: 1,
    interfaces: { legacy: false, modern: true },
  }).pci;
  expect([fn.configRead(2, 2), fn.configRead(8, 1), fn.configRead(0x2e, 2), fn.bars.some((b) => b.kind === 'io')]).toEqual([
    0x1041,
    1,
    0x1100,
    false,
  ]);
});

it('PCI Power Management 1.2 §5.4.1: in D3hot only configuration space answers, and D0 after it is a function just reset', () => {
  const { host, e1000e, platform, driver } = referenceGuest();
  e1000e.addCapability(0x01, 0xc8);
  e1000e.allow(0xcc, 2, 'rw', 0x0103);
  const target = { mmioRead: () => 0x1234, mmioWrite: () => undefined };
  host.removeFunction(PCI_DEVFN(2, 0));
  e1000e.addBar(5, 'mem32', 0x1000, target);
  host.addFunction(PCI_DEVFN(2, 0), e1000e);
  host.firmware();
  const at = e1000e.barAddress(e1000e.bars.find((b) => b.index === 5)!);
  const set = (offset: number, size: number, value: number): void =>
    platform.bus.write(ECAM_BASE + ecamOffset(0, 2, 0) + offset, size, value);
  const get = (offset: number, size: number): number => platform.bus.read(ECAM_BASE + ecamOffset(0, 2, 0) + offset, size);
  expect(platform.bus.read(at, 4)).toBe(0x1234);
  set(0xcc, 2, 3);
  expect([platform.bus.read(at, 4), get(0, 4), get(4, 2)]).toEqual([0xffffffff, 0x10d38086, 0x103]);
  set(0xcc, 2, 0);
  expect([platform.bus.read(at, 4), get(4, 2), get(0x24, 4)]).toEqual([0xffffffff, 0, 0]);
  expect(driver.cfg(0)).toBe(0x10001af4);
});
