// Platform devices (Linux: drivers/base/platform.c): what no bus can find, told by the board or the command line; registers and a line each.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { type BusType, Device, type DeviceAttribute, DeviceDriver } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { Resource } from '../../kernel/resource.ts';
import type { DmaContext } from '../../platform/dma.ts';

/** What a platform device has: physical addresses, `end` the last, and an interrupt. */
export interface PlatformResources {
  readonly start: number;
  readonly end: number;
  readonly irq: number;
}

/** What a platform driver implements; the object is the module's state. It takes devices of its name. */
export interface PlatformDriver {
  readonly name: string;
  onProbe(dev: PlatformDevice): number;
  onRemove(dev: PlatformDevice): void;
}

export class PlatformDevice extends Device {
  override readonly dma: DmaContext;
  dma_mask_bits = 32;
  coherent_dma_mask_bits = 32;
  /** platform_set_drvdata() */
  driver_data: object | undefined;
  /** Its entry in iomem, and the driver's inside it. */
  claimed: Resource | undefined;
  region: Resource | undefined;

  constructor(
    readonly kernel: Kernel,
    /** Without the number: what drivers are matched by. */
    readonly platformName: string,
    id: number,
    readonly resources: PlatformResources,
    bus: BusType,
    parent: Device,
  ) {
    super(`${platformName}.${id}`, bus, parent);
    this.dma = kernel.platform.dmaContext(this.name);
  }
}

const asPlatform = (dev: Device): PlatformDevice => dev as PlatformDevice;
const modalias = (dev: Device): string => `platform:${asPlatform(dev).platformName}`;
const ATTRIBUTES: readonly DeviceAttribute[] = Object.freeze([
  ops({
    name: 'driver_override',
    mode: 0o644,
    size: 4096,
    show: (dev: Device) => `${dev.driver_override ?? '(null)'}\n`,
    store(dev: Device, text: string) {
      const name = text.trim();
      dev.driver_override = name === '' ? undefined : name;
      return text.length;
    },
  }),
  ops({ name: 'modalias', mode: 0o444, size: 4096, show: (dev: Device) => `${modalias(dev)}\n` }),
]);

const PLATFORM_BUS_TYPE: BusType = ops<BusType>({
  name: 'platform',
  match: (dev, drv) => (dev.driver_override ?? asPlatform(dev).platformName) === drv.name,
  probe: (dev, drv) => (drv.ops as PlatformDriver).onProbe(asPlatform(dev)),
  remove: (dev, drv) => (drv.ops as PlatformDriver).onRemove(asPlatform(dev)),
  uevent: (dev) => [`MODALIAS=${modalias(dev)}`],
  attributes: () => ATTRIBUTES,
});

export class PlatformBus {
  constructor(readonly kernel: Kernel) {}

  __platform_driver_register(driver: PlatformDriver, module: string): number {
    return this.kernel.drivers.driver_register(new DeviceDriver(driver.name, PLATFORM_BUS_TYPE, module, driver));
  }

  platform_driver_unregister(driver: PlatformDriver): void {
    const drv = this.kernel.drivers.bus('platform')?.drivers.find((d) => d.ops === driver);
    if (drv !== undefined) this.kernel.drivers.driver_unregister(drv);
  }

  /** Makes the device known and looks for a driver; -EBUSY when its addresses belong to another. */
  platform_device_register_full(parent: Device, name: string, id: number, resources: PlatformResources): PlatformDevice | number {
    const { drivers } = this.kernel;
    const dev = new PlatformDevice(this.kernel, name, id, resources, PLATFORM_BUS_TYPE, parent);
    dev.claimed = new Resource(dev.name, resources.start, resources.end);
    if (!drivers.iomem.insert(dev.claimed)) return -Errno.EBUSY;
    drivers.device_register(dev);
    return dev;
  }

  platform_device_unregister(dev: PlatformDevice): void {
    this.kernel.drivers.device_unregister(dev);
    if (dev.claimed !== undefined) this.kernel.drivers.iomem.remove(dev.claimed);
  }

  /** The device's interrupt, -ENXIO when it has none. */
  platform_get_irq(dev: PlatformDevice): number {
    return dev.resources.irq > 0 ? dev.resources.irq : -Errno.ENXIO;
  }

  /** Claims and maps the registers: their address, or -EBUSY. */
  devm_platform_ioremap_resource(dev: PlatformDevice): number {
    const { start, end } = dev.resources;
    const region = new Resource(`${dev.name} ${dev.name}`, start, end);
    if (dev.region !== undefined || dev.claimed?.insert(region) !== true) {
      this.kernel.printk.dev_err(
        dev,
        `can't request region for resource [mem 0x${start.toString(16).padStart(8, '0')}-0x${end.toString(16).padStart(8, '0')}]`,
      );
      return -Errno.EBUSY;
    }
    dev.region = region;
    return start;
  }

  /** What Linux's devres gives back when a driver leaves or its probe failed. */
  releaseRegions(dev: PlatformDevice): void {
    if (dev.region !== undefined) dev.claimed?.remove(dev.region);
    dev.region = undefined;
  }
}

export const PLATFORM_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'platform',
  path: '',
  size: 0,
  depends: [],
  description: 'platform bus',
  license: 'GPL',
  functions: [PlatformBus],
  init(kernel, module) {
    module.state = new PlatformBus(kernel);
    return kernel.drivers.bus_register(PLATFORM_BUS_TYPE);
  },
});
