// Nodes of a file system: files, directories and links as node classes with op tables. What a node shows is asked for when it is read.
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';

/** Who looks: its network namespace decides what /proc/net and /sys/class/net show. A Process is one. */
export interface VfsContext {
  readonly net: Net;
  readonly cwd: string;
  readonly pid: number;
}

/** Linux: include/uapi/linux/stat.h */
export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;

/** Something that waits for a file to become readable: woken through `kernel.procs.wake(process, op, undefined)`. */
export interface FileWaiter {
  readonly pid: number;
  readonly op: number;
}

/** What `open` gave: position and what the node keeps per open file. */
export class OpenFile {
  /** Characters delivered so far. */
  pos = 0;
  /** Whole content, taken at the first read of a generated file, so that a reader sees one consistent text. */
  snapshot: string | undefined;
  closed = false;
  /** What the node keeps for this reader. */
  priv: object | undefined;
  constructor(
    readonly node: FileNode,
    readonly path: string,
    readonly flags: number,
    readonly ctx: VfsContext,
  ) {}
}

/** What is common to all nodes. Sizes in bytes, times in nanoseconds since boot. */
export abstract class VNode {
  /** Type and permission bits. */
  abstract readonly mode: number;
  uid = 0;
  gid = 0;
  mtime = 0;
  /** Stable inode number where a file system has one; 0: derived from the path. */
  ino = 0;
  size(): number {
    return 0;
  }
  nlink(_ctx: VfsContext): number {
    return 1;
  }
}

export abstract class FileNode extends VNode {
  /** The whole text, or -errno. */
  abstract read(ctx: VfsContext): string | number;
  /** Takes one write() of text; returns 0 or -errno. */
  abstract write(ctx: VfsContext, data: string): number;
  /** O_TRUNC on open. */
  truncate(_ctx: VfsContext): number {
    return 0;
  }
  /** True for streams such as trace_pipe: `readStream` is used instead of `read`. */
  get stream(): boolean {
    return false;
  }
  /** What is there now, '' when nothing is (the reader then waits), -errno, or undefined at the end of file. */
  readStream(_file: OpenFile): string | number | undefined {
    return undefined;
  }
  /** Asks to be woken when the stream has something. */
  wait(_waiter: FileWaiter): void {
    // only streams keep waiters
  }
  release(_file: OpenFile): void {
    // nothing is kept per open file
  }
}

export abstract class DirNode extends VNode {
  abstract lookup(ctx: VfsContext, name: string): VNode | undefined;
  /** Names in directory order; `ls` sorts them. */
  abstract list(ctx: VfsContext): readonly string[];
  /** Puts a new node in: 0 or -errno. Generated directories take none. */
  create(_ctx: VfsContext, _name: string, node: VNode): number {
    return node instanceof FileNode ? -Errno.EACCES : -Errno.EPERM;
  }
  remove(_ctx: VfsContext, _name: string): number {
    return -Errno.EPERM;
  }
  override nlink(ctx: VfsContext): number {
    let n = 2;
    for (const name of this.list(ctx)) if (this.lookup(ctx, name) instanceof DirNode) n++;
    return n;
  }
}

export abstract class LinkNode extends VNode {
  readonly mode = S_IFLNK | 0o777;
  abstract readlink(ctx: VfsContext): string;
}

/** How a generated file is read and written; a module constant made with `ops()`. `A` says which object it shows. */
export interface FileOps<A> {
  /** Absent: EACCES when the mode forbids it, EIO otherwise. */
  read?(kernel: Kernel, ctx: VfsContext, arg: A): string | number;
  write?(kernel: Kernel, ctx: VfsContext, arg: A, data: string): number;
}

/** A file whose text comes from the kernel's state. */
export class GeneratedFile<A> extends FileNode {
  constructor(
    readonly kernel: Kernel,
    readonly mode: number,
    readonly fileOps: FileOps<A>,
    readonly arg: A,
    private readonly bytes = 0,
  ) {
    super();
  }
  override size(): number {
    return this.bytes;
  }
  read(ctx: VfsContext): string | number {
    return this.fileOps.read === undefined ? -Errno.EIO : this.fileOps.read(this.kernel, ctx, this.arg);
  }
  write(ctx: VfsContext, data: string): number {
    return this.fileOps.write === undefined ? -Errno.EIO : this.fileOps.write(this.kernel, ctx, this.arg, data);
  }
}

/** A directory with fixed children. */
export class StaticDir extends DirNode {
  readonly children = new Map<string, VNode>();
  constructor(readonly mode = S_IFDIR | 0o555) {
    super();
  }
  add(name: string, node: VNode): this {
    this.children.set(name, node);
    return this;
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    return this.children.get(name);
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...this.children.keys()];
  }
}

/** How a directory of generated files is made when somebody looks into it; a module constant made with `ops()`. */
export interface DirOps {
  build(kernel: Kernel, ctx: VfsContext): StaticDir;
}

/** A directory that exists only while it is looked at: a machine that nobody inspects keeps no node for each of its files. */
export class BuiltDir extends DirNode {
  constructor(
    readonly kernel: Kernel,
    readonly mode: number,
    private readonly dirOps: DirOps,
  ) {
    super();
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    return this.dirOps.build(this.kernel, ctx).lookup(ctx, name);
  }
  list(ctx: VfsContext): readonly string[] {
    return this.dirOps.build(this.kernel, ctx).list(ctx);
  }
}

/** A link with a fixed target. */
export class StaticLink extends LinkNode {
  /** `bytes` is what ls shows: the target's length, or 0 as sysfs has it. */
  constructor(
    private readonly target: string,
    private readonly bytes = target.length,
  ) {
    super();
  }
  override size(): number {
    return this.bytes;
  }
  readlink(_ctx: VfsContext): string {
    return this.target;
  }
}
