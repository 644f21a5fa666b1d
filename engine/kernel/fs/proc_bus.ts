// /proc/bus (Linux: drivers/pci/proc.c): buses as they were shown before there was a sysfs: a list of devices, and each one's configuration space.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Device } from '../device.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type FileOps, type VfsContext, type VNode } from './node.ts';

const DIR = S_IFDIR | 0o555;
const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;

const DEVICES: FileOps<string> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, bus: string) => {
    const entry = kernel.drivers.bus(bus);
    return entry?.devices.map((d) => `${entry.type.proc_line?.(d) ?? ''}\n`).join('') ?? '';
  },
});
const CONFIG: FileOps<Device> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, dev: Device) => {
    const value = dev.bus
      .attributes?.(dev)
      .find((a) => a.name === 'config')
      ?.show?.(dev, kernel);
    if (value === undefined || typeof value === 'string') return -Errno.EIO;
    return Array.from(value, (b) => String.fromCharCode(b)).join('');
  },
});

export class ProcBusDir extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return this.kernel.drivers.buses.filter((b) => b.type.proc_line !== undefined).map((b) => b.type.name);
  }
  /** Devices are named 'domain:bus:slot.function'; each bus number is a directory. */
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const entry = this.kernel.drivers.bus(name);
    if (entry?.type.proc_line === undefined) return undefined;
    const dir = new StaticDir(DIR).add('devices', new GeneratedFile(this.kernel, RO, DEVICES, name));
    const numbers = new Map<string, StaticDir>();
    for (const dev of entry.devices) {
      const [, bus, slot] = dev.name.split(':');
      let below = numbers.get(bus);
      if (below === undefined) {
        below = new StaticDir(DIR);
        numbers.set(bus, below);
        dir.add(bus, below);
      }
      below.add(slot, new GeneratedFile(this.kernel, RW, CONFIG, dev));
    }
    return dir;
  }
}
