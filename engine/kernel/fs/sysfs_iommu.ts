// /sys/kernel/iommu_groups (Linux: drivers/iommu/iommu.c): which devices an IOMMU can tell apart, and how it treats them.
import { ops } from '../../base/ops.ts';
import { MSI_BASE, MSI_END } from '../../platform/bus.ts';
import type { IommuGroupInfo } from '../device.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, StaticLink, type FileOps, type VfsContext, type VNode } from './node.ts';
import { devicePath, relativeLink } from './paths.ts';

const DIR = S_IFDIR | 0o755;
const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;
const PAGE = 4096;

const TYPE: FileOps<IommuGroupInfo> = ops({ read: (_k: Kernel, _ctx: VfsContext, g: IommuGroupInfo) => `${g.type}\n` });
const hex16 = (n: number): string => `0x${n.toString(16).padStart(16, '0')}`;
const RESERVED: FileOps<IommuGroupInfo> = ops({ read: () => `${hex16(MSI_BASE)} ${hex16(MSI_END - 1)} msi\n` });

export class IommuGroupsDir extends DirNode {
  readonly mode = DIR;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return this.kernel.drivers.iommuGroups.map((g) => String(g.id));
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const group = this.kernel.drivers.iommuGroups.find((g) => String(g.id) === name);
    if (group === undefined) return undefined;
    const here = `kernel/iommu_groups/${name}/devices`;
    const devices = new StaticDir(DIR);
    for (const dev of group.devices) devices.add(dev.name, new StaticLink(relativeLink(here, devicePath(dev)), 0));
    return new StaticDir(DIR)
      .add('devices', devices)
      .add('reserved_regions', new GeneratedFile(this.kernel, RO, RESERVED, group, PAGE))
      .add('type', new GeneratedFile(this.kernel, RW, TYPE, group, PAGE));
  }
}
