// The device tree in sysfs, buses and drivers (Linux: drivers/base/core.c, bus.c, dd.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { BusAttribute, Device, DeviceAttribute, DeviceDriver, DriverAttribute, IommuGroupInfo } from '../device.ts';
import type { BusEntry } from '../driver_core.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, StaticLink, type FileOps, type VfsContext, type VNode } from './node.ts';
import { devicePath, relativeLink } from './paths.ts';
import { NetDevicesDir } from './sysfs_net.ts';
import { makePowerDir } from './sysfs_power.ts';

const DIR = S_IFDIR | 0o755;
const RW = S_IFREG | 0o644;
const WO = S_IFREG | 0o200;
const PAGE = 4096;

/** store() gives bytes taken; a write here is whole or failed. */
const result = (bytes: number): number => Math.min(bytes, 0);
/** Bytes as characters 0–255. */
const binary = (bytes: Uint8Array): string => Array.from(bytes, (b) => String.fromCharCode(b)).join('');

interface AttrArg {
  readonly dev: Device;
  readonly name: string;
}
const attributesOf = (dev: Device): readonly DeviceAttribute[] => dev.bus.attributes?.(dev) ?? [];
const DEVICE_ATTR: FileOps<AttrArg> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, { dev, name }: AttrArg) => {
    const value = attributesOf(dev)
      .find((a) => a.name === name)
      ?.show?.(dev, kernel);
    if (value === undefined) return -Errno.EIO;
    return typeof value === 'string' ? value : binary(value);
  },
  write: (kernel: Kernel, _ctx: VfsContext, { dev, name }: AttrArg, data: string) => {
    const store = attributesOf(dev).find((a) => a.name === name)?.store;
    return store === undefined ? -Errno.EIO : result(store(dev, data, kernel));
  },
});
const UEVENT: FileOps<Device> = ops({
  read: (_k: Kernel, _ctx: VfsContext, dev: Device) => {
    const lines = [...(dev.driver === undefined ? [] : [`DRIVER=${dev.driver.name}`]), ...(dev.bus.uevent?.(dev) ?? [])];
    return lines.map((l) => `${l}\n`).join('');
  },
  write: () => 0,
});

/** A device's directory: its bus's files, links, its network devices and its children. */
export class DeviceDir extends DirNode {
  readonly mode = DIR;
  constructor(
    readonly kernel: Kernel,
    private readonly dev: Device,
  ) {
    super();
  }
  private get hasBus(): boolean {
    return this.dev.bus.name !== '';
  }
  private get group(): IommuGroupInfo | undefined {
    return this.kernel.drivers.iommuGroups.find((g) => g.devices.includes(this.dev));
  }
  private hasNet(ctx: VfsContext): boolean {
    return ctx.net.devices.some((d) => d.parent === this.dev);
  }
  list(ctx: VfsContext): readonly string[] {
    const names = new Set<string>(['power', 'uevent']);
    for (const a of attributesOf(this.dev)) names.add(a.name.split('/')[0]);
    if (this.hasBus) names.add('subsystem');
    if (this.dev.driver !== undefined) names.add('driver');
    if (this.group !== undefined) names.add('iommu_group');
    if (this.hasNet(ctx)) names.add('net');
    for (const c of this.dev.children) names.add(c.name);
    return [...names];
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    const { kernel, dev } = this;
    const here = devicePath(dev);
    switch (name) {
      case 'power':
        return makePowerDir(kernel);
      case 'uevent':
        return new GeneratedFile(kernel, RW, UEVENT, dev, PAGE);
      case 'subsystem':
        return this.hasBus ? new StaticLink(relativeLink(here, `bus/${dev.bus.name}`), 0) : undefined;
      case 'driver':
        return dev.driver === undefined
          ? undefined
          : new StaticLink(relativeLink(here, `bus/${dev.bus.name}/drivers/${dev.driver.name}`), 0);
      case 'iommu_group':
        return this.group === undefined ? undefined : new StaticLink(relativeLink(here, `kernel/iommu_groups/${this.group.id}`), 0);
      case 'net':
        return this.hasNet(ctx) ? new NetDevicesDir(kernel, dev) : undefined;
      default:
        return this.attribute(name) ?? this.child(name);
    }
  }
  private attribute(name: string): VNode | undefined {
    const all = attributesOf(this.dev);
    const one = all.find((a) => a.name === name);
    if (one !== undefined) return this.file(one);
    const below = all.filter((a) => a.name.startsWith(`${name}/`));
    if (below.length === 0) return undefined;
    const dir = new StaticDir(DIR);
    for (const a of below) dir.add(a.name.slice(name.length + 1), this.file(a));
    return dir;
  }
  private file(a: DeviceAttribute): VNode {
    return new GeneratedFile(this.kernel, S_IFREG | a.mode, DEVICE_ATTR, { dev: this.dev, name: a.name }, a.size);
  }
  private child(name: string): VNode | undefined {
    const found = this.dev.children.find((c) => c.name === name);
    return found === undefined ? undefined : new DeviceDir(this.kernel, found);
  }
}

/** /sys/devices: the tops of the tree, and virtual devices. */
export class DevicesDir extends DirNode {
  readonly mode = DIR;
  private readonly virtual: StaticDir;
  constructor(readonly kernel: Kernel) {
    super();
    this.virtual = new StaticDir(DIR).add('net', new NetDevicesDir(kernel, undefined));
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...this.kernel.drivers.roots.map((d) => d.name), 'virtual'];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    if (name === 'virtual') return this.virtual;
    const root = this.kernel.drivers.roots.find((d) => d.name === name);
    return root === undefined ? undefined : new DeviceDir(this.kernel, root);
  }
}

/** /sys/bus */
export class BusesDir extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return this.kernel.drivers.buses.map((b) => b.type.name);
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const bus = this.kernel.drivers.bus(name);
    return bus === undefined ? undefined : makeBusDir(this.kernel, bus);
  }
}

interface BusArg {
  readonly bus: string;
  readonly name: string;
}
const busAttribute = (k: Kernel, arg: BusArg): BusAttribute | undefined =>
  k.drivers.bus(arg.bus)?.type.bus_attributes?.find((a) => a.name === arg.name);
const BUS_ATTR: FileOps<BusArg> = ops({
  read: (k: Kernel, _ctx: VfsContext, arg: BusArg) => busAttribute(k, arg)?.show?.(k) ?? -Errno.EIO,
  write: (k: Kernel, _ctx: VfsContext, arg: BusArg, data: string) => {
    const store = busAttribute(k, arg)?.store;
    return store === undefined ? -Errno.EIO : result(store(k, data));
  },
});
/** Offers a device of that name to the drivers of its bus. */
const DRIVERS_PROBE: FileOps<string> = ops({
  write: (k: Kernel, _ctx: VfsContext, bus: string, data: string) => {
    const dev = k.drivers.bus_find_device_by_name(bus, data.trim());
    if (dev === undefined) return -Errno.ENODEV;
    return k.drivers.device_attach(dev) === 1 ? 0 : -Errno.EINVAL;
  },
});
const AUTOPROBE: FileOps<string> = ops({
  read: () => '1\n',
  write: (_k: Kernel, _ctx: VfsContext, _bus: string, data: string) => (data.trim() === '1' ? 0 : -Errno.EOPNOTSUPP),
});
const BUS_UEVENT: FileOps<string> = ops({ write: () => 0 });

function makeBusDir(kernel: Kernel, bus: BusEntry): StaticDir {
  const { name } = bus.type;
  const dir = new StaticDir(DIR);
  const devices = new StaticDir(DIR);
  for (const dev of bus.devices) devices.add(dev.name, new StaticLink(relativeLink(`bus/${name}/devices`, devicePath(dev)), 0));
  const drivers = new StaticDir(DIR);
  for (const drv of bus.drivers) drivers.add(drv.name, makeDriverDir(kernel, bus, drv));
  dir.add('devices', devices).add('drivers', drivers);
  dir.add('drivers_autoprobe', new GeneratedFile(kernel, RW, AUTOPROBE, name, PAGE));
  dir.add('drivers_probe', new GeneratedFile(kernel, WO, DRIVERS_PROBE, name, PAGE));
  dir.add('uevent', new GeneratedFile(kernel, WO, BUS_UEVENT, name, PAGE));
  for (const a of bus.type.bus_attributes ?? [])
    dir.add(a.name, new GeneratedFile(kernel, S_IFREG | a.mode, BUS_ATTR, { bus: name, name: a.name }, PAGE));
  return dir;
}

const BIND: FileOps<DeviceDriver> = ops({
  write: (k: Kernel, _ctx: VfsContext, drv: DeviceDriver, data: string) => result(k.drivers.bind_store(drv, data)),
});
const UNBIND: FileOps<DeviceDriver> = ops({
  write: (k: Kernel, _ctx: VfsContext, drv: DeviceDriver, data: string) => result(k.drivers.unbind_store(drv, data)),
});
const DRIVER_UEVENT: FileOps<DeviceDriver> = ops({ write: () => 0 });
interface DriverArg {
  readonly drv: DeviceDriver;
  readonly name: string;
}
const driverAttribute = ({ drv, name }: DriverArg): DriverAttribute | undefined => drv.bus.driver_attributes?.find((a) => a.name === name);
const DRIVER_ATTR: FileOps<DriverArg> = ops({
  read: (k: Kernel, _ctx: VfsContext, arg: DriverArg) => driverAttribute(arg)?.show?.(arg.drv, k) ?? -Errno.EIO,
  write: (k: Kernel, _ctx: VfsContext, arg: DriverArg, data: string) => {
    const store = driverAttribute(arg)?.store;
    return store === undefined ? -Errno.EIO : result(store(arg.drv, data, k));
  },
});

function makeDriverDir(kernel: Kernel, bus: BusEntry, drv: DeviceDriver): StaticDir {
  const here = `bus/${bus.type.name}/drivers/${drv.name}`;
  const dir = new StaticDir(DIR);
  for (const dev of drv.devices) dir.add(dev.name, new StaticLink(relativeLink(here, devicePath(dev)), 0));
  dir.add('bind', new GeneratedFile(kernel, WO, BIND, drv, PAGE));
  if (kernel.modules.find_module(drv.module) !== undefined)
    dir.add('module', new StaticLink(relativeLink(here, `module/${drv.module}`), 0));
  for (const a of drv.bus.driver_attributes ?? [])
    dir.add(a.name, new GeneratedFile(kernel, S_IFREG | a.mode, DRIVER_ATTR, { drv, name: a.name }, PAGE));
  dir.add('uevent', new GeneratedFile(kernel, WO, DRIVER_UEVENT, drv, PAGE));
  dir.add('unbind', new GeneratedFile(kernel, WO, UNBIND, drv, PAGE));
  return dir;
}
