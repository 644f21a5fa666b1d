// File operations that the host's shell asks for (redirection, text tools), on a machine's file system.
import { Errno } from '../base/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../kernel/fs/node.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { FsCall, FsResult } from './inputs.ts';

const answer = (errno: number): FsResult => (errno < 0 ? { ok: false, errno: -errno } : { ok: true });

/** Acts with the rights of root in namespace `netns`. */
export function applyFs(kernel: Kernel, netns: string, cwd: string, fs: FsCall): FsResult {
  const net = kernel.procs.netnsOf(netns);
  if (net === undefined) return { ok: false, errno: Errno.ENOENT };
  const ctx = { net, cwd, pid: 1 };
  const { vfs } = kernel;
  switch (fs.call) {
    case 'read': {
      const data = vfs.readFile(ctx, fs.path);
      return typeof data === 'number' ? { ok: false, errno: -data } : { ok: true, data };
    }
    case 'write':
      return answer(vfs.writeFile(ctx, fs.path, fs.data, fs.append ? 'append' : 'truncate'));
    case 'readdir': {
      const entries = vfs.readdir(ctx, fs.path);
      return typeof entries === 'number' ? { ok: false, errno: -entries } : { ok: true, entries: entries.map((e) => e.name) };
    }
    case 'stat': {
      const link = vfs.lstat(ctx, fs.path);
      if (typeof link === 'number') return { ok: false, errno: -link };
      const type = (link.mode & S_IFMT) === S_IFLNK ? 'link' : (link.mode & S_IFMT) === S_IFDIR ? 'dir' : 'file';
      const target = type === 'link' ? vfs.readlink(ctx, fs.path) : undefined;
      return { ok: true, stat: { type, mode: link.mode, size: link.size, target: typeof target === 'string' ? target : undefined } };
    }
    case 'mkdir': {
      if (!fs.parents) return answer(vfs.mkdir(ctx, fs.path));
      let at = '';
      for (const part of fs.path.split('/').filter((p) => p !== '')) {
        at += `/${part}`;
        const r = vfs.mkdir(ctx, at);
        if (r < 0 && r !== -Errno.EEXIST) return { ok: false, errno: -r };
      }
      return { ok: true };
    }
    case 'unlink':
      return answer(vfs.unlink(ctx, fs.path));
  }
}
