// The virtio-pci driver and its modules (Linux: drivers/virtio/virtio_pci_common.c): any Qumranet function becomes a virtio device.
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Module, ModuleDef } from '../../kernel/module.ts';
import { PCI_ANY_ID, PCI_VENDOR_ID } from '../../pci/ids.ts';
import type { PciCore } from '../pci/pci.ts';
import { PCI_DEVICE, type PciDev, type PciDeviceId, type PciDriver } from '../pci/pci_dev.ts';
import type { VirtioBus } from './virtio.ts';
import type { VirtioPciDevice } from './virtio_pci_device.ts';
import { VirtioPciLegacyDevice } from './virtio_pci_legacy.ts';
import { VpLegacyDevice } from './virtio_pci_legacy_dev.ts';
import { VirtioPciModernDevice } from './virtio_pci_modern.ts';
import { VpModernDevice } from './virtio_pci_modern_dev.ts';
import { Virtqueue } from './virtio_ring.ts';
import { PackedVirtqueue } from './virtio_ring_packed.ts';
import { SplitVirtqueue } from './virtio_ring_split.ts';

const ID_TABLE: readonly PciDeviceId[] = Object.freeze([Object.freeze(PCI_DEVICE(PCI_VENDOR_ID.REDHAT_QUMRANET, PCI_ANY_ID))]);

export class VirtioPciDriver implements PciDriver {
  readonly name = 'virtio-pci';
  readonly idTable = ID_TABLE;
  constructor(
    readonly kernel: Kernel,
    private readonly module: Module,
  ) {}

  /** The module's parameter: a transitional device is driven by its legacy interface. */
  private get force_legacy(): boolean {
    return this.module.params.get('force_legacy') === 'Y';
  }

  onProbe(dev: PciDev): number {
    return this.virtio_pci_probe(dev);
  }
  onRemove(dev: PciDev): void {
    this.virtio_pci_remove(dev);
  }

  virtio_pci_probe(pci_dev: PciDev): number {
    const { core } = pci_dev;
    const bus = this.kernel.modules.state('virtio') as VirtioBus;
    let err = core.pci_enable_device(pci_dev);
    if (err < 0) return err;
    const modern = new VirtioPciModernDevice(this.kernel, pci_dev, bus);
    const legacy = new VirtioPciLegacyDevice(this.kernel, pci_dev, bus);
    const [first, second] = this.force_legacy ? [legacy, modern] : [modern, legacy];
    let vp: VirtioPciDevice = first;
    err = first.probe();
    if (err === -Errno.ENODEV || (first === legacy && err === -Errno.ENOMEM)) {
      vp = second;
      err = second.probe();
    }
    if (err < 0) {
      core.pci_disable_device(pci_dev);
      return err;
    }
    core.pci_set_drvdata(pci_dev, vp);
    core.pci_set_master(pci_dev);
    bus.register_virtio_device(vp.id, vp, pci_dev, (vdev) => (vp.vdev = vdev));
    return 0;
  }

  virtio_pci_remove(pci_dev: PciDev): void {
    const vp = pci_dev.core.pci_get_drvdata(pci_dev) as VirtioPciDevice;
    const bus = this.kernel.modules.state('virtio') as VirtioBus;
    // nobody is to wait for a device that was pulled out
    if (!pci_dev.core.pci_device_is_present(pci_dev)) bus.virtio_break_device(vp.vdev);
    bus.unregister_virtio_device(vp.vdev);
    vp.remove();
    pci_dev.dma.bypass = false;
    pci_dev.core.pci_disable_device(pci_dev);
    pci_dev.core.pci_set_drvdata(pci_dev, undefined);
  }
}

const pci = (kernel: Kernel): PciCore => kernel.modules.state('pci') as PciCore;

/** In the order in which modprobe virtio_pci inserts them; the virtio module itself is in virtio.ts. */
export const VIRTIO_RING_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio_ring',
  path: 'kernel/drivers/virtio/virtio_ring.ko',
  size: 49152,
  depends: [],
  description: '',
  license: 'GPL',
  functions: [Virtqueue, SplitVirtqueue, PackedVirtqueue],
  init(kernel, module) {
    kernel.drivers.failFunction.allow(module.name, ['vring_create_virtqueue']);
    return 0;
  },
  exit(kernel, module) {
    kernel.drivers.failFunction.disallow(module.name);
  },
});

export const VIRTIO_PCI_MODERN_DEV_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio_pci_modern_dev',
  path: 'kernel/drivers/virtio/virtio_pci_modern_dev.ko',
  size: 20480,
  depends: [],
  version: '0.1',
  description: 'Modern Virtio PCI Device',
  author: 'Jason Wang <jasowang@redhat.com>',
  license: 'GPL',
  functions: [VpModernDevice],
});

export const VIRTIO_PCI_LEGACY_DEV_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio_pci_legacy_dev',
  path: 'kernel/drivers/virtio/virtio_pci_legacy_dev.ko',
  size: 16384,
  depends: [],
  version: '0.1',
  description: 'Legacy Virtio PCI Device',
  author: 'Wu Zongyong <wuzongyong@linux.alibaba.com>',
  license: 'GPL',
  functions: [VpLegacyDevice],
});

export const VIRTIO_PCI_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'virtio_pci',
  path: 'kernel/drivers/virtio/virtio_pci.ko',
  size: 24576,
  depends: ['virtio_ring', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio'],
  insertOrder: ['virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev'],
  version: '1',
  description: 'virtio-pci',
  author: 'Anthony Liguori <aliguori@us.ibm.com>',
  license: 'GPL',
  aliases: ['pci:v00001AF4d*sv*sd*bc*sc*i*'],
  params: [
    { name: 'force_legacy', type: 'bool', value: 'N', mode: 0o444, description: 'Force legacy mode for transitional virtio 1 devices' },
  ],
  functions: [VirtioPciModernDevice, VirtioPciLegacyDevice, VirtioPciDriver],
  init(kernel, module) {
    const driver = new VirtioPciDriver(kernel, module);
    module.state = driver;
    return pci(kernel).bus.__pci_register_driver(driver, 'virtio_pci');
  },
  exit(kernel, module) {
    pci(kernel).bus.pci_unregister_driver(module.state as VirtioPciDriver);
  },
});
