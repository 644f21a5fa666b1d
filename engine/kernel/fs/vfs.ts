// The virtual file system: mounts, path walk, and the calls that programs and the shell's redirections use. Text in, text out.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { DirNode, FileNode, LinkNode, OpenFile, S_IFDIR, S_IFMT, type FileWaiter, type VfsContext, type VNode } from './node.ts';
import { makeProcfs } from './procfs.ts';
import { makeSysfs } from './sysfs.ts';
import { Sysctls } from './sysctl.ts';
import { makeRootTree, NsfsFile, TmpDir, TmpFile, TmpLink } from './tmpfs.ts';
import { makeTracefs } from '../trace/tracefs.ts';

/** Linux: include/uapi/asm-generic/fcntl.h */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
const O_ACCMODE = 3;
/** iproute2: NETNS_RUN_DIR */
const NETNS_DIR = '/run/netns';
/** Linux: fs/namei.c */
const MAXSYMLINKS = 40;

export interface Stat {
  /** Type and permission bits: S_IFDIR | 0o755 … */
  readonly mode: number;
  readonly ino: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Nanoseconds since boot; add BOOT_EPOCH_SECONDS for the date. */
  readonly mtime: number;
}

export interface DirEntry {
  readonly name: string;
  /** S_IFDIR, S_IFREG, S_IFLNK … */
  readonly type: number;
}

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
interface Place {
  readonly node: VNode;
  readonly path: string;
}

export class Vfs {
  readonly mounts: Mount[] = [];
  readonly sysctl: Sysctls;

  constructor(readonly kernel: Kernel) {
    this.sysctl = new Sysctls(kernel);
    this.mount('rootfs', '/', 'rootfs', 'rw', makeRootTree(kernel));
    this.mount('sysfs', '/sys', 'sysfs', 'rw,nosuid,nodev,noexec,relatime', makeSysfs(kernel));
    this.mount('proc', '/proc', 'proc', 'rw,nosuid,nodev,noexec,relatime', makeProcfs(kernel));
    const tracefs = makeTracefs(kernel);
    this.mount('tracefs', '/sys/kernel/tracing', 'tracefs', 'rw,nosuid,nodev,noexec,relatime', tracefs);
    this.mount('tracefs', '/sys/kernel/debug/tracing', 'tracefs', 'rw,nosuid,nodev,noexec,relatime', tracefs);
  }

  mount(source: string, path: string, fstype: string, options: string, root: DirNode): void {
    this.mounts.push(new Mount(source, path, fstype, options, root));
  }

  umount(path: string): number {
    const i = this.mounts.findLastIndex((m) => m.path === path);
    if (i < 0) return -Errno.EINVAL;
    this.mounts.splice(i, 1);
    return 0;
  }

  /** What `ip netns add` leaves behind: /run/netns as a mount of its own, and the namespace's file bound into it. */
  mountNetns(name: string): void {
    let dir = this.mounts.find((m) => m.path === NETNS_DIR)?.root;
    if (dir === undefined) {
      const run = this.mounts[0].root.lookup(this.rootContext(), 'run');
      if (run instanceof TmpDir) run.children.set('netns', new TmpDir(this.kernel, S_IFDIR | 0o755));
      this.mount('tmpfs', NETNS_DIR, 'tmpfs', 'rw,relatime,inode64', (dir = new TmpDir(this.kernel, S_IFDIR | 0o755)));
    }
    if (dir instanceof TmpDir) dir.children.set(name, new NsfsFile(this.kernel));
    this.mounts.push(new Mount('nsfs', `${NETNS_DIR}/${name}`, 'nsfs', 'rw', dir));
  }

  umountNetns(name: string): void {
    this.umount(`${NETNS_DIR}/${name}`);
    const dir = this.mounts.find((m) => m.path === NETNS_DIR)?.root;
    if (dir instanceof TmpDir) dir.remove(this.rootContext(), name);
  }

  /** The kernel's own view: init_net, from the root. */
  rootContext(): VfsContext {
    return { net: this.kernel.init_net, cwd: '/', pid: 0 };
  }

  /** Opens a file. Returns -errno; -EISDIR for a directory opened for writing or reading. */
  open(ctx: VfsContext, path: string, flags: number, mode = 0o644): OpenFile | number {
    const place = this.walk(ctx, path, 'follow');
    if (typeof place === 'number') {
      if (place !== -Errno.ENOENT || (flags & O_CREAT) === 0) return place;
      return this.createFile(ctx, path, flags, mode);
    }
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -Errno.EEXIST;
    const node = place.node;
    if (node instanceof DirNode) return -Errno.EISDIR;
    if (!(node instanceof FileNode)) return -Errno.ENXIO;
    if (this.fstypeOf(place.path) === 'sysfs' && !permits(node.mode, flags)) return -Errno.EACCES;
    if ((flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) !== O_RDONLY) {
      const err = node.truncate(ctx);
      if (err < 0) return err;
    }
    return new OpenFile(node, place.path, flags, ctx);
  }

  /** All that is left to read ('' at the end of file); -EAGAIN when a stream has nothing yet: then `wait`. */
  read(file: OpenFile): string | number {
    if ((file.flags & O_ACCMODE) === O_WRONLY) return -Errno.EBADF;
    if (file.node.stream) {
      const data = file.node.readStream(file);
      return data === '' ? -Errno.EAGAIN : (data ?? '');
    }
    if (file.snapshot === undefined) {
      const text = file.node.read(file.ctx);
      if (typeof text === 'number') return text;
      file.snapshot = text;
    }
    const rest = file.snapshot.slice(file.pos);
    file.pos = file.snapshot.length;
    return rest;
  }

  /** One write() of the whole text; 0 or -errno. */
  write(file: OpenFile, data: string): number {
    if ((file.flags & O_ACCMODE) === O_RDONLY) return -Errno.EBADF;
    return file.node.write(file.ctx, data);
  }

  /** Wakes the process (`kernel.procs.wake(process, op, undefined)`) when the stream has something to read. */
  wait(file: OpenFile, waiter: FileWaiter): void {
    file.node.wait(waiter);
  }

  close(file: OpenFile): void {
    if (file.closed) return;
    file.closed = true;
    file.node.release(file);
  }

  /** Whole content at once, or -errno. Not for streams. */
  readFile(ctx: VfsContext, path: string): string | number {
    const file = this.open(ctx, path, O_RDONLY);
    if (typeof file === 'number') return file;
    const text = this.read(file);
    this.close(file);
    return text;
  }

  /** What `echo text > path` (or >>) does: create, truncate or append, one write; 0 or -errno. */
  writeFile(ctx: VfsContext, path: string, data: string, how: 'truncate' | 'append' = 'truncate'): number {
    const file = this.open(ctx, path, O_WRONLY | O_CREAT | (how === 'append' ? O_APPEND : O_TRUNC));
    if (typeof file === 'number') return file;
    const err = data === '' ? 0 : this.write(file, data);
    this.close(file);
    return err;
  }

  stat(ctx: VfsContext, path: string): Stat | number {
    return this.statOf(ctx, this.walk(ctx, path, 'follow'));
  }

  /** As `stat`, but of a link itself. */
  lstat(ctx: VfsContext, path: string): Stat | number {
    return this.statOf(ctx, this.walk(ctx, path, 'nofollow'));
  }

  readlink(ctx: VfsContext, path: string): string | number {
    const place = this.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    return place.node instanceof LinkNode ? place.node.readlink(ctx) : -Errno.EINVAL;
  }

  /** Canonical path without links, or -errno. */
  realpath(ctx: VfsContext, path: string): string | number {
    const place = this.walk(ctx, path, 'follow');
    return typeof place === 'number' ? place : place.path;
  }

  /** Entries without . and .. in directory order. */
  readdir(ctx: VfsContext, path: string): DirEntry[] | number {
    const place = this.walk(ctx, path, 'follow');
    if (typeof place === 'number') return place;
    const dir = place.node;
    if (!(dir instanceof DirNode)) return -Errno.ENOTDIR;
    const out: DirEntry[] = [];
    for (const name of dir.list(ctx)) {
      const child = this.childOf(ctx, dir, place.path, name);
      if (child !== undefined) out.push({ name, type: child.mode & S_IFMT });
    }
    return out;
  }

  mkdir(ctx: VfsContext, path: string, mode = 0o755): number {
    return this.add(ctx, path, new TmpDir(this.kernel, S_IFDIR | mode));
  }

  symlink(ctx: VfsContext, target: string, path: string): number {
    return this.add(ctx, path, new TmpLink(this.kernel, target));
  }

  unlink(ctx: VfsContext, path: string): number {
    const place = this.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    if (place.node instanceof DirNode) return -Errno.EISDIR;
    return this.removeAt(ctx, place.path);
  }

  rmdir(ctx: VfsContext, path: string): number {
    const place = this.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    if (!(place.node instanceof DirNode)) return -Errno.ENOTDIR;
    if (this.mounts.some((m) => m.path === place.path)) return -Errno.EBUSY;
    if (place.node instanceof TmpDir && place.node.list(ctx).length > 0) return -Errno.ENOTEMPTY;
    return this.removeAt(ctx, place.path);
  }

  rename(ctx: VfsContext, from: string, to: string): number {
    const source = this.walk(ctx, from, 'nofollow');
    if (typeof source === 'number') return source;
    const target = this.walk(ctx, to, 'nofollow');
    const intoDir = typeof target !== 'number' && target.node instanceof DirNode;
    if (intoDir && !(source.node instanceof DirNode)) return -Errno.EISDIR;
    const parent = this.parentOf(ctx, source.path);
    const newParent = this.parentOf(ctx, typeof target === 'number' ? to : target.path);
    if (typeof parent === 'number') return parent;
    if (typeof newParent === 'number') return newParent;
    if (!(parent.dir instanceof TmpDir) || !(newParent.dir instanceof TmpDir)) return -Errno.EPERM;
    parent.dir.children.delete(parent.name);
    newParent.dir.children.set(newParent.name, source.node);
    return 0;
  }

  private statOf(ctx: VfsContext, place: Place | number): Stat | number {
    if (typeof place === 'number') return place;
    const n = place.node;
    return {
      mode: n.mode,
      ino: n.ino !== 0 ? n.ino : inodeOf(place.path),
      nlink: n.nlink(ctx),
      uid: n.uid,
      gid: n.gid,
      size: n.size(),
      mtime: n.mtime,
    };
  }

  private createFile(ctx: VfsContext, path: string, flags: number, mode: number): OpenFile | number {
    const parent = this.parentOf(ctx, path);
    if (typeof parent === 'number') return parent;
    // procfs does not say that it takes no files, only that this one is not there
    if (this.fstypeOf(parent.path) === 'proc') return -Errno.ENOENT;
    const node = new TmpFile(this.kernel, mode);
    const err = parent.dir.create(ctx, parent.name, node);
    return err < 0 ? err : new OpenFile(node, join(parent.path, parent.name), flags, ctx);
  }

  private add(ctx: VfsContext, path: string, node: VNode): number {
    if (typeof this.walk(ctx, path, 'nofollow') !== 'number') return -Errno.EEXIST;
    const parent = this.parentOf(ctx, path);
    return typeof parent === 'number' ? parent : parent.dir.create(ctx, parent.name, node);
  }

  private removeAt(ctx: VfsContext, path: string): number {
    const parent = this.parentOf(ctx, path);
    return typeof parent === 'number' ? parent : parent.dir.remove(ctx, parent.name);
  }

  private parentOf(ctx: VfsContext, path: string): { readonly dir: DirNode; readonly name: string; readonly path: string } | number {
    const trimmed = path.replace(/\/+$/, '');
    const slash = trimmed.lastIndexOf('/');
    const name = trimmed.slice(slash + 1);
    const parent = slash < 0 ? '.' : slash === 0 ? '/' : trimmed.slice(0, slash);
    if (name === '' || name === '.' || name === '..') return -Errno.EINVAL;
    const place = this.walk(ctx, parent, 'follow');
    if (typeof place === 'number') return place;
    return place.node instanceof DirNode ? { dir: place.node, name, path: place.path } : -Errno.ENOTDIR;
  }

  /** Type of the file system that a canonical path is in. */
  private fstypeOf(path: string): string {
    let found = this.mounts[0];
    for (const m of this.mounts)
      if (m.path.length >= found.path.length && (path === m.path || path.startsWith(m.path === '/' ? '/' : `${m.path}/`))) found = m;
    return found.fstype;
  }

  /** A directory's child, or what is mounted over it. */
  private childOf(ctx: VfsContext, dir: DirNode, path: string, name: string): VNode | undefined {
    const full = join(path, name);
    return this.mounts.findLast((m) => m.path === full && m.fstype !== 'nsfs')?.root ?? dir.lookup(ctx, name);
  }

  private walk(ctx: VfsContext, path: string, last: 'follow' | 'nofollow'): Place | number {
    if (path === '') return -Errno.ENOENT;
    const rest = (path.startsWith('/') ? path : `${ctx.cwd}/${path}`).split('/').filter((p) => p !== '' && p !== '.');
    const mustBeDir = path.endsWith('/') || path.endsWith('/.');
    const root = this.mounts[0].root;
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
      stack.push({ node: child, path: join(here.path, name) });
    }
    const found = stack[stack.length - 1];
    return mustBeDir && !(found.node instanceof DirNode) ? -Errno.ENOTDIR : found;
  }
}

/** Linux: kernfs_fop_open(): even root needs the attribute's own permission bits. */
function permits(mode: number, flags: number): boolean {
  const access = flags & O_ACCMODE;
  return (access === O_WRONLY || (mode & 0o444) !== 0) && (access === O_RDONLY || (mode & 0o222) !== 0);
}

const join = (dir: string, name: string): string => (dir === '/' ? `/${name}` : `${dir}/${name}`);

/** A stable number for a generated node: FNV-1a of its path. */
function inodeOf(path: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) h = Math.imul(h ^ path.charCodeAt(i), 0x01000193);
  return (h >>> 0) % 0x7fffffff;
}
