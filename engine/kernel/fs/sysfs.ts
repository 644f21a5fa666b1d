// /sys: the tree of generated directories and attributes.
import type { Kernel } from '../kernel.ts';
import { S_IFDIR, StaticDir, type DirNode } from './node.ts';

/** The root of sysfs. */
export function makeSysfs(_kernel: Kernel): DirNode {
  const root = new StaticDir();
  const kernelDir = new StaticDir(S_IFDIR | 0o755);
  const debug = new StaticDir(S_IFDIR | 0o700);
  debug.add('tracing', new StaticDir(S_IFDIR | 0o700));
  kernelDir.add('tracing', new StaticDir(S_IFDIR | 0o700)).add('debug', debug);
  return root.add('kernel', kernelDir);
}
