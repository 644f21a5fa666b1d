// Interrupts of PCI functions without MSI-X, from device to handler: the I/O APIC, shared lines, lines nobody cares for, MSI, what a driver falls back to.
import { expect, test } from 'vitest';
import { Msix } from '../devices/msix.ts';
import { PciFunction } from '../devices/pci_function.ts';
import { PciHost } from '../devices/pci_host.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import { PCI_IRQ } from '../drivers/pci/msi.ts';
import type { PciDev } from '../drivers/pci/pci_dev.ts';
import { PCI_COMMAND, PCI_DEVFN, PCI_STATUS, PciHeader } from '../pci/config_space.ts';
import { IOAPIC_BASE, IOAPIC_REG, IOAPIC_WINDOW } from '../platform/ioapic.ts';
import { bootOn, makePlatform } from '../testkit/kernel_fixture.ts';
import { IRQ_HANDLED, IRQ_NONE, IRQF, type IrqTarget } from '../kernel/irq_desc.ts';

const ids = {
  vendor: 0x1234,
  device: 1,
  subsystemVendor: 0,
  subsystemId: 0,
  classCode: 0x020000,
  revision: 0,
  interruptPin: 1,
};

/** A device that interrupts, and its driver's handler: it handles when its device asks, and lowers the line. */
class Line implements IrqTarget {
  seen = 0;
  constructor(
    readonly fn: PciFunction,
    private readonly handles = true,
  ) {}
  onIrq(): number {
    this.seen++;
    if (!this.handles || (this.fn.configRead(PciHeader.status.offset, 2) & PCI_STATUS.INTERRUPT) === 0) return IRQ_NONE;
    this.fn.setInterrupt(false);
    return IRQ_HANDLED;
  }
}

/** Functions in slots 1 and 5, whose INTA# are the same line; the first has MSI and MSI-X. */
function board(handles = true, cmdline = '') {
  const { sim, trace, platform } = makePlatform({ cpus: 2 });
  const host = new PciHost(platform);
  const fns = [1, 5].map((slot) => new PciFunction(`dev${slot}`, ids, platform.dmaPort()));
  fns[0].addMsi(0x50, { vectors: 2, wide: true, maskable: true }, platform.scope);
  fns[0].addMsix(0x70, 2, new Msix('dev1', 3, fns[0].port!, platform.scope));
  fns.forEach((fn, i) => host.addFunction(PCI_DEVFN(i === 0 ? 1 : 5, 0), fn));
  host.firmware();
  const kernel = bootOn(platform, { sim, trace, cmdline, modules: { builtin: [PCI_MODULE], loadable: [] } });
  const devs = ['0000:00:01.0', '0000:00:05.0'].map((name) => kernel.drivers.bus('pci')?.devices.find((d) => d.name === name) as PciDev);
  for (const d of devs) d.core.pci_enable_device(d);
  const lines = fns.map((fn) => new Line(fn, handles));
  const run = () => {
    while (sim.peek() !== undefined) sim.step();
  };
  return { sim, platform, kernel, fns, devs, lines, run };
}

test('both functions have the pin that their slots are wired to, and share it', () => {
  const { kernel, devs, lines, fns, run, platform } = board();
  expect(devs.map((d) => d.irq)).toEqual([21, 21]);
  const { irq } = kernel;
  expect(irq.request_irq(21, lines[0], 0, 'virtio0', IRQF.SHARED)).toBe(0);
  expect(irq.request_irq(21, lines[1], 0, 'greedy')).toBe(-16);
  expect(kernel.printk.records.at(-1)?.text).toBe('genirq: Flags mismatch irq 21. 00000000 (greedy) vs. 00000080 (virtio0)');
  expect(irq.request_irq(21, lines[1], 0, 'eth1', IRQF.SHARED)).toBe(0);
  fns[1].setInterrupt(true);
  run();
  expect(lines.map((l) => l.seen)).toEqual([1, 1]);
  expect(platform.ioapic.state(21)).toMatchObject({ level: true, masked: false, asserted: false, remoteIrr: false, sent: 1 });
  expect(kernel.vfs.readFile({ net: kernel.init_net, cwd: '/', pid: 1 }, '/proc/interrupts')).toMatch(
    /^ 21: +\d+ +\d+ {3}IO-APIC  21-fasteoi   virtio0, eth1$/m,
  );
  irq.free_irq(21, lines[0]);
  fns[1].setInterrupt(true);
  run();
  expect(lines.map((l) => l.seen)).toEqual([1, 2]);
  irq.free_irq(21, lines[1]);
  expect(platform.ioapic.state(21).masked).toBe(true);
});

test('PCI 3.0 §6.2.2: COMMAND.INTX_DISABLE takes the pin away, STATUS shows the interrupt all the same; it comes when enabled', () => {
  const { kernel, devs, lines, fns, run } = board();
  kernel.irq.request_irq(21, lines[0], 0, 'virtio0', IRQF.SHARED);
  devs[0].core.pci_intx(devs[0], false);
  fns[0].setInterrupt(true);
  run();
  expect([lines[0].seen, fns[0].configRead(PciHeader.status.offset, 2) & PCI_STATUS.INTERRUPT]).toEqual([0, PCI_STATUS.INTERRUPT]);
  expect(fns[0].configRead(PciHeader.command.offset, 2) & PCI_COMMAND.INTX_DISABLE).toBe(PCI_COMMAND.INTX_DISABLE);
  devs[0].core.pci_intx(devs[0], true);
  run();
  expect(lines[0].seen).toBe(1);
});

test('a line that stays asserted comes again after each end of interrupt, and is shut off when nobody handles it', () => {
  const { kernel, lines, fns, sim, platform } = board(false);
  kernel.irq.request_irq(21, lines[0], 0, 'virtio0', IRQF.SHARED);
  fns[0].setInterrupt(true);
  for (let i = 0; i < 250_000 && !platform.ioapic.state(21).masked; i++) sim.step();
  expect(lines[0].seen).toBe(100_000);
  expect(kernel.printk.records.slice(-6).map((r) => r.text)).toEqual([
    'irq 21: nobody cared (try booting with the "irqpoll" option)',
    expect.stringMatching(/^CPU: \d PID: 0 Comm: swapper\/\d Not tainted /),
    expect.stringMatching(/^Hardware name: QEMU Standard PC/),
    'handlers:',
    'virtio0',
    'Disabling IRQ #21',
  ]);
  expect(kernel.irq.irq_to_desc(21)?.spuriousDisabled).toBe(true);
});

test('a change of affinity moves a pin in the next interrupt, and masking holds a level back', () => {
  const { kernel, lines, fns, run, platform } = board();
  kernel.irq.request_irq(21, lines[0], 0, 'virtio0', IRQF.SHARED);
  const desc = kernel.irq.irq_to_desc(21)!;
  const from = desc.cpu;
  kernel.irq.irq_set_affinity(21, 1 << (1 - from));
  fns[0].setInterrupt(true);
  run();
  fns[0].setInterrupt(true);
  run();
  expect([...desc.counts]).toEqual([1, 1]);
  kernel.irq.disable_irq(21);
  fns[0].setInterrupt(true);
  run();
  expect(lines[0].seen).toBe(2);
  kernel.irq.enable_irq(21);
  run();
  expect(lines[0].seen).toBe(3);
  platform.bus.write(IOAPIC_BASE + IOAPIC_WINDOW.INDEX, 4, IOAPIC_REG.REDIRECTION + 2 * 21);
  expect(platform.bus.read(IOAPIC_BASE + IOAPIC_WINDOW.DATA, 4)).toBe(0x8800 | desc.vector);
});

test('PCI 3.0 §6.8.1: a message goes where configuration space says; while masked it waits, and the pin is silent', () => {
  const { kernel, devs, lines, fns, run } = board();
  const [dev] = devs;
  const { msi } = dev.core;
  dev.core.pci_set_master(dev);
  expect(msi.pci_alloc_irq_vectors(dev, 1, 4, PCI_IRQ.MSI | PCI_IRQ.LEGACY)).toBe(1);
  expect([dev.irq, msi.pci_irq_vector(dev, 0), msi.pci_irq_vector(dev, 1)]).toEqual([24, 24, -22]);
  kernel.irq.request_irq(24, lines[0], 0, 'eth0');
  const device = fns[0].msi!;
  expect(device.notify(0)).toBe(true);
  fns[0].setInterrupt(true);
  run();
  expect([lines[0].seen, device.sent[0]]).toEqual([1, 1]);
  kernel.irq.disable_irq(24);
  device.notify(0);
  run();
  expect([lines[0].seen, dev.core.access.pci_read_config_dword(dev, 0x64)]).toEqual([1, 1]);
  kernel.irq.enable_irq(24);
  run();
  expect([lines[0].seen, dev.core.access.pci_read_config_dword(dev, 0x64)]).toEqual([2, 0]);
  kernel.irq.free_irq(24);
  msi.pci_free_irq_vectors(dev);
  expect([device.enabled, device.notify(0), dev.irq]).toEqual([false, false, 21]);
});

test('vectors come as MSI-X, else MSI, else the line; pci=nomsi leaves the line only', () => {
  const { devs } = board();
  const [dev] = devs;
  const { msi } = dev.core;
  expect(msi.pci_alloc_irq_vectors(dev, 2, 5, PCI_IRQ.ALL)).toBe(3);
  msi.pci_free_irq_vectors(dev);
  expect(msi.pci_alloc_irq_vectors(dev, 4, 5, PCI_IRQ.ALL)).toBe(-28);
  expect(msi.pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ.MSI | PCI_IRQ.LEGACY)).toBe(1);
  expect([dev.msi_enabled, dev.msix_enabled]).toEqual([true, false]);
  const [quiet] = board(true, 'pci=nomsi').devs;
  expect(quiet.core.msi.pci_alloc_irq_vectors(quiet, 1, 5, PCI_IRQ.ALL)).toBe(1);
  expect([quiet.msi_enabled, quiet.msix_enabled, quiet.core.msi.pci_irq_vector(quiet, 0)]).toEqual([false, false, 21]);
  expect(quiet.core.msi.pci_alloc_irq_vectors(quiet, 2, 5, PCI_IRQ.ALL)).toBe(-22);
});
