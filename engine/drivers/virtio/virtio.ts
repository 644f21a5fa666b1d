// The virtio bus (Linux: drivers/virtio/virtio.c): registration, matching, feature negotiation, status, configuration changes.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import { type BusType, type Device, type DeviceAttribute, DeviceDriver } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { F, featureWord, type FeatureName } from '../../virtio/features.ts';
import { VIRTIO_CONFIG_S as S } from '../../virtio/status.ts';
import { VIRTIO_DEV_ANY_ID, VirtioDevice, type VirtioConfig, type VirtioDriver } from './virtio_device.ts';

/** Linux: VIRTIO_TRANSPORT_F_START, _END: bits of the transport and the ring, not of the device type. */
const TRANSPORT_FIRST = 28n;
const TRANSPORT_END = 41n;
const TRANSPORT_MASK = ((1n << (TRANSPORT_END - TRANSPORT_FIRST)) - 1n) << TRANSPORT_FIRST;
/** What the ring implements, beside what a transport adds. */
const RING_SUPPORTED = featureWord(
  'VIRTIO_F_RING_INDIRECT_DESC',
  'VIRTIO_F_RING_EVENT_IDX',
  'VIRTIO_F_VERSION_1',
  'VIRTIO_F_ACCESS_PLATFORM',
  'VIRTIO_F_RING_PACKED',
  'VIRTIO_F_ORDER_PLATFORM',
);
/** Boot options of ours: what Linux 6.1 does not accept, and our ring does when the command line says so (docs/adr/0007). */
const RING_OPTIONS: readonly (readonly [string, bigint])[] = [
  ['virtio_ring.in_order=1', F.VIRTIO_F_IN_ORDER],
  ['virtio_ring.notification_data=1', F.VIRTIO_F_NOTIFICATION_DATA],
];

const asVirtio = (dev: Device): VirtioDevice => dev as VirtioDevice;
const busOf = (dev: Device): VirtioBus => asVirtio(dev).kernel.modules.state('virtio') as VirtioBus;
const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');
const ro = (name: string, show: (d: VirtioDevice) => string): DeviceAttribute =>
  ops({ name, mode: 0o444, size: 4096, show: (dev: Device) => `${show(asVirtio(dev))}\n` });
const modalias = (d: VirtioDevice): string => `virtio:d${hex(d.id.device, 8)}v${hex(d.id.vendor, 8)}`;

const ATTRIBUTES: readonly DeviceAttribute[] = Object.freeze([
  ro('device', (d) => `0x${d.id.device.toString(16).padStart(4, '0')}`),
  ro('vendor', (d) => `0x${d.id.vendor.toString(16).padStart(4, '0')}`),
  ro('status', (d) => `0x${d.config.status().toString(16).padStart(8, '0')}`),
  ro('modalias', modalias),
  // one digit per bit, bit 0 first
  ro('features', (d) => d.features.toString(2).padStart(64, '0').split('').toReversed().join('')),
]);

/** Of the transport's bits, leaves those that the ring knows; called by each transport's finalize_features. */
export function vring_transport_features(vdev: VirtioDevice): void {
  const said = vdev.kernel.cmdline.split(' ');
  const more = RING_OPTIONS.reduce((w, [option, feature]) => (said.includes(option) ? w | feature : w), 0n);
  vdev.features &= ~TRANSPORT_MASK | RING_SUPPORTED | more;
}

/** Whether the device takes bus addresses; without VIRTIO_F_ACCESS_PLATFORM it reaches memory past any IOMMU, by physical addresses. */
export function vring_use_dma_api(vdev: VirtioDevice): boolean {
  return (vdev.features & F.VIRTIO_F_ACCESS_PLATFORM) !== 0n;
}

export const VIRTIO_BUS_TYPE: BusType = ops<BusType>({
  name: 'virtio',
  match: (dev, drv) => busOf(dev).virtio_dev_match(asVirtio(dev), drv),
  probe: (dev, drv) => busOf(dev).virtio_dev_probe(asVirtio(dev), drv),
  remove: (dev, drv) => busOf(dev).virtio_dev_remove(asVirtio(dev), drv),
  uevent: (dev) => [`MODALIAS=${modalias(asVirtio(dev))}`],
  attributes: () => ATTRIBUTES,
});

export class VirtioBus {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze([
    'virtio_has_feature',
    'virtio_id_match',
    'virtio_device_ready',
    'virtio_config_enable',
    'virtio_config_disable',
    '__virtio_config_changed',
  ]);
  private readonly indexes = new Set<number>();
  constructor(readonly kernel: Kernel) {}

  register_virtio_driver(driver: VirtioDriver, module: string): number {
    return this.kernel.drivers.driver_register(new DeviceDriver(driver.name, VIRTIO_BUS_TYPE, module, driver));
  }

  unregister_virtio_driver(driver: VirtioDriver): void {
    const drv = this.kernel.drivers.bus('virtio')?.drivers.find((d) => d.ops === driver);
    if (drv !== undefined) this.kernel.drivers.driver_unregister(drv);
  }

  /** Resets the device, acknowledges it and looks for a driver. */
  register_virtio_device(
    id: { device: number; vendor: number },
    config: VirtioConfig,
    parent: Device,
    created: (vdev: VirtioDevice) => void,
  ): VirtioDevice {
    let index = 0;
    while (this.indexes.has(index)) index++;
    this.indexes.add(index);
    const vdev = new VirtioDevice(this.kernel, index, id, config, VIRTIO_BUS_TYPE, parent);
    created(vdev);
    this.virtio_reset_device(vdev);
    this.virtio_add_status(vdev, S.ACKNOWLEDGE);
    this.kernel.drivers.device_register(vdev);
    return vdev;
  }

  /** No queue of the device is used any more. */
  virtio_break_device(vdev: VirtioDevice): void {
    for (const vq of vdev.vqs) vq.broken = true;
  }

  unregister_virtio_device(vdev: VirtioDevice): void {
    this.kernel.drivers.device_unregister(vdev);
    this.indexes.delete(vdev.index);
  }

  virtio_dev_match(vdev: VirtioDevice, drv: DeviceDriver): boolean {
    const { idTable } = drv.ops as VirtioDriver;
    return idTable.some((id) => this.virtio_id_match(vdev, id));
  }

  virtio_id_match(vdev: VirtioDevice, id: { readonly device: number; readonly vendor: number }): boolean {
    return id.device === vdev.id.device && (id.vendor === VIRTIO_DEV_ANY_ID || id.vendor === vdev.id.vendor);
  }

  virtio_add_status(vdev: VirtioDevice, status: number): void {
    vdev.config.setStatus(vdev.config.status() | status);
  }

  virtio_reset_device(vdev: VirtioDevice): void {
    vdev.config.reset();
  }

  /** virtio-v1.2 §3.1.1, steps 3 to 8 as Linux takes them. */
  virtio_dev_probe(vdev: VirtioDevice, drv: DeviceDriver): number {
    const driver = drv.ops as VirtioDriver;
    this.virtio_add_status(vdev, S.DRIVER);
    const offered = vdev.config.features();
    const table = (offered & F.VIRTIO_F_VERSION_1) !== 0n ? driver.featureTable : (driver.featureTableLegacy ?? driver.featureTable);
    const wanted = featureWord(...table);
    vdev.features = offered & (wanted | TRANSPORT_MASK);
    let err = vdev.config.finalizeFeatures();
    if (err === 0) {
      const before = vdev.features;
      err = driver.onValidate(vdev);
      if (err === 0 && before !== vdev.features) err = vdev.config.finalizeFeatures();
    }
    if (err === 0) err = this.virtio_features_ok(vdev);
    if (err === 0) err = driver.onProbe(vdev);
    if (err < 0) {
      this.virtio_add_status(vdev, S.FAILED);
      return err;
    }
    // a driver that did not need its queues in probe leaves this to the bus
    if ((vdev.config.status() & S.DRIVER_OK) === 0) this.virtio_device_ready(vdev);
    this.virtio_config_enable(vdev);
    return 0;
  }

  virtio_features_ok(vdev: VirtioDevice): number {
    if (!this.virtio_has_feature(vdev, 'VIRTIO_F_VERSION_1')) return 0;
    this.virtio_add_status(vdev, S.FEATURES_OK);
    if ((vdev.config.status() & S.FEATURES_OK) !== 0) return 0;
    this.kernel.printk.dev_err(vdev, `device refuses features: ${vdev.config.status().toString(16)}`);
    return -Errno.ENODEV;
  }

  virtio_has_feature(vdev: VirtioDevice, name: FeatureName): boolean {
    return (vdev.features & F[name]) !== 0n;
  }

  /** virtio-v1.2 §3.1.1 step 8: from here on the device is live. */
  virtio_device_ready(vdev: VirtioDevice): void {
    vdev.config.setStatus(vdev.config.status() | S.DRIVER_OK);
  }

  virtio_dev_remove(vdev: VirtioDevice, drv: DeviceDriver): void {
    this.virtio_config_disable(vdev);
    (drv.ops as VirtioDriver).onRemove(vdev);
    if (vdev.config.status() !== 0) this.kernel.printk.pr_warn(`virtio: ${drv.name} left ${vdev.name} without a reset`);
    this.virtio_add_status(vdev, S.ACKNOWLEDGE);
  }

  virtio_config_changed(vdev: VirtioDevice): void {
    this.__virtio_config_changed(vdev);
  }

  __virtio_config_changed(vdev: VirtioDevice): void {
    if (!vdev.config_enabled) vdev.config_change_pending = true;
    else if (vdev.driver !== undefined) (vdev.driver.ops as VirtioDriver).onConfigChanged(vdev);
  }

  virtio_config_enable(vdev: VirtioDevice): void {
    vdev.config_enabled = true;
    if (vdev.config_change_pending) this.__virtio_config_changed(vdev);
    vdev.config_change_pending = false;
  }

  virtio_config_disable(vdev: VirtioDevice): void {
    vdev.config_enabled = false;
  }
}

export const VIRTIO_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio',
  path: 'kernel/drivers/virtio/virtio.ko',
  size: 20480,
  depends: ['virtio_ring'],
  description: 'virtio core interface',
  license: 'GPL',
  functions: [VirtioBus],
  init(kernel, module) {
    const bus = new VirtioBus(kernel);
    module.state = bus;
    return kernel.drivers.bus_register(VIRTIO_BUS_TYPE);
  },
  exit(kernel) {
    kernel.drivers.bus_unregister(VIRTIO_BUS_TYPE);
  },
});
