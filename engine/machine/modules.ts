// The modules every machine has: what is built into its kernel, and what lies on its disk.
import { ops } from '../base/ops.ts';
import { BRIDGE_MODULE } from '../drivers/bridge/bridge.ts';
import { VLAN_MODULES } from '../drivers/8021q/vlan.ts';
import { DUMMY_MODULE } from '../drivers/dummy.ts';
import { E1000_MODULE } from '../drivers/e1000/e1000.ts';
import { E1000E_MODULE } from '../drivers/e1000e/e1000e.ts';
import { IOMMU_MODULE } from '../drivers/iommu/iommu_module.ts';
import { LOOPBACK_MODULE } from '../drivers/loopback.ts';
import { PCI_MODULE } from '../drivers/pci/pci_module.ts';
import { PLATFORM_MODULE } from '../drivers/platform/platform.ts';
import { DRIVER_VARIANTS, type VariantName } from '../drivers/variants/variants.ts';
import { VETH_MODULE } from '../drivers/veth.ts';
import { VIRTIO_MODULES } from '../drivers/virtio/modules.ts';
import type { ModuleTable } from '../kernel/module.ts';

export const MODULES: ModuleTable = ops<ModuleTable>({
  builtin: [LOOPBACK_MODULE, PLATFORM_MODULE, PCI_MODULE, IOMMU_MODULE],
  loadable: [...VIRTIO_MODULES, VETH_MODULE, DUMMY_MODULE, ...VLAN_MODULES, BRIDGE_MODULE, E1000E_MODULE, E1000_MODULE],
  foreign: [
    { name: 'ahci', aliases: ['pci:v00008086d00002922sv*sd*bc*sc*i*'] },
    { name: 'i2c_i801', aliases: ['pci:v00008086d00002930sv*sd*bc*sc*i*'] },
  ],
});

/** The modules of a machine where variants of drivers take the places of the real ones. */
export function modulesWith(variants: readonly VariantName[]): ModuleTable {
  if (variants.length === 0) return MODULES;
  const loadable = MODULES.loadable.map((m) => variants.map((v) => DRIVER_VARIANTS[v].module).find((w) => w.name === m.name) ?? m);
  return ops<ModuleTable>({ ...MODULES, loadable });
}
