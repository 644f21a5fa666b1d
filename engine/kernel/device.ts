// The device model's structures: buses, devices, drivers (Linux: include/linux/device.h). Behaviour is in driver_core.ts.
import type { DmaContext } from '../platform/dma.ts';
import type { Kernel } from './kernel.ts';

/** A file of a device in sysfs; `name` may hold one '/' for a file in a subdirectory. `store` gives bytes taken or -errno. */
export interface DeviceAttribute {
  readonly name: string;
  readonly mode: number;
  /** What `ls -l` shows; 4096 unless the file is binary. */
  readonly size: number;
  show?(dev: Device, kernel: Kernel): string | Uint8Array;
  store?(dev: Device, text: string, kernel: Kernel): number;
}

/** A device on a bus. Subclasses: PciDev, VirtioDevice. */
export class Device {
  driver: DeviceDriver | undefined;
  readonly children: Device[] = [];
  driver_override: string | undefined;
  /** Its DMA mappings, when it does DMA. */
  readonly dma: DmaContext | undefined = undefined;
  /** False once removed (Linux: device_del()). */
  registered = false;
  constructor(
    readonly name: string,
    readonly bus: BusType,
    readonly parent: Device | undefined,
  ) {}
}

/** Devices that an IOMMU can only tell apart together (Linux: struct iommu_group). */
export interface IommuGroupInfo {
  readonly id: number;
  readonly devices: readonly Device[];
  /** Translated, with old translations going at once or in batches; or passed through. */
  readonly type: 'DMA' | 'DMA-FQ' | 'identity';
}

/** Op table of a bus; a constant. */
export interface BusType {
  readonly name: string; // 'pci', 'virtio'
  match(dev: Device, drv: DeviceDriver): boolean;
  probe(dev: Device, drv: DeviceDriver): number;
  remove(dev: Device, drv: DeviceDriver): void;
  /** Lines of the uevent file after DRIVER=. */
  uevent?(dev: Device): readonly string[];
  /** Files in the device's sysfs directory beyond those every device has. */
  attributes?(dev: Device): readonly DeviceAttribute[];
  /** The device's line in /proc/bus/NAME/devices, for the buses that are there. */
  proc_line?(dev: Device): string;
  /** Files in /sys/bus/NAME beyond those every bus has ('rescan'). */
  readonly bus_attributes?: readonly BusAttribute[];
  /** Files in the driver's directory beyond bind, unbind, uevent ('new_id'). */
  readonly driver_attributes?: readonly DriverAttribute[];
}

export interface BusAttribute {
  readonly name: string;
  readonly mode: number;
  show?(kernel: Kernel): string;
  store?(kernel: Kernel, text: string): number;
}

export interface DriverAttribute {
  readonly name: string;
  readonly mode: number;
  show?(drv: DeviceDriver, kernel: Kernel): string;
  store?(drv: DeviceDriver, text: string, kernel: Kernel): number;
}

/** A registered driver. `ops` is bus-specific (PciDriver, VirtioDriver). */
export class DeviceDriver {
  readonly devices: Device[] = [];
  constructor(
    readonly name: string,
    readonly bus: BusType,
    readonly module: string,
    readonly ops: object,
  ) {}
}
