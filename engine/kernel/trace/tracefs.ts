// tracefs: the files under /sys/kernel/tracing.
import type { DirNode } from '../fs/node.ts';
import { S_IFDIR, StaticDir } from '../fs/node.ts';
import type { Kernel } from '../kernel.ts';

/** The root of tracefs. */
export function makeTracefs(_kernel: Kernel): DirNode {
  return new StaticDir(S_IFDIR | 0o700);
}
