// Mounts and path walk: from a path to its node, across mounts and through links.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, LinkNode, S_IFDIR, type VfsContext, type VNode } from './node.ts';
import { NsfsFile, TmpDir } from './tmpfs.ts';

/** iproute2: NETNS_RUN_DIR */
const NETNS_DIR = '/run/netns';
/** Linux: fs/namei.c */
const MAXSYMLINKS = 40;

/** One line of /proc/mounts. */
export class Mount {
  constructor(
    readonly source: string,
    readonly path: string,
    readonly fstype: string,
    readonly options: string,
    readonly root: DirNode,
  ) {}
}

/** Where a path led: the node, and its canonical path without links. */
export interface Place {
  readonly node: VNode;
  readonly path: string;
}

export class Mounts {
  /** In order of mounting; the first is the root. */
  readonly list: Mount[] = [];

  constructor(readonly kernel: Kernel) {}

  mount(source: string, path: string, fstype: string, options: string, root: DirNode): void {
    this.list.push(new Mount(source, path, fstype, options, root));
  }

  umount(path: string): number {
    const i = this.list.findLastIndex((m) => m.path === path);
    if (i < 0) return -Errno.EINVAL;
    this.list.splice(i, 1);
    return 0;
  }

  /** What `ip netns add` leaves behind: /run/netns as a mount of its own, and the namespace's file bound into it. */
  mountNetns(name: string): void {
    let dir = this.list.find((m) => m.path === NETNS_DIR)?.root;
    if (dir === undefined) {
      const root = this.list[0].root;
      const run = root instanceof TmpDir ? root.children.get('run') : undefined;
      if (run instanceof TmpDir) run.children.set('netns', new TmpDir(this.kernel, S_IFDIR | 0o755));
      this.mount('tmpfs', NETNS_DIR, 'tmpfs', 'rw,relatime,inode64', (dir = new TmpDir(this.kernel, S_IFDIR | 0o755)));
    }
    if (dir instanceof TmpDir) dir.children.set(name, new NsfsFile(this.kernel));
    this.list.push(new Mount('nsfs', `${NETNS_DIR}/${name}`, 'nsfs', 'rw', dir));
  }

  umountNetns(name: string): void {
    this.umount(`${NETNS_DIR}/${name}`);
    const dir = this.list.find((m) => m.path === NETNS_DIR)?.root;
    if (dir instanceof TmpDir) dir.children.delete(name);
  }

  /** Type of the file system that a canonical path is in. */
  fstypeOf(path: string): string {
    let found = this.list[0];
    for (const m of this.list)
      if (m.path.length >= found.path.length && (path === m.path || path.startsWith(m.path === '/' ? '/' : `${m.path}/`))) found = m;
    return found.fstype;
  }

  /** A directory's child, or what is mounted over it. */
  childOf(ctx: VfsContext, dir: DirNode, path: string, name: string): VNode | undefined {
    const full = joinPath(path, name);
    return this.list.findLast((m) => m.path === full && m.fstype !== 'nsfs')?.root ?? dir.lookup(ctx, name);
  }

  /** The node of a path and its canonical form, or -errno. */
  walk(ctx: VfsContext, path: string, last: 'follow' | 'nofollow'): Place | number {
    if (path === '') return -Errno.ENOENT;
    const rest = (path.startsWith('/') ? path : `${ctx.cwd}/${path}`).split('/').filter((p) => p !== '' && p !== '.');
    const mustBeDir = path.endsWith('/') || path.endsWith('/.');
    const root = this.list[0].root;
    const stack: Place[] = [{ node: root, path: '/' }];
    let links = 0;
    while (rest.length > 0) {
      const name = rest.shift() ?? '';
      const here = stack[stack.length - 1];
      if (!(here.node instanceof DirNode)) return -Errno.ENOTDIR;
      if (name === '..') {
        if (stack.length > 1) stack.pop();
        continue;
      }
      if (name.length > 255) return -Errno.ENAMETOOLONG;
      const child = this.childOf(ctx, here.node, here.path, name);
      if (child === undefined) return -Errno.ENOENT;
      if (child instanceof LinkNode && (rest.length > 0 || last === 'follow' || mustBeDir)) {
        if (++links > MAXSYMLINKS) return -Errno.ELOOP;
        const target = child.readlink(ctx);
        if (target.startsWith('/')) stack.length = 1;
        rest.unshift(...target.split('/').filter((p) => p !== '' && p !== '.'));
        continue;
      }
      stack.push({ node: child, path: joinPath(here.path, name) });
    }
    const found = stack[stack.length - 1];
    return mustBeDir && !(found.node instanceof DirNode) ? -Errno.ENOTDIR : found;
  }
}

export const joinPath = (dir: string, name: string): string => (dir === '/' ? `/${name}` : `${dir}/${name}`);
