// The virtual file system: mounts, path walk, and the calls that programs and the shell's redirections use. Text in, text out.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import { makeTracefs } from '../trace/tracefs.ts';
import { kernfsOrder } from './kernfs.ts';
import { joinPath, Mounts, type Place } from './mounts.ts';
import { DirNode, FileNode, LinkNode, OpenFile, S_IFDIR, S_IFMT, type FileWaiter, type VfsContext, type VNode } from './node.ts';
import { makeProcfs } from './procfs.ts';
import { Sysctls } from './sysctl.ts';
import { makeDebugfs, makeSysfs } from './sysfs.ts';
import { makeRootTree, TmpDir, TmpFile, TmpLink } from './tmpfs.ts';

/** Linux: include/uapi/asm-generic/fcntl.h */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
const O_ACCMODE = 3;

export interface Stat {
  /** Type and permission bits: S_IFDIR | 0o755 … */
  readonly mode: number;
  readonly ino: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Nanoseconds since boot; add the kernel's `rtc` for the date. */
  readonly mtime: number;
}

export interface DirEntry {
  readonly name: string;
  /** S_IFDIR, S_IFREG, S_IFLNK … */
  readonly type: number;
}

/** File systems whose nodes are made when somebody looks, and whose inodes then stay. */
const GENERATED: ReadonlySet<string> = new Set(['sysfs', 'debugfs', 'tracefs']);

export class Vfs {
  readonly mounts: Mounts;
  readonly sysctl: Sysctls;
  /** When a generated file or directory was first looked at, by path: what Linux's inode of it says as its times. */
  private readonly instantiated = new Map<string, number>();

  constructor(readonly kernel: Kernel) {
    this.sysctl = new Sysctls(kernel);
    this.mounts = new Mounts(kernel);
    const options = 'rw,nosuid,nodev,noexec,relatime';
    const tracefs = makeTracefs(kernel);
    this.mounts.mount('rootfs', '/', 'rootfs', 'rw', makeRootTree(kernel));
    this.mounts.mount('sysfs', '/sys', 'sysfs', options, makeSysfs(kernel));
    this.mounts.mount('proc', '/proc', 'proc', options, makeProcfs(kernel));
    this.mounts.mount('debugfs', '/sys/kernel/debug', 'debugfs', options, makeDebugfs(kernel));
    this.mounts.mount('tracefs', '/sys/kernel/tracing', 'tracefs', options, tracefs);
    this.mounts.mount('tracefs', '/sys/kernel/debug/tracing', 'tracefs', options, tracefs);
  }

  /** The kernel's own view: init_net, from the root. */
  rootContext(): VfsContext {
    return { net: this.kernel.init_net, cwd: '/', pid: 0 };
  }

  /** Opens a file. Returns -errno; -EISDIR for a directory opened for writing or reading. */
  open(ctx: VfsContext, path: string, flags: number, mode = 0o644): OpenFile | number {
    const place = this.mounts.walk(ctx, path, 'follow');
    if (typeof place === 'number') {
      if (place !== -Errno.ENOENT || (flags & O_CREAT) === 0) return place;
      return this.createFile(ctx, path, flags, mode);
    }
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -Errno.EEXIST;
    const node = place.node;
    if (GENERATED.has(this.mounts.fstypeOf(place.path))) this.instantiate(place.path);
    if (node instanceof DirNode) return -Errno.EISDIR;
    if (!(node instanceof FileNode)) return -Errno.ENXIO;
    if (this.mounts.fstypeOf(place.path) === 'sysfs' && !permits(node.mode, flags)) return -Errno.EACCES;
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
    return this.statOf(ctx, this.mounts.walk(ctx, path, 'follow'));
  }

  /** As `stat`, but of a link itself. */
  lstat(ctx: VfsContext, path: string): Stat | number {
    return this.statOf(ctx, this.mounts.walk(ctx, path, 'nofollow'));
  }

  readlink(ctx: VfsContext, path: string): string | number {
    const place = this.mounts.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    return place.node instanceof LinkNode ? place.node.readlink(ctx) : -Errno.EINVAL;
  }

  /** Canonical path without links, or -errno. */
  realpath(ctx: VfsContext, path: string): string | number {
    const place = this.mounts.walk(ctx, path, 'follow');
    return typeof place === 'number' ? place : place.path;
  }

  /** Entries without . and .. in directory order. */
  readdir(ctx: VfsContext, path: string): DirEntry[] | number {
    const place = this.mounts.walk(ctx, path, 'follow');
    if (typeof place === 'number') return place;
    const dir = place.node;
    if (!(dir instanceof DirNode)) return -Errno.ENOTDIR;
    const out: DirEntry[] = [];
    const listed = dir.list(ctx);
    for (const name of this.mounts.fstypeOf(place.path) === 'sysfs' ? kernfsOrder(listed) : listed) {
      const child = this.mounts.childOf(ctx, dir, place.path, name);
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
    const place = this.mounts.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    if (place.node instanceof DirNode) return -Errno.EISDIR;
    return this.removeAt(ctx, place.path);
  }

  rmdir(ctx: VfsContext, path: string): number {
    const place = this.mounts.walk(ctx, path, 'nofollow');
    if (typeof place === 'number') return place;
    if (!(place.node instanceof DirNode)) return -Errno.ENOTDIR;
    if (this.mounts.list.some((m) => m.path === place.path)) return -Errno.EBUSY;
    if (place.node instanceof TmpDir && place.node.list(ctx).length > 0) return -Errno.ENOTEMPTY;
    return this.removeAt(ctx, place.path);
  }

  rename(ctx: VfsContext, from: string, to: string): number {
    const source = this.mounts.walk(ctx, from, 'nofollow');
    if (typeof source === 'number') return source;
    const target = this.mounts.walk(ctx, to, 'nofollow');
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
    const fstype = this.mounts.fstypeOf(place.path);
    const generated = GENERATED.has(fstype);
    if (generated) this.instantiate(place.path);
    return {
      mode: n.mode,
      ino: n.ino !== 0 ? n.ino : inodeOf(place.path),
      nlink: n.nlink(ctx),
      uid: n.uid,
      gid: n.gid,
      size: n.size(),
      mtime: generated ? (this.instantiated.get(place.path) ?? this.kernel.now()) : fstype === 'proc' ? this.kernel.now() : n.mtime,
    };
  }

  /** Inodes of the path and of the directories above it, where there are none yet. A view that looks makes none: observing changes nothing. */
  private instantiate(path: string): void {
    if (this.kernel.trace.muted) return;
    for (let at = path; at !== '' && !this.instantiated.has(at); at = at.slice(0, at.lastIndexOf('/')))
      this.instantiated.set(at, this.kernel.now());
  }

  /** A directory that sysfs showed is gone: what is there next is new. */
  forget(path: string): void {
    for (const at of this.instantiated.keys()) if (at === path || at.startsWith(`${path}/`)) this.instantiated.delete(at);
  }

  private createFile(ctx: VfsContext, path: string, flags: number, mode: number): OpenFile | number {
    const parent = this.parentOf(ctx, path);
    if (typeof parent === 'number') return parent;
    // procfs does not say that it takes no files, only that this one is not there
    if (this.mounts.fstypeOf(parent.path) === 'proc') return -Errno.ENOENT;
    const node = new TmpFile(this.kernel, mode);
    const err = parent.dir.create(ctx, parent.name, node);
    return err < 0 ? err : new OpenFile(node, joinPath(parent.path, parent.name), flags, ctx);
  }

  private add(ctx: VfsContext, path: string, node: VNode): number {
    if (typeof this.mounts.walk(ctx, path, 'nofollow') !== 'number') return -Errno.EEXIST;
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
    const place = this.mounts.walk(ctx, parent, 'follow');
    if (typeof place === 'number') return place;
    return place.node instanceof DirNode ? { dir: place.node, name, path: place.path } : -Errno.ENOTDIR;
  }
}

/** Linux: kernfs_fop_open(): even root needs the attribute's own permission bits. */
function permits(mode: number, flags: number): boolean {
  const access = flags & O_ACCMODE;
  return (access === O_WRONLY || (mode & 0o444) !== 0) && (access === O_RDONLY || (mode & 0o222) !== 0);
}

/** A stable number for a generated node: FNV-1a of its path. */
function inodeOf(path: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) h = Math.imul(h ^ path.charCodeAt(i), 0x01000193);
  return (h >>> 0) % 0x7fffffff;
}
