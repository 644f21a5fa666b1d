// Driver core (Linux: drivers/base): buses, devices and drivers find each other here; probe and remove run from here.
import { Errno } from '../base/errno.ts';
import { invariant, ops } from '../base/ops.ts';
import { type BusType, Device, type DeviceDriver, type IommuGroupInfo } from './device.ts';
import { FailFunction } from './fail_function.ts';
import { devicePath } from './fs/paths.ts';
import type { Kernel } from './kernel.ts';
import { rootResource } from './resource.ts';

/** What the core knows of one bus, in order of registration. */
export class BusEntry {
  readonly devices: Device[] = [];
  readonly drivers: DeviceDriver[] = [];
  constructor(readonly type: BusType) {}
}

/** For devices that no bus matches: host bridges, the tops of sysfs's device tree. */
export const NO_BUS: BusType = ops<BusType>({
  name: '',
  match: () => false,
  probe: () => 0,
  remove: () => undefined,
});

/** Who hears of devices that come and go while the machine runs (the PCI core). */
export interface HotplugListener {
  deviceAdded(devfn: number): void;
  /** The function is about to leave; its driver must be gone when this returns. */
  deviceRemoving(devfn: number): void;
}

export class DriverCore {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['bus_find_device_by_name']);
  readonly buses: BusEntry[] = [];
  /** Tops of /sys/devices: 'pci0000:00'. */
  readonly roots: Device[] = [];
  readonly iommuGroups: IommuGroupInfo[] = [];
  hotplug: HotplugListener | undefined;
  /** Fault injection for the steps of drivers' probes. */
  readonly failFunction: FailFunction;
  /** Behind /proc/iomem and /proc/ioports. */
  readonly iomem = rootResource('PCI mem', 2 ** 52 - 1);
  readonly ioports = rootResource('PCI IO', 0xffff);
  constructor(readonly kernel: Kernel) {
    this.failFunction = new FailFunction(kernel);
  }

  bus_register(type: BusType): number {
    if (this.bus(type.name) !== undefined) return -Errno.EEXIST;
    this.buses.push(new BusEntry(type));
    return 0;
  }

  bus_unregister(type: BusType): void {
    const i = this.buses.findIndex((b) => b.type === type);
    if (i >= 0) this.buses.splice(i, 1);
  }

  bus(name: string): BusEntry | undefined {
    return this.buses.find((b) => b.type.name === name);
  }

  /** A top of the device tree without a bus. */
  rootDevice(name: string): Device {
    const dev = new Device(name, NO_BUS, undefined);
    dev.registered = true;
    this.roots.push(dev);
    return dev;
  }

  /** Makes the device known and looks for a driver. */
  device_register(dev: Device): number {
    dev.registered = true;
    dev.parent?.children.push(dev);
    const bus = this.bus(dev.bus.name);
    if (bus === undefined) return 0;
    bus.devices.push(dev);
    this.bus_probe_device(dev);
    return 0;
  }

  /** Takes its driver away, then the device and everything below it. */
  device_unregister(dev: Device): void {
    this.device_del(dev);
  }

  device_del(dev: Device): void {
    this.device_release_driver(dev);
    for (const child of dev.children.slice()) this.device_del(child);
    this.kernel.vfs.forget(`/sys/${devicePath(dev)}`);
    dev.registered = false;
    const siblings = dev.parent?.children;
    if (siblings?.includes(dev)) siblings.splice(siblings.indexOf(dev), 1);
    const bus = this.bus(dev.bus.name);
    if (bus?.devices.includes(dev)) bus.devices.splice(bus.devices.indexOf(dev), 1);
  }

  driver_register(drv: DeviceDriver): number {
    const bus = this.bus(drv.bus.name);
    if (bus === undefined) return -Errno.EINVAL;
    if (bus.drivers.some((d) => d.name === drv.name)) {
      this.kernel.printk.pr_err(`Error: Driver '${drv.name}' is already registered, aborting...`);
      return -Errno.EBUSY;
    }
    bus.drivers.push(drv);
    this.driver_attach(drv);
    return 0;
  }

  driver_unregister(drv: DeviceDriver): void {
    this.driver_detach(drv);
    const bus = this.bus(drv.bus.name);
    if (bus?.drivers.includes(drv)) bus.drivers.splice(bus.drivers.indexOf(drv), 1);
  }

  bus_probe_device(dev: Device): void {
    this.device_attach(dev);
  }

  /** Offers a device to every driver of its bus. 1 when it has one now. */
  device_attach(dev: Device): number {
    if (dev.driver !== undefined) return 1;
    for (const drv of this.bus(dev.bus.name)?.drivers.slice() ?? []) {
      if (drv.bus.match(dev, drv) && this.driver_probe_device(drv, dev) === 0) return 1;
    }
    return 0;
  }

  /** Offers every device of its bus to a driver. */
  driver_attach(drv: DeviceDriver): number {
    for (const dev of this.bus(drv.bus.name)?.devices.slice() ?? []) this.__driver_attach(dev, drv);
    return 0;
  }

  __driver_attach(dev: Device, drv: DeviceDriver): number {
    if (dev.driver === undefined && drv.bus.match(dev, drv)) this.driver_probe_device(drv, dev);
    return 0;
  }

  driver_detach(drv: DeviceDriver): void {
    for (const dev of drv.devices.toReversed()) this.device_release_driver(dev);
  }

  driver_probe_device(drv: DeviceDriver, dev: Device): number {
    if (!dev.registered) return -Errno.ENODEV;
    if (dev.driver !== undefined) return -Errno.EBUSY;
    return this.really_probe(dev, drv);
  }

  really_probe(dev: Device, drv: DeviceDriver): number {
    invariant(dev.driver === undefined, `${dev.name} already has a driver`);
    dev.driver = drv;
    const ret = drv.bus.probe(dev, drv);
    if (ret < 0) {
      this.kernel.dmaApiDebug.driverReleased(dev);
      dev.driver = undefined;
      if (ret === -Errno.ENODEV || ret === -Errno.ENXIO) return ret;
      this.kernel.printk.pr_warn(`${drv.name}: probe of ${dev.name} failed with error ${ret}`);
      return ret;
    }
    this.driver_bound(dev, drv);
    return 0;
  }

  driver_bound(dev: Device, drv: DeviceDriver): void {
    drv.devices.push(dev);
  }

  device_release_driver(dev: Device): void {
    const drv = dev.driver;
    if (drv === undefined) return;
    dev.bus.remove(dev, drv);
    this.kernel.dmaApiDebug.driverReleased(dev);
    dev.driver = undefined;
    const i = drv.devices.indexOf(dev);
    if (i >= 0) drv.devices.splice(i, 1);
  }

  /** Binds exactly this driver to exactly this device (Linux: device_driver_attach()). */
  device_driver_attach(drv: DeviceDriver, dev: Device): number {
    return this.driver_probe_device(drv, dev);
  }

  /** /sys/bus/…/drivers/NAME/bind: bytes taken or -errno. */
  bind_store(drv: DeviceDriver, text: string): number {
    const dev = this.bus_find_device_by_name(drv.bus.name, text.trim());
    if (dev === undefined || !drv.bus.match(dev, drv)) return -Errno.ENODEV;
    const ret = this.device_driver_attach(drv, dev);
    return ret < 0 ? ret : text.length;
  }

  /** /sys/bus/…/drivers/NAME/unbind: bytes taken or -errno. */
  unbind_store(drv: DeviceDriver, text: string): number {
    const dev = this.bus_find_device_by_name(drv.bus.name, text.trim());
    if (dev === undefined || dev.driver !== drv) return -Errno.ENODEV;
    this.device_release_driver(dev);
    return text.length;
  }

  bus_find_device_by_name(bus: string, name: string): Device | undefined {
    return this.bus(bus)?.devices.find((d) => d.name === name);
  }
}
