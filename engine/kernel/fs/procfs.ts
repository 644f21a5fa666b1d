// /proc: the tree of generated files.
import type { Kernel } from '../kernel.ts';
import { StaticDir, type DirNode } from './node.ts';

/** The root of procfs. */
export function makeProcfs(_kernel: Kernel): DirNode {
  return new StaticDir();
}
