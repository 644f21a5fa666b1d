// The IOMMU driver as built into the kernel: it takes over the functions that PCI found.
import { ops } from '../../base/ops.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import type { PciCore } from '../pci/pci.ts';
import { DmarDomain } from './dma_iommu.ts';
import { IntelIommu } from './intel_iommu.ts';

export const IOMMU_MODULE: ModuleDef = ops<ModuleDef>({
  name: 'intel_iommu',
  path: '',
  size: 0,
  depends: [],
  description: 'Intel IOMMU',
  license: 'GPL',
  functions: [IntelIommu, DmarDomain],
  init(kernel, module) {
    const pci = kernel.modules.state('pci') as PciCore | undefined;
    if (pci === undefined || kernel.platform.iommu === undefined) return 0;
    const iommu = new IntelIommu(kernel, pci);
    if (iommu.intel_iommu_init() < 0) return 0;
    module.state = iommu;
    pci.iommu = iommu;
    return 0;
  },
});
