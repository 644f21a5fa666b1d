// /sys: the tree of generated directories and attributes.
import type { Kernel } from '../kernel.ts';
import { makeDmaApi } from './debugfs_dma_api.ts';
import { makeFailFunction } from './debugfs_fail_function.ts';
import { S_IFDIR, StaticDir, type DirNode } from './node.ts';
import { BusesDir, DevicesDir } from './sysfs_device.ts';
import { IommuGroupsDir } from './sysfs_iommu.ts';
import { KernelIrqDir } from './sysfs_irq.ts';
import { ModulesDir } from './sysfs_module.ts';
import { ClassNetDir } from './sysfs_net.ts';

const DIR = S_IFDIR | 0o755;

/** The root of sysfs. tracefs is mounted over its places by Vfs. */
export function makeSysfs(kernel: Kernel): DirNode {
  const kernelDir = new StaticDir(DIR)
    .add('debug', new StaticDir(DIR))
    .add('iommu_groups', new IommuGroupsDir(kernel))
    .add('irq', new KernelIrqDir(kernel))
    .add('tracing', new StaticDir(DIR));
  return new StaticDir()
    .add('bus', new BusesDir(kernel))
    .add('class', new StaticDir(DIR).add('net', new ClassNetDir(kernel)))
    .add('devices', new DevicesDir(kernel))
    .add('kernel', kernelDir)
    .add('module', new ModulesDir(kernel));
}

/** The root of debugfs: DMA mappings, fault injection, and a place for tracefs. */
export const makeDebugfs = (kernel: Kernel): DirNode =>
  new StaticDir(S_IFDIR | 0o700)
    .add('dma-api', makeDmaApi(kernel))
    .add('fail_function', makeFailFunction(kernel))
    .add('tracing', new StaticDir(S_IFDIR | 0o700));
