// The device model's structures: buses, devices, drivers (Linux: include/linux/device.h). Behaviour is in driver_core.ts.

/** A device on a bus. Subclasses: PciDev, VirtioDevice. */
export class Device {
  driver: DeviceDriver | undefined;
  readonly children: Device[] = [];
  driver_override: string | undefined;
  constructor(
    readonly name: string,
    readonly bus: BusType,
    readonly parent: Device | undefined,
  ) {}
}

/** Op table of a bus; a constant. */
export interface BusType {
  readonly name: string; // 'pci', 'virtio'
  match(dev: Device, drv: DeviceDriver): boolean;
  probe(dev: Device, drv: DeviceDriver): number;
  remove(dev: Device, drv: DeviceDriver): void;
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
