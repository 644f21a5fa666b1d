// The virtio-mmio driver and its module (Linux: drivers/virtio/virtio_mmio.c), and the devices that the boot command line tells of.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Device } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { type PlatformBus, PlatformDevice, type PlatformDriver } from '../platform/platform.ts';
import type { VirtioBus } from './virtio.ts';
import { VirtioMmioDevice } from './virtio_mmio_device.ts';

const NAME = 'virtio-mmio';
const PARENT = 'virtio-mmio-cmdline';
/** virtio_mmio.device=SIZE@BASE:IRQ[:ID], once per device. */
const OPTION = 'virtio_mmio.device=';
const DEVICE = /^(0x[0-9a-f]+|\d+)([KMG]?)@(0x[0-9a-f]+|\d+):(\d+)(?::(\d+))?$/i;
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

export class VirtioMmioDriver implements PlatformDriver {
  readonly name = NAME;
  /** What devices of the command line hang below, once there is one. */
  private parent: Device | undefined;
  private nextId = 0;

  constructor(readonly kernel: Kernel) {}

  private get platform(): PlatformBus {
    return this.kernel.modules.state('platform') as PlatformBus;
  }
  private get virtio(): VirtioBus {
    return this.kernel.modules.state('virtio') as VirtioBus;
  }

  onProbe(dev: PlatformDevice): number {
    return this.virtio_mmio_probe(dev);
  }
  onRemove(dev: PlatformDevice): void {
    this.virtio_mmio_remove(dev);
  }

  virtio_mmio_probe(pdev: PlatformDevice): number {
    const vm = new VirtioMmioDevice(this.kernel, pdev, this.platform, this.virtio);
    const err = vm.identify();
    if (err < 0) {
      this.platform.releaseRegions(pdev);
      return err;
    }
    pdev.driver_data = vm;
    this.virtio.register_virtio_device(vm.id, vm, pdev, (vdev) => (vm.vdev = vdev));
    return 0;
  }

  virtio_mmio_remove(pdev: PlatformDevice): void {
    this.virtio.unregister_virtio_device((pdev.driver_data as VirtioMmioDevice).vdev);
    pdev.driver_data = undefined;
    this.platform.releaseRegions(pdev);
  }

  /** Devices of the boot command line; -EINVAL for one that is not written as it must be. */
  parseCommandLine(): number {
    for (const word of this.kernel.cmdline.split(' ')) {
      if (!word.startsWith(OPTION)) continue;
      const err = this.vm_cmdline_set(word.slice(OPTION.length));
      if (err === 0) continue;
      this.kernel.printk.pr_err(`virtio_mmio: \`${word.slice(OPTION.length)}' invalid for parameter \`device'`);
      return err;
    }
    return 0;
  }

  vm_cmdline_set(device: string): number {
    const m = DEVICE.exec(device);
    if (m === null || Number(m[4]) === 0) return -Errno.EINVAL;
    const size = Number(m[1]) * UNITS[m[2].toUpperCase()];
    const start = Number(m[3]);
    const end = start + size - 1;
    const irq = Number(m[4]);
    if (m[5] !== undefined) this.nextId = Number(m[5]);
    this.parent ??= this.kernel.drivers.rootDevice(PARENT);
    const hex = (n: number): string => `0x${n.toString(16)}`;
    this.kernel.printk.pr_info(`virtio-mmio: Registering device ${NAME}.${this.nextId} at ${hex(start)}-${hex(end)}, IRQ ${irq}.`);
    const made = this.platform.platform_device_register_full(this.parent, NAME, this.nextId++, { start, end, irq });
    return typeof made === 'number' ? made : 0;
  }

  vm_unregister_cmdline_devices(): void {
    const { parent } = this;
    if (parent === undefined) return;
    for (const child of parent.children.slice()) if (child instanceof PlatformDevice) this.platform.platform_device_unregister(child);
    const { roots } = this.kernel.drivers;
    roots.splice(roots.indexOf(parent), 1);
    this.parent = undefined;
  }
}

const platform = (kernel: Kernel): PlatformBus => kernel.modules.state('platform') as PlatformBus;

export const VIRTIO_MMIO_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio_mmio',
  path: 'kernel/drivers/virtio/virtio_mmio.ko',
  size: 16384,
  depends: ['virtio', 'virtio_ring'],
  insertOrder: ['virtio_ring', 'virtio'],
  description: 'Platform bus driver for memory mapped virtio devices',
  author: 'Pawel Moll <pawel.moll@arm.com>',
  license: 'GPL',
  aliases: ['of:N*T*Cvirtio,mmioC*', 'of:N*T*Cvirtio,mmio', 'acpi*:LNRO0005:*'],
  functions: [VirtioMmioDevice, VirtioMmioDriver],
  init(kernel, module) {
    const driver = new VirtioMmioDriver(kernel);
    module.state = driver;
    const err = driver.parseCommandLine();
    if (err < 0) return err;
    return platform(kernel).__platform_driver_register(driver, 'virtio_mmio');
  },
  exit(kernel, module) {
    const driver = module.state as VirtioMmioDriver;
    platform(kernel).platform_driver_unregister(driver);
    driver.vm_unregister_cmdline_devices();
  },
});
