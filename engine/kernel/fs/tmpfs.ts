// Files that hold what was written to them: the root tree, /run, /tmp.
import { textByteLength } from '../../base/byte_text.ts';
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, FileNode, LinkNode, S_IFCHR, S_IFDIR, S_IFREG, type VfsContext, type VNode } from './node.ts';

export class TmpDir extends DirNode {
  readonly children = new Map<string, VNode>();
  constructor(
    readonly kernel: Kernel,
    readonly mode: number,
  ) {
    super();
    this.mtime = kernel.now();
  }
  override size(): number {
    return 40 + this.children.size * 20;
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    return this.children.get(name);
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...this.children.keys()];
  }
  override create(_ctx: VfsContext, name: string, node: VNode): number {
    if (this.children.has(name)) return -Errno.EEXIST;
    this.children.set(name, node);
    this.mtime = this.kernel.now();
    return 0;
  }
  override remove(_ctx: VfsContext, name: string): number {
    if (!this.children.delete(name)) return -Errno.ENOENT;
    this.mtime = this.kernel.now();
    return 0;
  }
}

export class TmpFile extends FileNode {
  content = '';
  readonly mode: number;
  constructor(
    readonly kernel: Kernel,
    permissions: number,
  ) {
    super();
    this.mode = S_IFREG | permissions;
    this.mtime = kernel.now();
  }
  override size(): number {
    return textByteLength(this.content);
  }
  read(_ctx: VfsContext): string {
    return this.content;
  }
  write(_ctx: VfsContext, data: string): number {
    // tmpfs takes half of the memory at most
    if (this.content.length + data.length > this.kernel.platform.ram.size / 2) return -Errno.ENOSPC;
    this.content += data;
    this.mtime = this.kernel.now();
    return 0;
  }
  override truncate(_ctx: VfsContext): number {
    this.content = '';
    this.mtime = this.kernel.now();
    return 0;
  }
}

export class TmpLink extends LinkNode {
  constructor(
    kernel: Kernel,
    private readonly target: string,
  ) {
    super();
    this.mtime = kernel.now();
  }
  override size(): number {
    return textByteLength(this.target);
  }
  readlink(_ctx: VfsContext): string {
    return this.target;
  }
}

/** /dev/null: reads nothing, swallows everything. */
export class NullDevice extends FileNode {
  readonly mode = S_IFCHR | 0o666;
  read(_ctx: VfsContext): string {
    return '';
  }
  write(_ctx: VfsContext, _data: string): number {
    return 0;
  }
}

/** A namespace's file under /run/netns: it has no content. */
export class NsfsFile extends FileNode {
  readonly mode = S_IFREG | 0o444;
  constructor(kernel: Kernel) {
    super();
    this.mtime = kernel.now();
  }
  read(_ctx: VfsContext): number {
    return -Errno.EINVAL;
  }
  write(_ctx: VfsContext, _data: string): number {
    return -Errno.EINVAL;
  }
}

/** The tree that the machine boots with: what Debian has and our tools meet. */
export function makeRootTree(kernel: Kernel): TmpDir {
  const dir = (mode = 0o755): TmpDir => new TmpDir(kernel, S_IFDIR | mode);
  const file = (content: string, mode = 0o644): TmpFile => {
    const f = new TmpFile(kernel, mode);
    f.content = content;
    return f;
  };
  const root = dir();
  const run = dir();
  const variable = dir();
  variable.children.set('run', new TmpLink(kernel, '/run'));
  variable.children.set('tmp', dir(0o1777));
  const etc = dir();
  etc.children.set('hostname', file(`${kernel.hostname}\n`));
  etc.children.set(
    'hosts',
    file(
      `127.0.0.1\tlocalhost\n127.0.1.1\t${kernel.hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`,
    ),
  );
  const dev = dir();
  dev.children.set('null', new NullDevice());
  for (const [name, node] of [
    ['dev', dev],
    ['etc', etc],
    ['proc', dir(0o555)],
    ['root', dir(0o700)],
    ['run', run],
    ['sys', dir(0o555)],
    ['tmp', dir(0o1777)],
    ['var', variable],
  ] as const) {
    root.children.set(name, node);
  }
  return root;
}
