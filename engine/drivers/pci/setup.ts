// Addresses of PCI functions (Linux: drivers/pci/setup-*.c, arch/x86/pci/i386.c): claiming what firmware assigned, assigning what it did not.
import { Errno } from '../../base/errno.ts';
import { PCI_COMMAND, PciHeader } from '../../pci/config_space.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { Resource } from '../../kernel/resource.ts';
import { ECAM_BASE, ECAM_SIZE } from '../../platform/bus.ts';
import { describeRange, type PciCore } from './pci.ts';
import { IORESOURCE, type PciDev, PCI_ROM_RESOURCE, type PciResource } from './pci_dev.ts';

/** I/O ports below belong to the board (Linux: PCIBIOS_MIN_IO). */
const PCIBIOS_MIN_IO = 0x1000;
const BRIDGE_NAME = 'PCI Bus 0000:00';
/** Ports of the board itself, as every PC has them, and QEMU's fw_cfg. */
const BOARD_PORTS: readonly (readonly [number, number, string])[] = [
  [0x00, 0x1f, 'dma1'],
  [0x20, 0x21, 'pic1'],
  [0x40, 0x43, 'timer0'],
  [0x50, 0x53, 'timer1'],
  [0x60, 0x60, 'keyboard'],
  [0x64, 0x64, 'keyboard'],
  [0x70, 0x77, 'rtc0'],
  [0x80, 0x8f, 'dma page reg'],
  [0xa0, 0xa1, 'pic2'],
  [0xc0, 0xdf, 'dma2'],
  [0xf0, 0xff, 'fpu'],
  [0x2f8, 0x2ff, 'serial'],
  [0x3d4, 0x3d5, 'cga'],
  [0x3f8, 0x3ff, 'serial'],
  [0x510, 0x51b, 'QEMU0002:00'],
];
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

export class PciSetup {
  /** What the host bridge forwards: two ranges of ports, then memory. */
  private readonly io: Resource[] = [new Resource(BRIDGE_NAME, 0, 0xcf7), new Resource(BRIDGE_NAME, 0xd00, 0xffff)];
  private readonly mem: Resource[];

  constructor(
    readonly kernel: Kernel,
    private readonly core: PciCore,
  ) {
    const ramEnd = kernel.platform.ram.size;
    this.mem = [
      new Resource(BRIDGE_NAME, 0xa0000, 0xbffff),
      new Resource(BRIDGE_NAME, ramEnd, ECAM_BASE - 1),
      new Resource(BRIDGE_NAME, ECAM_BASE + ECAM_SIZE, 0xfebfffff),
      new Resource(BRIDGE_NAME, 0x100000000, 0x8ffffffff),
    ];
    const { iomem, ioports } = kernel.drivers;
    ioports.insert(this.io[0]);
    ioports.insert(new Resource('PCI conf1', 0xcf8, 0xcff));
    ioports.insert(this.io[1]);
    for (const [first, last, name] of BOARD_PORTS) ioports.insert(new Resource(name, first, last));
    iomem.insert(new Resource('System RAM', 0x1000, 0x9fbff));
    if (ramEnd > 0x100000) iomem.insert(new Resource('System RAM', 0x100000, ramEnd - 1));
    for (const window of this.mem) iomem.insert(window);
    const ecam = new Resource('PCI MMCONFIG 0000 [bus 00-ff]', ECAM_BASE, ECAM_BASE + ECAM_SIZE - 1);
    iomem.insert(ecam);
    ecam.insert(new Resource('Reserved', ecam.start, ecam.end));
    iomem.insert(new Resource('IOAPIC 0', 0xfec00000, 0xfec003ff));
    iomem.insert(new Resource('Local APIC', 0xfee00000, 0xfee00fff));
  }

  /** The bridge's windows as dmesg prints them. */
  windows(): string[] {
    return [
      ...this.io.map((w) => `[io  0x${hex(w.start, 4)}-0x${hex(w.end, 4)} window]`),
      ...this.mem.map((w) => `[mem 0x${hex(w.start, 8)}-0x${hex(w.end, 8)} window]`),
    ];
  }

  /** First and last address of what the bridge forwards to memory of devices. */
  memoryWindows(): (readonly [number, number])[] {
    return this.mem.map((w) => [w.start, w.end] as const);
  }

  /** Takes over what firmware assigned; a register that clashes or lies outside is assigned anew. */
  claimResources(dev: PciDev): void {
    for (const r of dev.resource) {
      if (r.flags !== 0 && r.start !== 0) this.claim(dev, r, r.start);
    }
  }

  releaseResources(dev: PciDev): void {
    for (const r of dev.resource) {
      if (r.claimed === undefined) continue;
      for (const w of this.windowsFor(r)) w.remove(r.claimed);
      r.claimed = undefined;
    }
  }

  /** Largest first; 64-bit prefetchable memory above 4 GiB, ports last. */
  pci_assign_unassigned_bus_resources(devices: readonly PciDev[]): void {
    for (const dev of devices) {
      const order = dev.resource.map((_, i) => i).filter((i) => dev.resource[i].flags !== 0);
      const isIo = (i: number): number => ((dev.resource[i].flags & IORESOURCE.IO) !== 0 ? 1 : 0);
      order.sort((a, b) => isIo(a) - isIo(b) || dev.resource[b].size - dev.resource[a].size);
      for (const i of order) this.pci_assign_resource(dev, i);
    }
  }

  /** 0 or -ENOSPC; writes the register. */
  pci_assign_resource(dev: PciDev, index: number): number {
    const r = dev.resource[index];
    const io = (r.flags & IORESOURCE.IO) !== 0;
    const high = (r.flags & (IORESOURCE.MEM_64 | IORESOURCE.PREFETCH)) === (IORESOURCE.MEM_64 | IORESOURCE.PREFETCH);
    const windows = this.windowsFor(r).filter((w) => io || w.start >= 0x100000);
    const at = (high ? windows.toReversed() : windows)
      .map((w) => (w.start >= 2 ** 32 && !high ? undefined : w.findFree(r.size, io ? PCIBIOS_MIN_IO : 0)))
      .find((a) => a !== undefined);
    const label = index === PCI_ROM_RESOURCE ? 'ROM' : `BAR ${index}`;
    if (at === undefined) {
      this.kernel.printk.pr_info(`pci ${dev.name}: ${label} ${describeRange(r)}: can't assign; no space`);
      return -Errno.ENOSPC;
    }
    this.claim(dev, r, at);
    this.kernel.printk.pr_info(`pci ${dev.name}: ${label} ${describeRange(r)}: assigned`);
    this.pci_update_resource(dev, index);
    return 0;
  }

  /** Linux: the ROM's register is left alone until the ROM is enabled. */
  pci_update_resource(dev: PciDev, index: number): void {
    if (index === PCI_ROM_RESOURCE) return;
    const r = dev.resource[index];
    const where = PciHeader.bar0.offset + 4 * index;
    const { access } = this.core;
    const command = access.pci_read_config_word(dev, PciHeader.command.offset);
    const wide = (r.flags & IORESOURCE.MEM_64) !== 0;
    if (wide) access.pci_write_config_word(dev, PciHeader.command.offset, command & ~PCI_COMMAND.MEMORY);
    access.pci_write_config_dword(dev, where, ((r.start % 2 ** 32) | (r.flags & 0xf)) >>> 0);
    if (!wide) return;
    access.pci_write_config_dword(dev, where + 4, Math.floor(r.start / 2 ** 32));
    access.pci_write_config_word(dev, PciHeader.command.offset, command);
  }

  /** Turns decoding on for the kinds of registers the function has; 0, or -EINVAL when one has no address. */
  pci_enable_resources(dev: PciDev): number {
    const old = this.core.access.pci_read_config_word(dev, PciHeader.command.offset);
    let command = old;
    for (let i = 0; i < PCI_ROM_RESOURCE; i++) {
      const r = dev.resource[i];
      if (r.flags === 0) continue;
      if (r.claimed === undefined) {
        this.kernel.printk.dev_err(dev, `can't enable device: BAR ${i} ${describeRange(r)} not assigned`);
        return -Errno.EINVAL;
      }
      command |= (r.flags & IORESOURCE.IO) !== 0 ? PCI_COMMAND.IO : PCI_COMMAND.MEMORY;
    }
    if (command !== old) {
      this.kernel.printk.dev_printk(6, dev, `enabling device (${hex(old, 4)} -> ${hex(command, 4)})`);
      this.core.access.pci_write_config_word(dev, PciHeader.command.offset, command);
    }
    return 0;
  }

  private windowsFor(r: PciResource): Resource[] {
    return (r.flags & IORESOURCE.IO) !== 0 ? this.io : this.mem;
  }

  private claim(dev: PciDev, r: PciResource, at: number): boolean {
    const { size } = r;
    r.start = at;
    r.end = at + size - 1;
    const node = new Resource(dev.name, r.start, r.end);
    if (!this.windowsFor(r).some((w) => r.start >= w.start && r.end <= w.end && w.insert(node))) return false;
    r.claimed = node;
    return true;
  }
}
