// /proc/sys: the sysctl tree as directories and files; names are the paths with dots, as sysctl(8) prints them.
import { ops } from '../../base/ops.ts';
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, type FileOps, type VfsContext, type VNode } from './node.ts';

const VALUE: FileOps<string> = ops({
  read: (kernel: Kernel, ctx: VfsContext, name: string) => {
    const value = kernel.vfs.sysctl.get(ctx.net, name);
    return value === undefined ? -Errno.ENOENT : `${value}\n`;
  },
  write: (kernel: Kernel, ctx: VfsContext, name: string, data: string) => kernel.vfs.sysctl.set(ctx.net, name, data),
});

/** A directory of the tree; `path` with dots, '' for the root. */
export class SysDir extends DirNode {
  readonly mode = S_IFDIR | 0o555;
  constructor(
    readonly kernel: Kernel,
    private readonly path: string,
  ) {
    super();
  }
  list(ctx: VfsContext): readonly string[] {
    const prefix = this.path === '' ? '' : `${this.path}.`;
    const out = new Set<string>();
    for (const name of this.kernel.vfs.sysctl.names(ctx.net)) if (name.startsWith(prefix)) out.add(name.slice(prefix.length).split('.')[0]);
    return [...out];
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    const full = this.path === '' ? name : `${this.path}.${name}`;
    const { sysctl } = this.kernel.vfs;
    if (sysctl.get(ctx.net, full) !== undefined)
      return new GeneratedFile(this.kernel, S_IFREG | (sysctl.isReadOnly(full) ? 0o444 : 0o644), VALUE, full);
    return this.list(ctx).includes(name) ? new SysDir(this.kernel, full) : undefined;
  }
}
